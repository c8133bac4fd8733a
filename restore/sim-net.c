/* SPDX-License-Identifier: MIT */
/* The simulator's network device: control commands, strictly by the book. */
#include <errno.h>
#include <string.h>

#include "restore/sim.h"

/*
 * This is the other side of restore/command.c and shares no code with it, so
 * that a mistake in one is not hidden by the same mistake in the other: it reads
 * raw bytes (virtio 1.3, 5.1.6.5) and judges them as the specification does.
 */

/* Bytes of a payload, taken from the front. Every take() is checked. */
struct reader {
	const uint8_t *at;
	size_t left;
};

static const uint8_t *take(struct reader *r, size_t len)
{
	const uint8_t *p = r->at;

	if (len > r->left)
		return NULL;
	r->at += len;
	r->left -= len;
	return p;
}

static bool take8(struct reader *r, uint8_t *out)
{
	const uint8_t *p = take(r, 1);

	if (p)
		*out = *p;
	return p;
}

static bool take16(struct reader *r, uint16_t *out)
{
	const uint8_t *p = take(r, 2);

	if (p)
		*out = vdpr_get_le16(p);
	return p;
}

static bool take32(struct reader *r, uint32_t *out)
{
	const uint8_t *p = take(r, 4);

	if (p)
		*out = vdpr_get_le32(p);
	return p;
}

/* What a command may write behind the ack. */
struct reply {
	uint8_t *bytes;
	size_t len;
};

struct sim_command {
	uint8_t ctrl_class;
	uint8_t command;
	unsigned int feature;
	/* Return: VIRTIO_NET_OK, or VIRTIO_NET_ERR with nothing changed. */
	uint8_t (*run)(struct sim *sim, uint8_t command, struct reader *r,
		       struct reply *reply);
};

/* ------------------------------------------------------------- modes and MAC */

static uint8_t rx_mode(struct sim *sim, uint8_t command, struct reader *r,
		       struct reply *reply)
{
	uint8_t on;

	(void)reply;
	if (!take8(r, &on) || on > 1)
		return VIRTIO_NET_ERR;
	sim->net.rx[command] = (int8_t)on;
	return VIRTIO_NET_OK;
}

static bool take_table(struct reader *r, bool multicast, const uint8_t **mac,
		       uint32_t *count)
{
	if (!take32(r, count) || *count > r->left / 6)
		return false;
	*mac = take(r, 6 * (size_t)*count);
	for (uint32_t i = 0; i < *count; i++)
		if (((*mac)[6 * (size_t)i] & 1) != multicast)
			return false;
	return true;
}

/* A copy of a table, or NULL without memory; an empty one is a byte long. */
static uint8_t (*copy_table(const uint8_t *mac, uint32_t count))[6]
{
	uint8_t(*copy)[6] = malloc(count ? 6 * (size_t)count : 1);

	if (copy && count)
		memcpy(copy, mac, 6 * (size_t)count);
	return copy;
}

static uint8_t mac_table(struct sim *sim, uint8_t command, struct reader *r,
			 struct reply *reply)
{
	const uint8_t *unicast, *multicast;
	uint8_t(*new_unicast)[6], (*new_multicast)[6];
	uint32_t n_unicast, n_multicast;

	(void)command;
	(void)reply;
	if (!take_table(r, false, &unicast, &n_unicast) ||
	    !take_table(r, true, &multicast, &n_multicast))
		return VIRTIO_NET_ERR;
	new_unicast = copy_table(unicast, n_unicast);
	new_multicast = copy_table(multicast, n_multicast);
	if (!new_unicast || !new_multicast) {
		free(new_unicast);
		free(new_multicast);
		return VIRTIO_NET_ERR;
	}
	free(sim->net.unicast);
	free(sim->net.multicast);
	sim->net.unicast = new_unicast;
	sim->net.multicast = new_multicast;
	sim->net.n_unicast = n_unicast;
	sim->net.n_multicast = n_multicast;
	return VIRTIO_NET_OK;
}

static uint8_t mac_address(struct sim *sim, uint8_t command, struct reader *r,
			   struct reply *reply)
{
	const uint8_t *mac = take(r, 6);

	(void)command;
	(void)reply;
	if (!mac || mac[0] & 1)
		return VIRTIO_NET_ERR;
	memcpy(sim->config, mac, 6);
	return VIRTIO_NET_OK;
}

