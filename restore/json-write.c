/* SPDX-License-Identifier: MIT */
/* Writes states as canonical JSON: one text for one state. */
#include "restore/json-write.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/state-item.h"

/*
 * Canonical means: keys in the order of the format's example, every key and
 * array entry on a line of its own, two blanks a level, as `jq .` prints it.
 * What is read and written again is the same bytes from the first writing on.
 *
 * A state that was read from a newer version keeps that version, and the names
 * of the sections that were ignored go to "unknown": only so does a reader that
 * knows them learn that they are lost.
 */

/* -------------------------------------------------------------- plain values */

static void put_mac(struct vdpr_json_writer *w, const uint8_t mac[6])
{
	char text[VDPR_MAC_TEXT];

	vdpr_mac_format(mac, text);
	vdpr_json_put_text(w, text);
}

static void put_mac_list(struct vdpr_json_writer *w,
			 const struct vdpr_mac_list *list)
{
	vdpr_json_open(w, '[');
	for (size_t i = 0; i < list->count; i++)
		put_mac(w, list->addr[i]);
	vdpr_json_close(w, ']');
}

static void put_hex64(struct vdpr_json_writer *w, uint64_t value)
{
	char text[sizeof("0xffffffffffffffff")];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	vdpr_json_put_text(w, text);
}

static void put_bits(struct vdpr_json_writer *w, uint64_t bits,
		     const char *(*text_of)(unsigned int bit,
					    char text[VDPR_BIT_TEXT]))
{
	char text[VDPR_BIT_TEXT];

	vdpr_json_open(w, '[');
	for (unsigned int bit = 0; bit < 64; bit++) {
		if (bits >> bit & 1)
			vdpr_json_put_text(w, text_of(bit, text));
	}
	vdpr_json_close(w, ']');
}

static void put_strings(struct vdpr_json_writer *w,
			const struct vdpr_strings *list)
{
	vdpr_json_open(w, '[');
	for (size_t i = 0; i < list->count; i++)
		vdpr_json_put_text(w, list->text[i]);
	vdpr_json_close(w, ']');
}

static void put_key_u64(struct vdpr_json_writer *w, const char *key,
			uint64_t value)
{
	vdpr_json_key(w, key);
	vdpr_json_put_u64(w, value);
}

static void put_key_bool(struct vdpr_json_writer *w, const char *key,
			 bool value)
{
	vdpr_json_key(w, key);
	vdpr_json_put_bool(w, value);
}

/* Nothing where @text is NULL. */
static void put_key_text(struct vdpr_json_writer *w, const char *key,
			 const char *text)
{
	if (!text)
		return;
	vdpr_json_key(w, key);
	vdpr_json_put_text(w, text);
}

/* ---------------------------------------------------------- control sections */

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
	put_bits(w, types, vdpr_hash_type_text);
}

