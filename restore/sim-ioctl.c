/* SPDX-License-Identifier: MIT */
/* The simulator's char device: which request is answered how, as Linux 6.12. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "restore/sim.h"

/*
 * One row is a request and its rules. The order of the tests is the kernel's:
 * owner (EPERM), the argument (EFAULT), the queue's index (ENOBUFS), then the
 * request itself.
 */
enum {
	NEEDS_OWNER = 1 << 0,
	NO_ARG = 1 << 1,
	HAS_INDEX = 1 << 2, /* the argument begins with a queue's index */
	VRING = NEEDS_OWNER | HAS_INDEX,
};

struct request {
	unsigned long request;
	unsigned int rules;
	int (*run)(struct sim *sim, struct sim_vq *vq, void *arg);
};

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

/* As many address spaces as groups: with one group there is nothing to part. */
static uint32_t n_groups(const struct sim *sim)
{
	return sim->opts->isolated ? SIM_SPACES : 1;
}

static int get_groups(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)vq;
	return put32(arg, n_groups(sim));
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
	uint16_t num = (uint16_t)sim->opts->queue_size;

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
	if (bits & BIT_ULL(VHOST_BACKEND_F_DESC_ASID))
		return bits & BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID) ? -EOPNOTSUPP
								  : -EINVAL;
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

/* -------------------------------------------------------------------- eventfds */

/* Does a descriptor lead to an eventfd? Without /proc we believe it. */
static bool is_eventfd(int fd)
{
	static const char want[] = "anon_inode:[eventfd]";
	char path[32], target[sizeof(want)];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, target, sizeof(target));
	if (len < 0)
		return true;
	return len == sizeof(want) - 1 &&
	       !memcmp(target, want, sizeof(want) - 1);
}

/* Puts a duplicate of the caller's eventfd in place of the one that is there. */
static int replace_fd(int *slot, int fd)
{
	int copy = -1;

	if (fd != VHOST_FILE_UNBIND) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return -errno;
		if (!is_eventfd(copy)) {
			vdpr_close_fd(copy);
			return -EINVAL;
		}
	}
	vdpr_close_fd(*slot);
	*slot = copy;
	return 0;
}

static int get_fd(const void *arg)
{
	struct vhost_vring_file file;

	memcpy(&file, arg, sizeof(file));
	return file.fd;
}

static int set_kick(struct sim *sim, struct sim_vq *vq, void *arg)
{
	/* Edge-triggered like the kernel: it never reads a kick eventfd. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET,
				     .data.u32 = vq->index };
	int kick = -1;
	int ret = replace_fd(&kick, get_fd(arg));

	if (ret)
		return ret;
	if (kick >= 0 && epoll_ctl(sim->epoll, EPOLL_CTL_ADD, kick, &event)) {
		ret = -errno;
		vdpr_close_fd(kick);
		return ret;
	}
	/* The driver holds the same eventfd: closing ours would not do. */
	if (vq->kick >= 0)
		(void)epoll_ctl(sim->epoll, EPOLL_CTL_DEL, vq->kick, NULL);
	vdpr_close_fd(vq->kick);
	vq->kick = kick;
	return 0;
}

static int set_call(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)sim;
	return replace_fd(&vq->call, get_fd(arg));
}

static int set_err(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)sim;
	return replace_fd(&vq->err, get_fd(arg));
}

static int set_config_call(struct sim *sim, struct sim_vq *vq, void *arg)
{
	int fd;

	(void)vq;
	memcpy(&fd, arg, sizeof(fd));
	return replace_fd(&sim->config_call, fd);
}

/* ----------------------------------------------------------------------- rings */

static uint32_t get_num(const void *arg)
{
	struct vhost_vring_state state;

	memcpy(&state, arg, sizeof(state));
	return state.num;
}

static int put_num(void *arg, uint32_t index, uint32_t num)
{
	struct vhost_vring_state state = { .index = index, .num = num };

	memcpy(arg, &state, sizeof(state));
	return 0;
}

