/* SPDX-License-Identifier: MIT */
/* faults DEV STATE [assume]: every call of a restore fails in turn on a device. */
#include <stdio.h>
#include <string.h>

#include "tests/faults/inject.h"

int main(int argc, char **argv)
{
	unsigned int flags = argc > 3 ? VDPR_RESTORE_ASSUME_ENABLE : 0;
	struct inject_result result;
	struct vdpr_state *state;
	struct vdpr_ctx *ctx;
	int ret;

	if (argc < 3) {
		fprintf(stderr, "usage: faults DEV STATE [assume]\n");
		return 2;
	}
	if (vdpr_ctx_new(&ctx))
		return 1;
	if (vdpr_state_read(ctx, argv[2], &state)) {
		fprintf(stderr, "%s\n", vdpr_ctx_error(ctx));
		vdpr_ctx_free(ctx);
		return 1;
	}
	ret = inject_all(argv[1], state, flags, &result);
	printf("%zu calls x %zu errnos = %zu injected (%zu rightly went on), "
	       "%zu not reached, %zu cancelled, %zu wrong, %zu leaks%s%s\n",
	       result.calls, result.errnos, result.injected, result.tolerated,
	       result.missed, result.cancelled, result.wrong, result.leaked,
	       result.wrong || ret ? ": " : "", result.why);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	/* A call that is made now and then may be missed, one at the most. */
	if (result.injected + result.missed != result.calls * result.errnos ||
	    result.missed > result.errnos)
		return 1;
	return ret || result.wrong ? 1 : 0;
}
