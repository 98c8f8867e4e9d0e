/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paging domains on the VT-d page table formats.
 *
 * Theory of operation
 * ===================
 *
 * 1. A paging domain that has dmar_domain.pgtbl maps and unmaps through it.
 *    dmar_domain.pgd is its root then.  Context and PASID entries are made of
 *    that.  Lookups and dirty tracking go through it too: tables that are empty
 *    may leave any time, under RCU.  debugfs walks by itself, under RCU.
 *
 * 2. A table that is detached goes to the gather's freelist: the driver frees
 *    it after an invalidation without the leaf hint, or the flush queue does.
 *
 * 3. The number of levels is that of the remapping unit that a domain is made
 *    for.  A unit of fewer levels cannot take it.
 */
#ifndef _INTEL_PGTABLE_H
#define _INTEL_PGTABLE_H

#include <linux/io-pgtable.h>
#include <linux/slab.h>

#include "iommu.h"

static inline void intel_pgtbl_flush_all(void *cookie)
{
	/* Nothing at the end of a domain: nobody is attached to it then. */
	cache_tag_flush_all(cookie);
}

static inline void intel_pgtbl_flush_walk(unsigned long iova, size_t size,
					  size_t granule, void *cookie)
{
	cache_tag_flush_range(cookie, iova, iova + size - 1, 0);
}

static const struct iommu_flush_ops intel_pgtbl_flush_ops = {
	.tlb_flush_all = intel_pgtbl_flush_all,
	.tlb_flush_walk = intel_pgtbl_flush_walk,
};

/**
 * intel_pgtbl_create - give a new paging domain its page table
 * @domain: the domain, complete but for that and the end of its addresses;
 *          freed when there is no memory
 *
 * Context: process, may sleep.
 * Return: @domain or ERR_PTR(-ENOMEM).
 */
static inline struct dmar_domain *intel_pgtbl_create(struct dmar_domain *domain)
{
	/* A canonical address of the first stage has bit N-1 clear. */
	unsigned int ias = domain->gaw - domain->use_first_level;
	struct io_pgtable_cfg cfg = {
		.pgsize_bitmap = domain->domain.pgsize_bitmap,
		.ias = ias,
		.oas = 52,
		.coherent_walk = domain->iommu_coherency,
		.tlb = &intel_pgtbl_flush_ops,
		.reclaim = true,
		.vtd_cfg = {
			.levels = agaw_to_level(domain->agaw),
			.nid = domain->nid,
		},
	};

	domain->pgtbl = alloc_io_pgtable_ops(domain->use_first_level ?
					     VTD_FIRST_STAGE : VTD_SECOND_STAGE,
					     &cfg, domain);
	if (!domain->pgtbl) {
		kfree(domain);
		return ERR_PTR(-ENOMEM);
	}
	domain->pgd = phys_to_virt(cfg.vtd_cfg.root);
	domain->domain.geometry.aperture_end = BIT_ULL(ias) - 1;
	return domain;
}

/**
 * intel_pgtbl_destroy - free a page table with all that is mapped
 * @domain: a domain without devices
 *
 * Context: process.
 */
static inline void intel_pgtbl_destroy(struct dmar_domain *domain)
{
	if (!domain->pgtbl)
		return;
	free_io_pgtable_ops(domain->pgtbl);
	domain->pgtbl = NULL;
	domain->pgd = NULL;
}

/* Before anything is mapped: what becomes known only with the devices. */
static __always_inline int intel_pgtbl_prepare(struct dmar_domain *domain,
					       int prot)
{
	struct io_pgtable_cfg *cfg =
		&io_pgtable_ops_to_pgtable(domain->pgtbl)->cfg;

	if (unlikely(domain->nested_parent && !(prot & IOMMU_WRITE))) {
		pr_err_ratelimited("no read-only mappings below a nested domain (ERRATA_772415_SPR17)\n");
		return -EINVAL;
	}
	if (unlikely(cfg->vtd_cfg.snoop != domain->set_pte_snp))
		cfg->vtd_cfg.snoop = domain->set_pte_snp;
	if (unlikely(cfg->coherent_walk != domain->iommu_coherency))
		cfg->coherent_walk = domain->iommu_coherency;
	if (unlikely(!domain->has_mappings)) {
		domain->has_mappings = true;
		cfg->owner_reports = IS_ENABLED(CONFIG_IOMMU_DMAMAP) &&
				     iommu_is_dma_domain(&domain->domain);
	}
	return 0;
}

