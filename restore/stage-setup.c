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

int vdpr_stage_examine(struct vdpr_run *run)
{
	int ret;

	run->info = (struct vdpr_dev_info)VDPR_INIT(struct vdpr_dev_info);
	ret = vdpr_dev_examine(run->ctx, run->dev, &run->info);
	/* The message names the request already. */
	return ret ? vdpr_diagnose_call(run, "GET_", ret) : 0;
}

/* Has an earlier reason the same text, or the same cure? */
static bool said_before(const struct vdpr_reasons *list, size_t i, bool cure)
{
	const struct vdpr_reason *this = &list->reason[i];

	for (size_t k = 0; k < i; k++)
		if (!strcmp(cure ? list->reason[k].cure : list->reason[k].text,
			    cure ? this->cure : this->text))
			return true;
	return false;
}

/* All reasons, or all cures, in one line. */
static char *join(const struct vdpr_reasons *list, bool cure)
{
	struct vdpr_buf text = { 0 };

	vdpr_buf_str(&text, "");
	for (size_t i = 0; i < list->count; i++) {
		const char *part = cure ? list->reason[i].cure
					: list->reason[i].text;

		if (!*part || said_before(list, i, cure))
			continue;
		if (text.len)
			vdpr_buf_str(&text, "; ");
		vdpr_buf_str(&text, part);
	}
	return text.data;
}

static int refused(struct vdpr_run *run)
{
	const struct vdpr_reasons *list = &run->report->refusals;
	_cleanup_free_ char *text = join(list, false);
	_cleanup_free_ char *cure = join(list, true);

	vdpr_fail(run->ctx, VDPR_CAUSE_REFUSED, -ENOTSUP, "%s: refused: %s",
		  run->dev->name, text ? text : "");
	if (cure && *cure)
		vdpr_cure(run->ctx, "%s", cure);
	return -ENOTSUP;
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

int vdpr_stage_compare(struct vdpr_run *run)
{
	int ret = make_plan(run);

	if (ret)
		return ret;
	run->fit = (struct vdpr_fit){
		.state = run->state,
		.dev = run->dev,
		.info = &run->info,
		.opts = &run->opts,
		.refusals = &run->report->refusals,
		.warnings = &run->report->warnings,
	};
	if (vdpr_fit(&run->fit))
		return vdpr_fail_memory(run->ctx);
	log_warnings(run);
	if (run->report->refusals.count)
		return refused(run);
	leave_out(run);
	return 0;
}

/* ------------------------------------------------------------ 3 negotiate */

static int own_and_reset(struct vdpr_run *run)
{
	struct vdpr_dev *dev = run->dev;
	int ret;

	if (!dev->owned) {
		ret = vdpr_dev_ioctl(dev, VHOST_SET_OWNER, NULL);
		if (ret)
			return vdpr_run_call_failed(run, "SET_OWNER", ret);
		dev->owned = true;
		dev->owner = getpid();
	}
	run->touched = true;
	if (run->info.status || dev->cvq) {
		ret = vdpr_dev_reset(dev);
		if (ret)
			return vdpr_run_call_failed(run, "SET_STATUS(0)", ret);
		/* What an earlier run on the same handle left. */
		vdpr_dev_drop_cvq(dev);
	}
	return 0;
}

/* Only what is needed: the message format, the ASID field of it (it is silently
 * ignored without its bit) and the promise to enable late. */
static int ack_backend(struct vdpr_run *run)
{
	uint64_t wanted = BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2) |
			  BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID) |
			  BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
	int ret;

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

static int negotiate_features(struct vdpr_run *run)
{
	int ret = set_status(run, VIRTIO_CONFIG_S_ACKNOWLEDGE);

	if (!ret)
		ret = set_status(run, status_driver);
	if (ret)
		return ret;
	ret = vdpr_dev_set_features(run->dev, &run->fit.asked);
	if (ret)
		return vdpr_diagnose_set_features(run, ret);
	ret = set_status(run, status_driver | VIRTIO_CONFIG_S_FEATURES_OK);
	return ret ? ret : status_kept(run, VIRTIO_CONFIG_S_FEATURES_OK);
}

/* Is the control virtqueue in a group that no data queue shares, with an address
 * space to put it in? */
