/* SPDX-License-Identifier: MIT */
/* Files written whole or not at all: a temporary file, synced and renamed. */
#include "restore/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "restore/util.h"

/* What a killed writer leaves behind can be told by its name. */
#define TEMP_MARK ".vdpa-restore-tmp."
/* Of the target's own name, so that the whole stays below NAME_MAX. */
#define TEMP_BASE 200

struct output {
	const char *text;
	size_t len;
};

static int write_all(int fd, const struct output *output)
{
	size_t done = 0;

	while (done < output->len) {
		ssize_t n = write(fd, output->text + done, output->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

/* Some files have nothing to sync: pipes, character devices, some folders. */
static int sync_fd(int fd)
{
	if (!fsync(fd) || errno == EINVAL || errno == ENOTSUP || errno == EROFS)
		return 0;
	return -errno;
}

/* Closes and tells of what the close found, such as a full quota on NFS. */
static int close_checked(int *fd)
{
	int err = close(TAKE_FD(*fd)) ? -errno : 0;

	return err == -EINTR ? 0 : err;
}

/* @why: set to the name of the step that failed. */
static int write_direct(const char *path, const struct output *output,
			const char **why)
{
	_cleanup_close_ int fd = -1;
	int err;

	*why = "open";
	do {
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return -errno;
	*why = "write";
	err = write_all(fd, output);
	if (!err)
		err = sync_fd(fd);
	return err ? err : close_checked(&fd);
}

/* Fills and closes the temporary file. */
static int fill_temp(int fd, const struct output *output, const char **why)
{
	int err;

	*why = "write";
	/* mkostemp() obeys the umask, the format's mode does not. */
	err = fchmod(fd, 0600) ? -errno : write_all(fd, output);
	if (!err && fsync(fd)) {
		*why = "sync";
		err = -errno;
	}
	if (close_checked(&fd) && !err)
		err = -EIO;
	return err;
}

/* The name is only safe once its folder is on disk. A folder that may not be
 * read cannot be synced; the file itself is. */
static int sync_folder(const char *folder)
{
	_cleanup_close_ int fd =
		open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == EACCES ? 0 : -errno;
	return sync_fd(fd);
}

static int replace(const char *path, const char *folder, char *temp,
		   const struct output *output, const char **why)
{
	int fd;
	int err;

	*why = "create a temporary file beside it";
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fill_temp(fd, output, why);
	if (!err && rename(temp, path)) {
		*why = "rename";
		err = -errno;
	}
	if (err) {
		unlink(temp);
		return err;
	}
	*why = "sync the folder";
	return sync_folder(folder);
}

/* Through a temporary file in the same folder. */
static int write_whole(const char *path, const struct output *output,
		       const char **why)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	_cleanup_free_ char *folder = NULL;
	_cleanup_free_ char *temp = NULL;

	*why = "open";
	if (!*base)
		return *path ? -EISDIR : -ENOENT;
	if (slash)
		folder = strndup(path,
				 slash == path ? 1 : (size_t)(slash - path));
	else
		folder = strdup(".");
	if (!folder || asprintf(&temp, "%s/.%.*s" TEMP_MARK "XXXXXX", folder,
				TEMP_BASE, base) < 0) {
		temp = NULL;
		return -ENOMEM;
	}
	return replace(path, folder, temp, output, why);
}

int vdpr_file_write(struct vdpr_ctx *ctx, const char *path, const char *text,
		    size_t len)
{
	const struct output output = { text, len };
	const char *why = "";
	struct stat st;
	bool direct = !lstat(path, &st) && !S_ISREG(st.st_mode) &&
		      !S_ISLNK(st.st_mode);
	int err = direct ? write_direct(path, &output, &why)
			 : write_whole(path, &output, &why);

	if (err)
		return vdpr_fail(ctx, VDPR_CAUSE_OTHER, err, "%s: %s: %s", path,
				 why, strerror(-err));
	return 0;
}
