/* SPDX-License-Identifier: MIT */
/* From one plan's state to another's without a reset: the result is the other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/plan-diff.h"
#include "tests/commands.h"
#include "tests/states.h"

static struct vdpr_state *make_state(struct vdpr_ctx *ctx, unsigned int seed)
{
	struct vdpr_state *s;

	assert_int_equal(vdpr_test_state(seed, VDPR_NORMAL_FORM, ctx, &s), 0);
	return s;
}

static struct vdpr_plan *plan_of(struct vdpr_ctx *ctx,
				 const struct vdpr_state *s)
{
	struct vdpr_plan *plan;

	assert_int_equal(vdpr_plan(ctx, s, 0, &plan), 0);
	return plan;
}

/* What a device at reset holds after a plan. */
static struct vdpr_state *after(struct vdpr_ctx *ctx,
				const struct vdpr_state *like,
				const struct vdpr_plan *plan)
{
	struct vdpr_state *got;

	assert_int_equal(vdpr_state_new(ctx, &got), 0);
	assert_int_equal(vdpr_state_start(ctx, got, &like->offered,
					  &like->negotiated, &like->config, 0),
			 0);
	assert_int_equal(vdpr_test_send_plan(ctx, got, plan, NULL), 0);
	return got;
}

/* Gives @b the features and limits of @a's guest; does it still obey the rules? */
static bool same_guest(const struct vdpr_state *a, struct vdpr_state *b)
{
	char why[VDPR_WHY];

	b->offered = a->offered;
	b->negotiated = a->negotiated;
	b->config = a->config;
	b->offloads &= vdpr_offloads_allowed(&a->negotiated, false);
	return !vdpr_state_check(b, why);
}

static bool has_command(const struct vdpr_plan *plan, uint8_t ctrl_class,
			uint8_t command)
{
	for (size_t i = 0; i < plan->n_before; i++)
		if (plan->entry[i].info->ctrl_class == ctrl_class &&
		    plan->entry[i].info->command == command)
			return true;
	return false;
}

/* Is there really no command that takes back what only @from has? */
static bool rightly_refused(const struct vdpr_plan *from,
			    const struct vdpr_plan *to)
{
	static const uint8_t no_way_back[][2] = {
		{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET },
		{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC },
		{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG },
	};
	bool pairs = has_command(to, VIRTIO_NET_CTRL_MQ,
				 VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET);

	for (size_t i = 0; i < ARRAY_SIZE(no_way_back); i++)
		if (has_command(from, no_way_back[i][0], no_way_back[i][1]) &&
		    !has_command(to, no_way_back[i][0], no_way_back[i][1]))
			return true;
	return !pairs && has_command(from, VIRTIO_NET_CTRL_MQ,
				     VIRTIO_NET_CTRL_MQ_RSS_CONFIG);
}

struct counts {
	unsigned int tried, refused, shorter;
};

static void check_pair(struct vdpr_ctx *ctx, const struct vdpr_state *a,
		       const struct vdpr_state *b, struct counts *counts)
{
	struct vdpr_plan *from = plan_of(ctx, a);
	struct vdpr_plan *to = plan_of(ctx, b);
	struct vdpr_plan *both = calloc(1, sizeof(*both));
	unsigned int m;
	int ret;

	assert_non_null(both);
	counts->tried++;
	ret = vdpr_plan_continue(from, to, &b->negotiated, both);
	if (ret == -EDOM) {
		assert_true(rightly_refused(from, to));
		counts->refused++;
	} else {
		struct vdpr_state *got;

		assert_int_equal(ret, 0);
		assert_memory_equal(both->bytes, from->bytes,
				    from->n_before ? 2 : 0);
		got = after(ctx, b, both);
		if (!vdpr_test_control_equal(b, got, &m))
			fail_msg("%s differs", vdpr_member_info[m].name);
		vdpr_state_free(got);
		counts->shorter += both->n_before - from->n_before <
				   to->n_before;
	}
	vdpr_plan_free(both);
	vdpr_plan_free(to);
	vdpr_plan_free(from);
}

