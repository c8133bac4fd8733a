/* SPDX-License-Identifier: MIT */
/* Typed access to parsed JSON whose every failure names its path. */
#include "restore/json-item.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/json-scan.h"

/* -------------------------------------------------------------------- paths */

static bool is_plain_key(const char *key)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	size_t len = strlen(key);

	return len && len < VDPR_QUOTE && strspn(key, plain) == len;
}

void vdpr_json_path(const struct vdpr_json_at *at, struct vdpr_buf *out)
{
	char quote[VDPR_QUOTE];

	if (!at)
		return;
	vdpr_json_path(at->up, out);
	if (!at->key)
		vdpr_buf_printf(out, "[%zu]", at->index);
	else if (is_plain_key(at->key))
		vdpr_buf_printf(out, "%s%s", at->up ? "." : "", at->key);
	else
		vdpr_buf_printf(out, "[%s]",
				vdpr_quote(at->key, strlen(at->key), quote));
}

int vdpr_json_bad(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const char *fmt, ...)
{
	_cleanup_buf_ struct vdpr_buf path = { 0 };
	_cleanup_free_ char *why = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&why, fmt, args) < 0)
		why = NULL;
	va_end(args);
	vdpr_json_path(at, &path);
	if (!why || vdpr_buf_error(&path))
		return vdpr_fail_memory(r->ctx);
	return vdpr_fail(r->ctx, VDPR_CAUSE_INPUT, -EBADMSG, "%s%s%s",
			 path.data ? path.data : "", path.len ? ": " : "", why);
}

int vdpr_json_bad_in(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		     const char *why)
{
	_cleanup_buf_ struct vdpr_buf path = { 0 };

	vdpr_json_path(at, &path);
	vdpr_buf_printf(&path, ".%s", why);
	if (vdpr_buf_error(&path))
		return vdpr_fail_memory(r->ctx);
	return vdpr_fail(r->ctx, VDPR_CAUSE_INPUT, -EBADMSG, "%s", path.data);
}

/* ------------------------------------------------------------------ objects */

static const struct vdpr_json_field *
find_field(const struct vdpr_json_field *fields, size_t n_fields,
	   const char *key)
{
	for (size_t i = 0; i < n_fields; i++) {
		if (!strcmp(fields[i].key, key))
			return &fields[i];
	}
	return NULL;
}

int vdpr_json_unknown_key(struct vdpr_json_reader *r,
			  const struct vdpr_json_at *at)
{
	_cleanup_buf_ struct vdpr_buf path = { 0 };

	if (!r->newer)
		return vdpr_json_bad(r, at, "unknown key");
	vdpr_json_path(at, &path);
	vdpr_log(r->ctx, VDPR_LOG_WARNING,
		 "%s: unknown key of a newer version, ignored",
		 path.data ? path.data : "");
	return 0;
}

int vdpr_json_object(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		     const cJSON *item, const struct vdpr_json_field *fields,
		     size_t n_fields, void *to)
{
	int err = 0;

	if (!cJSON_IsObject(item))
		return vdpr_json_bad(r, at, "not an object");
	for (size_t i = 0; i < n_fields && !err; i++) {
		struct vdpr_json_at here = { at, fields[i].key, 0 };
		const cJSON *child =
			cJSON_GetObjectItemCaseSensitive(item, fields[i].key);

		if (child)
			err = fields[i].read(r, &here, child, to);
		else if (fields[i].required)
			err = vdpr_json_bad(r, &here, "missing");
	}
	for (const cJSON *c = item->child; c && !err; c = c->next) {
		struct vdpr_json_at here = { at, c->string, 0 };

		if (!find_field(fields, n_fields, c->string))
			err = vdpr_json_unknown_key(r, &here);
	}
	return err;
}

int vdpr_json_array(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, size_t *count)
{
	size_t n = 0;

	if (!cJSON_IsArray(item))
		return vdpr_json_bad(r, at, "not an array");
	for (const cJSON *c = item->child; c; c = c->next)
		n++;
	*count = n;
	return 0;
}

/* ------------------------------------------------------------------ numbers */

