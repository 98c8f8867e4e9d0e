/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations of a page table, which the compiler makes for each format that
 * includes this file; lookup and dirty bits.
 */
#ifndef _IO_PGTABLE_OPS_H
#define _IO_PGTABLE_OPS_H

#include "map.h"
#include "unmap.h"
#include "exact.h"

/* If @iova is being mapped or unmapped, returns what was there before or after. */
static __always_inline phys_addr_t
ptw_iova_to_phys(struct ptw *ptw, struct ptw_format f, unsigned long iova)
{
	unsigned int shift;
	phys_addr_t phys;
	u64 entry, mask;

	if (!ptw_in_range(ptw, iova, 1))
		return 0;
	rcu_read_lock();
	ptw_walk(ptw, f, iova, 0, &shift, &entry);
	rcu_read_unlock();
	if (!ptw_is_leaf(f, entry, shift != ptw_shift(f, 0)))
		return 0;
	phys = ptw_phys(ptw, f, entry);
	mask = (1ULL << ptw_page_shift(f, entry, shift)) - 1;
	if (PTW_CODED)
		phys &= ~mask;
	return phys | (iova & mask);
}

/**
 * ptw_dirty_walk - report, and clear, which pages were written to
 * @ptw: the page table
 * @f: its format
 * @iova: where to begin
 * @size: bytes
 * @holes: whether parts of the range may be without mapping
 * @test: says whether the page of the leaf at a slot is dirty, and cleans it if
 *	told to
 * @flags: IOMMU_DIRTY_NO_CLEAR to leave the pages dirty
 * @dirty: takes the pages
 *
 * Context: process, may sleep. Others may map and unmap other ranges.
 * Return: 0, or -EINVAL at a hole unless @holes, or for addresses beyond those that
 * the page table translates.
 */
static __always_inline int
ptw_dirty_walk(struct ptw *ptw, struct ptw_format f, unsigned long iova,
	       size_t size, bool holes, bool (*test)(u64 *slot, bool clear),
	       unsigned long flags, struct iommu_dirty_bitmap *dirty)
{
	u64 at = iova, left = size;
	int ret = 0;

	if (WARN_ON(!size || !ptw_in_range(ptw, iova, size)))
		return -EINVAL;
	while (left && !ret) {
		u64 *slot, entry, step, first = 0, bytes = 0;
		unsigned int shift;
		size_t room, entries = 1;
		bool above;

		rcu_read_lock();
		slot = ptw_walk(ptw, f, at, 0, &shift, &entry);
		above = shift != ptw_shift(f, 0);
		for (room = ptw_room(f, slot); room && left; room -= entries) {
			entry = READ_ONCE(*slot);
			if (above && ptw_is_table(ptw, entry))
				break;
			/* A block may begin before the range or end behind it. */
			step = (at | ((1ULL << ptw_page_shift(f, entry, shift)) - 1)) +
			       1 - at;
			step = min(step, left);
			if (PTW_CODED)
				entries = ((at + step - 1) >> shift) -
					  (at >> shift) + 1;
			if (ptw_is_leaf(f, entry, above) &&
			    test(slot, !(flags & IOMMU_DIRTY_NO_CLEAR))) {
				first = bytes ? first : at;
				bytes += step;
			} else if (bytes) {
				break;
			} else if (!holes && !ptw_is_leaf(f, entry, above)) {
				ret = -EINVAL;
				break;
			}
			at += step;
			left -= step;
			slot += entries;
		}
		rcu_read_unlock();
		/* This may sleep, for pages of the bitmap. */
		if (bytes)
			iommu_dirty_bitmap_record(dirty, first, bytes);
	}
	return ret;
}

/**
 * PTW_OPS - the operations of a page table
 * @name: of the struct io_pgtable_ops
 * @bits: see PTW_FORMAT()
 * @variant: see PTW_FORMAT()
 * @dirty: its read_and_clear_dirty(), or NULL
 *
 * Context: any that @gfp allows. Others may map and unmap other ranges.
 */
#define PTW_OPS(name, bits, variant, dirty)				\
static const struct ptw_format name##_format = PTW_FORMAT(bits, variant); \
static int name##_map(struct io_pgtable_ops *ops, unsigned long iova,	\
		      phys_addr_t paddr, size_t pgsize, size_t pgcount,	\
		      int prot, gfp_t gfp, size_t *mapped)		\
{									\
	struct ptw *ptw = ptw_of(ops);					\
	int ret;							\
									\
	if (!(prot & (IOMMU_READ | IOMMU_WRITE)))			\
		return -EINVAL;						\
	ret = ptw_map(ptw, name##_format, iova, paddr, pgsize, pgcount,	\
		      ptw_attributes(ptw, prot) | ptw_bounds(prot), gfp, \
		      mapped);						\
	ptw_publish();							\
	return ret;							\
}									\
static int name##_map_runs(struct io_pgtable_ops *ops, unsigned long iova, \
			   const struct iommu_run *runs, unsigned int count, \
			   int prot, gfp_t gfp, size_t *mapped)		\
{									\
	struct ptw *ptw = ptw_of(ops);					\
	int ret;							\
									\
	if (!(prot & (IOMMU_READ | IOMMU_WRITE)))			\
		return -EINVAL;						\
	ret = ptw_map_runs(ptw, name##_format, iova, runs, count,	\
			   ptw_attributes(ptw, prot) | ptw_bounds(prot), \
			   gfp, mapped);				\
	ptw_publish();							\
	return ret;							\
}									\
static noinline size_t name##_unmap_range(struct ptw *ptw, u64 iova,	\
					  size_t pgsize, size_t pgcount,	\
					  struct iommu_iotlb_gather *gather) \
{									\
	return ptw_unmap_range(ptw, name##_format, iova, pgsize, pgcount, \
			       gather);					\
}									\
static size_t name##_unmap(struct io_pgtable_ops *ops, unsigned long iova, \
			   size_t pgsize, size_t pgcount,		\
			   struct iommu_iotlb_gather *gather)		\
{									\
	return ptw_unmap(ptw_of(ops), name##_format, iova, pgsize, pgcount, \
			 gather, name##_unmap_range);			\
}									\
static noinline bool name##_unmap_mapping(struct ptw *ptw, u64 iova,	\
					   size_t size, bool gaps,	\
					   struct iommu_iotlb_gather *gather) \
{									\
	return ptw_unmap_mapping(ptw, name##_format, iova, size, gaps,	\
				 gather);				\
}									\
static bool name##_unmap_exact(struct io_pgtable_ops *ops,		\
			       unsigned long iova, size_t size, bool gaps, \
			       struct iommu_iotlb_gather *gather)	\
{									\
	return ptw_unmap_exact(ptw_of(ops), name##_format, iova, size,	\
			       gaps, gather, name##_unmap_mapping);	\
}									\
static phys_addr_t name##_iova_to_phys(struct io_pgtable_ops *ops,	\
				       unsigned long iova)		\
{									\
	return ptw_iova_to_phys(ptw_of(ops), name##_format, iova);	\
}									\
static const struct io_pgtable_ops name = {				\
	.map_pages = name##_map,					\
	.map_runs = name##_map_runs,					\
	.unmap_pages = name##_unmap,					\
	.unmap_exact = name##_unmap_exact,				\
	.find_mapping = ptw_find_mapping,				\
	.iova_to_phys = name##_iova_to_phys,				\
	.read_and_clear_dirty = dirty,					\
}

#endif
