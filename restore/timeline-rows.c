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

/* A bar that is left open for its <title>. */
static void open_bar(const struct canvas *c, uint64_t begin, uint64_t end,
		     unsigned int height, const char *colour)
{
	uint64_t left = vdpr_svg_place(c->t, begin);
	uint64_t width = vdpr_svg_place(c->t, end) - left;
	uint64_t right = (PLOT_LEFT + PLOT_WIDTH) * CENTI;

	if (width < BAR_LEAST)
		width = BAR_LEAST;
	if (left + width > right)
		left = right - width;
	vdpr_buf_str(c->out, "<rect");
	vdpr_svg_put_place(c->out, "x", left);
	vdpr_svg_put_place(c->out, "width", width);
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

/* One bar: commands of one section with the same fate that cannot be told apart
 * at this scale. */
struct run {
	size_t count;
	const struct vdpr_slice *first;
	uint64_t end; /* ns */
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

static void draw_run(const struct canvas *c, const struct run *run)
{
	const struct vdpr_plan_entry *entry;
	char begin[USEC_TEXT], end[USEC_TEXT];

	if (!run->count)
		return;
	entry = entry_of(c, run->first);
	open_bar(c, run->first->begin, run->end, fates[run->fate].height,
		 fates[run->fate].colour);
	if (run->count == 1)
		vdpr_buf_printf(c->out, "%s %u.%u, %zu bytes",
				entry->info->name, entry->info->ctrl_class,
				entry->info->command, entry->len + 2);
	else
		vdpr_buf_printf(c->out, "%zu commands from %s on", run->count,
				entry->info->name);
	vdpr_buf_printf(c->out, ", %s, %s to %s us", fates[run->fate].text,
			vdpr_svg_usec(run->first->begin, begin),
			vdpr_svg_usec(run->end, end));
	close_bar(c);
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
	struct run run = { .fate = fate };
	size_t count = 0;

	for (size_t i = 0; i < c->t->n; i++) {
		const struct vdpr_slice *slice = &c->t->slice[i];

		if (fate_of(c, slice) != fate ||
		    strcmp(entry_of(c, slice)->info->section, section) != 0)
			continue;
		count++;
		if (!joins(c, &run, slice)) {
			draw_run(c, &run);
			run.count = 0;
			run.first = slice;
			run.end = slice->end;
		}
		run.count++;
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
