/* SPDX-License-Identifier: MIT */
/* Control commands in tests: sent to a state from hex, plans as text. */
#include "tests/commands.h"

#include <errno.h>
#include <string.h>

struct vdpr_features vdpr_test_mask(const int *bits)
{
	struct vdpr_features f = { { 0, 0 } };

	for (; *bits >= 0; bits++)
		vdpr_features_set(&f, (unsigned int)*bits, true);
	return f;
}

int vdpr_test_send(struct vdpr_ctx *ctx, struct vdpr_state *state,
		   unsigned int ctrl_class, unsigned int command,
		   const char *hex, unsigned int ack)
{
	struct vdpr_command c = VDPR_INIT(struct vdpr_command);
	size_t len = strlen(hex) / 2;
	/* Of the payload's own size, so that a sanitizer sees a read past it. */
	uint8_t *data = malloc(len ? len : 1);
	int ret;

	if (!data || vdpr_hex_decode(hex, strlen(hex), data))
		abort();
	c.ctrl_class = (uint8_t)ctrl_class;
	c.command = (uint8_t)command;
	c.ack = (uint8_t)ack;
	c.data = data;
	c.data_len = len;
	ret = vdpr_observe(ctx, state, &c);
	free(data);
	return ret;
}

int vdpr_test_send_plan(struct vdpr_ctx *ctx, struct vdpr_state *state,
			const struct vdpr_plan *plan,
			const struct vdpr_command_info *skip)
{
	int ret = 0;

	for (size_t i = 0; i < vdpr_plan_count(plan) && !ret; i++) {
		struct vdpr_command c = VDPR_INIT(struct vdpr_command);

		ret = vdpr_plan_get(plan, i, &c, NULL);
		if (!ret && vdpr_command_find(c.ctrl_class, c.command) != skip)
			ret = vdpr_observe(ctx, state, &c);
	}
	return ret;
}

char *vdpr_test_plan_text(const struct vdpr_plan *plan)
{
	struct vdpr_buf text = { 0 };
	char *out;

	for (size_t i = 0; i < vdpr_plan_count(plan); i++) {
		struct vdpr_command c = VDPR_INIT(struct vdpr_command);
		bool after;

		if (vdpr_plan_get(plan, i, &c, &after))
			abort();
		vdpr_buf_printf(&text, "%s%u.%u ", after ? "after " : "",
				c.ctrl_class, c.command);
		vdpr_buf_hex(&text, c.data, c.data_len);
		vdpr_buf_str(&text, "\n");
	}
	if (vdpr_buf_take(&text, &out, NULL))
		abort();
	return out;
}

bool vdpr_test_control_equal(const struct vdpr_state *a,
			     const struct vdpr_state *b, unsigned int *m)
{
	for (*m = 0; *m < VDPR_MEMBER_COUNT; ++*m) {
		if (!vdpr_member_equal(a, b, *m))
			return false;
	}
	return true;
}
