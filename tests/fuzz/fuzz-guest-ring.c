/* SPDX-License-Identifier: MIT */
/* Fuzzes the shadow: a guest that writes what it likes, a device that mostly obeys. */
#include <errno.h>
#include <string.h>

#include "restore/shadow.h"
#include "tests/fake-cvq.h"
#include "tests/fuzz/fuzz.h"

/*
 * The input: features, size and base of the guest's ring, then one byte for each
 * step and what that step needs. Guest memory is 64 KiB with the ring at its
 * beginning; the rest is made anew for each input, so that a read or write past
 * it is seen. Whatever the guest does, the library must go on, write nowhere
 * else, give the device only commands that the guest had put there, and after a
 * reset serve a guest that obeys.
 */

#define GPA 0x40000000u
#define LEN 0x10000u
#define RING_AT 0x0u /* descriptors */
#define DRIVER_AT 0x400u
#define DEVICE_AT 0x800u
#define TABLE_AT 0xc00u /* where indirect tables are likely */
#define DATA_AT 0x1000u

struct world {
	struct vdpr_ctx *ctx;
	struct fake_cvq fake;
	struct vdpr_shadow *shadow;
	struct vdpr_state *state;
	uint8_t *mem;
	bool packed;
	uint16_t num;
	uint16_t head; /* split: next place of the avail ring */
	bool guest_broken, device_broken;
};

static struct vdpr_features features_of(uint8_t flags)
{
	/* CTRL_VQ, CTRL_RX, CTRL_VLAN, GUEST_ANNOUNCE, MQ, CTRL_MAC_ADDR,
	 * VERSION_1, VQ_NOTF_COAL, NOTF_COAL, RSS. */
	struct vdpr_features f = { { 0x1030000100ee0000ull, 0 } };

	if (flags & 1)
		f.word[0] |= BIT_ULL(VIRTIO_F_RING_PACKED);
	if (flags & 2)
		f.word[0] |= BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
	if (flags & 4)
		f.word[0] |= BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC);
	if (flags & 8)
		f.word[0] |= BIT_ULL(VIRTIO_F_IN_ORDER);
	return f;
}

static struct vdpr_ring_format format_of(uint8_t flags)
{
	return (struct vdpr_ring_format){
		.ops = flags & 1 ? &vdpr_ring_packed : &vdpr_ring_split,
		.event_idx = flags & 2,
		.indirect = flags & 4,
		.in_order = flags & 8,
	};
}

static int start(struct world *w, uint32_t base)
{
	struct vdpr_guest_ring_opts ring =
		VDPR_INIT(struct vdpr_guest_ring_opts);

	ring.num = w->num;
	ring.base = base;
	ring.desc = GPA + RING_AT;
	ring.driver = GPA + DRIVER_AT;
	ring.device = GPA + DEVICE_AT;
	ring.kick_fd = -1;
	ring.call_fd = -1;
	return vdpr_shadow_start(w->ctx, w->shadow, w->state, &ring);
}

static void process(struct world *w)
{
	unsigned int events = 0;
	int ret = vdpr_shadow_process(w->ctx, w->shadow, &events);

	FUZZ_CHECK(ret == 0 || ret == -EPROTO || ret == -EIO);
	FUZZ_CHECK(!(events & VDPR_SHADOW_GUEST_BROKEN) || !w->guest_broken);
	FUZZ_CHECK(!(events & VDPR_SHADOW_DEVICE_BROKEN) || !w->device_broken);
	w->guest_broken |= events & VDPR_SHADOW_GUEST_BROKEN;
	w->device_broken |= events & VDPR_SHADOW_DEVICE_BROKEN;
	FUZZ_CHECK((ret == -EIO) == w->device_broken);
	FUZZ_CHECK(w->device_broken || (ret == -EPROTO) == w->guest_broken);
	if (ret)
		fuzz_line(vdpr_ctx_error(w->ctx));
}

/* Four bytes anywhere: the ring, tables and data are likely. */
static void step_write(struct world *w, struct fuzz_input *in)
{
	uint32_t at = fuzz_u16(in);
	size_t len = fuzz_u8(in) % 32 + 1;

	if (len > LEN - at)
		len = LEN - at;
	fuzz_take(in, w->mem + at, len);
}

/* A descriptor that nearly makes sense. */
static void step_desc(struct world *w, struct fuzz_input *in)
{
	uint8_t how = fuzz_u8(in);
	uint32_t at = (how & 1 ? TABLE_AT : RING_AT) + fuzz_u8(in) % 32 * 16;
	uint64_t addr = GPA + (how & 2 ? TABLE_AT : DATA_AT + fuzz_u16(in));
	uint32_t len = how & 4 ? fuzz_u8(in) * 16u : fuzz_u16(in);
	uint16_t flags = fuzz_u8(in) % 8;
	uint16_t next = fuzz_u8(in);

	if (how & 8)
		addr = fuzz_u64(in);
	if (how & 16)
		flags |= how & 32 ? 1u << VRING_PACKED_DESC_F_AVAIL
				  : 1u << VRING_PACKED_DESC_F_USED;
	vdpr_put_le64(w->mem + at, addr);
	vdpr_put_le32(w->mem + at + 8, len);
	vdpr_put_le16(w->mem + at + 12, w->packed ? next : flags);
	vdpr_put_le16(w->mem + at + 14, w->packed ? flags : next);
}

/* The available index, a few on or anywhere. */
static void step_index(struct world *w, struct fuzz_input *in)
{
	uint8_t how = fuzz_u8(in);
	uint8_t *idx = w->mem + DRIVER_AT + 2;

	if (w->packed)
		return;
	vdpr_put_le16(w->mem + DRIVER_AT + 4 + 2 * (how % w->num), fuzz_u8(in));
	vdpr_put_le16(idx, how & 0x80
				   ? fuzz_u16(in)
				   : (uint16_t)(vdpr_get_le16(idx) + how % 4));
}

