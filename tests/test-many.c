/* SPDX-License-Identifier: MIT */
/* A thousand devices restored by one thread: what each costs, and that it grows
 * with their number and no faster. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
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
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "restore/dev.h"

#define MANY 1000
#define FEW 100
#define ROUNDS 5
#define ROUNDS_MOST 12	  /* where others keep the machine busy */
#define LIMIT_NSEC 100000 /* the issue's: a device, begin to result */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* A guest of one pair as Linux leaves it, on a device of one pair. */
#define DEVICE "sim:pairs=1"
static const char guest[] =
	"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1,"
	"\"features\":{\"offered\":\"0x9230000330ffffaf\","
	"\"negotiated\":\"0x1309f99a7\"},"
	"\"config\":{\"mac\":\"52:54:00:00:00:01\"},"
	"\"mac\":{\"address\":\"52:54:00:aa:bb:01\",\"unicast\":[],"
	"\"multicast\":[\"33:33:00:00:00:01\",\"01:00:5e:00:00:01\"],"
	"\"unicast_overflow\":false,\"multicast_overflow\":false},"
	"\"rx_mode\":{\"promiscuous\":false,\"all_multicast\":false,"
	"\"all_unicast\":false,\"no_multicast\":false,\"no_unicast\":false,"
	"\"no_broadcast\":false},"
	"\"vlan\":{\"ids\":[0,7,42]},\"offloads\":[\"guest_csum\"],"
	"\"unknown\":[]}";

struct fleet {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	size_t count;
	bool early; /* descriptors are added to the loop before the first step */
	int epoll;
	void *memory; /* of all rings: nothing is ever in them */
	struct vdpr_dev *dev[MANY];
	struct vdpr_vring rings[MANY][2];
	struct vdpr_restore *restore[MANY];
	size_t heap; /* bytes that the restores took */
};

#define RING_IOVA 0x100000
#define RING_BYTES 0x4000

/* ------------------------------------------------------------ what is outside */

/* A VMM's part: owner, guest memory, rings with a kick and a call each. */
static void prepare(struct fleet *f, size_t i)
{
	int kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (vdpr_dev_open(f->ctx, DEVICE, &f->dev[i]))
		fail_msg("%s", vdpr_ctx_error(f->ctx));
	assert_int_equal(vdpr_dev_ioctl(f->dev[i], VHOST_SET_OWNER, NULL), 0);
	f->dev[i]->owned = true;
	assert_int_equal(vdpr_dev_iotlb_update(f->dev[i], 0, RING_IOVA,
					       RING_BYTES, f->memory,
					       VHOST_ACCESS_RW),
			 0);
	assert_true(kick >= 0 && call >= 0);
	for (uint32_t q = 0; q < 2; q++)
		f->rings[i][q] = (struct vdpr_vring){
			.size = sizeof(struct vdpr_vring),
			.index = q,
			.num = 256,
			.desc = RING_IOVA,
			.driver = RING_IOVA + 0x1000,
			.device = RING_IOVA + 0x2000,
			.kick_fd = kick,
			.call_fd = call,
		};
}

static void setup(struct fleet *f, size_t count, bool early)
{
	memset(f, 0, sizeof(*f));
	f->count = count;
	f->early = early;
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_true(f->epoll >= 0);
	f->memory = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(f->memory, MAP_FAILED);
	assert_int_equal(vdpr_ctx_new(&f->ctx), 0);
	if (vdpr_state_parse(f->ctx, guest, sizeof(guest) - 1, &f->state))
		fail_msg("%s", vdpr_ctx_error(f->ctx));
	for (size_t i = 0; i < count; i++)
		prepare(f, i);
}

static void done(struct fleet *f)
{
	for (size_t i = 0; i < f->count; i++) {
		vdpr_restore_free(f->restore[i]);
		vdpr_dev_close(f->dev[i]);
		close(f->rings[i][0].kick_fd);
		close(f->rings[i][0].call_fd);
	}
	munmap(f->memory, RING_BYTES);
	close(f->epoll);
	vdpr_state_free(f->state);
	vdpr_ctx_free(f->ctx);
}

/* ------------------------------------------------------------- what is measured */

