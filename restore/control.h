/* SPDX-License-Identifier: MIT */
/* The control socket: what server and client agree on. */
#ifndef VDPR_CONTROL_H
#define VDPR_CONTROL_H

#include "restore/json-write.h"

/* A request: a state file on one line, and the words around it. */
#define VDPR_CONTROL_REQUEST (VDPR_STATE_BYTES + 4096u)
/* An answer: a report of as many commands as a state can need. */
#define VDPR_CONTROL_ANSWER (16u << 20)
/* Of either: a state is one level down. */
#define VDPR_CONTROL_DEPTH (VDPR_STATE_DEPTH + 2)

/* vdpr_control_answer() - do what a request asks for, load excepted.
 * @line: @len bytes, without its end.
 * @out: empty; the answer, one line with its end. Empty where it comes later:
 * @load: that is so, for @ops has taken a state.
 * Return: 0 or -ENOMEM.
 */
int vdpr_control_answer(struct vdpr_ctx *ctx,
			const struct vdpr_control_ops *ops, const char *line,
			size_t len, struct vdpr_buf *out, bool *load);

/* vdpr_control_check() - can that be asked, with or without a state?
 * Return: 0 or -EINVAL (VDPR_CAUSE_USAGE). */
int vdpr_control_check(struct vdpr_ctx *ctx, const char *command, bool state);

/* The answer to a load that has ended. @report: may be NULL. */
void vdpr_control_put_report(struct vdpr_ctx *ctx, int result,
			     const struct vdpr_report *report,
			     struct vdpr_buf *out);

/* JSON text as the value of a key, without its line breaks. */
void vdpr_control_put_json(struct vdpr_json_writer *w, const char *key,
			   const char *text);

/* {"exit": CAUSE, "error": {...}}: the failure in @ctx. */
void vdpr_control_put_failure(struct vdpr_ctx *ctx, struct vdpr_buf *out);

#endif
