/* SPDX-License-Identifier: MIT */
/* Migration streams: every variant, read in every way, and broken ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/qemu-stream.h"
#include "tests/qemu-make.h"

#define NAME "0000:00:03.0/virtio-net"
#define MQ (1ull << 22)
#define VLAN (1ull << 19)
#define HASH (1ull << 57)
#define RSS (1ull << 60)
#define PACKED (1ull << 34)
#define V1 (1ull << 32)

/* ------------------------------------------------------------------- reading */

/* A stream in memory, of which a byte read past its end is seen. */
struct memory {
	uint8_t *data;
	size_t len;
	uint64_t at; /* of a pipe */
	size_t most; /* bytes a read gives */
	bool is_pipe;
	size_t read; /* bytes given in all */
};

static ssize_t read_memory(void *data, uint64_t offset, void *buf, size_t len)
{
	struct memory *m = data;
	size_t n;

	if (m->is_pipe)
		assert_int_equal(offset, m->at);
	if (offset >= m->len)
		return 0;
	n = m->len - (size_t)offset;
	if (n > len)
		n = len;
	if (n > m->most)
		n = m->most;
	memcpy(buf, m->data + offset, n);
	m->at += n;
	m->read += n;
	return (ssize_t)n;
}

static void memory_init(struct memory *m, const void *data, size_t len,
			bool is_pipe, size_t most)
{
	*m = (struct memory){ .len = len, .is_pipe = is_pipe, .most = most };
	m->data = malloc(len ? len : 1);
	assert_non_null(m->data);
	memcpy(m->data, data, len);
}

static int read_from(struct vdpr_ctx *ctx, struct memory *m,
		     struct vdpr_qemu_stream **out)
{
	struct vdpr_stream source = VDPR_INIT(struct vdpr_stream);

	source.read = read_memory;
	source.data = m;
	source.length = m->is_pipe ? 0 : m->len;
	return vdpr_qemu_stream_read(ctx, &source, out);
}

static int read_bytes(struct vdpr_ctx *ctx, const void *data, size_t len,
		      bool is_pipe, size_t most, struct vdpr_qemu_stream **out)
{
	struct memory m;
	int err;

	memory_init(&m, data, len, is_pipe, most);
	err = read_from(ctx, &m, out);
	free(m.data);
	return err;
}

static int setup(void **state)
{
	struct vdpr_ctx *ctx;
	int err = vdpr_ctx_new(&ctx);

	*state = ctx;
	return err;
}

static int teardown(void **state)
{
	vdpr_ctx_free(*state);
	return 0;
}

static struct vdpr_buf made(const struct make_stream *s)
{
	struct vdpr_buf out = { 0 };

	make_stream(&out, s);
	assert_int_equal(vdpr_buf_error(&out), 0);
	return out;
}

static struct make_stream stream_of(const struct make_nic *nic)
{
	return (struct make_stream){
		.machine = "pc-q35-7.2",
		.pages = 3,
		.n_nics = 1,
		.nic = nic,
	};
}

/* The state of the only device, read in one way. */
static struct vdpr_state *state_of(struct vdpr_ctx *ctx,
				   const struct vdpr_buf *b, bool is_pipe,
				   size_t most)
{
	struct vdpr_qemu_stream *s = NULL;
	struct vdpr_state *state = NULL;

	if (read_bytes(ctx, b->data, b->len, is_pipe, most, &s))
		fail_msg("%s: %s", is_pipe ? "pipe" : "file",
			 vdpr_ctx_error(ctx));
	assert_int_equal(vdpr_qemu_stream_count(s), 1);
	if (vdpr_qemu_stream_state(ctx, s, 0, 0, &state))
		fail_msg("%s", vdpr_ctx_error(ctx));
	vdpr_qemu_stream_free(s);
	return state;
}

static char *text_of(struct vdpr_ctx *ctx, const struct vdpr_state *state)
{
	char *text = NULL;

	assert_int_equal(vdpr_state_format(ctx, state, &text, NULL), 0);
	return text;
}

/* The state of a stream's only device, however it is read. */
static struct vdpr_state *state_every_way(struct vdpr_ctx *ctx,
					  struct make_stream s)
{
	struct vdpr_state *first = NULL;
	char *want = NULL;

	for (unsigned int way = 0; way < 6; way++) {
		struct vdpr_state *state;
		struct vdpr_buf b;
		char *text;

		s.no_description = way & 1;
		b = made(&s);
		state = state_of(ctx, &b, way >= 2, way >= 4 ? 7 : SIZE_MAX);
		vdpr_buf_free(&b);
		if (!first) {
			first = state;
			want = text_of(ctx, state);
			continue;
		}
		text = text_of(ctx, state);
		assert_string_equal(text, want);
		free(text);
		vdpr_state_free(state);
	}
	free(want);
	return first;
}

/* --------------------------------------------------- what it ought to hold */

static bool member(const struct vdpr_state *s, const struct make_nic *nic,
		   enum vdpr_member m, unsigned int feature)
{
	bool there = nic->features[0] >> feature & 1;

	if (!there)
		assert_int_equal(s->member[m], VDPR_ABSENT);
	return there;
}

static void expect_mac(const struct vdpr_state *s, const struct make_nic *nic)
{
	size_t n = 0;

	if (member(s, nic, VDPR_MAC_ADDRESS, VIRTIO_NET_F_CTRL_MAC_ADDR)) {
		assert_int_equal(s->member[VDPR_MAC_ADDRESS], VDPR_KNOWN);
		assert_memory_equal(s->mac, nic->mac, 6);
	}
	if (!member(s, nic, VDPR_MAC_UNICAST, VIRTIO_NET_F_CTRL_RX))
		return;
	while (n < nic->n_macs && !(nic->macs[n][0] & 1))
		n++;
	assert_int_equal(s->unicast.count, n);
	assert_int_equal(s->multicast.count, nic->n_macs - n);
	if (n)
		assert_memory_equal(s->unicast.addr, nic->macs, 6 * n);
	if (nic->n_macs > n)
		assert_memory_equal(s->multicast.addr, nic->macs[n],
				    6 * (nic->n_macs - n));
	assert_int_equal(s->unicast_overflow, nic->uni_overflow);
	assert_int_equal(s->multicast_overflow, nic->multi_overflow);
}

