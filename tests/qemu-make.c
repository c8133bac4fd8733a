/* SPDX-License-Identifier: MIT */
/* Makes migration streams as QEMU would write them, in every variant. */
#include "tests/qemu-make.h"

#include <string.h>

/* The first id of a device's section; those before it are memory's. */
#define FIRST_ID 10u
#define RAM_ID 2u
#define PART_ID 3u
#define QUEUES 1024u

void make_be16(struct vdpr_buf *out, uint16_t v)
{
	vdpr_buf_u8(out, (uint8_t)(v >> 8));
	vdpr_buf_u8(out, (uint8_t)v);
}

void make_be32(struct vdpr_buf *out, uint32_t v)
{
	make_be16(out, (uint16_t)(v >> 16));
	make_be16(out, (uint16_t)v);
}

void make_be64(struct vdpr_buf *out, uint64_t v)
{
	make_be32(out, (uint32_t)(v >> 32));
	make_be32(out, (uint32_t)v);
}

static void zeros(struct vdpr_buf *out, size_t len)
{
	static const uint8_t none[256];

	for (; len > sizeof(none); len -= sizeof(none))
		vdpr_buf_add(out, none, sizeof(none));
	vdpr_buf_add(out, none, len);
}

static void name(struct vdpr_buf *out, const char *text)
{
	vdpr_buf_u8(out, (uint8_t)strlen(text));
	vdpr_buf_str(out, text);
}

/* ------------------------------------------------------------------- a NIC */

void make_nic_default(struct make_nic *nic)
{
	*nic = (struct make_nic){
		.name = "0000:00:03.0/virtio-net",
		.version = 11,
		.vectors = 4,
		.modern = true,
		.features = { 0x130bfaff7 }, /* CTRL_*, STATUS, VERSION_1 */
		.features64 = true,
		.status = 0x0f,
		.config_len = 24,
		.n_rings = 3,
		.mac = { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc },
		.net_status = 1,
		.max_pairs = 1,
		.pairs = 1,
	};
	nic->features[0] = 0x13003ffa7 | 1u << 16 | 1u << 17 | 1u << 18 |
			   1u << 19 | 1u << 20 | 1u << 23;
	nic->features[0] &= ~(1ull << 12); /* no MQ-like accidents */
	nic->offloads = 1u << 1 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 10;
	for (unsigned int i = 0; i < MAKE_RINGS; i++) {
		nic->ring[i] = (struct make_ring){
			.num = i == 2 ? 64 : 256,
			.desc = 0x10000u * (i + 1),
			.avail = 0x10000u * (i + 1) + 0x1000,
			.used = 0x10000u * (i + 1) + 0x2000,
			.last_avail = (uint16_t)(100 * i + 7),
			.used_idx = (uint16_t)(100 * i + 5),
			.enabled = true,
		};
	}
}

/* Capabilities: MSI-X, PCI Express, a vendor's, in this order. */
static void pci_space(struct vdpr_buf *out, const struct make_nic *nic)
{
	uint8_t space[4096] = { 0xf4, 0x1a, 0x41, 0x10 };
	size_t len = nic->bus == MAKE_EXPRESS ? 4096 : 256;
	uint8_t next = 0x84;

	space[0x06] = 0x10;
	space[0x84] = 0x09;
	if (nic->bus == MAKE_EXPRESS) {
		space[0xb0] = 0x10;
		space[0xb1] = next;
		next = 0xb0;
	}
	if (nic->vectors) {
		space[0x98] = 0x11;
		space[0x99] = next;
		vdpr_put_le16(space + 0x9a,
			      (uint16_t)(0x8000 | (nic->vectors - 1)));
		next = 0x98;
	}
	space[0x34] = next;
	make_be32(out, 2);
	vdpr_buf_add(out, space, len);
	zeros(out, 16);
	if (!nic->vectors)
		return;
	zeros(out, 16 * (size_t)nic->vectors + (nic->vectors + 7) / 8);
	make_be16(out, 0);
}

