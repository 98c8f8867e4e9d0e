/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Invalidation of the ranges that SMMUv3 page tables gather.
 *
 * Theory of operation
 * ===================
 *
 * 1. An unmap is one range, also of mixed page sizes, and takes one
 *    invalidation.  gather.pgsize is the sum of the page sizes.  If there is
 *    one size, the commands tell the level of the leaves (TTL) and spare the
 *    walk caches (Leaf).  If there are several, or none because only dirty bits
 *    were cleared, they do neither.
 *
 * 2. Tables that were taken out wait in gather.freelist.  If there are any,
 *    walk caches are invalidated, too, and the tables freed after that.
 *
 * 3. Without range invalidation (SMMU_IDR3.RIL) an invalidation takes a command
 *    a page.  An unmap of as many pages as a table has entries invalidates the
 *    whole address space instead, with one command.
 *
 * 4. Pages may be groups of leaves with the Contiguous bit, which the page
 *    table offers as page sizes (contiguous, in struct io_pgtable_cfg).  A group
 *    is mapped and unmapped whole, so SMMU_IDR3.BBML does not matter.  The
 *    leaves of a group are gathered: a TLB may hold them one by one.
 */
#ifndef _ARM_SMMU_V3_PGTABLE_H
#define _ARM_SMMU_V3_PGTABLE_H

#include <linux/bitops.h>
#include <linux/io-pgtable.h>

#include "arm-smmu-v3.h"
#include "../../iommu-pages.h"
#include "../../io-pgtable/inval.h"

/**
 * arm_smmu_gather_page - take note of a page
 * @gather: where
 * @iova: the page
 * @size: its bytes, a leaf's
 *
 * Context: any.
 * Return: whether it was noted; false where it does not follow what is noted
 * already, which has to be invalidated first.
 */
static inline bool arm_smmu_gather_page(struct iommu_iotlb_gather *gather,
					unsigned long iova, size_t size)
{
	if (iommu_iotlb_gather_is_disjoint(gather, iova, size))
		return false;
	gather->pgsize |= size;
	iommu_iotlb_gather_add_range(gather, iova, size);
	return true;
}

/**
 * arm_smmu_gathered_none - is there nothing to invalidate?
 * @gather: what was unmapped, or cleaned: iommu_dirty_bitmap_record() leaves no
 *          page size
 *
 * Context: any.
 * Return: whether no range was noted.
 */
static inline bool
arm_smmu_gathered_none(const struct iommu_iotlb_gather *gather)
{
	return gather->end < gather->start;
}

/**
 * arm_smmu_gathered_leaf - is it enough to invalidate leaves of one level?
 * @gather: what was unmapped
 *
 * Context: any.
 * Return: whether all pages have one size and no table was taken out.
 */
static inline bool arm_smmu_gathered_leaf(struct iommu_iotlb_gather *gather)
{
	return is_power_of_2(gather->pgsize) &&
	       iommu_pages_list_empty(&gather->freelist);
}

/**
 * arm_smmu_gathered_granule - in what steps to invalidate
 * @smmu_domain: a domain with a page table
 * @gather: what was unmapped of it
 *
 * Context: any.
 * Return: bytes of the pages, or of the least there can be where they differ.
 */
static inline size_t
arm_smmu_gathered_granule(const struct arm_smmu_domain *smmu_domain,
			  struct iommu_iotlb_gather *gather)
{
	if (arm_smmu_gathered_leaf(gather))
		return gather->pgsize;
	return 1UL << __ffs(smmu_domain->domain.pgsize_bitmap);
}

/**
 * arm_smmu_inval_all - would a range take too many commands?
 * @smmu_domain: a domain with a page table
 * @size: bytes of the range
 * @granule: bytes that a command invalidates, without range invalidation
 *
 * Context: any.
 * Return: whether to invalidate the whole address space instead.
 */
static inline bool arm_smmu_inval_all(const struct arm_smmu_domain *smmu_domain,
				      size_t size, size_t granule)
{
	unsigned int shift = __ffs(smmu_domain->domain.pgsize_bitmap);

	/* Later kernels take the granule in 32 bits. */
	if (granule > U32_MAX)
		return true;
	/* SCALE of a range command has five bits: below 2^32 pages. */
	if (smmu_domain->smmu->features & ARM_SMMU_FEAT_RANGE_INV)
		return (u64)size >> shift >> 32;
	return size / granule >= (1UL << shift) / sizeof(u64);
}

/**
 * arm_smmu_gathered_all - would what was unmapped take too many commands?
 * @smmu_domain: a domain with a page table
 * @gather: what was unmapped of it
 *
 * Context: any.
 * Return: whether to invalidate the whole address space instead.
 */
static inline bool
arm_smmu_gathered_all(const struct arm_smmu_domain *smmu_domain,
		      struct iommu_iotlb_gather *gather)
{
	return arm_smmu_inval_all(smmu_domain,
				  gather->end - gather->start + 1,
				  arm_smmu_gathered_granule(smmu_domain,
							    gather));
}

/**
 * arm_smmu_atc_part - where to part a range to invalidate in ATCs
 * @iova: its first byte
 * @size: its bytes, whole pages of 4 KiB
 *
 * ATS Invalidate Requests are powers of two, see inval.h.
 *
 * Context: any.
 * Return: bytes of the first part, or 0: one request is as good.
 */
static inline size_t arm_smmu_atc_part(unsigned long iova, size_t size)
{
	u64 line = inval_split(iova, iova + size - 1, 12, 52);

	return line ? line - iova : 0;
}

/**
 * arm_smmu_map_runs - map pieces of memory one behind the other
 * @domain: a paging domain
 * @iova: where
 * @runs: the pieces
 * @count: how many of them
 * @prot: IOMMU_* flags
 * @gfp: for tables
 * @mapped: grows by the bytes that were mapped, also when it fails
 *
 * map_runs() of struct iommu_domain_ops.
 *
 * Context: any that @gfp allows.
 * Return: 0 or a negative errno, as map_runs() of struct io_pgtable_ops;
 * -ENODEV for a domain that has no page table yet.
 */
static inline int arm_smmu_map_runs(struct iommu_domain *domain,
				    unsigned long iova,
				    const struct iommu_run *runs,
				    unsigned int count, int prot, gfp_t gfp,
				    size_t *mapped)
{
	struct io_pgtable_ops *ops = to_smmu_domain(domain)->pgtbl_ops;

	if (!ops)
		return -ENODEV;
	return ops->map_runs(ops, iova, runs, count, prot, gfp, mapped);
}

/* unmap_exact() of struct iommu_domain_ops. */
static inline bool arm_smmu_unmap_exact(struct iommu_domain *domain,
					unsigned long iova, size_t size,
					bool gaps,
					struct iommu_iotlb_gather *gather)
{
	struct io_pgtable_ops *ops = to_smmu_domain(domain)->pgtbl_ops;

	return ops && ops->unmap_exact(ops, iova, size, gaps, gather);
}

/* find_mapping() of struct iommu_domain_ops. */
static inline bool arm_smmu_find_mapping(struct iommu_domain *domain,
					 unsigned long iova,
					 struct iommu_mapping *found)
{
	struct io_pgtable_ops *ops = to_smmu_domain(domain)->pgtbl_ops;

	return ops && ops->find_mapping(ops, iova, found);
}

#endif
