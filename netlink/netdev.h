/* SPDX-License-Identifier: MIT */
/* Network interfaces, seen over rtnetlink and ethtool netlink. */
#ifndef NETLINK_NETDEV_H
#define NETLINK_NETDEV_H

/*
 * All of it only reads. Numbers are in host byte order. Every function returns 0 or
 * a negative errno value and then fills in @error, which may be NULL; results are
 * written on success only. Common to all of them are:
 *   -ENOMEM, -ETIMEDOUT (the kernel did not answer in time), -EBADMSG (it answered
 *   what cannot be understood), -EINTR (a list went on changing while it was read),
 *   and the errno that the kernel answered: -ENODEV (no interface of that name in
 *   this network namespace), -EOPNOTSUPP (its driver, or this kernel, has none of
 *   what is asked for), -EPERM.
 * What the kernel tells only by ioctl is marked: such a call has no timeout.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink/error.h"

#define NETDEV_NAME_SIZE 16
#define NETDEV_PARENT_SIZE 64
#define NETDEV_KIND_SIZE 32
#define NETDEV_VLANS 4096

struct netdev_nl;

/* netdev_nl_open() - connect to rtnetlink and, where the kernel has it, ethtool
 * netlink, in the caller's network namespace.
 * @timeout_ms: for each request, lists with all their parts included.
 * @out: closed with netdev_nl_close().
 */
int netdev_nl_open(unsigned int timeout_ms, struct netdev_nl **out,
		   struct netlink_error *error);

/* netdev_nl_from_fds() - the same over sockets that keep message boundaries, for
 * tests: their other ends speak for the kernel.
 * @route, @generic: taken over, closed with netdev_nl_close() or on failure.
 */
int netdev_nl_from_fds(int route, int generic, unsigned int timeout_ms,
		       struct netdev_nl **out, struct netlink_error *error);

/* @nl: may be NULL. */
void netdev_nl_close(struct netdev_nl *nl);

/* --------------------------------------------------------------- rtnetlink */

/* Which members of struct netdev_link are there. */
#define NETDEV_ADDRESS (1u << 0)
#define NETDEV_PERMANENT (1u << 1)
#define NETDEV_MAX_MTU (1u << 2)
#define NETDEV_CARRIER (1u << 3)
#define NETDEV_ALLMULTI (1u << 4)
#define NETDEV_LINK (1u << 5)
#define NETDEV_MASTER (1u << 6)
#define NETDEV_VLAN (1u << 7)

struct netdev_link {
	char name[NETDEV_NAME_SIZE];
	int index;
	uint16_t type;	/* ARPHRD_* */
	uint32_t flags; /* IFF_*; PROMISC and ALLMULTI only as users asked */
	uint32_t has;	/* NETDEV_* */
	uint8_t address[6];
	uint8_t permanent[6];
	uint32_t mtu;
	uint32_t max_mtu;
	bool carrier;
	uint32_t promiscuity; /* how many want it promiscuous */
	uint32_t allmulti;    /* the same; Linux 6.0 */
	int link;	      /* index of what it stands on */
	int master;	      /* index of the bridge, bond... it is a port of */
	bool foreign_link;    /* @link counts in another network namespace */
	bool xdp;	      /* a program is attached to its driver */
	char kind[NETDEV_KIND_SIZE]; /* "vlan", "veth", "bridge"... or "" */
	uint16_t vlan_id;
	uint16_t vlan_protocol;		   /* ETH_P_* */
	char parent_bus[NETDEV_KIND_SIZE]; /* "virtio", "pci" or "" */
	char parent[NETDEV_PARENT_SIZE];   /* "virtio0", "0000:01:00.0" or "" */
};

/* One interface by its name. */
int netdev_nl_link(struct netdev_nl *nl, const char *name,
		   struct netdev_link *out, struct netlink_error *error);

/* All interfaces of this network namespace. @out: freed by the caller; NULL where
 * @n is 0. */
int netdev_nl_links(struct netdev_nl *nl, struct netdev_link **out, size_t *n,
		    struct netlink_error *error);

/* One address of an interface's own unicast or multicast list. */
struct netdev_address {
	int index; /* of the interface */
	uint8_t mac[6];
};

/* netdev_nl_addresses() - the addresses that an interface receives besides its own,
 * unicast ones first and both in the order in which its driver sees them.
 * @index: of the interface.
 * @out: freed by the caller; NULL where @n is 0.
 *
 * These are the two lists (dev->uc, dev->mc) that the kernel hands a driver, as
 * ndo_dflt_fdb_dump() of net/core/rtnetlink.c shows them.
 */
