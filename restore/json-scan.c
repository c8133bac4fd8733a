/* SPDX-License-Identifier: MIT */
/* Strict reading of JSON text before a parser sees it; text for messages. */
#include "restore/json-scan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A name in an object that is still open; its decoded bytes are in names. */
struct name {
	size_t offset, len;
	size_t at; /* in the text */
};

struct scan {
	const char *text;
	size_t len;
	size_t at;
	unsigned int depth, max_depth;
	bool any_number; /* any that JSON has, not the few of our formats */
	struct vdpr_buf names;
	struct name *name; /* of all open objects, innermost last */
	size_t n_names, cap_names;
	struct vdpr_json_fault *fault;
};

static int scan_value(struct scan *s);

/* --------------------------------------------------------------- messages */

const char *vdpr_quote(const char *text, size_t len, char out[VDPR_QUOTE])
{
	static const char dots[] = "...\"";
	size_t at = 0;

	out[at++] = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

		/* Room for the longest piece and what ends the text. */
		if (at + 4 + sizeof(dots) > VDPR_QUOTE) {
			memcpy(out + at, dots, sizeof(dots));
			return out;
		}
		if (plain)
			out[at++] = (char)c;
		else
			at += (size_t)snprintf(out + at, 5, "\\x%02x", c);
	}
	out[at++] = '"';
	out[at] = '\0';
	return out;
}

static int fail_at(struct scan *s, size_t at, const char *fmt, ...)
	VDPR_PRINTF(3, 4);

static int fail_at(struct scan *s, size_t at, const char *fmt, ...)
{
	struct vdpr_json_fault *fault = s->fault;
	size_t line_start = 0;
	va_list args;

	fault->line = 1;
	for (size_t i = 0; i < at && i < s->len; i++) {
		if (s->text[i] != '\n')
			continue;
		fault->line++;
		line_start = i + 1;
	}
	fault->column = at - line_start + 1;
	va_start(args, fmt);
	vsnprintf(fault->why, sizeof(fault->why), fmt, args);
	va_end(args);
	return -EBADMSG;
}

/* What stands where something else should. */
static int fail_expected(struct scan *s, const char *expected)
{
	char quote[VDPR_QUOTE];

	if (s->at >= s->len)
		return fail_at(s, s->at, "the text ends where %s should stand",
			       expected);
	return fail_at(s, s->at, "%s stands where %s should",
		       vdpr_quote(s->text + s->at, 1, quote), expected);
}

/* ------------------------------------------------------------------ letters */

size_t vdpr_utf8_char(const char *text, size_t left)
{
	/* Least code point that needs so many bytes: shorter forms are refused. */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)text[0];
	size_t need = c < 0x80		   ? 1
		      : (c & 0xe0) == 0xc0 ? 2
		      : (c & 0xf0) == 0xe0 ? 3
		      : (c & 0xf8) == 0xf0 ? 4
					   : 0;
	uint32_t point = need > 1 ? c & (0x7fu >> need) : c;

	if (!need || need > left)
		return 0;
	for (size_t i = 1; i < need; i++) {
		unsigned char next = (unsigned char)text[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (next & 0x3f);
	}
	if (point < least[need] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return need;
}

static void add_utf8(struct vdpr_buf *out, uint32_t point)
{
	if (point < 0x80) {
		vdpr_buf_u8(out, (uint8_t)point);
		return;
	}
	if (point < 0x800) {
		vdpr_buf_u8(out, (uint8_t)(0xc0 | point >> 6));
	} else {
		if (point < 0x10000) {
			vdpr_buf_u8(out, (uint8_t)(0xe0 | point >> 12));
		} else {
			vdpr_buf_u8(out, (uint8_t)(0xf0 | point >> 18));
			vdpr_buf_u8(out, (uint8_t)(0x80 | (point >> 12 & 63)));
		}
		vdpr_buf_u8(out, (uint8_t)(0x80 | (point >> 6 & 63)));
	}
	vdpr_buf_u8(out, (uint8_t)(0x80 | (point & 63)));
}

/* ------------------------------------------------------------------ strings */

/* Four hex digits after "\u". Return: 0 or -EBADMSG. */
static int scan_hex4(struct scan *s, uint32_t *out)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < 4; i++, s->at++) {
		int digit = s->at < s->len ? vdpr_hex_digit(s->text[s->at])
					   : -1;

		if (digit < 0)
			return fail_expected(s, "a hex digit");
		value = value << 4 | (uint32_t)digit;
	}
	*out = value;
	return 0;
}

