/* SPDX-License-Identifier: MIT */
/* What went wrong with a netlink request. */
#ifndef NETLINK_ERROR_H
#define NETLINK_ERROR_H

#define NETLINK_ERROR_TEXT 384

struct netlink_error {
	int err; /* an errno value, positive; 0: nothing failed */
	/* "object: operation: reason" in one line; what the kernel said in words
	 * is in it, not made safe for a terminal */
	char text[NETLINK_ERROR_TEXT];
};

#endif
