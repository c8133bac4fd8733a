/* SPDX-License-Identifier: MIT */
/* Feature masks of 128 bits: names, text, set operations. */
#include "restore/features.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * One row a bit: the virtio specification of 2026, and of the transport only
 * what a driver of a network device can meet. Names are the kernel's without
 * their prefix, as iproute2 prints them.
 */
static const char *const feature_names[VDPR_FEATURE_BITS] = {
	[VIRTIO_NET_F_CSUM] = "CSUM",
	[VIRTIO_NET_F_GUEST_CSUM] = "GUEST_CSUM",
	[VIRTIO_NET_F_CTRL_GUEST_OFFLOADS] = "CTRL_GUEST_OFFLOADS",
	[VIRTIO_NET_F_MTU] = "MTU",
	[VIRTIO_NET_F_MAC] = "MAC",
	[VIRTIO_NET_F_GSO] = "GSO",
	[VIRTIO_NET_F_GUEST_TSO4] = "GUEST_TSO4",
	[VIRTIO_NET_F_GUEST_TSO6] = "GUEST_TSO6",
	[VIRTIO_NET_F_GUEST_ECN] = "GUEST_ECN",
	[VIRTIO_NET_F_GUEST_UFO] = "GUEST_UFO",
	[VIRTIO_NET_F_HOST_TSO4] = "HOST_TSO4",
	[VIRTIO_NET_F_HOST_TSO6] = "HOST_TSO6",
	[VIRTIO_NET_F_HOST_ECN] = "HOST_ECN",
	[VIRTIO_NET_F_HOST_UFO] = "HOST_UFO",
	[VIRTIO_NET_F_MRG_RXBUF] = "MRG_RXBUF",
	[VIRTIO_NET_F_STATUS] = "STATUS",
	[VIRTIO_NET_F_CTRL_VQ] = "CTRL_VQ",
	[VIRTIO_NET_F_CTRL_RX] = "CTRL_RX",
	[VIRTIO_NET_F_CTRL_VLAN] = "CTRL_VLAN",
	[VIRTIO_NET_F_CTRL_RX_EXTRA] = "CTRL_RX_EXTRA",
	[VIRTIO_NET_F_GUEST_ANNOUNCE] = "GUEST_ANNOUNCE",
	[VIRTIO_NET_F_MQ] = "MQ",
	[VIRTIO_NET_F_CTRL_MAC_ADDR] = "CTRL_MAC_ADDR",
	[VIRTIO_F_NOTIFY_ON_EMPTY] = "NOTIFY_ON_EMPTY",
	[VIRTIO_F_ANY_LAYOUT] = "ANY_LAYOUT",
	[VIRTIO_RING_F_INDIRECT_DESC] = "RING_INDIRECT_DESC",
	[VIRTIO_RING_F_EVENT_IDX] = "RING_EVENT_IDX",
	[VIRTIO_F_VERSION_1] = "VERSION_1",
	[VIRTIO_F_ACCESS_PLATFORM] = "ACCESS_PLATFORM",
	[VIRTIO_F_RING_PACKED] = "RING_PACKED",
	[VIRTIO_F_IN_ORDER] = "IN_ORDER",
	[VIRTIO_F_ORDER_PLATFORM] = "ORDER_PLATFORM",
	[VIRTIO_F_SR_IOV] = "SR_IOV",
	[VIRTIO_F_NOTIFICATION_DATA] = "NOTIFICATION_DATA",
	[VIRTIO_F_NOTIF_CONFIG_DATA] = "NOTIF_CONFIG_DATA",
	[VIRTIO_F_RING_RESET] = "RING_RESET",
	[VIRTIO_F_ADMIN_VQ] = "ADMIN_VQ",
	[VIRTIO_F_SUSPEND] = "SUSPEND",
	[VIRTIO_NET_F_DEVICE_STATS] = "DEVICE_STATS",
	[VIRTIO_NET_F_HASH_TUNNEL] = "HASH_TUNNEL",
	[VIRTIO_NET_F_VQ_NOTF_COAL] = "VQ_NOTF_COAL",
	[VIRTIO_NET_F_NOTF_COAL] = "NOTF_COAL",
	[VIRTIO_NET_F_GUEST_USO4] = "GUEST_USO4",
	[VIRTIO_NET_F_GUEST_USO6] = "GUEST_USO6",
	[VIRTIO_NET_F_HOST_USO] = "HOST_USO",
	[VIRTIO_NET_F_HASH_REPORT] = "HASH_REPORT",
	[VIRTIO_NET_F_GUEST_HDRLEN] = "GUEST_HDRLEN",
	[VIRTIO_NET_F_RSS] = "RSS",
	[VIRTIO_NET_F_RSC_EXT] = "RSC_EXT",
	[VIRTIO_NET_F_STANDBY] = "STANDBY",
	[VIRTIO_NET_F_SPEED_DUPLEX] = "SPEED_DUPLEX",
	[VIRTIO_NET_F_RSS_CONTEXT] = "RSS_CONTEXT",
	[VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO] = "GUEST_UDP_TUNNEL_GSO",
	[VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM] = "GUEST_UDP_TUNNEL_GSO_CSUM",
	[VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO] = "HOST_UDP_TUNNEL_GSO",
	[VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM] = "HOST_UDP_TUNNEL_GSO_CSUM",
	[VIRTIO_NET_F_OUT_NET_HEADER] = "OUT_NET_HEADER",
	[VIRTIO_NET_F_IPSEC] = "IPSEC",
};

