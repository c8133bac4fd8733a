/* SPDX-License-Identifier: MIT */
/* The device and the memory of the traffic test: a VMM's side of them. */
#include "tests/lab/traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct traffic_dev dev;

void need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

void library(struct vdpr_ctx *ctx, int ret)
{
	if (!ret)
		return;
	fprintf(stderr, "traffic: %s\n", vdpr_ctx_error(ctx));
	exit(1);
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void map_area(void)
{
	struct vhost_msg_v2 message = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = { .iova = AREA_IOVA,
			   .size = AREA_LEN,
			   .perm = VHOST_ACCESS_RW,
			   .type = VHOST_IOTLB_UPDATE },
	};
	int memory = memfd_create("traffic", MFD_CLOEXEC);

	need(memory >= 0 && !ftruncate(memory, AREA_LEN), "memfd");
	dev.area = mmap(NULL, AREA_LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
			memory, 0);
	need(dev.area != MAP_FAILED, "mmap");
	close(memory);
	message.iotlb.uaddr = (uintptr_t)dev.area;
	need(write(dev.fd, &message, sizeof(message)) == sizeof(message),
	     "IOTLB update");
}

static void init_rings(void)
{
	for (int i = 0; i < RINGS; i++) {
		struct ring *ring = &dev.ring[i];
		uint8_t *at = dev.area + i * RING_LEN;

		ring->desc = (void *)at;
		ring->avail = (void *)(at + AVAIL_AT);
		ring->used = (void *)(at + USED_AT);
		ring->num = i == CVQ ? CVQ_NUM : RING_NUM;
		ring->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ring->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		need(ring->kick >= 0 && ring->call >= 0, "eventfd");
	}
}

void kick(const struct ring *ring)
{
	uint64_t one = 1;

	need(write(ring->kick, &one, sizeof(one)) == sizeof(one), "kick");
}

static void post_split(struct ring *ring, uint16_t id, const struct part *part,
		       int count)
{
	for (int i = 0; i < count; i++) {
		struct vring_desc *desc = &ring->desc[id + i];

		desc->addr = part[i].iova;
		desc->len = part[i].len;
		desc->flags = (part[i].write ? VRING_DESC_F_WRITE : 0) |
			      (i + 1 < count ? VRING_DESC_F_NEXT : 0);
		desc->next = (uint16_t)(id + i + 1);
	}
	ring->avail->ring[ring->posted++ % ring->num] = id;
	__atomic_store_n(&ring->avail->idx, ring->posted, __ATOMIC_RELEASE);
}

static uint16_t avail_flags(bool wrap)
{
	return (uint16_t)(1u << (wrap ? VRING_PACKED_DESC_F_AVAIL
				      : VRING_PACKED_DESC_F_USED));
}

static void step(const struct ring *ring, uint16_t *place, bool *wrap)
{
	if (++*place < ring->num)
		return;
	*place = 0;
	*wrap = !*wrap;
}

/* The flags of the first are written last: they show the whole chain. */
static void post_packed(struct ring *ring, uint16_t id, const struct part *part,
			int count)
{
	struct vring_packed_desc *head = &ring->packed[ring->posted];
	uint16_t head_flags = 0;

	for (int i = 0; i < count; i++) {
		struct vring_packed_desc *desc = &ring->packed[ring->posted];
		uint16_t flags = avail_flags(ring->posted_wrap);

		flags |= part[i].write ? VRING_DESC_F_WRITE : 0;
		flags |= i + 1 < count ? VRING_DESC_F_NEXT : 0;
		desc->addr = part[i].iova;
		desc->len = part[i].len;
		desc->id = id;
		if (desc == head)
			head_flags = flags;
		else
			desc->flags = flags;
		step(ring, &ring->posted, &ring->posted_wrap);
	}
	__atomic_store_n(&head->flags, head_flags, __ATOMIC_RELEASE);
}

void post(struct ring *ring, uint16_t id, const struct part *part, int count)
{
	if (dev.packed)
		post_packed(ring, id, part, count);
	else
		post_split(ring, id, part, count);
}

