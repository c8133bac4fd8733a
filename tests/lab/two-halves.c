/* SPDX-License-Identifier: MIT */
/* two-halves [-a] [-w] [-p MSEC] DEV PROVISIONAL FINAL: an event-driven restore with
 * a pause between its halves. -a: late enabling need not be promised, -w: prewarm.
 * Says "paused", then the report; holds the device until its input ends, and tells
 * of events meanwhile. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/vdpa-restore.h"

struct halves {
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	struct vdpr_state *early, *final;
	struct vdpr_restore *restore;
	struct vdpr_restore_opts opts;
	unsigned int pause_msec;
};

/* Until the restore waits for something else than its device, or has ended. */
static int loop(struct vdpr_restore *restore)
{
	struct pollfd p = { vdpr_restore_get_fd(restore), POLLIN, 0 };
	int step;

	do {
		if (poll(&p, 1, 20000) != 1)
			return -1;
		step = vdpr_restore_process(restore);
	} while (step == VDPR_STEP_AGAIN || step == VDPR_STEP_WAIT);
	return step;
}

static int restore(struct halves *h)
{
	int ret = vdpr_restore_begin(h->ctx, h->dev, h->early, &h->opts,
				     &h->restore);

	if (ret)
		return ret;
	ret = loop(h->restore);
	if (ret != VDPR_STEP_COMMIT)
		return ret;
	printf("paused\n");
	fflush(stdout);
	usleep(h->pause_msec * 1000);
	ret = vdpr_restore_commit(h->restore, h->final, NULL);
	return ret ? ret : loop(h->restore);
}

static void print_report(struct halves *h)
{
	struct vdpr_report *report = NULL;
	char *text;

	vdpr_restore_result(h->restore, &report);
	if (report && !vdpr_report_format(h->ctx, report, &text)) {
		fputs(text, stdout);
		fflush(stdout);
		free(text);
	}
	vdpr_report_free(report);
}

/* The device may tell of itself until nobody wants it any more. */
static void hold(struct halves *h)
{
	struct pollfd p[2] = {
		{ STDIN_FILENO, POLLIN, 0 },
		{ vdpr_restore_get_fd(h->restore), POLLIN, 0 },
	};
	struct vdpr_event event = VDPR_INIT(struct vdpr_event);
	char byte;

	for (;;) {
		if (poll(p, 2, -1) < 0)
			return;
		if (p[0].revents && read(STDIN_FILENO, &byte, 1) <= 0)
			return;
		vdpr_restore_process(h->restore);
		while (vdpr_restore_event(h->restore, &event)) {
			printf("event %d, status %u, link %s\n", event.kind,
			       event.status,
			       event.config.link_up ? "up" : "down");
			fflush(stdout);
		}
	}
}

static int open_all(struct halves *h, char **words)
{
	int ret = vdpr_ctx_new(&h->ctx);

	if (!ret)
		ret = vdpr_state_read(h->ctx, words[1], &h->early);
	if (!ret)
		ret = vdpr_state_read(h->ctx, words[2], &h->final);
	return ret ? ret : vdpr_dev_open(h->ctx, words[0], &h->dev);
}

int main(int argc, char **argv)
{
	struct halves h = { .opts = VDPR_INIT(struct vdpr_restore_opts) };
	int ret, option;

	h.opts.flags = VDPR_RESTORE_EMPTY_RINGS;
	while ((option = getopt(argc, argv, "awp:")) != -1) {
		if (option == 'a')
			h.opts.flags |= VDPR_RESTORE_ASSUME_ENABLE;
		else if (option == 'w')
			h.opts.flags |= VDPR_RESTORE_PREWARM;
		else if (option == 'p')
			h.pause_msec = (unsigned int)atoi(optarg);
		else
			return 2;
	}
	if (argc - optind != 3)
		return 2;
	ret = open_all(&h, argv + optind);
	if (!ret)
		ret = restore(&h);
	if (ret)
		fprintf(stderr, "%s\n", vdpr_ctx_error(h.ctx));
	if (h.restore)
		print_report(&h);
	if (!ret)
		hold(&h);
	vdpr_restore_free(h.restore);
	vdpr_dev_close(h.dev);
	vdpr_state_free(h.early);
	vdpr_state_free(h.final);
	vdpr_ctx_free(h.ctx);
	return ret ? 1 : 0;
}
