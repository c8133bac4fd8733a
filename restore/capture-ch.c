/* SPDX-License-Identifier: MIT */
/* Takes a NIC out of Cloud Hypervisor's state.json. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/capture.h"
#include "restore/ctx.h"
#include "restore/json-scan.h"
#include "restore/json-walk.h"
#include "restore/net-config.h"

/*
 * The file is a tree of objects {"snapshots": {ID: ...}, "snapshot_data":
 * {"state": TEXT}}, and TEXT is JSON once more (vm-migration/src/lib.rs). Devices
 * are children of "device-manager"; the transport of device X is its sibling
 * "_virtio-pci-X". What a device is shows in its state: a NIC's has a "config",
 * which is an object with a "mac" (virtio-devices/src/net.rs, vhost_user/net.rs)
 * or, with a "device_type" of 1, an array of bytes (virtio-devices/src/vdpa.rs).
 */

#define MAX_TEXT (64u << 20)
/* The tree's, and a state's own. */
#define MAX_DEPTH 64
#define TYPE_NET 1

struct ch_file {
	struct vdpr_ctx *ctx;
	struct vdpr_json_value devices;
	bool odd_state; /* some state is no text: another version's */
};

/* A state of a component, taken out of its text. */
struct ch_state {
	char *text;
	struct vdpr_json_value root;
};

/* A device that is a NIC. */
struct ch_nic {
	char *id;
	struct vdpr_json_value key; /* the same as it is written */
	struct ch_state state;
	bool vdpa;
};

/* ---------------------------------------------------------------- the tree */

/* A device's id for a message. */
static const char *quote_id(const char *id, char quote[VDPR_QUOTE])
{
	return vdpr_quote(id ? id : "", id ? strlen(id) : 0, quote);
}

static int scan(struct vdpr_ctx *ctx, const char *where, const char *text,
		size_t len, struct vdpr_json_value *out)
{
	struct vdpr_json_fault fault;
	int err = vdpr_json_scan_any(text, len, MAX_DEPTH, &fault);

	if (err == -ENOMEM)
		return vdpr_fail_memory(ctx);
	if (err)
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, -EBADMSG,
				 "%s: line %zu, column %zu: %s", where,
				 fault.line, fault.column, fault.why);
	*out = vdpr_value_root(text, len);
	return 0;
}

/* The state of a component; @out's text is freed by the caller.
 * Return: 0, -ENOENT (it has none that this version knows), or a failure said. */
static int read_state(struct ch_file *f, const char *id,
		      struct vdpr_json_value component, struct ch_state *out)
{
	struct vdpr_json_value data =
		vdpr_value_member(component, "snapshot_data");
	struct vdpr_json_value state = vdpr_value_member(data, "state");
	char where[VDPR_QUOTE + sizeof("snapshot: ")];
	char quote[VDPR_QUOTE];
	size_t len;
	int err;

	if (vdpr_value_kind(state) != VDPR_JSON_STRING) {
		f->odd_state |= vdpr_value_kind(data) != VDPR_JSON_NONE &&
				vdpr_value_kind(data) != VDPR_JSON_NULL;
		return -ENOENT;
	}
	err = vdpr_value_string(state, &out->text, &len);
	if (err)
		return vdpr_fail_memory(f->ctx);
	snprintf(where, sizeof(where), "snapshot: %s", quote_id(id, quote));
	return scan(f->ctx, where, out->text, len, &out->root);
}

static int find_devices(struct ch_file *f, const char *text, size_t len)
{
	struct vdpr_json_value root = { NULL, NULL };
	struct vdpr_json_value manager;
	int err = scan(f->ctx, "snapshot", text, len, &root);

	if (err)
		return err;
	manager = vdpr_value_member(vdpr_value_member(root, "snapshots"),
				    "device-manager");
	f->devices = vdpr_value_member(manager, "snapshots");
	if (vdpr_value_kind(f->devices) == VDPR_JSON_OBJECT)
		return 0;
	vdpr_fail(f->ctx, VDPR_CAUSE_INPUT, -EBADMSG,
		  "snapshot: no snapshots.device-manager.snapshots in it");
	vdpr_cure(f->ctx, "give state.json, not another file of the folder");
	return -EBADMSG;
}

