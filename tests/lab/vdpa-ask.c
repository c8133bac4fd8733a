/* SPDX-License-Identifier: MIT */
/* Puts netlink/'s questions one by one and prints the answers as JSON, for check.py.
 *
 *   vdpa-ask mgmtdevs | devices | device NAME | config NAME | vstats NAME QUEUE
 *   vdpa-ask add NAME MGMTDEV [mac=MAC] [mtu=N] [pairs=N] [features=N]
 *   vdpa-ask delete NAME | mac NAME MAC
 *
 * Exit code: 0, or 1 with what went wrong on standard error.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netlink/vdpa.h"

static struct netlink_error error;

static void print_mgmtdev(const struct vdpa_mgmtdev *m)
{
	printf("{\"name\":\"%s\",\"classes\":%llu,\"features\":%llu,"
	       "\"max_vqs\":%u}\n",
	       m->name, (unsigned long long)m->classes,
	       (unsigned long long)m->features, m->max_vqs);
}

static void print_device(const struct vdpa_device *d)
{
	printf("{\"name\":\"%s\",\"mgmtdev\":\"%s\",\"id\":%u,\"vendor\":%u,"
	       "\"max_vqs\":%u,\"max_vq_size\":%u,\"min_vq_size\":%u}\n",
	       d->name, d->mgmtdev, d->id, d->vendor, d->max_vqs,
	       d->max_vq_size, d->min_vq_size);
}

static void print_mac(const uint8_t *mac)
{
	printf("\"%02x:%02x:%02x:%02x:%02x:%02x\"", mac[0], mac[1], mac[2],
	       mac[3], mac[4], mac[5]);
}

static void print_config(const struct vdpa_config *c)
{
	printf("{\"name\":\"%s\",\"id\":%u", c->name, c->id);
	if (c->has & VDPA_CONFIG_MAC) {
		printf(",\"mac\":");
		print_mac(c->mac);
	}
	if (c->has & VDPA_CONFIG_STATUS)
		printf(",\"status\":%u", c->status);
	if (c->has & VDPA_CONFIG_MAX_PAIRS)
		printf(",\"max_pairs\":%u", c->max_pairs);
	if (c->has & VDPA_CONFIG_MTU)
		printf(",\"mtu\":%u", c->mtu);
	if (c->has & VDPA_CONFIG_NEGOTIATED)
		printf(",\"negotiated\":%llu",
		       (unsigned long long)c->negotiated);
	if (c->has & VDPA_CONFIG_FEATURES)
		printf(",\"features\":%llu", (unsigned long long)c->features);
	printf("}\n");
}

static void print_vstats(const struct vdpa_vstats *s)
{
	printf("{\"name\":\"%s\",\"queue\":%u,\"negotiated\":%llu", s->name,
	       s->queue, (unsigned long long)s->negotiated);
	for (size_t i = 0; i < s->n; i++)
		printf(",\"%s\":%llu", s->item[i].name,
		       (unsigned long long)s->item[i].value);
	printf("}\n");
}

static int ask_lists(struct vdpa_nl *nl, const char *what)
{
	struct vdpa_mgmtdev *m;
	struct vdpa_device *d;
	size_t n;
	int err;

	if (!strcmp(what, "mgmtdevs")) {
		err = vdpa_nl_mgmtdevs(nl, &m, &n, &error);
		for (size_t i = 0; !err && i < n; i++)
			print_mgmtdev(&m[i]);
		if (!err)
			free(m);
		return err;
	}
	err = vdpa_nl_devices(nl, &d, &n, &error);
	for (size_t i = 0; !err && i < n; i++)
		print_device(&d[i]);
	if (!err)
		free(d);
	return err;
}

static int parse_mac(const char *text, uint8_t mac[6])
{
	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0],
		      &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) == 6;
}

static int ask_add(struct vdpa_nl *nl, char **words)
{
	struct vdpa_new device = { .name = words[0], .mgmtdev = words[1] };

	for (char **w = words + 2; *w; w++) {
		const char *value = strchr(*w, '=') + 1;

		if (**w == 'f') {
			device.has |= VDPA_CONFIG_FEATURES;
			device.features = strtoull(value, NULL, 0);
		} else if (**w == 'p') {
			device.has |= VDPA_CONFIG_MAX_PAIRS;
			device.max_pairs = (uint16_t)atoi(value);
		} else if ((*w)[1] == 't') {
			device.has |= VDPA_CONFIG_MTU;
			device.mtu = (uint16_t)atoi(value);
		} else if (parse_mac(value, device.mac)) {
			device.has |= VDPA_CONFIG_MAC;
		}
	}
	return vdpa_nl_add(nl, &device, &error);
}

static int ask_one(struct vdpa_nl *nl, const char *what, char **words)
{
	struct vdpa_device device;
	struct vdpa_config config;
	struct vdpa_vstats stats;
	uint8_t mac[6] = { 0 };
	int err = -EINVAL;

	if (!strcmp(what, "device")) {
		err = vdpa_nl_device(nl, words[0], &device, &error);
		if (!err)
			print_device(&device);
	} else if (!strcmp(what, "config")) {
		err = vdpa_nl_config(nl, words[0], &config, &error);
		if (!err)
			print_config(&config);
	} else if (!strcmp(what, "vstats")) {
		err = vdpa_nl_vstats(nl, words[0], (uint32_t)atoi(words[1]),
				     &stats, &error);
		if (!err)
			print_vstats(&stats);
	} else if (!strcmp(what, "add")) {
		err = ask_add(nl, words);
	} else if (!strcmp(what, "delete")) {
		err = vdpa_nl_delete(nl, words[0], &error);
	} else if (!strcmp(what, "mac") && parse_mac(words[1], mac)) {
		err = vdpa_nl_set_mac(nl, words[0], mac, &error);
	}
	return err;
}

int main(int argc, char **argv)
{
	struct vdpa_nl *nl;
	int err;

	if (argc < 2)
		return 2;
	err = vdpa_nl_open(3000, &nl, &error);
	if (!err) {
		err = argc == 2 ? ask_lists(nl, argv[1])
				: ask_one(nl, argv[1], argv + 2);
		vdpa_nl_close(nl);
	}
	if (err)
		fprintf(stderr, "%s\n", error.text);
	return err ? 1 : 0;
}
