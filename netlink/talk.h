/* SPDX-License-Identifier: MIT */
/* A conversation over a netlink socket: one request, its answers, its end. */
#ifndef NETLINK_TALK_H
#define NETLINK_TALK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <netlink/msg.h>

#include "netlink/error.h"

struct nltalk {
	int fd;
	pid_t relay;   /* who speaks with the kernel for us; 0: we do */
	uint32_t port; /* our address; 0: not known, answers are not compared */
	uint32_t seq;  /* of the last request */
	unsigned int timeout_ms;
	void *buffer; /* of one received packet */
};

/* One answer: a whole message of the request's kind.
 * Return: 0 to go on, or -errno to give up with @error filled in. */
typedef int (*nltalk_fn)(void *data, struct nlmsghdr *answer,
			 struct netlink_error *error);

/* What a request is about and what becomes of its answers. */
struct nltalk_request {
	const char *object;    /* for messages: "vdpa0" */
	const char *operation; /* "read configuration" */
	struct nlmsghdr *msg;  /* sequence number and flags are set here */
	bool dump;
	nltalk_fn fn;		     /* NULL: only success or failure counts */
	void (*restart)(void *data); /* a dump begins again: forget its parts */
	void *data;
};

/* nltalk_open() - a socket to the kernel, through a process of its own.
 * @protocol: NETLINK_GENERIC and the like.
 * @talk: closed with nltalk_close().
 * Return: 0 or -errno with @error filled in.
 */
int nltalk_open(struct nltalk *talk, int protocol, unsigned int timeout_ms,
		struct netlink_error *error);

/* nltalk_from_fd() - the same over a descriptor, which is taken over. */
int nltalk_from_fd(struct nltalk *talk, int fd, unsigned int timeout_ms,
		   struct netlink_error *error);

void nltalk_close(struct nltalk *talk);

/* nltalk_family() - the number of a generic netlink family.
 * @object: for messages.
 * Return: 0, -ENOENT (this kernel, or this network namespace, does not have it),
 * or as nltalk_run().
 */
int nltalk_family(struct nltalk *talk, const char *name, const char *object,
		  uint16_t *out, struct netlink_error *error);

/* nltalk_run() - send a request and go through all that is answered.
 *
 * A dump that the kernel marks as inconsistent, or that fails with EINTR or
 * ENOBUFS, is begun again a few times; the deadline is that of all of it.
 * Return: 0, -ETIMEDOUT, -EBADMSG, -EINTR (never a consistent dump), -ENODATA
 * (there was an @fn and no answer for it, but success), or the kernel's errno.
 */
int nltalk_run(struct nltalk *talk, const struct nltalk_request *request,
	       struct netlink_error *error);

/* nltalk_fail() - fill in an error.
 * @err: negative errno.
 * @fmt: the text; where @fmt is NULL that of the errno.
 * Return: @err.
 */
int nltalk_fail(struct netlink_error *error, int err, const char *object,
		const char *operation, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

#endif
