/* SPDX-License-Identifier: MIT */
/* Memory that a caller lends to a device: the guest's, for those without a layer. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/diagnose.h"

static int misuse(struct vdpr_ctx *ctx, const struct vdpr_dev *dev,
		  const char *call, int err, const char *what)
{
	return vdpr_fail(ctx, VDPR_CAUSE_USAGE, err, "%s: %s: %s", dev->name,
			 call, what);
}

static int own(struct vdpr_ctx *ctx, struct vdpr_dev *dev)
{
	int ret = dev->owned ? 0 : vdpr_dev_own(dev);

	return ret ? vdpr_fail(ctx, vdpr_cause_of(ret), ret,
			       "%s: map: SET_OWNER: %s", dev->name,
			       strerror(-ret))
		   : 0;
}

static int check(struct vdpr_ctx *ctx, const struct vdpr_dev *dev,
		 const struct vdpr_iova_range *range, const void *host,
		 unsigned int flags)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (flags & ~VDPR_MAP_READ_ONLY)
		return misuse(ctx, dev, "map", -EINVAL,
			      "flags that are not known");
	/* An end before the beginning: no length, or it wraps. */
	if (range->last < range->first || range->first % page ||
	    (range->last + 1) % page || (uintptr_t)host % page)
		return misuse(ctx, dev, "map", -EINVAL,
			      "address and length must be whole pages");
	for (size_t i = 0; i < dev->n_lent; i++)
		if (range->first <= dev->lent[i].last &&
		    dev->lent[i].first <= range->last)
			return misuse(ctx, dev, "map", -EEXIST,
				      "some of it is mapped already");
	return 0;
}

int vdpr_dev_map(struct vdpr_ctx *ctx, struct vdpr_dev *dev, uint64_t iova,
		 uint64_t len, void *host, unsigned int flags)
{
	const struct vdpr_iova_range range = { iova, iova + len - 1 };
	struct vdpr_iova_range *lent;
	int ret;

	if (vdpr_any_null(ctx, dev, host))
		return -EINVAL;
	ret = check(ctx, dev, &range, host, flags);
	if (ret)
		return ret;
	lent = reallocarray(dev->lent, dev->n_lent + 1, sizeof(*lent));
	if (!lent)
		return vdpr_fail_memory(ctx);
	dev->lent = lent;
	ret = own(ctx, dev);
	if (ret)
		return ret;
	ret = vdpr_dev_iotlb_update(
		dev, 0, iova, len, host,
		flags & VDPR_MAP_READ_ONLY ? VHOST_ACCESS_RO : VHOST_ACCESS_RW);
	if (ret)
		return vdpr_diagnose_lent(ctx, dev, &range, ret);
	lent[dev->n_lent++] = range;
	return 0;
}

int vdpr_dev_unmap(struct vdpr_ctx *ctx, struct vdpr_dev *dev, uint64_t iova,
		   uint64_t len)
{
	int ret;

	if (vdpr_any_null(ctx, dev))
		return -EINVAL;
	for (size_t i = 0; i < dev->n_lent; i++) {
		if (dev->lent[i].first != iova ||
		    dev->lent[i].last != iova + len - 1)
			continue;
		ret = vdpr_dev_iotlb_invalidate(dev, 0, iova, len);
		if (ret)
			return vdpr_fail(ctx, vdpr_cause_of(ret), ret,
					 "%s: IOTLB invalidate: %s", dev->name,
					 strerror(-ret));
		dev->lent[i] = dev->lent[--dev->n_lent];
		return 0;
	}
	return misuse(ctx, dev, "unmap", -ENOENT, "that was never mapped");
}
