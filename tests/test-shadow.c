/* SPDX-License-Identifier: MIT */
/* The shadow control virtqueue between a toy guest and a device that is played. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "restore/shadow.h"
#include "restore/uapi.h"
#include "tests/fake-cvq.h"
#include "tests/guest.h"

#define PACKED BIT_ULL(VIRTIO_F_RING_PACKED)
#define EVENT BIT_ULL(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)
#define IN_ORDER BIT_ULL(VIRTIO_F_IN_ORDER)
#define ANNOUNCE BIT_ULL(VIRTIO_NET_F_GUEST_ANNOUNCE)

/* CTRL_VQ, CTRL_RX, CTRL_VLAN, MQ, CTRL_MAC_ADDR, VERSION_1, NOTF_COAL. */
#define BASIC                                                                  \
	(BIT_ULL(17) | BIT_ULL(18) | BIT_ULL(19) | BIT_ULL(22) | BIT_ULL(23) | \
	 BIT_ULL(32) | BIT_ULL(53) | BIT_ULL(52) | BIT_ULL(60))

static const uint64_t every_format[] = { 0,
					 EVENT,
					 INDIRECT,
					 EVENT | INDIRECT,
					 IN_ORDER,
					 PACKED,
					 PACKED | EVENT,
					 PACKED | INDIRECT,
					 PACKED | EVENT | INDIRECT,
					 PACKED | IN_ORDER };

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state; /* at reset */
	struct fake_cvq fake;
	struct guest guest;
	struct vdpr_shadow *shadow;
	unsigned int events; /* all so far */
};

static struct vdpr_ring_format format_of(uint64_t features)
{
	return (struct vdpr_ring_format){
		.ops = features & PACKED ? &vdpr_ring_packed : &vdpr_ring_split,
		.event_idx = features & EVENT,
		.indirect = features & INDIRECT,
		.in_order = features & IN_ORDER,
	};
}

static void setup_with(struct world *w, uint64_t more, uint16_t num,
		       uint32_t answer_msec)
{
	const struct vdpr_features f = { { BASIC | more, 0 } };
	const struct vdpr_ring_format format = format_of(more);
	struct vdpr_shadow_opts opts = VDPR_INIT(struct vdpr_shadow_opts);
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);
	struct vdpr_guest_ring_opts ring;

	memset(w, 0, sizeof(*w));
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	assert_int_equal(vdpr_state_new(w->ctx, &w->state), 0);
	config.has = VDPR_CONFIG_MAX_PAIRS;
	config.max_virtqueue_pairs = 4;
	if (vdpr_state_start(w->ctx, w->state, NULL, &f, &config, 0))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
	fake_open(&w->fake, &format, num);
	guest_open(&w->guest, &format, 64);
	opts.regions = &w->guest.region;
	opts.n_regions = 1;
	opts.answer_msec = answer_msec;
	assert_int_equal(
		vdpr_shadow_new(w->ctx, &w->fake.dev, &opts, &w->shadow), 0);
	ring = guest_opts(&w->guest);
	if (vdpr_shadow_start(w->ctx, w->shadow, w->state, &ring))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
}

static void setup(struct world *w, uint64_t more, uint16_t num)
{
	setup_with(w, more, num, 0);
}

static void done(struct world *w)
{
	vdpr_shadow_free(w->shadow);
	guest_close(&w->guest);
	fake_close(&w->fake);
	vdpr_state_free(w->state);
	vdpr_ctx_free(w->ctx);
}

