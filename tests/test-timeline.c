/* SPDX-License-Identifier: MIT */
/* Tests of the timeline: layout of a report, trace events, SVG. */
#include "restore/timeline.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD                                                             \
	"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1," \
	"\"features\":{\"offered\":\"0x1000a0000\","                     \
	"\"negotiated\":\"0x1000a0000\"},\"config\":{},\"vlan\":{\"ids\":["
#define TAIL "]},\"unknown\":[]}\n"

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	struct vdpr_dev *dev;
	struct vdpr_report *report;
	struct vdpr_timeline t;
};

/* A restore of these VLANs, whatever comes of it. */
static void setup(struct world *w, const char *ids, const char *dev)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	char text[512];

	memset(w, 0, sizeof(*w));
	snprintf(text, sizeof(text), HEAD "%s" TAIL, ids);
	opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	/* Short only where it is meant to pass: the machine may be busy. */
	opts.deadline =
		vdpr_now() + (strstr(dev, "stall") ? 300000000u : 20000000000u);
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	if (vdpr_state_parse(w->ctx, text, strlen(text), &w->state) ||
	    vdpr_dev_open(w->ctx, dev, &w->dev))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
	vdpr_restore_run(w->ctx, w->dev, w->state, &opts, &w->report);
	assert_non_null(w->report);
	assert_int_equal(vdpr_timeline_lay_out(w->report, &w->t), 0);
}

static void done(struct world *w)
{
	vdpr_timeline_free(&w->t);
	vdpr_report_free(w->report);
	vdpr_dev_close(w->dev);
	vdpr_state_free(w->state);
	vdpr_ctx_free(w->ctx);
}

static char *draw(struct world *w, enum vdpr_timeline_format format)
{
	char *text = NULL;

	assert_int_equal(vdpr_report_timeline(w->ctx, w->report, format, &text),
			 0);
	assert_non_null(text);
	assert_int_equal(text[strlen(text) - 1], '\n');
	return text;
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		n++;
	return n;
}

/* ------------------------------------------------------------------- layout */

static void stages_follow_one_another(void **state)
{
	struct world w;
	const struct vdpr_report *r;
	(void)state;

	setup(&w, "1,2", "sim");
	r = w.report;
	assert_false(r->failed);
	assert_int_equal(w.t.origin, r->stage_began[0]);
	for (unsigned int i = 1; i < r->n_stages; i++)
		assert_true(r->stage_began[i] >=
			    r->stage_began[i - 1] + r->stage_ns[i - 1]);
	done(&w);
}

static void data_queues_open_after_the_last_answer(void **state)
{
	struct world w;
	(void)state;

	setup(&w, "\"1-100\"", "sim:delay=10");
	assert_int_equal(w.t.n, 100);
	assert_true(w.report->opened >=
		    w.report->stage_began[VDPR_STAGE_ENABLE]);
	for (size_t i = 0; i < w.t.n; i++) {
		assert_true(w.t.slice[i].answered);
		assert_true(w.t.slice[i].begin < w.t.slice[i].end);
		assert_true(w.t.slice[i].end <= w.report->opened - w.t.origin);
	}
	assert_true(w.report->opened - w.t.origin <= w.t.span);
	done(&w);
}

static void without_a_control_virtqueue_they_open_at_driver_ok(void **state)
{
	static const char text[] =
		"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1,"
		"\"features\":{\"offered\":\"0x100000000\","
		"\"negotiated\":\"0x100000000\"},\"config\":{},\"unknown\":[]}";
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_report *report;
	struct vdpr_state *s;
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	(void)state;

	opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	assert_int_equal(vdpr_state_parse(ctx, text, strlen(text), &s), 0);
	assert_int_equal(vdpr_dev_open(ctx, "sim", &dev), 0);
	assert_int_equal(vdpr_restore_run(ctx, dev, s, &opts, &report), 0);
	assert_true(report->opened > report->stage_began[VDPR_STAGE_START]);
	assert_true(report->opened < report->stage_began[VDPR_STAGE_ENABLE]);
	vdpr_report_free(report);
	vdpr_dev_close(dev);
	vdpr_state_free(s);
	vdpr_ctx_free(ctx);
}

