/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: the input, the checks, what every state must do. */
#ifndef VDPR_TESTS_FUZZ_H
#define VDPR_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "restore/ring.h"

/* libFuzzer's entry point: one input. Anything but a return is a finding. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of the library; a broken one is a finding. */
#define FUZZ_CHECK(what)                                               \
	do {                                                           \
		if (!(what)) {                                         \
			fprintf(stderr, "%s:%d: broken promise: %s\n", \
				__FILE__, __LINE__, #what);            \
			abort();                                       \
		}                                                      \
	} while (0)

/* The rest of an input that is taken apart; zeros when it is used up. */
struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

/* The next @len bytes, as many as there are; the rest of @to becomes zero. */
void fuzz_take(struct fuzz_input *in, void *to, size_t len);

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
	uint8_t v;

	fuzz_take(in, &v, sizeof(v));
	return v;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
	uint8_t v[2];

	fuzz_take(in, v, sizeof(v));
	return vdpr_get_le16(v);
}

static inline uint64_t fuzz_u64(struct fuzz_input *in)
{
	uint8_t v[8];

	fuzz_take(in, v, sizeof(v));
	return vdpr_get_le64(v);
}

/* Does a text end within its array? */
void fuzz_text(const char *text, size_t size);

/* fuzz_send_packets() - the rest of the input as packets: a byte that says over which
 * of @n sockets (none where there is only one), 16 bits of length, bytes. Then the
 * sockets are at their end.
 */
void fuzz_send_packets(struct fuzz_input *in, const int *fd, unsigned int n);

/* fuzz_ctx() - a context whose log lines are checked like its errors.
 * Freed by the caller with vdpr_ctx_free().
 */
struct vdpr_ctx *fuzz_ctx(void);

/* Is it a line for people: not empty, no control characters? */
void fuzz_line(const char *text);

/* fuzz_command() - describes a command: one line, whatever the command is. */
void fuzz_command(struct vdpr_ctx *ctx, const struct vdpr_command *command);

/* fuzz_state() - what holds for every state, wherever it comes from.
 * Its text is read again and gives the same text; the two are the same; it is
 * planned or refused cleanly, and a plan's commands can be described.
 */
void fuzz_state(struct vdpr_ctx *ctx, const struct vdpr_state *state);

/* What a device of one ring format does by the rules. */
struct fuzz_device {
	const struct vdpr_ring_ops *ops;
	/* Is this a size of such a ring? */
	bool (*size_ok)(uint16_t num);
	/* Marks the @n oldest unused places as used by one entry for @slot. */
	void (*use)(struct vdpr_ring *ring, uint16_t *at, uint16_t slot,
		    uint32_t len, uint16_t n);
};

/* fuzz_ring() - drives a ring as the input says: the driver adds, publishes and
 * takes, the device uses by the rules or writes what it likes where it may.
 */
void fuzz_ring(const struct fuzz_device *device, const uint8_t *data,
	       size_t size);

#endif
