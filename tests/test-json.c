/* SPDX-License-Identifier: MIT */
/* The state file's text: what is read, what is refused and why, what is written. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <glob.h>

#include "restore/ctx.h"
#include "restore/json-scan.h"
#include "restore/json-write.h"
#include "tests/states.h"

/* Everything negotiated that has a section, rss in force. */
#define FULL                                                                                                                 \
	"{\"schema\": \"vdpa-restore/state\", \"version\": 1, \"compat\": 1,\n"                                              \
	"\"captured\": {\"time\": \"now\", \"tool\": \"t\", \"sources\": [\"s\"]},\n"                                        \
	"\"device\": {\"type\": \"net\", \"name\": \"vdpa0\", \"parent\": \"p\"},\n"                                         \
	"\"features\": {\"offered\": \"0x9230000130ffffaf\", \"negotiated\": \"0x9030000130ffffae\"},\n"                     \
	"\"backend_features\": \"0x7e\",\n"                                                                                  \
	"\"config\": {\"mac\": \"02:00:00:00:00:01\", \"link_up\": true,\n"                                                  \
	"  \"max_virtqueue_pairs\": 4, \"mtu\": 1500, \"speed\": 10, \"duplex\": \"half\",\n"                                \
	"  \"rss_max_key_size\": 6, \"rss_max_indirection_table_length\": 8,\n"                                              \
	"  \"supported_hash_types\": [\"ipv4\", \"tcpv4\"]},\n"                                                              \
	"\"mac\": {\"address\": \"02:00:00:00:00:02\", \"unicast\": [], \"multicast\": [],\n"                                \
	"  \"unicast_overflow\": false, \"multicast_overflow\": false},\n"                                                   \
	"\"rx_mode\": {\"promiscuous\": false, \"all_multicast\": false, \"all_unicast\": false,\n"                          \
	"  \"no_multicast\": false, \"no_unicast\": false, \"no_broadcast\": false},\n"                                      \
	"\"vlan\": {\"ids\": [1, 5]},\n"                                                                                     \
	"\"mq\": {\"queue_pairs\": 3},\n"                                                                                    \
	"\"rss\": {\"hash_types\": [\"ipv4\"], \"unclassified_queue\": 0, \"max_tx_vq\": 3,\n"                               \
	"  \"indirection_table\": [0, 1, 2, 3], \"key\": \"0a0b0c\"},\n"                                                     \
	"\"offloads\": [\"guest_csum\"],\n"                                                                                  \
	"\"coalescing\": {\"rx\": {\"max_packets\": 1, \"max_usecs\": 2}, \"tx\": {\"max_packets\": 3, \"max_usecs\": 4},\n" \
	"  \"queues\": [{\"index\": 7, \"max_packets\": 5, \"max_usecs\": 6}]},\n"                                           \
	"\"announce\": {\"pending\": false},\n"                                                                              \
	"\"vrings\": [{\"index\": 0, \"size\": 256, \"base\": 9, \"enabled\": true, \"desc\": \"0x1\"}],\n"                  \
	"\"origin\": {\"mac\": \"s\"},\n"                                                                                    \
	"\"vendor\": {\"name\": \"acme\", \"version\": \"1\", \"data\": \"AAA=\"},\n"                                        \
	"\"unknown\": []}"

/* HASH_REPORT and RSS negotiated, rss not in force; little else. */
#define HASH                                                                                             \
	"{\"schema\": \"vdpa-restore/state\", \"version\": 1, \"compat\": 1,\n"                          \
	"\"features\": {\"offered\": \"0x1200000100020000\", \"negotiated\": \"0x1200000100020000\"},\n" \
	"\"config\": {}, \"rss\": null, \"hash_report\": null, \"unknown\": []}"

#define SMALL_RSS \
	"{\"hash_types\": [], \"unclassified_queue\": 0, \"max_tx_vq\": 1, \"indirection_table\": [0], \"key\": \"\"}"

/* Nobody knew what was negotiated; everything is offered. */
#define NO_FEATURES                                                                    \
	"{\"schema\": \"vdpa-restore/state\", \"version\": 1, \"compat\": 1,\n"        \
	"\"features\": {\"offered\": \"0x12300001007e0004\", \"negotiated\": null},\n" \
	"\"config\": {}, \"mac\": {\"unicast\": []}, \"unknown\": []}"

/* A packed ring and no control virtqueue. */
#define PACKED                                                                             \
	"{\"schema\": \"vdpa-restore/state\", \"version\": 1, \"compat\": 1,\n"            \
	"\"features\": {\"offered\": \"0x500000000\", \"negotiated\": \"0x500000000\"},\n" \
	"\"config\": {}, \"vrings\": [{\"index\": 2, \"size\": 200, \"base\": 4294967295}], \"unknown\": []}"

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

/* @base with the one place where @from stands changed to @to; freed by caller. */
static char *edit(const char *base, const char *from, const char *to)
{
	const char *at = strstr(base, from);
	char *text = NULL;

	if (!at || strstr(at + 1, from))
		fail_msg("\"%s\" does not stand exactly once", from);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - base), base, to,
			     at + strlen(from)) >= 0);
	return text;
}

static struct vdpr_state *parse_good(const char *text)
{
	struct vdpr_state *s = NULL;
	int err = vdpr_state_parse(ctx, text, strlen(text), &s);

	if (err)
		fail_msg("%s: %s", strerror(-err), vdpr_ctx_error(ctx));
	return s;
}

