/* SPDX-License-Identifier: MIT */
/* The rules of a whole state: what must be in it, and what must not. */
#include "restore/state.h"

#include <string.h>

#include "restore/state-item.h"

static bool is_present(const struct vdpr_state *state, enum vdpr_member m)
{
	return state->member[m] == VDPR_KNOWN || state->member[m] == VDPR_NULL;
}

/* Why a member may not be there. */
static const char *say_not_allowed(const struct vdpr_state *state,
				   enum vdpr_member m, char why[VDPR_WHY])
{
	const char *verb = state->negotiated_known ? "negotiated" : "offered";
	const char *name = vdpr_member_info[m].name;
	unsigned int feature = vdpr_member_feature(m);

	if (!vdpr_state_has_feature(state, VIRTIO_NET_F_CTRL_VQ))
		feature = VIRTIO_NET_F_CTRL_VQ;
	if (vdpr_state_has_feature(state, feature))
		return vdpr_why(why, "%s: not allowed while rss is in force",
				name);
	return vdpr_why(why, "%s: not allowed: it needs %s, which is not %s",
			name, vdpr_feature_name(feature), verb);
}

static const char *check_presence(const struct vdpr_state *state,
				  enum vdpr_member m, char why[VDPR_WHY])
{
	const char *name = vdpr_member_info[m].name;
	bool required = vdpr_member_required(state, m);

	if (!required && state->member[m] != VDPR_ABSENT)
		return say_not_allowed(state, m, why);
	if (state->member[m] == VDPR_NULL && !vdpr_member_info[m].nullable)
		return vdpr_why(why, "%s: null is not allowed", name);
	if (!required || !state->negotiated_known)
		return NULL;
	if (state->member[m] == VDPR_ABSENT)
		return vdpr_why(
			why,
			"%s: missing: with %s negotiated it must be there or in \"unknown\"",
			name, vdpr_feature_name(vdpr_member_feature(m)));
	if (m == VDPR_HASH_REPORT && is_present(state, m) &&
	    state->member[VDPR_RSS] == VDPR_UNKNOWN)
		return vdpr_why(why, "%s: must be in \"unknown\" while rss is",
				name);
	if (m == VDPR_MAC_ADDRESS && state->member[m] == VDPR_NULL &&
	    vdpr_state_has_feature(state, VIRTIO_NET_F_MAC))
		return vdpr_why(why,
				"%s: null is not allowed with MAC negotiated",
				name);
	return NULL;
}

static const char *check_coal_queues(const struct vdpr_state *state,
				     char why[VDPR_WHY])
{
	char detail[VDPR_WHY];

	for (size_t i = 0; i < state->n_coal_queues; i++) {
		if (vdpr_check_coal_queue(state, state->coal_queues[i].index,
					  detail))
			return vdpr_why(why, "coalescing.queues[%zu].%.*s", i,
					VDPR_DETAIL, detail);
	}
	return NULL;
}

/* RSS_CONFIG sets the pairs too, so one cannot be known against the other. */
static const char *check_rss(const struct vdpr_state *state, char why[VDPR_WHY])
{
	char detail[VDPR_WHY];

	if (vdpr_check_rss(state, &state->rss, detail))
		return vdpr_why(why, "rss.%.*s", VDPR_DETAIL, detail);
	if (state->member[VDPR_MQ_QUEUE_PAIRS] == VDPR_KNOWN &&
	    state->rss.max_tx_vq != state->queue_pairs)
		return vdpr_why(why,
				"rss.max_tx_vq: %u is not mq.queue_pairs (%u)",
				state->rss.max_tx_vq, state->queue_pairs);
	return NULL;
}

static const char *check_value(const struct vdpr_state *state,
			       enum vdpr_member m, char why[VDPR_WHY])
{
	const struct vdpr_hash_report *hash = &state->hash_report;
	char detail[VDPR_WHY];

