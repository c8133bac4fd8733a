/* SPDX-License-Identifier: MIT */
/* The plan: exactly which commands, in which order, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/state.h"
#include "tests/commands.h"

static const struct vdpr_features all = { { UINT64_MAX & ~BIT_ULL(51), 0 } };

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
};

static void start(struct world *w, struct vdpr_features f)
{
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);

	if (vdpr_features_has(&f, VIRTIO_NET_F_MAC)) {
		config.has = VDPR_CONFIG_MAC;
		vdpr_mac_parse("52:54:00:00:00:01", config.mac);
	}
	assert_int_equal(
		vdpr_state_start(w->ctx, w->state, NULL, &f, &config, 0), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || vdpr_ctx_new(&w->ctx) || vdpr_state_new(w->ctx, &w->state))
		return -1;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	vdpr_state_free(w->state);
	vdpr_ctx_free(w->ctx);
	free(w);
	return 0;
}

static void expect_flags(struct world *w, unsigned int flags, const char *text)
{
	struct vdpr_plan *plan = NULL;
	char *got;

	assert_int_equal(vdpr_plan(w->ctx, w->state, flags, &plan), 0);
	got = vdpr_test_plan_text(plan);
	assert_string_equal(got, text);
	free(got);
	vdpr_plan_free(plan);
}

static void expect(struct world *w, const char *text)
{
	expect_flags(w, 0, text);
}

static void refused(struct world *w, int err, const char *names)
{
	struct vdpr_plan *plan = NULL;

	assert_int_equal(vdpr_plan(w->ctx, w->state, 0, &plan), err);
	assert_null(plan);
	assert_int_equal(vdpr_ctx_cause(w->ctx), VDPR_CAUSE_REFUSED);
	assert_non_null(strstr(vdpr_ctx_error(w->ctx), names));
	assert_true(*vdpr_ctx_cure(w->ctx));
}

/* ---------------------------------------------------------- the whole order */

static void set_rss(struct world *w, const uint16_t *table, uint32_t len)
{
	struct vdpr_rss rss = {
		.hash_types = 3,
		.max_tx_vq = w->state->queue_pairs,
		.table_len = len,
		.key = { .len = 2, .bytes = { 0x6d, 0x5a } },
	};

	rss.table = malloc(len * sizeof(*table));
	assert_non_null(rss.table);
	memcpy(rss.table, table, len * sizeof(*table));
	vdpr_member_drop(w->state, VDPR_RSS, VDPR_KNOWN);
	w->state->rss = rss;
	vdpr_state_settle_hash(w->state);
}

static void set_everything(struct world *w)
{
	struct vdpr_state *s = w->state;
	const struct vdpr_coal eight = { 8, 9 };
	uint8_t unicast[6], multicast[6];

	start(w, all);
	vdpr_mac_parse("52:54:00:aa:bb:cc", s->mac);
	vdpr_mac_parse("02:00:00:00:00:01", unicast);
	vdpr_mac_parse("33:33:00:00:00:01", multicast);
	assert_int_equal(vdpr_mac_list_set(&s->unicast, unicast, 1), 0);
	assert_int_equal(vdpr_mac_list_set(&s->multicast, multicast, 1), 0);
	s->queue_pairs = 4;
	set_rss(w, (const uint16_t[]){ 0, 1, 2, 3 }, 4);
	s->offloads = BIT(1) | BIT(7);
	s->member[VDPR_RX_PROMISCUOUS] = VDPR_KNOWN;
	s->all_multicast = true;
	s->all_unicast = true;
	s->no_multicast = true;
	s->no_unicast = true;
	s->no_broadcast = true;
	vdpr_vlan_set(s, 4095, true);
	vdpr_vlan_set(s, 42, true);
	vdpr_vlan_set(s, 0, true);
	s->coal_rx = (struct vdpr_coal){ 1, 2 };
	s->coal_tx = (struct vdpr_coal){ 3, 4 };
	assert_int_equal(vdpr_coal_queue_set(s, 5, &eight), 0);
	assert_int_equal(vdpr_coal_queue_set(s, 0, &eight), 0);
}

#define EVERYTHING                                         \
	"1.1 525400aabbcc\n"                               \
	"1.0 0100000002000000000101000000333300000001\n"   \
	"4.0 0400\n"                                       \
	"4.1 0300000003000000000001000200030004"           \
	"00026d5a\n"                                       \
	"5.0 8200000000000000\n"                           \
	"0.0 00\n0.1 01\n0.2 01\n0.3 01\n0.4 01\n0.5 01\n" \
	"2.0 0000\n2.0 2a00\n2.0 ff0f\n"                   \
	"6.0 0300000004000000\n"                           \
	"6.1 0100000002000000\n"                           \
	"after 6.2 000000000800000009000000\n"             \
	"after 6.2 050000000800000009000000\n"

