/* SPDX-License-Identifier: MIT */
/* The receive queues of a toy guest: every frame is judged by the state's RSS. */
#include "tests/lab/traffic.h"

struct traffic_seen seen;

static void judge(const struct rss_model *rss, int queue, const uint8_t *frame,
		  size_t len)
{
	uint64_t number = 0;
	int expected = rss_queue(rss, frame, len, &number);

	if (expected < 0) {
		seen.foreign++;
		return;
	}
	seen.frames++;
	seen.per_queue[queue]++;
	if (number < seen.go)
		seen.early++;
	if (expected == queue)
		return;
	seen.strays++;
	seen.last_at = seen.frames;
	if (seen.strays > 1)
		return;
	seen.first_at = seen.frames;
	seen.first_number = number;
	seen.first_queue = queue;
	seen.first_expected = expected;
}

/* Takes what the device has used and posts it again. Return: was there any? */
static bool drain(const struct rss_model *rss, int pair)
{
	struct ring *ring = &dev.ring[2 * pair];
	uint32_t len;
	uint16_t id;
	int count = 0;

	for (; count < RING_NUM && take(ring, 1, &id, &len); count++) {
		const struct part part = receive_buffer(pair, id);
		const uint8_t *buffer = dev.area + (part.iova - AREA_IOVA);

		need(len >= HEADER_LEN && len <= BUFFER_LEN, "bad used length");
		if (rss)
			judge(rss, pair, buffer + HEADER_LEN, len - HEADER_LEN);
		else
			seen.unjudged++;
		post(ring, id, &part, 1);
	}
	return count > 0;
}

void receive_some(const struct rss_model *rss)
{
	bool any = false;

	for (int i = 0; i < PAIRS; i++)
		any |= drain(rss, i);
	/* All of them: QEMU stops reading one queue of its tap when a frame of
	 * it found another receive queue full, and looks again only when its
	 * own is kicked. What waited from before the restore must come too. */
	for (int i = 0; any && i < PAIRS; i++)
		kick(&dev.ring[2 * i]);
}
