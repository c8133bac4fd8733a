/* SPDX-License-Identifier: MIT */
/* The simulator's char device: which request is answered how, as Linux 6.12. */
#include <errno.h>
#include <string.h>

#include "restore/sim.h"

/* ------------------------------------------------------------------- numbers */

static int put32(void *arg, uint32_t value)
{
	memcpy(arg, &value, sizeof(value));
	return 0;
}

static int get_device_id(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)sim;
	(void)vq;
	return put32(arg, VIRTIO_ID_NET);
}

static int get_config_size(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)sim;
	(void)vq;
	return put32(arg, SIM_CONFIG_SIZE);
}

static int get_vqs_count(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)vq;
	return put32(arg, sim->n_vqs);
}

static int get_groups(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)vq;
	return put32(arg, vdpr_sim_groups(sim));
}

static int get_iova_range(struct sim *sim, struct sim_vq *vq, void *arg)
{
	struct vhost_vdpa_iova_range range = { 0, UINT64_MAX };

	(void)sim;
	(void)vq;
	memcpy(arg, &range, sizeof(range));
	return 0;
}

static int get_vring_num(struct sim *sim, struct sim_vq *vq, void *arg)
{
	uint16_t num = (uint16_t)vdpr_sim_largest(sim);

	(void)vq;
	memcpy(arg, &num, sizeof(num));
	return 0;
}

/* -------------------------------------------------- owner, features, status */

static int set_owner(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)vq;
	(void)arg;
	if (sim->owner)
		return -EBUSY;
	sim->owner = getpid();
	if (sim->owned_here)
		*sim->owned_here = 1;
	return 0;
}

static int get_features(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)vq;
	memcpy(arg, &sim->opts->features.word[0], sizeof(uint64_t));
	return 0;
}

/* What octeon_ep insists on (Linux 6.12). */
static const uint8_t doorbell_bits[] = {
	VIRTIO_F_VERSION_1,
	VIRTIO_F_RING_PACKED,
	VIRTIO_F_NOTIFICATION_DATA,
};

static bool features_fit(const struct sim *sim,
			 const struct vdpr_features *want)
{
	const struct vdpr_features *offered = &sim->opts->features;
	struct vdpr_features foreign = vdpr_features_minus(want, offered);

	if (!vdpr_features_empty(&foreign))
		return false;
	if (vdpr_features_has(offered, VIRTIO_F_ACCESS_PLATFORM) &&
	    !vdpr_features_has(want, VIRTIO_F_ACCESS_PLATFORM))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(doorbell_bits); i++)
		if (vdpr_sim_quirk(sim, SIM_DOORBELL) &&
		    !vdpr_features_has(want, doorbell_bits[i]))
			return false;
	return true;
}

static int negotiate(struct sim *sim, const struct vdpr_features *want)
{
	const struct sim_ring_ops *before = vdpr_sim_ring(sim);

	if (sim->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return -EBUSY;
	if (!features_fit(sim, want))
		return -EINVAL;
	sim->negotiated = *want;
	vdpr_sim_net_reset(sim);
	if (vdpr_sim_ring(sim) == before)
		return 0;
	for (uint32_t i = 0; i < sim->n_vqs; i++) {
		sim->vq[i].avail = vdpr_sim_ring(sim)->initial;
		sim->vq[i].used = vdpr_sim_ring(sim)->initial;
	}
	return 0;
}

static int set_features(struct sim *sim, struct sim_vq *vq, void *arg)
{
	struct vdpr_features want = { { 0, 0 } };

	(void)vq;
	memcpy(&want.word[0], arg, sizeof(uint64_t));
	return negotiate(sim, &want);
}

/* Only a device with bits past 63 comes with a kernel that can say so. */
static bool has_array(const struct sim *sim)
{
	return sim->opts->features.word[1];
}

static int get_features_array(struct sim *sim, struct sim_vq *vq, void *arg)
{
	struct vdpr_features_array *array = arg;

	(void)vq;
	if (!has_array(sim))
		return -ENOTTY;
	for (uint64_t i = 0; i < array->count; i++)
		array->features[i] = i < 2 ? sim->opts->features.word[i] : 0;
	return 0;
}

static int set_features_array(struct sim *sim, struct sim_vq *vq, void *arg)
{
	const struct vdpr_features_array *array = arg;
	struct vdpr_features want = { { 0, 0 } };

	(void)vq;
	if (!has_array(sim))
		return -ENOTTY;
	for (uint64_t i = 0; i < array->count; i++) {
		if (i < 2)
			want.word[i] = array->features[i];
		else if (array->features[i])
			return -EOPNOTSUPP;
	}
	return negotiate(sim, &want);
}

#define BACKEND_ALWAYS                                                        \
	(BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2) |                              \
	 BIT_ULL(VHOST_BACKEND_F_IOTLB_BATCH) |                               \
	 BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID) |                                \
	 BIT_ULL(VHOST_BACKEND_F_SUSPEND) | BIT_ULL(VHOST_BACKEND_F_RESUME) | \
	 BIT_ULL(VHOST_BACKEND_F_IOTLB_PERSIST))

