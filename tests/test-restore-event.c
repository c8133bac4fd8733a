/* SPDX-License-Identifier: MIT */
/* The event-driven restore: steps, the pause, the final state, cancel, events. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "restore/cvq.h"
#include "restore/report.h"
#include "restore/shadow.h"
#include "restore/sim.h"
#include "tests/faults/inject.h"
#include "tests/restore-loop.h"
#include "tests/wrap-dev.h"

/* ------------------------------------------------------------------- a world */

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state; /* provisional */
	struct vdpr_state *final; /* or NULL */
	struct wrap *wrap;
	struct vdpr_restore_opts opts;
	struct vdpr_commit_opts commit;
	struct vdpr_restore *restore;
	struct vdpr_report *report;
	char dump[64];
	size_t steps;
};

#define EXAMPLE "tests/data/example.json"

/* A restore that has begun on "sim:@keys", which tells what it was told. */
static void setup(struct world *w, const char *keys, unsigned int flags)
{
	char dev[256];
	int fd;

	memset(w, 0, sizeof(*w));
	strcpy(w->dump, "/tmp/vdpr-event-XXXXXX");
	fd = mkstemp(w->dump);
	assert_true(fd >= 0);
	close(fd);
	w->opts.size = sizeof(w->opts);
	w->opts.flags = flags | VDPR_RESTORE_EMPTY_RINGS;
	w->commit.size = sizeof(w->commit);
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	w->state = loop_state(EXAMPLE);
	snprintf(dev, sizeof(dev), "sim:dump=%s%s%s", w->dump, *keys ? "," : "",
		 keys);
	/* The simulator's file takes longer than a restore: not for hundreds. */
	if (!strncmp(keys, "sim:", 4))
		snprintf(dev, sizeof(dev), "%s", keys);
	w->wrap = wrap_open(dev, 8);
}

static void begin(struct world *w)
{
	if (vdpr_restore_begin(w->ctx, &w->wrap->base, w->state, &w->opts,
			       &w->restore))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
}

static size_t requests(const struct wrap *wrap)
{
	return wrap->n;
}

/* One step. What every step must keep to is looked at here. */
static int step(struct world *w)
{
	int fd = vdpr_restore_get_fd(w->restore);
	struct vdpr_next next = VDPR_INIT(struct vdpr_next);
	size_t before = requests(w->wrap);
	int ret;

	assert_true(loop_readable(fd, 5000));
	vdpr_restore_next(w->restore, &next);
	ret = vdpr_restore_process(w->restore);
	w->steps++;
	if (ret > 0) {
		size_t made = requests(w->wrap) - before;
		bool is_reset = !strcmp(next.request, "SET_STATUS(0)");

		if (made > 1 && !is_reset)
			fail_msg("%zu requests in one step of %s (%s)", made,
				 next.stage, next.request);
	}
	if (ret == VDPR_STEP_AGAIN)
		assert_true(loop_readable(fd, 5000));
	/* A call for what was seen already may be left over, once. */
	if (ret == VDPR_STEP_COMMIT && loop_readable(fd, 0))
		assert_int_equal(vdpr_restore_process(w->restore), ret);
	if (ret == VDPR_STEP_COMMIT)
		assert_false(loop_readable(fd, 0));
	return ret;
}

/* Until the pause, the end or, if @most, so many steps. */
static int run(struct world *w, size_t most)
{
	int ret;

	do {
		ret = step(w);
	} while ((ret == VDPR_STEP_AGAIN || ret == VDPR_STEP_WAIT) &&
		 (!most || w->steps < most));
	return ret;
}

static void commit(struct world *w)
{
	if (vdpr_restore_commit(w->restore, w->final, &w->commit))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
}

static int whole(struct world *w)
{
	int ret;

	begin(w);
	ret = run(w, 0);
	if (ret != VDPR_STEP_COMMIT)
		return ret;
	commit(w);
	return run(w, 0);
}

