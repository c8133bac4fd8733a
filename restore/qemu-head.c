/* SPDX-License-Identifier: MIT */
/* QEMU streams: all that precedes the devices' sections. */
#include <errno.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/qemu-stream.h"

#define DEFAULT_PAGE_BITS 12

/* Commands of the stream itself (migration/savevm.c). */
#define MIG_CMD_POSTCOPY_ADVISE 3
#define MIG_CMD_PACKAGED 7

void vdpr_qemu_head_free(struct vdpr_qemu_head *head)
{
	free(head->block);
	head->block = NULL;
	head->n_blocks = 0;
}

/* ------------------------------------------------------------- one section */

uint64_t vdpr_qemu_name_hash(const void *name, size_t len)
{
	const uint8_t *p = name;
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * 0x100000001b3u;
	return hash;
}

/* Behind a bus that has no path, the name is the device's alone. */
bool vdpr_qemu_name_is_nic(const char *name, size_t len)
{
	static const char suffix[] = "/virtio-net";
	const size_t n = sizeof(suffix) - 1;

	if (len == n - 1)
		return !memcmp(name, suffix + 1, n - 1);
	return len > n && !memcmp(name + len - n, suffix, n);
}

static bool is_printable(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] < 0x20 || p[i] > 0x7e)
			return false;
	return true;
}

size_t vdpr_qemu_header_read(const uint8_t *p, size_t len,
			     struct vdpr_qemu_header *out)
{
	size_t n, total;

	if (len < 6)
		return 0;
	n = p[5];
	total = VDPR_QEMU_HEADER(n);
	if (!n || len < total || !is_printable(p + 6, n))
		return 0;
	out->type = p[0];
	out->id = vdpr_get_be32(p + 1);
	out->name_len = (uint8_t)n;
	memcpy(out->name, p + 6, n);
	out->name[n] = '\0';
	out->instance = vdpr_get_be32(p + 6 + n);
	out->version = vdpr_get_be32(p + 10 + n);
	return total;
}

/* ------------------------------------------------------------ configuration */

/* What else begins with these bytes, and what to do about it. */
static const struct {
	const char *magic;
	size_t len;
	const char *what, *cure;
} others[] = {
	{ "\x1f\x8b", 2, "compressed with gzip",
	  "gzip -dc FILE | vdpa-restore save --qemu-stream -" },
	{ "\xfd"
	  "7zXZ",
	  5, "compressed with xz",
	  "xz -dc FILE | vdpa-restore save --qemu-stream -" },
	{ "\x28\xb5\x2f\xfd", 4, "compressed with zstd",
	  "zstd -dc FILE | vdpa-restore save --qemu-stream -" },
	{ "LibvirtQemud", 12,
	  "an image of virsh save: libvirt's own header stands before the stream",
	  "let QEMU write the stream, as with virsh qemu-monitor-command and migrate" },
	{ "QFI\xfb", 4, "a qcow2 image",
	  "give what QEMU's migrate command wrote" },
	{ "\x7f"
	  "ELF",
	  4, "a memory dump or a program",
	  "give what QEMU's migrate command wrote" },
};

static int bad_magic(struct vdpr_in *in)
{
	const uint8_t *p;
	size_t n = vdpr_in_peek(in, 12, &p);

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (n < others[i].len ||
		    memcmp(p, others[i].magic, others[i].len) != 0)
			continue;
		vdpr_in_bad(in, 0, "not a QEMU migration stream: it is %s",
			    others[i].what);
		vdpr_cure(in->ctx, "%s", others[i].cure);
		return -EBADMSG;
	}
	return vdpr_in_bad(
		in, 0,
		"not a QEMU migration stream: it does not begin with "
		"\"QEVM\"");
}

static int read_magic(struct vdpr_in *in)
{
	const uint8_t *p;
	size_t n = vdpr_in_peek(in, 8, &p);

	if (n < 4 || vdpr_get_be32(p) != QEMU_VM_FILE_MAGIC)
		return n || !in->err ? bad_magic(in) : vdpr_in_short(in, 0);
	if (n < 8)
		return vdpr_in_short(in, n);
	if (vdpr_get_be32(p + 4) != QEMU_VM_FILE_VERSION)
		return vdpr_in_bad(in, 4,
				   "version %u of the stream is not known",
				   vdpr_get_be32(p + 4));
	vdpr_in_take(in, 8);
	return 0;
}

