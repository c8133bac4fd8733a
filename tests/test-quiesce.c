/* SPDX-License-Identifier: MIT */
/* Stopping a device and coming back, and the guest that reloads its driver. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "restore/shadow.h"
#include "restore/uapi.h"
#include "tests/guest.h"
#include "tests/wrap-dev.h"

#define PACKED BIT_ULL(VIRTIO_F_RING_PACKED)
#define ANNOUNCE BIT_ULL(VIRTIO_NET_F_GUEST_ANNOUNCE)

/* CTRL_VQ, CTRL_RX, CTRL_VLAN, MQ, CTRL_MAC_ADDR, EVENT_IDX, VERSION_1,
 * ACCESS_PLATFORM, RSS, MAC. */
#define FEATURES                                                              \
	(BIT_ULL(5) | BIT_ULL(17) | BIT_ULL(18) | BIT_ULL(19) | BIT_ULL(22) | \
	 BIT_ULL(23) | BIT_ULL(29) | BIT_ULL(32) | BIT_ULL(33) | BIT_ULL(60))

#define TX_NUM 64
#define TX_AT 0xc0000u /* offset of queue 1's ring; queue 0's is before it */
#define RX_AT 0xb8000u
#define RW_PART 0x4000u

/* One data ring of the guest's, driven like the control ring. */
struct data_ring {
	struct vdpr_ring ring;
	struct vdpr_ring_slot slot[VDPR_RING_MAX];
	struct vdpr_vring vring;
};

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	struct wrap *wrap; /* the same */
	struct guest guest;
	struct data_ring rx, tx;
	struct vdpr_shadow *shadow;
	struct vdpr_ring_format format;
	char dump[64];
};

/* ------------------------------------------------------------- guest and VMM */

static void fresh_ring(struct world *w, struct data_ring *d, uint32_t index,
		       uint32_t at)
{
	const struct vdpr_ring_ops *ops = w->format.ops;
	const struct vdpr_ring_mem mem = {
		.ro = w->guest.mem + at,
		.rw = w->guest.mem + at + RW_PART,
		.ro_iova = GUEST_GPA + at,
		.slot = d->slot,
	};
	const struct vdpr_ring_areas areas =
		ops->areas(TX_NUM, GUEST_GPA + at, GUEST_GPA + at + RW_PART);

	memset(w->guest.mem + at, 0, 2 * RW_PART);
	vdpr_ring_init(&d->ring, &w->format, TX_NUM, &mem);
	d->vring.size = sizeof(d->vring);
	d->vring.index = index;
	d->vring.num = TX_NUM;
	d->vring.base = ops->initial_base;
	d->vring.desc = areas.desc;
	d->vring.driver = areas.driver;
	d->vring.device = areas.device;
}

/* Guest memory is mapped once, before any restore. */
static void open_device(struct world *w, const char *more)
{
	char name[128];

	snprintf(w->dump, sizeof(w->dump), "/tmp/vdpr-test-quiesce.%d",
		 (int)getpid());
	remove(w->dump);
	snprintf(name, sizeof(name), "sim:dump=%s%s", w->dump, more);
	w->wrap = wrap_open(name, 8);
	w->dev = &w->wrap->base;
	if (vdpr_dev_map(w->ctx, w->dev, GUEST_GPA, GUEST_LEN, w->guest.mem, 0))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
}

static struct vdpr_restore_opts restore_opts(struct vdpr_vring vrings[2],
					     const struct world *w)
{
	struct vdpr_restore_opts o = VDPR_INIT(struct vdpr_restore_opts);

	vrings[0] = w->rx.vring;
	vrings[1] = w->tx.vring;
	o.flags = VDPR_RESTORE_SHADOW | VDPR_RESTORE_ASSUME_ENABLE;
	o.vrings = vrings;
	o.n_vrings = 2;
	return o;
}

/* What a VMM does when the guest's driver has its features and rings. */
static void boot(struct world *w, uint64_t features)
{
	const struct vdpr_features f = { { features, 0 } };
	struct vdpr_guest_ring_opts ring = guest_opts(&w->guest);
	struct vdpr_restore_opts opts;
	struct vdpr_vring vrings[2];
	struct vdpr_state *state = NULL;

	opts = restore_opts(vrings, w);
	if (vdpr_shadow_reset(w->ctx, w->shadow, &f) ||
	    vdpr_shadow_save(w->ctx, w->shadow, &state) ||
	    vdpr_restore_run(w->ctx, w->dev, state, &opts, NULL) ||
	    vdpr_shadow_start(w->ctx, w->shadow, state, &ring))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
	vdpr_state_free(state);
}

