/* SPDX-License-Identifier: MIT */
/* Reads a state file's text: its top level, and what stands around the state. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/json-item.h"
#include "restore/json-scan.h"
#include "restore/json-write.h"

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
STATE_READER(read_device_type, read_text, device.type)
STATE_READER(read_device_name, read_text, device.name)
STATE_READER(read_device_parent, read_text, device.parent)
STATE_READER(read_vendor_name, read_text, vendor.name)
STATE_READER(read_vendor_version, read_text, vendor.version)
STATE_READER(read_vendor_data, read_text, vendor.data)

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

static int read_backend(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct vdpr_state *state = to;

	state->has_backend_features = true;
	return vdpr_json_hex64(r, at, item, &state->backend_features);
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
	{ "features", true, vdpr_json_read_features },
	{ "config", true, vdpr_json_read_config },
	{ "captured", false, read_captured },
	{ "device", false, read_device },
	{ "backend_features", false, read_backend },
	{ "origin", false, read_origin },
	{ "vendor", false, read_vendor },
};

static const struct vdpr_json_field unknown_field[] = {
	{ "unknown", true, vdpr_json_read_unknown },
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
			err = vdpr_json_foreign(r, &at, c->string);
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

	if (vdpr_any_null(ctx, out) || (len && vdpr_any_null(ctx, text)))
		return -EINVAL;
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
