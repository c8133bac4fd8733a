/* SPDX-License-Identifier: MIT */
/* The plan: a state as an ordered list of control commands. */
#ifndef VDPR_PLAN_H
#define VDPR_PLAN_H

#include "restore/command.h"

struct vdpr_plan_entry {
	const struct vdpr_command_info *info;
	size_t offset; /* of the payload in bytes, past class and command */
	size_t len;
};

/*
 * Commands lie one after another in bytes, each as the device will read it:
 * class, command, payload. So the whole can be copied into the control
 * virtqueue's memory at once.
 */
struct vdpr_plan {
	size_t count;
	size_t n_before; /* those before the data queues are enabled come first */
	struct vdpr_plan_entry *entry;
	uint8_t *bytes;
	size_t len;
};

/* Fills an empty plan with the commands of a state: the table of steps. What is
 * unknown sends nothing. Return: 0, -ENOMEM. */
int vdpr_plan_encode(const struct vdpr_state *state, struct vdpr_plan *plan);

/* vdpr_plan_unsaved() - negotiated features whose commands a state cannot hold.
 * @fn: called with the name of each. */
void vdpr_plan_unsaved(const struct vdpr_state *state,
		       void (*fn)(void *data, const char *name), void *data);

#endif
