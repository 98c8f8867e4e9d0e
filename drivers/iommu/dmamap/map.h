/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Theory of operation: single buffers, and registers of other devices.
 *
 * 1. An unmap looks up the physical address only if it has to copy from a bounce
 *    slot or needs cache maintenance. Both come after the unmap: if the unmap is
 *    refused, the memory is not touched.
 * 2. Registers are not bounced and need no cache maintenance.
 */
#ifndef _DMAMAP_MAP_H
#define _DMAMAP_MAP_H

#include "dmamap.h"

void dmamap_unmap_known(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir, unsigned long attrs);

/**
 * dmamap_map_buffer - map a buffer, or registers with DMA_ATTR_MMIO
 * @dev: the device
 * @phys: its first byte
 * @size: its bytes
 * @dir: direction of the transfer
 * @attrs: DMA_ATTR_* of the mapping
 * Context: any.
 * Return: IOVA of the first byte, or DMA_MAPPING_ERROR.
 */
static __always_inline dma_addr_t
dmamap_map_buffer(struct device *dev, phys_addr_t phys, size_t size,
		  enum dma_data_direction dir, unsigned long attrs)
{
	bool coherent = dev_is_dma_coherent(dev), bounced = false;
	dma_addr_t addr;

	if (unlikely(dmamap_may_bounce(dev, size, dir)) &&
	    !(attrs & DMA_ATTR_MMIO) &&
	    iova_offset(&dmamap_cookie(dev)->iovad, phys | size)) {
		if (attrs & DMA_ATTR_REQUIRE_COHERENT)
			return DMA_MAPPING_ERROR;
		phys = dmamap_bounce(dev, phys, size, dir, attrs);
		if (phys == (phys_addr_t)DMA_MAPPING_ERROR)
			return DMA_MAPPING_ERROR;
		bounced = true;
	}
	if (!coherent && !(attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO))) {
		arch_sync_dma_for_device(phys, size, dir);
		dmamap_cache_flush(dev);
	}

	addr = dmamap_range_map(dev, phys, size,
				dmamap_prot(dir, coherent, attrs));
	if (unlikely(addr == DMA_MAPPING_ERROR) && bounced)
		swiotlb_tbl_unmap_single(dev, phys, size, dir, attrs);
	return addr;
}

/**
 * dmamap_unmap_buffer - undo dmamap_map_buffer()
 * @dev: the device
 * @addr: the IOVA that it returned
 * @size: the bytes that it mapped
 * @dir: direction of the transfer
 * @attrs: DMA_ATTR_* of the mapping
 * Context: any.
 */
static __always_inline void
dmamap_unmap_buffer(struct device *dev, dma_addr_t addr, size_t size,
		    enum dma_data_direction dir, unsigned long attrs)
{
	if (unlikely(!dev_is_dma_coherent(dev) || dmamap_untrusted(dev)) &&
	    !(attrs & (DMA_ATTR_MMIO | DMA_ATTR_REQUIRE_COHERENT)))
		dmamap_unmap_known(dev, addr, size, dir, attrs);
	else
		dmamap_range_unmap(dev, addr, size, false);
}

#endif
