/* SPDX-License-Identifier: MIT */
/* Small helpers: cleanup, byte order, growing buffers, hex and MAC text. */
#ifndef VDPR_UTIL_H
#define VDPR_UTIL_H

#include <endian.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/vdpa-restore.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1u << (n))
#define BIT_ULL(n) (1ull << (n))

/* Of functions that only failures call: the way there is kept out of the way. */
#define _cold_ __attribute__((cold))
/* Of one that is written once for its callers' constants; and of one of them that
 * shall not cost the others registers. */
#define _inline_ inline __attribute__((always_inline))
#define _apart_ __attribute__((noinline))

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(vdpr_freep)
#define _cleanup_close_ _cleanup_(vdpr_closep)
#define _cleanup_buf_ _cleanup_(vdpr_buf_free)

/* Hands a pointer out of a function whose cleanup would free it. */
#define TAKE_PTR(p)                         \
	({                                  \
		__typeof__(p) _taken = (p); \
		(p) = NULL;                 \
		_taken;                     \
	})
/* The same for a descriptor. */
#define TAKE_FD(fd)                \
	({                         \
		int _taken = (fd); \
		(fd) = -1;         \
		_taken;            \
	})

static inline void vdpr_freep(void *p)
{
	free(*(void **)p);
}

/* Closes without touching errno: the caller may still have to report it. */
void vdpr_close_fd(int fd);

static inline void vdpr_closep(int *fd)
{
	vdpr_close_fd(*fd);
}

/* ------------------------------------------------ byte order, any alignment */

static inline uint16_t vdpr_get_le16(const void *p)
{
	uint16_t raw;

	memcpy(&raw, p, sizeof(raw));
	return le16toh(raw);
}

static inline uint32_t vdpr_get_le32(const void *p)
{
	uint32_t raw;

	memcpy(&raw, p, sizeof(raw));
	return le32toh(raw);
}

static inline uint64_t vdpr_get_le64(const void *p)
{
	uint64_t raw;

	memcpy(&raw, p, sizeof(raw));
	return le64toh(raw);
}

static inline void vdpr_put_le16(void *p, uint16_t v)
{
	uint16_t raw = htole16(v);

	memcpy(p, &raw, sizeof(raw));
}

static inline void vdpr_put_le32(void *p, uint32_t v)
{
	uint32_t raw = htole32(v);

	memcpy(p, &raw, sizeof(raw));
}

static inline void vdpr_put_le64(void *p, uint64_t v)
{
	uint64_t raw = htole64(v);

	memcpy(p, &raw, sizeof(raw));
}

/* Rounds up to a multiple of @align, a power of two. */
static inline uint64_t vdpr_align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline bool vdpr_is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* ------------------------------------------------------------ growing buffer */

/*
 * A byte buffer that remembers running out of memory, so that a row of appends
 * needs one check at its end: vdpr_buf_error().
 */
struct vdpr_buf {
	char *data; /* NUL-terminated whenever not NULL */
	size_t len; /* without that NUL */
	size_t cap;
	int error; /* 0 or -ENOMEM */
};

void vdpr_buf_add(struct vdpr_buf *buf, const void *data, size_t len);
/* Makes room for @len more bytes and counts them as there: the caller writes
 * them. NULL once memory has run out. */
void *vdpr_buf_grow(struct vdpr_buf *buf, size_t len);
void vdpr_buf_str(struct vdpr_buf *buf, const char *text);
void vdpr_buf_u8(struct vdpr_buf *buf, uint8_t v);
void vdpr_buf_le16(struct vdpr_buf *buf, uint16_t v);
void vdpr_buf_le32(struct vdpr_buf *buf, uint32_t v);
void vdpr_buf_le64(struct vdpr_buf *buf, uint64_t v);
void vdpr_buf_printf(struct vdpr_buf *buf, const char *fmt, ...)
	VDPR_PRINTF(2, 3);
/* Appends @len bytes as lower-case hex digits. */
void vdpr_buf_hex(struct vdpr_buf *buf, const void *data, size_t len);
void vdpr_buf_free(struct vdpr_buf *buf);

static inline int vdpr_buf_error(const struct vdpr_buf *buf)
{
	return buf->error;
}

/* Hands the bytes out, never NULL on success; -ENOMEM if any append failed. */
int vdpr_buf_take(struct vdpr_buf *buf, char **out, size_t *len);

/* ---------------------------------------------------------------------- text */

/* Value of a hex digit of either case, or -1. */
int vdpr_hex_digit(char c);

/* Decodes @len hex digits into @len / 2 bytes. Return: 0 or -EINVAL. */
int vdpr_hex_decode(const char *hex, size_t len, uint8_t *out);

/* "52:54:00:12:34:56" of either case, exactly 17 characters. Return: 0, -EINVAL. */
int vdpr_mac_parse(const char *text, uint8_t mac[6]);

#define VDPR_MAC_TEXT 18 /* with the NUL */
void vdpr_mac_format(const uint8_t mac[6], char text[VDPR_MAC_TEXT]);

/* Decimal without sign, blanks or leading zeros, 0..@max. Return: 0, -EINVAL. */
int vdpr_u64_parse(const char *text, uint64_t max, uint64_t *out);

#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC 1000000000ull

/* Present CLOCK_MONOTONIC time in nanoseconds. */
uint64_t vdpr_now(void);

/* Sets a timer of CLOCK_MONOTONIC to such a time; 0: off. Return: 0 or -errno. */
int vdpr_timer_set(int fd, uint64_t at);

/* poll() until such a time, or for a while: whoever waits looks at the clock again.
 * A wait that a stop of the process interrupts goes on afterwards for what was left
 * of it, so that none may be long. Return: 0 or -errno. */
int vdpr_poll_until(struct pollfd *fds, nfds_t count, uint64_t until);

#endif
