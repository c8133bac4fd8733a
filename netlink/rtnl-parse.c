/* SPDX-License-Identifier: MIT */
/* What the kernel's rtnetlink messages say of interfaces, as plain structs. */
#include "netlink/netdev-parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <string.h>

#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "netlink/attr.h"

#define LINK_ATTRS (IFLA_ALLMULTI + 1)

static const struct attr_rule link_rules[LINK_ATTRS] = {
	[IFLA_ADDRESS] = { .type = MNL_TYPE_BINARY },
	[IFLA_PERM_ADDRESS] = { .type = MNL_TYPE_BINARY },
	[IFLA_IFNAME] = { .type = MNL_TYPE_NUL_STRING },
	[IFLA_MTU] = { .type = MNL_TYPE_U32 },
	[IFLA_MAX_MTU] = { .type = MNL_TYPE_U32 },
	[IFLA_LINK] = { .type = MNL_TYPE_U32 },
	[IFLA_LINK_NETNSID] = { .type = MNL_TYPE_U32 },
	[IFLA_MASTER] = { .type = MNL_TYPE_U32 },
	[IFLA_CARRIER] = { .type = MNL_TYPE_U8 },
	[IFLA_PROMISCUITY] = { .type = MNL_TYPE_U32 },
	[IFLA_ALLMULTI] = { .type = MNL_TYPE_U32 },
	[IFLA_LINKINFO] = { .type = MNL_TYPE_NESTED },
	[IFLA_XDP] = { .type = MNL_TYPE_NESTED },
	[IFLA_PARENT_DEV_NAME] = { .type = MNL_TYPE_NUL_STRING },
	[IFLA_PARENT_DEV_BUS_NAME] = { .type = MNL_TYPE_NUL_STRING },
};

/* ------------------------------------------------------------ parts of a link */

/* Only Ethernet's addresses have six bytes. */
static void take_mac(struct netdev_link *l, uint32_t has, uint8_t mac[6],
		     const struct nlattr *attr)
{
	if (!attr || mnl_attr_get_payload_len(attr) != ETH_ALEN)
		return;
	memcpy(mac, mnl_attr_get_payload(attr), ETH_ALEN);
	l->has |= has;
}

static void take_number(struct netdev_link *l, uint32_t has, uint32_t *to,
			const struct nlattr *attr)
{
	if (!attr)
		return;
	*to = mnl_attr_get_u32(attr);
	l->has |= has;
}

static int take_index(struct netdev_link *l, uint32_t has, int *to,
		      const struct nlattr *attr)
{
	uint32_t index = attr_u32(attr);

	if (index > INT32_MAX)
		return -EBADMSG;
	if (!index)
		return 0;
	*to = (int)index;
	l->has |= has;
	return 0;
}

static int take_vlan(struct netdev_link *l, const struct nlattr *data)
{
	static const struct attr_rule rules[IFLA_VLAN_PROTOCOL + 1] = {
		[IFLA_VLAN_ID] = { .type = MNL_TYPE_U16 },
		[IFLA_VLAN_PROTOCOL] = { .type = MNL_TYPE_U16 },
	};
	const struct nlattr *attr[IFLA_VLAN_PROTOCOL + 1];

	if (attrs_parse_nested(data, rules, IFLA_VLAN_PROTOCOL + 1, attr) < 0 ||
	    !attr[IFLA_VLAN_ID] || attr_u16(attr[IFLA_VLAN_ID]) >= NETDEV_VLANS)
		return -EBADMSG;
	l->vlan_id = attr_u16(attr[IFLA_VLAN_ID]);
	l->vlan_protocol = attr[IFLA_VLAN_PROTOCOL]
				   ? ntohs(attr_u16(attr[IFLA_VLAN_PROTOCOL]))
				   : ETH_P_8021Q;
	l->has |= NETDEV_VLAN;
	return 0;
}

