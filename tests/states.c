/* SPDX-License-Identifier: MIT */
/* States made from a seed: every feature subset, every section, every form. */
#include "tests/states.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"

const unsigned int vdpr_test_features[] = {
	VIRTIO_NET_F_CTRL_VQ,
	VIRTIO_NET_F_CTRL_RX,
	VIRTIO_NET_F_CTRL_RX_EXTRA,
	VIRTIO_NET_F_CTRL_VLAN,
	VIRTIO_NET_F_CTRL_MAC_ADDR,
	VIRTIO_NET_F_MQ,
	VIRTIO_NET_F_RSS,
	VIRTIO_NET_F_HASH_REPORT,
	VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
	VIRTIO_NET_F_NOTF_COAL,
	VIRTIO_NET_F_VQ_NOTF_COAL,
	VIRTIO_NET_F_GUEST_ANNOUNCE,
};

static_assert(ARRAY_SIZE(vdpr_test_features) == VDPR_TEST_FEATURES,
	      "one bit of the seed for every feature");

/* Features that are negotiated, or offered, as the dice fall. */
static const uint8_t other_features[] = {
	VIRTIO_NET_F_CSUM,
	VIRTIO_NET_F_GUEST_CSUM,
	VIRTIO_NET_F_MTU,
	VIRTIO_NET_F_MAC,
	VIRTIO_NET_F_GUEST_TSO4,
	VIRTIO_NET_F_GUEST_TSO6,
	VIRTIO_NET_F_GUEST_UFO,
	VIRTIO_NET_F_MRG_RXBUF,
	VIRTIO_NET_F_STATUS,
	26, /* has no name */
	VIRTIO_RING_F_EVENT_IDX,
	VIRTIO_F_RING_PACKED,
	VIRTIO_NET_F_GUEST_USO4,
	VIRTIO_NET_F_SPEED_DUPLEX,
	VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO,
	VIRTIO_NET_F_OUT_NET_HEADER,
};

struct maker {
	uint64_t random;
	enum vdpr_test_form form;
	struct vdpr_state *state;
};

uint32_t vdpr_test_random(uint64_t *random)
{
	*random = *random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*random >> 32);
}

/* 0..@below-1 */
static uint32_t pick(struct maker *m, uint32_t below)
{
	return vdpr_test_random(&m->random) % below;
}

static bool flip(struct maker *m)
{
	return pick(m, 2);
}

/* True in one of @n cases, and only where any form is wanted. */
static bool odd(struct maker *m, uint32_t n)
{
	return pick(m, n) == 0 && m->form == VDPR_ANY_FORM;
}

static void random_bytes(struct maker *m, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)pick(m, 256);
}

static void random_mac(struct maker *m, uint8_t mac[6], bool multicast)
{
	random_bytes(m, mac, 6);
	mac[0] = (uint8_t)((mac[0] & 0xfe) | multicast);
}

/* ------------------------------------------------------ features and config */

static void make_features(struct maker *m, unsigned int seed)
{
	struct vdpr_state *s = m->state;

	vdpr_features_set(&s->negotiated, VIRTIO_F_VERSION_1, true);
	for (unsigned int i = 0; i < VDPR_TEST_FEATURES; i++)
		vdpr_features_set(&s->negotiated, vdpr_test_features[i],
				  seed >> i & 1);
	s->offered = s->negotiated;
	for (size_t i = 0; i < ARRAY_SIZE(other_features); i++) {
		uint32_t dice = pick(m, 4);

		vdpr_features_set(&s->negotiated, other_features[i], dice >= 2);
		vdpr_features_set(&s->offered, other_features[i], dice >= 1);
	}
	s->negotiated_known = !odd(m, 8);
	if (s->negotiated_known)
		return;
	s->offered.word[0] |= s->negotiated.word[0];
	s->offered.word[1] |= s->negotiated.word[1];
	s->negotiated = (struct vdpr_features){ { 0, 0 } };
}

static void set_config(struct maker *m, uint32_t has, bool allowed)
{
	if (allowed && pick(m, 4))
		m->state->config.has |= has;
}

