/* SPDX-License-Identifier: MIT */
/* The range of every value of a state. */
#include "restore/state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "restore/state-item.h"

const char *vdpr_why(char why[VDPR_WHY], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, VDPR_WHY, fmt, args);
	va_end(args);
	return why;
}

/* ------------------------------------------------------------------ limits */

uint32_t vdpr_state_max_pairs(const struct vdpr_state *state, bool *known)
{
	bool from_config = state->config.has & VDPR_CONFIG_MAX_PAIRS;
	bool many = !from_config &&
		    (vdpr_features_has(&state->offered, VIRTIO_NET_F_MQ) ||
		     vdpr_features_has(&state->offered, VIRTIO_NET_F_RSS) ||
		     vdpr_state_has_feature(state, VIRTIO_NET_F_MQ) ||
		     vdpr_state_has_feature(state, VIRTIO_NET_F_RSS));

	if (known)
		*known = !many;
	if (from_config)
		return state->config.max_virtqueue_pairs;
	return many ? VDPR_PAIRS_MAX : 1;
}

static const char *pairs_limit_name(const struct vdpr_state *state)
{
	return state->config.has & VDPR_CONFIG_MAX_PAIRS
		       ? "config.max_virtqueue_pairs"
		       : "the most pairs possible";
}

/* ------------------------------------------------------------ MAC addresses */

const char *vdpr_check_address(const uint8_t mac[6], char why[VDPR_WHY])
{
	char text[VDPR_MAC_TEXT];

	if (!(mac[0] & 1))
		return NULL;
	vdpr_mac_format(mac, text);
	return vdpr_why(why,
			"%s is a multicast address (bit 0 of byte 0 is set)",
			text);
}

const char *vdpr_check_mac_list(const struct vdpr_mac_list *list,
				bool multicast, char why[VDPR_WHY])
{
	char text[VDPR_MAC_TEXT];

	for (size_t i = 0; i < list->count; i++) {
		if ((list->addr[i][0] & 1) == multicast)
			continue;
		vdpr_mac_format(list->addr[i], text);
		return vdpr_why(
			why,
			"[%zu]: %s is a %s address (bit 0 of byte 0 is %s)", i,
			text, multicast ? "unicast" : "multicast",
			multicast ? "clear" : "set");
	}
	return NULL;
}

/* ----------------------------------------------------------- pairs and RSS */

const char *vdpr_check_pairs(const struct vdpr_state *state, uint32_t pairs,
			     char why[VDPR_WHY])
{
	uint32_t max = vdpr_state_max_pairs(state, NULL);

	if (!pairs || pairs > VDPR_PAIRS_MAX)
		return vdpr_why(why, "%u is not in 1..%u", pairs,
				VDPR_PAIRS_MAX);
	if (pairs > max)
		return vdpr_why(why, "%u is more than %s (%u)", pairs,
				pairs_limit_name(state), max);
	return NULL;
}

const char *vdpr_check_hash(const struct vdpr_state *state, uint32_t hash_types,
			    size_t key_len, char why[VDPR_WHY])
{
	const struct vdpr_net_config *config = &state->config;
	uint32_t over = hash_types & ~config->supported_hash_types;
	char text[VDPR_BIT_TEXT];

	if ((config->has & VDPR_CONFIG_HASH_TYPES) && over)
		return vdpr_why(
			why,
			"hash_types: %s is not in config.supported_hash_types",
			vdpr_hash_type_text((unsigned int)__builtin_ctz(over),
					    text));
	if (key_len > VDPR_KEY_MAX)
		return vdpr_why(why, "key: %zu bytes are more than %u", key_len,
				VDPR_KEY_MAX);
	if ((config->has & VDPR_CONFIG_RSS_KEY) &&
	    key_len > config->rss_max_key_size)
		return vdpr_why(
			why,
			"key: %zu bytes are more than config.rss_max_key_size (%u)",
			key_len, config->rss_max_key_size);
	if (!key_len && hash_types)
		return vdpr_why(
			why,
			"key: it is empty, which only an empty hash_types allows");
	return NULL;
}

static const char *check_table_len(const struct vdpr_state *state, uint32_t len,
				   char why[VDPR_WHY])
{
	const struct vdpr_net_config *config = &state->config;

	if (!vdpr_is_pow2(len) || len > VDPR_TABLE_MAX)
		return vdpr_why(
			why,
			"indirection_table: its length %u is not a power of two in 1..%u",
			len, VDPR_TABLE_MAX);
	if ((config->has & VDPR_CONFIG_RSS_TABLE) &&
	    len > config->rss_max_indirection_table_length)
		return vdpr_why(
			why,
			"indirection_table: %u entries are more than config.rss_max_indirection_table_length (%u)",
			len, config->rss_max_indirection_table_length);
	return NULL;
}

