/* SPDX-License-Identifier: MIT */
/* Views of the control payloads whose length is not fixed. */
#include "restore/payload.h"

#include <errno.h>

/* Takes a le32 count and that many addresses from the front of @data. */
static int take_addresses(const uint8_t **data, size_t *len, size_t *count,
			  const uint8_t **addresses)
{
	if (*len < 4)
		return -EINVAL;
	*count = vdpr_get_le32(*data);
	*addresses = *data + 4;
	if (*count > (*len - 4) / 6)
		return -EINVAL;
	*data += 4 + 6 * *count;
	*len -= 4 + 6 * *count;
	return 0;
}

int vdpr_mac_table_view(const uint8_t *data, size_t len,
			struct vdpr_mac_table_view *out)
{
	int ret =
		take_addresses(&data, &len, &out->unicast_count, &out->unicast);

	if (ret)
		return ret;
	return take_addresses(&data, &len, &out->multicast_count,
			      &out->multicast);
}

/* The key stands behind its length, at @offset. */
static int take_key(const uint8_t *data, size_t len, size_t offset,
		    struct vdpr_rss_view *out)
{
	if (len <= offset)
		return -EINVAL;
	out->key_len = data[offset];
	out->key = data + offset + 1;
	return out->key_len > len - offset - 1 ? -EINVAL : 0;
}

int vdpr_rss_view(const uint8_t *data, size_t len, struct vdpr_rss_view *out)
{
	size_t tail;

	if (len < VDPR_RSS_MIN)
		return -EINVAL;
	out->hash_types = vdpr_get_le32(data);
	out->table_len = vdpr_get_le16(data + 4) + 1u;
	out->unclassified_queue = vdpr_get_le16(data + 6);
	out->table = data + 8;
	tail = 8 + 2 * (size_t)out->table_len;
	if (len < tail + 2)
		return -EINVAL;
	out->max_tx_vq = vdpr_get_le16(data + tail);
	return take_key(data, len, tail + 2, out);
}

int vdpr_hash_view(const uint8_t *data, size_t len, struct vdpr_rss_view *out)
{
	*out = (struct vdpr_rss_view){ 0 };
	if (len < VDPR_HASH_MIN)
		return -EINVAL;
	out->hash_types = vdpr_get_le32(data);
	return take_key(data, len, 12, out);
}