static void make_config(struct maker *m)
{
	struct vdpr_net_config *c = &m->state->config;
	const struct vdpr_features *f = &m->state->offered;
	bool rss = vdpr_features_has(f, VIRTIO_NET_F_RSS);
	bool hash = rss || vdpr_features_has(f, VIRTIO_NET_F_HASH_REPORT);
	bool status = vdpr_features_has(f, VIRTIO_NET_F_STATUS);
	bool speed = vdpr_features_has(f, VIRTIO_NET_F_SPEED_DUPLEX);
	static const uint8_t duplex[] = { VDPR_DUPLEX_HALF, VDPR_DUPLEX_FULL,
					  VDPR_DUPLEX_UNKNOWN };

	set_config(m, VDPR_CONFIG_MAC, vdpr_features_has(f, VIRTIO_NET_F_MAC));
	set_config(m, VDPR_CONFIG_LINK_UP, status);
	set_config(m, VDPR_CONFIG_ANNOUNCE, status);
	set_config(m, VDPR_CONFIG_MAX_PAIRS,
		   rss || vdpr_features_has(f, VIRTIO_NET_F_MQ));
	set_config(m, VDPR_CONFIG_MTU, vdpr_features_has(f, VIRTIO_NET_F_MTU));
	set_config(m, VDPR_CONFIG_SPEED, speed);
	set_config(m, VDPR_CONFIG_DUPLEX, speed);
	set_config(m, VDPR_CONFIG_RSS_KEY, hash);
	set_config(m, VDPR_CONFIG_RSS_TABLE, rss);
	set_config(m, VDPR_CONFIG_HASH_TYPES, hash);
	random_mac(m, c->mac, false);
	c->link_up = flip(m);
	c->announce = flip(m);
	c->max_virtqueue_pairs = (uint16_t)(1 + pick(m, 64));
	c->mtu = (uint16_t)(68 + pick(m, 65000));
	c->speed = pick(m, 4) ? pick(m, 400000) : VDPR_SPEED_UNKNOWN;
	c->duplex = duplex[pick(m, ARRAY_SIZE(duplex))];
	c->rss_max_key_size = (uint8_t)(40 + pick(m, 216));
	c->rss_max_indirection_table_length =
		(uint16_t)(flip(m) ? 128 : 1 + pick(m, 300));
	c->supported_hash_types = pick(m, 4) ? 0x1ff
					     : vdpr_test_random(&m->random);
}

/* ---------------------------------------------------------- control sections */

static int make_macs(struct maker *m, struct vdpr_mac_list *list,
		     bool multicast)
{
	uint8_t macs[12][6];
	uint32_t count = flip(m) ? 0 : 1 + pick(m, 12);

	for (uint32_t i = 0; i < count; i++)
		random_mac(m, macs[i], multicast);
	return vdpr_mac_list_set(list, &macs[0][0], count);
}

static enum vdpr_presence make_address(struct maker *m)
{
	struct vdpr_state *s = m->state;
	bool has_mac = vdpr_state_has_feature(s, VIRTIO_NET_F_MAC);
	bool device_has = vdpr_features_has(&s->offered, VIRTIO_NET_F_MAC);

	random_mac(m, s->mac, false);
	if (!has_mac && !device_has && flip(m))
		return VDPR_NULL;
	return VDPR_KNOWN;
}

static void make_vlans(struct maker *m)
{
	uint32_t runs = pick(m, 6);

	for (uint32_t i = 0; i < runs; i++) {
		uint32_t id = pick(m, VDPR_VLANS);
		uint32_t len = pick(m, 4) ? 1 + pick(m, 4) : pick(m, 500);

		for (; len && id < VDPR_VLANS; len--, id++)
			vdpr_vlan_set(m->state, id, true);
	}
}

static void make_hash(struct maker *m, uint32_t *types,
		      struct vdpr_hash_key *key)
{
	const struct vdpr_net_config *c = &m->state->config;
	uint32_t max = c->has & VDPR_CONFIG_RSS_KEY ? c->rss_max_key_size : 255;

	*types = vdpr_test_random(&m->random) & (flip(m) ? 0x1ff : UINT32_MAX);
	if (c->has & VDPR_CONFIG_HASH_TYPES)
		*types &= c->supported_hash_types;
	key->len = (uint8_t)(flip(m) ? 40 : 1 + pick(m, max));
	random_bytes(m, key->bytes, key->len);
	if (pick(m, 6))
		return;
	*types = 0;
	key->len = flip(m) ? 0 : key->len;
}

