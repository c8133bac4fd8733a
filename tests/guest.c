/* SPDX-License-Identifier: MIT */
/* A guest for tests: memory, a control ring in it, and the driver's side of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "tests/guest.h"

void guest_reload(struct guest *g, const struct vdpr_ring_format *format,
		  uint16_t num)
{
	const struct vdpr_ring_mem mem = {
		.ro = g->mem + GUEST_RO,
		.rw = g->mem + GUEST_RW,
		.ro_iova = GUEST_GPA + GUEST_RO,
		.slot = g->slot,
	};

	memset(g->mem, 0, GUEST_LEN);
	vdpr_ring_init(&g->ring, format, num, &mem);
	g->at = format->ops->areas(num, GUEST_GPA + GUEST_RO,
				   GUEST_GPA + GUEST_RW);
}

void guest_open(struct guest *g, const struct vdpr_ring_format *format,
		uint16_t num)
{
	memset(g, 0, sizeof(*g));
	g->mem = aligned_alloc(4096, GUEST_LEN);
	assert_non_null(g->mem);
	g->region =
		(struct vdpr_guest_region)VDPR_INIT(struct vdpr_guest_region);
	g->region.gpa = GUEST_GPA;
	g->region.len = GUEST_LEN;
	g->region.host = g->mem;
	guest_reload(g, format, num);
	g->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(g->kick >= 0 && g->call >= 0);
}

void guest_close(struct guest *g)
{
	vdpr_close_fd(g->kick);
	vdpr_close_fd(g->call);
	free(g->mem);
}

struct vdpr_guest_ring_setup guest_setup(const struct guest *g)
{
	return (struct vdpr_guest_ring_setup){
		.packed = g->ring.format.ops == &vdpr_ring_packed,
		.event_idx = g->ring.format.event_idx,
		.indirect = g->ring.format.indirect,
		.num = g->ring.num,
		.base = g->ring.format.ops->initial_base,
		.desc = g->at.desc,
		.driver = g->at.driver,
		.device = g->at.device,
	};
}

struct vdpr_guest_ring_opts guest_opts(const struct guest *g)
{
	struct vdpr_guest_ring_opts o = VDPR_INIT(struct vdpr_guest_ring_opts);

	o.num = g->ring.num;
	o.base = g->ring.format.ops->initial_base;
	o.desc = g->at.desc;
	o.driver = g->at.driver;
	o.device = g->at.device;
	o.kick_fd = g->kick;
	o.call_fd = g->call;
	return o;
}

void guest_send(struct guest *g, unsigned int slot, uint8_t ctrl_class,
		uint8_t command, const void *data, size_t len, size_t in_len)
{
	uint32_t at = len + 2 > GUEST_OUT_LEN
			      ? GUEST_LONG
			      : GUEST_OUT + slot * GUEST_OUT_LEN;
	uint32_t in = GUEST_IN + slot * GUEST_IN_LEN;
	const struct vdpr_ring_buf buf = {
		.out = GUEST_GPA + at,
		.out_len = (uint32_t)len + 2,
		.in = GUEST_GPA + in,
		.in_len = (uint32_t)in_len,
	};

	assert_true(slot < GUEST_SLOTS && at + len + 2 <= GUEST_LEN &&
		    in + in_len <= GUEST_LEN);
	g->mem[at] = ctrl_class;
	g->mem[at + 1] = command;
	if (len)
		memcpy(g->mem + at + 2, data, len);
	memset(g->mem + in, 0xee, in_len);
	g->in_len[slot] = in_len;
	assert_int_equal(vdpr_ring_add(&g->ring, &buf, slot), 0);
}

bool guest_show(struct guest *g)
{
	const uint64_t one = 1;

	if (!vdpr_ring_publish(&g->ring))
		return false;
	assert_int_equal(write(g->kick, &one, sizeof(one)), sizeof(one));
	return true;
}

int guest_take(struct guest *g, unsigned int *slot, uint32_t *len)
{
	struct vdpr_ring_used used;
	int ret = vdpr_ring_take(&g->ring, &used, 1);

	if (ret < 0)
		fail_msg("the guest: %s", g->ring.fault);
	if (ret > 0) {
		*slot = used.token;
		*len = used.len;
	}
	return ret;
}

uint8_t *guest_answer(struct guest *g, unsigned int slot)
{
	return g->mem + GUEST_IN + slot * GUEST_IN_LEN;
}
