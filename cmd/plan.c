/* SPDX-License-Identifier: MIT */
/* plan: the control commands that a state turns into, in their order. */
#include "cmd/cmd.h"

static const struct option_info plan_options[] = { { 0 } };

static int print_command(struct cli *cli, size_t number,
			 const struct vdpr_command *c, bool after_enable)
{
	const char *name = vdpr_command_section(c->ctrl_class, c->command);
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *hex = out_hex(c->data, c->data_len);

	if (!hex)
		return fail_memory(cli);
	if (vdpr_command_describe(cli->ctx, c, &text) < 0)
		return fail_ctx(cli);
	fprintf(cli->out, "%4zu  %u.%u  %-10s  ", number, c->ctrl_class,
		c->command, name ? name : "-");
	out_text(cli->out, text);
	fprintf(cli->out, "  [%s]%s\n", hex,
		after_enable ? "  after the data queues are enabled" : "");
	return 0;
}

static int print_text(struct cli *cli, const struct vdpr_plan *plan)
{
	struct vdpr_command c = VDPR_INIT(struct vdpr_command);
	bool after_enable = false;

	for (size_t i = 0; i < vdpr_plan_count(plan); i++) {
		int code;

		vdpr_plan_get(plan, i, &c, &after_enable);
		code = print_command(cli, i + 1, &c, after_enable);
		if (code)
			return code;
	}
	if (!vdpr_plan_count(plan))
		fputs("no commands: the features have no control virtqueue\n",
		      cli->out);
	return 0;
}

static cJSON *command_object(const struct vdpr_command *c, bool after_enable)
{
	_cleanup_free_ char *hex = out_hex(c->data, c->data_len);
	cJSON *object = cJSON_CreateObject();

	cJSON_AddNumberToObject(object, "class", c->ctrl_class);
	cJSON_AddNumberToObject(object, "command", c->command);
	json_add_text(object, "name",
		      vdpr_command_name(c->ctrl_class, c->command));
	json_add_text(object, "section",
		      vdpr_command_section(c->ctrl_class, c->command));
	cJSON_AddBoolToObject(object, "after_enable", after_enable);
	cJSON_AddStringToObject(object, "data", hex ? hex : "");
	return object;
}

static int print_json(struct cli *cli, const struct vdpr_plan *plan)
{
	struct vdpr_command c = VDPR_INIT(struct vdpr_command);
	cJSON *object = cJSON_CreateObject();
	cJSON *array;
	bool after_enable = false;

	cJSON_AddNumberToObject(object, "exit", 0);
	array = cJSON_AddArrayToObject(object, "commands");
	for (size_t i = 0; i < vdpr_plan_count(plan); i++) {
		vdpr_plan_get(plan, i, &c, &after_enable);
		cJSON_AddItemToArray(array, command_object(&c, after_enable));
	}
	return out_json(cli, 0, object);
}

/* Refuses what the device could not express, as load would. */
static int check_device(struct cli *cli, const char *word,
			const struct vdpr_state *state)
{
	struct vdpr_restore_opts opts = VDPR_INIT(struct vdpr_restore_opts);
	_cleanup_dev_ struct vdpr_dev *dev = NULL;
	int code = input_open(cli, word, &dev);

	if (code)
		return code;
	cli->stage = "compare";
	/* The order of enabling is load's to judge, not the plan's. */
	opts.flags = VDPR_RESTORE_EMPTY_RINGS | VDPR_RESTORE_ASSUME_ENABLE;
	if (vdpr_restore_check(cli->ctx, dev, state, &opts, NULL) < 0)
		return fail_ctx(cli);
	return 0;
}

static int check_words(struct cli *cli, const struct args *args)
{
	int code = input_check_file(cli, args->words[0]);

	if (!code && args->n_words > 1)
		code = input_check_dev(cli, args->words[1]);
	return code;
}

static int plan_run(struct cli *cli, const struct args *args)
{
	_cleanup_state_ struct vdpr_state *state = NULL;
	_cleanup_plan_ struct vdpr_plan *plan = NULL;
	int code = check_words(cli, args);

	if (!code)
		code = input_state(cli, args->words[0], &state);
	if (code)
		return code;
	cli->stage = "plan";
	if (vdpr_plan(cli->ctx, state, 0, &plan) < 0)
		return fail_ctx(cli);
	if (args->n_words > 1)
		code = check_device(cli, args->words[1], state);
	if (code)
		return code;
	return cli->json ? print_json(cli, plan) : print_text(cli, plan);
}

const struct command cmd_plan = {
	.name = "plan",
	.synopsis = "FILE [DEV]",
	.summary = "Prints a state's control commands; with DEV, checks them",
	.min_words = 1,
	.max_words = 2,
	.options = plan_options,
	.run = plan_run,
};
