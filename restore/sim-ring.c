/* SPDX-License-Identifier: MIT */
/* The device's side of rings: buffers, and the split format (virtio 1.3, 2.7). */
#include <errno.h>
#include <string.h>

#include "restore/sim.h"

/* No command is longer: two MAC tables of 65536 entries come to 768 KiB. */
#define OUT_MAX (1u << 20)
/* Entries of an indirect table: the format allows no more than a ring has. */
#define INDIRECT_MAX 32768u

enum {
	AVAIL_FLAGS = 0,
	AVAIL_IDX = 2,
	AVAIL_RING = 4, /* 2 bytes each, then used_event */
	USED_IDX = 2,
	USED_RING = 4, /* 8 bytes each, then avail_event */
	USED_ELEM = 8,
};

const struct sim_ring_ops *vdpr_sim_ring(const struct sim *sim)
{
	return vdpr_sim_has(sim, VIRTIO_F_RING_PACKED) ? &vdpr_sim_packed
						       : &vdpr_sim_split;
}

/*
 * Sequentially consistent both, not acquire and release with fences between: who
 * stores an index and then loads the other side's wish needs that order kept,
 * and ThreadSanitizer knows no fences.
 */
uint16_t vdpr_sim_load16(const void *p)
{
	uint16_t raw = __atomic_load_n((const uint16_t *)p, __ATOMIC_SEQ_CST);

	return vdpr_get_le16(&raw);
}

void vdpr_sim_store16(void *p, uint16_t value)
{
	uint16_t raw;

	vdpr_put_le16(&raw, value);
	__atomic_store_n((uint16_t *)p, raw, __ATOMIC_SEQ_CST);
}

void vdpr_sim_chain_start(struct sim_chain *chain)
{
	chain->out.len = 0;
	chain->n_in = 0;
	chain->entries = 0;
}

static int add_in(struct sim_chain *chain, void *at, size_t len)
{
	if (chain->n_in == chain->cap_in) {
		size_t cap = chain->cap_in ? 2 * chain->cap_in : 4;
		struct sim_seg *in = reallocarray(chain->in, cap, sizeof(*in));

		if (!in)
			return -ENOMEM;
		chain->in = in;
		chain->cap_in = cap;
	}
	chain->in[chain->n_in++] = (struct sim_seg){ at, len };
	return 0;
}

/* One piece of a buffer that lies behind one mapping. */
static int add_piece(struct sim_chain *chain, void *at, size_t len, bool write,
		     bool copy)
{
	if (write)
		return add_in(chain, at, len);
	if (!copy)
		return 0;
	if (chain->out.len + len > OUT_MAX)
		return -EMSGSIZE;
	vdpr_buf_add(&chain->out, at, len);
	return vdpr_buf_error(&chain->out);
}

/* @desc: 16 bytes; only address, length and @write count here. */
static int add_buffer(struct sim *sim, struct sim_vq *vq,
		      struct sim_chain *chain, const uint8_t *desc, bool write,
		      bool copy)
{
	uint64_t addr = vdpr_get_le64(desc);
	size_t left = vdpr_get_le32(desc + SIM_DESC_LEN);
	uint8_t perm = write ? VHOST_ACCESS_WO : VHOST_ACCESS_RO;

	/* What the device reads comes first (virtio 1.3, 2.7.4.2). */
	if (!write && chain->n_in)
		return -EPROTO;
	while (left) {
		size_t len = left;
		void *at = vdpr_sim_span(sim, vq, addr, &len, perm);
		int ret;

		if (!at)
			return -EFAULT;
		ret = add_piece(chain, at, len, write, copy);
		if (ret)
			return ret;
		addr += len;
		left -= len;
	}
	return 0;
}

/* Flags stand in different places, but mean the same. */
static uint16_t desc_flags(const struct sim *sim, const uint8_t *desc)
{
	return vdpr_get_le16(desc + (vdpr_sim_has(sim, VIRTIO_F_RING_PACKED)
					     ? SIM_DESC_PACKED_FLAGS
					     : SIM_DESC_FLAGS));
}

