/* SPDX-License-Identifier: MIT */
/* list: vdpa devices, who holds them, and the devices that make them. */
#include "cmd/cmd.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netlink/vdpa.h"

static const struct option_info list_options[] = {
	{ "--qemu-stream", NULL, "FILE", NULL,
	  "the devices in a migration stream of QEMU's instead" },
	{ 0 },
};

static DIR *opendir_at(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

/*
 * Only descriptors whose name looks like a device are asked: a stat() on any
 * other one may hang on a dead file server.
 */
static bool descriptor_is(int dirfd, const char *name, dev_t rdev)
{
	char target[256];
	struct stat st;
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	if (strncmp(target, "/dev/", 5) != 0 && !strstr(target, "vhost-vdpa"))
		return false;
	return fstatat(dirfd, name, &st, 0) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == rdev;
}

/* Return: 1 the process has the device open, 0 not, -errno not known. */
static int process_holds(int proc, const char *pid, dev_t rdev)
{
	char path[64];
	struct dirent *e;
	int held = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	dir = opendir_at(proc, path);
	if (!dir)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	while (!held && (e = readdir(dir)))
		held = isdigit((unsigned char)e->d_name[0]) &&
		       descriptor_is(dirfd(dir), e->d_name, rdev);
	closedir(dir);
	return held;
}

static void add_opener(cJSON *array, int proc, const char *pid)
{
	cJSON *object = cJSON_CreateObject();
	char path[64], comm[64];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%.20s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, comm, sizeof(comm) - 1);
		close(fd);
	}
	comm[n > 0 ? n : 0] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	cJSON_AddNumberToObject(object, "pid", (double)strtoul(pid, NULL, 10));
	cJSON_AddStringToObject(object, "comm", comm);
	cJSON_AddItemToArray(array, object);
}

cJSON *list_openers(const char *chardev)
{
	cJSON *array = cJSON_CreateArray();
	bool blind = false;
	struct dirent *e;
	struct stat st;
	DIR *proc;

	if (!*chardev)
		return array;
	proc = opendir("/proc");
	if (!proc || stat(chardev, &st) < 0)
		blind = true;
	while (!blind && (e = readdir(proc))) {
		int held = 0;

		if (isdigit((unsigned char)e->d_name[0]))
			held = process_holds(dirfd(proc), e->d_name,
					     st.st_rdev);
		if (held > 0)
			add_opener(array, dirfd(proc), e->d_name);
		blind |= held < 0;
	}
	if (proc)
		closedir(proc);
	if (!blind || cJSON_GetArraySize(array) > 0)
		return array;
	cJSON_Delete(array);
	return cJSON_CreateNull();
}

/* The first entry of a folder that begins so. Return: false: none. */
static bool find_entry(const char *folder, const char *start, char *name,
		       size_t size)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		found = e->d_name[0] != '.' &&
			!strncmp(e->d_name, start, strlen(start)) &&
			strlen(e->d_name) < size;
		if (found)
			snprintf(name, size, "%s", e->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/*
 * The kernel's own network interface on a device, for save --netdev. The virtio
 * device is a child of whatever does the DMA: the vdpa device, or its parent.
 */
static void add_netdev(cJSON *object, const struct vdpr_list_entry *entry)
{
	static const char *const places[] = { "", "/.." };
	char folder[320], virtio[64], name[64] = "";

	for (size_t i = 0; i < ARRAY_SIZE(places) && !*name; i++) {
		int n = snprintf(folder, sizeof(folder),
				 "/sys/bus/vdpa/devices/%.128s%s", entry->name,
				 places[i]);

		if (strcmp(entry->bound, "virtio_vdpa") != 0 ||
		    !find_entry(folder, "virtio", virtio, sizeof(virtio)))
			continue;
		snprintf(folder + n, sizeof(folder) - (size_t)n, "/%s/net",
			 virtio);
		find_entry(folder, "", name, sizeof(name));
	}
	json_add_text(object, "netdev", name);
}

/* ---------------------------------------------------------------- netlink */

/* A list in the making. */
struct listing {
	struct cli *cli;
	struct vdpa_nl *nl; /* NULL: netlink cannot be asked */
	cJSON *devices;
};

/* Once the kernel has not answered it will not answer the next time either. */
static void give_up_netlink(struct listing *l)
{
	vdpa_nl_close(l->nl);
	l->nl = NULL;
}

static void add_features(cJSON *object, const char *key, bool known,
			 uint64_t features)
{
	const struct vdpr_features f = { { features, 0 } };
	char hex[FEATURES_TEXT];

	out_features_hex(&f, hex);
	json_add_text(object, key, known ? hex : NULL);
}

/* What the guest's driver acknowledged, while it is in force. */
static void add_negotiated(struct listing *l, cJSON *object, const char *name)
{
	struct vdpa_config config = { 0 };
	struct netlink_error error;
	int err = 0;

	if (l->nl)
		err = vdpa_nl_config(l->nl, name, &config, &error);
	/* Of devices that are not for network some kernels tell nothing. */
	if (err && err != -EOPNOTSUPP)
		note(l->cli, "%s", error.text);
	if (err == -ETIMEDOUT)
		give_up_netlink(l);
	add_features(object, "negotiated", config.has & VDPA_CONFIG_NEGOTIATED,
		     config.negotiated);
}

static void add_classes(cJSON *object, uint64_t classes)
{
	static const char *const names[64] = { [1] = "net", [2] = "block" };
	cJSON *array = cJSON_AddArrayToObject(object, "classes");
	char text[16];

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(classes >> i & 1))
			continue;
		snprintf(text, sizeof(text), "virtio_%u", i);
		cJSON_AddItemToArray(
			array, cJSON_CreateString(names[i] ? names[i] : text));
	}
}

