/* SPDX-License-Identifier: MIT */
/* The driver's side of a virtqueue: commands in, used buffers out, nothing trusted. */
#ifndef VDPR_RING_H
#define VDPR_RING_H

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

struct vdpr_ring_ops {
	const char *name;
	/* Bytes of the part the device only reads, and of that it writes. */
	size_t (*ro_size)(uint16_t num);
	size_t (*rw_size)(uint16_t num);
	void (*init)(struct vdpr_ring *ring);
	void (*add)(struct vdpr_ring *ring, const struct vdpr_ring_buf *buf,
		    uint16_t slot);
	/* Makes all that was added visible. True: the device wants a kick. */
	bool (*publish)(struct vdpr_ring *ring);
	/* 1: *slot and *len are the next used buffer; 0: none; -EPROTO. */
	int (*next_used)(struct vdpr_ring *ring, uint16_t *slot, uint32_t *len);
	/* Base for SET_VRING_BASE of a ring that has not run yet. */
	uint32_t initial_base;
};

extern const struct vdpr_ring_ops vdpr_ring_split;

struct vdpr_ring {
	const struct vdpr_ring_ops *ops;
	uint16_t num;
	bool event_idx;
	uint8_t *ro; /* what the driver writes */
	uint8_t *rw; /* what the device writes */
	uint16_t capacity; /* commands that fit at once */
	uint16_t outstanding;
	uint16_t n_free;
	uint16_t free_slot[VDPR_RING_MAX];
	uint32_t token[VDPR_RING_MAX]; /* of the caller, by slot */
	bool busy[VDPR_RING_MAX];
	uint16_t avail_idx; /* next to write, free-running */
	uint16_t shown_idx; /* what the device has been shown */
	uint16_t used_idx; /* next to read, free-running */
	const char *fault; /* after -EPROTO: what the device did */
};

/* vdpr_ring_init() - a fresh ring.
 * @num: entries, a power of two, 2..VDPR_RING_MAX.
 * @ro, @rw: zeroed memory of ops->ro_size() and ops->rw_size() bytes, aligned
 *           to 16 and 4.
 * @event_idx: RING_EVENT_IDX was negotiated.
 */
void vdpr_ring_init(struct vdpr_ring *ring, const struct vdpr_ring_ops *ops,
		    uint16_t num, void *ro, void *rw, bool event_idx);

/* vdpr_ring_add() - queue a command; not visible until vdpr_ring_publish().
 * @token: given back when it is used.
 * Return: 0 or -ENOSPC.
 */
int vdpr_ring_add(struct vdpr_ring *ring, const struct vdpr_ring_buf *buf,
		  uint32_t token);

/* vdpr_ring_publish() - show the device all that was added.
 * Return: true if it wants a notification.
 */
bool vdpr_ring_publish(struct vdpr_ring *ring);

/* vdpr_ring_next_used() - take the next used buffer.
 * @len: bytes that the device says it wrote; not checked here.
 * Return: 1 got one, 0 none yet, -EPROTO (ring->fault says what is wrong: an
 * index beyond what is outstanding, an id that is not).
 */
int vdpr_ring_next_used(struct vdpr_ring *ring, uint32_t *token,
			uint32_t *len);

/* Offsets of the three areas of a split ring within their parts. */
static inline size_t vdpr_split_avail_offset(uint16_t num)
{
	return (size_t)num * 16;
}

#endif
