/* SPDX-License-Identifier: MIT */
/* The rules of a state file: what is refused, with which path and limit. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

struct edit_case {
	const char *base, *from, *to;
	const char *message; /* NULL: accepted */
};

static void try_edits(const struct edit_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *text = vdpr_test_edit(cases[i].base, cases[i].from,
					    cases[i].to);

		print_message("%s -> %s\n", cases[i].from, cases[i].to);
		if (cases[i].message)
			vdpr_test_refused(ctx, text, strlen(text), -EBADMSG,
					  cases[i].message);
		else
			vdpr_state_free(vdpr_test_parse(ctx, text));
		free(text);
	}
}

#define TRY(cases) try_edits(cases, ARRAY_SIZE(cases))

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
		char *without = vdpr_test_edit(
			FULL, "\"vlan\": {\"ids\": [1, 5]},", "");
		char *names = NULL;
		char *text;

		assert_true(asprintf(&names, "\"unknown\": [%s]",
				     cases[i].names) > 0);
		text = vdpr_test_edit(without, "\"unknown\": []", names);
		if (cases[i].message)
			vdpr_test_refused(ctx, text, strlen(text), -EBADMSG,
					  cases[i].message);
		else
			vdpr_state_free(vdpr_test_parse(ctx, text));
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
		/* A device may have queues beyond its config's pairs. */
		{ FULL, "\"index\": 0,", "\"index\": 9,", NULL },
		{ FULL, "\"index\": 0,", "\"index\": 65535,", NULL },
		{ FULL, "\"index\": 0,", "\"index\": 65536,",
		  "vrings[0].index: 65536 is not in 0..65535" },
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
		/* Nor do features that allow one pair only limit the queues. */
		{ PACKED, "\"index\": 2", "\"index\": 3", NULL },
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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(top_level_rules),  T(feature_rules),
		T(config_rules),     T(presence_rules),
		T(unknown_rules),    T(names_in_unknown_may_not_overlap),
		T(mac_rules),	     T(vlan_rules),
		T(mq_and_rss_rules), T(offload_and_coalescing_rules),
		T(vring_rules),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