static void core(struct vdpr_buf *out, const struct make_nic *nic)
{
	bool mmio = nic->bus == MAKE_MMIO;

	if (mmio)
		zeros(out, 12);
	else
		pci_space(out, nic);
	vdpr_buf_u8(out, nic->status);
	vdpr_buf_u8(out, 0);
	make_be16(out, 2);
	make_be32(out, (uint32_t)nic->features[0]);
	make_be32(out, nic->config_len);
	vdpr_buf_add(out, nic->config, nic->config_len);
	make_be32(out, nic->n_rings);
	for (uint32_t i = 0; i < nic->n_rings; i++) {
		make_be32(out, nic->ring[i].num);
		if (mmio)
			make_be32(out, 4096);
		make_be64(out, nic->ring[i].desc);
		make_be16(out, nic->ring[i].last_avail);
		if (!mmio && nic->vectors)
			make_be16(out, (uint16_t)i);
	}
}

static void vlans(struct vdpr_buf *out, const struct make_nic *nic)
{
	for (unsigned int i = 0; i < 128; i++) {
		if (nic->vlans_big)
			make_be32(out, nic->vlans[i]);
		else
			vdpr_buf_le32(out, nic->vlans[i]);
	}
}

static void net(struct vdpr_buf *out, const struct make_nic *nic)
{
	vdpr_buf_add(out, nic->mac, 6);
	make_be32(out, 0);
	make_be32(out, 1);
	make_be16(out, nic->net_status);
	vdpr_buf_u8(out, nic->promisc);
	vdpr_buf_u8(out, nic->allmulti);
	make_be32(out, nic->n_macs);
	vdpr_buf_add(out, nic->macs, 6 * (size_t)nic->n_macs);
	vlans(out, nic);
	make_be32(out, 1);
	vdpr_buf_u8(out, nic->multi_overflow);
	vdpr_buf_u8(out, nic->uni_overflow);
	vdpr_buf_u8(out, nic->alluni);
	vdpr_buf_u8(out, nic->nomulti);
	vdpr_buf_u8(out, nic->nouni);
	vdpr_buf_u8(out, nic->nobcast);
	vdpr_buf_u8(out, 1);
	if (nic->max_pairs > 1) {
		make_be16(out, nic->max_pairs);
		make_be16(out, nic->pairs);
		zeros(out, 4 * (size_t)(nic->pairs - 1));
	}
	if (nic->features[0] >> 2 & 1)
		make_be64(out, nic->offloads);
}

static void subsection(struct vdpr_buf *out, const char *text, uint32_t version)
{
	vdpr_buf_u8(out, 5);
	name(out, text);
	make_be32(out, version);
}

static void rss(struct vdpr_buf *out, const struct make_nic *nic)
{
	if (!nic->rss_version)
		return;
	subsection(out, "virtio-net-device/rss", nic->rss_version);
	vdpr_buf_u8(out, 1);
	vdpr_buf_u8(out, nic->redirect);
	vdpr_buf_u8(out, nic->populate_hash);
	make_be32(out, nic->hash_types);
	if (nic->rss_version > 1)
		make_be32(out, 0x1ff);
	make_be16(out, nic->table_len);
	make_be16(out, nic->default_queue);
	vdpr_buf_add(out, nic->key, 40);
	for (unsigned int i = 0; i < nic->table_len; i++)
		make_be16(out, nic->table[i]);
}

static void packed(struct vdpr_buf *out, const struct make_nic *nic)
{
	subsection(out, "virtio/packed_virtqueues", 1);
	for (uint32_t i = 0; i < QUEUES; i++) {
		const struct make_ring *r;

		if (i >= nic->n_rings) {
			zeros(out, 10);
			continue;
		}
		r = &nic->ring[i];
		make_be16(out, r->last_avail);
		vdpr_buf_u8(out, r->avail_wrap);
		make_be16(out, r->used_idx);
		vdpr_buf_u8(out, r->used_wrap);
		make_be32(out, 0);
	}
}

static void addresses(struct vdpr_buf *out, const struct make_nic *nic)
{
	subsection(out, "virtio/virtqueues", 1);
	for (uint32_t i = 0; i < nic->n_rings; i++) {
		make_be64(out, nic->ring[i].avail);
		make_be64(out, nic->ring[i].used);
	}
	zeros(out, 16 * (size_t)(QUEUES - nic->n_rings));
}

static void modern_ring(struct vdpr_buf *out, const struct make_ring *r,
			bool pci)
{
	make_be16(out, (uint16_t)r->num);
	if (pci)
		vdpr_buf_u8(out, 0);
	vdpr_buf_u8(out, r->enabled);
	make_be64(out, r->desc << 32 | r->desc >> 32);
	make_be64(out, r->avail << 32 | r->avail >> 32);
	make_be64(out, r->used << 32 | r->used >> 32);
}