static int find_isolation(struct vdpr_run *run, uint32_t *group)
{
	struct vdpr_report *report = run->report;
	uint32_t other;
	int ret;

	report->isolation_known = true;
	if (!(run->dev->acked & BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID)) ||
	    run->info.groups < 2 || run->info.address_spaces < 2)
		return 0;
	ret = vdpr_dev_vring_get(run->dev, VHOST_VDPA_GET_VRING_GROUP,
				 run->fit.cvq_index, group);
	/* The bit is offered by every parent, the operation is not there. */
	if (ret == -EOPNOTSUPP || ret == -ENOTTY)
		return 0;
	if (ret)
		return vdpr_run_call_failed(run, "GET_VRING_GROUP", ret);
	for (uint32_t i = 0; i < run->fit.cvq_index; i++) {
		ret = vdpr_dev_vring_get(run->dev, VHOST_VDPA_GET_VRING_GROUP,
					 i, &other);
		if (ret)
			return vdpr_run_call_failed(run, "GET_VRING_GROUP",
						    ret);
		if (other == *group)
			return 0;
	}
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

static int choose_cvq_size(struct vdpr_run *run)
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
	if (run->cvq_num >= 2)
		return 0;
	return vdpr_run_device_wrong(
		run, "control virtqueue of %" PRIu32 " entries is too small",
		size);
}

/* An own address space keeps the CVQ apart from the guest's memory. */
static int isolate(struct vdpr_run *run)
{
	uint32_t group = 0;
	int ret = find_isolation(run, &group);

	if (ret || !run->report->isolated)
		return ret;
	ret = vdpr_dev_vring(run->dev, VHOST_VDPA_SET_GROUP_ASID, group, 1);
	if (ret)
		return vdpr_run_call_failed(run, "SET_GROUP_ASID", ret);
	run->cvq_asid = 1;
	return 0;
}

