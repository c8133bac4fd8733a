/* SPDX-License-Identifier: MIT */
/* Copies whole states. */
#include "restore/state.h"

#include <errno.h>
#include <string.h>

#include "restore/ctx.h"

int vdpr_text_copy(char **to, const char *from)
{
	char *copy = NULL;

	if (from) {
		copy = strdup(from);
		if (!copy)
			return -ENOMEM;
	}
	free(*to);
	*to = copy;
	return 0;
}

int vdpr_device_copy(struct vdpr_state *to, const struct vdpr_state *from)
{
	to->device.present = from->device.present;
	if (vdpr_text_copy(&to->device.type, from->device.type) ||
	    vdpr_text_copy(&to->device.name, from->device.name) ||
	    vdpr_text_copy(&to->device.parent, from->device.parent))
		return -ENOMEM;
	return 0;
}

int vdpr_vendor_copy(struct vdpr_state *to, const struct vdpr_state *from)
{
	to->vendor.present = from->vendor.present;
	if (vdpr_text_copy(&to->vendor.name, from->vendor.name) ||
	    vdpr_text_copy(&to->vendor.version, from->vendor.version) ||
	    vdpr_text_copy(&to->vendor.data, from->vendor.data))
		return -ENOMEM;
	return 0;
}

int vdpr_vrings_copy(struct vdpr_state *to, const struct vdpr_state *from)
{
	struct vdpr_vring_state *vrings = NULL;

	if (from->n_vrings) {
		vrings = calloc(from->n_vrings, sizeof(*vrings));
		if (!vrings)
			return -ENOMEM;
		memcpy(vrings, from->vrings, from->n_vrings * sizeof(*vrings));
	}
	free(to->vrings);
	to->vrings = vrings;
	to->n_vrings = from->n_vrings;
	to->has_vrings = from->has_vrings;
	return 0;
}

int vdpr_captured_add(struct vdpr_state *to, const struct vdpr_state *from)
{
	const struct vdpr_strings *sources = &from->captured.sources;

	if (!from->captured.present)
		return 0;
	to->captured.present = true;
	if (!to->captured.time &&
	    vdpr_text_copy(&to->captured.time, from->captured.time))
		return -ENOMEM;
	if (!to->captured.tool &&
	    vdpr_text_copy(&to->captured.tool, from->captured.tool))
		return -ENOMEM;
	for (size_t i = 0; i < sources->count; i++) {
		if (vdpr_strings_add_new(&to->captured.sources,
					 sources->text[i]))
			return -ENOMEM;
	}
	return 0;
}

static int copy_owned(struct vdpr_state *to, const struct vdpr_state *from)
{
	for (unsigned int m = 0; m < VDPR_MEMBER_COUNT; m++) {
		if (vdpr_member_copy(to, from, m))
			return -ENOMEM;
	}
	for (size_t i = 0; i < from->origin.count; i++) {
		if (vdpr_origin_set(to, from->origin.entry[i].name,
				    from->origin.entry[i].source))
			return -ENOMEM;
	}
	for (size_t i = 0; i < from->foreign.count; i++) {
		if (vdpr_strings_add(&to->foreign, from->foreign.text[i]))
			return -ENOMEM;
	}
	if (vdpr_device_copy(to, from) || vdpr_vendor_copy(to, from) ||
	    vdpr_vrings_copy(to, from) || vdpr_captured_add(to, from))
		return -ENOMEM;
	return 0;
}

static void copy_plain(struct vdpr_state *to, const struct vdpr_state *from)
{
	to->version = from->version;
	to->compat = from->compat;
	to->offered = from->offered;
	to->negotiated = from->negotiated;
	to->negotiated_known = from->negotiated_known;
	to->has_backend_features = from->has_backend_features;
	to->backend_features = from->backend_features;
	to->config = from->config;
	to->unjudged = from->unjudged;
	to->announce = from->announce;
	to->announce_pending = from->announce_pending;
	memcpy(to->unknown_class, from->unknown_class,
	       sizeof(to->unknown_class));
}

int vdpr_state_copy_control(struct vdpr_ctx *ctx, const struct vdpr_state *from,
			    struct vdpr_state **out)
{
	struct vdpr_state *to;
	int err = vdpr_state_new(ctx, &to);

	if (err)
		return err;
	copy_plain(to, from);
	for (unsigned int m = 0; !err && m < VDPR_MEMBER_COUNT; m++)
		err = vdpr_member_copy(to, from, m);
	for (size_t i = 0; !err && i < from->foreign.count; i++)
		err = vdpr_strings_add(&to->foreign, from->foreign.text[i]);
	if (!err)
		err = vdpr_vrings_copy(to, from);
	if (err) {
		vdpr_state_free(to);
		return vdpr_fail_memory(ctx);
	}
	*out = to;
	return 0;
}

int vdpr_state_copy(struct vdpr_ctx *ctx, const struct vdpr_state *from,
		    struct vdpr_state **out)
{
	struct vdpr_state *to;
	int err = vdpr_state_new(ctx, &to);

	if (err)
		return err;
	copy_plain(to, from);
	if (copy_owned(to, from)) {
		vdpr_state_free(to);
		return vdpr_fail_memory(ctx);
	}
	*out = to;
	return 0;
}
