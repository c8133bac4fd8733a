/* SPDX-License-Identifier: MIT */
/* The order of a restore: one table of steps, each encoding one command. */
#include "restore/plan.h"

#include <errno.h>

/*
 * Theory of operation. The order of operations of a restore is the table
 * before_enable below, then after_enable; nothing else decides it. Each step
 * encodes one kind of command from the state, or nothing: what the features do
 * not allow is absent from the state, what is unknown is not KNOWN, and what a
 * device does by itself after reset is not sent. Each command is appended to
 * one buffer exactly as the device will read it, so that a command is an offset
 * and a length, and the ring code can copy the whole at once.
 */
struct builder {
	const struct vdpr_command_info *info; /* of the step that runs */
	struct vdpr_buf bytes;
	struct vdpr_plan_entry *entry;
	size_t count;
	size_t cap;
	size_t start; /* where the present command's payload begins */
	int error;
};

static void begin(struct builder *b)
{
	const uint8_t header[2] = { b->info->ctrl_class, b->info->command };

	vdpr_buf_add(&b->bytes, header, sizeof(header));
	b->start = b->bytes.len;
}

/* Room for @more entries. */
static bool reserve(struct builder *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 16;
	struct vdpr_plan_entry *entry;

	while (cap < b->count + more)
		cap *= 2;
	if (cap == b->cap)
		return true;
	entry = reallocarray(b->entry, cap, sizeof(*entry));
	if (!entry) {
		b->error = -ENOMEM;
		return false;
	}
	b->entry = entry;
	b->cap = cap;
	return true;
}

static void end(struct builder *b)
{
	if (!reserve(b, 1))
		return;
	b->entry[b->count++] = (struct vdpr_plan_entry){
		.info = b->info,
		.offset = b->start,
		.len = b->bytes.len - b->start,
	};
}

static void emit_u8(struct builder *b, uint8_t value)
{
	begin(b);
	vdpr_buf_u8(&b->bytes, value);
	end(b);
}

static void emit_le16(struct builder *b, uint16_t value)
{
	begin(b);
	vdpr_buf_le16(&b->bytes, value);
	end(b);
}

static bool is_known(const struct vdpr_state *s, enum vdpr_member m)
{
	return s->member[m] == VDPR_KNOWN;
}

/* ------------------------------------------------------------- MAC, class 1 */

static void encode_mac_address(struct builder *b, const struct vdpr_state *s)
{
	if (!is_known(s, VDPR_MAC_ADDRESS))
		return;
	begin(b);
	vdpr_buf_add(&b->bytes, s->mac, sizeof(s->mac));
	end(b);
}

static void add_mac_list(struct builder *b, const struct vdpr_mac_list *list)
{
	vdpr_buf_le32(&b->bytes, (uint32_t)list->count);
	if (list->count)
		vdpr_buf_add(&b->bytes, list->addr,
			     list->count * sizeof(*list->addr));
}

/* One command sets both tables, so an unknown one is sent as the empty one that
 * the device has after reset. */
static void encode_mac_table(struct builder *b, const struct vdpr_state *s)
{
	static const struct vdpr_mac_list empty;
	const struct vdpr_mac_list *unicast = &empty;
	const struct vdpr_mac_list *multicast = &empty;

	if (is_known(s, VDPR_MAC_UNICAST))
		unicast = &s->unicast;
	if (is_known(s, VDPR_MAC_MULTICAST))
		multicast = &s->multicast;
	if (!unicast->count && !multicast->count)
		return;
	begin(b);
	add_mac_list(b, unicast);
	add_mac_list(b, multicast);
	end(b);
}

/* -------------------------------------------------------------- MQ, class 4 */

static void encode_pairs(struct builder *b, const struct vdpr_state *s)
{
	if (is_known(s, VDPR_MQ_QUEUE_PAIRS))
		emit_le16(b, s->queue_pairs);
}

static void add_key(struct builder *b, const struct vdpr_hash_key *key)
{
	vdpr_buf_u8(&b->bytes, key->len);
	vdpr_buf_add(&b->bytes, key->bytes, key->len);
}

