// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: ownership of a buffer moves between CPU and device.
 *
 * 1. A device that does not snoop needs cache maintenance, and a bounced buffer
 *    a copy. The copy comes first towards the device, last towards the CPU,
 *    because the device sees the slot.
 * 2. For other buffers the page table is not looked up.
 * 3. In a list that bounced (its head is marked) each segment is synced like a
 *    single buffer. The entries of other lists name the memory.
 */

#include <linux/memremap.h>
#include "dmamap.h"

/* Memory of other devices is not in the caches of the CPUs. */
static bool is_cached(struct device *dev, phys_addr_t phys)
{
	unsigned long pfn = PHYS_PFN(phys);

	return !dev_is_dma_coherent(dev) && pfn_valid(pfn) &&
	       !is_pci_p2pdma_page(pfn_to_page(pfn));
}

/**
 * dmamap_cache_for_cpu - cache maintenance before the CPU uses a buffer
 * @dev: the device
 * @phys: physical address of the buffer or its slot
 * @size: its bytes
 * @dir: direction of the transfer
 * Context: any.
 */
void dmamap_cache_for_cpu(struct device *dev, phys_addr_t phys, size_t size,
			  enum dma_data_direction dir)
{
	if (is_cached(dev, phys))
		arch_sync_dma_for_cpu(phys, size, dir);
}

static void cache_for_device(struct device *dev, phys_addr_t phys, size_t size,
			     enum dma_data_direction dir)
{
	if (is_cached(dev, phys))
		arch_sync_dma_for_device(phys, size, dir);
}

static __always_inline void sync_single(struct device *dev, dma_addr_t addr,
					size_t size, enum dma_data_direction dir,
					bool for_cpu)
{
	phys_addr_t phys;

	if (dev_is_dma_coherent(dev) && !dmamap_may_bounce(dev, size, dir))
		return;
	phys = dmamap_phys(iommu_get_dma_domain(dev), addr);
	if (unlikely(phys == PHYS_ADDR_MAX)) {
		dmamap_misuse(dev, "sync", addr, size, NULL);
	} else if (for_cpu) {
		dmamap_cache_for_cpu(dev, phys, size, dir);
		swiotlb_sync_single_for_cpu(dev, phys, size, dir);
	} else {
		swiotlb_sync_single_for_device(dev, phys, size, dir);
		cache_for_device(dev, phys, size, dir);
	}
}

static __always_inline void sync_sg(struct device *dev, struct scatterlist *sgl,
				    int nents, enum dma_data_direction dir,
				    bool for_cpu)
{
	bool bounced = sg_dma_is_swiotlb(sgl);
	struct scatterlist *s;
	int i;

	if (!bounced && dev_is_dma_coherent(dev))
		return;
	for_each_sg(sgl, s, nents, i) {
		if (!bounced && for_cpu)
			dmamap_cache_for_cpu(dev, sg_phys(s), s->length, dir);
		else if (!bounced)
			cache_for_device(dev, sg_phys(s), s->length, dir);
		else if (sg_dma_len(s) && !sg_dma_is_bus_address(s))
			sync_single(dev, sg_dma_address(s), sg_dma_len(s), dir,
				    for_cpu);
	}
}

void iommu_dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr,
				   size_t size, enum dma_data_direction dir)
{
	sync_single(dev, addr, size, dir, true);
}

void iommu_dma_sync_single_for_device(struct device *dev, dma_addr_t addr,
				      size_t size, enum dma_data_direction dir)
{
	sync_single(dev, addr, size, dir, false);
}

void iommu_dma_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl,
			       int nelems, enum dma_data_direction dir)
{
	sync_sg(dev, sgl, nelems, dir, true);
}

void iommu_dma_sync_sg_for_device(struct device *dev, struct scatterlist *sgl,
				  int nelems, enum dma_data_direction dir)
{
	sync_sg(dev, sgl, nelems, dir, false);
}
