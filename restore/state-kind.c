/* SPDX-License-Identifier: MIT */
/* What merging can do with each kind of item that a state consists of. */
#include "restore/state-kind.h"

#include <errno.h>
#include <string.h>

#include "restore/state-item.h"

/* --------------------------------------------------------------- kind: vrings */

static bool vrings_agree(const struct vdpr_state *a, const struct vdpr_state *b)
{
	size_t i = 0;
	size_t j = 0;

	while (i < a->n_vrings && j < b->n_vrings) {
		const struct vdpr_vring_state *x = &a->vrings[i];
		const struct vdpr_vring_state *y = &b->vrings[j];

		if (x->index == y->index && !vdpr_vring_agrees(x, y))
			return false;
		i += x->index <= y->index;
		j += y->index <= x->index;
	}
	return true;
}

/* Both lists ascend; so does their union. */
static int vrings_join(struct vdpr_state *to, const struct vdpr_state *from)
{
	size_t most = to->n_vrings + from->n_vrings;
	struct vdpr_vring_state *all;
	size_t i = 0, j = 0, n = 0;

	if (!most)
		return 0;
	all = calloc(most, sizeof(*all));
	if (!all)
		return -ENOMEM;
	while (i < to->n_vrings || j < from->n_vrings) {
		bool theirs = i == to->n_vrings ||
			      (j < from->n_vrings &&
			       from->vrings[j].index < to->vrings[i].index);

		if (theirs) {
			all[n++] = from->vrings[j++];
			continue;
		}
		all[n] = to->vrings[i++];
		if (j < from->n_vrings && from->vrings[j].index == all[n].index)
			vdpr_vring_fill(&all[n], &from->vrings[j++]);
		n++;
	}
	free(to->vrings);
	to->vrings = all;
	to->n_vrings = n;
	return 0;
}

/* -------------------------------------------------------------- kind: device */

static bool text_agrees(const char *a, const char *b)
{
	return !a || !b || !strcmp(a, b);
}

static bool device_agrees(const struct vdpr_state *a,
			  const struct vdpr_state *b)
{
	return text_agrees(a->device.type, b->device.type) &&
	       text_agrees(a->device.name, b->device.name) &&
	       text_agrees(a->device.parent, b->device.parent);
}

static int device_join(struct vdpr_state *to, const struct vdpr_state *from)
{
	to->device.present = true;
	if ((!to->device.type &&
	     vdpr_text_copy(&to->device.type, from->device.type)) ||
	    (!to->device.name &&
	     vdpr_text_copy(&to->device.name, from->device.name)) ||
	    (!to->device.parent &&
	     vdpr_text_copy(&to->device.parent, from->device.parent)))
		return -ENOMEM;
	return 0;
}

static bool text_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool vendor_same(const struct vdpr_state *a, const struct vdpr_state *b)
{
	return text_same(a->vendor.name, b->vendor.name) &&
	       text_same(a->vendor.version, b->vendor.version) &&
	       text_same(a->vendor.data, b->vendor.data);
}

/* ---------------------------------------------------------------- any kind */

/*
 * A source that cannot see what the device offers says what was negotiated, the
 * least that it can have offered. That is no knowledge of its own.
 */
bool vdpr_offered_is_known(const struct vdpr_state *s)
{
	if (vdpr_features_empty(&s->offered))
		return false;
	return !s->negotiated_known ||
	       !vdpr_features_equal(&s->offered, &s->negotiated);
}

bool vdpr_item_known(const struct vdpr_state *s, const struct vdpr_item *item)
{
	switch (item->kind) {
	case VDPR_KIND_OFFERED:
		return vdpr_offered_is_known(s);
	case VDPR_KIND_NEGOTIATED:
		return s->negotiated_known;
	case VDPR_KIND_BACKEND:
		return s->has_backend_features;
	case VDPR_KIND_CONFIG:
		return s->config.has & BIT(item->n);
	case VDPR_KIND_MEMBER:
		return s->member[item->n] == VDPR_KNOWN ||
		       s->member[item->n] == VDPR_NULL;
	case VDPR_KIND_DEVICE:
		return s->device.present;
	case VDPR_KIND_ANNOUNCE:
		return s->announce == VDPR_KNOWN;
	case VDPR_KIND_VRINGS:
		return s->has_vrings;
	case VDPR_KIND_VENDOR:
		return s->vendor.present;
	}
	return false;
}

