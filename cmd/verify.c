/* SPDX-License-Identifier: MIT */
/* verify: is a device what a saved state says, as far as anything can see it? */
#include "cmd/source.h"

#include <string.h>

static const struct option_info verify_options[] = {
	SOURCE_OPTIONS,
	{ "--rings", NULL, NULL, NULL, "compare the virtqueues' rings too" },
	{ 0 },
};

static int check_stdin(struct cli *cli, const struct args *args,
		       const struct sources *sources)
{
	if (strcmp(args->words[0], "-") != 0 || !sources->n_stdin)
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE, NULL,
		    "verify: standard input can be only one side");
}

/* Files first: a device is not reset for the sake of a file that is bad. */
static int read_both(struct cli *cli, const char *word,
		     const struct sources *sources, struct vdpr_state *side[2])
{
	bool is_dev = vdpr_dev_is_name(word);
	int code = is_dev ? 0 : input_side(cli, word, &side[0]);

	if (!code)
		code = sources_read(cli, sources, &side[1]);
	if (!code && is_dev)
		code = input_side(cli, word, &side[0]);
	return code;
}

static int verify_run(struct cli *cli, const struct args *args)
{
	unsigned int flags = VDPR_COMPARE_RESTORED;
	struct vdpr_state *side[2] = { NULL, NULL };
	struct sources sources;
	int code = sources_collect(cli, args, 1, &sources);

	if (args_has(args, "--rings"))
		flags |= VDPR_COMPARE_RINGS;
	if (!code)
		code = input_check(cli, args->words[0]);
	if (!code)
		code = check_stdin(cli, args, &sources);
	if (!code)
		code = read_both(cli, args->words[0], &sources, side);
	if (!code)
		code = diff_states(cli, side[0], side[1], flags);
	sources_free(&sources);
	vdpr_state_free(side[0]);
	vdpr_state_free(side[1]);
	return code;
}

const struct command cmd_verify = {
	.name = "verify",
	.synopsis = "FILE SOURCE... [--rings] [--prefer SOURCE]",
	.summary = "Says whether a device is what a saved state says",
	.min_words = 1,
	.max_words = 64,
	.options = verify_options,
	.run = verify_run,
};
