/* SPDX-License-Identifier: MIT */
/* The state model: its beginning, its shape, what is unknown, its values. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "tests/states.h"

static struct vdpr_ctx *ctx;
static struct vdpr_state *s;

static int setup(void **state)
{
	(void)state;
	return vdpr_ctx_new(&ctx) || vdpr_state_new(ctx, &s) ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	vdpr_state_free(s);
	vdpr_ctx_free(ctx);
	return 0;
}

static struct vdpr_features mask(const uint8_t *bits, size_t n)
{
	struct vdpr_features f = { { 0, 0 } };

	for (size_t i = 0; i < n; i++)
		vdpr_features_set(&f, bits[i], true);
	return f;
}

#define MASK(...)                              \
	mask((const uint8_t[]){ __VA_ARGS__ }, \
	     sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Every feature that a control section needs. */
#define CONTROL 17, 18, 19, 20, 22, 23, 2, 60, 57, 53, 52, 21

static char names[1024];

static void add_name(void *data, const char *name)
{
	(void)data;
	if (names[0])
		strcat(names, " ");
	strcat(names, name);
}

static const char *unknown_names(void)
{
	names[0] = '\0';
	vdpr_state_unknown(s, add_name, NULL);
	return names;
}

static void start(const struct vdpr_features *negotiated,
		  const struct vdpr_net_config *config, unsigned int flags)
{
	assert_int_equal(
		vdpr_state_start(ctx, s, NULL, negotiated, config, flags), 0);
}

/* ------------------------------------------------------------------------ start */

static void a_new_state_knows_nothing(void **state)
{
	struct vdpr_features f;

	(void)state;
	assert_int_equal(vdpr_state_features(s, &f), -ENODATA);
	assert_false(vdpr_state_is_complete(s));
	assert_string_equal(unknown_names(), "");
}

static void reset_state_is_that_of_the_specification(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
	struct vdpr_features f = MASK(CONTROL, 5, 1, 7, 55, 65, 26);
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);

	(void)state;
	config.has = VDPR_CONFIG_MAC;
	memcpy(config.mac, mac, 6);
	start(&f, &config, 0);
	assert_true(vdpr_state_is_complete(s));
	assert_memory_equal(s->mac, mac, 6);
	assert_int_equal(s->member[VDPR_MAC_ADDRESS], VDPR_KNOWN);
	assert_int_equal(s->unicast.count + s->multicast.count, 0);
	assert_false(s->unicast_overflow || s->multicast_overflow);
	assert_int_equal(s->member[VDPR_RX_PROMISCUOUS], VDPR_NULL);
	for (unsigned int m = VDPR_RX_ALL_MULTICAST; m < VDPR_RSS; m++)
		assert_int_equal(s->member[m], VDPR_KNOWN);
	assert_false(s->all_multicast || s->all_unicast || s->no_multicast ||
		     s->no_unicast || s->no_broadcast);
	assert_int_equal(s->queue_pairs, 1);
	assert_int_equal(s->member[VDPR_RSS], VDPR_NULL);
	assert_int_equal(s->member[VDPR_HASH_REPORT], VDPR_NULL);
	/* The named ones only: bit 26 is negotiated too. */
	assert_true(s->offloads ==
		    (BIT_ULL(1) | BIT_ULL(7) | BIT_ULL(55) | BIT_ULL(46)));
	assert_int_equal(s->coal_rx.max_packets + s->coal_tx.max_usecs, 0);
	assert_int_equal(s->n_coal_queues, 0);
	assert_int_equal(s->announce, VDPR_ABSENT);
	for (unsigned int id = 0; id < VDPR_VLANS; id++)
		assert_false(vdpr_vlan_has(s, id));
}

