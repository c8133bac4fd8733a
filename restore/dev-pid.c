/* SPDX-License-Identifier: MIT */
/* A running VMM's device, borrowed to be read. */
#include "restore/dev-pid.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "restore/ctx.h"

/*
 * The kernel lets whoever has the descriptor read (drivers/vhost/vdpa.c), and also
 * reset, suspend and change status, features and configuration: only what touches
 * rings and memory asks for the owner. So this file stands between the library and
 * the device, and lets nothing through but what is in this table.
 */
static const unsigned long readable[] = {
	VHOST_GET_FEATURES,	    VHOST_GET_FEATURES_ARRAY,
	VHOST_GET_BACKEND_FEATURES, VHOST_VDPA_GET_DEVICE_ID,
	VHOST_VDPA_GET_STATUS,	    VHOST_VDPA_GET_CONFIG,
	VHOST_VDPA_GET_CONFIG_SIZE, VHOST_VDPA_GET_VRING_NUM,
	VHOST_VDPA_GET_IOVA_RANGE,  VHOST_VDPA_GET_AS_NUM,
	VHOST_VDPA_GET_GROUP_NUM,   VHOST_VDPA_GET_VQS_COUNT,
};

bool vdpr_pid_may(unsigned long request)
{
	for (size_t i = 0; i < ARRAY_SIZE(readable); i++)
		if (readable[i] == request)
			return true;
	return false;
}

/* Which process, and which of its descriptors; -1: the only device it has. */
struct target {
	pid_t pid;
	int fd;
};

static int parse(struct vdpr_ctx *ctx, const char *name, const char *rest,
		 struct target *out)
{
	static const char fd_key[] = ",fd=";
	const char *comma = strchr(rest, ',');
	size_t len = comma ? (size_t)(comma - rest) : strlen(rest);
	uint64_t pid = 0, fd = 0;
	char digits[16];

	if (len < sizeof(digits)) {
		memcpy(digits, rest, len);
		digits[len] = '\0';
	}
	if (len < sizeof(digits) && !vdpr_u64_parse(digits, INT_MAX, &pid) &&
	    pid > 0 &&
	    (!comma ||
	     (!strncmp(comma, fd_key, sizeof(fd_key) - 1) &&
	      !vdpr_u64_parse(comma + sizeof(fd_key) - 1, INT_MAX, &fd)))) {
		*out = (struct target){ .pid = (pid_t)pid,
					.fd = comma ? (int)fd : -1 };
		return 0;
	}
	return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
			 "%s: pid: wants a process's number, as in pid:1234 or "
			 "pid:1234,fd=27",
			 name);
}

int vdpr_pid_check(struct vdpr_ctx *ctx, const char *name, const char *rest)
{
	struct target target = { .fd = -1 };

	return parse(ctx, name, rest, &target);
}

/* ----------------------------------------------------- the right descriptor */

static int fail_process(struct vdpr_ctx *ctx, const char *name,
			const char *operation, int err)
{
	vdpr_fail(ctx, vdpr_cause_of(err), err, "%s: %s: %s", name, operation,
		  strerror(-err));
	if (err == -EPERM || err == -EACCES)
		vdpr_cure(ctx, "borrowing from a process needs root, or "
			       "CAP_SYS_PTRACE over it");
	return err;
}

