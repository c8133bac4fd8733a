/* SPDX-License-Identifier: MIT */
/* Fuzzes the reading of what the kernel, or somebody in its place, answers. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink/genl-vdpa.h"
#include "tests/fuzz/fuzz.h"

/* The input is what comes back: packets, each with its length of 16 bits before
 * it. The first answers the question for the family, the others each request. */
#define PACKETS 16

static void check_text(const char *text, size_t size)
{
	FUZZ_CHECK(memchr(text, '\0', size));
}

static void read_lists(struct vdpa_nl *nl, struct netlink_error *error)
{
	struct vdpa_mgmtdev *m = NULL;
	struct vdpa_device *d = NULL;
	size_t n;

	if (vdpa_nl_mgmtdevs(nl, &m, &n, error) == 0)
		for (size_t i = 0; i < n; i++)
			check_text(m[i].name, sizeof(m[i].name));
	free(m);
	if (vdpa_nl_devices(nl, &d, &n, error) == 0)
		for (size_t i = 0; i < n; i++)
			check_text(d[i].mgmtdev, sizeof(d[i].mgmtdev));
	free(d);
}

static void read_one(struct vdpa_nl *nl, struct netlink_error *error)
{
	struct vdpa_config c;
	struct vdpa_vstats s;

	if (vdpa_nl_config(nl, "vp0", &c, error) == 0)
		check_text(c.name, sizeof(c.name));
	if (vdpa_nl_vstats(nl, "vp0", 0, &s, error) == 0) {
		FUZZ_CHECK(s.n <= VDPA_VSTATS_MAX);
		for (size_t i = 0; i < s.n; i++)
			check_text(s.item[i].name, sizeof(s.item[i].name));
	}
}

static void send_packets(int kernel, struct fuzz_input *in)
{
	static uint8_t packet[1u << 16];

	for (unsigned int i = 0; i < PACKETS && in->left; i++) {
		size_t len = fuzz_u16(in);

		if (len > in->left)
			len = in->left;
		if (!len)
			continue;
		fuzz_take(in, packet, len);
		(void)send(kernel, packet, len, MSG_DONTWAIT);
	}
	/* No more will come: a request that waits is told so. */
	shutdown(kernel, SHUT_WR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { .data = data, .left = size };
	struct netlink_error error = { 0 };
	struct vdpa_nl *nl;
	int pair[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	send_packets(pair[1], &in);
	if (vdpa_nl_from_fd(pair[0], 100, &nl, &error) == 0) {
		read_lists(nl, &error);
		read_one(nl, &error);
		vdpa_nl_close(nl);
	} else {
		FUZZ_CHECK(error.err > 0);
	}
	check_text(error.text, sizeof(error.text));
	close(pair[1]);
	return 0;
}
