/* SPDX-License-Identifier: MIT */
/* Tests of the control socket: what it answers, and whom it does not let in. */
#include "restore/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "restore/ctx.h"
#include "restore/state.h"
#include "tests/bad-clients.h"
#include "tests/faults/inject.h"
#include "tests/texts.h"

#define SEC 1000000000ull
#define NOBODY 65534u

static const char state_text[] =
	"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1,"
	"\"features\":{\"offered\":\"0x1000a0000\","
	"\"negotiated\":\"0x1000a0000\"},\"config\":{},"
	"\"vlan\":{\"ids\":[5,7]},\"unknown\":[]}\n";

/* A process with a device, and what it was asked. */
struct world {
	struct vdpr_ctx *ctx;
	struct vdpr_control *control;
	char folder[32], path[64];
	bool waiting;
	bool at_once; /* a load ends within its callback */
	int load_result;
	int save_result;
	struct vdpr_state *loaded;
	unsigned int n_saves;
	atomic_uint loads;
	const char *origin; /* of the rings that a save tells; NULL: none */
};

static int on_save(void *data, struct vdpr_ctx *ctx, struct vdpr_state **out)
{
	struct world *w = data;

	int ret;

	w->n_saves++;
	if (w->save_result)
		return w->save_result; /* no message */
	ret = vdpr_state_parse(ctx, state_text, strlen(state_text), out);
	if (!ret && w->origin) {
		(*out)->has_vrings = true;
		ret = vdpr_state_set_origin(ctx, *out, "shadow");
	}
	return ret || !w->origin ? ret
				 : vdpr_origin_set(*out, "vrings", w->origin);
}

static int on_load(void *data, struct vdpr_ctx *ctx, struct vdpr_state *state)
{
	struct world *w = data;

	if (w->load_result == -ENOSPC)
		return w->load_result; /* no message */
	if (w->load_result)
		return vdpr_fail(ctx, VDPR_CAUSE_REFUSED, w->load_result,
				 "this state is not for us");
	vdpr_state_free(w->loaded);
	w->loaded = state;
	w->loads++;
	if (w->at_once)
		assert_int_equal(
			vdpr_control_loaded(w->ctx, w->control, 0, NULL), 0);
	return 0;
}

static bool on_waiting(void *data)
{
	return ((struct world *)data)->waiting;
}

static struct vdpr_control_ops ops_of(struct world *w)
{
	struct vdpr_control_ops ops = VDPR_INIT(struct vdpr_control_ops);

	ops.data = w;
	ops.name = "vdpa0";
	ops.save = on_save;
	ops.load = on_load;
	ops.waiting = on_waiting;
	return ops;
}

static int listen_with(struct world *w, unsigned int flags, uint32_t msec)
{
	struct vdpr_control_opts opts = VDPR_INIT(struct vdpr_control_opts);
	struct vdpr_control_ops ops = ops_of(w);

	opts.flags = flags;
	opts.client_msec = msec;
	return vdpr_control_new(w->ctx, w->path, &ops, &opts, &w->control);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	strcpy(w->folder, "/tmp/vdpr-control-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/socket", w->folder);
	assert_int_equal(vdpr_ctx_new(&w->ctx), 0);
	w->waiting = true;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	vdpr_control_free(w->control);
	vdpr_state_free(w->loaded);
	vdpr_ctx_free(w->ctx);
	assert_int_equal(access(w->path, F_OK), -1);
	assert_int_equal(rmdir(w->folder), 0);
	free(w);
	return 0;
}

/* Lets the process's loop run until nothing has come for @msec. */
static void serve(struct world *w, int msec)
{
	struct pollfd fd = { .fd = vdpr_control_fd(w->control),
			     .events = POLLIN };

	/* So many pieces of work are never needed: it would turn for ever. */
	for (unsigned int i = 0; poll(&fd, 1, msec) > 0; i++) {
		assert_true(i < 100000);
		assert_int_equal(vdpr_control_process(w->ctx, w->control), 0);
	}
}

/* ---------------------------------------------------------------- raw clients */

static int dial(struct world *w)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, w->path);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
				    sizeof(patience)),
			 0);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* What there is to read, up to a line's end. */