static bool is_nic(struct vdpr_json_value state, bool *vdpa)
{
	struct vdpr_json_value config = vdpr_value_member(state, "config");
	uint64_t type;

	if (vdpr_value_kind(vdpr_value_member(state, "avail_features")) !=
	    VDPR_JSON_NUMBER)
		return false;
	*vdpa = !vdpr_value_number(vdpr_value_member(state, "device_type"),
				   TYPE_NET, &type) &&
		type == TYPE_NET && vdpr_value_kind(config) == VDPR_JSON_ARRAY;
	return *vdpa || vdpr_value_kind(vdpr_value_member(config, "mac")) ==
				VDPR_JSON_ARRAY;
}

static void free_nic(struct ch_nic *nic)
{
	free(nic->id);
	free(nic->state.text);
	memset(nic, 0, sizeof(*nic));
}

/* Looks at one device and keeps it in @out if it is the NIC that is meant. */
static int look_at(struct ch_file *f, const struct vdpr_json_walk *at,
		   const char *wanted, struct vdpr_strings *names,
		   size_t *matches, struct ch_nic *out)
{
	struct ch_nic nic = { .key = at->key };
	size_t len;
	int err = vdpr_value_string(at->key, &nic.id, &len);

	if (!err)
		err = read_state(f, nic.id, at->value, &nic.state);
	if (!err && is_nic(nic.state.root, &nic.vdpa)) {
		err = vdpr_strings_add(names, nic.id);
		if (!err && (!wanted || !strcmp(wanted, nic.id))) {
			free_nic(out);
			*out = nic;
			nic = (struct ch_nic){ 0 };
			++*matches;
		}
	}
	free_nic(&nic);
	return err == -ENOENT ? 0 : err;
}

static int find_nic(struct ch_file *f, const char *wanted, struct ch_nic *out)
{
	struct vdpr_json_walk walk = vdpr_value_entries(f->devices);
	struct vdpr_strings names = { 0 };
	size_t matches = 0;
	int err = 0;

	while (!err && vdpr_value_next(&walk))
		err = look_at(f, &walk, wanted, &names, &matches, out);
	if (err == -ENOMEM)
		vdpr_fail_memory(f->ctx);
	if (!err)
		err = vdpr_capture_pick(f->ctx, "snapshot", &names, matches,
					wanted);
	if (err == -ENODATA && f->odd_state)
		vdpr_cure(
			f->ctx,
			"it was written by a Cloud Hypervisor whose snapshots "
			"this version does not read");
	vdpr_strings_free(&names);
	return err;
}

/* ------------------------------------------------------------------ values */

static int bad(struct vdpr_ctx *ctx, const char *id, const char *what)
{
	char quote[VDPR_QUOTE];

	return vdpr_fail(ctx, VDPR_CAUSE_INPUT, -EBADMSG, "snapshot: %s: %s",
			 quote_id(id, quote), what);
}

static int read_mask(struct vdpr_ctx *ctx, const struct ch_nic *nic,
		     const char *key, uint64_t *out)
{
	char what[64];

	if (!vdpr_value_number(vdpr_value_member(nic->state.root, key),
			       UINT64_MAX, out))
		return 0;
	snprintf(what, sizeof(what), "%s: not an integer of 64 bits", key);
	return bad(ctx, nic->id, what);
}

/* Bytes of an array of small numbers, as many as @size. Return: their number, or
 * -EBADMSG. */
static int read_bytes(struct vdpr_json_value array, uint8_t *out, size_t size)
{
	struct vdpr_json_walk walk = vdpr_value_entries(array);
	size_t n = 0;
	uint64_t byte;

	while (vdpr_value_next(&walk)) {
		if (vdpr_value_number(walk.value, UINT8_MAX, &byte))
			return -EBADMSG;
		if (n < size)
			out[n++] = (uint8_t)byte;
	}
	return (int)n;
}

/* Members of the configuration space that Cloud Hypervisor's own NICs have. */
static const struct {
	const char *key;
	uint8_t offset, size;
} config_members[] = {
	{ "status", 6, 2 },  { "max_virtqueue_pairs", 8, 2 },
	{ "mtu", 10, 2 },    { "speed", 12, 4 },
	{ "duplex", 16, 1 },
};

