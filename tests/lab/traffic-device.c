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

void post(struct ring *ring, unsigned int num, uint16_t head)
{
	ring->avail->ring[ring->posted++ % num] = head;
	__atomic_store_n(&ring->avail->idx, ring->posted, __ATOMIC_RELEASE);
}

/* One descriptor, one buffer, for good. */
static void fill_receive_ring(int pair)
{
	struct ring *ring = &dev.ring[2 * pair];

	for (int i = 0; i < RING_NUM; i++) {
		ring->desc[i].addr =
			AREA_IOVA + BUFFERS_AT +
			(uint64_t)(pair * RING_NUM + i) * BUFFER_LEN;
		ring->desc[i].len = BUFFER_LEN;
		ring->desc[i].flags = VRING_DESC_F_WRITE;
		post(ring, RING_NUM, (uint16_t)i);
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
	for (int i = 0; i < PAIRS; i++)
		fill_receive_ring(i);
}

struct vdpr_vring data_ring(uint32_t index)
{
	struct vdpr_vring vring = VDPR_INIT(struct vdpr_vring);
	uint64_t at = AREA_IOVA + (uint64_t)index * RING_LEN;

	vring.index = index;
	vring.num = RING_NUM;
	vring.desc = at;
	vring.driver = at + AVAIL_AT;
	vring.device = at + USED_AT;
	vring.kick_fd = dev.ring[index].kick;
	vring.call_fd = dev.ring[index].call;
	return vring;
}
