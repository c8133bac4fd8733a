/* SPDX-License-Identifier: MIT */
/* Tests of the diagnosis: what each failure is said to mean, and the cure. */
#include "restore/diagnose.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "tests/wrap-dev.h"

#define STATE(features)                                                  \
	"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1," \
	"\"features\":{\"offered\":\"" features                          \
	"\",\"negotiated\":\"" features                                  \
	"\"},\"config\":{},\"mac\":{\"address\":\"52:54:00:aa:bb:cc\"}," \
	"\"unknown\":[]}\n"

/* CTRL_VQ, CTRL_MAC_ADDR, VERSION_1; then GUEST_ECN without GUEST_TSO4 or 6. */
static const char plain[] = STATE("0x100820000");
static const char lonely_ecn[] = STATE("0x100820200");
#define CVQ 2

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	struct wrap *wrap;
	struct vdpr_report *report;
	struct vdpr_restore_opts opts;
	int ret;
};

static void setup(struct world *w, const char *text, const char *dev)
{
	memset(w, 0, sizeof(*w));
	w->opts.size = sizeof(w->opts);
	w->opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	if (vdpr_state_parse(w->ctx, text, strlen(text), &w->state))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
	w->wrap = wrap_open(dev, CVQ);
}

static void run(struct world *w)
{
	w->ret = vdpr_restore_run(w->ctx, &w->wrap->base, w->state, &w->opts,
				  &w->report);
}

static void done(struct world *w)
{
	vdpr_report_free(w->report);
	vdpr_state_free(w->state);
	vdpr_dev_close(&w->wrap->base);
	vdpr_ctx_free(w->ctx);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("wanted '%s' in: %s", part, text);
}

static void hasnt(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("did not want '%s' in: %s", part, text);
}

/* One line that says @means, with @cure, in the report as in the context. */
static void says(const struct world *w, const char *means, const char *cure)
{
	has(vdpr_ctx_error(w->ctx), means);
	has(vdpr_ctx_cure(w->ctx), cure);
	hasnt(vdpr_ctx_error(w->ctx), "\n");
	assert_string_equal(w->report->text, vdpr_ctx_error(w->ctx));
	assert_string_equal(w->report->cure, vdpr_ctx_cure(w->ctx));
}

/* Number of the first such call of a good run, from 1. */
static size_t call_number(unsigned long request)
{
	struct world w;
	size_t at;

	setup(&w, plain, "sim");
	run(&w);
	assert_int_equal(w.ret, 0);
	at = wrap_find(w.wrap, 0, request, -1);
	assert_true(at < w.wrap->n);
	done(&w);
	return at + 1;
}

/* ------------------------------------------------------------------ the table */

static void a_row_is_found_by_the_name_of_its_call(void **state)
{
	const struct vdpr_diagnosis *row;
	(void)state;

	row = vdpr_diagnosis_find("SET_OWNER", -EBUSY);
	assert_non_null(row);
	has(row->means, "has an owner");
	assert_ptr_equal(
		vdpr_diagnosis_find("SET_VRING_NUM of queue 3", -EINVAL),
		vdpr_diagnosis_find("SET_VRING_NUM", -EINVAL));
	assert_ptr_equal(vdpr_diagnosis_find("SET_STATUS(0x03)", -EINVAL),
			 vdpr_diagnosis_find("SET_STATUS", -EINVAL));
	/* Any of a kind, and not what only begins alike. */
	has(vdpr_diagnosis_find("SET_VRING_ENABLE of queue 9", -ENOBUFS)->means,
	    "no such virtqueue");
	assert_ptr_not_equal(vdpr_diagnosis_find("SET_STATUSES", -EINVAL),
			     vdpr_diagnosis_find("SET_STATUS", -EINVAL));
}

static void what_holds_for_any_request_holds_for_nothing_else(void **state)
{
	(void)state;
	has(vdpr_diagnosis_find("SET_STATUS(0x01)", -ENODEV)->means, "removed");
	has(vdpr_diagnosis_find("GET_SOMETHING_NEW", -ENOTTY)->means,
	    "too old");
	assert_null(vdpr_diagnosis_find("poll", -ENODEV));
	assert_null(vdpr_diagnosis_find("memory for rings", -ENODEV));
	assert_null(vdpr_diagnosis_find("SET_STATUS", -ERANGE));
	has(vdpr_diagnosis_find("memory for rings", -EMFILE)->cure,
	    "RLIMIT_NOFILE");
}

