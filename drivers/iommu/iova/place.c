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
 * 3. Reservations.  reserve_iova() lets what is in the way grow until there is
 *    no hole left, as drivers that reserve before they allocate expect.
 *    iova_reserve_free() is for a domain that is in use: it does not touch what
 *    is there.  Both have magazines sorted back and runs in their way cut
 *    first, so what is cached is free to them.
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
	unsigned long room = size + place->align_mask, lo, pfn = 0, flags;
	struct iova *iova;

	/* What is above could not be freed with free_iova_fast(). */
	limit_pfn = min(limit_pfn, IOVA_FAST_MAX);

	if (!size || room < size || size - 1 > place->boundary_mask)
		return 0;
	iova = iova_mem_alloc();
	if (!iova)
		return 0;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	iovad->counts.misses++;
	if (gap_tree_find_hole(&iovad->tree, room, false,
			       min(limit_pfn, ~0UL - 1), &lo) &&
	    choose(max(lo, 1UL), lo + room - 1, size, place, &pfn)) {
		iova->pfn_lo = pfn;
		iova->pfn_hi = pfn + size - 1;
		iova_tree_insert(iovad, iova);
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);

	if (!pfn) {
		iova_mem_free(iova);
		return 0;
	}
	trace_iova_alloc(iovad, pfn, size);
	return pfn;
}
EXPORT_SYMBOL_GPL(iova_alloc_placed);

/*
 * One hold of the lock: let ranges that overlap [*lo, hi] take in the hole
 * below them, the lowest first, and move *lo past each.  What is left becomes
 * *spare.  No run is in the way.  Return the range that holds @hi, %NULL when
 * there is more to do.
 */
static struct iova *reserve_on(struct iova_domain *iovad, unsigned long *lo,
			       unsigned long hi, struct iova **spare,
			       struct iova_gone *gone)
{
	/* Two operations are for the search, and for what becomes of a hole. */
	unsigned int left = IOVA_BATCH - 2;
	struct gap_node *node;
	struct iova *iova;

	while ((node = gap_tree_find_from(&iovad->tree, *lo)) &&
	       node->first <= hi) {
		if (!left--)
			return NULL;
		if (*lo < node->first) {
			/* One that was freed is to go, not to grow. */
			if (iova_magazine_pick(iovad, node->first, gone))
				continue;
			gap_tree_grow_down(&iovad->tree, node, *lo);
		}
		*lo = node->last + 1;
		if (node->last >= hi)
			return iova_to_iova(node);
	}
	iova = *spare;
	*spare = NULL;
	iova->pfn_lo = *lo;
	iova->pfn_hi = hi;
	iova_tree_insert(iovad, iova);
	return iova;
}

/**
 * reserve_iova - keep a range from being allocated
 * @iovad: the domain
 * @pfn_lo: its lowest pfn
 * @pfn_hi: its highest pfn, inclusive
 *
 * Ranges may overlap what is reserved or allocated already: each such range
 * grows downwards to fill the hole below it, and what is left above the last
 * becomes a range of its own.  Afterwards every pfn asked for is taken.  A
 * range that grew is freed by free_iova(), not with its old size.
 *
 * Where many overlap, the lock is let go of now and then.  What is allocated
 * meanwhile, above the pfns reached, overlaps like what was allocated before;
 * nothing can be below them.
 *
 * Context: any.
 * Return: the range that holds @pfn_hi; %NULL, with nothing reserved, without
 * memory, or with a warning when the pfns are no range of the address space.
 */
struct iova *reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo,
			  unsigned long pfn_hi)
{
	struct iova *spare, *found = NULL;
	struct iova_gone gone;
	unsigned long flags;

	if (WARN(pfn_hi < pfn_lo || pfn_hi > U64_MAX >> iova_shift(iovad),
		 "iova: reservation of pfns %#lx to %#lx refused\n",
		 pfn_lo, pfn_hi))
		return NULL;
	spare = iova_mem_alloc();
	if (!spare)
		return NULL;
	if (iovad->rcache)
		iova_magazines_sort(iovad);

	iova_gone_init(&gone);
	iova_cutting(iovad, 1);
	if (iova_cut_runs(iovad, pfn_lo, pfn_hi))
		goto done;
	while (!found) {
		raw_spin_lock_irqsave(&iovad->lock, flags);
		found = reserve_on(iovad, &pfn_lo, pfn_hi, &spare, &gone);
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
		iova_gone_finish(iovad, &gone);
	}
done:
	iova_cutting(iovad, -1);
	iova_mem_free(spare);
	return found;
}
EXPORT_SYMBOL_GPL(reserve_iova);

/*
 * One hold of the lock of iova_reserve_free().  Return 0, -EBUSY, or -EAGAIN
 * when a run is to be cut first, up to *cut_last.
 */
static int reserve_free(struct iova_domain *iovad, struct iova *iova,
			unsigned long *pfn, unsigned long last,
			struct iova_gone *gone, unsigned long *cut_last)
{
	struct gap_node *used = gap_tree_find_from(&iovad->tree, *pfn);
	struct iova_run *run;

	while (used && used->first <= *pfn && iova_is_run(used)) {
		run = iova_to_run(used);
		iova_run_release(iovad, run);
		if (run->nr_free < run->nr_slots) {
			*cut_last = min(used->last, last);
			return -EAGAIN;
		}
		iova_run_remove(iovad, run, gone);
		used = gap_tree_find_from(&iovad->tree, *pfn);
	}
	if (used && used->first <= *pfn) {
		*pfn = used->last + 1;
		return -EBUSY;
	}
	iova->pfn_lo = *pfn;
	iova->pfn_hi = used && used->first <= last ? used->first - 1 : last;
	*pfn = iova->pfn_hi + 1;
	return iova_tree_insert(iovad, iova);
}

/**
 * iova_reserve_free - keep pfns from being handed out, as far as they are free
 * @iovad: the domain
 * @pfn: the lowest pfn; moved past what was reserved or is in use
 * @last: the highest pfn, inclusive
 *
 * Reserves the free pfns from *@pfn on, up to the next range or run.  To be
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
	unsigned long flags, cut_last = 0;
	struct iova_gone gone;
	struct iova *iova;
	int ret;

	if (last < *pfn)
		return ERR_PTR(-EINVAL);
	iova = iova_mem_alloc();
	if (!iova)
		return ERR_PTR(-ENOMEM);
	if (iovad->rcache)
		iova_magazines_sort(iovad);

	iova_gone_init(&gone);
	iova_cutting(iovad, 1);
	do {
		raw_spin_lock_irqsave(&iovad->lock, flags);
		ret = reserve_free(iovad, iova, pfn, last, &gone, &cut_last);
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
		iova_gone_finish(iovad, &gone);
		if (ret == -EAGAIN && iova_cut_runs(iovad, *pfn, cut_last))
			ret = -ENOMEM;
	} while (ret == -EAGAIN);
	iova_cutting(iovad, -1);
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
