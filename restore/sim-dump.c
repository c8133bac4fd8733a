/* SPDX-License-Identifier: MIT */
/* What the simulator was told, as a state file. */
#include <errno.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/sim.h"

static void freep(struct vdpr_state **state)
{
	vdpr_state_free(*state);
}

/* Marks a member as known if it belongs to this state at all. */
static bool know(struct vdpr_state *state, enum vdpr_member m, bool null)
{
	if (!vdpr_member_required(state, m))
		return false;
	state->member[m] = null ? VDPR_NULL : VDPR_KNOWN;
	return true;
}

static int dump_mac(const struct sim *sim, struct vdpr_state *state)
{
	const struct sim_net *net = &sim->net;
	int ret;

	if (know(state, VDPR_MAC_ADDRESS, false))
		memcpy(state->mac, sim->config, sizeof(state->mac));
	if (!know(state, VDPR_MAC_UNICAST, false))
		return 0;
	ret = vdpr_mac_list_set(&state->unicast, (const uint8_t *)net->unicast,
				net->n_unicast);
	if (ret)
		return ret;
	return vdpr_mac_list_set(&state->multicast,
				 (const uint8_t *)net->multicast,
				 net->n_multicast);
}

static void dump_modes(const struct sim *sim, struct vdpr_state *state)
{
	const int8_t *rx = sim->net.rx;

	know(state, VDPR_RX_PROMISCUOUS, rx[0] < 0);
	state->promiscuous = rx[0] > 0;
	state->all_multicast = rx[1] > 0;
	state->all_unicast = rx[2] > 0;
	state->no_multicast = rx[3] > 0;
	state->no_unicast = rx[4] > 0;
	state->no_broadcast = rx[5] > 0;
	memcpy(state->vlan, sim->net.vlan, sizeof(state->vlan));
}

static int dump_steering(const struct sim *sim, struct vdpr_state *state)
{
	const struct sim_net *net = &sim->net;

	state->queue_pairs = net->pairs;
	if (know(state, VDPR_RSS, !net->has_rss) && net->has_rss) {
		int ret = vdpr_rss_copy(&state->rss, &net->rss);

		if (ret)
			return ret;
	}
	vdpr_state_settle_hash(state);
	if (know(state, VDPR_HASH_REPORT, !net->has_hash) && net->has_hash)
		state->hash_report = net->hash;
	state->offloads = net->offloads;
	return 0;
}

static int dump_coalescing(const struct sim *sim, struct vdpr_state *state)
{
	state->coal_rx = sim->net.rx_coal;
	state->coal_tx = sim->net.tx_coal;
	if (!vdpr_member_required(state, VDPR_COAL_QUEUES))
		return 0;
	for (uint32_t i = 0; i < 2 * sim->opts->pairs; i++) {
		int ret;

		if (!sim->vq[i].coal_own)
			continue;
		ret = vdpr_coal_queue_set(state, (uint16_t)i, &sim->vq[i].coal);
		if (ret)
			return ret;
	}
	return 0;
}

static int dump_vrings(const struct sim *sim, struct vdpr_state *state)
{
	struct vdpr_vring_state *vring = calloc(sim->n_vqs, sizeof(*vring));
	bool packed = vdpr_sim_has(sim, VIRTIO_F_RING_PACKED);

	if (!vring)
		return -ENOMEM;
	for (uint32_t i = 0; i < sim->n_vqs; i++) {
		const struct sim_vq *vq = &sim->vq[i];

		vring[i] = (struct vdpr_vring_state){
			.has = VDPR_VRING_SIZE | VDPR_VRING_BASE |
			       VDPR_VRING_ENABLED,
			.index = i,
			.size = vdpr_sim_num(sim, vq),
			.base = vq->avail |
				(packed ? (uint32_t)vq->used << 16 : 0),
			.enabled = vq->ready,
			.desc = vq->desc,
			.driver = vq->driver,
			.device = vq->device,
		};
		if (vq->has_addr)
			vring[i].has |= VDPR_VRING_DESC | VDPR_VRING_DRIVER |
					VDPR_VRING_DEVICE;
	}
	state->has_vrings = true;
	state->vrings = vring;
	state->n_vrings = sim->n_vqs;
	return 0;
}

static int fill(struct sim *sim, struct vdpr_state *state)
{
	struct vdpr_net_config config;
	int ret = vdpr_dev_read_config(&sim->base, &sim->opts->features,
				       SIM_CONFIG_SIZE, &config);

	if (!ret)
		ret = vdpr_state_start(sim->ctx, state, &sim->opts->features,
				       &sim->negotiated, &config, 0);
	if (!ret && vdpr_sim_has(sim, VIRTIO_NET_F_CTRL_VQ))
		ret = dump_mac(sim, state);
	if (!ret && vdpr_sim_has(sim, VIRTIO_NET_F_CTRL_VQ)) {
		dump_modes(sim, state);
		ret = dump_steering(sim, state);
	}
	if (!ret && vdpr_sim_has(sim, VIRTIO_NET_F_CTRL_VQ))
		ret = dump_coalescing(sim, state);
	return ret ? ret : dump_vrings(sim, state);
}

void vdpr_sim_dump(struct sim *sim)
{
	_cleanup_(freep) struct vdpr_state *state = NULL;
	int ret = vdpr_state_new(sim->ctx, &state);

	if (!ret)
		ret = fill(sim, state);
	if (!ret)
		ret = vdpr_state_set_origin(sim->ctx, state, "device:sim");
	if (!ret)
		ret = vdpr_state_write(sim->ctx, state, sim->opts->dump);
	if (ret)
		vdpr_log(sim->ctx, VDPR_LOG_WARNING, "sim: dump=%s: %s",
			 sim->opts->dump, strerror(-ret));
}