static const struct failure {
	unsigned long request;
	int err;
	const char *means, *cure;
} failures[] = {
	{ VHOST_GET_FEATURES, ENODEV, "GET_FEATURES: ", "vdpa dev add" },
	{ VHOST_SET_OWNER, EBUSY, "an owner already", "VDPR_DEV_OWNED" },
	{ VHOST_SET_OWNER, EPERM, "something else forbids", "seccomp" },
	{ VHOST_SET_BACKEND_FEATURES, EOPNOTSUPP, "lacks one",
	  "GET_BACKEND_FEATURES" },
	{ VHOST_SET_FEATURES, EBUSY, "settled", "anew" },
	{ VHOST_SET_FEATURES, EINVAL,
	  "features asked for: 0x300820000 (CTRL_VQ, CTRL_MAC_ADDR, VERSION_1, "
	  "ACCESS_PLATFORM)",
	  "kernel log" },
	{ VHOST_VDPA_SET_STATUS, EINVAL, "cannot be taken away", "anew" },
	{ VHOST_VDPA_GET_VRING_GROUP, EIO, "does not exist", "kernel log" },
	{ VHOST_VDPA_SET_GROUP_ASID, EOPNOTSUPP, "address space of its own",
	  "kernel log" },
	{ VHOST_VDPA_SET_GROUP_ASID, EBUSY, "DRIVER_OK", "anew" },
	{ VHOST_SET_VRING_NUM, EINVAL,
	  "SET_VRING_NUM of queue 0: ", "GET_VRING_SIZE" },
	{ VHOST_SET_VRING_NUM, ENOBUFS, "no such virtqueue",
	  "max_virtqueue_pairs" },
	{ VHOST_SET_VRING_BASE, EOPNOTSUPP, "the initial one", "0x80008000" },
	{ VHOST_SET_VRING_ADDR, EINVAL, "not aligned", "driver set" },
	{ VHOST_SET_VRING_KICK, EINVAL, "no eventfd", "-1" },
	{ VHOST_VDPA_SET_VRING_ENABLE, ENXIO, "removed", "vdpa dev add" },
	{ VHOST_VDPA_SET_VRING_ENABLE, ETIMEDOUT, "in time", "try again" },
	{ VHOST_VDPA_SET_CONFIG_CALL, ENOTTY, "too old", "newer kernel" },
	{ VHOST_VDPA_GET_CONFIG, EINVAL, "GET_CONFIG: ", "kernel log" },
};

static void a_failing_call_is_explained_in_one_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		const struct failure *f = &failures[i];
		struct world w;

		setup(&w, plain, "sim");
		w.wrap->fail_at = call_number(f->request);
		w.wrap->fail_errno = f->err;
		run(&w);
		assert_int_equal(w.ret, -f->err);
		says(&w, f->means, f->cure);
		has(vdpr_ctx_error(w.ctx), strerror(f->err));
		done(&w);
	}
}

static void the_class_of_a_failure_stays(void **state)
{
	struct world w;
	(void)state;

	setup(&w, plain, "sim");
	w.wrap->fail_at = call_number(VHOST_SET_OWNER);
	w.wrap->fail_errno = EBUSY;
	run(&w);
	assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_ACCESS);
	done(&w);
}

/* ------------------------------------------------------------------- the owner */

static void eperm_tells_how_the_device_came_to_be_owned(void **state)
{
	struct world w;
	char text[64];
	(void)state;

	/* The simulator has no owner: its EPERM is real. */
	setup(&w, plain, "sim");
	w.wrap->base.owned = true;
	run(&w);
	assert_int_equal(w.ret, -EPERM);
	says(&w, "though the caller said so (VDPR_DEV_OWNED)", "SET_OWNER");
	assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_ACCESS);
	done(&w);

	setup(&w, plain, "sim");
	w.wrap->base.owned = true;
	w.wrap->base.owner = 1;
	run(&w);
	assert_int_equal(w.ret, -EPERM);
	says(&w, "process 1 is the owner", "the process that did SET_OWNER");
	snprintf(text, sizeof(text), "this is process %d", (int)getpid());
	has(vdpr_ctx_error(w.ctx), text);
	done(&w);

	setup(&w, plain, "sim");
	w.wrap->fail_at = call_number(VHOST_SET_VRING_NUM);
	w.wrap->fail_errno = EPERM;
	run(&w);
	says(&w, "this process is the owner", "seccomp");
	done(&w);
}

