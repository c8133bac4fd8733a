/* SPDX-License-Identifier: MIT */
/* QEMU streams: guest memory, gone over record by record and never looked at. */
#include <errno.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/qemu-stream.h"

/*
 * Theory of operation. What a page holds is the guest's: it may hold the image
 * of any section. So nothing is ever searched for in guest memory. Every record
 * says by its flags how long it is, and the next one begins right behind it.
 * What does not fit - a flag that is not known, an address outside its block, a
 * block that the beginning did not list - is an error and not a reason to look
 * further on.
 */

/* Low bits of a record's address (migration/ram.h). */
#define RAM_SAVE_FLAG_ZERO 0x002u
#define RAM_SAVE_FLAG_MEM_SIZE 0x004u
#define RAM_SAVE_FLAG_PAGE 0x008u
#define RAM_SAVE_FLAG_EOS 0x010u
#define RAM_SAVE_FLAG_CONTINUE 0x020u
#define RAM_SAVE_FLAG_XBZRLE 0x040u
#define RAM_SAVE_FLAG_HOOK 0x080u
#define RAM_SAVE_FLAG_COMPRESS_PAGE 0x100u
#define RAM_SAVE_FLAG_MULTIFD_FLUSH 0x200u
#define FLAGS 0x3ffu

/* One page never takes more, however it was compressed. */
#define COMPRESSED_MOST(page_size) (2 * (page_size) + 1024)

#define MAPPED_HEADER 28u

/* ----------------------------------------------------------- list of blocks */

static int read_be64(struct vdpr_in *in, uint64_t *out)
{
	const uint8_t *p;
	int err = vdpr_in_need(in, 8, &p);

	if (err)
		return err;
	*out = vdpr_get_be64(p);
	vdpr_in_take(in, 8);
	return 0;
}

/* A name with its length before it. */
static int read_name(struct vdpr_in *in, uint8_t *len, char name[256])
{
	const uint8_t *p;
	size_t n;
	int err = vdpr_in_counted(in, &p, &n);

	if (err)
		return err;
	if (!n)
		return vdpr_in_bad(in, in->at, "a block of memory has no name");
	memcpy(name, p, n);
	name[n] = '\0';
	*len = (uint8_t)n;
	vdpr_in_take(in, 1 + n);
	return 0;
}

/* mapped-ram: the block's pages lie at a fixed place, and the list goes on
 * behind them. */
static int skip_mapped(struct vdpr_in *in, const struct vdpr_qemu_block *block)
{
	uint64_t at = in->at, pages;
	const uint8_t *p;
	int err = vdpr_in_need(in, MAPPED_HEADER, &p);

	if (err)
		return err;
	if (vdpr_get_be32(p) != 1)
		return vdpr_in_bad(in, at,
				   "mapped-ram of version %u is not known",
				   vdpr_get_be32(p));
	pages = vdpr_get_be64(p + 20);
	if (pages < at + MAPPED_HEADER || pages > INT64_MAX - block->size)
		return vdpr_in_bad(in, at + 20,
				   "the pages of \"%s\" lie at an impossible "
				   "place",
				   block->name);
	return vdpr_in_skip(in, pages + block->size - at);
}

#define PAGE_LEAST 4096u

/* Blocks on huge pages say so, if those are not the largest: a power of two that
 * is larger than the marks that may follow instead. Its first byte is 0, as no
 * length of a name is. */
static int skip_page_size(struct vdpr_in *in, const struct vdpr_qemu_head *head)
{
	size_t wanted = head->ignore_shared ? 9 : 8;
	const uint8_t *p;

	if (!head->postcopy || vdpr_in_peek(in, wanted, &p) < wanted)
		return 0;
	if (vdpr_get_be64(p) < PAGE_LEAST || !vdpr_is_pow2(vdpr_get_be64(p)))
		return 0;
	/* Else it is the address, which follows in any case. */
	if (head->ignore_shared && p[8])
		return 0;
	return vdpr_in_skip(in, 8);
}

static int read_block(struct vdpr_in *in, struct vdpr_qemu_head *head,
		      struct vdpr_qemu_block *block)
{
	int err = read_name(in, &block->name_len, block->name);

	if (!err)
		err = read_be64(in, &block->size);
	if (err)
		return err;
	if (block->size > head->ram_size)
		return vdpr_in_bad(in, in->at - 8,
				   "block \"%s\" is larger than all memory",
				   block->name);
	err = skip_page_size(in, head);
	if (!err && head->ignore_shared)
		err = vdpr_in_skip(in, 8);
	if (!err && head->mapped_ram)
		err = skip_mapped(in, block);
	return err;
}

static int add_block(struct vdpr_in *in, struct vdpr_qemu_head *head,
		     const struct vdpr_qemu_block *block)
{
	struct vdpr_qemu_block *more;

	if (head->n_blocks == VDPR_QEMU_BLOCKS)
		return vdpr_in_bad(in, in->at, "more than %u blocks of memory",
				   VDPR_QEMU_BLOCKS);
	more = realloc(head->block, (head->n_blocks + 1) * sizeof(*more));
	if (!more)
		return vdpr_fail_memory(in->ctx);
	more[head->n_blocks++] = *block;
	head->block = more;
	return 0;
}

static int read_blocks(struct vdpr_in *in, struct vdpr_qemu_head *head,
		       uint64_t total)
{
	uint64_t left = total;
	int err = 0;

	if (head->n_blocks)
		return vdpr_in_bad(in, in->at - 8,
				   "the blocks of memory are listed twice");
	head->ram_size = total;
	while (!err && left) {
		struct vdpr_qemu_block block;

		err = read_block(in, head, &block);
		if (err)
			return err;
		if (block.size > left)
			return vdpr_in_bad(in, in->at,
					   "the blocks of memory are larger "
					   "than all memory");
		left -= block.size;
		err = add_block(in, head, &block);
	}
	head->last_block = NULL;
	return err;
}

