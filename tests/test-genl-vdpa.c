/* SPDX-License-Identifier: MIT */
/* vdpa netlink: recorded answers of real kernels, damaged ones, a silent kernel. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/genetlink.h>
#include <linux/vdpa.h>

#include "netlink/genl-vdpa.h"
#include "netlink/relay.h"
#include "netlink/vdpa-uapi.h"
#include "tests/netlink-replay.h"

#define TIMEOUT_MS 100

static const char *const kernels[] = { "6.1", "6.12" };

/* ------------------------------------------------------- the kernel's end */

/* Ours and the kernel's end of a connection. Requests are numbered from 1, so
 * that answers can be laid out before they are asked for. */
struct line {
	struct vdpa_nl *nl;
	int kernel;
	uint32_t seq; /* of the last request that has an answer */
	struct netlink_error error;
};

/* The next request will be answered so. */
static void answer_with(struct line *l, struct answer *a)
{
	l->seq++;
	for (size_t i = 0; i < a->n; i++)
		replay_send(l->kernel, &a->packet[i], l->seq);
	replay_forget(a);
}

static void answers(struct line *l, const char *kernel, const char *name)
{
	struct answer a = replay_read("linux", kernel, name);

	answer_with(l, &a);
}

static int connect_line(struct line *l)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	*l = (struct line){ .kernel = fd[1] };
	answers(l, "6.12", "family");
	return vdpa_nl_from_fd(fd[0], TIMEOUT_MS, &l->nl, &l->error);
}

static struct line opened(void)
{
	struct line l;

	assert_int_equal(connect_line(&l), 0);
	return l;
}

static void hang_up(struct line *l)
{
	vdpa_nl_close(l->nl);
	close(l->kernel);
}

/* The request that we sent last. */
static struct packet request(const struct line *l)
{
	struct packet p = { .data = malloc(4096) };
	ssize_t n;

	assert_non_null(p.data);
	while ((n = recv(l->kernel, p.data, 4096, MSG_DONTWAIT)) > 0)
		p.len = (size_t)n;
	assert_true(p.len > NLMSG_HDRLEN);
	assert_int_equal(replay_header(&p)->nlmsg_len, p.len);
	return p;
}

/* --------------------------------------------------------- recorded answers */

static void uapi_values_are_those_of_the_header(void **state)
{
	(void)state;
	assert_string_equal(U_VDPA_GENL_NAME, VDPA_GENL_NAME);
	assert_int_equal(U_VDPA_CMD_MGMTDEV_GET, VDPA_CMD_MGMTDEV_GET);
	assert_int_equal(U_VDPA_CMD_DEV_NEW, VDPA_CMD_DEV_NEW);
	assert_int_equal(U_VDPA_CMD_DEV_DEL, VDPA_CMD_DEV_DEL);
	assert_int_equal(U_VDPA_CMD_DEV_GET, VDPA_CMD_DEV_GET);
	assert_int_equal(U_VDPA_CMD_DEV_CONFIG_GET, VDPA_CMD_DEV_CONFIG_GET);
	assert_int_equal(U_VDPA_CMD_DEV_VSTATS_GET, VDPA_CMD_DEV_VSTATS_GET);
	assert_int_equal(U_VDPA_ATTR_MGMTDEV_SUPPORTED_CLASSES,
			 VDPA_ATTR_MGMTDEV_SUPPORTED_CLASSES);
	assert_int_equal(U_VDPA_ATTR_DEV_MIN_VQ_SIZE,
			 VDPA_ATTR_DEV_MIN_VQ_SIZE);
	assert_int_equal(U_VDPA_ATTR_DEV_NET_CFG_MTU,
			 VDPA_ATTR_DEV_NET_CFG_MTU);
	assert_int_equal(U_VDPA_ATTR_DEV_SUPPORTED_FEATURES,
			 VDPA_ATTR_DEV_SUPPORTED_FEATURES);
	assert_int_equal(U_VDPA_ATTR_DEV_VENDOR_ATTR_VALUE,
			 VDPA_ATTR_DEV_VENDOR_ATTR_VALUE);
	assert_int_equal(U_VDPA_ATTR_DEV_FEATURES, VDPA_ATTR_DEV_FEATURES);
}

