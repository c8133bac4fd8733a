/* SPDX-License-Identifier: MIT */
/* Stages 7 to 9: replay the commands, enable the data queues, verify. */
#include "restore/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Of many warnings so many are logged; all are in the report. */
#define REFUSALS_NAMED 8

/* ---------------------------------------------------------- judging answers */

/* "rss: device refused RSS_CONFIG 4.1 (309 bytes, ack 1)" */
static void refusal_name(const struct vdpr_plan_entry *entry, int ack,
			 struct vdpr_buf *out)
{
	vdpr_buf_printf(out, "%s: device refused %s %u.%u (%zu bytes, ack %d)",
			entry->info->section, entry->info->name,
			entry->info->ctrl_class, entry->info->command,
			entry->len + 2, ack);
}

/* The same with ", payload 3f00..." */
static void refusal_text(const struct vdpr_plan *plan, size_t i, int ack,
			 struct vdpr_buf *out)
{
	const struct vdpr_plan_entry *entry = &plan->entry[i];
	size_t shown = entry->len < 32 ? entry->len : 32;

	refusal_name(entry, ack, out);
	if (!entry->len)
		return;
	vdpr_buf_str(out, ", payload ");
	vdpr_buf_hex(out, plan->bytes + entry->offset, shown);
	if (shown < entry->len)
		vdpr_buf_str(out, "...");
}

static void warn_refusal(struct vdpr_run *run, size_t i, int ack)
{
	const struct vdpr_plan *plan = run->report->plan;
	const struct vdpr_command_info *info = plan->entry[i].info;
	const struct vdpr_reason_kind kind = { info->section, "device",
					       info->name };
	_cleanup_buf_ struct vdpr_buf text = { 0 };

	refusal_text(plan, i, ack, &text);
	vdpr_reasons_add(&run->report->warnings, &kind, "ack 0", "ack 1", "",
			 "%s", text.data ? text.data : "");
	if (run->report->warnings.count <= REFUSALS_NAMED)
		vdpr_log(run->ctx, VDPR_LOG_WARNING, "%s: %s", run->dev->name,
			 text.data ? text.data : "");
}

static int judge_command(struct vdpr_run *run, size_t i, uint8_t ack,
			 uint64_t now)
{
	const struct vdpr_command_info *info = run->report->plan->entry[i].info;

	run->report->result[i].ack = ack;
	run->report->result[i].used = now;
	if (ack == VIRTIO_NET_OK)
		return 0;
	if (ack != VIRTIO_NET_ERR)
		return vdpr_run_device_wrong(
			run, "%s: device answered %s %u.%u with ack 0x%02x%s",
			info->section, info->name, info->ctrl_class,
			info->command, ack,
			ack == VDPR_ACK_PENDING ? ", which it never wrote"
						: "");
	if (vdpr_only_warns(&run->opts, info->section))
		warn_refusal(run, i, ack);
	else
		run->n_refused++;
	return 0;
}

/*
 * The answer to a NOTF_COAL_VQ_GET. The specification puts the values before the
 * ack (they are part of the command's data), Linux puts them behind it; both are
 * met. Whatever a device makes of the question, it steers nothing: a warning.
 */
static bool reads_back(const uint8_t *answer, const uint8_t *values)
{
	return (answer[0] == VIRTIO_NET_OK && !memcmp(answer + 1, values, 8)) ||
	       (answer[8] == VIRTIO_NET_OK && !memcmp(answer, values, 8));
}

static void judge_question(struct vdpr_run *run, size_t i,
			   const uint8_t *answer)
{
	const struct vdpr_plan *plan = run->report->plan;
	const struct vdpr_plan_entry *set =
		&plan->entry[plan->n_before + (i - plan->count)];
	const uint8_t *wanted = plan->bytes + set->offset;
	const struct vdpr_reason_kind kind = { "coalescing", "device",
					       "NOTF_COAL_VQ_GET" };

	/* What was refused is not there. */
	if (run->report->result[set - plan->entry].ack == VIRTIO_NET_ERR)
		return;
	if (!reads_back(answer, wanted + 4))
		vdpr_reasons_add(&run->report->warnings, &kind, "", "", "",
				 "coalescing: the values of queue %u could not "
				 "be read back",
				 vdpr_get_le16(wanted));
}

