/* SPDX-License-Identifier: MIT */
/* What the kernel's ethtool messages say, as plain structs. */
#include "netlink/netdev-parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>

#include "netlink/attr.h"
#include "netlink/netdev-uapi.h"

/* ------------------------------------------------------------------ numbers */

int netdev_parse_channels(const struct nlmsghdr *h, struct netdev_channels *out)
{
	enum { N = ETHTOOL_A_CHANNELS_COMBINED_COUNT + 1 };
	static const struct attr_rule rules[N] = {
		[ETHTOOL_A_CHANNELS_RX_MAX] = { .type = MNL_TYPE_U32 },
		[ETHTOOL_A_CHANNELS_TX_MAX] = { .type = MNL_TYPE_U32 },
		[ETHTOOL_A_CHANNELS_COMBINED_MAX] = { .type = MNL_TYPE_U32 },
		[ETHTOOL_A_CHANNELS_RX_COUNT] = { .type = MNL_TYPE_U32 },
		[ETHTOOL_A_CHANNELS_TX_COUNT] = { .type = MNL_TYPE_U32 },
		[ETHTOOL_A_CHANNELS_COMBINED_COUNT] = { .type = MNL_TYPE_U32 },
	};
	const struct nlattr *attr[N];

	if (attrs_parse_message(h, GENL_HDRLEN, rules, N, attr) < 0)
		return -EBADMSG;
	*out = (struct netdev_channels){
		.rx = attr_u32(attr[ETHTOOL_A_CHANNELS_RX_COUNT]),
		.tx = attr_u32(attr[ETHTOOL_A_CHANNELS_TX_COUNT]),
		.combined = attr_u32(attr[ETHTOOL_A_CHANNELS_COMBINED_COUNT]),
		.max_rx = attr_u32(attr[ETHTOOL_A_CHANNELS_RX_MAX]),
		.max_tx = attr_u32(attr[ETHTOOL_A_CHANNELS_TX_MAX]),
		.max_combined = attr_u32(attr[ETHTOOL_A_CHANNELS_COMBINED_MAX]),
	};
	return 0;
}

static bool get_bool(const struct nlattr *attr)
{
	return attr && mnl_attr_get_u8(attr);
}

int netdev_parse_coalesce(const struct nlmsghdr *h, struct netdev_coalesce *out)
{
	enum { N = ETHTOOL_A_COALESCE_USE_ADAPTIVE_TX + 1 };
	static const struct attr_rule rules[N] = {
		[ETHTOOL_A_COALESCE_RX_USECS] = { .type = MNL_TYPE_U32 },
		[ETHTOOL_A_COALESCE_RX_MAX_FRAMES] = { .type = MNL_TYPE_U32 },
		[ETHTOOL_A_COALESCE_TX_USECS] = { .type = MNL_TYPE_U32 },
		[ETHTOOL_A_COALESCE_TX_MAX_FRAMES] = { .type = MNL_TYPE_U32 },
		[ETHTOOL_A_COALESCE_USE_ADAPTIVE_RX] = { .type = MNL_TYPE_U8 },
		[ETHTOOL_A_COALESCE_USE_ADAPTIVE_TX] = { .type = MNL_TYPE_U8 },
	};
	const struct nlattr *attr[N];

	if (attrs_parse_message(h, GENL_HDRLEN, rules, N, attr) < 0)
		return -EBADMSG;
	*out = (struct netdev_coalesce){
		.rx_usecs = attr_u32(attr[ETHTOOL_A_COALESCE_RX_USECS]),
		.rx_frames = attr_u32(attr[ETHTOOL_A_COALESCE_RX_MAX_FRAMES]),
		.tx_usecs = attr_u32(attr[ETHTOOL_A_COALESCE_TX_USECS]),
		.tx_frames = attr_u32(attr[ETHTOOL_A_COALESCE_TX_MAX_FRAMES]),
		.adaptive_rx =
			get_bool(attr[ETHTOOL_A_COALESCE_USE_ADAPTIVE_RX]),
		.adaptive_tx =
			get_bool(attr[ETHTOOL_A_COALESCE_USE_ADAPTIVE_TX]),
	};
	return 0;
}

/* ---------------------------------------------------------------------- RSS */

