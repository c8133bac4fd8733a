/* SPDX-License-Identifier: MIT */
/* What provision asks each driver's management device for, and what VMMs refuse:
 * the tool's data tables, without a kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cmd/provision.h"

#include <cmocka.h>
#undef fail /* the tool has a function of that name */

#define KERNEL(a, b) ((unsigned int)(a) << 16 | (unsigned int)(b) << 8)

/* --------------------------------- what the tables need of the tool, no more */

int fail(struct cli *cli, int code, const char *cure, const char *fmt, ...)
{
	(void)cli;
	(void)fmt;
	if (cure)
		snprintf(cli->out_text, cli->out_len, "%s", cure);
	return code;
}

int fail_ctx(struct cli *cli)
{
	return fail(cli, 1, NULL, "%s", "");
}

int fail_memory(struct cli *cli)
{
	return fail(cli, 1, NULL, "%s", "");
}

const char *args_value(const struct args *args, const char *name)
{
	for (size_t i = args->n_options; i > 0; i--)
		if (!strcmp(args->options[i - 1].info->name, name))
			return args->options[i - 1].value;
	return NULL;
}

/* ------------------------------------------------------------------ a state */

static cJSON *state_of(const char *features, const char *rest)
{
	cJSON *object;
	char *text = NULL;

	assert_true(asprintf(&text, "{\"features\": %s, %s}", features, rest) >
		    0);
	object = cJSON_Parse(text);
	assert_non_null(object);
	free(text);
	return object;
}

/* CSUM, MTU, MAC, STATUS, CTRL_VQ, MQ, CTRL_MAC_ADDR, VERSION_1 */
#define USED "0x100c30029"
#define GUEST "{\"offered\": \"" USED "\", \"negotiated\": \"" USED "\"}"
#define CONFIG                                                        \
	"\"config\": {\"mac\": \"52:54:00:00:00:01\", \"mtu\": 1400," \
	"\"max_virtqueue_pairs\": 4}, \"mac\": {\"address\": "        \
	"\"52:54:00:aa:bb:cc\"}"
#define ALL_FEATURES 0x9230000330ffffefull

static struct target target_of(const char *driver, unsigned int kernel,
			       uint64_t features, uint32_t vqs)
{
	struct target t = { .kind = TARGET_MGMTDEV,
			    .name = "pci/0",
			    .kernel = kernel };

	t.mgmtdev.has_features = true;
	t.mgmtdev.features = features;
	t.mgmtdev.has_max_vqs = true;
	t.mgmtdev.max_vqs = vqs;
	t.info.config.max_virtqueue_pairs = pairs_of_vqs(vqs, features);
	t.takes = mgmtdev_takes(driver, kernel);
	t.seen = VDPR_SEEN_FEATURES;
	return t;
}

/* One run of the planning; what it wants is in wish, reasons and command. */
struct planned {
	struct wish wish;
	struct reasons reasons;
	char *command;
};

static const struct option_info warn_info = { .name = "--warn" };

static void plan(struct planned *p, cJSON *state, const struct target *t,
		 const struct vmm *vmm, const char *warn)
{
	struct arg_option option = { &warn_info, warn };
	struct args args = { .n_options = warn ? 1 : 0, .options = &option };

	reasons_init(&p->reasons);
	wish_make(&p->wish, state, t, vmm, &args, &p->reasons);
	p->command = wish_command(&p->wish, t->takes, "vdpa0", t->name);
	assert_non_null(p->command);
	cJSON_Delete(state);
}

static void done(struct planned *p)
{
	reasons_free(&p->reasons);
	free(p->command);
}

static const char *names(const cJSON *list, char text[256])
{
	const cJSON *one;

	text[0] = '\0';
	cJSON_ArrayForEach(one, list)
	{
		size_t len = strlen(text);

		snprintf(
			text + len, 256 - len, "%s%s", len ? " " : "",
			cJSON_GetStringValue(cJSON_GetObjectItem(one, "name")));
	}
	return text;
}

/* ------------------------------------------------------------------ drivers */

#define ADD "vdpa dev add name vdpa0 mgmtdev pci/0"
#define FEATURES " device_features 0x300c30029"
#define MAC " mac 52:54:00:00:00:01"

static const struct {
	const char *driver;
	unsigned int kernel;
	const char *command;
	const char *refused;
} drivers[] = {
	{ "mlx5_core", KERNEL(6, 12), ADD FEATURES MAC " mtu 1400 max_vqp 4",
	  "" },
	{ "mlx5_core.sf", KERNEL(6, 12), ADD FEATURES MAC " mtu 1400 max_vqp 4",
	  "" },
	/* Before 6.3 it cannot be told to leave features out. */
	{ "mlx5_core", KERNEL(6, 1), ADD MAC " mtu 1400 max_vqp 4",
	  "features" },
	{ "pds_vdpa.vDPA", KERNEL(6, 12), ADD FEATURES MAC " max_vqp 4", "" },
	{ "vdpasim_net", KERNEL(6, 12), ADD FEATURES MAC " mtu 1400", "" },
	{ "ifcvf", KERNEL(6, 12), ADD FEATURES, "" },
	{ "ifcvf", KERNEL(6, 1), ADD, "features" },
	{ "vp-vdpa", KERNEL(6, 12), ADD FEATURES, "" },
	{ "octep_vdpa", KERNEL(6, 12), ADD FEATURES, "" },
	{ "vduse", KERNEL(6, 12), ADD, "features" },
	{ "unheard-of", KERNEL(6, 12), ADD FEATURES MAC " mtu 1400 max_vqp 4",
	  "" },
};