static uint64_t cpu_now(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* What this thread has allocated: the simulator's threads have arenas of their own,
 * and how many pages of their stacks they touch is no restore's doing. */
static size_t heap_now(void)
{
	return mallinfo2().uordblks;
}

/* Steps of one device while there is something to do. Return: has it ended? */
static bool process(struct fleet *f, size_t i)
{
	int ret;

	do {
		ret = vdpr_restore_process(f->restore[i]);
	} while (ret == VDPR_STEP_AGAIN);
	if (ret < 0)
		fail_msg("device %zu: %s", i, vdpr_ctx_error(f->ctx));
	return ret == VDPR_STEP_DONE;
}

static void add_to_loop(struct fleet *f, size_t i)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = i };

	assert_int_equal(epoll_ctl(f->epoll, EPOLL_CTL_ADD,
				   vdpr_restore_get_fd(f->restore[i]), &event),
			 0);
}

/* Either what there is to do at once is done at once, and who waits is added to the
 * loop, or all are added, as most VMMs will do, and the loop does all of it. */
static size_t begin_all(struct fleet *f)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	size_t ended = 0;

	for (size_t i = 0; i < f->count; i++) {
		int ret;

		opts.vrings = f->rings[i];
		opts.n_vrings = 2;
		ret = vdpr_restore_begin(f->ctx, f->dev[i], f->state, &opts,
					 &f->restore[i]);
		if (!ret)
			ret = vdpr_restore_commit(f->restore[i], NULL, NULL);
		if (ret)
			fail_msg("%s", vdpr_ctx_error(f->ctx));
		if (f->early)
			add_to_loop(f, i);
		else if (process(f, i))
			ended++;
		else
			add_to_loop(f, i);
	}
	return ended;
}

/* One thread, one loop over all. Return: its CPU time, begin to result. */
static uint64_t restore_all(struct fleet *f)
{
	struct epoll_event events[64];
	size_t heap = heap_now();
	uint64_t began = cpu_now();
	size_t ended = begin_all(f);

	while (ended < f->count) {
		int n = epoll_wait(f->epoll, events, ARRAY_SIZE(events), 20000);

		assert_true(n > 0);
		for (int k = 0; k < n; k++) {
			size_t i = (size_t)events[k].data.u64;

			ended += process(f, i);
		}
	}
	for (size_t i = 0; i < f->count; i++)
		assert_int_equal(vdpr_restore_result(f->restore[i], NULL), 0);
	began = cpu_now() - began;
	f->heap = heap_now() - heap;
	return began;
}

/* What a restore cannot do without: memory of its own, five eventfds and timers, an
 * epoll over them. The measure of how fast this machine is at the moment. */
static uint64_t bare_calls(void)
{
	uint64_t began = cpu_now();

	for (int i = 0; i < FEW; i++) {
		struct epoll_event event = { .events = EPOLLIN };
		int epoll = epoll_create1(EPOLL_CLOEXEC);
		int memory = memfd_create("bare", MFD_CLOEXEC);
		int events[5];
		char *map;

		assert_int_equal(ftruncate(memory, 8192), 0);
		map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED,
			   memory, 0);
		assert_ptr_not_equal(map, MAP_FAILED);
		map[0] = map[4096] = 1;
		for (size_t k = 0; k < ARRAY_SIZE(events); k++) {
			events[k] = eventfd(0, EFD_CLOEXEC);
			epoll_ctl(epoll, EPOLL_CTL_ADD, events[k], &event);
		}
		for (size_t k = 0; k < ARRAY_SIZE(events); k++)
			close(events[k]);
		munmap(map, 8192);
		close(memory);
		close(epoll);
	}
	return (cpu_now() - began) / FEW;
}

struct cost {
	uint64_t nsec;	/* a device, the least of all rounds */
	size_t bytes;	/* a device, the least */
	uint64_t fresh; /* nsec, the least of those in a process of their own */
};

/* @count devices, @times over: so that few take as long as many, and a busy moment
 * is as likely to fall into it. */
static void measure(size_t count, size_t times, bool early, struct cost *cost)
{
	static struct fleet f;
	uint64_t nsec = 0;

	for (size_t i = 0; i < times; i++) {
		setup(&f, count, early);
		nsec += restore_all(&f) / count;
		if (!cost->bytes || f.heap / count < cost->bytes)
			cost->bytes = f.heap / count;
		done(&f);
	}
	nsec /= times;
	if (!cost->nsec || nsec < cost->nsec)
		cost->nsec = nsec;
}

/* Descriptors: the simulator's own nine, six of a restore, two of the caller. */
static size_t possible(size_t wanted)
{
	struct rlimit limit;
	size_t room;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	room = limit.rlim_cur / 20;
	return room < wanted ? room : wanted;
}

