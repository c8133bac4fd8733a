/* SPDX-License-Identifier: MIT */
/* A running VMM's device, borrowed to be read. */
#ifndef VDPR_DEV_PID_H
#define VDPR_DEV_PID_H

#include "restore/dev.h"

/* vdpr_pid_check() - judge what stands behind "pid:".
 * @name: the whole DEV word, @rest: "PID[,fd=N]".
 * Return: 0 or -EINVAL.
 */
int vdpr_pid_check(struct vdpr_ctx *ctx, const char *name, const char *rest);

/* vdpr_pid_open() - borrow the device of a process: a second descriptor of the same
 * open file, so that closing it resets nothing while that process lives.
 * @out: answers every request that does more than read with -EPERM itself.
 * Return: 0, -EINVAL, -ESRCH (no such process), -ENOENT (it has no vhost-vdpa
 * device open), -ENOTUNIQ (it has several: fd=N is needed), -ENOTTY (fd=N is
 * something else), -EBADF (it is not open), -EPERM, -EACCES, -ENOSYS (before Linux
 * 5.6).
 */
int vdpr_pid_open(struct vdpr_ctx *ctx, const char *name, const char *rest,
		  struct vdpr_dev **out);

/* May a request be made on a borrowed device? */
bool vdpr_pid_may(unsigned long request);

#endif