int netdev_nl_addresses(struct netdev_nl *nl, int index,
			struct netdev_address **out, size_t *n,
			struct netlink_error *error);

/* A set of VLAN ids: id n is bit n % 8 of byte n / 8. */
struct netdev_vlans {
	uint8_t bits[NETDEV_VLANS / 8];
};

static inline bool netdev_vlans_has(const struct netdev_vlans *v,
				    unsigned int id)
{
	return v->bits[id / 8] >> (id % 8) & 1;
}

static inline void netdev_vlans_add(struct netdev_vlans *v, unsigned int id)
{
	v->bits[id / 8] |= (uint8_t)(1u << (id % 8));
}

/* Adds the VLANs of an interface as the port of a bridge. */
int netdev_nl_bridge_vlans(struct netdev_nl *nl, int index,
			   struct netdev_vlans *out,
			   struct netlink_error *error);

/* netdev_vlan_filter() - the VLANs that the kernel put into an interface's filter
 * for the VLAN devices on top of it and for its masters; those as the port of a
 * bridge come on top.
 * @links: all @n interfaces.
 * @at: the interface's place there.
 * @vlan_zero: is the 8021q module loaded? It adds VLAN 0 while the device is up.
 * Return: NULL, or why the filter cannot be known; @out is then not touched.
 */
const char *netdev_vlan_filter(const struct netdev_link *links, size_t n,
			       size_t at, bool vlan_zero,
			       struct netdev_vlans *out);

/* ----------------------------------------------------------------- ethtool */

struct netdev_channels {
	uint32_t rx, tx, combined;
	uint32_t max_rx, max_tx, max_combined;
};

int netdev_nl_channels(struct netdev_nl *nl, const char *name,
		       struct netdev_channels *out,
		       struct netlink_error *error);

#define NETDEV_RSS_TABLE 65536
#define NETDEV_RSS_KEY 255

struct netdev_rss {
	size_t key_len;
	uint8_t key[NETDEV_RSS_KEY];
	size_t n; /* entries of the table */
	uint32_t *table;
};

/* Table and key. By ioctl before Linux 6.3.
 * @out: its table is freed by the caller. */
int netdev_nl_rss(struct netdev_nl *nl, const char *name,
		  struct netdev_rss *out, struct netlink_error *error);

/* Kinds of flow whose hash fields are asked for. */
enum netdev_flow {
	NETDEV_FLOW_IP4,
	NETDEV_FLOW_TCP4,
	NETDEV_FLOW_UDP4,
	NETDEV_FLOW_IP6,
	NETDEV_FLOW_TCP6,
	NETDEV_FLOW_UDP6,
	NETDEV_FLOW_COUNT
};

/* What goes into the hash. */
#define NETDEV_HASH_ADDRESSES (1u << 0) /* source and destination */
#define NETDEV_HASH_PORTS (1u << 1)	/* both */
#define NETDEV_HASH_OTHER (1u << 2)	/* anything else, or only one side */

struct netdev_hash_fields {
	unsigned int fields[NETDEV_FLOW_COUNT]; /* NETDEV_HASH_* */
};

/* By ioctl. */
int netdev_nl_hash_fields(const char *name, struct netdev_hash_fields *out,
			  struct netlink_error *error);

#define NETDEV_FEATURES_MAX 128

/* Offload features by the kernel's names: "rx-gro-hw", "rx-vlan-filter"... */
struct netdev_features {
	size_t n;
	char active[NETDEV_FEATURES_MAX][32];
};

int netdev_nl_features(struct netdev_nl *nl, const char *name,
		       struct netdev_features *out,
		       struct netlink_error *error);

bool netdev_is_active(const struct netdev_features *f, const char *feature);

/* Members that a driver does not have are 0. */
struct netdev_coalesce {
	uint32_t rx_usecs, rx_frames;
	uint32_t tx_usecs, tx_frames;
	bool adaptive_rx, adaptive_tx;
};

int netdev_nl_coalesce(struct netdev_nl *nl, const char *name,
		       struct netdev_coalesce *out,
		       struct netlink_error *error);

/* Of one pair of queues. By ioctl. Return: -EINVAL (no such pair). */
int netdev_nl_queue_coalesce(const char *name, uint32_t pair,
			     struct netdev_coalesce *out,
			     struct netlink_error *error);

#endif
