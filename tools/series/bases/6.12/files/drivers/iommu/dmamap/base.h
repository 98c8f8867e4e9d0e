/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs from kernel to kernel: cookies, peer memory, and what is allocated
 * from other layers; and what this one lacks.
 */
#ifndef _DMAMAP_BASE_H
#define _DMAMAP_BASE_H

#include <linux/dma-map-ops.h>
#include <linux/iommu.h>
#include <linux/scatterlist.h>
#include <linux/swiotlb.h>

#include "../iommu-pages.h"
#include "../iommu-priv.h"

struct iommu_dma_cookie;
struct msi_desc;

/* Registers. Only dma_map_resource() maps them; drivers cannot ask for it. */
#define DMA_ATTR_MMIO			BIT(10)
/* Nobody asks for it. */
#define DMA_ATTR_REQUIRE_COHERENT	0UL

/* What later kernels call */
#define iommu_dma_unmap_phys		iommu_dma_unmap_page
dma_addr_t iommu_dma_map_phys(struct device *dev, phys_addr_t phys, size_t size,
			      enum dma_data_direction dir, unsigned long attrs);
int iommu_dma_sw_msi(struct iommu_domain *domain, struct msi_desc *desc,
		     phys_addr_t msi_addr);

static inline struct iommu_dma_cookie *
dmamap_cookie_of(const struct iommu_domain *domain)
{
	return domain->iova_cookie;
}

static inline bool dmamap_cookie_set(struct iommu_domain *domain,
				     struct iommu_dma_cookie *cookie,
				     bool msi_only)
{
	if (domain->iova_cookie)
		return false;
	domain->iova_cookie = cookie;
	return true;
}

static inline void dmamap_cookie_clear(struct iommu_domain *domain)
{
	domain->iova_cookie = NULL;
}

/* The entry has its bus address if that is what it is mapped to. */
static inline enum pci_p2pdma_map_type
dmamap_p2pdma(struct pci_p2pdma_map_state *state, struct device *dev,
	      struct scatterlist *s)
{
	return pci_p2pdma_map_segment(state, dev, s);
}

static inline phys_addr_t dmamap_slot_alloc(struct device *dev, phys_addr_t phys,
					    size_t size, unsigned int mask,
					    enum dma_data_direction dir,
					    unsigned long attrs)
{
	return swiotlb_tbl_map_single(dev, phys, size, mask, dir, attrs);
}

static inline struct page *dmamap_pool_alloc(struct device *dev, size_t size,
					     void **cpu_addr, gfp_t gfp,
					     unsigned long attrs)
{
	return dma_alloc_from_pool(dev, size, cpu_addr, gfp, NULL);
}

static inline bool dmamap_unsupported(unsigned long attrs)
{
	return false;
}

static inline bool dmamap_can_defer(struct device *dev,
				    struct iommu_domain *domain)
{
	return device_iommu_capable(dev, IOMMU_CAP_DEFERRED_FLUSH);
}

static inline int dmamap_deferred_attach(struct device *dev,
					 struct iommu_domain *domain)
{
	return iommu_deferred_attach(dev, domain);
}

/* An empty gather is flushed, too. */
static inline void dmamap_gather_all(struct iommu_iotlb_gather *gather,
				     unsigned long addr, size_t size)
{
}

/* Cache maintenance is complete when it returns. */
static inline void dmamap_complete_caches(struct device *dev)
{
}

/* This kernel does not look whether pages that are freed are still mapped. */
static inline bool dmamap_debugs_pages(void)
{
	return false;
}

static inline void iommu_debug_map(struct iommu_domain *domain,
				   phys_addr_t phys, size_t size)
{
}

static inline void iommu_debug_unmap_begin(struct iommu_domain *domain,
					   unsigned long iova, size_t size)
{
}

static inline void iommu_debug_unmap_end(struct iommu_domain *domain,
					 unsigned long iova, size_t size,
					 size_t unmapped)
{
}

#endif
