/* SPDX-License-Identifier: MIT */
/* Takes the command line apart: command, arguments, options in any place. */
#include "cmd/cmd.h"

#include <assert.h>
#include <getopt.h>
#include <string.h>

/* What is planned for a later version: named, so that nobody searches for the
 * typing mistake. A NULL option is the command itself. */
/* clang-format off */
static const struct later {
	const char *command;
	const char *option;
} laters[] = {
	{ "shadow", NULL },
	{ "run", NULL },
};
/* clang-format on */

/* All options of all commands; the first of all runs would trip over more. */
#define OPTIONS_MAX 64

/* What getopt_long() calls the first of our long options: no letter is that. */
#define FIRST_LONG 256

/* The options that a line may have, in getopt_long()'s words. */
struct grammar {
	size_t n;
	const struct option_info *info[OPTIONS_MAX];
	struct option longs[OPTIONS_MAX + 1];
	char letters[2 * OPTIONS_MAX + 3];
};

/* Everything that can be wrong with one word, for one message at the end. */
enum lex_error {
	LEX_OK,
	LEX_UNKNOWN,
	LEX_NO_VALUE,
	LEX_EXTRA_VALUE,
};

struct lexer {
	struct grammar grammar;
	struct args *args;
	const char *command;  /* the word that is no argument, or NULL */
	enum lex_error error; /* the first one */
	const char *word;     /* that has it */
};

/* ----------------------------------------------------------------- grammar */

/* Same name means same kind of value in all commands. */
static bool grammar_has(const struct grammar *g, const char *name)
{
	for (size_t i = 0; i < g->n; i++)
		if (!strcmp(g->info[i]->name, name))
			return true;
	return false;
}

static void grammar_add(struct grammar *g, const struct option_info *table)
{
	char *end = g->letters + strlen(g->letters);

	for (; table && table->name; table++) {
		if (grammar_has(g, table->name))
			continue;
		assert(g->n < OPTIONS_MAX);
		g->info[g->n] = table;
		g->longs[g->n] = (struct option){
			.name = table->name + 2,
			.has_arg = table->arg ? required_argument : no_argument,
			.val = FIRST_LONG + (int)g->n,
		};
		if (table->letter)
			*end++ = table->letter[1];
		if (table->letter && table->arg)
			*end++ = ':';
		g->n++;
	}
}

/*
 * "-": arguments come in their place, among the options, whatever
 * POSIXLY_CORRECT says, and argv stays as it is. ":": a missing value is told
 * from an unknown option, and the messages are ours.
 */
static void grammar_init(struct grammar *g, const struct command *command)
{
	const struct command *c;

	*g = (struct grammar){ .letters = "-:" };
	grammar_add(g, global_options);
	if (command)
		grammar_add(g, command->options);
	for (size_t i = 0; !command && (c = command_at(i)); i++)
		grammar_add(g, c->options);
}

/* What getopt_long() found. */
static const struct option_info *grammar_find(const struct grammar *g, int c)
{
	for (size_t i = 0; i < g->n; i++) {
		const char *letter = g->info[i]->letter;

		if (g->longs[i].val == c || (letter && letter[1] == c))
			return g->info[i];
	}
	return NULL;
}

/* --------------------------------------------------------------- the words */

static void add_word(struct lexer *lex, const char *word)
{
	if (word != lex->command)
		lex->args->words[lex->args->n_words++] = word;
}

static void add_option(struct lexer *lex, int c)
{
	const struct option_info *info = grammar_find(&lex->grammar, c);
	struct args *args = lex->args;

	if (info)
		args->options[args->n_options++] =
			(struct arg_option){ .info = info, .value = optarg };
}

static void lex_fail(struct lexer *lex, int c, const char *word)
{
	if (lex->error)
		return;
	lex->word = word;
	if (c == ':')
		lex->error = LEX_NO_VALUE;
	else if (optopt >= FIRST_LONG)
		lex->error = LEX_EXTRA_VALUE;
	else
		lex->error = LEX_UNKNOWN;
}

