/* SPDX-License-Identifier: MIT */
/* Transcripts: a device's control commands as JSON Lines. */
#include <errno.h>
#include <string.h>

#include "restore/command.h"
#include "restore/ctx.h"
#include "restore/json-item.h"
#include "restore/json-scan.h"

#define MAX_TEXT (64u << 20)
#define MAX_LINE (1u << 20)
/* The line, its config, an array in it. */
#define MAX_DEPTH 3

/* Payload bytes that a line of hex digits holds. */
struct bytes {
	uint8_t *data;
	size_t len;
};

/* One line, read. */
struct line {
	struct vdpr_transcript_line pub;
	bool has_offered;
	struct vdpr_net_config config;
	struct bytes data, reply;
};

struct reader {
	struct vdpr_ctx *ctx;
	struct vdpr_state *state;
	vdpr_transcript_fn fn;
	void *fn_data;
	unsigned int line; /* from 1 */
};

/* ------------------------------------------------------------------- values */

static int read_u8(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		   const cJSON *item, uint8_t *out)
{
	uint64_t value;
	int err = vdpr_json_u64(r, at, item, 0, UINT8_MAX, &value);

	if (!err)
		*out = (uint8_t)value;
	return err;
}

static int read_hex(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, struct bytes *out)
{
	const char *hex;
	size_t len;
	int err = vdpr_json_text(r, at, item, &hex);

	if (err)
		return err;
	len = strlen(hex);
	out->data = malloc(len / 2 + 1);
	if (!out->data)
		return vdpr_fail_memory(r->ctx);
	out->len = len / 2;
	if (vdpr_hex_decode(hex, len, out->data))
		return vdpr_json_bad(r, at, "not bytes of two hex digits each");
	return 0;
}

/* ----------------------------------------------------------------- a header */

static int read_features(struct vdpr_json_reader *r,
			 const struct vdpr_json_at *at, const cJSON *item,
			 void *to)
{
	struct line *line = to;

	return vdpr_json_features(r, at, item, &line->pub.negotiated);
}

static int read_offered(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct line *line = to;

	line->has_offered = true;
	return vdpr_json_features(r, at, item, &line->pub.offered);
}

static int read_config(struct vdpr_json_reader *r,
		       const struct vdpr_json_at *at, const cJSON *item,
		       void *to)
{
	struct line *line = to;

	return vdpr_json_config(r, at, item, &line->config);
}

static int read_from_reset(struct vdpr_json_reader *r,
			   const struct vdpr_json_at *at, const cJSON *item,
			   void *to)
{
	struct line *line = to;

	return vdpr_json_bool(r, at, item, &line->pub.from_reset);
}

static const struct vdpr_json_field header_fields[] = {
	{ "features", true, read_features },
	{ "offered", false, read_offered },
	{ "config", false, read_config },
	{ "from_reset", false, read_from_reset },
};

static bool is_header(const cJSON *root)
{
	for (size_t i = 0; i < ARRAY_SIZE(header_fields); i++) {
		if (cJSON_GetObjectItemCaseSensitive(root,
						     header_fields[i].key))
			return true;
	}
	return false;
}

static int read_header(struct reader *t, struct vdpr_json_reader *r,
		       const cJSON *root, struct line *line)
{
	struct vdpr_transcript_line *pub = &line->pub;
	char why[VDPR_WHY];
	int err;

	pub->header = true;
	pub->from_reset = true;
	err = vdpr_json_object(r, NULL, root, header_fields,
			       ARRAY_SIZE(header_fields), line);
	if (err)
		return err;
	if (!line->has_offered)
		pub->offered = pub->negotiated;
	if (vdpr_check_config(&pub->offered, &line->config, why))
		return vdpr_fail(t->ctx, VDPR_CAUSE_INPUT, -EBADMSG,
				 "config.%s", why);
	return vdpr_state_start(
		t->ctx, t->state, &pub->offered, &pub->negotiated,
		&line->config, pub->from_reset ? 0 : VDPR_STATE_NOT_FROM_RESET);
}

/* ---------------------------------------------------------------- a command */

static int read_class(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		      const cJSON *item, void *to)
{
	struct line *line = to;

	return read_u8(r, at, item, &line->pub.command.ctrl_class);
}

static int read_command(struct vdpr_json_reader *r,
			const struct vdpr_json_at *at, const cJSON *item,
			void *to)
{
	struct line *line = to;

	return read_u8(r, at, item, &line->pub.command.command);
}

static int read_data(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		     const cJSON *item, void *to)
{
	struct line *line = to;

	return read_hex(r, at, item, &line->data);
}

static int read_ack(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		    const cJSON *item, void *to)
{
	struct line *line = to;

	return read_u8(r, at, item, &line->pub.command.ack);
}