static void encode_rss(struct builder *b, const struct vdpr_state *s)
{
	const struct vdpr_rss *rss = &s->rss;

	if (!is_known(s, VDPR_RSS))
		return;
	begin(b);
	vdpr_buf_le32(&b->bytes, rss->hash_types);
	vdpr_buf_le16(&b->bytes, (uint16_t)(rss->table_len - 1));
	vdpr_buf_le16(&b->bytes, rss->unclassified_queue);
	for (uint32_t i = 0; i < rss->table_len; i++)
		vdpr_buf_le16(&b->bytes, rss->table[i]);
	vdpr_buf_le16(&b->bytes, rss->max_tx_vq);
	add_key(b, &rss->key);
	end(b);
}

static void encode_hash(struct builder *b, const struct vdpr_state *s)
{
	static const uint8_t reserved[8];

	if (!is_known(s, VDPR_HASH_REPORT))
		return;
	begin(b);
	vdpr_buf_le32(&b->bytes, s->hash_report.hash_types);
	vdpr_buf_add(&b->bytes, reserved, sizeof(reserved));
	add_key(b, &s->hash_report.key);
	end(b);
}

/* -------------------------------------------------------- offloads, class 5 */

static void encode_offloads(struct builder *b, const struct vdpr_state *s)
{
	if (!is_known(s, VDPR_OFFLOADS) ||
	    s->offloads == vdpr_offloads_allowed(&s->negotiated, true))
		return;
	begin(b);
	vdpr_buf_le64(&b->bytes, s->offloads);
	end(b);
}

/* -------------------------------------------------------- RX modes, class 0 */

/* Sent also when it is off: no specification says what a reset leaves, and QEMU
 * and Linux take it for on. */
static void encode_promisc(struct builder *b, const struct vdpr_state *s)
{
	bool overflow = is_known(s, VDPR_MAC_UNICAST_OVERFLOW) &&
			s->unicast_overflow;

	if (is_known(s, VDPR_RX_PROMISCUOUS))
		emit_u8(b, s->promiscuous || overflow);
}

static void encode_mode(struct builder *b, const struct vdpr_state *s,
			enum vdpr_member m, bool value)
{
	if (is_known(s, m) && value)
		emit_u8(b, 1);
}

static void encode_allmulti(struct builder *b, const struct vdpr_state *s)
{
	bool overflow = is_known(s, VDPR_MAC_MULTICAST_OVERFLOW) &&
			s->multicast_overflow;
	bool all = is_known(s, VDPR_RX_ALL_MULTICAST) && s->all_multicast;

	if (all || overflow)
		emit_u8(b, 1);
}

static void encode_alluni(struct builder *b, const struct vdpr_state *s)
{
	encode_mode(b, s, VDPR_RX_ALL_UNICAST, s->all_unicast);
}

static void encode_nomulti(struct builder *b, const struct vdpr_state *s)
{
	encode_mode(b, s, VDPR_RX_NO_MULTICAST, s->no_multicast);
}

static void encode_nouni(struct builder *b, const struct vdpr_state *s)
{
	encode_mode(b, s, VDPR_RX_NO_UNICAST, s->no_unicast);
}

static void encode_nobcast(struct builder *b, const struct vdpr_state *s)
{
	encode_mode(b, s, VDPR_RX_NO_BROADCAST, s->no_broadcast);
}

/* ------------------------------------------------------------ VLAN, class 2 */

enum { VLAN_LEN = 4 }; /* class, command, le16 id */

/* 64 of them at once: most guests have few. */
static uint64_t vlan_word(const struct vdpr_state *s, unsigned int first)
{
	return vdpr_get_le64(s->vlan + first / 8);
}

static size_t count_vlans(const struct vdpr_state *s)
{
	size_t count = 0;

	for (unsigned int first = 0; first < VDPR_VLANS; first += 64) {
		uint64_t word = vlan_word(s, first);

		if (word)
			count += (size_t)__builtin_popcountll(word);
	}
	return count;
}