static int process(struct world *w)
{
	unsigned int events = 0;
	int ret = vdpr_shadow_process(w->ctx, w->shadow, &events);

	w->events |= events;
	return ret;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Whoever has something to do is woken: nothing else is called. */
static void settle(struct world *w)
{
	bool moved = true;

	while (moved) {
		moved = readable(vdpr_shadow_fd(w->shadow));
		if (moved)
			assert_int_equal(process(w), 0);
		if (readable(w->fake.dev.cvq->kick_fd)) {
			vdpr_eventfd_take(w->fake.dev.cvq->kick_fd);
			fake_accept(&w->fake);
			moved = true;
		}
	}
}

/* The next answer is that of a slot, with these bytes. */
static void expect(struct world *w, unsigned int slot, const void *answer,
		   size_t len)
{
	unsigned int got = 0;
	uint32_t used = 0;

	assert_int_equal(guest_take(&w->guest, &got, &used), 1);
	assert_int_equal(got, slot);
	assert_int_equal(used, len);
	assert_memory_equal(guest_answer(&w->guest, slot), answer, len);
	/* Not a byte more. */
	if (w->guest.in_len[slot] > len)
		assert_int_equal(guest_answer(&w->guest, slot)[len], 0xee);
}

static struct vdpr_state *saved(struct world *w)
{
	struct vdpr_state *state = NULL;
	struct vdpr_state *again = NULL;
	char *text = NULL;

	if (vdpr_shadow_save(w->ctx, w->shadow, &state) ||
	    vdpr_state_format(w->ctx, state, &text, NULL) ||
	    vdpr_state_parse(w->ctx, text, strlen(text), &again))
		fail_msg("%s\n%s", vdpr_ctx_error(w->ctx), text ? text : "");
	free(text);
	vdpr_state_free(state);
	return again;
}

static const uint8_t ok = VIRTIO_NET_OK;
static const uint8_t err = VIRTIO_NET_ERR;

/* ----------------------------------------------------------------- relaying */

/* Woken by eventfds alone, in every format, over many laps of both rings. */
static void test_every_format(void **data)
{
	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(every_format); i++) {
		struct vdpr_state *state;
		struct world w;

		setup(&w, every_format[i], 64);
		for (unsigned int k = 0; k < 300; k++) {
			unsigned int count = 1 + k % 24;
			uint8_t id[2];

			for (unsigned int n = 0; n < count; n++) {
				vdpr_put_le16(id, (uint16_t)((k + n) % 4096));
				guest_send(&w.guest, n, VIRTIO_NET_CTRL_VLAN,
					   VIRTIO_NET_CTRL_VLAN_ADD, id, 2, 1);
			}
			guest_show(&w.guest);
			settle(&w);
			for (unsigned int n = 0; n < count; n++)
				expect(&w, n, &ok, 1);
		}
		state = saved(&w);
		assert_true(vdpr_vlan_has(state, 0));
		assert_true(vdpr_vlan_has(state, 300));
		assert_false(vdpr_vlan_has(state, 400));
		assert_int_equal(w.events, 0);
		vdpr_state_free(state);
		done(&w);
	}
}

/* Many are on their way at once, and one that is answered late holds up the
 * answers behind it, for the guest's sake, but not the device. */
static void test_pipelined_and_in_order(void **data)
{
	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(every_format); i++) {
		struct fake_command c[VDPR_RELAY_SHORT];
		unsigned int slot;
		uint32_t len;
		struct world w;

		/* The device must answer in order, too, with that feature. */
		if (every_format[i] & IN_ORDER)
			continue;
		setup(&w, every_format[i], 64);
		for (unsigned int n = 0; n < VDPR_RELAY_SHORT; n++) {
			uint8_t id[2] = { (uint8_t)n, 0 };

			guest_send(&w.guest, n, VIRTIO_NET_CTRL_VLAN,
				   VIRTIO_NET_CTRL_VLAN_ADD, id, 2, 1);
		}
		guest_show(&w.guest);
		assert_int_equal(process(&w), 0);
		for (unsigned int n = 0; n < VDPR_RELAY_SHORT; n++)
			assert_true(fake_next(&w.fake, &c[n]));
		for (unsigned int n = VDPR_RELAY_SHORT - 1; n > 0; n--)
			fake_answer(&w.fake, &c[n], n % 2 ? &err : &ok, 1, 1);
		assert_int_equal(process(&w), 0);
		assert_int_equal(guest_take(&w.guest, &slot, &len), 0);
		fake_answer(&w.fake, &c[0], &ok, 1, 1);
		assert_int_equal(process(&w), 0);
		for (unsigned int n = 0; n < VDPR_RELAY_SHORT; n++)
			expect(&w, n, n % 2 ? &err : &ok, 1);
		done(&w);
	}
}

/* More than there are places for, on a device's ring that is smaller still. */
static void test_more_than_fits(void **data)
{
	struct world w;

	(void)data;
	setup(&w, 0, 4);
	for (unsigned int n = 0; n < 32; n++)
		guest_send(&w.guest, n, VIRTIO_NET_CTRL_RX,
			   VIRTIO_NET_CTRL_RX_PROMISC, "\1", 1, 1);
	guest_show(&w.guest);
	settle(&w);
	for (unsigned int n = 0; n < 32; n++)
		expect(&w, n, &ok, 1);
	done(&w);
}

/* Sixty-four kilobytes there and two in between come back whole. */
static void test_any_length(void **data)
{
	static uint8_t table[0x10000 - 2], answer[0x400];
	struct fake_command c;
	struct world w;

	(void)data;
	for (size_t i = 0; i < sizeof(table); i++)
		table[i] = (uint8_t)(i * 7);
	for (size_t i = 1; i < sizeof(answer); i++)
		answer[i] = (uint8_t)(i * 3);
	setup(&w, 0, 64);
	/* Two long ones: there is one place for them. */
	guest_send(&w.guest, 0, 200, 1, table, sizeof(table), 0x400);
	guest_send(&w.guest, 1, 200, 2, NULL, 0, 0x400);
	guest_send(&w.guest, 2, 200, 3, NULL, 0, 9);
	guest_show(&w.guest);
	assert_int_equal(process(&w), 0);
	assert_true(fake_next(&w.fake, &c));
	assert_int_equal(c.len, 0x10000);
	assert_memory_equal(c.data + 2, table, sizeof(table));
	assert_int_equal(c.in.len, 0x400);
	fake_answer(&w.fake, &c, answer, 0x400, 0x400);
	assert_false(fake_next(&w.fake, &c));
	assert_int_equal(process(&w), 0);
	expect(&w, 0, answer, 0x400);
	assert_true(fake_next(&w.fake, &c));
	fake_answer(&w.fake, &c, answer, 0x17f, 0x17f);
	assert_true(fake_next(&w.fake, &c));
	assert_int_equal(c.in.len, 9);
	fake_answer(&w.fake, &c, answer, 9, 9);
	assert_int_equal(process(&w), 0);
	expect(&w, 1, answer, 0x17f);
	expect(&w, 2, answer, 9);
	done(&w);
}

