/* SPDX-License-Identifier: MIT */
/* Fuzzes observing: any commands after any start must leave a good state. */
#include <errno.h>
#include <string.h>

#include "restore/features.h"
#include "tests/fuzz/fuzz.h"

/*
 * The input: flags, offered and declined features, config; then commands: class,
 * command, ack, a length of 16 bits and that many bytes of payload.
 */

static void start(struct vdpr_ctx *ctx, struct vdpr_state *state,
		  struct fuzz_input *in)
{
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);
	struct vdpr_features offered, negotiated;
	unsigned int flags = fuzz_u8(in) & VDPR_STATE_NOT_FROM_RESET;

	for (unsigned int i = 0; i < 2; i++) {
		offered.word[i] = fuzz_u64(in);
		negotiated.word[i] = offered.word[i] & ~fuzz_u64(in);
	}
	config.has = fuzz_u16(in);
	fuzz_take(in, config.mac, sizeof(config.mac));
	config.link_up = fuzz_u8(in) & 1;
	config.announce = fuzz_u8(in) & 1;
	config.max_virtqueue_pairs = fuzz_u16(in);
	config.mtu = fuzz_u16(in);
	config.speed = fuzz_u16(in);
	config.duplex = fuzz_u8(in);
	config.rss_max_key_size = fuzz_u8(in);
	config.rss_max_indirection_table_length = fuzz_u16(in);
	config.supported_hash_types = fuzz_u16(in);
	if (!vdpr_state_start(ctx, state, &offered, &negotiated, &config,
			      flags))
		return;
	fuzz_line(vdpr_ctx_error(ctx));
	FUZZ_CHECK(!vdpr_state_start(ctx, state, &offered, &negotiated, NULL,
				     flags));
}

/* The payload in memory of its own, so that a byte too far is seen. */
static void observe(struct vdpr_ctx *ctx, struct vdpr_state *state,
		    struct fuzz_input *in)
{
	struct vdpr_command command = VDPR_INIT(struct vdpr_command);
	uint8_t *data;
	int ret;

	command.ctrl_class = fuzz_u8(in);
	command.command = fuzz_u8(in);
	command.ack = fuzz_u8(in);
	command.data_len = fuzz_u16(in);
	if (command.data_len > in->left)
		command.data_len = in->left;
	data = malloc(command.data_len);
	FUZZ_CHECK(data);
	fuzz_take(in, data, command.data_len);
	command.data = data;
	fuzz_command(ctx, &command);
	ret = vdpr_observe(ctx, state, &command);
	FUZZ_CHECK(!ret || ret == -EINVAL);
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct vdpr_ctx *ctx = fuzz_ctx();
	struct vdpr_state *state = NULL;

	FUZZ_CHECK(!vdpr_state_new(ctx, &state));
	start(ctx, state, &in);
	while (in.left)
		observe(ctx, state, &in);
	fuzz_state(ctx, state);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return 0;
}
