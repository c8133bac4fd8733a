/* SPDX-License-Identifier: MIT */
/* The device's side of a guest's ring: every format, every breach of the rules. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/uapi.h"
#include "tests/guest.h"

static const struct vdpr_ring_format formats[] = {
	{ .ops = &vdpr_ring_split },
	{ .ops = &vdpr_ring_split, .event_idx = true },
	{ .ops = &vdpr_ring_split, .indirect = true },
	{ .ops = &vdpr_ring_split, .event_idx = true, .indirect = true },
	{ .ops = &vdpr_ring_split, .in_order = true },
	{ .ops = &vdpr_ring_packed },
	{ .ops = &vdpr_ring_packed, .event_idx = true },
	{ .ops = &vdpr_ring_packed, .indirect = true },
	{ .ops = &vdpr_ring_packed, .event_idx = true, .indirect = true },
	{ .ops = &vdpr_ring_packed, .in_order = true },
};

struct world {
	struct guest guest;
	struct vdpr_guest_mem mem;
	struct vdpr_guest_ring ring;
};

static void setup(struct world *w, const struct vdpr_ring_format *format,
		  uint16_t num)
{
	struct vdpr_guest_ring_setup s;

	guest_open(&w->guest, format, num);
	s = guest_setup(&w->guest);
	assert_int_equal(
		vdpr_guest_mem_init(&w->mem, NULL, NULL, &w->guest.region, 1),
		0);
	if (vdpr_guest_ring_init(&w->ring, &w->mem, &s))
		fail_msg("%s", w->ring.fault);
}

static void done(struct world *w)
{
	vdpr_guest_ring_free(&w->ring);
	vdpr_guest_mem_free(&w->mem);
	guest_close(&w->guest);
}

/* ------------------------------------------------------------------ by the rules */

static size_t shorter(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Takes one command and answers with its own bytes turned round. */
static void serve(struct world *w, size_t want_len)
{
	struct vdpr_guest_chain chain;
	uint8_t out[GUEST_OUT_LEN], in[GUEST_OUT_LEN];
	size_t len;

	assert_int_equal(vdpr_guest_ring_next(&w->ring, &chain), 1);
	assert_int_equal(chain.out_len, want_len);
	len = shorter((size_t)chain.in_len, (size_t)chain.out_len);
	assert_int_equal(vdpr_guest_gather(&w->mem, chain.out, out,
					   (size_t)chain.out_len),
			 0);
	for (size_t i = 0; i < len; i++)
		in[i] = (uint8_t)~out[i];
	vdpr_guest_ring_take(&w->ring, &chain);
	assert_int_equal(
		vdpr_guest_scatter(&w->mem, chain.in, chain.n_in, in, len), 0);
	vdpr_guest_ring_push(&w->ring, chain.id, chain.entries, (uint32_t)len);
}

/* One lap after the other with changing numbers of commands at once. */
static void run_laps(struct world *w)
{
	static const uint8_t data[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
	unsigned int capacity = w->guest.ring.capacity;
	struct vdpr_guest_chain chain;

	for (unsigned int round = 0; round < 200; round++) {
		unsigned int count = 1 + round % capacity;
		unsigned int slot = 0;
		uint32_t len = 0;

		for (unsigned int i = 0; i < count; i++)
			guest_send(&w->guest, i, (uint8_t)i, (uint8_t)round,
				   data, i % sizeof(data), 2 + i % 3);
		guest_show(&w->guest);
		for (unsigned int i = 0; i < count; i++)
			serve(w, 2 + i % sizeof(data));
		assert_int_equal(vdpr_guest_ring_next(&w->ring, &chain), 0);
		for (unsigned int i = 0; i < count; i++) {
			assert_int_equal(guest_take(&w->guest, &slot, &len), 1);
			assert_int_equal(slot, i);
			assert_int_equal(guest_answer(&w->guest, i)[0],
					 (uint8_t)~i);
			assert_int_equal(guest_answer(&w->guest, i)[1],
					 (uint8_t)~round);
			assert_int_equal(
				len, shorter(2 + i % sizeof(data), 2 + i % 3));
		}
		assert_int_equal(guest_take(&w->guest, &slot, &len), 0);
	}
}

static void test_every_format(void **data)
{
	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct world w;

		setup(&w, &formats[i], i % 2 ? 16 : 64);
		run_laps(&w);
		done(&w);
	}
}

/* A size that is no power of two: packed rings may have any. */
static void test_odd_size(void **data)
{
	struct world w;

	(void)data;
	setup(&w, &formats[6], 13);
	run_laps(&w);
	done(&w);
}

/* A new device's side goes on at the base of the old one. */
static void test_base(void **data)
{
	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct vdpr_guest_ring_setup s;
		struct vdpr_guest_chain chain;
		struct world w;

		setup(&w, &formats[i], 16);
		for (unsigned int k = 0; k < 100; k++) {
			unsigned int slot;
			uint32_t len;

			guest_send(&w.guest, 0, 9, (uint8_t)k, NULL, 0, 1);
			guest_show(&w.guest);
			/* Taken but never answered: it is there again. */
			assert_int_equal(vdpr_guest_ring_next(&w.ring, &chain),
					 1);
			vdpr_guest_ring_take(&w.ring, &chain);
			s = guest_setup(&w.guest);
			s.base = vdpr_guest_ring_base(&w.ring);
			vdpr_guest_ring_free(&w.ring);
			assert_int_equal(
				vdpr_guest_ring_init(&w.ring, &w.mem, &s), 0);
			serve(&w, 2);
			assert_int_equal(guest_take(&w.guest, &slot, &len), 1);
		}
		done(&w);
	}
}

