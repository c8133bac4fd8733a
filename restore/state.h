/* SPDX-License-Identifier: MIT */
/* The state model: what a virtio-net device was told, and what is not known. */
#ifndef VDPR_STATE_H
#define VDPR_STATE_H

#include "include/vdpa-restore.h"
#include "restore/features.h"

/*
 * A member of a control section. Sections of a single member ("rss", "mq") have
 * one entry. The order is that of the file.
 */
enum vdpr_member {
	VDPR_MAC_ADDRESS,
	VDPR_MAC_UNICAST,
	VDPR_MAC_MULTICAST,
	VDPR_MAC_UNICAST_OVERFLOW,
	VDPR_MAC_MULTICAST_OVERFLOW,
	VDPR_RX_PROMISCUOUS,
	VDPR_RX_ALL_MULTICAST,
	VDPR_RX_ALL_UNICAST,
	VDPR_RX_NO_MULTICAST,
	VDPR_RX_NO_UNICAST,
	VDPR_RX_NO_BROADCAST,
	VDPR_VLAN_IDS,
	VDPR_MQ_QUEUE_PAIRS,
	VDPR_RSS,
	VDPR_HASH_REPORT,
	VDPR_OFFLOADS,
	VDPR_COAL_RX,
	VDPR_COAL_TX,
	VDPR_COAL_QUEUES,
	VDPR_MEMBER_COUNT
};

enum vdpr_section {
	VDPR_SECTION_MAC,
	VDPR_SECTION_RX_MODE,
	VDPR_SECTION_VLAN,
	VDPR_SECTION_MQ,
	VDPR_SECTION_RSS,
	VDPR_SECTION_HASH_REPORT,
	VDPR_SECTION_OFFLOADS,
	VDPR_SECTION_COALESCING,
	VDPR_SECTION_COUNT
};

/* Of each member. VDPR_NULL: a JSON null with the meaning of the format's table. */
enum vdpr_presence {
	VDPR_ABSENT = 0, /* the features do not allow it */
	VDPR_UNKNOWN,
	VDPR_NULL,
	VDPR_KNOWN,
};

/* Static facts of a member. */
struct vdpr_member_info {
	enum vdpr_section section;
	const char
		*name; /* "mac.unicast", or the section's for a single member */
	const char *key; /* "unicast"; NULL: the section itself is the value */
	bool nullable;
};
extern const struct vdpr_member_info vdpr_member_info[VDPR_MEMBER_COUNT];
extern const char *const vdpr_section_name[VDPR_SECTION_COUNT];

#define VDPR_KEY_MAX 255
#define VDPR_PAIRS_MAX 0x8000
#define VDPR_TABLE_MAX 65536
#define VDPR_VLANS 4096

/* Lists of a state keep their memory when they get shorter ("cap" entries): who
 * follows a guest for months allocates nothing for what has been before. */
struct vdpr_mac_list {
	size_t count, cap;
	uint8_t (*addr)[6]; /* in the order of the command */
};

struct vdpr_hash_key {
	uint8_t len;
	uint8_t bytes[VDPR_KEY_MAX];
};

struct vdpr_rss {
	uint32_t hash_types;
	uint16_t unclassified_queue;
	uint16_t max_tx_vq;
	uint32_t table_len; /* a power of two, 1..65536 */
	uint32_t table_cap;
	uint16_t *table;
	struct vdpr_hash_key key;
};

struct vdpr_hash_report {
	uint32_t hash_types;
	struct vdpr_hash_key key;
};

struct vdpr_coal {
	uint32_t max_packets;
	uint32_t max_usecs;
};

struct vdpr_coal_queue {
	uint16_t index; /* virtqueue index */
	struct vdpr_coal coal;
};

#define VDPR_VRING_SIZE BIT(0)
#define VDPR_VRING_BASE BIT(1)
#define VDPR_VRING_ENABLED BIT(2)
#define VDPR_VRING_DESC BIT(3)
#define VDPR_VRING_DRIVER BIT(4)
#define VDPR_VRING_DEVICE BIT(5)

struct vdpr_vring_state {
	uint32_t has; /* VDPR_VRING_* */
	uint32_t index;
	uint32_t size;
	uint32_t base;
	bool enabled;
	uint64_t desc, driver, device;
};

/* A list of strings. */
struct vdpr_strings {
	size_t count;
	char **text;
};

/* What the features object, sections and the rest of a state file say. */
struct vdpr_state {
	uint64_t version; /* of the file read; 1 for a new state */
	uint64_t compat;

	struct {
		char *time, *tool;
		bool present;
		struct vdpr_strings sources;
	} captured;
	struct {
		bool present;
		char *type, *name, *parent; /* each may be NULL */
	} device;
	struct {
		bool present;
		char *name, *version,
			*data; /* data: base64, never interpreted */
	} vendor;
	struct {
		size_t count;
		struct {
			char *name; /* section or section.member */
			char *source;
		} * entry;
	} origin;

