/* SPDX-License-Identifier: MIT */
/* The guest's memory: found by the VMM's word, read once, written by pieces. */
#ifndef VDPR_GUEST_MEM_H
#define VDPR_GUEST_MEM_H

#include <string.h>

#include "restore/util.h"

/* Where guest memory is: the VMM's callback, or a table of its own. */
struct vdpr_guest_mem {
	vdpr_translate_fn translate; /* NULL: the table */
	void *data;
	struct vdpr_guest_region *region; /* owned */
	size_t n_regions;
	/* The preferred region; none: of no length. */
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
 * Return: 0, -EINVAL (neither callback nor region, or a region that wraps, overlaps
 * another or has flags that are not known),
 * -ENOMEM.
 */
int vdpr_guest_mem_init(struct vdpr_guest_mem *mem, vdpr_translate_fn translate,
			void *data, const struct vdpr_guest_region *region,
			size_t n);
void vdpr_guest_mem_free(struct vdpr_guest_mem *mem);

/* vdpr_guest_mem_prefer() - what is to come is most likely where @gpa is: its
 * region is looked at first, and without a call. */
void vdpr_guest_mem_prefer(struct vdpr_guest_mem *mem, uint64_t gpa);

/* vdpr_guest_at() - the host's address of guest memory.
 * @len: in: bytes wanted, not 0; out: how many of them lie there in one row.
 * Return: NULL if the first byte is not guest memory, or not writable.
 */
void *vdpr_guest_at(const struct vdpr_guest_mem *mem, uint64_t gpa, size_t *len,
		    bool write);

/* The same for what the preferred region has, without a call; else NULL. */
static inline uint8_t *vdpr_guest_quick(const struct vdpr_guest_mem *mem,
					uint64_t gpa, size_t len)
{
	uint64_t offset = gpa - mem->quick_gpa;

	return offset < mem->quick_len && len <= mem->quick_len - offset
		       ? mem->quick + offset
		       : NULL;
}

/* The same by the callback's word, where it has all of it in one row. */
static inline uint8_t *vdpr_guest_asked(const struct vdpr_guest_mem *mem,
					uint64_t gpa, size_t len, bool write)
{
	void *host = NULL;
	size_t have = len;

	if (!mem->translate || gpa + len < gpa ||
	    mem->translate(mem->data, gpa, &have, write, &host) || have != len)
		return NULL;
	return host;
}

/* vdpr_guest_span() - the same for all of @len bytes in one row, or NULL. */
void *vdpr_guest_span(const struct vdpr_guest_mem *mem, uint64_t gpa,
		      size_t len, bool write);

#if defined(__SANITIZE_THREAD__)
#define VDPR_GUEST_ATOMIC 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VDPR_GUEST_ATOMIC 1
#endif
#endif

/*
 * vdpr_guest_load(), _store() - a copy that races with the guest's processors.
 * What was loaded is not loaded again, whatever the compiler would like: for all
 * it knows the guest's side has changed since. The sanitizer for threads is shown
 * atomic accesses, for the other side is meant to race.
 */
#ifdef VDPR_GUEST_ATOMIC
void vdpr_guest_load(void *to, const void *from, size_t len);
void vdpr_guest_store(void *to, const void *from, size_t len);
#else
static inline void vdpr_guest_load(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	__asm__ __volatile__("" : : : "memory");
}

static inline void vdpr_guest_store(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	__asm__ __volatile__("" : : : "memory");
}
#endif

/* vdpr_guest_read() - copy @len bytes out of guest memory.
 * Return: 0, -EFAULT (some of it is not guest memory).
 */
int vdpr_guest_read(const struct vdpr_guest_mem *mem, uint64_t gpa, void *to,
		    size_t len);

/* The same out of a row of pieces, which must have @len bytes together. */
int vdpr_guest_gather_pieces(const struct vdpr_guest_mem *mem,
			     const struct vdpr_guest_piece *piece, void *to,
			     size_t len);
static inline int vdpr_guest_gather(const struct vdpr_guest_mem *mem,
				    const struct vdpr_guest_piece *piece,
				    void *to, size_t len)
{
	const uint8_t *quick = piece->len < len
				       ? NULL
				       : vdpr_guest_quick(mem, piece->gpa, len);

	if (!quick)
		return vdpr_guest_gather_pieces(mem, piece, to, len);
	vdpr_guest_load(to, quick, len);
	return 0;
}

/* vdpr_guest_scatter() - write @len bytes into a row of @n pieces; what is
 * behind them stays as it is. Return: 0, -EFAULT, -EMSGSIZE (do not fit). */
int vdpr_guest_scatter_pieces(const struct vdpr_guest_mem *mem,
			      const struct vdpr_guest_piece *piece, size_t n,
			      const void *from, size_t len);
static inline int vdpr_guest_scatter(const struct vdpr_guest_mem *mem,
				     const struct vdpr_guest_piece *piece,
				     size_t n, const void *from, size_t len)
{
	uint8_t *quick = n && len <= piece->len
				 ? vdpr_guest_quick(mem, piece->gpa, len)
				 : NULL;

	if (!quick)
		return vdpr_guest_scatter_pieces(mem, piece, n, from, len);
	vdpr_guest_store(quick, from, len);
	return 0;
}

/* Is all of it guest memory that can be written? */
bool vdpr_guest_is_writable(const struct vdpr_guest_mem *mem, uint64_t gpa,
			    size_t len);

#endif
