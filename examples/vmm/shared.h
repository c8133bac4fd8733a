/* SPDX-License-Identifier: MIT */
/* What the VMM and its toy guest have in common: memory, registers, wires. */
#ifndef VMM_SHARED_H
#define VMM_SHARED_H

#include <stdint.h>
#include <sys/types.h>

/* Guest memory: registers, rings, receive buffers, and room for what is sent. */
enum {
	PAIRS = 4, /* that the toy drives at most */
	DATA_QUEUES = 2 * PAIRS,
	CONTROL = DATA_QUEUES, /* in the tables here; not the device's index */
	QUEUES = DATA_QUEUES + 1,
	RING_NUM = 256,
	CONTROL_NUM = 64,
	BUFFER_LEN = 2048,
	AVAIL_AT = 4096, /* in a ring's memory, behind the descriptors */
	USED_AT = 8192,
	RING_LEN = 12288,
	RINGS_AT = 4096,
	BUFFERS_AT = RINGS_AT + QUEUES * RING_LEN,
	SEND_AT = BUFFERS_AT + PAIRS * RING_NUM * BUFFER_LEN,
	RAM_LEN = SEND_AT + 0x10000,
};
#define RAM_AT 0x10000000ull /* guest physical address of its first byte */

/* At the beginning of guest memory: what a virtio-pci card has in its BARs. */
struct registers {
	uint64_t offered;    /* the VMM's, as are those up to status */
	uint16_t max_pairs;  /* configuration space */
	uint8_t announce;    /* VIRTIO_NET_S_ANNOUNCE in it */
	uint8_t status;	     /* what the guest reads; it writes over the bus */
	uint64_t negotiated; /* the driver's, as is all below */
	struct {
		uint32_t num;
		uint64_t desc, driver, device;
	} queue[QUEUES];
};

/*
 * The bus is where a guest leaves to its VMM and waits for it: it sends the byte
 * that it writes to the status register and goes on when it gets a byte back.
 * IDLE is no status: the toy has carried out a line of its console.
 */
#define BUS_IDLE 0xfe

struct wires {
	uint8_t *ram;
	int bus, console; /* sockets; lines for the guest's "keyboard" */
	int config;	  /* eventfds: interrupt of the configuration space */
	int kick[QUEUES], call[QUEUES];
};

/*
 * guest_boot() - a guest in a process of its own.
 * @wires: the VMM's ends. Guest memory is a memfd, so that it can be shared; the
 *         eventfds would go to KVM as ioeventfds and irqfds.
 * Return: its process, -1 and errno.
 */
pid_t guest_boot(struct wires *wires);

#endif
