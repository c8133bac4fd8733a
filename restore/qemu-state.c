/* SPDX-License-Identifier: MIT */
/* QEMU streams: the state of one of their devices. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/qemu-stream.h"

/* What of it is the device's present state, and what the guest once read. */
struct maker {
	struct vdpr_ctx *ctx;
	const struct vdpr_qemu_stream *stream;
	const struct vdpr_qemu_nic *nic;
	struct vdpr_state *state;
	unsigned int flags;
};

static void warn(const struct maker *m, const char *fmt, ...) VDPR_PRINTF(2, 3);

static void warn(const struct maker *m, const char *fmt, ...)
{
	va_list args;
	char text[320];

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	vdpr_log(m->ctx, VDPR_LOG_WARNING, "%s: %s", m->nic->name, text);
}

static bool has(const struct maker *m, unsigned int bit)
{
	return vdpr_features_has(&m->nic->features, bit);
}

/* Marks a member as known if the features allow it at all. */
static bool know(const struct maker *m, enum vdpr_member member)
{
	if (!vdpr_member_required(m->state, member))
		return false;
	m->state->member[member] = VDPR_KNOWN;
	return true;
}

static void lose(const struct maker *m, enum vdpr_member member,
		 const char *why)
{
	warn(m, "%s: %s: it is unknown", vdpr_member_info[member].name, why);
	vdpr_member_drop(m->state, member, VDPR_UNKNOWN);
}

/* ------------------------------------------------------------------- config */

/* Offsets in struct virtio_net_config (virtio 1.3, 5.1.4). */
#define CONFIG_MAX_PAIRS 8
#define CONFIG_MTU 10
#define CONFIG_RSS_KEY 17
#define CONFIG_RSS_TABLE 18
#define CONFIG_HASH_TYPES 20
#define CONFIG_LEN 24

#define MTU_LEAST 68

/*
 * QEMU saves config as the guest last read it. What never changes while a device
 * lives can be taken from there, if the guest did read it: then the number of
 * pairs, which is known from elsewhere, is right. Little-endian only with
 * VERSION_1.
 */
static bool config_was_read(const struct maker *m)
{
	const uint8_t *config = m->nic->config;

	if (!has(m, VIRTIO_F_VERSION_1))
		return false;
	if (has(m, VIRTIO_NET_F_MQ) || has(m, VIRTIO_NET_F_RSS))
		return m->nic->config_len >= CONFIG_MTU &&
		       vdpr_get_le16(config + CONFIG_MAX_PAIRS) ==
			       m->nic->net.max_pairs;
	for (size_t i = 0; i < sizeof(m->nic->config); i++)
		if (config[i])
			return true;
	return false;
}

static void config_as_read(const struct maker *m, struct vdpr_net_config *out)
{
	const uint8_t *config = m->nic->config;
	bool rss = has(m, VIRTIO_NET_F_RSS);
	bool hash = rss || has(m, VIRTIO_NET_F_HASH_REPORT);

	if (!config_was_read(m))
		return;
	out->mtu = vdpr_get_le16(config + CONFIG_MTU);
	if (has(m, VIRTIO_NET_F_MTU) && out->mtu >= MTU_LEAST &&
	    m->nic->config_len >= CONFIG_MTU + 2)
		out->has |= VDPR_CONFIG_MTU;
	if (!hash || m->nic->config_len < CONFIG_LEN || !config[CONFIG_RSS_KEY])
		return;
	out->rss_max_key_size = config[CONFIG_RSS_KEY];
	out->supported_hash_types = vdpr_get_le32(config + CONFIG_HASH_TYPES);
	out->has |= VDPR_CONFIG_RSS_KEY | VDPR_CONFIG_HASH_TYPES;
	out->rss_max_indirection_table_length =
		vdpr_get_le16(config + CONFIG_RSS_TABLE);
	if (rss)
		out->has |= VDPR_CONFIG_RSS_TABLE;
}

static struct vdpr_net_config make_config(const struct maker *m)
{
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);
	const struct vdpr_qemu_net *net = &m->nic->net;

	if (has(m, VIRTIO_NET_F_STATUS)) {
		config.has |= VDPR_CONFIG_LINK_UP | VDPR_CONFIG_ANNOUNCE;
		config.link_up = net->status & VIRTIO_NET_S_LINK_UP;
		config.announce = net->status & VIRTIO_NET_S_ANNOUNCE;
	}
	if (has(m, VIRTIO_NET_F_MQ) || has(m, VIRTIO_NET_F_RSS)) {
		config.has |= VDPR_CONFIG_MAX_PAIRS;
		config.max_virtqueue_pairs = net->max_pairs;
	}
	config_as_read(m, &config);
	return config;
}

/* --------------------------------------------------------- addresses, modes */