/**
 * intel_pgtbl_map - map pages
 * @domain: a domain with a page table
 * @iova: where
 * @paddr: what
 * @pgsize: bytes of a page
 * @pgcount: pages
 * @prot: IOMMU_READ and IOMMU_WRITE
 * @gfp: for tables
 * @mapped: grows by the bytes that were mapped
 *
 * Context: any that @gfp allows.
 * Return: 0 or a negative errno, as map_pages() of struct io_pgtable_ops.
 */
static inline int intel_pgtbl_map(struct dmar_domain *domain,
				  unsigned long iova, phys_addr_t paddr,
				  size_t pgsize, size_t pgcount, int prot,
				  gfp_t gfp, size_t *mapped)
{
	int ret = intel_pgtbl_prepare(domain, prot);

	if (unlikely(ret))
		return ret;
	return domain->pgtbl->map_pages(domain->pgtbl, iova, paddr, pgsize,
					pgcount, prot, gfp, mapped);
}

/* map_runs() of struct iommu_domain_ops. */
static inline int intel_pgtbl_map_runs(struct iommu_domain *domain,
				       unsigned long iova,
				       const struct iommu_run *runs,
				       unsigned int count, int prot, gfp_t gfp,
				       size_t *mapped)
{
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);
	struct io_pgtable_ops *ops = dmar_domain->pgtbl;
	int ret;

	/* Of a bus, not of a device: made by the deprecated call for that. */
	if (WARN_ON_ONCE(!ops))
		return -EOPNOTSUPP;
	ret = intel_pgtbl_prepare(dmar_domain, prot);
	if (unlikely(ret))
		return ret;
	return ops->map_runs(ops, iova, runs, count, prot, gfp, mapped);
}

/**
 * intel_pgtbl_unmap - unmap pages
 * @domain: a domain with a page table
 * @iova: where
 * @pgsize: bytes of a page
 * @pgcount: pages
 * @gather: takes note of what to invalidate
 *
 * Context: any.
 * Return: the bytes cleared, from @iova on without a gap.
 */
static inline size_t intel_pgtbl_unmap(struct dmar_domain *domain,
				       unsigned long iova, size_t pgsize,
				       size_t pgcount,
				       struct iommu_iotlb_gather *gather)
{
	size_t cleared = domain->pgtbl->unmap_pages(domain->pgtbl, iova, pgsize,
						    pgcount, gather);

	/* One invalidation for all that is gathered, whatever its pages. */
	if (cleared && !iommu_iotlb_gather_queued(gather))
		iommu_iotlb_gather_add_range(gather, iova, cleared);
	return cleared;
}

/**
 * intel_pgtbl_read_and_clear_dirty - report which pages were written to
 * @domain: a domain with a page table, of the second stage
 * @iova: where to begin
 * @size: bytes, none where nothing is to be done
 * @flags: IOMMU_DIRTY_NO_CLEAR to leave the pages dirty
 * @dirty: takes the pages
 *
 * Context: any.
 * Return: 0, or -EINVAL for addresses beyond what the page table translates.
 */
static inline int
intel_pgtbl_read_and_clear_dirty(struct dmar_domain *domain,
				 unsigned long iova, size_t size,
				 unsigned long flags,
				 struct iommu_dirty_bitmap *dirty)
{
	/* Who stops to track cleans all, and has no bitmap then. */
	if (!domain->dirty_tracking && dirty->bitmap)
		return -EINVAL;
	return domain->pgtbl->read_and_clear_dirty(domain->pgtbl, iova, size,
						   flags, dirty);
}

#endif
