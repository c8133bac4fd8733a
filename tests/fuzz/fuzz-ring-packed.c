/* SPDX-License-Identifier: MIT */
/* Fuzzes the packed ring: the device writes what it likes into descriptors. */
#include "restore/uapi.h"
#include "tests/fuzz/fuzz.h"

enum {
	DESC_SIZE = 16,
	DESC_LEN = 8,
	DESC_ID = 12,
	DESC_FLAGS = 14,
};

#define F_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define F_USED (1u << VRING_PACKED_DESC_F_USED)

/* Any number of entries will do (2.8.10.1). */
static bool size_ok(uint16_t num)
{
	return num <= VDPR_RING_MAX;
}

/*
 * One entry where the first of the chains stood; the next goes behind the last
 * (2.8.6). @at counts places through two rounds: its second half is the one in
 * which the device's wrap counter is 0.
 */
static void use(struct vdpr_ring *ring, uint16_t *at, uint16_t slot,
		uint32_t len, uint16_t n)
{
	bool wrap = *at < ring->num;
	uint8_t *desc = ring->rw + DESC_SIZE * (size_t)(*at % ring->num);

	vdpr_put_le16(desc + DESC_ID, slot);
	vdpr_put_le32(desc + DESC_LEN, len);
	vdpr_put_le16(desc + DESC_FLAGS, wrap ? F_AVAIL | F_USED : 0);
	*at = (uint16_t)((*at + ring->chain * n) % (2 * ring->num));
}

static const struct fuzz_device device = {
	.ops = &vdpr_ring_packed,
	.size_ok = size_ok,
	.use = use,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_ring(&device, data, size);
	return 0;
}
