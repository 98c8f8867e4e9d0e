/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_PGTABLE_BARRIER_H
#define _SHIM_PGTABLE_BARRIER_H

#include_next <asm/barrier.h>

/* What a kernel does for x86, where both are cheap. */
#define wmb()			__atomic_thread_fence(__ATOMIC_RELEASE)
#define dma_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)

#endif
