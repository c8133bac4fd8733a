/* SPDX-License-Identifier: MIT */
/* QEMU streams: the section of one virtio-net device, whole. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/qemu-stream.h"

/*
 * Theory of operation. The section has no marks inside: what follows depends on
 * the bus (conventional PCI, PCI Express, mmio) and on whether the backend has
 * several queue pairs, and neither is said. So it is read in each of these ways,
 * with every value that has a range checked, and exactly one way must come out
 * at the section's end. From "subsections" on parts have names.
 */

#define QUEUES_MOST \
	1024u /* VIRTIO_QUEUE_MAX: arrays in a stream have as many */
#define RING_MOST 0x8000u
#define MACS_MOST 64u
#define CONFIG_MOST 4096u

struct cursor {
	const uint8_t *p;
	size_t len, at;
	bool bad;
	bool at_end; /* what is bad is where it ends */
	struct vdpr_qemu_why *why;
};

struct way {
	const char *name;
	int (*bus)(struct cursor *c, const struct way *way,
		   unsigned int *vectors);
	size_t space; /* of PCI configuration */
	bool aligned; /* every ring has an alignment of its own */
	bool many;    /* the fields of several queue pairs are there */
};

/* ------------------------------------------------------------------- cursor */

static int bad(struct cursor *c, const char *fmt, ...) VDPR_PRINTF(2, 3);

/* The first reason stands. */
static int bad(struct cursor *c, const char *fmt, ...)
{
	va_list args;

	if (c->bad)
		return -EBADMSG;
	c->bad = true;
	c->why->at = c->at;
	va_start(args, fmt);
	vsnprintf(c->why->text, sizeof(c->why->text), fmt, args);
	va_end(args);
	return -EBADMSG;
}

/* Bytes of the section, or NULL behind its end. */
static const uint8_t *take(struct cursor *c, size_t len)
{
	const uint8_t *p = c->p + c->at;

	if (c->bad)
		return NULL;
	if (len > c->len - c->at) {
		c->at = c->len;
		bad(c, "the section ends too early");
		return NULL;
	}
	c->at += len;
	return p;
}

static uint8_t take_u8(struct cursor *c)
{
	const uint8_t *p = take(c, 1);

	return p ? p[0] : 0;
}

static uint16_t take_be16(struct cursor *c)
{
	const uint8_t *p = take(c, 2);

	return p ? vdpr_get_be16(p) : 0;
}

static uint32_t take_be32(struct cursor *c)
{
	const uint8_t *p = take(c, 4);

	return p ? vdpr_get_be32(p) : 0;
}

static uint64_t take_be64(struct cursor *c)
{
	const uint8_t *p = take(c, 8);

	return p ? vdpr_get_be64(p) : 0;
}

/* A value that cannot be more than @most. */
static uint32_t check(struct cursor *c, uint32_t value, uint32_t most,
		      const char *name)
{
	if (!c->bad && value > most)
		bad(c, "%s is %u, more than %u", name, value, most);
	return c->bad ? 0 : value;
}

static bool take_flag(struct cursor *c, const char *name)
{
	return check(c, take_u8(c), 1, name);
}

/* ---------------------------------------------------------------------- bus */

#define PCI_STATUS 0x06
#define PCI_STATUS_CAP_LIST 0x10
#define PCI_CAPABILITY_LIST 0x34
#define PCI_CAP_ID_EXP 0x10
#define PCI_CAP_ID_MSIX 0x11
#define PCI_VENDOR_ID_REDHAT_QUMRANET 0x1af4
#define PCI_DEVICE_ID_VIRTIO_NET 0x1000
#define PCI_DEVICE_ID_VIRTIO_10_NET 0x1041

