/* SPDX-License-Identifier: MIT */
/* Comparing and merging states. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "restore/state-item.h"
#include "tests/states.h"
#include "tests/texts.h"

static struct vdpr_ctx *ctx;
static struct vdpr_state *a, *b;

static int setup(void **state)
{
	(void)state;
	a = NULL;
	b = NULL;
	return vdpr_ctx_new(&ctx) ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	vdpr_state_free(a);
	vdpr_state_free(b);
	vdpr_ctx_free(ctx);
	return 0;
}

/* A state of a few members: the rest of the file around @rest. */
static struct vdpr_state *make_offered(const char *offered,
				       const char *negotiated, const char *rest)
{
	return vdpr_test_state_of(ctx, offered, negotiated, rest);
}

static struct vdpr_state *make(const char *negotiated, const char *rest)
{
	return make_offered("0x92300001fffeffaf", negotiated, rest);
}

static char *format(const struct vdpr_state *s)
{
	char *text = NULL;

	if (vdpr_state_format(ctx, s, &text, NULL))
		fail_msg("%s", vdpr_ctx_error(ctx));
	return text;
}

/* CTRL_VQ with VLAN and MQ; with CTRL_RX; with RSS */
#define VLAN_MQ "\"0x1004a0000\""
#define RX "\"0x100060000\""
#define RSS_MQ "\"0x1000000100420000\""
#define RSS_HASH "\"0x1200000100020000\""
#define TABLE \
	"{\"hash_types\": [], \"unclassified_queue\": 0, \"max_tx_vq\": 2, \"indirection_table\": [1], \"key\": \"\"}"

/* ----------------------------------------------------------------------- compare */

static char seen[8192];

static void see(void *data, const char *section,
		enum vdpr_compare_result result, const char *x, const char *y)
{
	static const char *const names[] = { "same", "differs", "unseen" };

	assert_string_equal(data, "data");
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen),
		 "%s %s %s %s\n", section, names[result], x ? x : "-",
		 y ? y : "-");
}

static void expect_compare(unsigned int flags, int want, const char *report)
{
	char data[] = "data";

	seen[0] = '\0';
	assert_int_equal(vdpr_state_compare(ctx, a, b, flags, see, data), want);
	assert_string_equal(seen, report);
	assert_int_equal(vdpr_state_compare(ctx, a, b, flags, NULL, NULL),
			 want);
}

static void equal_states_are_the_same(void **state)
{
	(void)state;
	a = make(
		VLAN_MQ,
		"\"config\": {\"mtu\": 1500}, \"vlan\": {\"ids\": [1, 2, 3]}, \"mq\": {\"queue_pairs\": 2}, \"unknown\": []");
	b = make(
		VLAN_MQ,
		"\"config\": {\"mtu\": 1500}, \"vlan\": {\"ids\": [\"1-3\"]}, \"mq\": {\"queue_pairs\": 2}, \"vrings\": [], \"unknown\": []");
	expect_compare(0, 0,
		       "features same \"0x1004a0000\" \"0x1004a0000\"\n"
		       "config same {\"mtu\":1500} {\"mtu\":1500}\n"
		       "vlan same {\"ids\":[\"1-3\"]} {\"ids\":[\"1-3\"]}\n"
		       "mq same {\"queue_pairs\":2} {\"queue_pairs\":2}\n");
}

static void a_known_difference_differs(void **state)
{
	(void)state;
	a = make(
		VLAN_MQ,
		"\"config\": {\"mtu\": 1500}, \"vlan\": {\"ids\": []}, \"mq\": {\"queue_pairs\": 2}, \"unknown\": []");
	b = make(
		VLAN_MQ,
		"\"config\": {\"mtu\": 9000}, \"vlan\": {\"ids\": []}, \"mq\": {\"queue_pairs\": 3}, \"unknown\": []");
	expect_compare(0, 1,
		       "features same \"0x1004a0000\" \"0x1004a0000\"\n"
		       "config differs {\"mtu\":1500} {\"mtu\":9000}\n"
		       "vlan same {\"ids\":[]} {\"ids\":[]}\n"
		       "mq differs {\"queue_pairs\":2} {\"queue_pairs\":3}\n");
}

