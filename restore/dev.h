/* SPDX-License-Identifier: MIT */
/* The device: one small interface over the char device, the simulator and fakes. */
#ifndef VDPR_DEV_H
#define VDPR_DEV_H

#include "restore/features.h"

struct vdpr_dev;

/*
 * What a device can do. Requests and arguments are those of the vhost-vdpa char
 * device (linux/vhost.h), so that every implementation answers to the same
 * rules and one wrapper can make any single call fail.
 */
struct vdpr_dev_ops {
	/* Return: 0 or -errno. @arg: as the char device has it. */
	int (*ioctl)(struct vdpr_dev *dev, unsigned long request, void *arg);
	/* One IOTLB message by write(). Return: 0 or -errno. */
	int (*iotlb)(struct vdpr_dev *dev, const struct vhost_msg_v2 *msg);
	/* Maps the doorbell page of a virtqueue. Return: 0 or -errno; NULL op:
	 * -ENOTSUP. Unmapped with munmap(page size). */
	int (*doorbell)(struct vdpr_dev *dev, uint32_t index, void **page);
	/* Ends the device: the last close resets it. */
	void (*close)(struct vdpr_dev *dev);
};

struct vdpr_dev_counts {
	uint64_t ioctls;
	uint64_t iotlb_writes;
};

/* Base of every implementation's own struct; made by the open functions. */
struct vdpr_dev {
	const struct vdpr_dev_ops *ops;
	char *name;   /* as the user gave it: for messages */
	char *vdpa;   /* name of the vdpa device, or NULL */
	char *driver; /* driver of the parent, or NULL: key of the quirk table */
	unsigned int kernel; /* of that driver, as KERNEL_VERSION() packs it */
	bool has_array;	     /* knows GET_FEATURES_ARRAY, once examined */
	bool owned;	     /* SET_OWNER is done */
	bool foreign;	     /* the descriptor is the caller's and lives on */
	bool busy;	     /* a restore is under way */
	int owner;	/* process that did it; 0: the caller says it is done */
	uint64_t acked; /* backend features acknowledged by the caller */
	struct vdpr_dev_counts counts;
	struct vdpr_cvq *cvq; /* memory of the last restore, freed by close */
	struct vdpr_iova_range *lent; /* by vdpr_dev_map() */
	size_t n_lent;
	/* The caller runs the control virtqueue: no request is ours. */
	const struct vdpr_dev_hooks *control;
	uint64_t cvqs_dropped; /* before cvq: so that nobody uses an old one */
};

#define VDPR_KERNEL(a, b) ((unsigned int)(a) << 16 | (unsigned int)(b) << 8)

/* Every call of the library goes through these two: they count. */
int vdpr_dev_ioctl(struct vdpr_dev *dev, unsigned long request, void *arg);
int vdpr_dev_iotlb(struct vdpr_dev *dev, const struct vhost_msg_v2 *msg);

/* vdpr_dev_examine_step() - one request of vdpr_dev_examine().
 * @step: 0 first, then one more each time.
 * Return: 1 there is a next one, 0 @info is whole, -errno (and a message).
 */
int vdpr_dev_examine_step(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
			  unsigned int step, struct vdpr_dev_info *info);

/* Is a restore under way, which nothing else may come between?
 * Return: 0, or -EBUSY (and a message). */
int vdpr_dev_check_busy(struct vdpr_ctx *ctx, const struct vdpr_dev *dev);

/* SET_OWNER. Return: 0 or -errno. */
int vdpr_dev_own(struct vdpr_dev *dev);

/* SET_STATUS(0), and the caller's own mappings set again in the parent where the
 * reset dropped them. Return: 0 or -errno. */
int vdpr_dev_reset(struct vdpr_dev *dev);

/* Implementations. @name is the whole DEV word. */
int vdpr_kernel_open(struct vdpr_ctx *ctx, const char *name, const char *path,
		     struct vdpr_dev **out);
int vdpr_kernel_from_fd(struct vdpr_ctx *ctx, const char *name, int fd,
			bool own_fd, struct vdpr_dev **out);
/* The same with @fd taken over, for reading only: dev-pid.h. */
int vdpr_kernel_borrow(struct vdpr_ctx *ctx, const char *name, int fd,
		       struct vdpr_dev **out);
int vdpr_sim_check(struct vdpr_ctx *ctx, const char *name);
int vdpr_sim_open(struct vdpr_ctx *ctx, const char *name,
		  struct vdpr_dev **out);

/* ------------------------------------------------ typed calls, 0 or -errno */

int vdpr_dev_get_features(struct vdpr_dev *dev, struct vdpr_features *out);
/* Its two requests: all 128 bits, which not every kernel can tell; bits 0-63. */
int vdpr_dev_get_features_array(struct vdpr_dev *dev,
				struct vdpr_features *out);
int vdpr_dev_get_features_low(struct vdpr_dev *dev, struct vdpr_features *out);
int vdpr_dev_set_features(struct vdpr_dev *dev, const struct vdpr_features *f);
int vdpr_dev_get_backend(struct vdpr_dev *dev, uint64_t *out);
int vdpr_dev_set_backend(struct vdpr_dev *dev, uint64_t bits);
int vdpr_dev_get_status(struct vdpr_dev *dev, uint8_t *out);
int vdpr_dev_set_status(struct vdpr_dev *dev, uint8_t status);
/* Reads @len bytes of config space from @offset. */
int vdpr_dev_get_config(struct vdpr_dev *dev, uint32_t offset, void *buf,
			uint32_t len);
/* u32 getters: GET_DEVICE_ID, GET_CONFIG_SIZE, GET_VQS_COUNT, GROUP_NUM, AS_NUM */
int vdpr_dev_get_u32(struct vdpr_dev *dev, unsigned long request,
		     uint32_t *out);
int vdpr_dev_get_vring_num(struct vdpr_dev *dev, uint16_t *out);
int vdpr_dev_get_iova_range(struct vdpr_dev *dev, struct vdpr_iova_range *out);
/* Requests whose argument is a struct vhost_vring_state; @num may be NULL. */
int vdpr_dev_vring(struct vdpr_dev *dev, unsigned long request, uint32_t index,
		   uint32_t num);
int vdpr_dev_vring_get(struct vdpr_dev *dev, unsigned long request,
		       uint32_t index, uint32_t *num);
/* SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR; @fd -1 detaches. */
int vdpr_dev_vring_fd(struct vdpr_dev *dev, unsigned long request,
		      uint32_t index, int fd);
int vdpr_dev_vring_addr(struct vdpr_dev *dev, uint32_t index, uint64_t desc,
			uint64_t driver, uint64_t device);
int vdpr_dev_set_config_call(struct vdpr_dev *dev, int fd);
/* @perm: VHOST_ACCESS_RO or RW; all multiples of the page size. */
int vdpr_dev_iotlb_update(struct vdpr_dev *dev, uint32_t asid, uint64_t iova,
			  uint64_t size, const void *addr, uint8_t perm);
int vdpr_dev_iotlb_invalidate(struct vdpr_dev *dev, uint32_t asid,
			      uint64_t iova, uint64_t size);

/* Reads config space into the public struct, only what @offered has and the
 * space is large enough for. Return: 0 or -errno. */
int vdpr_dev_read_config(struct vdpr_dev *dev,
			 const struct vdpr_features *offered, uint32_t size,
			 struct vdpr_net_config *out);

#endif
