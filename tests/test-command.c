/* SPDX-License-Identifier: MIT */
/* The table of control commands: every row's name, bytes and features. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/command.h"

/* Bytes of a command as the device reads them after class and command. */
static const struct golden {
	uint8_t ctrl_class, command;
	const char *name, *section;
	int feature;
	size_t min_len;
	const char *data;
	const char *text;
} goldens[] = {
	{ 0, 0, "PROMISC", "rx_mode", 18, 1, "01", "PROMISC on" },
	{ 0, 1, "ALLMULTI", "rx_mode", 18, 1, "00", "ALLMULTI off" },
	{ 0, 2, "ALLUNI", "rx_mode", 20, 1, "01", "ALLUNI on" },
	{ 0, 3, "NOMULTI", "rx_mode", 20, 1, "01", "NOMULTI on" },
	{ 0, 4, "NOUNI", "rx_mode", 20, 1, "01", "NOUNI on" },
	{ 0, 5, "NOBCAST", "rx_mode", 20, 1, "01", "NOBCAST on" },
	{ 1, 0, "MAC_TABLE_SET", "mac", 18, 8,
	  "01000000020000000001020000003333000000010100"
	  "5e000001",
	  "MAC_TABLE_SET unicast[1] 02:00:00:00:00:01 "
	  "multicast[2] 33:33:00:00:00:01,01:00:5e:00:00:01" },
	{ 1, 1, "MAC_ADDR_SET", "mac", 23, 6, "525400aabbcc",
	  "MAC_ADDR_SET 52:54:00:aa:bb:cc" },
	{ 2, 0, "VLAN_ADD", "vlan", 19, 2, "2a00", "VLAN_ADD 42" },
	{ 2, 1, "VLAN_DEL", "vlan", 19, 2, "ff0f", "VLAN_DEL 4095" },
	{ 3, 0, "ANNOUNCE_ACK", "announce", 21, 0, "", "ANNOUNCE_ACK" },
	{ 4, 0, "VQ_PAIRS_SET", "mq", 22, 2, "0400", "VQ_PAIRS_SET 4" },
	{ 4, 1, "RSS_CONFIG", "rss", 60, 13,
	  "03000000"	     /* hash_types */
	  "0300"	     /* mask: 4 entries */
	  "0200"	     /* unclassified_queue */
	  "0000010002000300" /* table */
	  "0400"	     /* max_tx_vq */
	  "05"
	  "6d5a56da25",
	  "RSS_CONFIG types ipv4,tcpv4 unclassified 2 max_tx_vq 4 "
	  "table[4] 0,1,2,3 key 5 bytes 6d5a56da25" },
	{ 4, 2, "HASH_CONFIG", "hash_report", 57, 13,
	  "04000000"
	  "0000000000000000"
	  "02"
	  "6d5a",
	  "HASH_CONFIG types udpv4 key 2 bytes 6d5a" },
	{ 5, 0, "GUEST_OFFLOADS_SET", "offloads", 2, 8, "8200000000000000",
	  "GUEST_OFFLOADS_SET guest_csum,guest_tso4" },
	{ 6, 0, "NOTF_COAL_TX_SET", "coalescing", 53, 8, "4000000032000000",
	  "NOTF_COAL_TX_SET max_packets 64 max_usecs 50" },
	{ 6, 1, "NOTF_COAL_RX_SET", "coalescing", 53, 8, "0100000000000001",
	  "NOTF_COAL_RX_SET max_packets 1 max_usecs 16777216" },
	{ 6, 2, "NOTF_COAL_VQ_SET", "coalescing", 52, 12,
	  "030000000800000009000000",
	  "NOTF_COAL_VQ_SET queue 3 max_packets 8 max_usecs 9" },
	{ 6, 3, "NOTF_COAL_VQ_GET", NULL, 52, 4, "03000000",
	  "NOTF_COAL_VQ_GET queue 3" },
	{ 7, 0, "HASH_TUNNEL_SET", NULL, 51, 4, "05000000",
	  "HASH_TUNNEL_SET types 0x5" },
	{ 8, 0, "STATS_QUERY", NULL, 50, 0, "", "STATS_QUERY" },
	{ 8, 1, "STATS_GET", NULL, 50, 0, "01000000000000000100000001000000",
	  "STATS_GET queue 1 types 0x100000001" },
	{ 9, 0, "RSS_CTX_CAP_GET", NULL, 64, 0, "", "RSS_CTX_CAP_GET" },
	{ 9, 1, "RSS_CTX_ADD", NULL, 64, 21,
	  "0100000000000000"
	  "010000000000000000000100"
	  "00",
	  "RSS_CTX_ADD context 1 types ipv4 unclassified 0 max_tx_vq 1 "
	  "table[1] 0 key 0 bytes" },
	{ 9, 2, "RSS_CTX_MOD", NULL, 64, 21,
	  "0200000000000000"
	  "000000000000000000000100"
	  "00",
	  "RSS_CTX_MOD context 2 types none unclassified 0 max_tx_vq 1 "
	  "table[1] 0 key 0 bytes" },
	{ 9, 3, "RSS_CTX_DEL", NULL, 64, 2, "0700", "RSS_CTX_DEL 7" },
};

static void check_text(uint8_t ctrl_class, uint8_t command, const void *data,
		       size_t len, const char *expected)
{
	struct vdpr_command c = VDPR_INIT(struct vdpr_command);
	char *text;

	c.ctrl_class = ctrl_class;
	c.command = command;
	c.data = data;
	c.data_len = len;
	assert_int_equal(vdpr_command_describe(NULL, &c, &text), 0);
	assert_string_equal(text, expected);
	free(text);
}

