/* SPDX-License-Identifier: MIT */
/* What VMMs refuse, need and lose, version by version: the data of --for. */
#include "cmd/vmm.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

/* ---------------------------------------------------------------- the data */

/* What a VMM does with the state, for the table of losses below. */
#define REPLAYS_LIKE_QEMU (1u << 0)
#define DROPS_ALL (1u << 1)
#define BASE_FROM_AVAIL (1u << 2)
#define BASE_ZERO (1u << 3)
/* How it treats the device. */
#define WANTS_ISOLATION (1u << 4)
#define WANTS_SUSPEND (1u << 5)
#define STARTS_DATA_FIRST (1u << 6)
/* It negotiates what it knows and leaves the rest; else it wants nothing else on
 * offer. */
#define NEGOTIATES_ITS_OWN (1u << 7)

/* Net features that QEMU's shadow virtqueue puts up with: 8.2 added CTRL_VLAN, RSS
 * and HASH_REPORT, none came since. GUEST_ANNOUNCE is not among them. */
static const char *const qemu_allows[] = {
	"CSUM",
	"GUEST_CSUM",
	"CTRL_GUEST_OFFLOADS",
	"MTU",
	"MAC",
	"GUEST_TSO4",
	"GUEST_TSO6",
	"GUEST_ECN",
	"GUEST_UFO",
	"HOST_TSO4",
	"HOST_TSO6",
	"HOST_ECN",
	"HOST_UFO",
	"MRG_RXBUF",
	"STATUS",
	"CTRL_VQ",
	"CTRL_RX",
	"CTRL_VLAN",
	"CTRL_RX_EXTRA",
	"MQ",
	"CTRL_MAC_ADDR",
	"HASH_REPORT",
	"RSS",
	"RSC_EXT",
	"STANDBY",
	"SPEED_DUPLEX",
	"ANY_LAYOUT",
	"bit_26",
	/* of the transport: neither indirect descriptors nor a packed ring */
	"RING_EVENT_IDX",
	"VERSION_1",
	"ACCESS_PLATFORM",
};

static const char *const qemu_needs[] = { "VERSION_1", "ACCESS_PLATFORM",
					  NULL };
static const char *const ch_needs[] = { "ACCESS_PLATFORM", NULL };

/* Oldest first: a row takes as many as it knew. */
static const char *const dpdk_knows[] = {
	"MAC",
	"STATUS",
	"MQ",
	"CTRL_MAC_ADDR",
	"CTRL_VQ",
	"CTRL_RX",
	"CTRL_VLAN",
	"CSUM",
	"HOST_TSO4",
	"HOST_TSO6",
	"MRG_RXBUF",
	"RING_INDIRECT_DESC",
	"GUEST_CSUM",
	"GUEST_TSO4",
	"GUEST_TSO6",
	"IN_ORDER",
	"VERSION_1",
	"RING_PACKED",
	"ACCESS_PLATFORM",
	/* 24.11 */
	"NOTIFICATION_DATA",
	"ORDER_PLATFORM",
	"RSS",
	/* 25.11 */
	"HASH_REPORT",
};

#define QEMU_FLAGS (REPLAYS_LIKE_QEMU | WANTS_ISOLATION)
#define QEMU_WHY                                                            \
	"the shadow virtqueue does not work with a device that offers it, " \
	"so migration is blocked and the control state is not replayed"
#define QEMU(version)                                                  \
	{                                                              \
		"qemu-" version, qemu_allows, ARRAY_SIZE(qemu_allows), \
			qemu_needs, QEMU_FLAGS, QEMU_WHY               \
	}
#define CH(version, base)                                        \
	{                                                        \
		"cloud-hypervisor-" version, NULL, 0, ch_needs,  \
			DROPS_ALL | WANTS_SUSPEND | (base), NULL \
	}
#define DPDK(version, n)                                        \
	{                                                       \
		"dpdk-" version, dpdk_knows, n, NULL,           \
			NEGOTIATES_ITS_OWN | STARTS_DATA_FIRST, \
			"virtio-user does not negotiate it"     \
	}