static void management_devices_are_listed(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct line l = opened();
		struct vdpa_mgmtdev *m;
		size_t n;

		answers(&l, kernels[k], "mgmtdevs");
		assert_int_equal(vdpa_nl_mgmtdevs(l.nl, &m, &n, &l.error), 0);
		assert_int_equal(n, 3);
		assert_string_equal(m[0].name, "vdpasim_net");
		assert_true(m[0].has_features && m[0].has_max_vqs);
		assert_int_equal(m[0].features, k ? 0x308830028 : 0x308820028);
		assert_int_equal(m[0].max_vqs, 3);
		assert_string_equal(m[1].name, "pci/0000:00:08.0");
		assert_int_equal(m[1].classes, 1 << VDPA_ID_NET);
		assert_int_equal(m[1].features, 0x1200010330ffffa7);
		assert_int_equal(m[1].max_vqs, 9);
		free(m);
		hang_up(&l);
	}
}

static void devices_are_listed(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct line l = opened();
		struct vdpa_device *d;
		size_t n;

		answers(&l, kernels[k], "devices");
		assert_int_equal(vdpa_nl_devices(l.nl, &d, &n, &l.error), 0);
		assert_int_equal(n, 3);
		assert_string_equal(d[0].name, "vp0");
		assert_string_equal(d[0].mgmtdev, "pci/0000:00:08.0");
		assert_int_equal(d[0].id, VDPA_ID_NET);
		assert_int_equal(d[0].vendor, 0x1af4);
		assert_int_equal(d[0].max_vqs, 9);
		assert_int_equal(d[0].max_vq_size, 256);
		assert_int_equal(d[0].min_vq_size, 1);
		assert_string_equal(d[2].name, "sim0");
		assert_string_equal(d[2].mgmtdev, "vdpasim_net");
		free(d);
		hang_up(&l);
	}
}

static void one_device_is_looked_at(void **state)
{
	struct line l = opened();
	struct vdpa_device d;

	(void)state;
	answers(&l, "6.1", "device sim0");
	assert_int_equal(vdpa_nl_device(l.nl, "sim0", &d, &l.error), 0);
	assert_string_equal(d.name, "sim0");
	assert_int_equal(d.max_vqs, 3);
	hang_up(&l);
}

static void configuration_of_a_device_in_use_has_its_features(void **state)
{
	static const uint8_t mac[] = { 2, 0x58, 0xbb, 0xbf, 0x2c, 0xe0 };

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct line l = opened();
		struct vdpa_config c;

		answers(&l, kernels[k], "config vp0");
		assert_int_equal(vdpa_nl_config(l.nl, "vp0", &c, &l.error), 0);
		assert_int_equal(c.has, VDPA_CONFIG_MAC | VDPA_CONFIG_STATUS |
						VDPA_CONFIG_MAX_PAIRS |
						VDPA_CONFIG_NEGOTIATED |
						VDPA_CONFIG_FEATURES);
		assert_memory_equal(c.mac, mac, 6);
		assert_int_equal(c.status, 1);
		assert_int_equal(c.max_pairs, 4);
		assert_int_equal(c.negotiated, 0x1200010330ffffa7);
		assert_int_equal(c.features, 0x1200010330ffffa7);
		hang_up(&l);
	}
}

static void configuration_of_a_free_device_has_no_negotiated(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct line l = opened();
		struct vdpa_config c;

		answers(&l, kernels[k], "config vp1");
		assert_int_equal(vdpa_nl_config(l.nl, "vp1", &c, &l.error), 0);
		assert_false(c.has & VDPA_CONFIG_NEGOTIATED);
		assert_true(c.has & VDPA_CONFIG_FEATURES);
		hang_up(&l);
	}
}

static void configuration_without_queue_pairs_says_so(void **state)
{
	struct line l = opened();
	struct vdpa_config c;

	(void)state;
	answers(&l, "6.12", "config sim0");
	assert_int_equal(vdpa_nl_config(l.nl, "sim0", &c, &l.error), 0);
	assert_false(c.has & VDPA_CONFIG_MAX_PAIRS);
	assert_true(c.has & VDPA_CONFIG_MTU);
	assert_int_equal(c.mtu, 1500);
	hang_up(&l);
}

static void counters_come_in_pairs(void **state)
{
	struct line l = opened();
	struct vdpa_vstats s;

	(void)state;
	answers(&l, "6.12", "vstats sim0");
	assert_int_equal(vdpa_nl_vstats(l.nl, "sim0", 0, &s, &l.error), 0);
	assert_string_equal(s.name, "sim0");
	assert_int_equal(s.queue, 0);
	assert_int_equal(s.negotiated, 0x300830020);
	assert_true(s.n >= 2);
	assert_string_equal(s.item[0].name, "rx packets");
	assert_string_equal(s.item[1].name, "rx bytes");
	hang_up(&l);
}

