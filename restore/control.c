/* SPDX-License-Identifier: MIT */
/* The control socket: its clients, none of which is ever waited for. */
#include "restore/control.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "restore/ctx.h"
#include "restore/sizes.h"

/*
 * Each client is at one of three points: its request is arriving, its load is
 * under way, or its answer is being read. Only the first and the last have a
 * time limit: how long a load takes is the process's own affair, and the client
 * may go away meanwhile. Events are level-triggered, so a call does one bounded
 * piece of work and the descriptor stays readable while there is more.
 */

#define CLIENTS_DEFAULT 16
#define CLIENTS_MAX 1024
#define CLIENT_MSEC_DEFAULT 5000
#define BACKLOG 64
/* Where a client cannot be let in for want of descriptors or memory, the next look
 * is after so long: meanwhile the loop must not spin. */
#define DEAF_NSEC (NSEC_PER_SEC / 10)
/* Read in one go; also what is kept for a request that is just beginning. */
#define CHUNK (64u << 10)
#define EVENTS 32

/* epoll's names for what is not a client. */
enum {
	ID_LISTEN,
	ID_TIMER,
	ID_STOP,
	ID_CLIENT,
};

struct client {
	int fd;		/* -1: free */
	uint64_t until; /* CLOCK_MONOTONIC, nanoseconds; UINT64_MAX: no limit */
	bool loading;
	bool eof; /* it will send nothing more */
	struct vdpr_buf in;
	size_t searched; /* of @in, without finding the line's end */
	struct vdpr_buf out;
	size_t sent; /* of @out */
};

struct vdpr_control {
	pthread_mutex_t lock; /* recursive: callbacks may report a load's end */
	struct vdpr_ctx *ctx; /* for requests */
	struct vdpr_control_ops ops;
	char *name; /* ops.name */
	struct vdpr_control_opts opts;
	char *path;
	dev_t dev; /* of the socket's file, so that only ours is removed */
	ino_t ino;
	int listen, epoll, timer;
	int stop; /* eventfd that ends the thread; -1: there is none */
	pthread_t thread;
	bool threaded;
	uint64_t
		deaf_until; /* CLOCK_MONOTONIC, ns: nobody is let in; 0: all are */
	bool load_wanted;      /* a load is under way */
	struct client *asking; /* its callback is running; or NULL */
	struct client *client;
	size_t n_clients;
};

/* ------------------------------------------------------------------- clients */

static int watch(struct vdpr_control *c, int op, int fd, uint32_t events,
		 uint64_t id)
{
	struct epoll_event event = { .events = events, .data.u64 = id };

	return epoll_ctl(c->epoll, op, fd, &event) ? -errno : 0;
}

static void drop(struct client *client)
{
	vdpr_close_fd(client->fd); /* which takes it out of epoll, too */
	vdpr_buf_free(&client->in);
	vdpr_buf_free(&client->out);
	*client = (struct client){ .fd = -1 };
}

static uint64_t limit(const struct vdpr_control *c)
{
	return vdpr_now() + c->opts.client_msec * NSEC_PER_MSEC;
}

/* The end of the line at the beginning of what has arrived, or NULL. */
static char *find_end(struct client *client)
{
	char *end = NULL;

	if (client->in.len > client->searched)
		end = memchr(client->in.data + client->searched, '\n',
			     client->in.len - client->searched);
	client->searched = end ? (size_t)(end - client->in.data)
			       : client->in.len;
	return end;
}

/* What it waits for now. */
static uint32_t interest(struct client *client)
{
	if (client->out.len)
		return EPOLLOUT;
	if (client->loading)
		return 0; /* EPOLLHUP and EPOLLERR come all the same */
	return find_end(client) ? EPOLLIN | EPOLLOUT : EPOLLIN;
}

