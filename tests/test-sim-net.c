/* SPDX-License-Identifier: MIT */
/* The simulator's control commands: what the specification lets pass. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/sim.h"
#include "tests/sim-client.h"

/* One command and its ack, payload in hex. */
struct step {
	const char *what;
	uint8_t ctrl_class, command;
	const char *payload;
	uint8_t ack;
};

static void run_steps(struct client *c, const struct step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct step *s = &steps[i];
		size_t len = strlen(s->payload);
		uint8_t bytes[1024];
		int ack;

		assert_int_equal(vdpr_hex_decode(s->payload, len, bytes), 0);
		ack = client_command(c, s->ctrl_class, s->command, bytes,
				     len / 2);
		if (ack != s->ack)
			fail_msg("%s: ack %d, not %u", s->what, ack, s->ack);
	}
}

static void run_on(const char *name, const struct step *steps, size_t count)
{
	struct client c;

	client_run(&c, name, 0);
	run_steps(&c, steps, count);
	client_close(&c);
}

static void values_in_and_out_of_range(void **state)
{
	static const struct step steps[] = {
		{ "PROMISC on", 0, 0, "01", 0 },
		{ "PROMISC off", 0, 0, "00", 0 },
		{ "PROMISC 2", 0, 0, "02", 1 },
		{ "PROMISC without payload", 0, 0, "", 1 },
		{ "NOBCAST", 0, 5, "01", 0 },
		{ "RX command 6", 0, 6, "01", 1 },
		{ "MAC table", 1, 0,
		  "01000000"
		  "020000000001"
		  "01000000"
		  "010000000001",
		  0 },
		{ "MAC table, trailing byte", 1, 0,
		  "0000000000000000"
		  "ff",
		  0 },
		{ "MAC table cut", 1, 0,
		  "01000000"
		  "0200000000",
		  1 },
		{ "MAC table without second part", 1, 0, "00000000", 1 },
		{ "MAC table, huge count", 1, 0,
		  "ffffffff"
		  "00000000",
		  1 },
		{ "MAC table, multicast as unicast", 1, 0,
		  "01000000"
		  "010000000001"
		  "00000000",
		  1 },
		{ "MAC", 1, 1, "020000000002", 0 },
		{ "MAC, multicast", 1, 1, "030000000002", 1 },
		{ "MAC cut", 1, 1, "0200000000", 1 },
		{ "VLAN 0", 2, 0, "0000", 0 },
		{ "VLAN 4095", 2, 0, "ff0f", 0 },
		{ "VLAN 4096", 2, 0, "0010", 1 },
		{ "VLAN off", 2, 1, "ff0f", 0 },
		{ "announce", 3, 0, "", 0 },
		{ "pairs 4", 4, 0, "0400", 0 },
		{ "pairs 5", 4, 0, "0500", 1 },
		{ "pairs 0", 4, 0, "0000", 1 },
		{ "offloads", 5, 0, "8207000000000000", 0 },
		{ "offloads none", 5, 0, "0000000000000000", 0 },
		{ "offload without feature", 5, 0, "0000000000004000", 1 },
		{ "offload 2", 5, 0, "0400000000000000", 1 },
		{ "coalescing tx", 6, 0, "4000000032000000", 0 },
		{ "coalescing rx", 6, 1, "4000000032000000", 0 },
		{ "coalescing cut", 6, 1, "40000000320000", 1 },
		{ "coalescing of a queue not enabled", 6, 2,
		  "000000000800000008000000", 1 },
		{ "coalescing of the CVQ", 6, 2, "080000000800000008000000",
		  1 },
		{ "coalescing of no queue", 6, 2, "630000000800000008000000",
		  1 },
		{ "hash tunnel", 7, 0, "00000000", 1 },
		{ "unknown class", 200, 0, "", 1 },
	};

	(void)state;
	run_on("sim", steps, ARRAY_SIZE(steps));
}

