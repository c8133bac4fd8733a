/* SPDX-License-Identifier: MIT */
/* Transcripts: real and made-up ones, and every way in which one is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "restore/state.h"
#include "tests/commands.h"

/* CTRL_VQ, CTRL_VLAN, VERSION_1 */
#define HEADER "{\"features\":\"0x1000a0000\"}\n"
#define ADD_42 "{\"class\":2,\"command\":0,\"data\":\"2a00\",\"ack\":0}\n"

static int setup(void **state)
{
	struct vdpr_ctx *ctx;
	int ret = vdpr_ctx_new(&ctx);

	*state = ctx;
	return ret;
}

static int teardown(void **state)
{
	vdpr_ctx_free(*state);
	return 0;
}

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	struct vdpr_buf buf = { 0 };
	char chunk[4096];
	char *out;
	size_t n;

	if (!f)
		fail_msg("%s: cannot be opened", path);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		vdpr_buf_add(&buf, chunk, n);
	fclose(f);
	assert_int_equal(vdpr_buf_take(&buf, &out, len), 0);
	return out;
}

/* From memory of its own length, so that a sanitizer sees a read past it. */
static int parse_len(struct vdpr_ctx *ctx, const char *text, size_t len,
		     vdpr_transcript_fn fn, void *data, struct vdpr_state **out)
{
	char *copy = malloc(len ? len : 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, text, len);
	ret = vdpr_transcript_parse(ctx, copy, len, fn, data, out);
	free(copy);
	return ret;
}

static struct vdpr_state *parse(struct vdpr_ctx *ctx, const char *text)
{
	struct vdpr_state *s = NULL;
	int ret = parse_len(ctx, text, strlen(text), NULL, NULL, &s);

	if (ret)
		fail_msg("%s", vdpr_ctx_error(ctx));
	return s;
}

static void refused_err(struct vdpr_ctx *ctx, const char *text, int err,
			const char *about)
{
	struct vdpr_state *s = NULL;

	assert_int_equal(parse_len(ctx, text, strlen(text), NULL, NULL, &s),
			 err);
	assert_null(s);
	assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_INPUT);
	if (!strstr(vdpr_ctx_error(ctx), about))
		fail_msg("\"%s\" does not say \"%s\"", vdpr_ctx_error(ctx),
			 about);
}

static void refused(struct vdpr_ctx *ctx, const char *text, const char *about)
{
	refused_err(ctx, text, -EBADMSG, about);
}

/* ------------------------------------------------------- a real guest's day */

static void check_macs(const cJSON *array, const struct vdpr_mac_list *list)
{
	char text[VDPR_MAC_TEXT];

	assert_int_equal(cJSON_GetArraySize(array), list->count);
	for (size_t i = 0; i < list->count; i++) {
		vdpr_mac_format(list->addr[i], text);
		assert_string_equal(
			cJSON_GetArrayItem(array, (int)i)->valuestring, text);
	}
}

static bool flag(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	assert_true(cJSON_IsBool(item));
	return cJSON_IsTrue(item);
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(object, key));

	assert_non_null(text);
	return text;
}

static uint64_t bits_of(const cJSON *object, const char *key,
			int (*bit_of)(const char *name))
{
	const cJSON *array = cJSON_GetObjectItemCaseSensitive(object, key);
	const cJSON *item;
	uint64_t bits = 0;

	cJSON_ArrayForEach(item, array)
		bits |= BIT_ULL(bit_of(item->valuestring));
	return bits;
}

static void check_vlans(const cJSON *array, const struct vdpr_state *s)
{
	const cJSON *item;
	int count = 0;

	for (unsigned int id = 0; id < VDPR_VLANS; id++)
		count += vdpr_vlan_has(s, id);
	assert_int_equal(cJSON_GetArraySize(array), count);
	cJSON_ArrayForEach(item, array)
		assert_true(vdpr_vlan_has(s, (unsigned int)item->valueint));
}

