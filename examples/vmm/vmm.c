/* SPDX-License-Identifier: MIT */
/* A small VMM with libvdpa-restore inside: the documentation that always runs. */

/*
 *   vmm [--assume] DEV SOCKET [STATE|wait]
 *
 * --assume a device that does not promise that queues can be enabled late is
 *          taken for one that can: vp_vdpa, for example. Its user's decision
 * DEV      /dev/vhost-vdpa-N, vdpa:NAME or sim[:...], as vdpa-restore(8) has it
 * SOCKET   where `vdpa-restore save --control SOCKET` and its like reach us
 * STATE    the guest has migrated here, and this is what it told its device
 * wait     the same, but the state comes later: `vdpa-restore load FILE
 *          control:SOCKET`
 * neither  a guest boots here
 *
 * On standard input, one line at a time, each once the one before is done:
 *
 *   guest LINE     something for the guest's keyboard: see the words in guest.c
 *   quiesce FILE   a migration begins its last phase: stop, write the state
 *   unquiesce      it has failed: the guest goes on here
 *
 * The end of the input is the end. Exit codes are those of vdpa-restore(8).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <vdpa-restore.h>

#include "shared.h"

/* How long a relayed command may take before the device counts as broken. */
#define ANSWER_MSEC 2000

static struct {
	struct vdpr_ctx *ctx;
	struct vdpr_dev *dev;
	struct vdpr_dev_info info;
	struct vdpr_shadow *shadow;
	struct vdpr_control *control;
	struct vdpr_restore *restore;	       /* NULL: none is under way */
	struct vdpr_state *state;	       /* that is being restored */
	struct vdpr_vring vrings[DATA_QUEUES]; /* the guest's, in the device */
	size_t n_vrings;

	struct wires guest; /* the VMM's ends of them */
	pid_t pid;
	int config;    /* eventfd: the device's configuration has changed */
	bool waiting;  /* for a state from the socket */
	bool arriving; /* the guest has run before, elsewhere */
	bool loading;  /* the state came from the socket: it wants a report */
	bool busy;     /* the guest has not done its last line */
	bool stopped;  /* the guest's processors stand still */
	bool fresh;    /* a stopped device cannot go on with the old rings */
	bool assume;   /* --assume */
	bool ended;
	enum vdpr_cause failure; /* that has ended it */
} vmm;

static int told(int ret)
{
	if (ret < 0)
		fprintf(stderr, "vmm: %s\n", vdpr_ctx_error(vmm.ctx));
	return ret;
}

/* Ends the loop, and the process with the code of the library's last failure. */
static void end_with(int ret)
{
	vmm.ended = true;
	if (ret < 0)
		vmm.failure = vdpr_ctx_cause(vmm.ctx);
}

static struct registers *registers(void)
{
	return (struct registers *)vmm.guest.ram;
}

/* ------------------------------------------------------------------- the guest */

static void signal_guest(int fd)
{
	const uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof(one));

	(void)n; /* an eventfd that is full wakes, too */
}

/* What a guest's write to a register returns to. */
static void show_status(uint8_t status)
{
	registers()->status = status;
	(void)send(vmm.guest.bus, &status, 1, MSG_NOSIGNAL);
}

/* Its device is broken: the driver has to begin again. (Linux' virtio_net does
 * not hear of it; a VMM for such guests unplugs the card and plugs it in again.) */
static void needs_reset(void)
{
	registers()->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	signal_guest(vmm.guest.config);
}

static void type(const char *line)
{
	vmm.busy = true;
	(void)send(vmm.guest.console, line, strlen(line), MSG_NOSIGNAL);
}

/* -------------------------------------------------------------------- restoring */

static struct vdpr_restore_opts restore_opts(void)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);

	opts.flags =
		VDPR_RESTORE_SHADOW; /* we relay what the guest says then */
	if (vmm.assume)
		opts.flags |= VDPR_RESTORE_ASSUME_ENABLE;
	opts.config_fd = vmm.config;
	opts.vrings = vmm.vrings;
	opts.n_vrings = vmm.n_vrings;
	return opts;
}

