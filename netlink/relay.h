/* SPDX-License-Identifier: MIT */
/* A process that speaks with the kernel for us, so that it can be given up. */
#ifndef NETLINK_RELAY_H
#define NETLINK_RELAY_H

#include <sys/types.h>

/*
 * While somebody removes a vdpa device that is open, every request of the vdpa
 * family waits inside its system call, unkillable, until that device is closed -
 * perhaps for days. The one who waits so is this process; we wait for it with
 * poll().
 */

/* relay_start() - begin to relay.
 * @kernel: netlink socket; closed here whatever is returned.
 * @child: the relaying process, for relay_stop().
 * Return: a socket that keeps message boundaries, or -errno.
 */
int relay_start(int kernel, pid_t *child);

/* relay_stop() - end it without waiting for one that the kernel holds.
 * @fd: what relay_start() returned; closed.
 */
void relay_stop(int fd, pid_t child);

#endif
