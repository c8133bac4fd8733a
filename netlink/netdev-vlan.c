/* SPDX-License-Identifier: MIT */
/* Which VLANs the kernel put into an interface's filter. */
#include <stdlib.h>
#include <string.h>

#include <linux/if.h>
#include <linux/if_ether.h>

#include "netlink/netdev.h"

/*
 * The list itself (dev->vlan_info) is shown by nothing; but it follows from what
 * stands on top: vlan_vid_add() is called for each VLAN device (net/8021q), and by
 * bonds, teams and macvlans, which hand theirs down. Other masters that do are
 * unknown to us, and then the filter is too.
 */

static bool is_kind(const struct netdev_link *l, const char *const *kinds)
{
	for (; *kinds; kinds++)
		if (!strcmp(l->kind, *kinds))
			return true;
	return false;
}

/* Masters that hand all their VLANs down, and those that hand down none (a bridge
 * has a list for each port). */
static const char *const passing_masters[] = { "bond", "team", NULL };
static const char *const plain_masters[] = { "bridge", "vrf", NULL };
static const char *const passing_uppers[] = { "macvlan", "macvtap", NULL };

static bool stands_on(const struct netdev_link *upper,
		      const struct netdev_link *lower)
{
	return (upper->has & NETDEV_LINK) && !upper->foreign_link &&
	       upper->link == lower->index && upper != lower;
}

/* Do @l's VLANs go down to the interfaces that are marked already? */
static bool hands_down(const struct netdev_link *l,
		       const struct netdev_link *links, size_t n,
		       const bool *mark)
{
	for (size_t i = 0; i < n; i++) {
		if (!mark[i])
			continue;
		if (is_kind(l, passing_uppers) && stands_on(l, &links[i]))
			return true;
		if (is_kind(l, passing_masters) &&
		    (links[i].has & NETDEV_MASTER) &&
		    links[i].master == l->index)
			return true;
	}
	return false;
}

/* Marks all whose VLANs are also those of the one that is marked. */
static void mark_all(const struct netdev_link *links, size_t n, bool *mark)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < n; i++) {
			if (mark[i] || !hands_down(&links[i], links, n, mark))
				continue;
			mark[i] = true;
			again = true;
		}
	}
}

/* A marked interface's master that we know nothing of. */
static bool has_strange_master(const struct netdev_link *l,
			       const struct netdev_link *links, size_t n)
{
	if (!(l->has & NETDEV_MASTER))
		return false;
	for (size_t i = 0; i < n; i++)
		if (links[i].index == l->master)
			return !is_kind(&links[i], passing_masters) &&
			       !is_kind(&links[i], plain_masters);
	return true;
}

static void add_vlans(const struct netdev_link *links, size_t n,
		      const bool *mark, struct netdev_vlans *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct netdev_link *l = &links[i];

		if (!(l->has & NETDEV_VLAN) || l->vlan_protocol != ETH_P_8021Q)
			continue;
		for (size_t k = 0; k < n; k++)
			if (mark[k] && stands_on(l, &links[k]))
				netdev_vlans_add(out, l->vlan_id);
	}
}

const char *netdev_vlan_filter(const struct netdev_link *links, size_t n,
			       size_t at, bool vlan_zero,
			       struct netdev_vlans *out)
{
	struct netdev_vlans vlans = { { 0 } };
	const char *why = NULL;
	bool *mark = calloc(n, sizeof(*mark));

	if (!mark)
		return "out of memory";
	mark[at] = true;
	mark_all(links, n, mark);
	add_vlans(links, n, mark, &vlans);
	for (size_t i = 0; i < n; i++) {
		if (mark[i] && has_strange_master(&links[i], links, n))
			why = "it is the port of a master that may add VLANs "
			      "of its own";
		if (mark[i] && vlan_zero && (links[i].flags & IFF_UP))
			netdev_vlans_add(&vlans, 0);
	}
	free(mark);
	if (!why)
		*out = vlans;
	return why;
}