/*
 * Where each row was read.
 * QEMU: vdpa_svq_device_features and vhost_vdpa_net_load_*() in net/vhost-vdpa.c,
 * vhost_svq_valid_features() in hw/virtio/vhost-shadow-virtqueue.c; 10.0.13 and
 * 10.2.2 as released, the others by the patches between: 8.2 (2023-11) is the last
 * that changed a list before 11.0.
 * Cloud Hypervisor: virtio-devices/src/vdpa.rs at each tag; the queue's base is 0
 * since 52.
 * DPDK: VIRTIO_USER_SUPPORTED_FEATURES in drivers/net/virtio/virtio_user/
 * virtio_user_dev.c and vhost_vdpa.c at each tag; ACCESS_PLATFORM is always added.
 */
static const struct vmm {
	const char *name;
	const char *const *allows; /* names; NULL: everything */
	size_t n_allows;
	const char *const *needs; /* names, or NULL */
	unsigned int flags;
	const char *why; /* of a feature that is not among @allows */
} vmms[] = {
	QEMU("8.2"),
	QEMU("9.0"),
	QEMU("9.1"),
	QEMU("9.2"),
	QEMU("10.0"),
	QEMU("10.1"),
	QEMU("10.2"),
	CH("48", BASE_FROM_AVAIL),
	CH("49", BASE_FROM_AVAIL),
	CH("50", BASE_FROM_AVAIL),
	CH("51", BASE_FROM_AVAIL),
	CH("52", BASE_ZERO),
	CH("53", BASE_ZERO),
	DPDK("22.11", 19),
	DPDK("23.11", 19),
	DPDK("24.11", 22),
	DPDK("25.11", 23),
	DPDK("26.07", 23),
};

int vmm_parse(struct cli *cli, const struct args *args, const struct vmm **out)
{
	const char *word = args_value(args, "--for");
	char cure[512] = "";
	size_t len = 0;

	*out = NULL;
	if (!word)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(vmms); i++) {
		if (!strcmp(vmms[i].name, word)) {
			*out = &vmms[i];
			return 0;
		}
		len += (size_t)snprintf(cure + len, sizeof(cure) - len, "%s%s",
					i ? ", " : "known are ", vmms[i].name);
	}
	return fail(cli, VDPR_CAUSE_USAGE, cure,
		    "%s: --for %s: not a VMM and version that are known",
		    cli->command->name, word);
}

/* ---------------------------------------------------------------- features */

static bool has(const struct vdpr_features *f, int bit)
{
	return f->word[bit / 64] >> (bit % 64) & 1;
}

static void set(struct vdpr_features *f, const char *name)
{
	int bit = vdpr_feature_bit(name);

	assert(bit >= 0);
	f->word[bit / 64] |= 1ull << (bit % 64);
}

static struct vdpr_features allowed_by(const struct vmm *vmm)
{
	struct vdpr_features f = { { 0, 0 } };

	for (size_t i = 0; i < vmm->n_allows; i++)
		set(&f, vmm->allows[i]);
	return f;
}

struct vdpr_features vmm_refused(const struct vmm *vmm,
				 const struct vdpr_features *offered)
{
	const struct vdpr_features allowed = allowed_by(vmm);

	/* It takes what it knows, and never minds what else is there. */
	if (!vmm->allows || vmm->flags & NEGOTIATES_ITS_OWN)
		return (struct vdpr_features){ { 0, 0 } };
	return (struct vdpr_features){ { offered->word[0] & ~allowed.word[0],
					 offered->word[1] &
						 ~allowed.word[1] } };
}

const char *vmm_why(const struct vmm *vmm)
{
	return vmm->why;
}

/* One that must not be offered; the guest may need it all the same. */
static void refuse_offer(const struct vmm *vmm, int bit, bool negotiated,
			 struct reasons *reasons)
{
	char text[FEATURE_NAME];
	const struct reason reason = {
		"features",
		"feature",
		out_feature_name((unsigned int)bit, text),
		"not offered",
		negotiated ? "negotiated" : "offered",
		negotiated ? "the guest's driver uses it: nothing but another "
			     "VMM, or a restart of the guest, will do"
			   : "create the device without it: vdpa-restore "
			     "provision --for does"
	};

