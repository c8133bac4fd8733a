/* SPDX-License-Identifier: MIT */
/* load: restores a state to a device, and holds the device if that is wanted. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option_info load_options[] = {
	{ "--timeout", NULL, "SECONDS", NULL,
	  "give up after that, 0.001 to 3600 (default 10)" },
	{ "--enable-after-driver-ok", NULL, "POLICY", "require|assume",
	  "must the device promise late enabling? (default: require)" },
	{ "--unknown", NULL, "POLICY", "refuse|default",
	  "what the state does not know (default: refuse)" },
	{ "--warn", NULL, "SECTION", NULL,
	  "only warn if commands of this section are refused" },
	{ "--strict-features", NULL, NULL, NULL,
	  "refuse even if only a feature of the VMM's own is missing" },
	{ "--hold", NULL, NULL, NULL,
	  "keep the device open until a signal comes" },
	{ "--control", NULL, "SOCKET", NULL,
	  "with --hold: answer save, show and verify on a socket there" },
	{ "--timeline", NULL, "FILE", NULL,
	  "draw what happened when: .svg, else JSON for Perfetto" },
	{ 0 },
};

/* What the words and options of one load come to. */
struct load {
	const char *file, *dev;
	const char *timeline; /* file to draw to, or NULL */
	int timeline_fd;      /* where that is no file to be replaced, or -1 */
	const char *control;  /* socket to serve, or NULL */
	bool hold;
	struct vdpr_restore_opts opts;
	const char **warn; /* sections, freed */
};

/* Sections of commands; there are ten today. */
#define SECTIONS_MAX 32

struct sections {
	size_t n;
	const char *name[SECTIONS_MAX];
};

static bool is_section(const struct sections *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->name[i], word))
			return true;
	return false;
}

/* The sections that any command belongs to. The library's table is the truth. */
static void find_sections(struct sections *list)
{
	list->n = 0;
	for (unsigned int i = 0; i < 16 * 16 && list->n < SECTIONS_MAX; i++) {
		const char *section = vdpr_command_section((uint8_t)(i / 16),
							   (uint8_t)(i % 16));

		if (section && !is_section(list, section))
			list->name[list->n++] = section;
	}
}

static int fail_section(struct cli *cli, const struct sections *list,
			const char *word)
{
	char cure[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < list->n && len < sizeof(cure); i++)
		len += (size_t)snprintf(cure + len, sizeof(cure) - len, "%s%s",
					i ? ", " : "name one of ",
					list->name[i]);
	return fail(cli, VDPR_CAUSE_USAGE, cure,
		    "load: --warn %s: no such section", word);
}

static int parse_warn(struct cli *cli, const struct args *args,
		      struct load *load)
{
	struct sections sections;
	size_t n = 0;

	find_sections(&sections);
	load->warn = calloc(args->n_options + 1, sizeof(*load->warn));
	if (!load->warn)
		return fail_memory(cli);
	for (size_t i = 0; i < args->n_options; i++) {
		const char *section = args->options[i].value;

		if (strcmp(args->options[i].info->name, "--warn") != 0)
			continue;
		if (!is_section(&sections, section))
			return fail_section(cli, &sections, section);
		load->warn[n++] = section;
	}
	load->opts.warn = load->warn;
	load->opts.n_warn = n;
	return 0;
}

unsigned int load_flags(const struct args *args)
{
	unsigned int flags = VDPR_RESTORE_EMPTY_RINGS;

	if (args_chosen(args, "--enable-after-driver-ok", "assume"))
		flags |= VDPR_RESTORE_ASSUME_ENABLE;
	if (args_chosen(args, "--unknown", "default"))
		flags |= VDPR_RESTORE_UNKNOWN_DEFAULT;
	if (args_has(args, "--strict-features"))
		flags |= VDPR_RESTORE_STRICT_FEATURES;
	return flags;
}

/* Standard output has the report, and only one thing has room there. */
static int parse_timeline(struct cli *cli, const struct args *args,
			  struct load *load)
{
	load->timeline = args_value(args, "--timeline");
	if (!load->timeline || out_descriptor(load->timeline) != STDOUT_FILENO)
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE, "name a file",
		    "load: --timeline %s: standard output has the report",
		    load->timeline);
}

/* How another process restores is its own affair. */
static int check_remote(struct cli *cli, const struct args *args)
{
	for (size_t i = 0; i < args->n_options; i++) {
		const struct option_info *info = args->options[i].info;

		for (const struct option_info *o = load_options; o->name; o++)
			if (o == info && strcmp(o->name, "--timeout") != 0)
				return fail(cli, VDPR_CAUSE_USAGE,
					    "leave it out: that process "
					    "restores as it was told to",
					    "load: %s: not with %s", o->name,
					    args->words[1]);
	}
	return control_check(cli, args->words[1]);
}

static int parse_control(struct cli *cli, const struct args *args,
			 struct load *load)
{
	load->control = args_value(args, "--control");
	if (!load->control || args_has(args, "--hold"))
		return 0;
	return fail(cli, VDPR_CAUSE_USAGE, "add --hold",
		    "load: --control %s: only a device that is held can be "
		    "asked",
		    load->control);
}

