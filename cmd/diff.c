/* SPDX-License-Identifier: MIT */
/* diff: compares two states, or a state and a device, section by section. */
#include "cmd/cmd.h"

#include <string.h>

static const struct option_info diff_options[] = {
	{ "--rings", NULL, NULL, NULL, "compare the virtqueues' rings too" },
	{ 0 },
};

static const char *const result_name[] = {
	[VDPR_SAME] = "same",
	[VDPR_DIFFERS] = "differs",
	[VDPR_UNSEEN] = "unseen",
};

struct diff {
	struct cli *cli;
	cJSON *sections; /* NULL: as text */
	unsigned int n_seen;
};

static void print_side(FILE *to, char side, const char *value)
{
	fprintf(to, "  %c  ", side);
	out_text(to, value ? value : "(absent)");
	fputc('\n', to);
}

static void section_text(FILE *to, const char *section,
			 enum vdpr_compare_result result, const char *a,
			 const char *b)
{
	fprintf(to, "%-12s %s\n", section, result_name[result]);
	if (result == VDPR_SAME)
		return;
	print_side(to, 'A', a);
	print_side(to, 'B', b);
}

static void add_side(cJSON *object, const char *key, const char *value)
{
	cJSON *item = value ? cJSON_Parse(value) : NULL;

	if (item)
		cJSON_AddItemToObject(object, key, item);
	else
		cJSON_AddNullToObject(object, key);
}

static void section(void *data, const char *name,
		    enum vdpr_compare_result result, const char *a,
		    const char *b)
{
	struct diff *diff = data;
	cJSON *object;

	diff->n_seen += result != VDPR_UNSEEN;
	if (!diff->sections) {
		section_text(diff->cli->out, name, result, a, b);
		return;
	}
	object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "section", name);
	cJSON_AddStringToObject(object, "result", result_name[result]);
	add_side(object, "a", a);
	add_side(object, "b", b);
	cJSON_AddItemToArray(diff->sections, object);
}

int diff_states(struct cli *cli, const struct vdpr_state *a,
		const struct vdpr_state *b, unsigned int flags)
{
	struct diff diff = { .cli = cli };
	cJSON *object;
	int differs, code;

	cli->stage = "compare";
	if (cli->json)
		diff.sections = cJSON_CreateArray();
	differs = vdpr_state_compare(cli->ctx, a, b, flags, section, &diff);
	if (differs < 0) {
		cJSON_Delete(diff.sections);
		return fail_ctx(cli);
	}
	code = differs ? VDPR_CAUSE_REFUSED : 0;
	if (!diff.n_seen)
		note(cli, "nothing could be seen on both sides: \"same\" says "
			  "nothing here");
	if (!cli->json)
		return code;
	object = cJSON_CreateObject();
	cJSON_AddNumberToObject(object, "exit", code);
	cJSON_AddBoolToObject(object, "same", !differs);
	cJSON_AddItemToObject(object, "sections", diff.sections);
	return out_json(cli, code, object);
}

/* Files first: a device is not reset for the sake of a file that is bad. */
static int read_sides(struct cli *cli, const struct args *args,
		      struct vdpr_state *side[2])
{
	for (int devices = 0; devices < 2; devices++) {
		for (int i = 0; i < 2; i++) {
			const char *word = args->words[i];
			int code;

			if (vdpr_dev_is_name(word) != (devices == 1))
				continue;
			code = input_side(cli, word, &side[i]);
			if (code)
				return code;
		}
	}
	return 0;
}

static int check_words(struct cli *cli, const struct args *args)
{
	int code = input_check(cli, args->words[0]);

	if (!code)
		code = input_check(cli, args->words[1]);
	if (code)
		return code;
	if (!strcmp(args->words[0], "-") && !strcmp(args->words[1], "-"))
		return fail(cli, VDPR_CAUSE_USAGE, NULL,
			    "diff: standard input can be only one side");
	return 0;
}

static int diff_run(struct cli *cli, const struct args *args)
{
	unsigned int flags = args_has(args, "--rings") ? VDPR_COMPARE_RINGS : 0;
	struct vdpr_state *side[2] = { NULL, NULL };
	int code = check_words(cli, args);

	if (!code)
		code = read_sides(cli, args, side);
	if (!code)
		code = diff_states(cli, side[0], side[1], flags);
	vdpr_state_free(side[0]);
	vdpr_state_free(side[1]);
	return code;
}

const struct command cmd_diff = {
	.name = "diff",
	.synopsis = "A B [--rings]",
	.summary =
		"Compares two sides, each a FILE or a DEV, section by section",
	.min_words = 2,
	.max_words = 2,
	.options = diff_options,
	.run = diff_run,
};
