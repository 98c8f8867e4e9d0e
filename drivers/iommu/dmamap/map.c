// SPDX-License-Identifier: GPL-2.0-only
/* The slow path of map.h, and limits of a mapping. */

#include "map.h"

/**
 * dmamap_unmap_known - dmamap_unmap_buffer(), for a buffer that may have a bounce
 *	slot or needs cache maintenance
 * @dev: the device
 * @addr: IOVA of the buffer
 * @size: its bytes
 * @dir: direction of the transfer
 * @attrs: DMA_ATTR_* of the mapping
 * Context: any.
 */
void dmamap_unmap_known(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir, unsigned long attrs)
{
	phys_addr_t phys = dmamap_phys(iommu_get_dma_domain(dev), addr);
	struct io_tlb_pool *slots = swiotlb_find_pool(dev, phys);

	if (!dmamap_range_unmap(dev, addr, size, slots) ||
	    phys == PHYS_ADDR_MAX)
		return;
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC)) {
		dmamap_cache(dev, phys, size, dir, true);
		dmamap_cache_flush(dev);
	}
	if (slots) {
		if (static_branch_unlikely(&dmamap_watching))
			dmamap_watched_slot(dev, addr, phys);
		swiotlb_tbl_unmap_single(dev, phys, size, dir, attrs);
	}
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