/* Return: false if it is gone. */
static bool send_more(struct client *client)
{
	while (client->sent < client->out.len) {
		ssize_t n = send(client->fd, client->out.data + client->sent,
				 client->out.len - client->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		client->sent += (size_t)n;
	}
	vdpr_buf_free(&client->out);
	client->sent = 0;
	return true;
}

/* Return: false if it is gone or talks too long. */
static bool read_more(struct client *client)
{
	char chunk[CHUNK];
	ssize_t n = recv(client->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		client->eof = true;
		return false;
	}
	vdpr_buf_add(&client->in, chunk, (size_t)n);
	return !vdpr_buf_error(&client->in);
}

static void answer_too_long(struct vdpr_control *c, struct client *client)
{
	vdpr_fail(c->ctx, VDPR_CAUSE_USAGE, -EMSGSIZE,
		  "control: the request is longer than %u bytes",
		  VDPR_CONTROL_REQUEST);
	vdpr_control_put_failure(c->ctx, &client->out);
	client->eof = true; /* and no more from it */
}

/* Answers the line that ends at @end and forgets it. Return: false: drop it. */
static bool answer(struct vdpr_control *c, struct client *client, char *end)
{
	size_t len = (size_t)(end - client->in.data);
	struct vdpr_control_ops ops = c->ops;
	bool load, before = c->load_wanted;
	int ret;

	if (before) { /* one at a time */
		ops.load = NULL;
		ops.waiting = NULL;
	}
	/* Set beforehand: a callback may say the end of its load at once. */
	client->loading = c->load_wanted = true;
	c->asking = client;
	ret = vdpr_control_answer(c->ctx, &ops, client->in.data, len,
				  &client->out, &load);
	c->asking = NULL;
	if (!load) {
		client->loading = false;
		c->load_wanted = before;
	}
	memmove(client->in.data, end + 1, client->in.len - len - 1);
	client->in.len -= len + 1;
	client->searched = 0;
	if (!client->in.len) /* a state's size is not kept for nothing */
		vdpr_buf_free(&client->in);
	client->until = client->loading ? UINT64_MAX : limit(c);
	return !ret;
}

/* One piece of work for one client. Return: false: drop it. */
static bool serve(struct vdpr_control *c, struct client *client)
{
	char *end;

	if (client->out.len && !send_more(client))
		return false;
	if (client->out.len || client->loading)
		return true;
	end = find_end(client);
	if (!end && (client->eof || !read_more(client)))
		return false;
	if (!end)
		end = find_end(client);
	if (end) {
		if (!answer(c, client, end))
			return false;
	} else if (client->in.len > VDPR_CONTROL_REQUEST) {
		answer_too_long(c, client);
	}
	return send_more(client);
}

static void on_client(struct vdpr_control *c, size_t i, uint32_t events)
{
	struct client *client = &c->client[i];
	bool alive = client->fd >= 0;

	if (!alive)
		return;
	/* Gone both ways. One that only ended its sending still reads. */
	if (events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLIN))
		alive = false;
	if (alive && events & (EPOLLIN | EPOLLOUT))
		alive = serve(c, client);
	if (alive && watch(c, EPOLL_CTL_MOD, client->fd, interest(client),
			   ID_CLIENT + i))
		alive = false;
	if (!alive)
		drop(client);
}

/* ----------------------------------------------------------------- accepting */

static bool may_connect(const struct vdpr_control *c, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	return peer.uid == 0 || peer.uid == geteuid() ||
	       (c->opts.flags & VDPR_CONTROL_UID && peer.uid == c->opts.uid);
}

/* A free place, or that of the client whose time is up first: it has kept its
 * request or our answer waiting for longest. NULL: all wait for loads. */
static struct client *find_place(struct vdpr_control *c)
{
	struct client *oldest = &c->client[0];

	for (size_t i = 0; i < c->n_clients; i++) {
		struct client *client = &c->client[i];

		if (client->fd < 0)
			return client;
		if (client->until < oldest->until)
			oldest = client;
	}
	if (oldest->until == UINT64_MAX)
		return NULL;
	drop(oldest);
	return oldest;
}

static void refuse(int fd)
{
	static const char text[] =
		"{\"exit\":4,\"error\":{\"stage\":\"control\",\"text\":"
		"\"control: not for this user, or too many clients\","
		"\"cure\":\"run as root or as the user of the VMM\"}}\n";
	ssize_t n =
		send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);

	(void)n; /* a courtesy */
	vdpr_close_fd(fd);
}

