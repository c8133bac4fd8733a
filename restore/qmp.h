/* SPDX-License-Identifier: MIT */
/* A QMP monitor: connect, ask, give up in time, whatever answers there. */
#ifndef VDPR_QMP_H
#define VDPR_QMP_H

#include "restore/json-walk.h"
#include "restore/line-socket.h"

/*
 * The protocol (docs/interop/qmp-spec.rst of QEMU): a greeting, capabilities
 * negotiation, then a line a command and a line an answer, with events between
 * them at any time. Nothing that comes from the socket is trusted: a line, their
 * sum and the depth of their JSON have limits, and every wait ends at the deadline
 * or when the cancel descriptor becomes readable.
 */
struct vdpr_qmp {
	struct vdpr_ctx *ctx;
	const char *name; /* of the socket, for messages */
	struct vdpr_line_socket socket;
	unsigned int id;     /* of the last command */
	uint64_t version[3]; /* major, minor, micro of the greeting */
};

/* Before all else. @cancel_fd: or -1. @deadline: CLOCK_MONOTONIC, nanoseconds. */
void vdpr_qmp_init(struct vdpr_qmp *qmp, struct vdpr_ctx *ctx, const char *name,
		   uint64_t deadline, int cancel_fd);

/* vdpr_qmp_open() - connect to a socket and greet.
 * Return: 0; -EACCES or -EPERM (VDPR_CAUSE_ACCESS), another errno of connect()
 * (VDPR_CAUSE_OTHER), or as vdpr_qmp_greet(). Closed with vdpr_qmp_close()
 * whatever is returned.
 */
int vdpr_qmp_open(struct vdpr_qmp *qmp);

/* vdpr_qmp_greet() - the same on a connected, non-blocking qmp->socket.fd.
 * Return: 0, -ETIME (VDPR_CAUSE_DEADLINE), -ECANCELED, -EBADMSG
 * (VDPR_CAUSE_INPUT: what answers is no QMP), -EPIPE (it hung up), or another
 * errno of the socket.
 */
int vdpr_qmp_greet(struct vdpr_qmp *qmp);

/* vdpr_qmp_ask() - send a command and wait for its answer.
 * @arguments: JSON text of an object, or NULL.
 * @out: what it returned; lives until the next call.
 * Return: 0, -EREMOTEIO (the command failed; QEMU's words are the context's
 * message, VDPR_CAUSE_OTHER), -EOPNOTSUPP (QEMU does not know the command), or as
 * vdpr_qmp_greet().
 */
int vdpr_qmp_ask(struct vdpr_qmp *qmp, const char *command,
		 const char *arguments, struct vdpr_json_value *out);

/* Says that an answer is not what it should be. Return: -EBADMSG. */
int vdpr_qmp_bad(struct vdpr_qmp *qmp, const char *command, const char *what);

/* Is it this version of QEMU or a later one? */
bool vdpr_qmp_is_from(const struct vdpr_qmp *qmp, unsigned int major,
		      unsigned int minor);

void vdpr_qmp_close(struct vdpr_qmp *qmp);

/* The words of a list of features as bits (virtio-qmp.c of QEMU).
 * Return: 0, -EBADMSG (not such a list), -ENOENT with the word in @word. */
struct vdpr_features;
#define VDPR_QMP_WORD 64
int vdpr_qmp_features(struct vdpr_json_value object, struct vdpr_features *out,
		      char word[VDPR_QMP_WORD]);

/* Takes the state from a monitor that was greeted. As vdpr_capture_qmp(). */
int vdpr_capture_qmp_from(struct vdpr_qmp *qmp,
			  const struct vdpr_capture_opts *opts,
			  struct vdpr_state **out);

#endif
