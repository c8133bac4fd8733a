/* SPDX-License-Identifier: MIT */
/* Pointers of a caller's that are NULL: refused by name, never followed. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "restore/util.h"
#include "tests/qemu-make.h"

static const char text[] =
	"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1,"
	"\"features\":{\"offered\":\"0x100000000\","
	"\"negotiated\":\"0x100000000\"},\"config\":{},\"unknown\":[]}";

/* One of each that a pointer can be to. */
static struct vdpr_ctx *ctx;
static struct vdpr_state *state;
static struct vdpr_plan *plan;
static struct vdpr_dev *dev;
static struct vdpr_report *report;
static struct vdpr_qemu_stream *stream;
static struct vdpr_restore *restore;
static struct vdpr_shadow *shadow;
static struct vdpr_control *control;
static char *path;

/* What a call gives back; none of it is read. */
static struct {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	struct vdpr_plan *plan;
	struct vdpr_dev *dev;
	struct vdpr_report *report;
	struct vdpr_qemu_stream *stream;
	struct vdpr_restore *restore;
	struct vdpr_shadow *shadow;
	struct vdpr_control *control;
	char *text;
	size_t number;
	uint64_t usec;
	uint32_t asid;
} got;

static struct vdpr_features bits;
static struct vdpr_command command = VDPR_INIT(struct vdpr_command);
static struct vdpr_command no_data = { .size = sizeof(no_data), .data_len = 4 };
static struct vdpr_stream source = VDPR_INIT(struct vdpr_stream);
static struct vdpr_qemu_nic_info nic = VDPR_INIT(struct vdpr_qemu_nic_info);
static struct vdpr_dev_info info = VDPR_INIT(struct vdpr_dev_info);
static struct vdpr_dev_hooks hooks = VDPR_INIT(struct vdpr_dev_hooks);
static struct vdpr_vring vring = VDPR_INIT(struct vdpr_vring);
static struct vdpr_target target = VDPR_INIT(struct vdpr_target);
static struct vdpr_reason_info reason = VDPR_INIT(struct vdpr_reason_info);
static struct vdpr_iova_range range;
static struct vdpr_event event = VDPR_INIT(struct vdpr_event);
static struct vdpr_next next = VDPR_INIT(struct vdpr_next);
static struct vdpr_shadow_opts room = VDPR_INIT(struct vdpr_shadow_opts);
static struct vdpr_guest_ring_opts ring =
	VDPR_INIT(struct vdpr_guest_ring_opts);
static struct vdpr_shadow_counts counts = VDPR_INIT(struct vdpr_shadow_counts);
static struct vdpr_control_ops ops = VDPR_INIT(struct vdpr_control_ops);
static struct vdpr_iova_ops no_iova_ops = VDPR_INIT(struct vdpr_iova_ops);
static struct vdpr_restore_opts without_alloc = {
	.size = sizeof(without_alloc),
	.iova = &no_iova_ops,
};
static uint8_t memory[4096];

/* ---------------------------------------------------------------- one call */

/* In a child, so that one that crashes is one wrong line, and all are seen. */
static _Noreturn void judge(int64_t ret, int64_t want, bool told)
{
	if (ret != want)
		fprintf(stderr, "%lld: ", (long long)ret);
	else if (ctx && told && !strstr(vdpr_ctx_error(ctx), " is NULL"))
		fprintf(stderr, "\"%s\": ", vdpr_ctx_error(ctx));
	else if (ctx && told && vdpr_ctx_cause(ctx) != VDPR_CAUSE_USAGE)
		fprintf(stderr, "cause %d: ", vdpr_ctx_cause(ctx));
	else
		_exit(0);
	_exit(1);
}

static unsigned int wrong, tried;

static void look(pid_t child, const char *call)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	tried++;
	if (!status)
		return;
	if (WIFSIGNALED(status))
		fprintf(stderr, "signal %d: ", WTERMSIG(status));
	fprintf(stderr, "%s, %s context\n", call, ctx ? "with a" : "without");
	wrong++;
}

#define TRY(want, told, call, words)                   \
	do {                                           \
		pid_t child = fork();                  \
                                                       \
		if (!child)                            \
			judge((call), (want), (told)); \
		look(child, words);                    \
	} while (0)
