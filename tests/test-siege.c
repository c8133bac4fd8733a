/* SPDX-License-Identifier: MIT */
/* A guest's commands while a hundred bad clients hang on the control socket. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "restore/control.h"
#include "restore/ctx.h"
#include "restore/shadow.h"
#include "restore/uapi.h"
#include "tests/bad-clients.h"
#include "tests/fake-cvq.h"
#include "tests/faults/inject.h"
#include "tests/guest.h"

/* CTRL_VQ, CTRL_VLAN, VERSION_1. */
#define FEATURES (BIT_ULL(17) | BIT_ULL(19) | BIT_ULL(32))

#define COMMANDS 600
/* Bad clients that come between two of the guest's commands. */
#define BURST 5

/* A VMM with one loop for its guest's control queue and its control socket. */
struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	struct fake_cvq fake;
	struct guest guest;
	struct vdpr_shadow *shadow;
	struct vdpr_control *control;
	char folder[32], path[64];
	struct bad_clients bad;
};

static void open_shadow(struct world *w)
{
	static const struct vdpr_ring_format format = {
		.ops = &vdpr_ring_split,
	};
	const struct vdpr_features f = { { FEATURES, 0 } };
	struct vdpr_shadow_opts opts = VDPR_INIT(struct vdpr_shadow_opts);
	struct vdpr_guest_ring_opts ring;

	assert_int_equal(vdpr_state_new(w->ctx, &w->state), 0);
	assert_int_equal(vdpr_state_start(w->ctx, w->state, NULL, &f, NULL, 0),
			 0);
	fake_open(&w->fake, &format, 64);
	guest_open(&w->guest, &format, 64);
	opts.regions = &w->guest.region;
	opts.n_regions = 1;
	assert_int_equal(
		vdpr_shadow_new(w->ctx, &w->fake.dev, &opts, &w->shadow), 0);
	ring = guest_opts(&w->guest);
	assert_int_equal(vdpr_shadow_start(w->ctx, w->shadow, w->state, &ring),
			 0);
}

static void open_control(struct world *w, unsigned int flags)
{
	struct vdpr_control_ops ops = VDPR_INIT(struct vdpr_control_ops);
	struct vdpr_control_opts opts = VDPR_INIT(struct vdpr_control_opts);

	strcpy(w->folder, "/tmp/vdpr-siege-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/socket", w->folder);
	ops.name = "vdpa0";
	ops.shadow = w->shadow;
	opts.flags = flags;
	opts.client_msec = 300;
	assert_int_equal(
		vdpr_control_new(w->ctx, w->path, &ops, &opts, &w->control), 0);
}

static void setup(struct world *w, unsigned int flags)
{
	memset(w, 0, sizeof(*w));
	bad_clients_begin(&w->bad);
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	open_shadow(w);
	open_control(w, flags);
}

static void done(struct world *w)
{
	vdpr_control_free(w->control);
	vdpr_shadow_free(w->shadow);
	guest_close(&w->guest);
	fake_close(&w->fake);
	vdpr_state_free(w->state);
	vdpr_ctx_free(w->ctx);
	assert_int_equal(rmdir(w->folder), 0);
}

static bool is_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* The loop once round: each has its turn, whatever the other has to do. */
static void turn(struct world *w, bool serves)
{
	if (serves && is_ready(vdpr_control_fd(w->control)))
		assert_int_equal(vdpr_control_process(w->ctx, w->control), 0);
	if (is_ready(vdpr_shadow_fd(w->shadow)))
		assert_int_equal(vdpr_shadow_process(w->ctx, w->shadow, NULL),
				 0);
	fake_accept(&w->fake);
}

/* A command is with the device after one turn, and its answer with the guest after
 * another: nothing else is waited for. */
static void command(struct world *w, uint16_t id, bool serves)
{
	uint8_t data[2];
	unsigned int slot;
	uint32_t len;

	vdpr_put_le16(data, id);
	guest_send(&w->guest, 0, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD,
		   data, sizeof(data), 1);
	guest_show(&w->guest);
	turn(w, serves);
	turn(w, serves);
	assert_int_equal(guest_take(&w->guest, &slot, &len), 1);
	assert_int_equal(len, 1);
	assert_int_equal(*guest_answer(&w->guest, 0), VIRTIO_NET_OK);
}

static void expect_recorded(struct world *w, uint64_t commands)
{
	struct vdpr_shadow_counts counts = VDPR_INIT(struct vdpr_shadow_counts);
	struct vdpr_state *saved = NULL;

	vdpr_shadow_count(w->shadow, &counts);
	assert_int_equal(counts.forwarded, commands);
	assert_int_equal(counts.answered, commands);
	assert_int_equal(vdpr_shadow_save(w->ctx, w->shadow, &saved), 0);
	for (uint16_t id = 0; id < COMMANDS; id++)
		assert_true(vdpr_vlan_has(saved, id));
	vdpr_state_free(saved);
}

static void commands_do_not_wait_for_bad_clients(void **data)
{
	size_t before, during = 0;
	struct world w;

	(void)data;
	setup(&w, 0);
	before = inject_fds();
	for (uint16_t id = 0; id < COMMANDS; id++) {
		bad_clients_come(&w.bad, w.path, BURST);
		command(&w, id, true);
		if (inject_fds() > during)
			during = inject_fds();
	}
	/* It was one, and they were let in and thrown out. */
	assert_true(during > before + BAD_CLIENTS / 2);
	assert_true(during <= before + BAD_CLIENTS + 16);
	assert_true(w.bad.dialled > BAD_CLIENTS && w.bad.out > BAD_CLIENTS);
	expect_recorded(&w, COMMANDS);
	bad_clients_end(&w.bad);
	while (is_ready(vdpr_control_fd(w.control)))
		turn(&w, true);
	assert_int_equal(inject_fds(), before);
	done(&w);
}

/* The same with the socket served by a thread of the library's: it saves what the
 * loop is recording. */
static void commands_do_not_wait_for_the_thread(void **data)
{
	uint64_t until = vdpr_now() + 30 * NSEC_PER_SEC;
	uint64_t commands = 0;
	struct world w;

	(void)data;
	setup(&w, VDPR_CONTROL_THREAD);
	/* Until it has thrown enough of them out: it has its own pace. */
	while (commands < COMMANDS || w.bad.out <= BAD_CLIENTS) {
		assert_true(vdpr_now() < until);
		bad_clients_come(&w.bad, w.path, BURST);
		command(&w, (uint16_t)(commands++ % COMMANDS), false);
		if (commands > COMMANDS)
			usleep(1000);
	}
	expect_recorded(&w, commands);
	bad_clients_end(&w.bad);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_do_not_wait_for_bad_clients),
		cmocka_unit_test(commands_do_not_wait_for_the_thread),
	};

	return cmocka_run_group_tests_name("siege", tests, NULL, NULL);
}