static void address_after_reset_depends_on_the_devices_own(void **state)
{
	static const struct {
		bool offered, negotiated;
		enum vdpr_presence want;
	} cases[] = {
		{ false, false, VDPR_NULL },
		{ true, false, VDPR_UNKNOWN },
		{ true, true, VDPR_UNKNOWN },
		{ false, true, VDPR_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vdpr_features offered = MASK(17, 23);
		struct vdpr_features acked = MASK(17, 23);

		vdpr_features_set(&offered, 5, cases[i].offered);
		vdpr_features_set(&acked, 5, cases[i].negotiated);
		assert_int_equal(
			vdpr_state_start(ctx, s, &offered, &acked, NULL, 0), 0);
		assert_int_equal(s->member[VDPR_MAC_ADDRESS], cases[i].want);
	}
}

static void without_a_reset_seen_everything_required_is_unknown(void **state)
{
	struct vdpr_features f = MASK(CONTROL);

	(void)state;
	start(&f, NULL, VDPR_STATE_NOT_FROM_RESET);
	assert_string_equal(unknown_names(),
			    "mac rx_mode vlan mq rss hash_report offloads "
			    "coalescing");
	f = MASK(17, 18, 52);
	start(&f, NULL, VDPR_STATE_NOT_FROM_RESET);
	assert_string_equal(unknown_names(), "mac rx_mode coalescing");
	assert_int_equal(s->member[VDPR_MAC_ADDRESS], VDPR_ABSENT);
	assert_int_equal(s->member[VDPR_COAL_RX], VDPR_ABSENT);
}

static void without_negotiated_features_nothing_is_known(void **state)
{
	struct vdpr_features offered = MASK(17, 22, 19);

	(void)state;
	assert_int_equal(vdpr_state_start(ctx, s, &offered, NULL, NULL, 0), 0);
	assert_string_equal(unknown_names(), "vlan mq");
	assert_false(vdpr_state_is_complete(s));
	assert_false(s->negotiated_known);
}

static void without_ctrl_vq_there_is_no_section(void **state)
{
	struct vdpr_features f = MASK(18, 19, 20, 22, 23, 2, 60, 57, 53, 52);

	(void)state;
	start(&f, NULL, 0);
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
		assert_int_equal(s->member[m], VDPR_ABSENT);
	assert_true(vdpr_state_is_complete(s));
}

static void a_config_against_the_features_starts_nothing(void **state)
{
	struct vdpr_features f = MASK(17, 22);
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);

	(void)state;
	start(&f, NULL, 0);
	s->queue_pairs = 7;
	config.has = VDPR_CONFIG_MTU;
	assert_int_equal(vdpr_state_start(ctx, s, NULL, &f, &config, 0),
			 -EINVAL);
	assert_non_null(strstr(vdpr_ctx_error(ctx), "config.mtu"));
	config.has = VDPR_CONFIG_MAX_PAIRS;
	assert_int_equal(vdpr_state_start(ctx, s, NULL, &f, &config, 0),
			 -EINVAL);
	assert_int_equal(s->queue_pairs, 7);
}

static void a_shorter_config_of_an_older_caller_reads_as_zero(void **state)
{
	struct vdpr_features f = MASK(17, 22, 60);
	struct vdpr_net_config config;

	(void)state;
	memset(&config, 0xff, sizeof(config));
	config.size = offsetof(struct vdpr_net_config, mtu);
	config.has = VDPR_CONFIG_MAX_PAIRS | VDPR_CONFIG_HASH_TYPES;
	config.max_virtqueue_pairs = 2;
	start(&f, &config, 0);
	assert_int_equal(s->config.max_virtqueue_pairs, 2);
	assert_int_equal(s->config.supported_hash_types, 0);
	assert_int_equal(s->config.size, sizeof(s->config));
}

static void starting_again_drops_what_was_there(void **state)
{
	struct vdpr_features f = MASK(CONTROL);
	struct vdpr_coal coal = { 1, 2 };

	(void)state;
	start(&f, NULL, 0);
	vdpr_vlan_set(s, 5, true);
	s->unknown_class[3] = 1;
	assert_int_equal(vdpr_coal_queue_set(s, 1, &coal), 0);
	assert_int_equal(vdpr_state_set_origin(ctx, s, "x"), 0);
	start(&f, NULL, 0);
	assert_false(vdpr_vlan_has(s, 5));
	assert_int_equal(s->unknown_class[3], 0);
	assert_int_equal(s->n_coal_queues, 0);
	assert_int_equal(s->origin.count, 0);
	assert_false(s->captured.present);
}

/* ------------------------------------------------------------------------ shape */