#define CONFIG_MEMBERS_END 17

static int read_members(struct vdpr_json_value config,
			uint8_t raw[VDPR_NET_CONFIG_SIZE])
{
	uint64_t value;

	if (read_bytes(vdpr_value_member(config, "mac"), raw, 6) != 6)
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(config_members); i++) {
		unsigned int size = config_members[i].size;

		if (vdpr_value_number(
			    vdpr_value_member(config, config_members[i].key),
			    UINT64_MAX >> (64 - 8 * size), &value))
			return -EBADMSG;
		for (unsigned int b = 0; b < size; b++)
			raw[config_members[i].offset + b] =
				(uint8_t)(value >> (8 * b));
	}
	return CONFIG_MEMBERS_END;
}

static int read_config(struct vdpr_ctx *ctx, const struct ch_nic *nic,
		       const struct vdpr_features *offered,
		       struct vdpr_net_config *out)
{
	struct vdpr_json_value config =
		vdpr_value_member(nic->state.root, "config");
	uint8_t raw[VDPR_NET_CONFIG_SIZE] = { 0 };
	int len = nic->vdpa ? read_bytes(config, raw, sizeof(raw))
			    : read_members(config, raw);

	if (len < 0)
		return bad(ctx, nic->id,
			   "config: not a virtio-net configuration space");
	vdpr_net_config_decode(offered, raw, (size_t)len, out);
	return 0;
}

/* ------------------------------------------------------------------- rings */

/* Of a transport's queue; one that is not ready has no addresses. */
static int read_queue(struct vdpr_json_value queue,
		      struct vdpr_vring_state *out)
{
	const struct {
		const char *key;
		uint64_t *to;
	} address[] = {
		{ "desc_table", &out->desc },
		{ "avail_ring", &out->driver },
		{ "used_ring", &out->device },
	};
	uint64_t size;

	if (vdpr_value_truth(vdpr_value_member(queue, "ready"),
			     &out->enabled) ||
	    vdpr_value_number(vdpr_value_member(queue, "size"), UINT16_MAX,
			      &size))
		return -EBADMSG;
	out->has = VDPR_VRING_ENABLED;
	if (!out->enabled)
		return 0;
	out->size = (uint32_t)size;
	out->has |= VDPR_VRING_SIZE | VDPR_VRING_DESC | VDPR_VRING_DRIVER |
		    VDPR_VRING_DEVICE;
	for (size_t i = 0; i < ARRAY_SIZE(address); i++) {
		if (vdpr_value_number(vdpr_value_member(queue, address[i].key),
				      UINT64_MAX, address[i].to))
			return -EBADMSG;
	}
	return 0;
}

static size_t count_entries(struct vdpr_json_value array)
{
	struct vdpr_json_walk walk = vdpr_value_entries(array);
	size_t n = 0;

	while (vdpr_value_next(&walk))
		n++;
	return n;
}

static int read_queues(struct vdpr_ctx *ctx, const struct ch_nic *nic,
		       struct vdpr_json_value queues, struct vdpr_state *state)
{
	struct vdpr_json_walk walk = vdpr_value_entries(queues);
	size_t n = count_entries(queues);

	if (vdpr_value_kind(queues) != VDPR_JSON_ARRAY || n > UINT16_MAX)
		return bad(ctx, nic->id, "transport: queues: not an array");
	if (!n)
		return 0;
	state->vrings = calloc(n, sizeof(*state->vrings));
	if (!state->vrings)
		return vdpr_fail_memory(ctx);
	state->has_vrings = true;
	while (vdpr_value_next(&walk)) {
		struct vdpr_vring_state *vring =
			&state->vrings[state->n_vrings];

		vring->index = (uint32_t)state->n_vrings++;
		if (read_queue(walk.value, vring))
			return bad(ctx, nic->id,
				   "transport: queues: not a queue");
	}
	return 0;
}

/* ------------------------------------------------------------ the transport */

