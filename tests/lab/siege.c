/* SPDX-License-Identifier: MIT */
/* Runs in the lab: a hundred bad clients on a control socket, until stdin ends. */

/*
 *   siege SOCKET
 *
 * Whoever is thrown out is followed by the next; as root one comes as another user
 * each time, to a socket whose mode lets everybody try. At the end one line:
 *
 *   {"dialled": N, "out": N, "refused": N, "heard": N}
 *
 * "out": were thrown out; of those who came as another user "refused" were told
 * so, and "heard" had an answer that is more than that.
 */
#include <errno.h>
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
	int other; /* the other user's connection, or -1 */
	unsigned int refused, heard;
} siege = { .other = -1 };

static void dial_as_another(const char *path)
{
	if (seteuid(NOBODY))
		return;
	siege.other = bad_client_dial(path);
	if (siege.other >= 0)
		(void)!send(siege.other, "{\"command\":\"save\"}\n", 19,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (seteuid(0))
		_exit(1);
}

/* What he has been told, if anything yet; he waits for his place like all others. */
static void hear_as_another(void)
{
	char text[256] = "";
	ssize_t n = recv(siege.other, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && strstr(text, "\"exit\":4"))
		siege.refused++;
	else if (n > 0)
		siege.heard++;
	close(siege.other);
	siege.other = -1;
}

static void come_as_another(const char *path)
{
	if (siege.other < 0)
		dial_as_another(path);
	else
		hear_as_another();
}

/* The other user first: where a hundred wait he may not even get a place to wait. */
static void fill_up(const char *path)
{
	if (!geteuid())
		come_as_another(path);
	bad_clients_come(&siege.bad, path, BAD_CLIENTS);
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
	printf("{\"dialled\": %u, \"out\": %u, \"refused\": %u, \"heard\": %u}\n",
	       siege.bad.dialled, siege.bad.out, siege.refused, siege.heard);
	return 0;
}
