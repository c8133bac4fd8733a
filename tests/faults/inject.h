/* SPDX-License-Identifier: MIT */
/* Makes every call of a whole restore fail, with every errno that is plausible. */
#ifndef VDPR_TEST_INJECT_H
#define VDPR_TEST_INJECT_H

#include "restore/state.h"

struct inject_result {
	size_t calls;	  /* calls of one whole restore */
	size_t injected;  /* restores with a failing call */
	size_t missed;	  /* the call was not made this time */
	size_t tolerated; /* of those, ones that rightly went on */
	size_t cancelled; /* restores that were cancelled before some call */
	size_t wrong;	  /* outcomes, leaks among them */
	size_t leaked; /* restores that left something open, mapped, pinned */
	size_t errnos; /* that each call was made to fail with */
	char why[256]; /* the first that was wrong */
};

/* inject_all() - for every call number i and every errno e, and a cancel before
 * every call: right error class, the device opens again and is reset, nothing
 * left mapped, open or pinned.
 * @dev: DEV word; opened anew for every restore.
 * @flags: VDPR_RESTORE_*, of every restore.
 * Return: 0, or -1 if not even a clean restore works (why says so).
 */
int inject_all(const char *dev, const struct vdpr_state *state,
	       unsigned int flags, struct inject_result *result);

/* What must be as before: descriptors, mappings of ours, pinned memory in KiB. */
struct inject_footprint {
	size_t fds, maps;
	unsigned long pinned;
};

struct inject_footprint inject_footprint(void);

/* Descriptors that this process has open. */
size_t inject_fds(void);

#endif