/* ------------------------------------------------------------------- errors */

static void words_of_the_kernel_are_in_the_error(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct line l = opened();
		struct vdpa_config c;

		answers(&l, kernels[k], "config none");
		assert_int_equal(vdpa_nl_config(l.nl, "none", &c, &l.error),
				 -ENODEV);
		assert_int_equal(l.error.err, ENODEV);
		assert_string_equal(l.error.text,
				    "none: read configuration: vdpa: device "
				    "not found (No such device)");
		hang_up(&l);
	}
}

static void an_error_may_be_of_no_interest(void **state)
{
	struct line l = opened();
	struct vdpa_config c;

	(void)state;
	answers(&l, "6.12", "config none");
	assert_int_equal(vdpa_nl_config(l.nl, "none", &c, NULL), -ENODEV);
	hang_up(&l);
}

static void an_error_without_words_has_its_errno(void **state)
{
	struct line l = opened();
	struct vdpa_vstats s;

	(void)state;
	answers(&l, "6.1", "vstats sim0");
	assert_int_equal(vdpa_nl_vstats(l.nl, "sim0", 0, &s, &l.error),
			 -EOPNOTSUPP);
	assert_string_equal(l.error.text,
			    "sim0: read counters: Operation not supported");
	hang_up(&l);
}

static void a_missing_family_is_explained(void **state)
{
	struct line l;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	l = (struct line){ .kernel = fd[1] };
	answers(&l, "6.12", "family none");
	assert_int_equal(vdpa_nl_from_fd(fd[0], TIMEOUT_MS, &l.nl, &l.error),
			 -ENOENT);
	assert_non_null(strstr(l.error.text, "no vdpa module"));
	close(l.kernel);
}

