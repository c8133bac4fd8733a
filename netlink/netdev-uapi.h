/* SPDX-License-Identifier: MIT */
/* The parts of ethtool netlink that Debian 12's headers lack. */
#ifndef NETLINK_NETDEV_UAPI_H
#define NETLINK_NETDEV_UAPI_H

/* Names keep the kernel's spelling behind a U. */

#define U_ETHTOOL_MSG_RSS_GET 38 /* Linux 6.3 */

enum u_ethtool_a_rss {
	U_ETHTOOL_A_RSS_HEADER = 1,
	U_ETHTOOL_A_RSS_CONTEXT = 2, /* u32 */
	U_ETHTOOL_A_RSS_HFUNC = 3,   /* u32: bit of the function in use */
	U_ETHTOOL_A_RSS_INDIR = 4,   /* u32 each */
	U_ETHTOOL_A_RSS_HKEY = 5,    /* bytes */
};

#endif
