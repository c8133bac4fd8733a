/* SPDX-License-Identifier: MIT */
/* show: a state file or a device, for people. */
#include "cmd/cmd.h"

#include <string.h>

static const struct option_info show_options[] = { { 0 } };

/* Column where values begin. */
#define VALUE_COLUMN 24

/* A scalar as one word. */
static void scalar_word(const cJSON *item, char *text, size_t size)
{
	if (cJSON_IsNumber(item))
		snprintf(text, size, "%.0f", item->valuedouble);
	else if (cJSON_IsBool(item))
		snprintf(text, size, "%s", cJSON_IsTrue(item) ? "yes" : "no");
	else
		snprintf(text, size, "none");
}

static void print_scalar(FILE *to, unsigned int *column, const cJSON *item)
{
	char text[32];

	if (cJSON_IsString(item)) {
		out_word(to, VALUE_COLUMN, column, item->valuestring);
		return;
	}
	scalar_word(item, text, sizeof(text));
	out_word(to, VALUE_COLUMN, column, text);
}

static void print_value(FILE *to, const cJSON *value);

/* The members of an object in one row: "max_packets 64 max_usecs 50". */
static void print_row(FILE *to, unsigned int *column, const cJSON *object)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object)
	{
		out_word(to, VALUE_COLUMN, column, item->string);
		print_scalar(to, column, item);
	}
}

static void print_array(FILE *to, const cJSON *array)
{
	unsigned int column = VALUE_COLUMN;
	bool first = true;
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsObject(item)) {
			print_scalar(to, &column, item);
			continue;
		}
		if (!first)
			fprintf(to, "\n%*s", VALUE_COLUMN, "");
		column = VALUE_COLUMN;
		print_row(to, &column, item);
		first = false;
	}
	if (!cJSON_GetArraySize(array))
		fputs("none", to);
}

/* What follows a label; ends the line. */
static void print_value(FILE *to, const cJSON *value)
{
	unsigned int column = VALUE_COLUMN;

	if (cJSON_IsArray(value))
		print_array(to, value);
	else if (cJSON_IsObject(value))
		print_row(to, &column, value);
	else
		print_scalar(to, &column, value);
	fputc('\n', to);
}

static void print_label(FILE *to, unsigned int indent, const char *label)
{
	int n = fprintf(to, "%*s", (int)indent, "");

	out_text(to, label);
	n += (int)strlen(label);
	fprintf(to, "%*s", n < VALUE_COLUMN ? VALUE_COLUMN - n : 1, "");
}

/* Where a section or one of its members comes from: " (from X)". */
static void print_origin(FILE *to, const cJSON *origin, const char *name)
{
	const char *source = json_text(origin, name);

	if (!*source)
		return;
	fputs(" (from ", to);
	out_text(to, source);
	fputc(')', to);
}

static void print_members(FILE *to, const cJSON *section, const cJSON *origin)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, section)
	{
		char name[128];

		print_label(to, 2, item->string);
		print_value(to, item);
		snprintf(name, sizeof(name), "%s.%s", section->string,
			 item->string);
		if (!*json_text(origin, name))
			continue;
		fprintf(to, "%*s", VALUE_COLUMN - 1, "");
		print_origin(to, origin, name);
		fputc('\n', to);
	}
}

/* Sections that a reader need not see one by one. */
static bool is_frame(const char *key)
{
	static const char *const frame[] = { "schema", "version", "compat",
					     "origin", "unknown" };

	for (size_t i = 0; i < ARRAY_SIZE(frame); i++)
		if (!strcmp(frame[i], key))
			return true;
	return false;
}

static void print_section(FILE *to, const cJSON *item, const cJSON *origin)
{
	if (cJSON_IsObject(item)) {
		out_text(to, item->string);
		print_origin(to, origin, item->string);
		fputc('\n', to);
		print_members(to, item, origin);
		return;
	}
	print_label(to, 0, item->string);
	print_value(to, item);
	if (*json_text(origin, item->string)) {
		fprintf(to, "%*s", VALUE_COLUMN - 1, "");
		print_origin(to, origin, item->string);
		fputc('\n', to);
	}
}

/* A name, and which source would know it. */
static void print_lacking(FILE *to, const char *name)
{
	_cleanup_free_ char *sources = lacking_sources(name, NULL);

	fprintf(to, "  ");
	out_text(to, name);
	if (sources)
		fprintf(to, "%*sknown to %s",
			strlen(name) + 2 < VALUE_COLUMN
				? (int)(VALUE_COLUMN - strlen(name) - 2)
				: 1,
			"", sources);
	fputc('\n', to);
}

static void print_unknown(FILE *to, const cJSON *root)
{
	const cJSON *features =
		cJSON_GetObjectItemCaseSensitive(root, "features");
	const cJSON *unknown =
		cJSON_GetObjectItemCaseSensitive(root, "unknown");
	const cJSON *name;

	if (cJSON_GetArraySize(unknown))
		fputs("unknown\n", to);
	else
		print_label(to, 0, "unknown");
	if (cJSON_IsNull(
		    cJSON_GetObjectItemCaseSensitive(features, "negotiated"))) {
		fputs("the negotiated features, and so what else there should be\n",
		      to);
		print_lacking(to, "features.negotiated");
		return;
	}
	if (!cJSON_GetArraySize(unknown))
		fputs("nothing\n", to);
	cJSON_ArrayForEach(name, unknown)
		print_lacking(to, cJSON_GetStringValue(name));
}

static int print_state(struct cli *cli, const char *text)
{
	_cleanup_json_ cJSON *root = cJSON_Parse(text);
	const cJSON *origin = cJSON_GetObjectItemCaseSensitive(root, "origin");
	const cJSON *item;

	if (!root)
		return fail_memory(cli);
	cJSON_ArrayForEach(item, root) if (!is_frame(item->string))
		print_section(cli->out, item, origin);
	print_unknown(cli->out, root);
	return 0;
}

static int show_state(struct cli *cli, const struct vdpr_state *state)
{
	_cleanup_free_ char *text = NULL;

	if (vdpr_state_format(cli->ctx, state, &text, NULL) < 0)
		return fail_ctx(cli);
	if (!cli->json)
		return print_state(cli, text);
	fputs(text, cli->out);
	cli->answered = true;
	return 0;
}

static int show_file(struct cli *cli, const char *path)
{
	_cleanup_state_ struct vdpr_state *state = NULL;
	int code = input_state(cli, path, &state);

	return code ? code : show_state(cli, state);
}

static int show_run(struct cli *cli, const struct args *args)
{
	_cleanup_state_ struct vdpr_state *state = NULL;
	const char *word = args->words[0];
	int code = input_check(cli, word);

	if (code)
		return code;
	if (!vdpr_dev_is_name(word))
		return show_file(cli, word);
	if (!cli->json && !control_is_name(word))
		return show_device(cli, word);
	code = input_dev_state(cli, word, &state);
	return code ? code : show_state(cli, state);
}

const struct command cmd_show = {
	.name = "show",
	.synopsis = "FILE|DEV",
	.summary = "Shows a state file or a device; a device is reset by that",
	.min_words = 1,
	.max_words = 1,
	.options = show_options,
	.run = show_run,
};
