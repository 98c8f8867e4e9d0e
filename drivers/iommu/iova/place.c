// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges whose place the caller chooses.
 *
 * Theory of operation
 * ===================
 *
 * 1. alloc_iova() aligns a range to its size, rounded up to a power of two, or
 *    not at all.  A mapping of a large buffer needs less alignment: the low
 *    bits of the address must equal those of the physical address, so that
 *    large pages can be used.
 *
 * 2. iova_alloc_placed() searches for a hole that is longer than the range by
 *    as much as the alignment can cost.  It does not find a hole that is just
 *    long enough; then the caller asks for a naturally aligned range instead.
 *
 * 3. reserve_iova() extends the ranges that it meets until no hole is left,
 *    because drivers reserve before they allocate and expect it to succeed.
 *    iova_reserve_free() is for a domain in use and changes no range that is
 *    there.  Both first sort back all magazines and cut the runs in their way,
 *    because what is only cached counts as free.
 */

#include <linux/err.h>
#include <linux/export.h>
#include <linux/iova.h>

#include "internal.h"
#include "trace.h"

/* The highest place in the hole [lo, hi]; *first is its lowest pfn. */
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
 * iova_alloc_placed - allocate a range at a place that the caller describes
 * @iovad: the domain
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @place: what its first pfn must be like; @size is at most boundary_mask + 1
 *
 * May fail though a hole is just long enough.  Free the range as one of
 * alloc_iova_fast().
 *
 * Context: any.
 * Return: the lowest pfn; 0 if no place was found, or without memory.
 */
unsigned long iova_alloc_placed(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn,
				const struct iova_place *place)
{
	unsigned long room = size + place->align_mask, lo, pfn = 0;
	struct iova *iova;

	/* free_iova_fast() could not free a higher pfn. */
	limit_pfn = min(limit_pfn, IOVA_FAST_MAX);

	if (!size || room < size || size - 1 > place->boundary_mask)
		return 0;
	iova = iova_mem_alloc();
	if (!iova)
		return 0;

	scoped_guard(iova_domain, iovad) {
		iovad->counts.misses++;
		if (gap_tree_find_hole(&iovad->tree, room, false,
				       min(limit_pfn, ~0UL - 1), &lo) &&
		    choose(max(lo, 1UL), lo + room - 1, size, place, &pfn)) {
			iova->pfn_lo = pfn;
			iova->pfn_hi = pfn + size - 1;
			iova_tree_insert(iovad, iova);
		}
	}
	if (!pfn) {
		iova_mem_free(iova);
		return 0;
	}
	trace_iova_alloc(iovad, pfn, size);
	return pfn;
}
EXPORT_SYMBOL_GPL(iova_alloc_placed);

/*
 * Locked: extend ranges that overlap [*lo, hi] down to *lo, the lowest first,
 * and move *lo past each.  *spare becomes what is left above them.  No run is
 * there.
 * Return the range that holds hi; NULL if the batch is used up.
 */
