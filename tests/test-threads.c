/* SPDX-License-Identifier: MIT */
/* Several handles in several threads at once: nothing is shared between them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "restore/state.h"
#include "tests/restore-loop.h"

#define EXAMPLE "tests/data/example.json"
#define THREADS 4
#define ROUNDS 5
#define DEVICES 3

/* One of everything, and states observed, saved, planned and restored with it. */
struct own {
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev[DEVICES];
	struct vdpr_restore *restore[DEVICES];
	const char *text;
	size_t done;
	char *error;
};

static int begin(struct own *own, size_t i, const struct vdpr_state *state,
		 unsigned int flags)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	int ret = vdpr_dev_open(own->ctx, "sim", &own->dev[i]);

	opts.flags = VDPR_RESTORE_EMPTY_RINGS | flags;
	if (ret)
		return ret;
	ret = vdpr_restore_begin(own->ctx, own->dev[i], state, &opts,
				 &own->restore[i]);
	return ret ? ret : vdpr_restore_commit(own->restore[i], state, NULL);
}

/* All devices of a thread take turns. */
static int drive(struct own *own)
{
	size_t ended = 0;

	while (ended < DEVICES) {
		ended = 0;
		for (size_t i = 0; i < DEVICES; i++) {
			int ret = vdpr_restore_process(own->restore[i]);

			if (ret < 0)
				return ret;
			ended += !ret;
		}
	}
	return 0;
}

static int round_of(struct own *own, size_t n)
{
	struct vdpr_state *state = NULL;
	char *text = NULL;
	int ret = vdpr_state_parse(own->ctx, own->text, strlen(own->text),
				   &state);

	for (size_t i = 0; !ret && i < DEVICES; i++)
		ret = begin(own, i, state, n % 2 ? VDPR_RESTORE_PREWARM : 0);
	if (!ret)
		ret = drive(own);
	if (!ret)
		ret = vdpr_state_format(own->ctx, state, &text, NULL);
	for (size_t i = 0; i < DEVICES; i++) {
		vdpr_restore_free(own->restore[i]);
		vdpr_dev_close(own->dev[i]);
		own->restore[i] = NULL;
		own->dev[i] = NULL;
	}
	free(text);
	vdpr_state_free(state);
	return ret;
}

static void *thread(void *data)
{
	struct own *own = data;
	int ret = vdpr_ctx_new(&own->ctx);

	for (; !ret && own->done < ROUNDS; own->done++)
		ret = round_of(own, own->done);
	if (ret)
		own->error = strdup(vdpr_ctx_error(own->ctx));
	vdpr_ctx_free(own->ctx);
	return NULL;
}

static void handles_of_several_threads_do_not_meet(void **state)
{
	struct vdpr_state *example = loop_state(EXAMPLE);
	pthread_t threads[THREADS];
	struct own own[THREADS];
	char *text;
	(void)state;

	assert_int_equal(vdpr_state_format(NULL, example, &text, NULL), 0);
	memset(own, 0, sizeof(own));
	for (size_t i = 0; i < THREADS; i++) {
		own[i].text = text;
		assert_int_equal(
			pthread_create(&threads[i], NULL, thread, &own[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		if (own[i].error)
			fail_msg("%s", own[i].error);
		assert_int_equal(own[i].done, ROUNDS);
	}
	free(text);
	vdpr_state_free(example);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_of_several_threads_do_not_meet),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