/* The sibling "_virtio-pci-ID". */
static struct vdpr_json_value find_transport(const struct ch_file *f,
					     struct vdpr_json_value id)
{
	static const char prefix[] = "\"_virtio-pci-";
	struct vdpr_json_walk walk = vdpr_value_entries(f->devices);
	size_t prefix_len = sizeof(prefix) - 1;
	size_t id_len = (size_t)(id.end - id.at) - 1;

	while (vdpr_value_next(&walk)) {
		const char *key = walk.key.at;

		if (key && id.at &&
		    (size_t)(walk.key.end - key) == prefix_len + id_len &&
		    !memcmp(key, prefix, prefix_len) &&
		    !memcmp(key + prefix_len, id.at + 1, id_len))
			return walk.value;
	}
	return (struct vdpr_json_value){ NULL, NULL };
}

static int read_transport(struct ch_file *f, const struct ch_nic *nic,
			  struct ch_state *out, bool *activated)
{
	struct vdpr_json_value transport = find_transport(f, nic->key);
	int err = read_state(f, nic->id, transport, out);

	if (err)
		return err;
	if (vdpr_value_truth(vdpr_value_member(out->root, "device_activated"),
			     activated))
		return bad(f->ctx, nic->id,
			   "transport: device_activated: not a truth value");
	return 0;
}

/* --------------------------------------------------------------- the state */

/* What was acknowledged counts once the driver has come to an end with it. */
static int start_state(struct ch_file *f, const struct ch_nic *nic,
		       bool activated, struct vdpr_state *state)
{
	struct vdpr_features offered = { { 0, 0 } };
	struct vdpr_features acked = { { 0, 0 } };
	struct vdpr_net_config config;
	char quote[VDPR_QUOTE];
	int err = read_mask(f->ctx, nic, "avail_features", &offered.word[0]);

	if (!err)
		err = read_mask(f->ctx, nic, "acked_features", &acked.word[0]);
	if (!err)
		err = read_config(f->ctx, nic, &offered, &config);
	if (err)
		return err;
	if (!activated) {
		vdpr_log(f->ctx, VDPR_LOG_WARNING,
			 "snapshot: %s: the guest's driver had not started it",
			 quote_id(nic->id, quote));
		acked.word[0] = 0;
	}
	err = vdpr_state_start(f->ctx, state, &offered, &acked, &config,
			       VDPR_STATE_NOT_FROM_RESET);
	if (!err && nic->vdpa) {
		state->has_backend_features = true;
		err = read_mask(f->ctx, nic, "backend_features",
				&state->backend_features);
	}
	return err;
}

static int fill_state(struct ch_file *f, const struct ch_nic *nic,
		      struct vdpr_state *state)
{
	struct ch_state transport = { 0 };
	bool activated = true;
	int err = read_transport(f, nic, &transport, &activated);
	bool found = !err;

	if (err == -ENOENT)
		err = 0;
	if (!err)
		err = start_state(f, nic, activated, state);
	if (!err && found)
		err = read_queues(f->ctx, nic,
				  vdpr_value_member(transport.root, "queues"),
				  state);
	free(transport.text);
	return err ? err : vdpr_capture_check(f->ctx, "snapshot", state);
}

int vdpr_capture_ch_snapshot(struct vdpr_ctx *ctx, const char *text, size_t len,
			     const struct vdpr_capture_opts *opts,
			     struct vdpr_state **out)
{
	struct vdpr_capture_opts all;
	struct ch_file f = { .ctx = ctx };
	struct vdpr_state *state = NULL;
	struct ch_nic nic = { 0 };
	int err = 0;

	if (vdpr_any_null(ctx, out) || (len && vdpr_any_null(ctx, text)) ||
	    vdpr_capture_opts_take(ctx, opts, &all))
		return -EINVAL;
	if (len > MAX_TEXT)
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, -EFBIG,
				 "snapshot: longer than %u bytes", MAX_TEXT);
	err = find_devices(&f, text, len);
	if (!err)
		err = find_nic(&f, all.nic, &nic);
	if (!err)
		err = vdpr_state_new(ctx, &state);
	if (!err)
		err = fill_state(&f, &nic, state);
	free_nic(&nic);
	if (err)
		vdpr_state_free(state);
	else
		*out = state;
	return err;
}
