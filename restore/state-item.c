/* SPDX-License-Identifier: MIT */
/* Pieces of a state as comparing and merging see them. */
#include "restore/state-item.h"

#include <assert.h>
#include <string.h>

const char *const vdpr_config_name[VDPR_CONFIG_MEMBERS] = {
	"mac",
	"link_up",
	"announce",
	"max_virtqueue_pairs",
	"mtu",
	"speed",
	"duplex",
	"rss_max_key_size",
	"rss_max_indirection_table_length",
	"supported_hash_types",
};

/* Where a member of config is, so that one function does for all. */
static const struct {
	size_t offset, size;
} config_place[] = {
#define PLACE(field)                                                 \
	{                                                            \
		offsetof(struct vdpr_net_config, field),             \
			sizeof(((struct vdpr_net_config *)0)->field) \
	}
	PLACE(mac),
	PLACE(link_up),
	PLACE(announce),
	PLACE(max_virtqueue_pairs),
	PLACE(mtu),
	PLACE(speed),
	PLACE(duplex),
	PLACE(rss_max_key_size),
	PLACE(rss_max_indirection_table_length),
	PLACE(supported_hash_types),
#undef PLACE
};

static_assert(ARRAY_SIZE(config_place) == VDPR_CONFIG_MEMBERS,
	      "every member of config has its place");
static_assert(VDPR_CONFIG_HASH_TYPES == BIT(VDPR_CONFIG_MEMBERS - 1),
	      "every member of config has its name");

static unsigned int config_index(uint32_t member)
{
	return (unsigned int)__builtin_ctz(member);
}

bool vdpr_config_equal(const struct vdpr_net_config *a,
		       const struct vdpr_net_config *b, uint32_t member)
{
	unsigned int i = config_index(member);

	return !memcmp((const char *)a + config_place[i].offset,
		       (const char *)b + config_place[i].offset,
		       config_place[i].size);
}

void vdpr_config_copy(struct vdpr_net_config *to,
		      const struct vdpr_net_config *from, uint32_t member)
{
	unsigned int i = config_index(member);

	memcpy((char *)to + config_place[i].offset,
	       (const char *)from + config_place[i].offset,
	       config_place[i].size);
	to->has |= member;
}

bool vdpr_section_known(const struct vdpr_state *state,
			enum vdpr_section section)
{
	unsigned int m = vdpr_section_first(section);
	unsigned int end = m + vdpr_section_members(section);

	for (; m < end; m++) {
		if (state->member[m] == VDPR_KNOWN ||
		    state->member[m] == VDPR_NULL)
			return true;
	}
	return false;
}

bool vdpr_vring_agrees(const struct vdpr_vring_state *a,
		       const struct vdpr_vring_state *b)
{
	uint32_t both = a->has & b->has;

	return !(((both & VDPR_VRING_SIZE) && a->size != b->size) ||
		 ((both & VDPR_VRING_BASE) && a->base != b->base) ||
		 ((both & VDPR_VRING_ENABLED) && a->enabled != b->enabled) ||
		 ((both & VDPR_VRING_DESC) && a->desc != b->desc) ||
		 ((both & VDPR_VRING_DRIVER) && a->driver != b->driver) ||
		 ((both & VDPR_VRING_DEVICE) && a->device != b->device));
}

void vdpr_vring_fill(struct vdpr_vring_state *to,
		     const struct vdpr_vring_state *from)
{
	uint32_t gain = from->has & ~to->has;

	if (gain & VDPR_VRING_SIZE)
		to->size = from->size;
	if (gain & VDPR_VRING_BASE)
		to->base = from->base;
	if (gain & VDPR_VRING_ENABLED)
		to->enabled = from->enabled;
	if (gain & VDPR_VRING_DESC)
		to->desc = from->desc;
	if (gain & VDPR_VRING_DRIVER)
		to->driver = from->driver;
	if (gain & VDPR_VRING_DEVICE)
		to->device = from->device;
	to->has |= gain;
}

bool vdpr_strings_have(const struct vdpr_strings *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!strcmp(list->text[i], text))
			return true;
	}
	return false;
}
