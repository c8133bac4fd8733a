/* SPDX-License-Identifier: MIT */
/* Runs in the lab: a VMM and a toy guest, whose control queue is shadowed. */

/*
 *   shadow [--pairs N] [--control SOCKET] DEVICE STATE
 *
 * One loop for everything: the receive queues, the shadow, the control socket and
 * the words on stdin, each of which is answered by one line on stdout.
 *
 *   go N                    restore STATE; frames below N were sent before
 *   guest CLASS COMMAND IN HEX
 *                           the guest sends it, with IN bytes for the answer
 *   announce                has the guest been asked to announce itself?
 *   save                    the recorded state
 *   quiesce [fresh]         stop; the whole state. fresh: the data rings may be
 *                           new ones when it goes on
 *   back [fresh]            go on, with data rings made anew or as they are
 *   reset                   the guest resets its device
 *   load HEX                a driver is loaded that negotiates these features
 *   judge STATE             frames from here on by this state's RSS
 *   break                   the guest breaks its control ring
 *   wait N                  until N more frames are there
 *   send N                  the guest sends N frames to itself
 *   report                  what was received
 *
 * Guest memory is the area that device and program share: guest physical
 * addresses are the device's IOVAs, as with a VMM that maps it one to one.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cJSON.h>

#include "tests/lab/traffic.h"

#define ANSWER_AT (COMMAND_AT + COMMAND_LEN - 1024)
#define GIVE_UP_SECONDS 30.0
#define FRAME_LEN 74

static struct {
	struct vdpr_ctx *ctx;
	struct vdpr_dev *handle;
	struct vdpr_shadow *shadow;
	struct vdpr_control *control; /* NULL: none */
	struct vdpr_state *state;
	uint32_t pairs;
	struct rss_model rss;
	bool judging;
	unsigned int events; /* of the shadow, not told yet */
	struct vdpr_vring vrings[DATA_QUEUES];
} vmm = { .pairs = PAIRS };

/* ---------------------------------------------------------------------- words */

static char *read_file(const char *path)
{
	static char text[1 << 20];
	FILE *file = fopen(path, "re");
	size_t len;

	need(file != NULL, path);
	len = fread(text, 1, sizeof(text) - 1, file);
	need(!ferror(file) && len < sizeof(text) - 1, path);
	fclose(file);
	text[len] = '\0';
	return text;
}

static void say(const char *line)
{
	printf("%s\n", line);
	fflush(stdout);
}

static void say_state(struct vdpr_state *state)
{
	char *text = NULL, *line;
	cJSON *json;

	library(vmm.ctx, vdpr_state_format(vmm.ctx, state, &text, NULL));
	json = cJSON_Parse(text);
	line = json ? cJSON_PrintUnformatted(json) : NULL;
	need(line != NULL, "JSON");
	say(line);
	cJSON_free(line);
	cJSON_Delete(json);
	free(text);
	vdpr_state_free(state);
}

/* ------------------------------------------------------------------------ loop */

static void look_around(int msec)
{
	struct pollfd fds[PAIRS + 2];
	unsigned int events = 0;
	uint64_t count;
	int ret;

	fds[0] = (struct pollfd){ vdpr_shadow_fd(vmm.shadow), POLLIN, 0 };
	for (int i = 0; i < PAIRS; i++)
		fds[1 + i] = (struct pollfd){ dev.ring[2 * i].call, POLLIN, 0 };
	fds[PAIRS + 1] = (struct pollfd){
		vmm.control ? vdpr_control_fd(vmm.control) : -1, POLLIN, 0
	};
	need(poll(fds, PAIRS + 2, msec) >= 0 || errno == EINTR, "poll");
	if (fds[PAIRS + 1].revents)
		library(vmm.ctx, vdpr_control_process(vmm.ctx, vmm.control));
	if (fds[0].revents) {
		ret = vdpr_shadow_process(vmm.ctx, vmm.shadow, &events);
		need(!ret || ret == -EPROTO, vdpr_ctx_error(vmm.ctx));
		vmm.events |= events;
	}
	for (int i = 0; i < PAIRS; i++)
		if (read(dev.ring[2 * i].call, &count, sizeof(count)) < 0)
			need(errno == EAGAIN, "call");
	receive_some(vmm.judging ? &vmm.rss : NULL);
}

static void for_seconds(double seconds)
{
	double until = now() + seconds;

	while (now() < until)
		look_around(10);
}

