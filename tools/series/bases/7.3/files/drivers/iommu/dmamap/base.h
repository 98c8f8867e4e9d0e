/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs from kernel to kernel: cookies, peer memory, and what is allocated
 * from other layers.
 */
#ifndef _DMAMAP_BASE_H
#define _DMAMAP_BASE_H

#include <linux/dma-map-ops.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/swiotlb.h>

#include "../iommu-pages.h"
#include "../iommu-priv.h"

struct iommu_dma_cookie;

/* An MSI cookie is a cookie, too. Both are pointers in the same union. */
static inline struct iommu_dma_cookie *
dmamap_cookie_of(const struct iommu_domain *domain)
{
	if (domain->cookie_type == IOMMU_COOKIE_DMA_IOVA ||
	    domain->cookie_type == IOMMU_COOKIE_DMA_MSI)
		return domain->iova_cookie;
	return NULL;
}

/* Returns false if the domain has a cookie of another kind, or of this one. */
static inline bool dmamap_cookie_set(struct iommu_domain *domain,
				     struct iommu_dma_cookie *cookie,
				     bool msi_only)
{
	if (domain->cookie_type != IOMMU_COOKIE_NONE)
		return false;
	domain->iova_cookie = cookie;
	domain->cookie_type = msi_only ? IOMMU_COOKIE_DMA_MSI :
					 IOMMU_COOKIE_DMA_IOVA;
	return true;
}

static inline void dmamap_cookie_clear(struct iommu_domain *domain)
{
	domain->iova_cookie = NULL;
	domain->cookie_type = IOMMU_COOKIE_NONE;
}

/* The entry has its bus address if that is what it is mapped to. */
static inline enum pci_p2pdma_map_type
dmamap_p2pdma(struct pci_p2pdma_map_state *state, struct device *dev,
	      struct scatterlist *s)
{
	enum pci_p2pdma_map_type type = pci_p2pdma_state(state, dev, sg_page(s));

	if (type == PCI_P2PDMA_MAP_BUS_ADDR) {
		sg_dma_address(s) = pci_p2pdma_bus_addr_map(state->mem,
							    sg_phys(s));
		sg_dma_len(s) = s->length;
		sg_dma_mark_bus_address(s);
	}
	return type;
}

static inline phys_addr_t dmamap_slot_alloc(struct device *dev, phys_addr_t phys,
					    size_t size, unsigned int mask,
					    enum dma_data_direction dir,
					    unsigned long attrs)
{
	return swiotlb_tbl_map_single(dev, phys, size, mask, dir, &attrs);
}

static inline struct page *dmamap_pool_alloc(struct device *dev, size_t size,
					     void **cpu_addr, gfp_t gfp,
					     unsigned long attrs)
{
	return dma_alloc_from_pool(dev, size, cpu_addr, gfp, attrs, NULL);
}

/* Can an IOTLB flush be deferred? IOMMU drivers with generic page tables do not say so. */
static inline bool dmamap_can_defer(struct device *dev,
				    struct iommu_domain *domain)
{
	return iommupt_from_domain(domain) ||
	       device_iommu_capable(dev, IOMMU_CAP_DEFERRED_FLUSH);
}

/* To attach it takes the mutex of the group, which another map can wait for. */
static inline int dmamap_deferred_attach(struct device *dev,
					 struct iommu_domain *domain)
{
	bool atomic = IS_ENABLED(CONFIG_PREEMPT_COUNT) ? !preemptible() :
				irqs_disabled() || in_interrupt();

	if (dev->iommu->attach_deferred && atomic)
		return -EBUSY;
	return iommu_deferred_attach(dev, domain);
}

/* Complete the cache maintenance of this CPU. Where tests can look, see entry.c. */
void dmamap_complete_caches(struct device *dev);

/* An empty gather is not flushed, and not all drivers gather. */
static inline void dmamap_gather_all(struct iommu_iotlb_gather *gather,
				     unsigned long addr, size_t size)
{
	if (gather->start >= gather->end)
		iommu_iotlb_gather_add_range(gather, addr, size);
}

/* iommu.debug_pagealloc=1: freed pages must not be mapped any more. */
static inline bool dmamap_debugs_pages(void)
{
#ifdef CONFIG_IOMMU_DEBUG_PAGEALLOC
	return static_branch_unlikely(&iommu_debug_initialized);
#else
	return false;
#endif
}

/* Memory that a confidential guest shares with its host is not supported. */
static inline bool dmamap_unsupported(unsigned long attrs)
{
	return attrs & (DMA_ATTR_CC_SHARED | __DMA_ATTR_ALLOC_CC_SHARED);
}

#endif
