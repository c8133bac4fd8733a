/* SPDX-License-Identifier: MIT */
/* State files on disk: limits on reading, whole or not at all on writing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "restore/ctx.h"
#include "tests/states.h"

static struct vdpr_ctx *ctx;
static struct vdpr_state *s;
static char *text; /* of s */
static char folder[64];
static char path[128];

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/vdpr-state-file.XXXXXX");
	if (!mkdtemp(folder) || vdpr_ctx_new(&ctx) ||
	    vdpr_test_state(0xfff, VDPR_NORMAL_FORM, ctx, &s) ||
	    vdpr_state_format(ctx, s, &text, NULL))
		return -1;
	snprintf(path, sizeof(path), "%s/state.json", folder);
	return 0;
}

static void each_entry(void (*fn)(const char *name))
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			fn(entry->d_name);
	}
	closedir(dir);
}

static void remove_entry(const char *name)
{
	char *full = NULL;

	assert_true(asprintf(&full, "%s/%s", folder, name) > 0);
	assert_int_equal(remove(full), 0);
	free(full);
}

static int teardown(void **state)
{
	(void)state;
	each_entry(remove_entry);
	assert_int_equal(rmdir(folder), 0);
	free(text);
	vdpr_state_free(s);
	vdpr_ctx_free(ctx);
	return 0;
}

static unsigned int entries;

static void count_entry(const char *name)
{
	(void)name;
	entries++;
}

static unsigned int count_entries(void)
{
	entries = 0;
	each_entry(count_entry);
	return entries;
}

static void put_file(const char *name, const char *content, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), (ssize_t)len);
	close(fd);
}

static void expect_file(const char *name, const char *content)
{
	char buf[65536];
	FILE *file = fopen(name, "re");
	size_t len;

	assert_non_null(file);
	len = fread(buf, 1, sizeof(buf) - 1, file);
	fclose(file);
	buf[len] = '\0';
	assert_string_equal(buf, content);
}

static void expect_unreadable(const char *name, int want, const char *message)
{
	struct vdpr_state *got = NULL;

	assert_int_equal(vdpr_state_read(ctx, name, &got), want);
	assert_null(got);
	assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_INPUT);
	assert_non_null(strstr(vdpr_ctx_error(ctx), message));
	assert_ptr_equal(strstr(vdpr_ctx_error(ctx), name),
			 vdpr_ctx_error(ctx));
}

/* -------------------------------------------------------------------------- read */

static void what_is_written_is_read_again(void **state)
{
	struct vdpr_state *got = NULL;
	char *again = NULL;

	(void)state;
	assert_int_equal(vdpr_state_write(ctx, s, path), 0);
	assert_int_equal(vdpr_state_read(ctx, path, &got), 0);
	assert_int_equal(vdpr_state_format(ctx, got, &again, NULL), 0);
	assert_string_equal(again, text);
	free(again);
	vdpr_state_free(got);
}

static void what_cannot_be_read_is_bad_input(void **state)
{
	(void)state;
	expect_unreadable(path, -ENOENT, "open: No such file");
	expect_unreadable(folder, -EISDIR, "Is a directory");
	put_file(path, "{", 1);
	expect_unreadable(path, -EBADMSG, ": line 1, column 2: ");
	put_file(path, "", 0);
	expect_unreadable(path, -EBADMSG, ": line 1, column 1: ");
}

static void a_huge_file_is_not_read_whole(void **state)
{
	struct rusage before, after;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)state;
	/* Of holes: only reading it would cost. */
	assert_int_equal(ftruncate(fd, 1ll << 36), 0);
	close(fd);
	getrusage(RUSAGE_SELF, &before);
	expect_unreadable(path, -EFBIG, "4194304");
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 65536);
}

static void *feed_pipe(void *data)
{
	int fd = open(data, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i += 100) {
		size_t part = len - i < 100 ? len - i : 100;

		if (write(fd, text + i, part) != (ssize_t)part)
			break;
	}
	close(fd);
	return NULL;
}