static void lex_all(struct lexer *lex, int argc, char **argv)
{
	int c, at = 1;

	lex->args->n_words = 0;
	lex->args->n_options = 0;
	optind = 0; /* from the beginning, also the second time */
	while ((c = getopt_long(argc, argv, lex->grammar.letters,
				lex->grammar.longs, NULL)) != -1) {
		if (c == 1)
			add_word(lex, optarg);
		else if (c == '?' || c == ':')
			lex_fail(lex, c, argv[at]);
		else
			add_option(lex, c);
		at = optind; /* the word that the next call looks at */
	}
	while (optind < argc)
		add_word(lex, argv[optind++]);
}

/* ---------------------------------------------------------------- messages */

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

static const char *command_name(const struct cli *cli)
{
	return cli->command ? cli->command->name : "vdpa-restore";
}

/* "did you mean X?" or the general advice; freed by the caller. */
static char *hint(const struct cli *cli, const char *word,
		  const char *const *list, size_t n)
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

static int fail_unknown_option(struct cli *cli, const struct grammar *g,
			       const char *name)
{
	_cleanup_free_ char *cure = NULL;
	const char *all[OPTIONS_MAX];
	const char *alike[OPTIONS_MAX];
	size_t n = 0;

	if (cli->command && is_later(cli->command->name, name))
		return fail(
			cli, VDPR_CAUSE_USAGE,
			"see vdpa-restore help for what it has",
			"%s: %s: this version of vdpa-restore (%s) does not have this option",
			cli->command->name, name, vdpr_version());
	for (size_t i = 0; i < g->n; i++) {
		all[i] = g->info[i]->name;
		if (!strncmp(all[i], name, strlen(name)))
			alike[n++] = all[i];
	}
	if (n > 1)
		return fail(cli, VDPR_CAUSE_USAGE, NULL,
			    "%s: %s: could be %s or %s", command_name(cli),
			    name, alike[0], alike[1]);
	cure = hint(cli, name, all, g->n);
	return fail(cli, VDPR_CAUSE_USAGE, cure, "%s: %s: unknown option",
		    command_name(cli), name);
}

static int fail_lex(struct cli *cli, const struct lexer *lex)
{
	bool is_long = lex->word[1] == '-';
	size_t len = is_long ? strcspn(lex->word, "=") : strlen(lex->word);
	_cleanup_free_ char *name = strndup(lex->word, len);

	if (!name)
		return fail_memory(cli);
	if (lex->error == LEX_UNKNOWN)
		return fail_unknown_option(cli, &lex->grammar, name);
	return fail(cli, VDPR_CAUSE_USAGE, NULL, "%s: %s: %s",
		    command_name(cli), name,
		    lex->error == LEX_NO_VALUE ? "its value is missing"
					       : "takes no value");
}

static int fail_unknown_command(struct cli *cli, const char *word)
{
	_cleanup_free_ char *cure = NULL;
	const char *list[OPTIONS_MAX];
	size_t n = 0;

	if (is_later(word, NULL))
		return fail(
			cli, VDPR_CAUSE_USAGE,
			"see vdpa-restore help for what it has",
			"%s: this version of vdpa-restore (%s) does not have this command",
			word, vdpr_version());
	for (; command_at(n) && n < ARRAY_SIZE(list); n++)
		list[n] = command_at(n)->name;
	cure = hint(cli, word, list, n);
	return fail(cli, VDPR_CAUSE_USAGE, cure, "%s: unknown command", word);
}

/* ------------------------------------------------------------------ checks */

/* Is the value one of "a|b|c"? */
static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);

	for (const char *c = choices; *c; c += strcspn(c, "|")) {
		c += *c == '|';
		if (strcspn(c, "|") == len && !memcmp(c, value, len))
			return len > 0;
	}
	return false;
}

static int check_choices(struct cli *cli, const struct args *args)
{
	for (size_t i = 0; i < args->n_options; i++) {
		const struct arg_option *o = &args->options[i];

		if (o->info->choices && !is_choice(o->info->choices, o->value))
			return fail(cli, VDPR_CAUSE_USAGE, NULL,
				    "%s: %s=%s: must be one of %s",
				    command_name(cli), o->info->name, o->value,
				    o->info->choices);
	}
	return 0;
}

