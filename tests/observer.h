/* SPDX-License-Identifier: MIT */
/* A state that follows a device, for the tests of observing. */
#ifndef VDPR_TESTS_OBSERVER_H
#define VDPR_TESTS_OBSERVER_H

/* After <cmocka.h> and what it wants before it. */
#include <stdio.h>
#include <string.h>

#include "restore/state.h"
#include "tests/commands.h"

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	unsigned int warnings;
	char last[256]; /* warning */
};

static const struct vdpr_features all = { { UINT64_MAX, UINT64_MAX } };

#define RSS_4 "030000000300000000000100020003000400026d5a"
#define RSS_1 "010000000000000000000100011f"
#define HASH "04000000000000000000000001aa"

static inline void hear(void *data, int level, const char *line)
{
	struct world *w = data;

	assert_int_equal(level, 4);
	w->warnings++;
	snprintf(w->last, sizeof(w->last), "%s", line);
}

static inline void start_flags(struct world *w, struct vdpr_features f,
			       unsigned int flags)
{
	struct vdpr_net_config c = VDPR_INIT(struct vdpr_net_config);

	c.has = VDPR_CONFIG_MAC | VDPR_CONFIG_MAX_PAIRS | VDPR_CONFIG_RSS_KEY |
		VDPR_CONFIG_RSS_TABLE | VDPR_CONFIG_HASH_TYPES;
	vdpr_mac_parse("52:54:00:00:00:01", c.mac);
	c.max_virtqueue_pairs = 4;
	c.rss_max_key_size = 40;
	c.rss_max_indirection_table_length = 128;
	c.supported_hash_types = 0x3f;
	assert_int_equal(
		vdpr_state_start(w->ctx, w->state, &all, &f, &c, flags), 0);
}

static inline void start(struct world *w)
{
	start_flags(w, all, 0);
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || vdpr_ctx_new(&w->ctx) || vdpr_state_new(w->ctx, &w->state))
		return -1;
	vdpr_ctx_set_log(w->ctx, hear, w, 7);
	start(w);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;
	char why[VDPR_WHY];

	/* Whatever was observed: the state is one that the format allows. */
	if (w->state->negotiated_known && vdpr_state_check(w->state, why))
		fail_msg("%s", why);
	vdpr_state_free(w->state);
	vdpr_ctx_free(w->ctx);
	free(w);
	return 0;
}

static inline void send(struct world *w, unsigned int ctrl_class,
			unsigned int command, const char *hex)
{
	assert_int_equal(
		vdpr_test_send(w->ctx, w->state, ctrl_class, command, hex, 0),
		0);
}

static inline void refuse(struct world *w, unsigned int ctrl_class,
			  unsigned int command, const char *hex)
{
	assert_int_equal(
		vdpr_test_send(w->ctx, w->state, ctrl_class, command, hex, 1),
		0);
}

static inline void is(struct world *w, enum vdpr_member m,
		      enum vdpr_presence presence)
{
	assert_int_equal(w->state->member[m], presence);
}

static inline void warned(struct world *w, const char *about)
{
	assert_int_equal(w->warnings, 1);
	assert_non_null(strstr(w->last, about));
	w->warnings = 0;
}

static inline bool class_unknown(struct world *w, unsigned int c)
{
	return w->state->unknown_class[c / 8] >> (c % 8) & 1;
}

#endif
