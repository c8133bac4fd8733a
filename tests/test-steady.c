/* SPDX-License-Identifier: MIT */
/* From commit to the end, and while it is watched, a restore allocates nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "restore/dev.h"
#include "tests/restore-loop.h"

/* The linker sends every call of this program here (see the Makefile). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
char *__wrap_strdup(const char *text);

/* Of this thread: the simulator's own is another. */
static _Thread_local size_t allocations;

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	allocations++;
	return __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
	allocations++;
	return __real_reallocarray(p, count, size);
}

char *__wrap_strdup(const char *text)
{
	allocations++;
	return __real_strdup(text);
}

/* One step. Return: what it gave; @made: allocations in it. */
static int step(struct vdpr_restore *restore, size_t *made)
{
	size_t before = allocations;
	int ret;

	assert_true(loop_readable(vdpr_restore_get_fd(restore), 10000));
	before = allocations;
	ret = vdpr_restore_process(restore);
	*made = allocations - before;
	return ret;
}

/* Stages whose steps must not allocate, all after the memory is there. */
static bool is_steady(const char *stage)
{
	return !strcmp(stage, "replay") || !strcmp(stage, "enable") ||
	       !strcmp(stage, "verify");
}

static void stages_7_to_9_allocate_nothing(void **state)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_event event = VDPR_INIT(struct vdpr_event);
	struct vdpr_state *example = loop_state("tests/data/example.json");
	size_t total = 0, steady = 0, made;
	struct vdpr_restore *restore;
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	int ret;
	(void)state;

	opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	opts.watch_msec = 1;
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	assert_int_equal(vdpr_dev_open(ctx, "sim", &dev), 0);
	assert_int_equal(vdpr_restore_begin(ctx, dev, example, &opts, &restore),
			 0);
	assert_int_equal(vdpr_restore_commit(restore, NULL, NULL), 0);
	do {
		struct vdpr_next next = VDPR_INIT(struct vdpr_next);

		vdpr_restore_next(restore, &next);
		ret = step(restore, &made);
		assert_true(ret >= 0);
		total += made;
		steady += is_steady(next.stage);
		if (is_steady(next.stage) && ret != VDPR_STEP_DONE && made)
			fail_msg("%zu allocations in %s (%s)", made, next.stage,
				 next.request);
	} while (ret > 0);
	/* The counter counts, and the steps were there. */
	assert_true(total > 5 && steady > 10);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(step(restore, &made), VDPR_STEP_DONE);
		assert_int_equal(made, 0);
		assert_int_equal(vdpr_restore_event(restore, &event), 0);
	}
	vdpr_restore_free(restore);
	vdpr_dev_close(dev);
	vdpr_state_free(example);
	vdpr_ctx_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages_7_to_9_allocate_nothing),
	};

	return cmocka_run_group_tests_name("steady", tests, NULL, NULL);
}
