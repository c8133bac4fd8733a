/* SPDX-License-Identifier: MIT */
/* export: a state in the words of what is to take it. */
#include "cmd/export.h"

#include <stdarg.h>
#include <string.h>

static const struct option_info export_options[] = {
	{ "--as", NULL, "WORDS", "qemu|libvirt|vdpa|ethtool", "whose words" },
	{ 0 },
};

static const struct {
	const char *name;
	int (*write)(struct export *e);
} targets[] = {
	{ "qemu", export_qemu },
	{ "libvirt", export_libvirt },
	{ "vdpa", export_vdpa },
	{ "ethtool", export_ethtool },
};

/* ---------------------------------------------------------- what they share */

void export_lost(struct export *e, const char *section, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	cJSON *item = cJSON_CreateObject();
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	note(e->cli, "not said: %s: %s", section, text ? text : "");
	cJSON_AddStringToObject(item, "section", section);
	cJSON_AddStringToObject(item, "text", text ? text : "");
	cJSON_AddItemToArray(e->lost, item);
}

static bool is_control(const char *section)
{
	static const char *const control[] = { "mac",	   "rx_mode",
					       "vlan",	   "mq",
					       "rss",	   "hash_report",
					       "offloads", "coalescing" };

	for (size_t i = 0; i < ARRAY_SIZE(control); i++)
		if (!strcmp(control[i], section))
			return true;
	return false;
}

void export_lost_control(struct export *e, const char *how)
{
	const cJSON *section;

	cJSON_ArrayForEach(section, e->state)
	{
		if (is_control(section->string))
			export_lost(e, section->string, "%s", how);
	}
}

/* What is not in the words because the state does not know it. */
static void lose_unknown(struct export *e)
{
	const cJSON *name;

	if (cJSON_IsNull(export_member(e, "features", "negotiated")))
		export_lost(e, "features.negotiated",
			    "unknown, and so what else there should be");
	cJSON_ArrayForEach(
		name, cJSON_GetObjectItemCaseSensitive(e->state, "unknown"))
	{
		export_lost(e, cJSON_GetStringValue(name),
			    "unknown: it cannot be set from this state");
	}
}

const cJSON *export_member(const struct export *e, const char *section,
			   const char *member)
{
	return cJSON_GetObjectItemCaseSensitive(
		cJSON_GetObjectItemCaseSensitive(e->state, section), member);
}

static bool has_feature(const struct vdpr_features *mask, const char *feature)
{
	int bit = vdpr_feature_bit(feature);

	return bit >= 0 && (mask->word[bit / 64] >> (bit % 64) & 1);
}

bool export_offers(const struct export *e, const char *feature)
{
	return has_feature(&e->offered, feature);
}

bool export_negotiated(const struct export *e, const char *feature)
{
	return has_feature(&e->negotiated, feature);
}

unsigned int export_number(const struct export *e, const char *section,
			   const char *member, unsigned int least)
{
	const cJSON *item = export_member(e, section, member);

	return cJSON_IsNumber(item) && item->valuedouble > least
		       ? (unsigned int)item->valuedouble
		       : least;
}

const char *export_mac(const struct export *e)
{
	const cJSON *mac = export_member(e, "config", "mac");

	if (!cJSON_IsString(mac))
		mac = export_member(e, "mac", "address");
	return cJSON_GetStringValue(mac);
}

unsigned int export_ring_size(const struct export *e, bool transmit)
{
	unsigned int n =
		2 * export_number(e, "config", "max_virtqueue_pairs", 1);
	unsigned int size = 0;
	const cJSON *ring;

	cJSON_ArrayForEach(ring,
			   cJSON_GetObjectItemCaseSensitive(e->state, "vrings"))
	{
		unsigned int index = (unsigned int)json_number(ring, "index");
		unsigned int one = (unsigned int)json_number(ring, "size");

		if (index >= n || index % 2 != transmit || !one)
			continue;
		if (size && size != one)
			return 0;
		size = one;
	}
	return size;
}

/* ---------------------------------------------------------------- the command */

/* "0x" and up to 32 digits, checked by the reader of the state before. */
static struct vdpr_features mask_of(const char *text)
{
	struct vdpr_features mask = { { 0, 0 } };

	for (text += *text ? 2 : 0; *text; text++) {
		unsigned int digit = *text <= '9'
					     ? (unsigned int)(*text - '0')
					     : (unsigned int)(*text - 'a' + 10);

		mask.word[1] = mask.word[1] << 4 | mask.word[0] >> 60;
		mask.word[0] = mask.word[0] << 4 | digit;
	}
	return mask;
}

static int finish(struct export *e, const char *as, char *text, int code)
{
	cJSON *object;

	if (code)
		return code;
	if (!e->cli->json) {
		fputs(text, e->cli->out);
		return 0;
	}
	object = cJSON_CreateObject();
	cJSON_AddNumberToObject(object, "exit", 0);
	cJSON_AddStringToObject(object, "as", as);
	cJSON_AddStringToObject(object, "text", text);
	cJSON_AddItemToObject(object, "lost", e->lost);
	e->lost = NULL;
	return out_json(e->cli, 0, object);
}

static int export_state(struct cli *cli, const cJSON *state, const char *as)
{
	struct export e = { .cli = cli, .state = state };
	_cleanup_free_ char *text = NULL;
	const cJSON *features =
		cJSON_GetObjectItemCaseSensitive(state, "features");
	size_t len = 0;
	int code = 1;

	e.offered = mask_of(json_text(features, "offered"));
	e.negotiated = mask_of(json_text(features, "negotiated"));
	e.lost = cJSON_CreateArray();
	e.to = open_memstream(&text, &len);
	if (!e.to || !e.lost) {
		cJSON_Delete(e.lost);
		return fail_memory(cli);
	}
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		if (!strcmp(targets[i].name, as))
			code = targets[i].write(&e);
	lose_unknown(&e);
	if (fclose(e.to) && !code)
		code = fail_memory(cli);
	code = finish(&e, as, text, code);
	cJSON_Delete(e.lost);
	return code;
}

static int export_run(struct cli *cli, const struct args *args)
{
	_cleanup_state_ struct vdpr_state *state = NULL;
	_cleanup_json_ cJSON *root = NULL;
	_cleanup_free_ char *text = NULL;
	const char *as = args_value(args, "--as");
	int code = input_check_file(cli, args->words[0]);

	if (!as)
		return fail(cli, VDPR_CAUSE_USAGE,
			    "say --as qemu, libvirt, vdpa or ethtool",
			    "export: --as is missing");
	if (!code)
		code = input_state(cli, args->words[0], &state);
	if (code)
		return code;
	cli->stage = "export";
	if (vdpr_state_format(cli->ctx, state, &text, NULL) < 0)
		return fail_ctx(cli);
	root = cJSON_Parse(text);
	return root ? export_state(cli, root, as) : fail_memory(cli);
}

const struct command cmd_export = {
	.name = "export",
	.synopsis = "FILE --as qemu|libvirt|vdpa|ethtool",
	.summary = "Prints what the destination needs, in its own words",
	.min_words = 1,
	.max_words = 1,
	.options = export_options,
	.run = export_run,
};