/* The files we write name bits: a header that moves one must not go unseen. */
static_assert(VIRTIO_NET_F_CSUM == 0, "bit of CSUM");
static_assert(VIRTIO_NET_F_GUEST_CSUM == 1, "bit of GUEST_CSUM");
static_assert(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS == 2, "bit of offloads");
static_assert(VIRTIO_NET_F_MTU == 3, "bit of MTU");
static_assert(VIRTIO_NET_F_MAC == 5, "bit of MAC");
static_assert(VIRTIO_NET_F_GSO == 6, "bit of GSO");
static_assert(VIRTIO_NET_F_GUEST_TSO4 == 7, "bit of GUEST_TSO4");
static_assert(VIRTIO_NET_F_GUEST_TSO6 == 8, "bit of GUEST_TSO6");
static_assert(VIRTIO_NET_F_GUEST_ECN == 9, "bit of GUEST_ECN");
static_assert(VIRTIO_NET_F_GUEST_UFO == 10, "bit of GUEST_UFO");
static_assert(VIRTIO_NET_F_HOST_TSO4 == 11, "bit of HOST_TSO4");
static_assert(VIRTIO_NET_F_HOST_TSO6 == 12, "bit of HOST_TSO6");
static_assert(VIRTIO_NET_F_HOST_ECN == 13, "bit of HOST_ECN");
static_assert(VIRTIO_NET_F_HOST_UFO == 14, "bit of HOST_UFO");
static_assert(VIRTIO_NET_F_MRG_RXBUF == 15, "bit of MRG_RXBUF");
static_assert(VIRTIO_NET_F_STATUS == 16, "bit of STATUS");
static_assert(VIRTIO_NET_F_CTRL_VQ == 17, "bit of CTRL_VQ");
static_assert(VIRTIO_NET_F_CTRL_RX == 18, "bit of CTRL_RX");
static_assert(VIRTIO_NET_F_CTRL_VLAN == 19, "bit of CTRL_VLAN");
static_assert(VIRTIO_NET_F_CTRL_RX_EXTRA == 20, "bit of CTRL_RX_EXTRA");
static_assert(VIRTIO_NET_F_GUEST_ANNOUNCE == 21, "bit of GUEST_ANNOUNCE");
static_assert(VIRTIO_NET_F_MQ == 22, "bit of MQ");
static_assert(VIRTIO_NET_F_CTRL_MAC_ADDR == 23, "bit of CTRL_MAC_ADDR");
static_assert(VIRTIO_F_NOTIFY_ON_EMPTY == 24, "bit of NOTIFY_ON_EMPTY");
static_assert(VIRTIO_F_ANY_LAYOUT == 27, "bit of ANY_LAYOUT");
static_assert(VIRTIO_RING_F_INDIRECT_DESC == 28, "bit of INDIRECT_DESC");
static_assert(VIRTIO_RING_F_EVENT_IDX == 29, "bit of EVENT_IDX");
static_assert(VIRTIO_F_VERSION_1 == 32, "bit of VERSION_1");
static_assert(VIRTIO_F_ACCESS_PLATFORM == 33, "bit of ACCESS_PLATFORM");
static_assert(VIRTIO_F_RING_PACKED == 34, "bit of RING_PACKED");
static_assert(VIRTIO_F_ORDER_PLATFORM == 36, "bit of ORDER_PLATFORM");
static_assert(VIRTIO_F_SR_IOV == 37, "bit of SR_IOV");
static_assert(VIRTIO_NET_F_STANDBY == 62, "bit of STANDBY");
static_assert(VIRTIO_NET_F_SPEED_DUPLEX == 63, "bit of SPEED_DUPLEX");

