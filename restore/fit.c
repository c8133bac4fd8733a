/* SPDX-License-Identifier: MIT */
/* Stage 2: would this state fit this device? Every reason, nothing touched. */
#include "restore/fit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/plan.h"
#include "restore/ring.h"

#define NUMBER_TEXT 24

static const char *number(uint64_t value, char text[NUMBER_TEXT])
{
	snprintf(text, NUMBER_TEXT, "%" PRIu64, value);
	return text;
}

/* What the guest negotiated; where nobody knows, all that it could have. */
static const struct vdpr_features *guest_features(const struct vdpr_fit *fit)
{
	return fit->state->negotiated_known ? &fit->state->negotiated
					    : &fit->state->offered;
}

static bool negotiated(const struct vdpr_fit *fit, unsigned int bit)
{
	return vdpr_features_has(guest_features(fit), bit);
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

static const struct vdpr_quirk *find_quirk(const struct vdpr_fit *fit,
					   unsigned int flag)
{
	return vdpr_quirk_next(fit->driver, fit->kernel, flag, NULL);
}

static void warn(struct vdpr_fit *fit, const struct vdpr_reason_kind *kind,
		 const char *text)
{
	vdpr_reasons_add(fit->warnings, kind, "", "", "", "%s", text);
}

/* What only an open device tells. */
static void not_seen(struct vdpr_fit *fit, const char *section,
		     const char *name, const char *what)
{
	const struct vdpr_reason_kind kind = { section, "unknown", name };

	vdpr_reasons_add(fit->warnings, &kind, "", "not seen",
			 "check the device itself once nobody uses it",
			 "%s: not seen without opening the device: %s", name,
			 what);
}

/* ---------------------------------------------------------------- unknown */

static const char unknown_cure[] =
	"capture what is missing from another source, or leave it at the "
	"device's reset state: load --unknown=default";

/* Refused, or left at the reset state on the caller's own word. */
static struct vdpr_reasons *unknown_list(struct vdpr_fit *fit)
{
	if (!has_flag(fit, VDPR_RESTORE_UNKNOWN_DEFAULT)) {
		fit->plannable = false;
		return fit->refusals;
	}
	return has_flag(fit, VDPR_RESTORE_ADVISE) ? fit->warnings : NULL;
}

static void unknown_member(void *data, const char *name)
{
	struct vdpr_fit *fit = data;
	struct vdpr_reasons *list = unknown_list(fit);
	_cleanup_free_ char *section = strndup(name, strcspn(name, "."));
	const struct vdpr_reason_kind kind = { section, "unknown", name };

	if (list)
		vdpr_reasons_add(list, &kind, "known", "unknown", unknown_cure,
				 "%s: what the guest set is unknown", name);
}

static void unsaved_feature(void *data, const char *name)
{
	const struct vdpr_reason_kind kind = { "features", "unknown", name };
	struct vdpr_fit *fit = data;
	struct vdpr_reasons *list = unknown_list(fit);

	if (list)
		vdpr_reasons_add(list, &kind, "not negotiated", "negotiated",
				 unknown_cure,
				 "%s was negotiated, but what was set with it "
				 "cannot be saved",
				 name);
}

static void fit_unknown(struct vdpr_fit *fit)
{
	const struct vdpr_reason_kind kind = { "features", "unknown",
					       "negotiated" };

	fit->plannable = fit->state->negotiated_known;
	if (fit->state->negotiated_known) {
		vdpr_state_unknown(fit->state, unknown_member, fit);
		vdpr_plan_unsaved(fit->state, unsaved_feature, fit);
		return;
	}
	vdpr_reasons_add(fit->refusals, &kind, "known", "unknown",
			 "merge a source that knows what the guest's driver "
			 "negotiated",
			 "the negotiated features are not known");
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

struct vdpr_features vdpr_fit_restored(const struct vdpr_features *negotiated,
				       const struct vdpr_features *offered)
{
	struct vdpr_features asked = *negotiated;

	for (size_t i = 0; i < ARRAY_SIZE(vmm_given); i++)
		if (!vdpr_features_has(offered, vmm_given[i]))
			vdpr_features_set(&asked, vmm_given[i], false);
	/* The device's own: vdpa_sim, mlx5 and ifcvf take no features without. */
	if (vdpr_features_has(offered, VIRTIO_F_ACCESS_PLATFORM))
		vdpr_features_set(&asked, VIRTIO_F_ACCESS_PLATFORM, true);
	return asked;
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

	if (!fit->state->negotiated_known) {
		vdpr_reasons_add(fit->warnings, &kind, "offered", "not offered",
				 "",
				 "%s (bit %u) was offered to the guest, but is "
				 "not offered here: a guest that negotiated it "
				 "does not fit",
				 kind.name, bit);
		return;
	}
	if (is_vmm_given(bit) && !has_flag(fit, VDPR_RESTORE_STRICT_FEATURES)) {
		vdpr_reasons_add(fit->warnings, &kind, "negotiated",
				 "not offered", "",
				 "%s (bit %u) is not offered by the device: "
				 "the VMM has to provide it",
				 kind.name, bit);
		return;
	}
	refuse_feature(fit, bit, "not offered",
		       fit->info->name && !strcmp(fit->info->name, "sim")
			       ? "the simulator offers it with features=+NAME"
			       : "use or create a device that offers it",
		       "was negotiated by the guest, but the device does not "
		       "offer it");
}

static void fit_features(struct vdpr_fit *fit)
{
	struct vdpr_features missing =
		vdpr_features_minus(guest_features(fit), &fit->info->features);

	if (fit->state->negotiated_known &&
	    !negotiated(fit, VIRTIO_F_VERSION_1))
		refuse_feature(fit, VIRTIO_F_VERSION_1, "",
			       "only guests with a modern virtio driver can be "
			       "restored",
			       "was not negotiated: the device would use "
			       "another header length than the guest");
	if (!(fit->seen & VDPR_SEEN_FEATURES)) {
		missing = (struct vdpr_features){ { 0, 0 } };
		not_seen(fit, "features", "offered",
			 "whether it offers what the guest negotiated");
	}
	for (unsigned int bit = 0; bit < VDPR_FEATURE_BITS; bit++)
		if (vdpr_features_has(&missing, bit))
			missing_feature(fit, bit);
	for (size_t i = 0; i < ARRAY_SIZE(undriven); i++)
		if (negotiated(fit, undriven[i]))
			refuse_feature(fit, undriven[i], "", "",
				       "was negotiated: this version cannot "
				       "drive such a ring");
	/* Others that are missing were refused. */
	fit->asked =
		vdpr_fit_restored(guest_features(fit), &fit->info->features);
}

/* A parent that takes no other driver than one with certain features. */
static void fit_demands(struct vdpr_fit *fit)
{
	const struct vdpr_quirk *quirk = find_quirk(fit, VDPR_QUIRK_DEMANDS);

	for (unsigned int bit = 0; quirk && bit < 64; bit++)
		if (quirk->demands & BIT_ULL(bit) && !negotiated(fit, bit))
			refuse_feature(fit, bit, "demanded", "",
				       "is demanded by the device's parent "
				       "driver, but the guest did not "
				       "negotiate it");
}

static const char assume_cure[] =
	"--enable-after-driver-ok=assume goes on without the promise";

/* What the driver is known to do instead. */
static void enable_late_unseen(struct vdpr_fit *fit)
{
	const struct vdpr_reason_kind kind = { "device", "device",
					       "ENABLE_AFTER_DRIVER_OK" };
	const struct vdpr_quirk *quirk = find_quirk(fit, VDPR_QUIRK_NO_PROMISE);

	if (quirk)
		vdpr_reasons_add(fit->warnings, &kind, "backend feature bit 6",
				 "not offered by such drivers", assume_cure,
				 "%s", quirk->text);
	else
		not_seen(fit, "device", "ENABLE_AFTER_DRIVER_OK",
			 "whether it promises to enable queues after "
			 "DRIVER_OK");
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
	if (!(fit->seen & VDPR_SEEN_BACKEND)) {
		enable_late_unseen(fit);
		return;
	}
	vdpr_reasons_add(fit->refusals, &kind, "backend feature bit 6",
			 "not offered", assume_cure,
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
	const struct vdpr_quirk *quirk = find_quirk(fit, VDPR_QUIRK_DOORBELL);

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
	if (!fit->dev) {
		not_seen(fit, "device", "doorbell", why);
		return;
	}
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
	const struct vdpr_quirk *quirk = find_quirk(fit, VDPR_QUIRK_NO_BASE);
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
	const struct vdpr_quirk *quirk = find_quirk(fit, VDPR_QUIRK_EXACT_SIZE);
	const struct vdpr_reason_kind kind = { "device", "limit", "vring_num" };
	uint16_t num = fit->info->vring_num;
	char have[NUMBER_TEXT];

	if (!quirk || !fit->has_cvq || !(fit->seen & VDPR_SEEN_VRING_NUM) ||
	    (num <= VDPR_RING_MAX && vdpr_is_pow2(num)))
		return;
	vdpr_reasons_add(fit->refusals, &kind, "at most 256", number(num, have),
			 "",
			 "a control virtqueue of %s entries cannot be driven: "
			 "%s",
			 have, quirk->text);
}

bool vdpr_fit_cvq_size(struct vdpr_fit *fit, uint32_t size)
{
	const struct vdpr_reason_kind kind = { "device", "limit", "cvq_size" };
	char have[NUMBER_TEXT];

	/* A command takes two entries, or one with indirect descriptors. */
	if (size >= 2 ||
	    (size == 1 &&
	     vdpr_features_has(&fit->asked, VIRTIO_RING_F_INDIRECT_DESC)))
		return true;
	vdpr_reasons_add(fit->refusals, &kind, "at least 2", number(size, have),
			 "use a device with a larger control virtqueue",
			 "control virtqueue of %s entries: a command takes two "
			 "without INDIRECT_DESC (bit 28)",
			 have);
	return false;
}

/*
 * The kernel tells the size of one ring to its owner only, so a restore asks when
 * it is that, in stage 3. Who wants advice about a device of his own is told here.
 */
static int ask_cvq_size(struct vdpr_fit *fit, uint32_t *size)
{
	struct vdpr_dev *dev = fit->dev;
	int ret = 0;

	if (!dev || !has_flag(fit, VDPR_RESTORE_ADVISE))
		return -ENODATA;
	if (!dev->owned)
		ret = dev->foreign ? -EPERM : vdpr_dev_own(dev);
	return ret ? ret
		   : vdpr_dev_vring_get(dev, VHOST_VDPA_GET_VRING_SIZE,
					fit->cvq_index, size);
}

static void fit_cvq_size(struct vdpr_fit *fit)
{
	uint32_t size = fit->info->vring_num;

	if (!fit->has_cvq || (fit->dev && fit->dev->control) ||
	    find_quirk(fit, VDPR_QUIRK_CVQ_16) ||
	    vdpr_features_has(&fit->asked, VIRTIO_RING_F_INDIRECT_DESC))
		return;
	/* No ring is larger than that; 0: a kernel that does not tell. */
	if ((!(fit->seen & VDPR_SEEN_VRING_NUM) || size != 1) &&
	    ask_cvq_size(fit, &size))
		return;
	/* Some do not tell before the ring is set up: vdpa_sim says 0. */
	if (size == 1)
		(void)vdpr_fit_cvq_size(fit, size);
}

static void fit_order(struct vdpr_fit *fit)
{
	const struct vdpr_quirk *quirk = find_quirk(fit, VDPR_QUIRK_ORDER);
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

/* ----------------------------------------------------------------- advice */

static void mac_text(const uint8_t mac[6], char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
		 mac[2], mac[3], mac[4], mac[5]);
}

/* A driver reads it when it is loaded; until then the restore brings its own. */
static void advise_mac(struct vdpr_fit *fit)
{
	const struct vdpr_reason_kind kind = { "config", "config", "mac" };
	char want[18], have[18];

	if (!both_have(fit, VDPR_CONFIG_MAC) ||
	    !memcmp(fit->state->config.mac, fit->info->config.mac, 6))
		return;
	mac_text(fit->state->config.mac, want);
	mac_text(fit->info->config.mac, have);
	vdpr_reasons_add(fit->warnings, &kind, want, have,
			 "create the device with that MAC",
			 "config.mac: the guest has %s, the device %s: %s",
			 want, have,
			 negotiated(fit, VIRTIO_NET_F_CTRL_MAC_ADDR)
				 ? "the restore sets the guest's, but a driver "
				   "that is loaded again finds the device's"
				 : "without CTRL_MAC_ADDR nothing sets it, so "
				   "the guest's frames may not reach it");
}

static void advise_link(struct vdpr_fit *fit)
{
	const struct vdpr_reason_kind kind = { "config", "config", "link_up" };

	if (both_have(fit, VDPR_CONFIG_LINK_UP) && fit->state->config.link_up &&
	    !fit->info->config.link_up)
		vdpr_reasons_add(fit->warnings, &kind, "true", "false",
				 "look at the cable and at the switch behind "
				 "the device",
				 "config.link_up: the guest has a link, the "
				 "device has none");
}

/* A type that is not in use may be asked for any time. */
static void advise_hash_types(struct vdpr_fit *fit)
{
	const struct vdpr_reason_kind kind = { "config", "limit",
					       "supported_hash_types" };
	uint32_t missing = fit->state->config.supported_hash_types &
			   ~fit->info->config.supported_hash_types;
	char want[NUMBER_TEXT], have[NUMBER_TEXT], text[VDPR_BIT_TEXT];

	if (!both_have(fit, VDPR_CONFIG_HASH_TYPES) || !missing)
		return;
	snprintf(want, sizeof(want), "0x%" PRIx32,
		 fit->state->config.supported_hash_types);
	snprintf(have, sizeof(have), "0x%" PRIx32,
		 fit->info->config.supported_hash_types);
	vdpr_reasons_add(
		fit->warnings, &kind, want, have, "",
		"config: the guest was told of hash type %s, which "
		"the device does not support (%s of %s)",
		vdpr_hash_type_text((unsigned int)__builtin_ctz(missing), text),
		want, have);
}

/* Limits that no netlink message has. */
static void advise_unseen(struct vdpr_fit *fit)
{
	bool hash = negotiated(fit, VIRTIO_NET_F_RSS) ||
		    negotiated(fit, VIRTIO_NET_F_HASH_REPORT);

	if (fit->seen & VDPR_SEEN_CONFIG)
		return;
	if (hash && !(fit->info->config.has & VDPR_CONFIG_RSS_KEY))
		not_seen(fit, "config", "rss_max_key_size",
			 "whether keys, tables and hash types of this size "
			 "can be set");
	if (both_have(fit, VDPR_CONFIG_MTU) ||
	    !(fit->state->config.has & VDPR_CONFIG_MTU) ||
	    !offers(fit, VIRTIO_NET_F_MTU))
		return;
	not_seen(fit, "config", "mtu", "whether it is large enough");
}

static void advise_rings(struct vdpr_fit *fit)
{
	const struct vdpr_reason_kind kind = { "vrings", "limit", "size" };
	char want[NUMBER_TEXT], have[NUMBER_TEXT];

	for (size_t i = 0; i < fit->state->n_vrings; i++) {
		const struct vdpr_vring_state *vring = &fit->state->vrings[i];

		if (!(vring->has & VDPR_VRING_SIZE))
			continue;
		if (!(fit->seen & VDPR_SEEN_VRING_NUM)) {
			not_seen(fit, "vrings", "size",
				 "whether the guest's rings are not too large");
			return;
		}
		if (vring->size <= fit->info->vring_num)
			continue;
		vdpr_reasons_add(fit->warnings, &kind,
				 number(vring->size, want),
				 number(fit->info->vring_num, have), "",
				 "vrings: the ring of queue %" PRIu32
				 " has %s entries, the device takes at most %s",
				 vring->index, want, have);
	}
}

/* What does not keep the state from being restored, but is good to know. */
static void fit_advise(struct vdpr_fit *fit)
{
	static const unsigned int flags = VDPR_QUIRK_HINT | VDPR_QUIRK_CVQ_16 |
					  VDPR_QUIRK_NO_BASE;
	const struct vdpr_reason_kind kind = { "device", "device", "driver" };
	const struct vdpr_quirk *quirk = NULL;

	if (!has_flag(fit, VDPR_RESTORE_ADVISE))
		return;
	advise_mac(fit);
	advise_link(fit);
	advise_hash_types(fit);
	advise_unseen(fit);
	advise_rings(fit);
	while ((quirk = vdpr_quirk_next(fit->driver, fit->kernel, flags,
					quirk)))
		warn(fit, &kind, quirk->text);
}

int vdpr_fit(struct vdpr_fit *fit)
{
	int ret;

	fit_unknown(fit);
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
	fit_cvq_size(fit);
	fit_order(fit);
	fit_doorbell(fit);
	fit_advise(fit);
	return fit->refusals->error ? fit->refusals->error
				    : fit->warnings->error;
}

int vdpr_fit_refused(const struct vdpr_fit *fit, struct vdpr_ctx *ctx,
		     const char *name)
{
	_cleanup_free_ char *text = vdpr_reasons_join(fit->refusals, false);
	_cleanup_free_ char *cure = vdpr_reasons_join(fit->refusals, true);

	vdpr_fail(ctx, VDPR_CAUSE_REFUSED, -ENOTSUP, "%s: refused: %s", name,
		  text ? text : "");
	if (cure && *cure)
		vdpr_cure(ctx, "%s", cure);
	return -ENOTSUP;
}
