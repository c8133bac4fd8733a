/* SPDX-License-Identifier: MIT */
/* The words of the simulator: sim[:KEY=VALUE,...]. */
#include <errno.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/sim.h"

#define DEFAULT_FEATURES 0x9230000330ffffafull
#define DELAY_MAX 60000000u /* microseconds */

/* A key sets its part of the options. Return: 0, -EINVAL (@why says what would
 * be right), -ENOMEM. */
struct sim_key {
	const char *name;
	int (*set)(struct sim_opts *opts, const char *value);
	bool repeat;
	const char *want; /* what a value looks like */
};

static int number(const char *value, uint64_t min, uint64_t max, uint64_t *out)
{
	if (vdpr_u64_parse(value, max, out) || *out < min)
		return -EINVAL;
	return 0;
}

static int set_pairs(struct sim_opts *opts, const char *value)
{
	uint64_t n = 0;
	int ret = number(value, 1, SIM_PAIRS_MAX, &n);

	opts->pairs = (uint32_t)n;
	return ret;
}

static int ring_size(const char *value, uint32_t *out)
{
	uint64_t n = 0;

	if (number(value, 1, 32768, &n) || !vdpr_is_pow2(n))
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

static int set_queue_size(struct sim_opts *opts, const char *value)
{
	return ring_size(value, &opts->queue_size);
}

static int set_cvq_size(struct sim_opts *opts, const char *value)
{
	return ring_size(value, &opts->cvq_size);
}

static int set_key_size(struct sim_opts *opts, const char *value)
{
	uint64_t n = 0;
	int ret = number(value, 0, 255, &n);

	opts->key_size = (uint8_t)n;
	return ret;
}

static int set_table_size(struct sim_opts *opts, const char *value)
{
	uint64_t n = 0;
	int ret = number(value, 1, 65535, &n);

	opts->table_size = (uint16_t)n;
	return ret;
}

static int set_mtu(struct sim_opts *opts, const char *value)
{
	uint64_t n = 0;
	int ret = number(value, 68, 65535, &n);

	opts->mtu = (uint16_t)n;
	return ret;
}

static int set_delay(struct sim_opts *opts, const char *value)
{
	return number(value, 0, DELAY_MAX, &opts->delay);
}

static int set_mac(struct sim_opts *opts, const char *value)
{
	if (vdpr_mac_parse(value, opts->mac) || opts->mac[0] & 1)
		return -EINVAL;
	return 0;
}

static int on_off(const char *value, bool *out)
{
	*out = !strcmp(value, "on");
	return *out || !strcmp(value, "off") ? 0 : -EINVAL;
}

static int set_isolated(struct sim_opts *opts, const char *value)
{
	return on_off(value, &opts->isolated);
}

static int set_busy(struct sim_opts *opts, const char *value)
{
	return on_off(value, &opts->busy);
}

/* Position of a word in a table, or -EINVAL. */
static int word_index(const char *const *words, size_t count, const char *value)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(words[i], value))
			return (int)i;
	return -EINVAL;
}

static const char *const late_enable_words[] = {
	[SIM_ENABLE_ON] = "on",
	[SIM_ENABLE_OFF] = "off",
	[SIM_ENABLE_IGNORED] = "ignored",
};

static int set_late_enable(struct sim_opts *opts, const char *value)
{
	int i = word_index(late_enable_words, ARRAY_SIZE(late_enable_words),
			   value);

	if (i < 0)
		return i;
	opts->late_enable = (enum sim_late_enable)i;
	return 0;
}

static const char *const hostile_words[] = {
	[SIM_USED_ID] = "used-id",
	[SIM_USED_REPEAT] = "used-repeat",
	[SIM_USED_JUMP] = "used-jump",
	[SIM_USED_BACK] = "used-back",
	[SIM_LEN_0] = "len-0",
	[SIM_LEN_HUGE] = "len-huge",
	[SIM_ACK_GARBAGE] = "ack-garbage",
	[SIM_NEEDS_RESET] = "needs-reset",
	[SIM_NO_FEATURES_OK] = "no-features-ok",
	[SIM_NO_DRIVER_OK] = "no-driver-ok",
	[SIM_CONFIG_CHANGE] = "config-change",
	[SIM_LATE] = "late",
};
_Static_assert(ARRAY_SIZE(hostile_words) == SIM_HOSTILE_COUNT,
	       "a word for each misbehaviour");

