/* SPDX-License-Identifier: MIT */
/* Small helpers: descriptors, growing buffers, hex and MAC text. */
#include "restore/util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

void vdpr_close_fd(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

/* Makes room for @more bytes and a NUL; false once memory has run out. */
static bool buf_reserve(struct vdpr_buf *buf, size_t more)
{
	size_t need;
	size_t cap = buf->cap ? buf->cap : 64;
	char *data;

	if (buf->error)
		return false;
	/* One more for the NUL. */
	if (__builtin_add_overflow(buf->len, more, &need) || need == SIZE_MAX) {
		buf->error = -ENOMEM;
		return false;
	}
	need++;
	if (need <= buf->cap)
		return true;
	while (cap < need) {
		if (cap > SIZE_MAX / 2) {
			buf->error = -ENOMEM;
			return false;
		}
		cap *= 2;
	}
	data = realloc(buf->data, cap);
	if (!data) {
		buf->error = -ENOMEM;
		return false;
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

void vdpr_buf_add(struct vdpr_buf *buf, const void *data, size_t len)
{
	if (!buf_reserve(buf, len))
		return;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void *vdpr_buf_grow(struct vdpr_buf *buf, size_t len)
{
	char *at;

	if (!buf_reserve(buf, len))
		return NULL;
	at = buf->data + buf->len;
	buf->len += len;
	buf->data[buf->len] = '\0';
	return at;
}

void vdpr_buf_str(struct vdpr_buf *buf, const char *text)
{
	vdpr_buf_add(buf, text, strlen(text));
}

void vdpr_buf_u8(struct vdpr_buf *buf, uint8_t v)
{
	vdpr_buf_add(buf, &v, 1);
}

void vdpr_buf_le16(struct vdpr_buf *buf, uint16_t v)
{
	uint8_t b[2];

	vdpr_put_le16(b, v);
	vdpr_buf_add(buf, b, sizeof(b));
}

void vdpr_buf_le32(struct vdpr_buf *buf, uint32_t v)
{
	uint8_t b[4];

	vdpr_put_le32(b, v);
	vdpr_buf_add(buf, b, sizeof(b));
}

void vdpr_buf_le64(struct vdpr_buf *buf, uint64_t v)
{
	uint8_t b[8];

	vdpr_put_le64(b, v);
	vdpr_buf_add(buf, b, sizeof(b));
}

void vdpr_buf_printf(struct vdpr_buf *buf, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0) {
		buf->error = -ENOMEM;
		return;
	}
	if (!buf_reserve(buf, (size_t)len))
		return;
	va_start(args, fmt);
	vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)len;
}

void vdpr_buf_hex(struct vdpr_buf *buf, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = data;

	if (len > SIZE_MAX / 4 || !buf_reserve(buf, len * 2))
		return;
	for (size_t i = 0; i < len; i++) {
		buf->data[buf->len++] = digits[b[i] >> 4];
		buf->data[buf->len++] = digits[b[i] & 15];
	}
	buf->data[buf->len] = '\0';
}

void vdpr_buf_free(struct vdpr_buf *buf)
{
	free(buf->data);
	*buf = (struct vdpr_buf){ 0 };
}

int vdpr_buf_take(struct vdpr_buf *buf, char **out, size_t *len)
{
	if (!buf_reserve(buf, 0))
		return -ENOMEM;
	buf->data[buf->len] = '\0';
	if (len)
		*len = buf->len;
	*out = buf->data;
	*buf = (struct vdpr_buf){ 0 };
	return 0;
}

int vdpr_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int vdpr_hex_decode(const char *hex, size_t len, uint8_t *out)
{
	if (len % 2)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 2) {
		int hi = vdpr_hex_digit(hex[i]);
		int lo = vdpr_hex_digit(hex[i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		out[i / 2] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

int vdpr_mac_parse(const char *text, uint8_t mac[6])
{
	uint8_t bytes[6];

	if (strlen(text) != VDPR_MAC_TEXT - 1)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++) {
		if (vdpr_hex_decode(text + 3 * i, 2, &bytes[i]) ||
		    (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
	}
	memcpy(mac, bytes, sizeof(bytes));
	return 0;
}

void vdpr_mac_format(const uint8_t mac[6], char text[VDPR_MAC_TEXT])
{
	snprintf(text, VDPR_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5]);
}

int vdpr_u64_parse(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' ||
		    __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'),
					   &value))
			return -EINVAL;
	}
	if (value > max)
		return -EINVAL;
	*out = value;
	return 0;
}

uint64_t vdpr_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static struct timespec timespec_of(uint64_t nsec)
{
	return (struct timespec){ .tv_sec = (time_t)(nsec / NSEC_PER_SEC),
				  .tv_nsec = (long)(nsec % NSEC_PER_SEC) };
}

int vdpr_timer_set(int fd, uint64_t at)
{
	const struct itimerspec when = { .it_value = timespec_of(at) };

	return timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL) ? -errno : 0;
}

#define WAIT_NSEC (250 * NSEC_PER_MSEC)

int vdpr_poll_until(struct pollfd *fds, nfds_t count, uint64_t until)
{
	uint64_t now = vdpr_now();
	uint64_t left = until > now ? until - now : 0;
	struct timespec ts = timespec_of(left < WAIT_NSEC ? left : WAIT_NSEC);

	return ppoll(fds, count, &ts, NULL) < 0 && errno != EINTR ? -errno : 0;
}