static uint8_t vlan(struct sim *sim, uint8_t command, struct reader *r,
		    struct reply *reply)
{
	uint16_t id;
	uint8_t bit;

	(void)reply;
	if (!take16(r, &id) || id >= VDPR_VLANS)
		return VIRTIO_NET_ERR;
	bit = (uint8_t)(1u << (id % 8));
	if (command == VIRTIO_NET_CTRL_VLAN_ADD)
		sim->net.vlan[id / 8] |= bit;
	else
		sim->net.vlan[id / 8] &= (uint8_t)~bit;
	return VIRTIO_NET_OK;
}

static uint8_t announce(struct sim *sim, uint8_t command, struct reader *r,
			struct reply *reply)
{
	uint8_t *status =
		sim->config + offsetof(struct virtio_net_config, status);

	(void)command;
	(void)r;
	(void)reply;
	vdpr_put_le16(status, (uint16_t)(vdpr_get_le16(status) &
					 ~VIRTIO_NET_S_ANNOUNCE));
	return VIRTIO_NET_OK;
}

/* ------------------------------------------------------------------- steering */

static uint32_t config_types(const struct sim *sim)
{
	return vdpr_get_le32(sim->config + offsetof(struct virtio_net_config,
						    supported_hash_types));
}

static uint8_t config_key_size(const struct sim *sim)
{
	return sim
		->config[offsetof(struct virtio_net_config, rss_max_key_size)];
}

static uint16_t config_table_size(const struct sim *sim)
{
	return vdpr_get_le16(sim->config +
			     offsetof(struct virtio_net_config,
				      rss_max_indirection_table_length));
}

uint16_t vdpr_sim_max_pairs(const struct sim *sim)
{
	return vdpr_get_le16(sim->config + offsetof(struct virtio_net_config,
						    max_virtqueue_pairs));
}

static void end_rss(struct sim *sim)
{
	sim->net.has_rss = false;
	free(sim->net.rss.table);
	sim->net.rss.table = NULL;
}

static uint8_t vq_pairs(struct sim *sim, uint8_t command, struct reader *r,
			struct reply *reply)
{
	uint16_t pairs;

	(void)command;
	(void)reply;
	if (!take16(r, &pairs) || !pairs || pairs > vdpr_sim_max_pairs(sim))
		return VIRTIO_NET_ERR;
	sim->net.pairs = pairs;
	/* "MUST use automatic steering" (5.1.6.5.5.2). */
	end_rss(sim);
	return VIRTIO_NET_OK;
}

static bool take_key(const struct sim *sim, struct reader *r, uint32_t types,
		     struct vdpr_hash_key *key)
{
	const uint8_t *bytes;

	if (!take8(r, &key->len) || key->len > config_key_size(sim) ||
	    (types && !key->len))
		return false;
	bytes = take(r, key->len);
	if (!bytes)
		return false;
	memcpy(key->bytes, bytes, key->len);
	return true;
}

static bool take_types(const struct sim *sim, struct reader *r, uint32_t *types)
{
	return take32(r, types) && !(*types & ~config_types(sim));
}

/* The table's bytes, or NULL if it is out of range. */
static const uint8_t *take_indirection(const struct sim *sim, struct reader *r,
				       struct vdpr_rss *rss)
{
	uint16_t mask, max = vdpr_sim_max_pairs(sim);
	const uint8_t *table;

	if (!take16(r, &mask) || !take16(r, &rss->unclassified_queue))
		return NULL;
	rss->table_len = mask + 1u;
	if (!vdpr_is_pow2(rss->table_len) ||
	    rss->table_len > config_table_size(sim) ||
	    rss->unclassified_queue >= max)
		return NULL;
	table = take(r, 2 * (size_t)rss->table_len);
	for (uint32_t i = 0; table && i < rss->table_len; i++)
		if (vdpr_get_le16(table + 2 * (size_t)i) >= max)
			return NULL;
	return table;
}

static uint8_t rss_config(struct sim *sim, uint8_t command, struct reader *r,
			  struct reply *reply)
{
	struct vdpr_rss rss = { 0 };
	const uint8_t *table;

