/* SPDX-License-Identifier: MIT */
/* Takes what a running QEMU's monitor tells of a virtio-net device. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/capture.h"
#include "restore/ctx.h"
#include "restore/json-scan.h"
#include "restore/qmp.h"

/*
 * Only commands that read are sent, and none that is known to do harm:
 * - x-query-virtio-status crashes QEMU before 10.2 on a started
 *   vhost-vdpa-device: asked only of devices whose QOM type is virtio-net-device;
 * - x-query-virtio-queue-status asks a started vhost for its ring's base, which
 *   stops the ring of a vhost-user backend and rewinds a shadow virtqueue: asked
 *   only where QEMU serves the queues itself;
 * - query-rx-filter makes QEMU send its next NIC_RX_FILTER_CHANGED event, which it
 *   holds back from the first one until it is asked. That is all it changes.
 */

#define DEFAULT_TIME_NS 10000000000ull
#define QUEUES_MAX 1024
#define MACS_MAX 4096
#define VIRTIO_NET_TYPE "virtio-net-device"

/* The NIC that is meant. */
struct qmp_nic {
	char *path; /* its QOM path as JSON text, with its quotes */
	char *id;   /* of the device; NULL: it has none */
	bool safe;  /* of a type that may be asked for its status */
	struct vdpr_strings names; /* of all NICs: id, or path without one */
};

/* What x-query-virtio-status says of it. */
struct qmp_status {
	struct vdpr_features offered, negotiated;
	bool known;   /* both masks */
	bool started; /* the guest's driver has come to an end with features */
	bool vhost;
	bool running; /* the virtual machine */
	uint64_t queues;
};

/* ---------------------------------------------------------------- which NIC */

/* "/machine/peripheral/ID/virtio-backend": the ID, freed by the caller. */
static char *id_of_path(const char *path)
{
	static const char before[] = "/machine/peripheral/";
	const char *id = path + sizeof(before) - 1;

	if (strncmp(path, before, sizeof(before) - 1) != 0)
		return NULL;
	return strndup(id, strcspn(id, "/"));
}

/* A property of the device; absent and of another kind look alike. */
static int ask_property(struct vdpr_qmp *qmp, const char *path,
			const char *property, struct vdpr_json_value *out)
{
	_cleanup_free_ char *arguments = NULL;
	int err;

	if (asprintf(&arguments, "{\"path\": %s, \"property\": \"%s\"}", path,
		     property) < 0) {
		arguments = NULL;
		return vdpr_fail_memory(qmp->ctx);
	}
	err = vdpr_qmp_ask(qmp, "qom-get", arguments, out);
	if (err != -EREMOTEIO)
		return err;
	*out = (struct vdpr_json_value){ NULL, NULL };
	return 0;
}

/* Is the text @nic, or the path of a part of it? */
static bool is_path(const char *path, const char *nic)
{
	size_t len = strlen(nic);

	return !strncmp(path, nic, len) &&
	       (!path[len] || !strcmp(path + len, "/virtio-backend"));
}

/* Does the NIC go by this name: its id, its path, or its netdev's id? */
static int is_meant(struct vdpr_qmp *qmp, const struct qmp_nic *nic,
		    const char *path, const char *wanted, bool *out)
{
	struct vdpr_json_value netdev;
	int err;

	*out = !wanted || is_path(path, wanted) ||
	       (nic->id && !strcmp(nic->id, wanted));
	if (*out)
		return 0;
	err = ask_property(qmp, nic->path, "netdev", &netdev);
	if (!err)
		*out = vdpr_value_equals(netdev, wanted);
	return err;
}

static void free_nic(struct qmp_nic *nic)
{
	free(nic->path);
	free(nic->id);
	vdpr_strings_free(&nic->names);
	memset(nic, 0, sizeof(*nic));
}

/* The list of devices, kept while others are asked. */
struct qmp_list {
	size_t n;
	char **path; /* JSON text */
};

static void free_list(struct qmp_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->path[i]);
	free(list->path);
}

static int add_device(struct vdpr_qmp *qmp, struct vdpr_json_value device,
		      struct qmp_list *list)
{
	struct vdpr_json_value path = vdpr_value_member(device, "path");
	char **grown;

