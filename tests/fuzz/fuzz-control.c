/* SPDX-License-Identifier: MIT */
/* Fuzzes the control socket: two clients say the input, piece by piece. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cJSON.h>

#include "restore/ctx.h"
#include "tests/fuzz/fuzz.h"

#define CLIENTS 2
#define PACKETS 64
/* More pieces of work than an input can make: it would turn for ever. */
#define TURNS 20000

static const char state_text[] =
	"{\"schema\":\"vdpa-restore/state\",\"version\":1,\"compat\":1,"
	"\"features\":{\"offered\":\"0x1000a0000\","
	"\"negotiated\":\"0x1000a0000\"},\"config\":{},"
	"\"vlan\":{\"ids\":[5,7]},\"unknown\":[]}\n";

/* What the first byte of an input says of the process. */
enum {
	WAITS = 1,     /* for a state */
	AT_ONCE = 2,   /* a load ends within its callback */
	FAILS = 4,     /* and ends badly */
	REFUSES = 8,   /* the callback does not want the state */
	HAS_NONE = 16, /* no state is there to be saved */
};

static struct {
	struct vdpr_ctx *ctx;
	struct vdpr_control *control;
	char path[64];
	uint8_t flags;
	bool loading;
} process;

struct client {
	int fd;
	size_t lines;	     /* said */
	char text[1u << 21]; /* heard */
	size_t len;
};

static int on_save(void *data, struct vdpr_ctx *ctx, struct vdpr_state **out)
{
	(void)data;
	if (process.flags & HAS_NONE)
		return vdpr_fail(ctx, VDPR_CAUSE_OTHER, -ENODATA, "none yet");
	return vdpr_state_parse(ctx, state_text, strlen(state_text), out);
}

/* A failure is told by the context where there is no report. */
static void end_load(struct vdpr_ctx *ctx)
{
	int ret = process.flags & FAILS ? -EPROTO : 0;

	if (ret)
		vdpr_fail(ctx, VDPR_CAUSE_DEVICE, ret, "it did not go well");
	FUZZ_CHECK(!vdpr_control_loaded(ctx, process.control, ret, NULL));
}

static int on_load(void *data, struct vdpr_ctx *ctx, struct vdpr_state *state)
{
	(void)data;
	if (process.flags & REFUSES)
		return vdpr_fail(ctx, VDPR_CAUSE_REFUSED, -ENOTSUP, "not here");
	/* One at a time is a promise. */
	FUZZ_CHECK(!process.loading);
	fuzz_state(ctx, state);
	vdpr_state_free(state);
	if (process.flags & AT_ONCE)
		end_load(ctx);
	else
		process.loading = true;
	return 0;
}

static bool on_waiting(void *data)
{
	(void)data;
	return process.flags & WAITS;
}

static void end_process(void)
{
	vdpr_control_free(process.control);
	vdpr_ctx_free(process.ctx);
}

/* One for all inputs: what a client leaves behind must not matter to the next. */
static void begin_process(void)
{
	struct vdpr_control_ops ops = VDPR_INIT(struct vdpr_control_ops);

	if (process.ctx)
		return;
	process.ctx = fuzz_ctx();
	snprintf(process.path, sizeof(process.path), "/tmp/vdpr-fuzz.%d",
		 (int)getpid());
	ops.name = "fuzz0";
	ops.save = on_save;
	ops.load = on_load;
	ops.waiting = on_waiting;
	if (vdpr_control_new(process.ctx, process.path, &ops, NULL,
			     &process.control)) {
		fprintf(stderr, "%s\n", vdpr_ctx_error(process.ctx));
		abort();
	}
	FUZZ_CHECK(!atexit(end_process));
}

static void dial(struct client *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, process.path);
	c->lines = c->len = 0;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	FUZZ_CHECK(c->fd >= 0);
	FUZZ_CHECK(
		!connect(c->fd, (struct sockaddr *)&address, sizeof(address)));
}

static void hear(struct client *c)
{
	ssize_t n;

	do {
		FUZZ_CHECK(c->len < sizeof(c->text));
		n = recv(c->fd, c->text + c->len, sizeof(c->text) - c->len, 0);
		if (n > 0)
			c->len += (size_t)n;
	} while (n > 0);
}

/* Until nothing is left to do for anybody. */
static void serve(struct client *clients)
{
	struct pollfd p = { vdpr_control_fd(process.control), POLLIN, 0 };

	for (unsigned int i = 0; poll(&p, 1, 0) > 0; i++) {
		FUZZ_CHECK(i < TURNS);
		FUZZ_CHECK(!vdpr_control_process(process.ctx, process.control));
		for (unsigned int k = 0; k < CLIENTS; k++)
			hear(&clients[k]);
		if (process.loading && poll(&p, 1, 0) <= 0) {
			process.loading = false;
			end_load(process.ctx);
		}
	}
}

static void say(struct fuzz_input *in, struct client *clients)
{
	static char packet[4096];

	for (unsigned int i = 0; i < PACKETS && in->left; i++) {
		struct client *c = &clients[fuzz_u8(in) % CLIENTS];
		size_t len = fuzz_u16(in);

		if (len > in->left)
			len = in->left;
		if (len > sizeof(packet))
			len = sizeof(packet);
		fuzz_take(in, packet, len);
		for (size_t k = 0; k < len; k++)
			c->lines += packet[k] == '\n';
		FUZZ_CHECK(send(c->fd, packet, len, MSG_NOSIGNAL) ==
			   (ssize_t)len);
		FUZZ_CHECK(!vdpr_control_process(process.ctx, process.control));
	}
}

static void check_answer(const char *line, size_t len)
{
	const char *end = NULL;
	cJSON *json = cJSON_ParseWithLengthOpts(line, len, &end, 0);
	const cJSON *code, *error;

	FUZZ_CHECK(json && end == line + len);
	code = cJSON_GetObjectItemCaseSensitive(json, "exit");
	error = cJSON_GetObjectItemCaseSensitive(json, "error");
	FUZZ_CHECK(cJSON_IsNumber(code) && code->valueint >= 0 &&
		   code->valueint <= VDPR_CAUSE_INPUT);
	FUZZ_CHECK(error);
	if (cJSON_IsObject(error)) {
		const cJSON *text =
			cJSON_GetObjectItemCaseSensitive(error, "text");

		FUZZ_CHECK(code->valueint && cJSON_IsString(text));
		fuzz_line(text->valuestring);
	}
	cJSON_Delete(json);
}

/* One line of JSON for each that was said. */
static void check_answers(const struct client *c)
{
	const char *at = c->text, *end;
	size_t left = c->len, lines = 0;

	for (; left; left -= (size_t)(end + 1 - at), at = end + 1) {
		end = memchr(at, '\n', left);
		FUZZ_CHECK(end);
		check_answer(at, (size_t)(end - at));
		lines++;
	}
	FUZZ_CHECK(lines == c->lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client clients[CLIENTS];
	struct fuzz_input in = { data, size };

	begin_process();
	process.flags = fuzz_u8(&in);
	for (unsigned int i = 0; i < CLIENTS; i++)
		dial(&clients[i]);
	say(&in, clients);
	for (unsigned int i = 0; i < CLIENTS; i++)
		shutdown(clients[i].fd, SHUT_WR);
	serve(clients);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		check_answers(&clients[i]);
		close(clients[i].fd);
	}
	serve(clients);
	return 0;
}
