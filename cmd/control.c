/* SPDX-License-Identifier: MIT */
/* control:SOCKET: the state of a device that another process has, and back. */
#include "cmd/cmd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "control:"
#define DEFAULT_NSEC 10000000000u

bool control_is_name(const char *word)
{
	return !strncmp(word, PREFIX, sizeof(PREFIX) - 1);
}

static const char *socket_path(const char *word)
{
	return control_is_name(word) ? word + sizeof(PREFIX) - 1 : word;
}

/* A socket that does not answer must not keep a script for ever. */
static uint64_t deadline(const struct cli *cli)
{
	return cli->deadline ? cli->deadline : cli->start + DEFAULT_NSEC;
}

int control_check(struct cli *cli, const char *word)
{
	if (*socket_path(word))
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE, "give its path",
		    "%s: %s: not the name of a control socket",
		    cli->command->name, word);
}

int control_state(struct cli *cli, const char *word, struct vdpr_state **out)
{
	cli->stage = "control";
	return vdpr_control_save(cli->ctx, socket_path(word), deadline(cli),
				 cli->signals, out) < 0
		       ? fail_ctx(cli)
		       : 0;
}

/* The report in an answer, as text; NULL: there is none. */
static char *report_of(const char *answer)
{
	_cleanup_json_ cJSON *root = answer ? cJSON_Parse(answer) : NULL;
	const cJSON *report = cJSON_GetObjectItemCaseSensitive(root, "report");

	return cJSON_IsObject(report) ? cJSON_PrintUnformatted(report) : NULL;
}

static int print_report(struct cli *cli, const char *report)
{
	if (!cli->json)
		return load_print_report(cli, report);
	fprintf(cli->out, "%s\n", report);
	cli->answered = true;
	return 0;
}

int control_load(struct cli *cli, const char *word,
		 const struct vdpr_state *state)
{
	_cleanup_free_ char *answer = NULL;
	_cleanup_free_ char *report = NULL;
	int code, ret;

	cli->stage = "control";
	ret = vdpr_control_request(cli->ctx, socket_path(word), "load", state,
				   deadline(cli), cli->signals, &answer);
	report = report_of(answer);
	if (ret < 0) {
		bool wanted = report && (cli->json || cli->verbose);

		cli->answered |= wanted && cli->json;
		code = fail_ctx(cli);
		if (wanted)
			print_report(cli, report);
		return code;
	}
	note(cli, "%s: that process has the state now", word);
	return report ? print_report(cli, report) : 0;
}

/* ------------------------------------------------------------ while we hold */

/* The device holds what was loaded: nobody else can send it a command. */
static int give_state(void *data, struct vdpr_ctx *ctx, struct vdpr_state **out)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int ret = vdpr_state_format(ctx, data, &text, &len);

	return ret ? ret : vdpr_state_parse(ctx, text, len, out);
}

int control_listen(struct cli *cli, const char *path, const char *device,
		   struct vdpr_state *state, struct vdpr_control **out)
{
	struct vdpr_control_ops ops = VDPR_INIT(struct vdpr_control_ops);

	ops.data = state;
	ops.name = device;
	ops.save = give_state;
	cli->stage = "control";
	return vdpr_control_new(cli->ctx, path, &ops, NULL, out) < 0
		       ? fail_ctx(cli)
		       : 0;
}

int control_serve(struct cli *cli, struct vdpr_control *control)
{
	struct pollfd fds[] = {
		{ .fd = cli->signals, .events = POLLIN },
		{ .fd = control ? vdpr_control_fd(control) : -1,
		  .events = POLLIN },
	};

	cli->stage = "hold";
	while (!fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return fail(cli, VDPR_CAUSE_OTHER, NULL, "poll: %s",
				    strerror(errno));
		if (fds[1].revents &&
		    vdpr_control_process(cli->ctx, control) < 0)
			return fail_ctx(cli);
	}
	return 0;
}
