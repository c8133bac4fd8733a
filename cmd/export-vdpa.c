/* SPDX-License-Identifier: MIT */
/* export --as vdpa: the line of iproute2 that makes such a device. */
#include "cmd/export.h"

#include <inttypes.h>

/* What a management device can be asked for has 64 bits; ACCESS_PLATFORM is the
 * parent's to give. */
static uint64_t wanted(const struct export *e)
{
	return e->offered.word[0] | 1ull << 33;
}

int export_vdpa(struct export *e)
{
	const cJSON *mtu = export_member(e, "config", "mtu");
	const cJSON *pairs = export_member(e, "config", "max_virtqueue_pairs");
	const char *mac = export_mac(e);

	fprintf(e->to,
		"vdpa dev add name vdpa0 mgmtdev \"$MGMTDEV\" device_features "
		"0x%" PRIx64,
		wanted(e));
	if (mac)
		fprintf(e->to, " mac %s", mac);
	else
		export_lost(e, "config.mac",
			    "not known: the parent gives what it likes");
	if (cJSON_IsNumber(mtu))
		fprintf(e->to, " mtu %.0f", mtu->valuedouble);
	if (cJSON_IsNumber(pairs) && export_offers(e, "MQ"))
		fprintf(e->to, " max_vqp %.0f", pairs->valuedouble);
	fputc('\n', e->to);
	if (e->offered.word[1])
		export_lost(e, "features",
			    "bits above 63: vdpa dev add has no word for them");
	export_lost_control(e, "set by control commands: vdpa-restore load, or "
			       "the VMM, sends them again");
	return 0;
}
