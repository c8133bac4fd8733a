/* SPDX-License-Identifier: MIT */
/* A QMP monitor: connect, ask, give up in time, whatever answers there. */
#include "restore/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "restore/ctx.h"
#include "restore/json-scan.h"

/* A NIC's answers have some ten thousand bytes, the longest a VLAN table. */
#define LINE_MAX_BYTES (4u << 20)
#define ALL_MAX_BYTES (64u << 20)
#define MAX_DEPTH 32
#define CHUNK (64u << 10)
/* How often a socket whose queue is full is tried again. */
#define RETRY_MS 20

/* ---------------------------------------------------------------- messages */

static int fail_time(struct vdpr_qmp *qmp, const char *what)
{
	vdpr_fail(qmp->ctx, VDPR_CAUSE_DEADLINE, -ETIME,
		  "%s: no %s before the deadline", qmp->name, what);
	vdpr_cure(qmp->ctx,
		  "QEMU serves one client of a monitor at a time: end "
		  "the other, or give QEMU a second monitor with -qmp");
	return -ETIME;
}

static int fail_call(struct vdpr_qmp *qmp, const char *call, int err)
{
	enum vdpr_cause cause = err == EACCES || err == EPERM
					? VDPR_CAUSE_ACCESS
					: VDPR_CAUSE_OTHER;

	vdpr_fail(qmp->ctx, cause, -err, "%s: %s: %s", qmp->name, call,
		  strerror(err));
	if (err == ENOENT || err == ECONNREFUSED)
		vdpr_cure(qmp->ctx, "give the socket of QEMU's -qmp "
				    "unix:SOCKET,server=on,wait=off");
	else if (cause == VDPR_CAUSE_ACCESS)
		vdpr_cure(qmp->ctx, "run as the user of QEMU, or as root");
	return -err;
}

static int fail_line(struct vdpr_qmp *qmp, const char *why)
{
	vdpr_fail(qmp->ctx, VDPR_CAUSE_INPUT, -EBADMSG,
		  "%s: not a QMP monitor: %s", qmp->name, why);
	return -EBADMSG;
}

int vdpr_qmp_bad(struct vdpr_qmp *qmp, const char *command, const char *what)
{
	return vdpr_fail(qmp->ctx, VDPR_CAUSE_INPUT, -EBADMSG,
			 "%s: the answer to %s: %s", qmp->name, command, what);
}

/* ------------------------------------------------------------------- waiting */

static int remaining_ms(const struct vdpr_qmp *qmp)
{
	uint64_t now = vdpr_now();
	uint64_t ms;

	if (now >= qmp->deadline)
		return 0;
	ms = (qmp->deadline - now) / 1000000 + 1;
	return ms < 3600000 ? (int)ms : 3600000;
}

/* Waits until the socket is ready, or for @most_ms without one (@events 0).
 * @what: that we are waiting for. Return: 0, -ETIME, -ECANCELED, -errno. */
static int wait_for(struct vdpr_qmp *qmp, short events, int most_ms,
		    const char *what)
{
	struct pollfd fds[] = {
		{ .fd = events ? qmp->fd : -1, .events = events },
		{ .fd = qmp->cancel_fd, .events = POLLIN },
	};
	int left = remaining_ms(qmp);
	int n;

	if (!left)
		return fail_time(qmp, what);
	n = poll(fds, ARRAY_SIZE(fds), left < most_ms ? left : most_ms);
	if (n < 0 && errno != EINTR)
		return fail_call(qmp, "poll", errno);
	if (n > 0 && fds[1].revents)
		return vdpr_fail(qmp->ctx, VDPR_CAUSE_OTHER, -ECANCELED,
				 "%s: canceled", qmp->name);
	return 0;
}

#define NO_LIMIT 3600000

/* ---------------------------------------------------------------- connecting */

static int set_address(struct vdpr_qmp *qmp, struct sockaddr_un *address)
{
	size_t len = strlen(qmp->name);

	if (len >= sizeof(address->sun_path) || !len)
		return vdpr_fail(qmp->ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "%s: not the path of a socket: it has %zu "
				 "bytes, not 1 to %zu",
				 qmp->name, len, sizeof(address->sun_path) - 1);
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, qmp->name, len);
	return 0;
}

