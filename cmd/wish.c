/* SPDX-License-Identifier: MIT */
/* What a new device shall be: taken from a state, given over netlink, compared. */
#include "cmd/provision.h"

#include <inttypes.h>
#include <string.h>

#define VALUE_TEXT 24

/* What --warn calls them, and the kernel's words for them. */
static const struct {
	const char *name;
	uint32_t bit;
} parts[] = {
	{ "mac", VDPA_CONFIG_MAC },
	{ "mtu", VDPA_CONFIG_MTU },
	{ "pairs", VDPA_CONFIG_MAX_PAIRS },
	{ "features", VDPA_CONFIG_FEATURES },
};

static uint32_t only_warn(const struct args *args)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < args->n_options; i++)
		for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
			if (!strcmp(args->options[i].info->name, "--warn") &&
			    !strcmp(args->options[i].value, parts[k].name))
				mask |= parts[k].bit;
	return mask;
}

static cJSON *list_for(const struct wish *wish, uint32_t bit,
		       const struct reasons *reasons)
{
	return wish->only_warn & bit ? reasons->warnings : reasons->refusals;
}

/* ----------------------------------------------------------------- features */

/* What a VMM gives its guest itself, as load has it. */
static const char *const vmm_given[] = { "MTU", "MAC", "GUEST_ANNOUNCE",
					 "STANDBY", "SPEED_DUPLEX" };

static bool is_vmm_given(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(vmm_given); i++)
		if (!strcmp(vmm_given[i], name))
			return true;
	return false;
}

static uint64_t mask_of(const char *name)
{
	return 1ull << vdpr_feature_bit(name);
}

static bool has_bit(const struct vdpr_features *f, unsigned int bit)
{
	return f->word[bit / 64] >> (bit % 64) & 1;
}

/* One that the management device cannot give. */
static void missing(const struct wish *wish, const struct target *target,
		    unsigned int bit, bool negotiated, struct reasons *reasons)
{
	char text[FEATURE_NAME];
	const char *name = out_feature_name(bit, text);
	const struct reason reason = {
		"features",
		"feature",
		name,
		negotiated ? "negotiated" : "offered",
		"not supported",
		negotiated ? "use a management device that supports it"
			   : "the guest does not use it: --warn features goes "
			     "on without"
	};
	cJSON *list = negotiated
			      ? reasons->refusals
			      : list_for(wish, VDPA_CONFIG_FEATURES, reasons);

	if (is_vmm_given(name))
		list = reasons->warnings;
	reasons_add(list, &reason,
		    "%s (bit %u): the state has it, %s does not support it%s",
		    name, bit, target->name,
		    is_vmm_given(name) ? ": the VMM has to provide it" : "");
}

/* One that the VMM does not put up with. */
static void unwanted(const struct vmm *vmm, unsigned int bit, bool negotiated,
		     struct reasons *reasons)
{
	char text[FEATURE_NAME];
	const struct reason reason = {
		"features",
		"feature",
		out_feature_name(bit, text),
		"not offered",
		negotiated ? "negotiated" : "offered",
		negotiated ? "nothing but another VMM, or a restart of the "
			     "guest, will do"
			   : NULL
	};

	reasons_add(negotiated ? reasons->refusals : reasons->warnings, &reason,
		    "%s (bit %u): %s: %s", reason.name, bit,
		    negotiated ? "the guest uses it" : "left out",
		    vmm_why(vmm));
}

/* The saved device's offer, and what the guest uses of it. Bits that the VMM has
 * on its own are in the one and not in the other. */
static struct vdpr_features saved_offer(const cJSON *state,
					struct vdpr_features *negotiated)
{
	struct vdpr_features offered = { { 0, 0 } };

	*negotiated = (struct vdpr_features){ { 0, 0 } };
	input_features(state, "offered", &offered);
	if (input_features(state, "negotiated", negotiated))
		for (int i = 0; i < 2; i++)
			offered.word[i] |= negotiated->word[i];
	return offered;
}

static void leave_out_for(const struct vmm *vmm, uint64_t can,
			  const struct vdpr_features *negotiated,
			  struct vdpr_features *offer, struct reasons *reasons)
{
	struct vdpr_features refused = { { 0, 0 } };

	if (vmm)
		refused = vmm_refused(vmm, offer);
	for (unsigned int bit = 0; bit < 128; bit++) {
		char text[FEATURE_NAME];
		bool given;

		if (!has_bit(&refused, bit))
			continue;
		given = is_vmm_given(out_feature_name(bit, text));
		offer->word[bit / 64] &= ~(1ull << (bit % 64));
		/* What only the VMM has is no matter of the device. */
		if (!given || (bit < 64 && can >> bit & 1))
			unwanted(vmm, bit, !given && has_bit(negotiated, bit),
				 reasons);
	}
}

