/* SPDX-License-Identifier: MIT */
/* The wrong order: every queue enabled, DRIVER_OK, then the commands. */
#include "tests/lab/traffic.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void add_status(uint8_t bits)
{
	uint8_t status;

	need(!ioctl(dev.fd, VHOST_VDPA_GET_STATUS, &status), "GET_STATUS");
	status |= bits;
	need(!ioctl(dev.fd, VHOST_VDPA_SET_STATUS, &status), "SET_STATUS");
	need(!ioctl(dev.fd, VHOST_VDPA_GET_STATUS, &status), "GET_STATUS");
	need((status & bits) == bits, "status not taken");
}

static void set_ring(uint32_t index)
{
	const struct vdpr_vring at = data_ring(index);
	struct vhost_vring_state num = {
		.index = index,
		.num = dev.ring[index].num,
	};
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = at.desc,
		.avail_user_addr = at.driver,
		.used_user_addr = at.device,
	};
	struct vhost_vring_file file = { .index = index, .fd = at.kick_fd };
	struct vhost_vring_state enable = { .index = index, .num = 1 };

	need(!ioctl(dev.fd, VHOST_SET_VRING_NUM, &num), "SET_VRING_NUM");
	need(!ioctl(dev.fd, VHOST_SET_VRING_ADDR, &addr), "SET_VRING_ADDR");
	need(!ioctl(dev.fd, VHOST_SET_VRING_KICK, &file), "SET_VRING_KICK");
	file.fd = at.call_fd;
	need(!ioctl(dev.fd, VHOST_SET_VRING_CALL, &file), "SET_VRING_CALL");
	need(!ioctl(dev.fd, VHOST_VDPA_SET_VRING_ENABLE, &enable),
	     "SET_VRING_ENABLE");
}

/* Sends one command and waits for the answer. */
static void command(const struct vdpr_command *cmd)
{
	const struct part parts[] = {
		{ AREA_IOVA + COMMAND_AT, (uint32_t)cmd->data_len + 2, false },
		{ AREA_IOVA + COMMAND_AT + COMMAND_LEN - 1, 1, true },
	};
	struct ring *ring = &dev.ring[CVQ];
	uint16_t id;
	uint32_t len;
	uint8_t *out = dev.area + COMMAND_AT;
	uint8_t *ack = out + COMMAND_LEN - 1;
	double until = now() + 10;

	need(cmd->data_len <= COMMAND_LEN - 3, "command too long");
	out[0] = cmd->ctrl_class;
	out[1] = cmd->command;
	if (cmd->data_len)
		memcpy(out + 2, cmd->data, cmd->data_len);
	*ack = 0xff;
	post(ring, 0, parts, 2);
	kick(ring);
	while (!take(ring, 2, &id, &len)) {
		need(now() < until, "no answer to a command");
		usleep(50);
	}
	need(*ack == VIRTIO_NET_OK, "command refused");
}

static void replay(struct vdpr_ctx *ctx, const struct vdpr_state *state)
{
	struct vdpr_plan *plan;

	library(ctx, vdpr_plan(ctx, state, 0, &plan));
	for (size_t i = 0; i < vdpr_plan_count(plan); i++) {
		struct vdpr_command cmd = VDPR_INIT(struct vdpr_command);

		library(ctx, vdpr_plan_get(plan, i, &cmd, NULL));
		command(&cmd);
	}
	vdpr_plan_free(plan);
}

void restore_naively(struct vdpr_ctx *ctx, const struct vdpr_state *state)
{
	struct vdpr_features features;

	need(!vdpr_state_features(state, &features), "features of the state");
	add_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	need(!ioctl(dev.fd, VHOST_SET_FEATURES, &features.word[0]),
	     "SET_FEATURES");
	add_status(VIRTIO_CONFIG_S_FEATURES_OK);
	for (uint32_t i = 0; i < RINGS; i++)
		set_ring(i);
	add_status(VIRTIO_CONFIG_S_DRIVER_OK);
	for (int i = 0; i < DATA_QUEUES; i++)
		kick(&dev.ring[i]);
	replay(ctx, state);
}
