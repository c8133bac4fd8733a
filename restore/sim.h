/* SPDX-License-Identifier: MIT */
/* The simulator: a software virtio-net device with the char device's rules. */
#ifndef VDPR_SIM_H
#define VDPR_SIM_H

#include <pthread.h>

#include "restore/dev.h"
#include "restore/state.h"

/*
 * Theory of operation. The caller's threads run ioctl and iotlb calls, one
 * thread of the simulator is the device: it sleeps in epoll on the kick
 * eventfds and works off the ring that was kicked. One mutex guards everything.
 * The device thread touches the driver's memory only while it holds it, and
 * every wait in between ends with a look at the generation, which a reset
 * moves on: so nothing is written any more once a reset has returned.
 *
 * The parts know each other in one direction only: dev-sim (life cycle, thread)
 * -> sim-ioctl, sim-vring (the char device's rules) -> sim-cvq (a kicked queue)
 * -> sim-net (commands), sim-ring, sim-ring-packed (rings) -> sim-iotlb (address
 * spaces) -> sim-device (what all share). sim-parse and sim-dump are the ends.
 */

#define SIM_PAIRS_MAX 64
#define SIM_VQS_MAX (2 * SIM_PAIRS_MAX + 1)
#define SIM_SPACES 2
#define SIM_CONFIG_SIZE 24

/* Misbehaviours; each alone makes a sane driver give up. */
enum sim_hostile {
	SIM_USED_ID,	    /* an id that no descriptor has */
	SIM_USED_REPEAT,    /* every id twice */
	SIM_USED_JUMP,	    /* used index ahead of all that is outstanding */
	SIM_USED_BACK,	    /* used index behind where it was */
	SIM_LEN_0,	    /* length 0 although the answer was written */
	SIM_LEN_HUGE,	    /* length beyond the buffer */
	SIM_ACK_GARBAGE,    /* 0x5a for an answer */
	SIM_NEEDS_RESET,    /* breaks at the first command */
	SIM_NO_FEATURES_OK, /* does not keep the bit */
	SIM_NO_DRIVER_OK,   /* does not keep the bit */
	SIM_CONFIG_CHANGE,  /* other limits and MAC from DRIVER_OK on */
	SIM_LATE,	    /* answers when the reset comes */
	SIM_HOSTILE_COUNT
};

/* Peculiarities of real parents. */
enum sim_quirk {
	SIM_CVQ16,	/* mlx5 before Linux 6.9: a CVQ of 16 whatever is set */
	SIM_EXACT_SIZE, /* snet: takes no ring size but its own */
	SIM_DOORBELL,	/* octeon_ep: packed, and kicked by doorbell only */
	SIM_QUIRK_COUNT
};

/* The value of enable-after-driver-ok. */
enum sim_late_enable {
	SIM_ENABLE_ON,	    /* promised by backend bit 6, and works */
	SIM_ENABLE_OFF,	    /* not promised, works */
	SIM_ENABLE_IGNORED, /* not promised, does nothing */
};

/* A set of control commands: one bit for each class and command. */
struct sim_commands {
	uint8_t bit[256 * 256 / 8];
};

static inline bool vdpr_sim_commands_has(const struct sim_commands *set,
					 uint8_t ctrl_class, uint8_t command)
{
	return set->bit[ctrl_class * 32 + command / 8] >> (command % 8) & 1;
}

/* What the DEV word says. */
struct sim_opts {
	uint32_t pairs;
	uint32_t queue_size;
	uint32_t cvq_size;
	struct vdpr_features features;
	uint8_t key_size;    /* bytes */
	uint16_t table_size; /* entries */
	uint8_t mac[6];
	uint16_t mtu;
	bool isolated;
	enum sim_late_enable late_enable;
	uint64_t delay; /* microseconds a command */
	bool busy;
	uint32_t hostile; /* 1 << enum sim_hostile */
	uint32_t quirk;	  /* 1 << enum sim_quirk */
	char *dump;	  /* path or NULL */
	struct sim_commands refuse, stall;
};

/* vdpr_sim_parse() - read a DEV word "sim[:KEY=VALUE,...]".
 * @out: free it with vdpr_sim_opts_free().
 * Return: 0, -EINVAL (VDPR_CAUSE_USAGE; the message names key and value),
 * -ENOMEM.
 */