static void expect_modes(const struct vdpr_state *s, const struct make_nic *nic)
{
	if (member(s, nic, VDPR_RX_PROMISCUOUS, VIRTIO_NET_F_CTRL_RX)) {
		assert_int_equal(s->promiscuous, nic->promisc != 0);
		assert_int_equal(s->all_multicast, nic->allmulti != 0);
	}
	if (member(s, nic, VDPR_RX_ALL_UNICAST, VIRTIO_NET_F_CTRL_RX_EXTRA)) {
		assert_int_equal(s->all_unicast, nic->alluni != 0);
		assert_int_equal(s->no_multicast, nic->nomulti != 0);
		assert_int_equal(s->no_unicast, nic->nouni != 0);
		assert_int_equal(s->no_broadcast, nic->nobcast != 0);
	}
	if (member(s, nic, VDPR_VLAN_IDS, VIRTIO_NET_F_CTRL_VLAN))
		for (unsigned int id = 0; id < 4096; id++)
			assert_int_equal(vdpr_vlan_has(s, id),
					 nic->vlans[id / 32] >> (id % 32) & 1);
}

static void expect_steering(const struct vdpr_state *s,
			    const struct make_nic *nic)
{
	bool in_force = nic->rss_version && nic->redirect;

	if (member(s, nic, VDPR_MQ_QUEUE_PAIRS, VIRTIO_NET_F_MQ)) {
		assert_int_equal(s->queue_pairs, nic->pairs);
		assert_true(s->config.has & VDPR_CONFIG_MAX_PAIRS);
		assert_int_equal(s->config.max_virtqueue_pairs, nic->max_pairs);
	}
	if (member(s, nic, VDPR_RSS, VIRTIO_NET_F_RSS))
		assert_int_equal(s->member[VDPR_RSS],
				 in_force ? VDPR_KNOWN : VDPR_NULL);
	if (in_force) {
		assert_int_equal(s->rss.hash_types, nic->hash_types);
		assert_int_equal(s->rss.unclassified_queue, nic->default_queue);
		assert_int_equal(s->rss.max_tx_vq, nic->pairs);
		assert_int_equal(s->rss.table_len, nic->table_len);
		assert_memory_equal(s->rss.table, nic->table,
				    2 * (size_t)nic->table_len);
		assert_int_equal(s->rss.key.len, 40);
		assert_memory_equal(s->rss.key.bytes, nic->key, 40);
		assert_int_equal(s->member[VDPR_HASH_REPORT], VDPR_ABSENT);
	} else if (member(s, nic, VDPR_HASH_REPORT, VIRTIO_NET_F_HASH_REPORT)) {
		assert_int_equal(s->member[VDPR_HASH_REPORT],
				 nic->rss_version ? VDPR_KNOWN : VDPR_NULL);
	}
	if (nic->rss_version && !in_force) {
		assert_int_equal(s->hash_report.hash_types, nic->hash_types);
		assert_memory_equal(s->hash_report.key.bytes, nic->key, 40);
	}
}

static void expect_rings(const struct vdpr_state *s, const struct make_nic *nic)
{
	bool packed = nic->features[0] & PACKED;

	assert_int_equal(s->n_vrings, nic->n_rings);
	for (uint32_t i = 0; i < nic->n_rings; i++) {
		const struct vdpr_vring_state *v = &s->vrings[i];
		const struct make_ring *r = &nic->ring[i];
		uint32_t base = r->last_avail;

		if (packed)
			base |= (uint32_t)r->avail_wrap << 15 |
				(uint32_t)r->used_idx << 16 |
				(uint32_t)r->used_wrap << 31;
		assert_int_equal(v->index, i);
		assert_int_equal(v->size, r->num);
		assert_int_equal(v->base, base);
		assert_int_equal(v->enabled, r->enabled);
		assert_int_equal(v->desc, r->desc);
		if (!nic->modern)
			continue;
		assert_int_equal(v->driver, r->avail);
		assert_int_equal(v->device, r->used);
	}
}

