/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unmapping exactly one mapping, or nothing.
 *
 * Theory of operation
 * ===================
 *
 * 1. A leaf that was mapped with IOMMU_OWNED carries three bits that hardware
 *    ignores: PTW_OWNED, PTW_BEFORE if it is not the first leaf of its mapping, and
 *    PTW_AFTER if it is not the last one.  Inner leaves have all three, so one AND
 *    over the leaves of a table finds bounds and holes among them.
 *
 * 2. ptw_unmap_exact() clears its range if it begins at a first leaf, ends at a last
 *    leaf, and has neither in between.  Otherwise it changes nothing.  It takes holes
 *    between inner leaves for the gaps of a scatterlist if its caller allows them.
 *
 * 3. Two CPUs may unmap the same mapping.  The one that takes PTW_OWNED from the
 *    first leaf, by cmpxchg(), goes on: it looks at the other leaves, and clears all
 *    or gives PTW_OWNED back.  A mapping of one leaf is cleared by that cmpxchg().
 *    A leaf with PTW_AFTER alone belongs to a mapping that is being unmapped, or
 *    that an unmap of too much or too little has claimed.  The unmap that finds it
 *    waits a while, because it may be right.  It does not wait for ever, because it may
 *    have interrupted the other one: then a right unmap is refused.  So an unmap
 *    looks at the last leaf before it claims, or at all leaves if they are in several
 *    tables, and afterwards again.
 *
 * 4. Leaves that were mapped without IOMMU_OWNED have none of the bits, so they are
 *    out of reach of an exact unmap.
 *
 * 5. It cannot tell a mapping from another one at the same addresses.
 */
#ifndef _IO_PGTABLE_EXACT_H
#define _IO_PGTABLE_EXACT_H

#include <linux/preempt.h>
#include <linux/processor.h>

#define PTW_INNER	(PTW_VALID | PTW_BOUNDS)

/* Is @entry the last leaf of several? */
static __always_inline bool ptw_is_last(u64 entry)
{
	return (entry & PTW_INNER) == (PTW_VALID | PTW_OWNED | PTW_BEFORE);
}

static __always_inline bool ptw_eight_inner(const u64 *s)
{
	return !(~ptw_common_eight(s) & PTW_INNER);
}

/* Are all of @count entries inner leaves?  Looks at some twice if that is faster. */
static __always_inline bool ptw_all_inner(const u64 *s, size_t count)
{
	const u64 *end = s + count;

	if (count < 8) {
		for (; s != end; s++)
			if (~READ_ONCE(*s) & PTW_INNER)
				return false;
		return true;
	}
	for (; s + 8 <= end; s += 8)
		if (unlikely(!ptw_eight_inner(s)))
			return false;
	return s == end || ptw_eight_inner(end - 8);
}

/* Is [@at, @last], behind a first leaf, the rest of its mapping? */
static noinline bool ptw_is_rest(struct ptw *ptw, u64 at, u64 last, bool gaps)
{
	struct ptw_format f = ptw->f;

	/* @at is 0 behind the last address of all. */
	while (at - 1 < last) {
		unsigned int shift;
		u64 *slot, entry, left;
		size_t count;

		slot = ptw_walk(ptw, f, at, 0, &shift, &entry);
		if (!(entry & PTW_VALID)) {
			if (!gaps)
				return false;
			at = (at | ((1ULL << shift) - 1)) + 1;
			continue;
		}
		left = (last - at + 1) >> shift;
		if (at & ((1ULL << shift) - 1) || !left)
			return false;
		/* Up to the last leaf, or to the end of the table, ... */
		count = min(left - 1, ptw_room(f, slot));
		if (!count || !ptw_all_inner(slot, count)) {
			/* ... or leaf by leaf, to a gap, a table, or the last. */
			if (ptw_is_last(entry))
				return last - at == (1ULL << shift) - 1;
			if (~entry & PTW_INNER)
				return false;
			count = 1;
		}
		at += (u64)count << shift;
	}
	return false;
}

/*
 * Clear @count entries from @slot on, which has the leaf of @at, of a mapping
 * [@first, @last] that is ours.  Returns how many; fewer before a table.
 */
static noinline size_t ptw_clear_leaves(struct ptw *ptw, u64 *slot, u64 at,
					size_t count, unsigned int shift,
					u64 first, u64 last,
					struct iommu_iotlb_gather *gather)
{
	struct ptw_format f = ptw->f;
	unsigned int height = 0;

