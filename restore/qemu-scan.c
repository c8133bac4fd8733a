/* SPDX-License-Identifier: MIT */
/* QEMU streams: the devices' sections, read in order. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/qemu-stream.h"

/*
 * Theory of operation. A device's section does not say how long it is, and what
 * is in it may be the guest's: the bytes in a serial port's buffer may be the
 * image of another section. So a place where one section seems to end and
 * another to begin proves nothing. All such places are noted, with what they
 * close and open; and two things decide which of them are true:
 *
 * - the description behind the last section, which has all lengths. Only the one
 *   at the stream's very end counts;
 * - without one, that there is exactly one row of places from the first section
 *   to the end in which each closes what the one before it has opened. A forged
 *   section always leaves a second row, the one without it: then the stream is
 *   refused.
 *
 * A section of a virtio-net device is decoded where it seems to begin, for the
 * stream may be a pipe. Memory does not grow with the stream: there are limits
 * to how many places it may have.
 */

#define PLACES_MOST 65536u
#define NICS_MOST 512u
#define DESCS_MOST 8u

/* Every place has this much behind it in the window, or the stream's end. */
#define AHEAD (VDPR_IN_MOST / 2)

/* Where a section seems to begin, behind the end of another; or the end. */
struct place {
	uint64_t at; /* of the header, or of the end's mark */
	uint64_t name_hash;
	uint32_t closes, opens, instance;
	uint8_t name_len;
	bool is_end;
	bool is_nic;
	bool chosen; /* it is true */
	size_t nic;  /* which of struct scan's */
	/* Rows that lead here, up to two, and the last step of one. */
	uint8_t rows;
	size_t from;
};

/* What a virtio-net section at a place is. */
struct candidate {
	struct vdpr_qemu_nic *nic; /* NULL: it could not be decoded */
	struct vdpr_qemu_why why;
	uint64_t content; /* offset */
	uint64_t end;	  /* of the section, with its footer */
	uint32_t id;
	char name[256];
};

/* What may be the description. */
struct maybe_desc {
	uint64_t mark; /* offset of the end's mark before it */
	uint64_t begin, len;
	struct vdpr_qemu_desc *desc;
};

struct scan {
	struct vdpr_in *in;
	size_t n_places, room;
	struct place *place;
	size_t n_nics;
	struct candidate *nic;
	size_t n_descs;
	struct maybe_desc desc[DESCS_MOST];
	bool bare_end;
};

static void scan_free(struct scan *s)
{
	for (size_t i = 0; i < s->n_nics; i++)
		vdpr_qemu_nic_free(s->nic[i].nic);
	for (size_t i = 0; i < s->n_descs; i++)
		vdpr_qemu_desc_free(s->desc[i].desc);
	free(s->nic);
	free(s->place);
}

/* ------------------------------------------------------------------- places */

static int add_place(struct scan *s, const struct place *place)
{
	if (s->n_places == PLACES_MOST)
		return vdpr_in_bad(s->in, place->at,
				   "more than %u places where a section seems "
				   "to begin",
				   PLACES_MOST);
	if (s->n_places == s->room) {
		size_t room = s->room ? 2 * s->room : 256;
		struct place *more = realloc(s->place, room * sizeof(*more));

		if (!more)
			return vdpr_fail_memory(s->in->ctx);
		s->place = more;
		s->room = room;
	}
	s->place[s->n_places++] = *place;
	return 0;
}

/* Decodes the content at @p, of which @len bytes can be seen. */
static int decode(struct candidate *c, const uint8_t *p, size_t len,
		  uint32_t version)
{
	int err;

	if (version != VIRTIO_NET_VM_VERSION) {
		snprintf(c->why.text, sizeof(c->why.text),
			 "version %u of a virtio-net section is not known",
			 version);
		return 0;
	}
	err = vdpr_qemu_nic_read(p, len, false, &c->nic, &c->why);
	if (err)
		return err == -ENOMEM ? err : 0;
	c->end = c->content + c->nic->length + VDPR_QEMU_FOOTER;
	if (len - c->nic->length >= VDPR_QEMU_FOOTER &&
	    vdpr_get_be32(p + c->nic->length + 1) == c->id)
		return 0;
	c->why.at = c->nic->length;
	snprintf(c->why.text, sizeof(c->why.text),
		 "the section does not end here, as it should");
	vdpr_qemu_nic_free(TAKE_PTR(c->nic));
	return 0;
}

