/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions of the page table of a domain. A table of generic_pt has them in
 * struct pt_iommu_ops.
 */
#ifndef _DMAMAP_TABLE_H
#define _DMAMAP_TABLE_H

#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>

/* Does the page table keep the bounds of mappings? */
static __always_inline bool dmamap_has_bounds(struct iommu_domain *domain)
{
	struct pt_iommu *pt = iommupt_from_domain(domain);

	return pt ? !!pt->ops->unmap_exact : !!domain->ops->unmap_exact;
}

/* Does it map pages of one size as it is told? */
static inline bool dmamap_takes_pages(struct iommu_domain *domain)
{
	return domain->ops->map_pages || dmamap_has_bounds(domain);
}

/* Does it map many pieces of memory in one call? */
static __always_inline bool dmamap_takes_runs(struct iommu_domain *domain)
{
	struct pt_iommu *pt = iommupt_from_domain(domain);

	return pt ? !!pt->ops->map_runs : !!domain->ops->map_runs;
}

/* Map pages of 1 << @shift bytes. */
static __always_inline int
dmamap_map_pages(struct iommu_domain *domain, dma_addr_t addr, phys_addr_t phys,
		 size_t size, unsigned int shift, int prot, gfp_t gfp,
		 size_t *mapped)
{
	struct pt_iommu *pt = iommupt_from_domain(domain);

	if (pt)
		return pt->ops->map_range(pt, addr, phys, size, prot, gfp,
					  mapped);
	return domain->ops->map_pages(domain, addr, phys, 1UL << shift,
				      size >> shift, prot, gfp, mapped);
}

static __always_inline int
dmamap_map_runs(struct iommu_domain *domain, dma_addr_t addr,
		const struct iommu_run *runs, unsigned int count, int prot,
		gfp_t gfp, size_t *mapped)
{
	struct pt_iommu *pt = iommupt_from_domain(domain);

	if (pt)
		return pt->ops->map_runs(pt, addr, runs, count, prot, gfp,
					 mapped);
	return domain->ops->map_runs(domain, addr, runs, count, prot, gfp,
				     mapped);
}

static __always_inline bool
dmamap_unmap_exact(struct iommu_domain *domain, dma_addr_t addr, size_t size,
		   bool gaps, struct iommu_iotlb_gather *gather)
{
	struct pt_iommu *pt = iommupt_from_domain(domain);

	if (pt)
		return pt->ops->unmap_exact(pt, addr, size, gaps, gather);
	return domain->ops->unmap_exact(domain, addr, size, gaps, gather);
}

static inline bool dmamap_find_mapping(struct iommu_domain *domain,
				       dma_addr_t addr,
				       struct iommu_mapping *found)
{
	struct pt_iommu *pt = iommupt_from_domain(domain);

	if (pt)
		return pt->ops->find_mapping(pt, addr, found);
	return domain->ops->find_mapping(domain, addr, found);
}

#endif
