/* SPDX-License-Identifier: MIT */
/* Stage 2 on devices that are open and on those that are not: the same judgement,
 * every reason at once. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "restore/engine.h"
#include "tests/texts.h"

#define KERNEL(a, b) ((unsigned int)(a) << 16 | (unsigned int)(b) << 8)

static struct vdpr_ctx *ctx;

static int setup(void **state)
{
	(void)state;
	return vdpr_ctx_new(&ctx) ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	vdpr_ctx_free(ctx);
	return 0;
}

/* A state by its features and the rest of its file. */
static struct vdpr_state *make(const char *offered, const char *negotiated,
			       const char *rest)
{
	return vdpr_test_state_of(ctx, offered, negotiated, rest);
}

#define WHOLE                                                             \
	"\"config\":{\"mac\":\"52:54:00:00:00:01\",\"link_up\":true,"     \
	"\"max_virtqueue_pairs\":4,\"mtu\":1500,\"rss_max_key_size\":40," \
	"\"rss_max_indirection_table_length\":128,"                       \
	"\"supported_hash_types\":[\"ipv4\",\"tcpv4\"]},"                 \
	"\"mac\":{\"address\":\"52:54:00:aa:bb:cc\",\"unicast\":[],"      \
	"\"multicast\":[],\"unicast_overflow\":false,"                    \
	"\"multicast_overflow\":false},"                                  \
	"\"rx_mode\":{\"promiscuous\":false,\"all_multicast\":true,"      \
	"\"all_unicast\":false,\"no_multicast\":false,"                   \
	"\"no_unicast\":false,\"no_broadcast\":false},"                   \
	"\"vlan\":{\"ids\":[42]},\"mq\":{\"queue_pairs\":4},"             \
	"\"rss\":{\"hash_types\":[\"ipv4\"],\"unclassified_queue\":0,"    \
	"\"max_tx_vq\":4,\"indirection_table\":[0,1,2,3],"                \
	"\"key\":\"00ff\"},\"offloads\":[\"guest_csum\"],\"unknown\":[]"
#define OFFERED "0x9230000330ffffaf"
#define NEGOTIATED "\"0x9000000130ffffaf\""

/* ----------------------------------------------------------------- judgement */

/* All reasons of a list as text: "kind name want/have|..." */
static char *all_reasons(const struct vdpr_report *report,
			 enum vdpr_reason_list list)
{
	struct vdpr_reason_info r = VDPR_INIT(struct vdpr_reason_info);
	struct vdpr_buf buf = { 0 };
	char *text = NULL;

	for (size_t i = 0; !vdpr_report_reason(report, list, i, &r); i++) {
		vdpr_buf_printf(&buf, "%s %s %s %s/%s|", r.section, r.kind,
				r.name, r.want, r.have);
		assert_true(*r.text);
	}
	assert_int_equal(vdpr_buf_take(&buf, &text, NULL), 0);
	return text;
}

static const char *const devices[] = {
	"sim",
	"sim:pairs=2,mtu=1400,key-size=20,table-size=64",
	"sim:features=-CTRL_VLAN-RSS",
	"sim:enable-after-driver-ok=off,mac=52:54:00:00:00:01",
	"sim:features=-MTU-CTRL_RX,table-size=2,pairs=1",
};

/* The same words from a device and from what is known of it. */
static void an_open_device_and_its_description_are_judged_alike(void **state)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_state *s = make(OFFERED, NEGOTIATED, WHOLE);

	(void)state;
	opts.flags = VDPR_RESTORE_EMPTY_RINGS | VDPR_RESTORE_ADVISE;
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		struct vdpr_target t = VDPR_INIT(struct vdpr_target);
		struct vdpr_dev_info info = VDPR_INIT(struct vdpr_dev_info);
		struct vdpr_report *open = NULL, *described = NULL;
		struct vdpr_dev *dev = NULL;
		int a, b;

		assert_int_equal(vdpr_dev_open(ctx, devices[i], &dev), 0);
		assert_int_equal(vdpr_dev_examine(ctx, dev, &info), 0);
		t.name = devices[i];
		t.info = &info;
		t.seen = VDPR_SEEN_ALL;
		a = vdpr_restore_check(ctx, dev, s, &opts, &open);
		b = vdpr_target_check(ctx, &t, s, &opts, &described);
		assert_int_equal(a, b);
		for (int i_list = VDPR_REFUSALS; i_list <= VDPR_WARNINGS;
		     i_list++) {
			enum vdpr_reason_list list =
				(enum vdpr_reason_list)i_list;
			char *x = all_reasons(open, list);
			char *y = all_reasons(described, list);

			assert_string_equal(x, y);
			free(x);
			free(y);
		}
		vdpr_report_free(open);
		vdpr_report_free(described);
		vdpr_dev_close(dev);
	}
	vdpr_state_free(s);
}

