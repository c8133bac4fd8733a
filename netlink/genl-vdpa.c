/* SPDX-License-Identifier: MIT */
/* Requests to the kernel's vdpa netlink family. */
#include "netlink/genl-vdpa.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>

#include "netlink/list.h"
#include "netlink/talk.h"
#include "netlink/vdpa-uapi.h"

struct vdpa_nl {
	struct nltalk talk;
	uint16_t family;
};

/* --------------------------------------------------------------- connection */

static struct nl_msg *new_message(uint16_t family, uint8_t command,
				  uint8_t version)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (msg && !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, 0,
				command, version)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int find_family(struct vdpa_nl *nl, struct netlink_error *error)
{
	int err = nltalk_family(&nl->talk, U_VDPA_GENL_NAME, "vdpa netlink",
				&nl->family, error);

	if (err == -ENOENT)
		nltalk_fail(
			error, err, "vdpa netlink", "find",
			"this kernel has no vdpa module loaded, or this is not "
			"the machine's first network namespace");
	return err;
}

static int finish_open(struct vdpa_nl *nl, int err, struct vdpa_nl **out,
		       struct netlink_error *error)
{
	if (!err)
		err = find_family(nl, error);
	if (err) {
		vdpa_nl_close(nl);
		return err;
	}
	*out = nl;
	return 0;
}

int vdpa_nl_open(unsigned int timeout_ms, struct vdpa_nl **out,
		 struct netlink_error *error)
{
	struct vdpa_nl *nl = calloc(1, sizeof(*nl));

	if (!nl)
		return nltalk_fail(error, -ENOMEM, "netlink", "open", NULL);
	return finish_open(
		nl, nltalk_open(&nl->talk, NETLINK_GENERIC, timeout_ms, error),
		out, error);
}

int vdpa_nl_from_fd(int fd, unsigned int timeout_ms, struct vdpa_nl **out,
		    struct netlink_error *error)
{
	struct vdpa_nl *nl = calloc(1, sizeof(*nl));

	if (!nl) {
		close(fd);
		return nltalk_fail(error, -ENOMEM, "netlink", "open", NULL);
	}
	return finish_open(nl, nltalk_from_fd(&nl->talk, fd, timeout_ms, error),
			   out, error);
}

void vdpa_nl_close(struct vdpa_nl *nl)
{
	if (nl)
		nltalk_close(&nl->talk);
	free(nl);
}

/* ------------------------------------------------------------------- lists */

/* Dumps into @list, whose items are the caller's on success. */
static int dump(struct vdpa_nl *nl, uint8_t command, struct nltalk_list *list,
		struct netlink_error *error)
{
	struct nl_msg *msg =
		new_message(nl->family, command, U_VDPA_GENL_VERSION);
	struct nltalk_request request = {
		.object = list->object,
		.operation = list->operation,
		.msg = msg ? nlmsg_hdr(msg) : NULL,
		.dump = true,
		.fn = nltalk_list_add,
		.restart = nltalk_list_restart,
		.data = list,
	};
	int err;

	if (!msg)
		return nltalk_fail(error, -ENOMEM, list->object,
				   list->operation, NULL);
	err = nltalk_run(&nl->talk, &request, error);
	nlmsg_free(msg);
	nltalk_list_end(list, err);
	return err;
}

static int parse_mgmtdev(struct nlmsghdr *h, void *item)
{
	return vdpa_parse_mgmtdev(h, item);
}

int vdpa_nl_mgmtdevs(struct vdpa_nl *nl, struct vdpa_mgmtdev **out, size_t *n,
		     struct netlink_error *error)
{
	struct nltalk_list list = { .object = "vdpa netlink",
				    .operation = "list management devices",
				    .parse = parse_mgmtdev,
				    .item_size = sizeof(**out) };
	int err = dump(nl, U_VDPA_CMD_MGMTDEV_GET, &list, error);

	if (err)
		return err;
	*out = (struct vdpa_mgmtdev *)(void *)list.items;
	*n = list.n;
	return 0;
}

static int parse_device(struct nlmsghdr *h, void *item)
{
	return vdpa_parse_device(h, item);
}

int vdpa_nl_devices(struct vdpa_nl *nl, struct vdpa_device **out, size_t *n,
		    struct netlink_error *error)
{
	struct nltalk_list list = { .object = "vdpa netlink",
				    .operation = "list devices",
				    .parse = parse_device,
				    .item_size = sizeof(**out) };
	int err = dump(nl, U_VDPA_CMD_DEV_GET, &list, error);

	if (err)
		return err;
	*out = (struct vdpa_device *)(void *)list.items;
	*n = list.n;
	return 0;
}

/* -------------------------------------------------------------- one device */

/* A request about one device; attributes are added one by one. */
struct ask {
	struct vdpa_nl *nl;
	struct nl_msg *msg;
	struct nltalk_request request;
	int (*parse)(struct nlmsghdr *h, void *out);
	void *out;
	int err; /* the first that failed */
};

static void ask_put(struct ask *ask, int attr, const void *data, size_t len)
{
	if (ask->err)
		return;
	if (nla_put(ask->msg, attr, (int)len, data) < 0)
		ask->err = -ENOMEM;
}

static void ask_put_name(struct ask *ask, int attr, const char *name,
			 size_t size)
{
	size_t len = strlen(name) + 1;

	if (len > size && !ask->err)
		ask->err = -ENAMETOOLONG;
	ask_put(ask, attr, name, len);
}