	if (likely(shift == ptw_shift(f, 0))) {
		ptw_zero(slot, count);
	} else {
		height = (shift - ptw_shift(f, 0)) / ptw_bits(f);
		count = ptw_clear(f, slot, count, height);
	}
	if (!ptw->iop.cfg.coherent_walk)
		ptw_write_back(&ptw->iop.cfg, slot, count);
	ptw_note(ptw, gather, at, count, 1UL << shift);
	if (unlikely(count == 1UL << ptw_bits(f)))
		ptw_covered(ptw, at, height, first, last, gather);
	return count;
}

/* Clear the leaves of [@first, @last], which is one mapping and ours. */
static noinline void ptw_clear_mapping(struct ptw *ptw, u64 first, u64 last,
				       struct iommu_iotlb_gather *gather)
{
	struct ptw_format f = ptw->f;
	u64 at = first, bytes;

	do {
		unsigned int shift;
		u64 *slot, entry;
		size_t count;

		rcu_read_lock();
		slot = ptw_walk(ptw, f, at, 0, &shift, &entry);
		bytes = ((at | ((1ULL << shift) - 1)) + 1) - at;
		if (likely(entry & PTW_VALID)) {
			count = min((last - at + 1) >> shift, ptw_room(f, slot));
			count = ptw_clear_leaves(ptw, slot, at, count, shift,
						 first, last, gather);
			bytes = (u64)(count ?: 1) << shift;
		}
		rcu_read_unlock();
		at += bytes;
	} while (at - 1 < last);
}

/* Turns of waiting for another CPU, some microseconds. */
#define PTW_WAIT	4096

/*
 * @entry at @slot is not the first leaf of a mapping.  If another CPU has claimed
 * it, wait until that has cleared it, or has given it back.  Returns it then, else 0.
 */
static noinline u64 ptw_await(const u64 *slot, u64 entry)
{
	unsigned int left = PTW_WAIT;

	while ((entry & (PTW_VALID | PTW_BOUNDS)) == (PTW_VALID | PTW_AFTER) &&
	       left--) {
		cpu_relax();
		entry = READ_ONCE(*slot);
	}
	if ((entry & (PTW_VALID | PTW_OWNED | PTW_BEFORE)) !=
	    (PTW_VALID | PTW_OWNED))
		return 0;
	return entry;
}

/*
 * Undo the claim of the first leaf at @slot, unless the mapping has failed and is
 * being undone.  Hardware may have set the leaf's dirty bit.
 */
static noinline void ptw_give_back(u64 *slot, u64 entry)
{
	while ((entry & (PTW_VALID | PTW_BOUNDS)) == (PTW_VALID | PTW_AFTER) &&
	       !try_cmpxchg64(slot, &entry, entry | PTW_OWNED))
		;
}

/* As ptw_unmap_exact(), for more than a single page. */
static __always_inline bool
ptw_unmap_mapping(struct ptw *ptw, struct ptw_format f, u64 iova, u64 size,
		  bool gaps, struct iommu_iotlb_gather *gather)
{
	u64 last = iova + size - 1, *slot, entry, claimed;
	unsigned int shift;
	bool exact = false, spread;
	size_t count;

	if (!size || (iova | size) & (ptw_granule(f) - 1) || last < iova ||
	    !ptw_in_range(ptw, iova, size))
		return false;
	rcu_read_lock();
	slot = ptw_walk(ptw, f, iova, 0, &shift, &entry);
	count = size >> shift;
	spread = shift != ptw_shift(f, 0) || count > ptw_room(f, slot);
	/* Do not claim for long, or in vain, what may not be ours. */
	if (entry & PTW_AFTER &&
	    unlikely(spread ? !ptw_is_rest(ptw, iova + (1ULL << shift), last, gaps) :
			      !ptw_is_last(READ_ONCE(slot[count - 1])))) {
		rcu_read_unlock();
		return false;
	}
	if (!spread)
		preempt_disable();
	do {
		if ((entry & (PTW_VALID | PTW_OWNED | PTW_BEFORE)) !=
		    (PTW_VALID | PTW_OWNED))
			entry = ptw_await(slot, entry);
		if (!entry || iova & ((1ULL << shift) - 1))
			goto out;
		claimed = entry & ~PTW_OWNED;
		if (!(entry & PTW_AFTER)) {
			if (size != 1ULL << shift)
				goto out;
			claimed = 0;
		}
		/* Again if hardware has set its dirty bit. */
	} while (!try_cmpxchg64(slot, &entry, claimed));

	if (unlikely(!claimed)) {
		exact = true;
		if (!ptw->iop.cfg.coherent_walk)
			ptw_write_back(&ptw->iop.cfg, slot, 1);
		ptw_note(ptw, gather, iova, 1, size);
	} else if (likely(!spread && count > 1 &&
			  ptw_all_inner(slot + 1, count - 2) &&
			  ptw_is_last(READ_ONCE(slot[count - 1])))) {
		/* Mostly all of it is in one table. */
		exact = true;
		ptw_clear_leaves(ptw, slot, iova, count, shift, iova, last,
				 gather);
	} else if (ptw_is_rest(ptw, iova + (1ULL << shift), last, gaps)) {
		exact = true;
		ptw_clear_mapping(ptw, iova, last, gather);
	} else {
		ptw_give_back(slot, claimed);
	}
out:
	if (!spread)
		preempt_enable();
	rcu_read_unlock();
	if (exact)
		ptw_notice_unmap(ptw);
	return exact;
}