	switch (m) {
	case VDPR_MAC_ADDRESS:
		if (vdpr_check_address(state->mac, detail))
			return vdpr_why(why, "mac.address: %.*s", VDPR_DETAIL,
					detail);
		return NULL;
	case VDPR_MAC_UNICAST:
		if (vdpr_check_mac_list(&state->unicast, false, detail))
			return vdpr_why(why, "mac.unicast%.*s", VDPR_DETAIL,
					detail);
		return NULL;
	case VDPR_MAC_MULTICAST:
		if (vdpr_check_mac_list(&state->multicast, true, detail))
			return vdpr_why(why, "mac.multicast%.*s", VDPR_DETAIL,
					detail);
		return NULL;
	case VDPR_MQ_QUEUE_PAIRS:
		if (vdpr_check_pairs(state, state->queue_pairs, detail))
			return vdpr_why(why, "mq.queue_pairs: %.*s",
					VDPR_DETAIL, detail);
		return NULL;
	case VDPR_RSS:
		return check_rss(state, why);
	case VDPR_HASH_REPORT:
		if (vdpr_check_hash(state, hash->hash_types, hash->key.len,
				    detail))
			return vdpr_why(why, "hash_report.%.*s", VDPR_DETAIL,
					detail);
		return NULL;
	case VDPR_OFFLOADS:
		if (vdpr_check_offloads(state, state->offloads, detail))
			return vdpr_why(why, "offloads: %.*s", VDPR_DETAIL,
					detail);
		return NULL;
	case VDPR_COAL_QUEUES:
		return check_coal_queues(state, why);
	default:
		return NULL;
	}
}

static const char *check_vrings(const struct vdpr_state *state,
				char why[VDPR_WHY])
{
	char detail[VDPR_WHY];

	for (size_t i = 0; i < state->n_vrings; i++) {
		const struct vdpr_vring_state *vring = &state->vrings[i];

		if (vdpr_check_vring(state, vring, detail))
			return vdpr_why(why, "vrings[%zu].%.*s", i, VDPR_DETAIL,
					detail);
		if (i && vring->index <= vring[-1].index)
			return vdpr_why(why,
					"vrings[%zu].index: %u is there twice",
					i, vring->index);
	}
	return NULL;
}

static const char *check_announce(const struct vdpr_state *state,
				  char why[VDPR_WHY])
{
	static const unsigned int needed[] = { VIRTIO_NET_F_CTRL_VQ,
					       VIRTIO_NET_F_GUEST_ANNOUNCE };

	if (state->announce == VDPR_ABSENT)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (!vdpr_state_has_feature(state, needed[i]))
			return vdpr_why(
				why,
				"announce: not allowed: it needs %s, which is not %s",
				vdpr_feature_name(needed[i]),
				state->negotiated_known ? "negotiated"
							: "offered");
	}
	return NULL;
}

bool vdpr_is_base64(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789+/";
	size_t len = strlen(text);
	size_t data = strspn(text, letters);

	return len % 4 == 0 && len - data <= 2 &&
	       strspn(text + data, "=") == len - data;
}

/* What others fill in by hand and only the file's reader would refuse. */
static const char *check_texts(const struct vdpr_state *state,
			       char why[VDPR_WHY])
{
	if (state->device.type && strcmp(state->device.type, "net") != 0)
		return vdpr_why(why, "device.type: it is not \"net\"");
	if (state->vendor.data && !vdpr_is_base64(state->vendor.data))
		return vdpr_why(why, "vendor.data: not base64");
	for (size_t i = 0; i < state->origin.count; i++) {
		if (!vdpr_origin_is_name(state->origin.entry[i].name))
			return vdpr_why(
				why,
				"origin.%.40s: not a section or section.member",
				state->origin.entry[i].name);
	}
	if (state->foreign.count && state->version < 2)
		return vdpr_why(
			why, "unknown: %.40s is of a newer version than %llu",
			state->foreign.text[0],
			(unsigned long long)state->version);
	return NULL;
}

const char *vdpr_state_check(const struct vdpr_state *state, char why[VDPR_WHY])
{
	char detail[VDPR_WHY];

	if (vdpr_check_config(&state->offered, &state->config, detail))
		return vdpr_why(why, "config.%.*s", VDPR_DETAIL, detail);
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		if (check_presence(state, m, why) ||
		    (state->member[m] == VDPR_KNOWN &&
		     check_value(state, m, why)))
			return why;
	}
	if (check_announce(state, why) || check_vrings(state, why) ||
	    check_texts(state, why))
		return why;
	return NULL;
}