/* The device takes a command and answers, now and then as it must not. */
static void step_device(struct world *w, struct fuzz_input *in)
{
	uint8_t how = fuzz_u8(in);
	struct fake_command c;
	uint8_t answer[64] = { 0 };
	size_t len;

	if (!fake_next(&w->fake, &c))
		return;
	FUZZ_CHECK(c.len >= 2 && c.len <= VDPR_RELAY_LONG_OUT && c.in.len);
	len = c.in.len < sizeof(answer) ? c.in.len : sizeof(answer);
	fuzz_take(in, answer, how % 8 ? 1 : len);
	fake_answer(&w->fake, &c, answer, len,
		    how == 0xff ? fuzz_u16(in)
		    : how % 8	? 1
				: (uint32_t)len);
}

static void step_save(struct world *w)
{
	struct vdpr_state *state = NULL;

	FUZZ_CHECK(!vdpr_shadow_save(w->ctx, w->shadow, &state));
	fuzz_state(w->ctx, state);
	vdpr_state_free(state);
}

static void step(struct world *w, struct fuzz_input *in)
{
	uint8_t op = fuzz_u8(in);

	switch (op % 8) {
	case 0:
		step_write(w, in);
		break;
	case 1:
	case 2:
		step_desc(w, in);
		break;
	case 3:
		step_index(w, in);
		break;
	case 4:
	case 5:
		process(w);
		break;
	case 6:
		step_device(w, in);
		break;
	default:
		if (op < 128)
			(void)vdpr_shadow_announce(w->ctx, w->shadow);
		else
			step_save(w);
	}
}

/* A device and a shadow before it. */
static void open_shadow(struct world *w, uint8_t flags)
{
	struct vdpr_guest_region region = VDPR_INIT(struct vdpr_guest_region);
	struct vdpr_shadow_opts opts = VDPR_INIT(struct vdpr_shadow_opts);
	const struct vdpr_ring_format format = format_of(flags);

	fake_open(&w->fake, &format, flags & 32 ? 4 : 64);
	region.gpa = GPA;
	region.len = LEN;
	region.host = w->mem;
	opts.regions = &region;
	opts.n_regions = 1;
	FUZZ_CHECK(!vdpr_shadow_new(w->ctx, &w->fake.dev, &opts, &w->shadow));
}

static void close_shadow(struct world *w)
{
	vdpr_shadow_free(w->shadow);
	fake_close(&w->fake);
}

/* Two descriptors: VLAN_ADD 9, and a byte for the answer. */
static void put_command(struct world *w)
{
	const uint16_t flag[2] = { VRING_DESC_F_NEXT, VRING_DESC_F_WRITE };
	uint16_t avail = w->packed ? 1u << VRING_PACKED_DESC_F_AVAIL : 0;

	w->mem[DATA_AT] = VIRTIO_NET_CTRL_VLAN;
	w->mem[DATA_AT + 2] = 9;
	w->mem[DATA_AT + 16] = 0xee;
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t *desc = w->mem + RING_AT + (size_t)16 * i;
		uint16_t f = flag[i] | avail;

		vdpr_put_le64(desc, GPA + DATA_AT + 16 * i);
		vdpr_put_le32(desc + 8, i ? 1 : 4);
		vdpr_put_le16(desc + 12, w->packed ? 0 : f);
		vdpr_put_le16(desc + 14, w->packed ? f : 1);
	}
	if (!w->packed)
		vdpr_put_le16(w->mem + DRIVER_AT + 2, 1);
}

/* After all that: a guest that obeys every rule is served. */
static void obey(struct world *w, uint8_t flags)
{
	open_shadow(w, flags);
	memset(w->mem, 0, LEN);
	w->num = 16;
	FUZZ_CHECK(!start(w, w->packed ? 0x80008000 : 0));
	put_command(w);
	FUZZ_CHECK(!vdpr_shadow_process(w->ctx, w->shadow, NULL));
	FUZZ_CHECK(fake_accept(&w->fake) == 1);
	FUZZ_CHECK(!vdpr_shadow_process(w->ctx, w->shadow, NULL));
	FUZZ_CHECK(w->mem[DATA_AT + 16] == VIRTIO_NET_OK);
	close_shadow(w);
}

static void fill_state(struct world *w, uint8_t flags)
{
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);
	const struct vdpr_features features = features_of(flags);

	config.has = VDPR_CONFIG_MAX_PAIRS;
	config.max_virtqueue_pairs = 4;
	FUZZ_CHECK(!vdpr_state_new(w->ctx, &w->state));
	FUZZ_CHECK(!vdpr_state_start(w->ctx, w->state, NULL, &features, &config,
				     0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint8_t flags = fuzz_u8(&in);
	struct world w = { .packed = flags & 1 };
	uint32_t base = w.packed ? 0x80008000 : 0;

	w.num = (uint16_t)(fuzz_u8(&in) % 33);
	if (flags & 16)
		base ^= (uint32_t)fuzz_u64(&in);
	w.ctx = fuzz_ctx();
	w.mem = aligned_alloc(4096, LEN);
	FUZZ_CHECK(w.mem);
	memset(w.mem, 0, LEN);
	fill_state(&w, flags);
	open_shadow(&w, flags);
	if (!start(&w, base)) {
		while (in.left)
			step(&w, &in);
		process(&w);
		/* It takes longer than all the rest: not each time. */
		if (flags & 64)
			step_save(&w);
	}
	close_shadow(&w);
	obey(&w, flags);
	vdpr_state_free(w.state);
	free(w.mem);
	vdpr_ctx_free(w.ctx);
	return 0;
}
