/* SPDX-License-Identifier: MIT */
/* What parent drivers are known to do differently: one data table. */
#ifndef VDPR_QUIRKS_H
#define VDPR_QUIRKS_H

#include "restore/dev.h"

/* The CVQ's ring has 16 entries whatever SET_VRING_NUM says. */
#define VDPR_QUIRK_CVQ_16 BIT(0)
/* Every ring must have exactly GET_VRING_NUM entries. */
#define VDPR_QUIRK_EXACT_SIZE BIT(1)
/* SET_VRING_BASE takes the initial value only. */
#define VDPR_QUIRK_NO_BASE BIT(2)
/* Data queues may run before they are enabled: the order is not kept. */
#define VDPR_QUIRK_ORDER BIT(3)
/* The eventfd kick does nothing: only the mapped doorbell does. */
#define VDPR_QUIRK_DOORBELL BIT(4)
/* SET_FEATURES fails without certain bits: see demands. */
#define VDPR_QUIRK_DEMANDS BIT(5)
/* ENABLE_AFTER_DRIVER_OK is not offered: for who has not opened the device. */
#define VDPR_QUIRK_NO_PROMISE BIT(6)
/* Nothing that the restore minds, but good to know: see text. */
#define VDPR_QUIRK_HINT BIT(7)

struct vdpr_quirk {
	const char *driver;
	unsigned int from;  /* first kernel, VDPR_KERNEL(); 0: any */
	unsigned int until; /* first kernel without it; 0: none yet */
	unsigned int flags; /* VDPR_QUIRK_* */
	const char *text;   /* what it does, for messages */
	uint64_t demands;   /* features that it must be given, else 0 */
};

/* vdpr_quirk_find() - the quirk with @flag of a device's parent driver.
 * The kernel is taken for the driver's version; an unknown one (0) has those
 * quirks that are not over yet and those that have no beginning.
 * Return: NULL if it has none.
 */
const struct vdpr_quirk *vdpr_quirk_find(const struct vdpr_dev *dev,
					 unsigned int flag);

/* vdpr_quirk_next() - the same for a driver by its name, one after another.
 * @driver: may be NULL.
 * @after: the last one found, NULL for the first.
 */
const struct vdpr_quirk *vdpr_quirk_next(const char *driver,
					 unsigned int kernel, unsigned int flag,
					 const struct vdpr_quirk *after);

#endif