/* Touches nothing yet: the loop does one step whenever the descriptor asks. */
static int begin(struct vdpr_state *state)
{
	struct vdpr_restore_opts opts = restore_opts();

	vdpr_state_free(vmm.state);
	vmm.state = state;
	return vdpr_restore_begin(vmm.ctx, vmm.dev, state, &opts, &vmm.restore);
}

/* The driver's queues are the device's, one to one, but for the control queue.
 * Its registers are guest memory and may say anything: they are read here and
 * nowhere else, and the library judges what it is given. */
static void take_vrings(uint64_t negotiated)
{
	uint64_t many = 1ull << VIRTIO_NET_F_MQ | 1ull << VIRTIO_NET_F_RSS;
	uint16_t pairs = negotiated & many ? registers()->max_pairs : 1;

	vmm.n_vrings = 2u * (pairs < PAIRS ? pairs : PAIRS);
	for (uint32_t q = 0; q < vmm.n_vrings; q++) {
		struct vdpr_vring *v = &vmm.vrings[q];

		*v = (struct vdpr_vring)VDPR_INIT(struct vdpr_vring);
		v->index = q;
		v->num = registers()->queue[q].num;
		v->desc = registers()->queue[q].desc;
		v->driver = registers()->queue[q].driver;
		v->device = registers()->queue[q].device;
		v->kick_fd = vmm.guest.kick[q];
		v->call_fd = vmm.guest.call[q];
		/* A guest whose memory has come along goes on where the state
		 * says: vdpr_state_vring(). The toy's lays out new rings. */
		v->base = 0;
	}
}

/* The guest may go on once its driver's last write has brought the device up. */
static int driver_ok(void)
{
	struct vdpr_commit_opts commit = VDPR_INIT(struct vdpr_commit_opts);
	struct vdpr_features features = { { registers()->negotiated, 0 } };
	struct vdpr_state *state = NULL;
	int ret;

	take_vrings(features.word[0]);
	if (!vmm.arriving) {
		/* A driver that was just loaded: nothing was told yet. The same
		 * restore brings the device up, with next to no commands. */
		ret = vdpr_shadow_reset(vmm.ctx, vmm.shadow, &features);
		if (!ret)
			ret = vdpr_shadow_save(vmm.ctx, vmm.shadow, &state);
		if (!ret)
			ret = begin(state);
		if (ret)
			return ret;
	}
	/* The source has stopped: rings and final state. This is downtime. */
	commit.vrings = vmm.vrings;
	commit.n_vrings = vmm.n_vrings;
	return vdpr_restore_commit(vmm.restore, NULL, &commit);
}

/* From here on each command of the guest goes through the library. */
static int start_shadow(void)
{
	struct vdpr_guest_ring_opts ring =
		VDPR_INIT(struct vdpr_guest_ring_opts);

	ring.num = registers()->queue[CONTROL].num;
	ring.desc = registers()->queue[CONTROL].desc;
	ring.driver = registers()->queue[CONTROL].driver;
	ring.device = registers()->queue[CONTROL].device;
	ring.kick_fd = vmm.guest.kick[CONTROL];
	ring.call_fd = vmm.guest.call[CONTROL];
	return vdpr_shadow_start(vmm.ctx, vmm.shadow, vmm.state, &ring);
}

/* A guest that has moved tells the switches of its new place. */
static void announce(void)
{
	if (vdpr_shadow_announce(vmm.ctx, vmm.shadow))
		return; /* it has not negotiated that */
	registers()->announce = 1;
	signal_guest(vmm.guest.config);
}

