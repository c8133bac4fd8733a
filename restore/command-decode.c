/* SPDX-License-Identifier: MIT */
/* Decoders: what an accepted control command does to the state. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "restore/command-fns.h"
#include "restore/ctx.h"
#include "restore/payload.h"

/* The device holds a value that a state cannot: from here on it is unknown. */
static void lose(struct vdpr_ctx *ctx, struct vdpr_state *state,
		 enum vdpr_member m, const char *why)
{
	vdpr_log(ctx, VDPR_LOG_WARNING,
		 "observe: %s: %s: it is unknown from here on",
		 vdpr_member_info[m].name, why);
	vdpr_member_drop(state, m, VDPR_UNKNOWN);
}

/* ----------------------------------------------- values that are judged later */

/* It has a value now, whose range nobody has looked at. */
static void take(struct vdpr_state *state, enum vdpr_member m)
{
	state->member[m] = VDPR_KNOWN;
	state->unjudged |= BIT(m);
}

static const char *check_unicast(const struct vdpr_state *state,
				 char why[VDPR_WHY])
{
	return vdpr_check_mac_list(&state->unicast, false, why);
}

static const char *check_multicast(const struct vdpr_state *state,
				   char why[VDPR_WHY])
{
	return vdpr_check_mac_list(&state->multicast, true, why);
}

static const char *check_pairs(const struct vdpr_state *state,
			       char why[VDPR_WHY])
{
	return vdpr_check_pairs(state, state->queue_pairs, why);
}

static const char *check_rss(const struct vdpr_state *state, char why[VDPR_WHY])
{
	return vdpr_check_rss(state, &state->rss, why);
}

static const char *check_hash(const struct vdpr_state *state,
			      char why[VDPR_WHY])
{
	const struct vdpr_hash_report *hash = &state->hash_report;

	return vdpr_check_hash(state, hash->hash_types, hash->key.len, why);
}

static const struct {
	enum vdpr_member member;
	const char *(*check)(const struct vdpr_state *state,
			     char why[VDPR_WHY]);
} judges[] = {
	{ VDPR_MAC_UNICAST, check_unicast },
	{ VDPR_MAC_MULTICAST, check_multicast },
	{ VDPR_MQ_QUEUE_PAIRS, check_pairs },
	{ VDPR_RSS, check_rss },
	{ VDPR_HASH_REPORT, check_hash },
};

/* What is not known any more was lost or dropped since. */
static void
judge(struct vdpr_ctx *ctx, struct vdpr_state *state, enum vdpr_member m,
      const char *(*check)(const struct vdpr_state *state, char why[VDPR_WHY]))
{
	bool unjudged = state->unjudged & BIT(m);
	char why[VDPR_WHY];

	state->unjudged &= ~BIT(m);
	if (!unjudged || state->member[m] != VDPR_KNOWN || !check(state, why))
		return;
	lose(ctx, state, m, why);
	if (m == VDPR_RSS)
		vdpr_state_settle_hash(state);
}

void vdpr_observe_judge(struct vdpr_ctx *ctx, struct vdpr_state *state)
{
	for (size_t i = 0; state->unjudged && i < ARRAY_SIZE(judges); i++)
		judge(ctx, state, judges[i].member, judges[i].check);
}

/* ----------------------------------------------------------------- RX modes */

static int set_mode(struct vdpr_state *state, enum vdpr_member m, bool *value,
		    const uint8_t *data)
{
	*value = data[0] != 0;
	state->member[m] = VDPR_KNOWN;
	return 0;
}

VDPR_DECODER(promisc)
{
	(void)ctx;
	(void)len;
	return set_mode(state, VDPR_RX_PROMISCUOUS, &state->promiscuous, data);
}

VDPR_DECODER(allmulti)
{
	(void)ctx;
	(void)len;
	return set_mode(state, VDPR_RX_ALL_MULTICAST, &state->all_multicast,
			data);
}

VDPR_DECODER(alluni)
{
	(void)ctx;
	(void)len;
	return set_mode(state, VDPR_RX_ALL_UNICAST, &state->all_unicast, data);
}

VDPR_DECODER(nomulti)
{
	(void)ctx;
	(void)len;
	return set_mode(state, VDPR_RX_NO_MULTICAST, &state->no_multicast,
			data);
}