static int read_page_bits(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	int err = vdpr_in_need(in, 4, &p);

	if (err)
		return err;
	if (vdpr_get_be32(p) < 10 || vdpr_get_be32(p) > 16)
		return vdpr_in_bad(in, in->at, "pages of 2^%u bytes",
				   vdpr_get_be32(p));
	head->page_size = 1u << vdpr_get_be32(p);
	vdpr_in_take(in, 4);
	return 0;
}

/* Capabilities that change what the stream looks like are listed. */
static int read_capability(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	size_t n;
	int err = vdpr_in_counted(in, &p, &n);

	if (err)
		return err;
	if (n == 15 && !memcmp(p, "x-ignore-shared", n))
		head->ignore_shared = true;
	else if (n == 10 && !memcmp(p, "mapped-ram", n))
		head->mapped_ram = true;
	else
		return vdpr_in_bad(in, in->at,
				   "migration capability \"%.*s\" is not known",
				   is_printable(p, n) ? (int)n : 0,
				   (const char *)p);
	vdpr_in_take(in, 1 + n);
	return 0;
}

static int read_capabilities(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	uint32_t count;
	int err = vdpr_in_need(in, 4, &p);

	if (err)
		return err;
	count = vdpr_get_be32(p);
	vdpr_in_take(in, 4);
	if (count > 256)
		return vdpr_in_bad(in, in->at - 4, "%u capabilities", count);
	while (!err && count--)
		err = read_capability(in, head);
	return err;
}

static int skip_uuid(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	(void)head;
	return vdpr_in_skip(in, 16);
}

static const struct {
	const char *name;
	int (*read)(struct vdpr_in *in, struct vdpr_qemu_head *head);
} config_parts[] = {
	{ "configuration/target-page-bits", read_page_bits },
	{ "configuration/capabilities", read_capabilities },
	{ "configuration/uuid", skip_uuid },
};

static int read_config_part(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	int err = vdpr_in_need(in, 2, &p);
	size_t n;

	if (err)
		return err;
	n = p[1];
	err = vdpr_in_need(in, 6 + n, &p);
	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(config_parts); i++) {
		if (strlen(config_parts[i].name) != n ||
		    memcmp(p + 2, config_parts[i].name, n) != 0)
			continue;
		if (vdpr_get_be32(p + 2 + n) != 1)
			break;
		vdpr_in_take(in, 6 + n);
		return config_parts[i].read(in, head);
	}
	return vdpr_in_bad(
		in, in->at, "part \"%.*s\" of the configuration is not known",
		is_printable(p + 2, n) ? (int)n : 0, (const char *)p + 2);
}

static int read_config(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	uint32_t n;
	int err = vdpr_in_need(in, 5, &p);

	if (err)
		return err;
	n = vdpr_get_be32(p + 1);
	if (n >= sizeof(head->machine))
		return vdpr_in_bad(in, in->at + 1,
				   "a machine type of %u characters", n);
	vdpr_in_take(in, 5);
	err = vdpr_in_need(in, n, &p);
	if (err)
		return err;
	if (!is_printable(p, n))
		return vdpr_in_bad(in, in->at, "the machine type is no text");
	memcpy(head->machine, p, n);
	head->machine[n] = '\0';
	vdpr_in_take(in, n);
	while (!err && vdpr_in_peek(in, 1, &p) == 1 &&
	       p[0] == QEMU_VM_SUBSECTION)
		err = read_config_part(in, head);
	return err;
}

/* Machines whose pages are not of 4 KiB, and do not say so. */
static uint32_t machine_page_size(const char *machine)
{
	static const char *const large[] = { "sun4u", "sun4v", "niagara",
					     "clipper" };

	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		if (!strncmp(machine, large[i], strlen(large[i])))
			return 8192;
	return 1u << DEFAULT_PAGE_BITS;
}

int vdpr_qemu_read_start(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	int err;

	*head = (struct vdpr_qemu_head){ .page_size = 0 };
	vdpr_in_enter(in, 0, NULL);
	err = read_magic(in);
	if (!err && vdpr_in_peek(in, 1, &p) == 1 &&
	    p[0] == QEMU_VM_CONFIGURATION) {
		vdpr_in_enter(in, 0, "configuration");
		err = read_config(in, head);
		vdpr_in_enter(in, 0, NULL);
	}
	if (!head->page_size)
		head->page_size = machine_page_size(head->machine);
	return err;
}

