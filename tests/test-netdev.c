/* SPDX-License-Identifier: MIT */
/* Interfaces over netlink: recorded answers of real kernels, damaged ones, none. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "netlink/netdev-parse.h"
#include "tests/netlink-replay.h"

#define TIMEOUT_MS 100

static const char *const kernels[] = { "6.1", "6.12" };
#define KERNELS 2

/* What the interfaces were when the answers were recorded: eth0 set up by
 * tests/lab/netdev.py, eth1 the port of a bridge, va and vb a veth. */
static const uint8_t eth0_mac[] = { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc };
static const uint8_t eth0_first[] = { 0x52, 0x54, 0, 0, 0, 1 };
#define PORT_INDEX 3

/* ------------------------------------------------------- the kernel's end */

/* Requests are numbered from 1 on each of the two lines, so that answers can be
 * laid out before they are asked for. */
struct line {
	struct netdev_nl *nl;
	int route, generic; /* the kernel's ends */
	uint32_t route_seq, generic_seq;
	struct netlink_error error;
};

static void answer(struct line *l, int fd, const char *kernel, const char *name)
{
	uint32_t *seq = fd == l->route ? &l->route_seq : &l->generic_seq;
	struct answer a = replay_read("netdev", kernel, name);

	++*seq;
	for (size_t i = 0; i < a.n; i++)
		replay_send(fd, &a.packet[i], *seq);
	replay_forget(&a);
}

static int connect_line(struct line *l, const char *kernel, const char *family)
{
	int route[2], generic[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, route), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, generic), 0);
	*l = (struct line){ .route = route[1], .generic = generic[1] };
	if (!strcmp(family, "family none")) {
		/* The vdpa recordings have a family that is not there. */
		struct answer a = replay_read("linux", kernel, family);

		l->generic_seq++;
		replay_send(l->generic, &a.packet[0], l->generic_seq);
		replay_forget(&a);
	} else {
		answer(l, l->generic, kernel, family);
	}
	return netdev_nl_from_fds(route[0], generic[0], TIMEOUT_MS, &l->nl,
				  &l->error);
}

static struct line opened(const char *kernel)
{
	struct line l;

	assert_int_equal(connect_line(&l, kernel, "family"), 0);
	return l;
}

static void hang_up(struct line *l)
{
	netdev_nl_close(l->nl);
	close(l->route);
	close(l->generic);
}

/* --------------------------------------------------------------- rtnetlink */

static void an_interface_is_what_ip_shows(void **state)
{
	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct line l = opened(kernels[k]);
		struct netdev_link i;

		answer(&l, l.route, kernels[k], "link");
		assert_int_equal(netdev_nl_link(l.nl, "eth0", &i, &l.error), 0);
		assert_string_equal(i.name, "eth0");
		assert_int_equal(i.index, 2);
		assert_int_equal(i.type, ARPHRD_ETHER);
		assert_true(i.flags & IFF_UP);
		assert_memory_equal(i.address, eth0_mac, 6);
		assert_memory_equal(i.permanent, eth0_first, 6);
		assert_int_equal(i.mtu, 1500);
		assert_int_equal(i.max_mtu, 1500);
		assert_true(i.carrier);
		assert_int_equal(i.promiscuity, 0);
		assert_true(i.has & NETDEV_ALLMULTI);
		assert_int_equal(i.allmulti, 1);
		assert_string_equal(i.parent_bus, "virtio");
		assert_memory_equal(i.parent, "virtio", 6);
		assert_false(i.xdp || (i.has & (NETDEV_MASTER | NETDEV_VLAN)));
		hang_up(&l);
	}
}

static void an_interface_that_is_not_there_is_said(void **state)
{
	static const char *const bad[] = { "", "a-name-that-is-too-long" };
	struct line l = opened("6.12");
	struct netdev_link i;

	(void)state;
	answer(&l, l.route, "6.12", "link none");
	assert_int_equal(netdev_nl_link(l.nl, "none", &i, &l.error), -ENODEV);
	assert_string_equal(l.error.text,
			    "none: look at the interface: No such device");
	for (size_t b = 0; b < 2; b++)
		assert_int_equal(netdev_nl_link(l.nl, bad[b], &i, NULL),
				 -ENODEV);
	hang_up(&l);
}

static const struct netdev_link *find(const struct netdev_link *list, size_t n,
				      const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	fail_msg("no interface %s", name);
	return list;
}

