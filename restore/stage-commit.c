/* SPDX-License-Identifier: MIT */
/* The final state: what of the early stages still holds, and what must be redone. */
#include "restore/engine.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "restore/plan-diff.h"

/* What the early stages were made of. */
struct early {
	struct vdpr_fit fit; /* queues are owned */
	struct vdpr_plan *plan;
	struct vdpr_command_result *result;
};

static void take_early(struct vdpr_run *run, struct early *early)
{
	struct vdpr_report *report = run->report;

	early->fit = run->fit;
	early->plan = TAKE_PTR(report->plan);
	early->result = TAKE_PTR(report->result);
	run->fit = (struct vdpr_fit){ 0 };
	vdpr_reasons_free(&report->refusals);
	vdpr_reasons_free(&report->warnings);
	if (run->final)
		run->state = run->final;
	if (run->final_rings) {
		free(run->given);
		run->given = TAKE_PTR(run->final_rings);
		run->opts.vrings = run->given;
		run->opts.n_vrings = run->n_final_rings;
	}
}

static void free_early(struct early *early)
{
	free(early->fit.queues);
	vdpr_plan_free(early->plan);
	free(early->result);
}

/* The doorbell is mapped anew by every comparison, and the last one counts. */
static void take_doorbell(struct vdpr_run *run)
{
	if (!run->fit.doorbell)
		return;
	if (run->cvq->doorbell)
		munmap(run->cvq->doorbell, (size_t)sysconf(_SC_PAGESIZE));
	run->cvq->doorbell = TAKE_PTR(run->fit.doorbell);
}

/* ------------------------------------------------------------ start over */

static bool same_queues(const struct vdpr_fit *a, const struct vdpr_fit *b)
{
	return a->n_queues == b->n_queues &&
	       !memcmp(a->queues, b->queues, a->n_queues * sizeof(*a->queues));
}

/* What only a device that is reset can be told. */
static bool must_start_over(const struct vdpr_run *run,
			    const struct early *early)
{
	const struct vdpr_fit *a = &early->fit;
	const struct vdpr_fit *b = &run->fit;

	if (memcmp(&a->asked, &b->asked, sizeof(a->asked)) != 0 ||
	    a->has_cvq != b->has_cvq || a->cvq_index != b->cvq_index)
		return true;
	/* Empty rings lie in memory that was made for just those. */
	return run->opts.flags & VDPR_RESTORE_EMPTY_RINGS && !same_queues(a, b);
}

static int start_over(struct vdpr_run *run, const char *why)
{
	const struct vdpr_reason_kind kind = { "features", "device",
					       "restart" };

	vdpr_reasons_add(&run->report->warnings, &kind, "", "", "",
			 "the final state differs in %s from the provisional "
			 "one: the device is reset and everything repeated",
			 why);
	vdpr_log(run->ctx, VDPR_LOG_WARNING,
		 "%s: the final state differs in %s: starting over",
		 run->dev->name, why);
	run->warm = false;
	run->remap = false;
	run->prefilled = false;
	run->next = run->n_done = 0;
	run->row_end = 0;
	run->stall_at = 0;
	run->report->n_sent = 0;
	free(TAKE_PTR(run->rings));
	free(TAKE_PTR(run->ring_changed));
	vdpr_run_restart(run);
	return VDPR_JUMP;
}

/* ------------------------------------------------------------- the plan */

/* Other commands in the memory that is there. Return: 0, -ENOMEM, -ENOSPC. */
static int use_memory(struct vdpr_run *run, const struct vdpr_plan *plan,
		      size_t keep)
{
	struct vdpr_cvq_slot *slot;
	size_t count;
	int ret = vdpr_run_slots(plan, &slot, &count);

	if (ret)
		return ret;
	ret = vdpr_cvq_replace(run->cvq, slot, count, keep);
	if (ret)
		free(slot);
	return ret;
}

/* Results of what was sent already go to the front of the new plan's. */
static int join_results(struct vdpr_run *run, const struct early *early)
{
	struct vdpr_report *report = run->report;
	size_t sent = early->plan->n_before;
	size_t count = report->plan->count;
	struct vdpr_command_result *result = calloc(count + 1, sizeof(*result));

	if (!result)
		return -ENOMEM;
	memcpy(result, early->result, sent * sizeof(*result));
	for (size_t i = sent; i < count; i++)
		result[i].ack = VDPR_NO_ACK;
	free(report->result);
	report->result = result;
	return 0;
}

/* The device holds the provisional state: only the difference is sent. */
static int continue_plan(struct vdpr_run *run, const struct early *early)
{
	struct vdpr_report *report = run->report;
	size_t sent = early->plan->n_before;
	struct vdpr_plan *plan = calloc(1, sizeof(*plan));
	int ret = plan ? vdpr_plan_continue(early->plan, report->plan,
					    &run->state->negotiated, plan)
		       : -ENOMEM;

	if (!ret)
		ret = use_memory(run, plan, sent);
	if (ret) {
		vdpr_plan_free(plan);
		return ret;
	}
	vdpr_plan_free(report->plan);
	report->plan = plan;
	vdpr_run_write_commands(run, sent);
	return join_results(run, early);
}

