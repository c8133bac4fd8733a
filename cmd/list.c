/* SPDX-License-Identifier: MIT */
/* list: the vdpa devices of this machine and who holds them. */
#include "cmd/cmd.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option_info list_options[] = { { 0 } };

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

/* Who has a char device open. Return: an array; null where some process could
 * not be looked at and none was found. */
static cJSON *find_openers(const char *chardev)
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

static int add_device(void *data, const struct vdpr_list_entry *entry)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "name", entry->name);
	json_add_text(object, "parent", entry->parent);
	json_add_text(object, "driver", entry->driver);
	json_add_text(object, "bound", entry->bound);
	json_add_text(object, "mgmtdev", entry->mgmtdev);
	json_add_text(object, "char", entry->chardev);
	cJSON_AddItemToObject(object, "openers", find_openers(entry->chardev));
	/* Only netlink tells, and this version does not speak it. */
	cJSON_AddNullToObject(object, "negotiated");
	cJSON_AddItemToArray(data, object);
	return 0;
}

static void print_openers(FILE *to, const cJSON *openers)
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

static void print_table(FILE *to, const cJSON *devices)
{
	static const char *const columns[] = { "name", "driver", "bound",
					       "char" };
	static const int width[] = { 16, 14, 12, 20 };
	const cJSON *device;

	fprintf(to, "%-16s %-14s %-12s %-20s %s\n", "NAME", "DRIVER", "BOUND",
		"CHARDEV", "OPENERS");
	cJSON_ArrayForEach(device, devices)
	{
		for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
			const char *text = json_text(device, columns[i]);

			fprintf(to, "%-*s ", width[i], *text ? text : "-");
		}
		print_openers(to, cJSON_GetObjectItemCaseSensitive(device,
								   "openers"));
	}
}

static int list_run(struct cli *cli, const struct args *args)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *devices;

	(void)args;
	cli->stage = "list";
	cJSON_AddNumberToObject(object, "exit", 0);
	devices = cJSON_AddArrayToObject(object, "devices");
	if (vdpr_dev_list(cli->ctx, add_device, devices) < 0) {
		cJSON_Delete(object);
		return fail_ctx(cli);
	}
	if (!cJSON_GetArraySize(devices))
		note(cli, "no vdpa devices on this machine");
	if (cli->json) {
		cJSON_AddArrayToObject(object, "mgmtdevs");
		return out_json(cli, 0, object);
	}
	if (cJSON_GetArraySize(devices) > 0)
		print_table(cli->out, devices);
	cJSON_Delete(object);
	return 0;
}

const struct command cmd_list = {
	.name = "list",
	.synopsis = "",
	.summary = "Shows the vdpa devices of this machine and who holds them",
	.options = list_options,
	.run = list_run,
};
