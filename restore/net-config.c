/* SPDX-License-Identifier: MIT */
/* A network device's configuration space, from bytes to members. */
#include "restore/net-config.h"

#include <string.h>

#include "restore/uapi.h"

/* Offsets of struct virtio_net_config (virtio 1.3, 5.1.4), little-endian. */
enum {
	CONFIG_MAC = 0,
	CONFIG_STATUS = 6,
	CONFIG_MAX_PAIRS = 8,
	CONFIG_MTU = 10,
	CONFIG_SPEED = 12,
	CONFIG_DUPLEX = 16,
	CONFIG_RSS_KEY = 17,
	CONFIG_RSS_TABLE = 18,
	CONFIG_HASH_TYPES = 20,
};

/* Which features make a field exist, and how long it must be to be read. */
struct config_field {
	uint32_t has;
	uint32_t end; /* of the field in bytes */
	int16_t any_of[2];
};

static const struct config_field config_fields[] = {
	{ VDPR_CONFIG_MAC, CONFIG_STATUS, { VIRTIO_NET_F_MAC, -1 } },
	{ VDPR_CONFIG_LINK_UP | VDPR_CONFIG_ANNOUNCE,
	  CONFIG_MAX_PAIRS,
	  { VIRTIO_NET_F_STATUS, -1 } },
	{ VDPR_CONFIG_MAX_PAIRS,
	  CONFIG_MTU,
	  { VIRTIO_NET_F_MQ, VIRTIO_NET_F_RSS } },
	{ VDPR_CONFIG_MTU, CONFIG_SPEED, { VIRTIO_NET_F_MTU, -1 } },
	{ VDPR_CONFIG_SPEED | VDPR_CONFIG_DUPLEX,
	  CONFIG_RSS_KEY,
	  { VIRTIO_NET_F_SPEED_DUPLEX, -1 } },
	{ VDPR_CONFIG_RSS_KEY | VDPR_CONFIG_HASH_TYPES,
	  VDPR_NET_CONFIG_SIZE,
	  { VIRTIO_NET_F_RSS, VIRTIO_NET_F_HASH_REPORT } },
	{ VDPR_CONFIG_RSS_TABLE, CONFIG_HASH_TYPES, { VIRTIO_NET_F_RSS, -1 } },
};

uint32_t vdpr_net_config_present(const struct vdpr_features *offered,
				 size_t size)
{
	uint32_t has = 0;

	for (size_t i = 0; i < ARRAY_SIZE(config_fields); i++) {
		const struct config_field *field = &config_fields[i];

		if (field->end > size)
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(field->any_of); j++) {
			int bit = field->any_of[j];

			if (bit >= 0 &&
			    vdpr_features_has(offered, (unsigned int)bit))
				has |= field->has;
		}
	}
	return has;
}

static uint8_t duplex_from_device(uint8_t value)
{
	return value == VDPR_DUPLEX_FULL || value == VDPR_DUPLEX_HALF
		       ? value
		       : VDPR_DUPLEX_UNKNOWN;
}

/* What no device may say is taken for not said: a state could not hold it. */
static void drop_impossible(struct vdpr_net_config *config)
{
	if (config->mac[0] & 1)
		config->has &= ~VDPR_CONFIG_MAC;
	if (!config->max_virtqueue_pairs ||
	    config->max_virtqueue_pairs > VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX)
		config->has &= ~VDPR_CONFIG_MAX_PAIRS;
}

void vdpr_net_config_decode(const struct vdpr_features *offered,
			    const void *bytes, size_t len,
			    struct vdpr_net_config *out)
{
	uint8_t raw[VDPR_NET_CONFIG_SIZE] = { 0 };
	uint32_t speed;

	if (len > sizeof(raw))
		len = sizeof(raw);
	if (len)
		memcpy(raw, bytes, len);
	*out = (struct vdpr_net_config)VDPR_INIT(struct vdpr_net_config);
	out->has = vdpr_net_config_present(offered, len);
	memcpy(out->mac, raw + CONFIG_MAC, sizeof(out->mac));
	out->link_up = vdpr_get_le16(raw + CONFIG_STATUS) &
		       VIRTIO_NET_S_LINK_UP;
	out->announce = vdpr_get_le16(raw + CONFIG_STATUS) &
			VIRTIO_NET_S_ANNOUNCE;
	out->max_virtqueue_pairs = vdpr_get_le16(raw + CONFIG_MAX_PAIRS);
	out->mtu = vdpr_get_le16(raw + CONFIG_MTU);
	speed = vdpr_get_le32(raw + CONFIG_SPEED);
	/* The specification allows 0..0x7fffffff and all ones for unknown. */
	out->speed = speed <= INT32_MAX ? speed : VDPR_SPEED_UNKNOWN;
	out->duplex = duplex_from_device(raw[CONFIG_DUPLEX]);
	out->rss_max_key_size = raw[CONFIG_RSS_KEY];
	out->rss_max_indirection_table_length =
		vdpr_get_le16(raw + CONFIG_RSS_TABLE);
	out->supported_hash_types = vdpr_get_le32(raw + CONFIG_HASH_TYPES);
	drop_impossible(out);
}