static bool take_split(struct ring *ring, uint16_t *id, uint32_t *len)
{
	uint16_t end = __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE);
	const struct vring_used_elem *elem;

	if (ring->seen == end)
		return false;
	need((uint16_t)(end - ring->seen) <= ring->num, "used index runs away");
	elem = &ring->used->ring[ring->seen++ % ring->num];
	need(elem->id < ring->num, "bad used element");
	*id = (uint16_t)elem->id;
	*len = elem->len;
	return true;
}

static bool take_packed(struct ring *ring, int count, uint16_t *id,
			uint32_t *len)
{
	const struct vring_packed_desc *desc = &ring->packed[ring->seen];
	uint16_t flags = __atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE);
	bool avail = flags & 1u << VRING_PACKED_DESC_F_AVAIL;
	bool used = flags & 1u << VRING_PACKED_DESC_F_USED;

	if (avail != used || used != ring->seen_wrap)
		return false;
	need(desc->id < ring->num, "bad used descriptor");
	*id = desc->id;
	*len = desc->len;
	while (count--)
		step(ring, &ring->seen, &ring->seen_wrap);
	return true;
}

bool take(struct ring *ring, int count, uint16_t *id, uint32_t *len)
{
	return dev.packed ? take_packed(ring, count, id, len)
			  : take_split(ring, id, len);
}

struct part receive_buffer(int pair, uint16_t id)
{
	return (struct part){
		.iova = AREA_IOVA + BUFFERS_AT +
			((uint64_t)pair * RING_NUM + id) * BUFFER_LEN,
		.len = BUFFER_LEN,
		.write = true,
	};
}

static void fill_receive_ring(int pair)
{
	for (uint16_t i = 0; i < RING_NUM; i++) {
		const struct part part = receive_buffer(pair, i);

		post(&dev.ring[2 * pair], i, &part, 1);
	}
}

void fresh_rings(int first, int end)
{
	for (int i = first; i < end; i++) {
		struct ring *ring = &dev.ring[i];

		memset(dev.area + (size_t)i * RING_LEN, 0, RING_LEN);
		ring->posted = ring->seen = 0;
		ring->posted_wrap = ring->seen_wrap = true;
		if (i < DATA_QUEUES && i % 2 == 0)
			fill_receive_ring(i / 2);
	}
}

/* Ownership and our mappings come before the library's part: mappings outlive
 * everything but a reset, and it resets only what is not at reset. */
void open_device(const char *path)
{
	uint64_t offered;

	dev.fd = open(path, O_RDWR | O_CLOEXEC);
	need(dev.fd >= 0, path);
	need(!ioctl(dev.fd, VHOST_SET_OWNER), "SET_OWNER");
	need(!ioctl(dev.fd, VHOST_GET_BACKEND_FEATURES, &offered),
	     "GET_BACKEND_FEATURES");
	dev.backend = offered & (1ull << VHOST_BACKEND_F_IOTLB_MSG_V2 |
				 1ull << VHOST_BACKEND_F_IOTLB_ASID);
	need(!ioctl(dev.fd, VHOST_SET_BACKEND_FEATURES, &dev.backend),
	     "SET_BACKEND_FEATURES");
	map_area();
	init_rings();
	fresh_rings(0, RINGS);
}

struct vdpr_vring data_ring(uint32_t index)
{
	struct vdpr_vring vring = VDPR_INIT(struct vdpr_vring);
	uint64_t at = AREA_IOVA + (uint64_t)index * RING_LEN;

	vring.index = index;
	vring.num = RING_NUM;
	/* Packed: both places 0, both wrap counters 1. */
	vring.base = dev.packed ? 0x80008000 : 0;
	vring.desc = at;
	vring.driver = at + AVAIL_AT;
	vring.device = at + USED_AT;
	vring.kick_fd = dev.ring[index].kick;
	vring.call_fd = dev.ring[index].call;
	return vring;
}
