/* SPDX-License-Identifier: MIT */
/* Feature masks of 128 bits: names, text, set operations. */
#ifndef VDPR_FEATURES_H
#define VDPR_FEATURES_H

#include "include/vdpa-restore.h"
#include "restore/uapi.h"
#include "restore/util.h"

#define VDPR_FEATURE_BITS 128

static inline bool vdpr_features_has(const struct vdpr_features *f,
				     unsigned int bit)
{
	return f->word[bit / 64] >> (bit % 64) & 1;
}

static inline void vdpr_features_set(struct vdpr_features *f, unsigned int bit,
				     bool on)
{
	uint64_t mask = BIT_ULL(bit % 64);

	if (on)
		f->word[bit / 64] |= mask;
	else
		f->word[bit / 64] &= ~mask;
}

static inline bool vdpr_features_equal(const struct vdpr_features *a,
				       const struct vdpr_features *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

/* Bits of @a that are not in @b. */
static inline struct vdpr_features
vdpr_features_minus(const struct vdpr_features *a,
		    const struct vdpr_features *b)
{
	return (struct vdpr_features){ { a->word[0] & ~b->word[0],
					 a->word[1] & ~b->word[1] } };
}

static inline bool vdpr_features_empty(const struct vdpr_features *f)
{
	return !f->word[0] && !f->word[1];
}

#define VDPR_FEATURES_TEXT 35 /* "0x", 32 digits, NUL */
/* "0x" and as few lower-case digits as the mask needs, at least one. */
void vdpr_features_format(const struct vdpr_features *f,
			  char text[VDPR_FEATURES_TEXT]);

/* "0x" and 1..32 hex digits of either case. Return: 0, -EINVAL, -ERANGE (more
 * than 128 bits). */
int vdpr_features_parse(const char *text, struct vdpr_features *out);

/* Name of a bit, or "bit_N" where it has none. */
#define VDPR_BIT_TEXT 32
const char *vdpr_feature_text(unsigned int bit, char text[VDPR_BIT_TEXT]);

/* Appends the names of all bits set, in bit order, with @separator between. */
void vdpr_features_names(const struct vdpr_features *f, const char *separator,
			 struct vdpr_buf *out);

/* A table of names for the bits of a smaller mask: hash types, offloads. */
struct vdpr_bit_name {
	unsigned int bit;
	const char *name;
};

/* VIRTIO_NET_HASH_TYPE_* (bits 0-31) as state files spell them. */
const char *vdpr_hash_type_text(unsigned int bit, char text[VDPR_BIT_TEXT]);
/* Return: 0..31, -ENOENT. "bit_N" only where bit N has no name. */
int vdpr_hash_type_bit(const char *name);

/* Bits of GUEST_OFFLOADS_SET (0-63) as state files spell them. */
const char *vdpr_offload_text(unsigned int bit, char text[VDPR_BIT_TEXT]);
/* Return: 0..63, -ENOENT. "bit_N" only where bit N has no name. */
int vdpr_offload_bit(const char *name);
/* The feature that an offload bit stands for: itself, but 46 -> 65, 47 -> 66. */
unsigned int vdpr_offload_feature(unsigned int bit);
/* All offload bits that @negotiated allows. Only those with a name when @named. */
uint64_t vdpr_offloads_allowed(const struct vdpr_features *negotiated,
			       bool named);

#endif
