/* SPDX-License-Identifier: MIT */
/* Stage 2: would this state fit this device? Every reason, nothing touched. */
#include "restore/fit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "restore/ring.h"

#define NUMBER_TEXT 24

static const char *number(uint64_t value, char text[NUMBER_TEXT])
{
	snprintf(text, NUMBER_TEXT, "%" PRIu64, value);
	return text;
}

static bool negotiated(const struct vdpr_fit *fit, unsigned int bit)
{
	return vdpr_features_has(&fit->state->negotiated, bit);
}

/* May the guest use more than one pair, and does the CVQ come behind them all? */
static bool uses_many(const struct vdpr_fit *fit)
{
	return negotiated(fit, VIRTIO_NET_F_MQ) ||
	       negotiated(fit, VIRTIO_NET_F_RSS);
}

static bool offers(const struct vdpr_fit *fit, unsigned int bit)
{
	return vdpr_features_has(&fit->info->features, bit);
}

static bool has_flag(const struct vdpr_fit *fit, unsigned int flag)
{
	return fit->opts->flags & flag;
}

/* --------------------------------------------------------------- features */

/*
 * Bits that a VMM gives its guest without asking the device: QEMU emulates
 * announcing and standby, and fills in MTU, MAC, speed and duplex itself.
 */
static const unsigned int vmm_given[] = {
	VIRTIO_NET_F_MTU,
	VIRTIO_NET_F_MAC,
	VIRTIO_NET_F_GUEST_ANNOUNCE,
	VIRTIO_NET_F_STANDBY,
	VIRTIO_NET_F_SPEED_DUPLEX,
};

static bool is_vmm_given(unsigned int bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(vmm_given); i++)
		if (vmm_given[i] == bit)
			return true;
	return false;
}

/* Formats of the ring that this version cannot drive, refused by name. */
static const unsigned int undriven[] = {
	VIRTIO_F_NOTIF_CONFIG_DATA,
};

static void refuse_feature(struct vdpr_fit *fit, unsigned int bit,
			   const char *have, const char *cure, const char *why)
{
	char text[VDPR_BIT_TEXT];
	const struct vdpr_reason_kind kind = { "features", "feature",
					       vdpr_feature_text(bit, text) };

	vdpr_reasons_add(fit->refusals, &kind, "negotiated", have, cure,
			 "%s (bit %u) %s", kind.name, bit, why);
}

static void missing_feature(struct vdpr_fit *fit, unsigned int bit)
{
	char text[VDPR_BIT_TEXT];
	const struct vdpr_reason_kind kind = { "features", "feature",
					       vdpr_feature_text(bit, text) };

	if (is_vmm_given(bit) && !has_flag(fit, VDPR_RESTORE_STRICT_FEATURES)) {
		vdpr_reasons_add(fit->warnings, &kind, "negotiated",
				 "not offered", "",
				 "%s (bit %u) is not offered by the device: "
				 "the VMM has to provide it",
				 kind.name, bit);
		return;
	}
	refuse_feature(fit, bit, "not offered",
		       fit->dev->vdpa && !strcmp(fit->dev->vdpa, "sim")
			       ? "the simulator offers it with features=+NAME"
			       : "use or create a device that offers it",
		       "was negotiated by the guest, but the device does not "
		       "offer it");
}

static void fit_features(struct vdpr_fit *fit)
{
	struct vdpr_features missing = vdpr_features_minus(
		&fit->state->negotiated, &fit->info->features);

	if (!negotiated(fit, VIRTIO_F_VERSION_1))
		refuse_feature(fit, VIRTIO_F_VERSION_1, "",
			       "only guests with a modern virtio driver can be "
			       "restored",
			       "was not negotiated: the device would use "
			       "another header length than the guest");
	for (unsigned int bit = 0; bit < VDPR_FEATURE_BITS; bit++)
		if (vdpr_features_has(&missing, bit))
			missing_feature(fit, bit);
	for (size_t i = 0; i < ARRAY_SIZE(undriven); i++)
		if (negotiated(fit, undriven[i]))
			refuse_feature(fit, undriven[i], "", "",
				       "was negotiated: this version cannot "
				       "drive such a ring");
	fit->asked = fit->state->negotiated;
	fit->asked.word[0] &= ~missing.word[0];
	fit->asked.word[1] &= ~missing.word[1];
	/* The device's own: vdpa_sim, mlx5 and ifcvf take no features without. */
	if (offers(fit, VIRTIO_F_ACCESS_PLATFORM))
		vdpr_features_set(&fit->asked, VIRTIO_F_ACCESS_PLATFORM, true);
}