static void all_interfaces_have_kind_and_place(void **state)
{
	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct line l = opened(kernels[k]);
		struct netdev_link *list;
		const struct netdev_link *i;
		size_t n;

		answer(&l, l.route, kernels[k], "links");
		assert_int_equal(netdev_nl_links(l.nl, &list, &n, &l.error), 0);
		i = find(list, n, "v42");
		assert_string_equal(i->kind, "vlan");
		assert_int_equal(i->link, find(list, n, "eth0")->index);
		assert_int_equal(i->vlan_id, 42);
		assert_int_equal(i->vlan_protocol, ETH_P_8021Q);
		i = find(list, n, "q9");
		assert_int_equal(i->vlan_protocol, ETH_P_8021AD);
		i = find(list, n, "eth1");
		assert_int_equal(i->index, PORT_INDEX);
		assert_int_equal(i->master, find(list, n, "br0")->index);
		assert_string_equal(find(list, n, "br0")->kind, "bridge");
		i = find(list, n, "va");
		assert_string_equal(i->kind, "veth");
		assert_int_equal(i->link, find(list, n, "vb")->index);
		free(list);
		hang_up(&l);
	}
}

static void lists_are_those_of_the_driver(void **state)
{
	static const uint8_t unicast[][6] = { { 2, 0, 0, 0, 0, 1 },
					      { 2, 0, 0, 0, 0, 2 } };
	static const uint8_t all_nodes[] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t added[] = { 1, 0, 0x5e, 1, 2, 3 };

	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct line l = opened(kernels[k]);
		struct netdev_address *list;
		size_t n;

		answer(&l, l.route, kernels[k], "addresses");
		assert_int_equal(
			netdev_nl_addresses(l.nl, 2, &list, &n, &l.error), 0);
		assert_int_equal(n, 7);
		assert_memory_equal(list[0].mac, unicast[0], 6);
		assert_memory_equal(list[1].mac, unicast[1], 6);
		assert_memory_equal(list[2].mac, all_nodes, 6);
		assert_memory_equal(list[5].mac, added, 6);
		free(list);
		answer(&l, l.route, kernels[k], "addresses");
		assert_int_equal(
			netdev_nl_addresses(l.nl, 4711, &list, &n, &l.error),
			0);
		assert_int_equal(n, 0);
		assert_null(list);
		hang_up(&l);
	}
}

static void vlans_of_a_port_are_the_bridges(void **state)
{
	static const unsigned int ids[] = { 1, 20, 30, 31, 32, 33 };

	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct line l = opened(kernels[k]);
		struct netdev_vlans vlans = { { 0 } };
		unsigned int count = 0;

		answer(&l, l.route, kernels[k], "bridge vlans");
		assert_int_equal(netdev_nl_bridge_vlans(l.nl, PORT_INDEX,
							&vlans, &l.error),
				 0);
		for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
			assert_true(netdev_vlans_has(&vlans, ids[i]));
		for (unsigned int id = 0; id < NETDEV_VLANS; id++)
			count += netdev_vlans_has(&vlans, id);
		assert_int_equal(count, sizeof(ids) / sizeof(*ids));
		hang_up(&l);
	}
}

/* ------------------------------------------------------------- VLAN filters */

#define UP IFF_UP
#define ON(index) .has = NETDEV_LINK, .link = (index)
#define VLAN(id, lower)                                                    \
	.kind = "vlan", .has = NETDEV_LINK | NETDEV_VLAN, .link = (lower), \
	.vlan_id = (id), .vlan_protocol = ETH_P_8021Q

