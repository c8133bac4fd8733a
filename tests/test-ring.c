/* SPDX-License-Identifier: MIT */
/* The driver's side of the split ring against a hand-driven device. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "restore/ring.h"
#include "restore/uapi.h"

#define NUM 8

struct world {
	struct vdpr_ring ring;
	struct vdpr_ring_slot slot[NUM];
	uint8_t ro[1024] __attribute__((aligned(16)));
	uint8_t rw[1024] __attribute__((aligned(16)));
};

static void fresh(struct world *w, bool event_idx)
{
	const struct vdpr_ring_format format = { .ops = &vdpr_ring_split,
						 .event_idx = event_idx };

	const struct vdpr_ring_mem mem = { w->ro, w->rw, 0x100000, w->slot };

	memset(w, 0, sizeof(*w));
	memset(w->slot, 0xff, sizeof(w->slot)); /* what is in them is nothing */
	vdpr_ring_init(&w->ring, &format, NUM, &mem);
}

static int add(struct world *w, uint32_t token)
{
	const struct vdpr_ring_buf buf = { 0x1000 + token, 10, 0x2000 + token,
					   1 };

	return vdpr_ring_add(&w->ring, &buf, token);
}

/* The next that came back. */
static int take(struct world *w, uint32_t *token, uint32_t *len)
{
	struct vdpr_ring_used used = { 0 };
	int ret = vdpr_ring_take(&w->ring, &used, 1);

	*token = used.token;
	*len = used.len;
	return ret;
}

/* What the device would write. */
static void use(struct world *w, uint16_t at, uint32_t id, uint32_t len)
{
	vdpr_put_le32(w->rw + 4 + 8 * (at % NUM), id);
	vdpr_put_le32(w->rw + 8 + 8 * (at % NUM), len);
	vdpr_put_le16(w->rw + 2, (uint16_t)(at + 1));
}

static uint16_t avail_entry(const struct world *w, unsigned int at)
{
	return vdpr_get_le16(w->ro + NUM * 16 + 4 + 2 * (at % NUM));
}

static void chain_is_laid_out_little_endian(void **state)
{
	struct world w;
	(void)state;

	fresh(&w, false);
	assert_int_equal(add(&w, 5), 0);
	assert_true(vdpr_ring_publish(&w.ring));
	assert_int_equal(vdpr_get_le64(w.ro), 0x1005);
	assert_int_equal(vdpr_get_le32(w.ro + 8), 10);
	assert_int_equal(vdpr_get_le16(w.ro + 12), VRING_DESC_F_NEXT);
	assert_int_equal(vdpr_get_le16(w.ro + 14), 1);
	assert_int_equal(vdpr_get_le64(w.ro + 16), 0x2005);
	assert_int_equal(vdpr_get_le32(w.ro + 24), 1);
	assert_int_equal(vdpr_get_le16(w.ro + 28), VRING_DESC_F_WRITE);
	assert_int_equal(vdpr_get_le16(w.ro + NUM * 16 + 2), 1);
	assert_int_equal(avail_entry(&w, 0), 0);
}

/* Whatever is asked of it then: all comes back, and nobody wants a kick. */
static void a_played_device_uses_all_that_was_shown(void **state)
{
	struct world w;
	(void)state;

	for (unsigned int bits = 0; bits < 16; bits++) {
		const struct vdpr_ring_format format = {
			.ops = bits & 1 ? &vdpr_ring_packed : &vdpr_ring_split,
			.event_idx = bits & 2,
			.indirect = bits & 4,
			.in_order = bits & 8,
		};
		const struct vdpr_ring_mem mem = { w.ro, w.rw, 0x100000,
						   w.slot };
		struct vdpr_ring_used used[NUM];

		memset(&w, 0, sizeof(w));
		memset(w.slot, 0xff, sizeof(w.slot));
		vdpr_ring_init(&w.ring, &format, NUM, &mem);
		/* Often enough to come by the end of the ring. */
		for (uint32_t n = 1; n <= w.ring.capacity; n++) {
			for (uint32_t i = 0; i < n; i++)
				assert_int_equal(add(&w, i), 0);
			vdpr_ring_show(&w.ring);
			format.ops->play(&w.ring);
			assert_false(vdpr_ring_wants_kick(&w.ring));
			assert_int_equal(vdpr_ring_take(&w.ring, used, NUM), n);
			for (uint32_t i = 0; i < n; i++) {
				assert_int_equal(used[i].token, i);
				assert_int_equal(used[i].len, 1);
			}
			assert_int_equal(vdpr_ring_take(&w.ring, used, 1), 0);
		}
	}
}

