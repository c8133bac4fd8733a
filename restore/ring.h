/* SPDX-License-Identifier: MIT */
/* The driver's side of a virtqueue: commands in, used buffers out, nothing trusted. */
#ifndef VDPR_RING_H
#define VDPR_RING_H

#include <errno.h>

#include "restore/util.h"

#define VDPR_RING_MAX 256 /* entries: never more, whatever the device offers */

/*
 * Every command is two buffers: one that the device reads (class, command,
 * payload) and one that it writes (the ack). The format decides how many ring
 * entries that takes, so a user of the ring only asks for its capacity.
 */
struct vdpr_ring_buf {
	uint64_t out; /* IOVA */
	uint32_t out_len;
	uint64_t in; /* IOVA */
	uint32_t in_len;
};

struct vdpr_ring;

/* A command that came back. */
struct vdpr_ring_used {
	uint32_t token; /* as given to vdpr_ring_add() */
	uint32_t len;	/* bytes that the device says it wrote; not checked */
};

/* The three addresses of SET_VRING_ADDR. */
struct vdpr_ring_areas {
	uint64_t desc, driver, device;
};

struct vdpr_ring_ops {
	const char *name;
	/* Bytes of the part the device only reads, and of that it writes. */
	size_t (*ro_size)(uint16_t num, bool indirect);
	size_t (*rw_size)(uint16_t num);
	/* Where the areas are, given the IOVAs of the two parts. */
	struct vdpr_ring_areas (*areas)(uint16_t num, uint64_t ro, uint64_t rw);
	void (*init)(struct vdpr_ring *ring); /* NULL: zero is right */
	/* What a slot holds for good, before it is used for the first time; NULL:
	 * nothing. */
	void (*prepare)(struct vdpr_ring *ring, uint16_t slot);
	void (*add)(struct vdpr_ring *ring, const struct vdpr_ring_buf *buf,
		    uint16_t slot);
	/* Makes all that was added visible. */
	void (*show)(struct vdpr_ring *ring);
	/* Does the device want a kick for what it was shown since the last time
	 * that this was asked? */
	bool (*wants_kick)(struct vdpr_ring *ring);
	/* Would it want one for @more commands, as far as one can tell before? */
	bool (*spares_kick)(struct vdpr_ring *ring, uint16_t more);
	/* Asks for an interrupt when @count of the outstanding are used. */
	void (*arm)(struct vdpr_ring *ring, uint16_t count);
	/* Asks for none at all until then. */
	void (*disarm)(struct vdpr_ring *ring);
	/* Has the device used anything that was not taken? One look, no judgement. */
	bool (*has_used)(struct vdpr_ring *ring);
	/* 1: *slot and *len were the next used buffer; 0: none; -EPROTO. */
	int (*next_used)(struct vdpr_ring *ring, uint16_t *slot, uint32_t *len);
	/* IN_ORDER: the next place is of a command without an entry of its own. */
	void (*skip_used)(struct vdpr_ring *ring);
	/* The device's part, for a ring that no device knows: all that was shown
	 * is used, one byte written each, and nobody wants to be kicked. */
	void (*play)(struct vdpr_ring *ring);
	/* Next offset and wrap, bits 16-31 of notification data (2.9). */
	uint16_t (*next_off)(const struct vdpr_ring *ring);
	/* Base for SET_VRING_BASE of a ring that has not run yet. */
	uint32_t initial_base;
};

extern const struct vdpr_ring_ops vdpr_ring_split;
extern const struct vdpr_ring_ops vdpr_ring_packed;

/* What the guest's features make of a ring. */
struct vdpr_ring_format {
	const struct vdpr_ring_ops *ops;
	bool event_idx; /* RING_EVENT_IDX */
	bool in_order;	/* IN_ORDER */
	bool indirect;	/* RING_INDIRECT_DESC: one entry a command, not two */
};

/* What the driver notes of one command that is out. */
struct vdpr_ring_slot {
	uint32_t token; /* of the caller */
	uint32_t in_len;
};

/* The memory of a ring. */
struct vdpr_ring_mem {
	void *ro; /* zeroed, ops->ro_size() bytes, aligned to 16 */
	void *rw; /* zeroed, ops->rw_size() bytes, aligned to 16 */
	uint64_t ro_iova;
	struct vdpr_ring_slot *slot; /* num of them, whatever is in them */
};

struct vdpr_ring {
	struct vdpr_ring_format format;
	uint16_t num;
	uint8_t *ro; /* what only the driver writes */
	uint8_t *rw; /* what the device writes, too */
	uint64_t ro_iova;
	uint16_t chain;	   /* entries of a command: 1 or 2 */
	uint16_t capacity; /* commands that fit at once */
	uint16_t outstanding;
	/* Free slots: those from @fresh on, which were never used, then those that
	 * came back, in the order in which they did: with IN_ORDER that is the order
	 * of the ring, as it must be (2.7.9). The place wraps by itself, for a byte
	 * counts to VDPR_RING_MAX. */
	uint8_t free_slot[VDPR_RING_MAX];
	uint8_t free_head;
	uint16_t n_free, fresh;
	struct vdpr_ring_slot *slot;
	bool busy[VDPR_RING_MAX];
	/* IN_ORDER: the oldest slot that is out, and how many from it on the last
	 * used entry covers. Slots come back in order, so they are cyclic. */
	uint16_t oldest;
	uint16_t batch;
	uint32_t batch_len;
	/* Split: free-running. Packed: place in the ring. */
	uint16_t avail_idx; /* next to write */
	uint16_t told_idx;  /* split: kicked, or spared it, up to here */
	uint16_t used_idx;  /* next to read */
	uint16_t seen_idx;  /* split: used up to here when last looked at */
	/* Packed only. */
	bool avail_wrap, used_wrap;
	uint16_t added;			 /* entries not shown yet */
	uint16_t untold;		 /* entries not kicked for yet */
	uint16_t first_idx, first_flags; /* the head that hides them all */
	const char *fault; /* after -EPROTO: what the device did */
};

