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

/* What is wrong is said by whoever fails of it. */
static void log_line(void *data, int level, const char *line)
{
	struct cli *cli = data;

	if (level <= 3) {
		if (!cli->conflicts)
			cli->conflicts = cJSON_CreateArray();
		cJSON_AddItemToArray(cli->conflicts, cJSON_CreateString(line));
		return;
	}
	fputs(level == 4 ? "vdpa-restore: warning: " : "vdpa-restore: ",
	      stderr);
	out_text(stderr, line);
	fputc('\n', stderr);
}

void log_start(struct cli *cli)
{
	int level = cli->verbose > 1 ? 7 : cli->verbose ? 6 : 5;

	vdpr_ctx_set_log(cli->ctx, log_line, cli, cli->quiet ? 3 : level);
}

void log_errors_only(struct cli *cli)
{
	vdpr_ctx_set_log(cli->ctx, log_line, cli, 3);
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
	if (cli->conflicts)
		cJSON_AddItemToObject(object, "conflicts",
				      cJSON_Duplicate(cli->conflicts, true));
	json_add_error(object, cli->stage, text, cure);
	out_json(cli, code, object);
}

static int fail_text(struct cli *cli, int code, const char *text,
		     const char *cure)
{
	print_line(text, cure);
	free(cli->failure_text);
	free(cli->failure_cure);
	cli->failure_text = strdup(text);
	cli->failure_cure = strdup(cure ? cure : "");
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

int fail_conflicts(struct cli *cli)
{
	const char *cure = "say with --prefer SOURCE whose value is to win";
	const cJSON *line;
	int n = cJSON_GetArraySize(cli->conflicts);

	if (n == 1)
		return fail(cli, VDPR_CAUSE_REFUSED, cure, "%s",
			    cJSON_GetStringValue(cli->conflicts->child));
	cJSON_ArrayForEach(line, cli->conflicts)
	{
		print_line(cJSON_GetStringValue(line), NULL);
	}
	return fail(cli, VDPR_CAUSE_REFUSED, cure,
		    "the sources disagree in %d points", n);
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
