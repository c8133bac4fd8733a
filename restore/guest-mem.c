/* SPDX-License-Identifier: MIT */
/* The guest's memory: translation, and copies that race with the guest. */
#include "restore/guest-mem.h"

#include <errno.h>
#include <string.h>

#include "restore/sizes.h"

static bool wraps(uint64_t gpa, uint64_t len)
{
	return len && gpa > UINT64_MAX - (len - 1);
}

/* One of the caller's regions, with the stride of the header that it was built
 * with. */
static int copy_region(struct vdpr_guest_region *to, const uint8_t *at,
		       size_t stride)
{
	size_t size;

	memcpy(&size, at, sizeof(size));
	if (size != stride ||
	    vdpr_struct_take(to, sizeof(*to), at, VDPR_LEAST_GUEST_REGION))
		return -EINVAL;
	return !to->host || !to->len || wraps(to->gpa, to->len) ||
			       to->flags & ~VDPR_GUEST_READ_ONLY
		       ? -EINVAL
		       : 0;
}

/* Which of two would it be? */
static bool overlaps(const struct vdpr_guest_region *region, size_t n)
{
	const struct vdpr_guest_region *last = &region[n - 1];

	for (size_t i = 0; i + 1 < n; i++)
		if (last->gpa - region[i].gpa < region[i].len ||
		    region[i].gpa - last->gpa < last->len)
			return true;
	return false;
}

int vdpr_guest_mem_init(struct vdpr_guest_mem *mem, vdpr_translate_fn translate,
			void *data, const struct vdpr_guest_region *region,
			size_t n)
{
	const uint8_t *at = (const uint8_t *)region;

	*mem = (struct vdpr_guest_mem){ .translate = translate, .data = data };
	if (translate)
		return 0;
	if (!n || !region)
		return -EINVAL;
	mem->region = calloc(n, sizeof(*mem->region));
	if (!mem->region)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++, at += region->size) {
		int ret = copy_region(&mem->region[i], at, region->size);

		if (ret || overlaps(mem->region, i + 1)) {
			vdpr_guest_mem_free(mem);
			return -EINVAL;
		}
	}
	mem->n_regions = n;
	return 0;
}

void vdpr_guest_mem_prefer(struct vdpr_guest_mem *mem, uint64_t gpa)
{
	for (size_t i = 0; i < mem->n_regions; i++) {
		const struct vdpr_guest_region *r = &mem->region[i];

		if (gpa - r->gpa >= r->len || r->flags & VDPR_GUEST_READ_ONLY)
			continue;
		mem->quick_gpa = r->gpa;
		mem->quick_len = r->len;
		mem->quick = r->host;
		return;
	}
}

void vdpr_guest_mem_free(struct vdpr_guest_mem *mem)
{
	free(mem->region);
	*mem = (struct vdpr_guest_mem){ 0 };
}

static void *find_region(const struct vdpr_guest_mem *mem, uint64_t gpa,
			 size_t *len, bool write)
{
	for (size_t i = 0; i < mem->n_regions; i++) {
		const struct vdpr_guest_region *r = &mem->region[i];
		uint64_t offset = gpa - r->gpa;

		/* An address below it wraps to an offset past its end. */
		if (offset >= r->len)
			continue;
		if (write && r->flags & VDPR_GUEST_READ_ONLY)
			return NULL;
		if (*len > r->len - offset)
			*len = (size_t)(r->len - offset);
		return (uint8_t *)r->host + offset;
	}
	return NULL;
}

void *vdpr_guest_at(const struct vdpr_guest_mem *mem, uint64_t gpa, size_t *len,
		    bool write)
{
	size_t wanted = *len;
	void *host = NULL;

	if (wraps(gpa, wanted))
		return NULL;
	if (!mem->translate)
		return find_region(mem, gpa, len, write);
	/* Nor none of it, nor more than was asked for. */
	if (mem->translate(mem->data, gpa, len, write, &host) ||
	    *len - 1 >= wanted)
		return NULL;
	return host;
}

