/* SPDX-License-Identifier: GPL-2.0-only */
#define kmemleak_transient_leak(ptr)	do { } while (0)
#define kmemleak_not_leak(ptr)		do { } while (0)
