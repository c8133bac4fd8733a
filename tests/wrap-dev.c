/* SPDX-License-Identifier: MIT */
/* A device around a device: records every call, and makes chosen ones fail. */
#include "tests/wrap-dev.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "restore/cvq.h"

/* A little-endian index of a ring that the other side writes at this moment. */
static uint16_t peek(const struct wrap *wrap, uint64_t iova)
{
	for (size_t i = 0; i < wrap->n_maps; i++) {
		const struct wrap_map *map = &wrap->map[i];

		if (iova >= map->iova && iova - map->iova < map->size) {
			uintptr_t at =
				(uintptr_t)(map->uaddr + (iova - map->iova));

			return __atomic_load_n((const uint16_t *)at,
					       __ATOMIC_ACQUIRE);
		}
	}
	return 0;
}

static struct wrap_event *record(struct wrap *wrap, unsigned long request)
{
	struct wrap_event *event;

	assert_true(wrap->n < WRAP_EVENTS);
	event = &wrap->event[wrap->n++];
	*event = (struct wrap_event){ .request = request };
	return event;
}

static void note_vring(struct wrap *wrap, struct wrap_event *event,
		       const void *arg)
{
	const struct vhost_vring_state *vring = arg;
	const struct wrap_queue *cvq = &wrap->queue[wrap->cvq];

	event->index = vring->index;
	event->value = vring->num;
	if (event->request == VHOST_SET_VRING_NUM && vring->index < WRAP_QUEUES)
		wrap->queue[vring->index].num = vring->num;
	if (event->request == VHOST_SET_VRING_BASE &&
	    vring->index < WRAP_QUEUES)
		wrap->queue[vring->index].base = vring->num;
	if (event->request == VHOST_VDPA_SET_VRING_ENABLE && cvq->device) {
		event->shown = peek(wrap, cvq->driver + 2);
		event->used = peek(wrap, cvq->device + 2);
	}
}

static void note_addr(struct wrap *wrap, struct wrap_event *event,
		      const void *arg)
{
	const struct vhost_vring_addr *addr = arg;
	struct wrap_queue *queue;

	event->index = addr->index;
	event->value = addr->desc_user_addr;
	assert_true(addr->index < WRAP_QUEUES);
	queue = &wrap->queue[addr->index];
	queue->desc = addr->desc_user_addr;
	queue->driver = addr->avail_user_addr;
	queue->device = addr->used_user_addr;
}

static void note(struct wrap *wrap, struct wrap_event *event, const void *arg)
{
	switch (event->request) {
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_BASE:
	case VHOST_VDPA_SET_VRING_ENABLE:
	case VHOST_VDPA_SET_GROUP_ASID:
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
		note_vring(wrap, event, arg);
		break;
	case VHOST_SET_VRING_ADDR:
		note_addr(wrap, event, arg);
		break;
	case VHOST_VDPA_SET_STATUS:
		event->value = *(const uint8_t *)arg;
		break;
	case VHOST_SET_FEATURES:
	case VHOST_SET_BACKEND_FEATURES:
		event->value = *(const uint64_t *)arg;
		break;
	default:
		break;
	}
}

static bool must_fail(const struct wrap *wrap)
{
	const uint64_t one = 1;

	if (wrap->signal_at && wrap->n == wrap->signal_at)
		assert_int_equal(write(wrap->signal_fd, &one, sizeof(one)),
				 sizeof(one));
	return wrap->fail_at && wrap->n == wrap->fail_at;
}

static void change_config(const struct wrap *wrap, void *arg)
{
	struct vhost_vdpa_config *config = arg;

	if (wrap->late_mac && !config->off && config->len >= 6 &&
	    wrap_find(wrap, 0, VHOST_VDPA_SET_VRING_ENABLE, 0) < wrap->n)
		memcpy(config->buf, wrap->late_mac, 6);
}

