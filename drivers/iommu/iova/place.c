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
 *    does not touch what is there.
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
 * iova_reserve_free - keep a range from being handed out, if it is free
 * @iovad: the domain
 * @pfn_lo: its lowest pfn
 * @pfn_hi: its highest pfn, inclusive
 *
 * Ranges in caches are free; the caches are drained when need be.
 *
 * Context: process; may sleep.
 * Return: the range, to be freed with __free_iova(); ERR_PTR(-EBUSY) when part
 * of it is in use, ERR_PTR(-ENOMEM), or ERR_PTR(-EINVAL) for what is no range.
 */
struct iova *iova_reserve_free(struct iova_domain *iovad, unsigned long pfn_lo,
			       unsigned long pfn_hi)
{
	struct iova *iova = iova_mem_alloc(IOVA_NEED_GFP);
	struct iova_tree_hold hold;
	bool drained = false;
	int ret;

	if (!iova)
		return ERR_PTR(-ENOMEM);
	iova->pfn_lo = pfn_lo;
	iova->pfn_hi = pfn_hi;
	for (;;) {
		iova_tree_lock(iovad, &hold);
		ret = iova_tree_insert(iovad, iova);
		iova_tree_unlock(iovad, &hold);
		if (!ret)
			return iova;
		if (ret != -EEXIST || drained)
			break;
		if (iovad->drain)
			iovad->drain(iovad);
		iova_caches_drain(iovad);
		drained = true;
	}
	iova_mem_free(iova);
	return ERR_PTR(ret == -EEXIST ? -EBUSY : ret);
}
EXPORT_SYMBOL_GPL(iova_reserve_free);
