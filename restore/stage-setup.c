/* SPDX-License-Identifier: MIT */
/* Stages 1 to 6: from a device at reset to one that runs its CVQ alone. */
#include "restore/diagnose.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#define VQ_GET_LEN 6	    /* class, command, le16 index, le16 reserved */
#define VQ_GET_ANSWER_LEN 9 /* ack, le32 packets, le32 microseconds */

/* --------------------------------------------------- 1 examine, 2 compare */

int vdpr_step_examine(struct vdpr_run *run)
{
	int ret;

	if (run->dev->control) {
		run->info = *run->dev->control->info;
		return 0;
	}
	ret = vdpr_dev_examine_step(run->ctx, run->dev, run->i++, &run->info);
	if (ret > 0)
		return VDPR_MORE;
	/* The message names the request already. */
	return ret ? vdpr_diagnose_call(run, "GET_", ret) : 0;
}

int vdpr_run_refused(struct vdpr_run *run)
{
	return vdpr_fit_refused(&run->fit, run->ctx, run->dev->name);
}

static int make_plan(struct vdpr_run *run)
{
	unsigned int flags = run->opts.flags & VDPR_RESTORE_UNKNOWN_DEFAULT
				     ? VDPR_PLAN_UNKNOWN_DEFAULT
				     : 0;
	struct vdpr_report *report = run->report;
	int ret = vdpr_plan(run->ctx, run->state, flags, &report->plan);

	if (ret)
		return ret;
	report->result =
		calloc(report->plan->count + 1, sizeof(*report->result));
	if (!report->result)
		return vdpr_fail_memory(run->ctx);
	for (size_t i = 0; i < report->plan->count; i++)
		report->result[i].ack = VDPR_NO_ACK;
	return 0;
}

static void log_warnings(struct vdpr_run *run)
{
	const struct vdpr_reasons *list = &run->report->warnings;

	for (size_t i = 0; i < list->count; i++)
		vdpr_log(run->ctx, VDPR_LOG_WARNING, "%s: %s", run->dev->name,
			 list->reason[i].text);
}

/* Commands for queues that will not be enabled, where --warn allows that. */
static void leave_out(struct vdpr_run *run)
{
	struct vdpr_plan *plan = run->report->plan;
	size_t kept = plan->n_before;

	for (size_t i = plan->n_before; i < plan->count; i++) {
		const uint8_t *payload = plan->bytes + plan->entry[i].offset;

		if (vdpr_fit_enables(&run->fit, vdpr_get_le16(payload)))
			plan->entry[kept++] = plan->entry[i];
	}
	plan->count = kept;
}

/* What a prewarm needs besides. Return: 0, -EOPNOTSUPP. */
static int check_warm(struct vdpr_run *run)
{
	const uint64_t wanted = BIT_ULL(VHOST_BACKEND_F_SUSPEND) |
				BIT_ULL(VHOST_BACKEND_F_RESUME);

	if (!run->warm)
		return 0;
	/* Nothing to replay, so nothing to do earlier. */
	if (!run->fit.has_cvq)
		run->warm = false;
	if (!run->dev->control &&
	    (run->info.backend_features & wanted) == wanted)
		return 0;
	vdpr_fail(run->ctx, VDPR_CAUSE_REFUSED, -EOPNOTSUPP,
		  "%s: prewarm: the device cannot %s", run->dev->name,
		  run->info.backend_features & BIT_ULL(VHOST_BACKEND_F_SUSPEND)
			  ? "RESUME (backend feature bit 5)"
			  : "SUSPEND (backend feature bit 4)");
	vdpr_cure(run->ctx, "begin without VDPR_RESTORE_PREWARM");
	return -EOPNOTSUPP;
}

