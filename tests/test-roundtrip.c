/* SPDX-License-Identifier: MIT */
/* Observing is the plan's inverse, for every subset of the control features. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/commands.h"
#include "tests/states.h"

/* Three times through all subsets of the control features. */
#define STATES (3 * VDPR_TEST_SUBSETS)

/* How often each member was seen in each presence. */
static unsigned int seen[2][VDPR_MEMBER_COUNT][VDPR_KNOWN + 1];

static void count_presence(enum vdpr_test_form form, const struct vdpr_state *s)
{
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
		seen[form][m][s->member[m]]++;
}

/* A device of the same features right after reset. */
static struct vdpr_state *reset_like(struct vdpr_ctx *ctx,
				     const struct vdpr_state *s)
{
	struct vdpr_state *fresh;

	assert_int_equal(vdpr_state_new(ctx, &fresh), 0);
	assert_int_equal(vdpr_state_start(ctx, fresh, &s->offered,
					  &s->negotiated, &s->config, 0),
			 0);
	return fresh;
}

static struct vdpr_plan *plan_of(struct vdpr_ctx *ctx,
				 const struct vdpr_state *s, unsigned int flags)
{
	struct vdpr_plan *plan = NULL;

	assert_int_equal(vdpr_plan(ctx, s, flags, &plan), 0);
	return plan;
}

/* Whether observing @plan without the commands of @skip gives @expected. */
static bool gives(struct vdpr_ctx *ctx, const struct vdpr_plan *plan,
		  const struct vdpr_command_info *skip,
		  const struct vdpr_state *expected, unsigned int *m)
{
	struct vdpr_state *got = reset_like(ctx, expected);
	bool same;

	assert_int_equal(vdpr_test_send_plan(ctx, got, plan, skip), 0);
	same = vdpr_test_control_equal(expected, got, m);
	vdpr_state_free(got);
	return same;
}

static void fail_member(unsigned int seed, unsigned int m)
{
	fail_msg("seed %u: %s differs", seed, vdpr_member_info[m].name);
}

/* -------------------------------------------------------------- normal form */

static void observing_the_plan_gives_the_state_back(void **state)
{
	struct vdpr_ctx *ctx;
	unsigned int m;
	(void)state;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	for (unsigned int seed = 0; seed < STATES; seed++) {
		struct vdpr_state *s;
		struct vdpr_plan *plan;

		assert_int_equal(
			vdpr_test_state(seed, VDPR_NORMAL_FORM, ctx, &s), 0);
		count_presence(VDPR_NORMAL_FORM, s);
		plan = plan_of(ctx, s, 0);
		if (!gives(ctx, plan, NULL, s, &m))
			fail_member(seed, m);
		vdpr_plan_free(plan);
		vdpr_state_free(s);
	}
	vdpr_ctx_free(ctx);
}

/* The plan of what was observed is the plan again: nothing creeps in. */
static void plan_of_the_observed_state_is_the_same_bytes(void **state)
{
	struct vdpr_ctx *ctx;
	(void)state;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	for (unsigned int seed = 0; seed < VDPR_TEST_SUBSETS; seed++) {
		struct vdpr_state *s, *got;
		struct vdpr_plan *plan, *again;

		assert_int_equal(
			vdpr_test_state(seed, VDPR_NORMAL_FORM, ctx, &s), 0);
		plan = plan_of(ctx, s, 0);
		got = reset_like(ctx, s);
		assert_int_equal(vdpr_test_send_plan(ctx, got, plan, NULL), 0);
		again = plan_of(ctx, got, 0);
		assert_int_equal(plan->len, again->len);
		assert_int_equal(plan->n_before, again->n_before);
		assert_memory_equal(plan->bytes, again->bytes, plan->len);
		vdpr_plan_free(again);
		vdpr_plan_free(plan);
		vdpr_state_free(got);
		vdpr_state_free(s);
	}
	vdpr_ctx_free(ctx);
}

/* ------------------------------------------------------ every row is needed */

/* What a plan may send: the rest are guests' commands and queries. */
static const struct {
	uint8_t ctrl_class, command;
} planned[] = {
	{ 0, 0 }, { 0, 1 }, { 0, 2 }, { 0, 3 }, { 0, 4 }, { 0, 5 },
	{ 1, 0 }, { 1, 1 }, { 2, 0 }, { 4, 0 }, { 4, 1 }, { 4, 2 },
	{ 5, 0 }, { 6, 0 }, { 6, 1 }, { 6, 2 },
};

static void count_needed(struct vdpr_ctx *ctx, unsigned int seed,
			 unsigned int needed[], unsigned int sent[])
{
	struct vdpr_state *s;
	struct vdpr_plan *plan;
	unsigned int m;

	assert_int_equal(vdpr_test_state(seed, VDPR_NORMAL_FORM, ctx, &s), 0);
	plan = plan_of(ctx, s, 0);
	for (size_t i = 0; i < vdpr_command_rows(); i++) {
		const struct vdpr_command_info *row = vdpr_command_row(i);
		unsigned int n = 0;

		for (size_t e = 0; e < plan->count; e++)
			n += plan->entry[e].info == row;
		sent[i] += n;
		if (n && !gives(ctx, plan, row, s, &m))
			needed[i]++;
	}
	vdpr_plan_free(plan);
	vdpr_state_free(s);
}

static bool is_planned(const struct vdpr_command_info *row)
{
	for (size_t i = 0; i < ARRAY_SIZE(planned); i++) {
		if (planned[i].ctrl_class == row->ctrl_class &&
		    planned[i].command == row->command)
			return true;
	}
	return false;
}

