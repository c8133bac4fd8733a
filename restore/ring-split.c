/* SPDX-License-Identifier: MIT */
/* The split virtqueue, driver's side (virtio 1.3, 2.7). */
#include "restore/ring.h"

#include <errno.h>

#include "restore/uapi.h"

/*
 * Theory of operation. A slot owns its descriptors once and for all: two side by
 * side (the device reads the first and writes the second), or with indirect
 * descriptors one that points to a table of such two. So a used id tells its
 * slot, and one that no slot begins with is a fault at sight. The driver's part
 * holds descriptors, avail ring and tables, the device's part the used ring
 * alone: what the device can write, the driver only ever reads once and checks.
 */

enum {
	DESC_SIZE = 16,
	DESC_LEN = 8,
	DESC_FLAGS = 12,
	DESC_NEXT = 14,
	AVAIL_IDX = 2,
	AVAIL_RING = 4,
	USED_IDX = 2,
	USED_RING = 4,
	USED_ELEM = 8,
};

/* Descriptors; flags, idx, ring, used_event of the avail ring. */
static size_t tables_offset(uint16_t num)
{
	return vdpr_align_up((size_t)num * DESC_SIZE + AVAIL_RING +
				     (size_t)num * 2 + 2,
			     DESC_SIZE);
}

static size_t split_ro_size(uint16_t num, bool indirect)
{
	return tables_offset(num) +
	       (indirect ? (size_t)num * VDPR_INDIRECT_LEN : 0);
}

static size_t split_rw_size(uint16_t num)
{
	/* flags, idx, ring, avail_event. */
	return USED_RING + (size_t)num * USED_ELEM + 2;
}

static struct vdpr_ring_areas split_areas(uint16_t num, uint64_t ro,
					  uint64_t rw)
{
	return (struct vdpr_ring_areas){ ro, ro + (uint64_t)num * DESC_SIZE,
					 rw };
}

static uint8_t *avail(struct vdpr_ring *ring)
{
	return ring->ro + (size_t)ring->num * DESC_SIZE;
}

static uint8_t *desc(struct vdpr_ring *ring, unsigned int i)
{
	return ring->ro + (size_t)i * DESC_SIZE;
}

/* First of the two descriptors of a slot: in the ring, or in the slot's table. */
static uint8_t *pair(struct vdpr_ring *ring, uint16_t slot)
{
	if (ring->format.indirect)
		return ring->ro + tables_offset(ring->num) +
		       (size_t)slot * VDPR_INDIRECT_LEN;
	return desc(ring, 2u * slot);
}

static void init_table(struct vdpr_ring *ring, uint16_t slot)
{
	uint8_t *d = desc(ring, slot);

	vdpr_put_le64(d,
		      ring->ro_iova + (uint64_t)(pair(ring, slot) - ring->ro));
	vdpr_put_le32(d + DESC_LEN, VDPR_INDIRECT_LEN);
	vdpr_put_le16(d + DESC_FLAGS, VRING_DESC_F_INDIRECT);
}

static void split_prepare(struct vdpr_ring *ring, uint16_t slot)
{
	uint8_t *d = pair(ring, slot);
	/* Indices count from the start of the ring or of the table. */
	unsigned int next = ring->format.indirect ? 1 : 2u * slot + 1;

	vdpr_put_le16(d + DESC_FLAGS, VRING_DESC_F_NEXT);
	vdpr_put_le16(d + DESC_NEXT, (uint16_t)next);
	vdpr_put_le16(d + DESC_SIZE + DESC_FLAGS, VRING_DESC_F_WRITE);
	if (ring->format.indirect)
		init_table(ring, slot);
}

static void split_add(struct vdpr_ring *ring, const struct vdpr_ring_buf *buf,
		      uint16_t slot)
{
	uint8_t *d = pair(ring, slot);
	uint16_t at = ring->avail_idx++ & (uint16_t)(ring->num - 1);

	vdpr_put_le64(d, buf->out);
	vdpr_put_le32(d + DESC_LEN, buf->out_len);
	vdpr_put_le64(d + DESC_SIZE, buf->in);
	vdpr_put_le32(d + DESC_SIZE + DESC_LEN, buf->in_len);
	vdpr_put_le16(avail(ring) + AVAIL_RING + 2u * at,
		      (uint16_t)(slot * ring->chain));
}

/* Will the device look without being kicked once the index is @idx? */
static bool kick_spared(struct vdpr_ring *ring, uint16_t idx, uint16_t before)
{
	uint16_t event;

	if (!ring->format.event_idx)
		return vdpr_load_le16(ring->rw) & VRING_USED_F_NO_NOTIFY;
	event = vdpr_load_le16(ring->rw + USED_RING +
			       (size_t)USED_ELEM * ring->num);
	return !vdpr_need_event(event, idx, before);
}

