/* SPDX-License-Identifier: MIT */
/* Runs in the lab: receives on a restored device, counts misplaced frames. */

/*
 *   traffic [--naive] [--frames N] [--seconds S | --until-stop] DEVICE STATE
 *   traffic --selftest
 *
 * The part of a VMM and its guest: opens DEVICE itself, maps its own memory,
 * posts buffers to four receive queues, and says "ready" on stderr. "go N" on
 * stdin starts the restore of STATE: through the library, or with --naive in
 * the wrong order (every queue enabled, DRIVER_OK, then the same commands).
 * Frames with a number below N were sent before that. "running" follows, and
 * after at least S seconds and N frames, or once a further line comes on stdin,
 * one line of JSON on stdout.
 *
 * The first receive queue, to which a device at reset delivers everything, is
 * kicked all the while, as by a guest that runs: what waits in the device moves
 * at the first moment at which the device lets it.
 *
 * A stray is a frame in another queue than the state's RSS wants it in.
 */
#include "tests/lab/traffic.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lab/traffic-rss.h"

#define GIVE_UP_SECONDS 60.0
#define STOP_SECONDS 600.0 /* at the latest, with --until-stop */

static struct {
	bool naive, until_stop;
	unsigned long frames;
	double seconds;
	const char *device, *state;
} opts = { .frames = 10000, .seconds = 2 };

/* -------------------------------------------------------------- the right order */

static void restore_by_library(struct vdpr_ctx *ctx, struct vdpr_dev *handle,
			       const struct vdpr_state *state)
{
	struct vdpr_restore_opts how = VDPR_INIT(struct vdpr_restore_opts);
	const struct vdpr_iova_range used = { AREA_IOVA,
					      AREA_IOVA + AREA_LEN - 1 };
	struct vdpr_vring vrings[DATA_QUEUES];

	for (uint32_t i = 0; i < DATA_QUEUES; i++)
		vrings[i] = data_ring(i);
	how.flags = VDPR_RESTORE_ASSUME_ENABLE;
	how.vrings = vrings;
	how.n_vrings = DATA_QUEUES;
	how.in_use = &used;
	how.n_in_use = 1;
	library(ctx, vdpr_restore_run(ctx, handle, state, &how, NULL));
}

/* --------------------------------------------------------- the guest meanwhile */

static atomic_bool restored;

static void *kick_on(void *data)
{
	while (!atomic_load(&restored))
		kick(&dev.ring[0]);
	return data;
}

/* Return: how long the restore took, in milliseconds. */
static double restore(struct vdpr_ctx *ctx, struct vdpr_dev *handle,
		      const struct vdpr_state *state)
{
	pthread_t guest;
	double began;

	errno = pthread_create(&guest, NULL, kick_on, NULL);
	need(!errno, "pthread_create");
	began = now();
	if (opts.naive)
		restore_naively(ctx, state);
	else
		restore_by_library(ctx, handle, state);
	began = now() - began;
	atomic_store(&restored, true);
	pthread_join(guest, NULL);
	return 1000 * began;
}

/* -------------------------------------------------------------------- receiving */

static bool is_over(double seconds)
{
	struct pollfd in = { STDIN_FILENO, POLLIN, 0 };

	if (opts.until_stop)
		return seconds > STOP_SECONDS || poll(&in, 1, 0) > 0;
	return seconds > GIVE_UP_SECONDS ||
	       (seconds >= opts.seconds && seen.frames >= opts.frames);
}

static void receive(const struct rss_model *rss)
{
	double began = now();
	struct pollfd calls[PAIRS];
	uint64_t count;

	for (int i = 0; i < PAIRS; i++)
		calls[i] = (struct pollfd){ dev.ring[2 * i].call, POLLIN, 0 };
	while (!is_over(now() - began)) {
		need(poll(calls, PAIRS, 100) >= 0 || errno == EINTR, "poll");
		/* Nonblocking: what is read does not matter. */
		for (int i = 0; i < PAIRS; i++)
			if (read(calls[i].fd, &count, sizeof(count)) < 0)
				need(errno == EAGAIN, "call");
		receive_some(rss);
	}
}

