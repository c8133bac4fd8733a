/* SPDX-License-Identifier: MIT */
/* What was seen of a network interface, as a state. */
#include "cmd/netdev.h"

#include <string.h>

#include <linux/if.h>

/*
 * The state begins with all that its features ask for unknown. Each section is then
 * read as a state file of its own and merged: the library checks it, and what it
 * does not accept stays unknown, with its reason.
 */

/* What a device without virtio's features would need to hold what is seen of it. */
static const struct {
	const char *feature;
	unsigned int seen; /* SEEN_*; 0: always */
} made_up[] = {
	{ "MTU", 0 },
	{ "MAC", 0 },
	{ "CTRL_VQ", 0 },
	{ "CTRL_RX", 0 },
	{ "CTRL_VLAN", 0 },
	{ "CTRL_MAC_ADDR", 0 },
	{ "MQ", SEEN_CHANNELS },
	{ "NOTF_COAL", SEEN_COALESCE },
	{ "RSS", SEEN_RSS },
};

static void set_bit(struct vdpr_features *f, const char *feature)
{
	int bit = vdpr_feature_bit(feature);

	if (bit >= 0)
		f->word[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool has_bit(const struct vdpr_features *f, const char *feature)
{
	int bit = vdpr_feature_bit(feature);

	return bit >= 0 && (f->word[bit / 64] >> (bit % 64) & 1);
}

bool netdev_has_bit(const struct netdev_seen *s, const char *feature)
{
	return has_bit(&s->bits, feature);
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t netdev_pairs(const struct netdev_seen *s)
{
	const struct netdev_channels *c = &s->channels;

	return s->has & SEEN_CHANNELS ? c->combined + min_u32(c->rx, c->tx) : 1;
}

uint32_t netdev_max_pairs(const struct netdev_seen *s)
{
	const struct netdev_channels *c = &s->channels;

	return s->has & SEEN_CHANNELS
		       ? c->max_combined + min_u32(c->max_rx, c->max_tx)
		       : 1;
}

/* ----------------------------------------------------------------- sections */

static cJSON *mac_text(const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5]);
	return cJSON_CreateString(text);
}

/* A virtio driver that is down has told its device nothing of the lists since. */
static bool lists_are_known(const struct netdev_seen *s)
{
	return !s->is_virtio || (s->link.flags & IFF_UP);
}

static cJSON *mac_list(const struct netdev_seen *s, int multicast)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < s->n_addresses; i++)
		if ((s->addresses[i].mac[0] & 1) == multicast)
			cJSON_AddItemToArray(array,
					     mac_text(s->addresses[i].mac));
	return array;
}

static cJSON *mac_section(const struct netdev_seen *s)
{
	cJSON *mac = cJSON_CreateObject();

	/* Whether the device was told a random one depends on the driver. */
	if (netdev_has_bit(s, "CTRL_MAC_ADDR") &&
	    (netdev_has_bit(s, "MAC") || !s->address_is_random))
		cJSON_AddItemToObject(mac, "address",
				      mac_text(s->link.address));
	if (!netdev_has_bit(s, "CTRL_RX") || !lists_are_known(s))
		return mac;
	cJSON_AddItemToObject(mac, "unicast", mac_list(s, 0));
	cJSON_AddItemToObject(mac, "multicast", mac_list(s, 1));
	cJSON_AddFalseToObject(mac, "unicast_overflow");
	cJSON_AddFalseToObject(mac, "multicast_overflow");
	return mac;
}

static cJSON *rx_mode_section(const struct netdev_seen *s)
{
	cJSON *mode;

	if (!netdev_has_bit(s, "CTRL_RX") || !lists_are_known(s))
		return NULL;
	mode = cJSON_CreateObject();
	cJSON_AddBoolToObject(mode, "promiscuous", s->link.promiscuity > 0);
	if (s->has & SEEN_ALLMULTI)
		cJSON_AddBoolToObject(mode, "all_multicast", s->all_multicast);
	return mode;
}

static cJSON *vlan_section(const struct netdev_seen *s)
{
	cJSON *vlan, *ids;

	if (!netdev_has_bit(s, "CTRL_VLAN") || !(s->has & SEEN_VLANS))
		return NULL;
	vlan = cJSON_CreateObject();
	ids = cJSON_AddArrayToObject(vlan, "ids");
	for (unsigned int id = 0; id < NETDEV_VLANS; id++)
		if (netdev_vlans_has(&s->vlans, id))
			cJSON_AddItemToArray(ids, cJSON_CreateNumber(id));
	return vlan;
}

