/* SPDX-License-Identifier: MIT */
/* The restore engine: the nine stages as a table of small steps, and its runner. */
#ifndef VDPR_ENGINE_H
#define VDPR_ENGINE_H

#include "restore/ctx.h"
#include "restore/cvq.h"
#include "restore/fit.h"

/*
 * What a step returns besides 0 (done: on to the next row) and -errno. A step
 * makes at most one request of the device each time it is called.
 */
#define VDPR_WAIT 1  /* for the device; call it again when it has called */
#define VDPR_MORE 2  /* the same row again: run->i counts its requests */
#define VDPR_PAUSE 3 /* for the final state */
#define VDPR_JUMP 4  /* run->row was set */

struct vdpr_run {
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	const struct vdpr_state *state;
	struct vdpr_restore_opts opts;
	struct vdpr_iova_ops iova; /* copy of the caller's */
	uint64_t deadline;	   /* CLOCK_MONOTONIC ns */
	uint64_t began;
	struct vdpr_report *report;
	struct vdpr_dev_counts calls_before;

	unsigned int row;    /* of the table of steps */
	unsigned int i;	     /* request within the row */
	bool in_stage;	     /* report->stage is being timed, from: */
	uint64_t stage_from; /* CLOCK_MONOTONIC ns */
	bool events;	     /* an event loop drives it: never block or spin */
	bool warm;	     /* prewarm: stages 6 and 7 come before the pause */
	bool remap;	     /* the final plan needs more memory */

	struct vdpr_dev_info info; /* stage 1 */
	struct vdpr_fit fit;	   /* stage 2 */
	bool touched;		   /* something was set: undo is a reset */
	bool undoes;		   /* a failure ends in undo: no mere check */
	int call_fd; /* the caller's, for the next control virtqueue; or -1 */
	struct vdpr_cvq *cvq; /* also dev->cvq from stage 4 on */
	uint16_t cvq_num;
	uint32_t cvq_group, cvq_asid;

	struct vdpr_vring *given; /* copies of what the options point to */
	struct vdpr_iova_range *in_use;
	char **warn;
	struct vdpr_vring *rings; /* data rings, as many as fit.n_queues */
	bool *ring_changed;	  /* by the final state; as many */
	size_t ring_bytes[2];	  /* of empty rings: read-only, writable */

	bool committed;			/* the final state is there */
	const struct vdpr_state *final; /* NULL: the provisional one is it */
	struct vdpr_vring *final_rings; /* owned; NULL: as begun */
	size_t n_final_rings;

	bool config_changed; /* a config interrupt came */
	bool looked;	     /* vdpr_run_look() was the last that was done */
	bool prefilled;	     /* commands are shown, but not kicked yet */
	size_t next;	     /* next command to post */
	size_t n_done;	     /* used and judged */
	size_t n_refused;    /* beyond repair by --warn */
	uint64_t stall_at;   /* when to look without having been called */
	bool kicked_again;   /* at the first such time, once a ring-full */
	size_t row_end;	     /* of the commands that are being sent */
	uint64_t kick_limit; /* kicks by then: one a ring-full */
	size_t outstanding;  /* with control buffers of the caller's */
};

/* A device that has not moved for so long may have missed a kick, or we a call. */
#define VDPR_STALL_NSEC 1000000000ull

/* ------------------------------------------------------------- the runner */

/* vdpr_run_begin() - take the options. Nothing is touched.
 * Return: 0 or -errno; then there is nothing to finish.
 */
int vdpr_run_begin(struct vdpr_run *run, struct vdpr_ctx *ctx,
		   struct vdpr_dev *dev, const struct vdpr_state *state,
		   const struct vdpr_restore_opts *opts);

/* vdpr_run_step() - one step of the table.
 * Return: 0 all is done, VDPR_WAIT, VDPR_MORE, VDPR_PAUSE, or -errno: then
 * vdpr_run_undo() is what is left to do.
 */
int vdpr_run_step(struct vdpr_run *run);

/* What vdpr_run_step() will do; NULL at the end. */
struct vdpr_row {
	int (*step)(struct vdpr_run *run);
	enum vdpr_stage stage;
	unsigned int when;   /* WHEN_*: all must be true */
	bool slow;	     /* may take milliseconds on some parents */
	const char *request; /* "" for none */
};
const struct vdpr_row *vdpr_run_next(const struct vdpr_run *run);

/* Where the table begins to touch the device: features that changed. */
void vdpr_run_restart(struct vdpr_run *run);

/* What becomes of the device, now that the restore has failed: for cures. */
const char *vdpr_run_fate(const struct vdpr_run *run);

/* Looks whether the caller has cancelled or time is up. Return: 0 or -errno. */
int vdpr_run_check_limits(struct vdpr_run *run);

/* One look for both: has the caller cancelled, and has a config interrupt come, also
 * one that nobody has waited for? Then the status is looked at, too. Return: 0,
 * -ECANCELED, or what vdpr_run_config_called() found. */
int vdpr_run_look(struct vdpr_run *run);

/* A config interrupt, or none for too long. Return: 0 or -errno. */
int vdpr_run_config_called(struct vdpr_run *run);
int vdpr_run_stalled(struct vdpr_run *run);

int vdpr_run_cancelled(struct vdpr_run *run);

/* Undoes everything: reset, mappings, memory. Safe at any point. */
void vdpr_run_undo(struct vdpr_run *run);

/* vdpr_run_finish() - frees what the run holds.
 * @ret: how it ended; a failure's text is taken out of the context.
 * @out: gets the report, or NULL to free it.
 */
void vdpr_run_finish(struct vdpr_run *run, int ret, struct vdpr_report **out);

/* -------------------------------------------------------------- the steps */