/* An error that carries the whole request, as before NETLINK_CAP_ACK. */
static void words_behind_the_request_are_found(void **state)
{
	struct line l = opened();
	struct answer a = replay_read("linux", "6.12", "config none");
	struct packet *p = &a.packet[0];
	struct packet wide = { .data = calloc(1, p->len + 16) };
	struct vdpa_config c;

	(void)state;
	assert_non_null(wide.data);
	memcpy(wide.data, p->data, 36);
	memcpy(wide.data + 52, p->data + 36, p->len - 36);
	wide.len = p->len + 16;
	replay_header(&wide)->nlmsg_len = (uint32_t)wide.len;
	replay_header(&wide)->nlmsg_flags &= (uint16_t)~NLM_F_CAPPED;
	*(uint32_t *)(void *)(wide.data + 20) = 32; /* the request's length */
	free(p->data);
	*p = wide;
	answer_with(&l, &a);
	assert_int_equal(vdpa_nl_config(l.nl, "none", &c, &l.error), -ENODEV);
	assert_non_null(strstr(l.error.text, "device not found"));
	hang_up(&l);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void a_silent_kernel_is_given_up(void **state)
{
	struct line l = opened();
	uint64_t start = now_ms();
	struct vdpa_config c;

	(void)state;
	assert_int_equal(vdpa_nl_config(l.nl, "vp0", &c, &l.error), -ETIMEDOUT);
	assert_in_range(now_ms() - start, TIMEOUT_MS - 1, 20 * TIMEOUT_MS);
	hang_up(&l);
}

static void a_dump_without_end_is_given_up(void **state)
{
	struct line l = opened();
	struct answer a = replay_read("linux", "6.12", "devices");
	struct vdpa_device *d;
	size_t n;

	(void)state;
	free(a.packet[--a.n].data); /* NLMSG_DONE */
	answer_with(&l, &a);
	assert_int_equal(vdpa_nl_devices(l.nl, &d, &n, &l.error), -ETIMEDOUT);
	hang_up(&l);
}

static void an_answer_that_comes_late_is_not_taken(void **state)
{
	struct line l = opened();
	struct vdpa_config c;

	(void)state;
	assert_int_equal(vdpa_nl_config(l.nl, "vp0", &c, &l.error), -ETIMEDOUT);
	answers(&l, "6.12", "config vp0"); /* of request 2, that one */
	answers(&l, "6.12", "config vp1");
	assert_int_equal(vdpa_nl_config(l.nl, "vp1", &c, &l.error), 0);
	assert_string_equal(c.name, "vp1");
	hang_up(&l);
}

static void the_other_end_may_go_away(void **state)
{
	struct line l = opened();
	struct vdpa_config c;
	int err;

	(void)state;
	close(l.kernel);
	l.kernel = -1;
	err = vdpa_nl_config(l.nl, "vp0", &c, &l.error);
	assert_true(err == -EPIPE || err == -ECONNRESET);
	vdpa_nl_close(l.nl);
}

static void an_end_of_the_answers_is_an_error(void **state)
{
	struct line l = opened();
	struct vdpa_config c;

	(void)state;
	shutdown(l.kernel, SHUT_WR);
	assert_int_equal(vdpa_nl_config(l.nl, "vp0", &c, &l.error), -EBADMSG);
	hang_up(&l);
}

static void names_that_no_kernel_takes_are_refused(void **state)
{
	struct line l = opened();
	struct vdpa_config c;
	char name[300];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(vdpa_nl_config(l.nl, name, &c, &l.error),
			 -ENAMETOOLONG);
	hang_up(&l);
}

/* ----------------------------------------------------------- changing lists */

static struct answer interrupted(const char *name)
{
	struct answer a = replay_read("linux", "6.12", name);

	for (size_t i = 0; i < a.n; i++)
		replay_header(&a.packet[i])->nlmsg_flags |= NLM_F_DUMP_INTR;
	return a;
}

static void an_interrupted_dump_begins_again(void **state)
{
	struct line l = opened();
	struct answer a = interrupted("devices");
	struct vdpa_device *d;
	size_t n;

	(void)state;
	answer_with(&l, &a);
	answers(&l, "6.12", "devices");
	assert_int_equal(vdpa_nl_devices(l.nl, &d, &n, &l.error), 0);
	assert_int_equal(n, 3); /* not six */
	free(d);
	hang_up(&l);
}

/* The kernel may fail such a dump with EINTR too. */
static void a_dump_that_ends_in_eintr_begins_again(void **state)
{
	struct line l = opened();
	struct answer a = replay_read("linux", "6.12", "devices");
	struct vdpa_device *d;
	int err = -EINTR;
	size_t n;

	(void)state;
	memcpy(a.packet[a.n - 1].data + NLMSG_HDRLEN, &err, sizeof(err));
	answer_with(&l, &a);
	answers(&l, "6.12", "devices");
	assert_int_equal(vdpa_nl_devices(l.nl, &d, &n, &l.error), 0);
	assert_int_equal(n, 3);
	free(d);
	hang_up(&l);
}

static void a_dump_is_not_begun_again_for_ever(void **state)
{
	struct line l = opened();
	struct vdpa_device *d = NULL;
	size_t n = 7;

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct answer a = interrupted("devices");

		answer_with(&l, &a);
	}
	assert_int_equal(vdpa_nl_devices(l.nl, &d, &n, &l.error), -EINTR);
	assert_null(d);
	assert_int_equal(n, 7);
	hang_up(&l);
}

static void a_failed_dump_gives_nothing(void **state)
{
	struct line l = opened();
	struct answer a = replay_read("linux", "6.12", "mgmtdevs");
	struct vdpa_mgmtdev *m = NULL;
	int err = -EPERM;
	size_t n;

	(void)state;
	memcpy(a.packet[a.n - 1].data + NLMSG_HDRLEN, &err, sizeof(err));
	answer_with(&l, &a);
	assert_int_equal(vdpa_nl_mgmtdevs(l.nl, &m, &n, &l.error), -EPERM);
	assert_null(m);
	hang_up(&l);
}

static void an_empty_list_is_none(void **state)
{
	struct line l = opened();
	struct answer a = replay_read("linux", "6.12", "mgmtdevs");
	struct vdpa_mgmtdev *m = (void *)&l;
	size_t n = 7;

	(void)state;
	free(a.packet[0].data);
	a.packet[0] = a.packet[1];
	a.n = 1;
	answer_with(&l, &a);
	assert_int_equal(vdpa_nl_mgmtdevs(l.nl, &m, &n, &l.error), 0);
	assert_null(m);
	assert_int_equal(n, 0);
	hang_up(&l);
}

/* ----------------------------------------------------------------- requests */

static bool has_attr(const struct packet *p, int type, const void *data,
		     int len)
{
	struct nlattr *attr =
		nla_find((void *)(p->data + NLMSG_HDRLEN + GENL_HDRLEN),
			 (int)p->len - NLMSG_HDRLEN - (int)GENL_HDRLEN, type);

	return attr && nla_len(attr) == len &&
	       !memcmp(nla_data(attr), data, (size_t)len);
}

