/* SPDX-License-Identifier: MIT */
/* The state model: its shape, its beginning and what of it is unknown. */
#include "restore/state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/sizes.h"

const char *const vdpr_section_name[VDPR_SECTION_COUNT] = {
	[VDPR_SECTION_MAC] = "mac",
	[VDPR_SECTION_RX_MODE] = "rx_mode",
	[VDPR_SECTION_VLAN] = "vlan",
	[VDPR_SECTION_MQ] = "mq",
	[VDPR_SECTION_RSS] = "rss",
	[VDPR_SECTION_HASH_REPORT] = "hash_report",
	[VDPR_SECTION_OFFLOADS] = "offloads",
	[VDPR_SECTION_COALESCING] = "coalescing",
};

/* clang-format off */
const struct vdpr_member_info vdpr_member_info[VDPR_MEMBER_COUNT] = {
	[VDPR_MAC_ADDRESS] =
		{ VDPR_SECTION_MAC, "mac.address", "address", true },
	[VDPR_MAC_UNICAST] =
		{ VDPR_SECTION_MAC, "mac.unicast", "unicast", false },
	[VDPR_MAC_MULTICAST] =
		{ VDPR_SECTION_MAC, "mac.multicast", "multicast", false },
	[VDPR_MAC_UNICAST_OVERFLOW] =
		{ VDPR_SECTION_MAC, "mac.unicast_overflow",
		  "unicast_overflow", false },
	[VDPR_MAC_MULTICAST_OVERFLOW] =
		{ VDPR_SECTION_MAC, "mac.multicast_overflow",
		  "multicast_overflow", false },
	[VDPR_RX_PROMISCUOUS] =
		{ VDPR_SECTION_RX_MODE, "rx_mode.promiscuous",
		  "promiscuous", true },
	[VDPR_RX_ALL_MULTICAST] =
		{ VDPR_SECTION_RX_MODE, "rx_mode.all_multicast",
		  "all_multicast", false },
	[VDPR_RX_ALL_UNICAST] =
		{ VDPR_SECTION_RX_MODE, "rx_mode.all_unicast",
		  "all_unicast", false },
	[VDPR_RX_NO_MULTICAST] =
		{ VDPR_SECTION_RX_MODE, "rx_mode.no_multicast",
		  "no_multicast", false },
	[VDPR_RX_NO_UNICAST] =
		{ VDPR_SECTION_RX_MODE, "rx_mode.no_unicast",
		  "no_unicast", false },
	[VDPR_RX_NO_BROADCAST] =
		{ VDPR_SECTION_RX_MODE, "rx_mode.no_broadcast",
		  "no_broadcast", false },
	[VDPR_VLAN_IDS] = { VDPR_SECTION_VLAN, "vlan", "ids", false },
	[VDPR_MQ_QUEUE_PAIRS] =
		{ VDPR_SECTION_MQ, "mq", "queue_pairs", false },
	[VDPR_RSS] = { VDPR_SECTION_RSS, "rss", NULL, true },
	[VDPR_HASH_REPORT] =
		{ VDPR_SECTION_HASH_REPORT, "hash_report", NULL, true },
	[VDPR_OFFLOADS] = { VDPR_SECTION_OFFLOADS, "offloads", NULL, false },
	[VDPR_COAL_RX] =
		{ VDPR_SECTION_COALESCING, "coalescing.rx", "rx", false },
	[VDPR_COAL_TX] =
		{ VDPR_SECTION_COALESCING, "coalescing.tx", "tx", false },
	[VDPR_COAL_QUEUES] =
		{ VDPR_SECTION_COALESCING, "coalescing.queues",
		  "queues", false },
};
/* clang-format on */