/* Its name if it is a command of the plan. */
static const char *command_name(const struct vdpr_run *run, size_t i)
{
	const struct vdpr_plan *plan = run->report->plan;

	return i < plan->count ? plan->entry[i].info->name : "NOTF_COAL_VQ_GET";
}

int vdpr_run_judge(struct vdpr_run *run, size_t i, uint32_t len, uint64_t now)
{
	const struct vdpr_cvq_slot *slot = &run->cvq->slot[i];
	const uint8_t *answer = run->cvq->in + slot->in;

	if (len != slot->in_len) {
		/* An error answer may leave out what comes after the ack. */
		bool short_error = i >= run->report->plan->count && len >= 1 &&
				   len < slot->in_len &&
				   answer[0] != VIRTIO_NET_OK;

		if (!short_error)
			return vdpr_run_device_wrong(
				run,
				"device says it wrote %" PRIu32
				" bytes of the answer to %s, not %" PRIu32,
				len, command_name(run, i), slot->in_len);
	}
	if (i < run->report->plan->count)
		return judge_command(run, i, *answer, now);
	judge_question(run, i, answer);
	return 0;
}

/* ------------------------------------------------------------ driving the ring */

/* Half of the ring: the device has the other half to do meanwhile. */
#define REFILL_AT(ring) (((ring)->capacity + 1u) / 2)
#define TAKE_MAX (VDPR_RING_MAX / 2)

/* Nearly always: one byte, and it says OK. */
static bool is_plain_ok(const struct vdpr_run *run,
			const struct vdpr_ring_used *used, size_t count)
{
	const struct vdpr_cvq *cvq = run->cvq;

	return used->len == 1 && used->token < count &&
	       cvq->in[cvq->slot[used->token].in] == VIRTIO_NET_OK;
}

/* Judges what was taken. Return: 0, or what is wrong. */
static int judge(struct vdpr_run *run, const struct vdpr_ring_used *used,
		 unsigned int n, uint64_t now)
{
	struct vdpr_command_result *result = run->report->result;
	const size_t count = run->report->plan->count;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t token = used[i].token;

		if (is_plain_ok(run, &used[i], count)) {
			result[token].ack = VIRTIO_NET_OK;
			result[token].used = now;
		} else {
			int ret = vdpr_run_judge(run, token, used[i].len, now);

			if (ret)
				return ret;
		}
		run->n_done++;
	}
	return 0;
}

/* Takes what the device has used so far, at most as much as is worth a refill:
 * else a device as quick as we are would be followed to the ring's end. The clock
 * is read once for all of it, for that may cost more than a command. */
static int collect(struct vdpr_run *run)
{
	struct vdpr_ring *ring = &run->cvq->ring;
	struct vdpr_ring_used used[TAKE_MAX];
	int count = vdpr_ring_take(ring, used, REFILL_AT(ring));
	uint64_t now;

	if (count < 0)
		return vdpr_run_device_wrong(
			run, "control virtqueue: device %s", ring->fault);
	if (!count)
		return 0;
	now = vdpr_now();
	run->stall_at = now + VDPR_STALL_NSEC;
	return judge(run, used, (unsigned int)count, now);
}

/* Asks for the call that is worth waking up for: half a ring where there is more
 * to send, else the last command. */
static void arm(struct vdpr_run *run, size_t end)
{
	struct vdpr_ring *ring = &run->cvq->ring;
	uint16_t half = ring->capacity / 2;
	uint16_t count = ring->outstanding;

	if (run->next < end && count > half)
		count = (uint16_t)(count - half);
	vdpr_ring_arm(ring, count);
}

static void fill(struct vdpr_run *run, size_t end)
{
	run->next = vdpr_cvq_post(run->cvq, run->next, end);
	/* Whoever waits for them looks at the ring first, and arms it then: an
	 * interrupt meanwhile would only take a processor from the device. */
	vdpr_ring_disarm(&run->cvq->ring);
	vdpr_ring_show(&run->cvq->ring);
}

