/* SPDX-License-Identifier: MIT */
/* The event-driven restore: the engine's steps behind one descriptor to poll. */
#include "restore/engine.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "restore/sizes.h"
#include "restore/state.h"

#define COMMIT_TIMEOUT (10 * NSEC_PER_SEC)

/*
 * Theory of operation. The handle's descriptor is an epoll with the control
 * virtqueue's call eventfd, the caller's cancel descriptor and, from the first
 * wait or the end on, its config eventfd; a timer, too, from the first wait or the
 * pause on, or from the beginning where the device is watched afterwards. The call
 * eventfd stands for "there is something to do", whoever says so: we before there
 * is a control virtqueue, the device afterwards. It is emptied before each wait;
 * since the device may have called just before, the ring is looked at once more
 * then. A wait sets the timer to when something would be wrong. The config eventfd
 * is edge-triggered, so looking at the epoll is what clears it.
 */
struct vdpr_restore {
	struct vdpr_run run; /* report and lists are gone once it has ended */
	struct vdpr_state *state; /* copies */
	struct vdpr_state *final;
	int epoll, timer;
	int call;     /* run.call_fd's, then run.cvq's; -1 once it has ended */
	bool watched; /* the config eventfd of run.cvq is in the epoll */
	bool ended;
	int result;
	bool ready;	   /* the call eventfd is known to be readable */
	uint64_t timer_at; /* CLOCK_MONOTONIC ns; 0: off */
	struct vdpr_report *report;
	/* What the end leaves for watching. */
	uint64_t watch_nsec;
	int config_fd;	       /* the caller's */
	uint64_t cvqs_dropped; /* dev's: run.cvq is still the device's */
	uint32_t events;       /* 1 << enum vdpr_event_kind: not yet taken */
	uint8_t status;	       /* of the last look */
	struct vdpr_net_config config;
};

/* What the descriptors in the epoll stand for. */
enum { TIMER, CALL, ANSWER, CONFIG, CANCEL };

/* ------------------------------------------------------------- descriptors */

static int watch(struct vdpr_restore *r, int fd, uint32_t kind, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u32 = kind };

	if (fd <= 0)
		return 0;
	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Only who waits needs one: most devices answer before that. */
static int make_timer(struct vdpr_restore *r)
{
	_cleanup_close_ int fd = -1;
	int ret;

	if (r->timer >= 0)
		return 0;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	ret = watch(r, fd, TIMER, EPOLLIN);
	if (!ret)
		r->timer = TAKE_FD(fd);
	return ret;
}

static int set_timer(struct vdpr_restore *r, uint64_t at)
{
	int ret;

	if (r->timer_at == at)
		return 0;
	ret = make_timer(r);
	if (ret)
		return ret;
	r->timer_at = at;
	return vdpr_timer_set(r->timer, at);
}

/* The descriptor is readable while process has something to do. */
static int set_ready(struct vdpr_restore *r, bool ready)
{
	if (r->ready == ready)
		return 0;
	r->ready = ready;
	if (ready)
		return vdpr_eventfd_signal(r->call);
	vdpr_eventfd_take(r->call);
	return 0;
}

/* A timer that runs out too soon costs one look; to set it costs as much. */
static int set_timer_by(struct vdpr_restore *r, uint64_t at)
{
	if (r->timer_at && r->timer_at <= at && r->timer_at > vdpr_now())
		return 0;
	return set_timer(r, at);
}

/* What else is there once the control virtqueue is. */
static int watch_cvq(struct vdpr_restore *r)
{
	struct vdpr_cvq *cvq = r->run.cvq;
	const struct vdpr_dev_hooks *control = r->run.dev->control;

	if (r->watched || !cvq)
		return 0;
	r->watched = true;
	if (control)
		return watch(r, control->answer_fd, ANSWER, EPOLLIN);
	return watch(r, cvq->config_fd, CONFIG, EPOLLIN | EPOLLET);
}

/* Answers are whoever's that uses the control virtqueue from now on. To listen for
 * nothing costs a third of what taking it out of the epoll does. */