/* Rings stand still before DRIVER_OK and while suspended. */
static bool rings_fixed(const struct sim *sim)
{
	return sim->status & VIRTIO_CONFIG_S_DRIVER_OK && !sim->suspended;
}

static int set_num(struct sim *sim, struct sim_vq *vq, void *arg)
{
	uint32_t num = get_num(arg);

	if (!vdpr_is_pow2(num) || num > 0xffff || num > sim->opts->queue_size)
		return -EINVAL;
	vq->num = num;
	return 0;
}

static int set_addr(struct sim *sim, struct sim_vq *vq, void *arg)
{
	struct vhost_vring_addr addr;

	memcpy(&addr, arg, sizeof(addr));
	if (addr.flags & ~BIT(VHOST_VRING_F_LOG))
		return -EOPNOTSUPP;
	if (addr.avail_user_addr % 2 || addr.used_user_addr % 4 ||
	    addr.log_guest_addr % 4)
		return -EINVAL;
	if (rings_fixed(sim))
		return -EINVAL;
	vq->desc = addr.desc_user_addr;
	vq->driver = addr.avail_user_addr;
	vq->device = addr.used_user_addr;
	vq->has_addr = true;
	return 0;
}

static int set_base(struct sim *sim, struct sim_vq *vq, void *arg)
{
	bool packed = vdpr_sim_has(sim, VIRTIO_F_RING_PACKED);
	uint32_t num = get_num(arg);

	if (!packed && num > 0xffff)
		return -EINVAL;
	if (rings_fixed(sim))
		return -EINVAL;
	vq->avail = (uint16_t)num;
	vq->used = (uint16_t)(packed ? num >> 16 : num);
	return 0;
}

static int get_base(struct sim *sim, struct sim_vq *vq, void *arg)
{
	uint32_t base = vq->avail;

	if (vdpr_sim_has(sim, VIRTIO_F_RING_PACKED))
		base |= (uint32_t)vq->used << 16;
	return put_num(arg, vq->index, base);
}

static int set_enable(struct sim *sim, struct sim_vq *vq, void *arg)
{
	bool on = get_num(arg);

	if (on && !vq->ready && sim->status & VIRTIO_CONFIG_S_DRIVER_OK &&
	    sim->opts->late_enable == SIM_ENABLE_IGNORED)
		return 0;
	if (!on) {
		/* A queue that is disabled loses them (virtio 1.3, 5.1.6.5.8). */
		vq->coal = (struct vdpr_coal){ 0, 0 };
		vq->coal_own = false;
	}
	vq->ready = on;
	return 0;
}

static int get_size(struct sim *sim, struct sim_vq *vq, void *arg)
{
	/* Linux 6.8 has no such request; snet has no such operation. */
	if (vdpr_sim_quirk(sim, SIM_CVQ16))
		return -ENOTTY;
	if (vdpr_sim_quirk(sim, SIM_EXACT_SIZE))
		return -EOPNOTSUPP;
	return put_num(arg, vq->index, vdpr_sim_max_num(sim, vq->index));
}

static int get_group(struct sim *sim, struct sim_vq *vq, void *arg)
{
	if (!sim->opts->isolated)
		return -EOPNOTSUPP;
	return put_num(arg, vq->index, vdpr_sim_group(sim, vq->index));
}

static int get_desc_group(struct sim *sim, struct sim_vq *vq, void *arg)
{
	(void)sim;
	(void)vq;
	(void)arg;
	return -EOPNOTSUPP;
}