static void set_deaf(struct vdpr_control *c, uint64_t until)
{
	/* Cannot fail: it is watched already. */
	(void)watch(c, EPOLL_CTL_MOD, c->listen, until ? 0 : EPOLLIN,
		    ID_LISTEN);
	c->deaf_until = until;
}

static bool is_shortage(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOMEM ||
	       err == ENOBUFS;
}

static void on_listen(struct vdpr_control *c)
{
	struct client *client;
	int fd = accept4(c->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (is_shortage(errno))
			set_deaf(c, vdpr_now() + DEAF_NSEC);
		return;
	}
	client = may_connect(c, fd) ? find_place(c) : NULL;
	if (!client) {
		refuse(fd);
		return;
	}
	*client = (struct client){ .fd = fd, .until = limit(c) };
	if (watch(c, EPOLL_CTL_ADD, fd, EPOLLIN,
		  ID_CLIENT + (size_t)(client - c->client)))
		drop(client);
}

/* ---------------------------------------------------------------------- time */

/* Drops whoever has had its time, and sets the timer for the next. */
static void drop_late(struct vdpr_control *c)
{
	uint64_t now = vdpr_now(), next = UINT64_MAX;

	if (c->deaf_until && c->deaf_until <= now)
		set_deaf(c, 0);
	if (c->deaf_until)
		next = c->deaf_until;
	for (size_t i = 0; i < c->n_clients; i++) {
		struct client *client = &c->client[i];

		if (client->fd < 0 || client->until == UINT64_MAX)
			continue;
		if (client->until <= now)
			drop(client);
		else if (client->until < next)
			next = client->until;
	}
	/* Setting it takes back that it had run out. It cannot fail. */
	(void)vdpr_timer_set(c->timer, next == UINT64_MAX ? 0 : next);
}

/* ---------------------------------------------------------------- processing */

static int process(struct vdpr_control *c, int timeout)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(c->epoll, events, EVENTS, timeout);
	bool newcomer = false;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < n; i++) {
		uint64_t id = events[i].data.u64;

		newcomer |= id == ID_LISTEN;
		if (id >= ID_CLIENT)
			on_client(c, id - ID_CLIENT, events[i].events);
	}
	/* Last: it may get the place of a client whose event is among these. */
	if (newcomer)
		on_listen(c);
	drop_late(c);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

int vdpr_control_process(struct vdpr_ctx *ctx, struct vdpr_control *control)
{
	int ret;

	if (vdpr_any_null(ctx, control))
		return -EINVAL;
	if (control->threaded)
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "%s: a thread serves it", control->path);
	ret = process(control, 0);
	return ret ? vdpr_fail(ctx, VDPR_CAUSE_OTHER, ret, "%s: epoll_wait: %s",
			       control->path, strerror(-ret))
		   : 0;
}

int vdpr_control_fd(const struct vdpr_control *control)
{
	if (!control)
		return -EINVAL;
	return control->threaded ? -1 : control->epoll;
}

/* The answer leaves at once: after a failure the process may end before it serves
 * us again. Whose callback it is that reports the end is sent its answer, or
 * dropped, behind that. */
static void send_report(struct vdpr_control *c, struct client *client)
{
	if (client == c->asking)
		return;
	if (vdpr_buf_error(&client->out) || !send_more(client) ||
	    watch(c, EPOLL_CTL_MOD, client->fd, interest(client),
		  ID_CLIENT + (size_t)(client - c->client)))
		drop(client);
}

int vdpr_control_loaded(struct vdpr_ctx *ctx, struct vdpr_control *control,
			int result, const struct vdpr_report *report)
{
	int ret = -ENODATA;

	if (vdpr_any_null(ctx, control))
		return -EINVAL;
	pthread_mutex_lock(&control->lock);
	if (control->load_wanted)
		ret = 0;
	control->load_wanted = false;
	for (size_t i = 0; i < control->n_clients; i++) {
		struct client *client = &control->client[i];

		if (client->fd < 0 || !client->loading)
			continue;
		client->loading = false;
		client->until = limit(control);
		vdpr_control_put_report(ctx, result, report, &client->out);
		send_report(control, client);
	}
	pthread_mutex_unlock(&control->lock);
	return ret;
}

