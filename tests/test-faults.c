/* SPDX-License-Identifier: MIT */
/* Every call of a restore fails in turn; hostile behaviours in pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "tests/faults/inject.h"
#include "tests/texts.h"
#include "tests/wrap-dev.h"

/* The state with a packed ring. */
static struct vdpr_state *packed_state(const char *path)
{
	struct vdpr_state *state = vdpr_test_read(path);

	vdpr_features_set(&state->negotiated, VIRTIO_F_RING_PACKED, true);
	vdpr_features_set(&state->offered, VIRTIO_F_RING_PACKED, true);
	return state;
}

static void check_injection(const char *dev, struct vdpr_state *state)
{
	struct inject_result result;

	if (inject_all(dev, state, 0, &result))
		fail_msg("%s", result.why);
	print_message("## %s: %zu calls x %zu errnos = %zu injected, %zu "
		      "cancelled, %zu wrong, %zu leaks\n",
		      dev, result.calls, result.errnos, result.injected,
		      result.cancelled, result.wrong, result.leaked);
	assert_int_equal(result.injected + result.missed,
			 result.calls * result.errnos);
	/* A call that is made now and then, one at the most. */
	assert_true(result.missed <= result.errnos);
	if (result.wrong)
		fail_msg("%s", result.why);
	/* What is tolerated is the exception. */
	assert_true(result.tolerated * 10 < result.injected);
	vdpr_state_free(state);
}

static void any_call_may_fail_with_any_errno_on_a_split_ring(void **state)
{
	(void)state;
	check_injection("sim", vdpr_test_read("tests/data/typical.json"));
	check_injection("sim:isolated=off",
			vdpr_test_read("tests/data/example.json"));
}

static void any_call_may_fail_with_any_errno_on_a_packed_ring(void **state)
{
	(void)state;
	check_injection("sim:features=+RING_PACKED",
			packed_state("tests/data/typical.json"));
}

static const char *const hostile[] = {
	"used-id", "used-repeat",  "used-jump",	     "used-back",
	"len-0",   "len-huge",	   "ack-garbage",    "needs-reset",
	"late",	   "no-driver-ok", "no-features-ok", "config-change",
};

static void check_pair(const struct vdpr_state *state, const char *features,
		       const char *a, const char *b)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_ctx *ctx;
	struct wrap *wrap;
	uint8_t status = 0xff;
	char dev[128];
	int ret;

	snprintf(dev, sizeof(dev), "sim:%s,hostile=%s,hostile=%s", features, a,
		 b);
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	wrap = wrap_open(dev, 8);
	opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	opts.deadline = vdpr_now() + 60000000;
	ret = vdpr_restore_run(ctx, &wrap->base, state, &opts, NULL);
	if (!ret || (vdpr_ctx_cause(ctx) != VDPR_CAUSE_DEVICE &&
		     vdpr_ctx_cause(ctx) != VDPR_CAUSE_DEADLINE))
		fail_msg("%s: %d, cause %d: %s", dev, ret, vdpr_ctx_cause(ctx),
			 vdpr_ctx_error(ctx));
	assert_int_equal(vdpr_dev_get_status(wrap->inner, &status), 0);
	assert_int_equal(status, 0);
	assert_int_equal(wrap_mapped(wrap), 0);
	vdpr_dev_close(&wrap->base);
	vdpr_ctx_free(ctx);
}

/* All pairs, not a sample of them: there are 66. */
static void hostile_behaviours_in_pairs_end_in_a_reset_device(void **state)
{
	struct vdpr_state *split = vdpr_test_read("tests/data/example.json");
	struct vdpr_state *packed = packed_state("tests/data/example.json");
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		for (size_t j = i + 1; j < ARRAY_SIZE(hostile); j++) {
			check_pair(split, "mtu=1500", hostile[i], hostile[j]);
			check_pair(packed, "features=+RING_PACKED", hostile[i],
				   hostile[j]);
		}
	}
	vdpr_state_free(split);
	vdpr_state_free(packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			any_call_may_fail_with_any_errno_on_a_split_ring),
		cmocka_unit_test(
			any_call_may_fail_with_any_errno_on_a_packed_ring),
		cmocka_unit_test(
			hostile_behaviours_in_pairs_end_in_a_reset_device),
	};

	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