/* stage-setup.c: stages 1 to 6. */
int vdpr_step_examine(struct vdpr_run *run);
int vdpr_step_compare(struct vdpr_run *run);
int vdpr_step_own(struct vdpr_run *run);
int vdpr_step_reset(struct vdpr_run *run);
int vdpr_step_backend(struct vdpr_run *run);
int vdpr_step_acknowledge(struct vdpr_run *run);
int vdpr_step_driver(struct vdpr_run *run);
int vdpr_step_features(struct vdpr_run *run);
int vdpr_step_features_ok(struct vdpr_run *run);
int vdpr_step_features_kept(struct vdpr_run *run);
int vdpr_step_groups(struct vdpr_run *run);
int vdpr_step_isolate(struct vdpr_run *run);
int vdpr_step_cvq_size(struct vdpr_run *run);
int vdpr_step_memory(struct vdpr_run *run);
int vdpr_step_map_cvq(struct vdpr_run *run);
int vdpr_step_ring_sizes(struct vdpr_run *run);
int vdpr_step_ring_memory(struct vdpr_run *run);
int vdpr_step_map_rings(struct vdpr_run *run);
int vdpr_step_take_rings(struct vdpr_run *run);
int vdpr_step_rings(struct vdpr_run *run);
int vdpr_step_cvq_ring(struct vdpr_run *run);
int vdpr_step_config_call(struct vdpr_run *run);
int vdpr_step_rehearse(struct vdpr_run *run);
int vdpr_step_bases(struct vdpr_run *run);
int vdpr_step_order(struct vdpr_run *run);
int vdpr_step_enable_cvq(struct vdpr_run *run);
int vdpr_step_enable_early(struct vdpr_run *run);
int vdpr_step_driver_ok(struct vdpr_run *run);
int vdpr_step_driver_kept(struct vdpr_run *run);

/* stage-commit.c: the final state, between the early stages and the late ones. */
int vdpr_step_commit(struct vdpr_run *run);
int vdpr_step_unmap(struct vdpr_run *run);
int vdpr_step_memory_again(struct vdpr_run *run);
int vdpr_step_suspend(struct vdpr_run *run);
int vdpr_step_rings_again(struct vdpr_run *run);
int vdpr_step_resume(struct vdpr_run *run);

/* stage-run.c: stages 7 to 9. */
int vdpr_step_replay(struct vdpr_run *run);
int vdpr_step_status(struct vdpr_run *run);
int vdpr_step_limits(struct vdpr_run *run);
int vdpr_step_enable(struct vdpr_run *run);
int vdpr_step_wake(struct vdpr_run *run);
int vdpr_step_after_enable(struct vdpr_run *run);
int vdpr_step_mac(struct vdpr_run *run);
int vdpr_step_give_config_call(struct vdpr_run *run);

/* stage-control.c: the caller's control buffers instead of a ring. */
int vdpr_control_undo(struct vdpr_run *run);
int vdpr_run_drive_control(struct vdpr_run *run, size_t end);
int vdpr_step_enable_control(struct vdpr_run *run);

/* ------------------------------------------------- shared by the steps */

/* The plan and what the device makes of it, for run->state. Return: 0, -errno. */
int vdpr_run_compare(struct vdpr_run *run);

/* All reasons of stage 2 in one line. Return: -ENOTSUP. */
int vdpr_run_refused(struct vdpr_run *run);

/* Places of the plan's commands and questions. Return: 0 or -ENOMEM. */
int vdpr_run_slots(const struct vdpr_plan *plan, struct vdpr_cvq_slot **out,
		   size_t *count);
/* Writes the commands from slot @from on. */
void vdpr_run_write_commands(struct vdpr_run *run, size_t from);

/* NUM, ADDR, CALL, KICK of a data ring: request @i of VDPR_RING_REQUESTS. */
#define VDPR_RING_REQUESTS 4
int vdpr_run_set_ring(struct vdpr_run *run, const struct vdpr_vring *ring,
		      unsigned int i);

/* A failing device call: message, class by errno. Return: @err. */
int vdpr_run_call_failed(struct vdpr_run *run, const char *call, int err);

/* A device that answers wrongly. Return: -EPROTO. */
int vdpr_run_device_wrong(struct vdpr_run *run, const char *fmt, ...)
	VDPR_PRINTF(2, 3);

/* Has the device broken down (NEEDS_RESET, FAILED, DRIVER_OK gone)? */
int vdpr_run_check_status(struct vdpr_run *run);

/* Judges the answer to slot @i, of which the device says it wrote @len bytes.
 * Return: 0 or -EPROTO. */
int vdpr_run_judge(struct vdpr_run *run, size_t i, uint32_t len, uint64_t now);

/* One line for all commands that were refused. Return: -EPROTO. */
int vdpr_run_report_refused(struct vdpr_run *run);

/* Shows the first ring-full of commands without a kick: 3.1.1 allows that before
 * DRIVER_OK, so that it costs nothing of the time after it. A device that looks at
 * its rings by itself when it starts then spares the kick. */
void vdpr_run_prefill(struct vdpr_run *run);

/* The replay of one command on a ring of its own, with the device's part played.
 * Return: 0; else it got stuck, which harms nobody. */
int vdpr_run_rehearse(const struct vdpr_run *run);

/* SET_VRING_ENABLE(1) of one queue. */
int vdpr_run_enable(struct vdpr_run *run, uint32_t index);

/* The caller's options, whatever the size of its struct; @to is zero before.
 * Return: 0 or -EINVAL. */
int vdpr_opts_take(struct vdpr_ctx *ctx, const struct vdpr_restore_opts *from,
		   struct vdpr_restore_opts *to);

#endif
