/* SPDX-License-Identifier: MIT */
/* Requests to rtnetlink and to ethtool netlink about interfaces. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "netlink/attr.h"
#include "netlink/list.h"
#include "netlink/netdev-parse.h"
#include "netlink/netdev-uapi.h"

struct netdev_nl {
	struct nltalk route, generic;
	uint16_t family;	   /* of ethtool; 0: the kernel has none */
	struct netlink_error none; /* then: what it said */
};

/* --------------------------------------------------------------- connection */

static int finish_open(struct netdev_nl *nl, struct netdev_nl **out,
		       struct netlink_error *error)
{
	int err = nltalk_family(&nl->generic, ETHTOOL_GENL_NAME,
				"ethtool netlink", &nl->family, &nl->none);

	/* Linux before 5.6; rtnetlink still answers. */
	if (err && err != -ENOENT) {
		if (error)
			*error = nl->none;
		netdev_nl_close(nl);
		return err;
	}
	*out = nl;
	return 0;
}

static struct netdev_nl *new_connection(struct netlink_error *error)
{
	struct netdev_nl *nl = calloc(1, sizeof(*nl));

	if (!nl) {
		nltalk_fail(error, -ENOMEM, "netlink", "open", NULL);
		return NULL;
	}
	nl->route.fd = -1;
	nl->generic.fd = -1;
	return nl;
}

int netdev_nl_open(unsigned int timeout_ms, struct netdev_nl **out,
		   struct netlink_error *error)
{
	struct netdev_nl *nl = new_connection(error);
	int err;

	if (!nl)
		return -ENOMEM;
	err = nltalk_open(&nl->route, NETLINK_ROUTE, timeout_ms, error);
	if (!err)
		err = nltalk_open(&nl->generic, NETLINK_GENERIC, timeout_ms,
				  error);
	if (!err)
		return finish_open(nl, out, error);
	netdev_nl_close(nl);
	return err;
}

int netdev_nl_from_fds(int route, int generic, unsigned int timeout_ms,
		       struct netdev_nl **out, struct netlink_error *error)
{
	struct netdev_nl *nl = new_connection(error);
	int err;

	if (!nl) {
		close(route);
		close(generic);
		return -ENOMEM;
	}
	err = nltalk_from_fd(&nl->route, route, timeout_ms, error);
	if (!err)
		err = nltalk_from_fd(&nl->generic, generic, timeout_ms, error);
	else
		close(generic);
	if (!err)
		return finish_open(nl, out, error);
	netdev_nl_close(nl);
	return err;
}

void netdev_nl_close(struct netdev_nl *nl)
{
	if (!nl)
		return;
	nltalk_close(&nl->route);
	nltalk_close(&nl->generic);
	free(nl);
}

/* ---------------------------------------------------------------- rtnetlink */

/* Room for every request of ours. */
union request {
	struct nlmsghdr h;
	char room[256];
};

/* A request about links, and what it shall have besides. */
static struct ifinfomsg *link_request(union request *r, unsigned char family,
				      uint32_t mask)
{
	struct ifinfomsg *i;

	memset(r, 0, sizeof(*r));
	mnl_nlmsg_put_header(r);
	r->h.nlmsg_type = RTM_GETLINK;
	i = mnl_nlmsg_put_extra_header(&r->h, sizeof(*i));
	i->ifi_family = family;
	mnl_attr_put_u32(&r->h, IFLA_EXT_MASK, mask);
	return i;
}

static int parse_link(struct nlmsghdr *h, void *item)
{
	return netdev_parse_link(h, item);
}

/* The one answer to a request. */
struct answer {
	const struct nltalk_request *request;
	int (*parse)(struct nlmsghdr *h, void *out);
	void *out;
};

static int take_answer(void *data, struct nlmsghdr *h,
		       struct netlink_error *error)
{
	const struct answer *a = data;
	int err = a->parse(h, a->out);

	if (!err)
		return 0;
	return nltalk_fail(error, err == -ENOMEM ? err : -EBADMSG,
			   a->request->object, a->request->operation,
			   err == -ENOMEM ? NULL : "a malformed answer");
}