static void restored(void)
{
	struct vdpr_report *report = NULL;
	uint64_t usec = 0;
	int ret = vdpr_restore_result(vmm.restore, &report);

	if (vmm.loading)
		vdpr_control_loaded(vmm.ctx, vmm.control, ret, report);
	if (!ret)
		ret = start_shadow();
	if (!told(ret) && !vdpr_report_downtime(report, &usec))
		printf("vmm: restored, downtime %lu us\n", (unsigned long)usec);
	vdpr_report_free(report);
	vdpr_restore_free(vmm.restore);
	vmm.restore = NULL;
	/* A failed restore has left a device at reset, and nothing of ours. */
	show_status(ret ? VIRTIO_CONFIG_S_FAILED
			: VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
				    VIRTIO_CONFIG_S_FEATURES_OK |
				    VIRTIO_CONFIG_S_DRIVER_OK);
	if (vmm.arriving && ret)
		end_with(ret); /* the source still has its guest */
	else if (vmm.arriving)
		announce();
	vmm.arriving = vmm.loading = false;
}

static void restore_step(void)
{
	int step = vdpr_restore_process(vmm.restore);

	/* AGAIN and WAIT: the descriptor says when. COMMIT: until driver_ok(). */
	if (step <= 0)
		restored();
}

/* A state is there: the early stages run while the guest is still arriving. */
static int incoming(struct vdpr_state *state)
{
	struct vdpr_features features = { { 0, 0 } };
	char line[64];
	int ret = begin(state);

	if (ret)
		return ret;
	/* Not known? Then the restore will say so. */
	(void)vdpr_state_features(state, &features);
	vmm.waiting = false;
	vmm.arriving = true;
	snprintf(line, sizeof(line), "arrive %llx",
		 (unsigned long long)features.word[0]);
	type(line);
	return 0;
}

/* -------------------------------------------------------------- the guest leaves */

/* A write of the guest's to its status register: it waits for show_status(). */
static int write_status(uint8_t status)
{
	int ret;

	if (!status) {
		/* Once this has returned no ring of the guest's is touched. */
		vdpr_restore_free(vmm.restore);
		vmm.restore = NULL;
		if (vmm.loading)
			vdpr_control_loaded(vmm.ctx, vmm.control, -ECANCELED,
					    NULL);
		vmm.arriving = vmm.loading = false;
		ret = vdpr_shadow_reset(vmm.ctx, vmm.shadow, NULL);
		show_status(0);
		return ret;
	}
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK)) {
		show_status(status);
		return 0;
	}
	/* Once more, in the midst of it? Only a guest that is up to something. */
	ret = vmm.restore && !vmm.arriving ? 1 : driver_ok();
	if (ret)
		show_status(VIRTIO_CONFIG_S_FAILED);
	return ret;
}

static void bus(void)
{
	uint8_t byte = 0;

	if (recv(vmm.guest.bus, &byte, 1, 0) != 1) {
		fprintf(stderr, "vmm: the guest has died\n");
		vmm.ended = true;
		vmm.failure = VDPR_CAUSE_OTHER;
	} else if (byte == BUS_IDLE) {
		vmm.busy = false;
	} else {
		told(write_status(byte));
	}
}

/* ------------------------------------------------------------- what the loop hears */

static void shadow_event(void)
{
	unsigned int events = 0;
	int ret = vdpr_shadow_process(vmm.ctx, vmm.shadow, &events);

	if (events & (VDPR_SHADOW_GUEST_BROKEN | VDPR_SHADOW_DEVICE_BROKEN)) {
		told(ret);
		needs_reset();
	}
	if (events & VDPR_SHADOW_ANNOUNCED)
		registers()->announce = 0;
}

/* The device's configuration has changed, or it has broken down. A VMM would
 * hand the link's state on to its guest, too. */
static void config_event(void)
{
	uint64_t count;

	if (read(vmm.config, &count, sizeof(count)) < 0 ||
	    told(vdpr_dev_examine(vmm.ctx, vmm.dev, &vmm.info)))
		return;
	if (vmm.info.status & VIRTIO_CONFIG_S_NEEDS_RESET)
		needs_reset();
}

/* Callbacks of the control socket: `vdpa-restore load FILE control:SOCKET`. */
static bool is_waiting(void *data)
{
	(void)data;
	return vmm.waiting;
}

