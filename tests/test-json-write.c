/* SPDX-License-Identifier: MIT */
/* Writing state files: canonical, valid, and read again; newer versions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <glob.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restore/ctx.h"
#include "tests/states.h"
#include "tests/texts.h"

static struct vdpr_ctx *ctx;

static char warnings[4096];

static void log_line(void *data, int level, const char *line)
{
	(void)data;
	assert_int_equal(level, VDPR_LOG_WARNING);
	strncat(warnings, line, sizeof(warnings) - strlen(warnings) - 2);
	strcat(warnings, "\n");
}

static int setup(void **state)
{
	(void)state;
	warnings[0] = '\0';
	if (vdpr_ctx_new(&ctx))
		return -1;
	vdpr_ctx_set_log(ctx, log_line, NULL, VDPR_LOG_WARNING);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vdpr_ctx_free(ctx);
	return 0;
}

/* --------------------------------------------------------------------- version */

static void a_file_for_newer_readers_is_refused_as_such(void **state)
{
	char *text = vdpr_test_edit(HASH, "\"compat\": 1,",
				    "\"compat\": 2, \"what\": {\"ever\": []},");

	(void)state;
	vdpr_test_refused(ctx, text, strlen(text), -EPROTONOSUPPORT,
			  "version 2");
	assert_true(strlen(vdpr_ctx_cure(ctx)) > 0);
	free(text);
}

static void a_newer_version_loses_what_we_do_not_know_aloud(void **state)
{
	char *text =
		vdpr_test_edit(HASH, "\"version\": 1,",
			       "\"version\": 2, \"filters\": {\"a\": [1]},");
	char *more = vdpr_test_edit(
		text, "\"config\": {}",
		"\"config\": {\"color\": 1}, \"origin\": {\"filters\": \"x\"}");
	struct vdpr_state *s;
	struct vdpr_state *again;
	char *out, *twice;

	(void)state;
	s = vdpr_test_parse(ctx, more);
	assert_string_equal(
		warnings,
		"config.color: unknown key of a newer version, ignored\n"
		"origin.filters: unknown key of a newer version, ignored\n"
		"filters: unknown key of a newer version, ignored\n");
	assert_false(vdpr_state_is_complete(s));
	assert_int_equal(s->foreign.count, 1);
	out = vdpr_test_format(ctx, s);
	assert_non_null(strstr(out, "\"version\": 2"));
	assert_non_null(strstr(out, "\"unknown\": [\n    \"filters\"\n  ]"));
	again = vdpr_test_parse(ctx, out);
	twice = vdpr_test_format(ctx, again);
	assert_string_equal(out, twice);
	vdpr_state_free(s);
	vdpr_state_free(again);
	free(out);
	free(twice);
	free(more);
	free(text);
}

static void a_newer_version_may_name_what_we_do_not_know(void **state)
{
	char *newer =
		vdpr_test_edit(HASH, "\"version\": 1,", "\"version\": 2,");
	char *text =
		vdpr_test_edit(newer, "\"unknown\": []",
			       "\"unknown\": [\"steering\", \"steering\"]");
	char *bad = vdpr_test_edit(newer, "\"unknown\": []",
				   "\"unknown\": [\"mq\"]");
	struct vdpr_state *s = vdpr_test_parse(ctx, text);

	(void)state;
	assert_int_equal(s->foreign.count, 1);
	assert_false(vdpr_state_is_complete(s));
	vdpr_test_refused(ctx, bad, strlen(bad), -EBADMSG,
			  "unknown[0]: \"mq\"");
	vdpr_state_free(s);
	free(bad);
	free(text);
	free(newer);
}

/* --------------------------------------------------------------------- writing */

static char *read_text(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, 65536);

	if (!file)
		fail_msg("%s: cannot be opened", path);
	assert_true(fread(text, 1, 65535, file) < 65535);
	fclose(file);
	return text;
}

static void canonical_examples_are_written_as_they_were_read(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob("tests/data/state-*.json", 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= 6);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		char *text = read_text(files.gl_pathv[i]);
		struct vdpr_state *s = vdpr_test_parse(ctx, text);
		char *out = vdpr_test_format(ctx, s);

		assert_string_equal(text, out);
		vdpr_state_free(s);
		free(out);
		free(text);
	}
	globfree(&files);
}

