/* SPDX-License-Identifier: MIT */
/* The control virtqueue: its memory, its commands, its notifications. */
#include "restore/cvq.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

int vdpr_cvq_new(struct vdpr_cvq **out, int call_fd)
{
	struct vdpr_cvq *cvq = calloc(1, sizeof(*cvq));
	int ret;

	if (!cvq)
		return -ENOMEM;
	cvq->mem = VDPR_MEM_INIT;
	cvq->data = VDPR_MEM_INIT;
	cvq->call_fd = -1;
	cvq->config_fd = -1;
	cvq->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (cvq->kick_fd >= 0)
		cvq->config_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* The last, so that a failure leaves the caller its own. */
	if (cvq->config_fd >= 0)
		cvq->call_fd = call_fd >= 0
				       ? call_fd
				       : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (cvq->call_fd < 0) {
		ret = -errno;
		vdpr_cvq_free(cvq);
		return ret;
	}
	*out = cvq;
	return 0;
}

/* Sizes of the room to relay, each a multiple of a cache line. */
static const size_t relay_out_len =
	(size_t)VDPR_RELAY_SHORT * VDPR_RELAY_SHORT_OUT + VDPR_RELAY_LONG_OUT;
static const size_t relay_in_len =
	(size_t)VDPR_RELAY_SHORT * VDPR_RELAY_SHORT_IN + VDPR_RELAY_LONG_IN;

static struct vdpr_cvq_room room_of(const struct vdpr_cvq_slot *slot,
				    size_t n_slots)
{
	struct vdpr_cvq_room room = { 0, 0 };

	if (n_slots) {
		room.out = (size_t)slot[n_slots - 1].out +
			   slot[n_slots - 1].out_len;
		room.in =
			(size_t)slot[n_slots - 1].in + slot[n_slots - 1].in_len;
	}
	return room;
}

int vdpr_cvq_layout(struct vdpr_cvq *cvq, const struct vdpr_ring_format *format,
		    uint16_t num, struct vdpr_cvq_slot *slot, size_t n_slots,
		    const struct vdpr_cvq_room *spare, bool relay)
{
	const struct vdpr_ring_ops *ops = format->ops;
	size_t out_at = vdpr_align_up(ops->ro_size(num, format->indirect), 16);
	size_t in_at = vdpr_align_up(ops->rw_size(num), 16);
	struct vdpr_cvq_room room = room_of(slot, n_slots);
	struct vdpr_ring_slot *ring_slot;
	size_t answers = room.in;
	int ret;

	ring_slot = reallocarray(cvq->ring_slot, num, sizeof(*ring_slot));
	if (!ring_slot)
		return -ENOMEM;
	cvq->ring_slot = ring_slot;
	if (spare) {
		room.out += spare->out;
		room.in += spare->in;
	}
	/* Behind the restore's own, so that without it nothing moves. */
	room.out = vdpr_align_up(room.out, 64);
	room.in = vdpr_align_up(room.in, 64);
	ret = vdpr_mem_alloc(&cvq->mem,
			     out_at + room.out + (relay ? relay_out_len : 0),
			     in_at + room.in + (relay ? relay_in_len : 0));
	if (ret)
		return ret;
	cvq->num = num;
	cvq->slot = slot;
	cvq->n_slots = n_slots;
	cvq->room = room;
	cvq->out = cvq->mem.base + out_at;
	cvq->in = cvq->mem.base + cvq->mem.ro_len + in_at;
	memset(cvq->in, VDPR_ACK_PENDING, answers);
	if (relay)
		cvq->relay = (struct vdpr_cvq_relay){ cvq->out + room.out,
						      cvq->in + room.in };
	return 0;
}

int vdpr_cvq_replace(struct vdpr_cvq *cvq, struct vdpr_cvq_slot *slot,
		     size_t n_slots, size_t keep)
{
	struct vdpr_cvq_room room = room_of(slot, n_slots);

	if (room.out > cvq->room.out || room.in > cvq->room.in)
		return -ENOSPC;
	if (n_slots > keep)
		memset(cvq->in + slot[keep].in, VDPR_ACK_PENDING,
		       room.in - slot[keep].in);
	free(cvq->slot);
	cvq->slot = slot;
	cvq->n_slots = n_slots;
	return 0;
}