	reasons_add(reasons->refusals, &reason, "%s: %s (bit %d): %s",
		    vmm->name, reason.name, bit, vmm->why);
}

static void judge_offer(const struct vmm *vmm,
			const struct vdpr_features *offered,
			const struct vdpr_features *negotiated,
			struct reasons *reasons)
{
	const struct vdpr_features refused = vmm_refused(vmm, offered);

	for (int bit = 0; bit < 128; bit++)
		if (has(&refused, bit))
			refuse_offer(vmm, bit, has(negotiated, bit), reasons);
}

/* What the guest's driver has and the VMM would not negotiate again. */
static void judge_negotiated(const struct vmm *vmm,
			     const struct vdpr_features *negotiated,
			     struct reasons *reasons)
{
	const struct vdpr_features allowed = allowed_by(vmm);
	char text[FEATURE_NAME];

	for (int bit = 0; vmm->allows && bit < 128; bit++) {
		const struct reason reason = {
			"features",
			"feature",
			out_feature_name((unsigned int)bit, text),
			"negotiated",
			"never negotiated",
			"run the guest on a VMM that negotiates it, or "
			"provision without it"
		};

		if (has(negotiated, bit) && !has(&allowed, bit))
			reasons_add(reasons->refusals, &reason,
				    "%s: %s (bit %d): %s", vmm->name,
				    reason.name, bit, vmm->why);
	}
}

static void judge_needs(const struct vmm *vmm,
			const struct vdpr_features *offered,
			struct reasons *reasons)
{
	for (const char *const *name = vmm->needs; name && *name; name++) {
		const struct reason reason = {
			"features",    "feature",
			*name,	       "offered",
			"not offered", "use or create a device that offers it"
		};
		int bit = vdpr_feature_bit(*name);

		if (!has(offered, bit))
			reasons_add(reasons->refusals, &reason,
				    "%s: %s (bit %d): takes no device that "
				    "does not offer it",
				    vmm->name, *name, bit);
	}
}

/* ------------------------------------------------------------------ losses */

static const cJSON *section(const cJSON *state, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(state, name);
}

static const cJSON *member(const cJSON *state, const char *name,
			   const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(section(state, name), key);
}

static bool negotiated_has(const cJSON *state, const char *name)
{
	struct vdpr_features f;

	return input_features(state, "negotiated", &f) &&
	       has(&f, vdpr_feature_bit(name));
}

static int count(const cJSON *state, const char *name, const char *key)
{
	return cJSON_GetArraySize(member(state, name, key));
}

#define VALUE_TEXT 64

/* Is there something that is lost? Writes what, if that is worth a word. */
typedef bool lost_fn(const cJSON *state, char value[VALUE_TEXT]);

static bool set_coalescing(const cJSON *state, char value[VALUE_TEXT])
{
	static const char *const ways[] = { "rx", "tx" };
	int n = count(state, "coalescing", "queues");

	snprintf(value, VALUE_TEXT, "%d queues with values of their own", n);
	for (size_t i = 0; i < ARRAY_SIZE(ways) && !n; i++) {
		const cJSON *one = member(state, "coalescing", ways[i]);
		double packets = json_number(one, "max_packets");
		double usecs = json_number(one, "max_usecs");

		if (packets == 0 && usecs == 0)
			continue;
		snprintf(value, VALUE_TEXT, "%s %.0f packets, %.0f us", ways[i],
			 packets, usecs);
		n = 1;
	}
	return n > 0;
}

static bool rss_without_mq(const cJSON *state, char value[VALUE_TEXT])
{
	(void)value;
	return cJSON_IsObject(section(state, "rss")) &&
	       !negotiated_has(state, "MQ");
}