/* A device that can do everything the state asks for, but for the changes. */
struct known {
	struct vdpr_dev_info info;
	struct vdpr_target target;
};

static void know(struct known *k, const char *driver, uint64_t features)
{
	*k = (struct known){ .info = VDPR_INIT(struct vdpr_dev_info),
			     .target = VDPR_INIT(struct vdpr_target) };
	k->info.name = "vdpa0";
	k->info.driver = driver;
	k->info.features.word[0] = features;
	k->info.vqs = 9;
	k->target.name = "vdpa0";
	k->target.info = &k->info;
	k->target.seen = VDPR_SEEN_FEATURES;
}

static struct vdpr_report *judge(const struct known *k,
				 const struct vdpr_state *s, unsigned int flags,
				 int want)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_report *report = NULL;

	opts.flags = flags | VDPR_RESTORE_EMPTY_RINGS;
	assert_int_equal(vdpr_target_check(ctx, &k->target, s, &opts, &report),
			 want);
	assert_non_null(report);
	return report;
}

static bool has_reason(const struct vdpr_report *report,
		       enum vdpr_reason_list list, const char *part)
{
	char *all = all_reasons(report, list);
	bool found = strstr(all, part);

	if (!found)
		print_message("no %s in %s\n", part, all);
	free(all);
	return found;
}

static size_t count(const struct vdpr_report *report,
		    enum vdpr_reason_list list)
{
	struct vdpr_reason_info r = VDPR_INIT(struct vdpr_reason_info);
	size_t n = 0;

	while (!vdpr_report_reason(report, list, n, &r))
		n++;
	return n;
}

/* The masks of a well-known report: "Features 0x1c0010130afffaf unsupported.
 * Allowed features: 0x10179bfffef", and nothing said which. */
static void masks_become_names(void **state)
{
	struct vdpr_state *s = make(
		"0x1c0010130afffaf", "\"0x1c0010130afffaf\"",
		"\"config\": {}, \"mac\": {\"address\": \"52:54:00:00:00:01\","
		"\"unicast\":[],\"multicast\":[],\"unicast_overflow\":false,"
		"\"multicast_overflow\":false},\"rx_mode\":{"
		"\"promiscuous\":false,\"all_multicast\":false},"
		"\"vlan\":{\"ids\":[]},\"offloads\":[],\"unknown\":[]");
	struct vdpr_report *report;
	struct known k;
	char *all;

	(void)state;
	know(&k, "", 0x10179bfffef);
	report = judge(&k, s, 0, -ENOTSUP);
	all = all_reasons(report, VDPR_REFUSALS);
	assert_string_equal(
		all, "features feature GUEST_USO4 negotiated/not offered|"
		     "features feature GUEST_USO6 negotiated/not offered|"
		     "features feature HOST_USO negotiated/not offered|");
	assert_non_null(strstr(vdpr_ctx_error(ctx), "HOST_USO (bit 56)"));
	free(all);
	vdpr_report_free(report);
	vdpr_state_free(s);
}

/* Features, limits and what is unknown, in one answer. */
static void every_reason_comes_at_once(void **state)
{
	struct vdpr_state *s =
		make(OFFERED, NEGOTIATED,
		     "\"config\":{\"max_virtqueue_pairs\":4,\"mtu\":9000},"
		     "\"mq\":{\"queue_pairs\":4},\"unknown\":[\"mac\",\"rss\","
		     "\"rx_mode\",\"vlan\",\"offloads\"]");
	struct vdpr_report *report;
	struct known k;

	(void)state;
	know(&k, "", 0x1000000330bfffaf); /* no MQ, no SPEED_DUPLEX */
	k.info.config.has = VDPR_CONFIG_MAX_PAIRS | VDPR_CONFIG_MTU;
	k.info.config.max_virtqueue_pairs = 2;
	k.info.config.mtu = 1500;
	report = judge(&k, s, 0, -ENOTSUP);
	assert_true(has_reason(report, VDPR_REFUSALS, "mac unknown mac known"));
	assert_true(has_reason(report, VDPR_REFUSALS, "rss unknown rss known"));
	assert_true(has_reason(report, VDPR_REFUSALS, "features feature MQ "));
	assert_true(has_reason(report, VDPR_REFUSALS,
			       "config limit max_virtqueue_pairs 4/2"));
	assert_true(has_reason(report, VDPR_REFUSALS,
			       "mq limit max_virtqueue_pairs 4/2"));
	assert_true(has_reason(report, VDPR_REFUSALS,
			       "config limit mtu 9000/1500"));
	assert_true(has_reason(report, VDPR_WARNINGS,
			       "features feature SPEED_DUPLEX"));
	vdpr_report_free(report);
	/* On the caller's word the unknown is left as it is, which is said. */
	report = judge(&k, s,
		       VDPR_RESTORE_UNKNOWN_DEFAULT | VDPR_RESTORE_ADVISE,
		       -ENOTSUP);
	assert_true(has_reason(report, VDPR_WARNINGS, "mac unknown mac known"));
	vdpr_report_free(report);
	vdpr_state_free(s);
}

