/* SPDX-License-Identifier: MIT */
/* What the kernel tells of an interface only by ioctl. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/sockios.h>

#include "netlink/netdev-parse.h"
#include "netlink/talk.h"

/* One ETHTOOL_* request that reads. Return: 0 or -errno. */
static int ethtool(const char *name, void *request)
{
	struct ifreq ifr = { .ifr_data = request };
	int fd, err = 0;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return -ENODEV;
	memcpy(ifr.ifr_name, name, strlen(name));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCETHTOOL, &ifr) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* ---------------------------------------------------------------------- RSS */

/* Table and key stand behind the header: first the table's numbers. */
static int read_rss(const char *name, uint32_t n, uint32_t key_len,
		    struct netdev_rss *out)
{
	size_t size =
		sizeof(struct ethtool_rxfh) + n * sizeof(uint32_t) + key_len;
	struct ethtool_rxfh *r = calloc(1, size);
	int err;

	if (!r)
		return -ENOMEM;
	r->cmd = ETHTOOL_GRSSH;
	r->indir_size = n;
	r->key_size = key_len;
	err = ethtool(name, r);
	/* The sizes may have changed in between. */
	if (!err && (r->indir_size > n || r->key_size > key_len))
		err = -EINTR;
	if (!err)
		err = netdev_take_rss(
			r->rss_config, r->indir_size,
			(uint8_t *)(r->rss_config + r->indir_size), r->key_size,
			out);
	free(r);
	return err;
}

int netdev_ioctl_rss(const char *name, struct netdev_rss *out,
		     struct netlink_error *error)
{
	struct ethtool_rxfh sizes = { .cmd = ETHTOOL_GRSSH };
	int err = ethtool(name, &sizes);

	if (!err && (sizes.indir_size > NETDEV_RSS_TABLE ||
		     sizes.key_size > NETDEV_RSS_KEY))
		err = -EBADMSG;
	if (!err)
		err = read_rss(name, sizes.indir_size, sizes.key_size, out);
	return err ? nltalk_fail(error, err, name, "read RSS", NULL) : 0;
}

/* -------------------------------------------------------------- hash fields */

static const uint32_t flow_type[NETDEV_FLOW_COUNT] = {
	[NETDEV_FLOW_IP4] = IPV4_FLOW,	  [NETDEV_FLOW_TCP4] = TCP_V4_FLOW,
	[NETDEV_FLOW_UDP4] = UDP_V4_FLOW, [NETDEV_FLOW_IP6] = IPV6_FLOW,
	[NETDEV_FLOW_TCP6] = TCP_V6_FLOW, [NETDEV_FLOW_UDP6] = UDP_V6_FLOW,
};

unsigned int netdev_hash_of(uint64_t rxh)
{
	const uint64_t addresses = RXH_IP_SRC | RXH_IP_DST;
	const uint64_t ports = RXH_L4_B_0_1 | RXH_L4_B_2_3;
	unsigned int fields = 0;

	if ((rxh & addresses) == addresses)
		fields |= NETDEV_HASH_ADDRESSES;
	if ((rxh & ports) == ports)
		fields |= NETDEV_HASH_PORTS;
	if ((rxh & ~(addresses | ports)) ||
	    ((rxh & addresses) && !(fields & NETDEV_HASH_ADDRESSES)) ||
	    ((rxh & ports) && !(fields & NETDEV_HASH_PORTS)))
		fields |= NETDEV_HASH_OTHER;
	return fields;
}

int netdev_nl_hash_fields(const char *name, struct netdev_hash_fields *out,
			  struct netlink_error *error)
{
	struct netdev_hash_fields all;

	for (size_t i = 0; i < NETDEV_FLOW_COUNT; i++) {
		struct ethtool_rxnfc r = { .cmd = ETHTOOL_GRXFH,
					   .flow_type = flow_type[i] };
		int err = ethtool(name, &r);

		if (err)
			return nltalk_fail(error, err, name, "read hash fields",
					   NULL);
		all.fields[i] = netdev_hash_of(r.data);
	}
	*out = all;
	return 0;
}

/* --------------------------------------------------------------- coalescing */

int netdev_nl_queue_coalesce(const char *name, uint32_t pair,
			     struct netdev_coalesce *out,
			     struct netlink_error *error)
{
	static const char operation[] = "read a queue's coalescing";
	struct ethtool_per_queue_op *op;
	struct ethtool_coalesce c = { 0 };
	int err = -EINVAL;

	/* The answer of each queue in the mask stands behind the request. */
	op = calloc(1, sizeof(*op) + sizeof(c));
	if (!op)
		return nltalk_fail(error, -ENOMEM, name, operation, NULL);
	op->cmd = ETHTOOL_PERQUEUE;
	op->sub_command = ETHTOOL_GCOALESCE;
	if (pair < MAX_NUM_QUEUE) {
		op->queue_mask[pair / 32] = 1u << (pair % 32);
		err = ethtool(name, op);
	}
	memcpy(&c, op->data, sizeof(c));
	free(op);
	if (err)
		return nltalk_fail(error, err, name, operation, NULL);
	*out = (struct netdev_coalesce){
		.rx_usecs = c.rx_coalesce_usecs,
		.rx_frames = c.rx_max_coalesced_frames,
		.tx_usecs = c.tx_coalesce_usecs,
		.tx_frames = c.tx_max_coalesced_frames,
		.adaptive_rx = c.use_adaptive_rx_coalesce,
		.adaptive_tx = c.use_adaptive_tx_coalesce,
	};
	return 0;
}
