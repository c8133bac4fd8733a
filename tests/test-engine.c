/* SPDX-License-Identifier: MIT */
/* The restore engine on the simulator: order, counts, refusals, undo. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "restore/engine.h"
#include "tests/wrap-dev.h"

/* A guest of four pairs with a little of everything. */
static const char full[] =
	"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1,"
	"\"features\":{\"offered\":\"0x9230000330ffffaf\","
	"\"negotiated\":\"0x9030000130ffffaf\"},"
	"\"config\":{\"mac\":\"52:54:00:00:00:01\",\"link_up\":true,"
	"\"announce\":false,\"max_virtqueue_pairs\":4,\"mtu\":1500,"
	"\"rss_max_key_size\":40,\"rss_max_indirection_table_length\":128,"
	"\"supported_hash_types\":[\"ipv4\",\"tcpv4\"]},"
	"\"mac\":{\"address\":\"52:54:00:aa:bb:cc\","
	"\"unicast\":[\"52:54:00:aa:bb:cd\"],"
	"\"multicast\":[\"33:33:00:00:00:01\"],"
	"\"unicast_overflow\":false,\"multicast_overflow\":false},"
	"\"rx_mode\":{\"promiscuous\":false,\"all_multicast\":true,"
	"\"all_unicast\":false,\"no_multicast\":false,\"no_unicast\":false,"
	"\"no_broadcast\":false},"
	"\"vlan\":{\"ids\":[0,42,\"100-199\"]},\"mq\":{\"queue_pairs\":4},"
	"\"rss\":{\"hash_types\":[\"ipv4\"],\"unclassified_queue\":0,"
	"\"max_tx_vq\":4,\"indirection_table\":[0,1,2,3],\"key\":\"00ff\"},"
	"\"offloads\":[\"guest_csum\"],"
	"\"coalescing\":{\"rx\":{\"max_packets\":64,\"max_usecs\":50},"
	"\"tx\":{\"max_packets\":0,\"max_usecs\":0},"
	"\"queues\":[{\"index\":3,\"max_packets\":8,\"max_usecs\":9}]},"
	"\"unknown\":[]}\n";

/* RSS without MQ: the control virtqueue is behind all pairs all the same. */
static const char rss_only[] =
	"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1,"
	"\"features\":{\"offered\":\"0x9230000330ffffaf\","
	"\"negotiated\":\"0x1000000100020020\"},"
	"\"config\":{\"mac\":\"52:54:00:00:00:01\","
	"\"max_virtqueue_pairs\":4},"
	"\"rss\":{\"hash_types\":[],\"unclassified_queue\":3,"
	"\"max_tx_vq\":2,\"indirection_table\":[3],\"key\":\"\"},"
	"\"unknown\":[]}\n";

/* Only VERSION_1, MAC: a guest that has no control virtqueue. */
static const char no_cvq[] =
	"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1,"
	"\"features\":{\"offered\":\"0x100000020\","
	"\"negotiated\":\"0x100000020\"},"
	"\"config\":{\"mac\":\"52:54:00:00:00:01\"},\"unknown\":[]}\n";

#define MAC_ONLY(features)                                               \
	"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1," \
	"\"features\":{\"offered\":\"" features                          \
	"\",\"negotiated\":\"" features                                  \
	"\"},\"config\":{},\"mac\":{\"address\":\"52:54:00:aa:bb:cc\"}," \
	"\"unknown\":[]}\n"

/* CTRL_VQ, CTRL_MAC_ADDR, VERSION_1 and one more. */
static const char mac_only[] = MAC_ONLY("0x100820000");

struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	struct wrap *wrap;
	struct vdpr_report *report;
	struct vdpr_restore_opts opts;
	int ret;
};

static void setup(struct world *w, const char *text, const char *dev,
		  uint32_t cvq)
{
	memset(w, 0, sizeof(*w));
	w->opts.size = sizeof(w->opts);
	w->opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	if (vdpr_state_parse(w->ctx, text, strlen(text), &w->state))
		fail_msg("%s", vdpr_ctx_error(w->ctx));
	w->wrap = wrap_open(dev, cvq);
}