static void what_one_side_does_not_know_is_unseen(void **state)
{
	(void)state;
	a = make(
		VLAN_MQ,
		"\"config\": {\"mtu\": 1500}, \"vlan\": {\"ids\": []}, \"unknown\": [\"mq\"]");
	b = make(
		VLAN_MQ,
		"\"config\": {}, \"mq\": {\"queue_pairs\": 3}, \"unknown\": [\"vlan\", \"class_9\"]");
	expect_compare(0, 0,
		       "features same \"0x1004a0000\" \"0x1004a0000\"\n"
		       "config unseen {\"mtu\":1500} {}\n"
		       "vlan unseen {\"ids\":[]} -\n"
		       "mq unseen - {\"queue_pairs\":3}\n"
		       "class_9 unseen - -\n");
}

static void a_difference_outweighs_an_unknown_member(void **state)
{
	(void)state;
	a = make(
		RX,
		"\"config\": {}, \"mac\": {\"unicast\": [], \"unicast_overflow\": true}, \"rx_mode\": {\"promiscuous\": null, \"all_multicast\": false}, \"unknown\": [\"mac.multicast\", \"mac.multicast_overflow\"]");
	b = make(
		RX,
		"\"config\": {}, \"mac\": {\"unicast\": [], \"unicast_overflow\": false, \"multicast\": [], \"multicast_overflow\": false}, \"rx_mode\": {\"promiscuous\": null}, \"unknown\": [\"rx_mode.all_multicast\"]");
	expect_compare(
		0, 1,
		"features same \"0x100060000\" \"0x100060000\"\n"
		"config same {} {}\n"
		"mac differs {\"unicast\":[],\"unicast_overflow\":true} {\"unicast\":[],\"multicast\":[],\"unicast_overflow\":false,\"multicast_overflow\":false}\n"
		"rx_mode unseen {\"promiscuous\":null,\"all_multicast\":false} {\"promiscuous\":null}\n");
}

/* As members of "mac" and what is left to make a state of RX. */
#define TABLES(unicast, multicast)                                         \
	"\"config\": {}, \"mac\": {\"unicast\": [" unicast                 \
	"], \"multicast\": [" multicast "], \"unicast_overflow\": false, " \
	"\"multicast_overflow\": false}, \"unknown\": [\"rx_mode\"]"
#define UC1 "\"02:00:00:00:00:01\""
#define UC2 "\"02:00:00:00:00:02\""
#define MC1 "\"01:00:00:00:00:01\""
#define MC2 "\"01:00:00:00:00:02\""

static const struct {
	const char *a, *b;
	bool same;
} mac_lists[] = {
	{ TABLES(UC1 "," UC2, ""), TABLES(UC2 "," UC1, ""), true },
	{ TABLES("", MC1 "," MC2), TABLES("", MC2 "," MC1), true },
	{ TABLES(UC1 "," UC1 "," UC2, ""), TABLES(UC2 "," UC1, ""), true },
	{ TABLES(UC1 "," UC2, ""), TABLES(UC2, ""), false },
	{ TABLES(UC2, ""), TABLES(UC1 "," UC2, ""), false },
	{ TABLES(UC1 "," UC1, ""), TABLES(UC2 "," UC1, ""), false },
	{ TABLES(UC1, ""), TABLES("", ""), false },
	{ TABLES("", ""), TABLES(UC1, ""), false },
	{ TABLES("", MC1), TABLES("", MC2), false },
};

static void mac_lists_are_compared_as_sets(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mac_lists); i++) {
		int result;

		a = make(RX, mac_lists[i].a);
		b = make(RX, mac_lists[i].b);
		result = vdpr_state_compare(ctx, a, b, 0, NULL, NULL);
		if (result != !mac_lists[i].same)
			fail_msg("case %zu: %d", i, result);
		vdpr_state_free(a);
		vdpr_state_free(b);
		a = NULL;
		b = NULL;
	}
}