static void setup(struct world *w, uint64_t more, const char *dev)
{
	struct vdpr_shadow_opts opts = VDPR_INIT(struct vdpr_shadow_opts);

	memset(w, 0, sizeof(*w));
	w->format.ops = more & PACKED ? &vdpr_ring_packed : &vdpr_ring_split;
	w->format.event_idx = true;
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	guest_open(&w->guest, &w->format, 64);
	w->rx.vring.kick_fd = w->rx.vring.call_fd = -1;
	w->tx.vring.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->tx.vring.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fresh_ring(w, &w->rx, 0, RX_AT);
	fresh_ring(w, &w->tx, 1, TX_AT);
	open_device(w, dev);
	opts.regions = &w->guest.region;
	opts.n_regions = 1;
	assert_int_equal(vdpr_shadow_new(w->ctx, w->dev, &opts, &w->shadow), 0);
	boot(w, FEATURES | more);
}

static void done(struct world *w)
{
	vdpr_shadow_free(w->shadow);
	if (w->dev)
		vdpr_dev_close(w->dev);
	vdpr_close_fd(w->tx.vring.kick_fd);
	vdpr_close_fd(w->tx.vring.call_fd);
	guest_close(&w->guest);
	remove(w->dump);
	vdpr_ctx_free(w->ctx);
}

static void wait_and_process(struct world *w, int msec)
{
	struct pollfd p = { .fd = vdpr_shadow_fd(w->shadow), .events = POLLIN };

	if (poll(&p, 1, msec) > 0 &&
	    vdpr_shadow_process(w->ctx, w->shadow, NULL))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
}

/* Sends VLAN_ADD of an id. */
static void send_vlan(struct world *w, uint16_t id)
{
	uint8_t payload[2];

	vdpr_put_le16(payload, id);
	guest_send(&w->guest, 0, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD,
		   payload, sizeof(payload), 1);
	guest_show(&w->guest);
}

static bool is_answered(struct world *w, unsigned int tries)
{
	unsigned int slot;
	uint32_t len;

	while (tries--) {
		if (guest_take(&w->guest, &slot, &len)) {
			assert_int_equal(*guest_answer(&w->guest, slot), 0);
			return true;
		}
		wait_and_process(w, 100);
	}
	return false;
}

static void add_vlan(struct world *w, uint16_t id)
{
	send_vlan(w, id);
	assert_true(is_answered(w, 50));
}

/* Sends so many packets; which of them come back is asked by are_sent(). */
static void transmit(struct world *w, unsigned int count)
{
	const struct vdpr_ring_buf buf = { GUEST_GPA + GUEST_OUT, 64,
					   GUEST_GPA + GUEST_IN, 1 };
	const uint64_t one = 1;

	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(vdpr_ring_add(&w->tx.ring, &buf, i), 0);
	vdpr_ring_publish(&w->tx.ring);
	assert_int_equal(write(w->tx.vring.kick_fd, &one, sizeof(one)),
			 sizeof(one));
}

static bool are_sent(struct world *w, unsigned int count, int msec)
{
	struct pollfd none = { .fd = -1 };
	struct vdpr_ring_used used;

	for (;;) {
		int ret = vdpr_ring_take(&w->tx.ring, &used, 1);

		assert_true(ret >= 0);
		if (ret && !--count)
			return true;
		if (!ret && msec-- <= 0)
			return false;
		if (!ret)
			poll(&none, 1, 1);
	}
}

static struct vdpr_quiesce_opts quiesce_opts(struct vdpr_vring *vrings)
{
	struct vdpr_quiesce_opts o = VDPR_INIT(struct vdpr_quiesce_opts);

	o.vrings = vrings;
	o.n_vrings = 2;
	return o;
}

/* What the device was told is what was recorded: judged by the device. Ends it. */
static void judge_device(struct world *w)
{
	struct vdpr_state *told = NULL, *recorded = NULL;

	if (vdpr_shadow_save(w->ctx, w->shadow, &recorded))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
	vdpr_shadow_free(w->shadow);
	w->shadow = NULL;
	/* A device of its own closes as it is. */
	w->dev->foreign = false;
	vdpr_dev_close(w->dev);
	w->dev = NULL;
	if (vdpr_state_read(w->ctx, w->dump, &told) ||
	    vdpr_state_compare(w->ctx, told, recorded, 0, NULL, NULL))
		fail_msg("the device holds something else than was recorded");
	assert_true(vdpr_state_is_complete(recorded));
	vdpr_state_free(told);
	vdpr_state_free(recorded);
}

