/* SPDX-License-Identifier: MIT */
/* A user of the installed library: restores a state on the simulator. */
#include <stdio.h>
#include <vdpa-restore.h>

int main(int argc, char **argv)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_report *report = NULL;
	struct vdpr_state *state = NULL;
	struct vdpr_dev *dev = NULL;
	struct vdpr_ctx *ctx = NULL;
	int ret;

	if (argc != 2 || vdpr_ctx_new(&ctx))
		return 2;
	opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	ret = vdpr_state_read(ctx, argv[1], &state);
	if (!ret)
		ret = vdpr_dev_open(ctx, "sim", &dev);
	if (!ret)
		ret = vdpr_restore_run(ctx, dev, state, &opts, &report);
	if (ret)
		fprintf(stderr, "%s\n", vdpr_ctx_error(ctx));
	else
		printf("restored with %s\n", vdpr_version());
	vdpr_report_free(report);
	vdpr_dev_close(dev);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return ret ? 1 : 0;
}