int vdpr_run_compare(struct vdpr_run *run)
{
	int ret = 0;

	run->fit = (struct vdpr_fit){
		.state = run->state,
		.dev = run->dev,
		.info = &run->info,
		.seen = VDPR_SEEN_ALL,
		.driver = run->dev->driver,
		.kernel = run->dev->kernel,
		.opts = &run->opts,
		.refusals = &run->report->refusals,
		.warnings = &run->report->warnings,
		.early = run->events && !run->committed,
	};
	if (vdpr_fit(&run->fit))
		return vdpr_fail_memory(run->ctx);
	if (run->fit.plannable)
		ret = make_plan(run);
	if (ret)
		return ret;
	log_warnings(run);
	if (run->report->refusals.count)
		return vdpr_run_refused(run);
	leave_out(run);
	return 0;
}

int vdpr_step_compare(struct vdpr_run *run)
{
	int ret = vdpr_run_compare(run);

	return ret ? ret : check_warm(run);
}

/* ------------------------------------------------------------ 3 negotiate */

int vdpr_step_own(struct vdpr_run *run)
{
	int ret = vdpr_dev_own(run->dev);

	return ret ? vdpr_run_call_failed(run, "SET_OWNER", ret) : 0;
}

int vdpr_step_reset(struct vdpr_run *run)
{
	int ret;

	run->touched = true;
	ret = vdpr_dev_reset(run->dev);
	if (ret)
		return vdpr_run_call_failed(run, "SET_STATUS(0)", ret);
	/* A repetition: an event loop goes on listening to the same eventfd. */
	if (run->events && run->cvq)
		run->call_fd = TAKE_FD(run->cvq->call_fd);
	/* What an earlier run on the same handle left. */
	vdpr_dev_drop_cvq(run->dev);
	run->cvq = NULL;
	run->info.status = 0;
	return 0;
}

/* Only what is needed: the message format, the ASID field of it (it is silently
 * ignored without its bit) and the promise to enable late. */
int vdpr_step_backend(struct vdpr_run *run)
{
	uint64_t wanted = BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2) |
			  BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID) |
			  BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
	int ret;

	run->touched = true;
	/* Also to quiesce it later, and to come back. */
	if (run->warm || run->opts.flags & VDPR_RESTORE_SHADOW)
		wanted |= BIT_ULL(VHOST_BACKEND_F_SUSPEND) |
			  BIT_ULL(VHOST_BACKEND_F_RESUME);
	wanted &= run->info.backend_features;
	wanted |= run->dev->acked;
	ret = vdpr_dev_set_backend(run->dev, wanted);
	if (ret)
		return vdpr_run_call_failed(run, "SET_BACKEND_FEATURES", ret);
	run->dev->acked = wanted;
	return 0;
}

static int set_status(struct vdpr_run *run, uint8_t status)
{
	char call[32];
	int ret = vdpr_dev_set_status(run->dev, status);

	if (!ret)
		return 0;
	snprintf(call, sizeof(call), "SET_STATUS(0x%02x)", status);
	return vdpr_run_call_failed(run, call, ret);
}

/* FEATURES_OK and DRIVER_OK fail without an error: the bit is not there, or
 * FAILED is. */
static int status_kept(struct vdpr_run *run, uint8_t bit)
{
	uint8_t status = 0;
	int ret = vdpr_dev_get_status(run->dev, &status);

	if (ret)
		return vdpr_run_call_failed(run, "GET_STATUS", ret);
	if (status & bit && !(status & VIRTIO_CONFIG_S_FAILED))
		return 0;
	return vdpr_diagnose_status(run, bit, status);
}

static const uint8_t status_driver = VIRTIO_CONFIG_S_ACKNOWLEDGE |
				     VIRTIO_CONFIG_S_DRIVER;

int vdpr_step_acknowledge(struct vdpr_run *run)
{
	return set_status(run, VIRTIO_CONFIG_S_ACKNOWLEDGE);
}

int vdpr_step_driver(struct vdpr_run *run)
{
	return set_status(run, status_driver);
}

int vdpr_step_features(struct vdpr_run *run)
{
	int ret = vdpr_dev_set_features(run->dev, &run->fit.asked);

	return ret ? vdpr_diagnose_set_features(run, ret) : 0;
}

int vdpr_step_features_ok(struct vdpr_run *run)
{
	return set_status(run, status_driver | VIRTIO_CONFIG_S_FEATURES_OK);
}

