/* SPDX-License-Identifier: MIT */
/* A report laid out in time, and its picture in the trace event format. */
#include "restore/timeline.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/file.h"
#include "restore/json-write.h"

/* ------------------------------------------------------------------- layout */

static uint64_t last_moment(const struct vdpr_report *report)
{
	unsigned int last = report->n_stages - 1;

	if (!report->n_stages)
		return 0;
	return report->stage_began[last] + report->stage_ns[last];
}

static void collect(struct vdpr_timeline *t)
{
	const struct vdpr_report *report = t->report;

	for (size_t i = 0; i < report->plan->count; i++) {
		const struct vdpr_command_result *r = &report->result[i];

		if (!r->posted)
			continue;
		t->slice[t->n++] = (struct vdpr_slice){
			.index = i,
			.begin = r->posted - t->origin,
			.end = r->used ? r->used - t->origin : t->span,
			.answered = r->used,
		};
	}
}

int vdpr_timeline_lay_out(const struct vdpr_report *report,
			  struct vdpr_timeline *out)
{
	*out = (struct vdpr_timeline){ .report = report, .span = 1 };
	if (report->n_stages)
		out->origin = report->stage_began[0];
	if (last_moment(report) > out->origin)
		out->span = last_moment(report) - out->origin;
	if (!report->plan || !report->result)
		return 0;
	out->slice = calloc(report->plan->count + 1, sizeof(*out->slice));
	if (!out->slice)
		return -ENOMEM;
	collect(out);
	return 0;
}

void vdpr_timeline_free(struct vdpr_timeline *timeline)
{
	free(timeline->slice);
	timeline->slice = NULL;
}

/* --------------------------------------------------------------------- JSON */

/* Bars of one track must not overlap: commands take the first track that is free
 * by then, as they take slots of the ring. Never more than the ring has. */
enum { TRACK_STAGES = 1, TRACK_COMMANDS };
#define COMMAND_TRACKS 256

struct tracks {
	unsigned int n;
	uint64_t free_at[COMMAND_TRACKS];
};

static unsigned int take_track(struct tracks *tracks,
			       const struct vdpr_slice *slice)
{
	unsigned int i = 0;

	while (i < tracks->n && tracks->free_at[i] > slice->begin &&
	       i < COMMAND_TRACKS - 1)
		i++;
	if (i == tracks->n)
		tracks->n++;
	tracks->free_at[i] = slice->end;
	return i;
}

/* The format wants microseconds; not %f, whose point depends on the locale. */
static void put_usec(struct vdpr_buf *out, uint64_t ns)
{
	vdpr_buf_printf(out, "%" PRIu64 ".%03u", ns / 1000,
			(unsigned int)(ns % 1000));
}

static void begin_event(struct vdpr_buf *out, const char *name, char phase,
			unsigned int track)
{
	vdpr_buf_str(out, ",\n{\"name\":");
	vdpr_json_string(out, name);
	vdpr_buf_printf(out, ",\"ph\":\"%c\",\"pid\":1,\"tid\":%u", phase,
			track);
}

static void put_times(struct vdpr_buf *out, uint64_t begin, uint64_t end)
{
	vdpr_buf_str(out, ",\"ts\":");
	put_usec(out, begin);
	vdpr_buf_str(out, ",\"dur\":");
	put_usec(out, end - begin);
}

static void name_track(struct vdpr_buf *out, unsigned int track,
		       const char *name)
{
	begin_event(out, "thread_name", 'M', track);
	vdpr_buf_printf(out, ",\"args\":{\"name\":\"%s\"}}", name);
	begin_event(out, "thread_sort_index", 'M', track);
	vdpr_buf_printf(out, ",\"args\":{\"sort_index\":%u}}", track);
}

static void put_stage(const struct vdpr_timeline *t, unsigned int stage,
		      struct vdpr_buf *out)
{
	const struct vdpr_report *report = t->report;
	uint64_t begin = report->stage_began[stage] - t->origin;
	bool failed = report->failed && stage == report->stage;

	begin_event(out, vdpr_stage_name[stage], 'X', TRACK_STAGES);
	put_times(out, begin, begin + report->stage_ns[stage]);
	vdpr_buf_str(out, ",\"args\":{");
	if (failed) {
		vdpr_buf_str(out, "\"error\":");
		vdpr_json_string(out, report->text ? report->text : "");
	}
	vdpr_buf_str(out, "}}");
}

static void put_command(const struct vdpr_timeline *t,
			const struct vdpr_slice *slice, unsigned int track,
			struct vdpr_buf *out)
{
	const struct vdpr_report *report = t->report;
	const struct vdpr_plan_entry *entry =
		&report->plan->entry[slice->index];

