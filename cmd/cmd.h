/* SPDX-License-Identifier: MIT */
/* What the files of the command line tool share. */
#ifndef VDPR_CMD_H
#define VDPR_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "include/vdpa-restore.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_json_ _cleanup_(jsonp)
#define _cleanup_state_ _cleanup_(statep)
#define _cleanup_plan_ _cleanup_(planp)
#define _cleanup_dev_ _cleanup_(devp)
#define _cleanup_report_ _cleanup_(reportp)

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void jsonp(cJSON **p)
{
	cJSON_Delete(*p);
}

static inline void statep(struct vdpr_state **p)
{
	vdpr_state_free(*p);
}

static inline void planp(struct vdpr_plan **p)
{
	vdpr_plan_free(*p);
}

static inline void devp(struct vdpr_dev **p)
{
	vdpr_dev_close(*p);
}

static inline void reportp(struct vdpr_report **p)
{
	vdpr_report_free(*p);
}

/* --------------------------------------------------------------- commands */

struct args;
struct cli;

/* One option. The last row of a table has no name. */
struct option_info {
	const char *name;    /* with its dashes: "--timeout" */
	const char *letter;  /* "-o", or NULL */
	const char *arg;     /* what its value is called, or NULL: no value */
	const char *choices; /* "refuse|default", or NULL: any value */
	const char *help;
};

/* One command. Each has a file of its own; main.c has the table of all. */
struct command {
	const char *name;
	const char *synopsis; /* arguments and options, after the name */
	const char *summary;
	unsigned int min_words, max_words; /* arguments without options */
	const char *stray; /* what to do about one too many, or NULL */
	const struct option_info
		*options; /* its own; the global ones come on top */
	/* Return: the exit code. Arguments are counted, options are known. */
	int (*run)(struct cli *cli, const struct args *args);
	/* The --json object of a failure, "exit" and "error" still to come, or
	 * NULL for one with these two alone. */
	cJSON *(*failure)(const struct cli *cli);
};

extern const struct command cmd_check, cmd_diff, cmd_export, cmd_help, cmd_list,
	cmd_load, cmd_plan, cmd_provision, cmd_save, cmd_show, cmd_transcript,
	cmd_unprovision, cmd_verify;
extern const struct option_info global_options[];

/* Command by position, in the order of the help, or NULL past the last. */
const struct command *command_at(size_t i);

/* Command by name, or NULL. */
const struct command *command_find(const char *name);

/* ------------------------------------------------------- the running program */

struct cli {
	struct vdpr_ctx *ctx;
	const struct command *command; /* NULL until it is known */
	const char *device;  /* of load and (un)provision, once known */
	const char *mgmtdev; /* of provision, once known */
	cJSON *conflicts;  /* what sources disagree about, in words; or NULL */
	const char *stage; /* where we are: "error.stage" of --json */
	bool json;
	bool quiet;
	int verbose;
	uint64_t start;	   /* CLOCK_MONOTONIC at the start, nanoseconds */
	uint64_t deadline; /* the same clock; 0: none */
	int signals;	   /* signals_block(), or -1 */
	FILE *out;	   /* what will go to standard output */
	char *out_text;	   /* behind @out */
	size_t out_len;
	bool answered;		/* @out holds the object of --json already */
	bool all_vlans_unknown; /* --all-vlans=unknown */
	char *failure_text, *failure_cure; /* what failed last, ours; or NULL */
};

/* Present CLOCK_MONOTONIC time in nanoseconds. */
uint64_t cli_now(void);

/* ---------------------------------------------------------------- arguments */

struct arg_option {
	const struct option_info *info;
	const char *value; /* NULL for an option without value */
};

struct args {
	size_t n_words; /* after the command's name */
	const char **words;
	size_t n_options;
	struct arg_option *options; /* in their order */
};

/* args_parse() - take the command line apart and find the command.
 * @cli: command, json, quiet and verbose are set.
 * @out: freed with args_free() whatever is returned.
 *
 * Options may stand anywhere, before the command too; "--" ends them. Long ones
 * may be shortened while they stay unambiguous.
 * Return: 0 to go on (cli->command may be NULL: none was given), or the exit
 * code of an error that has been said.
 */
