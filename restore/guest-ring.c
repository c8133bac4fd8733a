/* SPDX-License-Identifier: MIT */
/* The device's side of a guest's ring: what the formats share. */
#include "restore/guest-ring.h"

#include <endian.h>
#include <errno.h>

#include "restore/uapi.h"

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

void vdpr_guest_desc_load(const uint8_t *at, struct vdpr_guest_desc *out)
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

int vdpr_guest_chain_add(struct vdpr_guest_ring *ring,
			 struct vdpr_guest_chain *chain,
			 const struct vdpr_guest_desc *desc, uint16_t flags)
{
	unsigned int n = (unsigned int)chain->n_out + chain->n_in;
	bool write = flags & VRING_DESC_F_WRITE;

	if (n == ring->num)
		return vdpr_guest_ring_wrong(ring,
					     "a chain is longer than its ring");
	if (!desc->len)
		return vdpr_guest_ring_wrong(ring, "a descriptor has no bytes");
	/* What the device reads comes first (virtio 1.3, 2.7.4.2). */
	if (!write && chain->n_in)
		return vdpr_guest_ring_wrong(
			ring, "a readable descriptor comes behind a writable "
			      "one");
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

/* An indirect table, which need not be aligned, nor lie in one row. */
struct table {
	uint64_t gpa;
	const uint8_t *quick; /* all of it, where it does and is */
	uint32_t count;	      /* entries */
	unsigned int flags;   /* which word of an entry they are */
};

static int load_entry(struct vdpr_guest_ring *ring, const struct table *table,
		      uint32_t at, struct vdpr_guest_desc *out)
{
	size_t offset = (size_t)at * VDPR_GUEST_DESC_SIZE;
	uint64_t raw[2] = { 0, 0 };

	if (table->quick) {
		vdpr_guest_desc_load(table->quick + offset, out);
		return 0;
	}
	if (vdpr_guest_read(ring->mem, table->gpa + offset, raw, sizeof(raw)))
		return vdpr_guest_ring_wrong(
			ring, "an indirect table is not in guest memory");
	vdpr_guest_desc_load((const uint8_t *)raw, out);
	return 0;
}

static int add_entry(struct vdpr_guest_ring *ring,
		     struct vdpr_guest_chain *chain, const struct table *table,
		     uint32_t at, struct vdpr_guest_desc *entry)
{
	int ret = load_entry(ring, table, at, entry);

	if (ret)
		return ret;
	if (entry->word[table->flags] & VRING_DESC_F_INDIRECT)
		return vdpr_guest_ring_wrong(
			ring, "an indirect table leads to another");
	return vdpr_guest_chain_add(ring, chain, entry,
				    entry->word[table->flags]);
}

/* Split: entries are chained (virtio 1.3, 2.7.5.3). Ends: each round adds a piece,
 * and a chain has not more than num. */
static int add_chained(struct vdpr_guest_ring *ring,
		       struct vdpr_guest_chain *chain,
		       const struct table *table)
{
	struct vdpr_guest_desc entry = { .word = { 0, 0 } };

	for (;;) {
		int ret = add_entry(ring, chain, table, entry.word[1], &entry);

		if (ret || !(entry.word[0] & VRING_DESC_F_NEXT))
			return ret;
		if (entry.word[1] >= table->count)
			return vdpr_guest_ring_wrong(
				ring, "an indirect table leads out of itself");
	}
}

/* Packed: they stand in a row (2.8.7). */
static int add_row(struct vdpr_guest_ring *ring, struct vdpr_guest_chain *chain,
		   const struct table *table)
{
	struct vdpr_guest_desc entry;
	int ret = 0;

	for (uint32_t at = 0; !ret && at < table->count; at++)
		ret = add_entry(ring, chain, table, at, &entry);
	return ret;
}

int vdpr_guest_chain_indirect(struct vdpr_guest_ring *ring,
			      struct vdpr_guest_chain *chain,
			      const struct vdpr_guest_desc *desc,
			      uint16_t flags)
{
	struct table table = {
		.gpa = desc->addr,
		.quick = vdpr_guest_quick(ring->mem, desc->addr, desc->len),
		.count = desc->len / VDPR_GUEST_DESC_SIZE,
		.flags = ring->ops == &vdpr_guest_packed,
	};

	if (!ring->indirect)
		return vdpr_guest_ring_wrong(
			ring, "an indirect descriptor was not negotiated");
	if (flags & VRING_DESC_F_NEXT)
		return vdpr_guest_ring_wrong(
			ring, "an indirect descriptor is followed by another");
	if (!table.count || desc->len % VDPR_GUEST_DESC_SIZE)
		return vdpr_guest_ring_wrong(
			ring, "an indirect table has a wrong length");
	if ((uintptr_t)table.quick % 8)
		table.quick = NULL;
	return table.flags ? add_row(ring, chain, &table)
			   : add_chained(ring, chain, &table);
}

/* --------------------------------------------------------------- operations */

int vdpr_guest_ring_next(struct vdpr_guest_ring *ring,
			 struct vdpr_guest_chain *chain)
{
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
		    !vdpr_guest_is_writable(ring->mem, &chain->in[i]))
			return vdpr_guest_ring_wrong(
				ring, "a writable descriptor is not in guest "
				      "memory");
	return 1;
}