static int scan_unicode(struct scan *s, size_t start, struct vdpr_buf *out)
{
	uint32_t high = 0, low = 0;

	if (scan_hex4(s, &high))
		return -EBADMSG;
	if (!high)
		return fail_at(s, start, "\\u0000 is not allowed");
	if (high >= 0xd800 && high <= 0xdbff) {
		if (s->len - s->at < 6 ||
		    memcmp(s->text + s->at, "\\u", 2) != 0)
			return fail_at(s, start, "half of a surrogate pair");
		s->at += 2;
		if (scan_hex4(s, &low))
			return -EBADMSG;
		if (low < 0xdc00 || low > 0xdfff)
			return fail_at(s, start, "half of a surrogate pair");
		high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	} else if (high >= 0xdc00 && high <= 0xdfff) {
		return fail_at(s, start, "half of a surrogate pair");
	}
	if (out)
		add_utf8(out, high);
	return 0;
}

/* An escape, from its backslash on. */
static int scan_escape(struct scan *s, struct vdpr_buf *out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	size_t start = s->at++;
	const char *hit;

	if (s->at >= s->len)
		return fail_expected(s, "the rest of an escape");
	if (s->text[s->at] == 'u') {
		s->at++;
		return scan_unicode(s, start, out);
	}
	hit = memchr(from, s->text[s->at], sizeof(from) - 1);
	if (!hit)
		return fail_at(s, start, "an escape that JSON does not know");
	if (out)
		vdpr_buf_u8(out, (uint8_t)to[hit - from]);
	s->at++;
	return 0;
}

/* A string, from its quote on; decoded to @out unless that is NULL. */
static int scan_string(struct scan *s, struct vdpr_buf *out)
{
	size_t step;

	for (s->at++; s->at < s->len; s->at += step) {
		char c = s->text[s->at];

		if (c == '"') {
			s->at++;
			return 0;
		}
		if ((unsigned char)c < 0x20)
			return fail_at(s, s->at,
				       "a raw control character in a string");
		if (c == '\\') {
			step = 0;
			if (scan_escape(s, out))
				return -EBADMSG;
			continue;
		}
		step = vdpr_utf8_char(s->text + s->at, s->len - s->at);
		if (!step)
			return fail_at(s, s->at, "invalid UTF-8");
		if (out)
			vdpr_buf_add(out, s->text + s->at, step);
	}
	return fail_expected(s, "the end of a string");
}

/* ------------------------------------------------------ numbers and literals */

static bool is_digit(const struct scan *s)
{
	return s->at < s->len && s->text[s->at] >= '0' && s->text[s->at] <= '9';
}

/* Is the next character one of @set? NUL never is. */
static bool is_one_of(const struct scan *s, const char *set)
{
	return s->at < s->len && s->text[s->at] && strchr(set, s->text[s->at]);
}

/* At least one digit. Return: 0 or -EBADMSG. */
static int scan_digits(struct scan *s)
{
	if (!is_digit(s))
		return fail_expected(s, "a digit");
	while (is_digit(s))
		s->at++;
	return 0;
}

/* What may follow the digits of a number: ".5", "e-3". */
static int scan_fraction(struct scan *s)
{
	int err = 0;

	if (is_one_of(s, ".")) {
		s->at++;
		err = scan_digits(s);
	}
	if (err || !is_one_of(s, "eE"))
		return err;
	s->at++;
	s->at += is_one_of(s, "+-");
	return scan_digits(s);
}

static int scan_number(struct scan *s)
{
	size_t start = s->at;
	size_t digits;
	bool negative = s->text[s->at] == '-';

	s->at += negative;
	digits = s->at;
	if (scan_digits(s))
		return -EBADMSG;
	if (s->text[digits] == '0' && s->at - digits > 1)
		return fail_at(s, start, "a number with a leading zero");
	if (s->any_number)
		return scan_fraction(s);
	if (s->text[digits] == '0' && negative)
		return fail_at(s, start, "-0 is not a number here");
	if (s->at - digits > 19)
		return fail_at(s, start, "a number of more than 19 digits");
	if (is_one_of(s, ".eE"))
		return fail_at(s, start,
			       "a number with a fraction or an exponent");
	return 0;
}

static int scan_literal(struct scan *s)
{
	static const char *const literals[] = { "true", "false", "null" };

	for (size_t i = 0; i < ARRAY_SIZE(literals); i++) {
		size_t len = strlen(literals[i]);

		if (s->len - s->at < len ||
		    memcmp(s->text + s->at, literals[i], len) != 0)
			continue;
		s->at += len;
		return 0;
	}
	return fail_expected(s, "a value");
}

/* ------------------------------------------------------- arrays and objects */

static void skip_blanks(struct scan *s)
{
	while (is_one_of(s, " \t\n\r"))
		s->at++;
}

/* The next character after blanks, or NUL at the end. */
static char peek(struct scan *s)
{
	skip_blanks(s);
	if (s->at >= s->len)
		return '\0';
	return s->text[s->at];
}