static void add_mgmtdev(cJSON *array, const struct vdpa_mgmtdev *m)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "name", m->name);
	add_classes(object, m->classes);
	add_features(object, "features", m->has_features, m->features);
	if (m->has_max_vqs)
		cJSON_AddNumberToObject(object, "max_vqs", m->max_vqs);
	else
		cJSON_AddNullToObject(object, "max_vqs");
	cJSON_AddItemToArray(array, object);
}

/* Return: an array; null where there may be some that could not be seen. */
static cJSON *find_mgmtdevs(const struct listing *l)
{
	_cleanup_free_ struct vdpa_mgmtdev *list = NULL;
	struct netlink_error error;
	cJSON *array;
	size_t n = 0;

	if (!l->nl) /* without the module there are none */
		return access("/sys/bus/vdpa", F_OK) < 0 ? cJSON_CreateArray()
							 : cJSON_CreateNull();
	if (vdpa_nl_mgmtdevs(l->nl, &list, &n, &error) < 0) {
		note(l->cli, "%s", error.text);
		return cJSON_CreateNull();
	}
	array = cJSON_CreateArray();
	for (size_t i = 0; i < n; i++)
		add_mgmtdev(array, &list[i]);
	return array;
}

/* ---------------------------------------------------------------- devices */

/* sysfs does not show where every device comes from: the simulator's has no
 * parent there. */
static void add_mgmtdev_name(const struct listing *l, cJSON *object,
			     const struct vdpr_list_entry *entry)
{
	struct vdpa_device device;

	if (l->nl && vdpa_nl_device(l->nl, entry->name, &device, NULL) == 0)
		json_add_text(object, "mgmtdev", device.mgmtdev);
	else
		json_add_text(object, "mgmtdev", entry->mgmtdev);
}

static int add_device(void *data, const struct vdpr_list_entry *entry)
{
	struct listing *l = data;
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "name", entry->name);
	json_add_text(object, "parent", entry->parent);
	json_add_text(object, "driver", entry->driver);
	json_add_text(object, "bound", entry->bound);
	add_mgmtdev_name(l, object, entry);
	json_add_text(object, "char", entry->chardev);
	add_netdev(object, entry);
	cJSON_AddItemToObject(object, "openers", list_openers(entry->chardev));
	add_negotiated(l, object, entry->name);
	cJSON_AddItemToArray(l->devices, object);
	return 0;
}

void list_print_openers(FILE *to, const cJSON *openers)
{
	const cJSON *one;
	const char *separator = "";

	if (!cJSON_IsArray(openers))
		fputs("not known", to);
	else if (!cJSON_GetArraySize(openers))
		fputs("-", to);
	cJSON_ArrayForEach(one, openers)
	{
		fprintf(to, "%s%.0f ", separator, json_number(one, "pid"));
		out_text(to, json_text(one, "comm"));
		separator = ", ";
	}
	fputc('\n', to);
}

