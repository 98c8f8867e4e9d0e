/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables behind the functions that drivers take from generic_pt.
 *
 * Theory of operation
 * ===================
 *
 * 1. A driver embeds a struct pt_iommu_FORMAT, calls init() and hw_info() of that
 *    format, and has its lookups and dirty bits from it.  The IOMMU core maps and
 *    unmaps by struct pt_iommu_ops.  The file of a format has all of them, and is
 *    built instead of generic_pt's.  Drivers are the same.
 *
 * 2. Such a file defines the functions of leaves.h, includes ops.h and then this
 *    file, and calls pt_init().  Tables are of 4 KiB.
 *
 * 3. pt_iommu.walker is the page table.  What others read of struct pt_common is
 *    kept: top_of_table, the sizes of addresses, and the features.
 *
 * 4. Features that formats share.  DMA_INCOHERENT writes entries back.  SIGN_EXTEND
 *    makes the upper half of the addresses begin at -2^(n-1).  DYNAMIC_TOP lets the
 *    root grow, as maps need it.  FLUSH_RANGE gathers one range, with the gaps in
 *    it.  FLUSH_RANGE_NO_GAPS invalidates what was gathered before a gap.  init()
 *    refuses what its format does not have.
 *
 * 5. Where memory is encrypted, addresses have a bit that is found out at boot, but
 *    the walker masks them by a constant.  So generic_pt has the page tables of
 *    AMD's IOMMUs then, under other names, and pt_iommu.walker is NULL.
 *
 * 6. Tables that an unmap takes out wait on the gather's freelist, which the owner
 *    frees behind an invalidation and a grace period.  Where the walker has to
 *    invalidate by itself (walk.c), it invalidates all of the domain: by
 *    a range, drivers invalidate leaves only.
 *
 * 7. What differs from generic_pt: an unmap of a part of a larger page changes
 *    nothing.  Lookups and unmaps are RCU read-side sections.
 */
#ifndef _IO_PGTABLE_PT_H
#define _IO_PGTABLE_PT_H

#include <linux/export.h>
#include <linux/generic_pt/iommu.h>
#include <linux/mem_encrypt.h>
#include <linux/string.h>

#include "../iommu-pages.h"

static const struct ptw_format pt_format = PTW_FORMAT(9, 0);

/*
 * A format defines pt_sizes(), its page sizes by features; PT_HAS_BOUNDS as false if its
 * leaves have no room for them; and PT_DETAILED if its driver wants to know levels.
 */
#ifndef PT_HAS_BOUNDS
#define PT_HAS_BOUNDS	true
#endif
#ifndef PT_DETAILED
#define PT_DETAILED	false
#endif

/* What a format can do. */
struct pt_limits {
	unsigned int least_top;		/* heights of the root */
	unsigned int most_top;
	unsigned int iova_bits;
	unsigned int phys_bits;
	unsigned int features;
};

/* Then generic_pt has the page tables of AMD's IOMMUs. */
static inline bool pt_memory_is_encrypted(void)
{
	return IS_ENABLED(CONFIG_AMD_MEM_ENCRYPT) && __sme_set(0);
}

/* All formats have this behind their struct pt_iommu. */
static __always_inline struct pt_common *common_of(struct pt_iommu *pt)
{
	return (struct pt_common *)(pt + 1);
}

