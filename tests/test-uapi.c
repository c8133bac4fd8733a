/* SPDX-License-Identifier: MIT */
/* Our copies of kernel and specification values are the headers' own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <assert.h>

#include "restore/uapi.h"

/* A wrong value must not even compile. */
#define CHECK(name)                                 \
	static_assert((name) == (VDPR_UAPI_##name), \
		      "the header's " #name " is ours");
VDPR_UAPI_ALL(CHECK)

static void values_equal_those_of_the_headers(void **state)
{
	(void)state;
#define COUNT(name) +1
	assert_int_equal(0 VDPR_UAPI_ALL(COUNT), 58);
}

static void features_array_has_a_count_and_then_words(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct vdpr_features_array), 8);
	assert_int_equal(offsetof(struct vdpr_features_array, features), 8);
}

/* Type, size and direction are part of the number that the kernel compares. */
static void requests_have_the_numbers_of_the_uapi(void **state)
{
	(void)state;
	assert_int_equal(VHOST_VDPA_GET_AS_NUM, 0x8004af7a);
	assert_int_equal(VHOST_VDPA_GET_VRING_GROUP, 0xc008af7b);
	assert_int_equal(VHOST_VDPA_SET_GROUP_ASID, 0x4008af7c);
	assert_int_equal(VHOST_VDPA_SUSPEND, 0xaf7d);
	assert_int_equal(VHOST_VDPA_RESUME, 0xaf7e);
	assert_int_equal(VHOST_VDPA_GET_VRING_DESC_GROUP, 0xc008af7f);
	assert_int_equal(VHOST_VDPA_GET_VQS_COUNT, 0x8004af80);
	assert_int_equal(VHOST_VDPA_GET_GROUP_NUM, 0x8004af81);
	assert_int_equal(VHOST_VDPA_GET_VRING_SIZE, 0xc008af82);
	assert_int_equal(VHOST_GET_FEATURES_ARRAY, 0x8008af83);
	assert_int_equal(VHOST_SET_FEATURES_ARRAY, 0x4008af83);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_equal_those_of_the_headers),
		cmocka_unit_test(features_array_has_a_count_and_then_words),
		cmocka_unit_test(requests_have_the_numbers_of_the_uapi),
	};

	return cmocka_run_group_tests_name("uapi", tests, NULL, NULL);
}
