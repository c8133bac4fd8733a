/* SPDX-License-Identifier: MIT */
/* The simulator: its words, its life, its rings, its misbehaviours. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

#include "restore/sim.h"
#include "restore/state.h"
#include "tests/sim-client.h"

/* ----------------------------------------------------------------- the words */

static int check(const char *name, char *error, size_t len)
{
	struct vdpr_ctx *ctx;
	int ret;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	ret = vdpr_sim_check(ctx, name);
	(void)snprintf(error, len, "%s", vdpr_ctx_error(ctx));
	if (ret)
		assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_USAGE);
	vdpr_ctx_free(ctx);
	return ret;
}

static void good_words_are_accepted(void **state)
{
	static const char *const good[] = {
		"sim",
		"sim:pairs=1",
		"sim:pairs=64,queue-size=1024,cvq-size=16",
		"sim:features=0x3",
		"sim:features=+RING_PACKED-MQ+bit_100",
		"sim:features=0xffffffffffffffffffffffffffffffff",
		"sim:mac=02:00:00:00:00:FF,mtu=68",
		"sim:key-size=0,table-size=1",
		"sim:isolated=off,enable-after-driver-ok=ignored,delay=10",
		"sim:refuse=4.1,refuse=2.0,stall=255.255",
		"sim:hostile=late,hostile=used-id,quirk=cvq16,quirk=doorbell",
		"sim:dump=/tmp/a:b=c,busy=off",
	};
	char error[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (check(good[i], error, sizeof(error)))
			fail_msg("%s: %s", good[i], error);
}

static void bad_words_are_refused_by_name(void **state)
{
	static const struct {
		const char *word, *says;
	} bad[] = {
		{ "sim:", "unknown key" },
		{ "sim:pears=4", "'pears': unknown key" },
		{ "sim:pairs", "pairs: no value" },
		{ "sim:pairs=0", "pairs: bad value '0'" },
		{ "sim:pairs=65", "1..64" },
		{ "sim:pairs=4,", "unknown key" },
		{ "sim:pairs=4,pairs=5", "pairs: given twice" },
		{ "sim:pairs=+4", "bad value" },
		{ "sim:queue-size=100", "a power of two" },
		{ "sim:cvq-size=65536", "a power of two" },
		{ "sim:features=MQ", "features: bad value 'MQ'" },
		{ "sim:features=+NOSUCH", "+NOSUCH" },
		{ "sim:features=", "features: bad value ''" },
		{ "sim:features=+", "bad value" },
		{ "sim:features=0x100000000000000000000000000000000", "bad" },
		{ "sim:mac=01:00:00:00:00:01", "unicast" },
		{ "sim:mac=52:54:00:12:34", "unicast" },
		{ "sim:mtu=67", "68..65535" },
		{ "sim:key-size=256", "0..255" },
		{ "sim:table-size=0", "1..65535" },
		{ "sim:isolated=yes", "on or off" },
		{ "sim:enable-after-driver-ok=maybe", "ignored" },
		{ "sim:delay=60000001", "60000000" },
		{ "sim:refuse=4", "CLASS.COMMAND" },
		{ "sim:refuse=4.256", "CLASS.COMMAND" },
		{ "sim:stall=.1", "CLASS.COMMAND" },
		{ "sim:stall=0000.1", "CLASS.COMMAND" },
		{ "sim:hostile=nice", "used-jump" },
		{ "sim:quirk=none", "doorbell" },
		{ "sim:dump=", "dump" },
		{ "sims", "not sim" },
	};
	char error[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int ret = check(bad[i].word, error, sizeof(error));

		if (ret != -EINVAL || !strstr(error, bad[i].says))
			fail_msg("%s: %d, %s", bad[i].word, ret, error);
	}
}

static void busy_device_cannot_be_opened(void **state)
{
	struct vdpr_dev *dev = NULL;
	struct vdpr_ctx *ctx;

	(void)state;
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	assert_int_equal(vdpr_sim_open(ctx, "sim:busy=on", &dev), -EBUSY);
	assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_ACCESS);
	assert_null(dev);
	vdpr_ctx_free(ctx);
}

/* --------------------------------------------------------------------- examine */

