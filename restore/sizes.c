/* SPDX-License-Identifier: MIT */
/* Structs of a caller's, with the size of the header that it was built with. */
#include "restore/sizes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "restore/ctx.h"

int vdpr_struct_take(void *to, size_t size, const void *from, size_t least)
{
	size_t theirs;

	memset(to, 0, size);
	if (!from)
		return -EINVAL;
	memcpy(&theirs, from, sizeof(theirs));
	if (theirs < least)
		return -EINVAL;
	memcpy(to, from, theirs < size ? theirs : size);
	memcpy(to, &size, sizeof(size));
	return 0;
}

int vdpr_fail_size(struct vdpr_ctx *ctx, const char *prefix, const char *what,
		   size_t size)
{
	return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
			 "%s%s%s of %zu bytes: VDPR_INIT() is missing",
			 prefix ? prefix : "", prefix ? ": " : "", what, size);
}

int vdpr_struct_give(void *out, const void *ours, size_t size)
{
	size_t theirs;

	if (!out)
		return -EINVAL;
	memcpy(&theirs, out, sizeof(theirs));
	if (theirs < sizeof(theirs))
		return -EINVAL;
	memcpy(out, ours, theirs < size ? theirs : size);
	memcpy(out, &theirs, sizeof(theirs));
	return 0;
}

int vdpr_vrings_take(const struct vdpr_vring *from, size_t count,
		     struct vdpr_vring **out)
{
	const uint8_t *at = (const uint8_t *)from;
	size_t stride = count && from ? from->size : 0;
	struct vdpr_vring *rings;
	size_t size;

	*out = NULL;
	if (count && !from)
		return -EINVAL;
	rings = calloc(count + 1, sizeof(*rings));
	if (!rings)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++, at += stride) {
		memcpy(&size, at, sizeof(size));
		if (size != stride ||
		    vdpr_struct_take(&rings[i], sizeof(*rings), at,
				     VDPR_LEAST_VRING)) {
			free(rings);
			return -EINVAL;
		}
	}
	*out = rings;
	return 0;
}
