/* SPDX-License-Identifier: MIT */
/* The simulator answers every call of the conformance table as vhost-vdpa. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/conformance/table.h"

static void run_all(const char *name)
{
	struct vdpr_ctx *ctx;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	for (size_t i = 0; i < conformance_count; i++) {
		char why[CONFORMANCE_WHY];
		struct vdpr_dev *dev;

		assert_int_equal(vdpr_sim_open(ctx, name, &dev), 0);
		if (conformance_run(&conformance_table[i], dev, CONFORMANCE_SIM,
				    why))
			fail_msg("%s: %s", conformance_table[i].name, why);
		vdpr_dev_close(dev);
	}
	vdpr_ctx_free(ctx);
}

static void table_is_long_enough_to_mean_something(void **state)
{
	(void)state;
	assert_true(conformance_count >= 60);
}

static void simulator_conforms(void **state)
{
	(void)state;
	run_all("sim");
}

static void small_simulator_conforms(void **state)
{
	(void)state;
	run_all("sim:pairs=1,queue-size=16,cvq-size=16");
}

/* The table can fail: a device without groups is not what sim's column says. */
static void device_of_another_kind_does_not_conform(void **state)
{
	size_t failed = 0;
	struct vdpr_ctx *ctx;

	(void)state;
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	for (size_t i = 0; i < conformance_count; i++) {
		char why[CONFORMANCE_WHY];
		struct vdpr_dev *dev;

		assert_int_equal(vdpr_sim_open(ctx, "sim:isolated=off", &dev),
				 0);
		failed += conformance_run(&conformance_table[i], dev,
					  CONFORMANCE_SIM, why) != 0;
		vdpr_dev_close(dev);
	}
	assert_true(failed > 0);
	vdpr_ctx_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_long_enough_to_mean_something),
		cmocka_unit_test(simulator_conforms),
		cmocka_unit_test(small_simulator_conforms),
		cmocka_unit_test(device_of_another_kind_does_not_conform),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