static const char *hear(int fd)
{
	static char text[8192];
	size_t len = 0;

	do {
		ssize_t n = recv(fd, text + len, 1, 0);

		if (n <= 0)
			break;
		len++;
	} while (text[len - 1] != '\n' && len < sizeof(text) - 1);
	text[len] = '\0';
	return text;
}

/* One request, its answer. */
static const char *ask(struct world *w, const char *request)
{
	int fd = dial(w);
	const char *answer;

	say(fd, request);
	serve(w, 20);
	answer = hear(fd);
	close(fd);
	serve(w, 20);
	return answer;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no %s in %s", part, text);
}

/* ------------------------------------------------------------------- requests */

/* STATE stands for the state that is held, OTHER for one with another VLAN. */
static char *fill_in(const char *request)
{
	const char *word = strstr(request, "STATE") ? "STATE" : "OTHER";
	char line[sizeof(state_text)];

	strcpy(line, state_text);
	line[strlen(line) - 1] = '\0';
	if (!strcmp(word, "OTHER"))
		*strchr(strstr(line, "[5"), '5') = '6';
	return strstr(request, word) ? vdpr_test_edit(request, word, line)
				     : strdup(request);
}

static void requests_are_answered(void **state)
{
	static const char *const table[][2] = {
		{ "{\"command\":\"save\"}\n",
		  "{\"exit\":0,\"error\":null,\"state\":{" },
		{ "{\"command\": \"show\" }\n", "\"device\":\"vdpa0\"" },
		{ "{\"command\":\"show\"}\n", "\"waiting\":true" },
		{ "{\"command\":\"counts\"}\n", "\"counts\":null" },
		{ "{\"command\":\"verify\",\"state\":STATE}\n",
		  "\"exit\":0,\"error\":null,\"same\":true" },
		{ "{\"command\":\"verify\",\"rings\":true,\"state\":OTHER}\n",
		  "\"exit\":3,\"error\":null,\"same\":false" },
		{ "{\"command\":\"verify\",\"state\":OTHER}\n",
		  "{\"section\":\"vlan\",\"result\":\"differs\",\"a\":" },
		{ "{\"command\":\"verify\"}\n", "\"exit\":2" },
		{ "{\"command\":\"verify\",\"state\":{}}\n", "\"exit\":7" },
		{ "{\"command\":\"reboot\"}\n", "\"exit\":2" },
		{ "{\"command\":\"save\",\"rings\":1}\n", "\"exit\":2" },
		{ "{\"command\":\"save\",\"more\":1}\n",
		  "\"control: the request has a key that is not known: \\\"more\\\"\"" },
		{ "{\"command\":\"save\",\"rings\":true}\n",
		  "\"exit\":2,\"error\":{\"stage\":\"control\",\"text\":"
		  "\"control: save takes no \\\"rings\\\"\"" },
		{ "{\"command\":\"load\",\"rings\":true,\"state\":{}}\n",
		  "\"control: load takes no \\\"rings\\\"\"" },
		{ "{\"command\":\"show\",\"state\":1}\n",
		  "\"exit\":2,\"error\":{\"stage\":\"control\",\"text\":"
		  "\"control: the request's \\\"state\\\" is no object\"" },
		{ "{\"command\":\"show\",\"state\":STATE}\n",
		  "\"control: show takes no \\\"state\\\"\"" },
		{ "{\"command\":\"counts\",\"state\":STATE}\n",
		  "\"control: counts takes no \\\"state\\\"\"" },
		{ "{\"command\":\"save\",\"state\":STATE}\n",
		  "\"control: save takes no \\\"state\\\"\"" },
		{ "{\"command\":\"verify\",\"state\":null}\n",
		  "\"control: the request's \\\"state\\\" is no object\"" },
		{ "{\"command\":1}\n",
		  "\"control: the request's \\\"command\\\" is no string\"" },
		{ "{}\n", "\"exit\":2" },
		{ "[]\n", "\"exit\":2" },
		{ "\n", "\"exit\":2" },
		{ "save\n", "\"exit\":2" },
		{ "{\"command\":\"save\",\"command\":\"load\"}\n",
		  "\"exit\":2" },
	};
	struct world *w = *state;

	assert_int_equal(listen_with(w, 0, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char *request = fill_in(table[i][0]);

		assert_has(ask(w, request), table[i][1]);
		free(request);
	}
}

static void who_waits_for_a_state_says_so(void **state)
{
	static const char text[] =
		"{\"exit\":1,\"error\":{\"stage\":\"control\",\"text\":\"vdpa0: "
		"this process waits for a state, nothing is recorded yet\"";
	char *verify = fill_in("{\"command\":\"verify\",\"state\":STATE}\n");
	struct world *w = *state;

	w->save_result = -ENODATA;
	assert_int_equal(listen_with(w, 0, 0), 0);
	assert_has(ask(w, "{\"command\":\"save\"}\n"), text);
	assert_has(ask(w, verify), text);
	assert_has(ask(w, "{\"command\":\"show\"}\n"),
		   "\"waiting\":true,\"counts\":null,\"state\":null");
	/* Another reason stays as it is, and so does this one without waiting. */
	w->save_result = -EIO;
	assert_has(ask(w, "{\"command\":\"save\"}\n"), strerror(EIO));
	w->save_result = -ENODATA;
	w->waiting = false;
	assert_has(ask(w, "{\"command\":\"save\"}\n"), strerror(ENODATA));
	free(verify);
}

static void requests_in_a_row_are_answered_in_their_order(void **state)
{
	struct world *w = *state;
	int fd;

	assert_int_equal(listen_with(w, 0, 0), 0);
	fd = dial(w);
	say(fd, "{\"command\":\"counts\"}\n{\"command\":\"save\"}\n{\"comm");
	serve(w, 20);
	assert_has(hear(fd), "\"counts\"");
	serve(w, 20);
	assert_has(hear(fd), "\"state\"");
	say(fd, "and\":\"show\"}\n");
	serve(w, 20);
	assert_has(hear(fd), "\"device\"");
	/* It has said all and still wants to hear. */
	say(fd, "{\"command\":\"counts\"}\n");
	shutdown(fd, SHUT_WR);
	serve(w, 20);
	assert_has(hear(fd), "\"counts\"");
	assert_string_equal(hear(fd), "");
	close(fd);
}

static void load_is_answered_when_the_restore_has_ended(void **state)
{
	struct world *w = *state;
	char line[512];
	int fd, other;

	assert_int_equal(listen_with(w, 0, 50), 0);
	assert_int_equal(vdpr_control_loaded(w->ctx, w->control, 0, NULL),
			 -ENODATA);
	snprintf(line, sizeof(line), "{\"command\":\"load\",\"state\":%.*s}\n",
		 (int)strlen(state_text) - 1, state_text);
	fd = dial(w);
	say(fd, line);
	serve(w, 150); /* longer than a client may be silent */
	assert_non_null(w->loaded);
	assert_int_equal(recv(fd, line + 500, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	/* One at a time. */
	other = dial(w);
	say(other, line);
	serve(w, 20);
	assert_has(hear(other), "\"exit\":4");
	close(other);
	vdpr_fail(w->ctx, VDPR_CAUSE_DEVICE, -EPROTO, "device refused X");
	assert_int_equal(vdpr_control_loaded(w->ctx, w->control, -EPROTO, NULL),
			 0);
	serve(w, 20);
	assert_has(hear(fd), "\"exit\":5,\"error\":{\"stage\":\"control\","
			     "\"text\":\"device refused X\"");
	close(fd);
	assert_int_equal(vdpr_control_loaded(w->ctx, w->control, 0, NULL),
			 -ENODATA);
	w->at_once = true;
	assert_has(ask(w, line), "{\"exit\":0,\"error\":null}");
	w->load_result = -ENOTSUP;
	assert_has(ask(w, line), "this state is not for us");
	w->load_result = -ENOSPC;
	assert_has(ask(w, line),
		   "\"exit\":1,\"error\":{\"stage\":\"control\","
		   "\"text\":\"control: No space left on device\"");
	w->waiting = false;
	assert_has(ask(w, line), "does not wait for a state");
}

static void who_loads_may_go_away(void **state)
{
	struct world *w = *state;
	char line[512];
	int fd;

	assert_int_equal(listen_with(w, 0, 0), 0);
	snprintf(line, sizeof(line), "{\"command\":\"load\",\"state\":%.*s}\n",
		 (int)strlen(state_text) - 1, state_text);
	fd = dial(w);
	say(fd, line);
	serve(w, 20);
	close(fd);
	serve(w, 20);
	assert_int_equal(vdpr_control_loaded(w->ctx, w->control, 0, NULL), 0);
}

/* A process whose restore has failed need not turn its loop once more. */
static void end_of_a_load_is_heard_though_the_process_ends(void **state)
{
	static const unsigned int flags[] = { 0, VDPR_CONTROL_THREAD };
	struct world *w = *state;
	char line[512];

	snprintf(line, sizeof(line), "{\"command\":\"load\",\"state\":%.*s}\n",
		 (int)strlen(state_text) - 1, state_text);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		int fd;

		assert_int_equal(listen_with(w, flags[i], 0), 0);
		fd = dial(w);
		say(fd, line);
		for (int n = 0; n < 500 && !w->loads; n++) {
			if (flags[i])
				usleep(10000);
			else
				serve(w, 10);
		}
		vdpr_fail(w->ctx, VDPR_CAUSE_REFUSED, -ENOTSUP, "no RSS");
		assert_int_equal(
			vdpr_control_loaded(w->ctx, w->control, -ENOTSUP, NULL),
			0);
		vdpr_control_free(w->control);
		w->control = NULL;
		w->loads = 0;
		assert_has(hear(fd), "\"exit\":3,\"error\":{\"stage\":"
				     "\"control\",\"text\":\"no RSS\"");
		close(fd);
	}
}

/* -------------------------------------------------------------- the other side */

struct asking {
	const char *path;
	int ret;
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	char *answer;
};

static void *ask_in_thread(void *data)
{
	struct asking *a = data;

	a->ret = vdpr_control_save(a->ctx, a->path, vdpr_now() + 5 * SEC, 0,
				   &a->state);
	return NULL;
}

static void *load_in_thread(void *data)
{
	struct asking *a = data;

	a->ret = vdpr_control_request(a->ctx, a->path, "load", a->state,
				      vdpr_now() + 5 * SEC, 0, &a->answer);
	return NULL;
}

static void library_asks_itself(void **state)
{
	struct world *w = *state;
	struct asking a = { .path = w->path };
	pthread_t thread;

	assert_int_equal(vdpr_ctx_new(&a.ctx), 0);
	assert_int_equal(listen_with(w, 0, 0), 0);
	pthread_create(&thread, NULL, ask_in_thread, &a);
	serve(w, 300);
	pthread_join(thread, NULL);
	assert_int_equal(a.ret, 0);
	assert_non_null(a.state);
	w->at_once = true;
	pthread_create(&thread, NULL, load_in_thread, &a);
	serve(w, 300);
	pthread_join(thread, NULL);
	assert_int_equal(a.ret, 0);
	assert_string_equal(a.answer, "{\"exit\":0,\"error\":null}");
	assert_int_equal(
		vdpr_state_compare(w->ctx, a.state, w->loaded, 0, NULL, NULL),
		0);
	free(a.answer);
	a.answer = NULL;
	w->waiting = false;
	pthread_create(&thread, NULL, load_in_thread, &a);
	serve(w, 300);
	pthread_join(thread, NULL);
	assert_int_equal(a.ret, -EREMOTEIO);
	assert_int_equal(vdpr_ctx_cause(a.ctx), VDPR_CAUSE_ACCESS);
	free(a.answer);
	vdpr_state_free(a.state);
	vdpr_ctx_free(a.ctx);
}

/* The positions of the rings are from somewhere: all else is from this process. */
static void origin_is_the_socket_s_but_for_positions(void **state)
{
	static const struct {
		const char *said, *origin;
	} table[] = {
		{ "device", "device" },
		{ "guest-used-index", "guest-used-index" },
		{ "shadow", NULL },
	};
	struct world *w = *state;
	struct asking a = { .path = w->path };
	char socket[80];

	snprintf(socket, sizeof(socket), "control:%s", w->path);
	assert_int_equal(vdpr_ctx_new(&a.ctx), 0);
	assert_int_equal(listen_with(w, 0, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		pthread_t thread;

		w->origin = table[i].said;
		pthread_create(&thread, NULL, ask_in_thread, &a);
		serve(w, 300);
		pthread_join(thread, NULL);
		assert_int_equal(a.ret, 0);
		assert_string_equal(vdpr_origin_get(a.state, "vrings"),
				    table[i].origin ? table[i].origin : socket);
		assert_string_equal(vdpr_origin_get(a.state, "vlan"), socket);
		vdpr_state_free(a.state);
	}
	vdpr_ctx_free(a.ctx);
}

static void thread_of_the_library_serves(void **state)
{
	struct world *w = *state;
	struct asking a = { .path = w->path };

	assert_int_equal(vdpr_ctx_new(&a.ctx), 0);
	assert_int_equal(listen_with(w, VDPR_CONTROL_THREAD, 0), 0);
	assert_int_equal(vdpr_control_fd(w->control), -1);
	assert_int_equal(vdpr_control_process(w->ctx, w->control), -EINVAL);
	for (int i = 0; i < 20; i++) {
		ask_in_thread(&a);
		assert_int_equal(a.ret, 0);
		vdpr_state_free(a.state);
	}
	vdpr_ctx_free(a.ctx);
}

/* A server of one answer. */
struct talker {
	const char *text;
	int listen_fd;
};

static void *talk(void *data)
{
	const struct talker *talker = data;
	const char *text = talker->text;
	int fd = accept(talker->listen_fd, NULL, NULL);
	char request[256];

	(void)!recv(fd, request, sizeof(request), 0);
	if (*text) {
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static void bad_servers_are_told_from_each_other(void **state)
{
	static const struct {
		const char *text; /* "": says nothing */
		int ret;
		enum vdpr_cause cause;
	} table[] = {
		{ "", -ETIME, VDPR_CAUSE_DEADLINE },
		{ "hello\n", -EBADMSG, VDPR_CAUSE_INPUT },
		{ "{}\n", -EBADMSG, VDPR_CAUSE_INPUT },
		{ "{\"exit\":9}\n", -EBADMSG, VDPR_CAUSE_INPUT },
		{ "{\"exit\":0}\n", -EBADMSG, VDPR_CAUSE_INPUT },
		{ "{\"exit\":0,\"state\":{}}\n", -EBADMSG, VDPR_CAUSE_INPUT },
		{ "{\"exit\":5,\"error\":{}}\n", -EREMOTEIO,
		  VDPR_CAUSE_DEVICE },
		{ "{\"exit\":0", -EPIPE, VDPR_CAUSE_OTHER },
	};
	struct world *w = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, w->path);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		struct vdpr_state *got = NULL;
		struct talker talker = { table[i].text, fd };
		pthread_t thread;

		assert_int_equal(
			bind(fd, (struct sockaddr *)&address, sizeof(address)),
			0);
		assert_int_equal(listen(fd, 1), 0);
		pthread_create(&thread, NULL, talk, &talker);
		assert_int_equal(vdpr_control_save(w->ctx, w->path,
						   vdpr_now() + SEC / 3, 0,
						   &got),
				 table[i].ret);
		assert_int_equal(vdpr_ctx_cause(w->ctx), table[i].cause);
		pthread_join(thread, NULL);
		close(fd);
		unlink(w->path);
	}
	assert_int_equal(vdpr_control_save(w->ctx, w->path, 0, 0, &w->loaded),
			 -ENOENT);
}

/* Judged before there is anybody to ask. */
static void what_cannot_be_asked_is_misuse(void **state)
{
	static const struct {
		const char *command;
		bool state;
		int ret;
	} table[] = {
		{ "zzz", false, -EINVAL },    { "", false, -EINVAL },
		{ NULL, false, -EINVAL },     { "load", false, -EINVAL },
		{ "verify", false, -EINVAL }, { "save", true, -EINVAL },
		{ "save", false, -ENOENT },   { "show", false, -ENOENT },
		{ "counts", false, -ENOENT }, { "load", true, -ENOENT },
		{ "verify", true, -ENOENT },
	};
	struct world *w = *state;
	struct vdpr_state *s = NULL;

	assert_int_equal(on_save(w, w->ctx, &s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char *answer = NULL;

		assert_int_equal(vdpr_control_request(w->ctx, w->path,
						      table[i].command,
						      table[i].state ? s : NULL,
						      0, 0, &answer),
				 table[i].ret);
		assert_null(answer);
		assert_int_equal(vdpr_ctx_cause(w->ctx),
				 table[i].ret == -EINVAL ? VDPR_CAUSE_USAGE
							 : VDPR_CAUSE_OTHER);
	}
	vdpr_state_free(s);
}

/* ------------------------------------------------------------------ the socket */

static void socket_is_for_its_user_alone(void **state)
{
	struct world *w = *state;
	mode_t mask = umask(0);
	struct stat st;

	assert_int_equal(listen_with(w, 0, 0), 0);
	umask(mask);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void left_over_socket_is_replaced_and_a_living_one_is_not(void **state)
{
	struct world *w = *state;
	struct world second = *w;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, w->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	close(fd);
	assert_int_equal(listen_with(w, 0, 0), 0);
	assert_int_equal(listen_with(&second, 0, 0), -EADDRINUSE);
	assert_has(ask(w, "{\"command\":\"counts\"}\n"), "\"exit\":0");
	/* Somebody's own file in its place stays. */
	assert_int_equal(unlink(w->path), 0);
	close(open(w->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(listen_with(&second, 0, 0), -EADDRINUSE);
	vdpr_control_free(w->control);
	w->control = NULL;
	assert_int_equal(access(w->path, F_OK), 0);
	unlink(w->path);
}

static void bad_options_are_refused(void **state)
{
	struct world *w = *state;
	struct vdpr_control_ops ops = ops_of(w);
	struct vdpr_control_ops none = VDPR_INIT(struct vdpr_control_ops);
	struct vdpr_control_opts opts = VDPR_INIT(struct vdpr_control_opts);
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(
		vdpr_control_new(w->ctx, path, &ops, NULL, &w->control),
		-EINVAL);
	assert_int_equal(vdpr_control_new(w->ctx, "", &ops, NULL, &w->control),
			 -EINVAL);
	assert_int_equal(
		vdpr_control_new(w->ctx, w->path, &none, NULL, &w->control),
		-EINVAL);
	opts.flags = 1u << 9;
	assert_int_equal(
		vdpr_control_new(w->ctx, w->path, &ops, &opts, &w->control),
		-EINVAL);
	assert_null(w->control);
}

/* What another user hears: 0 nothing at all, 1 a refusal, 2 an answer, 3 the
 * connection is refused. */
static int as_another_user(struct world *w)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char text[256] = "";
	pid_t child = fork();
	int status, fd;

	assert_true(child >= 0);
	if (child) {
		serve(w, 500);
		assert_int_equal(waitpid(child, &status, 0), child);
		return WEXITSTATUS(status);
	}
	strcpy(address.sun_path, w->path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(9);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		_exit(3);
	(void)!send(fd, "{\"command\":\"counts\"}\n", 21, MSG_NOSIGNAL);
	if (recv(fd, text, sizeof(text) - 1, 0) <= 0)
		_exit(0);
	_exit(strstr(text, "\"exit\":4") ? 1 : 2);
}

/* The same by the library's client: however quickly it is hung up on, it hears the
 * reason. Return: 0, or how often it did not. */
static int unheard_by_another_user(struct world *w)
{
	struct vdpr_ctx *ctx;
	pid_t child = fork();
	int status, unheard = 0;

	assert_true(child >= 0);
	if (child) {
		serve(w, 1000);
		assert_int_equal(waitpid(child, &status, 0), child);
		return WEXITSTATUS(status);
	}
	if (setgid(NOBODY) || setuid(NOBODY) || vdpr_ctx_new(&ctx))
		_exit(99);
	for (int i = 0; i < 60; i++)
		unheard += vdpr_control_request(ctx, w->path, "counts", NULL, 0,
						0, NULL) != -EREMOTEIO ||
			   vdpr_ctx_cause(ctx) != VDPR_CAUSE_ACCESS;
	_exit(unheard);
}

static void other_users_are_not_let_in(void **state)
{
	struct world *w = *state;
	struct vdpr_control_opts opts = VDPR_INIT(struct vdpr_control_opts);
	struct vdpr_control_ops ops = ops_of(w);

	if (geteuid() != 0) {
		print_message("needs root to become another user\n");
		skip();
	}
	assert_int_equal(chmod(w->folder, 0755), 0);
	assert_int_equal(listen_with(w, 0, 0), 0);
	assert_int_equal(as_another_user(w), 3);
	/* Even where the file's mode is opened. */
	assert_int_equal(chmod(w->path, 0666), 0);
	assert_int_equal(as_another_user(w), 1);
	assert_int_equal(unheard_by_another_user(w), 0);
	vdpr_control_free(w->control);
	opts.flags = VDPR_CONTROL_UID;
	opts.uid = NOBODY;
	assert_int_equal(
		vdpr_control_new(w->ctx, w->path, &ops, &opts, &w->control), 0);
	assert_int_equal(chmod(w->path, 0666), 0);
	assert_int_equal(as_another_user(w), 2);
}

/* --------------------------------------------------------------- bad company */

static void a_hundred_bad_clients_harm_nobody(void **state)
{
	struct world *w = *state;
	unsigned int rounds = 0;
	size_t before;
	int fds[BAD_CLIENTS];
	uint64_t until;

	assert_int_equal(listen_with(w, 0, 300), 0);
	before = inject_fds();
	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = bad_client(w->path, i);
		assert_true(fds[i] >= 0 || i % BAD_MANNERS == 5);
		assert_int_equal(vdpr_control_process(w->ctx, w->control), 0);
		/* No more of them in here than there are places. */
		assert_true(inject_fds() <= before + (i + 1) + 16);
	}
	/* A good one among them is served all the same. */
	assert_has(ask(w, "{\"command\":\"counts\"}\n"), "\"exit\":0");
	/* They are gone in time, and meanwhile no call has kept the loop. */
	until = vdpr_now() + 5 * SEC;
	while (vdpr_now() < until && rounds < 100) {
		uint64_t start = vdpr_now();

		serve(w, 10);
		rounds++;
		assert_true(vdpr_now() - start < 2 * SEC);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] < 0)
			continue;
		assert_true(bad_client_is_out(fds[i]));
		close(fds[i]);
	}
	assert_int_equal(inject_fds(), before);
}

/* Out of descriptors: who waits is let in when there are some, and meanwhile the loop
 * has nothing to do. */
static void without_descriptors_the_loop_does_not_spin(void **state)
{
	struct world *w = *state;
	struct rlimit before, none;
	struct pollfd fd;
	unsigned int calls = 0;
	uint64_t until;
	int client;

	assert_int_equal(listen_with(w, 0, 0), 0);
	client = dial(w);
	say(client, "{\"command\":\"counts\"}\n");
	fd = (struct pollfd){ vdpr_control_fd(w->control), POLLIN, 0 };
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	until = vdpr_now() + SEC / 4;
	/* poll() itself wants no more of them than the limit allows. */
	while (vdpr_now() < until) {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		if (poll(&fd, 1, 10) > 0)
			calls++;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		assert_int_equal(vdpr_control_process(w->ctx, w->control), 0);
	}
	assert_true(calls > 0 && calls <= 8);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	serve(w, 300);
	assert_has(hear(client), "\"exit\":0");
	close(client);
}

static void endless_request_is_cut_off(void **state)
{
	static char chunk[1u << 16];
	struct world *w = *state;
	size_t sent = 0;
	int fd;

	assert_int_equal(listen_with(w, 0, 0), 0);
	memset(chunk, ' ', sizeof(chunk));
	fd = dial(w);
	while (sent < 2 * VDPR_CONTROL_REQUEST) {
		ssize_t n = send(fd, chunk, sizeof(chunk),
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		serve(w, 0);
	}
	assert_true(sent < VDPR_CONTROL_REQUEST + (1u << 20));
	assert_has(hear(fd), "\"exit\":2");
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(requests_are_answered),
		T(who_waits_for_a_state_says_so),
		T(requests_in_a_row_are_answered_in_their_order),
		T(load_is_answered_when_the_restore_has_ended),
		T(who_loads_may_go_away),
		T(end_of_a_load_is_heard_though_the_process_ends),
		T(library_asks_itself),
		T(origin_is_the_socket_s_but_for_positions),
		T(thread_of_the_library_serves),
		T(bad_servers_are_told_from_each_other),
		T(what_cannot_be_asked_is_misuse),
		T(socket_is_for_its_user_alone),
		T(left_over_socket_is_replaced_and_a_living_one_is_not),
		T(bad_options_are_refused),
		T(other_users_are_not_let_in),
		T(a_hundred_bad_clients_harm_nobody),
		T(endless_request_is_cut_off),
		T(without_descriptors_the_loop_does_not_spin),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
