/* SPDX-License-Identifier: MIT */
/* What sysfs says of vdpa devices: names, parents, drivers, char devices. */
#ifndef VDPR_SYSFS_H
#define VDPR_SYSFS_H

#include <sys/types.h>

#include "include/vdpa-restore.h"

/* vdpr_sysfs_identify() - the vdpa device behind a char device.
 * @rdev: device number of the char device.
 * @vdpa: its name, @driver: its parent's driver; each NULL if sysfs does not
 *        tell. Freed by the caller.
 */
void vdpr_sysfs_identify(dev_t rdev, char **vdpa, char **driver);

/* vdpr_sysfs_chardev() - path of a vdpa device's char device.
 * @out: e.g. "/dev/vhost-vdpa-0"; freed by the caller.
 * Return: 0, -ENOENT (no such vdpa device), -ENXIO (not bound to vhost_vdpa),
 * -ENOMEM.
 */
int vdpr_sysfs_chardev(const char *vdpa, char **out);

#endif
