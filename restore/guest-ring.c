/* SPDX-License-Identifier: MIT */
/* The device's side of a guest's ring: what the formats share. */
#include "restore/guest-ring.h"

/*
 * Theory of operation. The guest may be hostile, and its processors run while
 * its ring is read. So a field is loaded once into memory of ours, checked there
 * and used from there; what comes out of a chain is a list of guest addresses,
 * each translated anew at the moment of the copy; and nothing that the guest
 * wrote is ever an index into memory of ours. A ring that is broken once stays
 * so: nothing of it is read or written again until it is set up anew.
 */

int vdpr_guest_ring_wrong(struct vdpr_guest_ring *ring, const char *what)
{
	ring->fault = what;
	return -EPROTO;
}

/* ------------------------------------------------------------------- set up */

/* One area: aligned in the guest and here, and guest memory in one row. */
static int find_area(struct vdpr_guest_ring *ring, uint64_t gpa, size_t len,
		     unsigned int align, uint8_t **out)
{
	uint8_t *host;

	if (gpa % align) {
		ring->fault = "an area is not aligned";
		return -EINVAL;
	}
	host = vdpr_guest_span(ring->mem, gpa, len, true);
	if (!host) {
		ring->fault = "an area is not in guest memory, or not in one "
			      "row";
		return -EFAULT;
	}
	/* Words are loaded as such: 8 is enough for a descriptor. */
	if ((uintptr_t)host % (align > 8 ? 8 : align)) {
		ring->fault = "an area is not aligned in the host's memory";
		return -EINVAL;
	}
	*out = host;
	return 0;
}

int vdpr_guest_ring_init(struct vdpr_guest_ring *ring,
			 const struct vdpr_guest_mem *mem,
			 const struct vdpr_guest_ring_setup *setup)
{
	const struct vdpr_guest_ring_ops *ops =
		setup->packed ? &vdpr_guest_packed : &vdpr_guest_split;
	uint16_t num = setup->num;
	int ret;

	*ring = (struct vdpr_guest_ring){
		.ops = ops,
		.mem = mem,
		.event_idx = setup->event_idx,
		.indirect = setup->indirect,
		.num = num,
	};
	if (!num || num > VDPR_GUEST_RING_MAX)
		ring->fault = "the size is not 1 to 1024";
	else
		ring->fault = ops->check(num, setup->base);
	if (ring->fault)
		return -EINVAL;
	ret = find_area(ring, setup->desc, ops->desc_size(num),
			VDPR_GUEST_DESC_SIZE, &ring->desc);
	if (!ret)
		ret = find_area(ring, setup->driver, ops->driver_size(num),
				ops->driver_align, &ring->driver);
	if (!ret)
		ret = find_area(ring, setup->device, ops->device_size(num),
				ops->device_align, &ring->device);
	if (ret)
		return ret;
	ring->piece = calloc(num, sizeof(*ring->piece));
	if (!ring->piece)
		return -ENOMEM;
	ops->init(ring, setup->base);
	return 0;
}

void vdpr_guest_ring_free(struct vdpr_guest_ring *ring)
{
	free(ring->piece);
	*ring = (struct vdpr_guest_ring){ 0 };
}

/* ------------------------------------------------------------------- chains */

int vdpr_guest_chain_wrong(struct vdpr_guest_ring *ring,
			   const struct vdpr_guest_chain *chain, uint32_t len)
{
	if ((unsigned int)chain->n_out + chain->n_in == ring->num)
		return vdpr_guest_ring_wrong(ring,
					     "a chain is longer than its ring");
	if (!len)
		return vdpr_guest_ring_wrong(ring, "a descriptor has no bytes");
	return vdpr_guest_ring_wrong(
		ring, "a readable descriptor comes behind a writable one");
}

/* An indirect table, which need not be aligned, nor lie in one row. */
struct table {
	uint64_t gpa;
	const uint8_t *quick; /* all of it, where it does and is */
	uint32_t size;	      /* bytes: a multiple of an entry's */
};

