/* SPDX-License-Identifier: MIT */
/* export: a state in the words of what is to take it. */
#ifndef VDPR_EXPORT_H
#define VDPR_EXPORT_H

#include "cmd/cmd.h"

/* One export under way. */
struct export
{
	struct cli *cli;
	const cJSON *state;	      /* the file's object */
	struct vdpr_features offered; /* negotiated, where only that is known */
	struct vdpr_features negotiated; /* none where it is not known */
	FILE *to;			 /* the words */
	cJSON *lost;			 /* what they do not say, for --json */
};

/* Each writes the words to e->to. Return: 0 or an exit code. */
int export_qemu(struct export *e);
int export_libvirt(struct export *e);
int export_vdpa(struct export *e);
int export_ethtool(struct export *e);

/* Says that something of a section cannot be said in these words. */
void export_lost(struct export *e, const char *section, const char *fmt, ...)
	VDPR_PRINTF(3, 4);

/* Says that what is set by control commands comes with something else. */
void export_lost_control(struct export *e, const char *how);

/* A section, or a member of it; NULL: unknown or not there. */
const cJSON *export_member(const struct export *e, const char *section,
			   const char *member);

/* Is a feature offered, or negotiated, by its name in state files? */
bool export_offers(const struct export *e, const char *feature);
bool export_negotiated(const struct export *e, const char *feature);

/* Number, at least @least: where the state does not say, that. */
unsigned int export_number(const struct export *e, const char *section,
			   const char *member, unsigned int least);

/* The MAC address that a driver finds when it is loaded, or that the guest set;
 * NULL: not known. */
const char *export_mac(const struct export *e);

/* Size of the rings of one direction; 0 where that is unknown or not the same. */
unsigned int export_ring_size(const struct export *e, bool transmit);

#endif
