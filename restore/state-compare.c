/* SPDX-License-Identifier: MIT */
/* Compares two states section by section. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/fit.h"
#include "restore/json-write.h"
#include "restore/state-item.h"

struct compare {
	const struct vdpr_state *a, *b;
	unsigned int flags; /* VDPR_COMPARE_* */
	vdpr_compare_fn fn;
	void *data;
	bool differs;
	int err;
};

typedef void put_fn(struct vdpr_json_writer *w, const struct vdpr_state *state);

/* What is worse for a section wins: a difference, then what nobody can tell. */
static enum vdpr_compare_result worse(enum vdpr_compare_result x,
				      enum vdpr_compare_result y)
{
	if (x == VDPR_DIFFERS || y == VDPR_DIFFERS)
		return VDPR_DIFFERS;
	return x == VDPR_UNSEEN ? x : y;
}

/* ------------------------------------------------------------------- report */

static void report(struct compare *c, const char *name,
		   enum vdpr_compare_result result, const char *a,
		   const char *b)
{
	c->differs |= result == VDPR_DIFFERS;
	if (c->fn && !c->err)
		c->fn(c->data, name, result, a, b);
}

/* Text of one side, or NULL for nothing to show. */
static char *side_text(struct compare *c, const struct vdpr_state *state,
		       put_fn *put)
{
	_cleanup_buf_ struct vdpr_buf buf = { 0 };
	struct vdpr_json_writer w = { .out = &buf, .compact = true };
	char *text = NULL;

	if (!put)
		return NULL;
	put(&w, state);
	if (vdpr_buf_take(&buf, &text, NULL))
		c->err = -ENOMEM;
	return text;
}

static void report_with(struct compare *c, const char *name,
			enum vdpr_compare_result result, put_fn *put_a,
			put_fn *put_b)
{
	_cleanup_free_ char *a = side_text(c, c->a, put_a);
	_cleanup_free_ char *b = side_text(c, c->b, put_b);

	report(c, name, result, a, b);
}

/* ------------------------------------------------------- features and config */

static void put_negotiated(struct vdpr_json_writer *w,
			   const struct vdpr_state *state)
{
	char text[VDPR_FEATURES_TEXT];

	vdpr_features_format(&state->negotiated, text);
	vdpr_json_put_text(w, text);
}

static bool same_features(const struct compare *c)
{
	struct vdpr_features asked;

	if (vdpr_features_equal(&c->a->negotiated, &c->b->negotiated))
		return true;
	if (!(c->flags & VDPR_COMPARE_RESTORED))
		return false;
	asked = vdpr_fit_restored(&c->a->negotiated, &c->b->offered);
	return vdpr_features_equal(&asked, &c->b->negotiated);
}

static void compare_features(struct compare *c)
{
	bool a = c->a->negotiated_known;
	bool b = c->b->negotiated_known;
	enum vdpr_compare_result result = VDPR_UNSEEN;

	if (a && b)
		result = same_features(c) ? VDPR_SAME : VDPR_DIFFERS;
	report_with(c, "features", result, a ? put_negotiated : NULL,
		    b ? put_negotiated : NULL);
}

/* A device shows the MAC that it was given last. */
static bool is_restored_mac(const struct compare *c)
{
	return c->flags & VDPR_COMPARE_RESTORED &&
	       c->a->member[VDPR_MAC_ADDRESS] == VDPR_KNOWN &&
	       !memcmp(c->a->mac, c->b->config.mac, sizeof(c->a->mac));
}

static enum vdpr_compare_result compare_config_member(const struct compare *c,
						      uint32_t bit)
{
	bool a = c->a->config.has & bit;
	bool b = c->b->config.has & bit;

	if (bit == VDPR_CONFIG_ANNOUNCE && c->flags & VDPR_COMPARE_RESTORED)
		return VDPR_SAME;
	if (a != b)
		return VDPR_UNSEEN;
	if (!a || vdpr_config_equal(&c->a->config, &c->b->config, bit))
		return VDPR_SAME;
	return bit == VDPR_CONFIG_MAC && is_restored_mac(c) ? VDPR_SAME
							    : VDPR_DIFFERS;
}