/* Eight entries at once. */
typedef uint64_t eight __attribute__((vector_size(16)));

static inline eight load_eight(const uint16_t *entry)
{
	eight e;

	memcpy(&e, entry, sizeof(e));
	return e;
}

/*
 * Certainly true where all bits of all entries together are below @max, which is
 * the usual table and is seen 32 entries at a time: a guest that ends RSS waits for
 * it.
 */
static bool table_below(const struct vdpr_rss *rss, uint32_t max)
{
	const uint16_t *entry = rss->table;
	uint32_t left = rss->table_len;
	eight all = { 0, 0 };
	uint64_t bits;

	for (; left >= 32; left -= 32, entry += 32)
		all |= load_eight(entry) | load_eight(entry + 8) |
		       load_eight(entry + 16) | load_eight(entry + 24);
	bits = all[0] | all[1];
	bits |= bits >> 32;
	bits |= bits >> 16;
	for (; left; left--)
		bits |= *entry++;
	return (uint16_t)bits < max;
}

const char *vdpr_check_rss(const struct vdpr_state *state,
			   const struct vdpr_rss *rss, char why[VDPR_WHY])
{
	uint32_t max = vdpr_state_max_pairs(state, NULL);

	if (vdpr_check_hash(state, rss->hash_types, rss->key.len, why) ||
	    check_table_len(state, rss->table_len, why))
		return why;
	if (rss->unclassified_queue >= max)
		return vdpr_why(
			why, "unclassified_queue: %u is not below %s (%u)",
			rss->unclassified_queue, pairs_limit_name(state), max);
	if (!rss->max_tx_vq || rss->max_tx_vq > max)
		return vdpr_why(why, "max_tx_vq: %u is not in 1..%u (%s)",
				rss->max_tx_vq, max, pairs_limit_name(state));
	if (table_below(rss, max))
		return NULL;
	for (uint32_t i = 0; i < rss->table_len; i++) {
		if (rss->table[i] >= max)
			return vdpr_why(
				why,
				"indirection_table[%u]: %u is not below %s (%u)",
				i, rss->table[i], pairs_limit_name(state), max);
	}
	return NULL;
}

/* --------------------------------------------------- offloads, coalescing */

const char *vdpr_check_offloads(const struct vdpr_state *state,
				uint64_t offloads, char why[VDPR_WHY])
{
	const struct vdpr_features *features =
		state->negotiated_known ? &state->negotiated : &state->offered;
	uint64_t over = offloads & ~vdpr_offloads_allowed(features, false);
	char name[VDPR_BIT_TEXT];
	char feature[VDPR_BIT_TEXT];
	unsigned int bit;

	if (!over)
		return NULL;
	bit = (unsigned int)__builtin_ctzll(over);
	return vdpr_why(why, "%s needs the feature %s, which is not %s",
			vdpr_offload_text(bit, name),
			vdpr_feature_text(vdpr_offload_feature(bit), feature),
			state->negotiated_known ? "negotiated" : "offered");
}

const char *vdpr_check_coal_queue(const struct vdpr_state *state,
				  uint32_t index, char why[VDPR_WHY])
{
	uint32_t max = vdpr_state_max_pairs(state, NULL);

	if (index < 2 * max)
		return NULL;
	return vdpr_why(why, "index: %u is not below 2 x %s (%u)", index,
			pairs_limit_name(state), max);
}

/* ------------------------------------------------------------------- rings */

const char *vdpr_check_vring(const struct vdpr_state *state,
			     const struct vdpr_vring_state *vring,
			     char why[VDPR_WHY])
{
	bool packed = vdpr_state_has_feature(state, VIRTIO_F_RING_PACKED);

	/* More than the pairs need is no error: a device may have queues that
	 * the guest's features leave unused. */
	if (vring->index > UINT16_MAX)
		return vdpr_why(why, "index: %u is more than 65535",
				vring->index);
	if ((vring->has & VDPR_VRING_SIZE) &&
	    (!vring->size || vring->size > 0x8000))
		return vdpr_why(why, "size: %u is not in 1..32768",
				vring->size);
	if ((vring->has & VDPR_VRING_SIZE) && !packed &&
	    !vdpr_is_pow2(vring->size))
		return vdpr_why(
			why,
			"size: %u is not a power of two, as a split ring's is",
			vring->size);
	if ((vring->has & VDPR_VRING_BASE) && !packed &&
	    vring->base > UINT16_MAX)
		return vdpr_why(
			why,
			"base: %u is more than 65535, the most of a split ring",
			vring->base);
	return NULL;
}

