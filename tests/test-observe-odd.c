/* SPDX-License-Identifier: MIT */
/* Observing what is refused, too short, too long, unknown or uninvited. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/command.h"
#include "tests/observer.h"

/* ----------------------------------------------------- refused, short, long */

/* One payload of each row that is applied to a state. */
static const struct {
	unsigned int ctrl_class, command;
	const char *hex;
} samples[] = {
	{ 0, 0, "01" },
	{ 0, 1, "01" },
	{ 0, 2, "01" },
	{ 0, 3, "01" },
	{ 0, 4, "01" },
	{ 0, 5, "01" },
	{ 1, 0, "0100000002000000000101000000333300000001" },
	{ 1, 1, "525400aabbcc" },
	{ 2, 0, "2a00" },
	{ 2, 1, "0100" },
	{ 3, 0, "" },
	{ 4, 0, "0200" },
	{ 4, 1, RSS_4 },
	{ 4, 2, HASH },
	{ 5, 0, "0000000000000000" },
	{ 6, 0, "0100000002000000" },
	{ 6, 1, "0100000002000000" },
	{ 6, 2, "010000000800000009000000" },
	{ 7, 0, "01000000" },
	{ 9, 1, "0100000000000000" RSS_1 },
	{ 9, 2, "0100000000000000" RSS_1 },
	{ 9, 3, "0100" },
};

/* What a state that any command changes looks like before. */
static void start_sample(struct world *w, struct vdpr_state **before)
{
	start(w);
	vdpr_vlan_set(w->state, 1, true);
	w->state->announce = VDPR_KNOWN;
	w->state->announce_pending = true;
	assert_int_equal(vdpr_state_new(w->ctx, before), 0);
	assert_int_equal(vdpr_state_start(w->ctx, *before, &all, &all,
					  &w->state->config, 0),
			 0);
	vdpr_vlan_set(*before, 1, true);
	w->warnings = 0;
}

static bool unchanged(struct world *w, const struct vdpr_state *before)
{
	unsigned int m;

	return vdpr_test_control_equal(w->state, before, &m) &&
	       w->state->announce_pending &&
	       !memcmp(w->state->unknown_class, before->unknown_class,
		       sizeof(before->unknown_class));
}

static void every_decoded_row_changes_something(void **state)
{
	struct world *w = *state;
	struct vdpr_state *before;
	size_t decoders = 0;

	for (size_t i = 0; i < vdpr_command_rows(); i++)
		decoders += vdpr_command_row(i)->decode != NULL;
	assert_int_equal(decoders, ARRAY_SIZE(samples));
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		start_sample(w, &before);
		assert_true(unchanged(w, before));
		send(w, samples[i].ctrl_class, samples[i].command,
		     samples[i].hex);
		assert_false(unchanged(w, before));
		vdpr_state_free(before);
	}
}

static void refused_command_of_another_class_changes_nothing(void **state)
{
	struct world *w = *state;
	struct vdpr_state *before;

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		if (samples[i].ctrl_class == VIRTIO_NET_CTRL_MQ)
			continue;
		start_sample(w, &before);
		refuse(w, samples[i].ctrl_class, samples[i].command,
		       samples[i].hex);
		assert_true(unchanged(w, before));
		/* A device may refuse it because it is too short. */
		refuse(w, samples[i].ctrl_class, samples[i].command, "");
		assert_true(unchanged(w, before));
		vdpr_state_free(before);
	}
	refuse(w, 12, 0, "");
	assert_false(class_unknown(w, 12));
}

static void any_status_but_zero_is_a_refusal(void **state)
{
	struct world *w = *state;

	assert_int_equal(vdpr_test_send(w->ctx, w->state, 2, 0, "0100", 0xff),
			 0);
	assert_false(vdpr_vlan_has(w->state, 1));
}

static void payload_cut_anywhere_is_an_error_that_changes_nothing(void **state)
{
	struct world *w = *state;
	struct vdpr_state *before;

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		char hex[128];
		size_t digits = strlen(samples[i].hex);

		/* Contexts only make their class unknown: nobody reads them. */
		if (samples[i].ctrl_class == 9)
			digits = 4;
		start_sample(w, &before);
		for (size_t cut = 0; cut < digits; cut += 2) {
			snprintf(hex, sizeof(hex), "%.*s", (int)cut,
				 samples[i].hex);
			assert_int_equal(vdpr_test_send(w->ctx, w->state,
							samples[i].ctrl_class,
							samples[i].command, hex,
							0),
					 -EINVAL);
			assert_int_equal(vdpr_ctx_cause(w->ctx),
					 VDPR_CAUSE_INPUT);
			assert_non_null(
				strstr(vdpr_ctx_error(w->ctx), "short"));
			assert_true(unchanged(w, before));
		}
		vdpr_state_free(before);
	}
}

