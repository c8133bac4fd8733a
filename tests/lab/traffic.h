/* SPDX-License-Identifier: MIT */
/* The device and the memory of the traffic test, shared by its two orders. */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "include/vdpa-restore.h"
#include "restore/uapi.h"
#include "tests/lab/traffic-rss.h"

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

/* A ring as the driver's side sees it, split or packed by dev.packed. */
struct ring {
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed;
	};
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t num;
	uint16_t posted, seen; /* free running; packed: places in the ring */
	bool posted_wrap, seen_wrap;
	int kick, call;
};

/* A part of what is posted. */
struct part {
	uint64_t iova;
	uint32_t len;
	bool write; /* by the device */
};

struct traffic_dev {
	int fd;
	uint64_t backend; /* acknowledged backend features */
	bool packed;	  /* the guest has negotiated packed rings */
	uint8_t *area;
	struct ring ring[RINGS];
};
extern struct traffic_dev dev;

/* What the receive queues got. */
struct traffic_seen {
	uint64_t go; /* frames below this were sent before the restore */
	unsigned long frames, strays, early, foreign, per_queue[PAIRS];
	unsigned long unjudged;		 /* while no RSS was in force */
	unsigned long first_at, last_at; /* strays, counted from 1 */
	uint64_t first_number;
	int first_queue, first_expected;
};
extern struct traffic_seen seen;

/** receive_some() - take what the device has used and post it again.
 * @rss: where each frame belongs; NULL: not to be judged.
 */
void receive_some(const struct rss_model *rss);

/** need() - ends the program with @what and errno unless @good. */
void need(bool good, const char *what);

/** library() - ends the program with the library's message if @ret is not 0. */
void library(struct vdpr_ctx *ctx, int ret);

/** now() - CLOCK_MONOTONIC in seconds. */
double now(void);

/** open_device() - open, own, acknowledge, map: all but the restore itself. */
void open_device(const char *path);

/** fresh_rings() - rings @first to @end - 1 as a driver that was just loaded makes
 * them. */
void fresh_rings(int first, int end);

/** post() - make a chain of parts available.
 * @id: split: of the first descriptor, the others follow it; packed: given back.
 */
void post(struct ring *ring, uint16_t id, const struct part *part, int count);

/** take() - the next that the device has used, of chains of @count parts. */
bool take(struct ring *ring, int count, uint16_t *id, uint32_t *len);

/** receive_buffer() - one of a pair's buffers, as it is posted. */
struct part receive_buffer(int pair, uint16_t id);

/** kick() - ring the doorbell. */
void kick(const struct ring *ring);

/** data_ring() - where a ring is (any but its size holds for the CVQ too). */
struct vdpr_vring data_ring(uint32_t index);

/** restore_naively() - the wrong order, by system calls alone. */
void restore_naively(struct vdpr_ctx *ctx, const struct vdpr_state *state);

#endif
