/* SPDX-License-Identifier: MIT */
/* The report of a restore: what was done, how long it took, what went wrong. */
#ifndef VDPR_REPORT_H
#define VDPR_REPORT_H

#include "restore/plan.h"
#include "restore/dev.h"

enum vdpr_stage {
	VDPR_STAGE_EXAMINE,
	VDPR_STAGE_COMPARE,
	VDPR_STAGE_NEGOTIATE,
	VDPR_STAGE_MAP,
	VDPR_STAGE_RINGS,
	VDPR_STAGE_START,
	VDPR_STAGE_REPLAY,
	VDPR_STAGE_ENABLE,
	VDPR_STAGE_VERIFY,
	VDPR_STAGE_COUNT
};
extern const char *const vdpr_stage_name[VDPR_STAGE_COUNT];

/* Why a state does not fit a device, or what is lost there. */
struct vdpr_reason {
	char *section; /* of the state, or "features", "config", "device" */
	const char
		*kind; /* "feature", "limit", "config", "device", "unknown" */
	char *name;    /* the feature's or limit's */
	char *want, *have;
	char *text; /* one clause */
	char *cure; /* "" if none is known */
};

struct vdpr_reasons {
	size_t count;
	struct vdpr_reason *reason;
	int error; /* -ENOMEM if one could not be kept */
};

/* The constant part of a reason. */
struct vdpr_reason_kind {
	const char *section;
	const char *kind;
	const char *name;
};

/* Adds a reason; @want, @have, @cure are copied, NULL means "". */
void vdpr_reasons_add(struct vdpr_reasons *list,
		      const struct vdpr_reason_kind *kind, const char *want,
		      const char *have, const char *cure, const char *fmt, ...)
	VDPR_PRINTF(6, 7);
void vdpr_reasons_free(struct vdpr_reasons *list);

/* All texts, or all cures, in one line, none twice. Freed by the caller; NULL
 * without memory. */
char *vdpr_reasons_join(const struct vdpr_reasons *list, bool cure);

#define VDPR_NO_ACK (-1)

struct vdpr_command_result {
	int ack;	       /* 0..255, or VDPR_NO_ACK */
	uint64_t posted, used; /* CLOCK_MONOTONIC ns; 0: not yet */
};

struct vdpr_report {
	char *device;
	bool isolation_known, isolated;
	char *order; /* "promised", "assumed", "not kept: ..."; NULL: not reached */
	enum vdpr_stage stage;			/* the last one begun */
	unsigned int n_stages;			/* begun */
	uint64_t stage_began[VDPR_STAGE_COUNT]; /* CLOCK_MONOTONIC ns */
	uint64_t stage_ns[VDPR_STAGE_COUNT];
	uint64_t opened; /* just before the first data queue was; 0: none was */
	uint64_t committed,
		open_end;	/* of the downtime; 0: did not come so far */
	struct vdpr_plan *plan; /* NULL until stage 2 is through */
	struct vdpr_command_result *result; /* plan->count of them */
	struct vdpr_dev_counts calls;
	uint64_t kicks;
	size_t n_sent;
	size_t n_enabled;
	uint32_t *enabled;
	struct vdpr_reasons refusals, warnings;
	bool has_cvq;
	uint32_t cvq_asid;
	struct vdpr_iova_range cvq_iova;
	enum vdpr_cause cause;
	bool failed;
	char *text, *cure; /* of the failure */
};

/* The report keeps its own copy of the failure: it outlives the context's. */
void vdpr_report_take_error(struct vdpr_report *report,
			    const struct vdpr_ctx *ctx);

#endif
