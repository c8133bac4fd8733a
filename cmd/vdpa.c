/* SPDX-License-Identifier: MIT */
/* What netlink tells of a vdpa device that nobody needs to open, as a state. */
#include "cmd/cmd.h"

#include <errno.h>
#include <string.h>

#include "netlink/vdpa.h"

/* The kernel answers at once, or somebody inside it waits for a device. */
#define NETLINK_TIMEOUT_MS 3000

static const struct {
	int err;
	enum vdpr_cause cause;
	const char *cure;
} failures[] = {
	{ EPERM, VDPR_CAUSE_ACCESS, "run it as root" },
	{ EACCES, VDPR_CAUSE_ACCESS, "run it as root" },
	{ EBUSY, VDPR_CAUSE_ACCESS, NULL },
	{ ETIMEDOUT, VDPR_CAUSE_DEADLINE,
	  "somebody may be removing a device that is open" },
	{ ENOENT, VDPR_CAUSE_OTHER, "load it with modprobe vdpa" },
	{ ENODEV, VDPR_CAUSE_OTHER, "vdpa-restore list shows the devices" },
	{ EOPNOTSUPP, VDPR_CAUSE_OTHER,
	  "the kernel is too old, or this is no network device" },
};

int vdpa_fail(struct cli *cli, const struct netlink_error *error)
{
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (failures[i].err == error->err)
			return fail(cli, (int)failures[i].cause,
				    failures[i].cure, "%s", error->text);
	return fail(cli, VDPR_CAUSE_OTHER, NULL, "%s", error->text);
}

int vdpa_open(struct vdpa_nl **out, struct netlink_error *error)
{
	return vdpa_nl_open(NETLINK_TIMEOUT_MS, out, error);
}

int vdpa_check_name(struct cli *cli, const char *name)
{
	if (*name && !strchr(name, '/') && strlen(name) < VDPA_NAME_SIZE)
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE,
		    "give the name alone, as vdpa-restore list shows it",
		    "%s: --vdpa %s: not the name of a vdpa device",
		    cli->command->name, name);
}

/* ---------------------------------------------------------------- the state */

/*
 * Before Linux 6.1 a device's own features are not told, but from 5.17 on those
 * that its management device can give.
 * Return: 0 (@out may be untouched) or an exit code.
 */
static int mgmtdev_features(struct cli *cli, struct vdpa_nl *nl,
			    const char *name, struct vdpa_config *out)
{
	_cleanup_free_ struct vdpa_mgmtdev *list = NULL;
	struct netlink_error error;
	struct vdpa_device device;
	size_t n = 0;

	if (vdpa_nl_device(nl, name, &device, &error) < 0 ||
	    vdpa_nl_mgmtdevs(nl, &list, &n, &error) < 0)
		return vdpa_fail(cli, &error);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].name, device.mgmtdev) != 0 ||
		    !list[i].has_features)
			continue;
		note(cli,
		     "%s: this kernel does not tell what the device offers; "
		     "taken are the features of its management device %s",
		     name, device.mgmtdev);
		out->features = list[i].features;
		out->has |= VDPA_CONFIG_FEATURES;
	}
	return 0;
}

static bool offers(const struct vdpa_config *c, const char *feature)
{
	int bit = vdpr_feature_bit(feature);

	return (c->has & VDPA_CONFIG_FEATURES) && bit >= 0 && bit < 64 &&
	       (c->features >> bit & 1);
}

struct vdpr_net_config vdpa_net_config(const struct vdpa_config *c)
{
	struct vdpr_net_config config = VDPR_INIT(struct vdpr_net_config);

	if ((c->has & VDPA_CONFIG_MAC) && offers(c, "MAC")) {
		config.has |= VDPR_CONFIG_MAC;
		memcpy(config.mac, c->mac, sizeof(config.mac));
	}
	if ((c->has & VDPA_CONFIG_STATUS) && offers(c, "STATUS")) {
		config.has |= VDPR_CONFIG_LINK_UP | VDPR_CONFIG_ANNOUNCE;
		config.link_up = c->status & 1;
		config.announce = c->status & 2;
	}
	if ((c->has & VDPA_CONFIG_MAX_PAIRS) &&
	    (offers(c, "MQ") || offers(c, "RSS"))) {
		config.has |= VDPR_CONFIG_MAX_PAIRS;
		config.max_virtqueue_pairs = c->max_pairs;
	}
	if ((c->has & VDPA_CONFIG_MTU) && offers(c, "MTU")) {
		config.has |= VDPR_CONFIG_MTU;
		config.mtu = c->mtu;
	}
	return config;
}

/* Control commands leave no trace here: all of them are unknown. */
static int make_state(struct cli *cli, const struct vdpa_config *c,
		      struct vdpr_state **out)
{
	const struct vdpr_net_config config = vdpa_net_config(c);
	const struct vdpr_features offered = { { c->features, 0 } };
	const struct vdpr_features negotiated = { { c->negotiated, 0 } };
	_cleanup_state_ struct vdpr_state *state = NULL;
	int code;

	if (vdpr_state_new(cli->ctx, &state) < 0)
		return fail_ctx(cli);
	if (vdpr_state_start(cli->ctx, state,
			     c->has & VDPA_CONFIG_FEATURES ? &offered : NULL,
			     c->has & VDPA_CONFIG_NEGOTIATED ? &negotiated
							     : NULL,
			     &config, VDPR_STATE_NOT_FROM_RESET) < 0)
		return fail(cli, VDPR_CAUSE_DEVICE, NULL, "%s: %s", c->name,
			    vdpr_ctx_error(cli->ctx));
	code = input_origin(cli, state, "vdpa", c->name);
	if (code)
		return code;
	*out = state;
	state = NULL;
	return 0;
}

int vdpa_read_config(struct cli *cli, struct vdpa_nl *nl, const char *name,
		     struct vdpa_config *out)
{
	struct netlink_error error;

	if (vdpa_nl_config(nl, name, out, &error) < 0)
		return vdpa_fail(cli, &error);
	if (out->id != VDPA_ID_NET)
		return fail(cli, VDPR_CAUSE_OTHER, NULL,
			    "%s: read configuration: not a network device "
			    "(its virtio id is %u)",
			    name, out->id);
	if (out->has & VDPA_CONFIG_FEATURES)
		return 0;
	return mgmtdev_features(cli, nl, name, out);
}

int vdpa_state(struct cli *cli, const char *name, struct vdpr_state **out)
{
	struct netlink_error error;
	struct vdpa_config config;
	struct vdpa_nl *nl;
	int code;

	cli->stage = "netlink";
	if (vdpa_open(&nl, &error) < 0)
		return vdpa_fail(cli, &error);
	code = vdpa_read_config(cli, nl, name, &config);
	vdpa_nl_close(nl);
	return code ? code : make_state(cli, &config, out);
}