void vdpr_run_prefill(struct vdpr_run *run)
{
	run->prefilled = run->report->plan->n_before > 0;
	if (run->prefilled)
		fill(run, run->report->plan->n_before);
}

static int kick(struct vdpr_run *run)
{
	int ret;

	run->report->kicks++;
	ret = vdpr_cvq_kick(run->cvq);
	return ret ? vdpr_run_call_failed(run, "kick", ret) : 0;
}

/* Shows the device what fits and kicks once, if at all. */
static int post(struct vdpr_run *run, size_t end)
{
	struct vdpr_report *report = run->report;
	size_t first = run->prefilled ? 0 : run->next;
	uint64_t now = vdpr_now();

	if (!run->prefilled)
		fill(run, end);
	run->prefilled = false;
	for (size_t i = first; i < run->next && i < report->plan->count; i++) {
		report->result[i].posted = now;
		report->n_sent++;
	}
	run->stall_at = now + VDPR_STALL_NSEC;
	run->kicked_again = false;
	return vdpr_ring_wants_kick(&run->cvq->ring) ? kick(run) : 0;
}

static bool is_refused(const struct vdpr_run *run, size_t i)
{
	const struct vdpr_report *report = run->report;

	return report->result[i].ack > VIRTIO_NET_OK &&
	       !vdpr_only_warns(&run->opts,
				report->plan->entry[i].info->section);
}

/* What a plan may have many commands for, each with another number; or NULL. */
static const char *numbered(const struct vdpr_command_info *info)
{
	if (info->ctrl_class == VIRTIO_NET_CTRL_VLAN)
		return "VLANs";
	if (info->ctrl_class == VIRTIO_NET_CTRL_NOTF_COAL &&
	    info->command == VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET)
		return "queues";
	return NULL;
}

/* It is what their payload begins with. */
static unsigned int number_of(const struct vdpr_plan *plan, size_t i)
{
	return vdpr_get_le16(plan->bytes + plan->entry[i].offset);
}

/* "1-3,7": the numbers of the refused commands from @i to before @end. */
static void refused_numbers(const struct vdpr_run *run, size_t i, size_t end,
			    struct vdpr_buf *out)
{
	const struct vdpr_plan *plan = run->report->plan;
	const char *comma = "";

	while (i < end) {
		unsigned int first = number_of(plan, i), last = first;

		if (!is_refused(run, i++))
			continue;
		while (i < end && is_refused(run, i) &&
		       number_of(plan, i) == last + 1) {
			last++;
			i++;
		}
		vdpr_buf_printf(out, "%s%u", comma, first);
		if (last > first)
			vdpr_buf_printf(out, "-%u", last);
		comma = ",";
	}
}

/* Names the refused command @i, and those after it that differ only in the
 * number. Return: where the next one begins. */
static size_t name_refused(const struct vdpr_run *run, size_t i,
			   struct vdpr_buf *out)
{
	const struct vdpr_plan *plan = run->report->plan;
	const struct vdpr_plan_entry *entry = &plan->entry[i];
	const char *noun = numbered(entry->info);
	int ack = run->report->result[i].ack;
	size_t count = 1, end = i + 1;

	for (;
	     noun && end < plan->count && plan->entry[end].info == entry->info;
	     end++)
		count += is_refused(run, end);
	if (count == 1) {
		refusal_text(plan, i, ack, out);
		return end;
	}
	refusal_name(entry, ack, out);
	vdpr_buf_printf(out, " of %zu %s: ", count, noun);
	refused_numbers(run, i, end, out);
	return end;
}

/* One line for all commands that were refused. */
int vdpr_run_report_refused(struct vdpr_run *run)
{
	_cleanup_buf_ struct vdpr_buf text = { 0 };
	size_t i = 0;

	while (i < run->report->plan->count) {
		if (!is_refused(run, i)) {
			i++;
			continue;
		}
		if (text.len)
			vdpr_buf_str(&text, "; ");
		i = name_refused(run, i, &text);
	}
	vdpr_run_device_wrong(run, "%s", text.data ? text.data : "refused");
	vdpr_cure(run->ctx,
		  "%s; --warn SECTION goes on without that section, at the "
		  "guest's risk",
		  vdpr_run_fate(run));
	return -EPROTO;
}

