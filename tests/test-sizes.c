/* SPDX-License-Identifier: MIT */
/* Programs built with an older or a newer header: structs of their sizes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "restore/guest-mem.h"
#include "restore/sizes.h"
#include "restore/state.h"

#define LATER 64 /* more bytes than any struct will grow by at once */

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	struct vdpr_shadow *shadow;
	struct vdpr_state *state;
};

/* Two of a struct as a program has them that was built with another header. What
 * is beyond ours is not zero. */
struct theirs {
	uint8_t *bytes;
	size_t size;
};

/* A judgement is 0 or an errno; -EINVAL is that of a struct that is too small. */
typedef int (*judge_fn)(struct world *w, const struct theirs *t);

static void put(const struct theirs *t, size_t i, const void *ours, size_t size)
{
	uint8_t *at = t->bytes + i * t->size;

	memcpy(at, ours, t->size < size ? t->size : size);
	memcpy(at, &t->size, sizeof(t->size));
}

#define PUT(t, i, ...)                              \
	do {                                        \
		const __VA_ARGS__;                  \
		put((t), (i), &ours, sizeof(ours)); \
	} while (0)

/* ------------------------------------------------------------------- structs */

static void put_vrings(const struct theirs *t)
{
	for (uint32_t i = 0; i < 2; i++)
		PUT(t, i,
		    struct vdpr_vring ours = { .index = i,
					       .num = 64,
					       .desc = 0x1000,
					       .kick_fd = -1,
					       .call_fd = -1 - (int)i });
}

static int judge_vring(struct world *w, const struct theirs *t)
{
	struct vdpr_vring *out;
	int ret;

	(void)w;
	put_vrings(t);
	ret = vdpr_vrings_take((const void *)t->bytes, 2, &out);
	if (ret)
		return ret;
	assert_int_equal(out[1].size, sizeof(*out));
	assert_int_equal(out[1].index, 1);
	assert_int_equal(out[1].call_fd, -2);
	free(out);
	return 0;
}

static int judge_guest_region(struct world *w, const struct theirs *t)
{
	static uint8_t memory[2][4096];
	struct vdpr_guest_mem mem;
	int ret;

	(void)w;
	for (size_t i = 0; i < 2; i++)
		PUT(t, i,
		    struct vdpr_guest_region ours = {
			    .gpa = 4096 * i, .len = 4096, .host = memory[i] });
	ret = vdpr_guest_mem_init(&mem, NULL, NULL, (const void *)t->bytes, 2);
	if (ret)
		return ret;
	assert_ptr_equal(vdpr_guest_span(&mem, 4096, 1, false), memory[1]);
	vdpr_guest_mem_free(&mem);
	return 0;
}

/* Not restored, so nothing is started: that is judged later. */
static int judge_guest_ring(struct world *w, const struct theirs *t)
{
	int ret;

	PUT(t, 0,
	    struct vdpr_guest_ring_opts ours = {
		    .num = 64, .kick_fd = -1, .call_fd = -1 });
	ret = vdpr_shadow_start(w->ctx, w->shadow, w->state,
				(const void *)t->bytes);
	return ret == -ENODATA ? 0 : ret;
}

static int judge_shadow(struct world *w, const struct theirs *t)
{
	static uint8_t memory[4096];
	struct vdpr_guest_region region = VDPR_INIT(struct vdpr_guest_region);
	struct vdpr_shadow *shadow;
	int ret;

	region.len = sizeof(memory);
	region.host = memory;
	PUT(t, 0,
	    struct vdpr_shadow_opts ours = { .regions = &region,
					     .n_regions = 1 });
	ret = vdpr_shadow_new(w->ctx, w->dev, (const void *)t->bytes, &shadow);
	if (!ret)
		vdpr_shadow_free(shadow);
	return ret;
}

static int judge_quiesce(struct world *w, const struct theirs *t)
{
	int ret;

	PUT(t, 0, struct vdpr_quiesce_opts ours = { .deadline = 1 });
	ret = vdpr_shadow_quiesce(w->ctx, w->shadow, (const void *)t->bytes,
				  NULL);
	return ret == -ENODATA ? 0 : ret;
}