static int set_hostile(struct sim_opts *opts, const char *value)
{
	int i = word_index(hostile_words, ARRAY_SIZE(hostile_words), value);

	if (i < 0)
		return i;
	opts->hostile |= 1u << i;
	return 0;
}

static const char *const quirk_words[] = {
	[SIM_CVQ16] = "cvq16",
	[SIM_EXACT_SIZE] = "exact-size",
	[SIM_DOORBELL] = "doorbell",
};
_Static_assert(ARRAY_SIZE(quirk_words) == SIM_QUIRK_COUNT,
	       "a word for each quirk");

static int set_quirk(struct sim_opts *opts, const char *value)
{
	int i = word_index(quirk_words, ARRAY_SIZE(quirk_words), value);

	if (i < 0)
		return i;
	opts->quirk |= 1u << i;
	return 0;
}

/* CLASS.COMMAND in decimal. */
static int add_command(struct sim_commands *set, const char *value)
{
	const char *dot = strchr(value, '.');
	uint64_t ctrl_class = 0, command = 0;
	char text[4];

	if (!dot || (size_t)(dot - value) >= sizeof(text))
		return -EINVAL;
	memcpy(text, value, (size_t)(dot - value));
	text[dot - value] = '\0';
	if (vdpr_u64_parse(text, 255, &ctrl_class) ||
	    vdpr_u64_parse(dot + 1, 255, &command))
		return -EINVAL;
	set->bit[ctrl_class * 32 + command / 8] |=
		(uint8_t)(1u << (command % 8));
	return 0;
}

static int set_refuse(struct sim_opts *opts, const char *value)
{
	return add_command(&opts->refuse, value);
}

static int set_stall(struct sim_opts *opts, const char *value)
{
	return add_command(&opts->stall, value);
}

/* +NAME and -NAME in a row, on top of what is there. */
static int change_features(struct vdpr_features *features, const char *value)
{
	char name[VDPR_BIT_TEXT];

	while (*value) {
		bool on = *value == '+';
		size_t len;
		int bit;

		if (!on && *value != '-')
			return -EINVAL;
		len = strcspn(++value, "+-");
		if (len >= sizeof(name))
			return -EINVAL;
		memcpy(name, value, len);
		name[len] = '\0';
		bit = vdpr_feature_bit(name);
		if (bit < 0)
			return -EINVAL;
		vdpr_features_set(features, (unsigned int)bit, on);
		value += len;
	}
	return 0;
}

static int set_features(struct sim_opts *opts, const char *value)
{
	if (*value == '+' || *value == '-')
		return change_features(&opts->features, value);
	return vdpr_features_parse(value, &opts->features) ? -EINVAL : 0;
}

static int set_dump(struct sim_opts *opts, const char *value)
{
	if (!*value)
		return -EINVAL;
	free(opts->dump);
	opts->dump = strdup(value);
	return opts->dump ? 0 : -ENOMEM;
}

static const struct sim_key keys[] = {
	{ "pairs", set_pairs, false, "1..64" },
	{ "queue-size", set_queue_size, false, "a power of two, 1..32768" },
	{ "cvq-size", set_cvq_size, false, "a power of two, 1..32768" },
	{ "features", set_features, false,
	  "a mask like 0x3 or names like +MQ-RSS" },
	{ "key-size", set_key_size, false, "0..255" },
	{ "table-size", set_table_size, false, "1..65535" },
	{ "mac", set_mac, false, "a unicast address like 52:54:00:12:34:56" },
	{ "mtu", set_mtu, false, "68..65535" },
	{ "isolated", set_isolated, false, "on or off" },
	{ "enable-after-driver-ok", set_late_enable, false,
	  "on, off or ignored" },
	{ "delay", set_delay, false, "microseconds, 0..60000000" },
	{ "refuse", set_refuse, true, "CLASS.COMMAND like 4.1" },
	{ "stall", set_stall, true, "CLASS.COMMAND like 4.1" },
	{ "busy", set_busy, false, "on or off" },
	{ "hostile", set_hostile, true,
	  "used-id, used-repeat, used-jump, used-back, len-0, len-huge, "
	  "ack-garbage, needs-reset, no-features-ok, no-driver-ok, "
	  "config-change or late" },
	{ "quirk", set_quirk, true, "cvq16, exact-size or doorbell" },
	{ "dump", set_dump, false, "a file name without commas" },
};
_Static_assert(ARRAY_SIZE(keys) < 32, "seen keys fit in a mask");

