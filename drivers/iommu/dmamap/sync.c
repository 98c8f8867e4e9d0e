// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: ownership of a buffer moves between CPU and device.
 *
 * 1. A device that does not snoop CPU caches needs cache maintenance. A bounced
 *    buffer is copied from or to its slot. The device accesses the slot, so a
 *    transfer to the device copies first, and one to the CPU copies last.
 * 2. The page table is looked up only if one of the two may be needed.
 * 3. If a list was bounced, its head is marked, and each segment is synced like a
 *    single buffer. Otherwise the entries of the list name the memory.
 */

#include <kunit/static_stub.h>
#include <linux/memremap.h>
#include "dmamap.h"

/**
 * dmamap_cache - cache maintenance for memory that changes hands
 * @dev: the device
 * @phys: physical address of the buffer or its slot
 * @size: its bytes
 * @dir: direction of the transfer
 * @for_cpu: the CPU gets it; otherwise the device
 *
 * Memory of other devices needs none, because CPU caches do not contain it. It is
 * complete after arch_sync_dma_flush().
 * Context: any.
 */
void dmamap_cache(struct device *dev, phys_addr_t phys, size_t size,
		  enum dma_data_direction dir, bool for_cpu)
{
	unsigned long pfn = PHYS_PFN(phys);

	KUNIT_STATIC_STUB_REDIRECT(dmamap_cache, dev, phys, size, dir, for_cpu);
	if (dev_is_dma_coherent(dev) || !pfn_valid(pfn) ||
	    is_pci_p2pdma_page(pfn_to_page(pfn)))
		return;
	if (for_cpu)
		arch_sync_dma_for_cpu(phys, size, dir);
	else
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
		return;
	}
	if (!for_cpu)
		swiotlb_sync_single_for_device(dev, phys, size, dir);
	dmamap_cache(dev, phys, size, dir, for_cpu);
	dmamap_cache_flush(dev);
	if (!for_cpu)
		return;
	if (static_branch_unlikely(&dmamap_watching) &&
	    swiotlb_find_pool(dev, phys))
		dmamap_watched_slot(dev, addr, phys);
	swiotlb_sync_single_for_cpu(dev, phys, size, dir);
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
		if (!bounced)
			dmamap_cache(dev, sg_phys(s), s->length, dir, for_cpu);
		else if (sg_dma_len(s) && !sg_dma_is_bus_address(s))
			sync_single(dev, sg_dma_address(s), sg_dma_len(s), dir,
				    for_cpu);
	}
	if (!bounced)
		dmamap_cache_flush(dev);
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