static const uint8_t member_feature[] = {
	[VDPR_MAC_ADDRESS] = VIRTIO_NET_F_CTRL_MAC_ADDR,
	[VDPR_MAC_UNICAST] = VIRTIO_NET_F_CTRL_RX,
	[VDPR_MAC_MULTICAST] = VIRTIO_NET_F_CTRL_RX,
	[VDPR_MAC_UNICAST_OVERFLOW] = VIRTIO_NET_F_CTRL_RX,
	[VDPR_MAC_MULTICAST_OVERFLOW] = VIRTIO_NET_F_CTRL_RX,
	[VDPR_RX_PROMISCUOUS] = VIRTIO_NET_F_CTRL_RX,
	[VDPR_RX_ALL_MULTICAST] = VIRTIO_NET_F_CTRL_RX,
	[VDPR_RX_ALL_UNICAST] = VIRTIO_NET_F_CTRL_RX_EXTRA,
	[VDPR_RX_NO_MULTICAST] = VIRTIO_NET_F_CTRL_RX_EXTRA,
	[VDPR_RX_NO_UNICAST] = VIRTIO_NET_F_CTRL_RX_EXTRA,
	[VDPR_RX_NO_BROADCAST] = VIRTIO_NET_F_CTRL_RX_EXTRA,
	[VDPR_VLAN_IDS] = VIRTIO_NET_F_CTRL_VLAN,
	[VDPR_MQ_QUEUE_PAIRS] = VIRTIO_NET_F_MQ,
	[VDPR_RSS] = VIRTIO_NET_F_RSS,
	[VDPR_HASH_REPORT] = VIRTIO_NET_F_HASH_REPORT,
	[VDPR_OFFLOADS] = VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
	[VDPR_COAL_RX] = VIRTIO_NET_F_NOTF_COAL,
	[VDPR_COAL_TX] = VIRTIO_NET_F_NOTF_COAL,
	[VDPR_COAL_QUEUES] = VIRTIO_NET_F_VQ_NOTF_COAL,
};

static_assert(ARRAY_SIZE(member_feature) == VDPR_MEMBER_COUNT,
	      "every member has its feature");

/* ------------------------------------------------------------------- shape */

bool vdpr_state_has_feature(const struct vdpr_state *state, unsigned int bit)
{
	return vdpr_features_has(state->negotiated_known ? &state->negotiated
							 : &state->offered,
				 bit);
}

unsigned int vdpr_member_feature(enum vdpr_member m)
{
	return member_feature[m];
}

bool vdpr_member_required(const struct vdpr_state *state, enum vdpr_member m)
{
	if (!vdpr_state_has_feature(state, VIRTIO_NET_F_CTRL_VQ) ||
	    !vdpr_state_has_feature(state, member_feature[m]))
		return false;
	return m != VDPR_HASH_REPORT || state->member[VDPR_RSS] != VDPR_KNOWN;
}

enum vdpr_member vdpr_section_first(enum vdpr_section section)
{
	unsigned int m = 0;

	while (vdpr_member_info[m].section != section)
		m++;
	return (enum vdpr_member)m;
}

unsigned int vdpr_section_members(enum vdpr_section section)
{
	unsigned int count = 0;

	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
		count += vdpr_member_info[m].section == section;
	return count;
}

void vdpr_member_drop(struct vdpr_state *state, enum vdpr_member m,
		      enum vdpr_presence presence)
{
	state->member[m] = presence;
	switch (m) {
	case VDPR_MAC_UNICAST:
		vdpr_mac_list_clear(&state->unicast);
		break;
	case VDPR_MAC_MULTICAST:
		vdpr_mac_list_clear(&state->multicast);
		break;
	case VDPR_VLAN_IDS:
		memset(state->vlan, 0, sizeof(state->vlan));
		break;
	case VDPR_RSS:
		vdpr_rss_empty(&state->rss);
		break;
	case VDPR_COAL_QUEUES:
		free(state->coal_queues);
		state->coal_queues = NULL;
		state->n_coal_queues = 0;
		state->cap_coal_queues = 0;
		break;
	default:
		break;
	}
}

/* -------------------------------------------------------------- life cycle */

static void init_state(struct vdpr_state *state)
{
	*state = (struct vdpr_state){ .version = 1, .compat = 1 };
	state->config.size = sizeof(state->config);
}

int vdpr_state_new(struct vdpr_ctx *ctx, struct vdpr_state **out)
{
	struct vdpr_state *state;

	if (vdpr_any_null(ctx, out))
		return -EINVAL;
	state = malloc(sizeof(*state));
	if (!state)
		return vdpr_fail_memory(ctx);
	init_state(state);
	*out = state;
	return 0;
}

static void clear_state(struct vdpr_state *state)
{
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
		vdpr_member_drop(state, m, VDPR_ABSENT);
	vdpr_rss_clear(&state->rss);
	vdpr_captured_clear(state);
	vdpr_origin_clear(state);
	free(state->device.type);
	free(state->device.name);
	free(state->device.parent);
	free(state->vendor.name);
	free(state->vendor.version);
	free(state->vendor.data);
	free(state->vrings);
	vdpr_strings_free(&state->foreign);
}

