/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions of the page table of a domain.
 */
#ifndef _DMAMAP_TABLE_H
#define _DMAMAP_TABLE_H

#include <linux/iommu.h>

/* Does the page table keep the bounds of mappings? */
static __always_inline bool dmamap_has_bounds(struct iommu_domain *domain)
{
	return domain->ops->unmap_exact;
}

/* Does it map pages of one size as it is told? */
static inline bool dmamap_takes_pages(struct iommu_domain *domain)
{
	return domain->ops->map_pages;
}

/* Does it map many pieces of memory in one call? */
static __always_inline bool dmamap_takes_runs(struct iommu_domain *domain)
{
	return domain->ops->map_runs;
}

/* Map pages of 1 << @shift bytes. */
static __always_inline int
dmamap_map_pages(struct iommu_domain *domain, dma_addr_t addr, phys_addr_t phys,
		 size_t size, unsigned int shift, int prot, gfp_t gfp,
		 size_t *mapped)
{
	return domain->ops->map_pages(domain, addr, phys, 1UL << shift,
				      size >> shift, prot, gfp, mapped);
}

static __always_inline int
dmamap_map_runs(struct iommu_domain *domain, dma_addr_t addr,
		const struct iommu_run *runs, unsigned int count, int prot,
		gfp_t gfp, size_t *mapped)
{
	return domain->ops->map_runs(domain, addr, runs, count, prot, gfp,
				     mapped);
}

static __always_inline bool
dmamap_unmap_exact(struct iommu_domain *domain, dma_addr_t addr, size_t size,
		   bool gaps, struct iommu_iotlb_gather *gather)
{
	return domain->ops->unmap_exact(domain, addr, size, gaps, gather);
}

static inline bool dmamap_find_mapping(struct iommu_domain *domain,
				       dma_addr_t addr,
				       struct iommu_mapping *found)
{
	return domain->ops->find_mapping(domain, addr, found);
}

#endif