/* -------------------------------------------------------------------- thread */

static void *serve_for_ever(void *data)
{
	struct vdpr_control *c = data;
	uint64_t count;

	while (read(c->stop, &count, sizeof(count)) < 0) {
		/* A failing epoll_wait() must not become a busy loop. */
		if (process(c, -1) && usleep(100000))
			continue;
	}
	return NULL;
}

static int start_thread(struct vdpr_control *c)
{
	sigset_t all, before;
	int ret;

	if (!(c->opts.flags & VDPR_CONTROL_THREAD))
		return 0;
	c->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->stop < 0)
		return -errno;
	ret = watch(c, EPOLL_CTL_ADD, c->stop, EPOLLIN, ID_STOP);
	if (ret)
		return ret;
	/* Signals are the program's, not of a thread it knows nothing about. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = -pthread_create(&c->thread, NULL, serve_for_ever, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->threaded = !ret;
	return ret;
}

static void stop_thread(struct vdpr_control *c)
{
	const uint64_t one = 1;
	ssize_t n;

	if (!c->threaded)
		return;
	n = write(c->stop, &one, sizeof(one));
	(void)n; /* an eventfd has room for a one */
	pthread_join(c->thread, NULL);
}

/* ----------------------------------------------------------------- new, free */

/* @path: check_path() has passed it. */
static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, path, strlen(path));
	return address;
}

static int bind_to(int fd, const char *path)
{
	struct sockaddr_un address = address_of(path);

	return bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno
								      : 0;
}

/* Does nobody listen on the socket that is there? */
static bool is_left_over(const char *path)
{
	struct sockaddr_un address = address_of(path);
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd >= 0 &&
	       connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
	       errno == ECONNREFUSED;
}

/* The file of a bound socket has the mode of the socket, so that no other user
 * can connect in between, whatever the umask is. */
static int listen_on(struct vdpr_control *c)
{
	struct stat st;
	int ret;

	c->listen =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->listen < 0 || fchmod(c->listen, 0600))
		return -errno;
	ret = bind_to(c->listen, c->path);
	if (ret == -EADDRINUSE && is_left_over(c->path)) {
		(void)unlink(c->path); /* bind() says it if that failed */
		ret = bind_to(c->listen, c->path);
	}
	if (ret)
		return ret;
	if (lstat(c->path, &st))
		return -errno;
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	return listen(c->listen, BACKLOG) ? -errno : 0;
}

static int open_all(struct vdpr_control *c)
{
	int ret;

	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		return -errno;
	c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->timer < 0)
		return -errno;
	ret = listen_on(c);
	if (!ret)
		ret = watch(c, EPOLL_CTL_ADD, c->listen, EPOLLIN, ID_LISTEN);
	if (!ret)
		ret = watch(c, EPOLL_CTL_ADD, c->timer, EPOLLIN, ID_TIMER);
	return ret ? ret : start_thread(c);
}

static int take_opts(struct vdpr_ctx *ctx, struct vdpr_control *c,
		     const struct vdpr_control_opts *opts)
{
	struct vdpr_control_opts *o = &c->opts;

	if (opts && vdpr_struct_take(o, sizeof(*o), opts, VDPR_LEAST_CONTROL))
		return vdpr_fail_size(ctx, "control", "options", opts->size);
	if (o->flags & ~(VDPR_CONTROL_THREAD | VDPR_CONTROL_UID) ||
	    o->clients > CLIENTS_MAX)
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "control: options: flags 0x%x, %u clients: "
				 "not known, or too many",
				 o->flags, o->clients);
	if (!o->clients)
		o->clients = CLIENTS_DEFAULT;
	if (!o->client_msec)
		o->client_msec = CLIENT_MSEC_DEFAULT;
	return 0;
}