VDPR_DECODER(nouni)
{
	(void)ctx;
	(void)len;
	return set_mode(state, VDPR_RX_NO_UNICAST, &state->no_unicast, data);
}

VDPR_DECODER(nobcast)
{
	(void)ctx;
	(void)len;
	return set_mode(state, VDPR_RX_NO_BROADCAST, &state->no_broadcast,
			data);
}

/* ---------------------------------------------------------------------- MAC */

VDPR_DECODER(mac_table)
{
	struct vdpr_mac_table_view view;

	(void)ctx;
	if (vdpr_mac_table_view(data, len, &view))
		return -EINVAL;
	/* Both or none. */
	if (vdpr_mac_list_reserve(&state->unicast, view.unicast_count) ||
	    vdpr_mac_list_reserve(&state->multicast, view.multicast_count))
		return -ENOMEM;
	(void)vdpr_mac_list_set(&state->unicast, view.unicast,
				view.unicast_count);
	(void)vdpr_mac_list_set(&state->multicast, view.multicast,
				view.multicast_count);
	/* The whole tables are known now, so nothing overflowed. */
	state->unicast_overflow = false;
	state->multicast_overflow = false;
	state->member[VDPR_MAC_UNICAST_OVERFLOW] = VDPR_KNOWN;
	state->member[VDPR_MAC_MULTICAST_OVERFLOW] = VDPR_KNOWN;
	take(state, VDPR_MAC_UNICAST);
	take(state, VDPR_MAC_MULTICAST);
	return 0;
}

VDPR_DECODER(mac_address)
{
	char why[VDPR_WHY];

	(void)len;
	if (vdpr_check_address(data, why)) {
		lose(ctx, state, VDPR_MAC_ADDRESS, why);
		return 0;
	}
	memcpy(state->mac, data, sizeof(state->mac));
	state->member[VDPR_MAC_ADDRESS] = VDPR_KNOWN;
	return 0;
}

/* --------------------------------------------------------------------- VLAN */

/* One id says nothing of the others: an unknown set stays unknown. */
static int set_vlan(struct vdpr_ctx *ctx, struct vdpr_state *state,
		    const uint8_t *data, bool on)
{
	uint16_t id = vdpr_get_le16(data);

	if (state->member[VDPR_VLAN_IDS] != VDPR_KNOWN)
		return 0;
	if (id >= VDPR_VLANS)
		lose(ctx, state, VDPR_VLAN_IDS, "an id is more than 4095");
	else
		vdpr_vlan_set(state, id, on);
	return 0;
}

VDPR_DECODER(vlan_add)
{
	(void)len;
	return set_vlan(ctx, state, data, true);
}

VDPR_DECODER(vlan_del)
{
	(void)len;
	return set_vlan(ctx, state, data, false);
}

/* ----------------------------------------------------------------- announce */

VDPR_DECODER(announce_ack)
{
	(void)ctx;
	(void)data;
	(void)len;
	if (state->announce == VDPR_KNOWN)
		state->announce_pending = false;
	return 0;
}

/* ----------------------------------------------------------------------- MQ */

static void set_pairs(struct vdpr_state *state, uint16_t pairs)
{
	if (state->member[VDPR_MQ_QUEUE_PAIRS] == VDPR_ABSENT)
		return;
	state->queue_pairs = pairs;
	take(state, VDPR_MQ_QUEUE_PAIRS);
}

/*
 * Automatic steering: RSS is certainly out of force, whatever it was. Hash
 * reporting goes with it where RSS was in force (or may have been: then it is
 * not known what is left of it), and stays as it was where RSS was not.
 */
static void end_rss(struct vdpr_ctx *ctx, struct vdpr_state *state)
{
	if (state->member[VDPR_RSS] == VDPR_ABSENT ||
	    state->member[VDPR_RSS] == VDPR_NULL)
		return;
	judge(ctx, state, VDPR_RSS, check_rss);
	vdpr_member_drop(state, VDPR_RSS, VDPR_NULL);
	vdpr_state_settle_hash(state);
}

VDPR_DECODER(pairs)
{
	(void)len;
	set_pairs(state, vdpr_get_le16(data));
	end_rss(ctx, state);
	return 0;
}

static void set_key(struct vdpr_hash_key *key, const struct vdpr_rss_view *view)
{
	key->len = (uint8_t)view->key_len;
	memcpy(key->bytes, view->key, view->key_len);
}

