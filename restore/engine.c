/* SPDX-License-Identifier: MIT */
/* The restore engine: the table of stages, its runner, all or nothing. */
#include "restore/diagnose.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* When a row of the table applies: all that are named. */
enum {
	WHEN_CALLS = 1 << 0,   /* the device's requests are ours to make */
	WHEN_CONTROL = 1 << 1, /* the caller only takes control buffers */
	WHEN_CVQ = 1 << 2,
	WHEN_NO_CVQ = 1 << 3,
	WHEN_EMPTY = 1 << 4, /* empty rings of a rehearsal */
	WHEN_GIVEN = 1 << 5, /* the caller's rings */
	WHEN_WARM = 1 << 6,  /* prewarm */
	WHEN_COLD = 1 << 7,
	WHEN_REMAP = 1 << 8,  /* the final plan needs more memory */
	WHEN_PAUSED = 1 << 9, /* in two halves */
	WHEN_USED = 1 << 10,  /* the device has been in use */
	WHEN_NOT_OWNED = 1 << 11,
	WHEN_ISOLATED = 1 << 12,
};
#define CALLS WHEN_CALLS
#define CVQ (WHEN_CALLS | WHEN_CVQ)
#define REMAP (WHEN_CALLS | WHEN_CVQ | WHEN_REMAP)
#define WARM (WHEN_CALLS | WHEN_CVQ | WHEN_WARM)
#define COLD (WHEN_CALLS | WHEN_COLD)

/*
 * The order of operations: one request of the device a row, or one for each
 * queue. Nothing is set on the device before "negotiate", and no data queue is
 * enabled before every command of "replay" is used and accepted. Rows above
 * vdpr_step_commit() need only a provisional state.
 */
