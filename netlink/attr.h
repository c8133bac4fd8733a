/* SPDX-License-Identifier: MIT */
/* Attributes of rtnetlink and ethtool messages, checked before they are used. */
#ifndef NETLINK_ATTR_H
#define NETLINK_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

/* What an attribute must be. A rule of all zeros: it is skipped. */
struct attr_rule {
	enum mnl_attr_data_type type;
	size_t len; /* exactly so many bytes; 0: as the type wants */
};

/* attrs_parse() - take a row of attributes apart.
 * @data: @len bytes of attributes.
 * @rules: of attributes 0..@n - 1; others are skipped, for the kernel may be newer.
 * @out: @n entries, NULL where there is none; the last of several.
 * Return: 0, or -EBADMSG: one has the wrong size or goes past the end.
 */
int attrs_parse(const void *data, size_t len, const struct attr_rule *rules,
		size_t n, const struct nlattr **out);

/* The same of what stands behind a message's own header of @header bytes. */
int attrs_parse_message(const struct nlmsghdr *h, size_t header,
			const struct attr_rule *rules, size_t n,
			const struct nlattr **out);

/* The same of a nested attribute; NULL has none. */
int attrs_parse_nested(const struct nlattr *nest, const struct attr_rule *rules,
		       size_t n, const struct nlattr **out);

/* attrs_each() - look at each attribute of a nest in turn.
 * @nest: may be NULL.
 * Return: 0, -EBADMSG where one goes past the end, or what @fn returned.
 */
int attrs_each(const struct nlattr *nest,
	       int (*fn)(void *data, const struct nlattr *attr), void *data);

/* A text's copy. Return: 0, or -EBADMSG: absent, empty or too long. */
int attr_text(const struct nlattr *attr, char *to, size_t size);

/* The number, or 0 where there is none. */
static inline uint32_t attr_u32(const struct nlattr *attr)
{
	return attr ? mnl_attr_get_u32(attr) : 0;
}

static inline uint16_t attr_u16(const struct nlattr *attr)
{
	return attr ? mnl_attr_get_u16(attr) : 0;
}

#endif
