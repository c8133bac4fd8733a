/* SPDX-License-Identifier: MIT */
/* The simulator at work: a kicked queue is worked off, or mishandled as asked. */
#include <errno.h>
#include <time.h>

#include "restore/sim.h"

#define ACK_GARBAGE 0x5a

static bool running(const struct sim *sim, const struct sim_vq *vq)
{
	return sim->status & VIRTIO_CONFIG_S_DRIVER_OK &&
	       !(sim->status & VIRTIO_CONFIG_S_NEEDS_RESET) &&
	       !sim->suspended && vq->ready;
}

/* Sleeps without the lock. Return: false if a reset or the end came first. */
static bool wait_delay(struct sim *sim)
{
	uint64_t generation = sim->generation;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(sim->opts->delay / 1000000);
	until.tv_nsec += (long)(sim->opts->delay % 1000000) * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (!sim->quit && sim->generation == generation)
		if (pthread_cond_timedwait(&sim->wake, &sim->lock, &until) ==
		    ETIMEDOUT)
			break;
	return !sim->quit && sim->generation == generation;
}

/* Gives a buffer back, with everything the driver must not trust. */
static int give_back(struct sim *sim, struct sim_vq *vq, uint32_t len)
{
	const struct sim_ring_ops *ring = vdpr_sim_ring(sim);
	const struct sim_chain *chain = &sim->chain;
	uint32_t num = vdpr_sim_num(sim, vq);
	uint32_t id = chain->id;
	int ret;

	if (vdpr_sim_hostile(sim, SIM_USED_ID))
		id = num + 5;
	if (vdpr_sim_hostile(sim, SIM_LEN_0))
		len = 0;
	if (vdpr_sim_hostile(sim, SIM_LEN_HUGE))
		len = UINT32_MAX - 255;
	if (vdpr_sim_hostile(sim, SIM_USED_JUMP))
		ring->skip(sim, vq, (int)num);
	if (vdpr_sim_hostile(sim, SIM_USED_BACK))
		ring->skip(sim, vq, -2);
	ret = ring->push(sim, vq, chain->entries, id, len);
	if (!ret && vdpr_sim_hostile(sim, SIM_USED_REPEAT))
		ret = ring->push(sim, vq, chain->entries, id, len);
	return ret;
}

static int call(struct sim *sim, struct sim_vq *vq)
{
	int want;

	if (!vq->unsignalled)
		return 0;
	/* Who misbehaves wants to be seen. */
	want = sim->opts->hostile ? 1 : vdpr_sim_ring(sim)->want_call(sim, vq);
	if (want < 0)
		return want;
	vq->unsignalled = 0;
	if (want)
		vdpr_sim_signal(vq->call);
	return 0;
}

/* A control command that is taken is answered. Return: 0 or -errno. */
static int answer(struct sim *sim, struct sim_vq *vq)
{
	struct sim_chain *chain = &sim->chain;
	const uint8_t *data = (const uint8_t *)chain->out.data;
	uint8_t reply[1 + SIM_REPLY_MAX];
	size_t reply_len = 0;

	if (chain->out.len >= 2 &&
	    vdpr_sim_commands_has(&sim->opts->refuse, data[0], data[1]))
		reply[0] = VIRTIO_NET_ERR;
	else
		reply[0] = vdpr_sim_execute(sim, data, chain->out.len,
					    reply + 1, &reply_len);
	if (vdpr_sim_hostile(sim, SIM_ACK_GARBAGE))
		reply[0] = ACK_GARBAGE;
	return give_back(
		sim, vq,
		(uint32_t)vdpr_sim_chain_write(chain, 0, reply, 1 + reply_len));
}

/* Does the device fall silent at this command? */
static bool falls_silent(struct sim *sim, struct sim_vq *vq)
{
	const struct vdpr_buf *out = &sim->chain.out;
	const uint8_t *data = (const uint8_t *)out->data;

	if (vdpr_sim_hostile(sim, SIM_NEEDS_RESET)) {
		vdpr_sim_break(sim, vq);
		return true;
	}
	return out->len >= 2 &&
	       vdpr_sim_commands_has(&sim->opts->stall, data[0], data[1]);
}

