/* SPDX-License-Identifier: MIT */
/* What a state is checked against: an open device, one that netlink tells of, or
 * one that a management device could make. */
#include "cmd/target.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/utsname.h>

static unsigned int running_kernel(void)
{
	struct utsname name;
	unsigned long a, b;
	char *end;

	if (uname(&name) < 0)
		return 0;
	a = strtoul(name.release, &end, 10);
	if (*end != '.')
		return 0;
	b = strtoul(end + 1, NULL, 10);
	return (unsigned int)(a << 16 | b << 8);
}

/* ------------------------------------------------------------ an open device */

static int open_device(struct cli *cli, struct target *t)
{
	int code = input_open(cli, t->name, &t->dev);

	if (code)
		return code;
	cli->stage = "examine";
	t->seen = VDPR_SEEN_ALL;
	return vdpr_dev_examine(cli->ctx, t->dev, &t->info) < 0 ? fail_ctx(cli)
								: 0;
}

/* ---------------------------------------------------------- seen by netlink */

static int copy(char **to, const char *from)
{
	char *text = strdup(from);

	if (!text)
		return -ENOMEM;
	free(*to);
	*to = text;
	return 0;
}

/* What sysfs has of one vdpa device. */
static int take_entry(void *data, const struct vdpr_list_entry *entry)
{
	struct target *t = data;

	if (strcmp(entry->name, t->name) != 0)
		return 0;
	if (copy(&t->driver, entry->driver) || copy(&t->bound, entry->bound) ||
	    copy(&t->chardev, entry->chardev))
		return -ENOMEM;
	return 1;
}

/* The simulator has no parent in sysfs: it goes by its management device. */
static int find_driver(struct cli *cli, struct target *t, const char *mgmtdev)
{
	if (vdpr_dev_list(cli->ctx, take_entry, t) < 0)
		return fail_ctx(cli);
	if (!*t->driver && !strchr(mgmtdev, '/') && copy(&t->driver, mgmtdev))
		return fail_memory(cli);
	t->info.driver = t->driver;
	return 0;
}

static void take_config(struct target *t, const struct vdpa_config *c,
			const struct vdpa_device *device)
{
	struct vdpr_dev_info *info = &t->info;

	info->config = vdpa_net_config(c);
	info->vqs = device->max_vqs;
	info->vring_num = device->max_vq_size;
	t->in_use = c->has & VDPA_CONFIG_NEGOTIATED;
	t->seen = VDPR_SEEN_VRING_NUM;
	if (!(c->has & VDPA_CONFIG_FEATURES))
		return;
	t->seen |= VDPR_SEEN_FEATURES;
	info->features.word[0] = c->features;
	/* Not told: but then the number of queues has it. */
	if (info->config.has & VDPR_CONFIG_MAX_PAIRS)
		return;
	info->config.has |= VDPR_CONFIG_MAX_PAIRS;
	info->config.max_virtqueue_pairs =
		pairs_of_vqs(device->max_vqs, c->features);
}

static int look(struct cli *cli, struct vdpa_nl *nl, struct target *t)
{
	struct netlink_error error;
	struct vdpa_device device;
	struct vdpa_config config;
	int code = vdpa_read_config(cli, nl, t->name, &config);

	if (code)
		return code;
	if (vdpa_nl_device(nl, t->name, &device, &error) < 0)
		return vdpa_fail(cli, &error);
	take_config(t, &config, &device);
	return find_driver(cli, t, device.mgmtdev);
}

/* ------------------------------------------------------- not created yet */

int target_check_mgmtdev(struct cli *cli, const char *name)
{
	if (*name && strlen(name) < VDPA_MGMTDEV_SIZE)
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE,
		    "give it as vdpa-restore list shows it",
		    "%s: --mgmtdev %s: not the name of a management device",
		    cli->command->name, name);
}

/* "BUS/DEVICE", or "DEVICE" alone, which then is its own driver. */
static int mgmtdev_driver(struct cli *cli, struct target *t)
{
	const char *slash = strchr(t->name, '/');
	char path[PATH_MAX], link[PATH_MAX];
	const char *base;

	if (!slash)
		return copy(&t->driver, t->name) ? fail_memory(cli) : 0;
	snprintf(path, sizeof(path), "/sys/bus/%.*s/devices/%s/driver",
		 (int)(slash - t->name), t->name, slash + 1);
	if (!realpath(path, link))
		return 0;
	base = strrchr(link, '/');
	return base && copy(&t->driver, base + 1) ? fail_memory(cli) : 0;
}

