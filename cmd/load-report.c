/* SPDX-License-Identifier: MIT */
/* load: the report for people, printed from the library's JSON. */
#include "cmd/cmd.h"

#include <string.h>

static unsigned int hex_digit(char c)
{
	return (unsigned int)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The bytes of a report's "data"; freed by the caller. The text is ours. */
static uint8_t *unhex(const char *hex, size_t *len)
{
	uint8_t *bytes;

	*len = strlen(hex) / 2;
	bytes = malloc(*len + 1);
	for (size_t i = 0; bytes && i < *len; i++)
		bytes[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 |
				     hex_digit(hex[2 * i + 1]));
	return bytes;
}

static int print_text(struct cli *cli, const cJSON *item)
{
	struct vdpr_command c = VDPR_INIT(struct vdpr_command);
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ uint8_t *data = NULL;

	data = unhex(json_text(item, "data"), &c.data_len);
	if (!data)
		return fail_memory(cli);
	c.ctrl_class = (uint8_t)json_number(item, "class");
	c.command = (uint8_t)json_number(item, "command");
	c.data = data;
	if (vdpr_command_describe(cli->ctx, &c, &text) < 0)
		return fail_ctx(cli);
	out_text(cli->out, text);
	return 0;
}

static void print_ack(FILE *to, const cJSON *item)
{
	const cJSON *ack = cJSON_GetObjectItemCaseSensitive(item, "ack");

	if (!cJSON_IsNumber(ack))
		fputs("not answered ", to);
	else if (ack->valueint == 0)
		fputs("ok           ", to);
	else
		fprintf(to, "REFUSED (%3d)", ack->valueint);
	fprintf(to, " %6.0f us %5zu bytes  ", json_number(item, "usec"),
		strlen(json_text(item, "data")) / 2 + 2);
}

static int print_commands(struct cli *cli, const cJSON *commands)
{
	const cJSON *item;
	unsigned int number = 0;

	fputs("commands\n", cli->out);
	cJSON_ArrayForEach(item, commands)
	{
		int code;

		fprintf(cli->out, "  %4u  ", ++number);
		print_ack(cli->out, item);
		code = print_text(cli, item);
		if (code)
			return code;
		if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(
			    item, "after_enable")))
			fputs("  (after the data queues)", cli->out);
		fputc('\n', cli->out);
	}
	return 0;
}

static void print_head(FILE *to, const cJSON *root)
{
	const cJSON *isolated =
		cJSON_GetObjectItemCaseSensitive(root, "isolated");
	const char *order = json_text(root, "order");

	fputs("device     ", to);
	out_text(to, json_text(root, "device"));
	if (cJSON_IsBool(isolated))
		fprintf(to, ", control virtqueue %s",
			cJSON_IsTrue(isolated) ? "isolated" : "not isolated");
	fputs("\norder      ", to);
	out_text(to, *order ? order : "not reached");
	fputs("\nstages\n", to);
}

static double print_stages(FILE *to, const cJSON *root)
{
	const cJSON *item;
	double sum = 0;

	cJSON_ArrayForEach(item,
			   cJSON_GetObjectItemCaseSensitive(root, "stages"))
	{
		double usec = json_number(item, "usec");

		fprintf(to, "  %-10s %8.0f us\n", json_text(item, "name"),
			usec);
		sum += usec;
	}
	return sum;
}

static int print_enabled(FILE *to, const cJSON *root)
{
	const cJSON *enabled =
		cJSON_GetObjectItemCaseSensitive(root, "enabled");
	unsigned int column = 11;
	const cJSON *item;

	fputs("enabled    ", to);
	cJSON_ArrayForEach(item, enabled)
	{
		char text[16];

		snprintf(text, sizeof(text), "%d", item->valueint);
		out_word(to, 11, &column, text);
	}
	fputs(cJSON_GetArraySize(enabled) ? "\n" : "none\n", to);
	return cJSON_GetArraySize(enabled);
}

static int print_warnings(FILE *to, const cJSON *root)
{
	const cJSON *warnings =
		cJSON_GetObjectItemCaseSensitive(root, "warnings");
	const cJSON *item;

	fputs(cJSON_GetArraySize(warnings) ? "warnings\n" : "warnings   none\n",
	      to);
	cJSON_ArrayForEach(item, warnings)
	{
		const char *section = json_text(item, "section");
		const char *text = json_text(item, "text");
		size_t len = strlen(section);

		fputs("  ", to);
		/* Most texts begin with it. */
		if (strncmp(text, section, len) != 0 || text[len] != ':') {
			out_text(to, section);
			fputs(": ", to);
		}
		out_text(to, text);
		fputc('\n', to);
	}
	return cJSON_GetArraySize(warnings);
}

static void print_counts(FILE *to, const cJSON *counts)
{
	fprintf(to,
		"counts     commands %.0f, kicks %.0f, ioctls %.0f, IOTLB writes %.0f\n",
		json_number(counts, "commands"), json_number(counts, "kicks"),
		json_number(counts, "ioctls"),
		json_number(counts, "iotlb_writes"));
}

static const char *plural(int count)
{
	return count == 1 ? "" : "s";
}

int load_print_report(struct cli *cli, const char *text)
{
	_cleanup_json_ cJSON *root = cJSON_Parse(text);
	const cJSON *commands =
		cJSON_GetObjectItemCaseSensitive(root, "commands");
	const cJSON *counts = cJSON_GetObjectItemCaseSensitive(root, "counts");
	int code, queues, warnings;
	int commands_done = (int)json_number(counts, "commands");
	double usec;

	if (!root)
		return fail_memory(cli);
	print_head(cli->out, root);
	usec = print_stages(cli->out, root);
	code = print_commands(cli, commands);
	if (code)
		return code;
	print_counts(cli->out, counts);
	queues = print_enabled(cli->out, root);
	warnings = print_warnings(cli->out, root);
	fprintf(cli->out,
		"%s: %d command%s, %d data queue%s enabled, %d warning%s, %.0f us\n",
		json_number(root, "exit") > 0 ? "failed" : "restored",
		commands_done, plural(commands_done), queues, plural(queues),
		warnings, plural(warnings), usec);
	return 0;
}