	struct vdpr_features offered;
	struct vdpr_features negotiated; /* valid if negotiated_known */
	bool negotiated_known;
	bool has_backend_features;
	uint64_t backend_features;
	struct vdpr_net_config config;

	enum vdpr_presence member[VDPR_MEMBER_COUNT];
	/* Members, BIT(m) each, that a command set and nobody has judged yet: see
	 * vdpr_observe_judge(). */
	uint32_t unjudged;
	uint8_t mac[6];
	struct vdpr_mac_list unicast, multicast;
	bool unicast_overflow, multicast_overflow;
	bool promiscuous, all_multicast;
	bool all_unicast, no_multicast, no_unicast, no_broadcast;
	uint8_t vlan[VDPR_VLANS / 8]; /* bit n of byte n / 8: id n */
	uint16_t queue_pairs;
	struct vdpr_rss rss;
	struct vdpr_hash_report hash_report;
	uint64_t offloads;
	struct vdpr_coal coal_rx, coal_tx;
	size_t n_coal_queues, cap_coal_queues; /* ascending by index */
	struct vdpr_coal_queue *coal_queues;

	enum vdpr_presence announce; /* VDPR_ABSENT or VDPR_KNOWN */
	bool announce_pending;
	bool has_vrings;
	size_t n_vrings; /* ascending by index */
	struct vdpr_vring_state *vrings;

	/* Classes in "unknown" as class_N, N in VDPR_CLASS_FIRST_FOREIGN..255. */
	uint8_t unknown_class[256 / 8];
	/* Top-level sections of a newer version that were ignored. */
	struct vdpr_strings foreign;
};

/* Classes below are sections of their own. */
#define VDPR_CLASS_FIRST_FOREIGN 7

/* Feature test on what decides a state's shape: negotiated, else offered. */
bool vdpr_state_has_feature(const struct vdpr_state *state, unsigned int bit);

/* Is a member required (present or unknown) by the format's table of sections?
 * With negotiated features unknown: is it allowed? hash_report also depends on
 * rss, which must be set before.
 */
bool vdpr_member_required(const struct vdpr_state *state, enum vdpr_member m);

/* The feature, besides CTRL_VQ, that a member needs. */
unsigned int vdpr_member_feature(enum vdpr_member m);

/* Frees what a member holds and sets its presence. */
void vdpr_member_drop(struct vdpr_state *state, enum vdpr_member m,
		      enum vdpr_presence presence);

/* Is @a's member the same as @b's? Both are known or null. MAC lists are sets:
 * their order does not count. */
bool vdpr_member_equal(const struct vdpr_state *a, const struct vdpr_state *b,
		       enum vdpr_member m);

/* Makes @to's member a copy of @from's, presence included. 0 or -ENOMEM. */
int vdpr_member_copy(struct vdpr_state *to, const struct vdpr_state *from,
		     enum vdpr_member m);

/* First and number of members of a section: they are consecutive. */
enum vdpr_member vdpr_section_first(enum vdpr_section section);
unsigned int vdpr_section_members(enum vdpr_section section);

/* Makes every required member of a section unknown, the others absent, and frees
 * what they held. hash_report follows rss (vdpr_state_settle_hash). */
void vdpr_state_forget(struct vdpr_state *state, enum vdpr_section section);

/* Sets the whole control state to what a device holds right after reset (design:
 * address = config.mac, one pair, offloads all on, the rest empty). */
void vdpr_state_set_reset(struct vdpr_state *state);

/* Brings hash_report's presence in line after rss changed (absent while RSS is
 * in force, unknown while rss is; null when it becomes allowed again). */
void vdpr_state_settle_hash(struct vdpr_state *state);

/* Is anything unknown: a member, a class, a foreign section? */
bool vdpr_state_is_complete(const struct vdpr_state *state);

/* Appends the names of all that is unknown, in canonical order (whole section
 * where all its required members are unknown). Calls fn for each name. */
void vdpr_state_unknown(const struct vdpr_state *state,
			void (*fn)(void *data, const char *name), void *data);

/* Value helpers; each frees or replaces what was there. 0 or -ENOMEM. */
int vdpr_mac_list_set(struct vdpr_mac_list *list, const uint8_t *addr,
		      size_t count);
int vdpr_mac_list_grow(struct vdpr_mac_list *list, size_t count);
/* Room for so many, what is in it kept: so that the next set cannot fail. */
static inline int vdpr_mac_list_reserve(struct vdpr_mac_list *list,
					size_t count)
{
	return count <= list->cap ? 0 : vdpr_mac_list_grow(list, count);
}
void vdpr_mac_list_clear(struct vdpr_mac_list *list);
int vdpr_rss_grow(struct vdpr_rss *rss, uint32_t table_len);
static inline int vdpr_rss_reserve(struct vdpr_rss *rss, uint32_t table_len)
{
	return table_len <= rss->table_cap ? 0 : vdpr_rss_grow(rss, table_len);
}
/* Empty, but for the memory of the table. */
void vdpr_rss_empty(struct vdpr_rss *rss);
void vdpr_rss_clear(struct vdpr_rss *rss);
int vdpr_rss_copy(struct vdpr_rss *to, const struct vdpr_rss *from);
bool vdpr_rss_equal(const struct vdpr_rss *a, const struct vdpr_rss *b);
/* Inserts or replaces the entry of a queue, keeping the order. */
int vdpr_coal_queue_set(struct vdpr_state *state, uint16_t index,
			const struct vdpr_coal *coal);
