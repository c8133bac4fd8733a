/* SPDX-License-Identifier: MIT */
/* A caller's own device layer: its calls, or its control buffers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "restore/report.h"
#include "tests/commands.h"
#include "tests/restore-loop.h"

#define EXAMPLE "tests/data/example.json"

/* ----------------------------------------------------------------- device calls */

/* A device layer around a simulator. */
struct layer {
	struct vdpr_dev *inner;
	size_t ioctls, maps, unmaps;
	uint64_t hidden; /* backend features that it does not let through */
	bool stuck;	 /* it cannot be reset */
};

static int layer_ioctl(void *data, unsigned long request, void *arg)
{
	struct layer *layer = data;
	uint64_t bits;
	int ret;

	layer->ioctls++;
	if (layer->stuck && request == VHOST_VDPA_SET_STATUS)
		return -EIO;
	ret = vdpr_dev_ioctl(layer->inner, request, arg);
	if (!ret && request == VHOST_GET_BACKEND_FEATURES) {
		memcpy(&bits, arg, sizeof(bits));
		bits &= ~layer->hidden;
		memcpy(arg, &bits, sizeof(bits));
	}
	return ret;
}

static int layer_map(void *data, uint32_t asid, uint64_t iova, uint64_t len,
		     const void *addr, bool writable)
{
	struct layer *layer = data;

	layer->maps++;
	return vdpr_dev_iotlb_update(layer->inner, asid, iova, len, addr,
				     writable ? VHOST_ACCESS_RW
					      : VHOST_ACCESS_RO);
}

static int layer_unmap(void *data, uint32_t asid, uint64_t iova, uint64_t len)
{
	struct layer *layer = data;

	layer->unmaps++;
	return vdpr_dev_iotlb_invalidate(layer->inner, asid, iova, len);
}

static void layer_open(struct vdpr_ctx *ctx, struct layer *layer,
		       struct vdpr_dev **out)
{
	struct vdpr_dev_hooks hooks = VDPR_INIT(struct vdpr_dev_hooks);

	memset(layer, 0, sizeof(*layer));
	if (vdpr_dev_open(ctx, "sim", &layer->inner))
		fail_msg("%s", vdpr_ctx_error(ctx));
	hooks.data = layer;
	hooks.ioctl = layer_ioctl;
	hooks.map = layer_map;
	hooks.unmap = layer_unmap;
	if (vdpr_dev_from_hooks(ctx, "layer", &hooks, out))
		fail_msg("%s", vdpr_ctx_error(ctx));
}

static uint8_t layer_status(struct layer *layer)
{
	uint8_t status = 0xff;

	assert_int_equal(vdpr_dev_get_status(layer->inner, &status), 0);
	return status;
}

/* A device layer, and what is to be restored through it. */
struct layered {
	struct vdpr_restore_opts opts;
	struct vdpr_state *example;
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	struct layer layer;
};

static void layered_open(struct layered *l)
{
	memset(l, 0, sizeof(*l));
	l->opts.size = sizeof(l->opts);
	l->opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	l->example = loop_state(EXAMPLE);
	assert_int_equal(vdpr_ctx_new(&l->ctx), 0);
	layer_open(l->ctx, &l->layer, &l->dev);
}

static void layered_close(struct layered *l)
{
	vdpr_dev_close(l->layer.inner);
	vdpr_state_free(l->example);
	vdpr_ctx_free(l->ctx);
}

static void every_call_goes_through_the_caller(void **state)
{
	struct vdpr_restore *restore;
	struct layered l;
	(void)state;

	layered_open(&l);
	assert_int_equal(
		vdpr_restore_run(l.ctx, l.dev, l.example, &l.opts, NULL), 0);
	assert_int_equal(l.layer.ioctls, l.layer.inner->counts.ioctls);
	assert_int_equal(layer_status(&l.layer), 15);
	assert_int_equal(l.layer.maps, 4);
	/* Again over the same, in two halves. */
	assert_int_equal(
		loop_whole(l.ctx, l.dev, l.example, NULL, &l.opts, &restore),
		0);
	assert_int_equal(l.layer.unmaps, 4);
	vdpr_restore_free(restore);
	/* The close of such a device is no reset, so it takes back what it gave. */
	vdpr_dev_close(l.dev);
	assert_int_equal(l.layer.unmaps, 8);
	layered_close(&l);
}

/* Nobody is told of a reset that was not. */
static void a_reset_that_fails_is_told(void **state)
{
	struct vdpr_restore *restore;
	struct layered l;
	(void)state;

	layered_open(&l);
	assert_int_equal(
		vdpr_restore_run(l.ctx, l.dev, l.example, &l.opts, NULL), 0);
	l.layer.stuck = true;
	assert_int_equal(
		vdpr_restore_begin(l.ctx, l.dev, l.example, &l.opts, &restore),
		0);
	assert_int_equal(vdpr_restore_cancel(restore), 0);
	assert_int_equal(layer_status(&l.layer), 15);
	assert_string_equal(vdpr_ctx_cure(l.ctx),
			    "the device could not be reset (Input/output "
			    "error): it must be before it is used again");
	vdpr_restore_free(restore);
	l.layer.stuck = false;
	vdpr_dev_close(l.dev);
	layered_close(&l);
}