static void steering_values_in_and_out_of_range(void **state)
{
	static const struct step steps[] = {
		{ "RSS", 4, 1,
		  "03000000"
		  "0100"
		  "0000"
		  "01000300"
		  "0400"
		  "02"
		  "aabb",
		  0 },
		{ "RSS, trailing byte", 4, 1,
		  "03000000"
		  "0100"
		  "0000"
		  "01000300"
		  "0400"
		  "02"
		  "aabbcc",
		  0 },
		{ "RSS, no types and no key", 4, 1,
		  "00000000"
		  "0000"
		  "0000"
		  "0000"
		  "0100"
		  "00",
		  0 },
		{ "RSS, types and no key", 4, 1,
		  "01000000"
		  "0000"
		  "0000"
		  "0000"
		  "0100"
		  "00",
		  1 },
		{ "RSS, type not supported", 4, 1,
		  "40000000"
		  "0000"
		  "0000"
		  "0000"
		  "0100"
		  "01"
		  "aa",
		  1 },
		{ "RSS, table of 3", 4, 1,
		  "00000000"
		  "0200"
		  "0000"
		  "000000000000"
		  "0100"
		  "00",
		  1 },
		{ "RSS, table longer than payload", 4, 1,
		  "00000000"
		  "7f00"
		  "0000"
		  "0000"
		  "0100"
		  "00",
		  1 },
		{ "RSS, table of 4 on a limit of 2", 4, 1,
		  "00000000"
		  "0300"
		  "0000"
		  "0000000000000000"
		  "0100"
		  "00",
		  1 },
		{ "RSS, entry 4", 4, 1,
		  "00000000"
		  "0000"
		  "0000"
		  "0400"
		  "0100"
		  "00",
		  1 },
		{ "RSS, unclassified 4", 4, 1,
		  "00000000"
		  "0000"
		  "0400"
		  "0000"
		  "0100"
		  "00",
		  1 },
		{ "RSS, max_tx_vq 0", 4, 1,
		  "00000000"
		  "0000"
		  "0000"
		  "0000"
		  "0000"
		  "00",
		  1 },
		{ "RSS, max_tx_vq 5", 4, 1,
		  "00000000"
		  "0000"
		  "0000"
		  "0000"
		  "0500"
		  "00",
		  1 },
		{ "RSS, key of 3 on a limit of 2", 4, 1,
		  "01000000"
		  "0000"
		  "0000"
		  "0000"
		  "0100"
		  "03"
		  "aabbcc",
		  1 },
		{ "RSS, key cut", 4, 1,
		  "01000000"
		  "0000"
		  "0000"
		  "0000"
		  "0100"
		  "02"
		  "aa",
		  1 },
		{ "hash", 4, 2,
		  "01000000"
		  "0000000000000000"
		  "02"
		  "aabb",
		  0 },
		{ "hash, no types", 4, 2,
		  "00000000"
		  "0000000000000000"
		  "00",
		  0 },
		{ "hash, type", 4, 2,
		  "00010000"
		  "0000000000000000"
		  "01"
		  "aa",
		  1 },
		{ "hash, key", 4, 2,
		  "01000000"
		  "0000000000000000"
		  "03"
		  "aabbcc",
		  1 },
		{ "hash cut", 4, 2,
		  "01000000"
		  "00000000000000",
		  1 },
		{ "MQ command 3", 4, 3, "", 1 },
	};

	(void)state;
	run_on("sim:key-size=2,table-size=2", steps, ARRAY_SIZE(steps));
}

static void class_that_is_not_negotiated_is_refused(void **state)
{
	static const struct step steps[] = {
		{ "PROMISC", 0, 0, "01", 1 },
		{ "ALLUNI", 0, 2, "01", 1 },
		{ "MAC table", 1, 0, "0000000000000000", 1 },
		{ "MAC", 1, 1, "020000000002", 1 },
		{ "VLAN", 2, 0, "0100", 1 },
		{ "announce", 3, 0, "", 1 },
		{ "pairs", 4, 0, "0100", 1 },
		{ "RSS", 4, 1,
		  "00000000"
		  "0000"
		  "0000"
		  "0000"
		  "0100"
		  "00",
		  1 },
		{ "hash", 4, 2,
		  "00000000"
		  "0000000000000000"
		  "00",
		  1 },
		{ "offloads", 5, 0, "0000000000000000", 1 },
		{ "coalescing", 6, 0, "0000000000000000", 1 },
		{ "coalescing", 6, 3, "00000000", 1 },
	};

	(void)state;
	/* CTRL_VQ, VERSION_1, ACCESS_PLATFORM and nothing else. */
	run_on("sim:features=0x300020000", steps, ARRAY_SIZE(steps));
}