static void expect(const struct vdpr_state *s, const struct make_nic *nic)
{
	char why[VDPR_WHY];

	if (vdpr_state_check(s, why))
		fail_msg("%s", why);
	assert_true(s->negotiated_known);
	assert_int_equal(s->negotiated.word[0], nic->features[0]);
	assert_int_equal(s->negotiated.word[1], nic->features[1]);
	assert_false(vdpr_state_has_feature(s, VIRTIO_NET_F_STATUS) &&
		     s->config.link_up != (nic->net_status & 1));
	expect_mac(s, nic);
	expect_modes(s, nic);
	expect_steering(s, nic);
	if (member(s, nic, VDPR_OFFLOADS, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		assert_int_equal(s->offloads, nic->offloads);
	expect_rings(s, nic);
	assert_true(vdpr_state_is_complete(s));
}

/* ------------------------------------------------------------------ variants */

static void v_plain(struct make_nic *nic)
{
	(void)nic;
}

static void v_filters(struct make_nic *nic)
{
	static const uint8_t macs[5][6] = {
		{ 2, 0, 0, 0, 0, 1 },	    { 2, 0, 0, 0, 0, 2 },
		{ 0x33, 0x33, 0, 0, 0, 1 }, { 1, 0, 0x5e, 0, 0, 1 },
		{ 0x33, 0x33, 0, 0, 0, 3 },
	};

	memcpy(nic->macs, macs, sizeof(macs));
	nic->n_macs = 5;
	nic->vlans[0] = 1;
	nic->vlans[1] = 1u << 10; /* 42 */
	nic->vlans[127] = 1u << 30;
	nic->promisc = 1;
	nic->nomulti = 1;
	nic->nobcast = 0x80; /* the guest's byte: any but 0 is on */
}

static void v_full_tables(struct make_nic *nic)
{
	nic->n_macs = 64;
	for (unsigned int i = 0; i < 64; i++) {
		nic->macs[i][0] = i < 40 ? 2 : 3;
		nic->macs[i][5] = (uint8_t)i;
	}
	nic->uni_overflow = 1;
	nic->multi_overflow = 1;
	nic->allmulti = 1;
	nic->alluni = 1;
	nic->nouni = 1;
}

static void many(struct make_nic *nic)
{
	nic->features[0] |= MQ;
	nic->max_pairs = 4;
	nic->pairs = 3;
	nic->n_rings = 9;
	nic->vectors = 10;
}

static void v_pairs(struct make_nic *nic)
{
	many(nic);
}

static void v_all_pairs(struct make_nic *nic)
{
	many(nic);
	nic->pairs = 4;
	for (unsigned int i = 6; i < 9; i++)
		nic->ring[i].enabled = i != 7;
}

/* The backend has several pairs, the guest did not negotiate them. */
static void v_pairs_unused(struct make_nic *nic)
{
	nic->max_pairs = 4;
}

/* Negotiated with a backend of one pair. */
static void v_one_pair_with_mq(struct make_nic *nic)
{
	nic->features[0] |= MQ;
}

static void rss(struct make_nic *nic, uint32_t version)
{
	many(nic);
	nic->features[0] |= RSS | HASH;
	nic->rss_version = version;
	nic->redirect = 1;
	nic->populate_hash = 1;
	nic->hash_types = 0x3f;
	nic->default_queue = 2;
	nic->table_len = 128;
	for (unsigned int i = 0; i < 128; i++)
		nic->table[i] = (uint16_t)(i % 3);
	for (unsigned int i = 0; i < 40; i++)
		nic->key[i] = (uint8_t)(0x6d + 7 * i);
}

static void v_rss(struct make_nic *nic)
{
	rss(nic, 1);
}

static void v_rss_2(struct make_nic *nic)
{
	rss(nic, 2);
	nic->table_len = 1;
}

static void v_rss_not_configured(struct make_nic *nic)
{
	rss(nic, 0);
	nic->redirect = 0;
}

static void v_rss_without_mq(struct make_nic *nic)
{
	rss(nic, 1);
	nic->features[0] &= ~(MQ | HASH);
	nic->populate_hash = 0;
}

static void v_hash_only(struct make_nic *nic)
{
	rss(nic, 1);
	nic->redirect = 0;
	nic->table_len = 1;
	nic->table[0] = 0;
}

static void v_hash_only_2(struct make_nic *nic)
{
	v_hash_only(nic);
	nic->rss_version = 2;
	nic->features[0] &= ~RSS;
}

static void v_packed(struct make_nic *nic)
{
	nic->features[0] |= PACKED;
	nic->ring[0].num = 100; /* no power of two */
	nic->ring[0].avail_wrap = true;
	nic->ring[1].used_wrap = true;
	nic->ring[2].avail_wrap = nic->ring[2].used_wrap = true;
}

static void v_express(struct make_nic *nic)
{
	nic->bus = MAKE_EXPRESS;
}

static void v_express_rss_packed(struct make_nic *nic)
{
	rss(nic, 2);
	v_packed(nic);
	nic->bus = MAKE_EXPRESS;
}

static void v_no_msix(struct make_nic *nic)
{
	nic->vectors = 0;
}

static void v_many_vectors(struct make_nic *nic)
{
	nic->vectors = 2048;
}

static void v_mmio(struct make_nic *nic)
{
	nic->bus = MAKE_MMIO;
}

static void v_mmio_rss(struct make_nic *nic)
{
	rss(nic, 1);
	nic->bus = MAKE_MMIO;
}

static void legacy(struct make_nic *nic)
{
	nic->features[0] &= ~V1;
	nic->modern = false;
	nic->features64 = false;
}

static void v_legacy(struct make_nic *nic)
{
	legacy(nic);
}

static void v_legacy_mmio(struct make_nic *nic)
{
	legacy(nic);
	nic->bus = MAKE_MMIO;
}

static void v_features_128(struct make_nic *nic)
{
	nic->features128 = true;
	nic->features[1] = 6; /* UDP tunnel: 65, 66 */
	nic->offloads |= 1ull << 46;
}

static void v_no_offloads(struct make_nic *nic)
{
	nic->features[0] &= ~(1ull << 2);
}

static void v_no_vlan_filter(struct make_nic *nic)
{
	nic->features[0] &= ~VLAN;
	memset(nic->vlans, 0xff, sizeof(nic->vlans));
}

static void v_no_cvq(struct make_nic *nic)
{
	nic->features[0] = V1 | 1u << 5 | 1u << 16;
	nic->n_rings = 2;
	memset(nic->vlans, 0xff, sizeof(nic->vlans));
}

static void v_not_driven(struct make_nic *nic)
{
	nic->features[0] = 0;
	nic->status = 0;
	memset(nic->vlans, 0xff, sizeof(nic->vlans));
	for (unsigned int i = 0; i < 3; i++) {
		nic->ring[i] = (struct make_ring){ .num = 256 };
		nic->ring[i].enabled = false;
	}
}

static void v_other_endian(struct make_nic *nic)
{
	v_filters(nic);
	nic->endian = 2;
}

static void v_announcing(struct make_nic *nic)
{
	nic->features[0] |= 1u << 21;
	nic->net_status = 3;
}

static const struct {
	const char *name;
	void (*change)(struct make_nic *nic);
} variants[] = {
	{ "plain", v_plain },
	{ "filters", v_filters },
	{ "full tables", v_full_tables },
	{ "pairs", v_pairs },
	{ "all pairs", v_all_pairs },
	{ "pairs unused", v_pairs_unused },
	{ "one pair with MQ", v_one_pair_with_mq },
	{ "RSS", v_rss },
	{ "RSS, version 2", v_rss_2 },
	{ "RSS not configured", v_rss_not_configured },
	{ "RSS without MQ", v_rss_without_mq },
	{ "hash report only", v_hash_only },
	{ "hash report only, version 2", v_hash_only_2 },
	{ "packed", v_packed },
	{ "express", v_express },
	{ "express, RSS, packed", v_express_rss_packed },
	{ "no MSI-X", v_no_msix },
	{ "2048 vectors", v_many_vectors },
	{ "mmio", v_mmio },
	{ "mmio, RSS", v_mmio_rss },
	{ "legacy", v_legacy },
	{ "legacy mmio", v_legacy_mmio },
	{ "128 features", v_features_128 },
	{ "no offloads", v_no_offloads },
	{ "no VLAN filter", v_no_vlan_filter },
	{ "no control queue", v_no_cvq },
	{ "not driven", v_not_driven },
	{ "other byte order", v_other_endian },
	{ "announcing", v_announcing },
};

static void every_variant_reads_the_same_in_every_way(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		struct vdpr_state *s;
		struct make_nic nic;

		make_nic_default(&nic);
		variants[i].change(&nic);
		print_message("# %s\n", variants[i].name);
		s = state_every_way(*state, stream_of(&nic));
		expect(s, &nic);
		vdpr_state_free(s);
	}
}

/* ---------------------------------------------------------- byte order, config */

static void words_of_a_big_host_are_turned(void **state)
{
	static const char *const machines[] = { "s390-ccw-virtio-7.2",
						"pseries-7.2" };

	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		struct make_stream m;
		struct vdpr_state *s;
		struct make_nic nic;

		make_nic_default(&nic);
		v_filters(&nic);
		nic.vlans_big = true;
		m = stream_of(&nic);
		m.machine = machines[i];
		s = state_every_way(*state, m);
		expect(s, &nic);
		vdpr_state_free(s);
	}
}

