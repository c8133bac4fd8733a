/* SPDX-License-Identifier: MIT */
/* The kernel's char device: the only file that touches /dev/vhost-vdpa-N. */
#include "restore/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "restore/ctx.h"
#include "restore/dev-pid.h"
#include "restore/sysfs.h"

struct kernel_dev {
	struct vdpr_dev base;
	int fd;
	bool own_fd;
};

static struct kernel_dev *kernel_dev(struct vdpr_dev *dev)
{
	return (struct kernel_dev *)dev;
}

static int kernel_ioctl(struct vdpr_dev *dev, unsigned long request, void *arg)
{
	return ioctl(kernel_dev(dev)->fd, request, arg) < 0 ? -errno : 0;
}

static int kernel_iotlb(struct vdpr_dev *dev, const struct vhost_msg_v2 *msg)
{
	ssize_t len = write(kernel_dev(dev)->fd, msg, sizeof(*msg));

	if (len < 0)
		return -errno;
	return (size_t)len == sizeof(*msg) ? 0 : -EIO;
}

static int kernel_doorbell(struct vdpr_dev *dev, uint32_t index, void **page)
{
	long size = sysconf(_SC_PAGESIZE);
	void *map = mmap(NULL, (size_t)size, PROT_WRITE, MAP_SHARED,
			 kernel_dev(dev)->fd, (off_t)index * size);

	if (map == MAP_FAILED)
		return -errno;
	*page = map;
	return 0;
}

static void kernel_close(struct vdpr_dev *dev)
{
	struct kernel_dev *kernel = kernel_dev(dev);

	if (kernel->own_fd)
		vdpr_close_fd(kernel->fd);
	free(kernel);
}

static const struct vdpr_dev_ops kernel_ops = {
	.ioctl = kernel_ioctl,
	.iotlb = kernel_iotlb,
	.doorbell = kernel_doorbell,
	.close = kernel_close,
};

/* ---------------------------------------------- a device of another process */

static int borrowed_ioctl(struct vdpr_dev *dev, unsigned long request,
			  void *arg)
{
	return vdpr_pid_may(request) ? kernel_ioctl(dev, request, arg) : -EPERM;
}

static int borrowed_iotlb(struct vdpr_dev *dev, const struct vhost_msg_v2 *msg)
{
	(void)dev;
	(void)msg;
	return -EPERM;
}

static const struct vdpr_dev_ops borrowed_ops = {
	.ioctl = borrowed_ioctl,
	.iotlb = borrowed_iotlb,
	.close = kernel_close,
};

int vdpr_kernel_borrow(struct vdpr_ctx *ctx, const char *name, int fd,
		       struct vdpr_dev **out)
{
	/* Until it returns it makes one request, which only reads. */
	int ret = vdpr_kernel_from_fd(ctx, name, fd, true, out);

	if (!ret)
		(*out)->ops = &borrowed_ops;
	return ret;
}

/* -------------------------------------------------------------------- opening */

/* Version of the running kernel, which is that of the parent driver. */
static unsigned int running_kernel(void)
{
	struct utsname name;
	unsigned long major, minor;
	char *end;

	if (uname(&name))
		return 0;
	major = strtoul(name.release, &end, 10);
	if (*end != '.' || major > UINT8_MAX)
		return 0;
	minor = strtoul(end + 1, &end, 10);
	return minor > UINT8_MAX ? 0 : VDPR_KERNEL(major, minor);
}

/* Only reads; a descriptor of something else fails here, by name. */
static int kernel_check_id(struct vdpr_ctx *ctx, struct vdpr_dev *dev)
{
	uint32_t id = 0;
	int ret = vdpr_dev_get_u32(dev, VHOST_VDPA_GET_DEVICE_ID, &id);

	if (ret) {
		vdpr_fail(ctx, VDPR_CAUSE_OTHER, ret,
			  "%s: GET_DEVICE_ID: %s: not a vhost-vdpa device",
			  dev->name, strerror(-ret));
		vdpr_cure(ctx, "give a /dev/vhost-vdpa-N, see "
			       "'vdpa-restore list'");
		return ret;
	}
	if (id == VIRTIO_ID_NET)
		return 0;
	return vdpr_fail(ctx, VDPR_CAUSE_OTHER, -ENODEV,
			 "%s: virtio device of type %u, not a network device",
			 dev->name, id);
}

int vdpr_kernel_from_fd(struct vdpr_ctx *ctx, const char *name, int fd,
			bool own_fd, struct vdpr_dev **out)
{
	struct kernel_dev *kernel = calloc(1, sizeof(*kernel));
	struct stat st;
	int ret;

	if (!kernel)
		return vdpr_fail_memory(ctx);
	kernel->base.ops = &kernel_ops;
	kernel->base.kernel = running_kernel();
	kernel->fd = fd;
	kernel->own_fd = false;
	kernel->base.name = strdup(name);
	if (!kernel->base.name)
		ret = vdpr_fail_memory(ctx);
	else
		ret = kernel_check_id(ctx, &kernel->base);
	if (ret) {
		vdpr_dev_close(&kernel->base);
		return ret;
	}
	/* Names are for messages and hints: a machine without sysfs has none. */
	if (!fstat(fd, &st))
		vdpr_sysfs_identify(st.st_rdev, &kernel->base.vdpa,
				    &kernel->base.driver);
	kernel->own_fd = own_fd;
	kernel->base.foreign = !own_fd;
	kernel->base.counts = (struct vdpr_dev_counts){ 0 };
	*out = &kernel->base;
	return 0;
}

/* One line for each way in which open() fails, with what to do next. */
static int open_failed(struct vdpr_ctx *ctx, const char *name, int err)
{
	enum vdpr_cause cause = vdpr_cause_of(err);

	vdpr_fail(ctx, cause, err, "%s: open: %s", name, strerror(-err));
	if (err == -EBUSY)
		vdpr_cure(ctx, "another process, probably the VMM, has it "
			       "('vdpa-restore list' shows which); one opener "
			       "at a time");
	else if (cause == VDPR_CAUSE_ACCESS)
		vdpr_cure(ctx, "run as root or give this user the device node "
			       "by a udev rule");
	else if (err == -ENOENT)
		vdpr_cure(ctx, "'vdpa-restore list' shows the devices; is "
			       "vhost_vdpa loaded and bound?");
	return err;
}

int vdpr_kernel_open(struct vdpr_ctx *ctx, const char *name, const char *path,
		     struct vdpr_dev **out)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return open_failed(ctx, name, -errno);
	ret = vdpr_kernel_from_fd(ctx, name, fd, true, out);
	if (ret)
		vdpr_close_fd(fd);
	return ret;
}
