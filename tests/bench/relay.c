/* SPDX-License-Identifier: MIT */
/* Relays COUNT commands of a guest, one after the other: for callgrind to count. */

/*
 *   relay COUNT split|packed KIND [HOW]
 *
 * KIND is one of the table below, two of them with a + come by turns. HOW is
 * "translated": guest memory is known to a callback alone, or "timed": the device
 * has a limit for its answers. Each command comes in the pieces that Linux
 * sends it in - class and command, then the payload, in up to four pieces, then the
 * answer - by an indirect table: a kick, vdpr_shadow_process(), an answer of the
 * device's, vdpr_shadow_process() again. Guest and device are played outside of
 * these two calls.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "restore/shadow.h"
#include "restore/uapi.h"
#include "tests/fake-cvq.h"
#include "tests/guest.h"

/* CTRL_GUEST_OFFLOADS with GUEST_CSUM, GUEST_TSO4 and 6, CTRL_VQ, CTRL_RX,
 * CTRL_VLAN, CTRL_RX_EXTRA, MQ, CTRL_MAC_ADDR, INDIRECT_DESC, EVENT_IDX, VERSION_1,
 * NOTF_COAL, HASH_REPORT, RSS: what such a guest negotiates. */
#define FEATURES 0x1220000130de0186ull

#define TABLE 128
#define KEY 40
#define ADDRESSES 64
#define TABLE_AT GUEST_LONG
#define PAYLOAD_MAX (8 + 6 * ADDRESSES)

/* hash_types, the mask, unclassified queue; table; max_tx_vq, key. */
static size_t fill_rss(uint8_t *at, unsigned int k)
{
	vdpr_put_le32(at, 0x3f);
	vdpr_put_le16(at + 4, TABLE - 1);
	for (unsigned int i = 0; i < TABLE; i++)
		vdpr_put_le16(at + 8 + 2 * i, (uint16_t)((i + k) % 4));
	at += 8 + 2 * TABLE;
	vdpr_put_le16(at, 4);
	at[2] = KEY;
	memset(at + 3, (int)k, KEY);
	return 8 + 2 * TABLE + 3 + KEY;
}

static size_t fill_hash(uint8_t *at, unsigned int k)
{
	vdpr_put_le32(at, 0x3f);
	at[12] = KEY;
	memset(at + 13, (int)k, KEY);
	return 13 + KEY;
}

/* As many of each. */
static size_t fill_table(uint8_t *at, unsigned int k)
{
	for (unsigned int list = 0; list < 2; list++) {
		vdpr_put_le32(at, ADDRESSES / 2);
		at += 4;
		for (unsigned int i = 0; i < ADDRESSES / 2; i++, at += 6) {
			at[0] = list ? 0x33 : 0x52;
			at[5] = (uint8_t)(i + k);
		}
	}
	return 8 + 6 * ADDRESSES;
}

static size_t fill_address(uint8_t *at, unsigned int k)
{
	at[0] = 0x52;
	at[5] = (uint8_t)k;
	return 6;
}

static size_t fill_offloads(uint8_t *at, unsigned int k)
{
	vdpr_put_le64(at, k & 1 ? 0x182 : 2);
	return 8;
}

static size_t fill_coal(uint8_t *at, unsigned int k)
{
	vdpr_put_le32(at, k);
	vdpr_put_le32(at + 4, 1);
	return 8;
}

static size_t fill_byte(uint8_t *at, unsigned int k)
{
	at[0] = k & 1;
	return 1;
}

static size_t fill_pairs(uint8_t *at, unsigned int k)
{
	vdpr_put_le16(at, (uint16_t)(1 + k % 4));
	return 2;
}

static size_t fill_vlan(uint8_t *at, unsigned int k)
{
	vdpr_put_le16(at, k & 0xff);
	return 2;
}

