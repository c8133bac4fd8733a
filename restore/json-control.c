/* SPDX-License-Identifier: MIT */
/* Reads the control sections, announce and vrings of a state file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/json-item.h"

/* ------------------------------------------------------------------ sections */

static int read_member(struct vdpr_json_reader *r,
		       const struct vdpr_json_at *at, const cJSON *item,
		       enum vdpr_member m)
{
	struct vdpr_state *state = r->state;
	int err;

	if (cJSON_IsNull(item) && vdpr_member_info[m].nullable) {
		state->member[m] = VDPR_NULL;
		return 0;
	}
	err = vdpr_json_value(r, at, item, m);
	if (!err)
		state->member[m] = VDPR_KNOWN;
	return err;
}

/* Member of a section by its key, or VDPR_MEMBER_COUNT. */
static enum vdpr_member find_member(enum vdpr_section section, const char *key)
{
	unsigned int m = vdpr_section_first(section);
	unsigned int end = m + vdpr_section_members(section);

	for (; m < end; m++) {
		if (!strcmp(vdpr_member_info[m].key, key))
			return m;
	}
	return VDPR_MEMBER_COUNT;
}

static int read_section(struct vdpr_json_reader *r, const cJSON *item,
			enum vdpr_section section)
{
	struct vdpr_json_at at = { NULL, vdpr_section_name[section], 0 };
	enum vdpr_member first = vdpr_section_first(section);
	int err = 0;

	r->section_there[section] = true;
	if (!vdpr_member_info[first].key)
		return read_member(r, &at, item, first);
	if (!cJSON_IsObject(item))
		return vdpr_json_bad(r, &at, "not an object");
	for (const cJSON *c = item->child; c && !err; c = c->next) {
		struct vdpr_json_at here = { &at, c->string, 0 };
		enum vdpr_member m = find_member(section, c->string);

		err = m == VDPR_MEMBER_COUNT ? vdpr_json_unknown_key(r, &here)
					     : read_member(r, &here, c, m);
	}
	return err;
}

/* -------------------------------------------------------- announce and rings */

static int read_pending(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct vdpr_state *state = to;

	return vdpr_json_bool(r, at, item, &state->announce_pending);
}

static int read_announce(struct vdpr_json_reader *r, const cJSON *item)
{
	static const struct vdpr_json_field fields[] = {
		{ "pending", true, read_pending },
	};
	struct vdpr_json_at at = { NULL, "announce", 0 };

	r->state->announce = VDPR_KNOWN;
	return vdpr_json_object(r, &at, item, fields, ARRAY_SIZE(fields),
				r->state);
}

#define VRING_READER(field, bit, call)                               \
	static int read_vring_##field(struct vdpr_json_reader *r,    \
				      const struct vdpr_json_at *at, \
				      const cJSON *item, void *to)   \
	{                                                            \
		struct vdpr_vring_state *vring = to;                 \
                                                                     \
		vring->has |= (bit);                                 \
		return call;                                         \
	}

VRING_READER(index, 0, vdpr_json_u32(r, at, item, 0, UINT16_MAX, &vring->index))
VRING_READER(size, VDPR_VRING_SIZE,
	     vdpr_json_u32(r, at, item, 1, 0x8000, &vring->size))
VRING_READER(base, VDPR_VRING_BASE,
	     vdpr_json_u32(r, at, item, 0, UINT32_MAX, &vring->base))
VRING_READER(enabled, VDPR_VRING_ENABLED,
	     vdpr_json_bool(r, at, item, &vring->enabled))
VRING_READER(desc, VDPR_VRING_DESC, vdpr_json_hex64(r, at, item, &vring->desc))
VRING_READER(driver, VDPR_VRING_DRIVER,
	     vdpr_json_hex64(r, at, item, &vring->driver))
VRING_READER(device, VDPR_VRING_DEVICE,
	     vdpr_json_hex64(r, at, item, &vring->device))

static int order_vrings(const void *a, const void *b)
{
	const struct vdpr_vring_state *x = a;
	const struct vdpr_vring_state *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static int read_vring(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		      const cJSON *item, struct vdpr_vring_state *vring)
{
	static const struct vdpr_json_field fields[] = {
		{ "index", true, read_vring_index },
		{ "size", false, read_vring_size },
		{ "base", false, read_vring_base },
		{ "enabled", false, read_vring_enabled },
		{ "desc", false, read_vring_desc },
		{ "driver", false, read_vring_driver },
		{ "device", false, read_vring_device },
	};
	char why[VDPR_WHY];
	int err = vdpr_json_object(r, at, item, fields, ARRAY_SIZE(fields),
				   vring);

	if (!err && vdpr_check_vring(r->state, vring, why))
		err = vdpr_json_bad_in(r, at, why);
	return err;
}

static int read_vrings(struct vdpr_json_reader *r, const cJSON *item)
{
	struct vdpr_json_at at = { NULL, "vrings", 0 };
	struct vdpr_json_at here = { &at, NULL, 0 };
	struct vdpr_state *state = r->state;
	size_t count = 0;
	int err = vdpr_json_array(r, &at, item, &count);

	if (err)
		return err;
	state->has_vrings = true;
	if (!count)
		return 0;
	state->vrings = calloc(count, sizeof(*state->vrings));
	if (!state->vrings)
		return vdpr_fail_memory(r->ctx);
	state->n_vrings = count;
	for (const cJSON *c = item->child; c; c = c->next) {
		err = read_vring(r, &here, c, &state->vrings[here.index]);
		if (err)
			return err;
		here.index++;
	}
	qsort(state->vrings, count, sizeof(*state->vrings), order_vrings);
	for (size_t i = 1; i < count; i++) {
		if (state->vrings[i].index == state->vrings[i - 1].index)
			return vdpr_json_bad(r, &at, "index %u is there twice",
					     state->vrings[i].index);
	}
	return 0;
}

int vdpr_json_control(struct vdpr_json_reader *r, const cJSON *root)
{
	const cJSON *item;
	int err = 0;

	for (unsigned int s = 0; s < VDPR_SECTION_COUNT && !err; s++) {
		item = cJSON_GetObjectItemCaseSensitive(root,
							vdpr_section_name[s]);
		if (item)
			err = read_section(r, item, s);
	}
	item = cJSON_GetObjectItemCaseSensitive(root, "announce");
	if (item && !err)
		err = read_announce(r, item);
	item = cJSON_GetObjectItemCaseSensitive(root, "vrings");
	if (item && !err)
		err = read_vrings(r, item);
	return err;
}