static int parse(struct cli *cli, const struct args *args, struct load *load)
{
	uint64_t timeout;
	int code = args_timeout(cli, args, &timeout);

	cli->device = args->words[1];
	if (!code)
		code = parse_warn(cli, args, load);
	if (!code)
		code = parse_timeline(cli, args, load);
	if (!code)
		code = input_check_file(cli, args->words[0]);
	if (!code)
		code = control_is_name(args->words[1])
			       ? check_remote(cli, args)
			       : input_check_dev(cli, args->words[1]);
	if (!code)
		code = parse_control(cli, args, load);
	if (code)
		return code;
	load->file = args->words[0];
	load->dev = args->words[1];
	load->hold = args_has(args, "--hold");
	load->opts.flags = load_flags(args);
	cli->deadline = cli->start + timeout;
	load->opts.deadline = cli->deadline;
	return 0;
}

/* Reads the state and refuses what needs no device to be refused. */
static int read_state(struct cli *cli, const struct load *load,
		      struct vdpr_state **out)
{
	_cleanup_plan_ struct vdpr_plan *plan = NULL;
	bool lenient = load->opts.flags & VDPR_RESTORE_UNKNOWN_DEFAULT;
	int code = input_state(cli, load->file, out);

	if (code)
		return code;
	cli->stage = "compare";
	if (vdpr_plan(cli->ctx, *out, lenient ? VDPR_PLAN_UNKNOWN_DEFAULT : 0,
		      &plan) < 0)
		return input_fail(cli, load->file);
	return 0;
}

