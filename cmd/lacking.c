/* SPDX-License-Identifier: MIT */
/* What a state does not know, and which sources would. */
#include "cmd/cmd.h"

#include <string.h>

/* Options of save, in the order in which they are worth trying; what stands
 * behind a blank is a remark. */
#define SOURCES_MAX 7

/*
 * By section or member. A device cannot be read back: what the driver told it is
 * known to the VMM, to the guest, or to whoever saw the commands.
 */
static const struct {
	const char *name;
	const char *sources[SOURCES_MAX];
} knowers[] = {
	{ "features.negotiated",
	  { "--qemu-stream", "--qmp", "--control", "--vdpa", "--ch-snapshot",
	    "--transcript", "--netdev" } },
	{ "mac",
	  { "--qemu-stream", "--qmp", "--control", "--transcript",
	    "--netdev" } },
	{ "rx_mode",
	  { "--qemu-stream", "--qmp (in part)", "--control", "--transcript",
	    "--netdev (in part)" } },
	{ "vlan",
	  { "--qemu-stream", "--qmp", "--control", "--transcript",
	    "--netdev" } },
	{ "mq", { "--qemu-stream", "--control", "--transcript", "--netdev" } },
	{ "rss", { "--qemu-stream", "--control", "--transcript", "--netdev" } },
	{ "hash_report",
	  { "--qemu-stream", "--control", "--transcript", "--netdev" } },
	{ "offloads",
	  { "--qemu-stream", "--control", "--transcript", "--netdev" } },
	{ "coalescing", { "--control", "--transcript", "--netdev" } },
};

/* Only what this version has: an option is not promised before it is there. */
static bool has_option(const char *source)
{
	size_t len = strcspn(source, " ");

	for (const struct option_info *o = cmd_save.options; o->name; o++)
		if (strlen(o->name) == len && !strncmp(o->name, source, len))
			return true;
	return false;
}

/* It did not know, or nothing would be unknown. */
static bool is_used(const char *source, const struct args *used)
{
	size_t len = strcspn(source, " ");

	for (size_t i = 0; used && i < used->n_options; i++) {
		const char *name = used->options[i].info->name;

		if (strlen(name) == len && !strncmp(name, source, len))
			return true;
	}
	return false;
}

static char *join(const char *const sources[SOURCES_MAX],
		  const struct args *used)
{
	char *text = NULL;

	for (size_t i = 0; i < SOURCES_MAX && sources[i]; i++) {
		char *longer;

		if (!has_option(sources[i]) || is_used(sources[i], used))
			continue;
		if (asprintf(&longer, "%s%s%s", text ? text : "",
			     text ? ", " : "", sources[i]) < 0)
			break;
		free(text);
		text = longer;
	}
	return text;
}

char *lacking_sources(const char *name, const struct args *used)
{
	for (size_t i = 0; i < ARRAY_SIZE(knowers); i++) {
		size_t len = strlen(knowers[i].name);

		if (!strncmp(knowers[i].name, name, len) &&
		    (!name[len] || name[len] == '.'))
			return join(knowers[i].sources, used);
	}
	return NULL;
}
