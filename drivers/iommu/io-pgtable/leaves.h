/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The leaves of the I/O page table formats: mapping, unmapping and looking up.
 *
 * Theory of operation
 * ===================
 *
 * 1. Mapping walks down from the root once for each table that it fills.
 *
 * 2. A plain unmap clears the leaves of the range in order, up to the first entry
 *    that it cannot clear: a hole, or a block that begins before the range or ends
 *    behind it.  It then warns, and returns the bytes that it cleared.
 *
 *    Only an unmap without a gather splits a block.  GPU drivers unmap like that,
 *    and keep the hardware out of the range until they have invalidated.
 *    Elsewhere a device may be using the rest of the block, and hardware may
 *    require break-before-make to replace a block, or a group (3).
 *
 * 3. A format may have groups: adjacent leaves of one table that translate
 *    adjacent memory, aligned to the size of the group.  Each has PTW_GROUPED, and
 *    hardware may keep them as one translation.  A group is a page size: it is
 *    written into holes, cleared and split as a whole.  The gather gets the
 *    leaves, because hardware may keep them one by one, too.
 *
 * 4. The owner of a domain may ask for bounds (IOMMU_OWNED).  Then each leaf says
 *    whether the mapping goes on before it and behind it, for exact.h.  A function
 *    here that maps gets the bounds of its range with the attributes, writes all
 *    leaves as inner ones, and corrects the first and the last one: before it
 *    returns, so before a device is told the address.
 */
#ifndef _IO_PGTABLE_LEAVES_H
#define _IO_PGTABLE_LEAVES_H

#include "walk.h"

/*
 * A format defines these functions, too, and two bits more: PTW_GROUPED, 0 if there
 * are no groups; and PTW_OWNED, the lowest of three that hardware ignores in leaves
 * (exact.h).
 */

/* The bits that make an entry a leaf at @height, and those of IOMMU_* flags. */
static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height);
static u64 ptw_attributes(const struct ptw *ptw, int prot);
/* The same leaf for memory that is @size further on. */
static inline u64 ptw_advance(struct ptw_format f, u64 entry, u64 size);
/* Leaves of a group, a power of two and a multiple of 4; 1 if there are none. */
static inline unsigned int ptw_group(struct ptw_format f, unsigned int height);
/* Order all entries of a mapping before a device is told the address. */
static inline void ptw_publish(void);

/* Is the leaf @entry one of a group? */
static __always_inline bool ptw_grouped(struct ptw_format f, u64 entry)
{
	return ptw_group(f, 0) > 1 && entry & PTW_GROUPED;
}

/* The height of the leaves that map a page of @pgsize. */
static __always_inline unsigned int ptw_height(struct ptw_format f,
					       size_t pgsize)
{
	unsigned int height = 0;

	pgsize >>= ptw_shift(f, 0);
	while (pgsize >>= ptw_bits(f))
		height++;
	return height;
}

static __always_inline bool ptw_has_size(struct io_pgtable_cfg *cfg,
					 size_t pgsize)
{
	return pgsize & cfg->pgsize_bitmap && !(pgsize & (pgsize - 1));
}

/* Bounds: a leaf of a mapping with bounds has PTW_OWNED and, ... */
#define PTW_BEFORE	(PTW_OWNED << 1)	/* ... if it is not the first, */
#define PTW_AFTER	(PTW_OWNED << 2)	/* if it is not the last */
#define PTW_BOUNDS	(PTW_OWNED | PTW_BEFORE | PTW_AFTER)

/* The bounds that IOMMU_* flags ask for: the same three bits, elsewhere. */
static __always_inline u64 ptw_bounds(int prot)
{
	return (u64)(prot & (IOMMU_OWNED | IOMMU_MORE_BEFORE | IOMMU_MORE_AFTER)) <<
	       ilog2(PTW_OWNED / IOMMU_OWNED);
}

/* The attributes of leaves that are neither the first nor the last one. */
static __always_inline u64 ptw_inner(u64 attributes)
{
	u64 owned = attributes & PTW_OWNED;

	return attributes | owned << 1 | owned << 2;
}

/* The attributes of a part of the range that has @attributes. */
static __always_inline u64 ptw_part(u64 attributes, bool first, bool last)
{
	u64 part = ptw_inner(attributes);

	if (first)
		part &= attributes | ~PTW_BEFORE;
	if (last)
		part &= attributes | ~PTW_AFTER;
	return part;
}

