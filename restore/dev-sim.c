/* SPDX-License-Identifier: MIT */
/* The simulator as a device: life cycle and the thread that plays the hardware. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

#include "restore/ctx.h"
#include "restore/sim.h"

#define CONTROL UINT32_MAX	 /* epoll data of the control eventfd */
#define DOORBELL_NS 50000	 /* how often doorbells are looked at */
#define DOORBELL_IDLE UINT32_MAX /* no driver writes that: no such queue */

/* Reported where a real device reports what its port runs at. */
#define SPEED 25000u	 /* Mbit/s */
#define HASH_TYPES 0x3fu /* ipv4, tcpv4, udpv4, ipv6, tcpv6, udpv6 */

/* ------------------------------------------------------ what the parts share */

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
	    sim->opts->cvq_size < sim->opts->queue_size &&
	    !vdpr_sim_quirk(sim, SIM_EXACT_SIZE))
		return sim->opts->cvq_size;
	return sim->opts->queue_size;
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

/* ------------------------------------------------------------------ the thread */

/* Works off what was kicked while the device was suspended. */
static void take_pending(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->n_vqs; i++) {
		if (!sim->vq[i].pending || sim->suspended)
			continue;
		sim->vq[i].pending = false;
		vdpr_sim_kicked(sim, &sim->vq[i], -1);
	}
}

/* A notification carries queue and avail position (virtio 1.3, 2.9). */
static void look_at_doorbells(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->n_vqs; i++) {
		struct sim_vq *vq = &sim->vq[i];
		uint32_t raw, data;

		if (!vq->doorbell)
			continue;
		raw = __atomic_exchange_n((uint32_t *)vq->doorbell,
					  DOORBELL_IDLE, __ATOMIC_ACQ_REL);
		data = vdpr_get_le32(&raw);
		if (data != DOORBELL_IDLE && (data & 0xffff) == i)
			vdpr_sim_kicked(sim, vq, (int)(data >> 16));
	}
}

static void event(struct sim *sim, uint32_t data)
{
	eventfd_t value;

	if (data == CONTROL) {
		(void)eventfd_read(sim->control, &value);
		take_pending(sim);
	} else if (!vdpr_sim_quirk(sim, SIM_DOORBELL)) {
		vdpr_sim_kicked(sim, &sim->vq[data], -1);
	}
}

/* Sleeps until a descriptor is ready or doorbells are to be looked at. */
static void sleep_on(int epoll, bool doorbells)
{
	struct timespec soon = { 0, DOORBELL_NS };
	struct pollfd fd = { .fd = epoll, .events = POLLIN };

	(void)ppoll(&fd, 1, doorbells ? &soon : NULL, NULL);
}

static void *run(void *data)
{
	struct sim *sim = data;
	struct epoll_event events[16];

	pthread_mutex_lock(&sim->lock);
	while (!sim->quit) {
		bool doorbells = sim->has_doorbell &&
				 sim->status & VIRTIO_CONFIG_S_DRIVER_OK;
		int n;

		pthread_mutex_unlock(&sim->lock);
		sleep_on(sim->epoll, doorbells);
		n = epoll_wait(sim->epoll, events, ARRAY_SIZE(events), 0);
		pthread_mutex_lock(&sim->lock);
		for (int i = 0; i < n && !sim->quit; i++)
			event(sim, events[i].data.u32);
		if (doorbells && !sim->quit)
			look_at_doorbells(sim);
	}
	pthread_mutex_unlock(&sim->lock);
	return NULL;
}

/* The process's signals are for its own threads. */
static int start_thread(struct sim *sim)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&sim->thread, NULL, run, sim);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	sim->has_thread = !ret;
	return -ret;
}

