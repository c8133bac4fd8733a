/* SPDX-License-Identifier: MIT */
/* export --as ethtool: a script that makes a Linux guest ask for the same. */
#include "cmd/export.h"

#include <string.h>

/*
 * For a guest whose state was lost and that nobody can restore from outside: the
 * commands that make virtio_net send the same control commands. In the order of a
 * restore; ethtool -L comes before -X, since it ends RSS.
 */

#define IFACE "\"$IFACE\""

static bool is_true(const struct export *e, const char *section,
		    const char *member)
{
	return cJSON_IsTrue(export_member(e, section, member));
}

/* --------------------------------------------------------------------- mac */

static void print_list(struct export *e, const char *member, const char *before,
		       const char *after)
{
	const cJSON *list = export_member(e, "mac", member);
	const cJSON *address;

	cJSON_ArrayForEach(address, list)
	{
		fprintf(e->to, "%s %s dev " IFACE "%s\n", before,
			cJSON_GetStringValue(address), after);
	}
}

static int print_mac(struct export *e, const cJSON *mac)
{
	const cJSON *address = cJSON_GetObjectItemCaseSensitive(mac, "address");

	if (cJSON_IsString(address))
		fprintf(e->to, "ip link set dev " IFACE " address %s\n",
			address->valuestring);
	print_list(e, "unicast", "bridge fdb add", " self permanent");
	print_list(e, "multicast", "ip maddress add", "");
	if (is_true(e, "mac", "unicast_overflow") ||
	    is_true(e, "mac", "multicast_overflow"))
		export_lost(e, "mac",
			    "there were more addresses than the table holds");
	return 0;
}

/* ----------------------------------------------------------------- rx_mode */

static void print_switch(struct export *e, const char *member, const char *word)
{
	const cJSON *value = export_member(e, "rx_mode", member);

	if (cJSON_IsBool(value))
		fprintf(e->to, "ip link set dev " IFACE " %s %s\n", word,
			cJSON_IsTrue(value) ? "on" : "off");
}

static int print_modes(struct export *e, const cJSON *modes)
{
	static const char *const others[] = { "all_unicast", "no_multicast",
					      "no_unicast", "no_broadcast" };

	(void)modes;
	print_switch(e, "promiscuous", "promisc");
	print_switch(e, "all_multicast", "allmulticast");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (is_true(e, "rx_mode", others[i]))
			export_lost(e, "rx_mode", "%s: Linux never asks for it",
				    others[i]);
	return 0;
}

/* -------------------------------------------------------------------- vlan */

/* "a-b" or one id. */
static void vlan_range(const cJSON *item, unsigned int *first,
		       unsigned int *last)
{
	char *end;

	*first = *last = (unsigned int)item->valuedouble;
	if (!cJSON_IsString(item))
		return;
	*first = (unsigned int)strtoul(item->valuestring, &end, 10);
	*last = (unsigned int)strtoul(end + (*end == '-'), NULL, 10);
}

static void print_vlan_range(struct export *e, unsigned int first,
			     unsigned int last)
{
	if (first == last)
		fprintf(e->to,
			"ip link add link " IFACE
			" name \"$IFACE.%u\" type vlan id %u\n",
			first, first);
	else
		fprintf(e->to,
			"for id in $(seq %u %u); do ip link add link " IFACE
			" name \"$IFACE.$id\" type vlan id \"$id\"; done\n",
			first, last);
}

/* A table that passes everything is what QEMU 8.1 to 10.0 begin with, more often than
 * a guest's wish. Its driver has no switch for it: virtio_net cannot be told not to
 * filter VLANs (ethtool -K rx-vlan-filter is fixed). */
static bool passes_all(struct export *e, const cJSON *ids)
{
	unsigned int first = 1, last = 0;

	if (cJSON_GetArraySize(ids) == 1)
		vlan_range(ids->child, &first, &last);
	if (first != 0 || last != 4095)
		return false;
	export_lost(
		e, "vlan",
		"all ids: a comment in the script: 4094 VLAN interfaces, or "
		"a bridge that filters them, make a guest hear them all");
	fputs("# ", e->to);
	print_vlan_range(e, 1, 4094);
	return true;
}

