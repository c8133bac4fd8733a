/* SPDX-License-Identifier: MIT */
/* Where a state can come from: one table of sources, for every command that
 * takes them. */
#include "cmd/source.h"

#include <string.h>

static int check_any(struct cli *cli, const char *name);
static int read_transcript(struct cli *cli, const char *path,
			   struct vdpr_state **out);

/*
 * In the order in which they are read: files before devices, so that none is
 * reset for the sake of a file that is bad, and what looks at a device before
 * what resets it.
 */
static const struct {
	const char *name; /* of the option, and in "origin"; NULL: a word */
	bool is_file;	  /* "-" is standard input */
	int (*check)(struct cli *cli, const char *name);
	int (*read)(struct cli *cli, const char *name, struct vdpr_state **out);
} kinds[] = {
	{ NULL, true, input_check_file, input_state },
	{ "transcript", true, check_any, read_transcript },
	{ "qemu-stream", true, qemu_check_stream, qemu_stream_state },
	{ "ch-snapshot", true, capture_check, capture_ch },
	{ "qmp", false, capture_check, capture_qmp },
	{ "control", false, control_check, control_state },
	{ "vdpa", false, vdpa_check_name, vdpa_state },
	{ "netdev", false, netdev_check_name, netdev_state },
	{ "device", false, input_check_dev_read, input_dev_state },
};

static int check_any(struct cli *cli, const char *name)
{
	(void)cli;
	(void)name;
	return 0;
}

static int read_transcript(struct cli *cli, const char *path,
			   struct vdpr_state **out)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int code;

	cli->stage = "read";
	code = input_read(cli, path, INPUT_TRANSCRIPT_MAX, &text, &len);
	if (code)
		return code;
	if (vdpr_transcript_parse(cli->ctx, text, len, NULL, NULL, out) < 0)
		return input_fail(cli, path);
	return input_origin(cli, *out, "transcript", path);
}

/* ------------------------------------------------------------ on the line */

/* @name: of a kind, or NULL for that of files.
 * Return: ARRAY_SIZE(kinds) if there is none. */
static unsigned int find_kind(const char *name)
{
	unsigned int i = 0;

	for (; i < ARRAY_SIZE(kinds); i++) {
		const char *this = kinds[i].name;

		if (this && name ? !strcmp(this, name) : this == name)
			break;
	}
	return i;
}

/* "-", also with a choice behind it: "-,nic=ID" */
static bool is_stdin(const char *name)
{
	return name[0] == '-' && (!name[1] || name[1] == ',');
}

/* Judges one and adds it. Return: 0 or an exit code. */
static int take(struct cli *cli, struct sources *sources, unsigned int kind,
		const char *name)
{
	if (kind == ARRAY_SIZE(kinds))
		return 0; /* an option of another kind */
	sources->item[sources->n++] = (struct source){ kind, name };
	sources->n_stdin += kinds[kind].is_file && is_stdin(name);
	return kinds[kind].check(cli, name);
}

static int take_all(struct cli *cli, struct sources *sources,
		    const struct args *args, size_t first_word)
{
	int code = 0;

	for (size_t i = first_word; !code && i < args->n_words; i++)
		code = take(cli, sources,
			    find_kind(vdpr_dev_is_name(args->words[i])
					      ? "device"
					      : NULL),
			    args->words[i]);
	for (size_t i = 0; !code && i < args->n_options; i++)
		code = take(cli, sources,
			    find_kind(args->options[i].info->name + 2),
			    args->options[i].value);
	return code;
}

static int check_number(struct cli *cli, const struct sources *sources)
{
	if (!sources->n)
		return fail(cli, VDPR_CAUSE_USAGE,
			    "vdpa-restore help save lists them",
			    "%s: no source given", cli->command->name);
	if (sources->n_stdin > 1)
		return fail(cli, VDPR_CAUSE_USAGE, NULL,
			    "%s: standard input can be only one source",
			    cli->command->name);
	return 0;
}

/* Does a --prefer word name this source: "transcript:FILE" or its kind alone? */
static bool is_preferred(const struct source *s, const char *word)
{
	const char *kind = kinds[s->kind].name;
	const char *name = s->name ? s->name : "";
	size_t len;

	if (!kind)
		return false; /* a state file has origins of its own */
	len = strlen(kind);
	if (strncmp(word, kind, len) != 0)
		return false;
	return !word[len] ||
	       (word[len] == ':' && !strcmp(word + len + 1, name));
}

