/* SPDX-License-Identifier: MIT */
/* Strict reading of JSON text before a parser sees it; text for messages. */
#ifndef VDPR_JSON_SCAN_H
#define VDPR_JSON_SCAN_H

#include "restore/util.h"

#define VDPR_JSON_FAULT 160

/* Where and why a text is refused; line and column (bytes) count from 1. */
struct vdpr_json_fault {
	size_t line;
	size_t column;
	char why[VDPR_JSON_FAULT]; /* one line, no control characters */
};

/* vdpr_json_scan() - is this exactly one JSON value, by the strictest reading?
 * @text: @len bytes; need not end in NUL.
 * @max_depth: of arrays and objects within each other.
 * @fault: set on -EBADMSG.
 *
 * cJSON lets pass much that two readers may understand differently. Refused
 * here: a BOM, invalid UTF-8, raw control characters, \u0000 and lone
 * surrogates, anything but an integer of at most 19 digits (no "-0", no leading
 * zero), a name that an object has twice however it is spelled, trailing bytes.
 * Return: 0, -EBADMSG, -ENOMEM.
 */
int vdpr_json_scan(const char *text, size_t len, unsigned int max_depth,
		   struct vdpr_json_fault *fault);

/* The same for what other programs write: any number that JSON allows. */
int vdpr_json_scan_any(const char *text, size_t len, unsigned int max_depth,
		       struct vdpr_json_fault *fault);

/* Appends what a string, with its quotes, stands for; check @out for memory.
 * Return: 0 or -EBADMSG. */
int vdpr_json_unescape(const char *text, size_t len, struct vdpr_buf *out);

/* Length of the UTF-8 character at @text (at most @left bytes), 0 if invalid. */
size_t vdpr_utf8_char(const char *text, size_t left);

/* Text from a file, in quotes, fit for a message: printable ASCII, cut short. */
#define VDPR_QUOTE 64
const char *vdpr_quote(const char *text, size_t len, char out[VDPR_QUOTE]);

#endif