static void run(struct world *w)
{
	vdpr_report_free(w->report);
	w->report = NULL;
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

static void setup_and_run(struct world *w, const char *text, const char *dev,
			  uint32_t cvq)
{
	setup(w, text, dev, cvq);
	run(w);
	if (w->ret)
		print_message("%s\n", vdpr_ctx_error(w->ctx));
}

/* The same state with other negotiated features; freed by the caller. */
static char *with_features(const char *text, uint64_t add, uint64_t drop)
{
	static const char key[] = "\"negotiated\":\"0x";
	const char *at = strstr(text, key);
	struct vdpr_buf out = { 0 };
	char *end, *result;
	uint64_t mask;

	assert_non_null(at);
	at += strlen(key);
	mask = (strtoull(at, &end, 16) | add) & ~drop;
	vdpr_buf_add(&out, text, (size_t)(at - text));
	vdpr_buf_printf(&out, "%llx%s", (unsigned long long)mask, end);
	assert_int_equal(vdpr_buf_take(&out, &result, NULL), 0);
	return result;
}

#define EVENT_IDX BIT_ULL(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)
#define PACKED BIT_ULL(VIRTIO_F_RING_PACKED)
#define IN_ORDER BIT_ULL(VIRTIO_F_IN_ORDER)
#define NOTIFY_DATA BIT_ULL(VIRTIO_F_NOTIFICATION_DATA)

/* Every format of the ring that a guest can have negotiated. */
static const struct format {
	const char *dev; /* features of the simulator */
	uint64_t add, drop;
	bool half; /* two entries a command */
} formats[] = {
	{ "mtu=1500", 0, 0, false },
	{ "mtu=1500", 0, EVENT_IDX, false },
	{ "mtu=1500", 0, INDIRECT, true },
	{ "mtu=1500", 0, INDIRECT | EVENT_IDX, true },
	{ "features=+IN_ORDER", IN_ORDER, 0, false },
	{ "features=+IN_ORDER", IN_ORDER, INDIRECT | EVENT_IDX, true },
	{ "features=+RING_PACKED", PACKED, 0, false },
	{ "features=+RING_PACKED", PACKED, EVENT_IDX, false },
	{ "features=+RING_PACKED", PACKED, INDIRECT, true },
	{ "features=+RING_PACKED", PACKED, INDIRECT | EVENT_IDX, true },
	{ "features=+RING_PACKED+IN_ORDER", PACKED | IN_ORDER, 0, false },
	{ "features=+RING_PACKED+IN_ORDER", PACKED | IN_ORDER, INDIRECT, true },
	{ "quirk=doorbell", PACKED | NOTIFY_DATA, 0, false },
	{ "quirk=doorbell", PACKED | NOTIFY_DATA, INDIRECT | EVENT_IDX, true },
};

static void setup_format(struct world *w, const struct format *format,
			 const char *more)
{
	char *text = with_features(full, format->add, format->drop);
	char dev[160];

	snprintf(dev, sizeof(dev), "sim:%s%s", format->dev, more);
	setup(w, text, dev, 8);
	free(text);
}

static bool error_has(const struct world *w, const char *part)
{
	bool has = strstr(vdpr_ctx_error(w->ctx), part) != NULL;

	if (!has)
		print_message("wanted '%s' in: %s\n", part,
			      vdpr_ctx_error(w->ctx));
	return has;
}

/* ------------------------------------------------------------------- order */

static void data_queues_are_enabled_after_the_last_used_command(void **state)
{
	struct world w;
	size_t at, enables = 0;
	(void)state;

	/* The delay makes an early enable certain to be seen. */
	setup_and_run(&w, full, "sim:delay=200", 8);
	assert_int_equal(w.ret, 0);
	at = wrap_find(w.wrap, 0, VHOST_VDPA_SET_VRING_ENABLE, -1);
	assert_int_equal(w.wrap->event[at].index, 8);
	/* The first ring-full may lie ready; none of it is used yet. */
	assert_in_range(w.wrap->event[at].shown, 1, 64);
	assert_int_equal(w.wrap->event[at].used, 0);
	for (at++; at < w.wrap->n; at++) {
		const struct wrap_event *event = &w.wrap->event[at];

		if (event->request != VHOST_VDPA_SET_VRING_ENABLE)
			continue;
		enables++;
		assert_true(event->index < 8);
		assert_int_equal(event->value, 1);
		assert_int_equal(event->shown, w.report->plan->n_before);
		assert_int_equal(event->used, w.report->plan->n_before);
	}
	assert_int_equal(enables, 8);
	done(&w);
}

static void calls_come_in_the_order_that_all_parents_accept(void **state)
{
	static const struct {
		unsigned long request;
		uint64_t value;
	} order[] = {
		{ VHOST_SET_OWNER, 0 },
		{ VHOST_SET_BACKEND_FEATURES, 0x4a },
		{ VHOST_VDPA_SET_STATUS, 1 },
		{ VHOST_VDPA_SET_STATUS, 3 },
		{ VHOST_SET_FEATURES, 0x9030000330ffffaf },
		{ VHOST_VDPA_SET_STATUS, 0xb },
		{ VHOST_VDPA_SET_GROUP_ASID, 1 },
		{ VHOST_VDPA_SET_VRING_ENABLE, 1 },
		{ VHOST_VDPA_SET_STATUS, 0xf },
		{ VHOST_VDPA_SET_VRING_ENABLE, 1 },
	};
	struct world w;
	size_t at = 0;
	(void)state;

	setup_and_run(&w, full, "sim", 8);
	assert_int_equal(w.ret, 0);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		at = wrap_find(w.wrap, at, order[i].request, -1);
		assert_true(at < w.wrap->n);
		assert_int_equal(w.wrap->event[at].value, order[i].value);
		at++;
	}
	/* Every ring call and mapping comes before DRIVER_OK. */
	at = wrap_find(w.wrap, 0, VHOST_VDPA_SET_STATUS, -1);
	while (w.wrap->event[at].value != 0xf)
		at = wrap_find(w.wrap, at + 1, VHOST_VDPA_SET_STATUS, -1);
	assert_int_equal(wrap_find(w.wrap, at, VHOST_SET_VRING_ADDR, -1),
			 w.wrap->n);
	assert_int_equal(wrap_find(w.wrap, at, 0, -1), w.wrap->n);
	done(&w);
}