static int set_key(struct vdpr_ctx *ctx, struct sim_opts *opts, char *word,
		   uint32_t *seen)
{
	char *value = strchr(word, '=');
	int ret;

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct sim_key *key = &keys[i];

		if (strcmp(key->name, word) != 0)
			continue;
		if (!value)
			return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
					 "sim: %s: no value (want %s)", word,
					 key->want);
		if (!key->repeat && *seen & 1u << i)
			return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
					 "sim: %s: given twice", word);
		*seen |= 1u << i;
		ret = key->set(opts, value);
		if (ret == -ENOMEM)
			return vdpr_fail_memory(ctx);
		if (!ret)
			return 0;
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "sim: %s: bad value '%s' (want %s)", word,
				 value, key->want);
	}
	vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL, "sim: '%s': unknown key",
		  word);
	vdpr_cure(ctx, "vdpa-restore(8) lists the simulator's keys");
	return -EINVAL;
}

static void set_defaults(struct sim_opts *opts)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

	opts->pairs = 4;
	opts->queue_size = 256;
	opts->cvq_size = 64;
	opts->features.word[0] = DEFAULT_FEATURES;
	opts->key_size = 40;
	opts->table_size = 128;
	memcpy(opts->mac, mac, sizeof(mac));
	opts->mtu = 1500;
	opts->isolated = true;
	opts->late_enable = SIM_ENABLE_ON;
}

/* What a quirk says of the rest, whatever the keys' order. */
static void settle(struct sim_opts *opts)
{
	if (!(opts->quirk & 1u << SIM_DOORBELL))
		return;
	/* octeon_ep drives nothing else (drivers/vdpa/octeon_ep, Linux 6.12). */
	vdpr_features_set(&opts->features, VIRTIO_F_RING_PACKED, true);
	vdpr_features_set(&opts->features, VIRTIO_F_NOTIFICATION_DATA, true);
}

static void freep(struct sim_opts **opts)
{
	vdpr_sim_opts_free(*opts);
}

int vdpr_sim_parse(struct vdpr_ctx *ctx, const char *name,
		   struct sim_opts **out)
{
	_cleanup_(freep) struct sim_opts *opts = calloc(1, sizeof(*opts));
	_cleanup_free_ char *text = strdup(name);
	uint32_t seen = 0;
	char *rest = NULL;

	if (!opts || !text)
		return vdpr_fail_memory(ctx);
	set_defaults(opts);
	if (!strncmp(text, "sim:", 4))
		rest = text + 4;
	else if (strcmp(text, "sim") != 0)
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "%s: not sim[:KEY=VALUE,...]", name);
	/* strsep(), not strtok(): an empty word is an error, not skipped. */
	while (rest) {
		char *word = strsep(&rest, ",");
		int ret = set_key(ctx, opts, word, &seen);

		if (ret)
			return ret;
	}
	settle(opts);
	*out = TAKE_PTR(opts);
	return 0;
}

void vdpr_sim_opts_free(struct sim_opts *opts)
{
	if (!opts)
		return;
	free(opts->dump);
	free(opts);
}

int vdpr_sim_check(struct vdpr_ctx *ctx, const char *name)
{
	_cleanup_(freep) struct sim_opts *opts = NULL;

	return vdpr_sim_parse(ctx, name, &opts);
}
