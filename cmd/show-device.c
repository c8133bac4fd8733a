/* SPDX-License-Identifier: MIT */
/* show: what a device says of itself. */
#include "cmd/cmd.h"

#include <inttypes.h>
#include <string.h>

/* Column where values begin. */
#define VALUE_COLUMN 24

/* vhost backend features (linux/vhost_types.h), by bit. */
static const char *const backend_name[] = {
	[1] = "IOTLB_MSG_V2", [2] = "IOTLB_BATCH",
	[3] = "IOTLB_ASID",   [4] = "SUSPEND",
	[5] = "RESUME",	      [6] = "ENABLE_AFTER_DRIVER_OK",
	[7] = "DESC_ASID",    [8] = "IOTLB_PERSIST",
};

static void print_backend(FILE *to, uint64_t bits)
{
	unsigned int column = VALUE_COLUMN;

	fprintf(to, "%-*s0x%" PRIx64 "\n%*s", VALUE_COLUMN, "backend features",
		bits, VALUE_COLUMN, "");
	for (unsigned int bit = 0; bit < 64; bit++) {
		char text[16];

		if (!(bits >> bit & 1))
			continue;
		snprintf(text, sizeof(text), "bit_%u", bit);
		out_word(to, VALUE_COLUMN, &column,
			 bit < ARRAY_SIZE(backend_name) && backend_name[bit]
				 ? backend_name[bit]
				 : text);
	}
	fputs(bits ? "\n" : "(none)\n", to);
}

static void print_identity(FILE *to, const struct vdpr_dev_info *info,
			   const char *word)
{
	fprintf(to, "%-*s", VALUE_COLUMN, "device");
	out_text(to, word);
	if (*info->name) {
		fputs(", vdpa device ", to);
		out_text(to, info->name);
	}
	if (*info->driver) {
		fputs(", driver ", to);
		out_text(to, info->driver);
	}
	fputc('\n', to);
}

static void print_features(FILE *to, const struct vdpr_dev_info *info)
{
	char hex[FEATURES_TEXT];

	out_features_hex(&info->features, hex);
	fprintf(to, "%-*s%s\n%*s", VALUE_COLUMN, "features", hex, VALUE_COLUMN,
		"");
	out_feature_names(to, VALUE_COLUMN, &info->features);
	print_backend(to, info->backend_features);
}

static void print_numbers(FILE *to, const struct vdpr_dev_info *info)
{
	fprintf(to, "%-*s%u, of at most %u entries\n", VALUE_COLUMN,
		"virtqueues", info->vqs, info->vring_num);
	fprintf(to, "%-*s%u\n", VALUE_COLUMN, "groups", info->groups);
	fprintf(to, "%-*s%u\n", VALUE_COLUMN, "address spaces",
		info->address_spaces);
	fprintf(to, "%-*s0x%" PRIx64 " to 0x%" PRIx64 "\n", VALUE_COLUMN,
		"IOVA range", info->iova_first, info->iova_last);
	fprintf(to, "%-*s0x%x\n", VALUE_COLUMN, "status", info->status);
}

static void print_link(FILE *to, const struct vdpr_net_config *c)
{
	if (c->has & VDPR_CONFIG_LINK_UP)
		fprintf(to, "  %-*s%s\n", VALUE_COLUMN - 2, "link",
			c->link_up ? "up" : "down");
	if (c->has & VDPR_CONFIG_ANNOUNCE)
		fprintf(to, "  %-*s%s\n", VALUE_COLUMN - 2, "announce",
			c->announce ? "yes" : "no");
	if (c->has & VDPR_CONFIG_SPEED && c->speed == VDPR_SPEED_UNKNOWN)
		fprintf(to, "  %-*snot known\n", VALUE_COLUMN - 2, "speed");
	else if (c->has & VDPR_CONFIG_SPEED)
		fprintf(to, "  %-*s%u Mbit/s\n", VALUE_COLUMN - 2, "speed",
			c->speed);
	if (c->has & VDPR_CONFIG_DUPLEX)
		fprintf(to, "  %-*s%s\n", VALUE_COLUMN - 2, "duplex",
			c->duplex == VDPR_DUPLEX_FULL	? "full"
			: c->duplex == VDPR_DUPLEX_HALF ? "half"
							: "not known");
}

static void print_limits(FILE *to, const struct vdpr_net_config *c)
{
	const struct {
		uint32_t has;
		const char *label;
		uint32_t value;
		const char *unit;
	} rows[] = {
		{ VDPR_CONFIG_MAX_PAIRS, "queue pairs", c->max_virtqueue_pairs,
		  "at most" },
		{ VDPR_CONFIG_MTU, "MTU", c->mtu, "bytes" },
		{ VDPR_CONFIG_RSS_KEY, "RSS key", c->rss_max_key_size,
		  "bytes at most" },
		{ VDPR_CONFIG_RSS_TABLE, "RSS table",
		  c->rss_max_indirection_table_length, "entries at most" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (c->has & rows[i].has)
			fprintf(to, "  %-*s%u %s\n", VALUE_COLUMN - 2,
				rows[i].label, rows[i].value, rows[i].unit);
	if (c->has & VDPR_CONFIG_HASH_TYPES)
		fprintf(to, "  %-*s0x%x\n", VALUE_COLUMN - 2, "hash types",
			c->supported_hash_types);
}

static void print_config(FILE *to, const struct vdpr_dev_info *info)
{
	const struct vdpr_net_config *c = &info->config;

	fprintf(to, "%-*s%u bytes\n", VALUE_COLUMN, "config",
		info->config_size);
	if (c->has & VDPR_CONFIG_MAC)
		fprintf(to, "  %-*s%02x:%02x:%02x:%02x:%02x:%02x\n",
			VALUE_COLUMN - 2, "MAC", c->mac[0], c->mac[1],
			c->mac[2], c->mac[3], c->mac[4], c->mac[5]);
	print_link(to, c);
	print_limits(to, c);
}

int show_device(struct cli *cli, const char *word)
{
	struct vdpr_dev_info info = VDPR_INIT(struct vdpr_dev_info);
	_cleanup_dev_ struct vdpr_dev *dev = NULL;
	int code = input_open(cli, word, &dev);

	if (code)
		return code;
	cli->stage = "examine";
	info.config.size = sizeof(info.config);
	if (vdpr_dev_examine(cli->ctx, dev, &info) < 0)
		return fail_ctx(cli);
	print_identity(cli->out, &info, word);
	print_features(cli->out, &info);
	print_numbers(cli->out, &info);
	print_config(cli->out, &info);
	return 0;
}
