/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test programs share: a line of TAP for each test, random numbers, and the
 * rule that no test leaves a warning it did not expect or memory behind.
 */
#ifndef _TEST_H
#define _TEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "shim.h"

static inline unsigned long next_random(unsigned long *state)
{
	unsigned long x = *state += 0x9e3779b97f4a7c15UL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9UL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebUL;
	return x ^ (x >> 31);
}

static inline unsigned long below(unsigned long *state, unsigned long n)
{
	return next_random(state) % n;
}

static unsigned int tests_ran;
static unsigned int tests_failed;
/* All source files of a program have the same. */
char test_why[600] __attribute__((__weak__));
static long test_outstanding;

static inline void __attribute__((format(printf, 1, 2)))
test_fail(const char *fmt, ...)
{
	va_list args;

	if (test_why[0])
		return;
	va_start(args, fmt);
	vsnprintf(test_why, sizeof(test_why), fmt, args);
	va_end(args);
}

/* Note the first thing that is not as it must be; the test goes on. */
#define expect(cond, fmt, ...)						\
({									\
	bool __ok = (cond);						\
									\
	if (!__ok)							\
		test_fail("%s:%d: " fmt, __FILE__, __LINE__,		\
			  ##__VA_ARGS__);				\
	__ok;								\
})

/* There were so many warnings, and the last one says @text. */
#define expect_warnings(nr, text)					\
do {									\
	expect(shim_warnings() == (nr),					\
	       "%lu warnings instead of %lu, last: %s",			\
	       shim_warnings(), (unsigned long)(nr), shim_last_warning());\
	expect(strstr(shim_last_warning(), text),			\
	       "warning is '%s', wanted '%s'", shim_last_warning(), text);\
	shim_clear_warnings();						\
} while (0)

static inline void test_begin(void)
{
	test_why[0] = '\0';
	shim_clear_warnings();
	test_outstanding = shim_outstanding();
}

static inline void test_end(const char *name)
{
	expect(!shim_warnings(), "unexpected warning: %s", shim_last_warning());
	expect(shim_outstanding() == test_outstanding, "%ld objects leaked",
	       shim_outstanding() - test_outstanding);
	test_why[strcspn(test_why, "\n")] = '\0';
	if (test_why[0]) {
		printf("not ok %u %s: %s\n", ++tests_ran, name, test_why);
		tests_failed++;
	} else {
		printf("ok %u %s\n", ++tests_ran, name);
	}
	fflush(stdout);
}

#define run_test(fn)							\
do {									\
	if (!test_wanted(#fn))						\
		break;							\
	test_begin();							\
	fn();								\
	test_end(#fn);							\
} while (0)

#endif
