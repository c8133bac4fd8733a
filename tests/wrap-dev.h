/* SPDX-License-Identifier: MIT */
/* A device around a device: records every call, and makes chosen ones fail. */
#ifndef VDPR_TEST_WRAP_DEV_H
#define VDPR_TEST_WRAP_DEV_H

#include "restore/dev.h"

#define WRAP_EVENTS 4096
#define WRAP_MAPS 32
#define WRAP_QUEUES 256

struct wrap_event {
	unsigned long request; /* 0: an IOTLB message */
	uint32_t index;	       /* queue or group; ASID of a message */
	uint64_t value;	       /* num, status, mask; type of a message */
	uint64_t iova, size;   /* of a message */
	int ret;
	/* Of SET_VRING_ENABLE: commands shown to and used by the CVQ then. */
	uint16_t shown, used;
};

struct wrap_map {
	uint32_t asid;
	uint64_t iova, size, uaddr;
};

struct wrap_queue {
	uint32_t num, base;
	uint64_t desc, driver, device;
};

struct wrap {
	struct vdpr_dev base; /* must be first */
	struct vdpr_dev *inner;
	size_t n;
	struct wrap_event event[WRAP_EVENTS];
	struct wrap_map map[WRAP_MAPS];
	size_t n_maps;
	struct wrap_queue queue[WRAP_QUEUES];
	uint32_t cvq;	/* index of the control virtqueue, for shown and used */
	size_t fail_at; /* number of the call that fails, from 1; 0: none */
	int fail_errno; /* positive */
	size_t signal_at; /* number of the call before which signal_fd is written */
	int signal_fd;
	/* What config says of the MAC once a queue 0 is enabled; NULL: the truth. */
	const uint8_t *late_mac;
	bool early_config; /* a config interrupt as soon as one can be heard */
};

/* Takes @inner over: closing the wrapper closes it. */
struct wrap *wrap_dev(struct vdpr_dev *inner, uint32_t cvq);

/* The same through vdpr_dev_open(); asserts that it works. */
struct wrap *wrap_open(const char *name, uint32_t cvq);

/* Position of the first event from @from with that request (and index, unless
 * negative); n if there is none. */
size_t wrap_find(const struct wrap *wrap, size_t from, unsigned long request,
		 int index);

/* Number of such events. */
size_t wrap_count(const struct wrap *wrap, unsigned long request);

/* IOTLB updates that no invalidation has taken back. */
size_t wrap_mapped(const struct wrap *wrap);

#endif
