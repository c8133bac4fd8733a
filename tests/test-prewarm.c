/* SPDX-License-Identifier: MIT */
/* Prewarm: commands before the final state, then only the difference. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/report.h"
#include "restore/ctx.h"
#include "tests/restore-loop.h"
#include "tests/wrap-dev.h"

#define EXAMPLE "tests/data/example.json"

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state, *final;
	struct wrap *wrap;
	struct vdpr_restore *restore;
	struct vdpr_report *report;
	char dump[64];
	size_t paused; /* calls by then */
	size_t sent;   /* commands by then */
};

static void setup(struct world *w, const char *keys)
{
	char dev[256];
	int fd;

	memset(w, 0, sizeof(*w));
	strcpy(w->dump, "/tmp/vdpr-warm-XXXXXX");
	fd = mkstemp(w->dump);
	assert_true(fd >= 0);
	close(fd);
	snprintf(dev, sizeof(dev), "sim:dump=%s%s", w->dump, keys);
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	w->state = loop_state(EXAMPLE);
	w->final = loop_state(EXAMPLE);
	w->wrap = wrap_open(dev, 8);
}

/* Up to the pause, then the final state. */
static int run(struct world *w)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	int ret;

	opts.flags = VDPR_RESTORE_EMPTY_RINGS | VDPR_RESTORE_PREWARM;
	if (vdpr_restore_begin(w->ctx, &w->wrap->base, w->state, &opts,
			       &w->restore))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
	ret = loop_run(w->restore);
	if (ret != VDPR_STEP_COMMIT)
		return ret;
	w->paused = w->wrap->n;
	if (vdpr_restore_commit(w->restore, w->final, NULL))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
	ret = loop_run(w->restore);
	vdpr_restore_result(w->restore, &w->report);
	return ret;
}

static void done(struct world *w)
{
	vdpr_restore_free(w->restore);
	vdpr_report_free(w->report);
	vdpr_dev_close(&w->wrap->base);
	vdpr_state_free(w->state);
	vdpr_state_free(w->final);
	vdpr_ctx_free(w->ctx);
	unlink(w->dump);
}

/* Ends the device and holds what it was told against the final state. */
static void check_device(struct world *w)
{
	vdpr_restore_free(w->restore);
	w->restore = NULL;
	vdpr_dev_close(&w->wrap->base);
	loop_told(w->dump, w->final);
	w->wrap = wrap_open("sim", 8); /* for done() */
}

static size_t late(const struct world *w, unsigned long request, int index)
{
	size_t at = wrap_find(w->wrap, w->paused, request, index);

	assert_true(at < w->wrap->n);
	return at;
}

/* Commands that the plan had before the data queues, the same state again. */
static size_t commands_before(const struct world *w)
{
	struct vdpr_plan *plan;
	size_t count;

	assert_int_equal(vdpr_plan(w->ctx, w->state, 0, &plan), 0);
	count = plan->n_before;
	vdpr_plan_free(plan);
	return count;
}

static void only_the_difference_is_sent_after_suspend_and_resume(void **state)
{
	struct world w;
	size_t suspend, base, resume, cvq, data;
	(void)state;

	setup(&w, "");
	w.final->mac[5] ^= 1;
	assert_int_equal(run(&w), VDPR_STEP_DONE);
	/* Before the pause: all commands, and no data queue enabled. */
	for (size_t i = 0; i < w.paused; i++)
		assert_false(w.wrap->event[i].request ==
				     VHOST_VDPA_SET_VRING_ENABLE &&
			     w.wrap->event[i].index != 8);
	assert_true(wrap_find(w.wrap, 0, VHOST_VDPA_SUSPEND, -1) >= w.paused);
	suspend = late(&w, VHOST_VDPA_SUSPEND, -1);
	base = late(&w, VHOST_SET_VRING_BASE, 0);
	resume = late(&w, VHOST_VDPA_RESUME, -1);
	cvq = late(&w, VHOST_VDPA_SET_VRING_ENABLE, 8);
	data = late(&w, VHOST_VDPA_SET_VRING_ENABLE, 0);
	assert_true(suspend < base && base < resume && resume < cvq &&
		    cvq < data);
	assert_int_equal(w.wrap->event[cvq].used, commands_before(&w));
	assert_int_equal(w.wrap->event[data].used, commands_before(&w) + 1);
	assert_int_equal(w.report->plan->n_before, commands_before(&w) + 1);
	assert_int_equal(w.report->warnings.count, 0);
	for (size_t i = 0; i < w.report->plan->count; i++)
		assert_int_equal(w.report->result[i].ack, 0);
	check_device(&w);
	done(&w);
}

static void nothing_is_sent_when_nothing_has_changed(void **state)
{
	struct world w;
	size_t data;
	(void)state;

	setup(&w, ",isolated=off");
	assert_int_equal(run(&w), VDPR_STEP_DONE);
	data = late(&w, VHOST_VDPA_SET_VRING_ENABLE, 0);
	assert_int_equal(w.wrap->event[data].used, commands_before(&w));
	check_device(&w);
	done(&w);
}

/* ------------------------------------------------------- every kind of change */

static void mac_table_gone(struct vdpr_state *s)
{
	vdpr_mac_list_clear(&s->unicast);
	vdpr_mac_list_clear(&s->multicast);
}

static void modes_off(struct vdpr_state *s)
{
	s->promiscuous = s->all_multicast = s->all_unicast = false;
	s->no_multicast = s->no_unicast = s->no_broadcast = false;
}

