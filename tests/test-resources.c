/* SPDX-License-Identifier: MIT */
/* Whatever memory or descriptor a restore asks for may not be there. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "restore/ctx.h"
#include "restore/dev.h"
#include "tests/faults/inject.h"
#include "tests/guest.h"
#include "tests/restore-loop.h"
#include "tests/texts.h"

/* ------------------------------------------------------- calls that may fail */

enum kind {
	MEMORY, /* of any allocator */
	MEMFD,
	FALLOCATE,
	MMAP,
	EVENTFD,
	EPOLL,
	EPOLL_CTL,
	TIMERFD,
	DUP,
	THREAD,
	KINDS
};

#define ERRNOS 3

static const struct {
	const char *name;
	int err[ERRNOS]; /* that it fails with; 0 ends */
} kinds[KINDS] = {
	[MEMORY] = { "memory", { ENOMEM } },
	[MEMFD] = { "memfd_create", { EMFILE, ENFILE, ENOMEM } },
	[FALLOCATE] = { "fallocate", { ENOMEM, ENOSPC } },
	[MMAP] = { "mmap", { ENOMEM, ENFILE, EAGAIN } },
	[EVENTFD] = { "eventfd", { EMFILE, ENFILE, ENOMEM } },
	[EPOLL] = { "epoll_create1", { EMFILE, ENFILE, ENOMEM } },
	[EPOLL_CTL] = { "epoll_ctl", { ENOMEM, ENOSPC } },
	[TIMERFD] = { "timerfd_create", { EMFILE, ENFILE, ENOMEM } },
	[DUP] = { "F_DUPFD_CLOEXEC", { EMFILE } },
	[THREAD] = { "pthread_create", { EAGAIN } },
};

#define CALLS_MAX 4096

/* Of the test's thread while it is armed: the simulator's own is another. */
static _Thread_local bool armed;
static size_t calls, fail_at;
static unsigned int fail_with; /* index into kinds[].err */
static uint8_t kind_of[CALLS_MAX];
static size_t of_kind[KINDS];

/* Is this the call that is to fail? Then its errno is set. */
static bool fails(enum kind kind)
{
	if (!armed)
		return false;
	if (!fail_at && calls < CALLS_MAX)
		kind_of[calls] = (uint8_t)kind;
	if (++calls != fail_at)
		return false;
	errno = kinds[kind].err[fail_with];
	return true;
}

/* The linker sends every call of this program here (see the Makefile). */
#define WRAP(kind, type, name, failed, params, ...)                         \
	type __real_##name params;                                          \
	type __wrap_##name params;                                          \
	type __wrap_##name params                                           \
	{                                                                   \
		return fails(kind) ? (failed) : __real_##name(__VA_ARGS__); \
	}

WRAP(MEMORY, void *, malloc, NULL, (size_t size), size)
WRAP(MEMORY, void *, calloc, NULL, (size_t n, size_t size), n, size)
WRAP(MEMORY, void *, realloc, NULL, (void *p, size_t size), p, size)
WRAP(MEMORY, void *, reallocarray, NULL, (void *p, size_t n, size_t size), p, n,
     size)
WRAP(MEMORY, char *, strdup, NULL, (const char *text), text)
WRAP(MEMORY, char *, strndup, NULL, (const char *text, size_t n), text, n)
WRAP(MEMORY, int, vasprintf, -1, (char **out, const char *fmt, va_list args),
     out, fmt, args)
WRAP(MEMFD, int, memfd_create, -1, (const char *name, unsigned int flags), name,
     flags)
WRAP(FALLOCATE, int, fallocate, -1, (int fd, int mode, off_t at, off_t len), fd,
     mode, at, len)
WRAP(MMAP, void *, mmap, MAP_FAILED,
     (void *at, size_t len, int prot, int flags, int fd, off_t offset), at, len,
     prot, flags, fd, offset)
WRAP(EVENTFD, int, eventfd, -1, (unsigned int count, int flags), count, flags)
WRAP(EPOLL, int, epoll_create1, -1, (int flags), flags)
WRAP(TIMERFD, int, timerfd_create, -1, (int clock, int flags), clock, flags)
WRAP(THREAD, int, pthread_create, EAGAIN,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*run)(void *),
      void *data),
     thread, attr, run, data)