/*
 * Leaves were written as inner ones, from @first to @last: make them end where
 * @attributes says.  @written: where a write back of theirs is still to come.
 */
static __always_inline void ptw_set_ends(struct io_pgtable_cfg *cfg,
					 u64 attributes, u64 *first, u64 *last,
					 u64 *written)
{
	if (!(attributes & PTW_OWNED))
		return;
	WRITE_ONCE(*last, READ_ONCE(*last) & (attributes | ~PTW_AFTER));
	/* Then, because from here on an exact unmap may claim the first leaf. */
	WRITE_ONCE(*first, READ_ONCE(*first) & (attributes | ~PTW_BEFORE));
	if (!cfg->coherent_walk && (first < written || first > last))
		ptw_write_back(cfg, first, 1);
}

/* Write @count leaves, a multiple of four. */
static __always_inline void ptw_write(struct ptw_format f, u64 *slot,
				      size_t count, u64 leaf, u64 size)
{
	u64 *end = slot + count;

	for (; slot != end; slot += 4) {
		WRITE_ONCE(slot[0], leaf);
		WRITE_ONCE(slot[1], ptw_advance(f, leaf, size));
		WRITE_ONCE(slot[2], ptw_advance(f, leaf, 2 * size));
		WRITE_ONCE(slot[3], ptw_advance(f, leaf, 3 * size));
		leaf = ptw_advance(f, leaf, 4 * size);
	}
}

/* Write up to @count leaves, until a slot is no hole; returns how many. */
static __always_inline size_t ptw_fill(struct ptw_format f, u64 *slot,
				       size_t count, u64 leaf, u64 size)
{
	size_t i = 0;

	/* By fours, which takes fewer instructions an entry. */
	for (; i + 4 <= count; i += 4) {
		u64 *s = slot + i;

		if (unlikely(READ_ONCE(s[0]) | READ_ONCE(s[1]) |
			     READ_ONCE(s[2]) | READ_ONCE(s[3])))
			break;
		WRITE_ONCE(s[0], leaf);
		WRITE_ONCE(s[1], ptw_advance(f, leaf, size));
		WRITE_ONCE(s[2], ptw_advance(f, leaf, 2 * size));
		WRITE_ONCE(s[3], ptw_advance(f, leaf, 3 * size));
		leaf = ptw_advance(f, leaf, 4 * size);
	}
	for (; i < count && !READ_ONCE(slot[i]); i++) {
		WRITE_ONCE(slot[i], leaf);
		leaf = ptw_advance(f, leaf, size);
	}
	return i;
}

/* Make holes for up to @count blocks; returns -EEXIST if @slot stays mapped. */
static noinline int ptw_make_room(struct ptw *ptw, u64 *slot, size_t count,
				  u64 iova, unsigned int height)
{
	unsigned int shift = ptw_shift(ptw->f, height);
	struct ptw_format f = ptw->f;
	size_t i;

	for (i = 0; i < count; i++) {
		u64 entry = READ_ONCE(slot[i]);

		while (entry & PTW_VALID) {
			if (!height || !ptw_is_table(f, entry) ||
			    !ptw_is_unused(f, ptw_table(f, entry), height - 1,
					   true))
				goto flush;
			ptw_hide(ptw, slot + i, entry);
			entry = READ_ONCE(slot[i]);
		}
	}
flush:
	if (!i) {
		ptw_complain(f, "map finds a mapping", iova, height);
		return -EEXIST;
	}
	ptw_flush_walk(ptw, iova, (u64)i << shift);
	ptw_sweep(ptw, slot, i, height);
	return 0;
}

/* May a table go to the freelist of @gather? */
static bool ptw_gathers(struct ptw *ptw, struct iommu_iotlb_gather *gather)
{
	if (!gather || ptw->iop.cfg.alloc || ptw_granule(ptw->f) > PAGE_SIZE)
		return false;
	return ptw->iop.cfg.owner_frees || iommu_iotlb_gather_queued(gather);
}

/* Give up tables that an unmap of [@first, @last] has emptied up to @iova. */
static noinline void ptw_covered(struct ptw *ptw, u64 iova, unsigned int height,
				 u64 first, u64 last,
				 struct iommu_iotlb_gather *gather)
{
	u64 mask = (1ULL << ptw_shift(ptw->f, height + 1)) - 1, end = iova | mask;
	bool gathers = ptw_gathers(ptw, gather);
	struct ptw_format f = ptw->f;
	LIST_HEAD(list);

