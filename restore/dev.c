/* SPDX-License-Identifier: MIT */
/* Typed calls on a device: one function a request, each counted. */
#include "restore/dev.h"

#include <errno.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/cvq.h"
#include "restore/net-config.h"

int vdpr_dev_ioctl(struct vdpr_dev *dev, unsigned long request, void *arg)
{
	dev->counts.ioctls++;
	return dev->ops->ioctl(dev, request, arg);
}

int vdpr_dev_iotlb(struct vdpr_dev *dev, const struct vhost_msg_v2 *msg)
{
	dev->counts.iotlb_writes++;
	return dev->ops->iotlb(dev, msg);
}

void vdpr_dev_close(struct vdpr_dev *dev)
{
	struct vdpr_dev base;

	if (!dev)
		return;
	/* No close, so no reset: what is in the device must be taken out. */
	if (dev->foreign)
		vdpr_dev_drop_cvq(dev);
	/* The memory goes after the device: until its reset it may be written. */
	base = *dev;
	dev->ops->close(dev);
	vdpr_cvq_free(base.cvq);
	free(base.lent);
	free(base.name);
	free(base.vdpa);
	free(base.driver);
}

/* BATCH_BEGIN and BATCH_END on the guest's address space. */
static int iotlb_batch(struct vdpr_dev *dev)
{
	struct vhost_msg_v2 msg;
	int ret;

	memset(&msg, 0, sizeof(msg));
	msg.type = VHOST_IOTLB_MSG_V2;
	msg.iotlb.type = VHOST_IOTLB_BATCH_BEGIN;
	ret = vdpr_dev_iotlb(dev, &msg);
	if (ret)
		return ret;
	msg.iotlb.type = VHOST_IOTLB_BATCH_END;
	return vdpr_dev_iotlb(dev, &msg);
}

int vdpr_dev_check_busy(struct vdpr_ctx *ctx, const struct vdpr_dev *dev)
{
	if (!dev->busy)
		return 0;
	vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EBUSY,
		  "%s: a restore is under way on it", dev->name);
	vdpr_cure(ctx, "let it end, or end it: vdpr_restore_free()");
	return -EBUSY;
}

int vdpr_dev_own(struct vdpr_dev *dev)
{
	int ret = vdpr_dev_ioctl(dev, VHOST_SET_OWNER, NULL);

	if (ret)
		return ret;
	dev->owned = true;
	dev->owner = getpid();
	return 0;
}

/* A features array of two words, as the kernel lays it out. */
struct features_array {
	uint64_t count;
	uint64_t word[2];
};

int vdpr_dev_reset(struct vdpr_dev *dev)
{
	int ret = vdpr_dev_set_status(dev, 0);

	if (ret || (!dev->foreign && !dev->n_lent) ||
	    dev->acked & BIT_ULL(VHOST_BACKEND_F_IOTLB_PERSIST))
		return ret;
	/* The parent has dropped its map with the reset, but vhost's IOTLB still
	 * holds what the caller put there: an empty batch makes it set the whole
	 * map again. Parents without a map of their own ignore it. */
	return iotlb_batch(dev);
}

int vdpr_dev_get_features_array(struct vdpr_dev *dev, struct vdpr_features *out)
{
	struct features_array array = { .count = 2 };
	int ret = vdpr_dev_ioctl(dev, VHOST_GET_FEATURES_ARRAY, &array);

	if (!ret)
		memcpy(out->word, array.word, sizeof(out->word));
	return ret;
}

int vdpr_dev_get_features_low(struct vdpr_dev *dev, struct vdpr_features *out)
{
	uint64_t low = 0;
	int ret = vdpr_dev_ioctl(dev, VHOST_GET_FEATURES, &low);

	if (!ret)
		*out = (struct vdpr_features){ { low, 0 } };
	return ret;
}

int vdpr_dev_get_features(struct vdpr_dev *dev, struct vdpr_features *out)
{
	/* Kernels without the array know no bit past 63 (vhost-vdpa up to 7.2). */
	return vdpr_dev_get_features_array(dev, out)
		       ? vdpr_dev_get_features_low(dev, out)
		       : 0;
}

int vdpr_dev_set_features(struct vdpr_dev *dev, const struct vdpr_features *f)
{
	struct features_array array = { .count = 2 };
	uint64_t low = f->word[0];

	if (!f->word[1])
		return vdpr_dev_ioctl(dev, VHOST_SET_FEATURES, &low);
	memcpy(array.word, f->word, sizeof(array.word));
	return vdpr_dev_ioctl(dev, VHOST_SET_FEATURES_ARRAY, &array);
}

int vdpr_dev_get_backend(struct vdpr_dev *dev, uint64_t *out)
{
	uint64_t bits = 0;
	int ret = vdpr_dev_ioctl(dev, VHOST_GET_BACKEND_FEATURES, &bits);

	if (!ret)
		*out = bits;
	return ret;
}

int vdpr_dev_set_backend(struct vdpr_dev *dev, uint64_t bits)
{
	return vdpr_dev_ioctl(dev, VHOST_SET_BACKEND_FEATURES, &bits);
}

