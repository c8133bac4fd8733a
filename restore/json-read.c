/* SPDX-License-Identifier: MIT */
/* Reads a state file's text: version, features, config and what goes with it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/json-item.h"
#include "restore/json-scan.h"
#include "restore/json-write.h"

/* A newer file may have some sections that we do not know, not a million. */
#define FOREIGN_MAX 256

/* ---------------------------------------------------------- small top objects */

static int read_text(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		     const cJSON *item, void *to)
{
	return vdpr_json_dup(r, at, item, to);
}

static int read_sources(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct vdpr_json_at here = { at, NULL, 0 };
	size_t count = 0;
	int err = vdpr_json_array(r, at, item, &count);

	for (const cJSON *c = err ? NULL : item->child; c && !err;
	     c = c->next, here.index++) {
		const char *text = "";

		err = vdpr_json_text(r, &here, c, &text);
		if (!err && vdpr_strings_add(to, text))
			err = vdpr_fail_memory(r->ctx);
	}
	return err;
}

/* Field readers get the whole state; these pick the place of their value. */
#define STATE_READER(name, fn, place)                                     \
	static int name(struct vdpr_json_reader *r,                       \
			const struct vdpr_json_at *at, const cJSON *item, \
			void *to)                                         \
	{                                                                 \
		struct vdpr_state *state = to;                            \
                                                                          \
		return fn(r, at, item, &state->place);                    \
	}

STATE_READER(read_time, read_text, captured.time)
STATE_READER(read_tool, read_text, captured.tool)
STATE_READER(read_captured_sources, read_sources, captured.sources)
STATE_READER(read_device_name, read_text, device.name)
STATE_READER(read_device_parent, read_text, device.parent)
STATE_READER(read_vendor_name, read_text, vendor.name)
STATE_READER(read_vendor_version, read_text, vendor.version)

static int read_device_type(struct vdpr_json_reader *r,
			    const struct vdpr_json_at *at, const cJSON *item,
			    void *to)
{
	struct vdpr_state *state = to;
	int err = vdpr_json_dup(r, at, item, &state->device.type);

	if (!err && strcmp(state->device.type, "net") != 0)
		err = vdpr_json_bad(r, at, "it is not \"net\"");
	return err;
}

static int read_vendor_data(struct vdpr_json_reader *r,
			    const struct vdpr_json_at *at, const cJSON *item,
			    void *to)
{
	struct vdpr_state *state = to;
	int err = vdpr_json_dup(r, at, item, &state->vendor.data);

	if (!err && !vdpr_is_base64(state->vendor.data))
		err = vdpr_json_bad(r, at, "not base64");
	return err;
}

static int read_captured(struct vdpr_json_reader *r,
			 const struct vdpr_json_at *at, const cJSON *item,
			 void *to)
{
	static const struct vdpr_json_field fields[] = {
		{ "time", false, read_time },
		{ "tool", false, read_tool },
		{ "sources", false, read_captured_sources },
	};

	r->state->captured.present = true;
	return vdpr_json_object(r, at, item, fields, ARRAY_SIZE(fields), to);
}

static int read_device(struct vdpr_json_reader *r,
		       const struct vdpr_json_at *at, const cJSON *item,
		       void *to)
{
	static const struct vdpr_json_field fields[] = {
		{ "type", false, read_device_type },
		{ "name", false, read_device_name },
		{ "parent", false, read_device_parent },
	};

	r->state->device.present = true;
	return vdpr_json_object(r, at, item, fields, ARRAY_SIZE(fields), to);
}

static int read_vendor(struct vdpr_json_reader *r,
		       const struct vdpr_json_at *at, const cJSON *item,
		       void *to)
{
	static const struct vdpr_json_field fields[] = {
		{ "name", false, read_vendor_name },
		{ "version", false, read_vendor_version },
		{ "data", false, read_vendor_data },
	};

	r->state->vendor.present = true;
	return vdpr_json_object(r, at, item, fields, ARRAY_SIZE(fields), to);
}