int vdpr_step_features_kept(struct vdpr_run *run)
{
	return status_kept(run, VIRTIO_CONFIG_S_FEATURES_OK);
}

static bool may_isolate(const struct vdpr_run *run)
{
	return run->dev->acked & BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID) &&
	       run->info.groups >= 2 && run->info.address_spaces >= 2;
}

/* Is the control virtqueue in a group that no data queue shares, with an address
 * space to put it in? One request a queue, the control virtqueue's first. */
int vdpr_step_groups(struct vdpr_run *run)
{
	struct vdpr_report *report = run->report;
	uint32_t index, group;
	int ret;

	report->isolation_known = true;
	report->isolated = false;
	run->cvq_asid = 0;
	if (!may_isolate(run))
		return 0;
	index = run->i ? run->i - 1 : run->fit.cvq_index;
	ret = vdpr_dev_vring_get(run->dev, VHOST_VDPA_GET_VRING_GROUP, index,
				 &group);
	/* The bit is offered by every parent, the operation is not there. */
	if (!run->i && (ret == -EOPNOTSUPP || ret == -ENOTTY))
		return 0;
	if (ret)
		return vdpr_run_call_failed(run, "GET_VRING_GROUP", ret);
	if (!run->i)
		run->cvq_group = group;
	else if (group == run->cvq_group)
		return 0;
	if (run->i++ < run->fit.cvq_index)
		return VDPR_MORE;
	report->isolated = true;
	return 0;
}

static uint32_t pow2_at_most(uint32_t value, uint32_t limit)
{
	uint32_t size = 1;

	if (value > limit)
		value = limit;
	while (size * 2 <= value)
		size *= 2;
	return size;
}

/* Largest size of one ring; 0 where the kernel cannot tell for a single ring. */
static int ask_ring_size(struct vdpr_run *run, uint32_t index, uint32_t *size)
{
	int ret;

	*size = 0;
	if (vdpr_quirk_find(run->dev, VDPR_QUIRK_EXACT_SIZE)) {
		*size = run->info.vring_num;
		return 0;
	}
	ret = vdpr_dev_vring_get(run->dev, VHOST_VDPA_GET_VRING_SIZE, index,
				 size);
	if (!ret || ret == -ENOTTY || ret == -EOPNOTSUPP || ret == -EINVAL)
		return 0;
	return vdpr_run_call_failed(run, "GET_VRING_SIZE", ret);
}

#define CVQ_RING_DEFAULT 64 /* where only the largest of all rings is known */
#define DATA_RING_DEFAULT 256

int vdpr_step_cvq_size(struct vdpr_run *run)
{
	uint32_t size;
	int ret;

	if (vdpr_quirk_find(run->dev, VDPR_QUIRK_CVQ_16)) {
		run->cvq_num = 16;
		return 0;
	}
	ret = ask_ring_size(run, run->fit.cvq_index, &size);
	if (ret)
		return ret;
	if (!size)
		size = pow2_at_most(run->info.vring_num, CVQ_RING_DEFAULT);
	run->cvq_num = (uint16_t)pow2_at_most(size, VDPR_RING_MAX);
	return vdpr_fit_cvq_size(&run->fit, size) ? 0 : vdpr_run_refused(run);
}

/* An own address space keeps the CVQ apart from the guest's memory. */
int vdpr_step_isolate(struct vdpr_run *run)
{
	int ret = vdpr_dev_vring(run->dev, VHOST_VDPA_SET_GROUP_ASID,
				 run->cvq_group, 1);

	if (ret)
		return vdpr_run_call_failed(run, "SET_GROUP_ASID", ret);
	run->cvq_asid = 1;
	return 0;
}

/* ------------------------------------------------------------------ 4 map */

/* What the guest's features make of the rings: nothing is chosen here. */
static struct vdpr_ring_format ring_format(const struct vdpr_run *run)
{
	const struct vdpr_features *asked = &run->fit.asked;