static bool hash_without_mq(const cJSON *state, char value[VALUE_TEXT])
{
	(void)value;
	return cJSON_IsObject(section(state, "hash_report")) &&
	       !negotiated_has(state, "MQ");
}

static bool rss_without_types(const cJSON *state, char value[VALUE_TEXT])
{
	(void)value;
	return cJSON_IsObject(section(state, "rss")) &&
	       !count(state, "rss", "hash_types");
}

static bool odd_key(const cJSON *state, const char *name,
		    char value[VALUE_TEXT])
{
	size_t len = strlen(json_text(section(state, name), "key")) / 2;

	snprintf(value, VALUE_TEXT, "%zu bytes", len);
	return cJSON_IsObject(section(state, name)) && len != 40;
}

static bool rss_key(const cJSON *state, char value[VALUE_TEXT])
{
	return odd_key(state, "rss", value);
}

static bool hash_key(const cJSON *state, char value[VALUE_TEXT])
{
	return odd_key(state, "hash_report", value);
}

static bool rss_table(const cJSON *state, char value[VALUE_TEXT])
{
	int n = count(state, "rss", "indirection_table");

	snprintf(value, VALUE_TEXT, "%d entries", n);
	return n > 128;
}

static bool mac_table(const cJSON *state, char value[VALUE_TEXT])
{
	int n = count(state, "mac", "unicast") +
		count(state, "mac", "multicast");

	snprintf(value, VALUE_TEXT, "%d addresses", n);
	return n > 64;
}

static bool mac_address(const cJSON *state, char value[VALUE_TEXT])
{
	const char *set_to = json_text(section(state, "mac"), "address");

	snprintf(value, VALUE_TEXT, "%s", set_to);
	return *set_to &&
	       strcmp(set_to, json_text(section(state, "config"), "mac")) != 0;
}

static bool mac_lists(const cJSON *state, char value[VALUE_TEXT])
{
	int n = count(state, "mac", "unicast") +
		count(state, "mac", "multicast");

	snprintf(value, VALUE_TEXT, "%d addresses", n);
	return n > 0;
}

static bool rx_mode(const cJSON *state, char value[VALUE_TEXT])
{
	const cJSON *one;

	/* Every value but null was commanded. */
	cJSON_ArrayForEach(one, section(state, "rx_mode"))
	{
		bool is_default = !strcmp(one->string, "promiscuous")
					  ? cJSON_IsNull(one)
					  : !cJSON_IsTrue(one);

		if (is_default)
			continue;
		snprintf(value, VALUE_TEXT, "%s %s", one->string,
			 cJSON_IsTrue(one) ? "on" : "off");
		return true;
	}
	return false;
}

static bool vlan_ids(const cJSON *state, char value[VALUE_TEXT])
{
	int n = count(state, "vlan", "ids");

	snprintf(value, VALUE_TEXT, "%d ids or ranges", n);
	return n > 0;
}

static bool pairs(const cJSON *state, char value[VALUE_TEXT])
{
	double n = json_number(section(state, "mq"), "queue_pairs");

	snprintf(value, VALUE_TEXT, "%.0f pairs", n);
	return n > 1;
}

static bool rss_any(const cJSON *state, char value[VALUE_TEXT])
{
	(void)value;
	return cJSON_IsObject(section(state, "rss"));
}

static bool hash_any(const cJSON *state, char value[VALUE_TEXT])
{
	(void)value;
	return cJSON_IsObject(section(state, "hash_report"));
}

static bool is_in(const cJSON *array, const char *word)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, array)
	{
		if (!strcmp(cJSON_GetStringValue(one), word))
			return true;
	}
	return false;
}

/* An offload that the driver switched off; all that are negotiated begin on. */
static bool offloads(const cJSON *state, char value[VALUE_TEXT])
{
	static const char *const names[] = {
		"guest_csum", "guest_tso4", "guest_tso6", "guest_ecn",
		"guest_ufo",  "guest_uso4", "guest_uso6",
	};
	const cJSON *on = section(state, "offloads");
	char feature[VALUE_TEXT];

	for (size_t i = 0; on && i < ARRAY_SIZE(names); i++) {
		size_t k = 0;

		do
			feature[k] = (char)toupper((unsigned char)names[i][k]);
		while (names[i][k++]);
		if (!negotiated_has(state, feature) || is_in(on, names[i]))
			continue;
		snprintf(value, VALUE_TEXT, "%s off", names[i]);
		return true;
	}
	return false;
}