static void per_queue_coalescing_follows_the_enables(void **state)
{
	struct world w;
	const struct vdpr_plan *plan;
	(void)state;

	setup_and_run(&w, full, "sim", 8);
	assert_int_equal(w.ret, 0);
	plan = w.report->plan;
	assert_int_equal(plan->count - plan->n_before, 1);
	assert_int_equal(w.report->result[plan->count - 1].ack, 0);
	/* The simulator refuses it on a queue that is not enabled. */
	assert_int_equal(w.report->n_enabled, 8);
	assert_int_equal(w.report->warnings.count, 0);
	done(&w);
}

static void without_a_control_virtqueue_there_is_nothing_to_replay(void **state)
{
	struct world w;
	(void)state;

	setup_and_run(&w, no_cvq, "sim:enable-after-driver-ok=off", 2);
	assert_int_equal(w.ret, 0);
	assert_int_equal(w.report->n_sent, 0);
	assert_int_equal(w.report->kicks, 0);
	assert_int_equal(w.report->n_enabled, 2);
	assert_false(w.report->has_cvq);
	done(&w);
}

static void rss_alone_moves_the_control_virtqueue_behind_all_pairs(void **state)
{
	struct world w;
	size_t at;
	(void)state;

	setup_and_run(&w, rss_only, "sim", 8);
	assert_int_equal(w.ret, 0);
	at = wrap_find(w.wrap, 0, VHOST_VDPA_SET_VRING_ENABLE, -1);
	assert_int_equal(w.wrap->event[at].index, 8);
	/* max_tx_vq sets the pairs. */
	assert_int_equal(w.report->n_enabled, 4);
	assert_int_equal(w.report->n_sent, 1);
	done(&w);
}

/* ------------------------------------------------------ memory and ring sizes */

static void isolated_cvq_gets_an_address_space_of_its_own(void **state)
{
	struct world w;
	size_t at;
	(void)state;

	setup_and_run(&w, full, "sim", 8);
	assert_int_equal(w.ret, 0);
	assert_true(w.report->isolated);
	assert_int_equal(w.report->cvq_asid, 1);
	at = wrap_find(w.wrap, 0, VHOST_VDPA_SET_GROUP_ASID, -1);
	assert_int_equal(w.wrap->event[at].index, 1);
	assert_int_equal(w.wrap->event[at].value, 1);
	done(&w);
}

static void shared_space_puts_the_cvq_above_the_vmms_memory(void **state)
{
	struct vdpr_iova_range in_use[2];
	struct world w;
	uint64_t top;
	(void)state;

	setup_and_run(&w, mac_only, "sim:isolated=off", 2);
	assert_int_equal(w.ret, 0);
	assert_false(w.report->isolated);
	assert_int_equal(w.report->cvq_asid, 0);
	assert_int_equal(wrap_count(w.wrap, VHOST_VDPA_SET_GROUP_ASID), 0);
	top = w.report->cvq_iova.last;
	done(&w);

	/* With that taken, and more below, the next free pages are used. */
	in_use[0] = (struct vdpr_iova_range){ top - 0xfff, top };
	in_use[1] = (struct vdpr_iova_range){ top - 0x2fff, top - 0x2000 };
	setup(&w, mac_only, "sim:isolated=off", 2);
	w.opts.in_use = in_use;
	w.opts.n_in_use = 2;
	w.opts.flags = 0;
	run(&w);
	assert_int_equal(w.ret, 0);
	assert_true(w.report->cvq_iova.last < top - 0x2fff);
	done(&w);
}

/* What size the control virtqueue gets on which device. */
static const struct {
	const char *dev;
	uint32_t num;
} sizes[] = {
	{ "sim", 64 },
	{ "sim:cvq-size=8", 8 },
	{ "sim:cvq-size=1024", 256 },
	{ "sim:quirk=cvq16", 16 },
	{ "sim:quirk=exact-size", 256 },
	{ "sim:quirk=exact-size,queue-size=32", 32 },
	{ "sim:queue-size=32", 64 },
};

static void ring_size_is_what_the_device_can_take(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct world w;

		setup_and_run(&w, full, sizes[i].dev, 8);
		if (w.ret)
			fail_msg("%s: %s", sizes[i].dev, vdpr_ctx_error(w.ctx));
		assert_int_equal(w.wrap->queue[8].num, sizes[i].num);
		done(&w);
	}
}

static size_t ring_fulls(size_t commands, size_t capacity)
{
	return (commands + capacity - 1) / capacity;
}

static void kicks_are_at_most_one_a_ring_full(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		for (unsigned int size = 1; size <= 256; size *= 2) {
			size_t full_ring = formats[i].half ? size / 2 : size;
			char more[64];
			struct world w;
			size_t before, late;

			if (!full_ring)
				continue;
			snprintf(more, sizeof(more), ",cvq-size=%u", size);
			setup_format(&w, &formats[i], more);
			run(&w);
			if (w.ret)
				fail_msg("%s", vdpr_ctx_error(w.ctx));
			before = w.report->plan->n_before;
			late = 2 * (w.report->plan->count - before);
			/* The late commands, each with a question whether it is
			 * kept, are a row of their own. Fewer where the device
			 * is awake and wants none. */
			assert_true(w.report->kicks >= 1);
			assert_true(w.report->kicks <=
				    ring_fulls(before, full_ring) +
					    ring_fulls(late, full_ring));
			done(&w);
		}
	}
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	struct vdpr_buf text = { 0 };
	char part[4096], *result;
	size_t len;

	assert_non_null(file);
	while ((len = fread(part, 1, sizeof(part), file)) > 0)
		vdpr_buf_add(&text, part, len);
	fclose(file);
	assert_int_equal(vdpr_buf_take(&text, &result, NULL), 0);
	return result;
}

