/* netlink.c: passes raw netlink requests on to the kernel and prints its answers.
 *
 *   netlink [route] < LINES
 *                       generic netlink, or rtnetlink: each line a request as hex; for each the packets that came back,
 *                       one a line as hex, then a line with a dot
 *
 * record-netlink makes the requests; no line of the project's own netlink code is in here.
 */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned char packet[65536];

static int is_last(ssize_t len)
{
	struct nlmsghdr *h = (struct nlmsghdr *)packet;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len))
		if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
			return 1;
	return 0;
}

static size_t unhex(const char *text)
{
	size_t n = 0;
	unsigned int byte;

	for (; sscanf(text, "%2x", &byte) == 1; text += 2)
		packet[n++] = (unsigned char)byte;
	return n;
}

int main(int argc, char **argv)
{
	static char line[2 * sizeof(packet)];
	int route = argc > 1 && !strcmp(argv[1], "route"), on = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW,
			route ? NETLINK_ROUTE : NETLINK_GENERIC);

	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	if (route)
		setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on,
			   sizeof(on));
	while (fgets(line, sizeof(line), stdin)) {
		struct pollfd pfd = { fd, POLLIN, 0 };
		ssize_t n = 0;

		if (send(fd, packet, unhex(line), 0) < 0) {
			perror("send");
			return 1;
		}
		do {
			if (poll(&pfd, 1, 2000) != 1)
				break;
			n = recv(fd, packet, sizeof(packet), 0);
			for (ssize_t i = 0; i < n; i++)
				printf("%02x", packet[i]);
			puts("");
		} while (n > 0 && !is_last(n));
		puts(".");
		fflush(stdout);
	}
	return 0;
}