	/* The first tables of an unmap stay for the worker. */
	if (ptw->iop.cfg.reclaim &&
	    ((iova & ~mask) - first) / (mask + 1) < PTW_RESERVE)
		return;
	while (++height <= ptw->top) {
		u64 *slot, *table, entry;
		unsigned int shift;

		mask = (1ULL << ptw_shift(f, height)) - 1;
		if ((iova & ~mask) < first || (iova | mask) > last ||
		    (iova | mask) != end)
			return;
		slot = ptw_walk(ptw, f, iova, height, &shift, &entry);
		if (shift != ptw_shift(f, height) || !ptw_is_table(f, entry))
			return;
		table = ptw_table(f, entry);
		if (!ptw_is_zero(f, table) || !ptw_replace(ptw, slot, entry, 0))
			return;
		atomic_dec(&ptw->tables);
		if (!gathers)
			ptw_flush_walk(ptw, iova & ~mask, mask + 1);
		ptw_put(ptw, table, ptw_granule(f),
			gathers ? &gather->freelist : &list);
		io_pgtable_put_tables(&list, get_order(ptw_granule(f)));
	}
}

/* Map pages, down from the root once for each last table, not for each piece. */
static __always_inline int ptw_map_pages(struct ptw *ptw, struct ptw_format f,
					 u64 iova, const struct iommu_run *run,
					 unsigned int count, u64 attributes,
					 gfp_t gfp, size_t *mapped)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	u64 *written = NULL, *slot = NULL, *first = NULL, begin = iova;
	u64 inner = ptw_inner(attributes) | ptw_leaf_type(f, 0);
	size_t room = 0;
	int ret = 0;

	rcu_read_lock();
	for (; count; count--, run++) {
		u64 leaf = inner | ptw_encode(f, run->phys);
		size_t left = run->size >> ptw_shift(f, 0);

		while (left) {
			size_t some, filled;

			if (!room) {
				if (!cfg->coherent_walk && slot != written)
					ptw_write_back(cfg, written,
						       slot - written);
				slot = ptw_descend(ptw, f, iova, 0, gfp);
				if (IS_ERR(slot)) {
					ret = PTR_ERR(slot);
					slot = NULL;
					written = NULL;
					goto out;
				}
				written = slot;
				first = first ?: slot;
				room = ptw_room(f, slot);
			}
			/* Mostly it is one. */
			if (likely(left == 1 && !READ_ONCE(*slot))) {
				WRITE_ONCE(*slot++, leaf);
				iova += ptw_granule(f);
				room--;
				break;
			}
			some = min(left, room);
			filled = ptw_fill(f, slot, some, leaf,
					  ptw_granule(f));
			slot += filled;
			iova += filled << ptw_shift(f, 0);
			room -= filled;
			left -= filled;
			if (unlikely(left))
				leaf = ptw_advance(f, leaf, (u64)filled <<
						   ptw_shift(f, 0));
			if (unlikely(filled < some)) {
				ret = ptw_make_room(ptw, slot, 1, iova, 0);
				if (ret)
					goto out;
			}
		}
	}
	ptw_set_ends(cfg, attributes, first, slot - 1, written);
out:
	if (!cfg->coherent_walk && slot != written)
		ptw_write_back(cfg, written, slot - written);
	rcu_read_unlock();
	*mapped += iova - begin;
	return ret;
}

/* Map groups of one size: each of them into holes, or not at all. */
static noinline int ptw_map_groups(struct ptw *ptw, struct ptw_format f,
				   u64 iova, phys_addr_t paddr, size_t pgsize,
				   size_t pgcount, u64 attributes, gfp_t gfp,
				   size_t *mapped)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	unsigned int height = ptw_height(f, pgsize);
	unsigned int shift = ptw_shift(f, height);
	unsigned int group = ptw_group(f, height);
	u64 leaf = ptw_inner(attributes) | ptw_leaf_type(f, height) |
		   PTW_GROUPED | ptw_encode(f, paddr);
	u64 *first = NULL;
	int ret = 0;

	while (pgcount && !ret) {
		size_t count, holes = group;
		u64 *begin, *slot;

		rcu_read_lock();
		begin = ptw_descend(ptw, f, iova, height, gfp);
		if (IS_ERR(begin)) {
			rcu_read_unlock();
			return PTR_ERR(begin);
		}
		slot = begin;
		count = min(pgcount, ptw_room(f, slot) / group);
		pgcount -= count;
		for (; count; count--, slot += group) {
			holes = ptw_holes(slot, group);
			if (unlikely(holes < group))
				break;
			ptw_write(f, slot, group, leaf, 1ULL << shift);
			first = first ?: slot;
			leaf = ptw_advance(f, leaf, pgsize);
			iova += pgsize;
			*mapped += pgsize;
		}
		pgcount += count;
		if (!pgcount)
			ptw_set_ends(cfg, attributes, first, slot - 1, begin);
		if (!cfg->coherent_walk && slot != begin)
			ptw_write_back(cfg, begin, slot - begin);
		if (unlikely(holes < group)) {
			ret = ptw_make_room(ptw, slot + holes, group - holes,
					    iova + ((u64)holes << shift), height);
		}
		rcu_read_unlock();
	}
	return ret;
}