static int load_far(struct vdpr_guest_ring *ring, const struct table *table,
		    size_t offset, struct vdpr_guest_desc *out)
{
	uint64_t raw[2] = { 0, 0 };

	if (vdpr_guest_read(ring->mem, table->gpa + offset, raw, sizeof(raw)))
		return vdpr_guest_ring_wrong(
			ring, "an indirect table is not in guest memory");
	vdpr_guest_desc_load((const uint8_t *)raw, out);
	return 0;
}

/* No table that a chain can use is longer: nobody looks for the rest of it. */
static _apart_ const uint8_t *ask_for(const struct vdpr_guest_ring *ring,
				      struct vdpr_guest_desc desc)
{
	if (desc.len > (uint32_t)ring->num * VDPR_GUEST_DESC_SIZE)
		return NULL;
	return vdpr_guest_asked(ring->mem, desc.addr, desc.len, false);
}

/* Return: 0, -EPROTO. */
static inline int find_table(struct vdpr_guest_ring *ring,
			     struct vdpr_guest_desc desc, uint16_t flags,
			     struct table *out)
{
	if (!ring->indirect)
		return vdpr_guest_ring_wrong(
			ring, "an indirect descriptor was not negotiated");
	if (flags & VRING_DESC_F_NEXT)
		return vdpr_guest_ring_wrong(
			ring, "an indirect descriptor is followed by another");
	if (!desc.len || desc.len % VDPR_GUEST_DESC_SIZE)
		return vdpr_guest_ring_wrong(
			ring, "an indirect table has a wrong length");
	out->gpa = desc.addr;
	out->size = desc.len;
	out->quick = vdpr_guest_quick(ring->mem, desc.addr, desc.len);
	if (!out->quick)
		out->quick = ask_for(ring, desc);
	if ((uintptr_t)out->quick % 8)
		out->quick = NULL;
	return 0;
}

/* What a chain has so far: while a table is walked, in registers. */
struct walk {
	struct vdpr_guest_piece *piece; /* the next one's */
	uint64_t len;			/* of the pieces of this direction */
	unsigned int write;		/* VRING_DESC_F_WRITE, or 0 */
};

static inline void walk_begin(const struct vdpr_guest_ring *ring,
			      const struct vdpr_guest_chain *chain,
			      struct walk *walk)
{
	walk->piece = ring->piece + chain->n_out + chain->n_in;
	walk->write = chain->n_in ? VRING_DESC_F_WRITE : 0;
	walk->len = chain->n_in ? chain->in_len : chain->out_len;
}

static inline void walk_end(const struct vdpr_guest_ring *ring,
			    struct vdpr_guest_chain *chain,
			    const struct walk *walk)
{
	unsigned int n = (unsigned int)(walk->piece - ring->piece);

	if (walk->write) {
		chain->n_in = (uint16_t)(n - chain->n_out);
		chain->in_len = walk->len;
	} else {
		chain->n_out = (uint16_t)n;
		chain->out_len = walk->len;
	}
}

static _cold_ int walk_wrong(struct vdpr_guest_ring *ring,
			     struct vdpr_guest_chain *chain, struct walk walk,
			     uint32_t len, unsigned int flags)
{
	if (flags & VRING_DESC_F_INDIRECT)
		return vdpr_guest_ring_wrong(
			ring, "an indirect table leads to another");
	walk_end(ring, chain, &walk);
	return vdpr_guest_chain_wrong(ring, chain, len);
}

/*
 * Adds a table's entries: a list of them (split: virtio 1.3, 2.7.5.3) or a row
 * (packed: 2.8.7). Ends: each round adds a piece, and a chain has not more than
 * num. Linux sends every command in a table, and waits for its answer: so there
 * is one of each kind for a table that can be looked at where it is, without a
 * call, and what is looked at stays in registers, which an address of it would
 * forbid.
 */