static void compare_config(struct compare *c)
{
	enum vdpr_compare_result result = VDPR_SAME;

	for (unsigned int i = 0; i < VDPR_CONFIG_MEMBERS; i++)
		result = worse(result, compare_config_member(c, BIT(i)));
	report_with(c, "config", result, vdpr_json_put_config,
		    vdpr_json_put_config);
}

/* ---------------------------------------------------------- control sections */

static enum vdpr_compare_result compare_member(const struct vdpr_state *a,
					       const struct vdpr_state *b,
					       enum vdpr_member m)
{
	enum vdpr_presence pa = a->member[m];
	enum vdpr_presence pb = b->member[m];

	if (pa == VDPR_UNKNOWN || pb == VDPR_UNKNOWN)
		return VDPR_UNSEEN;
	if (pa == VDPR_ABSENT && pb == VDPR_ABSENT)
		return VDPR_SAME;
	/* Absent without features says nothing: none were there to require it. */
	if ((pa == VDPR_ABSENT && !a->negotiated_known) ||
	    (pb == VDPR_ABSENT && !b->negotiated_known))
		return VDPR_UNSEEN;
	return vdpr_member_equal(a, b, m) ? VDPR_SAME : VDPR_DIFFERS;
}

/*
 * Nothing reads the guest's MAC back but config space, where a device that was
 * given one by command shows it (virtio 1.3, 5.1.6.5.2.1).
 */
static bool sees_address(const struct compare *c)
{
	const struct vdpr_state *driver = c->b->negotiated_known ? c->b : c->a;

	if (!(c->flags & VDPR_COMPARE_RESTORED) ||
	    c->a->member[VDPR_MAC_ADDRESS] != VDPR_KNOWN ||
	    c->b->member[VDPR_MAC_ADDRESS] == VDPR_KNOWN ||
	    !(c->b->config.has & VDPR_CONFIG_MAC))
		return false;
	/* Only F_MAC obliges it to. */
	return is_restored_mac(c) ||
	       vdpr_features_has(&driver->negotiated, VIRTIO_NET_F_MAC);
}

static enum vdpr_compare_result compare_one(const struct compare *c,
					    enum vdpr_member m)
{
	if (m != VDPR_MAC_ADDRESS || !sees_address(c))
		return compare_member(c->a, c->b, m);
	return is_restored_mac(c) ? VDPR_SAME : VDPR_DIFFERS;
}

/* What is seen of a section that the state itself does not know. */
static char *seen_text(struct compare *c, enum vdpr_section section)
{
	const uint8_t *mac = c->b->config.mac;
	char *text = NULL;

	if (section != VDPR_SECTION_MAC || !sees_address(c))
		return NULL;
	if (asprintf(&text, "{\"address\":\"%02x:%02x:%02x:%02x:%02x:%02x\"}",
		     mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]) >= 0)
		return text;
	c->err = -ENOMEM;
	return NULL;
}

static char *section_text(struct compare *c, const struct vdpr_state *state,
			  enum vdpr_section section)
{
	_cleanup_buf_ struct vdpr_buf buf = { 0 };
	struct vdpr_json_writer w = { .out = &buf, .compact = true };
	char *text = NULL;

	if (!vdpr_section_known(state, section))
		return NULL;
	vdpr_json_put_section(&w, state, section);
	if (vdpr_buf_take(&buf, &text, NULL))
		c->err = -ENOMEM;
	return text;
}

static void compare_section(struct compare *c, enum vdpr_section section)
{
	_cleanup_free_ char *a = section_text(c, c->a, section);
	_cleanup_free_ char *b = section_text(c, c->b, section);
	unsigned int m = vdpr_section_first(section);
	unsigned int end = m + vdpr_section_members(section);
	enum vdpr_compare_result result = VDPR_SAME;
	bool any = false;

	if (!b)
		b = seen_text(c, section);
	for (; m < end; m++) {
		any |= c->a->member[m] != VDPR_ABSENT ||
		       c->b->member[m] != VDPR_ABSENT;
		result = worse(result, compare_one(c, m));
	}
	if (any)
		report(c, vdpr_section_name[section], result, a, b);
}

