/* SPDX-License-Identifier: MIT */
/* Good texts of state files, and what to do with them. */
#ifndef VDPR_TESTS_TEXTS_H
#define VDPR_TESTS_TEXTS_H

#include "restore/state.h"

/* clang-format off */
/* Everything negotiated that has a section, rss in force. */
#define FULL                                                                                                                 \
	"{\"schema\": \"vdpa-restore/state\", \"version\": 1, \"compat\": 1,\n"                                              \
	"\"captured\": {\"time\": \"now\", \"tool\": \"t\", \"sources\": [\"s\"]},\n"                                        \
	"\"device\": {\"type\": \"net\", \"name\": \"vdpa0\", \"parent\": \"p\"},\n"                                         \
	"\"features\": {\"offered\": \"0x9230000130ffffaf\", \"negotiated\": \"0x9030000130ffffae\"},\n"                     \
	"\"backend_features\": \"0x7e\",\n"                                                                                  \
	"\"config\": {\"mac\": \"02:00:00:00:00:01\", \"link_up\": true,\n"                                                  \
	"  \"max_virtqueue_pairs\": 4, \"mtu\": 1500, \"speed\": 10, \"duplex\": \"half\",\n"                                \
	"  \"rss_max_key_size\": 6, \"rss_max_indirection_table_length\": 8,\n"                                              \
	"  \"supported_hash_types\": [\"ipv4\", \"tcpv4\"]},\n"                                                              \
	"\"mac\": {\"address\": \"02:00:00:00:00:02\", \"unicast\": [], \"multicast\": [],\n"                                \
	"  \"unicast_overflow\": false, \"multicast_overflow\": false},\n"                                                   \
	"\"rx_mode\": {\"promiscuous\": false, \"all_multicast\": false, \"all_unicast\": false,\n"                          \
	"  \"no_multicast\": false, \"no_unicast\": false, \"no_broadcast\": false},\n"                                      \
	"\"vlan\": {\"ids\": [1, 5]},\n"                                                                                     \
	"\"mq\": {\"queue_pairs\": 3},\n"                                                                                    \
	"\"rss\": {\"hash_types\": [\"ipv4\"], \"unclassified_queue\": 0, \"max_tx_vq\": 3,\n"                               \
	"  \"indirection_table\": [0, 1, 2, 3], \"key\": \"0a0b0c\"},\n"                                                     \
	"\"offloads\": [\"guest_csum\"],\n"                                                                                  \
	"\"coalescing\": {\"rx\": {\"max_packets\": 1, \"max_usecs\": 2}, \"tx\": {\"max_packets\": 3, \"max_usecs\": 4},\n" \
	"  \"queues\": [{\"index\": 7, \"max_packets\": 5, \"max_usecs\": 6}]},\n"                                           \
	"\"announce\": {\"pending\": false},\n"                                                                              \
	"\"vrings\": [{\"index\": 0, \"size\": 256, \"base\": 9, \"enabled\": true, \"desc\": \"0x1\"}],\n"                  \
	"\"origin\": {\"mac\": \"s\"},\n"                                                                                    \
	"\"vendor\": {\"name\": \"acme\", \"version\": \"1\", \"data\": \"AAA=\"},\n"                                        \
	"\"unknown\": []}"

/* HASH_REPORT and RSS negotiated, rss not in force; little else. */
#define HASH                                                                                             \
	"{\"schema\": \"vdpa-restore/state\", \"version\": 1, \"compat\": 1,\n"                          \
	"\"features\": {\"offered\": \"0x1200000100020000\", \"negotiated\": \"0x1200000100020000\"},\n" \
	"\"config\": {}, \"rss\": null, \"hash_report\": null, \"unknown\": []}"

#define SMALL_RSS \
	"{\"hash_types\": [], \"unclassified_queue\": 0, \"max_tx_vq\": 1, \"indirection_table\": [0], \"key\": \"\"}"

/* Nobody knew what was negotiated; everything is offered. */
#define NO_FEATURES                                                                    \
	"{\"schema\": \"vdpa-restore/state\", \"version\": 1, \"compat\": 1,\n"        \
	"\"features\": {\"offered\": \"0x12300001007e0004\", \"negotiated\": null},\n" \
	"\"config\": {}, \"mac\": {\"unicast\": []}, \"unknown\": []}"

/* A packed ring and no control virtqueue. */
#define PACKED                                                                             \
	"{\"schema\": \"vdpa-restore/state\", \"version\": 1, \"compat\": 1,\n"            \
	"\"features\": {\"offered\": \"0x500000000\", \"negotiated\": \"0x500000000\"},\n" \
	"\"config\": {}, \"vrings\": [{\"index\": 2, \"size\": 200, \"base\": 4294967295}], \"unknown\": []}"
/* clang-format on */

/* @base with the one place where @from stands changed to @to; freed by caller. */
char *vdpr_test_edit(const char *base, const char *from, const char *to);
/* These fail the test when the library does not do what it should. */
struct vdpr_state *vdpr_test_parse(struct vdpr_ctx *ctx, const char *text);
/* A state of a few members: the rest of the file is @rest. */
struct vdpr_state *vdpr_test_state_of(struct vdpr_ctx *ctx, const char *offered,
				      const char *negotiated, const char *rest);
struct vdpr_state *vdpr_test_read(const char *path);
char *vdpr_test_format(struct vdpr_ctx *ctx, const struct vdpr_state *s);
/* The error is @want, and the message has @message, on one printable line. */
void vdpr_test_refused(struct vdpr_ctx *ctx, const char *text, size_t len,
		       int want, const char *message);

#endif
