/* SPDX-License-Identifier: MIT */
/* Relaying: the guest's commands to the device, its answers back and recorded. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "restore/command.h"
#include "restore/ctx.h"
#include "restore/shadow.h"

static_assert(VDPR_RELAY_LONG_IN <= VDPR_GUEST_ANSWER_MAX,
	      "what may be written of an answer was looked at");

void vdpr_relay_clear(struct vdpr_shadow *s)
{
	s->first = 0;
	s->n = 0;
	s->places = (2u << VDPR_RELAY_SHORT) - 1;
	s->armed = false;
}

/* ---------------------------------------------------------------- recording */

static void record(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
		   const struct vdpr_relayed *r, const uint8_t *out)
{
	struct vdpr_command *command = &s->command;

	command->ctrl_class = out[0];
	command->command = out[1];
	command->ack = s->answer[0];
	command->data = out + 2;
	command->data_len = r->out_len - 2;
	if (command->ack != VIRTIO_NET_OK)
		s->counts.refused++;
	/* What it has set cannot be told: better unknown than wrong. */
	if (vdpr_observe_whole(ctx, s->state, command)) {
		vdpr_log(ctx, VDPR_LOG_WARNING, "%s", vdpr_ctx_error(ctx));
		vdpr_ctx_clear(ctx);
		vdpr_observe_lost(s->state, command->ctrl_class);
	}
}

/* ------------------------------------------------- answers: device to guest */

static _cold_ void guest_broke(struct vdpr_shadow *s, const char *fault)
{
	if (s->guest_fault)
		return;
	s->guest_fault = fault;
	s->events |= VDPR_SHADOW_GUEST_BROKEN;
}

static _cold_ int device_broke(struct vdpr_shadow *s, const char *fault)
{
	if (!s->device_fault)
		s->events |= VDPR_SHADOW_DEVICE_BROKEN;
	s->device_fault = fault;
	return -EIO;
}

/* The answer to the oldest command, out of reach of whoever may change it. */
static void fetch_answer(struct vdpr_shadow *s, struct vdpr_relayed *r)
{
	const uint8_t *in;

	if (r->place == VDPR_NO_PLACE) {
		s->answer[0] = r->own_ack;
		r->len = 1;
		return;
	}
	in = s->cvq->relay.in + vdpr_relay_in(r->place);
	if (r->len > 1)
		memcpy(s->answer, in, r->len);
	else
		s->answer[0] = *in;
}

/* Records before the guest can know: what it has seen is in every save. */
static void record_answer(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
			  struct vdpr_relayed *r)
{
	if (r->place != VDPR_NO_PLACE) {
		record(ctx, s, r, s->cvq->relay.out + vdpr_relay_out(r->place));
		s->counts.answered++;
		s->places |= 1u << r->place;
		return;
	}
	s->counts.own++;
	if (r->own_ack != VIRTIO_NET_OK)
		return;
	s->state->announce_pending = false;
	s->events |= VDPR_SHADOW_ANNOUNCED;
}

static void push_answer(struct vdpr_shadow *s, const struct vdpr_relayed *r)
{
	if (vdpr_guest_scatter(&s->mem, r->in, r->n_in, s->answer, r->len)) {
		guest_broke(s, "memory for an answer has vanished");
		return;
	}
	vdpr_guest_ring_push(&s->ring, r->id, r->entries, r->len);
	s->vring.base = vdpr_guest_ring_base(&s->ring);
}

/* Gives the oldest command back. */
static void give_back(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	struct vdpr_relayed *r = &s->row[s->first];

	s->first = (s->first + 1) % VDPR_RELAY_ROW;
	s->n--;
	fetch_answer(s, r);
	pthread_mutex_lock(&s->record);
	record_answer(ctx, s, r);
	/* A guest that broke its ring gets nothing more. */
	if (!s->guest_fault)
		push_answer(s, r);
	pthread_mutex_unlock(&s->record);
}

/* Takes what the device has used. Behind the last that is out nothing can be, so
 * there is no look. Return: 0, or -EIO. */
static int take_used(struct vdpr_shadow *s)
{
	struct vdpr_ring *ring = &s->cvq->ring;
	struct vdpr_ring_used used;

	while (ring->outstanding) {
		int ret = vdpr_ring_take_one(ring, &used);
		struct vdpr_relayed *r;

		if (ret <= 0)
			return ret ? device_broke(s, ring->fault) : 0;
		r = &s->row[used.token];
		if (!used.len || used.len > r->in_len)
			return device_broke(s, "wrote an answer of no "
					       "possible length");
		r->len = used.len;
		r->done = true;
		s->armed = false;
	}
	return 0;
}

/* The same, and asks to be called for the next: a guest waits for each of them.
 * One that came in between is found by another look. */
static int take_answers(struct vdpr_shadow *s)
{
	for (;;) {
		int ret = take_used(s);

		if (ret || s->armed || !s->cvq->ring.outstanding)
			return ret;
		vdpr_ring_arm(&s->cvq->ring, 1);
		s->armed = true;
	}
}