/* 0x1000a0000: CTRL_VQ and CTRL_VLAN; bit 28 is INDIRECT_DESC. */
static void rings_of_one_entry_need_indirect_descriptors(void **state)
{
	static const struct {
		uint64_t features;
		uint16_t vring_num;
		unsigned int seen;
		int want;
	} table[] = {
		{ 0x1000a0000, 1, VDPR_SEEN_VRING_NUM, -ENOTSUP },
		{ 0x1000a0000, 2, VDPR_SEEN_VRING_NUM, 0 },
		{ 0x1000a0000, 0, VDPR_SEEN_VRING_NUM, 0 }, /* not told */
		{ 0x1000a0000, 1, 0, 0 },
		{ 0x1100a0000, 1, VDPR_SEEN_VRING_NUM, 0 },
		{ 0x100000000, 1, VDPR_SEEN_VRING_NUM, 0 }, /* no CVQ */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct vdpr_report *report;
		struct vdpr_state *s;
		struct known k;
		char mask[24], offered[24];

		snprintf(mask, sizeof(mask), "\"0x%" PRIx64 "\"",
			 table[i].features);
		snprintf(offered, sizeof(offered), "0x%" PRIx64,
			 table[i].features);
		s = make(offered, mask,
			 table[i].features & 0x80000
				 ? "\"config\":{},\"vlan\":{\"ids\":[]},"
				   "\"unknown\":[]"
				 : "\"config\":{},\"unknown\":[]");
		know(&k, "", table[i].features);
		k.info.vring_num = table[i].vring_num;
		k.target.seen |= table[i].seen | VDPR_SEEN_BACKEND;
		k.info.backend_features = 0x40;
		report = judge(&k, s, 0, table[i].want);
		assert_true(!table[i].want ||
			    has_reason(report, VDPR_REFUSALS,
				       "device limit cvq_size at least 2/1|"));
		vdpr_report_free(report);
		vdpr_state_free(s);
	}
}

static const struct vdpr_dev_ops *its_ops;

/* vdpa_sim says so until the ring is set up. */
static int size_0(struct vdpr_dev *dev, unsigned long request, void *arg)
{
	int ret = its_ops->ioctl(dev, request, arg);

	if (!ret && request == VHOST_VDPA_GET_VRING_SIZE)
		((struct vhost_vring_state *)arg)->num = 0;
	return ret;
}

static void a_size_that_is_not_told_is_no_reason(void **state)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_state *s = make("0x1000a0000", "\"0x1000a0000\"",
				    "\"config\":{},\"vlan\":{\"ids\":[]},"
				    "\"unknown\":[]");
	struct vdpr_dev_ops ops;
	struct vdpr_dev *dev;

	(void)state;
	opts.flags = VDPR_RESTORE_EMPTY_RINGS | VDPR_RESTORE_ADVISE;
	assert_int_equal(vdpr_dev_open(ctx, "sim:cvq-size=1", &dev), 0);
	assert_int_equal(vdpr_restore_check(ctx, dev, s, &opts, NULL),
			 -ENOTSUP);
	its_ops = dev->ops;
	ops = *its_ops;
	ops.ioctl = size_0;
	dev->ops = &ops;
	assert_int_equal(vdpr_restore_check(ctx, dev, s, &opts, NULL), 0);
	dev->ops = its_ops;
	vdpr_dev_close(dev);
	vdpr_state_free(s);
}

