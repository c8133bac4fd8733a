/* SPDX-License-Identifier: MIT */
/* The device's side of a guest's packed ring (virtio 1.3, 2.8). */
#include "restore/guest-ring.h"

#include "restore/ring.h"
#include "restore/uapi.h"

enum {
	DESC_LEN = 8,
	DESC_ID = 12,
	DESC_FLAGS = 14,
	EVENT_OFF_WRAP = 0,
	EVENT_FLAGS = 2,
	EVENT_SIZE = 4,
};

#define WRAP 0x8000u /* the wrap counter in a position */

#define F_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define F_USED (1u << VRING_PACKED_DESC_F_USED)

/* A base holds two positions: of the next available, of the next used. */
static const char *packed_check(uint16_t num, uint32_t base)
{
	return (base & (WRAP - 1)) >= num || (base >> 16 & (WRAP - 1)) >= num
		       ? "the base is out of range"
		       : NULL;
}

static size_t packed_desc_size(uint16_t num)
{
	return (size_t)num * VDPR_GUEST_DESC_SIZE;
}

static size_t packed_event_size(uint16_t num)
{
	(void)num;
	return EVENT_SIZE;
}

/* What was taken but never given back is taken again. */
static void packed_init(struct vdpr_guest_ring *ring, uint32_t base)
{
	ring->used = (uint16_t)(base >> 16);
	ring->avail = ring->used;
}

static uint16_t advance(const struct vdpr_guest_ring *ring, uint16_t position,
			uint16_t entries)
{
	uint32_t at = (position & (WRAP - 1)) + (uint32_t)entries;
	uint32_t wrap = position & WRAP;

	if (at >= ring->num) {
		at -= ring->num;
		wrap ^= WRAP;
	}
	return (uint16_t)(at | wrap);
}

static uint8_t *desc_at(struct vdpr_guest_ring *ring, uint16_t position)
{
	return ring->desc +
	       (size_t)(position & (WRAP - 1)) * VDPR_GUEST_DESC_SIZE;
}

static bool is_available(uint16_t flags, uint16_t position)
{
	return (flags & (F_AVAIL | F_USED)) ==
	       (position & WRAP ? F_AVAIL : F_USED);
}

static int packed_peek(struct vdpr_guest_ring *ring)
{
	const uint8_t *head = desc_at(ring, ring->avail);

	if (!is_available(vdpr_load_le16(head + DESC_FLAGS), ring->avail))
		return 0;
	if (ring->outstanding >= ring->num)
		return vdpr_guest_ring_wrong(
			ring, "more descriptors are available than there are");
	return 1;
}

/* From the first descriptor on, which was loaded: each with its flags, whatever
 * peek() saw. They say which of the two kinds it is, and both kinds are checked. */
static _apart_ int walk_ring(struct vdpr_guest_ring *ring,
			     struct vdpr_guest_chain *chain,
			     struct vdpr_guest_desc desc)
{
	unsigned int room = (unsigned int)ring->num - ring->outstanding;
	uint16_t at = ring->avail;

	for (;;) {
		uint16_t flags = desc.word[1];
		int ret;

		/* The last descriptor of a list has the id (2.8.6). */
		chain->id = desc.word[0];
		if (flags & VRING_DESC_F_INDIRECT)
			return vdpr_guest_chain_row(ring, chain, desc);
		ret = vdpr_guest_chain_add(ring, chain, &desc, flags);
		if (ret || !(flags & VRING_DESC_F_NEXT))
			return ret;
		if (chain->entries == room)
			return vdpr_guest_ring_wrong(
				ring, "a chain is longer than its ring");
		chain->entries++;
		at = advance(ring, at, 1);
		vdpr_guest_desc_load(desc_at(ring, at), &desc);
	}
}

static int packed_walk(struct vdpr_guest_ring *ring,
		       struct vdpr_guest_chain *chain)
{
	struct vdpr_guest_desc desc;

	vdpr_guest_desc_load(desc_at(ring, ring->avail), &desc);
	if (!(desc.word[1] & VRING_DESC_F_INDIRECT))
		return walk_ring(ring, chain, desc);
	chain->id = desc.word[0];
	return vdpr_guest_chain_row(ring, chain, desc);
}

static void packed_take(struct vdpr_guest_ring *ring,
			const struct vdpr_guest_chain *chain)
{
	ring->avail = advance(ring, ring->avail, chain->entries);
	ring->outstanding = (uint16_t)(ring->outstanding + chain->entries);
}

/* Id and length are one word to the guest's processors. */
static void store_len_and_id(uint8_t *desc, uint32_t len, uint16_t id)
{
	uint32_t raw_len;
	uint16_t raw_id;

	vdpr_put_le32(&raw_len, len);
	vdpr_put_le16(&raw_id, id);
	__atomic_store_n((uint32_t *)(void *)(desc + DESC_LEN), raw_len,
			 __ATOMIC_RELAXED);
	__atomic_store_n((uint16_t *)(void *)(desc + DESC_ID), raw_id,
			 __ATOMIC_RELAXED);
}

static void packed_push(struct vdpr_guest_ring *ring, uint16_t id,
			uint16_t entries, uint32_t len)
{
	uint32_t flags = ring->used & WRAP ? F_AVAIL | F_USED : 0;
	uint8_t *desc = desc_at(ring, ring->used);

	if (len)
		flags |= VRING_DESC_F_WRITE;
	store_len_and_id(desc, len, id);
	vdpr_store_le16(desc + DESC_FLAGS, (uint16_t)flags);
	ring->used = advance(ring, ring->used, entries);
	ring->outstanding = (uint16_t)(ring->outstanding - entries);
	ring->uncalled = (uint16_t)(ring->uncalled + entries);
}

static void packed_want_kick(struct vdpr_guest_ring *ring)
{
	if (!ring->event_idx)
		return;
	vdpr_store_le16(ring->device + EVENT_OFF_WRAP, ring->avail);
	vdpr_store_le16(ring->device + EVENT_FLAGS,
			VRING_PACKED_EVENT_FLAG_DESC);
}

static bool packed_wants_call(struct vdpr_guest_ring *ring)
{
	uint16_t flags = vdpr_load_le16(ring->driver + EVENT_FLAGS);
	uint16_t now = ring->used & (WRAP - 1);
	uint16_t off_wrap, event;

	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !ring->event_idx)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	off_wrap = vdpr_load_le16(ring->driver + EVENT_OFF_WRAP);
	event = off_wrap & (WRAP - 1);
	if ((off_wrap ^ ring->used) & WRAP)
		event = (uint16_t)(event - ring->num);
	return vdpr_need_event(event, now, (uint16_t)(now - ring->uncalled));
}

static uint32_t packed_base(const struct vdpr_guest_ring *ring)
{
	return ring->used | (uint32_t)ring->used << 16;
}

const struct vdpr_guest_ring_ops vdpr_guest_packed = {
	.check = packed_check,
	.desc_size = packed_desc_size,
	.driver_size = packed_event_size,
	.device_size = packed_event_size,
	.driver_align = 4,
	.device_align = 4,
	.init = packed_init,
	.peek = packed_peek,
	.walk = packed_walk,
	.take = packed_take,
	.push = packed_push,
	.want_kick = packed_want_kick,
	.wants_call = packed_wants_call,
	.base = packed_base,
};
