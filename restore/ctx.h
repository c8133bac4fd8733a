/* SPDX-License-Identifier: MIT */
/* The context: last failure with its class and cure, log lines. */
#ifndef VDPR_CTX_H
#define VDPR_CTX_H

#include "restore/util.h"

/* vdpr_fail() - record a failure and return its errno.
 * @ctx: may be NULL: then only @err is returned.
 * @err: negative errno.
 * @fmt: one line without newline: object, operation, reason. May use the text of
 *       the previous failure (vdpr_ctx_error()) to wrap it. Clears the cure.
 * Return: @err.
 */
int vdpr_fail(struct vdpr_ctx *ctx, enum vdpr_cause cause, int err,
	      const char *fmt, ...) VDPR_PRINTF(4, 5) _cold_;

/* Refuses a pointer of a caller's that is NULL and may not be. Return: -EINVAL. */
#define vdpr_fail_null(ctx, name)                                       \
	vdpr_fail((ctx), VDPR_CAUSE_USAGE, -EINVAL, "%s(): %s is NULL", \
		  __func__, (name))

/* vdpr_any_null() - is one of a caller's pointers NULL that may not be?
 * Then -EINVAL is recorded, with the names of function and pointer.
 */
#define vdpr_any_null(ctx, ...)                                       \
	vdpr_name_null((ctx), __func__, #__VA_ARGS__,                 \
		       (const void *const[]){ __VA_ARGS__ },          \
		       sizeof((const void *const[]){ __VA_ARGS__ }) / \
			       sizeof(void *))
bool vdpr_name_null(struct vdpr_ctx *ctx, const char *function,
		    const char *names, const void *const *pointers,
		    size_t count);

/* Class of an errno that a device, a socket or netlink gave. */
enum vdpr_cause vdpr_cause_of(int err);

/* What to do about the failure just recorded. Keep it to one clause. */
void vdpr_cure(struct vdpr_ctx *ctx, const char *fmt, ...) VDPR_PRINTF(2, 3);

/* Records -ENOMEM. Return: -ENOMEM. */
int vdpr_fail_memory(struct vdpr_ctx *ctx);

/* Forgets the last failure. */
void vdpr_ctx_clear(struct vdpr_ctx *ctx);

/* One log line; @level is a syslog priority. */
void vdpr_log(struct vdpr_ctx *ctx, int level, const char *fmt, ...)
	VDPR_PRINTF(3, 4);

#define VDPR_LOG_ERROR 3
#define VDPR_LOG_WARNING 4
#define VDPR_LOG_NOTICE 5
#define VDPR_LOG_INFO 6
#define VDPR_LOG_DEBUG 7

#endif