static void check_rss(const cJSON *rss, const struct vdpr_state *s)
{
	const cJSON *table = cJSON_GetObjectItemCaseSensitive(rss, "table");
	const char *key = text_of(rss, "key");
	uint8_t bytes[VDPR_KEY_MAX];

	assert_true(flag(rss, "enabled"));
	assert_int_equal(s->member[VDPR_RSS], VDPR_KNOWN);
	assert_true(s->rss.hash_types ==
		    bits_of(rss, "hash_types", vdpr_hash_type_bit));
	assert_int_equal(s->rss.unclassified_queue,
			 cJSON_GetObjectItemCaseSensitive(rss, "default_queue")
				 ->valueint);
	assert_int_equal(strlen(key), 2 * s->rss.key.len);
	assert_int_equal(vdpr_hex_decode(key, strlen(key), bytes), 0);
	assert_memory_equal(bytes, s->rss.key.bytes, s->rss.key.len);
	assert_int_equal(cJSON_GetArraySize(table), s->rss.table_len);
	for (uint32_t i = 0; i < s->rss.table_len; i++)
		assert_int_equal(cJSON_GetArrayItem(table, (int)i)->valueint,
				 s->rss.table[i]);
}

/* The same guest's state as its VMM's own migration stream had it. */
static void linux_6_12_ends_where_its_vmm_saw_it(void **state)
{
	_cleanup_free_ char *text = NULL, *outside = NULL;
	struct vdpr_state *s = NULL;
	char mac[VDPR_MAC_TEXT];
	size_t len;
	cJSON *o;

	outside = read_file("tests/data/guest-6.12.outside.json", &len);
	o = cJSON_ParseWithLength(outside, len);
	assert_non_null(o);
	text = read_file("tests/data/guest-6.12.jsonl", &len);
	assert_int_equal(parse_len(*state, text, len, NULL, NULL, &s), 0);
	assert_true(vdpr_state_is_complete(s));
	vdpr_mac_format(s->mac, mac);
	assert_string_equal(text_of(o, "mac"), mac);
	assert_int_equal(flag(o, "promiscuous"), s->promiscuous);
	assert_int_equal(flag(o, "all_multicast"), s->all_multicast);
	assert_int_equal(flag(o, "all_unicast"), s->all_unicast);
	assert_int_equal(flag(o, "no_multicast"), s->no_multicast);
	assert_int_equal(flag(o, "no_unicast"), s->no_unicast);
	assert_int_equal(flag(o, "no_broadcast"), s->no_broadcast);
	check_macs(cJSON_GetObjectItem(o, "unicast"), &s->unicast);
	check_macs(cJSON_GetObjectItem(o, "multicast"), &s->multicast);
	check_vlans(cJSON_GetObjectItem(o, "vlan"), s);
	assert_int_equal(cJSON_GetObjectItem(o, "queue_pairs")->valueint,
			 s->queue_pairs);
	assert_true(s->offloads == bits_of(o, "offloads", vdpr_offload_bit));
	check_rss(cJSON_GetObjectItem(o, "rss"), s);
	cJSON_Delete(o);
	vdpr_state_free(s);
}

/* ------------------------------------------------------------- what is read */

struct heard {
	unsigned int lines, headers, commands, refused, replies;
	unsigned int stop_at;
};

static int hear(void *data, const struct vdpr_transcript_line *line)
{
	struct heard *h = data;

	h->lines++;
	assert_int_equal(line->line, h->lines);
	assert_int_equal(line->size, sizeof(*line));
	h->headers += line->header;
	h->commands += !line->header;
	h->refused += line->command.ack != 0;
	h->replies += line->command.reply_len > 0;
	if (line->header)
		assert_true(line->from_reset);
	return line->line == h->stop_at ? -ECANCELED : 0;
}