/* Enough of them that a look at each for each would be seen. */
static void long_mac_lists_are_compared_as_sets(void **state)
{
	const size_t n = 20000;

	(void)state;
	a = make(RX, TABLES("", ""));
	b = make(RX, TABLES("", ""));
	assert_int_equal(vdpr_mac_list_reserve(&a->unicast, n), 0);
	assert_int_equal(vdpr_mac_list_reserve(&b->unicast, n), 0);
	a->unicast.count = n;
	b->unicast.count = n;
	for (size_t i = 0; i < n; i++) {
		const uint8_t addr[6] = { 2, 0, 0, 0, i >> 8 & 255, i & 255 };

		memcpy(a->unicast.addr[i], addr, sizeof(addr));
		memcpy(b->unicast.addr[n - 1 - i], addr, sizeof(addr));
	}
	assert_int_equal(vdpr_state_compare(ctx, a, b, 0, NULL, NULL), 0);
	b->unicast.addr[n / 2][5] ^= 1;
	assert_int_equal(vdpr_state_compare(ctx, a, b, 0, NULL, NULL), 1);
}

static void absent_differs_where_the_features_are_known(void **state)
{
	(void)state;
	a = make("\"0x100020000\"", "\"config\": {}, \"unknown\": []");
	b = make(
		RSS_HASH,
		"\"config\": {}, \"rss\": null, \"hash_report\": null, \"unknown\": []");
	expect_compare(
		0, 1,
		"features differs \"0x100020000\" \"0x1200000100020000\"\n"
		"config same {} {}\n"
		"rss differs - null\n"
		"hash_report differs - null\n");
	vdpr_state_free(a);
	a = make("null", "\"config\": {}, \"unknown\": []");
	expect_compare(0, 0,
		       "features unseen - \"0x1200000100020000\"\n"
		       "config same {} {}\n"
		       "rss unseen - null\n"
		       "hash_report unseen - null\n");
}

static void rings_are_compared_on_demand(void **state)
{
	(void)state;
	a = make(
		"\"0x100000000\"",
		"\"config\": {}, \"vrings\": [{\"index\": 0, \"size\": 2}], \"unknown\": []");
	b = make(
		"\"0x100000000\"",
		"\"config\": {}, \"vrings\": [{\"index\": 0, \"size\": 4}], \"unknown\": []");
#define HEAD \
	"features same \"0x100000000\" \"0x100000000\"\nconfig same {} {}\n"
	expect_compare(0, 0, HEAD);
	expect_compare(
		VDPR_COMPARE_RINGS, 1,
		HEAD
		"vrings differs [{\"index\":0,\"size\":2}] [{\"index\":0,\"size\":4}]\n");
	b->vrings[0].has = 0;
	expect_compare(
		VDPR_COMPARE_RINGS, 0,
		HEAD
		"vrings unseen [{\"index\":0,\"size\":2}] [{\"index\":0}]\n");
	b->vrings[0].index = 1;
	expect_compare(
		VDPR_COMPARE_RINGS, 1,
		HEAD
		"vrings differs [{\"index\":0,\"size\":2}] [{\"index\":1}]\n");
	b->has_vrings = false;
	expect_compare(VDPR_COMPARE_RINGS, 0,
		       HEAD "vrings unseen [{\"index\":0,\"size\":2}] -\n");
}

static void announce_is_optional_so_its_absence_is_unseen(void **state)
{
	(void)state;
	a = make(
		"\"0x100220000\"",
		"\"config\": {}, \"announce\": {\"pending\": true}, \"unknown\": []");
	b = make("\"0x100220000\"", "\"config\": {}, \"unknown\": []");
	expect_compare(0, 0,
		       "features same \"0x100220000\" \"0x100220000\"\n"
		       "config same {} {}\n"
		       "announce unseen {\"pending\":true} -\n");
}

/* MAC, CTRL_MAC_ADDR, CTRL_VQ; and what a restore to a device makes of it */
#define MAC_CVQ "\"0x100820020\""
#define MAC_CVQ_DEVICE "\"0x300820020\""
#define MAC_RESTORED                                                            \
	"\"config\": {\"mac\": \"52:54:00:00:00:01\"}, \"mac\": {\"address\": " \
	"\"52:54:00:00:00:02\"}, \"unknown\": []"
#define MAC_SEEN(mac) \
	"\"config\": {\"mac\": \"" mac "\"}, \"unknown\": [\"mac\"]"

