/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paging domains on the VT-d page table formats.
 *
 * Theory of operation
 * ===================
 *
 * 1. A paging domain that has dmar_domain.pgtbl maps, unmaps, looks up and tracks
 *    dirty pages through it.  dmar_domain.pgd is the root then: context and
 *    PASID entries are made of that.  debugfs walks the tables by itself.
 *
 * 2. Tables that an unmap takes out go to the gather's freelist.  The driver or
 *    the flush queue frees them after an invalidation without the leaf hint.
 *
 * 3. The tables are made for one remapping unit: for its stage, page sizes,
 *    levels, address width and coherency.  These do not change later.  A
 *    device behind a unit that lacks one of them is refused at attach, and its
 *    owner makes another domain (intel_pgtbl_fits()).
 *
 * 4. Snooping (SNP) can be enforced up to the first map.  dmar_domain.lock
 *    orders the two.
 */
#ifndef _INTEL_PGTABLE_H
#define _INTEL_PGTABLE_H

#include <linux/io-pgtable.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "iommu.h"

static inline struct io_pgtable_cfg *
intel_pgtbl_cfg(const struct dmar_domain *domain)
{
	return &io_pgtable_ops_to_pgtable(domain->pgtbl)->cfg;
}

static inline void intel_pgtbl_flush_all(void *cookie)
{
	/* A domain that is being freed has no devices left to flush. */
	cache_tag_flush_all(cookie);
}

static inline void intel_pgtbl_flush_walk(unsigned long iova, size_t size,
					  size_t granule, void *cookie)
{
	cache_tag_flush_tables(cookie, iova, iova + size - 1);
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

/**
 * intel_pgtbl_fits - can a remapping unit walk the tables of a domain?
 * @domain: a domain with a page table
 * @iommu: the unit
 *
 * Context: any.
 * Return: whether @iommu has the stage, page sizes, levels and address width of
 * the tables, and snoops CPU caches unless PTEs are written back.
 */
static inline bool intel_pgtbl_fits(const struct dmar_domain *domain,
				    const struct intel_iommu *iommu)
{
	const struct io_pgtable_cfg *cfg = intel_pgtbl_cfg(domain);
	bool first = domain->use_first_level, scalable = sm_supported(iommu);
	unsigned int superpages = cap_super_page_val(iommu->cap);
	unsigned int width = min_t(unsigned int, cap_mgaw(iommu->cap),
				   agaw_to_width(iommu->agaw));
	/* 3 levels and more: VT-d specification, SAGAW */
	unsigned long levels = cap_sagaw(iommu->cap) << 2;

	if (first) {
		if (!scalable || !ecap_flts(iommu->ecap))
			return false;
		superpages = cap_fl1gp_support(iommu->cap) ? 2 : 1;
		levels = BIT(4) | cap_fl5lp_support(iommu->cap) << 5;
	} else if (scalable && !ecap_slts(iommu->ecap)) {
		return false;
	}
	if ((cfg->pgsize_bitmap & SZ_2M && superpages < 1) ||
	    (cfg->pgsize_bitmap & SZ_1G && superpages < 2))
		return false;
	if (cfg->coherent_walk && !(scalable ? ecap_smpwc(iommu->ecap) :
					       ecap_coherent(iommu->ecap)))
		return false;
	/* The driver programs at most the levels of @iommu->agaw. */
	return levels & BIT(cfg->vtd_cfg.levels) &&
	       cfg->vtd_cfg.levels <= agaw_to_level(iommu->agaw) &&
	       cfg->ias + first <= width;
}

/* The first map, and maps of nested parents, take the slow path. */
static __always_inline bool
intel_pgtbl_prepared(const struct dmar_domain *domain)
{
	return domain->has_mappings && !domain->nested_parent;
}

static noinline int intel_pgtbl_prepare(struct dmar_domain *domain, int prot)
{
	unsigned long flags;

	if (domain->nested_parent && !(prot & IOMMU_WRITE)) {
		pr_err_ratelimited("Read-only mapping is disallowed below a nested domain (ERRATA_772415_SPR17)\n");
		return -EINVAL;
	}
	if (!domain->has_mappings) {
		spin_lock_irqsave(&domain->lock, flags);
		domain->has_mappings = true;
		spin_unlock_irqrestore(&domain->lock, flags);
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
	int ret = 0;

	if (unlikely(!intel_pgtbl_prepared(domain)))
		ret = intel_pgtbl_prepare(domain, prot);
	if (unlikely(ret))
		return ret;
	return domain->pgtbl->map_pages(domain->pgtbl, iova, paddr, pgsize,
					pgcount, prot, gfp, mapped);
}

static noinline int intel_pgtbl_map_runs_slow(struct iommu_domain *domain,
					      unsigned long iova,
					      const struct iommu_run *runs,
					      unsigned int count, int prot,
					      gfp_t gfp, size_t *mapped)
{
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);
	struct io_pgtable_ops *ops = dmar_domain->pgtbl;
	int ret = 0;

	if (ops) {
		ret = intel_pgtbl_prepare(dmar_domain, prot);
		return ret ?: ops->map_runs(ops, iova, runs, count, prot, gfp,
					    mapped);
	}
	/* iommu_domain_alloc() is for a bus: the domain has stock tables. */
	for (; count && !ret; count--, iova += runs++->size) {
		ret = iommu_map(domain, iova, runs->phys, runs->size, prot, gfp);
		if (!ret)
			*mapped += runs->size;
	}
	return ret;
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

	if (unlikely(!ops || !intel_pgtbl_prepared(dmar_domain)))
		return intel_pgtbl_map_runs_slow(domain, iova, runs, count,
						 prot, gfp, mapped);
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

	/* One invalidation for the range, also of mixed page sizes. */
	if (cleared && !iommu_iotlb_gather_queued(gather))
		iommu_iotlb_gather_add_range(gather, iova, cleared);
	return cleared;
}

/* unmap_exact() of struct iommu_domain_ops. */
static inline bool intel_pgtbl_unmap_exact(struct iommu_domain *domain,
					   unsigned long iova, size_t size,
					   bool gaps,
					   struct iommu_iotlb_gather *gather)
{
	struct io_pgtable_ops *ops = to_dmar_domain(domain)->pgtbl;

	if (!ops || !ops->unmap_exact(ops, iova, size, gaps, gather))
		return false;
	if (!iommu_iotlb_gather_queued(gather))
		iommu_iotlb_gather_add_range(gather, iova, size);
	return true;
}

/* find_mapping() of struct iommu_domain_ops. */
static inline bool intel_pgtbl_find_mapping(struct iommu_domain *domain,
					    unsigned long iova,
					    struct iommu_mapping *found)
{
	struct io_pgtable_ops *ops = to_dmar_domain(domain)->pgtbl;

	return ops && ops->find_mapping(ops, iova, found);
}

/**
 * intel_pgtbl_read_and_clear_dirty - report which pages were written to
 * @domain: a domain with a page table, of the second stage
 * @iova: where to begin
 * @size: bytes, not 0
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
	/* To stop tracking, the core cleans the range without a bitmap. */
	if (!domain->dirty_tracking && dirty->bitmap)
		return -EINVAL;
	return domain->pgtbl->read_and_clear_dirty(domain->pgtbl, iova, size,
						   flags, dirty);
}

#endif
