/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_CACHE_H
#define _SHIM_CACHE_H

#define SMP_CACHE_BYTES			64
#define L1_CACHE_BYTES			SMP_CACHE_BYTES
#define cache_line_size()		SMP_CACHE_BYTES
#define ____cacheline_aligned		__attribute__((aligned(SMP_CACHE_BYTES)))
#define ____cacheline_aligned_in_smp	____cacheline_aligned

#endif