static int wrap_ioctl(struct vdpr_dev *dev, unsigned long request, void *arg)
{
	struct wrap *wrap = (struct wrap *)dev;
	struct wrap_event *event = record(wrap, request);

	note(wrap, event, arg);
	event->ret = must_fail(wrap) ? -wrap->fail_errno
				     : wrap->inner->ops->ioctl(wrap->inner,
							       request, arg);
	if (request == VHOST_VDPA_GET_CONFIG && !event->ret)
		change_config(wrap, arg);
	if (request == VHOST_VDPA_SET_CONFIG_CALL && wrap->early_config &&
	    *(const int *)arg > 0)
		assert_int_equal(vdpr_eventfd_signal(*(const int *)arg), 0);
	return event->ret;
}

static void note_map(struct wrap *wrap, const struct vhost_msg_v2 *msg)
{
	if (msg->iotlb.type == VHOST_IOTLB_UPDATE) {
		assert_true(wrap->n_maps < WRAP_MAPS);
		wrap->map[wrap->n_maps++] =
			(struct wrap_map){ msg->asid, msg->iotlb.iova,
					   msg->iotlb.size, msg->iotlb.uaddr };
		return;
	}
	for (size_t i = 0; i < wrap->n_maps; i++)
		if (wrap->map[i].iova == msg->iotlb.iova &&
		    wrap->map[i].asid == msg->asid &&
		    wrap->map[i].size == msg->iotlb.size)
			wrap->map[i] = wrap->map[--wrap->n_maps];
}

static int wrap_iotlb(struct vdpr_dev *dev, const struct vhost_msg_v2 *msg)
{
	struct wrap *wrap = (struct wrap *)dev;
	struct wrap_event *event = record(wrap, 0);

	event->index = msg->asid;
	event->value = msg->iotlb.type;
	event->iova = msg->iotlb.iova;
	event->size = msg->iotlb.size;
	event->ret = must_fail(wrap)
			     ? -wrap->fail_errno
			     : wrap->inner->ops->iotlb(wrap->inner, msg);
	if (!event->ret)
		note_map(wrap, msg);
	return event->ret;
}

static int wrap_doorbell(struct vdpr_dev *dev, uint32_t index, void **page)
{
	struct wrap *wrap = (struct wrap *)dev;

	if (!wrap->inner->ops->doorbell)
		return -ENOTSUP;
	return wrap->inner->ops->doorbell(wrap->inner, index, page);
}

static void wrap_close(struct vdpr_dev *dev)
{
	struct wrap *wrap = (struct wrap *)dev;

	vdpr_dev_close(wrap->inner);
	free(wrap);
}

static const struct vdpr_dev_ops wrap_ops = {
	.ioctl = wrap_ioctl,
	.iotlb = wrap_iotlb,
	.doorbell = wrap_doorbell,
	.close = wrap_close,
};

struct wrap *wrap_dev(struct vdpr_dev *inner, uint32_t cvq)
{
	struct wrap *wrap = calloc(1, sizeof(*wrap));

	assert_non_null(wrap);
	wrap->base.ops = &wrap_ops;
	wrap->base.name = strdup(inner->name);
	wrap->base.driver = inner->driver ? strdup(inner->driver) : NULL;
	wrap->base.kernel = inner->kernel;
	wrap->inner = inner;
	wrap->cvq = cvq;
	return wrap;
}

struct wrap *wrap_open(const char *name, uint32_t cvq)
{
	struct vdpr_ctx *ctx;
	struct vdpr_dev *inner;

	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	if (vdpr_dev_open(ctx, name, &inner))
		fail_msg("%s", vdpr_ctx_error(ctx));
	vdpr_ctx_free(ctx);
	return wrap_dev(inner, cvq);
}

size_t wrap_find(const struct wrap *wrap, size_t from, unsigned long request,
		 int index)
{
	for (size_t i = from; i < wrap->n; i++)
		if (wrap->event[i].request == request &&
		    (index < 0 || wrap->event[i].index == (uint32_t)index))
			return i;
	return wrap->n;
}

size_t wrap_count(const struct wrap *wrap, unsigned long request)
{
	size_t count = 0;

	for (size_t i = 0; i < wrap->n; i++)
		count += wrap->event[i].request == request;
	return count;
}

size_t wrap_mapped(const struct wrap *wrap)
{
	return wrap->n_maps;
}
