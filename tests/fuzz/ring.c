/* SPDX-License-Identifier: MIT */
/* Drives a ring against a device that obeys the rules until it does not. */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

/*
 * The input: flags, size, then one byte for each step and what that step needs.
 * Beside the ring stands a list of what is out, oldest first, which the ring may
 * never contradict. As long as the device has kept to the rules, the ring must
 * also give back every buffer that it used, with its length.
 */

struct out {
	uint32_t token;
	uint16_t slot;
	bool shown;
};

struct world {
	struct vdpr_ring ring;
	const struct fuzz_device *device;
	size_t rw_size;
	struct out out[VDPR_RING_MAX];
	unsigned int n_out;
	uint32_t next_token;
	uint16_t at; /* of the device: entries used so far */
	/* What the device used by the rules and the driver has not taken. */
	uint32_t used[VDPR_RING_MAX], used_len[VDPR_RING_MAX];
	unsigned int n_used;
	bool hostile; /* the device has broken the rules */
};

#define LEN_WHOLE 17 /* of the part that the device writes */

static void check_world(const struct world *w)
{
	FUZZ_CHECK(w->ring.outstanding == w->n_out);
	FUZZ_CHECK(w->ring.outstanding + w->ring.n_free == w->ring.capacity);
}

static void step_add(struct world *w)
{
	const struct vdpr_ring_buf buf = { 0x1000, 9, 0x2000, LEN_WHOLE };
	struct vdpr_ring *r = &w->ring;
	uint32_t token = w->next_token;
	uint16_t slot = r->fresh < r->capacity ? r->fresh
					       : r->free_slot[r->free_head];

	if (vdpr_ring_add(r, &buf, token)) {
		FUZZ_CHECK(w->n_out == r->capacity);
		return;
	}
	FUZZ_CHECK(w->n_out < r->capacity);
	w->next_token++;
	w->out[w->n_out++] = (struct out){ token, slot, false };
}

static void step_publish(struct world *w)
{
	vdpr_ring_publish(&w->ring);
	for (unsigned int i = 0; i < w->n_out; i++)
		w->out[i].shown = true;
}

/* What is asked and told around the commands; only memory is at stake. */
static void step_events(struct world *w, uint8_t some)
{
	struct vdpr_ring *r = &w->ring;

	vdpr_ring_spares_kick(r, (uint16_t)(some % r->capacity + 1));
	if (w->n_out)
		vdpr_ring_arm(r, (uint16_t)(some % w->n_out + 1));
	FUZZ_CHECK((r->format.ops->next_off(r) & 0x7fff) < r->num ||
		   r->format.ops == &vdpr_ring_split);
}

static bool was_used(const struct world *w, uint32_t token)
{
	for (unsigned int i = 0; i < w->n_used; i++)
		if (w->used[i] == token)
			return true;
	return false;
}

/* The oldest that the device has not used; with @skip, one further on. */
static unsigned int unused(const struct world *w, unsigned int skip)
{
	unsigned int found = w->n_out;

	for (unsigned int i = 0; i < w->n_out && w->out[i].shown; i++) {
		if (was_used(w, w->out[i].token))
			continue;
		found = i;
		if (!skip--)
			break;
	}
	return found;
}

/* In order: one entry for a row of them. Else: one entry for any of them. */
static void step_use(struct world *w, uint8_t skip)
{
	bool in_order = w->ring.format.in_order;
	unsigned int first = unused(w, in_order ? 0 : skip);
	unsigned int last = unused(w, skip);
	uint32_t len = skip;

	if (w->hostile || last == w->n_out)
		return;
	w->device->use(&w->ring, &w->at, w->out[last].slot, len,
		       (uint16_t)(last - first + 1));
	for (unsigned int i = first; i <= last; i++) {
		w->used[w->n_used] = w->out[i].token;
		w->used_len[w->n_used++] = i == last ? len : LEN_WHOLE;
	}
}

