/* SPDX-License-Identifier: MIT */
/* A raw driver for tests: one control virtqueue by hand, no engine. */
#ifndef VDPR_TESTS_SIM_CLIENT_H
#define VDPR_TESTS_SIM_CLIENT_H

#include "restore/dev.h"

#define CLIENT_NUM 16 /* ring entries */
#define CLIENT_IOVA 0x100000u
#define CLIENT_LEN 0x20000u
#define CLIENT_OUT 0x4000u /* offset of what the device reads */
#define CLIENT_OUT_LEN 0xc000u
#define CLIENT_IN 0x10000u /* offset of what it writes, 64 bytes a command */
#define CLIENT_IN_LEN 64u

struct client {
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	uint8_t *
		mem; /* CLIENT_LEN bytes: desc, driver at 0x1000, device 0x2000 */
	struct vdpr_features features;
	uint32_t cvq;
	uint16_t num;
	bool packed;
	bool indirect;
	bool event_idx;
	void *doorbell; /* or NULL: kick by eventfd */
	int kick, call;
	uint16_t avail, used; /* positions as SET_VRING_BASE spells them */
	size_t out_at;	      /* next free byte of the out area */
};

/* What the device gave back for a command. */
struct client_answer {
	uint32_t id;
	uint32_t len;
	uint8_t in[CLIENT_IN_LEN];
};

/* Opens and negotiates up to FEATURES_OK; sets up the CVQ; does not start. A
 * device that cannot be opened fails the test. Features 0: all that are offered
 * but those that change the ring or the kick. */
void client_open(struct client *c, const char *name, uint64_t features);
/* Enables the CVQ and sets DRIVER_OK. Return: status read back. */
uint8_t client_start(struct client *c);
/* client_open() and client_start(). */
void client_run(struct client *c, const char *name, uint64_t features);
void client_close(struct client *c);

/* Makes a command available. Its answer goes to slot @slot of the in area. */
void client_post(struct client *c, unsigned int slot, const void *data,
		 size_t len);
void client_kick(struct client *c);
/* Waits for the next used buffer, @msec at most. Return: 0 or -ETIME. */
int client_used(struct client *c, int msec, struct client_answer *out);
/* Posts, kicks, waits. Return: the ack byte, or -ETIME. */
int client_command(struct client *c, uint8_t ctrl_class, uint8_t command,
		   const void *data, size_t len);

#endif