	return (struct vdpr_ring_format){
		.ops = vdpr_features_has(asked, VIRTIO_F_RING_PACKED)
			       ? &vdpr_ring_packed
			       : &vdpr_ring_split,
		.event_idx = vdpr_features_has(asked, VIRTIO_RING_F_EVENT_IDX),
		.in_order = vdpr_features_has(asked, VIRTIO_F_IN_ORDER),
		.indirect =
			vdpr_features_has(asked, VIRTIO_RING_F_INDIRECT_DESC),
	};
}

/* Commands of the plan, then one question for every queue with coalescing
 * values of its own: the one thing that can be read back. */
int vdpr_run_slots(const struct vdpr_plan *plan, struct vdpr_cvq_slot **out,
		   size_t *count)
{
	size_t asks = plan->count - plan->n_before;
	uint32_t out_at = (uint32_t)plan->len;
	uint32_t in_at = (uint32_t)plan->count;
	struct vdpr_cvq_slot *slot;

	*count = plan->count + asks;
	slot = calloc(*count + 1, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	for (size_t i = 0; i < plan->count; i++)
		slot[i] = (struct vdpr_cvq_slot){
			.out = (uint32_t)plan->entry[i].offset - 2,
			.out_len = (uint32_t)plan->entry[i].len + 2,
			.in = (uint32_t)i,
			.in_len = 1,
		};
	for (size_t i = plan->count; i < *count; i++) {
		slot[i] = (struct vdpr_cvq_slot){ out_at, VQ_GET_LEN, in_at,
						  VQ_GET_ANSWER_LEN };
		out_at += VQ_GET_LEN;
		in_at += VQ_GET_ANSWER_LEN;
	}
	*out = slot;
	return 0;
}

void vdpr_run_write_commands(struct vdpr_run *run, size_t from)
{
	const struct vdpr_plan *plan = run->report->plan;
	struct vdpr_cvq *cvq = run->cvq;
	size_t at = from < plan->count ? plan->entry[from].offset - 2
				       : plan->len;

	if (plan->len > at)
		memcpy(cvq->out + at, plan->bytes + at, plan->len - at);
	for (size_t i = plan->count; i < cvq->n_slots; i++) {
		size_t set = plan->n_before + (i - plan->count);
		uint8_t *ask = cvq->out + cvq->slot[i].out;

		ask[0] = VIRTIO_NET_CTRL_NOTF_COAL;
		ask[1] = VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET;
		/* Queue index and reserved field, as in the command that set. */
		memcpy(ask + 2, plan->bytes + plan->entry[set].offset, 4);
	}
}

static int no_iova(struct vdpr_run *run, size_t len, int err)
{
	return vdpr_fail(run->ctx, VDPR_CAUSE_OTHER, err,
			 "%s: no free IOVA for %zu bytes between 0x%" PRIx64
			 " and 0x%" PRIx64,
			 run->dev->name, len, run->info.iova_first,
			 run->info.iova_last);
}

/* The caller's own choice, or the highest free IOVA of an address space. */
static int choose_iova(struct vdpr_run *run, struct vdpr_mem *mem,
		       uint32_t asid, const struct vdpr_iova_range *used,
		       size_t n_used)
{
	const struct vdpr_iova_range range = { run->info.iova_first,
					       run->info.iova_last };
	size_t len = vdpr_mem_len(mem);
	int ret;

	mem->asid = asid;
	if (run->opts.iova) {
		ret = run->iova.alloc(run->iova.data, asid, len, &range,
				      &mem->iova);
		if (!ret)
			mem->owner = run->iova;
	} else {
		ret = vdpr_iova_find(&range, used, n_used, len, &mem->iova);
	}
	return ret ? no_iova(run, len, ret) : 0;
}

static int map_next(struct vdpr_run *run, struct vdpr_mem *mem)
{
	int ret = vdpr_mem_map_next(mem, run->dev);

	if (ret < 0)
		return vdpr_diagnose_map(run, mem, ret);
	run->i++;
	return ret ? VDPR_MORE : 0;
}

/* Commands that a final state may need more than the provisional one did. */
static const struct vdpr_cvq_room spare_cold = { 4096, 512 };
/* ... and that undo what it no longer wants: it cannot be mapped anew. */
static const struct vdpr_cvq_room spare_warm = { 64 * 1024, 16 * 1024 };

static const struct vdpr_cvq_room *spare_room(const struct vdpr_run *run)
{
	if (run->warm)
		return &spare_warm;
	return run->events && !run->committed ? &spare_cold : NULL;
}

/* Ranges that the control virtqueue's memory must keep off. */
static size_t taken_ranges(struct vdpr_run *run)
{
	const struct vdpr_mem *data = &run->cvq->data;
	size_t count = run->opts.n_in_use;

	if (run->report->isolated)
		return 0;
	/* The list has room for one more: empty rings, if those came first. */
	if (data->mapped)
		run->in_use[count++] = (struct vdpr_iova_range){
			data->iova, data->iova + vdpr_mem_len(data) - 1
		};
	return count;
}

/* Memory of the control virtqueue with the plan's commands in it. */
static int fill_memory(struct vdpr_run *run)
{
	struct vdpr_report *report = run->report;
	const struct vdpr_ring_format format = ring_format(run);
	struct vdpr_cvq_slot *slot = NULL;
	size_t count = 0;
	int ret = vdpr_run_slots(report->plan, &slot, &count);

	if (ret)
		return vdpr_fail_memory(run->ctx);
	/* A caller's own ring needs none of ours, only the commands. */
	if (run->dev->control)
		run->cvq_num = 2;
	ret = vdpr_cvq_layout(run->cvq, &format, run->cvq_num, slot, count,
			      spare_room(run),
			      run->opts.flags & VDPR_RESTORE_SHADOW);
	if (ret) {
		free(slot);
		return vdpr_run_call_failed(run, "memory for the CVQ", ret);
	}
	vdpr_run_write_commands(run, 0);
	if (run->dev->control)
		return 0;
	ret = choose_iova(run, &run->cvq->mem, run->cvq_asid, run->in_use,
			  taken_ranges(run));
	if (ret)
		return ret;
	report->has_cvq = true;
	report->cvq_asid = run->cvq_asid;
	report->cvq_iova.first = run->cvq->mem.iova;
	report->cvq_iova.last =
		run->cvq->mem.iova + vdpr_mem_len(&run->cvq->mem) - 1;
	return 0;
}

int vdpr_step_map_cvq(struct vdpr_run *run)
{
	return map_next(run, &run->cvq->mem);
}

int vdpr_step_memory_again(struct vdpr_run *run)
{
	vdpr_mem_free(&run->cvq->mem);
	free(TAKE_PTR(run->cvq->slot));
	return fill_memory(run);
}

/* ------------------------------------------- the empty rings of a rehearsal */

static int make_eventfds(struct vdpr_run *run)
{
	struct vdpr_cvq *cvq = run->cvq;
	size_t count = 2 * (size_t)run->fit.n_queues;

	cvq->fds = calloc(count ? count : 1, sizeof(*cvq->fds));
	if (!cvq->fds)
		return vdpr_fail_memory(run->ctx);
	for (; cvq->n_fds < count; cvq->n_fds++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0)
			return vdpr_run_call_failed(run, "eventfd", -errno);
		cvq->fds[cvq->n_fds] = fd;
	}
	return 0;
}