/* Map blocks, or groups, of one size. */
static __always_inline int
ptw_map_blocks(struct ptw *ptw, struct ptw_format f, u64 iova,
	       phys_addr_t paddr, size_t pgsize, size_t pgcount, u64 attributes,
	       gfp_t gfp, size_t *mapped)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	unsigned int height = ptw_height(f, pgsize);
	u64 leaf = ptw_inner(attributes) | ptw_leaf_type(f, height) |
		   ptw_encode(f, paddr);
	u64 *first = NULL;
	int ret = 0;

	if (ptw_group(f, 0) > 1 && pgsize != 1ULL << ptw_shift(f, height))
		return ptw_map_groups(ptw, f, iova, paddr, pgsize, pgcount,
				      attributes, gfp, mapped);
	while (pgcount && !ret) {
		size_t count, filled;
		u64 *slot;

		rcu_read_lock();
		slot = ptw_descend(ptw, f, iova, height, gfp);
		if (IS_ERR(slot)) {
			rcu_read_unlock();
			return PTR_ERR(slot);
		}
		count = min(pgcount, ptw_room(f, slot));
		filled = ptw_fill(f, slot, count, leaf, pgsize);
		pgcount -= filled;
		/* Something is in its table now, so the table stays. */
		if (!first && filled)
			first = slot;
		if (!pgcount)
			ptw_set_ends(cfg, attributes, first, slot + filled - 1,
				     slot);
		if (!cfg->coherent_walk && filled)
			ptw_write_back(cfg, slot, filled);
		leaf = ptw_advance(f, leaf, filled * pgsize);
		iova += filled * pgsize;
		*mapped += filled * pgsize;
		if (unlikely(filled < count))
			ret = ptw_make_room(ptw, slot + filled, count - filled,
					    iova, height);
		rcu_read_unlock();
	}
	return ret;
}

static noinline int ptw_map_range(struct ptw *ptw, struct ptw_format f,
				  u64 iova, phys_addr_t paddr, size_t pgsize,
				  size_t pgcount, u64 attributes, gfp_t gfp,
				  size_t *mapped)
{
	size_t size = pgsize * pgcount;
	struct iommu_run run = { .phys = paddr, .size = size };

	if (WARN_ON_ONCE(!ptw_has_size(&ptw->iop.cfg, pgsize) ||
			 (iova | paddr) & (pgsize - 1)))
		return -EINVAL;
	if (WARN_ON_ONCE(!ptw_in_range(ptw, iova, size) ||
			 (paddr + size - 1) & ptw->phys_outside))
		return -ERANGE;
	if (pgsize == ptw_granule(f))
		return ptw_map_pages(ptw, f, iova, &run, 1, attributes, gfp,
				     mapped);
	return ptw_map_blocks(ptw, f, iova, paddr, pgsize, pgcount,
			      attributes, gfp, mapped);
}

/*
 * Map pages or blocks of one size; *@mapped grows, also on failure.  Returns 0,
 * -EINVAL for a size that the page table does not have or misaligned addresses,
 * -ERANGE for addresses that it does not translate, -EEXIST, or -ENOMEM.
 */
