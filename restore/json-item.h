/* SPDX-License-Identifier: MIT */
/* Typed access to parsed JSON whose every failure names its path. */
#ifndef VDPR_JSON_ITEM_H
#define VDPR_JSON_ITEM_H

#include <cjson/cJSON.h>

#include "restore/state.h"

/* What the readers of one file share. */
struct vdpr_json_reader {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	bool newer; /* version > 1: unknown keys are ignored with a warning */
	bool section_there[VDPR_SECTION_COUNT];
};

/*
 * Where in the file a reader is: a chain of stack frames, so that a path costs
 * nothing until something is wrong. The top is NULL.
 */
struct vdpr_json_at {
	const struct vdpr_json_at *up;
	const char *key; /* NULL: an array's entry */
	size_t index;
};

/*
 * All readers below: @at is the place of @item. Return: 0, -EBADMSG with the
 * path and the reason in the context, -ENOMEM.
 */

/* One key of an object. */
struct vdpr_json_field {
	const char *key;
	bool required;
	int (*read)(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, void *to);
};

/* Records "PATH: reason". Return: -EBADMSG. */
int vdpr_json_bad(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const char *fmt, ...) VDPR_PRINTF(3, 4);

/* Records "PATH.WHY", where @why begins with a key within @at. */
int vdpr_json_bad_in(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		     const char *why);

/* "PATH" as people write it, to @out. */
void vdpr_json_path(const struct vdpr_json_at *at, struct vdpr_buf *out);

/* Reads an object key by key in the order of @fields, handing @to to each. */
int vdpr_json_object(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		     const cJSON *item, const struct vdpr_json_field *fields,
		     size_t n_fields, void *to);

/* A key that the format does not have: an error, or a warning if newer. */
int vdpr_json_unknown_key(struct vdpr_json_reader *r,
			  const struct vdpr_json_at *at);

/* Is it an array? @count: its entries. */
int vdpr_json_array(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, size_t *count);

int vdpr_json_u64(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const cJSON *item, uint64_t min, uint64_t max, uint64_t *out);
int vdpr_json_u32(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const cJSON *item, uint32_t min, uint32_t max, uint32_t *out);
int vdpr_json_u16(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const cJSON *item, uint16_t min, uint16_t max, uint16_t *out);
int vdpr_json_bool(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		   const cJSON *item, bool *out);
/* @out is borrowed from @item. */
int vdpr_json_text(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		   const cJSON *item, const char **out);
/* @out is a copy; what it held is freed. */
int vdpr_json_dup(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const cJSON *item, char **out);
int vdpr_json_features(struct vdpr_json_reader *r,
		       const struct vdpr_json_at *at, const cJSON *item,
		       struct vdpr_features *out);
/* "0x" and 1..16 hex digits. */
int vdpr_json_hex64(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, uint64_t *out);
int vdpr_json_mac(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		  const cJSON *item, uint8_t mac[6]);
/* An array of bit names, each at most once, in any order. */
int vdpr_json_bits(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		   const cJSON *item, int (*bit_of)(const char *name),
		   uint64_t *out);

/* Reads a config object, of a state file or a transcript. Values are checked, but
 * not against the features: that is vdpr_check_config(). */
int vdpr_json_config(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		     const cJSON *item, struct vdpr_net_config *out);

/* Value of a member of the control sections; null is not among them. */
int vdpr_json_value(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, enum vdpr_member m);

/* Fields of the top level; @to is the state. */
int vdpr_json_read_features(struct vdpr_json_reader *r,
			    const struct vdpr_json_at *at, const cJSON *item,
			    void *to);
int vdpr_json_read_config(struct vdpr_json_reader *r,
			  const struct vdpr_json_at *at, const cJSON *item,
			  void *to);
/* After all sections: a name may not be there too. */
int vdpr_json_read_unknown(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   void *to);
/* A name that the tables do not have: of a newer version, or an error. */
int vdpr_json_foreign(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		      const char *name);

/* Reads all control sections, announce and vrings of @root. */
int vdpr_json_control(struct vdpr_json_reader *r, const cJSON *root);

#endif