static cJSON *mq_section(const struct netdev_seen *s)
{
	cJSON *mq;

	if (!netdev_has_bit(s, "MQ") || !(s->has & SEEN_CHANNELS))
		return NULL;
	mq = cJSON_CreateObject();
	cJSON_AddNumberToObject(mq, "queue_pairs", netdev_pairs(s));
	return mq;
}

/* In the order of their bits. */
static const struct {
	const char *type;
	enum netdev_flow flow;
	unsigned int field;
} hash_types[] = {
	{ "ipv4", NETDEV_FLOW_IP4, NETDEV_HASH_ADDRESSES },
	{ "tcpv4", NETDEV_FLOW_TCP4, NETDEV_HASH_PORTS },
	{ "udpv4", NETDEV_FLOW_UDP4, NETDEV_HASH_PORTS },
	{ "ipv6", NETDEV_FLOW_IP6, NETDEV_HASH_ADDRESSES },
	{ "tcpv6", NETDEV_FLOW_TCP6, NETDEV_HASH_PORTS },
	{ "udpv6", NETDEV_FLOW_UDP6, NETDEV_HASH_PORTS },
};

/* Hash types and key, which rss and hash_report share; NULL where virtio has no
 * words for what is hashed. */
static cJSON *hash_object(const struct netdev_seen *s)
{
	_cleanup_free_ char *key = out_hex(s->rss.key, s->rss.key_len);
	cJSON *object, *types;

	for (size_t i = 0; i < NETDEV_FLOW_COUNT; i++)
		if (s->hash.fields[i] & NETDEV_HASH_OTHER)
			return NULL;
	object = cJSON_CreateObject();
	types = cJSON_AddArrayToObject(object, "hash_types");
	for (size_t i = 0; i < ARRAY_SIZE(hash_types); i++)
		if (s->hash.fields[hash_types[i].flow] & hash_types[i].field)
			cJSON_AddItemToArray(
				types, cJSON_CreateString(hash_types[i].type));
	cJSON_AddStringToObject(object, "key", key ? key : "");
	return object;
}

static bool has_hash(const struct netdev_seen *s)
{
	return (s->has & SEEN_RSS) && (s->has & SEEN_HASH);
}

static cJSON *rss_section(const struct netdev_seen *s)
{
	cJSON *rss, *table;

	if (!netdev_has_bit(s, "RSS") || !has_hash(s) || !s->rss.n)
		return NULL;
	rss = hash_object(s);
	if (!rss)
		return NULL;
	/* Linux's driver sends all that it cannot hash to the first queue. */
	cJSON_AddNumberToObject(rss, "unclassified_queue", 0);
	cJSON_AddNumberToObject(rss, "max_tx_vq", netdev_pairs(s));
	table = cJSON_AddArrayToObject(rss, "indirection_table");
	for (size_t i = 0; i < s->rss.n; i++)
		cJSON_AddItemToArray(table,
				     cJSON_CreateNumber(s->rss.table[i]));
	return rss;
}

static cJSON *hash_report_section(const struct netdev_seen *s)
{
	if (!netdev_has_bit(s, "HASH_REPORT") || netdev_has_bit(s, "RSS") ||
	    !has_hash(s))
		return NULL;
	return hash_object(s);
}

/* What Linux's driver switches off with rx-gro-hw; "guest_csum" it keeps. */
static const struct {
	const char *offload;
	const char *feature;
	bool gro;
} offloads[] = {
	{ "guest_csum", "GUEST_CSUM", false },
	{ "guest_tso4", "GUEST_TSO4", true },
	{ "guest_tso6", "GUEST_TSO6", true },
	{ "guest_ecn", "GUEST_ECN", true },
	{ "guest_ufo", "GUEST_UFO", true },
	{ "guest_uso4", "GUEST_USO4", true },
	{ "guest_uso6", "GUEST_USO6", true },
};

static cJSON *offloads_section(const struct netdev_seen *s)
{
	bool gro = netdev_is_active(&s->features, "rx-gro-hw");
	cJSON *array;

	/* With an XDP program in the driver all of them are off for a while. */
	if (!netdev_has_bit(s, "CTRL_GUEST_OFFLOADS") || s->link.xdp ||
	    !(s->has & SEEN_FEATURES))
		return NULL;
	/* It is off from the beginning, and nothing was sent, without these. */
	if (!netdev_has_bit(s, "GUEST_TSO4") &&
	    !netdev_has_bit(s, "GUEST_TSO6"))
		return NULL;
	array = cJSON_CreateArray();
	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++)
		if (netdev_has_bit(s, offloads[i].feature) &&
		    (gro || !offloads[i].gro))
			cJSON_AddItemToArray(
				array, cJSON_CreateString(offloads[i].offload));
	return array;
}

static cJSON *coalesce_object(uint32_t frames, uint32_t usecs)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddNumberToObject(object, "max_packets", frames);
	cJSON_AddNumberToObject(object, "max_usecs", usecs);
	return object;
}