static struct iova *reserve_on(struct iova_domain *iovad, unsigned long *lo,
			       unsigned long hi, struct iova **spare)
{
	/* The last search and the insertion are the other two. */
	unsigned int left = IOVA_BATCH - 2;
	struct gap_node *node;
	struct iova *iova;

	while ((node = gap_tree_find_from(&iovad->tree, *lo)) &&
	       node->first <= hi) {
		if (!left--)
			return NULL;
		if (*lo < node->first)
			gap_tree_grow_down(&iovad->tree, node, *lo);
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

/*
 * Begin (@by 1) or end (@by -1) to extend ranges.  Meanwhile frees take the slow
 * path and do not append to a magazine, because a range that is in one keeps its
 * size.  A free that has begun before may still append.  Then the range is free
 * with its old size, which the extended one refuses.
 */
static void reserving(struct iova_domain *iovad, int by)
{
	struct iova_rcache *rcache = iovad->rcache;

	if (!rcache)
		return;
	guard(iova_domain)(iovad);
	rcache->nr_cutting += by;
	rcache->nr_reserving += by;
	WRITE_ONCE(iovad->fast,
		   rcache->nr_reserving ? &iova_no_cpu : rcache->cpus);
}

/**
 * reserve_iova - keep a range from being allocated
 * @iovad: the domain
 * @pfn_lo: its lowest pfn
 * @pfn_hi: its highest pfn, inclusive
 *
 * The range may overlap ranges that are reserved or allocated.  Each of them is
 * extended downwards over the hole below it, and the rest above the last
 * becomes a range of its own.  Then no pfn in between is free.  A range that
 * was extended has another size now: free it with free_iova().
 *
 * The lock is released between batches.  A range that is allocated meanwhile is
 * treated as those before.
 *
 * Context: any.
 * Return: the range that holds @pfn_hi; %NULL with nothing reserved, without
 * memory, or with a warning if the pfns are not a range of the address space.
 */
struct iova *reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo,
			  unsigned long pfn_hi)
{
	struct iova *spare, *found = NULL;

	if (WARN(pfn_hi < pfn_lo || pfn_hi > U64_MAX >> iova_shift(iovad),
		 "iova: reservation of pfns %#lx to %#lx refused\n",
		 pfn_lo, pfn_hi))
		return NULL;
	spare = iova_mem_alloc();
	if (!spare)
		return NULL;
	reserving(iovad, 1);
	iova_magazines_sort(iovad);
	if (iova_cut_runs(iovad, pfn_lo, pfn_hi))
		goto done;
	while (!found) {
		scoped_guard(iova_domain, iovad)
			found = reserve_on(iovad, &pfn_lo, pfn_hi, &spare);
	}
done:
	reserving(iovad, -1);
	iova_mem_free(spare);
	return found;
}
EXPORT_SYMBOL_GPL(reserve_iova);

/* Return 0, -EBUSY, or -EAGAIN if the run up to *cut_last has to be cut first. */
static int reserve_free(struct iova_domain *iovad, struct iova *iova,
			unsigned long *pfn, unsigned long last,
			unsigned long *cut_last)
{
	struct gap_node *used;

	guard(iova_domain)(iovad);
	used = gap_tree_find_from(&iovad->tree, *pfn);
	if (used && used->first <= *pfn) {
		if (iova_is_run(used)) {
			*cut_last = min(used->last, last);
			return -EAGAIN;
		}
		*pfn = used->last + 1;
		return -EBUSY;
	}
	iova->pfn_lo = *pfn;
	iova->pfn_hi = used && used->first <= last ? used->first - 1 : last;
	*pfn = iova->pfn_hi + 1;
	return iova_tree_insert(iovad, iova);
}

/**
 * iova_reserve_free - reserve pfns that are free
 * @iovad: the domain
 * @pfn: the lowest pfn; moved past what was reserved or is in use
 * @last: the highest pfn, inclusive
 *
 * Reserves the free pfns from *@pfn up to the next range or run.  Call it again
 * until *@pfn is above @last, or 0 if it passed the highest pfn of all.
 *
 * Context: process; may sleep.
 * Return: the range, to be freed with __free_iova(); ERR_PTR(-EBUSY) if *@pfn
 * was in use, ERR_PTR(-ENOMEM), or ERR_PTR(-EINVAL) if @last is below *@pfn.
 */
struct iova *iova_reserve_free(struct iova_domain *iovad, unsigned long *pfn,
			       unsigned long last)
{
	unsigned long cut_last = 0;
	struct iova *iova;
	int ret;

	if (last < *pfn)
		return ERR_PTR(-EINVAL);
	iova = iova_mem_alloc();
	if (!iova)
		return ERR_PTR(-ENOMEM);
	iova_magazines_sort(iovad);

	iova_cutting(iovad, 1);
	do {
		ret = reserve_free(iovad, iova, pfn, last, &cut_last);
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
