/* SPDX-License-Identifier: MIT */
/* Runs in the lab: restores a state, the CVQ kicked by its mapped doorbell alone. */

/*
 *   doorbell DEVICE STATE
 *
 * As a VMM would that has to: VDPR_RESTORE_DOORBELL, and rings of its own that are
 * empty. Prints the report and holds the device until the end of stdin.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/vdpa-restore.h"

static void need(struct vdpr_ctx *ctx, int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "doorbell: %s: %s\n", what, vdpr_ctx_error(ctx));
	exit(1);
}

static struct vdpr_state *read_state(struct vdpr_ctx *ctx, const char *path)
{
	static char text[1 << 20];
	struct vdpr_state *state;
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file) {
		perror(path);
		exit(1);
	}
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	need(ctx, vdpr_state_parse(ctx, text, len, &state), path);
	return state;
}

int main(int argc, char **argv)
{
	struct vdpr_restore_opts how = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_report *report = NULL;
	struct vdpr_state *state;
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	char *text;

	if (argc != 3) {
		fputs("usage: doorbell DEVICE STATE\n", stderr);
		return 2;
	}
	if (vdpr_ctx_new(&ctx))
		return 1;
	state = read_state(ctx, argv[2]);
	need(ctx, vdpr_dev_open(ctx, argv[1], &dev), argv[1]);
	how.flags = VDPR_RESTORE_ASSUME_ENABLE | VDPR_RESTORE_EMPTY_RINGS |
		    VDPR_RESTORE_DOORBELL;
	need(ctx, vdpr_restore_run(ctx, dev, state, &how, &report), "restore");
	need(ctx, vdpr_report_format(ctx, report, &text), "report");
	fputs(text, stdout);
	fflush(stdout);
	while (getchar() != EOF)
		;
	free(text);
	vdpr_report_free(report);
	vdpr_dev_close(dev);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return 0;
}
