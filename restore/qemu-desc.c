/* SPDX-License-Identifier: MIT */
/* QEMU streams: the description at the end, JSON that says how long each is. */
#include <errno.h>
#include <string.h>

#include "restore/qemu-stream.h"

/*
 * Theory of operation. The text grows with the machine - each of its processors
 * has a list of some hundred fields - and only a name and a sum of each device
 * are wanted. So it is read as it comes, byte by byte, and never held. What is
 * summed up:
 *
 *   devices[]: name, instance_id, and
 *     fields[]: size * array_len (1 where there is none)
 *     subsections[]: a header with vmsd_name, then fields[] and subsections[]
 *
 * A field's own "struct" repeats in detail what its size counts already.
 */

#define DEPTH_MOST 64
#define DEVICES_MOST (1u << 20)

/* What an object or an array is, told by its key and by what it is in. */
enum role {
	OTHER,
	ROOT,
	DEVICES,
	DEVICE,
	FIELDS,
	FIELD,
	SUBSECTIONS,
	SUBSECTION,
};

/* Where in the syntax the next byte is. */
enum want {
	WANT_VALUE,
	WANT_VALUE_OR_END, /* of an array just begun */
	WANT_KEY,
	WANT_KEY_OR_END, /* of an object just begun */
	WANT_COLON,
	WANT_NEXT, /* a comma or an end */
	WANT_NOTHING,
};

enum token {
	NO_TOKEN,
	STRING,
	ESCAPE,
	ESCAPE_HEX,
	NUMBER,
	WORD, /* true, false, null */
};

struct level {
	enum role role;
	bool is_object;
};

struct vdpr_qemu_desc {
	enum want want;
	enum token token;
	unsigned int hex_left;
	bool is_key;
	size_t depth;
	struct level level[DEPTH_MOST];
	char key[16];	 /* the last one, or "" where it was longer */
	char text[256];	 /* of a string or a number */
	size_t text_len; /* it may be longer than @text holds */
	uint64_t field_size, field_count;
	struct vdpr_qemu_device device; /* the present one */
	struct vdpr_qemu_device *all;
	size_t count, room;
	bool has_devices;
	uint64_t page_size;
	int err;
};

struct vdpr_qemu_desc *vdpr_qemu_desc_new(void)
{
	return calloc(1, sizeof(struct vdpr_qemu_desc));
}

void vdpr_qemu_desc_free(struct vdpr_qemu_desc *desc)
{
	if (desc)
		free(desc->all);
	free(desc);
}

bool vdpr_qemu_desc_done(const struct vdpr_qemu_desc *desc)
{
	return !desc->err && desc->want == WANT_NOTHING && !desc->depth &&
	       desc->has_devices;
}

const struct vdpr_qemu_device *
vdpr_qemu_desc_devices(const struct vdpr_qemu_desc *desc, size_t *count)
{
	*count = desc->count;
	return desc->all;
}

uint64_t vdpr_qemu_desc_page_size(const struct vdpr_qemu_desc *desc)
{
	return desc->page_size;
}

/* ------------------------------------------------------------------ meaning */

static enum role top(const struct vdpr_qemu_desc *d)
{
	return d->depth ? d->level[d->depth - 1].role : OTHER;
}

static enum role object_role(const struct vdpr_qemu_desc *d)
{
	if (!d->depth)
		return ROOT;
	switch (top(d)) {
	case DEVICES:
		return DEVICE;
	case FIELDS:
		return FIELD;
	case SUBSECTIONS:
		return SUBSECTION;
	default:
		return OTHER;
	}
}

static enum role array_role(const struct vdpr_qemu_desc *d)
{
	bool has_fields = top(d) == DEVICE || top(d) == SUBSECTION;

	if (top(d) == ROOT && !strcmp(d->key, "devices"))
		return DEVICES;
	if (has_fields && !strcmp(d->key, "fields"))
		return FIELDS;
	if (has_fields && !strcmp(d->key, "subsections"))
		return SUBSECTIONS;
	return OTHER;
}

