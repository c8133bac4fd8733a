/* SPDX-License-Identifier: MIT */
/* Values of the state model: copying, comparing and freeing them. */
#include "restore/state.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "restore/state-item.h"

/* --------------------------------------------------------------- MAC lists */

void vdpr_mac_list_clear(struct vdpr_mac_list *list)
{
	free(list->addr);
	*list = (struct vdpr_mac_list){ 0 };
}

int vdpr_mac_list_grow(struct vdpr_mac_list *list, size_t count)
{
	void *addr = reallocarray(list->addr, count, sizeof(*list->addr));

	if (!addr)
		return -ENOMEM;
	list->addr = addr;
	list->cap = count;
	return 0;
}

int vdpr_mac_list_set(struct vdpr_mac_list *list, const uint8_t *addr,
		      size_t count)
{
	if (vdpr_mac_list_reserve(list, count))
		return -ENOMEM;
	if (count)
		memcpy(list->addr, addr, count * sizeof(*list->addr));
	list->count = count;
	return 0;
}

static int order_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(uint8_t[6]));
}

/* Is every address of @a in @b? Without memory for a sorted copy it takes longer. */
static bool mac_list_within(const struct vdpr_mac_list *a,
			    const struct vdpr_mac_list *b)
{
	struct vdpr_mac_list sorted = { 0 };
	bool quick = b->count &&
		     !vdpr_mac_list_set(&sorted, b->addr[0], b->count);
	size_t n = b->count;
	bool within = true;

	if (quick)
		qsort(sorted.addr, n, sizeof(*sorted.addr), order_addresses);
	for (size_t i = 0; i < a->count && within; i++)
		within = n &&
			 (quick ? bsearch(a->addr[i], sorted.addr, n,
					  sizeof(*sorted.addr), order_addresses)
				: lfind(a->addr[i], b->addr, &n,
					sizeof(*b->addr), order_addresses));
	vdpr_mac_list_clear(&sorted);
	return within;
}

/* A filter is a set: neither order nor repetition changes what passes. */
static bool mac_list_equal(const struct vdpr_mac_list *a,
			   const struct vdpr_mac_list *b)
{
	if (a->count == b->count &&
	    (!a->count ||
	     !memcmp(a->addr, b->addr, a->count * sizeof(*a->addr))))
		return true;
	return mac_list_within(a, b) && mac_list_within(b, a);
}

/* --------------------------------------------------------------------- RSS */

void vdpr_rss_clear(struct vdpr_rss *rss)
{
	free(rss->table);
	*rss = (struct vdpr_rss){ 0 };
}

void vdpr_rss_empty(struct vdpr_rss *rss)
{
	rss->hash_types = 0;
	rss->unclassified_queue = 0;
	rss->max_tx_vq = 0;
	rss->table_len = 0;
	rss->key.len = 0;
}

int vdpr_rss_grow(struct vdpr_rss *rss, uint32_t table_len)
{
	uint16_t *table = reallocarray(rss->table, table_len, sizeof(*table));

	if (!table)
		return -ENOMEM;
	rss->table = table;
	rss->table_cap = table_len;
	return 0;
}

int vdpr_rss_copy(struct vdpr_rss *to, const struct vdpr_rss *from)
{
	uint16_t *table = NULL;

	if (from->table_len) {
		table = calloc(from->table_len, sizeof(*table));
		if (!table)
			return -ENOMEM;
		memcpy(table, from->table, from->table_len * sizeof(*table));
	}
	vdpr_rss_clear(to);
	*to = *from;
	to->table = table;
	to->table_cap = from->table_len;
	return 0;
}

