/* SPDX-License-Identifier: MIT */
/* The packed virtqueue, driver's side (virtio 1.3, 2.8). */
#include "restore/ring.h"

#include <errno.h>

#include "restore/uapi.h"

/*
 * Theory of operation. A command is a chain of two descriptors side by side; its
 * buffer id is its slot. Driver and device share one ring, so all of it is in
 * the writable part, and what is read back there is untrusted like a used ring.
 * Everything added since the last publish hides behind the first head: its flags
 * are written last, and only then does the device come upon the rest.
 */

enum {
	DESC_SIZE = 16,
	DESC_LEN = 8,
	DESC_ID = 12,
	DESC_FLAGS = 14,
	CHAIN = 2, /* descriptors of a command */
	EVENT_OFF_WRAP = 0,
	EVENT_FLAGS = 2,
	EVENT_SIZE = 4,
	WRAP_BIT = 0x8000,
};

#define F_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define F_USED (1u << VRING_PACKED_DESC_F_USED)

static size_t packed_ro_size(uint16_t num)
{
	(void)num;
	return EVENT_SIZE;
}

static size_t packed_rw_size(uint16_t num)
{
	return (size_t)num * DESC_SIZE + EVENT_SIZE;
}

static struct vdpr_ring_areas packed_areas(uint16_t num, uint64_t ro,
					   uint64_t rw)
{
	return (struct vdpr_ring_areas){ rw, ro,
					 rw + (uint64_t)num * DESC_SIZE };
}

static void packed_init(struct vdpr_ring *ring)
{
	ring->avail_wrap = true;
	ring->used_wrap = true;
}

static uint8_t *desc(struct vdpr_ring *ring, unsigned int i)
{
	return ring->rw + (size_t)i * DESC_SIZE;
}

static uint8_t *device_event(struct vdpr_ring *ring)
{
	return ring->rw + (size_t)ring->num * DESC_SIZE;
}

static uint16_t avail_flags(const struct vdpr_ring *ring)
{
	return ring->avail_wrap ? F_AVAIL : F_USED;
}

/* One place on; past the end the wrap counter turns. */
static uint16_t step(const struct vdpr_ring *ring, uint16_t idx, bool *wrap)
{
	if (++idx < ring->num)
		return idx;
	*wrap = !*wrap;
	return 0;
}

static void write_desc(struct vdpr_ring *ring, uint64_t addr, uint32_t len,
		       uint16_t id)
{
	uint8_t *d = desc(ring, ring->avail_idx);

	vdpr_put_le64(d, addr);
	vdpr_put_le32(d + DESC_LEN, len);
	vdpr_put_le16(d + DESC_ID, id);
}

static void packed_add(struct vdpr_ring *ring, const struct vdpr_ring_buf *buf,
		       uint16_t slot)
{
	uint16_t head = ring->avail_idx;
	uint16_t head_flags = avail_flags(ring) | VRING_DESC_F_NEXT;

	ring->last_idx = (uint16_t)(head | (ring->avail_wrap ? WRAP_BIT : 0));
	write_desc(ring, buf->out, buf->out_len, slot);
	ring->avail_idx = step(ring, head, &ring->avail_wrap);
	write_desc(ring, buf->in, buf->in_len, slot);
	vdpr_store_le16(desc(ring, ring->avail_idx) + DESC_FLAGS,
			avail_flags(ring) | VRING_DESC_F_WRITE);
	ring->avail_idx = step(ring, ring->avail_idx, &ring->avail_wrap);
	if (!ring->added) {
		ring->first_idx = head;
		ring->first_flags = head_flags;
	} else {
		vdpr_store_le16(desc(ring, head) + DESC_FLAGS, head_flags);
	}
	ring->added = (uint16_t)(ring->added + CHAIN);
}

/* Has the device's event area asked for this kick (2.8.7.3)? */
static bool kick_wanted(struct vdpr_ring *ring, uint16_t added)
{
	uint8_t *event = device_event(ring);
	uint16_t flags = vdpr_load_le16(event + EVENT_FLAGS);
	uint16_t off, at;

	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !ring->format.event_idx)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	off = vdpr_load_le16(event + EVENT_OFF_WRAP);
	at = off & (WRAP_BIT - 1u);
	if (!!(off & WRAP_BIT) != ring->avail_wrap)
		at = (uint16_t)(at - ring->num);
	return vdpr_need_event(at, ring->avail_idx,
			       (uint16_t)(ring->avail_idx - added));
}

static bool packed_publish(struct vdpr_ring *ring)
{
	uint16_t added = ring->added;

	if (!added)
		return false;
	if (ring->format.event_idx) {
		/* One interrupt for the batch: when its last chain is used. */
		vdpr_store_le16(ring->ro + EVENT_OFF_WRAP, ring->last_idx);
		vdpr_store_le16(ring->ro + EVENT_FLAGS,
				VRING_PACKED_EVENT_FLAG_DESC);
	}
	vdpr_store_le16(desc(ring, ring->first_idx) + DESC_FLAGS,
			ring->first_flags);
	ring->added = 0;
	return kick_wanted(ring, added);
}

static int packed_next_used(struct vdpr_ring *ring, uint16_t *slot,
			    uint32_t *len)
{
	const uint8_t *d = desc(ring, ring->used_idx);
	uint16_t flags = vdpr_load_le16(d + DESC_FLAGS);
	bool avail = flags & F_AVAIL;
	bool used = flags & F_USED;

	if (avail != used || used != ring->used_wrap)
		return 0;
	if (!ring->outstanding) {
		ring->fault = "used a buffer though none is outstanding";
		return -EPROTO;
	}
	*slot = vdpr_get_le16(d + DESC_ID);
	*len = vdpr_get_le32(d + DESC_LEN);
	return 1;
}

static void packed_skip_used(struct vdpr_ring *ring)
{
	for (int i = 0; i < CHAIN; i++)
		ring->used_idx = step(ring, ring->used_idx, &ring->used_wrap);
}

const struct vdpr_ring_ops vdpr_ring_packed = {
	.name = "packed",
	.ro_size = packed_ro_size,
	.rw_size = packed_rw_size,
	.areas = packed_areas,
	.init = packed_init,
	.add = packed_add,
	.publish = packed_publish,
	.next_used = packed_next_used,
	.skip_used = packed_skip_used,
	/* Both indices 0, both wrap counters 1. */
	.initial_base = 0x80008000,
};