int vdpr_sim_chain_add(struct sim *sim, struct sim_vq *vq,
		       struct sim_chain *chain, const void *desc, bool copy)
{
	return add_buffer(sim, vq, chain, desc,
			  desc_flags(sim, desc) & VRING_DESC_F_WRITE, copy);
}

static int indirect_entry(struct sim *sim, struct sim_vq *vq,
			  struct sim_chain *chain, uint64_t iova, bool copy,
			  uint8_t entry[SIM_DESC_SIZE])
{
	const void *at =
		vdpr_sim_at(sim, vq, iova, SIM_DESC_SIZE, VHOST_ACCESS_RO);

	if (!at)
		return -EFAULT;
	memcpy(entry, at, SIM_DESC_SIZE);
	if (desc_flags(sim, entry) & VRING_DESC_F_INDIRECT)
		return -EPROTO;
	return vdpr_sim_chain_add(sim, vq, chain, entry, copy);
}

int vdpr_sim_chain_indirect(struct sim *sim, struct sim_vq *vq,
			    struct sim_chain *chain, const void *desc,
			    bool chained, bool copy)
{
	uint64_t table = vdpr_get_le64(desc);
	uint32_t len = vdpr_get_le32((const uint8_t *)desc + SIM_DESC_LEN);
	uint32_t count = len / SIM_DESC_SIZE;
	uint8_t entry[SIM_DESC_SIZE];
	uint32_t at = 0;

	if (!vdpr_sim_has(sim, VIRTIO_RING_F_INDIRECT_DESC) || !count ||
	    len % SIM_DESC_SIZE || count > INDIRECT_MAX)
		return -EPROTO;
	for (uint32_t seen = 0; seen < count; seen++) {
		int ret = indirect_entry(sim, vq, chain,
					 table + (uint64_t)at * SIM_DESC_SIZE,
					 copy, entry);

		if (ret)
			return ret;
		if (!chained) {
			at++;
			continue;
		}
		if (!(desc_flags(sim, entry) & VRING_DESC_F_NEXT))
			return 0;
		at = vdpr_get_le16(entry + SIM_DESC_NEXT);
		if (at >= count)
			return -EPROTO;
	}
	/* A chain that is longer than its table runs in a circle. */
	return chained ? -ELOOP : 0;
}

size_t vdpr_sim_chain_write(struct sim_chain *chain, size_t offset,
			    const void *data, size_t len)
{
	const uint8_t *from = data;
	size_t done = 0;

	for (size_t i = 0; i < chain->n_in && done < len; i++) {
		const struct sim_seg *seg = &chain->in[i];
		size_t n;

		if (offset >= seg->len) {
			offset -= seg->len;
			continue;
		}
		n = seg->len - offset;
		if (n > len - done)
			n = len - done;
		memcpy(seg->at + offset, from + done, n);
		done += n;
		offset = 0;
	}
	return done;
}

/* ---------------------------------------------------------------- split format */

/* A 16-bit field of avail or used ring, or NULL. */
static void *field(struct sim *sim, const struct sim_vq *vq, uint64_t area,
		   uint64_t offset, uint8_t perm)
{
	void *p = vdpr_sim_at(sim, vq, area + offset, 2, perm);

	/* The IOVA is aligned, but is the memory behind it? */
	return (uintptr_t)p % 2 ? NULL : p;
}

static int split_peek(struct sim *sim, struct sim_vq *vq)
{
	const void *idx =
		field(sim, vq, vq->driver, AVAIL_IDX, VHOST_ACCESS_RO);
	uint16_t waiting;

	if (!idx)
		return -EFAULT;
	waiting = (uint16_t)(vdpr_sim_load16(idx) - vq->avail);
	if (waiting > vdpr_sim_num(sim, vq))
		return -EPROTO;
	return waiting ? 1 : 0;
}

static int split_walk(struct sim *sim, struct sim_vq *vq,
		      struct sim_chain *chain, bool copy)
{
	uint32_t num = vdpr_sim_num(sim, vq);
	uint32_t at = chain->id;