static const struct {
	const char *features, *other; /* negotiated by the device */
	const char *mac;	      /* in its config */
	int want;
	const char *says;
} restored[] = {
	/* as it should be: ACCESS_PLATFORM besides, the guest's MAC in config */
	{ MAC_CVQ, MAC_CVQ_DEVICE, MAC_SEEN("52:54:00:00:00:02"), 0,
	  "features same|config same|mac same|" },
	{ MAC_CVQ, MAC_CVQ, MAC_SEEN("52:54:00:00:00:02"), 0,
	  "features same|config same|mac same|" },
	/* the MAC was not restored */
	{ MAC_CVQ, MAC_CVQ_DEVICE, MAC_SEEN("52:54:00:00:00:01"), 1,
	  "features same|config same|mac differs|" },
	{ MAC_CVQ, MAC_CVQ_DEVICE, MAC_SEEN("52:54:00:00:00:03"), 1,
	  "features same|config differs|mac differs|" },
	/* without F_MAC the device need not show it */
	{ MAC_CVQ, "\"0x300820000\"", MAC_SEEN("52:54:00:00:00:01"), 1,
	  "features differs|config same|mac unseen|" },
	/* GUEST_ANNOUNCE is the VMM's, and the device does not offer it */
	{ "\"0x100a20020\"", MAC_CVQ_DEVICE, MAC_SEEN("52:54:00:00:00:02"), 1,
	  "features differs|config same|mac same|" },
	/* a bit too few */
	{ MAC_CVQ, "\"0x300020020\"",
	  "\"config\": {\"mac\": \"52:54:00:00:00:02\"}, \"unknown\": []", 1,
	  "features differs|config same|mac same|" },
};

static void see_result(void *data, const char *section,
		       enum vdpr_compare_result result, const char *x,
		       const char *y)
{
	static const char *const names[] = { "same", "differs", "unseen" };

	(void)data;
	(void)x;
	(void)y;
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s %s|",
		 section, names[result]);
}

static void what_a_restore_makes_different_is_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(restored); i++) {
		a = make(restored[i].features, MAC_RESTORED);
		b = make_offered("0x92300003fffeffaf", restored[i].other,
				 restored[i].mac);
		seen[0] = '\0';
		assert_int_equal(vdpr_state_compare(ctx, a, b,
						    VDPR_COMPARE_RESTORED,
						    see_result, NULL),
				 restored[i].want);
		assert_string_equal(seen, restored[i].says);
		vdpr_state_free(a);
		vdpr_state_free(b);
		a = NULL;
		b = NULL;
	}
}

/* Bits that the device does not offer are the VMM's own. */
static void a_vmm_s_own_features_need_not_be_the_device_s(void **state)
{
	(void)state;
	a = make("\"0x100a20028\"", MAC_RESTORED);
	b = make_offered("0x300820020", "\"0x300820020\"",
			 "\"config\": {}, \"unknown\": [\"mac\"]");
	assert_int_equal(vdpr_state_compare(ctx, a, b, 0, NULL, NULL), 1);
	assert_int_equal(vdpr_state_compare(ctx, a, b, VDPR_COMPARE_RESTORED,
					    NULL, NULL),
			 0);
}

static void a_state_is_the_same_as_itself(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < VDPR_TEST_SUBSETS; seed++) {
		struct vdpr_state *s = NULL;

		assert_int_equal(vdpr_test_state(seed, VDPR_ANY_FORM, ctx, &s),
				 0);
		assert_int_equal(vdpr_state_compare(ctx, s, s,
						    VDPR_COMPARE_RINGS, NULL,
						    NULL),
				 0);
		vdpr_state_free(s);
	}
}

/* ------------------------------------------------------------------------- merge */

static void expect_merge(const char *prefer, const char *part)
{
	char *text;
	int err = vdpr_state_merge(ctx, a, b, prefer);

	if (err)
		fail_msg("%s", vdpr_ctx_error(ctx));
	text = format(a);
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in %s", part, text);
	free(text);
}

