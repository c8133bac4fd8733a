/* SPDX-License-Identifier: MIT */
/* A toy guest: the least of a virtio-net driver, in a process of its own. */

/*
 * It knows nothing of the library and nothing of vhost. A real guest has Linux'
 * drivers/net/virtio_net.c here. Split rings, little-endian hosts.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared.h"

#define BIT(n) (1ull << (n))
#define HEADER_LEN 12 /* struct virtio_net_hdr_v1 */
#define PATIENCE_MSEC 10000
#define ACK_AT 2048 /* in what is sent: commands, answers, frames */
#define FRAME_AT 4096

/* What the driver can do with; of the rest it keeps off. */
static const uint64_t wanted =
	BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |
	BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) |
	BIT(VIRTIO_NET_F_CTRL_VLAN) | BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) |
	BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) | BIT(VIRTIO_NET_F_MQ) |
	BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | BIT(VIRTIO_RING_F_EVENT_IDX) |
	BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM) |
	BIT(VIRTIO_NET_F_RSS);

static struct {
	const struct wires *wires;
	struct registers *reg;
	uint16_t posted[QUEUES], seen[QUEUES]; /* avail and used indices */
	unsigned int pairs;
	unsigned long received[PAIRS];
} guest;

/* ----------------------------------------------------------------------- rings */

static uint8_t *ring_at(unsigned int q)
{
	return guest.wires->ram + RINGS_AT + (size_t)q * RING_LEN;
}

static uint32_t ring_num(unsigned int q)
{
	return q == CONTROL ? CONTROL_NUM : RING_NUM;
}

/* A chain of one part that the device reads, or writes, or of one of each. */
static void post(unsigned int q, uint32_t out_at, uint32_t out_len,
		 uint32_t in_at, uint32_t in_len)
{
	struct vring_desc *desc = (void *)ring_at(q);
	struct vring_avail *avail = (void *)(ring_at(q) + AVAIL_AT);
	uint16_t num = (uint16_t)ring_num(q);
	/* Two descriptors a chain in the control ring, one in the others. */
	uint16_t id =
		(uint16_t)((q == CONTROL ? 2 : 1) * guest.posted[q] % num);
	uint16_t at = id;

	if (out_len)
		desc[at++] =
			(struct vring_desc){ RAM_AT + out_at, out_len,
					     in_len ? VRING_DESC_F_NEXT : 0,
					     (uint16_t)(id + 1) };
	if (in_len)
		desc[at] = (struct vring_desc){ RAM_AT + in_at, in_len,
						VRING_DESC_F_WRITE, 0 };
	avail->ring[guest.posted[q]++ % num] = id;
	__atomic_store_n(&avail->idx, guest.posted[q], __ATOMIC_RELEASE);
}

static void kick(unsigned int q)
{
	const uint64_t one = 1;
	ssize_t n = write(guest.wires->kick[q], &one, sizeof(one));

	(void)n; /* an eventfd that is full has been kicked */
}

/* The next buffer that the device has used. @id: of its chain. */
static bool take(unsigned int q, uint32_t *id)
{
	struct vring_avail *avail = (void *)(ring_at(q) + AVAIL_AT);
	struct vring_used *used = (void *)(ring_at(q) + USED_AT);

	/* With EVENT_IDX: call for the next one, too. Without, nobody looks. */
	__atomic_store_n(&avail->ring[ring_num(q)], guest.seen[q],
			 __ATOMIC_SEQ_CST);
	if (guest.seen[q] == __atomic_load_n(&used->idx, __ATOMIC_SEQ_CST))
		return false;
	*id = used->ring[guest.seen[q]++ % ring_num(q)].id;
	return true;
}

