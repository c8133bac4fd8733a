/* SPDX-License-Identifier: MIT */
/* provision: makes a device that is what a saved state says, or none. */
#include "cmd/provision.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* Hardware takes its time to make a device. */
#define MAKE_TIMEOUT_MS 30000

static const struct option_info provision_options[] = {
	{ "--mgmtdev", NULL, "NAME", NULL, "management device that makes it" },
	{ "--name", NULL, "NAME", NULL, "what the new device is called" },
	{ "--for", NULL, "VMM", NULL,
	  "leave out what this VMM does not put up with, e.g. qemu-10.0" },
	{ "--warn", NULL, "WHAT", "mac|mtu|pairs|features",
	  "only warn if this cannot be as it was saved" },
	{ "--dry-run", NULL, NULL, NULL,
	  "make nothing, only print the equivalent command" },
	{ 0 },
};

/* What the words and options of one run come to. */
struct provision {
	struct cli *cli;
	const struct args *args;
	const char *name;
	const struct vmm *vmm;
	struct target target;
	struct wish wish;
	struct reasons reasons;
	char *command;
	bool created;
	char *chardev;
};

/* --------------------------------------------------------------- arguments */

static int need(struct cli *cli, const char *option, const char *value)
{
	return value ? 0
		     : fail(cli, VDPR_CAUSE_USAGE,
			    "vdpa-restore help provision shows all",
			    "provision: %s is missing", option);
}

int provision_check_name(struct cli *cli, const char *name)
{
	if (*name && !strchr(name, '/') && strlen(name) < VDPA_NAME_SIZE)
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE, NULL,
		    "%s: --name %s: cannot be the name of a vdpa device",
		    cli->command->name, name);
}

static int parse(struct provision *p)
{
	const char *mgmtdev = args_value(p->args, "--mgmtdev");
	int code;

	p->name = args_value(p->args, "--name");
	p->cli->device = p->name;
	p->cli->mgmtdev = mgmtdev;
	code = need(p->cli, "--mgmtdev", mgmtdev);
	if (!code)
		code = need(p->cli, "--name", p->name);
	if (!code)
		code = target_check_mgmtdev(p->cli, mgmtdev);
	if (!code)
		code = provision_check_name(p->cli, p->name);
	if (!code)
		code = vmm_parse(p->cli, p->args, &p->vmm);
	p->target.kind = TARGET_MGMTDEV;
	p->target.name = mgmtdev;
	return code;
}

/* ------------------------------------------------------------------ refusal */

/* All texts or cures of the refusals, "; " between; freed by the caller. */
static char *join(const cJSON *list, const char *key)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	const char *last = "";
	const cJSON *one;

	if (!to)
		return NULL;
	cJSON_ArrayForEach(one, list)
	{
		const char *part = json_text(one, key);

		if (*part && strcmp(part, last) != 0)
			fprintf(to, "%s%s", *last ? "; " : "", part);
		last = *part ? part : last;
	}
	fclose(to);
	return text;
}

static cJSON *result_object(struct provision *p, int code)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddNumberToObject(object, "exit", code);
	cJSON_AddStringToObject(object, "device", p->name);
	cJSON_AddStringToObject(object, "mgmtdev", p->target.name);
	json_add_text(object, "command", p->command);
	cJSON_AddBoolToObject(object, "created", p->created);
	json_add_text(object, "char", p->chardev);
	reasons_move(&p->reasons, object);
	return object;
}

/* Says all refusals in one line, and one by one in the object of --json. */
static int refuse(struct provision *p)
{
	_cleanup_free_ char *text = join(p->reasons.refusals, "text");
	_cleanup_free_ char *cure = join(p->reasons.refusals, "cure");
	_cleanup_free_ char *line = NULL;
	cJSON *object;

	if (!text || !cure ||
	    asprintf(&line, "%s: refused, %s: %s", p->name,
		     p->created ? "but still there" : "nothing was made",
		     text) < 0) {
		line = NULL;
		return fail_memory(p->cli);
	}
	if (p->cli->json) {
		object = result_object(p, VDPR_CAUSE_REFUSED);
		json_add_error(object, p->cli->stage, line, cure);
		out_json(p->cli, VDPR_CAUSE_REFUSED, object);
	}
	return fail(p->cli, VDPR_CAUSE_REFUSED, cure, "%s", line);
}

static void say_warnings(const struct provision *p)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, p->reasons.warnings)
	{
		note(p->cli, "warning: %s", json_text(one, "text"));
	}
}

/* --------------------------------------------------------------- the device */

/* What became of it in the end: a driver has taken it. */
static int find_entry(void *data, const struct vdpr_list_entry *entry)
{
	struct provision *p = data;
	const struct reason unbound = {
		"device",
		"device",
		"driver",
		"vhost_vdpa",
		entry->bound,
		"write its name to /sys/bus/vdpa/drivers/vhost_vdpa/bind"
	};

	if (strcmp(entry->name, p->name) != 0)
		return 0;
	if (*entry->chardev)
		p->chardev = strdup(entry->chardev);
	else
		reasons_add(p->reasons.warnings, &unbound,
			    "%s: bound to %s, so it has no char device",
			    p->name,
			    *entry->bound ? entry->bound : "no driver");
	return 1;
}

/* Makes nothing where the name is taken, or where somebody in the kernel holds
 * all requests up. */