static void put_rss(struct vdpr_json_writer *w, const struct vdpr_rss *rss)
{
	vdpr_json_open(w, '{');
	put_hash_types(w, rss->hash_types);
	put_key_u64(w, "unclassified_queue", rss->unclassified_queue);
	put_key_u64(w, "max_tx_vq", rss->max_tx_vq);
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
	put_key_u64(w, "max_packets", coal->max_packets);
	put_key_u64(w, "max_usecs", coal->max_usecs);
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
		put_key_u64(w, "index", state->coal_queues[i].index);
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
		put_mac(w, s->mac);
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
		put_bits(w, s->offloads, vdpr_offload_text);
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

/* ------------------------------------------------------- the other sections */

static void put_mask(struct vdpr_json_writer *w, const struct vdpr_features *f)
{
	char text[VDPR_FEATURES_TEXT];

	vdpr_features_format(f, text);
	vdpr_json_put_text(w, text);
}

void vdpr_json_put_features(struct vdpr_json_writer *w,
			    const struct vdpr_state *state)
{
	const struct vdpr_features *named =
		state->negotiated_known ? &state->negotiated : &state->offered;
	char text[VDPR_BIT_TEXT];

	vdpr_json_open(w, '{');
	vdpr_json_key(w, "offered");
	put_mask(w, &state->offered);
	vdpr_json_key(w, "negotiated");
	if (state->negotiated_known)
		put_mask(w, &state->negotiated);
	else
		vdpr_json_put_null(w);
	vdpr_json_key(w, "names");
	vdpr_json_open(w, '[');
	for (unsigned int bit = 0; bit < VDPR_FEATURE_BITS; bit++) {
		if (vdpr_features_has(named, bit))
			vdpr_json_put_text(w, vdpr_feature_text(bit, text));
	}
	vdpr_json_close(w, ']');
	vdpr_json_close(w, '}');
}

static void put_speed(struct vdpr_json_writer *w, uint32_t speed)
{
	vdpr_json_key(w, "speed");
	if (speed == VDPR_SPEED_UNKNOWN)
		vdpr_json_put_null(w);
	else
		vdpr_json_put_u64(w, speed);
}

static void put_duplex(struct vdpr_json_writer *w, uint8_t duplex)
{
	vdpr_json_key(w, "duplex");
	if (duplex == VDPR_DUPLEX_UNKNOWN)
		vdpr_json_put_null(w);
	else
		vdpr_json_put_text(w, duplex == VDPR_DUPLEX_FULL ? "full"
								 : "half");
}

void vdpr_json_put_config(struct vdpr_json_writer *w,
			  const struct vdpr_state *state)
{
	const struct vdpr_net_config *c = &state->config;

	vdpr_json_open(w, '{');
	if (c->has & VDPR_CONFIG_MAC) {
		vdpr_json_key(w, "mac");
		put_mac(w, c->mac);
	}
	if (c->has & VDPR_CONFIG_LINK_UP)
		put_key_bool(w, "link_up", c->link_up);
	if (c->has & VDPR_CONFIG_ANNOUNCE)
		put_key_bool(w, "announce", c->announce);
	if (c->has & VDPR_CONFIG_MAX_PAIRS)
		put_key_u64(w, "max_virtqueue_pairs", c->max_virtqueue_pairs);
	if (c->has & VDPR_CONFIG_MTU)
		put_key_u64(w, "mtu", c->mtu);
	if (c->has & VDPR_CONFIG_SPEED)
		put_speed(w, c->speed);
	if (c->has & VDPR_CONFIG_DUPLEX)
		put_duplex(w, c->duplex);
	if (c->has & VDPR_CONFIG_RSS_KEY)
		put_key_u64(w, "rss_max_key_size", c->rss_max_key_size);
	if (c->has & VDPR_CONFIG_RSS_TABLE)
		put_key_u64(w, "rss_max_indirection_table_length",
			    c->rss_max_indirection_table_length);
	if (c->has & VDPR_CONFIG_HASH_TYPES) {
		vdpr_json_key(w, "supported_hash_types");
		put_bits(w, c->supported_hash_types, vdpr_hash_type_text);
	}
	vdpr_json_close(w, '}');
}

void vdpr_json_put_announce(struct vdpr_json_writer *w,
			    const struct vdpr_state *state)
{
	vdpr_json_open(w, '{');
	put_key_bool(w, "pending", state->announce_pending);
	vdpr_json_close(w, '}');
}

static void put_vring(struct vdpr_json_writer *w,
		      const struct vdpr_vring_state *v)
{
	const struct {
		uint32_t has;
		const char *key;
		uint64_t value;
	} address[] = {
		{ VDPR_VRING_DESC, "desc", v->desc },
		{ VDPR_VRING_DRIVER, "driver", v->driver },
		{ VDPR_VRING_DEVICE, "device", v->device },
	};

	vdpr_json_open(w, '{');
	put_key_u64(w, "index", v->index);
	if (v->has & VDPR_VRING_SIZE)
		put_key_u64(w, "size", v->size);
	if (v->has & VDPR_VRING_BASE)
		put_key_u64(w, "base", v->base);
	if (v->has & VDPR_VRING_ENABLED)
		put_key_bool(w, "enabled", v->enabled);
	for (size_t i = 0; i < ARRAY_SIZE(address); i++) {
		if (!(v->has & address[i].has))
			continue;
		vdpr_json_key(w, address[i].key);
		put_hex64(w, address[i].value);
	}
	vdpr_json_close(w, '}');
}

void vdpr_json_put_vrings(struct vdpr_json_writer *w,
			  const struct vdpr_state *state)
{
	vdpr_json_open(w, '[');
	for (size_t i = 0; i < state->n_vrings; i++)
		put_vring(w, &state->vrings[i]);
	vdpr_json_close(w, ']');
}

/* ----------------------------------------------------------- the whole state */

static void put_captured(struct vdpr_json_writer *w,
			 const struct vdpr_state *state)
{
	if (!state->captured.present)
		return;
	vdpr_json_key(w, "captured");
	vdpr_json_open(w, '{');
	put_key_text(w, "time", state->captured.time);
	put_key_text(w, "tool", state->captured.tool);
	vdpr_json_key(w, "sources");
	put_strings(w, &state->captured.sources);
	vdpr_json_close(w, '}');
}

static void put_device(struct vdpr_json_writer *w,
		       const struct vdpr_state *state)
{
	if (!state->device.present)
		return;
	vdpr_json_key(w, "device");
	vdpr_json_open(w, '{');
	put_key_text(w, "type", state->device.type);
	put_key_text(w, "name", state->device.name);
	put_key_text(w, "parent", state->device.parent);
	vdpr_json_close(w, '}');
}

static void put_vendor(struct vdpr_json_writer *w,
		       const struct vdpr_state *state)
{
	if (!state->vendor.present)
		return;
	vdpr_json_key(w, "vendor");
	vdpr_json_open(w, '{');
	put_key_text(w, "name", state->vendor.name);
	put_key_text(w, "version", state->vendor.version);
	put_key_text(w, "data", state->vendor.data);
	vdpr_json_close(w, '}');
}

static void put_origin(struct vdpr_json_writer *w,
		       const struct vdpr_state *state)
{
	if (!state->origin.count)
		return;
	vdpr_json_key(w, "origin");
	vdpr_json_open(w, '{');
	for (size_t i = 0; i < state->origin.count; i++)
		put_key_text(w, state->origin.entry[i].name,
			     state->origin.entry[i].source);
	vdpr_json_close(w, '}');
}

static void put_unknown_name(void *data, const char *name)
{
	struct vdpr_json_writer *w = data;

	vdpr_json_put_text(w, name);
}

static void put_control(struct vdpr_json_writer *w,
			const struct vdpr_state *state)
{
	for (unsigned int s = 0; s < VDPR_SECTION_COUNT; s++) {
		if (!vdpr_section_known(state, s))
			continue;
		vdpr_json_key(w, vdpr_section_name[s]);
		vdpr_json_put_section(w, state, s);
	}
	if (state->announce == VDPR_KNOWN) {
		vdpr_json_key(w, "announce");
		vdpr_json_put_announce(w, state);
	}
	if (state->has_vrings) {
		vdpr_json_key(w, "vrings");
		vdpr_json_put_vrings(w, state);
	}
}

static void put_state(struct vdpr_json_writer *w,
		      const struct vdpr_state *state)
{
	vdpr_json_open(w, '{');
	put_key_text(w, "schema", VDPR_STATE_SCHEMA);
	put_key_u64(w, "version", state->version);
	put_key_u64(w, "compat", state->compat);
	put_captured(w, state);
	put_device(w, state);
	vdpr_json_key(w, "features");
	vdpr_json_put_features(w, state);
	if (state->has_backend_features) {
		vdpr_json_key(w, "backend_features");
		put_hex64(w, state->backend_features);
	}
	vdpr_json_key(w, "config");
	vdpr_json_put_config(w, state);
	put_control(w, state);
	put_origin(w, state);
	put_vendor(w, state);
	vdpr_json_key(w, "unknown");
	vdpr_json_open(w, '[');
	vdpr_state_unknown(state, put_unknown_name, w);
	vdpr_json_close(w, ']');
	vdpr_json_close(w, '}');
	vdpr_buf_str(w->out, "\n");
}

int vdpr_state_format(struct vdpr_ctx *ctx, const struct vdpr_state *state,
		      char **out, size_t *len)
{
	_cleanup_buf_ struct vdpr_buf buf = { 0 };
	struct vdpr_json_writer w = { .out = &buf };
	char why[VDPR_WHY];

	/* What this library would not read it does not write either. */
	if (vdpr_state_check(state, why))
		return vdpr_fail(ctx, VDPR_CAUSE_OTHER, -EINVAL,
				 "state: write: %s", why);
	put_state(&w, state);
	if (buf.len > VDPR_STATE_BYTES)
		return vdpr_fail(
			ctx, VDPR_CAUSE_OTHER, -EFBIG,
			"state: write: its text is longer than %u bytes",
			VDPR_STATE_BYTES);
	if (vdpr_buf_take(&buf, out, len))
		return vdpr_fail_memory(ctx);
	return 0;
}
