/* SPDX-License-Identifier: MIT */
/* save: merges what several sources know into one state file. */
#include "cmd/source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct option_info save_options[] = {
	SOURCE_OPTIONS,
	{ "--output", "-o", "FILE", NULL,
	  "write the state there, not to standard output" },
	{ 0 },
};

static void say_one(const struct cli *cli, const struct args *args,
		    const char *name)
{
	_cleanup_free_ char *sources = lacking_sources(name, args);

	if (sources)
		note(cli, "unknown: %s; known to %s", name, sources);
	else
		note(cli, "unknown: %s", name);
}

/* Says what the state does not know. Return: the array of it, or NULL. */
static cJSON *say_unknown(const struct cli *cli, const struct args *args,
			  const char *text, size_t len)
{
	_cleanup_json_ cJSON *root = cJSON_ParseWithLength(text, len);
	const cJSON *features =
		cJSON_GetObjectItemCaseSensitive(root, "features");
	bool blind = cJSON_IsNull(
		cJSON_GetObjectItemCaseSensitive(features, "negotiated"));
	cJSON *unknown =
		cJSON_DetachItemFromObjectCaseSensitive(root, "unknown");
	cJSON *name;

	if (blind) {
		cJSON_InsertItemInArray(
			unknown, 0, cJSON_CreateString("features.negotiated"));
		note(cli,
		     "without the negotiated features a state can be shown "
		     "and merged but neither planned nor loaded");
	}
	cJSON_ArrayForEach(name, unknown)
	{
		say_one(cli, args, cJSON_GetStringValue(name));
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
	cli->signals = signals_block();
	if (fd < 0)
		return vdpr_state_write(cli->ctx, state, path) < 0
			       ? fail_ctx(cli)
			       : 0;
	if (fd == STDOUT_FILENO) {
		fwrite(text, 1, len, cli->out);
		cli->answered = true;
		return 0;
	}
	rc = out_write(fd, cli->signals, text, len);
	return rc < 0 ? fail_output(cli, path, -rc) : 0;
}

static int finish(struct cli *cli, const struct args *args,
		  const struct vdpr_state *state)
{
	const char *path = args_value(args, "--output");
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ cJSON *unknown = NULL;
	cJSON *object;
	size_t len = 0;
	int code;

	if (vdpr_state_format(cli->ctx, state, &text, &len) < 0)
		return fail_ctx(cli);
	path = path ? path : "-";
	code = write_state(cli, state, path, text, len);
	if (code)
		return code;
	unknown = say_unknown(cli, args, text, len);
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
	struct sources sources;
	int code = sources_collect(cli, args, args->n_words, &sources);

	if (!code)
		code = sources_read(cli, &sources, &state);
	sources_free(&sources);
	if (code)
		return code;
	return finish(cli, args, state);
}

const struct command cmd_save = {
	.name = "save",
	.synopsis = "SOURCE... [-o FILE] [--prefer SOURCE]",
	.summary = "Writes a state file from what sources know",
	.stray = "sources are options: --control SOCKET, --vdpa NAME, "
		 "--device DEV, ...",
	.options = save_options,
	.run = save_run,
};
