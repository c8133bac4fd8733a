/* SPDX-License-Identifier: MIT */
/* The bytes of a QEMU migration stream, from a file or from a pipe. */
#ifndef VDPR_QEMU_INPUT_H
#define VDPR_QEMU_INPUT_H

#include "restore/util.h"

/* The most that vdpr_in_need() can be asked for: the longest section of a NIC. */
#define VDPR_IN_MOST (512u << 10)
#define VDPR_IN_SIZE (2 * VDPR_IN_MOST)

/* Offsets count from the stream's first byte. */
struct vdpr_in {
	struct vdpr_ctx *ctx;
	const struct vdpr_stream *source;
	uint8_t *buf; /* VDPR_IN_SIZE bytes */
	size_t start; /* of what is not taken yet, in @buf */
	size_t end;
	uint64_t at;	  /* offset of @buf[@start] */
	bool at_end;	  /* nothing comes behind @buf[@end] */
	int err;	  /* of the source: it gives nothing more */
	uint32_t section; /* where we are, for messages; valid with @name */
	char name[256];	  /* "" outside of sections */
};

/* Makes @in ready to read @source in order, from its first byte. 0 or -ENOMEM. */
int vdpr_in_init(struct vdpr_in *in, struct vdpr_ctx *ctx,
		 const struct vdpr_stream *source);
/* Begins again; the source can seek. */
void vdpr_in_rewind(struct vdpr_in *in);
void vdpr_in_free(struct vdpr_in *in);

/* Tries to have @len (at most VDPR_IN_MOST) bytes at @p and says how many there
 * are: fewer only where the stream ends. */
size_t vdpr_in_peek(struct vdpr_in *in, size_t len, const uint8_t **p);

/* The same, but fewer are an error. Return: 0 or an errno that has been told. */
int vdpr_in_need(struct vdpr_in *in, size_t len, const uint8_t **p);

/* A text with its length in a byte before it: @p is the text, of @len bytes, which
 * vdpr_in_take(in, 1 + @len) goes on behind. Return: as vdpr_in_need(). */
int vdpr_in_counted(struct vdpr_in *in, const uint8_t **p, size_t *len);

/* Goes on behind bytes that vdpr_in_peek() has shown. */
static inline void vdpr_in_take(struct vdpr_in *in, size_t len)
{
	in->start += len;
	in->at += len;
}

static inline size_t vdpr_in_left(const struct vdpr_in *in)
{
	return in->end - in->start;
}

/* Goes on behind any number of bytes, unread where the source can seek. */
int vdpr_in_skip(struct vdpr_in *in, uint64_t len);

/* Reads exactly @len bytes at @offset of a source that can seek. Return: 0 or an
 * errno that has been told; -ENODATA where it ends before. */
int vdpr_in_read_at(struct vdpr_in *in, uint64_t offset, void *buf, size_t len);

/* Says that a stream is bad: "offset N (0xN), section S "NAME": reason".
 * Return: -EBADMSG. */
int vdpr_in_bad(struct vdpr_in *in, uint64_t offset, const char *fmt, ...)
	VDPR_PRINTF(3, 4);

/* Says what could not be had at @offset: an error of the source, or its end. */
int vdpr_in_short(struct vdpr_in *in, uint64_t offset);

/* Where messages say that we are; NULL: in no section. */
void vdpr_in_enter(struct vdpr_in *in, uint32_t section, const char *name);

static inline uint16_t vdpr_get_be16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t vdpr_get_be32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | (uint32_t)b[3];
}

static inline uint64_t vdpr_get_be64(const void *p)
{
	const uint8_t *b = p;

	return (uint64_t)vdpr_get_be32(b) << 32 | vdpr_get_be32(b + 4);
}

#endif