static const struct vdpa_mgmtdev *find_mgmtdev(const struct vdpa_mgmtdev *list,
					       size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

/* The most that a device of it can be. */
static void take_most(struct target *t)
{
	struct vdpr_net_config *config = &t->info.config;
	const struct vdpa_mgmtdev *m = &t->mgmtdev;

	if (m->has_features) {
		t->seen |= VDPR_SEEN_FEATURES;
		t->info.features.word[0] = m->features;
	}
	if (m->has_max_vqs) {
		t->info.vqs = m->max_vqs;
		config->has |= VDPR_CONFIG_MAX_PAIRS;
		config->max_virtqueue_pairs =
			pairs_of_vqs(m->max_vqs, m->features);
	}
	/* What can be given need not be compared. */
	if (t->takes & VDPA_CONFIG_MTU) {
		config->has |= VDPR_CONFIG_MTU;
		config->mtu = UINT16_MAX;
	}
}

static int look_mgmtdev(struct cli *cli, struct vdpa_nl *nl, struct target *t)
{
	_cleanup_free_ struct vdpa_mgmtdev *list = NULL;
	const struct vdpa_mgmtdev *found;
	struct netlink_error error;
	size_t n = 0;
	int code;

	if (vdpa_nl_mgmtdevs(nl, &list, &n, &error) < 0)
		return vdpa_fail(cli, &error);
	found = find_mgmtdev(list, n, t->name);
	if (!found)
		return fail(cli, VDPR_CAUSE_OTHER,
			    "vdpa-restore list shows the management devices",
			    "%s: no such management device", t->name);
	t->mgmtdev = *found;
	code = mgmtdev_driver(cli, t);
	if (code)
		return code;
	t->info.driver = t->driver;
	t->takes = mgmtdev_takes(t->driver, t->kernel);
	take_most(t);
	return 0;
}

/* --------------------------------------------------------------- all kinds */

static int open_netlink(struct cli *cli, struct target *t)
{
	struct netlink_error error;
	struct vdpa_nl *nl;
	int code;

	cli->stage = "netlink";
	if (vdpa_open(&nl, &error) < 0)
		return vdpa_fail(cli, &error);
	code = t->kind == TARGET_VDPA ? look(cli, nl, t)
				      : look_mgmtdev(cli, nl, t);
	vdpa_nl_close(nl);
	return code;
}

int target_open(struct cli *cli, struct target *t)
{
	t->info = (struct vdpr_dev_info)VDPR_INIT(struct vdpr_dev_info);
	t->info.config =
		(struct vdpr_net_config)VDPR_INIT(struct vdpr_net_config);
	t->info.name = t->name;
	t->info.driver = "";
	t->kernel = running_kernel();
	if (copy(&t->driver, "") || copy(&t->bound, "") ||
	    copy(&t->chardev, ""))
		return fail_memory(cli);
	return t->kind == TARGET_DEVICE ? open_device(cli, t)
					: open_netlink(cli, t);
}

void target_close(struct target *t)
{
	vdpr_dev_close(t->dev);
	free(t->driver);
	free(t->bound);
	free(t->chardev);
}

/* ----------------------------------------------------------------- reasons */

/* Who has it, as text; freed by the caller. */
static char *holders(const struct target *t)
{
	_cleanup_json_ cJSON *openers = list_openers(t->chardev);
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	list_print_openers(to, openers);
	fclose(to);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static void advise_use(const struct target *t, struct reasons *reasons)
{
	const struct reason used = {
		"device", "device", "in use",
		"free",	  "in use", "end who uses it before the restore"
	};
	const struct reason unbound = {
		"device",
		"device",
		"driver",
		"vhost_vdpa",
		t->bound,
		"write its name to /sys/bus/vdpa/drivers/vhost_vdpa/bind"
	};
	_cleanup_free_ char *who = NULL;

	if (strcmp(t->bound, "vhost_vdpa") != 0)
		reasons_add(reasons->warnings, &unbound,
			    "%s: bound to %s, so it has no char device",
			    t->name, *t->bound ? t->bound : "no driver");
	who = *t->chardev ? holders(t) : NULL;
	if (who && strcmp(who, "-") != 0 && strcmp(who, "not known") != 0)
		reasons_add(reasons->warnings, &used, "%s: open in process %s",
			    t->name, who);
	else if (t->in_use)
		reasons_add(reasons->warnings, &used,
			    "%s: in use: a driver has negotiated features",
			    t->name);
}

static void advise_mgmtdev(const struct target *t, struct reasons *reasons)
{
	const struct reason class = {
		"device", "device", "class",
		"net",	  "other",  "use a management device of a NIC"
	};
	const struct reason mac = {
		"config", "config",   "mac",
		"",	  "not seen", "set it where the device itself gets it"
	};

	if (t->mgmtdev.classes && !(t->mgmtdev.classes >> VDPA_ID_NET & 1))
		reasons_add(reasons->refusals, &class,
			    "%s: makes no network devices", t->name);
	if (!(t->takes & VDPA_CONFIG_MAC))
		reasons_add(reasons->warnings, &mac,
			    "%s: a new device cannot be given a MAC: it has "
			    "the one that its hardware has",
			    t->name);
}

void target_advise(const struct target *t, struct reasons *reasons)
{
	if (t->kind == TARGET_VDPA)
		advise_use(t, reasons);
	if (t->kind == TARGET_MGMTDEV)
		advise_mgmtdev(t, reasons);
}
