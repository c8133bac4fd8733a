/* SPDX-License-Identifier: MIT */
/* export --as qemu: the netdev and the device that show the guest the same NIC. */
#include "cmd/export.h"

#include <string.h>

/*
 * A guest that migrates must find the features that it was offered. QEMU's
 * properties switch them one by one; those that 7.2 does not have are printed only
 * where they are on, since it would refuse the name.
 */
static const struct {
	const char *property;
	const char *feature;
	bool later; /* not in QEMU 7.2 */
} switches[] = {
	{ "csum", "CSUM", false },
	{ "guest_csum", "GUEST_CSUM", false },
	{ "gso", "GSO", false },
	{ "guest_tso4", "GUEST_TSO4", false },
	{ "guest_tso6", "GUEST_TSO6", false },
	{ "guest_ecn", "GUEST_ECN", false },
	{ "guest_ufo", "GUEST_UFO", false },
	{ "guest_announce", "GUEST_ANNOUNCE", false },
	{ "host_tso4", "HOST_TSO4", false },
	{ "host_tso6", "HOST_TSO6", false },
	{ "host_ecn", "HOST_ECN", false },
	{ "host_ufo", "HOST_UFO", false },
	{ "mrg_rxbuf", "MRG_RXBUF", false },
	{ "status", "STATUS", false },
	{ "ctrl_vq", "CTRL_VQ", false },
	{ "ctrl_rx", "CTRL_RX", false },
	{ "ctrl_vlan", "CTRL_VLAN", false },
	{ "ctrl_rx_extra", "CTRL_RX_EXTRA", false },
	{ "ctrl_mac_addr", "CTRL_MAC_ADDR", false },
	{ "ctrl_guest_offloads", "CTRL_GUEST_OFFLOADS", false },
	{ "mq", "MQ", false },
	{ "rss", "RSS", false },
	{ "hash", "HASH_REPORT", false },
	{ "guest_rsc_ext", "RSC_EXT", false },
	{ "any_layout", "ANY_LAYOUT", false },
	{ "notify_on_empty", "NOTIFY_ON_EMPTY", false },
	{ "indirect_desc", "RING_INDIRECT_DESC", false },
	{ "event_idx", "RING_EVENT_IDX", false },
	{ "iommu_platform", "ACCESS_PLATFORM", false },
	{ "packed", "RING_PACKED", false },
	{ "queue_reset", "RING_RESET", false },
	{ "guest_uso4", "GUEST_USO4", true },
	{ "guest_uso6", "GUEST_USO6", true },
	{ "host_uso", "HOST_USO", true },
	{ "in_order", "IN_ORDER", true },
	{ "guest_tunnel", "GUEST_UDP_TUNNEL_GSO", true },
	{ "guest_tunnel_csum", "GUEST_UDP_TUNNEL_GSO_CSUM", true },
	{ "host_tunnel", "HOST_UDP_TUNNEL_GSO", true },
	{ "host_tunnel_csum", "HOST_UDP_TUNNEL_GSO_CSUM", true },
};

/* Features that come with a value, or by themselves. */
static const char *const given[] = { "MTU",	  "MAC",     "SPEED_DUPLEX",
				     "VERSION_1", "STANDBY", "bit_26",
				     "bit_30" };

static bool is_switch(unsigned int bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		if (vdpr_feature_bit(switches[i].feature) == (int)bit)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(given); i++)
		if (vdpr_feature_bit(given[i]) == (int)bit)
			return true;
	return false;
}

/* QEMU cannot offer it, so a guest that uses it cannot go there. */
static void lose_features(struct export *e)
{
	for (unsigned int bit = 0; bit < 128; bit++) {
		const char *name = vdpr_feature_name(bit);

		if (!(e->offered.word[bit / 64] >> (bit % 64) & 1) ||
		    is_switch(bit))
			continue;
		if (name)
			export_lost(e, "features",
				    "%s: QEMU has no property for it", name);
		else
			export_lost(e, "features",
				    "bit_%u: QEMU has no property for it", bit);
	}
}

static void print_switches(struct export *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		bool on = export_offers(e, switches[i].feature);

		if (on || !switches[i].later)
			fprintf(e->to, ",%s=%s", switches[i].property,
				on ? "on" : "off");
	}
}

/* QEMU takes 256 to 1024; a guest that asked for less does so again. */
static void print_ring_size(struct export *e, const char *property,
			    bool transmit)
{
	unsigned int size = export_ring_size(e, transmit);

	if (size > 256 && size <= 1024)
		fprintf(e->to, ",%s=%u", property, size);
}

static void print_values(struct export *e)
{
	const cJSON *mtu = export_member(e, "config", "mtu");
	const cJSON *speed = export_member(e, "config", "speed");
	const cJSON *duplex = export_member(e, "config", "duplex");

	if (cJSON_IsNumber(mtu))
		fprintf(e->to, ",host_mtu=%.0f", mtu->valuedouble);
	else if (export_offers(e, "MTU"))
		export_lost(e, "config.mtu",
			    "not known: give host_mtu as the source has it");
	if (cJSON_IsNumber(speed))
		fprintf(e->to, ",speed=%.0f", speed->valuedouble);
	if (cJSON_IsString(duplex))
		fprintf(e->to, ",duplex=%s", duplex->valuestring);
	print_ring_size(e, "rx_queue_size", false);
	print_ring_size(e, "tx_queue_size", true);
}

static bool has_many_pairs(const struct export *e)
{
	return export_offers(e, "MQ") || export_offers(e, "RSS");
}

/* 0: one pair, or it is not known how many. */
static unsigned int known_pairs(const struct export *e)
{
	return has_many_pairs(e)
		       ? export_number(e, "config", "max_virtqueue_pairs", 0)
		       : 0;
}

static void lose_rest(struct export *e)
{
	if (has_many_pairs(e) && !known_pairs(e))
		export_lost(e, "config.max_virtqueue_pairs",
			    "not known: give queues and vectors as the source "
			    "has them");
	lose_features(e);
	export_lost_control(e, "set by the guest at run time: QEMU takes it "
			       "from the migration stream");
}

int export_qemu(struct export *e)
{
	unsigned int pairs = known_pairs(e);
	const char *mac = export_mac(e);

	fputs("-netdev vhost-vdpa,id=vdpa0,vhostdev=/dev/vhost-vdpa-0", e->to);
	if (pairs)
		fprintf(e->to, ",queues=%u", pairs);
	fputs(" \\\n-device virtio-net-pci,netdev=vdpa0,id=net0", e->to);
	if (mac)
		fprintf(e->to, ",mac=%s", mac);
	else
		export_lost(e, "config.mac",
			    "not known: give mac as the source has it");
	if (pairs)
		fprintf(e->to, ",vectors=%u", 2 * pairs + 2);
	/* QEMU gives the IOMMU to a device of virtio 1 only. */
	if (export_offers(e, "ACCESS_PLATFORM"))
		fputs(",disable-legacy=on", e->to);
	print_values(e);
	print_switches(e);
	fputc('\n', e->to);
	lose_rest(e);
	return 0;
}