static void unwatch_call(struct vdpr_restore *r)
{
	const struct vdpr_dev_hooks *control = r->run.dev->control;
	struct epoll_event nothing = { .events = 0, .data.u32 = CALL };

	(void)epoll_ctl(r->epoll, EPOLL_CTL_MOD, r->call, &nothing);
	r->call = -1;
	r->ready = false;
	if (control && r->watched && control->answer_fd > 0)
		(void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, control->answer_fd,
				NULL);
}

static void unwatch_all(struct vdpr_restore *r)
{
	unwatch_call(r);
	if (r->watched && r->run.cvq && !r->run.dev->control)
		(void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, r->run.cvq->config_fd,
				NULL);
	r->watched = false;
}

/* ------------------------------------------------------------------ events */

static void add_event(struct vdpr_restore *r, enum vdpr_event_kind kind)
{
	r->events |= BIT(kind);
}

/* What has the device called for? Return: 0 it works on. */
static int look_at_device(struct vdpr_restore *r, bool called)
{
	struct vdpr_run *run = &r->run;
	int ret = vdpr_dev_get_status(run->dev, &r->status);

	/* A card that is unplugged reads as all ones, or not at all. */
	if (ret || r->status == 0xff) {
		r->status = 0xff;
		add_event(r, VDPR_EVENT_GONE);
		return -ENODEV;
	}
	if (r->status & VIRTIO_CONFIG_S_NEEDS_RESET) {
		add_event(r, VDPR_EVENT_NEEDS_RESET);
		return -EPROTO;
	}
	if (!called)
		return 0;
	add_event(r, VDPR_EVENT_CONFIG);
	return 0;
}

int vdpr_restore_event(struct vdpr_restore *r, struct vdpr_event *out)
{
	struct vdpr_event event = VDPR_INIT(struct vdpr_event);

	if (!r || !out || out->size < sizeof(out->size))
		return -EINVAL;
	if (!r->events)
		return 0;
	event.kind = (enum vdpr_event_kind)__builtin_ctz(r->events);
	r->events &= ~BIT(event.kind);
	event.status = r->status;
	event.config =
		(struct vdpr_net_config)VDPR_INIT(struct vdpr_net_config);
	if (event.kind == VDPR_EVENT_CONFIG &&
	    vdpr_dev_read_config(r->run.dev, &r->run.info.features,
				 r->run.info.config_size, &event.config))
		event.config.has = 0;
	event.config.size = vdpr_struct_inner(
		out->size, offsetof(struct vdpr_event, config),
		sizeof(event.config));
	(void)vdpr_struct_give(out, &event, sizeof(event));
	return 1;
}

/* Takes what is in the epoll. Return: bits by kind, or -errno. */
static int take_ready(struct vdpr_restore *r)
{
	struct epoll_event ready[4];
	int n = epoll_wait(r->epoll, ready, ARRAY_SIZE(ready), 0);
	int bits = 0;

	for (int i = 0; i < n; i++)
		bits |= 1 << ready[i].data.u32;
	return n < 0 && errno != EINTR ? -errno : bits;
}

/* ----------------------------------------------------------------- the end */

static void end(struct vdpr_restore *r, int ret)
{
	struct vdpr_run *run = &r->run;

	if (ret) {
		unwatch_all(r);
		vdpr_run_undo(run);
	} else {
		unwatch_call(r);
	}
	r->ended = true;
	r->result = ret;
	run->dev->busy = false;
	r->watch_nsec = run->opts.watch_msec * NSEC_PER_MSEC;
	r->config_fd = run->opts.config_fd;
	r->cvqs_dropped = run->dev->cvqs_dropped;
	if (run->opts.cancel_fd > 0)
		(void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, run->opts.cancel_fd,
				NULL);
	vdpr_run_finish(run, ret, &r->report);
	/* Only these are used from here on. */
	*run = (struct vdpr_run){
		.ctx = run->ctx,
		.dev = run->dev,
		.cvq = ret ? NULL : run->cvq,
		.call_fd = run->call_fd,
		.info = run->info,
	};
	vdpr_state_free(r->state);
	vdpr_state_free(r->final);
	r->state = r->final = NULL;
	if (!ret && r->watch_nsec && !run->dev->control)
		(void)set_timer(r, vdpr_now() + r->watch_nsec);
	else
		(void)set_timer(r, 0);
}