static void examined_device_is_what_its_words_say(void **state)
{
	struct vdpr_net_config config;
	struct vdpr_features features;
	struct vdpr_iova_range range;
	uint64_t backend = 0;
	uint32_t n = 0;
	uint16_t num = 0;
	struct client c;

	(void)state;
	client_open(&c, "sim:pairs=3,queue-size=512,mtu=9000", 0);
	assert_int_equal(vdpr_dev_get_features(c.dev, &features), 0);
	assert_int_equal(features.word[0], 0x9230000330ffffafull);
	assert_int_equal(vdpr_dev_get_backend(c.dev, &backend), 0);
	assert_int_equal(backend, 0x17e);
	assert_int_equal(vdpr_dev_get_u32(c.dev, VHOST_VDPA_GET_VQS_COUNT, &n),
			 0);
	assert_int_equal(n, 7);
	assert_int_equal(vdpr_dev_get_u32(c.dev, VHOST_VDPA_GET_AS_NUM, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(vdpr_dev_get_vring_num(c.dev, &num), 0);
	assert_int_equal(num, 512);
	assert_int_equal(
		vdpr_dev_vring_get(c.dev, VHOST_VDPA_GET_VRING_SIZE, 6, &n), 0);
	assert_int_equal(n, 64);
	assert_int_equal(vdpr_dev_get_iova_range(c.dev, &range), 0);
	assert_true(range.last == UINT64_MAX);
	assert_int_equal(vdpr_dev_read_config(c.dev, &features, 24, &config),
			 0);
	assert_int_equal(config.max_virtqueue_pairs, 3);
	assert_int_equal(config.mtu, 9000);
	assert_int_equal(config.speed, 25000);
	assert_int_equal(config.supported_hash_types, 0x3f);
	assert_true(config.link_up);
	client_close(&c);
}

static void high_features_come_through_the_array(void **state)
{
	struct vdpr_features features;
	uint8_t bits[8];
	struct client c;

	(void)state;
	client_open(&c, "sim:features=+GUEST_UDP_TUNNEL_GSO", 0);
	assert_int_equal(vdpr_dev_get_features(c.dev, &features), 0);
	assert_int_equal(features.word[1], 2);
	assert_int_equal(client_start(&c), 15);
	/* Offload bit 46 stands for feature 65. */
	vdpr_put_le64(bits, BIT_ULL(46));
	assert_int_equal(client_command(&c, 5, 0, bits, 8), 0);
	vdpr_put_le64(bits, BIT_ULL(47));
	assert_int_equal(client_command(&c, 5, 0, bits, 8), 1);
	client_close(&c);
}

static void late_enable_is_promised_only_when_on(void **state)
{
	static const char *const words[] = {
		"sim:enable-after-driver-ok=off",
		"sim:enable-after-driver-ok=ignored",
	};
	uint8_t mac[6] = { 2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		uint64_t backend = 0;
		struct client c;

		client_open(&c, words[i], 0);
		assert_int_equal(vdpr_dev_get_backend(c.dev, &backend), 0);
		assert_int_equal(backend, 0x13e);
		assert_int_equal(vdpr_dev_set_status(c.dev, 15), 0);
		assert_int_equal(vdpr_dev_vring(c.dev,
						VHOST_VDPA_SET_VRING_ENABLE,
						c.cvq, 1),
				 0);
		if (i == 0)
			assert_int_equal(client_command(&c, 1, 1, mac, 6), 0);
		client_kick(&c);
		if (i == 1) {
			struct client_answer answer;

			client_post(&c, 0, mac, 6);
			client_kick(&c);
			assert_int_equal(client_used(&c, 50, &answer), -ETIME);
		}
		client_close(&c);
	}
}

/* ----------------------------------------------------------------------- rings */

/* Formats: features on top of those that the client takes by itself. */
static const struct {
	const char *name;
	uint64_t bits;
} formats[] = {
	{ "split", 0 },
	{ "split event", BIT_ULL(VIRTIO_RING_F_EVENT_IDX) },
	{ "split indirect", BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) },
	{ "split in order", BIT_ULL(VIRTIO_F_IN_ORDER) },
	{ "split all", BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |
			       BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |
			       BIT_ULL(VIRTIO_F_IN_ORDER) },
	{ "packed", BIT_ULL(VIRTIO_F_RING_PACKED) },
	{ "packed event",
	  BIT_ULL(VIRTIO_F_RING_PACKED) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX) },
	{ "packed indirect", BIT_ULL(VIRTIO_F_RING_PACKED) |
				     BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) },
	{ "packed all", BIT_ULL(VIRTIO_F_RING_PACKED) |
				BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |
				BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |
				BIT_ULL(VIRTIO_F_IN_ORDER) },
};