static void prewarm_needs_suspend_and_resume(void **state)
{
	static const uint64_t bits[] = { VHOST_BACKEND_F_SUSPEND,
					 VHOST_BACKEND_F_RESUME };
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_state *example = loop_state(EXAMPLE);
	struct vdpr_ctx *ctx;
	(void)state;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	opts.flags = VDPR_RESTORE_EMPTY_RINGS | VDPR_RESTORE_PREWARM;
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		struct vdpr_restore *restore;
		struct vdpr_dev *dev;
		struct layer layer;

		layer_open(ctx, &layer, &dev);
		layer.hidden = BIT_ULL(bits[i]);
		assert_int_equal(
			loop_whole(ctx, dev, example, NULL, &opts, &restore),
			-EOPNOTSUPP);
		assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_REFUSED);
		assert_int_equal(layer_status(&layer), 0);
		vdpr_restore_free(restore);
		vdpr_dev_close(dev);
		vdpr_dev_close(layer.inner);
	}
	vdpr_state_free(example);
	vdpr_ctx_free(ctx);
}

/* -------------------------------------------------------------- control buffers */

#define RING_ROOM 5

/* LEAVES: silent, and no reset is given; STUCK: refuses, and cannot be reset. */
enum misbehaviour {
	NONE,
	REFUSES,
	REPEATS,
	TOO_LONG,
	NO_SUCH,
	SILENT,
	BREAKS,
	LEAVES,
	STUCK
};

/* A VMM's own control virtqueue: takes a few commands at a time and answers them
 * in another order, the state that they make beside it. */
struct vmm {
	struct vdpr_state *told;
	enum misbehaviour how;
	struct {
		uint64_t token;
		const uint8_t *out;
		size_t len, in_len;
		bool seen;
	} queue[RING_ROOM];
	size_t n;
	bool kicked;
	size_t kicks, commands, at_enable;
	unsigned int enabled, resets;
	uint64_t last;
};

static int vmm_send(void *data, uint64_t token, const void *out, size_t out_len,
		    size_t in_len)
{
	struct vmm *vmm = data;

	if (vmm->how == BREAKS && vmm->commands == 3)
		return -EIO;
	if (vmm->n == RING_ROOM)
		return -EAGAIN;
	vmm->queue[vmm->n].token = token;
	vmm->queue[vmm->n].out = out;
	vmm->queue[vmm->n].len = out_len;
	vmm->queue[vmm->n].seen = false;
	vmm->queue[vmm->n++].in_len = in_len;
	vmm->commands++;
	return 0;
}

static void observe(struct vmm *vmm, const uint8_t *out, size_t len,
		    uint8_t ack)
{
	struct vdpr_command command = VDPR_INIT(struct vdpr_command);

	command.ctrl_class = out[0];
	command.command = out[1];
	command.ack = ack;
	command.data = out + 2;
	command.data_len = len - 2;
	assert_int_equal(vdpr_observe(NULL, vmm->told, &command), 0);
}

static uint8_t answer_to(const struct vmm *vmm, size_t i)
{
	return (vmm->how == REFUSES || vmm->how == STUCK) &&
	       vmm->queue[i].out[0] == 4;
}

/* Carried out in the order of the ring, whatever the order of the answers. */
static int vmm_kick(void *data)
{
	struct vmm *vmm = data;

	for (size_t i = 0; i < vmm->n; i++) {
		if (!vmm->queue[i].seen)
			observe(vmm, vmm->queue[i].out, vmm->queue[i].len,
				answer_to(vmm, i));
		vmm->queue[i].seen = true;
	}
	vmm->kicked = true;
	vmm->kicks++;
	return 0;
}

static int vmm_poll(void *data, uint64_t *token, void *in, size_t in_len,
		    size_t *len)
{
	struct vmm *vmm = data;
	uint8_t answer[16] = { 0 };
	size_t i = vmm->n - 1;

	if (!vmm->kicked || vmm->how == SILENT || vmm->how == LEAVES)
		return 0;
	if (!vmm->n) {
		vmm->kicked = false;
		return 0;
	}
	*token = vmm->queue[i].token;
	*len = vmm->queue[i].in_len;
	assert_true(*len <= in_len);
	answer[0] = answer_to(vmm, i);
	memcpy(in, answer, *len);
	vmm->n--;
	if (vmm->how == TOO_LONG)
		*len += 1;
	if (vmm->how == NO_SUCH)
		*token = 1000000;
	if (vmm->how == REPEATS && vmm->last)
		*token = vmm->last - 1;
	vmm->last = *token + 1;
	return 1;
}