void vdpr_cvq_start(struct vdpr_cvq *cvq, const struct vdpr_ring_format *format)
{
	const struct vdpr_ring_mem mem = {
		.ro = cvq->mem.base,
		.rw = cvq->mem.base + cvq->mem.ro_len,
		.ro_iova = cvq->mem.iova,
		.slot = cvq->ring_slot,
	};

	vdpr_ring_init(&cvq->ring, format, cvq->num, &mem);
}

/*
 * What a doorbell is told (virtio 1.3, 2.9 and 4.1.5.2): the queue in 16 bits, or
 * with notification data the queue and how far the driver has got in 32.
 */
void vdpr_cvq_ring_doorbell(struct vdpr_cvq *cvq)
{
	const struct vdpr_ring *ring = &cvq->ring;
	uint32_t next_off = ring->format.ops->next_off(ring);
	uint32_t data;
	uint16_t queue;

	vdpr_put_le32(&data, cvq->index | next_off << 16);
	vdpr_put_le16(&queue, (uint16_t)cvq->index);
	/* Plain stores behind the ring's own: a page of device memory must not see
	 * a locked read-modify-write. */
	if (cvq->notify_data)
		__atomic_store_n((uint32_t *)cvq->doorbell, data,
				 __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint16_t *)cvq->doorbell, queue,
				 __ATOMIC_RELEASE);
}

size_t vdpr_cvq_post(struct vdpr_cvq *cvq, size_t next, size_t end)
{
	const uint64_t out = vdpr_mem_iova(&cvq->mem, cvq->out);
	const uint64_t in = vdpr_mem_iova(&cvq->mem, cvq->in);

	for (; next < end; next++) {
		const struct vdpr_cvq_slot *slot = &cvq->slot[next];
		const struct vdpr_ring_buf buf = {
			.out = out + slot->out,
			.out_len = slot->out_len,
			.in = in + slot->in,
			.in_len = slot->in_len,
		};

		if (vdpr_ring_add(&cvq->ring, &buf, (uint32_t)next))
			break;
	}
	return next;
}

bool vdpr_eventfd_take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

void vdpr_cvq_free(struct vdpr_cvq *cvq)
{
	if (!cvq)
		return;
	if (cvq->doorbell)
		munmap(cvq->doorbell, (size_t)sysconf(_SC_PAGESIZE));
	vdpr_mem_free(&cvq->mem);
	vdpr_mem_free(&cvq->data);
	vdpr_close_fd(cvq->kick_fd);
	vdpr_close_fd(cvq->call_fd);
	vdpr_close_fd(cvq->config_fd);
	for (size_t i = 0; i < cvq->n_fds; i++)
		vdpr_close_fd(cvq->fds[i]);
	free(cvq->fds);
	free(cvq->queues);
	free(cvq->ring_slot);
	free(cvq->slot);
	free(cvq);
}

void vdpr_dev_drop_cvq(struct vdpr_dev *dev)
{
	struct vdpr_cvq *cvq = dev->cvq;

	if (!cvq)
		return;
	/* Failures are left to the close of the device: nothing else can help. */
	if (cvq->config_set)
		vdpr_dev_set_config_call(dev, -1);
	for (size_t i = 0; i < cvq->n_queues; i++) {
		vdpr_dev_vring_fd(dev, VHOST_SET_VRING_KICK, cvq->queues[i],
				  -1);
		vdpr_dev_vring_fd(dev, VHOST_SET_VRING_CALL, cvq->queues[i],
				  -1);
	}
	/* Memory that is still in the IOTLB stays: better leaked than reused. */
	if (vdpr_mem_unmap(&cvq->mem, dev))
		cvq->mem = VDPR_MEM_INIT;
	if (vdpr_mem_unmap(&cvq->data, dev))
		cvq->data = VDPR_MEM_INIT;
	vdpr_cvq_free(cvq);
	dev->cvq = NULL;
	dev->cvqs_dropped++;
}