/* What no place can hold is refused here, in its turn. */
static void test_too_long(void **data)
{
	static uint8_t table[0x10000 - 1];
	struct vdpr_shadow_counts counts = VDPR_INIT(struct vdpr_shadow_counts);
	struct fake_command c;
	unsigned int slot;
	uint32_t len;
	struct world w;

	(void)data;
	setup(&w, 0, 64);
	guest_send(&w.guest, 0, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC,
		   "\0", 1, 1);
	guest_send(&w.guest, 1, VIRTIO_NET_CTRL_MAC,
		   VIRTIO_NET_CTRL_MAC_TABLE_SET, table, sizeof(table), 1);
	guest_show(&w.guest);
	assert_int_equal(process(&w), 0);
	assert_int_equal(guest_take(&w.guest, &slot, &len), 0);
	assert_true(fake_next(&w.fake, &c));
	fake_answer(&w.fake, &c, &ok, 1, 1);
	assert_int_equal(process(&w), 0);
	expect(&w, 0, &ok, 1);
	expect(&w, 1, &err, 1);
	vdpr_shadow_count(w.shadow, &counts);
	assert_int_equal(counts.forwarded, 1);
	assert_int_equal(counts.answered, 1);
	assert_int_equal(counts.own, 1);
	done(&w);
}

/* ---------------------------------------------------------------- recording */

static void relay_one(struct world *w, uint8_t ctrl_class, uint8_t command,
		      const void *payload, size_t len, uint8_t ack)
{
	struct fake_command c;

	guest_send(&w->guest, 0, ctrl_class, command, payload, len, 1);
	guest_show(&w->guest);
	assert_int_equal(process(w), 0);
	assert_true(fake_next(&w->fake, &c));
	fake_answer(&w->fake, &c, &ack, 1, 1);
	assert_int_equal(process(w), 0);
	expect(w, 0, &ack, 1);
}

static bool is_unknown(const struct vdpr_state *state, unsigned int class)
{
	return state->unknown_class[class / 8] >> (class % 8) & 1;
}

static void test_recorded(void **data)
{
	static const uint8_t mac[] = { 0x52, 0x54, 0, 9, 9, 9 };
	struct vdpr_state *state;
	struct world w;

	(void)data;
	setup(&w, 0, 64);
	relay_one(&w, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, 6,
		  VIRTIO_NET_OK);
	relay_one(&w, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, "\1", 1,
		  VIRTIO_NET_OK);
	/* Refused: nothing changes. */
	relay_one(&w, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, "\0", 1,
		  VIRTIO_NET_ERR);
	relay_one(&w, 77, 3, "xyz", 3, VIRTIO_NET_ERR);
	state = saved(&w);
	assert_memory_equal(state->mac, mac, 6);
	assert_true(state->all_multicast);
	assert_true(vdpr_state_is_complete(state));
	assert_int_equal(state->n_vrings, 1);
	assert_int_equal(state->vrings[0].index, 8);
	assert_int_equal(state->vrings[0].base, 4);
	vdpr_state_free(state);
	/* Accepted, of a class that nobody knows: from here on incomplete. */
	relay_one(&w, 77, 3, "xyz", 3, VIRTIO_NET_OK);
	state = saved(&w);
	assert_true(is_unknown(state, 77));
	assert_false(is_unknown(state, 78));
	assert_false(vdpr_state_is_complete(state));
	vdpr_state_free(state);
	done(&w);
}

/* A device that takes a command without its payload: what it set is unknown. */
static void test_short_payload_is_unknown(void **data)
{
	struct vdpr_state *state;
	struct world w;

	(void)data;
	setup(&w, 0, 64);
	relay_one(&w, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, "abc",
		  3, VIRTIO_NET_OK);
	state = saved(&w);
	assert_int_equal(state->member[VDPR_MAC_ADDRESS], VDPR_UNKNOWN);
	assert_int_equal(state->member[VDPR_VLAN_IDS], VDPR_KNOWN);
	vdpr_state_free(state);
	done(&w);
}