static int load(void *data, struct vdpr_ctx *ctx, struct vdpr_state *state)
{
	int ret = told(incoming(state));

	(void)data;
	(void)ctx; /* the socket's; the restore, which goes on, has ours */
	vmm.loading = !ret;
	if (ret) /* the library keeps it */
		vmm.state = NULL;
	return ret;
}

/* ----------------------------------------------------------- a migration that fails */

/* KVM would be told to leave its guest's processors where they are. */
static void stop_guest(bool stop)
{
	kill(vmm.pid, stop ? SIGSTOP : SIGCONT);
	if (stop)
		waitpid(vmm.pid, NULL, WUNTRACED);
	vmm.stopped = stop;
}

static int quiesce(const char *file)
{
	struct vdpr_quiesce_opts opts = VDPR_INIT(struct vdpr_quiesce_opts);
	struct vdpr_state *state = NULL;
	int ret;

	stop_guest(true);
	opts.vrings = vmm.vrings; /* gets the bases */
	opts.n_vrings = vmm.n_vrings;
	ret = vdpr_shadow_quiesce(vmm.ctx, vmm.shadow, &opts, &state);
	if (ret == -EOPNOTSUPP) {
		/* vp_vdpa: no SUSPEND, and a ring begins at 0. The guest can
		 * leave; should it stay, then with a driver that begins anew. */
		printf("vmm: %s\n", vdpr_ctx_error(vmm.ctx));
		vmm.fresh = true;
		opts.flags = VDPR_QUIESCE_FRESH_RINGS;
		ret = vdpr_shadow_quiesce(vmm.ctx, vmm.shadow, &opts, &state);
	}
	if (!ret) /* to the destination, as the last thing */
		ret = vdpr_state_write(vmm.ctx, state, file);
	if (!ret)
		printf("vmm: quiesced\n");
	else
		stop_guest(false);
	vdpr_state_free(state);
	return ret;
}

static int unquiesce(void)
{
	struct vdpr_restore_opts opts = restore_opts();
	struct vdpr_report *report = NULL;
	int ret = 0;

	if (vmm.fresh)
		needs_reset();
	else
		ret = vdpr_shadow_unquiesce(vmm.ctx, vmm.shadow, &opts,
					    &report);
	if (!ret)
		printf("vmm: back: %s\n", vmm.fresh ? "the driver begins anew"
					  : report  ? "restored"
						    : "resumed");
	vmm.fresh = false;
	vdpr_report_free(report);
	stop_guest(false);
	return ret;
}

/* -------------------------------------------------------------------------- main */

static void obey(char *line)
{
	int ret = 0;

	line[strcspn(line, "\n")] = '\0';
	if (!strncmp(line, "guest ", 6) && !vmm.stopped)
		type(line + 6);
	else if (!strncmp(line, "quiesce ", 8) && !vmm.stopped)
		ret = told(quiesce(line + 8));
	else if (!strcmp(line, "unquiesce") && vmm.stopped)
		ret = told(unquiesce());
	else
		fprintf(stderr, "vmm: not now, or not known: %s\n", line);
	if (ret)
		end_with(ret);
}

static void read_input(void)
{
	char line[2048];

	if (fgets(line, sizeof(line), stdin))
		obey(line);
	else
		end_with(0);
}

/* The one loop: everything waits here, and nowhere else. */
static void loop(void)
{
	while (!vmm.ended) {
		/* A line is taken only when the one before is done. */
		bool idle = !vmm.waiting && !vmm.busy && !vmm.restore;
		struct pollfd fds[] = {
			{ vmm.guest.bus, POLLIN, 0 },
			{ vdpr_shadow_fd(vmm.shadow), POLLIN, 0 },
			{ vdpr_control_fd(vmm.control), POLLIN, 0 },
			{ vmm.config, POLLIN, 0 },
			{ vmm.restore ? vdpr_restore_get_fd(vmm.restore) : -1,
			  POLLIN, 0 },
			{ idle ? STDIN_FILENO : -1, POLLIN, 0 },
		};

		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0)
			continue;
		if (fds[4].revents)
			restore_step();
		if (fds[1].revents)
			shadow_event();
		if (fds[2].revents)
			told(vdpr_control_process(vmm.ctx, vmm.control));
		if (fds[3].revents)
			config_event();
		if (fds[0].revents)
			bus();
		if (fds[5].revents)
			read_input();
	}
}

