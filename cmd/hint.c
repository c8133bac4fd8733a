/* SPDX-License-Identifier: MIT */
/* Guesses what a mistyped word was meant to be. */
#include "cmd/cmd.h"

#include <string.h>

#define HINT_MAX 24 /* longest word worth a guess */

/* Number of letters to change, add or drop to make one word of the other. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[HINT_MAX + 1];
	size_t len = strlen(b);

	for (unsigned int j = 0; j <= len; j++)
		row[j] = j;
	for (unsigned int i = 1; *a; a++, i++) {
		unsigned int corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= len; j++) {
			unsigned int best = corner + (*a != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[len];
}

const char *nearest_word(const char *word, const char *const *list, size_t n)
{
	unsigned int best = 3; /* further away is no typing mistake */
	const char *found = NULL;

	if (strlen(word) > HINT_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		unsigned int d = HINT_MAX;

		if (strlen(list[i]) <= HINT_MAX)
			d = distance(word, list[i]);
		if (d < best && d < strlen(word)) {
			best = d;
			found = list[i];
		}
	}
	return found;
}
