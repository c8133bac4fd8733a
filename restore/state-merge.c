/* SPDX-License-Identifier: MIT */
/* Merges what two sources know of one device into one state. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/json-write.h"
#include "restore/state-item.h"
#include "restore/state-kind.h"

/*
 * A state is taken apart into items, each of which one source can know and
 * another not: features, members of config and of the control sections, and the
 * rest as a whole. What can be done with an item is in state-kind.c; the loop over
 * them knows nothing of their contents. All is done on a copy, so that a conflict
 * leaves the caller's state as it was.
 */

#define ITEMS (7 + VDPR_CONFIG_MEMBERS + VDPR_MEMBER_COUNT)

struct merge {
	struct vdpr_ctx *ctx;
	struct vdpr_state *to;
	const struct vdpr_state *from;
	const char *prefer;
	struct vdpr_item item[ITEMS];
	size_t n_items;
	char *source[ITEMS]; /* of what is in @to; NULL: not told */
	char *conflict;	     /* the first, in words */
	unsigned int n_conflicts;
};

/* ------------------------------------------------------------------ messages */

/* The value in one line, cut where it gets long. */
#define VALUE_MAX 80
static char *value_text(const struct vdpr_state *s,
			const struct vdpr_item *item)
{
	_cleanup_buf_ struct vdpr_buf buf = { 0 };
	struct vdpr_json_writer w = { .out = &buf, .compact = true };
	char *text = NULL;
	size_t len = 0;

	vdpr_item_put(&w, s, item);
	if (vdpr_buf_take(&buf, &text, &len))
		return NULL;
	if (len > VALUE_MAX) {
		size_t cut = VALUE_MAX - 3;

		while (cut && ((unsigned char)text[cut] & 0xc0) == 0x80)
			cut--;
		memcpy(text + cut, "...", sizeof("..."));
	}
	return text;
}

/* What both say of an item, the one that is to stand behind @word first; NULL if
 * there is no memory. Freed by the caller. */
static char *dispute(const struct merge *m, size_t i, bool theirs_first,
		     const char *word, const char *between)
{
	const struct vdpr_item *item = &m->item[i];
	_cleanup_free_ char *ours = value_text(m->to, item);
	_cleanup_free_ char *theirs = value_text(m->from, item);
	const char *source[] = { m->source[i],
				 vdpr_origin_get(m->from, item->name) };
	const char *value[] = { ours, theirs };
	int first = theirs_first, second = !theirs_first;
	char *text;

	for (int k = 0; k < 2; k++)
		if (!source[k])
			source[k] = "an unnamed source";
	if (!ours || !theirs ||
	    asprintf(&text, "%s: %s: %s from %s%s%s from %s", item->name, word,
		     value[first], source[first], between, value[second],
		     source[second]) < 0)
		return NULL;
	return text;
}

/* Said and counted; the rest is looked at all the same. */
static int conflict(struct merge *m, size_t i)
{
	char *text = dispute(m, i, false, "conflict", ", ");

	if (!text)
		return vdpr_fail_memory(m->ctx);
	vdpr_log(m->ctx, VDPR_LOG_ERROR, "%s", text);
	if (m->n_conflicts++)
		free(text);
	else
		m->conflict = text;
	return 0;
}

static int refuse(struct merge *m)
{
	if (m->n_conflicts == 1)
		vdpr_fail(m->ctx, VDPR_CAUSE_REFUSED, -EEXIST, "%s",
			  m->conflict);
	else
		vdpr_fail(m->ctx, VDPR_CAUSE_REFUSED, -EEXIST,
			  "%u conflicts, the first: %s", m->n_conflicts,
			  m->conflict);
	vdpr_cure(m->ctx, "say with --prefer SOURCE whose value is to win");
	return -EEXIST;
}

/* @theirs: the value that comes is the one that goes away. */
static int give_way(struct merge *m, size_t i, bool theirs)
{
	_cleanup_free_ char *text =
		dispute(m, i, theirs, "overridden", ", by ");

	if (!text)
		return vdpr_fail_memory(m->ctx);
	vdpr_log(m->ctx, VDPR_LOG_NOTICE, "%s", text);
	return 0;
}

/* --------------------------------------------------------------------- items */

