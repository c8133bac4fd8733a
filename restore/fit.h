/* SPDX-License-Identifier: MIT */
/* Stage 2: would this state fit this device? Every reason, nothing touched. */
#ifndef VDPR_FIT_H
#define VDPR_FIT_H

#include "restore/quirks.h"
#include "restore/report.h"

struct vdpr_fit {
	const struct vdpr_state *state;
	/* What the device is. */
	struct vdpr_dev *dev; /* NULL: not open, nothing can be asked */
	const struct vdpr_dev_info *info;
	unsigned int seen;   /* VDPR_SEEN_*: members of @info that are there */
	const char *driver;  /* of the parent, for its quirks, or NULL */
	unsigned int kernel; /* of that driver, VDPR_KERNEL(); 0: unknown */
	const struct vdpr_restore_opts *opts;
	struct vdpr_reasons *refusals;
	struct vdpr_reasons *warnings;
	bool early; /* the bases of the rings are not known yet */
	/* Results. */
	bool plannable;		    /* nothing is unknown that may not be */
	struct vdpr_features asked; /* for SET_FEATURES */
	bool has_cvq;
	uint32_t cvq_index;
	uint32_t max_pairs; /* of the device as the guest drives it, from 1 */
	uint32_t n_queues;  /* data queues to be enabled */
	uint32_t *queues;   /* their indices, ascending; owned */
	void *doorbell;	    /* of the CVQ, where it must be used; else NULL */
};

/* vdpr_fit() - compare a state with a device, open or not.
 * Fills the results and both lists of reasons.
 * Return: 0 (also when there are refusals), -ENOMEM.
 */
int vdpr_fit(struct vdpr_fit *fit);

/* vdpr_fit_rings() - the part of it that the rings' bases decide. */
int vdpr_fit_rings(struct vdpr_fit *fit);

/* vdpr_fit_cvq_size() - can a control virtqueue of so many entries be driven?
 * Return: false, with the refusal, if not.
 */
bool vdpr_fit_cvq_size(struct vdpr_fit *fit, uint32_t size);

/* vdpr_fit_refused() - record that a state does not fit, with all refusals.
 * @name: of the device.
 * Return: -ENOTSUP.
 */
int vdpr_fit_refused(const struct vdpr_fit *fit, struct vdpr_ctx *ctx,
		     const char *name);

/* vdpr_fit_enables() - is a data queue among those to be enabled? */
bool vdpr_fit_enables(const struct vdpr_fit *fit, uint32_t index);

/* vdpr_only_warns() - did the caller turn refusals of a section into warnings?
 * @section: NULL: a command of no section, never. */
bool vdpr_only_warns(const struct vdpr_restore_opts *opts, const char *section);

/* vdpr_fit_restored() - what a device is asked for, once a state fits it.
 * @negotiated: by the guest.
 * @offered: by the device.
 */
struct vdpr_features vdpr_fit_restored(const struct vdpr_features *negotiated,
				       const struct vdpr_features *offered);

#endif
