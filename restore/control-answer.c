/* SPDX-License-Identifier: MIT */
/* The control socket's requests: what each asks for, and its answer as a line. */
#include "restore/control.h"

#include <errno.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/json-scan.h"
#include "restore/json-walk.h"
#include "restore/report.h"

#define MAX_KEY 64 /* of a key in a message */

/* ------------------------------------------------------------------- answers */

static void put_error(struct vdpr_json_writer *w, const char *text,
		      const char *cure)
{
	vdpr_json_key(w, "error");
	vdpr_json_open(w, '{');
	vdpr_json_key_text(w, "stage", "control");
	vdpr_json_key_text(w, "text", text);
	vdpr_json_key_text(w, "cure", cure);
	vdpr_json_close(w, '}');
}

void vdpr_control_put_failure(struct vdpr_ctx *ctx, struct vdpr_buf *out)
{
	struct vdpr_json_writer w = { .out = out, .compact = true };
	enum vdpr_cause cause = vdpr_ctx_cause(ctx);

	vdpr_json_open(&w, '{');
	vdpr_json_key_u64(&w, "exit", cause ? cause : VDPR_CAUSE_OTHER);
	put_error(&w, vdpr_ctx_error(ctx), vdpr_ctx_cure(ctx));
	vdpr_json_close(&w, '}');
	vdpr_buf_str(out, "\n");
}

/* Those who answer for the process need not know of contexts. */
static void need_message(struct vdpr_ctx *ctx, int err)
{
	if (!vdpr_ctx_cause(ctx))
		vdpr_fail(ctx, vdpr_cause_of(err), err, "control: %s",
			  strerror(-err));
}

/* Begins an answer of success; more members follow. */
static struct vdpr_json_writer begin(struct vdpr_buf *out)
{
	struct vdpr_json_writer w = { .out = out, .compact = true };

	vdpr_json_open(&w, '{');
	vdpr_json_key_u64(&w, "exit", 0);
	vdpr_json_key(&w, "error");
	vdpr_json_put_null(&w);
	return w;
}

static void end(struct vdpr_json_writer *w)
{
	vdpr_json_close(w, '}');
	vdpr_buf_str(w->out, "\n");
}

/* JSON text as a value. Its line breaks stand between tokens only, for within a
 * string JSON has them escaped. */
void vdpr_control_put_json(struct vdpr_json_writer *w, const char *key,
			   const char *text)
{
	vdpr_json_key(w, key);
	w->after_key = false;
	w->more = true;
	for (size_t n; *text; text += n) {
		n = strcspn(text, "\n");
		vdpr_buf_add(w->out, text, n);
		n += text[n] == '\n';
	}
}

static int put_state(struct vdpr_ctx *ctx, struct vdpr_json_writer *w,
		     const struct vdpr_state *state)
{
	_cleanup_free_ char *text = NULL;
	int ret = vdpr_state_format(ctx, state, &text, NULL);

	if (!ret)
		vdpr_control_put_json(w, "state", text);
	return ret;
}

void vdpr_control_put_report(struct vdpr_ctx *ctx, int result,
			     const struct vdpr_report *report,
			     struct vdpr_buf *out)
{
	_cleanup_free_ char *text = NULL;
	struct vdpr_json_writer w;

	if (!report && result < 0) {
		need_message(ctx, result);
		vdpr_control_put_failure(ctx, out);
		return;
	}
	if (report && vdpr_report_format(ctx, report, &text) < 0) {
		vdpr_control_put_failure(ctx, out);
		return;
	}
	if (!report || !report->failed) {
		w = begin(out);
	} else {
		w = (struct vdpr_json_writer){ .out = out, .compact = true };
		vdpr_json_open(&w, '{');
		vdpr_json_key_u64(&w, "exit", report->cause);
		put_error(&w, report->text, report->cure);
	}
	if (text)
		vdpr_control_put_json(&w, "report", text);
	end(&w);
}

/* ------------------------------------------------------------------ requests */

struct request {
	const char *command;
	const char *state; /* NULL: none was given */
	size_t state_len;
	bool rings;
	bool has_rings;
};

