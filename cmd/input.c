/* SPDX-License-Identifier: MIT */
/* Input: state files, transcripts, devices, and which of them a word names. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct text {
	char *data;
	size_t len, cap;
};

/* Room for another read and a NUL. Return: 0 or -ENOMEM. */
static int text_grow(struct text *text)
{
	size_t cap = text->cap ? 2 * text->cap : 16u << 10;
	char *data;

	if (text->len + 1 < text->cap)
		return 0;
	data = realloc(text->data, cap);
	if (!data)
		return -ENOMEM;
	text->data = data;
	text->cap = cap;
	return 0;
}

static int remaining_ms(const struct cli *cli)
{
	uint64_t now = cli_now();

	if (!cli->deadline)
		return -1;
	if (now >= cli->deadline)
		return 0;
	return (int)((cli->deadline - now) / 1000000) + 1;
}

/* A pipe may keep us waiting: that too ends with the deadline or a signal.
 * Return: 0, -ETIME, -ECANCELED or another -errno. */
static int wait_input(const struct cli *cli, int fd)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = cli->signals, .events = POLLIN },
	};
	int n = poll(fds, ARRAY_SIZE(fds), remaining_ms(cli));

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ETIME;
	return (fds[1].revents & POLLIN) ? -ECANCELED : 0;
}

/* Reads until the end of the file, or one byte more than @limit: enough for the
 * library to see that it is too long. Return: 0 or -errno. */
static int read_all(const struct cli *cli, int fd, size_t limit,
		    struct text *text)
{
	for (;;) {
		int rc = text_grow(text);
		ssize_t n;

		if (!rc)
			rc = wait_input(cli, fd);
		if (rc < 0)
			return rc;
		n = read(fd, text->data + text->len, text->cap - text->len - 1);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		text->len += (size_t)n;
		if (n == 0 || text->len > limit)
			return 0;
	}
}

static int fail_read(struct cli *cli, const char *name, int rc)
{
	if (rc == -ETIME)
		return fail(cli, VDPR_CAUSE_DEADLINE, NULL,
			    "%s: read: the time is up", name);
	if (rc == -ECANCELED)
		return fail(cli, VDPR_CAUSE_OTHER, NULL,
			    "%s: read: interrupted", name);
	return fail(cli, VDPR_CAUSE_INPUT, "give a file that can be read",
		    "%s: read: %s", name, strerror(-rc));
}

/* What an input is called in messages. */
static const char *input_name(const char *path)
{
	return strcmp(path, "-") ? path : "standard input";
}

int input_read(struct cli *cli, const char *path, size_t limit, char **out,
	       size_t *len)
{
	bool standard = !strcmp(path, "-");
	struct text text = { 0 };
	int fd = STDIN_FILENO, rc;

	/* Opening a pipe must not wait for its writer: poll() does that. */
	if (!standard)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fail(cli, VDPR_CAUSE_INPUT,
			    "give a file that can be read", "%s: open: %s",
			    path, strerror(errno));
	rc = read_all(cli, fd, limit, &text);
	if (!standard)
		close(fd);
	if (rc < 0) {
		free(text.data);
		return fail_read(cli, input_name(path), rc);
	}
	text.data[text.len] = '\0';
	*out = text.data;
	*len = text.len;
	return 0;
}

int input_fail(struct cli *cli, const char *path)
{
	_cleanup_free_ char *text = strdup(vdpr_ctx_error(cli->ctx));

	if (!text)
		return fail_memory(cli);
	return fail(cli, (int)vdpr_ctx_cause(cli->ctx), vdpr_ctx_cure(cli->ctx),
		    "%s: %s", strcmp(path, "-") ? path : "standard input",
		    text);
}

int input_state(struct cli *cli, const char *path, struct vdpr_state **out)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int code;

	cli->stage = "read";
	code = input_read(cli, path, INPUT_STATE_MAX, &text, &len);
	if (code)
		return code;
	if (vdpr_state_parse(cli->ctx, text, len, out) < 0)
		return input_fail(cli, path);
	return 0;
}

int input_check_dev_read(struct cli *cli, const char *word)
{
	return vdpr_dev_check_name(cli->ctx, word) < 0 ? fail_ctx(cli) : 0;
}

int input_check_dev(struct cli *cli, const char *word)
{
	int code = input_check_dev_read(cli, word);

	if (code || (strncmp(word, "pid:", 4) != 0 && !control_is_name(word)))
		return code;
	return fail(cli, VDPR_CAUSE_USAGE,
		    "show, save, diff and verify take it",
		    "%s: %s: a device that a process is running on is only "
		    "read, and this would reset it",
		    cli->command->name, word);
}

int input_check_file(struct cli *cli, const char *word)
{
	if (!vdpr_dev_is_name(word))
		return 0;
	return fail(
		cli, VDPR_CAUSE_USAGE,
		"write ./ before the name of a file that is called like this",
		"%s: %s: a device where a file is wanted", cli->command->name,
		word);
}

int input_check(struct cli *cli, const char *word)
{
	return vdpr_dev_is_name(word) ? input_check_dev_read(cli, word) : 0;
}

/* A device that a VMM is running on cannot be asked; much can be had all the
 * same. */
static const char busy_save[] =
	"another process holds it, most likely a VMM (vdpa-restore list shows "
	"which); without opening it, save takes what the kernel tells with --vdpa, "
	"what the VMM's own descriptor shows with --device pid:PID, and the rest "
	"from a --transcript of the control commands that the VMM recorded";

static const char busy_check[] =
	"another process holds it (vdpa-restore list shows which); check what "
	"netlink tells of it with --vdpa, which opens nothing";

int input_open(struct cli *cli, const char *word, struct vdpr_dev **out)
{
	int rc;

	cli->stage = "open";
	rc = vdpr_dev_open(cli->ctx, word, out);
	if (rc == -EBUSY && cli->command == &cmd_save)
		return fail_ctx_cure(cli, busy_save);
	if (rc == -EBUSY && cli->command == &cmd_check)
		return fail_ctx_cure(cli, busy_check);
	return rc < 0 ? fail_ctx(cli) : 0;
}

int input_dev_state(struct cli *cli, const char *word, struct vdpr_state **out)
{
	_cleanup_dev_ struct vdpr_dev *dev = NULL;
	int code;

	if (control_is_name(word))
		return control_state(cli, word, out);
	code = input_open(cli, word, &dev);
	if (code)
		return code;
	cli->stage = "examine";
	if (vdpr_dev_save(cli->ctx, dev, out) < 0)
		return fail_ctx(cli);
	code = input_origin(cli, *out, "device", word);
	if (code) {
		vdpr_state_free(*out);
		*out = NULL;
	}
	return code;
}

int input_origin(struct cli *cli, struct vdpr_state *state, const char *kind,
		 const char *name)
{
	_cleanup_free_ char *source = NULL;

	if (asprintf(&source, "%s:%s", kind, name) < 0) {
		source = NULL;
		return fail_memory(cli);
	}
	return vdpr_state_set_origin(cli->ctx, state, source) < 0
		       ? fail_ctx(cli)
		       : 0;
}

int input_side(struct cli *cli, const char *word, struct vdpr_state **out)
{
	if (vdpr_dev_is_name(word))
		return input_dev_state(cli, word, out);
	return input_state(cli, word, out);
}