static void each_member_needs_its_feature_and_ctrl_vq(void **state)
{
	static const struct {
		enum vdpr_member m;
		uint8_t feature;
	} cases[] = {
		{ VDPR_MAC_ADDRESS, 23 },
		{ VDPR_MAC_UNICAST, 18 },
		{ VDPR_MAC_MULTICAST, 18 },
		{ VDPR_MAC_UNICAST_OVERFLOW, 18 },
		{ VDPR_MAC_MULTICAST_OVERFLOW, 18 },
		{ VDPR_RX_PROMISCUOUS, 18 },
		{ VDPR_RX_ALL_MULTICAST, 18 },
		{ VDPR_RX_ALL_UNICAST, 20 },
		{ VDPR_RX_NO_MULTICAST, 20 },
		{ VDPR_RX_NO_UNICAST, 20 },
		{ VDPR_RX_NO_BROADCAST, 20 },
		{ VDPR_VLAN_IDS, 19 },
		{ VDPR_MQ_QUEUE_PAIRS, 22 },
		{ VDPR_RSS, 60 },
		{ VDPR_HASH_REPORT, 57 },
		{ VDPR_OFFLOADS, 2 },
		{ VDPR_COAL_RX, 53 },
		{ VDPR_COAL_TX, 53 },
		{ VDPR_COAL_QUEUES, 52 },
	};

	(void)state;
	assert_int_equal(ARRAY_SIZE(cases), VDPR_MEMBER_COUNT);
	s->negotiated_known = true;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (uint8_t bit = 0; bit < 64; bit++) {
			s->negotiated = MASK(17, bit);
			assert_int_equal(vdpr_member_required(s, cases[i].m),
					 bit == cases[i].feature);
		}
		s->negotiated = MASK(cases[i].feature);
		assert_false(vdpr_member_required(s, cases[i].m));
		assert_int_equal(vdpr_member_feature(cases[i].m),
				 cases[i].feature);
	}
}

static void sections_hold_their_members_in_a_row(void **state)
{
	unsigned int next = 0;

	(void)state;
	for (unsigned int sec = 0; sec < VDPR_SECTION_COUNT; sec++) {
		assert_int_equal(vdpr_section_first(sec), next);
		assert_true(vdpr_section_members(sec) >= 1);
		next += vdpr_section_members(sec);
	}
	assert_int_equal(next, VDPR_MEMBER_COUNT);
}

static void hash_report_follows_rss(void **state)
{
	struct vdpr_features f = MASK(CONTROL);

	(void)state;
	start(&f, NULL, 0);
	s->member[VDPR_RSS] = VDPR_KNOWN;
	vdpr_state_settle_hash(s);
	assert_int_equal(s->member[VDPR_HASH_REPORT], VDPR_ABSENT);
	s->member[VDPR_RSS] = VDPR_NULL;
	vdpr_state_settle_hash(s);
	assert_int_equal(s->member[VDPR_HASH_REPORT], VDPR_NULL);
	s->member[VDPR_HASH_REPORT] = VDPR_KNOWN;
	vdpr_state_settle_hash(s);
	assert_int_equal(s->member[VDPR_HASH_REPORT], VDPR_KNOWN);
	vdpr_state_forget(s, VDPR_SECTION_RSS);
	assert_int_equal(s->member[VDPR_HASH_REPORT], VDPR_UNKNOWN);
	assert_string_equal(unknown_names(), "rss hash_report");
}

static void a_forgotten_section_is_unknown_and_empty(void **state)
{
	struct vdpr_features f = MASK(17, 18, 53, 52);
	struct vdpr_coal coal = { 1, 2 };
	static const uint8_t mac[6] = { 2 };

	(void)state;
	start(&f, NULL, 0);
	assert_int_equal(vdpr_coal_queue_set(s, 0, &coal), 0);
	assert_int_equal(vdpr_mac_list_set(&s->unicast, mac, 1), 0);
	vdpr_state_forget(s, VDPR_SECTION_MAC);
	assert_string_equal(unknown_names(), "mac");
	assert_int_equal(s->unicast.count, 0);
	assert_int_equal(s->member[VDPR_MAC_ADDRESS], VDPR_ABSENT);
	vdpr_state_forget(s, VDPR_SECTION_COALESCING);
	assert_string_equal(unknown_names(), "mac coalescing");
	assert_int_equal(s->n_coal_queues, 0);
}

static void unknown_names_sections_members_and_classes(void **state)
{
	struct vdpr_features f = MASK(CONTROL);

	(void)state;
	start(&f, NULL, 0);
	s->member[VDPR_MAC_UNICAST] = VDPR_UNKNOWN;
	s->member[VDPR_VLAN_IDS] = VDPR_UNKNOWN;
	s->member[VDPR_COAL_TX] = VDPR_UNKNOWN;
	s->unknown_class[0] = 0xff;
	s->unknown_class[31] = 0x80;
	assert_int_equal(vdpr_strings_add(&s->foreign, "later"), 0);
	/* Without F_MAC the address is null, so it is not unknown. */
	assert_string_equal(unknown_names(),
			    "mac.unicast vlan coalescing.tx class_7 class_255 "
			    "later");
	assert_false(vdpr_state_is_complete(s));
}

