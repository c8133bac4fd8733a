/* SPDX-License-Identifier: MIT */
/* Makes every call of a whole restore fail, with every errno that is plausible. */
#include "tests/faults/inject.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "restore/ctx.h"
#include "tests/wrap-dev.h"

static const int plausible[] = {
	EPERM, EINTR,  EIO,    EAGAIN, ENOMEM, EACCES,	   EFAULT,
	EBUSY, ENODEV, EINVAL, ENOTTY, ENOSPC, EOPNOTSUPP, ENOBUFS,
};

/* Calls that older kernels or some parents lack: then something else is true
 * there, and the restore goes on. */
static bool may_go_on(unsigned long request, int err)
{
	bool absent = err == ENOTTY || err == EOPNOTSUPP;

	switch (request) {
	case VHOST_GET_FEATURES_ARRAY:
		return true;
	case VHOST_VDPA_GET_VQS_COUNT:
	case VHOST_VDPA_GET_GROUP_NUM:
	case VHOST_VDPA_GET_AS_NUM:
	case VHOST_VDPA_GET_CONFIG_SIZE:
	case VHOST_VDPA_GET_VRING_GROUP:
		return absent;
	case VHOST_VDPA_GET_IOVA_RANGE:
		return err == ENOTTY;
	case VHOST_VDPA_GET_VRING_SIZE:
		return absent || err == EINVAL;
	default:
		return false;
	}
}

static enum vdpr_cause cause_of(int err)
{
	return err == EPERM || err == EACCES || err == EBUSY ? VDPR_CAUSE_ACCESS
							     : VDPR_CAUSE_OTHER;
}

size_t inject_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

struct inject_footprint inject_footprint(void)
{
	struct inject_footprint now = { .fds = inject_fds() };
	FILE *file = fopen("/proc/self/maps", "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		now.maps += strstr(line, "memfd:vdpa-restore") != NULL;
	if (file)
		fclose(file);
	file = fopen("/proc/self/status", "re");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "VmPin:", 6))
			now.pinned = strtoul(line + 6, NULL, 10);
	if (file)
		fclose(file);
	return now;
}

struct one {
	const char *dev;
	const struct vdpr_state *state;
	unsigned int flags;
	size_t fail_at, cancel_at;
	int err;
	struct inject_result *result;
	/* Outcome. */
	int ret;
	enum vdpr_cause cause;
	unsigned long request; /* of the call that failed */
	size_t calls;
	uint8_t status; /* of the device afterwards */
	size_t mapped;
	char text[200];
};

static void wrong(struct one *one, const char *what)
{
	struct inject_result *result = one->result;

	if (!result->wrong++)
		snprintf(result->why, sizeof(result->why),
			 "%s: call %zu (0x%lx) errno %d: %s (%s)", one->dev,
			 one->fail_at ? one->fail_at : one->cancel_at,
			 one->request, one->err, what, one->text);
}

static void leaked(struct one *one, const char *what)
{
	one->result->leaked++;
	wrong(one, what);
}

/* One restore on a freshly opened device. Return: 0, -1 if it cannot be opened. */
static int run_one(struct one *one)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	struct wrap *wrap;
	int cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (cancel_fd < 0 || vdpr_ctx_new(&ctx))
		return -1;
	if (vdpr_dev_open(ctx, one->dev, &dev)) {
		snprintf(one->text, sizeof(one->text), "%s",
			 vdpr_ctx_error(ctx));
		vdpr_ctx_free(ctx);
		close(cancel_fd);
		return -1;
	}
	wrap = wrap_dev(dev, 0);
	wrap->fail_at = one->fail_at;
	wrap->fail_errno = one->err;
	wrap->signal_at = one->cancel_at;
	wrap->signal_fd = cancel_fd;
	opts.flags = one->flags | VDPR_RESTORE_EMPTY_RINGS;
	opts.cancel_fd = cancel_fd;
	one->ret = vdpr_restore_run(ctx, &wrap->base, one->state, &opts, NULL);
	one->cause = vdpr_ctx_cause(ctx);
	snprintf(one->text, sizeof(one->text), "%s", vdpr_ctx_error(ctx));
	one->calls = wrap->n;
	one->request = one->fail_at && one->fail_at <= wrap->n
			       ? wrap->event[one->fail_at - 1].request
			       : 0;
	one->mapped = wrap_mapped(wrap);
	one->status = 0xff;
	vdpr_dev_get_status(wrap->inner, &one->status);
	vdpr_dev_close(&wrap->base);
	vdpr_ctx_free(ctx);
	close(cancel_fd);
	return 0;
}