static int make_rss(struct maker *m, enum vdpr_presence *presence)
{
	const struct vdpr_net_config *c = &m->state->config;
	struct vdpr_rss *rss = &m->state->rss;
	uint32_t max = vdpr_state_max_pairs(m->state, NULL);
	uint32_t longest = c->has & VDPR_CONFIG_RSS_TABLE
				   ? c->rss_max_indirection_table_length
				   : 1024;

	*presence = VDPR_NULL;
	if (pick(m, 3) == 0)
		return 0;
	*presence = VDPR_KNOWN;
	make_hash(m, &rss->hash_types, &rss->key);
	rss->table_len = 1u << pick(m, 8);
	while (rss->table_len > longest)
		rss->table_len /= 2;
	rss->table = calloc(rss->table_len, sizeof(*rss->table));
	if (!rss->table)
		return -ENOMEM;
	for (uint32_t i = 0; i < rss->table_len; i++)
		rss->table[i] = (uint16_t)pick(m, max);
	rss->unclassified_queue = (uint16_t)pick(m, max);
	rss->max_tx_vq = m->state->member[VDPR_MQ_QUEUE_PAIRS] == VDPR_KNOWN
				 ? m->state->queue_pairs
				 : (uint16_t)(1 + pick(m, max));
	return 0;
}

static struct vdpr_coal make_coal(struct maker *m)
{
	struct vdpr_coal coal = { pick(m, 300), pick(m, 300) };

	if (pick(m, 4) == 0)
		coal.max_usecs = UINT32_MAX;
	if (pick(m, 3) == 0)
		coal = (struct vdpr_coal){ 0, 0 };
	return coal;
}

static int make_coal_queues(struct maker *m)
{
	uint32_t max = vdpr_state_max_pairs(m->state, NULL);
	uint32_t count = pick(m, 5);
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		struct vdpr_coal coal = make_coal(m);

		err = vdpr_coal_queue_set(m->state, (uint16_t)pick(m, 2 * max),
					  &coal);
	}
	return err;
}

static int make_value(struct maker *m, enum vdpr_member member)
{
	struct vdpr_state *s = m->state;
	enum vdpr_presence presence = VDPR_KNOWN;
	int err = 0;

	switch (member) {
	case VDPR_MAC_ADDRESS:
		presence = make_address(m);
		break;
	case VDPR_MAC_UNICAST:
		err = make_macs(m, &s->unicast, false);
		break;
	case VDPR_MAC_MULTICAST:
		err = make_macs(m, &s->multicast, true);
		break;
	case VDPR_MAC_UNICAST_OVERFLOW:
		s->unicast_overflow = odd(m, 3);
		break;
	case VDPR_MAC_MULTICAST_OVERFLOW:
		s->multicast_overflow = odd(m, 3);
		break;
	case VDPR_RX_PROMISCUOUS:
		s->promiscuous = flip(m);
		presence = odd(m, 3) ? VDPR_NULL : VDPR_KNOWN;
		break;
	case VDPR_RX_ALL_MULTICAST:
		s->all_multicast = flip(m);
		break;
	case VDPR_RX_ALL_UNICAST:
		s->all_unicast = flip(m);
		break;
	case VDPR_RX_NO_MULTICAST:
		s->no_multicast = flip(m);
		break;
	case VDPR_RX_NO_UNICAST:
		s->no_unicast = flip(m);
		break;
	case VDPR_RX_NO_BROADCAST:
		s->no_broadcast = flip(m);
		break;
	case VDPR_VLAN_IDS:
		make_vlans(m);
		break;
	case VDPR_MQ_QUEUE_PAIRS:
		s->queue_pairs =
			(uint16_t)(1 + pick(m, vdpr_state_max_pairs(s, NULL)));
		break;
	case VDPR_RSS:
		err = make_rss(m, &presence);
		break;
	case VDPR_HASH_REPORT:
		presence = flip(m) ? VDPR_NULL : VDPR_KNOWN;
		if (presence == VDPR_KNOWN)
			make_hash(m, &s->hash_report.hash_types,
				  &s->hash_report.key);
		break;
	case VDPR_OFFLOADS:
		s->offloads = vdpr_offloads_allowed(
			s->negotiated_known ? &s->negotiated : &s->offered,
			flip(m));
		if (flip(m))
			s->offloads &= vdpr_test_random(&m->random);
		break;
	case VDPR_COAL_RX:
		s->coal_rx = make_coal(m);
		break;
	case VDPR_COAL_TX:
		s->coal_tx = make_coal(m);
		break;
	case VDPR_COAL_QUEUES:
		err = make_coal_queues(m);
		break;
	case VDPR_MEMBER_COUNT:
		break;
	}
	s->member[member] = presence;
	return err;
}

