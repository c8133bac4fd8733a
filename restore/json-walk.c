/* SPDX-License-Identifier: MIT */
/* Walks JSON text that was scanned before, without a tree and to the last digit. */
#include "restore/json-walk.h"

#include <errno.h>
#include <string.h>

#include "restore/json-scan.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	return at;
}

/* From a quote to after the one that ends the string. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		at += *at == '\\' && at + 1 < end;
	return at < end ? at + 1 : end;
}

/* From a bracket to after the one that belongs to it. */
static const char *skip_nested(const char *at, const char *end)
{
	unsigned int depth = 0;

	while (at < end) {
		char c = *at;

		if (c == '"') {
			at = skip_string(at, end);
			continue;
		}
		at++;
		depth += c == '{' || c == '[';
		if ((c == '}' || c == ']') && !--depth)
			break;
	}
	return at;
}

static const char *skip_word(const char *at, const char *end)
{
	while (at < end && !is_blank(*at) && !strchr(",]}:", *at))
		at++;
	return at;
}

/* The value that begins at @at or after the blanks there. */
static struct vdpr_json_value value_at(const char *at, const char *end)
{
	const char *start = skip_blanks(at, end);
	const char *stop;

	if (start == end)
		return (struct vdpr_json_value){ NULL, NULL };
	if (*start == '"')
		stop = skip_string(start, end);
	else if (*start == '{' || *start == '[')
		stop = skip_nested(start, end);
	else
		stop = skip_word(start, end);
	return (struct vdpr_json_value){ start, stop };
}

struct vdpr_json_value vdpr_value_root(const char *text, size_t len)
{
	return value_at(text, text + len);
}

enum vdpr_json_kind vdpr_value_kind(struct vdpr_json_value value)
{
	if (!value.at)
		return VDPR_JSON_NONE;
	switch (*value.at) {
	case '{':
		return VDPR_JSON_OBJECT;
	case '[':
		return VDPR_JSON_ARRAY;
	case '"':
		return VDPR_JSON_STRING;
	case 'n':
		return VDPR_JSON_NULL;
	case 't':
	case 'f':
		return VDPR_JSON_BOOL;
	default:
		return VDPR_JSON_NUMBER;
	}
}

/* ----------------------------------------------------------------- entries */

struct vdpr_json_walk vdpr_value_entries(struct vdpr_json_value value)
{
	enum vdpr_json_kind kind = vdpr_value_kind(value);
	struct vdpr_json_walk walk = { 0 };

	if (kind == VDPR_JSON_ARRAY || kind == VDPR_JSON_OBJECT) {
		walk.next = value.at;
		walk.end = value.end;
	}
	return walk;
}

/* @next is at the bracket that opens, or at the comma or bracket that follows
 * the entry before. */
bool vdpr_value_next(struct vdpr_json_walk *walk)
{
	const char *at = walk->next;

	if (!at || at >= walk->end || *at == ']' || *at == '}')
		return false;
	walk->value = value_at(at + 1, walk->end);
	if (!walk->value.at)
		return false;
	at = skip_blanks(walk->value.end, walk->end);
	if (at < walk->end && *at == ':') {
		walk->key = walk->value;
		walk->value = value_at(at + 1, walk->end);
		if (!walk->value.at)
			return false;
		at = skip_blanks(walk->value.end, walk->end);
	}
	walk->next = at;
	/* An empty array: what follows its bracket is the other bracket. */
	return walk->value.end > walk->value.at;
}

struct vdpr_json_value vdpr_value_member(struct vdpr_json_value object,
					 const char *key)
{
	struct vdpr_json_walk walk = vdpr_value_entries(object);

	while (vdpr_value_kind(object) == VDPR_JSON_OBJECT &&
	       vdpr_value_next(&walk)) {
		if (vdpr_value_equals(walk.key, key))
			return walk.value;
	}
	return (struct vdpr_json_value){ NULL, NULL };
}

/* ------------------------------------------------------------------ values */

bool vdpr_value_equals(struct vdpr_json_value value, const char *text)
{
	size_t len = strlen(text);

	return vdpr_value_kind(value) == VDPR_JSON_STRING &&
	       (size_t)(value.end - value.at) == len + 2 &&
	       !memcmp(value.at + 1, text, len);
}

int vdpr_value_number(struct vdpr_json_value value, uint64_t max, uint64_t *out)
{
	size_t len = (size_t)(value.end - value.at);
	char text[24];

	if (vdpr_value_kind(value) != VDPR_JSON_NUMBER || len >= sizeof(text))
		return -EBADMSG;
	memcpy(text, value.at, len);
	text[len] = '\0';
	return vdpr_u64_parse(text, max, out) ? -EBADMSG : 0;
}

int vdpr_value_truth(struct vdpr_json_value value, bool *out)
{
	if (vdpr_value_kind(value) != VDPR_JSON_BOOL)
		return -EBADMSG;
	*out = *value.at == 't';
	return 0;
}

int vdpr_value_string(struct vdpr_json_value value, char **out, size_t *len)
{
	_cleanup_buf_ struct vdpr_buf buf = { 0 };

	if (vdpr_value_kind(value) != VDPR_JSON_STRING ||
	    vdpr_json_unescape(value.at, (size_t)(value.end - value.at), &buf))
		return -EBADMSG;
	return vdpr_buf_take(&buf, out, len);
}
