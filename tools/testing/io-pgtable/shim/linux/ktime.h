/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_KTIME_H
#define _SHIM_KTIME_H

#include <time.h>

#include <linux/types.h>

typedef s64 ktime_t;

#define USEC_PER_SEC	1000000L

static inline ktime_t ktime_get(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static inline s64 ktime_us_delta(ktime_t later, ktime_t earlier)
{
	return (later - earlier) / 1000;
}

#endif
