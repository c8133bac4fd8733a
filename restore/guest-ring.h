/* SPDX-License-Identifier: MIT */
/* The device's side of a guest's control ring, in memory that nobody vouches for. */
#ifndef VDPR_GUEST_RING_H
#define VDPR_GUEST_RING_H

#include <endian.h>
#include <errno.h>

#include "restore/guest-mem.h"
#include "restore/uapi.h"

#define VDPR_GUEST_RING_MAX 1024       /* entries */
#define VDPR_GUEST_ANSWER_MAX 0x10000u /* bytes: more is never written */

/* One buffer as the guest offered it, valid until the next look at the ring. */
struct vdpr_guest_chain {
	uint16_t id;		  /* to be given back, never an index of ours */
	uint16_t entries;	  /* of the ring that it takes: packed only */
	uint16_t n_out, n_in;	  /* pieces */
	uint64_t out_len, in_len; /* bytes */
	const struct vdpr_guest_piece *out; /* what the device reads */
	const struct vdpr_guest_piece *in;  /* what it writes */
};

struct vdpr_guest_ring;

/* One format of the ring. Each -EPROTO leaves the reason in ring->fault. */
struct vdpr_guest_ring_ops {
	/* Are the numbers such a ring's? Return: NULL or the reason. */
	const char *(*check)(uint16_t num, uint32_t base);
	/* Bytes of the three areas, and what their addresses are multiples of. */
	size_t (*desc_size)(uint16_t num);
	size_t (*driver_size)(uint16_t num);
	size_t (*device_size)(uint16_t num);
	uint8_t driver_align, device_align;
	void (*init)(struct vdpr_guest_ring *ring, uint32_t base);
	/* Is there a buffer? Return: 1, 0, -EPROTO. */
	int (*peek)(struct vdpr_guest_ring *ring);
	/* Describes it, pieces checked but for their addresses. 0, -EPROTO. */
	int (*walk)(struct vdpr_guest_ring *ring,
		    struct vdpr_guest_chain *chain);
	void (*take)(struct vdpr_guest_ring *ring,
		     const struct vdpr_guest_chain *chain);
	void (*push)(struct vdpr_guest_ring *ring, uint16_t id,
		     uint16_t entries, uint32_t len);
	/* Asks for a kick at the next buffer. */
	void (*want_kick)(struct vdpr_guest_ring *ring);
	/* Does the guest want to be called for what was pushed? */
	bool (*wants_call)(struct vdpr_guest_ring *ring);
	/* SET_VRING_BASE's number for what has been given back so far. */
	uint32_t (*base)(const struct vdpr_guest_ring *ring);
};

extern const struct vdpr_guest_ring_ops vdpr_guest_split;
extern const struct vdpr_guest_ring_ops vdpr_guest_packed;

/* What the guest negotiated and where it put its ring. */
struct vdpr_guest_ring_setup {
	bool packed, event_idx, indirect;
	uint16_t num;
	uint32_t base;
	uint64_t desc, driver, device;
};

struct vdpr_guest_ring {
	const struct vdpr_guest_ring_ops *ops;
	const struct vdpr_guest_mem *mem;
	bool event_idx, indirect;
	uint16_t num;
	uint8_t *desc, *driver, *device;
	/* Next to take and to give back. Split: free-running. Packed: place in
	 * the ring with the wrap counter in bit 15. */
	uint16_t avail, used;
	uint16_t outstanding; /* entries (packed) or buffers (split) taken */
	uint16_t uncalled;    /* the same, given back since the last call */
	bool kick_wanted;     /* for whatever comes behind avail */
	struct vdpr_guest_piece *piece; /* num of them, of the last chain */
	const char *fault;
};

/* vdpr_guest_ring_init() - a ring at a position.
 * The three areas must lie in one row each, and stay where they are until
 * vdpr_guest_ring_free().
 * Return: 0, -ENOMEM, -EINVAL, -EFAULT (ring->fault says what is wrong).
 */
int vdpr_guest_ring_init(struct vdpr_guest_ring *ring,
			 const struct vdpr_guest_mem *mem,
			 const struct vdpr_guest_ring_setup *setup);
void vdpr_guest_ring_free(struct vdpr_guest_ring *ring);

/* vdpr_guest_ring_next() - look at the next buffer without taking it.
 * Every field of the guest's is loaded once. Of the writable pieces as much is
 * known to be guest memory as can be written, and no more is looked at: gigabytes
 * that are translated page by page would keep everybody else waiting.
 * Return: 1, 0 (none), -EPROTO (the guest broke its ring).
 */
