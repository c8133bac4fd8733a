/* SPDX-License-Identifier: MIT */
/* save: merges what several sources know into one state file. */
#include "cmd/cmd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct option_info save_options[] = {
	{ "--vdpa", NULL, "NAME", NULL,
	  "source: what netlink tells of a device, in use or not" },
	{ "--device", NULL, "DEV", NULL,
	  "source: what a device tells of itself; resets it" },
	{ "--transcript", NULL, "FILE", NULL,
	  "source: the control commands that a device was given" },
	{ "--prefer", NULL, "SOURCE", NULL,
	  "where sources disagree, this one is right" },
	{ "--output", "-o", "FILE", NULL,
	  "write the state there, not to standard output" },
	{ 0 },
};

static int check_transcript(struct cli *cli, const char *path);
static int read_transcript(struct cli *cli, const char *path,
			   struct vdpr_state **out);

/*
 * In the order in which they are read: files before devices, so that none is
 * reset for the sake of a file that is bad, and what looks at a device before
 * what resets it.
 */
static const struct source_kind {
	const char *name; /* of the option, and in "origin" */
	int (*check)(struct cli *cli, const char *name);
	int (*read)(struct cli *cli, const char *name, struct vdpr_state **out);
} kinds[] = {
	{ "transcript", check_transcript, read_transcript },
	{ "vdpa", vdpa_check_name, vdpa_state },
	{ "device", input_check_dev, input_dev_state },
};

/* One of these options. */
struct source {
	const struct source_kind *kind;
	const char *name;
};

static bool get_source(const struct arg_option *option, struct source *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(option->info->name + 2, kinds[i].name) != 0)
			continue;
		out->kind = &kinds[i];
		out->name = option->value;
		return true;
	}
	return false;
}

/* Does a --prefer word name this source: "transcript:FILE" or its kind alone? */
static bool is_preferred(const struct source *s, const char *word)
{
	size_t len = strlen(s->kind->name);

	if (strncmp(word, s->kind->name, len) != 0)
		return false;
	return !word[len] ||
	       (word[len] == ':' && !strcmp(word + len + 1, s->name));
}

/* The source that --prefer names, as an origin; freed by the caller.
 * Return: 0 or an exit code. */
static int find_preferred(struct cli *cli, const struct args *args, char **out)
{
	const char *word = args_value(args, "--prefer");
	struct source s;

	if (!word)
		return 0;
	for (size_t i = 0; i < args->n_options; i++) {
		if (!get_source(&args->options[i], &s) ||
		    !is_preferred(&s, word))
			continue;
		if (asprintf(out, "%s:%s", s.kind->name, s.name) >= 0)
			return 0;
		*out = NULL;
		return fail_memory(cli);
	}
	return fail(cli, VDPR_CAUSE_USAGE,
		    "name one as in --prefer transcript:FILE, or by its kind",
		    "save: --prefer %s: not among the sources", word);
}

static int check_sources(struct cli *cli, const struct args *args)
{
	unsigned int n = 0, n_stdin = 0;
	struct source s;
	int code;

	for (size_t i = 0; i < args->n_options; i++) {
		if (!get_source(&args->options[i], &s))
			continue;
		n++;
		n_stdin += s.kind->read == read_transcript &&
			   !strcmp(s.name, "-");
		code = s.kind->check(cli, s.name);
		if (code)
			return code;
	}
	if (!n)
		return fail(
			cli, VDPR_CAUSE_USAGE,
			"give --transcript FILE, --vdpa NAME or --device DEV",
			"save: no source given");
	if (n_stdin > 1)
		return fail(cli, VDPR_CAUSE_USAGE, NULL,
			    "save: standard input can be only one source");
	return 0;
}

static int check_transcript(struct cli *cli, const char *path)
{
	(void)cli;
	(void)path;
	return 0;
}

static int read_transcript(struct cli *cli, const char *path,
			   struct vdpr_state **out)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int code;

	cli->stage = "read";
	code = input_read(cli, path, INPUT_TRANSCRIPT_MAX, &text, &len);
	if (code)
		return code;
	if (vdpr_transcript_parse(cli->ctx, text, len, NULL, NULL, out) < 0)
		return input_fail(cli, path);
	return input_origin(cli, *out, "transcript", path);
}

