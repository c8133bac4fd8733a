/* SPDX-License-Identifier: MIT */
/* What the captures share: their options, and which of several NICs is meant. */
#ifndef VDPR_CAPTURE_H
#define VDPR_CAPTURE_H

#include "restore/state.h"

/* vdpr_capture_opts_take() - options in full.
 * @from: may be NULL, for none.
 * Return: 0 or -EINVAL (VDPR_INIT() is missing) with everything said.
 */
int vdpr_capture_opts_take(struct vdpr_ctx *ctx,
			   const struct vdpr_capture_opts *from,
			   struct vdpr_capture_opts *to);

/* vdpr_capture_pick() - is it clear which NIC is meant?
 * @what: what the source calls itself in messages, such as "snapshot".
 * @names: those that are there.
 * @matches: how many of them are the one that was asked for.
 * @nic: as in the options.
 * Return: 0, -ENODATA, -ENODEV, -ENOTUNIQ with everything said.
 */
int vdpr_capture_pick(struct vdpr_ctx *ctx, const char *what,
		      const struct vdpr_strings *names, size_t matches,
		      const char *nic);

/* Does a state say only what the format can hold? Return: 0 or -EBADMSG. */
int vdpr_capture_check(struct vdpr_ctx *ctx, const char *what,
		       const struct vdpr_state *state);

#endif