/* ----------------------------------------------------------------------- IOTLB */

static void says_of_map(const struct vdpr_map_facts *facts, const char *means,
			const char *cure)
{
	struct vdpr_buf m = { 0 }, c = { 0 };

	vdpr_diagnose_map_facts(facts, &m, &c);
	if (!means) {
		assert_int_equal(m.len, 0);
		assert_int_equal(c.len, 0);
	} else {
		has(m.data ? m.data : "", means);
		has(c.data ? c.data : "", cure);
	}
	vdpr_buf_free(&m);
	vdpr_buf_free(&c);
}

static const struct vdpr_map_facts harmless = {
	.wanted = { 0x10000, 0x13fff },
	.rest = 0x1000,
	.device = { 0x1000, 0xfffff },
	.memlock = 0x8000,
	.pinned = 0x4000,
};

static void each_known_reason_of_efault_is_found(void **state)
{
	const struct vdpr_iova_range used[] = { { 0x20000, 0x2ffff },
						{ 0xf000, 0x10000 } };
	struct vdpr_map_facts facts = harmless;
	(void)state;

	says_of_map(&facts, NULL, NULL);
	/* Exactly the limit is allowed, and one byte more is not. */
	facts.pinned = 0x4001;
	says_of_map(&facts,
		    "16 KiB are pinned and 16 KiB more wanted, the limit is 32",
		    "to 37 KiB");
	facts.memlock = VDPR_MEMLOCK_UNKNOWN;
	says_of_map(&facts, NULL, NULL);
	facts = harmless;
	facts.pinned = VDPR_MEMLOCK_UNKNOWN;
	says_of_map(&facts, NULL, NULL);

	facts = harmless;
	facts.device.last = 0x13ffe;
	says_of_map(&facts, "address now, 0x1000 to 0x13ffe", "changed");
	facts = harmless;
	facts.device.first = 0x10001;
	says_of_map(&facts, "address now, 0x10001", "changed");

	facts = harmless;
	facts.used = used;
	facts.n_used = 1;
	says_of_map(&facts, NULL, NULL);
	facts.n_used = 2;
	says_of_map(&facts, "0xf000 to 0x10000 is mapped there already",
		    "in use");
}

static void several_reasons_are_all_said(void **state)
{
	struct vdpr_map_facts facts = harmless;
	(void)state;

	facts.memlock = 0;
	facts.device.last = 0x10000;
	says_of_map(&facts, "0x10000; over the limit of locked memory",
		    "changed");
}

static void a_size_is_read_from_the_status_of_a_process(void **state)
{
	char path[] = "/tmp/vdpr-test-XXXXXX";
	int fd = mkstemp(path);
	uint64_t value = 7;
	static const char text[] = "VmLck:\t      3 kB\nVmPin:\t    123 kB\n";
	(void)state;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	assert_int_equal(vdpr_proc_kib(path, "VmPin:", &value), 0);
	assert_int_equal(value, 123 * 1024);
	assert_int_equal(vdpr_proc_kib(path, "VmNone:", &value), -ENODATA);
	unlink(path);
	assert_int_equal(vdpr_proc_kib(path, "VmPin:", &value), -ENOENT);
	assert_int_equal(value, 123 * 1024);
	/* The kernel of this machine has it too. */
	assert_int_equal(vdpr_proc_kib("/proc/self/status", "VmPin:", &value),
			 0);
}

static void fail_first_update(struct world *w)
{
	setup(w, plain, "sim");
	w->wrap->fail_at = call_number(0);
	w->wrap->fail_errno = EFAULT;
}

static void efault_names_the_limit_of_locked_memory(void **state)
{
	struct rlimit before, none;
	struct world w;
	(void)state;

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
	none = before;
	none.rlim_cur = 0;
	fail_first_update(&w);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	run(&w);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
	assert_int_equal(w.ret, -EFAULT);
	says(&w, "over the limit of locked memory: 0 KiB are pinned and ",
	     "ulimit -l");
	has(vdpr_ctx_error(w.ctx), " in address space 1: Bad address");
	done(&w);
}

static void efault_without_a_known_reason_says_what_was_excluded(void **state)
{
	struct world w;
	(void)state;

	fail_first_update(&w);
	run(&w);
	assert_int_equal(w.ret, -EFAULT);
	says(&w, "neither the device's range nor a known mapping",
	     "not named as in use");
	done(&w);
}