/* ------------------------------------------------------------------ records */

/* The block whose name a record has. */
static int find_block(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	uint64_t at = in->at;
	char name[256];
	uint8_t len;
	int err = read_name(in, &len, name);

	if (err)
		return err;
	for (size_t i = 0; i < head->n_blocks; i++) {
		head->last_block = &head->block[i];
		if (head->last_block->name_len == len &&
		    !memcmp(head->last_block->name, name, len))
			return 0;
	}
	head->last_block = NULL;
	return vdpr_in_bad(in, at,
			   "a record is of a block of memory that was not "
			   "listed");
}

/* A record must be of a page of its block. */
static int check_page(struct vdpr_in *in, struct vdpr_qemu_head *head,
		      uint64_t record)
{
	uint64_t at = in->at - 8;
	uint64_t addr = record & ~(uint64_t)FLAGS;
	int err = 0;

	if (!(record & RAM_SAVE_FLAG_CONTINUE))
		err = find_block(in, head);
	if (err)
		return err;
	if (!head->last_block)
		return vdpr_in_bad(in, at, "a record continues no block");
	if (addr % head->page_size || addr >= head->last_block->size)
		return vdpr_in_bad(in, at,
				   "a record is of no page of its block");
	return 0;
}

static int skip_compressed(struct vdpr_in *in,
			   const struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	uint32_t len;
	int err = vdpr_in_need(in, 4, &p);

	if (err)
		return err;
	len = vdpr_get_be32(p);
	if (!len || len > COMPRESSED_MOST(head->page_size))
		return vdpr_in_bad(in, in->at, "a compressed page of %u bytes",
				   len);
	vdpr_in_take(in, 4);
	return vdpr_in_skip(in, len);
}

static int skip_xbzrle(struct vdpr_in *in, const struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	uint16_t len;
	int err = vdpr_in_need(in, 3, &p);

	if (err)
		return err;
	len = vdpr_get_be16(p + 1);
	if (p[0] != 1 || len > head->page_size)
		return vdpr_in_bad(in, in->at,
				   "a page whose difference is not encoded as "
				   "XBZRLE");
	vdpr_in_take(in, 3);
	return vdpr_in_skip(in, len);
}

static int skip_page(struct vdpr_in *in, struct vdpr_qemu_head *head,
		     uint64_t record)
{
	int err = check_page(in, head, record);

	if (err)
		return err;
	switch (record & FLAGS & ~RAM_SAVE_FLAG_CONTINUE) {
	case RAM_SAVE_FLAG_ZERO:
		return vdpr_in_skip(in, 1);
	case RAM_SAVE_FLAG_COMPRESS_PAGE:
		return skip_compressed(in, head);
	case RAM_SAVE_FLAG_XBZRLE:
		return skip_xbzrle(in, head);
	default:
		return vdpr_in_skip(in, head->page_size);
	}
}

/*
 * The run of pages that most of a stream consists of, as far as it is in the
 * buffer already: the same as skip_page(), without its calls.
 */
static void skip_run(struct vdpr_in *in, const struct vdpr_qemu_head *head)
{
	const size_t step = 8 + head->page_size;
	const uint8_t *p = in->buf + in->start;
	const uint8_t *end = in->buf + in->end;
	uint64_t size, mask = head->page_size - 1;

	if (!head->last_block)
		return;
	size = head->last_block->size;
	while ((size_t)(end - p) >= step) {
		uint64_t record = vdpr_get_be64(p);

		if ((record & mask) !=
			    (RAM_SAVE_FLAG_PAGE | RAM_SAVE_FLAG_CONTINUE) ||
		    (record & ~mask) >= size)
			break;
		p += step;
	}
	vdpr_in_take(in, (size_t)(p - (in->buf + in->start)));
}

static int skip_record(struct vdpr_in *in, struct vdpr_qemu_head *head,
		       bool *last)
{
	unsigned int flags;
	uint64_t record;
	int err = read_be64(in, &record);

	if (err)
		return err;
	flags = record & FLAGS;
	switch (flags & ~RAM_SAVE_FLAG_CONTINUE) {
	case RAM_SAVE_FLAG_EOS:
	case RAM_SAVE_FLAG_MULTIFD_FLUSH:
		if (record != flags || (flags & RAM_SAVE_FLAG_CONTINUE))
			break;
		*last = flags == RAM_SAVE_FLAG_EOS;
		return 0;
	case RAM_SAVE_FLAG_MEM_SIZE:
		return read_blocks(in, head, record & ~(uint64_t)FLAGS);
	case RAM_SAVE_FLAG_ZERO:
	case RAM_SAVE_FLAG_PAGE:
	case RAM_SAVE_FLAG_COMPRESS_PAGE:
	case RAM_SAVE_FLAG_XBZRLE:
		return skip_page(in, head, record);
	case RAM_SAVE_FLAG_HOOK:
		return vdpr_in_bad(in, in->at - 8,
				   "guest memory that went another way (RDMA)");
	default:
		break;
	}
	return vdpr_in_bad(in, in->at - 8,
			   "no record of guest memory begins with 0x%016llx",
			   (unsigned long long)record);
}

int vdpr_qemu_skip_ram(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	bool last = false;
	int err = 0;

	while (!err && !last) {
		skip_run(in, head);
		err = skip_record(in, head, &last);
	}
	return err;
}
