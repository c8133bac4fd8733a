/* SPDX-License-Identifier: MIT */
/* The items that a state consists of, as merging sees them. */
#ifndef VDPR_STATE_KIND_H
#define VDPR_STATE_KIND_H

#include "restore/json-write.h"

enum vdpr_kind {
	VDPR_KIND_OFFERED,
	VDPR_KIND_NEGOTIATED,
	VDPR_KIND_BACKEND,
	VDPR_KIND_CONFIG,
	VDPR_KIND_MEMBER,
	VDPR_KIND_DEVICE,
	VDPR_KIND_ANNOUNCE,
	VDPR_KIND_VRINGS,
	VDPR_KIND_VENDOR,
};

struct vdpr_item {
	enum vdpr_kind kind;
	unsigned int n; /* which member of config or of the control sections */
	/* "section" or "section.member" */
	char name[sizeof("config.rss_max_indirection_table_length")];
};

/* Does a source know more of what is offered than what was negotiated? */
bool vdpr_offered_is_known(const struct vdpr_state *s);

bool vdpr_item_known(const struct vdpr_state *s, const struct vdpr_item *item);
/* Both sides know it. Is nothing said against the other? */
bool vdpr_items_agree(const struct vdpr_state *a, const struct vdpr_state *b,
		      const struct vdpr_item *item);
/* Return: 0 or -ENOMEM, as the next. */
int vdpr_item_copy(struct vdpr_state *to, const struct vdpr_state *from,
		   const struct vdpr_item *item);
/* Both know it and agree: takes the parts that only @from has. */
int vdpr_item_join(struct vdpr_state *to, const struct vdpr_state *from,
		   const struct vdpr_item *item);
/* Its value for people. */
void vdpr_item_put(struct vdpr_json_writer *w, const struct vdpr_state *s,
		   const struct vdpr_item *item);

#endif