int vdpr_sim_parse(struct vdpr_ctx *ctx, const char *name,
		   struct sim_opts **out);
void vdpr_sim_opts_free(struct sim_opts *opts);

/* ------------------------------------------------------------ address spaces */

struct sim_map {
	uint64_t first;
	uint64_t last; /* inclusive */
	uint64_t uaddr;
	uint8_t perm; /* VHOST_ACCESS_* */
};

struct sim_maps {
	struct sim_map *map;
	size_t count;
	size_t cap;
};

/* vhost keeps one list, the parent applies another: a reset empties the second
 * alone unless the driver acknowledged IOTLB_PERSIST. */
struct sim_space {
	bool exists;
	struct sim_maps vhost;
	struct sim_maps parent;
};

/* ------------------------------------------------------------------- queues */

struct sim_vq {
	uint32_t index;
	uint32_t num;		       /* entries, as SET_VRING_NUM said */
	uint64_t desc, driver, device; /* IOVAs */
	bool has_addr;
	bool ready;
	/* Positions as SET_VRING_BASE spells them: split free-running; packed
	 * with the wrap counter in bit 15. */
	uint16_t avail;
	uint16_t used;
	uint32_t unsignalled; /* ring entries used since the last call */
	int kick, call, err;  /* eventfds of our own, or -1 */
	void *doorbell;	      /* our mapping of its page, or NULL */
	bool pending;	      /* kicked while suspended */
	struct vdpr_coal coal;
	bool coal_own; /* set after the last command for all queues */
};

/* A piece of the driver's memory. */
struct sim_seg {
	uint8_t *at;
	size_t len;
};

/* One buffer as the driver offered it. */
struct sim_chain {
	uint16_t id;	     /* to be given back */
	uint16_t entries;    /* of the ring that it takes */
	struct vdpr_buf out; /* copy of what the driver wrote */
	struct sim_seg *in;  /* where the device may write */
	size_t n_in;
	size_t cap_in;
};

struct sim;

/* The device's side of one ring format. All under the lock. A negative errno
 * means that the driver broke its ring and the device with it. */
struct sim_ring_ops {
	/* Takes the next buffer. @copy: fetch what it reads. Return: 1, 0 none. */
	int (*pop)(struct sim *sim, struct sim_vq *vq, struct sim_chain *chain,
		   bool copy);
	/* Is there a buffer to take? Return: 1, 0. */
	int (*peek)(struct sim *sim, struct sim_vq *vq);
	/* Gives a buffer back. */
	int (*push)(struct sim *sim, struct sim_vq *vq, uint16_t entries,
		    uint32_t id, uint32_t len);
	/* Moves the position for the next used buffer by ring entries. */
	void (*skip)(struct sim *sim, struct sim_vq *vq, int entries);
	/* Asks for a kick at the next buffer. Return: 1 one came meanwhile. */
	int (*rearm)(struct sim *sim, struct sim_vq *vq);
	/* Does the driver want to be called? Return: 1, 0. */
	int (*want_call)(struct sim *sim, struct sim_vq *vq);
	uint16_t initial; /* position of a fresh ring */
};

extern const struct sim_ring_ops vdpr_sim_split;
extern const struct sim_ring_ops vdpr_sim_packed;

/* --------------------------------------------------------- control state */

#define SIM_RX_MODES 6

/* What the control commands have set since the reset. */
struct sim_net {
	uint8_t (*unicast)[6];
	size_t n_unicast;
	uint8_t (*multicast)[6];
	size_t n_multicast;
	int8_t rx[SIM_RX_MODES]; /* by command; -1 never commanded */
	uint8_t vlan[VDPR_VLANS / 8];
	uint16_t pairs;
	bool has_rss;
	struct vdpr_rss rss;
	bool has_hash;
	struct vdpr_hash_report hash;
	uint64_t offloads;
	struct vdpr_coal rx_coal, tx_coal;
};

/* ---------------------------------------------------------------- the device */