static int judge_commit(struct world *w, const struct theirs *t)
{
	struct vdpr_restore *restore;
	int ret;

	PUT(t, 0, struct vdpr_commit_opts ours = { .deadline = 1 });
	assert_int_equal(
		vdpr_restore_begin(w->ctx, w->dev, w->state, NULL, &restore),
		0);
	ret = vdpr_restore_commit(restore, NULL, (const void *)t->bytes);
	vdpr_restore_free(restore);
	return ret;
}

static int no_iova(void *data, uint32_t asid, uint64_t len,
		   const struct vdpr_iova_range *within, uint64_t *iova)
{
	(void)data;
	(void)asid;
	(void)len;
	(void)within;
	(void)iova;
	return -ENOSPC;
}

static int begin_with(struct world *w, const void *opts)
{
	struct vdpr_restore *restore;
	int ret = vdpr_restore_begin(w->ctx, w->dev, w->state, opts, &restore);

	if (!ret)
		vdpr_restore_free(restore);
	return ret;
}

static int judge_iova_ops(struct world *w, const struct theirs *t)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);

	PUT(t, 0, struct vdpr_iova_ops ours = { .alloc = no_iova });
	opts.iova = (const void *)t->bytes;
	return begin_with(w, &opts);
}

static int judge_restore(struct world *w, const struct theirs *t)
{
	PUT(t, 0, struct vdpr_restore_opts ours = { .deadline = 1 });
	return begin_with(w, t->bytes);
}

static int judge_dev_fd(struct world *w, const struct theirs *t)
{
	struct vdpr_dev *dev;
	int ret;

	PUT(t, 0, struct vdpr_dev_fd_opts ours = { .flags = VDPR_DEV_OWNED });
	ret = vdpr_dev_from_fd(w->ctx, -1, (const void *)t->bytes, &dev);
	return ret == -EBADF ? 0 : ret;
}

static int on_ioctl(void *data, unsigned long request, void *arg)
{
	(void)data;
	(void)request;
	(void)arg;
	return -EOPNOTSUPP;
}

static int on_map(void *data, uint32_t asid, uint64_t iova, uint64_t len,
		  const void *addr, bool writable)
{
	(void)data;
	(void)asid;
	(void)iova;
	(void)len;
	(void)addr;
	(void)writable;
	return -EOPNOTSUPP;
}

static int on_unmap(void *data, uint32_t asid, uint64_t iova, uint64_t len)
{
	return on_map(data, asid, iova, len, NULL, false);
}

static int judge_dev_hooks(struct world *w, const struct theirs *t)
{
	struct vdpr_dev *dev;
	int ret;

	PUT(t, 0,
	    struct vdpr_dev_hooks ours = {
		    .ioctl = on_ioctl, .map = on_map, .unmap = on_unmap });
	ret = vdpr_dev_from_hooks(w->ctx, "ours", (const void *)t->bytes, &dev);
	if (!ret)
		vdpr_dev_close(dev);
	return ret;
}

static int judge_target(struct world *w, const struct theirs *t)
{
	struct vdpr_dev_info info = VDPR_INIT(struct vdpr_dev_info);
	int ret;

	info.driver = "";
	PUT(t, 0, struct vdpr_target ours = { .name = "one", .info = &info });
	ret = vdpr_target_check(w->ctx, (const void *)t->bytes, w->state, NULL,
				NULL);
	/* It does not fit: that is judged later. */
	return ret == -ENOTSUP ? 0 : ret;
}

static int judge_net_config(struct world *w, const struct theirs *t)
{
	struct vdpr_features offered = { .word = { 1ull << VIRTIO_NET_F_MTU } };
	int ret;

	PUT(t, 0,
	    struct vdpr_net_config ours = { .has = VDPR_CONFIG_MTU,
					    .mtu = 9000 });
	ret = vdpr_state_start(w->ctx, w->state, &offered, &offered,
			       (const void *)t->bytes, 0);
	if (!ret && t->size >= VDPR_UP_TO(vdpr_net_config, mtu))
		assert_int_equal(w->state->config.mtu, 9000);
	return ret;
}

static ssize_t read_nothing(void *data, uint64_t offset, void *buf, size_t len)
{
	(void)data;
	(void)offset;
	(void)buf;
	(void)len;
	return 0;
}

