/* SPDX-License-Identifier: MIT */
/* Observing: what each accepted command does to the state. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/observer.h"

/* --------------------------------------------------------- RX, MAC and VLAN */

static void each_rx_mode_sets_its_own_member(void **state)
{
	struct world *w = *state;
	const bool *flags[] = {
		&w->state->promiscuous, &w->state->all_multicast,
		&w->state->all_unicast, &w->state->no_multicast,
		&w->state->no_unicast,	&w->state->no_broadcast,
	};

	is(w, VDPR_RX_PROMISCUOUS, VDPR_NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		send(w, 0, i, "01");
		for (unsigned int j = 0; j < ARRAY_SIZE(flags); j++)
			assert_int_equal(*flags[j], i == j);
		is(w, VDPR_RX_PROMISCUOUS + i, VDPR_KNOWN);
		send(w, 0, i, "00");
		assert_false(*flags[i]);
	}
}

static void
mac_address_is_kept_and_a_multicast_one_makes_it_unknown(void **state)
{
	const uint8_t mac[] = { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc };
	struct world *w = *state;

	send(w, 1, 1, "525400aabbcc");
	assert_memory_equal(w->state->mac, mac, 6);
	send(w, 1, 1, "535400aabbcc");
	is(w, VDPR_MAC_ADDRESS, VDPR_UNKNOWN);
	warned(w, "mac.address");
	send(w, 1, 1, "525400aabbcc");
	is(w, VDPR_MAC_ADDRESS, VDPR_KNOWN);
}

static void mac_table_replaces_both_lists_and_ends_overflow(void **state)
{
	struct world *w = *state;

	w->state->unicast_overflow = true;
	w->state->multicast_overflow = true;
	send(w, 1, 0,
	     "02000000020000000001020000000002"
	     "01000000333300000001");
	assert_int_equal(w->state->unicast.count, 2);
	assert_int_equal(w->state->unicast.addr[1][5], 2);
	assert_int_equal(w->state->multicast.count, 1);
	assert_int_equal(w->state->multicast.addr[0][0], 0x33);
	assert_false(w->state->unicast_overflow);
	assert_false(w->state->multicast_overflow);
	send(w, 1, 0, "0000000000000000");
	assert_int_equal(w->state->unicast.count, 0);
	assert_int_equal(w->state->multicast.count, 0);
}

static void bad_address_loses_its_own_list_only(void **state)
{
	struct world *w = *state;

	send(w, 1, 0, "0100000003000000000100000000");
	is(w, VDPR_MAC_UNICAST, VDPR_UNKNOWN);
	is(w, VDPR_MAC_MULTICAST, VDPR_KNOWN);
	warned(w, "mac.unicast");
	send(w, 1, 0, "0000000001000000020000000001");
	is(w, VDPR_MAC_UNICAST, VDPR_KNOWN);
	is(w, VDPR_MAC_MULTICAST, VDPR_UNKNOWN);
	warned(w, "mac.multicast");
}

static void vlans_are_added_and_deleted(void **state)
{
	struct world *w = *state;

	send(w, 2, 0, "0000");
	send(w, 2, 0, "2a00");
	send(w, 2, 0, "ff0f");
	send(w, 2, 0, "2a00");
	assert_true(vdpr_vlan_has(w->state, 42));
	send(w, 2, 1, "2a00");
	send(w, 2, 1, "2b00");
	assert_false(vdpr_vlan_has(w->state, 42));
	assert_true(vdpr_vlan_has(w->state, 0));
	assert_true(vdpr_vlan_has(w->state, 4095));
}

static void vlan_past_4095_loses_the_set_for_good(void **state)
{
	struct world *w = *state;

	send(w, 2, 0, "0010");
	is(w, VDPR_VLAN_IDS, VDPR_UNKNOWN);
	warned(w, "vlan");
	send(w, 2, 0, "0100");
	send(w, 2, 1, "0010");
	is(w, VDPR_VLAN_IDS, VDPR_UNKNOWN);
	assert_int_equal(w->warnings, 0);
}

/* ----------------------------------------------------------------- announce */