/* Kicks and calls that nobody wants are spared, those that are wanted are not. */
static void test_suppression(void **data)
{
	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct world w;

		setup(&w, &formats[i], 16);
		assert_false(vdpr_guest_ring_wants_call(&w.ring));
		vdpr_guest_ring_want_kick(&w.ring);
		vdpr_ring_arm(&w.guest.ring, 2);
		guest_send(&w.guest, 0, 1, 1, NULL, 0, 1);
		assert_true(guest_show(&w.guest));
		guest_send(&w.guest, 1, 1, 1, NULL, 0, 1);
		/* We have not asked again: no kick with event index. */
		assert_int_equal(guest_show(&w.guest), !formats[i].event_idx);
		serve(&w, 2);
		assert_int_equal(vdpr_guest_ring_wants_call(&w.ring),
				 !formats[i].event_idx);
		serve(&w, 2);
		assert_true(vdpr_guest_ring_wants_call(&w.ring));
		done(&w);
	}
}

/* Buffers in many pieces, across the border of two regions, whichever of them is
 * looked at first. */
static void check_pieces(uint64_t preferred)
{
	struct vdpr_guest_region regions[3];
	struct vdpr_guest_mem mem;
	uint8_t low[8], high[8], got[12];
	static const uint8_t text[] = "abcdefghijkl";
	const struct vdpr_guest_piece piece[] = { { 0x1005, 1 },
						  { 0x1006, 6 },
						  { 0x100c, 5 } };

	for (size_t i = 0; i < ARRAY_SIZE(regions); i++)
		regions[i] = (struct vdpr_guest_region){
			.size = sizeof(regions[0]),
			.gpa = 0x1000 + 8 * i,
			.len = 8,
			.host = i ? high : low,
		};
	regions[2].flags = VDPR_GUEST_READ_ONLY;
	assert_int_equal(vdpr_guest_mem_init(&mem, NULL, NULL, regions, 3), 0);
	vdpr_guest_mem_prefer(&mem, preferred);
	assert_int_equal(vdpr_guest_scatter(&mem, piece, 3, text, 11), 0);
	assert_int_equal(vdpr_guest_gather(&mem, piece, got, 11), 0);
	assert_memory_equal(got, text, 11);
	assert_memory_equal(low + 5, "abc", 3);
	assert_memory_equal(high, "defgh", 5);
	/* Only as much of the last piece is looked at as is wanted. */
	assert_int_equal(vdpr_guest_gather(&mem, piece, got, 12), 0);
	assert_int_equal(vdpr_guest_scatter(&mem, piece, 3, text, 12), -EFAULT);
	assert_int_equal(vdpr_guest_scatter(&mem, piece, 2, text, 8),
			 -EMSGSIZE);
	assert_true(vdpr_guest_is_writable(&mem, piece[1].gpa, piece[1].len));
	assert_false(vdpr_guest_is_writable(&mem, piece[2].gpa, piece[2].len));
	assert_null(vdpr_guest_span(&mem, 0x1000, 9, false));
	assert_null(vdpr_guest_span(&mem, UINT64_MAX, 2, false));
	vdpr_guest_mem_free(&mem);
}

