/* SPDX-License-Identifier: MIT */
/* State files on disk: read with a limit, written whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "restore/file.h"
#include "restore/json-write.h"

/* ---------------------------------------------------------------------- read */

/* Reads to the end, or one byte past the limit. Return: 0 or -errno. */
static int read_all(int fd, struct vdpr_buf *buf)
{
	char piece[16384];

	while (buf->len <= VDPR_STATE_BYTES) {
		size_t left = VDPR_STATE_BYTES + 1 - buf->len;
		ssize_t n = read(fd, piece,
				 left < sizeof(piece) ? left : sizeof(piece));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		vdpr_buf_add(buf, piece, (size_t)n);
		if (vdpr_buf_error(buf))
			return vdpr_buf_error(buf);
	}
	return 0;
}

int vdpr_state_read(struct vdpr_ctx *ctx, const char *path,
		    struct vdpr_state **out)
{
	_cleanup_buf_ struct vdpr_buf buf = { 0 };
	_cleanup_close_ int fd = -1;
	int err;

	if (vdpr_any_null(ctx, path, out))
		return -EINVAL;
	do {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0) {
		err = -errno;
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, err, "%s: open: %s",
				 path, strerror(-err));
	}
	err = read_all(fd, &buf);
	if (err)
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, err, "%s: read: %s",
				 path, strerror(-err));
	err = vdpr_state_parse(ctx, buf.data ? buf.data : "", buf.len, out);
	if (err && ctx) {
		_cleanup_free_ char *cure = strdup(vdpr_ctx_cure(ctx));

		vdpr_fail(ctx, VDPR_CAUSE_INPUT, err, "%s: %s", path,
			  vdpr_ctx_error(ctx));
		if (cure && *cure)
			vdpr_cure(ctx, "%s", cure);
	}
	return err;
}

/* --------------------------------------------------------------------- write */

int vdpr_state_write(struct vdpr_ctx *ctx, const struct vdpr_state *state,
		     const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int err;

	if (vdpr_any_null(ctx, state, path))
		return -EINVAL;
	err = vdpr_state_format(ctx, state, &text, &len);
	return err ? err : vdpr_file_write(ctx, path, text, len);
}