/* The first of each row is the one asked for. */
static const struct {
	struct netdev_link links[6];
	unsigned int ids[5]; /* 0 ends them, but for the first */
	bool zero;	     /* 8021q is loaded */
	bool not_known;
} filters[] = {
	/* Its own VLAN devices, up or not, but none of another's, and no 802.1ad */
	{ { { .index = 2 },
	    { .index = 3, VLAN(7, 2) },
	    { .index = 4, VLAN(8, 5) },
	    { .index = 5 },
	    { .index = 6,
	      .kind = "vlan",
	      .has = NETDEV_LINK | NETDEV_VLAN,
	      .link = 2,
	      .vlan_id = 9,
	      .vlan_protocol = ETH_P_8021AD } },
	  { 7 },
	  true,
	  false },
	/* An index of another namespace means nothing here */
	{ { { .index = 2 }, { .index = 3, VLAN(7, 2), .foreign_link = true } },
	  { 0 },
	  false,
	  false },
	/* Those of the bond that it is in, and those on a macvlan on that */
	{ { { .index = 2, .has = NETDEV_MASTER, .master = 9 },
	    { .index = 9, .kind = "bond" },
	    { .index = 3, VLAN(7, 9) },
	    { .index = 4, .kind = "macvlan", ON(9) },
	    { .index = 5, VLAN(11, 4) } },
	  { 7, 11 },
	  false,
	  false },
	/* A VLAN on a VLAN is not its own; a bridge hands none down here */
	{ { { .index = 2, .has = NETDEV_MASTER, .master = 9 },
	    { .index = 9, .kind = "bridge" },
	    { .index = 3, VLAN(7, 2) },
	    { .index = 4, VLAN(8, 3) },
	    { .index = 5, VLAN(12, 9) } },
	  { 7 },
	  false,
	  false },
	/* Masters that nobody here knows, or sees */
	{ { { .index = 2, .has = NETDEV_MASTER, .master = 9 },
	    { .index = 9, .kind = "openvswitch" } },
	  { 0 },
	  false,
	  true },
	{ { { .index = 2, .has = NETDEV_MASTER, .master = 9 } },
	  { 0 },
	  false,
	  true },
	/* A ring of links comes to an end */
	{ { { .index = 2, .has = NETDEV_MASTER, .master = 3 },
	    { .index = 3,
	      .kind = "bond",
	      .has = NETDEV_LINK | NETDEV_MASTER,
	      .link = 2,
	      .master = 2 },
	    { .index = 4, VLAN(7, 3) } },
	  { 7 },
	  false,
	  true },
};

static void filters_follow_from_what_stands_on_top(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		struct netdev_vlans vlans = { { 0 } };
		size_t n = 0;
		unsigned int want = 0, have = 0;
		const char *why;

		while (n < 6 && filters[i].links[n].index)
			n++;
		why = netdev_vlan_filter(filters[i].links, n, 0,
					 filters[i].zero, &vlans);
		assert_int_equal(why != NULL, filters[i].not_known);
		if (why)
			continue;
		for (size_t v = 0; v < 5 && filters[i].ids[v]; v++, want++)
			assert_true(
				netdev_vlans_has(&vlans, filters[i].ids[v]));
		for (unsigned int id = 0; id < NETDEV_VLANS; id++)
			have += netdev_vlans_has(&vlans, id);
		assert_int_equal(have, want);
	}
}

static void vlan_zero_is_there_while_the_interface_is_up(void **state)
{
	(void)state;
	for (int up = 0; up < 2; up++) {
		for (int loaded = 0; loaded < 2; loaded++) {
			const struct netdev_link link = { .index = 2,
							  .flags = up ? UP
								      : 0 };
			struct netdev_vlans vlans = { { 0 } };

			assert_null(netdev_vlan_filter(&link, 1, 0, loaded,
						       &vlans));
			assert_int_equal(netdev_vlans_has(&vlans, 0),
					 up && loaded);
		}
	}
}

/* ------------------------------------------------------------------ ethtool */

static void channels_are_what_ethtool_shows(void **state)
{
	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct line l = opened(kernels[k]);
		struct netdev_channels c;

		answer(&l, l.generic, kernels[k], "channels");
		assert_int_equal(netdev_nl_channels(l.nl, "eth0", &c, &l.error),
				 0);
		assert_int_equal(c.combined, 3);
		assert_int_equal(c.max_combined, 4);
		assert_int_equal(c.rx + c.tx + c.max_rx + c.max_tx, 0);
		answer(&l, l.generic, kernels[k], "channels veth");
		assert_int_equal(netdev_nl_channels(l.nl, "va", &c, &l.error),
				 0);
		assert_true(c.rx >= 1 && c.rx == c.tx && !c.combined);
		hang_up(&l);
	}
}

static void rss_is_what_ethtool_shows(void **state)
{
	static const uint8_t key[] = { 0x6d, 0x5a, 0x56, 0xda };
	struct line l = opened("6.12");
	struct netdev_rss rss;

	(void)state;
	answer(&l, l.generic, "6.12", "rss");
	assert_int_equal(netdev_nl_rss(l.nl, "eth0", &rss, &l.error), 0);
	assert_int_equal(rss.n, 128);
	assert_int_equal(rss.table[0], 0);
	assert_int_equal(rss.table[21], 1);
	assert_int_equal(rss.table[127], 2);
	assert_int_equal(rss.key_len, 40);
	assert_memory_equal(rss.key, key, sizeof(key));
	free(rss.table);
	hang_up(&l);
}