/* Drops the entries of all receive (@rx) or transmit queues. */
void vdpr_coal_queues_drop(struct vdpr_state *state, bool rx);
int vdpr_strings_add(struct vdpr_strings *list, const char *text);
/* The same, but not twice. */
int vdpr_strings_add_new(struct vdpr_strings *list, const char *text);
void vdpr_strings_free(struct vdpr_strings *list);
/* Of vrings: how their positions were found, not who has told them. */
#define VDPR_ORIGIN_DEVICE "device"
#define VDPR_ORIGIN_USED_INDEX "guest-used-index"

int vdpr_origin_set(struct vdpr_state *state, const char *name,
		    const char *source);
void vdpr_origin_clear(struct vdpr_state *state);
/* Is it a section or section.member that can have a source? */
bool vdpr_origin_is_name(const char *name);
/* A member's own source, else its section's; NULL if neither has one. */
const char *vdpr_origin_get(const struct vdpr_state *state, const char *name);

/* Is it base64 with its padding? "" is. */
bool vdpr_is_base64(const char *text);

/* Copies; each frees what @to held. 0 or -ENOMEM. */
int vdpr_text_copy(char **to, const char *from);
int vdpr_device_copy(struct vdpr_state *to, const struct vdpr_state *from);
int vdpr_vendor_copy(struct vdpr_state *to, const struct vdpr_state *from);
int vdpr_vrings_copy(struct vdpr_state *to, const struct vdpr_state *from);
void vdpr_captured_clear(struct vdpr_state *state);
/* Adds the sources; time and tool only where @to has none. */
int vdpr_captured_add(struct vdpr_state *to, const struct vdpr_state *from);
/* What a restore needs of it: features, config, control sections, rings. */
int vdpr_state_copy_control(struct vdpr_ctx *ctx, const struct vdpr_state *from,
			    struct vdpr_state **out);
/* A state of its own, freed with vdpr_state_free(). */
int vdpr_state_copy(struct vdpr_ctx *ctx, const struct vdpr_state *from,
		    struct vdpr_state **out);

static inline bool vdpr_vlan_has(const struct vdpr_state *s, unsigned int id)
{
	return s->vlan[id / 8] >> (id % 8) & 1;
}

static inline void vdpr_vlan_set(struct vdpr_state *s, unsigned int id, bool on)
{
	uint8_t mask = (uint8_t)(1u << (id % 8));

	if (on)
		s->vlan[id / 8] |= mask;
	else
		s->vlan[id / 8] &= (uint8_t)~mask;
}

/* Most that max_virtqueue_pairs allows: config's, 1 where no feature brings more,
 * or VDPR_PAIRS_MAX where the limit is not known (@known may be NULL). */
uint32_t vdpr_state_max_pairs(const struct vdpr_state *state, bool *known);

/*
 * Range checks shared by the reader, the observer and the simulator's dump. Each
 * returns NULL if the value fits the format and @state's config, else a short
 * reason, written to @why, that names the member and the limit, such as
 * "indirection_table[3]: 7 is not below config.max_virtqueue_pairs (4)".
 */
#define VDPR_WHY 160
const char *vdpr_check_address(const uint8_t mac[6], char why[VDPR_WHY]);
const char *vdpr_check_mac_list(const struct vdpr_mac_list *list,
				bool multicast, char why[VDPR_WHY]);
const char *vdpr_check_pairs(const struct vdpr_state *state, uint32_t pairs,
			     char why[VDPR_WHY]);
const char *vdpr_check_hash(const struct vdpr_state *state, uint32_t hash_types,
			    size_t key_len, char why[VDPR_WHY]);
/* All of rss but its relation to mq.queue_pairs. */
const char *vdpr_check_rss(const struct vdpr_state *state,
			   const struct vdpr_rss *rss, char why[VDPR_WHY]);
const char *vdpr_check_offloads(const struct vdpr_state *state,
				uint64_t offloads, char why[VDPR_WHY]);
const char *vdpr_check_coal_queue(const struct vdpr_state *state,
				  uint32_t index, char why[VDPR_WHY]);
const char *vdpr_check_vring(const struct vdpr_state *state,
			     const struct vdpr_vring_state *vring,
			     char why[VDPR_WHY]);
/* Config members against their features and ranges. */
const char *vdpr_check_config(const struct vdpr_features *offered,
			      const struct vdpr_net_config *config,
			      char why[VDPR_WHY]);

/*
 * All rules of the format at once: what must be there, what must not, every
 * range. Returns NULL, or "PATH: reason" written to @why. What passes can be
 * written and will be read again.
 */
const char *vdpr_state_check(const struct vdpr_state *state,
			     char why[VDPR_WHY]);

#endif