	if (vdpr_value_kind(path) != VDPR_JSON_STRING)
		return vdpr_qmp_bad(qmp, "x-query-virtio", "no path");
	if (!vdpr_value_equals(vdpr_value_member(device, "name"), "virtio-net"))
		return 0;
	grown = reallocarray(list->path, list->n + 1, sizeof(*grown));
	if (!grown)
		return vdpr_fail_memory(qmp->ctx);
	list->path = grown;
	grown[list->n] = strndup(path.at, (size_t)(path.end - path.at));
	if (!grown[list->n])
		return vdpr_fail_memory(qmp->ctx);
	list->n++;
	return 0;
}

static int list_devices(struct vdpr_qmp *qmp, struct qmp_list *list)
{
	struct vdpr_json_value answer;
	struct vdpr_json_walk walk;
	int err = vdpr_qmp_ask(qmp, "x-query-virtio", NULL, &answer);

	if (err == -EOPNOTSUPP) {
		vdpr_fail(
			qmp->ctx, VDPR_CAUSE_OTHER, err,
			"%s: QEMU %llu.%llu does not tell the features of its "
			"devices on a monitor",
			qmp->name, (unsigned long long)qmp->version[0],
			(unsigned long long)qmp->version[1]);
		vdpr_cure(qmp->ctx,
			  "QEMU does from 7.2 on; a migration stream has "
			  "them in every version");
	}
	/* "No virtio devices found" */
	if (err == -EREMOTEIO)
		return 0;
	if (err)
		return err;
	walk = vdpr_value_entries(answer);
	while (!err && vdpr_value_next(&walk))
		err = add_device(qmp, walk.value, list);
	return err;
}

/* Looks at one device and keeps it in @out if it is meant. */
static int look_at(struct vdpr_qmp *qmp, const char *path, const char *wanted,
		   size_t *matches, struct qmp_nic *out)
{
	struct vdpr_json_value as_json = vdpr_value_root(path, strlen(path));
	struct qmp_nic nic = { .path = strdup(path) };
	_cleanup_free_ char *text = NULL;
	size_t len;
	bool meant = false;
	int err = vdpr_value_string(as_json, &text, &len);

	if (!err && nic.path) {
		nic.id = id_of_path(text);
		err = vdpr_strings_add(&out->names, nic.id ? nic.id : text);
	}
	if (err || !nic.path)
		err = vdpr_fail_memory(qmp->ctx);
	else
		err = is_meant(qmp, &nic, text, wanted, &meant);
	if (!err && meant) {
		free(out->path);
		free(out->id);
		out->path = TAKE_PTR(nic.path);
		out->id = TAKE_PTR(nic.id);
		++*matches;
	}
	free_nic(&nic);
	return err;
}

static int find_nic(struct vdpr_qmp *qmp, const char *wanted,
		    struct qmp_nic *out)
{
	struct qmp_list list = { 0 };
	struct vdpr_json_value type = { NULL, NULL };
	size_t matches = 0;
	int err = list_devices(qmp, &list);

	for (size_t i = 0; i < list.n && !err; i++)
		err = look_at(qmp, list.path[i], wanted, &matches, out);
	if (!err)
		err = vdpr_capture_pick(qmp->ctx, qmp->name, &out->names,
					matches, wanted);
	free_list(&list);
	if (!err)
		err = ask_property(qmp, out->path, "type", &type);
	if (!err)
		out->safe = vdpr_value_equals(type, VIRTIO_NET_TYPE) ||
			    vdpr_qmp_is_from(qmp, 10, 2);
	return err;
}

/* ------------------------------------------------------------------ features */

/* One of the masks. A word that we do not know leaves both unknown. */
static int read_mask(struct vdpr_qmp *qmp, struct vdpr_json_value status,
		     const char *key, struct qmp_status *s,
		     struct vdpr_features *out)
{
	char word[VDPR_QMP_WORD];
	int err = vdpr_qmp_features(vdpr_value_member(status, key), out, word);

	if (err == -ENOMEM)
		return vdpr_fail_memory(qmp->ctx);
	if (err == -EBADMSG)
		return vdpr_qmp_bad(qmp, "x-query-virtio-status",
				    "no lists of features");
	if (err) {
		vdpr_log(qmp->ctx, VDPR_LOG_WARNING,
			 "%s: %s names a feature that is not known here, %s: "
			 "the features are left out",
			 qmp->name, key, word);
		s->known = false;
	}
	return 0;
}