/* After a good end: nothing is driven, the device may tell of itself. */
static void look_after(struct vdpr_restore *r)
{
	int ready;

	ready = take_ready(r);
	if (ready > 0 && ready & 1 << TIMER && !r->watch_nsec)
		(void)set_timer(r, 0);
	if (r->result || !r->watched || r->run.dev->control)
		return;
	if (ready <= 0)
		return;
	if (ready & 1 << CONFIG && r->config_fd > 0)
		(void)vdpr_eventfd_signal(r->config_fd);
	if (look_at_device(r, ready & 1 << CONFIG))
		/* Said once; a device in that state says no more. */
		r->watch_nsec = 0;
	if (ready & 1 << TIMER || !r->watch_nsec)
		(void)set_timer(r,
				r->watch_nsec ? vdpr_now() + r->watch_nsec : 0);
}

/* ------------------------------------------------------------------- steps */

/* Which event goes with a failure that the device told of. */
static void note_failure(struct vdpr_restore *r)
{
	uint8_t status = 0;

	if (r->run.dev->control || !r->run.touched)
		return;
	if (vdpr_dev_get_status(r->run.dev, &status) || status == 0xff) {
		r->status = 0xff;
		add_event(r, VDPR_EVENT_GONE);
	} else if (status & VIRTIO_CONFIG_S_NEEDS_RESET) {
		r->status = status;
		add_event(r, VDPR_EVENT_NEEDS_RESET);
	}
}

static int failed(struct vdpr_restore *r, int ret)
{
	if (ret != -ECANCELED)
		note_failure(r);
	end(r, ret);
	return ret;
}

/* What woke a wait. Return: 0 or -errno. */
static int after_wait(struct vdpr_restore *r)
{
	struct vdpr_run *run = &r->run;
	int ready = take_ready(r);

	if (ready < 0)
		return vdpr_run_call_failed(run, "epoll_wait", ready);
	if (ready & 1 << CONFIG && run->cvq && !run->dev->control) {
		int ret = vdpr_run_config_called(run);

		if (ret)
			return ret;
	}
	/* A wait, and the pause, may end with the deadline or a cancel. */
	if (ready & (1 << TIMER | 1 << CANCEL)) {
		int ret = vdpr_run_check_limits(run);

		if (ret)
			return ret;
	}
	if (ready & 1 << CALL)
		r->ready = true;
	else if (!(ready & 1 << ANSWER) && run->stall_at && run->row &&
		 vdpr_now() >= run->stall_at)
		return vdpr_run_stalled(run);
	return 0;
}

static bool has_answered(const struct vdpr_run *run)
{
	return !run->dev->control && run->cvq &&
	       vdpr_ring_has_used(&run->cvq->ring);
}

/*
 * Nothing to do before the device calls? What it has called for until now goes, so
 * that the next call is heard; what it called for is in the ring. Since each call
 * here takes a device's time to answer, the ring is looked at after each: a wait is
 * dearer than all of them. Return: enum vdpr_step or -errno.
 */
static int wait_for_call(struct vdpr_restore *r)
{
	const struct vdpr_run *run = &r->run;
	uint64_t until = run->deadline;
	int ret = watch_cvq(r);

	if (!ret)
		ret = set_ready(r, false);
	if (!ret && !has_answered(run))
		ret = make_timer(r);
	if (!ret && has_answered(run)) {
		ret = set_ready(r, true);
		return ret ? ret : VDPR_STEP_AGAIN;
	}
	if (run->stall_at && run->stall_at < until)
		until = run->stall_at;
	if (!ret)
		ret = set_timer_by(r, until);
	return ret ? ret : VDPR_STEP_WAIT;
}