static uint8_t status_of(struct world *w)
{
	uint8_t status = 0xff;

	assert_int_equal(vdpr_dev_get_status(w->wrap->inner, &status), 0);
	return status;
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

/* Ends the device and holds what it was told against @want. */
static void device_has(struct world *w, const struct vdpr_state *want)
{
	vdpr_restore_free(w->restore);
	w->restore = NULL;
	vdpr_dev_close(&w->wrap->base);
	loop_told(w->dump, want);
	w->wrap = wrap_open("sim", 8); /* for done() */
}

/* --------------------------------------------------------------- the two halves */

static struct vdpr_shadow *shadow_of(struct world *w)
{
	static uint8_t memory[4096];
	struct vdpr_guest_region region = VDPR_INIT(struct vdpr_guest_region);
	struct vdpr_shadow_opts opts = VDPR_INIT(struct vdpr_shadow_opts);
	struct vdpr_shadow *shadow;

	region.len = sizeof(memory);
	region.host = memory;
	opts.regions = &region;
	opts.n_regions = 1;
	assert_int_equal(
		vdpr_shadow_new(w->ctx, &w->wrap->base, &opts, &shadow), 0);
	return shadow;
}

/* All that would take the device from under a restore. */
static void nothing_comes_between(struct world *w, struct vdpr_shadow *shadow)
{
	struct vdpr_guest_ring_opts ring =
		VDPR_INIT(struct vdpr_guest_ring_opts);
	struct vdpr_dev *dev = &w->wrap->base;
	struct vdpr_restore *other = NULL;
	size_t before = w->wrap->n;

	assert_int_equal(
		vdpr_restore_begin(w->ctx, dev, w->state, &w->opts, &other),
		-EBUSY);
	assert_null(other);
	assert_int_equal(
		vdpr_restore_run(w->ctx, dev, w->state, &w->opts, NULL),
		-EBUSY);
	assert_int_equal(vdpr_shadow_reset(w->ctx, shadow, NULL), -EBUSY);
	assert_int_equal(vdpr_shadow_start(w->ctx, shadow, w->state, &ring),
			 -EBUSY);
	assert_string_not_equal(vdpr_ctx_cure(w->ctx), "");
	assert_int_equal(w->wrap->n, before);
}

static void nothing_comes_between_two_steps(void **state)
{
	struct vdpr_shadow *shadow;
	struct world w;
	int ret;

	(void)state;
	setup(&w, "", VDPR_RESTORE_SHADOW);
	shadow = shadow_of(&w);
	begin(&w);
	commit(&w);
	do {
		nothing_comes_between(&w, shadow);
		ret = step(&w);
	} while (ret > 0);
	assert_int_equal(ret, 0);
	/* The handle only listens now. */
	assert_int_equal(vdpr_shadow_reset(w.ctx, shadow, NULL), 0);
	assert_int_equal(
		vdpr_restore_run(w.ctx, &w.wrap->base, w.state, &w.opts, NULL),
		0);
	vdpr_shadow_free(shadow);
	done(&w);
}

/* However it ends, the device is free. */
static void an_ended_restore_keeps_nothing_busy(void **state)
{
	struct vdpr_shadow *shadow;
	struct world w;

	(void)state;
	setup(&w, "", 0);
	shadow = shadow_of(&w);
	begin(&w);
	run(&w, 3);
	assert_int_equal(vdpr_restore_cancel(w.restore), 0);
	assert_int_equal(vdpr_shadow_reset(w.ctx, shadow, NULL), 0);
	vdpr_restore_free(w.restore);
	begin(&w);
	vdpr_restore_free(w.restore);
	assert_int_equal(vdpr_shadow_reset(w.ctx, shadow, NULL), 0);
	begin(&w);
	/* SET_FEATURES, or another one. */
	w.wrap->fail_at = w.wrap->n + 15;
	w.wrap->fail_errno = EIO;
	assert_int_equal(run(&w, 0), -EIO);
	assert_int_equal(vdpr_shadow_reset(w.ctx, shadow, NULL), 0);
	vdpr_shadow_free(shadow);
	done(&w);
}

static void early_stages_enable_nothing_and_the_rest_is_downtime(void **state)
{
	uint64_t usec;
	size_t paused;
	struct world w;
	(void)state;

	setup(&w, "", 0);
	begin(&w);
	assert_int_equal(requests(w.wrap), 0);
	assert_int_equal(run(&w, 0), VDPR_STEP_COMMIT);
	/* Stages 1 to 4, and 5 but for the bases of the data rings. */
	paused = w.wrap->n;
	assert_int_equal(status_of(&w), 11);
	assert_int_equal(wrap_count(w.wrap, VHOST_VDPA_SET_VRING_ENABLE), 0);
	assert_int_equal(wrap_count(w.wrap, VHOST_SET_VRING_ADDR), 9);
	assert_int_equal(wrap_count(w.wrap, VHOST_SET_VRING_BASE), 1);
	assert_true(wrap_mapped(w.wrap) >= 2);
	assert_int_equal(vdpr_restore_result(w.restore, &w.report),
			 -EINPROGRESS);
	usleep(100000);
	commit(&w);
	assert_int_equal(run(&w, 0), VDPR_STEP_DONE);
	assert_int_equal(wrap_find(w.wrap, paused, VHOST_SET_VRING_ADDR, -1),
			 w.wrap->n);
	assert_int_equal(wrap_count(w.wrap, VHOST_SET_VRING_BASE), 9);
	assert_int_equal(vdpr_restore_result(w.restore, &w.report), 0);
	assert_int_equal(w.report->n_enabled, 8);
	/* The pause is nobody's time. */
	for (size_t i = 0; i < VDPR_STAGE_COUNT; i++)
		assert_true(w.report->stage_ns[i] < 100000000);
	assert_int_equal(vdpr_report_downtime(w.report, &usec), 0);
	assert_true(usec < 100000);
	assert_true(w.report->stage_began[VDPR_STAGE_START] -
			    w.report->stage_began[VDPR_STAGE_RINGS] >=
		    100000000);
	assert_int_equal(status_of(&w), 15);
	device_has(&w, w.state);
	done(&w);
}

static void commit_may_come_first(void **state)
{
	struct world w;
	(void)state;

	setup(&w, "", 0);
	begin(&w);
	commit(&w);
	assert_int_equal(vdpr_restore_commit(w.restore, NULL, NULL), -EALREADY);
	assert_int_equal(run(&w, 0), VDPR_STEP_DONE);
	assert_int_equal(vdpr_restore_commit(w.restore, NULL, NULL), -EALREADY);
	assert_int_equal(vdpr_restore_process(w.restore), VDPR_STEP_DONE);
	device_has(&w, w.state);
	done(&w);
}

static void same_on_every_kind_of_device(void **state)
{
	static const char *const keys[] = {
		"isolated=off",
		"delay=50",
		"cvq-size=4",
		"enable-after-driver-ok=off",
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct world w;

		setup(&w, keys[i], VDPR_RESTORE_ASSUME_ENABLE);
		assert_int_equal(whole(&w), VDPR_STEP_DONE);
		device_has(&w, w.state);
		done(&w);
	}
}

/* ------------------------------------------------------------ the final state */

static void another_final_state_is_only_another_plan(void **state)
{
	struct world w;
	(void)state;

	setup(&w, "", 0);
	w.final = loop_state(EXAMPLE);
	w.final->mac[5] ^= 1;
	w.final->promiscuous = !w.final->promiscuous;
	w.final->vlan[7] = 0x55;
	assert_int_equal(whole(&w), VDPR_STEP_DONE);
	assert_int_equal(wrap_count(w.wrap, VHOST_SET_FEATURES), 1);
	assert_int_equal(wrap_find(w.wrap, 0, VHOST_VDPA_SET_STATUS, -1),
			 wrap_find(w.wrap, 0, VHOST_VDPA_SET_STATUS, -1));
	assert_int_equal(vdpr_restore_result(w.restore, &w.report), 0);
	assert_int_equal(w.report->calls.iotlb_writes, 4);
	device_has(&w, w.final);
	done(&w);
}

/* 4096 VLANs take more than the memory that was made for the provisional ones. */
static void a_larger_plan_gets_more_memory_before_driver_ok(void **state)
{
	size_t ok, last = 0;
	struct world w;
	(void)state;

	setup(&w, "", 0);
	w.final = loop_state(EXAMPLE);
	memset(w.final->vlan, 0xff, sizeof(w.final->vlan));
	assert_int_equal(whole(&w), VDPR_STEP_DONE);
	assert_int_equal(wrap_count(w.wrap, VHOST_SET_FEATURES), 1);
	for (ok = 0; w.wrap->event[ok].request != VHOST_VDPA_SET_STATUS ||
		     w.wrap->event[ok].value != 15;
	     ok++)
		;
	for (size_t i = 0; i < w.wrap->n; i++)
		if (!w.wrap->event[i].request)
			last = i;
	assert_true(last && last < ok);
	assert_int_equal(wrap_mapped(w.wrap), 4);
	device_has(&w, w.final);
	done(&w);
}

static void other_features_mean_a_reset_and_everything_again(void **state)
{
	struct world w;
	(void)state;

	setup(&w, "", 0);
	w.final = loop_state(EXAMPLE);
	vdpr_features_set(&w.final->negotiated, VIRTIO_RING_F_EVENT_IDX, false);
	assert_int_equal(whole(&w), VDPR_STEP_DONE);
	assert_int_equal(wrap_count(w.wrap, VHOST_SET_FEATURES), 2);
	assert_int_equal(wrap_count(w.wrap, VHOST_SET_OWNER), 1);
	assert_int_equal(wrap_mapped(w.wrap), 4);
	assert_int_equal(vdpr_restore_result(w.restore, &w.report), 0);
	assert_true(w.report->warnings.count > 0);
	device_has(&w, w.final);
	done(&w);
}

/* Nothing of ours stays behind, whatever the early stages did. */
static void a_final_state_that_does_not_fit_leaves_a_reset_device(void **state)
{
	struct world w;
	(void)state;

	setup(&w, "", 0);
	w.final = loop_state(EXAMPLE);
	w.final->queue_pairs = 64;
	w.final->config.has &= ~VDPR_CONFIG_MAX_PAIRS;
	w.final->member[VDPR_RSS] = VDPR_NULL;
	assert_int_equal(whole(&w), -ENOTSUP);
	assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_REFUSED);
	assert_int_equal(status_of(&w), 0);
	assert_int_equal(wrap_mapped(w.wrap), 0);
	done(&w);
}

