/* SPDX-License-Identifier: MIT */
/* Views of the control payloads whose length is not fixed. */
#ifndef VDPR_PAYLOAD_H
#define VDPR_PAYLOAD_H

#include "restore/util.h"

/*
 * A view points into the payload that it was made of; numbers are in host
 * order. Each function returns 0, or -EINVAL if the payload ends before what its own
 * counts announce; bytes beyond are ignored.
 */

/* VIRTIO_NET_CTRL_MAC_TABLE_SET (virtio 1.3, 5.1.6.5.2). */
struct vdpr_mac_table_view {
	size_t unicast_count, multicast_count;
	const uint8_t *unicast, *multicast; /* 6 bytes each */
};
int vdpr_mac_table_view(const uint8_t *data, size_t len,
			struct vdpr_mac_table_view *out);

/* VIRTIO_NET_CTRL_MQ_RSS_CONFIG and _HASH_CONFIG (virtio 1.3, 5.1.6.5.6.4,
 * 5.1.6.5.7.1); the latter has neither table nor queues. */
struct vdpr_rss_view {
	uint32_t hash_types;
	uint16_t unclassified_queue;
	uint16_t max_tx_vq;
	uint32_t table_len;   /* entries, 1..65536, any number */
	const uint8_t *table; /* le16 each */
	size_t key_len;	      /* not more than VDPR_KEY_MAX */
	const uint8_t *key;
};
int vdpr_rss_view(const uint8_t *data, size_t len, struct vdpr_rss_view *out);
int vdpr_hash_view(const uint8_t *data, size_t len, struct vdpr_rss_view *out);

/* Shortest payload of each, in bytes. */
#define VDPR_MAC_TABLE_MIN 8 /* two counts */
#define VDPR_RSS_MIN 13	     /* one table entry, no key */
#define VDPR_HASH_MIN 13     /* no key */

#endif