/* Linux 6.1 does not know the question: then the ioctl is asked, of this machine,
 * which has no such interface. */
static void rss_of_an_old_kernel_is_asked_for_otherwise(void **state)
{
	struct line l = opened("6.1");
	struct netdev_rss rss;

	(void)state;
	answer(&l, l.generic, "6.1", "rss");
	assert_int_equal(netdev_nl_rss(l.nl, "no-such-device", &rss, &l.error),
			 -ENODEV);
	assert_string_equal(l.error.text,
			    "no-such-device: read RSS: No such device");
	hang_up(&l);
}

static void hash_fields_become_types(void **state)
{
	static const struct {
		uint64_t rxh;
		unsigned int fields;
	} rows[] = {
		{ 0, 0 },
		{ RXH_IP_SRC | RXH_IP_DST, NETDEV_HASH_ADDRESSES },
		{ RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3,
		  NETDEV_HASH_ADDRESSES | NETDEV_HASH_PORTS },
		{ RXH_IP_SRC, NETDEV_HASH_OTHER },
		{ RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1,
		  NETDEV_HASH_ADDRESSES | NETDEV_HASH_OTHER },
		{ RXH_VLAN, NETDEV_HASH_OTHER },
		{ (uint32_t)RXH_DISCARD, NETDEV_HASH_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(netdev_hash_of(rows[i].rxh), rows[i].fields);
}

static void features_are_what_ethtool_shows(void **state)
{
	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct line l = opened(kernels[k]);
		struct netdev_features f;

		answer(&l, l.generic, kernels[k], "features");
		assert_int_equal(netdev_nl_features(l.nl, "eth0", &f, &l.error),
				 0);
		assert_true(netdev_is_active(&f, "rx-vlan-filter"));
		assert_true(netdev_is_active(&f, "rx-hashing"));
		assert_true(netdev_is_active(&f, "tx-generic-segmentation"));
		assert_false(netdev_is_active(&f, "rx-gro-hw"));
		assert_false(netdev_is_active(&f, "rx-vlan-hw-parse"));
		hang_up(&l);
	}
}

static void coalescing_is_what_ethtool_shows(void **state)
{
	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct line l = opened(kernels[k]);
		struct netdev_coalesce c;

		answer(&l, l.generic, kernels[k], "coalesce");
		assert_int_equal(netdev_nl_coalesce(l.nl, "eth0", &c, &l.error),
				 0);
		assert_int_equal(c.rx_frames, 1);
		assert_int_equal(c.rx_usecs + c.tx_usecs, 0);
		assert_false(c.adaptive_rx || c.adaptive_tx);
		hang_up(&l);
	}
}

static void what_a_driver_does_not_have_is_said(void **state)
{
	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct line l = opened(kernels[k]);
		struct netdev_coalesce c;
		struct netdev_channels channels;

		answer(&l, l.generic, kernels[k], "coalesce veth");
		assert_int_equal(netdev_nl_coalesce(l.nl, "va", &c, &l.error),
				 -EOPNOTSUPP);
		answer(&l, l.generic, kernels[k], "channels none");
		assert_int_equal(
			netdev_nl_channels(l.nl, "none", &channels, &l.error),
			-ENODEV);
		assert_string_equal(l.error.text,
				    "none: read channels: no device matches "
				    "name (No such device)");
		hang_up(&l);
	}
}

static void without_ethtool_netlink_links_can_still_be_seen(void **state)
{
	struct netdev_channels c;
	struct netdev_link i;
	struct line l;

	(void)state;
	assert_int_equal(connect_line(&l, "6.12", "family none"), 0);
	answer(&l, l.route, "6.12", "link");
	assert_int_equal(netdev_nl_link(l.nl, "eth0", &i, &l.error), 0);
	assert_int_equal(netdev_nl_channels(l.nl, "eth0", &c, &l.error),
			 -EOPNOTSUPP);
	assert_non_null(strstr(l.error.text, "no ethtool netlink"));
	hang_up(&l);
}

