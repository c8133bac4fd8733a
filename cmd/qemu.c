/* SPDX-License-Identifier: MIT */
/* QEMU's migration streams: their devices as a list, or one of them as a state. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_stream_ _cleanup_(streamp)

static void streamp(struct vdpr_qemu_stream **p)
{
	vdpr_qemu_stream_free(*p);
}

#define NIC_KEY ",nic="

int qemu_check_stream(struct cli *cli, const char *word)
{
	_cleanup_free_ char *path = NULL;
	struct nic_word parts;
	int code = nic_word_split(cli, word, NIC_KEY, &parts);

	path = parts.path;
	if (code)
		return code;
	if (!*path || (parts.nic && !*parts.nic))
		return fail(cli, VDPR_CAUSE_USAGE,
			    "write --qemu-stream FILE,nic=0000:00:03.0",
			    "%s: --qemu-stream %s: no %s given",
			    cli->command->name, word,
			    *path ? "device" : "file");
	return input_check_file(cli, path);
}

/* Opens a file, or takes standard input for "-", and reads its devices. */
static int read_stream(struct cli *cli, const char *path,
		       struct vdpr_qemu_stream **out)
{
	bool standard = !strcmp(path, "-");
	int fd = standard ? STDIN_FILENO
			  : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int rc;

	cli->stage = "read";
	if (fd < 0)
		return fail(cli, VDPR_CAUSE_INPUT,
			    "give a file that can be read", "%s: open: %s",
			    path, strerror(errno));
	rc = vdpr_qemu_stream_read_fd(cli->ctx, fd, out);
	if (!standard)
		close(fd);
	return rc < 0 ? input_fail(cli, path) : 0;
}

static int make_state(struct cli *cli, const struct nic_word *word,
		      struct vdpr_state **out)
{
	_cleanup_stream_ struct vdpr_qemu_stream *stream = NULL;
	unsigned int flags =
		cli->all_vlans_unknown ? VDPR_QEMU_ALL_VLANS_UNKNOWN : 0;
	int code = read_stream(cli, word->path, &stream);
	size_t index;

	if (code)
		return code;
	if (vdpr_qemu_stream_find(cli->ctx, stream, word->nic, &index) < 0 ||
	    vdpr_qemu_stream_state(cli->ctx, stream, index, flags, out) < 0)
		return input_fail(cli, word->path);
	return 0;
}

int qemu_stream_state(struct cli *cli, const char *word,
		      struct vdpr_state **out)
{
	struct nic_word parts;
	int code = nic_word_split(cli, word, NIC_KEY, &parts);

	if (!code)
		code = make_state(cli, &parts, out);
	free(parts.path);
	return code ? code : input_origin(cli, *out, "qemu-stream", word);
}

/* ----------------------------------------------------------------- the list */

static void add_nic(cJSON *array, const struct vdpr_qemu_nic_info *nic)
{
	cJSON *object = cJSON_CreateObject();
	char text[FEATURES_TEXT];

	cJSON_AddStringToObject(object, "id", nic->id);
	cJSON_AddNumberToObject(object, "instance", nic->instance);
	cJSON_AddStringToObject(object, "transport", nic->transport);
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x",
		 nic->mac[0], nic->mac[1], nic->mac[2], nic->mac[3],
		 nic->mac[4], nic->mac[5]);
	cJSON_AddStringToObject(object, "mac", text);
	cJSON_AddNumberToObject(object, "queue_pairs", nic->queue_pairs);
	cJSON_AddNumberToObject(object, "max_virtqueue_pairs",
				nic->max_virtqueue_pairs);
	out_features_hex(&nic->negotiated, text);
	cJSON_AddStringToObject(object, "negotiated", text);
	cJSON_AddNumberToObject(object, "vlans", nic->vlans);
	cJSON_AddBoolToObject(object, "all_vlans", nic->all_vlans);
	cJSON_AddNumberToObject(object, "offset", (double)nic->offset);
	cJSON_AddNumberToObject(object, "length", (double)nic->length);
	cJSON_AddItemToArray(array, object);
}

static cJSON *list_nics(const struct vdpr_qemu_stream *stream)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < vdpr_qemu_stream_count(stream); i++) {
		struct vdpr_qemu_nic_info nic =
			VDPR_INIT(struct vdpr_qemu_nic_info);

		if (!vdpr_qemu_stream_get(stream, i, &nic))
			add_nic(array, &nic);
	}
	return array;
}

static void print_nics(FILE *to, const cJSON *nics)
{
	const cJSON *nic;
	unsigned int n = 0;

	fprintf(to, "%-3s %-36s %-17s %-9s %-12s %s\n", "NIC", "ID", "MAC",
		"PAIRS", "TRANSPORT", "NEGOTIATED");
	cJSON_ArrayForEach(nic, nics)
	{
		char pairs[32];

		snprintf(pairs, sizeof(pairs), "%.0f of %.0f",
			 json_number(nic, "queue_pairs"),
			 json_number(nic, "max_virtqueue_pairs"));
		fprintf(to, "%-3u %-36s %-17s %-9s %-12s %s\n", n++,
			json_text(nic, "id"), json_text(nic, "mac"), pairs,
			json_text(nic, "transport"),
			json_text(nic, "negotiated"));
	}
}

int qemu_list_stream(struct cli *cli, const char *path)
{
	_cleanup_stream_ struct vdpr_qemu_stream *stream = NULL;
	_cleanup_json_ cJSON *object = NULL;
	cJSON *nics;
	int code = input_check_file(cli, path);

	if (!code)
		code = read_stream(cli, path, &stream);
	if (code)
		return code;
	object = cJSON_CreateObject();
	cJSON_AddNumberToObject(object, "exit", 0);
	json_add_text(object, "machine", vdpr_qemu_stream_machine(stream));
	nics = list_nics(stream);
	cJSON_AddItemToObject(object, "nics", nics);
	if (!cJSON_GetArraySize(nics))
		note(cli, "no virtio-net devices in the stream");
	if (cli->json) {
		cJSON *whole = object;

		object = NULL;
		return out_json(cli, 0, whole);
	}
	if (cJSON_GetArraySize(nics))
		print_nics(cli->out, nics);
	return 0;
}
