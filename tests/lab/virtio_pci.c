/* virtio_pci.c: looks at, and prepares, a virtio PCI device that has no driver bound.
 *
 *   virtio_pci ADDRESS expose    write all offered features to the device as the driver's
 *   virtio_pci ADDRESS features  print the features that it offers
 *   virtio_pci ADDRESS config N  print N bytes of the device's own configuration
 *
 * `expose` is there for a quirk: QEMU's virtio-net counts 3 queues until a driver has written
 * the MQ bit, and vp_vdpa reads that number when it is bound.
 * Registers are reached through the configuration space window (capability of type 5), which
 * needs no BAR mapping and works beside a driver.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMMON_CFG = 1, DEVICE_CFG = 4, PCI_CFG = 5 };
enum {
	DEVICE_SELECT = 0,
	DEVICE_FEATURE = 4,
	DRIVER_SELECT = 8,
	DRIVER_FEATURE = 12,
	NUM_QUEUES = 18,
	DEVICE_STATUS = 20
};

static int fd; /* the configuration space */

static uint32_t get(uint32_t at, uint32_t size)
{
	uint32_t value = 0;

	if (pread(fd, &value, size, at) != (ssize_t)size) {
		perror("virtio_pci: read");
		exit(1);
	}
	return value;
}

static void put(uint32_t at, uint32_t value, uint32_t size)
{
	if (pwrite(fd, &value, size, at) != (ssize_t)size) {
		perror("virtio_pci: write");
		exit(1);
	}
}

/* The vendor capability of that type, or exit. */
static uint32_t capability(uint32_t type)
{
	uint32_t at = get(0x34, 1);

	for (int left = 48; at && left; left--, at = get(at + 1, 1))
		if (get(at, 1) == 0x09 && get(at + 3, 1) == type)
			return at;
	fprintf(stderr, "virtio_pci: no capability of type %u\n", type);
	exit(1);
}

static uint32_t window; /* capability of type 5 */

static void aim(uint32_t region, uint32_t offset, uint32_t size)
{
	put(window + 4, get(region + 4, 1), 1);
	put(window + 8, get(region + 8, 4) + offset, 4);
	put(window + 12, size, 4);
}

static uint32_t read_reg(uint32_t region, uint32_t offset, uint32_t size)
{
	aim(region, offset, size);
	return get(window + 16, size);
}

static void write_reg(uint32_t region, uint32_t offset, uint32_t value,
		      uint32_t size)
{
	aim(region, offset, size);
	put(window + 16, value, size);
}

static uint32_t offered(uint32_t common, uint32_t word)
{
	write_reg(common, DEVICE_SELECT, word, 4);
	return read_reg(common, DEVICE_FEATURE, 4);
}

static void expose(uint32_t common)
{
	write_reg(common, DEVICE_STATUS, 0, 1);
	for (uint32_t word = 0; word < 2; word++) {
		uint32_t features = offered(common, word);

		write_reg(common, DRIVER_SELECT, word, 4);
		write_reg(common, DRIVER_FEATURE, features, 4);
	}
	printf("%u\n", read_reg(common, NUM_QUEUES, 2));
}

int main(int argc, char **argv)
{
	char path[128];

	if (argc < 3) {
		fprintf(stderr,
			"usage: virtio_pci ADDRESS expose|features|config N\n");
		return 2;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", argv[1]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	window = capability(PCI_CFG);
	if (!strcmp(argv[2], "expose")) {
		expose(capability(COMMON_CFG));
	} else if (!strcmp(argv[2], "features")) {
		uint32_t common = capability(COMMON_CFG);

		printf("0x%" PRIx64 "\n",
		       (uint64_t)offered(common, 1) << 32 | offered(common, 0));
	} else if (!strcmp(argv[2], "config") && argc == 4) {
		uint32_t region = capability(DEVICE_CFG),
			 size = (uint32_t)atoi(argv[3]);

		for (uint32_t i = 0; i < size; i++)
			printf("%02x", read_reg(region, i, 1));
		printf("\n");
	} else {
		return 2;
	}
	return 0;
}