static void a_silent_kernel_is_given_up(void **state)
{
	struct line l = opened("6.12");
	struct netdev_link i, *list;
	struct netdev_features f;
	size_t n;

	(void)state;
	assert_int_equal(netdev_nl_link(l.nl, "eth0", &i, &l.error),
			 -ETIMEDOUT);
	assert_int_equal(netdev_nl_links(l.nl, &list, &n, &l.error),
			 -ETIMEDOUT);
	assert_int_equal(netdev_nl_features(l.nl, "eth0", &f, &l.error),
			 -ETIMEDOUT);
	hang_up(&l);
}

/* ------------------------------------------------------------------ damaged */

static const char *const names[] = { "link",	  "link veth",	  "links",
				     "addresses", "bridge vlans", "features",
				     "channels",  "coalesce",	  "rss" };

static uint32_t align4(size_t n)
{
	return (uint32_t)((n + 3) & ~(size_t)3);
}

static void for_messages(void (*fn)(struct packet *message))
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		replay_messages("netdev", "6.12", names[i], fn);
}

/* Return: how many of the readers took it. */
static int read_as_everything(struct nlmsghdr *h)
{
	struct netdev_vlans vlans = { { 0 } };
	struct netdev_rss rss = { 0 };
	struct netdev_channels channels;
	struct netdev_features features;
	struct netdev_coalesce coalesce;
	struct netdev_address address;
	struct netdev_link link;
	int taken = (netdev_parse_link(h, &link) == 0) +
		    (netdev_parse_address(h, &address) == 0) +
		    (netdev_parse_bridge_vlans(h, PORT_INDEX, &vlans) == 0) +
		    (netdev_parse_channels(h, &channels) == 0) +
		    (netdev_parse_features(h, &features) == 0) +
		    (netdev_parse_coalesce(h, &coalesce) == 0) +
		    (netdev_parse_rss(h, &rss) == 0);

	free(rss.table);
	return taken;
}

static void cut_everywhere(struct packet *whole)
{
	for (size_t len = NLMSG_HDRLEN; len < whole->len; len++) {
		struct nlmsghdr *h = replay_cut(whole, len);

		read_as_everything(h);
		free(h);
	}
}

static void twist_every_byte(struct packet *whole)
{
	replay_twist(whole, read_as_everything);
}

static void messages_that_are_damaged_do_no_harm(void **state)
{
	(void)state;
	for_messages(cut_everywhere);
	for_messages(twist_every_byte);
}

/* A message put together here: attributes as type, bytes. */
static unsigned char crafted[1024];

static struct nlmsghdr *craft(uint16_t type, const void *head, size_t size)
{
	struct nlmsghdr *h = (void *)crafted;

	memset(crafted, 0, sizeof(crafted));
	*h = (struct nlmsghdr){ .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + size),
				.nlmsg_type = type };
	memcpy(crafted + NLMSG_HDRLEN, head, size);
	return h;
}

static void put(struct nlmsghdr *h, uint16_t type, const void *data, size_t len)
{
	struct nlattr *attr = (void *)(crafted + align4(h->nlmsg_len));

	attr->nla_type = type;
	attr->nla_len = (uint16_t)(4 + len);
	memcpy(attr + 1, data, len);
	h->nlmsg_len = (uint32_t)(align4(h->nlmsg_len) + align4(attr->nla_len));
}

static void attributes_of_a_wrong_size_are_refused(void **state)
{
	static const struct {
		uint16_t type;
		const char *data;
		size_t len;
		int want;
	} rows[] = {
		{ IFLA_MTU, "\1\0", 2, -EBADMSG },
		{ IFLA_MASTER, "\1\0\0", 3, -EBADMSG },
		{ IFLA_MASTER, "\1\0\0\xff", 4, -EBADMSG },
		{ IFLA_IFNAME, "eth0", 4, -EBADMSG }, /* no NUL */
		{ IFLA_IFNAME, "sixteen-letters!", 17, -EBADMSG },
		{ IFLA_IFNAME, "", 1, -EBADMSG },
		{ IFLA_LINKINFO, "\xff\0\1\0", 4, -EBADMSG },
		{ IFLA_XDP, "\3\0\1\0", 4, -EBADMSG },
		/* Of an interface that is not Ethernet */
		{ IFLA_ADDRESS, "\1\2\3\4", 4, 0 },
		/* A newer kernel's */
		{ 200, "whatever", 8, 0 },
	};
	const struct ifinfomsg head = { .ifi_index = 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct nlmsghdr *h = craft(RTM_NEWLINK, &head, sizeof(head));
		struct netdev_link link;

		put(h, IFLA_IFNAME, "eth0", 5);
		put(h, rows[i].type, rows[i].data, rows[i].len);
		assert_int_equal(netdev_parse_link(h, &link), rows[i].want);
	}
}