/* A POWER machine on a little-endian host, told by id 0 and by nothing else. */
static void pseries_words_are_what_linux_makes_of_them(void **state)
{
	struct make_stream m;
	struct vdpr_state *s;
	struct make_nic nic;

	make_nic_default(&nic);
	v_filters(&nic);
	m = stream_of(&nic);
	m.machine = "pseries-7.2";
	s = state_every_way(*state, m);
	expect(s, &nic);
	vdpr_state_free(s);
	nic.vlans[0] = 0;
	s = state_every_way(*state, m);
	assert_int_equal(s->member[VDPR_VLAN_IDS], VDPR_UNKNOWN);
	vdpr_state_free(s);
	nic.endian = 1;
	s = state_every_way(*state, m);
	expect(s, &nic);
	vdpr_state_free(s);
}

static void config_is_what_the_guest_read(void **state)
{
	struct vdpr_state *s;
	struct make_nic nic;

	make_nic_default(&nic);
	v_rss(&nic);
	nic.features[0] |= 1u << 3; /* MTU */
	nic.config[8] = 4;
	nic.config[10] = 0x28;
	nic.config[11] = 0x23;
	nic.config[17] = 40;
	nic.config[18] = 128;
	nic.config[20] = 0xff;
	nic.config[21] = 1;
	s = state_every_way(*state, stream_of(&nic));
	expect(s, &nic);
	assert_int_equal(s->config.has,
			 VDPR_CONFIG_LINK_UP | VDPR_CONFIG_ANNOUNCE |
				 VDPR_CONFIG_MAX_PAIRS | VDPR_CONFIG_MTU |
				 VDPR_CONFIG_RSS_KEY | VDPR_CONFIG_RSS_TABLE |
				 VDPR_CONFIG_HASH_TYPES);
	assert_int_equal(s->config.mtu, 9000);
	assert_int_equal(s->config.rss_max_key_size, 40);
	assert_int_equal(s->config.rss_max_indirection_table_length, 128);
	assert_int_equal(s->config.supported_hash_types, 0x1ff);
	vdpr_state_free(s);
	/* Never read: nothing of it is true. */
	memset(nic.config, 0, sizeof(nic.config));
	s = state_every_way(*state, stream_of(&nic));
	expect(s, &nic);
	assert_int_equal(s->config.has, VDPR_CONFIG_LINK_UP |
						VDPR_CONFIG_ANNOUNCE |
						VDPR_CONFIG_MAX_PAIRS);
	vdpr_state_free(s);
}

/* ------------------------------------------------------------- all ids pass */

static void a_table_of_all_ones_is_kept_or_unknown(void **state)
{
	struct vdpr_qemu_nic_info info = VDPR_INIT(struct vdpr_qemu_nic_info);
	struct vdpr_qemu_stream *stream = NULL;
	struct vdpr_state *s = NULL;
	struct make_stream m;
	struct make_nic nic;
	struct vdpr_buf b;

	make_nic_default(&nic);
	memset(nic.vlans, 0xff, sizeof(nic.vlans));
	nic.vlans[1] &= ~(1u << 10); /* the guest took 42 out again */
	m = stream_of(&nic);
	s = state_every_way(*state, m);
	expect(s, &nic);
	vdpr_state_free(s);
	b = made(&m);
	assert_int_equal(
		read_bytes(*state, b.data, b.len, false, SIZE_MAX, &stream), 0);
	assert_int_equal(vdpr_qemu_stream_get(stream, 0, &info), 0);
	assert_true(info.all_vlans);
	assert_int_equal(info.vlans, 4095);
	assert_int_equal(vdpr_qemu_stream_state(*state, stream, 0,
						VDPR_QEMU_ALL_VLANS_UNKNOWN,
						&s),
			 0);
	assert_int_equal(s->member[VDPR_VLAN_IDS], VDPR_UNKNOWN);
	vdpr_state_free(s);
	vdpr_qemu_stream_free(stream);
	vdpr_buf_free(&b);
}

/* What a guest may ask for, though it is nearly all: 4095 is no VLAN. */
static void a_table_of_all_vlans_there_are_is_the_guests(void **state)
{
	struct vdpr_qemu_nic_info info = VDPR_INIT(struct vdpr_qemu_nic_info);
	struct vdpr_qemu_stream *stream = NULL;
	struct make_stream m;
	struct make_nic nic;
	struct vdpr_buf b;

	make_nic_default(&nic);
	memset(nic.vlans, 0xff, sizeof(nic.vlans));
	nic.vlans[127] &= 0x7fffffff;
	m = stream_of(&nic);
	b = made(&m);
	assert_int_equal(
		read_bytes(*state, b.data, b.len, false, SIZE_MAX, &stream), 0);
	assert_int_equal(vdpr_qemu_stream_get(stream, 0, &info), 0);
	assert_false(info.all_vlans);
	vdpr_qemu_stream_free(stream);
	vdpr_buf_free(&b);
}

/* ------------------------------------------------------------ the stream around */

static const struct {
	const char *name;
	struct make_stream s;
} arounds[] = {
	{ "no configuration", { .pages = 2 } },
	{ "pages of 64 KiB",
	  { .machine = "virt-7.2", .page_bits = 16, .pages = 2 } },
	{ "no full page", { .machine = "pc-q35-7.2" } },
	{ "many pages", { .machine = "pc-q35-7.2", .pages = 700 } },
	{ "postcopy possible",
	  { .machine = "pc-q35-7.2", .postcopy = true, .pages = 2 } },
	{ "postcopy, shared",
	  { .machine = "pc-q35-7.2",
	    .postcopy = true,
	    .ignore_shared = true } },
	{ "odd pages",
	  { .machine = "pc-q35-7.2", .odd_pages = true, .pages = 2 } },
	{ "VFIO",
	  { .machine = "pc-q35-7.2",
	    .pages = 1,
	    .part = "0000:00:04.0/vfio",
	    .part_data = "data",
	    .part_len = 4 } },
	{ "hash table",
	  { .machine = "pseries-7.2",
	    .pages = 1,
	    .part = "spapr/htab",
	    .part_data = "16 bytes exactly",
	    .part_len = 16 } },
	{ "mapped-ram",
	  { .machine = "pc-q35-9.0", .mapped_ram = true, .pages = 5 } },
	{ "shared memory",
	  { .machine = "pc-q35-7.2", .ignore_shared = true, .pages = 1 } },
	{ "both",
	  { .machine = "pc-q35-9.0",
	    .mapped_ram = true,
	    .ignore_shared = true,
	    .pages = 9 } },
};

