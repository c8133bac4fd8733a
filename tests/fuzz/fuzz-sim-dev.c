/* SPDX-License-Identifier: MIT */
/* Fuzzes the DEV word: what is taken lies in its limits, what is not has a reason. */
#include <errno.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/sim.h"
#include "tests/fuzz/fuzz.h"

static void check_opts(const struct sim_opts *o)
{
	FUZZ_CHECK(o->pairs >= 1 && o->pairs <= SIM_PAIRS_MAX);
	FUZZ_CHECK(vdpr_is_pow2(o->queue_size) && o->queue_size <= 32768);
	FUZZ_CHECK(vdpr_is_pow2(o->cvq_size) && o->cvq_size <= 32768);
	FUZZ_CHECK(o->table_size >= 1 && o->mtu >= 68 && !(o->mac[0] & 1));
	FUZZ_CHECK(o->hostile < 1u << SIM_HOSTILE_COUNT);
	FUZZ_CHECK(o->quirk < 1u << SIM_QUIRK_COUNT);
	FUZZ_CHECK(!o->dump || *o->dump);
}

static void check_refusal(const struct vdpr_ctx *ctx, int err)
{
	FUZZ_CHECK(err == -EINVAL || err == -EOPNOTSUPP);
	FUZZ_CHECK(vdpr_ctx_cause(ctx) == VDPR_CAUSE_USAGE);
	FUZZ_CHECK(*vdpr_ctx_error(ctx));
}

static void try_word(struct vdpr_ctx *ctx, const char *word)
{
	struct sim_opts *opts = NULL;
	int err = vdpr_sim_check(ctx, word);

	if (err)
		check_refusal(ctx, err);
	FUZZ_CHECK(vdpr_sim_parse(ctx, word, &opts) == err);
	if (opts)
		check_opts(opts);
	FUZZ_CHECK(!opts == !!err);
	vdpr_sim_opts_free(opts);
	if (!err)
		FUZZ_CHECK(vdpr_dev_is_name(word));
	vdpr_ctx_clear(ctx);
	if (!vdpr_dev_is_name(word))
		return;
	err = vdpr_dev_check_name(ctx, word);
	if (err)
		check_refusal(ctx, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vdpr_ctx *ctx = fuzz_ctx();
	char *word = malloc(size + 1); /* to its end and no further */

	FUZZ_CHECK(word);
	memcpy(word, data, size);
	word[size] = '\0';
	try_word(ctx, word);
	free(word);
	vdpr_ctx_free(ctx);
	return 0;
}
