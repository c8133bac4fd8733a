/* SPDX-License-Identifier: MIT */
/* export --as vdpa: the line of iproute2 that makes such a device. */
#include "cmd/export.h"
#include "cmd/provision.h"

/* What provision would give over netlink to a management device that takes all. */
#define ALL (~0u)

static void lose(struct export *e, const cJSON *reasons)
{
	const cJSON *reason;

	cJSON_ArrayForEach(reason, reasons)
	{
		export_lost(e, json_text(reason, "section"), "%s",
			    json_text(reason, "text"));
	}
}

int export_vdpa(struct export *e)
{
	const struct target any = {
		.kind = TARGET_MGMTDEV,
		.name = "vdpa dev add",
		.mgmtdev = { .has_features = true, .features = UINT64_MAX },
		.takes = ALL,
	};
	const struct args none = { 0 };
	_cleanup_free_ char *line = NULL;
	struct reasons reasons;
	struct wish wish;

	reasons_init(&reasons);
	wish_make(&wish, e->state, &any, NULL, &none, &reasons);
	line = wish_command(&wish, ALL, "vdpa0", "MGMTDEV");
	if (line)
		fprintf(e->to, "%s\n", line);
	lose(e, reasons.refusals);
	lose(e, reasons.warnings);
	reasons_free(&reasons);
	if (!export_mac(e))
		export_lost(e, "config.mac",
			    "not known: the parent gives what it likes");
	export_lost_control(e, "set by control commands: vdpa-restore load, or "
			       "the VMM, sends them again");
	return line ? 0 : fail_memory(e->cli);
}
