/* SPDX-License-Identifier: MIT */
/* transcript: a recorded row of control commands, for people. */
#include "cmd/cmd.h"

#include <string.h>

static const struct option_info transcript_options[] = { { 0 } };

struct listing {
	struct cli *cli;
	cJSON *lines; /* NULL: as text */
	unsigned int n_commands, n_refused, n_resets;
};

static void header_text(FILE *to, const struct vdpr_transcript_line *line)
{
	char hex[FEATURES_TEXT];

	out_features_hex(&line->negotiated, hex);
	fprintf(to, "%5u  device reset, features negotiated %s%s\n", line->line,
		hex,
		line->from_reset ? ""
				 : " (recorded from later on, not from reset)");
	fprintf(to, "       ");
	out_feature_names(to, 7, &line->negotiated);
}

static void header_json(cJSON *object, const struct vdpr_transcript_line *line)
{
	char hex[FEATURES_TEXT];

	out_features_hex(&line->negotiated, hex);
	cJSON_AddStringToObject(object, "features", hex);
	out_features_hex(&line->offered, hex);
	cJSON_AddStringToObject(object, "offered", hex);
	cJSON_AddBoolToObject(object, "from_reset", line->from_reset);
}

static void command_text(FILE *to, const struct vdpr_transcript_line *line,
			 const char *text)
{
	const struct vdpr_command *c = &line->command;

	fprintf(to, "%5u  %u.%u  ", line->line, c->ctrl_class, c->command);
	out_text(to, text);
	if (c->ack)
		fprintf(to, "  REFUSED (ack %u)", c->ack);
	fputc('\n', to);
}

static void command_json(cJSON *object, const struct vdpr_command *c,
			 const char *text)
{
	_cleanup_free_ char *data = out_hex(c->data, c->data_len);
	_cleanup_free_ char *reply = out_hex(c->reply, c->reply_len);

	cJSON_AddNumberToObject(object, "class", c->ctrl_class);
	cJSON_AddNumberToObject(object, "command", c->command);
	json_add_text(object, "name",
		      vdpr_command_name(c->ctrl_class, c->command));
	json_add_text(object, "section",
		      vdpr_command_section(c->ctrl_class, c->command));
	cJSON_AddStringToObject(object, "data", data ? data : "");
	cJSON_AddNumberToObject(object, "ack", c->ack);
	if (c->reply)
		cJSON_AddStringToObject(object, "reply", reply ? reply : "");
	cJSON_AddStringToObject(object, "text", text);
}

static void add_line(const struct listing *l,
		     const struct vdpr_transcript_line *line, const char *text)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddNumberToObject(object, "line", line->line);
	cJSON_AddBoolToObject(object, "header", line->header);
	if (line->header)
		header_json(object, line);
	else
		command_json(object, &line->command, text);
	cJSON_AddItemToArray(l->lines, object);
}

static void print_line(const struct listing *l,
		       const struct vdpr_transcript_line *line,
		       const char *text)
{
	if (line->header)
		header_text(l->cli->out, line);
	else
		command_text(l->cli->out, line, text);
}

static int one_line(void *data, const struct vdpr_transcript_line *line)
{
	_cleanup_free_ char *text = NULL;
	struct listing *l = data;
	int rc = 0;

	if (!line->header)
		rc = vdpr_command_describe(l->cli->ctx, &line->command, &text);
	if (rc < 0)
		return rc;
	l->n_resets += line->header;
	l->n_commands += !line->header;
	l->n_refused += !line->header && line->command.ack;
	if (l->lines)
		add_line(l, line, text);
	else
		print_line(l, line, text);
	return 0;
}

static int finish(struct listing *l)
{
	struct cli *cli = l->cli;
	cJSON *object;

	if (!l->lines) {
		fprintf(cli->out, "commands %u, refused %u, resets %u\n",
			l->n_commands, l->n_refused, l->n_resets);
		return 0;
	}
	object = cJSON_CreateObject();
	cJSON_AddNumberToObject(object, "exit", 0);
	cJSON_AddItemToObject(object, "lines", l->lines);
	return out_json(cli, 0, object);
}

static int transcript_run(struct cli *cli, const struct args *args)
{
	struct listing listing = { .cli = cli };
	_cleanup_free_ char *text = NULL;
	const char *path = args->words[0];
	size_t len = 0;
	int code = input_check_file(cli, path);

	cli->stage = "read";
	if (!code)
		code = input_read(cli, path, INPUT_TRANSCRIPT_MAX, &text, &len);
	if (code)
		return code;
	listing.lines = cli->json ? cJSON_CreateArray() : NULL;
	if (vdpr_transcript_parse(cli->ctx, text, len, one_line, &listing,
				  NULL) < 0) {
		cJSON_Delete(listing.lines);
		return input_fail(cli, path);
	}
	return finish(&listing);
}

const struct command cmd_transcript = {
	.name = "transcript",
	.synopsis = "FILE",
	.summary = "Prints a transcript of control commands, decoded",
	.min_words = 1,
	.max_words = 1,
	.options = transcript_options,
	.run = transcript_run,
};
