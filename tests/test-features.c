/* SPDX-License-Identifier: MIT */
/* Feature masks, hash types and offloads: names, bits and text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/features.h"

/* Bits as the format has them, written out here a second time. */
static const struct vdpr_bit_name named[] = {
	{ 0, "CSUM" },
	{ 1, "GUEST_CSUM" },
	{ 2, "CTRL_GUEST_OFFLOADS" },
	{ 3, "MTU" },
	{ 5, "MAC" },
	{ 6, "GSO" },
	{ 7, "GUEST_TSO4" },
	{ 8, "GUEST_TSO6" },
	{ 9, "GUEST_ECN" },
	{ 10, "GUEST_UFO" },
	{ 11, "HOST_TSO4" },
	{ 12, "HOST_TSO6" },
	{ 13, "HOST_ECN" },
	{ 14, "HOST_UFO" },
	{ 15, "MRG_RXBUF" },
	{ 16, "STATUS" },
	{ 17, "CTRL_VQ" },
	{ 18, "CTRL_RX" },
	{ 19, "CTRL_VLAN" },
	{ 20, "CTRL_RX_EXTRA" },
	{ 21, "GUEST_ANNOUNCE" },
	{ 22, "MQ" },
	{ 23, "CTRL_MAC_ADDR" },
	{ 24, "NOTIFY_ON_EMPTY" },
	{ 27, "ANY_LAYOUT" },
	{ 28, "RING_INDIRECT_DESC" },
	{ 29, "RING_EVENT_IDX" },
	{ 32, "VERSION_1" },
	{ 33, "ACCESS_PLATFORM" },
	{ 34, "RING_PACKED" },
	{ 35, "IN_ORDER" },
	{ 36, "ORDER_PLATFORM" },
	{ 37, "SR_IOV" },
	{ 38, "NOTIFICATION_DATA" },
	{ 39, "NOTIF_CONFIG_DATA" },
	{ 40, "RING_RESET" },
	{ 41, "ADMIN_VQ" },
	{ 43, "SUSPEND" },
	{ 50, "DEVICE_STATS" },
	{ 51, "HASH_TUNNEL" },
	{ 52, "VQ_NOTF_COAL" },
	{ 53, "NOTF_COAL" },
	{ 54, "GUEST_USO4" },
	{ 55, "GUEST_USO6" },
	{ 56, "HOST_USO" },
	{ 57, "HASH_REPORT" },
	{ 59, "GUEST_HDRLEN" },
	{ 60, "RSS" },
	{ 61, "RSC_EXT" },
	{ 62, "STANDBY" },
	{ 63, "SPEED_DUPLEX" },
	{ 64, "RSS_CONTEXT" },
	{ 65, "GUEST_UDP_TUNNEL_GSO" },
	{ 66, "GUEST_UDP_TUNNEL_GSO_CSUM" },
	{ 67, "HOST_UDP_TUNNEL_GSO" },
	{ 68, "HOST_UDP_TUNNEL_GSO_CSUM" },
	{ 69, "OUT_NET_HEADER" },
	{ 70, "IPSEC" },
};

static const char *expected_name(unsigned int bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		if (named[i].bit == bit)
			return named[i].name;
	}
	return NULL;
}

static void every_bit_has_its_name_or_none(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < VDPR_FEATURE_BITS; bit++) {
		const char *name = vdpr_feature_name(bit);
		const char *want = expected_name(bit);

		assert_true(!name == !want);
		if (want)
			assert_string_equal(name, want);
	}
	assert_null(vdpr_feature_name(VDPR_FEATURE_BITS));
	assert_null(vdpr_feature_name(UINT32_MAX));
}

static void every_text_leads_back_to_its_bit(void **state)
{
	char text[VDPR_BIT_TEXT];

	(void)state;
	for (unsigned int bit = 0; bit < VDPR_FEATURE_BITS; bit++)
		assert_int_equal(vdpr_feature_bit(vdpr_feature_text(bit, text)),
				 bit);
	assert_string_equal(vdpr_feature_text(4, text), "bit_4");
}

static void bit_n_is_refused_where_the_bit_has_a_name(void **state)
{
	(void)state;
	assert_int_equal(vdpr_feature_bit("bit_22"), -ENOENT);
	assert_int_equal(vdpr_hash_type_bit("bit_0"), -ENOENT);
	assert_int_equal(vdpr_offload_bit("bit_46"), -ENOENT);
}

static void names_that_do_not_exist_are_refused(void **state)
{
	static const char *const bad[] = { "",
					   "mq",
					   "MQ ",
					   "bit_",
					   "bit_04",
					   "bit_128",
					   "bit_-4",
					   "bit_4 ",
					   "BIT_4",
					   "bit_0x4",
					   "VIRTIO_NET_F_MQ" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(vdpr_feature_bit(bad[i]), -ENOENT);
	assert_int_equal(vdpr_hash_type_bit("bit_32"), -ENOENT);
	assert_int_equal(vdpr_offload_bit("bit_64"), -ENOENT);
}

static void masks_are_written_short_and_lower_case(void **state)
{
	static const struct {
		struct vdpr_features f;
		const char *text;
	} cases[] = {
		{ { { 0, 0 } }, "0x0" },
		{ { { 0xABCDEF, 0 } }, "0xabcdef" },
		{ { { UINT64_MAX, 0 } }, "0xffffffffffffffff" },
		{ { { 1, 1 } }, "0x10000000000000001" },
		{ { { UINT64_MAX, UINT64_MAX } },
		  "0xffffffffffffffffffffffffffffffff" },
	};
	char text[VDPR_FEATURES_TEXT];
	struct vdpr_features f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		vdpr_features_format(&cases[i].f, text);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(vdpr_features_parse(text, &f), 0);
		assert_true(vdpr_features_equal(&f, &cases[i].f));
	}
}

