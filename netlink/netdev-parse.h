/* SPDX-License-Identifier: MIT */
/* What the kernel's rtnetlink and ethtool messages say, as plain structs. */
#ifndef NETLINK_NETDEV_PARSE_H
#define NETLINK_NETDEV_PARSE_H

#include <linux/ethtool.h>
#include <linux/netlink.h>

#include "netlink/netdev.h"

/*
 * Each takes one message whose length is that in its header.
 * Return: 0, 1 (a message about something else: @out is of no use), or -EBADMSG:
 * it is too short, an attribute has the wrong size, or one that every kernel sends
 * is missing.
 */
int netdev_parse_link(const struct nlmsghdr *h, struct netdev_link *out);
int netdev_parse_address(const struct nlmsghdr *h, struct netdev_address *out);
int netdev_parse_channels(const struct nlmsghdr *h,
			  struct netdev_channels *out);
int netdev_parse_rss(const struct nlmsghdr *h, struct netdev_rss *out);
int netdev_parse_features(const struct nlmsghdr *h,
			  struct netdev_features *out);
int netdev_parse_coalesce(const struct nlmsghdr *h,
			  struct netdev_coalesce *out);

/* VLANs of the bridge port @index are added to @out. */
int netdev_parse_bridge_vlans(const struct nlmsghdr *h, int index,
			      struct netdev_vlans *out);

/* netdev_take_rss() - table and key, checked.
 * @table: @n numbers. Return: 0, -EBADMSG (too long), -ENOMEM. */
int netdev_take_rss(const uint32_t *table, size_t n, const uint8_t *key,
		    size_t key_len, struct netdev_rss *out);

/* The ioctl of kernels without ETHTOOL_MSG_RSS_GET. */
int netdev_ioctl_rss(const char *name, struct netdev_rss *out,
		     struct netlink_error *error);

/* What the RXH_* bits of an answer to ETHTOOL_GRXFH mean. */
unsigned int netdev_hash_of(uint64_t rxh);

#endif
