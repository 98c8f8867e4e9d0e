// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the DMA API and the IOMMU core call, as far as it differs from kernel to
 * kernel.
 */

#include <linux/msi.h>
#include "../dma-iommu.h"
#include "map.h"

/**
 * iommu_setup_dma_ops - let this layer map for a device of a DMA domain
 * @dev: a device whose group has a default domain, attached or not; the lock of
 *	the group is held
 * Context: process; may sleep.
 */
void iommu_setup_dma_ops(struct device *dev)
{
	dmamap_setup(dev, iommu_get_dma_domain(dev));
}

/**
 * iommu_dma_prepare_msi - map the target register of an interrupt
 * @desc: descriptor of the interrupt; it stores the IOVA of the register
 * @msi_addr: physical address of the register
 * Context: process; may sleep.
 * Return: as iommu_dma_sw_msi(); 0 for a device without a domain.
 */
int iommu_dma_prepare_msi(struct msi_desc *desc, phys_addr_t msi_addr)
{
	struct iommu_domain *domain;

	domain = iommu_get_domain_for_dev(msi_desc_to_dev(desc));
	return iommu_dma_sw_msi(domain, desc, msi_addr);
}

/**
 * iommu_dma_compose_msi_msg - replace the address of an MSI by its IOVA
 * @desc: a descriptor that was passed to iommu_dma_prepare_msi()
 * @msg: the message, with the physical address of the register
 * Context: any.
 */
void iommu_dma_compose_msi_msg(struct msi_desc *desc, struct msi_msg *msg)
{
#ifdef CONFIG_IRQ_MSI_IOMMU
	unsigned int shift = desc->iommu_msi_shift;
	u64 addr;

	if (!shift)
		return;
	addr = (u64)desc->iommu_msi_iova << shift;
	addr |= msg->address_lo & (BIT_ULL(shift) - 1);
	msg->address_lo = lower_32_bits(addr);
	msg->address_hi = upper_32_bits(addr);
#endif
}

/* There are no registers among the pages: leave out what concerns them. */
dma_addr_t iommu_dma_map_page(struct device *dev, struct page *page,
			      unsigned long offset, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	return dmamap_map_buffer(dev, page_to_phys(page) + offset, size, dir,
				 attrs & ~DMA_ATTR_MMIO);
}

void iommu_dma_unmap_page(struct device *dev, dma_addr_t addr, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	dmamap_unmap_buffer(dev, addr, size, dir, attrs & ~DMA_ATTR_MMIO);
}

dma_addr_t iommu_dma_map_resource(struct device *dev, phys_addr_t phys,
				  size_t size, enum dma_data_direction dir,
				  unsigned long attrs)
{
	return dmamap_range_map(dev, phys, size,
				dmamap_prot(dir, false, attrs | DMA_ATTR_MMIO));
}

void iommu_dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	dmamap_range_unmap(dev, addr, size, false);
}

dma_addr_t iommu_dma_map_phys(struct device *dev, phys_addr_t phys, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	if (attrs & DMA_ATTR_MMIO)
		return iommu_dma_map_resource(dev, phys, size, dir, attrs);
	return iommu_dma_map_page(dev, pfn_to_page(PHYS_PFN(phys)),
				  offset_in_page(phys), size, dir, attrs);
}
