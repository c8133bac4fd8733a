/* SPDX-License-Identifier: MIT */
/* Reads the values of the control sections of a state file. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/json-item.h"
#include "restore/json-scan.h"

typedef int read_fn(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, void *to);

/* ------------------------------------------------------------ simple members */

static int read_address(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	return vdpr_json_mac(r, at, item, to);
}

static int read_flag(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		     const cJSON *item, void *to)
{
	return vdpr_json_bool(r, at, item, to);
}

static int read_pairs(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		      const cJSON *item, void *to)
{
	return vdpr_json_u16(r, at, item, 1, VDPR_PAIRS_MAX, to);
}

static int read_u16(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, void *to)
{
	return vdpr_json_u16(r, at, item, 0, UINT16_MAX, to);
}

static int read_u32(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, void *to)
{
	return vdpr_json_u32(r, at, item, 0, UINT32_MAX, to);
}

static int read_hash_types(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   uint32_t *to)
{
	uint64_t bits = 0;
	int err = vdpr_json_bits(r, at, item, vdpr_hash_type_bit, &bits);

	if (!err)
		*to = (uint32_t)bits;
	return err;
}

static int read_offloads(struct vdpr_json_reader *r,
			 const struct vdpr_json_at *at, const cJSON *item,
			 void *to)
{
	return vdpr_json_bits(r, at, item, vdpr_offload_bit, to);
}

/* --------------------------------------------------------------------- lists */

static int read_mac_list(struct vdpr_json_reader *r,
			 const struct vdpr_json_at *at, const cJSON *item,
			 void *to)
{
	struct vdpr_json_at here = { at, NULL, 0 };
	struct vdpr_mac_list *list = to;
	uint8_t(*addr)[6] = NULL;
	size_t count = 0;
	int err = vdpr_json_array(r, at, item, &count);

	if (err)
		return err;
	if (count) {
		addr = calloc(count, sizeof(*addr));
		if (!addr)
			return vdpr_fail_memory(r->ctx);
	}
	/* The list owns it at once: whatever fails next, the state frees it. */
	vdpr_mac_list_clear(list);
	list->addr = addr;
	list->count = count;
	list->cap = count;
	for (const cJSON *c = item->child; c && !err; c = c->next) {
		err = vdpr_json_mac(r, &here, c, addr[here.index]);
		here.index++;
	}
	return err;
}

/* "a-b", a below b. Return: 0 or -EINVAL. */
static int parse_run(const char *text, uint64_t *first, uint64_t *last)
{
	char part[sizeof("4095")];
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : 0;

	if (!len || len >= sizeof(part))
		return -EINVAL;
	memcpy(part, text, len);
	part[len] = '\0';
	if (vdpr_u64_parse(part, VDPR_VLANS - 1, first) ||
	    vdpr_u64_parse(dash + 1, VDPR_VLANS - 1, last) || *first >= *last)
		return -EINVAL;
	return 0;
}

static int read_vlan_entry(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   uint64_t *first, uint64_t *last)
{
	char quote[VDPR_QUOTE];
	int err;

	if (!cJSON_IsString(item)) {
		err = vdpr_json_u64(r, at, item, 0, VDPR_VLANS - 1, first);
		*last = *first;
		return err;
	}
	if (parse_run(item->valuestring, first, last))
		return vdpr_json_bad(
			r, at,
			"%s is not a run \"a-b\" with a below b in 0..%u",
			vdpr_quote(item->valuestring, strlen(item->valuestring),
				   quote),
			VDPR_VLANS - 1);
	return 0;
}

static int read_vlan_ids(struct vdpr_json_reader *r,
			 const struct vdpr_json_at *at, const cJSON *item,
			 void *to)
{
	struct vdpr_json_at here = { at, NULL, 0 };
	uint64_t next = 0;
	size_t count = 0;
	int err = vdpr_json_array(r, at, item, &count);

	(void)to;
	if (err)
		return err;
	for (const cJSON *c = item->child; c; c = c->next, here.index++) {
		uint64_t first = 0;
		uint64_t last = 0;

		err = read_vlan_entry(r, &here, c, &first, &last);
		if (err)
			return err;
		if (first < next)
			return vdpr_json_bad(
				r, &here,
				"%llu does not come after %llu: ids ascend",
				(unsigned long long)first,
				(unsigned long long)next - 1);
		next = last + 1;
		for (uint64_t id = first; id <= last; id++)
			vdpr_vlan_set(r->state, (unsigned int)id, true);
	}
	return 0;
}

