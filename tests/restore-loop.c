/* SPDX-License-Identifier: MIT */
/* Event-driven restores in tests: a loop around poll(), states to restore. */
#include "tests/restore-loop.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "tests/texts.h"

struct vdpr_state *loop_state(const char *path)
{
	struct vdpr_state *state = vdpr_test_read(path);

	free(TAKE_PTR(state->vrings));
	state->n_vrings = 0;
	state->has_vrings = false;
	return state;
}

bool loop_readable(int fd, int msec)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, msec) > 0;
}

int loop_run(struct vdpr_restore *restore)
{
	int ret;

	do {
		assert_true(loop_readable(vdpr_restore_get_fd(restore), 10000));
		ret = vdpr_restore_process(restore);
	} while (ret == VDPR_STEP_AGAIN || ret == VDPR_STEP_WAIT);
	return ret;
}

int loop_whole(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
	       const struct vdpr_state *state, const struct vdpr_state *final,
	       const struct vdpr_restore_opts *opts,
	       struct vdpr_restore **restore)
{
	int ret;

	if (vdpr_restore_begin(ctx, dev, state, opts, restore))
		fail_msg("%s", vdpr_ctx_error(ctx));
	ret = loop_run(*restore);
	if (ret != VDPR_STEP_COMMIT)
		return ret;
	if (vdpr_restore_commit(*restore, final, NULL))
		fail_msg("%s", vdpr_ctx_error(ctx));
	return loop_run(*restore);
}

static void note_difference(void *data, const char *section,
			    enum vdpr_compare_result result, const char *a,
			    const char *b)
{
	(void)data;
	if (result == VDPR_DIFFERS && strcmp(section, "features") != 0)
		fail_msg("%s: wanted %s, the device was told %s", section,
			 a ? a : "nothing", b ? b : "nothing");
}

void loop_told(const char *path, const struct vdpr_state *want)
{
	struct vdpr_state *told = vdpr_test_read(path);

	/* What config says is each device's own. */
	told->config = want->config;
	vdpr_state_compare(NULL, want, told, 0, note_difference, NULL);
	vdpr_state_free(told);
}