static int check_words(struct cli *cli, const struct args *args)
{
	const struct command *c = cli->command;
	bool extra = c && args->n_words > c->max_words;
	const char *stray = extra && c->stray ? c->stray : NULL;
	_cleanup_free_ char *cure = NULL;

	if (!c || args_has(args, "--help") || args_has(args, "--version"))
		return 0;
	if (args->n_words >= c->min_words && !extra)
		return 0;
	if (asprintf(&cure, "%s%susage: vdpa-restore %s %s", stray ? stray : "",
		     stray ? "; " : "", c->name, c->synopsis) < 0) {
		cure = NULL;
		return fail_memory(cli);
	}
	if (!extra)
		return fail(cli, VDPR_CAUSE_USAGE, cure,
			    "%s: an argument is missing", c->name);
	return fail(cli, VDPR_CAUSE_USAGE, cure,
		    "%s: %s: one argument too many", c->name,
		    args->words[c->max_words]);
}

/* ------------------------------------------------------------------- parse */

/* An error before the last word must answer in JSON too if that is asked for. */
static void set_globals(struct cli *cli, const struct args *args)
{
	cli->json = args_has(args, "--json");
	cli->quiet = args_has(args, "--quiet");
	cli->verbose = 0;
	for (size_t i = 0; i < args->n_options; i++)
		cli->verbose +=
			!strcmp(args->options[i].info->name, "--verbose");
}

/* How many options the words can hold: letters in a row are several. */
static size_t option_slots(int argc, char **argv)
{
	size_t n = 1;

	for (int i = 0; i < argc; i++)
		n += argv[i][0] == '-' ? strlen(argv[i]) : 0;
	return n;
}

/*
 * Goes over the line twice: the first time with the options of all commands, to
 * find the command, for which the value of an option before it must not be
 * taken ("--timeout 5 load"); then with the options that this command has.
 */
int args_parse(struct cli *cli, int argc, char **argv, struct args *out)
{
	struct lexer lex = { .args = out };
	int code;

	out->words = calloc((size_t)argc + 1, sizeof(*out->words));
	out->options = calloc(option_slots(argc, argv), sizeof(*out->options));
	if (!out->words || !out->options)
		return fail_memory(cli);
	grammar_init(&lex.grammar, NULL);
	lex_all(&lex, argc, argv);
	set_globals(cli, out);
	if (out->n_words > 0) {
		const char *word = out->words[0];

		cli->command = command_find(word);
		if (!cli->command)
			return fail_unknown_command(cli, word);
		lex = (struct lexer){ .args = out, .command = word };
		grammar_init(&lex.grammar, cli->command);
		lex_all(&lex, argc, argv);
		set_globals(cli, out);
	}
	if (lex.error)
		return fail_lex(cli, &lex);
	code = check_choices(cli, out);
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
	for (size_t i = 0; i < args->n_options; i++)
		if (!strcmp(args->options[i].info->name, name))
			return true;
	return false;
}

bool args_chosen(const struct args *args, const char *name, const char *choice)
{
	const char *value = args_value(args, name);

	return value && !strcmp(value, choice);
}

/*
 * "S" or "S.FRACTION" in nanoseconds. Not strtod(): its decimal point depends
 * on the locale, and it takes hex, exponents, infinities.
 */
static bool parse_seconds(const char *text, uint64_t *out)
{
	size_t whole = strspn(text, "0123456789");
	const char *point = text + whole;
	uint64_t ns = 0, unit = 100000000;

	if (!whole || whole > 5)
		return false;
	for (size_t i = 0; i < whole; i++)
		ns = ns * 10 + (uint64_t)(text[i] - '0') * 1000000000u;
	if (*point == '.' && point[1])
		while (*++point >= '0' && *point <= '9') {
			ns += (uint64_t)(*point - '0') * unit;
			unit /= 10;
		}
	*out = ns;
	return !*point && ns >= 1000000 && ns <= 3600000000000u;
}

int args_timeout(struct cli *cli, const struct args *args, uint64_t *ns)
{
	const char *text = args_value(args, "--timeout");

	*ns = 10000000000u;
	if (!text || parse_seconds(text, ns))
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE, NULL,
		    "%s: --timeout %s: must be 0.001 to 3600 seconds",
		    command_name(cli), text);
}