static void test_pieces(void **data)
{
	(void)data;
	/* Nowhere, and in each of the three: the last one cannot be preferred. */
	for (uint64_t gpa = 0xff8; gpa <= 0x1010; gpa += 8)
		check_pieces(gpa);
}

static void test_regions_are_judged(void **data)
{
	static const struct {
		uint64_t gpa[2], len[2];
		uint32_t flags;
		int ret;
	} cases[] = {
		{ { 0, 8 }, { 8, 8 }, 0, 0 },
		{ { 8, 0 }, { 8, 8 }, VDPR_GUEST_READ_ONLY, 0 },
		{ { 0, UINT64_MAX - 7 }, { 8, 8 }, 0, 0 },
		{ { 0, 7 }, { 8, 8 }, 0, -EINVAL },
		{ { 7, 0 }, { 8, 8 }, 0, -EINVAL },
		{ { 0, 0 }, { 8, 1 }, 0, -EINVAL },
		{ { 0, 4 }, { 16, 4 }, 0, -EINVAL },
		{ { 0, UINT64_MAX - 6 }, { 8, 8 }, 0, -EINVAL },
		{ { 0, 8 }, { 8, 0 }, 0, -EINVAL },
		{ { 0, 8 }, { 8, 8 }, 0x80, -EINVAL },
	};
	uint8_t bytes[16];

	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vdpr_guest_region regions[2];
		struct vdpr_guest_mem mem;

		for (unsigned int k = 0; k < 2; k++)
			regions[k] = (struct vdpr_guest_region){
				.size = sizeof(regions[0]),
				.gpa = cases[i].gpa[k],
				.len = cases[i].len[k],
				.host = bytes,
				.flags = k ? cases[i].flags : 0,
			};
		assert_int_equal(
			vdpr_guest_mem_init(&mem, NULL, NULL, regions, 2),
			cases[i].ret);
		vdpr_guest_mem_free(&mem);
	}
}

static void test_preferred_region(void **data)
{
	const struct vdpr_guest_piece over[] = { { 0x1004, 1 }, { 0x1006, 3 } };
	uint8_t bytes[16], got[4];
	struct vdpr_guest_region regions[2] = {
		{ .size = sizeof(regions[0]), .gpa = 0, .len = 8 },
		{ .size = sizeof(regions[0]), .gpa = 0x1000, .len = 8 },
	};
	struct vdpr_guest_mem mem;

	(void)data;
	regions[0].host = bytes;
	regions[1].host = bytes + 8;
	assert_int_equal(vdpr_guest_mem_init(&mem, NULL, NULL, regions, 2), 0);
	assert_null(vdpr_guest_quick(&mem, 0, 1));
	vdpr_guest_mem_prefer(&mem, 0x1007);
	assert_ptr_equal(vdpr_guest_quick(&mem, 0x1000, 8), bytes + 8);
	assert_null(vdpr_guest_quick(&mem, 0x1000, 9));
	assert_null(vdpr_guest_quick(&mem, 0, 1));
	/* The last byte is not in it. */
	assert_int_equal(vdpr_guest_gather(&mem, over, got, 4), -EFAULT);
	vdpr_guest_mem_free(&mem);
}

/* ------------------------------------------------------------------ set up */

