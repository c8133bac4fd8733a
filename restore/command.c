/* SPDX-License-Identifier: MIT */
/* The table of control commands: one row is all there is to know about one. */
#include "restore/command.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "restore/command-fns.h"
#include "restore/ctx.h"
#include "restore/payload.h"
#include "restore/sizes.h"

#define SECTION_ANNOUNCE "announce"

/*
 * Sorted by class and command. A row without decode changes nothing that a
 * state holds: a query, or an answer to one. Classes 7 and 9 are decoded for people
 * only; what they set has no place in a state, so their decode says so there.
 */
/* clang-format off */
static const struct vdpr_command_info rows[] = {
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, "PROMISC",
	  VIRTIO_NET_F_CTRL_RX, "rx_mode", 1,
	  vdpr_decode_promisc, vdpr_describe_switch },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, "ALLMULTI",
	  VIRTIO_NET_F_CTRL_RX, "rx_mode", 1,
	  vdpr_decode_allmulti, vdpr_describe_switch },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, "ALLUNI",
	  VIRTIO_NET_F_CTRL_RX_EXTRA, "rx_mode", 1,
	  vdpr_decode_alluni, vdpr_describe_switch },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, "NOMULTI",
	  VIRTIO_NET_F_CTRL_RX_EXTRA, "rx_mode", 1,
	  vdpr_decode_nomulti, vdpr_describe_switch },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, "NOUNI",
	  VIRTIO_NET_F_CTRL_RX_EXTRA, "rx_mode", 1,
	  vdpr_decode_nouni, vdpr_describe_switch },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, "NOBCAST",
	  VIRTIO_NET_F_CTRL_RX_EXTRA, "rx_mode", 1,
	  vdpr_decode_nobcast, vdpr_describe_switch },

	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, "MAC_TABLE_SET",
	  VIRTIO_NET_F_CTRL_RX, "mac", VDPR_MAC_TABLE_MIN,
	  vdpr_decode_mac_table, vdpr_describe_mac_table },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, "MAC_ADDR_SET",
	  VIRTIO_NET_F_CTRL_MAC_ADDR, "mac", 6,
	  vdpr_decode_mac_address, vdpr_describe_mac_address },

	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, "VLAN_ADD",
	  VIRTIO_NET_F_CTRL_VLAN, "vlan", 2,
	  vdpr_decode_vlan_add, vdpr_describe_le16 },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, "VLAN_DEL",
	  VIRTIO_NET_F_CTRL_VLAN, "vlan", 2,
	  vdpr_decode_vlan_del, vdpr_describe_le16 },

	{ VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK,
	  "ANNOUNCE_ACK",
	  VIRTIO_NET_F_GUEST_ANNOUNCE, SECTION_ANNOUNCE, 0,
	  vdpr_decode_announce_ack, vdpr_describe_nothing },

	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "VQ_PAIRS_SET",
	  VIRTIO_NET_F_MQ, "mq", 2,
	  vdpr_decode_pairs, vdpr_describe_le16 },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, "RSS_CONFIG",
	  VIRTIO_NET_F_RSS, "rss", VDPR_RSS_MIN,
	  vdpr_decode_rss, vdpr_describe_rss },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG, "HASH_CONFIG",
	  VIRTIO_NET_F_HASH_REPORT, "hash_report", VDPR_HASH_MIN,
	  vdpr_decode_hash, vdpr_describe_hash },

	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
	  "GUEST_OFFLOADS_SET",
	  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, "offloads", 8,
	  vdpr_decode_offloads, vdpr_describe_offloads },

	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_TX_SET,
	  "NOTF_COAL_TX_SET",
	  VIRTIO_NET_F_NOTF_COAL, "coalescing", 8,
	  vdpr_decode_coal_tx, vdpr_describe_coal },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_RX_SET,
	  "NOTF_COAL_RX_SET",
	  VIRTIO_NET_F_NOTF_COAL, "coalescing", 8,
	  vdpr_decode_coal_rx, vdpr_describe_coal },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET,
	  "NOTF_COAL_VQ_SET",
	  VIRTIO_NET_F_VQ_NOTF_COAL, "coalescing", 12,
	  vdpr_decode_coal_queue, vdpr_describe_coal_queue },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET,
	  "NOTF_COAL_VQ_GET",
	  VIRTIO_NET_F_VQ_NOTF_COAL, NULL, 4,
	  NULL, vdpr_describe_queue },

	{ VIRTIO_NET_CTRL_HASH_TUNNEL, VIRTIO_NET_CTRL_HASH_TUNNEL_SET,
	  "HASH_TUNNEL_SET",
	  VIRTIO_NET_F_HASH_TUNNEL, NULL, 4,
	  vdpr_decode_hash_tunnel, vdpr_describe_hash_tunnel },

	{ VIRTIO_NET_CTRL_STATS, VIRTIO_NET_CTRL_STATS_QUERY, "STATS_QUERY",
	  VIRTIO_NET_F_DEVICE_STATS, NULL, 0,
	  NULL, vdpr_describe_nothing },
	{ VIRTIO_NET_CTRL_STATS, VIRTIO_NET_CTRL_STATS_GET, "STATS_GET",
	  VIRTIO_NET_F_DEVICE_STATS, NULL, 0,
	  NULL, vdpr_describe_stats_get },

	{ VIRTNET_RSS_CTX_CTRL, VIRTNET_RSS_CTX_CTRL_CAP_GET,
	  "RSS_CTX_CAP_GET",
	  VIRTIO_NET_F_RSS_CONTEXT, NULL, 0,
	  NULL, vdpr_describe_nothing },
	{ VIRTNET_RSS_CTX_CTRL, VIRTNET_RSS_CTX_CTRL_ADD, "RSS_CTX_ADD",
	  VIRTIO_NET_F_RSS_CONTEXT, NULL, 8 + VDPR_RSS_MIN,
	  vdpr_decode_rss_context, vdpr_describe_rss_context },
	{ VIRTNET_RSS_CTX_CTRL, VIRTNET_RSS_CTX_CTRL_MOD, "RSS_CTX_MOD",
	  VIRTIO_NET_F_RSS_CONTEXT, NULL, 8 + VDPR_RSS_MIN,
	  vdpr_decode_rss_context, vdpr_describe_rss_context },
	{ VIRTNET_RSS_CTX_CTRL, VIRTNET_RSS_CTX_CTRL_DEL, "RSS_CTX_DEL",
	  VIRTIO_NET_F_RSS_CONTEXT, NULL, 2,
	  vdpr_decode_rss_context, vdpr_describe_le16 },
};
/* clang-format on */