static void a_pipe_is_read_in_pieces(void **state)
{
	struct vdpr_state *got = NULL;
	pthread_t thread;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(pthread_create(&thread, NULL, feed_pipe, path), 0);
	assert_int_equal(vdpr_state_read(ctx, path, &got), 0);
	pthread_join(thread, NULL);
	vdpr_state_free(got);
}

static void a_newer_file_keeps_its_cure(void **state)
{
	static const char newer[] =
		"{\"schema\": \"vdpa-restore/state\", \"version\": 9, \"compat\": 9}";

	(void)state;
	put_file(path, newer, strlen(newer));
	expect_unreadable(path, -EPROTONOSUPPORT, ": compat: ");
	assert_true(strlen(vdpr_ctx_cure(ctx)) > 0);
}

/* ------------------------------------------------------------------------- write */

static void a_new_file_has_mode_0600_whatever_the_umask(void **state)
{
	static const mode_t masks[] = { 0, 022, 0777 };
	struct stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		mode_t old = umask(masks[i]);
		int err = vdpr_state_write(ctx, s, path);

		umask(old);
		assert_int_equal(err, 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		expect_file(path, text);
		assert_int_equal(unlink(path), 0);
	}
}

static void an_old_file_is_replaced_by_another(void **state)
{
	struct stat before, after;

	(void)state;
	put_file(path, "old", 3);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(vdpr_state_write(ctx, s, path), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_ino != after.st_ino);
	assert_int_equal(after.st_mode & 07777, 0600);
	expect_file(path, text);
	assert_int_equal(count_entries(), 1);
}

static void a_relative_name_is_written_beside_itself(void **state)
{
	char *cwd = getcwd(NULL, 0);
	int err;

	(void)state;
	assert_int_equal(chdir(folder), 0);
	err = vdpr_state_write(ctx, s, "state.json");
	assert_int_equal(chdir(cwd), 0);
	free(cwd);
	assert_int_equal(err, 0);
	expect_file(path, text);
	assert_int_equal(count_entries(), 1);
}