static int take_ops(struct vdpr_ctx *ctx, struct vdpr_control *c,
		    const struct vdpr_control_ops *ops)
{
	if (ops && vdpr_struct_take(&c->ops, sizeof(c->ops), ops,
				    VDPR_LEAST_CONTROL_OPS))
		return vdpr_fail_size(ctx, "control", "ops", ops->size);
	if (!c->ops.save && !c->ops.load && !c->ops.shadow)
		return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "control: neither save, load nor shadow is "
				 "given");
	if (!c->ops.name)
		return 0;
	c->name = strdup(c->ops.name);
	c->ops.name = c->name;
	return c->name ? 0 : vdpr_fail_memory(ctx);
}

static int check_path(struct vdpr_ctx *ctx, const char *path)
{
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (*path && strlen(path) <= most)
		return 0;
	return vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
			 "control: %s: the path of a socket has 1 to %zu bytes",
			 path, most);
}

static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

static int make_clients(struct vdpr_control *c)
{
	c->client = calloc(c->opts.clients, sizeof(*c->client));
	if (!c->client)
		return -ENOMEM;
	c->n_clients = c->opts.clients;
	for (size_t i = 0; i < c->n_clients; i++)
		c->client[i].fd = -1;
	return 0;
}

static int set_up(struct vdpr_ctx *ctx, struct vdpr_control *c,
		  const struct vdpr_control_ops *ops,
		  const struct vdpr_control_opts *opts)
{
	int ret = take_opts(ctx, c, opts);

	if (!ret)
		ret = take_ops(ctx, c, ops);
	if (ret)
		return ret;
	ret = make_clients(c);
	if (!ret)
		ret = vdpr_ctx_new(&c->ctx);
	if (ret)
		return vdpr_fail_memory(ctx);
	ret = open_all(c);
	if (!ret)
		return 0;
	vdpr_fail(ctx, vdpr_cause_of(ret), ret, "%s: control socket: %s",
		  c->path, strerror(-ret));
	if (ret == -EADDRINUSE)
		vdpr_cure(ctx, "another process listens there, or it is no "
			       "socket: give another path");
	return ret;
}

int vdpr_control_new(struct vdpr_ctx *ctx, const char *path,
		     const struct vdpr_control_ops *ops,
		     const struct vdpr_control_opts *opts,
		     struct vdpr_control **out)
{
	struct vdpr_control *c;
	int ret;

	if (vdpr_any_null(ctx, path, ops, out))
		return -EINVAL;
	ret = check_path(ctx, path);
	if (ret)
		return ret;
	c = calloc(1, sizeof(*c));
	if (!c)
		return vdpr_fail_memory(ctx);
	c->listen = c->epoll = c->timer = c->stop = -1;
	init_lock(&c->lock);
	c->path = strdup(path);
	ret = c->path ? set_up(ctx, c, ops, opts) : vdpr_fail_memory(ctx);
	if (ret) {
		vdpr_control_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

/* Ours only: another process may have put its own there. */
static void remove_socket(const struct vdpr_control *c)
{
	struct stat st;

	if (c->ino && !lstat(c->path, &st) && st.st_dev == c->dev &&
	    st.st_ino == c->ino)
		(void)unlink(c->path);
}

/* As much of an answer as its client takes without being waited for. */
static void send_last(struct client *client)
{
	if (client->out.len && !vdpr_buf_error(&client->out))
		(void)send_more(client);
	drop(client);
}

void vdpr_control_free(struct vdpr_control *control)
{
	if (!control)
		return;
	stop_thread(control);
	for (size_t i = 0; i < control->n_clients; i++)
		send_last(&control->client[i]);
	if (control->path)
		remove_socket(control);
	vdpr_close_fd(control->listen);
	vdpr_close_fd(control->timer);
	vdpr_close_fd(control->stop);
	vdpr_close_fd(control->epoll);
	vdpr_ctx_free(control->ctx);
	pthread_mutex_destroy(&control->lock);
	free(control->client);
	free(control->name);
	free(control->path);
	free(control);
}