static uint64_t ring_fulls(const struct vdpr_run *run, size_t commands)
{
	uint64_t capacity = run->cvq->ring.capacity;

	return (commands + capacity - 1) / capacity;
}

/* A new row of commands: one kick for every ring-full of it. */
static void begin_row(struct vdpr_run *run, size_t end)
{
	if (run->row_end == end)
		return;
	run->row_end = end;
	run->kick_limit =
		run->report->kicks +
		ring_fulls(run, end - (run->prefilled ? 0 : run->next));
}

/*
 * Refill while the device is still at work: it then finds the new commands by
 * itself and never stands still. Only where it says that it needs no kick, and
 * only where one kick too many, should it fall asleep in between, stays within
 * one a ring-full.
 */
static bool may_refill(struct vdpr_run *run, size_t end)
{
	struct vdpr_ring *ring = &run->cvq->ring;
	size_t rest = end - run->next;
	uint16_t more = rest < ring->n_free ? (uint16_t)rest : ring->n_free;

	return more && !run->n_refused && ring->n_free >= REFILL_AT(ring) &&
	       run->report->kicks + 1 + ring_fulls(run, rest - more) <=
		       run->kick_limit &&
	       vdpr_ring_spares_kick(ring, more);
}

#define SPIN_NSEC 50000

/*
 * Looks at the ring for up to 50 us before anybody sleeps: most devices answer
 * sooner than a thread wakes up. Between two looks the clock is read, which leaves
 * the line of memory to the device for a while; no pause instruction, for which a
 * hypervisor may take the processor away. Return: 0 or what collect() found wrong.
 */
static int spin(struct vdpr_run *run)
{
	struct vdpr_ring *ring = &run->cvq->ring;
	uint64_t until = vdpr_now() + SPIN_NSEC;

	do {
		if (vdpr_ring_has_used(ring))
			return collect(run);
	} while (vdpr_now() < until);
	return 0;
}

/* A device that changed or broke down meanwhile refuses, too, but that is not what
 * is wrong with it. */
static int end_refused(struct vdpr_run *run)
{
	int ret = vdpr_step_limits(run);

	return ret ? ret : vdpr_run_report_refused(run);
}

/* Sends commands up to @end and waits until every one is used and judged. */
static int drive(struct vdpr_run *run, size_t end)
{
	struct vdpr_ring *ring = &run->cvq->ring;
	int ret;

	if (run->dev->control)
		return vdpr_run_drive_control(run, end);
	ret = run->prefilled ? 0 : collect(run);
	begin_row(run, end);
	while (!ret) {
		size_t done = run->n_done;

		/* The rest of a batch is let through, so all are named. */
		if (!ring->outstanding && run->n_refused)
			return end_refused(run);
		if (!ring->outstanding && run->next == end)
			return 0;
		if (run->prefilled || !ring->outstanding ||
		    may_refill(run, end))
			ret = post(run, end);
		/* An event loop has others to look after. */
		if (!ret)
			ret = run->events ? collect(run) : spin(run);
		if (ret || run->n_done != done)
			continue;
		arm(run, end);
		/* Once more after arming: a call may have been missed. */
		ret = collect(run);
		if (!ret && ring->outstanding && run->n_done == done)
			return VDPR_WAIT;
	}
	return ret;
}

/* --------------------------------------------------------------- rehearsal */

/* Of two entries, in any format. */
#define REHEARSAL_NUM 2
#define REHEARSAL_BYTES 128

/* A command and its answer that no device sees. */
static void set_scene(struct vdpr_cvq *scene, const struct vdpr_cvq *cvq,
		      const struct vdpr_ring_mem *mem, uint8_t *answer)
{
	scene->mem = cvq->mem;
	scene->out = cvq->out;
	scene->in = answer;
	scene->kick_fd = -1;
	vdpr_ring_init(&scene->ring, &cvq->ring.format, REHEARSAL_NUM, mem);
	(void)vdpr_cvq_post(scene, 0, 1);
	vdpr_ring_show(&scene->ring);
	scene->ring.format.ops->play(&scene->ring);
}

