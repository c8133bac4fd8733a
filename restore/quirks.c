/* SPDX-License-Identifier: MIT */
/* What parent drivers are known to do differently: one data table. */
#include "restore/quirks.h"

#include <string.h>

/*
 * Read in the drivers' source (drivers/vdpa/, Linux 6.12 and 7.2); only vp-vdpa
 * and vdpa_sim were also run. The names are those of the parent device's driver in
 * sysfs, or of the parent itself where it has no driver (vduse), or of the
 * management device where sysfs shows no parent (vdpasim_net).
 */
static const struct vdpr_quirk quirks[] = {
	{ "mlx5_core", 0, VDPR_KERNEL(6, 9), VDPR_QUIRK_CVQ_16,
	  "mlx5_vdpa before Linux 6.9 uses a control virtqueue of 16 entries "
	  "whatever size is set",
	  0 },
	{ "mlx5_core", VDPR_KERNEL(6, 11), 0, VDPR_QUIRK_ORDER,
	  "mlx5_vdpa with pre-created virtqueues starts the first pair at "
	  "DRIVER_OK and every added pair at VQ_PAIRS_SET, enabled or not",
	  0 },
	{ "mlx5_core", 0, VDPR_KERNEL(6, 7), VDPR_QUIRK_NO_PROMISE,
	  "mlx5_vdpa before Linux 6.7 does not offer ENABLE_AFTER_DRIVER_OK",
	  0 },
	{ "mlx5_core", 0, 0, VDPR_QUIRK_HINT,
	  "mlx5_vdpa leaves the control virtqueue disabled after SUSPEND and "
	  "RESUME: enable it again",
	  0 },
	{ "snet-vdpa-driver", 0, 0,
	  VDPR_QUIRK_EXACT_SIZE | VDPR_QUIRK_ORDER | VDPR_QUIRK_NO_PROMISE,
	  "snet hands every ring to the DPU at DRIVER_OK, enabled or not, and "
	  "takes no other ring size than its own",
	  0 },
	{ "vduse", 0, 0, VDPR_QUIRK_ORDER | VDPR_QUIRK_NO_PROMISE,
	  "VDUSE before Linux 7.3 does not tell its daemon of a queue that is "
	  "enabled after DRIVER_OK, later ones only where it asked for that",
	  0 },
	{ "vduse", 0, 0, VDPR_QUIRK_HINT,
	  "VDUSE takes no network device with a control virtqueue", 0 },
	{ "ifcvf", 0, VDPR_KERNEL(6, 3), VDPR_QUIRK_ORDER,
	  "ifcvf before Linux 6.3 programs the hardware at DRIVER_OK only", 0 },
	{ "ifcvf", 0, 0, VDPR_QUIRK_NO_PROMISE,
	  "ifcvf does not offer ENABLE_AFTER_DRIVER_OK", 0 },
	{ "vp-vdpa", 0, 0, VDPR_QUIRK_NO_BASE,
	  "vp_vdpa can set no ring base but the initial one", 0 },
	{ "vp-vdpa", 0, 0, VDPR_QUIRK_NO_PROMISE,
	  "vp_vdpa does not offer ENABLE_AFTER_DRIVER_OK, though it enables "
	  "late where the device behind it does",
	  0 },
	{ "alibaba-eni-vdpa", 0, 0,
	  VDPR_QUIRK_NO_BASE | VDPR_QUIRK_ORDER | VDPR_QUIRK_NO_PROMISE,
	  "eni_vdpa can set no ring base but the initial one, and starts a "
	  "ring when its addresses are set, enabled or not",
	  0 },
	{ "octep_vdpa", 0, 0, VDPR_QUIRK_DOORBELL | VDPR_QUIRK_DEMANDS,
	  "octeon_ep is notified through its mapped doorbell only",
	  BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_F_RING_PACKED) |
		  BIT_ULL(VIRTIO_F_NOTIFICATION_DATA) },
	{ "octep_vdpa", 0, 0, VDPR_QUIRK_NO_PROMISE,
	  "octeon_ep does not offer ENABLE_AFTER_DRIVER_OK", 0 },
	{ "pds_vdpa", 0, 0, VDPR_QUIRK_NO_PROMISE,
	  "pds_vdpa does not offer ENABLE_AFTER_DRIVER_OK", 0 },
	{ "pds_vdpa", 0, 0, VDPR_QUIRK_HINT,
	  "pds_vdpa says only in the kernel log that a queue could not be "
	  "enabled, and sets the MAC it was created with at every reset",
	  0 },
	{ "vdpasim_net", 0, VDPR_KERNEL(6, 6), VDPR_QUIRK_NO_PROMISE,
	  "vdpa_sim before Linux 6.6 does not offer ENABLE_AFTER_DRIVER_OK",
	  0 },
	{ "vdpasim_net", 0, 0, VDPR_QUIRK_HINT,
	  "vdpa_sim acknowledges a refused command as accepted if it stands "
	  "behind an accepted one, and with use_va=1 stops for good when its "
	  "owner's process ends",
	  0 },
};

static bool applies(const struct vdpr_quirk *quirk, unsigned int kernel)
{
	if (!kernel)
		return !quirk->from || !quirk->until;
	return kernel >= quirk->from &&
	       (!quirk->until || kernel < quirk->until);
}

/* An auxiliary driver is called MODULE.NAME: mlx5's subfunctions "mlx5_core.sf". */
static bool is_driver(const char *name, const char *wanted)
{
	size_t len = strlen(wanted);

	return !strncmp(name, wanted, len) &&
	       (name[len] == '\0' || name[len] == '.');
}

const struct vdpr_quirk *vdpr_quirk_next(const char *driver,
					 unsigned int kernel, unsigned int flag,
					 const struct vdpr_quirk *after)
{
	const struct vdpr_quirk *end = quirks + ARRAY_SIZE(quirks);

	if (!driver)
		return NULL;
	for (const struct vdpr_quirk *q = after ? after + 1 : quirks; q < end;
	     q++)
		if (q->flags & flag && is_driver(driver, q->driver) &&
		    applies(q, kernel))
			return q;
	return NULL;
}

const struct vdpr_quirk *vdpr_quirk_find(const struct vdpr_dev *dev,
					 unsigned int flag)
{
	return vdpr_quirk_next(dev->driver, dev->kernel, flag, NULL);
}
