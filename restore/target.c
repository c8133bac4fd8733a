/* SPDX-License-Identifier: MIT */
/* Stage 2 on a device that is not open, by what others tell of it. */
#include "restore/engine.h"

#include <errno.h>
#include <string.h>

#include "restore/sizes.h"

/* A caller's structs of any size. */
static int take_target(struct vdpr_ctx *ctx, const struct vdpr_target *from,
		       struct vdpr_target *target, struct vdpr_dev_info *info)
{
	if (vdpr_struct_take(target, sizeof(*target), from,
			     VDPR_LEAST_TARGET) ||
	    !target->info ||
	    vdpr_struct_take(info, sizeof(*info), target->info,
			     VDPR_LEAST_DEV_INFO))
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "target: VDPR_INIT() is missing");
	target->info = info;
	return 0;
}

static struct vdpr_report *new_report(const char *name)
{
	struct vdpr_report *report = calloc(1, sizeof(*report));

	if (!report)
		return NULL;
	report->stage = VDPR_STAGE_COMPARE;
	report->n_stages = VDPR_STAGE_COMPARE + 1;
	report->device = strdup(name);
	if (report->device)
		return report;
	vdpr_report_free(report);
	return NULL;
}

static int compare(struct vdpr_ctx *ctx, const struct vdpr_target *target,
		   const struct vdpr_state *state,
		   const struct vdpr_restore_opts *opts,
		   struct vdpr_report *report)
{
	struct vdpr_fit fit = {
		.state = state,
		.info = target->info,
		.seen = target->seen,
		.driver = target->info->driver,
		.kernel = target->kernel,
		.opts = opts,
		.refusals = &report->refusals,
		.warnings = &report->warnings,
	};
	int ret = vdpr_fit(&fit);

	free(fit.queues);
	if (ret)
		return vdpr_fail_memory(ctx);
	return report->refusals.count
		       ? vdpr_fit_refused(&fit, ctx, report->device)
		       : 0;
}

int vdpr_target_check(struct vdpr_ctx *ctx, const struct vdpr_target *given,
		      const struct vdpr_state *state,
		      const struct vdpr_restore_opts *opts,
		      struct vdpr_report **out)
{
	struct vdpr_restore_opts own = VDPR_INIT(struct vdpr_restore_opts);
	struct vdpr_report *report;
	struct vdpr_target target;
	struct vdpr_dev_info info;
	int ret;

	if (!given)
		return vdpr_fail_null(ctx, "target");
	if (vdpr_any_null(ctx, state))
		return -EINVAL;
	ret = vdpr_opts_take(ctx, opts, &own);
	if (!ret)
		ret = take_target(ctx, given, &target, &info);
	if (ret)
		return ret;
	report = new_report(target.name ? target.name : "");
	if (!report)
		return vdpr_fail_memory(ctx);
	ret = compare(ctx, &target, state, &own, report);
	if (ret)
		vdpr_report_take_error(report, ctx);
	if (out)
		*out = report;
	else
		vdpr_report_free(report);
	return ret;
}