static void step_write(struct world *w, struct fuzz_input *in)
{
	size_t at = fuzz_u16(in) % w->rw_size;
	size_t len = fuzz_u8(in) % 32 + 1;

	if (len > w->rw_size - at)
		len = w->rw_size - at;
	fuzz_take(in, w->ring.rw + at, len);
	w->hostile = true;
}

/* As the ring expects it, with values of the input's: gets past first checks. */
static void step_forge(struct world *w, struct fuzz_input *in)
{
	uint16_t slot = fuzz_u8(in) % w->ring.num;

	w->device->use(&w->ring, &w->at, slot, fuzz_u16(in), fuzz_u8(in) % 4);
	w->hostile = true;
}

static void drop_first(uint32_t *list, unsigned int count)
{
	memmove(list, list + 1, (count - 1) * sizeof(*list));
}

static void take_out(struct world *w, uint32_t token)
{
	unsigned int i = 0;

	while (i < w->n_out && w->out[i].token != token)
		i++;
	FUZZ_CHECK(i < w->n_out);
	FUZZ_CHECK(!w->ring.format.in_order || i == 0);
	w->n_out--;
	memmove(&w->out[i], &w->out[i + 1], (w->n_out - i) * sizeof(w->out[0]));
}

static void check_taken(struct world *w, const struct vdpr_ring_used *used)
{
	take_out(w, used->token);
	if (w->hostile)
		return;
	FUZZ_CHECK(used->token == w->used[0] && used->len == w->used_len[0]);
	drop_first(w->used, w->n_used);
	drop_first(w->used_len, w->n_used--);
}

static void step_take(struct world *w, unsigned int max)
{
	struct vdpr_ring_used used[VDPR_RING_MAX];
	unsigned int there = w->n_used < max ? w->n_used : max;
	bool has = vdpr_ring_has_used(&w->ring);
	int ret = vdpr_ring_take(&w->ring, used, max);

	FUZZ_CHECK(ret == -EPROTO || (ret >= 0 && (unsigned int)ret <= max));
	FUZZ_CHECK(ret != -EPROTO || w->ring.fault);
	FUZZ_CHECK(w->hostile || (ret == (int)there && has == (ret > 0)));
	for (int i = 0; i < ret; i++)
		check_taken(w, &used[i]);
}

static void step(struct world *w, struct fuzz_input *in)
{
	uint8_t op = fuzz_u8(in);

	switch (op % 8) {
	case 0:
		step_add(w);
		break;
	case 1:
		step_publish(w);
		break;
	case 2:
		step_events(w, op / 8);
		break;
	case 3:
	case 4:
		step_use(w, op / 8 % 8);
		break;
	case 5:
		step_take(w, op / 8 % 8 + 1);
		break;
	case 6:
		step_forge(w, in);
		break;
	default:
		step_write(w, in);
	}
	check_world(w);
}

void fuzz_ring(const struct fuzz_device *device, const uint8_t *data,
	       size_t size)
{
	struct fuzz_input in = { data, size };
	uint8_t flags = fuzz_u8(&in);
	const struct vdpr_ring_format format = { .ops = device->ops,
						 .event_idx = flags & 1,
						 .in_order = flags & 2,
						 .indirect = flags & 4 };
	uint16_t num = (uint16_t)(fuzz_u8(&in) + 1);
	struct vdpr_ring_mem mem = { .ro_iova = 0x100000 };
	struct world w = { .device = device };

	if (num < 2 || !device->size_ok(num))
		return;
	w.rw_size = device->ops->rw_size(num);
	mem.ro = calloc(1, device->ops->ro_size(num, format.indirect));
	mem.rw = calloc(1, w.rw_size);
	mem.slot = calloc(num, sizeof(*mem.slot));
	FUZZ_CHECK(mem.ro && mem.rw && mem.slot);
	vdpr_ring_init(&w.ring, &format, num, &mem);
	while (in.left)
		step(&w, &in);
	free(mem.slot);
	free(mem.ro);
	free(mem.rw);
}