/* After any failure: reset, and nothing of ours left in the IOTLB. */
static void judge_undone(struct one *one)
{
	if (one->status)
		wrong(one, "the device was not reset");
	if (one->mapped)
		leaked(one, "something stayed mapped");
}

static void judge_failure(struct one *one)
{
	one->result->injected++;
	if (!one->ret) {
		one->result->tolerated++;
		if (!may_go_on(one->request, one->err))
			wrong(one, "the restore went on");
		return;
	}
	/* Without a number of queues the state may not fit any more. */
	if (one->cause != cause_of(one->err) &&
	    !(may_go_on(one->request, one->err) &&
	      one->cause == VDPR_CAUSE_REFUSED))
		wrong(one, "another class of error");
	judge_undone(one);
}

#define VERIFY_CALLS 3 /* GET_STATUS, GET_CONFIG, SET_CONFIG_CALL */

static void judge_cancel(struct one *one)
{
	one->result->cancelled++;
	/* A device that runs and is verified stays as it is. */
	if (!one->ret && one->cancel_at + VERIFY_CALLS > one->calls)
		return;
	if (!one->ret)
		wrong(one, "the restore went on");
	else if (one->ret != -ECANCELED)
		wrong(one, "another error");
	else
		judge_undone(one);
}

static void judge_footprint(struct one *one,
			    const struct inject_footprint *before)
{
	struct inject_footprint now = inject_footprint();

	if (now.fds != before->fds)
		leaked(one, "a descriptor leaked");
	if (now.maps != before->maps)
		leaked(one, "a mapping leaked");
	if (now.pinned != before->pinned)
		leaked(one, "memory stayed pinned");
}

/* Whether the device has answered when it is looked at decides about a call or
 * two, so that the last of them may not come each time. */
#define TRIES 20

static void inject(struct one *one, const struct inject_footprint *before)
{
	int tries = 0;

	do {
		if (run_one(one)) {
			wrong(one, "the device does not open");
			return;
		}
	} while (one->fail_at > one->calls && !one->ret && ++tries < TRIES);
	if (one->fail_at > one->calls && !one->ret)
		one->result->missed++;
	else if (one->fail_at)
		judge_failure(one);
	else
		judge_cancel(one);
	judge_footprint(one, before);
}

int inject_all(const char *dev, const struct vdpr_state *state,
	       unsigned int flags, struct inject_result *result)
{
	struct one one = {
		.dev = dev, .state = state, .flags = flags, .result = result
	};
	struct inject_footprint before;

	memset(result, 0, sizeof(*result));
	if (run_one(&one) || one.ret) {
		snprintf(result->why, sizeof(result->why), "%s: %s", dev,
			 one.text);
		return -1;
	}
	result->calls = one.calls;
	result->errnos = ARRAY_SIZE(plausible);
	before = inject_footprint();
	for (size_t i = 1; i <= result->calls; i++) {
		one.fail_at = i;
		one.cancel_at = 0;
		for (size_t e = 0; e < ARRAY_SIZE(plausible); e++) {
			one.err = plausible[e];
			inject(&one, &before);
		}
		one.fail_at = 0;
		one.cancel_at = i;
		one.err = 0;
		inject(&one, &before);
	}
	return 0;
}
