/* SPDX-License-Identifier: MIT */
/* The control socket from outside: one request, one answer, one deadline. */
#include "restore/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "restore/ctx.h"
#include "restore/json-scan.h"
#include "restore/json-walk.h"
#include "restore/line-socket.h"
#include "restore/state.h"

#define DEFAULT_NSEC 10000000000ull

static const struct vdpr_line_words words = {
	.what = "a control socket",
	.late_cure = "is the process still alive, and does it serve the "
		     "socket?",
	.absent_cure = "give the socket that the VMM was told to make, and see "
		       "that the VMM runs",
	.refused_cure = "run as the user of the VMM, or as root",
};

/* A state says much about a guest: it goes to this user or to root, unless root
 * itself is asking. */
static int check_peer(struct vdpr_line_socket *s)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uid_t me = geteuid();

	if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return vdpr_fail(s->ctx, VDPR_CAUSE_OTHER, -errno,
				 "%s: SO_PEERCRED: %s", s->name,
				 strerror(errno));
	if (!me || !peer.uid || peer.uid == me)
		return 0;
	return vdpr_fail(s->ctx, VDPR_CAUSE_ACCESS, -EPERM,
			 "%s: the process behind it is another user's (uid %u)",
			 s->name, (unsigned int)peer.uid);
}

static int send_request(struct vdpr_line_socket *s, const char *command,
			const struct vdpr_state *state)
{
	_cleanup_buf_ struct vdpr_buf line = { 0 };
	struct vdpr_json_writer w = { .out = &line, .compact = true };
	_cleanup_free_ char *text = NULL;
	int ret = state ? vdpr_state_format(s->ctx, state, &text, NULL) : 0;

	if (ret)
		return ret;
	vdpr_json_open(&w, '{');
	vdpr_json_key_text(&w, "command", command);
	if (text)
		vdpr_control_put_json(&w, "state", text);
	vdpr_json_close(&w, '}');
	vdpr_buf_str(&line, "\n");
	if (vdpr_buf_error(&line))
		return vdpr_fail_memory(s->ctx);
	return vdpr_line_send(s, line.data, line.len);
}

static char *member_text(struct vdpr_json_value object, const char *key)
{
	char *text = NULL;
	size_t len;

	if (vdpr_value_string(vdpr_value_member(object, key), &text, &len))
		return NULL;
	return text;
}

/* The other side's failure becomes ours. Return: -EREMOTEIO. */
static int fail_remote(struct vdpr_line_socket *s, uint64_t code,
		       struct vdpr_json_value error)
{
	_cleanup_free_ char *text = member_text(error, "text");
	_cleanup_free_ char *cure = member_text(error, "cure");

	vdpr_fail(s->ctx, (enum vdpr_cause)code, -EREMOTEIO, "%s: %s", s->name,
		  text ? text : "a failure without words");
	if (cure && *cure)
		vdpr_cure(s->ctx, "%s", cure);
	return -EREMOTEIO;
}

static int read_answer(struct vdpr_line_socket *s, struct vdpr_json_value *root)
{
	struct vdpr_json_fault fault;
	struct vdpr_json_value error;
	uint64_t code;
	int ret = vdpr_line_next(s, "answer");

	if (ret)
		return ret;
	ret = vdpr_json_scan_any(s->in.data, s->line_len, VDPR_CONTROL_DEPTH,
				 &fault);
	if (ret == -ENOMEM)
		return vdpr_fail_memory(s->ctx);
	if (ret)
		return vdpr_line_bad(s, fault.why);
	*root = vdpr_value_root(s->in.data, s->line_len);
	if (vdpr_value_number(vdpr_value_member(*root, "exit"),
			      VDPR_CAUSE_INPUT, &code))
		return vdpr_line_bad(s, "its answer has no exit code");
	error = vdpr_value_member(*root, "error");
	/* Two states that differ are an answer, not a failure of asking. */
	return code && vdpr_value_kind(error) == VDPR_JSON_OBJECT
		       ? fail_remote(s, code, error)
		       : 0;
}