/* A parent that takes no other driver than one with certain features. */
static void fit_demands(struct vdpr_fit *fit)
{
	const struct vdpr_quirk *quirk =
		vdpr_quirk_find(fit->dev, VDPR_QUIRK_DEMANDS);

	for (unsigned int bit = 0; quirk && bit < 64; bit++)
		if (quirk->demands & BIT_ULL(bit) && !negotiated(fit, bit))
			refuse_feature(fit, bit, "demanded", "",
				       "is demanded by the device's parent "
				       "driver, but the guest did not "
				       "negotiate it");
}

static void fit_enable_late(struct vdpr_fit *fit)
{
	const struct vdpr_reason_kind kind = { "device", "device",
					       "ENABLE_AFTER_DRIVER_OK" };

	/* Without commands to replay there is nothing to wait for. */
	if (!fit->has_cvq || has_flag(fit, VDPR_RESTORE_ASSUME_ENABLE) ||
	    fit->info->backend_features &
		    BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK))
		return;
	vdpr_reasons_add(fit->refusals, &kind, "backend feature bit 6",
			 "not offered",
			 "--enable-after-driver-ok=assume goes on without the "
			 "promise",
			 "the device does not promise to enable queues after "
			 "DRIVER_OK (backend feature "
			 "ENABLE_AFTER_DRIVER_OK, bit 6)");
}

/*
 * An eventfd carries no data, so with notification data only the mapped doorbell
 * will do; some parents have nothing else anyway.
 */
static const char *wants_doorbell(const struct vdpr_fit *fit)
{
	const struct vdpr_quirk *quirk =
		vdpr_quirk_find(fit->dev, VDPR_QUIRK_DOORBELL);

	if (quirk)
		return quirk->text;
	if (negotiated(fit, VIRTIO_F_NOTIFICATION_DATA))
		return "NOTIFICATION_DATA (bit 38) was negotiated";
	return has_flag(fit, VDPR_RESTORE_DOORBELL) ? "it was asked for" : NULL;
}

/* Maps it, which sets nothing on the device: only then is it known to be there. */
static void fit_doorbell(struct vdpr_fit *fit)
{
	const struct vdpr_reason_kind kind = { "device", "device", "doorbell" };
	const char *why = wants_doorbell(fit);
	int ret = -ENOTSUP;

	if (!why || !fit->has_cvq || fit->refusals->count)
		return;
	if (fit->dev->ops->doorbell)
		ret = fit->dev->ops->doorbell(fit->dev, fit->cvq_index,
					      &fit->doorbell);
	if (!ret)
		return;
	fit->doorbell = NULL;
	vdpr_reasons_add(fit->refusals, &kind, "mapped doorbell", "none", "",
			 "the doorbell of queue %" PRIu32
			 " cannot be mapped (%s), and the eventfd will not do: "
			 "%s",
			 fit->cvq_index, strerror(-ret), why);
}

/* ----------------------------------------------------------------- limits */

struct limit {
	const char *section;
	const char *name;
	uint64_t want, have;
	const char *cure;
};

/* @want must not be above @have. */
static void fit_limit(struct vdpr_fit *fit, const struct limit *limit)
{
	const struct vdpr_reason_kind kind = { limit->section, "limit",
					       limit->name };
	char want[NUMBER_TEXT], have[NUMBER_TEXT];

	if (limit->want <= limit->have)
		return;
	vdpr_reasons_add(fit->refusals, &kind, number(limit->want, want),
			 number(limit->have, have),
			 *limit->cure ? limit->cure
				      : "use a device with at least that limit",
			 "%s: the guest has %s %s, the device %s",
			 limit->section, limit->name, want, have);
}

static bool both_have(const struct vdpr_fit *fit, uint32_t bit)
{
	return fit->state->config.has & fit->info->config.has & bit;
}

