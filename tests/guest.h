/* SPDX-License-Identifier: MIT */
/* A guest for tests: memory, a control ring in it, and the driver's side of it. */
#ifndef VDPR_TESTS_GUEST_H
#define VDPR_TESTS_GUEST_H

#include "restore/guest-ring.h"
#include "restore/ring.h"

#define GUEST_GPA 0x80000000u
#define GUEST_LEN 0x100000u
#define GUEST_RO 0x0u	    /* offset of what only the driver writes */
#define GUEST_RW 0x8000u    /* of what the device writes, too */
#define GUEST_OUT 0x10000u  /* of the commands, GUEST_OUT_LEN each */
#define GUEST_IN 0x60000u   /* of the answers, GUEST_IN_LEN each */
#define GUEST_LONG 0xa0000u /* of one long command */
#define GUEST_OUT_LEN 0x800u
#define GUEST_IN_LEN 0x400u
#define GUEST_SLOTS 128u

struct guest {
	uint8_t *mem; /* GUEST_LEN bytes at GUEST_GPA */
	struct vdpr_guest_region region;
	struct vdpr_ring ring; /* the driver's side */
	struct vdpr_ring_slot slot[VDPR_RING_MAX];
	struct vdpr_ring_areas at;
	int kick, call; /* eventfds */
	size_t in_len[GUEST_SLOTS];
};

/* guest_open() - memory and a fresh ring of @num entries. */
void guest_open(struct guest *g, const struct vdpr_ring_format *format,
		uint16_t num);
void guest_close(struct guest *g);

/* guest_reload() - another driver: a fresh ring in memory that is wiped. */
void guest_reload(struct guest *g, const struct vdpr_ring_format *format,
		  uint16_t num);

/* What the library is told of the ring. */
struct vdpr_guest_ring_setup guest_setup(const struct guest *g);
struct vdpr_guest_ring_opts guest_opts(const struct guest *g);

/* guest_send() - queue a command in a slot; its answer will be at guest_answer().
 * @len: of @data, what follows class and command.
 * @in_len: writable bytes.
 * Asserts that the ring has room.
 */
void guest_send(struct guest *g, unsigned int slot, uint8_t ctrl_class,
		uint8_t command, const void *data, size_t len, size_t in_len);

/* guest_show() - publish what was queued and kick if that is wanted. */
bool guest_show(struct guest *g);

/* guest_take() - the next answer. Return: 1, 0; asserts that it is no fault. */
int guest_take(struct guest *g, unsigned int *slot, uint32_t *len);

uint8_t *guest_answer(struct guest *g, unsigned int slot);

#endif
