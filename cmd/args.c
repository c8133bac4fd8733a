/* SPDX-License-Identifier: MIT */
/* Takes the command line apart: command, arguments, options in any place. */
#include "cmd/cmd.h"

#include <string.h>

/*
 * Not getopt_long(): it accepts abbreviations, which turn ambiguous when an
 * option is added, it heeds POSIXLY_CORRECT, which would end the options at the
 * first argument, and it must know the command before it can read a word.
 */

/* What is planned for a later version: named, so that nobody searches for the
 * typing mistake. A NULL option is the command itself. */
static const struct later {
	const char *command;
	const char *option;
} laters[] = {
	{ "check", NULL },
	{ "verify", NULL },
	{ "provision", NULL },
	{ "unprovision", NULL },
	{ "export", NULL },
	{ "shadow", NULL },
	{ "run", NULL },
	{ "list", "--qemu-stream" },
	{ "save", "--control" },
	{ "save", "--vdpa" },
	{ "save", "--qmp" },
	{ "save", "--qemu-stream" },
	{ "save", "--ch-snapshot" },
	{ "save", "--netdev" },
	{ "save", "--all-vlans" },
	{ "load", "--timeline" },
	{ "load", "--control" },
};

/* Everything that can be wrong with one word, for one message at the end. */
enum lex_error {
	LEX_OK,
	LEX_UNKNOWN,
	LEX_NO_VALUE,
	LEX_EXTRA_VALUE,
};

struct lexer {
	struct args *args;
	int argc;
	char **argv;
	int at;
	enum lex_error error; /* the first one */
	const char *word;     /* that has it */
	size_t word_len;
};

static bool is_later(const char *command, const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(laters); i++) {
		const char *later = laters[i].option;

		if (strcmp(laters[i].command, command) != 0)
			continue;
		if (later && option ? !strcmp(later, option) : later == option)
			return true;
	}
	return false;
}

static bool same_word(const char *name, const char *word, size_t len)
{
	return name && strlen(name) == len && !memcmp(name, word, len);
}

static const struct option_info *find_in(const struct option_info *table,
					 const char *word, size_t len)
{
	for (; table && table->name; table++)
		if (same_word(table->name, word, len) ||
		    same_word(table->letter, word, len))
			return table;
	return NULL;
}

/* Same name means same kind of value in all commands, so any of them will do
 * before the command is known. */
static const struct option_info *find_anywhere(const char *word, size_t len)
{
	const struct option_info *found = find_in(global_options, word, len);
	const struct command *c;

	for (size_t i = 0; !found && (c = command_at(i)); i++)
		found = find_in(c->options, word, len);
	return found;
}

static void lex_fail(struct lexer *lex, enum lex_error error, const char *word,
		     size_t len)
{
	if (lex->error)
		return;
	lex->error = error;
	lex->word = word;
	lex->word_len = len;
}

static void add_option(struct lexer *lex, const struct option_info *info,
		       const char *value)
{
	struct args *args = lex->args;

	args->options[args->n_options++] =
		(struct arg_option){ .info = info, .value = value };
}

/* The next word as the value of an option. */
static const char *next_value(struct lexer *lex, const char *word, size_t len)
{
	if (lex->at < lex->argc)
		return lex->argv[lex->at++];
	lex_fail(lex, LEX_NO_VALUE, word, len);
	return NULL;
}

static void lex_long(struct lexer *lex, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	const struct option_info *info = find_anywhere(word, len);

	if (!info) {
		lex_fail(lex, LEX_UNKNOWN, word, len);
		return;
	}
	if (!info->arg && value)
		lex_fail(lex, LEX_EXTRA_VALUE, word, len);
	if (info->arg && !value)
		value = next_value(lex, word, len);
	add_option(lex, info, value);
}

/* Letters in a row, the last of which may have a value: -qo FILE, -oFILE. */
static void lex_letters(struct lexer *lex, const char *word)
{
	for (size_t i = 1; word[i]; i++) {
		char letter[3] = { '-', word[i], '\0' };
		const struct option_info *info = find_anywhere(letter, 2);
		const char *value = NULL;

		if (!info) {
			lex_fail(lex, LEX_UNKNOWN, word, strlen(word));
			return;
		}
		if (info->arg && word[i + 1])
			value = word + i + 1;
		else if (info->arg)
			value = next_value(lex, word, strlen(word));
		add_option(lex, info, value);
		if (info->arg)
			return;
	}
}