static void efault_of_a_foreign_owner_names_the_owner(void **state)
{
	struct world w;
	(void)state;

	/* Without groups and with a known ring size, the first call that asks
	 * for the owner is an update. */
	setup(&w, plain, "sim:isolated=off,quirk=cvq16");
	w.wrap->base.owned = true;
	w.wrap->base.owner = 1;
	run(&w);
	assert_int_equal(w.ret, -EFAULT);
	says(&w, "Bad address: process 1 is the owner of the device",
	     "the process that did SET_OWNER");
	done(&w);
}

/* Something of the caller's where the empty rings of a rehearsal would go. */
static void efault_names_the_mapping_that_is_in_the_way(void **state)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct vdpr_iova_range used = { UINT64_MAX - 2 * page + 1,
					      UINT64_MAX - page };
	struct vdpr_mem mem = VDPR_MEM_INIT;
	struct world w;
	(void)state;

	setup(&w, plain, "sim");
	assert_int_equal(vdpr_dev_ioctl(&w.wrap->base, VHOST_SET_OWNER, NULL),
			 0);
	w.wrap->base.owned = true;
	w.wrap->base.owner = getpid();
	assert_int_equal(vdpr_mem_alloc(&mem, page, 0), 0);
	assert_int_equal(vdpr_dev_iotlb_update(&w.wrap->base, 0, used.first,
					       page, mem.base, VHOST_ACCESS_RO),
			 0);
	w.opts.in_use = &used;
	w.opts.n_in_use = 1;
	run(&w);
	assert_int_equal(w.ret, -EFAULT);
	says(&w, "is mapped there already", "before the restore");
	done(&w);
	vdpr_mem_free(&mem);
}

/* -------------------------------------------------------------------- features */

static void features_say(uint64_t asked, uint64_t high, uint64_t demands,
			 const char *expected)
{
	const struct vdpr_features set = { { asked, high } };
	const struct vdpr_features offered = {
		{ BIT_ULL(VIRTIO_F_ACCESS_PLATFORM), 0 }
	};
	struct vdpr_buf out = { 0 };

	vdpr_diagnose_features(&set, &offered, demands, &out);
	assert_string_equal(out.data ? out.data : "", expected);
	vdpr_buf_free(&out);
}

#define PLATFORM BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)
#define CTRL_VQ BIT_ULL(VIRTIO_NET_F_CTRL_VQ)

static void missing_dependencies_are_named(void **state)
{
	(void)state;
	features_say(PLATFORM, 0, 0, "");
	features_say(PLATFORM | BIT_ULL(VIRTIO_NET_F_GUEST_TSO4), 0, 0,
		     "GUEST_TSO4 needs GUEST_CSUM, which is not among them");
	features_say(PLATFORM | BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) |
			     BIT_ULL(VIRTIO_NET_F_GUEST_CSUM),
		     0, 0, "");
	features_say(PLATFORM | BIT_ULL(VIRTIO_NET_F_GUEST_ECN), 0, 0,
		     "GUEST_ECN needs GUEST_TSO4 or GUEST_TSO6, which is not "
		     "among them");
	features_say(PLATFORM | BIT_ULL(VIRTIO_NET_F_MQ), 0, 0,
		     "MQ needs CTRL_VQ, which is not among them");
	features_say(PLATFORM | BIT_ULL(VIRTIO_NET_F_HASH_TUNNEL) | CTRL_VQ, 0,
		     0,
		     "HASH_TUNNEL needs RSS or HASH_REPORT, which is not "
		     "among them");
	features_say(PLATFORM | CTRL_VQ, BIT(VIRTIO_NET_F_RSS_CONTEXT - 64), 0,
		     "RSS_CONTEXT needs RSS, which is not among them");
	features_say(PLATFORM | BIT_ULL(VIRTIO_NET_F_MQ) |
			     BIT_ULL(VIRTIO_NET_F_HOST_USO),
		     0, 0,
		     "HOST_USO needs CSUM, which is not among them; MQ needs "
		     "CTRL_VQ, which is not among them");
}

static void demands_of_the_parent_are_named(void **state)
{
	(void)state;
	features_say(0, 0, 0, "the parent driver insists on ACCESS_PLATFORM");
	features_say(PLATFORM, 0,
		     PLATFORM | BIT_ULL(VIRTIO_F_RING_PACKED) |
			     BIT_ULL(VIRTIO_F_NOTIFICATION_DATA),
		     "the parent driver insists on RING_PACKED, "
		     "NOTIFICATION_DATA");
}

