/* SPDX-License-Identifier: MIT */
/* The SVG of a timeline: a row of bars for every stage and section. */
#include "restore/timeline-svg.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define BAR 14
#define BAR_LEAST 150 /* hundredths: what is short must still be seen */
#define GAP 30

#define COLOUR_STAGE "#7d9bc1"

/* Where something stands across, in hundredths of a pixel. */
struct place {
	uint64_t left, width;
};

static struct place bar_place(const struct canvas *c, uint64_t begin,
			      uint64_t end)
{
	const uint64_t right = (PLOT_LEFT + PLOT_WIDTH) * CENTI;
	struct place p = { .left = vdpr_svg_place(c->t, begin) };

	p.width = vdpr_svg_place(c->t, end) - p.left;
	if (p.width < BAR_LEAST)
		p.width = BAR_LEAST;
	if (p.left + p.width > right)
		p.left = right - p.width;
	return p;
}

static void open_rect(const struct canvas *c, struct place p)
{
	vdpr_buf_str(c->out, "<rect");
	vdpr_svg_put_place(c->out, "x", p.left);
	vdpr_svg_put_place(c->out, "width", p.width);
}

/* A bar that is left open for its <title>. */
static void open_bar(const struct canvas *c, uint64_t begin, uint64_t end,
		     unsigned int height, const char *colour)
{
	open_rect(c, bar_place(c, begin, end));
	vdpr_buf_printf(c->out, " y=\"%u\" height=\"%u\" fill=\"%s\"><title>",
			c->y + (ROW - height) / 2, height, colour);
}

static void close_bar(const struct canvas *c)
{
	vdpr_buf_str(c->out, "</title></rect>\n");
}

static void put_row_name(const struct canvas *c, const char *name)
{
	vdpr_buf_printf(c->out,
			"<text x=\"%u\" y=\"%u\" class=\"r\">%s</text>\n",
			PLOT_LEFT - 10, c->y + 15, name);
}

static void put_heading(struct canvas *c, const char *text)
{
	vdpr_buf_printf(c->out,
			"<text x=\"%u\" y=\"%u\" class=\"r h\">%s</text>\n",
			PLOT_LEFT - 10, c->y - 4, text);
}

/* -------------------------------------------------------------------- stages */

static void draw_stage(struct canvas *c, unsigned int stage)
{
	const struct vdpr_report *report = c->t->report;
	uint64_t begin = report->stage_began[stage] - c->t->origin;
	uint64_t ns = report->stage_ns[stage];
	bool failed = report->failed && stage == report->stage;
	char took[USEC_TEXT], at[USEC_TEXT];

	put_row_name(c, vdpr_stage_name[stage]);
	open_bar(c, begin, begin + ns, BAR, failed ? COLOUR_BAD : COLOUR_STAGE);
	vdpr_buf_printf(c->out, "%s%s: %s us, from %s us on",
			vdpr_stage_name[stage], failed ? " (failed)" : "",
			vdpr_svg_usec(ns, took), vdpr_svg_usec(begin, at));
	close_bar(c);
	vdpr_buf_printf(
		c->out,
		"<text x=\"%u\" y=\"%u\" class=\"n%s\">%s us%s</text>\n",
		NOTE_LEFT, c->y + 15, failed ? " e" : "", took,
		failed ? ", failed" : "");
	c->y += ROW;
}

void vdpr_svg_draw_stages(struct canvas *c)
{
	put_heading(c, "stages");
	for (unsigned int i = 0; i < c->t->report->n_stages; i++)
		if (c->t->report->stage_began[i])
			draw_stage(c, i);
}

/* ------------------------------------------------------------------- commands */

enum fate { FATE_OK, FATE_WAITING, FATE_REFUSED, FATE_COUNT };

/* In the order of drawing. Those that come later lie in front of the others, so
 * they are lower. */
static const struct {
	const char *colour;
	const char *text;
	unsigned int height;
} fates[] = {
	[FATE_OK] = { "#4e9a64", "ok", BAR },
	[FATE_WAITING] = { "#a9a29a", "not answered", BAR - 4 },
	[FATE_REFUSED] = { COLOUR_BAD, "refused", BAR - 6 },
};
static_assert(ARRAY_SIZE(fates) == FATE_COUNT, "a row for every fate");