static void a_symbolic_link_is_replaced_not_followed(void **state)
{
	char target[128];
	struct stat st;

	(void)state;
	snprintf(target, sizeof(target), "%s/target", folder);
	put_file(target, "precious", 8);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(vdpr_state_write(ctx, s, path), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	expect_file(target, "precious");
	expect_file(path, text);
}

static void a_dangling_link_is_replaced_too(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(vdpr_state_write(ctx, s, path), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

struct drain {
	char buf[65536];
	size_t len;
};

static void *drain_pipe(void *data)
{
	struct drain *drain = data;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while ((n = read(fd, drain->buf + drain->len,
			 sizeof(drain->buf) - 1 - drain->len)) > 0)
		drain->len += (size_t)n;
	close(fd);
	return NULL;
}

static void a_pipe_is_written_to_and_stays_a_pipe(void **state)
{
	static struct drain drain;
	struct stat st;
	pthread_t thread;

	(void)state;
	memset(&drain, 0, sizeof(drain));
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(pthread_create(&thread, NULL, drain_pipe, &drain), 0);
	assert_int_equal(vdpr_state_write(ctx, s, path), 0);
	pthread_join(thread, NULL);
	assert_string_equal(drain.buf, text);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void devices_are_written_to(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(vdpr_state_write(ctx, s, "/dev/null"), 0);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(vdpr_state_write(ctx, s, "/dev/full"), -ENOSPC);
	assert_string_equal(vdpr_ctx_error(ctx),
			    "/dev/full: write: No space left on device");
	assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_OTHER);
}

/* A limit on file size stands for a full disk: the write falls short. */
static void a_write_that_fails_leaves_the_old_file_whole(void **state)
{
	struct rlimit limit, small;
	int err;

	(void)state;
	put_file(path, "old", 3);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = limit;
	small.rlim_cur = 100;
	setrlimit(RLIMIT_FSIZE, &small);
	err = vdpr_state_write(ctx, s, path);
	setrlimit(RLIMIT_FSIZE, &limit);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(err, -EFBIG);
	expect_file(path, "old");
	assert_int_equal(count_entries(), 1);
}

static void places_where_no_file_can_be_are_errors(void **state)
{
	char inside[160];

	(void)state;
	assert_int_equal(vdpr_state_write(ctx, s, folder), -EISDIR);
	snprintf(inside, sizeof(inside), "%s/", folder);
	assert_int_equal(vdpr_state_write(ctx, s, inside), -EISDIR);
	snprintf(inside, sizeof(inside), "%s/none/state.json", folder);
	assert_int_equal(vdpr_state_write(ctx, s, inside), -ENOENT);
	assert_int_equal(vdpr_state_write(ctx, s, ""), -ENOENT);
	put_file(path, "old", 3);
	snprintf(inside, sizeof(inside), "%s/state.json/x", folder);
	assert_int_equal(vdpr_state_write(ctx, s, inside), -ENOTDIR);
	expect_file(path, "old");
}

static void a_name_of_full_length_can_be_written(void **state)
{
	char name[64 + 1 + 255 + 1];

	(void)state;
	snprintf(name, sizeof(name), "%s/%0255d", folder, 7);
	assert_int_equal(vdpr_state_write(ctx, s, name), 0);
	assert_int_equal(count_entries(), 1);
}

/* Kills the writer at many moments: the file is the old or the new one. */
static void a_killed_writer_never_leaves_half_a_file(void **state)
{
	struct vdpr_state *got;
	struct timespec pause = { 0, 0 };

	(void)state;
	assert_int_equal(vdpr_state_write(ctx, s, path), 0);
	for (unsigned int i = 0; i < 40; i++) {
		pid_t pid = fork();

		if (!pid) {
			for (;;)
				(void)!vdpr_state_write(ctx, s, path);
		}
		assert_true(pid > 0);
		pause.tv_nsec = 100000 * i;
		nanosleep(&pause, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		got = NULL;
		assert_int_equal(vdpr_state_read(ctx, path, &got), 0);
		vdpr_state_free(got);
	}
}

static unsigned int temps;

static void is_recognisable(const char *name)
{
	if (!strcmp(name, "state.json"))
		return;
	temps++;
	assert_ptr_equal(strstr(name, ".state.json.vdpa-restore-tmp."), name);
}

static void what_a_killed_writer_leaves_has_a_telling_name(void **state)
{
	(void)state;
	temps = 0;
	for (unsigned int i = 0; i < 200 && !temps; i++) {
		pid_t pid = fork();

		if (!pid) {
			for (;;)
				(void)!vdpr_state_write(ctx, s, path);
		}
		usleep(3000 + 37 * i);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		each_entry(is_recognisable);
	}
	assert_true(temps > 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_written_is_read_again),
		T(what_cannot_be_read_is_bad_input),
		T(a_huge_file_is_not_read_whole),
		T(a_pipe_is_read_in_pieces),
		T(a_newer_file_keeps_its_cure),
		T(a_new_file_has_mode_0600_whatever_the_umask),
		T(an_old_file_is_replaced_by_another),
		T(a_relative_name_is_written_beside_itself),
		T(a_symbolic_link_is_replaced_not_followed),
		T(a_dangling_link_is_replaced_too),
		T(a_pipe_is_written_to_and_stays_a_pipe),
		T(devices_are_written_to),
		T(a_write_that_fails_leaves_the_old_file_whole),
		T(places_where_no_file_can_be_are_errors),
		T(a_name_of_full_length_can_be_written),
		T(a_killed_writer_never_leaves_half_a_file),
		T(what_a_killed_writer_leaves_has_a_telling_name),
	};

	return cmocka_run_group_tests_name("state-file", tests, NULL, NULL);
}
