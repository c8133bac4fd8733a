/* SPDX-License-Identifier: MIT */
/* What brings a device from one plan's state to another's without a reset. */
#include "restore/plan-diff.h"

#include <errno.h>
#include <string.h>

#include "restore/state.h"

/*
 * Theory of operation. Both plans start at the reset state and name what differs
 * from it, each command at most once but for VLAN_ADD. So a command of both plans
 * is sent again if its payload differs, one of the second alone is sent, and one
 * of the first alone is taken back by the payload that stands for the reset
 * state, where there is one (the table below).
 */
struct merge {
	const struct vdpr_plan *from, *to;
	const struct vdpr_features *negotiated;
	struct vdpr_buf bytes;
	struct vdpr_plan_entry *entry;
	size_t count, cap;
	bool pairs_sent; /* which takes RSS out of force */
};

static bool same_command(const struct vdpr_plan_entry *a,
			 const struct vdpr_plan_entry *b)
{
	return a->info == b->info;
}

static bool same_payload(const struct vdpr_plan *a,
			 const struct vdpr_plan_entry *x,
			 const struct vdpr_plan *b,
			 const struct vdpr_plan_entry *y)
{
	return x->len == y->len &&
	       !memcmp(a->bytes + x->offset, b->bytes + y->offset, x->len);
}

static int add(struct merge *m, const struct vdpr_command_info *info,
	       const void *payload, size_t len)
{
	if (m->count == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 32;
		struct vdpr_plan_entry *entry =
			reallocarray(m->entry, cap, sizeof(*entry));

		if (!entry)
			return -ENOMEM;
		m->entry = entry;
		m->cap = cap;
	}
	vdpr_buf_u8(&m->bytes, info->ctrl_class);
	vdpr_buf_u8(&m->bytes, info->command);
	m->entry[m->count++] = (struct vdpr_plan_entry){
		.info = info,
		.offset = m->bytes.len,
		.len = len,
	};
	vdpr_buf_add(&m->bytes, payload, len);
	return vdpr_buf_error(&m->bytes);
}

static int add_entry(struct merge *m, const struct vdpr_plan *plan, size_t i)
{
	const struct vdpr_plan_entry *entry = &plan->entry[i];

	return add(m, entry->info, plan->bytes + entry->offset, entry->len);
}

static int add_range(struct merge *m, const struct vdpr_plan *plan, size_t from,
		     size_t end)
{
	int ret = 0;

	for (size_t i = from; !ret && i < end; i++)
		ret = add_entry(m, plan, i);
	return ret;
}

static bool is_command(const struct vdpr_command_info *info, uint8_t ctrl_class,
		       uint8_t command)
{
	return info->ctrl_class == ctrl_class && info->command == command;
}

static bool is_vlan(const struct vdpr_command_info *info)
{
	return is_command(info, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD);
}

static bool is_pairs(const struct vdpr_command_info *info)
{
	return is_command(info, VIRTIO_NET_CTRL_MQ,
			  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET);
}

static bool is_steering(const struct vdpr_command_info *info)
{
	return info->ctrl_class == VIRTIO_NET_CTRL_MQ && !is_pairs(info);
}

/* The entry of a plan's commands before the enabling; NULL if there is none. */
static const struct vdpr_plan_entry *find(const struct vdpr_plan *plan,
					  const struct vdpr_plan_entry *like)
{
	for (size_t i = 0; i < plan->n_before; i++)
		if (same_command(&plan->entry[i], like))
			return &plan->entry[i];
	return NULL;
}

/* ---------------------------------------------------------- taking back */

/* Payloads that stand for the reset state. */
static const struct {
	uint8_t ctrl_class, command, len;
} taken_back_by_zeros[] = {
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 8 },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, 1 },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, 1 },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, 1 },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, 1 },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, 1 },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, 8 },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_RX_SET, 8 },
};

static int take_back_offloads(struct merge *m,
			      const struct vdpr_command_info *info)
{
	uint8_t all[8];

	vdpr_put_le64(all, vdpr_offloads_allowed(m->negotiated, true));
	return add(m, info, all, sizeof(all));
}

/* The entry of a steering command that ends the other one by itself. */
static bool is_replaced(const struct merge *m, uint8_t by)
{
	for (size_t i = 0; i < m->to->n_before; i++)
		if (is_command(m->to->entry[i].info, VIRTIO_NET_CTRL_MQ, by))
			return true;
	return false;
}

/* RSS ends with HASH_CONFIG, or the next VQ_PAIRS_SET where there is one. */
static int take_back_rss(struct merge *m)
{
	if (is_replaced(m, VIRTIO_NET_CTRL_MQ_HASH_CONFIG))
		return 0;
	for (size_t i = 0; i < m->to->n_before; i++)
		if (is_pairs(m->to->entry[i].info)) {
			m->pairs_sent = true;
			return add_entry(m, m->to, i);
		}
	return -EDOM;
}