static void stop_thread(struct sim *sim)
{
	if (!sim->has_thread)
		return;
	pthread_mutex_lock(&sim->lock);
	sim->quit = true;
	pthread_cond_broadcast(&sim->wake);
	pthread_mutex_unlock(&sim->lock);
	vdpr_sim_signal(sim->control);
	pthread_join(sim->thread, NULL);
	sim->has_thread = false;
}

/* --------------------------------------------------------------- the interface */

static int sim_ioctl(struct vdpr_dev *dev, unsigned long request, void *arg)
{
	struct sim *sim = (struct sim *)dev;
	int ret;

	pthread_mutex_lock(&sim->lock);
	ret = vdpr_sim_ioctl(sim, request, arg);
	pthread_mutex_unlock(&sim->lock);
	return ret;
}

static int sim_iotlb(struct vdpr_dev *dev, const struct vhost_msg_v2 *msg)
{
	struct sim *sim = (struct sim *)dev;
	int ret;

	pthread_mutex_lock(&sim->lock);
	ret = vdpr_sim_iotlb(sim, msg);
	pthread_mutex_unlock(&sim->lock);
	return ret;
}

/* One page of a memfd, seen by both sides. */
static int map_page(size_t size, void **ours, void **theirs)
{
	_cleanup_close_ int fd = memfd_create("vdpr-doorbell", MFD_CLOEXEC);
	void *a, *b;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size))
		return -errno;
	a = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (a == MAP_FAILED)
		return -errno;
	/* A driver may only write to a real one. */
	b = mmap(NULL, size, PROT_WRITE, MAP_SHARED, fd, 0);
	if (b == MAP_FAILED) {
		int ret = -errno;

		munmap(a, size);
		return ret;
	}
	*ours = a;
	*theirs = b;
	return 0;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int map_doorbell(struct sim *sim, uint32_t index, void **page)
{
	struct sim_vq *vq;
	void *ours = NULL;
	int ret;

	if (index >= sim->n_vqs)
		return -EINVAL;
	if (!vdpr_sim_quirk(sim, SIM_DOORBELL))
		return -ENOTSUP;
	ret = map_page(page_size(), &ours, page);
	if (ret)
		return ret;
	vq = &sim->vq[index];
	if (vq->doorbell)
		munmap(vq->doorbell, page_size());
	*(uint32_t *)ours = DOORBELL_IDLE;
	vq->doorbell = ours;
	sim->has_doorbell = true;
	return 0;
}

static int sim_doorbell(struct vdpr_dev *dev, uint32_t index, void **page)
{
	struct sim *sim = (struct sim *)dev;
	int ret;

	pthread_mutex_lock(&sim->lock);
	ret = map_doorbell(sim, index, page);
	pthread_mutex_unlock(&sim->lock);
	vdpr_sim_signal(sim->control);
	return ret;
}

static void close_vq(struct sim_vq *vq)
{
	vdpr_close_fd(vq->kick);
	vdpr_close_fd(vq->call);
	vdpr_close_fd(vq->err);
	if (vq->doorbell)
		munmap(vq->doorbell, page_size());
}

/* Frees all but what vdpr_dev_close() frees of every device. */
static void sim_free(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->n_vqs; i++)
		close_vq(&sim->vq[i]);
	vdpr_close_fd(sim->config_call);
	vdpr_close_fd(sim->control);
	vdpr_close_fd(sim->epoll);
	vdpr_sim_net_free(sim);
	vdpr_sim_iotlb_free(sim);
	vdpr_buf_free(&sim->chain.out);
	free(sim->chain.in);
	vdpr_sim_opts_free(sim->opts);
	pthread_cond_destroy(&sim->wake);
	pthread_mutex_destroy(&sim->lock);
	free(sim);
}

static void sim_close(struct vdpr_dev *dev)
{
	struct sim *sim = (struct sim *)dev;

	stop_thread(sim);
	if (sim->opts->dump)
		vdpr_sim_dump(sim);
	pthread_mutex_lock(&sim->lock);
	vdpr_sim_reset(sim);
	pthread_mutex_unlock(&sim->lock);
	sim_free(sim);
}