static bool bases(const cJSON *state, char value[VALUE_TEXT])
{
	const cJSON *one;

	cJSON_ArrayForEach(one, section(state, "vrings"))
	{
		double base = json_number(one, "base");

		if (base == 0)
			continue;
		snprintf(value, VALUE_TEXT, "queue %.0f at %.0f",
			 json_number(one, "index"), base);
		return true;
	}
	return false;
}

static bool foreign_class(const cJSON *state, char value[VALUE_TEXT])
{
	const cJSON *one;

	cJSON_ArrayForEach(one, section(state, "unknown"))
	{
		const char *name = cJSON_GetStringValue(one);

		if (strncmp(name, "class_", 6) != 0)
			continue;
		snprintf(value, VALUE_TEXT, "%s", name);
		return true;
	}
	return false;
}

/* Whoever has one of the flags loses it. */
static const struct loss {
	unsigned int flags;
	const char *section, *name;
	lost_fn *lost;
	const char *text;
	const char *cure;
} losses[] = {
	{ REPLAYS_LIKE_QEMU, "coalescing", "coalescing", set_coalescing,
	  "coalescing is never replayed", "" },
	{ REPLAYS_LIKE_QEMU, "rss", "MQ", rss_without_mq,
	  "RSS is replayed only where MQ was negotiated too", "" },
	{ REPLAYS_LIKE_QEMU, "hash_report", "MQ", hash_without_mq,
	  "hash reports are replayed only where MQ was negotiated too", "" },
	{ REPLAYS_LIKE_QEMU, "rss", "hash_types", rss_without_types,
	  "RSS without hash types is not replayed", "" },
	{ REPLAYS_LIKE_QEMU, "rss", "key", rss_key,
	  "a key is replayed as one of 40 bytes, whatever its length", "" },
	{ REPLAYS_LIKE_QEMU, "hash_report", "key", hash_key,
	  "a key is replayed as one of 40 bytes, whatever its length", "" },
	{ REPLAYS_LIKE_QEMU, "rss", "indirection_table", rss_table,
	  "tables of more than 128 entries are not kept", "" },
	{ REPLAYS_LIKE_QEMU, "mac", "table", mac_table,
	  "of more than 64 addresses none is kept: the device becomes "
	  "promiscuous",
	  "" },
	{ REPLAYS_LIKE_QEMU | DROPS_ALL, "class", "class", foreign_class,
	  "commands of a class that it does not know are not replayed", "" },
	{ DROPS_ALL, "mac", "address", mac_address,
	  "the MAC that the guest set is not kept",
	  "create the device with that MAC" },
	{ DROPS_ALL, "mac", "tables", mac_lists, "MAC tables are not kept",
	  "" },
	{ DROPS_ALL, "rx_mode", "rx_mode", rx_mode,
	  "receive modes are not kept", "" },
	{ DROPS_ALL, "vlan", "ids", vlan_ids, "VLAN filters are not kept", "" },
	{ DROPS_ALL, "mq", "queue_pairs", pairs,
	  "the number of pairs is not kept: one remains", "" },
	{ DROPS_ALL, "rss", "rss", rss_any, "RSS is not kept", "" },
	{ DROPS_ALL, "hash_report", "hash_report", hash_any,
	  "hash reports are not kept", "" },
	{ DROPS_ALL, "offloads", "offloads", offloads,
	  "offloads are not kept: all that were negotiated are on again", "" },
	{ DROPS_ALL, "coalescing", "coalescing", set_coalescing,
	  "coalescing is not kept", "" },
	{ BASE_FROM_AVAIL, "vrings", "base", bases,
	  "a ring goes on at the index up to which the guest made buffers "
	  "available, not at the one that the device had come to",
	  "" },
	{ BASE_ZERO, "vrings", "base", bases,
	  "every ring begins at index 0 again", "" },
};