static void a_new_device_is_asked_for_with_all_its_members(void **state)
{
	const struct vdpa_new device = {
		.name = "new",
		.mgmtdev = "pci/0000:00:08.0",
		.has = VDPA_CONFIG_MAC | VDPA_CONFIG_MTU |
		       VDPA_CONFIG_MAX_PAIRS | VDPA_CONFIG_FEATURES,
		.mac = { 2, 3, 4, 5, 6, 7 },
		.mtu = 1400,
		.max_pairs = 3,
		.features = 0x1234567800000021,
	};
	struct line l = opened();
	struct packet p;

	(void)state;
	answers(&l, "6.12", "add");
	assert_int_equal(vdpa_nl_add(l.nl, &device, &l.error), 0);
	p = request(&l);
	assert_true(has_attr(&p, U_VDPA_ATTR_DEV_NAME, "new", 4));
	assert_true(has_attr(&p, U_VDPA_ATTR_MGMTDEV_BUS_NAME, "pci", 4));
	assert_true(
		has_attr(&p, U_VDPA_ATTR_MGMTDEV_DEV_NAME, "0000:00:08.0", 13));
	assert_true(
		has_attr(&p, U_VDPA_ATTR_DEV_NET_CFG_MACADDR, device.mac, 6));
	assert_true(has_attr(&p, U_VDPA_ATTR_DEV_NET_CFG_MTU, &device.mtu, 2));
	assert_true(has_attr(&p, U_VDPA_ATTR_DEV_NET_CFG_MAX_VQP,
			     &device.max_pairs, 2));
	assert_true(
		has_attr(&p, U_VDPA_ATTR_DEV_FEATURES, &device.features, 8));
	free(p.data);
	hang_up(&l);
}

static void a_new_device_has_only_what_is_wanted(void **state)
{
	const struct vdpa_new device = { .name = "new", .mgmtdev = "sim" };
	struct line l = opened();
	struct packet p;

	(void)state;
	answers(&l, "6.12", "add bad mgmtdev");
	assert_int_equal(vdpa_nl_add(l.nl, &device, &l.error), -ENODEV);
	assert_non_null(strstr(l.error.text,
			       "Fail to find the specified management device"));
	p = request(&l);
	assert_true(has_attr(&p, U_VDPA_ATTR_MGMTDEV_DEV_NAME, "sim", 4));
	for (int i = U_VDPA_ATTR_DEV_ID; i <= U_VDPA_ATTR_LAST; i++)
		assert_null(nla_find(
			(void *)(p.data + NLMSG_HDRLEN + GENL_HDRLEN),
			(int)p.len - NLMSG_HDRLEN - (int)GENL_HDRLEN, i));
	free(p.data);
	hang_up(&l);
}

static void a_device_is_removed_and_given_a_mac(void **state)
{
	static const uint8_t mac[] = { 2, 3, 4, 5, 6, 7 };
	struct line l = opened();

	(void)state;
	answers(&l, "6.12", "delete");
	assert_int_equal(vdpa_nl_delete(l.nl, "new", &l.error), 0);
	answers(&l, "6.12", "delete none");
	assert_int_equal(vdpa_nl_delete(l.nl, "none", &l.error), -ENODEV);
	answers(&l, "6.12", "set mac");
	assert_int_equal(vdpa_nl_set_mac(l.nl, "new", mac, &l.error), 0);
	answers(&l, "6.1", "set mac");
	assert_int_equal(vdpa_nl_set_mac(l.nl, "new", mac, &l.error),
			 -EOPNOTSUPP);
	hang_up(&l);
}

/* ------------------------------------------------------------------ damaged */

