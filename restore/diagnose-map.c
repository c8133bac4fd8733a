/* SPDX-License-Identifier: MIT */
/* Diagnosis of the IOTLB: the kernel turns every reason into EFAULT. */
#include "restore/diagnose.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define KIB 1024

/* ------------------------------------------------------------------ the facts */

static uint64_t length(const struct vdpr_iova_range *range)
{
	return range->last - range->first + 1;
}

static void separate(struct vdpr_buf *text)
{
	if (text->len)
		vdpr_buf_str(text, "; ");
}

/*
 * The kernel holds VmPin against the limit, and knows no exception for root.
 * VmLck (mlock) has a count of its own there.
 */
static void explain_memlock(const struct vdpr_map_facts *facts,
			    struct vdpr_buf *means, struct vdpr_buf *cure)
{
	uint64_t wanted = length(&facts->wanted);

	if (facts->memlock == VDPR_MEMLOCK_UNKNOWN ||
	    facts->pinned == VDPR_MEMLOCK_UNKNOWN ||
	    facts->pinned + wanted <= facts->memlock)
		return;
	separate(means);
	vdpr_buf_printf(means,
			"over the limit of locked memory: %" PRIu64
			" KiB are pinned and %" PRIu64
			" KiB more wanted, the limit is %" PRIu64 " KiB",
			facts->pinned / KIB, wanted / KIB,
			facts->memlock / KIB);
	if (!cure->len)
		vdpr_buf_printf(
			cure,
			"raise RLIMIT_MEMLOCK (ulimit -l) to %" PRIu64
			" KiB or more, also for root",
			(facts->pinned + wanted + facts->rest + KIB - 1) / KIB);
}

static void explain_range(const struct vdpr_map_facts *facts,
			  struct vdpr_buf *means, struct vdpr_buf *cure)
{
	if (facts->wanted.first >= facts->device.first &&
	    facts->wanted.last <= facts->device.last)
		return;
	separate(means);
	vdpr_buf_printf(means,
			"outside of what the device can address now, 0x%" PRIx64
			" to 0x%" PRIx64,
			facts->device.first, facts->device.last);
	if (!cure->len)
		vdpr_buf_str(cure, "the range has changed since the restore "
				   "began: try again");
}

static void explain_overlap(const struct vdpr_map_facts *facts,
			    struct vdpr_buf *means, struct vdpr_buf *cure)
{
	for (size_t i = 0; i < facts->n_used; i++) {
		const struct vdpr_iova_range *used = &facts->used[i];

		if (used->first > facts->wanted.last ||
		    used->last < facts->wanted.first)
			continue;
		separate(means);
		vdpr_buf_printf(means,
				"0x%" PRIx64 " to 0x%" PRIx64
				" is mapped there already",
				used->first, used->last);
		if (!cure->len)
			vdpr_buf_str(cure,
				     "map nothing there before the restore, or "
				     "name it among the ranges in use");
		return;
	}
}

void vdpr_diagnose_map_facts(const struct vdpr_map_facts *facts,
			     struct vdpr_buf *means, struct vdpr_buf *cure)
{
	explain_range(facts, means, cure);
	explain_overlap(facts, means, cure);
	explain_memlock(facts, means, cure);
}

/* ------------------------------------------------------------- asking around */

int vdpr_proc_kib(const char *path, const char *key, uint64_t *out)
{
	FILE *file = fopen(path, "re");
	char line[256];
	int ret = -ENODATA;

	if (!file)
		return -errno;
	while (ret && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		*out = strtoull(line + strlen(key), NULL, 10) * KIB;
		ret = 0;
	}
	fclose(file);
	return ret;
}

static void ask_memlock(struct vdpr_map_facts *facts)
{
	struct rlimit limit;

	facts->memlock = VDPR_MEMLOCK_UNKNOWN;
	facts->pinned = VDPR_MEMLOCK_UNKNOWN;
	if (!getrlimit(RLIMIT_MEMLOCK, &limit) &&
	    limit.rlim_cur != RLIM_INFINITY)
		facts->memlock = limit.rlim_cur;
	(void)vdpr_proc_kib("/proc/self/status", "VmPin:", &facts->pinned);
}