/* ------------------------------------------------------------------- resume */

/* Eventfds that nobody else reads, as what the VMM names on the way back. */
static void open_ears(struct vdpr_vring vrings[2])
{
	for (unsigned int i = 0; i < 2; i++) {
		vrings[i].kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		vrings[i].call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_true(vrings[i].kick_fd > 0 && vrings[i].call_fd > 0);
	}
}

/* What was kicked or called for meanwhile may have been lost: each queue is kicked,
 * and the guest called for each, once. */
static void expect_woken(struct vdpr_vring vrings[2])
{
	for (unsigned int i = 0; i < 2; i++) {
		eventfd_t kicks = 0, calls = 0;

		assert_int_equal(eventfd_read(vrings[i].kick_fd, &kicks), 0);
		assert_int_equal(eventfd_read(vrings[i].call_fd, &calls), 0);
		assert_true(kicks == 1 && calls == 1);
		close(vrings[i].kick_fd);
		close(vrings[i].call_fd);
	}
}

static void test_suspend_and_resume(void **data)
{
	(void)data;
	for (int packed = 0; packed < 2; packed++) {
		struct vdpr_report *report = NULL;
		struct vdpr_quiesce_opts quiet;
		struct vdpr_restore_opts back;
		struct vdpr_vring vrings[2];
		struct vdpr_state *state = NULL;
		struct world w;

		setup(&w, packed ? PACKED : 0,
		      packed ? ",features=+RING_PACKED" : "");
		add_vlan(&w, 5);
		transmit(&w, 5);
		assert_true(are_sent(&w, 5, 2000));
		back = restore_opts(vrings, &w);
		quiet = quiesce_opts(vrings);
		if (vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, &state))
			fail_msg("%s", vdpr_ctx_error(w.ctx));
		assert_int_equal(
			vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, NULL),
			-EALREADY);
		assert_true(vdpr_vlan_has(state, 5));
		assert_int_equal(state->n_vrings, 3);
		assert_int_equal(vrings[1].base, packed ? 0x800a800a : 5);
		assert_int_equal(state->vrings[1].base, vrings[1].base);
		assert_string_equal(vdpr_origin_get(state, "vrings"), "device");
		vdpr_state_free(state);
		/* Nothing moves. */
		send_vlan(&w, 6);
		transmit(&w, 1);
		assert_false(is_answered(&w, 2));
		assert_false(are_sent(&w, 1, 50));
		open_ears(vrings);
		if (vdpr_shadow_unquiesce(w.ctx, w.shadow, &back, &report))
			fail_msg("%s", vdpr_ctx_error(w.ctx));
		assert_null(report);
		expect_woken(vrings);
		assert_true(are_sent(&w, 1, 2000));
		assert_true(is_answered(&w, 50));
		assert_int_equal(
			vdpr_shadow_unquiesce(w.ctx, w.shadow, &back, NULL),
			-EINVAL);
		add_vlan(&w, 7);
		judge_device(&w);
		done(&w);
	}
}

/* Not by RESUME: there is a report. */
static void come_back_restored(struct world *w,
			       const struct vdpr_restore_opts *back)
{
	struct vdpr_report *report = NULL;

	if (vdpr_shadow_unquiesce(w->ctx, w->shadow, back, &report))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
	assert_non_null(report);
	vdpr_report_free(report);
}

/* A restore that was begun meanwhile and given up has reset the device, and what was
 * suspended is no more: it comes back by a restore. */
static void test_a_restore_in_between_is_no_resume(void **data)
{
	struct vdpr_quiesce_opts quiet;
	struct vdpr_restore_opts back;
	struct vdpr_vring vrings[2];
	struct vdpr_state *state = NULL;
	struct vdpr_restore *restore = NULL;
	struct world w;

	(void)data;
	setup(&w, 0, "");
	add_vlan(&w, 5);
	back = restore_opts(vrings, &w);
	quiet = quiesce_opts(vrings);
	if (vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, &state) ||
	    vdpr_restore_begin(w.ctx, w.dev, state, &back, &restore))
		fail_msg("%s", vdpr_ctx_error(w.ctx));
	assert_int_equal(vdpr_restore_cancel(restore), 0);
	vdpr_restore_free(restore);
	come_back_restored(&w, &back);
	vdpr_state_free(state);
	add_vlan(&w, 7);
	judge_device(&w);
	done(&w);
}