static __always_inline int ptw_map(struct ptw *ptw, struct ptw_format f,
				   unsigned long iova, phys_addr_t paddr,
				   size_t pgsize, size_t pgcount,
				   u64 attributes, gfp_t gfp, size_t *mapped)
{
	bool page = pgsize == ptw_granule(f) && pgcount == 1 &&
		    !((iova | paddr) & (ptw_granule(f) - 1)) &&
		    ptw_in_range(ptw, iova, 1) &&
		    !(paddr & ptw->phys_outside);

	/* A page is mapped here, other sizes in ptw_map_range(), which warns. */
	if (likely(page)) {
		u64 *slot;

		rcu_read_lock();
		slot = ptw_descend(ptw, f, iova, 0, gfp);
		if (IS_ERR(slot)) {
			rcu_read_unlock();
			return PTR_ERR(slot);
		}
		if (likely(!READ_ONCE(*slot))) {
			WRITE_ONCE(*slot, attributes | ptw_leaf_type(f, 0) |
					  ptw_encode(f, paddr));
			if (!ptw->iop.cfg.coherent_walk)
				ptw_write_back(&ptw->iop.cfg, slot, 1);
			rcu_read_unlock();
			*mapped += ptw_granule(f);
			return 0;
		}
		rcu_read_unlock();
	}
	return ptw_map_range(ptw, f, iova, paddr, pgsize, pgcount,
			     attributes, gfp, mapped);
}

/* Bytes of the largest page that fits, and how many of them fit in a row. */
static size_t ptw_best_size(unsigned long sizes, unsigned long iova,
			    phys_addr_t phys, size_t size, size_t *count)
{
	unsigned long fit = sizes & GENMASK(__fls(size), 0);
	size_t best, next, before;

	if (iova | phys)
		fit &= GENMASK(__ffs(iova | phys), 0);
	best = 1UL << __fls(fit);

	/* Up to where a larger page begins, if one fits there. */
	sizes &= ~GENMASK(__fls(best), 0);
	if (sizes) {
		next = 1UL << __ffs(sizes);
		before = next - (iova & (next - 1));
		if (!((iova ^ phys) & (next - 1)) && before <= size &&
		    size - before >= next)
			size = before;
	}
	*count = size >> __fls(best);
	return best;
}

/* Map one piece with the largest pages that fit. */
static noinline int ptw_map_piece(struct ptw *ptw, struct ptw_format f,
				  u64 iova, const struct iommu_run *run,
				  u64 attributes, gfp_t gfp, size_t *mapped)
{
	size_t left = run->size, granule = ptw_granule(f), size, count;
	phys_addr_t phys = run->phys;
	int ret;

	if (WARN_ON_ONCE((iova | phys | left) & (granule - 1)))
		return -EINVAL;
	while (left) {
		size = ptw_best_size(ptw->iop.cfg.pgsize_bitmap, iova, phys,
				     left, &count);
		ret = ptw_map_range(ptw, f, iova, phys, size, count,
				    ptw_part(attributes, left == run->size,
					     left == size * count),
				    gfp, mapped);
		if (ret)
			return ret;
		iova += size * count;
		phys += size * count;
		left -= size * count;
	}
	return 0;
}

/* Map pieces one behind the other; otherwise as ptw_map(). */
static __always_inline int
ptw_map_runs(struct ptw *ptw, struct ptw_format f, unsigned long iova,
	     const struct iommu_run *runs, unsigned int count, u64 attributes,
	     gfp_t gfp, size_t *mapped)
{
	const u64 larger = ptw_granule(f) *
			   (ptw_group(f, 0) > 1 ? ptw_group(f, 0) :
						   1ULL << ptw_bits(f));
	unsigned long begin = iova;
	int ret = 0;

	while (count && !ret) {
		u64 bits = iova, ends = 0, total = 0, part;
		unsigned int n;

		/* These pieces are too short for a larger page. */
		for (n = 0; n < count && runs[n].size < larger; n++) {
			bits |= runs[n].phys | runs[n].size;
			ends |= runs[n].phys | (runs[n].phys + runs[n].size - 1);
			total += runs[n].size;
		}
		/* Mostly one call maps all. */
		part = attributes;
		if (unlikely(iova != begin || count != (n ?: 1)))
			part = ptw_part(attributes, iova == begin,
					count == (n ?: 1));
		if (unlikely(!n)) {
			ret = ptw_map_piece(ptw, f, iova, runs, part, gfp,
					    mapped);
			total = runs->size;
			n = 1;
		} else if (WARN_ON_ONCE(bits & (ptw_granule(f) - 1))) {
			ret = -EINVAL;
		} else if (WARN_ON_ONCE(!ptw_in_range(ptw, iova, total) ||
					ends & ptw->phys_outside)) {
			ret = -ERANGE;
		} else {
			ret = ptw_map_pages(ptw, f, iova, runs, n, part, gfp,
					    mapped);
		}
		iova += total;
		runs += n;
		count -= n;
	}
	return ret;
}

