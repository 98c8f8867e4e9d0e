/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unmapping, by callers that do not ask for bounds.
 *
 * Theory of operation
 * ===================
 *
 * 1. An unmap clears the leaves of its range in order, up to the first entry that
 *    it cannot clear: a hole, or a block that begins before the range or ends
 *    behind it.  It then warns, and returns the bytes that it cleared.
 *
 * 2. Only an unmap without a gather splits a block.  GPU drivers unmap like that,
 *    and keep the hardware out of the range until they have invalidated.
 *    Elsewhere a device may be using the rest of the block, and hardware may
 *    require break-before-make to replace a block or a group.
 *
 * 3. An unmap that covers the range of a table takes the table out.
 */
#ifndef _IO_PGTABLE_UNMAP_H
#define _IO_PGTABLE_UNMAP_H

#include "leaves.h"

/* Clear up to @count leaves, until a slot has none; returns how many. */
static __always_inline size_t ptw_clear(struct ptw_format f, u64 *slot,
					size_t count, unsigned int height)
{
	u64 *s = slot, *end = slot + count, *eights = slot + (count & ~7UL);

	/* The last level has leaves and holes only. */
	for (; !height && s != eights && ptw_common_eight(s) & PTW_VALID; s += 8)
		ptw_zero_eight(s);
	for (; s != end && ptw_is_leaf(f, READ_ONCE(*s), height); s++)
		WRITE_ONCE(*s, 0);
	return s - slot;
}

/* Clear @count entries of the last level; some twice if that takes less. */
static __always_inline void ptw_zero(u64 *s, size_t count)
{
	u64 *end = s + count;

	if (count < 8) {
		for (; s != end; s++)
			WRITE_ONCE(*s, 0);
		return;
	}
	for (; s + 8 <= end; s += 8)
		ptw_zero_eight(s);
	if (s != end)
		ptw_zero_eight(end - 8);
}

/* Of @count entries, how many come before a group that is only partly in range. */
static noinline size_t ptw_whole_groups(struct ptw_format f, const u64 *slot,
					size_t count, unsigned int height)
{
	size_t mask = ptw_group(f, height) - 1;
	size_t index = (unsigned long)slot / sizeof(*slot);
	size_t beyond = (index + count) & mask;

	if (!count)
		return 0;
	if (index & mask && ptw_grouped(f, READ_ONCE(*slot)))
		return 0;
	if (beyond && ptw_grouped(f, READ_ONCE(slot[count - 1])))
		count -= min(count, beyond);
	return count;
}

/* As ptw_whole_groups(), for coded pages and entries that map 1 << @shift bytes. */
static noinline size_t ptw_whole_coded(struct ptw_format f, const u64 *slot,
				       size_t count, unsigned int shift)
{
	size_t index = (unsigned long)slot / sizeof(*slot), n;

	if (!count)
		return 0;
	n = 1UL << (ptw_page_shift(f, READ_ONCE(*slot), shift) - shift);
	if (index & (n - 1))
		return 0;
	n = 1UL << (ptw_page_shift(f, READ_ONCE(slot[count - 1]), shift) - shift);
	return count - min(count, (index + count) & (n - 1));
}

/* Replace the page at @slot by smaller ones; returns 0, -EINVAL or -ENOMEM. */
static noinline int ptw_split(struct ptw *ptw, u64 *slot, u64 entry, u64 iova,
			      unsigned int height)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	struct ptw_format f = ptw->f;
	u64 size = 1ULL << ptw_shift(f, height);
	u64 *table;

	if (ptw_grouped(f, entry)) {
		size_t count = ptw_group(f, height), i;

		slot = (u64 *)ALIGN_DOWN((unsigned long)slot,
					 count * sizeof(*slot));
		for (i = 0; i < count; i++)
			WRITE_ONCE(slot[i], READ_ONCE(slot[i]) & ~PTW_GROUPED);
		if (!cfg->coherent_walk)
			ptw_write_back(cfg, slot, count);
		size *= count;
		ptw_flush_walk(ptw, iova & ~(size - 1), size);
		return 0;
	}
	if (!height)
		return -EINVAL;
	table = ptw_alloc(ptw, ptw_granule(f), GFP_ATOMIC);
	if (!table)
		return -ENOMEM;
	ptw_write(f, table, 1UL << ptw_bits(f),
		  (entry & ~ptw_leaf_type(f, height)) |
		  ptw_leaf_type(f, height - 1), 1ULL << ptw_shift(f, height - 1));
	if (!cfg->coherent_walk)
		ptw_write_back(cfg, table, 1UL << ptw_bits(f));
	if (!ptw_install(ptw, slot, entry, table, height)) {
		/* Another CPU unmaps another part, or the block is dirty now. */
		ptw_free(ptw, table, ptw_granule(f));
		return 0;
	}
	if (!cfg->coherent_walk)
		ptw_write_back(cfg, slot, 1);
	ptw_flush_walk(ptw, iova & ~(size - 1), size);
	return 0;
}

