/* poke.c: sends control commands to a vhost-vdpa device with raw ioctls, to prove the lab.
 *
 *   poke DEVICE CLASS.COMMAND:HEX...    prints what the device is, CLASS.COMMAND=ACK for each,
 *                                       then "held"; then takes commands from stdin, one a line,
 *                                       until it ends (closing resets the device)
 *
 * Independent of the project's library on purpose, and no more than needed: split ring, one
 * address space, one command at a time, every feature that the device offers but PACKED.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RING = 16, AREA = 65536, OUT = 16384, ACK = 60000 };
static const uint64_t iova = 0x100000;

static int device, kick;
static unsigned char
	*area; /* descriptors, avail at 4096, used at 8192, OUT, ACK */

static void need(int bad, const char *what)
{
	if (!bad)
		return;
	perror(what);
	exit(1);
}

static void status(unsigned char add)
{
	unsigned char now;

	need(ioctl(device, VHOST_VDPA_GET_STATUS, &now) < 0, "GET_STATUS");
	now |= add;
	need(ioctl(device, VHOST_VDPA_SET_STATUS, &now) < 0, "SET_STATUS");
	need(ioctl(device, VHOST_VDPA_GET_STATUS, &now) < 0, "GET_STATUS");
	if ((now & add) != add) {
		fprintf(stderr, "poke: status 0x%x was not taken\n", add);
		exit(1);
	}
}

static uint64_t negotiate(void)
{
	uint64_t features, backend;

	need(ioctl(device, VHOST_GET_FEATURES, &features) < 0, "GET_FEATURES");
	need(ioctl(device, VHOST_GET_BACKEND_FEATURES, &backend) < 0,
	     "GET_BACKEND_FEATURES");
	backend &= 1ull << VHOST_BACKEND_F_IOTLB_MSG_V2 |
		   1ull << VHOST_BACKEND_F_IOTLB_ASID;
	need(ioctl(device, VHOST_SET_BACKEND_FEATURES, &backend) < 0,
	     "SET_BACKEND_FEATURES");
	need(ioctl(device, VHOST_SET_OWNER) < 0, "SET_OWNER");
	status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	features &= ~(1ull << VIRTIO_F_RING_PACKED);
	need(ioctl(device, VHOST_SET_FEATURES, &features) < 0, "SET_FEATURES");
	status(VIRTIO_CONFIG_S_FEATURES_OK);
	return features;
}

/* The control queue's number: behind all pairs that the device has. */
static unsigned int control_queue(uint64_t features)
{
	struct vhost_vdpa_config *config = calloc(1, sizeof(*config) + 2);
	unsigned int pairs = 1;

	if (features & (1ull << VIRTIO_NET_F_MQ | 1ull << VIRTIO_NET_F_RSS)) {
		config->off = 8;
		config->len = 2;
		need(ioctl(device, VHOST_VDPA_GET_CONFIG, config) < 0,
		     "GET_CONFIG");
		pairs = config->buf[0] | config->buf[1] << 8;
	}
	free(config);
	return 2 * pairs;
}

static void map_area(void)
{
	struct vhost_msg_v2 message = { .type = VHOST_IOTLB_MSG_V2 };
	int memory = memfd_create("poke", MFD_CLOEXEC);

	need(memory < 0 || ftruncate(memory, AREA), "memfd");
	area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	need(area == MAP_FAILED, "mmap");
	message.iotlb.iova = iova;
	message.iotlb.size = AREA;
	message.iotlb.uaddr = (uintptr_t)area;
	message.iotlb.perm = VHOST_ACCESS_RW;
	message.iotlb.type = VHOST_IOTLB_UPDATE;
	need(write(device, &message, sizeof(message)) != sizeof(message),
	     "IOTLB update");
}