static bool has_status(struct vdpr_json_value status, const char *sentence)
{
	struct vdpr_json_walk walk = vdpr_value_entries(vdpr_value_member(
		vdpr_value_member(status, "status"), "statuses"));
	size_t len = strlen(sentence);

	while (vdpr_value_next(&walk)) {
		struct vdpr_json_value word = walk.value;

		if ((size_t)(word.end - word.at) > len + 1 &&
		    !memcmp(word.at + 1, sentence, len))
			return true;
	}
	return false;
}

static int read_status(struct vdpr_qmp *qmp, struct vdpr_json_value status,
		       struct qmp_status *s)
{
	int err;

	s->known = true;
	err = read_mask(qmp, status, "host-features", s, &s->offered);
	if (!err)
		err = read_mask(qmp, status, "guest-features", s,
				&s->negotiated);
	if (err)
		return err;
	if (vdpr_value_number(vdpr_value_member(status, "num-vqs"), QUEUES_MAX,
			      &s->queues) ||
	    vdpr_value_truth(vdpr_value_member(status, "vhost-started"),
			     &s->vhost) ||
	    vdpr_value_truth(vdpr_value_member(status, "vm-running"),
			     &s->running))
		return vdpr_qmp_bad(qmp, "x-query-virtio-status",
				    "no num-vqs, vhost-started or vm-running");
	/* A driver of before VERSION_1 has no FEATURES_OK. */
	s->started = has_status(status, "VIRTIO_CONFIG_S_FEATURES_OK:") ||
		     has_status(status, "VIRTIO_CONFIG_S_DRIVER_OK:");
	if (s->started)
		return 0;
	vdpr_log(qmp->ctx, VDPR_LOG_WARNING,
		 "%s: the guest's driver has not started the NIC", qmp->name);
	memset(&s->negotiated, 0, sizeof(s->negotiated));
	return 0;
}

static int ask_status(struct vdpr_qmp *qmp, const struct qmp_nic *nic,
		      struct qmp_status *s)
{
	_cleanup_free_ char *arguments = NULL;
	struct vdpr_json_value answer;
	int err;

	if (!nic->safe) {
		vdpr_fail(qmp->ctx, VDPR_CAUSE_OTHER, -EOPNOTSUPP,
			  "%s: the NIC is no virtio-net device of QEMU's own, "
			  "and QEMU %llu.%llu may crash when asked about it",
			  qmp->name, (unsigned long long)qmp->version[0],
			  (unsigned long long)qmp->version[1]);
		vdpr_cure(qmp->ctx, "QEMU tells of it from 10.2 on");
		return -EOPNOTSUPP;
	}
	if (asprintf(&arguments, "{\"path\": %s}", nic->path) < 0) {
		arguments = NULL;
		return vdpr_fail_memory(qmp->ctx);
	}
	err = vdpr_qmp_ask(qmp, "x-query-virtio-status", arguments, &answer);
	return err ? err : read_status(qmp, answer, s);
}

/* -------------------------------------------------------------------- config */

static int read_mtu(struct vdpr_qmp *qmp, const struct qmp_nic *nic,
		    struct vdpr_net_config *config)
{
	struct vdpr_json_value mtu;
	uint64_t value;
	int err = ask_property(qmp, nic->path, "host_mtu", &mtu);

	if (!err && !vdpr_value_number(mtu, UINT16_MAX, &value) && value) {
		config->mtu = (uint16_t)value;
		config->has |= VDPR_CONFIG_MTU;
	}
	return err;
}

static int read_speed(struct vdpr_qmp *qmp, const struct qmp_nic *nic,
		      struct vdpr_net_config *config)
{
	struct vdpr_json_value item;
	uint64_t speed;
	int err = ask_property(qmp, nic->path, "speed", &item);

