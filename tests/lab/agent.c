/* agent.c: runs commands in the lab's machine for the host, over one character device.
 *
 *   agent DEVICE [ROOT]     ROOT: commands run in a chroot there
 *
 * A frame is u32 length, u32 id, u8 kind (little endian), then length bytes.
 * From the host: R start `/bin/sh -c` DATA as process id, I DATA to its stdin, C close its
 * stdin, K signal (one byte) its process group.
 * To the host:   H ready, O and E what the process wrote to stdout and stderr, X it ended
 * (i32: exit code, or 128 + signal).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PROCS = 64, CHUNK = 32768, HEADER = 9, MAX_FRAME = 1 << 20 };

struct proc {
	pid_t pid; /* 0: slot is free */
	uint32_t id;
	int in, out, err;   /* our ends, -1: closed */
	unsigned char *buf; /* stdin that the process has not taken yet */
	size_t len;
	int closing; /* close stdin once buf is empty */
};

static struct proc procs[MAX_PROCS];
static int port;
static const char *chroot_to;

static void die(const char *what)
{
	fprintf(stderr, "LAB agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_all(const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(port, at, len);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			die("write");
		at += n;
		len -= (size_t)n;
	}
}

static void read_all(void *data, size_t len)
{
	char *at = data;

	while (len) {
		ssize_t n = read(port, at, len);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			die("read");
		if (n == 0) { /* the host is not there: wait for it */
			usleep(10000);
			continue;
		}
		at += n;
		len -= (size_t)n;
	}
}

static void send_frame(char kind, uint32_t id, const void *data, uint32_t len)
{
	static unsigned char frame[HEADER + CHUNK];

	memcpy(frame, &len, 4);
	memcpy(frame + 4, &id, 4);
	frame[8] = (unsigned char)kind;
	if (len)
		memcpy(frame + HEADER, data, len);
	write_all(frame, HEADER + len);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void start(uint32_t id, const char *command)
{
	int in[2], out[2], err[2], i;
	struct proc *p = NULL;
	int32_t full = 127;

	for (i = 0; i < MAX_PROCS && !p; i++)
		if (!procs[i].pid)
			p = &procs[i];
	if (!p) {
		send_frame('E', id, "too many processes\n", 19);
		send_frame('X', id, &full, 4);
		return;
	}
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ||
	    pipe2(err, O_CLOEXEC))
		die("pipe");
	memset(p, 0, sizeof(*p));
	p->pid = fork();
	if (p->pid < 0)
		die("fork");
	if (!p->pid) {
		setsid();
		signal(SIGPIPE, SIG_DFL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		if (chroot_to && (chroot(chroot_to) || chdir("/")))
			_exit(126);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	p->id = id;
	p->in = in[1];
	p->out = out[0];
	p->err = err[0];
	fcntl(p->in, F_SETFL, O_NONBLOCK);
	fcntl(p->out, F_SETFL, O_NONBLOCK);
	fcntl(p->err, F_SETFL, O_NONBLOCK);
}

/* Passes on one chunk; returns 0 when there is nothing (more) to read now. */
static int relay(struct proc *p, int *fd, char kind)
{
	static char chunk[CHUNK];
	ssize_t n;

	if (*fd < 0)
		return 0;
	n = read(*fd, chunk, sizeof(chunk));
	if (n == 0)
		close_fd(fd);
	if (n <= 0)
		return 0;
	send_frame(kind, p->id, chunk, (uint32_t)n);
	return 1;
}

static void feed(struct proc *p)
{
	if (p->in >= 0 && p->len) {
		ssize_t n = write(p->in, p->buf, p->len);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			p->len = 0; /* it does not want its input */
			close_fd(&p->in);
		} else if (n > 0) {
			p->len -= (size_t)n;
			memmove(p->buf, p->buf + n, p->len);
		}
	}
	if (p->closing && !p->len)
		close_fd(&p->in);
}

static void reap(void)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < MAX_PROCS; i++) {
			struct proc *p = &procs[i];
			int32_t code = WIFEXITED(status)
					       ? WEXITSTATUS(status)
					       : 128 + WTERMSIG(status);

			if (p->pid != pid)
				continue;
			/* Its own children may keep the pipes open: what is there now is all. */
			while (relay(p, &p->out, 'O'))
				;
			while (relay(p, &p->err, 'E'))
				;
			send_frame('X', p->id, &code, 4);
			close_fd(&p->in);
			close_fd(&p->out);
			close_fd(&p->err);
			free(p->buf);
			p->pid = 0;
		}
	}
}

static void request(void)
{
	static unsigned char data[MAX_FRAME + 1];
	unsigned char header[HEADER];
	uint32_t len, id;
	int i;

	read_all(header, HEADER);
	memcpy(&len, header, 4);
	memcpy(&id, header + 4, 4);
	if (len > MAX_FRAME)
		die("frame too long");
	read_all(data, len);
	data[len] = 0;
	if (header[8] == 'R') {
		start(id, (char *)data);
		return;
	}
	for (i = 0; i < MAX_PROCS; i++) {
		struct proc *p = &procs[i];

		if (!p->pid || p->id != id)
			continue;
		if (header[8] == 'K' && len)
			kill(-p->pid, data[0]);
		if (header[8] == 'C')
			p->closing = 1;
		if (header[8] == 'I' && p->in >= 0) {
			p->buf = realloc(p->buf, p->len + len + 1);
			if (!p->buf)
				die("realloc");
			memcpy(p->buf + p->len, data, len);
			p->len += len;
		}
		feed(p);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	chroot_to = argv[2];
	port = open(argv[1], O_RDWR | O_CLOEXEC);
	if (port < 0)
		die(argv[1]);
	signal(SIGPIPE, SIG_IGN);
	send_frame('H', 0, NULL, 0);
	for (;;) {
		struct pollfd fds[1 + 3 * MAX_PROCS] = { { .fd = port,
							   .events = POLLIN } };
		int i, busy = 0;

		for (i = 0; i < MAX_PROCS; i++) {
			struct proc *p = &procs[i];
			struct pollfd *f = &fds[1 + 3 * i];

			f[0].fd = p->pid && p->len ? p->in : -1;
			f[0].events = POLLOUT;
			f[1].fd = p->pid ? p->out : -1;
			f[1].events = POLLIN;
			f[2].fd = p->pid ? p->err : -1;
			f[2].events = POLLIN;
			busy |= p->pid != 0;
		}
		/* An end without output is seen at the next turn; 20 ms is soon enough. */
		poll(fds, 1 + 3 * MAX_PROCS, busy ? 20 : 1000);
		for (i = 0; i < MAX_PROCS; i++) {
			struct proc *p = &procs[i];
			struct pollfd *f = &fds[1 + 3 * i];

			if (!p->pid)
				continue;
			if (f[0].revents)
				feed(p);
			if (f[1].revents)
				relay(p, &p->out, 'O');
			if (f[2].revents)
				relay(p, &p->err, 'E');
		}
		reap();
		if (fds[0].revents & POLLIN)
			request();
		else if (fds[0].revents & POLLHUP)
			usleep(10000);
	}
}