static void features_ok_that_is_not_kept_names_the_set(void **state)
{
	struct world w;
	(void)state;

	setup(&w, plain, "sim:hostile=no-features-ok");
	run(&w);
	assert_int_equal(w.ret, -EPROTO);
	says(&w,
	     "did not keep FEATURES_OK (status 0x03): features asked for: "
	     "0x300820000 (CTRL_VQ, ",
	     "kernel log");
	done(&w);

	setup(&w, lonely_ecn, "sim:hostile=no-features-ok");
	run(&w);
	says(&w, "GUEST_ECN needs GUEST_TSO4 or GUEST_TSO6",
	     "check where the state's features come from");
	done(&w);
}

/* ------------------------------------------------------------------- DRIVER_OK */

static void driver_ok_that_is_not_kept_names_likely_reasons(void **state)
{
	struct world w;
	(void)state;

	setup(&w, plain, "sim:hostile=no-driver-ok");
	run(&w);
	assert_int_equal(w.ret, -EPROTO);
	says(&w, "did not keep DRIVER_OK (status 0x0b): the parent driver",
	     "kernel log");
	done(&w);
}

static void rings_that_the_parent_does_not_take_are_named(void **state)
{
	const struct vdpr_vring rings[] = {
		{ .size = sizeof(rings[0]),
		  .index = 0,
		  .num = 256,
		  .desc = 0x10000,
		  .driver = 0x12000,
		  .device = 0x14000,
		  .kick_fd = -1,
		  .call_fd = -1 },
		{ .size = sizeof(rings[0]),
		  .index = 1,
		  .num = 64,
		  .desc = 0x20000,
		  .driver = 0x22000,
		  .device = 0x24000,
		  .kick_fd = -1,
		  .call_fd = -1 },
	};
	const struct vdpr_iova_range used = { 0x10000, 0x23fff };
	struct world w;
	(void)state;

	setup(&w, plain, "sim:quirk=exact-size");
	w.opts.flags = 0;
	w.opts.vrings = rings;
	w.opts.n_vrings = 2;
	w.opts.in_use = &used;
	w.opts.n_in_use = 1;
	run(&w);
	assert_int_equal(w.ret, -EPROTO);
	says(&w, "queue 1 has a ring of 64 entries, not of 256: snet",
	     "give the rings the size");
	has(vdpr_ctx_error(w.ctx), ", FAILED)");
	has(vdpr_ctx_error(w.ctx),
	    "the ring of queue 1 (0x20000, 0x22000, 0x24000) is not in the "
	    "memory in use");
	done(&w);
}

static void a_fault_of_the_device_has_a_cure(void **state)
{
	struct world w;
	(void)state;

	setup(&w, plain, "sim:hostile=len-huge");
	run(&w);
	assert_int_equal(w.ret, -EPROTO);
	says(&w, "device says it wrote", "kernel log");
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_found_by_the_name_of_its_call),
		cmocka_unit_test(
			what_holds_for_any_request_holds_for_nothing_else),
		cmocka_unit_test(a_failing_call_is_explained_in_one_line),
		cmocka_unit_test(the_class_of_a_failure_stays),
		cmocka_unit_test(eperm_tells_how_the_device_came_to_be_owned),
		cmocka_unit_test(each_known_reason_of_efault_is_found),
		cmocka_unit_test(several_reasons_are_all_said),
		cmocka_unit_test(a_size_is_read_from_the_status_of_a_process),
		cmocka_unit_test(efault_names_the_limit_of_locked_memory),
		cmocka_unit_test(
			efault_without_a_known_reason_says_what_was_excluded),
		cmocka_unit_test(efault_of_a_foreign_owner_names_the_owner),
		cmocka_unit_test(efault_names_the_mapping_that_is_in_the_way),
		cmocka_unit_test(missing_dependencies_are_named),
		cmocka_unit_test(demands_of_the_parent_are_named),
		cmocka_unit_test(features_ok_that_is_not_kept_names_the_set),
		cmocka_unit_test(
			driver_ok_that_is_not_kept_names_likely_reasons),
		cmocka_unit_test(rings_that_the_parent_does_not_take_are_named),
		cmocka_unit_test(a_fault_of_the_device_has_a_cure),
	};

	return cmocka_run_group_tests_name("diagnose", tests, NULL, NULL);
}