/* Linux takes VLAN 0 by itself, and no VLAN interface can have 4095. */
static int print_vlans(struct export *e, const cJSON *vlan)
{
	const cJSON *ids = cJSON_GetObjectItemCaseSensitive(vlan, "ids");
	const cJSON *item;

	if (passes_all(e, ids))
		return 0;
	cJSON_ArrayForEach(item, ids)
	{
		unsigned int first, last;

		vlan_range(item, &first, &last);
		if (last == 4095) {
			export_lost(e, "vlan",
				    "4095: no VLAN interface can have it");
			last--;
		}
		first += !first;
		if (first <= last)
			print_vlan_range(e, first, last);
	}
	return 0;
}

/* --------------------------------------------------------------------- rss */

/* Is entry i of the table i modulo some number? Return: it, or 0. */
static unsigned int equal_queues(const cJSON *table)
{
	unsigned int n = 0, next = 0;
	const cJSON *item;

	cJSON_ArrayForEach(item, table)
	{
		if (item->valuedouble >= n)
			n = (unsigned int)item->valuedouble + 1;
	}
	cJSON_ArrayForEach(item, table)
	{
		if ((unsigned int)item->valuedouble != next)
			return 0;
		next = next + 1 == n ? 0 : next + 1;
	}
	return n;
}

/* Does the table go through the queues once, upwards? ethtool fills it so. */
static bool is_ascending(const cJSON *table)
{
	double last = 0;
	const cJSON *item;

	cJSON_ArrayForEach(item, table)
	{
		if (item->valuedouble < last)
			return false;
		last = item->valuedouble;
	}
	return true;
}

static void print_weights(struct export *e, const cJSON *table)
{
	unsigned int queue = 0, count = 0;
	const cJSON *item;

	fputs(" weight", e->to);
	cJSON_ArrayForEach(item, table)
	{
		for (; queue < (unsigned int)item->valuedouble; queue++) {
			fprintf(e->to, " %u", count);
			count = 0;
		}
		count++;
	}
	fprintf(e->to, " %u", count);
}

static void print_key(struct export *e, const char *hex)
{
	fputs(" hkey ", e->to);
	for (size_t i = 0; hex[i] && hex[i + 1]; i += 2)
		fprintf(e->to, "%s%.2s", i ? ":" : "", hex + i);
}

static void print_table(struct export *e, const cJSON *table)
{
	unsigned int most = export_number(
		e, "config", "rss_max_indirection_table_length", 0);
	unsigned int n = equal_queues(table);

	if (most && (unsigned int)cJSON_GetArraySize(table) != most)
		export_lost(e, "rss",
			    "indirection_table: Linux always uses all %u "
			    "entries",
			    most);
	else if (n)
		fprintf(e->to, " equal %u", n);
	else if (is_ascending(table))
		print_weights(e, table);
	else
		export_lost(e, "rss",
			    "indirection_table: ethtool gives the queues their "
			    "entries in turn or one after another");
}

static bool has_type(const cJSON *types, const char *name)
{
	const cJSON *type;

	cJSON_ArrayForEach(type, types)
	{
		if (!strcmp(cJSON_GetStringValue(type), name))
			return true;
	}
	return false;
}

/* Linux cannot hash ports of an address family without its addresses. */
static const struct {
	const char *flow, *ports, *addresses;
} flows[] = {
	{ "tcp4", "tcpv4", "ipv4" },
	{ "udp4", "udpv4", "ipv4" },
	{ "tcp6", "tcpv6", "ipv6" },
	{ "udp6", "udpv6", "ipv6" },
};

static void print_types(struct export *e, const char *section,
			const cJSON *types)
{
	const cJSON *type;

	if (!cJSON_GetArraySize(types)) {
		fputs("ethtool -K " IFACE " rx-hashing off\n", e->to);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		bool ports = has_type(types, flows[i].ports);
		bool addresses = has_type(types, flows[i].addresses);

		if (ports && !addresses)
			export_lost(e, section,
				    "hash_types: Linux hashes %s only together "
				    "with %s",
				    flows[i].ports, flows[i].addresses);
		fprintf(e->to, "ethtool -N " IFACE " rx-flow-hash %s %s\n",
			flows[i].flow,
			ports	    ? "sdfn"
			: addresses ? "sd"
				    : "d");
	}
	cJSON_ArrayForEach(type, types)
	{
		const char *name = cJSON_GetStringValue(type);

		if (strstr(name, "_ex") || !strncmp(name, "bit_", 4))
			export_lost(e, section,
				    "hash_types: Linux never asks for %s",
				    name);
	}
}