/* @p: the header, with @len bytes to be seen from there on. */
static int add_nic(struct scan *s, const struct vdpr_qemu_header *h,
		   uint64_t at, const uint8_t *p, size_t len)
{
	const size_t header = VDPR_QEMU_HEADER(h->name_len);
	struct candidate *c;

	if (s->n_nics == NICS_MOST)
		return vdpr_in_bad(s->in, at, "more than %u virtio-net devices",
				   NICS_MOST);
	if (!s->nic)
		s->nic = calloc(NICS_MOST, sizeof(*s->nic));
	if (!s->nic)
		return vdpr_fail_memory(s->in->ctx);
	c = &s->nic[s->n_nics++];
	c->id = h->id;
	c->content = at + header;
	memcpy(c->name, h->name, sizeof(c->name));
	if (decode(c, p + header, len - header, h->version))
		return vdpr_fail_memory(s->in->ctx);
	if (!c->nic)
		return 0;
	memcpy(c->nic->name, h->name, sizeof(c->nic->name));
	c->nic->instance = h->instance;
	c->nic->section = h->id;
	c->nic->offset = c->content;
	return 0;
}

/* A section begins at @p, or seems to. */
static int add_begin(struct scan *s, uint32_t closes, uint64_t at,
		     const uint8_t *p, size_t len)
{
	struct vdpr_qemu_header h;
	struct place place = { .at = at, .closes = closes };

	if (!vdpr_qemu_header_read(p, len, &h) ||
	    h.type != QEMU_VM_SECTION_FULL)
		return 0;
	vdpr_in_enter(s->in, h.id, h.name);
	place.opens = h.id;
	place.instance = h.instance;
	place.name_len = h.name_len;
	place.name_hash = vdpr_qemu_name_hash(h.name, h.name_len);
	place.is_nic = vdpr_qemu_name_is_nic(h.name, h.name_len);
	place.nic = s->n_nics;
	if (place.is_nic) {
		int err = add_nic(s, &h, at, p, len);

		if (err)
			return err;
	}
	return add_place(s, &place);
}

/* The mark of the end is at @p, or seems to be. */
static int add_end(struct scan *s, uint32_t closes, uint64_t at,
		   const uint8_t *p, size_t len)
{
	const struct place place = { .at = at,
				     .closes = closes,
				     .is_end = true };
	struct maybe_desc *d = &s->desc[s->n_descs];

	if (len == 1) { /* nothing comes behind it */
		s->bare_end = true;
		return add_place(s, &place);
	}
	if (len < 7 || p[1] != QEMU_VM_VMDESCRIPTION || p[6] != '{')
		return 0;
	if (s->n_descs == DESCS_MOST)
		return vdpr_in_bad(s->in, at,
				   "more than %u places where the stream seems "
				   "to end",
				   DESCS_MOST);
	d->mark = at;
	d->begin = at + 6;
	d->len = vdpr_get_be32(p + 2);
	d->desc = vdpr_qemu_desc_new();
	if (!d->desc)
		return vdpr_fail_memory(s->in->ctx);
	s->n_descs++;
	return add_place(s, &place);
}

/* All places whose footer begins among the first @scan of @len bytes. */
static int find_places(struct scan *s, const uint8_t *p, size_t scan,
		       size_t len)
{
	const uint8_t *q = p;
	int err = 0;

	while (!err && (q = memchr(q, QEMU_VM_SECTION_FOOTER,
				   scan - (size_t)(q - p)))) {
		size_t i = (size_t)(q - p) + VDPR_QEMU_FOOTER;
		uint64_t at = s->in->at + i;

		if (i < len && p[i] == QEMU_VM_SECTION_FULL)
			err = add_begin(s, vdpr_get_be32(q + 1), at, p + i,
					len - i);
		else if (i < len && p[i] == QEMU_VM_EOF)
			err = add_end(s, vdpr_get_be32(q + 1), at, p + i,
				      len - i);
		q++;
	}
	return err;
}

static int feed_descs(struct scan *s, const uint8_t *p, size_t len)
{
	uint64_t at = s->in->at;

	for (size_t i = 0; i < s->n_descs; i++) {
		const struct maybe_desc *d = &s->desc[i];
		uint64_t from = d->begin > at ? d->begin : at;
		uint64_t to = d->begin + d->len;

		if (to > at + len)
			to = at + len;
		if (from < to &&
		    vdpr_qemu_desc_feed(d->desc, p + (from - at),
					(size_t)(to - from)) == -ENOMEM)
			return vdpr_fail_memory(s->in->ctx);
	}
	return 0;
}

/* Over all bytes to the stream's end. */
static int scan_all(struct scan *s)
{
	struct vdpr_in *in = s->in;
	int err = 0;

	while (!err) {
		const uint8_t *p;
		size_t len = vdpr_in_peek(in, VDPR_IN_MOST, &p);
		size_t scan = len < VDPR_IN_MOST ? len : len - AHEAD;

		if (!scan)
			break;
		err = find_places(s, p, scan, len);
		if (!err)
			err = feed_descs(s, p, scan);
		vdpr_in_take(in, scan);
	}
	if (!err && in->err)
		return vdpr_in_short(in, in->at);
	return err;
}

