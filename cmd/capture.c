/* SPDX-License-Identifier: MIT */
/* Sources of VMMs: which file or socket, which NIC. */
#include "cmd/cmd.h"

#include <string.h>
#include <sys/stat.h>

/* The last of its kind. */
static const char *find_nic(const char *word, const char *key)
{
	const char *found = NULL;

	for (const char *hit = word; (hit = strstr(hit, key)); hit++)
		found = hit;
	return found;
}

int nic_word_split(struct cli *cli, const char *word, const char *key,
		   struct nic_word *out)
{
	const char *at = find_nic(word, key);

	out->nic = at ? at + strlen(key) : NULL;
	out->path = at ? strndup(word, (size_t)(at - word)) : strdup(word);
	return out->path ? 0 : fail_memory(cli);
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
static int enter_folder(struct cli *cli, struct nic_word *word)
{
	struct stat st;
	char *path;

	if (!strcmp(word->path, "-") || stat(word->path, &st) < 0 ||
	    !S_ISDIR(st.st_mode))
		return 0;
	if (asprintf(&path, "%s/state.json", word->path) < 0)
		return fail_memory(cli);
	free(word->path);
	word->path = path;
	return 0;
}

static int read_snapshot(struct cli *cli, const struct nic_word *word,
			 struct vdpr_state **out)
{
	struct vdpr_capture_opts opts = VDPR_INIT(struct vdpr_capture_opts);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int code = input_read(cli, word->path, INPUT_SNAPSHOT_MAX, &text, &len);

	opts.nic = word->nic;
	if (code)
		return code;
	if (vdpr_capture_ch_snapshot(cli->ctx, text, len, &opts, out) < 0)
		return fail_capture(cli, word->path, ",id=");
	return 0;
}

int capture_ch(struct cli *cli, const char *name, struct vdpr_state **out)
{
	struct nic_word word;
	int code = nic_word_split(cli, name, ",id=", &word);

	cli->stage = "read";
	if (!code)
		code = enter_folder(cli, &word);
	if (!code)
		code = read_snapshot(cli, &word, out);
	if (!code)
		code = input_origin(cli, *out, "ch-snapshot", name);
	free(word.path);
	return code;
}

/* -------------------------------------------------------------------- QEMU */

int capture_qmp(struct cli *cli, const char *name, struct vdpr_state **out)
{
	struct vdpr_capture_opts opts = VDPR_INIT(struct vdpr_capture_opts);
	struct nic_word word;
	int code = nic_word_split(cli, name, ",nic=", &word);

	cli->stage = "monitor";
	if (code)
		return code;
	opts.nic = word.nic;
	opts.deadline = cli->deadline;
	opts.flags = cli->all_vlans_unknown ? VDPR_CAPTURE_ALL_VLANS_UNKNOWN
					    : 0;
	if (vdpr_capture_qmp(cli->ctx, word.path, &opts, out) < 0)
		code = fail_capture(cli, NULL, ",nic=");
	else
		code = input_origin(cli, *out, "qmp", name);
	free(word.path);
	return code;
}