	if (err)
		return err;
	config->speed = vdpr_value_number(item, INT32_MAX, &speed)
				? VDPR_SPEED_UNKNOWN
				: (uint32_t)speed;
	err = ask_property(qmp, nic->path, "duplex", &item);
	if (err)
		return err;
	config->duplex = vdpr_value_equals(item, "full") ? VDPR_DUPLEX_FULL
			 : vdpr_value_equals(item, "half")
				 ? VDPR_DUPLEX_HALF
				 : VDPR_DUPLEX_UNKNOWN;
	config->has |= VDPR_CONFIG_SPEED | VDPR_CONFIG_DUPLEX;
	return 0;
}

static bool uses(const struct qmp_status *s, unsigned int feature)
{
	return vdpr_features_has(&s->negotiated, feature) &&
	       vdpr_features_has(&s->offered, feature);
}

/* With MQ or RSS in use QEMU makes all queues, and the last is the control
 * virtqueue; without, it shows three whatever there may be. */
static void read_pairs(const struct qmp_status *s,
		       struct vdpr_net_config *config)
{
	if (!uses(s, VIRTIO_NET_F_MQ) && !uses(s, VIRTIO_NET_F_RSS))
		return;
	if (s->queues < 3)
		return;
	config->max_virtqueue_pairs = (uint16_t)((s->queues - 1) / 2);
	config->has |= VDPR_CONFIG_MAX_PAIRS;
}

static int ask_config(struct vdpr_qmp *qmp, const struct qmp_nic *nic,
		      const struct qmp_status *s,
		      struct vdpr_net_config *config)
{
	int err = 0;

	*config = (struct vdpr_net_config)VDPR_INIT(struct vdpr_net_config);
	read_pairs(s, config);
	if (vdpr_features_has(&s->offered, VIRTIO_NET_F_MTU))
		err = read_mtu(qmp, nic, config);
	if (!err && vdpr_features_has(&s->offered, VIRTIO_NET_F_SPEED_DUPLEX))
		err = read_speed(qmp, nic, config);
	return err;
}

/* ----------------------------------------------------------------- rx filter */

static void know(struct vdpr_state *state, enum vdpr_member m)
{
	if (vdpr_member_required(state, m))
		state->member[m] = VDPR_KNOWN;
}

/* "normal", "none" or "all": @none and @all are the two modes behind it. */
static int read_rx_state(struct vdpr_state *state, struct vdpr_json_value word,
			 enum vdpr_member none, bool *none_value,
			 enum vdpr_member all, bool *all_value)
{
	*none_value = vdpr_value_equals(word, "none");
	*all_value = vdpr_value_equals(word, "all");
	if (!*none_value && !*all_value && !vdpr_value_equals(word, "normal"))
		return -EBADMSG;
	know(state, none);
	/* "none" wins over "all" in what QEMU says: that one is not seen. */
	if (!*none_value)
		know(state, all);
	else
		*all_value = false;
	return 0;
}

static int read_truth(struct vdpr_state *state, struct vdpr_json_value value,
		      enum vdpr_member m, bool *out)
{
	if (vdpr_value_truth(value, out))
		return -EBADMSG;
	know(state, m);
	return 0;
}

static int read_modes(struct vdpr_state *s, struct vdpr_json_value filter)
{
	if (read_rx_state(s, vdpr_value_member(filter, "unicast"),
			  VDPR_RX_NO_UNICAST, &s->no_unicast,
			  VDPR_RX_ALL_UNICAST, &s->all_unicast) ||
	    read_rx_state(s, vdpr_value_member(filter, "multicast"),
			  VDPR_RX_NO_MULTICAST, &s->no_multicast,
			  VDPR_RX_ALL_MULTICAST, &s->all_multicast) ||
	    read_truth(s, vdpr_value_member(filter, "promiscuous"),
		       VDPR_RX_PROMISCUOUS, &s->promiscuous) ||
	    /* QEMU says here whether broadcasts are *not* let through. */
	    read_truth(s, vdpr_value_member(filter, "broadcast-allowed"),
		       VDPR_RX_NO_BROADCAST, &s->no_broadcast) ||
	    read_truth(s, vdpr_value_member(filter, "unicast-overflow"),
		       VDPR_MAC_UNICAST_OVERFLOW, &s->unicast_overflow) ||
	    read_truth(s, vdpr_value_member(filter, "multicast-overflow"),
		       VDPR_MAC_MULTICAST_OVERFLOW, &s->multicast_overflow))
		return -EBADMSG;
	return 0;
}