int vdpr_json_u64(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const cJSON *item, uint64_t min, uint64_t max, uint64_t *out)
{
	double value = item->valuedouble;

	if (!cJSON_IsNumber(item))
		return vdpr_json_bad(r, at, "not a number");
	/* The text was an integer; past 2^53 its double is another, but no limit
	 * is near that. */
	if (value < (double)min || value > (double)max)
		return vdpr_json_bad(r, at, "%.0f is not in %llu..%llu", value,
				     (unsigned long long)min,
				     (unsigned long long)max);
	*out = (uint64_t)value;
	return 0;
}

int vdpr_json_u32(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const cJSON *item, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t value = 0;
	int err = vdpr_json_u64(r, at, item, min, max, &value);

	if (!err)
		*out = (uint32_t)value;
	return err;
}

int vdpr_json_u16(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const cJSON *item, uint16_t min, uint16_t max, uint16_t *out)
{
	uint64_t value = 0;
	int err = vdpr_json_u64(r, at, item, min, max, &value);

	if (!err)
		*out = (uint16_t)value;
	return err;
}

int vdpr_json_bool(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		   const cJSON *item, bool *out)
{
	if (!cJSON_IsBool(item))
		return vdpr_json_bad(r, at, "not true or false");
	*out = cJSON_IsTrue(item);
	return 0;
}

/* --------------------------------------------------------------------- text */

int vdpr_json_text(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		   const cJSON *item, const char **out)
{
	if (!cJSON_IsString(item))
		return vdpr_json_bad(r, at, "not a string");
	*out = item->valuestring;
	return 0;
}

int vdpr_json_dup(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const cJSON *item, char **out)
{
	const char *text = "";
	char *copy;
	int err = vdpr_json_text(r, at, item, &text);

	if (err)
		return err;
	copy = strdup(text);
	if (!copy)
		return vdpr_fail_memory(r->ctx);
	free(*out);
	*out = copy;
	return 0;
}

/* A text of a certain form that is not what it should be. */
static int bad_text(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const char *text, const char *form)
{
	char quote[VDPR_QUOTE];

	return vdpr_json_bad(r, at, "%s is not %s",
			     vdpr_quote(text, strlen(text), quote), form);
}

int vdpr_json_features(struct vdpr_json_reader *r,
		       const struct vdpr_json_at *at, const cJSON *item,
		       struct vdpr_features *out)
{
	const char *text = "";
	int err = vdpr_json_text(r, at, item, &text);

	if (err)
		return err;
	if (vdpr_features_parse(text, out))
		return bad_text(r, at, text, "\"0x\" and 1 to 32 hex digits");
	return 0;
}

int vdpr_json_hex64(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, uint64_t *out)
{
	struct vdpr_features f = { { 0, 0 } };
	const char *text = "";
	int err = vdpr_json_text(r, at, item, &text);

	if (err)
		return err;
	if (vdpr_features_parse(text, &f) || strlen(text) > 2 + 16)
		return bad_text(r, at, text, "\"0x\" and 1 to 16 hex digits");
	*out = f.word[0];
	return 0;
}

int vdpr_json_mac(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const cJSON *item, uint8_t mac[6])
{
	const char *text = "";
	int err = vdpr_json_text(r, at, item, &text);

	if (err)
		return err;
	if (vdpr_mac_parse(text, mac))
		return bad_text(r, at, text, "six hex bytes with ':' between");
	return 0;
}

int vdpr_json_bits(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		   const cJSON *item, int (*bit_of)(const char *name),
		   uint64_t *out)
{
	struct vdpr_json_at here = { at, NULL, 0 };
	uint64_t bits = 0;
	size_t count;
	int err = vdpr_json_array(r, at, item, &count);

	if (err)
		return err;
	for (const cJSON *c = item->child; c; c = c->next, here.index++) {
		const char *name = "";
		int bit;

		err = vdpr_json_text(r, &here, c, &name);
		if (err)
			return err;
		bit = bit_of(name);
		if (bit < 0)
			return bad_text(r, &here, name, "a name known here");
		if (bits >> bit & 1)
			return vdpr_json_bad(r, &here, "\"%s\" is there twice",
					     name);
		bits |= BIT_ULL(bit);
	}
	*out = bits;
	return 0;
}
