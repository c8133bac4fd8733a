/* SPDX-License-Identifier: MIT */
/* Where a state can come from: one table of sources, for every command that
 * takes them. */
#ifndef VDPR_SOURCE_H
#define VDPR_SOURCE_H

#include "cmd/cmd.h"

/* Rows for the option table of a command that takes sources: each has a row of
 * the same name in the table of source.c. */
/* clang-format off */
#define SOURCE_OPTIONS                                                         \
	{ "--vdpa", NULL, "NAME", NULL,                                        \
	  "source: what netlink tells of a device, in use or not" },           \
	{ "--netdev", NULL, "IFACE", NULL,                                     \
	  "source: what a kernel driver told the device of its interface" },   \
	{ "--device", NULL, "DEV", NULL,                                       \
	  "source: what a device tells of itself; resets all but pid:" },      \
	{ "--control", NULL, "SOCKET", NULL,                                    \
	  "source: the process that has the device, on its control socket" }, \
	{ "--transcript", NULL, "FILE", NULL,                                  \
	  "source: the control commands that a device was given" },            \
	{ "--qemu-stream", NULL, "FILE[,nic=ID]", NULL,                        \
	  "source: a device in a migration stream of QEMU's" },                \
	{ "--all-vlans", NULL, "WHAT", "keep|unknown",                         \
	  "what a stream's VLAN table is worth that passes all ids" },         \
	{ "--qmp", NULL, "SOCKET[,nic=ID]", NULL,                              \
	  "source: what a running QEMU tells on its monitor" },                \
	{ "--ch-snapshot", NULL, "FILE[,id=ID]", NULL,                         \
	  "source: a snapshot of Cloud Hypervisor, or its state.json" },       \
	{ "--timeout", NULL, "SECONDS", NULL,                                  \
	  "how long sources may take, 10 for a monitor" },                     \
	{ "--prefer", NULL, "SOURCE", NULL,                                    \
	  "where sources disagree, this one is right" }
/* clang-format on */

/* One of the options of a command line, or a plain word. */
struct source {
	unsigned int kind; /* row of the table in source.c */
	const char *name;  /* of the arguments */
};

struct sources {
	struct source *item; /* in their order on the line */
	size_t n;
	unsigned int n_stdin; /* of them read standard input */
	char *prefer;	      /* the origin that --prefer names, or NULL */
};

/* sources_collect() - the sources on a command line, judged before any is read.
 * @first_word: the plain words from there on are sources too: each a FILE (a
 *	state) or a DEV; args->n_words for none.
 * @out: freed with sources_free() whatever is returned.
 * Return: 0, or the exit code of an error that has been said.
 */
int sources_collect(struct cli *cli, const struct args *args, size_t first_word,
		    struct sources *out);

/* sources_read() - read all of them and merge them into one state.
 * They are read in the order of the table, not of the line.
 * Return: 0 or an exit code.
 */
int sources_read(struct cli *cli, const struct sources *sources,
		 struct vdpr_state **out);

void sources_free(struct sources *sources);

#endif