static char *format_good(const struct vdpr_state *s)
{
	char *text = NULL;
	size_t len = 0;
	int err = vdpr_state_format(ctx, s, &text, &len);

	if (err)
		fail_msg("%s: %s", strerror(-err), vdpr_ctx_error(ctx));
	assert_int_equal(strlen(text), len);
	return text;
}

/* The message names what is wrong, on one line of printable text. */
static void expect_refused(const char *text, size_t len, int want,
			   const char *message)
{
	struct vdpr_state *s = NULL;
	int err = vdpr_state_parse(ctx, text, len, &s);
	const char *got = vdpr_ctx_error(ctx);

	if (!err)
		fail_msg("accepted, but expected: %s", message);
	assert_null(s);
	if (err != want || !strstr(got, message))
		fail_msg("got %d \"%s\", expected \"%s\"", err, got, message);
	assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_INPUT);
	for (; *got; got++)
		assert_true((unsigned char)*got >= 0x20 &&
			    (unsigned char)*got < 0x7f);
}

struct edit_case {
	const char *base, *from, *to;
	const char *message; /* NULL: accepted */
};

static void try_edits(const struct edit_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *text = edit(cases[i].base, cases[i].from, cases[i].to);

		print_message("%s -> %s\n", cases[i].from, cases[i].to);
		if (cases[i].message)
			expect_refused(text, strlen(text), -EBADMSG,
				       cases[i].message);
		else
			vdpr_state_free(parse_good(text));
		free(text);
	}
}

#define TRY(cases) try_edits(cases, ARRAY_SIZE(cases))

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
		expect_refused(cases[i].text, strlen(cases[i].text), -EBADMSG,
			       cases[i].message);
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
	expect_refused(after, sizeof(after) - 1, -EBADMSG, "something follows");
	inside[20] = '\0';
	expect_refused(inside, strlen(HASH), -EBADMSG, "control character");
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
			expect_refused(part, len, -EBADMSG, "line ");
			free(part);
		}
		vdpr_state_free(parse_good(bases[i]));
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
	expect_refused(text, len, -EFBIG, "4194304");
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
	assert_true(vdpr_now() - began < 20000000000u);
	vdpr_buf_free(&text);
}

/* ----------------------------------------------------------------------- rules */

static void top_level_rules(void **state)
{
	static const struct edit_case cases[] = {
		{ FULL, "vdpa-restore/state", "vdpa/state", "schema: " },
		{ FULL, "\"schema\": \"vdpa-restore/state\", ", "",
		  "schema: missing" },
		{ FULL, "\"version\": 1, ", "", "version: missing" },
		{ FULL, "\"version\": 1,", "\"version\": 0,", "version: 0" },
		{ FULL, "\"version\": 1,", "\"version\": \"1\",",
		  "version: not a number" },
		{ FULL, "\"compat\": 1,", "", "compat: missing" },
		{ FULL, "\"compat\": 1,", "\"compat\": 0,", "compat: 0" },
		{ FULL, "\"compat\": 1,", "\"compat\": -1,", "compat: -1" },
		{ FULL, ",\n\"unknown\": []", "", "unknown: missing" },
		{ FULL, "\"unknown\"", "\"Unknown\"", "Unknown: unknown key" },
		{ FULL, "\"unknown\": []", "\"unknown\": {}",
		  "unknown: not an array" },
		{ FULL, "\"unknown\": []", "\"unknown\": [], \"x\\ny\": 1",
		  "[\"x\\x0ay\"]: unknown key" },
		{ FULL, "\"tool\": \"t\"", "\"tool\": 1",
		  "captured.tool: not a string" },
		{ FULL, "\"tool\": \"t\"", "\"host\": \"t\"",
		  "captured.host: unknown key" },
		{ FULL, "[\"s\"]", "[\"s\", 1]",
		  "captured.sources[1]: not a string" },
		{ FULL, "\"type\": \"net\"", "\"type\": \"block\"",
		  "device.type: " },
		{ FULL, "\"parent\"", "\"driver\"",
		  "device.driver: unknown key" },
		{ FULL, "\"0x7e\"", "\"7e\"", "backend_features: \"7e\"" },
		{ FULL, "\"0x7e\"", "\"0x10000000000000000\"",
		  "backend_features: " },
		{ FULL, "\"0x7e\"", "126", "backend_features: not a string" },
		{ FULL, "\"0x7e\"", "\"0x7E\"", NULL },
		{ FULL, "{\"mac\": \"s\"}", "{\"speed\": \"s\"}",
		  "origin.speed: unknown key" },
		{ FULL, "{\"mac\": \"s\"}", "{\"mac.color\": \"s\"}",
		  "origin[\"mac.color\"]: unknown key" },
		{ FULL, "{\"mac\": \"s\"}", "{\"mac\": null}",
		  "origin.mac: not a string" },
		{ FULL, "{\"mac\": \"s\"}",
		  "{\"rss.key\": \"s\", \"config.mtu\": \"\", \"vlan.ids\": \"x\", \"features.offered\": \"y\"}",
		  NULL },
		{ FULL, "\"AAA=\"", "\"AAA\"", "vendor.data: not base64" },
		{ FULL, "\"AAA=\"", "\"A-A=\"", "vendor.data: not base64" },
		{ FULL, "\"AAA=\"", "\"\"", NULL },
		{ FULL,
		  "\"device\": {\"type\": \"net\", \"name\": \"vdpa0\", \"parent\": \"p\"}",
		  "\"device\": {}", NULL },
		{ FULL, "\"device\": {", "\"device\": [{", "line 4" },
		{ HASH, "\"config\": {}", "\"config\": []",
		  "config: not an object" },
		{ HASH, "\"config\": {}, ", "", "config: missing" },
	};

	(void)state;
	TRY(cases);
}

