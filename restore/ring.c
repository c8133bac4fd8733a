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
	ring->chain = format->indirect ? 1 : 2;
	ring->capacity = num / ring->chain;
	format->ops->init(ring);
	ring->n_free = ring->capacity;
	for (uint16_t i = 0; i < ring->capacity; i++)
		ring->free_slot[i] = (uint8_t)i;
}

int vdpr_ring_add(struct vdpr_ring *ring, const struct vdpr_ring_buf *buf,
		  uint32_t token)
{
	uint8_t slot;

	if (!ring->n_free)
		return -ENOSPC;
	slot = ring->free_slot[ring->free_head++];
	ring->n_free--;
	ring->outstanding++;
	ring->token[slot] = token;
	ring->in_len[slot] = buf->in_len;
	ring->busy[slot] = true;
	ring->format.ops->add(ring, buf, slot);
	return 0;
}

void vdpr_ring_show(struct vdpr_ring *ring)
{
	ring->format.ops->show(ring);
}

bool vdpr_ring_wants_kick(struct vdpr_ring *ring)
{
	return ring->format.ops->wants_kick(ring);
}

bool vdpr_ring_publish(struct vdpr_ring *ring)
{
	vdpr_ring_show(ring);
	return vdpr_ring_wants_kick(ring);
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

void vdpr_ring_disarm(struct vdpr_ring *ring)
{
	if (ring->format.event_idx)
		ring->format.ops->disarm(ring);
}

/* The slot is free again; its turn comes after those that are free already. */
static uint32_t finish_slot(struct vdpr_ring *ring, uint16_t slot)
{
	ring->busy[slot] = false;
	ring->free_slot[(uint8_t)(ring->free_head + ring->n_free)] =
		(uint8_t)slot;
	ring->n_free++;
	ring->outstanding--;
	return ring->token[slot];
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
		used[count].len = --ring->batch ? ring->in_len[slot]
						: ring->batch_len;
		used[count++].token = finish_slot(ring, slot);
		if (++ring->oldest == ring->capacity)
			ring->oldest = 0;
	}
	return (int)count;
}

int vdpr_ring_take(struct vdpr_ring *ring, struct vdpr_ring_used *used,
		   unsigned int max)
{
	unsigned int count = 0;

	if (ring->format.in_order)
		return take_in_order(ring, used, max);
	while (count < max) {
		uint16_t slot;
		int ret = next_used(ring, &slot, &used[count].len);

		if (ret <= 0)
			return count ? (int)count : ret;
		used[count++].token = finish_slot(ring, slot);
	}
	return (int)count;
}
