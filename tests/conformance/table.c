/* SPDX-License-Identifier: MIT */
/* The table: what vhost-vdpa answers, call by call, from a fresh device on. */
#include "tests/conformance/table.h"

#include <errno.h>

#define ANY CONFORMANCE_ANY
/* The same on every parent; or on sim, vdpa_sim, vp_vdpa in this order. */
#define ALL(e)                \
	{                     \
		(e), (e), (e) \
	}
#define BY(sim, vdpa_sim, vp_vdpa)           \
	{                                    \
		(sim), (vdpa_sim), (vp_vdpa) \
	}
#define OK ALL(0)

#define VQS CONFORMANCE_VQS
#define LAST CONFORMANCE_LAST
#define SPACES CONFORMANCE_SPACES
#define CONFIG CONFORMANCE_CONFIG
#define RING_MAX CONFORMANCE_RING_MAX

#define CALL(request, ...)                             \
	{                                              \
		STEP_NONE, request, { 0 }, __VA_ARGS__ \
	}
#define NULL_ARG(request, ...)                         \
	{                                              \
		STEP_NULL, request, { 0 }, __VA_ARGS__ \
	}
#define STATE(request, index, num, ...)                          \
	{                                                        \
		STEP_STATE, request, { index, num }, __VA_ARGS__ \
	}
#define NUM_IS(request, index, num, ...)                          \
	{                                                         \
		STEP_NUM_IS, request, { index, num }, __VA_ARGS__ \
	}
#define FD_OF(request, index, fd, ...)                         \
	{                                                      \
		STEP_FILE, request, { index, fd }, __VA_ARGS__ \
	}
#define ADDR(index, flags, desc, avail, used, ...)                       \
	{                                                                \
		STEP_ADDR, VHOST_SET_VRING_ADDR,                         \
			{ index, flags, desc, avail, used }, __VA_ARGS__ \
	}
#define IOTLB(type, asid, iova, size, ...)                             \
	{                                                              \
		STEP_IOTLB, 0, { type, asid, iova, size }, __VA_ARGS__ \
	}
#define MAP(asid, iova, size, ...) \
	IOTLB(VHOST_IOTLB_UPDATE, asid, iova, size, __VA_ARGS__)
#define UNMAP(asid, iova, size, ...) \
	IOTLB(VHOST_IOTLB_INVALIDATE, asid, iova, size, __VA_ARGS__)
#define STATUS(bits, ...)                                             \
	{                                                             \
		STEP_U8, VHOST_VDPA_SET_STATUS, { bits }, __VA_ARGS__ \
	}
#define STATUS_IS(bits)                                             \
	{                                                           \
		STEP_STATUS_IS, VHOST_VDPA_GET_STATUS, { bits }, OK \
	}
#define FEATURES(which, ...)                                              \
	{                                                                 \
		STEP_FEATURES, VHOST_SET_FEATURES, { which }, __VA_ARGS__ \
	}
#define BACKEND(bits, ...)                                                  \
	{                                                                   \
		STEP_U64, VHOST_SET_BACKEND_FEATURES, { bits }, __VA_ARGS__ \
	}
#define CONFIG_READ(off, len, ...)                                            \
	{                                                                     \
		STEP_CONFIG, VHOST_VDPA_GET_CONFIG, { off, len }, __VA_ARGS__ \
	}

#define OWNER CALL(VHOST_SET_OWNER, OK)
#define BITS_ACKED BACKEND(BIT_ULL(1) | BIT_ULL(2) | BIT_ULL(3), OK)
#define NEGOTIATED                                                    \
	STATUS(1, OK), STATUS(3, OK), FEATURES(FEATURES_OFFERED, OK), \
		STATUS(11, OK)
/* Queue 0 with 16 entries at IOVA 0x10000, mapped, started. */
#define RINGS                                                               \
	MAP(0, 0x10000, 0x4000, OK), STATE(VHOST_SET_VRING_NUM, 0, 16, OK), \
		ADDR(0, 0, 0x10000, 0x11000, 0x12000, OK)