static void modern(struct vdpr_buf *out, const struct make_nic *nic)
{
	bool pci = nic->bus != MAKE_MMIO;

	subsection(out, "virtio/extra_state", 1);
	subsection(out, pci ? "virtio_pci/modern_state" : "virtio_mmio/state",
		   1);
	if (pci)
		make_be64(out, 0);
	make_be32(out, (uint32_t)nic->features[0]);
	make_be32(out, (uint32_t)(nic->features[0] >> 32));
	for (uint32_t i = 0; i < nic->n_rings; i++)
		modern_ring(out, &nic->ring[i], pci);
	zeros(out, (pci ? 28u : 27u) * (size_t)(QUEUES - nic->n_rings));
	if (pci && nic->features128) {
		subsection(out, "virtio_pci/modern_state/features128", 1);
		make_be64(out, nic->features[1]);
	}
}

void make_nic(struct vdpr_buf *out, const struct make_nic *nic)
{
	core(out, nic);
	net(out, nic);
	rss(out, nic);
	if (nic->foreign)
		subsection(out, nic->foreign, 1);
	if (nic->endian) {
		subsection(out, "virtio/device_endian", 1);
		vdpr_buf_u8(out, nic->endian);
	}
	if (nic->features128) {
		subsection(out, "virtio/128bit_features", 1);
		make_be64(out, nic->features[1]);
	}
	if (nic->features64) {
		subsection(out, "virtio/64bit_features", 1);
		make_be64(out, nic->features[0]);
	}
	if (nic->modern) {
		addresses(out, nic);
		modern(out, nic);
	}
	if (nic->status & 4) {
		subsection(out, "virtio/started", 1);
		vdpr_buf_u8(out, 1);
	}
	if (nic->features[0] >> 34 & 1)
		packed(out, nic);
}

/* ------------------------------------------------------------------ stream */

void make_section(struct vdpr_buf *out, uint32_t id, const char *text,
		  uint32_t instance, uint32_t version, const void *content,
		  size_t len)
{
	vdpr_buf_u8(out, 4);
	make_be32(out, id);
	name(out, text);
	make_be32(out, instance);
	make_be32(out, version);
	vdpr_buf_add(out, content, len);
	vdpr_buf_u8(out, 0x7e);
	make_be32(out, id);
}

static void configuration(struct vdpr_buf *out, const struct make_stream *s)
{
	if (!s->machine)
		return;
	vdpr_buf_u8(out, 7);
	make_be32(out, (uint32_t)strlen(s->machine));
	vdpr_buf_str(out, s->machine);
	if (s->page_bits) {
		subsection(out, "configuration/target-page-bits", 1);
		make_be32(out, s->page_bits);
	}
	if (!s->mapped_ram && !s->ignore_shared)
		return;
	subsection(out, "configuration/capabilities", 1);
	make_be32(out, s->mapped_ram + s->ignore_shared);
	if (s->ignore_shared)
		name(out, "x-ignore-shared");
	if (s->mapped_ram)
		name(out, "mapped-ram");
}

static size_t page_size(const struct make_stream *s)
{
	return (size_t)1 << (s->page_bits ? s->page_bits : 12);
}

static void page(struct vdpr_buf *out, const struct make_stream *s,
		 unsigned int i)
{
	uint8_t own[65536];

	memset(own, (int)i, sizeof(own));
	vdpr_buf_add(out,
		     s->page ? s->page + (size_t)(i % s->n_page) * 4096 : own,
		     page_size(s));
}

/* mapped-ram: all pages behind the block's header, at a multiple of 1 MiB. */
static void mapped(struct vdpr_buf *out, const struct make_stream *s)
{
	size_t bitmap = out->len + 28;
	size_t pages = (bitmap + s->pages / 8 + 0xfffff) & ~(size_t)0xfffff;

	make_be32(out, 1);
	make_be64(out, page_size(s));
	make_be64(out, bitmap);
	make_be64(out, pages);
	zeros(out, pages - out->len);
	for (unsigned int i = 0; i < s->pages; i++)
		page(out, s, i);
	zeros(out, page_size(s));
}

