/* SPDX-License-Identifier: MIT */
/* The simulator as a device: life cycle and the thread that plays the hardware. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

#include "restore/ctx.h"
#include "restore/sim.h"

#define CONTROL UINT32_MAX	 /* epoll data of the control eventfd */
#define DOORBELL_NS 50000	 /* how often doorbells are looked at */
#define DOORBELL_IDLE UINT32_MAX /* no driver writes that: no such queue */

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

static void take_event(struct sim *sim, uint32_t data)
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
static int sleep_on(int epoll, bool doorbells, struct epoll_event *events,
		    int count)
{
	struct timespec soon = { 0, DOORBELL_NS };
	struct pollfd fd = { .fd = epoll, .events = POLLIN };

	if (doorbells)
		(void)ppoll(&fd, 1, &soon, NULL);
	return epoll_wait(epoll, events, count, doorbells ? 0 : -1);
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
		n = sleep_on(sim->epoll, doorbells, events, ARRAY_SIZE(events));
		pthread_mutex_lock(&sim->lock);
		for (int i = 0; i < n && !sim->quit; i++)
			take_event(sim, events[i].data.u32);
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
	*(uint32_t *)a = DOORBELL_IDLE;
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
	if (sim->owned_here)
		munmap(sim->owned_here, page_size());
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

/* A page that a forked child sees empty: the owner is an address space, and to ask
 * the kernel for the process at every request costs as much as the request. */
static int *owner_page(void)
{
	void *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (!madvise(page, page_size(), MADV_WIPEONFORK))
		return page;
	munmap(page, page_size());
	return NULL;
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
	sim->owned_here = owner_page();
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

/* Judged when it is opened: close() could tell nobody. */
static bool can_be_written(const char *path)
{
	_cleanup_free_ char *dir = strdup(path);
	struct stat st;
	char *slash;

	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return false;
	slash = dir ? strrchr(dir, '/') : NULL;
	if (!slash)
		return dir && !access(".", W_OK | X_OK);
	slash[slash == dir] = '\0'; /* "/" keeps its slash */
	return !access(dir, W_OK | X_OK);
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
	if (opts->dump && !can_be_written(opts->dump)) {
		ret = vdpr_fail(ctx, VDPR_CAUSE_OTHER, -EACCES,
				"%s: dump=%s: cannot be written", name,
				opts->dump);
		vdpr_cure(ctx, "give dump= a file in a folder that can be "
			       "written");
		vdpr_sim_opts_free(opts);
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