/* The message has all of @parts, and @a is as before. */
static void expect_conflict(const char *prefer, const char *const *parts)
{
	char *before = format(a);
	char *after;

	assert_int_equal(vdpr_state_merge(ctx, a, b, prefer), -EEXIST);
	assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_REFUSED);
	for (; *parts; parts++) {
		if (!strstr(vdpr_ctx_error(ctx), *parts))
			fail_msg("\"%s\" is not in \"%s\"", *parts,
				 vdpr_ctx_error(ctx));
	}
	after = format(a);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void merging_fills_what_is_unknown(void **state)
{
	(void)state;
	a = make(
		VLAN_MQ,
		"\"config\": {}, \"vlan\": {\"ids\": [7]}, \"origin\": {\"vlan\": \"x\"}, \"unknown\": [\"mq\"]");
	b = make(
		"null",
		"\"backend_features\": \"0x7e\", \"device\": {\"name\": \"vdpa0\"}, \"config\": {\"max_virtqueue_pairs\": 4}, \"mq\": {\"queue_pairs\": 3}, \"vrings\": [{\"index\": 1}], \"origin\": {\"mq\": \"y\", \"config\": \"y\"}, \"unknown\": []");
	expect_merge(NULL, "\"queue_pairs\": 3");
	expect_merge(NULL, "\"backend_features\": \"0x7e\"");
	expect_merge(NULL, "\"name\": \"vdpa0\"");
	expect_merge(NULL, "\"max_virtqueue_pairs\": 4");
	expect_merge(NULL, "\"vrings\": [\n    {\n      \"index\": 1\n");
	expect_merge(NULL, "\"unknown\": []");
	assert_string_equal(vdpr_origin_get(a, "vlan"), "x");
	assert_string_equal(vdpr_origin_get(a, "mq"), "y");
	assert_string_equal(vdpr_origin_get(a, "config.max_virtqueue_pairs"),
			    "y");
	assert_true(vdpr_state_is_complete(a));
}

static void features_that_become_known_decide_what_is_required(void **state)
{
	(void)state;
	a = make(
		"null",
		"\"config\": {}, \"mq\": {\"queue_pairs\": 3}, \"rx_mode\": {\"all_multicast\": true}, \"unknown\": []");
	b = make(VLAN_MQ, "\"config\": {}, \"unknown\": [\"mq\", \"vlan\"]");
	expect_merge(NULL, "\"unknown\": [\n    \"vlan\"\n  ]");
	assert_true(a->negotiated_known);
	assert_int_equal(a->queue_pairs, 3);
	/* CTRL_RX is not in use, whatever the first source thought. */
	assert_int_equal(a->member[VDPR_RX_ALL_MULTICAST], VDPR_ABSENT);
}

static void sections_are_filled_member_by_member(void **state)
{
	(void)state;
	a = make(
		RX,
		"\"config\": {}, \"mac\": {\"unicast\": [], \"unicast_overflow\": true}, \"rx_mode\": {\"promiscuous\": true, \"all_multicast\": false}, \"origin\": {\"mac\": \"x\", \"rx_mode\": \"x\"}, \"unknown\": [\"mac.multicast\", \"mac.multicast_overflow\"]");
	b = make(
		RX,
		"\"config\": {}, \"mac\": {\"multicast\": [\"01:00:00:00:00:01\"], \"multicast_overflow\": false}, \"origin\": {\"mac\": \"y\"}, \"unknown\": [\"mac.unicast\", \"mac.unicast_overflow\", \"rx_mode\"]");
	expect_merge(NULL, "\"unknown\": []");
	assert_string_equal(vdpr_origin_get(a, "mac.unicast"), "x");
	assert_string_equal(vdpr_origin_get(a, "mac.multicast"), "y");
	assert_string_equal(vdpr_origin_get(a, "rx_mode"), "x");
	assert_null(vdpr_origin_get(a, "mac"));
}

static void mac_lists_are_merged_as_sets(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mac_lists); i++) {
		char *before, *after;

		a = make(RX, mac_lists[i].a);
		b = make(RX, mac_lists[i].b);
		before = format(a);
		assert_int_equal(vdpr_state_merge(ctx, a, b, NULL),
				 mac_lists[i].same ? 0 : -EEXIST);
		after = format(a);
		/* The order of what was there first stays. */
		assert_string_equal(before, after);
		free(before);
		free(after);
		vdpr_state_free(a);
		vdpr_state_free(b);
		a = NULL;
		b = NULL;
	}
}

static void a_conflict_names_both_values_and_sources(void **state)
{
	static const char *const parts[] = { "mq",     "2 ",	 "3 ",
					     "qmp:/a", "vdpa:b", NULL };

	(void)state;
	a = make(
		VLAN_MQ,
		"\"config\": {}, \"vlan\": {\"ids\": []}, \"mq\": {\"queue_pairs\": 2}, \"origin\": {\"mq\": \"qmp:/a\"}, \"unknown\": []");
	b = make(
		VLAN_MQ,
		"\"config\": {}, \"mq\": {\"queue_pairs\": 3}, \"origin\": {\"mq\": \"vdpa:b\"}, \"unknown\": [\"vlan\"]");
	expect_conflict(NULL, parts);
	expect_conflict("other", parts);
	assert_true(strlen(vdpr_ctx_cure(ctx)) > 0);
}