/* The sections of another seed under the same features. */
static void the_difference_leads_to_the_other_state(void **state)
{
	struct counts counts = { 0 };
	struct vdpr_ctx *ctx;
	(void)state;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	for (unsigned int seed = 0; seed < VDPR_TEST_SUBSETS; seed++) {
		for (unsigned int lap = 1; lap < 4; lap++) {
			struct vdpr_state *a =
				make_state(ctx, seed + lap * VDPR_TEST_SUBSETS);
			struct vdpr_state *b = make_state(ctx, seed);

			if (same_guest(a, b)) {
				check_pair(ctx, a, b, &counts);
				check_pair(ctx, b, a, &counts);
			}
			vdpr_state_free(a);
			vdpr_state_free(b);
		}
	}
	print_message("%u pairs, %u refused, %u shorter\n", counts.tried,
		      counts.refused, counts.shorter);
	assert_true(counts.tried > VDPR_TEST_SUBSETS);
	assert_true(counts.refused < counts.tried / 2);
	vdpr_ctx_free(ctx);
}

static void nothing_is_sent_between_equal_states(void **state)
{
	struct vdpr_ctx *ctx;
	(void)state;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	for (unsigned int seed = 0; seed < VDPR_TEST_SUBSETS; seed++) {
		struct vdpr_state *s = make_state(ctx, seed);
		struct vdpr_plan *plan = plan_of(ctx, s);
		struct vdpr_plan both = { 0 };

		assert_int_equal(
			vdpr_plan_continue(plan, plan, &s->negotiated, &both),
			0);
		assert_int_equal(both.count, plan->count);
		assert_int_equal(both.n_before, plan->n_before);
		assert_memory_equal(both.bytes, plan->bytes, plan->len);
		free(both.entry);
		free(both.bytes);
		vdpr_plan_free(plan);
		vdpr_state_free(s);
	}
	vdpr_ctx_free(ctx);
}

/* A guest with MQ and hash reports on so many pairs. */
static struct vdpr_plan *hash_plan(struct vdpr_ctx *ctx, unsigned int pairs)
{
	struct vdpr_state *s;
	struct vdpr_plan *plan;
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"schema\":\"vdpa-restore/state\",\"version\":1,"
		 "\"compat\":1,\"features\":{\"offered\":"
		 "\"0x200000100420000\",\"negotiated\":"
		 "\"0x200000100420000\"},\"config\":{},"
		 "\"mq\":{\"queue_pairs\":%u},\"hash_report\":"
		 "{\"hash_types\":[\"ipv4\"],\"key\":\"00ff\"},"
		 "\"unknown\":[]}",
		 pairs);
	if (vdpr_state_parse(ctx, text, strlen(text), &s))
		fail_msg("%s", vdpr_ctx_error(ctx));
	plan = plan_of(ctx, s);
	vdpr_state_free(s);
	return plan;
}

/* QEMU's card, for one, forgets the hash configuration with VQ_PAIRS_SET. */
static void steering_is_set_again_behind_the_pairs(void **state)
{
	const struct vdpr_features none = { { 0, 0 } };
	struct vdpr_plan *from, *to, both = { 0 };
	struct vdpr_ctx *ctx;
	(void)state;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	from = hash_plan(ctx, 1);
	to = hash_plan(ctx, 2);
	assert_int_equal(vdpr_plan_continue(from, to, &none, &both), 0);
	assert_int_equal(both.n_before, from->n_before + 2);
	assert_int_equal(both.entry[from->n_before].info->command,
			 VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET);
	assert_int_equal(both.entry[from->n_before + 1].info->command,
			 VIRTIO_NET_CTRL_MQ_HASH_CONFIG);
	free(both.entry);
	free(both.bytes);
	vdpr_plan_free(from);
	vdpr_plan_free(to);
	vdpr_ctx_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_difference_leads_to_the_other_state),
		cmocka_unit_test(nothing_is_sent_between_equal_states),
		cmocka_unit_test(steering_is_set_again_behind_the_pairs),
	};

	return cmocka_run_group_tests_name("plan-diff", tests, NULL, NULL);
}