struct sim {
	struct vdpr_dev base; /* must be first */
	struct vdpr_ctx *ctx; /* for the dump's warning only */
	struct sim_opts *opts;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* ends the delay of a command */
	pthread_t thread;
	bool has_thread;
	bool quit;
	int epoll;
	int control;	     /* eventfd that wakes the thread */
	uint64_t generation; /* resets so far */
	int owner;	     /* process id, or 0 */
	int *owned_here;  /* 1 in the memory of the owner; NULL: ask the id */
	uint64_t backend; /* acknowledged */
	uint8_t status;
	bool suspended;
	struct vdpr_features negotiated;
	uint8_t config[SIM_CONFIG_SIZE];
	int config_call; /* eventfd or -1 */
	uint32_t group_asid[SIM_SPACES];
	struct sim_space space[SIM_SPACES];
	bool in_batch;
	uint32_t batch_asid;
	bool silent;	   /* the CVQ answers nothing any more */
	bool withheld;	   /* ... but will when the reset comes */
	bool has_doorbell; /* some page is mapped */
	struct sim_net net;
	struct sim_chain chain;
	uint32_t n_vqs;
	struct sim_vq vq[SIM_VQS_MAX];
};

static inline bool vdpr_sim_hostile(const struct sim *sim, enum sim_hostile h)
{
	return sim->opts->hostile >> h & 1;
}

static inline bool vdpr_sim_quirk(const struct sim *sim, enum sim_quirk q)
{
	return sim->opts->quirk >> q & 1;
}

/* Is the caller in the address space that did SET_OWNER? */
static inline bool vdpr_sim_is_owner(const struct sim *sim)
{
	return sim->owned_here ? *sim->owned_here : sim->owner == getpid();
}

static inline bool vdpr_sim_has(const struct sim *sim, unsigned int feature)
{
	return vdpr_features_has(&sim->negotiated, feature);
}

/* Index of the control virtqueue under the negotiated features (virtio 1.3,
 * 5.1.2); a device that was told nothing takes it for a device of one pair. */
uint32_t vdpr_sim_cvq_index(const struct sim *sim);

/* Is this the control virtqueue that was negotiated? */
bool vdpr_sim_is_cvq(const struct sim *sim, const struct sim_vq *vq);

/* Group and address space of a queue. */
uint32_t vdpr_sim_group(const struct sim *sim, uint32_t index);
uint32_t vdpr_sim_asid(const struct sim *sim, const struct sim_vq *vq);

/* Largest ring of a queue, and the size that the device really uses. */
uint32_t vdpr_sim_max_num(const struct sim *sim, uint32_t index);
/* Largest ring of all queues: what GET_VRING_NUM says. */
uint32_t vdpr_sim_largest(const struct sim *sim);
uint32_t vdpr_sim_num(const struct sim *sim, const struct sim_vq *vq);

/* Config space as after power on. */
void vdpr_sim_config_init(struct sim *sim);
/* Limits from config space, which the device may change under way. */
uint16_t vdpr_sim_max_pairs(const struct sim *sim);

/* What SET_STATUS(0) and open do, under the lock. */
void vdpr_sim_reset(struct sim *sim);

/* The device gives up (virtio 1.3, 2.1.1): NEEDS_RESET and a config interrupt. */
void vdpr_sim_break(struct sim *sim, struct sim_vq *vq);

/* Adds one to an eventfd of ours; -1 is fine. */
void vdpr_sim_signal(int fd);

/* ---------------------------------------------------- sim-ioctl.c, sim-vring.c */

/*
 * One row is a request and its rules. The order of the tests is the kernel's:
 * owner (EPERM), the argument (EFAULT), the queue's index (ENOBUFS), then the
 * request itself.
 */
enum {
	SIM_NEEDS_OWNER = 1 << 0,
	SIM_NO_ARG = 1 << 1,
	SIM_HAS_INDEX = 1 << 2, /* the argument begins with a queue's index */
	SIM_VRING = SIM_NEEDS_OWNER | SIM_HAS_INDEX,
};

struct sim_request {
	unsigned long request;
	unsigned int rules;
	int (*run)(struct sim *sim, struct sim_vq *vq, void *arg);
};

/* Its place in its table: number and direction, which no two share. */
#define SIM_PLACE(request) \
	(_IOC_NR(request) << _IOC_DIRBITS | _IOC_DIR(request))
#define SIM_ROW(request, rules, run) \
	[SIM_PLACE(request)] = { request, rules, run }

extern const struct sim_request vdpr_sim_vring_requests[];
extern const size_t vdpr_sim_vring_count;

/* As many address spaces as groups: with one group there is nothing to part. */
static inline uint32_t vdpr_sim_groups(const struct sim *sim)
{
	return sim->opts->isolated ? SIM_SPACES : 1;
}