static int take_one(void *data, struct nlmsghdr *answer,
		    struct netlink_error *error)
{
	struct ask *ask = data;

	if (ask->parse(answer, ask->out) == 0)
		return 0;
	return nltalk_fail(error, -EBADMSG, ask->request.object,
			   ask->request.operation, "a malformed answer");
}

static struct ask ask_start(struct vdpa_nl *nl, uint8_t command,
			    const char *name, const char *operation)
{
	struct ask ask = {
		.nl = nl,
		.msg = new_message(nl->family, command, U_VDPA_GENL_VERSION),
		.request = { .object = name, .operation = operation },
	};

	if (!ask.msg)
		ask.err = -ENOMEM;
	ask_put_name(&ask, U_VDPA_ATTR_DEV_NAME, name, VDPA_NAME_SIZE);
	return ask;
}

/* Sends the request and lets go of it.
 * @parse: what to do with the answer into @out; NULL: there is none. */
static int ask_run(struct ask *ask, int (*parse)(struct nlmsghdr *, void *),
		   void *out, struct netlink_error *error)
{
	int err = ask->err;

	ask->request.msg = ask->msg ? nlmsg_hdr(ask->msg) : NULL;
	ask->parse = parse;
	ask->out = out;
	ask->request.fn = parse ? take_one : NULL;
	ask->request.data = ask;
	if (err)
		nltalk_fail(error, err, ask->request.object,
			    ask->request.operation, NULL);
	else
		err = nltalk_run(&ask->nl->talk, &ask->request, error);
	nlmsg_free(ask->msg);
	return err;
}

int vdpa_nl_device(struct vdpa_nl *nl, const char *name,
		   struct vdpa_device *out, struct netlink_error *error)
{
	struct ask ask =
		ask_start(nl, U_VDPA_CMD_DEV_GET, name, "look at the device");

	return ask_run(&ask, parse_device, out, error);
}

static int parse_config(struct nlmsghdr *h, void *out)
{
	return vdpa_parse_config(h, out);
}

int vdpa_nl_config(struct vdpa_nl *nl, const char *name,
		   struct vdpa_config *out, struct netlink_error *error)
{
	struct ask ask = ask_start(nl, U_VDPA_CMD_DEV_CONFIG_GET, name,
				   "read configuration");

	return ask_run(&ask, parse_config, out, error);
}

static int parse_vstats(struct nlmsghdr *h, void *out)
{
	return vdpa_parse_vstats(h, out);
}

int vdpa_nl_vstats(struct vdpa_nl *nl, const char *name, uint32_t queue,
		   struct vdpa_vstats *out, struct netlink_error *error)
{
	struct ask ask =
		ask_start(nl, U_VDPA_CMD_DEV_VSTATS_GET, name, "read counters");

	ask_put(&ask, U_VDPA_ATTR_DEV_QUEUE_INDEX, &queue, sizeof(queue));
	return ask_run(&ask, parse_vstats, out, error);
}

static void put_mgmtdev(struct ask *ask, const char *name)
{
	const char *slash = strchr(name, '/');
	char bus[VDPA_MGMTDEV_SIZE];

	if (slash) {
		snprintf(bus, sizeof(bus), "%.*s", (int)(slash - name), name);
		ask_put_name(ask, U_VDPA_ATTR_MGMTDEV_BUS_NAME, bus,
			     sizeof(bus));
		name = slash + 1;
	}
	ask_put_name(ask, U_VDPA_ATTR_MGMTDEV_DEV_NAME, name,
		     VDPA_MGMTDEV_SIZE);
}

int vdpa_nl_add(struct vdpa_nl *nl, const struct vdpa_new *device,
		struct netlink_error *error)
{
	struct ask ask = ask_start(nl, U_VDPA_CMD_DEV_NEW, device->name,
				   "make the device");

	put_mgmtdev(&ask, device->mgmtdev);
	if (device->has & VDPA_CONFIG_MAC)
		ask_put(&ask, U_VDPA_ATTR_DEV_NET_CFG_MACADDR, device->mac,
			sizeof(device->mac));
	if (device->has & VDPA_CONFIG_MTU)
		ask_put(&ask, U_VDPA_ATTR_DEV_NET_CFG_MTU, &device->mtu,
			sizeof(device->mtu));
	if (device->has & VDPA_CONFIG_MAX_PAIRS)
		ask_put(&ask, U_VDPA_ATTR_DEV_NET_CFG_MAX_VQP,
			&device->max_pairs, sizeof(device->max_pairs));
	if (device->has & VDPA_CONFIG_FEATURES)
		ask_put(&ask, U_VDPA_ATTR_DEV_FEATURES, &device->features,
			sizeof(device->features));
	return ask_run(&ask, NULL, NULL, error);
}

int vdpa_nl_delete(struct vdpa_nl *nl, const char *name,
		   struct netlink_error *error)
{
	struct ask ask =
		ask_start(nl, U_VDPA_CMD_DEV_DEL, name, "remove the device");

	return ask_run(&ask, NULL, NULL, error);
}

int vdpa_nl_set_mac(struct vdpa_nl *nl, const char *name, const uint8_t mac[6],
		    struct netlink_error *error)
{
	struct ask ask = ask_start(nl, U_VDPA_CMD_DEV_ATTR_SET, name,
				   "set the MAC address");

	ask_put(&ask, U_VDPA_ATTR_DEV_NET_CFG_MACADDR, mac, 6);
	return ask_run(&ask, NULL, NULL, error);
}