/* ------------------------------------------------------------------- the guest */

static bool hex_byte(const char **hex, uint8_t *out)
{
	unsigned int value;

	if (sscanf(*hex, "%2x", &value) != 1)
		return false;
	*out = (uint8_t)value;
	*hex += 2;
	return true;
}

/* A command in the guest's control ring: two descriptors, as Linux does it. */
static void guest_sends(unsigned int ctrl_class, unsigned int command,
			uint32_t in_len, const char *hex)
{
	struct part parts[] = {
		{ AREA_IOVA + COMMAND_AT, 2, false },
		{ AREA_IOVA + ANSWER_AT, in_len, true },
	};
	uint8_t *out = dev.area + COMMAND_AT;

	out[0] = (uint8_t)ctrl_class;
	out[1] = (uint8_t)command;
	while (*hex && hex_byte(&hex, &out[parts[0].len]))
		parts[0].len++;
	memset(dev.area + ANSWER_AT, 0xff, 1024);
	post(&dev.ring[CVQ], 0, parts, 2);
	kick(&dev.ring[CVQ]);
}

/* Waits as the guest's kernel does. Return: bytes of the answer, 0: broken. */
static uint32_t guest_waits(void)
{
	double until = now() + GIVE_UP_SECONDS;
	uint32_t len = 0;
	uint16_t id;

	while (!take(&dev.ring[CVQ], 2, &id, &len)) {
		if (vmm.events & VDPR_SHADOW_GUEST_BROKEN || now() > until)
			return 0;
		look_around(10);
	}
	return len;
}

static void say_answer(void)
{
	uint32_t len = guest_waits();

	if (!len) {
		printf("{\"answer\": null, \"error\": \"%s\"}\n",
		       vdpr_ctx_error(vmm.ctx));
		fflush(stdout);
		return;
	}
	printf("{\"answer\": \"");
	for (uint32_t i = 0; i < len; i++)
		printf("%02x", dev.area[ANSWER_AT + i]);
	printf("\", \"announced\": %s}\n",
	       vmm.events & VDPR_SHADOW_ANNOUNCED ? "true" : "false");
	fflush(stdout);
	vmm.events = 0;
}

static unsigned long received(void)
{
	return seen.frames + seen.foreign + seen.unjudged;
}

/* To its own address: vdpa_sim_net gives such frames back. */
static void guest_sends_frames(unsigned int count)
{
	struct ring *ring = &dev.ring[1];
	uint8_t *frame = dev.area + COMMAND_AT;
	const struct part part = { AREA_IOVA + COMMAND_AT,
				   HEADER_LEN + FRAME_LEN, false };
	unsigned long before = received();
	double until = now() + GIVE_UP_SECONDS;

	memset(frame, 0, HEADER_LEN + FRAME_LEN);
	memset(frame + HEADER_LEN, 0xff, 6); /* broadcast */
	for (unsigned int i = 0; i < count; i++) {
		post(ring, (uint16_t)(i % RING_NUM), &part, 1);
		kick(ring);
		while (received() <= before + i && now() < until)
			look_around(10);
	}
	printf("{\"received\": %lu}\n", received() - before);
	fflush(stdout);
}

/* --------------------------------------------------------------------- the VMM */

static int translate(void *data, uint64_t gpa, size_t *len, bool write,
		     void **host)
{
	uint64_t offset = gpa - AREA_IOVA;

	(void)data;
	(void)write;
	if (offset >= AREA_LEN || *len > AREA_LEN - offset)
		return -1;
	*host = dev.area + offset;
	return 0;
}

static struct vdpr_restore_opts restore_opts(void)
{
	static const struct vdpr_iova_range used = { AREA_IOVA,
						     AREA_IOVA + AREA_LEN - 1 };
	struct vdpr_restore_opts how = VDPR_INIT(struct vdpr_restore_opts);

	how.flags = VDPR_RESTORE_ASSUME_ENABLE | VDPR_RESTORE_SHADOW;
	how.vrings = vmm.vrings;
	how.n_vrings = (size_t)2 * vmm.pairs;
	how.in_use = &used;
	how.n_in_use = 1;
	return how;
}

static void new_vrings(void)
{
	for (uint32_t i = 0; i < 2 * vmm.pairs; i++)
		vmm.vrings[i] = data_ring(i);
}