/* Has the timer run out, for the oldest command or for one that has come back
 * since? Return: 0, or -EIO. */
static int find_late(struct vdpr_shadow *s)
{
	uint64_t now = vdpr_now();
	unsigned int i = 0;

	if (now < s->timer_at)
		return 0;
	s->timer_at = 0;
	while (i < s->n && s->row[(s->first + i) % VDPR_RELAY_ROW].done)
		i++;
	if (i < s->n) {
		uint64_t until = s->row[(s->first + i) % VDPR_RELAY_ROW].until;

		if (now >= until)
			return device_broke(s, "has not answered a command "
					       "in time");
		vdpr_shadow_set_timer(s, until);
	}
	return 0;
}

static void give_back_all(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	while (s->n && s->row[s->first].done)
		give_back(ctx, s);
}

/* ------------------------------------------------ commands: guest to device */

static struct vdpr_relayed *new_entry(struct vdpr_shadow *s,
				      const struct vdpr_guest_chain *chain)
{
	struct vdpr_relayed *r = &s->row[(s->first + s->n) % VDPR_RELAY_ROW];

	r->id = chain->id;
	r->entries = chain->entries;
	r->n_in = chain->n_in;
	r->out_len = (uint32_t)chain->out_len;
	for (unsigned int i = 0; i < chain->n_in; i++)
		r->in[i] = chain->in[i];
	s->n++;
	return r;
}

/* A free place that is large enough, or VDPR_NO_PLACE. */
static uint8_t find_place(const struct vdpr_shadow *s,
			  const struct vdpr_guest_chain *chain)
{
	bool is_short = chain->out_len <= VDPR_RELAY_SHORT_OUT &&
			chain->in_len <= VDPR_RELAY_SHORT_IN;
	uint32_t fit = is_short ? s->places
				: s->places & 1u << VDPR_RELAY_SHORT;

	return fit ? (uint8_t)__builtin_ctz(fit) : VDPR_NO_PLACE;
}

static uint32_t answer_room(const struct vdpr_guest_chain *chain, uint8_t place)
{
	uint64_t most = place < VDPR_RELAY_SHORT ? VDPR_RELAY_SHORT_IN
						 : VDPR_RELAY_LONG_IN;

	return (uint32_t)(chain->in_len < most ? chain->in_len : most);
}

/* Behind the announcements that the library raised, and only there. */
static bool acks_announce(struct vdpr_shadow *s, const uint8_t *out)
{
	bool own;

	if (out[0] != VIRTIO_NET_CTRL_ANNOUNCE ||
	    out[1] != VIRTIO_NET_CTRL_ANNOUNCE_ACK)
		return false;
	pthread_mutex_lock(&s->record);
	own = s->state->announce == VDPR_KNOWN && s->state->announce_pending;
	pthread_mutex_unlock(&s->record);
	return own;
}

static void forward(struct vdpr_shadow *s, struct vdpr_relayed *r,
		    const struct vdpr_guest_chain *chain, uint8_t place)
{
	struct vdpr_cvq *cvq = s->cvq;
	uint8_t *out = cvq->relay.out + vdpr_relay_out(place);
	uint8_t *in = cvq->relay.in + vdpr_relay_in(place);
	struct vdpr_ring_buf buf;

	r->in_len = answer_room(chain, place);
	s->places &= ~(1u << place);
	/* What was never written must not look like an answer. */
	*in = VDPR_ACK_PENDING;
	if (r->in_len > 1)
		memset(in, VDPR_ACK_PENDING, r->in_len);
	buf = (struct vdpr_ring_buf){
		.out = vdpr_mem_iova(&cvq->mem, out),
		.out_len = r->out_len,
		.in = vdpr_mem_iova(&cvq->mem, in),
		.in_len = r->in_len,
	};
	/* There is room: take_command() has looked. */
	(void)vdpr_ring_add(&cvq->ring, &buf, (uint32_t)(r - s->row));
	s->counts.forwarded++;
	if (!s->answer_nsec)
		return;
	r->until = vdpr_now() + s->answer_nsec;
	/* One for all: it is not set anew with each command. */
	if (!s->timer_at)
		vdpr_shadow_set_timer(s, r->until);
}

static int check_command(struct vdpr_shadow *s,
			 const struct vdpr_guest_chain *chain)
{
	if (chain->out_len < 2)
		return vdpr_guest_ring_wrong(
			&s->ring, "a command has no class and command");
	if (!chain->in_len)
		return vdpr_guest_ring_wrong(
			&s->ring, "a command has no room for an answer");
	return 0;
}

/* Copies a command, the one time that its bytes are read, to a place in the
 * device's memory - or finds that the device need not be asked.
 * Return: 1, 0 (no place is free), -EPROTO.
 */