/* Tables are not looked at while the guest waits, but by whoever saves: each time, and
 * the next sound one is known again. */
static void test_what_no_state_holds_is_unknown(void **data)
{
	static const uint8_t sound[] = { 1, 0, 0, 0, 2, 0, 0,
					 0, 0, 1, 0, 0, 0, 0 };
	uint8_t wrong[sizeof(sound)];
	struct vdpr_state *state;
	struct world w;

	(void)data;
	memcpy(wrong, sound, sizeof(wrong));
	wrong[4] = 3;
	setup(&w, 0, 64);
	relay_one(&w, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, wrong,
		  sizeof(wrong), VIRTIO_NET_OK);
	for (unsigned int i = 0; i < 2; i++) {
		state = saved(&w);
		assert_int_equal(state->member[VDPR_MAC_UNICAST], VDPR_UNKNOWN);
		assert_int_equal(state->member[VDPR_MAC_MULTICAST], VDPR_KNOWN);
		vdpr_state_free(state);
	}
	relay_one(&w, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, sound,
		  sizeof(sound), VIRTIO_NET_OK);
	relay_one(&w, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
		  "\5\0", 2, VIRTIO_NET_OK);
	state = saved(&w);
	assert_int_equal(state->member[VDPR_MAC_UNICAST], VDPR_KNOWN);
	assert_memory_equal(state->unicast.addr, sound + 4, 6);
	assert_int_equal(state->member[VDPR_MQ_QUEUE_PAIRS], VDPR_UNKNOWN);
	vdpr_state_free(state);
	done(&w);
}

/* The bytes are read once: what the guest writes afterwards changes nothing. */
static void test_read_once(void **data)
{
	struct vdpr_state *state;
	struct fake_command c;
	struct world w;

	(void)data;
	setup(&w, 0, 64);
	guest_send(&w.guest, 0, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD,
		   "\5\0", 2, 1);
	guest_show(&w.guest);
	assert_int_equal(process(&w), 0);
	w.guest.mem[GUEST_OUT + 2] = 6;
	assert_true(fake_next(&w.fake, &c));
	assert_int_equal(c.data[2], 5);
	fake_answer(&w.fake, &c, &ok, 1, 1);
	assert_int_equal(process(&w), 0);
	state = saved(&w);
	assert_true(vdpr_vlan_has(state, 5));
	assert_false(vdpr_vlan_has(state, 6));
	vdpr_state_free(state);
	done(&w);
}

/* A command that is not answered is before the base, and not in the state. */
static void test_save_between(void **data)
{
	(void)data;
	for (int packed = 0; packed < 2; packed++) {
		struct vdpr_state *state;
		struct fake_command c;
		struct world w;

		setup(&w, packed ? PACKED : 0, 64);
		guest_send(&w.guest, 0, VIRTIO_NET_CTRL_VLAN,
			   VIRTIO_NET_CTRL_VLAN_ADD, "\5\0", 2, 1);
		guest_show(&w.guest);
		assert_int_equal(process(&w), 0);
		state = saved(&w);
		assert_false(vdpr_vlan_has(state, 5));
		assert_int_equal(state->vrings[0].base,
				 packed ? 0x80008000 : 0);
		vdpr_state_free(state);
		assert_true(fake_next(&w.fake, &c));
		fake_answer(&w.fake, &c, &ok, 1, 1);
		assert_int_equal(process(&w), 0);
		state = saved(&w);
		assert_true(vdpr_vlan_has(state, 5));
		assert_int_equal(state->vrings[0].base,
				 packed ? 0x80028002 : 1);
		vdpr_state_free(state);
		done(&w);
	}
}

/* ----------------------------------------------------------------- announce */

static void test_announce(void **data)
{
	struct vdpr_state *state;
	struct world w;

	(void)data;
	setup(&w, 0, 64);
	assert_int_equal(vdpr_shadow_announce(w.ctx, w.shadow), -ENOTSUP);
	done(&w);

	setup(&w, ANNOUNCE, 64);
	/* Not ours: the device's business. */
	relay_one(&w, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK,
		  NULL, 0, VIRTIO_NET_ERR);
	assert_int_equal(vdpr_shadow_announce(w.ctx, w.shadow), 0);
	state = saved(&w);
	assert_true(state->announce == VDPR_KNOWN && state->announce_pending);
	vdpr_state_free(state);
	assert_int_equal(w.events, 0);
	guest_send(&w.guest, 1, VIRTIO_NET_CTRL_ANNOUNCE,
		   VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0, 1);
	guest_show(&w.guest);
	assert_int_equal(process(&w), 0);
	expect(&w, 1, &ok, 1);
	assert_int_equal(fake_accept(&w.fake), 0);
	assert_int_equal(w.events, VDPR_SHADOW_ANNOUNCED);
	state = saved(&w);
	assert_false(state->announce_pending);
	vdpr_state_free(state);
	/* Once. */
	relay_one(&w, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK,
		  NULL, 0, VIRTIO_NET_OK);
	done(&w);
}

