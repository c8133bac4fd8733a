/* SPDX-License-Identifier: MIT */
/* The restore engine: one run of the nine stages. */
#ifndef VDPR_ENGINE_H
#define VDPR_ENGINE_H

#include "restore/ctx.h"
#include "restore/cvq.h"
#include "restore/fit.h"

/* A stage that has to wait for the device; call it again when a descriptor of
 * the run is readable. */
#define VDPR_WAIT 1

struct vdpr_run {
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	const struct vdpr_state *state;
	struct vdpr_restore_opts opts;
	uint64_t deadline; /* CLOCK_MONOTONIC ns */
	uint64_t began;
	struct vdpr_report *report;
	struct vdpr_dev_counts calls_before;

	struct vdpr_dev_info info; /* stage 1 */
	struct vdpr_fit fit;	   /* stage 2 */
	bool touched;		   /* something was set: undo is a reset */
	struct vdpr_cvq *cvq;	   /* also dev->cvq from stage 4 on */
	uint16_t cvq_num;
	uint32_t cvq_asid;

	struct vdpr_vring *given; /* copy of the caller's rings */
	struct vdpr_vring *rings; /* data rings, as many as fit.n_queues */

	bool config_changed; /* a config interrupt came */
	bool prefilled;	     /* commands are shown, but not kicked yet */
	bool data_enabled;   /* the data queues' enables have begun */
	size_t next;	     /* next command to post */
	size_t n_done;	     /* used and judged */
	size_t n_refused;    /* beyond repair by --warn */
	uint64_t stall_at;   /* when to look without having been called */
	bool kicked_again;   /* at the first such time, once a ring-full */
	size_t row_end;	     /* of the commands that are being sent */
	uint64_t kick_limit; /* kicks by then: one a ring-full */
};

/* A device that has not moved for so long may have missed a kick, or we a call. */
#define VDPR_STALL_NSEC 1000000000ull

typedef int (*vdpr_stage_fn)(struct vdpr_run *run);

int vdpr_stage_examine(struct vdpr_run *run);
int vdpr_stage_compare(struct vdpr_run *run);
int vdpr_stage_negotiate(struct vdpr_run *run);
int vdpr_stage_map(struct vdpr_run *run);
int vdpr_stage_rings(struct vdpr_run *run);
int vdpr_stage_start(struct vdpr_run *run);
int vdpr_stage_replay(struct vdpr_run *run);
int vdpr_stage_enable(struct vdpr_run *run);
int vdpr_stage_verify(struct vdpr_run *run);

/* A failing device call: message, class by errno. Return: @err. */
int vdpr_run_call_failed(struct vdpr_run *run, const char *call, int err);

/* A device that answers wrongly. Return: -EPROTO. */
int vdpr_run_device_wrong(struct vdpr_run *run, const char *fmt, ...)
	VDPR_PRINTF(2, 3);

/* Has the device broken down (NEEDS_RESET, FAILED, DRIVER_OK gone)? */
int vdpr_run_check_status(struct vdpr_run *run);

/* Shows the first ring-full of commands without a kick: 3.1.1 allows that before
 * DRIVER_OK, so that it costs nothing of the time after it. A device that looks at
 * its rings by itself when it starts then spares the kick. */
void vdpr_run_prefill(struct vdpr_run *run);

/* SET_VRING_ENABLE(1) of one queue. */
int vdpr_run_enable(struct vdpr_run *run, uint32_t index);

/* Undoes everything: reset, mappings, memory. Safe at any point. */
void vdpr_run_undo(struct vdpr_run *run);

#endif
