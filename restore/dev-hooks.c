/* SPDX-License-Identifier: MIT */
/* A device behind a caller's callbacks, in place of the char device. */
#include "restore/dev.h"

#include <errno.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/sizes.h"

struct hook_dev {
	struct vdpr_dev base; /* must be first */
	struct vdpr_dev_hooks hooks;
	struct vdpr_dev_info info;
	char *driver; /* info.driver */
};

static struct hook_dev *hook_dev(struct vdpr_dev *dev)
{
	return (struct hook_dev *)dev;
}

static int hook_ioctl(struct vdpr_dev *dev, unsigned long request, void *arg)
{
	const struct vdpr_dev_hooks *hooks = &hook_dev(dev)->hooks;

	return hooks->ioctl(hooks->data, request, arg);
}

static int hook_iotlb(struct vdpr_dev *dev, const struct vhost_msg_v2 *msg)
{
	const struct vdpr_dev_hooks *hooks = &hook_dev(dev)->hooks;
	const struct vhost_iotlb_msg *m = &msg->iotlb;

	switch (m->type) {
	case VHOST_IOTLB_UPDATE:
		return hooks->map(
			hooks->data, msg->asid, m->iova, m->size,
			/* NOLINTNEXTLINE(performance-no-int-to-ptr): uapi */
			(const void *)(uintptr_t)m->uaddr,
			m->perm != VHOST_ACCESS_RO);
	case VHOST_IOTLB_INVALIDATE:
		return hooks->unmap(hooks->data, msg->asid, m->iova, m->size);
	default:
		/* To set the guest's map again after a reset is the caller's. */
		return 0;
	}
}

static void hook_close(struct vdpr_dev *dev)
{
	free(hook_dev(dev)->driver);
	free(dev);
}

static const struct vdpr_dev_ops hook_ops = {
	.ioctl = hook_ioctl,
	.iotlb = hook_iotlb,
	.close = hook_close,
};

/* Nothing is asked of a device whose caller only takes control buffers. */
static int no_ioctl(struct vdpr_dev *dev, unsigned long request, void *arg)
{
	(void)dev;
	(void)request;
	(void)arg;
	return -EOPNOTSUPP;
}

static int no_iotlb(struct vdpr_dev *dev, const struct vhost_msg_v2 *msg)
{
	(void)dev;
	(void)msg;
	return -EOPNOTSUPP;
}

static const struct vdpr_dev_ops control_ops = {
	.ioctl = no_ioctl,
	.iotlb = no_iotlb,
	.close = hook_close,
};

/* Return: 1 control buffers, 0 device calls, -EINVAL neither whole or both. */
static int kind_of(const struct vdpr_dev_hooks *hooks)
{
	bool calls = hooks->ioctl && hooks->map && hooks->unmap;
	bool control = hooks->info && hooks->send && hooks->poll &&
		       hooks->enable;
	bool any_call = hooks->ioctl || hooks->map || hooks->unmap;
	bool any_control = hooks->info || hooks->send || hooks->poll ||
			   hooks->enable;

	if (calls && !any_control)
		return 0;
	return control && !any_call ? 1 : -EINVAL;
}

static int copy_info(struct vdpr_ctx *ctx, struct hook_dev *dev)
{
	const char *name = dev->base.name;

	if (vdpr_struct_take(&dev->info, sizeof(dev->info), dev->hooks.info,
			     VDPR_LEAST_DEV_INFO))
		return vdpr_fail_size(ctx, name, "hooks: an info",
				      dev->hooks.info->size);
	dev->driver = strdup(dev->info.driver ? dev->info.driver : "");
	if (!dev->driver)
		return vdpr_fail_memory(ctx);
	dev->info.name = name;
	dev->info.driver = dev->driver;
	/* The queue behind the last pair is there, or the caller had none to give
	 * buffers for. */
	dev->hooks.info = &dev->info;
	return 0;
}

static int fill(struct vdpr_ctx *ctx, struct hook_dev *dev, const char *name,
		bool control)
{
	struct vdpr_dev *base = &dev->base;

	base->ops = control ? &control_ops : &hook_ops;
	base->name = strdup(name);
	if (!base->name)
		return vdpr_fail_memory(ctx);
	base->owned = dev->hooks.flags & VDPR_DEV_OWNED;
	base->acked = dev->hooks.backend_features;
	/* No close of ours resets it. */
	base->foreign = true;
	if (!control)
		return 0;
	base->control = &dev->hooks;
	return copy_info(ctx, dev);
}

int vdpr_dev_from_hooks(struct vdpr_ctx *ctx, const char *name,
			const struct vdpr_dev_hooks *given,
			struct vdpr_dev **out)
{
	struct vdpr_dev_hooks hooks;
	struct hook_dev *dev;
	int kind, ret;

	if (!given)
		return vdpr_fail_null(ctx, "hooks");
	if (vdpr_any_null(ctx, name, out))
		return -EINVAL;
	if (vdpr_struct_take(&hooks, sizeof(hooks), given,
			     VDPR_LEAST_DEV_HOOKS))
		return vdpr_fail_size(ctx, name, "hooks", given->size);
	kind = kind_of(&hooks);
	if (kind < 0)
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, kind,
				 "%s: hooks: either ioctl, map and unmap, or "
				 "info, send, poll and enable",
				 name);
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return vdpr_fail_memory(ctx);
	dev->hooks = hooks;
	ret = fill(ctx, dev, name, kind);
	if (ret)
		vdpr_dev_close(&dev->base);
	else
		*out = &dev->base;
	return ret;
}
