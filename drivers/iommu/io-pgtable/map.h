/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mapping.
 *
 * Theory of operation
 * ===================
 *
 * 1. Mapping walks down from the root once for each table that it fills.
 *
 * 2. A function that maps gets the bounds of its range with the attributes.  It
 *    writes all leaves as inner ones and then corrects the first and the last one:
 *    before it returns, so before a device is told the address.
 */
#ifndef _IO_PGTABLE_MAP_H
#define _IO_PGTABLE_MAP_H

#include "leaves.h"

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
		ptw_write_four(f, s, leaf, size);
		leaf = ptw_advance(f, leaf, 4 * size);
	}
	for (; i < count && !READ_ONCE(slot[i]); i++) {
		WRITE_ONCE(slot[i], leaf);
		leaf = ptw_advance(f, leaf, size);
	}
	return i;
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

/* Write up to @count leaves of coded pages, @n each, until one is not all holes. */
static noinline size_t ptw_fill_coded(struct ptw_format f, u64 *slot,
				      size_t count, u64 leaf, u64 size,
				      unsigned int n)
{
	u64 *s = slot, *end = slot + count;

	for (; s != end; leaf = ptw_advance(f, leaf, size)) {
		u64 *page = s, *behind = s + n;

		for (; s != behind; s += 2)
			if (unlikely(READ_ONCE(s[0]) | READ_ONCE(s[1])))
				return page - slot;
		for (s = page; s != behind; s += 2) {
			WRITE_ONCE(s[0], leaf);
			WRITE_ONCE(s[1], leaf);
		}
	}
	return count;
}

/* Map blocks, groups or coded pages of one size: the latter two into holes only. */
static __always_inline int
ptw_map_blocks(struct ptw *ptw, struct ptw_format f, u64 iova,
	       phys_addr_t paddr, size_t pgsize, size_t pgcount, u64 attributes,
	       gfp_t gfp, size_t *mapped)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	unsigned int height = ptw_height(f, pgsize);
	unsigned int shift = ptw_shift(f, height);
	bool groups = ptw_group(f, 0) > 1 && pgsize != 1ULL << shift;
	bool coded = PTW_CODED && pgsize != 1ULL << shift;
	u64 leaf = ptw_inner(attributes) | ptw_leaf_type(f, height) |
		   ptw_encode(f, paddr);
	u64 *first = NULL;
	int ret = 0;

	if (groups)
		pgcount *= ptw_group(f, height);
	if (coded) {
		leaf |= ptw_code(pgsize);
		pgcount *= pgsize >> shift;
	}
	while (pgcount && !ret) {
		size_t count, filled, bytes, holes = 0;
		u64 *slot;

		rcu_read_lock();
		slot = ptw_descend(ptw, f, iova, height, gfp);
		if (IS_ERR(slot)) {
			rcu_read_unlock();
			return PTR_ERR(slot);
		}
		count = min(pgcount, ptw_room(f, slot));
		if (unlikely(groups)) {
			holes = ptw_holes(slot, count);
			filled = ALIGN_DOWN(holes, ptw_group(f, height));
			holes -= filled;
			ptw_write(f, slot, filled, leaf | PTW_GROUPED,
				  1ULL << shift);
		} else if (coded) {
			filled = ptw_fill_coded(f, slot, count, leaf, pgsize,
						pgsize >> shift);
			while (filled + holes < count &&
			       !READ_ONCE(slot[filled + holes]))
				holes++;
		} else {
			filled = ptw_fill(f, slot, count, leaf, 1ULL << shift);
		}
		pgcount -= filled;
		count -= filled;
		/* Something is in its table now, so the table stays. */
		if (!first && filled)
			first = slot;
		if (!pgcount)
			ptw_set_ends(cfg, attributes, first, slot + filled - 1,
				     slot);
		if (!cfg->coherent_walk && filled)
			ptw_write_back(cfg, slot, filled);
		bytes = filled << shift;
		leaf = ptw_advance(f, leaf, bytes);
		iova += bytes;
		*mapped += bytes;
		if (unlikely(count)) {
			ret = ptw_make_room(ptw, slot + filled + holes, count - holes,
					    iova + ((u64)holes << shift), height);
		}
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
	const u64 larger = ptw_larger(f);
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
		if (PTW_GROWS) {
			ret = ptw_reach(ptw, iova, n ? total : runs->size, gfp);
			if (ret)
				break;
		}
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

#endif
