/* SPDX-License-Identifier: MIT */
/* An array that grows while a dump is read. */
#ifndef NETLINK_LIST_H
#define NETLINK_LIST_H

#include "netlink/talk.h"

struct nltalk_list {
	const char *object; /* for messages */
	const char *operation;
	/* Return: 0 it is an item, 1 it is none, or -EBADMSG. */
	int (*parse)(struct nlmsghdr *h, void *item);
	size_t item_size;
	size_t n, room;
	char *items; /* freed by the caller; NULL where @n is 0 */
};

/* A request's fn and restart, with the list as their data. */
int nltalk_list_add(void *data, struct nlmsghdr *answer,
		    struct netlink_error *error);
void nltalk_list_restart(void *data);

/* Once the dump has ended: nothing is left of one that failed. */
void nltalk_list_end(struct nltalk_list *list, int err);

#endif