static void add_queue(cJSON *array, uint32_t index, uint32_t frames,
		      uint32_t usecs, uint32_t all_frames, uint32_t all_usecs)
{
	cJSON *object;

	if (frames == all_frames && usecs == all_usecs)
		return;
	object = cJSON_CreateObject();
	cJSON_AddNumberToObject(object, "index", index);
	cJSON_AddNumberToObject(object, "max_packets", frames);
	cJSON_AddNumberToObject(object, "max_usecs", usecs);
	cJSON_AddItemToArray(array, object);
}

/* Queues that differ from what all of them were set to. */
static cJSON *coalesce_queues(const struct netdev_seen *s)
{
	const struct netdev_coalesce none = { 0 };
	const struct netdev_coalesce *all =
		netdev_has_bit(s, "NOTF_COAL") ? &s->coalesce : &none;
	cJSON *array = cJSON_CreateArray();

	for (uint32_t i = 0; i < s->n_queues; i++) {
		const struct netdev_coalesce *q = &s->queue[i];

		add_queue(array, 2 * i, q->rx_frames, q->rx_usecs,
			  all->rx_frames, all->rx_usecs);
		add_queue(array, 2 * i + 1, q->tx_frames, q->tx_usecs,
			  all->tx_frames, all->tx_usecs);
	}
	return array;
}

/* Members that adapt themselves have no value of their own. */
static cJSON *coalescing_section(const struct netdev_seen *s)
{
	const struct netdev_coalesce *c = &s->coalesce;
	bool adaptive = c->adaptive_rx || c->adaptive_tx;
	cJSON *object;

	if (!(s->has & SEEN_COALESCE))
		return NULL;
	object = cJSON_CreateObject();
	if (netdev_has_bit(s, "NOTF_COAL") && !c->adaptive_rx)
		cJSON_AddItemToObject(
			object, "rx",
			coalesce_object(c->rx_frames, c->rx_usecs));
	if (netdev_has_bit(s, "NOTF_COAL") && !c->adaptive_tx)
		cJSON_AddItemToObject(
			object, "tx",
			coalesce_object(c->tx_frames, c->tx_usecs));
	if (s->queue && !adaptive)
		cJSON_AddItemToObject(object, "queues", coalesce_queues(s));
	return object;
}

static const struct {
	const char *name;
	cJSON *(*make)(const struct netdev_seen *s);
} sections[] = {
	{ "mac", mac_section },
	{ "rx_mode", rx_mode_section },
	{ "vlan", vlan_section },
	{ "mq", mq_section },
	{ "rss", rss_section },
	{ "hash_report", hash_report_section },
	{ "offloads", offloads_section },
	{ "coalescing", coalescing_section },
};

/* ------------------------------------------------------------------- config */

static void config_link(const struct netdev_seen *s, struct vdpr_net_config *c)
{
	const struct netdev_link *l = &s->link;

	/* A device may show another MAC here once it was given one. */
	if (netdev_has_bit(s, "MAC") &&
	    (!s->is_virtio || ((l->has & NETDEV_PERMANENT) &&
			       !memcmp(l->permanent, l->address, 6)))) {
		c->has |= VDPR_CONFIG_MAC;
		memcpy(c->mac, l->address, sizeof(c->mac));
	}
	if (netdev_has_bit(s, "STATUS") && (l->flags & IFF_UP) &&
	    (l->has & NETDEV_CARRIER)) {
		c->has |= VDPR_CONFIG_LINK_UP;
		c->link_up = l->carrier;
	}
	/* The driver allows no more than the device has. */
	if (netdev_has_bit(s, "MTU")) {
		uint32_t mtu = s->is_virtio ? l->max_mtu : l->mtu;

		c->has |= mtu <= UINT16_MAX ? VDPR_CONFIG_MTU : 0;
		c->mtu = (uint16_t)mtu;
	}
}

static void config_queues(const struct netdev_seen *s,
			  struct vdpr_net_config *c)
{
	bool rss = netdev_has_bit(s, "RSS");

	if ((netdev_has_bit(s, "MQ") || rss) && (s->has & SEEN_CHANNELS)) {
		c->has |= VDPR_CONFIG_MAX_PAIRS;
		c->max_virtqueue_pairs = (uint16_t)netdev_max_pairs(s);
	}
	if (!(s->has & SEEN_RSS))
		return;
	if (rss || netdev_has_bit(s, "HASH_REPORT")) {
		c->has |= VDPR_CONFIG_RSS_KEY;
		c->rss_max_key_size = (uint8_t)s->rss.key_len;
	}
	if (rss && s->rss.n && s->rss.n <= UINT16_MAX) {
		c->has |= VDPR_CONFIG_RSS_TABLE;
		c->rss_max_indirection_table_length = (uint16_t)s->rss.n;
	}
}