	begin_event(out, entry->info->name, 'X', TRACK_COMMANDS + track);
	put_times(out, slice->begin, slice->end);
	vdpr_buf_printf(out,
			",\"args\":{\"number\":%zu,\"section\":\"%s\","
			"\"class\":%u,\"command\":%u,\"bytes\":%zu,\"ack\":",
			slice->index + 1, entry->info->section,
			entry->info->ctrl_class, entry->info->command,
			entry->len + 2);
	if (slice->answered)
		vdpr_buf_printf(out, "%d}}", report->result[slice->index].ack);
	else
		vdpr_buf_str(out, "null}}");
}

static void put_commands(const struct vdpr_timeline *t, struct vdpr_buf *out)
{
	struct tracks tracks = { .n = 0 };

	for (size_t i = 0; i < t->n; i++)
		put_command(t, &t->slice[i], take_track(&tracks, &t->slice[i]),
			    out);
	for (unsigned int i = 0; i < tracks.n; i++)
		name_track(out, TRACK_COMMANDS + i, "commands");
}

static void put_head(const struct vdpr_report *report, struct vdpr_buf *out)
{
	vdpr_buf_str(out, "{\"displayTimeUnit\":\"ns\",\"otherData\":{"
			  "\"schema\":\"vdpa-restore/timeline\",\"version\":1,"
			  "\"device\":");
	vdpr_json_string(out, report->device);
	vdpr_buf_printf(out, ",\"exit\":%d,\"error\":",
			report->failed ? (int)report->cause : 0);
	if (report->failed)
		vdpr_json_string(out, report->text ? report->text : "");
	else
		vdpr_buf_str(out, "null");
	vdpr_buf_str(out, "},\"traceEvents\":[\n"
			  "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,"
			  "\"args\":{\"name\":");
	vdpr_json_string(out, report->device);
	vdpr_buf_str(out, "}}");
}

void vdpr_timeline_json(const struct vdpr_timeline *t, struct vdpr_buf *out)
{
	const struct vdpr_report *report = t->report;

	put_head(report, out);
	name_track(out, TRACK_STAGES, "stages");
	for (unsigned int i = 0; i < report->n_stages; i++)
		if (report->stage_began[i])
			put_stage(t, i, out);
	put_commands(t, out);
	if (report->opened) {
		begin_event(out, "data queues open", 'i', TRACK_STAGES);
		vdpr_buf_str(out, ",\"s\":\"g\",\"ts\":");
		put_usec(out, report->opened - t->origin);
		vdpr_buf_str(out, "}");
	}
	vdpr_buf_str(out, "\n]}\n");
}

/* ------------------------------------------------------------------- public */

typedef void (*draw_fn)(const struct vdpr_timeline *t, struct vdpr_buf *out);

static const draw_fn draw[] = {
	[VDPR_TIMELINE_JSON] = vdpr_timeline_json,
	[VDPR_TIMELINE_SVG] = vdpr_timeline_svg,
};

int vdpr_report_timeline(struct vdpr_ctx *ctx, const struct vdpr_report *report,
			 enum vdpr_timeline_format format, char **out)
{
	_cleanup_buf_ struct vdpr_buf buf = { 0 };
	struct vdpr_timeline timeline;
	int ret;

	if (vdpr_any_null(ctx, report, out))
		return -EINVAL;
	if ((size_t)format >= ARRAY_SIZE(draw))
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "timeline: no such format");
	ret = vdpr_timeline_lay_out(report, &timeline);
	if (!ret)
		draw[format](&timeline, &buf);
	vdpr_timeline_free(&timeline);
	if (ret || vdpr_buf_take(&buf, out, NULL))
		return vdpr_fail_memory(ctx);
	return 0;
}

static bool is_svg(const char *path)
{
	size_t len = strlen(path);

	return len >= 4 && !strcasecmp(path + len - 4, ".svg");
}

int vdpr_report_write_timeline(struct vdpr_ctx *ctx,
			       const struct vdpr_report *report,
			       const char *path)
{
	_cleanup_free_ char *text = NULL;
	int ret;

	if (vdpr_any_null(ctx, report, path))
		return -EINVAL;
	ret = vdpr_report_timeline(
		ctx, report,
		is_svg(path) ? VDPR_TIMELINE_SVG : VDPR_TIMELINE_JSON, &text);
	return text ? vdpr_file_write(ctx, path, text, strlen(text)) : ret;
}