static bool split_spares_kick(struct vdpr_ring *ring, uint16_t more)
{
	return kick_spared(ring, (uint16_t)(ring->avail_idx + more),
			   ring->told_idx);
}

static void store_used_event(struct vdpr_ring *ring, uint16_t event)
{
	vdpr_store_le16(avail(ring) + AVAIL_RING + 2u * ring->num, event);
}

static void split_arm(struct vdpr_ring *ring, uint16_t count)
{
	store_used_event(ring, (uint16_t)(ring->used_idx + count - 1));
}

/* An index that has just been passed is the farthest away (2.7.7). */
static void split_disarm(struct vdpr_ring *ring)
{
	store_used_event(ring, (uint16_t)(ring->used_idx - 1));
}

static void split_show(struct vdpr_ring *ring)
{
	vdpr_store_le16(avail(ring) + AVAIL_IDX, ring->avail_idx);
}

static bool split_wants_kick(struct vdpr_ring *ring)
{
	uint16_t before = ring->told_idx;

	ring->told_idx = ring->avail_idx;
	return ring->avail_idx != before &&
	       !kick_spared(ring, ring->avail_idx, before);
}

static uint16_t used_idx(struct vdpr_ring *ring)
{
	return vdpr_load_le16(ring->rw + USED_IDX);
}

static bool split_has_used(struct vdpr_ring *ring)
{
	return used_idx(ring) != ring->used_idx;
}

/* Reads the index, once for all that it covers: the device may change it under
 * our feet. Return: 1 there are some, 0 none, -EPROTO. */
static int look(struct vdpr_ring *ring)
{
	uint16_t idx = used_idx(ring);
	uint16_t ready = (uint16_t)(idx - ring->used_idx);

	if (ready > ring->outstanding) {
		ring->fault = "moved the used index beyond what is outstanding";
		return -EPROTO;
	}
	ring->seen_idx = idx;
	return ready > 0;
}

static int split_next_used(struct vdpr_ring *ring, uint16_t *slot,
			   uint32_t *len)
{
	const uint8_t *elem = ring->rw + USED_RING;
	uint32_t id;

	if (ring->used_idx == ring->seen_idx) {
		int ret = look(ring);

		if (ret <= 0)
			return ret;
	}
	elem += (size_t)USED_ELEM * (ring->used_idx & (ring->num - 1u));
	id = vdpr_load_le32(elem);
	*len = vdpr_load_le32(elem + 4);
	if (id >= ring->num || id & (ring->chain - 1u)) {
		ring->fault = "used an id that is no command's";
		return -EPROTO;
	}
	*slot = (uint16_t)(id >> (ring->chain - 1u));
	ring->used_idx++;
	return 1;
}

/* Looks anew afterwards: the index must cover what the entry stands for. */
static void split_skip_used(struct vdpr_ring *ring)
{
	ring->seen_idx = ++ring->used_idx;
}

static void split_play(struct vdpr_ring *ring)
{
	uint16_t idx = ring->avail_idx;

	for (uint16_t i = ring->used_idx; i != idx; i++) {
		unsigned int at = i & (ring->num - 1u);
		uint8_t *elem = ring->rw + USED_RING + (size_t)USED_ELEM * at;

		vdpr_put_le32(elem, vdpr_get_le16(avail(ring) + AVAIL_RING +
						  2u * at));
		vdpr_put_le32(elem + 4, 1);
	}
	vdpr_put_le16(ring->rw, VRING_USED_F_NO_NOTIFY);
	vdpr_put_le16(ring->rw + USED_RING + (size_t)USED_ELEM * ring->num,
		      idx);
	vdpr_store_le16(ring->rw + USED_IDX, idx);
}

static uint16_t split_next_off(const struct vdpr_ring *ring)
{
	return ring->avail_idx;
}

const struct vdpr_ring_ops vdpr_ring_split = {
	.name = "split",
	.ro_size = split_ro_size,
	.rw_size = split_rw_size,
	.areas = split_areas,
	.prepare = split_prepare,
	.add = split_add,
	.show = split_show,
	.wants_kick = split_wants_kick,
	.spares_kick = split_spares_kick,
	.arm = split_arm,
	.disarm = split_disarm,
	.has_used = split_has_used,
	.next_used = split_next_used,
	.skip_used = split_skip_used,
	.play = split_play,
	.next_off = split_next_off,
	.initial_base = 0,
};