static void block(struct vdpr_buf *out, const struct make_stream *s,
		  const char *text, uint64_t size, bool is_mapped)
{
	name(out, text);
	make_be64(out, size);
	if (s->postcopy)
		make_be64(out, 4096);
	if (s->ignore_shared)
		make_be64(out, 0x100000000);
	if (is_mapped)
		mapped(out, s);
}

static void footer(struct vdpr_buf *out, uint32_t id)
{
	vdpr_buf_u8(out, 0x7e);
	make_be32(out, id);
}

static void ram_start(struct vdpr_buf *out, const struct make_stream *s)
{
	uint64_t size = (s->pages + 1) * page_size(s);

	vdpr_buf_u8(out, 1);
	make_be32(out, RAM_ID);
	name(out, "ram");
	make_be32(out, 0);
	make_be32(out, 4);
	make_be64(out, 4 | (size + (s->mapped_ram ? 0 : 0x10000)));
	block(out, s, "pc.ram", size, s->mapped_ram);
	if (!s->mapped_ram)
		block(out, s, "pc.bios", 0x10000, false);
	make_be64(out, 0x10);
	footer(out, RAM_ID);
}

/* One page each: compressed, as a difference, and a mark between them. */
static void odd_pages(struct vdpr_buf *out, const struct make_stream *s)
{
	if (!s->odd_pages)
		return;
	make_be64(out, 0x100);
	name(out, "pc.bios");
	make_be32(out, 12);
	vdpr_buf_str(out, "~zlib bytes~");
	make_be64(out, 0x200);
	make_be64(out, page_size(s) | 0x20 | 0x100);
	make_be32(out, (uint32_t)page_size(s) + 17);
	zeros(out, page_size(s) + 17);
	make_be64(out, 0x40 | 0x20);
	vdpr_buf_u8(out, 1);
	make_be16(out, 5);
	vdpr_buf_str(out, "delta");
}

static void ram_pages(struct vdpr_buf *out, const struct make_stream *s)
{
	for (unsigned int i = 0; i < s->pages && !s->mapped_ram; i++) {
		make_be64(out, i * page_size(s) | (i ? 0x28u : 0x08u));
		if (!i)
			name(out, "pc.ram");
		page(out, s, i);
	}
	if (s->mapped_ram)
		return;
	make_be64(out, s->pages * page_size(s) | (s->pages ? 0x22u : 0x02u));
	if (!s->pages)
		name(out, "pc.ram");
	vdpr_buf_u8(out, 0);
	make_be64(out, 0x02);
	name(out, "pc.bios");
	vdpr_buf_u8(out, 0);
	odd_pages(out, s);
}

/* A part of the section beside memory. */
static void part(struct vdpr_buf *out, const struct make_stream *s,
		 uint8_t type)
{
	if (!s->part)
		return;
	vdpr_buf_u8(out, type);
	make_be32(out, PART_ID);
	if (type == 1) {
		name(out, s->part);
		make_be32(out, 0);
		make_be32(out, 1);
	}
	if (strstr(s->part, "htab")) {
		make_be32(out, type == 1 ? 24 : 0);
		for (size_t i = 0; type == 2 && i + 16 <= s->part_len;
		     i += 16) {
			make_be32(out, (uint32_t)i / 16);
			make_be32(out, 0x00010003);
			vdpr_buf_add(out, (const uint8_t *)s->part_data + i,
				     16);
		}
		if (type != 1)
			make_be64(out, 0);
	} else {
		make_be64(out, type == 1   ? 0xffffffffef100003
			       : type == 2 ? 0xffffffffef100004
					   : 0xffffffffef100005);
		if (type == 2) {
			make_be64(out, s->part_len);
			vdpr_buf_add(out, s->part_data, s->part_len);
		}
		make_be64(out, 0xffffffffef100001);
	}
	vdpr_buf_u8(out, 0x7e);
	make_be32(out, PART_ID);
}

static void command(struct vdpr_buf *out, uint16_t number, uint16_t len)
{
	vdpr_buf_u8(out, 8);
	make_be16(out, number);
	make_be16(out, len);
	zeros(out, len);
}