static void what_was_not_answered_lasts_to_the_end(void **state)
{
	struct world w;
	(void)state;

	setup(&w, "1,2", "sim:stall=2.0");
	assert_true(w.report->failed);
	assert_int_equal(w.report->opened, 0);
	assert_int_equal(w.t.n, 2);
	for (size_t i = 0; i < w.t.n; i++) {
		assert_false(w.t.slice[i].answered);
		assert_int_equal(w.t.slice[i].end, w.t.span);
	}
	done(&w);
}

/* --------------------------------------------------------------------- JSON */

static double number(const cJSON *event, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(event, key);

	assert_true(cJSON_IsNumber(item));
	return item->valuedouble;
}

static bool is(const cJSON *event, const char *key, const char *value)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(event, key));

	return text && !strcmp(text, value);
}

static void trace_has_every_stage_and_command(void **state)
{
	struct world w;
	char *text;
	cJSON *root;
	const cJSON *event;
	size_t stages = 0, commands = 0, marks = 0;
	(void)state;

	setup(&w, "\"0-4095\"", "sim");
	assert_false(w.report->failed);
	text = draw(&w, VDPR_TIMELINE_JSON);
	root = cJSON_Parse(text);
	assert_non_null(root);
	cJSON_ArrayForEach(
		event, cJSON_GetObjectItemCaseSensitive(root, "traceEvents"))
	{
		assert_int_equal(number(event, "pid"), 1);
		marks += is(event, "ph", "i") &&
			 is(event, "name", "data queues open");
		if (!is(event, "ph", "X"))
			continue;
		assert_true(number(event, "ts") >= 0);
		assert_true(number(event, "dur") >= 0);
		if (number(event, "tid") < 2)
			stages++;
		else
			commands += is(event, "name", "VLAN_ADD");
	}
	assert_int_equal(stages, VDPR_STAGE_COUNT);
	assert_int_equal(commands, 4096);
	assert_int_equal(marks, 1);
	cJSON_Delete(root);
	free(text);
	done(&w);
}

/* Viewers draw one of two bars that overlap without one being in the other. */
static void assert_no_overlap(const char *dev)
{
	double free_at[300] = { 0 };
	struct world w;
	const cJSON *event;
	cJSON *root;
	char *text;

	setup(&w, "\"0-999\"", dev);
	text = draw(&w, VDPR_TIMELINE_JSON);
	root = cJSON_Parse(text);
	assert_non_null(root);
	cJSON_ArrayForEach(
		event, cJSON_GetObjectItemCaseSensitive(root, "traceEvents"))
	{
		size_t tid;

		if (!is(event, "ph", "X"))
			continue;
		tid = (size_t)number(event, "tid");
		assert_true(tid < 260);
		/* 0.0005: what a double makes of three decimals. */
		assert_true(number(event, "ts") + 0.0005 >= free_at[tid]);
		free_at[tid] = number(event, "ts") + number(event, "dur");
	}
	cJSON_Delete(root);
	free(text);
	done(&w);
}

static void bars_of_a_track_do_not_overlap(void **state)
{
	(void)state;
	assert_no_overlap("sim:delay=1");
	/* Those that are never answered end with the restore. */
	assert_no_overlap("sim:stall=2.0");
}

static void trace_of_a_failure_has_its_error(void **state)
{
	struct world w;
	char *text;
	cJSON *root, *other;
	(void)state;

	setup(&w, "1,2", "sim:refuse=2.0");
	text = draw(&w, VDPR_TIMELINE_JSON);
	root = cJSON_Parse(text);
	other = cJSON_GetObjectItemCaseSensitive(root, "otherData");
	assert_int_equal(number(other, "exit"), VDPR_CAUSE_DEVICE);
	assert_true(is(other, "error", w.report->text));
	assert_true(is(other, "device", "sim:refuse=2.0"));
	assert_int_equal(count(text, "\"ack\":1"), 2);
	assert_int_equal(count(text, "data queues open"), 0);
	cJSON_Delete(root);
	free(text);
	done(&w);
}

/* ---------------------------------------------------------------------- SVG */

static void picture_names_what_happened(void **state)
{
	struct world w;
	char *text;
	(void)state;

	setup(&w, "1,2", "sim");
	text = draw(&w, VDPR_TIMELINE_SVG);
	assert_int_equal(count(text, "<svg "), 1);
	assert_int_equal(count(text, "</svg>\n"), 1);
	for (unsigned int i = 0; i < VDPR_STAGE_COUNT; i++)
		assert_non_null(strstr(text, vdpr_stage_name[i]));
	assert_non_null(strstr(text, ">sim: restored<"));
	assert_non_null(strstr(text, ">data queues open, "));
	assert_non_null(strstr(text, ">2 ok<"));
	free(text);
	done(&w);
}

