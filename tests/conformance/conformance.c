/* SPDX-License-Identifier: MIT */
/* conformance DEV [PARENT]: does a device answer as the table of calls says? */
#include <stdio.h>
#include <string.h>

#include "tests/conformance/table.h"

static const char *const parent_names[] = {
	[CONFORMANCE_SIM] = "sim",
	[CONFORMANCE_VDPA_SIM] = "vdpa_sim",
	[CONFORMANCE_VP_VDPA] = "vp_vdpa",
};
_Static_assert(sizeof(parent_names) / sizeof(*parent_names) ==
		       CONFORMANCE_PARENTS,
	       "a name for each column");

/* Sequences whose answers are those of newer kernels; the others held on 6.1, the
 * oldest that was tried. */
static const struct {
	const char *name;
	unsigned int since;
} newer[] = {
	{ "SUSPEND and RESUME", VDPR_KERNEL(6, 3) },
	{ "ENABLE_AFTER_DRIVER_OK", VDPR_KERNEL(6, 6) },
	{ "DESC_ASID", VDPR_KERNEL(6, 7) },
	{ "IOTLB_PERSIST", VDPR_KERNEL(6, 7) },
	{ "descriptor group", VDPR_KERNEL(6, 7) },
	{ "ring addresses while running", VDPR_KERNEL(6, 8) },
	{ "ring base while running", VDPR_KERNEL(6, 8) },
	{ "suspended rings can be set", VDPR_KERNEL(6, 8) },
	{ "suspend and resume before DRIVER_OK do nothing", VDPR_KERNEL(6, 9) },
	{ "suspend and resume", VDPR_KERNEL(6, 9) },
	{ "largest ring of a queue", VDPR_KERNEL(6, 11) },
	{ "unmap takes all that it touches", VDPR_KERNEL(6, 12) },
};

static bool is_newer(const char *name, const struct vdpr_dev *dev)
{
	for (size_t i = 0; i < ARRAY_SIZE(newer); i++)
		if (!strcmp(newer[i].name, name))
			return dev->kernel && dev->kernel < newer[i].since;
	return false;
}

/* The column by name, or by what the DEV word and sysfs say. */
static int choose(const char *word, const struct vdpr_dev *dev)
{
	if (word) {
		for (int i = 0; i < CONFORMANCE_PARENTS; i++)
			if (!strcmp(word, parent_names[i]))
				return i;
		return -1;
	}
	if (!strncmp(dev->name, "sim", 3))
		return CONFORMANCE_SIM;
	return dev->driver && !strcmp(dev->driver, "vp-vdpa")
		       ? CONFORMANCE_VP_VDPA
		       : CONFORMANCE_VDPA_SIM;
}

#define SKIPPED 1

/* Return: 0 passed, SKIPPED, -1 failed; why is set. */
static int run_one(struct vdpr_ctx *ctx, const char *name, const char *parent,
		   size_t i, char why[CONFORMANCE_WHY])
{
	struct vdpr_dev *dev;
	int column, ret;

	if (vdpr_dev_open(ctx, name, &dev)) {
		(void)snprintf(why, CONFORMANCE_WHY, "%s", vdpr_ctx_error(ctx));
		return -1;
	}
	column = choose(parent, dev);
	(void)snprintf(why, CONFORMANCE_WHY, "no such parent");
	if (column < 0)
		ret = -1;
	else if (column != CONFORMANCE_SIM &&
		 is_newer(conformance_table[i].name, dev))
		ret = SKIPPED;
	else
		ret = conformance_run(&conformance_table[i], dev,
				      (enum conformance_parent)column, why);
	vdpr_dev_close(dev);
	return ret;
}

int main(int argc, char **argv)
{
	const char *parent = argc > 2 ? argv[2] : NULL;
	size_t passed = 0, failed = 0;
	struct vdpr_ctx *ctx;

	if (argc < 2 || argc > 3) {
		(void)fprintf(stderr, "usage: conformance DEV [PARENT]\n");
		return 2;
	}
	if (vdpr_ctx_new(&ctx))
		return 1;
	for (size_t i = 0; i < conformance_count; i++) {
		char why[CONFORMANCE_WHY];
		int ret = run_one(ctx, argv[1], parent, i, why);

		(void)printf("%s %zu - %s%s\n", ret < 0 ? "not ok" : "ok",
			     i + 1, conformance_table[i].name,
			     ret == SKIPPED ? " # SKIP on this kernel" : "");
		if (ret < 0)
			(void)printf("# %s\n", why);
		(void)fflush(stdout);
		passed += !ret;
		failed += ret < 0;
	}
	(void)printf("%zu passed, %zu failed\n", passed, failed);
	vdpr_ctx_free(ctx);
	return failed || !passed ? 1 : 0;
}
