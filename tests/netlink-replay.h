/* SPDX-License-Identifier: MIT */
/* Netlink answers recorded from real kernels, played back. */
#ifndef TESTS_NETLINK_REPLAY_H
#define TESTS_NETLINK_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#define REPLAY_PACKETS 8

struct packet {
	unsigned char *data;
	size_t len;
};

struct answer {
	struct packet packet[REPLAY_PACKETS];
	size_t n;
};

/* What a kernel answered to the request of that name, out of
 * tests/data/netlink/KIND-KERNEL.txt; freed with replay_forget(). */
struct answer replay_read(const char *kind, const char *kernel,
			  const char *name);

void replay_forget(struct answer *a);

/* Sends a packet, each message of it numbered @seq. */
void replay_send(int fd, const struct packet *p, uint32_t seq);

/* replay_messages() - every message of a recording, in memory of its own size, so
 * that a sanitizer sees the first byte that is read beyond it. */
void replay_messages(const char *kind, const char *kernel, const char *name,
		     void (*fn)(struct packet *message));

/* Each byte behind the header in turn, set to several values. */
void replay_twist(struct packet *message, int (*fn)(struct nlmsghdr *h));

/* A copy of the first @len bytes that says it is so long; freed by the caller. */
struct nlmsghdr *replay_cut(const struct packet *message, size_t len);

static inline struct nlmsghdr *replay_header(const struct packet *p)
{
	return (struct nlmsghdr *)(void *)p->data;
}

#endif