/* ---------------------------------------------------------- other memories */

/* The hash table of a POWER machine's pages (hw/ppc/spapr.c). */
static int skip_htab(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	int err = vdpr_in_need(in, 4, &p);

	(void)head;
	if (err)
		return err;
	vdpr_in_take(in, 4);
	/* The first part is the table's size alone. */
	if (vdpr_get_be32(p))
		return 0;
	for (;;) {
		uint32_t index, valid, invalid;

		err = vdpr_in_need(in, 8, &p);
		if (err)
			return err;
		index = vdpr_get_be32(p);
		valid = vdpr_get_be16(p + 4);
		invalid = vdpr_get_be16(p + 6);
		vdpr_in_take(in, 8);
		if (!index && !valid && !invalid)
			return 0;
		err = vdpr_in_skip(in, valid * 16);
		if (err)
			return err;
	}
}

#define VFIO_MIG_FLAG_END_OF_STATE 0xffffffffef100001u
#define VFIO_MIG_FLAG_DEV_SETUP_STATE 0xffffffffef100003u
#define VFIO_MIG_FLAG_DEV_DATA_STATE 0xffffffffef100004u
#define VFIO_MIG_FLAG_DEV_INIT_DATA_SENT 0xffffffffef100005u

/* A passed-through device's own bytes (hw/vfio/migration.c). */
static int skip_vfio(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	uint64_t flag, n;
	int err;

	(void)head;
	for (;;) {
		err = vdpr_in_need(in, 8, &p);
		if (err)
			return err;
		flag = vdpr_get_be64(p);
		vdpr_in_take(in, 8);
		if (flag == VFIO_MIG_FLAG_END_OF_STATE)
			return 0;
		if (flag == VFIO_MIG_FLAG_DEV_SETUP_STATE ||
		    flag == VFIO_MIG_FLAG_DEV_INIT_DATA_SENT)
			continue;
		if (flag != VFIO_MIG_FLAG_DEV_DATA_STATE)
			return vdpr_in_bad(in, in->at - 8,
					   "no record of a VFIO device begins "
					   "with 0x%016llx",
					   (unsigned long long)flag);
		err = vdpr_in_need(in, 8, &p);
		if (err)
			return err;
		n = vdpr_get_be64(p);
		vdpr_in_take(in, 8);
		err = vdpr_in_skip(in, n);
		if (err)
			return err;
	}
}

/* Sections that come in parts. The others' parts have no length that could be
 * told from outside. */
static const struct {
	const char *name; /* or its end */
	int (*skip)(struct vdpr_in *in, struct vdpr_qemu_head *head);
} kinds[] = {
	{ "ram", vdpr_qemu_skip_ram },
	{ "/vfio", skip_vfio },
	{ "spapr/htab", skip_htab },
};

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return end[0] == '/' ? n > m && !strcmp(name + n - m, end)
			     : !strcmp(name, end);
}

static int skip_content(struct vdpr_in *in, struct vdpr_qemu_head *head,
			const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (ends_with(name, kinds[i].name))
			return kinds[i].skip(in, head);
	return vdpr_in_bad(in, in->at,
			   "a section that comes in parts and of this kind "
			   "cannot be skipped");
}

/* ------------------------------------------------------- sections in parts */

static int skip_footer(struct vdpr_in *in, uint32_t id)
{
	const uint8_t *p;
	int err = vdpr_in_need(in, VDPR_QEMU_FOOTER, &p);

	if (err)
		return err;
	if (p[0] != QEMU_VM_SECTION_FOOTER || vdpr_get_be32(p + 1) != id)
		return vdpr_in_bad(in, in->at,
				   "the section does not end here, as it "
				   "should");
	vdpr_in_take(in, VDPR_QEMU_FOOTER);
	vdpr_in_enter(in, 0, NULL);
	return 0;
}

static struct vdpr_qemu_part *find_part(struct vdpr_qemu_head *head,
					uint32_t id)
{
	for (size_t i = 0; i < head->n_parts; i++)
		if (head->part[i].id == id)
			return &head->part[i];
	return NULL;
}

static int add_part(struct vdpr_in *in, struct vdpr_qemu_head *head,
		    const struct vdpr_qemu_header *h)
{
	struct vdpr_qemu_part *part = &head->part[head->n_parts];

	if (find_part(head, h->id))
		return vdpr_in_bad(in, in->at, "section %u begins twice",
				   h->id);
	if (head->n_parts == VDPR_QEMU_PARTS)
		return vdpr_in_bad(in, in->at,
				   "more than %u sections that come in parts",
				   VDPR_QEMU_PARTS);
	part->id = h->id;
	part->ended = false;
	memcpy(part->name, h->name, sizeof(part->name));
	head->n_parts++;
	return 0;
}