/* What the device holds, from its control sections on. */
static char *told(const struct format *format)
{
	char path[] = "/tmp/vdpr-test-XXXXXX", more[64];
	int fd = mkstemp(path);
	struct world w;
	char *text, *at;

	assert_true(fd >= 0);
	close(fd);
	snprintf(more, sizeof(more), ",dump=%s", path);
	setup_format(&w, format, more);
	run(&w);
	if (w.ret)
		fail_msg("%s", vdpr_ctx_error(w.ctx));
	done(&w);
	text = read_file(path);
	unlink(path);
	at = strstr(text, "\"vrings\"");
	assert_non_null(at);
	*at = '\0';
	at = strstr(text, "\"mac\": {");
	assert_non_null(at);
	at = strdup(at);
	free(text);
	return at;
}

static void every_ring_format_tells_the_device_the_same(void **state)
{
	char *first = told(&formats[0]);
	(void)state;

	assert_non_null(strstr(first, "\"00ff\""));
	for (size_t i = 1; i < ARRAY_SIZE(formats); i++) {
		char *other = told(&formats[i]);

		assert_string_equal(other, first);
		free(other);
	}
	free(first);
}

/* ---------------------------------------------------------- the caller's rings */

/* It goes to its end, and neither the run nor its ring know of it. */
static void the_replay_is_rehearsed_in_every_format(void **state)
{
	struct vdpr_plan plan = { .n_before = 1, .count = 1 };
	struct vdpr_report report = { .plan = &plan };
	struct vdpr_dev dev = { 0 };
	struct vdpr_cvq cvq, before;
	struct vdpr_run run;
	(void)state;

	for (unsigned int bits = 0; bits < 16; bits++) {
		memset(&cvq, 0, sizeof(cvq));
		memset(&run, 0, sizeof(run));
		cvq.ring.format = (struct vdpr_ring_format){
			.ops = bits & 1 ? &vdpr_ring_packed : &vdpr_ring_split,
			.event_idx = bits & 2,
			.indirect = bits & 4,
			.in_order = bits & 8,
		};
		before = cvq;
		run.dev = &dev;
		run.cvq = &cvq;
		run.report = &report;
		assert_int_equal(vdpr_run_rehearse(&run), 0);
		assert_memory_equal(&cvq, &before, sizeof(cvq));
		assert_int_equal(report.n_sent, 0);
		assert_int_equal(run.n_done, 0);
	}
}

static void callers_rings_and_eventfds_are_used_as_given(void **state)
{
	struct vdpr_vring rings[2];
	struct world w;
	struct pollfd kicked;
	(void)state;

	setup(&w, mac_only, "sim", 2);
	memset(rings, 0, sizeof(rings));
	for (unsigned int i = 0; i < 2; i++) {
		rings[i].size = sizeof(rings[i]);
		rings[i].index = i;
		rings[i].num = 128u << i;
		rings[i].base = 7 + i;
		rings[i].desc = 0x10000 + i * 0x10000;
		rings[i].driver = rings[i].desc + 0x1000;
		rings[i].device = rings[i].desc + 0x2000;
		rings[i].kick_fd = -1;
		rings[i].call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	w.opts.flags = 0;
	w.opts.vrings = rings;
	w.opts.n_vrings = 2;
	run(&w);
	assert_int_equal(w.ret, 0);
	for (unsigned int i = 0; i < 2; i++) {
		const struct wrap_queue *queue = &w.wrap->queue[i];

		assert_int_equal(queue->num, rings[i].num);
		assert_int_equal(queue->base, rings[i].base);
		assert_true(queue->desc == rings[i].desc);
		assert_true(queue->driver == rings[i].driver);
		assert_true(queue->device == rings[i].device);
	}
	assert_int_equal(wrap_count(w.wrap, VHOST_SET_VRING_KICK), 1);
	/* A call that came while the queue stood still is not lost. */
	kicked = (struct pollfd){ .fd = rings[1].call_fd, .events = POLLIN };
	assert_int_equal(poll(&kicked, 1, 0), 1);
	assert_int_equal(w.report->n_enabled, 2);
	done(&w);
	close(rings[0].call_fd);
	close(rings[1].call_fd);
}

/* ---------------------------------------------------------------- refusals */

static bool touched(const struct wrap *wrap)
{
	static const unsigned long setters[] = {
		VHOST_SET_OWNER,
		VHOST_SET_FEATURES,
		VHOST_VDPA_SET_STATUS,
		VHOST_SET_BACKEND_FEATURES,
		VHOST_SET_VRING_NUM,
		VHOST_VDPA_SET_VRING_ENABLE,
		0,
	};

	for (size_t i = 0; i < ARRAY_SIZE(setters); i++)
		if (wrap_count(wrap, setters[i]))
			return true;
	return false;
}

/* What stage 2 refuses, by name, with nothing set on the device. */
static const struct {
	const char *state, *dev, *says;
	unsigned int flags;
} refusals[] = {
	{ full, "sim:features=-CTRL_VLAN", "CTRL_VLAN (bit 19)", 0 },
	{ full, "sim:features=-RSS-CTRL_RX", "RSS (bit 60)", 0 },
	{ full, "sim:features=-RSS-CTRL_RX", "CTRL_RX (bit 18)", 0 },
	{ full, "sim:pairs=2", "config: the guest has max_virtqueue_pairs 4",
	  0 },
	{ full, "sim:mtu=1400",
	  "config: the guest has mtu 1500, the device 1400", 0 },
	{ full, "sim:key-size=20", "rss_max_key_size", 0 },
	{ full, "sim:table-size=64", "rss_max_indirection_table_length", 0 },
	{ full, "sim:enable-after-driver-ok=off", "bit 6", 0 },
	{ full, "sim:features=-MTU", "MTU (bit 3)",
	  VDPR_RESTORE_STRICT_FEATURES },
	{ mac_only, "sim:quirk=doorbell", "RING_PACKED (bit 34) is demanded",
	  0 },
	{ MAC_ONLY("0x820000"), "sim", "VERSION_1 (bit 32)", 0 },
	{ MAC_ONLY("0x100820010"), "sim", "bit_4 (bit 4)", 0 },
	{ MAC_ONLY("0x20000000100820000"), "sim",
	  "GUEST_UDP_TUNNEL_GSO (bit 65)", 0 },
};

static void what_does_not_fit_is_refused_before_anything_is_set(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct world w;

		setup(&w, refusals[i].state, refusals[i].dev, 8);
		w.opts.flags |= refusals[i].flags;
		run(&w);
		assert_int_equal(w.ret, -ENOTSUP);
		assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_REFUSED);
		assert_true(error_has(&w, refusals[i].says));
		assert_false(touched(w.wrap));
		done(&w);
	}
}

