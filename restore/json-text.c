/* SPDX-License-Identifier: MIT */
/* The writer under all JSON that the library makes: commas, lines, strings. */
#include <stdio.h>
#include <string.h>

#include "restore/json-scan.h"
#include "restore/json-write.h"

static void new_line(struct vdpr_json_writer *w)
{
	if (w->compact)
		return;
	vdpr_buf_str(w->out, "\n");
	for (unsigned int i = 0; i < w->depth; i++)
		vdpr_buf_str(w->out, "  ");
}

/* What stands before a key, or before a value that has none. */
static void before(struct vdpr_json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->more)
		vdpr_buf_str(w->out, ",");
	if (w->depth)
		new_line(w);
}

void vdpr_json_open(struct vdpr_json_writer *w, char bracket)
{
	before(w);
	vdpr_buf_u8(w->out, (uint8_t)bracket);
	w->depth++;
	w->more = false;
}

void vdpr_json_close(struct vdpr_json_writer *w, char bracket)
{
	w->depth--;
	if (w->more)
		new_line(w);
	vdpr_buf_u8(w->out, (uint8_t)bracket);
	w->more = true;
}

void vdpr_json_key(struct vdpr_json_writer *w, const char *key)
{
	before(w);
	vdpr_json_string(w->out, key);
	vdpr_buf_str(w->out, w->compact ? ":" : ": ");
	w->after_key = true;
}

void vdpr_json_put_text(struct vdpr_json_writer *w, const char *text)
{
	before(w);
	vdpr_json_string(w->out, text);
	w->more = true;
}

static void put_plain(struct vdpr_json_writer *w, const char *text)
{
	before(w);
	vdpr_buf_str(w->out, text);
	w->more = true;
}

void vdpr_json_put_u64(struct vdpr_json_writer *w, uint64_t value)
{
	before(w);
	vdpr_buf_printf(w->out, "%llu", (unsigned long long)value);
	w->more = true;
}

void vdpr_json_put_bool(struct vdpr_json_writer *w, bool value)
{
	put_plain(w, value ? "true" : "false");
}

void vdpr_json_put_null(struct vdpr_json_writer *w)
{
	put_plain(w, "null");
}

static void put_escape(struct vdpr_buf *out, char c)
{
	static const char from[] = "\"\\\b\f\n\r\t";
	static const char to[] = "\"\\bfnrt";
	const char *hit = memchr(from, c, sizeof(from) - 1);

	if (hit)
		vdpr_buf_printf(out, "\\%c", to[hit - from]);
	else
		vdpr_buf_printf(out, "\\u%04x", (unsigned char)c);
}

void vdpr_json_string(struct vdpr_buf *out, const char *text)
{
	size_t left = strlen(text);
	size_t step;

	vdpr_buf_str(out, "\"");
	for (; left; text += step, left -= step) {
		step = vdpr_utf8_char(text, left);
		if (!step) {
			vdpr_buf_str(out, "\xef\xbf\xbd");
			step = 1;
		} else if ((unsigned char)*text < 0x20 || *text == '"' ||
			   *text == '\\') {
			put_escape(out, *text);
		} else {
			vdpr_buf_add(out, text, step);
		}
	}
	vdpr_buf_str(out, "\"");
}

/* -------------------------------------------------------------- plain values */

void vdpr_json_put_mac(struct vdpr_json_writer *w, const uint8_t mac[6])
{
	char text[VDPR_MAC_TEXT];

	vdpr_mac_format(mac, text);
	vdpr_json_put_text(w, text);
}

void vdpr_json_put_hex64(struct vdpr_json_writer *w, uint64_t value)
{
	char text[sizeof("0xffffffffffffffff")];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	vdpr_json_put_text(w, text);
}

void vdpr_json_put_bits(struct vdpr_json_writer *w, uint64_t bits,
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

void vdpr_json_put_strings(struct vdpr_json_writer *w,
			   const struct vdpr_strings *list)
{
	vdpr_json_open(w, '[');
	for (size_t i = 0; i < list->count; i++)
		vdpr_json_put_text(w, list->text[i]);
	vdpr_json_close(w, ']');
}

void vdpr_json_key_u64(struct vdpr_json_writer *w, const char *key,
		       uint64_t value)
{
	vdpr_json_key(w, key);
	vdpr_json_put_u64(w, value);
}

void vdpr_json_key_bool(struct vdpr_json_writer *w, const char *key, bool value)
{
	vdpr_json_key(w, key);
	vdpr_json_put_bool(w, value);
}

/* Nothing where @text is NULL. */
void vdpr_json_key_text(struct vdpr_json_writer *w, const char *key,
			const char *text)
{
	if (!text)
		return;
	vdpr_json_key(w, key);
	vdpr_json_put_text(w, text);
}