int netdev_nl_link(struct netdev_nl *nl, const char *name,
		   struct netdev_link *out, struct netlink_error *error)
{
	union request r;
	struct nltalk_request request = { .object = name,
					  .operation = "look at the interface",
					  .msg = &r.h,
					  .fn = take_answer };
	struct answer answer = { &request, parse_link, out };

	if (!*name || strlen(name) >= NETDEV_NAME_SIZE)
		return nltalk_fail(error, -ENODEV, name, request.operation,
				   NULL);
	request.data = &answer;
	link_request(&r, AF_UNSPEC, RTEXT_FILTER_SKIP_STATS);
	mnl_attr_put_strz(&r.h, IFLA_IFNAME, name);
	return nltalk_run(&nl->route, &request, error);
}

static int dump(struct nltalk *talk, struct nlmsghdr *msg,
		struct nltalk_list *list, struct netlink_error *error)
{
	struct nltalk_request request = {
		.object = list->object,
		.operation = list->operation,
		.msg = msg,
		.dump = true,
		.fn = nltalk_list_add,
		.restart = nltalk_list_restart,
		.data = list,
	};
	int err = nltalk_run(talk, &request, error);

	nltalk_list_end(list, err);
	return err;
}

int netdev_nl_links(struct netdev_nl *nl, struct netdev_link **out, size_t *n,
		    struct netlink_error *error)
{
	struct nltalk_list list = { .object = "rtnetlink",
				    .operation = "list interfaces",
				    .parse = parse_link,
				    .item_size = sizeof(**out) };
	union request r;
	int err;

	link_request(&r, AF_UNSPEC, RTEXT_FILTER_SKIP_STATS);
	err = dump(&nl->route, &r.h, &list, error);
	if (err)
		return err;
	*out = (struct netdev_link *)(void *)list.items;
	*n = list.n;
	return 0;
}

static int parse_address(struct nlmsghdr *h, void *item)
{
	return netdev_parse_address(h, item);
}

/* Of all that came only those of one interface, unicast ones first. */
static size_t choose(struct netdev_address *list, size_t n, int index,
		     struct netdev_address *to)
{
	size_t count = 0;

	for (int multicast = 0; multicast < 2; multicast++)
		for (size_t i = 0; i < n; i++)
			if (list[i].index == index &&
			    (list[i].mac[0] & 1) == multicast)
				to[count++] = list[i];
	return count;
}

int netdev_nl_addresses(struct netdev_nl *nl, int index,
			struct netdev_address **out, size_t *n,
			struct netlink_error *error)
{
	struct nltalk_list list = { .object = "rtnetlink",
				    .operation = "list addresses",
				    .parse = parse_address,
				    .item_size = sizeof(**out) };
	struct netdev_address *chosen;
	union request r = { .room = { 0 } };
	struct ndmsg *nd;
	int err;

	mnl_nlmsg_put_header(&r);
	r.h.nlmsg_type = RTM_GETNEIGH;
	nd = mnl_nlmsg_put_extra_header(&r.h, sizeof(*nd));
	nd->ndm_family = AF_BRIDGE;
	nd->ndm_ifindex = index;
	err = dump(&nl->route, &r.h, &list, error);
	if (err)
		return err;
	chosen = calloc(list.n ? list.n : 1, sizeof(*chosen));
	if (!chosen) {
		free(list.items);
		return nltalk_fail(error, -ENOMEM, list.object, list.operation,
				   NULL);
	}
	*n = choose((struct netdev_address *)(void *)list.items, list.n, index,
		    chosen);
	free(list.items);
	if (!*n) {
		free(chosen);
		chosen = NULL;
	}
	*out = chosen;
	return 0;
}

/* What a dump of all bridge ports says of one. */
struct port {
	int index;
	struct netdev_vlans vlans;
};

static int take_port(void *data, struct nlmsghdr *h,
		     struct netlink_error *error)
{
	struct port *p = data;

	if (netdev_parse_bridge_vlans(h, p->index, &p->vlans) >= 0)
		return 0;
	return nltalk_fail(error, -EBADMSG, "rtnetlink", "list bridge ports",
			   "a malformed answer");
}

static void restart_port(void *data)
{
	struct port *p = data;

	memset(&p->vlans, 0, sizeof(p->vlans));
}