static void everything_is_sent_in_the_one_order(void **state)
{
	struct world *w = *state;

	set_everything(w);
	expect(w, EVERYTHING);
}

static void commands_lie_ready_for_the_device_one_after_another(void **state)
{
	struct world *w = *state;
	struct vdpr_command c = VDPR_INIT(struct vdpr_command);
	struct vdpr_plan *plan;
	size_t end = 0;
	bool after;

	set_everything(w);
	assert_int_equal(vdpr_plan(w->ctx, w->state, 0, &plan), 0);
	assert_int_equal(vdpr_plan_count(plan), plan->count);
	assert_int_equal(plan->n_before, plan->count - 2);
	for (size_t i = 0; i < plan->count; i++) {
		const struct vdpr_plan_entry *e = &plan->entry[i];

		assert_int_equal(e->offset, end + 2);
		assert_int_equal(plan->bytes[end], e->info->ctrl_class);
		assert_int_equal(plan->bytes[end + 1], e->info->command);
		assert_int_equal(vdpr_plan_get(plan, i, &c, &after), 0);
		assert_ptr_equal(c.data, plan->bytes + e->offset);
		assert_int_equal(c.data_len, e->len);
		assert_int_equal(after, i >= plan->n_before);
		end = e->offset + e->len;
	}
	assert_int_equal(end, plan->len);
	assert_int_equal(vdpr_plan_get(plan, plan->count, &c, &after), -ERANGE);
	vdpr_plan_free(plan);
}

static void nothing_is_sent_without_ctrl_vq(void **state)
{
	struct world *w = *state;
	struct vdpr_features f = all;

	vdpr_features_set(&f, VIRTIO_NET_F_CTRL_VQ, false);
	start(w, f);
	expect(w, "");
}

/* Also if a caller's state were to hold what its features do not allow. */
static void command_whose_feature_is_missing_is_never_sent(void **state)
{
	struct world *w = *state;

	set_everything(w);
	vdpr_features_set(&w->state->negotiated, VIRTIO_NET_F_CTRL_RX, false);
	vdpr_features_set(&w->state->negotiated, VIRTIO_NET_F_RSS, false);
	vdpr_features_set(&w->state->negotiated, VIRTIO_NET_F_CTRL_VLAN, false);
	vdpr_features_set(&w->state->negotiated, VIRTIO_NET_F_NOTF_COAL, false);
	expect(w, "1.1 525400aabbcc\n"
		  "4.0 0400\n"
		  "5.0 8200000000000000\n"
		  "0.2 01\n0.3 01\n0.4 01\n0.5 01\n"
		  "after 6.2 000000000800000009000000\n"
		  "after 6.2 050000000800000009000000\n");
}

/* --------------------------------------------------------------- skip rules */

static void reset_state_sends_address_and_pairs_alone(void **state)
{
	struct world *w = *state;

	start(w, all);
	expect(w, "1.1 525400000001\n4.0 0100\n");
}

static void null_address_is_not_sent(void **state)
{
	struct world *w = *state;

	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_MAC_ADDR));
	assert_int_equal(w->state->member[VDPR_MAC_ADDRESS], VDPR_NULL);
	expect(w, "");
}

static void one_list_of_two_sends_the_whole_table(void **state)
{
	const uint8_t multicast[6] = { 1, 0, 0x5e, 0, 0, 1 };
	struct world *w = *state;

	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_RX));
	assert_int_equal(vdpr_mac_list_set(&w->state->multicast, multicast, 1),
			 0);
	expect(w, "1.0 000000000100000001005e000001\n");
	vdpr_mac_list_clear(&w->state->multicast);
	expect(w, "");
}

static void promiscuous_is_sent_off_too_but_not_null(void **state)
{
	struct world *w = *state;
	enum vdpr_presence *presence;

	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_RX));
	presence = &w->state->member[VDPR_RX_PROMISCUOUS];
	w->state->unicast_overflow = true;
	assert_int_equal(*presence, VDPR_NULL);
	expect(w, "");
	*presence = VDPR_KNOWN;
	expect(w, "0.0 01\n");
	w->state->unicast_overflow = false;
	expect(w, "0.0 00\n");
	w->state->promiscuous = true;
	expect(w, "0.0 01\n");
}