static void add_item(struct merge *m, enum vdpr_kind kind, unsigned int n,
		     const char *name)
{
	struct vdpr_item *item = &m->item[m->n_items++];

	item->kind = kind;
	item->n = n;
	if (kind == VDPR_KIND_CONFIG)
		snprintf(item->name, sizeof(item->name), "config.%s", name);
	else
		snprintf(item->name, sizeof(item->name), "%s", name);
}

/* In the order of the file, features first: what they allow decides the rest. */
static int list_items(struct merge *m)
{
	add_item(m, VDPR_KIND_DEVICE, 0, "device");
	add_item(m, VDPR_KIND_OFFERED, 0, "features.offered");
	add_item(m, VDPR_KIND_NEGOTIATED, 0, "features.negotiated");
	add_item(m, VDPR_KIND_BACKEND, 0, "backend_features");
	for (unsigned int n = 0; n < VDPR_CONFIG_MEMBERS; n++)
		add_item(m, VDPR_KIND_CONFIG, n, vdpr_config_name[n]);
	for (unsigned int n = 0; n < VDPR_MEMBER_COUNT; n++)
		add_item(m, VDPR_KIND_MEMBER, n, vdpr_member_info[n].name);
	add_item(m, VDPR_KIND_ANNOUNCE, 0, "announce");
	add_item(m, VDPR_KIND_VRINGS, 0, "vrings");
	add_item(m, VDPR_KIND_VENDOR, 0, "vendor");
	for (size_t i = 0; i < m->n_items; i++) {
		if (vdpr_item_known(m->to, &m->item[i]) &&
		    vdpr_text_copy(&m->source[i],
				   vdpr_origin_get(m->to, m->item[i].name)))
			return vdpr_fail_memory(m->ctx);
	}
	return 0;
}

static int take(struct merge *m, size_t i)
{
	const struct vdpr_item *item = &m->item[i];

	if (vdpr_item_copy(m->to, m->from, item) ||
	    vdpr_text_copy(&m->source[i], vdpr_origin_get(m->from, item->name)))
		return vdpr_fail_memory(m->ctx);
	return 0;
}

static bool is_preferred(const struct merge *m, const char *source)
{
	return m->prefer && source && !strcmp(m->prefer, source);
}

static int merge_item(struct merge *m, size_t i)
{
	const struct vdpr_item *item = &m->item[i];
	int err;

	if (!vdpr_item_known(m->from, item))
		return 0;
	if (!vdpr_item_known(m->to, item))
		return take(m, i);
	if (vdpr_items_agree(m->to, m->from, item))
		return vdpr_item_join(m->to, m->from, item)
			       ? vdpr_fail_memory(m->ctx)
			       : 0;
	if (is_preferred(m, m->source[i]))
		return give_way(m, i, true);
	if (!is_preferred(m, vdpr_origin_get(m->from, item->name)))
		return conflict(m, i);
	err = give_way(m, i, false);
	return err ? err : take(m, i);
}

/* --------------------------------------------------------------- the outcome */

/* What a source knew of a feature that, as the other knows, is not in use. */
static void drop_member(struct merge *m, enum vdpr_member member)
{
	if (member != VDPR_HASH_REPORT)
		vdpr_log(
			m->ctx, VDPR_LOG_WARNING,
			"%s: left out: the negotiated features do not allow it",
			vdpr_member_info[member].name);
	vdpr_member_drop(m->to, member, VDPR_ABSENT);
}

/* Brings the members in line with the features that are known now. */
static void settle(struct merge *m)
{
	struct vdpr_state *s = m->to;

	for (unsigned int n = 0; n < VDPR_MEMBER_COUNT; n++) {
		bool required = vdpr_member_required(s, n);

		if (!required &&
		    (s->member[n] == VDPR_KNOWN || s->member[n] == VDPR_NULL))
			drop_member(m, n);
		else if (!required)
			s->member[n] = VDPR_ABSENT;
		else if (s->member[n] == VDPR_ABSENT &&
			 (s->negotiated_known ||
			  m->from->member[n] == VDPR_UNKNOWN))
			s->member[n] = VDPR_UNKNOWN;
	}
	if (s->negotiated_known && s->member[VDPR_RSS] == VDPR_UNKNOWN)
		vdpr_state_settle_hash(s);
	if (s->negotiated_known && s->member[VDPR_MAC_ADDRESS] == VDPR_NULL &&
	    vdpr_state_has_feature(s, VIRTIO_NET_F_MAC))
		s->member[VDPR_MAC_ADDRESS] = VDPR_UNKNOWN;
	if (!vdpr_state_has_feature(s, VIRTIO_NET_F_CTRL_VQ) ||
	    !vdpr_state_has_feature(s, VIRTIO_NET_F_GUEST_ANNOUNCE))
		s->announce = VDPR_ABSENT;
}

