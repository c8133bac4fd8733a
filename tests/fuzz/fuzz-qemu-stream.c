/* SPDX-License-Identifier: MIT */
/* Fuzzes the reading of migration streams, from files and from pipes. */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

/*
 * The input: how many bytes a pipe gives at a time (16 bits), then the stream. A
 * stream is mostly zeros, so a zero byte is followed by a number of 16 bits: that
 * many zeros. tests/fuzz/qemu-seed.py makes inputs of streams.
 */
#define STREAM_MOST (256u << 10)

struct stream {
	uint8_t *data;
	size_t len;
	size_t most; /* bytes a read gives */
	uint64_t at; /* of a pipe */
	bool is_pipe;
};

static void expand(struct stream *s, struct fuzz_input *in)
{
	while (in->left && s->len < STREAM_MOST) {
		uint8_t c = fuzz_u8(in);
		size_t n = 1;

		if (!c)
			n = fuzz_u16(in);
		if (n > STREAM_MOST - s->len)
			n = STREAM_MOST - s->len;
		memset(s->data + s->len, c, n);
		s->len += n;
	}
}

static ssize_t read_stream(void *data, uint64_t offset, void *buf, size_t len)
{
	struct stream *s = data;
	size_t left = offset < s->len ? s->len - (size_t)offset : 0;

	FUZZ_CHECK(!s->is_pipe || offset == s->at);
	if (len > left)
		len = left;
	if (len > s->most)
		len = s->most;
	memcpy(buf, s->data + offset * (len > 0), len);
	s->at += len;
	return (ssize_t)len;
}

static int read_one(struct vdpr_ctx *ctx, struct stream *s, bool is_pipe,
		    struct vdpr_qemu_stream **out)
{
	struct vdpr_stream source = VDPR_INIT(struct vdpr_stream);
	int err;

	s->is_pipe = is_pipe;
	s->at = 0;
	source.read = read_stream;
	source.data = s;
	source.length = is_pipe ? 0 : s->len;
	err = vdpr_qemu_stream_read(ctx, &source, out);
	if (!err)
		return 0;
	FUZZ_CHECK(err == -EBADMSG);
	FUZZ_CHECK(vdpr_ctx_cause(ctx) == VDPR_CAUSE_INPUT);
	fuzz_line(vdpr_ctx_error(ctx));
	FUZZ_CHECK(!strncmp(vdpr_ctx_error(ctx), "offset ", 7));
	return err;
}

/* The text of a device's state, or NULL where it is refused. */
static char *text_of(struct vdpr_ctx *ctx,
		     const struct vdpr_qemu_stream *stream, size_t index)
{
	struct vdpr_state *state = NULL;
	char *text = NULL;
	int err = vdpr_qemu_stream_state(ctx, stream, index, 0, &state);

	if (err) {
		FUZZ_CHECK(err == -EBADMSG);
		fuzz_line(vdpr_ctx_error(ctx));
		return NULL;
	}
	fuzz_state(ctx, state);
	FUZZ_CHECK(!vdpr_state_format(ctx, state, &text, NULL));
	vdpr_state_free(state);
	return text;
}

static void check_nics(struct vdpr_ctx *ctx,
		       const struct vdpr_qemu_stream *stream)
{
	for (size_t i = 0; i < vdpr_qemu_stream_count(stream); i++) {
		struct vdpr_qemu_nic_info info =
			VDPR_INIT(struct vdpr_qemu_nic_info);

		FUZZ_CHECK(!vdpr_qemu_stream_get(stream, i, &info));
		fuzz_line(info.id);
		FUZZ_CHECK(info.queue_pairs >= 1 &&
			   info.queue_pairs <= info.max_virtqueue_pairs);
		free(text_of(ctx, stream, i));
	}
}

/* What both can read they read alike. */
static void check_same(struct vdpr_ctx *ctx, const struct vdpr_qemu_stream *a,
		       const struct vdpr_qemu_stream *b)
{
	FUZZ_CHECK(vdpr_qemu_stream_count(a) == vdpr_qemu_stream_count(b));
	for (size_t i = 0; i < vdpr_qemu_stream_count(a); i++) {
		char *x = text_of(ctx, a, i);
		char *y = text_of(ctx, b, i);

		FUZZ_CHECK(!x == !y);
		FUZZ_CHECK(!x || !strcmp(x, y));
		free(x);
		free(y);
	}
}

static void read_both(struct vdpr_ctx *ctx, struct stream *s, size_t most)
{
	struct vdpr_qemu_stream *file = NULL, *pipe = NULL;

	s->most = STREAM_MOST;
	if (!read_one(ctx, s, false, &file))
		check_nics(ctx, file);
	s->most = most;
	if (!read_one(ctx, s, true, &pipe))
		check_nics(ctx, pipe);
	if (file && pipe)
		check_same(ctx, file, pipe);
	vdpr_qemu_stream_free(file);
	vdpr_qemu_stream_free(pipe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct vdpr_ctx *ctx = fuzz_ctx();
	size_t most = fuzz_u16(&in) + 1u;
	struct stream s = { 0 };
	uint8_t *exact;

	s.data = malloc(STREAM_MOST);
	FUZZ_CHECK(s.data);
	expand(&s, &in);
	/* Of its own length, so that a byte too far is seen. */
	exact = realloc(s.data, s.len + 1);
	FUZZ_CHECK(exact);
	s.data = exact;
	read_both(ctx, &s, most);
	free(s.data);
	vdpr_ctx_free(ctx);
	return 0;
}
