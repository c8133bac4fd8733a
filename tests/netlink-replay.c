/* SPDX-License-Identifier: MIT */
/* Netlink answers recorded from real kernels, played back. */
#include "tests/netlink-replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct packet unhex(const char *text)
{
	struct packet p = { .data = malloc(strlen(text) / 2 + 1) };
	unsigned int byte;

	assert_non_null(p.data);
	for (; sscanf(text, "%2x", &byte) == 1; text += 2)
		p.data[p.len++] = (unsigned char)byte;
	return p;
}

struct answer replay_read(const char *kind, const char *kernel,
			  const char *name)
{
	char path[64];
	struct answer a = { .n = 0 };
	bool here = false;
	char *line = NULL;
	size_t room = 0;
	FILE *file;

	snprintf(path, sizeof(path), "tests/data/netlink/%s-%s.txt", kind,
		 kernel);
	file = fopen(path, "r");
	assert_non_null(file);
	while (getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (*line == '>')
			here = !strcmp(line + 2, name);
		else if (here && a.n < REPLAY_PACKETS)
			a.packet[a.n++] = unhex(line);
	}
	free(line);
	fclose(file);
	assert_true(a.n > 0);
	return a;
}

void replay_forget(struct answer *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->packet[i].data);
	a->n = 0;
}

/* The message at @at, or NULL. */
static struct nlmsghdr *message_at(const struct packet *p, size_t at)
{
	struct nlmsghdr *h = (void *)(p->data + at);

	if (at + sizeof(*h) > p->len || h->nlmsg_len < sizeof(*h) ||
	    h->nlmsg_len > p->len - at)
		return NULL;
	return h;
}

static size_t align4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

void replay_send(int fd, const struct packet *p, uint32_t seq)
{
	struct nlmsghdr *h;

	for (size_t at = 0; (h = message_at(p, at)); at += align4(h->nlmsg_len))
		h->nlmsg_seq = seq;
	assert_int_equal(send(fd, p->data, p->len, 0), p->len);
}

struct nlmsghdr *replay_cut(const struct packet *message, size_t len)
{
	struct nlmsghdr *h = malloc(len);

	assert_non_null(h);
	memcpy(h, message->data, len);
	h->nlmsg_len = (uint32_t)len;
	return h;
}

void replay_messages(const char *kind, const char *kernel, const char *name,
		     void (*fn)(struct packet *message))
{
	struct answer a = replay_read(kind, kernel, name);
	struct nlmsghdr *h;

	for (size_t at = 0; (h = message_at(&a.packet[0], at));
	     at += align4(h->nlmsg_len)) {
		struct packet one = { (void *)h, h->nlmsg_len };

		one.data = (void *)replay_cut(&one, one.len);
		fn(&one);
		free(one.data);
	}
	replay_forget(&a);
}

void replay_twist(struct packet *message, int (*fn)(struct nlmsghdr *h))
{
	static const unsigned char twists[] = { 0, 1, 0x7f, 0x80, 0xff };

	for (size_t at = NLMSG_HDRLEN; at < message->len; at++) {
		unsigned char old = message->data[at];

		for (size_t i = 0; i < sizeof(twists); i++) {
			message->data[at] = twists[i];
			fn(replay_header(message));
		}
		message->data[at] = old;
	}
}