static int read_mac(struct vdpr_json_value value, uint8_t mac[6])
{
	char text[VDPR_MAC_TEXT];

	if (vdpr_value_kind(value) != VDPR_JSON_STRING ||
	    (size_t)(value.end - value.at) != sizeof(text) + 1)
		return -EBADMSG;
	memcpy(text, value.at + 1, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	return vdpr_mac_parse(text, mac) ? -EBADMSG : 0;
}

static size_t count_entries(struct vdpr_json_value list)
{
	struct vdpr_json_walk walk = vdpr_value_entries(list);
	size_t n = 0;

	while (vdpr_value_next(&walk))
		n++;
	return n;
}

/* QEMU gives the table from its end. */
static int read_macs(struct vdpr_state *state, struct vdpr_json_value list,
		     enum vdpr_member m, struct vdpr_mac_list *to)
{
	struct vdpr_json_walk walk = vdpr_value_entries(list);
	size_t n = count_entries(list);
	uint8_t macs[MACS_MAX][6];

	if (vdpr_value_kind(list) != VDPR_JSON_ARRAY || n > MACS_MAX)
		return -EBADMSG;
	for (size_t i = n; vdpr_value_next(&walk); i--) {
		if (read_mac(walk.value, macs[i - 1]))
			return -EBADMSG;
	}
	if (!vdpr_member_required(state, m))
		return 0;
	if (vdpr_mac_list_set(to, macs[0], n))
		return -ENOMEM;
	know(state, m);
	return 0;
}

/* All ids, which no guest can ask for: the table of a QEMU that fills it by
 * itself (8.1 to 10.0) when it should be empty. */
static void judge_vlans(struct vdpr_qmp *qmp, unsigned int flags,
			struct vdpr_state *state, size_t n)
{
	if (n != VDPR_VLANS)
		return;
	if (flags & VDPR_CAPTURE_ALL_VLANS_UNKNOWN) {
		vdpr_member_drop(state, VDPR_VLAN_IDS, VDPR_UNKNOWN);
		return;
	}
	vdpr_log(
		qmp->ctx, VDPR_LOG_WARNING,
		"%s: QEMU %llu.%llu gives a VLAN table of all ids, whatever the "
		"guest asked for: taken as it is, so that nothing the guest "
		"hears is lost",
		qmp->name, (unsigned long long)qmp->version[0],
		(unsigned long long)qmp->version[1]);
}

static int read_vlans(struct vdpr_qmp *qmp, unsigned int flags,
		      struct vdpr_state *state, struct vdpr_json_value list)
{
	struct vdpr_json_walk walk = vdpr_value_entries(list);
	size_t n = 0;
	uint64_t id;

	if (vdpr_value_kind(list) != VDPR_JSON_ARRAY)
		return -EBADMSG;
	if (!vdpr_member_required(state, VDPR_VLAN_IDS))
		return 0;
	while (vdpr_value_next(&walk)) {
		if (vdpr_value_number(walk.value, VDPR_VLANS - 1, &id))
			return -EBADMSG;
		n += !vdpr_vlan_has(state, (unsigned int)id);
		vdpr_vlan_set(state, (unsigned int)id, true);
	}
	know(state, VDPR_VLAN_IDS);
	judge_vlans(qmp, flags, state, n);
	return 0;
}

static int read_address(struct vdpr_state *state, struct vdpr_json_value value)
{
	char why[VDPR_WHY];

	if (read_mac(value, state->mac) || vdpr_check_address(state->mac, why))
		return -EBADMSG;
	know(state, VDPR_MAC_ADDRESS);
	/* The configuration space that the guest sees has the same. */
	if (vdpr_features_has(&state->offered, VIRTIO_NET_F_MAC)) {
		memcpy(state->config.mac, state->mac, 6);
		state->config.has |= VDPR_CONFIG_MAC;
	}
	return 0;
}

static int read_filter(struct vdpr_qmp *qmp, unsigned int flags,
		       struct vdpr_json_value filter, struct vdpr_state *state)
{
	int err = read_modes(state, filter);

	if (!err)
		err = read_address(state,
				   vdpr_value_member(filter, "main-mac"));
	if (!err)
		err = read_macs(state,
				vdpr_value_member(filter, "unicast-table"),
				VDPR_MAC_UNICAST, &state->unicast);
	if (!err)
		err = read_macs(state,
				vdpr_value_member(filter, "multicast-table"),
				VDPR_MAC_MULTICAST, &state->multicast);
	if (!err)
		err = read_vlans(qmp, flags, state,
				 vdpr_value_member(filter, "vlan-table"));
	if (err == -ENOMEM)
		return vdpr_fail_memory(qmp->ctx);
	return err ? vdpr_qmp_bad(qmp, "query-rx-filter",
				  "not the filters of a NIC")
		   : 0;
}

/* Has some NIC this name for its id? */
static bool is_taken(const struct qmp_nic *nic, struct vdpr_json_value name)
{
	for (size_t i = 0; i < nic->names.count; i++)
		if (vdpr_value_equals(name, nic->names.text[i]))
			return true;
	return false;
}

/* NICs without an id are called by their paths. */
static bool is_only_unnamed(const struct qmp_nic *nic)
{
	size_t n = 0;

	for (size_t i = 0; i < nic->names.count; i++)
		n += nic->names.text[i][0] == '/';
	return !nic->id && n == 1;
}

/* A NIC without an id goes by a name of QEMU's making here: it is the one that is
 * left over, if one is. */
static struct vdpr_json_value find_filter(struct vdpr_json_value list,
					  const struct qmp_nic *nic)
{
	const struct vdpr_json_value none = { NULL, NULL };
	struct vdpr_json_walk walk = vdpr_value_entries(list);
	struct vdpr_json_value left = none;
	size_t n_left = 0;

	while (vdpr_value_next(&walk)) {
		struct vdpr_json_value name =
			vdpr_value_member(walk.value, "name");

		if (nic->id && vdpr_value_equals(name, nic->id))
			return walk.value;
		if (is_taken(nic, name))
			continue;
		left = walk.value;
		n_left++;
	}
	return is_only_unnamed(nic) && n_left == 1 ? left : none;
}

static int ask_filter(struct vdpr_qmp *qmp, const struct qmp_nic *nic,
		      unsigned int flags, struct vdpr_state *state)
{
	struct vdpr_json_value answer, filter;
	int err = vdpr_qmp_ask(qmp, "query-rx-filter", NULL, &answer);

	if (err == -EREMOTEIO || err == -EOPNOTSUPP)
		answer = (struct vdpr_json_value){ NULL, NULL };
	else if (err)
		return err;
	filter = find_filter(answer, nic);
	if (vdpr_value_kind(filter) == VDPR_JSON_OBJECT)
		return read_filter(qmp, flags, filter, state);
	vdpr_log(qmp->ctx, VDPR_LOG_WARNING,
		 "%s: QEMU does not tell the filters of this NIC%s", qmp->name,
		 nic->id ? ""
			 : ", which has no id and is not the only such one");
	return 0;
}

/* --------------------------------------------------------------------- rings */

/* The base moves on while the virtual machine runs; of a packed ring QEMU does
 * not tell the wrap counters. */
static int read_ring(struct vdpr_json_value answer, bool with_base,
		     struct vdpr_vring_state *out)
{
	const struct {
		const char *key;
		uint64_t *to;
	} address[] = {
		{ "vring-desc", &out->desc },
		{ "vring-avail", &out->driver },
		{ "vring-used", &out->device },
	};
	uint64_t size, base;

	if (vdpr_value_number(vdpr_value_member(answer, "vring-num"), 0x8000,
			      &size))
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(address); i++) {
		if (vdpr_value_number(vdpr_value_member(answer, address[i].key),
				      UINT64_MAX, address[i].to))
			return -EBADMSG;
	}
	/* The guest has not set it up. */
	if (!size || !out->desc)
		return 0;
	out->size = (uint32_t)size;
	out->has = VDPR_VRING_SIZE | VDPR_VRING_DESC | VDPR_VRING_DRIVER |
		   VDPR_VRING_DEVICE;
	if (!with_base ||
	    vdpr_value_number(vdpr_value_member(answer, "last-avail-idx"),
			      UINT16_MAX, &base))
		return 0;
	out->base = (uint32_t)base;
	out->has |= VDPR_VRING_BASE;
	return 0;
}

