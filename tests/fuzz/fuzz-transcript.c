/* SPDX-License-Identifier: MIT */
/* Fuzzes the transcript's reader; every command is described, the state checked. */
#include <errno.h>

#include "tests/fuzz/fuzz.h"

struct reading {
	struct vdpr_ctx *ctx;
	unsigned int lines;
	unsigned int
		stop_at; /* line whose callback ends the reading; 0: none */
};

#define STOPPED (-12345) /* no errno */

static int take_line(void *data, const struct vdpr_transcript_line *line)
{
	struct reading *reading = data;

	FUZZ_CHECK(line->size == sizeof(*line));
	FUZZ_CHECK(line->line == ++reading->lines);
	FUZZ_CHECK(line->header || line->line > 1);
	if (!line->header)
		fuzz_command(reading->ctx, &line->command);
	return line->line == reading->stop_at ? STOPPED : 0;
}

/* Stopping half-way must leave nothing behind. */
static void check_stop(const struct reading *all, const char *text, size_t size)
{
	struct reading reading = { .ctx = all->ctx,
				   .stop_at = (all->lines + 1) / 2 };
	struct vdpr_state *state = NULL;

	if (!reading.stop_at)
		return;
	FUZZ_CHECK(vdpr_transcript_parse(all->ctx, text, size, take_line,
					 &reading, &state) == STOPPED);
	FUZZ_CHECK(!state && reading.lines == reading.stop_at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct vdpr_ctx *ctx = fuzz_ctx();
	struct reading reading = { .ctx = ctx };
	struct vdpr_state *state = NULL;
	int err = vdpr_transcript_parse(ctx, text, size, take_line, &reading,
					&state);

	if (err) {
		FUZZ_CHECK(!state);
		FUZZ_CHECK(err == -EBADMSG || err == -EFBIG);
		FUZZ_CHECK(vdpr_ctx_cause(ctx) == VDPR_CAUSE_INPUT);
		fuzz_line(vdpr_ctx_error(ctx));
	} else {
		fuzz_state(ctx, state);
	}
	check_stop(&reading, text, size);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return 0;
}
