/* SPDX-License-Identifier: MIT */
/* What the kernel tells of one of its network interfaces, for a state. */
#include "cmd/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_arp.h>

#define NETLINK_TIMEOUT_MS 3000

struct asking {
	struct cli *cli;
	struct netdev_nl *nl;
	struct netdev_seen *seen;
};

static int netdev_fail(struct cli *cli, const struct netlink_error *error)
{
	if (error->err == ENODEV)
		return fail(cli, VDPR_CAUSE_OTHER,
			    "ip link shows the interfaces of this network "
			    "namespace",
			    "%s", error->text);
	return vdpa_fail(cli, error);
}

/* What a driver does not have is no error, only not seen.
 * Return: 0 or an exit code. */
static int seen_or_not(struct asking *a, unsigned int what, int err,
		       const struct netlink_error *error)
{
	if (!err)
		a->seen->has |= what;
	if (!err || err == -EOPNOTSUPP)
		return 0;
	return netdev_fail(a->cli, error);
}

/* -------------------------------------------------------------------- sysfs */

/* One line of a file in sysfs. Return: false where there is none. */
static bool read_line(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	if (n <= 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

static bool read_attribute(const struct netdev_link *l, const char *attribute,
			   char *text, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", l->name,
		 attribute);
	return read_line(path, text, size);
}

/* /sys may show another network namespace, with another interface of that name. */
static bool sysfs_shows(const struct netdev_link *l)
{
	char text[64], mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x",
		 l->address[0], l->address[1], l->address[2], l->address[3],
		 l->address[4], l->address[5]);
	return read_attribute(l, "ifindex", text, sizeof(text)) &&
	       strtol(text, NULL, 10) == l->index &&
	       read_attribute(l, "address", text, sizeof(text)) &&
	       !strcmp(text, mac);
}

/* Written as the bits in their order, bit 0 first. */
static bool parse_features(const char *text, struct vdpr_features *out)
{
	struct vdpr_features f = { { 0, 0 } };
	size_t len = strlen(text);

	if (len < 64 || len > 128 || strspn(text, "01") != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '1')
			f.word[i / 64] |= UINT64_C(1) << (i % 64);
	*out = f;
	return true;
}

/* The features that the driver negotiated, if this is a virtio device. Since
 * Linux 5.14 the interface tells which; that folder is in no namespace. */
static int read_features(struct asking *a)
{
	struct netdev_seen *s = a->seen;
	const struct netdev_link *l = &s->link;
	char path[160], text[160];

	if (!strcmp(l->parent_bus, "virtio"))
		snprintf(path, sizeof(path),
			 "/sys/bus/virtio/devices/%s/features", l->parent);
	else if (!*l->parent_bus && sysfs_shows(l))
		snprintf(path, sizeof(path),
			 "/sys/class/net/%s/device/features", l->name);
	else
		return 0;
	if (!read_line(path, text, sizeof(text)))
		return *l->parent_bus ? fail(a->cli, VDPR_CAUSE_OTHER,
					     "is /sys mounted?",
					     "%s: read features: %s: %s",
					     s->name, path, strerror(errno))
				      : 0;
	s->is_virtio = parse_features(text, &s->bits);
	return 0;
}

static void read_flags(struct asking *a)
{
	struct netdev_seen *s = a->seen;
	char text[64];
	bool here = sysfs_shows(&s->link);

	s->address_is_random = here &&
			       read_attribute(&s->link, "addr_assign_type",
					      text, sizeof(text)) &&
			       !strcmp(text, "1");
	if (s->link.has & NETDEV_ALLMULTI) {
		s->all_multicast = s->link.allmulti;
		s->has |= SEEN_ALLMULTI;
	} else if (here &&
		   read_attribute(&s->link, "flags", text, sizeof(text))) {
		/* Before Linux 6.0 netlink shows only what users asked for. */
		s->all_multicast = strtoul(text, NULL, 16) & IFF_ALLMULTI;
		s->has |= SEEN_ALLMULTI;
	}
}

/* ------------------------------------------------------------------ netlink */

static int read_addresses(struct asking *a)
{
	struct netdev_seen *s = a->seen;
	struct netlink_error error;

	if (netdev_nl_addresses(a->nl, s->link.index, &s->addresses,
				&s->n_addresses, &error) < 0)
		return netdev_fail(a->cli, &error);
	return 0;
}

/* The VLANs of its filter, or why they are not known. */
static const char *find_vlans(struct netdev_seen *s,
			      const struct netdev_link *links, size_t n)
{
	bool vlan_zero = access("/proc/net/vlan", F_OK) == 0 &&
			 netdev_is_active(&s->features, "rx-vlan-filter");

	if (s->is_virtio && (s->has & SEEN_FEATURES) &&
	    !netdev_is_active(&s->features, "rx-vlan-filter"))
		return "the driver's rx-vlan-filter is off";
	for (size_t i = 0; i < n; i++)
		if (links[i].index == s->link.index)
			return netdev_vlan_filter(links, n, i, vlan_zero,
						  &s->vlans);
	return "the interface went away";
}

