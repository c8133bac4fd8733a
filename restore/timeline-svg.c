/* SPDX-License-Identifier: MIT */
/* The SVG of a timeline: one self-contained picture for people. */
#include "restore/timeline-svg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "restore/json-scan.h"

#define WIDTH 1020
#define PLOT_TOP 96
#define LINE 17

#define COLOUR_OPEN "#1d6f42"

/* Longest texts, in characters of a font whose width nobody knows. */
#define NAME_CHARS 70
#define LINE_CHARS 116
#define LINES_MAX 14

/* --------------------------------------------------------------------- text */

/* What XML 1.0 allows of well-formed UTF-8: not the controls, U+FFFE, U+FFFF. */
static bool is_xml_char(const char *at, size_t len)
{
	unsigned char c = (unsigned char)*at;

	if (len == 1)
		return c >= 0x20 && c != 0x7f;
	return !(len == 3 && c == 0xef && (unsigned char)at[1] == 0xbf &&
		 (unsigned char)at[2] >= 0xbe);
}

static void put_char(struct vdpr_buf *out, const char *at, size_t len)
{
	switch (*at) {
	case '&':
		vdpr_buf_str(out, "&amp;");
		break;
	case '<':
		vdpr_buf_str(out, "&lt;");
		break;
	case '>':
		vdpr_buf_str(out, "&gt;");
		break;
	case '"':
		vdpr_buf_str(out, "&quot;");
		break;
	default:
		vdpr_buf_add(out, at, len);
	}
}

/* Puts at most @max characters of @len bytes; what XML cannot hold becomes
 * U+FFFD. Return: the bytes that were taken. */
static size_t put_text(struct vdpr_buf *out, const char *text, size_t len,
		       size_t max)
{
	size_t at = 0;

	for (size_t n = 0; at < len && n < max; n++) {
		size_t step = vdpr_utf8_char(text + at, len - at);

		if (step && is_xml_char(text + at, step))
			put_char(out, text + at, step);
		else
			vdpr_buf_str(out, "\xef\xbf\xbd");
		at += step ? step : 1;
	}
	return at;
}

/* The same for a whole string, cut off with dots. */
static void put_name(struct vdpr_buf *out, const char *text, size_t max)
{
	if (put_text(out, text, strlen(text), max) < strlen(text))
		vdpr_buf_str(out, "...");
}

const char *vdpr_svg_usec(uint64_t ns, char text[USEC_TEXT])
{
	if (ns < 1000000)
		snprintf(text, USEC_TEXT, "%" PRIu64 ".%u", ns / 1000,
			 (unsigned int)(ns % 1000 / 100));
	else
		snprintf(text, USEC_TEXT, "%" PRIu64, ns / 1000);
	return text;
}

/* ------------------------------------------------------------------- measures */

uint64_t vdpr_svg_place(const struct vdpr_timeline *t, uint64_t ns)
{
	double part = (double)ns / (double)t->span;

	if (part > 1)
		part = 1;
	return PLOT_LEFT * CENTI + (uint64_t)(part * (PLOT_WIDTH * CENTI));
}

void vdpr_svg_put_place(struct vdpr_buf *out, const char *name, uint64_t centi)
{
	vdpr_buf_printf(out, " %s=\"%" PRIu64 ".%02u\"", name, centi / CENTI,
			(unsigned int)(centi % CENTI));
}

/* ------------------------------------------------------------- frame and words */

/* 1, 2 or 5 times a power of ten: five to ten steps. */
static uint64_t tick_step(uint64_t span)
{
	uint64_t step = 1;

	while (span / step > 10) {
		if (span / (2 * step) <= 10)
			return 2 * step;
		if (span / (5 * step) <= 10)
			return 5 * step;
		step *= 10;
	}
	return step;
}

static void put_tick_label(struct vdpr_buf *out, uint64_t ns, uint64_t step)
{
	if (step % 1000 == 0)
		vdpr_buf_printf(out, "%" PRIu64, ns / 1000);
	else
		vdpr_buf_printf(out, "%" PRIu64 ".%03u", ns / 1000,
				(unsigned int)(ns % 1000));
}

static void put_line(struct vdpr_buf *out, uint64_t x, unsigned int top,
		     unsigned int bottom, const char *kind)
{
	vdpr_buf_str(out, "<line");
	vdpr_svg_put_place(out, "x1", x);
	vdpr_svg_put_place(out, "x2", x);
	vdpr_buf_printf(out, " y1=\"%u\" y2=\"%u\" class=\"%s\"/>\n", top,
			bottom, kind);
}

/* Behind the bars: as far down as they will reach. */
static void draw_axis(const struct canvas *c, unsigned int bottom)
{
	uint64_t step = tick_step(c->t->span);

	for (uint64_t ns = 0; ns <= c->t->span; ns += step) {
		uint64_t x = vdpr_svg_place(c->t, ns);

		put_line(c->out, x, PLOT_TOP - 4, bottom, "g");
		vdpr_buf_str(c->out, "<text");
		vdpr_svg_put_place(c->out, "x", x);
		vdpr_buf_printf(c->out, " y=\"%u\" class=\"m\">", bottom + 16);
		put_tick_label(c->out, ns, step);
		vdpr_buf_str(c->out, "</text>\n");
	}
	vdpr_buf_printf(c->out,
			"<text x=\"%u\" y=\"%u\" class=\"n\">us</text>\n",
			NOTE_LEFT + 24, bottom + 16);
}