/* ------------------------------------------------------------------- the rings */

#define RING_IOVA 0x100000

/* Rings of the caller's, in memory that it maps itself. */
static struct vdpr_vring caller_ring(uint32_t index, uint32_t base)
{
	uint64_t at = RING_IOVA + index * 0x4000ull;

	return (struct vdpr_vring){
		.size = sizeof(struct vdpr_vring),
		.index = index,
		.num = 64,
		.base = base,
		.desc = at,
		.driver = at + 0x1000,
		.device = at + 0x2000,
		.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
}

static void free_ring(struct vdpr_vring *ring)
{
	close(ring->kick_fd);
	close(ring->call_fd);
}

/* Rings with nothing in them, as they are at a base. */
static void *map_rings(struct world *w, const struct vdpr_vring *rings,
		       size_t count)
{
	size_t size = count * 0x4000;
	uint8_t *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	for (size_t i = 0; i < count; i++) {
		vdpr_put_le16(mem + (rings[i].driver - RING_IOVA) + 2,
			      (uint16_t)rings[i].base);
		vdpr_put_le16(mem + (rings[i].device - RING_IOVA) + 2,
			      (uint16_t)rings[i].base);
	}
	assert_int_equal(vdpr_dev_iotlb_update(&w->wrap->base, 0, RING_IOVA,
					       size, mem, VHOST_ACCESS_RW),
			 0);
	return mem;
}

static void only_a_ring_that_changed_is_set_again(void **state)
{
	const struct vdpr_iova_range used = { RING_IOVA, UINT64_MAX / 2 };
	struct vdpr_vring rings[2], final[2];
	struct vdpr_iova_range cvq;
	uint32_t asid;
	size_t paused;
	struct world w;
	void *mem;
	(void)state;

	setup(&w, "isolated=off", 0);
	w.opts.flags = 0;
	w.state->n_coal_queues = 0;
	for (uint32_t i = 0; i < 2; i++)
		rings[i] = caller_ring(i, 99);
	w.opts.vrings = rings;
	w.opts.n_vrings = 2;
	w.opts.in_use = &used;
	w.opts.n_in_use = 1;
	begin(&w);
	/* The caller's lists need not outlive the call. */
	memcpy(final, rings, sizeof(final));
	memset(rings, 0xee, sizeof(rings));
	assert_int_equal(run(&w, 0), VDPR_STEP_COMMIT);
	paused = w.wrap->n;
	final[0].base = 17;
	final[1].base = 18;
	final[1].device += 0x800;
	w.commit.vrings = final;
	w.commit.n_vrings = 2;
	mem = map_rings(&w, final, 2);
	paused++;
	commit(&w);
	assert_int_equal(run(&w, 0), VDPR_STEP_DONE);
	assert_int_equal(wrap_find(w.wrap, paused, VHOST_SET_VRING_ADDR, 0),
			 w.wrap->n);
	assert_true(wrap_find(w.wrap, paused, VHOST_SET_VRING_ADDR, 1) <
		    w.wrap->n);
	for (uint32_t i = 0; i < 2; i++) {
		size_t at =
			wrap_find(w.wrap, paused, VHOST_SET_VRING_BASE, (int)i);

		assert_true(at < w.wrap->n);
		assert_int_equal(w.wrap->event[at].value, 17 + i);
		/* Also of the first half: there was none for this queue. */
		assert_int_equal(
			wrap_find(w.wrap, 0, VHOST_SET_VRING_BASE, (int)i), at);
	}
	assert_int_equal(vdpr_restore_result(w.restore, &w.report), 0);
	assert_int_equal(vdpr_report_cvq_iova(w.report, &asid, &cvq), 0);
	assert_true(cvq.first > used.last);
	done(&w);
	free_ring(&final[0]);
	free_ring(&final[1]);
	munmap(mem, 0x8000);
}

struct allocator {
	uint64_t next;
	unsigned int taken, given;
};

static int take_iova(void *data, uint32_t asid, uint64_t len,
		     const struct vdpr_iova_range *within, uint64_t *iova)
{
	struct allocator *a = data;

	assert_true(len && !(len % 4096));
	assert_true(within->last > within->first);
	(void)asid;
	*iova = a->next;
	a->next += len;
	a->taken++;
	return 0;
}

static void give_iova(void *data, uint32_t asid, uint64_t iova, uint64_t len)
{
	struct allocator *a = data;

	(void)asid;
	assert_true(iova + len <= a->next);
	a->given++;
}

static void iovas_may_be_the_callers_to_choose(void **state)
{
	struct allocator a = { .next = 0x7000000 };
	struct vdpr_iova_ops ops = VDPR_INIT(struct vdpr_iova_ops);
	struct vdpr_iova_range cvq;
	struct world w;
	uint32_t asid;
	(void)state;

	ops.data = &a;
	ops.alloc = take_iova;
	ops.free = give_iova;
	setup(&w, "isolated=off", 0);
	w.opts.iova = &ops;
	w.final = loop_state(EXAMPLE);
	memset(w.final->vlan, 0xff, sizeof(w.final->vlan));
	assert_int_equal(whole(&w), VDPR_STEP_DONE);
	assert_int_equal(vdpr_restore_result(w.restore, &w.report), 0);
	assert_int_equal(vdpr_report_cvq_iova(w.report, &asid, &cvq), 0);
	assert_true(cvq.first >= 0x7000000 && cvq.last < a.next);
	/* Commands, rings, commands again in a larger place. */
	assert_int_equal(a.taken, 3);
	assert_int_equal(a.given, 1);
	done(&w);
	assert_int_equal(a.given, 3);
}

/* ---------------------------------------------------------------------- cancel */

/* Cancels after @at steps, by cancel or by free, also on a device that runs since an
 * earlier restore. False: it had ended before. */
static bool cancel_at(const char *keys, unsigned int flags, bool used,
		      size_t at, bool by_free)
{
	size_t fds = inject_fds();
	struct world w;
	bool ended;
	int ret;

	setup(&w, keys, flags);
	/* A final state that changes all there is to change. */
	w.final = loop_state(EXAMPLE);
	w.final->mac[5] ^= 1;
	memset(w.final->vlan, 0xff, 200);
	if (used) {
		assert_int_equal(vdpr_restore_run(w.ctx, &w.wrap->base, w.state,
						  &w.opts, NULL),
				 0);
		assert_int_equal(status_of(&w), 15);
	}
	begin(&w);
	ret = at ? run(&w, at) : VDPR_STEP_AGAIN;
	if (ret == VDPR_STEP_COMMIT) {
		commit(&w);
		if (w.steps < at)
			ret = run(&w, at);
	}
	ended = !ret;
	if (ret < 0)
		fail_msg("%s: step %zu: %s", keys, w.steps,
			 vdpr_ctx_error(w.ctx));
	if (!ended && by_free) {
		vdpr_restore_free(w.restore);
		w.restore = NULL;
	} else if (!ended) {
		assert_int_equal(vdpr_restore_cancel(w.restore), 0);
		assert_int_equal(vdpr_restore_result(w.restore, &w.report),
				 -ECANCELED);
		assert_int_equal(vdpr_restore_process(w.restore), -ECANCELED);
	}
	if (!ended) {
		assert_int_equal(status_of(&w), 0);
		assert_int_equal(wrap_mapped(w.wrap), 0);
	} else {
		assert_int_equal(vdpr_restore_cancel(w.restore), -EALREADY);
		assert_int_equal(status_of(&w), 15);
	}
	done(&w);
	assert_int_equal(inject_fds(), fds);
	return !ended;
}

static void check_cancel(const char *keys, unsigned int flags, bool used)
{
	size_t at = 0;

	while (cancel_at(keys, flags, used, at, at % 2))
		at++;
	print_message("%s: cancelled after each of %zu steps\n", keys, at);
	assert_true(at > 100);
}

static void cancel_after_any_step_leaves_a_reset_device(void **state)
{
	(void)state;
	check_cancel("sim:pairs=4", 0, false);
	check_cancel("sim:pairs=4", 0, true);
	check_cancel("sim:isolated=off", 0, false);
	check_cancel("sim:mtu=1500", VDPR_RESTORE_PREWARM, false);
}

/* Before anything else was done, on a device that an earlier restore has started. */
static void a_deadline_resets_a_used_device(void **state)
{
	struct world w;
	(void)state;

	setup(&w, "sim:pairs=4", 0);
	assert_int_equal(
		vdpr_restore_run(w.ctx, &w.wrap->base, w.state, &w.opts, NULL),
		0);
	assert_int_equal(status_of(&w), 15);
	w.opts.deadline = vdpr_now() - 1;
	begin(&w);
	assert_int_equal(run(&w, 0), -ETIME);
	assert_int_equal(status_of(&w), 0);
	assert_int_equal(wrap_mapped(w.wrap), 0);
	assert_non_null(strstr(vdpr_ctx_cure(w.ctx), "the device was reset"));
	done(&w);
}

static void a_cancel_descriptor_ends_the_pause_too(void **state)
{
	struct world w;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)state;