/* Refused with a message, and without one where there is no context to put it. */
#define REFUSED(call) TRY(-EINVAL, true, call, #call)
#define NO_TEXT(call) TRY(-EINVAL, false, call, #call)
/* What cannot be refused: nothing is done, or what nothing is. */
#define NOTHING(call) TRY(0, false, ((call), 0), #call)
#define IS(want, call) TRY((int64_t)(want), false, (int64_t)(call), #call)

/* --------------------------------------------------------------- the tables */

static void refuse_states(void)
{
	REFUSED(vdpr_state_new(ctx, NULL));
	REFUSED(vdpr_state_start(ctx, NULL, &bits, &bits, NULL, 0));
	REFUSED(vdpr_state_set_origin(ctx, NULL, "here"));
	REFUSED(vdpr_state_set_origin(ctx, state, NULL));
	NO_TEXT(vdpr_state_features(NULL, &bits));
	NO_TEXT(vdpr_state_features(state, NULL));
	NO_TEXT(vdpr_state_vring(NULL, 0, &vring));
	NO_TEXT(vdpr_state_vring(state, 0, NULL));
	REFUSED(vdpr_state_parse(ctx, NULL, 4, &got.state));
	REFUSED(vdpr_state_parse(ctx, text, sizeof(text) - 1, NULL));
	REFUSED(vdpr_state_format(ctx, NULL, &got.text, NULL));
	REFUSED(vdpr_state_format(ctx, state, NULL, NULL));
	REFUSED(vdpr_state_read(ctx, NULL, &got.state));
	REFUSED(vdpr_state_read(ctx, "/dev/null", NULL));
	REFUSED(vdpr_state_write(ctx, NULL, "/dev/null"));
	REFUSED(vdpr_state_write(ctx, state, NULL));
	REFUSED(vdpr_state_compare(ctx, NULL, state, 0, NULL, NULL));
	REFUSED(vdpr_state_compare(ctx, state, NULL, 0, NULL, NULL));
	REFUSED(vdpr_state_merge(ctx, NULL, state, NULL));
	REFUSED(vdpr_state_merge(ctx, state, NULL, NULL));
}

static void refuse_commands(void)
{
	REFUSED(vdpr_command_describe(ctx, NULL, &got.text));
	REFUSED(vdpr_command_describe(ctx, &command, NULL));
	IS(0, vdpr_command_describe(ctx, &no_data, &got.text));
	REFUSED(vdpr_observe(ctx, NULL, &command));
	REFUSED(vdpr_observe(ctx, state, NULL));
	IS(0, vdpr_observe(ctx, state, &no_data));
	REFUSED(vdpr_plan(ctx, NULL, 0, &got.plan));
	REFUSED(vdpr_plan(ctx, state, 0, NULL));
	NO_TEXT(vdpr_plan_get(NULL, 0, &command, NULL));
	NO_TEXT(vdpr_plan_get(plan, 0, NULL, NULL));
	REFUSED(vdpr_transcript_parse(ctx, NULL, 4, NULL, NULL, NULL));
}

static void refuse_captures(void)
{
	REFUSED(vdpr_qemu_stream_read(ctx, NULL, &got.stream));
	REFUSED(vdpr_qemu_stream_read(ctx, &source, &got.stream));
	REFUSED(vdpr_qemu_stream_read(ctx, &source, NULL));
	REFUSED(vdpr_qemu_stream_read_fd(ctx, 0, NULL));
	NO_TEXT(vdpr_qemu_stream_get(NULL, 0, &nic));
	NO_TEXT(vdpr_qemu_stream_get(stream, 0, NULL));
	REFUSED(vdpr_qemu_stream_find(ctx, NULL, NULL, &got.number));
	REFUSED(vdpr_qemu_stream_find(ctx, stream, NULL, NULL));
	REFUSED(vdpr_qemu_stream_state(ctx, NULL, 0, 0, &got.state));
	REFUSED(vdpr_qemu_stream_state(ctx, stream, 0, 0, NULL));
	REFUSED(vdpr_capture_ch_snapshot(ctx, NULL, 4, NULL, &got.state));
	REFUSED(vdpr_capture_ch_snapshot(ctx, "{}", 2, NULL, NULL));
	REFUSED(vdpr_capture_qmp(ctx, NULL, NULL, &got.state));
	REFUSED(vdpr_capture_qmp(ctx, "/nowhere", NULL, NULL));
}

