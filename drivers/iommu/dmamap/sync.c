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

/* The memory behind an address. PHYS_ADDR_MAX, and a report, if not mapped. */
static phys_addr_t sync_phys(struct device *dev, dma_addr_t addr, size_t size)
{
	phys_addr_t phys = dmamap_phys(iommu_get_dma_domain(dev), addr);

	if (unlikely(phys == PHYS_ADDR_MAX))
		dmamap_refuse_sync(dev, addr, size);
	return phys;
}

static bool needs_sync(struct device *dev, size_t size,
		       enum dma_data_direction dir)
{
	return !dev_is_dma_coherent(dev) || dmamap_may_bounce(dev, size, dir);
}

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

void iommu_dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr,
				   size_t size, enum dma_data_direction dir)
{
	phys_addr_t phys;

	if (!needs_sync(dev, size, dir))
		return;
	phys = sync_phys(dev, addr, size);
	if (phys == PHYS_ADDR_MAX)
		return;
	dmamap_cache_for_cpu(dev, phys, size, dir);
	swiotlb_sync_single_for_cpu(dev, phys, size, dir);
}

void iommu_dma_sync_single_for_device(struct device *dev, dma_addr_t addr,
				      size_t size, enum dma_data_direction dir)
{
	phys_addr_t phys;

	if (!needs_sync(dev, size, dir))
		return;
	phys = sync_phys(dev, addr, size);
	if (phys == PHYS_ADDR_MAX)
		return;
	swiotlb_sync_single_for_device(dev, phys, size, dir);
	cache_for_device(dev, phys, size, dir);
}

/* Call @sync for each segment of a list that bounced. */
static void sync_segments(struct device *dev, struct scatterlist *sgl,
			  int nents, enum dma_data_direction dir,
			  void (*sync)(struct device *dev, dma_addr_t addr,
				       size_t size, enum dma_data_direction dir))
{
	struct scatterlist *s;
	int i;

	for_each_sg(sgl, s, nents, i)
		if (sg_dma_len(s) && !sg_dma_is_bus_address(s))
			sync(dev, sg_dma_address(s), sg_dma_len(s), dir);
}

void iommu_dma_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl,
			       int nelems, enum dma_data_direction dir)
{
	struct scatterlist *s;
	int i;

	if (sg_dma_is_swiotlb(sgl))
		sync_segments(dev, sgl, nelems, dir,
			      iommu_dma_sync_single_for_cpu);
	else if (!dev_is_dma_coherent(dev))
		for_each_sg(sgl, s, nelems, i)
			dmamap_cache_for_cpu(dev, sg_phys(s), s->length, dir);
}

void iommu_dma_sync_sg_for_device(struct device *dev, struct scatterlist *sgl,
				  int nelems, enum dma_data_direction dir)
{
	struct scatterlist *s;
	int i;

	if (sg_dma_is_swiotlb(sgl))
		sync_segments(dev, sgl, nelems, dir,
			      iommu_dma_sync_single_for_device);
	else if (!dev_is_dma_coherent(dev))
		for_each_sg(sgl, s, nelems, i)
			cache_for_device(dev, sg_phys(s), s->length, dir);
}