static void multicast_overflow_asks_for_all_multicast(void **state)
{
	struct world *w = *state;

	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_RX));
	w->state->multicast_overflow = true;
	expect(w, "0.1 01\n");
	w->state->all_multicast = true;
	expect(w, "0.1 01\n");
	w->state->multicast_overflow = false;
	expect(w, "0.1 01\n");
	w->state->all_multicast = false;
	expect(w, "");
}

static void offloads_are_sent_unless_as_after_reset(void **state)
{
	struct world *w = *state;

	/* 65 is the feature of offload 46. */
	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, 1,
		      7, 65));
	assert_true(w->state->offloads == (BIT_ULL(46) | BIT(7) | BIT(1)));
	expect(w, "");
	w->state->offloads = 0;
	expect(w, "5.0 0000000000000000\n");
	w->state->offloads = BIT_ULL(46);
	expect(w, "5.0 0000000000400000\n");
}

static void coalescing_of_zeros_is_not_sent(void **state)
{
	struct world *w = *state;

	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_NOTF_COAL));
	w->state->coal_tx.max_usecs = 1;
	expect(w, "6.0 0000000001000000\n");
	w->state->coal_tx.max_usecs = 0;
	w->state->coal_rx.max_packets = 1;
	expect(w, "6.1 0100000000000000\n");
}

/* Unlike the global ones: zeros for one queue undo what is set for all. */
static void coalescing_of_zeros_for_one_queue_is_sent(void **state)
{
	const struct vdpr_coal zero = { 0, 0 };
	struct world *w = *state;

	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_VQ_NOTF_COAL));
	assert_int_equal(vdpr_coal_queue_set(w->state, 1, &zero), 0);
	expect(w, "after 6.2 010000000000000000000000\n");
}

static void rss_or_hash_report_comes_after_the_pairs(void **state)
{
	struct world *w = *state;

	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ, VIRTIO_NET_F_RSS,
		      VIRTIO_NET_F_HASH_REPORT));
	w->state->member[VDPR_HASH_REPORT] = VDPR_KNOWN;
	w->state->hash_report.hash_types = 1;
	w->state->hash_report.key.len = 1;
	w->state->hash_report.key.bytes[0] = 0xee;
	expect(w, "4.0 0100\n4.2 01000000000000000000000001ee\n");
	set_rss(w, (const uint16_t[]){ 0 }, 1);
	expect(w, "4.0 0100\n4.1 03000000000000000000010002"
		  "6d5a\n");
}

/* No types: everything goes to the unclassified queue, which QEMU drops. */
static void rss_without_hash_types_is_sent(void **state)
{
	struct world *w = *state;

	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_RSS));
	set_rss(w, (const uint16_t[]){ 0 }, 1);
	w->state->rss.max_tx_vq = 1;
	w->state->rss.hash_types = 0;
	w->state->rss.key.len = 0;
	expect(w, "4.1 00000000000000000000010000\n");
}

static void longest_table_has_a_mask_of_16_bits(void **state)
{
	uint16_t *table = calloc(VDPR_TABLE_MAX, sizeof(*table));
	struct world *w = *state;
	struct vdpr_plan *plan;

	assert_non_null(table);
	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_RSS));
	set_rss(w, table, VDPR_TABLE_MAX);
	assert_int_equal(vdpr_plan(w->ctx, w->state, 0, &plan), 0);
	assert_int_equal(vdpr_get_le16(plan->bytes + 2 + 4), 0xffff);
	assert_int_equal(plan->len, 2 + 8 + 2 * VDPR_TABLE_MAX + 5);
	vdpr_plan_free(plan);
	free(table);
}

static void all_4096_vlans_are_sent_ascending(void **state)
{
	struct world *w = *state;
	struct vdpr_plan *plan;

	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VLAN));
	memset(w->state->vlan, 0xff, sizeof(w->state->vlan));
	assert_int_equal(vdpr_plan(w->ctx, w->state, 0, &plan), 0);
	assert_int_equal(plan->count, 4096);
	for (size_t i = 0; i < plan->count; i++)
		assert_int_equal(
			vdpr_get_le16(plan->bytes + plan->entry[i].offset), i);
	vdpr_plan_free(plan);
}

/* ----------------------------------------------------------------- refusals */