void vdpr_state_free(struct vdpr_state *state)
{
	if (!state)
		return;
	clear_state(state);
	free(state);
}

int vdpr_state_start(struct vdpr_ctx *ctx, struct vdpr_state *state,
		     const struct vdpr_features *offered,
		     const struct vdpr_features *negotiated,
		     const struct vdpr_net_config *config, unsigned int flags)
{
	static const struct vdpr_features none;
	struct vdpr_features all = offered	? *offered
				   : negotiated ? *negotiated
						: none;
	struct vdpr_features acked = negotiated ? *negotiated : none;
	struct vdpr_net_config copy = VDPR_INIT(struct vdpr_net_config);
	char why[VDPR_WHY];

	if (vdpr_any_null(ctx, state))
		return -EINVAL;
	if (config && vdpr_struct_take(&copy, sizeof(copy), config,
				       VDPR_LEAST_NET_CONFIG))
		return vdpr_fail_size(ctx, "state: start", "a config",
				      config->size);
	if (vdpr_check_config(&all, &copy, why))
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, -EINVAL,
				 "state: start: config.%s", why);
	clear_state(state);
	init_state(state);
	state->offered = all;
	state->negotiated = acked;
	state->negotiated_known = negotiated != NULL;
	state->config = copy;
	if (negotiated && !(flags & VDPR_STATE_NOT_FROM_RESET)) {
		vdpr_state_set_reset(state);
		return 0;
	}
	for (unsigned int s = 0; s < VDPR_SECTION_COUNT; s++)
		vdpr_state_forget(state, s);
	return 0;
}

int vdpr_state_features(const struct vdpr_state *state,
			struct vdpr_features *out)
{
	if (!state || !out)
		return -EINVAL;
	if (!state->negotiated_known)
		return -ENODATA;
	*out = state->negotiated;
	return 0;
}

static const struct vdpr_vring_state *find_vring(const struct vdpr_state *state,
						 uint32_t index)
{
	for (size_t i = 0; i < state->n_vrings; i++)
		if (state->vrings[i].index == index)
			return &state->vrings[i];
	return NULL;
}

int vdpr_state_vring(const struct vdpr_state *state, uint32_t index,
		     struct vdpr_vring *out)
{
	struct vdpr_vring ring = { .index = index,
				   .kick_fd = -1,
				   .call_fd = -1 };
	const struct vdpr_vring_state *v;

	if (!state || !out)
		return -EINVAL;
	v = find_vring(state, index);
	if (!v)
		return -ENOENT;
	if (!(v->has & VDPR_VRING_BASE))
		return -ENODATA;
	/* A member that is not known is zero. */
	ring.num = v->size;
	ring.base = v->base;
	ring.desc = v->desc;
	ring.driver = v->driver;
	ring.device = v->device;
	return vdpr_struct_give(out, &ring, sizeof(ring));
}

/* ------------------------------------------------------------- reset state */

/* Null says that no address was ever set: only a device without one may be so. */
static void reset_address(struct vdpr_state *state)
{
	const struct vdpr_net_config *config = &state->config;

	if (config->has & VDPR_CONFIG_MAC) {
		memcpy(state->mac, config->mac, sizeof(state->mac));
		state->member[VDPR_MAC_ADDRESS] = VDPR_KNOWN;
	} else if (vdpr_features_has(&state->offered, VIRTIO_NET_F_MAC) ||
		   vdpr_state_has_feature(state, VIRTIO_NET_F_MAC)) {
		state->member[VDPR_MAC_ADDRESS] = VDPR_UNKNOWN;
	} else {
		state->member[VDPR_MAC_ADDRESS] = VDPR_NULL;
	}
}

static void reset_values(struct vdpr_state *state)
{
	const struct vdpr_coal none = { 0, 0 };

	state->unicast_overflow = false;
	state->multicast_overflow = false;
	state->promiscuous = false;
	state->all_multicast = false;
	state->all_unicast = false;
	state->no_multicast = false;
	state->no_unicast = false;
	state->no_broadcast = false;
	state->queue_pairs = 1;
	state->offloads = vdpr_offloads_allowed(&state->negotiated, true);
	state->coal_rx = none;
	state->coal_tx = none;
}