static void draw_opening(const struct canvas *c, unsigned int bottom)
{
	uint64_t opened = c->t->report->opened;
	uint64_t x;
	char text[USEC_TEXT];

	if (!opened)
		return;
	opened -= c->t->origin;
	x = vdpr_svg_place(c->t, opened);
	put_line(c->out, x, PLOT_TOP - 20, bottom, "o");
	vdpr_buf_str(c->out, "<text");
	vdpr_svg_put_place(c->out, "x", x);
	vdpr_buf_printf(c->out,
			" y=\"%u\" class=\"o%s\">data queues open, %s us"
			"</text>\n",
			PLOT_TOP - 25,
			x > (PLOT_LEFT + PLOT_WIDTH / 2) * CENTI ? " r" : "",
			vdpr_svg_usec(opened, text));
}

/* Where a line of at most LINE_CHARS bytes ends: at a blank if it can. */
static size_t line_end(const char *text)
{
	size_t len = strlen(text);
	size_t end = LINE_CHARS;

	if (len <= LINE_CHARS)
		return len;
	while (end > LINE_CHARS / 2 && text[end] != ' ')
		end--;
	if (text[end] == ' ')
		return end;
	/* Not in the middle of a character. */
	end = LINE_CHARS;
	while (end > LINE_CHARS - 4 && (text[end] & 0xc0) == 0x80)
		end--;
	return end;
}

static void draw_words(struct canvas *c, const char *text, const char *kind)
{
	for (unsigned int n = 0; *text && n < LINES_MAX; n++) {
		size_t len = line_end(text);

		vdpr_buf_printf(c->out, "<text x=\"24\" y=\"%u\" class=\"%s\">",
				c->y + 15, kind);
		put_text(c->out, text, len, SIZE_MAX);
		vdpr_buf_str(c->out, "</text>\n");
		c->y += LINE;
		text += len + (text[len] == ' ');
	}
}

static void draw_failure(struct canvas *c)
{
	const struct vdpr_report *report = c->t->report;

	if (!report->failed)
		return;
	c->y += 10;
	draw_words(c, report->text ? report->text : "", "e");
	draw_words(c, report->cure ? report->cure : "", "n");
}

static void put_result(const struct vdpr_report *report, struct vdpr_buf *out)
{
	if (!report->failed)
		vdpr_buf_str(out, report->n_stages == VDPR_STAGE_COUNT
					  ? "restored"
					  : "would fit");
	else
		vdpr_buf_printf(out, "failed in stage %s",
				vdpr_stage_name[report->stage]);
}

static void draw_title(const struct canvas *c)
{
	const struct vdpr_report *report = c->t->report;
	char text[USEC_TEXT];

	vdpr_buf_str(c->out, "<title>");
	put_name(c->out, report->device, SIZE_MAX);
	vdpr_buf_str(c->out, ": ");
	put_result(report, c->out);
	vdpr_buf_str(c->out, "</title>\n<text x=\"24\" y=\"32\" class=\"t\">");
	put_name(c->out, report->device, NAME_CHARS);
	vdpr_buf_str(c->out, ": ");
	put_result(report, c->out);
	vdpr_buf_printf(c->out,
			"</text>\n<text x=\"24\" y=\"52\" class=\"n\">commands "
			"sent: %zu, data queues enabled: %zu, warnings: %zu, "
			"time: %s us</text>\n",
			report->n_sent, report->n_enabled,
			report->warnings.count,
			vdpr_svg_usec(c->t->span, text));
}

static const char style[] =
	"<style>text{font:13px 'DejaVu Sans',Verdana,sans-serif;fill:#222}"
	".t{font-size:18px;font-weight:bold}.h{font-weight:bold}"
	".r{text-anchor:end}.m{text-anchor:middle;font-size:12px;fill:#555}"
	".n{fill:#555;font-size:12px}.e{fill:" COLOUR_BAD ";font-size:12px}"
	".k{fill:#fff;fill-opacity:.3}.l{fill-opacity:0}"
	".g{stroke:#e4e4e4}line.o{stroke:" COLOUR_OPEN ";stroke-width:1.5;"
	"stroke-dasharray:5 3}text.o{fill:" COLOUR_OPEN ";font-weight:bold;"
	"font-size:12px}</style>\n";

static void put_head(struct vdpr_buf *out, unsigned int height)
{
	vdpr_buf_printf(out,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			"<svg xmlns=\"http://www.w3.org/2000/svg\" "
			"width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\">\n",
			WIDTH, height, WIDTH, height);
}

/* The bars come first into a buffer of their own: how far down they reach is
 * known only then, and what is drawn first lies behind. */
void vdpr_timeline_svg(const struct vdpr_timeline *t, struct vdpr_buf *out)
{
	_cleanup_buf_ struct vdpr_buf bars = { 0 };
	_cleanup_buf_ struct vdpr_buf words = { 0 };
	struct canvas c = { t, &bars, PLOT_TOP };
	unsigned int bottom;

	vdpr_svg_draw_stages(&c);
	vdpr_svg_draw_commands(&c);
	bottom = c.y + 4;
	c.y = bottom + 24;
	c.out = &words;
	draw_failure(&c);
	put_head(out, c.y + 14);
	vdpr_buf_str(out, style);
	vdpr_buf_str(out, "<rect width=\"100%\" height=\"100%\" "
			  "fill=\"#fff\"/>\n");
	c.out = out;
	draw_title(&c);
	draw_axis(&c, bottom);
	vdpr_buf_add(out, bars.data, bars.len);
	draw_opening(&c, bottom);
	if (words.len)
		vdpr_buf_add(out, words.data, words.len);
	vdpr_buf_str(out, "</svg>\n");
	if (vdpr_buf_error(&bars) || vdpr_buf_error(&words))
		out->error = -ENOMEM;
}
