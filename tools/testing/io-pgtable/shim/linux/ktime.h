/* SPDX-License-Identifier: GPL-2.0-only */
/* Time passes when a test says so. */
#ifndef _SHIM_KTIME_H
#define _SHIM_KTIME_H

#include <linux/types.h>

typedef s64 ktime_t;

#define USEC_PER_SEC	1000000L
#define NSEC_PER_MSEC	1000000L

extern s64 shim_ktime;

static inline ktime_t ktime_get(void)
{
	return __atomic_load_n(&shim_ktime, __ATOMIC_RELAXED);
}

static inline s64 ktime_us_delta(ktime_t later, ktime_t earlier)
{
	return (later - earlier) / 1000;
}

#endif