static int wait_for_commit(struct vdpr_restore *r)
{
	int ret = set_ready(r, false);

	if (!ret)
		ret = watch_cvq(r);
	/* What the second half may need is made while the guest still runs. */
	if (!ret)
		ret = make_timer(r);
	if (!ret)
		ret = set_timer(r, 0);
	return ret ? ret : VDPR_STEP_COMMIT;
}

/* What a step has come to. Return: enum vdpr_step or -errno. */
static int settle(struct vdpr_restore *r, int ret)
{
	if (ret == VDPR_PAUSE) {
		ret = wait_for_commit(r);
	} else if (ret == VDPR_WAIT) {
		ret = wait_for_call(r);
	} else {
		ret = set_ready(r, true);
		ret = ret ? ret : VDPR_STEP_AGAIN;
	}
	return ret < 0 ? vdpr_run_call_failed(&r->run, "epoll or timerfd", ret)
		       : ret;
}

int vdpr_restore_process(struct vdpr_restore *r)
{
	struct vdpr_run *run;
	int ret = 0;

	if (!r)
		return -EINVAL;
	run = &r->run;
	if (r->ended) {
		look_after(r);
		return r->result;
	}
	if (!r->ready)
		ret = after_wait(r);
	if (!ret)
		ret = vdpr_run_step(run);
	if (ret < 0)
		return failed(r, ret);
	/* What the reset before a repetition took along. */
	if (!run->cvq)
		r->watched = false;
	if (!ret) {
		ret = watch_cvq(r);
		end(r, ret);
		return ret;
	}
	ret = settle(r, ret);
	return ret < 0 ? failed(r, ret) : ret;
}

/* -------------------------------------------------------------- the handle */

static int open_fds(struct vdpr_restore *r)
{
	int ret;

	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		return -errno;
	r->call = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->call < 0)
		return -errno;
	r->run.call_fd = r->call;
	r->ready = true;
	ret = watch(r, r->call, CALL, EPOLLIN);
	if (!ret)
		ret = watch(r, r->run.opts.cancel_fd, CANCEL, EPOLLIN);
	/* After a good end there is nobody left to tell that it failed. */
	if (!ret && r->run.opts.watch_msec)
		ret = make_timer(r);
	return ret;
}

static void free_handle(struct vdpr_restore *r)
{
	vdpr_close_fd(r->timer);
	vdpr_close_fd(r->run.call_fd);
	vdpr_close_fd(r->epoll);
	vdpr_state_free(r->state);
	vdpr_state_free(r->final);
	vdpr_report_free(r->report);
	free(r);
}

int vdpr_restore_begin(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
		       const struct vdpr_state *state,
		       const struct vdpr_restore_opts *opts,
		       struct vdpr_restore **out)
{
	struct vdpr_restore *r;
	int ret;

	if (vdpr_any_null(ctx, dev, state, out))
		return -EINVAL;
	ret = vdpr_dev_check_busy(ctx, dev);
	if (ret)
		return ret;
	r = calloc(1, sizeof(*r));
	if (!r)
		return vdpr_fail_memory(ctx);
	r->epoll = r->timer = r->run.call_fd = -1;
	ret = vdpr_state_copy_control(ctx, state, &r->state);
	if (ret) {
		free_handle(r);
		return ret;
	}
	ret = vdpr_run_begin(&r->run, ctx, dev, r->state, opts);
	if (ret) {
		free_handle(r);
		return ret;
	}
	r->run.events = true;
	r->run.undoes = true;
	/* Nobody knows how long the source still runs. */
	if (!r->run.opts.deadline)
		r->run.deadline = UINT64_MAX;
	ret = open_fds(r);
	if (ret) {
		vdpr_fail(ctx, VDPR_CAUSE_OTHER, ret, "%s: epoll: %s",
			  dev->name, strerror(-ret));
		vdpr_run_finish(&r->run, ret, NULL);
		free_handle(r);
		return ret;
	}
	dev->busy = true;
	*out = r;
	return 0;
}