struct job {
	struct vdpr_ctx *ctx;
	const struct vdpr_control_ops *ops;
	struct request request;
	struct vdpr_buf *out;
	bool load;
};

static bool is_waiting(const struct job *job)
{
	if (job->ops->waiting)
		return job->ops->waiting(job->ops->data);
	return job->ops->load;
}

static int fail_waiting(struct job *job)
{
	vdpr_fail(job->ctx, VDPR_CAUSE_OTHER, -ENODATA,
		  "%s: this process waits for a state, nothing is recorded yet",
		  job->ops->name ? job->ops->name : "control");
	vdpr_cure(job->ctx, "load one: vdpa-restore load FILE control:SOCKET");
	return -ENODATA;
}

static int save_state(struct job *job, struct vdpr_state **out)
{
	int ret = -ENODATA;

	*out = NULL;
	if (job->ops->save)
		ret = job->ops->save(job->ops->data, job->ctx, out);
	else if (job->ops->shadow)
		ret = vdpr_shadow_save(job->ctx, job->ops->shadow, out);
	else if (!is_waiting(job))
		return vdpr_fail(job->ctx, VDPR_CAUSE_OTHER, ret,
				 "this process does not record a state");
	return ret == -ENODATA && is_waiting(job) ? fail_waiting(job) : ret;
}

static int parse_state(struct job *job, struct vdpr_state **out)
{
	if (!job->request.state)
		return vdpr_fail(job->ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "%s: the request has no state",
				 job->request.command);
	return vdpr_state_parse(job->ctx, job->request.state,
				job->request.state_len, out);
}

static int do_save(struct job *job)
{
	struct vdpr_state *state;
	struct vdpr_json_writer w;
	int ret = save_state(job, &state);

	if (ret)
		return ret;
	w = begin(job->out);
	ret = put_state(job->ctx, &w, state);
	end(&w);
	vdpr_state_free(state);
	return ret;
}

static void put_counts(struct job *job, struct vdpr_json_writer *w)
{
	struct vdpr_shadow_counts counts = VDPR_INIT(struct vdpr_shadow_counts);

	vdpr_json_key(w, "counts");
	if (!job->ops->shadow) {
		vdpr_json_put_null(w);
		return;
	}
	vdpr_shadow_count(job->ops->shadow, &counts);
	vdpr_json_open(w, '{');
	vdpr_json_key_u64(w, "forwarded", counts.forwarded);
	vdpr_json_key_u64(w, "answered", counts.answered);
	vdpr_json_key_u64(w, "refused", counts.refused);
	vdpr_json_key_u64(w, "own", counts.own);
	vdpr_json_key_u64(w, "kicks", counts.kicks);
	vdpr_json_key_u64(w, "calls", counts.calls);
	vdpr_json_close(w, '}');
}

static int do_counts(struct job *job)
{
	struct vdpr_json_writer w = begin(job->out);

	put_counts(job, &w);
	end(&w);
	return 0;
}

static int do_show(struct job *job)
{
	struct vdpr_json_writer w = begin(job->out);
	struct vdpr_state *state = NULL;
	int ret = 0;

	vdpr_json_key_text(&w, "tool", "vdpa-restore " VDPR_VERSION);
	vdpr_json_key_text(&w, "device", job->ops->name ? job->ops->name : "");
	vdpr_json_key_bool(&w, "waiting", is_waiting(job));
	put_counts(job, &w);
	/* One that waits for its state has none to show. */
	if (save_state(job, &state) == 0) {
		ret = put_state(job->ctx, &w, state);
	} else {
		vdpr_json_key(&w, "state");
		vdpr_json_put_null(&w);
	}
	vdpr_state_free(state);
	end(&w);
	return ret;
}

static void put_section(void *data, const char *section,
			enum vdpr_compare_result result, const char *a,
			const char *b)
{
	static const char *const names[] = {
		[VDPR_SAME] = "same",
		[VDPR_DIFFERS] = "differs",
		[VDPR_UNSEEN] = "unseen",
	};
	struct vdpr_json_writer *w = data;

	vdpr_json_open(w, '{');
	vdpr_json_key_text(w, "section", section);
	vdpr_json_key_text(w, "result", names[result]);
	vdpr_control_put_json(w, "a", a ? a : "null");
	vdpr_control_put_json(w, "b", b ? b : "null");
	vdpr_json_close(w, '}');
}