int args_parse(struct cli *cli, int argc, char **argv, struct args *out);

void args_free(struct args *args);

/* Value of an option, the last one if there are several; NULL: not given. */
const char *args_value(const struct args *args, const char *name);

/* Was an option given? */
bool args_has(const struct args *args, const char *name);

/* Is the value of an option this choice? */
bool args_chosen(const struct args *args, const char *name, const char *choice);

/* What --timeout says in nanoseconds, 10 s where it was not given.
 * Return: 0 or an exit code. */
int args_timeout(struct cli *cli, const struct args *args, uint64_t *ns);

/* nearest_word() - what did somebody mean to type?
 * @list: @n candidates.
 * Return: the nearest candidate, or NULL if none is near.
 */
const char *nearest_word(const char *word, const char *const *list, size_t n);

/* Help of one command, or of all where NULL, written to @to. */
void help_print(FILE *to, const struct command *command);

/* ------------------------------------------------------------------- input */

/* Longest inputs; the library says what is too long about a longer one. */
#define INPUT_STATE_MAX (4u << 20)
#define INPUT_TRANSCRIPT_MAX (64u << 20)
#define INPUT_SNAPSHOT_MAX (64u << 20)

/* input_read() - read a whole file, or standard input for "-".
 * @limit: bytes; of a longer one a little more than that is read.
 * @out: freed by the caller; NUL-terminated.
 *
 * Gives up at cli->deadline and when cli->signals becomes readable.
 * Return: 0, or the exit code of an error that has been said.
 */
int input_read(struct cli *cli, const char *path, size_t limit, char **out,
	       size_t *len);

/* Says the library's last error about a file, whose name it does not know.
 * Return: the exit code. */
int input_fail(struct cli *cli, const char *path);

/* Reads a state file, or standard input for "-". Return: as input_read(). */
int input_state(struct cli *cli, const char *path, struct vdpr_state **out);

/* Judges a word that has to be a device which the command opens, and may change:
 * not one borrowed from a process. Return: 0 or an exit code. */
int input_check_dev(struct cli *cli, const char *word);

/* Judges a word that has to be a device, only to be read. Return: 0 or an exit
 * code. */
int input_check_dev_read(struct cli *cli, const char *word);

/* Opens, and so resets, a device, or borrows it. Return: 0 or an exit code. */
int input_open(struct cli *cli, const char *word, struct vdpr_dev **out);

/* Judges a word that may be a FILE or a DEV. Return: 0 or an exit code. */
int input_check(struct cli *cli, const char *word);

/* Judges a word that has to be a file. Return: 0 or an exit code. */
int input_check_file(struct cli *cli, const char *word);

/* What a device tells of itself, as a state; opens, and so resets, it.
 * Return: 0 or an exit code. */
int input_dev_state(struct cli *cli, const char *word, struct vdpr_state **out);

/* A state as the object that its file would hold; NULL after an error has been
 * said. */
cJSON *input_object(struct cli *cli, const struct vdpr_state *state);

/* "features": {KEY: "0x..."} of such an object. Return: false if it is null. */
bool input_features(const cJSON *object, const char *key,
		    struct vdpr_features *out);

/* The state in a FILE, or that of a DEV. Return: 0 or an exit code. */
int input_side(struct cli *cli, const char *word, struct vdpr_state **out);

/* Gives a state an origin. Return: 0 or an exit code. */
int input_origin(struct cli *cli, struct vdpr_state *state, const char *kind,
		 const char *name);

/* ---------------------------------------------------------------- captures */

/* A NIC in a snapshot of Cloud Hypervisor: "FILE[,id=ID]", where FILE may be the
 * snapshot's folder. Return: 0 or an exit code. */
int capture_ch(struct cli *cli, const char *name, struct vdpr_state **out);

/* "PATH[,KEY=NIC]", taken apart. */
struct nic_word {
	char *path;	 /* freed by the caller */
	const char *nic; /* in the word, or NULL */
};

/* @key: with its comma, ",nic="; the last one counts, for a path may hold it, too.
 * Return: 0 or an exit code. */
int nic_word_split(struct cli *cli, const char *word, const char *key,
		   struct nic_word *out);

