/* SPDX-License-Identifier: MIT */
/* The packed virtqueue, driver's side (virtio 1.3, 2.8). */
#include "restore/ring.h"

#include <errno.h>

#include "restore/uapi.h"

/*
 * Theory of operation. A command is a chain of two descriptors side by side, or
 * with indirect descriptors one that points to a table of such two; its buffer
 * id is its slot. Driver and device share one ring, so all of it is in the
 * writable part, and what is read back there is untrusted like a used ring; the
 * tables are in the part that the device only reads. Everything added since the
 * last publish hides behind the first head: its flags are written last, and only
 * then does the device come upon the rest.
 */

enum {
	DESC_SIZE = 16,
	DESC_LEN = 8,
	DESC_ID = 12,
	DESC_FLAGS = 14,
	EVENT_OFF_WRAP = 0,
	EVENT_FLAGS = 2,
	EVENT_SIZE = 4,
	TABLES = 16, /* offset of the indirect tables */
	WRAP_BIT = 0x8000,
};

#define F_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define F_USED (1u << VRING_PACKED_DESC_F_USED)

static size_t packed_ro_size(uint16_t num, bool indirect)
{
	return indirect ? TABLES + (size_t)num * VDPR_INDIRECT_LEN : EVENT_SIZE;
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

static uint16_t avail_flags(bool wrap)
{
	return wrap ? F_AVAIL : F_USED;
}

/* One place on; past the end the wrap counter turns. */
static uint16_t step(const struct vdpr_ring *ring, uint16_t idx, bool *wrap)
{
	if (++idx < ring->num)
		return idx;
	*wrap = !*wrap;
	return 0;
}

static void write_desc(uint8_t *d, uint64_t addr, uint32_t len, uint16_t id)
{
	vdpr_put_le64(d, addr);
	vdpr_put_le32(d + DESC_LEN, len);
	vdpr_put_le16(d + DESC_ID, id);
}

/* The head's flags: at once, or held back if it hides all that follows. */
static void show_head(struct vdpr_ring *ring, uint16_t head, uint16_t flags)
{
	if (!ring->added) {
		ring->first_idx = head;
		ring->first_flags = flags;
	} else {
		vdpr_release_le16(desc(ring, head) + DESC_FLAGS, flags);
	}
	ring->added = (uint16_t)(ring->added + ring->chain);
}

static void add_indirect(struct vdpr_ring *ring,
			 const struct vdpr_ring_buf *buf, uint16_t slot)
{
	size_t at = TABLES + (size_t)slot * VDPR_INDIRECT_LEN;
	uint8_t *table = ring->ro + at;
	uint16_t head = ring->avail_idx;
	uint16_t flags = avail_flags(ring->avail_wrap) | VRING_DESC_F_INDIRECT;

	/* In a table only the WRITE flag counts (2.8.7). */
	write_desc(table, buf->out, buf->out_len, 0);
	write_desc(table + DESC_SIZE, buf->in, buf->in_len, 0);
	vdpr_put_le16(table + DESC_SIZE + DESC_FLAGS, VRING_DESC_F_WRITE);
	write_desc(desc(ring, head), ring->ro_iova + at, VDPR_INDIRECT_LEN,
		   slot);
	ring->avail_idx = step(ring, head, &ring->avail_wrap);
	show_head(ring, head, flags);
}

static void packed_add(struct vdpr_ring *ring, const struct vdpr_ring_buf *buf,
		       uint16_t slot)
{
	bool wrap = ring->avail_wrap;
	uint16_t head = ring->avail_idx;
	uint16_t flags, idx;
	uint8_t *second;

	if (ring->format.indirect) {
		add_indirect(ring, buf, slot);
		return;
	}
	flags = avail_flags(wrap) | VRING_DESC_F_NEXT;
	write_desc(desc(ring, head), buf->out, buf->out_len, slot);
	idx = step(ring, head, &wrap);
	second = desc(ring, idx);
	write_desc(second, buf->in, buf->in_len, slot);
	vdpr_release_le16(second + DESC_FLAGS,
			  avail_flags(wrap) | VRING_DESC_F_WRITE);
	ring->avail_idx = step(ring, idx, &wrap);
	ring->avail_wrap = wrap;
	show_head(ring, head, flags);
}

/* Would the device look without being kicked if the place of the next entry were
 * @idx with @wrap and @added entries were new (2.8.7.3)? */
static bool kick_spared(struct vdpr_ring *ring, uint16_t idx, bool wrap,
			uint16_t added)
{
	uint8_t *event = device_event(ring);
	uint16_t flags = vdpr_load_le16(event + EVENT_FLAGS);
	uint16_t off, at;

	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !ring->format.event_idx)
		return flags == VRING_PACKED_EVENT_FLAG_DISABLE;
	off = vdpr_load_le16(event + EVENT_OFF_WRAP);
	at = off & (WRAP_BIT - 1u);
	if (!!(off & WRAP_BIT) != wrap)
		at = (uint16_t)(at - ring->num);
	return !vdpr_need_event(at, idx, (uint16_t)(idx - added));
}

