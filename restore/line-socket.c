/* SPDX-License-Identifier: MIT */
/* A client of a unix socket that speaks in lines: every wait has an end. */
#include "restore/line-socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "restore/ctx.h"

#define CHUNK (64u << 10)
/* How often a socket whose queue is full is tried again. */
#define RETRY_MS 20

/* ---------------------------------------------------------------- messages */

static int fail_time(struct vdpr_line_socket *s, const char *what)
{
	vdpr_fail(s->ctx, VDPR_CAUSE_DEADLINE, -ETIME,
		  "%s: no %s before the deadline", s->name, what);
	if (s->words->late_cure)
		vdpr_cure(s->ctx, "%s", s->words->late_cure);
	return -ETIME;
}

static int fail_call(struct vdpr_line_socket *s, const char *call, int err)
{
	enum vdpr_cause cause = err == EACCES || err == EPERM
					? VDPR_CAUSE_ACCESS
					: VDPR_CAUSE_OTHER;

	vdpr_fail(s->ctx, cause, -err, "%s: %s: %s", s->name, call,
		  strerror(err));
	if (err == ENOENT || err == ECONNREFUSED)
		vdpr_cure(s->ctx, "%s", s->words->absent_cure);
	else if (cause == VDPR_CAUSE_ACCESS)
		vdpr_cure(s->ctx, "%s", s->words->refused_cure);
	return -err;
}

int vdpr_line_bad(struct vdpr_line_socket *s, const char *why)
{
	return vdpr_fail(s->ctx, VDPR_CAUSE_INPUT, -EBADMSG, "%s: not %s: %s",
			 s->name, s->words->what, why);
}

/* ------------------------------------------------------------------- waiting */

static int remaining_ms(const struct vdpr_line_socket *s)
{
	uint64_t now = vdpr_now();
	uint64_t ms;

	if (now >= s->deadline)
		return 0;
	ms = (s->deadline - now) / 1000000 + 1;
	return ms < 3600000 ? (int)ms : 3600000;
}

/* Waits until the socket is ready, or for @most_ms without one (@events 0).
 * @what: that we are waiting for. Return: 0, -ETIME, -ECANCELED, -errno. */
static int wait_for(struct vdpr_line_socket *s, short events, int most_ms,
		    const char *what)
{
	struct pollfd fds[] = {
		{ .fd = events ? s->fd : -1, .events = events },
		{ .fd = s->cancel_fd, .events = POLLIN },
	};
	int left = remaining_ms(s);
	int n;

	if (!left)
		return fail_time(s, what);
	n = poll(fds, ARRAY_SIZE(fds), left < most_ms ? left : most_ms);
	if (n < 0 && errno != EINTR)
		return fail_call(s, "poll", errno);
	if (n > 0 && fds[1].revents)
		return vdpr_fail(s->ctx, VDPR_CAUSE_OTHER, -ECANCELED,
				 "%s: canceled", s->name);
	return 0;
}

#define NO_LIMIT 3600000

/* ---------------------------------------------------------------- connecting */

static int set_address(struct vdpr_line_socket *s, struct sockaddr_un *address)
{
	size_t len = strlen(s->name);

	if (len >= sizeof(address->sun_path) || !len)
		return vdpr_fail(s->ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "%s: not the path of a socket: it has %zu "
				 "bytes, not 1 to %zu",
				 s->name, len, sizeof(address->sun_path) - 1);
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, s->name, len);
	return 0;
}

/* A listener whose queue is full says EAGAIN, and no poll() tells when not. */
static int connect_to(struct vdpr_line_socket *s,
		      const struct sockaddr_un *address)
{
	for (;;) {
		int err;

		if (!connect(s->fd, (const struct sockaddr *)address,
			     sizeof(*address)))
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return fail_call(s, "connect", errno);
		err = wait_for(s, 0, RETRY_MS, "connection");
		if (err)
			return err;
	}
}

int vdpr_line_connect(struct vdpr_line_socket *s)
{
	struct sockaddr_un address;
	int err = set_address(s, &address);

	s->fd = -1;
	if (err)
		return err;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return fail_call(s, "socket", errno);
	return connect_to(s, &address);
}

void vdpr_line_close(struct vdpr_line_socket *s)
{
	vdpr_close_fd(s->fd);
	s->fd = -1;
	vdpr_buf_free(&s->in);
}

/* --------------------------------------------------------------------- lines */

int vdpr_line_send(struct vdpr_line_socket *s, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(s->fd, text, len, MSG_NOSIGNAL);
		int err = 0;

		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN || errno == EINTR) {
			err = wait_for(s, POLLOUT, NO_LIMIT,
				       "room for a command");
		} else {
			err = fail_call(s, "write", errno);
		}
		if (err)
			return err;
	}
	return 0;
}

/* Reads once. Return: 0, or a failure that has been said. */
static int receive(struct vdpr_line_socket *s, const char *what)
{
	char chunk[CHUNK];
	ssize_t n = recv(s->fd, chunk, sizeof(chunk), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return wait_for(s, POLLIN, NO_LIMIT, what);
	if (n < 0)
		return fail_call(s, "read", errno);
	if (n == 0)
		return vdpr_fail(s->ctx, VDPR_CAUSE_OTHER, -EPIPE,
				 "%s: it hung up before the %s", s->name, what);
	s->received += (size_t)n;
	if (s->received > s->all_max)
		return vdpr_line_bad(s, "it does not stop talking");
	vdpr_buf_add(&s->in, chunk, (size_t)n);
	return vdpr_buf_error(&s->in) ? vdpr_fail_memory(s->ctx) : 0;
}

/* Drops the line before and waits until the next one is whole. A steady stream of
 * events must not keep us past the deadline, so the clock is asked each time. */
int vdpr_line_next(struct vdpr_line_socket *s, const char *what)
{
	struct vdpr_buf *in = &s->in;
	size_t searched = 0;

	if (s->line_len)
		memmove(in->data, in->data + s->line_len,
			in->len - s->line_len);
	in->len -= s->line_len;
	s->line_len = 0;
	for (;;) {
		const char *end = in->len > searched
					  ? memchr(in->data + searched, '\n',
						   in->len - searched)
					  : NULL;
		int err;

		if (end) {
			s->line_len = (size_t)(end - in->data) + 1;
			return 0;
		}
		searched = in->len;
		if (searched > s->line_max)
			return vdpr_line_bad(s, "a line has no end");
		err = remaining_ms(s) ? receive(s, what) : fail_time(s, what);
		if (err)
			return err;
	}
}