static void for_messages(void (*fn)(struct packet *message))
{
	static const char *const names[] = { "family",	    "mgmtdevs",
					     "devices",	    "config vp0",
					     "config sim0", "vstats sim0" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		replay_messages("linux", "6.12", names[i], fn);
}

/* Return: how many of the readers took it. */
static int read_as_everything(struct nlmsghdr *h)
{
	struct vdpa_mgmtdev m;
	struct vdpa_device d;
	struct vdpa_config c;
	struct vdpa_vstats s;
	uint16_t family;

	return (vdpa_parse_mgmtdev(h, &m) == 0) +
	       (vdpa_parse_device(h, &d) == 0) +
	       (vdpa_parse_config(h, &c) == 0) +
	       (vdpa_parse_vstats(h, &s) == 0) +
	       (vdpa_parse_family(h, &family) == 0);
}

static size_t align4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* Cut anywhere but behind a whole attribute: nobody takes it. */
static bool ends_with_an_attribute(const struct packet *p, size_t len)
{
	size_t at = NLMSG_HDRLEN + GENL_HDRLEN;

	while (at < len) {
		const struct nlattr *attr = (void *)(p->data + at);
		size_t end = at + attr->nla_len;

		if (len >= end && len <= align4(end))
			return true;
		at = align4(end);
	}
	return at == len;
}

static void cut_everywhere(struct packet *whole)
{
	for (size_t len = NLMSG_HDRLEN; len < whole->len; len++) {
		struct nlmsghdr *h = replay_cut(whole, len);

		if (read_as_everything(h))
			assert_true(ends_with_an_attribute(whole, len));
		free(h);
	}
}

static void messages_cut_off_anywhere_are_refused(void **state)
{
	(void)state;
	for_messages(cut_everywhere);
}

static void twist_every_byte(struct packet *whole)
{
	replay_twist(whole, read_as_everything);
}

static void messages_with_any_byte_wrong_do_no_harm(void **state)
{
	(void)state;
	for_messages(twist_every_byte);
}

static void packets_cut_off_anywhere_are_refused(void **state)
{
	struct answer a = replay_read("linux", "6.12", "devices");
	struct packet whole = a.packet[0];

	(void)state;
	replay_header(&whole)->nlmsg_seq = 2;
	for (size_t len = 1; len < whole.len; len += 7) {
		struct line l = opened();
		struct vdpa_device *d = NULL;
		size_t n;

		assert_int_equal(send(l.kernel, whole.data, len, 0), len);
		if (len % 96) /* each of its messages has 96 bytes */
			assert_int_equal(
				vdpa_nl_devices(l.nl, &d, &n, &l.error),
				-EBADMSG);
		assert_null(d);
		hang_up(&l);
	}
	replay_forget(&a);
}

/* One message with one attribute, in memory of exactly that size. */
static struct packet message_with(int type, const void *data, uint16_t len)
{
	struct nlattr *attr;
	size_t size = NLMSG_HDRLEN + GENL_HDRLEN + sizeof(*attr) + len;
	struct packet p = { calloc(1, size), size };

	assert_non_null(p.data);
	replay_header(&p)->nlmsg_len = (uint32_t)size;
	attr = (void *)(p.data + NLMSG_HDRLEN + GENL_HDRLEN);
	attr->nla_type = (uint16_t)type;
	attr->nla_len = (uint16_t)(sizeof(*attr) + len);
	memcpy(attr + 1, data, len);
	return p;
}

/* A recorded message with one more attribute, in memory of exactly that size. */
static struct packet recorded_with(const char *name, int type, const void *data,
				   uint16_t len)
{
	struct answer a = replay_read("linux", "6.12", name);
	size_t old = replay_header(&a.packet[0])->nlmsg_len;
	struct packet more = message_with(type, data, len), p = { 0 };
	size_t start = NLMSG_HDRLEN + GENL_HDRLEN;

	p.len = old + more.len - start;
	p.data = malloc(p.len);
	assert_non_null(p.data);
	memcpy(p.data, a.packet[0].data, old);
	memcpy(p.data + old, more.data + start, more.len - start);
	replay_header(&p)->nlmsg_len = (uint32_t)p.len;
	free(more.data);
	replay_forget(&a);
	return p;
}

static void attributes_of_a_wrong_size_are_refused(void **state)
{
	static const struct {
		int type;
		uint16_t len;
		int want;
	} sizes[] = {
		{ U_VDPA_ATTR_DEV_NAME, 0, -EBADMSG },
		{ U_VDPA_ATTR_DEV_NAME, 4, -EBADMSG }, /* without NUL */
		{ U_VDPA_ATTR_DEV_NAME, 9, 0 },
		{ U_VDPA_ATTR_DEV_ID, 2, -EBADMSG },
		{ U_VDPA_ATTR_DEV_NET_CFG_MACADDR, 5, -EBADMSG },
		{ U_VDPA_ATTR_DEV_NET_CFG_MACADDR, 6, 0 },
		{ U_VDPA_ATTR_DEV_NET_CFG_MACADDR, 7, -EBADMSG },
		{ U_VDPA_ATTR_DEV_NET_STATUS, 1, -EBADMSG },
		{ U_VDPA_ATTR_DEV_NET_STATUS, 2, 0 },
		{ U_VDPA_ATTR_DEV_FEATURES, 4, -EBADMSG },
		{ U_VDPA_ATTR_DEV_FEATURES, 8, 0 },
		{ U_VDPA_ATTR_DEV_NEGOTIATED_FEATURES, 7, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct packet p = recorded_with("config vp0", sizes[i].type,
						"xxxxxxxx", sizes[i].len);
		struct vdpa_config c;

		assert_int_equal(vdpa_parse_config(replay_header(&p), &c),
				 sizes[i].want);
		free(p.data);
	}
}

static void names_that_are_too_long_are_refused(void **state)
{
	struct packet p;
	char name[VDPA_MGMTDEV_SIZE + 1];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	p = message_with(U_VDPA_ATTR_MGMTDEV_DEV_NAME, name, sizeof(name));
	assert_int_equal(read_as_everything(replay_header(&p)), 0);
	free(p.data);
	p = message_with(U_VDPA_ATTR_MGMTDEV_DEV_NAME, name + 1,
			 sizeof(name) - 1);
	assert_int_equal(read_as_everything(replay_header(&p)), 1);
	free(p.data);
}

static void attributes_that_are_not_known_are_skipped(void **state)
{
	struct line l = opened();
	struct answer a = replay_read("linux", "6.12", "config vp0");
	struct packet *p = &a.packet[0];
	struct nlattr *attr;
	struct vdpa_config c;

	(void)state;
	p->data = realloc(p->data, p->len + 8);
	assert_non_null(p->data);
	attr = memset(p->data + p->len, 0, 8);
	*attr = (struct nlattr){ .nla_len = 8, .nla_type = 99 };
	p->len += 8;
	replay_header(p)->nlmsg_len = (uint32_t)p->len;
	answer_with(&l, &a);
	assert_int_equal(vdpa_nl_config(l.nl, "vp0", &c, &l.error), 0);
	assert_int_equal(c.max_pairs, 4);
	hang_up(&l);
}

/* What tells the features in Linux 6.1 may be anything of another device. */
static void members_of_other_classes_are_left_alone(void **state)
{
	struct answer a = replay_read("linux", "6.1", "config vp1");
	struct packet *p = &a.packet[0];
	struct nlattr *id =
		nla_find((void *)(p->data + NLMSG_HDRLEN + GENL_HDRLEN),
			 (int)p->len - NLMSG_HDRLEN - (int)GENL_HDRLEN,
			 U_VDPA_ATTR_DEV_ID);
	struct vdpa_config c;

	(void)state;
	*(uint32_t *)nla_data(id) = 2; /* a block device */
	assert_int_equal(vdpa_parse_config(replay_header(p), &c), 0);
	assert_int_equal(c.id, 2);
	assert_int_equal(c.has, 0);
	replay_forget(&a);
}

/* Each error number that a kernel, or somebody who is none, may send. */
static void error_numbers_are_judged(void **state)
{
	static const struct {
		int sent, want;
	} numbers[] = { { 5, -EBADMSG },
			{ -5000, -EBADMSG },
			{ -EPERM, -EPERM },
			{ -524, -524 }, /* one that libc does not know */
			{ INT32_MIN, -EBADMSG } };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct line l = opened();
		struct answer a = replay_read("linux", "6.12", "config none");
		struct vdpa_config c;

		memcpy(a.packet[0].data + NLMSG_HDRLEN, &numbers[i].sent, 4);
		answer_with(&l, &a);
		assert_int_equal(vdpa_nl_config(l.nl, "x", &c, &l.error),
				 numbers[i].want);
		hang_up(&l);
	}
}

static void success_without_an_answer_is_an_error(void **state)
{
	struct line l = opened();
	struct vdpa_config c;

	(void)state;
	answers(&l, "6.12", "delete");
	assert_int_equal(vdpa_nl_config(l.nl, "vp0", &c, &l.error), -ENODATA);
	hang_up(&l);
}

/* ------------------------------------------------- the process between us */

static void a_relay_passes_on_and_ends(void **state)
{
	int pair[2], fd;
	struct packet p = message_with(1, "request", 8);
	char got[64];
	pid_t child = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fd = relay_start(pair[0], &child);
	assert_true(fd >= 0 && child > 0);
	assert_int_equal(send(fd, p.data, p.len, 0), p.len);
	assert_int_equal(recv(pair[1], got, sizeof(got), 0), p.len);
	assert_memory_equal(got, p.data, p.len);
	assert_int_equal(send(pair[1], "answer", 6, 0), 6);
	assert_int_equal(recv(fd, got, sizeof(got), 0), 6);
	relay_stop(fd, child);
	assert_int_equal(recv(pair[1], got, sizeof(got), 0), 0);
	close(pair[1]);
	free(p.data);
}

/* A request that the socket does not take is answered with its errno. */
static void a_relay_tells_what_a_system_call_says(void **state)
{
	struct packet p = message_with(1, "request", 8);
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} told = { 0 };
	int pair[2], fd;
	pid_t child = 0;

	(void)state;
	replay_header(&p)->nlmsg_seq = 77;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	shutdown(pair[1], SHUT_RD);
	fd = relay_start(pair[0], &child);
	assert_true(fd >= 0);
	assert_int_equal(send(fd, p.data, p.len, 0), p.len);
	assert_int_equal(recv(fd, &told, sizeof(told), 0), sizeof(told));
	assert_int_equal(told.h.nlmsg_type, NLMSG_ERROR);
	assert_int_equal(told.h.nlmsg_seq, 77);
	assert_int_equal(told.e.error, -EPIPE);
	relay_stop(fd, child);
	close(pair[1]);
	free(p.data);
}