/* Clear up to @count leaves, until a slot has none; returns how many. */
static __always_inline size_t ptw_clear(struct ptw_format f, u64 *slot,
					size_t count, unsigned int height)
{
	u64 *s = slot, *end = slot + count, *eights = slot + (count & ~7UL);

	/* The last level has leaves and holes only. */
	while (!height && s != eights) {
		if (unlikely(!(READ_ONCE(s[0]) & READ_ONCE(s[1]) &
			       READ_ONCE(s[2]) & READ_ONCE(s[3]) &
			       READ_ONCE(s[4]) & READ_ONCE(s[5]) &
			       READ_ONCE(s[6]) & READ_ONCE(s[7]) & PTW_VALID)))
			break;
		WRITE_ONCE(s[0], 0);
		WRITE_ONCE(s[1], 0);
		WRITE_ONCE(s[2], 0);
		WRITE_ONCE(s[3], 0);
		WRITE_ONCE(s[4], 0);
		WRITE_ONCE(s[5], 0);
		WRITE_ONCE(s[6], 0);
		WRITE_ONCE(s[7], 0);
		s += 8;
	}
	for (; s != end && ptw_is_leaf(f, READ_ONCE(*s), height); s++)
		WRITE_ONCE(*s, 0);
	return s - slot;
}

static __always_inline void ptw_zero_eight(u64 *s)
{
	WRITE_ONCE(s[0], 0);
	WRITE_ONCE(s[1], 0);
	WRITE_ONCE(s[2], 0);
	WRITE_ONCE(s[3], 0);
	WRITE_ONCE(s[4], 0);
	WRITE_ONCE(s[5], 0);
	WRITE_ONCE(s[6], 0);
	WRITE_ONCE(s[7], 0);
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
	if (!ptw_install(ptw, slot, entry, table)) {
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

	if (leaf && may_split)
		ret = ptw_split(ptw, slot, entry, iova, height);
	if (ret)
		ptw_complain(ptw->f, ret == -ENOMEM ? "no memory to split a block" :
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
	       !ptw_grouped(f, entry);
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

#include "exact.h"

/* If @iova is being mapped or unmapped, returns what was there before or after. */
static __always_inline phys_addr_t
ptw_iova_to_phys(struct ptw *ptw, struct ptw_format f, unsigned long iova)
{
	unsigned int shift;
	u64 entry;

	if (!ptw_in_range(ptw, iova, 1))
		return 0;
	rcu_read_lock();
	ptw_walk(ptw, f, iova, 0, &shift, &entry);
	rcu_read_unlock();
	if (!ptw_is_leaf(f, entry, shift != ptw_shift(f, 0)))
		return 0;
	return ptw_phys(f, entry) | (iova & ((1ULL << shift) - 1));
}

/**
 * ptw_dirty_walk - report, and clear, which pages were written to
 * @ptw: the page table
 * @f: its format
 * @iova: where to begin
 * @size: bytes
 * @holes: whether parts of the range may be without mapping
 * @test: says whether the leaf at a slot is dirty, and cleans it if told to
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
	u64 at = iova, end = at + size;
	int ret = 0;

	if (WARN_ON(!size || !ptw_in_range(ptw, iova, size)))
		return -EINVAL;
	while (at < end && !ret) {
		u64 *slot, entry, first = 0, bytes = 0;
		unsigned int shift;
		size_t room;
		bool above;

		rcu_read_lock();
		slot = ptw_walk(ptw, f, at, 0, &shift, &entry);
		above = shift != ptw_shift(f, 0);
		for (room = ptw_room(f, slot); room && at < end; room--) {
			entry = READ_ONCE(*slot);
			if (above && ptw_is_table(f, entry))
				break;
			if (ptw_is_leaf(f, entry, above) &&
			    test(slot, !(flags & IOMMU_DIRTY_NO_CLEAR))) {
				first = bytes ? first : at;
				bytes += 1ULL << shift;
			} else if (bytes) {
				break;
			} else if (!holes && !ptw_is_leaf(f, entry, above)) {
				ret = -EINVAL;
				break;
			}
			at = (at | ((1ULL << shift) - 1)) + 1;
			slot++;
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