	(void)command;
	(void)reply;
	if (!take_types(sim, r, &rss.hash_types))
		return VIRTIO_NET_ERR;
	table = take_indirection(sim, r, &rss);
	if (!table || !take16(r, &rss.max_tx_vq) || !rss.max_tx_vq ||
	    rss.max_tx_vq > vdpr_sim_max_pairs(sim) ||
	    !take_key(sim, r, rss.hash_types, &rss.key))
		return VIRTIO_NET_ERR;
	rss.table = calloc(rss.table_len, sizeof(*rss.table));
	if (!rss.table)
		return VIRTIO_NET_ERR;
	for (uint32_t i = 0; i < rss.table_len; i++)
		rss.table[i] = vdpr_get_le16(table + 2 * (size_t)i);
	end_rss(sim);
	sim->net.rss = rss;
	sim->net.has_rss = true;
	sim->net.has_hash = false;
	sim->net.pairs = rss.max_tx_vq;
	return VIRTIO_NET_OK;
}

static uint8_t hash_config(struct sim *sim, uint8_t command, struct reader *r,
			   struct reply *reply)
{
	struct vdpr_hash_report hash = { 0 };

	(void)command;
	(void)reply;
	if (!take_types(sim, r, &hash.hash_types) || !take(r, 8) ||
	    !take_key(sim, r, hash.hash_types, &hash.key))
		return VIRTIO_NET_ERR;
	end_rss(sim);
	sim->net.hash = hash;
	sim->net.has_hash = true;
	return VIRTIO_NET_OK;
}

/* ------------------------------------------------------------------- offloads */

/* Which offload bit needs which feature (5.1.6.5.6.1). */
static const struct {
	uint8_t bit;
	uint8_t feature;
} offload_bits[] = {
	{ 1, VIRTIO_NET_F_GUEST_CSUM },
	{ 7, VIRTIO_NET_F_GUEST_TSO4 },
	{ 8, VIRTIO_NET_F_GUEST_TSO6 },
	{ 9, VIRTIO_NET_F_GUEST_ECN },
	{ 10, VIRTIO_NET_F_GUEST_UFO },
	{ 46, VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO },
	{ 47, VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM },
	{ 54, VIRTIO_NET_F_GUEST_USO4 },
	{ 55, VIRTIO_NET_F_GUEST_USO6 },
};

static uint64_t offloads_allowed(const struct sim *sim)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offload_bits); i++)
		if (vdpr_sim_has(sim, offload_bits[i].feature))
			mask |= BIT_ULL(offload_bits[i].bit);
	return mask;
}

static uint8_t offloads(struct sim *sim, uint8_t command, struct reader *r,
			struct reply *reply)
{
	const uint8_t *bits = take(r, 8);

	(void)command;
	(void)reply;
	if (!bits || vdpr_get_le64(bits) & ~offloads_allowed(sim))
		return VIRTIO_NET_ERR;
	sim->net.offloads = vdpr_get_le64(bits);
	return VIRTIO_NET_OK;
}

/* ----------------------------------------------------------------- coalescing */

static bool take_coal(struct reader *r, struct vdpr_coal *coal)
{
	return take32(r, &coal->max_packets) && take32(r, &coal->max_usecs);
}

/* Receive queues are even, transmit queues odd. */
static uint8_t coal_all(struct sim *sim, uint8_t command, struct reader *r,
			struct reply *reply)
{
	bool tx = command == VIRTIO_NET_CTRL_NOTF_COAL_TX_SET;
	struct vdpr_coal coal;

	(void)reply;
	if (!take_coal(r, &coal))
		return VIRTIO_NET_ERR;
	*(tx ? &sim->net.tx_coal : &sim->net.rx_coal) = coal;
	for (uint32_t i = tx; i < 2 * sim->opts->pairs; i += 2) {
		sim->vq[i].coal = coal;
		sim->vq[i].coal_own = false;
	}
	return VIRTIO_NET_OK;
}

/* An enabled data queue, or NULL (5.1.6.5.8). */
static struct sim_vq *take_data_vq(struct sim *sim, struct reader *r)
{
	uint16_t index, reserved;
	struct sim_vq *vq;

	if (!take16(r, &index) || !take16(r, &reserved) ||
	    index >= 2 * vdpr_sim_max_pairs(sim) || index >= sim->n_vqs)
		return NULL;
	vq = &sim->vq[index];
	return vq->ready && !vdpr_sim_is_cvq(sim, vq) ? vq : NULL;
}

