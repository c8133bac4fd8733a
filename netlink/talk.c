/* SPDX-License-Identifier: MIT */
/* A conversation over a netlink socket: one request, its answers, its end. */
#include "netlink/talk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/socket.h>

#include "netlink/relay.h"

/* The kernel's packets have at most 32 KiB; one that does not fit is an error. */
#define BUFFER_SIZE (64u << 10)

/* Dumps of a list that changes all the time must come to an end. */
#define DUMP_TRIES 5

/* ------------------------------------------------------------------ errors */

int nltalk_fail(struct netlink_error *error, int err, const char *object,
		const char *operation, const char *fmt, ...)
{
	char reason[NETLINK_ERROR_TEXT - 200];
	va_list args;

	if (!error)
		return err;
	/* Not both: the arguments may hold what strerror() said before. */
	if (fmt) {
		va_start(args, fmt);
		vsnprintf(reason, sizeof(reason), fmt, args);
		va_end(args);
	} else {
		snprintf(reason, sizeof(reason), "%s", strerror(-err));
	}
	error->err = -err;
	snprintf(error->text, sizeof(error->text), "%.128s: %.60s: %s", object,
		 operation, reason);
	return err;
}

static int fail(const struct nltalk_request *r, struct netlink_error *error,
		int err, const char *reason)
{
	if (!reason)
		return nltalk_fail(error, err, r->object, r->operation, NULL);
	return nltalk_fail(error, err, r->object, r->operation, "%s", reason);
}

/* ------------------------------------------------------------------ socket */

static int take_buffer(struct nltalk *talk, struct netlink_error *error)
{
	talk->buffer = malloc(BUFFER_SIZE);
	if (talk->buffer)
		return 0;
	nltalk_close(talk);
	return nltalk_fail(error, -ENOMEM, "netlink", "open", NULL);
}

/* The address that the kernel gave us. */
static uint32_t own_port(int fd)
{
	struct sockaddr_nl address = { 0 };
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 ||
	    address.nl_family != AF_NETLINK)
		return 0;
	return address.nl_pid;
}

/* libnl opens and binds the socket; what it is asked and answered goes through
 * nltalk_run(), where a poll() bounds every wait. */
static int open_socket(int protocol)
{
	struct nl_sock *sock = nl_socket_alloc();
	int fd = -1, err = 0;

	if (!sock)
		return -ENOMEM;
	errno = 0;
	if (nl_connect(sock, protocol) < 0)
		err = errno ? -errno : -EIO;
	if (!err) {
		fd = fcntl(nl_socket_get_fd(sock), F_DUPFD_CLOEXEC, 3);
		err = fd < 0 ? -errno : 0;
	}
	nl_socket_free(sock);
	return err ? err : fd;
}

int nltalk_open(struct nltalk *talk, int protocol, unsigned int timeout_ms,
		struct netlink_error *error)
{
	int on = 1;

	*talk = (struct nltalk){ .timeout_ms = timeout_ms };
	talk->fd = open_socket(protocol);
	if (talk->fd < 0)
		return nltalk_fail(error, talk->fd, "netlink", "open", NULL);
	talk->port = own_port(talk->fd);
	/* Old kernels know neither; then there are fewer words. */
	(void)setsockopt(talk->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on,
			 sizeof(on));
	(void)setsockopt(talk->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on,
			 sizeof(on));
	/* So that the kernel filters dumps by what is in their request. */
	if (protocol == NETLINK_ROUTE)
		(void)setsockopt(talk->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK,
				 &on, sizeof(on));
	talk->fd = relay_start(talk->fd, &talk->relay);
	if (talk->fd < 0)
		return nltalk_fail(error, talk->fd, "netlink", "open", NULL);
	return take_buffer(talk, error);
}

int nltalk_from_fd(struct nltalk *talk, int fd, unsigned int timeout_ms,
		   struct netlink_error *error)
{
	*talk = (struct nltalk){ .fd = fd, .timeout_ms = timeout_ms };
	return take_buffer(talk, error);
}

void nltalk_close(struct nltalk *talk)
{
	if (talk->fd >= 0)
		relay_stop(talk->fd, talk->relay);
	free(talk->buffer);
	talk->fd = -1;
	talk->buffer = NULL;
}

/* ---------------------------------------------------------- one request */

