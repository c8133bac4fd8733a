/* SPDX-License-Identifier: MIT */
/* The shadow control virtqueue: its life, its descriptors, what it recorded. */
#include "restore/shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "restore/command.h"
#include "restore/ctx.h"
#include "restore/sizes.h"

#define ANSWER_MAX VDPR_RELAY_LONG_IN

int vdpr_shadow_call_failed(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
			    const char *call, int err)
{
	return vdpr_fail(ctx, vdpr_cause_of(err), err, "%s: shadow: %s: %s",
			 s->dev->name, call, strerror(-err));
}

int vdpr_shadow_misuse(struct vdpr_ctx *ctx, struct vdpr_shadow *s, int err,
		       const char *what)
{
	return vdpr_fail(ctx, VDPR_CAUSE_USAGE, err, "%s: shadow: %s",
			 s->dev->name, what);
}

/* ---------------------------------------------------------------- new, free */

static int watch(struct vdpr_shadow *s, int fd)
{
	/* Edges: nobody has to read what woke us. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET,
				     .data.fd = fd };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void unwatch(struct vdpr_shadow *s, int fd)
{
	if (fd >= 0)
		(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, NULL);
}

void vdpr_shadow_set_timer(struct vdpr_shadow *s, uint64_t at)
{
	s->timer_at = at;
	/* Cannot fail. */
	(void)vdpr_timer_set(s->timer, at);
}

static int open_timer(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	int ret;

	if (!s->answer_nsec)
		return 0;
	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->timer < 0)
		return vdpr_shadow_call_failed(ctx, s, "timerfd_create",
					       -errno);
	ret = watch(s, s->timer);
	return ret ? vdpr_shadow_call_failed(ctx, s, "epoll_ctl", ret) : 0;
}

static int open_fds(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	int ret;

	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return vdpr_shadow_call_failed(ctx, s, "epoll_create1", -errno);
	s->again = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->again < 0)
		return vdpr_shadow_call_failed(ctx, s, "eventfd", -errno);
	ret = watch(s, s->again);
	return ret ? vdpr_shadow_call_failed(ctx, s, "epoll_ctl", ret) : 0;
}

static int take_opts(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		     const struct vdpr_shadow_opts *opts)
{
	struct vdpr_shadow_opts o;
	int ret;

	if (vdpr_struct_take(&o, sizeof(o), opts, VDPR_LEAST_SHADOW))
		return vdpr_shadow_misuse(ctx, s, -EINVAL,
					  "no options, or VDPR_INIT() is "
					  "missing");
	s->answer_nsec = o.answer_msec * NSEC_PER_MSEC;
	if (o.flags)
		return vdpr_shadow_misuse(ctx, s, -EINVAL,
					  "flags that are not known");
	ret = vdpr_guest_mem_init(&s->mem, o.translate, o.translate_data,
				  o.regions, o.n_regions);
	if (ret == -ENOMEM)
		return vdpr_fail_memory(ctx);
	return ret ? vdpr_shadow_misuse(
			     ctx, s, ret,
			     "no guest memory is given, or a region of it has "
			     "no length or flags that are not known, wraps, "
			     "overlaps another, or lacks VDPR_INIT()")
		   : 0;
}

int vdpr_shadow_new(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
		    const struct vdpr_shadow_opts *opts,
		    struct vdpr_shadow **out)
{
	struct vdpr_shadow *s;
	int ret;

	if (vdpr_any_null(ctx, dev, opts, out))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return vdpr_fail_memory(ctx);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->record, NULL);
	s->dev = dev;
	s->epoll = -1;
	s->again = -1;
	s->timer = -1;
	s->kick_fd = -1;
	s->call_fd = -1;
	s->answer = malloc(ANSWER_MAX);
	ret = s->answer ? open_fds(ctx, s) : vdpr_fail_memory(ctx);
	if (!ret)
		ret = take_opts(ctx, s, opts);
	if (!ret)
		ret = open_timer(ctx, s);
	if (ret) {
		vdpr_shadow_free(s);
		return ret;
	}
	*out = s;
	return 0;
}

/* Closes what is the guest's; the device goes on alone. */
static void let_go(struct vdpr_shadow *s)
{
	vdpr_shadow_detach(s);
	unwatch(s, s->kick_fd);
	vdpr_close_fd(s->kick_fd);
	vdpr_close_fd(s->call_fd);
	s->kick_fd = -1;
	s->call_fd = -1;
	vdpr_guest_ring_free(&s->ring);
	free(s->pieces);
	s->pieces = NULL;
	s->started = false;
	s->paused = false;
	s->quiesced = false;
	s->suspended = false;
	s->guest_fault = NULL;
	s->device_fault = NULL;
	s->events = 0;
	if (s->timer_at)
		vdpr_shadow_set_timer(s, 0);
}