static const struct vdpr_bit_name hash_type_names[] = {
	{ 0, "ipv4" },	{ 1, "tcpv4" },	 { 2, "udpv4" },
	{ 3, "ipv6" },	{ 4, "tcpv6" },	 { 5, "udpv6" },
	{ 6, "ip_ex" }, { 7, "tcp_ex" }, { 8, "udp_ex" },
};

static_assert(VIRTIO_NET_RSS_HASH_TYPE_IPv4 == BIT(0), "hash type ipv4");
static_assert(VIRTIO_NET_RSS_HASH_TYPE_UDP_EX == BIT(8), "hash type udp_ex");

/* Those two stand for features past bit 63, which the payload cannot name. */
#define OFFLOAD_UDP_TUNNEL_GSO 46
#define OFFLOAD_UDP_TUNNEL_GSO_CSUM 47

static const struct vdpr_bit_name offload_names[] = {
	{ VIRTIO_NET_F_GUEST_CSUM, "guest_csum" },
	{ VIRTIO_NET_F_GUEST_TSO4, "guest_tso4" },
	{ VIRTIO_NET_F_GUEST_TSO6, "guest_tso6" },
	{ VIRTIO_NET_F_GUEST_ECN, "guest_ecn" },
	{ VIRTIO_NET_F_GUEST_UFO, "guest_ufo" },
	{ OFFLOAD_UDP_TUNNEL_GSO, "guest_udp_tunnel_gso" },
	{ OFFLOAD_UDP_TUNNEL_GSO_CSUM, "guest_udp_tunnel_gso_csum" },
	{ VIRTIO_NET_F_GUEST_USO4, "guest_uso4" },
	{ VIRTIO_NET_F_GUEST_USO6, "guest_uso6" },
};

static const char *find_name(const struct vdpr_bit_name *table, size_t rows,
			     unsigned int bit)
{
	for (size_t i = 0; i < rows; i++) {
		if (table[i].bit == bit)
			return table[i].name;
	}
	return NULL;
}

/* "bit_N" with N below @bits. Return: N or -ENOENT. */
static int parse_bit_n(const char *text, unsigned int bits)
{
	static const char prefix[] = "bit_";
	uint64_t bit;

	if (strncmp(text, prefix, strlen(prefix)) != 0 ||
	    vdpr_u64_parse(text + strlen(prefix), bits - 1, &bit))
		return -ENOENT;
	return (int)bit;
}

static const char *bit_text(const char *name, unsigned int bit,
			    char text[VDPR_BIT_TEXT])
{
	if (name)
		snprintf(text, VDPR_BIT_TEXT, "%s", name);
	else
		snprintf(text, VDPR_BIT_TEXT, "bit_%u", bit);
	return text;
}

static int find_bit(const struct vdpr_bit_name *table, size_t rows,
		    unsigned int bits, const char *name)
{
	int bit;

	for (size_t i = 0; i < rows; i++) {
		if (!strcmp(table[i].name, name))
			return (int)table[i].bit;
	}
	bit = parse_bit_n(name, bits);
	if (bit >= 0 && find_name(table, rows, (unsigned int)bit))
		return -ENOENT;
	return bit;
}

const char *vdpr_feature_name(unsigned int bit)
{
	return bit < VDPR_FEATURE_BITS ? feature_names[bit] : NULL;
}