static int order_names(const void *a, const void *b, void *data)
{
	const struct scan *s = data;
	const struct name *x = a;
	const struct name *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = len ? memcmp(s->names.data + x->offset,
				 s->names.data + y->offset, len)
			: 0;

	if (order)
		return order;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Sorted, so that a file of a million names costs no square of it. */
static int check_names(struct scan *s, size_t first)
{
	struct name *name;
	size_t count = s->n_names - first;
	size_t twice = SIZE_MAX;
	char quote[VDPR_QUOTE];

	if (count < 2)
		return 0;
	name = s->name + first;
	qsort_r(name, count, sizeof(*name), order_names, s);
	for (size_t i = 1; i < count; i++) {
		if (name[i].len != name[i - 1].len ||
		    memcmp(s->names.data + name[i].offset,
			   s->names.data + name[i - 1].offset,
			   name[i].len) != 0)
			continue;
		if (twice == SIZE_MAX || name[i].at < name[twice].at)
			twice = i;
	}
	if (twice == SIZE_MAX)
		return 0;
	return fail_at(s, name[twice].at, "the key %s is there twice",
		       vdpr_quote(s->names.data + name[twice].offset,
				  name[twice].len, quote));
}

static int scan_name(struct scan *s)
{
	struct name *name;
	size_t cap;
	int err;

	if (peek(s) != '"')
		return fail_expected(s, "a key in quotes");
	if (s->n_names == s->cap_names) {
		cap = s->cap_names ? 2 * s->cap_names : 64;
		name = reallocarray(s->name, cap, sizeof(*name));
		if (!name)
			return -ENOMEM;
		s->name = name;
		s->cap_names = cap;
	}
	name = &s->name[s->n_names];
	name->at = s->at;
	name->offset = s->names.len;
	vdpr_buf_add(&s->names, "", 0); /* so that data is there for "" too */
	err = scan_string(s, &s->names);
	if (err)
		return err;
	name->len = s->names.len - name->offset;
	s->n_names++;
	if (peek(s) != ':')
		return fail_expected(s, "':'");
	s->at++;
	return vdpr_buf_error(&s->names);
}

/* An array or object, from its bracket on. */
static int scan_members(struct scan *s, bool object)
{
	const char end = object ? '}' : ']';
	int err;

	s->at++;
	if (peek(s) == end) {
		s->at++;
		return 0;
	}
	for (;;) {
		err = object ? scan_name(s) : 0;
		if (!err)
			err = scan_value(s);
		if (err)
			return err;
		if (peek(s) == end)
			break;
		if (peek(s) != ',')
			return fail_expected(s, object ? "',' or '}'"
						       : "',' or ']'");
		s->at++;
	}
	s->at++;
	return 0;
}

static int scan_nested(struct scan *s, bool object)
{
	size_t first = s->n_names;
	size_t bytes = s->names.len;
	int err;

	if (s->depth == s->max_depth)
		return fail_at(s, s->at, "nested deeper than %u", s->max_depth);
	s->depth++;
	err = scan_members(s, object);
	s->depth--;
	if (!err && object)
		err = check_names(s, first);
	s->n_names = first;
	s->names.len = bytes;
	return err;
}

static int scan_value(struct scan *s)
{
	char c = peek(s);

	if (c == '{' || c == '[')
		return scan_nested(s, c == '{');
	if (c == '"')
		return scan_string(s, NULL);
	if (c == '-' || is_digit(s))
		return scan_number(s);
	return scan_literal(s);
}

static int scan_all(struct scan *s)
{
	int err;

	if (s->len >= 3 && !memcmp(s->text, "\xef\xbb\xbf", 3))
		return fail_at(s, 0, "a byte order mark is not allowed");
	err = scan_value(s);
	if (!err) {
		skip_blanks(s);
		if (s->at < s->len)
			err = fail_at(s, s->at,
				      "something follows the end of the value");
	}
	vdpr_buf_free(&s->names);
	free(s->name);
	return err;
}

int vdpr_json_scan(const char *text, size_t len, unsigned int max_depth,
		   struct vdpr_json_fault *fault)
{
	struct scan s = {
		.text = text, .len = len, .max_depth = max_depth, .fault = fault
	};

	return scan_all(&s);
}

int vdpr_json_scan_any(const char *text, size_t len, unsigned int max_depth,
		       struct vdpr_json_fault *fault)
{
	struct scan s = { .text = text,
			  .len = len,
			  .max_depth = max_depth,
			  .any_number = true,
			  .fault = fault };

	return scan_all(&s);
}

int vdpr_json_unescape(const char *text, size_t len, struct vdpr_buf *out)
{
	struct vdpr_json_fault fault;
	struct scan s = { .text = text, .len = len, .fault = &fault };

	vdpr_buf_add(out, "", 0); /* so that data is there for "" too */
	return len && text[0] == '"' ? scan_string(&s, out) : -EBADMSG;
}