static int get_backend(struct sim *sim, struct sim_vq *vq, void *arg)
{
	uint64_t bits = BACKEND_ALWAYS;

	(void)vq;
	if (sim->opts->late_enable == SIM_ENABLE_ON)
		bits |= BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
	memcpy(arg, &bits, sizeof(bits));
	return 0;
}

static int set_backend(struct sim *sim, struct sim_vq *vq, void *arg)
{
	uint64_t bits;

	(void)vq;
	memcpy(&bits, arg, sizeof(bits));
	/* Bit 6 is taken from any driver, offered or not: so does the kernel. */
	if (bits &
	    ~(BACKEND_ALWAYS | BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK) |
	      BIT_ULL(VHOST_BACKEND_F_DESC_ASID)))
		return -EOPNOTSUPP;
	if (bits & BIT_ULL(VHOST_BACKEND_F_DESC_ASID)) {
		if (!(bits & BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID)))
			return -EINVAL;
		return -EOPNOTSUPP;
	}
	sim->backend = bits;
	return 0;
}

static int get_status(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)vq;
	memcpy(arg, &sim->status, 1);
	return 0;
}

/* snet tells its DPU of every ring at DRIVER_OK; one that does not fit it
 * makes the driver say FAILED. */
static bool sizes_fit(const struct sim *sim)
{
	for (uint32_t i = 0; i < sim->n_vqs; i++)
		if (sim->vq[i].has_addr &&
		    sim->vq[i].num != sim->opts->queue_size)
			return false;
	return true;
}

/* Lower limits and another MAC, behind the driver's back. */
static void change_config(struct sim *sim)
{
	uint8_t *config = sim->config;
	uint16_t table = (uint16_t)(sim->opts->table_size / 2);

	config[5] ^= 0xff;
	vdpr_put_le16(config + offsetof(struct virtio_net_config,
					max_virtqueue_pairs),
		      1);
	vdpr_put_le16(config + offsetof(struct virtio_net_config, mtu), 68);
	config[offsetof(struct virtio_net_config, rss_max_key_size)] =
		sim->opts->key_size / 2;
	vdpr_put_le16(config + offsetof(struct virtio_net_config,
					rss_max_indirection_table_length),
		      table ? table : 1);
	vdpr_sim_signal(sim->config_call);
}

static void driver_ok(struct sim *sim, uint8_t status)
{
	if (vdpr_sim_quirk(sim, SIM_EXACT_SIZE) && !sizes_fit(sim)) {
		sim->status |= VIRTIO_CONFIG_S_FAILED;
		return;
	}
	sim->status = status;
	if (vdpr_sim_hostile(sim, SIM_NO_DRIVER_OK))
		sim->status &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	if (vdpr_sim_hostile(sim, SIM_CONFIG_CHANGE))
		change_config(sim);
	/* The doorbell has no eventfd: the thread must begin to look at it. */
	if (sim->has_doorbell)
		vdpr_sim_signal(sim->control);
}

static int set_status(struct sim *sim, struct sim_vq *vq, void *arg)
{
	uint8_t status;

	(void)vq;
	memcpy(&status, arg, 1);
	if (!status) {
		vdpr_sim_reset(sim);
		return 0;
	}
	if (sim->status & ~status)
		return -EINVAL;
	if (vdpr_sim_hostile(sim, SIM_NO_FEATURES_OK))
		status &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	if (status & ~sim->status & VIRTIO_CONFIG_S_DRIVER_OK)
		driver_ok(sim, status);
	else
		sim->status = status;
	return 0;
}

static int suspend(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)vq;
	(void)arg;
	if (sim->status & VIRTIO_CONFIG_S_DRIVER_OK)
		sim->suspended = true;
	return 0;
}

static int resume(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)vq;
	(void)arg;
	if (sim->status & VIRTIO_CONFIG_S_DRIVER_OK)
		sim->suspended = false;
	/* The thread works off what was kicked meanwhile. */
	vdpr_sim_signal(sim->control);
	return 0;
}

/* --------------------------------------------------------------------- config */