static void test_setup_is_judged(void **data)
{
	static const struct {
		const char *name;
		bool packed;
		uint16_t num;
		uint32_t base;
		uint64_t desc, driver, device;
		int ret;
		const char *fault;
	} cases[] = {
		{ "good", false, 16, 0, 0, 0x1000, 0x2000, 0, NULL },
		{ "good, packed", true, 13, 0x800c000c, 0, 0x1000, 0x2000, 0,
		  NULL },
		{ "size 0", false, 0, 0, 0, 0x1000, 0x2000, -EINVAL,
		  "1 to 1024" },
		{ "size 2048", false, 2048, 0, 0, 0x8000, 0x10000, -EINVAL,
		  "1 to 1024" },
		{ "size 12", false, 12, 0, 0, 0x1000, 0x2000, -EINVAL,
		  "power of two" },
		{ "base", false, 16, 0x10000, 0, 0x1000, 0x2000, -EINVAL,
		  "base" },
		{ "packed base", true, 16, 0x80008010, 0, 0x1000, 0x2000,
		  -EINVAL, "base" },
		{ "packed used", true, 16, 0x80108000, 0, 0x1000, 0x2000,
		  -EINVAL, "base" },
		{ "descriptors", false, 16, 0, 8, 0x1000, 0x2000, -EINVAL,
		  "aligned" },
		{ "driver", false, 16, 0, 0, 0x1001, 0x2000, -EINVAL,
		  "aligned" },
		{ "device", false, 16, 0, 0, 0x1000, 0x2002, -EINVAL,
		  "aligned" },
		{ "outside", false, 16, 0, GUEST_LEN, 0x1000, 0x2000, -EFAULT,
		  "guest memory" },
		{ "over the end", false, 16, 0, 0, GUEST_LEN - 16, 0x2000,
		  -EFAULT, "guest memory" },
		{ "wraps", false, 16, 0, 0, 0x1000, 0 - GUEST_GPA - 16ull,
		  -EFAULT, "guest memory" },
	};

	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct vdpr_guest_ring_setup s = {
			.packed = cases[i].packed,
			.num = cases[i].num,
			.base = cases[i].base,
			.desc = GUEST_GPA + cases[i].desc,
			.driver = GUEST_GPA + cases[i].driver,
			.device = GUEST_GPA + cases[i].device,
		};
		struct vdpr_guest_ring ring;
		struct world w;

		setup(&w, &formats[0], 16);
		if (vdpr_guest_ring_init(&ring, &w.mem, &s) != cases[i].ret)
			fail_msg("%s: %s", cases[i].name,
				 ring.fault ? ring.fault : "taken");
		if (cases[i].fault && !strstr(ring.fault, cases[i].fault))
			fail_msg("%s: %s", cases[i].name, ring.fault);
		vdpr_guest_ring_free(&ring);
		done(&w);
	}
}

/* ----------------------------------------------------------------- breaches */

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define TABLE VRING_DESC_F_INDIRECT

#define OUT (GUEST_GPA + GUEST_OUT)
#define IN (GUEST_GPA + GUEST_IN)
#define LIST (GUEST_GPA + GUEST_LONG) /* an indirect table */

#define SPLIT 1
#define PACKED 2
#define BOTH (SPLIT | PACKED)

