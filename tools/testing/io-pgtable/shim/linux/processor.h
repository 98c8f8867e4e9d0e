/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * To wait for another CPU.  A thread may be off its CPU for long, where a kernel
 * would go on at once, so a wait is longer as well.
 */
#ifndef _SHIM_PROCESSOR_H
#define _SHIM_PROCESSOR_H

#include <time.h>
#include <linux/compiler.h>

#undef cpu_relax
#define cpu_relax()	nanosleep(&(struct timespec){ .tv_nsec = 10000 }, NULL)

#endif
