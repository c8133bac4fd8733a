/* SPDX-License-Identifier: MIT */
/* The plan: what of a state cannot be planned, and access to its commands. */
#include "restore/plan.h"

#include <errno.h>

#include "restore/ctx.h"
#include "restore/sizes.h"

/* ----------------------------------------------------------------- refusals */

/* Features whose control commands a state cannot hold. */
static const unsigned int unsaved_features[] = {
	VIRTIO_NET_F_HASH_TUNNEL,
	VIRTIO_NET_F_RSS_CONTEXT,
	VIRTIO_NET_F_IPSEC,
};

static void add_unknown(void *data, const char *name)
{
	struct vdpr_buf *names = data;

	if (names->len)
		vdpr_buf_str(names, ", ");
	vdpr_buf_str(names, name);
}

void vdpr_plan_unsaved(const struct vdpr_state *state,
		       void (*fn)(void *data, const char *name), void *data)
{
	char text[VDPR_BIT_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(unsaved_features); i++)
		if (vdpr_features_has(&state->negotiated, unsaved_features[i]))
			fn(data, vdpr_feature_text(unsaved_features[i], text));
}

static int refuse(struct vdpr_ctx *ctx, const struct vdpr_buf *unknown,
		  const struct vdpr_buf *unsaved)
{
	vdpr_fail(ctx, VDPR_CAUSE_REFUSED, -ENODATA, "state: plan: %s%s%s%s%s",
		  unknown->len ? "unknown: " : "",
		  unknown->len ? unknown->data : "",
		  unknown->len && unsaved->len ? "; " : "",
		  unsaved->len ? unsaved->data : "",
		  unsaved->len ? ": negotiated, but what was set with it "
				 "cannot be saved"
			       : "");
	vdpr_cure(ctx, "capture what is missing from another source, or leave "
		       "it at the device's reset state: load "
		       "--unknown=default");
	return -ENODATA;
}

static int check_known(struct vdpr_ctx *ctx, const struct vdpr_state *s)
{
	_cleanup_buf_ struct vdpr_buf unknown = { 0 };
	_cleanup_buf_ struct vdpr_buf unsaved = { 0 };

	vdpr_state_unknown(s, add_unknown, &unknown);
	vdpr_plan_unsaved(s, add_unknown, &unsaved);
	if (vdpr_buf_error(&unknown) || vdpr_buf_error(&unsaved))
		return vdpr_fail_memory(ctx);
	return unknown.len || unsaved.len ? refuse(ctx, &unknown, &unsaved) : 0;
}

static int check_state(struct vdpr_ctx *ctx, const struct vdpr_state *s,
		       unsigned int flags)
{
	if (flags & ~VDPR_PLAN_UNKNOWN_DEFAULT)
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "state: plan: unknown flags 0x%x", flags);
	if (!s->negotiated_known) {
		vdpr_fail(ctx, VDPR_CAUSE_REFUSED, -EINVAL,
			  "state: plan: the negotiated features are not known");
		vdpr_cure(ctx, "merge a source that knows what the guest's "
			       "driver negotiated");
		return -EINVAL;
	}
	if (flags & VDPR_PLAN_UNKNOWN_DEFAULT)
		return 0;
	return check_known(ctx, s);
}

/* --------------------------------------------------------------- public API */

int vdpr_plan(struct vdpr_ctx *ctx, const struct vdpr_state *state,
	      unsigned int flags, struct vdpr_plan **out)
{
	struct vdpr_plan *plan;
	int ret;

	if (vdpr_any_null(ctx, state, out))
		return -EINVAL;
	ret = check_state(ctx, state, flags);
	if (ret)
		return ret;
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return vdpr_fail_memory(ctx);
	if (vdpr_plan_encode(state, plan)) {
		vdpr_plan_free(plan);
		return vdpr_fail_memory(ctx);
	}
	*out = plan;
	return 0;
}

size_t vdpr_plan_count(const struct vdpr_plan *plan)
{
	return plan ? plan->count : 0;
}

int vdpr_plan_get(const struct vdpr_plan *plan, size_t index,
		  struct vdpr_command *out, bool *after_enable)
{
	const struct vdpr_plan_entry *entry;
	struct vdpr_command c;

	if (!plan || !out)
		return -EINVAL;
	if (index >= plan->count)
		return -ERANGE;
	entry = &plan->entry[index];
	c = (struct vdpr_command){
		.ctrl_class = entry->info->ctrl_class,
		.command = entry->info->command,
		.data = plan->bytes + entry->offset,
		.data_len = entry->len,
	};
	if (after_enable)
		*after_enable = index >= plan->n_before;
	return vdpr_struct_give(out, &c, sizeof(c));
}

void vdpr_plan_free(struct vdpr_plan *plan)
{
	if (!plan)
		return;
	free(plan->entry);
	free(plan->bytes);
	free(plan);
}