void vdpr_shadow_free(struct vdpr_shadow *s)
{
	if (!s)
		return;
	let_go(s);
	vdpr_close_fd(s->again);
	vdpr_close_fd(s->timer);
	vdpr_close_fd(s->epoll);
	vdpr_guest_mem_free(&s->mem);
	vdpr_state_free(s->state);
	free(s->answer);
	pthread_mutex_destroy(&s->record);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int vdpr_shadow_fd(const struct vdpr_shadow *s)
{
	if (!s)
		return -EINVAL;
	return s->epoll;
}

/* -------------------------------------------------------------------- start */

/* Is the CVQ that we know still the device's? */
bool vdpr_shadow_is_attached(const struct vdpr_shadow *s)
{
	return s->cvq && s->cvqs_dropped == s->dev->cvqs_dropped;
}

int vdpr_shadow_attach(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	struct vdpr_cvq *cvq = s->dev->cvq;
	int ret;

	if (s->dev->control)
		return vdpr_shadow_misuse(ctx, s, -EOPNOTSUPP,
					  "the caller runs the control "
					  "virtqueue itself");
	if (!cvq || !cvq->relay.out)
		return vdpr_shadow_misuse(
			ctx, s, -ENODATA,
			"the device was not restored with room for it "
			"(VDPR_RESTORE_SHADOW), or has no control "
			"virtqueue");
	ret = watch(s, cvq->call_fd);
	if (ret)
		return vdpr_shadow_call_failed(ctx, s, "epoll_ctl", ret);
	s->cvq = cvq;
	s->cvqs_dropped = s->dev->cvqs_dropped;
	/* Without an eventfd of the guest's, its kick may be any call. */
	s->no_kick_fd = s->kick_fd < 0 ? -1 : cvq->call_fd;
	vdpr_relay_clear(s);
	return 0;
}

void vdpr_shadow_detach(struct vdpr_shadow *s)
{
	/* One that a restore has dropped took its descriptors along. */
	if (vdpr_shadow_is_attached(s))
		unwatch(s, s->cvq->call_fd);
	s->cvq = NULL;
}

static int find_ring(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		     const struct vdpr_state *state,
		     const struct vdpr_guest_ring_opts *o)
{
	const struct vdpr_features *f = &state->negotiated;
	const struct vdpr_guest_ring_setup setup = {
		.packed = vdpr_features_has(f, VIRTIO_F_RING_PACKED),
		.event_idx = vdpr_features_has(f, VIRTIO_RING_F_EVENT_IDX),
		.indirect = vdpr_features_has(f, VIRTIO_RING_F_INDIRECT_DESC),
		.num = o->num > UINT16_MAX ? 0 : (uint16_t)o->num,
		.base = o->base,
		.desc = o->desc,
		.driver = o->driver,
		.device = o->device,
	};
	int ret;

	/* A driver's commands come from where its ring does. */
	vdpr_guest_mem_prefer(&s->mem, o->desc);
	ret = vdpr_guest_ring_init(&s->ring, &s->mem, &setup);
	if (ret == -ENOMEM)
		return vdpr_fail_memory(ctx);
	if (ret)
		return vdpr_fail(ctx, VDPR_CAUSE_OTHER, ret,
				 "%s: shadow: the guest's control virtqueue: "
				 "%s",
				 s->dev->name, s->ring.fault);
	s->pieces = calloc((size_t)VDPR_RELAY_ROW * s->ring.num,
			   sizeof(*s->pieces));
	if (!s->pieces)
		return vdpr_fail_memory(ctx);
	for (unsigned int i = 0; i < VDPR_RELAY_ROW; i++)
		s->row[i].in = s->pieces + (size_t)i * s->ring.num;
	return 0;
}

static int take_fd(struct vdpr_ctx *ctx, struct vdpr_shadow *s, int fd,
		   int *out)
{
	if (fd < 0)
		return 0;
	*out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return *out < 0 ? vdpr_shadow_call_failed(ctx, s, "eventfd", -errno)
			: 0;
}

static int take_fds(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		    const struct vdpr_guest_ring_opts *ring)
{
	int ret = take_fd(ctx, s, ring->call_fd, &s->call_fd);

	if (!ret)
		ret = take_fd(ctx, s, ring->kick_fd, &s->kick_fd);
	if (ret || s->kick_fd < 0)
		return ret;
	ret = watch(s, s->kick_fd);
	return ret ? vdpr_shadow_call_failed(ctx, s, "epoll_ctl", ret) : 0;
}

/* The state is recorded into from here on. */
static int take_state(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		      const struct vdpr_state *state,
		      const struct vdpr_guest_ring_opts *ring)
{
	const struct vdpr_vring_state vring = {
		.has = VDPR_VRING_SIZE | VDPR_VRING_BASE | VDPR_VRING_ENABLED |
		       VDPR_VRING_DESC | VDPR_VRING_DRIVER | VDPR_VRING_DEVICE,
		.index = s->cvq->index,
		.size = ring->num,
		.base = vdpr_guest_ring_base(&s->ring),
		.enabled = true,
		.desc = ring->desc,
		.driver = ring->driver,
		.device = ring->device,
	};
	struct vdpr_state *copy;
	int ret = vdpr_state_copy(ctx, state, &copy);

	if (ret)
		return ret;
	pthread_mutex_lock(&s->record);
	vdpr_state_free(s->state);
	s->state = copy;
	s->vring = vring;
	pthread_mutex_unlock(&s->record);
	/* Those of the state are where the guest came from. */
	return vdpr_shadow_set_vrings(s, NULL, 0, NULL);
}

static int start(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		 const struct vdpr_state *state,
		 const struct vdpr_guest_ring_opts *given)
{
	struct vdpr_guest_ring_opts ring;
	int ret;

	if (s->started)
		return vdpr_shadow_misuse(ctx, s, -EBUSY, "started already");
	if (vdpr_struct_take(&ring, sizeof(ring), given, VDPR_LEAST_GUEST_RING))
		return vdpr_shadow_misuse(ctx, s, -EINVAL,
					  "no ring, or VDPR_INIT() is missing");
	if (!state || !state->negotiated_known)
		return vdpr_shadow_misuse(
			ctx, s, -EINVAL,
			"no state, or its negotiated features are not "
			"known");
	ret = vdpr_dev_check_busy(ctx, s->dev);
	if (!ret)
		ret = take_fds(ctx, s, &ring);
	if (!ret)
		ret = vdpr_shadow_attach(ctx, s);
	if (!ret)
		ret = find_ring(ctx, s, state, &ring);
	if (!ret)
		ret = take_state(ctx, s, state, &ring);
	if (ret) {
		let_go(s);
		return ret;
	}
	s->started = true;
	/* What the guest has shown before we looked. */
	return vdpr_eventfd_signal(s->again);
}

int vdpr_shadow_start(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		      const struct vdpr_state *state,
		      const struct vdpr_guest_ring_opts *ring)
{
	int ret;

	if (!s)
		return vdpr_fail_null(ctx, "shadow");
	if (vdpr_any_null(ctx, state, ring))
		return -EINVAL;
	pthread_mutex_lock(&s->lock);
	ret = start(ctx, s, state, ring);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

/* ------------------------------------------------------------------ process */

static int process(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	struct epoll_event seen[4];
	int n;

	/* Before the rings are looked at: what comes later wakes again. */
	n = epoll_wait(s->epoll, seen, ARRAY_SIZE(seen), 0);
	if (!s->started || s->quiesced)
		return 0;
	if (!vdpr_shadow_is_attached(s))
		return vdpr_shadow_misuse(
			ctx, s, -ENODATA,
			"the device was restored or reset behind its "
			"back");
	/* Not where it is only the device that called. */
	s->look = n != 1 || seen[0].data.fd != s->no_kick_fd || s->blocked ||
		  !s->ring.kick_wanted;
	return vdpr_relay(ctx, s);
}

int vdpr_shadow_process(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
			unsigned int *events)
{
	int ret;

	pthread_mutex_lock(&s->lock);
	ret = process(ctx, s);
	if (events)
		*events = s->events;
	s->events = 0;
	pthread_mutex_unlock(&s->lock);
	return ret;
}

void vdpr_shadow_count(struct vdpr_shadow *s, struct vdpr_shadow_counts *out)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	(void)vdpr_struct_give(out, &s->counts, sizeof(s->counts));
	pthread_mutex_unlock(&s->lock);
}

/* --------------------------------------------------------------------- save */

int vdpr_shadow_set_vrings(struct vdpr_shadow *s,
			   const struct vdpr_vring_state *vring, size_t n,
			   const char *origin)
{
	struct vdpr_vring_state *copy = NULL;
	int ret = 0;

	if (n) {
		copy = calloc(n, sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		memcpy(copy, vring, n * sizeof(*copy));
	}
	pthread_mutex_lock(&s->record);
	free(s->state->vrings);
	s->state->vrings = copy;
	s->state->n_vrings = n;
	s->state->has_vrings = n;
	s->vrings_origin = origin;
	pthread_mutex_unlock(&s->record);
	return ret;
}

/* The guest's control ring: the last of all queues. */
static int add_ring(struct vdpr_state *state,
		    const struct vdpr_vring_state *vring)
{
	struct vdpr_vring_state *vrings;

	if (!vring->has)
		return 0;
	vrings = reallocarray(state->vrings, state->n_vrings + 1,
			      sizeof(*vrings));
	if (!vrings)
		return -ENOMEM;
	vrings[state->n_vrings++] = *vring;
	state->vrings = vrings;
	state->has_vrings = true;
	return 0;
}

/* Where it all comes from. */
static int set_origin(struct vdpr_ctx *ctx, struct vdpr_state *state,
		      const char *vrings)
{
	int ret = vdpr_state_set_origin(ctx, state, "shadow");

	if (ret || !vrings)
		return ret;
	ret = vdpr_origin_set(state, "vrings", vrings);
	return ret ? vdpr_fail_memory(ctx) : 0;
}

/* No misuse: a script may ask before there is a guest. */
static int fail_empty(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	vdpr_fail(ctx, VDPR_CAUSE_OTHER, -ENODATA,
		  "%s: shadow: nothing is recorded yet", s->dev->name);
	vdpr_cure(ctx, "load a state, or let the guest's driver start");
	return -ENODATA;
}

int vdpr_shadow_save(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		     struct vdpr_state **out)
{
	struct vdpr_vring_state vring;
	struct vdpr_state *copy = NULL;
	const char *origin;
	int ret = -ENODATA;

	if (!s || !out)
		return vdpr_fail_null(ctx, s ? "out" : "shadow");
	pthread_mutex_lock(&s->record);
	if (s->state)
		ret = vdpr_state_copy(ctx, s->state, &copy);
	vring = s->vring;
	origin = s->vrings_origin;
	pthread_mutex_unlock(&s->record);
	if (ret == -ENODATA)
		return fail_empty(ctx, s);
	if (ret)
		return ret;
	/* The copy, for no guest waits for that. */
	vdpr_observe_judge(ctx, copy);
	if (add_ring(copy, &vring))
		ret = vdpr_fail_memory(ctx);
	else
		ret = set_origin(ctx, copy, origin);
	if (ret) {
		vdpr_state_free(copy);
		return ret;
	}
	*out = copy;
	return 0;
}

int vdpr_shadow_announce(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	int ret = 0;

	if (!s)
		return vdpr_fail_null(ctx, "shadow");
	pthread_mutex_lock(&s->record);
	if (!s->state) {
		ret = -ENODATA;
	} else if (!vdpr_features_has(&s->state->negotiated,
				      VIRTIO_NET_F_GUEST_ANNOUNCE)) {
		ret = -ENOTSUP;
	} else {
		s->state->announce = VDPR_KNOWN;
		s->state->announce_pending = true;
	}
	pthread_mutex_unlock(&s->record);
	if (ret == -ENOTSUP)
		return vdpr_fail(ctx, VDPR_CAUSE_REFUSED, ret,
				 "%s: shadow: the guest did not negotiate "
				 "GUEST_ANNOUNCE",
				 s->dev->name);
	return ret ? fail_empty(ctx, s) : 0;
}

/* -------------------------------------------------------------------- reset */

/* The device as it is offered, with what the driver took of it. */
static int fresh_state(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		       const struct vdpr_features *features,
		       struct vdpr_state **out)
{
	struct vdpr_dev_info info = VDPR_INIT(struct vdpr_dev_info);
	struct vdpr_state *state;
	int ret = vdpr_dev_examine(ctx, s->dev, &info);

	if (!ret)
		ret = vdpr_state_new(ctx, &state);
	if (ret)
		return ret;
	ret = vdpr_state_start(ctx, state, &info.features, features,
			       &info.config, 0);
	if (ret) {
		vdpr_state_free(state);
		return ret;
	}
	*out = state;
	return 0;
}

static int reset_device(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	uint8_t status = 0;
	int ret = vdpr_dev_get_status(s->dev, &status);

	if (ret)
		return vdpr_shadow_call_failed(ctx, s, "GET_STATUS", ret);
	if (!status)
		return 0;
	ret = vdpr_dev_reset(s->dev);
	return ret ? vdpr_shadow_call_failed(ctx, s, "SET_STATUS(0)", ret) : 0;
}

static int reset(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		 const struct vdpr_features *features)
{
	struct vdpr_state *state = NULL;
	int ret = vdpr_dev_check_busy(ctx, s->dev);

	if (ret)
		return ret;
	let_go(s);
	ret = reset_device(ctx, s);
	if (!ret)
		ret = fresh_state(ctx, s, features, &state);
	if (ret)
		return ret;
	pthread_mutex_lock(&s->record);
	vdpr_state_free(s->state);
	s->state = state;
	s->vring.has = 0;
	s->vrings_origin = NULL;
	pthread_mutex_unlock(&s->record);
	return 0;
}

int vdpr_shadow_reset(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		      const struct vdpr_features *features)
{
	int ret;

	if (!s)
		return vdpr_fail_null(ctx, "shadow");
	pthread_mutex_lock(&s->lock);
	ret = reset(ctx, s, features);
	pthread_mutex_unlock(&s->lock);
	return ret;
}