	for (uint32_t seen = 0; seen < num; seen++) {
		const uint8_t *desc;
		uint16_t flags;
		int ret;

		if (at >= num)
			return -EPROTO;
		desc = vdpr_sim_at(sim, vq,
				   vq->desc + (uint64_t)at * SIM_DESC_SIZE,
				   SIM_DESC_SIZE, VHOST_ACCESS_RO);
		if (!desc)
			return -EFAULT;
		flags = vdpr_get_le16(desc + SIM_DESC_FLAGS);
		if (flags & VRING_DESC_F_INDIRECT)
			return vdpr_sim_chain_indirect(sim, vq, chain, desc,
						       true, copy);
		ret = vdpr_sim_chain_add(sim, vq, chain, desc, copy);
		if (ret || !(flags & VRING_DESC_F_NEXT))
			return ret;
		at = vdpr_get_le16(desc + SIM_DESC_NEXT);
	}
	return -ELOOP;
}

static int split_pop(struct sim *sim, struct sim_vq *vq,
		     struct sim_chain *chain, bool copy)
{
	uint32_t slot = vq->avail & (vdpr_sim_num(sim, vq) - 1);
	int ret = split_peek(sim, vq);
	const void *head;

	if (ret <= 0)
		return ret;
	head = vdpr_sim_at(sim, vq, vq->driver + AVAIL_RING + 2ull * slot, 2,
			   VHOST_ACCESS_RO);
	if (!head)
		return -EFAULT;
	vdpr_sim_chain_start(chain);
	chain->id = vdpr_get_le16(head);
	chain->entries = 1;
	ret = split_walk(sim, vq, chain, copy);
	if (ret)
		return ret;
	vq->avail++;
	return 1;
}

static int split_push(struct sim *sim, struct sim_vq *vq, uint16_t entries,
		      uint32_t id, uint32_t len)
{
	uint32_t slot = vq->used & (vdpr_sim_num(sim, vq) - 1);
	void *idx = field(sim, vq, vq->device, USED_IDX, VHOST_ACCESS_WO);
	uint8_t *elem = vdpr_sim_at(
		sim, vq, vq->device + USED_RING + (uint64_t)USED_ELEM * slot,
		USED_ELEM, VHOST_ACCESS_WO);

	(void)entries;
	if (!idx || !elem)
		return -EFAULT;
	vdpr_put_le32(elem, id);
	vdpr_put_le32(elem + 4, len);
	vq->used++;
	vq->unsignalled++;
	vdpr_sim_store16(idx, vq->used);
	return 0;
}

static void split_skip(struct sim *sim, struct sim_vq *vq, int entries)
{
	(void)sim;
	vq->used = (uint16_t)(vq->used + entries);
}

static int split_rearm(struct sim *sim, struct sim_vq *vq)
{
	void *event;

	if (!vdpr_sim_has(sim, VIRTIO_RING_F_EVENT_IDX))
		return split_peek(sim, vq);
	event = field(sim, vq, vq->device,
		      USED_RING + (uint64_t)USED_ELEM * vdpr_sim_num(sim, vq),
		      VHOST_ACCESS_WO);
	if (!event)
		return -EFAULT;
	vdpr_sim_store16(event, vq->avail);
	/* The driver sees our wish, or we see its buffer. */
	return split_peek(sim, vq);
}

static int split_want_call(struct sim *sim, struct sim_vq *vq)
{
	uint64_t offset = AVAIL_FLAGS;
	bool event_idx = vdpr_sim_has(sim, VIRTIO_RING_F_EVENT_IDX);
	const void *p;
	uint16_t value;

	if (event_idx)
		offset = AVAIL_RING + 2ull * vdpr_sim_num(sim, vq);
	p = field(sim, vq, vq->driver, offset, VHOST_ACCESS_RO);
	if (!p)
		return -EFAULT;
	/* The used index was stored before the driver's wish is read. */
	value = vdpr_sim_load16(p);
	if (!event_idx)
		return !(value & VRING_AVAIL_F_NO_INTERRUPT);
	return vdpr_sim_event(value, vq->used, vq->unsignalled) ? 1 : 0;
}

const struct sim_ring_ops vdpr_sim_split = {
	.pop = split_pop,
	.peek = split_peek,
	.push = split_push,
	.skip = split_skip,
	.rearm = split_rearm,
	.want_call = split_want_call,
	.initial = 0,
};
