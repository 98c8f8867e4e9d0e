// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: single buffers, and registers of other devices.
 *
 * 1. An unmap looks up the physical address only if it has to copy from a bounce
 *    slot or needs cache maintenance. Both come after the unmap: if the unmap is
 *    refused, the memory is not touched.
 * 2. Resources (registers) are not bounced and need no cache maintenance.
 */

#include "dmamap.h"

dma_addr_t iommu_dma_map_page(struct device *dev, struct page *page,
			      unsigned long offset, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	phys_addr_t phys = page_to_phys(page) + offset;
	bool coherent = dev_is_dma_coherent(dev), bounced = false;
	dma_addr_t addr;

	if (unlikely(dmamap_may_bounce(dev, size, dir)) &&
	    iova_offset(&dmamap_cookie(dev)->iovad, phys | size)) {
		phys = dmamap_bounce(dev, phys, size, dir, attrs);
		if (phys == (phys_addr_t)DMA_MAPPING_ERROR)
			return DMA_MAPPING_ERROR;
		bounced = true;
	}
	if (!coherent && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		arch_sync_dma_for_device(phys, size, dir);

	addr = dmamap_range_map(dev, phys, size,
				dmamap_prot(dir, coherent, attrs));
	if (unlikely(addr == DMA_MAPPING_ERROR) && bounced)
		swiotlb_tbl_unmap_single(dev, phys, size, dir, attrs);
	return addr;
}

/* Unmap a buffer that may have a bounce slot or needs cache maintenance. */
static noinline void unmap_known(struct device *dev, dma_addr_t addr,
				 size_t size, enum dma_data_direction dir,
				 unsigned long attrs)
{
	phys_addr_t phys = dmamap_phys(iommu_get_dma_domain(dev), addr);
	struct io_tlb_pool *slots = swiotlb_find_pool(dev, phys);

	if (!dmamap_range_unmap(dev, addr, size, slots) ||
	    phys == PHYS_ADDR_MAX)
		return;
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		dmamap_cache(dev, phys, size, dir, true);
	if (slots)
		swiotlb_tbl_unmap_single(dev, phys, size, dir, attrs);
}

void iommu_dma_unmap_page(struct device *dev, dma_addr_t addr, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	if (unlikely(!dev_is_dma_coherent(dev) || dmamap_untrusted(dev)))
		unmap_known(dev, addr, size, dir, attrs);
	else
		dmamap_range_unmap(dev, addr, size, false);
}

dma_addr_t iommu_dma_map_resource(struct device *dev, phys_addr_t phys,
				  size_t size, enum dma_data_direction dir,
				  unsigned long attrs)
{
	return dmamap_range_map(dev, phys, size,
				dmamap_prot(dir, false, attrs) | IOMMU_MMIO);
}

void iommu_dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	dmamap_range_unmap(dev, addr, size, false);
}

/* Entries that meet at the end of a granule can share a segment. */
unsigned long iommu_dma_get_merge_boundary(struct device *dev)
{
	return iova_mask(&dmamap_cookie(dev)->iovad);
}

/* The allocator caches ranges of up to this size. */
size_t iommu_dma_opt_mapping_size(void)
{
	return iova_rcache_range();
}

size_t iommu_dma_max_mapping_size(struct device *dev)
{
	/* The whole buffer must fit one bounce slot. */
	return dmamap_untrusted(dev) ? swiotlb_max_mapping_size(dev) : SIZE_MAX;
}
