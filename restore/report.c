/* SPDX-License-Identifier: MIT */
/* The report of a restore: its lists, its JSON. */
#include "restore/report.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/sizes.h"

const char *const vdpr_stage_name[] = {
	[VDPR_STAGE_EXAMINE] = "examine",     [VDPR_STAGE_COMPARE] = "compare",
	[VDPR_STAGE_NEGOTIATE] = "negotiate", [VDPR_STAGE_MAP] = "map",
	[VDPR_STAGE_RINGS] = "rings",	      [VDPR_STAGE_START] = "start",
	[VDPR_STAGE_REPLAY] = "replay",	      [VDPR_STAGE_ENABLE] = "enable",
	[VDPR_STAGE_VERIFY] = "verify",
};
static_assert(ARRAY_SIZE(vdpr_stage_name) == VDPR_STAGE_COUNT,
	      "a name for every stage");

/* ---------------------------------------------------------------- reasons */

static char *copy_or_empty(const char *text)
{
	return strdup(text ? text : "");
}

static void reason_free(struct vdpr_reason *reason)
{
	free(reason->section);
	free(reason->name);
	free(reason->want);
	free(reason->have);
	free(reason->text);
	free(reason->cure);
}

void vdpr_reasons_add(struct vdpr_reasons *list,
		      const struct vdpr_reason_kind *kind, const char *want,
		      const char *have, const char *cure, const char *fmt, ...)
{
	struct vdpr_reason reason = { .kind = kind->kind };
	struct vdpr_reason *grown;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&reason.text, fmt, args) < 0)
		reason.text = NULL;
	va_end(args);
	reason.section = copy_or_empty(kind->section);
	reason.name = copy_or_empty(kind->name);
	reason.want = copy_or_empty(want);
	reason.have = copy_or_empty(have);
	reason.cure = copy_or_empty(cure);
	grown = realloc(list->reason, (list->count + 1) * sizeof(*grown));
	if (grown)
		list->reason = grown;
	if (!grown || !reason.text || !reason.section || !reason.name ||
	    !reason.want || !reason.have || !reason.cure) {
		list->error = -ENOMEM;
		reason_free(&reason);
		return;
	}
	list->reason[list->count++] = reason;
}

void vdpr_reasons_free(struct vdpr_reasons *list)
{
	for (size_t i = 0; i < list->count; i++)
		reason_free(&list->reason[i]);
	free(list->reason);
	*list = (struct vdpr_reasons){ 0 };
}

/* Has an earlier reason the same text, or the same cure? */
static bool said_before(const struct vdpr_reasons *list, size_t i, bool cure)
{
	const struct vdpr_reason *this = &list->reason[i];

	for (size_t k = 0; k < i; k++)
		if (!strcmp(cure ? list->reason[k].cure : list->reason[k].text,
			    cure ? this->cure : this->text))
			return true;
	return false;
}

char *vdpr_reasons_join(const struct vdpr_reasons *list, bool cure)
{
	struct vdpr_buf text = { 0 };

	vdpr_buf_str(&text, "");
	for (size_t i = 0; i < list->count; i++) {
		const char *part = cure ? list->reason[i].cure
					: list->reason[i].text;

		if (!*part || said_before(list, i, cure))
			continue;
		if (text.len)
			vdpr_buf_str(&text, "; ");
		vdpr_buf_str(&text, part);
	}
	return text.data;
}

void vdpr_report_take_error(struct vdpr_report *report,
			    const struct vdpr_ctx *ctx)
{
	report->failed = true;
	report->cause = vdpr_ctx_cause(ctx);
	report->text = strdup(vdpr_ctx_error(ctx));
	report->cure = strdup(vdpr_ctx_cure(ctx));
}

int vdpr_report_reason(const struct vdpr_report *report,
		       enum vdpr_reason_list list, size_t index,
		       struct vdpr_reason_info *out)
{
	const struct vdpr_reason *reason;
	const struct vdpr_reasons *from;
	struct vdpr_reason_info info;