/*
 * Unmap [@iova, @iova + @size) if it is exactly one mapping; @whole is the format's
 * ptw_unmap_mapping().  Returns whether it did; otherwise nothing has changed.
 */
static __always_inline bool
ptw_unmap_exact(struct ptw *ptw, struct ptw_format f, unsigned long iova,
		size_t size, bool gaps, struct iommu_iotlb_gather *gather,
		bool (*whole)(struct ptw *ptw, u64 iova, size_t size, bool gaps,
			      struct iommu_iotlb_gather *gather))
{
	unsigned int shift;
	u64 *slot, entry;
	bool page;

	if (unlikely(size != ptw_granule(f) || iova & (ptw_granule(f) - 1) ||
		     !ptw_in_range(ptw, iova, 1)))
		return whole(ptw, iova, size, gaps, gather);

	rcu_read_lock();
	slot = ptw_walk(ptw, f, iova, 0, &shift, &entry);
	page = shift == ptw_shift(f, 0) &&
	       (entry & (PTW_VALID | PTW_BOUNDS)) == (PTW_VALID | PTW_OWNED) &&
	       try_cmpxchg64(slot, &entry, 0);
	if (likely(page)) {
		if (!ptw->iop.cfg.coherent_walk)
			ptw_write_back(&ptw->iop.cfg, slot, 1);
		ptw_note(ptw, gather, iova, 1, ptw_granule(f));
	}
	rcu_read_unlock();
	if (unlikely(!page))
		return whole(ptw, iova, size, gaps, gather);
	ptw_notice_unmap(ptw);
	return true;
}

/* Leaves that a report looks at on each side of an address. */
#define PTW_FIND	4096

/* Look at the leaf of @iova; says whether there is one. */
static bool ptw_look(struct ptw *ptw, u64 iova, u64 *first, u64 *last, u64 *entry)
{
	unsigned int shift;

	rcu_read_lock();
	ptw_walk(ptw, ptw->f, iova, 0, &shift, entry);
	rcu_read_unlock();
	*first = iova & ~((1ULL << shift) - 1);
	*last = iova | ((1ULL << shift) - 1);
	return *entry & PTW_VALID;
}

/* find_mapping() of struct io_pgtable_ops. */
static bool ptw_find_mapping(struct io_pgtable_ops *ops, unsigned long iova,
			     struct iommu_mapping *found)
{
	struct ptw *ptw = ptw_of(ops);
	u64 begin, end, first, last, entry, before, after;
	unsigned int left;

	if (!ptw_in_range(ptw, iova, 1) ||
	    !ptw_look(ptw, iova, &begin, &end, &entry))
		return false;
	found->owned = entry & PTW_BOUNDS;
	before = entry & PTW_BEFORE;
	after = entry & PTW_AFTER;
	first = begin;
	for (left = PTW_FIND; before && left && ptw_in_range(ptw, first - 1, 1);
	     left--) {
		if (!ptw_look(ptw, first - 1, &first, &last, &entry))
			continue;	/* a gap */
		begin = first;
		before = entry & PTW_BEFORE;
	}
	last = end;
	found->whole = !before;
	for (left = PTW_FIND; after && left && ptw_in_range(ptw, last + 1, 1);
	     left--) {
		if (!ptw_look(ptw, last + 1, &first, &last, &entry))
			continue;
		end = last;
		after = entry & PTW_AFTER;
	}
	found->whole &= !after;
	found->iova = begin;
	found->size = end - begin + 1;
	return true;
}

#endif