/* ---------------------------------------------------------------------- hash */

static int read_key(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, struct vdpr_hash_key *key)
{
	const char *text = "";
	size_t len;
	int err = vdpr_json_text(r, at, item, &text);

	if (err)
		return err;
	len = strlen(text);
	if (len > 2 * VDPR_KEY_MAX)
		return vdpr_json_bad(r, at,
				     "%zu hex digits are more than %u bytes",
				     len, VDPR_KEY_MAX);
	if (vdpr_hex_decode(text, len, key->bytes))
		return vdpr_json_bad(r, at, "not an even number of hex digits");
	key->len = (uint8_t)(len / 2);
	return 0;
}

static int read_rss_types(struct vdpr_json_reader *r,
			  const struct vdpr_json_at *at, const cJSON *item,
			  void *to)
{
	struct vdpr_rss *rss = to;

	return read_hash_types(r, at, item, &rss->hash_types);
}

static int read_rss_unclassified(struct vdpr_json_reader *r,
				 const struct vdpr_json_at *at,
				 const cJSON *item, void *to)
{
	struct vdpr_rss *rss = to;

	return read_u16(r, at, item, &rss->unclassified_queue);
}

static int read_rss_max_tx(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   void *to)
{
	struct vdpr_rss *rss = to;

	return read_pairs(r, at, item, &rss->max_tx_vq);
}

static int read_rss_table(struct vdpr_json_reader *r,
			  const struct vdpr_json_at *at, const cJSON *item,
			  void *to)
{
	struct vdpr_json_at here = { at, NULL, 0 };
	struct vdpr_rss *rss = to;
	size_t count = 0;
	int err = vdpr_json_array(r, at, item, &count);

	if (err)
		return err;
	if (!vdpr_is_pow2(count) || count > VDPR_TABLE_MAX)
		return vdpr_json_bad(
			r, at, "its length %zu is not a power of two in 1..%u",
			count, VDPR_TABLE_MAX);
	free(rss->table);
	rss->table_len = (uint32_t)count;
	rss->table_cap = (uint32_t)count;
	rss->table = calloc(count, sizeof(*rss->table));
	if (!rss->table) {
		vdpr_rss_empty(rss);
		rss->table_cap = 0;
		return vdpr_fail_memory(r->ctx);
	}
	for (const cJSON *c = item->child; c && !err; c = c->next) {
		err = read_u16(r, &here, c, &rss->table[here.index]);
		here.index++;
	}
	return err;
}

static int read_rss_key(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct vdpr_rss *rss = to;

	return read_key(r, at, item, &rss->key);
}

static int read_rss(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, void *to)
{
	static const struct vdpr_json_field fields[] = {
		{ "hash_types", true, read_rss_types },
		{ "unclassified_queue", true, read_rss_unclassified },
		{ "max_tx_vq", true, read_rss_max_tx },
		{ "indirection_table", true, read_rss_table },
		{ "key", true, read_rss_key },
	};

	return vdpr_json_object(r, at, item, fields, ARRAY_SIZE(fields), to);
}

static int read_report_types(struct vdpr_json_reader *r,
			     const struct vdpr_json_at *at, const cJSON *item,
			     void *to)
{
	struct vdpr_hash_report *report = to;

	return read_hash_types(r, at, item, &report->hash_types);
}

static int read_report_key(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   void *to)
{
	struct vdpr_hash_report *report = to;

	return read_key(r, at, item, &report->key);
}

static int read_report(struct vdpr_json_reader *r,
		       const struct vdpr_json_at *at, const cJSON *item,
		       void *to)
{
	static const struct vdpr_json_field fields[] = {
		{ "hash_types", true, read_report_types },
		{ "key", true, read_report_key },
	};

	return vdpr_json_object(r, at, item, fields, ARRAY_SIZE(fields), to);
}

/* ---------------------------------------------------------------- coalescing */

static int read_packets(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct vdpr_coal_queue *queue = to;

	return read_u32(r, at, item, &queue->coal.max_packets);
}

static int read_usecs(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		      const cJSON *item, void *to)
{
	struct vdpr_coal_queue *queue = to;

	return read_u32(r, at, item, &queue->coal.max_usecs);
}

static int read_coal_index(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   void *to)
{
	struct vdpr_coal_queue *queue = to;

	return read_u16(r, at, item, &queue->index);
}

static const struct vdpr_json_field coal_fields[] = {
	{ "index", true, read_coal_index },
	{ "max_packets", true, read_packets },
	{ "max_usecs", true, read_usecs },
};

