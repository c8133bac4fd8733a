/* SPDX-License-Identifier: MIT */
/* Writes JSON: whole states, single sections, and plain values for others. */
#ifndef VDPR_JSON_WRITE_H
#define VDPR_JSON_WRITE_H

#include "restore/state.h"

#define VDPR_STATE_SCHEMA "vdpa-restore/state"
#define VDPR_STATE_BYTES (4u << 20)
#define VDPR_STATE_DEPTH 8

/*
 * A writer puts commas and line breaks; it runs out of memory silently, as its
 * buffer does (vdpr_buf_error()).
 */
struct vdpr_json_writer {
	struct vdpr_buf *out;
	bool compact; /* all on one line, without blanks */
	unsigned int depth;
	bool more; /* something stands before in this object or array */
	bool after_key;
};

void vdpr_json_open(struct vdpr_json_writer *w, char bracket);
void vdpr_json_close(struct vdpr_json_writer *w, char bracket);
void vdpr_json_key(struct vdpr_json_writer *w, const char *key);
void vdpr_json_put_text(struct vdpr_json_writer *w, const char *text);
void vdpr_json_put_u64(struct vdpr_json_writer *w, uint64_t value);
void vdpr_json_put_bool(struct vdpr_json_writer *w, bool value);
void vdpr_json_put_null(struct vdpr_json_writer *w);

void vdpr_json_put_mac(struct vdpr_json_writer *w, const uint8_t mac[6]);
void vdpr_json_put_hex64(struct vdpr_json_writer *w, uint64_t value);
/* An array of the names of the bits set. */
void vdpr_json_put_bits(struct vdpr_json_writer *w, uint64_t bits,
			const char *(*text_of)(unsigned int bit,
					       char text[VDPR_BIT_TEXT]));
void vdpr_json_put_strings(struct vdpr_json_writer *w,
			   const struct vdpr_strings *list);
/* A key and its value. */
void vdpr_json_key_u64(struct vdpr_json_writer *w, const char *key,
		       uint64_t value);
void vdpr_json_key_bool(struct vdpr_json_writer *w, const char *key,
			bool value);
/* Nothing at all where @text is NULL. */
void vdpr_json_key_text(struct vdpr_json_writer *w, const char *key,
			const char *text);

/* Appends a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void vdpr_json_string(struct vdpr_buf *out, const char *text);

/* The value of a member; null unless it is known. */
void vdpr_json_put_member(struct vdpr_json_writer *w,
			  const struct vdpr_state *state, enum vdpr_member m);
/* The value of a section with what is known of it; null if nothing is. */
void vdpr_json_put_section(struct vdpr_json_writer *w,
			   const struct vdpr_state *state,
			   enum vdpr_section section);
/* Values of other top-level keys, as a state file has them. */
void vdpr_json_put_features(struct vdpr_json_writer *w,
			    const struct vdpr_state *state);
void vdpr_json_put_config(struct vdpr_json_writer *w,
			  const struct vdpr_state *state);
void vdpr_json_put_announce(struct vdpr_json_writer *w,
			    const struct vdpr_state *state);
void vdpr_json_put_vrings(struct vdpr_json_writer *w,
			  const struct vdpr_state *state);

#endif