#define BASE_FEATURES                                                    \
	(0x9230000330ffffafull & ~BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) & \
	 ~BIT_ULL(VIRTIO_RING_F_EVENT_IDX))

static const char all_formats[] = "sim:features=+RING_PACKED+IN_ORDER";

static void every_format_goes_round_many_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct client c;

		client_run(&c, all_formats, BASE_FEATURES | formats[i].bits);
		for (uint16_t id = 0; id < 500; id++) {
			uint8_t vlan[2];

			vdpr_put_le16(vlan, id);
			if (client_command(&c, 2, 0, vlan, 2))
				fail_msg("%s: VLAN %u", formats[i].name, id);
		}
		client_close(&c);
	}
}

static void one_kick_serves_a_full_ring(void **state)
{
	static const uint8_t vlan[4] = { 2, 0, 7, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct client c;

		client_run(&c, all_formats, BASE_FEATURES | formats[i].bits);
		for (unsigned int lap = 0; lap < 20; lap++) {
			for (unsigned int slot = 0; slot < CLIENT_NUM / 2;
			     slot++)
				client_post(&c, slot, vlan, sizeof(vlan));
			client_kick(&c);
			for (unsigned int slot = 0; slot < CLIENT_NUM / 2;
			     slot++) {
				struct client_answer a;

				if (client_used(&c, 2000, &a) || a.id != slot ||
				    a.len != 1 || a.in[0])
					fail_msg("%s: slot %u", formats[i].name,
						 slot);
			}
		}
		client_close(&c);
	}
}

/* Waits for a 16-bit field that the device writes when it has run dry. */
static bool field_becomes(const uint8_t *p, uint16_t want)
{
	for (int i = 0; i < 400; i++) {
		uint16_t raw = __atomic_load_n(
			(const uint16_t *)(const void *)p, __ATOMIC_ACQUIRE);

		if (vdpr_get_le16(&raw) == want)
			return true;
		(void)nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
	}
	return false;
}

static void idle_device_asks_for_the_next_kick(void **state)
{
	uint64_t event = BASE_FEATURES | BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
	struct client c;

	(void)state;
	client_run(&c, all_formats, event);
	for (uint16_t i = 1; i <= 20; i++) {
		assert_int_equal(client_command(&c, 2, 0, "\7", 2), 0);
		assert_true(field_becomes(c.mem + 0x2004 + 8 * CLIENT_NUM, i));
	}
	client_close(&c);
	client_run(&c, all_formats, event | BIT_ULL(VIRTIO_F_RING_PACKED));
	for (int i = 1; i <= 20; i++) {
		assert_int_equal(client_command(&c, 2, 0, "\7", 2), 0);
		assert_true(field_becomes(c.mem + 0x2000, c.avail));
		assert_true(field_becomes(c.mem + 0x2002,
					  VRING_PACKED_EVENT_FLAG_DESC));
	}
	client_close(&c);
}

static void interrupts_that_are_not_wanted_are_not_sent(void **state)
{
	static const uint8_t vlan[4] = { 2, 0, 7, 0 };
	struct client_answer a = { 0 };
	eventfd_t value;
	struct client c;

	(void)state;
	client_run(&c, "sim", 0);
	vdpr_put_le16(c.mem + 0x1000, VRING_AVAIL_F_NO_INTERRUPT);
	client_post(&c, 0, vlan, sizeof(vlan));
	client_kick(&c);
	assert_int_equal(client_used(&c, 60, &a), 0);
	assert_int_equal(eventfd_read(c.call, &value), -1);
	client_close(&c);
}