/* QEMU keeps both tables in one: the first multicast address ends the unicast
 * ones, whatever comes behind it. */
static int make_tables(const struct maker *m)
{
	const struct vdpr_qemu_net *net = &m->nic->net;
	const uint8_t *macs = (const uint8_t *)net->macs;
	struct vdpr_state *s = m->state;
	char why[VDPR_WHY];
	size_t n = 0;

	while (n < net->n_macs && !(net->macs[n][0] & 1))
		n++;
	if (vdpr_mac_list_set(&s->unicast, macs, n) ||
	    vdpr_mac_list_set(&s->multicast, macs + 6 * n, net->n_macs - n))
		return -ENOMEM;
	know(m, VDPR_MAC_UNICAST);
	know(m, VDPR_MAC_MULTICAST);
	if (vdpr_check_mac_list(&s->multicast, true, why))
		lose(m, VDPR_MAC_MULTICAST, why);
	if (know(m, VDPR_MAC_UNICAST_OVERFLOW))
		s->unicast_overflow = net->unicast_overflow;
	if (know(m, VDPR_MAC_MULTICAST_OVERFLOW))
		s->multicast_overflow = net->multicast_overflow;
	return 0;
}

static int make_mac(const struct maker *m)
{
	struct vdpr_state *s = m->state;
	char why[VDPR_WHY];

	if (know(m, VDPR_MAC_ADDRESS)) {
		memcpy(s->mac, m->nic->net.mac, sizeof(s->mac));
		if (vdpr_check_address(s->mac, why))
			lose(m, VDPR_MAC_ADDRESS, why);
	}
	return vdpr_member_required(s, VDPR_MAC_UNICAST) ? make_tables(m) : 0;
}

static void make_modes(const struct maker *m)
{
	const struct vdpr_qemu_net *net = &m->nic->net;
	struct vdpr_state *s = m->state;

	if (know(m, VDPR_RX_PROMISCUOUS)) {
		know(m, VDPR_RX_ALL_MULTICAST);
		s->promiscuous = net->promiscuous;
		s->all_multicast = net->all_multicast;
	}
	if (know(m, VDPR_RX_ALL_UNICAST)) {
		know(m, VDPR_RX_NO_MULTICAST);
		know(m, VDPR_RX_NO_UNICAST);
		know(m, VDPR_RX_NO_BROADCAST);
		s->all_unicast = net->all_unicast;
		s->no_multicast = net->no_multicast;
		s->no_unicast = net->no_unicast;
		s->no_broadcast = net->no_broadcast;
	}
}

/* --------------------------------------------------------------------- VLAN */

enum order {
	ORDER_LITTLE,
	ORDER_BIG,
	ORDER_UNKNOWN,
};

/*
 * The table is written as it lies in QEMU's memory: 32-bit words in the order of
 * the host that QEMU ran on, which the stream does not name. The machine type
 * tells what KVM needs for it.
 */
static const struct {
	const char *machine; /* how its name begins */
	enum order order;
} machines[] = {
	{ "pc-", ORDER_LITTLE },   { "pc", ORDER_LITTLE },
	{ "q35", ORDER_LITTLE },   { "microvm", ORDER_LITTLE },
	{ "isapc", ORDER_LITTLE }, { "rhel", ORDER_LITTLE },
	{ "virt", ORDER_LITTLE },  { "sbsa", ORDER_LITTLE },
	{ "s390-ccw", ORDER_BIG },
};

static enum order machine_order(const char *machine)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (!strncmp(machine, machines[i].machine,
			     strlen(machines[i].machine)))
			return machines[i].order;
	return ORDER_UNKNOWN;
}

/* Is id in the table, if its words are in this order? */
static bool vlan_bit(const uint8_t *vlans, enum order order, unsigned int id)
{
	size_t byte = id % 32 / 8;
	size_t word = id / 32 * 4;

	return vlans[word + (order == ORDER_BIG ? 3 - byte : byte)] >>
		       (id % 8) &
	       1;
}

/* POWER machines run on hosts of either order. Linux puts 0 in the table before
 * any other id, and nobody 4095. */
static enum order guess_order(const struct vdpr_qemu_nic *nic)
{
	const uint8_t *v = nic->net.vlans;
	bool little = vlan_bit(v, ORDER_LITTLE, 0) &&
		      !vlan_bit(v, ORDER_LITTLE, 4095);
	bool big = vlan_bit(v, ORDER_BIG, 0) && !vlan_bit(v, ORDER_BIG, 4095);
	bool same = true;