/* What a descriptor of the process is, by the kernel's name for it. */
static bool link_text(int folder, const char *fd, char *text, size_t size)
{
	ssize_t n = readlinkat(folder, fd, text, size - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

/* The name is looked at first: stat() on another file may hang. */
static bool is_device(int folder, const char *fd, dev_t *rdev)
{
	char text[PATH_MAX];
	struct stat st;

	if (!link_text(folder, fd, text, sizeof(text)) ||
	    !strstr(text, "vhost-vdpa") || fstatat(folder, fd, &st, 0) < 0 ||
	    !S_ISCHR(st.st_mode))
		return false;
	*rdev = st.st_rdev;
	return true;
}

static int fail_several(struct vdpr_ctx *ctx, const char *name, int a, int b)
{
	vdpr_fail(ctx, VDPR_CAUSE_USAGE, -ENOTUNIQ,
		  "%s: it has more than one vhost-vdpa device open", name);
	vdpr_cure(ctx, "say which descriptor: ,fd=%d or ,fd=%d", a, b);
	return -ENOTUNIQ;
}

/* Several descriptors of one device are one. */
static int find_only(struct vdpr_ctx *ctx, const char *name, DIR *dir, int *out)
{
	struct dirent *e;
	dev_t rdev, found = 0;
	int fd = -1;

	while ((e = readdir(dir))) {
		int number = (int)strtol(e->d_name, NULL, 10);

		if (!isdigit((unsigned char)e->d_name[0]) ||
		    !is_device(dirfd(dir), e->d_name, &rdev))
			continue;
		if (fd >= 0 && rdev != found)
			return fail_several(ctx, name, fd, number);
		if (fd < 0 || number < fd)
			fd = number;
		found = rdev;
	}
	if (fd < 0) {
		vdpr_fail(ctx, VDPR_CAUSE_OTHER, -ENOENT,
			  "%s: it has no vhost-vdpa device open", name);
		vdpr_cure(ctx, "'vdpa-restore list' shows who has one");
		return -ENOENT;
	}
	*out = fd;
	return 0;
}

static int check_given(struct vdpr_ctx *ctx, const char *name, int folder,
		       int fd)
{
	char number[16], text[PATH_MAX];
	dev_t rdev;

	snprintf(number, sizeof(number), "%d", fd);
	if (is_device(folder, number, &rdev))
		return 0;
	if (!link_text(folder, number, text, sizeof(text)))
		return vdpr_fail(ctx, VDPR_CAUSE_OTHER, -EBADF,
				 "%s: it has no such descriptor open", name);
	return vdpr_fail(
		ctx, VDPR_CAUSE_OTHER, -ENOTTY,
		"%s: its descriptor is %.128s, not a vhost-vdpa device", name,
		text);
}

static int find_descriptor(struct vdpr_ctx *ctx, const char *name,
			   struct target *target)
{
	char path[64];
	DIR *dir;
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)target->pid);
	dir = opendir(path);
	if (!dir)
		return fail_process(ctx, name, "look at its descriptors",
				    errno == ENOENT ? -ESRCH : -errno);
	if (target->fd < 0)
		ret = find_only(ctx, name, dir, &target->fd);
	else
		ret = check_given(ctx, name, dirfd(dir), target->fd);
	closedir(dir);
	return ret;
}

/* The process is held by its descriptor before its files are looked at, so that
 * they are never those of a later one with the same number. */
static int borrow(struct vdpr_ctx *ctx, const char *name, struct target *target,
		  int *out)
{
	int pidfd = (int)syscall(SYS_pidfd_open, target->pid, 0);
	int ret, fd = -1;

	if (pidfd < 0)
		return fail_process(ctx, name, "look at the process", -errno);
	ret = find_descriptor(ctx, name, target);
	if (!ret) {
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, target->fd, 0);
		if (fd < 0)
			ret = fail_process(ctx, name, "borrow its descriptor",
					   -errno);
	}
	close(pidfd);
	if (!ret)
		*out = fd;
	return ret;
}

int vdpr_pid_open(struct vdpr_ctx *ctx, const char *name, const char *rest,
		  struct vdpr_dev **out)
{
	struct target target = { .fd = -1 };
	int fd = -1;
	int ret = parse(ctx, name, rest, &target);

	if (!ret)
		ret = borrow(ctx, name, &target, &fd);
	if (!ret)
		ret = vdpr_kernel_borrow(ctx, name, fd, out);
	if (ret && fd >= 0)
		vdpr_close_fd(fd);
	return ret;
}
