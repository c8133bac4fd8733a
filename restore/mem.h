/* SPDX-License-Identifier: MIT */
/* Memory that a device reads and writes: one memfd, a read-only and a writable part. */
#ifndef VDPR_MEM_H
#define VDPR_MEM_H

#include "restore/dev.h"

/*
 * Whole pages with nothing else in them, shared and file-backed: parents that
 * work on virtual addresses map nothing else (VDUSE, vdpa_sim with use_va), and
 * a memfd can be handed to another process.
 */
struct vdpr_mem {
	int fd; /* -1: nothing is allocated */
	uint8_t *base;
	size_t ro_len; /* first part: the device may only read it */
	size_t rw_len; /* second part */
	uint64_t iova; /* of the first byte, once mapped */
	uint32_t asid;
	unsigned int mapped; /* parts that are in the device's IOTLB: 0..2 */
	/* Who gave the IOVA and takes it back; no function: nobody. */
	struct vdpr_iova_ops owner;
};

#define VDPR_MEM_INIT ((struct vdpr_mem){ .fd = -1 })

/* Allocates, both parts rounded up to pages and zeroed. Return: 0 or -errno. */
int vdpr_mem_alloc(struct vdpr_mem *mem, size_t ro_len, size_t rw_len);

/* Unmaps from this process only; the device must have been reset. */
void vdpr_mem_free(struct vdpr_mem *mem);

static inline size_t vdpr_mem_len(const struct vdpr_mem *mem)
{
	return mem->ro_len + mem->rw_len;
}

static inline uint64_t vdpr_mem_iova(const struct vdpr_mem *mem, const void *p)
{
	return mem->iova + (uint64_t)((const uint8_t *)p - mem->base);
}

/* Adds the next part to the device's IOTLB, at mem->iova in mem->asid; the parts
 * are two. Return: 1 there is one more, 0, or -errno. */
int vdpr_mem_map_next(struct vdpr_mem *mem, struct vdpr_dev *dev);

/* Adds both parts to the device's IOTLB. Return: 0 or -errno; what was mapped
 * before the failure is recorded for vdpr_mem_unmap(). */
int vdpr_mem_map(struct vdpr_mem *mem, struct vdpr_dev *dev, uint32_t asid,
		 uint64_t iova);

/* Takes the last part out again. Return: 1 there is one more, 0, or -errno (it
 * counts as taken out all the same). */
int vdpr_mem_unmap_next(struct vdpr_mem *mem, struct vdpr_dev *dev);

/* Takes out of the IOTLB whatever vdpr_mem_map() put there, for the next user of
 * the descriptor. The first failure is returned, the rest is still tried. */
int vdpr_mem_unmap(struct vdpr_mem *mem, struct vdpr_dev *dev);

/* vdpr_iova_find() - the highest free IOVA for @len bytes.
 * @range: what the device can address.
 * @used: @n_used ranges to keep off, in any order.
 * The first page is never given out: some devices do not like address 0 (the
 * same choice as QEMU's IOVA tree), nor is the last page of the 64 bits, whose
 * end would wrap to 0.
 * Return: 0 or -ENOSPC.
 */
int vdpr_iova_find(const struct vdpr_iova_range *range,
		   const struct vdpr_iova_range *used, size_t n_used,
		   uint64_t len, uint64_t *out);

#endif