/* ----------------------------------------------------------------------- origin */

static void origin_names_what_is_known(void **state)
{
	struct vdpr_features f = MASK(17, 18, 22);
	char year[5];

	(void)state;
	start(&f, NULL, 0);
	vdpr_state_forget(s, VDPR_SECTION_MQ);
	assert_int_equal(vdpr_state_set_origin(ctx, s, "qmp:/run/vm"), 0);
	assert_string_equal(vdpr_origin_get(s, "mac"), "qmp:/run/vm");
	assert_string_equal(vdpr_origin_get(s, "mac.unicast"), "qmp:/run/vm");
	assert_string_equal(vdpr_origin_get(s, "features"), "qmp:/run/vm");
	assert_null(vdpr_origin_get(s, "mq"));
	assert_null(vdpr_origin_get(s, "config"));
	assert_true(s->captured.present);
	assert_int_equal(s->captured.sources.count, 1);
	assert_string_equal(s->captured.sources.text[0], "qmp:/run/vm");
	assert_string_equal(s->captured.tool, "vdpa-restore " VDPR_VERSION);
	assert_int_equal(strlen(s->captured.time), 20);
	memcpy(year, s->captured.time, 4);
	year[4] = '\0';
	assert_true(atoi(year) >= 2025);
	assert_int_equal(s->captured.time[19], 'Z');
}

static void origin_keeps_the_order_of_the_file(void **state)
{
	static const char *const in[] = { "vrings", "mac.unicast", "config",
					  "mac",    "features",	   "rss" };
	static const char *const out[] = { "features",	  "config", "mac",
					   "mac.unicast", "rss",    "vrings" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(in); i++)
		assert_int_equal(vdpr_origin_set(s, in[i], in[i]), 0);
	assert_int_equal(vdpr_origin_set(s, "mac", "other"), 0);
	assert_int_equal(s->origin.count, ARRAY_SIZE(out));
	for (size_t i = 0; i < ARRAY_SIZE(out); i++)
		assert_string_equal(s->origin.entry[i].name, out[i]);
	assert_string_equal(vdpr_origin_get(s, "mac"), "other");
	assert_string_equal(vdpr_origin_get(s, "mac.address"), "other");
	assert_string_equal(vdpr_origin_get(s, "mac.unicast"), "mac.unicast");
}

/* ----------------------------------------------------------------------- values */

static void coalescing_queues_stay_sorted_and_single(void **state)
{
	static const uint16_t order[] = { 5, 1, 9, 1, 0, 9 };
	static const uint16_t want[] = { 0, 1, 5, 9 };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(order); i++) {
		struct vdpr_coal coal = { i, i };

		assert_int_equal(vdpr_coal_queue_set(s, order[i], &coal), 0);
	}
	assert_int_equal(s->n_coal_queues, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(s->coal_queues[i].index, want[i]);
	assert_int_equal(s->coal_queues[1].coal.max_usecs, 3);
	vdpr_coal_queues_drop(s, false);
	assert_int_equal(s->n_coal_queues, 1);
	assert_int_equal(s->coal_queues[0].index, 0);
	vdpr_coal_queues_drop(s, true);
	assert_int_equal(s->n_coal_queues, 0);
	free(s->coal_queues);
	s->coal_queues = NULL;
}

static void a_copy_is_equal_and_of_its_own(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < 500; seed++) {
		struct vdpr_state *from = NULL;
		struct vdpr_state *to = NULL;
		char *a, *b;

		assert_int_equal(
			vdpr_test_state(seed * 37, VDPR_ANY_FORM, ctx, &from),
			0);
		assert_int_equal(vdpr_state_copy(ctx, from, &to), 0);
		assert_int_equal(vdpr_state_format(ctx, from, &a, NULL), 0);
		vdpr_state_free(from);
		assert_int_equal(vdpr_state_format(ctx, to, &b, NULL), 0);
		assert_string_equal(a, b);
		vdpr_state_free(to);
		free(a);
		free(b);
	}
}