static void surplus(struct wish *wish, const struct target *target,
		    struct reasons *reasons)
{
	uint64_t more = target->mgmtdev.features & ~wish->features;
	char want[VALUE_TEXT], have[VALUE_TEXT], text[FEATURE_NAME];
	const struct reason reason = {
		"features", "feature",
		"features", want,
		have,	    "--warn features goes on with more than was saved"
	};

	if (target->takes & VDPA_CONFIG_FEATURES || !more)
		return;
	snprintf(want, sizeof(want), "0x%" PRIx64, wish->features);
	snprintf(have, sizeof(have), "0x%" PRIx64, target->mgmtdev.features);
	reasons_add(
		list_for(wish, VDPA_CONFIG_FEATURES, reasons), &reason,
		"features: %s cannot be told to leave any out, and offers "
		"%s besides",
		target->name,
		out_feature_name((unsigned int)__builtin_ctzll(more), text));
}

static void wish_features(struct wish *wish, const cJSON *state,
			  const struct target *target, const struct vmm *vmm,
			  struct reasons *reasons)
{
	uint64_t can = target->mgmtdev.features;
	struct vdpr_features negotiated;
	struct vdpr_features offer = saved_offer(state, &negotiated);

	if (!target->mgmtdev.has_features)
		return;
	leave_out_for(vmm, can, &negotiated, &offer, reasons);
	for (unsigned int bit = 0; bit < 128; bit++) {
		if (!has_bit(&offer, bit) || (bit < 64 && can >> bit & 1))
			continue;
		missing(wish, target, bit, has_bit(&negotiated, bit), reasons);
	}
	/* No parent makes a device without these two. */
	wish->features = (offer.word[0] | mask_of("VERSION_1") |
			  mask_of("ACCESS_PLATFORM")) &
			 can;
	wish->has |= VDPA_CONFIG_FEATURES;
	surplus(wish, target, reasons);
}

/* ------------------------------------------------------------------ config */

static const cJSON *config_of(const cJSON *state)
{
	return cJSON_GetObjectItemCaseSensitive(state, "config");
}