static void bit_six_names_the_option_that_goes_on_without(void **state)
{
	struct world w;
	(void)state;

	setup(&w, full, "sim:enable-after-driver-ok=off", 8);
	run(&w);
	assert_non_null(strstr(vdpr_ctx_cure(w.ctx),
			       "--enable-after-driver-ok=assume"));
	w.opts.flags |= VDPR_RESTORE_ASSUME_ENABLE;
	run(&w);
	assert_int_equal(w.ret, 0);
	assert_string_equal(w.report->order, "assumed");
	done(&w);
}

static void parents_that_break_the_order_are_told_apart(void **state)
{
	struct world w;
	(void)state;

	setup_and_run(&w, full, "sim:quirk=exact-size", 8);
	assert_int_equal(w.ret, 0);
	assert_int_equal(strncmp(w.report->order, "not kept: ", 10), 0);
	assert_int_equal(w.report->warnings.count, 1);
	done(&w);
}

static void vmm_given_features_are_dropped_with_a_warning(void **state)
{
	struct world w;
	size_t at;
	(void)state;

	setup_and_run(&w, full, "sim:features=-MTU-GUEST_ANNOUNCE-SPEED_DUPLEX",
		      8);
	assert_int_equal(w.ret, 0);
	assert_int_equal(w.report->warnings.count, 3);
	at = wrap_find(w.wrap, 0, VHOST_SET_FEATURES, -1);
	assert_true(w.wrap->event[at].value == 0x1030000330dfffa7);
	done(&w);
}

/* ------------------------------------------------- failures leave a reset device */

static size_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static uint8_t status_of(struct wrap *wrap)
{
	uint8_t status = 0xff;

	assert_int_equal(vdpr_dev_get_status(wrap->inner, &status), 0);
	return status;
}

static void assert_undone(const struct world *w)
{
	assert_int_equal(status_of(w->wrap), 0);
	assert_int_equal(wrap_mapped(w->wrap), 0);
	assert_null(w->wrap->base.cvq);
	/* Undo is a reset, never a disable. */
	for (size_t i = 0; i < w->wrap->n; i++)
		if (w->wrap->event[i].request == VHOST_VDPA_SET_VRING_ENABLE)
			assert_int_equal(w->wrap->event[i].value, 1);
}

/* Hostile and refusing devices: cause, and a part of the message. */
static const struct {
	const char *dev;
	enum vdpr_cause cause;
	const char *says;
} faults[] = {
	{ "refuse=4.1", VDPR_CAUSE_DEVICE,
	  "rss: device refused RSS_CONFIG 4.1 (23 bytes, ack 1)" },
	{ "refuse=1.1", VDPR_CAUSE_DEVICE, "payload 525400aabbcc" },
	{ "refuse=1.1,refuse=2.0", VDPR_CAUSE_DEVICE, "VLAN_ADD" },
	{ "stall=4.1", VDPR_CAUSE_DEADLINE, "RSS_CONFIG" },
	{ "hostile=used-id", VDPR_CAUSE_DEVICE, "" },
	{ "hostile=used-repeat", VDPR_CAUSE_DEVICE, "" },
	{ "hostile=used-jump", VDPR_CAUSE_DEVICE, "" },
	{ "hostile=used-back", VDPR_CAUSE_DEVICE, "" },
	{ "hostile=len-0", VDPR_CAUSE_DEVICE, "wrote 0 bytes" },
	{ "hostile=len-huge", VDPR_CAUSE_DEVICE, "wrote" },
	{ "hostile=ack-garbage", VDPR_CAUSE_DEVICE, "ack 0x5a" },
	{ "hostile=needs-reset", VDPR_CAUSE_DEVICE, "NEEDS_RESET" },
	{ "hostile=no-features-ok", VDPR_CAUSE_DEVICE, "FEATURES_OK" },
	{ "hostile=no-driver-ok", VDPR_CAUSE_DEVICE, "DRIVER_OK" },
	{ "hostile=config-change", VDPR_CAUSE_DEVICE, "" },
	{ "hostile=late", VDPR_CAUSE_DEADLINE, "no answer" },
};

