/* SPDX-License-Identifier: MIT */
/* What the kernel's vdpa messages say, as plain structs. */
#ifndef NETLINK_GENL_VDPA_H
#define NETLINK_GENL_VDPA_H

#include <netlink/msg.h>

#include "netlink/vdpa.h"

/*
 * Each takes one generic netlink message whose length is that in its header.
 * Attributes are checked by a policy; ones that it does not know are skipped, for
 * the kernel may be newer.
 * Return: 0, or -EBADMSG: the message is too short, an attribute has the wrong
 * size, or one that every kernel sends is missing. @out is then not touched.
 */
int vdpa_parse_mgmtdev(struct nlmsghdr *h, struct vdpa_mgmtdev *out);
int vdpa_parse_device(struct nlmsghdr *h, struct vdpa_device *out);
int vdpa_parse_config(struct nlmsghdr *h, struct vdpa_config *out);
int vdpa_parse_vstats(struct nlmsghdr *h, struct vdpa_vstats *out);

/* The number of a family, out of the answer to CTRL_CMD_GETFAMILY. */
int vdpa_parse_family(struct nlmsghdr *h, uint16_t *out);

#endif