int vdpr_guest_ring_next(struct vdpr_guest_ring *ring,
			 struct vdpr_guest_chain *chain);

/* vdpr_guest_ring_peek() - is there a buffer? The same returns, at less cost. */
static inline int vdpr_guest_ring_peek(struct vdpr_guest_ring *ring)
{
	return ring->fault ? -EPROTO : ring->ops->peek(ring);
}

/* vdpr_guest_ring_take() - it is ours now, until it is pushed back. */
static inline void vdpr_guest_ring_take(struct vdpr_guest_ring *ring,
					const struct vdpr_guest_chain *chain)
{
	ring->ops->take(ring, chain);
	ring->kick_wanted = false;
}

/* vdpr_guest_ring_push() - give a buffer back, @len bytes of it written. */
static inline void vdpr_guest_ring_push(struct vdpr_guest_ring *ring,
					uint16_t id, uint16_t entries,
					uint32_t len)
{
	ring->ops->push(ring, id, entries, len);
}

/* vdpr_guest_ring_want_kick() - ask for a kick at the next buffer. Look once more
 * before sleeping: it may be there already.
 */
static inline void vdpr_guest_ring_want_kick(struct vdpr_guest_ring *ring)
{
	if (ring->fault || ring->kick_wanted)
		return;
	ring->ops->want_kick(ring);
	ring->kick_wanted = true;
}

/* vdpr_guest_ring_wants_call() - is the guest to be interrupted for all that
 * was pushed since this was asked the last time? */
static inline bool vdpr_guest_ring_wants_call(struct vdpr_guest_ring *ring)
{
	bool wants = ring->uncalled && ring->ops->wants_call(ring);

	ring->uncalled = 0;
	return wants;
}

/* vdpr_guest_ring_base() - where the next device must begin: behind the last
 * buffer that was given back. */
static inline uint32_t vdpr_guest_ring_base(const struct vdpr_guest_ring *ring)
{
	return ring->ops->base(ring);
}

/* ------------------------------------------------- shared by the formats */

/* A descriptor's 16 bytes, loaded once. */
struct vdpr_guest_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t word[2]; /* split: flags, next; packed: id, flags */
};

#define VDPR_GUEST_DESC_SIZE 16

static inline void vdpr_guest_desc_load(const uint8_t *at,
					struct vdpr_guest_desc *out)
{
	const uint64_t *words = (const uint64_t *)(const void *)at;
	uint64_t first = __atomic_load_n(&words[0], __ATOMIC_RELAXED);
	uint64_t second = __atomic_load_n(&words[1], __ATOMIC_RELAXED);
	uint64_t rest = le64toh(second);

	out->addr = le64toh(first);
	out->len = (uint32_t)rest;
	out->word[0] = (uint16_t)(rest >> 32);
	out->word[1] = (uint16_t)(rest >> 48);
}

/* Sets the fault. Return: -EPROTO. */
int vdpr_guest_ring_wrong(struct vdpr_guest_ring *ring,
			  const char *what) _cold_;

/* The same, of a piece of @len bytes that may not stand where it does. */
int vdpr_guest_chain_wrong(struct vdpr_guest_ring *ring,
			   const struct vdpr_guest_chain *chain,
			   uint32_t len) _cold_;

/* Adds one piece. What the device reads comes first (virtio 1.3, 2.7.4.2).
 * Return: 0, -EPROTO. */
static inline int vdpr_guest_chain_add(struct vdpr_guest_ring *ring,
				       struct vdpr_guest_chain *chain,
				       const struct vdpr_guest_desc *desc,
				       uint16_t flags)
{
	unsigned int n = (unsigned int)chain->n_out + chain->n_in;
	bool write = flags & VRING_DESC_F_WRITE;

	if (n == ring->num || !desc->len || (!write && chain->n_in))
		return vdpr_guest_chain_wrong(ring, chain, desc->len);
	ring->piece[n] = (struct vdpr_guest_piece){ desc->addr, desc->len };
	if (write) {
		chain->n_in++;
		chain->in_len += desc->len;
	} else {
		chain->n_out++;
		chain->out_len += desc->len;
	}
	return 0;
}

/* Adds what an indirect table holds, with which a chain ends: a list of entries
 * (split) or a row of them (packed). Return: 0, -EPROTO. */
int vdpr_guest_chain_list(struct vdpr_guest_ring *ring,
			  struct vdpr_guest_chain *chain,
			  struct vdpr_guest_desc desc);
int vdpr_guest_chain_row(struct vdpr_guest_ring *ring,
			 struct vdpr_guest_chain *chain,
			 struct vdpr_guest_desc desc);

#endif