#define STARTED                   \
	OWNER, NEGOTIATED, RINGS, \
		STATE(VHOST_VDPA_SET_VRING_ENABLE, 0, 1, OK), STATUS(15, OK)

/* clang-format off */
const struct conformance_sequence conformance_table[] = {
	/* ------------------------------------------------------------- owner */
	{ "SET_OWNER twice", { OWNER, CALL(VHOST_SET_OWNER, ALL(EBUSY)) } },
	{ "SET_OWNER again after a reset", {
		OWNER, STATUS(0, OK), CALL(VHOST_SET_OWNER, ALL(EBUSY)) } },
	{ "RESET_OWNER", {
		OWNER, STATE(VHOST_RESET_OWNER, 0, 0, ALL(ENOTTY)) } },
	{ "RESET_OWNER without owner", {
		STATE(VHOST_RESET_OWNER, 0, 0, ALL(EPERM)) } },
	{ "ring size without owner", {
		STATE(VHOST_SET_VRING_NUM, 0, 16, ALL(EPERM)) } },
	{ "ring addresses without owner", {
		ADDR(0, 0, 0, 0, 0, ALL(EPERM)) } },
	{ "ring base without owner", {
		STATE(VHOST_SET_VRING_BASE, 0, 0, ALL(EPERM)),
		STATE(VHOST_GET_VRING_BASE, 0, 0, ALL(EPERM)) } },
	{ "eventfds without owner", {
		FD_OF(VHOST_SET_VRING_KICK, 0, FD_EVENT, ALL(EPERM)),
		FD_OF(VHOST_SET_VRING_CALL, 0, FD_EVENT, ALL(EPERM)),
		FD_OF(VHOST_SET_VRING_ERR, 0, FD_EVENT, ALL(EPERM)) } },
	{ "enable without owner", {
		STATE(VHOST_VDPA_SET_VRING_ENABLE, 0, 1, ALL(EPERM)) } },
	{ "group and size of a queue without owner", {
		STATE(VHOST_VDPA_GET_VRING_GROUP, 0, 0, ALL(EPERM)),
		STATE(VHOST_VDPA_GET_VRING_SIZE, 0, 0, ALL(EPERM)),
		STATE(VHOST_VDPA_GET_VRING_DESC_GROUP, 0, 0, ALL(EPERM)) } },
	{ "SET_GROUP_ASID without owner", {
		STATE(VHOST_VDPA_SET_GROUP_ASID, 0, 0, ALL(EPERM)) } },
	{ "IOTLB update without owner", {
		BITS_ACKED, MAP(0, 0x10000, 0x1000, ALL(EFAULT)) } },
	{ "IOTLB batch without owner", {
		IOTLB(VHOST_IOTLB_BATCH_BEGIN, 0, 0, 0, ALL(EFAULT)) } },
	{ "owner comes before the index", {
		STATE(VHOST_SET_VRING_NUM, VQS, 16, ALL(EPERM)) } },
	{ "unknown request without owner", {
		STATE(_IOW(VHOST_VIRTIO, 0xee, struct vhost_vring_state), 0, 0,
		      ALL(EPERM)) } },
	{ "unknown request", {
		OWNER,
		STATE(_IOW(VHOST_VIRTIO, 0xee, struct vhost_vring_state), 0, 0,
		      ALL(ENOTTY)) } },
	{ "dirty log", {
		{ STEP_U64, VHOST_SET_LOG_BASE, { 0 }, ALL(ENOTTY) },
		{ STEP_U64, VHOST_SET_LOG_FD, { 0 }, ALL(ENOTTY) }, OWNER,
		{ STEP_U64, VHOST_SET_LOG_BASE, { 0 }, ALL(ENOTTY) } } },
	{ "what needs no owner", {
		{ STEP_U64, VHOST_GET_FEATURES, { 0 }, OK },
		{ STEP_U64, VHOST_GET_BACKEND_FEATURES, { 0 }, OK },
		{ STEP_U32, VHOST_VDPA_GET_DEVICE_ID, { 0 }, OK },
		{ STEP_U8, VHOST_VDPA_GET_STATUS, { 0 }, OK },
		{ STEP_U32, VHOST_VDPA_GET_VRING_NUM, { 0 }, OK },
		{ STEP_RANGE, VHOST_VDPA_GET_IOVA_RANGE, { 0 }, OK },
		{ STEP_U32, VHOST_VDPA_GET_CONFIG_SIZE, { 0 }, OK },
		{ STEP_U32, VHOST_VDPA_GET_VQS_COUNT, { 0 }, OK },
		{ STEP_U32, VHOST_VDPA_GET_GROUP_NUM, { 0 }, OK },
		{ STEP_U32, VHOST_VDPA_GET_AS_NUM, { 0 }, OK },
		CONFIG_READ(0, 6, OK), NEGOTIATED } },
	{ "no argument", {
		NULL_ARG(VHOST_GET_FEATURES, ALL(EFAULT)),
		NULL_ARG(VHOST_SET_FEATURES, ALL(EFAULT)),
		NULL_ARG(VHOST_VDPA_GET_STATUS, ALL(EFAULT)),
		NULL_ARG(VHOST_VDPA_SET_STATUS, ALL(EFAULT)),
		NULL_ARG(VHOST_VDPA_GET_CONFIG, ALL(EFAULT)),
		NULL_ARG(VHOST_SET_VRING_NUM, ALL(EPERM)), OWNER,
		NULL_ARG(VHOST_SET_VRING_NUM, ALL(EFAULT)),
		NULL_ARG(VHOST_SET_VRING_KICK, ALL(EFAULT)) } },

	/* ---------------------------------------------------- index of a queue */
	{ "ring size of no queue", {
		OWNER, STATE(VHOST_SET_VRING_NUM, VQS, 16, ALL(ENOBUFS)),
		STATE(VHOST_SET_VRING_NUM, 0xffffffff, 16, ALL(ENOBUFS)) } },
	{ "ring addresses of no queue", {
		OWNER, ADDR(VQS, 0, 0, 0, 0, ALL(ENOBUFS)) } },
	{ "ring base of no queue", {
		OWNER, STATE(VHOST_SET_VRING_BASE, VQS, 0, ALL(ENOBUFS)),
		STATE(VHOST_GET_VRING_BASE, VQS, 0, ALL(ENOBUFS)) } },
	{ "eventfds of no queue", {
		OWNER,
		FD_OF(VHOST_SET_VRING_KICK, VQS, FD_EVENT, ALL(ENOBUFS)),
		FD_OF(VHOST_SET_VRING_CALL, VQS, FD_EVENT, ALL(ENOBUFS)),
		FD_OF(VHOST_SET_VRING_ERR, VQS, FD_EVENT, ALL(ENOBUFS)) } },
	{ "enable, group and size of no queue", {
		OWNER,
		STATE(VHOST_VDPA_SET_VRING_ENABLE, VQS, 1, ALL(ENOBUFS)),
		STATE(VHOST_VDPA_GET_VRING_GROUP, VQS, 0, ALL(ENOBUFS)),
		STATE(VHOST_VDPA_GET_VRING_SIZE, VQS, 0, ALL(ENOBUFS)) } },
	{ "SET_GROUP_ASID of a group past the queues", {
		OWNER,
		STATE(VHOST_VDPA_SET_GROUP_ASID, VQS, 0, ALL(ENOBUFS)) } },

	/* --------------------------------------------------------------- rings */
	{ "ring size 0", {
		OWNER, STATE(VHOST_SET_VRING_NUM, 0, 0, ALL(EINVAL)) } },
	{ "ring size not a power of two", {
		OWNER, STATE(VHOST_SET_VRING_NUM, 0, 15, ALL(EINVAL)),
		STATE(VHOST_SET_VRING_NUM, 0, 3, ALL(EINVAL)) } },
	{ "ring size past 16 bits", {
		OWNER, STATE(VHOST_SET_VRING_NUM, 0, 0x10000, ALL(EINVAL)) } },
	/* Stable kernels of 2026 hold it against GET_VRING_NUM. */
	{ "ring size past the largest", {
		OWNER,
		STATE(VHOST_SET_VRING_NUM, 0, RING_MAX + 1,
		      BY(EINVAL, ANY, ANY)) } },
	{ "ring size as large as allowed", {
		OWNER, NEGOTIATED,
		STATE(VHOST_SET_VRING_NUM, 0, RING_MAX, OK) } },
	{ "ring size while running", {
		STARTED, STATE(VHOST_SET_VRING_NUM, 0, 16, OK) } },
	{ "unaligned avail ring", {
		OWNER, NEGOTIATED,
		ADDR(0, 0, 0x10000, 0x11001, 0x12000, ALL(EINVAL)) } },
	{ "unaligned used ring", {
		OWNER, NEGOTIATED,
		ADDR(0, 0, 0x10000, 0x11000, 0x12002, ALL(EINVAL)),
		ADDR(0, 0, 0x10000, 0x11000, 0x12004, OK) } },
	{ "unaligned descriptors are not looked at", {
		OWNER, NEGOTIATED,
		ADDR(0, 0, 0x10008, 0x11000, 0x12000, OK) } },
	{ "address flags", {
		OWNER, NEGOTIATED,
		ADDR(0, 2, 0x10000, 0x11000, 0x12000, ALL(EOPNOTSUPP)),
		ADDR(0, 1, 0x10000, 0x11000, 0x12000, OK) } },
	{ "ring addresses while running", {
		STARTED,
		ADDR(0, 0, 0x10000, 0x11000, 0x12000, ALL(EINVAL)) } },
	{ "ring base of 0", {
		OWNER, NEGOTIATED, STATE(VHOST_SET_VRING_BASE, 0, 0, OK) } },
	/* vp_vdpa can only say that what is wanted is what there is. */
	{ "ring base that is not 0", {
		OWNER, NEGOTIATED,
		STATE(VHOST_SET_VRING_BASE, 0, 5, BY(0, 0, EOPNOTSUPP)),
		NUM_IS(VHOST_GET_VRING_BASE, 0, 5, BY(0, 0, EOPNOTSUPP)) } },
	{ "ring base before the features", {
		OWNER,
		STATE(VHOST_SET_VRING_BASE, 0, 0, BY(0, 0, EOPNOTSUPP)) } },
	{ "ring base past 16 bits", {
		OWNER, NEGOTIATED,
		STATE(VHOST_SET_VRING_BASE, 0, 0x10000, ALL(EINVAL)) } },
	{ "ring base while running", {
		STARTED, STATE(VHOST_SET_VRING_BASE, 0, 0, ALL(EINVAL)) } },
	{ "ring base read while running", {
		STARTED,
		STATE(VHOST_GET_VRING_BASE, 0, 0, BY(0, 0, EOPNOTSUPP)) } },
	{ "enable after DRIVER_OK is never an error", {
		OWNER, NEGOTIATED, RINGS, STATUS(15, OK),
		STATE(VHOST_VDPA_SET_VRING_ENABLE, 0, 1, OK) } },
	/* vdpa_sim has the operation only with batch_mapping=0. */
	{ "largest ring of a queue", {
		OWNER, NEGOTIATED,
		STATE(VHOST_VDPA_GET_VRING_SIZE, 0, 0,
		      BY(0, EOPNOTSUPP, 0)) } },

	/* ------------------------------------------------------------ eventfds */
	{ "kick, call and error", {
		OWNER, FD_OF(VHOST_SET_VRING_KICK, 0, FD_EVENT, OK),
		FD_OF(VHOST_SET_VRING_CALL, 0, FD_EVENT, OK),
		FD_OF(VHOST_SET_VRING_ERR, 0, FD_EVENT, OK),
		FD_OF(VHOST_SET_VRING_KICK, 0, FD_NONE, OK),
		FD_OF(VHOST_SET_VRING_CALL, 0, FD_NONE, OK),
		FD_OF(VHOST_SET_VRING_ERR, 0, FD_NONE, OK) } },
	{ "the same kick twice", {
		OWNER, FD_OF(VHOST_SET_VRING_KICK, 0, FD_EVENT, OK),
		FD_OF(VHOST_SET_VRING_KICK, 0, FD_EVENT, OK) } },
	{ "closed descriptors", {
		OWNER, FD_OF(VHOST_SET_VRING_KICK, 0, FD_CLOSED, ALL(EBADF)),
		FD_OF(VHOST_SET_VRING_CALL, 0, FD_CLOSED, ALL(EBADF)),
		FD_OF(VHOST_SET_VRING_ERR, 0, FD_CLOSED, ALL(EBADF)),
		{ STEP_FD, VHOST_VDPA_SET_CONFIG_CALL, { FD_CLOSED },
		  ALL(EBADF) } } },
	{ "descriptors of something else", {
		OWNER, FD_OF(VHOST_SET_VRING_KICK, 0, FD_OTHER, ALL(EINVAL)),
		FD_OF(VHOST_SET_VRING_CALL, 0, FD_OTHER, ALL(EINVAL)),
		FD_OF(VHOST_SET_VRING_ERR, 0, FD_OTHER, ALL(EINVAL)),
		{ STEP_FD, VHOST_VDPA_SET_CONFIG_CALL, { FD_OTHER },
		  ALL(EINVAL) } } },
	{ "config interrupt, without owner", {
		{ STEP_FD, VHOST_VDPA_SET_CONFIG_CALL, { FD_EVENT }, OK },
		{ STEP_FD, VHOST_VDPA_SET_CONFIG_CALL, { FD_NONE }, OK } } },

	/* ------------------------------------------------- features and status */
	{ "features after FEATURES_OK", {
		NEGOTIATED, FEATURES(FEATURES_OFFERED, ALL(EBUSY)) } },
	{ "features again after a reset", {
		NEGOTIATED, STATUS(0, OK), NEGOTIATED } },
	/* A parent that maps for itself insists; vp_vdpa passes anything on. */
	{ "features without ACCESS_PLATFORM", {
		FEATURES(FEATURES_NO_PLATFORM, BY(EINVAL, EINVAL, 0)) } },
	/* vdpa_sim drops them, vp_vdpa leaves the answer to FEATURES_OK. */
	{ "features that are not offered", {
		FEATURES(FEATURES_FOREIGN, BY(EINVAL, 0, 0)) } },
	{ "status bits come and stay", {
		STATUS_IS(0), STATUS(1, OK), STATUS_IS(1), STATUS(3, OK),
		STATUS_IS(3), FEATURES(FEATURES_OFFERED, OK), STATUS(11, OK),
		STATUS_IS(11) } },
	{ "status bits cannot be taken back", {
		STATUS(1, OK), STATUS(3, OK), STATUS(1, ALL(EINVAL)),
		STATUS(2, ALL(EINVAL)), STATUS_IS(3) } },
	{ "reset clears the status", {
		STARTED, STATUS_IS(15), STATUS(0, OK), STATUS_IS(0) } },
	{ "reset of a reset device", { STATUS(0, OK), STATUS(0, OK) } },
	{ "FAILED", { STATUS(1, OK), STATUS(0x81, OK), STATUS_IS(0x81) } },

	/* ---------------------------------------------------- backend features */
	{ "backend features that all have", {
		BACKEND(0, OK), BITS_ACKED, BACKEND(BIT_ULL(1), OK) } },
	{ "unknown backend feature", {
		BACKEND(BIT_ULL(63), ALL(EOPNOTSUPP)),
		BACKEND(BIT_ULL(0), ALL(EOPNOTSUPP)) } },
	{ "SUSPEND and RESUME", {
		BACKEND(BIT_ULL(4), BY(0, 0, EOPNOTSUPP)),
		BACKEND(BIT_ULL(5), BY(0, 0, EOPNOTSUPP)) } },
	/* Taken from any driver, whether the parent has it or not. */
	{ "ENABLE_AFTER_DRIVER_OK", { BACKEND(BIT_ULL(6), OK) } },
	{ "DESC_ASID", {
		BACKEND(BIT_ULL(7), ALL(EINVAL)),
		BACKEND(BIT_ULL(7) | BIT_ULL(3), ALL(EOPNOTSUPP)) } },
	{ "IOTLB_PERSIST", { BACKEND(BIT_ULL(8), OK) } },

	/* -------------------------------------------------------- config space */
	{ "config within its size", {
		CONFIG_READ(0, 1, OK), CONFIG_READ(0, 24, OK),
		CONFIG_READ(6, 2, OK) } },
	{ "config of no length", { CONFIG_READ(0, 0, ALL(EINVAL)) } },
	{ "config past its end", {
		CONFIG_READ(CONFIG, 1, ALL(EINVAL)),
		CONFIG_READ(CONFIG + 1, 1, ALL(EINVAL)),
		CONFIG_READ(1, CONFIG, ALL(EINVAL)),
		CONFIG_READ(0, 0xffffffff, ALL(EINVAL)),
		CONFIG_READ(0xffffffff, 1, ALL(EINVAL)) } },

	/* ------------------------------------------ groups and address spaces */
	{ "group of a queue", {
		OWNER, NEGOTIATED,
		NUM_IS(VHOST_VDPA_GET_VRING_GROUP, 0, 0,
		       BY(0, 0, EOPNOTSUPP)) } },
	{ "control virtqueue in a group of its own", {
		OWNER, NEGOTIATED,
		NUM_IS(VHOST_VDPA_GET_VRING_GROUP, 1, 0, BY(0, 0, EOPNOTSUPP)),
		NUM_IS(VHOST_VDPA_GET_VRING_GROUP, LAST, 1,
		       BY(0, 0, EOPNOTSUPP)) } },
	{ "descriptor group", {
		OWNER, STATE(VHOST_VDPA_GET_VRING_DESC_GROUP, 0, 0,
			     ALL(EOPNOTSUPP)) } },
	{ "address space of a group", {
		OWNER, NEGOTIATED,
		STATE(VHOST_VDPA_SET_GROUP_ASID, 1, 1, BY(0, 0, EINVAL)),
		STATE(VHOST_VDPA_SET_GROUP_ASID, 0, 0,
		      BY(0, 0, EOPNOTSUPP)) } },
	{ "address space that is none", {
		OWNER,
		STATE(VHOST_VDPA_SET_GROUP_ASID, 0, SPACES, ALL(EINVAL)) } },
	/* Checked since 7.0 and in stable kernels. */
	{ "group that is none", {
		OWNER, STATE(VHOST_VDPA_SET_GROUP_ASID, 2, 0,
			     BY(EINVAL, ANY, ANY)) } },

	/* --------------------------------------------------------------- IOTLB */
	{ "map, unmap, map", {
		OWNER, BITS_ACKED, MAP(0, 0x10000, 0x2000, OK),
		UNMAP(0, 0x10000, 0x2000, OK), MAP(0, 0x10000, 0x2000, OK) } },
	{ "overlapping maps", {
		OWNER, BITS_ACKED, MAP(0, 0x10000, 0x2000, OK),
		MAP(0, 0x11000, 0x1000, ALL(EFAULT)),
		MAP(0, 0x10000, 0x2000, ALL(EFAULT)),
		MAP(0, 0x12000, 0x1000, OK) } },
	{ "map of no size", {
		OWNER, BITS_ACKED, MAP(0, 0x10000, 0, ALL(EINVAL)) } },
	{ "map that wraps", {
		OWNER, BITS_ACKED,
		MAP(0, 0xfffffffffffff000, 0x2000, ALL(EFAULT)) } },
	{ "unmap where nothing ever was", {
		OWNER, BITS_ACKED, UNMAP(0, 0x10000, 0x1000, ALL(EFAULT)) } },
	{ "unmap where nothing is", {
		OWNER, BITS_ACKED, MAP(0, 0x10000, 0x1000, OK),
		UNMAP(0, 0x20000, 0x1000, OK) } },
	/* Where pages are pinned, each run of them is a mapping of its own. */
	{ "unmap takes all that it touches", {
		OWNER, BITS_ACKED, MAP(0, 0x10000, 0x2000, OK),
		UNMAP(0, 0x11000, 0x1000, OK),
		MAP(0, 0x10000, 0x2000, BY(0, 0, ANY)) } },
	{ "address spaces are apart", {
		OWNER, BITS_ACKED, MAP(0, 0x10000, 0x1000, OK),
		MAP(1, 0x10000, 0x1000, BY(0, 0, EFAULT)) } },
	{ "map in no address space", {
		OWNER, BITS_ACKED, MAP(SPACES, 0x10000, 0x1000, ALL(EFAULT)),
		MAP(0xffff, 0x10000, 0x1000, ALL(EFAULT)) } },
	{ "without the bit the address space is not read", {
		OWNER, BACKEND(BIT_ULL(1), OK), MAP(77, 0x10000, 0x1000, OK),
		MAP(78, 0x10000, 0x1000, ALL(EFAULT)) } },
	{ "batch", {
		OWNER, BITS_ACKED, IOTLB(VHOST_IOTLB_BATCH_BEGIN, 0, 0, 0, OK),
		MAP(0, 0x10000, 0x1000, OK), MAP(0, 0x20000, 0x1000, OK),
		IOTLB(VHOST_IOTLB_BATCH_END, 0, 0, 0, OK) } },
	{ "batch with another address space", {
		OWNER, BITS_ACKED, MAP(0, 0x10000, 0x1000, OK),
		IOTLB(VHOST_IOTLB_BATCH_BEGIN, 0, 0, 0, OK),
		MAP(1, 0x20000, 0x1000, ALL(EFAULT)),
		IOTLB(VHOST_IOTLB_BATCH_END, 1, 0, 0, ALL(EFAULT)),
		IOTLB(VHOST_IOTLB_BATCH_END, 0, 0, 0, OK) } },
	{ "end of no batch", {
		OWNER, BITS_ACKED, MAP(0, 0x10000, 0x1000, OK),
		IOTLB(VHOST_IOTLB_BATCH_END, 0, 0, 0, OK) } },
	{ "unknown IOTLB type", {
		OWNER, BITS_ACKED, MAP(0, 0x10000, 0x1000, OK),
		IOTLB(77, 0, 0x10000, 0x1000, ALL(EFAULT)) } },
	{ "unknown kind of message", {
		OWNER, BITS_ACKED,
		{ STEP_IOTLB_KIND, 0,
		  { VHOST_IOTLB_UPDATE, 0, 0x10000, 0x1000 }, ALL(EINVAL) } } },
	/* vhost remembers what the parent has forgotten. */
	{ "after a reset a map must be taken out first", {
		OWNER, BITS_ACKED, MAP(0, 0x10000, 0x1000, OK), STATUS(0, OK),
		MAP(0, 0x10000, 0x1000, ALL(EFAULT)),
		UNMAP(0, 0x10000, 0x1000, OK), MAP(0, 0x10000, 0x1000, OK) } },

	/* -------------------------------------------------- suspend and resume */
	{ "suspend and resume before DRIVER_OK do nothing", {
		CALL(VHOST_VDPA_SUSPEND, OK), CALL(VHOST_VDPA_RESUME, OK) } },
	{ "suspend and resume", {
		STARTED, CALL(VHOST_VDPA_SUSPEND, BY(0, 0, EOPNOTSUPP)),
		CALL(VHOST_VDPA_RESUME, BY(0, 0, EOPNOTSUPP)) } },
	{ "suspended rings can be set", {
		STARTED, CALL(VHOST_VDPA_SUSPEND, BY(0, 0, EOPNOTSUPP)),
		ADDR(0, 0, 0x10000, 0x11000, 0x12000, BY(0, 0, EINVAL)),
		STATE(VHOST_SET_VRING_BASE, 0, 3, BY(0, 0, EINVAL)) } },
};
/* clang-format on */

const size_t conformance_count = ARRAY_SIZE(conformance_table);
