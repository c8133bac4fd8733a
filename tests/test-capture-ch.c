/* SPDX-License-Identifier: MIT */
/* Cloud Hypervisor's state.json: what is taken, and every way it is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "restore/json-walk.h"
#include "restore/state.h"

static char *example; /* tests/data/ch/state.json */

static int setup(void **state)
{
	_cleanup_buf_ struct vdpr_buf buf = { 0 };
	FILE *f = fopen("tests/data/ch/state.json", "re");
	char chunk[4096];
	size_t n;

	if (!f || vdpr_ctx_new((struct vdpr_ctx **)state))
		return -1;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		vdpr_buf_add(&buf, chunk, n);
	fclose(f);
	return vdpr_buf_take(&buf, &example, &n);
}

static int teardown(void **state)
{
	free(example);
	vdpr_ctx_free(*state);
	return 0;
}

/* From memory of its own length, so that a sanitizer sees a read past it. */
static int capture(struct vdpr_ctx *ctx, const char *text, size_t len,
		   const char *nic, struct vdpr_state **out)
{
	struct vdpr_capture_opts opts = VDPR_INIT(struct vdpr_capture_opts);
	char *copy = malloc(len ? len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, text, len);
	opts.nic = nic;
	err = vdpr_capture_ch_snapshot(ctx, copy, len, &opts, out);
	free(copy);
	return err;
}

static struct vdpr_state *take(struct vdpr_ctx *ctx, const char *text,
			       const char *nic)
{
	struct vdpr_state *state = NULL;

	if (capture(ctx, text, strlen(text), nic, &state))
		fail_msg("%s", vdpr_ctx_error(ctx));
	return state;
}

/* The example with the first @from replaced; freed by the caller. */
static char *with(const char *from, const char *to)
{
	const char *hit = strstr(example, from);
	char *text = NULL;

	if (!hit)
		fail_msg("%s is not in the example", from);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(hit - example), example,
			     to, hit + strlen(from)) > 0);
	return text;
}

/* Every digit of 64 bits: a parser with doubles would round these masks. */
static void vdpa_device_is_taken_whole(void **data)
{
	struct vdpr_state *s = take(*data, example, "_vdpa0");

	assert_int_equal(s->offered.word[0], 0x9230000330ffffaf);
	assert_int_equal(s->negotiated.word[0], 0x9030000330ffffaf);
	assert_true(s->negotiated_known && s->has_backend_features);
	assert_int_equal(s->backend_features, 0x17e);
	assert_int_equal(s->config.has, 0x3ff);
	assert_memory_equal(s->config.mac, "\x52\x54\x00\x12\x34\x56", 6);
	assert_int_equal(s->config.max_virtqueue_pairs, 4);
	assert_int_equal(s->config.mtu, 1500);
	assert_int_equal(s->config.speed, 25000);
	assert_int_equal(s->config.rss_max_key_size, 40);
	assert_int_equal(s->config.rss_max_indirection_table_length, 128);
	assert_int_equal(s->n_vrings, 9);
	assert_int_equal(s->vrings[8].index, 8);
	assert_int_equal(s->vrings[8].size, 64);
	assert_int_equal(s->vrings[8].desc, 0x100020000);
	assert_int_equal(s->vrings[8].driver, 0x100021000);
	assert_int_equal(s->vrings[8].device, 0x100022000);
	assert_true(s->vrings[8].enabled);
	assert_false(s->vrings[8].has & VDPR_VRING_BASE);
	vdpr_state_free(s);
}

static void tap_device_is_taken(void **data)
{
	struct vdpr_state *s = take(*data, example, "_net0");

	assert_true(vdpr_state_has_feature(s, VIRTIO_NET_F_MQ));
	assert_false(s->has_backend_features);
	assert_memory_equal(s->config.mac, "\x2e\x89\xa8\x5a\x01\x02", 6);
	assert_int_equal(s->config.max_virtqueue_pairs, 2);
	assert_int_equal(s->config.mtu, 1500);
	assert_int_equal(s->n_vrings, 5);
	vdpr_state_free(s);
}