static void each_driver_is_asked_for_what_it_takes(void **state)
{
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		struct target t = target_of(drivers[i].driver,
					    drivers[i].kernel, ALL_FEATURES, 9);
		struct planned p;

		plan(&p, state_of(GUEST, CONFIG), &t, NULL, NULL);
		assert_string_equal(p.command, drivers[i].command);
		assert_string_equal(names(p.reasons.refusals, text),
				    drivers[i].refused);
		/* Whatever it takes, all of it is compared afterwards. */
		assert_int_equal(p.wish.has, VDPA_CONFIG_MAC | VDPA_CONFIG_MTU |
						     VDPA_CONFIG_MAX_PAIRS |
						     VDPA_CONFIG_FEATURES);
		done(&p);
	}
}

/* ----------------------------------------------------------------- refusals */

static const struct {
	const char *features, *rest;
	uint64_t can;
	uint32_t vqs;
	const char *warn;
	const char *refused, *warned;
} refusals[] = {
	/* MQ is used, RSS only offered; MTU is the VMM's own. */
	{ "{\"offered\": \"0x1000000100c30029\", \"negotiated\": \"" USED "\"}",
	  CONFIG, 0x300830021, 9, NULL, "MQ RSS", "MTU" },
	{ "{\"offered\": \"0x1000000100c30029\", \"negotiated\": \"" USED "\"}",
	  CONFIG, 0x300830021, 9, "features", "MQ", "MTU RSS" },
	/* Nobody knows what is used: all that was offered. */
	{ "{\"offered\": \"" USED "\", \"negotiated\": null}", CONFIG,
	  0x300830029, 9, NULL, "MQ", "" },
	/* Too few queues. */
	{ GUEST, CONFIG, ALL_FEATURES, 5, NULL, "max_virtqueue_pairs", "" },
	{ GUEST, CONFIG, ALL_FEATURES, 5, "pairs", "max_virtqueue_pairs", "" },
	/* A bit past what netlink can say. */
	{ "{\"offered\": \"0x20000000100030020\", \"negotiated\": "
	  "\"0x20000000100030020\"}",
	  CONFIG, ALL_FEATURES, 9, NULL, "GUEST_UDP_TUNNEL_GSO", "" },
};

static void what_cannot_be_had_is_refused_by_name(void **state)
{
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct target t = target_of("mlx5_core", KERNEL(6, 12),
					    refusals[i].can, refusals[i].vqs);
		struct planned p;

		plan(&p, state_of(refusals[i].features, refusals[i].rest), &t,
		     NULL, refusals[i].warn);
		assert_string_equal(names(p.reasons.refusals, text),
				    refusals[i].refused);
		assert_string_equal(names(p.reasons.warnings, text),
				    refusals[i].warned);
		done(&p);
	}
}

/* config.mac is what a driver finds; the guest's own stands in where there is
 * none, and nothing where the device has no F_MAC. */
static void the_mac_is_that_of_config(void **state)
{
	static const struct {
		const char *features, *rest, *has;
	} cases[] = {
		{ GUEST, CONFIG, "mac 52:54:00:00:00:01" },
		{ GUEST,
		  "\"config\": {}, \"mac\": {\"address\": \"52:54:00:aa:bb:cc\"}",
		  "mac 52:54:00:aa:bb:cc" },
		{ "{\"offered\": \"0x100c30009\", \"negotiated\": \"0x100c30009\"}",
		  CONFIG, NULL },
		{ GUEST, "\"config\": {\"mac\": \"00:00:00:00:00:00\"}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target t = target_of("vdpasim_net", KERNEL(6, 12),
					    ALL_FEATURES, 9);
		struct planned p;

		plan(&p, state_of(cases[i].features, cases[i].rest), &t, NULL,
		     NULL);
		if (cases[i].has)
			assert_non_null(strstr(p.command, cases[i].has));
		else
			assert_null(strstr(p.command, " mac "));
		done(&p);
	}
}

static void names_are_quoted_for_a_shell(void **state)
{
	const struct wish none = { 0 };
	char *command = wish_command(&none, 0, "it's", "a b");

	(void)state;
	assert_string_equal(command,
			    "vdpa dev add name 'it'\\''s' mgmtdev 'a b'");
	free(command);
}

/* ------------------------------------------------------------ after the fact */

