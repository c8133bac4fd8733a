/* SPDX-License-Identifier: MIT */
/* What the ring formats share: slots, tokens, order and what is outstanding. */
#include "restore/ring.h"

#include <errno.h>
#include <string.h>

void vdpr_ring_init(struct vdpr_ring *ring,
		    const struct vdpr_ring_format *format, uint16_t num,
		    const struct vdpr_ring_mem *mem)
{
	memset(ring, 0, sizeof(*ring));
	ring->format = *format;
	ring->num = num;
	ring->ro = mem->ro;
	ring->rw = mem->rw;
	ring->ro_iova = mem->ro_iova;
	ring->capacity = num / vdpr_ring_chain(ring);
	format->ops->init(ring);
	ring->n_free = ring->capacity;
	for (uint16_t i = 0; i < ring->capacity; i++)
		ring->free_slot[i] = i;
}

static uint16_t take_slot(struct vdpr_ring *ring)
{
	uint16_t slot = ring->free_slot[ring->free_head];

	if (++ring->free_head == ring->capacity)
		ring->free_head = 0;
	ring->n_free--;
	return slot;
}

static void give_slot(struct vdpr_ring *ring, uint16_t slot)
{
	unsigned int tail = (unsigned int)ring->free_head + ring->n_free;

	if (tail >= ring->capacity)
		tail -= ring->capacity;
	ring->free_slot[tail] = slot;
	ring->n_free++;
}

int vdpr_ring_add(struct vdpr_ring *ring, const struct vdpr_ring_buf *buf,
		  uint32_t token)
{
	uint16_t slot;

	if (!ring->n_free)
		return -ENOSPC;
	slot = take_slot(ring);
	ring->token[slot] = token;
	ring->in_len[slot] = buf->in_len;
	ring->busy[slot] = true;
	ring->outstanding++;
	ring->format.ops->add(ring, buf, slot);
	return 0;
}

bool vdpr_ring_publish(struct vdpr_ring *ring)
{
	return ring->format.ops->publish(ring);
}

bool vdpr_ring_spares_kick(struct vdpr_ring *ring, uint16_t more)
{
	return ring->format.ops->spares_kick(ring, more);
}

void vdpr_ring_arm(struct vdpr_ring *ring, uint16_t count)
{
	if (ring->format.event_idx && count)
		ring->format.ops->arm(ring, count);
}

static int finish_slot(struct vdpr_ring *ring, uint16_t slot, uint32_t *token)
{
	ring->busy[slot] = false;
	give_slot(ring, slot);
	ring->outstanding--;
	if (++ring->oldest == ring->capacity)
		ring->oldest = 0;
	ring->format.ops->skip_used(ring);
	*token = ring->token[slot];
	return 1;
}

/*
 * With IN_ORDER one used entry may stand for all commands up to the one that it
 * names; those without an entry of their own count as written whole (2.7.9).
 */
static int next_in_order(struct vdpr_ring *ring, uint16_t slot, uint32_t *token,
			 uint32_t *len)
{
	unsigned int ahead = (unsigned int)slot + ring->capacity - ring->oldest;

	if (!ring->batch) {
		ring->batch = (uint16_t)(ahead % ring->capacity + 1);
		ring->batch_len = *len;
	}
	slot = ring->oldest;
	*len = --ring->batch ? ring->in_len[slot] : ring->batch_len;
	return finish_slot(ring, slot, token);
}

int vdpr_ring_next_used(struct vdpr_ring *ring, uint32_t *token, uint32_t *len)
{
	uint16_t slot = 0;
	int ret;

	if (ring->batch)
		return next_in_order(ring, 0, token, len);
	ret = ring->format.ops->next_used(ring, &slot, len);
	if (ret <= 0)
		return ret;
	if (slot >= ring->capacity || !ring->busy[slot]) {
		ring->fault = "used a buffer that is not outstanding";
		return -EPROTO;
	}
	if (ring->format.in_order)
		return next_in_order(ring, slot, token, len);
	return finish_slot(ring, slot, token);
}
