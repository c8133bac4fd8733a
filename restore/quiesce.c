/* SPDX-License-Identifier: MIT */
/* Quiesce and unquiesce: the device stopped with its whole state, and back. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/engine.h"
#include "restore/quirks.h"
#include "restore/shadow.h"
#include "restore/sizes.h"

#define DEFAULT_TIMEOUT (10 * NSEC_PER_SEC)

enum {
	USED_IDX = 2, /* of a split ring's device area (virtio 1.3, 2.7.8) */
};

struct quiesce {
	struct vdpr_ctx *ctx;
	struct vdpr_shadow *s;
	struct vdpr_quiesce_opts opts;
	uint64_t deadline;
	struct vdpr_vring_state *vring; /* opts.n_vrings, for the state */
	bool used_index;		/* some base is from guest memory */
};

/* -------------------------------------------------- the caller's data rings */

/* With the stride of the header that the caller was built with. */
static struct vdpr_vring *given_ring(struct vdpr_vring *vrings, size_t i)
{
	return (void *)((uint8_t *)vrings + i * vrings->size);
}

static int check_rings(struct quiesce *q)
{
	_cleanup_free_ struct vdpr_vring *v = NULL;
	int ret = vdpr_vrings_take(q->opts.vrings, q->opts.n_vrings, &v);

	if (ret == -EINVAL)
		return vdpr_shadow_misuse(q->ctx, q->s, ret,
					  "vrings: VDPR_INIT() is missing");
	if (ret)
		return vdpr_fail_memory(q->ctx);
	for (size_t i = 1; i < q->opts.n_vrings; i++)
		if (v[i].index <= v[i - 1].index)
			return vdpr_shadow_misuse(q->ctx, q->s, -EINVAL,
						  "vrings are not in ascending "
						  "order");
	q->vring = calloc(q->opts.n_vrings + 1, sizeof(*q->vring));
	if (q->vring)
		return 0;
	vdpr_fail_memory(q->ctx);
	return -ENOMEM;
}

static bool acked(const struct vdpr_shadow *s, unsigned int bit)
{
	return s->dev->acked >> bit & 1;
}

static bool is_packed(const struct vdpr_shadow *s)
{
	return s->ring.ops == &vdpr_guest_packed;
}

static bool comes_back(const struct vdpr_shadow *s)
{
	return acked(s, VHOST_BACKEND_F_SUSPEND) &&
	       acked(s, VHOST_BACKEND_F_RESUME);
}

/* ------------------------------------------------------- refused beforehand */

static int refuse(struct quiesce *q, const char *reason, const char *cure)
{
	vdpr_fail(q->ctx, VDPR_CAUSE_REFUSED, -EOPNOTSUPP,
		  "%s: quiesce: refused: %s", q->s->dev->name, reason);
	vdpr_cure(q->ctx, "%s", cure);
	return -EOPNOTSUPP;
}

/* Can the positions of packed rings be had? Guest memory does not hold them. */
static int check_packed(struct quiesce *q)
{
	uint32_t base, index = q->opts.vrings->index;
	int ret = -EOPNOTSUPP;

	if (acked(q->s, VHOST_BACKEND_F_SUSPEND))
		ret = vdpr_dev_vring_get(q->s->dev, VHOST_GET_VRING_BASE, index,
					 &base);
	if (ret != -EOPNOTSUPP)
		return 0;
	return refuse(q,
		      "the device does not tell the bases of its rings, and "
		      "those of packed rings are not in guest memory",
		      "negotiate split rings (without RING_PACKED)");
}

