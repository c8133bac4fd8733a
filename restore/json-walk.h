/* SPDX-License-Identifier: MIT */
/* Walks JSON text that was scanned before, without a tree and to the last digit. */
#ifndef VDPR_JSON_WALK_H
#define VDPR_JSON_WALK_H

#include "restore/util.h"

/*
 * For what other programs write: large, with much in it that is of no interest,
 * and with integers of 64 bits, which a parser that keeps numbers as doubles
 * rounds. The text must have passed vdpr_json_scan_any(), so that nothing here
 * can fail for its form; it must live as long as what points into it.
 */

/* A value within the text, from its first character to after its last. */
struct vdpr_json_value {
	const char *at, *end; /* at == NULL: there is none */
};

enum vdpr_json_kind {
	VDPR_JSON_NONE,
	VDPR_JSON_NULL,
	VDPR_JSON_BOOL,
	VDPR_JSON_NUMBER,
	VDPR_JSON_STRING,
	VDPR_JSON_ARRAY,
	VDPR_JSON_OBJECT,
};

/* The whole text as a value. */
struct vdpr_json_value vdpr_value_root(const char *text, size_t len);

enum vdpr_json_kind vdpr_value_kind(struct vdpr_json_value value);

/* Goes over an object's members or an array's entries. */
struct vdpr_json_walk {
	const char *next, *end;
	struct vdpr_json_value key; /* of an object's member, with its quotes */
	struct vdpr_json_value value;
};

/* Begins with an array or object; anything else has no entries. */
struct vdpr_json_walk vdpr_value_entries(struct vdpr_json_value value);

/* Goes on to the next entry. Return: false after the last. */
bool vdpr_value_next(struct vdpr_json_walk *walk);

/* A member of an object, or a value of kind VDPR_JSON_NONE. Only members whose
 * name is written without escapes are found. */
struct vdpr_json_value vdpr_value_member(struct vdpr_json_value object,
					 const char *key);

/* Is it a string written exactly like this? */
bool vdpr_value_equals(struct vdpr_json_value value, const char *text);

/* The value of an integer of 0..@max. Return: 0 or -EBADMSG. */
int vdpr_value_number(struct vdpr_json_value value, uint64_t max,
		      uint64_t *out);

/* The value of true or false. Return: 0 or -EBADMSG. */
int vdpr_value_truth(struct vdpr_json_value value, bool *out);

/* A string's text, freed by the caller. Return: 0, -EBADMSG, -ENOMEM. */
int vdpr_value_string(struct vdpr_json_value value, char **out, size_t *len);

#endif