/* There is room for the table. */
static void set_rss(struct vdpr_rss *rss, const struct vdpr_rss_view *view)
{
	rss->hash_types = view->hash_types;
	rss->unclassified_queue = view->unclassified_queue;
	rss->max_tx_vq = view->max_tx_vq;
	rss->table_len = view->table_len;
	set_key(&rss->key, view);
	memcpy(rss->table, view->table, 2 * (size_t)view->table_len);
	/* Nothing at all where that is the order already. */
	for (uint32_t i = 0; i < view->table_len; i++)
		rss->table[i] = le16toh(rss->table[i]);
}

VDPR_DECODER(rss)
{
	struct vdpr_rss_view view;

	(void)ctx;
	if (vdpr_rss_view(data, len, &view))
		return -EINVAL;
	if (vdpr_rss_reserve(&state->rss, view.table_len))
		return -ENOMEM;
	set_rss(&state->rss, &view);
	set_pairs(state, view.max_tx_vq);
	take(state, VDPR_RSS);
	vdpr_state_settle_hash(state);
	return 0;
}

VDPR_DECODER(hash)
{
	struct vdpr_rss_view view;

	if (vdpr_hash_view(data, len, &view))
		return -EINVAL;
	end_rss(ctx, state);
	state->hash_report.hash_types = view.hash_types;
	set_key(&state->hash_report.key, &view);
	take(state, VDPR_HASH_REPORT);
	return 0;
}

/* ----------------------------------------------------------------- offloads */

VDPR_DECODER(offloads)
{
	uint64_t offloads = vdpr_get_le64(data);
	char why[VDPR_WHY];

	(void)len;
	if (vdpr_check_offloads(state, offloads, why)) {
		lose(ctx, state, VDPR_OFFLOADS, why);
		return 0;
	}
	state->offloads = offloads;
	state->member[VDPR_OFFLOADS] = VDPR_KNOWN;
	return 0;
}

/* --------------------------------------------------------------- coalescing */

static struct vdpr_coal get_coal(const uint8_t *data)
{
	return (struct vdpr_coal){ vdpr_get_le32(data),
				   vdpr_get_le32(data + 4) };
}

/* A global command overrides what single queues of its direction were told. */
VDPR_DECODER(coal_tx)
{
	(void)ctx;
	(void)len;
	state->coal_tx = get_coal(data);
	state->member[VDPR_COAL_TX] = VDPR_KNOWN;
	vdpr_coal_queues_drop(state, false);
	return 0;
}

VDPR_DECODER(coal_rx)
{
	(void)ctx;
	(void)len;
	state->coal_rx = get_coal(data);
	state->member[VDPR_COAL_RX] = VDPR_KNOWN;
	vdpr_coal_queues_drop(state, true);
	return 0;
}

/* As with VLANs: one queue says nothing of the others. */
VDPR_DECODER(coal_queue)
{
	uint16_t index = vdpr_get_le16(data);
	struct vdpr_coal coal = get_coal(data + 4);
	char why[VDPR_WHY];

	(void)len;
	if (state->member[VDPR_COAL_QUEUES] != VDPR_KNOWN)
		return 0;
	if (vdpr_check_coal_queue(state, index, why)) {
		lose(ctx, state, VDPR_COAL_QUEUES, why);
		return 0;
	}
	return vdpr_coal_queue_set(state, index, &coal);
}

/* -------------------------------------------- classes that no section holds */

static int lose_class(struct vdpr_ctx *ctx, struct vdpr_state *state,
		      unsigned int ctrl_class)
{
	uint8_t bit = (uint8_t)BIT(ctrl_class % 8);

	if (!(state->unknown_class[ctrl_class / 8] & bit))
		vdpr_log(ctx, VDPR_LOG_WARNING,
			 "observe: class_%u: a state cannot hold what its "
			 "commands set: it is unknown from here on",
			 ctrl_class);
	state->unknown_class[ctrl_class / 8] |= bit;
	return 0;
}

VDPR_DECODER(hash_tunnel)
{
	(void)data;
	(void)len;
	return lose_class(ctx, state, VIRTIO_NET_CTRL_HASH_TUNNEL);
}

VDPR_DECODER(rss_context)
{
	(void)data;
	(void)len;
	return lose_class(ctx, state, VIRTNET_RSS_CTX_CTRL);
}