static int vmm_enable(void *data)
{
	struct vmm *vmm = data;

	assert_int_equal(vmm->n, 0);
	vmm->at_enable = vmm->commands;
	vmm->enabled++;
	return 0;
}

static int vmm_reset(void *data)
{
	struct vmm *vmm = data;

	vmm->resets++;
	return vmm->how == STUCK ? -EIO : 0;
}

struct control {
	struct vdpr_ctx *ctx;
	struct vdpr_state *example;
	struct vdpr_dev *dev;
	struct vmm vmm;
	struct vdpr_restore_opts opts;
};

static void control_open(struct control *c, enum misbehaviour how)
{
	struct vdpr_dev_hooks hooks = VDPR_INIT(struct vdpr_dev_hooks);
	struct vdpr_dev_info info = VDPR_INIT(struct vdpr_dev_info);

	memset(c, 0, sizeof(*c));
	c->opts.size = sizeof(c->opts);
	c->opts.flags = VDPR_RESTORE_ASSUME_ENABLE | VDPR_RESTORE_EMPTY_RINGS;
	assert_int_equal(vdpr_ctx_new(&c->ctx), 0);
	c->example = loop_state(EXAMPLE);
	c->vmm.how = how;
	assert_int_equal(vdpr_state_new(c->ctx, &c->vmm.told), 0);
	assert_int_equal(vdpr_state_start(c->ctx, c->vmm.told,
					  &c->example->offered,
					  &c->example->negotiated,
					  &c->example->config, 0),
			 0);
	info.features = c->example->offered;
	info.config = c->example->config;
	info.vqs = 9;
	hooks.data = &c->vmm;
	hooks.info = &info;
	hooks.send = vmm_send;
	hooks.poll = vmm_poll;
	hooks.kick = vmm_kick;
	hooks.enable = vmm_enable;
	hooks.reset = how == LEAVES ? NULL : vmm_reset;
	if (vdpr_dev_from_hooks(c->ctx, "vmm", &hooks, &c->dev))
		fail_msg("%s", vdpr_ctx_error(c->ctx));
}

static void control_close(struct control *c)
{
	vdpr_dev_close(c->dev);
	vdpr_state_free(c->vmm.told);
	vdpr_state_free(c->example);
	vdpr_ctx_free(c->ctx);
}

static void check_told(struct control *c)
{
	unsigned int m;

	if (!vdpr_test_control_equal(c->example, c->vmm.told, &m))
		fail_msg("%s differs", vdpr_member_info[m].name);
	assert_int_equal(c->vmm.enabled, 1);
	assert_int_equal(c->vmm.resets, 0);
	/* Values of single queues come after, and are asked for in the end. */
	assert_true(c->vmm.at_enable < c->vmm.commands);
}

static void a_callers_own_ring_carries_the_commands(void **state)
{
	struct vdpr_report *report;
	struct control c;
	(void)state;

	control_open(&c, NONE);
	if (vdpr_restore_run(c.ctx, c.dev, c.example, &c.opts, &report))
		fail_msg("%s", vdpr_ctx_error(c.ctx));
	check_told(&c);
	assert_int_equal(report->kicks, c.vmm.kicks);
	assert_int_equal(report->n_sent, report->plan->count);
	vdpr_report_free(report);
	control_close(&c);
}

static void and_from_an_event_loop(void **state)
{
	struct vdpr_restore *restore;
	struct control c;
	int ret;
	(void)state;

	control_open(&c, NONE);
	assert_int_equal(
		vdpr_restore_begin(c.ctx, c.dev, c.example, &c.opts, &restore),
		0);
	assert_int_equal(loop_run(restore), VDPR_STEP_COMMIT);
	assert_int_equal(c.vmm.commands, 0);
	assert_int_equal(vdpr_restore_commit(restore, NULL, NULL), 0);
	/* Without a descriptor for answers the caller knows when. */
	do {
		ret = vdpr_restore_process(restore);
	} while (ret > 0);
	assert_int_equal(ret, 0);
	check_told(&c);
	vdpr_restore_free(restore);
	control_close(&c);
}