/* Unknown, never the default: loading must be refused. */
static void control_state_is_unknown(void **data)
{
	struct vdpr_state *s = take(*data, example, "_vdpa0");
	struct vdpr_plan *plan = NULL;

	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++)
		assert_int_equal(s->member[m], vdpr_member_required(s, m)
						       ? VDPR_UNKNOWN
						       : VDPR_ABSENT);
	assert_int_equal(vdpr_plan(*data, s, 0, &plan), -ENODATA);
	vdpr_state_free(s);
}

static void nic_that_is_not_started_negotiated_nothing(void **data)
{
	char *text = with("{\\\"device_activated\\\":true,\\\"queues\\\":["
			  "{\\\"max_size\\\":256,\\\"size\\\":256,",
			  "{\\\"device_activated\\\":false,\\\"queues\\\":["
			  "{\\\"max_size\\\":256,\\\"size\\\":256,");
	struct vdpr_state *s = take(*data, text, "_net0");

	assert_true(s->negotiated_known);
	assert_int_equal(s->negotiated.word[0], 0);
	vdpr_state_free(s);
	free(text);
}

/* Without the transport there are no rings, and all else is there. */
static void transport_may_be_missing(void **data)
{
	char *text = with("_virtio-pci-_vdpa0", "_virtio-mmio-_vdpa0");
	struct vdpr_state *s = take(*data, text, "_vdpa0");

	assert_false(s->has_vrings);
	assert_int_equal(s->negotiated.word[0], 0x9030000330ffffaf);
	vdpr_state_free(s);
	free(text);
}

static void only_nic_need_not_be_named(void **data)
{
	char *text = with("\\\"mac\\\"", "\\\"cam\\\"");
	struct vdpr_state *s = take(*data, text, NULL);

	assert_int_equal(s->backend_features, 0x17e);
	vdpr_state_free(s);
	free(text);
}

/* ----------------------------------------------------------------- refusals */

static void refused(struct vdpr_ctx *ctx, const char *text, size_t len,
		    const char *nic, int err, enum vdpr_cause cause,
		    const char *about)
{
	struct vdpr_state *s = NULL;
	int ret = capture(ctx, text, len, nic, &s);

	if (ret != err || !strstr(vdpr_ctx_error(ctx), about))
		fail_msg("%d, not %d (%s): %s", ret, err, about,
			 ret ? vdpr_ctx_error(ctx) : "taken");
	assert_int_equal(vdpr_ctx_cause(ctx), cause);
	assert_null(s);
}

static void nic_must_be_clear(void **data)
{
	char *none = with("\\\"mac\\\"", "\\\"cam\\\"");
	char *key = strstr(none, "device_type");

	refused(*data, example, strlen(example), NULL, -ENOTUNIQ,
		VDPR_CAUSE_USAGE, "there are: \"_net0\", \"_vdpa0\"");
	refused(*data, example, strlen(example), "_disk0", -ENODEV,
		VDPR_CAUSE_USAGE,
		"no NIC \"_disk0\"; there are: \"_net0\", \"_vdpa0\"");
	memcpy(key, "device_TYPE", 11);
	refused(*data, none, strlen(none), NULL, -ENODATA, VDPR_CAUSE_INPUT,
		"no virtio-net device");
	free(none);
}