static int ask_ring(struct vdpr_qmp *qmp, const struct qmp_nic *nic,
		    unsigned int index, bool with_base,
		    struct vdpr_state *state)
{
	static const char command[] = "x-query-virtio-queue-status";
	struct vdpr_vring_state *vring = &state->vrings[state->n_vrings];
	_cleanup_free_ char *arguments = NULL;
	struct vdpr_json_value answer;
	int err;

	if (asprintf(&arguments, "{\"path\": %s, \"queue\": %u}", nic->path,
		     index) < 0) {
		arguments = NULL;
		return vdpr_fail_memory(qmp->ctx);
	}
	err = vdpr_qmp_ask(qmp, command, arguments, &answer);
	if (err)
		return err == -EREMOTEIO ? 0 : err;
	vring->index = index;
	if (read_ring(answer, with_base, vring))
		return vdpr_qmp_bad(qmp, command, "not a ring");
	state->n_vrings += vring->has != 0;
	return 0;
}

static int ask_rings(struct vdpr_qmp *qmp, const struct qmp_nic *nic,
		     const struct qmp_status *s, struct vdpr_state *state)
{
	bool with_base =
		!s->running &&
		!vdpr_features_has(&s->negotiated, VIRTIO_F_RING_PACKED);
	int err = 0;

	if (s->vhost || !s->started || !s->queues)
		return 0;
	state->vrings = calloc(s->queues, sizeof(*state->vrings));
	if (!state->vrings)
		return vdpr_fail_memory(qmp->ctx);
	for (unsigned int i = 0; i < s->queues && !err; i++)
		err = ask_ring(qmp, nic, i, with_base, state);
	state->has_vrings = state->n_vrings > 0;
	return err;
}