static void masks_are_read_in_either_case_and_with_zeros(void **state)
{
	struct vdpr_features f;

	(void)state;
	assert_int_equal(vdpr_features_parse("0xAbC", &f), 0);
	assert_true(f.word[0] == 0xabc && !f.word[1]);
	assert_int_equal(
		vdpr_features_parse("0x00000000000000000000000000000001", &f),
		0);
	assert_true(f.word[0] == 1 && !f.word[1]);
}

static void masks_of_another_form_are_refused(void **state)
{
	static const char *const bad[] = { "",	  "0x",	  "12",	  "0X1",
					   "0xg", "0x1 ", " 0x1", "-0x1" };
	struct vdpr_features f = { { 7, 7 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(vdpr_features_parse(bad[i], &f), -EINVAL);
	assert_int_equal(
		vdpr_features_parse("0x000000000000000000000000000000001", &f),
		-ERANGE);
	assert_true(f.word[0] == 7 && f.word[1] == 7);
}

static void names_of_a_mask_come_in_bit_order(void **state)
{
	struct vdpr_features f = { { BIT_ULL(22) | BIT_ULL(4) | 1, 2 } };
	struct vdpr_buf out = { 0 };

	(void)state;
	vdpr_features_names(&f, ", ", &out);
	assert_string_equal(out.data, "CSUM, bit_4, MQ, GUEST_UDP_TUNNEL_GSO");
	vdpr_buf_free(&out);
}

static void hash_types_have_nine_names(void **state)
{
	static const char *const names[] = { "ipv4",  "tcpv4",	"udpv4",
					     "ipv6",  "tcpv6",	"udpv6",
					     "ip_ex", "tcp_ex", "udp_ex" };
	char text[VDPR_BIT_TEXT];

	(void)state;
	for (unsigned int bit = 0; bit < 32; bit++) {
		vdpr_hash_type_text(bit, text);
		if (bit < ARRAY_SIZE(names))
			assert_string_equal(text, names[bit]);
		else
			assert_memory_equal(text, "bit_", 4);
		assert_int_equal(vdpr_hash_type_bit(text), bit);
	}
}

static void offloads_have_nine_names(void **state)
{
	static const struct vdpr_bit_name names[] = {
		{ 1, "guest_csum" },
		{ 7, "guest_tso4" },
		{ 8, "guest_tso6" },
		{ 9, "guest_ecn" },
		{ 10, "guest_ufo" },
		{ 46, "guest_udp_tunnel_gso" },
		{ 47, "guest_udp_tunnel_gso_csum" },
		{ 54, "guest_uso4" },
		{ 55, "guest_uso6" },
	};
	char text[VDPR_BIT_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_string_equal(vdpr_offload_text(names[i].bit, text),
				    names[i].name);
		assert_int_equal(vdpr_offload_bit(names[i].name), names[i].bit);
	}
	for (unsigned int bit = 0; bit < 64; bit++)
		assert_int_equal(vdpr_offload_bit(vdpr_offload_text(bit, text)),
				 bit);
}

static void tunnel_offloads_stand_for_features_65_and_66(void **state)
{
	(void)state;
	assert_int_equal(vdpr_offload_feature(46), 65);
	assert_int_equal(vdpr_offload_feature(47), 66);
	assert_int_equal(vdpr_offload_feature(1), 1);
	assert_int_equal(vdpr_offload_feature(55), 55);
}

static void allowed_offloads_follow_the_features(void **state)
{
	struct vdpr_features f = { { BIT_ULL(1) | BIT_ULL(22) | BIT_ULL(46) |
					     BIT_ULL(55),
				     BIT_ULL(1) } };

	(void)state;
	/* Feature 46 is not what offload 46 needs. */
	assert_true(vdpr_offloads_allowed(&f, true) ==
		    (BIT_ULL(1) | BIT_ULL(46) | BIT_ULL(55)));
	assert_true(vdpr_offloads_allowed(&f, false) ==
		    (BIT_ULL(1) | BIT_ULL(22) | BIT_ULL(46) | BIT_ULL(55)));
	f.word[1] = 0;
	assert_true(vdpr_offloads_allowed(&f, true) ==
		    (BIT_ULL(1) | BIT_ULL(55)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_has_its_name_or_none),
		cmocka_unit_test(every_text_leads_back_to_its_bit),
		cmocka_unit_test(bit_n_is_refused_where_the_bit_has_a_name),
		cmocka_unit_test(names_that_do_not_exist_are_refused),
		cmocka_unit_test(masks_are_written_short_and_lower_case),
		cmocka_unit_test(masks_are_read_in_either_case_and_with_zeros),
		cmocka_unit_test(masks_of_another_form_are_refused),
		cmocka_unit_test(names_of_a_mask_come_in_bit_order),
		cmocka_unit_test(hash_types_have_nine_names),
		cmocka_unit_test(offloads_have_nine_names),
		cmocka_unit_test(tunnel_offloads_stand_for_features_65_and_66),
		cmocka_unit_test(allowed_offloads_follow_the_features),
	};

	return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