static void feature_rules(void **state)
{
	static const struct edit_case cases[] = {
		{ HASH, "\"offered\": \"0x1200000100020000\", ", "",
		  "features.offered: missing" },
		{ HASH, "\"negotiated\"", "\"acked\"",
		  "features.negotiated: missing" },
		{ HASH, "\"negotiated\": \"0x", "\"negotiated\": \"",
		  "features.negotiated: \"1200000100020000\"" },
		{ HASH, "\"negotiated\": \"0x", "\"negotiated\": \"0X",
		  "features.negotiated: " },
		{ HASH, "\"offered\": \"0x12",
		  "\"offered\": \"0x00000000000000000012",
		  "features.offered: " },
		{ HASH, "\"offered\": \"0x12",
		  "\"offered\": \"0x000000000000000012", NULL },
		/* Bits that are not offered are the VMM's own. */
		{ HASH, "\"offered\": \"0x1200000100020000\"",
		  "\"offered\": \"0x0\"", NULL },
		{ HASH, "0020000\"},", "0020000\", \"x\": 1},",
		  "features.x: unknown key" },
		{ HASH, "0020000\"},",
		  "0020000\", \"names\": [\"CTRL_VQ\", \"VERSION_1\", \"HASH_REPORT\", \"RSS\"]},",
		  NULL },
		{ HASH, "0020000\"},",
		  "0020000\", \"names\": [\"CTRL_VQ\", \"VERSION_1\", \"RSS\", \"HASH_REPORT\"]},",
		  "features.names[2]: the mask has HASH_REPORT" },
		{ HASH, "0020000\"},",
		  "0020000\", \"names\": [\"CTRL_VQ\", \"VERSION_1\", \"HASH_REPORT\"]},",
		  "features.names: RSS is missing" },
		{ HASH, "0020000\"},",
		  "0020000\", \"names\": [\"CTRL_VQ\", \"VERSION_1\", \"HASH_REPORT\", \"RSS\", \"MQ\"]},",
		  "features.names[4]: the mask has no further" },
		{ HASH, "0020000\"},", "0020000\", \"names\": []},",
		  "features.names: CTRL_VQ is missing" },
		{ NO_FEATURES, "null}",
		  "null, \"names\": [\"CTRL_GUEST_OFFLOADS\", \"CTRL_VQ\", \"CTRL_RX\", \"CTRL_VLAN\", \"CTRL_RX_EXTRA\", \"GUEST_ANNOUNCE\", \"MQ\", \"VERSION_1\", \"VQ_NOTF_COAL\", \"NOTF_COAL\", \"HASH_REPORT\", \"RSS\"]}",
		  NULL },
	};

	(void)state;
	TRY(cases);
}

static void config_rules(void **state)
{
	static const struct edit_case cases[] = {
		{ FULL, "02:00:00:00:00:01", "03:00:00:00:00:01",
		  "config.mac: 03:00:00:00:00:01 is a multicast" },
		{ FULL, "02:00:00:00:00:01", "02-00-00-00-00-01",
		  "config.mac: " },
		{ FULL, "02:00:00:00:00:01", "02:00:00:00:00:0A", NULL },
		{ FULL, "\"link_up\": true", "\"link_up\": 1",
		  "config.link_up: not true" },
		{ FULL, "\"max_virtqueue_pairs\": 4",
		  "\"max_virtqueue_pairs\": 0",
		  "config.max_virtqueue_pairs: 0 is not in 1..32768" },
		{ FULL, "\"max_virtqueue_pairs\": 4",
		  "\"max_virtqueue_pairs\": 32769",
		  "config.max_virtqueue_pairs: 32769" },
		{ FULL, "1500", "65536",
		  "config.mtu: 65536 is not in 0..65535" },
		{ FULL, "1500", "9007199254740993", "config.mtu: " },
		{ FULL, "\"speed\": 10", "\"speed\": 4294967296",
		  "config.speed: " },
		{ FULL, "\"speed\": 10", "\"speed\": null", NULL },
		{ FULL, "\"half\"", "\"auto\"", "config.duplex: " },
		{ FULL, "\"half\"", "null", NULL },
		{ FULL, "\"half\"", "true", "config.duplex: not a string" },
		{ FULL, "\"rss_max_key_size\": 6", "\"rss_max_key_size\": 256",
		  "config.rss_max_key_size: " },
		{ FULL, "[\"ipv4\", \"tcpv4\"]", "[\"ipv4\", \"sctp\"]",
		  "config.supported_hash_types[1]: \"sctp\"" },
		{ FULL, "[\"ipv4\", \"tcpv4\"]", "[\"tcpv4\", \"ipv4\"]",
		  NULL },
		{ FULL, "[\"ipv4\", \"tcpv4\"]", "[\"ipv4\", \"ipv4\"]",
		  "config.supported_hash_types[1]: \"ipv4\" is there twice" },
		{ FULL, "\"mtu\": 1500", "\"mtu\": 1500, \"color\": 1",
		  "config.color: unknown key" },
		{ HASH, "\"config\": {}", "\"config\": {\"mtu\": 1500}",
		  "config.mtu: needs MTU" },
		{ HASH, "\"config\": {}",
		  "\"config\": {\"mac\": \"02:00:00:00:00:01\"}",
		  "config.mac: needs MAC" },
		{ HASH, "\"config\": {}", "\"config\": {\"announce\": false}",
		  "config.announce: needs STATUS" },
		{ HASH, "\"config\": {}", "\"config\": {\"link_up\": false}",
		  "config.link_up: needs STATUS" },
		{ HASH, "\"config\": {}", "\"config\": {\"speed\": 1}",
		  "config.speed: needs SPEED_DUPLEX" },
		{ HASH, "\"config\": {}", "\"config\": {\"duplex\": \"full\"}",
		  "config.duplex: needs SPEED_DUPLEX" },
		{ HASH, "\"config\": {}",
		  "\"config\": {\"max_virtqueue_pairs\": 1}", NULL },
		{ PACKED, "\"config\": {}",
		  "\"config\": {\"max_virtqueue_pairs\": 1}",
		  "config.max_virtqueue_pairs: needs MQ or RSS" },
		{ PACKED, "\"config\": {}",
		  "\"config\": {\"rss_max_key_size\": 40}",
		  "config.rss_max_key_size: needs RSS or HASH_REPORT" },
		{ PACKED, "\"config\": {}",
		  "\"config\": {\"supported_hash_types\": []}",
		  "config.supported_hash_types: needs RSS or HASH_REPORT" },
		{ PACKED, "\"config\": {}",
		  "\"config\": {\"rss_max_indirection_table_length\": 1}",
		  "config.rss_max_indirection_table_length: needs RSS" },
	};

	(void)state;
	TRY(cases);
}