/* The library's own writing: six pairs of digits, colons between, or nothing. */
static bool parse_mac(const char *text, uint8_t mac[6])
{
	if (strlen(text) != 17)
		return false;
	for (size_t i = 0; i < 6; i++) {
		const char digits[] = { text[3 * i], text[3 * i + 1], '\0' };

		mac[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

static void wish_mac(struct wish *wish, const cJSON *state)
{
	static const uint8_t none[6];
	const cJSON *mac = cJSON_GetObjectItemCaseSensitive(state, "mac");

	/* Without the feature no driver looks, and the kernel takes none. */
	if (!(wish->features & mask_of("MAC")))
		return;
	if (!parse_mac(json_text(config_of(state), "mac"), wish->mac) &&
	    !parse_mac(json_text(mac, "address"), wish->mac))
		return;
	if (memcmp(wish->mac, none, sizeof(none)) != 0)
		wish->has |= VDPA_CONFIG_MAC;
}

static void wish_mtu(struct wish *wish, const cJSON *state)
{
	double mtu = json_number(config_of(state), "mtu");

	if (!(wish->features & mask_of("MTU")) || mtu <= 0)
		return;
	wish->mtu = (uint16_t)mtu;
	wish->has |= VDPA_CONFIG_MTU;
}

static void wish_pairs(struct wish *wish, const cJSON *state,
		       const struct target *target, struct reasons *reasons)
{
	double pairs = json_number(config_of(state), "max_virtqueue_pairs");
	uint16_t most = target->info.config.max_virtqueue_pairs;
	char want[VALUE_TEXT], have[VALUE_TEXT];
	const struct reason reason = {
		"config", "limit", "max_virtqueue_pairs",
		want,	  have,	   "use a management device with more queues"
	};

	if (!(wish->features & (mask_of("MQ") | mask_of("RSS"))) || pairs <= 0)
		return;
	wish->pairs = (uint16_t)pairs;
	wish->has |= VDPA_CONFIG_MAX_PAIRS;
	if (!target->mgmtdev.has_max_vqs || wish->pairs <= most)
		return;
	snprintf(want, sizeof(want), "%u", wish->pairs);
	snprintf(have, sizeof(have), "%u", most);
	reasons_add(reasons->refusals, &reason,
		    "config: the guest has max_virtqueue_pairs %s, %s at most "
		    "%s",
		    want, target->name, have);
}

void wish_make(struct wish *wish, const cJSON *state,
	       const struct target *target, const struct vmm *vmm,
	       const struct args *args, struct reasons *reasons)
{
	*wish = (struct wish){ .only_warn = only_warn(args) };
	wish_features(wish, state, target, vmm, reasons);
	wish_mac(wish, state);
	wish_mtu(wish, state);
	wish_pairs(wish, state, target, reasons);
}

/* ------------------------------------------------------------------ netlink */

struct vdpa_new wish_new(const struct wish *wish, unsigned int takes)
{
	struct vdpa_new new = {
		.has = wish->has & takes,
		.mtu = wish->mtu,
		.max_pairs = wish->pairs,
		.features = wish->features,
	};

	memcpy(new.mac, wish->mac, sizeof(new.mac));
	/* The kernel takes more than one pair only together with MQ. */
	if (wish->pairs > 1 && !(wish->features & mask_of("MQ")))
		new.has &= ~VDPA_CONFIG_MAX_PAIRS;
	return new;
}

/* In quotes where a shell would not take it as it is. */
static void print_word(FILE *to, const char *word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		"_-./:@%+=,";

	if (*word && !word[strspn(word, plain)]) {
		fputs(word, to);
		return;
	}
	fputc('\'', to);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", to);
		else
			fputc(*word, to);
	}
	fputc('\'', to);
}

char *wish_command(const struct wish *wish, unsigned int takes,
		   const char *name, const char *mgmtdev)
{
	const struct vdpa_new new = wish_new(wish, takes);
	const uint8_t *m = new.mac;
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	fputs("vdpa dev add name ", to);
	print_word(to, name);
	fputs(" mgmtdev ", to);
	print_word(to, mgmtdev);
	if (new.has & VDPA_CONFIG_FEATURES)
		fprintf(to, " device_features 0x%" PRIx64, new.features);
	if (new.has & VDPA_CONFIG_MAC)
		fprintf(to, " mac %02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1],
			m[2], m[3], m[4], m[5]);
	if (new.has & VDPA_CONFIG_MTU)
		fprintf(to, " mtu %u", new.mtu);
	if (new.has & VDPA_CONFIG_MAX_PAIRS)
		fprintf(to, " max_vqp %u", new.max_pairs);
	fclose(to);
	return text;
}

/* ---------------------------------------------------------------- comparing */

struct difference {
	const char *section, *name;
	uint32_t bit;
	const char *cure;
};

static void differs(const struct wish *wish, const char *device,
		    const struct difference *d, const char *want,
		    const char *have, struct reasons *reasons)
{
	const struct reason reason = { d->section, "config", d->name,
				       want,	   have,     d->cure };

	if (strcmp(want, have) != 0)
		reasons_add(list_for(wish, d->bit, reasons), &reason,
			    "%s: %s would be %s, not %s", device, d->name,
			    *have ? have : "missing", want);
}

static void mac_text(const uint8_t mac[6], char text[VALUE_TEXT])
{
	snprintf(text, VALUE_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void compare_number(const struct wish *wish, const char *device,
			   const struct difference *d, unsigned int want,
			   unsigned int have, struct reasons *reasons)
{
	char a[VALUE_TEXT], b[VALUE_TEXT];

	snprintf(a, sizeof(a), "%u", want);
	snprintf(b, sizeof(b), "%u", have);
	differs(wish, device, d, a, b, reasons);
}

static void compare_mac(const struct wish *wish, const char *device,
			const struct vdpa_config *c, struct reasons *reasons)
{
	static const struct difference d = {
		"config", "mac", VDPA_CONFIG_MAC,
		"set it where the hardware gets it (a VF: ip link set PF vf N "
		"mac), or go on with --warn mac"
	};
	char want[VALUE_TEXT], have[VALUE_TEXT] = "";

	mac_text(wish->mac, want);
	if (c->has & VDPA_CONFIG_MAC)
		mac_text(c->mac, have);
	differs(wish, device, &d, want, have, reasons);
}

static void compare_features(const struct wish *wish, const char *device,
			     const struct vdpa_config *c,
			     struct reasons *reasons)
{
	static const struct difference d = {
		"features", "features", VDPA_CONFIG_FEATURES,
		"--warn features goes on with what it offers"
	};
	char want[VALUE_TEXT], have[VALUE_TEXT];

	/* Linux before 6.1 does not tell. */
	if (!(c->has & VDPA_CONFIG_FEATURES))
		return;
	snprintf(want, sizeof(want), "0x%" PRIx64, wish->features);
	snprintf(have, sizeof(have), "0x%" PRIx64, c->features);
	differs(wish, device, &d, want, have, reasons);
}

void wish_compare(const struct wish *wish, const char *name,
		  const struct vdpa_config *config, struct reasons *reasons)
{
	static const struct difference mtu = { "config", "mtu", VDPA_CONFIG_MTU,
					       "or go on with --warn mtu" };
	static const struct difference pairs = { "config",
						 "max_virtqueue_pairs",
						 VDPA_CONFIG_MAX_PAIRS,
						 "or go on with --warn pairs" };

	if (wish->has & VDPA_CONFIG_FEATURES)
		compare_features(wish, name, config, reasons);
	if (wish->has & VDPA_CONFIG_MAC)
		compare_mac(wish, name, config, reasons);
	if (wish->has & config->has & VDPA_CONFIG_MTU)
		compare_number(wish, name, &mtu, wish->mtu, config->mtu,
			       reasons);
	if (wish->has & config->has & VDPA_CONFIG_MAX_PAIRS)
		compare_number(wish, name, &pairs, wish->pairs,
			       config->max_pairs, reasons);
}
