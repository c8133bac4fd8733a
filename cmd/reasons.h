/* SPDX-License-Identifier: MIT */
/* Reasons why a state does not fit, from the library and from the tool's own
 * tables, and how they are shown. */
#ifndef VDPR_REASONS_H
#define VDPR_REASONS_H

#include "cmd/cmd.h"

/* Arrays of objects as --json shows them: section, kind, name, want, have, text,
 * cure. */
struct reasons {
	cJSON *refusals;
	cJSON *warnings;
};

/* The constant part of a reason, as in struct vdpr_reason_info. */
struct reason {
	const char *section, *kind, *name;
	const char *want, *have; /* NULL: "" */
	const char *cure;	 /* NULL: "" */
};

void reasons_init(struct reasons *reasons);
void reasons_free(struct reasons *reasons);

/* Adds a reason to one of the two arrays. */
void reasons_add(cJSON *list, const struct reason *reason, const char *fmt, ...)
	VDPR_PRINTF(3, 4);

/* Adds all that a report has. */
void reasons_take(struct reasons *reasons, const struct vdpr_report *report);

/* Does nothing stand against it? */
bool reasons_fit(const struct reasons *reasons);

/* Writes both lists as text to cli->out. */
void reasons_print(const struct cli *cli, const struct reasons *reasons);

/* Moves both lists to an object, as "refusals" and "warnings". */
void reasons_move(struct reasons *reasons, cJSON *object);

#endif
