/* SPDX-License-Identifier: MIT */
/* Observing: the guest's control commands keep a state current. */
#include <errno.h>

#include "restore/command.h"
#include "restore/ctx.h"

/*
 * Theory of operation. A command changes the state only if the device accepted
 * it, with one exception: devices take RSS out of force before they look at a
 * command of class MQ, so a refused one leaves it unknown what steers. What the
 * tables cannot follow never leaves an old value standing as if it were still
 * true:
 * - a command that they do not know, of a class that they do: the sections of
 *   that class become unknown;
 * - a class that they do not know: it becomes unknown as "class_N".
 * A device that accepts what was never negotiated is outside the specification,
 * and the state has no place for it: it is logged and left out, but for class
 * MQ, which puts steering in doubt as a refusal does.
 */

/* Sections that a class' commands change. */
static const struct {
	uint8_t ctrl_class;
	enum vdpr_section first, last;
} class_sections[] = {
	{ VIRTIO_NET_CTRL_RX, VDPR_SECTION_RX_MODE, VDPR_SECTION_RX_MODE },
	{ VIRTIO_NET_CTRL_MAC, VDPR_SECTION_MAC, VDPR_SECTION_MAC },
	{ VIRTIO_NET_CTRL_VLAN, VDPR_SECTION_VLAN, VDPR_SECTION_VLAN },
	{ VIRTIO_NET_CTRL_MQ, VDPR_SECTION_MQ, VDPR_SECTION_HASH_REPORT },
	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VDPR_SECTION_OFFLOADS,
	  VDPR_SECTION_OFFLOADS },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VDPR_SECTION_COALESCING,
	  VDPR_SECTION_COALESCING },
};

void vdpr_observe_lost(struct vdpr_state *state, uint8_t ctrl_class)
{
	for (size_t i = 0; i < ARRAY_SIZE(class_sections); i++) {
		if (class_sections[i].ctrl_class != ctrl_class)
			continue;
		for (unsigned int s = class_sections[i].first;
		     s <= class_sections[i].last; s++)
			vdpr_state_forget(state, s);
	}
	if (ctrl_class >= VDPR_CLASS_FIRST_FOREIGN)
		state->unknown_class[ctrl_class / 8] |=
			(uint8_t)BIT(ctrl_class % 8);
}

static void doubt_steering(struct vdpr_state *state, uint8_t ctrl_class)
{
	if (ctrl_class != VIRTIO_NET_CTRL_MQ)
		return;
	vdpr_state_forget(state, VDPR_SECTION_RSS);
	vdpr_state_forget(state, VDPR_SECTION_HASH_REPORT);
}

static void observe_unknown(struct vdpr_ctx *ctx, struct vdpr_state *state,
			    const struct vdpr_command *c)
{
	vdpr_log(ctx, VDPR_LOG_WARNING,
		 "observe: class %u command %u: accepted by the device, but "
		 "not known here: what it sets is unknown from here on",
		 c->ctrl_class, c->command);
	vdpr_observe_lost(state, c->ctrl_class);
}

static void observe_uninvited(struct vdpr_ctx *ctx, struct vdpr_state *state,
			      const struct vdpr_command_info *info)
{
	vdpr_log(ctx, VDPR_LOG_WARNING,
		 "observe: %s: accepted by the device, but its feature is not "
		 "negotiated: left out",
		 info->name);
	doubt_steering(state, info->ctrl_class);
	if (info->ctrl_class >= VDPR_CLASS_FIRST_FOREIGN && info->decode)
		vdpr_observe_lost(state, info->ctrl_class);
}

static int observe_accepted(struct vdpr_ctx *ctx, struct vdpr_state *state,
			    const struct vdpr_command_info *info,
			    const struct vdpr_command *c)
{
	int ret = -EINVAL;

	if (c->data_len >= info->min_len)
		ret = info->decode
			      ? info->decode(ctx, state, c->data, c->data_len)
			      : 0;
	if (ret == -ENOMEM)
		return vdpr_fail_memory(ctx);
	if (ret)
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, ret,
				 "observe: %s: its payload of %zu bytes is too "
				 "short",
				 info->name, c->data_len);
	return 0;
}

int vdpr_observe(struct vdpr_ctx *ctx, struct vdpr_state *state,
		 const struct vdpr_command *command)
{
	struct vdpr_command c;
	int ret;

	if (vdpr_any_null(ctx, state, command) ||
	    vdpr_command_take(ctx, command, &c))
		return -EINVAL;
	ret = vdpr_observe_whole(ctx, state, &c);
	vdpr_observe_judge(ctx, state);
	return ret;
}

int vdpr_observe_whole(struct vdpr_ctx *ctx, struct vdpr_state *state,
		       const struct vdpr_command *c)
{
	const struct vdpr_command_info *info =
		vdpr_command_find(c->ctrl_class, c->command);

	if (!state->negotiated_known)
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, -EINVAL,
				 "observe: the negotiated features are not "
				 "known");
	if (c->ack != VIRTIO_NET_OK) {
		doubt_steering(state, c->ctrl_class);
		return 0;
	}
	if (!info) {
		observe_unknown(ctx, state, c);
		return 0;
	}
	if (!vdpr_command_allowed(info, &state->negotiated)) {
		observe_uninvited(ctx, state, info);
		return 0;
	}
	return observe_accepted(ctx, state, info, c);
}