static void every_line_is_shown_and_the_last_header_counts(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct heard h = { 0 };
	struct vdpr_state *s = NULL;
	size_t len;

	text = read_file("tests/data/transcript.jsonl", &len);
	assert_int_equal(parse_len(*state, text, len, hear, &h, &s), 0);
	assert_int_equal(h.headers, 2);
	assert_int_equal(h.commands, h.lines - 2);
	assert_int_equal(h.refused, 1);
	assert_int_equal(h.replies, 1);
	assert_true(vdpr_state_is_complete(s));
	assert_int_equal(s->queue_pairs, 4);
	assert_int_equal(s->rss.key.len, 40);
	assert_int_equal(s->multicast.count, 1);
	assert_true(vdpr_vlan_has(s, 103));
	assert_false(vdpr_vlan_has(s, 7));
	assert_int_equal(s->coal_queues[0].coal.max_usecs, 8);
	assert_int_equal(s->config.max_virtqueue_pairs, 4);
	assert_int_equal(s->config.supported_hash_types, 0x3f);
	assert_true(s->offered.word[0] == 0x9230000330ffffaf);
	vdpr_state_free(s);
}

static void callback_can_stop_the_reading(void **state)
{
	struct heard h = { .stop_at = 2 };
	struct vdpr_state *s = NULL;
	static const char text[] = HEADER ADD_42 "not read\n";

	assert_int_equal(parse_len(*state, text, strlen(text), hear, &h, &s),
			 -ECANCELED);
	assert_int_equal(h.lines, 2);
	assert_null(s);
}

static void both_results_may_be_unwanted(void **state)
{
	static const char text[] = HEADER ADD_42;

	assert_int_equal(vdpr_transcript_parse(*state, text, strlen(text), NULL,
					       NULL, NULL),
			 0);
	assert_int_equal(vdpr_transcript_parse(NULL, text, 5, NULL, NULL, NULL),
			 -EBADMSG);
}

static void last_line_may_lack_its_line_break(void **state)
{
	static const char text[] = HEADER ADD_42;
	struct vdpr_state *s = NULL;

	assert_int_equal(
		parse_len(*state, text, strlen(text) - 1, NULL, NULL, &s), 0);
	assert_true(vdpr_vlan_has(s, 42));
	vdpr_state_free(s);
}

static void header_in_between_is_a_reset(void **state)
{
	struct vdpr_state *s = parse(*state, HEADER ADD_42 HEADER);

	assert_false(vdpr_vlan_has(s, 42));
	assert_int_equal(s->member[VDPR_VLAN_IDS], VDPR_KNOWN);
	assert_true(s->offered.word[0] == s->negotiated.word[0]);
	vdpr_state_free(s);
}

static void without_a_reset_the_beginning_is_unknown(void **state)
{
	struct vdpr_state *s = parse(
		*state,
		"{\"features\":\"0x1000a0000\",\"from_reset\":false}\n" ADD_42);

	assert_int_equal(s->member[VDPR_VLAN_IDS], VDPR_UNKNOWN);
	vdpr_state_free(s);
}

/* ---------------------------------------------------------- what is refused */

static void text_without_a_header_is_refused(void **state)
{
	refused(*state, "", "line 1: empty");
	refused(*state, "\n", "line 1: empty");
	refused(*state, ADD_42, "line 1: not a header");
	refused(*state, "{}\n", "line 1: not a header");
	refused(*state, "[]\n", "line 1: not a header");
	refused(*state, "{\"config\":{}}\n", "line 1: features: missing");
}

