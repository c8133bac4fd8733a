/* SPDX-License-Identifier: MIT */
/* The guest's memory: found by the VMM's word, read once, written by pieces. */
#ifndef VDPR_GUEST_MEM_H
#define VDPR_GUEST_MEM_H

#include "restore/util.h"

/* Where guest memory is: the VMM's callback, or a table of its own. */
struct vdpr_guest_mem {
	vdpr_translate_fn translate; /* NULL: the table */
	void *data;
	struct vdpr_guest_region *region; /* owned */
	size_t n_regions;
	/* The first region, if it is writable; else of no length. */
	uint64_t quick_gpa, quick_len;
	uint8_t *quick;
};

/* A part of a buffer that the guest described, not looked at yet. */
struct vdpr_guest_piece {
	uint64_t gpa;
	uint32_t len; /* never 0 */
};

/* vdpr_guest_mem_init() - take over what the caller says of guest memory.
 * @region: @n of them with the stride of the caller's header; copied.
 * Return: 0, -EINVAL (neither callback nor region, or a region that wraps),
 * -ENOMEM.
 */
int vdpr_guest_mem_init(struct vdpr_guest_mem *mem, vdpr_translate_fn translate,
			void *data, const struct vdpr_guest_region *region,
			size_t n);
void vdpr_guest_mem_free(struct vdpr_guest_mem *mem);

/* vdpr_guest_at() - the host's address of guest memory.
 * @len: in: bytes wanted, not 0; out: how many of them lie there in one row.
 * Return: NULL if the first byte is not guest memory, or not writable.
 */
void *vdpr_guest_at(const struct vdpr_guest_mem *mem, uint64_t gpa, size_t *len,
		    bool write);

/* The same for what the first region has, without a call; else NULL. */
static inline uint8_t *vdpr_guest_quick(const struct vdpr_guest_mem *mem,
					uint64_t gpa, size_t len)
{
	uint64_t offset = gpa - mem->quick_gpa;

	return offset < mem->quick_len && len <= mem->quick_len - offset
		       ? mem->quick + offset
		       : NULL;
}

/* vdpr_guest_span() - the same for all of @len bytes in one row, or NULL. */
void *vdpr_guest_span(const struct vdpr_guest_mem *mem, uint64_t gpa,
		      size_t len, bool write);

/* vdpr_guest_read() - copy @len bytes, each of them loaded once: the guest's
 * processors may be writing there.
 * Return: 0, -EFAULT (some of it is not guest memory).
 */
int vdpr_guest_read(const struct vdpr_guest_mem *mem, uint64_t gpa, void *to,
		    size_t len);

/* The same out of a row of pieces, which must have @len bytes together. */
int vdpr_guest_gather(const struct vdpr_guest_mem *mem,
		      const struct vdpr_guest_piece *piece, void *to,
		      size_t len);

/* vdpr_guest_scatter() - write @len bytes into a row of @n pieces; what is
 * behind them stays as it is. Return: 0, -EFAULT, -EMSGSIZE (do not fit). */
int vdpr_guest_scatter(const struct vdpr_guest_mem *mem,
		       const struct vdpr_guest_piece *piece, size_t n,
		       const void *from, size_t len);

/* Is all of a piece guest memory that can be written? */
bool vdpr_guest_is_writable(const struct vdpr_guest_mem *mem,
			    const struct vdpr_guest_piece *piece);

#endif
