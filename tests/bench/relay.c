/* SPDX-License-Identifier: MIT */
/* Relays COUNT commands of a guest, one after the other: for callgrind to count. */

/*
 *   relay COUNT split|packed vlan|rss
 *
 * Each is one that Linux sends: a kick, vdpr_shadow_process(), an answer of the
 * device's, vdpr_shadow_process() again. Guest and device are played outside of
 * these two calls.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "restore/shadow.h"
#include "restore/uapi.h"
#include "tests/fake-cvq.h"
#include "tests/guest.h"

/* CTRL_VQ, CTRL_RX, CTRL_VLAN, MQ, CTRL_MAC_ADDR, EVENT_IDX, INDIRECT_DESC,
 * VERSION_1, RSS: what such a guest negotiates. */
#define FEATURES 0x1000000130ce0000ull

static const uint8_t rss[] = "\1\0\0\0\177\0\0\0";

static void relay_one(struct vdpr_ctx *ctx, struct vdpr_shadow *shadow,
		      struct fake_cvq *fake, struct guest *guest,
		      unsigned int k, bool big)
{
	/* hash_types, mask, unclassified queue, 128 entries, pairs, key. */
	uint8_t payload[4 + 2 + 2 + 256 + 2 + 1 + 40] = { 0 };
	unsigned int slot;
	uint32_t len;

	if (big) {
		memcpy(payload, rss, 8);
		payload[4 + 2 + 2 + 256] = 4;
		payload[4 + 2 + 2 + 256 + 2] = 40;
		guest_send(guest, 0, VIRTIO_NET_CTRL_MQ,
			   VIRTIO_NET_CTRL_MQ_RSS_CONFIG, payload,
			   sizeof(payload), 1);
	} else {
		payload[0] = (uint8_t)k;
		guest_send(guest, 0, VIRTIO_NET_CTRL_VLAN,
			   VIRTIO_NET_CTRL_VLAN_ADD, payload, 2, 1);
	}
	guest_show(guest);
	assert_int_equal(vdpr_shadow_process(ctx, shadow, NULL), 0);
	assert_int_equal(fake_accept(fake), 1);
	assert_int_equal(vdpr_shadow_process(ctx, shadow, NULL), 0);
	assert_int_equal(guest_take(guest, &slot, &len), 1);
}

int main(int argc, char **argv)
{
	bool packed = argc > 2 && !strcmp(argv[2], "packed");
	bool big = argc > 3 && !strcmp(argv[3], "rss");
	const struct vdpr_features features = {
		{ FEATURES | (packed ? BIT_ULL(VIRTIO_F_RING_PACKED) : 0), 0 }
	};
	const struct vdpr_ring_format format = {
		.ops = packed ? &vdpr_ring_packed : &vdpr_ring_split,
		.event_idx = true,
		.indirect = true,
	};
	struct vdpr_shadow_opts opts = VDPR_INIT(struct vdpr_shadow_opts);
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);
	struct vdpr_guest_ring_opts ring;
	struct vdpr_shadow *shadow = NULL;
	struct vdpr_state *state = NULL;
	struct vdpr_ctx *ctx = NULL;
	struct fake_cvq fake;
	struct guest guest;
	uint64_t count = 0;

	if (argc != 4 || vdpr_u64_parse(argv[1], 1000000, &count))
		return 2;
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	assert_int_equal(vdpr_state_new(ctx, &state), 0);
	config.has = VDPR_CONFIG_MAX_PAIRS | VDPR_CONFIG_RSS_KEY |
		     VDPR_CONFIG_RSS_TABLE | VDPR_CONFIG_HASH_TYPES;
	config.max_virtqueue_pairs = 4;
	config.rss_max_key_size = 40;
	config.rss_max_indirection_table_length = 128;
	config.supported_hash_types = 0x3f;
	assert_int_equal(
		vdpr_state_start(ctx, state, NULL, &features, &config, 0), 0);
	fake_open(&fake, &format, 64);
	guest_open(&guest, &format, 64);
	opts.regions = &guest.region;
	opts.n_regions = 1;
	assert_int_equal(vdpr_shadow_new(ctx, &fake.dev, &opts, &shadow), 0);
	ring = guest_opts(&guest);
	assert_int_equal(vdpr_shadow_start(ctx, shadow, state, &ring), 0);
	for (unsigned int k = 0; k < count; k++)
		relay_one(ctx, shadow, &fake, &guest, k, big);
	vdpr_shadow_free(shadow);
	guest_close(&guest);
	fake_close(&fake);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return 0;
}