static int print_hash(struct export *e, const cJSON *hash)
{
	const cJSON *table =
		cJSON_GetObjectItemCaseSensitive(hash, "indirection_table");
	const char *key = json_text(hash, "key");

	if (!cJSON_IsObject(hash))
		return 0;
	if (json_number(hash, "unclassified_queue") > 0)
		export_lost(e, "rss",
			    "unclassified_queue: Linux always takes 0");
	fputs("ethtool -X " IFACE, e->to);
	if (*key)
		print_key(e, key);
	if (table)
		print_table(e, table);
	fputc('\n', e->to);
	print_types(e, hash->string,
		    cJSON_GetObjectItemCaseSensitive(hash, "hash_types"));
	return 0;
}

/* ---------------------------------------------------------- pairs, offloads */

static int print_pairs(struct export *e, const cJSON *mq)
{
	fprintf(e->to, "ethtool -L " IFACE " combined %.0f\n",
		json_number(mq, "queue_pairs"));
	return 0;
}

/* virtio_net switches all of them together, but for the checksum. */
static int print_offloads(struct export *e, const cJSON *offloads)
{
	static const struct {
		const char *offload, *feature;
	} grouped[] = {
		{ "guest_tso4", "GUEST_TSO4" }, { "guest_tso6", "GUEST_TSO6" },
		{ "guest_ecn", "GUEST_ECN" },	{ "guest_ufo", "GUEST_UFO" },
		{ "guest_uso4", "GUEST_USO4" }, { "guest_uso6", "GUEST_USO6" },
	};
	unsigned int have = 0, on = 0;

	for (size_t i = 0; i < ARRAY_SIZE(grouped); i++) {
		have += export_negotiated(e, grouped[i].feature);
		on += has_type(offloads, grouped[i].offload);
	}
	if (have)
		fprintf(e->to, "ethtool -K " IFACE " rx-gro-hw %s\n",
			on ? "on" : "off");
	if (on && on != have)
		export_lost(e, "offloads",
			    "virtio_net switches TSO, ECN, UFO and USO only "
			    "together");
	if (export_negotiated(e, "GUEST_CSUM") &&
	    !has_type(offloads, "guest_csum"))
		export_lost(e, "offloads",
			    "guest_csum: virtio_net never switches it off "
			    "alone");
	return 0;
}

/* --------------------------------------------------------------- coalescing */

static void print_coalescing_of(struct export *e, const cJSON *values,
				const char *direction)
{
	fprintf(e->to, " %s-usecs %.0f %s-frames %.0f", direction,
		json_number(values, "max_usecs"), direction,
		json_number(values, "max_packets"));
}

static int print_coalescing(struct export *e, const cJSON *coalescing)
{
	const cJSON *rx = cJSON_GetObjectItemCaseSensitive(coalescing, "rx");
	const cJSON *tx = cJSON_GetObjectItemCaseSensitive(coalescing, "tx");
	const cJSON *queues =
		cJSON_GetObjectItemCaseSensitive(coalescing, "queues");
	const cJSON *queue;

	if (rx && tx) {
		fputs("ethtool -C " IFACE, e->to);
		print_coalescing_of(e, rx, "rx");
		print_coalescing_of(e, tx, "tx");
		fputc('\n', e->to);
	}
	cJSON_ArrayForEach(queue, queues)
	{
		unsigned int index = (unsigned int)json_number(queue, "index");

		if (index / 2 > 31) {
			export_lost(e, "coalescing",
				    "queue %u: no mask for it here", index);
			continue;
		}
		fprintf(e->to,
			"ethtool -Q " IFACE " queue_mask 0x%x --coalesce",
			1u << (index / 2));
		print_coalescing_of(e, queue, index % 2 ? "tx" : "rx");
		fputc('\n', e->to);
	}
	return 0;
}

/* ------------------------------------------------------------------ in order */

static const struct {
	const char *section;
	int (*print)(struct export *e, const cJSON *section);
} order[] = {
	{ "mac", print_mac },		{ "mq", print_pairs },
	{ "rss", print_hash },		{ "hash_report", print_hash },
	{ "offloads", print_offloads }, { "rx_mode", print_modes },
	{ "vlan", print_vlans },	{ "coalescing", print_coalescing },
};

int export_ethtool(struct export *e)
{
	int code = 0;

	fputs("IFACE=${IFACE:-eth0}\n", e->to);
	for (size_t i = 0; i < ARRAY_SIZE(order) && !code; i++) {
		const cJSON *section = cJSON_GetObjectItemCaseSensitive(
			e->state, order[i].section);

		if (section)
			code = order[i].print(e, section);
	}
	return code;
}