/* A NIC of a running QEMU: "SOCKET[,nic=ID]". Return: 0 or an exit code. */
int capture_qmp(struct cli *cli, const char *name, struct vdpr_state **out);

/* Judges the name of such a source before any is read. Return: 0 or an exit
 * code. */
int capture_check(struct cli *cli, const char *name);

/* The options of save whose sources know a section or member that a state does not
 * ("rss", "mac.unicast", "features.negotiated"), freed by the caller; NULL: none.
 * @used: the arguments of this save, whose own sources are left out; or NULL. */
char *lacking_sources(const char *name, const struct args *used);

/* ----------------------------------------------------------------- netlink */

struct vdpa_nl;
struct vdpa_config;
struct netlink_error;

/* Connects to the kernel's vdpa netlink. Return: as vdpa_nl_open(). */
int vdpa_open(struct vdpa_nl **out, struct netlink_error *error);

/* Says what netlink could not do. Return: the exit code. */
int vdpa_fail(struct cli *cli, const struct netlink_error *error);

/* Judges the NAME of --vdpa. Return: 0 or an exit code. */
int vdpa_check_name(struct cli *cli, const char *name);

/* Reads a network device's configuration; where the kernel does not tell its
 * features, those of its management device. Return: 0 or an exit code. */
int vdpa_read_config(struct cli *cli, struct vdpa_nl *nl, const char *name,
		     struct vdpa_config *out);

/* Only members whose feature is offered: Linux 6.1 shows the link's state of any
 * device. */
struct vdpr_net_config vdpa_net_config(const struct vdpa_config *c);

/* What netlink tells of a device, as a state; does not open it.
 * Return: 0 or an exit code. */
int vdpa_state(struct cli *cli, const char *name, struct vdpr_state **out);

/* Judges the IFACE of --netdev. Return: 0 or an exit code. */
int netdev_check_name(struct cli *cli, const char *name);

/* What the kernel tells of a network interface, as a state; only reads.
 * Return: 0 or an exit code. */
int netdev_state(struct cli *cli, const char *name, struct vdpr_state **out);

/* ------------------------------------------------------ migration streams */

/* Judges the FILE[,nic=ID] of --qemu-stream. Return: 0 or an exit code. */
int qemu_check_stream(struct cli *cli, const char *word);

/* The state of a device in a stream of QEMU's. Return: 0 or an exit code. */
int qemu_stream_state(struct cli *cli, const char *word,
		      struct vdpr_state **out);

/* list: the devices in a stream. Return: 0 or an exit code. */
int qemu_list_stream(struct cli *cli, const char *path);

/* ---------------------------------------------------------- control sockets */

/* Is it control:SOCKET, a device that another process has? */
bool control_is_name(const char *word);

/* For the functions below @word is control:SOCKET or the path alone. */

/* Judges it. Return: 0 or an exit code. */
int control_check(struct cli *cli, const char *word);

/* The state that process has recorded. Return: 0 or an exit code. */
int control_state(struct cli *cli, const char *word, struct vdpr_state **out);

/* load: gives that process a state, waits for the end of its restore and prints
 * its report. Return: 0 or an exit code. */
int control_load(struct cli *cli, const char *word,
		 const struct vdpr_state *state);

/* load --hold: makes a socket at @path that serves @state, which must outlive it.
 * Return: 0 or an exit code. */
int control_listen(struct cli *cli, const char *path, const char *device,
		   struct vdpr_state *state, struct vdpr_control **out);

/* Serves it until a signal comes. @control: may be NULL. Return: 0 or an exit
 * code. */
int control_serve(struct cli *cli, struct vdpr_control *control);

/* ------------------------------------------------------------------ output */

/* Adds a file's or a device's text to the output, made safe for a terminal. */
void out_text(FILE *to, const char *text);

/* "0x..." of a mask, without leading zeros. */
#define FEATURES_TEXT 35
void out_features_hex(const struct vdpr_features *f, char text[FEATURES_TEXT]);

/* Name of a feature, "bit_N" where it has none; @text may be used for that. */
#define FEATURE_NAME 16
const char *out_feature_name(unsigned int bit, char text[FEATURE_NAME]);