static int config_range(const struct vhost_vdpa_config *c)
{
	if (!c->len || c->off > SIM_CONFIG_SIZE ||
	    c->len > SIM_CONFIG_SIZE - c->off)
		return -EINVAL;
	return 0;
}

static int get_config(struct sim *sim, struct sim_vq *vq, void *arg)
{
	struct vhost_vdpa_config *c = arg;
	int ret = config_range(c);

	(void)vq;
	if (!ret)
		memcpy(c->buf, sim->config + c->off, c->len);
	return ret;
}

/* All of it is read-only to a driver of virtio 1.x (5.1.4.2). */
static int set_config(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)sim;
	(void)vq;
	return config_range(arg);
}

/* ------------------------------------------------------------------- the table */

/* Known to vhost, refused by vhost-vdpa before it asks for the owner. */
static int not_here(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)sim;
	(void)vq;
	(void)arg;
	return -ENOTTY;
}

static const struct sim_request requests[] = {
	SIM_ROW(VHOST_GET_FEATURES, 0, get_features),
	SIM_ROW(VHOST_SET_FEATURES, 0, set_features),
	SIM_ROW(VHOST_GET_FEATURES_ARRAY, 0, get_features_array),
	SIM_ROW(VHOST_SET_FEATURES_ARRAY, 0, set_features_array),
	SIM_ROW(VHOST_SET_OWNER, SIM_NO_ARG, set_owner),
	SIM_ROW(VHOST_SET_LOG_BASE, SIM_NO_ARG, not_here),
	SIM_ROW(VHOST_SET_LOG_FD, SIM_NO_ARG, not_here),
	SIM_ROW(VHOST_GET_BACKEND_FEATURES, 0, get_backend),
	SIM_ROW(VHOST_SET_BACKEND_FEATURES, 0, set_backend),
	SIM_ROW(VHOST_VDPA_GET_DEVICE_ID, 0, get_device_id),
	SIM_ROW(VHOST_VDPA_GET_STATUS, 0, get_status),
	SIM_ROW(VHOST_VDPA_SET_STATUS, 0, set_status),
	SIM_ROW(VHOST_VDPA_GET_CONFIG, 0, get_config),
	SIM_ROW(VHOST_VDPA_SET_CONFIG, 0, set_config),
	SIM_ROW(VHOST_VDPA_GET_VRING_NUM, 0, get_vring_num),
	SIM_ROW(VHOST_VDPA_GET_IOVA_RANGE, 0, get_iova_range),
	SIM_ROW(VHOST_VDPA_GET_CONFIG_SIZE, 0, get_config_size),
	SIM_ROW(VHOST_VDPA_GET_AS_NUM, 0, get_groups),
	SIM_ROW(VHOST_VDPA_GET_GROUP_NUM, 0, get_groups),
	SIM_ROW(VHOST_VDPA_GET_VQS_COUNT, 0, get_vqs_count),
	SIM_ROW(VHOST_VDPA_SUSPEND, SIM_NO_ARG, suspend),
	SIM_ROW(VHOST_VDPA_RESUME, SIM_NO_ARG, resume),
};

/* Whatever vhost-vdpa does not know goes to vhost, which asks for the owner. */
static const struct sim_request unknown = { 0, SIM_NEEDS_OWNER | SIM_NO_ARG,
					    not_here };

static const struct sim_request *find_in(const struct sim_request *table,
					 size_t count, unsigned long request)
{
	size_t place = SIM_PLACE(request);

	if (place >= count || !table[place].run ||
	    table[place].request != request)
		return NULL;
	return &table[place];
}

static const struct sim_request *find_request(unsigned long request)
{
	const struct sim_request *r =
		find_in(requests, ARRAY_SIZE(requests), request);

	if (!r)
		r = find_in(vdpr_sim_vring_requests, vdpr_sim_vring_count,
			    request);
	return r ? r : &unknown;
}

int vdpr_sim_ioctl(struct sim *sim, unsigned long request, void *arg)
{
	const struct sim_request *r = find_request(request);
	struct sim_vq *vq = NULL;
	uint32_t index;

	if (r->rules & SIM_NEEDS_OWNER && !vdpr_sim_is_owner(sim))
		return -EPERM;
	if (!(r->rules & SIM_NO_ARG) && !arg)
		return -EFAULT;
	if (r->rules & SIM_HAS_INDEX) {
		memcpy(&index, arg, sizeof(index));
		if (index >= sim->n_vqs)
			return -ENOBUFS;
		vq = &sim->vq[index];
	}
	return r->run(sim, vq, arg);
}
