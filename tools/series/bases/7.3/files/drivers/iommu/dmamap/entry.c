// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the DMA API and the IOMMU core call, as far as it differs from kernel to
 * kernel.
 */

#include <kunit/static_stub.h>
#include "../dma-iommu.h"
#include "map.h"

/**
 * iommu_put_msi_cookie - free the cookie of iommu_get_msi_cookie()
 * @domain: a domain that is not in use
 * Context: process; may sleep.
 */
void iommu_put_msi_cookie(struct iommu_domain *domain)
{
	iommu_put_dma_cookie(domain);
}

/**
 * iommu_setup_dma_ops - let this layer map for a device of a DMA domain
 * @dev: a device; the lock of its group is held
 * @domain: the default domain of its group
 * Context: process; may sleep.
 */
void iommu_setup_dma_ops(struct device *dev, struct iommu_domain *domain)
{
	dmamap_setup(dev, domain);
}

/**
 * dmamap_complete_caches - complete the cache maintenance of this CPU
 * @dev: a device that does not snoop CPU caches
 * Context: any.
 */
void dmamap_complete_caches(struct device *dev)
{
	KUNIT_STATIC_STUB_REDIRECT(dmamap_complete_caches, dev);
	arch_sync_dma_flush();
}

dma_addr_t iommu_dma_map_phys(struct device *dev, phys_addr_t phys, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	return dmamap_map_buffer(dev, phys, size, dir, attrs);
}

void iommu_dma_unmap_phys(struct device *dev, dma_addr_t addr, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	dmamap_unmap_buffer(dev, addr, size, dir, attrs);
}