static void presence_rules(void **state)
{
	static const struct edit_case cases[] = {
		{ FULL, "\"vlan\": {\"ids\": [1, 5]},", "", "vlan: missing" },
		{ FULL, "{\"ids\": [1, 5]}", "{}", "vlan: missing" },
		{ FULL, "\"all_unicast\": false,", "",
		  "rx_mode.all_unicast: missing" },
		{ FULL, "\"unicast\": [], ", "", "mac.unicast: missing" },
		{ FULL, "\"mq\": {\"queue_pairs\": 3},", "", "mq: missing" },
		{ FULL, "\"offloads\": [\"guest_csum\"],", "",
		  "offloads: missing" },
		{ FULL, "\"rss\": {", "\"hash_report\": null, \"rss\": {",
		  "hash_report: not allowed: it needs HASH_REPORT" },
		{ HASH, "\"rss\": null", "\"rss\": " SMALL_RSS,
		  "hash_report: not allowed while rss is in force" },
		{ FULL, "\"announce\": {\"pending\": false},", "", NULL },
		{ FULL, "{\"pending\": false}", "{}",
		  "announce.pending: missing" },
		{ FULL, "{\"pending\": false}", "null",
		  "announce: not an object" },
		{ FULL, "\"negotiated\": \"0x9030000130ffffae\"",
		  "\"negotiated\": \"0x9030000130fdffae\"",
		  "mac.address: not allowed: it needs CTRL_VQ" },
		{ FULL, "\"negotiated\": \"0x9030000130ffffae\"",
		  "\"negotiated\": \"0x9030000130dfffae\"",
		  "announce: not allowed: it needs GUEST_ANNOUNCE" },
		{ FULL, "\"negotiated\": \"0x9030000130ffffae\"",
		  "\"negotiated\": \"0x9030000130bfffae\"",
		  "mq: not allowed: it needs MQ, which is not negotiated" },
		{ FULL, "\"negotiated\": \"0x9030000130ffffae\"",
		  "\"negotiated\": \"0x9010000130ffffae\"",
		  "coalescing.rx: not allowed" },
		{ FULL, "\"negotiated\": \"0x9030000130ffffae\"",
		  "\"negotiated\": \"0x9020000130ffffae\"",
		  "coalescing.queues: not allowed" },
		{ HASH, "\"hash_report\": null, ", "", "hash_report: missing" },
		{ HASH, "\"rss\": null, ", "", "rss: missing" },
		{ HASH, "\"unknown\": []",
		  "\"mac\": {\"unicast\": []}, \"unknown\": []",
		  "mac.unicast: not allowed: it needs CTRL_RX" },
		{ HASH, "\"unknown\": []", "\"rx_mode\": [], \"unknown\": []",
		  "rx_mode: not an object" },
		{ PACKED, "\"unknown\": []", "\"vrings\": [], \"unknown\": []",
		  "the key \"vrings\"" },
		/* With negotiated null anything that is offered may be there. */
		{ NO_FEATURES, "{\"unicast\": []}", "{}", NULL },
		{ NO_FEATURES, "\"mac\": {\"unicast\": []}, ",
		  "\"rss\": null, \"hash_report\": null, \"coalescing\": {\"tx\": {\"max_packets\": 1, \"max_usecs\": 1}}, ",
		  NULL },
		{ NO_FEATURES, "{\"unicast\": []}",
		  "{\"address\": \"02:00:00:00:00:01\"}",
		  "mac.address: not allowed: it needs CTRL_MAC_ADDR, which is not offered" },
		{ NO_FEATURES, "\"unknown\": []",
		  "\"unknown\": [\"mac\", \"mac\", \"speed\", \"rss\", \"class_1\", \"class_9\", \"class_9\"]",
		  NULL },
		{ NO_FEATURES, "\"unknown\": []", "\"unknown\": [1]",
		  "unknown[0]: not a string" },
	};

	(void)state;
	TRY(cases);
}