static int take_info(struct netdev_link *l, const struct nlattr *info)
{
	static const struct attr_rule rules[IFLA_INFO_DATA + 1] = {
		[IFLA_INFO_KIND] = { .type = MNL_TYPE_STRING },
		[IFLA_INFO_DATA] = { .type = MNL_TYPE_NESTED },
	};
	const struct nlattr *attr[IFLA_INFO_DATA + 1];
	const struct nlattr *kind;
	size_t len;

	if (attrs_parse_nested(info, rules, IFLA_INFO_DATA + 1, attr) < 0)
		return -EBADMSG;
	kind = attr[IFLA_INFO_KIND];
	/* This one text may come without its NUL. */
	len = kind ? strnlen(mnl_attr_get_payload(kind),
			     mnl_attr_get_payload_len(kind))
		   : 0;
	if (len >= sizeof(l->kind))
		return -EBADMSG;
	if (len)
		memcpy(l->kind, mnl_attr_get_payload(kind), len);
	if (strcmp(l->kind, "vlan") != 0)
		return 0;
	return take_vlan(l, attr[IFLA_INFO_DATA]);
}

static int take_xdp(struct netdev_link *l, const struct nlattr *xdp)
{
	static const struct attr_rule rules[IFLA_XDP_ATTACHED + 1] = {
		[IFLA_XDP_ATTACHED] = { .type = MNL_TYPE_U8 },
	};
	const struct nlattr *attr[IFLA_XDP_ATTACHED + 1];
	uint8_t mode;

	if (attrs_parse_nested(xdp, rules, IFLA_XDP_ATTACHED + 1, attr) < 0)
		return -EBADMSG;
	if (!attr[IFLA_XDP_ATTACHED])
		return 0;
	mode = mnl_attr_get_u8(attr[IFLA_XDP_ATTACHED]);
	/* A generic one runs above the driver. */
	l->xdp = mode != XDP_ATTACHED_NONE && mode != XDP_ATTACHED_SKB;
	return 0;
}

/* Longer than any that we want is none of those. */
static void take_parent(char *to, size_t size, const struct nlattr *attr)
{
	(void)attr_text(attr, to, size);
}

static int take_links(struct netdev_link *l, const struct nlattr **attr)
{
	if (take_index(l, NETDEV_LINK, &l->link, attr[IFLA_LINK]) < 0 ||
	    take_index(l, NETDEV_MASTER, &l->master, attr[IFLA_MASTER]) < 0)
		return -EBADMSG;
	l->foreign_link = attr[IFLA_LINK_NETNSID];
	return 0;
}

static void take_values(struct netdev_link *l, const struct nlattr **attr)
{
	take_mac(l, NETDEV_ADDRESS, l->address, attr[IFLA_ADDRESS]);
	take_mac(l, NETDEV_PERMANENT, l->permanent, attr[IFLA_PERM_ADDRESS]);
	take_number(l, NETDEV_MAX_MTU, &l->max_mtu, attr[IFLA_MAX_MTU]);
	take_number(l, NETDEV_ALLMULTI, &l->allmulti, attr[IFLA_ALLMULTI]);
	l->mtu = attr_u32(attr[IFLA_MTU]);
	l->promiscuity = attr_u32(attr[IFLA_PROMISCUITY]);
	if (attr[IFLA_CARRIER]) {
		l->carrier = mnl_attr_get_u8(attr[IFLA_CARRIER]);
		l->has |= NETDEV_CARRIER;
	}
	take_parent(l->parent_bus, sizeof(l->parent_bus),
		    attr[IFLA_PARENT_DEV_BUS_NAME]);
	take_parent(l->parent, sizeof(l->parent), attr[IFLA_PARENT_DEV_NAME]);
}