struct raw {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static const struct breach {
	const char *name;
	int formats;
	struct raw desc[4], list[4];
	uint16_t head, idx; /* split: idx 0 means 1 */
	const char *fault;  /* NULL: no breach */
} breaches[] = {
	{ "nothing wrong",
	  BOTH,
	  { { OUT, 9, NEXT, 1 }, { IN, 1, WRITE, 0 } },
	  .fault = NULL },
	{ "many pieces",
	  BOTH,
	  { { OUT, 2, NEXT, 1 },
	    { OUT, 7, NEXT, 2 },
	    { IN, 1, NEXT | WRITE, 3 },
	    { IN, 9, WRITE, 0 } },
	  .fault = NULL },
	{ "a table",
	  BOTH,
	  { { LIST, 32, TABLE, 0 } },
	  .list = { { OUT, 9, NEXT, 1 }, { IN, 1, WRITE, 0 } },
	  .fault = NULL },
	{ "a table behind a buffer",
	  BOTH,
	  { { OUT, 2, NEXT, 1 }, { LIST, 32, TABLE | WRITE, 0 } },
	  .list = { { OUT, 9, NEXT, 1 }, { IN, 1, WRITE, 0 } },
	  .fault = NULL },
	{ "loop",
	  SPLIT,
	  { { OUT, 9, NEXT, 1 }, { OUT, 9, NEXT, 0 } },
	  .fault = "longer" },
	{ "loop on itself", SPLIT, { { OUT, 9, NEXT, 0 } }, .fault = "longer" },
	{ "next out of range",
	  SPLIT,
	  { { OUT, 9, NEXT, 16 } },
	  .fault = "out of range" },
	{ "head out of range",
	  SPLIT,
	  { { OUT, 9, 0, 0 } },
	  .head = 16,
	  .fault = "out of range" },
	{ "head far out of range",
	  SPLIT,
	  { { OUT, 9, 0, 0 } },
	  .head = 0xffff,
	  .fault = "out of range" },
	{ "index ahead",
	  SPLIT,
	  { { OUT, 9, 0, 0 } },
	  .idx = 17,
	  .fault = "jumps ahead" },
	{ "index behind",
	  SPLIT,
	  { { OUT, 9, 0, 0 } },
	  .idx = 0xffff,
	  .fault = "jumps ahead" },
	{ "no end",
	  PACKED,
	  { { OUT, 9, NEXT, 0 },
	    { OUT, 9, NEXT, 0 },
	    { OUT, 9, NEXT, 0 },
	    { OUT, 9, NEXT, 0 } },
	  .idx = 99,
	  .fault = "longer" },
	{ "no bytes",
	  BOTH,
	  { { OUT, 0, NEXT, 1 }, { IN, 1, WRITE, 0 } },
	  .fault = "no bytes" },
	{ "no bytes to write",
	  BOTH,
	  { { OUT, 9, NEXT, 1 }, { IN, 0, WRITE, 0 } },
	  .fault = "no bytes" },
	{ "writable first",
	  BOTH,
	  { { IN, 1, NEXT | WRITE, 1 }, { OUT, 9, 0, 0 } },
	  .fault = "behind a writable" },
	{ "answer outside",
	  BOTH,
	  { { OUT, 9, NEXT, 1 }, { GUEST_GPA - 1, 1, WRITE, 0 } },
	  .fault = "not in guest memory" },
	{ "answer over the end",
	  BOTH,
	  { { OUT, 9, NEXT, 1 }, { GUEST_GPA + GUEST_LEN - 1, 2, WRITE, 0 } },
	  .fault = "not in guest memory" },
	{ "answer wraps",
	  BOTH,
	  { { OUT, 9, NEXT, 1 }, { UINT64_MAX, 2, WRITE, 0 } },
	  .fault = "not in guest memory" },
	{ "room for an answer that nobody gives",
	  BOTH,
	  { { OUT, 9, NEXT, 1 }, { IN, UINT32_MAX, WRITE, 0 } },
	  .fault = NULL },
	{ "writable first in a table",
	  BOTH,
	  { { LIST, 32, TABLE, 0 } },
	  .list = { { IN, 1, NEXT | WRITE, 1 }, { OUT, 9, 0, 0 } },
	  .fault = "behind a writable" },
	{ "writable before a table",
	  BOTH,
	  { { IN, 1, NEXT | WRITE, 1 }, { LIST, 32, TABLE, 0 } },
	  .list = { { OUT, 9, NEXT, 1 }, { IN, 1, WRITE, 0 } },
	  .fault = "behind a writable" },
	{ "no bytes in a table",
	  BOTH,
	  { { LIST, 32, TABLE, 0 } },
	  .list = { { OUT, 0, NEXT, 1 }, { IN, 1, WRITE, 0 } },
	  .fault = "no bytes" },
	{ "table in a table",
	  BOTH,
	  { { LIST, 32, TABLE, 0 } },
	  .list = { { OUT, 9, NEXT, 1 }, { LIST, 16, TABLE, 0 } },
	  .fault = "leads to another" },
	{ "table and next",
	  BOTH,
	  { { LIST, 32, TABLE | NEXT, 1 } },
	  .list = { { OUT, 9, NEXT, 1 }, { IN, 1, WRITE, 0 } },
	  .fault = "followed by another" },
	{ "table of no length",
	  BOTH,
	  { { LIST, 0, TABLE, 0 } },
	  .fault = "wrong length" },
	{ "table of an odd length",
	  BOTH,
	  { { LIST, 33, TABLE, 0 } },
	  .fault = "wrong length" },
	{ "table outside",
	  BOTH,
	  { { 0x1000, 32, TABLE, 0 } },
	  .fault = "table is not in guest memory" },
	{ "table wraps",
	  BOTH,
	  { { UINT64_MAX - 7, 32, TABLE, 0 } },
	  .fault = "table is not in guest memory" },
	{ "loop in a table",
	  SPLIT,
	  { { LIST, 32, TABLE, 0 } },
	  .list = { { OUT, 9, NEXT, 1 }, { OUT, 9, NEXT, 0 } },
	  .fault = "longer" },
	{ "table leads out",
	  SPLIT,
	  { { LIST, 32, TABLE, 0 } },
	  .list = { { OUT, 9, NEXT, 2 } },
	  .fault = "out of itself" },
	{ "table too long",
	  PACKED,
	  { { LIST, 16 * 17, TABLE, 0 } },
	  .list = { { OUT, 9, 0, 0 },
		    { OUT, 9, 0, 0 },
		    { OUT, 9, 0, 0 },
		    { OUT, 9, 0, 0 } },
	  .fault = "bytes" },
	{ "table unasked for",
	  BOTH,
	  { { LIST, 32, TABLE, 0 } },
	  .head = 0,
	  .idx = 0,
	  .list = { { 0, 0, 0, 0 } },
	  .fault = "not negotiated" },
};

static void put_desc(uint8_t *at, const struct raw *raw, bool packed,
		     uint16_t more)
{
	uint16_t flags = raw->flags | more;

	vdpr_put_le64(at, raw->addr);
	vdpr_put_le32(at + 8, raw->len);
	vdpr_put_le16(at + 12, packed ? 0 : flags);
	vdpr_put_le16(at + 14, packed ? flags : raw->next);
	if (packed)
		vdpr_put_le16(at + 12, 7); /* id */
}

static void put_ring(struct guest *g, const struct breach *b, bool packed)
{
	uint8_t *desc = g->mem + (g->at.desc - GUEST_GPA);
	uint8_t *driver = g->mem + (g->at.driver - GUEST_GPA);
	uint16_t avail = packed ? 1u << VRING_PACKED_DESC_F_AVAIL : 0;

	for (unsigned int i = 0; i < 4; i++) {
		put_desc(g->mem + GUEST_LONG + 16 * i, &b->list[i], packed, 0);
		if (b->desc[i].addr)
			put_desc(desc + 16 * i, &b->desc[i], packed, avail);
	}
	/* All of the ring in one chain. */
	for (unsigned int i = 4; packed && b->idx == 99 && i < g->ring.num; i++)
		put_desc(desc + 16 * i, &b->desc[0], packed, avail);
	if (packed)
		return;
	vdpr_put_le16(driver + 4, b->head);
	vdpr_put_le16(driver + 2, b->idx ? b->idx : 1);
}

/* @preferred: guest memory is looked at where it is, without a call. */
static void try_breach(const struct breach *b, bool packed, bool preferred)
{
	const struct vdpr_ring_format format = {
		.ops = packed ? &vdpr_ring_packed : &vdpr_ring_split,
		.indirect = !b->fault || !strstr(b->fault, "negotiated"),
	};
	struct vdpr_guest_chain chain;
	struct world w;
	int ret;

	setup(&w, &format, 16);
	if (preferred)
		vdpr_guest_mem_prefer(&w.mem, GUEST_GPA);
	put_ring(&w.guest, b, packed);
	ret = vdpr_guest_ring_next(&w.ring, &chain);
	if (!b->fault) {
		if (ret != 1)
			fail_msg("%s: %s", b->name, w.ring.fault);
	} else if (ret != -EPROTO || !strstr(w.ring.fault, b->fault)) {
		fail_msg("%s: %d, %s", b->name, ret, w.ring.fault);
	} else {
		/* Broken once is broken for good. */
		memset(w.guest.mem, 0, GUEST_LEN);
		assert_int_equal(vdpr_guest_ring_next(&w.ring, &chain),
				 -EPROTO);
	}
	done(&w);
}

static void test_breaches(void **data)
{
	(void)data;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(breaches); i++) {
		const struct breach *b = &breaches[i / 2];

		if (b->formats & SPLIT)
			try_breach(b, false, i & 1);
		if (b->formats & PACKED)
			try_breach(b, true, i & 1);
	}
}

