/* SPDX-License-Identifier: MIT */
/* check: would a state fit a device? Every reason at once. */
#include "cmd/vmm.h"

#include <string.h>

static const struct option_info check_options[] = {
	{ "--vdpa", NULL, "NAME", NULL,
	  "a device that is not opened: what netlink tells of it" },
	{ "--mgmtdev", NULL, "NAME", NULL,
	  "a device that this management device could make" },
	{ "--for", NULL, "VMM", NULL,
	  "and what this VMM refuses or loses, e.g. qemu-10.0" },
	{ "--enable-after-driver-ok", NULL, "POLICY", "require|assume",
	  "must the device promise late enabling? (default: require)" },
	{ "--unknown", NULL, "POLICY", "refuse|default",
	  "what the state does not know (default: refuse)" },
	{ "--strict-features", NULL, NULL, NULL,
	  "refuse even if only a feature of the VMM's own is missing" },
	{ 0 },
};

/* -------------------------------------------------------------- arguments */

static bool add_target(struct target *target, unsigned int *n,
		       enum target_kind kind, const char *name)
{
	if (!name)
		return false;
	target->kind = kind;
	target->name = name;
	++*n;
	return true;
}

static int check_name(struct cli *cli, const struct target *target)
{
	switch (target->kind) {
	case TARGET_VDPA:
		return vdpa_check_name(cli, target->name);
	case TARGET_MGMTDEV:
		return target_check_mgmtdev(cli, target->name);
	default:
		return input_check_dev(cli, target->name);
	}
}

static int find_target(struct cli *cli, const struct args *args,
		       struct target *target)
{
	unsigned int n = 0;

	add_target(target, &n, TARGET_DEVICE,
		   args->n_words > 1 ? args->words[1] : NULL);
	add_target(target, &n, TARGET_VDPA, args_value(args, "--vdpa"));
	add_target(target, &n, TARGET_MGMTDEV, args_value(args, "--mgmtdev"));
	if (n == 1)
		return check_name(cli, target);
	return fail(cli, VDPR_CAUSE_USAGE,
		    "give one: a DEV, --vdpa NAME or --mgmtdev NAME",
		    n ? "check: more than one target"
		      : "check: no target given");
}

/* ---------------------------------------------------------------- judgement */

/* Stage 2 of load, by the library. */
static int judge_fit(struct cli *cli, const struct args *args,
		     const struct vdpr_state *state,
		     const struct target *target, struct reasons *reasons)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_target t = VDPR_INIT(struct vdpr_target);
	_cleanup_report_ struct vdpr_report *report = NULL;
	int rc;

	cli->stage = "compare";
	opts.flags = load_flags(args) | VDPR_RESTORE_ADVISE;
	/* The warnings are part of the answer. */
	vdpr_ctx_set_log(cli->ctx, NULL, NULL, 0);
	t.name = target->name;
	t.info = &target->info;
	t.seen = target->seen;
	t.kernel = target->kernel;
	rc = target->dev
		     ? vdpr_restore_check(cli->ctx, target->dev, state, &opts,
					  &report)
		     : vdpr_target_check(cli->ctx, &t, state, &opts, &report);
	if (rc < 0 && vdpr_ctx_cause(cli->ctx) != VDPR_CAUSE_REFUSED)
		return fail_ctx(cli);
	reasons_take(reasons, report);
	return 0;
}

/* What a device made by provision --for would offer. */
static struct vdpr_features would_offer(const struct vmm *vmm,
					const struct target *target,
					const cJSON *state)
{
	struct vdpr_features offered = target->info.features;
	struct vdpr_features negotiated = { { 0, 0 } };
	struct vdpr_features refused;

	if (target->kind != TARGET_MGMTDEV)
		return offered;
	input_features(state, "negotiated", &negotiated);
	refused = vmm_refused(vmm, &offered);
	for (int i = 0; i < 2; i++)
		offered.word[i] &= ~(refused.word[i] & ~negotiated.word[i]);
	return offered;
}

static int judge_vmm(struct cli *cli, const struct vmm *vmm,
		     const struct vdpr_state *state,
		     const struct target *target, struct reasons *reasons)
{
	_cleanup_json_ cJSON *object = input_object(cli, state);
	struct vdpr_features offered;

	if (!object)
		return VDPR_CAUSE_OTHER;
	offered = would_offer(vmm, target, object);
	vmm_judge(vmm, object, target, &offered, reasons);
	return 0;
}

static int answer(struct cli *cli, const struct args *args,
		  const struct target *target, struct reasons *reasons)
{
	bool fits = reasons_fit(reasons);
	int code = fits ? 0 : VDPR_CAUSE_REFUSED;
	cJSON *object;

	if (cli->json) {
		object = cJSON_CreateObject();
		cJSON_AddNumberToObject(object, "exit", code);
		cJSON_AddBoolToObject(object, "fits", fits);
		reasons_move(reasons, object);
		return out_json(cli, code, object);
	}
	reasons_print(cli, reasons);
	out_text(cli->out, args->words[0]);
	fputs(fits ? ": fits " : ": does not fit ", cli->out);
	out_text(cli->out, target->name);
	fputc('\n', cli->out);
	return code;
}

static int judge(struct cli *cli, const struct args *args,
		 const struct vmm *vmm, const struct vdpr_state *state,
		 struct target *target, struct reasons *reasons)
{
	int code = target_open(cli, target);

	if (!code)
		code = judge_fit(cli, args, state, target, reasons);
	if (code)
		return code;
	target_advise(target, reasons);
	if (vmm)
		code = judge_vmm(cli, vmm, state, target, reasons);
	return code ? code : answer(cli, args, target, reasons);
}

static int check_run(struct cli *cli, const struct args *args)
{
	_cleanup_state_ struct vdpr_state *state = NULL;
	const struct vmm *vmm = NULL;
	struct target target = { 0 };
	struct reasons reasons;
	int code = find_target(cli, args, &target);

	if (!code)
		code = vmm_parse(cli, args, &vmm);
	if (!code)
		code = input_check_file(cli, args->words[0]);
	if (!code)
		code = input_state(cli, args->words[0], &state);
	if (code)
		return code;
	reasons_init(&reasons);
	code = judge(cli, args, vmm, state, &target, &reasons);
	reasons_free(&reasons);
	target_close(&target);
	return code;
}

static cJSON *check_failure(const struct cli *cli)
{
	cJSON *object = cJSON_CreateObject();

	(void)cli;
	cJSON_AddNullToObject(object, "fits");
	cJSON_AddArrayToObject(object, "refusals");
	cJSON_AddArrayToObject(object, "warnings");
	return object;
}

const struct command cmd_check = {
	.name = "check",
	.synopsis = "FILE {DEV | --vdpa NAME | --mgmtdev NAME} [--for VMM]",
	.summary = "Says whether a state fits a device, with every reason",
	.min_words = 1,
	.max_words = 2,
	.options = check_options,
	.run = check_run,
	.failure = check_failure,
};