/* The number at the head of each command's <title>, and where its mark is. */
static void assert_marks(const char *text, size_t n, const char *rest)
{
	double left, width, before = 0;
	size_t number, found = 0;
	char colon;

	for (const char *at = text; (at = strstr(at, "<rect x=")); at++) {
		const char *title = strstr(at, "<title>");

		if (!title || title > at + strcspn(at, "\n") ||
		    sscanf(title, "<title>%zu%c", &number, &colon) != 2 ||
		    colon != ':')
			continue;
		assert_int_equal(number, ++found);
		assert_int_equal(sscanf(at, "<rect x=\"%lf\" width=\"%lf\"",
					&left, &width),
				 2);
		assert_true(width > 0 && left >= 124);
		assert_true(left + width <= 124 + 736 + 0.02);
		/* 0.02: what is too narrow to be seen is drawn all the same. */
		assert_true(left + 0.02 >= before);
		before = left + width;
		title = strstr(title, ": ") + 2;
		if (strncmp(title, rest, strlen(rest)) != 0)
			fail_msg("%.99s", title);
	}
	assert_int_equal(found, n);
}

static void each_command_has_a_mark(void **state)
{
	static const struct {
		const char *ids, *dev;
		size_t n;
		const char *rest;
	} table[] = {
		{ "1", "sim", 1, "VLAN_ADD 2.0, 4 bytes, ack 0, " },
		{ "1,2", "sim", 2, "VLAN_ADD 2.0, 4 bytes, ack 0, " },
		{ "1,2,3", "sim:refuse=2.0", 3,
		  "VLAN_ADD 2.0, 4 bytes, ack 1, " },
		{ "1,2,3", "sim:stall=2.0", 3,
		  "VLAN_ADD 2.0, 4 bytes, not answered, " },
		{ "\"0-99\"", "sim:delay=100", 100,
		  "VLAN_ADD 2.0, 4 bytes, ack 0, " },
		{ "\"0-4095\"", "sim", 4096, "VLAN_ADD 2.0, 4 bytes, ack 0, " },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct world w;
		char *text;

		setup(&w, table[i].ids, table[i].dev);
		text = draw(&w, VDPR_TIMELINE_SVG);
		assert_marks(text, table[i].n, table[i].rest);
		done(&w);
		free(text);
	}
}

/* Their marks are all that grows: less than 128 bytes each. */
static void picture_of_many_commands_stays_small(void **state)
{
	struct world w;
	char *text;
	(void)state;

	setup(&w, "\"0-4095\"", "sim");
	text = draw(&w, VDPR_TIMELINE_SVG);
	assert_true(strlen(text) < 32768 + 4096 * 128);
	assert_true(count(text, "<rect") < 4096 + 200);
	assert_true(count(text, "<g ") < 200);
	assert_non_null(strstr(text, ">4096 ok<"));
	free(text);
	done(&w);
}

static void picture_of_a_failure_has_error_and_cure(void **state)
{
	struct world w;
	char *text;
	(void)state;

	setup(&w, "1,2", "sim:refuse=2.0");
	text = draw(&w, VDPR_TIMELINE_SVG);
	assert_non_null(strstr(text, ": failed in stage replay<"));
	assert_non_null(strstr(text, "device refused VLAN_ADD 2.0"));
	assert_non_null(strstr(text, "--warn SECTION"));
	assert_non_null(strstr(text, ">2 refused<"));
	assert_null(strstr(text, ">data queues open"));
	free(text);
	done(&w);
}

static void text_of_others_is_made_harmless(void **state)
{
	/* XML has no form for a control character, nor for U+FFFF. */
	static const char odd[] = "<a>&\"\x01\x7f\xff\xc3\xa4\xef\xbf\xbf";
	static const char want[] = "&lt;a&gt;&amp;&quot;\xef\xbf\xbd\xef\xbf"
				   "\xbd\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd: re";
	struct world w;
	char *text;
	cJSON *root;
	(void)state;

	setup(&w, "1", "sim");
	free(w.report->device);
	w.report->device = strdup(odd);
	text = draw(&w, VDPR_TIMELINE_SVG);
	assert_int_equal(count(text, want), 2);
	assert_null(strstr(text, "<a>"));
	free(text);
	text = draw(&w, VDPR_TIMELINE_JSON);
	root = cJSON_Parse(text);
	assert_non_null(root);
	cJSON_Delete(root);
	free(text);
	done(&w);
}