/* A VMM with an IOMMU for its guest: page by page, and everything is there. */
struct pages {
	uint8_t *mem;
	unsigned int asked;
	size_t longest; /* bytes that were wanted at once */
};

static int by_page(void *data, uint64_t gpa, size_t *len, bool write,
		   void **host)
{
	struct pages *pages = data;
	size_t left = 4096 - (size_t)(gpa & 4095);

	(void)write;
	assert_true(*len > 0);
	pages->asked++;
	if (*len > pages->longest)
		pages->longest = *len;
	if (*len > left)
		*len = left;
	*host = pages->mem + (gpa & (GUEST_LEN - 1));
	return 0;
}

/* However much room a guest offers for an answer, as much is looked at as can be
 * written: the others wait meanwhile. Nor does an address wrap. */
static void test_pages(void **data)
{
	static const struct {
		struct raw in;
		int ret;
		unsigned int most; /* pages */
	} cases[] = {
		{ { IN, 1, WRITE, 0 }, 1, 1 },
		{ { IN, UINT32_MAX, WRITE, 0 }, 1, 17 },
		/* Another behind it, of which nothing can be written. */
		{ { IN, 0x10000, WRITE | NEXT, 2 }, 1, 17 },
		{ { UINT64_MAX, 1, WRITE, 0 }, 1, 1 },
		{ { UINT64_MAX, 2, WRITE, 0 }, -EPROTO, 0 },
		{ { UINT64_MAX - 0x1ffff, UINT32_MAX, WRITE, 0 }, 1, 17 },
		/* A table whose end nobody would get to. */
		{ { LIST, UINT32_MAX - 15, TABLE, 0 }, 1, 4 },
	};

	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct breach b = {
			.desc = { { OUT, 9, NEXT, 1 },
				  cases[i].in,
				  { IN, 1, WRITE, 0 } },
			.list = { { OUT, 9, NEXT, 1 }, { IN, 1, WRITE, 0 } },
		};
		const struct vdpr_ring_format format = {
			.ops = &vdpr_ring_split,
			.indirect = true,
		};
		struct vdpr_guest_chain chain;
		struct pages pages = { 0 };
		struct world w;

		setup(&w, &format, 16);
		put_ring(&w.guest, &b, false);
		pages.mem = w.guest.mem;
		w.mem.translate = by_page;
		w.mem.data = &pages;
		assert_int_equal(vdpr_guest_ring_next(&w.ring, &chain),
				 cases[i].ret);
		assert_true(pages.asked <= cases[i].most);
		assert_true(pages.longest <= VDPR_GUEST_ANSWER_MAX);
		done(&w);
	}
}

