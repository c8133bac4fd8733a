/* SPDX-License-Identifier: MIT */
/* The context: last failure with its class and cure, log lines. */
#include "restore/ctx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "restore/util.h"

struct vdpr_ctx {
	enum vdpr_cause cause;
	char *error; /* NULL: nothing failed, or no memory for the text */
	char *cure;
	vdpr_log_fn log;
	void *log_data;
	int log_level;
};

int vdpr_ctx_new(struct vdpr_ctx **out)
{
	struct vdpr_ctx *ctx;

	if (!out)
		return -EINVAL;
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return -ENOMEM;
	*out = ctx;
	return 0;
}

void vdpr_ctx_free(struct vdpr_ctx *ctx)
{
	if (!ctx)
		return;
	vdpr_ctx_clear(ctx);
	free(ctx);
}

const char *vdpr_ctx_error(const struct vdpr_ctx *ctx)
{
	if (!ctx)
		return "";
	if (ctx->error)
		return ctx->error;
	return ctx->cause == VDPR_CAUSE_NONE ? "" : "out of memory";
}

const char *vdpr_ctx_cure(const struct vdpr_ctx *ctx)
{
	return ctx && ctx->cure ? ctx->cure : "";
}

enum vdpr_cause vdpr_ctx_cause(const struct vdpr_ctx *ctx)
{
	return ctx ? ctx->cause : VDPR_CAUSE_NONE;
}

void vdpr_ctx_set_log(struct vdpr_ctx *ctx, vdpr_log_fn fn, void *data,
		      int level)
{
	if (!ctx)
		return;
	ctx->log = fn;
	ctx->log_data = data;
	ctx->log_level = level;
}

void vdpr_ctx_clear(struct vdpr_ctx *ctx)
{
	if (!ctx)
		return;
	free(ctx->error);
	free(ctx->cure);
	ctx->error = NULL;
	ctx->cure = NULL;
	ctx->cause = VDPR_CAUSE_NONE;
}

/* Files' and devices' text may be in it: it stays one line all the same. */
static void one_line(char *text)
{
	for (; text && *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

int vdpr_fail(struct vdpr_ctx *ctx, enum vdpr_cause cause, int err,
	      const char *fmt, ...)
{
	va_list args;
	char *text = NULL;

	if (!ctx)
		return err;
	/* Formatted before the old text goes: it may be one of the arguments. */
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	one_line(text);
	vdpr_ctx_clear(ctx);
	ctx->cause = cause;
	ctx->error = text;
	return err;
}

bool vdpr_name_null(struct vdpr_ctx *ctx, const char *function,
		    const char *names, const void *const *pointers,
		    size_t count)
{
	size_t i = 0;

	while (i < count && pointers[i])
		i++;
	if (i == count)
		return false;
	/* "dev, state, out": as the macro's caller wrote them. */
	for (; i > 0; i--)
		names = strchr(names, ',') + 2;
	vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL, "%s(): %.*s is NULL",
		  function, (int)strcspn(names, ","), names);
	return true;
}

enum vdpr_cause vdpr_cause_of(int err)
{
	return err == -EBUSY || err == -EACCES || err == -EPERM
		       ? VDPR_CAUSE_ACCESS
		       : VDPR_CAUSE_OTHER;
}

void vdpr_cure(struct vdpr_ctx *ctx, const char *fmt, ...)
{
	va_list args;
	char *text = NULL;

	if (!ctx)
		return;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	one_line(text);
	free(ctx->cure);
	ctx->cure = text;
}

int vdpr_fail_memory(struct vdpr_ctx *ctx)
{
	return vdpr_fail(ctx, VDPR_CAUSE_OTHER, -ENOMEM, "out of memory");
}

void vdpr_log(struct vdpr_ctx *ctx, int level, const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL;
	va_list args;

	if (!ctx || !ctx->log || level > ctx->log_level)
		return;
	va_start(args, fmt);
	if (vasprintf(&line, fmt, args) < 0)
		line = NULL;
	va_end(args);
	one_line(line);
	if (line)
		ctx->log(ctx->log_data, level, line);
}