static _inline_ int add_table(struct vdpr_guest_ring *ring,
			      struct vdpr_guest_chain *chain,
			      const struct table *table, bool list, bool quick)
{
	const struct vdpr_guest_piece *end = ring->piece + ring->num;
	const uint8_t *base = table->quick;
	uint32_t size = table->size;
	uint32_t at = 0;
	struct walk walk;

	walk_begin(ring, chain, &walk);
	for (;;) {
		struct vdpr_guest_desc entry;
		unsigned int flags;

		if (quick)
			vdpr_guest_desc_load(base + at, &entry);
		else if (load_far(ring, table, at, &entry))
			return -EPROTO;
		flags = entry.word[list ? 0 : 1];
		if ((flags & (VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE)) !=
		    walk.write) {
			if (walk.write || flags & VRING_DESC_F_INDIRECT)
				return walk_wrong(ring, chain, walk, entry.len,
						  flags);
			walk_end(ring, chain, &walk);
			walk.write = VRING_DESC_F_WRITE;
			walk.len = 0;
		}
		if (!entry.len || walk.piece == end)
			return walk_wrong(ring, chain, walk, entry.len, flags);
		walk.piece->gpa = entry.addr;
		walk.piece->len = entry.len;
		walk.piece++;
		walk.len += entry.len;
		at += VDPR_GUEST_DESC_SIZE;
		if (list ? !(flags & VRING_DESC_F_NEXT) : at == size)
			break;
		if (list)
			at = (uint32_t)entry.word[1] * VDPR_GUEST_DESC_SIZE;
		if (list && at >= size)
			return vdpr_guest_ring_wrong(
				ring, "an indirect table leads out of itself");
	}
	walk_end(ring, chain, &walk);
	return 0;
}

static _apart_ int add_far_list(struct vdpr_guest_ring *ring,
				struct vdpr_guest_chain *chain,
				const struct table *table)
{
	return add_table(ring, chain, table, true, false);
}

static _apart_ int add_far_row(struct vdpr_guest_ring *ring,
			       struct vdpr_guest_chain *chain,
			       const struct table *table)
{
	return add_table(ring, chain, table, false, false);
}

int vdpr_guest_chain_list(struct vdpr_guest_ring *ring,
			  struct vdpr_guest_chain *chain,
			  struct vdpr_guest_desc desc)
{
	struct table table;

	if (find_table(ring, desc, desc.word[0], &table))
		return -EPROTO;
	return table.quick ? add_table(ring, chain, &table, true, true)
			   : add_far_list(ring, chain, &table);
}

int vdpr_guest_chain_row(struct vdpr_guest_ring *ring,
			 struct vdpr_guest_chain *chain,
			 struct vdpr_guest_desc desc)
{
	struct table table;

	if (find_table(ring, desc, desc.word[1], &table))
		return -EPROTO;
	return table.quick ? add_table(ring, chain, &table, false, true)
			   : add_far_row(ring, chain, &table);
}

/* --------------------------------------------------------------- operations */

/* Of what lies elsewhere than most: as much as can be written, which @left counts. */
static _apart_ bool is_writable(const struct vdpr_guest_ring *ring,
				const struct vdpr_guest_piece *piece,
				size_t *left)
{
	size_t len = piece->len < *left ? piece->len : *left;

	*left -= len;
	return !len || vdpr_guest_is_writable(ring->mem, piece->gpa, len);
}

int vdpr_guest_ring_next(struct vdpr_guest_ring *ring,
			 struct vdpr_guest_chain *chain)
{
	size_t left = VDPR_GUEST_ANSWER_MAX;
	int ret;

	if (ring->fault)
		return -EPROTO;
	ret = ring->ops->peek(ring);
	if (ret <= 0)
		return ret;
	*chain = (struct vdpr_guest_chain){ .entries = 1 };
	ret = ring->ops->walk(ring, chain);
	if (ret)
		return ret;
	chain->out = ring->piece;
	chain->in = ring->piece + chain->n_out;
	for (unsigned int i = 0; i < chain->n_in; i++)
		if (!vdpr_guest_quick(ring->mem, chain->in[i].gpa,
				      chain->in[i].len) &&
		    !is_writable(ring, &chain->in[i], &left))
			return vdpr_guest_ring_wrong(
				ring, "a writable descriptor is not in guest "
				      "memory");
	return 1;
}
