/* SPDX-License-Identifier: MIT */
/* Call sequences and what each parent of vhost-vdpa answers to them. */
#ifndef VDPR_CONFORMANCE_TABLE_H
#define VDPR_CONFORMANCE_TABLE_H

#include <limits.h>

#include "restore/dev.h"

/*
 * The kernel's column is Linux 6.12 (drivers/vhost/vdpa.c, drivers/vhost/vhost.c
 * and the parents). vhost-vdpa itself answers most calls, so the columns differ
 * in little; where they do, sim takes the strict side of what the specification
 * and the parents allow.
 */
enum conformance_parent {
	CONFORMANCE_SIM,
	CONFORMANCE_VDPA_SIM, /* vdpa_sim_net */
	CONFORMANCE_VP_VDPA,  /* vp_vdpa over a virtio-net device of QEMU */
	CONFORMANCE_PARENTS
};

/* Not judged: kernels of the same series differ. */
#define CONFORMANCE_ANY INT_MAX

/* What the argument of a call is made from. */
enum conformance_kind {
	STEP_END,
	STEP_NONE,     /* no argument: NULL */
	STEP_NULL,     /* one is wanted, NULL is given */
	STEP_U8,       /* a[0] */
	STEP_U64,      /* a[0] */
	STEP_U32,      /* room for a u32 */
	STEP_RANGE,    /* room for a struct vhost_vdpa_iova_range */
	STEP_FEATURES, /* a[0]: enum conformance_features */
	STEP_STATE,    /* a[0] index, a[1] num */
	STEP_ADDR,     /* a[0] index, a[1] flags, a[2..4] desc, avail, used */
	STEP_FILE,     /* a[0] index, a[1] enum conformance_fd */
	STEP_FD,       /* a[0] enum conformance_fd */
	STEP_CONFIG,   /* a[0] offset, a[1] length */
	STEP_IOTLB, /* a[0] type, a[1] asid, a[2] iova, a[3] size, in bytes */
	STEP_IOTLB_KIND, /* the same as a message of another kind than v2 */
	STEP_STATUS_IS,	 /* GET_STATUS gives a[0] */
	STEP_NUM_IS,	 /* as STEP_STATE, and num comes back as a[1] */
};

enum conformance_features {
	FEATURES_OFFERED,     /* all */
	FEATURES_NO_PLATFORM, /* the same without ACCESS_PLATFORM */
	FEATURES_FOREIGN,     /* the same and one that is not offered */
};

enum conformance_fd {
	FD_NONE,   /* -1 */
	FD_EVENT,  /* an eventfd */
	FD_CLOSED, /* no such descriptor */
	FD_OTHER,  /* something that is no eventfd */
};

/* Stand in for numbers that only the device knows; small offsets may be added. */
#define CONFORMANCE_VQS 0x7f000100ull	 /* number of queues */
#define CONFORMANCE_LAST 0x7f000500ull	 /* the last queue */
#define CONFORMANCE_SPACES 0x7f000200ull /* number of address spaces */
#define CONFORMANCE_CONFIG 0x7f000300ull /* size of the config space */
#define CONFORMANCE_RING_MAX \
	0x7f000400ull /* GET_VRING_NUM; + n doubles it n times */

struct conformance_step {
	enum conformance_kind kind;
	unsigned long request;
	uint64_t a[5];
	int expect[CONFORMANCE_PARENTS]; /* 0, a positive errno, or ANY */
};

#define CONFORMANCE_STEPS 16

struct conformance_sequence {
	const char *name;
	struct conformance_step step[CONFORMANCE_STEPS];
};

extern const struct conformance_sequence conformance_table[];
extern const size_t conformance_count;

#define CONFORMANCE_WHY 160

/* conformance_run() - run one sequence on a freshly opened device.
 * @why: on failure, which step gave what.
 * Return: 0 passed, -1 failed.
 */
int conformance_run(const struct conformance_sequence *sequence,
		    struct vdpr_dev *dev, enum conformance_parent parent,
		    char why[CONFORMANCE_WHY]);

#endif