static void long_names_and_errors_are_broken(void **state)
{
	struct world w;
	char *text;
	(void)state;

	setup(&w, "1", "sim:refuse=2.0");
	free(w.report->text);
	w.report->text = calloc(1, 5001);
	memset(w.report->text, 'W', 5000);
	free(w.report->device);
	w.report->device = calloc(1, 1001);
	memset(w.report->device, 'w', 1000);
	text = draw(&w, VDPR_TIMELINE_SVG);
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		if (!strstr(line, "<title>"))
			assert_true(strcspn(line, "\n") < 600);
	assert_true(count(text, "WWWW</text>") > 5);
	assert_non_null(strstr(text, "www...: failed"));
	free(text);
	done(&w);
}

/* -------------------------------------------------------------------- public */

static void unknown_format_is_refused(void **state)
{
	struct world w;
	char *text = NULL;
	(void)state;

	setup(&w, "1", "sim");
	assert_int_equal(vdpr_report_timeline(w.ctx, w.report,
					      (enum vdpr_timeline_format)2,
					      &text),
			 -EINVAL);
	assert_null(text);
	done(&w);
}

static void a_check_alone_has_a_timeline(void **state)
{
	struct world w;
	char *text;
	(void)state;

	setup(&w, "1", "sim");
	vdpr_report_free(w.report);
	assert_int_equal(
		vdpr_restore_check(w.ctx, w.dev, w.state, NULL, &w.report), 0);
	text = draw(&w, VDPR_TIMELINE_SVG);
	assert_non_null(strstr(text, ">none was sent<"));
	assert_non_null(strstr(text, ">sim: would fit<"));
	free(text);
	free(draw(&w, VDPR_TIMELINE_JSON));
	done(&w);
}

static void extension_chooses_the_format(void **state)
{
	char path[] = "/tmp/vdpr-test-XXXXXX";
	char svg[sizeof(path) + 4];
	char begin[16] = "";
	struct world w;
	FILE *file;
	(void)state;

	setup(&w, "1", "sim");
	assert_true(close(mkstemp(path)) == 0);
	snprintf(svg, sizeof(svg), "%s.SVG", path);
	assert_int_equal(vdpr_report_write_timeline(w.ctx, w.report, path), 0);
	assert_int_equal(vdpr_report_write_timeline(w.ctx, w.report, svg), 0);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(begin, 1, 5, file), 5);
	assert_string_equal(begin, "{\"dis");
	fclose(file);
	file = fopen(svg, "r");
	assert_non_null(file);
	assert_int_equal(fread(begin, 1, 5, file), 5);
	assert_string_equal(begin, "<?xml");
	fclose(file);
	unlink(path);
	unlink(svg);
	assert_int_equal(
		vdpr_report_write_timeline(w.ctx, w.report, "/nonexistent/x"),
		-ENOENT);
	assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_OTHER);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages_follow_one_another),
		cmocka_unit_test(data_queues_open_after_the_last_answer),
		cmocka_unit_test(
			without_a_control_virtqueue_they_open_at_driver_ok),
		cmocka_unit_test(what_was_not_answered_lasts_to_the_end),
		cmocka_unit_test(trace_has_every_stage_and_command),
		cmocka_unit_test(bars_of_a_track_do_not_overlap),
		cmocka_unit_test(trace_of_a_failure_has_its_error),
		cmocka_unit_test(picture_names_what_happened),
		cmocka_unit_test(each_command_has_a_mark),
		cmocka_unit_test(picture_of_many_commands_stays_small),
		cmocka_unit_test(picture_of_a_failure_has_error_and_cure),
		cmocka_unit_test(text_of_others_is_made_harmless),
		cmocka_unit_test(long_names_and_errors_are_broken),
		cmocka_unit_test(unknown_format_is_refused),
		cmocka_unit_test(a_check_alone_has_a_timeline),
		cmocka_unit_test(extension_chooses_the_format),
	};

	return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
