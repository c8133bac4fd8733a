/* SPDX-License-Identifier: MIT */
/* The simulator's address spaces: IOTLB messages in, pointers out. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "restore/sim.h"

static bool overlaps(const struct sim_map *map, uint64_t first, uint64_t last)
{
	return map->first <= last && first <= map->last;
}

static int maps_reserve(struct sim_maps *maps, size_t count)
{
	size_t cap = maps->cap ? maps->cap : 8;
	struct sim_map *map;

	if (count <= maps->cap)
		return 0;
	while (cap < count)
		cap *= 2;
	map = reallocarray(maps->map, cap, sizeof(*map));
	if (!map)
		return -ENOMEM;
	maps->map = map;
	maps->cap = cap;
	return 0;
}

/* What a parent with set_map does: take over the whole of vhost's list. */
static int apply(struct sim_space *space)
{
	int ret = maps_reserve(&space->parent, space->vhost.count);

	if (ret)
		return ret;
	if (space->vhost.count)
		memcpy(space->parent.map, space->vhost.map,
		       space->vhost.count * sizeof(*space->vhost.map));
	space->parent.count = space->vhost.count;
	return 0;
}

/* Like the kernel, takes out every mapping that the range touches, whole. */
static void remove_range(struct sim_maps *maps, uint64_t first, uint64_t last)
{
	size_t keep = 0;

	for (size_t i = 0; i < maps->count; i++)
		if (!overlaps(&maps->map[i], first, last))
			maps->map[keep++] = maps->map[i];
	maps->count = keep;
}

/* The kernel pins what it maps; the least we can do is to see that it exists,
 * so that a wrong address is an error here and no crash of the device thread. */
static bool memory_exists(uint64_t uaddr, uint64_t size)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t start = uaddr & ~(page - 1);

	if (!uaddr || size > SIZE_MAX - page || uaddr > UINTPTR_MAX - size)
		return false;
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): addresses come as u64 */
	return !msync((void *)(uintptr_t)start, (size_t)(uaddr - start + size),
		      MS_ASYNC);
}

static int update(struct sim *sim, struct sim_space *space,
		  const struct vhost_iotlb_msg *msg)
{
	uint64_t last = msg->iova + msg->size - 1;
	int ret;

	if (last < msg->iova)
		return -EINVAL;
	for (size_t i = 0; i < space->vhost.count; i++)
		if (overlaps(&space->vhost.map[i], msg->iova, last))
			return -EEXIST;
	if (!memory_exists(msg->uaddr, msg->size))
		return -EFAULT;
	ret = maps_reserve(&space->vhost, space->vhost.count + 1);
	if (ret)
		return ret;
	space->vhost.map[space->vhost.count++] = (struct sim_map){
		.first = msg->iova,
		.last = last,
		.uaddr = msg->uaddr,
		.perm = msg->perm,
	};
	return sim->in_batch ? 0 : apply(space);
}

static int invalidate(struct sim *sim, struct sim_space *space,
		      const struct vhost_iotlb_msg *msg)
{
	remove_range(&space->vhost, msg->iova, msg->iova + msg->size - 1);
	return sim->in_batch ? 0 : apply(space);
}

static struct sim_space *find_space(struct sim *sim, uint32_t asid,
				    uint8_t type)
{
	if (asid >= (sim->opts->isolated ? SIM_SPACES : 1))
		return NULL;
	if (type == VHOST_IOTLB_UPDATE || type == VHOST_IOTLB_BATCH_BEGIN)
		sim->space[asid].exists = true;
	return sim->space[asid].exists ? &sim->space[asid] : NULL;
}

static int handle(struct sim *sim, uint32_t asid,
		  const struct vhost_iotlb_msg *msg)
{
	struct sim_space *space;

	if (!vdpr_sim_is_owner(sim))
		return -EPERM;
	space = find_space(sim, asid, msg->type);
	if (!space || (sim->in_batch && sim->batch_asid != asid))
		return -EINVAL;
	switch (msg->type) {
	case VHOST_IOTLB_UPDATE:
		return update(sim, space, msg);
	case VHOST_IOTLB_INVALIDATE:
		return invalidate(sim, space, msg);
	case VHOST_IOTLB_BATCH_BEGIN:
		sim->in_batch = true;
		sim->batch_asid = asid;
		return 0;
	case VHOST_IOTLB_BATCH_END:
		/* The kernel loses the parent's error here, too. */
		if (sim->in_batch)
			(void)apply(space);
		sim->in_batch = false;
		return 0;
	default:
		return -EINVAL;
	}
}

int vdpr_sim_iotlb(struct sim *sim, const struct vhost_msg_v2 *msg)
{
	uint32_t asid = 0;

	if (msg->type != VHOST_IOTLB_MSG_V2)
		return -EINVAL;
	/* A trap of the kernel's: without the bit the field is not even read. */
	if (sim->backend & BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID))
		asid = msg->asid;
	if (msg->iotlb.type == VHOST_IOTLB_UPDATE && !msg->iotlb.size)
		return -EINVAL;
	return handle(sim, asid, &msg->iotlb) ? -EFAULT : 0;
}

void vdpr_sim_iotlb_clean(struct sim *sim)
{
	for (size_t i = 0; i < SIM_SPACES; i++)
		sim->space[i].parent.count = 0;
}

void vdpr_sim_iotlb_free(struct sim *sim)
{
	for (size_t i = 0; i < SIM_SPACES; i++) {
		free(sim->space[i].vhost.map);
		free(sim->space[i].parent.map);
	}
}

void *vdpr_sim_span(struct sim *sim, const struct sim_vq *vq, uint64_t iova,
		    size_t *len, uint8_t perm)
{
	const struct sim_maps *maps =
		&sim->space[vdpr_sim_asid(sim, vq)].parent;

	for (size_t i = 0; i < maps->count; i++) {
		const struct sim_map *map = &maps->map[i];

		if (iova < map->first || iova > map->last)
			continue;
		if ((map->perm & perm) != perm)
			return NULL;
		if (*len - 1 > map->last - iova)
			*len = (size_t)(map->last - iova) + 1;
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): as above */
		return (void *)(uintptr_t)(map->uaddr + (iova - map->first));
	}
	return NULL;
}

void *vdpr_sim_at(struct sim *sim, const struct sim_vq *vq, uint64_t iova,
		  size_t len, uint8_t perm)
{
	size_t got = len;
	void *p = vdpr_sim_span(sim, vq, iova, &got, perm);

	return got == len ? p : NULL;
}
