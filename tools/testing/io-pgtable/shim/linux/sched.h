/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_PGTABLE_SCHED_H
#define _SHIM_PGTABLE_SCHED_H

#include "../../../iova/shim/linux/sched.h"

/* The kernel has it in linux/kernel.h; a user-space process is up. */
enum { SYSTEM_RUNNING };

#define system_state	SYSTEM_RUNNING

#endif