static bool key_equal(const struct vdpr_hash_key *a,
		      const struct vdpr_hash_key *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

bool vdpr_rss_equal(const struct vdpr_rss *a, const struct vdpr_rss *b)
{
	return a->hash_types == b->hash_types &&
	       a->unclassified_queue == b->unclassified_queue &&
	       a->max_tx_vq == b->max_tx_vq && a->table_len == b->table_len &&
	       (!a->table_len || !memcmp(a->table, b->table,
					 a->table_len * sizeof(*a->table))) &&
	       key_equal(&a->key, &b->key);
}

/* -------------------------------------------------------------- coalescing */

static bool coal_equal(const struct vdpr_coal *a, const struct vdpr_coal *b)
{
	return a->max_packets == b->max_packets && a->max_usecs == b->max_usecs;
}

int vdpr_coal_queue_set(struct vdpr_state *state, uint16_t index,
			const struct vdpr_coal *coal)
{
	struct vdpr_coal_queue *queues = state->coal_queues;
	size_t n = state->n_coal_queues;
	size_t at = n;

	/* Files and guests go upwards: the end is tried first. */
	while (at && queues[at - 1].index >= index)
		at--;
	if (at < n && queues[at].index == index) {
		queues[at].coal = *coal;
		return 0;
	}
	if (n == state->cap_coal_queues) {
		queues = reallocarray(queues, n + 1, sizeof(*queues));
		if (!queues)
			return -ENOMEM;
		state->cap_coal_queues = n + 1;
	}
	memmove(queues + at + 1, queues + at, (n - at) * sizeof(*queues));
	queues[at] = (struct vdpr_coal_queue){ index, *coal };
	state->coal_queues = queues;
	state->n_coal_queues = n + 1;
	return 0;
}

void vdpr_coal_queues_drop(struct vdpr_state *state, bool rx)
{
	size_t kept = 0;

	for (size_t i = 0; i < state->n_coal_queues; i++) {
		bool is_rx = state->coal_queues[i].index % 2 == 0;

		if (is_rx != rx)
			state->coal_queues[kept++] = state->coal_queues[i];
	}
	state->n_coal_queues = kept;
}

static bool coal_queues_equal(const struct vdpr_state *a,
			      const struct vdpr_state *b)
{
	if (a->n_coal_queues != b->n_coal_queues)
		return false;
	for (size_t i = 0; i < a->n_coal_queues; i++) {
		if (a->coal_queues[i].index != b->coal_queues[i].index ||
		    !coal_equal(&a->coal_queues[i].coal,
				&b->coal_queues[i].coal))
			return false;
	}
	return true;
}

static int coal_queues_copy(struct vdpr_state *to,
			    const struct vdpr_state *from)
{
	struct vdpr_coal_queue *queues = NULL;
	size_t n = from->n_coal_queues;

	if (n) {
		queues = calloc(n, sizeof(*queues));
		if (!queues)
			return -ENOMEM;
		memcpy(queues, from->coal_queues, n * sizeof(*queues));
	}
	free(to->coal_queues);
	to->coal_queues = queues;
	to->n_coal_queues = n;
	to->cap_coal_queues = n;
	return 0;
}

/* ----------------------------------------------------------------- members */

static bool value_equal(const struct vdpr_state *a, const struct vdpr_state *b,
			enum vdpr_member m)
{
	switch (m) {
	case VDPR_MAC_ADDRESS:
		return !memcmp(a->mac, b->mac, sizeof(a->mac));
	case VDPR_MAC_UNICAST:
		return mac_list_equal(&a->unicast, &b->unicast);
	case VDPR_MAC_MULTICAST:
		return mac_list_equal(&a->multicast, &b->multicast);
	case VDPR_MAC_UNICAST_OVERFLOW:
		return a->unicast_overflow == b->unicast_overflow;
	case VDPR_MAC_MULTICAST_OVERFLOW:
		return a->multicast_overflow == b->multicast_overflow;
	case VDPR_RX_PROMISCUOUS:
		return a->promiscuous == b->promiscuous;
	case VDPR_RX_ALL_MULTICAST:
		return a->all_multicast == b->all_multicast;
	case VDPR_RX_ALL_UNICAST:
		return a->all_unicast == b->all_unicast;
	case VDPR_RX_NO_MULTICAST:
		return a->no_multicast == b->no_multicast;
	case VDPR_RX_NO_UNICAST:
		return a->no_unicast == b->no_unicast;
	case VDPR_RX_NO_BROADCAST:
		return a->no_broadcast == b->no_broadcast;
	case VDPR_VLAN_IDS:
		return !memcmp(a->vlan, b->vlan, sizeof(a->vlan));
	case VDPR_MQ_QUEUE_PAIRS:
		return a->queue_pairs == b->queue_pairs;
	case VDPR_RSS:
		return vdpr_rss_equal(&a->rss, &b->rss);
	case VDPR_HASH_REPORT:
		return a->hash_report.hash_types == b->hash_report.hash_types &&
		       key_equal(&a->hash_report.key, &b->hash_report.key);
	case VDPR_OFFLOADS:
		return a->offloads == b->offloads;
	case VDPR_COAL_RX:
		return coal_equal(&a->coal_rx, &b->coal_rx);
	case VDPR_COAL_TX:
		return coal_equal(&a->coal_tx, &b->coal_tx);
	case VDPR_COAL_QUEUES:
		return coal_queues_equal(a, b);
	case VDPR_MEMBER_COUNT:
		break;
	}
	return false;
}

bool vdpr_member_equal(const struct vdpr_state *a, const struct vdpr_state *b,
		       enum vdpr_member m)
{
	if (a->member[m] != b->member[m])
		return false;
	return a->member[m] != VDPR_KNOWN || value_equal(a, b, m);
}

/* The members that own memory may run out of it; the others are plain values. */
static int copy_value(struct vdpr_state *to, const struct vdpr_state *from,
		      enum vdpr_member m)
{
	switch (m) {
	case VDPR_MAC_ADDRESS:
		memcpy(to->mac, from->mac, sizeof(to->mac));
		break;
	case VDPR_MAC_UNICAST:
		return vdpr_mac_list_set(&to->unicast,
					 (const uint8_t *)from->unicast.addr,
					 from->unicast.count);
	case VDPR_MAC_MULTICAST:
		return vdpr_mac_list_set(&to->multicast,
					 (const uint8_t *)from->multicast.addr,
					 from->multicast.count);
	case VDPR_MAC_UNICAST_OVERFLOW:
		to->unicast_overflow = from->unicast_overflow;
		break;
	case VDPR_MAC_MULTICAST_OVERFLOW:
		to->multicast_overflow = from->multicast_overflow;
		break;
	case VDPR_RX_PROMISCUOUS:
		to->promiscuous = from->promiscuous;
		break;
	case VDPR_RX_ALL_MULTICAST:
		to->all_multicast = from->all_multicast;
		break;
	case VDPR_RX_ALL_UNICAST:
		to->all_unicast = from->all_unicast;
		break;
	case VDPR_RX_NO_MULTICAST:
		to->no_multicast = from->no_multicast;
		break;
	case VDPR_RX_NO_UNICAST:
		to->no_unicast = from->no_unicast;
		break;
	case VDPR_RX_NO_BROADCAST:
		to->no_broadcast = from->no_broadcast;
		break;
	case VDPR_VLAN_IDS:
		memcpy(to->vlan, from->vlan, sizeof(to->vlan));
		break;
	case VDPR_MQ_QUEUE_PAIRS:
		to->queue_pairs = from->queue_pairs;
		break;
	case VDPR_RSS:
		return vdpr_rss_copy(&to->rss, &from->rss);
	case VDPR_HASH_REPORT:
		to->hash_report = from->hash_report;
		break;
	case VDPR_OFFLOADS:
		to->offloads = from->offloads;
		break;
	case VDPR_COAL_RX:
		to->coal_rx = from->coal_rx;
		break;
	case VDPR_COAL_TX:
		to->coal_tx = from->coal_tx;
		break;
	case VDPR_COAL_QUEUES:
		return coal_queues_copy(to, from);
	case VDPR_MEMBER_COUNT:
		break;
	}
	return 0;
}

int vdpr_member_copy(struct vdpr_state *to, const struct vdpr_state *from,
		     enum vdpr_member m)
{
	int err = copy_value(to, from, m);

	if (!err)
		to->member[m] = from->member[m];
	return err;
}