static const struct kind {
	const char *name;
	uint8_t ctrl_class, command;
	size_t (*fill)(uint8_t *at, unsigned int k);
	/* Bytes of the payload's pieces but the last. */
	uint16_t piece[3];
} kinds[] = {
	{ "promisc",
	  VIRTIO_NET_CTRL_RX,
	  VIRTIO_NET_CTRL_RX_PROMISC,
	  fill_byte,
	  { 0 } },
	{ "macs",
	  VIRTIO_NET_CTRL_MAC,
	  VIRTIO_NET_CTRL_MAC_TABLE_SET,
	  fill_table,
	  { 4 + 3 * ADDRESSES } },
	{ "mac",
	  VIRTIO_NET_CTRL_MAC,
	  VIRTIO_NET_CTRL_MAC_ADDR_SET,
	  fill_address,
	  { 0 } },
	{ "vlan",
	  VIRTIO_NET_CTRL_VLAN,
	  VIRTIO_NET_CTRL_VLAN_ADD,
	  fill_vlan,
	  { 0 } },
	{ "vlan-del",
	  VIRTIO_NET_CTRL_VLAN,
	  VIRTIO_NET_CTRL_VLAN_DEL,
	  fill_vlan,
	  { 0 } },
	{ "pairs",
	  VIRTIO_NET_CTRL_MQ,
	  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
	  fill_pairs,
	  { 0 } },
	{ "rss",
	  VIRTIO_NET_CTRL_MQ,
	  VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
	  fill_rss,
	  { 8, 2 * TABLE, 3 } },
	{ "hash",
	  VIRTIO_NET_CTRL_MQ,
	  VIRTIO_NET_CTRL_MQ_HASH_CONFIG,
	  fill_hash,
	  { 8, 2, 3 } },
	{ "offloads",
	  VIRTIO_NET_CTRL_GUEST_OFFLOADS,
	  VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
	  fill_offloads,
	  { 0 } },
	{ "coal",
	  VIRTIO_NET_CTRL_NOTF_COAL,
	  VIRTIO_NET_CTRL_NOTF_COAL_RX_SET,
	  fill_coal,
	  { 0 } },
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

/* One entry of the table at TABLE_AT; the last has no next one. */
static void put_entry(struct guest *guest, bool packed, unsigned int i,
		      uint64_t gpa, uint32_t len, uint16_t flags)
{
	uint8_t *entry = guest->mem + TABLE_AT + 16 * i;
	bool last = flags & VRING_DESC_F_WRITE;

	vdpr_put_le64(entry, gpa);
	vdpr_put_le32(entry + 8, len);
	if (packed) {
		vdpr_put_le16(entry + 12, 0);
		vdpr_put_le16(entry + 14, flags);
		return;
	}
	vdpr_put_le16(entry + 12, last ? flags : VRING_DESC_F_NEXT);
	vdpr_put_le16(entry + 14, (uint16_t)(i + 1));
}

/* The ring's entry of what was queued last. */
static uint8_t *last_entry(const struct vdpr_ring *ring)
{
	unsigned int last = (ring->avail_idx - 1u) & (ring->num - 1u);

	if (ring->format.ops == &vdpr_ring_packed)
		return ring->rw + 16 * last;
	return ring->ro +
	       16 * vdpr_get_le16(ring->ro + 16 * ring->num + 4 + 2 * last);
}

/* It gets a table of Linux' pieces. */
static void cut(struct guest *guest, const struct kind *kind, size_t size)
{
	bool packed = guest->ring.format.ops == &vdpr_ring_packed;
	uint8_t *desc = last_entry(&guest->ring);
	uint64_t at = GUEST_GPA + GUEST_OUT;
	unsigned int n = 1;

	put_entry(guest, packed, 0, at, 2, 0);
	at += 2;
	for (size_t i = 0; i < ARRAY_SIZE(kind->piece) && kind->piece[i]; i++) {
		put_entry(guest, packed, n++, at, kind->piece[i], 0);
		at += kind->piece[i];
		size -= kind->piece[i];
	}
	put_entry(guest, packed, n++, at, (uint32_t)size, 0);
	put_entry(guest, packed, n++, GUEST_GPA + GUEST_IN, 1,
		  VRING_DESC_F_WRITE);
	vdpr_put_le64(desc, GUEST_GPA + TABLE_AT);
	vdpr_put_le32(desc + 8, 16 * n);
}

static void relay_one(struct vdpr_ctx *ctx, struct vdpr_shadow *shadow,
		      struct fake_cvq *fake, struct guest *guest,
		      unsigned int k, const struct kind *kind)
{
	uint8_t payload[PAYLOAD_MAX] = { 0 };
	size_t size = kind->fill(payload, k);
	unsigned int slot;
	uint32_t len;

	guest_send(guest, 0, kind->ctrl_class, kind->command, payload, size, 1);
	cut(guest, kind, size);
	guest_show(guest);
	assert_int_equal(vdpr_shadow_process(ctx, shadow, NULL), 0);
	assert_int_equal(fake_accept(fake), 1);
	assert_int_equal(vdpr_shadow_process(ctx, shadow, NULL), 0);
	assert_int_equal(guest_take(guest, &slot, &len), 1);
}

/* Nothing of it was lost on the way. */
static void check_recorded(struct vdpr_ctx *ctx, struct vdpr_shadow *shadow)
{
	struct vdpr_state *saved = NULL;

	assert_int_equal(vdpr_shadow_save(ctx, shadow, &saved), 0);
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
		assert_int_not_equal(saved->member[m], VDPR_UNKNOWN);
	vdpr_state_free(saved);
}

static int translate(void *data, uint64_t gpa, size_t *len, bool write,
		     void **host)
{
	struct guest *guest = data;
	uint64_t offset = gpa - GUEST_GPA;

	(void)write;
	if (offset >= GUEST_LEN)
		return -1;
	if (*len > GUEST_LEN - offset)
		*len = (size_t)(GUEST_LEN - offset);
	*host = guest->mem + offset;
	return 0;
}

/* "A" or "A+B". Return: how many. */
static unsigned int find_kinds(char *names, const struct kind *out[2])
{
	char *second = strchr(names, '+');

	if (second)
		*second++ = '\0';
	out[0] = find_kind(names);
	out[1] = second ? find_kind(second) : out[0];
	return out[0] && out[1] ? 1 + !!second : 0;
}

int main(int argc, char **argv)
{
	bool packed = argc > 2 && !strcmp(argv[2], "packed");
	const char *how = argc > 4 ? argv[4] : "";
	const struct kind *kind[2] = { NULL, NULL };
	unsigned int kinds_given = argc > 3 ? find_kinds(argv[3], kind) : 0;
	const struct vdpr_features features = {
		{ FEATURES | (packed ? BIT_ULL(VIRTIO_F_RING_PACKED) : 0), 0 }
	};
	const struct vdpr_ring_format format = {
		.ops = packed ? &vdpr_ring_packed : &vdpr_ring_split,
		.event_idx = true,
		.indirect = true,
	};
	struct vdpr_shadow_opts opts = VDPR_INIT(struct vdpr_shadow_opts);
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);
	struct vdpr_guest_region regions[2];
	struct vdpr_guest_ring_opts ring;
	struct vdpr_shadow *shadow = NULL;
	struct vdpr_state *state = NULL;
	struct vdpr_ctx *ctx = NULL;
	struct fake_cvq fake;
	struct guest guest;
	uint64_t count = 0;

	if (argc > 5 || !kinds_given ||
	    vdpr_u64_parse(argv[1], 1000000, &count))
		return 2;
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	assert_int_equal(vdpr_state_new(ctx, &state), 0);
	config.has = VDPR_CONFIG_MAX_PAIRS | VDPR_CONFIG_RSS_KEY |
		     VDPR_CONFIG_RSS_TABLE | VDPR_CONFIG_HASH_TYPES;
	config.max_virtqueue_pairs = 4;
	config.rss_max_key_size = 40;
	config.rss_max_indirection_table_length = 128;
	config.supported_hash_types = 0x3f;
	assert_int_equal(
		vdpr_state_start(ctx, state, NULL, &features, &config, 0), 0);
	fake_open(&fake, &format, 64);
	guest_open(&guest, &format, 64);
	/* Memory below 4 GiB and above it: the driver's is in the second. */
	regions[0] = guest.region;
	regions[0].gpa = 0;
	regions[1] = guest.region;
	opts.regions = regions;
	opts.n_regions = ARRAY_SIZE(regions);
	opts.answer_msec = strcmp(how, "timed") ? 0 : 1000;
	if (!strcmp(how, "translated")) {
		opts.translate = translate;
		opts.translate_data = &guest;
	}
	assert_int_equal(vdpr_shadow_new(ctx, &fake.dev, &opts, &shadow), 0);
	ring = guest_opts(&guest);
	assert_int_equal(vdpr_shadow_start(ctx, shadow, state, &ring), 0);
	for (unsigned int k = 0; k < count; k++)
		relay_one(ctx, shadow, &fake, &guest, k, kind[k % 2]);
	check_recorded(ctx, shadow);
	vdpr_shadow_free(shadow);
	guest_close(&guest);
	fake_close(&fake);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return 0;
}