static char logged[1024];

static void log_all(void *data, int level, const char *line)
{
	size_t len = strlen(logged);

	(void)data;
	snprintf(logged + len, sizeof(logged) - len, "%d %s\n", level, line);
}

/* The first ends nothing; the message has it, and the log has all. */
static void every_conflict_is_logged(void **state)
{
	static const char *const parts[] = { "2 conflicts",
					     "config.mtu: ", NULL };

	(void)state;
	a = make(
		VLAN_MQ,
		"\"config\": {\"mtu\": 1}, \"vlan\": {\"ids\": []}, \"mq\": {\"queue_pairs\": 2}, \"origin\": {\"mq\": \"x\", \"config\": \"x\"}, \"unknown\": []");
	b = make(
		VLAN_MQ,
		"\"config\": {\"mtu\": 2}, \"mq\": {\"queue_pairs\": 3}, \"origin\": {\"mq\": \"y\"}, \"unknown\": [\"vlan\"]");
	logged[0] = '\0';
	vdpr_ctx_set_log(ctx, log_all, NULL, 5);
	expect_conflict(NULL, parts);
	assert_string_equal(
		logged,
		"3 config.mtu: conflict: {\"mtu\":1} from x, {\"mtu\":2} from an unnamed source\n"
		"3 mq: conflict: 2 from x, 3 from y\n");
	logged[0] = '\0';
	expect_merge("x", "\"queue_pairs\": 2");
	assert_string_equal(
		logged,
		"5 config.mtu: overridden: {\"mtu\":2} from an unnamed source, by {\"mtu\":1} from x\n"
		"5 mq: overridden: 3 from y, by 2 from x\n");
	vdpr_ctx_set_log(ctx, NULL, NULL, 0);
}

static void the_preferred_source_wins_a_conflict(void **state)
{
	(void)state;
	a = make(
		VLAN_MQ,
		"\"config\": {\"mtu\": 1}, \"vlan\": {\"ids\": []}, \"mq\": {\"queue_pairs\": 2}, \"origin\": {\"mq\": \"x\", \"config\": \"x\"}, \"unknown\": []");
	b = make(
		VLAN_MQ,
		"\"config\": {\"mtu\": 2}, \"vlan\": {\"ids\": []}, \"mq\": {\"queue_pairs\": 3}, \"origin\": {\"mq\": \"y\", \"config\": \"y\"}, \"unknown\": []");
	expect_merge("x", "\"queue_pairs\": 2");
	assert_int_equal(a->config.mtu, 1);
	expect_merge("y", "\"queue_pairs\": 3");
	assert_int_equal(a->config.mtu, 2);
	assert_string_equal(vdpr_origin_get(a, "mq"), "y");
	assert_string_equal(vdpr_origin_get(a, "config.mtu"), "y");
}

