/* SPDX-License-Identifier: MIT */
/* The SVG of a timeline: measures and helpers that its parts share. */
#ifndef VDPR_TIMELINE_SVG_H
#define VDPR_TIMELINE_SVG_H

#include "restore/timeline.h"

/* Places and sizes in pixels. */
#define PLOT_LEFT 124
#define PLOT_WIDTH 736
#define NOTE_LEFT (PLOT_LEFT + PLOT_WIDTH + 12)
#define ROW 22

/* Across, everything is counted in hundredths, so that no %f is needed, whose
 * decimal point depends on the locale. */
#define CENTI 100

#define COLOUR_BAD "#c0392b"

struct canvas {
	const struct vdpr_timeline *t;
	struct vdpr_buf *out;
	unsigned int y; /* top of the next row */
};

#define USEC_TEXT 32
/* Microseconds, with as many decimals as are worth reading. */
const char *vdpr_svg_usec(uint64_t ns, char text[USEC_TEXT]);

/* Place of a moment, in hundredths of a pixel. */
uint64_t vdpr_svg_place(const struct vdpr_timeline *t, uint64_t ns);

/* One attribute that is such a place or length. */
void vdpr_svg_put_place(struct vdpr_buf *out, const char *name, uint64_t centi);

/* The rows of bars; c->y moves down. */
void vdpr_svg_draw_stages(struct canvas *c);
void vdpr_svg_draw_commands(struct canvas *c);

#endif