/* Offset of a capability, or 0. The list cannot be longer than its space. */
static unsigned int find_cap(const uint8_t *space, uint8_t id)
{
	unsigned int at = space[PCI_CAPABILITY_LIST] & 0xfcu;

	if (!(space[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return 0;
	for (unsigned int i = 0; i < 48 && at >= 0x40; i++) {
		if (space[at] == id)
			return at;
		at = space[at + 1] & 0xfcu;
	}
	return 0;
}

/* The guest cannot write any of what is looked at here. */
static int take_pci(struct cursor *c, const struct way *way,
		    unsigned int *vectors)
{
	uint32_t version = take_be32(c);
	const uint8_t *space = take(c, 256);
	unsigned int device, msix;

	if (!space)
		return -EBADMSG;
	c->at -= 256;
	if (version != 2)
		return bad(c, "PCI state of version %u is not known", version);
	device = vdpr_get_le16(space + 2);
	if (vdpr_get_le16(space) != PCI_VENDOR_ID_REDHAT_QUMRANET ||
	    (device != PCI_DEVICE_ID_VIRTIO_NET &&
	     device != PCI_DEVICE_ID_VIRTIO_10_NET))
		return bad(c, "PCI device %04x:%04x is no virtio-net",
			   vdpr_get_le16(space), device);
	if ((find_cap(space, PCI_CAP_ID_EXP) != 0) != (way->space > 256))
		return bad(c, "not this kind of PCI device");
	take(c, way->space);
	take(c, 16); /* lines of legacy interrupts */
	msix = find_cap(space, PCI_CAP_ID_MSIX);
	*vectors = msix ? (vdpr_get_le16(space + msix + 2) & 0x7ffu) + 1 : 0;
	if (!*vectors)
		return 0;
	take(c, *vectors * 16 + (*vectors + 7) / 8);
	take(c, 2); /* vector of the configuration */
	return 0;
}

static int take_mmio(struct cursor *c, const struct way *way,
		     unsigned int *vectors)
{
	(void)way;
	*vectors = 0;
	take(c, 8); /* what is selected */
	check(c, take_be32(c), 64, "the guest's page shift");
	return c->bad ? -EBADMSG : 0;
}

static const struct way ways[] = {
	{ "pci", take_pci, 256, false, false },
	{ "pci", take_pci, 256, false, true },
	{ "pci-express", take_pci, 4096, false, false },
	{ "pci-express", take_pci, 4096, false, true },
	{ "mmio", take_mmio, 0, true, false },
	{ "mmio", take_mmio, 0, true, true },
};

/* --------------------------------------------------------------------- core */

static void take_ring(struct cursor *c, const struct way *way,
		      unsigned int vectors, struct vdpr_qemu_ring *ring)
{
	ring->size = check(c, take_be32(c), RING_MOST, "the size of a ring");
	if (!ring->size)
		bad(c, "a ring has no entries");
	if (way->aligned)
		take(c, 4);
	ring->desc = take_be64(c);
	ring->last_avail = take_be16(c);
	if (vectors)
		take(c, 2);
}

static int take_rings(struct cursor *c, const struct way *way,
		      unsigned int vectors, struct vdpr_qemu_nic *nic)
{
	nic->n_rings = check(c, take_be32(c), QUEUES_MOST, "number of queues");
	if (c->bad)
		return -EBADMSG;
	if (nic->n_rings < 2)
		return bad(c, "%u queues", nic->n_rings);
	nic->ring = calloc(nic->n_rings, sizeof(*nic->ring));
	if (!nic->ring)
		return -ENOMEM;
	for (uint32_t i = 0; i < nic->n_rings && !c->bad; i++)
		take_ring(c, way, vectors, &nic->ring[i]);
	return c->bad ? -EBADMSG : 0;
}

#define STATUS_BITS 0xcfu

static int take_core(struct cursor *c, const struct way *way,
		     struct vdpr_qemu_nic *nic)
{
	unsigned int vectors;
	const uint8_t *config;
	size_t kept;
	int err = way->bus(c, way, &vectors);

	if (err)
		return err;
	nic->device_status = take_u8(c);
	if (nic->device_status & ~STATUS_BITS)
		return bad(c, "device status 0x%02x", nic->device_status);
	check(c, take_u8(c), 3, "the interrupt status");
	take(c, 2); /* selected queue */
	nic->features.word[0] = take_be32(c);
	nic->config_len = (uint16_t)check(c, take_be32(c), CONFIG_MOST,
					  "the length of config");
	config = take(c, nic->config_len);
	kept = nic->config_len < sizeof(nic->config) ? nic->config_len
						     : sizeof(nic->config);
	if (config)
		memcpy(nic->config, config, kept);
	return take_rings(c, way, vectors, nic);
}

/* ---------------------------------------------------------------------- net */

static void take_bytes(struct cursor *c, void *to, size_t len)
{
	const uint8_t *p = take(c, len);

	if (p)
		memcpy(to, p, len);
}

/* The guest gave these bytes, and any but 0 is "on". */
static bool take_mode(struct cursor *c)
{
	return take_u8(c) != 0;
}

static void take_filters(struct cursor *c, struct vdpr_qemu_net *net)
{
	take_bytes(c, net->mac, sizeof(net->mac));
	take(c, 4); /* queue 0: is there more to send? */
	check(c, take_be32(c), 1, "mergeable buffers");
	net->status = (uint16_t)check(c, take_be16(c), 3, "the link's status");
	net->promiscuous = take_mode(c);
	net->all_multicast = take_mode(c);
	net->n_macs = check(c, take_be32(c), MACS_MOST, "number of addresses");
	take_bytes(c, net->macs, 6 * (size_t)net->n_macs);
	take_bytes(c, net->vlans, sizeof(net->vlans));
	check(c, take_be32(c), 1, "the header's flag");
	net->multicast_overflow = take_flag(c, "the multicast overflow");
	net->unicast_overflow = take_flag(c, "the unicast overflow");
	net->all_unicast = take_mode(c);
	net->no_multicast = take_mode(c);
	net->no_unicast = take_mode(c);
	net->no_broadcast = take_mode(c);
	take_flag(c, "the UFO flag");
}

static int take_pairs(struct cursor *c, struct vdpr_qemu_nic *nic)
{
	struct vdpr_qemu_net *net = &nic->net;

	net->max_pairs = take_be16(c);
	net->pairs = take_be16(c);
	if (c->bad)
		return -EBADMSG;
	if (net->max_pairs < 2 || net->max_pairs > QUEUES_MOST / 2)
		return bad(c, "%u queue pairs at most", net->max_pairs);
	if (!net->pairs || net->pairs > net->max_pairs)
		return bad(c, "%u queue pairs of %u", net->pairs,
			   net->max_pairs);
	take(c, 4 * (size_t)(net->pairs - 1));
	return c->bad ? -EBADMSG : 0;
}

static int take_net(struct cursor *c, const struct way *way,
		    struct vdpr_qemu_nic *nic)
{
	struct vdpr_qemu_net *net = &nic->net;
	int err = 0;

	take_filters(c, net);
	net->max_pairs = net->pairs = 1;
	if (!c->bad && way->many)
		err = take_pairs(c, nic);
	net->has_offloads = vdpr_features_has(&nic->features,
					      VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	if (net->has_offloads)
		net->offloads = take_be64(c);
	return c->bad ? -EBADMSG : err;
}

/* -------------------------------------------------------------- subsections */

static int take_rss(struct cursor *c, struct vdpr_qemu_nic *nic,
		    uint32_t version)
{
	struct vdpr_qemu_rss *rss = &nic->rss;

	rss->present = take_flag(c, "RSS enabled");
	rss->redirect = take_flag(c, "RSS redirection");
	rss->populate_hash = take_flag(c, "the hash report");
	rss->hash_types = take_be32(c);
	if (version > 1)
		take(c, 4); /* supported types */
	rss->table_len = take_be16(c);
	rss->unclassified_queue = take_be16(c);
	take_bytes(c, rss->key, sizeof(rss->key));
	if (c->bad)
		return -EBADMSG;
	if (!rss->present)
		return bad(c, "RSS is there and not enabled");
	if (rss->redirect && !vdpr_is_pow2(rss->table_len))
		return bad(c, "an RSS table of %u entries", rss->table_len);
	rss->table = calloc(rss->table_len + 1u, sizeof(*rss->table));
	if (!rss->table)
		return -ENOMEM;
	for (uint16_t i = 0; i < rss->table_len && !c->bad; i++)
		rss->table[i] = take_be16(c);
	return c->bad ? -EBADMSG : 0;
}

static int take_backend(struct cursor *c, struct vdpr_qemu_nic *nic,
			uint32_t version)
{
	(void)nic;
	(void)version;
	return bad(c, "the device's state is that of a vhost-user backend");
}

static int take_endian(struct cursor *c, struct vdpr_qemu_nic *nic,
		       uint32_t version)
{
	(void)version;
	nic->endian = (uint8_t)check(c, take_u8(c), 2, "the byte order");
	return 0;
}

static int take_features128(struct cursor *c, struct vdpr_qemu_nic *nic,
			    uint32_t version)
{
	(void)version;
	nic->features.word[1] = take_be64(c);
	return 0;
}

static int take_features64(struct cursor *c, struct vdpr_qemu_nic *nic,
			   uint32_t version)
{
	uint64_t low = nic->features.word[0];

	(void)version;
	nic->features.word[0] = take_be64(c);
	if (!c->bad && (uint32_t)nic->features.word[0] != low)
		return bad(c,
			   "the features are 0x%llx in one place and end in "
			   "0x%llx in another",
			   (unsigned long long)nic->features.word[0],
			   (unsigned long long)low);
	return 0;
}

/* Arrays have a place for every queue that there can be. */
static int take_addresses(struct cursor *c, struct vdpr_qemu_nic *nic,
			  uint32_t version)
{
	const uint8_t *p = take(c, (size_t)QUEUES_MOST * 16);

	(void)version;
	for (uint32_t i = 0; p && i < nic->n_rings; i++) {
		nic->ring[i].avail = vdpr_get_be64(p + (size_t)i * 16);
		nic->ring[i].used = vdpr_get_be64(p + (size_t)i * 16 + 8);
	}
	nic->has_addresses = true;
	return 0;
}

static int take_ringsizes(struct cursor *c, struct vdpr_qemu_nic *nic,
			  uint32_t version)
{
	(void)nic;
	(void)version;
	take(c, (size_t)QUEUES_MOST * 4);
	return 0;
}

static int take_packed(struct cursor *c, struct vdpr_qemu_nic *nic,
		       uint32_t version)
{
	const uint8_t *p = take(c, (size_t)QUEUES_MOST * 10);

	(void)version;
	for (uint32_t i = 0; p && i < nic->n_rings; i++, p += 10) {
		unsigned int avail = vdpr_get_be16(p);
		unsigned int used = vdpr_get_be16(p + 3);

		if (p[2] > 1 || p[5] > 1 || avail > 0x7fff || used > 0x7fff)
			return bad(c, "the indices of packed ring %u", i);
		nic->ring[i].packed_base = avail | (unsigned int)p[2] << 15 |
					   used << 16 |
					   (unsigned int)p[5] << 31;
	}
	nic->has_packed = true;
	return 0;
}

static int take_broken(struct cursor *c, struct vdpr_qemu_nic *nic,
		       uint32_t version)
{
	(void)version;
	nic->broken = take_flag(c, "broken");
	return 0;
}

static int take_disabled(struct cursor *c, struct vdpr_qemu_nic *nic,
			 uint32_t version)
{
	(void)version;
	nic->disabled = take_flag(c, "disabled");
	return 0;
}

static int take_started(struct cursor *c, struct vdpr_qemu_nic *nic,
			uint32_t version)
{
	(void)nic;
	(void)version;
	take_flag(c, "started");
	return 0;
}

/* A name alone: what belongs to it are the subsections that follow. */
static int take_nothing(struct cursor *c, struct vdpr_qemu_nic *nic,
			uint32_t version)
{
	(void)c;
	(void)nic;
	(void)version;
	return 0;
}

/* One entry for each queue, of @step bytes, "enabled" in byte @enabled. */
static int take_modern(struct cursor *c, struct vdpr_qemu_nic *nic, size_t step,
		       size_t enabled)
{
	const uint8_t *p = take(c, QUEUES_MOST * step);

	for (uint32_t i = 0; p && i < nic->n_rings; i++, p += step) {
		if (p[enabled] > 1)
			return bad(c, "queue %u is enabled %u times", i,
				   p[enabled]);
		nic->ring[i].enabled = p[enabled];
	}
	nic->has_modern = true;
	return 0;
}

static int take_pci_modern(struct cursor *c, struct vdpr_qemu_nic *nic,
			   uint32_t version)
{
	(void)version;
	take(c, 16); /* selectors, features */
	return take_modern(c, nic, 28, 3);
}

static int take_mmio_modern(struct cursor *c, struct vdpr_qemu_nic *nic,
			    uint32_t version)
{
	(void)version;
	take(c, 8); /* features */
	return take_modern(c, nic, 27, 2);
}

static int take_pci_features(struct cursor *c, struct vdpr_qemu_nic *nic,
			     uint32_t version)
{
	(void)nic;
	(void)version;
	take(c, 8);
	return 0;
}

/* In the order in which QEMU writes them. */
static const struct subsection {
	const char *name;
	uint32_t newest; /* version; the oldest is 1 */
	int (*take)(struct cursor *c, struct vdpr_qemu_nic *nic,
		    uint32_t version);
} subsections[] = {
	{ "virtio-net-device/rss", 2, take_rss },
	{ "virtio-net-device/backend", 1, take_backend },
	{ "virtio/device_endian", 1, take_endian },
	{ "virtio/128bit_features", 1, take_features128 },
	{ "virtio/64bit_features", 1, take_features64 },
	{ "virtio/virtqueues", 1, take_addresses },
	{ "virtio/ringsize", 1, take_ringsizes },
	{ "virtio/broken", 1, take_broken },
	{ "virtio/extra_state", 1, take_nothing },
	{ "virtio_pci/modern_state", 1, take_pci_modern },
	{ "virtio_pci/modern_state/features128", 1, take_pci_features },
	{ "virtio_mmio/state", 1, take_mmio_modern },
	{ "virtio/started", 1, take_started },
	{ "virtio/packed_virtqueues", 1, take_packed },
	{ "virtio/disabled", 1, take_disabled },
};

/* Which one begins with @name, or past the last. */
static size_t find_subsection(const uint8_t *name, size_t len)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(subsections) &&
	       (strlen(subsections[i].name) != len ||
		memcmp(subsections[i].name, name, len) != 0))
		i++;
	return i;
}

/* How much of a name can be said. */
static int printable_len(const uint8_t *name, size_t len)
{
	size_t n = 0;

	while (n < len && name[n] > ' ' && name[n] < 0x7f)
		n++;
	return (int)n;
}

/* @next: the first row of the table that may come. */
static int take_subsection(struct cursor *c, struct vdpr_qemu_nic *nic,
			   size_t *next)
{
	size_t begin = c->at, len, i;
	const uint8_t *name;
	uint32_t version;

	take_u8(c);
	len = take_u8(c);
	name = take(c, len);
	version = take_be32(c);
	if (c->bad)
		return -EBADMSG;
	i = find_subsection(name, len);
	if (i < *next || i == ARRAY_SIZE(subsections)) {
		c->at = begin;
		return bad(c, "part \"%.*s\" %s", printable_len(name, len),
			   (const char *)name,
			   i < *next ? "should have come before"
				     : "is not known");
	}
	if (!version || version > subsections[i].newest)
		return bad(c, "version %u of \"%s\" is not known", version,
			   subsections[i].name);
	*next = i + 1;
	return subsections[i].take(c, nic, version);
}

static int take_subsections(struct cursor *c, struct vdpr_qemu_nic *nic)
{
	size_t next = 0;
	int err = 0;

	while (!err && !c->bad && c->at < c->len &&
	       c->p[c->at] == QEMU_VM_SUBSECTION)
		err = take_subsection(c, nic, &next);
	return c->bad ? -EBADMSG : err;
}

/* --------------------------------------------------------------------- whole */

static int check_whole(struct cursor *c, const struct vdpr_qemu_nic *nic)
{
	bool packed = vdpr_features_has(&nic->features, VIRTIO_F_RING_PACKED);

	for (uint32_t i = 0; i < nic->n_rings && !packed; i++)
		if (!vdpr_is_pow2(nic->ring[i].size))
			return bad(c, "ring %u has %u entries", i,
				   nic->ring[i].size);
	if (packed && !nic->has_packed)
		return bad(c, "the indices of the packed rings are missing");
	if (nic->n_rings < 2u * nic->net.pairs)
		return bad(c, "%u queues for %u pairs", nic->n_rings,
			   nic->net.pairs);
	return 0;
}

static int read_way(struct cursor *c, const struct way *way, bool exact,
		    struct vdpr_qemu_nic *nic)
{
	int err = take_core(c, way, nic);

	if (!err)
		err = take_net(c, way, nic);
	if (!err)
		err = take_subsections(c, nic);
	if (!err)
		err = check_whole(c, nic);
	if (err)
		return err;
	nic->transport = way->name;
	nic->length = c->at;
	c->at_end = true;
	if (exact && c->at != c->len)
		return bad(c, "%zu bytes too many", c->len - c->at);
	if (!exact && take_u8(c) != QEMU_VM_SECTION_FOOTER)
		return bad(c, "the section does not end here, as it should");
	return 0;
}

void vdpr_qemu_nic_free(struct vdpr_qemu_nic *nic)
{
	if (!nic)
		return;
	free(nic->ring);
	free(nic->rss.table);
	free(nic);
}

int vdpr_qemu_nic_read(const uint8_t *p, size_t len, bool exact,
		       struct vdpr_qemu_nic **out, struct vdpr_qemu_why *why)
{
	struct vdpr_qemu_nic *found = NULL;
	size_t best = 0;
	int err = 0;

	*why = (struct vdpr_qemu_why){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct vdpr_qemu_nic *nic = calloc(1, sizeof(*nic));
		struct vdpr_qemu_why reason = { 0 };
		struct cursor c = { .p = p, .len = len, .why = &reason };

		err = nic ? read_way(&c, &ways[i], exact, nic) : -ENOMEM;
		if (!err && !found) {
			found = nic;
			continue;
		}
		vdpr_qemu_nic_free(nic);
		if (err == -ENOMEM)
			break;
		if (!err) {
			snprintf(why->text, sizeof(why->text),
				 "there are two ways to read it");
			err = -EBADMSG;
			break;
		}
		err = 0;
		/* The way that went farthest was most likely right. One that
		 * missed some fields may come to the end all the same. */
		if (reason.at + (c.at_end ? 0 : 16) < best)
			continue;
		best = reason.at + (c.at_end ? 0 : 16);
		*why = reason;
	}
	if (!err && found) {
		*out = found;
		return 0;
	}
	vdpr_qemu_nic_free(found);
	return err ? err : -EBADMSG;
}
