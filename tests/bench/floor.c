/* SPDX-License-Identifier: MIT */
/* The floor: ready-made control commands on a bare ring, with no library.
 *
 *   floor wait|spin DEVICE FEATURES PAIRS FILE
 *
 * FILE has one command a line, class, command and payload as hex. The device is
 * set up with the negotiated FEATURES (hex) and PAIRS empty pairs of data
 * queues; then, as a restore does it: the control queue is enabled, DRIVER_OK,
 * the commands, and the data queues are enabled.
 *
 * "wait" posts a ring-full behind each kick and sleeps on the call eventfd until
 * all of it is back; "spin" never sleeps and refills with what has come back,
 * which shows what the device alone needs.
 *
 * Prints one line of JSON, and holds the device until its standard input ends.
 * Split rings with event index, without indirect descriptors: as the QEMU beside
 * it has them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
#define MAX_COMMANDS 8192
#define DATA_ENTRIES 256u
#define WAIT_MSEC 10000
#ifndef VHOST_VDPA_GET_VRING_SIZE
#define VHOST_VDPA_GET_VRING_SIZE \
	_IOWR(VHOST_VIRTIO, 0x82, struct vhost_vring_state)
#endif

/* Where the parts of the memory lie; its IOVAs have the same offsets. */
struct layout {
	size_t avail, used, out, in, end;
};

struct command {
	uint32_t at, len; /* in the arena of commands */
};

static struct command commands[MAX_COMMANDS];
static unsigned int n_commands, n_kicks, n_waits;
static uint8_t arena[MAX_COMMANDS * 32 + (1 << 16)];
static uint32_t arena_len;
static int dev, call_fd, kick_fd;
static bool spin;

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what,
		errno ? strerror(errno) : "failed");
	exit(1);
}

static void call(unsigned long request, void *arg, const char *what)
{
	if (ioctl(dev, request, arg) < 0)
		die(what);
}

static void vring(unsigned long request, unsigned int index, unsigned int num)
{
	struct vhost_vring_state state = { .index = index, .num = num };

	call(request, &state, "vring");
}

static void status(uint8_t bits)
{
	uint8_t now = 0;

	call(VHOST_VDPA_SET_STATUS, &bits, "SET_STATUS");
	call(VHOST_VDPA_GET_STATUS, &now, "GET_STATUS");
	if (now != bits)
		die("the status does not stay");
}

static void read_commands(const char *path)
{
	static char line[4096];
	FILE *file = fopen(path, "r");

	if (!file)
		die(path);
	while (fgets(line, sizeof(line), file)) {
		struct command *command = &commands[n_commands];
		unsigned int byte;

		if (n_commands == MAX_COMMANDS ||
		    arena_len + strlen(line) / 2 > sizeof(arena))
			die("too many commands");
		command->at = arena_len;
		for (char *at = line; sscanf(at, "%2x", &byte) == 1; at += 2)
			arena[arena_len++] = (uint8_t)byte;
		command->len = arena_len - command->at;
		n_commands++;
	}
	fclose(file);
}

static void map(uint64_t iova, void *addr, uint64_t size, uint8_t perm)
{
	struct vhost_msg_v2 msg = { .type = VHOST_IOTLB_MSG_V2 };

	msg.iotlb = (struct vhost_iotlb_msg){ .iova = iova,
					      .size = size,
					      .uaddr = (uintptr_t)addr,
					      .perm = perm,
					      .type = VHOST_IOTLB_UPDATE };
	if (write(dev, &msg, sizeof(msg)) != sizeof(msg))
		die("IOTLB update");
}

static size_t round_up(size_t size, size_t to)
{
	return (size + to - 1) / to * to;
}

static uint8_t *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	return memory;
}