static void
announce_ack_ends_a_pending_announce_where_there_is_one(void **state)
{
	struct world *w = *state;

	send(w, 3, 0, "");
	assert_int_equal(w->state->announce, VDPR_ABSENT);
	w->state->announce = VDPR_KNOWN;
	w->state->announce_pending = true;
	refuse(w, 3, 0, "");
	assert_true(w->state->announce_pending);
	send(w, 3, 0, "");
	assert_false(w->state->announce_pending);
}

/* ----------------------------------------------------------------------- MQ */

static void rss_config_sets_the_pairs_and_ends_hash_report(void **state)
{
	struct world *w = *state;
	const struct vdpr_rss *rss = &w->state->rss;

	send(w, 4, 1, RSS_4);
	is(w, VDPR_RSS, VDPR_KNOWN);
	is(w, VDPR_HASH_REPORT, VDPR_ABSENT);
	assert_int_equal(w->state->queue_pairs, 4);
	assert_int_equal(rss->hash_types, 3);
	assert_int_equal(rss->table_len, 4);
	assert_int_equal(rss->table[3], 3);
	assert_int_equal(rss->max_tx_vq, 4);
	assert_int_equal(rss->key.len, 2);
	assert_int_equal(rss->key.bytes[1], 0x5a);
	send(w, 4, 1, RSS_1);
	assert_int_equal(rss->table_len, 1);
	assert_int_equal(w->state->queue_pairs, 1);
}

static void pairs_take_rss_out_of_force(void **state)
{
	struct world *w = *state;

	send(w, 4, 1, RSS_4);
	send(w, 4, 0, "0300");
	is(w, VDPR_RSS, VDPR_NULL);
	is(w, VDPR_HASH_REPORT, VDPR_NULL);
	assert_int_equal(w->state->queue_pairs, 3);
}

static void hash_config_takes_rss_out_of_force_and_outlives_pairs(void **state)
{
	struct world *w = *state;

	send(w, 4, 1, RSS_4);
	send(w, 4, 2, HASH);
	is(w, VDPR_RSS, VDPR_NULL);
	is(w, VDPR_HASH_REPORT, VDPR_KNOWN);
	assert_int_equal(w->state->hash_report.hash_types, 4);
	assert_int_equal(w->state->hash_report.key.bytes[0], 0xaa);
	assert_int_equal(w->state->queue_pairs, 4);
	send(w, 4, 0, "0200");
	is(w, VDPR_HASH_REPORT, VDPR_KNOWN);
	send(w, 4, 1, RSS_4);
	is(w, VDPR_HASH_REPORT, VDPR_ABSENT);
}

static void refused_mq_command_leaves_steering_unknown(void **state)
{
	static const unsigned int commands[] = { 0, 1, 2, 9 };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		start(w);
		send(w, 4, 1, RSS_4);
		refuse(w, 4, commands[i], "0100");
		is(w, VDPR_RSS, VDPR_UNKNOWN);
		is(w, VDPR_HASH_REPORT, VDPR_UNKNOWN);
		is(w, VDPR_MQ_QUEUE_PAIRS, VDPR_KNOWN);
		assert_int_equal(w->state->queue_pairs, 4);
	}
	/* Pairs say that RSS is off, but not what became of hash reporting. */
	send(w, 4, 0, "0100");
	is(w, VDPR_RSS, VDPR_NULL);
	is(w, VDPR_HASH_REPORT, VDPR_UNKNOWN);
	send(w, 4, 2, HASH);
	is(w, VDPR_HASH_REPORT, VDPR_KNOWN);
}

static void
refused_mq_command_makes_no_section_that_is_not_negotiated(void **state)
{
	struct world *w = *state;

	start_flags(w, MASK(17, VIRTIO_NET_F_MQ), 0);
	refuse(w, 4, 0, "0900");
	is(w, VDPR_RSS, VDPR_ABSENT);
	is(w, VDPR_HASH_REPORT, VDPR_ABSENT);
	start_flags(w, MASK(17, VIRTIO_NET_F_MQ, VIRTIO_NET_F_HASH_REPORT), 0);
	refuse(w, 4, 0, "0900");
	is(w, VDPR_RSS, VDPR_ABSENT);
	is(w, VDPR_HASH_REPORT, VDPR_UNKNOWN);
}

