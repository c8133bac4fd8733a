/* SPDX-License-Identifier: MIT */
/* Files written whole or not at all. */
#ifndef VDPR_FILE_H
#define VDPR_FILE_H

#include "restore/ctx.h"

/* vdpr_file_write() - write a file through a temporary one in the same folder.
 * @path: synced and renamed, mode 0600; something there that is no regular file
 *        (a pipe, a device) is written to directly, a symbolic link is replaced.
 * @text: @len bytes.
 * Return: 0 or the errno of the call that failed, with VDPR_CAUSE_OTHER.
 */
int vdpr_file_write(struct vdpr_ctx *ctx, const char *path, const char *text,
		    size_t len);

#endif