static int entry(void *data, const struct vdpr_list_entry *e)
{
	(void)data;
	(void)e;
	return 0;
}

static void refuse_devices(void)
{
	REFUSED(vdpr_dev_check_name(ctx, NULL));
	REFUSED(vdpr_dev_open(ctx, NULL, &got.dev));
	REFUSED(vdpr_dev_open(ctx, "sim", NULL));
	REFUSED(vdpr_dev_from_fd(ctx, 0, NULL, NULL));
	REFUSED(vdpr_dev_map(ctx, NULL, 0, 4096, memory, 0));
	REFUSED(vdpr_dev_map(ctx, dev, 0, 4096, NULL, 0));
	REFUSED(vdpr_dev_unmap(ctx, NULL, 0, 4096));
	REFUSED(vdpr_dev_examine(ctx, NULL, &info));
	REFUSED(vdpr_dev_examine(ctx, dev, NULL));
	REFUSED(vdpr_dev_save(ctx, NULL, &got.state));
	REFUSED(vdpr_dev_save(ctx, dev, NULL));
	REFUSED(vdpr_dev_from_hooks(ctx, NULL, &hooks, &got.dev));
	REFUSED(vdpr_dev_from_hooks(ctx, "ours", NULL, &got.dev));
	REFUSED(vdpr_dev_from_hooks(ctx, NULL, NULL, &got.dev));
	REFUSED(vdpr_dev_from_hooks(ctx, "ours", &hooks, NULL));
	REFUSED(vdpr_dev_list(ctx, NULL, NULL));
	IS(0, vdpr_dev_list(ctx, entry, NULL));
}

static void refuse_restores(void)
{
	REFUSED(vdpr_restore_check(ctx, NULL, state, NULL, &got.report));
	REFUSED(vdpr_restore_check(ctx, dev, NULL, NULL, &got.report));
	REFUSED(vdpr_target_check(ctx, NULL, state, NULL, &got.report));
	REFUSED(vdpr_target_check(ctx, &target, NULL, NULL, &got.report));
	NO_TEXT(vdpr_target_check(ctx, &target, state, NULL, &got.report));
	REFUSED(vdpr_restore_run(ctx, NULL, state, NULL, &got.report));
	REFUSED(vdpr_restore_run(ctx, dev, NULL, NULL, &got.report));
	NO_TEXT(vdpr_restore_check(ctx, dev, state, &without_alloc, NULL));
	REFUSED(vdpr_restore_begin(ctx, NULL, state, NULL, &got.restore));
	REFUSED(vdpr_restore_begin(ctx, dev, NULL, NULL, &got.restore));
	REFUSED(vdpr_restore_begin(ctx, dev, state, NULL, NULL));
	NO_TEXT(vdpr_restore_commit(NULL, state, NULL));
	NO_TEXT(vdpr_restore_get_fd(NULL));
	NO_TEXT(vdpr_restore_process(NULL));
	NO_TEXT(vdpr_restore_cancel(NULL));
	NO_TEXT(vdpr_restore_result(NULL, &got.report));
	NO_TEXT(vdpr_restore_event(NULL, &event));
	NO_TEXT(vdpr_restore_event(restore, NULL));
}

static void refuse_reports(void)
{
	NO_TEXT(vdpr_report_reason(NULL, VDPR_REFUSALS, 0, &reason));
	NO_TEXT(vdpr_report_reason(report, VDPR_REFUSALS, 0, NULL));
	NO_TEXT(vdpr_report_downtime(NULL, &got.usec));
	NO_TEXT(vdpr_report_downtime(report, NULL));
	REFUSED(vdpr_report_format(ctx, NULL, &got.text));
	REFUSED(vdpr_report_format(ctx, report, NULL));
	REFUSED(vdpr_report_timeline(ctx, NULL, VDPR_TIMELINE_SVG, &got.text));
	REFUSED(vdpr_report_timeline(ctx, report, VDPR_TIMELINE_SVG, NULL));
	REFUSED(vdpr_report_write_timeline(ctx, NULL, "/dev/null"));
	REFUSED(vdpr_report_write_timeline(ctx, report, NULL));
	NO_TEXT(vdpr_report_cvq_iova(NULL, &got.asid, &range));
	NO_TEXT(vdpr_report_cvq_iova(report, NULL, &range));
	NO_TEXT(vdpr_report_cvq_iova(report, &got.asid, NULL));
}