/* ----------------------------------------------------- who breaks the rules */

/* A hostile guest loses its ring; the device and its answers are not affected. */
static void test_hostile_guest(void **data)
{
	struct vdpr_guest_ring_opts ring;
	struct vdpr_state *state;
	struct fake_command c;
	struct world w, other;
	uint8_t *mem;

	(void)data;
	setup(&w, 0, 64);
	setup(&other, 0, 64);
	guest_send(&w.guest, 0, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD,
		   "\5\0", 2, 1);
	guest_show(&w.guest);
	assert_int_equal(process(&w), 0);
	/* The available index jumps. */
	vdpr_put_le16(w.guest.mem + 64 * 16 + 2, 0x4000);
	assert_int_equal(process(&w), -EPROTO);
	assert_non_null(strstr(vdpr_ctx_error(w.ctx), "jumps ahead"));
	assert_int_equal(w.events, VDPR_SHADOW_GUEST_BROKEN);
	w.events = 0;
	assert_true(fake_next(&w.fake, &c));
	fake_answer(&w.fake, &c, &ok, 1, 1);
	mem = malloc(GUEST_LEN);
	assert_non_null(mem);
	memcpy(mem, w.guest.mem, GUEST_LEN);
	assert_int_equal(process(&w), -EPROTO);
	assert_int_equal(w.events, 0);
	/* Recorded, for the device did it, but nothing is written any more. */
	assert_memory_equal(mem, w.guest.mem, GUEST_LEN);
	free(mem);
	state = saved(&w);
	assert_true(vdpr_vlan_has(state, 5));
	vdpr_state_free(state);
	/* No other guest notices. */
	relay_one(&other, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD,
		  "\7\0", 2, VIRTIO_NET_OK);
	done(&other);
	ring = guest_opts(&w.guest);
	assert_int_equal(vdpr_shadow_start(w.ctx, w.shadow, w.state, &ring),
			 -EBUSY);
	done(&w);
}

/* What only shows when a command is read. */
static void test_hostile_commands(void **data)
{
	static const struct {
		uint32_t out, out_len, in, in_len;
		const char *fault;
	} cases[] = {
		{ GUEST_OUT, 1, GUEST_IN, 1, "no class" },
		{ GUEST_LEN - 1, 2, GUEST_IN, 1, "readable" },
		{ GUEST_OUT, 2, GUEST_LEN - 1, 2, "writable" },
		{ GUEST_OUT, 0xf0000000, GUEST_IN, 1, NULL },
	};

	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct vdpr_ring_buf buf = { GUEST_GPA + cases[i].out,
						   cases[i].out_len,
						   GUEST_GPA + cases[i].in,
						   cases[i].in_len };
		struct world w;

		setup(&w, 0, 64);
		assert_int_equal(vdpr_ring_add(&w.guest.ring, &buf, 0), 0);
		guest_show(&w.guest);
		if (!cases[i].fault) {
			/* Too long to be looked at: refused. */
			assert_int_equal(process(&w), 0);
			assert_int_equal(*guest_answer(&w.guest, 0), err);
		} else {
			assert_int_equal(process(&w), -EPROTO);
			if (!strstr(vdpr_ctx_error(w.ctx), cases[i].fault))
				fail_msg("%s", vdpr_ctx_error(w.ctx));
		}
		assert_int_equal(fake_accept(&w.fake), 0);
		done(&w);
	}
}

static void test_no_room_for_an_answer(void **data)
{
	struct world w;
	uint8_t *desc;

	(void)data;
	setup(&w, 0, 64);
	guest_send(&w.guest, 0, 1, 1, "abcdef", 6, 1);
	desc = w.guest.mem + GUEST_RO;
	vdpr_put_le16(desc + 12, 0); /* the command stands alone */
	guest_show(&w.guest);
	assert_int_equal(process(&w), -EPROTO);
	assert_non_null(strstr(vdpr_ctx_error(w.ctx), "no room"));
	done(&w);
}

static void test_hostile_device(void **data)
{
	static const struct {
		uint32_t used;
	} cases[] = { { 0 }, { 2 }, { UINT32_MAX } };

	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int slot;
		struct fake_command c;
		struct world w;
		uint32_t len;

		setup(&w, 0, 64);
		guest_send(&w.guest, 0, VIRTIO_NET_CTRL_VLAN,
			   VIRTIO_NET_CTRL_VLAN_ADD, "\5\0", 2, 1);
		guest_show(&w.guest);
		assert_int_equal(process(&w), 0);
		assert_true(fake_next(&w.fake, &c));
		fake_answer(&w.fake, &c, &ok, 1, cases[i].used);
		assert_int_equal(process(&w), -EIO);
		assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_DEVICE);
		assert_int_equal(w.events, VDPR_SHADOW_DEVICE_BROKEN);
		assert_int_equal(guest_take(&w.guest, &slot, &len), 0);
		assert_int_equal(process(&w), -EIO);
		done(&w);
	}
}