static void check_fault(const struct format *format, size_t i)
{
	bool packed = format->add & PACKED;
	char more[128];
	struct world w;
	size_t fds;
	bool ends;

	snprintf(more, sizeof(more), ",%s", faults[i].dev);
	setup_format(&w, format, more);
	/* Short only where it passes: a busy machine has its pauses. */
	ends = faults[i].cause == VDPR_CAUSE_DEADLINE ||
	       (packed && strstr(faults[i].dev, "used-"));
	w.opts.deadline = vdpr_now() + (ends ? 150000000 : 5000000000);
	fds = open_fds();
	run(&w);
	if (!w.ret)
		fail_msg("%s: succeeded", w.wrap->base.name);
	/* A packed ring has no index to move: nothing is seen to come back. */
	if (vdpr_ctx_cause(w.ctx) != faults[i].cause &&
	    !(packed && strstr(faults[i].dev, "used-") &&
	      vdpr_ctx_cause(w.ctx) == VDPR_CAUSE_DEADLINE))
		fail_msg("%s: cause %d: %s", w.wrap->base.name,
			 vdpr_ctx_cause(w.ctx), vdpr_ctx_error(w.ctx));
	assert_true(error_has(&w, faults[i].says));
	assert_undone(&w);
	assert_int_equal(open_fds(), fds);
	done(&w);
}

static void every_fault_ends_in_a_reset_device(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(formats); f++)
		for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
			check_fault(&formats[f], i);
}

static void all_refused_commands_of_a_ring_full_are_named(void **state)
{
	struct world w;
	(void)state;

	setup_and_run(&w, full, "sim:refuse=1.1,refuse=4.1,refuse=0.1", 8);
	assert_int_equal(w.ret, -EPROTO);
	assert_true(error_has(&w, "MAC_ADDR_SET"));
	assert_true(error_has(&w, "RSS_CONFIG"));
	assert_true(error_has(&w, "ALLMULTI"));
	done(&w);
}

static void a_ring_of_one_entry_needs_indirect_descriptors(void **state)
{
	struct world w;
	(void)state;

	setup_and_run(&w, mac_only, "sim:cvq-size=1", 2);
	assert_int_equal(w.ret, -ENOTSUP);
	assert_int_equal(vdpr_ctx_cause(w.ctx), VDPR_CAUSE_REFUSED);
	assert_true(error_has(&w, "control virtqueue of 1 entries"));
	assert_true(error_has(&w, "INDIRECT_DESC (bit 28)"));
	assert_undone(&w);
	done(&w);
}

/* Where many differ only in what they are of, one name and all numbers. */
static void refused_commands_of_a_kind_stand_together(void **state)
{
	const char *at = strstr(full, "{\"index\":3");
	char *text = NULL;
	struct world w;
	(void)state;

	/* What came before the VLANs leaves room for 57 of 102. */
	setup_and_run(&w, full, "sim:refuse=2.0,refuse=1.1", 8);
	assert_int_equal(w.ret, -EPROTO);
	assert_true(error_has(&w, "MAC_ADDR_SET 1.1 (8 bytes, ack 1), payload "
				  "525400aabbcc; vlan: device refused VLAN_ADD "
				  "2.0 (4 bytes, ack 1) of 57 VLANs: "
				  "0,42,100-154"));
	assert_null(strstr(vdpr_ctx_error(w.ctx), "more"));
	done(&w);

	assert_true(asprintf(&text, "%.*s%s,%s,%s", (int)(at - full), full,
			     "{\"index\":0,\"max_packets\":8,\"max_usecs\":9}",
			     "{\"index\":2,\"max_packets\":8,\"max_usecs\":9}",
			     at) > 0);
	setup_and_run(&w, text, "sim:refuse=6.2", 8);
	assert_int_equal(w.ret, -EPROTO);
	assert_true(error_has(&w, "coalescing: device refused NOTF_COAL_VQ_SET "
				  "6.2 (14 bytes, ack 1) of 3 queues: 0,2-3"));
	free(text);
	done(&w);
}

/* Some firmware leaves config as it was; a third address is another matter. */
static void config_has_the_mac_that_was_set_or_the_old_one(void **state)
{
	static const uint8_t old[6] = { 0x02, 0, 0, 0, 0, 0x07 };
	static const uint8_t third[6] = { 0x02, 0, 0, 0, 0, 0x08 };
	struct world w;
	(void)state;

	setup(&w, full, "sim:mac=02:00:00:00:00:07", 8);
	w.wrap->late_mac = old;
	run(&w);
	assert_int_equal(w.ret, 0);
	assert_int_equal(w.report->warnings.count, 1);
	assert_string_equal(w.report->warnings.reason[0].section, "mac");
	done(&w);

	setup(&w, full, "sim:mac=02:00:00:00:00:07", 8);
	w.wrap->late_mac = third;
	run(&w);
	assert_int_equal(w.ret, -EPROTO);
	assert_true(error_has(&w, "config says 02:00:00:00:00:08"));
	assert_undone(&w);
	done(&w);
}