static void lex_all(struct lexer *lex)
{
	bool ended = false;

	while (lex->at < lex->argc) {
		const char *word = lex->argv[lex->at++];

		if (ended || word[0] != '-' || !word[1])
			lex->args->words[lex->args->n_words++] = word;
		else if (!strcmp(word, "--"))
			ended = true;
		else if (word[1] == '-')
			lex_long(lex, word);
		else
			lex_letters(lex, word);
	}
}

#define HINTS_MAX 32

static char *hint(const char *word, const char *const *list, size_t n,
		  const struct cli *cli)
{
	const char *near = nearest_word(word, list, n);
	char *text = NULL;
	int rc;

	if (near)
		rc = asprintf(&text, "did you mean %s?", near);
	else if (cli->command)
		rc = asprintf(&text, "see vdpa-restore help %s",
			      cli->command->name);
	else
		rc = asprintf(&text, "see vdpa-restore help");
	return rc < 0 ? NULL : text;
}

/* "did you mean X?" or the general advice; freed by the caller. */
static char *hint_option(const struct cli *cli, const char *word)
{
	const struct option_info *own = cli->command ? cli->command->options
						     : NULL;
	const char *list[HINTS_MAX];
	size_t n = 0;

	for (; own && own->name && n < HINTS_MAX; own++)
		list[n++] = own->name;
	own = global_options;
	for (; own->name && n < HINTS_MAX; own++)
		list[n++] = own->name;
	return hint(word, list, n, cli);
}

static char *hint_command(const struct cli *cli, const char *word)
{
	const char *list[HINTS_MAX];
	size_t n = 0;

	for (; command_at(n) && n < HINTS_MAX; n++)
		list[n] = command_at(n)->name;
	return hint(word, list, n, cli);
}

static const char *command_name(const struct cli *cli)
{
	return cli->command ? cli->command->name : "vdpa-restore";
}

static int fail_unknown_option(struct cli *cli, const char *word, size_t len)
{
	_cleanup_free_ char *name = strndup(word, len);
	_cleanup_free_ char *cure = NULL;

	if (!name)
		return fail_memory(cli);
	if (cli->command && is_later(cli->command->name, name))
		return fail(
			cli, VDPR_CAUSE_USAGE,
			"see vdpa-restore help for what it has",
			"%s: %s: this version of vdpa-restore (%s) does not have this option",
			cli->command->name, name, vdpr_version());
	cure = hint_option(cli, name);
	return fail(cli, VDPR_CAUSE_USAGE, cure, "%s: %s: unknown option",
		    command_name(cli), name);
}

static int fail_lex(struct cli *cli, const struct lexer *lex)
{
	int len = (int)lex->word_len;

	switch (lex->error) {
	case LEX_UNKNOWN:
		return fail_unknown_option(cli, lex->word, lex->word_len);
	case LEX_NO_VALUE:
		return fail(cli, VDPR_CAUSE_USAGE, NULL,
			    "%s: %.*s: its value is missing", command_name(cli),
			    len, lex->word);
	case LEX_EXTRA_VALUE:
		return fail(cli, VDPR_CAUSE_USAGE, NULL,
			    "%s: %.*s: takes no value", command_name(cli), len,
			    lex->word);
	case LEX_OK:
		break;
	}
	return fail_memory(cli);
}

static int fail_unknown_command(struct cli *cli, const char *word)
{
	_cleanup_free_ char *cure = NULL;

	if (is_later(word, NULL))
		return fail(
			cli, VDPR_CAUSE_USAGE,
			"see vdpa-restore help for what it has",
			"%s: this version of vdpa-restore (%s) does not have this command",
			word, vdpr_version());
	cure = hint_command(cli, word);
	return fail(cli, VDPR_CAUSE_USAGE, cure, "%s: unknown command", word);
}

