/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_SCHED_CLOCK_H
#define _SHIM_SCHED_CLOCK_H

#include <time.h>
#include <linux/types.h>

/* Ticks of the counter a kernel reads, not scaled to nanoseconds. */
static inline u64 local_clock(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
#endif
}

#endif
