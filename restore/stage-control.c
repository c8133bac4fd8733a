/* SPDX-License-Identifier: MIT */
/* Commands through a caller's control buffers instead of a ring of ours. */
#include "restore/engine.h"

#include <errno.h>
#include <inttypes.h>

/* The longest answer that is asked for: that to NOTF_COAL_VQ_GET. */
#define ANSWER_MAX 16

/* Takes one answer. Return: 1, 0 none there, -errno. */
static int take_answer(struct vdpr_run *run, uint64_t now)
{
	const struct vdpr_dev_hooks *control = run->dev->control;
	struct vdpr_cvq *cvq = run->cvq;
	uint8_t answer[ANSWER_MAX] = { VDPR_ACK_PENDING };
	uint64_t token = 0;
	size_t len = 0;
	int ret = control->poll(control->data, &token, answer, sizeof(answer),
				&len);

	if (ret < 0)
		return vdpr_run_call_failed(run, "poll for an answer", ret);
	if (!ret)
		return 0;
	if (token >= run->next || !run->outstanding || len > sizeof(answer) ||
	    !cvq->slot[token].in_len)
		return vdpr_run_device_wrong(
			run,
			"control buffers: an answer of %zu bytes to %" PRIu64
			", which is not outstanding",
			len, token);
	for (size_t i = 0; i < len && i < cvq->slot[token].in_len; i++)
		cvq->in[cvq->slot[token].in + i] = answer[i];
	run->outstanding--;
	run->n_done++;
	ret = vdpr_run_judge(run, token, (uint32_t)len, now);
	/* A second answer to it would be wrong. */
	cvq->slot[token].in_len = 0;
	return ret ? ret : 1;
}

static int take_answers(struct vdpr_run *run)
{
	uint64_t now = vdpr_now();
	int ret;

	do {
		ret = take_answer(run, now);
	} while (ret > 0);
	return ret;
}

/* Sends what fits. Return: 0 or -errno. */
static int send_commands(struct vdpr_run *run, size_t end)
{
	const struct vdpr_dev_hooks *control = run->dev->control;
	struct vdpr_report *report = run->report;
	size_t first = run->next;
	uint64_t now = vdpr_now();
	int ret = 0;

	for (; run->next < end; run->next++) {
		const struct vdpr_cvq_slot *slot = &run->cvq->slot[run->next];

		ret = control->send(control->data, run->next,
				    run->cvq->out + slot->out, slot->out_len,
				    slot->in_len);
		if (ret)
			break;
		run->outstanding++;
		if (run->next >= report->plan->count)
			continue;
		report->result[run->next].posted = now;
		report->n_sent++;
	}
	if (ret && ret != -EAGAIN)
		return vdpr_run_call_failed(run, "send of a command", ret);
	if (run->next == first || !control->kick)
		return 0;
	report->kicks++;
	ret = control->kick(control->data);
	return ret ? vdpr_run_call_failed(run, "kick", ret) : 0;
}

int vdpr_run_drive_control(struct vdpr_run *run, size_t end)
{
	for (;;) {
		size_t before = run->next + run->n_done;
		int ret = take_answers(run);

		if (ret)
			return ret;
		if (!run->outstanding && run->n_refused)
			return vdpr_run_report_refused(run);
		if (!run->outstanding && run->next == end)
			return 0;
		if (!run->n_refused) {
			ret = send_commands(run, end);
			if (ret)
				return ret;
		}
		if (run->next + run->n_done == before)
			return VDPR_WAIT;
	}
}

int vdpr_step_enable_control(struct vdpr_run *run)
{
	const struct vdpr_dev_hooks *control = run->dev->control;
	uint64_t now = vdpr_now();
	int ret = control->enable(control->data);

	if (ret)
		return vdpr_run_call_failed(run, "enable", ret);
	run->report->opened = now;
	return 0;
}

int vdpr_control_undo(struct vdpr_run *run)
{
	const struct vdpr_dev_hooks *control = run->dev->control;

	return control->reset ? control->reset(control->data) : 0;
}