static int fetch_command(struct vdpr_shadow *s,
			 const struct vdpr_guest_chain *chain, uint8_t *place,
			 uint8_t *own_ack)
{
	uint8_t *out;

	*place = VDPR_NO_PLACE;
	*own_ack = VIRTIO_NET_ERR;
	if (chain->out_len > VDPR_RELAY_LONG_OUT)
		return 1;
	*place = find_place(s, chain);
	if (*place == VDPR_NO_PLACE)
		return 0;
	out = s->cvq->relay.out + vdpr_relay_out(*place);
	if (vdpr_guest_gather(&s->mem, chain->out, out, (size_t)chain->out_len))
		return vdpr_guest_ring_wrong(
			&s->ring, "a readable descriptor is not in guest "
				  "memory");
	if (acks_announce(s, out)) {
		*place = VDPR_NO_PLACE;
		*own_ack = VIRTIO_NET_OK;
	}
	return 1;
}

/* Takes one. Return: 1, 0 (none, or it is blocked), -EPROTO. */
static int take_command(struct vdpr_shadow *s)
{
	struct vdpr_guest_chain chain;
	struct vdpr_relayed *r;
	uint8_t place, own_ack;
	int ret;

	s->blocked = s->n == VDPR_RELAY_ROW || !s->cvq->ring.n_free;
	if (s->blocked)
		return 0;
	ret = vdpr_guest_ring_next(&s->ring, &chain);
	if (ret > 0 && check_command(s, &chain))
		ret = -EPROTO;
	if (ret <= 0)
		return ret;
	ret = fetch_command(s, &chain, &place, &own_ack);
	s->blocked = !ret;
	if (ret <= 0)
		return ret;
	vdpr_guest_ring_take(&s->ring, &chain);
	r = new_entry(s, &chain);
	r->place = place;
	r->own_ack = own_ack;
	r->done = place == VDPR_NO_PLACE;
	if (!r->done)
		forward(s, r, &chain, place);
	return 1;
}

/* Takes what there is, at most so many, and asks to be kicked for what comes next;
 * what came in between is found by another look. Return: how many were taken. */
static unsigned int take_commands(struct vdpr_shadow *s, unsigned int limit)
{
	unsigned int count = 0;

	s->blocked = false;
	while (count < limit) {
		int ret = take_command(s);

		if (ret >= 0 && !s->blocked) {
			count += (unsigned int)ret;
			vdpr_guest_ring_want_kick(&s->ring);
			ret = vdpr_guest_ring_peek(&s->ring);
		}
		if (ret < 0)
			guest_broke(s, s->ring.fault);
		if (ret <= 0)
			break;
	}
	return count;
}

/* Shows the device what was forwarded. Return: 0 or -errno. */
static int show(struct vdpr_shadow *s)
{
	/* Before it can be answered, so that no call is missed. */
	vdpr_ring_arm(&s->cvq->ring, 1);
	s->armed = true;
	if (!vdpr_ring_publish(&s->cvq->ring))
		return 0;
	s->counts.kicks++;
	return vdpr_cvq_kick(s->cvq);
}

/* --------------------------------------------------------------------- both */

static int call_guest(struct vdpr_shadow *s)
{
	if (s->guest_fault || !vdpr_guest_ring_wants_call(&s->ring))
		return 0;
	s->counts.calls++;
	if (s->call_fd >= 0)
		return vdpr_eventfd_signal(s->call_fd);
	s->events |= VDPR_SHADOW_CALL;
	return 0;
}

static _cold_ int explain(struct vdpr_ctx *ctx, struct vdpr_shadow *s, int ret)
{
	if (s->device_fault)
		return vdpr_fail(ctx, VDPR_CAUSE_DEVICE, -EIO,
				 "%s: control virtqueue: device %s",
				 s->dev->name, s->device_fault);
	if (s->guest_fault)
		return vdpr_fail(ctx, VDPR_CAUSE_OTHER, -EPROTO,
				 "%s: the guest's control virtqueue: %s",
				 s->dev->name, s->guest_fault);
	return vdpr_shadow_call_failed(ctx, s, "kick", ret);
}

/* Whoever has more for us wakes us: both were asked to. */
static int move(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	uint64_t before = s->counts.forwarded;
	uint64_t forwarded;
	unsigned int taken;
	int ret = 0;

	if (s->n) {
		ret = take_answers(s);
		give_back_all(ctx, s);
	}
	if (s->timer_at && !ret)
		ret = find_late(s);
	/* Who was not kicked, and has asked to be, need not look. */
	if (ret || s->guest_fault || s->paused || !s->look)
		return ret;
	taken = take_commands(s, VDPR_RELAY_PER_CALL);
	forwarded = s->counts.forwarded - before;
	if (forwarded)
		ret = show(s);
	/* Those of our own, unless they wait for others. */
	if (taken > forwarded)
		give_back_all(ctx, s);
	/* More than one call's worth, or than our own answers had room for. */
	if (!ret && (taken == VDPR_RELAY_PER_CALL ||
		     (s->blocked && !s->cvq->ring.outstanding)))
		ret = vdpr_eventfd_signal(s->again);
	return ret;
}

int vdpr_relay(struct vdpr_ctx *ctx, struct vdpr_shadow *s)
{
	int ret = s->device_fault ? -EIO : move(ctx, s);
	int called = call_guest(s);

	if (!ret)
		ret = s->guest_fault ? -EPROTO : called;
	return ret ? explain(ctx, s, ret) : 0;
}
