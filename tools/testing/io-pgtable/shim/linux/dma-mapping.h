/* SPDX-License-Identifier: GPL-2.0-only */
/* Streaming mappings of table memory: addresses are physical ones. */
#ifndef _SHIM_PGTABLE_DMA_MAPPING_H
#define _SHIM_PGTABLE_DMA_MAPPING_H

#include <linux/bitops.h>
#include <linux/device.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "pages.h"

typedef u64 dma_addr_t;

enum dma_data_direction { DMA_TO_DEVICE = 1 };

#define dma_mapping_error(dev, dma)	((dma) == ~(dma_addr_t)0)
#define dma_map_single(dev, p, size, dir)	shim_dma_map(p, size)
#define dma_unmap_single(dev, dma, size, dir)	shim_dma_unmap(dma, size)
#define dma_sync_single_for_device(dev, dma, size, dir)			\
	shim_write_back(phys_to_virt(dma), size)

#endif