/* A stream of so many bytes cannot be. */
static void add_size(struct vdpr_qemu_desc *d, uint64_t each, uint64_t count)
{
	uint64_t sum;

	if (__builtin_mul_overflow(each, count, &sum) ||
	    __builtin_add_overflow(sum, d->device.size, &sum) ||
	    sum > INT64_MAX)
		d->err = -EBADMSG;
	else
		d->device.size = sum;
}

static void add_device(struct vdpr_qemu_desc *d)
{
	if (!d->device.name_len || d->count == DEVICES_MOST) {
		d->err = -EBADMSG;
		return;
	}
	if (d->count == d->room) {
		size_t room = d->room ? 2 * d->room : 64;
		struct vdpr_qemu_device *all =
			realloc(d->all, room * sizeof(*all));

		if (!all) {
			d->err = -ENOMEM;
			return;
		}
		d->all = all;
		d->room = room;
	}
	d->all[d->count++] = d->device;
}

static void begin(struct vdpr_qemu_desc *d, bool is_object)
{
	enum role role = is_object ? object_role(d) : array_role(d);

	if (d->depth == DEPTH_MOST || (!d->depth && !is_object)) {
		d->err = -EBADMSG;
		return;
	}
	d->level[d->depth++] = (struct level){ role, is_object };
	d->want = is_object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
	if (role == DEVICES)
		d->has_devices = true;
	else if (role == DEVICE)
		d->device = (struct vdpr_qemu_device){ 0 };
	else if (role == FIELD)
		d->field_size = 0, d->field_count = 1;
}

static void after_value(struct vdpr_qemu_desc *d)
{
	d->want = d->depth ? WANT_NEXT : WANT_NOTHING;
}

static void finish(struct vdpr_qemu_desc *d, bool is_object)
{
	if (!d->depth || d->level[d->depth - 1].is_object != is_object) {
		d->err = -EBADMSG;
		return;
	}
	if (top(d) == FIELD)
		add_size(d, d->field_size, d->field_count);
	else if (top(d) == DEVICE)
		add_device(d);
	d->depth--;
	after_value(d);
}

static void take_name(struct vdpr_qemu_desc *d)
{
	if (!d->text_len || d->text_len > 255) {
		d->err = -EBADMSG;
		return;
	}
	d->device.name_len = (uint8_t)d->text_len;
	d->device.name_hash = vdpr_qemu_name_hash(d->text, d->text_len);
	d->device.is_nic = vdpr_qemu_name_is_nic(d->text, d->text_len);
}

static void take_string(struct vdpr_qemu_desc *d)
{
	if (d->is_key) {
		bool fits = d->text_len < sizeof(d->key);

		memcpy(d->key, d->text, fits ? d->text_len : 0);
		d->key[fits ? d->text_len : 0] = '\0';
		d->want = WANT_COLON;
		return;
	}
	if (top(d) == DEVICE && !strcmp(d->key, "name"))
		take_name(d);
	else if (top(d) == SUBSECTION && !strcmp(d->key, "vmsd_name"))
		add_size(d, 6 + d->text_len, 1);
	after_value(d);
}

static void take_number(struct vdpr_qemu_desc *d)
{
	uint64_t value;
	bool plain;

	d->text[d->text_len < 255 ? d->text_len : 255] = '\0';
	plain = !vdpr_u64_parse(d->text, INT64_MAX, &value);
	after_value(d);
	if (top(d) == FIELD && !strcmp(d->key, "size")) {
		d->field_size = value;
	} else if (top(d) == FIELD && !strcmp(d->key, "array_len")) {
		d->field_count = value;
	} else if (top(d) == DEVICE && !strcmp(d->key, "instance_id")) {
		plain = plain && value <= UINT32_MAX;
		d->device.instance = (uint32_t)value;
	} else if (top(d) == ROOT && !strcmp(d->key, "page_size")) {
		d->page_size = value;
	} else {
		return;
	}
	if (!plain)
		d->err = -EBADMSG;
}

static void take_word(struct vdpr_qemu_desc *d)
{
	d->text[d->text_len < 255 ? d->text_len : 255] = '\0';
	if (strcmp(d->text, "true") != 0 && strcmp(d->text, "false") != 0 &&
	    strcmp(d->text, "null") != 0)
		d->err = -EBADMSG;
	after_value(d);
}