static void bad_header_is_refused_by_its_key(void **state)
{
	static const struct {
		const char *text, *about;
	} cases[] = {
		{ "{\"features\":null}", "features: not a string" },
		{ "{\"features\":5}", "features: not a string" },
		{ "{\"features\":\"5\"}", "features: " },
		{ "{\"features\":\"0x0\",\"offered\":1}", "offered: " },
		{ "{\"features\":\"0x0\",\"config\":[]}", "config: " },
		{ "{\"features\":\"0x0\",\"config\":{\"mtu\":1500}}",
		  "config.mtu: " },
		{ "{\"features\":\"0x8\",\"config\":{\"mtu\":-1}}",
		  "config.mtu: " },
		{ "{\"features\":\"0x8\",\"config\":{\"mut\":1}}",
		  "config.mut: unknown key" },
		{ "{\"features\":\"0x0\",\"from_reset\":1}", "from_reset: " },
		{ "{\"features\":\"0x0\",\"class\":1}", "class: unknown key" },
		{ "{\"features\":\"0x0\",\"features\":\"0x0\"}", "twice" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];

		refused(*state, cases[i].text, cases[i].about);
		snprintf(text, sizeof(text), "%s%s\n", HEADER ADD_42,
			 cases[i].text);
		refused(*state, text, "line 3: ");
		refused(*state, text, cases[i].about);
	}
}

static void bad_command_is_refused_by_its_line_and_key(void **state)
{
	static const struct {
		const char *text, *about;
	} cases[] = {
		{ "{}", "class: missing" },
		{ "[]", "not an object" },
		{ "{\"class\":2,\"command\":0,\"data\":\"\"}", "ack: missing" },
		{ "{\"class\":2,\"command\":0,\"ack\":0}", "data: missing" },
		{ "{\"class\":2,\"data\":\"\",\"ack\":0}", "command: missing" },
		{ "{\"class\":256,\"command\":0,\"data\":\"\",\"ack\":0}",
		  "class: 256" },
		{ "{\"class\":-1,\"command\":0,\"data\":\"\",\"ack\":0}",
		  "class: -1" },
		{ "{\"class\":\"2\",\"command\":0,\"data\":\"\",\"ack\":0}",
		  "class: not a number" },
		{ "{\"class\":2,\"command\":0.5,\"data\":\"\",\"ack\":0}",
		  "column " },
		{ "{\"class\":2,\"command\":0,\"data\":\"2a0\",\"ack\":0}",
		  "data: " },
		{ "{\"class\":2,\"command\":0,\"data\":\"2a0g\",\"ack\":0}",
		  "data: " },
		{ "{\"class\":2,\"command\":0,\"data\":5,\"ack\":0}",
		  "data: not a string" },
		{ "{\"class\":2,\"command\":0,\"data\":\"2a00\",\"ack\":999}",
		  "ack: 999" },
		{ "{\"class\":2,\"command\":0,\"data\":\"2a00\",\"ack\":0,"
		  "\"reply\":0}",
		  "reply: not a string" },
		{ "{\"class\":2,\"command\":0,\"data\":\"2a00\",\"ack\":0,"
		  "\"replay\":\"\"}",
		  "replay: unknown key" },
		{ "{\"class\":2,\"command\":0,\"data\":\"2a\",\"ack\":0}",
		  "VLAN_ADD" },
		{ "", "empty" },
		{ " ", "column 2" },
		{ "{\"class\":2", "column " },
		{ ADD_42 "x", "line 4: " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];

		snprintf(text, sizeof(text), "%s%s\n" ADD_42, HEADER ADD_42,
			 cases[i].text);
		refused(*state, text,
			*cases[i].about == 'l' ? "line 4: " : "line 3: ");
		refused(*state, text, cases[i].about);
	}
}

static void line_ends_of_other_systems_are_refused(void **state)
{
	refused(*state, "{\"features\":\"0x0\"}\r\n", "line 1: ");
	refused(*state, "\xef\xbb\xbf" HEADER, "line 1: ");
	refused(*state, HEADER "\n" ADD_42, "line 2: empty");
	refused(*state, HEADER ADD_42 "\n", "line 3: empty");
}

static void short_command_that_was_refused_is_no_error(void **state)
{
	struct vdpr_state *s =
		parse(*state, HEADER
		      "{\"class\":2,\"command\":0,\"data\":\"\",\"ack\":1}\n");

	vdpr_state_free(s);
}