/* Sizes of the rings, and the bytes they take: one request a ring. */
int vdpr_step_ring_sizes(struct vdpr_run *run)
{
	const struct vdpr_ring_ops *ops = ring_format(run).ops;
	uint16_t largest = run->info.vring_num;
	uint16_t num;
	uint32_t size;
	int ret;

	if (!run->i) {
		free(run->rings);
		run->ring_bytes[0] = run->ring_bytes[1] = 0;
		run->rings =
			calloc(run->fit.n_queues + 1u, sizeof(*run->rings));
		if (!run->rings)
			return vdpr_fail_memory(run->ctx);
	}
	if (run->i >= run->fit.n_queues)
		return 0;
	ret = ask_ring_size(run, run->fit.queues[run->i], &size);
	if (ret)
		return ret;
	if (!size)
		size = largest < DATA_RING_DEFAULT ? largest
						   : DATA_RING_DEFAULT;
	num = (uint16_t)pow2_at_most(size, 0x8000);
	run->rings[run->i].num = num;
	run->ring_bytes[0] += vdpr_align_up(ops->ro_size(num, false), 16);
	run->ring_bytes[1] += vdpr_align_up(ops->rw_size(num), 16);
	return ++run->i < run->fit.n_queues ? VDPR_MORE : 0;
}

