/* SPDX-License-Identifier: MIT */
/* Decoders and describers that the rows of the command table point at. */
#ifndef VDPR_COMMAND_FNS_H
#define VDPR_COMMAND_FNS_H

#include "restore/command.h"

/* Contracts: struct vdpr_command_info in restore/command.h. */

/* command-decode.c */
#define VDPR_DECODER(name)                                                     \
	int vdpr_decode_##name(struct vdpr_ctx *ctx, struct vdpr_state *state, \
			       const uint8_t *data, size_t len)
VDPR_DECODER(promisc);
VDPR_DECODER(allmulti);
VDPR_DECODER(alluni);
VDPR_DECODER(nomulti);
VDPR_DECODER(nouni);
VDPR_DECODER(nobcast);
VDPR_DECODER(mac_table);
VDPR_DECODER(mac_address);
VDPR_DECODER(vlan_add);
VDPR_DECODER(vlan_del);
VDPR_DECODER(announce_ack);
VDPR_DECODER(pairs);
VDPR_DECODER(rss);
VDPR_DECODER(hash);
VDPR_DECODER(offloads);
VDPR_DECODER(coal_tx);
VDPR_DECODER(coal_rx);
VDPR_DECODER(coal_queue);
VDPR_DECODER(hash_tunnel);
VDPR_DECODER(rss_context);

/* command-describe.c: each appends to @out, beginning with a blank. */
#define VDPR_DESCRIBER(name)                                       \
	void vdpr_describe_##name(const uint8_t *data, size_t len, \
				  struct vdpr_buf *out)
VDPR_DESCRIBER(nothing);
VDPR_DESCRIBER(switch);
VDPR_DESCRIBER(mac_table);
VDPR_DESCRIBER(mac_address);
VDPR_DESCRIBER(le16);
VDPR_DESCRIBER(rss);
VDPR_DESCRIBER(hash);
VDPR_DESCRIBER(offloads);
VDPR_DESCRIBER(coal);
VDPR_DESCRIBER(coal_queue);
VDPR_DESCRIBER(queue);
VDPR_DESCRIBER(hash_tunnel);
VDPR_DESCRIBER(stats_get);
VDPR_DESCRIBER(rss_context);

#endif