static void every_member_tells_a_difference(void **state)
{
	struct vdpr_features f = MASK(CONTROL);
	struct vdpr_state *other = NULL;

	(void)state;
	start(&f, NULL, 0);
	assert_int_equal(vdpr_state_copy(ctx, s, &other), 0);
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		assert_true(vdpr_member_equal(s, other, m));
		other->member[m] = VDPR_UNKNOWN;
		assert_false(vdpr_member_equal(s, other, m));
		assert_int_equal(vdpr_member_copy(other, s, m), 0);
		assert_true(vdpr_member_equal(s, other, m));
	}
	other->queue_pairs = 2;
	assert_false(vdpr_member_equal(s, other, VDPR_MQ_QUEUE_PAIRS));
	vdpr_vlan_set(other, 4095, true);
	assert_false(vdpr_member_equal(s, other, VDPR_VLAN_IDS));
	other->coal_tx.max_usecs = 1;
	assert_false(vdpr_member_equal(s, other, VDPR_COAL_TX));
	assert_true(vdpr_member_equal(s, other, VDPR_COAL_RX));
	vdpr_state_free(other);
}

static void the_limit_of_pairs_is_configs_or_what_features_say(void **state)
{
	struct vdpr_features f = MASK(17, 22);
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);
	bool known = false;

	(void)state;
	config.has = VDPR_CONFIG_MAX_PAIRS;
	config.max_virtqueue_pairs = 3;
	start(&f, &config, 0);
	assert_int_equal(vdpr_state_max_pairs(s, &known), 3);
	assert_true(known);
	start(&f, NULL, 0);
	assert_int_equal(vdpr_state_max_pairs(s, &known), 0x8000);
	assert_false(known);
	f = MASK(17);
	start(&f, NULL, 0);
	assert_int_equal(vdpr_state_max_pairs(s, &known), 1);
	assert_true(known);
}

/* What a VMM at the destination asks a state that came to it. */
static void rings_are_told_with_their_bases(void **state)
{
	static const struct vdpr_vring_state ring[] = {
		{ .has = VDPR_VRING_BASE | VDPR_VRING_SIZE | VDPR_VRING_DEVICE,
		  .index = 1,
		  .size = 256,
		  .base = 17,
		  .device = 0x3000 },
		{ .has = VDPR_VRING_SIZE, .index = 8, .size = 64 },
	};
	struct vdpr_vring out = VDPR_INIT(struct vdpr_vring);
	const struct vdpr_features f = MASK(32);
	(void)state;

	start(&f, NULL, 0);
	assert_int_equal(vdpr_state_vring(s, 1, &out), -ENOENT);
	s->has_vrings = true;
	s->vrings = malloc(sizeof(ring));
	assert_non_null(s->vrings);
	memcpy(s->vrings, ring, sizeof(ring));
	s->n_vrings = ARRAY_SIZE(ring);
	assert_int_equal(vdpr_state_vring(s, 1, &out), 0);
	assert_int_equal(out.size, sizeof(out));
	assert_int_equal(out.index, 1);
	assert_int_equal(out.num, 256);
	assert_int_equal(out.base, 17);
	assert_int_equal(out.desc, 0);
	assert_int_equal(out.device, 0x3000);
	assert_int_equal(out.kick_fd, -1);
	assert_int_equal(out.call_fd, -1);
	assert_int_equal(vdpr_state_vring(s, 8, &out), -ENODATA);
	assert_int_equal(vdpr_state_vring(s, 0, &out), -ENOENT);
	/* An older caller's struct is shorter. */
	out = (struct vdpr_vring){ .size = offsetof(struct vdpr_vring, desc) };
	assert_int_equal(vdpr_state_vring(s, 1, &out), 0);
	assert_int_equal(out.base, 17);
	assert_int_equal(out.device, 0);
}

static void freeing_nothing_is_allowed(void **state)
{
	(void)state;
	vdpr_state_free(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_new_state_knows_nothing),
		T(reset_state_is_that_of_the_specification),
		T(address_after_reset_depends_on_the_devices_own),
		T(without_a_reset_seen_everything_required_is_unknown),
		T(without_negotiated_features_nothing_is_known),
		T(without_ctrl_vq_there_is_no_section),
		T(a_config_against_the_features_starts_nothing),
		T(a_shorter_config_of_an_older_caller_reads_as_zero),
		T(starting_again_drops_what_was_there),
		T(each_member_needs_its_feature_and_ctrl_vq),
		T(sections_hold_their_members_in_a_row),
		T(hash_report_follows_rss),
		T(a_forgotten_section_is_unknown_and_empty),
		T(unknown_names_sections_members_and_classes),
		T(origin_names_what_is_known),
		T(origin_keeps_the_order_of_the_file),
		T(coalescing_queues_stay_sorted_and_single),
		T(a_copy_is_equal_and_of_its_own),
		T(every_member_tells_a_difference),
		T(the_limit_of_pairs_is_configs_or_what_features_say),
		T(rings_are_told_with_their_bases),
		T(freeing_nothing_is_allowed),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
