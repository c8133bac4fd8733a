/* SPDX-License-Identifier: MIT */
/* Memory that a caller lends to a device through the library. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "restore/cvq.h"
#include "tests/restore-loop.h"
#include "tests/wrap-dev.h"

#define EXAMPLE "tests/data/example.json"
#define PAGE 4096u
#define LEN (4 * PAGE)
#define GPA 0x40000000ull

struct world {
	struct vdpr_ctx *ctx;
	struct wrap *wrap;
	uint8_t *mem;
};

static int setup(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	assert_int_equal(vdpr_ctx_new(&w.ctx), 0);
	w.wrap = wrap_open("sim", 8);
	w.mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(w.mem, MAP_FAILED);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	vdpr_dev_close(&w->wrap->base);
	munmap(w->mem, LEN);
	vdpr_ctx_free(w->ctx);
	return 0;
}

static int map(struct world *w, uint64_t iova, uint64_t len)
{
	return vdpr_dev_map(w->ctx, &w->wrap->base, iova, len, w->mem, 0);
}

static void device_is_owned_once(void **state)
{
	struct world *w = *state;

	assert_int_equal(map(w, GPA, PAGE), 0);
	assert_int_equal(map(w, GPA + PAGE, PAGE), 0);
	assert_int_equal(wrap_count(w->wrap, VHOST_SET_OWNER), 1);
	assert_int_equal(w->wrap->n_maps, 2);
	assert_int_equal(w->wrap->map[1].iova, GPA + PAGE);
	assert_int_equal(w->wrap->map[1].asid, 0);
}

static void wrong_words_are_refused_before_the_device_is_asked(void **state)
{
	static const struct {
		uint64_t iova, len;
		size_t offset;
		unsigned int flags;
	} wrong[] = {
		{ GPA, 0, 0, 0 },
		{ GPA + 1, PAGE, 0, 0 },
		{ GPA, PAGE + 1, 0, 0 },
		{ GPA, PAGE, 1, 0 },
		{ GPA, PAGE, 0, 1u << 7 },
		{ UINT64_MAX - PAGE + 1, 2 * PAGE, 0, 0 },
	};
	struct world *w = *state;
	size_t calls = w->wrap->n;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(vdpr_dev_map(w->ctx, &w->wrap->base,
					      wrong[i].iova, wrong[i].len,
					      w->mem + wrong[i].offset,
					      wrong[i].flags),
				 -EINVAL);
		assert_int_equal(vdpr_ctx_cause(w->ctx), VDPR_CAUSE_USAGE);
	}
	assert_int_equal(w->wrap->n, calls);
}

static void what_is_mapped_is_not_mapped_again(void **state)
{
	struct world *w = *state;

	assert_int_equal(map(w, GPA, 2 * PAGE), 0);
	assert_int_equal(map(w, GPA + PAGE, PAGE), -EEXIST);
	assert_int_equal(map(w, GPA + 2 * PAGE, PAGE), 0);
	assert_int_equal(vdpr_dev_unmap(w->ctx, &w->wrap->base, GPA, PAGE),
			 -ENOENT);
	assert_int_equal(vdpr_dev_unmap(w->ctx, &w->wrap->base, GPA, 2 * PAGE),
			 0);
	assert_int_equal(wrap_mapped(w->wrap), 1);
	assert_int_equal(map(w, GPA, PAGE), 0);
}

/* The kernel has one errno for everything. */
static void a_refused_mapping_says_why(void **state)
{
	struct world *w = *state;

	/* Not through this function: the library cannot know of it. */
	assert_int_equal(map(w, GPA, PAGE), 0);
	assert_int_equal(vdpr_dev_iotlb_update(&w->wrap->base, 0,
					       GPA + 2 * PAGE, PAGE, w->mem,
					       VHOST_ACCESS_RW),
			 0);
	assert_int_equal(map(w, GPA + 2 * PAGE, PAGE), -EFAULT);
	assert_non_null(strstr(vdpr_ctx_error(w->ctx),
			       "IOTLB update of 4096 bytes at 0x40002000"));
	assert_string_not_equal(vdpr_ctx_cure(w->ctx), "");
	/* It is not taken for mapped. */
	assert_int_equal(
		vdpr_dev_unmap(w->ctx, &w->wrap->base, GPA + 2 * PAGE, PAGE),
		-ENOENT);
}

static void an_owner_that_is_refused_is_said(void **state)
{
	struct world *w = *state;

	w->wrap->fail_at = w->wrap->n + 1;
	w->wrap->fail_errno = EBUSY;
	assert_int_equal(map(w, GPA, PAGE), -EBUSY);
	assert_int_equal(vdpr_ctx_cause(w->ctx), VDPR_CAUSE_ACCESS);
	assert_non_null(strstr(vdpr_ctx_error(w->ctx), "SET_OWNER"));
}

/* Nothing is said in the options: the library knows what it mapped. It is the
 * highest memory, where the control virtqueue would lie otherwise. */
static void restores_keep_off_and_resets_keep_it(void **state)
{
	struct world *w = *state;
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_state *file = loop_state(EXAMPLE);
	struct vdpr_iova_range cvq, range = { 0, 0 };
	struct vdpr_report *report = NULL;
	uint32_t asid;

	vdpr_dev_close(&w->wrap->base);
	w->wrap = wrap_open("sim:isolated=off", 8);
	assert_int_equal(vdpr_dev_get_iova_range(&w->wrap->base, &range), 0);
	range.first = (range.last & ~(uint64_t)(PAGE - 1)) - LEN;
	assert_int_equal(map(w, range.first, LEN), 0);
	opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	for (int i = 0; i < 2; i++) {
		size_t calls = w->wrap->n;

		if (vdpr_restore_run(w->ctx, &w->wrap->base, file, &opts,
				     &report))
			fail_msg("%s", vdpr_ctx_error(w->ctx));
		assert_int_equal(vdpr_report_cvq_iova(report, &asid, &cvq), 0);
		assert_true(cvq.first > range.first + LEN - 1 ||
			    cvq.last < range.first);
		vdpr_report_free(report);
		/* The second begins with a reset, and what the reset took from
		 * the parent is given back by an empty batch. */
		if (i)
			assert_true(wrap_find(w->wrap, calls, 0, -1) <
				    wrap_find(w->wrap, calls,
					      VHOST_SET_BACKEND_FEATURES, -1));
	}
	vdpr_state_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(device_is_owned_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			wrong_words_are_refused_before_the_device_is_asked,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_mapped_is_not_mapped_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refused_mapping_says_why,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_owner_that_is_refused_is_said, setup, teardown),
		cmocka_unit_test_setup_teardown(
			restores_keep_off_and_resets_keep_it, setup, teardown),
	};

	return cmocka_run_group_tests_name("dev-map", tests, NULL, NULL);
}