	if (!report || !out)
		return -EINVAL;
	from = list == VDPR_REFUSALS ? &report->refusals : &report->warnings;
	if (index >= from->count)
		return -ERANGE;
	reason = &from->reason[index];
	info = (struct vdpr_reason_info){
		.section = reason->section,
		.kind = reason->kind,
		.name = reason->name,
		.want = reason->want,
		.have = reason->have,
		.text = reason->text,
		.cure = reason->cure,
	};
	return vdpr_struct_give(out, &info, sizeof(info));
}

/* ------------------------------------------------------------------- JSON */

/*
 * cJSON's add functions return NULL when memory runs out, and then the whole is
 * given up: each helper here records that in one flag.
 */
struct json {
	bool failed;
};

static void add(struct json *j, cJSON *object, const char *key, cJSON *value)
{
	if (!value || !cJSON_AddItemToObject(object, key, value)) {
		cJSON_Delete(value);
		j->failed = true;
	}
}

static void add_string(struct json *j, cJSON *object, const char *key,
		       const char *text)
{
	add(j, object, key,
	    text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

/* Counts stay far below 2^53, where a double is exact. */
static void add_number(struct json *j, cJSON *object, const char *key,
		       uint64_t value)
{
	add(j, object, key, cJSON_CreateNumber((double)value));
}

static cJSON *push_object(struct json *j, cJSON *array)
{
	cJSON *object = cJSON_CreateObject();

	if (!object || !cJSON_AddItemToArray(array, object)) {
		cJSON_Delete(object);
		j->failed = true;
		return NULL;
	}
	return object;
}

static cJSON *add_array(struct json *j, cJSON *object, const char *key)
{
	cJSON *array = cJSON_AddArrayToObject(object, key);

	if (!array)
		j->failed = true;
	return array;
}

static void json_stages(struct json *j, cJSON *root,
			const struct vdpr_report *report)
{
	cJSON *array = add_array(j, root, "stages");

	for (unsigned int i = 0; array && i < report->n_stages; i++) {
		cJSON *object;

		if (!report->stage_began[i])
			continue;
		object = push_object(j, array);
		if (!object)
			return;
		add_string(j, object, "name", vdpr_stage_name[i]);
		add_number(j, object, "usec", report->stage_ns[i] / 1000);
	}
}

static void json_result(struct json *j, cJSON *object,
			const struct vdpr_command_result *result)
{
	uint64_t usec = (result->used - result->posted) / 1000;

	if (result->ack == VDPR_NO_ACK)
		add(j, object, "ack", cJSON_CreateNull());
	else
		add_number(j, object, "ack", (unsigned int)result->ack);
	if (result->posted && result->used)
		add_number(j, object, "usec", usec);
	else
		add(j, object, "usec", cJSON_CreateNull());
}

static void json_command(struct json *j, cJSON *object,
			 const struct vdpr_report *report, size_t i)
{
	const struct vdpr_plan *plan = report->plan;
	const struct vdpr_plan_entry *entry = &plan->entry[i];
	_cleanup_buf_ struct vdpr_buf hex = { 0 };

	vdpr_buf_str(&hex, "");
	vdpr_buf_hex(&hex, plan->bytes + entry->offset, entry->len);
	if (vdpr_buf_error(&hex)) {
		j->failed = true;
		return;
	}
	add_number(j, object, "class", entry->info->ctrl_class);
	add_number(j, object, "command", entry->info->command);
	add_string(j, object, "name", entry->info->name);
	add_string(j, object, "section", entry->info->section);
	add(j, object, "after_enable", cJSON_CreateBool(i >= plan->n_before));
	add_string(j, object, "data", hex.data);
	json_result(j, object, &report->result[i]);
}

static void json_commands(struct json *j, cJSON *root,
			  const struct vdpr_report *report)
{
	cJSON *array = add_array(j, root, "commands");
	cJSON *object;

	if (!array || !report->plan)
		return;
	for (size_t i = 0; i < report->plan->count; i++) {
		object = push_object(j, array);
		if (!object)
			return;
		json_command(j, object, report, i);
	}
}

static void json_counts(struct json *j, cJSON *root,
			const struct vdpr_report *report)
{
	cJSON *object = cJSON_AddObjectToObject(root, "counts");

	if (!object) {
		j->failed = true;
		return;
	}
	add_number(j, object, "commands", report->n_sent);
	add_number(j, object, "kicks", report->kicks);
	add_number(j, object, "ioctls", report->calls.ioctls);
	add_number(j, object, "iotlb_writes", report->calls.iotlb_writes);
}

static void json_enabled(struct json *j, cJSON *root,
			 const struct vdpr_report *report)
{
	cJSON *array = add_array(j, root, "enabled");

	for (size_t i = 0; array && i < report->n_enabled; i++) {
		cJSON *number = cJSON_CreateNumber(report->enabled[i]);

		if (!number || !cJSON_AddItemToArray(array, number)) {
			cJSON_Delete(number);
			j->failed = true;
			return;
		}
	}
}

static void json_warnings(struct json *j, cJSON *root,
			  const struct vdpr_report *report)
{
	cJSON *array = add_array(j, root, "warnings");

	for (size_t i = 0; array && i < report->warnings.count; i++) {
		const struct vdpr_reason *warning = &report->warnings.reason[i];
		cJSON *object = push_object(j, array);

		if (!object)
			return;
		add_string(j, object, "section", warning->section);
		add_string(j, object, "text", warning->text);
	}
}

static void json_error(struct json *j, cJSON *root,
		       const struct vdpr_report *report)
{
	cJSON *object;

	if (!report->failed) {
		add(j, root, "error", cJSON_CreateNull());
		return;
	}
	object = cJSON_AddObjectToObject(root, "error");
	if (!object) {
		j->failed = true;
		return;
	}
	add_string(j, object, "stage",
		   report->n_stages ? vdpr_stage_name[report->stage] : NULL);
	add_string(j, object, "text", report->text ? report->text : "");
	add_string(j, object, "cure", report->cure ? report->cure : "");
}

static void json_report(struct json *j, cJSON *root,
			const struct vdpr_report *report)
{
	uint64_t downtime;

	add_string(j, root, "schema", "vdpa-restore/report");
	add_number(j, root, "version", 1);
	add_number(j, root, "exit", report->failed ? report->cause : 0);
	add_string(j, root, "device", report->device);
	add(j, root, "isolated",
	    report->isolation_known ? cJSON_CreateBool(report->isolated)
				    : cJSON_CreateNull());
	add_string(j, root, "order", report->order);
	json_stages(j, root, report);
	json_commands(j, root, report);
	json_counts(j, root, report);
	json_enabled(j, root, report);
	json_warnings(j, root, report);
	/* Only of a restore in two halves: else all of it is downtime. */
	if (!vdpr_report_downtime(report, &downtime))
		add_number(j, root, "downtime_usec", downtime);
	json_error(j, root, report);
}

int vdpr_report_format(struct vdpr_ctx *ctx, const struct vdpr_report *report,
		       char **out)
{
	struct json j = { false };
	_cleanup_free_ char *text = NULL;
	cJSON *root;

	if (vdpr_any_null(ctx, report, out))
		return -EINVAL;
	root = cJSON_CreateObject();
	if (!root)
		return vdpr_fail_memory(ctx);
	json_report(&j, root, report);
	if (!j.failed)
		text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	if (!text || asprintf(out, "%s\n", text) < 0)
		return vdpr_fail_memory(ctx);
	return 0;
}

int vdpr_report_downtime(const struct vdpr_report *report, uint64_t *usec)
{
	if (!report || !usec)
		return -EINVAL;
	if (!report->committed || !report->open_end)
		return -ENODATA;
	*usec = (report->open_end - report->committed) / 1000;
	return 0;
}

int vdpr_report_cvq_iova(const struct vdpr_report *report, uint32_t *asid,
			 struct vdpr_iova_range *out)
{
	if (!report || !asid || !out)
		return -EINVAL;
	if (!report->has_cvq)
		return -ENODATA;
	*asid = report->cvq_asid;
	*out = report->cvq_iova;
	return 0;
}

void vdpr_report_free(struct vdpr_report *report)
{
	if (!report)
		return;
	free(report->device);
	free(report->order);
	vdpr_plan_free(report->plan);
	free(report->result);
	free(report->enabled);
	vdpr_reasons_free(&report->refusals);
	vdpr_reasons_free(&report->warnings);
	free(report->text);
	free(report->cure);
	free(report);
}
