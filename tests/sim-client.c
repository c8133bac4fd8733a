/* SPDX-License-Identifier: MIT */
/* A raw driver for tests: one control virtqueue by hand, no engine. */
#include "tests/sim-client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <setjmp.h> /* cmocka wants these first */
#include <cmocka.h>

#define WRAP 0x8000u
#define INDIRECT_AT 0x18000u /* offset of the indirect tables */

static const uint8_t special[] = {
	VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX,
	VIRTIO_F_RING_PACKED,	     VIRTIO_F_NOTIFICATION_DATA,
	VIRTIO_F_IN_ORDER,
};

static uint16_t load16(const uint8_t *p)
{
	uint16_t raw = __atomic_load_n((const uint16_t *)(const void *)p,
				       __ATOMIC_ACQUIRE);

	return vdpr_get_le16(&raw);
}

static void store16(uint8_t *p, uint16_t value)
{
	uint16_t raw;

	vdpr_put_le16(&raw, value);
	__atomic_store_n((uint16_t *)(void *)p, raw, __ATOMIC_RELEASE);
}

static void choose_features(struct client *c, uint64_t features)
{
	assert_int_equal(vdpr_dev_get_features(c->dev, &c->features), 0);
	if (features) {
		c->features = (struct vdpr_features){ { features, 0 } };
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		vdpr_features_set(&c->features, special[i], false);
}

static void negotiate(struct client *c)
{
	uint64_t backend = 0;
	uint8_t status = 0;

	assert_int_equal(vdpr_dev_ioctl(c->dev, VHOST_SET_OWNER, NULL), 0);
	assert_int_equal(vdpr_dev_get_backend(c->dev, &backend), 0);
	assert_int_equal(vdpr_dev_set_backend(c->dev, backend), 0);
	assert_int_equal(vdpr_dev_set_status(c->dev, 1), 0);
	assert_int_equal(vdpr_dev_set_status(c->dev, 3), 0);
	assert_int_equal(vdpr_dev_set_features(c->dev, &c->features), 0);
	assert_int_equal(vdpr_dev_set_status(c->dev, 11), 0);
	assert_int_equal(vdpr_dev_get_status(c->dev, &status), 0);
}

static uint32_t cvq_index(struct client *c)
{
	uint8_t pairs[2];

	if (!vdpr_features_has(&c->features, VIRTIO_NET_F_MQ) &&
	    !vdpr_features_has(&c->features, VIRTIO_NET_F_RSS))
		return 2;
	assert_int_equal(vdpr_dev_get_config(c->dev, 8, pairs, 2), 0);
	return 2u * vdpr_get_le16(pairs);
}

static void set_up_ring(struct client *c)
{
	uint32_t group = 0, asid = 0;
	uint32_t initial = c->packed ? WRAP | WRAP << 16 : 0;

	/* Isolated or not: both is fine. */
	if (!vdpr_dev_vring_get(c->dev, VHOST_VDPA_GET_VRING_GROUP, c->cvq,
				&group) &&
	    group == 1) {
		asid = 1;
		assert_int_equal(vdpr_dev_vring(c->dev,
						VHOST_VDPA_SET_GROUP_ASID,
						group, asid),
				 0);
	}
	assert_int_equal(vdpr_dev_iotlb_update(c->dev, asid, CLIENT_IOVA,
					       CLIENT_LEN, c->mem,
					       VHOST_ACCESS_RW),
			 0);
	assert_int_equal(
		vdpr_dev_vring(c->dev, VHOST_SET_VRING_NUM, c->cvq, c->num), 0);
	assert_int_equal(
		vdpr_dev_vring(c->dev, VHOST_SET_VRING_BASE, c->cvq, initial),
		0);
	assert_int_equal(vdpr_dev_vring_addr(c->dev, c->cvq, CLIENT_IOVA,
					     CLIENT_IOVA + 0x1000,
					     CLIENT_IOVA + 0x2000),
			 0);
	assert_int_equal(vdpr_dev_vring_fd(c->dev, VHOST_SET_VRING_KICK, c->cvq,
					   c->kick),
			 0);
	assert_int_equal(vdpr_dev_vring_fd(c->dev, VHOST_SET_VRING_CALL, c->cvq,
					   c->call),
			 0);
}

void client_open(struct client *c, const char *name, uint64_t features)
{
	memset(c, 0, sizeof(*c));
	assert_int_equal(vdpr_ctx_new(&c->ctx), 0);
	assert_int_equal(vdpr_sim_open(c->ctx, name, &c->dev), 0);
	choose_features(c, features);
	c->packed = vdpr_features_has(&c->features, VIRTIO_F_RING_PACKED);
	c->indirect =
		vdpr_features_has(&c->features, VIRTIO_RING_F_INDIRECT_DESC);
	c->event_idx = vdpr_features_has(&c->features, VIRTIO_RING_F_EVENT_IDX);
	c->num = CLIENT_NUM;
	c->avail = c->used = c->packed ? WRAP : 0;
	c->mem = mmap(NULL, CLIENT_LEN, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(c->mem, MAP_FAILED);
	memset(c->mem + CLIENT_IN, 0xff, INDIRECT_AT - CLIENT_IN);
	c->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	negotiate(c);
	c->cvq = cvq_index(c);
	set_up_ring(c);
}

uint8_t client_start(struct client *c)
{
	uint8_t status = 0;

	assert_int_equal(
		vdpr_dev_vring(c->dev, VHOST_VDPA_SET_VRING_ENABLE, c->cvq, 1),
		0);
	assert_int_equal(vdpr_dev_set_status(c->dev, 15), 0);
	assert_int_equal(vdpr_dev_get_status(c->dev, &status), 0);
	return status;
}

void client_run(struct client *c, const char *name, uint64_t features)
{
	client_open(c, name, features);
	assert_int_equal(client_start(c), 15);
}

void client_close(struct client *c)
{
	vdpr_dev_close(c->dev);
	if (c->doorbell)
		munmap(c->doorbell, (size_t)sysconf(_SC_PAGESIZE));
	munmap(c->mem, CLIENT_LEN);
	vdpr_close_fd(c->kick);
	vdpr_close_fd(c->call);
	vdpr_ctx_free(c->ctx);
}

static void put_desc(uint8_t *desc, uint64_t addr, uint32_t len, uint16_t a,
		     uint16_t b)
{
	vdpr_put_le64(desc, addr);
	vdpr_put_le32(desc + 8, len);
	vdpr_put_le16(desc + 12, a);
	store16(desc + 14, b);
}

/* Where the two buffers of a command lie. */
struct buffers {
	uint64_t out, in;
	uint32_t out_len;
};

/* The next ring entry of a packed ring with its flags. */
static uint8_t *packed_next(struct client *c, uint16_t *flags)
{
	uint16_t at = c->avail & 0x7fff;

	*flags = c->avail & WRAP ? 1u << 7 : 1u << 15;
	c->avail++;
	if ((c->avail & 0x7fff) == c->num)
		c->avail = (uint16_t)((c->avail & WRAP) ^ WRAP);
	return c->mem + 16 * (size_t)at;
}

static void post_packed(struct client *c, uint16_t id, const struct buffers *b)
{
	uint16_t flags, first_flags;
	uint8_t *first = packed_next(c, &first_flags), *second;

	if (c->indirect) {
		uint32_t at = INDIRECT_AT + 32u * id;

		put_desc(c->mem + at, b->out, b->out_len, 0, 0);
		put_desc(c->mem + at + 16, b->in, CLIENT_IN_LEN, 0,
			 VRING_DESC_F_WRITE);
		put_desc(first, CLIENT_IOVA + at, 32, id,
			 first_flags | VRING_DESC_F_INDIRECT);
		return;
	}
	second = packed_next(c, &flags);
	put_desc(second, b->in, CLIENT_IN_LEN, id, flags | VRING_DESC_F_WRITE);
	/* The first one last: its flags hand the whole list over. */
	put_desc(first, b->out, b->out_len, id,
		 first_flags | VRING_DESC_F_NEXT);
}

static void post_split(struct client *c, uint16_t id, const struct buffers *b)
{
	uint8_t *avail = c->mem + 0x1000;
	uint16_t head = (uint16_t)(2 * id);
	uint8_t *desc = c->mem + 16 * (size_t)head;

	if (c->indirect) {
		uint32_t at = INDIRECT_AT + 32u * id;

		put_desc(c->mem + at, b->out, b->out_len, VRING_DESC_F_NEXT, 1);
		put_desc(c->mem + at + 16, b->in, CLIENT_IN_LEN,
			 VRING_DESC_F_WRITE, 0);
		put_desc(desc, CLIENT_IOVA + at, 32, VRING_DESC_F_INDIRECT, 0);
	} else {
		put_desc(desc, b->out, b->out_len, VRING_DESC_F_NEXT,
			 (uint16_t)(head + 1));
		put_desc(desc + 16, b->in, CLIENT_IN_LEN, VRING_DESC_F_WRITE,
			 0);
	}
	vdpr_put_le16(avail + 4 + 2 * (size_t)(c->avail % c->num), head);
	c->avail++;
	if (c->event_idx)
		store16(avail + 4 + 2 * (size_t)c->num,
			(uint16_t)(c->avail - 1));
	store16(avail + 2, c->avail);
}

void client_post(struct client *c, unsigned int slot, const void *data,
		 size_t len)
{
	struct buffers b = {
		.out = CLIENT_IOVA + CLIENT_OUT + c->out_at,
		.out_len = (uint32_t)len,
		.in = CLIENT_IOVA + CLIENT_IN + (uint64_t)slot * CLIENT_IN_LEN,
	};

	assert_true(len <= CLIENT_OUT_LEN);
	if (c->out_at + len > CLIENT_OUT_LEN) {
		c->out_at = 0;
		b.out = CLIENT_IOVA + CLIENT_OUT;
	}
	memcpy(c->mem + CLIENT_OUT + c->out_at, data, len);
	c->out_at += len;
	memset(c->mem + CLIENT_IN + slot * CLIENT_IN_LEN, 0xff, CLIENT_IN_LEN);
	if (c->packed)
		post_packed(c, (uint16_t)slot, &b);
	else
		post_split(c, (uint16_t)slot, &b);
}

void client_kick(struct client *c)
{
	uint32_t raw;

	if (!c->doorbell) {
		(void)eventfd_write(c->kick, 1);
		return;
	}
	vdpr_put_le32(&raw, c->cvq | (uint32_t)c->avail << 16);
	__atomic_store_n((uint32_t *)c->doorbell, raw, __ATOMIC_RELEASE);
}

/* Takes a used entry if there is one. */
static bool take_used(struct client *c, struct client_answer *out)
{
	const uint8_t *used = c->mem + 0x2000;
	const uint8_t *elem;

	if (!c->packed) {
		if (load16(used + 2) == c->used)
			return false;
		elem = used + 4 + 8 * (size_t)(c->used % c->num);
		out->id = vdpr_get_le32(elem) / 2;
		out->len = vdpr_get_le32(elem + 4);
		c->used++;
		return true;
	}
	elem = c->mem + 16 * (size_t)(c->used & 0x7fff);
	if ((load16(elem + 14) >> 7 & 0x101) != (c->used & WRAP ? 0x101 : 0))
		return false;
	out->id = vdpr_get_le16(elem + 12);
	out->len = vdpr_get_le32(elem + 8);
	c->used = (uint16_t)(c->used + (c->indirect ? 1 : 2));
	if ((c->used & 0x7fff) >= c->num)
		c->used = (uint16_t)((c->used - c->num) ^ WRAP);
	return true;
}

int client_used(struct client *c, int msec, struct client_answer *out)
{
	uint64_t end = vdpr_now() + (uint64_t)msec * 1000000;
	struct pollfd fd = { .fd = c->call, .events = POLLIN };

	while (!take_used(c, out)) {
		uint64_t now = vdpr_now();
		eventfd_t value;

		if (now >= end)
			return -ETIME;
		(void)poll(&fd, 1, (int)((end - now) / 1000000) + 1);
		(void)eventfd_read(c->call, &value);
	}
	if (out->id < CLIENT_NUM)
		memcpy(out->in, c->mem + CLIENT_IN + out->id * CLIENT_IN_LEN,
		       CLIENT_IN_LEN);
	return 0;
}

int client_command(struct client *c, uint8_t ctrl_class, uint8_t command,
		   const void *data, size_t len)
{
	uint8_t bytes[2048] = { ctrl_class, command };
	struct client_answer answer = { 0 };
	int ret;

	assert_true(len <= sizeof(bytes) - 2);
	if (len)
		memcpy(bytes + 2, data, len);
	client_post(c, 0, bytes, 2 + len);
	client_kick(c);
	ret = client_used(c, 2000, &answer);
	if (ret)
		return ret;
	assert_int_equal(answer.id, 0);
	assert_true(answer.len >= 1);
	return answer.in[0];
}