static void judge_losses(const struct vmm *vmm, const cJSON *state,
			 struct reasons *reasons)
{
	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		const struct loss *loss = &losses[i];
		char value[VALUE_TEXT] = "";
		const struct reason reason = { loss->section, "device",
					       loss->name,    value,
					       "lost",	      loss->cure };

		if (vmm->flags & loss->flags && loss->lost(state, value))
			reasons_add(reasons->warnings, &reason, "%s: %s: %s",
				    vmm->name, loss->section, loss->text);
	}
}

/* ------------------------------------------------------------- the device */

static void judge_isolation(const struct vmm *vmm, const cJSON *state,
			    const struct target *target,
			    struct reasons *reasons)
{
	char have[VALUE_TEXT];
	const struct reason reason = {
		"device",
		"device",
		"isolation",
		"a group and an address space for the control virtqueue",
		have,
		"start it with x-svq=on, which shadows every queue"
	};

	if (!negotiated_has(state, "CTRL_VQ"))
		return;
	if (!(target->seen & VDPR_SEEN_GROUPS)) {
		snprintf(have, sizeof(have), "not seen");
		reasons_add(reasons->warnings, &reason,
			    "%s: isolation: not seen without opening the "
			    "device: without it no control state is replayed, "
			    "and nothing says so",
			    vmm->name);
		return;
	}
	snprintf(have, sizeof(have), "groups: %u, address spaces: %u",
		 target->info.groups, target->info.address_spaces);
	if (target->info.groups < 2 || target->info.address_spaces < 2)
		reasons_add(reasons->refusals, &reason,
			    "%s: isolation: the control virtqueue has no "
			    "address space of its own, so no control state is "
			    "replayed, and nothing says so",
			    vmm->name);
}

#define BACKEND_SUSPEND 4 /* VHOST_BACKEND_F_SUSPEND, linux/vhost_types.h */

static void judge_suspend(const struct vmm *vmm, const struct target *target,
			  struct reasons *reasons)
{
	const struct reason reason = { "device",      "device",
				       "SUSPEND",     "backend feature bit 4",
				       "not offered", NULL };

	if (!(target->seen & VDPR_SEEN_BACKEND))
		return;
	if (!(target->info.backend_features >> BACKEND_SUSPEND & 1))
		reasons_add(reasons->refusals, &reason,
			    "%s: SUSPEND (backend feature bit 4): takes no "
			    "device that cannot be suspended into a migration",
			    vmm->name);
}

static void judge_order(const struct vmm *vmm, struct reasons *reasons)
{
	const struct reason reason = { "device",
				       "device",
				       "order",
				       "control virtqueue first",
				       "first pair before DRIVER_OK",
				       NULL };

	reasons_add(reasons->warnings, &reason,
		    "%s: enables the first pair together with the control "
		    "virtqueue, before any command",
		    vmm->name);
}

void vmm_judge(const struct vmm *vmm, const cJSON *state,
	       const struct target *target, const struct vdpr_features *offered,
	       struct reasons *reasons)
{
	struct vdpr_features negotiated = { { 0, 0 } };

	input_features(state, "negotiated", &negotiated);
	judge_offer(vmm, offered, &negotiated, reasons);
	if (vmm->flags & NEGOTIATES_ITS_OWN)
		judge_negotiated(vmm, &negotiated, reasons);
	if (target->seen & VDPR_SEEN_FEATURES)
		judge_needs(vmm, offered, reasons);
	if (vmm->flags & WANTS_ISOLATION)
		judge_isolation(vmm, state, target, reasons);
	if (vmm->flags & WANTS_SUSPEND)
		judge_suspend(vmm, target, reasons);
	if (vmm->flags & STARTS_DATA_FIRST)
		judge_order(vmm, reasons);
	judge_losses(vmm, state, reasons);
}
