/* SPDX-License-Identifier: MIT */
/* What VMMs refuse, need and lose, version by version: the data of --for. */
#ifndef VDPR_VMM_H
#define VDPR_VMM_H

#include "cmd/target.h"

struct vmm;

/* vmm_parse() - the VMM that --for names.
 * @out: NULL where the option was not given.
 * Return: 0, or 2 after naming all that are known.
 */
int vmm_parse(struct cli *cli, const struct args *args, const struct vmm **out);

/* Bits of an offer that the VMM does not put up with. */
struct vdpr_features vmm_refused(const struct vmm *vmm,
				 const struct vdpr_features *offered);

/* Why, in half a sentence: "..., so it blocks migration". */
const char *vmm_why(const struct vmm *vmm);

/* vmm_judge() - what stands against a target for this VMM, and what it loses.
 * @state: as input_object() gives it.
 * @offered: what the device will offer.
 */
void vmm_judge(const struct vmm *vmm, const cJSON *state,
	       const struct target *target, const struct vdpr_features *offered,
	       struct reasons *reasons);

#endif