int netdev_take_rss(const uint32_t *table, size_t n, const uint8_t *key,
		    size_t key_len, struct netdev_rss *out)
{
	struct netdev_rss rss = { .n = n, .key_len = key_len };

	if (n > NETDEV_RSS_TABLE || key_len > NETDEV_RSS_KEY)
		return -EBADMSG;
	rss.table = calloc(n ? n : 1, sizeof(*rss.table));
	if (!rss.table)
		return -ENOMEM;
	if (n)
		memcpy(rss.table, table, n * sizeof(*rss.table));
	if (key_len)
		memcpy(rss.key, key, key_len);
	*out = rss;
	return 0;
}

int netdev_parse_rss(const struct nlmsghdr *h, struct netdev_rss *out)
{
	enum { N = U_ETHTOOL_A_RSS_HKEY + 1 };
	static const struct attr_rule rules[N] = {
		[U_ETHTOOL_A_RSS_INDIR] = { .type = MNL_TYPE_BINARY },
		[U_ETHTOOL_A_RSS_HKEY] = { .type = MNL_TYPE_BINARY },
	};
	const struct nlattr *attr[N], *table, *key;
	size_t len;

	if (attrs_parse_message(h, GENL_HDRLEN, rules, N, attr) < 0)
		return -EBADMSG;
	table = attr[U_ETHTOOL_A_RSS_INDIR];
	key = attr[U_ETHTOOL_A_RSS_HKEY];
	len = table ? mnl_attr_get_payload_len(table) : 0;
	if (len % sizeof(uint32_t))
		return -EBADMSG;
	return netdev_take_rss(table ? mnl_attr_get_payload(table) : NULL,
			       len / sizeof(uint32_t),
			       key ? mnl_attr_get_payload(key) : NULL,
			       key ? mnl_attr_get_payload_len(key) : 0, out);
}

/* ----------------------------------------------------------------- features */

/* One bit of a bit set: it is there, so it is set. */
static int take_feature(void *data, const struct nlattr *bit)
{
	enum { N = ETHTOOL_A_BITSET_BIT_NAME + 1 };
	static const struct attr_rule rules[N] = {
		[ETHTOOL_A_BITSET_BIT_NAME] = { .type = MNL_TYPE_NUL_STRING },
	};
	const struct nlattr *attr[N];
	struct netdev_features *f = data;

	if (mnl_attr_get_type(bit) != ETHTOOL_A_BITSET_BITS_BIT)
		return 0;
	if (mnl_attr_validate(bit, MNL_TYPE_NESTED) < 0 ||
	    attrs_parse_nested(bit, rules, N, attr) < 0)
		return -EBADMSG;
	if (f->n == NETDEV_FEATURES_MAX)
		return -EBADMSG;
	if (attr_text(attr[ETHTOOL_A_BITSET_BIT_NAME], f->active[f->n],
		      sizeof(f->active[0])) == 0)
		f->n++;
	return 0;
}

int netdev_parse_features(const struct nlmsghdr *h, struct netdev_features *out)
{
	static const struct attr_rule rules[ETHTOOL_A_FEATURES_ACTIVE + 1] = {
		[ETHTOOL_A_FEATURES_ACTIVE] = { .type = MNL_TYPE_NESTED },
	};
	static const struct attr_rule set_rules[ETHTOOL_A_BITSET_BITS + 1] = {
		[ETHTOOL_A_BITSET_BITS] = { .type = MNL_TYPE_NESTED },
	};
	const struct nlattr *attr[ETHTOOL_A_FEATURES_ACTIVE + 1];
	const struct nlattr *set[ETHTOOL_A_BITSET_BITS + 1];
	struct netdev_features f = { 0 };

	if (attrs_parse_message(h, GENL_HDRLEN, rules,
				ETHTOOL_A_FEATURES_ACTIVE + 1, attr) < 0 ||
	    !attr[ETHTOOL_A_FEATURES_ACTIVE] ||
	    attrs_parse_nested(attr[ETHTOOL_A_FEATURES_ACTIVE], set_rules,
			       ETHTOOL_A_BITSET_BITS + 1, set) < 0 ||
	    attrs_each(set[ETHTOOL_A_BITSET_BITS], take_feature, &f) < 0)
		return -EBADMSG;
	*out = f;
	return 0;
}

bool netdev_is_active(const struct netdev_features *f, const char *feature)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->active[i], feature))
			return true;
	return false;
}