/* What "COUNT HOW" is for: see main(). */
static const char *const how[] = { "restored", "restored-early" };

/* A program that restores for the first time, and has nothing left of an earlier
 * round: what somebody sees who measures once. */
static void measure_fresh(size_t count, bool early, struct cost *cost)
{
	char number[24], line[24] = "";
	uint64_t nsec;
	int out[2], status;
	ssize_t n;
	pid_t pid;

	snprintf(number, sizeof(number), "%zu", count);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(out[1], STDOUT_FILENO);
		execl("/proc/self/exe", "test-many", number, how[early], NULL);
		_exit(127);
	}
	close(out[1]);
	n = read(out[0], line, sizeof(line) - 1);
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(n > 0 && !status);
	nsec = strtoull(line, NULL, 10);
	assert_true(nsec > 0);
	if (!cost->fresh || nsec < cost->fresh)
		cost->fresh = nsec;
}

/* A machine that others keep busy is given time in proportion. */
static bool is_cheap(uint64_t nsec, uint64_t bare)
{
	return nsec <= LIMIT_NSEC || nsec <= 3 * bare;
}

static bool is_linear(const struct cost *many, const struct cost *few)
{
	return many->nsec * 10 <= few->nsec * 13;
}

static bool is_done(const struct cost *many, const struct cost *early,
		    const struct cost *few)
{
	return many->nsec <= LIMIT_NSEC && many->fresh <= LIMIT_NSEC &&
	       early->nsec <= LIMIT_NSEC && early->fresh <= LIMIT_NSEC &&
	       is_linear(many, few);
}

static void tell(const char *what, size_t count, const struct cost *cost)
{
	print_message("%zu devices%s: %.1f us of CPU and %zu bytes each\n",
		      count, what, (double)cost->nsec / 1000, cost->bytes);
	if (cost->fresh)
		print_message("%zu devices%s, first round of a process: "
			      "%.1f us\n",
			      count, what, (double)cost->fresh / 1000);
}

static void a_thousand_devices_cost_as_much_each_as_a_hundred(void **state)
{
	size_t many = possible(SANITIZED ? FEW : MANY);
	size_t few = many / 10;
	struct cost of_many = { 0 }, of_early = { 0 }, of_few = { 0 };
	uint64_t bare = UINT64_MAX;
	(void)state;

	if (many < MANY && !SANITIZED)
		print_message("only %zu devices: too few descriptors\n", many);
	/* By turns, so that a busy moment of the machine meets all. */
	for (int i = 0; i < (SANITIZED ? 1 : ROUNDS_MOST); i++) {
		uint64_t now;

		if (i >= ROUNDS && is_done(&of_many, &of_early, &of_few))
			break;
		measure_fresh(many, false, &of_many);
		measure_fresh(many, true, &of_early);
		measure(few, SANITIZED ? 1 : MANY / FEW, false, &of_few);
		measure(many, 1, false, &of_many);
		measure(many, 1, true, &of_early);
		now = bare_calls();
		bare = now < bare ? now : bare;
	}
	tell("", many, &of_many);
	tell(", polled from the start", many, &of_early);
	tell("", few, &of_few);
	print_message("bare calls: %.1f us\n", (double)bare / 1000);
	if (SANITIZED)
		return;
	assert_true(is_cheap(of_many.nsec, bare));
	assert_true(is_cheap(of_many.fresh, bare));
	assert_true(is_cheap(of_early.nsec, bare));
	assert_true(is_cheap(of_early.fresh, bare));
	assert_true(is_linear(&of_many, &of_few));
	assert_true(of_many.bytes * 100 <= of_few.bytes * 105);
}

/* "COUNT restored", "COUNT restored-early" or "COUNT prepared", for
 * tests/cli/many-calls.sh to count the system calls of. Prints the time. */
static int only(size_t count, const char *what)
{
	static struct fleet f;
	uint64_t nsec = 0;

	setup(&f, count, !strcmp(what, how[true]));
	if (strcmp(what, "prepared") != 0)
		nsec = restore_all(&f) / count;
	done(&f);
	printf("%" PRIu64 "\n", nsec);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_thousand_devices_cost_as_much_each_as_a_hundred),
	};

	if (argc == 3)
		return only(possible(strtoul(argv[1], NULL, 10)), argv[2]);
	return cmocka_run_group_tests_name("many", tests, NULL, NULL);
}
