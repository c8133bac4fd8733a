/* SPDX-License-Identifier: MIT */
/* Clients of a control socket that stall, babble, ask too much or run away. */
#include "tests/bad-clients.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SAVE "{\"command\":\"save\"}\n"

static void tell(int fd, const char *text, size_t len)
{
	(void)!send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A megabyte without an end; what does not fit now, never. */
static void tell_endlessly(int fd)
{
	static char megabyte[1u << 20];

	memset(megabyte, 'x', sizeof(megabyte));
	tell(fd, megabyte, sizeof(megabyte));
}

int bad_client_dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

int bad_client(const char *path, unsigned int i)
{
	int fd = bad_client_dial(path);

	if (fd < 0)
		return -1;
	switch (i % BAD_MANNERS) {
	case 0: /* says nothing */
		break;
	case 1: /* half a request */
		tell(fd, SAVE, sizeof(SAVE) / 2);
		break;
	case 2:
		tell(fd, "\x00\xff garbage \n\n{{{{[[[[\n", 22);
		break;
	case 3:
		tell_endlessly(fd);
		break;
	case 4: /* asks much and reads nothing */
		for (int k = 0; k < 200; k++)
			tell(fd, SAVE, sizeof(SAVE) - 1);
		break;
	default: /* asks and vanishes */
		tell(fd, SAVE, sizeof(SAVE) - 1);
		close(fd);
		return -1;
	}
	return fd;
}

bool bad_client_is_out(int fd)
{
	char some[4096];
	ssize_t n;

	do
		n = recv(fd, some, sizeof(some), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

void bad_clients_begin(struct bad_clients *clients)
{
	*clients = (struct bad_clients){ .dialled = 0 };
	for (unsigned int i = 0; i < BAD_CLIENTS; i++)
		clients->fd[i] = -1;
}

void bad_clients_come(struct bad_clients *clients, const char *path,
		      unsigned int many)
{
	for (unsigned int i = 0; i < BAD_CLIENTS && many; i++) {
		if (clients->fd[i] >= 0) {
			if (!bad_client_is_out(clients->fd[i]))
				continue;
			close(clients->fd[i]);
			clients->out++;
		}
		clients->fd[i] = bad_client(path, clients->dialled++);
		many--;
	}
}

void bad_clients_end(struct bad_clients *clients)
{
	for (unsigned int i = 0; i < BAD_CLIENTS; i++) {
		if (clients->fd[i] >= 0)
			close(clients->fd[i]);
		clients->fd[i] = -1;
	}
}
