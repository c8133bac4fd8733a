/* SPDX-License-Identifier: MIT */
/* A process that speaks with the kernel for us, so that it can be given up. */
#include "netlink/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netlink.h>

/* ------------------------------------------------------- in the other process */

/* One packet on its way; the kernel's have at most 32 KiB. */
static _Alignas(struct nlmsghdr) unsigned char packet[64u << 10];

/* A system call that failed, told as the kernel tells what it refuses. */
static void tell_error(int ours, uint32_t seq, int err)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} m = {
		.h = { .nlmsg_len = sizeof(m),
		       .nlmsg_type = NLMSG_ERROR,
		       .nlmsg_flags = NLM_F_CAPPED,
		       .nlmsg_seq = seq },
		.e = { .error = -err },
	};

	(void)send(ours, &m, sizeof(m), MSG_NOSIGNAL);
}

/* To the kernel. Return: the request's number. */
static uint32_t pass_request(int ours, int kernel)
{
	const struct nlmsghdr *h = (const void *)packet;
	ssize_t n = recv(ours, packet, sizeof(packet), 0);

	if (n < (ssize_t)sizeof(*h))
		_exit(0);
	if (send(kernel, packet, (size_t)n, MSG_NOSIGNAL) < 0)
		tell_error(ours, h->nlmsg_seq, errno);
	return h->nlmsg_seq;
}

/* From the kernel, and from nobody else. */
static void pass_answer(int kernel, int ours, uint32_t seq)
{
	struct sockaddr_nl from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(kernel, packet, sizeof(packet), MSG_TRUNC,
			     (struct sockaddr *)&from, &len);

	if (n < 0)
		tell_error(ours, seq, errno);
	else if ((size_t)n > sizeof(packet))
		tell_error(ours, seq, EMSGSIZE);
	else if (from.nl_pid == 0 &&
		 send(ours, packet, (size_t)n, MSG_NOSIGNAL) < 0)
		_exit(0);
}

/* Whoever reads what our caller wrote must not wait for us: no descriptor but
 * the two is kept. */
static void close_others(int a, int b)
{
	unsigned int low = (unsigned int)(a < b ? a : b);
	unsigned int high = (unsigned int)(a < b ? b : a);

	if (low > 0)
		(void)syscall(SYS_close_range, 0, low - 1, 0);
	if (high > low + 1)
		(void)syscall(SYS_close_range, low + 1, high - 1, 0);
	(void)syscall(SYS_close_range, high + 1, ~0u, 0);
}

static void relay(int ours, int kernel)
{
	struct pollfd fds[] = { { .fd = ours, .events = POLLIN },
				{ .fd = kernel, .events = POLLIN } };
	uint32_t seq = 0;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			_exit(1);
		if (fds[1].revents)
			pass_answer(kernel, ours, seq);
		if (fds[0].revents)
			seq = pass_request(ours, kernel);
	}
}

/* --------------------------------------------------------------------- in ours */

int relay_start(int kernel, pid_t *child)
{
	int pair[2], err = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		err = -errno;
		close(kernel);
		return err;
	}
	*child = fork();
	if (*child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_others(pair[1], kernel);
		relay(pair[1], kernel);
	}
	if (*child < 0)
		err = -errno;
	close(kernel);
	close(pair[1]);
	if (err)
		close(pair[0]);
	return err ? err : pair[0];
}

void relay_stop(int fd, pid_t child)
{
	close(fd);
	if (child <= 0)
		return;
	/* It holds nothing: one that lives on ends with what it waits for. */
	kill(child, SIGKILL);
	(void)waitpid(child, NULL, WNOHANG);
}