static void set_ring(unsigned int index, unsigned int num, uint64_t iova,
		     const struct layout *at, int kick, int call_to)
{
	struct vhost_vring_addr addr = { .index = index };
	struct vhost_vring_file file = { .index = index, .fd = kick };

	addr.desc_user_addr = iova;
	addr.avail_user_addr = iova + at->avail;
	addr.used_user_addr = iova + at->used;
	vring(VHOST_SET_VRING_NUM, index, num);
	vring(VHOST_SET_VRING_BASE, index, 0);
	call(VHOST_SET_VRING_ADDR, &addr, "SET_VRING_ADDR");
	call(VHOST_SET_VRING_KICK, &file, "SET_VRING_KICK");
	file.fd = call_to;
	call(VHOST_SET_VRING_CALL, &file, "SET_VRING_CALL");
}

/* Descriptors and driver area in pages of their own, then what it writes. */
static struct layout ring_layout(unsigned int num)
{
	struct layout at = { .avail = 16u * num };

	at.used = round_up(at.avail + 6u + 2u * num, PAGE);
	at.out = at.used + round_up(6u + 8u * num, PAGE);
	at.in = at.out + round_up(arena_len, PAGE);
	at.end = at.in + round_up(n_commands, PAGE);
	return at;
}

/* Every data queue has the same empty ring: nothing is ever put into it. */
static void data_rings(unsigned int queues, uint64_t iova)
{
	struct layout at = ring_layout(DATA_ENTRIES);
	uint8_t *memory = shared(queues * at.out);

	map(iova, memory, queues * at.out, VHOST_ACCESS_RW);
	for (unsigned int i = 0; i < queues; i++)
		set_ring(i, DATA_ENTRIES, iova + i * at.out, &at,
			 eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK));
}

struct ring {
	unsigned int num, mask;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint8_t *in;
	uint64_t out_iova, in_iova;
};

/* The commands from..to; each has the slot of the one a ring-full before it. */
static void post(struct ring *ring, unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++) {
		unsigned int slot = i % (ring->num / 2);
		struct vring_desc *desc = &ring->desc[2 * slot];

		desc[0] = (struct vring_desc){ ring->out_iova + commands[i].at,
					       commands[i].len,
					       VRING_DESC_F_NEXT,
					       (uint16_t)(2 * slot + 1) };
		desc[1] = (struct vring_desc){ ring->in_iova + i, 1,
					       VRING_DESC_F_WRITE, 0 };
		ring->avail->ring[i & ring->mask] = (uint16_t)(2 * slot);
	}
	/* used_event: one call when the last of them comes back. */
	ring->avail->ring[ring->num] = (uint16_t)(to - 1);
	__atomic_store_n(&ring->avail->idx, (uint16_t)to, __ATOMIC_SEQ_CST);
}

/* A device that is still at work asks for no kick (avail_event). */
static void kick(const struct ring *ring, unsigned int from, unsigned int to)
{
	const uint16_t *place = (const void *)&ring->used->ring[ring->num];
	uint16_t event = __atomic_load_n(place, __ATOMIC_SEQ_CST);
	const uint64_t one = 1;

	if ((uint16_t)(to - event - 1) >= (uint16_t)(to - from))
		return;
	if (write(kick_fd, &one, sizeof(one)) < 0)
		die("kick");
	n_kicks++;
}

/* Waits until all up to next has come back, or with "spin" anything since done.
 * Return: how many have. */
static unsigned int wait_used(const struct ring *ring, unsigned int done,
			      unsigned int next)
{
	struct pollfd fd = { .fd = call_fd, .events = POLLIN };
	uint64_t count;

	for (;;) {
		uint16_t used =
			__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE);
		unsigned int now = done + (uint16_t)(used - (uint16_t)done);

		if (now == next || (spin && now != done))
			return now;
		if (spin)
			continue;
		if (poll(&fd, 1, WAIT_MSEC) <= 0)
			die("the device does not answer");
		n_waits++;
		if (read(call_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			die("read");
	}
}

static void replay(struct ring *ring)
{
	unsigned int next = 0, done = 0;

	while (done < n_commands) {
		unsigned int from = next;

		next = done + ring->num / 2;
		if (next > n_commands)
			next = n_commands;
		if (next != from) {
			post(ring, from, next);
			kick(ring, from, next);
		}
		done = wait_used(ring, done, next);
	}
}

static uint64_t open_device(const char *path, uint64_t features)
{
	struct vhost_vdpa_iova_range range;
	uint64_t backend = 1ull << VHOST_BACKEND_F_IOTLB_MSG_V2 |
			   1ull << VHOST_BACKEND_F_IOTLB_ASID;

	dev = open(path, O_RDWR | O_CLOEXEC);
	if (dev < 0)
		die(path);
	call(VHOST_SET_OWNER, NULL, "SET_OWNER");
	call(VHOST_SET_BACKEND_FEATURES, &backend, "SET_BACKEND_FEATURES");
	status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	call(VHOST_SET_FEATURES, &features, "SET_FEATURES");
	status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
	       VIRTIO_CONFIG_S_FEATURES_OK);
	call(VHOST_VDPA_GET_IOVA_RANGE, &range, "GET_IOVA_RANGE");
	return round_up(range.first + PAGE, PAGE);
}