static void start(unsigned int queue)
{
	struct vhost_vring_state state = { .index = queue, .num = RING };
	struct vhost_vring_addr address = { .index = queue,
					    .desc_user_addr = iova,
					    .avail_user_addr = iova + 4096,
					    .used_user_addr = iova + 8192 };
	struct vhost_vring_file file = { .index = queue };

	map_area();
	need(ioctl(device, VHOST_SET_VRING_NUM, &state) < 0, "SET_VRING_NUM");
	need(ioctl(device, VHOST_SET_VRING_ADDR, &address) < 0,
	     "SET_VRING_ADDR");
	kick = eventfd(0, EFD_CLOEXEC);
	file.fd = kick;
	need(ioctl(device, VHOST_SET_VRING_KICK, &file) < 0, "SET_VRING_KICK");
	file.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	need(ioctl(device, VHOST_SET_VRING_CALL, &file) < 0, "SET_VRING_CALL");
	state.num = 1;
	need(ioctl(device, VHOST_VDPA_SET_VRING_ENABLE, &state) < 0,
	     "SET_VRING_ENABLE");
	status(VIRTIO_CONFIG_S_DRIVER_OK);
}

/* Sends the bytes at OUT and returns the device's answer. */
static unsigned char command(size_t len)
{
	static uint16_t sent;
	struct vring_desc *desc = (struct vring_desc *)area;
	struct vring_avail *avail = (struct vring_avail *)(area + 4096);
	volatile struct vring_used *used =
		(volatile struct vring_used *)(area + 8192);
	uint64_t one = 1;
	int left;

	area[ACK] = 0xff;
	desc[0] = (struct vring_desc){ iova + OUT, (uint32_t)len,
				       VRING_DESC_F_NEXT, 1 };
	desc[1] = (struct vring_desc){ iova + ACK, 1, VRING_DESC_F_WRITE, 0 };
	avail->ring[sent % RING] = 0;
	__atomic_store_n(&avail->idx, ++sent, __ATOMIC_SEQ_CST);
	need(write(kick, &one, sizeof(one)) != sizeof(one), "kick");
	for (left = 5000; used->idx != sent; left--) {
		if (!left) {
			fprintf(stderr, "poke: no answer\n");
			exit(1);
		}
		usleep(1000);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return area[ACK];
}

/* Sends one command in the form of the arguments and prints the answer. */
static void send_text(const char *text)
{
	unsigned int class, number, byte;
	size_t len = 2;
	int at = 0;

	if (sscanf(text, "%u.%u:%n", &class, &number, &at) != 2 || !at) {
		fprintf(stderr, "poke: %s: not CLASS.COMMAND:HEX\n", text);
		exit(2);
	}
	area[OUT] = (unsigned char)class;
	area[OUT + 1] = (unsigned char)number;
	for (; sscanf(text + at, "%2x", &byte) == 1; at += 2)
		area[OUT + len++] = (unsigned char)byte;
	printf("%u.%u=%u\n", class, number, command(len));
}

static void describe(void)
{
	uint64_t features, backend;
	unsigned int queues, groups, spaces;

	need(ioctl(device, VHOST_GET_FEATURES, &features) < 0, "GET_FEATURES");
	need(ioctl(device, VHOST_GET_BACKEND_FEATURES, &backend) < 0,
	     "GET_BACKEND_FEATURES");
	need(ioctl(device, VHOST_VDPA_GET_VQS_COUNT, &queues) < 0,
	     "GET_VQS_COUNT");
	need(ioctl(device, VHOST_VDPA_GET_GROUP_NUM, &groups) < 0,
	     "GET_GROUP_NUM");
	need(ioctl(device, VHOST_VDPA_GET_AS_NUM, &spaces) < 0, "GET_AS_NUM");
	printf("features 0x%llx backend 0x%llx queues %u groups %u spaces %u\n",
	       (unsigned long long)features, (unsigned long long)backend,
	       queues, groups, spaces);
}

int main(int argc, char **argv)
{
	static char line[32768];

	if (argc < 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	device = open(argv[1], O_RDWR | O_CLOEXEC);
	need(device < 0, argv[1]);
	describe();
	start(control_queue(negotiate()));
	for (int i = 2; i < argc; i++)
		send_text(argv[i]);
	printf("held\n");
	while (fgets(line, sizeof(line), stdin))
		send_text(line);
	return 0;
}