/* vdpr_ring_init() - a fresh ring.
 * @num: entries, a power of two for split, 2..VDPR_RING_MAX; 1 if indirect.
 */
void vdpr_ring_init(struct vdpr_ring *ring,
		    const struct vdpr_ring_format *format, uint16_t num,
		    const struct vdpr_ring_mem *mem);

/* The slot @ring->fresh, made ready. */
uint8_t vdpr_ring_fresh_slot(struct vdpr_ring *ring);

/* vdpr_ring_add() - queue a command; not visible until vdpr_ring_publish().
 * @token: given back when it is used.
 * Return: 0 or -ENOSPC.
 */
static inline int vdpr_ring_add(struct vdpr_ring *ring,
				const struct vdpr_ring_buf *buf, uint32_t token)
{
	uint8_t slot;

	if (!ring->n_free)
		return -ENOSPC;
	slot = ring->fresh < ring->capacity ? vdpr_ring_fresh_slot(ring)
					    : ring->free_slot[ring->free_head];
	ring->free_head++;
	ring->n_free--;
	ring->outstanding++;
	ring->slot[slot].token = token;
	ring->slot[slot].in_len = buf->in_len;
	ring->busy[slot] = true;
	ring->format.ops->add(ring, buf, slot);
	return 0;
}

/* vdpr_ring_show() - make all that was added visible to the device. */
static inline void vdpr_ring_show(struct vdpr_ring *ring)
{
	ring->format.ops->show(ring);
}

/* vdpr_ring_wants_kick() - must the device be notified of what it was shown since
 * the last time that this was asked?
 */
static inline bool vdpr_ring_wants_kick(struct vdpr_ring *ring)
{
	return ring->format.ops->wants_kick(ring);
}

/* vdpr_ring_publish() - both: show it, and
 * Return: true if the device wants a notification.
 */
static inline bool vdpr_ring_publish(struct vdpr_ring *ring)
{
	vdpr_ring_show(ring);
	return vdpr_ring_wants_kick(ring);
}

/* vdpr_ring_spares_kick() - would @more commands be found without a kick? */
static inline bool vdpr_ring_spares_kick(struct vdpr_ring *ring, uint16_t more)
{
	return ring->format.ops->spares_kick(ring, more);
}

/* vdpr_ring_arm() - ask to be called when @count of the outstanding commands are
 * used. Look at the ring once more before sleeping: they may be already.
 */
static inline void vdpr_ring_arm(struct vdpr_ring *ring, uint16_t count)
{
	if (ring->format.event_idx && count)
		ring->format.ops->arm(ring, count);
}

/* vdpr_ring_disarm() - ask not to be called until vdpr_ring_arm(): somebody looks at
 * the ring anyway. */
static inline void vdpr_ring_disarm(struct vdpr_ring *ring)
{
	if (ring->format.event_idx)
		ring->format.ops->disarm(ring);
}

/* vdpr_ring_has_used() - a look at the ring that costs little.
 * Return: true if vdpr_ring_take() would not answer 0.
 */
static inline bool vdpr_ring_has_used(struct vdpr_ring *ring)
{
	return ring->batch || ring->format.ops->has_used(ring);
}

/* vdpr_ring_take() - take what the device has used, in its order.
 * @used: room for @max.
 * Return: how many were taken, 0 none yet, -EPROTO (ring->fault says what is
 * wrong: an index beyond what is outstanding, an id that is not). What came back
 * before something wrong is taken first; the next call then says what is wrong.
 */
int vdpr_ring_take(struct vdpr_ring *ring, struct vdpr_ring_used *used,
		   unsigned int max);
/* The same for one: 1, 0, -EPROTO. */
int vdpr_ring_take_one(struct vdpr_ring *ring, struct vdpr_ring_used *used);

/* ------------------------------------------------- shared by the formats */

/* A table of two descriptors, the same bytes but for id and next in both formats. */
#define VDPR_INDIRECT_LEN 32

/* An index or flag that the device writes at any time: read once. */
static inline uint16_t vdpr_load_le16(const void *p)
{
	uint16_t raw = __atomic_load_n((const uint16_t *)p, __ATOMIC_SEQ_CST);

	return vdpr_get_le16(&raw);
}

/* The same for a field of 32 bits: what was checked is what is used. */
static inline uint32_t vdpr_load_le32(const void *p)
{
	uint32_t raw = __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);

	return vdpr_get_le32(&raw);
}

/* Where the device must see what was written before, and nothing hangs on what
 * it answers. */
static inline void vdpr_release_le16(void *p, uint16_t value)
{
	uint16_t raw;

	vdpr_put_le16(&raw, value);
	__atomic_store_n((uint16_t *)p, raw, __ATOMIC_RELEASE);
}

/*
 * Sequentially consistent, so that what the device asks for is read after the
 * index is seen (2.7.13.3 wants a memory barrier there); the sanitizer for
 * threads knows no fence.
 */
static inline void vdpr_store_le16(void *p, uint16_t value)
{
	uint16_t raw;

	vdpr_put_le16(&raw, value);
	__atomic_store_n((uint16_t *)p, raw, __ATOMIC_SEQ_CST);
}

/* Did the device ask for a kick by the time the index passes @event (2.7.10)? */
static inline bool vdpr_need_event(uint16_t event, uint16_t now,
				   uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

#endif