/* RESUME, the control queue's SET_VRING_ENABLE: reset, and the next try restores. */
static void test_a_failed_resume_is_a_reset(void **data)
{
	(void)data;
	for (unsigned int call = 1; call <= 2; call++) {
		struct vdpr_report *report = NULL;
		struct vdpr_quiesce_opts quiet;
		struct vdpr_restore_opts back;
		struct vdpr_vring vrings[2];
		uint8_t status = 1;
		struct world w;

		setup(&w, 0, "");
		add_vlan(&w, 5);
		transmit(&w, 5);
		assert_true(are_sent(&w, 5, 2000));
		back = restore_opts(vrings, &w);
		quiet = quiesce_opts(vrings);
		assert_int_equal(
			vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, NULL), 0);
		send_vlan(&w, 6);
		w.wrap->fail_at = w.wrap->n + call;
		w.wrap->fail_errno = EIO;
		assert_int_equal(
			vdpr_shadow_unquiesce(w.ctx, w.shadow, &back, &report),
			-EIO);
		assert_non_null(
			strstr(vdpr_ctx_error(w.ctx),
			       call == 1 ? "RESUME" : "SET_VRING_ENABLE"));
		assert_int_equal(vdpr_dev_get_status(w.dev, &status), 0);
		assert_int_equal(status, 0);
		assert_false(is_answered(&w, 2));
		come_back_restored(&w, &back);
		assert_true(is_answered(&w, 50));
		transmit(&w, 2);
		assert_true(are_sent(&w, 2, 2000));
		judge_device(&w);
		done(&w);
	}
}

/* It stands still, and comes back as any other. */
static void test_a_base_that_is_not_told(void **data)
{
	struct vdpr_quiesce_opts quiet;
	struct vdpr_restore_opts back;
	struct vdpr_vring vrings[2];
	struct world w;

	(void)data;
	setup(&w, 0, "");
	add_vlan(&w, 5);
	back = restore_opts(vrings, &w);
	quiet = quiesce_opts(vrings);
	/* SUSPEND, a first base, a second one. */
	w.wrap->fail_at = w.wrap->n + 3;
	w.wrap->fail_errno = EIO;
	assert_int_equal(vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, NULL),
			 -EIO);
	assert_non_null(strstr(vdpr_ctx_error(w.ctx), "GET_VRING_BASE"));
	assert_int_equal(vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, NULL),
			 -EALREADY);
	send_vlan(&w, 6);
	assert_false(is_answered(&w, 2));
	assert_int_equal(vdpr_shadow_unquiesce(w.ctx, w.shadow, &back, NULL),
			 0);
	assert_true(is_answered(&w, 50));
	judge_device(&w);
	done(&w);
}

/* A guest cannot keep its host from being emptied. */
static void test_a_broken_ring_is_no_obstacle(void **data)
{
	struct vdpr_quiesce_opts quiet;
	struct vdpr_restore_opts back;
	struct vdpr_state *state = NULL;
	struct vdpr_vring vrings[2];
	unsigned int events = 0;
	struct world w;

	(void)data;
	setup(&w, 0, "");
	add_vlan(&w, 5);
	transmit(&w, 5);
	assert_true(are_sent(&w, 5, 2000));
	back = restore_opts(vrings, &w);
	quiet = quiesce_opts(vrings);
	/* One is on its way; the available index jumps. */
	send_vlan(&w, 6);
	assert_int_equal(vdpr_shadow_process(w.ctx, w.shadow, NULL), 0);
	vdpr_put_le16(w.guest.mem + 64 * 16 + 2, 0x4000);
	assert_int_equal(eventfd_write(w.guest.kick, 1), 0);
	assert_int_equal(vdpr_shadow_process(w.ctx, w.shadow, &events),
			 -EPROTO);
	assert_int_equal(events, VDPR_SHADOW_GUEST_BROKEN);
	if (vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, &state))
		fail_msg("%s", vdpr_ctx_error(w.ctx));
	assert_true(vdpr_vlan_has(state, 6));
	assert_int_equal(vrings[1].base, 5);
	assert_int_equal(state->n_vrings, 3);
	vdpr_state_free(state);
	/* Back here it is as broken as before; its data queues go on. */
	assert_int_equal(vdpr_shadow_unquiesce(w.ctx, w.shadow, &back, NULL),
			 0);
	assert_int_equal(vdpr_shadow_process(w.ctx, w.shadow, NULL), -EPROTO);
	transmit(&w, 1);
	assert_true(are_sent(&w, 1, 2000));
	done(&w);
}