static void damage_is_named(void **data)
{
	static const struct {
		const char *from, *to, *nic, *about;
	} cases[] = {
		{ "\"device-manager\"", "\"device-nanager\"", "_vdpa0",
		  "no snapshots.device-manager.snapshots" },
		{ "\"snapshots\"", "\"snapshot\"", "_vdpa0",
		  "no snapshots.device-manager.snapshots" },
		{ "\\\"avail_features\\\":10533919542126575535",
		  "\\\"avail_features\\\":-5", "_vdpa0",
		  "\"_vdpa0\": avail_features: not an integer of 64 bits" },
		{ "\\\"avail_features\\\":10533919542126575535",
		  "\\\"avail_features\\\":18446744073709551616", "_vdpa0",
		  "not an integer of 64 bits" },
		{ "\\\"acked_features\\\":10389804354050719663",
		  "\\\"acked_feature\\\":1", "_vdpa0", "acked_features" },
		{ "\\\"backend_features\\\":382", "\\\"backend_features\\\":{}",
		  "_vdpa0", "backend_features" },
		{ "\\\"config\\\":[82,", "\\\"config\\\":[256,", "_vdpa0",
		  "configuration space" },
		{ "\\\"mac\\\":[46,137", "\\\"mac\\\":[46", "_net0",
		  "configuration space" },
		{ "\\\"mtu\\\":1500", "\\\"mtu\\\":65536", "_net0",
		  "configuration space" },
		{ "\\\"queues\\\":[{\\\"max_size\\\":256,\\\"size\\\":256,",
		  "\\\"queues\\\":[{\\\"max_size\\\":256,\\\"size\\\":257,",
		  "_net0", "vrings[0].size: 257 is not a power of two" },
		{ "\\\"queues\\\":[{\\\"max_size\\\":256,\\\"size\\\":256,",
		  "\\\"queues\\\":[{\\\"max_size\\\":256,\\\"site\\\":256,",
		  "_net0", "not a queue" },
		{ "\\\"device_type\\\":1,", "\\\"device_type\\\":1,,", "_vdpa0",
		  "\"_vdpa0\": line 1, column" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = with(cases[i].from, cases[i].to);

		refused(*data, text, strlen(text), cases[i].nic, -EBADMSG,
			VDPR_CAUSE_INPUT, cases[i].about);
		free(text);
	}
}

/* A file that was cut off is never read as a shorter one. */
static void cut_file_is_refused(void **data)
{
	struct vdpr_state *s = NULL;
	size_t len = strlen(example);

	while (len && strchr("\n }", example[len - 1]))
		len--;
	for (size_t i = 0; i < len; i += 7) {
		assert_int_equal(capture(*data, example, i, "_vdpa0", &s),
				 -EBADMSG);
		assert_null(s);
	}
}

/* -------------------------------------------------------------------- walking */

static void walker_finds_what_is_there(void **data)
{
	static const char text[] =
		" {\"a\" : [ ] , \"b\":{}, \"c\\\"\":\"]}\", \"d\": "
		"[1, [2,{\"x\":3}], \"q\", true,null ,18446744073709551615]}";
	struct vdpr_json_value root = vdpr_value_root(text, strlen(text));
	struct vdpr_json_walk walk =
		vdpr_value_entries(vdpr_value_member(root, "d"));
	uint64_t number = 0;
	unsigned int n = 0;
	bool truth = false;

	(void)data;
	while (vdpr_value_next(&walk)) {
		n++;
		if (n == 4)
			assert_int_equal(vdpr_value_truth(walk.value, &truth),
					 0);
	}
	assert_int_equal(n, 6);
	assert_true(truth);
	assert_int_equal(vdpr_value_number(walk.value, UINT64_MAX, &number), 0);
	assert_int_equal(number, UINT64_MAX);
	walk = vdpr_value_entries(vdpr_value_member(root, "a"));
	assert_false(vdpr_value_next(&walk));
	walk = vdpr_value_entries(vdpr_value_member(root, "b"));
	assert_false(vdpr_value_next(&walk));
	assert_int_equal(vdpr_value_kind(vdpr_value_member(root, "c")),
			 VDPR_JSON_NONE);
	assert_int_equal(vdpr_value_kind(vdpr_value_member(root, "x")),
			 VDPR_JSON_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vdpa_device_is_taken_whole),
		cmocka_unit_test(tap_device_is_taken),
		cmocka_unit_test(control_state_is_unknown),
		cmocka_unit_test(nic_that_is_not_started_negotiated_nothing),
		cmocka_unit_test(transport_may_be_missing),
		cmocka_unit_test(only_nic_need_not_be_named),
		cmocka_unit_test(nic_must_be_clear),
		cmocka_unit_test(damage_is_named),
		cmocka_unit_test(cut_file_is_refused),
		cmocka_unit_test(walker_finds_what_is_there),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
