/* SPDX-License-Identifier: MIT */
/* The table of control commands: names, features, sections, encoders, decoders. */
#ifndef VDPR_COMMAND_H
#define VDPR_COMMAND_H

#include "restore/state.h"

/*
 * One row of the table is all there is to know about one command. The plan walks
 * the rows' encode functions in the order of the plan's own table; the observer
 * and the transcript look rows up by class and command.
 */
struct vdpr_command_info {
	uint8_t ctrl_class;
	uint8_t command;
	const char *name;
	/* Must be negotiated, besides CTRL_VQ, for the command to be legal. */
	uint8_t feature;
	/* Section whose refusal --warn speaks of; NULL: changes no section. */
	const char *section;
	/* Shortest payload in bytes (the fixed part). */
	size_t min_len;
	/*
	 * Applies an accepted command to the state. The payload has at least
	 * min_len bytes. Return: 0, -EINVAL (a variable part that is too short),
	 * -ENOMEM. Values out of range make the section unknown and are logged.
	 * NULL: the command changes nothing that the state holds.
	 */
	int (*decode)(struct vdpr_ctx *ctx, struct vdpr_state *state,
		      const uint8_t *data, size_t len);
	/* The payload for people, after the name; NULL: as bytes. */
	void (*describe)(const uint8_t *data, size_t len, struct vdpr_buf *out);
};

/* Row of a command, or NULL. */
const struct vdpr_command_info *vdpr_command_find(uint8_t ctrl_class,
						  uint8_t command);

/* Number of rows and row by position, for tests and the completeness checks. */
size_t vdpr_command_rows(void);
const struct vdpr_command_info *vdpr_command_row(size_t i);

/* Are a row's feature and CTRL_VQ negotiated? */
static inline bool vdpr_command_allowed(const struct vdpr_command_info *info,
					const struct vdpr_features *negotiated)
{
	return vdpr_features_has(negotiated, VIRTIO_NET_F_CTRL_VQ) &&
	       vdpr_features_has(negotiated, info->feature);
}

/* What a class' commands set is unknown from here on. */
void vdpr_observe_lost(struct vdpr_state *state, uint8_t ctrl_class);

/* vdpr_observe() of a command of ours, whole - but that the ranges of tables and of
 * numbers of pairs are not looked at: a guest waits for each command, and most of
 * them are followed by others before anybody asks for the state. Who does must call
 * vdpr_observe_judge() first. */
int vdpr_observe_whole(struct vdpr_ctx *ctx, struct vdpr_state *state,
		       const struct vdpr_command *c);

/* Looks at what was set since the last time: what a state cannot hold becomes
 * unknown, and is logged. */
void vdpr_observe_judge(struct vdpr_ctx *ctx, struct vdpr_state *state);

/* vdpr_command_take() - a caller's command as ours: a NULL pointer holds no bytes.
 * Return: 0 or -EINVAL (VDPR_INIT() is missing) with everything said.
 */
int vdpr_command_take(struct vdpr_ctx *ctx, const struct vdpr_command *from,
		      struct vdpr_command *to);

#endif
