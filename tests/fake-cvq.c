/* SPDX-License-Identifier: MIT */
/* A device after a restore, of which only the CVQ is there: played by the test. */
#include <errno.h>
#include <string.h>

#include "tests/fake-cvq.h"

#define CVQ_IOVA 0x7000000000ull
#define CVQ_INDEX 8

/* What a shadow asks of a device that it has been given. */
static int fake_ioctl(struct vdpr_dev *dev, unsigned long request, void *arg)
{
	struct fake_cvq *f = (struct fake_cvq *)dev;

	switch (request) {
	case VHOST_VDPA_GET_STATUS:
		*(uint8_t *)arg = 0xf;
		return 0;
	case VHOST_VDPA_SET_STATUS:
		f->resets++;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int fake_iotlb(struct vdpr_dev *dev, const struct vhost_msg_v2 *msg)
{
	(void)dev;
	(void)msg;
	return 0;
}

static void fake_end(struct vdpr_dev *dev)
{
	(void)dev;
}

static const struct vdpr_dev_ops fake_ops = {
	.ioctl = fake_ioctl,
	.iotlb = fake_iotlb,
	.close = fake_end,
};

/* These helpers serve the fuzzer, too: so they do not use cmocka. */
static void must(bool good)
{
	if (!good)
		abort();
}

static void place(struct fake_cvq *f, const struct vdpr_ring_format *format,
		  uint16_t num)
{
	struct vdpr_cvq *cvq;

	must(!vdpr_cvq_new(&cvq, -1));
	must(!vdpr_cvq_layout(cvq, format, num, NULL, 0, NULL, true));
	cvq->mem.iova = CVQ_IOVA;
	cvq->index = CVQ_INDEX;
	vdpr_cvq_start(cvq, format);
	f->dev.cvq = cvq;
}

static void watch(struct fake_cvq *f, const struct vdpr_ring_format *format,
		  uint16_t num)
{
	struct vdpr_guest_region region = VDPR_INIT(struct vdpr_guest_region);
	struct vdpr_cvq *cvq = f->dev.cvq;
	const struct vdpr_ring_areas at = format->ops->areas(
		num, cvq->mem.iova, cvq->mem.iova + cvq->mem.ro_len);
	const struct vdpr_guest_ring_setup setup = {
		.packed = format->ops == &vdpr_ring_packed,
		.event_idx = format->event_idx,
		.indirect = format->indirect,
		.num = num,
		.base = format->ops->initial_base,
		.desc = at.desc,
		.driver = at.driver,
		.device = at.device,
	};

	region.gpa = cvq->mem.iova;
	region.len = vdpr_mem_len(&cvq->mem);
	region.host = cvq->mem.base;
	must(!vdpr_guest_mem_init(&f->mem, NULL, NULL, &region, 1));
	must(!vdpr_guest_ring_init(&f->ring, &f->mem, &setup));
}

void fake_open(struct fake_cvq *f, const struct vdpr_ring_format *format,
	       uint16_t num)
{
	memset(f, 0, sizeof(*f));
	f->dev.ops = &fake_ops;
	f->dev.name = strdup("fake");
	must(f->dev.name);
	place(f, format, num);
	watch(f, format, num);
}

void fake_close(struct fake_cvq *f)
{
	vdpr_guest_ring_free(&f->ring);
	vdpr_guest_mem_free(&f->mem);
	vdpr_dev_drop_cvq(&f->dev);
	free(f->dev.name);
	free(f->dev.driver);
}

bool fake_next(struct fake_cvq *f, struct fake_command *out)
{
	struct vdpr_guest_chain chain;
	int ret = vdpr_guest_ring_next(&f->ring, &chain);

	must(ret >= 0);
	if (!ret) {
		vdpr_guest_ring_want_kick(&f->ring);
		ret = vdpr_guest_ring_next(&f->ring, &chain);
	}
	if (!ret)
		return false;
	must(chain.n_out == 1 && chain.n_in == 1);
	out->id = chain.id;
	out->entries = chain.entries;
	out->len = (size_t)chain.out_len;
	out->in = chain.in[0];
	out->data = malloc(out->len);
	must(out->data &&
	     !vdpr_guest_gather(&f->mem, chain.out, out->data, out->len));
	vdpr_guest_ring_take(&f->ring, &chain);
	return true;
}

void fake_answer(struct fake_cvq *f, struct fake_command *c, const void *answer,
		 size_t len, uint32_t used_len)
{
	must(!vdpr_guest_scatter(&f->mem, &c->in, 1, answer, len));
	free(c->data);
	vdpr_guest_ring_push(&f->ring, c->id, c->entries, used_len);
	if (vdpr_guest_ring_wants_call(&f->ring))
		must(!vdpr_eventfd_signal(f->dev.cvq->call_fd));
}

unsigned int fake_accept(struct fake_cvq *f)
{
	static const uint8_t ok;
	struct fake_command c;
	unsigned int count = 0;

	while (fake_next(f, &c)) {
		fake_answer(f, &c, &ok, 1, 1);
		count++;
	}
	return count;
}
