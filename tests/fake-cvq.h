/* SPDX-License-Identifier: MIT */
/* A device after a restore, of which only the CVQ is there: played by the test. */
#ifndef VDPR_TESTS_FAKE_CVQ_H
#define VDPR_TESTS_FAKE_CVQ_H

#include "restore/cvq.h"
#include "restore/guest-ring.h"

struct fake_cvq {
	struct vdpr_dev dev;
	struct vdpr_guest_mem mem;   /* what the device can reach */
	struct vdpr_guest_ring ring; /* the device's side */
	unsigned int resets;
};

/* One command as the device sees it. */
struct fake_command {
	uint16_t id, entries;
	size_t len;
	uint8_t *data; /* class, command, payload; freed by fake_answer() */
	struct vdpr_guest_piece in;
};

/* fake_open() - a CVQ of @num entries with room to relay. */
void fake_open(struct fake_cvq *f, const struct vdpr_ring_format *format,
	       uint16_t num);
void fake_close(struct fake_cvq *f);

/* fake_next() - take the next command. Return: was there one? */
bool fake_next(struct fake_cvq *f, struct fake_command *out);

/* fake_answer() - write the answer, give the command back with a length, call. */
void fake_answer(struct fake_cvq *f, struct fake_command *c, const void *answer,
		 size_t len, uint32_t used_len);

/* Takes and acknowledges all there is. Return: how many. */
unsigned int fake_accept(struct fake_cvq *f);

#endif