static int make_members(struct maker *m)
{
	struct vdpr_state *s = m->state;
	bool all_known = !odd(m, 2);
	int err = 0;

	for (unsigned int i = 0; i < VDPR_MEMBER_COUNT && !err; i++) {
		if (!vdpr_member_required(s, i))
			continue;
		if (!all_known && odd(m, 3))
			s->member[i] = VDPR_UNKNOWN;
		else if (!s->negotiated_known && flip(m))
			s->member[i] = VDPR_ABSENT;
		else if (i == VDPR_HASH_REPORT &&
			 s->member[VDPR_RSS] == VDPR_UNKNOWN)
			s->member[i] = VDPR_UNKNOWN;
		else
			err = make_value(m, i);
	}
	return err;
}

/* -------------------------------------------------------- the optional rest */

static int make_vrings(struct maker *m)
{
	struct vdpr_state *s = m->state;
	uint32_t count = pick(m, 4);

	s->has_vrings = true;
	s->vrings = calloc(count + 1, sizeof(*s->vrings));
	if (!s->vrings)
		return -ENOMEM;
	for (uint32_t i = 0; i < count && i <= 2; i++) {
		struct vdpr_vring_state *v = &s->vrings[i];

		v->index = i;
		v->has = pick(m, 64);
		v->size = 1u << pick(m, 16);
		v->base = pick(m, 65536);
		v->enabled = flip(m);
		v->desc = (uint64_t)pick(m, UINT32_MAX) << 32 | 0x1000;
		v->driver = pick(m, UINT32_MAX);
		v->device = 0;
		s->n_vrings = i + 1;
	}
	return 0;
}

static int make_texts(struct maker *m)
{
	struct vdpr_state *s = m->state;

	s->device.present = flip(m);
	if (s->device.present) {
		s->device.type = strdup("net");
		s->device.name = strdup("vdpa \"0\"\n\x7f\\");
		s->device.parent = flip(m) ? strdup("\xc3\xa9\xf0\x9f\x90\x9f")
					   : NULL;
	}
	s->vendor.present = flip(m);
	if (s->vendor.present) {
		s->vendor.name = strdup("acme");
		s->vendor.version = flip(m) ? strdup("1") : NULL;
		s->vendor.data = strdup("AAEC/w==");
	}
	s->has_backend_features = flip(m);
	s->backend_features = pick(m, 0x200);
	if (odd(m, 4)) {
		s->version = 2;
		if (vdpr_strings_add(&s->foreign, "filters"))
			return -ENOMEM;
	}
	return 0;
}

static int make_rest(struct maker *m, struct vdpr_ctx *ctx)
{
	struct vdpr_state *s = m->state;
	int err = 0;

	if (m->form != VDPR_ANY_FORM)
		return 0;
	if (vdpr_state_has_feature(s, VIRTIO_NET_F_CTRL_VQ) &&
	    vdpr_state_has_feature(s, VIRTIO_NET_F_GUEST_ANNOUNCE) && flip(m)) {
		s->announce = VDPR_KNOWN;
		s->announce_pending = flip(m);
	}
	if (odd(m, 4))
		s->unknown_class[pick(m, 31) + 1] = (uint8_t)pick(m, 256);
	if (odd(m, 2))
		err = make_vrings(m);
	if (!err && odd(m, 2))
		err = make_texts(m);
	if (!err && odd(m, 2))
		err = vdpr_state_set_origin(ctx, s, "qmp:/run/vm,nic=0");
	return err;
}

int vdpr_test_state(unsigned int seed, enum vdpr_test_form form,
		    struct vdpr_ctx *ctx, struct vdpr_state **out)
{
	struct maker m = { .random = seed * 2ull + form, .form = form };
	char why[VDPR_WHY];
	int err;

	err = vdpr_state_new(ctx, &m.state);
	if (err)
		return err;
	for (unsigned int i = 0; i < 4; i++)
		vdpr_test_random(&m.random);
	make_features(&m, seed);
	make_config(&m);
	err = make_members(&m);
	if (!err)
		err = make_rest(&m, ctx);
	if (!err && vdpr_state_check(m.state, why))
		err = vdpr_fail(ctx, VDPR_CAUSE_OTHER, -EINVAL,
				"test state %u: %s", seed, why);
	if (err) {
		vdpr_state_free(m.state);
		return err;
	}
	*out = m.state;
	return 0;
}