/* They come by the thousand, so room is made once for all. */
static void encode_vlans(struct builder *b, const struct vdpr_state *s)
{
	struct vdpr_plan_entry *entry;
	size_t at = b->bytes.len;
	size_t count;
	uint8_t *bytes;

	if (!is_known(s, VDPR_VLAN_IDS))
		return;
	count = count_vlans(s);
	bytes = vdpr_buf_grow(&b->bytes, count * VLAN_LEN);
	if (!bytes || !reserve(b, count))
		return;
	entry = b->entry + b->count;
	b->count += count;
	for (unsigned int first = 0; first < VDPR_VLANS; first += 64) {
		uint64_t word = vlan_word(s, first);

		for (; word; word &= word - 1) {
			unsigned int id =
				first + (unsigned int)__builtin_ctzll(word);

			bytes[0] = b->info->ctrl_class;
			bytes[1] = b->info->command;
			vdpr_put_le16(bytes + 2, (uint16_t)id);
			*entry++ =
				(struct vdpr_plan_entry){ b->info, at + 2, 2 };
			bytes += VLAN_LEN;
			at += VLAN_LEN;
		}
	}
}

/* ------------------------------------------------------ coalescing, class 6 */

static void add_coal(struct builder *b, const struct vdpr_coal *coal)
{
	vdpr_buf_le32(&b->bytes, coal->max_packets);
	vdpr_buf_le32(&b->bytes, coal->max_usecs);
}

static void encode_coal(struct builder *b, const struct vdpr_coal *coal)
{
	if (!coal->max_packets && !coal->max_usecs)
		return;
	begin(b);
	add_coal(b, coal);
	end(b);
}

static void encode_coal_tx(struct builder *b, const struct vdpr_state *s)
{
	if (is_known(s, VDPR_COAL_TX))
		encode_coal(b, &s->coal_tx);
}

static void encode_coal_rx(struct builder *b, const struct vdpr_state *s)
{
	if (is_known(s, VDPR_COAL_RX))
		encode_coal(b, &s->coal_rx);
}

static void encode_coal_queues(struct builder *b, const struct vdpr_state *s)
{
	if (!is_known(s, VDPR_COAL_QUEUES))
		return;
	for (size_t i = 0; i < s->n_coal_queues; i++) {
		begin(b);
		vdpr_buf_le16(&b->bytes, s->coal_queues[i].index);
		vdpr_buf_le16(&b->bytes, 0);
		add_coal(b, &s->coal_queues[i].coal);
		end(b);
	}
}

/* ---------------------------------------------------------------- the order */

struct step {
	uint8_t ctrl_class;
	uint8_t command;
	void (*encode)(struct builder *b, const struct vdpr_state *s);
};

/* Pairs before RSS, because VQ_PAIRS_SET takes RSS out of force. */
static const struct step before_enable[] = {
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET,
	  encode_mac_address },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
	  encode_mac_table },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, encode_pairs },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, encode_rss },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG, encode_hash },
	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
	  encode_offloads },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, encode_promisc },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, encode_allmulti },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, encode_alluni },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, encode_nomulti },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, encode_nouni },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, encode_nobcast },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, encode_vlans },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_TX_SET,
	  encode_coal_tx },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_RX_SET,
	  encode_coal_rx },
};

/* A device refuses these on a queue that is not enabled (virtio 1.3,
 * 5.1.6.5.9.2), and they steer nothing. */
static const struct step after_enable[] = {
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET,
	  encode_coal_queues },
};

static void run_steps(struct builder *b, const struct vdpr_state *s,
		      const struct step *step, size_t count)
{
	for (size_t i = 0; i < count && !b->error; i++) {
		b->info =
			vdpr_command_find(step[i].ctrl_class, step[i].command);
		if (vdpr_command_allowed(b->info, &s->negotiated))
			step[i].encode(b, s);
	}
}

/* ----------------------------------------------------------------- the plan */

static int finish(struct builder *b, struct vdpr_plan *plan)
{
	char *bytes;
	int ret = b->error;

	if (!ret)
		ret = vdpr_buf_take(&b->bytes, &bytes, &plan->len);
	if (ret)
		return ret;
	plan->bytes = (uint8_t *)bytes;
	plan->count = b->count;
	plan->entry = TAKE_PTR(b->entry);
	return 0;
}

int vdpr_plan_encode(const struct vdpr_state *state, struct vdpr_plan *plan)
{
	struct builder b = { 0 };
	int ret;

	run_steps(&b, state, before_enable, ARRAY_SIZE(before_enable));
	plan->n_before = b.count;
	run_steps(&b, state, after_enable, ARRAY_SIZE(after_enable));
	ret = finish(&b, plan);
	vdpr_buf_free(&b.bytes);
	free(b.entry);
	return ret;
}