	for (size_t i = 0; i < sizeof(nic->net.vlans) && same; i += 4)
		same = v[i] == v[i + 3] && v[i + 1] == v[i + 2];
	if (same || little != big)
		return big && !same ? ORDER_BIG : ORDER_LITTLE;
	return nic->endian == 1	  ? ORDER_LITTLE
	       : nic->endian == 2 ? ORDER_BIG
				  : ORDER_UNKNOWN;
}

static enum order find_order(const struct vdpr_qemu_stream *stream,
			     const struct vdpr_qemu_nic *nic)
{
	enum order order = machine_order(stream->machine);

	return order == ORDER_UNKNOWN ? guess_order(nic) : order;
}

bool vdpr_qemu_all_vlans(const struct vdpr_qemu_stream *stream,
			 const struct vdpr_qemu_nic *nic)
{
	enum order order = find_order(stream, nic);
	const uint8_t *v = nic->net.vlans;
	unsigned int count = 0;

	for (size_t i = 0; i < sizeof(nic->net.vlans); i++)
		count += (unsigned int)__builtin_popcount(v[i]);
	return count > VDPR_VLANS / 2 && order != ORDER_UNKNOWN &&
	       vlan_bit(v, order, VDPR_VLANS - 1);
}

static void make_vlan(const struct maker *m)
{
	enum order order = find_order(m->stream, m->nic);
	bool all = vdpr_qemu_all_vlans(m->stream, m->nic);

	if (!know(m, VDPR_VLAN_IDS))
		return;
	if (all && (m->flags & VDPR_QEMU_ALL_VLANS_UNKNOWN)) {
		lose(m, VDPR_VLAN_IDS,
		     "the table passes all ids, as QEMU 8.1 to 10.0 begin with");
		return;
	}
	if (order == ORDER_UNKNOWN) {
		lose(m, VDPR_VLAN_IDS,
		     "the byte order of the source's host is not known");
		return;
	}
	if (all)
		warn(m, "vlan: the table passes all ids, as QEMU 8.1 to 10.0 "
			"begin with: kept, so that the guest goes on hearing "
			"what it heard (--all-vlans=unknown leaves it out)");
	for (unsigned int id = 0; id < VDPR_VLANS; id++)
		vdpr_vlan_set(m->state, id,
			      vlan_bit(m->nic->net.vlans, order, id));
}

/* ----------------------------------------------------------------- steering */

/* QEMU has room for 40 bytes, and does not keep how many the guest gave. */
static void make_key(const struct maker *m, struct vdpr_hash_key *key)
{
	const struct vdpr_net_config *config = &m->state->config;
	size_t len = sizeof(m->nic->rss.key);

	if ((config->has & VDPR_CONFIG_RSS_KEY) &&
	    config->rss_max_key_size < len)
		len = config->rss_max_key_size;
	key->len = (uint8_t)len;
	memcpy(key->bytes, m->nic->rss.key, len);
}

static int make_rss(const struct maker *m)
{
	const struct vdpr_qemu_rss *from = &m->nic->rss;
	struct vdpr_rss *rss = &m->state->rss;
	char why[VDPR_WHY];

	if (!know(m, VDPR_RSS))
		return 0;
	if (!from->present || !from->redirect) {
		m->state->member[VDPR_RSS] = VDPR_NULL;
		return 0;
	}
	rss->table = calloc(from->table_len, sizeof(*rss->table));
	if (!rss->table)
		return -ENOMEM;
	memcpy(rss->table, from->table, from->table_len * sizeof(*rss->table));
	rss->table_len = from->table_len;
	rss->hash_types = from->hash_types;
	rss->unclassified_queue = from->unclassified_queue;
	rss->max_tx_vq = m->nic->net.pairs;
	make_key(m, &rss->key);
	if (vdpr_check_rss(m->state, rss, why))
		lose(m, VDPR_RSS, why);
	return 0;
}

static void make_hash(const struct maker *m)
{
	const struct vdpr_qemu_rss *from = &m->nic->rss;
	struct vdpr_hash_report *hash = &m->state->hash_report;
	char why[VDPR_WHY];

	vdpr_state_settle_hash(m->state);
	if (m->state->member[VDPR_RSS] == VDPR_UNKNOWN ||
	    !know(m, VDPR_HASH_REPORT))
		return;
	if (!from->present || from->redirect) {
		m->state->member[VDPR_HASH_REPORT] = VDPR_NULL;
		return;
	}
	hash->hash_types = from->hash_types;
	make_key(m, &hash->key);
	if (vdpr_check_hash(m->state, hash->hash_types, hash->key.len, why))
		lose(m, VDPR_HASH_REPORT, why);
}

static int make_steering(const struct maker *m)
{
	int err;

	if (know(m, VDPR_MQ_QUEUE_PAIRS))
		m->state->queue_pairs = m->nic->net.pairs;
	err = make_rss(m);
	if (!err)
		make_hash(m);
	return err;
}

