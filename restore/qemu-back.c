/* SPDX-License-Identifier: MIT */
/* QEMU streams: the devices' sections, read backwards from the end of a file. */
#include <errno.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/qemu-stream.h"

/*
 * Theory of operation. The description at the end has the length of every
 * section, so from the end of the last one all others can be had, each confirmed
 * by its header and its footer, and guest memory is not even read.
 *
 * But where a file was cut off inside guest memory, its end is the guest's. A
 * page may then hold a forged section and a forged description. It cannot hold a
 * description longer than itself, for between two pages of memory there are bytes
 * that no JSON text has; a real one is always longer than that. Where this does
 * not tell - a shorter one, memory that lies in one piece (mapped-ram), or a
 * passed-through device's memory in the stream - the answer is "read it from the
 * beginning", which cannot be deceived.
 */

#define CHUNK 65536u
/* Longer descriptions than this are not looked for from the end. */
#define DESC_MOST (1ull << 30)
/* A record's address, a block's name with its length, the page. */
#define RECORD_MOST(page_size) (8u + 256u + (page_size))

struct back {
	struct vdpr_in *in;
	struct vdpr_qemu_head head;
	struct vdpr_qemu_desc *desc;
	uint64_t begin; /* of the description's text */
	uint8_t buf[CHUNK];
};

/* -------------------------------------------------------------- description */

/* Offset behind the last NUL of the file: none is in the text. 0: none found. */
static int find_text(struct back *b, uint64_t *out)
{
	uint64_t length = b->in->source->length, at = length;

	*out = 0;
	while (at && length - at < DESC_MOST) {
		size_t n = at < CHUNK ? (size_t)at : CHUNK;
		const uint8_t *nul;
		int err;

		at -= n;
		err = vdpr_in_read_at(b->in, at, b->buf, n);
		if (err)
			return err;
		nul = memrchr(b->buf, 0, n);
		if (!nul)
			continue;
		*out = at + (size_t)(nul - b->buf) + 1;
		break;
	}
	return 0;
}

/* The text begins at most six bytes behind that NUL, which is one of its
 * length's or the mark of the end. Return: 0, 1 (not there) or an errno. */
static int find_begin(struct back *b)
{
	uint64_t length = b->in->source->length, text;
	uint8_t p[12];
	int err = find_text(b, &text);

	if (err)
		return err;
	if (text < 6 || text + 6 > length)
		return 1;
	err = vdpr_in_read_at(b->in, text - 6, p, sizeof(p));
	if (err)
		return err;
	for (size_t i = 6; i < sizeof(p); i++) {
		if (p[i] != '{' || p[i - 5] != QEMU_VM_VMDESCRIPTION ||
		    p[i - 6] != QEMU_VM_EOF)
			continue;
		b->begin = text - 6 + i;
		if (vdpr_get_be32(p + i - 4) == length - b->begin)
			return 0;
	}
	return 1;
}

static int read_desc(struct back *b)
{
	uint64_t length = b->in->source->length, at = b->begin;
	int err = 0;

	b->desc = vdpr_qemu_desc_new();
	if (!b->desc)
		return vdpr_fail_memory(b->in->ctx);
	while (!err && at < length) {
		size_t n = length - at < CHUNK ? (size_t)(length - at) : CHUNK;

		err = vdpr_in_read_at(b->in, at, b->buf, n);
		if (err)
			return err;
		err = vdpr_qemu_desc_feed(b->desc, b->buf, n);
		at += n;
	}
	if (err == -ENOMEM)
		return vdpr_fail_memory(b->in->ctx);
	return err || !vdpr_qemu_desc_done(b->desc);
}

/* -------------------------------------------------------------------- trust */

/* Does a record of guest memory whose page reaches beyond the file's end begin
 * at @p? */
static bool is_record(const uint8_t *p, uint32_t page_size)
{
	/* ZERO has no page; bit 5 is CONTINUE. */
	static const uint32_t pages = 1u << 3 | 1u << 6 | 1u << 8;
	uint64_t record = vdpr_get_be64(p);
	uint32_t flags = (uint32_t)record & (page_size - 1) & ~(1u << 5);

	return record >> 48 == 0 && (flags & ~pages) == 0 &&
	       __builtin_popcount(flags) == 1;
}

/* May a description this short be in a page of guest memory? Return: 0 or 1, or
 * an errno. */
static int may_be_memory(struct back *b, uint32_t page_size)
{
	uint64_t length = b->in->source->length;
	uint64_t from = length > RECORD_MOST(page_size)
				? length - RECORD_MOST(page_size)
				: 0;
	size_t n = (size_t)(b->begin - from);
	int err;

	if (length - b->begin > page_size || page_size > CHUNK / 2)
		return page_size > CHUNK / 2;
	err = vdpr_in_read_at(b->in, from, b->buf, n);
	if (err)
		return err;
	for (size_t i = 0; i + 8 <= n; i++)
		if (is_record(b->buf + i, page_size))
			return 1;
	return 0;
}

/* Sections that come in parts, besides guest memory, may be of any length, and
 * be the guest's. Those that can be gone over are. */
static bool has_other_memory(const struct vdpr_qemu_head *head)
{
	for (size_t i = 0; i < head->n_parts; i++)
		if (strcmp(head->part[i].name, "ram") != 0)
			return true;
	return false;
}

/* The beginning says what memory there is. That it cannot be read proves nothing
 * against the description. Return: 0, 1 or an errno. */
