/* SPDX-License-Identifier: GPL-2.0-only */
/* Warnings are counted and kept for the test to look at: see shim.h. */
#ifndef _SHIM_BUG_H
#define _SHIM_BUG_H

#include <stdbool.h>
#include <stdio.h>
#include <linux/compiler.h>

void shim_warn(const char *file, int line, const char *fmt, ...)
	__attribute__((cold));
void shim_bug(const char *file, int line, const char *what)
	__attribute__((cold, noreturn));

#define WARN(cond, ...)							\
({									\
	bool __warn = !!(cond);						\
									\
	if (unlikely(__warn))						\
		shim_warn(__FILE__, __LINE__, __VA_ARGS__);		\
	unlikely(__warn);						\
})
#define WARN_ON(cond)		WARN(cond, "WARN_ON(%s)\n", #cond)
#define WARN_RATELIMIT(cond, ...)	WARN(cond, __VA_ARGS__)

/* What was warned about once stands in a section that a test can clear. */
#define WARN_ONCE(cond, ...)						\
({									\
	static __attribute__((section("shim_once"))) char __warned;	\
	bool __once = !!(cond);						\
									\
	if (unlikely(__once) &&						\
	    !__atomic_exchange_n(&__warned, 1, __ATOMIC_RELAXED))	\
		shim_warn(__FILE__, __LINE__, __VA_ARGS__);		\
	unlikely(__once);						\
})
#define WARN_ON_ONCE(cond)	WARN_ONCE(cond, "WARN_ON_ONCE(%s)\n", #cond)

#undef BUG_ON
#define BUG_ON(cond)							\
do {									\
	if (unlikely(cond))						\
		shim_bug(__FILE__, __LINE__, #cond);			\
} while (0)

#endif