static void unknown_is_refused_with_every_name(void **state)
{
	struct world *w = *state;

	set_everything(w);
	vdpr_state_forget(w->state, VDPR_SECTION_RSS);
	vdpr_member_drop(w->state, VDPR_MAC_UNICAST, VDPR_UNKNOWN);
	vdpr_member_drop(w->state, VDPR_VLAN_IDS, VDPR_UNKNOWN);
	w->state->unknown_class[12 / 8] |= BIT(12 % 8);
	refused(w, -ENODATA, "mac.unicast, vlan, rss, hash_report, class_12");
	assert_non_null(strstr(vdpr_ctx_cure(w->ctx), "--unknown=default"));
}

static void unknown_sends_nothing_when_the_default_will_do(void **state)
{
	struct world *w = *state;

	set_everything(w);
	for (unsigned int s = 0; s < VDPR_SECTION_COUNT; s++)
		vdpr_state_forget(w->state, s);
	expect_flags(w, VDPR_PLAN_UNKNOWN_DEFAULT, "");
	set_everything(w);
	vdpr_member_drop(w->state, VDPR_MAC_UNICAST, VDPR_UNKNOWN);
	vdpr_member_drop(w->state, VDPR_VLAN_IDS, VDPR_UNKNOWN);
	vdpr_member_drop(w->state, VDPR_RX_PROMISCUOUS, VDPR_UNKNOWN);
	vdpr_member_drop(w->state, VDPR_COAL_QUEUES, VDPR_UNKNOWN);
	expect_flags(w, VDPR_PLAN_UNKNOWN_DEFAULT,
		     "1.1 525400aabbcc\n"
		     "1.0 0000000001000000333300000001\n"
		     "4.0 0400\n"
		     "4.1 030000000300000000000100020003000400026d5a\n"
		     "5.0 8200000000000000\n"
		     "0.1 01\n0.2 01\n0.3 01\n0.4 01\n0.5 01\n"
		     "6.0 0300000004000000\n"
		     "6.1 0100000002000000\n");
}

static void unknown_negotiated_features_are_refused(void **state)
{
	struct world *w = *state;
	struct vdpr_plan *plan = NULL;

	assert_int_equal(
		vdpr_state_start(w->ctx, w->state, &all, NULL, NULL, 0), 0);
	refused(w, -EINVAL, "negotiated");
	assert_int_equal(
		vdpr_plan(w->ctx, w->state, VDPR_PLAN_UNKNOWN_DEFAULT, &plan),
		-EINVAL);
	assert_null(plan);
}

static void
feature_whose_commands_cannot_be_saved_is_refused_by_name(void **state)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} refusals[] = {
		{ 51, "HASH_TUNNEL" },
		{ 64, "RSS_CONTEXT" },
		{ 70, "IPSEC" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct vdpr_features f = MASK(VIRTIO_NET_F_CTRL_VQ);

		vdpr_features_set(&f, refusals[i].bit, true);
		start(w, f);
		refused(w, -ENODATA, refusals[i].name);
		expect_flags(w, VDPR_PLAN_UNKNOWN_DEFAULT, "");
	}
	start(w, MASK(VIRTIO_NET_F_CTRL_VQ, 50, 69));
	expect(w, "");
}

static void unknown_flag_is_an_error(void **state)
{
	struct world *w = *state;
	struct vdpr_plan *plan = NULL;

	start(w, all);
	assert_int_equal(vdpr_plan(w->ctx, w->state, 2, &plan), -EINVAL);
	assert_null(plan);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(everything_is_sent_in_the_one_order),
		T(commands_lie_ready_for_the_device_one_after_another),
		T(nothing_is_sent_without_ctrl_vq),
		T(command_whose_feature_is_missing_is_never_sent),
		T(reset_state_sends_address_and_pairs_alone),
		T(null_address_is_not_sent),
		T(one_list_of_two_sends_the_whole_table),
		T(promiscuous_is_sent_off_too_but_not_null),
		T(multicast_overflow_asks_for_all_multicast),
		T(offloads_are_sent_unless_as_after_reset),
		T(coalescing_of_zeros_is_not_sent),
		T(coalescing_of_zeros_for_one_queue_is_sent),
		T(rss_or_hash_report_comes_after_the_pairs),
		T(rss_without_hash_types_is_sent),
		T(longest_table_has_a_mask_of_16_bits),
		T(all_4096_vlans_are_sent_ascending),
		T(unknown_is_refused_with_every_name),
		T(unknown_sends_nothing_when_the_default_will_do),
		T(unknown_negotiated_features_are_refused),
		T(feature_whose_commands_cannot_be_saved_is_refused_by_name),
		T(unknown_flag_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