/* Is the value one of "a|b|c"? */
static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);

	for (const char *c = choices; *c; c += strcspn(c, "|")) {
		c += *c == '|';
		if (same_word(value, c, strcspn(c, "|")))
			return len > 0;
	}
	return false;
}

static int check_options(struct cli *cli, const struct args *args)
{
	for (const struct arg_option *o = args->options; o->info; o++) {
		const struct option_info *info = o->info;
		size_t len = strlen(info->name);

		if (cli->command && !find_in(global_options, info->name, len) &&
		    !find_in(cli->command->options, info->name, len))
			return fail_unknown_option(cli, info->name, len);
		if (info->choices && !is_choice(info->choices, o->value))
			return fail(cli, VDPR_CAUSE_USAGE, NULL,
				    "%s: %s=%s: must be one of %s",
				    command_name(cli), info->name, o->value,
				    info->choices);
	}
	return 0;
}

static int check_words(struct cli *cli, const struct args *args)
{
	const struct command *c = cli->command;
	_cleanup_free_ char *cure = NULL;

	if (!c || args_has(args, "--help") || args_has(args, "--version"))
		return 0;
	if (args->n_words >= c->min_words && args->n_words <= c->max_words)
		return 0;
	if (asprintf(&cure, "usage: vdpa-restore %s %s", c->name, c->synopsis) <
	    0) {
		cure = NULL;
		return fail_memory(cli);
	}
	if (args->n_words < c->min_words)
		return fail(cli, VDPR_CAUSE_USAGE, cure,
			    "%s: an argument is missing", c->name);
	return fail(cli, VDPR_CAUSE_USAGE, cure,
		    "%s: %s: one argument too many", c->name,
		    args->words[c->max_words]);
}

/* An error before the last word must answer in JSON too if that is asked for. */
static void find_globals(struct cli *cli, const struct args *args)
{
	for (const struct arg_option *o = args->options; o->info; o++) {
		const char *name = o->info->name;

		cli->json |= !strcmp(name, "--json");
		cli->quiet |= !strcmp(name, "--quiet");
		cli->verbose += !strcmp(name, "--verbose");
	}
}

/* How many options the words can hold, and the end: letters in a row are
 * several. */
static size_t option_slots(int argc, char **argv)
{
	size_t n = 1;

	for (int i = 0; i < argc; i++)
		n += argv[i][0] == '-' ? strlen(argv[i]) : 0;
	return n;
}

/* Takes the first word as the command. Return: the word if there is none such. */
static const char *take_command(struct cli *cli, struct args *args)
{
	const char *name = args->words[0];

	if (!args->n_words)
		return NULL;
	cli->command = command_find(name);
	args->n_words--;
	memmove(args->words, args->words + 1,
		args->n_words * sizeof(*args->words));
	return cli->command ? NULL : name;
}

int args_parse(struct cli *cli, int argc, char **argv, struct args *out)
{
	struct lexer lex = { .args = out, .argc = argc, .argv = argv, .at = 1 };
	const char *unknown;
	int code;

	out->words = calloc((size_t)argc + 1, sizeof(*out->words));
	out->options = calloc(option_slots(argc, argv), sizeof(*out->options));
	if (!out->words || !out->options)
		return fail_memory(cli);
	lex_all(&lex);
	find_globals(cli, out);
	unknown = take_command(cli, out);
	if (unknown)
		return fail_unknown_command(cli, unknown);
	if (lex.error)
		return fail_lex(cli, &lex);
	code = check_options(cli, out);
	return code ? code : check_words(cli, out);
}

void args_free(struct args *args)
{
	free(args->words);
	free(args->options);
}

const char *args_value(const struct args *args, const char *name)
{
	for (size_t i = args->n_options; i > 0; i--)
		if (!strcmp(args->options[i - 1].info->name, name))
			return args->options[i - 1].value;
	return NULL;
}

bool args_has(const struct args *args, const char *name)
{
	for (const struct arg_option *o = args->options; o->info; o++)
		if (!strcmp(o->info->name, name))
			return true;
	return false;
}

bool args_chosen(const struct args *args, const char *name, const char *choice)
{
	const char *value = args_value(args, name);

	return value && !strcmp(value, choice);
}
