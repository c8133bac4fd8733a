/* SPDX-License-Identifier: MIT */
/* Fuzzes what a monitor says: the input is all of it, in advance. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "restore/ctx.h"
#include "restore/qmp.h"
#include "tests/fuzz/fuzz.h"

/* All that is said is there already, and then the line is dead: no wait is ever
 * needed, and a deadline that passes is a finding. */
#define TIME_NS 5000000000ull

static void connected(const uint8_t *data, size_t size, int fds[2])
{
	int buffer = 1 << 20;

	FUZZ_CHECK(!socketpair(
		AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
	FUZZ_CHECK(!setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &buffer,
			       sizeof(buffer)));
	while (size) {
		ssize_t n = send(fds[1], data, size, MSG_NOSIGNAL);

		if (n <= 0)
			break; /* longer than a socket holds: cut */
		data += n;
		size -= (size_t)n;
	}
	FUZZ_CHECK(!shutdown(fds[1], SHUT_WR));
}

static bool is_said(int err)
{
	return err == -EBADMSG || err == -ENODATA || err == -ENODEV ||
	       err == -ENOTUNIQ || err == -EPIPE || err == -EREMOTEIO ||
	       err == -EOPNOTSUPP;
}

static const char *const nics[] = { NULL, "net0", "/machine/peripheral/net0" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vdpr_capture_opts opts = VDPR_INIT(struct vdpr_capture_opts);
	struct fuzz_input in = { data, size };
	struct vdpr_ctx *ctx = fuzz_ctx();
	struct vdpr_qmp qmp;
	struct vdpr_state *state = NULL;
	int err, fds[2];

	opts.nic = nics[fuzz_u8(&in) % ARRAY_SIZE(nics)];
	connected(in.data, in.left, fds);
	vdpr_qmp_init(&qmp, ctx, "fuzz", vdpr_now() + TIME_NS, -1);
	qmp.socket.fd = fds[0];
	err = vdpr_qmp_greet(&qmp);
	if (!err)
		err = vdpr_capture_qmp_from(&qmp, &opts, &state);
	if (err) {
		FUZZ_CHECK(is_said(err) && !state);
		fuzz_line(vdpr_ctx_error(ctx));
	} else {
		fuzz_state(ctx, state);
	}
	vdpr_state_free(state);
	vdpr_qmp_close(&qmp);
	vdpr_close_fd(fds[1]);
	vdpr_ctx_free(ctx);
	return 0;
}
