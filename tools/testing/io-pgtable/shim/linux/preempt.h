/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_PREEMPT_H
#define _SHIM_PREEMPT_H

/* Threads are preempted all the same. */
#define preempt_disable()	do { } while (0)
#define preempt_enable()	do { } while (0)

#endif