/* Nothing is in it: that is judged later. */
static int judge_stream(struct world *w, const struct theirs *t)
{
	struct vdpr_qemu_stream *out;
	int ret;

	PUT(t, 0, struct vdpr_stream ours = { .read = read_nothing });
	ret = vdpr_qemu_stream_read(w->ctx, (const void *)t->bytes, &out);
	return ret == -EBADMSG ? 0 : ret;
}

static int judge_capture(struct world *w, const struct theirs *t)
{
	struct vdpr_state *out;
	int ret;

	PUT(t, 0, struct vdpr_capture_opts ours = { .flags = 0 });
	ret = vdpr_capture_ch_snapshot(w->ctx, "{}", 2, (const void *)t->bytes,
				       &out);
	if (ret == -EINVAL)
		assert_int_equal(vdpr_capture_qmp(w->ctx, "/dev/null/none",
						  (const void *)t->bytes, &out),
				 ret);
	return ret == -EBADMSG ? 0 : ret;
}

#define CONTROL_PATH "/dev/null/none" /* cannot be listened on */

static int on_save(void *data, struct vdpr_ctx *ctx, struct vdpr_state **out)
{
	(void)data;
	(void)ctx;
	(void)out;
	return -ENODATA;
}

static int judge_control_ops(struct world *w, const struct theirs *t)
{
	struct vdpr_control *out;
	int ret;

	PUT(t, 0, struct vdpr_control_ops ours = { .save = on_save });
	ret = vdpr_control_new(w->ctx, CONTROL_PATH, (const void *)t->bytes,
			       NULL, &out);
	return ret == -ENOTDIR ? 0 : ret;
}

static int judge_control(struct world *w, const struct theirs *t)
{
	struct vdpr_control_ops ops = VDPR_INIT(struct vdpr_control_ops);
	struct vdpr_control *out;
	int ret;

	ops.save = on_save;
	PUT(t, 0, struct vdpr_control_opts ours = { .flags = 0 });
	ret = vdpr_control_new(w->ctx, CONTROL_PATH, &ops,
			       (const void *)t->bytes, &out);
	return ret == -ENOTDIR ? 0 : ret;
}

static int judge_command(struct world *w, const struct theirs *t)
{
	char *text = NULL;
	int ret;

	PUT(t, 0,
	    struct vdpr_command ours = {
		    .ctrl_class = 2, .data = "\x2a", .data_len = 2 });
	ret = vdpr_command_describe(w->ctx, (const void *)t->bytes, &text);
	if (ret)
		assert_int_equal(
			vdpr_observe(w->ctx, w->state, (const void *)t->bytes),
			ret);
	else if (t->size >= VDPR_UP_TO(vdpr_command, data_len))
		assert_string_equal(text, "VLAN_ADD 42");
	free(text);
	return ret;
}

/* ------------------------------------------------------------------ the table */

/* Bytes of the struct in 0.1: numbers, so that a member that is added changes
 * nothing here. Of those whose least size is smaller, that. */
static const struct {
	const char *name;
	size_t first, now;
	judge_fn judge;
} structs[] = {
	{ "vring", 56, sizeof(struct vdpr_vring), judge_vring },
	{ "guest_region", 40, sizeof(struct vdpr_guest_region),
	  judge_guest_region },
	{ "guest_ring_opts", 48, sizeof(struct vdpr_guest_ring_opts),
	  judge_guest_ring },
	{ "commit_opts", 32, sizeof(struct vdpr_commit_opts), judge_commit },
	{ "iova_ops", 32, sizeof(struct vdpr_iova_ops), judge_iova_ops },
	{ "dev_fd_opts", 24, sizeof(struct vdpr_dev_fd_opts), judge_dev_fd },
	{ "dev_hooks", 108, sizeof(struct vdpr_dev_hooks), judge_dev_hooks },
	{ "target", 32, sizeof(struct vdpr_target), judge_target },
	{ "restore_opts", 12, sizeof(struct vdpr_restore_opts), judge_restore },
	{ "quiesce_opts", 12, sizeof(struct vdpr_quiesce_opts), judge_quiesce },
	{ "shadow_opts", 48, sizeof(struct vdpr_shadow_opts), judge_shadow },
	{ "net_config", 12, sizeof(struct vdpr_net_config), judge_net_config },
	{ "command", 10, sizeof(struct vdpr_command), judge_command },
	{ "stream", 32, sizeof(struct vdpr_stream), judge_stream },
	{ "capture_opts", 12, sizeof(struct vdpr_capture_opts), judge_capture },
	{ "control_ops", 48, sizeof(struct vdpr_control_ops),
	  judge_control_ops },
	{ "control_opts", 12, sizeof(struct vdpr_control_opts), judge_control },
};

