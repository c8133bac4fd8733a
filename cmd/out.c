/* SPDX-License-Identifier: MIT */
/* Output: results on standard output, everything else on standard error. */
#include "cmd/cmd.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Length of the well-formed UTF-8 character that begins at @p (Unicode, table 3-7);
 * 0: there is none. */
static size_t character(const unsigned char *p)
{
	size_t len = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

	if (*p >= 0x80 && (*p < 0xc2 || *p > 0xf4))
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* The same if a terminal may see it: no control. */
static size_t printable(const unsigned char *p)
{
	if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
		return 0;
	return character(p);
}

/* Names in files and from devices are not ours: an escape sequence in one must
 * not reach the terminal, nor a newline break the line. */
void out_text(FILE *to, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		size_t len = printable(p);

		if (len)
			fwrite(p, 1, len, to);
		else
			fprintf(to, "\\x%02x", *p);
		p += len ? len : 1;
	}
}

void out_features_hex(const struct vdpr_features *f, char text[FEATURES_TEXT])
{
	if (f->word[1])
		snprintf(text, FEATURES_TEXT, "0x%llx%016llx",
			 (unsigned long long)f->word[1],
			 (unsigned long long)f->word[0]);
	else
		snprintf(text, FEATURES_TEXT, "0x%llx",
			 (unsigned long long)f->word[0]);
}

void out_word(FILE *to, unsigned int indent, unsigned int *column,
	      const char *word)
{
	size_t len = strlen(word);

	if (*column > indent && *column + 1 + len > 79) {
		fprintf(to, "\n%*s", (int)indent, "");
		*column = indent;
	}
	if (*column > indent) {
		fputc(' ', to);
		++*column;
	}
	out_text(to, word);
	*column += (unsigned int)len;
}

const char *out_feature_name(unsigned int bit, char text[FEATURE_NAME])
{
	const char *name = vdpr_feature_name(bit);

	if (name)
		return name;
	snprintf(text, FEATURE_NAME, "bit_%u", bit);
	return text;
}

void out_feature_names(FILE *to, unsigned int indent,
		       const struct vdpr_features *f)
{
	unsigned int column = indent;

	for (unsigned int bit = 0; bit < 128; bit++) {
		char text[FEATURE_NAME];

		if (f->word[bit / 64] >> (bit % 64) & 1)
			out_word(to, indent, &column,
				 out_feature_name(bit, text));
	}
	if (column == indent)
		fputs("(none)", to);
	fputc('\n', to);
}

char *out_hex(const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = data;
	char *text = malloc(2 * len + 1);

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[from[i] >> 4];
		text[2 * i + 1] = digits[from[i] & 15];
	}
	text[2 * len] = '\0';
	return text;
}

/* JSON is UTF-8, an argument or a name need not be. */
static void put_json(FILE *to, const char *text)
{
	const unsigned char *from = (const unsigned char *)text;
	const unsigned char *p = from;

	while (*p) {
		size_t len = character(p);

		if (!len) {
			fwrite(from, 1, (size_t)(p - from), to);
			fputs("\\ufffd", to);
			from = p + 1;
		}
		p += len ? len : 1;
	}
	fwrite(from, 1, (size_t)(p - from), to);
	fputc('\n', to);
}

int out_json(struct cli *cli, int code, cJSON *object)
{
	_cleanup_json_ cJSON *owned = object;
	_cleanup_free_ char *text = NULL;

	if (owned && !cJSON_HasObjectItem(owned, "error"))
		cJSON_AddNullToObject(owned, "error");
	text = owned ? cJSON_PrintUnformatted(owned) : NULL;
	if (!text)
		return fail_memory(cli);
	put_json(cli->out, text);
	cli->answered = true;
	return code;
}

/* Waits until something can be written, or for a signal that is blocked otherwise.
 * Return: 0, -ECANCELED, -errno. */
static int wait_writable(int fd, int signals)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLOUT },
				 { .fd = signals, .events = POLLIN } };

	/* What can be written at once is, whatever has come meanwhile. */
	if (poll(fds, 1, 0) > 0)
		return 0;
	if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
		return -errno;
	return !fds[0].revents && fds[1].revents ? -ECANCELED : 0;
}

int out_write(int fd, int signals, const char *text, size_t len)
{
	struct stat st;
	/* So much fits in where there is room at all: a terminal promises less. */
	size_t most = !fstat(fd, &st) && S_ISCHR(st.st_mode) ? 1 : PIPE_BUF;

	while (len > 0) {
		int ret = wait_writable(fd, signals);
		ssize_t n;

		if (ret)
			return ret;
		n = write(fd, text, len < most ? len : most);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

const char *out_reason(int err)
{
	return err == -ECANCELED ? "interrupted" : strerror(-err);
}

int out_descriptor(const char *path)
{
	static const char *const prefixes[] = { "/dev/fd/", "/proc/self/fd/" };
	unsigned long fd;
	char *end;

	if (!strcmp(path, "-") || !strcmp(path, "/dev/stdout"))
		return STDOUT_FILENO;
	if (!strcmp(path, "/dev/stderr"))
		return STDERR_FILENO;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], len) != 0)
			continue;
		fd = strtoul(path + len, &end, 10);
		return path[len] && !*end && fd < 1u << 20 ? (int)fd : -1;
	}
	return -1;
}

int out_flush(struct cli *cli)
{
	int rc;

	if (fflush(cli->out) != 0)
		return fail_memory(cli);
	rc = out_write(STDOUT_FILENO, cli->signals, cli->out_text,
		       cli->out_len);
	rewind(cli->out);
	if (rc < 0)
		return fail(cli, VDPR_CAUSE_OTHER, NULL,
			    "standard output: write: %s", out_reason(rc));
	return 0;
}

/* --------------------------------------------------------------------- JSON */

void json_add_error(cJSON *object, const char *stage, const char *text,
		    const char *cure)
{
	cJSON *error;

	if (!text) {
		cJSON_AddNullToObject(object, "error");
		return;
	}
	error = cJSON_AddObjectToObject(object, "error");
	cJSON_AddStringToObject(error, "stage", stage);
	cJSON_AddStringToObject(error, "text", text);
	cJSON_AddStringToObject(error, "cure", cure ? cure : "");
}

const char *json_text(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

double json_number(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

void json_add_text(cJSON *object, const char *key, const char *text)
{
	if (text && *text)
		cJSON_AddStringToObject(object, key, text);
	else
		cJSON_AddNullToObject(object, key);
}