int vdpr_run_rehearse(const struct vdpr_run *run)
{
	const struct vdpr_ring_format *format = &run->cvq->ring.format;
	_Alignas(16) uint8_t ro[REHEARSAL_BYTES] = { 0 };
	_Alignas(16) uint8_t rw[REHEARSAL_BYTES] = { 0 };
	struct vdpr_ring_slot ring_slot[REHEARSAL_NUM];
	const struct vdpr_ring_mem mem = { ro, rw, 0, ring_slot };
	uint8_t answer[1] = { VIRTIO_NET_OK };
	struct vdpr_cvq_slot slot = { .out_len = 2, .in_len = 1 };
	struct vdpr_cvq scene = { .slot = &slot, .n_slots = 1 };
	struct vdpr_command_result result = { 0 };
	struct vdpr_report report = { .plan = run->report->plan,
				      .result = &result };
	struct vdpr_run play = *run;

	if (!report.plan->n_before)
		return 0;
	if (format->ops->ro_size(REHEARSAL_NUM, format->indirect) >
		    sizeof(ro) ||
	    format->ops->rw_size(REHEARSAL_NUM) > sizeof(rw))
		return -ENOSPC;
	set_scene(&scene, run->cvq, &mem, answer);
	play.ctx = NULL;
	play.cvq = &scene;
	play.report = &report;
	play.next = 1;
	play.prefilled = true;
	return drive(&play, 1);
}

/* ---------------------------------------------------------------- 7 replay */

/* Fields that a restore compared and that no command changes. */
static bool same_limits(const struct vdpr_net_config *a,
			const struct vdpr_net_config *b)
{
	uint32_t has = a->has;

	return (!(has & VDPR_CONFIG_MAX_PAIRS) ||
		a->max_virtqueue_pairs == b->max_virtqueue_pairs) &&
	       (!(has & VDPR_CONFIG_MTU) || a->mtu == b->mtu) &&
	       (!(has & VDPR_CONFIG_RSS_KEY) ||
		a->rss_max_key_size == b->rss_max_key_size) &&
	       (!(has & VDPR_CONFIG_RSS_TABLE) ||
		a->rss_max_indirection_table_length ==
			b->rss_max_indirection_table_length) &&
	       (!(has & VDPR_CONFIG_HASH_TYPES) ||
		a->supported_hash_types == b->supported_hash_types);
}

/* The address is the first of all commands: see the table of steps. */
static bool mac_was_set(const struct vdpr_run *run)
{
	const struct vdpr_plan *plan = run->report->plan;

	return plan->count &&
	       plan->entry[0].info->ctrl_class == VIRTIO_NET_CTRL_MAC &&
	       plan->entry[0].info->command == VIRTIO_NET_CTRL_MAC_ADDR_SET &&
	       run->report->result[0].ack == VIRTIO_NET_OK;
}

/*
 * The specification has the config MAC follow MAC_ADDR_SET before the command
 * is used. Some firmware leaves it as it was, which harms nobody; a third value
 * is a device that does something else than it was told.
 */
static int check_mac(struct vdpr_run *run, const struct vdpr_net_config *config)
{
	const struct vdpr_reason_kind kind = { "mac", "config", "mac" };
	const uint8_t *wanted = run->state->mac;
	char have[VDPR_MAC_TEXT], want[VDPR_MAC_TEXT];

	if (!(config->has & VDPR_CONFIG_MAC) || !memcmp(config->mac, wanted, 6))
		return 0;
	vdpr_mac_format(config->mac, have);
	vdpr_mac_format(wanted, want);
	if (memcmp(config->mac, run->info.config.mac, 6) != 0)
		return vdpr_run_device_wrong(
			run, "mac: the device's config says %s, %s was set",
			have, want);
	vdpr_reasons_add(&run->report->warnings, &kind, want, have, "",
			 "mac: %s was accepted, but the device's config still "
			 "says %s",
			 want, have);
	return 0;
}