/* @sections: as a JSON array. */
static void put_verdict(struct job *job, bool differs, const char *sections)
{
	struct vdpr_json_writer w = { .out = job->out, .compact = true };

	vdpr_json_open(&w, '{');
	vdpr_json_key_u64(&w, "exit", differs ? VDPR_CAUSE_REFUSED : 0);
	vdpr_json_key(&w, "error");
	vdpr_json_put_null(&w);
	vdpr_json_key_bool(&w, "same", !differs);
	vdpr_control_put_json(&w, "sections", sections);
	end(&w);
}

/* Compared once, for it takes as long as the states are large. */
static int put_comparison(struct job *job, const struct vdpr_state *want,
			  const struct vdpr_state *have)
{
	_cleanup_buf_ struct vdpr_buf sections = { 0 };
	struct vdpr_json_writer w = { .out = &sections, .compact = true };
	unsigned int flags = job->request.rings ? VDPR_COMPARE_RINGS : 0;
	int differs;

	vdpr_json_open(&w, '[');
	differs = vdpr_state_compare(job->ctx, want, have, flags, put_section,
				     &w);
	vdpr_json_close(&w, ']');
	if (differs < 0)
		return differs;
	if (vdpr_buf_error(&sections))
		return vdpr_fail_memory(job->ctx);
	put_verdict(job, differs, sections.data);
	return 0;
}

static int do_verify(struct job *job)
{
	struct vdpr_state *want = NULL, *have = NULL;
	int ret = parse_state(job, &want);

	if (!ret)
		ret = save_state(job, &have);
	if (!ret)
		ret = put_comparison(job, want, have);
	vdpr_state_free(want);
	vdpr_state_free(have);
	return ret;
}

static int fail_not_waiting(struct job *job)
{
	vdpr_fail(job->ctx, VDPR_CAUSE_ACCESS, -EBUSY,
		  "%s: this process does not wait for a state",
		  job->ops->name ? job->ops->name : "load");
	vdpr_cure(job->ctx, "load one while the VMM is started for an incoming "
			    "migration, before its guest runs");
	return -EBUSY;
}

static int do_load(struct job *job)
{
	struct vdpr_state *state = NULL;
	int ret = is_waiting(job) && job->ops->load ? parse_state(job, &state)
						    : -EBUSY;

	if (ret == -EBUSY)
		return fail_not_waiting(job);
	if (ret)
		return ret;
	vdpr_ctx_clear(job->ctx);
	ret = job->ops->load(job->ops->data, job->ctx, state);
	if (!ret) {
		job->load = true;
		return 0;
	}
	vdpr_state_free(state);
	return ret == -EBUSY && !vdpr_ctx_cause(job->ctx)
		       ? fail_not_waiting(job)
		       : ret;
}

static const struct command {
	const char *name;
	int (*run)(struct job *job);
	bool takes_state;
	bool takes_rings;
} commands[] = {
	{ "save", do_save, false, false },
	{ "show", do_show, false, false },
	{ "verify", do_verify, true, true },
	{ "load", do_load, true, false },
	{ "counts", do_counts, false, false },
};

static const char known_commands[] =
	"it may be save, show, verify, load or counts";

int vdpr_control_check(struct vdpr_ctx *ctx, const char *command, bool state)
{
	for (size_t i = 0; command && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(command, commands[i].name) != 0)
			continue;
		return state == commands[i].takes_state
			       ? 0
			       : vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
					   "control: %s takes %s state",
					   command, state ? "no" : "a");
	}
	vdpr_fail(ctx, VDPR_CAUSE_USAGE, -EINVAL,
		  "control: %s: not a command that is known",
		  command ? command : "(null)");
	vdpr_cure(ctx, "%s", known_commands);
	return -EINVAL;
}

/* -------------------------------------------------------------------- parsing */

static int fail_member(struct job *job, const char *key, const char *why)
{
	return vdpr_fail(job->ctx, VDPR_CAUSE_USAGE, -EINVAL,
			 "control: the request's \"%s\" %s", key, why);
}

