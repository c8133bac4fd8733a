/* SPDX-License-Identifier: MIT */
/* unprovision: removes a device that nobody has open. */
#include "cmd/provision.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct option_info unprovision_options[] = {
	{ "--name", NULL, "NAME", NULL, "the device to be removed" },
	{ 0 },
};

/* Where a device is, by sysfs. */
struct place {
	const char *name;
	bool found;
	char *bound;
	char *chardev;
};

static int find_place(void *data, const struct vdpr_list_entry *entry)
{
	struct place *place = data;

	if (strcmp(entry->name, place->name) != 0)
		return 0;
	place->found = true;
	place->bound = strdup(entry->bound);
	place->chardev = strdup(entry->chardev);
	return place->bound && place->chardev ? 1 : -ENOMEM;
}

/* Those that this machine's process table shows. */
static int check_openers(struct cli *cli, const struct place *place)
{
	_cleanup_json_ cJSON *openers = list_openers(place->chardev);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *to;

	if (cJSON_IsArray(openers) && !cJSON_GetArraySize(openers))
		return 0;
	to = open_memstream(&text, &len);
	if (!to)
		return fail_memory(cli);
	list_print_openers(to, openers);
	fclose(to);
	text[strcspn(text, "\n")] = '\0';
	if (!cJSON_IsArray(openers))
		return fail(cli, VDPR_CAUSE_ACCESS, "run it as root",
			    "%s: whether a process has %s open cannot be seen",
			    place->name, place->chardev);
	return fail(cli, VDPR_CAUSE_ACCESS, "end it first",
		    "%s: open in process %s", place->name, text);
}

/*
 * A process of another namespace is in no table of ours, but there is only one
 * opener at a time. This open resets the device, which is about to go anyway.
 */
static int check_open(struct cli *cli, const struct place *place)
{
	int fd = open(place->chardev, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		return 0; /* not here, so nobody here has it */
	return fail(cli,
		    errno == EBUSY || errno == EACCES || errno == EPERM
			    ? VDPR_CAUSE_ACCESS
			    : VDPR_CAUSE_OTHER,
		    errno == EBUSY ? "end the process that has it, perhaps in "
				     "another container"
				   : "run it as root",
		    "%s: %s: open: %s", place->name, place->chardev,
		    strerror(errno));
}

static int check_free(struct cli *cli, const struct place *place)
{
	int code;

	if (!strcmp(place->bound, "virtio_vdpa"))
		return fail(cli, VDPR_CAUSE_ACCESS,
			    "unbind it from virtio_vdpa first",
			    "%s: in use by this machine's own network "
			    "(virtio_vdpa)",
			    place->name);
	if (!*place->chardev)
		return 0;
	code = check_openers(cli, place);
	return code ? code : check_open(cli, place);
}

/* Hardware takes its time. */
#define REMOVE_TIMEOUT_MS 30000

/* Is it there, and does the kernel answer? */
static int look(struct cli *cli, const char *name)
{
	struct netlink_error error;
	struct vdpa_device device;
	struct vdpa_nl *nl;
	int code = 0;

	if (vdpa_open(&nl, &error) < 0)
		return vdpa_fail(cli, &error);
	if (vdpa_nl_device(nl, name, &device, &error) < 0)
		code = vdpa_fail(cli, &error);
	vdpa_nl_close(nl);
	return code;
}

static int remove_device(struct cli *cli, const char *name)
{
	struct netlink_error error;
	struct vdpa_nl *nl;
	int code;

	cli->stage = "netlink";
	code = look(cli, name);
	if (code)
		return code;
	if (vdpa_nl_open(REMOVE_TIMEOUT_MS, &nl, &error) < 0)
		return vdpa_fail(cli, &error);
	if (vdpa_nl_delete(nl, name, &error) < 0)
		code = vdpa_fail(cli, &error);
	vdpa_nl_close(nl);
	return code;
}

static int answer(struct cli *cli, const char *name)
{
	cJSON *object;

	if (!cli->json) {
		note(cli, "%s: removed", name);
		return 0;
	}
	object = cJSON_CreateObject();
	cJSON_AddNumberToObject(object, "exit", 0);
	cJSON_AddStringToObject(object, "device", name);
	return out_json(cli, 0, object);
}

static int unprovision_run(struct cli *cli, const struct args *args)
{
	struct place place = { .name = args_value(args, "--name") };
	int code = 0;

	cli->device = place.name;
	if (!place.name)
		return fail(cli, VDPR_CAUSE_USAGE,
			    "give the device as --name NAME",
			    "unprovision: --name is missing");
	code = provision_check_name(cli, place.name);
	if (code)
		return code;
	cli->stage = "list";
	if (vdpr_dev_list(cli->ctx, find_place, &place) < 0)
		code = fail_ctx(cli);
	if (!code && place.found)
		code = check_free(cli, &place);
	/* Where sysfs has none, netlink says why not. */
	if (!code)
		code = remove_device(cli, place.name);
	free(place.bound);
	free(place.chardev);
	return code ? code : answer(cli, place.name);
}

static cJSON *unprovision_failure(const struct cli *cli)
{
	cJSON *object = cJSON_CreateObject();

	json_add_text(object, "device", cli->device);
	return object;
}

const struct command cmd_unprovision = {
	.name = "unprovision",
	.synopsis = "--name NAME",
	.summary = "Removes a device that nobody has open",
	.options = unprovision_options,
	.run = unprovision_run,
	.failure = unprovision_failure,
};