/* A listener whose queue is full says EAGAIN, and no poll() tells when not. */
static int connect_to(struct vdpr_qmp *qmp, const struct sockaddr_un *address)
{
	for (;;) {
		int err;

		if (!connect(qmp->fd, (const struct sockaddr *)address,
			     sizeof(*address)))
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return fail_call(qmp, "connect", errno);
		err = wait_for(qmp, 0, RETRY_MS, "connection");
		if (err)
			return err;
	}
}

int vdpr_qmp_open(struct vdpr_qmp *qmp)
{
	struct sockaddr_un address;
	int err = set_address(qmp, &address);

	qmp->fd = -1;
	if (err)
		return err;
	qmp->fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (qmp->fd < 0)
		return fail_call(qmp, "socket", errno);
	err = connect_to(qmp, &address);
	return err ? err : vdpr_qmp_greet(qmp);
}

void vdpr_qmp_close(struct vdpr_qmp *qmp)
{
	vdpr_close_fd(qmp->fd);
	qmp->fd = -1;
	vdpr_buf_free(&qmp->in);
}

/* --------------------------------------------------------------------- lines */

static int send_all(struct vdpr_qmp *qmp, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(qmp->fd, text, len, MSG_NOSIGNAL);
		int err = 0;

		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN || errno == EINTR) {
			err = wait_for(qmp, POLLOUT, NO_LIMIT,
				       "room for a command");
		} else {
			err = fail_call(qmp, "write", errno);
		}
		if (err)
			return err;
	}
	return 0;
}

/* Reads once. Return: 0, or a failure that has been said. */
static int receive(struct vdpr_qmp *qmp, const char *what)
{
	char chunk[CHUNK];
	ssize_t n = recv(qmp->fd, chunk, sizeof(chunk), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return wait_for(qmp, POLLIN, NO_LIMIT, what);
	if (n < 0)
		return fail_call(qmp, "read", errno);
	if (n == 0)
		return vdpr_fail(qmp->ctx, VDPR_CAUSE_OTHER, -EPIPE,
				 "%s: it hung up before the %s", qmp->name,
				 what);
	qmp->received += (size_t)n;
	if (qmp->received > ALL_MAX_BYTES)
		return fail_line(qmp, "it does not stop talking");
	vdpr_buf_add(&qmp->in, chunk, (size_t)n);
	return vdpr_buf_error(&qmp->in) ? vdpr_fail_memory(qmp->ctx) : 0;
}

/* Drops the line before and waits until the next one is whole. A steady stream of
 * events must not keep us past the deadline, so the clock is asked each time. */
static int next_line(struct vdpr_qmp *qmp, const char *what)
{
	struct vdpr_buf *in = &qmp->in;
	size_t searched = 0;

	if (qmp->line_len)
		memmove(in->data, in->data + qmp->line_len,
			in->len - qmp->line_len);
	in->len -= qmp->line_len;
	qmp->line_len = 0;
	for (;;) {
		const char *end = in->len > searched
					  ? memchr(in->data + searched, '\n',
						   in->len - searched)
					  : NULL;
		int err;

		if (end) {
			qmp->line_len = (size_t)(end - in->data) + 1;
			return 0;
		}
		searched = in->len;
		if (searched > LINE_MAX_BYTES)
			return fail_line(qmp, "a line has no end");
		err = remaining_ms(qmp) ? receive(qmp, what)
					: fail_time(qmp, what);
		if (err)
			return err;
	}
}

/* The next line as an object. */
static int next_object(struct vdpr_qmp *qmp, const char *what,
		       struct vdpr_json_value *out)
{
	char why[VDPR_JSON_FAULT + 32];
	struct vdpr_json_fault fault;
	int err = next_line(qmp, what);

	if (!err && !remaining_ms(qmp))
		err = fail_time(qmp, what);
	if (err)
		return err;
	err = vdpr_json_scan_any(qmp->in.data, qmp->line_len, MAX_DEPTH,
				 &fault);
	if (err == -ENOMEM)
		return vdpr_fail_memory(qmp->ctx);
	if (err) {
		snprintf(why, sizeof(why), "column %zu: %s", fault.column,
			 fault.why);
		return fail_line(qmp, why);
	}
	*out = vdpr_value_root(qmp->in.data, qmp->line_len);
	if (vdpr_value_kind(*out) != VDPR_JSON_OBJECT)
		return fail_line(qmp, "a line is no object");
	return 0;
}

/* ------------------------------------------------------------------ commands */

static int read_greeting(struct vdpr_qmp *qmp)
{
	static const char *const keys[] = { "major", "minor", "micro" };
	struct vdpr_json_value line = { NULL, NULL };
	struct vdpr_json_value version;
	int err = next_object(qmp, "greeting", &line);

	if (err)
		return err;
	version = vdpr_value_member(vdpr_value_member(line, "QMP"), "version");
	version = vdpr_value_member(version, "qemu");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (vdpr_value_number(vdpr_value_member(version, keys[i]),
				      UINT32_MAX, &qmp->version[i]))
			return fail_line(qmp, "its greeting has no version");
	}
	return 0;
}

