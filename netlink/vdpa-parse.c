/* SPDX-License-Identifier: MIT */
/* What the kernel's vdpa messages say, as plain structs. */
#include "netlink/genl-vdpa.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/genetlink.h>
#include <netlink/attr.h>

#include "netlink/vdpa-uapi.h"

#define ATTRS (U_VDPA_ATTR_LAST + 1)

/*
 * Sizes as the kernel sends them. VDPA_DEV_SUPPORTED_FEATURES is not here: what
 * has that number in Linux 6.1 may be something else of a device that is not for
 * network in a newer one; take_features() looks at it.
 */
static const struct nla_policy policy[ATTRS] = {
	[U_VDPA_ATTR_MGMTDEV_BUS_NAME] = { .type = NLA_STRING },
	[U_VDPA_ATTR_MGMTDEV_DEV_NAME] = { .type = NLA_STRING },
	[U_VDPA_ATTR_MGMTDEV_SUPPORTED_CLASSES] = { .type = NLA_U64 },
	[U_VDPA_ATTR_DEV_NAME] = { .type = NLA_STRING },
	[U_VDPA_ATTR_DEV_ID] = { .type = NLA_U32 },
	[U_VDPA_ATTR_DEV_VENDOR_ID] = { .type = NLA_U32 },
	[U_VDPA_ATTR_DEV_MAX_VQS] = { .type = NLA_U32 },
	[U_VDPA_ATTR_DEV_MAX_VQ_SIZE] = { .type = NLA_U16 },
	[U_VDPA_ATTR_DEV_MIN_VQ_SIZE] = { .type = NLA_U16 },
	[U_VDPA_ATTR_DEV_NET_CFG_MACADDR] = { .type = NLA_UNSPEC,
					      .minlen = 6,
					      .maxlen = 6 },
	[U_VDPA_ATTR_DEV_NET_STATUS] = { .type = NLA_U16 },
	[U_VDPA_ATTR_DEV_NET_CFG_MAX_VQP] = { .type = NLA_U16 },
	[U_VDPA_ATTR_DEV_NET_CFG_MTU] = { .type = NLA_U16 },
	[U_VDPA_ATTR_DEV_NEGOTIATED_FEATURES] = { .type = NLA_U64 },
	[U_VDPA_ATTR_DEV_MGMTDEV_MAX_VQS] = { .type = NLA_U32 },
	[U_VDPA_ATTR_DEV_SUPPORTED_FEATURES] = { .type = NLA_U64 },
	[U_VDPA_ATTR_DEV_QUEUE_INDEX] = { .type = NLA_U32 },
	[U_VDPA_ATTR_DEV_VENDOR_ATTR_NAME] = { .type = NLA_STRING },
	[U_VDPA_ATTR_DEV_VENDOR_ATTR_VALUE] = { .type = NLA_U64 },
	[U_VDPA_ATTR_DEV_FEATURES] = { .type = NLA_U64 },
};

/* The attributes of a generic netlink message. Return: NULL if it is too short. */
static struct nlattr *attributes(struct nlmsghdr *h, int *len)
{
	size_t header = NLMSG_LENGTH(GENL_HDRLEN);

	*len = 0;
	if (h->nlmsg_len < header)
		return NULL;
	*len = (int)(h->nlmsg_len - header);
	return (struct nlattr *)(void *)((char *)h + header);
}

/* libnl's nla_parse() stops without a word at an attribute that goes past the end
 * of the message: a message that is cut off must not pass for a short one. */
static int check_whole(struct nlattr *head, int len)
{
	struct nlattr *attr;
	int rest;

	nla_for_each_attr(attr, head, len, rest)
	{
	}
	return rest > 0 ? -EBADMSG : 0;
}

static int parse(struct nlmsghdr *h, struct nlattr *attr[ATTRS])
{
	int len;
	struct nlattr *head = attributes(h, &len);

	if (!head || check_whole(head, len) < 0 ||
	    nla_parse(attr, ATTRS - 1, head, len, policy) < 0)
		return -EBADMSG;
	return 0;
}

/* ------------------------------------------------------------------ members */

static int take_name(char *to, size_t size, const struct nlattr *attr)
{
	size_t len = attr ? strlen(nla_data(attr)) : 0;

	if (!len || len >= size)
		return -EBADMSG;
	memcpy(to, nla_data(attr), len + 1);
	return 0;
}