static void kick_before_driver_ok_is_lost(void **state)
{
	static const uint8_t vlan[4] = { 2, 0, 7, 0 };
	struct client_answer a;
	struct client c;

	(void)state;
	client_open(&c, "sim", 0);
	client_post(&c, 0, vlan, sizeof(vlan));
	client_kick(&c);
	assert_int_equal(client_used(&c, 30, &a), -ETIME);
	assert_int_equal(client_start(&c), 15);
	assert_int_equal(client_used(&c, 30, &a), -ETIME);
	client_kick(&c);
	assert_int_equal(client_used(&c, 2000, &a), 0);
	client_close(&c);
}

static void suspended_device_answers_after_resume(void **state)
{
	static const uint8_t vlan[4] = { 2, 0, 7, 0 };
	struct client_answer a;
	uint32_t base = 99;
	struct client c;

	(void)state;
	client_run(&c, "sim", 0);
	assert_int_equal(vdpr_dev_ioctl(c.dev, VHOST_VDPA_SUSPEND, NULL), 0);
	client_post(&c, 0, vlan, sizeof(vlan));
	client_kick(&c);
	assert_int_equal(client_used(&c, 30, &a), -ETIME);
	assert_int_equal(
		vdpr_dev_vring_get(c.dev, VHOST_GET_VRING_BASE, c.cvq, &base),
		0);
	assert_int_equal(base, 0);
	assert_int_equal(vdpr_dev_ioctl(c.dev, VHOST_VDPA_RESUME, NULL), 0);
	assert_int_equal(client_used(&c, 2000, &a), 0);
	client_close(&c);
}

static void broken_ring_breaks_the_device(void **state)
{
	uint8_t status = 0;
	eventfd_t value;
	struct client c;

	(void)state;
	client_run(&c, "sim", 0);
	assert_int_equal(vdpr_dev_set_config_call(c.dev, c.call), 0);
	client_post(&c, 0, "\2\0\7", 4);
	/* An address that nothing is mapped at. */
	vdpr_put_le64(c.mem, 0xdead0000);
	__atomic_store_n((uint16_t *)(void *)(c.mem + 0x1002), 1,
			 __ATOMIC_RELEASE);
	client_kick(&c);
	for (int i = 0; i < 200 && eventfd_read(c.call, &value); i++)
		(void)nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
	assert_int_equal(vdpr_dev_get_status(c.dev, &status), 0);
	assert_int_equal(status, 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	client_close(&c);
}

static void transmit_completes_and_receive_waits(void **state)
{
	struct client c;

	(void)state;
	/* The client's ring becomes that of queue 1, then of queue 0. */
	for (uint32_t queue = 0; queue < 2; queue++) {
		struct client_answer a;

		client_open(&c, "sim:isolated=off", 0);
		c.cvq = queue;
		assert_int_equal(vdpr_dev_vring(c.dev, VHOST_SET_VRING_NUM,
						queue, c.num),
				 0);
		assert_int_equal(vdpr_dev_vring_addr(c.dev, queue, CLIENT_IOVA,
						     CLIENT_IOVA + 0x1000,
						     CLIENT_IOVA + 0x2000),
				 0);
		assert_int_equal(vdpr_dev_vring_fd(c.dev, VHOST_SET_VRING_KICK,
						   queue, c.kick),
				 0);
		assert_int_equal(vdpr_dev_vring_fd(c.dev, VHOST_SET_VRING_CALL,
						   queue, c.call),
				 0);
		assert_int_equal(client_start(&c), 15);
		client_post(&c, 3, "frame", 5);
		client_kick(&c);
		assert_int_equal(client_used(&c, queue ? 2000 : 40, &a),
				 queue ? 0 : -ETIME);
		if (queue)
			assert_int_equal(a.len, 0);
		client_close(&c);
	}
}

static void reset_during_delay_stops_the_answer(void **state)
{
	static const uint8_t vlan[4] = { 2, 0, 7, 0 };
	struct client_answer a;
	uint8_t status = 0xff;
	struct client c;

	(void)state;
	client_run(&c, "sim:delay=200000", 0);
	client_post(&c, 0, vlan, sizeof(vlan));
	client_kick(&c);
	(void)nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
	assert_int_equal(vdpr_dev_set_status(c.dev, 0), 0);
	memset(c.mem, 0, CLIENT_LEN);
	assert_int_equal(client_used(&c, 300, &a), -ETIME);
	assert_int_equal(vdpr_dev_get_status(c.dev, &status), 0);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < CLIENT_LEN; i++)
		assert_int_equal(c.mem[i], 0);
	client_close(&c);
}