static void ranges_of_vlans_are_judged(void **state)
{
	static const struct {
		struct bridge_vlan_info info[3];
		int want;
		unsigned int count;
	} rows[] = {
		{ { { 0, 5 },
		    { BRIDGE_VLAN_INFO_RANGE_BEGIN, 10 },
		    { BRIDGE_VLAN_INFO_RANGE_END, 12 } },
		  0,
		  4 },
		{ { { BRIDGE_VLAN_INFO_RANGE_END, 12 } }, -EBADMSG, 0 },
		{ { { BRIDGE_VLAN_INFO_RANGE_BEGIN, 12 },
		    { BRIDGE_VLAN_INFO_RANGE_END, 10 } },
		  -EBADMSG,
		  0 },
		{ { { 0, 4096 } }, -EBADMSG, 0 },
		{ { { 0, 0xffff } }, -EBADMSG, 0 },
	};
	const struct ifinfomsg head = { .ifi_family = AF_BRIDGE,
					.ifi_index = PORT_INDEX };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct nlmsghdr *h = craft(RTM_NEWLINK, &head, sizeof(head));
		struct netdev_vlans vlans = { { 0 } };
		unsigned char nest[64];
		unsigned int count = 0;
		size_t len = 0;

		for (size_t v = 0; v < 3 && rows[i].info[v].vid; v++) {
			const struct nlattr attr = { 8, IFLA_BRIDGE_VLAN_INFO };

			memcpy(nest + len, &attr, sizeof(attr));
			memcpy(nest + len + 4, &rows[i].info[v], 4);
			len += 8;
		}
		put(h, IFLA_AF_SPEC, nest, len);
		assert_int_equal(
			netdev_parse_bridge_vlans(h, PORT_INDEX, &vlans),
			rows[i].want);
		for (unsigned int id = 0; id < NETDEV_VLANS; id++)
			count += netdev_vlans_has(&vlans, id);
		assert_int_equal(count, rows[i].count);
	}
}

static void rss_of_an_absurd_size_is_refused(void **state)
{
	const struct genlmsghdr head = { 0 };
	static const unsigned char many[512];
	struct netdev_rss rss;
	struct nlmsghdr *h;

	(void)state;
	h = craft(20, &head, sizeof(head));
	put(h, 4, many, 6); /* no whole number of entries */
	assert_int_equal(netdev_parse_rss(h, &rss), -EBADMSG);
	h = craft(20, &head, sizeof(head));
	put(h, 5, many, NETDEV_RSS_KEY + 1);
	assert_int_equal(netdev_parse_rss(h, &rss), -EBADMSG);
	h = craft(20, &head, sizeof(head));
	put(h, 5, many, NETDEV_RSS_KEY);
	assert_int_equal(netdev_parse_rss(h, &rss), 0);
	assert_int_equal(rss.n, 0);
	free(rss.table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_is_what_ip_shows),
		cmocka_unit_test(an_interface_that_is_not_there_is_said),
		cmocka_unit_test(all_interfaces_have_kind_and_place),
		cmocka_unit_test(lists_are_those_of_the_driver),
		cmocka_unit_test(vlans_of_a_port_are_the_bridges),
		cmocka_unit_test(filters_follow_from_what_stands_on_top),
		cmocka_unit_test(vlan_zero_is_there_while_the_interface_is_up),
		cmocka_unit_test(channels_are_what_ethtool_shows),
		cmocka_unit_test(rss_is_what_ethtool_shows),
		cmocka_unit_test(rss_of_an_old_kernel_is_asked_for_otherwise),
		cmocka_unit_test(hash_fields_become_types),
		cmocka_unit_test(features_are_what_ethtool_shows),
		cmocka_unit_test(coalescing_is_what_ethtool_shows),
		cmocka_unit_test(what_a_driver_does_not_have_is_said),
		cmocka_unit_test(
			without_ethtool_netlink_links_can_still_be_seen),
		cmocka_unit_test(a_silent_kernel_is_given_up),
		cmocka_unit_test(messages_that_are_damaged_do_no_harm),
		cmocka_unit_test(attributes_of_a_wrong_size_are_refused),
		cmocka_unit_test(ranges_of_vlans_are_judged),
		cmocka_unit_test(rss_of_an_absurd_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
