/* SPDX-License-Identifier: MIT */
/* What the drivers' management devices take when they make a device: a table. */
#include "cmd/target.h"

#include <string.h>

#define KERNEL(a, b) ((unsigned int)(a) << 16 | (unsigned int)(b) << 8)

/*
 * Read in the drivers' source: config_attr_mask in drivers/vdpa/, Linux 6.1, 6.12
 * and 7.2; no netlink message has it. Another attribute is answered EOPNOTSUPP.
 * Names as in sysfs; the simulator's management device has no driver and goes by
 * its own name. The last row that fits is right.
 */
static const struct {
	const char *driver;
	unsigned int from; /* first kernel; 0: any */
	unsigned int takes;
} rows[] = {
	{ "mlx5_core", 0,
	  VDPA_CONFIG_MAC | VDPA_CONFIG_MTU | VDPA_CONFIG_MAX_PAIRS },
	{ "mlx5_core", KERNEL(6, 3),
	  VDPA_CONFIG_MAC | VDPA_CONFIG_MTU | VDPA_CONFIG_MAX_PAIRS |
		  VDPA_CONFIG_FEATURES },
	{ "pds_vdpa", 0,
	  VDPA_CONFIG_MAC | VDPA_CONFIG_MAX_PAIRS | VDPA_CONFIG_FEATURES },
	{ "vdpasim_net", 0,
	  VDPA_CONFIG_MAC | VDPA_CONFIG_MTU | VDPA_CONFIG_FEATURES },
	{ "ifcvf", 0, 0 },
	{ "ifcvf", KERNEL(6, 3), VDPA_CONFIG_FEATURES },
	{ "vp-vdpa", 0, VDPA_CONFIG_FEATURES },
	{ "octep_vdpa", 0, VDPA_CONFIG_FEATURES },
	{ "vduse", 0, 0 },
};

/* An auxiliary driver is called MODULE.NAME. */
static bool is_driver(const char *name, const char *wanted)
{
	size_t len = strlen(wanted);

	return !strncmp(name, wanted, len) &&
	       (name[len] == '\0' || name[len] == '.');
}

unsigned int mgmtdev_takes(const char *driver, unsigned int kernel)
{
	unsigned int takes = VDPA_CONFIG_MAC | VDPA_CONFIG_MTU |
			     VDPA_CONFIG_MAX_PAIRS | VDPA_CONFIG_FEATURES;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (is_driver(driver, rows[i].driver) &&
		    (!kernel || kernel >= rows[i].from))
			takes = rows[i].takes;
	return takes;
}

uint16_t pairs_of_vqs(uint32_t vqs, uint64_t features)
{
	uint32_t data = vqs;
	uint32_t pairs;

	/* The control virtqueue is one of them. */
	if (features >> vdpr_feature_bit("CTRL_VQ") & 1 && vqs)
		data--;
	pairs = data / 2;
	if (!pairs)
		return 1;
	return pairs < 0x8000 ? (uint16_t)pairs : 0x8000;
}
