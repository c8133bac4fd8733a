/* SPDX-License-Identifier: MIT */
/* help: the tables of commands and options, for people and for completions. */
#include "cmd/cmd.h"

#include <string.h>

static const struct option_info help_options[] = {
	{ "--list", NULL, NULL, NULL,
	  "all commands and options, for programs" },
	{ 0 },
};

/* Column where the description of an option or command begins. */
#define HELP_COLUMN 22

static void print_option(FILE *to, const struct option_info *o)
{
	int n = fprintf(to, "  %s%s", o->letter ? o->letter : "",
			o->letter ? ", " : "");

	n += fprintf(to, "%s", o->name);
	if (o->choices)
		n += fprintf(to, "=%s", o->choices);
	else if (o->arg)
		n += fprintf(to, " %s", o->arg);
	if (n >= HELP_COLUMN)
		n = fprintf(to, "\n") - 1;
	fprintf(to, "%*s%s\n", HELP_COLUMN - n, "", o->help);
}

static void print_options(FILE *to, const char *title,
			  const struct option_info *table)
{
	if (!table || !table->name)
		return;
	fprintf(to, "\n%s:\n", title);
	for (; table->name; table++)
		print_option(to, table);
}

static void print_command(FILE *to, const struct command *c)
{
	fprintf(to, "usage: vdpa-restore %s%s%s\n\n%s.\n", c->name,
		*c->synopsis ? " " : "", c->synopsis, c->summary);
	print_options(to, "options", c->options);
	print_options(to, "options of every command", global_options);
}

static void print_all(FILE *to)
{
	const struct command *c;

	fputs("usage: vdpa-restore COMMAND [ARGUMENT]... [OPTION]...\n\n"
	      "Saves the control state of a virtio-net device behind vhost-vdpa "
	      "and restores it.\n\ncommands:\n",
	      to);
	for (size_t i = 0; (c = command_at(i)); i++)
		fprintf(to, "  %-12s %s\n", c->name, c->summary);
	print_options(to, "options of every command", global_options);
	fputs("\n"
	      "DEV is /dev/vhost-vdpa-N, vdpa:NAME, fd:N or sim[:KEY=VALUE,...]; "
	      "FILE is a state\nfile, \"-\" standard input. Options may stand "
	      "anywhere, \"--\" ends them.\n"
	      "\"vdpa-restore help COMMAND\" says more of one command.\n",
	      to);
}

void help_print(FILE *to, const struct command *command)
{
	if (command)
		print_command(to, command);
	else
		print_all(to);
}

/* One line: kind, command, name, letter, value, choices, description. */
static void list_option(FILE *to, const char *command,
			const struct option_info *o)
{
	fprintf(to, "option\t%s\t%s\t%s\t%s\t%s\t%s\n", command, o->name,
		o->letter ? o->letter : "", o->arg ? o->arg : "",
		o->choices ? o->choices : "", o->help);
}

static void print_list(FILE *to)
{
	const struct command *c;

	for (size_t i = 0; (c = command_at(i)); i++)
		fprintf(to, "command\t%s\t%s\t%s\n", c->name, c->synopsis,
			c->summary);
	for (const struct option_info *o = global_options; o->name; o++)
		list_option(to, "*", o);
	for (size_t i = 0; (c = command_at(i)); i++)
		for (const struct option_info *o = c->options; o && o->name;
		     o++)
			list_option(to, c->name, o);
}

static int help_run(struct cli *cli, const struct args *args)
{
	const struct command *c = NULL;

	if (args_has(args, "--list")) {
		print_list(cli->out);
		return 0;
	}
	if (args->n_words > 0) {
		c = command_find(args->words[0]);
		if (!c)
			return fail(cli, VDPR_CAUSE_USAGE,
				    "vdpa-restore help lists them",
				    "help: %s: unknown command",
				    args->words[0]);
	}
	help_print(cli->out, c);
	return 0;
}

const struct command cmd_help = {
	.name = "help",
	.synopsis = "[COMMAND] [--list]",
	.summary = "Explains a command, or lists all",
	.max_words = 1,
	.options = help_options,
	.run = help_run,
};