/* One bar: commands of one section with the same fate that overlap or touch at this
 * scale. Each has a mark of its own in it. */
struct run {
	size_t count;
	const struct vdpr_slice *first, *last;
	uint64_t end; /* ns */
	const char *section;
	enum fate fate;
};

static const struct vdpr_plan_entry *entry_of(const struct canvas *c,
					      const struct vdpr_slice *slice)
{
	return &c->t->report->plan->entry[slice->index];
}

static enum fate fate_of(const struct canvas *c, const struct vdpr_slice *slice)
{
	if (!slice->answered)
		return FATE_WAITING;
	return c->t->report->result[slice->index].ack ? FATE_REFUSED : FATE_OK;
}

static bool belongs(const struct canvas *c, const struct run *run,
		    const struct vdpr_slice *slice)
{
	return fate_of(c, slice) == run->fate &&
	       !strcmp(entry_of(c, slice)->info->section, run->section);
}

static void put_times(const struct canvas *c, uint64_t begin, uint64_t end)
{
	char from[USEC_TEXT], to[USEC_TEXT];

	vdpr_buf_printf(c->out, ", %s to %s us", vdpr_svg_usec(begin, from),
			vdpr_svg_usec(end, to));
}

/* One command in words: its number, name, size, answer and times. */
static void put_command(const struct canvas *c, const struct vdpr_slice *slice)
{
	const struct vdpr_plan_entry *entry = entry_of(c, slice);

	vdpr_buf_printf(c->out, "%zu: %s %u.%u, %zu bytes, ", slice->index + 1,
			entry->info->name, entry->info->ctrl_class,
			entry->info->command, entry->len + 2);
	if (slice->answered)
		vdpr_buf_printf(c->out, "ack %d",
				c->t->report->result[slice->index].ack);
	else
		vdpr_buf_str(c->out, fates[FATE_WAITING].text);
	put_times(c, slice->begin, slice->end);
}

/* Those of a run from @slice on whose answers were seen at the same moment. */
static size_t seen_at_once(const struct canvas *c, const struct run *run,
			   const struct vdpr_slice *slice)
{
	const uint64_t end = slice->end;
	size_t n = 0;

	for (; slice <= run->last; slice++) {
		if (!belongs(c, run, slice))
			continue;
		if (slice->end != end)
			break;
		n++;
	}
	return n;
}

/* Marks beside each other where one could be drawn at all. */
struct cells {
	struct place all; /* of @count marks */
	size_t count;
	size_t done;
};

static struct place next_cell(struct cells *cells)
{
	uint64_t from = cells->all.width * cells->done / cells->count;
	uint64_t to = cells->all.width * ++cells->done / cells->count;

	return (struct place){ cells->all.left + from,
			       to > from ? to - from : 1 };
}

/*
 * A command's mark reaches from the answer before to its own. Answers that were
 * seen at once share that time, in the order of sending; all of a bar that is wider
 * than its time share the bar.
 */
static void draw_marks(const struct canvas *c, const struct run *run)
{
	struct cells cells = { bar_place(c, run->first->begin, run->end),
			       run->count, 0 };
	const bool to_scale = cells.all.width > BAR_LEAST;
	uint64_t from = run->first->begin;
	size_t n = 0;

	for (const struct vdpr_slice *s = run->first; s <= run->last; s++) {
		if (!belongs(c, run, s))
			continue;
		if (to_scale && (!n || cells.done == cells.count)) {
			from = from > s->begin ? from : s->begin;
			cells.count = seen_at_once(c, run, s);
			cells.done = 0;
			cells.all.left = vdpr_svg_place(c->t, from);
			cells.all.width = vdpr_svg_place(c->t, s->end);
			cells.all.width -= cells.all.width < cells.all.left
						   ? cells.all.width
						   : cells.all.left;
			from = from > s->end ? from : s->end;
		}
		open_rect(c, next_cell(&cells));
		vdpr_buf_printf(c->out, " height=\"%u\" class=\"%c\"><title>",
				fates[run->fate].height, n++ % 2 ? 'k' : 'l');
		put_command(c, s);
		close_bar(c);
	}
}