/* Here the index is a group, but the kernel holds it against the queues first. */
static int set_group_asid(struct sim *sim, struct sim_vq *vq, void *arg)
{
	uint32_t asid = get_num(arg);

	if (vq->index >= n_groups(sim) || asid >= n_groups(sim))
		return -EINVAL;
	if (!sim->opts->isolated)
		return -EOPNOTSUPP;
	sim->group_asid[vq->index] = asid;
	return 0;
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

static const struct request requests[] = {
	{ VHOST_GET_FEATURES, 0, get_features },
	{ VHOST_SET_FEATURES, 0, set_features },
	{ VHOST_GET_FEATURES_ARRAY, 0, get_features_array },
	{ VHOST_SET_FEATURES_ARRAY, 0, set_features_array },
	{ VHOST_SET_OWNER, NO_ARG, set_owner },
	{ VHOST_SET_LOG_BASE, NO_ARG, not_here },
	{ VHOST_SET_LOG_FD, NO_ARG, not_here },
	{ VHOST_GET_BACKEND_FEATURES, 0, get_backend },
	{ VHOST_SET_BACKEND_FEATURES, 0, set_backend },
	{ VHOST_SET_VRING_NUM, VRING, set_num },
	{ VHOST_SET_VRING_ADDR, VRING, set_addr },
	{ VHOST_SET_VRING_BASE, VRING, set_base },
	{ VHOST_GET_VRING_BASE, VRING, get_base },
	{ VHOST_SET_VRING_KICK, VRING, set_kick },
	{ VHOST_SET_VRING_CALL, VRING, set_call },
	{ VHOST_SET_VRING_ERR, VRING, set_err },
	{ VHOST_VDPA_GET_DEVICE_ID, 0, get_device_id },
	{ VHOST_VDPA_GET_STATUS, 0, get_status },
	{ VHOST_VDPA_SET_STATUS, 0, set_status },
	{ VHOST_VDPA_GET_CONFIG, 0, get_config },
	{ VHOST_VDPA_SET_CONFIG, 0, set_config },
	{ VHOST_VDPA_SET_VRING_ENABLE, VRING, set_enable },
	{ VHOST_VDPA_GET_VRING_NUM, 0, get_vring_num },
	{ VHOST_VDPA_SET_CONFIG_CALL, 0, set_config_call },
	{ VHOST_VDPA_GET_IOVA_RANGE, 0, get_iova_range },
	{ VHOST_VDPA_GET_CONFIG_SIZE, 0, get_config_size },
	{ VHOST_VDPA_GET_AS_NUM, 0, get_groups },
	{ VHOST_VDPA_GET_GROUP_NUM, 0, get_groups },
	{ VHOST_VDPA_GET_VQS_COUNT, 0, get_vqs_count },
	{ VHOST_VDPA_GET_VRING_GROUP, VRING, get_group },
	{ VHOST_VDPA_GET_VRING_DESC_GROUP, VRING, get_desc_group },
	{ VHOST_VDPA_SET_GROUP_ASID, VRING, set_group_asid },
	{ VHOST_VDPA_GET_VRING_SIZE, VRING, get_size },
	{ VHOST_VDPA_SUSPEND, NO_ARG, suspend },
	{ VHOST_VDPA_RESUME, NO_ARG, resume },
};

/* Whatever vhost-vdpa does not know goes to vhost, which asks for the owner. */
static const struct request unknown = { 0, NEEDS_OWNER | NO_ARG, not_here };

static const struct request *find_request(unsigned long request)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].request == request)
			return &requests[i];
	return &unknown;
}

int vdpr_sim_ioctl(struct sim *sim, unsigned long request, void *arg)
{
	const struct request *r = find_request(request);
	struct sim_vq *vq = NULL;
	uint32_t index;

	if (r->rules & NEEDS_OWNER && sim->owner != getpid())
		return -EPERM;
	if (!(r->rules & NO_ARG) && !arg)
		return -EFAULT;
	if (r->rules & HAS_INDEX) {
		memcpy(&index, arg, sizeof(index));
		if (index >= sim->n_vqs)
			return -ENOBUFS;
		vq = &sim->vq[index];
	}
	return r->run(sim, vq, arg);
}