static void unknown_features_are_one_reason_among_others(void **state)
{
	struct vdpr_state *s = make("0x300830028", "null",
				    "\"config\":{\"mtu\":1400},\"unknown\":[]");
	struct vdpr_report *report;
	struct known k;

	(void)state;
	know(&k, "", 0x300030028);
	k.info.config.has = VDPR_CONFIG_MTU;
	k.info.config.mtu = 1300;
	report = judge(&k, s, 0, -ENOTSUP);
	assert_true(has_reason(report, VDPR_REFUSALS,
			       "features unknown negotiated known/unknown"));
	assert_true(has_reason(report, VDPR_REFUSALS,
			       "config limit mtu 1400/1300"));
	assert_true(has_reason(report, VDPR_WARNINGS,
			       "CTRL_MAC_ADDR offered/not offered"));
	vdpr_report_free(report);
	vdpr_state_free(s);
}

/* ---------------------------------------------------------------- not seen */

#define SMALL                                          \
	"\"config\":{\"mac\":\"52:54:00:00:00:01\"},"  \
	"\"mac\":{\"address\":\"52:54:00:aa:bb:cc\"}," \
	"\"vrings\":[{\"index\":0,\"size\":1024}],"    \
	"\"unknown\":[]"
#define SMALL_FEATURES "0x100820020"

static void what_was_not_seen_is_a_warning(void **state)
{
	struct vdpr_state *s =
		make(SMALL_FEATURES, "\"" SMALL_FEATURES "\"", SMALL);
	struct vdpr_report *report;
	struct known k;

	(void)state;
	know(&k, "", 0x300820020);
	report = judge(&k, s, VDPR_RESTORE_ADVISE, 0);
	assert_true(
		has_reason(report, VDPR_WARNINGS,
			   "device unknown ENABLE_AFTER_DRIVER_OK /not seen"));
	assert_true(has_reason(report, VDPR_WARNINGS,
			       "vrings unknown size /not seen"));
	vdpr_report_free(report);
	/* Seen, and it is not there. */
	k.target.seen = VDPR_SEEN_ALL;
	k.info.vring_num = 256;
	report = judge(&k, s, VDPR_RESTORE_ADVISE, -ENOTSUP);
	assert_true(has_reason(report, VDPR_REFUSALS,
			       "device device ENABLE_AFTER_DRIVER_OK "));
	assert_true(has_reason(report, VDPR_WARNINGS,
			       "vrings limit size 1024/256"));
	vdpr_report_free(report);
	/* Nothing is known at all: nothing is refused. */
	k.target.seen = 0;
	k.info.features.word[0] = 0;
	report = judge(&k, s, 0, 0);
	assert_true(
		has_reason(report, VDPR_WARNINGS, "features unknown offered"));
	vdpr_report_free(report);
	vdpr_state_free(s);
}

static void a_mac_that_differs_is_advice_only(void **state)
{
	struct vdpr_state *s =
		make(SMALL_FEATURES, "\"" SMALL_FEATURES "\"", SMALL);
	static const char text[] =
		"config config mac 52:54:00:00:00:01/52:54:00:00:00:02";
	struct vdpr_report *report;
	struct known k;

	(void)state;
	know(&k, "", 0x300820020);
	k.info.config.has = VDPR_CONFIG_MAC;
	memcpy(k.info.config.mac, "\x52\x54\0\0\0\x02", 6);
	report = judge(&k, s, VDPR_RESTORE_ADVISE, 0);
	assert_true(has_reason(report, VDPR_WARNINGS, text));
	vdpr_report_free(report);
	report = judge(&k, s, 0, 0);
	assert_int_equal(count(report, VDPR_WARNINGS), 1); /* bit 6 */
	vdpr_report_free(report);
	vdpr_state_free(s);
}

/* ------------------------------------------------------------------- drivers */

static const struct {
	const char *driver;
	unsigned int kernel;
	const char *says; /* in a warning */
	bool not ;	  /* must not be said */
} hints[] = {
	{ "mlx5_core", KERNEL(6, 1), "before Linux 6.9 uses a control", false },
	{ "mlx5_core", KERNEL(6, 12), "before Linux 6.9 uses a control", true },
	{ "mlx5_core.sf", KERNEL(6, 1), "does not offer ENABLE_AFTER", false },
	{ "mlx5_core", KERNEL(6, 7), "does not offer ENABLE_AFTER", true },
	{ "mlx5_core", KERNEL(6, 12), "the order is not kept", false },
	{ "vp-vdpa", KERNEL(6, 12), "no ring base but the initial", false },
	{ "vp-vdpa", KERNEL(6, 12), "does not offer ENABLE_AFTER", false },
	{ "pds_vdpa.vDPA", KERNEL(6, 12), "only in the kernel log", false },
	{ "vdpasim_net", KERNEL(6, 12), "acknowledges a refused", false },
	{ "vdpasim_net", KERNEL(6, 12), "does not offer ENABLE_AFTER", true },
	{ "vduse", 0, "takes no network device with a control", false },
	{ "ifcvf", 0, "does not offer ENABLE_AFTER", false },
	{ "snet-vdpa-driver", 0, "takes no other ring size", false },
	{ "unheard-of", 0, "does not offer ENABLE_AFTER", true },
};