/* ------------------------------------------------------------- life and fds */

/* Polls and processes until the device is given up. Return: how long that took,
 * in milliseconds. */
static uint64_t wait_until_broken(struct world *w)
{
	uint64_t began = vdpr_now();
	struct pollfd p = { .fd = vdpr_shadow_fd(w->shadow), .events = POLLIN };
	int ret = 0;

	while (!ret) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		ret = process(w);
	}
	assert_int_equal(ret, -EIO);
	return (vdpr_now() - began) / 1000000;
}

/* Each command has a time of its own, and only one that is late is the end. */
static void test_a_device_that_does_not_answer(void **data)
{
	struct fake_command c;
	unsigned int slot;
	uint32_t len;
	struct world w;

	(void)data;
	setup_with(&w, 0, 64, 200);
	for (unsigned int i = 0; i < 2; i++) {
		guest_send(&w.guest, i, VIRTIO_NET_CTRL_RX,
			   VIRTIO_NET_CTRL_RX_PROMISC, "\0", 1, 1);
		guest_show(&w.guest);
		assert_int_equal(process(&w), 0);
		assert_true(fake_next(&w.fake, &c));
		if (i)
			break;
		/* So that the timer of the first runs out before the second's. */
		usleep(100000);
		fake_answer(&w.fake, &c, &ok, 1, 1);
		assert_int_equal(process(&w), 0);
		expect(&w, 0, &ok, 1);
	}
	assert_true(wait_until_broken(&w) >= 150);
	assert_int_equal(w.events, VDPR_SHADOW_DEVICE_BROKEN);
	assert_non_null(strstr(vdpr_ctx_error(w.ctx),
			       "has not answered a command in time"));
	/* Too late: a guest that was told of the fault hears no more. */
	fake_answer(&w.fake, &c, &ok, 1, 1);
	assert_int_equal(process(&w), -EIO);
	assert_int_equal(guest_take(&w.guest, &slot, &len), 0);
	done(&w);
}

/* The timer that is left over from an answered command wakes nobody twice. */
static void test_an_answer_in_time(void **data)
{
	struct world w;

	(void)data;
	setup_with(&w, 0, 64, 50);
	guest_send(&w.guest, 0, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC,
		   "\0", 1, 1);
	guest_show(&w.guest);
	settle(&w);
	expect(&w, 0, &ok, 1);
	usleep(100000);
	assert_true(readable(vdpr_shadow_fd(w.shadow)));
	assert_int_equal(process(&w), 0);
	assert_false(readable(vdpr_shadow_fd(w.shadow)));
	assert_int_equal(w.events, 0);
	done(&w);
}

static void test_start_is_judged(void **data)
{
	struct vdpr_shadow_opts none = VDPR_INIT(struct vdpr_shadow_opts);
	struct vdpr_guest_ring_opts ring;
	struct vdpr_shadow *second;
	struct vdpr_state *state;
	struct world w;

	(void)data;
	setup(&w, 0, 64);
	assert_int_equal(vdpr_shadow_new(w.ctx, &w.fake.dev, &none, &second),
			 -EINVAL);
	none.regions = &w.guest.region;
	none.n_regions = 1;
	assert_int_equal(vdpr_shadow_new(w.ctx, &w.fake.dev, &none, &second),
			 0);
	/* Not misuse: a script may ask before the guest is there. */
	assert_int_equal(vdpr_shadow_save(w.ctx, second, &state), -ENODATA);
	assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_OTHER);
	assert_int_equal(vdpr_shadow_announce(w.ctx, second), -ENODATA);
	assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_OTHER);
	assert_int_equal(vdpr_shadow_process(w.ctx, second, NULL), 0);
	ring = guest_opts(&w.guest);
	ring.num = 65;
	assert_int_equal(vdpr_shadow_start(w.ctx, second, w.state, &ring),
			 -EINVAL);
	ring = guest_opts(&w.guest);
	ring.num = 0x10040;
	assert_int_equal(vdpr_shadow_start(w.ctx, second, w.state, &ring),
			 -EINVAL);
	ring = guest_opts(&w.guest);
	ring.desc = 0x1000;
	assert_int_equal(vdpr_shadow_start(w.ctx, second, w.state, &ring),
			 -EFAULT);
	ring = guest_opts(&w.guest);
	ring.call_fd = 9999;
	assert_int_equal(vdpr_shadow_start(w.ctx, second, w.state, &ring),
			 -EBADF);
	w.fake.dev.cvq->relay.out = NULL;
	ring = guest_opts(&w.guest);
	assert_int_equal(vdpr_shadow_start(w.ctx, second, w.state, &ring),
			 -ENODATA);
	vdpr_shadow_free(second);
	done(&w);
}