static void bytes_beyond_the_command_are_ignored(void **state)
{
	struct world *w = *state;
	struct vdpr_state *before;
	unsigned int m;

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		char hex[128];

		start_sample(w, &before);
		vdpr_state_free(before);
		assert_int_equal(vdpr_state_new(w->ctx, &before), 0);
		assert_int_equal(vdpr_state_start(w->ctx, before, &all, &all,
						  &w->state->config, 0),
				 0);
		vdpr_vlan_set(before, 1, true);
		send(w, samples[i].ctrl_class, samples[i].command,
		     samples[i].hex);
		snprintf(hex, sizeof(hex), "%sffff", samples[i].hex);
		assert_int_equal(vdpr_test_send(w->ctx, before,
						samples[i].ctrl_class,
						samples[i].command, hex, 0),
				 0);
		assert_true(vdpr_test_control_equal(w->state, before, &m));
		vdpr_state_free(before);
	}
}

static void huge_counts_are_no_way_out_of_the_payload(void **state)
{
	struct world *w = *state;

	assert_int_equal(
		vdpr_test_send(w->ctx, w->state, 1, 0, "ffffffff00000000", 0),
		-EINVAL);
	assert_int_equal(vdpr_test_send(w->ctx, w->state, 1, 0,
					"00000000abaaaaaa0000000000000000", 0),
			 -EINVAL);
	assert_int_equal(vdpr_test_send(w->ctx, w->state, 4, 1,
					"00000000ffff0000000000000000", 0),
			 -EINVAL);
}

/* ---------------------------------------------- what the tables do not know */

static void queries_change_nothing(void **state)
{
	static const unsigned int queries[][2] = {
		{ 6, 3 },
		{ 8, 0 },
		{ 8, 1 },
		{ 9, 0 },
	};
	struct world *w = *state;
	struct vdpr_state *before;

	start_sample(w, &before);
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		send(w, queries[i][0], queries[i][1], "00000000");
		assert_true(unchanged(w, before));
	}
	assert_int_equal(w->warnings, 0);
	vdpr_state_free(before);
}

static void class_without_a_section_becomes_unknown(void **state)
{
	static const unsigned int commands[][2] = {
		{ 7, 0 }, { 7, 9 }, { 8, 2 },  { 9, 1 },
		{ 9, 3 }, { 9, 4 }, { 10, 0 }, { 255, 255 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		start(w);
		w->warnings = 0;
		send(w, commands[i][0], commands[i][1],
		     "0000000000000000" RSS_1);
		for (unsigned int c = 0; c < 256; c++)
			assert_int_equal(class_unknown(w, c),
					 c == commands[i][0]);
		assert_int_equal(w->warnings, 1);
		assert_false(vdpr_state_is_complete(w->state));
	}
}

static void unknown_command_of_a_known_class_loses_its_sections(void **state)
{
	static const struct {
		unsigned int ctrl_class;
		unsigned int first, last;
	} classes[] = {
		{ 0, VDPR_RX_PROMISCUOUS, VDPR_RX_NO_BROADCAST },
		{ 1, VDPR_MAC_ADDRESS, VDPR_MAC_MULTICAST_OVERFLOW },
		{ 2, VDPR_VLAN_IDS, VDPR_VLAN_IDS },
		{ 3, VDPR_MEMBER_COUNT, 0 },
		{ 4, VDPR_MQ_QUEUE_PAIRS, VDPR_HASH_REPORT },
		{ 5, VDPR_OFFLOADS, VDPR_OFFLOADS },
		{ 6, VDPR_COAL_RX, VDPR_COAL_QUEUES },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		start(w);
		w->warnings = 0;
		send(w, classes[i].ctrl_class, 100, "");
		for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
			assert_int_equal(w->state->member[m] == VDPR_UNKNOWN,
					 m >= classes[i].first &&
						 m <= classes[i].last);
		assert_int_equal(w->warnings, 1);
		assert_false(class_unknown(w, classes[i].ctrl_class));
	}
	start_flags(w, MASK(17, VIRTIO_NET_F_HASH_REPORT), 0);
	send(w, 4, 100, "");
	is(w, VDPR_HASH_REPORT, VDPR_UNKNOWN);
	is(w, VDPR_RSS, VDPR_ABSENT);
}

static void command_that_was_not_negotiated_is_left_out(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		start_flags(w, MASK(17), 0);
		w->warnings = 0;
		send(w, samples[i].ctrl_class, samples[i].command,
		     samples[i].hex);
		assert_int_equal(w->warnings, 1);
		for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
			is(w, m, VDPR_ABSENT);
		/* What has no section is not lost silently. */
		assert_int_equal(class_unknown(w, samples[i].ctrl_class),
				 samples[i].ctrl_class >= 7);
	}
	start_flags(w, MASK(17, VIRTIO_NET_F_RSS), 0);
	send(w, 4, 1, RSS_4);
	send(w, 4, 0, "0100");
	is(w, VDPR_RSS, VDPR_UNKNOWN);
}