static void restore_and_start(const struct vdpr_state *state)
{
	struct vdpr_restore_opts how = restore_opts();
	const struct vdpr_vring at = data_ring(CVQ);
	struct vdpr_guest_ring_opts ring =
		VDPR_INIT(struct vdpr_guest_ring_opts);

	library(vmm.ctx,
		vdpr_restore_run(vmm.ctx, vmm.handle, state, &how, NULL));
	ring.num = CVQ_NUM;
	ring.base = at.base;
	ring.desc = at.desc;
	ring.driver = at.driver;
	ring.device = at.device;
	ring.kick_fd = at.kick_fd;
	ring.call_fd = at.call_fd;
	library(vmm.ctx, vdpr_shadow_start(vmm.ctx, vmm.shadow, state, &ring));
	vmm.events = 0;
}

static void go(unsigned long long number)
{
	seen.go = number;
	new_vrings();
	restore_and_start(vmm.state);
	vmm.judging = true;
	say("running");
}

static void quiesce(bool fresh)
{
	struct vdpr_quiesce_opts how = VDPR_INIT(struct vdpr_quiesce_opts);
	struct vdpr_state *state;
	int ret;

	how.vrings = vmm.vrings;
	how.n_vrings = (size_t)2 * vmm.pairs;
	if (fresh)
		how.flags = VDPR_QUIESCE_FRESH_RINGS;
	ret = vdpr_shadow_quiesce(vmm.ctx, vmm.shadow, &how, &state);
	if (ret == -EOPNOTSUPP) {
		printf("{\"refused\": \"%s\"}\n", vdpr_ctx_error(vmm.ctx));
		fflush(stdout);
		return;
	}
	library(vmm.ctx, ret);
	say_state(state);
}

static void back(bool fresh)
{
	struct vdpr_report *report = NULL;
	struct vdpr_restore_opts how;

	/* The data rings only: the guest's control ring goes on. */
	if (fresh) {
		fresh_rings(0, DATA_QUEUES);
		new_vrings();
	}
	how = restore_opts();
	library(vmm.ctx,
		vdpr_shadow_unquiesce(vmm.ctx, vmm.shadow, &how, &report));
	say(report ? "{\"back\": \"restored\"}" : "{\"back\": \"resumed\"}");
	vdpr_report_free(report);
}

/* A driver has been loaded and has its rings ready. */
static void load(uint64_t bits)
{
	const struct vdpr_features features = { { bits, 0 } };
	struct vdpr_state *state;

	fresh_rings(0, RINGS);
	new_vrings();
	library(vmm.ctx, vdpr_shadow_reset(vmm.ctx, vmm.shadow, &features));
	library(vmm.ctx, vdpr_shadow_save(vmm.ctx, vmm.shadow, &state));
	restore_and_start(state);
	vdpr_state_free(state);
	say("{\"loaded\": true}");
}

/* An answer that lies nowhere. */
static void break_ring(void)
{
	const struct part parts[] = {
		{ AREA_IOVA + COMMAND_AT, 2, false },
		{ AREA_IOVA + AREA_LEN, 1, true },
	};

	post(&dev.ring[CVQ], 0, parts, 2);
	kick(&dev.ring[CVQ]);
	say_answer();
}

static void report(void)
{
	printf("{\"frames\": %lu, \"strays\": %lu, \"unjudged\": %lu, "
	       "\"foreign\": %lu, \"early\": %lu, "
	       "\"per_queue\": [%lu, %lu, %lu, %lu]}\n",
	       seen.frames, seen.strays, seen.unjudged, seen.foreign,
	       seen.early, seen.per_queue[0], seen.per_queue[1],
	       seen.per_queue[2], seen.per_queue[3]);
	fflush(stdout);
}

static void wait_frames(unsigned long count)
{
	unsigned long until = seen.frames + count;
	double limit = now() + GIVE_UP_SECONDS;

	while (seen.frames < until && now() < limit)
		look_around(10);
	report();
}

static void judge_by(const char *path)
{
	/* What was steered before the guest's command is not to be judged. */
	for_seconds(0.5);
	need(!rss_read(read_file(path), &vmm.rss), "rss section");
	vmm.judging = true;
	say("{\"judging\": true}");
}

/* ------------------------------------------------------------------------- main */

static void save(void)
{
	struct vdpr_state *state;

	library(vmm.ctx, vdpr_shadow_save(vmm.ctx, vmm.shadow, &state));
	say_state(state);
}