/* Adds a word to a line of at most 79 columns; a new line begins with @indent
 * blanks. @column: where the line stands, @indent at first. */
void out_word(FILE *to, unsigned int indent, unsigned int *column,
	      const char *word);

/* The names of all bits of a mask, broken into lines. */
void out_feature_names(FILE *to, unsigned int indent,
		       const struct vdpr_features *f);

/* The object of --json: adds a null "error" where there is none, prints and frees
 * it. Return: @code, or 1 if memory ran out. */
int out_json(struct cli *cli, int code, cJSON *object);

/* Bytes as hex digits; freed by the caller; NULL without memory. */
char *out_hex(const void *data, size_t len);

/* Writes what is in cli->out to standard output.
 * Return: 0, or 1 after saying why it could not be written. */
int out_flush(struct cli *cli);

/* Writes all bytes to a descriptor. A signal ends the wait for a reader that does not
 * read; @signals: signals_block(), or negative. Return: 0, -ECANCELED, -errno. */
int out_write(int fd, int signals, const char *text, size_t len);

/* What out_write() ended with, in words. */
const char *out_reason(int err);

/* Descriptor that a path such as "-", /dev/stdout or /dev/fd/63 stands for, or
 * -1. They are symbolic links, which the library would replace by a file. */
int out_descriptor(const char *path);

/* Something that was done or is worth knowing, on standard error; not with -q. */
void note(const struct cli *cli, const char *fmt, ...) VDPR_PRINTF(2, 3);

/* fail() - say an error of the tool's own, in one line.
 * @code: the exit code.
 * @cure: what to do, or NULL.
 * Return: @code.
 */
int fail(struct cli *cli, int code, const char *cure, const char *fmt, ...)
	VDPR_PRINTF(4, 5);

/* Says the library's last error. Return: the exit code, never 0. */
int fail_ctx(struct cli *cli);

/* The same with a cure that the tool knows better than the library. */
int fail_ctx_cure(struct cli *cli, const char *cure);

int fail_memory(struct cli *cli);

/* What the library logs goes to standard error; what of it are errors, to
 * cli->conflicts. */
void log_start(struct cli *cli);
/* From here on nothing but errors. */
void log_errors_only(struct cli *cli);

/* Says all of cli->conflicts, one a line. Return: VDPR_CAUSE_REFUSED. */
int fail_conflicts(struct cli *cli);

/* Adds "error" to an object: null where @text is NULL. */
void json_add_error(cJSON *object, const char *stage, const char *text,
		    const char *cure);

/* String member of an object or "" */
const char *json_text(const cJSON *object, const char *key);

/* Number member of an object or 0. */
double json_number(const cJSON *object, const char *key);

/* Text as a JSON string, or null where it is empty or NULL. */
void json_add_text(cJSON *object, const char *key, const char *text);

/* ------------------------------------------------- parts of single commands */

/* show: what a device says of itself, as text. Return: 0 or an exit code. */
int show_device(struct cli *cli, const char *word);

/* load: the report that vdpr_report_format() gave, as text. Return: 0 or an exit
 * code. */
int load_print_report(struct cli *cli, const char *text);

/* list: who has a char device open, as an array of {pid, comm}; null where some
 * process could not be looked at and none was found. */
cJSON *list_openers(const char *chardev);

/* list: the same for people, "12 qemu, 13 testpmd" and a newline. */
void list_print_openers(FILE *to, const cJSON *openers);

/* load: VDPR_RESTORE_* that the options of the same names stand for. */
unsigned int load_flags(const struct args *args);

/* diff: compares two states and shows the result. Return: an exit code. */
int diff_states(struct cli *cli, const struct vdpr_state *a,
		const struct vdpr_state *b, unsigned int flags);

/* ----------------------------------------------------------------- signals */

/* signals_answer() - SIGINT and SIGTERM end the tool with exit code 1 and a word.
 * Where they must do more they are blocked: signals_block().
 */
void signals_answer(bool as_json);

/* signals_block() - keep SIGINT and SIGTERM from ending the program.
 * Return: a descriptor that is readable once one of them came, or -errno.
 */
int signals_block(void);

#endif