int netdev_parse_link(const struct nlmsghdr *h, struct netdev_link *out)
{
	const struct nlattr *attr[LINK_ATTRS];
	struct netdev_link l = { 0 };
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);

	if (attrs_parse_message(h, sizeof(*i), link_rules, LINK_ATTRS, attr) <
	    0)
		return -EBADMSG;
	/* A bridge's view of its ports has the same type. */
	if (h->nlmsg_type != RTM_NEWLINK || i->ifi_family != AF_UNSPEC)
		return 1;
	l.index = i->ifi_index;
	l.type = i->ifi_type;
	l.flags = i->ifi_flags;
	if (attr_text(attr[IFLA_IFNAME], l.name, sizeof(l.name)) < 0 ||
	    take_info(&l, attr[IFLA_LINKINFO]) < 0 ||
	    take_xdp(&l, attr[IFLA_XDP]) < 0 || take_links(&l, attr) < 0)
		return -EBADMSG;
	take_values(&l, attr);
	*out = l;
	return 0;
}

/* ---------------------------------------------------------------- addresses */

int netdev_parse_address(const struct nlmsghdr *h, struct netdev_address *out)
{
	static const struct attr_rule rules[NDA_VLAN + 1] = {
		[NDA_LLADDR] = { .type = MNL_TYPE_BINARY },
		[NDA_VLAN] = { .type = MNL_TYPE_U16 },
	};
	const struct nlattr *attr[NDA_VLAN + 1];
	const struct ndmsg *n = mnl_nlmsg_get_payload(h);

	if (attrs_parse_message(h, sizeof(*n), rules, NDA_VLAN + 1, attr) < 0)
		return -EBADMSG;
	/* A bridge's own entries are no list of the device's. */
	if (h->nlmsg_type != RTM_NEWNEIGH || n->ndm_family != AF_BRIDGE ||
	    !(n->ndm_flags & NTF_SELF) || attr[NDA_VLAN])
		return 1;
	if (!attr[NDA_LLADDR] ||
	    mnl_attr_get_payload_len(attr[NDA_LLADDR]) != ETH_ALEN)
		return 1;
	out->index = n->ndm_ifindex;
	memcpy(out->mac, mnl_attr_get_payload(attr[NDA_LLADDR]), ETH_ALEN);
	return 0;
}

/* ------------------------------------------------------------- a bridge's port */

/* The VLANs come one by one, or as the begin and the end of a range. */
struct vlan_walk {
	struct netdev_vlans *out;
	unsigned int begin; /* 0: none is open */
};

static int take_bridge_vlan(void *data, const struct nlattr *attr)
{
	struct vlan_walk *w = data;
	struct bridge_vlan_info info;
	unsigned int from;

	if (mnl_attr_get_type(attr) != IFLA_BRIDGE_VLAN_INFO)
		return 0;
	if (mnl_attr_get_payload_len(attr) < sizeof(info))
		return -EBADMSG;
	memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
	if (!info.vid || info.vid >= NETDEV_VLANS)
		return -EBADMSG;
	if (info.flags & BRIDGE_VLAN_INFO_RANGE_BEGIN) {
		w->begin = info.vid;
		return 0;
	}
	from = info.flags & BRIDGE_VLAN_INFO_RANGE_END ? w->begin : info.vid;
	if (!from || from > info.vid)
		return -EBADMSG;
	for (unsigned int id = from; id <= info.vid; id++)
		netdev_vlans_add(w->out, id);
	w->begin = 0;
	return 0;
}

int netdev_parse_bridge_vlans(const struct nlmsghdr *h, int index,
			      struct netdev_vlans *out)
{
	static const struct attr_rule rules[IFLA_AF_SPEC + 1] = {
		[IFLA_AF_SPEC] = { .type = MNL_TYPE_NESTED },
	};
	const struct nlattr *attr[IFLA_AF_SPEC + 1];
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	struct netdev_vlans vlans = *out;
	struct vlan_walk walk = { .out = &vlans };

	if (attrs_parse_message(h, sizeof(*i), rules, IFLA_AF_SPEC + 1, attr) <
	    0)
		return -EBADMSG;
	if (h->nlmsg_type != RTM_NEWLINK || i->ifi_family != AF_BRIDGE ||
	    i->ifi_index != index)
		return 1;
	if (attrs_each(attr[IFLA_AF_SPEC], take_bridge_vlan, &walk) < 0)
		return -EBADMSG;
	*out = vlans;
	return 0;
}