static uint8_t coal_set(struct sim *sim, uint8_t command, struct reader *r,
			struct reply *reply)
{
	struct sim_vq *vq = take_data_vq(sim, r);
	struct vdpr_coal coal;

	(void)command;
	(void)reply;
	if (!vq || !take_coal(r, &coal))
		return VIRTIO_NET_ERR;
	vq->coal = coal;
	vq->coal_own = true;
	return VIRTIO_NET_OK;
}

static uint8_t coal_get(struct sim *sim, uint8_t command, struct reader *r,
			struct reply *reply)
{
	struct sim_vq *vq = take_data_vq(sim, r);

	(void)command;
	if (!vq)
		return VIRTIO_NET_ERR;
	vdpr_put_le32(reply->bytes, vq->coal.max_packets);
	vdpr_put_le32(reply->bytes + 4, vq->coal.max_usecs);
	reply->len = 8;
	return VIRTIO_NET_OK;
}

/* ------------------------------------------------------------------ the table */

static const struct sim_command commands[] = {
	{ 0, 0, VIRTIO_NET_F_CTRL_RX, rx_mode },
	{ 0, 1, VIRTIO_NET_F_CTRL_RX, rx_mode },
	{ 0, 2, VIRTIO_NET_F_CTRL_RX_EXTRA, rx_mode },
	{ 0, 3, VIRTIO_NET_F_CTRL_RX_EXTRA, rx_mode },
	{ 0, 4, VIRTIO_NET_F_CTRL_RX_EXTRA, rx_mode },
	{ 0, 5, VIRTIO_NET_F_CTRL_RX_EXTRA, rx_mode },
	{ 1, 0, VIRTIO_NET_F_CTRL_RX, mac_table },
	{ 1, 1, VIRTIO_NET_F_CTRL_MAC_ADDR, mac_address },
	{ 2, 0, VIRTIO_NET_F_CTRL_VLAN, vlan },
	{ 2, 1, VIRTIO_NET_F_CTRL_VLAN, vlan },
	{ 3, 0, VIRTIO_NET_F_GUEST_ANNOUNCE, announce },
	{ 4, 0, VIRTIO_NET_F_MQ, vq_pairs },
	{ 4, 1, VIRTIO_NET_F_RSS, rss_config },
	{ 4, 2, VIRTIO_NET_F_HASH_REPORT, hash_config },
	{ 5, 0, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, offloads },
	{ 6, 0, VIRTIO_NET_F_NOTF_COAL, coal_all },
	{ 6, 1, VIRTIO_NET_F_NOTF_COAL, coal_all },
	{ 6, 2, VIRTIO_NET_F_VQ_NOTF_COAL, coal_set },
	{ 6, 3, VIRTIO_NET_F_VQ_NOTF_COAL, coal_get },
};

uint8_t vdpr_sim_execute(struct sim *sim, const uint8_t *data, size_t len,
			 uint8_t reply[SIM_REPLY_MAX], size_t *reply_len)
{
	struct reader r = { data, len };
	struct reply answer = { reply, 0 };
	uint8_t ctrl_class, command, ack;

	if (!take8(&r, &ctrl_class) || !take8(&r, &command))
		return VIRTIO_NET_ERR;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct sim_command *c = &commands[i];

		if (c->ctrl_class != ctrl_class || c->command != command)
			continue;
		if (!vdpr_sim_has(sim, c->feature))
			return VIRTIO_NET_ERR;
		ack = c->run(sim, command, &r, &answer);
		*reply_len = answer.len;
		return ack;
	}
	return VIRTIO_NET_ERR;
}

void vdpr_sim_net_free(struct sim *sim)
{
	free(sim->net.unicast);
	free(sim->net.multicast);
	free(sim->net.rss.table);
}

void vdpr_sim_net_reset(struct sim *sim)
{
	vdpr_sim_net_free(sim);
	memset(&sim->net, 0, sizeof(sim->net));
	memset(sim->net.rx, -1, sizeof(sim->net.rx));
	sim->net.pairs = 1;
	sim->net.offloads = offloads_allowed(sim);
	for (uint32_t i = 0; i < sim->n_vqs; i++) {
		sim->vq[i].coal = (struct vdpr_coal){ 0, 0 };
		sim->vq[i].coal_own = false;
	}
}