int __wrap_asprintf(char **out, const char *fmt, ...);
int __wrap_asprintf(char **out, const char *fmt, ...)
{
	va_list args;
	int ret;

	va_start(args, fmt);
	ret = __wrap_vasprintf(out, fmt, args);
	va_end(args);
	return ret;
}

/* What is there is changed without memory. */
int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	return op == EPOLL_CTL_ADD && fails(EPOLL_CTL)
		       ? -1
		       : __real_epoll_ctl(epoll, op, fd, event);
}

int __real_fcntl(int fd, int command, long value);
int __wrap_fcntl(int fd, int command, long value);
int __wrap_fcntl(int fd, int command, long value)
{
	return command == F_DUPFD_CLOEXEC && fails(DUP)
		       ? -1
		       : __real_fcntl(fd, command, value);
}

/* --------------------------------------------------------------- a whole life */

/* A state is parsed, a device opened, something done with both, and told. */
struct life {
	const char *dev;
	char *text; /* of the state */
	bool packed;
	bool unwatched; /* afterwards, nor told: the first wait makes the timer */
	bool (*work)(struct life *l, const struct vdpr_state *state);
	bool log;
	/* Outcome: of the first call that failed, else of the last. */
	const char *call;
	int ret;
	enum vdpr_cause cause;
	char message[200];
	uint8_t status; /* of the device then */
	bool forgot;	/* the state says that it does not know the table */
	size_t lines;	/* logged */
	size_t opened;	/* calls[] until the device was open */
	/* What it works with. */
	struct vdpr_ctx *ctx;
	struct vdpr_dev *device;
	struct vdpr_report *report;
	struct vdpr_restore *restore;
	struct vdpr_shadow *shadow;
	struct vdpr_control *control;
};

static void log_line(void *data, int level, const char *line)
{
	struct life *l = data;

	(void)level;
	assert_true(*line);
	l->lines++;
}

/* One call of the library. Return: did it do what it should? */
static bool did(struct life *l, const char *call, int ret)
{
	l->call = call;
	l->ret = ret;
	if (ret >= 0)
		return true;
	armed = false;
	l->cause = vdpr_ctx_cause(l->ctx);
	/* A restore that fails resets. Other calls leave the device as it is. */
	if (strstr(call, "_restore_run") || strstr(call, "loop_run") ||
	    strstr(call, "_unquiesce"))
		vdpr_dev_get_status(l->device, &l->status);
	snprintf(l->message, sizeof(l->message), "%s", vdpr_ctx_error(l->ctx));
	return false;
}

#define DID(l, call) did((l), #call, (call))

/* The machine may be busy with something else for long. */
static uint64_t late(void)
{
	return vdpr_now() + 300 * NSEC_PER_SEC;
}

static bool restore_whole(struct life *l, const struct vdpr_state *state)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);

	opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	opts.deadline = late();
	return DID(l, vdpr_restore_run(l->ctx, l->device, state, &opts,
				       &l->report));
}

/* A commit that fails has done nothing: the next one brings the restore to its
 * end. */
static bool commit(struct life *l, const struct vdpr_state *state)
{
	struct vdpr_commit_opts opts = VDPR_INIT(struct vdpr_commit_opts);

	opts.deadline = late();
	if (DID(l, vdpr_restore_commit(l->restore, state, &opts)))
		return true;
	assert_int_equal(vdpr_restore_commit(l->restore, state, &opts), 0);
	assert_int_equal(loop_run(l->restore), VDPR_STEP_DONE);
	return false;
}

static bool restore_in_halves(struct life *l, const struct vdpr_state *state)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);

	opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	opts.watch_msec = l->unwatched ? 0 : 1000;
	opts.deadline = late();
	return DID(l, vdpr_restore_begin(l->ctx, l->device, state, &opts,
					 &l->restore)) &&
	       DID(l, loop_run(l->restore)) && commit(l, state) &&
	       DID(l, loop_run(l->restore)) &&
	       DID(l, vdpr_restore_result(l->restore,
					  l->unwatched ? NULL : &l->report));
}