static int read_origin(struct vdpr_json_reader *r,
		       const struct vdpr_json_at *at, const cJSON *item,
		       void *to)
{
	struct vdpr_state *state = to;
	int err = 0;

	if (!cJSON_IsObject(item))
		return vdpr_json_bad(r, at, "not an object");
	for (const cJSON *c = item->child; c && !err; c = c->next) {
		struct vdpr_json_at here = { at, c->string, 0 };
		const char *source = "";

		if (!vdpr_origin_is_name(c->string)) {
			err = vdpr_json_unknown_key(r, &here);
			continue;
		}
		err = vdpr_json_text(r, &here, c, &source);
		if (!err && vdpr_origin_set(state, c->string, source))
			err = vdpr_fail_memory(r->ctx);
	}
	return err;
}

/* ----------------------------------------------------------------- features */

STATE_READER(read_offered, vdpr_json_features, offered)

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

static int read_features(struct vdpr_json_reader *r,
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

static int read_backend(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct vdpr_state *state = to;

	state->has_backend_features = true;
	return vdpr_json_hex64(r, at, item, &state->backend_features);
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

static int read_config(struct vdpr_json_reader *r,
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

/* ------------------------------------------------------------------ unknown */

/* Members that a name in "unknown" stands for. */
static uint32_t members_of(const char *name)
{
	uint32_t members = 0;

	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		const struct vdpr_member_info *info = &vdpr_member_info[m];
		const char *section = vdpr_section_name[info->section];
		size_t len = strlen(section);

		/* "vlan.ids" is "vlan": a section of one member has two names. */
		if (!strcmp(section, name) || !strcmp(info->name, name) ||
		    (info->key && !strncmp(section, name, len) &&
		     name[len] == '.' && !strcmp(info->key, name + len + 1)))
			members |= BIT(m);
	}
	return members;
}

static bool is_section_name(const char *name)
{
	return !strchr(name, '.');
}

/* "class_N". Return: N or -ENOENT. */
static int parse_class(const char *name)
{
	static const char prefix[] = "class_";
	uint64_t n;

	if (strncmp(name, prefix, strlen(prefix)) != 0 ||
	    vdpr_u64_parse(name + strlen(prefix), 255, &n) ||
	    n < VDPR_CLASS_FIRST_FOREIGN)
		return -ENOENT;
	return (int)n;
}

static int read_unknown_class(struct vdpr_json_reader *r,
			      const struct vdpr_json_at *at, unsigned int n)
{
	uint8_t *byte = &r->state->unknown_class[n / 8];
	uint8_t mask = (uint8_t)BIT(n % 8);

	if ((*byte & mask) && r->state->negotiated_known)
		return vdpr_json_bad(r, at, "\"class_%u\" is there twice", n);
	*byte |= mask;
	return 0;
}

/* A name that 4.2's tables do not have: of a newer version, or an error. */
static int read_unknown_foreign(struct vdpr_json_reader *r,
				const struct vdpr_json_at *at, const char *name)
{
	struct vdpr_strings *foreign = &r->state->foreign;
	char quote[VDPR_QUOTE];

	if (!r->newer) {
		if (!r->state->negotiated_known)
			return 0;
		return vdpr_json_bad(
			r, at,
			"%s is not a section or member that can be unknown",
			vdpr_quote(name, strlen(name), quote));
	}
	for (size_t i = 0; i < foreign->count; i++) {
		if (!strcmp(foreign->text[i], name))
			return 0;
	}
	if (foreign->count == FOREIGN_MAX)
		return vdpr_json_bad(
			r, at,
			"more than %u names that this version does not know",
			FOREIGN_MAX);
	if (vdpr_strings_add(foreign, name))
		return vdpr_fail_memory(r->ctx);
	return 0;
}

/* Without negotiated features nothing is required, and nothing is checked. */
static void mark_unchecked(struct vdpr_state *state, uint32_t members)
{
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		if ((members & BIT(m)) && vdpr_member_required(state, m) &&
		    state->member[m] == VDPR_ABSENT)
			state->member[m] = VDPR_UNKNOWN;
	}
}

static int mark_unknown(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const char *name,
			uint32_t members)
{
	struct vdpr_state *state = r->state;
	unsigned int first = (unsigned int)__builtin_ctz(members);
	bool any = false;

	if (is_section_name(name) &&
	    r->section_there[vdpr_member_info[first].section])
		return vdpr_json_bad(r, at, "\"%s\" is also present", name);
	for (unsigned int m = first; m < VDPR_MEMBER_COUNT; m++) {
		if (!(members & BIT(m)) || !vdpr_member_required(state, m))
			continue;
		any = true;
		if (state->member[m] == VDPR_UNKNOWN)
			return vdpr_json_bad(
				r, at,
				"\"%s\" is named before, by itself or its section",
				name);
		if (state->member[m] != VDPR_ABSENT)
			return vdpr_json_bad(r, at, "\"%s\" is also present",
					     name);
		state->member[m] = VDPR_UNKNOWN;
	}
	if (any)
		return 0;
	if (members == BIT(VDPR_HASH_REPORT) &&
	    vdpr_state_has_feature(state, VIRTIO_NET_F_HASH_REPORT) &&
	    state->member[VDPR_RSS] == VDPR_KNOWN)
		return vdpr_json_bad(
			r, at, "\"%s\" is not allowed while rss is in force",
			name);
	return vdpr_json_bad(
		r, at,
		"\"%s\" is not allowed: the negotiated features lack CTRL_VQ or %s",
		name, vdpr_feature_name(vdpr_member_feature(first)));
}

static int read_unknown_name(struct vdpr_json_reader *r,
			     const struct vdpr_json_at *at, const char *name)
{
	uint32_t members = members_of(name);
	int n = parse_class(name);

	if (n >= 0)
		return read_unknown_class(r, at, (unsigned int)n);
	if (!members)
		return read_unknown_foreign(r, at, name);
	if (r->state->negotiated_known)
		return mark_unknown(r, at, name, members);
	mark_unchecked(r->state, members);
	return 0;
}

static int read_unknown(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct vdpr_json_at here = { at, NULL, 0 };
	size_t count = 0;
	int err = vdpr_json_array(r, at, item, &count);

	(void)to;
	if (err)
		return err;
	for (const cJSON *c = item->child; c && !err; c = c->next) {
		const char *name = "";

		err = vdpr_json_text(r, &here, c, &name);
		if (!err)
			err = read_unknown_name(r, &here, name);
		here.index++;
	}
	return err;
}

/* ---------------------------------------------------------------------- top */

static int read_schema(struct vdpr_json_reader *r,
		       const struct vdpr_json_at *at, const cJSON *item,
		       void *to)
{
	const char *text = "";
	int err = vdpr_json_text(r, at, item, &text);

	(void)to;
	if (!err && strcmp(text, VDPR_STATE_SCHEMA) != 0)
		err = vdpr_json_bad(r, at, "it is not \"%s\"",
				    VDPR_STATE_SCHEMA);
	return err;
}

/* Read before anything else: a file for newer readers may hold anything. */
static int read_compat(struct vdpr_json_reader *r,
		       const struct vdpr_json_at *at, const cJSON *item,
		       void *to)
{
	struct vdpr_state *state = to;
	int err = vdpr_json_u64(r, at, item, 1, UINT32_MAX, &state->compat);

	if (err || state->compat == 1)
		return err;
	vdpr_fail(
		r->ctx, VDPR_CAUSE_INPUT, -EPROTONOSUPPORT,
		"compat: the file is for readers of version %llu and later, this one knows version 1",
		(unsigned long long)state->compat);
	vdpr_cure(r->ctx, "use a newer vdpa-restore");
	return -EPROTONOSUPPORT;
}

static int read_version(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct vdpr_state *state = to;
	int err = vdpr_json_u64(r, at, item, 1, UINT32_MAX, &state->version);

	r->newer = !err && state->version > 1;
	return err;
}

/* Features and config come before all that is judged by them. */
static const struct vdpr_json_field top_fields[] = {
	{ "schema", true, read_schema },
	{ "compat", true, read_compat },
	{ "version", true, read_version },
	{ "features", true, read_features },
	{ "config", true, read_config },
	{ "captured", false, read_captured },
	{ "device", false, read_device },
	{ "backend_features", false, read_backend },
	{ "origin", false, read_origin },
	{ "vendor", false, read_vendor },
};

static const struct vdpr_json_field unknown_field[] = {
	{ "unknown", true, read_unknown },
};

static bool is_top_key(const char *key)
{
	static const char *const others[] = { "announce", "vrings", "unknown" };

	for (size_t i = 0; i < ARRAY_SIZE(top_fields); i++) {
		if (!strcmp(top_fields[i].key, key))
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (!strcmp(others[i], key))
			return true;
	}
	for (size_t i = 0; i < VDPR_SECTION_COUNT; i++) {
		if (!strcmp(vdpr_section_name[i], key))
			return true;
	}
	return false;
}

static int read_field(struct vdpr_json_reader *r, const cJSON *root,
		      const struct vdpr_json_field *field)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, field->key);
	struct vdpr_json_at at = { NULL, field->key, 0 };

	if (item)
		return field->read(r, &at, item, r->state);
	return field->required ? vdpr_json_bad(r, &at, "missing") : 0;
}

