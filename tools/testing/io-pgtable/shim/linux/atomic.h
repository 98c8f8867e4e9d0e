/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_ATOMIC_H
#define _SHIM_ATOMIC_H

#include <linux/compiler.h>
#include <asm/barrier.h>

#define cmpxchg64_relaxed(ptr, old, new)	cmpxchg(ptr, old, new)

#endif
