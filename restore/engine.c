/* SPDX-License-Identifier: MIT */
/* The restore engine: the table of stages, its runner, all or nothing. */
#include "restore/diagnose.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define DEFAULT_TIMEOUT (10 * NSEC_PER_SEC)

/* The order of operations. Nothing is set on the device before "negotiate", and
 * no data queue is enabled before "enable". */
static const vdpr_stage_fn stages[] = {
	[VDPR_STAGE_EXAMINE] = vdpr_stage_examine,
	[VDPR_STAGE_COMPARE] = vdpr_stage_compare,
	[VDPR_STAGE_NEGOTIATE] = vdpr_stage_negotiate,
	[VDPR_STAGE_MAP] = vdpr_stage_map,
	[VDPR_STAGE_RINGS] = vdpr_stage_rings,
	[VDPR_STAGE_START] = vdpr_stage_start,
	[VDPR_STAGE_REPLAY] = vdpr_stage_replay,
	[VDPR_STAGE_ENABLE] = vdpr_stage_enable,
	[VDPR_STAGE_VERIFY] = vdpr_stage_verify,
};
static_assert(ARRAY_SIZE(stages) == VDPR_STAGE_COUNT, "every stage has code");

/* --------------------------------------------------------------- failures */

int vdpr_run_call_failed(struct vdpr_run *run, const char *call, int err)
{
	vdpr_fail(run->ctx, vdpr_cause_of(err), err, "%s: %s: %s",
		  run->dev->name, call, strerror(-err));
	return vdpr_diagnose_call(run, call, err);
}

int vdpr_run_device_wrong(struct vdpr_run *run, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	vdpr_fail(run->ctx, VDPR_CAUSE_DEVICE, -EPROTO, "%s: %s",
		  run->dev->name, text ? text : "device fault");
	vdpr_cure(run->ctx, "the device was reset; this is a fault of the "
			    "device or its driver, the kernel log may say "
			    "more");
	return -EPROTO;
}

int vdpr_run_check_status(struct vdpr_run *run)
{
	uint8_t status = 0;
	int ret = vdpr_dev_get_status(run->dev, &status);

	if (ret)
		return vdpr_run_call_failed(run, "GET_STATUS", ret);
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return vdpr_run_device_wrong(
			run, "device set NEEDS_RESET (status 0x%02x)", status);
	if (status & VIRTIO_CONFIG_S_FAILED ||
	    !(status & VIRTIO_CONFIG_S_DRIVER_OK))
		return vdpr_run_device_wrong(
			run, "device dropped DRIVER_OK (status 0x%02x)",
			status);
	return 0;
}

static double seconds(uint64_t ns)
{
	return (double)ns / (double)NSEC_PER_SEC;
}

/* The first command that was shown to the device and has not come back. */
static const struct vdpr_plan_entry *
first_unanswered(const struct vdpr_run *run)
{
	const struct vdpr_report *report = run->report;

	for (size_t i = 0; report->plan && i < report->plan->count; i++)
		if (report->result[i].posted && !report->result[i].used)
			return &report->plan->entry[i];
	return NULL;
}

static int deadline_passed(struct vdpr_run *run)
{
	const struct vdpr_plan_entry *entry = first_unanswered(run);
	double after = seconds(vdpr_now() - run->began);

	if (!entry) {
		vdpr_fail(run->ctx, VDPR_CAUSE_DEADLINE, -ETIME,
			  "%s: %s: the deadline passed after %.3f s",
			  run->dev->name, vdpr_stage_name[run->report->stage],
			  after);
	} else {
		vdpr_fail(run->ctx, VDPR_CAUSE_DEADLINE, -ETIME,
			  "%s: %s: %s %u.%u (%zu bytes): no answer from the "
			  "device, %zu of %zu commands used after %.3f s",
			  run->dev->name, entry->info->section,
			  entry->info->name, entry->info->ctrl_class,
			  entry->info->command, entry->len + 2, run->n_done,
			  run->report->plan->count, after);
	}
	vdpr_cure(run->ctx, "the device was reset; try again, with --timeout "
			    "if it is known to be slow");
	return -ETIME;
}

static int cancelled(struct vdpr_run *run)
{
	vdpr_fail(run->ctx, VDPR_CAUSE_OTHER, -ECANCELED, "%s: %s: interrupted",
		  run->dev->name, vdpr_stage_name[run->report->stage]);
	vdpr_cure(run->ctx, "%s",
		  run->touched ? "the device was reset"
			       : "the device was not touched");
	return -ECANCELED;
}

