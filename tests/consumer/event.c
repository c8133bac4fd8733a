/* SPDX-License-Identifier: MIT */
/* A user of the installed library with an event loop of its own: poll(). */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <vdpa-restore.h>

/* Until the restore waits for something else than its device, or has ended. */
static int loop(struct vdpr_restore *restore)
{
	struct pollfd p = { vdpr_restore_get_fd(restore), POLLIN, 0 };
	int step;

	do {
		struct vdpr_next next = VDPR_INIT(struct vdpr_next);

		if (poll(&p, 1, 10000) != 1)
			return -1;
		vdpr_restore_next(restore, &next);
		if (next.may_be_slow)
			printf("may be slow: %s %s\n", next.stage,
			       next.request);
		step = vdpr_restore_process(restore);
	} while (step == VDPR_STEP_AGAIN || step == VDPR_STEP_WAIT);
	return step;
}

static int restore_in_halves(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
			     const struct vdpr_state *state)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_commit_opts commit = VDPR_INIT(struct vdpr_commit_opts);
	struct vdpr_restore *restore = NULL;
	struct vdpr_report *report = NULL;
	uint64_t usec = 0;
	int ret;

	opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	ret = vdpr_restore_begin(ctx, dev, state, &opts, &restore);
	if (ret)
		return ret;
	ret = loop(restore);
	if (ret == VDPR_STEP_COMMIT) {
		/* Here a VMM would wait for the source to stop. */
		ret = vdpr_restore_commit(restore, state, &commit);
		if (!ret)
			ret = loop(restore);
	}
	if (!ret)
		ret = vdpr_restore_result(restore, &report);
	if (!ret)
		ret = vdpr_report_downtime(report, &usec);
	if (!ret)
		printf("restored, downtime %lu us\n", (unsigned long)usec);
	vdpr_report_free(report);
	vdpr_restore_free(restore);
	return ret;
}

int main(int argc, char **argv)
{
	struct vdpr_state *state = NULL;
	struct vdpr_dev *dev = NULL;
	struct vdpr_ctx *ctx = NULL;
	int ret;

	if (argc != 2 || !vdpr_has_feature("event") || vdpr_ctx_new(&ctx))
		return 2;
	ret = vdpr_state_read(ctx, argv[1], &state);
	if (!ret)
		ret = vdpr_dev_open(ctx, "sim", &dev);
	if (!ret)
		ret = restore_in_halves(ctx, dev, state);
	if (ret)
		fprintf(stderr, "%d: %s\n", ret, vdpr_ctx_error(ctx));
	vdpr_dev_close(dev);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return ret ? 1 : 0;
}