void *vdpr_guest_span(const struct vdpr_guest_mem *mem, uint64_t gpa,
		      size_t len, bool write)
{
	size_t have = len;
	void *host = vdpr_guest_at(mem, gpa, &have, write);

	return have == len ? host : NULL;
}

#ifdef VDPR_GUEST_ATOMIC
void vdpr_guest_load(void *to, const void *from, size_t len)
{
	const uint8_t *in = from;
	uint8_t *out = to;

	while (len--)
		*out++ = __atomic_load_n(in++, __ATOMIC_RELAXED);
}

void vdpr_guest_store(void *to, const void *from, size_t len)
{
	const uint8_t *in = from;
	uint8_t *out = to;

	while (len--)
		__atomic_store_n(out++, *in++, __ATOMIC_RELAXED);
}
#endif

/* Memory that lies in several rows, or in regions. */
static _apart_ int read_rows(const struct vdpr_guest_mem *mem, uint64_t gpa,
			     uint8_t *to, size_t len)
{
	while (len) {
		size_t n = len;
		const uint8_t *host = vdpr_guest_at(mem, gpa, &n, false);

		if (!host)
			return -EFAULT;
		vdpr_guest_load(to, host, n);
		to += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

static _apart_ int write_rows(const struct vdpr_guest_mem *mem, uint64_t gpa,
			      const uint8_t *from, size_t len)
{
	while (len) {
		size_t n = len;
		uint8_t *host = vdpr_guest_at(mem, gpa, &n, true);

		if (!host)
			return -EFAULT;
		vdpr_guest_store(host, from, n);
		from += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

int vdpr_guest_read(const struct vdpr_guest_mem *mem, uint64_t gpa, void *to,
		    size_t len)
{
	const uint8_t *row = vdpr_guest_asked(mem, gpa, len, false);

	if (!row)
		return read_rows(mem, gpa, to, len);
	vdpr_guest_load(to, row, len);
	return 0;
}

static int write_piece(const struct vdpr_guest_mem *mem, uint64_t gpa,
		       const uint8_t *from, size_t len)
{
	uint8_t *row = vdpr_guest_asked(mem, gpa, len, true);

	if (!row)
		return write_rows(mem, gpa, from, len);
	vdpr_guest_store(row, from, len);
	return 0;
}

int vdpr_guest_gather_pieces(const struct vdpr_guest_mem *mem,
			     const struct vdpr_guest_piece *piece, void *to,
			     size_t len)
{
	/* Offsets behind which all of it would still be in the preferred region:
	 * so the place of a piece is one comparison. */
	uint64_t room = len < mem->quick_len ? mem->quick_len - len : 0;
	uint8_t *at = to;

	for (; len; piece++) {
		size_t n = piece->len < len ? piece->len : len;
		uint64_t offset = piece->gpa - mem->quick_gpa;

		if (offset < room)
			vdpr_guest_load(at, mem->quick + offset, n);
		else if (vdpr_guest_read(mem, piece->gpa, at, n))
			return -EFAULT;
		at += n;
		len -= n;
	}
	return 0;
}

int vdpr_guest_scatter_pieces(const struct vdpr_guest_mem *mem,
			      const struct vdpr_guest_piece *piece, size_t n,
			      const void *from, size_t len)
{
	const uint8_t *at = from;

	for (size_t i = 0; len && i < n; i++) {
		size_t part = piece[i].len < len ? piece[i].len : len;
		int ret = write_piece(mem, piece[i].gpa, at, part);

		if (ret)
			return ret;
		at += part;
		len -= part;
	}
	return len ? -EMSGSIZE : 0;
}

bool vdpr_guest_is_writable(const struct vdpr_guest_mem *mem, uint64_t gpa,
			    size_t len)
{
	if (vdpr_guest_asked(mem, gpa, len, true))
		return true;
	while (len) {
		size_t n = len;

		if (!vdpr_guest_at(mem, gpa, &n, true))
			return false;
		gpa += n;
		len -= n;
	}
	return true;
}