	setup(&w, "", 0);
	w.opts.cancel_fd = fd;
	begin(&w);
	assert_int_equal(run(&w, 0), VDPR_STEP_COMMIT);
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_true(loop_readable(vdpr_restore_get_fd(w.restore), 5000));
	assert_int_equal(vdpr_restore_process(w.restore), -ECANCELED);
	assert_int_equal(status_of(&w), 0);
	done(&w);
	close(fd);
}

/* ------------------------------------------------------------------ a late call */

static bool late_reads;

/* In place of libc's: the device answers and calls before a counter is emptied. */
ssize_t read(int fd, void *buf, size_t nbytes)
{
	if (late_reads && nbytes == sizeof(uint64_t))
		usleep(20000);
	return syscall(SYS_read, fd, buf, nbytes);
}

/* Else it would be noticed a second later, as a stall. */
static void a_call_just_before_the_wait_is_not_lost(void **state)
{
	struct world w;
	uint64_t began;
	(void)state;

	setup(&w, "", 0);
	begin(&w);
	assert_int_equal(run(&w, 0), VDPR_STEP_COMMIT);
	commit(&w);
	began = vdpr_now();
	late_reads = true;
	assert_int_equal(run(&w, 0), 0);
	late_reads = false;
	assert_true(vdpr_now() - began < NSEC_PER_SEC);
	done(&w);
}

