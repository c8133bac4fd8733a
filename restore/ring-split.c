/* SPDX-License-Identifier: MIT */
/* The split virtqueue, driver's side (virtio 1.3, 2.7). */
#include "restore/ring.h"

#include <errno.h>

#include "restore/uapi.h"

/*
 * Theory of operation. Slot s owns descriptors 2s (the device reads) and 2s + 1
 * (the device writes), chained once and for all, so a used id tells its slot and
 * an odd or large one is a fault at sight. The driver's part holds descriptors
 * and avail ring, the device's part the used ring alone: what the device can
 * write, the driver only ever reads once and checks.
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

static size_t split_ro_size(uint16_t num)
{
	/* Descriptors; flags, idx, ring, used_event of the avail ring. */
	return (size_t)num * DESC_SIZE + AVAIL_RING + (size_t)num * 2 + 2;
}

static size_t split_rw_size(uint16_t num)
{
	/* flags, idx, ring, avail_event. */
	return USED_RING + (size_t)num * USED_ELEM + 2;
}

static uint8_t *avail(struct vdpr_ring *ring)
{
	return ring->ro + (size_t)ring->num * DESC_SIZE;
}

static uint8_t *desc(struct vdpr_ring *ring, unsigned int i)
{
	return ring->ro + (size_t)i * DESC_SIZE;
}

static struct vdpr_ring_areas split_areas(uint16_t num, uint64_t ro,
					  uint64_t rw)
{
	return (struct vdpr_ring_areas){ ro, ro + (uint64_t)num * DESC_SIZE,
					 rw };
}

static void split_init(struct vdpr_ring *ring)
{
	for (unsigned int i = 0; i + 1 < ring->num; i += 2) {
		vdpr_put_le16(desc(ring, i) + DESC_FLAGS, VRING_DESC_F_NEXT);
		vdpr_put_le16(desc(ring, i) + DESC_NEXT, (uint16_t)(i + 1));
		vdpr_put_le16(desc(ring, i + 1) + DESC_FLAGS,
			      VRING_DESC_F_WRITE);
	}
}

static void split_add(struct vdpr_ring *ring, const struct vdpr_ring_buf *buf,
		      uint16_t slot)
{
	unsigned int head = 2u * slot;
	uint16_t at = ring->avail_idx++ & (uint16_t)(ring->num - 1);

	vdpr_put_le64(desc(ring, head), buf->out);
	vdpr_put_le32(desc(ring, head) + DESC_LEN, buf->out_len);
	vdpr_put_le64(desc(ring, head + 1), buf->in);
	vdpr_put_le32(desc(ring, head + 1) + DESC_LEN, buf->in_len);
	vdpr_put_le16(avail(ring) + AVAIL_RING + 2u * at, (uint16_t)head);
}

static bool split_publish(struct vdpr_ring *ring)
{
	uint16_t before = ring->shown_idx;

	if (ring->format.event_idx)
		/* One interrupt for the batch: when its last buffer is used. */
		vdpr_store_le16(avail(ring) + AVAIL_RING + 2u * ring->num,
				(uint16_t)(ring->avail_idx - 1));
	vdpr_store_le16(avail(ring) + AVAIL_IDX, ring->avail_idx);
	ring->shown_idx = ring->avail_idx;
	if (!ring->format.event_idx)
		return !(vdpr_load_le16(ring->rw) & VRING_USED_F_NO_NOTIFY);
	return vdpr_need_event(vdpr_load_le16(ring->rw + USED_RING +
					      (size_t)USED_ELEM * ring->num),
			       ring->avail_idx, before);
}

static int split_next_used(struct vdpr_ring *ring, uint16_t *slot,
			   uint32_t *len)
{
	/* Read once: the device may change it under our feet. */
	uint16_t idx = vdpr_load_le16(ring->rw + USED_IDX);
	uint16_t ready = (uint16_t)(idx - ring->used_idx);
	const uint8_t *elem;
	uint32_t id;

	if (!ready)
		return 0;
	if (ready > ring->outstanding) {
		ring->fault = "moved the used index beyond what is outstanding";
		return -EPROTO;
	}
	elem = ring->rw + USED_RING +
	       (size_t)USED_ELEM * (ring->used_idx & (ring->num - 1u));
	id = vdpr_get_le32(elem);
	*len = vdpr_get_le32(elem + 4);
	if (id >= ring->num || id % 2) {
		ring->fault = "used an id that is no command's";
		return -EPROTO;
	}
	*slot = (uint16_t)(id / 2);
	return 1;
}

static void split_skip_used(struct vdpr_ring *ring)
{
	ring->used_idx++;
}

const struct vdpr_ring_ops vdpr_ring_split = {
	.name = "split",
	.ro_size = split_ro_size,
	.rw_size = split_rw_size,
	.areas = split_areas,
	.init = split_init,
	.add = split_add,
	.publish = split_publish,
	.next_used = split_next_used,
	.skip_used = split_skip_used,
	.initial_base = 0,
};
