/* SPDX-License-Identifier: MIT */
/* What brings a device from one plan's state to another's without a reset. */
#ifndef VDPR_PLAN_DIFF_H
#define VDPR_PLAN_DIFF_H

#include "restore/plan.h"

/* vdpr_plan_continue() - the commands of a plan that goes on from another.
 * @from: whose commands before the enabling the device has carried out.
 * @to: what it shall hold in the end; of a guest with the same features.
 * @negotiated: those features.
 * @out: an empty plan; gets the commands of @from before the enabling, then those
 *       that make the difference, then those of @to after the enabling.
 * Return: 0, -ENOMEM, -EDOM: no command takes back what @from set.
 */
int vdpr_plan_continue(const struct vdpr_plan *from, const struct vdpr_plan *to,
		       const struct vdpr_features *negotiated,
		       struct vdpr_plan *out);

#endif
