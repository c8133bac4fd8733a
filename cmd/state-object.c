/* SPDX-License-Identifier: MIT */
/* A state as the object that its file would hold, for those parts of the tool that
 * look at values. */
#include "cmd/cmd.h"

#include <string.h>

cJSON *input_object(struct cli *cli, const struct vdpr_state *state)
{
	_cleanup_free_ char *text = NULL;
	cJSON *object;

	if (vdpr_state_format(cli->ctx, state, &text, NULL) < 0) {
		fail_ctx(cli);
		return NULL;
	}
	object = cJSON_Parse(text);
	if (!object)
		fail_memory(cli);
	return object;
}

bool input_features(const cJSON *object, const char *key,
		    struct vdpr_features *out)
{
	const cJSON *features =
		cJSON_GetObjectItemCaseSensitive(object, "features");
	const char *text = json_text(features, key);
	struct vdpr_features f = { { 0, 0 } };

	if (strncmp(text, "0x", 2) != 0)
		return false;
	/* The library's own writing: at most 32 digits. */
	for (text += 2; *text; text++) {
		unsigned int digit = (unsigned int)(*text <= '9'
							    ? *text - '0'
							    : *text - 'a' + 10);

		f.word[1] = f.word[1] << 4 | f.word[0] >> 60;
		f.word[0] = f.word[0] << 4 | digit;
	}
	*out = f;
	return true;
}