/* ---------------------------------------------------------------- waiting */

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* The caller's wish to stop and the deadline; both between any two steps. */
static int check_limits(struct vdpr_run *run)
{
	if (run->opts.cancel_fd > 0 && is_readable(run->opts.cancel_fd))
		return cancelled(run);
	return vdpr_now() >= run->deadline ? deadline_passed(run) : 0;
}

/* A device that missed a kick gets one more; a device that has not is no worse
 * for it. */
static int kick_again(struct vdpr_run *run)
{
	const struct vdpr_reason_kind kind = { "device", "device", "stall" };
	int ret;

	run->stall_at += VDPR_STALL_NSEC;
	if (run->kicked_again)
		return 0;
	run->kicked_again = true;
	vdpr_reasons_add(&run->report->warnings, &kind, "", "", "",
			 "no answer for a second: kicked once more");
	vdpr_log(run->ctx, VDPR_LOG_WARNING,
		 "%s: no answer for a second: kicked once more",
		 run->dev->name);
	ret = vdpr_cvq_kick(run->cvq);
	return ret ? vdpr_run_call_failed(run, "kick", ret) : 0;
}

/* Blocks until the device, the caller or the clock has something to say. */
static int wait_for_device(struct vdpr_run *run)
{
	struct pollfd fds[3] = {
		{ .fd = run->cvq->call_fd, .events = POLLIN },
		{ .fd = run->cvq->config_fd, .events = POLLIN },
		{ .fd = run->opts.cancel_fd > 0 ? run->opts.cancel_fd : -1,
		  .events = POLLIN },
	};
	uint64_t now = vdpr_now();
	uint64_t until = run->deadline;
	struct timespec ts;

	if (now >= until)
		return 0; /* check_limits() says so */
	if (run->stall_at && run->stall_at < until)
		until = run->stall_at > now ? run->stall_at : now;
	ts.tv_sec = (time_t)((until - now) / NSEC_PER_SEC);
	ts.tv_nsec = (long)((until - now) % NSEC_PER_SEC);
	if (ppoll(fds, ARRAY_SIZE(fds), &ts, NULL) < 0 && errno != EINTR)
		return vdpr_run_call_failed(run, "poll", -errno);
	if (fds[0].revents)
		vdpr_eventfd_clear(run->cvq->call_fd);
	if (fds[1].revents) {
		vdpr_eventfd_clear(run->cvq->config_fd);
		run->config_changed = true;
		return vdpr_run_check_status(run);
	}
	if (!fds[0].revents && run->stall_at && vdpr_now() >= run->stall_at)
		return kick_again(run);
	return 0;
}

/* ----------------------------------------------------------------- runner */

static int run_stage(struct vdpr_run *run, enum vdpr_stage stage)
{
	struct vdpr_report *report = run->report;
	uint64_t began = vdpr_now();
	int ret;

	report->stage = stage;
	report->stage_began[stage] = began;
	report->n_stages = (unsigned int)stage + 1;
	vdpr_log(run->ctx, VDPR_LOG_INFO, "%s: %s", run->dev->name,
		 vdpr_stage_name[stage]);
	do {
		/* The stage first: it may find what came at the last moment. */
		ret = stages[stage](run);
		/* A device that runs and is verified stays, late or not. */
		if (ret > 0 || (!ret && stage != VDPR_STAGE_VERIFY)) {
			int limit = check_limits(run);

			if (limit)
				ret = limit;
		}
		if (ret == VDPR_WAIT) {
			int waited = wait_for_device(run);

			if (waited)
				ret = waited;
		}
	} while (ret == VDPR_WAIT);
	report->stage_ns[stage] = vdpr_now() - began;
	return ret;
}

static int run_stages(struct vdpr_run *run, enum vdpr_stage end)
{
	for (enum vdpr_stage stage = 0; stage < end; stage++) {
		int ret;

		/* Without a control virtqueue there is nothing to replay. */
		if (stage == VDPR_STAGE_REPLAY && !run->fit.has_cvq)
			continue;
		ret = run_stage(run, stage);
		if (ret)
			return ret;
	}
	return 0;
}

void vdpr_run_undo(struct vdpr_run *run)
{
	struct vdpr_dev *dev = run->dev;

	if (!run->touched)
		return;
	/* Where even this fails, the close that follows resets; until then the
	 * device may write, so the memory stays with the device's handle. */
	if (vdpr_dev_reset(dev) || !run->cvq)
		return;
	run->cvq = NULL;
	vdpr_dev_drop_cvq(dev);
}

static const unsigned int known_flags =
	VDPR_RESTORE_ASSUME_ENABLE | VDPR_RESTORE_UNKNOWN_DEFAULT |
	VDPR_RESTORE_STRICT_FEATURES | VDPR_RESTORE_EMPTY_RINGS |
	VDPR_RESTORE_DOORBELL;