/* One buffer. Return: 1 done, 0 nothing (more) to do, -errno. */
static int one_command(struct sim *sim, struct sim_vq *vq)
{
	const struct sim_ring_ops *ring = vdpr_sim_ring(sim);
	int ret;

	if (vdpr_sim_hostile(sim, SIM_LATE)) {
		sim->silent = true;
		sim->withheld = true;
		return 0;
	}
	if (sim->opts->delay) {
		ret = ring->peek(sim, vq);
		if (ret <= 0)
			return ret;
		if (!wait_delay(sim) || !running(sim, vq))
			return 0;
	}
	ret = ring->pop(sim, vq, &sim->chain, true);
	if (ret <= 0)
		return ret;
	if (falls_silent(sim, vq)) {
		sim->silent = true;
		return 0;
	}
	ret = answer(sim, vq);
	/* A slow device calls for each, a fast one for what it has done. */
	if (!ret && sim->opts->delay)
		ret = call(sim, vq);
	return ret ? ret : 1;
}

/* Transmit queues complete what they get, receive queues get no packets. */
static int one_packet(struct sim *sim, struct sim_vq *vq)
{
	const struct sim_ring_ops *ring = vdpr_sim_ring(sim);
	int ret;

	if (vq->index % 2 == 0)
		return 0;
	ret = ring->pop(sim, vq, &sim->chain, false);
	if (ret <= 0)
		return ret;
	ret = ring->push(sim, vq, sim->chain.entries, sim->chain.id, 0);
	return ret ? ret : 1;
}

static int one_buffer(struct sim *sim, struct sim_vq *vq)
{
	if (!vdpr_sim_is_cvq(sim, vq))
		return one_packet(sim, vq);
	return sim->silent ? 0 : one_command(sim, vq);
}

/* Lets callers in between two buffers. Return: is there still a queue? */
static bool let_others_in(struct sim *sim, const struct sim_vq *vq)
{
	uint64_t generation = sim->generation;

	pthread_mutex_unlock(&sim->lock);
	pthread_mutex_lock(&sim->lock);
	return !sim->quit && sim->generation == generation && running(sim, vq);
}

/* Return: 0 nothing left, -ECANCELED the queue is gone, other -errno. */
static int drain(struct sim *sim, struct sim_vq *vq, int limit)
{
	for (;;) {
		int ret;

		if (limit >= 0 && vq->avail == (uint16_t)limit)
			return 0;
		ret = one_buffer(sim, vq);
		if (ret <= 0)
			return ret;
		if (!let_others_in(sim, vq))
			return -ECANCELED;
	}
}

static int work(struct sim *sim, struct sim_vq *vq, int limit)
{
	for (;;) {
		uint64_t generation = sim->generation;
		int ret = drain(sim, vq, limit);

		if (ret || sim->generation != generation)
			return ret;
		ret = call(sim, vq);
		if (ret || !running(sim, vq))
			return ret;
		if (vdpr_sim_is_cvq(sim, vq) ? sim->silent : vq->index % 2 == 0)
			return 0;
		ret = vdpr_sim_ring(sim)->rearm(sim, vq);
		if (ret <= 0)
			return ret;
		/* Without event index another doorbell is sure to come. */
		if (limit >= 0 && !vdpr_sim_has(sim, VIRTIO_RING_F_EVENT_IDX))
			return 0;
		limit = -1;
	}
}

void vdpr_sim_kicked(struct sim *sim, struct sim_vq *vq, int limit)
{
	int ret;

	if (sim->suspended && vq->ready)
		vq->pending = true;
	/* Anything else that comes too early is lost, as on real parents. */
	if (!running(sim, vq) || limit == vq->avail)
		return;
	ret = work(sim, vq, limit);
	if (ret && ret != -ECANCELED)
		vdpr_sim_break(sim, vq);
}

void vdpr_sim_answer_late(struct sim *sim)
{
	struct sim_vq *vq = &sim->vq[vdpr_sim_cvq_index(sim)];
	int ret;

	if (!sim->withheld)
		return;
	sim->withheld = false;
	/* The lock is kept: the reset waits for this. */
	do {
		ret = vdpr_sim_ring(sim)->pop(sim, vq, &sim->chain, true);
		if (ret > 0)
			ret = answer(sim, vq) ? 0 : 1;
	} while (ret > 0);
	vdpr_sim_signal(vq->call);
}
