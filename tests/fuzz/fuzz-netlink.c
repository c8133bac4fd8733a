/* SPDX-License-Identifier: MIT */
/* Fuzzes the reading of what the kernel, or somebody in its place, answers. */
#include <sys/socket.h>
#include <unistd.h>

#include "netlink/genl-vdpa.h"
#include "tests/fuzz/fuzz.h"

/* The input is what comes back: fuzz_send_packets(). The first answers the question
 * for the family, the others each request. */

static void read_lists(struct vdpa_nl *nl, struct netlink_error *error)
{
	struct vdpa_mgmtdev *m = NULL;
	struct vdpa_device *d = NULL;
	size_t n;

	if (vdpa_nl_mgmtdevs(nl, &m, &n, error) == 0)
		for (size_t i = 0; i < n; i++)
			fuzz_text(m[i].name, sizeof(m[i].name));
	free(m);
	if (vdpa_nl_devices(nl, &d, &n, error) == 0)
		for (size_t i = 0; i < n; i++)
			fuzz_text(d[i].mgmtdev, sizeof(d[i].mgmtdev));
	free(d);
}

static void read_one(struct vdpa_nl *nl, struct netlink_error *error)
{
	struct vdpa_config c;
	struct vdpa_vstats s;

	if (vdpa_nl_config(nl, "vp0", &c, error) == 0)
		fuzz_text(c.name, sizeof(c.name));
	if (vdpa_nl_vstats(nl, "vp0", 0, &s, error) == 0) {
		FUZZ_CHECK(s.n <= VDPA_VSTATS_MAX);
		for (size_t i = 0; i < s.n; i++)
			fuzz_text(s.item[i].name, sizeof(s.item[i].name));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { .data = data, .left = size };
	struct netlink_error error = { 0 };
	struct vdpa_nl *nl;
	int pair[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	fuzz_send_packets(&in, &pair[1], 1);
	if (vdpa_nl_from_fd(pair[0], 100, &nl, &error) == 0) {
		read_lists(nl, &error);
		read_one(nl, &error);
		vdpa_nl_close(nl);
	} else {
		FUZZ_CHECK(error.err > 0);
	}
	fuzz_text(error.text, sizeof(error.text));
	close(pair[1]);
	return 0;
}
