/* SPDX-License-Identifier: MIT */
/* Fuzzes the merge of two state files, which stand in the input with a NUL between. */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static char *text_of(struct vdpr_ctx *ctx, const struct vdpr_state *state)
{
	char *text = NULL;

	FUZZ_CHECK(!vdpr_state_format(ctx, state, &text, NULL));
	return text;
}

static void check_refusal(const struct vdpr_ctx *ctx, int err)
{
	FUZZ_CHECK(err == -EEXIST);
	FUZZ_CHECK(vdpr_ctx_cause(ctx) == VDPR_CAUSE_REFUSED);
	fuzz_line(vdpr_ctx_error(ctx));
}

/* A refusal changes nothing; what was merged once is not changed by more. */
static void merge(struct vdpr_ctx *ctx, struct vdpr_state *into,
		  const struct vdpr_state *from)
{
	char *before = text_of(ctx, into);
	int err = vdpr_state_merge(ctx, into, from, NULL);
	char *after;

	if (err) {
		check_refusal(ctx, err);
	} else {
		free(before);
		fuzz_state(ctx, into);
		before = text_of(ctx, into);
		FUZZ_CHECK(!vdpr_state_merge(ctx, into, from, NULL));
	}
	after = text_of(ctx, into);
	FUZZ_CHECK(!strcmp(before, after));
	free(before);
	free(after);
}

static void both_ways(struct vdpr_ctx *ctx, struct vdpr_state *a,
		      struct vdpr_state *b)
{
	int differ =
		vdpr_state_compare(ctx, a, b, VDPR_COMPARE_RINGS, NULL, NULL);

	FUZZ_CHECK(differ == 0 || differ == 1);
	FUZZ_CHECK(vdpr_state_compare(ctx, b, a, VDPR_COMPARE_RINGS, NULL,
				      NULL) == differ);
	merge(ctx, a, b);
	merge(ctx, b, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *second = memchr(text, '\0', size);
	size_t len = second ? (size_t)(second - text) : size;
	struct vdpr_state *a = NULL, *b = NULL;
	struct vdpr_ctx *ctx = fuzz_ctx();

	if (second && !vdpr_state_parse(ctx, text, len, &a) &&
	    !vdpr_state_parse(ctx, second + 1, size - len - 1, &b))
		both_ways(ctx, a, b);
	vdpr_state_free(a);
	vdpr_state_free(b);
	vdpr_ctx_free(ctx);
	return 0;
}