static void ram(struct vdpr_buf *out, const struct make_stream *s)
{
	if (s->postcopy) {
		command(out, 1, 0);
		command(out, 3, 16);
	}
	ram_start(out, s);
	part(out, s, 1);
	vdpr_buf_u8(out, 2);
	make_be32(out, RAM_ID);
	ram_pages(out, s);
	make_be64(out, 0x10);
	footer(out, RAM_ID);
	part(out, s, 2);
	if (s->postcopy)
		command(out, 11, 0);
	vdpr_buf_u8(out, 3);
	make_be32(out, RAM_ID);
	make_be64(out, 0x200);
	make_be64(out, 0x10);
	footer(out, RAM_ID);
	part(out, s, 3);
}

static void describe(struct vdpr_buf *out, const char *text, uint32_t instance,
		     size_t len, bool first)
{
	vdpr_buf_printf(
		out,
		"%s{\"name\": \"%s\", \"instance_id\": %u, \"vmsd_name\": "
		"\"x\", \"version\": 1, \"fields\": [{\"name\": \"whole\", "
		"\"type\": \"buffer\", \"size\": %zu}]}",
		first ? "" : ", ", text, instance, len);
}

/* As a real device has it: an array, a struct, a subsection. Its length is given
 * by the sum alone. */
static void timer(struct vdpr_buf *out, struct vdpr_buf *desc, uint32_t id)
{
	struct vdpr_buf content = { 0 };

	zeros(&content, 24);
	subsection(&content, "timer/more", 1);
	zeros(&content, 3);
	make_section(out, id, "timer", 0, 2, content.data, content.len);
	vdpr_buf_free(&content);
	vdpr_buf_str(
		desc,
		"{\"name\": \"timer\", \"instance_id\": 0, \"vmsd_name\": \"timer\", \"version\": 2, \"fields\": ["
		"{\"name\": \"ticks\", \"array_len\": 2, \"type\": \"int64\", \"size\": 8}, "
		"{\"name\": \"s\", \"type\": \"struct\", \"struct\": {\"vmsd_name\": \"in\", \"version\": 1, \"fields\": ["
		"{\"name\": \"a\", \"type\": \"int64\", \"size\": 8}]}, \"size\": 8}], "
		"\"subsections\": [{\"vmsd_name\": \"timer/more\", \"version\": 1, \"fields\": ["
		"{\"name\": \"b[0]\", \"index\": 0, \"type\": \"bool\", \"size\": 1}, "
		"{\"name\": \"c\\\"\\u0041\", \"type\": \"uint16\", \"size\": 2}]}]}");
}

static void devices(struct vdpr_buf *out, struct vdpr_buf *desc,
		    const struct make_stream *s)
{
	uint32_t id = FIRST_ID;

	timer(out, desc, id++);
	if (s->other) {
		make_section(out, id++, "other", 0, 1, s->other, s->other_len);
		describe(desc, "other", 0, s->other_len, false);
	}
	for (unsigned int i = 0; i < s->n_nics; i++) {
		const struct make_nic *nic = &s->nic[i];
		struct vdpr_buf content = { 0 };

		make_nic(&content, nic);
		make_section(out, id++, nic->name, nic->instance, nic->version,
			     content.data, content.len);
		describe(desc, nic->name, nic->instance, content.len, false);
		vdpr_buf_free(&content);
	}
	make_section(out, id, "globalstate", 0, 1, "running", 8);
	describe(desc, "globalstate", 0, 8, false);
}

void make_stream(struct vdpr_buf *out, const struct make_stream *s)
{
	struct vdpr_buf desc = { 0 };

	vdpr_buf_str(out, "QEVM");
	make_be32(out, 3);
	configuration(out, s);
	vdpr_buf_printf(
		&desc,
		"{\"configuration\": {\"vmsd_name\": "
		"\"configuration\", \"version\": 1, \"fields\": [{"
		"\"name\": \"len\", \"type\": \"uint32\", \"size\": 4}]}, "
		"\"page_size\": %zu, \"devices\": [",
		page_size(s));
	if (s->early) {
		make_section(out, FIRST_ID - 1, s->early, 0, 1, "early", 5);
		describe(&desc, s->early, 0, 5, true);
		vdpr_buf_str(&desc, ", ");
	}
	ram(out, s);
	devices(out, &desc, s);
	vdpr_buf_str(&desc, "]}");
	vdpr_buf_u8(out, 0);
	if (!s->no_description) {
		vdpr_buf_u8(out, 6);
		make_be32(out, (uint32_t)desc.len);
		vdpr_buf_add(out, desc.data, desc.len);
	}
	vdpr_buf_free(&desc);
}