/* ------------------------------------------------- announce, rings, the rest */

/* Nothing requires it: absent where it might be means that nobody looked. */
static void compare_announce(struct compare *c)
{
	bool a = c->a->announce == VDPR_KNOWN;
	bool b = c->b->announce == VDPR_KNOWN;
	const struct vdpr_state *without = a ? c->b : c->a;
	enum vdpr_compare_result result = VDPR_UNSEEN;

	if (!a && !b)
		return;
	if (a && b)
		result = c->a->announce_pending == c->b->announce_pending
				 ? VDPR_SAME
				 : VDPR_DIFFERS;
	else if (without->negotiated_known &&
		 !vdpr_state_has_feature(without, VIRTIO_NET_F_GUEST_ANNOUNCE))
		result = VDPR_DIFFERS;
	report_with(c, "announce", result, a ? vdpr_json_put_announce : NULL,
		    b ? vdpr_json_put_announce : NULL);
}

static enum vdpr_compare_result compare_vring(const struct vdpr_vring_state *a,
					      const struct vdpr_vring_state *b)
{
	if (a->index != b->index || !vdpr_vring_agrees(a, b))
		return VDPR_DIFFERS;
	return a->has == b->has ? VDPR_SAME : VDPR_UNSEEN;
}

static void compare_vrings(struct compare *c)
{
	enum vdpr_compare_result result = VDPR_SAME;
	bool a = c->a->has_vrings;
	bool b = c->b->has_vrings;

	if (!a && !b)
		return;
	if (a != b)
		result = VDPR_UNSEEN;
	else if (c->a->n_vrings != c->b->n_vrings)
		result = VDPR_DIFFERS;
	for (size_t i = 0;
	     result != VDPR_DIFFERS && a && b && i < c->a->n_vrings; i++)
		result = worse(result, compare_vring(&c->a->vrings[i],
						     &c->b->vrings[i]));
	report_with(c, "vrings", result, a ? vdpr_json_put_vrings : NULL,
		    b ? vdpr_json_put_vrings : NULL);
}

/* Classes and sections that a side had to give up on: nobody can tell. */
static void compare_foreign(struct compare *c)
{
	char name[VDPR_BIT_TEXT];

	for (unsigned int n = 0; n < 256; n++) {
		unsigned int both = c->a->unknown_class[n / 8] |
				    c->b->unknown_class[n / 8];

		if (!(both >> (n % 8) & 1))
			continue;
		snprintf(name, sizeof(name), "class_%u", n);
		report(c, name, VDPR_UNSEEN, NULL, NULL);
	}
	for (size_t i = 0; i < c->a->foreign.count; i++)
		report(c, c->a->foreign.text[i], VDPR_UNSEEN, NULL, NULL);
	for (size_t i = 0; i < c->b->foreign.count; i++) {
		if (!vdpr_strings_have(&c->a->foreign, c->b->foreign.text[i]))
			report(c, c->b->foreign.text[i], VDPR_UNSEEN, NULL,
			       NULL);
	}
}

int vdpr_state_compare(struct vdpr_ctx *ctx, const struct vdpr_state *a,
		       const struct vdpr_state *b, unsigned int flags,
		       vdpr_compare_fn fn, void *data)
{
	struct compare c = {
		.a = a, .b = b, .flags = flags, .fn = fn, .data = data
	};

	if (vdpr_any_null(ctx, a, b))
		return -EINVAL;
	compare_features(&c);
	compare_config(&c);
	for (unsigned int s = 0; s < VDPR_SECTION_COUNT; s++)
		compare_section(&c, s);
	compare_announce(&c);
	if (flags & VDPR_COMPARE_RINGS)
		compare_vrings(&c);
	compare_foreign(&c);
	if (c.err)
		return vdpr_fail_memory(ctx);
	return c.differs;
}