/* clang-format off */
static const struct vdpr_row rows[] = {
	{ vdpr_step_examine, VDPR_STAGE_EXAMINE, 0, false, "GET_*" },
	{ vdpr_step_compare, VDPR_STAGE_COMPARE, 0, false, "" },

	{ vdpr_step_own, VDPR_STAGE_NEGOTIATE, CALLS | WHEN_NOT_OWNED, false, "SET_OWNER" },
	{ vdpr_step_reset, VDPR_STAGE_NEGOTIATE, CALLS | WHEN_USED, true, "SET_STATUS(0)" },
	{ vdpr_step_backend, VDPR_STAGE_NEGOTIATE, CALLS, false, "SET_BACKEND_FEATURES" },
	{ vdpr_step_acknowledge, VDPR_STAGE_NEGOTIATE, CALLS, false, "SET_STATUS(ACKNOWLEDGE)" },
	{ vdpr_step_driver, VDPR_STAGE_NEGOTIATE, CALLS, false, "SET_STATUS(DRIVER)" },
	{ vdpr_step_features, VDPR_STAGE_NEGOTIATE, CALLS, false, "SET_FEATURES" },
	{ vdpr_step_features_ok, VDPR_STAGE_NEGOTIATE, CALLS, false, "SET_STATUS(FEATURES_OK)" },
	{ vdpr_step_features_kept, VDPR_STAGE_NEGOTIATE, CALLS, false, "GET_STATUS" },
	{ vdpr_step_groups, VDPR_STAGE_NEGOTIATE, CVQ, false, "GET_VRING_GROUP" },
	{ vdpr_step_isolate, VDPR_STAGE_NEGOTIATE, CVQ | WHEN_ISOLATED, false, "SET_GROUP_ASID" },
	{ vdpr_step_cvq_size, VDPR_STAGE_NEGOTIATE, CVQ, false, "GET_VRING_SIZE" },

	{ vdpr_step_memory, VDPR_STAGE_MAP, 0, false, "" },
	{ vdpr_step_map_cvq, VDPR_STAGE_MAP, CVQ, true, "IOTLB update" },
	{ vdpr_step_ring_sizes, VDPR_STAGE_MAP, CALLS | WHEN_EMPTY, false, "GET_VRING_SIZE" },
	{ vdpr_step_ring_memory, VDPR_STAGE_MAP, CALLS | WHEN_EMPTY, false, "" },
	{ vdpr_step_map_rings, VDPR_STAGE_MAP, CALLS | WHEN_EMPTY, true, "IOTLB update" },
	{ vdpr_step_take_rings, VDPR_STAGE_MAP, CALLS | WHEN_GIVEN, false, "" },

	{ vdpr_step_rings, VDPR_STAGE_RINGS, CALLS, false, "SET_VRING_*" },
	{ vdpr_step_cvq_ring, VDPR_STAGE_RINGS, CVQ, false, "SET_VRING_*" },
	{ vdpr_step_config_call, VDPR_STAGE_RINGS, CALLS, false, "SET_CONFIG_CALL" },
	{ vdpr_step_rehearse, VDPR_STAGE_RINGS, CVQ, false, "" },

	/* Prewarm: the provisional commands, while the source still runs. */
	{ vdpr_step_order, VDPR_STAGE_START, WARM, false, "" },
	{ vdpr_step_enable_cvq, VDPR_STAGE_START, WARM, true, "SET_VRING_ENABLE" },
	{ vdpr_step_driver_ok, VDPR_STAGE_START, WARM, true, "SET_STATUS(DRIVER_OK)" },
	{ vdpr_step_driver_kept, VDPR_STAGE_START, WARM, false, "GET_STATUS" },
	{ vdpr_step_replay, VDPR_STAGE_REPLAY, WARM, false, "" },
	{ vdpr_step_status, VDPR_STAGE_REPLAY, WARM, false, "GET_STATUS" },
	{ vdpr_step_limits, VDPR_STAGE_REPLAY, WARM, false, "GET_CONFIG" },

	/* ------ the final state: from here on it is downtime ------ */
	{ vdpr_step_commit, VDPR_STAGE_RINGS, WHEN_PAUSED, false, "" },
	{ vdpr_step_unmap, VDPR_STAGE_RINGS, REMAP, true, "IOTLB invalidate" },
	{ vdpr_step_memory_again, VDPR_STAGE_RINGS, REMAP, false, "" },
	{ vdpr_step_map_cvq, VDPR_STAGE_RINGS, REMAP, true, "IOTLB update" },
	{ vdpr_step_cvq_ring, VDPR_STAGE_RINGS, REMAP, false, "SET_VRING_*" },
	{ vdpr_step_suspend, VDPR_STAGE_RINGS, WARM, true, "SUSPEND" },
	{ vdpr_step_rings_again, VDPR_STAGE_RINGS, CALLS | WHEN_PAUSED, false, "SET_VRING_*" },
	{ vdpr_step_bases, VDPR_STAGE_RINGS, CALLS, false, "SET_VRING_BASE" },
	{ vdpr_step_resume, VDPR_STAGE_START, WARM, true, "RESUME" },
	{ vdpr_step_enable_cvq, VDPR_STAGE_START, WARM, true, "SET_VRING_ENABLE" },

	{ vdpr_step_order, VDPR_STAGE_START, COLD, false, "" },
	{ vdpr_step_enable_cvq, VDPR_STAGE_START, COLD | WHEN_CVQ, true, "SET_VRING_ENABLE" },
	{ vdpr_step_enable_early, VDPR_STAGE_START, COLD | WHEN_NO_CVQ, true, "SET_VRING_ENABLE" },
	{ vdpr_step_driver_ok, VDPR_STAGE_START, COLD, true, "SET_STATUS(DRIVER_OK)" },
	{ vdpr_step_driver_kept, VDPR_STAGE_START, COLD, false, "GET_STATUS" },

	{ vdpr_step_replay, VDPR_STAGE_REPLAY, WHEN_CVQ, false, "" },
	{ vdpr_step_status, VDPR_STAGE_REPLAY, CVQ, false, "GET_STATUS" },
	{ vdpr_step_limits, VDPR_STAGE_REPLAY, CVQ, false, "GET_CONFIG" },

	{ vdpr_step_enable, VDPR_STAGE_ENABLE, CALLS, true, "SET_VRING_ENABLE" },
	{ vdpr_step_enable_control, VDPR_STAGE_ENABLE, WHEN_CONTROL, true, "enable" },
	{ vdpr_step_wake, VDPR_STAGE_ENABLE, CALLS, false, "" },
	{ vdpr_step_after_enable, VDPR_STAGE_ENABLE, WHEN_CVQ, false, "" },

	{ vdpr_step_status, VDPR_STAGE_VERIFY, CALLS, false, "GET_STATUS" },
	{ vdpr_step_limits, VDPR_STAGE_VERIFY, CALLS, false, "GET_CONFIG" },
	{ vdpr_step_mac, VDPR_STAGE_VERIFY, CALLS, false, "GET_CONFIG" },
	{ vdpr_step_give_config_call, VDPR_STAGE_VERIFY, CALLS, false, "SET_CONFIG_CALL" },
};
/* clang-format on */

