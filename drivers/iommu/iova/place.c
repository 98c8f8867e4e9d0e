// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges whose place the caller has a say in.
 *
 * Theory of operation
 * ===================
 *
 * 1. alloc_iova() aligns a range to its size, rounded up to a power of two,
 *    or not at all.  A mapping of a large buffer wants something in between:
 *    an address that agrees with the physical one in the low bits, so that
 *    large pages can be used, aligned no further than that.
 *
 * 2. iova_alloc_placed() looks for the highest hole that is longer than the
 *    range by what the alignment can take at most.  That is one search,
 *    exact for the longer hole.  A hole that would only just do for the range
 *    is not found: the caller falls back to an aligned range, whose search is
 *    exact again.  Mappings as large as that are rare, and so are holes that
 *    only just do.
 *
 * 3. iova_reserve_free() is reserve_iova() for a domain that is in use: it
 *    does not touch what is there.  Ranges in caches are in use for the tree;
 *    iova_drain() frees them.
 */

#include <linux/err.h>
#include <linux/export.h>
#include <linux/iova.h>

#include "internal.h"
#include "trace.h"

/* The highest first pfn of @size granules at its place in the hole [lo, hi]. */
static bool choose(unsigned long lo, unsigned long hi, unsigned long size,
		   const struct iova_place *place, unsigned long *first)
{
	unsigned long at = hi - size + 1;

	for (;;) {
		unsigned long down = (at - place->colour) & place->align_mask;

		if (at < lo || at - lo < down)
			return false;
		at -= down;
		if ((at & place->boundary_mask) + (size - 1) <=
		    place->boundary_mask)
			break;
		/* End right below the boundary that it would cross. */
		at = ((at + size - 1) & ~place->boundary_mask) - size;
	}
	*first = at;
	return true;
}

/**
 * iova_alloc_placed - allocate a range that begins at a certain place
 * @iovad: the domain
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @place: where it should begin; @size is at most its boundary_mask + 1
 *
 * May fail though there is a hole that just does. Free the range with
 * free_iova_fast(), as others.
 *
 * Context: any.
 * Return: the lowest pfn, 0 when there is no such place or no memory.
 */
unsigned long iova_alloc_placed(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn,
				const struct iova_place *place)
{
	unsigned long room = size + place->align_mask, lo, pfn = 0;
	struct iova_tree_hold hold;
	struct iova *iova;

	if (!size || room < size || size - 1 > place->boundary_mask)
		return 0;
	iova = iova_spare_get(iovad);
	if (!iova)
		return 0;

	iova_tree_lock(iovad, &hold);
	WRITE_ONCE(iovad->counts.misses, iovad->counts.misses + 1);
	if (gap_tree_find_hole(&iovad->tree, room, false,
			       min(limit_pfn, ~0UL - 1), &lo) &&
	    choose(lo, lo + room - 1, size, place, &pfn)) {
		iova->pfn_lo = pfn;
		iova->pfn_hi = pfn + size - 1;
		iova_tree_insert(iovad, iova);
	} else {
		/* The caller tries again, with less to ask for. */
		iova_spare_keep(iovad, iova);
	}
	iova_tree_unlock(iovad, &hold);

	iova_spares_want(iovad);
	if (!pfn)
		return 0;
	iova_note_odd(iovad, pfn, size);
	trace_iova_alloc(iovad, pfn, size);
	return pfn;
}
EXPORT_SYMBOL_GPL(iova_alloc_placed);

/**
 * iova_reserve_free - keep pfns from being handed out, as far as they are free
 * @iovad: the domain
 * @pfn: the lowest pfn; moved past what was reserved or is in use
 * @last: the highest pfn, inclusive
 *
 * Reserves the free pfns from *@pfn on, up to the next range in use. To be
 * called again with *@pfn until that is above @last, or 0 behind the highest
 * pfn.
 *
 * Context: process; may sleep.
 * Return: the range, to be freed with __free_iova(); ERR_PTR(-EBUSY) when *@pfn
 * is in use, ERR_PTR(-ENOMEM), or ERR_PTR(-EINVAL) when @last is below *@pfn.
 */
struct iova *iova_reserve_free(struct iova_domain *iovad, unsigned long *pfn,
			       unsigned long last)
{
	struct iova *iova = iova_mem_alloc(IOVA_NEED_GFP);
	struct iova_tree_hold hold;
	struct gap_node *used;
	int ret = -EBUSY;

	if (!iova)
		return ERR_PTR(-ENOMEM);
	iova->pfn_lo = *pfn;
	iova->pfn_hi = last;
	iova_tree_lock(iovad, &hold);
	used = gap_tree_find_from(&iovad->tree, *pfn);
	if (used && used->first <= *pfn) {
		*pfn = used->last + 1;
	} else {
		if (used && used->first <= last)
			iova->pfn_hi = used->first - 1;
		ret = iova_tree_insert(iovad, iova);
		*pfn = iova->pfn_hi + 1;
	}
	iova_tree_unlock(iovad, &hold);
	if (!ret)
		return iova;
	iova_mem_free(iova);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(iova_reserve_free);

/**
 * iova_drain - free what is cached, and what waits above the allocator
 * @iovad: the domain
 *
 * Others may fill the caches again at once.
 *
 * Context: process; may sleep.
 */
void iova_drain(struct iova_domain *iovad)
{
	if (iovad->drain)
		iovad->drain(iovad);
	iova_caches_drain(iovad);
}
EXPORT_SYMBOL_GPL(iova_drain);