/* ------------------------------------------------------------------ config */

/* Any one of the features allows the member. */
static const struct {
	uint32_t has;
	const char *name;
	uint8_t feature[2];
} config_needs[] = {
	{ VDPR_CONFIG_MAC, "mac", { VIRTIO_NET_F_MAC, VIRTIO_NET_F_MAC } },
	{ VDPR_CONFIG_LINK_UP,
	  "link_up",
	  { VIRTIO_NET_F_STATUS, VIRTIO_NET_F_STATUS } },
	{ VDPR_CONFIG_ANNOUNCE,
	  "announce",
	  { VIRTIO_NET_F_STATUS, VIRTIO_NET_F_STATUS } },
	{ VDPR_CONFIG_MAX_PAIRS,
	  "max_virtqueue_pairs",
	  { VIRTIO_NET_F_MQ, VIRTIO_NET_F_RSS } },
	{ VDPR_CONFIG_MTU, "mtu", { VIRTIO_NET_F_MTU, VIRTIO_NET_F_MTU } },
	{ VDPR_CONFIG_SPEED,
	  "speed",
	  { VIRTIO_NET_F_SPEED_DUPLEX, VIRTIO_NET_F_SPEED_DUPLEX } },
	{ VDPR_CONFIG_DUPLEX,
	  "duplex",
	  { VIRTIO_NET_F_SPEED_DUPLEX, VIRTIO_NET_F_SPEED_DUPLEX } },
	{ VDPR_CONFIG_RSS_KEY,
	  "rss_max_key_size",
	  { VIRTIO_NET_F_RSS, VIRTIO_NET_F_HASH_REPORT } },
	{ VDPR_CONFIG_RSS_TABLE,
	  "rss_max_indirection_table_length",
	  { VIRTIO_NET_F_RSS, VIRTIO_NET_F_RSS } },
	{ VDPR_CONFIG_HASH_TYPES,
	  "supported_hash_types",
	  { VIRTIO_NET_F_RSS, VIRTIO_NET_F_HASH_REPORT } },
};

static_assert(VDPR_CONFIG_HASH_TYPES == BIT(ARRAY_SIZE(config_needs) - 1),
	      "one row for every member of config");

static const char *check_config_features(const struct vdpr_features *offered,
					 uint32_t has, char why[VDPR_WHY])
{
	for (size_t i = 0; i < ARRAY_SIZE(config_needs); i++) {
		unsigned int one = config_needs[i].feature[0];
		unsigned int other = config_needs[i].feature[1];

		if (!(has & config_needs[i].has) ||
		    vdpr_features_has(offered, one) ||
		    vdpr_features_has(offered, other))
			continue;
		return vdpr_why(why, "%s: needs %s%s%s, which is not offered",
				config_needs[i].name, vdpr_feature_name(one),
				one == other ? "" : " or ",
				one == other ? "" : vdpr_feature_name(other));
	}
	return NULL;
}

const char *vdpr_check_config(const struct vdpr_features *offered,
			      const struct vdpr_net_config *config,
			      char why[VDPR_WHY])
{
	char detail[VDPR_WHY];

	if (check_config_features(offered, config->has, why))
		return why;
	if ((config->has & VDPR_CONFIG_MAC) &&
	    vdpr_check_address(config->mac, detail))
		return vdpr_why(why, "mac: %.*s", VDPR_DETAIL, detail);
	if ((config->has & VDPR_CONFIG_MAX_PAIRS) &&
	    (!config->max_virtqueue_pairs ||
	     config->max_virtqueue_pairs > VDPR_PAIRS_MAX))
		return vdpr_why(why, "max_virtqueue_pairs: %u is not in 1..%u",
				config->max_virtqueue_pairs, VDPR_PAIRS_MAX);
	if ((config->has & VDPR_CONFIG_DUPLEX) &&
	    config->duplex != VDPR_DUPLEX_HALF &&
	    config->duplex != VDPR_DUPLEX_FULL &&
	    config->duplex != VDPR_DUPLEX_UNKNOWN)
		return vdpr_why(
			why,
			"duplex: %u is none of 0 (half), 1 (full), 255 (not known)",
			config->duplex);
	return NULL;
}