/* ------------------------------------------------------------------ restore */

static void without_suspend(struct world *w)
{
	w->dev->acked &= ~(BIT_ULL(VHOST_BACKEND_F_SUSPEND) |
			   BIT_ULL(VHOST_BACKEND_F_RESUME));
}

/* No SUSPEND: reset, used index, full restore from what was recorded. */
static void test_reset_and_restore(void **data)
{
	struct vdpr_quiesce_opts quiet;
	struct vdpr_restore_opts back;
	struct vdpr_state *state = NULL;
	struct vdpr_vring vrings[2];
	uint8_t status = 1;
	struct world w;

	(void)data;
	setup(&w, 0, "");
	without_suspend(&w);
	add_vlan(&w, 5);
	transmit(&w, 5);
	assert_true(are_sent(&w, 5, 2000));
	back = restore_opts(vrings, &w);
	quiet = quiesce_opts(vrings);
	if (vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, &state))
		fail_msg("%s", vdpr_ctx_error(w.ctx));
	assert_int_equal(vdpr_dev_get_status(w.dev, &status), 0);
	assert_int_equal(status, 0);
	assert_int_equal(vrings[1].base, 5);
	assert_string_equal(vdpr_origin_get(state, "vrings"),
			    "guest-used-index");
	vdpr_state_free(state);
	send_vlan(&w, 6);
	transmit(&w, 2);
	assert_false(is_answered(&w, 2));
	come_back_restored(&w, &back);
	assert_true(are_sent(&w, 2, 2000));
	assert_true(is_answered(&w, 50));
	add_vlan(&w, 7);
	judge_device(&w);
	done(&w);
}

/* vp_vdpa: no SUSPEND, no base but the initial one. */
static void test_no_way_back_is_said_before(void **data)
{
	struct vdpr_quiesce_opts quiet;
	struct vdpr_restore_opts back;
	struct vdpr_vring vrings[2];
	struct world w;

	(void)data;
	setup(&w, 0, "");
	without_suspend(&w);
	free(w.dev->driver);
	w.dev->driver = strdup("vp-vdpa");
	add_vlan(&w, 5);
	transmit(&w, 5);
	assert_true(are_sent(&w, 5, 2000));
	back = restore_opts(vrings, &w);
	quiet = quiesce_opts(vrings);
	assert_int_equal(vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, NULL),
			 -EOPNOTSUPP);
	assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_REFUSED);
	assert_non_null(strstr(vdpr_ctx_error(w.ctx), "vp_vdpa"));
	/* Nothing was stopped. */
	add_vlan(&w, 6);
	transmit(&w, 1);
	assert_true(are_sent(&w, 1, 2000));
	quiet.flags = VDPR_QUIESCE_FRESH_RINGS;
	if (vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, NULL))
		fail_msg("%s", vdpr_ctx_error(w.ctx));
	assert_int_equal(vrings[1].base, 6);
	/* The old rings are refused by name ... */
	assert_int_equal(vdpr_shadow_unquiesce(w.ctx, w.shadow, &back, NULL),
			 -ENOTSUP);
	assert_non_null(strstr(vdpr_ctx_error(w.ctx), "base 6 of queue 1"));
	/* ... and new ones are taken. */
	fresh_ring(&w, &w.rx, 0, RX_AT);
	fresh_ring(&w, &w.tx, 1, TX_AT);
	back = restore_opts(vrings, &w);
	if (vdpr_shadow_unquiesce(w.ctx, w.shadow, &back, NULL))
		fail_msg("%s", vdpr_ctx_error(w.ctx));
	transmit(&w, 3);
	assert_true(are_sent(&w, 3, 2000));
	add_vlan(&w, 7);
	judge_device(&w);
	done(&w);
}

static void test_packed_without_bases_is_refused(void **data)
{
	struct vdpr_quiesce_opts quiet;
	struct vdpr_vring vrings[2];
	struct world w;

	(void)data;
	setup(&w, PACKED, ",features=+RING_PACKED");
	without_suspend(&w);
	restore_opts(vrings, &w);
	quiet = quiesce_opts(vrings);
	quiet.flags = VDPR_QUIESCE_FRESH_RINGS;
	assert_int_equal(vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, NULL),
			 -EOPNOTSUPP);
	assert_non_null(strstr(vdpr_ctx_error(w.ctx), "packed"));
	add_vlan(&w, 6);
	done(&w);
}

