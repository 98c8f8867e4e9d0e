/* SPDX-License-Identifier: GPL-2.0-only */
/* Brings in what the kernel's brings in, as far as somebody relies on it. */
#ifndef _SHIM_DMA_MAPPING_H
#define _SHIM_DMA_MAPPING_H

#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/page.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

typedef u64 dma_addr_t;

#endif
