/* SPDX-License-Identifier: MIT */
/* Fuzzes the reading of what the kernel answers about interfaces. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink/netdev-parse.h"
#include "tests/fuzz/fuzz.h"

/* The input is what comes back: fuzz_send_packets(), over the line of rtnetlink or
 * the generic one, whose first packet answers the question for the family. */

static void check_link(const struct netdev_link *l)
{
	fuzz_text(l->name, sizeof(l->name));
	fuzz_text(l->kind, sizeof(l->kind));
	fuzz_text(l->parent, sizeof(l->parent));
	fuzz_text(l->parent_bus, sizeof(l->parent_bus));
	FUZZ_CHECK(l->vlan_id < NETDEV_VLANS);
	FUZZ_CHECK(l->link >= 0 && l->master >= 0);
}

static void read_route(struct netdev_nl *nl, struct netlink_error *error)
{
	struct netdev_vlans vlans = { { 0 } };
	struct netdev_address *addresses = NULL;
	struct netdev_link one, *links = NULL;
	size_t n;

	if (netdev_nl_link(nl, "eth0", &one, error) == 0)
		check_link(&one);
	if (netdev_nl_links(nl, &links, &n, error) == 0)
		for (size_t i = 0; i < n; i++) {
			check_link(&links[i]);
			(void)netdev_vlan_filter(links, n, i, true, &vlans);
		}
	free(links);
	if (netdev_nl_addresses(nl, 2, &addresses, &n, error) == 0)
		for (size_t i = 1; i < n; i++)
			FUZZ_CHECK((addresses[i - 1].mac[0] & 1) <=
				   (addresses[i].mac[0] & 1));
	free(addresses);
	(void)netdev_nl_bridge_vlans(nl, 3, &vlans, error);
}

/* RSS over netlink only: the ioctl would ask this machine. */
static void read_rss(const uint8_t *data, size_t size)
{
	static union {
		struct nlmsghdr h;
		uint8_t bytes[1u << 16];
	} m;
	struct netdev_rss rss = { 0 };

	if (size < sizeof(m.h) || size > sizeof(m))
		return;
	memcpy(m.bytes, data, size);
	m.h.nlmsg_len = (uint32_t)size;
	if (netdev_parse_rss(&m.h, &rss) == 0) {
		FUZZ_CHECK(rss.n <= NETDEV_RSS_TABLE);
		FUZZ_CHECK(rss.key_len <= NETDEV_RSS_KEY);
	}
	free(rss.table);
}

static void read_ethtool(struct netdev_nl *nl, struct netlink_error *error)
{
	struct netdev_channels channels;
	struct netdev_features features;
	struct netdev_coalesce coalesce;

	(void)netdev_nl_channels(nl, "eth0", &channels, error);
	(void)netdev_nl_coalesce(nl, "eth0", &coalesce, error);
	if (netdev_nl_features(nl, "eth0", &features, error) == 0) {
		FUZZ_CHECK(features.n <= NETDEV_FEATURES_MAX);
		for (size_t i = 0; i < features.n; i++)
			fuzz_text(features.active[i],
				  sizeof(features.active[0]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { .data = data, .left = size };
	struct netlink_error error = { 0 };
	int route[2], generic[2];
	struct netdev_nl *nl;

	read_rss(data, size);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, route) == 0);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, generic) == 0);
	fuzz_send_packets(&in, (const int[]){ route[1], generic[1] }, 2);
	if (netdev_nl_from_fds(route[0], generic[0], 100, &nl, &error) == 0) {
		read_route(nl, &error);
		read_ethtool(nl, &error);
		netdev_nl_close(nl);
	} else {
		FUZZ_CHECK(error.err > 0);
	}
	fuzz_text(error.text, sizeof(error.text));
	close(route[1]);
	close(generic[1]);
	return 0;
}