static int read_coal(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		     const cJSON *item, void *to)
{
	struct vdpr_coal_queue queue = { 0 };
	struct vdpr_coal *coal = to;
	int err = vdpr_json_object(r, at, item, coal_fields + 1,
				   ARRAY_SIZE(coal_fields) - 1, &queue);

	if (!err)
		*coal = queue.coal;
	return err;
}

static int order_queues(const void *a, const void *b)
{
	const struct vdpr_coal_queue *x = a;
	const struct vdpr_coal_queue *y = b;

	return (int)x->index - (int)y->index;
}

static int read_coal_queue(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   struct vdpr_coal_queue *queue)
{
	char why[VDPR_WHY];
	int err = vdpr_json_object(r, at, item, coal_fields,
				   ARRAY_SIZE(coal_fields), queue);

	/* Here and not only at the end: sorting loses the place in the file. */
	if (!err && vdpr_check_coal_queue(r->state, queue->index, why))
		err = vdpr_json_bad_in(r, at, why);
	return err;
}

static int read_coal_queues(struct vdpr_json_reader *r,
			    const struct vdpr_json_at *at, const cJSON *item,
			    void *to)
{
	struct vdpr_json_at here = { at, NULL, 0 };
	struct vdpr_state *state = r->state;
	struct vdpr_coal_queue *queues;
	size_t count = 0;
	int err = vdpr_json_array(r, at, item, &count);

	(void)to;
	if (err || !count)
		return err;
	queues = calloc(count, sizeof(*queues));
	if (!queues)
		return vdpr_fail_memory(r->ctx);
	state->coal_queues = queues;
	state->n_coal_queues = count;
	state->cap_coal_queues = count;
	for (const cJSON *c = item->child; c; c = c->next) {
		err = read_coal_queue(r, &here, c, &queues[here.index]);
		if (err)
			return err;
		here.index++;
	}
	qsort(queues, count, sizeof(*queues), order_queues);
	for (size_t i = 1; i < count; i++) {
		if (queues[i].index == queues[i - 1].index)
			return vdpr_json_bad(r, at, "index %u is there twice",
					     queues[i].index);
	}
	return 0;
}

/* -------------------------------------------------------------------- table */

struct member_reader {
	read_fn *read;
	size_t offset; /* of the value in struct vdpr_state */
};

#define VALUE(fn, field)                               \
	{                                              \
		fn, offsetof(struct vdpr_state, field) \
	}

static const struct member_reader member_readers[] = {
	[VDPR_MAC_ADDRESS] = VALUE(read_address, mac),
	[VDPR_MAC_UNICAST] = VALUE(read_mac_list, unicast),
	[VDPR_MAC_MULTICAST] = VALUE(read_mac_list, multicast),
	[VDPR_MAC_UNICAST_OVERFLOW] = VALUE(read_flag, unicast_overflow),
	[VDPR_MAC_MULTICAST_OVERFLOW] = VALUE(read_flag, multicast_overflow),
	[VDPR_RX_PROMISCUOUS] = VALUE(read_flag, promiscuous),
	[VDPR_RX_ALL_MULTICAST] = VALUE(read_flag, all_multicast),
	[VDPR_RX_ALL_UNICAST] = VALUE(read_flag, all_unicast),
	[VDPR_RX_NO_MULTICAST] = VALUE(read_flag, no_multicast),
	[VDPR_RX_NO_UNICAST] = VALUE(read_flag, no_unicast),
	[VDPR_RX_NO_BROADCAST] = VALUE(read_flag, no_broadcast),
	[VDPR_VLAN_IDS] = VALUE(read_vlan_ids, vlan),
	[VDPR_MQ_QUEUE_PAIRS] = VALUE(read_pairs, queue_pairs),
	[VDPR_RSS] = VALUE(read_rss, rss),
	[VDPR_HASH_REPORT] = VALUE(read_report, hash_report),
	[VDPR_OFFLOADS] = VALUE(read_offloads, offloads),
	[VDPR_COAL_RX] = VALUE(read_coal, coal_rx),
	[VDPR_COAL_TX] = VALUE(read_coal, coal_tx),
	[VDPR_COAL_QUEUES] = VALUE(read_coal_queues, coal_queues),
};

static_assert(ARRAY_SIZE(member_readers) == VDPR_MEMBER_COUNT,
	      "every member has its reader");

int vdpr_json_value(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, enum vdpr_member m)
{
	return member_readers[m].read(
		r, at, item, (char *)r->state + member_readers[m].offset);
}
