/* SPDX-License-Identifier: MIT */
/* A report laid out in time: what its pictures are drawn from. */
#ifndef VDPR_TIMELINE_H
#define VDPR_TIMELINE_H

#include "restore/report.h"

/*
 * One command, from the moment it was shown to the device to the one at which its
 * answer was seen. A ring-full is shown at once and answers are fetched many at a
 * time, so slices overlap: nothing tells how long the device took for one.
 */
struct vdpr_slice {
	size_t index;	     /* in the plan */
	uint64_t begin, end; /* ns since the origin */
	bool answered;	     /* else it lasts until the end */
};

struct vdpr_timeline {
	const struct vdpr_report *report;
	uint64_t origin;	  /* CLOCK_MONOTONIC ns of the first stage */
	uint64_t span;		  /* ns, at least 1 */
	size_t n;		  /* commands that were shown to the device */
	struct vdpr_slice *slice; /* as they were sent */
};

/* vdpr_timeline_lay_out() - freed with vdpr_timeline_free() also on failure.
 * Return: 0, -ENOMEM.
 */
int vdpr_timeline_lay_out(const struct vdpr_report *report,
			  struct vdpr_timeline *out);
void vdpr_timeline_free(struct vdpr_timeline *timeline);

/* The two pictures; running out of memory is the buffer's to remember. */
void vdpr_timeline_json(const struct vdpr_timeline *t, struct vdpr_buf *out);
void vdpr_timeline_svg(const struct vdpr_timeline *t, struct vdpr_buf *out);

#endif