static void ring_is_full_after_half_its_entries(void **state)
{
	struct world w;
	(void)state;

	fresh(&w, false);
	for (uint32_t i = 0; i < NUM / 2; i++)
		assert_int_equal(add(&w, i), 0);
	assert_int_equal(add(&w, 99), -ENOSPC);
}

/* First those that were never used, then in the order in which they came back. */
static void a_free_slot_waits_for_its_turn(void **state)
{
	static const unsigned int slots[] = { 0, 1, 2, 3, 1, 0, 2, 1 };
	static const uint32_t back[] = { 1, 0, 2, 1 };
	struct world w;
	uint32_t token, len;
	(void)state;

	fresh(&w, false);
	add(&w, 0);
	add(&w, 1);
	for (uint32_t i = 0; i < ARRAY_SIZE(back); i++) {
		vdpr_ring_publish(&w.ring);
		use(&w, (uint16_t)i, 2 * back[i], 1);
		assert_int_equal(take(&w, &token, &len), 1);
		/* Two places are free at the start, and then the one. */
		while (!add(&w, 9))
			;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++)
		assert_int_equal(avail_entry(&w, i), 2 * slots[i]);
}

static void tokens_come_back_in_the_devices_order(void **state)
{
	struct world w;
	uint32_t token, len;
	(void)state;

	fresh(&w, false);
	add(&w, 10);
	add(&w, 11);
	vdpr_ring_publish(&w.ring);
	assert_int_equal(take(&w, &token, &len), 0);
	use(&w, 0, 2, 1);
	use(&w, 1, 0, 1);
	assert_int_equal(take(&w, &token, &len), 1);
	assert_int_equal(token, 11);
	assert_int_equal(take(&w, &token, &len), 1);
	assert_int_equal(token, 10);
	assert_int_equal(len, 1);
	assert_int_equal(w.ring.outstanding, 0);
}

static void indices_wrap_at_sixteen_bits(void **state)
{
	struct world w;
	uint32_t token, len;
	(void)state;

	fresh(&w, true);
	for (uint32_t i = 0; i < 70000; i++) {
		assert_int_equal(add(&w, i), 0);
		vdpr_ring_publish(&w.ring);
		use(&w, (uint16_t)i, avail_entry(&w, i), 1);
		assert_int_equal(take(&w, &token, &len), 1);
		assert_int_equal(token, i);
	}
}

/* Each hostile use of the ring, and that it is told apart. */
static const struct {
	uint16_t idx; /* of the used ring */
	uint32_t id;
	const char *fault;
} hostile[] = {
	{ 3, 0, "beyond" },	    /* ahead of the two outstanding */
	{ 0xffff, 0, "beyond" },    /* backwards */
	{ 1, NUM, "no command's" }, /* past the table */
	{ 1, 0xffffffff, "no command's" },
	{ 1, 1, "no command's" },    /* the middle of a chain */
	{ 1, 6, "not outstanding" }, /* a chain that was never shown */
};

static void a_hostile_used_ring_is_an_error(void **state)
{
	struct world w;
	uint32_t token, len;
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		fresh(&w, false);
		add(&w, 0);
		add(&w, 1);
		vdpr_ring_publish(&w.ring);
		use(&w, 0, hostile[i].id, 1);
		vdpr_put_le16(w.rw + 2, hostile[i].idx);
		assert_int_equal(take(&w, &token, &len), -EPROTO);
		assert_non_null(strstr(w.ring.fault, hostile[i].fault));
	}
}

