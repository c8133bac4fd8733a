/* SPDX-License-Identifier: MIT */
/* Errors and notes: one line on standard error, an object where --json asks. */
#include "cmd/cmd.h"

#include <stdarg.h>
#include <string.h>

void note(const struct cli *cli, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	if (cli->quiet)
		return;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	if (!text)
		return;
	fputs("vdpa-restore: ", stderr);
	out_text(stderr, text);
	fputc('\n', stderr);
}

static void print_line(const char *text, const char *cure)
{
	fputs("vdpa-restore: ", stderr);
	out_text(stderr, text);
	if (cure && *cure) {
		fputs("; ", stderr);
		out_text(stderr, cure);
	}
	fputc('\n', stderr);
}

/* The object of a failure: what the command's success would have had, empty. */
static void print_object(struct cli *cli, int code, const char *text,
			 const char *cure)
{
	cJSON *object = cli->command && cli->command->failure
				? cli->command->failure(cli)
				: cJSON_CreateObject();

	if (cJSON_HasObjectItem(object, "exit"))
		cJSON_ReplaceItemInObjectCaseSensitive(
			object, "exit", cJSON_CreateNumber(code));
	else
		cJSON_AddNumberToObject(object, "exit", code);
	json_add_error(object, cli->stage, text, cure);
	out_json(cli, code, object);
}

static int fail_text(struct cli *cli, int code, const char *text,
		     const char *cure)
{
	print_line(text, cure);
	if (cli->json && !cli->answered) {
		cli->answered = true; /* no second try when memory ran out */
		print_object(cli, code, text, cure);
	}
	return code;
}

int fail(struct cli *cli, int code, const char *cure, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	return fail_text(cli, code, text ? text : "out of memory", cure);
}

int fail_ctx_cure(struct cli *cli, const char *cure)
{
	enum vdpr_cause cause = vdpr_ctx_cause(cli->ctx);
	const char *text = vdpr_ctx_error(cli->ctx);

	if (cause == VDPR_CAUSE_NONE)
		return fail_text(cli, VDPR_CAUSE_OTHER,
				 "failed for an unknown reason", NULL);
	return fail_text(cli, (int)cause, text, cure);
}

int fail_ctx(struct cli *cli)
{
	return fail_ctx_cure(cli, vdpr_ctx_cure(cli->ctx));
}

int fail_memory(struct cli *cli)
{
	return fail_text(cli, VDPR_CAUSE_OTHER, "out of memory", NULL);
}