/* A file of a format says so. */
#define PT_HAS_COMMON(format, member)					\
	static_assert(offsetof(struct pt_iommu_##format, member.common) == \
		      sizeof(struct pt_iommu))

/* The owner takes sizes away between init() and the first map. */
static void take_sizes(struct pt_iommu *pt)
{
	unsigned long *sizes = &pt->walker->iop.cfg.pgsize_bitmap;

	if (unlikely(READ_ONCE(*sizes) != pt->domain.pgsize_bitmap))
		WRITE_ONCE(*sizes, pt->domain.pgsize_bitmap);
}

/* The errors of a map as callers know them from generic_pt */
static __always_inline int map_error(int ret)
{
	return unlikely(ret == -EEXIST) ? -EADDRINUSE : ret;
}

/* For more than a page, and for what is refused */
static noinline int pt_map_range(struct pt_iommu *pt, dma_addr_t iova,
				 phys_addr_t phys, dma_addr_t size,
				 u64 attributes, gfp_t gfp, size_t *mapped)
{
	struct iommu_run run = { .phys = phys, .size = size };
	struct ptw *ptw = pt->walker;

	if (!size || !attributes)
		return -EINVAL;
	if ((iova | phys | size) & (ptw_granule(pt_format) - 1))
		return -ENXIO;
	if (iova + size - 1 < iova || phys + size - 1 < phys)
		return -EOVERFLOW;
	if ((!PTW_GROWS && !ptw_in_range(ptw, iova, size)) ||
	    (phys + size - 1) & ptw->phys_outside)
		return -ERANGE;
	if (PTW_GROWS) {
		int ret = ptw_reach(ptw, iova, size, gfp);

		if (ret)
			return ret;
	}
	if (size < ptw_larger(pt_format))
		return map_error(ptw_map_range(ptw, pt_format, iova, phys,
					       SZ_4K, size / SZ_4K, attributes,
					       gfp, mapped));
	take_sizes(pt);
	return map_error(ptw_map_piece(ptw, pt_format, iova, &run, attributes,
				       gfp, mapped));
}

/* map_range() of struct pt_iommu_ops */
static int pt_map(struct pt_iommu *pt, dma_addr_t iova, phys_addr_t phys,
		  dma_addr_t size, unsigned int prot, gfp_t gfp, size_t *mapped)
{
	const size_t granule = ptw_granule(pt_format);
	struct ptw *ptw = pt->walker;
	u64 attributes = ptw_attributes(ptw, prot);

	if (unlikely(size != granule || !attributes ||
		     (iova | phys) & (granule - 1) ||
		     !ptw_in_range(ptw, iova, 1) || phys & ptw->phys_outside))
		return pt_map_range(pt, iova, phys, size, attributes, gfp,
				    mapped);
	return map_error(ptw_map(ptw, pt_format, iova, phys, granule, 1,
				 attributes, gfp, mapped));
}

/* map_runs() of struct pt_iommu_ops */
static int pt_map_runs(struct pt_iommu *pt, dma_addr_t iova,
		       const struct iommu_run *runs, unsigned int count,
		       unsigned int prot, gfp_t gfp, size_t *mapped)
{
	struct ptw *ptw = pt->walker;
	u64 attributes = ptw_attributes(ptw, prot);
	int ret;

	if (unlikely(!attributes))
		return -EINVAL;
	take_sizes(pt);
	ret = ptw_map_runs(ptw, pt_format, iova, runs, count, attributes, gfp,
			   mapped);
	return map_error(ret);
}

/* Invalidate what was gathered, if a gap would come behind it. */
static noinline void pt_flush_before(struct pt_iommu *pt,
				     struct iommu_iotlb_gather *gather,
				     dma_addr_t iova, size_t size)
{
	if (size && iommu_iotlb_gather_is_disjoint(gather, iova, size))
		iommu_iotlb_sync(&pt->domain, gather);
}

/* Before an unmap, because tables that it takes out are covered by its range. */
static __always_inline void pt_unmap_begin(struct pt_iommu *pt,
					   struct iommu_iotlb_gather *gather,
					   dma_addr_t iova, size_t size)
{
	if (!iommu_iotlb_gather_queued(gather) &&
	    common_of(pt)->features & BIT(PT_FEAT_FLUSH_RANGE_NO_GAPS))
		pt_flush_before(pt, gather, iova, size);
}

static __always_inline void pt_unmap_end(struct iommu_iotlb_gather *gather,
					 dma_addr_t iova, size_t size)
{
	if (iommu_iotlb_gather_queued(gather) || !size)
		return;
	iommu_iotlb_gather_add_range(gather, iova, size);
	if (PT_DETAILED) {
		/* Leaves of the last level, at least, and of tables what waits. */
		gather->pt.leaf_levels_bitmap |= BIT(0);
		if (!iommu_pages_list_empty(&gather->freelist))
			gather->pt.table_levels_bitmap |= BIT(1);
	}
}

static noinline size_t unmap_range(struct ptw *ptw, u64 iova, size_t pgsize,
				   size_t pgcount,
				   struct iommu_iotlb_gather *gather)
{
	u64 size = pgsize * pgcount;

	if (!size || iova & (pgsize - 1) || iova + size - 1 < iova ||
	    !ptw_in_range(ptw, iova, size))
		return 0;
	return ptw_unmap_range(ptw, pt_format, iova, pgsize, pgcount, gather);
}

/* unmap_range() of struct pt_iommu_ops */
static size_t pt_unmap(struct pt_iommu *pt, dma_addr_t iova, dma_addr_t size,
		       struct iommu_iotlb_gather *gather)
{
	const size_t granule = ptw_granule(pt_format);
	size_t done;

	if (unlikely(size & (granule - 1)))
		return 0;
	pt_unmap_begin(pt, gather, iova, size);
	done = ptw_unmap(pt->walker, pt_format, iova, granule, size / granule,
			 gather, unmap_range);
	pt_unmap_end(gather, iova, done);
	return done;
}

static noinline bool unmap_mapping(struct ptw *ptw, u64 iova, size_t size,
				   bool gaps, struct iommu_iotlb_gather *gather)
{
	return ptw_unmap_mapping(ptw, pt_format, iova, size, gaps, gather);
}

/* unmap_exact() of struct pt_iommu_ops */
static bool pt_unmap_exact(struct pt_iommu *pt, dma_addr_t iova, size_t size,
			   bool gaps, struct iommu_iotlb_gather *gather)
{
	pt_unmap_begin(pt, gather, iova, size);
	if (!ptw_unmap_exact(pt->walker, pt_format, iova, size, gaps, gather,
			     unmap_mapping))
		return false;
	pt_unmap_end(gather, iova, size);
	return true;
}

/* find_mapping() of struct pt_iommu_ops */
static bool pt_find_mapping(struct pt_iommu *pt, dma_addr_t iova,
			    struct iommu_mapping *found)
{
	return ptw_find_mapping(&pt->walker->iop.ops, iova, found);
}

/* Larger pages than half of the addresses, or than memory, are not offered. */
static void pt_get_info(struct pt_iommu *pt, struct pt_iommu_info *info)
{
	const struct pt_common *common = common_of(pt);
	unsigned int bits = min(common->max_vasz_lg2 - 1, common->max_oasz_lg2);

	info->pgsize_bitmap = pt_sizes(common->features) & (BIT_ULL(bits) - 1);
}

static void pt_deinit(struct pt_iommu *pt)
{
	ptw_destroy(&pt->walker->iop);
}

static const struct pt_iommu_ops pt_table_ops = {
	.map_range = pt_map,
	.unmap_range = pt_unmap,
	.get_info = pt_get_info,
	.deinit = pt_deinit,
	.map_runs = pt_map_runs,
	.unmap_exact = PT_HAS_BOUNDS ? pt_unmap_exact : NULL,
	.find_mapping = PT_HAS_BOUNDS ? pt_find_mapping : NULL,
};

static void pt_flush_all(void *cookie)
{
	struct pt_iommu *pt = cookie;

	iommu_flush_iotlb_all(&pt->domain);
}

static void pt_flush_walk(unsigned long iova, size_t size, size_t granule,
			  void *cookie)
{
	pt_flush_all(cookie);
}

static const struct iommu_flush_ops pt_flush_ops = {
	.tlb_flush_all = pt_flush_all,
	.tlb_flush_walk = pt_flush_walk,
};

/* Zero what is behind the domain, but for what the caller may have set. */
static void pt_clear(struct pt_iommu *pt, size_t size)
{
	const struct pt_iommu keep = {
		.driver_ops = pt->driver_ops,
		.nid = pt->nid,
		.iommu_device = pt->iommu_device,
	};

	memset((void *)pt + sizeof(pt->domain), 0, size - sizeof(pt->domain));
	pt->driver_ops = keep.driver_ops;
	pt->nid = keep.nid;
	pt->iommu_device = keep.iommu_device;
}

/* What drivers and the core read of a new domain. */
static void pt_init_domain(struct pt_iommu *pt)
{
	const struct pt_common *common = common_of(pt);
	unsigned int bits = common->max_vasz_lg2;
	struct pt_iommu_info info;

	pt_get_info(pt, &info);
	/* Of addresses that are sign-extended, the lower half. */
	if (common->features & BIT(PT_FEAT_SIGN_EXTEND))
		bits--;
	pt->domain.type = __IOMMU_DOMAIN_PAGING;
	pt->domain.pgsize_bitmap = info.pgsize_bitmap;
	pt->domain.is_iommupt = true;
	pt->domain.geometry.aperture_start = 0;
	pt->domain.geometry.aperture_end = GENMASK_ULL(bits - 1, 0);
	pt->domain.geometry.force_aperture = true;
}

/*
 * Make a page table whose root has the height @top; @shape has the constants of the
 * format.
 */
static int pt_init(struct pt_iommu *pt, size_t size,
		   const struct pt_iommu_cfg *wanted, unsigned int top,
		   const struct pt_limits *limits, struct ptw *shape)
{
	struct pt_common *common = common_of(pt);
	unsigned int bits = wanted->hw_max_vasz_lg2, features = wanted->features;
	unsigned int reach = ptw_shift(pt_format, top + 1);
	struct io_pgtable_cfg cfg = {
		/* As with generic_pt, callers report what was refused. */
		.quirks = IO_PGTABLE_QUIRK_NO_WARN,
		.coherent_walk = !(features & BIT(PT_FEAT_DMA_INCOHERENT)),
		.tlb = &pt_flush_ops,
		.owner_frees = true,
		.reclaim = true,
	};
	struct io_pgtable *iop;

	if (!bits || bits > limits->iova_bits || !wanted->hw_max_oasz_lg2 ||
	    wanted->hw_max_oasz_lg2 > limits->phys_bits)
		return -EINVAL;
	pt_clear(pt, size);
	if (features & ~limits->features || top < limits->least_top ||
	    top > limits->most_top)
		return -EOPNOTSUPP;
	if (bits > reach && !(features & BIT(PT_FEAT_DYNAMIC_TOP)))
		return -EOPNOTSUPP;
	if (features & BIT(PT_FEAT_DYNAMIC_TOP) &&
	    WARN_ON(!pt->driver_ops || !pt->driver_ops->change_top ||
		    !pt->driver_ops->get_top_lock))
		return -EINVAL;
	if (!cfg.coherent_walk && WARN_ON(!pt->iommu_device))
		return -EINVAL;

	common->features = features;
	common->max_vasz_lg2 = bits;
	common->max_oasz_lg2 = wanted->hw_max_oasz_lg2;
	pt_init_domain(pt);
	cfg.pgsize_bitmap = pt->domain.pgsize_bitmap;
	cfg.ias = bits;
	cfg.oas = common->max_oasz_lg2;
	shape->f = pt_format;
	shape->root_bits = ptw_bits(pt_format);
	shape->top = top;
	shape->nid = pt->nid;
	iop = ptw_create(shape, &cfg, pt);
	if (!iop)
		return -ENOMEM;
	pt->walker = container_of(iop, struct ptw, iop);
	if (features & BIT(PT_FEAT_SIGN_EXTEND))
		pt->walker->bias = BIT_ULL(bits - 1);
	common->top_of_table = (uintptr_t)shape->root | top;
	/* The last, see pt_iommu_deinit(). */
	pt->ops = &pt_table_ops;
	return 0;
}

static phys_addr_t pt_lookup(struct iommu_domain *domain, dma_addr_t iova)
{
	struct pt_iommu *pt = container_of(domain, struct pt_iommu, domain);

	return ptw_iova_to_phys(pt->walker, pt_format, iova);
}

static int __maybe_unused
pt_dirty(struct iommu_domain *domain, unsigned long iova, size_t size,
	 bool (*test)(u64 *slot, bool clear), unsigned long flags,
	 struct iommu_dirty_bitmap *dirty)
{
	struct pt_iommu *pt = container_of(domain, struct pt_iommu, domain);

	/* Otherwise nobody asks. */
	if (!IS_ENABLED(CONFIG_IOMMUFD_DRIVER) &&
	    !IS_ENABLED(CONFIG_IO_PGTABLE_PT_KUNIT_TEST))
		return -EOPNOTSUPP;
	if (!size || !ptw_in_range(pt->walker, iova, size))
		return -ERANGE;
	return ptw_dirty_walk(pt->walker, pt_format, iova, size, true, test,
			      flags, dirty);
}

#endif