static void draw_run(const struct canvas *c, const struct run *run)
{
	unsigned int height = fates[run->fate].height;

	if (!run->count)
		return;
	open_bar(c, run->first->begin, run->end, height,
		 fates[run->fate].colour);
	if (run->count == 1) {
		put_command(c, run->first);
		close_bar(c);
		return;
	}
	vdpr_buf_printf(c->out, "%zu commands, %s", run->count,
			fates[run->fate].text);
	put_times(c, run->first->begin, run->end);
	close_bar(c);
	vdpr_buf_printf(c->out, "<g transform=\"translate(0 %u)\">\n",
			c->y + (ROW - height) / 2);
	draw_marks(c, run);
	vdpr_buf_str(c->out, "</g>\n");
}

/* No gap that could be seen. */
static bool joins(const struct canvas *c, const struct run *run,
		  const struct vdpr_slice *slice)
{
	return run->count && vdpr_svg_place(c->t, slice->begin) <=
				     vdpr_svg_place(c->t, run->end) + BAR_LEAST;
}

/* Return: how many commands of the section have that fate. */
static size_t draw_fate(const struct canvas *c, const char *section,
			enum fate fate)
{
	struct run run = { .section = section, .fate = fate };
	size_t count = 0;

	for (size_t i = 0; i < c->t->n; i++) {
		const struct vdpr_slice *slice = &c->t->slice[i];

		if (!belongs(c, &run, slice))
			continue;
		count++;
		if (!joins(c, &run, slice)) {
			draw_run(c, &run);
			run.count = 0;
			run.first = slice;
			run.end = slice->end;
		}
		run.count++;
		run.last = slice;
		if (run.end < slice->end)
			run.end = slice->end;
	}
	draw_run(c, &run);
	return count;
}

static void draw_section(struct canvas *c, const char *section)
{
	size_t count[FATE_COUNT];

	put_row_name(c, section);
	for (enum fate fate = 0; fate < FATE_COUNT; fate++)
		count[fate] = draw_fate(c, section, fate);
	vdpr_buf_printf(c->out, "<text x=\"%u\" y=\"%u\" class=\"n%s\">",
			NOTE_LEFT, c->y + 15, count[FATE_REFUSED] ? " e" : "");
	for (unsigned int fate = 0, n = 0; fate < FATE_COUNT; fate++)
		if (count[fate])
			vdpr_buf_printf(c->out, "%s%zu %s", n++ ? ", " : "",
					count[fate], fates[fate].text);
	vdpr_buf_str(c->out, "</text>\n");
	c->y += ROW;
}

/* Is it the first command of its section? */
static bool begins_section(const struct vdpr_plan *plan, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (!strcmp(plan->entry[i].info->section,
			    plan->entry[index].info->section))
			return false;
	return true;
}

static bool was_shown(const struct vdpr_timeline *t, const char *section)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->report->plan->entry[t->slice[i].index]
				    .info->section,
			    section))
			return true;
	return false;
}

/* In the order of the plan, those that the device was shown anything of. */
void vdpr_svg_draw_commands(struct canvas *c)
{
	const struct vdpr_plan *plan = c->t->report->plan;
	const char *last = "";

	c->y += GAP;
	put_heading(c, "commands");
	for (size_t i = 0; plan && i < plan->count; i++) {
		const char *section = plan->entry[i].info->section;

		if (!strcmp(section, last))
			continue;
		last = section;
		if (begins_section(plan, i) && was_shown(c->t, section))
			draw_section(c, section);
	}
	if (c->t->n)
		return;
	vdpr_buf_printf(c->out,
			"<text x=\"%u\" y=\"%u\" class=\"n\">none was sent"
			"</text>\n",
			PLOT_LEFT, c->y + 15);
	c->y += ROW;
}