/* The caller's rings with the stride of the header that it was built with. */
static int copy_rings(struct vdpr_run *run)
{
	const struct vdpr_restore_opts *opts = &run->opts;
	const uint8_t *at = (const uint8_t *)opts->vrings;
	size_t stride = opts->n_vrings ? opts->vrings[0].size : 0;

	run->given = calloc(opts->n_vrings + 1, sizeof(*run->given));
	if (!run->given)
		return -ENOMEM;
	for (size_t i = 0; i < opts->n_vrings; i++, at += stride) {
		size_t size;

		memcpy(&size, at, sizeof(size));
		if (size != stride || size < sizeof(*run->given))
			return -EINVAL;
		memcpy(&run->given[i], at, sizeof(*run->given));
	}
	run->opts.vrings = run->given;
	return 0;
}

static int take_opts(struct vdpr_run *run, const struct vdpr_restore_opts *opts)
{
	int ret;

	if (opts && opts->size < sizeof(size_t) + sizeof(unsigned int))
		return vdpr_fail(run->ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "options of %zu bytes: VDPR_INIT() is missing",
				 opts->size);
	if (opts)
		memcpy(&run->opts, opts,
		       opts->size < sizeof(run->opts) ? opts->size
						      : sizeof(run->opts));
	if (run->opts.flags & ~known_flags)
		return vdpr_fail(run->ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "options: flags 0x%x are not known",
				 run->opts.flags & ~known_flags);
	ret = copy_rings(run);
	if (ret == -ENOMEM)
		return vdpr_fail_memory(run->ctx);
	return ret ? vdpr_fail(run->ctx, VDPR_CAUSE_USAGE, ret,
			       "options: vrings of unequal or too small a "
			       "size: VDPR_INIT() is missing")
		   : 0;
}

static int begin(struct vdpr_run *run, struct vdpr_ctx *ctx,
		 struct vdpr_dev *dev, const struct vdpr_state *state,
		 const struct vdpr_restore_opts *opts)
{
	int ret;

	*run = (struct vdpr_run){ .ctx = ctx, .dev = dev, .state = state };
	run->began = vdpr_now();
	ret = take_opts(run, opts);
	if (ret) {
		free(run->given);
		return ret;
	}
	run->deadline = run->opts.deadline ? run->opts.deadline
					   : run->began + DEFAULT_TIMEOUT;
	run->calls_before = dev->counts;
	run->report = calloc(1, sizeof(*run->report));
	if (run->report)
		run->report->device = strdup(dev->name);
	if (!run->report || !run->report->device) {
		free(run->given);
		vdpr_report_free(run->report);
		return vdpr_fail_memory(ctx);
	}
	return 0;
}

/* The report keeps its own copy of the failure: it outlives the context's. */
static void finish(struct vdpr_run *run, int ret, struct vdpr_report **out)
{
	struct vdpr_report *report = run->report;

	report->calls.ioctls =
		run->dev->counts.ioctls - run->calls_before.ioctls;
	report->calls.iotlb_writes =
		run->dev->counts.iotlb_writes - run->calls_before.iotlb_writes;
	if (ret) {
		report->failed = true;
		report->cause = vdpr_ctx_cause(run->ctx);
		report->text = strdup(vdpr_ctx_error(run->ctx));
		report->cure = strdup(vdpr_ctx_cure(run->ctx));
	}
	free(run->fit.queues);
	/* Not the control virtqueue's yet. */
	if (run->fit.doorbell)
		munmap(run->fit.doorbell, (size_t)sysconf(_SC_PAGESIZE));
	free(run->rings);
	free(run->given);
	if (out)
		*out = report;
	else
		vdpr_report_free(report);
}

int vdpr_restore_check(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
		       const struct vdpr_state *state,
		       const struct vdpr_restore_opts *opts,
		       struct vdpr_report **out)
{
	struct vdpr_run run;
	int ret = begin(&run, ctx, dev, state, opts);

	if (ret)
		return ret;
	ret = run_stages(&run, VDPR_STAGE_NEGOTIATE);
	finish(&run, ret, out);
	return ret;
}

int vdpr_restore_run(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
		     const struct vdpr_state *state,
		     const struct vdpr_restore_opts *opts,
		     struct vdpr_report **out)
{
	struct vdpr_run run;
	int ret = begin(&run, ctx, dev, state, opts);

	if (ret)
		return ret;
	ret = run_stages(&run, VDPR_STAGE_COUNT);
	if (ret)
		vdpr_run_undo(&run);
	finish(&run, ret, out);
	return ret;
}