static void every_kind_of_item_can_be_in_conflict(void **state)
{
	static const struct {
		const char *negotiated;
		const char *a, *b;
		const char *name;
	} cases[] = {
		{ "\"0x100000000\"",
		  "\"config\": {\"mac\": \"02:00:00:00:00:01\"}",
		  "\"config\": {\"mac\": \"02:00:00:00:00:02\"}",
		  "config.mac: conflict" },
		{ "\"0x100000000\"",
		  "\"config\": {}, \"backend_features\": \"0x1\"",
		  "\"config\": {}, \"backend_features\": \"0x2\"",
		  "backend_features: conflict: 0x1" },
		{ "\"0x100000000\"",
		  "\"config\": {}, \"device\": {\"name\": \"a\"}",
		  "\"config\": {}, \"device\": {\"name\": \"b\"}",
		  "device: conflict: \"a\"" },
		{ "\"0x100000000\"",
		  "\"config\": {}, \"vendor\": {\"name\": \"a\"}",
		  "\"config\": {}, \"vendor\": {\"name\": \"b\"}",
		  "vendor: conflict" },
		{ "\"0x100000000\"",
		  "\"config\": {}, \"vrings\": [{\"index\": 1, \"size\": 4}]",
		  "\"config\": {}, \"vrings\": [{\"index\": 0}, {\"index\": 1, \"size\": 8}]",
		  "vrings: conflict" },
		{ "\"0x100220000\"",
		  "\"config\": {}, \"announce\": {\"pending\": true}",
		  "\"config\": {}, \"announce\": {\"pending\": false}",
		  "announce: conflict: {\"pending\":true}" },
		{ RSS_HASH,
		  "\"config\": {}, \"rss\": null, \"hash_report\": null",
		  "\"config\": {}, \"rss\": " TABLE, "rss: conflict: null" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const parts[] = { cases[i].name, NULL };
		char *rest_a = NULL;
		char *rest_b = NULL;

		assert_true(asprintf(&rest_a, "%s, \"unknown\": []",
				     cases[i].a) > 0);
		assert_true(asprintf(&rest_b, "%s, \"unknown\": []",
				     cases[i].b) > 0);
		a = make(cases[i].negotiated, rest_a);
		b = make(cases[i].negotiated, rest_b);
		expect_conflict(NULL, parts);
		vdpr_state_free(a);
		vdpr_state_free(b);
		a = NULL;
		b = NULL;
		free(rest_a);
		free(rest_b);
	}
}

static void negotiated_features_can_be_in_conflict(void **state)
{
	static const char *const parts[] = { "features.negotiated: conflict",
					     "0x100000000", "0x100000001",
					     NULL };

	(void)state;
	a = make("\"0x100000000\"", "\"config\": {}, \"unknown\": []");
	b = make("\"0x100000001\"", "\"config\": {}, \"unknown\": []");
	expect_conflict(NULL, parts);
}

static void offered_as_negotiated_is_no_knowledge(void **state)
{
	(void)state;
	a = make("\"0x100000000\"", "\"config\": {}, \"unknown\": []");
	b = make("\"0x100000000\"",
		 "\"config\": {\"mtu\": 5}, \"unknown\": []");
	a->offered = a->negotiated;
	expect_merge(NULL, "\"offered\": \"0x92300001fffeffaf\"");
	a->offered = (struct vdpr_features){ { 1, 0 } };
	assert_int_equal(vdpr_state_merge(ctx, a, b, NULL), -EEXIST);
	assert_non_null(strstr(vdpr_ctx_error(ctx), "features.offered"));
}

static void sources_that_do_not_fit_together_are_a_conflict(void **state)
{
	static const char *const parts[] = { "mq.queue_pairs: 5 is more",
					     NULL };

	(void)state;
	a = make(
		VLAN_MQ,
		"\"config\": {}, \"mq\": {\"queue_pairs\": 5}, \"unknown\": [\"vlan\"]");
	b = make("null",
		 "\"config\": {\"max_virtqueue_pairs\": 4}, \"unknown\": []");
	expect_conflict(NULL, parts);
}

static void rss_taken_from_another_source_takes_hash_report_along(void **state)
{
	(void)state;
	a = make(
		RSS_HASH,
		"\"config\": {}, \"rss\": null, \"hash_report\": {\"hash_types\": [], \"key\": \"\"}, \"origin\": {\"rss\": \"x\"}, \"unknown\": []");
	b = make(RSS_HASH, "\"config\": {}, \"rss\": " TABLE
			   ", \"origin\": {\"rss\": \"y\"}, \"unknown\": []");
	expect_merge("y", "\"max_tx_vq\": 2");
	assert_int_equal(a->member[VDPR_HASH_REPORT], VDPR_ABSENT);
}

static void rings_are_joined_where_they_agree(void **state)
{
	(void)state;
	a = make(
		"\"0x100000000\"",
		"\"config\": {}, \"vrings\": [{\"index\": 1, \"size\": 4}, {\"index\": 2}], \"unknown\": []");
	b = make(
		"\"0x100000000\"",
		"\"config\": {}, \"vrings\": [{\"index\": 0, \"size\": 8}, {\"index\": 1, \"base\": 5}], \"unknown\": []");
	/* Without MQ there are at most three rings. */
	expect_merge(NULL, "\"index\": 0,\n      \"size\": 8");
	expect_merge(NULL,
		     "\"index\": 1,\n      \"size\": 4,\n      \"base\": 5");
	assert_int_equal(a->n_vrings, 3);
}

static void every_member_of_a_ring_can_disagree(void **state)
{
	static const struct vdpr_vring_state one = { .has = 63 };
	struct vdpr_vring_state other[] = { one, one, one, one, one, one };

	(void)state;
	other[0].size = 1;
	other[1].base = 1;
	other[2].enabled = true;
	other[3].desc = 1;
	other[4].driver = 1;
	other[5].device = 1;
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		assert_false(vdpr_vring_agrees(&one, &other[i]));
		other[i].has &= ~BIT(i);
		assert_true(vdpr_vring_agrees(&one, &other[i]));
		vdpr_vring_fill(&other[i], &one);
		assert_memory_equal(&one, &other[i], sizeof(one));
	}
}