static int skip_start(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	struct vdpr_qemu_header h;
	const uint8_t *p;
	size_t have = vdpr_in_peek(in, VDPR_QEMU_HEADER(255u), &p);
	size_t n = vdpr_qemu_header_read(p, have, &h);
	int err;

	if (!n)
		return have < VDPR_QEMU_HEADER(255u)
			       ? vdpr_in_short(in, in->at + have)
			       : vdpr_in_bad(in, in->at,
					     "not the beginning of a section");
	err = add_part(in, head, &h);
	if (err)
		return err;
	vdpr_in_enter(in, h.id, h.name);
	vdpr_in_take(in, n);
	err = skip_content(in, head, h.name);
	return err ? err : skip_footer(in, h.id);
}

static int skip_part(struct vdpr_in *in, struct vdpr_qemu_head *head, bool end)
{
	struct vdpr_qemu_part *part;
	const uint8_t *p;
	int err = vdpr_in_need(in, 5, &p);
	uint32_t id;

	if (err)
		return err;
	id = vdpr_get_be32(p + 1);
	part = find_part(head, id);
	if (!part || part->ended)
		return vdpr_in_bad(in, in->at,
				   "section %u goes on without having begun",
				   id);
	part->ended = end;
	vdpr_in_enter(in, id, part->name);
	vdpr_in_take(in, 5);
	err = skip_content(in, head, part->name);
	return err ? err : skip_footer(in, id);
}

static int skip_command(struct vdpr_in *in, struct vdpr_qemu_head *head)
{
	const uint8_t *p;
	unsigned int command, n;
	int err = vdpr_in_need(in, 5, &p);

	if (err)
		return err;
	command = vdpr_get_be16(p + 1);
	n = vdpr_get_be16(p + 3);
	if (command == MIG_CMD_PACKAGED)
		return vdpr_in_bad(in, in->at,
				   "a stream of a postcopy migration: its "
				   "devices are in a package");
	head->postcopy |= command == MIG_CMD_POSTCOPY_ADVISE && n == 16;
	vdpr_in_take(in, 5);
	return vdpr_in_skip(in, n);
}

static int devices_begin(struct vdpr_in *in, const struct vdpr_qemu_head *head)
{
	struct vdpr_qemu_header h;
	const uint8_t *p;
	size_t have = vdpr_in_peek(in, VDPR_QEMU_HEADER(255u), &p);
	bool readable = vdpr_qemu_header_read(p, have, &h) > 0;

	for (size_t i = 0; i < head->n_parts; i++) {
		if (head->part[i].ended)
			continue;
		return vdpr_in_bad(
			in, in->at,
			"a device (\"%s\") before the end of section %u \"%s\"",
			readable ? h.name : "?", head->part[i].id,
			head->part[i].name);
	}
	/* virtio-mem does so. Where its section ends could only be searched for,
	 * and what follows is the guest's memory. */
	if (!head->n_parts)
		return vdpr_in_bad(
			in, in->at,
			"a device (\"%s\") before the guest's memory: its length is told only by a description at the end of a file",
			readable ? h.name : "?");
	return 0;
}

int vdpr_qemu_skip_parts(struct vdpr_in *in, struct vdpr_qemu_head *head,
			 bool setup_only)
{
	const uint8_t *p;
	int err = 0;

	while (!err) {
		err = vdpr_in_need(in, 1, &p);
		if (err)
			return err;
		switch (p[0]) {
		case QEMU_VM_SECTION_START:
			err = skip_start(in, head);
			break;
		case QEMU_VM_SECTION_PART:
		case QEMU_VM_SECTION_END:
			if (setup_only)
				return 0;
			err = skip_part(in, head, p[0] == QEMU_VM_SECTION_END);
			break;
		case QEMU_VM_COMMAND:
			err = skip_command(in, head);
			break;
		case QEMU_VM_SECTION_FULL:
			return setup_only ? 0 : devices_begin(in, head);
		default:
			return vdpr_in_bad(in, in->at,
					   "no section begins with 0x%02x",
					   p[0]);
		}
	}
	return err;
}