int vdpr_feature_bit(const char *name)
{
	int bit;

	if (!name)
		return -EINVAL;
	for (unsigned int i = 0; i < VDPR_FEATURE_BITS; i++) {
		if (feature_names[i] && !strcmp(feature_names[i], name))
			return (int)i;
	}
	bit = parse_bit_n(name, VDPR_FEATURE_BITS);
	if (bit >= 0 && feature_names[bit])
		return -ENOENT;
	return bit;
}

const char *vdpr_feature_text(unsigned int bit, char text[VDPR_BIT_TEXT])
{
	return bit_text(vdpr_feature_name(bit), bit, text);
}

void vdpr_features_names(const struct vdpr_features *f, const char *separator,
			 struct vdpr_buf *out)
{
	char text[VDPR_BIT_TEXT];
	bool first = true;

	for (unsigned int bit = 0; bit < VDPR_FEATURE_BITS; bit++) {
		if (!vdpr_features_has(f, bit))
			continue;
		if (!first)
			vdpr_buf_str(out, separator);
		vdpr_buf_str(out, vdpr_feature_text(bit, text));
		first = false;
	}
}

void vdpr_features_format(const struct vdpr_features *f,
			  char text[VDPR_FEATURES_TEXT])
{
	if (f->word[1])
		snprintf(text, VDPR_FEATURES_TEXT, "0x%llx%016llx",
			 (unsigned long long)f->word[1],
			 (unsigned long long)f->word[0]);
	else
		snprintf(text, VDPR_FEATURES_TEXT, "0x%llx",
			 (unsigned long long)f->word[0]);
}

int vdpr_features_parse(const char *text, struct vdpr_features *out)
{
	struct vdpr_features f = { { 0, 0 } };
	size_t digits = 0;

	if (strncmp(text, "0x", 2) != 0)
		return -EINVAL;
	for (text += 2; *text; text++, digits++) {
		int digit = vdpr_hex_digit(*text);

		if (digit < 0)
			return -EINVAL;
		f.word[1] = f.word[1] << 4 | f.word[0] >> 60;
		f.word[0] = f.word[0] << 4 | (unsigned int)digit;
	}
	if (!digits)
		return -EINVAL;
	if (digits > VDPR_FEATURE_BITS / 4)
		return -ERANGE;
	*out = f;
	return 0;
}

const char *vdpr_hash_type_text(unsigned int bit, char text[VDPR_BIT_TEXT])
{
	return bit_text(
		find_name(hash_type_names, ARRAY_SIZE(hash_type_names), bit),
		bit, text);
}

int vdpr_hash_type_bit(const char *name)
{
	return find_bit(hash_type_names, ARRAY_SIZE(hash_type_names), 32, name);
}

const char *vdpr_offload_text(unsigned int bit, char text[VDPR_BIT_TEXT])
{
	return bit_text(
		find_name(offload_names, ARRAY_SIZE(offload_names), bit), bit,
		text);
}

int vdpr_offload_bit(const char *name)
{
	return find_bit(offload_names, ARRAY_SIZE(offload_names), 64, name);
}

unsigned int vdpr_offload_feature(unsigned int bit)
{
	switch (bit) {
	case OFFLOAD_UDP_TUNNEL_GSO:
		return VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO;
	case OFFLOAD_UDP_TUNNEL_GSO_CSUM:
		return VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM;
	default:
		return bit;
	}
}

uint64_t vdpr_offloads_allowed(const struct vdpr_features *negotiated,
			       bool named)
{
	static const unsigned int tunnels[] = { OFFLOAD_UDP_TUNNEL_GSO,
						OFFLOAD_UDP_TUNNEL_GSO_CSUM };
	/* All others have the number of their feature. */
	uint64_t allowed = negotiated->word[0];
	uint64_t names = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
		allowed &= ~BIT_ULL(tunnels[i]);
		if (vdpr_features_has(negotiated,
				      vdpr_offload_feature(tunnels[i])))
			allowed |= BIT_ULL(tunnels[i]);
	}
	if (!named)
		return allowed;
	for (size_t i = 0; i < ARRAY_SIZE(offload_names); i++)
		names |= BIT_ULL(offload_names[i].bit);
	return allowed & names;
}
