/* SPDX-License-Identifier: MIT */
/* Fuzzes the split ring: the device writes what it likes into the used ring. */
#include "tests/fuzz/fuzz.h"

enum {
	USED_IDX = 2,
	USED_RING = 4,
	USED_ELEM = 8,
};

static bool size_ok(uint16_t num)
{
	return vdpr_is_pow2(num);
}

/* One entry; the index moves on by all that it stands for (2.7.9). */
static void use(struct vdpr_ring *ring, uint16_t *at, uint16_t slot,
		uint32_t len, uint16_t n)
{
	uint8_t *elem =
		ring->rw + USED_RING + USED_ELEM * (*at & (ring->num - 1u));

	vdpr_put_le32(elem, (uint32_t)slot * ring->chain);
	vdpr_put_le32(elem + 4, len);
	*at = (uint16_t)(*at + n);
	vdpr_put_le16(ring->rw + USED_IDX, *at);
}

static const struct fuzz_device device = {
	.ops = &vdpr_ring_split,
	.size_ok = size_ok,
	.use = use,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_ring(&device, data, size);
	return 0;
}
