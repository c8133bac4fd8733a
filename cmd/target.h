/* SPDX-License-Identifier: MIT */
/* What a state is checked against: an open device, one that netlink tells of, or
 * one that a management device could make. */
#ifndef VDPR_TARGET_H
#define VDPR_TARGET_H

#include "cmd/cmd.h"
#include "cmd/reasons.h"
#include "netlink/vdpa.h"

enum target_kind {
	TARGET_DEVICE,	/* DEV: opened, and so reset */
	TARGET_VDPA,	/* --vdpa NAME: not opened */
	TARGET_MGMTDEV, /* --mgmtdev NAME: not created yet */
};

struct target {
	enum target_kind kind;
	const char *name;     /* as the user gave it */
	struct vdpr_dev *dev; /* of TARGET_DEVICE */
	struct vdpr_dev_info info;
	unsigned int seen;   /* VDPR_SEEN_* */
	unsigned int kernel; /* running here, for the driver's */
	char *driver;	     /* of the parent, "" if it is not known */
	/* Of TARGET_VDPA. */
	char *chardev; /* or "" */
	char *bound;   /* driver that has the vdpa device, or "" */
	bool in_use;   /* a driver has negotiated features */
	/* Of TARGET_MGMTDEV. */
	struct vdpa_mgmtdev mgmtdev;
	unsigned int takes; /* VDPA_CONFIG_* that a new device can be given */
};

/* target_open() - look at it.
 * @target: kind and name are given, the rest is zero; freed with target_close()
 *	whatever is returned.
 * Return: 0 or the exit code of an error that has been said.
 */
int target_open(struct cli *cli, struct target *target);

void target_close(struct target *target);

/* What the tool itself sees against it, or worth a warning. */
void target_advise(const struct target *target, struct reasons *reasons);

/* Judges the NAME of --mgmtdev. Return: 0 or an exit code. */
int target_check_mgmtdev(struct cli *cli, const char *name);

/* VDPA_CONFIG_* that management devices of a driver take when they make a device.
 * @driver: of the management device; one that is not known takes all.
 * @kernel: as struct target's.
 */
unsigned int mgmtdev_takes(const char *driver, unsigned int kernel);

/* Pairs that a number of virtqueues allows with those features, at least 1. */
uint16_t pairs_of_vqs(uint32_t vqs, uint64_t features);

#endif
