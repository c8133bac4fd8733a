/* SPDX-License-Identifier: MIT */
/* Where a state comes from: lists of strings, sources of sections. */
#include "restore/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "restore/ctx.h"
#include "restore/state-item.h"

/* ----------------------------------------------------------------- strings */

int vdpr_strings_add(struct vdpr_strings *list, const char *text)
{
	char *copy = strdup(text);
	char **grown;

	if (!copy)
		return -ENOMEM;
	grown = reallocarray(list->text, list->count + 1, sizeof(*grown));
	if (!grown) {
		free(copy);
		return -ENOMEM;
	}
	grown[list->count++] = copy;
	list->text = grown;
	return 0;
}

int vdpr_strings_add_new(struct vdpr_strings *list, const char *text)
{
	return vdpr_strings_have(list, text) ? 0 : vdpr_strings_add(list, text);
}

void vdpr_strings_free(struct vdpr_strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->text[i]);
	free(list->text);
	*list = (struct vdpr_strings){ 0 };
}

/* ------------------------------------------------------------------ origin */

static size_t section_len(const char *name)
{
	return strcspn(name, ".");
}

/* What a source can be given for, in the order of the file. The members of the
 * control sections that have several are in vdpr_member_info. */
static const struct {
	const char *name;
	const char *member[11];
} sources[] = {
	{ "device", { "type", "name", "parent" } },
	{ "features", { "offered", "negotiated" } },
	{ "backend_features", { NULL } },
	{ "config",
	  { "mac", "link_up", "announce", "max_virtqueue_pairs", "mtu", "speed",
	    "duplex", "rss_max_key_size", "rss_max_indirection_table_length",
	    "supported_hash_types" } },
	{ "mac", { NULL } },
	{ "rx_mode", { NULL } },
	{ "vlan", { "ids" } },
	{ "mq", { "queue_pairs" } },
	{ "rss",
	  { "hash_types", "unclassified_queue", "max_tx_vq",
	    "indirection_table", "key" } },
	{ "hash_report", { "hash_types", "key" } },
	{ "offloads", { NULL } },
	{ "coalescing", { NULL } },
	{ "announce", { "pending" } },
	{ "vrings", { NULL } },
	{ "vendor", { "name", "version", "data" } },
};

/* Place of a name's section in the file; names it does not know come last. */
static size_t section_rank(const char *name)
{
	size_t len = section_len(name);

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		if (strlen(sources[i].name) == len &&
		    !strncmp(sources[i].name, name, len))
			return i;
	}
	return ARRAY_SIZE(sources);
}

bool vdpr_origin_is_name(const char *name)
{
	size_t rank = section_rank(name);
	const char *member = name + section_len(name);

	if (rank == ARRAY_SIZE(sources))
		return false;
	if (!*member)
		return true;
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		if (!strcmp(vdpr_member_info[m].name, name))
			return true;
	}
	for (size_t i = 0; sources[rank].member[i]; i++) {
		if (!strcmp(sources[rank].member[i], member + 1))
			return true;
	}
	return false;
}

static int name_order(const char *a, const char *b)
{
	size_t rank_a = section_rank(a);
	size_t rank_b = section_rank(b);

	if (rank_a != rank_b)
		return rank_a < rank_b ? -1 : 1;
	return strcmp(a, b);
}

static int insert_origin(struct vdpr_state *state, size_t at, char *name,
			 char *source)
{
	size_t size = sizeof(*state->origin.entry);
	size_t n = state->origin.count;
	void *grown = reallocarray(state->origin.entry, n + 1, size);

	if (!grown)
		return -ENOMEM;
	state->origin.entry = grown;
	memmove(state->origin.entry + at + 1, state->origin.entry + at,
		(n - at) * size);
	state->origin.entry[at].name = name;
	state->origin.entry[at].source = source;
	state->origin.count = n + 1;
	return 0;
}

int vdpr_origin_set(struct vdpr_state *state, const char *name,
		    const char *source)
{
	_cleanup_free_ char *name_copy = strdup(name);
	_cleanup_free_ char *source_copy = strdup(source);
	size_t at = state->origin.count;
	int err;

	if (!name_copy || !source_copy)
		return -ENOMEM;
	while (at && name_order(state->origin.entry[at - 1].name, name) >= 0)
		at--;
	if (at < state->origin.count &&
	    !strcmp(state->origin.entry[at].name, name)) {
		free(state->origin.entry[at].source);
		state->origin.entry[at].source = TAKE_PTR(source_copy);
		return 0;
	}
	err = insert_origin(state, at, name_copy, source_copy);
	if (err)
		return err;
	name_copy = NULL;
	source_copy = NULL;
	return 0;
}

void vdpr_origin_clear(struct vdpr_state *state)
{
	for (size_t i = 0; i < state->origin.count; i++) {
		free(state->origin.entry[i].name);
		free(state->origin.entry[i].source);
	}
	free(state->origin.entry);
	memset(&state->origin, 0, sizeof(state->origin));
}

const char *vdpr_origin_get(const struct vdpr_state *state, const char *name)
{
	const char *section = NULL;
	size_t len = section_len(name);

	for (size_t i = 0; i < state->origin.count; i++) {
		const char *have = state->origin.entry[i].name;

		if (!strcmp(have, name))
			return state->origin.entry[i].source;
		if (strlen(have) == len && !strncmp(have, name, len))
			section = state->origin.entry[i].source;
	}
	return section;
}

void vdpr_captured_clear(struct vdpr_state *state)
{
	free(state->captured.time);
	free(state->captured.tool);
	vdpr_strings_free(&state->captured.sources);
	memset(&state->captured, 0, sizeof(state->captured));
}

/* Names @source as the origin of all that the state knows. */
static int set_origins(struct vdpr_state *state, const char *source)
{
	const struct {
		const char *name;
		bool known;
	} other[] = {
		{ "device", state->device.present },
		{ "features", state->negotiated_known ||
				      !vdpr_features_empty(&state->offered) },
		{ "backend_features", state->has_backend_features },
		{ "config", state->config.has != 0 },
		{ "announce", state->announce == VDPR_KNOWN },
		{ "vrings", state->has_vrings },
		{ "vendor", state->vendor.present },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(other) && !err; i++) {
		if (other[i].known)
			err = vdpr_origin_set(state, other[i].name, source);
	}
	for (unsigned int s = 0; s < VDPR_SECTION_COUNT && !err; s++) {
		if (vdpr_section_known(state, s))
			err = vdpr_origin_set(state, vdpr_section_name[s],
					      source);
	}
	return err;
}

static char *time_text(void)
{
	char text[sizeof("9999-12-31T23:59:59Z") + 16];
	time_t now = time(NULL);
	struct tm tm;

	if (!gmtime_r(&now, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return NULL;
	return strdup(text);
}

int vdpr_state_set_origin(struct vdpr_ctx *ctx, struct vdpr_state *state,
			  const char *source)
{
	if (vdpr_any_null(ctx, state, source))
		return -EINVAL;
	vdpr_captured_clear(state);
	vdpr_origin_clear(state);
	state->captured.present = true;
	state->captured.time = time_text();
	state->captured.tool = strdup("vdpa-restore " VDPR_VERSION);
	if (!state->captured.time || !state->captured.tool ||
	    vdpr_strings_add(&state->captured.sources, source) ||
	    set_origins(state, source))
		return vdpr_fail_memory(ctx);
	return 0;
}
