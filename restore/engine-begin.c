/* SPDX-License-Identifier: MIT */
/* A run of the engine: its options in, its report out. */
#include "restore/engine.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "restore/sizes.h"

#define DEFAULT_TIMEOUT 10000000000ull /* nanoseconds */

static const unsigned int known_flags =
	VDPR_RESTORE_ASSUME_ENABLE | VDPR_RESTORE_UNKNOWN_DEFAULT |
	VDPR_RESTORE_STRICT_FEATURES | VDPR_RESTORE_EMPTY_RINGS |
	VDPR_RESTORE_DOORBELL | VDPR_RESTORE_PREWARM | VDPR_RESTORE_SHADOW |
	VDPR_RESTORE_ADVISE;

static void free_opts(struct vdpr_run *run)
{
	for (size_t i = 0; run->warn && i < run->opts.n_warn; i++)
		free(run->warn[i]);
	free(run->warn);
	free(run->in_use);
	free(run->given);
	free(run->final_rings);
}

/* The lists that the options point to need not live as long as the run. */
static int copy_lists(struct vdpr_run *run)
{
	struct vdpr_restore_opts *opts = &run->opts;

	run->warn = calloc(opts->n_warn + 1, sizeof(*run->warn));
	/* One more than these: see taken_ranges(). */
	run->in_use = calloc(opts->n_in_use + run->dev->n_lent + 1,
			     sizeof(*run->in_use));
	if (!run->warn || !run->in_use)
		return -ENOMEM;
	for (size_t i = 0; i < opts->n_warn; i++) {
		run->warn[i] = strdup(opts->warn[i]);
		if (!run->warn[i])
			return -ENOMEM;
	}
	if (opts->n_in_use)
		memcpy(run->in_use, opts->in_use,
		       opts->n_in_use * sizeof(*run->in_use));
	if (run->dev->n_lent)
		memcpy(run->in_use + opts->n_in_use, run->dev->lent,
		       run->dev->n_lent * sizeof(*run->in_use));
	opts->n_in_use += run->dev->n_lent;
	opts->warn = (const char *const *)run->warn;
	opts->in_use = run->in_use;
	return 0;
}

static int copy_iova(struct vdpr_run *run)
{
	if (!run->opts.iova)
		return 0;
	if (vdpr_struct_take(&run->iova, sizeof(run->iova), run->opts.iova,
			     VDPR_LEAST_IOVA_OPS) ||
	    !run->iova.alloc)
		return -EINVAL;
	run->opts.iova = &run->iova;
	return 0;
}

static int bad_opts(struct vdpr_run *run, const char *what)
{
	return vdpr_fail(run->ctx, VDPR_CAUSE_USAGE, -EINVAL, "options: %s",
			 what);
}

static int copy_opts(struct vdpr_run *run)
{
	int ret = vdpr_vrings_take(run->opts.vrings, run->opts.n_vrings,
				   &run->given);

	if (ret == -EINVAL)
		return bad_opts(run, "vrings of unequal or too small a size: "
				     "VDPR_INIT() is missing");
	run->opts.vrings = run->given;
	if (!ret)
		ret = copy_lists(run);
	if (ret)
		return vdpr_fail_memory(run->ctx);
	if (copy_iova(run))
		return bad_opts(run, "iova: no alloc, or VDPR_INIT() is "
				     "missing");
	return 0;
}

static bool lacks_list(const struct vdpr_restore_opts *opts)
{
	return (opts->n_vrings && !opts->vrings) ||
	       (opts->n_in_use && !opts->in_use) ||
	       (opts->n_warn && !opts->warn);
}

int vdpr_opts_take(struct vdpr_ctx *ctx, const struct vdpr_restore_opts *from,
		   struct vdpr_restore_opts *to)
{
	if (from && vdpr_struct_take(to, sizeof(*to), from, VDPR_LEAST_RESTORE))
		return vdpr_fail_size(ctx, NULL, "options", from->size);
	if (to->flags & ~known_flags)
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "options: flags 0x%x are not known",
				 to->flags & ~known_flags);
	if (lacks_list(to))
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "options: a number of vrings, in_use or warn "
				 "without the list");
	return 0;
}

static int take_opts(struct vdpr_run *run, const struct vdpr_restore_opts *opts)
{
	int ret = vdpr_opts_take(run->ctx, opts, &run->opts);

	return ret ? ret : copy_opts(run);
}

int vdpr_run_begin(struct vdpr_run *run, struct vdpr_ctx *ctx,
		   struct vdpr_dev *dev, const struct vdpr_state *state,
		   const struct vdpr_restore_opts *opts)
{
	int ret;

	*run = (struct vdpr_run){
		.ctx = ctx, .dev = dev, .state = state, .call_fd = -1
	};
	run->began = vdpr_now();
	ret = take_opts(run, opts);
	if (ret) {
		free_opts(run);
		return ret;
	}
	run->deadline = run->opts.deadline ? run->opts.deadline
					   : run->began + DEFAULT_TIMEOUT;
	run->warm = run->opts.flags & VDPR_RESTORE_PREWARM;
	run->calls_before = dev->counts;
	run->report = calloc(1, sizeof(*run->report));
	if (run->report)
		run->report->device = strdup(dev->name);
	if (!run->report || !run->report->device) {
		free_opts(run);
		vdpr_report_free(run->report);
		return vdpr_fail_memory(ctx);
	}
	return 0;
}

void vdpr_run_finish(struct vdpr_run *run, int ret, struct vdpr_report **out)
{
	struct vdpr_report *report = run->report;

	report->calls.ioctls =
		run->dev->counts.ioctls - run->calls_before.ioctls;
	report->calls.iotlb_writes =
		run->dev->counts.iotlb_writes - run->calls_before.iotlb_writes;
	if (ret)
		vdpr_report_take_error(report, run->ctx);
	free(run->fit.queues);
	/* Not the control virtqueue's yet. */
	if (run->fit.doorbell)
		munmap(run->fit.doorbell, (size_t)sysconf(_SC_PAGESIZE));
	free(run->rings);
	free(run->ring_changed);
	free_opts(run);
	if (out)
		*out = report;
	else
		vdpr_report_free(report);
}