static void every_stream_around_it_is_read(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(arounds); i++) {
		struct make_stream m = arounds[i].s;
		struct vdpr_state *s;
		struct make_nic nic;

		print_message("# %s\n", arounds[i].name);
		make_nic_default(&nic);
		m.n_nics = 1;
		m.nic = &nic;
		s = state_every_way(*state, m);
		expect(s, &nic);
		vdpr_state_free(s);
	}
}

/* The reader of a file has no business in guest memory. */
static void memory_of_a_file_is_not_read(void **state)
{
	struct vdpr_qemu_stream *stream = NULL;
	struct make_stream m;
	struct make_nic nic;
	struct memory mem;
	struct vdpr_buf b;

	make_nic_default(&nic);
	m = stream_of(&nic);
	m.pages = 2000;
	b = made(&m);
	memory_init(&mem, b.data, b.len, false, SIZE_MAX);
	assert_int_equal(read_from(*state, &mem, &stream), 0);
	assert_int_equal(vdpr_qemu_stream_count(stream), 1);
	/* A read ahead of the beginning, the tail, the section. */
	assert_in_range(mem.read, 1, 700000);
	assert_true(b.len > 8000000);
	vdpr_qemu_stream_free(stream);
	free(mem.data);
	vdpr_buf_free(&b);
}

static void devices_are_found_by_name(void **state)
{
	struct vdpr_qemu_stream *stream = NULL;
	struct make_nic nic[3];
	struct make_stream m;
	struct vdpr_buf b;
	size_t index = 9;

	for (unsigned int i = 0; i < 3; i++)
		make_nic_default(&nic[i]);
	nic[0].name = "0000:00:02.0/virtio-net";
	nic[1].name = "0000:00:02.0:00.0/virtio-net";
	nic[2].name = "virtio-mmio@00000000feb02e00/virtio-net";
	m = stream_of(nic);
	m.n_nics = 3;
	for (unsigned int way = 0; way < 4; way++) {
		m.no_description = way & 1;
		b = made(&m);
		assert_int_equal(read_bytes(*state, b.data, b.len, way & 2,
					    SIZE_MAX, &stream),
				 0);
		vdpr_buf_free(&b);
		assert_int_equal(vdpr_qemu_stream_count(stream), 3);
		assert_int_equal(
			vdpr_qemu_stream_find(*state, stream, NULL, &index),
			-EEXIST);
		assert_int_equal(vdpr_ctx_cause(*state), VDPR_CAUSE_USAGE);
		assert_non_null(strstr(vdpr_ctx_error(*state), nic[1].name));
		assert_int_equal(vdpr_qemu_stream_find(*state, stream,
						       nic[0].name, &index),
				 0);
		assert_int_equal(index, 0);
		assert_int_equal(
			vdpr_qemu_stream_find(*state, stream, "2:00", &index),
			-ENOENT);
		assert_int_equal(vdpr_qemu_stream_find(*state, stream,
						       "02.0:00", &index),
				 0);
		assert_int_equal(index, 1);
		assert_int_equal(
			vdpr_qemu_stream_find(*state, stream, "02.0", &index),
			-EEXIST);
		assert_int_equal(
			vdpr_qemu_stream_find(*state, stream, "2", &index), 0);
		assert_int_equal(index, 2);
		assert_int_equal(
			vdpr_qemu_stream_find(*state, stream, "", &index),
			-ENOENT);
		vdpr_qemu_stream_free(stream);
	}
}

static void a_stream_without_nics_is_none_to_save(void **state)
{
	struct make_stream m = { .machine = "pc-q35-7.2", .pages = 1 };
	struct vdpr_qemu_stream *stream = NULL;
	struct vdpr_buf b = made(&m);
	size_t index;

	assert_int_equal(read_bytes(*state, b.data, b.len, true, 100, &stream),
			 0);
	assert_int_equal(vdpr_qemu_stream_find(*state, stream, NULL, &index),
			 -ENOENT);
	assert_int_equal(vdpr_ctx_cause(*state), VDPR_CAUSE_INPUT);
	vdpr_qemu_stream_free(stream);
	vdpr_buf_free(&b);
}

/* A device before guest memory (virtio-mem): fine from the end, a guess from the
 * beginning, and so none. */
static void a_device_before_memory_needs_the_description(void **state)
{
	struct vdpr_qemu_stream *stream = NULL;
	struct make_stream m;
	struct make_nic nic;
	struct vdpr_buf b;

	make_nic_default(&nic);
	m = stream_of(&nic);
	m.early = "0000:00:05.0/virtio-mem-early";
	b = made(&m);
	assert_int_equal(
		read_bytes(*state, b.data, b.len, false, SIZE_MAX, &stream), 0);
	assert_int_equal(vdpr_qemu_stream_count(stream), 1);
	vdpr_qemu_stream_free(stream);
	assert_int_equal(
		read_bytes(*state, b.data, b.len, true, SIZE_MAX, &stream),
		-EBADMSG);
	assert_non_null(
		strstr(vdpr_ctx_error(*state),
		       "virtio-mem-early\") before the guest's memory"));
	vdpr_buf_free(&b);
}

/* It is refused, with the offset. */
static void refused(struct vdpr_ctx *ctx, const struct vdpr_buf *b, size_t len,
		    bool pipe)
{
	struct vdpr_qemu_stream *stream = NULL;

	if (read_bytes(ctx, b->data, len, pipe, SIZE_MAX, &stream) != -EBADMSG)
		fail_msg("%s of %zu bytes of %zu is read",
			 pipe ? "pipe" : "file", len, b->len);
	assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_INPUT);
	if (strncmp(vdpr_ctx_error(ctx), "offset ", 7) != 0)
		fail_msg("no offset: %s", vdpr_ctx_error(ctx));
}

/* ------------------------------------------------------------------- forgeries */

/* The image of a whole end of a stream: a device, the end, a description. */
static struct vdpr_buf forge(const struct make_nic *nic, uint32_t closes,
			     bool with_end)
{
	struct vdpr_buf content = { 0 }, out = { 0 };
	char desc[256];

	make_nic(&content, nic);
	vdpr_buf_u8(&out, 0x7e);
	make_be32(&out, closes);
	make_section(&out, 77, nic->name, 0, 11, content.data, content.len);
	if (with_end) {
		snprintf(
			desc, sizeof(desc),
			"{\"devices\": [{\"name\": \"%s\", \"instance_id\": 0, "
			"\"fields\": [{\"size\": %zu}]}]}",
			nic->name, content.len);
		vdpr_buf_u8(&out, 0);
		vdpr_buf_u8(&out, 6);
		make_be32(&out, (uint32_t)strlen(desc));
		vdpr_buf_str(&out, desc);
	}
	vdpr_buf_free(&content);
	assert_int_equal(vdpr_buf_error(&out), 0);
	return out;
}