/* vdpr_sim_ioctl() - one request, under the lock. Return: what the kernel would. */
int vdpr_sim_ioctl(struct sim *sim, unsigned long request, void *arg);

/* --------------------------------------------------------------- sim-iotlb.c */

/* vdpr_sim_iotlb() - one message, under the lock.
 * Return: 0, -EINVAL (type, size), -EFAULT (anything else).
 */
int vdpr_sim_iotlb(struct sim *sim, const struct vhost_msg_v2 *msg);

/* The parent forgets its mappings, vhost does not. */
void vdpr_sim_iotlb_clean(struct sim *sim);
void vdpr_sim_iotlb_free(struct sim *sim);

/* vdpr_sim_span() - the driver's memory behind an IOVA.
 * @len: in: bytes wanted; out: how many lie behind one mapping, at least 1.
 * @perm: VHOST_ACCESS_RO or WO or both: what the device is going to do.
 * Return: NULL if nothing is mapped there for that.
 */
void *vdpr_sim_span(struct sim *sim, const struct sim_vq *vq, uint64_t iova,
		    size_t *len, uint8_t perm);

/* All of @len bytes behind one mapping, or NULL. */
void *vdpr_sim_at(struct sim *sim, const struct sim_vq *vq, uint64_t iova,
		  size_t len, uint8_t perm);

/* ---------------------------------------------------------------- sim-ring.c */

const struct sim_ring_ops *vdpr_sim_ring(const struct sim *sim);

/* Shared by the formats: empties a chain; adds a direct buffer; walks an
 * indirect table, whose entries are chained (@chained) or in a row. */
void vdpr_sim_chain_start(struct sim_chain *chain);
int vdpr_sim_chain_add(struct sim *sim, struct sim_vq *vq,
		       struct sim_chain *chain, const void *desc, bool copy);
int vdpr_sim_chain_indirect(struct sim *sim, struct sim_vq *vq,
			    struct sim_chain *chain, const void *desc,
			    bool chained, bool copy);
/* Writes to the writable part. Return: bytes that fitted. */
size_t vdpr_sim_chain_write(struct sim_chain *chain, size_t offset,
			    const void *data, size_t len);

/* Layout of a descriptor (virtio 1.3, 2.7.5 and 2.8.13). */
enum {
	SIM_DESC_SIZE = 16,
	SIM_DESC_LEN = 8,
	SIM_DESC_FLAGS = 12, /* split */
	SIM_DESC_NEXT = 14,  /* split */
	SIM_DESC_ID = 12,    /* packed */
	SIM_DESC_PACKED_FLAGS = 14,
};

/* Ring fields shared with the driver's threads. */
uint16_t vdpr_sim_load16(const void *p);
void vdpr_sim_store16(void *p, uint16_t value);

/* Was @event passed by the last @moved entries, which end at @now (2.7.7.2)? */
static inline bool vdpr_sim_event(uint16_t event, uint16_t now, uint32_t moved)
{
	return (uint16_t)(now - event - 1) < moved;
}

/* ----------------------------------------------------------------- sim-cvq.c */

/* vdpr_sim_kicked() - work off a queue. Takes and leaves the lock held.
 * @limit: avail position to stop at, or -1 for all there is.
 */
void vdpr_sim_kicked(struct sim *sim, struct sim_vq *vq, int limit);

/* Answers all that `late` withheld. */
void vdpr_sim_answer_late(struct sim *sim);

/* ----------------------------------------------------------------- sim-net.c */

/* Longest reply behind the ack byte. */
#define SIM_REPLY_MAX 8

/* vdpr_sim_execute() - carry out a control command.
 * @data: class, command, payload; untrusted.
 * @reply, @reply_len: what follows the ack byte.
 * Return: VIRTIO_NET_OK or VIRTIO_NET_ERR.
 */
uint8_t vdpr_sim_execute(struct sim *sim, const uint8_t *data, size_t len,
			 uint8_t reply[SIM_REPLY_MAX], size_t *reply_len);

/* Control state right after reset, or after the features were set. */
void vdpr_sim_net_reset(struct sim *sim);
void vdpr_sim_net_free(struct sim *sim);

/* ---------------------------------------------------------------- sim-dump.c */

/* Writes the device's state to opts->dump; failures are logged. */
void vdpr_sim_dump(struct sim *sim);

#endif
