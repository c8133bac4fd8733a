/* SPDX-License-Identifier: MIT */
/* Control commands in tests: sent to a state from hex, plans as text. */
#ifndef VDPR_TESTS_COMMANDS_H
#define VDPR_TESTS_COMMANDS_H

#include "restore/command.h"
#include "restore/plan.h"

/* A mask of one word with these bits: -1 ends. */
struct vdpr_features vdpr_test_mask(const int *bits);
#define MASK(...) vdpr_test_mask((const int[]){ __VA_ARGS__, -1 })

/* Observes one command. @hex: its payload. Return: vdpr_observe()'s. */
int vdpr_test_send(struct vdpr_ctx *ctx, struct vdpr_state *state,
		   unsigned int ctrl_class, unsigned int command,
		   const char *hex, unsigned int ack);

/* Observes a whole plan, all accepted, but for the commands of @skip. */
int vdpr_test_send_plan(struct vdpr_ctx *ctx, struct vdpr_state *state,
			const struct vdpr_plan *plan,
			const struct vdpr_command_info *skip);

/* A line a command: "1.1 525400aabbcc", "after 6.2 ...". The caller frees it. */
char *vdpr_test_plan_text(const struct vdpr_plan *plan);

/* Are all members of the control sections the same? Else @m is the first. */
bool vdpr_test_control_equal(const struct vdpr_state *a,
			     const struct vdpr_state *b, unsigned int *m);

#endif
