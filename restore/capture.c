/* SPDX-License-Identifier: MIT */
/* What the captures share: their options, and which of several NICs is meant. */
#include "restore/capture.h"

#include <errno.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/json-scan.h"
#include "restore/sizes.h"

int vdpr_capture_opts_take(struct vdpr_ctx *ctx,
			   const struct vdpr_capture_opts *from,
			   struct vdpr_capture_opts *to)
{
	*to = (struct vdpr_capture_opts)VDPR_INIT(struct vdpr_capture_opts);
	if (from && vdpr_struct_take(to, sizeof(*to), from, VDPR_LEAST_CAPTURE))
		return vdpr_fail_size(ctx, NULL, "options", from->size);
	return 0;
}

/* Most names in a message. */
#define NAMES_MAX 16

/* "a", "b", "c"; NULL without memory. */
static char *list_names(const struct vdpr_strings *names)
{
	_cleanup_buf_ struct vdpr_buf buf = { 0 };
	char quote[VDPR_QUOTE];
	char *text = NULL;
	size_t len;

	for (size_t i = 0; i < names->count && i < NAMES_MAX; i++)
		vdpr_buf_printf(&buf, "%s%s", i ? ", " : "",
				vdpr_quote(names->text[i],
					   strlen(names->text[i]), quote));
	if (names->count > NAMES_MAX)
		vdpr_buf_printf(&buf, " and %zu more",
				names->count - NAMES_MAX);
	return vdpr_buf_take(&buf, &text, &len) ? NULL : text;
}

int vdpr_capture_pick(struct vdpr_ctx *ctx, const char *what,
		      const struct vdpr_strings *names, size_t matches,
		      const char *nic)
{
	_cleanup_free_ char *list = NULL;
	char quote[VDPR_QUOTE];

	if (!names->count)
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, -ENODATA,
				 "%s: there is no virtio-net device in it",
				 what);
	if (matches == 1)
		return 0;
	list = list_names(names);
	if (!list)
		return vdpr_fail_memory(ctx);
	if (nic && !matches)
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -ENODEV,
				 "%s: no NIC %s; there are: %s", what,
				 vdpr_quote(nic, strlen(nic), quote), list);
	vdpr_fail(ctx, VDPR_CAUSE_USAGE, -ENOTUNIQ,
		  "%s: %zu NICs are meant, not one; there are: %s", what,
		  matches, list);
	vdpr_cure(ctx, "name the one that is to be taken");
	return -ENOTUNIQ;
}

int vdpr_capture_check(struct vdpr_ctx *ctx, const char *what,
		       const struct vdpr_state *state)
{
	char why[VDPR_WHY];

	if (!vdpr_state_check(state, why))
		return 0;
	return vdpr_fail(ctx, VDPR_CAUSE_INPUT, -EBADMSG, "%s: %s", what, why);
}