static void place_rings(struct vdpr_run *run)
{
	const struct vdpr_ring_ops *ops = ring_format(run).ops;
	uint64_t ro = run->cvq->data.iova;
	uint64_t rw = run->cvq->data.iova + run->cvq->data.ro_len;

	for (uint32_t i = 0; i < run->fit.n_queues; i++) {
		struct vdpr_vring *ring = &run->rings[i];
		uint16_t num = (uint16_t)ring->num;
		struct vdpr_ring_areas at = ops->areas(num, ro, rw);

		ring->size = sizeof(*ring);
		ring->index = run->fit.queues[i];
		ring->base = ops->initial_base;
		ring->desc = at.desc;
		ring->driver = at.driver;
		ring->device = at.device;
		ring->kick_fd = run->cvq->fds[2 * i];
		ring->call_fd = run->cvq->fds[2 * i + 1];
		ro += vdpr_align_up(ops->ro_size(num, false), 16);
		rw += vdpr_align_up(ops->rw_size(num), 16);
	}
}

int vdpr_step_ring_memory(struct vdpr_run *run)
{
	const struct vdpr_iova_range cvq = run->report->cvq_iova;
	bool shared = run->report->has_cvq && !run->report->isolated;
	int ret = make_eventfds(run);

	if (ret)
		return ret;
	ret = vdpr_mem_alloc(&run->cvq->data, run->ring_bytes[0],
			     run->ring_bytes[1]);
	if (ret)
		return vdpr_run_call_failed(run, "memory for rings", ret);
	/* A device of our own: nothing but the CVQ is mapped, if even that. */
	ret = choose_iova(run, &run->cvq->data, 0, &cvq, shared ? 1 : 0);
	if (ret)
		return ret;
	place_rings(run);
	return 0;
}

int vdpr_step_map_rings(struct vdpr_run *run)
{
	return map_next(run, &run->cvq->data);
}

/* The caller's array, never written through. */
int vdpr_step_take_rings(struct vdpr_run *run)
{
	size_t count = run->opts.n_vrings;

	free(run->rings);
	run->rings = calloc(count + 1, sizeof(*run->rings));
	if (!run->rings)
		return vdpr_fail_memory(run->ctx);
	if (count)
		memcpy(run->rings, run->opts.vrings,
		       count * sizeof(*run->rings));
	return 0;
}

int vdpr_step_memory(struct vdpr_run *run)
{
	struct vdpr_report *report = run->report;
	int ret = vdpr_cvq_new(&run->cvq, run->call_fd);

	if (ret)
		return vdpr_run_call_failed(run, "eventfd", ret);
	run->call_fd = -1;
	vdpr_cvq_free(run->dev->cvq);
	run->dev->cvq = run->cvq;
	run->cvq->index = run->fit.cvq_index;
	run->cvq->doorbell = TAKE_PTR(run->fit.doorbell);
	run->cvq->notify_data =
		vdpr_features_has(&run->fit.asked, VIRTIO_F_NOTIFICATION_DATA);
	/* Made here, so that nothing is later on. */
	run->cvq->queues =
		calloc(run->fit.n_queues + 1u, sizeof(*run->cvq->queues));
	if (!run->cvq->queues)
		return vdpr_fail_memory(run->ctx);
	report->has_cvq = false;
	return run->fit.has_cvq ? fill_memory(run) : 0;
}

/* ---------------------------------------------------------------- 5 rings */

static int ring_failed(struct vdpr_run *run, const char *call,
		       const struct vdpr_vring *ring, int err)
{
	char text[80];

	snprintf(text, sizeof(text), "%s of queue %" PRIu32, call, ring->index);
	return vdpr_run_call_failed(run, text, err);
}