/* A small device, so that its image fits into a page. */
static void forged_nic(struct make_nic *nic)
{
	make_nic_default(nic);
	legacy(nic);
	nic->mac[5] = 0x66;
}

/* A page that begins with the image, the rest zeros. */
static void forge_page(uint8_t page[4096], size_t at)
{
	struct make_nic forged;
	struct vdpr_buf b;

	forged_nic(&forged);
	b = forge(&forged, 2, true);
	assert_true(at + b.len <= 4096);
	memset(page, 0, 4096);
	memcpy(page + at, b.data, b.len);
	vdpr_buf_free(&b);
}

static void a_section_in_guest_memory_is_not_taken(void **state)
{
	struct vdpr_state *s;
	struct make_stream m;
	struct make_nic nic;
	uint8_t page[4096];

	make_nic_default(&nic);
	m = stream_of(&nic);
	m.page = page;
	m.n_page = 1;
	for (size_t at = 0; at < 2400; at += 797) {
		forge_page(page, at);
		s = state_every_way(*state, m);
		expect(s, &nic);
		vdpr_state_free(s);
	}
}

/* The file was cut off right behind a forged description: the last bytes are the
 * guest's. */
static void a_file_cut_off_in_memory_is_truncated(void **state)
{
	struct vdpr_qemu_stream *stream = NULL;
	struct make_stream m;
	struct make_nic nic;
	uint8_t page[4096];
	struct vdpr_buf b;
	const char *end;
	size_t len;

	make_nic_default(&nic);
	forge_page(page, 300);
	m = stream_of(&nic);
	m.page = page;
	m.n_page = 1;
	m.pages = 40;
	b = made(&m);
	for (unsigned int nth = 0; nth < 40; nth++) {
		len = 4096 * (size_t)nth;
		end = memmem(b.data + len, b.len - len, "}]}]}", 5);
		assert_non_null(end);
		len = (size_t)(end - b.data) + 5;
		for (unsigned int pipe = 0; pipe < 2; pipe++) {
			assert_int_equal(read_bytes(*state, b.data, len, pipe,
						    SIZE_MAX, &stream),
					 -EBADMSG);
			assert_non_null(
				strstr(vdpr_ctx_error(*state),
				       "\"ram\": the stream ends here"));
		}
	}
	vdpr_buf_free(&b);
}

#define FORGED 40u

/* A whole stream, with a description that is longer than a page. */
static struct vdpr_buf long_image(void)
{
	static char names[FORGED][32];
	struct make_nic nic[FORGED];
	struct make_stream m;
	struct vdpr_buf b;

	for (unsigned int i = 0; i < FORGED; i++) {
		forged_nic(&nic[i]);
		snprintf(names[i], sizeof(names[i]),
			 "0000:00:%02x.0/virtio-net", i);
		nic[i].name = names[i];
	}
	m = stream_of(nic);
	m.n_nics = FORGED;
	m.pages = 0;
	b = made(&m);
	assert_true(b.data[b.len - 5000] >= ' ');
	return b;
}

/* Cuts a stream off behind the image in it: neither way it is read. Whole, it is
 * read every way. */
static void cut_behind(struct vdpr_ctx *ctx, struct make_stream m,
		       const struct vdpr_buf *image)
{
	struct vdpr_state *s = state_every_way(ctx, m);
	struct vdpr_buf b = made(&m);
	const char *at = memmem(b.data, b.len, image->data, image->len);

	expect(s, m.nic);
	vdpr_state_free(s);
	assert_non_null(at);
	refused(ctx, &b, (size_t)(at - b.data) + image->len, false);
	refused(ctx, &b, (size_t)(at - b.data) + image->len, true);
	vdpr_buf_free(&b);
}

/* mapped-ram: guest memory lies in one piece, and the forged end may be long. */
static void a_mapped_file_cut_off_in_memory_is_truncated(void **state)
{
	struct vdpr_buf image = long_image();
	struct make_stream m;
	struct make_nic nic;
	uint8_t *pages;

	make_nic_default(&nic);
	m = stream_of(&nic);
	m.pages = m.n_page = (unsigned int)(image.len / 4096) + 1;
	pages = calloc(m.n_page, 4096);
	assert_non_null(pages);
	memcpy(pages, image.data, image.len);
	m.mapped_ram = true;
	m.page = pages;
	cut_behind(*state, m, &image);
	vdpr_buf_free(&image);
	free(pages);
}

/* So does memory of a passed-through device, which may be the guest's too. */
static void a_section_in_a_devices_memory_is_not_taken(void **state)
{
	struct vdpr_buf image = long_image();
	struct make_stream m;
	struct make_nic nic;

	make_nic_default(&nic);
	m = stream_of(&nic);
	m.part = "0000:00:04.0/vfio";
	m.part_data = image.data;
	m.part_len = image.len;
	cut_behind(*state, m, &image);
	vdpr_buf_free(&image);
}

/* The section before it is 11: the image closes it, and opens another that ends
 * as that one does. */
static struct vdpr_buf forge_inside(const char *name, uint32_t inside)
{
	struct make_nic forged;
	struct vdpr_buf b;

	forged_nic(&forged);
	forged.name = name;
	b = forge(&forged, inside, false);
	vdpr_buf_u8(&b, 4);
	make_be32(&b, inside);
	vdpr_buf_u8(&b, 5);
	vdpr_buf_str(&b, "other");
	make_be32(&b, 0);
	make_be32(&b, 1);
	vdpr_buf_str(&b, "and so on");
	return b;
}