static void without_any_one_planned_row_states_are_lost(void **state)
{
	unsigned int needed[64] = { 0 };
	unsigned int sent[64] = { 0 };
	unsigned int rows = 0;
	struct vdpr_ctx *ctx;
	(void)state;

	assert_true(vdpr_command_rows() <= ARRAY_SIZE(needed));
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	for (unsigned int seed = 0; seed < VDPR_TEST_SUBSETS; seed++)
		count_needed(ctx, seed, needed, sent);
	for (size_t i = 0; i < vdpr_command_rows(); i++) {
		const struct vdpr_command_info *row = vdpr_command_row(i);
		bool is = is_planned(row);

		rows += is;
		if (!!sent[i] != is || !!needed[i] != is)
			fail_msg("%s: sent %u times, needed by %u states",
				 row->name, sent[i], needed[i]);
	}
	assert_int_equal(rows, ARRAY_SIZE(planned));
	vdpr_ctx_free(ctx);
}

/* ----------------------------------------------------------- any other form */

static bool known(const struct vdpr_state *s, enum vdpr_member m)
{
	return s->member[m] == VDPR_KNOWN;
}

/* What overflowed is received by the wider mode, not set by the guest. */
static void expect_overflow(struct vdpr_state *e, const struct vdpr_state *s)
{
	if (known(e, VDPR_MAC_UNICAST_OVERFLOW))
		e->unicast_overflow = false;
	if (known(e, VDPR_MAC_MULTICAST_OVERFLOW))
		e->multicast_overflow = false;
	if (known(s, VDPR_MAC_UNICAST_OVERFLOW) && s->unicast_overflow &&
	    known(s, VDPR_RX_PROMISCUOUS))
		e->promiscuous = true;
	if (known(s, VDPR_MAC_MULTICAST_OVERFLOW) && s->multicast_overflow)
		e->all_multicast = true;
}

/* What a device holds after the plan of @s with unknown left at the default. */
static struct vdpr_state *expected_of(struct vdpr_ctx *ctx,
				      const struct vdpr_state *s)
{
	struct vdpr_state *e = reset_like(ctx, s);

	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		if (s->member[m] != VDPR_UNKNOWN)
			assert_int_equal(vdpr_member_copy(e, s, m), 0);
	}
	/* RSS_CONFIG sets the pairs, though nobody knew them. */
	if (known(s, VDPR_RSS) && known(e, VDPR_MQ_QUEUE_PAIRS))
		e->queue_pairs = s->rss.max_tx_vq;
	expect_overflow(e, s);
	return e;
}

static void known_part_comes_back_and_unknown_stays_at_reset(void **state)
{
	struct vdpr_ctx *ctx;
	unsigned int partly = 0;
	unsigned int m;
	(void)state;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	for (unsigned int seed = 0; seed < STATES; seed++) {
		struct vdpr_state *s, *e;
		struct vdpr_plan *plan;

		assert_int_equal(vdpr_test_state(seed, VDPR_ANY_FORM, ctx, &s),
				 0);
		if (!s->negotiated_known) {
			vdpr_state_free(s);
			continue;
		}
		count_presence(VDPR_ANY_FORM, s);
		partly += !vdpr_state_is_complete(s);
		e = expected_of(ctx, s);
		plan = plan_of(ctx, s, VDPR_PLAN_UNKNOWN_DEFAULT);
		if (!gives(ctx, plan, NULL, e, &m))
			fail_member(seed, m);
		vdpr_plan_free(plan);
		plan = NULL;
		assert_int_equal(vdpr_plan(ctx, s, 0, &plan),
				 vdpr_state_is_complete(s) ? 0 : -ENODATA);
		vdpr_plan_free(plan);
		vdpr_state_free(e);
		vdpr_state_free(s);
	}
	assert_true(partly > 1000);
	vdpr_ctx_free(ctx);
}

/* ----------------------------------------------------------------- coverage */

/* Runs last: what the tests above went through. */
static void every_member_was_seen_known_null_unknown_and_absent(void **state)
{
	(void)state;
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		const char *name = vdpr_member_info[m].name;
		/* Normal form has no null promiscuous. */
		bool null = vdpr_member_info[m].nullable &&
			    m != VDPR_RX_PROMISCUOUS;

		if (seen[VDPR_NORMAL_FORM][m][VDPR_KNOWN] < 100 ||
		    seen[VDPR_NORMAL_FORM][m][VDPR_ABSENT] < 100 ||
		    seen[VDPR_NORMAL_FORM][m][VDPR_UNKNOWN] ||
		    (seen[VDPR_NORMAL_FORM][m][VDPR_NULL] >= 100) != null)
			fail_msg("%s: not covered in normal form", name);
		if (seen[VDPR_ANY_FORM][m][VDPR_KNOWN] < 100 ||
		    seen[VDPR_ANY_FORM][m][VDPR_ABSENT] < 100 ||
		    seen[VDPR_ANY_FORM][m][VDPR_UNKNOWN] < 100 ||
		    (seen[VDPR_ANY_FORM][m][VDPR_NULL] >= 100) !=
			    vdpr_member_info[m].nullable)
			fail_msg("%s: not covered in any form", name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(observing_the_plan_gives_the_state_back),
		cmocka_unit_test(plan_of_the_observed_state_is_the_same_bytes),
		cmocka_unit_test(without_any_one_planned_row_states_are_lost),
		cmocka_unit_test(
			known_part_comes_back_and_unknown_stays_at_reset),
		cmocka_unit_test(
			every_member_was_seen_known_null_unknown_and_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
