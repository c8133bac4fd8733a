/* SPDX-License-Identifier: MIT */
/* Where the guest wants a frame: RSS computed from its state file. */
#ifndef TRAFFIC_RSS_H
#define TRAFFIC_RSS_H

#include <stddef.h>
#include <stdint.h>

/* What a state file says about receive-side scaling, read without the library:
 * a fault of its reader or its encoder must not be expected as well. */
struct rss_model {
	uint32_t hash_types; /* VIRTIO_NET_RSS_HASH_TYPE_* */
	uint16_t unclassified;
	uint16_t table[128];
	size_t table_len; /* a power of two */
	uint8_t key[40];
};

/* What every frame of the test ends with: this, then its number. */
#define FRAME_MAGIC "vdprlab!"
#define FRAME_TAIL 16

/**
 * rss_read() - take the "rss" section from a state file.
 * @text: JSON, ends in NUL.
 * Return: 0, or -1 if it has none that this program can use.
 */
int rss_read(const char *text, struct rss_model *out);

/**
 * rss_queue() - the queue pair that a frame belongs to.
 * @frame: Ethernet, @len bytes.
 * @number: the number that the sender gave it (big-endian in its last 8 bytes).
 * Return: 0.., or -1 for a frame that is not the test's.
 */
int rss_queue(const struct rss_model *rss, const uint8_t *frame, size_t len,
	      uint64_t *number);

/**
 * rss_selftest() - the hash against the published vectors for RSS.
 * Return: 0, or -1 if one comes out wrong.
 */
int rss_selftest(void);

#endif
