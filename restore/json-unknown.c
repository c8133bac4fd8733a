/* SPDX-License-Identifier: MIT */
/* Reads what a state file says is unknown. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/json-item.h"
#include "restore/json-scan.h"

/* A newer file may have some sections that we do not know, not a million. */
#define FOREIGN_MAX 256

/* Members that a name in "unknown" stands for. */
static uint32_t members_of(const char *name)
{
	uint32_t members = 0;

	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		const struct vdpr_member_info *info = &vdpr_member_info[m];
		const char *section = vdpr_section_name[info->section];
		size_t len = strlen(section);

		/* "vlan.ids" is "vlan": a section of one member has two names. */
		if (!strcmp(section, name) || !strcmp(info->name, name) ||
		    (info->key && !strncmp(section, name, len) &&
		     name[len] == '.' && !strcmp(info->key, name + len + 1)))
			members |= BIT(m);
	}
	return members;
}

static bool is_section_name(const char *name)
{
	return !strchr(name, '.');
}

/* "class_N". Return: N or -ENOENT. */
static int parse_class(const char *name)
{
	static const char prefix[] = "class_";
	uint64_t n;

	if (strncmp(name, prefix, strlen(prefix)) != 0 ||
	    vdpr_u64_parse(name + strlen(prefix), 255, &n) ||
	    n < VDPR_CLASS_FIRST_FOREIGN)
		return -ENOENT;
	return (int)n;
}

static int read_unknown_class(struct vdpr_json_reader *r,
			      const struct vdpr_json_at *at, unsigned int n)
{
	uint8_t *byte = &r->state->unknown_class[n / 8];
	uint8_t mask = (uint8_t)BIT(n % 8);

	if ((*byte & mask) && r->state->negotiated_known)
		return vdpr_json_bad(r, at, "\"class_%u\" is there twice", n);
	*byte |= mask;
	return 0;
}

/* It will stand in messages and tables as it is. */
static bool is_name(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
	size_t len = strlen(name);

	return len && len < VDPR_QUOTE && strspn(name, plain) == len;
}

/* A name that 4.2's tables do not have: of a newer version, or an error. */
int vdpr_json_foreign(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		      const char *name)
{
	struct vdpr_strings *foreign = &r->state->foreign;
	char quote[VDPR_QUOTE];

	if (!r->newer) {
		if (!r->state->negotiated_known)
			return 0;
		return vdpr_json_bad(
			r, at,
			"%s is not a section or member that can be unknown",
			vdpr_quote(name, strlen(name), quote));
	}
	if (!is_name(name))
		return vdpr_json_bad(r, at, "%s is no name of a section",
				     vdpr_quote(name, strlen(name), quote));
	for (size_t i = 0; i < foreign->count; i++) {
		if (!strcmp(foreign->text[i], name))
			return 0;
	}
	if (foreign->count == FOREIGN_MAX)
		return vdpr_json_bad(
			r, at,
			"more than %u names that this version does not know",
			FOREIGN_MAX);
	if (vdpr_strings_add(foreign, name))
		return vdpr_fail_memory(r->ctx);
	return 0;
}

/* Without negotiated features nothing is required, and nothing is checked. */
static void mark_unchecked(struct vdpr_state *state, uint32_t members)
{
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		if ((members & BIT(m)) && vdpr_member_required(state, m) &&
		    state->member[m] == VDPR_ABSENT)
			state->member[m] = VDPR_UNKNOWN;
	}
}

static int mark_unknown(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const char *name,
			uint32_t members)
{
	struct vdpr_state *state = r->state;
	unsigned int first = (unsigned int)__builtin_ctz(members);
	bool any = false;

	if (is_section_name(name) &&
	    r->section_there[vdpr_member_info[first].section])
		return vdpr_json_bad(r, at, "\"%s\" is also present", name);
	for (unsigned int m = first; m < VDPR_MEMBER_COUNT; m++) {
		if (!(members & BIT(m)) || !vdpr_member_required(state, m))
			continue;
		any = true;
		if (state->member[m] == VDPR_UNKNOWN)
			return vdpr_json_bad(
				r, at,
				"\"%s\" is named before, by itself or its section",
				name);
		if (state->member[m] != VDPR_ABSENT)
			return vdpr_json_bad(r, at, "\"%s\" is also present",
					     name);
		state->member[m] = VDPR_UNKNOWN;
	}
	if (any)
		return 0;
	if (members == BIT(VDPR_HASH_REPORT) &&
	    vdpr_state_has_feature(state, VIRTIO_NET_F_HASH_REPORT) &&
	    state->member[VDPR_RSS] == VDPR_KNOWN)
		return vdpr_json_bad(
			r, at, "\"%s\" is not allowed while rss is in force",
			name);
	return vdpr_json_bad(
		r, at,
		"\"%s\" is not allowed: the negotiated features lack CTRL_VQ or %s",
		name, vdpr_feature_name(vdpr_member_feature(first)));
}

static int read_unknown_name(struct vdpr_json_reader *r,
			     const struct vdpr_json_at *at, const char *name)
{
	uint32_t members = members_of(name);
	int n = parse_class(name);

	if (n >= 0)
		return read_unknown_class(r, at, (unsigned int)n);
	if (!members)
		return vdpr_json_foreign(r, at, name);
	if (r->state->negotiated_known)
		return mark_unknown(r, at, name, members);
	mark_unchecked(r->state, members);
	return 0;
}

int vdpr_json_read_unknown(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   void *to)
{
	struct vdpr_json_at here = { at, NULL, 0 };
	size_t count = 0;
	int err = vdpr_json_array(r, at, item, &count);

	(void)to;
	if (err)
		return err;
	for (const cJSON *c = item->child; c && !err; c = c->next) {
		const char *name = "";

		err = vdpr_json_text(r, &here, c, &name);
		if (!err)
			err = read_unknown_name(r, &here, name);
		here.index++;
	}
	return err;
}
