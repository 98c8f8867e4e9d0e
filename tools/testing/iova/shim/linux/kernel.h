/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_KERNEL_H
#define _SHIM_KERNEL_H

#include <limits.h>
#include <linux/container_of.h>
#include_next <linux/kernel.h>
#include <linux/align.h>
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/printk.h>
#include <linux/types.h>

#define U64_MAX		((u64)~0ULL)

#define min3(x, y, z)	min((__typeof__(x))min(x, y), z)
#define max3(x, y, z)	max((__typeof__(x))max(x, y), z)

#define swap(a, b)							\
do {									\
	__typeof__(a) __swap = (a);					\
									\
	(a) = (b);							\
	(b) = __swap;							\
} while (0)

#endif
