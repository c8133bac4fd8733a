/* SPDX-License-Identifier: MIT */
/* Sources of VMMs: which file or socket, which NIC. */
#include "cmd/cmd.h"

#include <string.h>
#include <sys/stat.h>

/* "PLACE[,KEY=NIC]", taken apart. */
struct place {
	char *path;	 /* freed by place_free() */
	const char *nic; /* borrowed from the source's name, or NULL */
};

/* The last of its kind: a path may hold commas too. */
static const char *find_nic(const char *name, const char *key)
{
	const char *found = NULL;

	for (const char *hit = name; (hit = strstr(hit, key)); hit++)
		found = hit;
	return found;
}

static int place_parse(struct cli *cli, const char *name, const char *key,
		       struct place *out)
{
	const char *at = find_nic(name, key);

	out->nic = at ? at + strlen(key) : NULL;
	out->path = at ? strndup(name, (size_t)(at - name)) : strdup(name);
	return out->path ? 0 : fail_memory(cli);
}

static void place_free(struct place *place)
{
	free(place->path);
}

int capture_check(struct cli *cli, const char *name)
{
	if (*name && *name != ',')
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE, NULL,
		    "%s: %s: a source without a path", cli->command->name,
		    *name ? name : "\"\"");
}

/* Of the library's last error. */
static int fail_capture(struct cli *cli, const char *path, const char *key)
{
	_cleanup_free_ char *cure = NULL;
	_cleanup_free_ char *text = NULL;

	if (vdpr_ctx_cause(cli->ctx) != VDPR_CAUSE_USAGE)
		return path ? input_fail(cli, path) : fail_ctx(cli);
	text = strdup(vdpr_ctx_error(cli->ctx));
	if (!text || asprintf(&cure, "name one of them with %sID", key) < 0) {
		cure = NULL;
		return fail_memory(cli);
	}
	return fail(cli, VDPR_CAUSE_USAGE, cure, "%s%s%s", path ? path : "",
		    path ? ": " : "", text);
}

/* ------------------------------------------------------- Cloud Hypervisor */

/* The folder of a snapshot holds the state beside guest memory. */
static int enter_folder(struct cli *cli, struct place *place)
{
	struct stat st;
	char *path;

	if (!strcmp(place->path, "-") || stat(place->path, &st) < 0 ||
	    !S_ISDIR(st.st_mode))
		return 0;
	if (asprintf(&path, "%s/state.json", place->path) < 0)
		return fail_memory(cli);
	free(place->path);
	place->path = path;
	return 0;
}

static int read_snapshot(struct cli *cli, const struct place *place,
			 struct vdpr_state **out)
{
	struct vdpr_capture_opts opts = VDPR_INIT(struct vdpr_capture_opts);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int code =
		input_read(cli, place->path, INPUT_SNAPSHOT_MAX, &text, &len);

	opts.nic = place->nic;
	if (code)
		return code;
	if (vdpr_capture_ch_snapshot(cli->ctx, text, len, &opts, out) < 0)
		return fail_capture(cli, place->path, ",id=");
	return 0;
}

int capture_ch(struct cli *cli, const char *name, struct vdpr_state **out)
{
	struct place place;
	int code = place_parse(cli, name, ",id=", &place);

	cli->stage = "read";
	if (!code)
		code = enter_folder(cli, &place);
	if (!code)
		code = read_snapshot(cli, &place, out);
	if (!code)
		code = input_origin(cli, *out, "ch-snapshot", name);
	place_free(&place);
	return code;
}

/* -------------------------------------------------------------------- QEMU */

int capture_qmp(struct cli *cli, const char *name, struct vdpr_state **out)
{
	struct vdpr_capture_opts opts = VDPR_INIT(struct vdpr_capture_opts);
	struct place place;
	int code = place_parse(cli, name, ",nic=", &place);

	cli->stage = "monitor";
	if (code)
		return code;
	opts.nic = place.nic;
	opts.deadline = cli->deadline;
	opts.flags = cli->all_vlans_unknown ? VDPR_CAPTURE_ALL_VLANS_UNKNOWN
					    : 0;
	if (vdpr_capture_qmp(cli->ctx, place.path, &opts, out) < 0)
		code = fail_capture(cli, NULL, ",nic=");
	else
		code = input_origin(cli, *out, "qmp", name);
	place_free(&place);
	return code;
}