static void every_row_is_as_the_specification_has_it(void **state)
{
	(void)state;
	assert_int_equal(vdpr_command_rows(), ARRAY_SIZE(goldens));
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		const struct golden *g = &goldens[i];
		const struct vdpr_command_info *info =
			vdpr_command_find(g->ctrl_class, g->command);

		assert_ptr_equal(info, vdpr_command_row(i));
		assert_string_equal(info->name, g->name);
		assert_string_equal(
			vdpr_command_name(g->ctrl_class, g->command), g->name);
		assert_int_equal(info->min_len, g->min_len);
		if (g->section)
			assert_string_equal(
				vdpr_command_section(g->ctrl_class, g->command),
				g->section);
		else
			assert_null(vdpr_command_section(g->ctrl_class,
							 g->command));
	}
}

static void every_row_needs_its_feature_and_ctrl_vq(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		const struct vdpr_command_info *info = vdpr_command_row(i);
		unsigned int feature = (unsigned int)goldens[i].feature;
		struct vdpr_features f = { { 0, 0 } };

		vdpr_features_set(&f, feature, true);
		assert_false(vdpr_command_allowed(info, &f));
		vdpr_features_set(&f, VIRTIO_NET_F_CTRL_VQ, true);
		assert_true(vdpr_command_allowed(info, &f));
		f = (struct vdpr_features){ { UINT64_MAX, UINT64_MAX } };
		vdpr_features_set(&f, feature, false);
		assert_false(vdpr_command_allowed(info, &f));
	}
}

static void every_row_is_described_from_its_bytes(void **state)
{
	uint8_t data[64];
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		const struct golden *g = &goldens[i];
		size_t len = strlen(g->data) / 2;

		assert_int_equal(vdpr_hex_decode(g->data, 2 * len, data), 0);
		check_text(g->ctrl_class, g->command, data, len, g->text);
	}
}

static void
payload_cut_anywhere_is_shown_as_bytes_and_never_overread(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		const struct golden *g = &goldens[i];
		size_t whole = strlen(g->data) / 2;

		for (size_t len = 0; len < whole; len++) {
			struct vdpr_command c = VDPR_INIT(struct vdpr_command);
			uint8_t *data = malloc(len + 1);
			char *text;

			/* Exactly as long as it is: the sanitizers watch. */
			data = realloc(data, len ? len : 1);
			assert_non_null(data);
			vdpr_hex_decode(g->data, 2 * len, data);
			c.ctrl_class = g->ctrl_class;
			c.command = g->command;
			c.data = data;
			c.data_len = len;
			assert_int_equal(vdpr_command_describe(NULL, &c, &text),
					 0);
			if (g->min_len && len < g->min_len)
				assert_non_null(strstr(text, "(too short)"));
			assert_ptr_equal(strstr(text, g->name), text);
			free(text);
			free(data);
		}
	}
}

static void long_lists_are_cut_to_a_bounded_line(void **state)
{
	uint8_t *data = calloc(1, 200000);
	struct vdpr_command c = VDPR_INIT(struct vdpr_command);
	char *text;
	(void)state;

	assert_non_null(data);
	vdpr_put_le16(data + 4, 127);
	vdpr_put_le16(data + 8 + 2 * 128, 4);
	data[8 + 2 * 128 + 2] = 40;
	check_text(4, 1, data, 200000,
		   "RSS_CONFIG types none unclassified 0 max_tx_vq 4 "
		   "table[128] 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,... "
		   "key 40 bytes 0000000000000000...");
	c.data = data;
	c.data_len = 200000;
	memset(data, 0, 200000);
	vdpr_put_le32(data, 20000);
	vdpr_put_le32(data + 4 + 6 * 20000, 10000);
	for (unsigned int ctrl_class = 0; ctrl_class < 256; ctrl_class++) {
		for (unsigned int command = 0; command < 8; command++) {
			c.ctrl_class = (uint8_t)ctrl_class;
			c.command = (uint8_t)command;
			assert_int_equal(vdpr_command_describe(NULL, &c, &text),
					 0);
			assert_true(strlen(text) < 500);
			assert_null(strchr(text, '\n'));
			free(text);
		}
	}
	free(data);
}

static void unknown_command_is_shown_as_numbers_and_bytes(void **state)
{
	(void)state;
	assert_null(vdpr_command_find(4, 3));
	assert_null(vdpr_command_name(10, 0));
	assert_null(vdpr_command_section(255, 255));
	check_text(12, 3, "\x01\xff", 2, "class 12 command 3 data 01ff");
	check_text(4, 9, NULL, 0, "class 4 command 9 data none");
}

static void shorter_struct_of_an_older_caller_reads_as_zero(void **state)
{
	struct vdpr_command c = VDPR_INIT(struct vdpr_command);
	char *text;
	(void)state;

	c.ctrl_class = 2;
	c.data = "\x01\x00";
	c.data_len = 2;
	c.size = offsetof(struct vdpr_command, data_len);
	assert_int_equal(vdpr_command_describe(NULL, &c, &text), 0);
	assert_string_equal(text, "VLAN_ADD data none (too short)");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_as_the_specification_has_it),
		cmocka_unit_test(every_row_needs_its_feature_and_ctrl_vq),
		cmocka_unit_test(every_row_is_described_from_its_bytes),
		cmocka_unit_test(
			payload_cut_anywhere_is_shown_as_bytes_and_never_overread),
		cmocka_unit_test(long_lists_are_cut_to_a_bounded_line),
		cmocka_unit_test(unknown_command_is_shown_as_numbers_and_bytes),
		cmocka_unit_test(
			shorter_struct_of_an_older_caller_reads_as_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