/* @key: with its quotes, whole or not at all. */
static int fail_unknown(struct job *job, struct vdpr_json_value key)
{
	size_t len = (size_t)(key.end - key.at);

	return vdpr_fail(
		job->ctx, VDPR_CAUSE_USAGE, -EINVAL,
		"control: the request has a key that is not known%s%.*s",
		len > MAX_KEY ? "" : ": ", len > MAX_KEY ? 0 : (int)len,
		key.at);
}

static int take_member(struct job *job, const struct vdpr_json_walk *walk)
{
	enum vdpr_json_kind kind = vdpr_value_kind(walk->value);

	if (vdpr_value_equals(walk->key, "command")) /* run() looks for it */
		return kind == VDPR_JSON_STRING
			       ? 0
			       : fail_member(job, "command", "is no string");
	if (vdpr_value_equals(walk->key, "state")) {
		job->request.state = walk->value.at;
		job->request.state_len =
			(size_t)(walk->value.end - walk->value.at);
		return kind == VDPR_JSON_OBJECT
			       ? 0
			       : fail_member(job, "state", "is no object");
	}
	if (vdpr_value_equals(walk->key, "rings")) {
		job->request.has_rings = true;
		return vdpr_value_truth(walk->value, &job->request.rings)
			       ? fail_member(job, "rings", "is no truth value")
			       : 0;
	}
	return fail_unknown(job, walk->key);
}

static int take_members(struct job *job, struct vdpr_json_value root)
{
	struct vdpr_json_walk walk = vdpr_value_entries(root);
	int ret = 0;

	while (!ret && vdpr_value_next(&walk))
		ret = take_member(job, &walk);
	return ret;
}

static int fail_taken(struct job *job, const char *key)
{
	return vdpr_fail(job->ctx, VDPR_CAUSE_USAGE, -EINVAL,
			 "control: %s takes no \"%s\"", job->request.command,
			 key);
}

static int run_command(struct job *job, const struct command *command)
{
	job->request.command = command->name;
	if (job->request.state && !command->takes_state)
		return fail_taken(job, "state");
	if (job->request.has_rings && !command->takes_rings)
		return fail_taken(job, "rings");
	return command->run(job);
}

static int run(struct job *job, struct vdpr_json_value root)
{
	struct vdpr_json_value command = vdpr_value_member(root, "command");
	int ret;

	if (vdpr_value_kind(root) != VDPR_JSON_OBJECT)
		return vdpr_fail(job->ctx, VDPR_CAUSE_USAGE, -EINVAL,
				 "control: a request is a JSON object");
	ret = take_members(job, root);
	if (ret)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (vdpr_value_equals(command, commands[i].name))
			return run_command(job, &commands[i]);
	}
	vdpr_fail(job->ctx, VDPR_CAUSE_USAGE, -EINVAL,
		  "control: the request's command is not known");
	vdpr_cure(job->ctx, "%s", known_commands);
	return -EINVAL;
}

static int scan(struct job *job, const char *line, size_t len)
{
	struct vdpr_json_fault fault;
	int ret = vdpr_json_scan(line, len, VDPR_CONTROL_DEPTH, &fault);

	if (ret == -ENOMEM)
		return vdpr_fail_memory(job->ctx);
	return ret ? vdpr_fail(job->ctx, VDPR_CAUSE_USAGE, ret,
			       "control: the request is no JSON: column %zu: "
			       "%s",
			       fault.column, fault.why)
		   : 0;
}

int vdpr_control_answer(struct vdpr_ctx *ctx,
			const struct vdpr_control_ops *ops, const char *line,
			size_t len, struct vdpr_buf *out, bool *load)
{
	struct job job = { .ctx = ctx, .ops = ops, .out = out };
	int ret;

	vdpr_ctx_clear(ctx);
	ret = scan(&job, line, len);
	if (!ret)
		ret = run(&job, vdpr_value_root(line, len));
	if (ret < 0) {
		out->len = 0;
		need_message(ctx, ret);
		vdpr_control_put_failure(ctx, out);
	}
	*load = job.load;
	return vdpr_buf_error(out);
}