static void a_ring_that_answers_wrongly_is_given_up(void **state)
{
	static const struct {
		enum misbehaviour how;
		int err;
		const char *text;
	} cases[] = {
		{ REFUSES, -EPROTO, "refused" },
		{ REPEATS, -EPROTO, "not outstanding" },
		{ TOO_LONG, -EPROTO, "bytes of the answer" },
		{ NO_SUCH, -EPROTO, "not outstanding" },
		{ SILENT, -ETIME, "deadline" },
		{ BREAKS, -EIO, "send of a command" },
		{ STUCK, -EPROTO, "refused" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct control c;
		int ret;

		control_open(&c, cases[i].how);
		c.opts.deadline = vdpr_now() + 50000000;
		if (cases[i].how != SILENT)
			c.opts.deadline = 0;
		ret = vdpr_restore_run(c.ctx, c.dev, c.example, &c.opts, NULL);
		if (ret != cases[i].err ||
		    (cases[i].how != SILENT &&
		     !strstr(vdpr_ctx_error(c.ctx), cases[i].text)))
			fail_msg("%s: %d: %s", cases[i].text, ret,
				 vdpr_ctx_error(c.ctx));
		assert_ptr_equal(
			strstr(vdpr_ctx_cure(c.ctx),
			       cases[i].how == STUCK
				       ? "the device could not be reset"
				       : "the device was reset"),
			vdpr_ctx_cure(c.ctx));
		assert_int_equal(c.vmm.enabled, 0);
		assert_int_equal(c.vmm.resets, 1);
		control_close(&c);
	}
}

/* Whoever gives up is told what has become of his device. */
static void a_cancel_says_what_was_done(void **state)
{
	static const struct {
		enum misbehaviour how;
		bool commit;
		const char *cure;
	} cases[] = {
		{ LEAVES, false, "the device was not touched" },
		{ LEAVES, true, "the device has changed and must be reset" },
		{ SILENT, true, "the device was reset" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vdpr_restore *restore;
		struct control c;

		control_open(&c, cases[i].how);
		assert_int_equal(vdpr_restore_begin(c.ctx, c.dev, c.example,
						    &c.opts, &restore),
				 0);
		assert_int_equal(loop_run(restore), VDPR_STEP_COMMIT);
		if (cases[i].commit) {
			assert_int_equal(
				vdpr_restore_commit(restore, NULL, NULL), 0);
			while (!c.vmm.kicks)
				assert_true(vdpr_restore_process(restore) >= 0);
		}
		assert_int_equal(vdpr_restore_cancel(restore), 0);
		assert_int_equal(vdpr_restore_result(restore, NULL),
				 -ECANCELED);
		assert_string_equal(vdpr_ctx_cure(c.ctx), cases[i].cure);
		assert_int_equal(c.vmm.resets, cases[i].how == SILENT);
		vdpr_restore_free(restore);
		control_close(&c);
	}
}

/* One that only looks resets nothing, whatever it could. */
static void a_check_says_that_nothing_was_done(void **state)
{
	struct control c;
	(void)state;

	control_open(&c, NONE);
	c.opts.deadline = 1;
	assert_int_equal(
		vdpr_restore_check(c.ctx, c.dev, c.example, &c.opts, NULL),
		-ETIME);
	assert_non_null(
		strstr(vdpr_ctx_cure(c.ctx), "the device was not touched"));
	assert_int_equal(c.vmm.resets, 0);
	control_close(&c);
}

/* ----------------------------------------------------------------------- forms */

static void hooks_of_neither_kind_are_refused(void **state)
{
	struct vdpr_dev_info info = VDPR_INIT(struct vdpr_dev_info);
	struct vdpr_dev_info no_size = { 0 };
	struct vdpr_dev_hooks hooks[6];
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	(void)state;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	memset(hooks, 0, sizeof(hooks));
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		hooks[i].size = sizeof(hooks[i]);
	hooks[0].size = 8;
	hooks[2].ioctl = layer_ioctl;
	hooks[3].info = &info;
	hooks[3].send = vmm_send;
	hooks[3].poll = vmm_poll;
	hooks[4].ioctl = layer_ioctl;
	hooks[4].map = layer_map;
	hooks[4].unmap = layer_unmap;
	hooks[4].send = vmm_send;
	hooks[5].info = &no_size;
	hooks[5].send = vmm_send;
	hooks[5].poll = vmm_poll;
	hooks[5].enable = vmm_enable;
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		assert_int_equal(vdpr_dev_from_hooks(ctx, "x", &hooks[i], &dev),
				 -EINVAL);
		assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_USAGE);
	}
	vdpr_ctx_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_goes_through_the_caller),
		cmocka_unit_test(a_reset_that_fails_is_told),
		cmocka_unit_test(prewarm_needs_suspend_and_resume),
		cmocka_unit_test(a_callers_own_ring_carries_the_commands),
		cmocka_unit_test(and_from_an_event_loop),
		cmocka_unit_test(a_ring_that_answers_wrongly_is_given_up),
		cmocka_unit_test(a_cancel_says_what_was_done),
		cmocka_unit_test(a_check_says_that_nothing_was_done),
		cmocka_unit_test(hooks_of_neither_kind_are_refused),
	};

	return cmocka_run_group_tests_name("dev-hooks", tests, NULL, NULL);
}