/* @entries places on, at most one lap. */
static uint16_t walk(const struct vdpr_ring *ring, uint16_t idx,
		     uint32_t entries, bool *wrap)
{
	uint32_t at = idx + entries;

	if (at < ring->num)
		return (uint16_t)at;
	*wrap = !*wrap;
	return (uint16_t)(at - ring->num);
}

static bool packed_spares_kick(struct vdpr_ring *ring, uint16_t more)
{
	uint16_t entries = (uint16_t)(more * ring->chain);
	bool wrap = ring->avail_wrap;
	uint16_t idx = walk(ring, ring->avail_idx, entries, &wrap);

	return kick_spared(ring, idx, wrap, entries);
}

static void packed_arm(struct vdpr_ring *ring, uint16_t count)
{
	uint32_t entries = (count - 1u) * ring->chain;
	bool wrap = ring->used_wrap;
	uint16_t at = walk(ring, ring->used_idx, entries, &wrap);

	vdpr_store_le16(ring->ro + EVENT_OFF_WRAP,
			(uint16_t)(at | (wrap ? WRAP_BIT : 0)));
	vdpr_store_le16(ring->ro + EVENT_FLAGS, VRING_PACKED_EVENT_FLAG_DESC);
}

static void packed_disarm(struct vdpr_ring *ring)
{
	vdpr_store_le16(ring->ro + EVENT_FLAGS,
			VRING_PACKED_EVENT_FLAG_DISABLE);
}

static void packed_show(struct vdpr_ring *ring)
{
	if (!ring->added)
		return;
	vdpr_store_le16(desc(ring, ring->first_idx) + DESC_FLAGS,
			ring->first_flags);
	ring->untold = (uint16_t)(ring->untold + ring->added);
	ring->added = 0;
}

static bool packed_wants_kick(struct vdpr_ring *ring)
{
	uint16_t untold = ring->untold;

	ring->untold = 0;
	return untold &&
	       !kick_spared(ring, ring->avail_idx, ring->avail_wrap, untold);
}

static bool packed_has_used(struct vdpr_ring *ring)
{
	const uint8_t *d = desc(ring, ring->used_idx);
	uint16_t flags = vdpr_load_le16(d + DESC_FLAGS);

	return (flags & (F_AVAIL | F_USED)) ==
	       (ring->used_wrap ? F_AVAIL | F_USED : 0);
}

static void packed_skip_used(struct vdpr_ring *ring)
{
	ring->used_idx =
		walk(ring, ring->used_idx, ring->chain, &ring->used_wrap);
}

static int packed_next_used(struct vdpr_ring *ring, uint16_t *slot,
			    uint32_t *len)
{
	const uint8_t *d = desc(ring, ring->used_idx);

	if (!packed_has_used(ring))
		return 0;
	if (!ring->outstanding) {
		ring->fault = "used a buffer though none is outstanding";
		return -EPROTO;
	}
	*slot = vdpr_load_le16(d + DESC_ID);
	*len = vdpr_load_le32(d + DESC_LEN);
	packed_skip_used(ring);
	return 1;
}

/* Their ids are there already. */
static void packed_play(struct vdpr_ring *ring)
{
	uint16_t idx = ring->used_idx;
	bool wrap = ring->used_wrap;

	vdpr_put_le16(device_event(ring) + EVENT_FLAGS,
		      VRING_PACKED_EVENT_FLAG_DISABLE);
	for (uint16_t i = 0; i < ring->outstanding; i++) {
		uint8_t *d = desc(ring, idx);

		vdpr_put_le32(d + DESC_LEN, 1);
		vdpr_store_le16(d + DESC_FLAGS, wrap ? F_AVAIL | F_USED : 0);
		idx = walk(ring, idx, ring->chain, &wrap);
	}
}

static uint16_t packed_next_off(const struct vdpr_ring *ring)
{
	return (uint16_t)(ring->avail_idx | (ring->avail_wrap ? WRAP_BIT : 0));
}

const struct vdpr_ring_ops vdpr_ring_packed = {
	.name = "packed",
	.ro_size = packed_ro_size,
	.rw_size = packed_rw_size,
	.areas = packed_areas,
	.init = packed_init,
	.add = packed_add,
	.show = packed_show,
	.wants_kick = packed_wants_kick,
	.spares_kick = packed_spares_kick,
	.arm = packed_arm,
	.disarm = packed_disarm,
	.has_used = packed_has_used,
	.next_used = packed_next_used,
	.skip_used = packed_skip_used,
	.play = packed_play,
	.next_off = packed_next_off,
	/* Both indices 0, both wrap counters 1. */
	.initial_base = 0x80008000,
};
