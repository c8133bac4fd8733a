/* SPDX-License-Identifier: MIT */
/* What a new device shall be: taken from a state, given over netlink, compared. */
#ifndef VDPR_PROVISION_H
#define VDPR_PROVISION_H

#include "cmd/vmm.h"

struct wish {
	uint32_t has;	    /* VDPA_CONFIG_MAC, _MTU, _MAX_PAIRS, _FEATURES */
	uint32_t only_warn; /* those that need not be as they were saved */
	uint8_t mac[6];
	uint16_t mtu;
	uint16_t pairs;
	uint64_t features;
};

/* wish_make() - what a state wants of a device, and what it cannot have.
 * @state: as input_object() gives it.
 * @vmm: leave out what it does not put up with; may be NULL.
 * @args: its --warn options.
 *
 * MAC, MTU and pairs are those of config: what a guest's driver reads when it is
 * loaded. The MAC that the guest set later, in section mac, is restored by load;
 * it stands in only where config has none.
 */
void wish_make(struct wish *wish, const cJSON *state,
	       const struct target *target, const struct vmm *vmm,
	       const struct args *args, struct reasons *reasons);

/* The part of it that a management device takes; name and mgmtdev are left out.
 * @takes: VDPA_CONFIG_*. */
struct vdpa_new wish_new(const struct wish *wish, unsigned int takes);

/* The equivalent "vdpa dev add" of iproute2; freed by the caller. */
char *wish_command(const struct wish *wish, unsigned int takes,
		   const char *name, const char *mgmtdev);

/* Is the device that was made what it shall be? */
void wish_compare(const struct wish *wish, const char *name,
		  const struct vdpa_config *config, struct reasons *reasons);

/* Judges --name. Return: 0 or an exit code. */
int provision_check_name(struct cli *cli, const char *name);

#endif