static bool tell(struct life *l)
{
	static const enum vdpr_timeline_format formats[] = {
		VDPR_TIMELINE_SVG,
		VDPR_TIMELINE_JSON,
	};
	char *text = NULL;
	bool ok = DID(l, vdpr_report_format(l->ctx, l->report, &text));

	free(text);
	for (size_t i = 0; ok && i < ARRAY_SIZE(formats); i++) {
		text = NULL;
		ok = DID(l, vdpr_report_timeline(l->ctx, l->report, formats[i],
						 &text));
		free(text);
	}
	return ok;
}

#define ADDRESSES 60

/* One command of the guest's, up to its answer. */
static bool relay(struct life *l, struct guest *g)
{
	/* A table that is longer than any before: the state has to grow. */
	uint8_t table[4 + 6 * ADDRESSES + 4] = { ADDRESSES };
	unsigned int slot = 0;
	uint32_t len;

	armed = false;
	for (uint8_t i = 0; i < ADDRESSES; i++)
		memcpy(table + 4 + 6 * i, (uint8_t[]){ 2, 0, 0, 0, 0, i }, 6);
	guest_send(g, 0, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
		   table, sizeof(table), 1);
	guest_show(g);
	armed = true;
	do {
		if (!loop_readable(vdpr_shadow_fd(l->shadow), 300000))
			fail_msg("no answer");
		if (!DID(l, vdpr_shadow_process(l->ctx, l->shadow, NULL)))
			return false;
	} while (guest_take(g, &slot, &len) == 0);
	assert_int_equal(*guest_answer(g, slot), 0);
	return true;
}

static bool stop_and_go(struct life *l)
{
	struct vdpr_quiesce_opts stop = VDPR_INIT(struct vdpr_quiesce_opts);
	struct vdpr_restore_opts go = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_state *state = NULL;
	bool ok;

	stop.flags = VDPR_QUIESCE_FRESH_RINGS;
	go.flags = VDPR_RESTORE_EMPTY_RINGS;
	stop.deadline = go.deadline = late();
	ok = DID(l, vdpr_shadow_save(l->ctx, l->shadow, &state));
	if (ok)
		l->forgot = state->member[VDPR_MAC_UNICAST] != VDPR_KNOWN;
	if (ok && !l->forgot)
		assert_int_equal(state->unicast.count, ADDRESSES);
	vdpr_state_free(state);
	state = NULL;
	ok = ok &&
	     DID(l, vdpr_shadow_quiesce(l->ctx, l->shadow, &stop, &state));
	vdpr_state_free(state);
	return ok &&
	       DID(l, vdpr_shadow_unquiesce(l->ctx, l->shadow, &go, NULL));
}

static bool with_guest(struct life *l, const struct vdpr_state *state,
		       struct guest *g)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_shadow_opts where = VDPR_INIT(struct vdpr_shadow_opts);
	struct vdpr_guest_ring_opts ring = guest_opts(g);
	bool ok;

	opts.flags = VDPR_RESTORE_EMPTY_RINGS | VDPR_RESTORE_SHADOW;
	opts.deadline = late();
	where.regions = &g->region;
	where.n_regions = 1;
	ok = DID(l, vdpr_shadow_new(l->ctx, l->device, &where, &l->shadow)) &&
	     DID(l, vdpr_restore_run(l->ctx, l->device, state, &opts,
				     &l->report)) &&
	     DID(l, vdpr_shadow_start(l->ctx, l->shadow, state, &ring)) &&
	     relay(l, g) && stop_and_go(l);
	armed = false;
	return ok;
}

static bool relay_and_stop(struct life *l, const struct vdpr_state *state)
{
	const struct vdpr_ring_format format = {
		.ops = l->packed ? &vdpr_ring_packed : &vdpr_ring_split,
		.event_idx = vdpr_features_has(&state->negotiated,
					       VIRTIO_RING_F_EVENT_IDX),
		.indirect = vdpr_features_has(&state->negotiated,
					      VIRTIO_RING_F_INDIRECT_DESC),
	};
	struct guest g;
	bool ok;

	armed = false;
	guest_open(&g, &format, 64);
	armed = true;
	ok = with_guest(l, state, &g);
	vdpr_shadow_free(l->shadow);
	l->shadow = NULL;
	guest_close(&g);
	return ok;
}