/* Everything is made available again before anything was given back. */
static void test_more_than_the_ring(void **data)
{
	static const struct breach whole = { .name = "whole ring",
					     .desc = { { OUT, 9, 0, 0 } } };
	(void)data;
	for (int packed = 0; packed < 2; packed++) {
		struct vdpr_ring_format format = formats[packed ? 5 : 0];
		struct vdpr_guest_chain chain;
		struct world w;

		setup(&w, &format, 16);
		for (unsigned int i = 0; i < 16; i++) {
			uint8_t *desc =
				w.guest.mem + (w.guest.at.desc - GUEST_GPA);

			put_ring(&w.guest, &whole, packed);
			put_desc(desc + 16 * i, &whole.desc[0], packed,
				 packed ? 1u << VRING_PACKED_DESC_F_AVAIL : 0);
			if (!packed)
				vdpr_put_le16(w.guest.mem + 16 * 16 + 2,
					      (uint16_t)(i + 1));
			assert_int_equal(vdpr_guest_ring_next(&w.ring, &chain),
					 1);
			vdpr_guest_ring_take(&w.ring, &chain);
		}
		assert_int_equal(vdpr_guest_ring_next(&w.ring, &chain), 0);
		/* Available by the flags of the next lap; one more by index. */
		put_desc(w.guest.mem + (w.guest.at.desc - GUEST_GPA),
			 &whole.desc[0], packed,
			 packed ? 1u << VRING_PACKED_DESC_F_USED : 0);
		if (!packed)
			vdpr_put_le16(w.guest.mem + 16 * 16 + 2, 17);
		assert_int_equal(vdpr_guest_ring_next(&w.ring, &chain),
				 -EPROTO);
		done(&w);
	}
}