static void modes_on(struct vdpr_state *s)
{
	s->promiscuous = s->all_multicast = s->all_unicast = true;
	s->no_multicast = s->no_unicast = s->no_broadcast = true;
}

static void vlans_other(struct vdpr_state *s)
{
	for (size_t i = 0; i < sizeof(s->vlan); i++)
		s->vlan[i] ^= 0x11;
}

static void vlans_gone(struct vdpr_state *s)
{
	memset(s->vlan, 0, sizeof(s->vlan));
}

static void vlans_all(struct vdpr_state *s)
{
	memset(s->vlan, 0xff, sizeof(s->vlan));
}

static void rss_gone(struct vdpr_state *s)
{
	vdpr_rss_clear(&s->rss);
	s->member[VDPR_RSS] = VDPR_NULL;
	vdpr_state_settle_hash(s);
}

static void rss_other(struct vdpr_state *s)
{
	s->rss.hash_types ^= 1;
	s->rss.unclassified_queue = 1;
}

static void offloads_all(struct vdpr_state *s)
{
	s->offloads = vdpr_offloads_allowed(&s->negotiated, true);
}

static void coalescing_gone(struct vdpr_state *s)
{
	s->coal_rx = s->coal_tx = (struct vdpr_coal){ 0, 0 };
}

static void coalescing_queue(struct vdpr_state *s)
{
	const struct vdpr_coal coal = { 3, 4 };

	assert_int_equal(vdpr_coal_queue_set(s, 5, &coal), 0);
}

static void promiscuous_never_set(struct vdpr_state *s)
{
	s->member[VDPR_RX_PROMISCUOUS] = VDPR_NULL;
}

static const struct {
	const char *name;
	void (*change)(struct vdpr_state *s);
	bool again; /* no command takes it back */
} changes[] = {
	{ "MAC table gone", mac_table_gone, false },
	{ "modes off", modes_off, false },
	{ "modes on", modes_on, false },
	{ "other VLANs", vlans_other, false },
	{ "VLANs gone", vlans_gone, false },
	{ "all VLANs", vlans_all, false },
	{ "RSS gone", rss_gone, false },
	{ "other RSS", rss_other, false },
	{ "all offloads", offloads_all, false },
	{ "coalescing gone", coalescing_gone, false },
	{ "coalescing of a queue", coalescing_queue, false },
	{ "promiscuous never set", promiscuous_never_set, true },
};

static void check_change(size_t i, bool back)
{
	struct world w;
	bool again = changes[i].again && !back;

	setup(&w, "");
	changes[i].change(back ? w.state : w.final);
	if (run(&w) != VDPR_STEP_DONE)
		fail_msg("%s: %s", changes[i].name, vdpr_ctx_error(w.ctx));
	if ((wrap_count(w.wrap, VHOST_SET_FEATURES) > 1) != again)
		fail_msg("%s: %s", changes[i].name,
			 again ? "went on" : "started over");
	assert_int_equal(w.report->warnings.count > 0, again);
	check_device(&w);
	done(&w);
}

static void any_change_leaves_the_device_with_the_final_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		check_change(i, false);
		check_change(i, true);
	}
}

static void other_features_start_over(void **state)
{
	struct world w;
	(void)state;

	setup(&w, "");
	vdpr_features_set(&w.final->negotiated, VIRTIO_RING_F_EVENT_IDX, false);
	assert_int_equal(run(&w), VDPR_STEP_DONE);
	assert_int_equal(wrap_count(w.wrap, VHOST_SET_FEATURES), 2);
	check_device(&w);
	done(&w);
}

/* Every call of the late half fails once: a reset device, nothing left mapped. */
static void any_late_call_may_fail(void **state)
{
	size_t first, last;
	struct world w;
	(void)state;

	setup(&w, "");
	w.final->mac[5] ^= 1;
	assert_int_equal(run(&w), 0);
	first = w.paused + 1;
	last = w.wrap->n;
	done(&w);
	assert_true(last > first + 10);
	for (size_t at = first; at <= last; at++) {
		uint8_t status = 0xff;

		setup(&w, "");
		w.final->mac[5] ^= 1;
		w.wrap->fail_at = at;
		w.wrap->fail_errno = EIO;
		if (run(&w) != -EIO)
			fail_msg("call %zu: it went on", at);
		assert_int_equal(vdpr_dev_get_status(w.wrap->inner, &status),
				 0);
		assert_int_equal(status, 0);
		assert_int_equal(wrap_mapped(w.wrap), 0);
		done(&w);
	}
}

static void a_blocking_restore_has_no_pause_to_warm_up_in(void **state)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct world w;
	(void)state;

	setup(&w, "");
	opts.flags = VDPR_RESTORE_EMPTY_RINGS | VDPR_RESTORE_PREWARM;
	assert_int_equal(
		vdpr_restore_run(w.ctx, &w.wrap->base, w.state, &opts, NULL),
		-EINVAL);
	assert_int_equal(w.wrap->n, 0);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			only_the_difference_is_sent_after_suspend_and_resume),
		cmocka_unit_test(nothing_is_sent_when_nothing_has_changed),
		cmocka_unit_test(
			any_change_leaves_the_device_with_the_final_state),
		cmocka_unit_test(other_features_start_over),
		cmocka_unit_test(any_late_call_may_fail),
		cmocka_unit_test(a_blocking_restore_has_no_pause_to_warm_up_in),
	};

	return cmocka_run_group_tests_name("prewarm", tests, NULL, NULL);
}
