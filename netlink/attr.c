/* SPDX-License-Identifier: MIT */
/* Attributes of rtnetlink and ethtool messages, checked before they are used. */
#include "netlink/attr.h"

#include <errno.h>
#include <string.h>

static bool fits(const struct nlattr *attr, const struct attr_rule *rule)
{
	if (rule->len && mnl_attr_get_payload_len(attr) != rule->len)
		return false;
	return mnl_attr_validate(attr, rule->type) >= 0;
}

/* What is left at the end is less than an attribute: its padding, or a message
 * that was cut off. */
static bool is_padding(int left)
{
	return left <= 0;
}

int attrs_parse(const void *data, size_t len, const struct attr_rule *rules,
		size_t n, const struct nlattr **out)
{
	const struct nlattr *attr = data;
	int left = (int)len;

	for (size_t i = 0; i < n; i++)
		out[i] = NULL;
	for (; mnl_attr_ok(attr, left); attr = mnl_attr_next(attr)) {
		uint16_t type = mnl_attr_get_type(attr);

		left -= (int)MNL_ALIGN(attr->nla_len);
		if (type >= n || (!rules[type].type && !rules[type].len))
			continue;
		if (!fits(attr, &rules[type]))
			return -EBADMSG;
		out[type] = attr;
	}
	return is_padding(left) ? 0 : -EBADMSG;
}

int attrs_parse_message(const struct nlmsghdr *h, size_t header,
			const struct attr_rule *rules, size_t n,
			const struct nlattr **out)
{
	size_t at = NLMSG_HDRLEN + ((header + 3) & ~(size_t)3);

	if (h->nlmsg_len < at)
		return -EBADMSG;
	return attrs_parse((const char *)h + at, h->nlmsg_len - at, rules, n,
			   out);
}

int attrs_parse_nested(const struct nlattr *nest, const struct attr_rule *rules,
		       size_t n, const struct nlattr **out)
{
	if (!nest)
		return attrs_parse("", 0, rules, n, out);
	return attrs_parse(mnl_attr_get_payload(nest),
			   mnl_attr_get_payload_len(nest), rules, n, out);
}

int attrs_each(const struct nlattr *nest,
	       int (*fn)(void *data, const struct nlattr *attr), void *data)
{
	const struct nlattr *attr;
	int left, err;

	if (!nest)
		return 0;
	attr = mnl_attr_get_payload(nest);
	left = mnl_attr_get_payload_len(nest);
	for (; mnl_attr_ok(attr, left); attr = mnl_attr_next(attr)) {
		left -= (int)MNL_ALIGN(attr->nla_len);
		err = fn(data, attr);
		if (err)
			return err;
	}
	return is_padding(left) ? 0 : -EBADMSG;
}

int attr_text(const struct nlattr *attr, char *to, size_t size)
{
	size_t len = attr ? strlen(mnl_attr_get_str(attr)) : 0;

	if (!len || len >= size)
		return -EBADMSG;
	memcpy(to, mnl_attr_get_str(attr), len + 1);
	return 0;
}