static void judge(struct world *w, size_t i, size_t size, int want)
{
	struct theirs t = { malloc(2 * size), size };
	int ret;

	assert_non_null(t.bytes);
	memset(t.bytes, 0xa5, 2 * size);
	ret = structs[i].judge(w, &t);
	if (ret != want)
		fail_msg("%s of %zu bytes: %d, not %d (%s)", structs[i].name,
			 size, ret, want, vdpr_ctx_error(w->ctx));
	free(t.bytes);
}

static void setup(struct world *w)
{
	static uint8_t memory[4096];
	struct vdpr_guest_region region = VDPR_INIT(struct vdpr_guest_region);
	struct vdpr_shadow_opts opts = VDPR_INIT(struct vdpr_shadow_opts);
	static const struct vdpr_features none;

	region.len = sizeof(memory);
	region.host = memory;
	opts.regions = &region;
	opts.n_regions = 1;
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	assert_int_equal(vdpr_dev_open(w->ctx, "sim", &w->dev), 0);
	assert_int_equal(vdpr_shadow_new(w->ctx, w->dev, &opts, &w->shadow), 0);
	assert_int_equal(vdpr_state_new(w->ctx, &w->state), 0);
	assert_int_equal(
		vdpr_state_start(w->ctx, w->state, &none, &none, NULL, 0), 0);
}

static void done(struct world *w)
{
	vdpr_shadow_free(w->shadow);
	vdpr_state_free(w->state);
	vdpr_dev_close(w->dev);
	vdpr_ctx_free(w->ctx);
}

static void structs_of_any_header(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	for (size_t i = 0; i < ARRAY_SIZE(structs); i++) {
		judge(&w, i, structs[i].first - 1, -EINVAL);
		judge(&w, i, structs[i].first, 0);
		judge(&w, i, structs[i].now, 0);
		judge(&w, i, structs[i].now + 8, 0);
		judge(&w, i, structs[i].now + LATER, 0);
	}
	done(&w);
}

/* What the library has learnt since the program was built. */
static void what_is_missing_reads_as_zero(void **state)
{
	struct {
		size_t size;
		uint64_t old, added;
	} ours;
	const struct {
		size_t size;
		uint64_t old;
	} theirs = { sizeof(theirs), 7 };

	(void)state;
	memset(&ours, 0xa5, sizeof(ours));
	assert_int_equal(
		vdpr_struct_take(&ours, sizeof(ours), &theirs, sizeof(theirs)),
		0);
	assert_int_equal(ours.size, sizeof(ours));
	assert_int_equal(ours.old, 7);
	assert_int_equal(ours.added, 0);
	assert_int_equal(vdpr_struct_take(&ours, sizeof(ours), &theirs,
					  sizeof(theirs) + 1),
			 -EINVAL);
	assert_int_equal(ours.old, 0);
}

/* A struct of the caller's is filled in as far as its header knew it. */
static void what_is_given_ends_where_theirs_does(void **state)
{
	static const struct {
		size_t size;
		uint64_t old, added;
	} ours = { sizeof(ours), 7, 8 };
	uint64_t theirs[4] = { 0, 1, 2, 3 };

	(void)state;
	assert_int_equal(vdpr_struct_give(NULL, &ours, sizeof(ours)), -EINVAL);
	assert_int_equal(vdpr_struct_give(theirs, &ours, sizeof(ours)),
			 -EINVAL);
	assert_int_equal(theirs[1], 1);
	theirs[0] = 2 * sizeof(*theirs);
	assert_int_equal(vdpr_struct_give(theirs, &ours, sizeof(ours)), 0);
	assert_int_equal(theirs[0], 2 * sizeof(*theirs));
	assert_int_equal(theirs[1], 7);
	assert_int_equal(theirs[2], 2);
	theirs[0] = sizeof(theirs);
	assert_int_equal(vdpr_struct_give(theirs, &ours, sizeof(ours)), 0);
	assert_int_equal(theirs[0], sizeof(theirs));
	assert_int_equal(theirs[2], 8);
	assert_int_equal(theirs[3], 3);
}