static int give(void *data, struct vdpr_ctx *ctx, struct vdpr_state **out)
{
	(void)ctx;
	return vdpr_state_copy(NULL, data, out);
}

static bool serve(struct life *l, const struct vdpr_state *state)
{
	struct vdpr_control_ops ops = VDPR_INIT(struct vdpr_control_ops);
	struct vdpr_control_opts opts = VDPR_INIT(struct vdpr_control_opts);
	struct vdpr_state *got = NULL;
	char path[64];
	bool ok;

	snprintf(path, sizeof(path), "/tmp/vdpr-test-resources.%d", getpid());
	ops.data = (void *)(uintptr_t)state;
	ops.name = "vdpa0";
	ops.save = give;
	opts.flags = VDPR_CONTROL_THREAD;
	ok = DID(l, vdpr_control_new(l->ctx, path, &ops, &opts, &l->control)) &&
	     DID(l, vdpr_control_save(l->ctx, path, late(), 0, &got));
	armed = false;
	vdpr_state_free(got);
	vdpr_control_free(l->control);
	l->control = NULL;
	assert_int_equal(access(path, F_OK), -1);
	return ok;
}

static bool work(struct life *l)
{
	struct vdpr_state *state = NULL;
	bool ok = DID(l, vdpr_ctx_new(&l->ctx));

	if (ok && l->log)
		vdpr_ctx_set_log(l->ctx, log_line, l, 7);
	ok = ok &&
	     DID(l, vdpr_state_parse(l->ctx, l->text, strlen(l->text), &state));
	ok = ok && DID(l, vdpr_dev_open(l->ctx, l->dev, &l->device));
	l->opened = calls;
	ok = ok && l->work(l, state);
	if (ok && l->report)
		ok = tell(l);
	armed = false;
	vdpr_state_free(state);
	return ok;
}

static void live(struct life *l, size_t at, unsigned int with)
{
	calls = 0;
	fail_at = at;
	fail_with = with;
	l->status = 0;
	l->lines = 0;
	l->forgot = false;
	armed = true;
	work(l);
	fail_at = 0;
	vdpr_report_free(TAKE_PTR(l->report));
	vdpr_restore_free(TAKE_PTR(l->restore));
	vdpr_dev_close(TAKE_PTR(l->device));
	vdpr_ctx_free(TAKE_PTR(l->ctx));
}

/* ------------------------------------------------------------------- judgement */

static size_t wrong;

static void say(const struct life *l, size_t at, int err, const char *what)
{
	wrong++;
	print_message("%s: call %zu, %s: %s: %s: %s: %d (%s)\n", l->dev, at,
		      kinds[kind_of[at - 1]].name, strerror(err), what, l->call,
		      l->ret, l->message);
}

/* A line of the log, and the page by which the simulator knows a forked child
 * sooner: without them all else is as it should be. A command that the device has
 * accepted and for which the state has no room leaves its section unknown. */
static bool may_go_on(const struct life *l, size_t at, size_t lines)
{
	if (kind_of[at - 1] == MMAP)
		return at <= l->opened;
	return kind_of[at - 1] == MEMORY &&
	       (l->lines + 1 == lines || l->forgot);
}

/* The simulator's memory for a mapping: EFAULT is the kernel's word for all. */
static bool is_iotlb(const struct life *l, size_t at)
{
	return l->ret == -EFAULT && kind_of[at - 1] == MEMORY &&
	       strstr(l->message, "IOTLB update");
}