static int new_plan(struct vdpr_run *run, const struct early *early)
{
	int ret;

	if (!run->fit.has_cvq)
		return 0;
	if (run->warm) {
		ret = continue_plan(run, early);
		if (ret == -EDOM || ret == -ENOSPC)
			return start_over(run, "what no command takes back");
		return ret ? vdpr_fail_memory(run->ctx) : 0;
	}
	ret = use_memory(run, run->report->plan, 0);
	run->remap = ret == -ENOSPC;
	if (ret && !run->remap)
		return vdpr_fail_memory(run->ctx);
	if (!ret)
		vdpr_run_write_commands(run, 0);
	return 0;
}

/* ------------------------------------------------------------- the rings */

static bool same_ring(const struct vdpr_vring *a, const struct vdpr_vring *b)
{
	return a->num == b->num && a->desc == b->desc &&
	       a->driver == b->driver && a->device == b->device &&
	       a->call_fd == b->call_fd && a->kick_fd == b->kick_fd;
}

static bool was_set(const struct vdpr_vring *rings, size_t count,
		    const struct vdpr_vring *ring)
{
	for (size_t i = 0; i < count; i++)
		if (rings[i].index == ring->index)
			return same_ring(&rings[i], ring);
	return false;
}

/* The final rings, and which of them the device does not have so far. */
static int new_rings(struct vdpr_run *run, const struct early *early)
{
	struct vdpr_vring *old = run->rings;
	size_t count = run->opts.n_vrings;
	int ret;

	if (run->opts.flags & VDPR_RESTORE_EMPTY_RINGS || run->dev->control)
		return 0;
	free(run->ring_changed);
	run->ring_changed = calloc(count + 1, sizeof(*run->ring_changed));
	if (!run->ring_changed)
		return vdpr_fail_memory(run->ctx);
	run->rings = NULL;
	ret = vdpr_step_take_rings(run);
	for (size_t i = 0; !ret && run->rings && i < count; i++)
		run->ring_changed[i] =
			!was_set(old, early->fit.n_queues, &run->rings[i]);
	free(old);
	return ret;
}

static int take_final(struct vdpr_run *run, const struct early *early)
{
	int ret = vdpr_run_compare(run);

	if (ret)
		return ret;
	take_doorbell(run);
	if (must_start_over(run, early))
		return start_over(run, "its features or queues");
	ret = new_rings(run, early);
	return ret ? ret : new_plan(run, early);
}

/* What was begun with: now the bases count, too. */
static int rings_are_final(struct vdpr_run *run)
{
	if (vdpr_fit_rings(&run->fit))
		return vdpr_fail_memory(run->ctx);
	return run->report->refusals.count ? vdpr_run_refused(run) : 0;
}

int vdpr_step_commit(struct vdpr_run *run)
{
	struct early early;
	int ret;

	if (!run->committed)
		return VDPR_PAUSE;
	if (!run->final && !run->final_rings)
		return rings_are_final(run);
	take_early(run, &early);
	ret = take_final(run, &early);
	run->final = NULL;
	free_early(&early);
	return ret;
}

/* ------------------------------------------------- what follows from it */

int vdpr_step_unmap(struct vdpr_run *run)
{
	int ret = vdpr_mem_unmap_next(&run->cvq->mem, run->dev);

	if (ret < 0)
		return vdpr_run_call_failed(run, "IOTLB invalidate", ret);
	run->i++;
	return ret ? VDPR_MORE : 0;
}

int vdpr_step_suspend(struct vdpr_run *run)
{
	int ret = vdpr_dev_ioctl(run->dev, VHOST_VDPA_SUSPEND, NULL);

	return ret ? vdpr_run_call_failed(run, "SUSPEND", ret) : 0;
}

int vdpr_step_resume(struct vdpr_run *run)
{
	int ret = vdpr_dev_ioctl(run->dev, VHOST_VDPA_RESUME, NULL);

	return ret ? vdpr_run_call_failed(run, "RESUME", ret) : 0;
}

int vdpr_step_rings_again(struct vdpr_run *run)
{
	unsigned int count = run->fit.n_queues * VDPR_RING_REQUESTS;
	int ret;

	while (run->ring_changed && run->i < count &&
	       !run->ring_changed[run->i / VDPR_RING_REQUESTS])
		run->i += VDPR_RING_REQUESTS;
	if (!run->ring_changed || run->i >= count)
		return 0;
	ret = vdpr_run_set_ring(run, &run->rings[run->i / VDPR_RING_REQUESTS],
				run->i % VDPR_RING_REQUESTS);
	run->i++;
	return ret ? ret : VDPR_MORE;
}
