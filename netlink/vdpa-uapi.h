/* SPDX-License-Identifier: MIT */
/* The kernel's vdpa generic netlink, newer parts than Debian 12's headers included. */
#ifndef NETLINK_VDPA_UAPI_H
#define NETLINK_VDPA_UAPI_H

/*
 * The whole interface stands here, so that <linux/vdpa.h> is not needed: names
 * keep the kernel's spelling behind a U. tests/test-genl-vdpa.c holds the values
 * equal to those of the installed header.
 */

#define U_VDPA_GENL_NAME "vdpa"
#define U_VDPA_GENL_VERSION 1

enum u_vdpa_command {
	U_VDPA_CMD_MGMTDEV_NEW = 1,
	U_VDPA_CMD_MGMTDEV_GET = 2,
	U_VDPA_CMD_DEV_NEW = 3,
	U_VDPA_CMD_DEV_DEL = 4,
	U_VDPA_CMD_DEV_GET = 5,
	U_VDPA_CMD_DEV_CONFIG_GET = 6,
	U_VDPA_CMD_DEV_VSTATS_GET = 7,
	U_VDPA_CMD_DEV_ATTR_SET = 8, /* Linux 6.12 */
};

enum u_vdpa_attr {
	U_VDPA_ATTR_PAD = 0,
	U_VDPA_ATTR_MGMTDEV_BUS_NAME = 1,	   /* string, optional */
	U_VDPA_ATTR_MGMTDEV_DEV_NAME = 2,	   /* string */
	U_VDPA_ATTR_MGMTDEV_SUPPORTED_CLASSES = 3, /* u64: bit = virtio id */
	U_VDPA_ATTR_DEV_NAME = 4,		   /* string */
	U_VDPA_ATTR_DEV_ID = 5,			   /* u32: virtio id */
	U_VDPA_ATTR_DEV_VENDOR_ID = 6,		   /* u32 */
	U_VDPA_ATTR_DEV_MAX_VQS = 7,		   /* u32 */
	U_VDPA_ATTR_DEV_MAX_VQ_SIZE = 8,	   /* u16 */
	U_VDPA_ATTR_DEV_MIN_VQ_SIZE = 9,	   /* u16 */
	U_VDPA_ATTR_DEV_NET_CFG_MACADDR = 10,	   /* 6 bytes */
	U_VDPA_ATTR_DEV_NET_STATUS = 11, /* u16, whatever the header says */
	U_VDPA_ATTR_DEV_NET_CFG_MAX_VQP = 12,	      /* u16 */
	U_VDPA_ATTR_DEV_NET_CFG_MTU = 13,	      /* u16 */
	U_VDPA_ATTR_DEV_NEGOTIATED_FEATURES = 14,     /* u64 */
	U_VDPA_ATTR_DEV_MGMTDEV_MAX_VQS = 15,	      /* u32 */
	U_VDPA_ATTR_DEV_SUPPORTED_FEATURES = 16,      /* u64, of a mgmtdev */
	U_VDPA_ATTR_DEV_QUEUE_INDEX = 17,	      /* u32 */
	U_VDPA_ATTR_DEV_VENDOR_ATTR_NAME = 18,	      /* string */
	U_VDPA_ATTR_DEV_VENDOR_ATTR_VALUE = 19,	      /* u64 */
	U_VDPA_ATTR_DEV_FEATURES = 20,		      /* u64 */
	U_VDPA_ATTR_VDPA_DEV_SUPPORTED_FEATURES = 21, /* u64: Linux 6.1 */
};

/* The last attribute that we read. */
#define U_VDPA_ATTR_LAST U_VDPA_ATTR_VDPA_DEV_SUPPORTED_FEATURES

#endif
