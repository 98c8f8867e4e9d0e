/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_TIMEX_H
#define _SHIM_TIMEX_H

typedef unsigned long cycles_t;

/* As dear as in a kernel, so that a benchmark pays for it. */
static inline cycles_t get_cycles(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	cycles_t now;

	__asm__ __volatile__("mrs %0, cntvct_el0" : "=r" (now));
	return now;
#else
	return 0;
#endif
}

#endif
