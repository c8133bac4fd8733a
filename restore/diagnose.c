/* SPDX-License-Identifier: MIT */
/* Diagnosis of a failing call: the table of errnos, and who owns the device. */
#include "restore/diagnose.h"

#include <errno.h>
#include <string.h>

#define MEANS_GONE "the device was removed while it was open"
#define CURE_GONE                                                      \
	"create it again (vdpa dev add), let nobody delete it during " \
	"the restore, and open it anew"
#define MEANS_RUNS "or the device runs already (DRIVER_OK)"
#define CURE_ANEW "nothing else may use this descriptor; open the device anew"
#define CURE_LOG "the kernel log may say more"

/*
 * Read in drivers/vhost/ and drivers/vdpa/ of Linux 6.12 and 7.2. The first row
 * that fits counts, so what is special comes first. A name in capitals is a
 * request of the device's; the others are calls that have nothing to do with it.
 */
static const struct vdpr_diagnosis table[] = {
	{ "SET_OWNER", -EBUSY, "the descriptor has an owner already",
	  "if that is this process, say so (VDPR_DEV_OWNED); otherwise open "
	  "the device anew, for its owner cannot be changed" },
	{ "SET_FEATURES", -EBUSY,
	  "the features are settled (FEATURES_OK): somebody else set the "
	  "status after the reset",
	  CURE_ANEW },
	{ "SET_BACKEND_FEATURES", -EOPNOTSUPP,
	  "kernel or parent driver lacks one of these backend features",
	  "acknowledge only what GET_BACKEND_FEATURES offers" },
	{ "SET_BACKEND_FEATURES", -EINVAL,
	  "DESC_ASID (bit 7) without IOTLB_ASID (bit 3)",
	  "acknowledge both or neither" },
	{ "SET_STATUS", -EINVAL,
	  "status bits cannot be taken away again: somebody else set one",
	  CURE_ANEW },
	{ "GET_CONFIG", -EINVAL,
	  "the configuration space is shorter than the device said", CURE_LOG },
	{ "GET_CONFIG", -E2BIG,
	  "the configuration space is shorter than the device said", CURE_LOG },
	{ "SET_VRING_NUM", -EINVAL,
	  "the size is 0, no power of two, or too large, " MEANS_RUNS,
	  "give a size that the device's GET_VRING_SIZE allows" },
	{ "SET_VRING_BASE", -EINVAL,
	  "the base is above 65535 in a split ring, " MEANS_RUNS,
	  "take the base that GET_VRING_BASE gave on the source" },
	{ "SET_VRING_BASE", -EOPNOTSUPP,
	  "the parent driver can set no base but the initial one",
	  "begin with empty rings (base 0, in a packed ring 0x80008000)" },
	{ "SET_VRING_ADDR", -EINVAL,
	  "an address is not aligned (driver area 2 bytes, device area 4), "
	  "" MEANS_RUNS,
	  "give the addresses that the guest's driver set" },
	{ "SET_VRING_KICK", -EINVAL, "the descriptor is no eventfd",
	  "give an eventfd, or -1 for none" },
	{ "SET_VRING_CALL", -EINVAL, "the descriptor is no eventfd",
	  "give an eventfd, or -1 for none" },
	{ "SET_VRING_KICK", -EBADF, "the descriptor is not open",
	  "keep the eventfd open until the restore is over" },
	{ "SET_VRING_CALL", -EBADF, "the descriptor is not open",
	  "keep the eventfd open until the restore is over" },
	{ "SET_GROUP_ASID", -EBUSY, "the device runs already (DRIVER_OK)",
	  CURE_ANEW },
	{ "SET_GROUP_ASID", -EINVAL,
	  "the device has no such group or address space", CURE_LOG },
	{ "SET_GROUP_ASID", -EOPNOTSUPP,
	  "the parent driver cannot give a group an address space of its own, "
	  "though the device says that it has several",
	  CURE_LOG },
	{ "SET_GROUP_ASID", -ENOBUFS,
	  "the kernel takes the group's number for a virtqueue's, and there is "
	  "no such queue",
	  CURE_LOG },
	{ "GET_VRING_GROUP", -EIO,
	  "the parent driver named a group that does not exist", CURE_LOG },
	{ "SET_VRING_*", -ENOBUFS,
	  "the device has no such virtqueue with these features",
	  "compare its number of virtqueues and max_virtqueue_pairs with "
	  "those of the source" },
	{ "GET_VRING_*", -ENOBUFS,
	  "the device has no such virtqueue with these features",
	  "compare its number of virtqueues and max_virtqueue_pairs with "
	  "those of the source" },
	{ "IOTLB update", -EINVAL, "the kernel does not take this message",
	  "use a newer kernel" },
	{ "eventfd", -EMFILE, "this process has too many descriptors open",
	  "raise RLIMIT_NOFILE (ulimit -n)" },
	{ "memory *", -EMFILE, "this process has too many descriptors open",
	  "raise RLIMIT_NOFILE (ulimit -n)" },
};

