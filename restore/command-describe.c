/* SPDX-License-Identifier: MIT */
/* Describers: control commands for people, one bounded line each. */
#include <errno.h>

#include "restore/command-fns.h"
#include "restore/ctx.h"
#include "restore/payload.h"

/* Longer lists and byte strings are cut: a line is for reading. */
#define MAX_ADDRESSES 8
#define MAX_TABLE 16
#define MAX_BYTES 32
#define MAX_STATS 8

static void add_cut(struct vdpr_buf *out, const uint8_t *data, size_t len,
		    size_t max)
{
	vdpr_buf_hex(out, data, len < max ? len : max);
	if (len > max)
		vdpr_buf_str(out, "...");
}

static void add_bytes(const uint8_t *data, size_t len, struct vdpr_buf *out)
{
	vdpr_buf_str(out, " data ");
	if (!len)
		vdpr_buf_str(out, "none");
	add_cut(out, data, len, MAX_BYTES);
	if (len > MAX_BYTES)
		vdpr_buf_printf(out, " (%zu bytes)", len);
}

static void add_too_short(const uint8_t *data, size_t len, struct vdpr_buf *out)
{
	add_bytes(data, len, out);
	vdpr_buf_str(out, " (too short)");
}

VDPR_DESCRIBER(nothing)
{
	(void)data;
	(void)len;
	(void)out;
}

VDPR_DESCRIBER(switch)
{
	(void)len;
	vdpr_buf_str(out, data[0] ? " on" : " off");
}

VDPR_DESCRIBER(le16)
{
	(void)len;
	vdpr_buf_printf(out, " %u", vdpr_get_le16(data));
}

/* ---------------------------------------------------------------------- MAC */

VDPR_DESCRIBER(mac_address)
{
	char text[VDPR_MAC_TEXT];

	(void)len;
	vdpr_mac_format(data, text);
	vdpr_buf_printf(out, " %s", text);
}

static void add_addresses(struct vdpr_buf *out, const char *name,
			  const uint8_t *addr, size_t count)
{
	char text[VDPR_MAC_TEXT];

	vdpr_buf_printf(out, " %s[%zu]", name, count);
	for (size_t i = 0; i < count && i < MAX_ADDRESSES; i++) {
		vdpr_mac_format(addr + 6 * i, text);
		vdpr_buf_printf(out, "%c%s", i ? ',' : ' ', text);
	}
	if (count > MAX_ADDRESSES)
		vdpr_buf_str(out, ",...");
}

VDPR_DESCRIBER(mac_table)
{
	struct vdpr_mac_table_view view;

	if (vdpr_mac_table_view(data, len, &view)) {
		add_too_short(data, len, out);
		return;
	}
	add_addresses(out, "unicast", view.unicast, view.unicast_count);
	add_addresses(out, "multicast", view.multicast, view.multicast_count);
}

/* -------------------------------------------------------- bit masks by name */

typedef const char *(*bit_text_fn)(unsigned int bit, char text[VDPR_BIT_TEXT]);

static void add_names(struct vdpr_buf *out, uint64_t mask, bit_text_fn bit_text)
{
	char text[VDPR_BIT_TEXT];
	const char *separator = "";

	if (!mask)
		vdpr_buf_str(out, "none");
	for (unsigned int bit = 0; bit < 64; bit++) {
		if (!(mask >> bit & 1))
			continue;
		vdpr_buf_str(out, separator);
		vdpr_buf_str(out, bit_text(bit, text));
		separator = ",";
	}
}

VDPR_DESCRIBER(offloads)
{
	(void)len;
	vdpr_buf_str(out, " ");
	add_names(out, vdpr_get_le64(data), vdpr_offload_text);
}

/* ----------------------------------------------------------------------- MQ */

static void add_types(struct vdpr_buf *out, uint32_t hash_types)
{
	vdpr_buf_str(out, " types ");
	add_names(out, hash_types, vdpr_hash_type_text);
}

