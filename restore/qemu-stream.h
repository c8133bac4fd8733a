/* SPDX-License-Identifier: MIT */
/* Parts of reading a QEMU migration stream; who calls whom is in qemu-stream.c. */
#ifndef VDPR_QEMU_STREAM_H
#define VDPR_QEMU_STREAM_H

#include "restore/qemu-input.h"
#include "restore/state.h"

/* Types of sections and marks between them (migration/savevm.h). */
#define QEMU_VM_FILE_MAGIC 0x5145564du
#define QEMU_VM_FILE_VERSION 3u
#define QEMU_VM_EOF 0x00
#define QEMU_VM_SECTION_START 0x01
#define QEMU_VM_SECTION_PART 0x02
#define QEMU_VM_SECTION_END 0x03
#define QEMU_VM_SECTION_FULL 0x04
#define QEMU_VM_SUBSECTION 0x05
#define QEMU_VM_VMDESCRIPTION 0x06
#define QEMU_VM_CONFIGURATION 0x07
#define QEMU_VM_COMMAND 0x08
#define QEMU_VM_SECTION_FOOTER 0x7e

/* Of the sections that are wanted (hw/net/virtio-net.c). */
#define VIRTIO_NET_VM_VERSION 11u

/* Of a section that has START or FULL, with a name of @len bytes. */
#define VDPR_QEMU_HEADER(len) (14u + (len))
#define VDPR_QEMU_FOOTER 5u

/* --------------------------------------------------- what precedes devices */

/* One block of guest memory, as the stream's beginning lists them. */
struct vdpr_qemu_block {
	uint8_t name_len;
	char name[256];
	uint64_t size; /* bytes */
};

/* A section whose content comes in parts, between other sections. */
struct vdpr_qemu_part {
	uint32_t id;
	char name[256];
	bool ended;
};

#define VDPR_QEMU_PARTS 64
#define VDPR_QEMU_BLOCKS 4096

struct vdpr_qemu_head {
	char machine[256]; /* "pc-q35-7.2"; "" where the stream does not say */
	uint32_t page_size;
	bool mapped_ram;
	bool ignore_shared;
	bool postcopy; /* POSTCOPY_ADVISE was sent */
	size_t n_parts;
	struct vdpr_qemu_part part[VDPR_QEMU_PARTS];
	size_t n_blocks;
	struct vdpr_qemu_block *block;
	uint64_t ram_size;
	uint64_t
		mapped_end; /* of mapped-ram: where the last block's pages end */
	const struct vdpr_qemu_block *last_block; /* CONTINUE stands for it */
};

void vdpr_qemu_head_free(struct vdpr_qemu_head *head);

/* Magic and configuration. */
int vdpr_qemu_read_start(struct vdpr_in *in, struct vdpr_qemu_head *head);

/* Goes over commands and all sections that come in parts, record by record,
 * until the first device section, whose type byte is then the next. Stops
 * before the first PART where @setup_only. */
int vdpr_qemu_skip_parts(struct vdpr_in *in, struct vdpr_qemu_head *head,
			 bool setup_only);

/* The content of one START, PART or END section of guest memory. */
int vdpr_qemu_skip_ram(struct vdpr_in *in, struct vdpr_qemu_head *head);

/* ---------------------------------------------------------- the description */

/* A device section as the description lists it. */
struct vdpr_qemu_device {
	uint64_t name_hash;
	uint8_t name_len;
	bool is_nic;
	uint32_t instance;
	uint64_t size; /* of the content */
};

/* Reads the JSON text as it comes; keeps what is asked for and nothing else. */
struct vdpr_qemu_desc;
struct vdpr_qemu_desc *vdpr_qemu_desc_new(void);
void vdpr_qemu_desc_free(struct vdpr_qemu_desc *desc);
/* Return: 0, -EBADMSG (no description), -ENOMEM. */
int vdpr_qemu_desc_feed(struct vdpr_qemu_desc *desc, const uint8_t *text,
			size_t len);
/* Is it whole? */
bool vdpr_qemu_desc_done(const struct vdpr_qemu_desc *desc);
const struct vdpr_qemu_device *
vdpr_qemu_desc_devices(const struct vdpr_qemu_desc *desc, size_t *count);
/* 0 where it does not say. */
uint64_t vdpr_qemu_desc_page_size(const struct vdpr_qemu_desc *desc);