static void rss_without_mq_has_no_pairs(void **state)
{
	struct world *w = *state;

	start_flags(w, MASK(17, VIRTIO_NET_F_RSS), 0);
	send(w, 4, 1, RSS_4);
	is(w, VDPR_MQ_QUEUE_PAIRS, VDPR_ABSENT);
	is(w, VDPR_RSS, VDPR_KNOWN);
}

static void rss_out_of_range_is_unknown_with_its_reason(void **state)
{
	static const struct {
		const char *hex, *about;
		bool pairs_known;
	} cases[] = {
		/* a table of 3 entries */
		{ "01000000020000000000000000000100011f", "power of two",
		  true },
		{ "010000000000040000000100011f", "unclassified_queue", true },
		{ "010000000000000004000100011f", "indirection_table", true },
		{ "400000000000000000000100011f", "hash_types", true },
		{ "0100000000000000000001000000", "key", true },
		{ "010000000000000000000500011f", "max_tx_vq", false },
		{ "010000000000000000000000011f", "max_tx_vq", false },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		start(w);
		send(w, 4, 1, RSS_4);
		w->warnings = 0;
		send(w, 4, 1, cases[i].hex);
		is(w, VDPR_RSS, VDPR_UNKNOWN);
		is(w, VDPR_HASH_REPORT, VDPR_UNKNOWN);
		is(w, VDPR_MQ_QUEUE_PAIRS,
		   cases[i].pairs_known ? VDPR_KNOWN : VDPR_UNKNOWN);
		assert_int_equal(w->warnings, cases[i].pairs_known ? 1 : 2);
		assert_non_null(strstr(w->last, cases[i].about));
	}
	send(w, 4, 1, RSS_4);
	is(w, VDPR_RSS, VDPR_KNOWN);
	is(w, VDPR_HASH_REPORT, VDPR_ABSENT);
}

static void hash_and_pairs_out_of_range_are_unknown(void **state)
{
	struct world *w = *state;

	send(w, 4, 0, "0500");
	is(w, VDPR_MQ_QUEUE_PAIRS, VDPR_UNKNOWN);
	is(w, VDPR_RSS, VDPR_NULL);
	warned(w, "mq");
	send(w, 4, 2, "4000000000000000000000000101");
	is(w, VDPR_HASH_REPORT, VDPR_UNKNOWN);
	warned(w, "hash_report");
}

/* -------------------------------------------------- offloads and coalescing */

static void offloads_are_kept_or_unknown(void **state)
{
	struct world *w = *state;

	start_flags(w, MASK(17, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, 1, 7), 0);
	send(w, 5, 0, "0200000000000000");
	assert_true(w->state->offloads == 2);
	send(w, 5, 0, "0001000000000000");
	is(w, VDPR_OFFLOADS, VDPR_UNKNOWN);
	warned(w, "offloads");
	send(w, 5, 0, "0000000000000000");
	is(w, VDPR_OFFLOADS, VDPR_KNOWN);
	assert_true(w->state->offloads == 0);
}

static void global_coalescing_drops_the_queues_of_its_direction(void **state)
{
	struct world *w = *state;

	for (unsigned int i = 0; i < 4; i++) {
		char hex[64];

		snprintf(hex, sizeof(hex), "0%u0000000800000009000000", i);
		send(w, 6, 2, hex);
	}
	assert_int_equal(w->state->n_coal_queues, 4);
	send(w, 6, 1, "0100000002000000");
	assert_int_equal(w->state->coal_rx.max_packets, 1);
	assert_int_equal(w->state->coal_rx.max_usecs, 2);
	assert_int_equal(w->state->n_coal_queues, 2);
	assert_int_equal(w->state->coal_queues[0].index, 1);
	assert_int_equal(w->state->coal_queues[0].coal.max_packets, 8);
	assert_int_equal(w->state->coal_queues[0].coal.max_usecs, 9);
	assert_int_equal(w->state->coal_queues[1].index, 3);
	send(w, 6, 0, "0300000004000000");
	assert_int_equal(w->state->coal_tx.max_packets, 3);
	assert_int_equal(w->state->coal_tx.max_usecs, 4);
	assert_int_equal(w->state->n_coal_queues, 0);
}