static void a_section_in_another_is_not_taken(void **state)
{
	static const char *const names[] = { NAME, "0000:00:09.0/virtio-net" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct vdpr_buf other = forge_inside(names[i], 11);
		struct vdpr_qemu_stream *stream = NULL;
		struct vdpr_state *s;
		struct make_stream m;
		struct make_nic nic;
		struct vdpr_buf b;

		make_nic_default(&nic);
		m = stream_of(&nic);
		m.other = other.data;
		m.other_len = other.len;
		b = made(&m);
		/* The description tells. */
		for (unsigned int pipe = 0; pipe < 2; pipe++) {
			s = state_of(*state, &b, pipe, SIZE_MAX);
			expect(s, &nic);
			vdpr_state_free(s);
		}
		vdpr_buf_free(&b);
		/* Without one nobody knows. */
		m.no_description = true;
		b = made(&m);
		for (unsigned int pipe = 0; pipe < 2; pipe++) {
			assert_int_equal(read_bytes(*state, b.data, b.len, pipe,
						    SIZE_MAX, &stream),
					 -EBADMSG);
			assert_non_null(strstr(vdpr_ctx_error(*state),
					       "more than one way"));
		}
		vdpr_buf_free(&b);
		vdpr_buf_free(&other);
	}
}

/* The image of an end inside a device: the stream goes on behind it. */
static void an_end_in_a_section_is_not_the_end(void **state)
{
	struct make_nic nic, forged;
	struct vdpr_state *s;
	struct make_stream m;
	struct vdpr_buf other;

	make_nic_default(&nic);
	forged_nic(&forged);
	forged.name = "0000:00:09.0/virtio-net";
	other = forge(&forged, 11, true);
	m = stream_of(&nic);
	m.other = other.data;
	m.other_len = other.len;
	for (unsigned int way = 0; way < 4; way++) {
		struct vdpr_qemu_stream *stream = NULL;
		struct vdpr_buf b;

		m.no_description = way & 2;
		b = made(&m);
		if (m.no_description) {
			assert_int_equal(read_bytes(*state, b.data, b.len,
						    way & 1, SIZE_MAX, &stream),
					 -EBADMSG);
			assert_non_null(strstr(vdpr_ctx_error(*state),
					       "lies inside another"));
		} else {
			s = state_of(*state, &b, way & 1, SIZE_MAX);
			expect(s, &nic);
			vdpr_state_free(s);
		}
		vdpr_buf_free(&b);
	}
	vdpr_buf_free(&other);
}

/* Places without end must not cost memory without end. */
static void too_many_places_are_refused(void **state)
{
	struct vdpr_qemu_stream *stream = NULL;
	struct vdpr_buf other = { 0 };
	struct make_stream m;
	struct make_nic nic;
	struct vdpr_buf b;

	for (unsigned int i = 0; i < 70000; i++)
		make_section(&other, i, "x", 0, 1, "", 0);
	make_nic_default(&nic);
	m = stream_of(&nic);
	m.other = other.data;
	m.other_len = other.len;
	b = made(&m);
	assert_int_equal(
		read_bytes(*state, b.data, b.len, true, SIZE_MAX, &stream),
		-EBADMSG);
	assert_non_null(strstr(vdpr_ctx_error(*state), "more than 65536"));
	assert_int_equal(
		read_bytes(*state, b.data, b.len, false, SIZE_MAX, &stream), 0);
	vdpr_qemu_stream_free(stream);
	vdpr_buf_free(&b);
	vdpr_buf_free(&other);
}

/* --------------------------------------------------------------------- damage */

static void truncated_at_every_byte_it_is_refused(void **state)
{
	struct make_stream m;
	struct make_nic nic;
	struct vdpr_buf b, bare;
	size_t whole;

	make_nic_default(&nic);
	v_legacy(&nic);
	nic.max_pairs = 2;
	m = stream_of(&nic);
	m.pages = 1;
	b = made(&m);
	m.no_description = true;
	bare = made(&m);
	whole = bare.len;
	vdpr_buf_free(&bare);
	for (size_t len = 0; len < b.len; len++) {
		if (len == whole)
			continue; /* all devices are there */
		refused(*state, &b, len, false);
		refused(*state, &b, len, true);
	}
	vdpr_buf_free(&b);
}

/* The thread sanitizer takes minutes for all bits, which one thread reads: it is shown
 * each ninth, in either way of reading. */
#ifdef __SANITIZE_THREAD__
#define EACH_BIT 9
#else
#define EACH_BIT 1
#endif

/* A change outside of the device's own bytes is found or does not matter; one
 * inside them must fit what QEMU can write. */
static void a_flipped_bit_is_found_or_harmless(void **state)
{
	unsigned int found = 0, harmless = 0, inside = 0;
	struct vdpr_state *whole;
	struct make_stream m;
	struct make_nic nic;
	struct vdpr_buf b;
	char *want;
	size_t begin;

	make_nic_default(&nic);
	v_filters(&nic);
	v_legacy(&nic);
	m = stream_of(&nic);
	m.pages = 1;
	b = made(&m);
	whole = state_of(*state, &b, false, SIZE_MAX);
	want = text_of(*state, whole);
	begin = (size_t)((char *)memmem(b.data, b.len, NAME, strlen(NAME)) -
			 b.data) +
		strlen(NAME) + 8;
	for (size_t bit = 0; bit < 8 * b.len; bit += EACH_BIT) {
		struct vdpr_qemu_stream *stream = NULL;
		struct vdpr_state *s = NULL;
		bool pipe = bit & 1;
		char *text = NULL;

		b.data[bit / 8] ^= (char)(1 << (bit % 8));
		if (read_bytes(*state, b.data, b.len, pipe, SIZE_MAX,
			       &stream)) {
			assert_int_equal(vdpr_ctx_cause(*state),
					 VDPR_CAUSE_INPUT);
			found++;
		} else if (vdpr_qemu_stream_count(stream) == 1 &&
			   !vdpr_qemu_stream_state(*state, stream, 0, 0, &s)) {
			text = text_of(*state, s);
			if (!strcmp(text, want))
				harmless++;
			else if (bit / 8 >= begin && bit / 8 < begin + 1500)
				inside++;
			else
				fail_msg("bit %zu of byte %zu (device at %zu)",
					 bit % 8, bit / 8, begin);
		} else if (vdpr_qemu_stream_count(stream) == 1) {
			found++;
		} else {
			fail_msg("bit %zu of byte %zu: %zu devices", bit % 8,
				 bit / 8, vdpr_qemu_stream_count(stream));
		}
		b.data[bit / 8] ^= (char)(1 << (bit % 8));
		free(text);
		vdpr_state_free(s);
		vdpr_qemu_stream_free(stream);
	}
	print_message("# %u found, %u harmless, %u in the device's values\n",
		      found, harmless, inside);
	assert_true(found > 0 && harmless > 0);
	free(want);
	vdpr_state_free(whole);
	vdpr_buf_free(&b);
}

/* What else can be wrong, and what is then said. */
static void b_version(struct make_nic *nic)
{
	nic->version = 12;
}