/* Sleeps until the device has used one, as a driver that waits for it does. */
static bool wait_used(unsigned int q)
{
	struct pollfd call = { guest.wires->call[q], POLLIN, 0 };
	uint32_t id;
	uint64_t count;

	for (int msec = 0; !take(q, &id); msec += 100) {
		if (msec >= PATIENCE_MSEC ||
		    guest.reg->status & VIRTIO_CONFIG_S_NEEDS_RESET)
			return false;
		if (poll(&call, 1, 100) > 0 &&
		    read(call.fd, &count, sizeof(count)) < 0)
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------------- receive */

static void post_receive(unsigned int pair, uint32_t id)
{
	uint32_t at = (pair * RING_NUM + id % RING_NUM) * BUFFER_LEN;

	post(2 * pair, 0, 0, BUFFERS_AT + at, BUFFER_LEN);
}

static void receive(unsigned int pair)
{
	uint32_t id;

	while (take(2 * pair, &id)) {
		guest.received[pair]++;
		post_receive(pair, id);
		kick(2 * pair);
	}
}

/* ----------------------------------------------------------------------- driver */

/* Leaves to the VMM. Return: the status that it shows then. */
static uint8_t write_status(uint8_t status)
{
	if (send(guest.wires->bus, &status, 1, MSG_NOSIGNAL) != 1 ||
	    recv(guest.wires->bus, &status, 1, 0) != 1)
		exit(1); /* no VMM, no guest */
	return status;
}

static void lay_out_rings(void)
{
	uint64_t many = BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_RSS);

	guest.pairs = guest.reg->negotiated & many ? guest.reg->max_pairs : 1;
	if (guest.pairs > PAIRS)
		guest.pairs = PAIRS;
	memset(ring_at(0), 0, QUEUES * RING_LEN);
	for (unsigned int q = 0; q < QUEUES; q++) {
		uint64_t at = RAM_AT + RINGS_AT + (uint64_t)q * RING_LEN;

		guest.posted[q] = guest.seen[q] = 0;
		guest.reg->queue[q].num = ring_num(q);
		guest.reg->queue[q].desc = at;
		guest.reg->queue[q].driver = at + AVAIL_AT;
		guest.reg->queue[q].device = at + USED_AT;
	}
	for (unsigned int pair = 0; pair < guest.pairs; pair++)
		for (uint32_t id = 0; id < RING_NUM; id++)
			post_receive(pair, id);
}

/* What the VMM lets it see afterwards decides whether it runs. */
static bool start(void)
{
	lay_out_rings();
	return write_status(VIRTIO_CONFIG_S_ACKNOWLEDGE |
			    VIRTIO_CONFIG_S_DRIVER |
			    VIRTIO_CONFIG_S_FEATURES_OK |
			    VIRTIO_CONFIG_S_DRIVER_OK) &
	       VIRTIO_CONFIG_S_DRIVER_OK;
}

/* Loading a driver (virtio 1.3, 3.1.1), the first time or again. */
static bool load(void)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	write_status(0);
	write_status(status);
	guest.reg->negotiated = guest.reg->offered & wanted;
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	return write_status(status) & VIRTIO_CONFIG_S_FEATURES_OK && start();
}

/* A control command: class, command, payload. Return: the device's answer. */
static const char *command(const uint8_t *data, size_t len)
{
	uint8_t *ack = guest.wires->ram + SEND_AT + ACK_AT;

	memcpy(guest.wires->ram + SEND_AT, data, len);
	*ack = 0xff;
	post(CONTROL, SEND_AT, (uint32_t)len, SEND_AT + ACK_AT, 1);
	kick(CONTROL);
	if (!wait_used(CONTROL))
		return "no answer";
	return *ack == VIRTIO_NET_OK ? "ok" : "refused";
}

/* ------------------------------------------------------------ what people type */

/* Any command, as bytes in hex: class, command, payload. */
static const char *control(const char *line)
{
	uint8_t data[ACK_AT];
	size_t len = 0;
	char *end;

	for (; len < sizeof(data); line = end) {
		unsigned long byte = strtoul(line, &end, 16);

		if (end == line)
			break;
		data[len++] = (uint8_t)byte;
	}
	return len < 2 ? "bytes are wanted" : command(data, len);
}

/* Frames to everybody on the first transmit queue. */
static const char *send_frames(const char *line)
{
	uint8_t *frame = guest.wires->ram + SEND_AT + FRAME_AT;

	memset(frame, 0, HEADER_LEN + 60);
	memset(frame + HEADER_LEN, 0xff, 6);
	for (unsigned long n = strtoul(line, NULL, 10); n; n--) {
		post(1, SEND_AT + FRAME_AT, HEADER_LEN + 60, 0, 0);
		kick(1);
		if (!wait_used(1))
			return "the device takes none";
	}
	return "ok";
}