static int take_back_hash(const struct merge *m)
{
	return is_replaced(m, VIRTIO_NET_CTRL_MQ_RSS_CONFIG) ? 0 : -EDOM;
}

static int take_back(struct merge *m, const struct vdpr_command_info *info)
{
	static const uint8_t zeros[8];

	for (size_t i = 0; i < ARRAY_SIZE(taken_back_by_zeros); i++)
		if (is_command(info, taken_back_by_zeros[i].ctrl_class,
			       taken_back_by_zeros[i].command))
			return add(m, info, zeros, taken_back_by_zeros[i].len);
	if (info->ctrl_class == VIRTIO_NET_CTRL_GUEST_OFFLOADS)
		return take_back_offloads(m, info);
	if (is_command(info, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG))
		return take_back_rss(m);
	if (is_command(info, VIRTIO_NET_CTRL_MQ,
		       VIRTIO_NET_CTRL_MQ_HASH_CONFIG))
		return take_back_hash(m);
	/* Never set, never commanded, never configured: only a reset is that. */
	return -EDOM;
}

static int take_back_all(struct merge *m)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < m->from->n_before; i++) {
		const struct vdpr_plan_entry *entry = &m->from->entry[i];

		if (!is_vlan(entry->info) && !find(m->to, entry))
			ret = take_back(m, entry->info);
	}
	return ret;
}

/* --------------------------------------------------------------- changes */

static int change(struct merge *m, size_t i)
{
	const struct vdpr_plan_entry *entry = &m->to->entry[i];
	const struct vdpr_plan_entry *before = find(m->from, entry);
	bool lost = m->pairs_sent && is_steering(entry->info);

	if (m->pairs_sent && is_pairs(entry->info))
		return 0;
	if (before && !lost && same_payload(m->to, entry, m->from, before))
		return 0;
	if (is_pairs(entry->info))
		m->pairs_sent = true;
	return add_entry(m, m->to, i);
}

static int change_all(struct merge *m)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < m->to->n_before; i++)
		if (!is_vlan(m->to->entry[i].info))
			ret = change(m, i);
	return ret;
}

/* ----------------------------------------------------------------- VLANs */

static void vlans_of(const struct vdpr_plan *plan, uint8_t *set)
{
	memset(set, 0, VDPR_VLANS / 8);
	for (size_t i = 0; i < plan->n_before; i++) {
		const struct vdpr_plan_entry *entry = &plan->entry[i];
		uint16_t id;

		if (!is_vlan(entry->info))
			continue;
		id = vdpr_get_le16(plan->bytes + entry->offset) % VDPR_VLANS;
		set[id / 8] |= (uint8_t)(1u << id % 8);
	}
}

/* Commands for all ids that are in @set and not in @but. */
static int add_vlans(struct merge *m, uint8_t command, const uint8_t *set,
		     const uint8_t *but)
{
	const struct vdpr_command_info *info =
		vdpr_command_find(VIRTIO_NET_CTRL_VLAN, command);
	int ret = 0;

	for (unsigned int id = 0; !ret && id < VDPR_VLANS; id++) {
		uint8_t payload[2];

		if (!(set[id / 8] & ~but[id / 8] & 1u << id % 8))
			continue;
		vdpr_put_le16(payload, (uint16_t)id);
		ret = add(m, info, payload, sizeof(payload));
	}
	return ret;
}

static int change_vlans(struct merge *m)
{
	uint8_t before[VDPR_VLANS / 8], after[VDPR_VLANS / 8];
	int ret;

	vlans_of(m->from, before);
	vlans_of(m->to, after);
	ret = add_vlans(m, VIRTIO_NET_CTRL_VLAN_DEL, before, after);
	return ret ? ret
		   : add_vlans(m, VIRTIO_NET_CTRL_VLAN_ADD, after, before);
}

/* ------------------------------------------------------------------- all */

static int merge(struct merge *m, struct vdpr_plan *out)
{
	char *bytes;
	int ret = add_range(m, m->from, 0, m->from->n_before);

	if (!ret)
		ret = take_back_all(m);
	if (!ret)
		ret = change_all(m);
	if (!ret)
		ret = change_vlans(m);
	if (ret)
		return ret;
	out->n_before = m->count;
	ret = add_range(m, m->to, m->to->n_before, m->to->count);
	if (!ret)
		ret = vdpr_buf_take(&m->bytes, &bytes, &out->len);
	if (ret)
		return ret;
	out->bytes = (uint8_t *)bytes;
	out->count = m->count;
	out->entry = TAKE_PTR(m->entry);
	return 0;
}

int vdpr_plan_continue(const struct vdpr_plan *from, const struct vdpr_plan *to,
		       const struct vdpr_features *negotiated,
		       struct vdpr_plan *out)
{
	struct merge m = { .from = from, .to = to, .negotiated = negotiated };
	int ret = merge(&m, out);

	vdpr_buf_free(&m.bytes);
	free(m.entry);
	return ret;
}