/* Nobody takes nothing for an answer. */
static void what_has_no_size_is_not_filled_in(void **state)
{
	struct vdpr_dev_info info = { 0 };
	struct world w;

	(void)state;
	setup(&w);
	assert_int_equal(vdpr_dev_examine(w.ctx, w.dev, &info), -EINVAL);
	assert_string_equal(vdpr_ctx_error(w.ctx),
			    "sim: an info of 0 bytes: VDPR_INIT() is missing");
	/* What is inside ends where it ends, so that it can be passed on. */
	info.size = VDPR_UP_TO(vdpr_dev_info, config.mtu);
	assert_int_equal(vdpr_dev_examine(w.ctx, w.dev, &info), 0);
	assert_int_equal(info.config.size, VDPR_UP_TO(vdpr_net_config, mtu));
	info.size = sizeof(info) + LATER;
	assert_int_equal(vdpr_dev_examine(w.ctx, w.dev, &info), 0);
	assert_int_equal(info.config.size, sizeof(info.config));
	done(&w);
}

#define MISUSED(ctx, call)                                               \
	do {                                                             \
		assert_int_equal((call), -EINVAL);                       \
		assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_USAGE); \
	} while (0)

/* Numbers without their lists, and no options where there must be some. */
static void what_is_not_there_is_not_looked_at(void **state)
{
	const struct vdpr_restore_opts none =
		VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_shadow_opts room = VDPR_INIT(struct vdpr_shadow_opts);
	struct vdpr_quiesce_opts quiet = VDPR_INIT(struct vdpr_quiesce_opts);
	struct vdpr_guest_ring_opts ring =
		VDPR_INIT(struct vdpr_guest_ring_opts);
	struct vdpr_restore_opts opts[3] = { none, none, none };
	struct vdpr_shadow *shadow = NULL;
	struct vdpr_control *control;
	struct vdpr_restore *restore;
	struct world w;

	(void)state;
	setup(&w);
	opts[0].n_vrings = 1;
	opts[1].n_in_use = 1;
	opts[2].n_warn = 1;
	for (size_t i = 0; i < ARRAY_SIZE(opts); i++) {
		MISUSED(w.ctx, vdpr_restore_run(w.ctx, w.dev, w.state, &opts[i],
						NULL));
		MISUSED(w.ctx, vdpr_restore_begin(w.ctx, w.dev, w.state,
						  &opts[i], &restore));
		MISUSED(w.ctx,
			vdpr_shadow_unquiesce(w.ctx, w.shadow, &opts[i], NULL));
	}
	room.n_regions = 1;
	MISUSED(w.ctx, vdpr_shadow_new(w.ctx, w.dev, &room, &shadow));
	MISUSED(w.ctx, vdpr_shadow_new(w.ctx, w.dev, NULL, &shadow));
	MISUSED(w.ctx, vdpr_shadow_start(w.ctx, w.shadow, w.state, NULL));
	MISUSED(w.ctx, vdpr_shadow_start(w.ctx, w.shadow, NULL, &ring));
	quiet.n_vrings = 1;
	MISUSED(w.ctx, vdpr_shadow_quiesce(w.ctx, w.shadow, &quiet, NULL));
	MISUSED(w.ctx, vdpr_control_new(w.ctx, "/tmp/vdpr-none", NULL, NULL,
					&control));
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structs_of_any_header),
		cmocka_unit_test(what_is_not_there_is_not_looked_at),
		cmocka_unit_test(what_is_missing_reads_as_zero),
		cmocka_unit_test(what_is_given_ends_where_theirs_does),
		cmocka_unit_test(what_has_no_size_is_not_filled_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