int vdpr_qmp_greet(struct vdpr_qmp *qmp)
{
	struct vdpr_json_value nothing;
	int err = read_greeting(qmp);

	return err ? err
		   : vdpr_qmp_ask(qmp, "qmp_capabilities", NULL, &nothing);
}

bool vdpr_qmp_is_from(const struct vdpr_qmp *qmp, unsigned int major,
		      unsigned int minor)
{
	if (qmp->version[0] != major)
		return qmp->version[0] > major;
	return qmp->version[1] >= minor;
}

/* What QEMU says is wrong. Return: -EREMOTEIO, -EOPNOTSUPP. */
static int fail_answer(struct vdpr_qmp *qmp, const char *command,
		       struct vdpr_json_value error)
{
	bool unknown = vdpr_value_equals(vdpr_value_member(error, "class"),
					 "CommandNotFound");
	_cleanup_free_ char *text = NULL;
	char quote[VDPR_QUOTE];
	size_t len = 0;

	if (vdpr_value_string(vdpr_value_member(error, "desc"), &text, &len))
		return vdpr_qmp_bad(qmp, command, "an error without words");
	return vdpr_fail(qmp->ctx, VDPR_CAUSE_OTHER,
			 unknown ? -EOPNOTSUPP : -EREMOTEIO, "%s: %s: %s",
			 qmp->name, command, vdpr_quote(text, len, quote));
}

/* An answer to the last command, not an event or what was asked before us. */
static bool is_answer(const struct vdpr_qmp *qmp, struct vdpr_json_value line)
{
	uint64_t id;

	return !vdpr_value_number(vdpr_value_member(line, "id"), UINT32_MAX,
				  &id) &&
	       id == qmp->id;
}

static int read_answer(struct vdpr_qmp *qmp, const char *command,
		       struct vdpr_json_value *out)
{
	struct vdpr_json_value line = { NULL, NULL };
	struct vdpr_json_value error;
	char what[64];

	snprintf(what, sizeof(what), "answer to %s", command);
	do {
		int err = next_object(qmp, what, &line);

		if (err)
			return err;
	} while (!is_answer(qmp, line));
	*out = vdpr_value_member(line, "return");
	if (vdpr_value_kind(*out) != VDPR_JSON_NONE)
		return 0;
	error = vdpr_value_member(line, "error");
	if (vdpr_value_kind(error) != VDPR_JSON_OBJECT)
		return vdpr_qmp_bad(qmp, command, "neither return nor error");
	return fail_answer(qmp, command, error);
}

int vdpr_qmp_ask(struct vdpr_qmp *qmp, const char *command,
		 const char *arguments, struct vdpr_json_value *out)
{
	_cleanup_buf_ struct vdpr_buf line = { 0 };
	int err;

	vdpr_buf_printf(&line, "{\"execute\": \"%s\", \"id\": %u", command,
			++qmp->id);
	if (arguments)
		vdpr_buf_printf(&line, ", \"arguments\": %s", arguments);
	vdpr_buf_str(&line, "}\r\n");
	if (vdpr_buf_error(&line))
		return vdpr_fail_memory(qmp->ctx);
	err = send_all(qmp, line.data, line.len);
	return err ? err : read_answer(qmp, command, out);
}