static const struct vdpr_dev_ops sim_ops = {
	.ioctl = sim_ioctl,
	.iotlb = sim_iotlb,
	.doorbell = sim_doorbell,
	.close = sim_close,
};

/* --------------------------------------------------------------------- opening */

static void init_sync(struct sim *sim)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&sim->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&sim->wake, &attr);
	pthread_condattr_destroy(&attr);
}

/* An empty device that sim_free() can free. Takes @opts. */
static struct sim *sim_alloc(struct vdpr_ctx *ctx, struct sim_opts *opts)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return NULL;
	init_sync(sim);
	sim->base.ops = &sim_ops;
	sim->ctx = ctx;
	sim->opts = opts;
	sim->epoll = sim->control = sim->config_call = -1;
	sim->n_vqs = 2 * opts->pairs + 1;
	for (uint32_t i = 0; i < SIM_VQS_MAX; i++) {
		sim->vq[i].index = i;
		sim->vq[i].kick = sim->vq[i].call = sim->vq[i].err = -1;
	}
	return sim;
}

/* The driver whose peculiarity is played: the key to what is known of it. */
static const char *driver_of(const struct sim *sim)
{
	if (vdpr_sim_quirk(sim, SIM_CVQ16))
		return "mlx5_core";
	if (vdpr_sim_quirk(sim, SIM_EXACT_SIZE))
		return "snet-vdpa-driver";
	return vdpr_sim_quirk(sim, SIM_DOORBELL) ? "octep_vdpa" : NULL;
}

static int set_names(struct sim *sim, const char *name)
{
	const char *driver = driver_of(sim);
	struct vdpr_dev *base = &sim->base;

	base->kernel = vdpr_sim_quirk(sim, SIM_CVQ16) ? VDPR_KERNEL(6, 8)
						      : VDPR_KERNEL(6, 12);
	base->name = strdup(name);
	base->vdpa = strdup("sim");
	base->driver = driver ? strdup(driver) : NULL;
	if (!base->name || !base->vdpa || (driver && !base->driver))
		return -ENOMEM;
	return 0;
}

static int open_fds(struct sim *sim)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = CONTROL };

	sim->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sim->epoll < 0)
		return -errno;
	sim->control = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sim->control < 0)
		return -errno;
	return epoll_ctl(sim->epoll, EPOLL_CTL_ADD, sim->control, &event)
		       ? -errno
		       : 0;
}

static int sim_start(struct sim *sim, const char *name)
{
	int ret = set_names(sim, name);

	if (!ret)
		ret = open_fds(sim);
	if (ret)
		return ret;
	vdpr_sim_reset(sim);
	return start_thread(sim);
}

int vdpr_sim_open(struct vdpr_ctx *ctx, const char *name, struct vdpr_dev **out)
{
	struct sim_opts *opts;
	struct sim *sim;
	int ret = vdpr_sim_parse(ctx, name, &opts);

	if (ret)
		return ret;
	if (opts->busy) {
		vdpr_sim_opts_free(opts);
		ret = vdpr_fail(ctx, VDPR_CAUSE_ACCESS, -EBUSY, "%s: open: %s",
				name, strerror(EBUSY));
		vdpr_cure(ctx, "the key busy=on asks for this");
		return ret;
	}
	sim = sim_alloc(ctx, opts);
	if (!sim) {
		vdpr_sim_opts_free(opts);
		return vdpr_fail_memory(ctx);
	}
	ret = sim_start(sim, name);
	if (!ret) {
		*out = &sim->base;
		return 0;
	}
	free(sim->base.name);
	free(sim->base.vdpa);
	free(sim->base.driver);
	sim_free(sim);
	return vdpr_fail(ctx, VDPR_CAUSE_OTHER, ret, "%s: open: %s", name,
			 strerror(-ret));
}