static void unknown_rules(void **state)
{
	static const struct edit_case cases[] = {
		{ FULL, "\"unknown\": []", "\"unknown\": [\"mac\"]",
		  "unknown[0]: \"mac\" is also present" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"mac.unicast\"]",
		  "unknown[0]: \"mac.unicast\" is also present" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"vlan.ids\"]",
		  "unknown[0]: \"vlan.ids\" is also present" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"hash_report\"]",
		  "not allowed: the negotiated features lack CTRL_VQ or HASH_REPORT" },
		{ HASH, "\"rss\": null, \"hash_report\": null, \"unknown\": []",
		  "\"rss\": " SMALL_RSS ", \"unknown\": [\"hash_report\"]",
		  "\"hash_report\" is not allowed while rss is in force" },
		{ HASH, "\"rss\": null, \"hash_report\": null",
		  "\"rss\": " SMALL_RSS, NULL },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"announce\"]",
		  "unknown[0]: \"announce\" is not a section" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"vrings\"]",
		  "unknown[0]: \"vrings\" is not a section" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"config\"]",
		  "unknown[0]: \"config\" is not a section" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"rss.key\"]",
		  "unknown[0]: \"rss.key\" is not a section" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"mac.ids\"]",
		  "unknown[0]: \"mac.ids\" is not a section" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"\"]",
		  "unknown[0]: \"\" is not" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"class_6\"]",
		  "unknown[0]: \"class_6\" is not" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"class_07\"]",
		  "unknown[0]: \"class_07\" is not" },
		{ FULL, "\"unknown\": []", "\"unknown\": [\"class_256\"]",
		  "unknown[0]: \"class_256\" is not" },
		{ FULL, "\"unknown\": []",
		  "\"unknown\": [\"class_7\", \"class_255\"]", NULL },
		{ FULL, "\"unknown\": []",
		  "\"unknown\": [\"class_7\", \"class_7\"]",
		  "unknown[1]: \"class_7\" is there twice" },
		{ FULL,
		  "\"vlan\": {\"ids\": [1, 5]},\n\"mq\": {\"queue_pairs\": 3},\n",
		  "\"mq\": {\"queue_pairs\": 3}, \"vlan\": {}, ",
		  "vlan: missing" },
		{ HASH, "\"unknown\": []", "\"unknown\": [\"mac\"]",
		  "unknown[0]: \"mac\" is not allowed" },
		{ HASH, "\"unknown\": []", "\"unknown\": [\"coalescing.rx\"]",
		  "unknown[0]: \"coalescing.rx\" is not allowed" },
		{ HASH, "\"rss\": null, \"hash_report\": null, \"unknown\": []",
		  "\"unknown\": [\"hash_report\", \"rss\"]", NULL },
		{ HASH, "\"rss\": null, \"hash_report\": null, \"unknown\": []",
		  "\"hash_report\": null, \"unknown\": [\"rss\"]",
		  "hash_report: must be in \"unknown\" while rss is" },
		{ HASH, "\"rss\": null, \"hash_report\": null, \"unknown\": []",
		  "\"rss\": null, \"unknown\": [\"hash_report\"]", NULL },
		{ HASH, "\"rss\": null, \"hash_report\": null, \"unknown\": []",
		  "\"rss\": null, \"unknown\": [\"hash_report\", \"hash_report\"]",
		  "unknown[1]: \"hash_report\" is named before" },
		{ FULL,
		  "\"rx\": {\"max_packets\": 1, \"max_usecs\": 2}, \"tx\": {\"max_packets\": 3, \"max_usecs\": 4},\n  \"queues\": [{\"index\": 7, \"max_packets\": 5, \"max_usecs\": 6}]},",
		  "\"tx\": {\"max_packets\": 3, \"max_usecs\": 4}},",
		  "coalescing.rx: missing" },
	};

	(void)state;
	TRY(cases);
}