static int find_preferred(struct cli *cli, const char *word,
			  struct sources *sources)
{
	for (size_t i = 0; word && i < sources->n; i++) {
		const struct source *s = &sources->item[i];

		if (!is_preferred(s, word))
			continue;
		if (asprintf(&sources->prefer, "%s:%s", kinds[s->kind].name,
			     s->name) >= 0)
			return 0;
		sources->prefer = NULL;
		return fail_memory(cli);
	}
	if (!word)
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE,
		    "name one as in --prefer transcript:FILE, or by its kind",
		    "%s: --prefer %s: not among the sources",
		    cli->command->name, word);
}

int sources_collect(struct cli *cli, const struct args *args, size_t first_word,
		    struct sources *out)
{
	uint64_t timeout;
	int code = args_timeout(cli, args, &timeout);

	*out = (struct sources){ 0 };
	if (code)
		return code;
	if (args_has(args, "--timeout"))
		cli->deadline = cli->start + timeout;
	out->item =
		calloc(args->n_options + args->n_words + 1, sizeof(*out->item));
	if (!out->item)
		return fail_memory(cli);
	cli->all_vlans_unknown = args_chosen(args, "--all-vlans", "unknown");
	code = take_all(cli, out, args, first_word);
	if (!code)
		code = check_number(cli, out);
	return code ? code
		    : find_preferred(cli, args_value(args, "--prefer"), out);
}

void sources_free(struct sources *sources)
{
	free(sources->item);
	free(sources->prefer);
}

/* ---------------------------------------------------------------- reading */

/* What was read, in the order of reading; but what is preferred comes first, so that
 * it decides between any two of the others. */
struct states {
	struct vdpr_state **state;
	size_t n;
};

static void put_first(struct states *all)
{
	struct vdpr_state *first = all->state[all->n - 1];

	memmove(all->state + 1, all->state,
		(all->n - 1) * sizeof(struct vdpr_state *));
	all->state[0] = first;
}

static int read_kind(struct cli *cli, const struct sources *sources,
		     unsigned int kind, struct states *all)
{
	int code = 0;

	for (size_t i = 0; !code && i < sources->n; i++) {
		const struct source *s = &sources->item[i];

		if (s->kind != kind)
			continue;
		code = kinds[kind].read(cli, s->name, &all->state[all->n++]);
		if (sources->prefer && is_preferred(s, sources->prefer))
			put_first(all);
	}
	return code;
}

/* ---------------------------------------------------------------- merging */

static int copy_state(struct cli *cli, const struct vdpr_state *state,
		      struct vdpr_state **out)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	return vdpr_state_format(cli->ctx, state, &text, &len) < 0 ||
			       vdpr_state_parse(cli->ctx, text, len, out) < 0
		       ? fail_ctx(cli)
		       : 0;
}

/* Each pair by itself, so that what the first two disagree about hides nothing of
 * the third. */
static int say_conflicts(struct cli *cli, const struct states *all,
			 const char *prefer)
{
	log_errors_only(cli);
	cJSON_Delete(cli->conflicts);
	cli->conflicts = NULL;
	for (size_t i = 0; i < all->n; i++) {
		for (size_t k = i + 1; k < all->n; k++) {
			_cleanup_state_ struct vdpr_state *one = NULL;
			int code = copy_state(cli, all->state[i], &one);

			if (code)
				return code;
			(void)vdpr_state_merge(cli->ctx, one, all->state[k],
					       prefer);
		}
	}
	return fail_conflicts(cli);
}

static int merge(struct cli *cli, const struct states *all, const char *prefer,
		 struct vdpr_state *into)
{
	cli->stage = "merge";
	for (size_t i = 1; i < all->n; i++) {
		if (!vdpr_state_merge(cli->ctx, into, all->state[i], prefer))
			continue;
		return cli->conflicts ? say_conflicts(cli, all, prefer)
				      : fail_ctx(cli);
	}
	return 0;
}

static int read_all(struct cli *cli, const struct sources *sources,
		    struct states *all, struct vdpr_state **out)
{
	_cleanup_state_ struct vdpr_state *state = NULL;
	int code = 0;

	for (unsigned int i = 0; !code && i < ARRAY_SIZE(kinds); i++)
		code = read_kind(cli, sources, i, all);
	if (!code && all->n == 1) {
		*out = all->state[--all->n];
		return 0;
	}
	if (!code)
		code = copy_state(cli, all->state[0], &state);
	if (!code)
		code = merge(cli, all, sources->prefer, state);
	if (code)
		return code;
	*out = state;
	state = NULL;
	return 0;
}

int sources_read(struct cli *cli, const struct sources *sources,
		 struct vdpr_state **out)
{
	struct states all = { 0 };
	int code;

	all.state = calloc(sources->n + 1, sizeof(struct vdpr_state *));
	if (!all.state)
		return fail_memory(cli);
	code = read_all(cli, sources, &all, out);
	for (size_t i = 0; i < all.n; i++)
		vdpr_state_free(all.state[i]);
	free(all.state);
	return code;
}