static int open_device(const char *name)
{
	int ret = vdpr_dev_open(vmm.ctx, name, &vmm.dev);

	vmm.info = (struct vdpr_dev_info)VDPR_INIT(struct vdpr_dev_info);
	if (!ret)
		ret = vdpr_dev_examine(vmm.ctx, vmm.dev, &vmm.info);
	if (ret)
		return ret;
	registers()->offered = vmm.info.features.word[0];
	registers()->max_pairs = vmm.info.config.has & VDPR_CONFIG_MAX_PAIRS
					 ? vmm.info.config.max_virtqueue_pairs
					 : 1;
	/* One to one. A VMM with a device layer of its own opens and maps as
	 * ever, and says so: vdpr_dev_from_fd(), opts.in_use. */
	return vdpr_dev_map(vmm.ctx, vmm.dev, RAM_AT, RAM_LEN, vmm.guest.ram,
			    0);
}

static int open_all(const char *name, const char *socket)
{
	struct vdpr_guest_region ram = VDPR_INIT(struct vdpr_guest_region);
	struct vdpr_shadow_opts shadow = VDPR_INIT(struct vdpr_shadow_opts);
	struct vdpr_control_ops ops = VDPR_INIT(struct vdpr_control_ops);
	int ret = open_device(name);

	if (ret)
		return ret;
	ram.gpa = RAM_AT;
	ram.len = RAM_LEN;
	ram.host = vmm.guest.ram;
	shadow.regions = &ram;
	shadow.n_regions = 1;
	shadow.answer_msec = ANSWER_MSEC;
	ret = vdpr_shadow_new(vmm.ctx, vmm.dev, &shadow, &vmm.shadow);
	if (ret)
		return ret;
	ops.name = name;
	ops.shadow = vmm.shadow; /* save, show, verify, counts */
	ops.load = load;
	ops.waiting = is_waiting;
	return vdpr_control_new(vmm.ctx, socket, &ops, NULL, &vmm.control);
}

static int start(const char *from)
{
	struct vdpr_state *state;
	int ret;

	if (!from) {
		type("reload");
		return 0;
	}
	vmm.waiting = !strcmp(from, "wait");
	if (vmm.waiting)
		return 0;
	ret = vdpr_state_read(vmm.ctx, from, &state);
	return ret ? ret : incoming(state);
}

/* The device first: until it is closed it may write to guest memory. */
static void close_all(void)
{
	vdpr_restore_free(vmm.restore);
	vdpr_control_free(vmm.control);
	vdpr_shadow_free(vmm.shadow);
	vdpr_dev_close(vmm.dev);
	vdpr_state_free(vmm.state);
	vdpr_ctx_free(vmm.ctx);
	if (vmm.stopped)
		stop_guest(false);
	close(vmm.guest.console);
	close(vmm.guest.bus);
	waitpid(vmm.pid, NULL, 0);
}

int main(int argc, char **argv)
{
	int ret;

	vmm.assume = argc > 1 && !strcmp(argv[1], "--assume");
	argc -= vmm.assume;
	argv += vmm.assume;
	if (argc < 3 || argc > 4) {
		fprintf(stderr,
			"usage: vmm [--assume] DEV SOCKET [STATE|wait]\n");
		return VDPR_CAUSE_USAGE;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	vmm.config = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Never may the guest have the device's descriptor, which comes later. */
	vmm.pid = guest_boot(&vmm.guest);
	if (vmm.pid < 0 || vdpr_ctx_new(&vmm.ctx)) {
		perror("vmm");
		return VDPR_CAUSE_OTHER;
	}
	ret = told(open_all(argv[1], argv[2]));
	if (!ret)
		ret = told(start(argc > 3 ? argv[3] : NULL));
	if (ret)
		end_with(ret);
	loop();
	close_all();
	return (int)vmm.failure;
}