static int ask(struct vdpr_line_socket *s, const char *command,
	       const struct vdpr_state *state, struct vdpr_json_value *root)
{
	int ret = vdpr_line_connect(s);

	if (!ret)
		ret = check_peer(s);
	if (!ret)
		ret = send_request(s, command, state);
	/* Whoever is refused is told so and hung up on, before it has asked, too. */
	if (ret && ret != -EPIPE && ret != -ECONNRESET)
		return ret;
	return read_answer(s, root);
}

static struct vdpr_line_socket socket_of(struct vdpr_ctx *ctx, const char *path,
					 uint64_t deadline, int cancel_fd)
{
	return (struct vdpr_line_socket){
		.ctx = ctx,
		.name = path,
		.words = &words,
		.line_max = VDPR_CONTROL_ANSWER,
		.all_max = VDPR_CONTROL_ANSWER,
		.fd = -1,
		.cancel_fd = cancel_fd > 0 ? cancel_fd : -1,
		.deadline = deadline ? deadline : vdpr_now() + DEFAULT_NSEC,
	};
}

int vdpr_control_request(struct vdpr_ctx *ctx, const char *path,
			 const char *command, const struct vdpr_state *state,
			 uint64_t deadline, int cancel_fd, char **out)
{
	struct vdpr_line_socket s = socket_of(ctx, path, deadline, cancel_fd);
	struct vdpr_json_value root = { NULL, NULL };
	int ret;

	if (out)
		*out = NULL;
	if (vdpr_any_null(ctx, path, command))
		return -EINVAL;
	ret = vdpr_control_check(ctx, command, state);
	if (!ret)
		ret = ask(&s, command, state, &root);
	if (out)
		*out = root.at ? strndup(root.at, (size_t)(root.end - root.at))
			       : NULL;
	vdpr_line_close(&s);
	if (out && root.at && !*out)
		return vdpr_fail_memory(ctx);
	return ret;
}

/* How the positions of rings were found is known to the other side alone, and
 * decides whether buffers may be processed again. */
static bool tells_positions(const char *origin)
{
	return origin && (!strcmp(origin, VDPR_ORIGIN_DEVICE) ||
			  !strcmp(origin, VDPR_ORIGIN_USED_INDEX));
}

static int set_origin(struct vdpr_line_socket *s, struct vdpr_state *state)
{
	const char *vrings = vdpr_origin_get(state, "vrings");
	_cleanup_free_ char *kept = NULL, *source = NULL;
	int ret;

	if (vdpr_text_copy(&kept, tells_positions(vrings) ? vrings : NULL))
		return vdpr_fail_memory(s->ctx);
	if (asprintf(&source, "control:%s", s->name) < 0) {
		source = NULL;
		return vdpr_fail_memory(s->ctx);
	}
	ret = vdpr_state_set_origin(s->ctx, state, source);
	if (!ret && kept && vdpr_origin_set(state, "vrings", kept))
		ret = vdpr_fail_memory(s->ctx);
	return ret;
}

/* What the answer has. */
static int take_state(struct vdpr_line_socket *s, struct vdpr_json_value root,
		      struct vdpr_state **out)
{
	struct vdpr_json_value text = vdpr_value_member(root, "state");
	struct vdpr_state *state;
	int ret;

	if (!text.at)
		return vdpr_line_bad(s, "its answer has no state");
	ret = vdpr_state_parse(s->ctx, text.at, (size_t)(text.end - text.at),
			       &state);
	if (ret)
		return ret;
	ret = set_origin(s, state);
	if (ret) {
		vdpr_state_free(state);
		return ret;
	}
	*out = state;
	return 0;
}

int vdpr_control_save(struct vdpr_ctx *ctx, const char *path, uint64_t deadline,
		      int cancel_fd, struct vdpr_state **out)
{
	struct vdpr_line_socket s = socket_of(ctx, path, deadline, cancel_fd);
	struct vdpr_json_value root = { NULL, NULL };
	int ret;

	if (vdpr_any_null(ctx, path, out))
		return -EINVAL;
	ret = ask(&s, "save", NULL, &root);
	if (!ret)
		ret = take_state(&s, root, out);
	vdpr_line_close(&s);
	return ret;
}
