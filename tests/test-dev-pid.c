/* SPDX-License-Identifier: MIT */
/* A borrowed device: what may be asked of it, and the words that name one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "restore/dev-pid.h"
#include "restore/util.h"

/* Every request that the char device has; tests/test-uapi.c knows their values. */
static const struct {
	unsigned long request;
	const char *name;
	bool reads;
} requests[] = {
#define READS(r)            \
	{                   \
		r, #r, true \
	}
#define WRITES(r)            \
	{                    \
		r, #r, false \
	}
	READS(VHOST_GET_FEATURES),
	READS(VHOST_GET_FEATURES_ARRAY),
	READS(VHOST_GET_BACKEND_FEATURES),
	READS(VHOST_VDPA_GET_DEVICE_ID),
	READS(VHOST_VDPA_GET_STATUS),
	READS(VHOST_VDPA_GET_CONFIG),
	READS(VHOST_VDPA_GET_CONFIG_SIZE),
	READS(VHOST_VDPA_GET_VRING_NUM),
	READS(VHOST_VDPA_GET_IOVA_RANGE),
	READS(VHOST_VDPA_GET_AS_NUM),
	READS(VHOST_VDPA_GET_GROUP_NUM),
	READS(VHOST_VDPA_GET_VQS_COUNT),
	WRITES(VHOST_SET_OWNER),
	WRITES(VHOST_RESET_OWNER),
	WRITES(VHOST_SET_FEATURES),
	WRITES(VHOST_SET_FEATURES_ARRAY),
	WRITES(VHOST_SET_BACKEND_FEATURES),
	WRITES(VHOST_SET_MEM_TABLE),
	WRITES(VHOST_SET_LOG_BASE),
	WRITES(VHOST_SET_LOG_FD),
	WRITES(VHOST_SET_VRING_NUM),
	WRITES(VHOST_SET_VRING_ADDR),
	WRITES(VHOST_SET_VRING_BASE),
	WRITES(VHOST_SET_VRING_KICK),
	WRITES(VHOST_SET_VRING_CALL),
	WRITES(VHOST_SET_VRING_ERR),
	WRITES(VHOST_VDPA_SET_STATUS),
	WRITES(VHOST_VDPA_SET_CONFIG),
	WRITES(VHOST_VDPA_SET_CONFIG_CALL),
	WRITES(VHOST_VDPA_SET_VRING_ENABLE),
	WRITES(VHOST_VDPA_SET_GROUP_ASID),
	WRITES(VHOST_VDPA_SUSPEND),
	WRITES(VHOST_VDPA_RESUME),
	/* They read, but only for the owner. */
	WRITES(VHOST_GET_VRING_BASE),
	WRITES(VHOST_VDPA_GET_VRING_GROUP),
	WRITES(VHOST_VDPA_GET_VRING_DESC_GROUP),
	WRITES(VHOST_VDPA_GET_VRING_SIZE),
};

static void only_reading_requests_are_let_through(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (vdpr_pid_may(requests[i].request) != requests[i].reads)
			fail_msg("%s", requests[i].name);
}

/* Numbers that no kernel has yet. */
static void nothing_else_is_let_through(void **state)
{
	unsigned int let = 0, reads = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		reads += requests[i].reads;
	for (unsigned int dir = 0; dir < 4; dir++)
		for (unsigned int nr = 0; nr < 256; nr++)
			for (unsigned int size = 0; size < 128; size++)
				let += vdpr_pid_may(
					_IOC(dir, VHOST_VIRTIO, nr, size));
	assert_int_equal(let, reads);
}

static void words_are_judged(void **state)
{
	static const struct {
		const char *rest;
		int want;
	} rows[] = {
		{ "1", 0 },
		{ "1,fd=0", 0 },
		{ "2147483647", 0 },
		{ "2147483648", -EINVAL },
		{ "0", -EINVAL },
		{ "", -EINVAL },
		{ "1,", -EINVAL },
		{ "1,fd", -EINVAL },
		{ "1,fd=", -EINVAL },
		{ "1,fd=2147483648", -EINVAL },
		{ "1;fd=2", -EINVAL },
		{ "00000000000000000001", -EINVAL },
	};
	struct vdpr_ctx *ctx = NULL;

	(void)state;
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char name[64];

		snprintf(name, sizeof(name), "pid:%s", rows[i].rest);
		assert_int_equal(vdpr_dev_check_name(ctx, name), rows[i].want);
		if (rows[i].want)
			assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_USAGE);
	}
	vdpr_ctx_free(ctx);
}

static void what_is_no_device_is_said(void **state)
{
	struct vdpr_ctx *ctx = NULL;
	struct vdpr_dev *dev = NULL;
	char name[64];
	int fd[2];

	(void)state;
	assert_int_equal(vdpr_ctx_new(&ctx), 0);
	assert_int_equal(pipe(fd), 0);
	snprintf(name, sizeof(name), "pid:%d", (int)getpid());
	assert_int_equal(vdpr_dev_open(ctx, name, &dev), -ENOENT);
	snprintf(name, sizeof(name), "pid:%d,fd=%d", (int)getpid(), fd[0]);
	assert_int_equal(vdpr_dev_open(ctx, name, &dev), -ENOTTY);
	assert_non_null(strstr(vdpr_ctx_error(ctx), "pipe:"));
	close(fd[0]);
	close(fd[1]);
	snprintf(name, sizeof(name), "pid:%d,fd=999999", (int)getpid());
	assert_int_equal(vdpr_dev_open(ctx, name, &dev), -EBADF);
	assert_int_equal(vdpr_dev_open(ctx, "pid:2147483647", &dev), -ESRCH);
	assert_int_equal(vdpr_ctx_cause(ctx), VDPR_CAUSE_OTHER);
	assert_null(dev);
	vdpr_ctx_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_reading_requests_are_let_through),
		cmocka_unit_test(nothing_else_is_let_through),
		cmocka_unit_test(words_are_judged),
		cmocka_unit_test(what_is_no_device_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
