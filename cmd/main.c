/* SPDX-License-Identifier: MIT */
/* The tool's entry: table of commands, global options, exit code. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct command *const commands[] = {
	&cmd_list,	&cmd_show,	  &cmd_save,   &cmd_check,
	&cmd_plan,	&cmd_load,	  &cmd_diff,   &cmd_verify,
	&cmd_provision, &cmd_unprovision, &cmd_export, &cmd_transcript,
	&cmd_help,
};

const struct option_info global_options[] = {
	{ "--json", NULL, NULL, NULL,
	  "one JSON object on standard output, also on failure" },
	{ "--verbose", "-v", NULL, NULL,
	  "say more on standard error; twice for everything" },
	{ "--quiet", "-q", NULL, NULL,
	  "no notes and warnings on standard error, only errors" },
	{ "--help", "-h", NULL, NULL, "this help" },
	{ "--version", NULL, NULL, NULL, "print the version" },
	{ 0 },
};

const struct command *command_at(size_t i)
{
	return i < ARRAY_SIZE(commands) ? commands[i] : NULL;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

uint64_t cli_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/*
 * A device or file that lands on a closed descriptor 0, 1 or 2 would be taken
 * for a standard stream. The filler for 1 cannot be written, so that a missing
 * standard output is noticed.
 */
static void fill_standard_streams(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			if (open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) <
			    0)
				_exit(1);
}

static int run_command(struct cli *cli, const struct args *args)
{
	if (args_has(args, "--version")) {
		fprintf(cli->out, "vdpa-restore %s\n", vdpr_version());
		return 0;
	}
	if (args_has(args, "--help")) {
		help_print(cli->out, cli->command);
		return 0;
	}
	if (!cli->command) {
		help_print(stderr, NULL);
		return fail(cli, VDPR_CAUSE_USAGE, NULL, "no command given");
	}
	return cli->command->run(cli, args);
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct args args = { 0 };
	int code = args_parse(cli, argc, argv, &args);
	int flushed;

	log_start(cli);
	if (!code)
		code = run_command(cli, &args);
	flushed = out_flush(cli);
	args_free(&args);
	return code ? code : flushed;
}

/* Before the arguments are understood: a signal may come first. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct cli cli = { .stage = "arguments",
			   .start = cli_now(),
			   .signals = -1 };
	int code = 1;

	fill_standard_streams();
	/* A reader that went away is an output failure, said and exit 1. */
	signal(SIGPIPE, SIG_IGN);
	signals_answer(wants_json(argc, argv));
	cli.out = open_memstream(&cli.out_text, &cli.out_len);
	if (cli.out && vdpr_ctx_new(&cli.ctx) == 0)
		code = run(&cli, argc, argv);
	else
		fputs("vdpa-restore: out of memory\n", stderr);
	vdpr_ctx_free(cli.ctx);
	cJSON_Delete(cli.conflicts);
	free(cli.failure_text);
	free(cli.failure_cure);
	if (cli.out)
		fclose(cli.out);
	free(cli.out_text);
	return code;
}
