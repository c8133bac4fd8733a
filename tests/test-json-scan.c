/* SPDX-License-Identifier: MIT */
/* Strict JSON: what the scan refuses, and where it says the fault is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/json-scan.h"
#include "tests/texts.h"

static struct vdpr_ctx *ctx;

static int setup(void **state)
{
	(void)state;
	return vdpr_ctx_new(&ctx) ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	vdpr_ctx_free(ctx);
	return 0;
}

/* ---------------------------------------------------------------------- syntax */

static void text_that_is_not_strict_json_is_refused(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{ "", "line 1, column 1: the text ends" },
		{ " \n\t", "line 2, column 2: the text ends" },
		{ "\xef\xbb\xbf{}", "byte order mark" },
		{ "{} x", "line 1, column 4: something follows" },
		{ "{}{}", "line 1, column 3: something follows" },
		{ "{\"a\": 1,}", "column 9: \"}\" stands where a key" },
		{ "[1,]", "\"]\" stands where a value" },
		{ "{a: 1}", "a key in quotes" },
		{ "{'a': 1}", "a key in quotes" },
		{ "{\"a\" 1}", "':'" },
		{ "{\"a\": 1 \"b\": 2}", "',' or '}'" },
		{ "[1 2]", "',' or ']'" },
		{ "// x\n{}", "\"/\" stands where a value" },
		{ "[NaN]", "a value" },
		{ "[True]", "a value" },
		{ "[01]", "leading zero" },
		{ "[-01]", "leading zero" },
		{ "[-0]", "-0" },
		{ "[1.0]", "fraction" },
		{ "[1e3]", "exponent" },
		{ "[1E3]", "exponent" },
		{ "[0.]", "fraction" },
		{ "[.5]", "a value" },
		{ "[+1]", "a value" },
		{ "[-]", "a digit" },
		{ "[0x10]", "',' or ']'" },
		{ "[12345678901234567890]", "19 digits" },
		{ "[\"a\nb\"]", "raw control character" },
		{ "[\"\t\"]", "raw control character" },
		{ "[\"\\x41\"]", "escape" },
		{ "[\"\\u12\"]", "hex digit" },
		{ "[\"\\u0000\"]", "\\u0000" },
		{ "[\"\\ud800\"]", "surrogate" },
		{ "[\"\\ud800\\u0041\"]", "surrogate" },
		{ "[\"\\udc00\\ud800\"]", "surrogate" },
		{ "[\"\x80\"]", "invalid UTF-8" },
		{ "[\"\xc0\xaf\"]", "invalid UTF-8" },
		{ "[\"\xe0\x80\x80\"]", "invalid UTF-8" },
		{ "[\"\xed\xa0\x80\"]", "invalid UTF-8" },
		{ "[\"\xf4\x90\x80\x80\"]", "invalid UTF-8" },
		{ "[\"\xf0\x9f\x90\"]", "invalid UTF-8" },
		{ "[\"\xff\"]", "invalid UTF-8" },
		{ "{\"a\": 1, \"a\": 2}", "column 10: the key \"a\"" },
		{ "{\"m\": 1, \"b\": 2, \"\\u006d\": 3}", "the key \"m\"" },
		{ "{\"\\ud83d\\udc1f\": 1, \"\xf0\x9f\x90\x9f\": 2}", "twice" },
		{ "{\"\": 1, \"\": 2}", "the key \"\"" },
		{ "[[[[[[[[[]]]]]]]]]", "nested deeper than 8" },
		{ "{\"a\\nb\": 1, \"a\\nb\": 1}", "\"a\\x0ab\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		vdpr_test_refused(ctx, cases[i].text, strlen(cases[i].text),
				  -EBADMSG, cases[i].message);
}

static void good_json_passes_the_scan(void **state)
{
	static const char *const good[] = {
		"{}",
		" [ ] \r\n",
		"null",
		"[[[[[[[[]]]]]]]]",
		"[0, -1, 10, 1234567890123456789]",
		"{\"a\": {\"a\": {\"a\": 1}}, \"A\": 1, \"b\": [{\"a\": 1}, {\"a\": 1}]}",
		"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\udc1f\"]",
		"[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f\x7f\"]",
	};
	struct vdpr_json_fault fault;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(
			vdpr_json_scan(good[i], strlen(good[i]), 8, &fault), 0);
}

static void nul_bytes_are_refused_anywhere(void **state)
{
	static const char after[] = HASH "\0";
	char *inside = strdup(HASH);

	(void)state;
	vdpr_test_refused(ctx, after, sizeof(after) - 1, -EBADMSG,
			  "something follows");
	inside[20] = '\0';
	vdpr_test_refused(ctx, inside, strlen(HASH), -EBADMSG,
			  "control character");
	free(inside);
}

static void every_truncation_is_refused(void **state)
{
	static const char *const bases[] = { FULL, HASH, NO_FEATURES, PACKED };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		for (size_t len = 0; len < strlen(bases[i]); len++) {
			/* A copy of exactly that length: ASan sees a step past. */
			char *part = malloc(len + !len);

			memcpy(part, bases[i], len);
			vdpr_test_refused(ctx, part, len, -EBADMSG, "line ");
			free(part);
		}
		vdpr_state_free(vdpr_test_parse(ctx, bases[i]));
	}
}

static void text_of_more_than_4_mib_is_refused(void **state)
{
	size_t len = (4u << 20) + 1;
	char *text = malloc(len);
	struct vdpr_state *s = NULL;

	(void)state;
	memset(text, ' ', len);
	memcpy(text, HASH, strlen(HASH));
	vdpr_test_refused(ctx, text, len, -EFBIG, "4194304");
	assert_int_equal(vdpr_state_parse(ctx, text, len - 1, &s), 0);
	vdpr_state_free(s);
	free(text);
}

static void hundred_thousand_keys_take_no_square_of_time(void **state)
{
	struct vdpr_buf text = { 0 };
	struct vdpr_json_fault fault;
	uint64_t began = vdpr_now();

	(void)state;
	vdpr_buf_str(&text, "{");
	for (unsigned int i = 0; i < 300000; i++)
		vdpr_buf_printf(&text, "\"%u\":0,", i);
	vdpr_buf_str(&text, "\"77\":0}");
	assert_int_equal(vdpr_json_scan(text.data, text.len, 8, &fault),
			 -EBADMSG);
	assert_non_null(strstr(fault.why, "\"77\""));
	/* VDPR_SLOW: a tool that makes everything slow looks on. */
	if (!getenv("VDPR_SLOW"))
		assert_true(vdpr_now() - began < 20000000000u);
	vdpr_buf_free(&text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(text_that_is_not_strict_json_is_refused),
		T(good_json_passes_the_scan),
		T(nul_bytes_are_refused_anywhere),
		T(every_truncation_is_refused),
		T(text_of_more_than_4_mib_is_refused),
		T(hundred_thousand_keys_take_no_square_of_time),
	};

	return cmocka_run_group_tests_name("json-scan", tests, NULL, NULL);
}
