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
		vdpr_json_put_mac(w, c->mac);
	}
	if (c->has & VDPR_CONFIG_LINK_UP)
		vdpr_json_key_bool(w, "link_up", c->link_up);
	if (c->has & VDPR_CONFIG_ANNOUNCE)
		vdpr_json_key_bool(w, "announce", c->announce);
	if (c->has & VDPR_CONFIG_MAX_PAIRS)
		vdpr_json_key_u64(w, "max_virtqueue_pairs",
				  c->max_virtqueue_pairs);
	if (c->has & VDPR_CONFIG_MTU)
		vdpr_json_key_u64(w, "mtu", c->mtu);
	if (c->has & VDPR_CONFIG_SPEED)
		put_speed(w, c->speed);
	if (c->has & VDPR_CONFIG_DUPLEX)
		put_duplex(w, c->duplex);
	if (c->has & VDPR_CONFIG_RSS_KEY)
		vdpr_json_key_u64(w, "rss_max_key_size", c->rss_max_key_size);
	if (c->has & VDPR_CONFIG_RSS_TABLE)
		vdpr_json_key_u64(w, "rss_max_indirection_table_length",
				  c->rss_max_indirection_table_length);
	if (c->has & VDPR_CONFIG_HASH_TYPES) {
		vdpr_json_key(w, "supported_hash_types");
		vdpr_json_put_bits(w, c->supported_hash_types,
				   vdpr_hash_type_text);
	}
	vdpr_json_close(w, '}');
}

void vdpr_json_put_announce(struct vdpr_json_writer *w,
			    const struct vdpr_state *state)
{
	vdpr_json_open(w, '{');
	vdpr_json_key_bool(w, "pending", state->announce_pending);
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
	vdpr_json_key_u64(w, "index", v->index);
	if (v->has & VDPR_VRING_SIZE)
		vdpr_json_key_u64(w, "size", v->size);
	if (v->has & VDPR_VRING_BASE)
		vdpr_json_key_u64(w, "base", v->base);
	if (v->has & VDPR_VRING_ENABLED)
		vdpr_json_key_bool(w, "enabled", v->enabled);
	for (size_t i = 0; i < ARRAY_SIZE(address); i++) {
		if (!(v->has & address[i].has))
			continue;
		vdpr_json_key(w, address[i].key);
		vdpr_json_put_hex64(w, address[i].value);
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
	vdpr_json_key_text(w, "time", state->captured.time);
	vdpr_json_key_text(w, "tool", state->captured.tool);
	vdpr_json_key(w, "sources");
	vdpr_json_put_strings(w, &state->captured.sources);
	vdpr_json_close(w, '}');
}

static void put_device(struct vdpr_json_writer *w,
		       const struct vdpr_state *state)
{
	if (!state->device.present)
		return;
	vdpr_json_key(w, "device");
	vdpr_json_open(w, '{');
	vdpr_json_key_text(w, "type", state->device.type);
	vdpr_json_key_text(w, "name", state->device.name);
	vdpr_json_key_text(w, "parent", state->device.parent);
	vdpr_json_close(w, '}');
}

static void put_vendor(struct vdpr_json_writer *w,
		       const struct vdpr_state *state)
{
	if (!state->vendor.present)
		return;
	vdpr_json_key(w, "vendor");
	vdpr_json_open(w, '{');
	vdpr_json_key_text(w, "name", state->vendor.name);
	vdpr_json_key_text(w, "version", state->vendor.version);
	vdpr_json_key_text(w, "data", state->vendor.data);
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
		vdpr_json_key_text(w, state->origin.entry[i].name,
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
	vdpr_json_key_text(w, "schema", VDPR_STATE_SCHEMA);
	vdpr_json_key_u64(w, "version", state->version);
	vdpr_json_key_u64(w, "compat", state->compat);
	put_captured(w, state);
	put_device(w, state);
	vdpr_json_key(w, "features");
	vdpr_json_put_features(w, state);
	if (state->has_backend_features) {
		vdpr_json_key(w, "backend_features");
		vdpr_json_put_hex64(w, state->backend_features);
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

	if (vdpr_any_null(ctx, state, out))
		return -EINVAL;
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
