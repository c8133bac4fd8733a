/* SPDX-License-Identifier: MIT */
/* Makes migration streams as QEMU would write them, in every variant. */
#ifndef TESTS_QEMU_MAKE_H
#define TESTS_QEMU_MAKE_H

#include "restore/util.h"

enum make_bus {
	MAKE_PCI,     /* conventional: 256 bytes of configuration */
	MAKE_EXPRESS, /* 4096 bytes */
	MAKE_MMIO,
};

#define MAKE_RINGS 9

struct make_ring {
	uint32_t num;
	uint64_t desc, avail, used;
	uint16_t last_avail;
	uint16_t used_idx;
	bool avail_wrap, used_wrap;
	bool enabled;
};

/* One virtio-net device. make_nic_default() fills one in. */
struct make_nic {
	const char *name; /* of the section */
	uint32_t instance;
	uint32_t version;
	enum make_bus bus;
	unsigned int vectors; /* of MSI-X; 0: no MSI-X */
	bool modern;	      /* subsections of a modern transport */
	uint64_t features[2];
	bool features64, features128; /* subsections */
	uint8_t status;
	uint8_t config[24];
	uint32_t config_len;
	uint32_t n_rings;
	struct make_ring ring[MAKE_RINGS];

	uint8_t mac[6];
	uint16_t net_status;
	uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast;
	uint8_t uni_overflow, multi_overflow;
	uint32_t n_macs;
	uint8_t macs[64][6];
	uint32_t vlans[128];
	bool vlans_big;	    /* words in big-endian order */
	uint16_t max_pairs; /* over 1: the fields are there */
	uint16_t pairs;
	uint64_t offloads;

	uint32_t rss_version; /* 0: no subsection */
	uint8_t redirect, populate_hash;
	uint32_t hash_types;
	uint16_t default_queue, table_len;
	uint16_t table[128];
	uint8_t key[40];

	uint8_t endian;	     /* 0: no subsection */
	const char *foreign; /* a subsection that nobody knows */
};

struct make_stream {
	const char *machine;	/* NULL: no configuration section */
	unsigned int page_bits; /* 0: not said */
	bool mapped_ram, ignore_shared;
	bool postcopy;	  /* it was possible: a command, sizes of pages */
	bool odd_pages;	  /* compressed ones, differences, flushes */
	const char *part; /* a section that comes in parts, beside memory */
	const void *part_data; /* what is in it */
	size_t part_len;
	unsigned int pages;  /* full ones */
	const uint8_t *page; /* what the pages hold, in turn, 4096 bytes each;
			      * NULL: their number */
	unsigned int n_page; /* how many different ones */
	bool no_description;
	const char *early; /* a device before guest memory */
	const void *other; /* a device before the NICs with this content */
	size_t other_len;
	unsigned int n_nics;
	const struct make_nic *nic;
};

void make_nic_default(struct make_nic *nic);
/* The content of a section. */
void make_nic(struct vdpr_buf *out, const struct make_nic *nic);
/* A device's section with header and footer. */
void make_section(struct vdpr_buf *out, uint32_t id, const char *name,
		  uint32_t instance, uint32_t version, const void *content,
		  size_t len);
void make_stream(struct vdpr_buf *out, const struct make_stream *stream);

void make_be16(struct vdpr_buf *out, uint16_t v);
void make_be32(struct vdpr_buf *out, uint32_t v);
void make_be64(struct vdpr_buf *out, uint64_t v);

#endif