static void make_offloads(const struct maker *m)
{
	char why[VDPR_WHY];

	if (!know(m, VDPR_OFFLOADS))
		return;
	m->state->offloads = m->nic->net.offloads;
	if (vdpr_check_offloads(m->state, m->state->offloads, why))
		lose(m, VDPR_OFFLOADS, why);
}

/* -------------------------------------------------------------------- rings */

static struct vdpr_vring_state make_ring(const struct maker *m, uint32_t i)
{
	const struct vdpr_qemu_ring *from = &m->nic->ring[i];
	bool modern = m->nic->has_modern && has(m, VIRTIO_F_VERSION_1);
	bool packed = has(m, VIRTIO_F_RING_PACKED);
	struct vdpr_vring_state ring = {
		.has = VDPR_VRING_SIZE | VDPR_VRING_BASE | VDPR_VRING_ENABLED,
		.index = i,
		.size = from->size,
		.base = packed ? from->packed_base : from->last_avail,
		.enabled = modern ? from->enabled : from->desc != 0,
	};

	if (!from->desc)
		return ring;
	ring.has |= VDPR_VRING_DESC;
	ring.desc = from->desc;
	if (m->nic->has_addresses) {
		ring.has |= VDPR_VRING_DRIVER | VDPR_VRING_DEVICE;
		ring.driver = from->avail;
		ring.device = from->used;
	}
	return ring;
}

static int make_rings(const struct maker *m)
{
	struct vdpr_state *s = m->state;

	s->vrings = calloc(m->nic->n_rings, sizeof(*s->vrings));
	if (!s->vrings)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->nic->n_rings; i++)
		s->vrings[i] = make_ring(m, i);
	s->n_vrings = m->nic->n_rings;
	s->has_vrings = true;
	return 0;
}

/* -------------------------------------------------------------------- whole */

static void make_announce(const struct maker *m)
{
	if (!has(m, VIRTIO_NET_F_CTRL_VQ) ||
	    !has(m, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return;
	m->state->announce = VDPR_KNOWN;
	m->state->announce_pending = m->nic->net.status & VIRTIO_NET_S_ANNOUNCE;
}

static void say_condition(const struct maker *m)
{
	if (m->nic->broken)
		warn(m, "QEMU found the guest's driver at fault and stopped "
			"the device: its rings may be at odds");
	if (!vdpr_features_has(&m->nic->features, VIRTIO_F_VERSION_1) &&
	    vdpr_features_empty(&m->nic->features))
		warn(m, "no driver runs the device: it has no control state");
}

static int make_state(const struct maker *m)
{
	const struct vdpr_net_config config = make_config(m);
	int err = vdpr_state_start(m->ctx, m->state, NULL, &m->nic->features,
				   &config, VDPR_STATE_NOT_FROM_RESET);

	if (err)
		return err;
	err = make_mac(m);
	if (!err)
		err = make_steering(m);
	if (!err)
		err = make_rings(m);
	if (err)
		return vdpr_fail_memory(m->ctx);
	make_modes(m);
	make_vlan(m);
	make_offloads(m);
	make_announce(m);
	say_condition(m);
	return 0;
}

/* Is there steering that was never negotiated? */
static bool has_foreign_rss(const struct maker *m)
{
	const struct vdpr_qemu_rss *rss = &m->nic->rss;

	return rss->present &&
	       !has(m, rss->redirect ? VIRTIO_NET_F_RSS
				     : VIRTIO_NET_F_HASH_REPORT);
}

int vdpr_qemu_stream_state(struct vdpr_ctx *ctx,
			   const struct vdpr_qemu_stream *stream, size_t index,
			   unsigned int flags, struct vdpr_state **out)
{
	struct maker m = { .ctx = ctx, .stream = stream, .flags = flags };
	char why[VDPR_WHY] = "RSS is in force and was not negotiated";
	int err;

	if (vdpr_any_null(ctx, stream, out))
		return -EINVAL;
	if (index >= stream->n_nics)
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -ERANGE,
				 "device %zu of %zu in the stream", index,
				 stream->n_nics);
	m.nic = stream->nic[index];
	err = vdpr_state_new(ctx, &m.state);
	if (err)
		return err;
	err = make_state(&m);
	if (!err && (has_foreign_rss(&m) || vdpr_state_check(m.state, why)))
		err = vdpr_fail(ctx, VDPR_CAUSE_INPUT, -EBADMSG,
				"offset %llu (0x%llx), section %u \"%s\": %s",
				(unsigned long long)m.nic->offset,
				(unsigned long long)m.nic->offset,
				m.nic->section, m.nic->name, why);
	if (err)
		vdpr_state_free(m.state);
	else
		*out = m.state;
	return err;
}
