/* SPDX-License-Identifier: MIT */
/* Fuzzes the reader of Cloud Hypervisor's state.json; the first byte is a NIC. */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static const char *const nics[] = { NULL, "_net0", "_vdpa0", "" };

static bool is_said(int err)
{
	return err == -EBADMSG || err == -ENODATA || err == -ENODEV ||
	       err == -ENOTUNIQ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vdpr_capture_opts opts = VDPR_INIT(struct vdpr_capture_opts);
	struct fuzz_input in = { data, size };
	struct vdpr_state *state = NULL;
	struct vdpr_ctx *ctx = fuzz_ctx();
	int err;

	opts.nic = nics[fuzz_u8(&in) % ARRAY_SIZE(nics)];
	err = vdpr_capture_ch_snapshot(ctx, (const char *)in.data, in.left,
				       &opts, &state);
	if (err) {
		FUZZ_CHECK(is_said(err) && !state);
		FUZZ_CHECK(vdpr_ctx_cause(ctx) == VDPR_CAUSE_INPUT ||
			   vdpr_ctx_cause(ctx) == VDPR_CAUSE_USAGE);
		fuzz_line(vdpr_ctx_error(ctx));
	} else {
		fuzz_state(ctx, state);
	}
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return 0;
}