static int read_vlans(struct asking *a)
{
	struct netdev_seen *s = a->seen;
	_cleanup_free_ struct netdev_link *links = NULL;
	struct netlink_error error;
	const char *why;
	size_t n = 0;

	if (netdev_nl_links(a->nl, &links, &n, &error) < 0)
		return netdev_fail(a->cli, &error);
	why = find_vlans(s, links, n);
	if (why) {
		if (!s->is_virtio || netdev_has_bit(s, "CTRL_VLAN"))
			note(a->cli, "%s: vlan: not known: %s", s->name, why);
		return 0;
	}
	if ((s->link.has & NETDEV_MASTER) &&
	    netdev_nl_bridge_vlans(a->nl, s->link.index, &s->vlans, &error) < 0)
		return netdev_fail(a->cli, &error);
	s->has |= SEEN_VLANS;
	return 0;
}

static int read_rss(struct asking *a)
{
	struct netdev_seen *s = a->seen;
	struct netlink_error error;
	int err = netdev_nl_rss(a->nl, s->name, &s->rss, &error);
	int code = seen_or_not(a, SEEN_RSS, err, &error);

	if (code || err)
		return code;
	err = netdev_nl_hash_fields(s->name, &s->hash, &error);
	return seen_or_not(a, SEEN_HASH, err, &error);
}

static int read_queues(struct asking *a)
{
	struct netdev_seen *s = a->seen;
	uint32_t n = netdev_pairs(s);
	struct netlink_error error;

	if (!netdev_has_bit(s, "VQ_NOTF_COAL") || n > UINT16_MAX)
		return 0;
	s->queue = calloc(n, sizeof(*s->queue));
	if (!s->queue)
		return fail_memory(a->cli);
	for (uint32_t i = 0; i < n; i++) {
		int err = netdev_nl_queue_coalesce(s->name, i, &s->queue[i],
						   &error);

		if (err == -EOPNOTSUPP) {
			free(s->queue);
			s->queue = NULL;
			return 0;
		}
		if (err)
			return netdev_fail(a->cli, &error);
	}
	s->n_queues = n;
	return 0;
}

static int read_ethtool(struct asking *a)
{
	struct netdev_seen *s = a->seen;
	struct netlink_error error;
	int err = netdev_nl_features(a->nl, s->name, &s->features, &error);
	int code = seen_or_not(a, SEEN_FEATURES, err, &error);

	if (code)
		return code;
	err = netdev_nl_channels(a->nl, s->name, &s->channels, &error);
	code = seen_or_not(a, SEEN_CHANNELS, err, &error);
	if (code)
		return code;
	err = netdev_nl_coalesce(a->nl, s->name, &s->coalesce, &error);
	code = seen_or_not(a, SEEN_COALESCE, err, &error);
	return code ? code : read_rss(a);
}

/* In this order: VLANs want the features, and queues their number. */
static int (*const steps[])(struct asking *a) = {
	read_features, read_addresses, read_ethtool, read_vlans, read_queues,
};

static int look(struct asking *a)
{
	struct netlink_error error;
	int code = 0;

	if (netdev_nl_link(a->nl, a->seen->name, &a->seen->link, &error) < 0)
		return netdev_fail(a->cli, &error);
	if (a->seen->link.type != ARPHRD_ETHER ||
	    !(a->seen->link.has & NETDEV_ADDRESS))
		return fail(a->cli, VDPR_CAUSE_OTHER, NULL,
			    "%s: look at the interface: not an Ethernet one",
			    a->seen->name);
	read_flags(a);
	for (size_t i = 0; i < ARRAY_SIZE(steps) && !code; i++)
		code = steps[i](a);
	return code;
}

int netdev_check_name(struct cli *cli, const char *name)
{
	if (*name && strlen(name) < NETDEV_NAME_SIZE && !strpbrk(name, "/ \t"))
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE,
		    "give the name that ip link shows, such as eth0",
		    "%s: --netdev %s: not the name of a network interface",
		    cli->command->name, name);
}

int netdev_state(struct cli *cli, const char *name, struct vdpr_state **out)
{
	struct netdev_seen seen = { .name = name };
	struct asking a = { .cli = cli, .seen = &seen };
	struct netlink_error error;
	int code;

	cli->stage = "netlink";
	if (netdev_nl_open(NETLINK_TIMEOUT_MS, &a.nl, &error) < 0)
		return vdpa_fail(cli, &error);
	code = look(&a);
	netdev_nl_close(a.nl);
	if (!code)
		code = netdev_make_state(cli, &seen, out);
	free(seen.addresses);
	free(seen.rss.table);
	free(seen.queue);
	return code;
}