static void add_key(struct vdpr_buf *out, const struct vdpr_rss_view *view)
{
	vdpr_buf_printf(out, " key %zu bytes%s", view->key_len,
			view->key_len ? " " : "");
	add_cut(out, view->key, view->key_len, 8);
}

VDPR_DESCRIBER(rss)
{
	struct vdpr_rss_view view;

	if (vdpr_rss_view(data, len, &view)) {
		add_too_short(data, len, out);
		return;
	}
	add_types(out, view.hash_types);
	vdpr_buf_printf(out, " unclassified %u max_tx_vq %u table[%u]",
			view.unclassified_queue, view.max_tx_vq,
			view.table_len);
	for (uint32_t i = 0; i < view.table_len && i < MAX_TABLE; i++)
		vdpr_buf_printf(out, "%c%u", i ? ',' : ' ',
				vdpr_get_le16(view.table + 2 * (size_t)i));
	if (view.table_len > MAX_TABLE)
		vdpr_buf_str(out, ",...");
	add_key(out, &view);
}

VDPR_DESCRIBER(hash)
{
	struct vdpr_rss_view view;

	if (vdpr_hash_view(data, len, &view)) {
		add_too_short(data, len, out);
		return;
	}
	add_types(out, view.hash_types);
	add_key(out, &view);
}

/* --------------------------------------------------------------- coalescing */

VDPR_DESCRIBER(coal)
{
	(void)len;
	vdpr_buf_printf(out, " max_packets %u max_usecs %u",
			vdpr_get_le32(data), vdpr_get_le32(data + 4));
}

VDPR_DESCRIBER(queue)
{
	(void)len;
	vdpr_buf_printf(out, " queue %u", vdpr_get_le16(data));
}

VDPR_DESCRIBER(coal_queue)
{
	vdpr_describe_queue(data, len, out);
	vdpr_describe_coal(data + 4, len - 4, out);
}

/* -------------------------------------------- classes that no section holds */

VDPR_DESCRIBER(hash_tunnel)
{
	(void)len;
	vdpr_buf_printf(out, " types 0x%x", vdpr_get_le32(data));
}

/* An array of le16 queue, 6 reserved bytes, le64 types. */
VDPR_DESCRIBER(stats_get)
{
	size_t count = len / 16;

	for (size_t i = 0; i < count && i < MAX_STATS; i++)
		vdpr_buf_printf(
			out, "%s queue %u types 0x%llx", i ? "," : "",
			vdpr_get_le16(data + 16 * i),
			(unsigned long long)vdpr_get_le64(data + 16 * i + 8));
	if (count > MAX_STATS)
		vdpr_buf_printf(out, ", ... (%zu queues)", count);
}

/* A le16 context and 6 reserved bytes before what RSS_CONFIG has. */
VDPR_DESCRIBER(rss_context)
{
	vdpr_buf_printf(out, " context %u", vdpr_get_le16(data));
	vdpr_describe_rss(data + 8, len - 8, out);
}

/* --------------------------------------------------------------- public API */

int vdpr_command_describe(struct vdpr_ctx *ctx,
			  const struct vdpr_command *command, char **out)
{
	const struct vdpr_command_info *info;
	_cleanup_buf_ struct vdpr_buf text = { 0 };
	struct vdpr_command c;

	if (vdpr_any_null(ctx, command, out) ||
	    vdpr_command_take(ctx, command, &c))
		return -EINVAL;
	info = vdpr_command_find(c.ctrl_class, c.command);
	if (info)
		vdpr_buf_str(&text, info->name);
	else
		vdpr_buf_printf(&text, "class %u command %u", c.ctrl_class,
				c.command);
	if (!info)
		add_bytes(c.data, c.data_len, &text);
	else if (c.data_len < info->min_len)
		add_too_short(c.data, c.data_len, &text);
	else
		info->describe(c.data, c.data_len, &text);
	return vdpr_buf_take(&text, out, NULL) ? vdpr_fail_memory(ctx) : 0;
}