/* What an errno means whatever the request is. */
static const struct vdpr_diagnosis any_request[] = {
	{ "*", -ENODEV, MEANS_GONE, CURE_GONE },
	{ "*", -ENXIO, MEANS_GONE, CURE_GONE },
	{ "*", -ENOTTY, "the kernel is too old to know this request",
	  "use a newer kernel" },
	{ "*", -EOPNOTSUPP, "the parent driver has no such operation",
	  "use a parent driver that has it" },
	{ "*", -EINVAL, "kernel or parent driver refuses this value",
	  CURE_LOG },
	{ "*", -ENOBUFS, "the device has no such virtqueue",
	  "compare its number of virtqueues with that of the source" },
	{ "*", -ETIMEDOUT,
	  "the device's firmware or daemon did not answer in time",
	  "look whether it is alive, then try again" },
	{ "*", -EIO, "the parent driver could not talk to its device",
	  CURE_LOG },
	{ "*", -EBUSY, "something else uses the device at this moment",
	  CURE_ANEW },
	{ "*", -ENOMEM, "kernel or parent driver ran out of memory", CURE_LOG },
};

static bool matches(const char *pattern, const char *call)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return !strncmp(call, pattern, len - 1);
	/* "SET_VRING_NUM" is also "SET_VRING_NUM of queue 3". */
	return !strncmp(call, pattern, len) &&
	       (!call[len] || call[len] == ' ' || call[len] == '(');
}

/* Requests are in capitals, "poll" and "memory for rings" are not. */
static bool is_request(const char *call)
{
	return *call >= 'A' && *call <= 'Z';
}

const struct vdpr_diagnosis *vdpr_diagnosis_find(const char *call, int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].err == err && matches(table[i].call, call))
			return &table[i];
	for (size_t i = 0; is_request(call) && i < ARRAY_SIZE(any_request); i++)
		if (any_request[i].err == err)
			return &any_request[i];
	return NULL;
}

/*
 * Nothing tells who owns a device, and asking by trying could change something,
 * so this goes by what is known of how the descriptor came to be owned.
 */
const char *vdpr_diagnose_owner(const struct vdpr_dev *dev,
				struct vdpr_buf *means)
{
	int self = getpid();

	if (dev->owner && dev->owner != self) {
		vdpr_buf_printf(means,
				"process %d is the owner of the device, this "
				"is process %d, and fork does not pass "
				"ownership on",
				dev->owner, self);
		return "restore in the process that did SET_OWNER, or open "
		       "the device anew";
	}
	if (dev->owned && !dev->owner) {
		vdpr_buf_str(means,
			     "this process is not the owner of the device, "
			     "though the caller said so (VDPR_DEV_OWNED): "
			     "another process did SET_OWNER, or this one "
			     "before an exec");
		return "do SET_OWNER in the process that restores: ownership "
		       "stays with it, whoever gets the descriptor";
	}
	vdpr_buf_str(means,
		     dev->owned ? "this process is the owner of the device, "
				  "so something else forbids the call"
				: "no owner is needed for this, so "
				  "something else forbids the call");
	return "look for a seccomp filter or a security module that does";
}

/* The failure so far stays, with what it means behind it. */
static int explain(struct vdpr_run *run, const char *means, const char *cure,
		   int err)
{
	vdpr_fail(run->ctx, vdpr_ctx_cause(run->ctx), err, "%s: %s",
		  vdpr_ctx_error(run->ctx), means);
	if (*cure)
		vdpr_cure(run->ctx, "%s", cure);
	return err;
}

int vdpr_diagnose_call(struct vdpr_run *run, const char *call, int err)
{
	const struct vdpr_diagnosis *row = vdpr_diagnosis_find(call, err);
	_cleanup_buf_ struct vdpr_buf means = { 0 };
	const char *cure;

	/* Without a context nobody reads it. */
	if (!run->ctx)
		return err;
	if (row)
		return explain(run, row->means, row->cure, err);
	if (err != -EPERM || !is_request(call))
		return err;
	cure = vdpr_diagnose_owner(run->dev, &means);
	return explain(run, means.data ? means.data : "not the owner", cure,
		       err);
}
