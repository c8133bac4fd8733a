/* SPDX-License-Identifier: MIT */
/* Pieces of a state as comparing and merging see them. */
#ifndef VDPR_STATE_ITEM_H
#define VDPR_STATE_ITEM_H

#include "restore/state.h"

/* Writes a reason. Return: @why. */
const char *vdpr_why(char why[VDPR_WHY], const char *fmt, ...)
	VDPR_PRINTF(2, 3) _cold_;
/* Longest reason that is put behind a path. */
#define VDPR_DETAIL 120

/* Members of config: bit i of has is the i-th. */
#define VDPR_CONFIG_MEMBERS 10
extern const char *const vdpr_config_name[VDPR_CONFIG_MEMBERS];

/* Is one member (a VDPR_CONFIG_* bit) the same? Both have it. */
bool vdpr_config_equal(const struct vdpr_net_config *a,
		       const struct vdpr_net_config *b, uint32_t member);
void vdpr_config_copy(struct vdpr_net_config *to,
		      const struct vdpr_net_config *from, uint32_t member);

/* Is anything of a section known or null? */
bool vdpr_section_known(const struct vdpr_state *state,
			enum vdpr_section section);

/* Do two entries of one ring say nothing against each other? */
bool vdpr_vring_agrees(const struct vdpr_vring_state *a,
		       const struct vdpr_vring_state *b);
/* Adds to @to what only @from has. */
void vdpr_vring_fill(struct vdpr_vring_state *to,
		     const struct vdpr_vring_state *from);

bool vdpr_strings_have(const struct vdpr_strings *list, const char *text);

#endif