static void refuse_shadows(void)
{
	REFUSED(vdpr_shadow_new(ctx, NULL, &room, &got.shadow));
	REFUSED(vdpr_shadow_new(ctx, dev, NULL, &got.shadow));
	REFUSED(vdpr_shadow_new(ctx, dev, &room, NULL));
	REFUSED(vdpr_shadow_start(ctx, NULL, state, &ring));
	REFUSED(vdpr_shadow_start(ctx, shadow, NULL, &ring));
	REFUSED(vdpr_shadow_start(ctx, shadow, state, NULL));
	NO_TEXT(vdpr_shadow_fd(NULL));
	REFUSED(vdpr_shadow_save(ctx, NULL, &got.state));
	REFUSED(vdpr_shadow_save(ctx, shadow, NULL));
	REFUSED(vdpr_shadow_reset(ctx, NULL, &bits));
	REFUSED(vdpr_shadow_announce(ctx, NULL));
	REFUSED(vdpr_shadow_quiesce(ctx, NULL, NULL, &got.state));
	REFUSED(vdpr_shadow_unquiesce(ctx, NULL, NULL, NULL));
}

static void refuse_sockets(void)
{
	REFUSED(vdpr_control_new(ctx, NULL, &ops, NULL, &got.control));
	REFUSED(vdpr_control_new(ctx, "/nowhere", NULL, NULL, &got.control));
	REFUSED(vdpr_control_new(ctx, "/nowhere", &ops, NULL, NULL));
	NO_TEXT(vdpr_control_fd(NULL));
	REFUSED(vdpr_control_process(ctx, NULL));
	REFUSED(vdpr_control_loaded(ctx, NULL, 0, NULL));
	REFUSED(vdpr_control_request(ctx, NULL, "save", NULL, 0, 0, NULL));
	REFUSED(vdpr_control_request(ctx, "/nowhere", NULL, NULL, 0, 0, NULL));
	REFUSED(vdpr_control_save(ctx, NULL, 0, 0, &got.state));
	REFUSED(vdpr_control_save(ctx, "/nowhere", 0, 0, NULL));
}

static void refuse_words(void)
{
	NO_TEXT(vdpr_ctx_new(NULL));
	NO_TEXT(vdpr_feature_bit(NULL));
	IS(false, vdpr_has_feature(NULL));
	IS(false, vdpr_dev_is_name(NULL));
	IS(0, vdpr_plan_count(NULL));
	IS(0, vdpr_qemu_stream_count(NULL));
	IS(0, *vdpr_qemu_stream_machine(NULL));
	IS(0, *vdpr_ctx_error(NULL));
	IS(0, *vdpr_ctx_cure(NULL));
	IS(VDPR_CAUSE_NONE, vdpr_ctx_cause(NULL));
}

static void do_nothing(void)
{
	NOTHING(vdpr_ctx_set_log(NULL, NULL, NULL, 0));
	NOTHING(vdpr_restore_next(restore, NULL));
	NOTHING(vdpr_restore_next(NULL, &next));
	NOTHING(vdpr_shadow_count(shadow, NULL));
	NOTHING(vdpr_shadow_count(NULL, &counts));
	NOTHING(vdpr_ctx_free(NULL));
	NOTHING(vdpr_state_free(NULL));
	NOTHING(vdpr_plan_free(NULL));
	NOTHING(vdpr_qemu_stream_free(NULL));
	NOTHING(vdpr_dev_close(NULL));
	NOTHING(vdpr_report_free(NULL));
	NOTHING(vdpr_restore_free(NULL));
	NOTHING(vdpr_shadow_free(NULL));
	NOTHING(vdpr_control_free(NULL));
}

static void all_tables(void)
{
	refuse_words();
	refuse_states();
	refuse_commands();
	refuse_captures();
	refuse_devices();
	refuse_restores();
	refuse_reports();
	refuse_shadows();
	refuse_sockets();
	do_nothing();
}

/* -------------------------------------------------------------------- tests */