/* Who uses a device: processes, or the kernel as an interface of its own. */
static void print_users(FILE *to, const cJSON *device)
{
	const char *netdev = json_text(device, "netdev");

	if (*netdev) {
		fputs("interface ", to);
		out_text(to, netdev);
		fputc('\n', to);
		return;
	}
	list_print_openers(to,
			   cJSON_GetObjectItemCaseSensitive(device, "openers"));
}

static void print_table(FILE *to, const cJSON *devices)
{
	static const struct {
		const char *key;
		const char *head;
		int width;
	} columns[] = {
		{ "name", "NAME", 12 },
		{ "driver", "DRIVER", 13 },
		{ "mgmtdev", "MGMTDEV", 17 },
		{ "bound", "BOUND", 11 },
		{ "char", "CHARDEV", 18 },
		{ "negotiated", "NEGOTIATED", 18 },
	};
	const cJSON *device;

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		fprintf(to, "%-*s ", columns[i].width, columns[i].head);
	fputs("OPENERS\n", to);
	cJSON_ArrayForEach(device, devices)
	{
		for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
			const char *text = json_text(device, columns[i].key);

			fprintf(to, "%-*s ", columns[i].width,
				*text ? text : "-");
		}
		print_users(to, device);
	}
}

static void print_mgmtdevs(FILE *to, const cJSON *mgmtdevs)
{
	const cJSON *one;

	fprintf(to, "%-32s %-7s %s\n", "MGMTDEV", "MAX_VQS", "FEATURES");
	cJSON_ArrayForEach(one, mgmtdevs)
	{
		const char *features = json_text(one, "features");

		fprintf(to, "%-32s %-7.0f %s\n", json_text(one, "name"),
			json_number(one, "max_vqs"),
			*features ? features : "-");
	}
}

static void print_tables(FILE *to, const cJSON *devices, const cJSON *mgmtdevs)
{
	bool both = cJSON_GetArraySize(devices) > 0 &&
		    cJSON_GetArraySize(mgmtdevs) > 0;

	if (cJSON_GetArraySize(devices) > 0)
		print_table(to, devices);
	if (both)
		fputc('\n', to);
	if (cJSON_GetArraySize(mgmtdevs) > 0)
		print_mgmtdevs(to, mgmtdevs);
}

/* Without netlink, sysfs still has the devices. */
static struct vdpa_nl *try_netlink(const struct cli *cli)
{
	struct netlink_error error;
	struct vdpa_nl *nl = NULL;

	if (vdpa_open(&nl, &error) == 0)
		return nl;
	if (error.err == ENOENT && access("/sys/bus/vdpa", F_OK) < 0)
		note(cli, "the vdpa module is not loaded; load it with "
			  "modprobe vdpa");
	else
		note(cli,
		     "%s; so management devices and negotiated features are "
		     "not known",
		     error.text);
	return NULL;
}

static int list_devices(struct cli *cli)
{
	struct listing l = { .cli = cli };
	cJSON *object = cJSON_CreateObject();
	cJSON *mgmtdevs;
	int err;

	cli->stage = "list";
	cJSON_AddNumberToObject(object, "exit", 0);
	l.devices = cJSON_AddArrayToObject(object, "devices");
	l.nl = try_netlink(cli);
	err = vdpr_dev_list(cli->ctx, add_device, &l);
	mgmtdevs = find_mgmtdevs(&l);
	cJSON_AddItemToObject(object, "mgmtdevs", mgmtdevs);
	vdpa_nl_close(l.nl);
	if (err < 0) {
		cJSON_Delete(object);
		return fail_ctx(cli);
	}
	if (!cJSON_GetArraySize(l.devices))
		note(cli, "no vdpa devices on this machine");
	if (cli->json)
		return out_json(cli, 0, object);
	print_tables(cli->out, l.devices, mgmtdevs);
	cJSON_Delete(object);
	return 0;
}

static int list_run(struct cli *cli, const struct args *args)
{
	const char *stream = args_value(args, "--qemu-stream");

	return stream ? qemu_list_stream(cli, stream) : list_devices(cli);
}

const struct command cmd_list = {
	.name = "list",
	.synopsis = "[--qemu-stream FILE]",
	.summary = "Shows the vdpa devices of this machine and who holds them",
	.options = list_options,
	.run = list_run,
};