/* Where a request stands. */
struct progress {
	const struct nltalk_request *request;
	struct netlink_error *error;
	uint64_t deadline; /* CLOCK_MONOTONIC, milliseconds */
	unsigned int answers;
	bool interrupted; /* the dump is not consistent */
	bool done;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int send_request(struct nltalk *talk, const struct progress *p)
{
	const struct nltalk_request *r = p->request;
	struct nlmsghdr *h = r->msg;
	ssize_t n;

	h->nlmsg_seq = ++talk->seq;
	h->nlmsg_pid = talk->port;
	h->nlmsg_flags = NLM_F_REQUEST | (r->dump ? NLM_F_DUMP : NLM_F_ACK);
	do {
		n = send(talk->fd, h, h->nlmsg_len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(r, p->error, -errno, NULL);
	return 0;
}

static int wait_packet(const struct nltalk *talk, const struct progress *p)
{
	struct pollfd pfd = { .fd = talk->fd, .events = POLLIN };

	for (;;) {
		uint64_t now = now_ms();
		int n = now < p->deadline
				? poll(&pfd, 1, (int)(p->deadline - now))
				: 0;

		if (n > 0)
			return 0;
		if (n == 0)
			return fail(p->request, p->error, -ETIMEDOUT,
				    "the kernel does not answer");
		if (errno != EINTR)
			return fail(p->request, p->error, -errno, NULL);
	}
}

/* Reads one packet into the buffer.
 * Return: its length, 0 where there is none after all, or -errno. */
static int receive(const struct nltalk *talk, const struct progress *p)
{
	ssize_t n = recv(talk->fd, talk->buffer, BUFFER_SIZE,
			 MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0)
		return fail(p->request, p->error, -errno, NULL);
	if (n == 0)
		return fail(p->request, p->error, -EBADMSG,
			    "the other end is gone");
	if ((size_t)n > BUFFER_SIZE)
		return fail(p->request, p->error, -EBADMSG,
			    "an answer of more than 64 KiB");
	return (int)n;
}

/* --------------------------------------------------------------- its answers */

/* What the kernel said in words with an error, or NULL.
 * @at: bytes of the message before the attributes. */
static const char *extended_text(struct nlmsghdr *h, size_t at)
{
	size_t len = h->nlmsg_len - NLMSG_HDRLEN;
	struct nlattr *attr;

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || at >= len)
		return NULL;
	attr = nla_find((struct nlattr *)(void *)((char *)NLMSG_DATA(h) + at),
			(int)(len - at), NLMSGERR_ATTR_MSG);
	if (!attr || nla_len(attr) < 2 ||
	    strnlen(nla_data(attr), (size_t)nla_len(attr)) ==
		    (size_t)nla_len(attr))
		return NULL;
	return nla_data(attr);
}

static int fail_kernel(const struct progress *p, int err, const char *text)
{
	const struct nltalk_request *r = p->request;

	if (err < -4095)
		return fail(r, p->error, -EBADMSG, "a bad error number");
	if (!text)
		return fail(r, p->error, err, NULL);
	return nltalk_fail(p->error, err, r->object, r->operation, "%s (%s)",
			   text, strerror(-err));
}

/* NLMSG_ERROR: the end of a request, well (0) or not. */
static int take_error(struct progress *p, struct nlmsghdr *h)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);
	size_t at = sizeof(*e);

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
		return fail(p->request, p->error, -EBADMSG, "a short answer");
	/* The request comes back with the error unless NETLINK_CAP_ACK took. */
	if (!(h->nlmsg_flags & NLM_F_CAPPED) &&
	    e->msg.nlmsg_len >= NLMSG_HDRLEN)
		at += NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
	p->done = true;
	if (e->error > 0)
		return fail(p->request, p->error, -EBADMSG,
			    "a bad error number");
	return e->error ? fail_kernel(p, e->error, extended_text(h, at)) : 0;
}

/* NLMSG_DONE: the end of a dump; Linux puts an errno into it. */
static int take_done(struct progress *p, struct nlmsghdr *h)
{
	int err = 0;

	p->done = true;
	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(err)))
		memcpy(&err, NLMSG_DATA(h), sizeof(err));
	return err < 0 ? fail_kernel(p, err, extended_text(h, sizeof(err))) : 0;
}

static int take_answer(struct progress *p, struct nlmsghdr *h)
{
	const struct nltalk_request *r = p->request;

	p->answers++;
	return r->fn ? r->fn(r->data, h, p->error) : 0;
}

static int take_message(const struct nltalk *talk, struct progress *p,
			struct nlmsghdr *h)
{
	/* Something late that an earlier request had given up on. */
	if (h->nlmsg_seq != talk->seq ||
	    (talk->port && h->nlmsg_pid != talk->port))
		return 0;
	p->interrupted |= p->request->dump &&
			  (h->nlmsg_flags & NLM_F_DUMP_INTR);
	switch (h->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_ERROR:
		return take_error(p, h);
	case NLMSG_DONE:
		return take_done(p, h);
	case NLMSG_OVERRUN:
		return fail(p->request, p->error, -ENOBUFS, NULL);
	default:
		return take_answer(p, h);
	}
}

static int take_packet(const struct nltalk *talk, struct progress *p, int len)
{
	struct nlmsghdr *h = talk->buffer;
	int err = 0;

	while (!err && !p->done && nlmsg_ok(h, len)) {
		err = take_message(talk, p, h);
		h = nlmsg_next(h, &len);
	}
	/* The last message of a packet may lack its padding. */
	if (!err && !p->done && len > 0)
		return fail(p->request, p->error, -EBADMSG,
			    "an answer that is cut off");
	return err;
}

static int run_once(struct nltalk *talk, struct progress *p)
{
	int len, err = send_request(talk, p);

	while (!err && !p->done) {
		err = wait_packet(talk, p);
		len = err ? 0 : receive(talk, p);
		if (len < 0)
			err = len;
		else if (len > 0)
			err = take_packet(talk, p, len);
	}
	return err;
}

int nltalk_run(struct nltalk *talk, const struct nltalk_request *request,
	       struct netlink_error *error)
{
	uint64_t deadline = now_ms() + talk->timeout_ms;

	for (unsigned int i = 0; i < DUMP_TRIES; i++) {
		struct progress p = { .request = request,
				      .error = error,
				      .deadline = deadline };
		int err = run_once(talk, &p);

		if (request->dump && (err == -EINTR || err == -ENOBUFS))
			p.interrupted = true;
		else if (err)
			return err;
		if (!p.interrupted && !request->dump && request->fn &&
		    !p.answers)
			return fail(request, error, -ENODATA,
				    "the kernel answered nothing");
		if (!p.interrupted)
			return 0;
		if (request->restart)
			request->restart(request->data);
	}
	return fail(request, error, -EINTR,
		    "the list changed each time while it was read");
}