/* Both sides know it. Is nothing said against the other? */
bool vdpr_items_agree(const struct vdpr_state *a, const struct vdpr_state *b,
		      const struct vdpr_item *item)
{
	switch (item->kind) {
	case VDPR_KIND_OFFERED:
		return vdpr_features_equal(&a->offered, &b->offered);
	case VDPR_KIND_NEGOTIATED:
		return vdpr_features_equal(&a->negotiated, &b->negotiated);
	case VDPR_KIND_BACKEND:
		return a->backend_features == b->backend_features;
	case VDPR_KIND_CONFIG:
		return vdpr_config_equal(&a->config, &b->config, BIT(item->n));
	case VDPR_KIND_MEMBER:
		return vdpr_member_equal(a, b, item->n);
	case VDPR_KIND_DEVICE:
		return device_agrees(a, b);
	case VDPR_KIND_ANNOUNCE:
		return a->announce_pending == b->announce_pending;
	case VDPR_KIND_VRINGS:
		return vrings_agree(a, b);
	case VDPR_KIND_VENDOR:
		return vendor_same(a, b);
	}
	return false;
}

int vdpr_item_copy(struct vdpr_state *to, const struct vdpr_state *from,
		   const struct vdpr_item *item)
{
	switch (item->kind) {
	case VDPR_KIND_OFFERED:
		to->offered = from->offered;
		break;
	case VDPR_KIND_NEGOTIATED:
		to->negotiated = from->negotiated;
		to->negotiated_known = true;
		break;
	case VDPR_KIND_BACKEND:
		to->backend_features = from->backend_features;
		to->has_backend_features = true;
		break;
	case VDPR_KIND_CONFIG:
		vdpr_config_copy(&to->config, &from->config, BIT(item->n));
		break;
	case VDPR_KIND_MEMBER:
		return vdpr_member_copy(to, from, item->n);
	case VDPR_KIND_DEVICE:
		return vdpr_device_copy(to, from);
	case VDPR_KIND_ANNOUNCE:
		to->announce = VDPR_KNOWN;
		to->announce_pending = from->announce_pending;
		break;
	case VDPR_KIND_VRINGS:
		return vdpr_vrings_copy(to, from);
	case VDPR_KIND_VENDOR:
		return vdpr_vendor_copy(to, from);
	}
	return 0;
}

/* Both know it and agree: takes the parts that only @from has. */
int vdpr_item_join(struct vdpr_state *to, const struct vdpr_state *from,
		   const struct vdpr_item *item)
{
	if (item->kind == VDPR_KIND_VRINGS)
		return vrings_join(to, from);
	if (item->kind == VDPR_KIND_DEVICE)
		return device_join(to, from);
	return 0;
}

/* ------------------------------------------------------------------ as text */

void vdpr_item_put(struct vdpr_json_writer *w, const struct vdpr_state *s,
		   const struct vdpr_item *item)
{
	char mask[VDPR_FEATURES_TEXT];
	struct vdpr_state part = { .config = s->config };

	switch (item->kind) {
	case VDPR_KIND_OFFERED:
	case VDPR_KIND_NEGOTIATED:
		vdpr_features_format(item->kind == VDPR_KIND_OFFERED
					     ? &s->offered
					     : &s->negotiated,
				     mask);
		vdpr_json_put_text(w, mask);
		break;
	case VDPR_KIND_BACKEND:
		vdpr_buf_printf(w->out, "0x%llx",
				(unsigned long long)s->backend_features);
		break;
	case VDPR_KIND_CONFIG:
		part.config.has = BIT(item->n);
		vdpr_json_put_config(w, &part);
		break;
	case VDPR_KIND_MEMBER:
		vdpr_json_put_member(w, s, item->n);
		break;
	case VDPR_KIND_DEVICE:
		vdpr_json_put_text(w, s->device.name ? s->device.name : "?");
		break;
	case VDPR_KIND_ANNOUNCE:
		vdpr_json_put_announce(w, s);
		break;
	case VDPR_KIND_VRINGS:
		vdpr_json_put_vrings(w, s);
		break;
	case VDPR_KIND_VENDOR:
		vdpr_json_put_text(w, s->vendor.name ? s->vendor.name : "?");
		break;
	}
}
