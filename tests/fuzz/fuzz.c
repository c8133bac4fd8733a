/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: the input, the checks, what every state must do. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "restore/state.h"

void fuzz_take(struct fuzz_input *in, void *to, size_t len)
{
	size_t have = len < in->left ? len : in->left;

	memset(to, 0, len);
	if (!have)
		return;
	memcpy(to, in->data, have);
	in->data += have;
	in->left -= have;
}

void fuzz_text(const char *text, size_t size)
{
	FUZZ_CHECK(memchr(text, '\0', size));
}

#define PACKETS 24

void fuzz_send_packets(struct fuzz_input *in, const int *fd, unsigned int n)
{
	static uint8_t packet[1u << 16];

	for (unsigned int i = 0; i < PACKETS && in->left; i++) {
		unsigned int at = n > 1 ? fuzz_u8(in) % n : 0;
		size_t len = fuzz_u16(in);

		if (len > in->left)
			len = in->left;
		if (!len)
			continue;
		fuzz_take(in, packet, len);
		(void)send(fd[at], packet, len, MSG_DONTWAIT);
	}
	/* No more will come: a request that waits is told so. */
	for (unsigned int i = 0; i < n; i++)
		shutdown(fd[i], SHUT_WR);
}

void fuzz_line(const char *text)
{
	FUZZ_CHECK(*text);
	for (; *text; text++)
		FUZZ_CHECK((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_log(void *data, int level, const char *line)
{
	(void)data;
	FUZZ_CHECK(level >= 3 && level <= 7);
	fuzz_line(line);
}

struct vdpr_ctx *fuzz_ctx(void)
{
	struct vdpr_ctx *ctx = NULL;

	FUZZ_CHECK(!vdpr_ctx_new(&ctx));
	vdpr_ctx_set_log(ctx, check_log, NULL, 7);
	return ctx;
}

void fuzz_command(struct vdpr_ctx *ctx, const struct vdpr_command *command)
{
	char *text = NULL;

	FUZZ_CHECK(!vdpr_command_describe(ctx, command, &text));
	fuzz_line(text);
	free(text);
}

static void check_section(void *data, const char *section,
			  enum vdpr_compare_result result, const char *a,
			  const char *b)
{
	(void)data;
	fuzz_line(section);
	FUZZ_CHECK(result != VDPR_DIFFERS);
	FUZZ_CHECK(!a == !b && (!a || !strcmp(a, b)));
}

static void check_plan(struct vdpr_ctx *ctx, const struct vdpr_state *state,
		       unsigned int flags)
{
	struct vdpr_features negotiated;
	struct vdpr_plan *plan = NULL;
	struct vdpr_command command = VDPR_INIT(struct vdpr_command);
	int ret = vdpr_plan(ctx, state, flags, &plan);

	if (ret) {
		FUZZ_CHECK(ret == -EINVAL || (ret == -ENODATA && !flags));
		FUZZ_CHECK((ret == -EINVAL) ==
			   (vdpr_state_features(state, &negotiated) < 0));
		FUZZ_CHECK(vdpr_ctx_cause(ctx) == VDPR_CAUSE_REFUSED);
		fuzz_line(vdpr_ctx_error(ctx));
		return;
	}
	FUZZ_CHECK(flags || vdpr_state_is_complete(state));
	for (size_t i = 0; i < vdpr_plan_count(plan); i++) {
		FUZZ_CHECK(!vdpr_plan_get(plan, i, &command, NULL));
		fuzz_command(ctx, &command);
	}
	vdpr_plan_free(plan);
}

void fuzz_state(struct vdpr_ctx *ctx, const struct vdpr_state *state)
{
	struct vdpr_state *again = NULL;
	char *first = NULL, *second = NULL;
	size_t first_len = 0, second_len = 0;

	FUZZ_CHECK(!vdpr_state_format(ctx, state, &first, &first_len));
	FUZZ_CHECK(first_len == strlen(first) && first[first_len - 1] == '\n');
	if (vdpr_state_parse(ctx, first, first_len, &again)) {
		fprintf(stderr, "%s\n%s", vdpr_ctx_error(ctx), first);
		abort();
	}
	FUZZ_CHECK(!vdpr_state_format(ctx, again, &second, &second_len));
	FUZZ_CHECK(first_len == second_len && !strcmp(first, second));
	FUZZ_CHECK(!vdpr_state_compare(ctx, state, again, VDPR_COMPARE_RINGS,
				       check_section, NULL));
	check_plan(ctx, again, 0);
	check_plan(ctx, again, VDPR_PLAN_UNKNOWN_DEFAULT);
	FUZZ_CHECK(!vdpr_state_merge(ctx, again, state, NULL));
	vdpr_state_free(again);
	free(first);
	free(second);
}