static void doorbell_carries_the_notification(void **state)
{
	static const uint8_t vlan[2] = { 7, 0 };
	uint64_t features = BASE_FEATURES | BIT_ULL(VIRTIO_F_RING_PACKED) |
			    BIT_ULL(VIRTIO_F_NOTIFICATION_DATA);
	struct client_answer a;
	struct client c;

	(void)state;
	client_run(&c, "sim:quirk=doorbell", features);
	client_post(&c, 0, "\2\0\7", 4);
	client_kick(&c);
	assert_int_equal(client_used(&c, 40, &a), -ETIME);
	assert_int_equal(c.dev->ops->doorbell(c.dev, c.cvq, &c.doorbell), 0);
	/* A position that says nothing is new. */
	*(uint32_t *)c.doorbell = c.cvq | 0x8000u << 16;
	assert_int_equal(client_used(&c, 40, &a), -ETIME);
	client_kick(&c);
	assert_int_equal(client_used(&c, 2000, &a), 0);
	for (int i = 0; i < 40; i++)
		assert_int_equal(client_command(&c, 2, 0, vlan, 2), 0);
	assert_string_equal(c.dev->driver, "octep_vdpa");
	client_close(&c);
}

static void cvq16_uses_sixteen_whatever_is_set(void **state)
{
	struct client_answer a;
	struct client c;
	uint32_t n;

	(void)state;
	client_run(&c, "sim:quirk=cvq16", 0);
	assert_int_equal(
		vdpr_dev_vring_get(c.dev, VHOST_VDPA_GET_VRING_SIZE, 8, &n),
		-ENOTTY);
	for (int i = 0; i < 40; i++)
		assert_int_equal(client_command(&c, 2, 0, "\7", 2), 0);
	client_close(&c);

	client_open(&c, "sim:quirk=cvq16", 0);
	c.num = 32;
	assert_int_equal(vdpr_dev_vring(c.dev, VHOST_SET_VRING_NUM, c.cvq, 32),
			 0);
	assert_int_equal(client_start(&c), 15);
	for (int i = 0; i < 16; i++)
		assert_int_equal(client_command(&c, 2, 0, "\7", 2), 0);
	/* The device begins its second lap where the driver is in its first. */
	client_post(&c, 0, "\2\0\7", 4);
	client_kick(&c);
	assert_int_equal(client_used(&c, 2000, &a), 0);
	assert_int_equal(a.len, 0);
	client_close(&c);
}

static void exact_size_fails_on_another_size(void **state)
{
	struct client c;

	(void)state;
	client_open(&c, "sim:quirk=exact-size", 0);
	assert_int_equal(client_start(&c), 11 | VIRTIO_CONFIG_S_FAILED);
	client_close(&c);
	client_run(&c, "sim:quirk=exact-size,queue-size=16", 0);
	assert_int_equal(client_command(&c, 2, 0, "\7", 2), 0);
	client_close(&c);
}

/* ------------------------------------------------------------------- hostility */

/* One command to a hostile device. */
static int hostile_answer(const char *word, struct client *c,
			  struct client_answer *a)
{
	memset(a, 0, sizeof(*a));
	client_run(c, word, 0);
	client_post(c, 0, "\2\0\7", 4);
	client_kick(c);
	return client_used(c, 2000, a);
}

static void hostile_used_ring_is_as_asked(void **state)
{
	struct client_answer a;
	struct client c;

	(void)state;
	assert_int_equal(hostile_answer("sim:hostile=used-id", &c, &a), 0);
	assert_true(a.id >= CLIENT_NUM / 2);
	client_close(&c);
	assert_int_equal(hostile_answer("sim:hostile=len-0", &c, &a), 0);
	assert_int_equal(a.len, 0);
	client_close(&c);
	assert_int_equal(hostile_answer("sim:hostile=len-huge", &c, &a), 0);
	assert_true(a.len > CLIENT_LEN);
	client_close(&c);
	assert_int_equal(hostile_answer("sim:hostile=ack-garbage", &c, &a), 0);
	assert_int_equal(a.in[0], 0x5a);
	client_close(&c);
	assert_int_equal(hostile_answer("sim:hostile=used-repeat", &c, &a), 0);
	assert_int_equal(vdpr_get_le16(c.mem + 0x2002), 2);
	client_close(&c);
	(void)hostile_answer("sim:hostile=used-jump", &c, &a);
	assert_int_equal(vdpr_get_le16(c.mem + 0x2002), CLIENT_NUM + 1);
	client_close(&c);
	(void)hostile_answer("sim:hostile=used-back", &c, &a);
	assert_int_equal(vdpr_get_le16(c.mem + 0x2002), 0xffff);
	client_close(&c);
}