/* Whatever this machine has: an answer, and nothing left behind. */
static void the_kernel_of_this_machine_is_asked(void **state)
{
	struct netlink_error error = { 0 };
	struct vdpa_nl *nl = NULL;
	int before = dup(0), after, err;

	(void)state;
	close(before);
	err = vdpa_nl_open(TIMEOUT_MS * 20, &nl, &error);
	if (err)
		assert_true(*error.text);
	vdpa_nl_close(nl);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_relay_passes_on_and_ends),
		cmocka_unit_test(a_relay_tells_what_a_system_call_says),
		cmocka_unit_test(the_kernel_of_this_machine_is_asked),
		cmocka_unit_test(uapi_values_are_those_of_the_header),
		cmocka_unit_test(management_devices_are_listed),
		cmocka_unit_test(devices_are_listed),
		cmocka_unit_test(one_device_is_looked_at),
		cmocka_unit_test(
			configuration_of_a_device_in_use_has_its_features),
		cmocka_unit_test(
			configuration_of_a_free_device_has_no_negotiated),
		cmocka_unit_test(configuration_without_queue_pairs_says_so),
		cmocka_unit_test(counters_come_in_pairs),
		cmocka_unit_test(words_of_the_kernel_are_in_the_error),
		cmocka_unit_test(an_error_may_be_of_no_interest),
		cmocka_unit_test(an_error_without_words_has_its_errno),
		cmocka_unit_test(a_missing_family_is_explained),
		cmocka_unit_test(words_behind_the_request_are_found),
		cmocka_unit_test(a_silent_kernel_is_given_up),
		cmocka_unit_test(a_dump_without_end_is_given_up),
		cmocka_unit_test(an_answer_that_comes_late_is_not_taken),
		cmocka_unit_test(the_other_end_may_go_away),
		cmocka_unit_test(an_end_of_the_answers_is_an_error),
		cmocka_unit_test(names_that_no_kernel_takes_are_refused),
		cmocka_unit_test(an_interrupted_dump_begins_again),
		cmocka_unit_test(a_dump_that_ends_in_eintr_begins_again),
		cmocka_unit_test(a_dump_is_not_begun_again_for_ever),
		cmocka_unit_test(a_failed_dump_gives_nothing),
		cmocka_unit_test(an_empty_list_is_none),
		cmocka_unit_test(
			a_new_device_is_asked_for_with_all_its_members),
		cmocka_unit_test(a_new_device_has_only_what_is_wanted),
		cmocka_unit_test(a_device_is_removed_and_given_a_mac),
		cmocka_unit_test(messages_cut_off_anywhere_are_refused),
		cmocka_unit_test(messages_with_any_byte_wrong_do_no_harm),
		cmocka_unit_test(packets_cut_off_anywhere_are_refused),
		cmocka_unit_test(attributes_of_a_wrong_size_are_refused),
		cmocka_unit_test(names_that_are_too_long_are_refused),
		cmocka_unit_test(attributes_that_are_not_known_are_skipped),
		cmocka_unit_test(members_of_other_classes_are_left_alone),
		cmocka_unit_test(error_numbers_are_judged),
		cmocka_unit_test(success_without_an_answer_is_an_error),
	};

	return cmocka_run_group_tests_name("genl-vdpa", tests, NULL, NULL);
}