static int take_mgmtdev(char to[VDPA_MGMTDEV_SIZE], struct nlattr **attr)
{
	const struct nlattr *bus = attr[U_VDPA_ATTR_MGMTDEV_BUS_NAME];
	const struct nlattr *dev = attr[U_VDPA_ATTR_MGMTDEV_DEV_NAME];
	char name[VDPA_MGMTDEV_SIZE];
	int n;

	if (!dev)
		return -EBADMSG;
	n = snprintf(name, sizeof(name), "%s%s%s",
		     bus ? (const char *)nla_data(bus) : "", bus ? "/" : "",
		     (const char *)nla_data(dev));
	if (n <= 0 || (size_t)n >= sizeof(name))
		return -EBADMSG;
	memcpy(to, name, (size_t)n + 1);
	return 0;
}

/* What the attribute has, or 0. */
static uint16_t get_u16(const struct nlattr *attr)
{
	return attr ? nla_get_u16(attr) : 0;
}

static uint32_t get_u32(const struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

static uint64_t get_u64(const struct nlattr *attr)
{
	return attr ? nla_get_u64(attr) : 0;
}

/* ----------------------------------------------------------------- messages */

int vdpa_parse_mgmtdev(struct nlmsghdr *h, struct vdpa_mgmtdev *out)
{
	struct nlattr *attr[ATTRS];
	struct vdpa_mgmtdev m = { 0 };

	if (parse(h, attr) < 0 || take_mgmtdev(m.name, attr) < 0)
		return -EBADMSG;
	m.classes = get_u64(attr[U_VDPA_ATTR_MGMTDEV_SUPPORTED_CLASSES]);
	m.has_features = attr[U_VDPA_ATTR_DEV_SUPPORTED_FEATURES];
	m.features = get_u64(attr[U_VDPA_ATTR_DEV_SUPPORTED_FEATURES]);
	m.has_max_vqs = attr[U_VDPA_ATTR_DEV_MGMTDEV_MAX_VQS];
	m.max_vqs = get_u32(attr[U_VDPA_ATTR_DEV_MGMTDEV_MAX_VQS]);
	*out = m;
	return 0;
}

int vdpa_parse_device(struct nlmsghdr *h, struct vdpa_device *out)
{
	struct nlattr *attr[ATTRS];
	struct vdpa_device d = { 0 };

	if (parse(h, attr) < 0 || !attr[U_VDPA_ATTR_DEV_ID] ||
	    take_mgmtdev(d.mgmtdev, attr) < 0 ||
	    take_name(d.name, sizeof(d.name), attr[U_VDPA_ATTR_DEV_NAME]) < 0)
		return -EBADMSG;
	d.id = get_u32(attr[U_VDPA_ATTR_DEV_ID]);
	d.vendor = get_u32(attr[U_VDPA_ATTR_DEV_VENDOR_ID]);
	d.max_vqs = get_u32(attr[U_VDPA_ATTR_DEV_MAX_VQS]);
	d.max_vq_size = get_u16(attr[U_VDPA_ATTR_DEV_MAX_VQ_SIZE]);
	d.min_vq_size = get_u16(attr[U_VDPA_ATTR_DEV_MIN_VQ_SIZE]);
	*out = d;
	return 0;
}

/* Linux 6.1 tells under another number than newer ones what a device offers. */
static int take_features(struct vdpa_config *c, struct nlattr **attr)
{
	const struct nlattr *a = attr[U_VDPA_ATTR_DEV_FEATURES];

	if (!a)
		a = attr[U_VDPA_ATTR_VDPA_DEV_SUPPORTED_FEATURES];
	if (!a)
		return 0;
	if (nla_len(a) < (int)sizeof(uint64_t))
		return -EBADMSG;
	c->features = nla_get_u64(a);
	c->has |= VDPA_CONFIG_FEATURES;
	return 0;
}

static const struct {
	unsigned int attr;
	uint32_t has;
} net_members[] = {
	{ U_VDPA_ATTR_DEV_NET_CFG_MACADDR, VDPA_CONFIG_MAC },
	{ U_VDPA_ATTR_DEV_NET_STATUS, VDPA_CONFIG_STATUS },
	{ U_VDPA_ATTR_DEV_NET_CFG_MAX_VQP, VDPA_CONFIG_MAX_PAIRS },
	{ U_VDPA_ATTR_DEV_NET_CFG_MTU, VDPA_CONFIG_MTU },
};

static int take_net(struct vdpa_config *c, struct nlattr **attr)
{
	for (size_t i = 0; i < sizeof(net_members) / sizeof(*net_members); i++)
		if (attr[net_members[i].attr])
			c->has |= net_members[i].has;
	if (c->has & VDPA_CONFIG_MAC)
		memcpy(c->mac, nla_data(attr[U_VDPA_ATTR_DEV_NET_CFG_MACADDR]),
		       sizeof(c->mac));
	c->status = get_u16(attr[U_VDPA_ATTR_DEV_NET_STATUS]);
	c->max_pairs = get_u16(attr[U_VDPA_ATTR_DEV_NET_CFG_MAX_VQP]);
	c->mtu = get_u16(attr[U_VDPA_ATTR_DEV_NET_CFG_MTU]);
	return take_features(c, attr);
}

int vdpa_parse_config(struct nlmsghdr *h, struct vdpa_config *out)
{
	struct nlattr *attr[ATTRS];
	struct vdpa_config c = { 0 };

	if (parse(h, attr) < 0 || !attr[U_VDPA_ATTR_DEV_ID] ||
	    take_name(c.name, sizeof(c.name), attr[U_VDPA_ATTR_DEV_NAME]) < 0)
		return -EBADMSG;
	c.id = get_u32(attr[U_VDPA_ATTR_DEV_ID]);
	if (attr[U_VDPA_ATTR_DEV_NEGOTIATED_FEATURES])
		c.has |= VDPA_CONFIG_NEGOTIATED;
	c.negotiated = get_u64(attr[U_VDPA_ATTR_DEV_NEGOTIATED_FEATURES]);
	if (c.id == VDPA_ID_NET && take_net(&c, attr) < 0)
		return -EBADMSG;
	*out = c;
	return 0;
}

/* Counters come as pairs of attributes in a row: a name, then its value. */
static int take_counters(struct nlmsghdr *h, struct vdpa_vstats *s)
{
	int len, rest;
	struct nlattr *head = attributes(h, &len), *attr;
	bool named = false;

	nla_for_each_attr(attr, head, len, rest)
	{
		if (s->n == VDPA_VSTATS_MAX)
			return 0; /* more than anybody has */
		if (nla_type(attr) == U_VDPA_ATTR_DEV_VENDOR_ATTR_NAME) {
			nla_strlcpy(s->item[s->n].name, attr,
				    sizeof(s->item[0].name));
			named = true;
		} else if (nla_type(attr) ==
			   U_VDPA_ATTR_DEV_VENDOR_ATTR_VALUE) {
			if (!named)
				return -EBADMSG;
			s->item[s->n++].value = nla_get_u64(attr);
			named = false;
		}
	}
	return 0;
}

int vdpa_parse_vstats(struct nlmsghdr *h, struct vdpa_vstats *out)
{
	struct nlattr *attr[ATTRS];
	struct vdpa_vstats s = { 0 };

	/* nla_parse() validates each of several attributes of one kind. */
	if (parse(h, attr) < 0 || !attr[U_VDPA_ATTR_DEV_QUEUE_INDEX] ||
	    take_name(s.name, sizeof(s.name), attr[U_VDPA_ATTR_DEV_NAME]) < 0 ||
	    take_counters(h, &s) < 0)
		return -EBADMSG;
	s.queue = get_u32(attr[U_VDPA_ATTR_DEV_QUEUE_INDEX]);
	s.negotiated = get_u64(attr[U_VDPA_ATTR_DEV_NEGOTIATED_FEATURES]);
	s.has_max_pairs = attr[U_VDPA_ATTR_DEV_NET_CFG_MAX_VQP];
	s.max_pairs = get_u16(attr[U_VDPA_ATTR_DEV_NET_CFG_MAX_VQP]);
	*out = s;
	return 0;
}

int vdpa_parse_family(struct nlmsghdr *h, uint16_t *out)
{
	static const struct nla_policy
		family_policy[CTRL_ATTR_FAMILY_ID + 1] = {
			[CTRL_ATTR_FAMILY_ID] = { .type = NLA_U16 },
		};
	struct nlattr *attr[CTRL_ATTR_FAMILY_ID + 1];
	int len;
	struct nlattr *head = attributes(h, &len);

	if (!head || check_whole(head, len) < 0 ||
	    nla_parse(attr, CTRL_ATTR_FAMILY_ID, head, len, family_policy) <
		    0 ||
	    !attr[CTRL_ATTR_FAMILY_ID])
		return -EBADMSG;
	*out = nla_get_u16(attr[CTRL_ATTR_FAMILY_ID]);
	return 0;
}