static int set_ring_fd(struct vdpr_run *run, const struct vdpr_vring *ring,
		       unsigned long request, const char *call, int fd)
{
	int ret = 0;

	if (fd > 0)
		ret = vdpr_dev_vring_fd(run->dev, request, ring->index, fd);
	return ret ? ring_failed(run, call, ring, ret) : 0;
}

int vdpr_run_set_ring(struct vdpr_run *run, const struct vdpr_vring *ring,
		      unsigned int i)
{
	int ret;

	switch (i) {
	case 0:
		ret = vdpr_dev_vring(run->dev, VHOST_SET_VRING_NUM, ring->index,
				     ring->num);
		return ret ? ring_failed(run, "SET_VRING_NUM", ring, ret) : 0;
	case 1:
		ret = vdpr_dev_vring_addr(run->dev, ring->index, ring->desc,
					  ring->driver, ring->device);
		return ret ? ring_failed(run, "SET_VRING_ADDR", ring, ret) : 0;
	case 2:
		return set_ring_fd(run, ring, VHOST_SET_VRING_CALL,
				   "SET_VRING_CALL", ring->call_fd);
	default:
		return set_ring_fd(run, ring, VHOST_SET_VRING_KICK,
				   "SET_VRING_KICK", ring->kick_fd);
	}
}

static int set_base(struct vdpr_run *run, const struct vdpr_vring *ring)
{
	int ret = vdpr_dev_vring(run->dev, VHOST_SET_VRING_BASE, ring->index,
				 ring->base);

	return ret ? ring_failed(run, "SET_VRING_BASE", ring, ret) : 0;
}

/* A ring whose eventfds are ours: they are taken back when it is undone. */
static void own_ring(struct vdpr_run *run, uint32_t index)
{
	run->cvq->queues[run->cvq->n_queues++] = index;
}

/* All but the bases, which only a final state knows. */
int vdpr_step_rings(struct vdpr_run *run)
{
	unsigned int count = run->fit.n_queues * VDPR_RING_REQUESTS;
	const struct vdpr_vring *ring;
	unsigned int i = run->i;
	int ret;

	if (i >= count)
		return 0;
	ring = &run->rings[i / VDPR_RING_REQUESTS];
	if (!(i % VDPR_RING_REQUESTS) &&
	    run->opts.flags & VDPR_RESTORE_EMPTY_RINGS)
		own_ring(run, ring->index);
	ret = vdpr_run_set_ring(run, ring, i % VDPR_RING_REQUESTS);
	if (ret)
		return ret;
	run->i++;
	return run->i < count ? VDPR_MORE : 0;
}

static int list_enabled(struct vdpr_run *run)
{
	struct vdpr_report *report = run->report;

	free(report->enabled);
	report->n_enabled = 0;
	report->enabled =
		calloc(run->fit.n_queues + 1u, sizeof(*report->enabled));
	return report->enabled ? 0 : vdpr_fail_memory(run->ctx);
}

int vdpr_step_bases(struct vdpr_run *run)
{
	/* Room for what is noted while time counts, too. */
	int ret = run->i ? 0 : list_enabled(run);

	if (ret)
		return ret;
	if (run->i >= run->fit.n_queues)
		return 0;
	ret = set_base(run, &run->rings[run->i]);
	if (ret)
		return ret;
	return ++run->i < run->fit.n_queues ? VDPR_MORE : 0;
}

static struct vdpr_vring cvq_ring(const struct vdpr_run *run)
{
	const struct vdpr_ring_ops *ops = ring_format(run).ops;
	const struct vdpr_cvq *cvq = run->cvq;
	const struct vdpr_ring_areas at = ops->areas(
		cvq->num, cvq->mem.iova, cvq->mem.iova + cvq->mem.ro_len);

	return (struct vdpr_vring){
		.index = run->fit.cvq_index,
		.num = cvq->num,
		.base = ops->initial_base,
		.desc = at.desc,
		.driver = at.driver,
		.device = at.device,
		.kick_fd = cvq->kick_fd,
		.call_fd = cvq->call_fd,
	};
}