static void judge(const struct life *l, size_t at, int err, size_t lines)
{
	if (l->ret >= 0) {
		if (!may_go_on(l, at, lines))
			say(l, at, err, "went on");
		return;
	}
	if (l->ret != -err && !is_iotlb(l, at))
		say(l, at, err, "another errno");
	if (at == 1)
		return; /* not even a context to put it in */
	if (l->cause != VDPR_CAUSE_OTHER)
		say(l, at, err, "another class of error");
	if (!*l->message)
		say(l, at, err, "no message");
	if (l->status)
		say(l, at, err, "the device was not reset");
	if (kind_of[at - 1] == TIMERFD && l->work == restore_in_halves &&
	    l->unwatched == !!strstr(l->call, "_restore_begin"))
		say(l, at, err, "not where the timer is needed first");
}

static void fail_each(struct life *l)
{
	struct inject_footprint before, after;
	size_t all, lines, tried = 0;

	live(l, 0, 0);
	if (l->ret < 0)
		fail_msg("%s: %s: %s", l->dev, l->call, l->message);
	all = calls;
	lines = l->lines;
	assert_true(all > 50 && all < CALLS_MAX);
	before = inject_footprint();
	for (size_t at = 1; at <= all; at++) {
		for (unsigned int e = 0; e < ERRNOS; e++) {
			int err = kinds[kind_of[at - 1]].err[e];

			if (!err)
				break;
			live(l, at, e);
			tried++;
			of_kind[kind_of[at - 1]]++;
			judge(l, at, err, lines);
			after = inject_footprint();
			if (memcmp(&after, &before, sizeof(before)) != 0)
				say(l, at, err, "something was left");
			before = after;
		}
	}
	print_message("## %s: %zu calls, %zu failures, %zu wrong\n", l->dev,
		      all, tried, wrong);
}

static void fail_all(struct life l, const char *path)
{
	struct vdpr_state *state = vdpr_test_read(path);
	struct vdpr_ctx *none;

	assert_int_equal(vdpr_ctx_new(&none), 0);
	if (l.packed) {
		vdpr_features_set(&state->negotiated, VIRTIO_F_RING_PACKED,
				  true);
		vdpr_features_set(&state->offered, VIRTIO_F_RING_PACKED, true);
	}
	l.text = vdpr_test_format(none, state);
	vdpr_state_free(state);
	vdpr_ctx_free(none);
	wrong = 0;
	fail_each(&l);
	free(l.text);
	assert_int_equal(wrong, 0);
}

#define PACKED_SIM "sim:features=+RING_PACKED"

static void blocking(void **state)
{
	(void)state;
	fail_all((struct life){ .dev = "sim", .work = restore_whole },
		 "tests/data/typical.json");
	fail_all((struct life){ .dev = PACKED_SIM,
				.work = restore_whole,
				.packed = true,
				.log = true },
		 "tests/data/typical.json");
}

static void event_driven(void **state)
{
	(void)state;
	fail_all((struct life){ .dev = "sim:isolated=off",
				.work = restore_in_halves,
				.log = true },
		 "tests/data/example.json");
	/* Slow, so that there is always something to wait for. */
	fail_all((struct life){ .dev = PACKED_SIM ",delay=2000",
				.work = restore_in_halves,
				.unwatched = true,
				.packed = true },
		 "tests/data/typical.json");
}

static void with_a_shadow(void **state)
{
	(void)state;
	fail_all((struct life){ .dev = "sim", .work = relay_and_stop },
		 "tests/data/typical.json");
	fail_all((struct life){ .dev = PACKED_SIM,
				.work = relay_and_stop,
				.packed = true },
		 "tests/data/typical.json");
}

static void with_a_control_socket(void **state)
{
	(void)state;
	fail_all((struct life){ .dev = "sim", .work = serve },
		 "tests/data/typical.json");
}

/* Each kind of call was there to be failed. */
static void every_kind_was_tried(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < KINDS; i++)
		if (!of_kind[i])
			fail_msg("%s", kinds[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocking),
		cmocka_unit_test(event_driven),
		cmocka_unit_test(with_a_shadow),
		cmocka_unit_test(with_a_control_socket),
		cmocka_unit_test(every_kind_was_tried),
	};
	cJSON_Hooks hooks = { __wrap_malloc, free };

	cJSON_InitHooks(&hooks);
	return cmocka_run_group_tests_name("resources", tests, NULL, NULL);
}
