/* SPDX-License-Identifier: MIT */
/* Fuzzes the state file's reader; what it takes must be written and read alike. */
#include <errno.h>

#include "tests/fuzz/fuzz.h"

/* Refused: the reason is one line, the cause the input; -ENOMEM cannot be. */
static void check_refusal(const struct vdpr_ctx *ctx, int err)
{
	FUZZ_CHECK(err == -EBADMSG || err == -EPROTONOSUPPORT || err == -EFBIG);
	FUZZ_CHECK(vdpr_ctx_cause(ctx) == VDPR_CAUSE_INPUT);
	fuzz_line(vdpr_ctx_error(ctx));
	if (*vdpr_ctx_cure(ctx))
		fuzz_line(vdpr_ctx_cure(ctx));
}

/* The text is read again without a context: nothing may depend on one. */
static void check_without_ctx(const char *text, size_t size, int err)
{
	struct vdpr_state *state = NULL;

	FUZZ_CHECK(vdpr_state_parse(NULL, text, size, &state) == err);
	FUZZ_CHECK(!err == !!state);
	vdpr_state_free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct vdpr_ctx *ctx = fuzz_ctx();
	struct vdpr_state *state = NULL;
	int err = vdpr_state_parse(ctx, text, size, &state);

	if (err) {
		FUZZ_CHECK(!state);
		check_refusal(ctx, err);
	} else {
		fuzz_state(ctx, state);
	}
	check_without_ctx(text, size, err);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return 0;
}