static int read_reply(struct vdpr_json_reader *r, const struct vdpr_json_at *at,
		      const cJSON *item, void *to)
{
	struct line *line = to;

	return read_hex(r, at, item, &line->reply);
}

static const struct vdpr_json_field command_fields[] = {
	{ "class", true, read_class },	{ "command", true, read_command },
	{ "data", true, read_data },	{ "ack", true, read_ack },
	{ "reply", false, read_reply },
};

static int read_guest_command(struct reader *t, struct vdpr_json_reader *r,
			      const cJSON *root, struct line *line)
{
	struct vdpr_command *c = &line->pub.command;
	int err = vdpr_json_object(r, NULL, root, command_fields,
				   ARRAY_SIZE(command_fields), line);

	if (err)
		return err;
	c->data = line->data.data;
	c->data_len = line->data.len;
	c->reply = line->reply.data;
	c->reply_len = line->reply.len;
	return vdpr_observe(t->ctx, t->state, c);
}

/* ---------------------------------------------------------------- the lines */

static int read_root(struct reader *t, const cJSON *root, struct line *line)
{
	struct vdpr_json_reader r = { .ctx = t->ctx, .state = t->state };

	if (cJSON_IsObject(root) && is_header(root))
		return read_header(t, &r, root, line);
	if (t->line == 1)
		return vdpr_fail(t->ctx, VDPR_CAUSE_INPUT, -EBADMSG,
				 "not a header: it has no \"features\"");
	return read_guest_command(t, &r, root, line);
}

static int read_text(struct reader *t, const char *text, size_t len,
		     struct line *line)
{
	struct vdpr_json_fault fault;
	cJSON *root;
	int err;

	if (len > MAX_LINE)
		return vdpr_fail(t->ctx, VDPR_CAUSE_INPUT, -EFBIG,
				 "longer than %u bytes", MAX_LINE);
	if (!len)
		return vdpr_fail(t->ctx, VDPR_CAUSE_INPUT, -EBADMSG, "empty");
	/* JSON takes it for white space, but then a line's end is in doubt. */
	if (memchr(text, '\r', len))
		return vdpr_fail(t->ctx, VDPR_CAUSE_INPUT, -EBADMSG,
				 "it has a carriage return");
	err = vdpr_json_scan(text, len, MAX_DEPTH, &fault);
	if (err == -EBADMSG)
		return vdpr_fail(t->ctx, VDPR_CAUSE_INPUT, err,
				 "column %zu: %s", fault.column, fault.why);
	/* What is JSON by the strictest reading fails in cJSON for memory only. */
	root = err ? NULL : cJSON_ParseWithLength(text, len);
	if (!root)
		return vdpr_fail_memory(t->ctx);
	err = read_root(t, root, line);
	cJSON_Delete(root);
	return err;
}

static int take_line(struct reader *t, const char *text, size_t len)
{
	struct line line = {
		.pub = { .size = sizeof(line.pub),
			 .line = t->line,
			 .command = VDPR_INIT(struct vdpr_command) },
		.config = VDPR_INIT(struct vdpr_net_config),
	};
	int err = read_text(t, text, len, &line);

	if (err == -ENOMEM)
		vdpr_fail_memory(t->ctx);
	else if (err)
		err = vdpr_fail(t->ctx, VDPR_CAUSE_INPUT,
				err == -EFBIG ? err : -EBADMSG,
				"transcript: line %u: %s", t->line,
				t->ctx ? vdpr_ctx_error(t->ctx) : "");
	else if (t->fn)
		err = t->fn(t->fn_data, &line.pub);
	free(line.data.data);
	free(line.reply.data);
	return err;
}

/* A line break ends a line; the last line may lack its own. */
static int take_lines(struct reader *t, const char *text, size_t len)
{
	size_t at = 0;
	int err = 0;

	do {
		const char *start = text + at;
		const char *end = at < len ? memchr(start, '\n', len - at)
					   : NULL;
		size_t line_len = end ? (size_t)(end - start) : len - at;

		t->line++;
		err = take_line(t, start, line_len);
		at += line_len + 1;
	} while (!err && at < len);
	return err;
}

int vdpr_transcript_parse(struct vdpr_ctx *ctx, const char *text, size_t len,
			  vdpr_transcript_fn fn, void *data,
			  struct vdpr_state **out)
{
	struct reader t = { .ctx = ctx, .fn = fn, .fn_data = data };
	int err;

	if (len && vdpr_any_null(ctx, text))
		return -EINVAL;
	if (len > MAX_TEXT)
		return vdpr_fail(ctx, VDPR_CAUSE_INPUT, -EFBIG,
				 "transcript: longer than %u bytes", MAX_TEXT);
	err = vdpr_state_new(ctx, &t.state);
	if (err)
		return err;
	err = take_lines(&t, text, len);
	if (err || !out)
		vdpr_state_free(t.state);
	else
		*out = t.state;
	return err;
}