static bool warns(const struct vdpr_report *report, const char *part)
{
	struct vdpr_reason_info r = VDPR_INIT(struct vdpr_reason_info);

	for (size_t i = 0; !vdpr_report_reason(report, VDPR_WARNINGS, i, &r);
	     i++)
		if (strstr(r.text, part))
			return true;
	return false;
}

static void drivers_are_known_by_their_names(void **state)
{
	struct vdpr_state *s =
		make(SMALL_FEATURES, "\"" SMALL_FEATURES "\"", SMALL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
		struct vdpr_report *report;
		struct known k;

		know(&k, hints[i].driver, 0x300820020);
		k.target.kernel = hints[i].kernel;
		report = judge(&k, s, VDPR_RESTORE_ADVISE, 0);
		if (warns(report, hints[i].says) == hints[i].not )
			fail_msg("%s, %x: %s", hints[i].driver, hints[i].kernel,
				 hints[i].says);
		vdpr_report_free(report);
	}
	vdpr_state_free(s);
}

/* What a driver insists on is refused, open or not. */
static void demands_of_a_driver_are_refusals(void **state)
{
	struct vdpr_state *s =
		make(SMALL_FEATURES, "\"" SMALL_FEATURES "\"", SMALL);
	struct vdpr_report *report;
	struct known k;

	(void)state;
	know(&k, "octep_vdpa", 0x4700820020);
	report = judge(&k, s, 0, -ENOTSUP);
	assert_true(has_reason(report, VDPR_REFUSALS, "RING_PACKED"));
	vdpr_report_free(report);
	vdpr_state_free(s);
}

/* --------------------------------------------------------------- the caller */

static void structs_of_other_sizes_are_understood(void **state)
{
	struct vdpr_state *s =
		make(SMALL_FEATURES, "\"" SMALL_FEATURES "\"", SMALL);
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_reason_info r = { .size = offsetof(struct vdpr_reason_info,
						       want),
				      .want = "untouched" };
	struct vdpr_report *report = NULL;
	struct known k;

	(void)state;
	know(&k, "", 0x300820020);
	report = judge(&k, s, 0, 0);
	assert_int_equal(vdpr_report_reason(report, VDPR_WARNINGS, 0, &r), 0);
	assert_string_equal(r.section, "device");
	assert_string_equal(r.want, "untouched");
	assert_int_equal(r.size, offsetof(struct vdpr_reason_info, want));
	assert_int_equal(vdpr_report_reason(report, VDPR_WARNINGS, 1, &r),
			 -ERANGE);
	assert_int_equal(vdpr_report_reason(report, VDPR_REFUSALS, 0, &r),
			 -ERANGE);
	vdpr_report_free(report);
	report = NULL;
	k.target.size = 1;
	assert_int_equal(vdpr_target_check(ctx, &k.target, s, NULL, &report),
			 -EINVAL);
	know(&k, "", 0);
	opts.flags = 1u << 31;
	assert_int_equal(vdpr_target_check(ctx, &k.target, s, &opts, &report),
			 -EINVAL);
	assert_null(report);
	vdpr_state_free(s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(
		an_open_device_and_its_description_are_judged_alike, setup,
		teardown),
	cmocka_unit_test_setup_teardown(masks_become_names, setup, teardown),
	cmocka_unit_test_setup_teardown(
		rings_of_one_entry_need_indirect_descriptors, setup, teardown),
	cmocka_unit_test_setup_teardown(a_size_that_is_not_told_is_no_reason,
					setup, teardown),
	cmocka_unit_test_setup_teardown(every_reason_comes_at_once, setup,
					teardown),
	cmocka_unit_test_setup_teardown(
		unknown_features_are_one_reason_among_others, setup, teardown),
	cmocka_unit_test_setup_teardown(what_was_not_seen_is_a_warning, setup,
					teardown),
	cmocka_unit_test_setup_teardown(a_mac_that_differs_is_advice_only,
					setup, teardown),
	cmocka_unit_test_setup_teardown(drivers_are_known_by_their_names, setup,
					teardown),
	cmocka_unit_test_setup_teardown(demands_of_a_driver_are_refusals, setup,
					teardown),
	cmocka_unit_test_setup_teardown(structs_of_other_sizes_are_understood,
					setup, teardown),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