/* -------------------------------------------------------------------- state */

/* A state file with one section, as far as @base goes; freed by the caller. */
static char *section_file(cJSON *base, const char *name, cJSON *section)
{
	cJSON *file = cJSON_Duplicate(base, true);
	cJSON *features = cJSON_GetObjectItemCaseSensitive(file, "features");
	char *text;

	cJSON_ReplaceItemInObjectCaseSensitive(features, "negotiated",
					       cJSON_CreateNull());
	cJSON_ReplaceItemInObjectCaseSensitive(file, "unknown",
					       cJSON_CreateArray());
	cJSON_AddItemToObject(file, name, section);
	text = cJSON_PrintUnformatted(file);
	cJSON_Delete(file);
	return text;
}

static int merge_section(struct cli *cli, const struct netdev_seen *s,
			 const char *text, struct vdpr_state *into)
{
	_cleanup_state_ struct vdpr_state *part = NULL;

	if (vdpr_state_parse(cli->ctx, text, strlen(text), &part) < 0) {
		note(cli, "%s: left unknown: %s", s->name,
		     vdpr_ctx_error(cli->ctx));
		return 0;
	}
	return vdpr_state_merge(cli->ctx, into, part, NULL) < 0 ? fail_ctx(cli)
								: 0;
}

static int add_sections(struct cli *cli, const struct netdev_seen *s,
			struct vdpr_state *state)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ cJSON *base = NULL;
	int code = 0;

	if (vdpr_state_format(cli->ctx, state, &text, NULL) < 0)
		return fail_ctx(cli);
	base = cJSON_Parse(text);
	if (!base)
		return fail_memory(cli);
	for (size_t i = 0; i < ARRAY_SIZE(sections) && !code; i++) {
		_cleanup_free_ char *file = NULL;
		cJSON *section = sections[i].make(s);

		if (!section)
			continue;
		file = section_file(base, sections[i].name, section);
		code = file ? merge_section(cli, s, file, state)
			    : fail_memory(cli);
	}
	return code;
}

/* What the interface shows and still cannot prove. */
static void say_doubts(struct cli *cli, const struct netdev_seen *s)
{
	if (!s->is_virtio)
		note(cli,
		     "%s: not a virtio device: the features in the state are "
		     "those that what was seen of it needs",
		     s->name);
	else if (!lists_are_known(s))
		note(cli,
		     "%s: is down: what its device was last told of lists and "
		     "receive modes is not known",
		     s->name);
	if (s->is_virtio && netdev_has_bit(s, "RSS") && has_hash(s))
		note(cli,
		     "%s: rss: what its driver shows%s; a driver that set the "
		     "number of queue pairs last may have put it out of force",
		     s->name,
		     netdev_is_active(&s->features, "rx-hashing")
			     ? ""
			     : ", with rx-hashing off (then no types may be in "
			       "force)");
}

static int start_state(struct cli *cli, const struct netdev_seen *s,
		       struct vdpr_state *state)
{
	const struct vdpr_features *negotiated = s->is_virtio ? &s->bits : NULL;
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);

	config_link(s, &config);
	config_queues(s, &config);
	if (vdpr_state_start(cli->ctx, state, &s->bits, negotiated, &config,
			     VDPR_STATE_NOT_FROM_RESET) == 0)
		return 0;
	/* A driver's limits need not be ones that virtio can have. */
	note(cli, "%s: left out: %s", s->name, vdpr_ctx_error(cli->ctx));
	return vdpr_state_start(cli->ctx, state, &s->bits, negotiated, NULL,
				VDPR_STATE_NOT_FROM_RESET) < 0
		       ? fail_ctx(cli)
		       : 0;
}

int netdev_make_state(struct cli *cli, const struct netdev_seen *seen,
		      struct vdpr_state **out)
{
	_cleanup_state_ struct vdpr_state *state = NULL;
	struct netdev_seen s = *seen;
	int code;

	for (size_t i = 0; i < ARRAY_SIZE(made_up) && !s.is_virtio; i++)
		if (!made_up[i].seen || (s.has & made_up[i].seen))
			set_bit(&s.bits, made_up[i].feature);
	if (vdpr_state_new(cli->ctx, &state) < 0)
		return fail_ctx(cli);
	code = start_state(cli, &s, state);
	if (!code)
		code = add_sections(cli, &s, state);
	if (!code)
		code = input_origin(cli, state, "netdev", s.name);
	if (code)
		return code;
	say_doubts(cli, &s);
	*out = state;
	state = NULL;
	return 0;
}
