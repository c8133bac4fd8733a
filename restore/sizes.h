/* SPDX-License-Identifier: MIT */
/* Structs of a caller's, with the size of the header that it was built with. */
#ifndef VDPR_SIZES_H
#define VDPR_SIZES_H

#include <stddef.h>

#include "include/vdpa-restore.h"

/*
 * A struct that begins with its size may grow at its end, never into the padding
 * there. What a caller's lacks reads as zero, what it has beyond ours is not looked
 * at. Each has a least size: what it had when it was first published (or less,
 * where nothing behind that is ever needed). Those stay as they are when a
 * member is added.
 */
#define VDPR_UP_TO(type, member) \
	(offsetof(struct type, member) + sizeof(((struct type *)0)->member))

#define VDPR_LEAST_VRING VDPR_UP_TO(vdpr_vring, call_fd)
#define VDPR_LEAST_GUEST_RING VDPR_UP_TO(vdpr_guest_ring_opts, call_fd)
#define VDPR_LEAST_GUEST_REGION VDPR_UP_TO(vdpr_guest_region, host)
#define VDPR_LEAST_COMMIT VDPR_UP_TO(vdpr_commit_opts, deadline)
#define VDPR_LEAST_DEV_FD VDPR_UP_TO(vdpr_dev_fd_opts, backend_features)
#define VDPR_LEAST_DEV_HOOKS VDPR_UP_TO(vdpr_dev_hooks, answer_fd)
#define VDPR_LEAST_IOVA_OPS VDPR_UP_TO(vdpr_iova_ops, free)
#define VDPR_LEAST_TARGET VDPR_UP_TO(vdpr_target, kernel)
#define VDPR_LEAST_DEV_INFO VDPR_UP_TO(vdpr_dev_info, size)
#define VDPR_LEAST_RESTORE VDPR_UP_TO(vdpr_restore_opts, flags)
#define VDPR_LEAST_SHADOW VDPR_UP_TO(vdpr_shadow_opts, n_regions)
#define VDPR_LEAST_QUIESCE VDPR_UP_TO(vdpr_quiesce_opts, flags)
#define VDPR_LEAST_NET_CONFIG VDPR_UP_TO(vdpr_net_config, has)
#define VDPR_LEAST_COMMAND VDPR_UP_TO(vdpr_command, command)
#define VDPR_LEAST_STREAM VDPR_UP_TO(vdpr_stream, length)
#define VDPR_LEAST_CAPTURE VDPR_UP_TO(vdpr_capture_opts, flags)
#define VDPR_LEAST_CONTROL_OPS VDPR_UP_TO(vdpr_control_ops, waiting)
#define VDPR_LEAST_CONTROL VDPR_UP_TO(vdpr_control_opts, flags)

/* vdpr_struct_take() - such a struct as this library knows it.
 * @to: ours, of @size bytes; zero on failure.
 * @from: the caller's, of any alignment.
 * @least: VDPR_LEAST_*.
 * Return: 0, -EINVAL (NULL, or shorter than that: VDPR_INIT() is missing).
 */
int vdpr_struct_take(void *to, size_t size, const void *from, size_t least);

/* vdpr_fail_size() - a struct of a caller's has no size, or too small a one.
 * @prefix: before the colon of the message, or NULL.
 * @what: "options", "an info".
 * Return: -EINVAL, with everything said.
 */
int vdpr_fail_size(struct vdpr_ctx *ctx, const char *prefix, const char *what,
		   size_t size);

/* vdpr_struct_give() - fill in such a struct of a caller's, as far as it goes.
 * @out: the caller's; keeps its size. What it has beyond ours is left alone.
 * @ours: of @size bytes.
 * Return: 0, -EINVAL (NULL, or of no size: VDPR_INIT() is missing).
 */
int vdpr_struct_give(void *out, const void *ours, size_t size);

/* The size of a struct at the end of such a struct, as the caller's header knows it:
 * what is beyond was not given to him.
 * @whole: of the caller's; @at: where ours has the inner one, of @size bytes.
 */
static inline size_t vdpr_struct_inner(size_t whole, size_t at, size_t size)
{
	size_t theirs = whole > at ? whole - at : 0;

	return theirs < size ? theirs : size;
}

/* vdpr_vrings_take() - rings of a caller's, whose structs have the stride of its
 * header.
 * @out: copies, freed with free(); NULL on failure.
 * Return: 0, -ENOMEM, -EINVAL (none, or unequal or too small a size).
 */
int vdpr_vrings_take(const struct vdpr_vring *from, size_t count,
		     struct vdpr_vring **out);

#endif