/* Gather what to invalidate, at once if tlb_add_page() does nothing else. */
static __always_inline void
ptw_note(struct ptw *ptw, struct iommu_iotlb_gather *gather, unsigned long iova,
	 size_t count, size_t pgsize)
{
	size_t i;

	if (!gather || iommu_iotlb_gather_queued(gather) || !ptw->notes)
		return;
	for (i = 0; i < count; i++, iova += pgsize) {
		ptw->iop.cfg.tlb->tlb_add_page(gather, iova, pgsize,
					       ptw->iop.cookie);
		if (count == 1)
			return;
		if (!i && gather->pgsize == pgsize &&
		    gather->end == iova + pgsize - 1) {
			iommu_iotlb_gather_add_range(gather, iova,
						     count * pgsize);
			return;
		}
	}
}

/* Split @entry, which cannot be cleared, or warn; says whether to try again. */
static noinline bool ptw_stuck(struct ptw *ptw, u64 *slot, u64 entry, u64 iova,
			       unsigned int height, bool may_split)
{
	bool leaf = ptw_is_leaf(ptw->f, entry, height);
	int ret = -EINVAL;

	if (leaf && may_split && !(entry & PTW_CODED))
		ret = ptw_split(ptw, slot, entry, iova, height);
	if (ret)
		ptw_complain(ptw, ret == -ENOMEM ? "no memory to split a block" :
			     leaf ? "unmap of a part of a block" :
			     "unmap finds no mapping", iova, height);
	return !ret;
}

/* Clear what one table holds of [@iova, @last]; returns the bytes. */
static __always_inline size_t
ptw_unmap_table(struct ptw *ptw, struct ptw_format f, u64 first, u64 iova,
		u64 last, struct iommu_iotlb_gather *gather)
{
	unsigned int shift, height;
	u64 *slot, entry;
	size_t count;

again:
	slot = ptw_walk(ptw, f, iova, 0, &shift, &entry);
	height = 0;
	if (unlikely(shift != ptw_shift(f, 0)))
		height = (shift - ptw_shift(f, 0)) / ptw_bits(f);

	count = (last - iova + 1) >> shift;
	if (ptw_group(f, 0) > 1)
		count = ptw_whole_groups(f, slot, min(count, ptw_room(f, slot)),
					 height);
	if (PTW_CODED)
		count = ptw_whole_coded(f, slot, min(count, ptw_room(f, slot)),
					shift);
	if (unlikely(!ptw_is_leaf(f, entry, height) || !count ||
		     iova & ((1ULL << shift) - 1))) {
		if (ptw_stuck(ptw, slot, entry, iova, height, !gather))
			goto again;
		return 0;
	}
	if (count == 1)
		WRITE_ONCE(*slot, 0);	/* a block, mostly */
	else
		count = ptw_clear(f, slot, min(count, ptw_room(f, slot)),
				  height);
	if (!ptw->iop.cfg.coherent_walk)
		ptw_write_back(&ptw->iop.cfg, slot, count);
	ptw_note(ptw, gather, iova, count, 1UL << shift);
	if (unlikely(count == 1UL << ptw_bits(f)))
		ptw_covered(ptw, iova, height, first, last, gather);
	return count << shift;
}

/* As ptw_unmap(), for more than a single page. */
static __always_inline size_t
ptw_unmap_range(struct ptw *ptw, struct ptw_format f, u64 iova, size_t pgsize,
		size_t pgcount, struct iommu_iotlb_gather *gather)
{
	size_t size = pgsize * pgcount, done = 0;

	if (WARN_ON_ONCE(!ptw_has_size(&ptw->iop.cfg, pgsize) || !pgcount ||
			 !ptw_in_range(ptw, iova, size)))
		return 0;
	do {
		size_t cleared;

		rcu_read_lock();
		cleared = ptw_unmap_table(ptw, f, iova, iova + done,
					  iova + size - 1, gather);
		rcu_read_unlock();
		if (unlikely(!cleared))
			break;
		done += cleared;
	} while (done < size);
	ptw_notice_unmap(ptw);
	return done;
}

/*
 * Unmap a range of larger or smaller pages than @pgsize; @range is the format's
 * ptw_unmap_range().  Returns the bytes cleared, from @iova on without a gap.
 */
static __always_inline size_t ptw_unmap(struct ptw *ptw,
					struct ptw_format f,
					unsigned long iova, size_t pgsize,
					size_t pgcount,
					struct iommu_iotlb_gather *gather,
					size_t (*range)(struct ptw *ptw,
							u64 iova, size_t pgsize,
							size_t pgcount,
							struct iommu_iotlb_gather *gather))
{
	unsigned int shift;
	u64 *slot, entry;
	bool page;

	/* As in ptw_map() */
	if (unlikely(pgsize != ptw_granule(f) || pgcount != 1 ||
		     iova & (ptw_granule(f) - 1) || !ptw_in_range(ptw, iova, 1)))
		return range(ptw, iova, pgsize, pgcount, gather);

	rcu_read_lock();
	slot = ptw_walk(ptw, f, iova, 0, &shift, &entry);
	page = shift == ptw_shift(f, 0) && ptw_is_leaf(f, entry, 0) &&
	       !ptw_grouped(f, entry) && !(entry & PTW_CODED);
	if (likely(page)) {
		WRITE_ONCE(*slot, 0);
		if (!ptw->iop.cfg.coherent_walk)
			ptw_write_back(&ptw->iop.cfg, slot, 1);
		ptw_note(ptw, gather, iova, 1, ptw_granule(f));
	}
	rcu_read_unlock();
	if (unlikely(!page))
		return range(ptw, iova, ptw_granule(f), 1, gather);
	ptw_notice_unmap(ptw);
	return ptw_granule(f);
}

#endif