/* Nothing is stopped that could not go on, unless the caller can do without. */
static int check_possible(struct quiesce *q)
{
	const struct vdpr_quirk *quirk =
		vdpr_quirk_find(q->s->dev, VDPR_QUIRK_NO_BASE);
	_cleanup_free_ char *reason = NULL;

	if (!q->opts.n_vrings)
		return 0;
	if (is_packed(q->s)) {
		int ret = check_packed(q);

		if (ret)
			return ret;
	}
	if (comes_back(q->s) || !quirk ||
	    q->opts.flags & VDPR_QUIESCE_FRESH_RINGS)
		return 0;
	if (asprintf(&reason,
		     "the device has no RESUME, so only a reset brings it "
		     "back, and then its rings cannot go on where they were: "
		     "%s",
		     quirk->text) < 0)
		reason = NULL;
	return refuse(q, reason ? reason : "no RESUME, and no bases",
		      "VDPR_QUIESCE_FRESH_RINGS, if the rings may be new ones "
		      "then, or if the guest leaves for good");
}

/* -------------------------------------------------------------------- drain */

/* Return: 0, or -ETIME. */
static int wait_for_answer(struct quiesce *q)
{
	struct pollfd p = { .fd = q->s->cvq->call_fd, .events = POLLIN };
	uint64_t now = vdpr_now();
	int ret;

	if (now >= q->deadline) {
		vdpr_fail(q->ctx, VDPR_CAUSE_DEADLINE, -ETIME,
			  "%s: quiesce: %u commands of the guest's have no "
			  "answer from the device",
			  q->s->dev->name, q->s->n);
		return -ETIME;
	}
	ret = vdpr_poll_until(&p, 1, q->deadline);
	if (ret)
		return vdpr_shadow_call_failed(q->ctx, q->s, "poll", ret);
	vdpr_eventfd_take(q->s->cvq->call_fd);
	return 0;
}

/* One round. A guest that broke its ring is stopped all the same: nothing of it is
 * read or written, and the record has its ring as far as it went. */
static int relay(struct quiesce *q)
{
	int ret = vdpr_relay(q->ctx, q->s);

	if (ret != -EPROTO || !q->s->guest_fault)
		return ret;
	vdpr_ctx_clear(q->ctx);
	return 0;
}

/* Takes no further command, and waits for those that the device has. */
static int drain(struct quiesce *q)
{
	int ret;

	q->s->paused = true;
	for (;;) {
		ret = relay(q);
		if (ret || !q->s->n)
			break;
		ret = wait_for_answer(q);
		if (ret)
			break;
	}
	if (ret) {
		q->s->paused = false;
		(void)vdpr_eventfd_signal(q->s->again);
	} else if (q->s->guest_fault) {
		vdpr_log(
			q->ctx, VDPR_LOG_WARNING,
			"%s: quiesce: the guest's control virtqueue is broken: "
			"%s",
			q->s->dev->name, q->s->guest_fault);
	}
	return ret;
}

/* --------------------------------------------------------------------- stop */

static int stop(struct quiesce *q)
{
	bool suspend = acked(q->s, VHOST_BACKEND_F_SUSPEND);
	int ret = suspend ? vdpr_dev_ioctl(q->s->dev, VHOST_VDPA_SUSPEND, NULL)
			  : vdpr_dev_reset(q->s->dev);

	if (ret) {
		q->s->paused = false;
		return vdpr_shadow_call_failed(
			q->ctx, q->s, suspend ? "SUSPEND" : "SET_STATUS(0)",
			ret);
	}
	q->s->quiesced = true;
	q->s->suspended = suspend;
	return 0;
}

/* -------------------------------------------------------------------- bases */

/* What the device had taken and not used is taken again. */
static int used_index(struct quiesce *q, const struct vdpr_vring *ring,
		      uint32_t *base)
{
	const void *idx = vdpr_guest_span(&q->s->mem, ring->device + USED_IDX,
					  sizeof(uint16_t), false);

	if (!idx || (uintptr_t)idx % 2)
		return vdpr_fail(q->ctx, VDPR_CAUSE_OTHER, -EFAULT,
				 "%s: quiesce: the used index of queue %" PRIu32
				 " is not in guest memory",
				 q->s->dev->name, ring->index);
	*base = vdpr_load_le16(idx);
	q->used_index = true;
	return 0;
}