static void the_same_id_twice_is_an_error(void **state)
{
	struct world w;
	uint32_t token, len;
	(void)state;

	fresh(&w, false);
	add(&w, 0);
	add(&w, 1);
	vdpr_ring_publish(&w.ring);
	use(&w, 0, 0, 1);
	use(&w, 1, 0, 1);
	assert_int_equal(take(&w, &token, &len), 1);
	assert_int_equal(take(&w, &token, &len), -EPROTO);
}

static void kick_is_suppressed_as_the_device_asks(void **state)
{
	struct world w;
	(void)state;

	fresh(&w, false);
	vdpr_put_le16(w.rw, VRING_USED_F_NO_NOTIFY);
	add(&w, 0);
	assert_false(vdpr_ring_publish(&w.ring));

	fresh(&w, true); /* avail_event 0: from the first buffer on */
	add(&w, 0);
	assert_true(vdpr_ring_publish(&w.ring));
	vdpr_put_le16(w.rw + 4 + 8 * NUM, 3);
	add(&w, 1);
	assert_false(vdpr_ring_publish(&w.ring));
	add(&w, 2);
	add(&w, 3);
	assert_true(vdpr_ring_publish(&w.ring));
}

/* Shown before the device runs, kicked for afterwards, if it still needs that. */
static void kick_for_what_was_shown_may_be_asked_for_later(void **state)
{
	static const struct {
		uint16_t avail_event;
		bool wanted;
	} at[] = {
		{ 0, true },  /* has not run yet */
		{ 1, true },  /* asked to be told of the second */
		{ 2, false }, /* has found both by itself */
	};
	struct world w;
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		fresh(&w, true);
		add(&w, 0);
		add(&w, 1);
		vdpr_ring_show(&w.ring);
		vdpr_put_le16(w.rw + 4 + 8 * NUM, at[i].avail_event);
		assert_int_equal(vdpr_ring_wants_kick(&w.ring), at[i].wanted);
		assert_false(vdpr_ring_wants_kick(&w.ring)); /* told by now */
	}
}

static void one_interrupt_is_asked_for_a_batch(void **state)
{
	struct world w;
	(void)state;

	fresh(&w, true);
	add(&w, 0);
	add(&w, 1);
	add(&w, 2);
	vdpr_ring_arm(&w.ring, 3);
	vdpr_ring_publish(&w.ring);
	assert_int_equal(vdpr_get_le16(w.ro + NUM * 16 + 4 + 2 * NUM), 2);
	vdpr_ring_arm(&w.ring, 1);
	assert_int_equal(vdpr_get_le16(w.ro + NUM * 16 + 4 + 2 * NUM), 0);
}

/* As the specification's vring_need_event() sees it (2.7.10.1). */
static bool is_called(uint16_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

static void no_interrupt_is_asked_for_while_somebody_looks(void **state)
{
	struct world w;
	uint16_t event;
	(void)state;

	fresh(&w, true);
	add(&w, 0);
	vdpr_ring_arm(&w.ring, 1);
	vdpr_ring_disarm(&w.ring);
	event = vdpr_get_le16(w.ro + NUM * 16 + 4 + 2 * NUM);
	for (uint16_t n = 1; n <= NUM; n++)
		assert_false(is_called(event, n, 0));
	vdpr_ring_arm(&w.ring, 1);
	event = vdpr_get_le16(w.ro + NUM * 16 + 4 + 2 * NUM);
	assert_true(is_called(event, 1, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chain_is_laid_out_little_endian),
		cmocka_unit_test(a_played_device_uses_all_that_was_shown),
		cmocka_unit_test(ring_is_full_after_half_its_entries),
		cmocka_unit_test(a_free_slot_waits_for_its_turn),
		cmocka_unit_test(tokens_come_back_in_the_devices_order),
		cmocka_unit_test(indices_wrap_at_sixteen_bits),
		cmocka_unit_test(a_hostile_used_ring_is_an_error),
		cmocka_unit_test(the_same_id_twice_is_an_error),
		cmocka_unit_test(kick_is_suppressed_as_the_device_asks),
		cmocka_unit_test(
			kick_for_what_was_shown_may_be_asked_for_later),
		cmocka_unit_test(one_interrupt_is_asked_for_a_batch),
		cmocka_unit_test(
			no_interrupt_is_asked_for_while_somebody_looks),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