/* A device tells of a change (virtio 1.3, 2.5): where it has not, its config is
 * not read again, for that takes longer than all commands on some parents. */
int vdpr_step_limits(struct vdpr_run *run)
{
	struct vdpr_net_config config;
	int ret = vdpr_run_look(run);

	if (ret)
		return ret;
	run->looked = true;
	if (!run->config_changed)
		return 0;
	ret = vdpr_dev_read_config(run->dev, &run->info.features,
				   run->info.config_size, &config);
	if (ret)
		return vdpr_run_call_failed(run, "GET_CONFIG", ret);
	if (!same_limits(&run->info.config, &config))
		return vdpr_run_device_wrong(
			run, "config: the device changed its limits while it "
			     "was being restored");
	return 0;
}

int vdpr_step_replay(struct vdpr_run *run)
{
	return drive(run, run->report->plan->n_before);
}

/* The last look before it may receive. */
int vdpr_step_status(struct vdpr_run *run)
{
	return vdpr_run_check_status(run);
}

/* ---------------------------------------------------------------- 8 enable */

static int wake_queue(struct vdpr_run *run, const struct vdpr_vring *ring)
{
	int ret = 0;

	/* What was kicked or called while the queue stood still is not lost. */
	if (ring->kick_fd > 0)
		ret = vdpr_eventfd_signal(ring->kick_fd);
	if (!ret && ring->call_fd > 0)
		ret = vdpr_eventfd_signal(ring->call_fd);
	return ret ? vdpr_run_call_failed(run, "kick", ret) : 0;
}

/* One queue a call. Without a control virtqueue they run since DRIVER_OK. */
int vdpr_step_enable(struct vdpr_run *run)
{
	struct vdpr_report *report = run->report;
	uint32_t index;
	int ret;

	if (run->i >= run->fit.n_queues)
		return 0;
	index = run->rings[run->i].index;
	if (run->fit.has_cvq) {
		uint64_t now = report->opened ? report->opened : vdpr_now();

		ret = vdpr_run_enable(run, index);
		if (ret)
			return ret;
		report->opened = now;
	}
	report->enabled[report->n_enabled++] = index;
	return ++run->i < run->fit.n_queues ? VDPR_MORE : 0;
}

int vdpr_step_wake(struct vdpr_run *run)
{
	const struct vdpr_reason_kind kind = { "device", "device", "doorbell" };
	int ret = 0;

	for (uint32_t i = 0; !ret && i < run->fit.n_queues; i++)
		ret = wake_queue(run, &run->rings[i]);
	if (run->cvq->doorbell && run->opts.n_vrings)
		vdpr_reasons_add(&run->report->warnings, &kind, "", "", "",
				 "data queues: this device is notified through "
				 "doorbells, so ring those of the data queues "
				 "once");
	return ret;
}

int vdpr_step_after_enable(struct vdpr_run *run)
{
	/* Setting and asking in one row: the device takes them in order. */
	return drive(run, run->cvq->n_slots);
}

/* ---------------------------------------------------------------- 9 verify */

int vdpr_step_mac(struct vdpr_run *run)
{
	struct vdpr_net_config config;
	int ret;

	if (!(run->info.config.has & VDPR_CONFIG_MAC) || !mac_was_set(run))
		return 0;
	ret = vdpr_dev_read_config(run->dev, &run->info.features,
				   run->info.config_size, &config);
	if (ret)
		return vdpr_run_call_failed(run, "GET_CONFIG", ret);
	return check_mac(run, &config);
}

/* Config interrupts are the caller's from now on; an event-driven restore goes on
 * listening for as long as its handle lives. */
int vdpr_step_give_config_call(struct vdpr_run *run)
{
	int fd = run->opts.config_fd > 0 ? run->opts.config_fd : -1;
	int ret = 0;

	if (run->events)
		return 0;
	ret = vdpr_dev_set_config_call(run->dev, fd);
	if (ret)
		return vdpr_run_call_failed(run, "SET_CONFIG_CALL", ret);
	run->cvq->config_set = false;
	return 0;
}