static void make_stream_of_one(void)
{
	struct make_nic one;
	struct make_stream made = { .n_nics = 1, .nic = &one };
	_cleanup_buf_ struct vdpr_buf buf = { 0 };
	int fds[2];

	make_nic_default(&one);
	make_stream(&buf, &made);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], buf.data, buf.len), buf.len);
	close(fds[1]);
	assert_int_equal(vdpr_qemu_stream_read_fd(ctx, fds[0], &stream), 0);
	close(fds[0]);
}

static int save(void *data, struct vdpr_ctx *c, struct vdpr_state **out)
{
	(void)data;
	(void)c;
	(void)out;
	return -ENODATA;
}

static int make_all(void **unused)
{
	static struct vdpr_guest_region region =
		VDPR_INIT(struct vdpr_guest_region);
	char name[] = "/tmp/null.XXXXXX";

	(void)unused;
	region.len = sizeof(memory);
	region.host = memory;
	room.regions = &region;
	room.n_regions = 1;
	ops.save = save;
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	assert_int_equal(vdpr_state_parse(ctx, text, sizeof(text) - 1, &state),
			 0);
	assert_int_equal(vdpr_plan(ctx, state, 0, &plan), 0);
	assert_int_equal(vdpr_dev_open(ctx, "sim", &dev), 0);
	assert_int_equal(vdpr_restore_check(ctx, dev, state, NULL, &report), 0);
	assert_int_equal(vdpr_restore_begin(ctx, dev, state, NULL, &restore),
			 0);
	assert_int_equal(vdpr_shadow_new(ctx, dev, &room, &shadow), 0);
	assert_non_null(mkdtemp(name));
	assert_true(asprintf(&path, "%s/socket", name) > 0);
	assert_int_equal(vdpr_control_new(ctx, path, &ops, NULL, &control), 0);
	make_stream_of_one();
	return 0;
}

static int free_all(void **unused)
{
	(void)unused;
	vdpr_control_free(control);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	free(path);
	vdpr_shadow_free(shadow);
	vdpr_restore_free(restore);
	vdpr_report_free(report);
	vdpr_qemu_stream_free(stream);
	vdpr_dev_close(dev);
	vdpr_plan_free(plan);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return 0;
}

static void test_null(void **unused)
{
	(void)unused;
	wrong = tried = 0;
	/* Not cmocka's, which would go on with the test in the child. */
	signal(SIGSEGV, SIG_DFL);
	all_tables();
	assert_true(tried > 100);
	assert_int_equal(wrong, 0);
}

static void test_null_without_context(void **unused)
{
	struct vdpr_ctx *kept = ctx;

	(void)unused;
	wrong = tried = 0;
	signal(SIGSEGV, SIG_DFL);
	ctx = NULL;
	all_tables();
	ctx = kept;
	assert_true(tried > 100);
	assert_int_equal(wrong, 0);
}

/* All that takes a context does its work without one, too. */
static void test_no_context(void **unused)
{
	struct vdpr_state *s, *again;
	struct vdpr_report *r;
	struct vdpr_dev *d;
	struct vdpr_plan *p;
	char *out;

	(void)unused;
	assert_int_equal(vdpr_state_parse(NULL, text, 3, &s), -EBADMSG);
	assert_int_equal(vdpr_state_parse(NULL, text, sizeof(text) - 1, &s), 0);
	assert_int_equal(vdpr_state_format(NULL, s, &out, NULL), 0);
	free(out);
	assert_int_equal(vdpr_plan(NULL, s, 0, &p), 0);
	assert_int_equal(vdpr_dev_open(NULL, "sim", &d), 0);
	assert_int_equal(vdpr_restore_run(NULL, d, s, NULL, &r), 0);
	assert_int_equal(vdpr_report_format(NULL, r, &out), 0);
	free(out);
	assert_int_equal(vdpr_dev_save(NULL, d, &again), 0);
	vdpr_state_free(again);
	vdpr_dev_close(d);
	vdpr_report_free(r);
	assert_int_equal(vdpr_dev_open(NULL, "sim:features=0x100000001", &d),
			 0);
	vdpr_dev_close(d);
	vdpr_plan_free(p);
	vdpr_state_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_null_without_context),
		cmocka_unit_test(test_no_context),
	};

	return cmocka_run_group_tests_name("null", tests, make_all, free_all);
}
