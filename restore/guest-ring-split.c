/* SPDX-License-Identifier: MIT */
/* The device's side of a guest's split ring (virtio 1.3, 2.7). */
#include "restore/guest-ring.h"

#include "restore/ring.h"
#include "restore/uapi.h"

enum {
	AVAIL_FLAGS = 0,
	AVAIL_IDX = 2,
	AVAIL_RING = 4, /* 2 bytes each, then used_event */
	USED_IDX = 2,
	USED_RING = 4, /* 8 bytes each, then avail_event */
	USED_ELEM = 8,
};

static const char *split_check(uint16_t num, uint32_t base)
{
	if (!vdpr_is_pow2(num))
		return "the size is no power of two";
	return base > UINT16_MAX ? "the base is more than 65535" : NULL;
}

static size_t split_desc_size(uint16_t num)
{
	return (size_t)num * VDPR_GUEST_DESC_SIZE;
}

static size_t split_driver_size(uint16_t num)
{
	return AVAIL_RING + (size_t)num * 2 + 2;
}

static size_t split_device_size(uint16_t num)
{
	return USED_RING + (size_t)num * USED_ELEM + 2;
}

static void split_init(struct vdpr_guest_ring *ring, uint32_t base)
{
	ring->avail = (uint16_t)base;
	ring->used = (uint16_t)base;
}

static int split_peek(struct vdpr_guest_ring *ring)
{
	uint16_t idx = vdpr_load_le16(ring->driver + AVAIL_IDX);
	uint16_t waiting = (uint16_t)(idx - ring->avail);

	if (waiting > ring->num - ring->outstanding)
		return vdpr_guest_ring_wrong(
			ring, "the available index jumps ahead of the ring");
	return waiting ? 1 : 0;
}

static int load_desc(struct vdpr_guest_ring *ring, uint16_t at,
		     struct vdpr_guest_desc *out)
{
	if (at >= ring->num) {
		(void)vdpr_guest_ring_wrong(
			ring, "a descriptor's index is out of range");
		return -EPROTO;
	}
	vdpr_guest_desc_load(ring->desc + (size_t)at * VDPR_GUEST_DESC_SIZE,
			     out);
	return 0;
}

/* From the first descriptor on, which was loaded. Ends: each round adds a piece,
 * and a chain has not more than num. */
static _apart_ int walk_ring(struct vdpr_guest_ring *ring,
			     struct vdpr_guest_chain *chain,
			     struct vdpr_guest_desc desc)
{
	for (;;) {
		uint16_t flags = desc.word[0];
		int ret;

		if (flags & VRING_DESC_F_INDIRECT)
			return vdpr_guest_chain_list(ring, chain, desc);
		ret = vdpr_guest_chain_add(ring, chain, &desc, flags);
		if (ret || !(flags & VRING_DESC_F_NEXT))
			return ret;
		if (load_desc(ring, desc.word[1], &desc))
			return -EPROTO;
	}
}

static int split_walk(struct vdpr_guest_ring *ring,
		      struct vdpr_guest_chain *chain)
{
	unsigned int slot = ring->avail & (ring->num - 1u);
	uint16_t at = vdpr_load_le16(ring->driver + AVAIL_RING + 2u * slot);
	struct vdpr_guest_desc desc;

	chain->id = at;
	if (load_desc(ring, at, &desc))
		return -EPROTO;
	return desc.word[0] & VRING_DESC_F_INDIRECT
		       ? vdpr_guest_chain_list(ring, chain, desc)
		       : walk_ring(ring, chain, desc);
}

static void split_take(struct vdpr_guest_ring *ring,
		       const struct vdpr_guest_chain *chain)
{
	(void)chain;
	ring->avail++;
	ring->outstanding++;
}

static void store_le32(void *p, uint32_t value)
{
	uint32_t raw;

	vdpr_put_le32(&raw, value);
	__atomic_store_n((uint32_t *)p, raw, __ATOMIC_RELAXED);
}

static void split_push(struct vdpr_guest_ring *ring, uint16_t id,
		       uint16_t entries, uint32_t len)
{
	uint8_t *elem = ring->device + USED_RING +
			(size_t)USED_ELEM * (ring->used & (ring->num - 1u));

	(void)entries;
	store_le32(elem, id);
	store_le32(elem + 4, len);
	ring->used++;
	ring->outstanding--;
	ring->uncalled++;
	vdpr_store_le16(ring->device + USED_IDX, ring->used);
}

/* Without event index every buffer is kicked for anyway. */
static void split_want_kick(struct vdpr_guest_ring *ring)
{
	if (ring->event_idx)
		vdpr_store_le16(ring->device + USED_RING +
					(size_t)USED_ELEM * ring->num,
				ring->avail);
}

static bool split_wants_call(struct vdpr_guest_ring *ring)
{
	uint16_t before = (uint16_t)(ring->used - ring->uncalled);

	if (!ring->event_idx)
		return !(vdpr_load_le16(ring->driver + AVAIL_FLAGS) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	return vdpr_need_event(
		vdpr_load_le16(ring->driver + AVAIL_RING + 2u * ring->num),
		ring->used, before);
}

static uint32_t split_base(const struct vdpr_guest_ring *ring)
{
	return ring->used;
}

const struct vdpr_guest_ring_ops vdpr_guest_split = {
	.check = split_check,
	.desc_size = split_desc_size,
	.driver_size = split_driver_size,
	.device_size = split_device_size,
	.driver_align = 2,
	.device_align = 4,
	.init = split_init,
	.peek = split_peek,
	.walk = split_walk,
	.take = split_take,
	.push = split_push,
	.want_kick = split_want_kick,
	.wants_call = split_wants_call,
	.base = split_base,
};
