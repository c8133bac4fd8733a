/* SPDX-License-Identifier: MIT */
/* What this library is and what it can do. */
#include <string.h>

#include "include/vdpa-restore.h"

const char *vdpr_version(void)
{
	return VDPR_VERSION;
}

int vdpr_has_feature(const char *name)
{
	static const char *const features[] = { "load",	      "save",
						"observe",    "event",
						"shadow-cvq", "control" };

	if (!name)
		return 0;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (!strcmp(features[i], name))
			return 1;
	return 0;
}