int vdpr_step_cvq_ring(struct vdpr_run *run)
{
	const struct vdpr_ring_format format = ring_format(run);
	const struct vdpr_vring ring = cvq_ring(run);
	int ret;

	if (run->i >= VDPR_RING_REQUESTS)
		return set_base(run, &ring);
	if (!run->i) {
		vdpr_cvq_start(run->cvq, &format);
		if (!run->remap)
			own_ring(run, ring.index);
	}
	ret = vdpr_run_set_ring(run, &ring, run->i++);
	return ret ? ret : VDPR_MORE;
}

int vdpr_step_config_call(struct vdpr_run *run)
{
	int ret = vdpr_dev_set_config_call(run->dev, run->cvq->config_fd);

	run->cvq->config_set = !ret;
	return ret ? vdpr_run_call_failed(run, "SET_CONFIG_CALL", ret) : 0;
}

/*
 * From DRIVER_OK on a guest waits. What runs for the first time is slow - pages
 * are not there yet, caches are cold, an emulator has to translate - so the way
 * from there to the data queues is gone once before.
 */
int vdpr_step_rehearse(struct vdpr_run *run)
{
	(void)vdpr_run_rehearse(run);
	return 0;
}

/* ---------------------------------------------------------------- 6 start */

int vdpr_step_order(struct vdpr_run *run)
{
	const struct vdpr_quirk *quirk =
		vdpr_quirk_find(run->dev, VDPR_QUIRK_ORDER);
	bool promised = run->info.backend_features &
			BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
	struct vdpr_report *report = run->report;

	free(TAKE_PTR(report->order));
	if (quirk && run->fit.has_cvq) {
		if (asprintf(&report->order, "not kept: %s", quirk->text) < 0)
			report->order = NULL;
	} else {
		report->order = strdup(promised ? "promised" : "assumed");
	}
	return report->order ? 0 : vdpr_fail_memory(run->ctx);
}

int vdpr_run_enable(struct vdpr_run *run, uint32_t index)
{
	char call[64];
	int ret =
		vdpr_dev_vring(run->dev, VHOST_VDPA_SET_VRING_ENABLE, index, 1);

	if (!ret)
		return 0;
	snprintf(call, sizeof(call), "SET_VRING_ENABLE of queue %" PRIu32,
		 index);
	return vdpr_run_call_failed(run, call, ret);
}

/* Is DRIVER_OK there? A device that has used a command is at work: then the look
 * before the data queues are enabled is soon enough. */
int vdpr_step_driver_kept(struct vdpr_run *run)
{
	if (run->prefilled && vdpr_ring_has_used(&run->cvq->ring))
		return 0;
	return status_kept(run, VIRTIO_CONFIG_S_DRIVER_OK);
}

/* Before DRIVER_OK: the one moment that every parent honours. The first commands
 * lie ready by then. */
int vdpr_step_enable_cvq(struct vdpr_run *run)
{
	if (!run->next)
		vdpr_run_prefill(run);
	return vdpr_run_enable(run, run->fit.cvq_index);
}

/* Nothing to replay, so nothing to wait for. */
int vdpr_step_enable_early(struct vdpr_run *run)
{
	int ret;

	if (run->i >= run->fit.n_queues)
		return 0;
	ret = vdpr_run_enable(run, run->rings[run->i].index);
	if (ret)
		return ret;
	return ++run->i < run->fit.n_queues ? VDPR_MORE : 0;
}

int vdpr_step_driver_ok(struct vdpr_run *run)
{
	bool opens = !run->fit.has_cvq && run->fit.n_queues;
	uint64_t now = vdpr_now();
	int ret = set_status(run, status_driver | VIRTIO_CONFIG_S_FEATURES_OK |
					  VIRTIO_CONFIG_S_DRIVER_OK);

	/* Without a control virtqueue the data queues begin right here. */
	if (!ret && opens)
		run->report->opened = now;
	return ret;
}
