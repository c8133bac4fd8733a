/* SPDX-License-Identifier: MIT */
/* Runs one call sequence: makes the arguments, compares the answers. */
#include "tests/conformance/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define MEM_LEN (64u * 4096u)

/* What a sequence needs besides the device. */
struct world {
	struct vdpr_dev *dev;
	uint32_t vqs, spaces, config, ring_max;
	uint64_t offered; /* without RING_PACKED */
	uint8_t *mem;	  /* what IOTLB messages map */
	int event, other;
};

union argument {
	uint8_t u8;
	uint32_t u32;
	uint64_t u64;
	int fd;
	struct vhost_vring_state state;
	struct vhost_vring_addr addr;
	struct vhost_vring_file file;
	struct vhost_vdpa_config config;
	struct vhost_vdpa_iova_range range;
	uint8_t room[sizeof(struct vhost_vdpa_config) + 8192];
};

static uint64_t value(const struct world *w, uint64_t a)
{
	/* Stand-ins lie 0x100 apart; what is beyond is added. */
	switch (a & ~0xffull) {
	case CONFORMANCE_VQS:
		return w->vqs + (a & 0xff);
	case CONFORMANCE_LAST:
		return w->vqs - 1;
	case CONFORMANCE_SPACES:
		return w->spaces + (a & 0xff);
	case CONFORMANCE_CONFIG:
		return w->config + (a & 0xff);
	case CONFORMANCE_RING_MAX:
		return (uint64_t)w->ring_max << (a & 0xff);
	default:
		return a;
	}
}

static int descriptor(const struct world *w, uint64_t which)
{
	switch (which) {
	case FD_EVENT:
		return w->event;
	case FD_OTHER:
		return w->other;
	case FD_CLOSED:
		return 1 << 20;
	default:
		return -1;
	}
}

static uint64_t features(const struct world *w, uint64_t which)
{
	switch (which) {
	case FEATURES_NO_PLATFORM:
		return w->offered & ~BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
	case FEATURES_FOREIGN:
		return w->offered | (~w->offered & (w->offered + 1));
	default:
		return w->offered;
	}
}

/* Fills the argument of a request. Return: it, or NULL for none. */
static void *argument(const struct world *w, const struct conformance_step *s,
		      union argument *arg)
{
	uint32_t index = (uint32_t)value(w, s->a[0]);

	memset(arg, 0, sizeof(*arg));
	switch (s->kind) {
	case STEP_NONE:
	case STEP_NULL:
		return NULL;
	case STEP_U8:
		arg->u8 = (uint8_t)s->a[0];
		break;
	case STEP_U64:
		arg->u64 = s->a[0];
		break;
	case STEP_FEATURES:
		arg->u64 = features(w, s->a[0]);
		break;
	case STEP_STATE:
		arg->state.index = index;
		arg->state.num = (uint32_t)value(w, s->a[1]);
		break;
	case STEP_NUM_IS:
		arg->state.index = index;
		break;
	case STEP_ADDR:
		arg->addr.index = index;
		arg->addr.flags = (uint32_t)s->a[1];
		arg->addr.desc_user_addr = s->a[2];
		arg->addr.avail_user_addr = s->a[3];
		arg->addr.used_user_addr = s->a[4];
		break;
	case STEP_FILE:
		arg->file.index = index;
		arg->file.fd = descriptor(w, s->a[1]);
		break;
	case STEP_FD:
		arg->fd = descriptor(w, s->a[0]);
		break;
	case STEP_CONFIG:
		arg->config.off = index;
		arg->config.len = (uint32_t)value(w, s->a[1]);
		break;
	default:
		break;
	}
	return arg;
}

