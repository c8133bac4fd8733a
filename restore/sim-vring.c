/* SPDX-License-Identifier: MIT */
/* The simulator's char device: the requests about one queue, and eventfds. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "restore/sim.h"

/* -------------------------------------------------------------------- eventfds */

/* Can a descriptor be an eventfd? Those refuse to be read by less than 8 bytes, where
 * files, pipes and sockets give nothing; the few others that do so, too (epoll,
 * timerfd), would take a look into /proc to tell apart. */
static bool is_eventfd(int fd)
{
	char none[1];

	return read(fd, none, 0) < 0 && errno == EINVAL;
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

/* Nothing comes of a kick of a receive queue: this device receives nothing. Which of
 * those of even number is the control virtqueue the features may yet say. */
static bool hears_kicks(const struct sim *sim, const struct sim_vq *vq)
{
	return vq->index % 2 || vq->index == 2 ||
	       vq->index == 2 * sim->opts->pairs;
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
	if (kick >= 0 && hears_kicks(sim, vq) &&
	    epoll_ctl(sim->epoll, EPOLL_CTL_ADD, kick, &event)) {
		ret = -errno;
		vdpr_close_fd(kick);
		return ret;
	}
	/* The driver holds the same eventfd: closing ours would not do. */
	if (vq->kick >= 0 && hears_kicks(sim, vq))
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

	if (!vdpr_is_pow2(num) || num > 0xffff || num > vdpr_sim_largest(sim))
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

	if (vq->index >= vdpr_sim_groups(sim) || asid >= vdpr_sim_groups(sim))
		return -EINVAL;
	if (!sim->opts->isolated)
		return -EOPNOTSUPP;
	sim->group_asid[vq->index] = asid;
	return 0;
}

/* ------------------------------------------------------------------- the table */

const struct sim_request vdpr_sim_vring_requests[] = {
	SIM_ROW(VHOST_SET_VRING_NUM, SIM_VRING, set_num),
	SIM_ROW(VHOST_SET_VRING_ADDR, SIM_VRING, set_addr),
	SIM_ROW(VHOST_SET_VRING_BASE, SIM_VRING, set_base),
	SIM_ROW(VHOST_GET_VRING_BASE, SIM_VRING, get_base),
	SIM_ROW(VHOST_SET_VRING_KICK, SIM_VRING, set_kick),
	SIM_ROW(VHOST_SET_VRING_CALL, SIM_VRING, set_call),
	SIM_ROW(VHOST_SET_VRING_ERR, SIM_VRING, set_err),
	SIM_ROW(VHOST_VDPA_SET_VRING_ENABLE, SIM_VRING, set_enable),
	SIM_ROW(VHOST_VDPA_SET_CONFIG_CALL, 0, set_config_call),
	SIM_ROW(VHOST_VDPA_GET_VRING_GROUP, SIM_VRING, get_group),
	SIM_ROW(VHOST_VDPA_GET_VRING_DESC_GROUP, SIM_VRING, get_desc_group),
	SIM_ROW(VHOST_VDPA_SET_GROUP_ASID, SIM_VRING, set_group_asid),
	SIM_ROW(VHOST_VDPA_GET_VRING_SIZE, SIM_VRING, get_size),
};
const size_t vdpr_sim_vring_count = ARRAY_SIZE(vdpr_sim_vring_requests);
