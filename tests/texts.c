/* SPDX-License-Identifier: MIT */
/* Good texts of state files, and what to do with them. */
#include "tests/texts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/ctx.h"

/* @base with the one place where @from stands changed to @to; freed by caller. */
char *vdpr_test_edit(const char *base, const char *from, const char *to)
{
	const char *at = strstr(base, from);
	char *text = NULL;

	if (!at || strstr(at + 1, from))
		fail_msg("\"%s\" does not stand exactly once", from);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - base), base, to,
			     at + strlen(from)) >= 0);
	return text;
}

struct vdpr_state *vdpr_test_parse(struct vdpr_ctx *ctx, const char *text)
{
	struct vdpr_state *s = NULL;
	int err = vdpr_state_parse(ctx, text, strlen(text), &s);

	if (err)
		fail_msg("%s: %s", strerror(-err), vdpr_ctx_error(ctx));
	return s;
}

struct vdpr_state *vdpr_test_state_of(struct vdpr_ctx *ctx, const char *offered,
				      const char *negotiated, const char *rest)
{
	struct vdpr_state *s;
	char *text = NULL;

	assert_true(
		asprintf(
			&text,
			"{\"schema\": \"vdpa-restore/state\", \"version\": 1, \"compat\": 1, "
			"\"features\": {\"offered\": \"%s\", \"negotiated\": %s}, %s}",
			offered, negotiated, rest) > 0);
	s = vdpr_test_parse(ctx, text);
	free(text);
	return s;
}

struct vdpr_state *vdpr_test_read(const char *path)
{
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	if (vdpr_state_read(ctx, path, &state))
		fail_msg("%s", vdpr_ctx_error(ctx));
	vdpr_ctx_free(ctx);
	return state;
}

char *vdpr_test_format(struct vdpr_ctx *ctx, const struct vdpr_state *s)
{
	char *text = NULL;
	size_t len = 0;
	int err = vdpr_state_format(ctx, s, &text, &len);

	if (err)
		fail_msg("%s: %s", strerror(-err), vdpr_ctx_error(ctx));
	assert_int_equal(strlen(text), len);
	return text;
}

/* The message names what is wrong, on one line of printable text. */
void vdpr_test_refused(struct vdpr_ctx *ctx, const char *text, size_t len,
		       int want, const char *message)
{
	struct vdpr_state *s = NULL;
	int err = vdpr_state_parse(ctx, text, len, &s);
	const char *got = vdpr_ctx_error(ctx);

	if (!err)
		fail_msg("accepted, but expected: %s", message);
	assert_null(s);
	if (err != want || !strstr(got, message))
		fail_msg("got %d \"%s\", expected \"%s\"", err, got, message);
	assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_INPUT);
	for (; *got; got++)
		assert_true((unsigned char)*got >= 0x20 &&
			    (unsigned char)*got < 0x7f);
}