int vdpr_stage_negotiate(struct vdpr_run *run)
{
	int ret = own_and_reset(run);

	if (!ret)
		ret = ack_backend(run);
	if (!ret)
		ret = negotiate_features(run);
	if (ret || !run->fit.has_cvq)
		return ret;
	ret = isolate(run);
	return ret ? ret : choose_cvq_size(run);
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
static int make_slots(struct vdpr_run *run, struct vdpr_cvq_slot **out,
		      size_t *count)
{
	const struct vdpr_plan *plan = run->report->plan;
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

static void write_commands(struct vdpr_run *run)
{
	const struct vdpr_plan *plan = run->report->plan;
	struct vdpr_cvq *cvq = run->cvq;

	if (plan->len)
		memcpy(cvq->out, plan->bytes, plan->len);
	for (size_t i = plan->count; i < cvq->n_slots; i++) {
		size_t set = plan->n_before + (i - plan->count);
		uint8_t *ask = cvq->out + cvq->slot[i].out;

		ask[0] = VIRTIO_NET_CTRL_NOTF_COAL;
		ask[1] = VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET;
		/* Queue index and reserved field, as in the command that set. */
		memcpy(ask + 2, plan->bytes + plan->entry[set].offset, 4);
	}
}

/* Maps at the highest free IOVA of an address space. */
static int map_high(struct vdpr_run *run, struct vdpr_mem *mem, uint32_t asid,
		    const struct vdpr_iova_range *used, size_t n_used)
{
	const struct vdpr_iova_range range = { run->info.iova_first,
					       run->info.iova_last };
	uint64_t iova;
	int ret =
		vdpr_iova_find(&range, used, n_used, vdpr_mem_len(mem), &iova);

	if (ret)
		return vdpr_fail(run->ctx, VDPR_CAUSE_OTHER, ret,
				 "%s: no free IOVA for %zu bytes between "
				 "0x%" PRIx64 " and 0x%" PRIx64,
				 run->dev->name, vdpr_mem_len(mem), range.first,
				 range.last);
	ret = vdpr_mem_map(mem, run->dev, asid, iova);
	return ret ? vdpr_diagnose_map(run, mem, ret) : 0;
}

static int map_cvq(struct vdpr_run *run)
{
	struct vdpr_report *report = run->report;
	struct vdpr_ring_format format;
	struct vdpr_cvq_slot *slot = NULL;
	size_t count = 0;
	bool isolated = report->isolated;
	int ret = make_slots(run, &slot, &count);

	if (ret)
		return vdpr_fail_memory(run->ctx);
	format = ring_format(run);
	ret = vdpr_cvq_layout(run->cvq, &format, run->cvq_num, slot, count);
	if (ret) {
		free(slot);
		return vdpr_run_call_failed(run, "memory for the CVQ", ret);
	}
	write_commands(run);
	ret = map_high(run, &run->cvq->mem, run->cvq_asid,
		       isolated ? NULL : run->opts.in_use,
		       isolated ? 0 : run->opts.n_in_use);
	if (ret)
		return ret;
	report->has_cvq = true;
	report->cvq_asid = run->cvq_asid;
	report->cvq_iova.first = run->cvq->mem.iova;
	report->cvq_iova.last =
		run->cvq->mem.iova + vdpr_mem_len(&run->cvq->mem) - 1;
	return 0;
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

/* Sizes of the rings, and the bytes they take. */
static int size_rings(struct vdpr_run *run, size_t *ro, size_t *rw)
{
	const struct vdpr_ring_ops *ops = ring_format(run).ops;

	*ro = 0;
	*rw = 0;
	for (uint32_t i = 0; i < run->fit.n_queues; i++) {
		uint32_t size;
		int ret = ask_ring_size(run, run->fit.queues[i], &size);

		if (ret)
			return ret;
		if (!size)
			size = run->info.vring_num < DATA_RING_DEFAULT
				       ? run->info.vring_num
				       : DATA_RING_DEFAULT;
		run->rings[i].num = pow2_at_most(size, 0x8000);
		*ro += vdpr_align_up(
			ops->ro_size((uint16_t)run->rings[i].num, false), 16);
		*rw += vdpr_align_up(ops->rw_size((uint16_t)run->rings[i].num),
				     16);
	}
	return 0;
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

static int map_empty_rings(struct vdpr_run *run)
{
	const struct vdpr_iova_range cvq = run->report->cvq_iova;
	size_t ro, rw;
	int ret;

	run->rings = calloc(run->fit.n_queues + 1u, sizeof(*run->rings));
	if (!run->rings)
		return vdpr_fail_memory(run->ctx);
	ret = size_rings(run, &ro, &rw);
	if (ret)
		return ret;
	ret = make_eventfds(run);
	if (ret)
		return ret;
	ret = vdpr_mem_alloc(&run->cvq->data, ro, rw);
	if (ret)
		return vdpr_run_call_failed(run, "memory for rings", ret);
	/* A device of our own: nothing but the CVQ is mapped, if even that. */
	ret = map_high(run, &run->cvq->data, 0, &cvq,
		       run->report->has_cvq && !run->report->isolated ? 1 : 0);
	if (ret)
		return ret;
	place_rings(run);
	return 0;
}

/* The caller's array, never written through. */
static int take_rings(struct vdpr_run *run)
{
	size_t count = run->opts.n_vrings;

	run->rings = calloc(count + 1, sizeof(*run->rings));
	if (!run->rings)
		return vdpr_fail_memory(run->ctx);
	if (count)
		memcpy(run->rings, run->opts.vrings,
		       count * sizeof(*run->rings));
	return 0;
}

int vdpr_stage_map(struct vdpr_run *run)
{
	int ret = vdpr_cvq_new(&run->cvq);

	if (ret)
		return vdpr_run_call_failed(run, "eventfd", ret);
	run->dev->cvq = run->cvq;
	run->cvq->index = run->fit.cvq_index;
	run->cvq->doorbell = TAKE_PTR(run->fit.doorbell);
	run->cvq->notify_data =
		vdpr_features_has(&run->fit.asked, VIRTIO_F_NOTIFICATION_DATA);
	if (run->fit.has_cvq) {
		ret = map_cvq(run);
		if (ret)
			return ret;
	}
	if (run->opts.flags & VDPR_RESTORE_EMPTY_RINGS)
		return map_empty_rings(run);
	return take_rings(run);
}

/* ---------------------------------------------------------------- 5 rings */

static int ring_failed(struct vdpr_run *run, const char *call,
		       const struct vdpr_vring *ring, int err)
{
	char text[80];

	snprintf(text, sizeof(text), "%s of queue %" PRIu32, call, ring->index);
	return vdpr_run_call_failed(run, text, err);
}

static int set_ring(struct vdpr_run *run, const struct vdpr_vring *ring)
{
	struct vdpr_dev *dev = run->dev;
	int ret = vdpr_dev_vring(dev, VHOST_SET_VRING_NUM, ring->index,
				 ring->num);

	if (ret)
		return ring_failed(run, "SET_VRING_NUM", ring, ret);
	ret = vdpr_dev_vring(dev, VHOST_SET_VRING_BASE, ring->index,
			     ring->base);
	if (ret)
		return ring_failed(run, "SET_VRING_BASE", ring, ret);
	ret = vdpr_dev_vring_addr(dev, ring->index, ring->desc, ring->driver,
				  ring->device);
	if (ret)
		return ring_failed(run, "SET_VRING_ADDR", ring, ret);
	if (ring->call_fd > 0)
		ret = vdpr_dev_vring_fd(dev, VHOST_SET_VRING_CALL, ring->index,
					ring->call_fd);
	if (ret)
		return ring_failed(run, "SET_VRING_CALL", ring, ret);
	if (ring->kick_fd > 0)
		ret = vdpr_dev_vring_fd(dev, VHOST_SET_VRING_KICK, ring->index,
					ring->kick_fd);
	return ret ? ring_failed(run, "SET_VRING_KICK", ring, ret) : 0;
}

/* A ring whose eventfds are ours: they are taken back when it is undone. */
static int set_own_ring(struct vdpr_run *run, const struct vdpr_vring *ring)
{
	run->cvq->queues[run->cvq->n_queues++] = ring->index;
	return set_ring(run, ring);
}

static int set_cvq_ring(struct vdpr_run *run)
{
	const struct vdpr_ring_ops *ops = ring_format(run).ops;
	const struct vdpr_cvq *cvq = run->cvq;
	const struct vdpr_ring_areas at = ops->areas(
		cvq->num, cvq->mem.iova, cvq->mem.iova + cvq->mem.ro_len);
	const struct vdpr_ring_format format = ring_format(run);
	const struct vdpr_vring ring = {
		.index = run->fit.cvq_index,
		.num = cvq->num,
		.base = ops->initial_base,
		.desc = at.desc,
		.driver = at.driver,
		.device = at.device,
		.kick_fd = cvq->kick_fd,
		.call_fd = cvq->call_fd,
	};

	vdpr_cvq_start(run->cvq, &format);
	return set_own_ring(run, &ring);
}

int vdpr_stage_rings(struct vdpr_run *run)
{
	bool ours = run->opts.flags & VDPR_RESTORE_EMPTY_RINGS;
	int ret = 0;

	run->cvq->queues =
		calloc(run->fit.n_queues + 1u, sizeof(*run->cvq->queues));
	run->report->enabled =
		calloc(run->fit.n_queues + 1u, sizeof(*run->report->enabled));
	if (!run->cvq->queues || !run->report->enabled)
		return vdpr_fail_memory(run->ctx);
	for (uint32_t i = 0; !ret && i < run->fit.n_queues; i++)
		ret = ours ? set_own_ring(run, &run->rings[i])
			   : set_ring(run, &run->rings[i]);
	if (!ret && run->fit.has_cvq)
		ret = set_cvq_ring(run);
	if (ret)
		return ret;
	ret = vdpr_dev_set_config_call(run->dev, run->cvq->config_fd);
	run->cvq->config_set = !ret;
	return ret ? vdpr_run_call_failed(run, "SET_CONFIG_CALL", ret) : 0;
}

/* ---------------------------------------------------------------- 6 start */

static int describe_order(struct vdpr_run *run)
{
	const struct vdpr_quirk *quirk =
		vdpr_quirk_find(run->dev, VDPR_QUIRK_ORDER);
	bool promised = run->info.backend_features &
			BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
	struct vdpr_report *report = run->report;

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
static int started(struct vdpr_run *run)
{
	if (run->prefilled && vdpr_ring_has_used(&run->cvq->ring))
		return 0;
	return status_kept(run, VIRTIO_CONFIG_S_DRIVER_OK);
}

/* Nothing to replay, so nothing to wait for. */
static int enable_without_cvq(struct vdpr_run *run)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < run->fit.n_queues; i++)
		ret = vdpr_run_enable(run, run->rings[i].index);
	return ret;
}

int vdpr_stage_start(struct vdpr_run *run)
{
	uint64_t now;
	int ret = describe_order(run);

	if (ret)
		return ret;
	if (run->fit.has_cvq)
		vdpr_run_prefill(run);
	/* Before DRIVER_OK: the one moment that every parent honours. */
	ret = run->fit.has_cvq ? vdpr_run_enable(run, run->fit.cvq_index)
			       : enable_without_cvq(run);
	now = vdpr_now();
	if (!ret)
		ret = set_status(run, status_driver |
					      VIRTIO_CONFIG_S_FEATURES_OK |
					      VIRTIO_CONFIG_S_DRIVER_OK);
	if (!ret)
		ret = started(run);
	/* Without a control virtqueue the data queues begin right here. */
	if (!ret && !run->fit.has_cvq && run->fit.n_queues)
		run->report->opened = now;
	return ret;
}