/* ------------------------------------------------------------ judged later */

/* Commands whose values are looked at when the state is asked for: sound ones, ones
 * that a state cannot hold, one that the device refuses, one that is too short. */
static const struct {
	uint8_t ctrl_class, command, ack;
	const char *hex;
} judged[] = {
	{ 4, 0, 0, "0200" },
	{ 4, 0, 0, "0900" }, /* of 4 pairs */
	{ 4, 1, 0, RSS_4 },
	{ 4, 1, 0, "010000000000000004000100011f" }, /* a queue of 4 */
	{ 4, 1, 0, "010000000000000000000900011f" }, /* 9 pairs */
	{ 4, 2, 0, HASH },
	{ 4, 2, 0, "00010000000000000000000001aa" }, /* a type too many */
	{ 4, 1, 1, RSS_4 },
	{ 4, 0, 0, "02" },
	{ 1, 0, 0, "0100000002000000000101000000333300000001" },
	{ 1, 0, 0, "0100000003000000000101000000333300000001" },
};

static void apply(struct world *w, struct vdpr_state *state, size_t i,
		  bool at_once)
{
	uint8_t data[32];
	struct vdpr_command c = VDPR_INIT(struct vdpr_command);

	c.ctrl_class = judged[i].ctrl_class;
	c.command = judged[i].command;
	c.ack = judged[i].ack;
	c.data = data;
	c.data_len = strlen(judged[i].hex) / 2;
	assert_int_equal(vdpr_hex_decode(judged[i].hex, 2 * c.data_len, data),
			 0);
	if (at_once ? vdpr_observe(w->ctx, state, &c)
		    : vdpr_observe_whole(w->ctx, state, &c))
		vdpr_observe_lost(state, c.ctrl_class);
}

/* Every row of four of them. */
static void late_judgement_is_that_of_each_command(void **data)
{
	struct world *w = *data;
	struct vdpr_state *late;
	size_t rows = 1;
	unsigned int m;

	assert_int_equal(vdpr_state_new(w->ctx, &late), 0);
	for (unsigned int i = 0; i < 4; i++)
		rows *= ARRAY_SIZE(judged);
	for (size_t row = 0; row < rows; row++) {
		size_t rest = row;

		start(w);
		assert_int_equal(vdpr_state_start(w->ctx, late, &all, &all,
						  &w->state->config, 0),
				 0);
		for (unsigned int i = 0; i < 4; i++) {
			apply(w, w->state, rest % ARRAY_SIZE(judged), true);
			apply(w, late, rest % ARRAY_SIZE(judged), false);
			rest /= ARRAY_SIZE(judged);
		}
		vdpr_observe_judge(w->ctx, late);
		if (!vdpr_test_control_equal(w->state, late, &m))
			fail_msg("row %zu: %s", row, vdpr_member_info[m].name);
		assert_memory_equal(w->state->member, late->member,
				    sizeof(late->member));
	}
	vdpr_state_free(late);
}

static void nothing_is_observed_without_negotiated_features(void **state)
{
	struct world *w = *state;

	assert_int_equal(
		vdpr_state_start(w->ctx, w->state, &all, NULL, NULL, 0), 0);
	assert_int_equal(vdpr_test_send(w->ctx, w->state, 2, 0, "0100", 0),
			 -EINVAL);
	assert_non_null(strstr(vdpr_ctx_error(w->ctx), "negotiated"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(every_decoded_row_changes_something),
		T(refused_command_of_another_class_changes_nothing),
		T(any_status_but_zero_is_a_refusal),
		T(payload_cut_anywhere_is_an_error_that_changes_nothing),
		T(bytes_beyond_the_command_are_ignored),
		T(huge_counts_are_no_way_out_of_the_payload),
		T(queries_change_nothing),
		T(class_without_a_section_becomes_unknown),
		T(unknown_command_of_a_known_class_loses_its_sections),
		T(command_that_was_not_negotiated_is_left_out),
		T(nothing_is_observed_without_negotiated_features),
		T(late_judgement_is_that_of_each_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
