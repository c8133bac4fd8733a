/* SPDX-License-Identifier: MIT */
/* The device's side of the packed ring format (virtio 1.3, 2.8). */
#include <errno.h>
#include <string.h>

#include "restore/sim.h"

#define WRAP 0x8000u /* the wrap counter in a position */

#define F_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define F_USED (1u << VRING_PACKED_DESC_F_USED)

enum {
	EVENT_OFF_WRAP = 0,
	EVENT_FLAGS = 2,
};

/* Moves a position on; the wrap counter turns where the ring ends. */
static uint16_t advance(uint16_t position, uint32_t entries, uint32_t num)
{
	uint32_t at = (position & ~WRAP) + entries;
	uint16_t wrap = (uint16_t)(position & WRAP);

	if (at >= num) {
		at -= num;
		wrap ^= WRAP;
	}
	return (uint16_t)(at | wrap);
}

/* A field of an event suppression area, or NULL. */
static void *event_field(struct sim *sim, const struct sim_vq *vq,
			 uint64_t area, uint64_t offset, uint8_t perm)
{
	void *p = vdpr_sim_at(sim, vq, area + offset, 2, perm);

	return (uintptr_t)p % 2 ? NULL : p;
}

/* The descriptor at a position, or NULL. */
static uint8_t *desc_at(struct sim *sim, const struct sim_vq *vq,
			uint16_t position)
{
	uint32_t at = position & ~WRAP;
	uint8_t *desc;

	if (at >= vdpr_sim_num(sim, vq))
		return NULL;
	desc = vdpr_sim_at(sim, vq, vq->desc + (uint64_t)at * SIM_DESC_SIZE,
			   SIM_DESC_SIZE, VHOST_ACCESS_RW);
	return (uintptr_t)desc % 2 ? NULL : desc;
}

static int packed_peek(struct sim *sim, struct sim_vq *vq)
{
	const uint8_t *desc = desc_at(sim, vq, vq->avail);
	bool wrap = vq->avail & WRAP;
	uint16_t flags;

	if (!desc)
		return -EFAULT;
	flags = vdpr_sim_load16(desc + SIM_DESC_PACKED_FLAGS);
	return !!(flags & F_AVAIL) == wrap && !!(flags & F_USED) != wrap;
}

static int packed_walk(struct sim *sim, struct sim_vq *vq,
		       struct sim_chain *chain, bool copy)
{
	uint32_t num = vdpr_sim_num(sim, vq);
	uint16_t at = vq->avail;

	while (chain->entries < num) {
		const uint8_t *desc = desc_at(sim, vq, at);
		uint16_t flags;
		int ret;

		if (!desc)
			return -EFAULT;
		flags = vdpr_sim_load16(desc + SIM_DESC_PACKED_FLAGS);
		if (flags & VRING_DESC_F_INDIRECT)
			ret = vdpr_sim_chain_indirect(sim, vq, chain, desc,
						      false, copy);
		else
			ret = vdpr_sim_chain_add(sim, vq, chain, desc, copy);
		if (ret)
			return ret;
		chain->entries++;
		/* Only the last descriptor of a list has the id (2.8.6). */
		chain->id = vdpr_get_le16(desc + SIM_DESC_ID);
		if (!(flags & VRING_DESC_F_NEXT))
			return 0;
		at = advance(at, 1, num);
	}
	return -ELOOP;
}

static int packed_pop(struct sim *sim, struct sim_vq *vq,
		      struct sim_chain *chain, bool copy)
{
	int ret = packed_peek(sim, vq);

	if (ret <= 0)
		return ret;
	vdpr_sim_chain_start(chain);
	ret = packed_walk(sim, vq, chain, copy);
	if (ret)
		return ret;
	vq->avail = advance(vq->avail, chain->entries, vdpr_sim_num(sim, vq));
	return 1;
}

static int packed_push(struct sim *sim, struct sim_vq *vq, uint16_t entries,
		       uint32_t id, uint32_t len)
{
	uint8_t *desc = desc_at(sim, vq, vq->used);
	uint32_t flags = vq->used & WRAP ? F_AVAIL | F_USED : 0;

	if (!desc)
		return -EFAULT;
	if (len)
		flags |= VRING_DESC_F_WRITE;
	vdpr_put_le32(desc + SIM_DESC_LEN, len);
	vdpr_put_le16(desc + SIM_DESC_ID, (uint16_t)id);
	vdpr_sim_store16(desc + SIM_DESC_PACKED_FLAGS, (uint16_t)flags);
	vq->used = advance(vq->used, entries, vdpr_sim_num(sim, vq));
	vq->unsignalled += entries;
	return 0;
}

static void packed_skip(struct sim *sim, struct sim_vq *vq, int entries)
{
	uint32_t num = vdpr_sim_num(sim, vq);

	/* Backwards is forwards by two laps less that much: the wrap counter
	 * comes out right. */
	for (int i = 0; i < entries; i++)
		vq->used = advance(vq->used, 1, num);
	for (uint32_t i = 0; entries < 0 && i < 2 * num + (uint32_t)entries;
	     i++)
		vq->used = advance(vq->used, 1, num);
}

static int packed_rearm(struct sim *sim, struct sim_vq *vq)
{
	void *off, *flags;

	if (!vdpr_sim_has(sim, VIRTIO_RING_F_EVENT_IDX))
		return packed_peek(sim, vq);
	off = event_field(sim, vq, vq->device, EVENT_OFF_WRAP, VHOST_ACCESS_WO);
	flags = event_field(sim, vq, vq->device, EVENT_FLAGS, VHOST_ACCESS_WO);
	if (!off || !flags)
		return -EFAULT;
	vdpr_sim_store16(off, vq->avail);
	vdpr_sim_store16(flags, VRING_PACKED_EVENT_FLAG_DESC);
	/* The driver sees our wish, or we see its buffer. */
	return packed_peek(sim, vq);
}

static int packed_want_call(struct sim *sim, struct sim_vq *vq)
{
	const void *off = event_field(sim, vq, vq->driver, EVENT_OFF_WRAP,
				      VHOST_ACCESS_RO);
	const void *flags =
		event_field(sim, vq, vq->driver, EVENT_FLAGS, VHOST_ACCESS_RO);
	uint16_t mode, off_wrap, event;

	if (!off || !flags)
		return -EFAULT;
	/* What was used was stored before the driver's wish is read. */
	mode = vdpr_sim_load16(flags);
	if (mode != VRING_PACKED_EVENT_FLAG_DESC)
		return mode != VRING_PACKED_EVENT_FLAG_DISABLE;
	off_wrap = vdpr_sim_load16(off);
	event = (uint16_t)(off_wrap & ~WRAP);
	if ((off_wrap ^ vq->used) & WRAP)
		event = (uint16_t)(event - vdpr_sim_num(sim, vq));
	return vdpr_sim_event(event, (uint16_t)(vq->used & ~WRAP),
			      vq->unsignalled);
}

const struct sim_ring_ops vdpr_sim_packed = {
	.pop = packed_pop,
	.peek = packed_peek,
	.push = packed_push,
	.skip = packed_skip,
	.rearm = packed_rearm,
	.want_call = packed_want_call,
	.initial = WRAP,
};