/* Limits that the guest has read from its config space and may use any time. */
static void fit_config(struct vdpr_fit *fit)
{
	const struct vdpr_net_config *want = &fit->state->config;
	const struct vdpr_net_config *have = &fit->info->config;

	/* A guest without MQ and RSS uses one pair and never looks. */
	if (want->has & VDPR_CONFIG_MAX_PAIRS && uses_many(fit))
		fit_limit(fit,
			  &(struct limit){
				  "config", "max_virtqueue_pairs",
				  want->max_virtqueue_pairs, fit->max_pairs,
				  "create the device with as many pairs "
				  "(max_vqp)" });
	if (both_have(fit, VDPR_CONFIG_MTU))
		fit_limit(fit, &(struct limit){
				       "config", "mtu", want->mtu, have->mtu,
				       "create the device with that MTU" });
	if (both_have(fit, VDPR_CONFIG_RSS_KEY))
		fit_limit(fit, &(struct limit){ "config", "rss_max_key_size",
						want->rss_max_key_size,
						have->rss_max_key_size, "" });
	if (both_have(fit, VDPR_CONFIG_RSS_TABLE))
		fit_limit(fit,
			  &(struct limit){
				  "config", "rss_max_indirection_table_length",
				  want->rss_max_indirection_table_length,
				  have->rss_max_indirection_table_length, "" });
}

static void fit_hash_types(struct vdpr_fit *fit, const char *section,
			   uint32_t used)
{
	const struct vdpr_reason_kind kind = { section, "limit",
					       "supported_hash_types" };
	uint32_t missing = used & ~fit->info->config.supported_hash_types;
	char want[NUMBER_TEXT], have[NUMBER_TEXT], text[VDPR_BIT_TEXT];
	unsigned int bit;

	if (!(fit->info->config.has & VDPR_CONFIG_HASH_TYPES) || !missing)
		return;
	bit = (unsigned int)__builtin_ctz(missing);
	snprintf(want, sizeof(want), "0x%" PRIx32, used);
	snprintf(have, sizeof(have), "0x%" PRIx32,
		 fit->info->config.supported_hash_types);
	vdpr_reasons_add(fit->refusals, &kind, want, have, "",
			 "%s: hash type %s is in use, but the device does not "
			 "support it (%s of %s)",
			 section, vdpr_hash_type_text(bit, text), want, have);
}

static void fit_key(struct vdpr_fit *fit, const char *section, size_t len)
{
	if (fit->info->config.has & VDPR_CONFIG_RSS_KEY)
		fit_limit(fit,
			  &(struct limit){ section, "rss_max_key_size", len,
					   fit->info->config.rss_max_key_size,
					   "" });
}

static void fit_rss(struct vdpr_fit *fit)
{
	const struct vdpr_rss *rss = &fit->state->rss;
	uint32_t top = rss->unclassified_queue;

	if (fit->state->member[VDPR_RSS] != VDPR_KNOWN)
		return;
	for (uint32_t i = 0; i < rss->table_len; i++)
		if (rss->table[i] > top)
			top = rss->table[i];
	fit_limit(fit,
		  &(struct limit){ "rss", "entries for pairs up to",
				   (uint64_t)top + 1, fit->max_pairs, "" });
	fit_limit(fit,
		  &(struct limit){ "rss", "max_virtqueue_pairs (max_tx_vq)",
				   rss->max_tx_vq, fit->max_pairs, "" });
	if (fit->info->config.has & VDPR_CONFIG_RSS_TABLE)
		fit_limit(fit,
			  &(struct limit){
				  "rss", "rss_max_indirection_table_length",
				  rss->table_len,
				  fit->info->config
					  .rss_max_indirection_table_length,
				  "" });
	fit_key(fit, "rss", rss->key.len);
	fit_hash_types(fit, "rss", rss->hash_types);
}

static void fit_hash_report(struct vdpr_fit *fit)
{
	if (fit->state->member[VDPR_HASH_REPORT] != VDPR_KNOWN)
		return;
	fit_key(fit, "hash_report", fit->state->hash_report.key.len);
	fit_hash_types(fit, "hash_report", fit->state->hash_report.hash_types);
}

static void fit_pairs(struct vdpr_fit *fit)
{
	if (fit->state->member[VDPR_MQ_QUEUE_PAIRS] == VDPR_KNOWN)
		fit_limit(fit, &(struct limit){ "mq", "max_virtqueue_pairs",
						fit->state->queue_pairs,
						fit->max_pairs,
						"create the device with as "
						"many pairs (max_vqp)" });
}

/* ---------------------------------------------------------------- queues */

/*
 * Index of the control virtqueue (virtio 1.3, 5.1.2): behind all pairs that the
 * device has, when the guest may use more than one.
 */
static uint32_t cvq_index(bool many, uint32_t max_pairs)
{
	return many ? 2 * max_pairs : 2;
}

