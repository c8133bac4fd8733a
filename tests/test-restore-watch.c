/* SPDX-License-Identifier: MIT */
/* What a device tells of itself, during a restore and after it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "restore/sim.h"
#include "tests/restore-loop.h"
#include "tests/wrap-dev.h"

#define EXAMPLE "tests/data/example.json"

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	struct wrap *wrap;
	struct vdpr_restore_opts opts;
	struct vdpr_restore *restore;
};

static void setup(struct world *w, const char *dev)
{
	memset(w, 0, sizeof(*w));
	w->opts.size = sizeof(w->opts);
	w->opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	w->state = loop_state(EXAMPLE);
	w->wrap = wrap_open(dev, 8);
}

static int run(struct world *w)
{
	return loop_whole(w->ctx, &w->wrap->base, w->state, NULL, &w->opts,
			  &w->restore);
}

static void done(struct world *w)
{
	vdpr_restore_free(w->restore);
	vdpr_dev_close(&w->wrap->base);
	vdpr_state_free(w->state);
	vdpr_ctx_free(w->ctx);
}

static struct sim *sim_of(struct world *w)
{
	return (struct sim *)w->wrap->inner;
}

static void change_mtu(struct world *w, uint16_t mtu)
{
	struct sim *sim = sim_of(w);

	pthread_mutex_lock(&sim->lock);
	vdpr_put_le16(sim->config + offsetof(struct virtio_net_config, mtu),
		      mtu);
	vdpr_sim_signal(sim->config_call);
	pthread_mutex_unlock(&sim->lock);
}

static void break_device(struct world *w)
{
	struct sim *sim = sim_of(w);

	pthread_mutex_lock(&sim->lock);
	vdpr_sim_break(sim, &sim->vq[0]);
	pthread_mutex_unlock(&sim->lock);
}

static int next_event(struct world *w, struct vdpr_event *event)
{
	*event = (struct vdpr_event)VDPR_INIT(struct vdpr_event);
	return vdpr_restore_event(w->restore, event);
}

static void a_config_change_is_an_event_after_the_end(void **state)
{
	struct vdpr_event event;
	struct world w;
	uint64_t count;
	int fd;
	(void)state;

	setup(&w, "sim");
	w.opts.config_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(run(&w), 0);
	fd = vdpr_restore_get_fd(w.restore);
	assert_int_equal(next_event(&w, &event), 0);
	assert_false(loop_readable(fd, 0));
	change_mtu(&w, 1400);
	change_mtu(&w, 1300);
	assert_true(loop_readable(fd, 5000));
	assert_int_equal(vdpr_restore_process(w.restore), 0);
	assert_int_equal(next_event(&w, &event), 1);
	assert_int_equal(event.kind, VDPR_EVENT_CONFIG);
	assert_int_equal(event.config.mtu, 1300);
	assert_int_equal(event.status, 15);
	/* Two that nobody took are one, and the caller's eventfd has heard it. */
	assert_int_equal(next_event(&w, &event), 0);
	assert_false(loop_readable(fd, 0));
	assert_int_equal(eventfd_read(w.opts.config_fd, &count), 0);
	/* Without the handle the device calls there by itself. */
	vdpr_restore_free(w.restore);
	w.restore = NULL;
	change_mtu(&w, 1200);
	assert_true(loop_readable(w.opts.config_fd, 5000));
	done(&w);
	close(w.opts.config_fd);
}

static void a_device_that_breaks_down_is_an_event_after_the_end(void **state)
{
	struct vdpr_event event = { 0 };
	struct world w;
	(void)state;

	setup(&w, "sim");
	assert_int_equal(run(&w), 0);
	break_device(&w);
	assert_true(loop_readable(vdpr_restore_get_fd(w.restore), 5000));
	assert_int_equal(vdpr_restore_process(w.restore), 0);
	/* Without VDPR_INIT() it is not lost. */
	assert_int_equal(vdpr_restore_event(w.restore, &event), -EINVAL);
	assert_int_equal(next_event(&w, &event), 1);
	assert_int_equal(event.kind, VDPR_EVENT_NEEDS_RESET);
	assert_true(event.status & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(next_event(&w, &event), 0);
	done(&w);
}

static void a_device_that_breaks_down_under_way_is_an_event(void **state)
{
	struct vdpr_event event;
	struct world w;
	(void)state;

	setup(&w, "sim:hostile=needs-reset");
	assert_int_equal(run(&w), -EPROTO);
	assert_int_equal(next_event(&w, &event), 1);
	assert_int_equal(event.kind, VDPR_EVENT_NEEDS_RESET);
	done(&w);
}

/* Unplugged: it calls no more, and whoever asks gets an error, or all ones. */
static void a_vanished_device_is_an_event_where_it_is_asked(void **state)
{
	struct vdpr_event event;
	struct world w;
	(void)state;

	setup(&w, "sim");
	w.opts.watch_msec = 20;
	assert_int_equal(run(&w), 0);
	/* Asked now and then, it has nothing to say. */
	for (int i = 0; i < 3; i++) {
		assert_true(
			loop_readable(vdpr_restore_get_fd(w.restore), 5000));
		assert_int_equal(vdpr_restore_process(w.restore), 0);
		assert_int_equal(next_event(&w, &event), 0);
	}
	w.wrap->fail_at = w.wrap->n + 1;
	w.wrap->fail_errno = ENODEV;
	assert_true(loop_readable(vdpr_restore_get_fd(w.restore), 5000));
	assert_int_equal(vdpr_restore_process(w.restore), 0);
	assert_int_equal(next_event(&w, &event), 1);
	assert_int_equal(event.kind, VDPR_EVENT_GONE);
	assert_int_equal(event.status, 0xff);
	/* Said once, not asked again. */
	assert_false(loop_readable(vdpr_restore_get_fd(w.restore), 100));
	done(&w);
}

/* Its device was restored once more: it has nothing to take back from that. */
static void
a_handle_that_is_older_than_the_restore_takes_nothing_back(void **state)
{
	struct vdpr_restore_opts later;
	struct world w;
	(void)state;

	setup(&w, "sim");
	assert_int_equal(run(&w), 0);
	later = w.opts;
	later.config_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(
		vdpr_restore_run(w.ctx, &w.wrap->base, w.state, &later, NULL),
		0);
	assert_int_equal(vdpr_restore_process(w.restore), 0);
	vdpr_restore_free(w.restore);
	w.restore = NULL;
	change_mtu(&w, 1400);
	assert_true(loop_readable(later.config_fd, 5000));
	done(&w);
	close(later.config_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_config_change_is_an_event_after_the_end),
		cmocka_unit_test(
			a_device_that_breaks_down_is_an_event_after_the_end),
		cmocka_unit_test(
			a_device_that_breaks_down_under_way_is_an_event),
		cmocka_unit_test(
			a_vanished_device_is_an_event_where_it_is_asked),
		cmocka_unit_test(
			a_handle_that_is_older_than_the_restore_takes_nothing_back),
	};

	return cmocka_run_group_tests_name("restore-watch", tests, NULL, NULL);
}