/* Without eventfds: process() on every kick, CALL when the guest is to know. */
static void setup_without_eventfds(struct world *w)
{
	struct vdpr_shadow_opts opts = VDPR_INIT(struct vdpr_shadow_opts);
	struct vdpr_guest_ring_opts ring;

	setup(w, EVENT, 64);
	vdpr_shadow_free(w->shadow);
	opts.regions = &w->guest.region;
	opts.n_regions = 1;
	assert_int_equal(
		vdpr_shadow_new(w->ctx, &w->fake.dev, &opts, &w->shadow), 0);
	ring = guest_opts(&w->guest);
	ring.kick_fd = -1;
	ring.call_fd = -1;
	assert_int_equal(vdpr_shadow_start(w->ctx, w->shadow, w->state, &ring),
			 0);
}

static void show_vlan(struct world *w, unsigned int slot)
{
	guest_send(&w->guest, slot, VIRTIO_NET_CTRL_VLAN,
		   VIRTIO_NET_CTRL_VLAN_ADD, "\5\0", 2, 1);
	guest_show(&w->guest);
}

static void test_without_eventfds(void **data)
{
	struct world w;

	(void)data;
	setup_without_eventfds(&w);
	vdpr_ring_arm(&w.guest.ring, 1);
	show_vlan(&w, 0);
	assert_int_equal(process(&w), 0);
	assert_int_equal(w.events, 0);
	assert_int_equal(fake_accept(&w.fake), 1);
	assert_int_equal(process(&w), 0);
	assert_int_equal(w.events, VDPR_SHADOW_CALL);
	expect(&w, 0, &ok, 1);
	done(&w);
}

/* Without an eventfd a kick is this one call, even where the device's call has
 * come meanwhile: nothing would bring the second command to notice later. */
static void test_a_kick_that_meets_an_answer(void **data)
{
	struct world w;

	(void)data;
	setup_without_eventfds(&w);
	show_vlan(&w, 0);
	assert_int_equal(process(&w), 0);
	assert_int_equal(fake_accept(&w.fake), 1);
	show_vlan(&w, 1);
	assert_int_equal(process(&w), 0);
	expect(&w, 0, &ok, 1);
	assert_int_equal(fake_accept(&w.fake), 1);
	assert_int_equal(process(&w), 0);
	expect(&w, 1, &ok, 1);
	done(&w);
}

/* The device was restored again behind our back: said, not followed. */
static void test_stale(void **data)
{
	const struct vdpr_ring_format format = format_of(0);
	struct world w;

	(void)data;
	setup(&w, 0, 64);
	vdpr_guest_ring_free(&w.fake.ring);
	vdpr_guest_mem_free(&w.fake.mem);
	vdpr_dev_drop_cvq(&w.fake.dev);
	assert_int_equal(process(&w), -ENODATA);
	vdpr_shadow_free(w.shadow);
	w.shadow = NULL;
	free(w.fake.dev.name);
	fake_open(&w.fake, &format, 64);
	done(&w);
}

/* More answers of our own than stand in a row: nobody but us can go on. */
static void test_many_of_our_own(void **data)
{
	static uint8_t table[0x10000];
	struct world w;

	(void)data;
	setup(&w, INDIRECT, 64);
	for (unsigned int n = 0; n < 60; n++)
		guest_send(&w.guest, n, 1, 1, table, sizeof(table) - 1, 1);
	guest_show(&w.guest);
	settle(&w);
	for (unsigned int n = 0; n < 60; n++)
		expect(&w, n, &err, 1);
	done(&w);
}

/* A guest that never stops does not keep its VMM's thread. */
static void test_bounded(void **data)
{
	struct vdpr_shadow_counts counts = VDPR_INIT(struct vdpr_shadow_counts);
	static uint8_t table[0x10000];
	struct world w;

	(void)data;
	setup(&w, 0, 64);
	/* Each is answered here at once, so that process() could go on. */
	for (unsigned int n = 0; n < 32; n++)
		guest_send(&w.guest, n, 1, 1, table, sizeof(table) - 1, 1);
	guest_show(&w.guest);
	/* Thousands of them: the index runs ahead as the ring is worked off. */
	for (unsigned int n = 0; n < 1024; n++) {
		uint16_t idx = vdpr_get_le16(w.guest.mem + GUEST_RW + 2);

		vdpr_put_le16(w.guest.mem + 64 * 16 + 2, (uint16_t)(idx + 32));
		assert_int_equal(process(&w), 0);
	}
	vdpr_shadow_count(w.shadow, &counts);
	assert_true(counts.own > 32 && counts.own <= 1025 * 256);
	done(&w);
}

/* ------------------------------------------------------------------- threads */

static atomic_bool stop_saving;