static void find_cvq(struct vdpr_fit *fit)
{
	const struct vdpr_net_config *config = &fit->info->config;
	const struct vdpr_reason_kind kind = { "device", "limit", "vqs" };
	bool many = uses_many(fit);
	char want[NUMBER_TEXT], have[NUMBER_TEXT];

	fit->max_pairs = many && config->has & VDPR_CONFIG_MAX_PAIRS
				 ? config->max_virtqueue_pairs
				 : 1;
	fit->has_cvq = negotiated(fit, VIRTIO_NET_F_CTRL_VQ);
	fit->cvq_index = cvq_index(many, fit->max_pairs);
	/* 0: the kernel is too old to tell. */
	if (!fit->has_cvq || !fit->info->vqs || fit->cvq_index < fit->info->vqs)
		return;
	vdpr_reasons_add(fit->refusals, &kind,
			 number(fit->cvq_index + 1u, want),
			 number(fit->info->vqs, have), "",
			 "the control virtqueue would be queue %" PRIu32
			 ", the device has only %s queues",
			 fit->cvq_index, have);
}

/* Index of the control virtqueue where the state was saved, or none. */
static uint32_t saved_cvq_index(const struct vdpr_fit *fit)
{
	const struct vdpr_net_config *config = &fit->state->config;
	bool many = uses_many(fit);

	if (!fit->has_cvq)
		return UINT32_MAX;
	return many && config->has & VDPR_CONFIG_MAX_PAIRS
		       ? cvq_index(true, config->max_virtqueue_pairs)
		       : fit->cvq_index;
}

static void add_queue(struct vdpr_fit *fit, uint32_t index)
{
	const struct vdpr_reason_kind kind = { "vrings", "limit",
					       "max_virtqueue_pairs" };
	char want[NUMBER_TEXT], have[NUMBER_TEXT];

	for (uint32_t i = 0; i < fit->n_queues; i++) {
		if (fit->queues[i] != index)
			continue;
		vdpr_reasons_add(fit->refusals, &kind, "once", "twice", "",
				 "vrings: queue %" PRIu32 " is given twice",
				 index);
		return;
	}
	if (index < 2 * fit->max_pairs) {
		fit->queues[fit->n_queues++] = index;
		return;
	}
	vdpr_reasons_add(fit->refusals, &kind, number(index / 2 + 1, want),
			 number(fit->max_pairs, have), "",
			 "vrings: queue %" PRIu32
			 " is enabled, the device has %s pairs for this guest",
			 index, have);
}

static void queues_of_vrings(struct vdpr_fit *fit)
{
	uint32_t skip = saved_cvq_index(fit);

	for (size_t i = 0; i < fit->state->n_vrings; i++) {
		const struct vdpr_vring_state *vring = &fit->state->vrings[i];

		if (vring->has & VDPR_VRING_ENABLED && vring->enabled &&
		    vring->index != skip)
			add_queue(fit, vring->index);
	}
}

static uint32_t pairs_in_use(const struct vdpr_fit *fit)
{
	const struct vdpr_state *state = fit->state;
	uint32_t pairs = 1;

	if (state->member[VDPR_MQ_QUEUE_PAIRS] == VDPR_KNOWN)
		pairs = state->queue_pairs;
	else if (state->member[VDPR_RSS] == VDPR_KNOWN)
		pairs = state->rss.max_tx_vq;
	/* More than the device has is refused elsewhere. */
	return pairs < fit->max_pairs ? pairs : fit->max_pairs;
}

static int choose_queues(struct vdpr_fit *fit)
{
	const struct vdpr_restore_opts *opts = fit->opts;
	size_t room = fit->state->n_vrings + opts->n_vrings +
		      2 * (size_t)fit->max_pairs;

	fit->queues = calloc(room ? room : 1, sizeof(*fit->queues));
	if (!fit->queues)
		return -ENOMEM;
	if (!has_flag(fit, VDPR_RESTORE_EMPTY_RINGS)) {
		for (size_t i = 0; i < opts->n_vrings; i++)
			add_queue(fit, opts->vrings[i].index);
		return 0;
	}
	if (fit->state->has_vrings)
		queues_of_vrings(fit);
	if (fit->n_queues)
		return 0;
	for (uint32_t q = 0; q < 2 * pairs_in_use(fit); q++)
		add_queue(fit, q);
	return 0;
}