static int check_head(struct back *b)
{
	uint32_t page_size;
	int err = vdpr_qemu_read_start(b->in, &b->head);

	if (err)
		return err;
	err = vdpr_qemu_skip_parts(b->in, &b->head, true);
	if (err == -ENOMEM)
		return err;
	if (has_other_memory(&b->head) || (err && b->head.mapped_ram))
		return 1;
	page_size = b->head.page_size;
	if (vdpr_qemu_desc_page_size(b->desc) > page_size)
		page_size = (uint32_t)vdpr_qemu_desc_page_size(b->desc);
	return may_be_memory(b, page_size);
}

/* ----------------------------------------------------------------- sections */

/* The section that ends at @end. Return: 0, 1 (it does not) or an errno. */
static int read_header(struct back *b, const struct vdpr_qemu_device *device,
		       uint64_t end, struct vdpr_qemu_header *h,
		       uint64_t *content)
{
	uint8_t p[VDPR_QEMU_HEADER(255u)], footer[VDPR_QEMU_FOOTER];
	size_t n = VDPR_QEMU_HEADER(device->name_len);
	uint64_t whole = n + device->size + VDPR_QEMU_FOOTER;
	int err;

	if (whole > end)
		return 1;
	err = vdpr_in_read_at(b->in, end - whole, p, n);
	if (!err)
		err = vdpr_in_read_at(b->in, end - VDPR_QEMU_FOOTER, footer,
				      sizeof(footer));
	if (err)
		return err;
	*content = end - whole + n;
	return !(vdpr_qemu_header_read(p, n, h) == n &&
		 h->type == QEMU_VM_SECTION_FULL &&
		 h->instance == device->instance &&
		 vdpr_qemu_name_hash(h->name, h->name_len) ==
			 device->name_hash &&
		 footer[0] == QEMU_VM_SECTION_FOOTER &&
		 vdpr_get_be32(footer + 1) == h->id);
}

static int read_nic(struct back *b, const struct vdpr_qemu_header *h,
		    uint64_t content, uint64_t size,
		    struct vdpr_qemu_stream *out)
{
	struct vdpr_qemu_nic *nic = NULL;
	_cleanup_free_ uint8_t *p = NULL;
	struct vdpr_qemu_why why = { 0 };
	int err;

	vdpr_in_enter(b->in, h->id, h->name);
	if (h->version != VIRTIO_NET_VM_VERSION)
		return vdpr_in_bad(b->in, content - 4,
				   "version %u of a virtio-net section is not "
				   "known",
				   h->version);
	if (size > VDPR_IN_MOST)
		return vdpr_in_bad(b->in, content,
				   "a virtio-net section of %llu bytes",
				   (unsigned long long)size);
	p = malloc(size + 1);
	if (!p)
		return vdpr_fail_memory(b->in->ctx);
	err = vdpr_in_read_at(b->in, content, p, size);
	if (err)
		return err;
	err = vdpr_qemu_nic_read(p, size, true, &nic, &why);
	if (err == -EBADMSG)
		return vdpr_in_bad(b->in, content + why.at, "%s", why.text);
	if (err)
		return vdpr_fail_memory(b->in->ctx);
	memcpy(nic->name, h->name, sizeof(nic->name));
	nic->instance = h->instance;
	nic->section = h->id;
	nic->offset = content;
	err = vdpr_qemu_add_nic(out, nic);
	if (err)
		vdpr_qemu_nic_free(nic);
	return err ? vdpr_fail_memory(b->in->ctx) : 0;
}

static bool has_nic(const struct vdpr_qemu_device *device, size_t count)
{
	while (count--)
		if (device[count].is_nic)
			return true;
	return false;
}

static void reverse(struct vdpr_qemu_stream *s)
{
	for (size_t i = 0; i < s->n_nics / 2; i++) {
		struct vdpr_qemu_nic *nic = s->nic[i];

		s->nic[i] = s->nic[s->n_nics - 1 - i];
		s->nic[s->n_nics - 1 - i] = nic;
	}
}

/* A few devices may have been saved before guest memory: of these the lengths
 * do not lead to their headers. They are never NICs. */
static int read_sections(struct back *b, struct vdpr_qemu_stream *out)
{
	uint64_t end = b->begin - 6;
	size_t count;
	const struct vdpr_qemu_device *device =
		vdpr_qemu_desc_devices(b->desc, &count);
	int err = 0;

	while (count) {
		struct vdpr_qemu_header h;
		uint64_t content;

		err = read_header(b, &device[count - 1], end, &h, &content);
		if (err)
			break;
		count--;
		end = content - VDPR_QEMU_HEADER(h.name_len);
		if (device[count].is_nic)
			err = read_nic(b, &h, content, device[count].size, out);
		if (err)
			return err;
	}
	if (err < 0)
		return err;
	if (has_nic(device, count))
		return 1;
	reverse(out);
	return 0;
}

int vdpr_qemu_read_back(struct vdpr_in *in, struct vdpr_qemu_stream *out)
{
	struct back *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return vdpr_fail_memory(in->ctx);
	b->in = in;
	err = find_begin(b);
	if (!err)
		err = read_desc(b);
	if (!err)
		err = check_head(b);
	vdpr_in_enter(in, 0, NULL);
	if (!err)
		err = read_sections(b, out);
	if (err >= 0 && in->ctx) /* what could not be read did not matter */
		vdpr_ctx_clear(in->ctx);
	memcpy(out->machine, b->head.machine, sizeof(out->machine));
	vdpr_qemu_desc_free(b->desc);
	vdpr_qemu_head_free(&b->head);
	free(b);
	return err;
}
