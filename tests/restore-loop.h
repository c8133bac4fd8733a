/* SPDX-License-Identifier: MIT */
/* Event-driven restores in tests: a loop around poll(), states to restore. */
#ifndef VDPR_TEST_RESTORE_LOOP_H
#define VDPR_TEST_RESTORE_LOOP_H

#include "restore/state.h"

/* A state file without its rings: all queues of all pairs are used. */
struct vdpr_state *loop_state(const char *path);

/* Polls and processes until something else than the device is waited for.
 * Return: VDPR_STEP_DONE, VDPR_STEP_COMMIT or -errno. */
int loop_run(struct vdpr_restore *restore);

/* Begins, commits @final (or NULL) in the pause, runs to the end. The message of a
 * failing begin or commit fails the test. */
int loop_whole(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
	       const struct vdpr_state *state, const struct vdpr_state *final,
	       const struct vdpr_restore_opts *opts,
	       struct vdpr_restore **restore);

/* Is a descriptor readable within so many milliseconds? */
bool loop_readable(int fd, int msec);

/* Holds the state file at @path, a simulator's dump, against @want: fails the test
 * by the section that differs. */
void loop_told(const char *path, const struct vdpr_state *want);

#endif