static int read_foreign(struct vdpr_json_reader *r, const cJSON *root)
{
	int err = 0;

	for (const cJSON *c = root->child; c && !err; c = c->next) {
		struct vdpr_json_at at = { NULL, c->string, 0 };

		if (is_top_key(c->string))
			continue;
		err = vdpr_json_unknown_key(r, &at);
		if (!err)
			err = read_unknown_foreign(r, &at, c->string);
	}
	return err;
}

static int read_root(struct vdpr_json_reader *r, const cJSON *root)
{
	char why[VDPR_WHY];
	int err = 0;

	if (!cJSON_IsObject(root))
		return vdpr_json_bad(r, NULL,
				     "the file does not hold an object");
	for (size_t i = 0; i < ARRAY_SIZE(top_fields) && !err; i++)
		err = read_field(r, root, &top_fields[i]);
	if (!err)
		err = read_foreign(r, root);
	if (!err)
		err = vdpr_json_control(r, root);
	if (!err)
		err = read_field(r, root, unknown_field);
	if (!err && vdpr_state_check(r->state, why))
		err = vdpr_fail(r->ctx, VDPR_CAUSE_INPUT, -EBADMSG, "%s", why);
	return err;
}

static int parse_text(struct vdpr_json_reader *r, const char *text, size_t len)
{
	struct vdpr_json_fault fault;
	cJSON *root;
	int err = vdpr_json_scan(text, len, VDPR_STATE_DEPTH, &fault);

	if (err == -EBADMSG)
		return vdpr_fail(r->ctx, VDPR_CAUSE_INPUT, err,
				 "line %zu, column %zu: %s", fault.line,
				 fault.column, fault.why);
	if (err)
		return vdpr_fail_memory(r->ctx);
	root = cJSON_ParseWithLengthOpts(text, len, NULL, false);
	if (!root) /* the scan found nothing wrong: memory ran out */
		return vdpr_fail_memory(r->ctx);
	err = read_root(r, root);
	cJSON_Delete(root);
	return err;
}

int vdpr_state_parse(struct vdpr_ctx *ctx, const char *text, size_t len,
		     struct vdpr_state **out)
{
	struct vdpr_json_reader r = { .ctx = ctx };
	int err;

	if (len > VDPR_STATE_BYTES)
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, -EFBIG,
				 "the text is longer than %u bytes",
				 VDPR_STATE_BYTES);
	err = vdpr_state_new(ctx, &r.state);
	if (err)
		return err;
	err = parse_text(&r, text, len);
	if (err) {
		vdpr_state_free(r.state);
		return err;
	}
	*out = r.state;
	return 0;
}