static void a_config_interrupt_before_the_start_is_no_fault(void **state)
{
	struct world w;
	(void)state;

	setup(&w, full, "sim", 8);
	w.wrap->early_config = true;
	w.opts.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	run(&w);
	assert_int_equal(w.ret, 0);
	close(w.opts.cancel_fd);
	done(&w);
}

static void a_refusal_can_be_turned_into_a_warning(void **state)
{
	const char *warn[] = { "vlan", "rss" };
	struct world w;
	(void)state;

	setup(&w, full, "sim:refuse=4.1", 8);
	w.opts.warn = warn;
	w.opts.n_warn = 2;
	run(&w);
	assert_int_equal(w.ret, 0);
	assert_int_equal(w.report->warnings.count, 1);
	assert_string_equal(w.report->warnings.reason[0].section, "rss");
	done(&w);
}

/* Position of the call that sets DRIVER_OK. */
static size_t driver_ok_at(const struct wrap *wrap)
{
	size_t at = 0;

	while (at < wrap->n &&
	       (wrap->event[at].request != VHOST_VDPA_SET_STATUS ||
		wrap->event[at].value != 0xf))
		at++;
	assert_true(at < wrap->n);
	return at;
}

/* Cancelled while call number @call is made, from 1. */
static void run_cancelled(struct world *w, const char *dev, size_t call)
{
	setup(w, full, dev, 8);
	w->opts.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->wrap->signal_at = call;
	w->wrap->signal_fd = w->opts.cancel_fd;
	run(w);
	close(w->opts.cancel_fd);
	if (!w->ret)
		return;
	assert_int_equal(w->ret, -ECANCELED);
	assert_int_equal(vdpr_ctx_cause(w->ctx), VDPR_CAUSE_OTHER);
	assert_undone(w);
}

static void cancel_ends_in_a_reset_device(void **state)
{
	size_t calls, driver_ok, in_stage[VDPR_STAGE_COUNT] = { 0 };
	struct world w;
	(void)state;

	setup_and_run(&w, full, "sim", 8);
	assert_int_equal(w.ret, 0);
	calls = w.wrap->n;
	driver_ok = driver_ok_at(w.wrap) + 1;
	done(&w);

	/* With all commands shown to a device that answers none of them. */
	run_cancelled(&w, "sim:stall=1.1", driver_ok);
	assert_int_equal(w.ret, -ECANCELED);
	assert_int_equal(w.report->stage, VDPR_STAGE_REPLAY);
	assert_true(w.report->n_sent > 0);
	done(&w);

	for (size_t i = 1; i <= calls; i++) {
		run_cancelled(&w, "sim", i);
		if (w.ret)
			in_stage[w.report->stage]++;
		/* Only at the very end is it done before it looks. */
		else
			assert_int_equal(w.report->stage, VDPR_STAGE_COUNT - 1);
		done(&w);
	}
	assert_true(in_stage[VDPR_STAGE_NEGOTIATE] > 5);
	assert_true(in_stage[VDPR_STAGE_RINGS] > 5);
	assert_true(in_stage[VDPR_STAGE_ENABLE] > 5);
}

static void deadline_is_one_for_the_whole(void **state)
{
	size_t used = 0;
	struct world w;
	(void)state;

	/*
	 * 108 commands of 20 ms, two a ring-full: no ring-full is ever as long as
	 * the deadline, which comes before the eleventh command is done. Four more
	 * are what a test that was put to sleep may find done.
	 */
	setup(&w, full, "sim:delay=20000,cvq-size=2", 8);
	w.opts.deadline = vdpr_now() + 200000000;
	run(&w);
	assert_int_equal(w.ret, -ETIME);
	for (size_t i = 0; i < w.report->plan->count; i++)
		used += w.report->result[i].used != 0;
	assert_in_range(used, 0, 14);
	assert_undone(&w);
	done(&w);
}

/* The report's kicks keep to one a ring-full; the warning tells of the other. */
static void a_silent_second_is_answered_by_one_more_kick(void **state)
{
	struct world w;
	uint64_t began;
	(void)state;

	setup(&w, full, "sim:stall=1.1", 8);
	began = vdpr_now();
	w.opts.deadline = began + 2300000000; /* two silent seconds */
	run(&w);
	assert_int_equal(w.ret, -ETIME);
	assert_int_equal(w.report->warnings.count, 1);
	assert_string_equal(w.report->warnings.reason[0].text,
			    "no answer for a second: kicked once more");
	assert_int_equal(w.report->kicks, 1);
	assert_undone(&w);
	done(&w);
}

static void the_same_handle_restores_again_and_again(void **state)
{
	struct world w;
	(void)state;

	setup(&w, full, "sim", 8);
	for (int i = 0; i < 3; i++) {
		run(&w);
		if (w.ret)
			fail_msg("%s", vdpr_ctx_error(w.ctx));
		assert_int_equal(wrap_mapped(w.wrap), 4);
	}
	done(&w);
}

