/* SPDX-License-Identifier: MIT */
/* A client of a unix socket that speaks in lines: every wait has an end. */
#ifndef VDPR_LINE_SOCKET_H
#define VDPR_LINE_SOCKET_H

#include "restore/util.h"

/* What messages say of the other side, or NULL for nothing. */
struct vdpr_line_words {
	const char *what;	  /* "a QMP monitor" */
	const char *late_cure;	  /* no answer in time */
	const char *absent_cure;  /* nobody listens */
	const char *refused_cure; /* not allowed */
};

/*
 * Nothing that comes from the socket is trusted: a line and their sum have limits,
 * and every wait ends at the deadline or when the cancel descriptor becomes
 * readable. All functions return 0 or -errno with the message in @ctx: -ETIME
 * (VDPR_CAUSE_DEADLINE), -ECANCELED, -EACCES or -EPERM (VDPR_CAUSE_ACCESS), -EPIPE
 * (it hung up), -EBADMSG (VDPR_CAUSE_INPUT: too long), or another errno of the
 * socket.
 */
struct vdpr_line_socket {
	struct vdpr_ctx *ctx;
	const char *name; /* path of the socket */
	const struct vdpr_line_words *words;
	size_t line_max, all_max; /* bytes */
	int fd;
	int cancel_fd;	   /* or -1 */
	uint64_t deadline; /* CLOCK_MONOTONIC, nanoseconds */
	size_t received;   /* bytes, all in all */
	struct vdpr_buf in;
	size_t line_len; /* of the line at the beginning of @in, with its end */
};

/* vdpr_line_connect() - connect to the socket @name. @s: all but fd, received and
 * in is set by the caller. Closed with vdpr_line_close() whatever is returned.
 * Return: as above, -EINVAL (VDPR_CAUSE_USAGE: no path of a socket).
 */
int vdpr_line_connect(struct vdpr_line_socket *s);

int vdpr_line_send(struct vdpr_line_socket *s, const char *text, size_t len);

/* Drops the line before and waits until the next one is whole.
 * @what: that we are waiting for. */
int vdpr_line_next(struct vdpr_line_socket *s, const char *what);

/* What was said is not what it should be. Return: -EBADMSG. */
int vdpr_line_bad(struct vdpr_line_socket *s, const char *why);

void vdpr_line_close(struct vdpr_line_socket *s);

#endif