static unsigned int queue_pairs_offered(void)
{
	struct { /* struct vhost_vdpa_config with its array */
		uint32_t off, len;
		uint8_t bytes[4];
	} config = { .off = 8, .len = 2 };

	call(VHOST_VDPA_GET_CONFIG, &config, "GET_CONFIG");
	return config.bytes[0] | (unsigned int)config.bytes[1] << 8;
}

/* The control queue with the commands, from iova on, then the data queues. */
static void set_rings(struct ring *ring, unsigned int cvq, unsigned int queues,
		      uint64_t iova)
{
	struct vhost_vring_state size = { .index = cvq };
	struct layout at;
	uint8_t *memory;

	call(VHOST_VDPA_GET_VRING_SIZE, &size, "GET_VRING_SIZE");
	at = ring_layout(size.num);
	memory = shared(at.end);
	memset(memory + at.in, 0xff, at.end - at.in);
	memcpy(memory + at.out, arena, arena_len);
	map(iova, memory, at.end, VHOST_ACCESS_RW);
	*ring = (struct ring){ .num = size.num,
			       .mask = size.num - 1,
			       .desc = (void *)memory,
			       .avail = (void *)(memory + at.avail),
			       .used = (void *)(memory + at.used),
			       .in = memory + at.in,
			       .out_iova = iova + at.out,
			       .in_iova = iova + at.in };
	kick_fd = eventfd(0, EFD_NONBLOCK);
	call_fd = eventfd(0, EFD_NONBLOCK);
	set_ring(cvq, size.num, iova, &at, kick_fd, call_fd);
	data_rings(queues, iova + round_up(at.end, 1 << 20));
}

int main(int argc, char **argv)
{
	unsigned int pairs, cvq = 2, refused = 0;
	uint64_t features, iova;
	struct ring ring;

	if (argc != 6) {
		fputs("usage: floor wait|spin DEVICE FEATURES PAIRS FILE\n",
		      stderr);
		return 2;
	}
	spin = !strcmp(argv[1], "spin");
	features = strtoull(argv[3], NULL, 16);
	pairs = (unsigned int)strtoul(argv[4], NULL, 10);
	read_commands(argv[5]);
	iova = open_device(argv[2], features);
	if (!(features >> VIRTIO_RING_F_EVENT_IDX & 1) ||
	    features >> VIRTIO_RING_F_INDIRECT_DESC & 1 ||
	    features >> VIRTIO_F_RING_PACKED & 1)
		die("another ring than this program knows");
	if (features >> VIRTIO_NET_F_MQ & 1 || features >> 60 & 1)
		cvq = 2 * queue_pairs_offered();

	set_rings(&ring, cvq, 2 * pairs, iova);
	vring(VHOST_VDPA_SET_VRING_ENABLE, cvq, 1);
	status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
	       VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	replay(&ring);
	for (unsigned int i = 0; i < 2 * pairs; i++)
		vring(VHOST_VDPA_SET_VRING_ENABLE, i, 1);

	for (unsigned int i = 0; i < n_commands; i++)
		refused += ring.in[i] != VIRTIO_NET_OK;
	printf("{\"commands\": %u, \"kicks\": %u, \"waits\": %u, \"refused\": %u}\n",
	       n_commands, n_kicks, n_waits, refused);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return refused ? 1 : 0;
}
