/* SPDX-License-Identifier: MIT */
/* QEMU's migration streams: the virtio-net devices in one. */
#include "restore/qemu-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "restore/ctx.h"
#include "restore/sizes.h"

/*
 * Theory of operation. A stream is: a magic number; the configuration; guest
 * memory and the like in sections that come in parts; one section for each
 * device; and a description of those, which may be missing.
 *
 *   qemu-back.c   a file: the devices from the end, by the description
 *   qemu-head.c   else from the beginning: all that precedes the devices
 *   qemu-ram.c      of which guest memory is the most
 *   qemu-scan.c     and then the devices
 *   qemu-desc.c   reads the description for both
 *   qemu-nic.c    decodes one device for both
 *   qemu-state.c  makes a state of it
 */

void vdpr_qemu_stream_free(struct vdpr_qemu_stream *stream)
{
	if (!stream)
		return;
	for (size_t i = 0; i < stream->n_nics; i++)
		vdpr_qemu_nic_free(stream->nic[i]);
	free(stream->nic);
	free(stream);
}

int vdpr_qemu_add_nic(struct vdpr_qemu_stream *stream,
		      struct vdpr_qemu_nic *nic)
{
	struct vdpr_qemu_nic **more =
		realloc(stream->nic, (stream->n_nics + 1) * sizeof(void *));

	if (!more)
		return -ENOMEM;
	more[stream->n_nics++] = nic;
	stream->nic = more;
	return 0;
}

/* ------------------------------------------------------------------ reading */

static int read_forward(struct vdpr_in *in, struct vdpr_qemu_stream *out)
{
	struct vdpr_qemu_head head;
	int err = vdpr_qemu_read_start(in, &head);

	if (!err)
		err = vdpr_qemu_skip_parts(in, &head, false);
	if (!err)
		err = vdpr_qemu_scan(in, out);
	memcpy(out->machine, head.machine, sizeof(out->machine));
	vdpr_qemu_head_free(&head);
	return err;
}

/* Two devices with one name: what anybody then asks for is not known. */
static int check_names(struct vdpr_in *in, const struct vdpr_qemu_stream *s)
{
	for (size_t i = 0; i < s->n_nics; i++)
		for (size_t j = 0; j < i; j++) {
			const struct vdpr_qemu_nic *a = s->nic[i];

			if (strcmp(a->name, s->nic[j]->name) != 0 ||
			    a->instance != s->nic[j]->instance)
				continue;
			vdpr_in_enter(in, a->section, a->name);
			return vdpr_in_bad(in, a->offset,
					   "the section is there twice");
		}
	return 0;
}

static int read_stream(struct vdpr_ctx *ctx, const struct vdpr_stream *source,
		       struct vdpr_qemu_stream *out)
{
	struct vdpr_in in;
	int err = vdpr_in_init(&in, ctx, source);

	if (err)
		return err;
	err = source->length ? vdpr_qemu_read_back(&in, out) : 1;
	if (err == 1) {
		while (out->n_nics)
			vdpr_qemu_nic_free(out->nic[--out->n_nics]);
		vdpr_in_rewind(&in);
		err = read_forward(&in, out);
	}
	if (!err)
		err = check_names(&in, out);
	vdpr_in_free(&in);
	return err;
}

int vdpr_qemu_stream_read(struct vdpr_ctx *ctx,
			  const struct vdpr_stream *source,
			  struct vdpr_qemu_stream **out)
{
	struct vdpr_qemu_stream *stream;
	struct vdpr_stream from;
	int err;

	if (vdpr_any_null(ctx, source, out))
		return -EINVAL;
	if (vdpr_struct_take(&from, sizeof(from), source, VDPR_LEAST_STREAM))
		return vdpr_fail_size(ctx, "stream", "a source", source->size);
	if (!from.read)
		return vdpr_fail_null(ctx, "source->read");
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return vdpr_fail_memory(ctx);
	err = read_stream(ctx, &from, stream);
	if (err)
		vdpr_qemu_stream_free(stream);
	else
		*out = stream;
	return err;
}

/* ------------------------------------------------------------- a descriptor */

/* A large pipe saves switches between its two ends. */
#define PIPE_SIZE (1 << 20)

struct file {
	int fd;
	off_t base;
};

static ssize_t read_file(void *data, uint64_t offset, void *buf, size_t len)
{
	const struct file *f = data;
	ssize_t n = pread(f->fd, buf, len, f->base + (off_t)offset);

	return n < 0 ? -errno : n;
}

static ssize_t read_pipe(void *data, uint64_t offset, void *buf, size_t len)
{
	const struct file *f = data;
	ssize_t n = read(f->fd, buf, len);

	(void)offset;
	return n < 0 ? -errno : n;
}

/* Return: 0 and the bytes from @base on, or an errno. A pipe has none. */
static int find_length(struct file *f, uint64_t *length)
{
	struct stat st;
	off_t end;

	*length = 0;
	if (fstat(f->fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISFIFO(st.st_mode))
		(void)fcntl(f->fd, F_SETPIPE_SZ, PIPE_SIZE);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return 0;
	f->base = lseek(f->fd, 0, SEEK_CUR);
	end = f->base < 0 ? -1 : lseek(f->fd, 0, SEEK_END);
	if (end < 0 || lseek(f->fd, f->base, SEEK_SET) < 0)
		return -errno;
	*length = end > f->base ? (uint64_t)(end - f->base) : 0;
	return 0;
}

int vdpr_qemu_stream_read_fd(struct vdpr_ctx *ctx, int fd,
			     struct vdpr_qemu_stream **out)
{
	struct file file = { .fd = fd };
	struct vdpr_stream source = VDPR_INIT(struct vdpr_stream);
	int err;

	if (vdpr_any_null(ctx, out))
		return -EINVAL;
	err = find_length(&file, &source.length);
	if (err)
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, err, "read: %s",
				 strerror(-err));
	source.data = &file;
	source.read = source.length ? read_file : read_pipe;
	return vdpr_qemu_stream_read(ctx, &source, out);
}