/* Call number i fails, for every i: an error, and all undone. */
static void any_call_may_fail(void **state)
{
	static const int errnos[] = { EINVAL, EPERM, ENOMEM, EFAULT };
	size_t calls, tried = 0;
	struct world w;
	(void)state;

	setup_and_run(&w, full, "sim", 8);
	assert_int_equal(w.ret, 0);
	calls = w.wrap->n;
	done(&w);
	for (size_t i = 1; i <= calls; i++) {
		int err = errnos[i % ARRAY_SIZE(errnos)];
		unsigned long request;
		size_t fds;

		setup(&w, full, "sim", 8);
		fds = open_fds();
		w.wrap->fail_at = i;
		w.wrap->fail_errno = err;
		run(&w);
		request = w.wrap->event[i - 1].request;
		if (!w.ret) {
			/* Only what older kernels lack may be missing. */
			assert_true(request == VHOST_GET_FEATURES_ARRAY ||
				    (request == VHOST_VDPA_GET_VRING_SIZE &&
				     err == EINVAL));
		} else {
			assert_int_equal(vdpr_ctx_cause(w.ctx),
					 err == EPERM ? VDPR_CAUSE_ACCESS
						      : VDPR_CAUSE_OTHER);
			assert_undone(&w);
			assert_int_equal(open_fds(), fds);
		}
		tried++;
		done(&w);
	}
	assert_true(tried > 60);
}

static void check_failing_reset(const struct format *format, int err)
{
	struct world w;
	size_t calls;

	/* The refusal's undo begins with SET_STATUS(0): make just that fail. */
	setup_format(&w, format, ",refuse=1.1");
	run(&w);
	calls = wrap_find(w.wrap, 0, VHOST_VDPA_SET_STATUS, -1);
	for (size_t i = calls; i < w.wrap->n; i++)
		if (w.wrap->event[i].request == VHOST_VDPA_SET_STATUS)
			calls = i;
	assert_int_equal(w.wrap->event[calls].value, 0);
	done(&w);
	setup_format(&w, format, ",refuse=1.1");
	w.wrap->fail_at = calls + 1;
	w.wrap->fail_errno = err;
	run(&w);
	assert_int_equal(w.ret, -EPROTO);
	/* What failed is the refusal, not the reset after it. */
	assert_true(error_has(&w, "MAC_ADDR_SET"));
	/* Still mapped and still ours, until the close that resets. */
	assert_non_null(w.wrap->base.cvq);
	assert_true(wrap_mapped(w.wrap) > 0);
	done(&w);
}

static void a_reset_that_fails_leaves_it_to_the_close(void **state)
{
	static const int errnos[] = { EIO, EBUSY, ETIMEDOUT };
	(void)state;

	for (size_t f = 0; f < ARRAY_SIZE(formats); f++)
		for (size_t i = 0; i < ARRAY_SIZE(errnos); i++)
			check_failing_reset(&formats[f], errnos[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			data_queues_are_enabled_after_the_last_used_command),
		cmocka_unit_test(
			calls_come_in_the_order_that_all_parents_accept),
		cmocka_unit_test(per_queue_coalescing_follows_the_enables),
		cmocka_unit_test(
			without_a_control_virtqueue_there_is_nothing_to_replay),
		cmocka_unit_test(
			rss_alone_moves_the_control_virtqueue_behind_all_pairs),
		cmocka_unit_test(isolated_cvq_gets_an_address_space_of_its_own),
		cmocka_unit_test(
			shared_space_puts_the_cvq_above_the_vmms_memory),
		cmocka_unit_test(ring_size_is_what_the_device_can_take),
		cmocka_unit_test(kicks_are_at_most_one_a_ring_full),
		cmocka_unit_test(every_ring_format_tells_the_device_the_same),
		cmocka_unit_test(the_replay_is_rehearsed_in_every_format),
		cmocka_unit_test(callers_rings_and_eventfds_are_used_as_given),
		cmocka_unit_test(
			what_does_not_fit_is_refused_before_anything_is_set),
		cmocka_unit_test(bit_six_names_the_option_that_goes_on_without),
		cmocka_unit_test(parents_that_break_the_order_are_told_apart),
		cmocka_unit_test(vmm_given_features_are_dropped_with_a_warning),
		cmocka_unit_test(every_fault_ends_in_a_reset_device),
		cmocka_unit_test(all_refused_commands_of_a_ring_full_are_named),
		cmocka_unit_test(
			a_ring_of_one_entry_needs_indirect_descriptors),
		cmocka_unit_test(refused_commands_of_a_kind_stand_together),
		cmocka_unit_test(
			config_has_the_mac_that_was_set_or_the_old_one),
		cmocka_unit_test(
			a_config_interrupt_before_the_start_is_no_fault),
		cmocka_unit_test(a_refusal_can_be_turned_into_a_warning),
		cmocka_unit_test(cancel_ends_in_a_reset_device),
		cmocka_unit_test(deadline_is_one_for_the_whole),
		cmocka_unit_test(a_silent_second_is_answered_by_one_more_kick),
		cmocka_unit_test(the_same_handle_restores_again_and_again),
		cmocka_unit_test(any_call_may_fail),
		cmocka_unit_test(a_reset_that_fails_leaves_it_to_the_close),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
