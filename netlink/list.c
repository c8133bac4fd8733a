/* SPDX-License-Identifier: MIT */
/* An array that grows while a dump is read. */
#include "netlink/list.h"

#include <errno.h>
#include <stdlib.h>

/* No machine has so many. */
#define LIST_MAX 65536

static int grow(struct nltalk_list *list)
{
	size_t room = list->room ? 2 * list->room : 16;
	char *items;

	if (list->n < list->room)
		return 0;
	if (list->n >= LIST_MAX)
		return -E2BIG;
	items = realloc(list->items, room * list->item_size);
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->room = room;
	return 0;
}

int nltalk_list_add(void *data, struct nlmsghdr *answer,
		    struct netlink_error *error)
{
	struct nltalk_list *list = data;
	int err = grow(list);

	if (err)
		return nltalk_fail(error, err, list->object, list->operation,
				   NULL);
	err = list->parse(answer, list->items + list->n * list->item_size);
	if (err < 0)
		return nltalk_fail(error, -EBADMSG, list->object,
				   list->operation, "a malformed answer");
	if (!err)
		list->n++;
	return 0;
}

void nltalk_list_restart(void *data)
{
	struct nltalk_list *list = data;

	list->n = 0;
}

void nltalk_list_end(struct nltalk_list *list, int err)
{
	if (!err && list->n)
		return;
	free(list->items);
	list->items = NULL;
}