static void obey(char *line)
{
	unsigned int ctrl_class, command, in_len;
	unsigned long long number;
	int at = 0;

	if (sscanf(line, "go %llu", &number) == 1) {
		go(number);
	} else if (sscanf(line, "guest %u %u %u %n", &ctrl_class, &command,
			  &in_len, &at) == 3) {
		guest_sends(ctrl_class, command, in_len, line + at);
		say_answer();
	} else if (!strcmp(line, "announce")) {
		library(vmm.ctx, vdpr_shadow_announce(vmm.ctx, vmm.shadow));
		say("{\"asked\": true}");
	} else if (!strcmp(line, "save")) {
		save();
	} else if (!strncmp(line, "quiesce", 7)) {
		quiesce(!strcmp(line, "quiesce fresh"));
	} else if (!strncmp(line, "back", 4)) {
		back(!strcmp(line, "back fresh"));
	} else if (!strcmp(line, "reset")) {
		library(vmm.ctx, vdpr_shadow_reset(vmm.ctx, vmm.shadow, NULL));
		vmm.judging = false;
		say("{\"reset\": true}");
	} else if (sscanf(line, "load %llx", &number) == 1) {
		load(number);
	} else if (!strncmp(line, "judge ", 6)) {
		judge_by(line + 6);
	} else if (!strcmp(line, "break")) {
		break_ring();
	} else if (sscanf(line, "wait %llu", &number) == 1) {
		wait_frames((unsigned long)number);
	} else if (sscanf(line, "send %llu", &number) == 1) {
		guest_sends_frames((unsigned int)number);
	} else if (!strcmp(line, "report")) {
		report();
	} else {
		need(false, line);
	}
}

static void serve(void)
{
	static char line[1 << 18];
	struct pollfd in = { STDIN_FILENO, POLLIN, 0 };

	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		look_around(5);
		if (poll(&in, 1, 0) <= 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return;
		line[strcspn(line, "\n")] = '\0';
		obey(line);
	}
}

static void open_control(const char *path)
{
	struct vdpr_control_ops ops = VDPR_INIT(struct vdpr_control_ops);

	ops.name = "vp0";
	ops.shadow = vmm.shadow;
	library(vmm.ctx,
		vdpr_control_new(vmm.ctx, path, &ops, NULL, &vmm.control));
}

int main(int argc, char **argv)
{
	struct vdpr_dev_fd_opts given = VDPR_INIT(struct vdpr_dev_fd_opts);
	struct vdpr_shadow_opts opts = VDPR_INIT(struct vdpr_shadow_opts);
	const char *text, *control = NULL;
	struct vdpr_features features;
	int arg = 1;

	if (arg + 1 < argc && !strcmp(argv[arg], "--pairs")) {
		vmm.pairs = (uint32_t)strtoul(argv[arg + 1], NULL, 10);
		arg += 2;
	}
	if (arg + 1 < argc && !strcmp(argv[arg], "--control")) {
		control = argv[arg + 1];
		arg += 2;
	}
	if (argc - arg != 2 || !vmm.pairs || vmm.pairs > PAIRS) {
		fprintf(stderr, "usage: shadow [--pairs N] [--control SOCKET] "
				"DEVICE STATE\n");
		return 2;
	}
	text = read_file(argv[arg + 1]);
	/* A state without RSS judges nothing. */
	(void)rss_read(text, &vmm.rss);
	need(!vdpr_ctx_new(&vmm.ctx), "vdpr_ctx_new");
	library(vmm.ctx,
		vdpr_state_parse(vmm.ctx, text, strlen(text), &vmm.state));
	need(!vdpr_state_features(vmm.state, &features), "features");
	dev.packed = features.word[0] >> VIRTIO_F_RING_PACKED & 1;
	open_device(argv[arg]);
	given.flags = VDPR_DEV_OWNED;
	given.backend_features = dev.backend;
	library(vmm.ctx,
		vdpr_dev_from_fd(vmm.ctx, dev.fd, &given, &vmm.handle));
	opts.translate = translate;
	library(vmm.ctx,
		vdpr_shadow_new(vmm.ctx, vmm.handle, &opts, &vmm.shadow));
	if (control)
		open_control(control);
	say("ready");
	serve();
	vdpr_control_free(vmm.control);
	vdpr_shadow_free(vmm.shadow);
	vdpr_dev_close(vmm.handle);
	close(dev.fd);
	vdpr_state_free(vmm.state);
	vdpr_ctx_free(vmm.ctx);
	return 0;
}