static int join_unknown(struct merge *m)
{
	for (size_t i = 0; i < sizeof(m->to->unknown_class); i++)
		m->to->unknown_class[i] |= m->from->unknown_class[i];
	for (size_t i = 0; i < m->from->foreign.count; i++) {
		if (vdpr_strings_add_new(&m->to->foreign,
					 m->from->foreign.text[i]))
			return -ENOMEM;
	}
	if (m->to->version < m->from->version)
		m->to->version = m->from->version;
	return vdpr_captured_add(m->to, m->from);
}

static size_t section_len(const char *name)
{
	return strcspn(name, ".");
}

/* One entry for a section whose parts are all of one source, else one a part. */
static int origin_of_section(struct merge *m, size_t first, size_t end)
{
	size_t len = section_len(m->item[first].name);
	const char *source = NULL;
	bool shared = true;
	char name[32];

	for (size_t i = first; i < end; i++) {
		if (!vdpr_item_known(m->to, &m->item[i]))
			continue;
		shared &= m->source[i] &&
			  (!source || !strcmp(source, m->source[i]));
		source = m->source[i];
	}
	snprintf(name, sizeof(name), "%.*s", (int)len, m->item[first].name);
	if (source && shared)
		return vdpr_origin_set(m->to, name, source);
	for (size_t i = first; i < end; i++) {
		if (vdpr_item_known(m->to, &m->item[i]) && m->source[i] &&
		    vdpr_origin_set(m->to, m->item[i].name, m->source[i]))
			return -ENOMEM;
	}
	return 0;
}

static int set_origins(struct merge *m)
{
	size_t first = 0;

	vdpr_origin_clear(m->to);
	for (size_t i = 1; i <= m->n_items; i++) {
		size_t len = section_len(m->item[first].name);

		if (i < m->n_items && section_len(m->item[i].name) == len &&
		    !strncmp(m->item[i].name, m->item[first].name, len))
			continue;
		if (origin_of_section(m, first, i))
			return -ENOMEM;
		first = i;
	}
	return 0;
}

/* Where neither knew what is offered it stays what was negotiated. */
static void settle_offered(struct merge *m)
{
	if (m->to->negotiated_known)
		m->to->offered = m->to->negotiated;
}

static int merge_all(struct merge *m)
{
	bool offered = vdpr_offered_is_known(m->to) ||
		       vdpr_offered_is_known(m->from);
	char why[VDPR_WHY];
	int err = list_items(m);

	for (size_t i = 0; i < m->n_items && !err; i++)
		err = merge_item(m, i);
	if (!err && m->n_conflicts)
		err = refuse(m);
	if (err)
		return err;
	if (!offered)
		settle_offered(m);
	settle(m);
	if (join_unknown(m) || set_origins(m))
		return vdpr_fail_memory(m->ctx);
	/* Each source may be right by itself and both together not: a limit of
	 * one against a value of the other. */
	if (vdpr_state_check(m->to, why))
		return vdpr_fail(m->ctx, VDPR_CAUSE_REFUSED, -EEXIST,
				 "the sources do not fit together: %s", why);
	return 0;
}

int vdpr_state_merge(struct vdpr_ctx *ctx, struct vdpr_state *into,
		     const struct vdpr_state *from, const char *prefer)
{
	struct merge m = { .ctx = ctx, .from = from, .prefer = prefer };
	struct vdpr_state old;
	int err;

	if (vdpr_any_null(ctx, into, from))
		return -EINVAL;
	err = vdpr_state_copy(ctx, into, &m.to);
	if (err)
		return err;
	err = merge_all(&m);
	if (!err) {
		old = *into;
		*into = *m.to;
		*m.to = old;
	}
	vdpr_state_free(m.to);
	for (size_t i = 0; i < ITEMS; i++)
		free(m.source[i]);
	free(m.conflict);
	return err;
}
