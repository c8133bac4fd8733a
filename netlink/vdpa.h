/* SPDX-License-Identifier: MIT */
/* Management devices, vdpa devices and their configuration, seen over netlink. */
#ifndef NETLINK_VDPA_H
#define NETLINK_VDPA_H

/*
 * None of this opens a char device: a device that a VMM is running on is not
 * disturbed. All numbers are in host byte order. Every function returns 0 or a
 * negative errno value and then fills in @error, which may be NULL; results are
 * written on success only. Common to all of them are:
 *   -ENOMEM, -ETIMEDOUT (the kernel did not answer in time), -EBADMSG (it
 *   answered what cannot be understood), -EINTR (the list went on changing while
 *   it was read), -ENAMETOOLONG, and the errno that the kernel answered: -EPERM,
 *   -ENODEV (no device of that name), -EOPNOTSUPP (this kernel or device cannot).
 * While somebody removes a device that is open the kernel lets no request end, nor
 * the process that has made it: a child process makes them for us (relay.h), and
 * the timeout holds. After a timeout, close the connection.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink/error.h"

#define VDPA_NAME_SIZE 128
#define VDPA_MGMTDEV_SIZE 160
#define VDPA_ID_NET 1 /* virtio's number of a network device */

struct vdpa_nl;

/* A device that makes vdpa devices. */
struct vdpa_mgmtdev {
	char name[VDPA_MGMTDEV_SIZE]; /* "pci/0000:01:00.2", "vdpasim_net" */
	uint64_t classes;  /* bit n: virtio device id n; 0: not told */
	bool has_features; /* Linux before 5.17 tells neither: */
	uint64_t features; /* the most that a device can be given */
	bool has_max_vqs;
	uint32_t max_vqs;
};

struct vdpa_device {
	char name[VDPA_NAME_SIZE];
	char mgmtdev[VDPA_MGMTDEV_SIZE]; /* as struct vdpa_mgmtdev's name */
	uint32_t id;			 /* virtio device id */
	uint32_t vendor;
	uint32_t max_vqs;
	uint16_t max_vq_size;
	uint16_t min_vq_size; /* 0: not told (Linux before 5.18) */
};

/* Which members of struct vdpa_config are there. */
#define VDPA_CONFIG_MAC (1u << 0)
#define VDPA_CONFIG_STATUS (1u << 1)
#define VDPA_CONFIG_MAX_PAIRS (1u << 2)
#define VDPA_CONFIG_MTU (1u << 3)
#define VDPA_CONFIG_NEGOTIATED (1u << 4)
#define VDPA_CONFIG_FEATURES (1u << 5)

struct vdpa_config {
	char name[VDPA_NAME_SIZE];
	uint32_t
		id; /* virtio device id; the rest is told of VDPA_ID_NET only */
	uint32_t has; /* VDPA_CONFIG_* */
	uint8_t mac[6];
	uint16_t status; /* bit 0: link is up, bit 1: announce */
	uint16_t max_pairs;
	uint16_t mtu;
	uint64_t negotiated; /* only there while the device has FEATURES_OK */
	uint64_t features;   /* what the device offers */
};

#define VDPA_VSTATS_MAX 32

/* The vendor's counters of one virtqueue. */
struct vdpa_vstats {
	char name[VDPA_NAME_SIZE];
	uint32_t queue;
	uint64_t negotiated;
	bool has_max_pairs;
	uint16_t max_pairs;
	size_t n;
	struct {
		char name[64];
		uint64_t value;
	} item[VDPA_VSTATS_MAX];
};

/* What a new device shall be. */
struct vdpa_new {
	const char *name;
	const char *mgmtdev; /* "bus/device" or "device" */
	uint32_t has;	     /* VDPA_CONFIG_MAC, _MTU, _MAX_PAIRS, _FEATURES */
	uint8_t mac[6];
	uint16_t mtu;
	uint16_t max_pairs;
	uint64_t features;
};

/* vdpa_nl_open() - connect to the kernel's vdpa netlink family.
 * @timeout_ms: for each request, lists with all their parts included.
 * @out: closed with vdpa_nl_close().
 * Return: 0, -ENOENT (there is no such family: the vdpa module is not loaded, or
 * this is not the first network namespace), -EPROTONOSUPPORT and other errno of
 * socket().
 */
int vdpa_nl_open(unsigned int timeout_ms, struct vdpa_nl **out,
		 struct netlink_error *error);

/* vdpa_nl_from_fd() - the same over a socket that keeps message boundaries, for
 * tests: its other end speaks for the kernel.
 * @fd: taken over, closed with vdpa_nl_close() or on failure.
 */
int vdpa_nl_from_fd(int fd, unsigned int timeout_ms, struct vdpa_nl **out,
		    struct netlink_error *error);

/* @nl: may be NULL. */
void vdpa_nl_close(struct vdpa_nl *nl);

/* All management devices. @out: freed by the caller; NULL where @n is 0. */
int vdpa_nl_mgmtdevs(struct vdpa_nl *nl, struct vdpa_mgmtdev **out, size_t *n,
		     struct netlink_error *error);

/* All vdpa devices that have a management device. @out: as above. */
int vdpa_nl_devices(struct vdpa_nl *nl, struct vdpa_device **out, size_t *n,
		    struct netlink_error *error);

/* One vdpa device by its name. */
int vdpa_nl_device(struct vdpa_nl *nl, const char *name,
		   struct vdpa_device *out, struct netlink_error *error);

/* Its configuration. Return: -EOPNOTSUPP for a device that is neither for network
 * nor, since Linux 6.9, a block device. */
int vdpa_nl_config(struct vdpa_nl *nl, const char *name,
		   struct vdpa_config *out, struct netlink_error *error);

/* Counters of one virtqueue. Return: -EOPNOTSUPP (its driver has none), -EAGAIN
 * (no FEATURES_OK yet), -EPERM (needs CAP_NET_ADMIN), -EINVAL (no such queue). */
int vdpa_nl_vstats(struct vdpa_nl *nl, const char *name, uint32_t queue,
		   struct vdpa_vstats *out, struct netlink_error *error);

/* Makes a device. Return: -EEXIST, -EPERM, -EOPNOTSUPP (the management device does
 * not take one of the members), -EINVAL, -ENODEV (no such management device). */
int vdpa_nl_add(struct vdpa_nl *nl, const struct vdpa_new *device,
		struct netlink_error *error);

/* Removes a device; waits inside the kernel, beyond any timeout, until whoever has
 * it open closes it. */
int vdpa_nl_delete(struct vdpa_nl *nl, const char *name,
		   struct netlink_error *error);

/* Gives a device another MAC address. Return: -EOPNOTSUPP (a kernel before 6.12,
 * or a driver that cannot). */
int vdpa_nl_set_mac(struct vdpa_nl *nl, const char *name, const uint8_t mac[6],
		    struct netlink_error *error);

#endif
