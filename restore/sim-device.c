/* SPDX-License-Identifier: MIT */
/* The simulated device: what its parts share, its config space, its reset. */
#include <string.h>
#include <sys/eventfd.h>

#include "restore/sim.h"

/* Reported where a real device reports what its port runs at. */
#define SPEED 25000u	 /* Mbit/s */
#define HASH_TYPES 0x3fu /* ipv4, tcpv4, udpv4, ipv6, tcpv6, udpv6 */

uint32_t vdpr_sim_cvq_index(const struct sim *sim)
{
	if (vdpr_sim_has(sim, VIRTIO_NET_F_MQ) ||
	    vdpr_sim_has(sim, VIRTIO_NET_F_RSS))
		return 2 * sim->opts->pairs;
	return 2;
}

bool vdpr_sim_is_cvq(const struct sim *sim, const struct sim_vq *vq)
{
	return vdpr_sim_has(sim, VIRTIO_NET_F_CTRL_VQ) &&
	       vq->index == vdpr_sim_cvq_index(sim);
}

uint32_t vdpr_sim_group(const struct sim *sim, uint32_t index)
{
	return sim->opts->isolated && index == vdpr_sim_cvq_index(sim);
}

uint32_t vdpr_sim_asid(const struct sim *sim, const struct sim_vq *vq)
{
	return sim->group_asid[vdpr_sim_group(sim, vq->index)];
}

uint32_t vdpr_sim_max_num(const struct sim *sim, uint32_t index)
{
	if (index == vdpr_sim_cvq_index(sim) &&
	    !vdpr_sim_quirk(sim, SIM_EXACT_SIZE))
		return sim->opts->cvq_size;
	return sim->opts->queue_size;
}

uint32_t vdpr_sim_largest(const struct sim *sim)
{
	uint32_t cvq = vdpr_sim_max_num(sim, vdpr_sim_cvq_index(sim));

	return cvq > sim->opts->queue_size ? cvq : sim->opts->queue_size;
}

uint32_t vdpr_sim_num(const struct sim *sim, const struct sim_vq *vq)
{
	uint32_t max = vdpr_sim_max_num(sim, vq->index);

	if (vdpr_sim_quirk(sim, SIM_CVQ16) && vdpr_sim_is_cvq(sim, vq))
		return 16;
	/* A larger ring is taken without a word and then not used. */
	return vq->num && vq->num < max ? vq->num : max;
}

void vdpr_sim_config_init(struct sim *sim)
{
	const struct sim_opts *opts = sim->opts;
	uint8_t *c = sim->config;

	memcpy(c, opts->mac, sizeof(opts->mac));
	vdpr_put_le16(c + offsetof(struct virtio_net_config, status),
		      VIRTIO_NET_S_LINK_UP);
	vdpr_put_le16(
		c + offsetof(struct virtio_net_config, max_virtqueue_pairs),
		(uint16_t)opts->pairs);
	vdpr_put_le16(c + offsetof(struct virtio_net_config, mtu), opts->mtu);
	vdpr_put_le32(c + offsetof(struct virtio_net_config, speed), SPEED);
	c[offsetof(struct virtio_net_config, duplex)] = VDPR_DUPLEX_FULL;
	c[offsetof(struct virtio_net_config, rss_max_key_size)] =
		opts->key_size;
	vdpr_put_le16(c + offsetof(struct virtio_net_config,
				   rss_max_indirection_table_length),
		      opts->table_size);
	vdpr_put_le32(
		c + offsetof(struct virtio_net_config, supported_hash_types),
		HASH_TYPES);
}
_Static_assert(sizeof(struct virtio_net_config) == SIM_CONFIG_SIZE,
	       "config space up to supported_hash_types");

void vdpr_sim_signal(int fd)
{
	if (fd >= 0)
		/* A full counter is a signal that nobody has read yet. */
		(void)eventfd_write(fd, 1);
}

void vdpr_sim_break(struct sim *sim, struct sim_vq *vq)
{
	sim->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	vdpr_sim_signal(sim->config_call);
	vdpr_sim_signal(vq->err);
}

static void reset_vq(struct sim_vq *vq)
{
	vq->ready = false;
	vq->has_addr = false;
	vq->desc = vq->driver = vq->device = 0;
	vq->avail = vq->used = 0;
	vq->unsignalled = 0;
	vq->pending = false;
	vq->num = 0;
	/* Parents forget their callback; vhost goes on polling the kick. */
	vdpr_close_fd(vq->call);
	vq->call = -1;
}

void vdpr_sim_reset(struct sim *sim)
{
	vdpr_sim_answer_late(sim);
	sim->generation++;
	pthread_cond_broadcast(&sim->wake);
	sim->status = 0;
	sim->suspended = false;
	sim->silent = false;
	sim->withheld = false;
	sim->negotiated = (struct vdpr_features){ { 0, 0 } };
	for (uint32_t i = 0; i < sim->n_vqs; i++)
		reset_vq(&sim->vq[i]);
	memset(sim->group_asid, 0, sizeof(sim->group_asid));
	if (!(sim->backend & BIT_ULL(VHOST_BACKEND_F_IOTLB_PERSIST)))
		vdpr_sim_iotlb_clean(sim);
	vdpr_sim_config_init(sim);
	vdpr_sim_net_reset(sim);
}
