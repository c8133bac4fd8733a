/* SPDX-License-Identifier: MIT */
/* The device and the memory of the traffic test, shared by its two orders. */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "include/vdpa-restore.h"
#include "restore/uapi.h"

/* Layout of the one area that device and program share. */
enum {
	PAIRS = 4,
	DATA_QUEUES = 2 * PAIRS,
	CVQ = DATA_QUEUES, /* behind all pairs of the device */
	RINGS = DATA_QUEUES + 1,
	RING_NUM = 256,
	CVQ_NUM = 64,
	BUFFER_LEN = 2048,
	HEADER_LEN = 12, /* struct virtio_net_hdr_v1 */
	AVAIL_AT = 4096,
	USED_AT = 8192,
	RING_LEN = 12288,
	BUFFERS_AT = RINGS * RING_LEN,
	COMMAND_AT = BUFFERS_AT + PAIRS * RING_NUM * BUFFER_LEN,
	COMMAND_LEN = 65536, /* the last byte of it is the ack */
	AREA_LEN = COMMAND_AT + COMMAND_LEN,
};

#define AREA_IOVA 0x10000000ull

/* A split ring, as the driver's side sees it. */
struct ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t posted, seen;
	int kick, call;
};

struct traffic_dev {
	int fd;
	uint64_t backend; /* acknowledged backend features */
	uint8_t *area;
	struct ring ring[RINGS];
};
extern struct traffic_dev dev;

/** need() - ends the program with @what and errno unless @good. */
void need(bool good, const char *what);

/** library() - ends the program with the library's message if @ret is not 0. */
void library(struct vdpr_ctx *ctx, int ret);

/** now() - CLOCK_MONOTONIC in seconds. */
double now(void);

/** open_device() - open, own, acknowledge, map: all but the restore itself. */
void open_device(const char *path);

/** post() - make a descriptor chain available in a ring of @num entries. */
void post(struct ring *ring, unsigned int num, uint16_t head);

/** kick() - ring the doorbell. */
void kick(const struct ring *ring);

/** data_ring() - where a ring is (any but its size holds for the CVQ too). */
struct vdpr_vring data_ring(uint32_t index);

/** restore_naively() - the wrong order, by system calls alone. */
void restore_naively(struct vdpr_ctx *ctx, const struct vdpr_state *state);

#endif
