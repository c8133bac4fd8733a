/* SPDX-License-Identifier: MIT */
/* The number that the kernel gave a generic netlink family. */
#include <errno.h>

#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>

#include "netlink/genl-vdpa.h"
#include "netlink/talk.h"

/* What becomes of the answer. */
struct family {
	const char *object;
	uint16_t number;
};

static int take_family(void *data, struct nlmsghdr *answer,
		       struct netlink_error *error)
{
	struct family *f = data;

	if (vdpa_parse_family(answer, &f->number) == 0 &&
	    f->number > NLMSG_MIN_TYPE)
		return 0;
	return nltalk_fail(error, -EBADMSG, f->object, "find",
			   "a malformed answer");
}

static struct nl_msg *family_request(const char *name)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (msg &&
	    genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, GENL_ID_CTRL, 0, 0,
			CTRL_CMD_GETFAMILY, 1) &&
	    nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, name) >= 0)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

int nltalk_family(struct nltalk *talk, const char *name, const char *object,
		  uint16_t *out, struct netlink_error *error)
{
	struct family family = { .object = object };
	struct nl_msg *msg = family_request(name);
	struct nltalk_request request = {
		.object = object,
		.operation = "find",
		.fn = take_family,
		.data = &family,
	};
	int err;

	if (!msg)
		return nltalk_fail(error, -ENOMEM, object, "find", NULL);
	request.msg = nlmsg_hdr(msg);
	err = nltalk_run(talk, &request, error);
	nlmsg_free(msg);
	if (!err)
		*out = family.number;
	return err;
}