/* ------------------------------------------------------------------ deadline */

static void test_deadline(void **data)
{
	struct vdpr_quiesce_opts quiet;
	struct vdpr_vring vrings[2];
	struct world w;

	(void)data;
	setup(&w, 0, ",stall=2.1");
	restore_opts(vrings, &w);
	quiet = quiesce_opts(vrings);
	quiet.deadline = vdpr_now() + 50000000;
	guest_send(&w.guest, 1, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL,
		   "\1\0", 2, 1);
	guest_show(&w.guest);
	wait_and_process(&w, 1000);
	assert_int_equal(vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, NULL),
			 -ETIME);
	assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_DEADLINE);
	/* It runs on. */
	transmit(&w, 1);
	assert_true(are_sent(&w, 1, 2000));
	done(&w);
}

/* Commands that are on their way when it begins are answered in it. */
static void test_drains(void **data)
{
	struct vdpr_quiesce_opts quiet;
	struct vdpr_state *state = NULL;
	struct vdpr_vring vrings[2];
	unsigned int slot;
	struct world w;
	uint32_t len;

	(void)data;
	setup(&w, 0, ",delay=3000");
	for (unsigned int i = 0; i < 12; i++) {
		uint8_t id[2] = { (uint8_t)i, 0 };

		guest_send(&w.guest, i, VIRTIO_NET_CTRL_VLAN,
			   VIRTIO_NET_CTRL_VLAN_ADD, id, 2, 1);
	}
	guest_show(&w.guest);
	wait_and_process(&w, 1000);
	restore_opts(vrings, &w);
	quiet = quiesce_opts(vrings);
	if (vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, &state))
		fail_msg("%s", vdpr_ctx_error(w.ctx));
	for (unsigned int i = 0; i < 12; i++) {
		assert_int_equal(guest_take(&w.guest, &slot, &len), 1);
		assert_true(vdpr_vlan_has(state, i));
	}
	assert_int_equal(state->vrings[2].base, 12);
	vdpr_state_free(state);
	done(&w);
}

/* ------------------------------------------------------------ another driver */

/* A driver is loaded anew, with other features and another format of the ring. */
static void test_driver_reload(void **data)
{
	static const uint64_t features[] = { FEATURES | PACKED, FEATURES,
					     FEATURES & ~BIT_ULL(29) };
	struct vdpr_state *state = NULL;
	struct world w;

	(void)data;
	setup(&w, PACKED, ",features=+RING_PACKED");
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		uint8_t status = 1;

		add_vlan(&w, (uint16_t)(100 + i));
		/* The guest resets: from here on its memory is its own. */
		assert_int_equal(vdpr_shadow_reset(w.ctx, w.shadow, NULL), 0);
		assert_int_equal(vdpr_dev_get_status(w.dev, &status), 0);
		assert_int_equal(status, 0);
		send_vlan(&w, 1);
		wait_and_process(&w, 20);
		assert_int_equal(vdpr_shadow_process(w.ctx, w.shadow, NULL), 0);
		w.format = (struct vdpr_ring_format){
			.ops = features[i] & PACKED ? &vdpr_ring_packed
						    : &vdpr_ring_split,
			.event_idx = features[i] & BIT_ULL(29),
		};
		guest_reload(&w.guest, &w.format, 64);
		fresh_ring(&w, &w.rx, 0, RX_AT);
		fresh_ring(&w, &w.tx, 1, TX_AT);
		boot(&w, features[i]);
		transmit(&w, 2);
		assert_true(are_sent(&w, 2, 2000));
		assert_int_equal(vdpr_shadow_save(w.ctx, w.shadow, &state), 0);
		assert_false(vdpr_vlan_has(state, 100));
		vdpr_state_free(state);
	}
	add_vlan(&w, 200);
	judge_device(&w);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suspend_and_resume),
		cmocka_unit_test(test_a_restore_in_between_is_no_resume),
		cmocka_unit_test(test_a_failed_resume_is_a_reset),
		cmocka_unit_test(test_a_base_that_is_not_told),
		cmocka_unit_test(test_a_broken_ring_is_no_obstacle),
		cmocka_unit_test(test_reset_and_restore),
		cmocka_unit_test(test_no_way_back_is_said_before),
		cmocka_unit_test(test_packed_without_bases_is_refused),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_drains),
		cmocka_unit_test(test_driver_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
