/* SPDX-License-Identifier: MIT */
/* What the ring formats share: slots, tokens and what is outstanding. */
#include "restore/ring.h"

#include <errno.h>
#include <string.h>

void vdpr_ring_init(struct vdpr_ring *ring, const struct vdpr_ring_ops *ops,
		    uint16_t num, void *ro, void *rw, bool event_idx)
{
	memset(ring, 0, sizeof(*ring));
	ring->ops = ops;
	ring->num = num;
	ring->event_idx = event_idx;
	ring->ro = ro;
	ring->rw = rw;
	ring->capacity = num / 2;
	ops->init(ring);
	/* Slot 0 is taken first: a fresh ring is filled in ascending order. */
	ring->n_free = ring->capacity;
	for (uint16_t i = 0; i < ring->capacity; i++)
		ring->free_slot[i] = (uint16_t)(ring->capacity - 1 - i);
}

int vdpr_ring_add(struct vdpr_ring *ring, const struct vdpr_ring_buf *buf,
		  uint32_t token)
{
	uint16_t slot;

	if (!ring->n_free)
		return -ENOSPC;
	slot = ring->free_slot[--ring->n_free];
	ring->token[slot] = token;
	ring->busy[slot] = true;
	ring->outstanding++;
	ring->ops->add(ring, buf, slot);
	return 0;
}

bool vdpr_ring_publish(struct vdpr_ring *ring)
{
	return ring->ops->publish(ring);
}

int vdpr_ring_next_used(struct vdpr_ring *ring, uint32_t *token, uint32_t *len)
{
	uint16_t slot = 0;
	int ret = ring->ops->next_used(ring, &slot, len);

	if (ret <= 0)
		return ret;
	if (slot >= ring->capacity || !ring->busy[slot]) {
		ring->fault = "used a buffer that is not outstanding";
		return -EPROTO;
	}
	ring->busy[slot] = false;
	ring->free_slot[ring->n_free++] = slot;
	ring->outstanding--;
	*token = ring->token[slot];
	return 1;
}