static void unknown_classes_and_sources_add_up(void **state)
{
	(void)state;
	a = make(
		"\"0x100020000\"",
		"\"captured\": {\"time\": \"1\", \"sources\": [\"x\"]}, \"config\": {}, \"unknown\": [\"class_7\"]");
	b = make(
		"\"0x100020000\"",
		"\"captured\": {\"time\": \"2\", \"tool\": \"t\", \"sources\": [\"x\", \"y\"]}, \"config\": {}, \"unknown\": [\"class_9\"]");
	expect_merge(NULL, "\"class_7\",\n    \"class_9\"");
	assert_int_equal(a->captured.sources.count, 2);
	assert_string_equal(a->captured.time, "1");
	assert_string_equal(a->captured.tool, "t");
}

static void merging_a_state_into_an_empty_one_copies_it(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < 2000; seed++) {
		char *x, *y;

		assert_int_equal(
			vdpr_test_state(seed * 3, VDPR_ANY_FORM, ctx, &b), 0);
		assert_int_equal(vdpr_state_new(ctx, &a), 0);
		vdpr_origin_clear(b);
		assert_int_equal(vdpr_state_merge(ctx, a, b, NULL), 0);
		assert_int_equal(vdpr_state_compare(ctx, a, b,
						    VDPR_COMPARE_RINGS, NULL,
						    NULL),
				 0);
		x = format(a);
		y = format(b);
		assert_string_equal(x, y);
		free(x);
		free(y);
		vdpr_state_free(a);
		vdpr_state_free(b);
		a = NULL;
		b = NULL;
	}
}

static void merging_the_same_again_changes_nothing(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < 2000; seed++) {
		char *x, *y;

		assert_int_equal(
			vdpr_test_state(seed * 3 + 1, VDPR_ANY_FORM, ctx, &a),
			0);
		x = format(a);
		assert_int_equal(vdpr_state_merge(ctx, a, a, NULL), 0);
		y = format(a);
		assert_string_equal(x, y);
		free(x);
		free(y);
		vdpr_state_free(a);
		a = NULL;
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(equal_states_are_the_same),
		T(a_known_difference_differs),
		T(what_one_side_does_not_know_is_unseen),
		T(a_difference_outweighs_an_unknown_member),
		T(mac_lists_are_compared_as_sets),
		T(long_mac_lists_are_compared_as_sets),
		T(absent_differs_where_the_features_are_known),
		T(rings_are_compared_on_demand),
		T(announce_is_optional_so_its_absence_is_unseen),
		T(what_a_restore_makes_different_is_the_same),
		T(a_vmm_s_own_features_need_not_be_the_device_s),
		T(a_state_is_the_same_as_itself),
		T(merging_fills_what_is_unknown),
		T(features_that_become_known_decide_what_is_required),
		T(sections_are_filled_member_by_member),
		T(mac_lists_are_merged_as_sets),
		T(a_conflict_names_both_values_and_sources),
		T(every_conflict_is_logged),
		T(the_preferred_source_wins_a_conflict),
		T(every_kind_of_item_can_be_in_conflict),
		T(negotiated_features_can_be_in_conflict),
		T(offered_as_negotiated_is_no_knowledge),
		T(sources_that_do_not_fit_together_are_a_conflict),
		T(rss_taken_from_another_source_takes_hash_report_along),
		T(rings_are_joined_where_they_agree),
		T(every_member_of_a_ring_can_disagree),
		T(unknown_classes_and_sources_add_up),
		T(merging_a_state_into_an_empty_one_copies_it),
		T(merging_the_same_again_changes_nothing),
	};

	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
