/* SPDX-License-Identifier: MIT */
/* A QMP monitor: connect, ask, give up in time, whatever answers there. */
#include "restore/qmp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/ctx.h"
#include "restore/json-scan.h"

/* A NIC's answers have some ten thousand bytes, the longest a VLAN table. */
#define LINE_MAX_BYTES (4u << 20)
#define ALL_MAX_BYTES (64u << 20)
#define MAX_DEPTH 32

static const struct vdpr_line_words words = {
	.what = "a QMP monitor",
	.late_cure = "QEMU serves one client of a monitor at a time: end the "
		     "other, or give QEMU a second monitor with -qmp",
	.absent_cure = "give the socket of QEMU's -qmp "
		       "unix:SOCKET,server=on,wait=off",
	.refused_cure = "run as the user of QEMU, or as root",
};

void vdpr_qmp_init(struct vdpr_qmp *qmp, struct vdpr_ctx *ctx, const char *name,
		   uint64_t deadline, int cancel_fd)
{
	*qmp = (struct vdpr_qmp){ .ctx = ctx, .name = name };
	qmp->socket = (struct vdpr_line_socket){
		.ctx = ctx,
		.name = name,
		.words = &words,
		.line_max = LINE_MAX_BYTES,
		.all_max = ALL_MAX_BYTES,
		.fd = -1,
		.cancel_fd = cancel_fd,
		.deadline = deadline,
	};
}

int vdpr_qmp_open(struct vdpr_qmp *qmp)
{
	int err = vdpr_line_connect(&qmp->socket);

	return err ? err : vdpr_qmp_greet(qmp);
}

void vdpr_qmp_close(struct vdpr_qmp *qmp)
{
	vdpr_line_close(&qmp->socket);
}

static int fail_line(struct vdpr_qmp *qmp, const char *why)
{
	return vdpr_line_bad(&qmp->socket, why);
}

int vdpr_qmp_bad(struct vdpr_qmp *qmp, const char *command, const char *what)
{
	return vdpr_fail(qmp->ctx, VDPR_CAUSE_INPUT, -EBADMSG,
			 "%s: the answer to %s: %s", qmp->name, command, what);
}

/* --------------------------------------------------------------------- lines */

/* The next line as an object. */
static int next_object(struct vdpr_qmp *qmp, const char *what,
		       struct vdpr_json_value *out)
{
	char why[VDPR_JSON_FAULT + 32];
	struct vdpr_json_fault fault;
	int err = vdpr_line_next(&qmp->socket, what);

	if (err)
		return err;
	err = vdpr_json_scan_any(qmp->socket.in.data, qmp->socket.line_len,
				 MAX_DEPTH, &fault);
	if (err == -ENOMEM)
		return vdpr_fail_memory(qmp->ctx);
	if (err) {
		snprintf(why, sizeof(why), "column %zu: %s", fault.column,
			 fault.why);
		return fail_line(qmp, why);
	}
	*out = vdpr_value_root(qmp->socket.in.data, qmp->socket.line_len);
	if (vdpr_value_kind(*out) != VDPR_JSON_OBJECT)
		return fail_line(qmp, "a line is no object");
	return 0;
}

/* ------------------------------------------------------------------ commands */

static int read_greeting(struct vdpr_qmp *qmp)
{
	static const char *const keys[] = { "major", "minor", "micro" };
	struct vdpr_json_value line = { NULL, NULL };
	struct vdpr_json_value version;
	int err = next_object(qmp, "greeting", &line);

	if (err)
		return err;
	version = vdpr_value_member(vdpr_value_member(line, "QMP"), "version");
	version = vdpr_value_member(version, "qemu");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (vdpr_value_number(vdpr_value_member(version, keys[i]),
				      UINT32_MAX, &qmp->version[i]))
			return fail_line(qmp, "its greeting has no version");
	}
	return 0;
}

int vdpr_qmp_greet(struct vdpr_qmp *qmp)
{
	struct vdpr_json_value nothing;
	int err = read_greeting(qmp);

	return err ? err
		   : vdpr_qmp_ask(qmp, "qmp_capabilities", NULL, &nothing);
}

bool vdpr_qmp_is_from(const struct vdpr_qmp *qmp, unsigned int major,
		      unsigned int minor)
{
	if (qmp->version[0] != major)
		return qmp->version[0] > major;
	return qmp->version[1] >= minor;
}

/* What QEMU says is wrong. Return: -EREMOTEIO, -EOPNOTSUPP. */
static int fail_answer(struct vdpr_qmp *qmp, const char *command,
		       struct vdpr_json_value error)
{
	bool unknown = vdpr_value_equals(vdpr_value_member(error, "class"),
					 "CommandNotFound");
	_cleanup_free_ char *text = NULL;
	char quote[VDPR_QUOTE];
	size_t len = 0;

	if (vdpr_value_string(vdpr_value_member(error, "desc"), &text, &len))
		return vdpr_qmp_bad(qmp, command, "an error without words");
	return vdpr_fail(qmp->ctx, VDPR_CAUSE_OTHER,
			 unknown ? -EOPNOTSUPP : -EREMOTEIO, "%s: %s: %s",
			 qmp->name, command, vdpr_quote(text, len, quote));
}

/* An answer to the last command, not an event or what was asked before us. */
static bool is_answer(const struct vdpr_qmp *qmp, struct vdpr_json_value line)
{
	uint64_t id;

	return !vdpr_value_number(vdpr_value_member(line, "id"), UINT32_MAX,
				  &id) &&
	       id == qmp->id;
}

static int read_answer(struct vdpr_qmp *qmp, const char *command,
		       struct vdpr_json_value *out)
{
	struct vdpr_json_value line = { NULL, NULL };
	struct vdpr_json_value error;
	char what[64];

	snprintf(what, sizeof(what), "answer to %s", command);
	do {
		int err = next_object(qmp, what, &line);

		if (err)
			return err;
	} while (!is_answer(qmp, line));
	*out = vdpr_value_member(line, "return");
	if (vdpr_value_kind(*out) != VDPR_JSON_NONE)
		return 0;
	error = vdpr_value_member(line, "error");
	if (vdpr_value_kind(error) != VDPR_JSON_OBJECT)
		return vdpr_qmp_bad(qmp, command, "neither return nor error");
	return fail_answer(qmp, command, error);
}

int vdpr_qmp_ask(struct vdpr_qmp *qmp, const char *command,
		 const char *arguments, struct vdpr_json_value *out)
{
	_cleanup_buf_ struct vdpr_buf line = { 0 };
	int err;

	vdpr_buf_printf(&line, "{\"execute\": \"%s\", \"id\": %u", command,
			++qmp->id);
	if (arguments)
		vdpr_buf_printf(&line, ", \"arguments\": %s", arguments);
	vdpr_buf_str(&line, "}\r\n");
	if (vdpr_buf_error(&line))
		return vdpr_fail_memory(qmp->ctx);
	err = vdpr_line_send(&qmp->socket, line.data, line.len);
	return err ? err : read_answer(qmp, command, out);
}