static int find_base(struct quiesce *q, const struct vdpr_vring *ring,
		     uint32_t *base)
{
	int ret = -EOPNOTSUPP;

	if (q->s->suspended)
		ret = vdpr_dev_vring_get(q->s->dev, VHOST_GET_VRING_BASE,
					 ring->index, base);
	if (ret == -EOPNOTSUPP && !is_packed(q->s))
		return used_index(q, ring, base);
	return ret ? vdpr_shadow_call_failed(q->ctx, q->s, "GET_VRING_BASE",
					     ret)
		   : 0;
}

static int find_bases(struct quiesce *q)
{
	for (size_t i = 0; i < q->opts.n_vrings; i++) {
		struct vdpr_vring *ring = given_ring(q->opts.vrings, i);
		uint32_t base = 0;
		int ret = find_base(q, ring, &base);

		if (ret)
			return ret;
		ring->base = base;
		q->vring[i] = (struct vdpr_vring_state){
			.has = VDPR_VRING_SIZE | VDPR_VRING_BASE |
			       VDPR_VRING_ENABLED | VDPR_VRING_DESC |
			       VDPR_VRING_DRIVER | VDPR_VRING_DEVICE,
			.index = ring->index,
			.size = ring->num,
			.base = base,
			.enabled = true,
			.desc = ring->desc,
			.driver = ring->driver,
			.device = ring->device,
		};
	}
	return 0;
}

/* ------------------------------------------------------------------ quiesce */

static int quiesce(struct quiesce *q)
{
	int ret;

	if (!q->s->started)
		return vdpr_shadow_misuse(q->ctx, q->s, -ENODATA,
					  "not started");
	if (q->s->quiesced)
		return vdpr_shadow_misuse(q->ctx, q->s, -EALREADY,
					  "quiesced already");
	if (!vdpr_shadow_is_attached(q->s))
		return vdpr_shadow_misuse(q->ctx, q->s, -ENODATA,
					  "the device was restored or reset "
					  "behind its back");
	if (q->opts.flags & ~VDPR_QUIESCE_FRESH_RINGS)
		return vdpr_shadow_misuse(q->ctx, q->s, -EINVAL,
					  "flags that are not known");
	ret = check_rings(q);
	if (!ret)
		ret = check_possible(q);
	if (!ret)
		ret = drain(q);
	if (!ret)
		ret = stop(q);
	if (!ret)
		ret = find_bases(q);
	if (ret)
		return ret;
	ret = vdpr_shadow_set_vrings(q->s, q->vring, q->opts.n_vrings,
				     q->used_index ? VDPR_ORIGIN_USED_INDEX
						   : VDPR_ORIGIN_DEVICE);
	return ret ? vdpr_fail_memory(q->ctx) : 0;
}

int vdpr_shadow_quiesce(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
			const struct vdpr_quiesce_opts *opts,
			struct vdpr_state **out)
{
	struct quiesce q = { .ctx = ctx, .s = s };
	int ret;

	if (!s)
		return vdpr_fail_null(ctx, "shadow");
	if (opts &&
	    vdpr_struct_take(&q.opts, sizeof(q.opts), opts, VDPR_LEAST_QUIESCE))
		return vdpr_shadow_misuse(ctx, s, -EINVAL,
					  "options: VDPR_INIT() is missing");
	if (q.opts.n_vrings && !q.opts.vrings)
		return vdpr_shadow_misuse(ctx, s, -EINVAL,
					  "options: a number of vrings without "
					  "the list");
	q.deadline = q.opts.deadline ? q.opts.deadline
				     : vdpr_now() + DEFAULT_TIMEOUT;
	pthread_mutex_lock(&s->lock);
	ret = quiesce(&q);
	pthread_mutex_unlock(&s->lock);
	free(q.vring);
	return ret || !out ? ret : vdpr_shadow_save(ctx, s, out);
}

/* ---------------------------------------------------------------- unquiesce */

