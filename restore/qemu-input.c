/* SPDX-License-Identifier: MIT */
/* The bytes of a QEMU migration stream, from a file or from a pipe. */
#include "restore/qemu-input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"

/* What one read asks for: it stays in the processor's cache. */
#define CHUNK (256u << 10)

/* What a pipe's bytes lie in. Copied to where a page begins they come at several
 * times the speed on some processors. */
#define PAGE 4096u

int vdpr_in_init(struct vdpr_in *in, struct vdpr_ctx *ctx,
		 const struct vdpr_stream *source)
{
	*in = (struct vdpr_in){ .ctx = ctx, .source = source };
	in->buf = aligned_alloc(PAGE, VDPR_IN_SIZE);
	return in->buf ? 0 : vdpr_fail_memory(ctx);
}

void vdpr_in_rewind(struct vdpr_in *in)
{
	in->start = in->end = 0;
	in->at = 0;
	in->at_end = false;
	in->err = 0;
	vdpr_in_enter(in, 0, NULL);
}

void vdpr_in_free(struct vdpr_in *in)
{
	free(in->buf);
	in->buf = NULL;
}

void vdpr_in_enter(struct vdpr_in *in, uint32_t section, const char *name)
{
	in->section = section;
	snprintf(in->name, sizeof(in->name), "%s", name ? name : "");
}

/* ---------------------------------------------------------------- messages */

int vdpr_in_bad(struct vdpr_in *in, uint64_t offset, const char *fmt, ...)
{
	unsigned long long at = offset;
	char why[320];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	if (!in->name[0])
		return vdpr_fail(in->ctx, VDPR_CAUSE_INPUT, -EBADMSG,
				 "offset %llu (0x%llx): %s", at, at, why);
	return vdpr_fail(in->ctx, VDPR_CAUSE_INPUT, -EBADMSG,
			 "offset %llu (0x%llx), section %u \"%s\": %s", at, at,
			 in->section, in->name, why);
}

int vdpr_in_short(struct vdpr_in *in, uint64_t offset)
{
	if (in->err)
		return vdpr_fail(in->ctx, VDPR_CAUSE_INPUT, in->err,
				 "offset %llu: read: %s",
				 (unsigned long long)offset,
				 strerror(-in->err));
	return vdpr_in_bad(in, offset, "the stream ends here: it is truncated");
}

/* ------------------------------------------------------------------ in order */

static ssize_t source_read(const struct vdpr_in *in, uint64_t offset, void *buf,
			   size_t len)
{
	ssize_t n;

	do {
		n = in->source->read(in->source->data, offset, buf, len);
	} while (n == -EINTR);
	return n > (ssize_t)len ? -EIO : n;
}

/* One read more. There must be room. */
static void fill(struct vdpr_in *in)
{
	size_t room = VDPR_IN_SIZE - in->end;
	ssize_t n = source_read(in, in->at + (in->end - in->start),
				in->buf + in->end, room < CHUNK ? room : CHUNK);

	if (n <= 0) {
		in->err = (int)n;
		in->at_end = true;
		return;
	}
	in->end += (size_t)n;
}

size_t vdpr_in_peek(struct vdpr_in *in, size_t len, const uint8_t **p)
{
	if (in->start + len > VDPR_IN_SIZE || in->start == in->end) {
		size_t left = vdpr_in_left(in), to = -left % PAGE;

		memmove(in->buf + to, in->buf + in->start, left);
		in->start = to;
		in->end = to + left;
	}
	while (vdpr_in_left(in) < len && !in->at_end)
		fill(in);
	*p = in->buf + in->start;
	return vdpr_in_left(in) < len ? vdpr_in_left(in) : len;
}

int vdpr_in_need(struct vdpr_in *in, size_t len, const uint8_t **p)
{
	size_t n = vdpr_in_peek(in, len, p);

	return n < len ? vdpr_in_short(in, in->at + n) : 0;
}

int vdpr_in_counted(struct vdpr_in *in, const uint8_t **p, size_t *len)
{
	int err = vdpr_in_need(in, 1, p);

	if (err)
		return err;
	*len = **p;
	err = vdpr_in_need(in, 1 + *len, p);
	++*p;
	return err;
}

/* Beyond what is read already, where the source can seek. */
static int skip_unread(struct vdpr_in *in, uint64_t len)
{
	uint64_t length = in->source->length;

	in->start = in->end = 0;
	if (len > length || in->at > length - len) {
		in->at_end = true;
		return vdpr_in_short(in, length);
	}
	in->at += len;
	return 0;
}

int vdpr_in_skip(struct vdpr_in *in, uint64_t len)
{
	while (len) {
		size_t left = vdpr_in_left(in);
		size_t n = left < len ? left : (size_t)len;
		const uint8_t *p;

		vdpr_in_take(in, n);
		len -= n;
		if (!len)
			return 0;
		if (in->source->length && len > VDPR_IN_SIZE)
			return skip_unread(in, len);
		if (!vdpr_in_peek(in, 1, &p))
			return vdpr_in_short(in, in->at);
	}
	return 0;
}

/* ------------------------------------------------------------------ anywhere */

int vdpr_in_read_at(struct vdpr_in *in, uint64_t offset, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = source_read(in, offset + done,
					(uint8_t *)buf + done, len - done);

		if (n < 0) {
			in->err = (int)n;
			return vdpr_in_short(in, offset + done);
		}
		if (!n) {
			vdpr_in_short(in, offset + done);
			return -ENODATA;
		}
		done += (size_t)n;
	}
	return 0;
}