static void names_in_unknown_may_not_overlap(void **state)
{
	static const struct {
		const char *names;
		const char *message;
	} cases[] = {
		{ "\"vlan\"", NULL },
		{ "\"vlan.ids\"", NULL },
		{ "\"vlan\", \"vlan.ids\"",
		  "unknown[1]: \"vlan.ids\" is named" },
		{ "\"vlan.ids\", \"vlan\"", "unknown[1]: \"vlan\" is named" },
		{ "\"vlan\", \"vlan\"", "unknown[1]: \"vlan\" is named" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *without = edit(FULL, "\"vlan\": {\"ids\": [1, 5]},", "");
		char *names = NULL;
		char *text;

		assert_true(asprintf(&names, "\"unknown\": [%s]",
				     cases[i].names) > 0);
		text = edit(without, "\"unknown\": []", names);
		if (cases[i].message)
			expect_refused(text, strlen(text), -EBADMSG,
				       cases[i].message);
		else
			vdpr_state_free(parse_good(text));
		free(text);
		free(names);
		free(without);
	}
}

static void mac_rules(void **state)
{
	static const struct edit_case cases[] = {
		{ FULL, "02:00:00:00:00:02", "01:00:00:00:00:02",
		  "mac.address: 01:00:00:00:00:02 is a multicast" },
		{ FULL, "02:00:00:00:00:02", "2:0:0:0:0:2", "mac.address: " },
		{ FULL, "\"address\": \"02:00:00:00:00:02\"",
		  "\"address\": null",
		  "mac.address: null is not allowed with MAC" },
		{ FULL, "\"unicast\": []",
		  "\"unicast\": [\"02:00:00:00:00:03\", \"03:00:00:00:00:03\"]",
		  "mac.unicast[1]: 03:00:00:00:00:03 is a multicast" },
		{ FULL, "\"multicast\": []",
		  "\"multicast\": [\"02:00:00:00:00:03\"]",
		  "mac.multicast[0]: 02:00:00:00:00:03 is a unicast" },
		{ FULL, "\"multicast\": []", "\"multicast\": [5]",
		  "mac.multicast[0]: not a string" },
		{ FULL, "\"multicast\": []", "\"multicast\": null",
		  "mac.multicast: not an array" },
		{ FULL, "\"multicast_overflow\": false",
		  "\"multicast_overflow\": null",
		  "mac.multicast_overflow: not true" },
		{ FULL, "\"multicast\": []",
		  "\"multicast\": [], \"broadcast\": []",
		  "mac.broadcast: unknown key" },
		{ FULL, "\"promiscuous\": false", "\"promiscuous\": null",
		  NULL },
		{ FULL, "\"all_multicast\": false", "\"all_multicast\": null",
		  "rx_mode.all_multicast: not true" },
		{ FULL, "\"no_broadcast\": false", "\"no_broadcast\": 0",
		  "rx_mode.no_broadcast: not true" },
	};

	(void)state;
	TRY(cases);
}

static void vlan_rules(void **state)
{
	static const struct edit_case cases[] = {
		{ FULL, "[1, 5]", "[]", NULL },
		{ FULL, "[1, 5]", "[0, \"1-4094\", 4095]", NULL },
		{ FULL, "[1, 5]", "[\"5-6\", 7]", NULL },
		{ FULL, "[1, 5]", "[4096]", "vlan.ids[0]: 4096" },
		{ FULL, "[1, 5]", "[-1]", "vlan.ids[0]: -1" },
		{ FULL, "[1, 5]", "[5, 1]", "vlan.ids[1]: 1 does not" },
		{ FULL, "[1, 5]", "[5, 5]", "vlan.ids[1]: 5 does not" },
		{ FULL, "[1, 5]", "[\"1-5\", 5]", "vlan.ids[1]: 5 does not" },
		{ FULL, "[1, 5]", "[\"1-5\", \"5-8\"]", "vlan.ids[1]: 5 does" },
		{ FULL, "[1, 5]", "[\"5-1\"]", "vlan.ids[0]: \"5-1\"" },
		{ FULL, "[1, 5]", "[\"5-5\"]", "vlan.ids[0]: \"5-5\"" },
		{ FULL, "[1, 5]", "[\"5\"]", "vlan.ids[0]: \"5\"" },
		{ FULL, "[1, 5]", "[\"1-4096\"]", "vlan.ids[0]: \"1-4096\"" },
		{ FULL, "[1, 5]", "[\"01-5\"]", "vlan.ids[0]: \"01-5\"" },
		{ FULL, "[1, 5]", "[\"1-\"]", "vlan.ids[0]: \"1-\"" },
		{ FULL, "[1, 5]", "[\"-5\"]", "vlan.ids[0]: \"-5\"" },
		{ FULL, "[1, 5]", "[\"1 - 5\"]", "vlan.ids[0]: \"1 - 5\"" },
		{ FULL, "[1, 5]", "[null]", "vlan.ids[0]: not a number" },
	};

	(void)state;
	TRY(cases);
}

static void mq_and_rss_rules(void **state)
{
	static const struct edit_case cases[] = {
		{ FULL, "\"queue_pairs\": 3", "\"queue_pairs\": 0",
		  "mq.queue_pairs: 0 is not in 1..32768" },
		{ FULL, "\"queue_pairs\": 3", "\"queue_pairs\": 5",
		  "mq.queue_pairs: 5 is more than config.max_virtqueue_pairs (4)" },
		{ FULL, "\"queue_pairs\": 3", "\"queue_pairs\": 4",
		  "rss.max_tx_vq: 3 is not mq.queue_pairs (4)" },
		{ FULL, "\"max_tx_vq\": 3", "\"max_tx_vq\": 0",
		  "rss.max_tx_vq: 0 is not in" },
		{ FULL, "\"max_tx_vq\": 3", "\"max_tx_vq\": 5",
		  "rss.max_tx_vq: 5 is not in 1..4" },
		{ FULL, "[0, 1, 2, 3]", "[0, 1, 2, 7]",
		  "rss.indirection_table[3]: 7 is not below config.max_virtqueue_pairs (4)" },
		{ FULL, "[0, 1, 2, 3]", "[0, 1, 2]",
		  "rss.indirection_table: its length 3 is not a power of two" },
		{ FULL, "[0, 1, 2, 3]", "[]",
		  "rss.indirection_table: its length 0" },
		{ FULL, "[0, 1, 2, 3]", "[3]", NULL },
		{ FULL, "[0, 1, 2, 3]",
		  "[0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]",
		  "rss.indirection_table: 16 entries are more than config.rss_max_indirection_table_length (8)" },
		{ FULL, "\"unclassified_queue\": 0",
		  "\"unclassified_queue\": 4",
		  "rss.unclassified_queue: 4 is not below config.max_virtqueue_pairs (4)" },
		{ FULL, "\"0a0b0c\"", "\"0a0b0\"", "rss.key: " },
		{ FULL, "\"0a0b0c\"", "\"0g\"", "rss.key: " },
		{ FULL, "\"0a0b0c\"", "\"0A0b0C0d0e0F\"", NULL },
		{ FULL, "\"0a0b0c\"", "\"00000000000000\"",
		  "rss.key: 7 bytes are more than config.rss_max_key_size (6)" },
		{ FULL, "\"0a0b0c\"", "\"\"", "rss.key: it is empty" },
		{ FULL, "{\"hash_types\": [\"ipv4\"]", "{\"hash_types\": []",
		  NULL },
		{ FULL, "{\"hash_types\": [\"ipv4\"]",
		  "{\"hash_types\": [\"udpv4\"]",
		  "rss.hash_types: udpv4 is not in config.supported_hash_types" },
		{ FULL, "{\"hash_types\": [\"ipv4\"]",
		  "{\"hash_types\": [\"bit_32\"]", "rss.hash_types[0]: " },
		{ FULL, "{\"hash_types\": [\"ipv4\"]",
		  "{\"hash_types\": [\"bit_0\"]", "rss.hash_types[0]: " },
		{ FULL, "{\"hash_types\": [\"ipv4\"], ", "{",
		  "rss.hash_types: missing" },
		{ FULL, "\"key\": \"0a", "\"seed\": 1, \"key\": \"0a",
		  "rss.seed: unknown key" },
		{ HASH, "\"hash_report\": null",
		  "\"hash_report\": {\"hash_types\": [\"bit_31\"], \"key\": \"00\"}",
		  NULL },
		{ HASH, "\"hash_report\": null",
		  "\"hash_report\": {\"hash_types\": [\"ipv4\"], \"key\": \"\"}",
		  "hash_report.key: it is empty" },
		{ HASH, "\"hash_report\": null",
		  "\"hash_report\": {\"hash_types\": [], \"key\": \"\"}",
		  NULL },
		{ HASH, "\"hash_report\": null",
		  "\"hash_report\": {\"hash_types\": []}",
		  "hash_report.key: missing" },
		{ HASH, "\"hash_report\": null", "\"hash_report\": false",
		  "hash_report: not an object" },
		/* RSS without MQ: nothing to agree with, and no limit known. */
		{ HASH, "\"rss\": null, \"hash_report\": null",
		  "\"rss\": {\"hash_types\": [], \"unclassified_queue\": 32767, \"max_tx_vq\": 32768, \"indirection_table\": [32767], \"key\": \"\"}",
		  NULL },
		{ HASH, "\"rss\": null, \"hash_report\": null",
		  "\"rss\": {\"hash_types\": [], \"unclassified_queue\": 32768, \"max_tx_vq\": 32768, \"indirection_table\": [32767], \"key\": \"\"}",
		  "rss.unclassified_queue: 32768" },
	};

	(void)state;
	TRY(cases);
}

static void offload_and_coalescing_rules(void **state)
{
	static const struct edit_case cases[] = {
		{ FULL, "[\"guest_csum\"]", "[]", NULL },
		{ FULL, "[\"guest_csum\"]", "[\"guest_ufo\", \"guest_csum\"]",
		  NULL },
		{ FULL, "[\"guest_csum\"]", "[\"guest_csum\", \"guest_csum\"]",
		  "offloads[1]: \"guest_csum\" is there twice" },
		{ FULL, "[\"guest_csum\"]", "[\"csum\"]",
		  "offloads[0]: \"csum\"" },
		{ FULL, "[\"guest_csum\"]", "[\"bit_22\"]", NULL },
		{ FULL, "[\"guest_csum\"]", "[\"bit_7\"]", "offloads[0]: " },
		{ FULL, "[\"guest_csum\"]", "[\"bit_64\"]", "offloads[0]: " },
		{ FULL, "[\"guest_csum\"]", "[\"guest_uso4\"]",
		  "offloads: guest_uso4 needs the feature GUEST_USO4" },
		{ FULL, "[\"guest_csum\"]", "[\"guest_udp_tunnel_gso\"]",
		  "offloads: guest_udp_tunnel_gso needs the feature GUEST_UDP_TUNNEL_GSO" },
		{ FULL, "[\"guest_csum\"]", "[\"bit_0\"]",
		  "offloads: bit_0 needs the feature CSUM" },
		{ FULL, "[\"guest_csum\"]", "null", "offloads: not an array" },
		{ FULL, "\"max_packets\": 1,", "\"max_packets\": 4294967295,",
		  NULL },
		{ FULL, "\"max_packets\": 1,", "\"max_packets\": 4294967296,",
		  "coalescing.rx.max_packets: 4294967296" },
		{ FULL, "\"max_packets\": 1, ", "",
		  "coalescing.rx.max_packets: missing" },
		{ FULL, "\"max_packets\": 1,",
		  "\"max_packets\": 1, \"index\": 0,",
		  "coalescing.rx.index: unknown key" },
		{ FULL, "\"index\": 7", "\"index\": 8",
		  "coalescing.queues[0].index: 8 is not below 2 x config.max_virtqueue_pairs (4)" },
		{ FULL, "{\"index\": 7, ", "{",
		  "coalescing.queues[0].index: missing" },
		{ FULL,
		  "[{\"index\": 7, \"max_packets\": 5, \"max_usecs\": 6}]",
		  "[{\"index\": 7, \"max_packets\": 5, \"max_usecs\": 6}, {\"index\": 7, \"max_packets\": 5, \"max_usecs\": 6}]",
		  "coalescing.queues: index 7 is there twice" },
		{ FULL,
		  "[{\"index\": 7, \"max_packets\": 5, \"max_usecs\": 6}]",
		  "[{\"index\": 7, \"max_packets\": 5, \"max_usecs\": 6}, {\"index\": 2, \"max_packets\": 5, \"max_usecs\": 6}]",
		  NULL },
	};

	(void)state;
	TRY(cases);
}

static void vring_rules(void **state)
{
	static const struct edit_case cases[] = {
		{ FULL, "{\"index\": 0, \"size\"", "{\"size\"",
		  "vrings[0].index: missing" },
		{ FULL, "\"index\": 0,", "\"index\": 8,", NULL },
		{ FULL, "\"index\": 0,", "\"index\": 9,",
		  "vrings[0].index: 9 is more than 2 x config.max_virtqueue_pairs (4)" },
		{ FULL, "\"size\": 256", "\"size\": 0", "vrings[0].size: 0" },
		{ FULL, "\"size\": 256", "\"size\": 65536",
		  "vrings[0].size: 65536" },
		{ FULL, "\"size\": 256", "\"size\": 200",
		  "vrings[0].size: 200 is not a power of two" },
		{ FULL, "\"base\": 9", "\"base\": 65536",
		  "vrings[0].base: 65536" },
		{ FULL, "\"base\": 9", "\"base\": 65535", NULL },
		{ FULL, "\"enabled\": true", "\"enabled\": 1",
		  "vrings[0].enabled: not true" },
		{ FULL, "\"0x1\"", "\"1\"", "vrings[0].desc: " },
		{ FULL, "\"0x1\"", "\"0xFFFFFFFFFFFFFFFF\"", NULL },
		{ FULL, "\"0x1\"", "\"0x10000000000000000\"",
		  "vrings[0].desc: " },
		{ FULL, "\"desc\": \"0x1\"}", "\"avail\": \"0x1\"}",
		  "vrings[0].avail: unknown key" },
		{ FULL, "\"desc\": \"0x1\"}",
		  "\"desc\": \"0x1\"}, {\"index\": 0}",
		  "vrings: index 0 is there twice" },
		{ PACKED, "4294967295", "4294967296", "vrings[0].base: " },
		/* Without MQ and RSS there is one pair and its control queue. */
		{ PACKED, "\"index\": 2", "\"index\": 3",
		  "vrings[0].index: 3 is more than 2 x the most pairs possible (1)" },
		{ HASH, "\"unknown\": []",
		  "\"vrings\": [{\"index\": 65535}], \"unknown\": []", NULL },
		{ HASH, "\"unknown\": []",
		  "\"vrings\": [{\"index\": 65536}], \"unknown\": []",
		  "vrings[0].index: 65536" },
		{ HASH, "\"unknown\": []", "\"vrings\": {}, \"unknown\": []",
		  "vrings: not an array" },
	};

	(void)state;
	TRY(cases);
}

/* --------------------------------------------------------------------- version */

static void a_file_for_newer_readers_is_refused_as_such(void **state)
{
	char *text = edit(HASH, "\"compat\": 1,",
			  "\"compat\": 2, \"what\": {\"ever\": []},");

	(void)state;
	expect_refused(text, strlen(text), -EPROTONOSUPPORT, "version 2");
	assert_true(strlen(vdpr_ctx_cure(ctx)) > 0);
	free(text);
}

static void a_newer_version_loses_what_we_do_not_know_aloud(void **state)
{
	char *text = edit(HASH, "\"version\": 1,",
			  "\"version\": 2, \"filters\": {\"a\": [1]},");
	char *more = edit(
		text, "\"config\": {}",
		"\"config\": {\"color\": 1}, \"origin\": {\"filters\": \"x\"}");
	struct vdpr_state *s;
	struct vdpr_state *again;
	char *out, *twice;

	(void)state;
	s = parse_good(more);
	assert_string_equal(
		warnings,
		"config.color: unknown key of a newer version, ignored\n"
		"origin.filters: unknown key of a newer version, ignored\n"
		"filters: unknown key of a newer version, ignored\n");
	assert_false(vdpr_state_is_complete(s));
	assert_int_equal(s->foreign.count, 1);
	out = format_good(s);
	assert_non_null(strstr(out, "\"version\": 2"));
	assert_non_null(strstr(out, "\"unknown\": [\n    \"filters\"\n  ]"));
	again = parse_good(out);
	twice = format_good(again);
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
	char *newer = edit(HASH, "\"version\": 1,", "\"version\": 2,");
	char *text = edit(newer, "\"unknown\": []",
			  "\"unknown\": [\"steering\", \"steering\"]");
	char *bad = edit(newer, "\"unknown\": []", "\"unknown\": [\"mq\"]");
	struct vdpr_state *s = parse_good(text);

	(void)state;
	assert_int_equal(s->foreign.count, 1);
	assert_false(vdpr_state_is_complete(s));
	expect_refused(bad, strlen(bad), -EBADMSG, "unknown[0]: \"mq\"");
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
		struct vdpr_state *s = parse_good(text);
		char *out = format_good(s);

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
	char *text = edit(FULL, "[1, 5]", "[\"1-2\", 5, \"6-7\", \"9-10\"]");
	struct vdpr_state *s = parse_good(text);
	char *out = format_good(s);

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
	struct vdpr_state *s = parse_good(FULL);
	char *out = format_good(s);
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
		text = format_good(s);
		again = parse_good(text);
		for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
			assert_true(vdpr_member_equal(s, again, m));
		twice = format_good(again);
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
	text = format_good(s);
	again = parse_good(text);
	assert_string_equal(again->device.name,
			    "a\"b\\c\n\x01\x7f\xef\xbf\xbd\xc3\xa9");
	vdpr_state_free(s);
	vdpr_state_free(again);
	free(text);
}

static void a_state_that_would_not_be_read_is_not_written(void **state)
{
	struct vdpr_state *s = parse_good(FULL);
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
	struct vdpr_state *s = parse_good(FULL);
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
		T(top_level_rules),
		T(feature_rules),
		T(config_rules),
		T(presence_rules),
		T(unknown_rules),
		T(names_in_unknown_may_not_overlap),
		T(mac_rules),
		T(vlan_rules),
		T(mq_and_rss_rules),
		T(offload_and_coalescing_rules),
		T(vring_rules),
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
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