/* ------------------------------------------------------ under our feet */

struct meddler {
	struct guest *guest;
	atomic_bool stop;
	uint32_t seed;
};

static uint32_t random_next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* A processor of the guest's that writes whatever it likes into the ring, its
 * descriptors and tables, with a taste for values that nearly make sense. */
static void *meddle(void *data)
{
	struct meddler *m = data;

	while (!atomic_load(&m->stop)) {
		uint32_t r = random_next(&m->seed);
		uint32_t at = (r & 1   ? GUEST_RO
			       : r & 2 ? GUEST_RW
				       : GUEST_LONG) +
			      random_next(&m->seed) % 0x140 * 4;
		uint32_t value = r & 4	 ? random_next(&m->seed)
				 : r & 8 ? GUEST_GPA + GUEST_LONG
					 : random_next(&m->seed) % 18 *
						   (r & 16 ? 1 : 0x10001);

		__atomic_store_n((uint32_t *)(void *)(m->guest->mem + at),
				 value, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* One look at a ring that changes; whatever comes of it stays in bounds. */
static bool look(struct world *w)
{
	static uint8_t out[1 << 16];
	struct vdpr_guest_chain chain;
	struct vdpr_guest_ring_setup s = guest_setup(&w->guest);
	int ret = vdpr_guest_ring_next(&w->ring, &chain);

	if (ret < 0) {
		assert_non_null(w->ring.fault);
		vdpr_guest_ring_free(&w->ring);
		assert_int_equal(vdpr_guest_ring_init(&w->ring, &w->mem, &s),
				 0);
		return true;
	}
	if (!ret)
		return false;
	if (chain.out_len <= sizeof(out) &&
	    !vdpr_guest_gather(&w->mem, chain.out, out, (size_t)chain.out_len))
		(void)vdpr_guest_scatter(&w->mem, chain.in, chain.n_in, out, 1);
	vdpr_guest_ring_take(&w->ring, &chain);
	vdpr_guest_ring_push(&w->ring, chain.id, chain.entries, 1);
	vdpr_guest_ring_want_kick(&w->ring);
	(void)vdpr_guest_ring_wants_call(&w->ring);
	return false;
}

#define FAULTS_WANTED 200u /* fewer prove nothing */

static void test_under_our_feet(void **data)
{
	uint64_t until = vdpr_now() + 60000000000ull;

	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct meddler m = { .seed = 12345u + (uint32_t)i };
		unsigned int faults = 0;
		pthread_t thread;
		struct world w;

		setup(&w, &formats[i], 16);
		m.guest = &w.guest;
		assert_int_equal(pthread_create(&thread, NULL, meddle, &m), 0);
		while (faults < FAULTS_WANTED && vdpr_now() < until)
			faults += look(&w);
		atomic_store(&m.stop, true);
		pthread_join(thread, NULL);
		assert_int_equal(faults, FAULTS_WANTED);
		done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_format),
		cmocka_unit_test(test_odd_size),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_suppression),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_regions_are_judged),
		cmocka_unit_test(test_preferred_region),
		cmocka_unit_test(test_setup_is_judged),
		cmocka_unit_test(test_breaches),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_more_than_the_ring),
		cmocka_unit_test(test_under_our_feet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