/* --------------------------------------------------------------------- deadline */

static void the_descriptor_wakes_for_the_deadline(void **state)
{
	struct world w;
	(void)state;

	setup(&w, "stall=4.0", 0);
	begin(&w);
	assert_int_equal(run(&w, 0), VDPR_STEP_COMMIT);
	w.commit.deadline = vdpr_now() + 50000000;
	commit(&w);
	assert_int_equal(run(&w, 0), -ETIME);
	assert_true(vdpr_now() >= w.commit.deadline);
	assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_DEADLINE);
	assert_int_equal(status_of(&w), 0);
	assert_int_equal(wrap_mapped(w.wrap), 0);
	done(&w);
}

static void the_early_half_may_have_a_deadline(void **state)
{
	struct world w;
	(void)state;

	setup(&w, "", 0);
	w.opts.deadline = 1;
	begin(&w);
	assert_int_equal(run(&w, 0), -ETIME);
	done(&w);
}

/* ------------------------------------------------------------------ what is next */

static void next_says_what_may_be_slow(void **state)
{
	bool driver_ok = false, map = false, quick = false;
	struct vdpr_next next = VDPR_INIT(struct vdpr_next);
	struct world w;
	int ret;
	(void)state;

	setup(&w, "", 0);
	begin(&w);
	commit(&w);
	do {
		vdpr_restore_next(w.restore, &next);
		driver_ok |= next.may_be_slow && !strcmp(next.stage, "start") &&
			     !strcmp(next.request, "SET_STATUS(DRIVER_OK)");
		map |= next.may_be_slow && !strcmp(next.stage, "map");
		quick |= !next.may_be_slow && *next.request;
		ret = step(&w);
	} while (ret > 0);
	assert_int_equal(ret, 0);
	assert_true(driver_ok && map && quick);
	vdpr_restore_next(w.restore, &next);
	assert_string_equal(next.stage, "");
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			early_stages_enable_nothing_and_the_rest_is_downtime),
		cmocka_unit_test(nothing_comes_between_two_steps),
		cmocka_unit_test(an_ended_restore_keeps_nothing_busy),
		cmocka_unit_test(commit_may_come_first),
		cmocka_unit_test(same_on_every_kind_of_device),
		cmocka_unit_test(another_final_state_is_only_another_plan),
		cmocka_unit_test(
			a_larger_plan_gets_more_memory_before_driver_ok),
		cmocka_unit_test(
			other_features_mean_a_reset_and_everything_again),
		cmocka_unit_test(
			a_final_state_that_does_not_fit_leaves_a_reset_device),
		cmocka_unit_test(only_a_ring_that_changed_is_set_again),
		cmocka_unit_test(iovas_may_be_the_callers_to_choose),
		cmocka_unit_test(cancel_after_any_step_leaves_a_reset_device),
		cmocka_unit_test(a_deadline_resets_a_used_device),
		cmocka_unit_test(a_cancel_descriptor_ends_the_pause_too),
		cmocka_unit_test(a_call_just_before_the_wait_is_not_lost),
		cmocka_unit_test(the_descriptor_wakes_for_the_deadline),
		cmocka_unit_test(the_early_half_may_have_a_deadline),
		cmocka_unit_test(next_says_what_may_be_slow),
	};

	return cmocka_run_group_tests_name("restore-event", tests, NULL, NULL);
}