static void hostile_status_is_as_asked(void **state)
{
	struct client_answer a;
	uint8_t status = 0;
	struct client c;

	(void)state;
	client_open(&c, "sim:hostile=no-features-ok", 0);
	assert_int_equal(vdpr_dev_get_status(c.dev, &status), 0);
	assert_int_equal(status, 3);
	client_close(&c);
	client_open(&c, "sim:hostile=no-driver-ok", 0);
	assert_int_equal(client_start(&c), 11);
	client_close(&c);
	client_run(&c, "sim:hostile=needs-reset", 0);
	client_post(&c, 0, "\2\0\7", 4);
	client_kick(&c);
	assert_int_equal(client_used(&c, 60, &a), -ETIME);
	assert_int_equal(vdpr_dev_get_status(c.dev, &status), 0);
	assert_int_equal(status, 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	client_close(&c);
}

static void changed_config_holds_until_the_reset(void **state)
{
	uint8_t config[24];
	eventfd_t value = 0;
	struct client c;

	(void)state;
	client_open(&c, "sim:hostile=config-change", 0);
	assert_int_equal(vdpr_dev_set_config_call(c.dev, c.call), 0);
	assert_int_equal(client_start(&c), 15);
	assert_int_equal(eventfd_read(c.call, &value), 0);
	assert_int_equal(vdpr_dev_get_config(c.dev, 0, config, 24), 0);
	assert_int_equal(vdpr_get_le16(config + 8), 1);
	assert_int_equal(vdpr_get_le16(config + 10), 68);
	assert_int_not_equal(config[5], 0x56);
	assert_int_equal(client_command(&c, 4, 0, "\2", 2), 1);
	assert_int_equal(vdpr_dev_set_status(c.dev, 0), 0);
	assert_int_equal(vdpr_dev_get_config(c.dev, 0, config, 24), 0);
	assert_int_equal(vdpr_get_le16(config + 8), 4);
	client_close(&c);
}

static void late_answer_comes_within_the_reset(void **state)
{
	struct client_answer a;
	struct client c;

	(void)state;
	client_run(&c, "sim:hostile=late", 0);
	client_post(&c, 0, "\2\0\7", 4);
	client_kick(&c);
	assert_int_equal(client_used(&c, 60, &a), -ETIME);
	assert_int_equal(vdpr_dev_set_status(c.dev, 0), 0);
	assert_int_equal(vdpr_get_le16(c.mem + 0x2002), 1);
	assert_int_equal(c.mem[CLIENT_IN], 0);
	client_close(&c);
}

static void stalled_command_stops_all_that_follow(void **state)
{
	struct client_answer a;
	struct client c;

	(void)state;
	client_run(&c, "sim:stall=1.1", 0);
	assert_int_equal(client_command(&c, 2, 0, "\7", 2), 0);
	client_post(&c, 1, "\1\1\2\0\0\0\0", 8);
	client_post(&c, 2, "\2\0\7", 4);
	client_kick(&c);
	assert_int_equal(client_used(&c, 60, &a), -ETIME);
	client_kick(&c);
	assert_int_equal(client_used(&c, 60, &a), -ETIME);
	client_close(&c);
}

/* ------------------------------------------------------------------------ dump */

static struct vdpr_state *read_dump(const char *path)
{
	struct vdpr_state *dump = NULL;
	struct vdpr_ctx *ctx;
	int ret;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	ret = vdpr_state_read(ctx, path, &dump);
	if (ret)
		fail_msg("%s: %s", path, vdpr_ctx_error(ctx));
	vdpr_ctx_free(ctx);
	(void)unlink(path);
	return dump;
}

static void dump_shows_what_was_commanded(void **state)
{
	char path[] = "/tmp/vdpr-test-sim-XXXXXX";
	char word[64];
	struct vdpr_state *dump;
	struct client c;

	(void)state;
	vdpr_close_fd(mkstemp(path));
	(void)snprintf(word, sizeof(word), "sim:dump=%s", path);
	client_run(&c, word, 0);
	assert_int_equal(client_command(&c, 1, 1, "\2\0\0\0\0\7", 6), 0);
	assert_int_equal(client_command(&c, 2, 0, "\7", 2), 0);
	assert_int_equal(client_command(&c, 4, 0, "\3", 2), 0);
	assert_int_equal(client_command(&c, 0, 0, "\1", 1), 0);
	client_close(&c);
	dump = read_dump(path);
	assert_true(dump->negotiated_known);
	assert_memory_equal(dump->mac, "\2\0\0\0\0\7", 6);
	assert_true(vdpr_vlan_has(dump, 7));
	assert_int_equal(dump->queue_pairs, 3);
	assert_int_equal(dump->member[VDPR_RX_PROMISCUOUS], VDPR_KNOWN);
	assert_int_equal(dump->member[VDPR_RSS], VDPR_NULL);
	assert_int_equal(dump->n_vrings, 9);
	assert_true(dump->vrings[8].enabled);
	assert_int_equal(dump->vrings[8].base, 4);
	assert_int_equal(dump->vrings[8].size, CLIENT_NUM);
	assert_false(dump->vrings[0].enabled);
	vdpr_state_free(dump);
}

static void dump_after_reset_shows_nothing(void **state)
{
	char path[] = "/tmp/vdpr-test-sim-XXXXXX";
	char word[64];
	struct vdpr_state *dump;
	struct client c;

	(void)state;
	vdpr_close_fd(mkstemp(path));
	(void)snprintf(word, sizeof(word), "sim:dump=%s", path);
	client_run(&c, word, 0);
	assert_int_equal(client_command(&c, 2, 0, "\7", 2), 0);
	assert_int_equal(vdpr_dev_set_status(c.dev, 0), 0);
	client_close(&c);
	dump = read_dump(path);
	assert_true(dump->negotiated_known);
	assert_true(vdpr_features_empty(&dump->negotiated));
	for (size_t m = 0; m < VDPR_MEMBER_COUNT; m++)
		assert_int_equal(dump->member[m], VDPR_ABSENT);
	assert_int_equal(dump->n_vrings, 9);
	assert_false(dump->vrings[8].enabled);
	vdpr_state_free(dump);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_words_are_accepted),
		cmocka_unit_test(bad_words_are_refused_by_name),
		cmocka_unit_test(busy_device_cannot_be_opened),
		cmocka_unit_test(examined_device_is_what_its_words_say),
		cmocka_unit_test(high_features_come_through_the_array),
		cmocka_unit_test(late_enable_is_promised_only_when_on),
		cmocka_unit_test(every_format_goes_round_many_times),
		cmocka_unit_test(one_kick_serves_a_full_ring),
		cmocka_unit_test(idle_device_asks_for_the_next_kick),
		cmocka_unit_test(interrupts_that_are_not_wanted_are_not_sent),
		cmocka_unit_test(kick_before_driver_ok_is_lost),
		cmocka_unit_test(suspended_device_answers_after_resume),
		cmocka_unit_test(broken_ring_breaks_the_device),
		cmocka_unit_test(transmit_completes_and_receive_waits),
		cmocka_unit_test(reset_during_delay_stops_the_answer),
		cmocka_unit_test(doorbell_carries_the_notification),
		cmocka_unit_test(cvq16_uses_sixteen_whatever_is_set),
		cmocka_unit_test(exact_size_fails_on_another_size),
		cmocka_unit_test(hostile_used_ring_is_as_asked),
		cmocka_unit_test(hostile_status_is_as_asked),
		cmocka_unit_test(changed_config_holds_until_the_reset),
		cmocka_unit_test(late_answer_comes_within_the_reset),
		cmocka_unit_test(stalled_command_stops_all_that_follow),
		cmocka_unit_test(dump_shows_what_was_commanded),
		cmocka_unit_test(dump_after_reset_shows_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