void vdpr_state_set_reset(struct vdpr_state *state)
{
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
		vdpr_member_drop(state, m, VDPR_ABSENT);
	memset(state->unknown_class, 0, sizeof(state->unknown_class));
	state->announce = VDPR_ABSENT;
	state->announce_pending = false;
	reset_values(state);
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		if (vdpr_member_required(state, m))
			state->member[m] = VDPR_KNOWN;
	}
	if (state->member[VDPR_MAC_ADDRESS])
		reset_address(state);
	if (state->member[VDPR_RX_PROMISCUOUS])
		state->member[VDPR_RX_PROMISCUOUS] = VDPR_NULL;
	if (state->member[VDPR_RSS])
		state->member[VDPR_RSS] = VDPR_NULL;
	state->member[VDPR_HASH_REPORT] = VDPR_ABSENT;
	vdpr_state_settle_hash(state);
}

void vdpr_state_settle_hash(struct vdpr_state *state)
{
	enum vdpr_presence now = state->member[VDPR_HASH_REPORT];

	if (!vdpr_member_required(state, VDPR_HASH_REPORT))
		vdpr_member_drop(state, VDPR_HASH_REPORT, VDPR_ABSENT);
	else if (state->member[VDPR_RSS] == VDPR_UNKNOWN)
		vdpr_member_drop(state, VDPR_HASH_REPORT, VDPR_UNKNOWN);
	else if (now == VDPR_ABSENT)
		vdpr_member_drop(state, VDPR_HASH_REPORT, VDPR_NULL);
}

void vdpr_state_forget(struct vdpr_state *state, enum vdpr_section section)
{
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		bool required = vdpr_member_required(state, m);

		if (vdpr_member_info[m].section == section)
			vdpr_member_drop(state, m,
					 required ? VDPR_UNKNOWN : VDPR_ABSENT);
	}
	if (section == VDPR_SECTION_RSS)
		vdpr_state_settle_hash(state);
}

/* ----------------------------------------------------------------- unknown */

/* Nearly always none is, and every restore asks. */
static bool is_any_unknown(const struct vdpr_state *state)
{
	unsigned int unknown = 0;

	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
		unknown |= state->member[m] == VDPR_UNKNOWN;
	return unknown;
}

/* Members @first to before @end: a section. */
static void section_unknown(const struct vdpr_state *state, unsigned int first,
			    unsigned int end,
			    void (*fn)(void *data, const char *name),
			    void *data)
{
	unsigned int required = 0;
	unsigned int unknown = 0;

	for (unsigned int m = first; m < end; m++)
		unknown += state->member[m] == VDPR_UNKNOWN;
	if (!unknown)
		return;
	for (unsigned int m = first; m < end; m++)
		required += vdpr_member_required(state, m);
	if (unknown == required) {
		fn(data, vdpr_section_name[vdpr_member_info[first].section]);
		return;
	}
	for (unsigned int m = first; m < end; m++) {
		if (state->member[m] == VDPR_UNKNOWN)
			fn(data, vdpr_member_info[m].name);
	}
}

void vdpr_state_unknown(const struct vdpr_state *state,
			void (*fn)(void *data, const char *name), void *data)
{
	char name[VDPR_BIT_TEXT];
	unsigned int m = 0;

	if (!is_any_unknown(state))
		m = VDPR_MEMBER_COUNT;
	/* A section's members stand side by side. */
	while (m < VDPR_MEMBER_COUNT) {
		unsigned int end = m;

		while (end < VDPR_MEMBER_COUNT &&
		       vdpr_member_info[end].section ==
			       vdpr_member_info[m].section)
			end++;
		section_unknown(state, m, end, fn, data);
		m = end;
	}
	for (unsigned int c = VDPR_CLASS_FIRST_FOREIGN; c < 256; c++) {
		if (!state->unknown_class[c / 8]) {
			c |= 7;
			continue;
		}
		if (!(state->unknown_class[c / 8] >> (c % 8) & 1))
			continue;
		snprintf(name, sizeof(name), "class_%u", c);
		fn(data, name);
	}
	for (size_t i = 0; i < state->foreign.count; i++)
		fn(data, state->foreign.text[i]);
}

static void count_name(void *data, const char *name)
{
	unsigned int *count = data;

	(void)name;
	++*count;
}

bool vdpr_state_is_complete(const struct vdpr_state *state)
{
	unsigned int count = 0;

	vdpr_state_unknown(state, count_name, &count);
	return state->negotiated_known && !count;
}