static void report(double restore_ms)
{
	printf("{\"order\": \"%s\", \"ring\": \"%s\", \"frames\": %lu, \"strays\": %lu, ",
	       opts.naive ? "naive" : "library",
	       dev.packed ? "packed" : "split", seen.frames, seen.strays);
	if (seen.strays)
		printf("\"first_stray\": {\"frame\": %lu, \"number\": %llu, "
		       "\"queue\": %d, \"expected\": %d}, \"last_stray\": %lu, ",
		       seen.first_at, (unsigned long long)seen.first_number,
		       seen.first_queue, seen.first_expected, seen.last_at);
	else
		printf("\"first_stray\": null, \"last_stray\": null, ");
	printf("\"per_queue\": [%lu, %lu, %lu, %lu], \"early\": %lu, "
	       "\"foreign\": %lu, \"restore_ms\": %.3f}\n",
	       seen.per_queue[0], seen.per_queue[1], seen.per_queue[2],
	       seen.per_queue[3], seen.early, seen.foreign, restore_ms);
}

/* ------------------------------------------------------------------------- main */

static _Noreturn void usage(void)
{
	fprintf(stderr,
		"usage: traffic [--naive] [--frames N] [--seconds S | --until-stop] "
		"DEVICE STATE | --selftest\n");
	exit(2);
}

static int selftest(void)
{
	int ret = rss_selftest();

	printf("%sok 1 - the hash is that of the published vectors\n",
	       ret ? "not " : "");
	return ret ? 1 : 0;
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--selftest"))
			exit(selftest());
		else if (!strcmp(argv[i], "--naive"))
			opts.naive = true;
		else if (!strcmp(argv[i], "--frames") && i + 1 < argc)
			opts.frames = strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--until-stop"))
			opts.until_stop = true;
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			opts.seconds = strtod(argv[++i], NULL);
		else if (argv[i][0] != '-' && !opts.device)
			opts.device = argv[i];
		else if (argv[i][0] != '-' && !opts.state)
			opts.state = argv[i];
		else
			usage();
	}
	if (!opts.state)
		usage();
}

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

/* Tells the other end that all is prepared and waits until it wants us to go. */
static void await_go(void)
{
	unsigned long long number;

	fprintf(stderr, "ready\n");
	need(scanf("go %llu", &number) == 1, "no go");
	seen.go = number;
}

int main(int argc, char **argv)
{
	struct vdpr_dev_fd_opts given = VDPR_INIT(struct vdpr_dev_fd_opts);
	struct vdpr_features features;
	struct vdpr_state *state;
	struct vdpr_dev *handle;
	struct vdpr_ctx *ctx;
	struct rss_model rss = { 0 };
	const char *text;
	double took;

	parse(argc, argv);
	text = read_file(opts.state);
	need(!rss_read(text, &rss), "rss section of the state");
	need(!vdpr_ctx_new(&ctx), "vdpr_ctx_new");
	library(ctx, vdpr_state_parse(ctx, text, strlen(text), &state));
	need(!vdpr_state_features(state, &features), "features of the state");
	dev.packed = features.word[0] >> VIRTIO_F_RING_PACKED & 1;
	open_device(opts.device);
	given.flags = VDPR_DEV_OWNED;
	given.backend_features = dev.backend;
	library(ctx, vdpr_dev_from_fd(ctx, dev.fd, &given, &handle));

	await_go();
	took = restore(ctx, handle, state);
	fprintf(stderr, "running\n");
	receive(&rss);
	report(took);

	vdpr_dev_close(handle);
	close(dev.fd);
	vdpr_state_free(state);
	vdpr_ctx_free(ctx);
	return 0;
}