/* Where each class begins among the rows, which have its commands from 0 on: every
 * command of a guest comes by here. */
static const uint8_t first_row[] = { 0, 6, 8, 10, 11, 14, 15, 19, 20, 22, 26 };
static_assert(ARRAY_SIZE(rows) == 26, "first_row ends where the rows do");

const struct vdpr_command_info *vdpr_command_find(uint8_t ctrl_class,
						  uint8_t command)
{
	size_t row;

	if (ctrl_class >= ARRAY_SIZE(first_row) - 1)
		return NULL;
	row = (size_t)first_row[ctrl_class] + command;
	return row < first_row[ctrl_class + 1] ? &rows[row] : NULL;
}

size_t vdpr_command_rows(void)
{
	return ARRAY_SIZE(rows);
}

const struct vdpr_command_info *vdpr_command_row(size_t i)
{
	return &rows[i];
}

const char *vdpr_command_name(uint8_t ctrl_class, uint8_t command)
{
	const struct vdpr_command_info *info =
		vdpr_command_find(ctrl_class, command);

	return info ? info->name : NULL;
}

const char *vdpr_command_section(uint8_t ctrl_class, uint8_t command)
{
	const struct vdpr_command_info *info =
		vdpr_command_find(ctrl_class, command);

	return info ? info->section : NULL;
}

int vdpr_command_take(struct vdpr_ctx *ctx, const struct vdpr_command *from,
		      struct vdpr_command *to)
{
	if (vdpr_struct_take(to, sizeof(*to), from, VDPR_LEAST_COMMAND))
		return vdpr_fail_size(ctx, NULL, "a command", from->size);
	if (!to->data)
		to->data_len = 0;
	if (!to->reply)
		to->reply_len = 0;
	return 0;
}