/* A pipe or a device. One that nobody reads is no reason to wait. */
static int open_timeline(struct cli *cli, struct load *load)
{
	load->timeline_fd =
		open(load->timeline, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return load->timeline_fd < 0 ? fail(cli, VDPR_CAUSE_OTHER, NULL,
					    "%s: open: %s", load->timeline,
					    errno == ENXIO ? "nobody reads it"
							   : strerror(errno))
				     : 0;
}

/* Before the device is touched: a picture that cannot be written would make a
 * restored device look like a failure. */
static int check_timeline(struct cli *cli, struct load *load)
{
	struct stat st = { 0 };
	_cleanup_free_ char *folder = NULL;
	const char *name;

	if (!load->timeline)
		return 0;
	cli->stage = "timeline";
	load->timeline_fd = out_descriptor(load->timeline);
	if (load->timeline_fd >= 0)
		return 0;
	if (!stat(load->timeline, &st) &&
	    (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return open_timeline(cli, load);
	name = strrchr(load->timeline, '/');
	name = name ? name + 1 : load->timeline;
	folder = name > load->timeline
			 ? strndup(load->timeline,
				   (size_t)(name - load->timeline))
			 : strdup(".");
	errno = S_ISDIR(st.st_mode) ? EISDIR : ENOENT;
	if (folder && *name && !S_ISDIR(st.st_mode) &&
	    !access(folder, W_OK | X_OK))
		return 0;
	return fail(cli, VDPR_CAUSE_OTHER,
		    "give --timeline a file in a folder "
		    "that can be written",
		    "%s: %s", load->timeline, strerror(errno));
}

static int block_signals(struct cli *cli, struct load *load)
{
	cli->signals = signals_block();
	if (cli->signals < 0)
		return fail(cli, VDPR_CAUSE_OTHER, NULL, "signalfd: %s",
			    strerror(-cli->signals));
	load->opts.cancel_fd = cli->signals;
	return 0;
}

/* The report of a restore that worked, with the failure that came after it. */
static int print_with_failure(struct cli *cli, const char *text, int code)
{
	cJSON *object = cJSON_Parse(text);

	cJSON_ReplaceItemInObjectCaseSensitive(object, "exit",
					       cJSON_CreateNumber(code));
	cJSON_DeleteItemFromObjectCaseSensitive(object, "error");
	json_add_error(object, cli->stage, cli->failure_text,
		       cli->failure_cure);
	return out_json(cli, code, object);
}

/* @failed: 0, or the exit code of what failed after the restore. */
static int print_report(struct cli *cli, const struct vdpr_report *report,
			int failed)
{
	_cleanup_free_ char *text = NULL;

	if (vdpr_report_format(cli->ctx, report, &text) < 0)
		return fail_ctx(cli);
	if (cli->json && failed)
		return print_with_failure(cli, text, failed);
	if (cli->json) {
		fputs(text, cli->out);
		cli->answered = true;
		return 0;
	}
	return load_print_report(cli, text);
}

/* Draws to a descriptor, which is no file to be replaced. */
static int draw_to_fd(struct cli *cli, const struct load *load,
		      const struct vdpr_report *report)
{
	_cleanup_free_ char *text = NULL;
	int rc = vdpr_report_timeline(cli->ctx, report, VDPR_TIMELINE_JSON,
				      &text);

	if (rc < 0)
		return fail_ctx(cli);
	rc = out_write(load->timeline_fd, cli->signals, text, strlen(text));
	return rc < 0 ? fail(cli, VDPR_CAUSE_OTHER, NULL, "%s: write: %s",
			     load->timeline, out_reason(rc))
		      : 0;
}

static int draw(struct cli *cli, const struct load *load,
		const struct vdpr_report *report)
{
	if (!load->timeline)
		return 0;
	cli->stage = "timeline";
	if (load->timeline_fd >= 0)
		return draw_to_fd(cli, load, report);
	if (vdpr_report_write_timeline(cli->ctx, report, load->timeline) < 0)
		return fail_ctx(cli);
	return 0;
}

/* The error comes before the report, whose printing uses the context again. With
 * --json the report is the answer: it has the error itself. */
static int fail_restore(struct cli *cli, const struct load *load,
			const struct vdpr_report *report)
{
	bool wanted = report && (cli->json || cli->verbose);
	int code;

	cli->stage = "restore";
	cli->answered |= wanted && cli->json;
	code = fail_ctx(cli);
	if (wanted)
		print_report(cli, report, 0);
	/* A second failure is said, but the first one decides. */
	if (report)
		(void)draw(cli, load, report);
	return code;
}

/* With --json there is one answer: the report, with the error if the picture
 * failed. */
static int report_success(struct cli *cli, const struct load *load,
			  const struct vdpr_report *report)
{
	int drawn, code;

	cli->answered = cli->json;
	drawn = draw(cli, load, report);
	code = print_report(cli, report, drawn);
	return code ? code : drawn;
}

static int hold(struct cli *cli, const struct load *load,
		struct vdpr_control *control)
{
	int code = out_flush(cli);

	if (code)
		return code;
	note(cli, "%s: holding the device until SIGINT or SIGTERM", load->dev);
	return control_serve(cli, control);
}

static int restore_on(struct cli *cli, const struct load *load,
		      struct vdpr_state *state, struct vdpr_control *control)
{
	_cleanup_report_ struct vdpr_report *report = NULL;
	_cleanup_dev_ struct vdpr_dev *dev = NULL;
	int code = input_open(cli, load->dev, &dev);

	if (code)
		return code;
	if (vdpr_restore_run(cli->ctx, dev, state, &load->opts, &report) < 0)
		return fail_restore(cli, load, report);
	code = report_success(cli, load, report);
	/* A picture is no reason to give a restored device up. */
	if (load->hold) {
		int held = hold(cli, load, control);

		return code ? code : held;
	}
	if (code)
		return code;
	note(cli,
	     "%s: a rehearsal: the device is reset, and this state gone, "
	     "when this command ends",
	     load->dev);
	return 0;
}

/* The socket is made first: where it cannot be, no device is touched. It answers
 * once the device is held. */
static int restore(struct cli *cli, const struct load *load,
		   struct vdpr_state *state)
{
	struct vdpr_control *control = NULL;
	int code = 0;

	if (control_is_name(load->dev))
		return control_load(cli, load->dev, state);
	if (load->control)
		code = control_listen(cli, load->control, load->dev, state,
				      &control);
	if (!code)
		code = restore_on(cli, load, state, control);
	vdpr_control_free(control);
	return code;
}

static int load_run(struct cli *cli, const struct args *args)
{
	struct load load = { .opts = VDPR_INIT(struct vdpr_restore_opts),
			     .timeline_fd = -1 };
	_cleanup_state_ struct vdpr_state *state = NULL;
	int code = parse(cli, args, &load);

	if (!code)
		code = block_signals(cli, &load);
	if (!code)
		code = read_state(cli, &load, &state);
	if (!code)
		code = check_timeline(cli, &load);
	if (!code)
		code = restore(cli, &load, state);
	/* cli->signals stays: the answer is still to be written. */
	free(load.warn);
	return code;
}

/* A report of nothing done. */
static cJSON *load_failure(const struct cli *cli)
{
	static const char *const counts[] = { "commands", "kicks", "ioctls",
					      "iotlb_writes" };
	cJSON *object = cJSON_CreateObject();
	cJSON *count;

	cJSON_AddStringToObject(object, "schema", "vdpa-restore/report");
	cJSON_AddNumberToObject(object, "version", 1);
	cJSON_AddNumberToObject(object, "exit", 0);
	json_add_text(object, "device", cli->device);
	cJSON_AddNullToObject(object, "isolated");
	cJSON_AddNullToObject(object, "order");
	cJSON_AddArrayToObject(object, "stages");
	cJSON_AddArrayToObject(object, "commands");
	count = cJSON_AddObjectToObject(object, "counts");
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		cJSON_AddNumberToObject(count, counts[i], 0);
	cJSON_AddArrayToObject(object, "enabled");
	cJSON_AddArrayToObject(object, "warnings");
	return object;
}

const struct command cmd_load = {
	.name = "load",
	.synopsis = "FILE DEV [OPTION]...",
	.summary =
		"Restores a state to a device, in the one order that is right",
	.min_words = 2,
	.max_words = 2,
	.options = load_options,
	.run = load_run,
	.failure = load_failure,
};
