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
#include <unistd.h>

#include "tests/bad-clients.h"

#define NOBODY 65534u
#define PAUSE_MSEC 20

static struct {
	struct bad_clients bad;
	unsigned int others, heard;
} siege;

/* Asks, and goes on at once where it is not let in. */
static void come_as_another(const char *path)
{
	struct pollfd answer = { .events = POLLIN };
	char text[256] = "";

	if (seteuid(NOBODY))
		return;
	answer.fd = bad_client_dial(path);
	if (answer.fd >= 0) {
		siege.others++;
		(void)!send(answer.fd, "{\"command\":\"save\"}\n", 19,
			    MSG_NOSIGNAL);
		(void)poll(&answer, 1, 1000);
		if (recv(answer.fd, text, sizeof(text) - 1, 0) > 0)
			siege.heard += !strstr(text, "\"exit\":4");
		close(answer.fd);
	}
	if (seteuid(0))
		_exit(1);
}

static void fill_up(const char *path)
{
	bad_clients_come(&siege.bad, path, BAD_CLIENTS);
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
	bad_clients_begin(&siege.bad);
	fill_up(argv[1]);
	printf("besieged\n");
	fflush(stdout);
	while (!poll(&in, 1, PAUSE_MSEC))
		fill_up(argv[1]);
	printf("{\"dialled\": %u, \"out\": %u, \"others\": %u, \"heard\": %u}\n",
	       siege.bad.dialled, siege.bad.out, siege.others, siege.heard);
	return 0;
}
