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
			   const struct vdpr_guest_chain *chain,
			   const struct vdpr_guest_desc *desc)
{
	if ((unsigned int)chain->n_out + chain->n_in == ring->num)
		return vdpr_guest_ring_wrong(ring,
					     "a chain is longer than its ring");
	if (!desc->len)
		return vdpr_guest_ring_wrong(ring, "a descriptor has no bytes");
	return vdpr_guest_ring_wrong(
		ring, "a readable descriptor comes behind a writable one");
}

/* An indirect table, which need not be aligned, nor lie in one row. */
struct table {
	uint64_t gpa;
	const uint8_t *quick; /* all of it, where it does and is */
	uint32_t count;	      /* entries */
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

/* @flags: which word of an entry they are. */
static inline int add_entry(struct vdpr_guest_ring *ring,
			    struct vdpr_guest_chain *chain,
			    const struct table *table, uint32_t at,
			    unsigned int flags, struct vdpr_guest_desc *entry)
{
	size_t offset = (size_t)at * VDPR_GUEST_DESC_SIZE;

	if (table->quick)
		vdpr_guest_desc_load(table->quick + offset, entry);
	else if (load_far(ring, table, offset, entry))
		return -EPROTO;
	if (entry->word[flags] & VRING_DESC_F_INDIRECT)
		return vdpr_guest_ring_wrong(
			ring, "an indirect table leads to another");
	return vdpr_guest_chain_add(ring, chain, entry, entry->word[flags]);
}

/* Return: 0, -EPROTO. */
static inline int find_table(struct vdpr_guest_ring *ring,
			     const struct vdpr_guest_desc *desc, uint16_t flags,
			     struct table *out)
{
	if (!ring->indirect)
		return vdpr_guest_ring_wrong(
			ring, "an indirect descriptor was not negotiated");
	if (flags & VRING_DESC_F_NEXT)
		return vdpr_guest_ring_wrong(
			ring, "an indirect descriptor is followed by another");
	if (!desc->len || desc->len % VDPR_GUEST_DESC_SIZE)
		return vdpr_guest_ring_wrong(
			ring, "an indirect table has a wrong length");
	out->gpa = desc->addr;
	out->count = desc->len / VDPR_GUEST_DESC_SIZE;
	out->quick = vdpr_guest_quick(ring->mem, desc->addr, desc->len);
	if ((uintptr_t)out->quick % 8)
		out->quick = NULL;
	return 0;
}

/* virtio 1.3, 2.7.5.3. Ends: each round adds a piece, and a chain has not more
 * than num. */
int vdpr_guest_chain_list(struct vdpr_guest_ring *ring,
			  struct vdpr_guest_chain *chain,
			  const struct vdpr_guest_desc *desc, uint16_t flags)
{
	struct vdpr_guest_desc entry;
	struct table table;
	uint32_t at = 0;

	if (find_table(ring, desc, flags, &table))
		return -EPROTO;
	for (;;) {
		int ret = add_entry(ring, chain, &table, at, 0, &entry);

		if (ret || !(entry.word[0] & VRING_DESC_F_NEXT))
			return ret;
		at = entry.word[1];
		if (at >= table.count)
			return vdpr_guest_ring_wrong(
				ring, "an indirect table leads out of itself");
	}
}

/* 2.8.7. */
int vdpr_guest_chain_row(struct vdpr_guest_ring *ring,
			 struct vdpr_guest_chain *chain,
			 const struct vdpr_guest_desc *desc, uint16_t flags)
{
	struct vdpr_guest_desc entry;
	struct table table;
	int ret;

	if (find_table(ring, desc, flags, &table))
		return -EPROTO;
	for (uint32_t at = 0; at < table.count; at++) {
		ret = add_entry(ring, chain, &table, at, 1, &entry);
		if (ret)
			return ret;
	}
	return 0;
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