static int merge(struct cli *cli, struct vdpr_state **into,
		 struct vdpr_state *from, const char *prefer)
{
	cli->stage = "merge";
	if (!*into) {
		*into = from;
		return 0;
	}
	if (vdpr_state_merge(cli->ctx, *into, from, prefer) < 0) {
		vdpr_state_free(from);
		return fail_ctx(cli);
	}
	vdpr_state_free(from);
	return 0;
}

static int read_sources(struct cli *cli, const struct args *args,
			const struct source_kind *kind, const char *prefer,
			struct vdpr_state **into)
{
	struct source s;
	int code = 0;

	for (size_t i = 0; !code && i < args->n_options; i++) {
		struct vdpr_state *state = NULL;

		if (!get_source(&args->options[i], &s) || s.kind != kind)
			continue;
		code = kind->read(cli, s.name, &state);
		if (code)
			vdpr_state_free(state);
		else
			code = merge(cli, into, state, prefer);
	}
	return code;
}

/* Says what the state does not know. Return: the array of it, or NULL. */
static cJSON *say_unknown(const struct cli *cli, const char *text, size_t len)
{
	_cleanup_json_ cJSON *root = cJSON_ParseWithLength(text, len);
	const cJSON *features =
		cJSON_GetObjectItemCaseSensitive(root, "features");
	cJSON *unknown, *name;

	if (cJSON_IsNull(
		    cJSON_GetObjectItemCaseSensitive(features, "negotiated")))
		note(cli, "unknown: the negotiated features, so this state can "
			  "be shown and merged but neither planned nor loaded");
	unknown = cJSON_DetachItemFromObjectCaseSensitive(root, "unknown");
	cJSON_ArrayForEach(name, unknown)
	{
		note(cli, "unknown: %s", cJSON_GetStringValue(name));
	}
	return unknown;
}

static int fail_output(struct cli *cli, const char *name, int err)
{
	return fail(cli, VDPR_CAUSE_OTHER, NULL, "%s: write: %s", name,
		    strerror(err));
}

static int write_state(struct cli *cli, const struct vdpr_state *state,
		       const char *path, const char *text, size_t len)
{
	int fd = out_descriptor(path);
	int rc;

	cli->stage = "write";
	/* From here on it is written whole, and no temporary file stays behind. */
	(void)signals_block();
	if (fd < 0)
		return vdpr_state_write(cli->ctx, state, path) < 0
			       ? fail_ctx(cli)
			       : 0;
	if (fd == STDOUT_FILENO) {
		fwrite(text, 1, len, cli->out);
		cli->answered = true;
		return 0;
	}
	rc = out_write(fd, text, len);
	return rc < 0 ? fail_output(cli, path, -rc) : 0;
}

static int finish(struct cli *cli, const struct vdpr_state *state,
		  const char *path)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ cJSON *unknown = NULL;
	cJSON *object;
	size_t len = 0;
	int code;

	if (vdpr_state_format(cli->ctx, state, &text, &len) < 0)
		return fail_ctx(cli);
	code = write_state(cli, state, path, text, len);
	if (code)
		return code;
	unknown = say_unknown(cli, text, len);
	if (!cli->json || cli->answered)
		return 0;
	object = cJSON_CreateObject();
	cJSON_AddNumberToObject(object, "exit", 0);
	cJSON_AddStringToObject(object, "file", path);
	cJSON_AddItemToObject(object, "unknown", unknown);
	unknown = NULL;
	return out_json(cli, 0, object);
}

static int save_run(struct cli *cli, const struct args *args)
{
	_cleanup_state_ struct vdpr_state *state = NULL;
	_cleanup_free_ char *prefer = NULL;
	const char *path = args_value(args, "--output");
	int code = check_sources(cli, args);

	if (!code)
		code = find_preferred(cli, args, &prefer);
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !code; i++)
		code = read_sources(cli, args, &kinds[i], prefer, &state);
	if (code)
		return code;
	return finish(cli, state, path ? path : "-");
}

const struct command cmd_save = {
	.name = "save",
	.synopsis =
		"{--vdpa NAME | --device DEV | --transcript FILE}... [-o FILE] [--prefer SOURCE]",
	.summary = "Writes a state file from what sources know",
	.options = save_options,
	.run = save_run,
};
