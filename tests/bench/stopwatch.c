/* SPDX-License-Identifier: MIT */
/* Runs a program many times: median wall time and peak memory.
 *
 *   stopwatch RUNS PROGRAM [ARGUMENT]...
 *
 * One run first that does not count, then RUNS; prints microseconds and KiB. The
 * child's output is thrown away. Not a script's job: the child of a large process
 * would be counted with that process's memory.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_RUNS 1000

extern char **environ;

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static long now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Return: microseconds, or -1 if it cannot be run or fails. */
static long run(char **argv, const posix_spawn_file_actions_t *actions,
		long *kib)
{
	struct rusage usage;
	long began = now_usec();
	int status;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], actions, NULL, argv, environ) ||
	    wait4(pid, &status, 0, &usage) < 0)
		return -1;
	*kib = usage.ru_maxrss;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? now_usec() - began
							 : -1;
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t actions;
	long usec[MAX_RUNS], kib[MAX_RUNS];
	int runs = argc > 2 ? atoi(argv[1]) : 0;

	if (runs < 1 || runs > MAX_RUNS) {
		fputs("usage: stopwatch RUNS PROGRAM [ARGUMENT]...\n", stderr);
		return 2;
	}
	posix_spawn_file_actions_init(&actions);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null",
						 O_RDWR, 0);
	for (int i = -1; i < runs; i++) {
		int at = i < 0 ? 0 : i;

		usec[at] = run(argv + 2, &actions, &kib[at]);
		if (usec[at] < 0) {
			fprintf(stderr, "stopwatch: %s fails\n", argv[2]);
			return 1;
		}
	}
	qsort(usec, (size_t)runs, sizeof(*usec), compare);
	qsort(kib, (size_t)runs, sizeof(*kib), compare);
	printf("%ld %ld\n", usec[runs / 2], kib[runs / 2]);
	return 0;
}
