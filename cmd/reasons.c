/* SPDX-License-Identifier: MIT */
/* Reasons why a state does not fit, from the library and from the tool's own
 * tables, and how they are shown. */
#include "cmd/reasons.h"

#include <stdarg.h>
#include <string.h>

void reasons_init(struct reasons *reasons)
{
	reasons->refusals = cJSON_CreateArray();
	reasons->warnings = cJSON_CreateArray();
}

void reasons_free(struct reasons *reasons)
{
	cJSON_Delete(reasons->refusals);
	cJSON_Delete(reasons->warnings);
}

static void add_string(cJSON *object, const char *key, const char *text)
{
	cJSON_AddStringToObject(object, key, text ? text : "");
}

static void add(cJSON *list, const struct reason *reason, const char *text)
{
	cJSON *object = cJSON_CreateObject();

	add_string(object, "section", reason->section);
	add_string(object, "kind", reason->kind);
	add_string(object, "name", reason->name);
	add_string(object, "want", reason->want);
	add_string(object, "have", reason->have);
	add_string(object, "text", text);
	add_string(object, "cure", reason->cure);
	cJSON_AddItemToArray(list, object);
}

void reasons_add(cJSON *list, const struct reason *reason, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	add(list, reason, text);
}

static void take(cJSON *list, const struct vdpr_report *report,
		 enum vdpr_reason_list which)
{
	struct vdpr_reason_info info = VDPR_INIT(struct vdpr_reason_info);

	for (size_t i = 0; !vdpr_report_reason(report, which, i, &info); i++)
		add(list,
		    &(struct reason){ info.section, info.kind, info.name,
				      info.want, info.have, info.cure },
		    info.text);
}

void reasons_take(struct reasons *reasons, const struct vdpr_report *report)
{
	take(reasons->refusals, report, VDPR_REFUSALS);
	take(reasons->warnings, report, VDPR_WARNINGS);
}

bool reasons_fit(const struct reasons *reasons)
{
	return !cJSON_GetArraySize(reasons->refusals);
}

/* ------------------------------------------------------------------ output */

static void print_part(FILE *to, const char *label, const char *text)
{
	if (!*text)
		return;
	fprintf(to, "    %s", label);
	out_text(to, text);
	fputc('\n', to);
}

static void print_values(FILE *to, const cJSON *one)
{
	const char *want = json_text(one, "want");
	const char *have = json_text(one, "have");

	if (!*want && !*have)
		return;
	fputs("    wanted: ", to);
	out_text(to, *want ? want : "-");
	fputs(", there: ", to);
	out_text(to, *have ? have : "-");
	fputc('\n', to);
}

static void print_one(FILE *to, const char *title, const cJSON *one)
{
	fprintf(to, "%s: ", title);
	out_text(to, json_text(one, "text"));
	fputc('\n', to);
	print_values(to, one);
	print_part(to, "cure: ", json_text(one, "cure"));
}

void reasons_print(const struct cli *cli, const struct reasons *reasons)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, reasons->refusals)
	{
		print_one(cli->out, "refused", one);
	}
	cJSON_ArrayForEach(one, reasons->warnings)
	{
		print_one(cli->out, "warning", one);
	}
}

void reasons_move(struct reasons *reasons, cJSON *object)
{
	cJSON_AddItemToObject(object, "refusals", reasons->refusals);
	cJSON_AddItemToObject(object, "warnings", reasons->warnings);
	*reasons = (struct reasons){ 0 };
}