static void nul_byte_is_refused(void **state)
{
	static const char text[] = "{\"features\":\"0x0\"}\0\n";

	assert_int_equal(
		parse_len(*state, text, sizeof(text) - 1, NULL, NULL, NULL),
		-EBADMSG);
}

static void cut_anywhere_is_an_error_or_fewer_lines(void **state)
{
	static const char text[] = HEADER ADD_42;

	for (size_t len = 0; len < strlen(text); len++) {
		size_t header = strlen(HEADER);
		bool whole = len == header - 1 || len == header ||
			     len == strlen(text) - 1;

		assert_int_equal(parse_len(*state, text, len, NULL, NULL, NULL),
				 whole ? 0 : -EBADMSG);
	}
}

/* --------------------------------------------------------------------- size */

static void too_long_a_line_or_text_is_refused(void **state)
{
	size_t len = (64u << 20) + 1;
	char *text = malloc(len);

	assert_non_null(text);
	memset(text, ' ', len);
	memcpy(text, HEADER, strlen(HEADER));
	assert_int_equal(
		vdpr_transcript_parse(*state, text, len, NULL, NULL, NULL),
		-EFBIG);
	assert_int_equal(vdpr_ctx_cause(*state), VDPR_CAUSE_INPUT);
	assert_int_equal(
		vdpr_transcript_parse(*state, text, len - 1, NULL, NULL, NULL),
		-EFBIG);
	assert_non_null(strstr(vdpr_ctx_error(*state), "line 2: "));
	free(text);
}

/* Time that grew with the square of the lines would not end here. */
/* Processor time of this thread that reading @lines commands takes, in ns. */
static uint64_t time_of_reading(struct vdpr_ctx *ctx, unsigned int lines)
{
	struct vdpr_buf buf = { 0 };
	struct vdpr_state *s = NULL;
	struct timespec before, after;

	vdpr_buf_str(&buf, HEADER);
	for (unsigned int i = 0; i < lines; i++)
		vdpr_buf_printf(&buf,
				"{\"class\": 2, \"command\": %u, \"data\": "
				"\"%02x%02x\", \"ack\": 0}\n",
				i / 4096 % 2, i & 255, i >> 8 & 15);
	assert_int_equal(vdpr_buf_error(&buf), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	assert_int_equal(
		vdpr_transcript_parse(ctx, buf.data, buf.len, NULL, NULL, &s),
		0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	assert_true(vdpr_vlan_has(s, 1));
	vdpr_state_free(s);
	vdpr_buf_free(&buf);
	return (uint64_t)(after.tv_sec - before.tv_sec) * 1000000000u +
	       (uint64_t)after.tv_nsec - (uint64_t)before.tv_nsec;
}

/* Ten times as many take ten times as long, not a hundred times. */
static void time_grows_with_the_number_of_lines(void **state)
{
	uint64_t few = time_of_reading(*state, 10000);
	uint64_t many = time_of_reading(*state, 100000);

	assert_true(many < 40 * few);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(linux_6_12_ends_where_its_vmm_saw_it),
		T(every_line_is_shown_and_the_last_header_counts),
		T(callback_can_stop_the_reading),
		T(both_results_may_be_unwanted),
		T(last_line_may_lack_its_line_break),
		T(header_in_between_is_a_reset),
		T(without_a_reset_the_beginning_is_unknown),
		T(text_without_a_header_is_refused),
		T(bad_header_is_refused_by_its_key),
		T(bad_command_is_refused_by_its_line_and_key),
		T(line_ends_of_other_systems_are_refused),
		T(short_command_that_was_refused_is_no_error),
		T(nul_byte_is_refused),
		T(cut_anywhere_is_an_error_or_fewer_lines),
		T(too_long_a_line_or_text_is_refused),
		T(time_grows_with_the_number_of_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