static void queue_out_of_range_loses_the_queues(void **state)
{
	struct world *w = *state;

	send(w, 6, 2, "070000000800000009000000");
	send(w, 6, 2, "080000000800000009000000");
	is(w, VDPR_COAL_QUEUES, VDPR_UNKNOWN);
	warned(w, "coalescing.queues");
	send(w, 6, 2, "000000000800000009000000");
	assert_int_equal(w->state->n_coal_queues, 0);
	send(w, 6, 1, "0100000002000000");
	is(w, VDPR_COAL_QUEUES, VDPR_UNKNOWN);
	is(w, VDPR_COAL_RX, VDPR_KNOWN);
}

/* -------------------------------------------------- seen from the middle on */

static void from_the_middle_on_only_what_is_commanded_is_known(void **state)
{
	static const struct {
		unsigned int ctrl_class, command;
		const char *hex;
		uint32_t known; /* members */
	} steps[] = {
		{ 2, 0, "0100", 0 },
		{ 2, 1, "0100", 0 },
		{ 6, 2, "000000000000000000000000", 0 },
		{ 0, 0, "01", BIT(VDPR_RX_PROMISCUOUS) },
		{ 0, 5, "01", BIT(VDPR_RX_NO_BROADCAST) },
		{ 1, 1, "020000000001", BIT(VDPR_MAC_ADDRESS) },
		{ 1, 0, "0000000000000000",
		  BIT(VDPR_MAC_UNICAST) | BIT(VDPR_MAC_MULTICAST) |
			  BIT(VDPR_MAC_UNICAST_OVERFLOW) |
			  BIT(VDPR_MAC_MULTICAST_OVERFLOW) },
		{ 6, 0, "0100000001000000", BIT(VDPR_COAL_TX) },
		{ 6, 1, "0100000001000000", BIT(VDPR_COAL_RX) },
		{ 5, 0, "0000000000000000", BIT(VDPR_OFFLOADS) },
		{ 4, 0, "0200", BIT(VDPR_MQ_QUEUE_PAIRS) | BIT(VDPR_RSS) },
		{ 4, 2, HASH, BIT(VDPR_HASH_REPORT) },
	};
	struct world *w = *state;
	uint32_t known = 0;

	start_flags(w, all, VDPR_STATE_NOT_FROM_RESET);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		send(w, steps[i].ctrl_class, steps[i].command, steps[i].hex);
		known |= steps[i].known;
		for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
			assert_int_equal(w->state->member[m] != VDPR_UNKNOWN,
					 known >> m & 1);
	}
	is(w, VDPR_RSS, VDPR_NULL);
	send(w, 4, 1, RSS_4);
	is(w, VDPR_RSS, VDPR_KNOWN);
	is(w, VDPR_HASH_REPORT, VDPR_ABSENT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_rx_mode_sets_its_own_member),
		T(mac_address_is_kept_and_a_multicast_one_makes_it_unknown),
		T(mac_table_replaces_both_lists_and_ends_overflow),
		T(bad_address_loses_its_own_list_only),
		T(vlans_are_added_and_deleted),
		T(vlan_past_4095_loses_the_set_for_good),
		T(announce_ack_ends_a_pending_announce_where_there_is_one),
		T(rss_config_sets_the_pairs_and_ends_hash_report),
		T(pairs_take_rss_out_of_force),
		T(hash_config_takes_rss_out_of_force_and_outlives_pairs),
		T(refused_mq_command_leaves_steering_unknown),
		T(refused_mq_command_makes_no_section_that_is_not_negotiated),
		T(rss_without_mq_has_no_pairs),
		T(rss_out_of_range_is_unknown_with_its_reason),
		T(hash_and_pairs_out_of_range_are_unknown),
		T(offloads_are_kept_or_unknown),
		T(global_coalescing_drops_the_queues_of_its_direction),
		T(queue_out_of_range_loses_the_queues),
		T(from_the_middle_on_only_what_is_commanded_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
