/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_JIFFIES_H
#define _SHIM_JIFFIES_H

#include <linux/compiler.h>

#define HZ			1000UL

extern unsigned long shim_jiffies;

#define jiffies			READ_ONCE(shim_jiffies)
#define msecs_to_jiffies(ms)	((unsigned long)(ms) * HZ / 1000)
#define time_after(a, b)	((long)((b) - (a)) < 0)
#define time_before(a, b)	time_after(b, a)

#endif
