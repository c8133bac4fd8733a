/* SPDX-License-Identifier: MIT */
/* Memory that a device reads and writes: allocation, IOTLB, choice of the IOVA. */
#include "restore/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* All pages at once: a device that maps them pins them all anyway, and where there
 * is no memory this fails and no later write does. */
static int allocate(int fd, size_t len)
{
	int ret;

	do {
		ret = fallocate(fd, 0, 0, (off_t)len) ? -errno : 0;
	} while (ret == -EINTR);
	return ret;
}

/* ... and into our page tables now rather than while a guest waits. To write to them
 * is quicker than MAP_POPULATE, whatever their number. */
static void touch(volatile uint8_t *base, size_t len)
{
	for (size_t at = 0; at < len; at += page_size())
		base[at] = 0;
}

int vdpr_mem_alloc(struct vdpr_mem *mem, size_t ro_len, size_t rw_len)
{
	_cleanup_close_ int fd = -1;
	void *base;
	int ret;

	*mem = VDPR_MEM_INIT;
	ro_len = vdpr_align_up(ro_len, page_size());
	rw_len = vdpr_align_up(rw_len, page_size());
	fd = memfd_create("vdpa-restore", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = allocate(fd, ro_len + rw_len);
	if (ret)
		return ret;
	base = mmap(NULL, ro_len + rw_len, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	touch(base, ro_len + rw_len);
	mem->base = base;
	mem->ro_len = ro_len;
	mem->rw_len = rw_len;
	mem->fd = TAKE_FD(fd);
	return 0;
}

void vdpr_mem_free(struct vdpr_mem *mem)
{
	if (mem->fd < 0)
		return;
	munmap(mem->base, vdpr_mem_len(mem));
	if (mem->owner.free)
		mem->owner.free(mem->owner.data, mem->asid, mem->iova,
				vdpr_mem_len(mem));
	vdpr_close_fd(mem->fd);
	*mem = VDPR_MEM_INIT;
}

int vdpr_mem_map_next(struct vdpr_mem *mem, struct vdpr_dev *dev)
{
	bool first = !mem->mapped;
	uint8_t perm = first ? VHOST_ACCESS_RO : VHOST_ACCESS_RW;
	size_t offset = first ? 0 : mem->ro_len;
	int ret = vdpr_dev_iotlb_update(dev, mem->asid, mem->iova + offset,
					first ? mem->ro_len : mem->rw_len,
					mem->base + offset, perm);

	if (ret)
		return ret;
	mem->mapped++;
	return first;
}

int vdpr_mem_map(struct vdpr_mem *mem, struct vdpr_dev *dev, uint32_t asid,
		 uint64_t iova)
{
	int ret;

	mem->iova = iova;
	mem->asid = asid;
	do {
		ret = vdpr_mem_map_next(mem, dev);
	} while (ret > 0);
	return ret;
}

int vdpr_mem_unmap_next(struct vdpr_mem *mem, struct vdpr_dev *dev)
{
	int ret;

	if (!mem->mapped)
		return 0;
	if (mem->mapped-- > 1)
		ret = vdpr_dev_iotlb_invalidate(
			dev, mem->asid, mem->iova + mem->ro_len, mem->rw_len);
	else
		ret = vdpr_dev_iotlb_invalidate(dev, mem->asid, mem->iova,
						mem->ro_len);
	return ret ? ret : mem->mapped > 0;
}

int vdpr_mem_unmap(struct vdpr_mem *mem, struct vdpr_dev *dev)
{
	int ret = 0;

	while (mem->mapped) {
		int err = vdpr_mem_unmap_next(mem, dev);

		if (err < 0 && !ret)
			ret = err;
	}
	return ret;
}

int vdpr_iova_find(const struct vdpr_iova_range *range,
		   const struct vdpr_iova_range *used, size_t n_used,
		   uint64_t len, uint64_t *out)
{
	uint64_t page = page_size();
	uint64_t first = range->first > page ? range->first : page;
	uint64_t last = range->last;
	uint64_t start = 0;
	bool moved = true;

	if (last > UINT64_MAX - page)
		last = UINT64_MAX - page;
	/* Each round ends or lowers the end below one more used range. */
	while (moved) {
		if (last < first || last - first < len - 1)
			return -ENOSPC;
		start = (last - len + 1) & ~(page - 1);
		if (start < first)
			return -ENOSPC;
		moved = false;
		for (size_t i = 0; i < n_used; i++) {
			if (used[i].first > start + len - 1 ||
			    used[i].last < start)
				continue;
			if (!used[i].first)
				return -ENOSPC;
			last = used[i].first - 1;
			moved = true;
			break;
		}
	}
	*out = start;
	return 0;
}