static void a_device_that_is_not_what_was_wanted_is_found_out(void **state)
{
	struct target t = target_of("vp-vdpa", KERNEL(6, 12), ALL_FEATURES, 9);
	struct vdpa_config config = {
		.has = VDPA_CONFIG_MAC | VDPA_CONFIG_MTU |
		       VDPA_CONFIG_MAX_PAIRS | VDPA_CONFIG_FEATURES,
		.mac = { 0x52, 0x54, 0, 0, 0, 1 },
		.mtu = 1400,
		.max_pairs = 4,
		.features = 0x300c30029,
	};
	struct planned p;
	char text[256];

	(void)state;
	plan(&p, state_of(GUEST, CONFIG), &t, NULL, NULL);
	wish_compare(&p.wish, "vdpa0", &config, &p.reasons);
	assert_string_equal(names(p.reasons.refusals, text), "");
	config.mac[5] = 2;
	config.mtu = 1500;
	config.max_pairs = 8;
	config.features |= 2;
	wish_compare(&p.wish, "vdpa0", &config, &p.reasons);
	assert_string_equal(names(p.reasons.refusals, text),
			    "features mac mtu max_virtqueue_pairs");
	done(&p);
	/* On the user's word a warning. */
	plan(&p, state_of(GUEST, CONFIG), &t, NULL, "mac");
	wish_compare(&p.wish, "vdpa0", &config, &p.reasons);
	assert_string_equal(names(p.reasons.warnings, text), "mac");
	done(&p);
	/* None at all is not the one that was wanted. */
	config.has = 0;
	plan(&p, state_of(GUEST, CONFIG), &t, NULL, NULL);
	wish_compare(&p.wish, "vdpa0", &config, &p.reasons);
	assert_string_equal(names(p.reasons.refusals, text), "mac");
	done(&p);
}

/* --------------------------------------------------------------------- VMMs */

static const struct option_info for_info = { .name = "--for" };
static const struct command command = { .name = "check" };

static int find(const char *name, const struct vmm **out, char cure[1024])
{
	struct arg_option option = { &for_info, name };
	const struct args args = { .n_options = 1, .options = &option };
	struct cli cli = { .command = &command,
			   .out_text = cure,
			   .out_len = 1024 };

	return vmm_parse(&cli, &args, out);
}

/* The device is made without what QEMU does not put up with, unless the guest
 * uses it. */
static void a_device_is_made_for_a_vmm(void **state)
{
	struct target t =
		target_of("mlx5_core", KERNEL(6, 12), ALL_FEATURES, 9);
	const struct vmm *vmm = NULL;
	char text[256], cure[1024];
	struct planned p;

	(void)state;
	assert_int_equal(find("qemu-10.0", &vmm, cure), 0);
	/* GSO, RING_INDIRECT_DESC, RING_RESET and NOTF_COAL are offered */
	plan(&p,
	     state_of(
		     "{\"offered\": \"0x20010110c30069\", \"negotiated\": \"" USED
		     "\"}",
		     CONFIG),
	     &t, vmm, NULL);
	assert_string_equal(names(p.reasons.refusals, text), "");
	assert_string_equal(names(p.reasons.warnings, text),
			    "GSO RING_INDIRECT_DESC RING_RESET NOTF_COAL");
	assert_non_null(strstr(p.command, "device_features 0x300c30029"));
	done(&p);
	plan(&p,
	     state_of("{\"offered\": \"0x110c30029\", \"negotiated\": "
		      "\"0x110c30029\"}",
		      CONFIG),
	     &t, vmm, NULL);
	assert_string_equal(names(p.reasons.refusals, text),
			    "RING_INDIRECT_DESC");
	done(&p);
}

/* Every name of the list is found, and has only features that have names. */
static void every_vmm_has_a_row(void **state)
{
	const struct vdpr_features all = { { UINT64_MAX, UINT64_MAX } };
	char cure[1024] = "", *name, *rest;
	const struct vmm *vmm = NULL;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(find("?", &vmm, cure), 2);
	assert_null(vmm);
	assert_true(strlen(cure) < 400);
	rest = strstr(cure, "known are ") + strlen("known are ");
	while ((name = strtok_r(NULL, ", ", &rest))) {
		struct vdpr_features refused;
		char other[1024];

		assert_int_equal(find(name, &vmm, other), 0);
		refused = vmm_refused(vmm, &all);
		/* QEMU: 31 features of the 128. */
		if (!strncmp(name, "qemu-", 5))
			assert_int_equal(
				__builtin_popcountll(refused.word[0]) +
					__builtin_popcountll(refused.word[1]),
				128 - 31);
		else
			assert_int_equal(refused.word[0], 0);
		n++;
	}
	assert_int_equal(n, 18);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_driver_is_asked_for_what_it_takes),
	cmocka_unit_test(what_cannot_be_had_is_refused_by_name),
	cmocka_unit_test(the_mac_is_that_of_config),
	cmocka_unit_test(names_are_quoted_for_a_shell),
	cmocka_unit_test(a_device_that_is_not_what_was_wanted_is_found_out),
	cmocka_unit_test(a_device_is_made_for_a_vmm),
	cmocka_unit_test(every_vmm_has_a_row),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