/* -------------------------------------------------------------- its devices */

const char *vdpr_qemu_stream_machine(const struct vdpr_qemu_stream *stream)
{
	return stream ? stream->machine : "";
}

size_t vdpr_qemu_stream_count(const struct vdpr_qemu_stream *stream)
{
	return stream ? stream->n_nics : 0;
}

static unsigned int count_vlans(const struct vdpr_qemu_nic *nic)
{
	unsigned int count = 0;

	if (!vdpr_features_has(&nic->features, VIRTIO_NET_F_CTRL_VLAN))
		return 0;
	for (size_t i = 0; i < sizeof(nic->net.vlans); i++)
		count += (unsigned int)__builtin_popcount(nic->net.vlans[i]);
	return count;
}

int vdpr_qemu_stream_get(const struct vdpr_qemu_stream *stream, size_t index,
			 struct vdpr_qemu_nic_info *out)
{
	struct vdpr_qemu_nic_info info = { 0 };
	const struct vdpr_qemu_nic *nic;

	if (!stream || !out)
		return -EINVAL;
	if (index >= stream->n_nics)
		return -ERANGE;
	nic = stream->nic[index];
	info.id = nic->name;
	info.instance = nic->instance;
	info.transport = nic->transport;
	info.offset = nic->offset;
	info.length = nic->length;
	info.negotiated = nic->features;
	memcpy(info.mac, nic->net.mac, sizeof(info.mac));
	info.queue_pairs = nic->net.pairs;
	info.max_virtqueue_pairs = nic->net.max_pairs;
	info.vlans = (uint16_t)count_vlans(nic);
	info.all_vlans = info.vlans && vdpr_qemu_all_vlans(stream, nic);
	return vdpr_struct_give(out, &info, sizeof(info));
}

/* "0000:00:02.0/virtio-net, 0000:00:03.0/virtio-net" */
static void list_names(const struct vdpr_qemu_stream *stream,
		       struct vdpr_buf *out)
{
	for (size_t i = 0; i < stream->n_nics && i < 16; i++)
		vdpr_buf_printf(out, "%s%s", i ? ", " : "",
				stream->nic[i]->name);
	if (stream->n_nics > 16)
		vdpr_buf_str(out, ", ...");
}

static int not_one(struct vdpr_ctx *ctx, const struct vdpr_qemu_stream *stream,
		   const char *id, unsigned int n)
{
	_cleanup_buf_ struct vdpr_buf names = { 0 };
	enum vdpr_cause cause = VDPR_CAUSE_USAGE;
	int err = n ? -EEXIST : -ENOENT;

	if (!stream->n_nics)
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, -ENOENT,
				 "there is no virtio-net device in the stream");
	list_names(stream, &names);
	if (vdpr_buf_error(&names))
		return vdpr_fail_memory(ctx);
	if (!id)
		vdpr_fail(ctx, cause, err,
			  "the stream has several virtio-net devices: %s",
			  names.data);
	else
		vdpr_fail(ctx, cause, err, "nic=%s: %s of the devices: %s", id,
			  n ? "more than one" : "none", names.data);
	vdpr_cure(
		ctx,
		"name one with nic=ID, a part of its name that no other has or its number from 0");
	return err;
}

/* How many names are @id (@whole) or have it in them; @index: the last one. */
static unsigned int count_names(const struct vdpr_qemu_stream *stream,
				const char *id, bool whole, size_t *index)
{
	unsigned int n = 0;

	for (size_t i = 0; i < stream->n_nics; i++) {
		const char *name = stream->nic[i]->name;

		if (whole ? strcmp(name, id) != 0 : !strstr(name, id))
			continue;
		*index = i;
		n++;
	}
	return n;
}

/* Digits alone are never part of a name: with fewer devices than that, "2" would
 * take "0000:00:02.0", another one than was meant. */
static bool is_number(const char *id)
{
	return *id && !id[strspn(id, "0123456789")];
}

int vdpr_qemu_stream_find(struct vdpr_ctx *ctx,
			  const struct vdpr_qemu_stream *stream, const char *id,
			  size_t *index)
{
	uint64_t number;
	size_t found = 0;
	unsigned int n;

	if (vdpr_any_null(ctx, stream, index))
		return -EINVAL;
	if (id && stream->n_nics && is_number(id)) {
		if (vdpr_u64_parse(id, stream->n_nics - 1, &number) < 0)
			return not_one(ctx, stream, id, 0);
		*index = (size_t)number;
		return 0;
	}
	n = count_names(stream, id ? id : "", true, &found);
	if (!n && (!id || *id))
		n = count_names(stream, id ? id : "", false, &found);
	if (n != 1)
		return not_one(ctx, stream, id, n);
	*index = found;
	return 0;
}