static void cvq_is_behind_the_pairs_with_mq_or_rss(void **state)
{
	static const struct step vlan = { "VLAN", 2, 0, "0100", 0 };
	static const struct {
		const char *word;
		uint32_t cvq;
	} cases[] = {
		{ "sim:pairs=3", 6 },
		{ "sim:pairs=3,features=-MQ", 6 },
		{ "sim:pairs=3,features=-RSS", 6 },
		{ "sim:pairs=3,features=-MQ-RSS", 2 },
		{ "sim:pairs=1", 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct client c;

		client_run(&c, cases[i].word, 0);
		assert_int_equal(c.cvq, cases[i].cvq);
		run_steps(&c, &vlan, 1);
		client_close(&c);
	}
}

static void pairs_and_hash_end_rss(void **state)
{
	static const struct step rss = { "RSS", 4, 1,
					 "01000000"
					 "0000"
					 "0000"
					 "0100"
					 "0300"
					 "02"
					 "aabb",
					 0 };
	static const struct step pairs = { "pairs", 4, 0, "0200", 0 };
	static const struct step bad = { "pairs 9", 4, 0, "0900", 1 };
	static const struct step hash = { "hash", 4, 2,
					  "01000000"
					  "0000000000000000"
					  "02"
					  "aabb",
					  0 };
	const struct sim *sim;
	struct client c;

	(void)state;
	client_run(&c, "sim", 0);
	sim = (const struct sim *)c.dev;
	run_steps(&c, &rss, 1);
	assert_true(sim->net.has_rss);
	assert_int_equal(sim->net.pairs, 3);
	run_steps(&c, &bad, 1);
	assert_true(sim->net.has_rss);
	run_steps(&c, &pairs, 1);
	assert_false(sim->net.has_rss);
	assert_int_equal(sim->net.pairs, 2);
	run_steps(&c, &rss, 1);
	run_steps(&c, &hash, 1);
	assert_false(sim->net.has_rss);
	assert_true(sim->net.has_hash);
	run_steps(&c, &rss, 1);
	assert_false(sim->net.has_hash);
	client_close(&c);
}

static void mac_command_shows_in_config_until_reset(void **state)
{
	uint8_t mac[6];
	struct client c;

	(void)state;
	client_run(&c, "sim", 0);
	assert_int_equal(client_command(&c, 1, 1, "\2\0\0\0\0\2", 6), 0);
	assert_int_equal(vdpr_dev_get_config(c.dev, 0, mac, 6), 0);
	assert_memory_equal(mac, "\2\0\0\0\0\2", 6);
	assert_int_equal(vdpr_dev_set_status(c.dev, 0), 0);
	assert_int_equal(vdpr_dev_get_config(c.dev, 0, mac, 6), 0);
	assert_memory_equal(mac, "\x52\x54\0\x12\x34\x56", 6);
	client_close(&c);
}

static void queue_coalescing_is_read_back_and_lost_when_disabled(void **state)
{
	static const uint8_t set[] = {
		6, 2, 1, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0
	};
	static const uint8_t get[] = { 6, 3, 1, 0, 0, 0 };
	struct client_answer a;
	struct client c;

	(void)state;
	client_run(&c, "sim", 0);
	assert_int_equal(
		vdpr_dev_vring(c.dev, VHOST_VDPA_SET_VRING_ENABLE, 1, 1), 0);
	assert_int_equal(client_command(&c, 6, 2, set + 2, sizeof(set) - 2), 0);
	client_post(&c, 1, get, sizeof(get));
	client_kick(&c);
	assert_int_equal(client_used(&c, 2000, &a), 0);
	assert_int_equal(a.len, 9);
	assert_memory_equal(a.in, "\0\10\0\0\0\11\0\0\0", 9);
	/* A command for all transmit queues overrides it. */
	assert_int_equal(client_command(&c, 6, 0, "\1\0\0\0\2\0\0", 8), 0);
	client_post(&c, 1, get, sizeof(get));
	client_kick(&c);
	assert_int_equal(client_used(&c, 2000, &a), 0);
	assert_memory_equal(a.in, "\0\1\0\0\0\2\0\0\0", 9);
	assert_int_equal(
		vdpr_dev_vring(c.dev, VHOST_VDPA_SET_VRING_ENABLE, 1, 0), 0);
	client_post(&c, 1, get, sizeof(get));
	client_kick(&c);
	assert_int_equal(client_used(&c, 2000, &a), 0);
	assert_int_equal(a.in[0], 1);
	assert_int_equal(a.len, 1);
	client_close(&c);
}

static void refused_command_changes_nothing(void **state)
{
	const struct sim *sim;
	struct client c;

	(void)state;
	client_run(&c, "sim:refuse=4.0,refuse=2.0", 0);
	sim = (const struct sim *)c.dev;
	assert_int_equal(client_command(&c, 4, 0, "\2", 2), 1);
	assert_int_equal(client_command(&c, 2, 0, "\2", 2), 1);
	assert_int_equal(client_command(&c, 2, 1, "\2", 2), 0);
	assert_int_equal(sim->net.pairs, 1);
	assert_int_equal(sim->net.vlan[0], 0);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_in_and_out_of_range),
		cmocka_unit_test(steering_values_in_and_out_of_range),
		cmocka_unit_test(class_that_is_not_negotiated_is_refused),
		cmocka_unit_test(cvq_is_behind_the_pairs_with_mq_or_rss),
		cmocka_unit_test(pairs_and_hash_end_rss),
		cmocka_unit_test(mac_command_shows_in_config_until_reset),
		cmocka_unit_test(
			queue_coalescing_is_read_back_and_lost_when_disabled),
		cmocka_unit_test(refused_command_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