bool vdpr_fit_enables(const struct vdpr_fit *fit, uint32_t index)
{
	for (uint32_t i = 0; i < fit->n_queues; i++)
		if (fit->queues[i] == index)
			return true;
	return false;
}

bool vdpr_only_warns(const struct vdpr_restore_opts *opts, const char *section)
{
	for (size_t i = 0; section && i < opts->n_warn; i++)
		if (!strcmp(opts->warn[i], section))
			return true;
	return false;
}

/* A device refuses NOTF_COAL_VQ_SET on a queue that is not enabled. */
static void fit_coalescing(struct vdpr_fit *fit)
{
	const struct vdpr_reason_kind kind = { "coalescing", "limit",
					       "queues" };
	bool warn = vdpr_only_warns(fit->opts, "coalescing");
	const struct vdpr_state *state = fit->state;

	if (state->member[VDPR_COAL_QUEUES] != VDPR_KNOWN)
		return;
	for (size_t i = 0; i < state->n_coal_queues; i++) {
		uint16_t index = state->coal_queues[i].index;

		if (vdpr_fit_enables(fit, index))
			continue;
		vdpr_reasons_add(warn ? fit->warnings : fit->refusals, &kind,
				 "enabled", "not enabled",
				 "--warn coalescing leaves them out",
				 "coalescing.queues: queue %u has values of "
				 "its own but will not be enabled",
				 index);
	}
}

/* A base that the parent cannot set would make the device skip buffers. */
static void fit_bases(struct vdpr_fit *fit)
{
	const struct vdpr_quirk *quirk =
		vdpr_quirk_find(fit->dev, VDPR_QUIRK_NO_BASE);
	const struct vdpr_reason_kind kind = { "vrings", "device", "base" };
	char want[NUMBER_TEXT];

	if (!quirk || fit->early || has_flag(fit, VDPR_RESTORE_EMPTY_RINGS))
		return;
	for (size_t i = 0; i < fit->opts->n_vrings; i++) {
		const struct vdpr_vring *vring = &fit->opts->vrings[i];

		if (vring->base == (negotiated(fit, VIRTIO_F_RING_PACKED)
					    ? vdpr_ring_packed.initial_base
					    : vdpr_ring_split.initial_base))
			continue;
		vdpr_reasons_add(fit->refusals, &kind,
				 number(vring->base, want), "initial", "",
				 "vrings: base %s of queue %" PRIu32
				 " cannot be set: %s",
				 want, vring->index, quirk->text);
	}
}

/* A control virtqueue that must have the largest size, where that is too large or
 * no power of two. */
static void fit_exact_size(struct vdpr_fit *fit)
{
	const struct vdpr_quirk *quirk =
		vdpr_quirk_find(fit->dev, VDPR_QUIRK_EXACT_SIZE);
	const struct vdpr_reason_kind kind = { "device", "limit", "vring_num" };
	uint16_t num = fit->info->vring_num;
	char have[NUMBER_TEXT];

	if (!quirk || !fit->has_cvq ||
	    (num <= VDPR_RING_MAX && vdpr_is_pow2(num)))
		return;
	vdpr_reasons_add(fit->refusals, &kind, "at most 256", number(num, have),
			 "",
			 "a control virtqueue of %s entries cannot be driven: "
			 "%s",
			 have, quirk->text);
}

static void fit_order(struct vdpr_fit *fit)
{
	const struct vdpr_quirk *quirk =
		vdpr_quirk_find(fit->dev, VDPR_QUIRK_ORDER);
	const struct vdpr_reason_kind kind = { "device", "device", "order" };

	if (quirk && fit->has_cvq)
		vdpr_reasons_add(fit->warnings, &kind, "", "", "",
				 "the order is not kept: %s", quirk->text);
}

int vdpr_fit_rings(struct vdpr_fit *fit)
{
	fit->early = false;
	fit_bases(fit);
	return fit->refusals->error;
}

int vdpr_fit(struct vdpr_fit *fit)
{
	int ret;

	fit_features(fit);
	fit_demands(fit);
	find_cvq(fit);
	fit_enable_late(fit);
	fit_config(fit);
	fit_pairs(fit);
	fit_rss(fit);
	fit_hash_report(fit);
	ret = choose_queues(fit);
	if (ret)
		return ret;
	fit_coalescing(fit);
	fit_bases(fit);
	fit_exact_size(fit);
	fit_order(fit);
	fit_doorbell(fit);
	return fit->refusals->error ? fit->refusals->error
				    : fit->warnings->error;
}