int vdpr_dev_get_status(struct vdpr_dev *dev, uint8_t *out)
{
	uint8_t status = 0;
	int ret = vdpr_dev_ioctl(dev, VHOST_VDPA_GET_STATUS, &status);

	if (!ret)
		*out = status;
	return ret;
}

int vdpr_dev_set_status(struct vdpr_dev *dev, uint8_t status)
{
	return vdpr_dev_ioctl(dev, VHOST_VDPA_SET_STATUS, &status);
}

int vdpr_dev_get_config(struct vdpr_dev *dev, uint32_t offset, void *buf,
			uint32_t len)
{
	union {
		struct vhost_vdpa_config head;
		uint8_t bytes[sizeof(struct vhost_vdpa_config) + 256];
	} arg;
	int ret;

	if (len > 256)
		return -EINVAL;
	memset(&arg, 0, sizeof(arg));
	arg.head.off = offset;
	arg.head.len = len;
	ret = vdpr_dev_ioctl(dev, VHOST_VDPA_GET_CONFIG, &arg);
	if (!ret)
		memcpy(buf, arg.bytes + sizeof(struct vhost_vdpa_config), len);
	return ret;
}

int vdpr_dev_get_u32(struct vdpr_dev *dev, unsigned long request, uint32_t *out)
{
	uint32_t value = 0;
	int ret = vdpr_dev_ioctl(dev, request, &value);

	if (!ret)
		*out = value;
	return ret;
}

int vdpr_dev_get_vring_num(struct vdpr_dev *dev, uint16_t *out)
{
	uint16_t num = 0;
	int ret = vdpr_dev_ioctl(dev, VHOST_VDPA_GET_VRING_NUM, &num);

	if (!ret)
		*out = num;
	return ret;
}

int vdpr_dev_get_iova_range(struct vdpr_dev *dev, struct vdpr_iova_range *out)
{
	struct vhost_vdpa_iova_range range = { 0, 0 };
	int ret = vdpr_dev_ioctl(dev, VHOST_VDPA_GET_IOVA_RANGE, &range);

	if (!ret)
		*out = (struct vdpr_iova_range){ range.first, range.last };
	return ret;
}

int vdpr_dev_vring(struct vdpr_dev *dev, unsigned long request, uint32_t index,
		   uint32_t num)
{
	struct vhost_vring_state state = { .index = index, .num = num };

	return vdpr_dev_ioctl(dev, request, &state);
}

int vdpr_dev_vring_get(struct vdpr_dev *dev, unsigned long request,
		       uint32_t index, uint32_t *num)
{
	struct vhost_vring_state state = { .index = index };
	int ret = vdpr_dev_ioctl(dev, request, &state);

	if (!ret)
		*num = state.num;
	return ret;
}

int vdpr_dev_vring_fd(struct vdpr_dev *dev, unsigned long request,
		      uint32_t index, int fd)
{
	struct vhost_vring_file file = { .index = index, .fd = fd };

	return vdpr_dev_ioctl(dev, request, &file);
}

int vdpr_dev_vring_addr(struct vdpr_dev *dev, uint32_t index, uint64_t desc,
			uint64_t driver, uint64_t device)
{
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = desc,
		.avail_user_addr = driver,
		.used_user_addr = device,
	};

	return vdpr_dev_ioctl(dev, VHOST_SET_VRING_ADDR, &addr);
}

int vdpr_dev_set_config_call(struct vdpr_dev *dev, int fd)
{
	return vdpr_dev_ioctl(dev, VHOST_VDPA_SET_CONFIG_CALL, &fd);
}

int vdpr_dev_iotlb_update(struct vdpr_dev *dev, uint32_t asid, uint64_t iova,
			  uint64_t size, const void *addr, uint8_t perm)
{
	struct vhost_msg_v2 msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = VHOST_IOTLB_MSG_V2;
	msg.asid = asid;
	msg.iotlb.iova = iova;
	msg.iotlb.size = size;
	msg.iotlb.uaddr = (uintptr_t)addr;
	msg.iotlb.perm = perm;
	msg.iotlb.type = VHOST_IOTLB_UPDATE;
	return vdpr_dev_iotlb(dev, &msg);
}

int vdpr_dev_iotlb_invalidate(struct vdpr_dev *dev, uint32_t asid,
			      uint64_t iova, uint64_t size)
{
	struct vhost_msg_v2 msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = VHOST_IOTLB_MSG_V2;
	msg.asid = asid;
	msg.iotlb.iova = iova;
	msg.iotlb.size = size;
	msg.iotlb.type = VHOST_IOTLB_INVALIDATE;
	return vdpr_dev_iotlb(dev, &msg);
}

/* ------------------------------------------------------------ config space */

int vdpr_dev_read_config(struct vdpr_dev *dev,
			 const struct vdpr_features *offered, uint32_t size,
			 struct vdpr_net_config *out)
{
	uint8_t raw[VDPR_NET_CONFIG_SIZE] = { 0 };
	uint32_t len = size < sizeof(raw) ? size : sizeof(raw);
	int ret = 0;

	if (vdpr_net_config_present(offered, len))
		ret = vdpr_dev_get_config(dev, 0, raw, len);
	if (!ret)
		vdpr_net_config_decode(offered, raw, len, out);
	return ret;
}
