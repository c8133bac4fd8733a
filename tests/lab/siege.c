/* SPDX-License-Identifier: MIT */
/* Runs in the lab: a hundred bad clients on a control socket, until stdin ends. */

/*
 *   siege SOCKET
 *
 * Whoever is thrown out is followed by the next; as root one comes as another user
 * each time, to a socket whose mode lets everybody try. At the end one line:
 *
 *   {"dialled": N, "out": N, "others": N, "heard": N}
 *
 * "out": were thrown out, "others": came as another user, "heard": had an answer
 * that is more than a refusal all the same.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bad-clients.h"

#define NOBODY 65534u
#define PAUSE_MSEC 20

static struct {
	int fd[BAD_CLIENTS];
	unsigned int dialled, out, others, heard;
} siege;

/* Asks, and goes on at once where it is not let in. */
static void come_as_another(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct pollfd answer = { .events = POLLIN };
	char text[256] = "";

	answer.fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (seteuid(NOBODY))
		return;
	if (!connect(answer.fd, (struct sockaddr *)&address, sizeof(address))) {
		siege.others++;
		(void)!send(answer.fd, "{\"command\":\"save\"}\n", 19,
			    MSG_NOSIGNAL);
		(void)poll(&answer, 1, 1000);
		if (recv(answer.fd, text, sizeof(text) - 1, 0) > 0)
			siege.heard += !strstr(text, "\"exit\":4");
	}
	if (seteuid(0))
		_exit(1);
	close(answer.fd);
}

static void fill_up(const char *path)
{
	for (unsigned int i = 0; i < BAD_CLIENTS; i++) {
		if (siege.fd[i] >= 0) {
			if (!bad_client_is_out(siege.fd[i]))
				continue;
			close(siege.fd[i]);
			siege.out++;
		}
		siege.fd[i] = bad_client(path, siege.dialled++);
	}
	if (!geteuid())
		come_as_another(path);
}

int main(int argc, char **argv)
{
	struct pollfd in = { STDIN_FILENO, POLLIN, 0 };

	if (argc != 2) {
		fprintf(stderr, "usage: siege SOCKET\n");
		return 2;
	}
	if (!geteuid())
		(void)!chmod(argv[1], 0666);
	memset(siege.fd, -1, sizeof(siege.fd));
	fill_up(argv[1]);
	printf("besieged\n");
	fflush(stdout);
	while (!poll(&in, 1, PAUSE_MSEC))
		fill_up(argv[1]);
	printf("{\"dialled\": %u, \"out\": %u, \"others\": %u, \"heard\": %u}\n",
	       siege.dialled, siege.out, siege.others, siege.heard);
	return 0;
}