static int take_commit(struct vdpr_restore *r,
		       const struct vdpr_commit_opts *opts)
{
	struct vdpr_run *run = &r->run;
	uint64_t now = vdpr_now();
	struct vdpr_commit_opts o = { 0 };
	int ret;

	if (opts && vdpr_struct_take(&o, sizeof(o), opts, VDPR_LEAST_COMMIT))
		return vdpr_fail_size(run->ctx, NULL, "options", opts->size);
	if (o.vrings) {
		ret = vdpr_vrings_take(o.vrings, o.n_vrings, &run->final_rings);
		if (ret == -ENOMEM)
			return vdpr_fail_memory(run->ctx);
		if (ret)
			return vdpr_fail(
				run->ctx, VDPR_CAUSE_USAGE, ret,
				"options: vrings of unequal or too "
				"small a size: VDPR_INIT() is missing");
		run->n_final_rings = o.n_vrings;
	}
	run->began = now;
	run->deadline = o.deadline ? o.deadline : now + COMMIT_TIMEOUT;
	run->report->committed = now;
	return 0;
}

int vdpr_restore_commit(struct vdpr_restore *r, const struct vdpr_state *state,
			const struct vdpr_commit_opts *opts)
{
	struct vdpr_run *run;
	int ret;

	if (!r)
		return -EINVAL;
	run = &r->run;
	if (r->ended || run->committed)
		return vdpr_fail(run->ctx, VDPR_CAUSE_USAGE, -EALREADY,
				 "%s: commit: %s", run->dev->name,
				 r->ended ? "the restore has ended"
					  : "there was one already");
	if (state) {
		ret = vdpr_state_copy_control(run->ctx, state, &r->final);
		if (ret)
			return ret;
	}
	ret = take_commit(r, opts);
	if (ret) {
		vdpr_state_free(r->final);
		r->final = NULL;
		return ret;
	}
	run->final = r->final;
	run->committed = true;
	ret = set_ready(r, true);
	return ret ? vdpr_run_call_failed(run, "epoll", ret) : 0;
}

int vdpr_restore_get_fd(const struct vdpr_restore *r)
{
	if (!r)
		return -EINVAL;
	return r->epoll;
}

void vdpr_restore_next(const struct vdpr_restore *r, struct vdpr_next *out)
{
	const struct vdpr_row *row;
	struct vdpr_next next = VDPR_INIT(struct vdpr_next);

	row = !r || r->ended ? NULL : vdpr_run_next(&r->run);
	next.stage = row ? vdpr_stage_name[row->stage] : "";
	next.request = row ? row->request : "";
	next.may_be_slow = row && row->slow;
	(void)vdpr_struct_give(out, &next, sizeof(next));
}

int vdpr_restore_cancel(struct vdpr_restore *r)
{
	if (!r)
		return -EINVAL;
	if (r->ended)
		return -EALREADY;
	end(r, vdpr_run_cancelled(&r->run));
	return 0;
}

int vdpr_restore_result(struct vdpr_restore *r, struct vdpr_report **out)
{
	if (!r)
		return -EINVAL;
	if (!r->ended)
		return -EINPROGRESS;
	if (out)
		*out = TAKE_PTR(r->report);
	return r->result;
}

void vdpr_restore_free(struct vdpr_restore *r)
{
	if (!r)
		return;
	(void)vdpr_restore_cancel(r);
	/* A later reset or restore has dropped what this one left. */
	if (r->cvqs_dropped != r->run.dev->cvqs_dropped)
		r->run.cvq = NULL;
	/* Nobody listens here any more. */
	if (!r->result && r->run.cvq && r->run.cvq->config_set) {
		int fd = r->config_fd > 0 ? r->config_fd : -1;

		if (!vdpr_dev_set_config_call(r->run.dev, fd))
			r->run.cvq->config_set = false;
	}
	free_handle(r);
}