/* What was kicked or called while the queues stood still is not lost. */
static int wake(const struct vdpr_vring *ring)
{
	int ret = 0;

	if (ring->kick_fd > 0)
		ret = vdpr_eventfd_signal(ring->kick_fd);
	if (!ret && ring->call_fd > 0)
		ret = vdpr_eventfd_signal(ring->call_fd);
	return ret;
}

static int wake_all(const struct vdpr_restore_opts *opts)
{
	const uint8_t *at = (const uint8_t *)opts->vrings;
	int ret = 0;

	for (size_t i = 0; !ret && i < opts->n_vrings; i++)
		ret = wake((const void *)(at + i * opts->vrings->size));
	return ret;
}

static int resume(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		  const struct vdpr_restore_opts *opts)
{
	int ret = vdpr_dev_ioctl(s->dev, VHOST_VDPA_RESUME, NULL);

	if (ret)
		return vdpr_shadow_call_failed(ctx, s, "RESUME", ret);
	/* mlx5_vdpa's suspend disables it, its resume does not enable it. */
	ret = vdpr_dev_vring(s->dev, VHOST_VDPA_SET_VRING_ENABLE, s->cvq->index,
			     1);
	if (ret)
		return vdpr_shadow_call_failed(ctx, s, "SET_VRING_ENABLE", ret);
	ret = wake_all(opts);
	if (!ret)
		ret = vdpr_cvq_kick(s->cvq);
	return ret ? vdpr_shadow_call_failed(ctx, s, "kick", ret) : 0;
}

/* Half awake it would be of no use: the next try restores it. */
static void reset_after(struct vdpr_shadow *s)
{
	(void)vdpr_dev_reset(s->dev);
	s->suspended = false;
}

/* On the way back the device is at reset, whatever went wrong. */
static int restore(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		   struct vdpr_restore_opts *opts, struct vdpr_report **out)
{
	struct vdpr_state *state;
	int ret = vdpr_shadow_save(ctx, s, &state);

	if (ret)
		return ret;
	opts->flags |= VDPR_RESTORE_SHADOW;
	vdpr_shadow_detach(s);
	s->suspended = false;
	ret = vdpr_restore_run(ctx, s->dev, state, opts, out);
	vdpr_state_free(state);
	if (ret)
		return ret;
	ret = vdpr_shadow_attach(ctx, s);
	if (ret)
		reset_after(s);
	return ret;
}

static int unquiesce(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		     struct vdpr_restore_opts *opts, struct vdpr_report **out)
{
	int ret;

	if (!s->quiesced)
		return vdpr_shadow_misuse(ctx, s, -EINVAL, "not quiesced");
	/* A restore may have reset it, and dropped its CVQ, behind our back. */
	if (s->suspended && vdpr_shadow_is_attached(s) &&
	    acked(s, VHOST_BACKEND_F_RESUME)) {
		ret = resume(ctx, s, opts);
		if (ret)
			reset_after(s);
	} else {
		ret = restore(ctx, s, opts, out);
	}
	if (ret)
		return ret;
	s->quiesced = false;
	s->suspended = false;
	s->paused = false;
	(void)vdpr_shadow_set_vrings(s, NULL, 0, NULL);
	/* What the guest has shown meanwhile. */
	return vdpr_eventfd_signal(s->again);
}

int vdpr_shadow_unquiesce(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
			  const struct vdpr_restore_opts *opts,
			  struct vdpr_report **out)
{
	struct vdpr_restore_opts o = VDPR_INIT(struct vdpr_restore_opts);
	int ret;

	if (!s)
		return vdpr_fail_null(ctx, "shadow");
	if (out)
		*out = NULL;
	ret = vdpr_opts_take(ctx, opts, &o);
	if (ret)
		return ret;
	pthread_mutex_lock(&s->lock);
	ret = unquiesce(ctx, s, &o, out);
	pthread_mutex_unlock(&s->lock);
	return ret;
}