static void bad_examples_are_refused(void **state)
{
	glob_t files;
	struct vdpr_state *s = NULL;

	(void)state;
	assert_int_equal(glob("tests/data/bad/*.json", 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= 20);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		int err = vdpr_state_read(ctx, files.gl_pathv[i], &s);

		assert_true(err == -EBADMSG || err == -EPROTONOSUPPORT);
		assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_INPUT);
		assert_ptr_equal(strstr(vdpr_ctx_error(ctx), files.gl_pathv[i]),
				 vdpr_ctx_error(ctx));
	}
	globfree(&files);
}

static void writing_makes_canonical_what_was_not(void **state)
{
	static const char want[] =
		"\"ids\": [\n      1,\n      2,\n      \"5-7\",\n      9,\n      10\n    ]";
	char *text = vdpr_test_edit(FULL, "[1, 5]",
				    "[\"1-2\", 5, \"6-7\", \"9-10\"]");
	struct vdpr_state *s = vdpr_test_parse(ctx, text);
	char *out = vdpr_test_format(ctx, s);

	(void)state;
	assert_non_null(strstr(out, want));
	assert_non_null(strstr(out, "\"key\": \"0a0b0c\""));
	assert_non_null(strstr(out, "\"names\": ["));
	assert_int_equal(out[strlen(out) - 1], '\n');
	vdpr_state_free(s);
	free(out);
	free(text);
}

static void every_member_has_its_place_in_the_file(void **state)
{
	static const char *const keys[] = {
		"\"schema\"",
		"\"version\"",
		"\"compat\"",
		"\"captured\"",
		"\"device\"",
		"\"features\"",
		"\"backend_features\"",
		"\"config\"",
		"\n  \"mac\"",
		"\"rx_mode\"",
		"\"vlan\"",
		"\"mq\"",
		"\"rss\"",
		"\"offloads\"",
		"\"coalescing\"",
		"\n  \"announce\"",
		"\"vrings\"",
		"\"origin\"",
		"\"vendor\"",
		"\"unknown\"",
	};
	struct vdpr_state *s = vdpr_test_parse(ctx, FULL);
	char *out = vdpr_test_format(ctx, s);
	const char *at = out;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		at = strstr(at, keys[i]);
		if (!at)
			fail_msg("%s is not where it should be", keys[i]);
	}
	vdpr_state_free(s);
	free(out);
}

static void states_of_any_form_survive_writing_and_reading(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < 2 * VDPR_TEST_SUBSETS; seed++) {
		enum vdpr_test_form form = seed % 4 ? VDPR_ANY_FORM
						    : VDPR_NORMAL_FORM;
		struct vdpr_state *s = NULL;
		struct vdpr_state *again;
		char *text, *twice;

		assert_int_equal(vdpr_test_state(seed, form, ctx, &s), 0);
		text = vdpr_test_format(ctx, s);
		again = vdpr_test_parse(ctx, text);
		for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
			assert_true(vdpr_member_equal(s, again, m));
		twice = vdpr_test_format(ctx, again);
		assert_string_equal(text, twice);
		vdpr_state_free(s);
		vdpr_state_free(again);
		free(text);
		free(twice);
	}
}

static void strings_are_escaped_and_always_utf8(void **state)
{
	struct vdpr_state *s = NULL;
	struct vdpr_state *again;
	char *text;

	(void)state;
	assert_int_equal(vdpr_state_new(ctx, &s), 0);
	s->device.present = true;
	s->device.name = strdup("a\"b\\c\n\x01\x7f\xff\xc3\xa9");
	text = vdpr_test_format(ctx, s);
	again = vdpr_test_parse(ctx, text);
	assert_string_equal(again->device.name,
			    "a\"b\\c\n\x01\x7f\xef\xbf\xbd\xc3\xa9");
	vdpr_state_free(s);
	vdpr_state_free(again);
	free(text);
}

