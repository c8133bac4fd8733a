/* SPDX-License-Identifier: MIT */
/* export --as libvirt: an interface element for a domain's description. */
#include "cmd/export.h"

#include <string.h>

/* An attribute of <driver>, <host> or <guest> (docs/formatdomain.rst of libvirt). */
struct attribute {
	const char *name, *feature;
};

static const struct attribute driver[] = {
	{ "event_idx", "RING_EVENT_IDX" },    { "packed", "RING_PACKED" },
	{ "iommu", "ACCESS_PLATFORM" },	      { "rss", "RSS" },
	{ "rss_hash_report", "HASH_REPORT" },
};

static const struct attribute host[] = {
	{ "csum", "CSUM" },	      { "gso", "GSO" },
	{ "tso4", "HOST_TSO4" },      { "tso6", "HOST_TSO6" },
	{ "ecn", "HOST_ECN" },	      { "ufo", "HOST_UFO" },
	{ "mrg_rxbuf", "MRG_RXBUF" },
};

static const struct attribute guest[] = {
	{ "csum", "GUEST_CSUM" }, { "tso4", "GUEST_TSO4" },
	{ "tso6", "GUEST_TSO6" }, { "ecn", "GUEST_ECN" },
	{ "ufo", "GUEST_UFO" },
};

/* What QEMU offers without being asked, and libvirt has no word to switch off. */
static const char *const always[] = {
	"STATUS",
	"CTRL_VQ",
	"CTRL_RX",
	"CTRL_VLAN",
	"CTRL_RX_EXTRA",
	"CTRL_MAC_ADDR",
	"GUEST_ANNOUNCE",
	"CTRL_GUEST_OFFLOADS",
	"RING_INDIRECT_DESC",
};

/* What QEMU offers only when asked, and libvirt has no word for. */
static const char *const never[] = { "RSC_EXT", "SPEED_DUPLEX", "IN_ORDER",
				     "NOTF_COAL", "VQ_NOTF_COAL" };

static void print_attributes(struct export *e, const struct attribute *list,
			     size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(e->to, " %s='%s'", list[i].name,
			export_offers(e, list[i].feature) ? "on" : "off");
}

static void print_ring_size(struct export *e, const char *name, bool transmit)
{
	unsigned int size = export_ring_size(e, transmit);

	if (size > 256 && size <= 1024)
		fprintf(e->to, " %s='%u'", name, size);
}

static void print_driver(struct export *e)
{
	unsigned int pairs =
		export_number(e, "config", "max_virtqueue_pairs", 1);

	fputs("  <driver", e->to);
	if (export_offers(e, "MQ"))
		fprintf(e->to, " queues='%u'", pairs);
	print_ring_size(e, "rx_queue_size", false);
	print_ring_size(e, "tx_queue_size", true);
	print_attributes(e, driver, ARRAY_SIZE(driver));
	fputs(">\n    <host", e->to);
	print_attributes(e, host, ARRAY_SIZE(host));
	fputs("/>\n    <guest", e->to);
	print_attributes(e, guest, ARRAY_SIZE(guest));
	fputs("/>\n  </driver>\n", e->to);
}

static void lose_features(struct export *e)
{
	static const char cure[] =
		"libvirt has no word for it; set QEMU's property by "
		"qemu:override";

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		if (!export_offers(e, always[i]))
			export_lost(e, "features",
				    "no %s: the vdpa device must not offer it; "
				    "%s",
				    always[i], cure);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (export_offers(e, never[i]))
			export_lost(e, "features", "%s: %s", never[i], cure);
	if (export_offers(e, "RSS") && !export_offers(e, "MQ"))
		export_lost(e, "features", "RSS without MQ: %s", cure);
}

int export_libvirt(struct export *e)
{
	const char *mac = export_mac(e);
	const cJSON *mtu = export_member(e, "config", "mtu");

	fputs("<interface type='vdpa'>\n", e->to);
	if (mac)
		fprintf(e->to, "  <mac address='%s'/>\n", mac);
	else
		export_lost(e, "config.mac",
			    "not known: libvirt would make one up");
	fputs("  <source dev='/dev/vhost-vdpa-0'/>\n"
	      "  <model type='virtio'/>\n",
	      e->to);
	print_driver(e);
	if (cJSON_IsNumber(mtu))
		fprintf(e->to, "  <mtu size='%.0f'/>\n", mtu->valuedouble);
	fputs("</interface>\n", e->to);
	lose_features(e);
	export_lost_control(e, "set by the guest at run time: it comes with "
			       "the migration");
	return 0;
}
