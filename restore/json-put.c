/* SPDX-License-Identifier: MIT */
/* Writes the control sections of a state. */
#include <stdio.h>

#include "restore/json-write.h"
#include "restore/state-item.h"

static void put_mac_list(struct vdpr_json_writer *w,
			 const struct vdpr_mac_list *list)
{
	vdpr_json_open(w, '[');
	for (size_t i = 0; i < list->count; i++)
		vdpr_json_put_mac(w, list->addr[i]);
	vdpr_json_close(w, ']');
}

/* Ids ascending; a run of three or more is "a-b". */
static void put_vlans(struct vdpr_json_writer *w,
		      const struct vdpr_state *state)
{
	vdpr_json_open(w, '[');
	for (unsigned int id = 0; id < VDPR_VLANS; id++) {
		unsigned int last = id;
		char run[sizeof("4294967295-4294967295")];

		if (!vdpr_vlan_has(state, id))
			continue;
		while (last + 1 < VDPR_VLANS && vdpr_vlan_has(state, last + 1))
			last++;
		if (last - id < 2) {
			vdpr_json_put_u64(w, id);
			continue;
		}
		snprintf(run, sizeof(run), "%u-%u", id, last);
		vdpr_json_put_text(w, run);
		id = last;
	}
	vdpr_json_close(w, ']');
}

static void put_hash_key(struct vdpr_json_writer *w,
			 const struct vdpr_hash_key *key)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * VDPR_KEY_MAX + 1];

	for (size_t i = 0; i < key->len; i++) {
		text[2 * i] = digits[key->bytes[i] >> 4];
		text[2 * i + 1] = digits[key->bytes[i] & 15];
	}
	text[2 * (size_t)key->len] = '\0';
	vdpr_json_key(w, "key");
	vdpr_json_put_text(w, text);
}

static void put_hash_types(struct vdpr_json_writer *w, uint32_t types)
{
	vdpr_json_key(w, "hash_types");
	vdpr_json_put_bits(w, types, vdpr_hash_type_text);
}

static void put_rss(struct vdpr_json_writer *w, const struct vdpr_rss *rss)
{
	vdpr_json_open(w, '{');
	put_hash_types(w, rss->hash_types);
	vdpr_json_key_u64(w, "unclassified_queue", rss->unclassified_queue);
	vdpr_json_key_u64(w, "max_tx_vq", rss->max_tx_vq);
	vdpr_json_key(w, "indirection_table");
	vdpr_json_open(w, '[');
	for (uint32_t i = 0; i < rss->table_len; i++)
		vdpr_json_put_u64(w, rss->table[i]);
	vdpr_json_close(w, ']');
	put_hash_key(w, &rss->key);
	vdpr_json_close(w, '}');
}

static void put_hash_report(struct vdpr_json_writer *w,
			    const struct vdpr_hash_report *report)
{
	vdpr_json_open(w, '{');
	put_hash_types(w, report->hash_types);
	put_hash_key(w, &report->key);
	vdpr_json_close(w, '}');
}

static void put_coal_values(struct vdpr_json_writer *w,
			    const struct vdpr_coal *coal)
{
	vdpr_json_key_u64(w, "max_packets", coal->max_packets);
	vdpr_json_key_u64(w, "max_usecs", coal->max_usecs);
}

static void put_coal(struct vdpr_json_writer *w, const struct vdpr_coal *coal)
{
	vdpr_json_open(w, '{');
	put_coal_values(w, coal);
	vdpr_json_close(w, '}');
}

static void put_coal_queues(struct vdpr_json_writer *w,
			    const struct vdpr_state *state)
{
	vdpr_json_open(w, '[');
	for (size_t i = 0; i < state->n_coal_queues; i++) {
		vdpr_json_open(w, '{');
		vdpr_json_key_u64(w, "index", state->coal_queues[i].index);
		put_coal_values(w, &state->coal_queues[i].coal);
		vdpr_json_close(w, '}');
	}
	vdpr_json_close(w, ']');
}

static void put_value(struct vdpr_json_writer *w, const struct vdpr_state *s,
		      enum vdpr_member m)
{
	switch (m) {
	case VDPR_MAC_ADDRESS:
		vdpr_json_put_mac(w, s->mac);
		break;
	case VDPR_MAC_UNICAST:
		put_mac_list(w, &s->unicast);
		break;
	case VDPR_MAC_MULTICAST:
		put_mac_list(w, &s->multicast);
		break;
	case VDPR_MAC_UNICAST_OVERFLOW:
		vdpr_json_put_bool(w, s->unicast_overflow);
		break;
	case VDPR_MAC_MULTICAST_OVERFLOW:
		vdpr_json_put_bool(w, s->multicast_overflow);
		break;
	case VDPR_RX_PROMISCUOUS:
		vdpr_json_put_bool(w, s->promiscuous);
		break;
	case VDPR_RX_ALL_MULTICAST:
		vdpr_json_put_bool(w, s->all_multicast);
		break;
	case VDPR_RX_ALL_UNICAST:
		vdpr_json_put_bool(w, s->all_unicast);
		break;
	case VDPR_RX_NO_MULTICAST:
		vdpr_json_put_bool(w, s->no_multicast);
		break;
	case VDPR_RX_NO_UNICAST:
		vdpr_json_put_bool(w, s->no_unicast);
		break;
	case VDPR_RX_NO_BROADCAST:
		vdpr_json_put_bool(w, s->no_broadcast);
		break;
	case VDPR_VLAN_IDS:
		put_vlans(w, s);
		break;
	case VDPR_MQ_QUEUE_PAIRS:
		vdpr_json_put_u64(w, s->queue_pairs);
		break;
	case VDPR_RSS:
		put_rss(w, &s->rss);
		break;
	case VDPR_HASH_REPORT:
		put_hash_report(w, &s->hash_report);
		break;
	case VDPR_OFFLOADS:
		vdpr_json_put_bits(w, s->offloads, vdpr_offload_text);
		break;
	case VDPR_COAL_RX:
		put_coal(w, &s->coal_rx);
		break;
	case VDPR_COAL_TX:
		put_coal(w, &s->coal_tx);
		break;
	case VDPR_COAL_QUEUES:
		put_coal_queues(w, s);
		break;
	case VDPR_MEMBER_COUNT:
		break;
	}
}

void vdpr_json_put_member(struct vdpr_json_writer *w,
			  const struct vdpr_state *s, enum vdpr_member m)
{
	if (s->member[m] == VDPR_KNOWN)
		put_value(w, s, m);
	else
		vdpr_json_put_null(w);
}

static bool is_known(const struct vdpr_state *state, enum vdpr_member m)
{
	return state->member[m] == VDPR_KNOWN || state->member[m] == VDPR_NULL;
}

void vdpr_json_put_section(struct vdpr_json_writer *w,
			   const struct vdpr_state *state,
			   enum vdpr_section section)
{
	unsigned int first = vdpr_section_first(section);
	unsigned int end = first + vdpr_section_members(section);

	if (!vdpr_member_info[first].key) {
		vdpr_json_put_member(w, state, first);
		return;
	}
	if (!vdpr_section_known(state, section)) {
		vdpr_json_put_null(w);
		return;
	}
	vdpr_json_open(w, '{');
	for (unsigned int m = first; m < end; m++) {
		if (!is_known(state, m))
			continue;
		vdpr_json_key(w, vdpr_member_info[m].key);
		vdpr_json_put_member(w, state, m);
	}
	vdpr_json_close(w, '}');
}