static void b_foreign(struct make_nic *nic)
{
	nic->foreign = "virtio-net-device/more";
}

static void b_backend(struct make_nic *nic)
{
	nic->foreign = "virtio-net-device/backend";
}

static void b_macs(struct make_nic *nic)
{
	nic->status = 0x30;
}

static void b_ring(struct make_nic *nic)
{
	nic->ring[1].num = 100;
}

static void b_pairs(struct make_nic *nic)
{
	many(nic);
	nic->pairs = 5;
}

static void b_table(struct make_nic *nic)
{
	v_rss(nic);
	nic->table_len = 100;
}

static void b_rss_version(struct make_nic *nic)
{
	v_rss(nic);
	nic->rss_version = 3;
}

static const struct {
	void (*change)(struct make_nic *nic);
	const char *said;
} bads[] = {
	{ b_version, "version 12 of a virtio-net section is not known" },
	{ b_foreign, "part \"virtio-net-device/more\" is not known" },
	{ b_backend, "vhost-user" },
	{ b_macs, "device status 0x30" },
	{ b_ring, "ring 1 has 100 entries" },
	{ b_pairs, "5 queue pairs of 4" },
	{ b_table, "an RSS table of 100 entries" },
	{ b_rss_version, "version 3 of \"virtio-net-device/rss\"" },
};

static void a_device_that_is_none_is_refused_by_its_value(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		struct make_stream m;
		struct make_nic nic;

		make_nic_default(&nic);
		bads[i].change(&nic);
		m = stream_of(&nic);
		for (unsigned int way = 0; way < 4; way++) {
			struct vdpr_buf b;

			m.no_description = way & 1;
			b = made(&m);
			refused(*state, &b, b.len, way & 2);
			if (!strstr(vdpr_ctx_error(*state), bads[i].said) ||
			    !strstr(vdpr_ctx_error(*state),
				    "section 11 \"" NAME "\""))
				fail_msg("%s: %s", bads[i].said,
					 vdpr_ctx_error(*state));
			vdpr_buf_free(&b);
		}
	}
}

/* What a device holds and a state cannot is unknown, not wrong. */
static void what_a_state_cannot_hold_is_unknown(void **state)
{
	struct vdpr_state *s;
	struct make_nic nic;

	make_nic_default(&nic);
	v_rss(&nic);
	nic.table[5] = 4; /* of four pairs: 0 to 3 */
	nic.n_macs = 2;
	nic.macs[0][0] = 1;
	nic.macs[1][0] = 2; /* a unicast one behind a multicast one */
	nic.mac[0] = 1;
	nic.offloads = 1ull << 54;
	s = state_every_way(*state, stream_of(&nic));
	assert_int_equal(s->member[VDPR_RSS], VDPR_UNKNOWN);
	assert_int_equal(s->member[VDPR_HASH_REPORT], VDPR_UNKNOWN);
	assert_int_equal(s->member[VDPR_MAC_UNICAST], VDPR_KNOWN);
	assert_int_equal(s->member[VDPR_MAC_MULTICAST], VDPR_UNKNOWN);
	assert_int_equal(s->member[VDPR_MAC_ADDRESS], VDPR_UNKNOWN);
	assert_int_equal(s->member[VDPR_OFFLOADS], VDPR_UNKNOWN);
	assert_int_equal(s->member[VDPR_MQ_QUEUE_PAIRS], VDPR_KNOWN);
	vdpr_state_free(s);
}

static ssize_t read_nothing(void *data, uint64_t offset, void *buf, size_t len)
{
	(void)data;
	(void)offset;
	(void)buf;
	(void)len;
	return -EIO;
}

static void an_error_of_the_source_is_passed_on(void **state)
{
	struct vdpr_stream source = VDPR_INIT(struct vdpr_stream);
	struct vdpr_qemu_stream *stream = NULL;

	source.read = read_nothing;
	for (unsigned int i = 0; i < 2; i++) {
		source.length = i * 1000;
		assert_int_equal(
			vdpr_qemu_stream_read(*state, &source, &stream), -EIO);
		assert_int_equal(vdpr_ctx_cause(*state), VDPR_CAUSE_INPUT);
	}
}

/* All variants as files, of which tests/fuzz/qemu-seed.py makes examples. */
static int write_variants(const char *folder)
{
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		struct make_stream m;
		struct make_nic nic;
		struct vdpr_buf b;
		char path[512];
		FILE *f;

		make_nic_default(&nic);
		variants[i].change(&nic);
		m = stream_of(&nic);
		m.pages = 0;
		m.no_description = i % 4 == 3;
		b = made(&m);
		snprintf(path, sizeof(path), "%s/%s", folder, variants[i].name);
		f = fopen(path, "we");
		if (!f || fwrite(b.data, 1, b.len, f) != b.len || fclose(f))
			return 1;
		vdpr_buf_free(&b);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variant_reads_the_same_in_every_way),
		cmocka_unit_test(words_of_a_big_host_are_turned),
		cmocka_unit_test(pseries_words_are_what_linux_makes_of_them),
		cmocka_unit_test(config_is_what_the_guest_read),
		cmocka_unit_test(a_table_of_all_ones_is_kept_or_unknown),
		cmocka_unit_test(a_table_of_all_vlans_there_are_is_the_guests),
		cmocka_unit_test(every_stream_around_it_is_read),
		cmocka_unit_test(memory_of_a_file_is_not_read),
		cmocka_unit_test(devices_are_found_by_name),
		cmocka_unit_test(a_stream_without_nics_is_none_to_save),
		cmocka_unit_test(a_device_before_memory_needs_the_description),
		cmocka_unit_test(a_section_in_guest_memory_is_not_taken),
		cmocka_unit_test(a_file_cut_off_in_memory_is_truncated),
		cmocka_unit_test(a_mapped_file_cut_off_in_memory_is_truncated),
		cmocka_unit_test(a_section_in_a_devices_memory_is_not_taken),
		cmocka_unit_test(a_section_in_another_is_not_taken),
		cmocka_unit_test(an_end_in_a_section_is_not_the_end),
		cmocka_unit_test(too_many_places_are_refused),
		cmocka_unit_test(truncated_at_every_byte_it_is_refused),
		cmocka_unit_test(a_flipped_bit_is_found_or_harmless),
		cmocka_unit_test(a_device_that_is_none_is_refused_by_its_value),
		cmocka_unit_test(what_a_state_cannot_hold_is_unknown),
		cmocka_unit_test(an_error_of_the_source_is_passed_on),
	};

	if (argc == 2)
		return write_variants(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