/* ------------------------------------------------------------- one section */

/* The header of a START or FULL section, at @p. */
struct vdpr_qemu_header {
	uint8_t type;
	uint32_t id;
	uint8_t name_len;
	char name[256];
	uint32_t instance;
	uint32_t version;
};

/* Return: its length, or 0 where it is none or @len bytes do not hold it. */
size_t vdpr_qemu_header_read(const uint8_t *p, size_t len,
			     struct vdpr_qemu_header *out);
uint64_t vdpr_qemu_name_hash(const void *name, size_t len);
/* Is it the name of a virtio-net device's section? */
bool vdpr_qemu_name_is_nic(const char *name, size_t len);

/* ---------------------------------------------------------------- the NICs */

/* Bits of the RX modes and tables, as the device holds them. */
struct vdpr_qemu_net {
	uint8_t mac[6];
	uint16_t status; /* VIRTIO_NET_S_* */
	bool promiscuous, all_multicast, all_unicast;
	bool no_multicast, no_unicast, no_broadcast;
	bool unicast_overflow, multicast_overflow;
	unsigned int n_macs;
	uint8_t macs[64][6]; /* unicast ones first */
	uint8_t vlans[512];  /* words in the byte order of the source */
	uint16_t max_pairs, pairs;
	uint64_t offloads;
	bool has_offloads;
};

struct vdpr_qemu_rss {
	bool present, redirect, populate_hash;
	uint32_t hash_types;
	uint16_t unclassified_queue;
	uint16_t table_len;
	uint8_t key[40];
	uint16_t *table;
};

struct vdpr_qemu_ring {
	uint32_t size;
	uint64_t desc, avail, used;
	uint16_t last_avail;
	uint32_t packed_base;
	bool enabled; /* of a modern transport */
};

struct vdpr_qemu_nic {
	char name[256];
	uint32_t instance;
	uint32_t section;
	uint64_t offset;       /* of the content */
	uint64_t length;       /* of the content */
	const char *transport; /* "pci", "pci-express", "mmio" */
	uint8_t device_status;
	uint8_t endian; /* VIRTIO_DEVICE_ENDIAN_*, 0: not said */
	struct vdpr_features features;
	bool has_modern, has_addresses, has_packed;
	bool broken, disabled;
	uint16_t config_len;
	uint8_t config
		[64]; /* as the guest last read it; zeros if it never did */
	struct vdpr_qemu_net net;
	struct vdpr_qemu_rss rss;
	uint32_t n_rings;
	struct vdpr_qemu_ring *ring;
};

void vdpr_qemu_nic_free(struct vdpr_qemu_nic *nic);

/* Why content is not that of a virtio-net section. */
struct vdpr_qemu_why {
	size_t at; /* in the content */
	char text[160];
};

/* vdpr_qemu_nic_read() - decode the content of a virtio-net section.
 * @p, @len: the content; where its length is not known, all that follows.
 * @exact: the content has exactly @len bytes.
 * @out: freed with vdpr_qemu_nic_free(); its length is set.
 * Return: 0, -EBADMSG (@why says why), -ENOMEM.
 */
int vdpr_qemu_nic_read(const uint8_t *p, size_t len, bool exact,
		       struct vdpr_qemu_nic **out, struct vdpr_qemu_why *why);

/* What the NICs of a stream have in common. */
struct vdpr_qemu_stream {
	char machine[256];
	size_t n_nics;
	struct vdpr_qemu_nic **nic; /* in the stream's order */
};

/* Does the VLAN table pass everything, or nearly, 4095 too, which no guest asks
 * for? Then it is what QEMU began with. */
bool vdpr_qemu_all_vlans(const struct vdpr_qemu_stream *stream,
			 const struct vdpr_qemu_nic *nic);

/* Takes @nic over. 0 or -ENOMEM. */
int vdpr_qemu_add_nic(struct vdpr_qemu_stream *stream,
		      struct vdpr_qemu_nic *nic);

/* Reads the device sections in order from where @in stands to its end. */
int vdpr_qemu_scan(struct vdpr_in *in, struct vdpr_qemu_stream *out);

/* Reads the device sections from the end backwards, by the description.
 * Return: 0; 1 where it cannot be done so, or not be trusted; or an errno. */
int vdpr_qemu_read_back(struct vdpr_in *in, struct vdpr_qemu_stream *out);

#endif
