/* SPDX-License-Identifier: MIT */
/* Diagnosis: what a failure means in practice, and what to do about it. */
#ifndef VDPR_DIAGNOSE_H
#define VDPR_DIAGNOSE_H

#include "restore/engine.h"

/* What an errno of a call means in practice. */
struct vdpr_diagnosis {
	const char *call; /* "SET_OWNER"; "GET_*": any that begins so */
	int err;	  /* negative */
	const char *means;
	const char *cure; /* "" if there is none */
};

/* vdpr_diagnosis_find() - the table's row for a failing call.
 * @call: as messages name it: what follows its first blank or parenthesis does
 *        not count ("SET_VRING_NUM of queue 3").
 * @err: negative errno.
 * Return: NULL if the table has none.
 */
const struct vdpr_diagnosis *vdpr_diagnosis_find(const char *call, int err);

/* vdpr_diagnose_call() - add meaning and cure to the failure just recorded.
 * @call, @err: as for vdpr_diagnosis_find().
 *
 * The message is kept and gets longer; its class stays.
 * Return: @err.
 */
int vdpr_diagnose_call(struct vdpr_run *run, const char *call, int err);

/* vdpr_diagnose_owner() - what EPERM says of the owner of a device.
 * @means: appended to.
 * Return: the cure.
 */
const char *vdpr_diagnose_owner(const struct vdpr_dev *dev,
				struct vdpr_buf *means);

/* ------------------------------------------------------------------ IOTLB */

#define VDPR_MEMLOCK_UNKNOWN UINT64_MAX

/* What is known when an IOTLB update failed; lengths in bytes. */
struct vdpr_map_facts {
	struct vdpr_iova_range wanted; /* the update that failed */
	uint64_t rest;		       /* what was still to come after it */
	struct vdpr_iova_range device; /* what it can address */
	const struct vdpr_iova_range *used; /* in the same address space */
	size_t n_used;
	uint64_t memlock; /* RLIMIT_MEMLOCK, soft; UNKNOWN or no limit */
	uint64_t pinned;  /* of this process by all devices, or UNKNOWN */
};

/* vdpr_diagnose_map_facts() - the known reasons that apply.
 * @means: gets each of them, "; " between; stays empty if none does.
 * @cure: gets what to do about the first.
 */
void vdpr_diagnose_map_facts(const struct vdpr_map_facts *facts,
			     struct vdpr_buf *means, struct vdpr_buf *cure);

/* vdpr_proc_kib() - a size out of a file like /proc/self/status.
 * @key: with its colon, as in "VmPin:".
 * @out: bytes.
 * Return: 0, -ENODATA (no such line), or the errno of opening the file.
 */
int vdpr_proc_kib(const char *path, const char *key, uint64_t *out);

/* vdpr_diagnose_map() - the failure of mapping @mem, of which mem->mapped parts
 * are in the IOTLB. Return: @err.
 */
int vdpr_diagnose_map(struct vdpr_run *run, const struct vdpr_mem *mem,
		      int err);

/* vdpr_diagnose_lent() - the same for memory of the caller's: vdpr_dev_map().
 * Return: @err.
 */
int vdpr_diagnose_lent(struct vdpr_ctx *ctx, struct vdpr_dev *dev,
		       const struct vdpr_iova_range *range, int err);

/* --------------------------------------------------------------- features */

/* vdpr_diagnose_features() - what is wrong with a set of features in itself.
 * @offered: by the device.
 * @demands: what the parent driver is known to insist on.
 * @out: gets a clause for each, "; " between; stays empty if nothing is.
 */
void vdpr_diagnose_features(const struct vdpr_features *asked,
			    const struct vdpr_features *offered,
			    uint64_t demands, struct vdpr_buf *out);

/* vdpr_diagnose_set_features() - SET_FEATURES failed. Return: @err. */
int vdpr_diagnose_set_features(struct vdpr_run *run, int err);

/* vdpr_diagnose_status() - a status bit was not kept.
 * @bit: VIRTIO_CONFIG_S_FEATURES_OK or VIRTIO_CONFIG_S_DRIVER_OK.
 * @status: what was read back.
 * Return: -EPROTO.
 */
int vdpr_diagnose_status(struct vdpr_run *run, uint8_t bit, uint8_t status);

#endif