static int check_free(struct provision *p)
{
	struct netlink_error error;
	struct vdpa_device device;
	struct vdpa_nl *nl;
	int err;

	if (vdpa_open(&nl, &error) < 0)
		return vdpa_fail(p->cli, &error);
	err = vdpa_nl_device(nl, p->name, &device, &error);
	vdpa_nl_close(nl);
	if (err == -ENODEV)
		return 0;
	if (err)
		return vdpa_fail(p->cli, &error);
	return fail(p->cli, VDPR_CAUSE_OTHER,
		    "give another --name, or vdpa-restore unprovision it",
		    "%s: there is a device of that name already", p->name);
}

static int add(struct provision *p, struct vdpa_nl *nl)
{
	struct vdpa_new new = wish_new(&p->wish, p->target.takes);
	struct netlink_error error;
	int err;

	new.name = p->name;
	new.mgmtdev = p->target.name;
	err = vdpa_nl_add(nl, &new, &error);
	if (!err) {
		p->created = true;
		return 0;
	}
	if (err == -EOPNOTSUPP)
		return fail(p->cli, VDPR_CAUSE_REFUSED,
			    "its driver does not take one of MAC, MTU, pairs "
			    "and features: --warn goes on without",
			    "%s", error.text);
	return vdpa_fail(p->cli, &error);
}

/* A device that is not what was wanted goes again, over a connection of its own:
 * the other one may have timed out. */
static int take_back(struct provision *p, int code)
{
	struct netlink_error error;
	struct vdpa_nl *nl = NULL;
	int err = vdpa_nl_open(MAKE_TIMEOUT_MS, &nl, &error);

	if (!err)
		err = vdpa_nl_delete(nl, p->name, &error);
	vdpa_nl_close(nl);
	p->created = err != 0;
	if (err)
		note(p->cli, "warning: it could not be removed again: %s",
		     error.text);
	return code;
}

static int make(struct provision *p, struct vdpa_nl *nl)
{
	struct netlink_error error;
	struct vdpa_config config;
	int code = add(p, nl);

	if (code)
		return code;
	if (vdpa_nl_config(nl, p->name, &config, &error) < 0)
		return take_back(p, vdpa_fail(p->cli, &error));
	wish_compare(&p->wish, p->name, &config, &p->reasons);
	if (reasons_fit(&p->reasons))
		return 0;
	take_back(p, 0);
	return refuse(p);
}

static bool is_readable(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, 0) > 0;
}

static int make_device(struct provision *p)
{
	struct netlink_error error;
	struct vdpa_nl *nl;
	int signals;
	int code;

	p->cli->stage = "netlink";
	code = check_free(p);
	if (code)
		return code;
	if (vdpa_nl_open(MAKE_TIMEOUT_MS, &nl, &error) < 0)
		return vdpa_fail(p->cli, &error);
	/* From here to the end no signal leaves half a device. */
	signals = signals_block();
	code = make(p, nl);
	vdpa_nl_close(nl);
	if (!code && is_readable(signals))
		return take_back(p, fail(p->cli, VDPR_CAUSE_OTHER, NULL,
					 "%s: interrupted", p->name));
	if (!code && vdpr_dev_list(p->cli->ctx, find_entry, p) < 0)
		return fail_ctx(p->cli);
	return code;
}

/* ------------------------------------------------------------------- the run */

static int answer(struct provision *p)
{
	say_warnings(p);
	if (p->cli->json)
		return out_json(p->cli, 0, result_object(p, 0));
	fprintf(p->cli->out, "%s\n", p->command);
	if (p->created)
		note(p->cli, "%s: made%s%s", p->name,
		     p->chardev ? ", it is " : "",
		     p->chardev ? p->chardev : "");
	return 0;
}

static int work(struct provision *p, const struct vdpr_state *state)
{
	_cleanup_json_ cJSON *object = input_object(p->cli, state);
	int code;

	if (!object)
		return VDPR_CAUSE_OTHER;
	code = target_open(p->cli, &p->target);
	if (code)
		return code;
	p->cli->stage = "compare";
	target_advise(&p->target, &p->reasons);
	wish_make(&p->wish, object, &p->target, p->vmm, p->args, &p->reasons);
	p->command = wish_command(&p->wish, p->target.takes, p->name,
				  p->target.name);
	if (!p->command)
		return fail_memory(p->cli);
	if (!reasons_fit(&p->reasons))
		return refuse(p);
	if (!args_has(p->args, "--dry-run"))
		code = make_device(p);
	return code ? code : answer(p);
}

static int provision_run(struct cli *cli, const struct args *args)
{
	_cleanup_state_ struct vdpr_state *state = NULL;
	struct provision p = { .cli = cli, .args = args };
	int code = parse(&p);

	if (!code)
		code = input_check_file(cli, args->words[0]);
	if (!code)
		code = input_state(cli, args->words[0], &state);
	if (code)
		return code;
	reasons_init(&p.reasons);
	code = work(&p, state);
	reasons_free(&p.reasons);
	target_close(&p.target);
	free(p.command);
	free(p.chardev);
	return code;
}

/* The same keys where an error came before there was an outcome. */
static cJSON *provision_failure(const struct cli *cli)
{
	static const char *const keys[] = { "command", "created", "char" };
	cJSON *object = cJSON_CreateObject();

	json_add_text(object, "device", cli->device);
	json_add_text(object, "mgmtdev", cli->mgmtdev);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		cJSON_AddNullToObject(object, keys[i]);
	cJSON_AddArrayToObject(object, "refusals");
	cJSON_AddArrayToObject(object, "warnings");
	return object;
}

const struct command cmd_provision = {
	.name = "provision",
	.synopsis =
		"FILE --mgmtdev NAME --name NAME [--for VMM] [--warn WHAT]... [--dry-run]",
	.summary = "Makes a device that is what a saved state says",
	.min_words = 1,
	.max_words = 1,
	.options = provision_options,
	.run = provision_run,
	.failure = provision_failure,
};