static const char *received(const char *line)
{
	static char text[128];

	(void)line;
	snprintf(text, sizeof(text), "%lu %lu %lu %lu", guest.received[0],
		 guest.received[1], guest.received[2], guest.received[3]);
	return text;
}

static const char *reload(const char *line)
{
	(void)line;
	return load() ? "ok" : "the device does not start";
}

/* A guest that has migrated here: its memory says that its driver is running. */
static const char *arrive(const char *line)
{
	guest.reg->negotiated = strtoull(line, NULL, 16);
	if (guest.reg->negotiated & BIT(VIRTIO_F_RING_PACKED))
		return "the toy has no packed rings";
	return start() ? "ok" : "the device does not start";
}

static const struct {
	const char *word;
	const char *(*obey)(const char *line);
} words[] = {
	{ "control", control },	  { "send", send_frames }, { "reload", reload },
	{ "received", received }, { "arrive", arrive },
};

static const char *obey(const char *word, const char *rest)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(word, words[i].word))
			return words[i].obey(rest);
	return "what?";
}

/* Return: false when the console has ended. */
static bool read_console(void)
{
	const uint8_t idle = BUS_IDLE;
	char line[2048];
	ssize_t n = recv(guest.wires->console, line, sizeof(line) - 1, 0);
	char *rest;

	if (n <= 0)
		return false;
	line[n] = '\0';
	rest = line + strcspn(line, " ");
	if (*rest)
		*rest++ = '\0';
	printf("guest: %s%s%s: %s\n", line, *rest ? " " : "", rest,
	       obey(line, rest));
	return send(guest.wires->bus, &idle, 1, MSG_NOSIGNAL) == 1;
}

static void config_interrupt(void)
{
	static const uint8_t ack[] = { VIRTIO_NET_CTRL_ANNOUNCE,
				       VIRTIO_NET_CTRL_ANNOUNCE_ACK };

	if (guest.reg->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		printf("guest: needs reset: %s\n", reload(""));
	else if (guest.reg->announce)
		printf("guest: announce: %s\n", command(ack, sizeof(ack)));
}

static int guest_main(const struct wires *wires)
{
	struct pollfd fds[PAIRS + 2] = { { wires->console, POLLIN, 0 },
					 { wires->config, POLLIN, 0 } };
	uint64_t count;

	guest.wires = wires;
	guest.reg = (void *)wires->ram;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned int i = 0; i < PAIRS; i++)
		fds[2 + i] = (struct pollfd){ wires->call[2 * i], POLLIN, 0 };
	for (;;) {
		if (poll(fds, PAIRS + 2, -1) < 0 && errno != EINTR)
			return 1;
		for (unsigned int i = 0; i < PAIRS; i++)
			if (fds[2 + i].revents && guest.pairs > i &&
			    read(fds[2 + i].fd, &count, sizeof(count)) > 0)
				receive(i);
		if (fds[1].revents &&
		    read(wires->config, &count, sizeof(count)) > 0)
			config_interrupt();
		if (fds[0].revents && !read_console())
			return 0;
	}
}

/* ------------------------------------------------------ the VMM's side of it all */

static int make_wires(struct wires *w, int bus[2], int console[2])
{
	int memory = memfd_create("guest", MFD_CLOEXEC);

	if (memory < 0 || ftruncate(memory, RAM_LEN) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, bus) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, console))
		return -1;
	w->ram = mmap(NULL, RAM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, memory,
		      0);
	close(memory);
	w->config = eventfd(0, EFD_CLOEXEC);
	for (int q = 0; q < QUEUES; q++) {
		w->kick[q] = eventfd(0, EFD_CLOEXEC);
		w->call[q] = eventfd(0, EFD_CLOEXEC);
	}
	return w->ram == MAP_FAILED || w->call[QUEUES - 1] < 0 ? -1 : 0;
}

pid_t guest_boot(struct wires *w)
{
	int bus[2], console[2], side;
	pid_t pid;

	if (make_wires(w, bus, console))
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	side = pid ? 0 : 1;
	w->bus = bus[side];
	w->console = console[side];
	close(bus[!side]);
	close(console[!side]);
	if (!pid)
		_exit(guest_main(w));
	return pid;
}
