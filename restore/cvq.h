/* SPDX-License-Identifier: MIT */
/* The control virtqueue: its memory, its commands, its notifications. */
#ifndef VDPR_CVQ_H
#define VDPR_CVQ_H

#include <errno.h>

#include "restore/mem.h"
#include "restore/ring.h"

/* Where one command and its answer lie. */
struct vdpr_cvq_slot {
	uint32_t out, out_len; /* offset in the commands, bytes */
	uint32_t in, in_len;   /* offset in the answers, bytes */
};

/* Bytes for commands and for answers. */
struct vdpr_cvq_room {
	size_t out, in;
};

/*
 * Room for the guest's commands after the restore, in the same memory: places
 * for short ones, as many as are kept in flight, and behind them one for a long
 * one. Places are used again, each only after its command has come back.
 */
#define VDPR_RELAY_SHORT 16	    /* places */
#define VDPR_RELAY_SHORT_OUT 1024   /* class, command, payload */
#define VDPR_RELAY_SHORT_IN 64	    /* the answer */
#define VDPR_RELAY_LONG_OUT 0x10000 /* of the long one */
#define VDPR_RELAY_LONG_IN 0x10000

struct vdpr_cvq_relay {
	uint8_t *out; /* NULL: there is no such room */
	uint8_t *in;
};

/* Where a place begins; number VDPR_RELAY_SHORT is the long one. */
static inline size_t vdpr_relay_out(unsigned int place)
{
	return (size_t)place * VDPR_RELAY_SHORT_OUT;
}

static inline size_t vdpr_relay_in(unsigned int place)
{
	return (size_t)place * VDPR_RELAY_SHORT_IN;
}

/*
 * Everything that one restore gave to the device, so that it can be taken back
 * as a whole. All commands and all answers have a place of their own for the
 * whole run: nothing is reused, so nothing that a device does late can be taken
 * for the answer to another command.
 */
struct vdpr_cvq {
	struct vdpr_mem mem;  /* ring, commands | used ring, answers */
	struct vdpr_mem data; /* empty data rings of a rehearsal */
	struct vdpr_ring ring;
	struct vdpr_ring_slot *ring_slot;
	uint16_t num;
	struct vdpr_cvq_slot *slot;
	size_t n_slots;
	uint8_t *out;		   /* commands */
	uint8_t *in;		   /* answers, 0xff until the device writes */
	struct vdpr_cvq_room room; /* bytes of both */
	struct vdpr_cvq_relay relay;
	uint32_t index; /* of the virtqueue */
	int kick_fd, call_fd, config_fd;
	void *doorbell;	  /* mapped page, or NULL: the kick eventfd */
	bool notify_data; /* NOTIFICATION_DATA: what the doorbell is told */
	bool config_set;  /* the device has config_fd */
	int *fds; /* of the empty data rings: kick, call, kick, call... */
	size_t n_fds;
	uint32_t
		*queues; /* indices of those that were given eventfds of ours */
	size_t n_queues;
};

/* A byte that is neither OK nor ERR, so that "never written" shows. */
#define VDPR_ACK_PENDING 0xff

/* vdpr_cvq_new() - descriptors only; no memory yet.
 * @call_fd: the eventfd that the device is to call, owned by it on success; -1: a
 *           new one.
 * Return: 0 or -errno.
 */
int vdpr_cvq_new(struct vdpr_cvq **out, int call_fd);

/* vdpr_cvq_layout() - allocate for @num entries and what the slots ask for.
 * @slot: @n_slots, each behind the one before, owned by @cvq on success.
 * @spare: room for commands that may come in addition; NULL: none.
 * @relay: and for the guest's commands afterwards.
 * Return: 0 or -errno.
 */
int vdpr_cvq_layout(struct vdpr_cvq *cvq, const struct vdpr_ring_format *format,
		    uint16_t num, struct vdpr_cvq_slot *slot, size_t n_slots,
		    const struct vdpr_cvq_room *spare, bool relay);

/* vdpr_cvq_replace() - other slots in the same memory, while nothing is out.
 * @slot: @n_slots, owned by @cvq on success. The first @keep are those of before.
 * Return: 0, -ENOSPC (they need more than there is).
 */
int vdpr_cvq_replace(struct vdpr_cvq *cvq, struct vdpr_cvq_slot *slot,
		     size_t n_slots, size_t keep);

/* vdpr_eventfd_signal() - add one. Return: 0 or -errno (-EAGAIN is no error: the
 * counter is full, so the other side is notified anyway). */
static inline int vdpr_eventfd_signal(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
		return 0;
	return errno == EAGAIN ? 0 : -errno;
}

/* Tells a doorbell that is mapped. */
void vdpr_cvq_ring_doorbell(struct vdpr_cvq *cvq);

/* vdpr_cvq_kick() - notify the device, by its doorbell where one is mapped.
 * Return: 0 or -errno.
 */
static inline int vdpr_cvq_kick(struct vdpr_cvq *cvq)
{
	if (!cvq->doorbell)
		return vdpr_eventfd_signal(cvq->kick_fd);
	vdpr_cvq_ring_doorbell(cvq);
	return 0;
}

/* vdpr_cvq_start() - a fresh ring over the memory. */
void vdpr_cvq_start(struct vdpr_cvq *cvq,
		    const struct vdpr_ring_format *format);

/* vdpr_cvq_post() - add commands from @next on while they fit, before @end.
 * Return: the first not added.
 */
size_t vdpr_cvq_post(struct vdpr_cvq *cvq, size_t next, size_t end);

/* Takes what is there. Return: was there anything? */
bool vdpr_eventfd_take(int fd);

/* vdpr_dev_drop_cvq() - take back what a restore gave to a device that has been
 * reset: the eventfds (a reset keeps them), the mappings, the memory.
 */
void vdpr_dev_drop_cvq(struct vdpr_dev *dev);

/* Frees all of it; @cvq may be NULL. The device must have been reset. */
void vdpr_cvq_free(struct vdpr_cvq *cvq);

#endif
