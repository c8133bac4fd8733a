/* SPDX-License-Identifier: MIT */
/* The choice of the IOVA, and memory that a device may map. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "restore/mem.h"

#define PAGE 4096ull

static uint64_t find(uint64_t first, uint64_t last,
		     const struct vdpr_iova_range *used, size_t n_used,
		     uint64_t len)
{
	const struct vdpr_iova_range range = { first, last };
	uint64_t iova;
	int ret = vdpr_iova_find(&range, used, n_used, len, &iova);

	return ret ? (uint64_t)(int64_t)ret : iova;
}

static const uint64_t none = (uint64_t)(int64_t)-ENOSPC;

static void highest_pages_of_the_range_are_taken(void **state)
{
	(void)state;
	assert_true(find(0, 0x7fffffffff, NULL, 0, PAGE) == 0x7ffffff000);
	assert_true(find(0, 0x7fffffffff, NULL, 0, 3 * PAGE) == 0x7fffffd000);
	/* An end that is no page's. */
	assert_true(find(0, 0x10800, NULL, 0, PAGE) == 0xf000);
}

static void end_of_the_64_bits_does_not_wrap(void **state)
{
	(void)state;
	assert_true(find(0, UINT64_MAX, NULL, 0, PAGE) == 0ull - 2 * PAGE);
}

static void used_ranges_are_kept_off(void **state)
{
	const struct vdpr_iova_range used[] = { { 0x5000, 0x5fff },
						{ 0x8000, 0xffff },
						{ 0x3000, 0x3fff } };
	(void)state;

	assert_true(find(0, 0xffff, used, 3, PAGE) == 0x7000);
	assert_true(find(0, 0xffff, used, 3, 2 * PAGE) == 0x6000);
	assert_true(find(0, 0xffff, used, 3, 3 * PAGE) == none);
	assert_true(find(0, 0xffff, used, 2, 3 * PAGE) == 0x2000);
}

static void first_page_is_never_given_out(void **state)
{
	(void)state;
	assert_true(find(0, 0x1fff, NULL, 0, PAGE) == 0x1000);
	assert_true(find(0, 0x0fff, NULL, 0, PAGE) == none);
	assert_true(find(0, 0x1fff, NULL, 0, 2 * PAGE) == none);
	assert_true(find(0x10000, 0x10fff, NULL, 0, PAGE) == 0x10000);
}

static void range_in_use_from_zero_ends_the_search(void **state)
{
	const struct vdpr_iova_range used[] = { { 0, UINT64_MAX } };
	(void)state;

	assert_true(find(0, 0xffffff, used, 1, PAGE) == none);
}

static void memory_is_a_memfd_of_whole_pages(void **state)
{
	struct vdpr_mem mem;
	char name[64], path[128];
	ssize_t len;
	(void)state;

	assert_int_equal(vdpr_mem_alloc(&mem, 1, PAGE + 1), 0);
	assert_int_equal(mem.ro_len, PAGE);
	assert_int_equal(mem.rw_len, 2 * PAGE);
	for (size_t i = 0; i < 3 * PAGE; i++)
		assert_int_equal(mem.base[i], 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", mem.fd);
	len = readlink(name, path, sizeof(path) - 1);
	assert_true(len > 0);
	path[len] = '\0';
	assert_non_null(strstr(path, "memfd:vdpa-restore"));
	vdpr_mem_free(&mem);
	assert_int_equal(mem.fd, -1);
	vdpr_mem_free(&mem);
}

static long faults(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_minflt;
}

/* Who writes to it while a guest waits waits for no page. */
static void all_pages_are_there_at_once(void **state)
{
	const size_t pages = 40;
	struct vdpr_mem mem;
	long before;
	(void)state;

	assert_int_equal(
		vdpr_mem_alloc(&mem, pages / 2 * PAGE, pages / 2 * PAGE), 0);
	before = faults();
	for (size_t at = 0; at < vdpr_mem_len(&mem); at += PAGE)
		((volatile uint8_t *)mem.base)[at] = 1;
	assert_true(faults() - before < (long)pages / 4);
	vdpr_mem_free(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(highest_pages_of_the_range_are_taken),
		cmocka_unit_test(end_of_the_64_bits_does_not_wrap),
		cmocka_unit_test(used_ranges_are_kept_off),
		cmocka_unit_test(first_page_is_never_given_out),
		cmocka_unit_test(range_in_use_from_zero_ends_the_search),
		cmocka_unit_test(memory_is_a_memfd_of_whole_pages),
		cmocka_unit_test(all_pages_are_there_at_once),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
