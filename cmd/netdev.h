/* SPDX-License-Identifier: MIT */
/* What was seen of a network interface, on its way into a state. */
#ifndef VDPR_CMD_NETDEV_H
#define VDPR_CMD_NETDEV_H

#include "cmd/cmd.h"
#include "netlink/netdev.h"

/* Which members of struct netdev_seen are there. */
#define SEEN_CHANNELS (1u << 0)
#define SEEN_RSS (1u << 1)
#define SEEN_HASH (1u << 2)
#define SEEN_FEATURES (1u << 3)
#define SEEN_COALESCE (1u << 4)
#define SEEN_ALLMULTI (1u << 5)
#define SEEN_VLANS (1u << 6)

struct netdev_seen {
	const char *name;
	bool is_virtio;
	struct vdpr_features bits; /* negotiated ones, or made up */
	unsigned int has;	   /* SEEN_* */
	struct netdev_link link;
	bool address_is_random; /* the driver made it up; nobody set another */
	bool all_multicast;
	struct netdev_address *addresses;
	size_t n_addresses;
	struct netdev_vlans vlans;
	struct netdev_channels channels;
	struct netdev_rss rss;
	struct netdev_hash_fields hash;
	struct netdev_features features;
	struct netdev_coalesce coalesce;
	struct netdev_coalesce *queue; /* of each pair in use, or NULL */
	uint32_t n_queues;
};

/* Pairs of queues in use, and the most that there can be. */
uint32_t netdev_pairs(const struct netdev_seen *s);
uint32_t netdev_max_pairs(const struct netdev_seen *s);

bool netdev_has_bit(const struct netdev_seen *s, const char *feature);

/* What was seen, as a state. Says what stays unknown that one might expect.
 * Return: 0 or an exit code. */
int netdev_make_state(struct cli *cli, const struct netdev_seen *s,
		      struct vdpr_state **out);

#endif