/* --------------------------------------------------------------- failures */

int vdpr_run_call_failed(struct vdpr_run *run, const char *call, int err)
{
	int ret;

	vdpr_fail(run->ctx, vdpr_cause_of(err), err, "%s: %s: %s",
		  run->dev->name, call, strerror(-err));
	ret = vdpr_diagnose_call(run, call, err);
	if (run->dev->control && !*vdpr_ctx_cure(run->ctx))
		vdpr_cure(run->ctx, "%s", vdpr_run_fate(run));
	return ret;
}

const char *vdpr_run_fate(const struct vdpr_run *run)
{
	const struct vdpr_dev_hooks *control = run->dev->control;

	if (control ? run->undoes && control->reset : run->touched)
		return "the device was reset";
	if (control && (run->next || run->report->opened))
		return "the device has changed and must be reset";
	return "the device was not touched";
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
	vdpr_cure(run->ctx,
		  "%s; this is a fault of the device or its driver, the kernel "
		  "log may say more",
		  vdpr_run_fate(run));
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

/* Whoever gives up, or has waited long enough, wants a reset device however far we
 * had come: one that an earlier restore has started, too. */
static void touch_if_used(struct vdpr_run *run)
{
	uint8_t status = 0;

	if (!run->touched && run->undoes && !run->dev->control &&
	    !vdpr_dev_get_status(run->dev, &status) && status)
		run->touched = true;
}

static int deadline_passed(struct vdpr_run *run)
{
	const struct vdpr_plan_entry *entry = first_unanswered(run);
	double after = seconds(vdpr_now() - run->began);

	touch_if_used(run);
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
	vdpr_cure(run->ctx,
		  "%s; try again, with --timeout if it is known to be slow",
		  vdpr_run_fate(run));
	return -ETIME;
}

int vdpr_run_cancelled(struct vdpr_run *run)
{
	touch_if_used(run);
	vdpr_fail(run->ctx, VDPR_CAUSE_OTHER, -ECANCELED, "%s: %s: interrupted",
		  run->dev->name, vdpr_stage_name[run->report->stage]);
	vdpr_cure(run->ctx, "%s", vdpr_run_fate(run));
	return -ECANCELED;
}

/* ---------------------------------------------------------------- waiting */

int vdpr_run_look(struct vdpr_run *run)
{
	/* Before that it may tell of something, but has no DRIVER_OK to lose. */
	bool runs = run->cvq && run->report->stage >= VDPR_STAGE_REPLAY;
	struct pollfd fds[2] = {
		{ .fd = run->opts.cancel_fd > 0 ? run->opts.cancel_fd : -1,
		  .events = POLLIN },
		{ .fd = runs ? run->cvq->config_fd : -1, .events = POLLIN },
	};

	/* One descriptor is asked faster without poll(). */
	if (run->opts.cancel_fd <= 0)
		return runs && vdpr_eventfd_take(run->cvq->config_fd)
			       ? vdpr_run_config_called(run)
			       : 0;
	if (poll(fds, ARRAY_SIZE(fds), 0) <= 0)
		return 0;
	if (fds[0].revents)
		return vdpr_run_cancelled(run);
	return runs ? vdpr_run_config_called(run) : 0;
}

int vdpr_run_check_limits(struct vdpr_run *run)
{
	int ret = 0;

	if (!run->looked && run->opts.cancel_fd > 0)
		ret = vdpr_run_look(run);
	run->looked = false;
	if (ret)
		return ret;
	return vdpr_now() >= run->deadline ? deadline_passed(run) : 0;
}

/* A device that missed a kick gets one more; a device that has not is no worse
 * for it. */
int vdpr_run_stalled(struct vdpr_run *run)
{
	const struct vdpr_reason_kind kind = { "device", "device", "stall" };
	int ret;

	run->stall_at += VDPR_STALL_NSEC;
	if (run->kicked_again || run->dev->control)
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

int vdpr_run_config_called(struct vdpr_run *run)
{
	vdpr_eventfd_take(run->cvq->config_fd);
	run->config_changed = true;
	return vdpr_run_check_status(run);
}

/* A caller with control buffers and no descriptor for their answers is asked
 * again after so long. */
#define ASK_AGAIN_NSEC 100000ull

/* When the wait ends even if nothing is heard. */
static uint64_t wait_until(const struct vdpr_run *run, uint64_t now,
			   int call_fd)
{
	uint64_t until = run->deadline;

	if (run->stall_at && run->stall_at < until)
		until = run->stall_at > now ? run->stall_at : now;
	if (call_fd <= 0 && now + ASK_AGAIN_NSEC < until)
		until = now + ASK_AGAIN_NSEC;
	return until;
}

/* Blocks until the device, the caller or the clock has something to say. */
static int wait_for_device(struct vdpr_run *run)
{
	const struct vdpr_dev_hooks *control = run->dev->control;
	int call_fd = control ? control->answer_fd : run->cvq->call_fd;
	struct pollfd fds[3] = {
		{ .fd = call_fd > 0 ? call_fd : -1, .events = POLLIN },
		{ .fd = control ? -1 : run->cvq->config_fd, .events = POLLIN },
		{ .fd = run->opts.cancel_fd > 0 ? run->opts.cancel_fd : -1,
		  .events = POLLIN },
	};
	uint64_t now = vdpr_now();
	uint64_t until = wait_until(run, now, call_fd);
	int ret;

	if (now >= run->deadline)
		return 0; /* check_limits() says so */
	ret = vdpr_poll_until(fds, ARRAY_SIZE(fds), until);
	if (ret)
		return vdpr_run_call_failed(run, "poll", ret);
	if (fds[0].revents && !control)
		vdpr_eventfd_take(run->cvq->call_fd);
	if (fds[1].revents)
		return vdpr_run_config_called(run);
	if (!fds[0].revents && run->stall_at && vdpr_now() >= run->stall_at)
		return vdpr_run_stalled(run);
	return 0;
}

/* ----------------------------------------------------------------- runner */

static unsigned int whens(const struct vdpr_run *run)
{
	bool empty = run->opts.flags & VDPR_RESTORE_EMPTY_RINGS;
	unsigned int when = empty ? WHEN_EMPTY : WHEN_GIVEN;

	when |= run->dev->control ? WHEN_CONTROL : WHEN_CALLS;
	when |= run->fit.has_cvq ? WHEN_CVQ : WHEN_NO_CVQ;
	when |= run->warm ? WHEN_WARM : WHEN_COLD;
	if (run->remap)
		when |= WHEN_REMAP;
	if (run->events)
		when |= WHEN_PAUSED;
	if (run->info.status || run->dev->cvq)
		when |= WHEN_USED;
	if (!run->dev->owned)
		when |= WHEN_NOT_OWNED;
	if (run->report->isolated)
		when |= WHEN_ISOLATED;
	return when;
}

/* The next row that applies, from run->row on. */
static unsigned int find_row(const struct vdpr_run *run)
{
	unsigned int when = whens(run);
	unsigned int row = run->row;

	while (row < ARRAY_SIZE(rows) && rows[row].when & ~when)
		row++;
	return row;
}

const struct vdpr_row *vdpr_run_next(const struct vdpr_run *run)
{
	/* In the midst of a row it goes on, whatever has become of its reasons. */
	unsigned int row = run->i ? run->row : find_row(run);

	return row < ARRAY_SIZE(rows) ? &rows[row] : NULL;
}

void vdpr_run_restart(struct vdpr_run *run)
{
	run->row = 0;
	run->i = 0;
	while (rows[run->row].stage < VDPR_STAGE_NEGOTIATE)
		run->row++;
}

static void leave_stage(struct vdpr_run *run, uint64_t now)
{
	if (run->in_stage)
		run->report->stage_ns[run->report->stage] +=
			now - run->stage_from;
	run->in_stage = false;
}

static void enter_stage(struct vdpr_run *run, enum vdpr_stage stage,
			uint64_t now)
{
	struct vdpr_report *report = run->report;

	report->stage = stage;
	if (!report->stage_began[stage])
		report->stage_began[stage] = now;
	if (report->n_stages <= (unsigned int)stage)
		report->n_stages = (unsigned int)stage + 1;
	run->in_stage = true;
	run->stage_from = now;
	vdpr_log(run->ctx, VDPR_LOG_INFO, "%s: %s", run->dev->name,
		 vdpr_stage_name[stage]);
}

/* A step of another stage than the last one's ends that. Return: 0 or -errno. */
static int change_stage(struct vdpr_run *run, enum vdpr_stage stage)
{
	uint64_t now;

	if (run->in_stage && run->report->stage == stage)
		return 0;
	now = vdpr_now();
	if (run->in_stage) {
		/* The replay looks for itself: before it sleeps, and at its
		 * end, before any queue opens. */
		int limit = stage == VDPR_STAGE_REPLAY
				    ? 0
				    : vdpr_run_check_limits(run);

		leave_stage(run, now);
		if (limit)
			return limit;
	}
	enter_stage(run, stage, now);
	return 0;
}

static void note_downtime(struct vdpr_run *run, const struct vdpr_row *row)
{
	struct vdpr_report *report = run->report;

	if (row->step == vdpr_step_after_enable ||
	    (row->step == vdpr_step_wake && !run->fit.has_cvq))
		report->open_end = vdpr_now();
}

int vdpr_run_step(struct vdpr_run *run)
{
	const struct vdpr_row *row = vdpr_run_next(run);
	int ret;

	if (!row) {
		leave_stage(run, vdpr_now());
		return 0;
	}
	run->row = (unsigned int)(row - rows);
	ret = change_stage(run, row->stage);
	if (ret)
		return ret;
	ret = row->step(run);
	if (!ret) {
		if (run->report->committed)
			note_downtime(run, row);
		run->row++;
		run->i = 0;
		return VDPR_MORE;
	}
	if (ret == VDPR_JUMP)
		return VDPR_MORE;
	if (ret == VDPR_PAUSE || ret < 0) {
		leave_stage(run, vdpr_now());
		run->looked = false;
	}
	return ret;
}

/* Blocks until all rows up to @end are done. */
static int run_stages(struct vdpr_run *run, enum vdpr_stage end)
{
	const struct vdpr_row *row;
	int ret = VDPR_MORE;

	while (ret > 0) {
		row = vdpr_run_next(run);
		if (row && row->stage >= end) {
			leave_stage(run, vdpr_now());
			return 0;
		}
		ret = vdpr_run_step(run);
		if (ret == VDPR_WAIT) {
			int limit = vdpr_run_check_limits(run);

			ret = limit ? limit : wait_for_device(run);
			if (!ret)
				ret = VDPR_WAIT;
		}
	}
	return ret;
}

/* The cure has promised a reset. */
static void correct_cure(const struct vdpr_run *run, int err)
{
	if (strstr(vdpr_ctx_cure(run->ctx), vdpr_run_fate(run)))
		vdpr_cure(run->ctx,
			  "the device could not be reset (%s): it must be "
			  "before it is used again%s",
			  strerror(-err),
			  run->dev->foreign ? "" : "; closing it resets it");
}

void vdpr_run_undo(struct vdpr_run *run)
{
	struct vdpr_dev *dev = run->dev;
	int ret;

	/* What was waited for in vain is time of the stage, too. */
	leave_stage(run, vdpr_now());
	if (dev->control) {
		ret = vdpr_control_undo(run);
		if (ret)
			correct_cure(run, ret);
		return;
	}
	if (!run->touched)
		return;
	/* Where even this fails, the close that follows resets; until then the
	 * device may write, so the memory stays with the device's handle. */
	ret = vdpr_dev_reset(dev);
	if (ret) {
		correct_cure(run, ret);
		return;
	}
	run->cvq = NULL;
	vdpr_dev_drop_cvq(dev);
}

int vdpr_restore_check(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
		       const struct vdpr_state *state,
		       const struct vdpr_restore_opts *opts,
		       struct vdpr_report **out)
{
	struct vdpr_run run;
	int ret;

	if (vdpr_any_null(ctx, dev, state))
		return -EINVAL;
	ret = vdpr_run_begin(&run, ctx, dev, state, opts);
	if (ret)
		return ret;
	ret = run_stages(&run, VDPR_STAGE_NEGOTIATE);
	vdpr_run_finish(&run, ret, out);
	return ret;
}

int vdpr_restore_run(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
		     const struct vdpr_state *state,
		     const struct vdpr_restore_opts *opts,
		     struct vdpr_report **out)
{
	struct vdpr_run run;
	int ret;

	if (vdpr_any_null(ctx, dev, state))
		return -EINVAL;
	ret = vdpr_dev_check_busy(ctx, dev);
	if (!ret)
		ret = vdpr_run_begin(&run, ctx, dev, state, opts);
	if (ret)
		return ret;
	run.undoes = true;
	if (run.opts.flags & VDPR_RESTORE_PREWARM)
		ret = vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				"options: prewarm needs vdpr_restore_begin()");
	else
		ret = run_stages(&run, VDPR_STAGE_COUNT);
	if (ret)
		vdpr_run_undo(&run);
	vdpr_run_finish(&run, ret, out);
	return ret;
}
