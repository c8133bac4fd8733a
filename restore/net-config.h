/* SPDX-License-Identifier: MIT */
/* A network device's configuration space, from bytes to members. */
#ifndef VDPR_NET_CONFIG_H
#define VDPR_NET_CONFIG_H

#include "restore/features.h"

/* Bytes of struct virtio_net_config that this library knows (virtio 1.3, 5.1.4). */
#define VDPR_NET_CONFIG_SIZE 24

/* VDPR_CONFIG_* of the members that features and size make exist. */
uint32_t vdpr_net_config_present(const struct vdpr_features *offered,
				 size_t size);

/* vdpr_net_config_decode() - members of a configuration space.
 * @bytes: @len bytes, little-endian; may be longer or shorter than needed.
 * @out: has those members that exist and that a state can hold: no multicast
 *       MAC, no impossible number of pairs.
 */
void vdpr_net_config_decode(const struct vdpr_features *offered,
			    const void *bytes, size_t len,
			    struct vdpr_net_config *out);

#endif
