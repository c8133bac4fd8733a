/* SPDX-License-Identifier: MIT */
/* Reads the features and the config of a state file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/json-item.h"

/* ----------------------------------------------------------------- features */

static int read_offered(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct vdpr_state *state = to;

	return vdpr_json_features(r, at, item, &state->offered);
}

static int read_negotiated(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   void *to)
{
	struct vdpr_state *state = to;

	if (cJSON_IsNull(item))
		return 0;
	state->negotiated_known = true;
	return vdpr_json_features(r, at, item, &state->negotiated);
}

/* Names are there for people; a file whose names say something else is wrong. */
static int read_names(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		      const cJSON *item, void *to)
{
	const struct vdpr_state *state = to;
	const struct vdpr_features *f =
		state->negotiated_known ? &state->negotiated : &state->offered;
	struct vdpr_json_at here = { at, NULL, 0 };
	const cJSON *c = item->child;
	size_t count = 0;
	int err = vdpr_json_array(r, at, item, &count);

	if (err)
		return err;
	for (unsigned int bit = 0; bit < VDPR_FEATURE_BITS; bit++) {
		char text[VDPR_BIT_TEXT];
		const char *name = "";

		if (!vdpr_features_has(f, bit))
			continue;
		vdpr_feature_text(bit, text);
		if (!c)
			return vdpr_json_bad(
				r, at,
				"%s is missing: the names must be those of the mask",
				text);
		err = vdpr_json_text(r, &here, c, &name);
		if (err)
			return err;
		if (strcmp(name, text) != 0)
			return vdpr_json_bad(r, &here, "the mask has %s here",
					     text);
		c = c->next;
		here.index++;
	}
	return c ? vdpr_json_bad(r, &here, "the mask has no further bit") : 0;
}

int vdpr_json_read_features(struct vdpr_json_reader *r,
			    const struct vdpr_json_at *at, const cJSON *item,
			    void *to)
{
	static const struct vdpr_json_field fields[] = {
		{ "offered", true, read_offered },
		{ "negotiated", true, read_negotiated },
		{ "names", false, read_names },
	};

	return vdpr_json_object(r, at, item, fields, ARRAY_SIZE(fields), to);
}

/* ------------------------------------------------------------------- config */

#define CONFIG_READER(field, bit, call)                               \
	static int read_config_##field(struct vdpr_json_reader *r,    \
				       const struct vdpr_json_at *at, \
				       const cJSON *item, void *to)   \
	{                                                             \
		struct vdpr_net_config *config = to;                  \
                                                                      \
		config->has |= (bit);                                 \
		return call;                                          \
	}

CONFIG_READER(mac, VDPR_CONFIG_MAC, vdpr_json_mac(r, at, item, config->mac))
CONFIG_READER(link_up, VDPR_CONFIG_LINK_UP,
	      vdpr_json_bool(r, at, item, &config->link_up))
CONFIG_READER(announce, VDPR_CONFIG_ANNOUNCE,
	      vdpr_json_bool(r, at, item, &config->announce))
CONFIG_READER(pairs, VDPR_CONFIG_MAX_PAIRS,
	      vdpr_json_u16(r, at, item, 1, VDPR_PAIRS_MAX,
			    &config->max_virtqueue_pairs))
CONFIG_READER(mtu, VDPR_CONFIG_MTU,
	      vdpr_json_u16(r, at, item, 0, UINT16_MAX, &config->mtu))
CONFIG_READER(table, VDPR_CONFIG_RSS_TABLE,
	      vdpr_json_u16(r, at, item, 0, UINT16_MAX,
			    &config->rss_max_indirection_table_length))

static int read_config_speed(struct vdpr_json_reader *r,
			     const struct vdpr_json_at *at, const cJSON *item,
			     void *to)
{
	struct vdpr_net_config *config = to;

	config->has |= VDPR_CONFIG_SPEED;
	config->speed = VDPR_SPEED_UNKNOWN;
	if (cJSON_IsNull(item))
		return 0;
	return vdpr_json_u32(r, at, item, 0, UINT32_MAX, &config->speed);
}

static int read_config_duplex(struct vdpr_json_reader *r,
			      const struct vdpr_json_at *at, const cJSON *item,
			      void *to)
{
	struct vdpr_net_config *config = to;
	const char *text = "";
	int err;

	config->has |= VDPR_CONFIG_DUPLEX;
	config->duplex = VDPR_DUPLEX_UNKNOWN;
	if (cJSON_IsNull(item))
		return 0;
	err = vdpr_json_text(r, at, item, &text);
	if (err)
		return err;
	if (!strcmp(text, "full"))
		config->duplex = VDPR_DUPLEX_FULL;
	else if (!strcmp(text, "half"))
		config->duplex = VDPR_DUPLEX_HALF;
	else
		return vdpr_json_bad(r, at,
				     "it is not \"full\", \"half\" or null");
	return 0;
}

static int read_config_key(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   void *to)
{
	struct vdpr_net_config *config = to;
	uint16_t size = 0;
	int err = vdpr_json_u16(r, at, item, 0, UINT8_MAX, &size);

	config->has |= VDPR_CONFIG_RSS_KEY;
	config->rss_max_key_size = (uint8_t)size;
	return err;
}

static int read_config_types(struct vdpr_json_reader *r,
			     const struct vdpr_json_at *at, const cJSON *item,
			     void *to)
{
	struct vdpr_net_config *config = to;
	uint64_t bits = 0;
	int err = vdpr_json_bits(r, at, item, vdpr_hash_type_bit, &bits);

	config->has |= VDPR_CONFIG_HASH_TYPES;
	config->supported_hash_types = (uint32_t)bits;
	return err;
}

int vdpr_json_config(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		     const cJSON *item, struct vdpr_net_config *out)
{
	static const struct vdpr_json_field fields[] = {
		{ "mac", false, read_config_mac },
		{ "link_up", false, read_config_link_up },
		{ "announce", false, read_config_announce },
		{ "max_virtqueue_pairs", false, read_config_pairs },
		{ "mtu", false, read_config_mtu },
		{ "speed", false, read_config_speed },
		{ "duplex", false, read_config_duplex },
		{ "rss_max_key_size", false, read_config_key },
		{ "rss_max_indirection_table_length", false,
		  read_config_table },
		{ "supported_hash_types", false, read_config_types },
	};

	return vdpr_json_object(r, at, item, fields, ARRAY_SIZE(fields), out);
}

int vdpr_json_read_config(struct vdpr_json_reader *r,
			  const struct vdpr_json_at *at, const cJSON *item,
			  void *to)
{
	struct vdpr_state *state = to;
	char why[VDPR_WHY];
	int err = vdpr_json_config(r, at, item, &state->config);

	if (!err && vdpr_check_config(&state->offered, &state->config, why))
		err = vdpr_json_bad_in(r, at, why);
	return err;
}