static int iotlb(const struct world *w, const struct conformance_step *s)
{
	struct vhost_msg_v2 msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = s->kind == STEP_IOTLB ? VHOST_IOTLB_MSG_V2 : 99;
	msg.asid = (uint32_t)value(w, s->a[1]);
	msg.iotlb.type = (uint8_t)s->a[0];
	msg.iotlb.iova = s->a[2];
	msg.iotlb.size = s->a[3];
	msg.iotlb.uaddr = (uintptr_t)w->mem;
	msg.iotlb.perm = VHOST_ACCESS_RW;
	return vdpr_dev_iotlb(w->dev, &msg);
}

static int run_step(const struct world *w, const struct conformance_step *s)
{
	union argument arg;
	void *p = argument(w, s, &arg);
	int ret;

	if (s->kind == STEP_IOTLB || s->kind == STEP_IOTLB_KIND)
		return iotlb(w, s);
	ret = vdpr_dev_ioctl(w->dev, s->request, p);
	if (!ret && s->kind == STEP_STATUS_IS && arg.u8 != s->a[0])
		return -EBADMSG;
	if (!ret && s->kind == STEP_NUM_IS &&
	    arg.state.num != value(w, s->a[1]))
		return -EBADMSG;
	return ret;
}

/* Judges every step. Return: 0 or -1. */
static int run_steps(const struct world *w,
		     const struct conformance_sequence *sequence,
		     enum conformance_parent parent, char why[CONFORMANCE_WHY])
{
	for (size_t i = 0; i < CONFORMANCE_STEPS; i++) {
		const struct conformance_step *s = &sequence->step[i];
		int want = s->expect[parent];
		int ret;

		if (s->kind == STEP_END)
			return 0;
		ret = run_step(w, s);
		if (want == CONFORMANCE_ANY || ret == -want)
			continue;
		(void)snprintf(why, CONFORMANCE_WHY,
			       "step %zu, request 0x%lx: %s, not %s", i + 1,
			       s->request & 0xff, ret ? strerror(-ret) : "ok",
			       want ? strerror(want) : "ok");
		return -1;
	}
	return 0;
}

static int ask(struct world *w)
{
	uint16_t num = 0;
	int ret = vdpr_dev_get_u32(w->dev, VHOST_VDPA_GET_VQS_COUNT, &w->vqs);

	if (!ret)
		ret = vdpr_dev_get_u32(w->dev, VHOST_VDPA_GET_AS_NUM,
				       &w->spaces);
	if (!ret)
		ret = vdpr_dev_get_u32(w->dev, VHOST_VDPA_GET_CONFIG_SIZE,
				       &w->config);
	if (!ret)
		ret = vdpr_dev_get_vring_num(w->dev, &num);
	if (!ret)
		ret = vdpr_dev_ioctl(w->dev, VHOST_GET_FEATURES, &w->offered);
	w->ring_max = num;
	/* Ring bases read differently on a packed ring; the table means split. */
	w->offered &= ~BIT_ULL(VIRTIO_F_RING_PACKED);
	return ret;
}

int conformance_run(const struct conformance_sequence *sequence,
		    struct vdpr_dev *dev, enum conformance_parent parent,
		    char why[CONFORMANCE_WHY])
{
	_cleanup_close_ int event = eventfd(0, EFD_CLOEXEC);
	_cleanup_close_ int other = memfd_create("conformance", MFD_CLOEXEC);
	struct world w = { .dev = dev, .event = event, .other = other };
	int ret;

	(void)snprintf(why, CONFORMANCE_WHY, "cannot be set up");
	if (event < 0 || other < 0 || ftruncate(other, MEM_LEN) || ask(&w))
		return -1;
	/* Shared and file-backed: vdpa_sim maps nothing else with use_va. */
	w.mem = mmap(NULL, MEM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, other,
		     0);
	if (w.mem == MAP_FAILED)
		return -1;
	ret = run_steps(&w, sequence, parent, why);
	/* Nothing may write there any more when the memory goes. */
	(void)vdpr_dev_set_status(dev, 0);
	munmap(w.mem, MEM_LEN);
	return ret;
}