int netdev_nl_bridge_vlans(struct netdev_nl *nl, int index,
			   struct netdev_vlans *out,
			   struct netlink_error *error)
{
	struct port port = { .index = index };
	union request r;
	const struct nltalk_request request = {
		.object = "rtnetlink",
		.operation = "list bridge ports",
		.msg = &r.h,
		.dump = true,
		.fn = take_port,
		.restart = restart_port,
		.data = &port,
	};
	int err;

	link_request(&r, AF_BRIDGE, RTEXT_FILTER_BRVLAN);
	err = nltalk_run(&nl->route, &request, error);
	for (unsigned int id = 0; !err && id < NETDEV_VLANS; id++)
		if (netdev_vlans_has(&port.vlans, id))
			netdev_vlans_add(out, id);
	return err;
}

/* ------------------------------------------------------------------ ethtool */

/* The header is attribute 1 of every message. */
static int ask_ethtool(struct netdev_nl *nl, uint8_t command, const char *name,
		       const char *operation,
		       int (*parse)(struct nlmsghdr *h, void *out), void *out,
		       struct netlink_error *error)
{
	union request r = { .room = { 0 } };
	struct nltalk_request request = { .object = name,
					  .operation = operation,
					  .msg = &r.h,
					  .fn = take_answer };
	struct answer answer = { &request, parse, out };
	struct genlmsghdr *g;
	struct nlattr *header;

	if (!nl->family)
		return nltalk_fail(error, -EOPNOTSUPP, name, operation,
				   "this kernel has no ethtool netlink");
	if (strlen(name) >= NETDEV_NAME_SIZE)
		return nltalk_fail(error, -ENODEV, name, operation, NULL);
	request.data = &answer;
	mnl_nlmsg_put_header(&r);
	r.h.nlmsg_type = nl->family;
	g = mnl_nlmsg_put_extra_header(&r.h, sizeof(*g));
	g->cmd = command;
	g->version = ETHTOOL_GENL_VERSION;
	header = mnl_attr_nest_start(&r.h, 1);
	mnl_attr_put_strz(&r.h, ETHTOOL_A_HEADER_DEV_NAME, name);
	mnl_attr_nest_end(&r.h, header);
	return nltalk_run(&nl->generic, &request, error);
}

static int parse_channels(struct nlmsghdr *h, void *out)
{
	return netdev_parse_channels(h, out);
}

int netdev_nl_channels(struct netdev_nl *nl, const char *name,
		       struct netdev_channels *out, struct netlink_error *error)
{
	return ask_ethtool(nl, ETHTOOL_MSG_CHANNELS_GET, name, "read channels",
			   parse_channels, out, error);
}

static int parse_rss(struct nlmsghdr *h, void *out)
{
	struct netdev_rss *rss = out;

	/* Only the last answer counts, should there be several. */
	free(rss->table);
	rss->table = NULL;
	return netdev_parse_rss(h, rss);
}

int netdev_nl_rss(struct netdev_nl *nl, const char *name,
		  struct netdev_rss *out, struct netlink_error *error)
{
	struct netdev_rss rss = { 0 };
	struct netlink_error first;
	int err = ask_ethtool(nl, U_ETHTOOL_MSG_RSS_GET, name, "read RSS",
			      parse_rss, &rss, &first);

	if (!err) {
		*out = rss;
		return 0;
	}
	free(rss.table);
	/* An older kernel does not know the message; a driver without RSS gives
	 * the same answer, and gives it to the ioctl too. */
	if (err == -EOPNOTSUPP)
		return netdev_ioctl_rss(name, out, error);
	if (error)
		*error = first;
	return err;
}

static int parse_features(struct nlmsghdr *h, void *out)
{
	return netdev_parse_features(h, out);
}

int netdev_nl_features(struct netdev_nl *nl, const char *name,
		       struct netdev_features *out, struct netlink_error *error)
{
	return ask_ethtool(nl, ETHTOOL_MSG_FEATURES_GET, name, "read features",
			   parse_features, out, error);
}

static int parse_coalesce(struct nlmsghdr *h, void *out)
{
	return netdev_parse_coalesce(h, out);
}

int netdev_nl_coalesce(struct netdev_nl *nl, const char *name,
		       struct netdev_coalesce *out, struct netlink_error *error)
{
	return ask_ethtool(nl, ETHTOOL_MSG_COALESCE_GET, name,
			   "read coalescing", parse_coalesce, out, error);
}