/* -------------------------------------------------------- which are the true */

static size_t find_place(const struct scan *s, uint64_t at)
{
	size_t low = 0, high = s->n_places;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (s->place[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->n_places && s->place[low].at == at ? low : SIZE_MAX;
}

static int bad_nic(struct scan *s, const struct candidate *c)
{
	vdpr_in_enter(s->in, c->id, c->name);
	return vdpr_in_bad(s->in, c->content + c->why.at, "%s", c->why.text);
}

/* Hands out the devices at all places that were found true. */
static int take_chosen(struct scan *s, struct vdpr_qemu_stream *out)
{
	for (size_t i = 0; i < s->n_places; i++) {
		struct candidate *c;

		if (!s->place[i].chosen || !s->place[i].is_nic)
			continue;
		c = &s->nic[s->place[i].nic];
		if (!c->nic)
			return bad_nic(s, c);
		if (vdpr_qemu_add_nic(out, c->nic))
			return vdpr_fail_memory(s->in->ctx);
		c->nic = NULL;
	}
	return 0;
}

/* Does the section of @device begin at @begin and end at @end? */
static bool fits(const struct place *begin, const struct place *end,
		 const struct vdpr_qemu_device *device)
{
	return !begin->is_end && begin->opens == end->closes &&
	       begin->name_len == device->name_len &&
	       begin->name_hash == device->name_hash &&
	       begin->instance == device->instance;
}

/* Backwards from the end by the lengths that the description gives. Is that all
 * the way to the first place? */
static bool by_desc(struct scan *s, const struct maybe_desc *d)
{
	size_t count, at = find_place(s, d->mark);
	const struct vdpr_qemu_device *device =
		vdpr_qemu_desc_devices(d->desc, &count);

	while (count-- && at != 0) {
		const struct place *end = &s->place[at];
		uint64_t whole = VDPR_QEMU_HEADER(device[count].name_len) +
				 device[count].size + VDPR_QEMU_FOOTER;
		size_t begin = whole > end->at ? SIZE_MAX
					       : find_place(s, end->at - whole);

		if (begin == SIZE_MAX ||
		    !fits(&s->place[begin], end, &device[count]))
			break;
		at = begin;
		s->place[at].chosen = true;
	}
	return at == 0;
}

/* The last place on a row that opened a section, by the section's id. */
struct opened {
	uint32_t id;
	uint8_t rows; /* 0: a free slot */
	size_t last;
};

static struct opened *find_opened(struct opened *table, size_t size,
				  uint32_t id)
{
	size_t i = (id * 2654435761u) & (size - 1);

	while (table[i].rows && table[i].id != id)
		i = (i + 1) & (size - 1);
	return &table[i];
}

static uint8_t add_rows(uint8_t a, uint8_t b)
{
	return a + b > 2 ? 2 : (uint8_t)(a + b);
}

/* Counts the rows from the first place to every other. A virtio-net section goes
 * from its place to the one at its own end and to no other. */
static void count_rows(struct scan *s, struct opened *table, size_t size)
{
	s->place[0].rows = 1;
	for (size_t i = 0; i < s->n_places; i++) {
		struct place *p = &s->place[i];
		struct opened *o;

		if (i) {
			o = find_opened(table, size, p->closes);
			if (o->rows && !p->rows)
				p->from = o->last;
			p->rows = add_rows(p->rows, o->rows);
		}
		if (!p->rows || p->is_end)
			continue;
		if (p->is_nic) {
			const struct candidate *c = &s->nic[p->nic];
			size_t next = c->nic ? find_place(s, c->end) : SIZE_MAX;

			if (next == SIZE_MAX)
				continue;
			if (!s->place[next].rows)
				s->place[next].from = i;
			s->place[next].rows =
				add_rows(s->place[next].rows, p->rows);
			continue;
		}
		o = find_opened(table, size, p->opens);
		o->id = p->opens;
		o->rows = add_rows(o->rows, p->rows);
		o->last = i;
	}
}

/* No row leads to the end: a section that cannot be read is in its way. */
static int no_row(struct scan *s, uint64_t end)
{
	size_t last = 0;

	for (size_t i = 0; i < s->n_places; i++) {
		const struct place *p = &s->place[i];

		if (!p->rows)
			continue;
		if (p->is_nic && !s->nic[p->nic].nic)
			return bad_nic(s, &s->nic[p->nic]);
		last = i;
	}
	vdpr_in_enter(s->in, 0, NULL);
	return vdpr_in_bad(s->in, s->place[last].at,
			   "no row of sections leads from here, section %u, to "
			   "the end at offset %llu",
			   s->place[last].opens, (unsigned long long)end);
}

/* By the only row of places that there is. */
static int by_row(struct scan *s, uint64_t mark)
{
	size_t end = find_place(s, mark), size = 2;
	_cleanup_free_ struct opened *table = NULL;

	while (size < 2 * s->n_places)
		size *= 2;
	table = calloc(size, sizeof(*table));
	if (!table)
		return vdpr_fail_memory(s->in->ctx);
	count_rows(s, table, size);
	if (!s->place[end].rows)
		return no_row(s, mark);
	vdpr_in_enter(s->in, 0, NULL);
	if (s->place[end].rows > 1)
		return vdpr_in_bad(
			s->in, s->place[0].at,
			"the sections from here on can be read in "
			"more than one way: one may be forged inside "
			"another");
	for (size_t i = 0; i < s->n_places; i++)
		s->place[i].chosen = false;
	for (size_t at = end; at; at = s->place[at].from)
		s->place[s->place[at].from].chosen = true;
	return 0;
}

/* A whole virtio-net section that is not on the row: then either is forged. */
static int check_no_other(struct scan *s)
{
	for (size_t i = 0; i < s->n_places; i++) {
		const struct place *p = &s->place[i];
		const struct candidate *c;

		if (!p->is_nic || p->chosen)
			continue;
		c = &s->nic[p->nic];
		if (!c->nic)
			continue;
		vdpr_in_enter(s->in, c->id, c->name);
		return vdpr_in_bad(s->in, p->at,
				   "the section lies inside another: one of "
				   "them is forged or damaged");
	}
	return 0;
}

static bool is_on_row(const struct scan *s,
		      const struct vdpr_qemu_device *device)
{
	for (size_t i = 0; i < s->n_places; i++) {
		const struct place *p = &s->place[i];

		if (p->is_nic && p->chosen &&
		    p->name_hash == device->name_hash &&
		    p->instance == device->instance)
			return true;
	}
	return false;
}

/* The row has the virtio-net devices that the description has, though not all
 * sections are as long as that says. */
static int check_against(struct scan *s, const struct maybe_desc *d)
{
	size_t count, n = 0;
	const struct vdpr_qemu_device *device =
		vdpr_qemu_desc_devices(d->desc, &count);
	bool all = true;

	for (size_t i = 0; i < s->n_places; i++)
		n += s->place[i].is_nic && s->place[i].chosen;
	for (size_t i = 0; i < count; i++) {
		n -= device[i].is_nic;
		all &= !device[i].is_nic || is_on_row(s, &device[i]);
	}
	if (all && !n)
		return 0;
	vdpr_in_enter(s->in, 0, "description");
	return vdpr_in_bad(s->in, d->begin,
			   "it has other virtio-net devices than the stream");
}

/* The description at the very end, or NULL. */
static const struct maybe_desc *true_desc(const struct scan *s)
{
	for (size_t i = 0; i < s->n_descs; i++) {
		const struct maybe_desc *d = &s->desc[i];

		if (d->begin + d->len == s->in->at &&
		    vdpr_qemu_desc_done(d->desc))
			return d;
	}
	return NULL;
}

/* Where the stream ends is no end of a stream. */
static int no_end(const struct scan *s)
{
	const struct maybe_desc *d = s->n_descs ? &s->desc[s->n_descs - 1]
						: NULL;

	if (!d)
		return vdpr_in_short(s->in, s->in->at);
	vdpr_in_enter(s->in, 0, "description");
	if (d->begin + d->len > s->in->at)
		return vdpr_in_short(s->in, s->in->at);
	if (d->begin + d->len < s->in->at) {
		unsigned long long end = d->begin;

		end += d->len;
		vdpr_in_bad(s->in, end, "something follows the stream's end");
		vdpr_cure(
			s->in->ctx,
			"give the stream alone: head -c %llu FILE | vdpa-restore save --qemu-stream -",
			end);
		return -EBADMSG;
	}
	return vdpr_in_bad(s->in, d->begin, "not a description of devices");
}

static int choose(struct scan *s)
{
	const struct maybe_desc *d = true_desc(s);
	int err;

	if (!d && !s->bare_end)
		return no_end(s);
	if (d && by_desc(s, d))
		return 0;
	err = by_row(s, d ? d->mark : s->in->at - 1);
	if (err)
		return err;
	return d ? check_against(s, d) : check_no_other(s);
}

int vdpr_qemu_scan(struct vdpr_in *in, struct vdpr_qemu_stream *out)
{
	struct scan s = { .in = in };
	const uint8_t *p;
	size_t len = vdpr_in_peek(in, VDPR_IN_MOST, &p);
	int err = add_begin(&s, 0, in->at, p, len);

	if (!err && !s.n_places)
		err = vdpr_in_bad(in, in->at, "not the beginning of a section");
	if (!err)
		err = scan_all(&s);
	if (!err)
		err = choose(&s);
	if (!err)
		err = take_chosen(&s, out);
	scan_free(&s);
	return err;
}
