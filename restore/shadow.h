/* SPDX-License-Identifier: MIT */
/* The shadow control virtqueue: between the guest's ring and the device's. */
#ifndef VDPR_SHADOW_H
#define VDPR_SHADOW_H

#include <pthread.h>

#include "restore/cvq.h"
#include "restore/guest-ring.h"
#include "restore/state.h"

/*
 * Theory of operation. Commands that were taken from the guest stand in a row,
 * oldest first, until they are given back; what the device answers out of turn
 * waits for those before it. So the guest sees its answers in its own order,
 * which every format of a ring allows and IN_ORDER demands, and the state is
 * recorded in that order, too. Places in the device's memory are only given out
 * again when their command has come back.
 *
 * Two locks, always in this order: "lock" for whoever drives (process, start,
 * reset, quiesce), "record" for the state and the base that goes with it. A save
 * takes the second alone, and only to copy.
 */

#define VDPR_RELAY_ROW 32	/* commands taken and not given back */
#define VDPR_RELAY_PER_CALL 256 /* commands that one call takes */
#define VDPR_NO_PLACE UINT8_MAX

/* A command on its way. */
struct vdpr_relayed {
	uint16_t id, entries; /* of the guest's ring */
	uint16_t n_in;	      /* pieces for the answer */
	uint8_t place;	      /* in the device's memory, or VDPR_NO_PLACE */
	bool done;
	uint8_t own_ack;  /* without a place */
	uint32_t out_len; /* class, command, payload */
	uint32_t in_len;  /* that the device may write */
	uint32_t len;	  /* that it has written */
	uint64_t until;	  /* CLOCK_MONOTONIC ns: for an answer, with a limit */
	struct vdpr_guest_piece *in;
};

struct vdpr_shadow {
	pthread_mutex_t lock;
	struct vdpr_dev *dev;
	struct vdpr_guest_mem mem;
	int epoll;
	int again;	      /* eventfd: call process() once more */
	uint64_t answer_nsec; /* limit of an answer; 0: none, and no timer */
	int timer;	      /* timerfd, or -1 */
	uint64_t timer_at;    /* CLOCK_MONOTONIC ns: it runs out; 0: off */

	/* From start to reset. */
	bool started;
	uint64_t cvqs_dropped; /* dev's, when the CVQ below was its own */
	struct vdpr_cvq *cvq;
	int no_kick_fd; /* when it alone wakes us, no kick has come; or -1 */
	struct vdpr_guest_ring ring;
	int kick_fd, call_fd; /* the guest's, ours to close; or -1 */
	struct vdpr_relayed row[VDPR_RELAY_ROW];
	struct vdpr_guest_piece *pieces; /* ring.num for each of the row */
	unsigned int first, n;		 /* of the row */
	uint32_t places;		 /* that are free, one bit each */
	bool paused;			 /* quiesced: nothing is taken */
	bool armed;   /* the device calls for the next answer */
	bool blocked; /* a command waits for a place or for room in the ring */
	bool look;    /* at the guest's ring: this time */
	const char *guest_fault, *device_fault;
	unsigned int events;	     /* not told yet */
	uint8_t *answer;	     /* one, copied out of the device's reach */
	struct vdpr_command command; /* the one that is being recorded */

	pthread_mutex_t record;
	struct vdpr_state *state; /* NULL: neither started nor reset yet */
	struct vdpr_vring_state
		vring;		   /* the guest's control ring; has 0: none */
	const char *vrings_origin; /* of state's vrings, when it is quiesced */
	struct vdpr_shadow_counts counts; /* under lock */

	/* Of a quiesced device, under lock. */
	bool quiesced, suspended;
};

/* A call that comes at the wrong time or with wrong arguments. Return: @err. */
int vdpr_shadow_misuse(struct vdpr_ctx *ctx, struct vdpr_shadow *s, int err,
		       const char *what);

/* What a failing step of quiesce and its like says. */
int vdpr_shadow_call_failed(struct vdpr_ctx *ctx, struct vdpr_shadow *s,
			    const char *call, int err);

/* Watches the device's CVQ and takes it for ours. -ENODATA, -errno. */
int vdpr_shadow_attach(struct vdpr_ctx *ctx, struct vdpr_shadow *s);
/* The opposite; safe if it was not attached. */
void vdpr_shadow_detach(struct vdpr_shadow *s);

/* Is the CVQ that we know still the device's? */
bool vdpr_shadow_is_attached(const struct vdpr_shadow *s);

/* Gives the recorded state the data rings of a quiesced device (NULL: takes them
 * away). Return: 0, -ENOMEM. */
int vdpr_shadow_set_vrings(struct vdpr_shadow *s,
			   const struct vdpr_vring_state *vring, size_t n,
			   const char *origin);

/* ------------------------------------------------------------------ relay.c */

/* One round under the lock: all that is there, at most VDPR_RELAY_PER_CALL
 * commands. Sets events and faults. Return: 0, -EPROTO, -EIO, -errno of a kick. */
int vdpr_relay(struct vdpr_ctx *ctx, struct vdpr_shadow *s);

/* Sets the timer; 0: off. */
void vdpr_shadow_set_timer(struct vdpr_shadow *s, uint64_t at);

/* Forgets what is on its way. */
void vdpr_relay_clear(struct vdpr_shadow *s);

#endif
