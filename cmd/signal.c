/* SPDX-License-Identifier: MIT */
/* Signals as something to wait for, so that they can end work in order. */
#include "cmd/cmd.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char text[] = "vdpa-restore: interrupted\n";
static const char json[] = "{\"exit\":1,\"error\":{\"stage\":null,"
			   "\"text\":\"interrupted\",\"cure\":\"\"}}\n";
/* Whether the answer is to be JSON; written before the handler is there. */
static volatile sig_atomic_t answers_json;

/* Nothing has been printed yet: what goes to standard output is collected until
 * the end. A device that was opened is reset by the end of the process. */
static void interrupted(int number)
{
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)number;
	if (answers_json)
		n = write(STDOUT_FILENO, json, sizeof(json) - 1);
	(void)n;
	_exit(VDPR_CAUSE_OTHER);
}

void signals_answer(bool as_json)
{
	const struct sigaction action = { .sa_handler = interrupted };

	answers_json = as_json;
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

int signals_block(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