static void *save_on(void *data)
{
	struct world *w = data;
	struct vdpr_ctx *ctx = NULL;
	size_t count = 0;

	if (vdpr_ctx_new(&ctx))
		return NULL;
	while (!atomic_load(&stop_saving) || count < 20) {
		struct vdpr_state *state = NULL;

		if (vdpr_shadow_save(ctx, w->shadow, &state))
			break;
		vdpr_state_free(state);
		count++;
	}
	vdpr_ctx_free(ctx);
	return data;
}

static void test_saves_meanwhile(void **data)
{
	struct world w;
	pthread_t thread;
	void *result;

	(void)data;
	atomic_store(&stop_saving, false);
	setup(&w, 0, 64);
	assert_int_equal(pthread_create(&thread, NULL, save_on, &w), 0);
	for (unsigned int k = 0; k < 2000; k++)
		relay_one(&w, VIRTIO_NET_CTRL_VLAN,
			  k % 2 ? VIRTIO_NET_CTRL_VLAN_DEL
				: VIRTIO_NET_CTRL_VLAN_ADD,
			  "\7\0", 2, VIRTIO_NET_OK);
	atomic_store(&stop_saving, true);
	pthread_join(thread, &result);
	assert_non_null(result);
	done(&w);
}

/* -------------------------------------------------------------------- memory */

/* The Makefile puts these between the library and libc. */
static atomic_size_t allocations;
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	allocations++;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	allocations++;
	return __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	allocations++;
	return __real_reallocarray(p, n, size);
}

/* Every kind of command that Linux sends, again and again. */
static const struct {
	uint8_t ctrl_class, command;
	const char *payload;
	size_t len;
} usual[] = {
	{ 0, 0, "\1", 1 },
	{ 0, 1, "\0", 1 },
	{ 1, 1, "\x52\x54\0\1\2\3", 6 },
	{ 1, 0,
	  "\1\0\0\0\x52\x54\0\7\7\7\2\0\0\0\x33\x33\0\0\0\1\x33\x33\0\0\0\2",
	  26 },
	{ 2, 0, "\x2a\0", 2 },
	{ 2, 1, "\x2a\0", 2 },
	{ 4, 0, "\4\0", 2 },
	{ 4, 1, "\1\0\0\0\3\0\0\0\0\0\1\0\2\0\3\0\4\0\4wxyz", 23 },
	{ 6, 0, "\1\0\0\0\2\0\0\0", 8 },
	{ 6, 2, "\1\0\0\0\1\0\0\0\2\0\0\0", 12 },
};

static void relay_usual(struct world *w, unsigned int k)
{
	unsigned int i = k % ARRAY_SIZE(usual);
	struct fake_command c;

	guest_send(&w->guest, 0, usual[i].ctrl_class, usual[i].command,
		   usual[i].payload, usual[i].len, 1);
	guest_show(&w->guest);
	assert_int_equal(process(w), 0);
	assert_true(fake_next(&w->fake, &c));
	fake_answer(&w->fake, &c, &ok, 1, 1);
	assert_int_equal(process(w), 0);
	expect(w, 0, &ok, 1);
}

static void test_no_allocations(void **data)
{
	struct vdpr_state *state;
	size_t before;
	struct world w;

	(void)data;
	setup(&w, EVENT | INDIRECT, 64);
	for (unsigned int k = 0; k < 2 * ARRAY_SIZE(usual); k++)
		relay_usual(&w, k);
	before = allocations;
	for (unsigned int k = 0; k < 1000; k++)
		relay_usual(&w, k);
	/* One a command is the test's own: the copy in fake_next(). */
	assert_int_equal(allocations - before, 1000);
	state = saved(&w);
	assert_true(vdpr_state_is_complete(state));
	assert_int_equal(state->multicast.count, 2);
	vdpr_state_free(state);
	assert_true(allocations > before + 1000);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_format),
		cmocka_unit_test(test_pipelined_and_in_order),
		cmocka_unit_test(test_more_than_fits),
		cmocka_unit_test(test_any_length),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_short_payload_is_unknown),
		cmocka_unit_test(test_what_no_state_holds_is_unknown),
		cmocka_unit_test(test_read_once),
		cmocka_unit_test(test_save_between),
		cmocka_unit_test(test_announce),
		cmocka_unit_test(test_hostile_guest),
		cmocka_unit_test(test_hostile_commands),
		cmocka_unit_test(test_no_room_for_an_answer),
		cmocka_unit_test(test_hostile_device),
		cmocka_unit_test(test_a_device_that_does_not_answer),
		cmocka_unit_test(test_an_answer_in_time),
		cmocka_unit_test(test_start_is_judged),
		cmocka_unit_test(test_without_eventfds),
		cmocka_unit_test(test_a_kick_that_meets_an_answer),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_many_of_our_own),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_saves_meanwhile),
		cmocka_unit_test(test_no_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
