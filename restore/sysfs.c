/* SPDX-License-Identifier: MIT */
/* What sysfs says of vdpa devices: names, parents, drivers, char devices. */
#include "restore/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "restore/ctx.h"
#include "restore/util.h"

#define SYSFS_DEVICES "/sys/bus/vdpa/devices"
#define CHAR_PREFIX "vhost-vdpa-"

/* Last component of what a symbolic link resolves to, or NULL. */
static char *link_base(const char *path)
{
	char target[PATH_MAX];
	const char *slash;

	if (!realpath(path, target))
		return NULL;
	slash = strrchr(target, '/');
	return strdup(slash ? slash + 1 : target);
}

static char *link_base_at(const char *dir, const char *name)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return NULL;
	}
	return link_base(path);
}

/*
 * The parent's driver is the key of the quirk table. A parent without a driver
 * goes by its class (VDUSE: "vduse"); vdpa_sim's devices have no parent at all.
 */
static char *parent_driver(const char *dir)
{
	char *driver = link_base_at(dir, "../driver");

	return driver ? driver : link_base_at(dir, "../subsystem");
}

/* Name of the parent device; "/sys/devices" itself is none. */
static char *parent_name(const char *dir)
{
	char *name = link_base_at(dir, "..");

	if (name && !strcmp(name, "devices")) {
		free(name);
		return NULL;
	}
	return name;
}

void vdpr_sysfs_identify(dev_t rdev, char **vdpa, char **driver)
{
	_cleanup_free_ char *link = NULL;
	char dir[PATH_MAX];
	char *slash;

	*vdpa = NULL;
	*driver = NULL;
	if (asprintf(&link, "/sys/dev/char/%u:%u", major(rdev), minor(rdev)) <
	    0) {
		link = NULL;
		return;
	}
	/* .../<parent>/<vdpa device>/vhost-vdpa-N */
	if (!realpath(link, dir))
		return;
	slash = strrchr(dir, '/');
	if (!slash || strncmp(slash + 1, CHAR_PREFIX, strlen(CHAR_PREFIX)) != 0)
		return;
	*slash = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*vdpa = strdup(slash + 1);
	*driver = parent_driver(dir);
}

/* The "vhost-vdpa-N" folder of a vdpa device, as "/dev/vhost-vdpa-N". */
static int find_chardev(const char *dir, char **out)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	int ret = -ENXIO;

	if (!d)
		return -errno;
	while ((entry = readdir(d))) {
		if (strncmp(entry->d_name, CHAR_PREFIX, strlen(CHAR_PREFIX)) !=
		    0)
			continue;
		ret = asprintf(out, "/dev/%s", entry->d_name) < 0 ? -ENOMEM : 0;
		break;
	}
	closedir(d);
	return ret;
}

int vdpr_sysfs_chardev(const char *vdpa, char **out)
{
	_cleanup_free_ char *dir = NULL;

	/* The name becomes part of a path: it must be one component. */
	if (!*vdpa || strchr(vdpa, '/') || !strcmp(vdpa, ".") ||
	    !strcmp(vdpa, ".."))
		return -ENOENT;
	if (asprintf(&dir, SYSFS_DEVICES "/%s", vdpa) < 0) {
		dir = NULL;
		return -ENOMEM;
	}
	return find_chardev(dir, out);
}

/* The management device's name as the vdpa tool prints it: "pci/0000:01:00.2";
 * a parent on no bus goes by its own name. */
static char *mgmtdev_name(const char *dir, const char *parent)
{
	_cleanup_buf_ struct vdpr_buf name = { 0 };
	_cleanup_free_ char *bus = link_base_at(dir, "../subsystem");

	if (bus)
		vdpr_buf_printf(&name, "%s/", bus);
	vdpr_buf_str(&name, parent);
	return TAKE_PTR(name.data);
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static int list_one(const char *name, vdpr_list_fn fn, void *data)
{
	_cleanup_free_ char *dir = NULL;
	_cleanup_free_ char *parent = NULL;
	_cleanup_free_ char *mgmtdev = NULL;
	_cleanup_free_ char *driver = NULL;
	_cleanup_free_ char *bound = NULL;
	_cleanup_free_ char *chardev = NULL;
	struct vdpr_list_entry entry = VDPR_INIT(struct vdpr_list_entry);
	char real[PATH_MAX];

	if (asprintf(&dir, SYSFS_DEVICES "/%s", name) < 0) {
		dir = NULL;
		return -ENOMEM;
	}
	/* ".." must mean the parent device, not the folder of links. */
	if (!realpath(dir, real))
		return -errno;
	parent = parent_name(real);
	driver = parent_driver(real);
	bound = link_base_at(real, "driver");
	mgmtdev = parent ? mgmtdev_name(real, parent) : NULL;
	if (find_chardev(real, &chardev))
		chardev = NULL;
	entry.name = name;
	entry.parent = or_empty(parent);
	entry.mgmtdev = or_empty(mgmtdev);
	entry.driver = or_empty(driver);
	entry.bound = or_empty(bound);
	entry.chardev = or_empty(chardev);
	return fn(data, &entry);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int vdpr_dev_list(struct vdpr_ctx *ctx, vdpr_list_fn fn, void *data)
{
	struct dirent **names = NULL;
	int ret = 0;
	int count;

	if (vdpr_any_null(ctx, fn))
		return -EINVAL;
	count = scandir(SYSFS_DEVICES, &names, visible, versionsort);
	if (count < 0) {
		ret = -errno;
		/* No vdpa bus: the module is not loaded, so there is none. */
		if (ret == -ENOENT)
			return 0;
		return vdpr_fail(ctx, VDPR_CAUSE_OTHER, ret, "%s: %s",
				 SYSFS_DEVICES, strerror(-ret));
	}
	for (int i = 0; i < count; i++) {
		if (!ret)
			ret = list_one(names[i]->d_name, fn, data);
		/* Deleted while we looked: not there any more. */
		if (ret == -ENOENT)
			ret = 0;
		free(names[i]);
	}
	free(names);
	return ret;
}
