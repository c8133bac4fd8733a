/* SPDX-License-Identifier: MIT */
/* What the ring formats share: slots, tokens, order and what is outstanding. */
#include "restore/ring.h"

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
	ring->slot = mem->slot;
	ring->chain = format->indirect ? 1 : 2;
	ring->capacity = num / ring->chain;
	ring->n_free = ring->capacity;
	if (format->ops->init)
		format->ops->init(ring);
}

uint8_t vdpr_ring_fresh_slot(struct vdpr_ring *ring)
{
	uint8_t slot = (uint8_t)ring->fresh++;

	if (ring->format.ops->prepare)
		ring->format.ops->prepare(ring, slot);
	return slot;
}

/* The slot is free again; its turn comes after those that are free already. */
static uint32_t finish_slot(struct vdpr_ring *ring, uint16_t slot)
{
	ring->busy[slot] = false;
	ring->free_slot[(uint8_t)(ring->free_head + ring->n_free)] =
		(uint8_t)slot;
	ring->n_free++;
	ring->outstanding--;
	return ring->slot[slot].token;
}

/* The next used buffer, of a slot that is outstanding. Return: 1, 0, -EPROTO. */
static int next_used(struct vdpr_ring *ring, uint16_t *slot, uint32_t *len)
{
	int ret = ring->format.ops->next_used(ring, slot, len);

	if (ret <= 0)
		return ret;
	if (*slot < ring->capacity && ring->busy[*slot])
		return 1;
	ring->fault = "used a buffer that is not outstanding";
	return -EPROTO;
}

/*
 * With IN_ORDER one used entry may stand for all commands up to the one that it
 * names; those without an entry of their own count as written whole (2.7.9).
 */
static int begin_batch(struct vdpr_ring *ring)
{
	uint16_t slot;
	int ret = next_used(ring, &slot, &ring->batch_len);

	if (ret > 0)
		ring->batch =
			(uint16_t)((slot + ring->capacity - ring->oldest) %
					   ring->capacity +
				   1);
	return ret;
}

static int take_in_order(struct vdpr_ring *ring, struct vdpr_ring_used *used,
			 unsigned int max)
{
	unsigned int count = 0;
	int ret;

	while (count < max) {
		uint16_t slot = ring->oldest;

		if (ring->batch) {
			ring->format.ops->skip_used(ring);
		} else {
			ret = begin_batch(ring);
			if (ret <= 0)
				return count ? (int)count : ret;
		}
		used[count].len = --ring->batch ? ring->slot[slot].in_len
						: ring->batch_len;
		used[count++].token = finish_slot(ring, slot);
		if (++ring->oldest == ring->capacity)
			ring->oldest = 0;
	}
	return (int)count;
}

static int take_any(struct vdpr_ring *ring, struct vdpr_ring_used *used)
{
	uint16_t slot;
	int ret = next_used(ring, &slot, &used->len);

	if (ret > 0)
		used->token = finish_slot(ring, slot);
	return ret;
}

int vdpr_ring_take_one(struct vdpr_ring *ring, struct vdpr_ring_used *used)
{
	return ring->format.in_order ? take_in_order(ring, used, 1)
				     : take_any(ring, used);
}

int vdpr_ring_take(struct vdpr_ring *ring, struct vdpr_ring_used *used,
		   unsigned int max)
{
	unsigned int count = 0;

	if (ring->format.in_order)
		return take_in_order(ring, used, max);
	while (count < max) {
		int ret = take_any(ring, &used[count]);

		if (ret <= 0)
			return count ? (int)count : ret;
		count++;
	}
	return (int)count;
}