/* All that is known to be mapped in the address space of @mem. */
static void ask_used(const struct vdpr_run *run, const struct vdpr_mem *mem,
		     struct vdpr_iova_range *used, struct vdpr_map_facts *facts)
{
	const struct vdpr_report *report = run->report;

	/* The caller's memory is in the first address space. */
	if (!mem->asid && run->opts.n_in_use) {
		memcpy(used, run->opts.in_use,
		       run->opts.n_in_use * sizeof(*used));
		facts->n_used = run->opts.n_in_use;
	}
	if (report->has_cvq && report->cvq_asid == mem->asid &&
	    mem != &run->cvq->mem)
		used[facts->n_used++] = report->cvq_iova;
	facts->used = used;
}

/* The kernel computes the range anew when features or groups change it. */
static void ask_range(struct vdpr_dev *dev, struct vdpr_map_facts *facts)
{
	facts->device = (struct vdpr_iova_range){ 0, UINT64_MAX };
	(void)vdpr_dev_get_iova_range(dev, &facts->device);
}

static void wanted(const struct vdpr_mem *mem, struct vdpr_map_facts *facts)
{
	uint64_t first = mem->iova + (mem->mapped ? mem->ro_len : 0);
	uint64_t len = mem->mapped ? mem->rw_len : mem->ro_len;

	facts->wanted = (struct vdpr_iova_range){ first, first + len - 1 };
	facts->rest = mem->mapped ? 0 : mem->rw_len;
}

/* Nothing that is known applies: what remains, the likeliest first. */
static void explain_rest(const struct vdpr_dev *dev,
			 const struct vdpr_map_facts *facts,
			 struct vdpr_buf *means, struct vdpr_buf *cure)
{
	if (dev->owned && dev->owner != getpid()) {
		vdpr_buf_str(cure, vdpr_diagnose_owner(dev, means));
		return;
	}
	vdpr_buf_printf(means,
			"neither the device's range nor a known mapping nor "
			"%s is the reason",
			facts->pinned == VDPR_MEMLOCK_UNKNOWN
				? "the owner"
				: "RLIMIT_MEMLOCK nor the owner");
	vdpr_buf_str(cure, "something may be mapped there that was not named "
			   "as in use, or the kernel is out of memory: its log "
			   "may say more");
}

/* @facts: wanted, rest and used; gets the others. Return: @err. */
static int explain(struct vdpr_ctx *ctx, struct vdpr_dev *dev, uint32_t asid,
		   struct vdpr_map_facts *facts, int err)
{
	_cleanup_buf_ struct vdpr_buf means = { 0 };
	_cleanup_buf_ struct vdpr_buf cure = { 0 };

	ask_range(dev, facts);
	ask_memlock(facts);
	vdpr_diagnose_map_facts(facts, &means, &cure);
	if (!means.len)
		explain_rest(dev, facts, &means, &cure);
	vdpr_fail(ctx, VDPR_CAUSE_OTHER, err,
		  "%s: IOTLB update of %" PRIu64 " bytes at 0x%" PRIx64
		  " in address space %" PRIu32 ": %s: %s",
		  dev->name, length(&facts->wanted), facts->wanted.first, asid,
		  strerror(-err), means.data ? means.data : "");
	vdpr_cure(ctx, "%s", cure.data ? cure.data : "");
	return err;
}

int vdpr_diagnose_map(struct vdpr_run *run, const struct vdpr_mem *mem, int err)
{
	_cleanup_free_ struct vdpr_iova_range *used =
		calloc(run->opts.n_in_use + 1, sizeof(*used));
	struct vdpr_map_facts facts = { .memlock = 0 };

	/* Other errnos say what they mean: see the table. */
	if (err != -EFAULT || !run->ctx || !used)
		return vdpr_run_call_failed(run, "IOTLB update", err);
	wanted(mem, &facts);
	ask_used(run, mem, used, &facts);
	return explain(run->ctx, run->dev, mem->asid, &facts, err);
}

int vdpr_diagnose_lent(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
		       const struct vdpr_iova_range *range, int err)
{
	struct vdpr_map_facts facts = { .wanted = *range };

	if (err != -EFAULT)
		return vdpr_fail(ctx, vdpr_cause_of(err), err,
				 "%s: IOTLB update: %s", dev->name,
				 strerror(-err));
	return explain(ctx, dev, 0, &facts, err);
}