static void a_state_that_would_not_be_read_is_not_written(void **state)
{
	struct vdpr_state *s = vdpr_test_parse(ctx, FULL);
	char *text = NULL;

	(void)state;
	s->queue_pairs = 5;
	assert_int_equal(vdpr_state_format(ctx, s, &text, NULL), -EINVAL);
	assert_non_null(strstr(vdpr_ctx_error(ctx), "mq.queue_pairs"));
	s->queue_pairs = 3;
	s->member[VDPR_VLAN_IDS] = VDPR_ABSENT;
	assert_int_equal(vdpr_state_format(ctx, s, &text, NULL), -EINVAL);
	s->member[VDPR_VLAN_IDS] = VDPR_KNOWN;
	assert_int_equal(vdpr_origin_set(s, "nonsense", "x"), 0);
	assert_int_equal(vdpr_state_format(ctx, s, &text, NULL), -EINVAL);
	assert_null(text);
	vdpr_state_free(s);
}

static void a_text_past_the_limit_is_not_written(void **state)
{
	struct vdpr_state *s = vdpr_test_parse(ctx, FULL);
	uint8_t(*macs)[6] = calloc(200000, sizeof(*macs));
	char *text = NULL;

	(void)state;
	assert_non_null(macs);
	assert_int_equal(vdpr_mac_list_set(&s->unicast, &macs[0][0], 200000),
			 0);
	assert_int_equal(vdpr_state_format(ctx, s, &text, NULL), -EFBIG);
	assert_null(text);
	free(macs);
	vdpr_state_free(s);
}

#define SAMPLES 400

/* A real validator reads what was written, and refuses what is against the
 * schema. */
static void run_validator(const char *arguments)
{
	char command[512];
	int code;

	snprintf(command, sizeof(command), "tests/validate.py %s >&2",
		 arguments);
	code = system(command);
	if (WIFEXITED(code) && WEXITSTATUS(code) == 77)
		skip();
	assert_int_equal(code, 0);
}

static void every_produced_file_obeys_the_schema(void **state)
{
	char folder[] = "/tmp/vdpr-schema.XXXXXX";
	char path[64];
	char arguments[96];

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (unsigned int i = 0; i < SAMPLES; i++) {
		struct vdpr_state *s = NULL;

		assert_int_equal(vdpr_test_state(i * 11,
						 i % 8 ? VDPR_ANY_FORM
						       : VDPR_NORMAL_FORM,
						 ctx, &s),
				 0);
		snprintf(path, sizeof(path), "%s/%u.json", folder, i);
		assert_int_equal(vdpr_state_write(ctx, s, path), 0);
		vdpr_state_free(s);
	}
	snprintf(arguments, sizeof(arguments), "%s/*.json", folder);
	run_validator(arguments);
	for (unsigned int i = 0; i < SAMPLES; i++) {
		snprintf(path, sizeof(path), "%s/%u.json", folder, i);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(folder), 0);
}

static void good_examples_obey_the_schema(void **state)
{
	(void)state;
	run_validator("tests/data/state-*.json");
}

/* All but those whose fault lies between two values. */
static void bad_examples_break_the_schema_too(void **state)
{
	(void)state;
	run_validator("--bad $(ls tests/data/bad/*.json | grep -vE "
		      "'too-many-pairs|missing-section|present-and-unknown|"
		      "section-not-negotiated')");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_file_for_newer_readers_is_refused_as_such),
		T(a_newer_version_loses_what_we_do_not_know_aloud),
		T(a_newer_version_may_name_what_we_do_not_know),
		T(canonical_examples_are_written_as_they_were_read),
		T(bad_examples_are_refused),
		T(writing_makes_canonical_what_was_not),
		T(every_member_has_its_place_in_the_file),
		T(states_of_any_form_survive_writing_and_reading),
		T(strings_are_escaped_and_always_utf8),
		T(a_state_that_would_not_be_read_is_not_written),
		T(a_text_past_the_limit_is_not_written),
		T(every_produced_file_obeys_the_schema),
		T(good_examples_obey_the_schema),
		T(bad_examples_break_the_schema_too),
	};

	return cmocka_run_group_tests_name("json-write", tests, NULL, NULL);
}