/* --------------------------------------------------------------------- state */

static int fill_state(struct vdpr_qmp *qmp, const struct qmp_nic *nic,
		      unsigned int flags, struct vdpr_state *state)
{
	struct qmp_status status = { 0 };
	struct vdpr_net_config config;
	int err = ask_status(qmp, nic, &status);

	if (!err && !status.known) {
		memset(&status.offered, 0, sizeof(status.offered));
		memset(&status.negotiated, 0, sizeof(status.negotiated));
	}
	if (!err)
		err = ask_config(qmp, nic, &status, &config);
	if (!err)
		err = vdpr_state_start(qmp->ctx, state, &status.offered,
				       status.known ? &status.negotiated : NULL,
				       &config, VDPR_STATE_NOT_FROM_RESET);
	if (!err)
		err = ask_filter(qmp, nic, flags, state);
	if (!err)
		err = ask_rings(qmp, nic, &status, state);
	return err ? err : vdpr_capture_check(qmp->ctx, qmp->name, state);
}

int vdpr_capture_qmp_from(struct vdpr_qmp *qmp,
			  const struct vdpr_capture_opts *opts,
			  struct vdpr_state **out)
{
	struct vdpr_state *state = NULL;
	struct qmp_nic nic = { 0 };
	int err = find_nic(qmp, opts->nic, &nic);

	if (!err)
		err = vdpr_state_new(qmp->ctx, &state);
	if (!err)
		err = fill_state(qmp, &nic, opts->flags, state);
	free_nic(&nic);
	if (err)
		vdpr_state_free(state);
	else
		*out = state;
	return err;
}

int vdpr_capture_qmp(struct vdpr_ctx *ctx, const char *path,
		     const struct vdpr_capture_opts *opts,
		     struct vdpr_state **out)
{
	struct vdpr_capture_opts all;
	struct vdpr_qmp qmp;
	int err;

	if (vdpr_any_null(ctx, path, out) ||
	    vdpr_capture_opts_take(ctx, opts, &all))
		return -EINVAL;
	vdpr_qmp_init(&qmp, ctx, path,
		      all.deadline ? all.deadline
				   : vdpr_now() + DEFAULT_TIME_NS,
		      all.cancel_fd ? all.cancel_fd : -1);
	err = vdpr_qmp_open(&qmp);
	if (!err)
		err = vdpr_capture_qmp_from(&qmp, &all, out);
	vdpr_qmp_close(&qmp);
	return err;
}