/* ------------------------------------------------------------------- tokens */

static void keep(struct vdpr_qemu_desc *d, uint8_t c)
{
	if (d->text_len < sizeof(d->text) - 1)
		d->text[d->text_len] = (char)c;
	d->text_len++;
}

static void start_token(struct vdpr_qemu_desc *d, enum token token, uint8_t c)
{
	d->token = token;
	d->text_len = 0;
	if (token == STRING)
		d->is_key = d->want == WANT_KEY || d->want == WANT_KEY_OR_END;
	else
		keep(d, c);
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

/* A byte where a value may begin. */
static void value_byte(struct vdpr_qemu_desc *d, uint8_t c)
{
	if (c == '{' || c == '[')
		begin(d, c == '{');
	else if (c == ']' && d->want == WANT_VALUE_OR_END)
		finish(d, false);
	else if (d->depth && c == '"')
		start_token(d, STRING, c);
	else if (d->depth && (is_digit(c) || c == '-'))
		start_token(d, NUMBER, c);
	else if (d->depth && is_letter(c))
		start_token(d, WORD, c);
	else
		d->err = -EBADMSG;
}

/* A byte outside of tokens. */
static void plain_byte(struct vdpr_qemu_desc *d, uint8_t c)
{
	bool is_object = d->depth && d->level[d->depth - 1].is_object;

	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		return;
	if (d->want == WANT_VALUE || d->want == WANT_VALUE_OR_END) {
		value_byte(d, c);
		return;
	}
	if (d->want == WANT_COLON && c == ':')
		d->want = WANT_VALUE;
	else if (d->want == WANT_NEXT && c == ',')
		d->want = is_object ? WANT_KEY : WANT_VALUE;
	else if (d->want == WANT_NEXT && (c == '}' || c == ']'))
		finish(d, c == '}');
	else if (d->want == WANT_KEY_OR_END && c == '}')
		finish(d, true);
	else if ((d->want == WANT_KEY || d->want == WANT_KEY_OR_END) &&
		 c == '"')
		start_token(d, STRING, c);
	else
		d->err = -EBADMSG;
}

/* Escapes stand for characters that no name has that is looked for. */
static void string_byte(struct vdpr_qemu_desc *d, uint8_t c)
{
	if (d->token == ESCAPE) {
		if (!c || !strchr("\"\\/bfnrtu", c))
			d->err = -EBADMSG;
		d->hex_left = 4;
		d->token = c == 'u' ? ESCAPE_HEX : STRING;
		keep(d, c == '"' || c == '\\' || c == '/' ? c : '?');
	} else if (d->token == ESCAPE_HEX) {
		if (vdpr_hex_digit((char)c) < 0)
			d->err = -EBADMSG;
		if (!--d->hex_left)
			d->token = STRING;
	} else if (c == '\\') {
		d->token = ESCAPE;
	} else if (c == '"') {
		d->token = NO_TOKEN;
		take_string(d);
	} else if (c < 0x20) {
		d->err = -EBADMSG;
	} else {
		keep(d, c);
	}
}

static void one_byte(struct vdpr_qemu_desc *d, uint8_t c)
{
	switch (d->token) {
	case STRING:
	case ESCAPE:
	case ESCAPE_HEX:
		string_byte(d, c);
		return;
	case NUMBER:
		if (is_digit(c) || c == '.' || c == 'e' || c == 'E' ||
		    c == '+' || c == '-') {
			keep(d, c);
			return;
		}
		take_number(d);
		break;
	case WORD:
		if (is_letter(c)) {
			keep(d, c);
			return;
		}
		take_word(d);
		break;
	case NO_TOKEN:
		break;
	}
	d->token = NO_TOKEN;
	if (!d->err)
		plain_byte(d, c);
}

int vdpr_qemu_desc_feed(struct vdpr_qemu_desc *desc, const uint8_t *text,
			size_t len)
{
	for (size_t i = 0; i < len && !desc->err; i++)
		one_byte(desc, text[i]);
	return desc->err;
}
