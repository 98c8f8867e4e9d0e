// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ranges of an IOVA domain.
 *
 * Theory of operation
 * ===================
 *
 * 1. What it holds.  Every range of a domain, whether live, reserved or free
 *    in a cache, is a struct iova in the gap tree of the domain.  What is not
 *    in the tree is free, and the tree hands out only that.  So the tree
 *    decides whether a range that is to be freed exists; it does not know
 *    whose it is.
 *
 * 2. The lock, iova_domain.lock, is held with interrupts disabled for at most
 *    %IOVA_BATCH tree operations, each O(log n).  Memory is allocated before
 *    it is taken and freed after it is released.  Some struct iova are kept
 *    ready as spares: what leaves the tree, and what supply.c adds, so that an
 *    operation rarely visits the slab allocator.
 *
 * 3. A free of a range that is not allocated, or not with that size, is
 *    refused, counted and warned about; the tree stays as it was.
 */

#include <linux/export.h>
#include <linux/iova.h>
#include <linux/slab.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static struct kmem_cache *iova_mem;

/**
 * iova_mem_init - set up the memory that ranges come from
 *
 * Return: 0, or -ENOMEM.
 */
int iova_mem_init(void)
{
	iova_mem = kmem_cache_create("iommu_iova", sizeof(struct iova), 0,
				     SLAB_HWCACHE_ALIGN, NULL);
	return iova_mem ? 0 : -ENOMEM;
}

/**
 * iova_mem_exit - undo iova_mem_init()
 */
void iova_mem_exit(void)
{
	kmem_cache_destroy(iova_mem);
	iova_mem = NULL;
}

/**
 * iova_mem_alloc - allocate a range that is in no tree yet
 * @gfp: %IOVA_NEED_GFP, or %IOVA_SUPPLY_GFP where one may sleep
 *
 * Context: any.
 * Return: the range, %NULL without memory or before iova_cache_get().
 */
struct iova *iova_mem_alloc(gfp_t gfp)
{
	if (WARN_ONCE(!iova_mem, "iova: used before iova_cache_get()\n"))
		return NULL;
	return kmem_cache_alloc(iova_mem, gfp);
}

/**
 * iova_mem_free - free a range that is in no tree any more
 * @iova: the range, or %NULL
 */
void iova_mem_free(struct iova *iova)
{
	if (iova)
		kmem_cache_free(iova_mem, iova);
}

/**
 * iova_tree_lock - lock the tree of a domain
 * @iovad: the domain
 * @hold: remembers what iova_tree_unlock() needs
 */
void iova_tree_lock(struct iova_domain *iovad, struct iova_tree_hold *hold)
	__acquires(&iovad->lock)
{
	spin_lock_irqsave(&iovad->lock, hold->flags);
	hold->since = get_cycles();
}

/**
 * iova_tree_unlock - unlock the tree of a domain
 * @iovad: the domain
 * @hold: what iova_tree_lock() left
 */
void iova_tree_unlock(struct iova_domain *iovad, struct iova_tree_hold *hold)
	__releases(&iovad->lock)
{
	unsigned long held = get_cycles() - hold->since;

	if (held > iovad->counts.slow_max)
		iovad->counts.slow_max = held;
	spin_unlock_irqrestore(&iovad->lock, hold->flags);
}

/**
 * iova_tree_account - count a range in or out of its size class
 * @iovad: the domain, locked
 * @iova: the range
 * @by: 1 or -1
 *
 * The reaper compares these counts with what is cached; ranges of no class do
 * not interest it.
 */
void iova_tree_account(struct iova_domain *iovad, struct iova *iova, int by)
{
	unsigned long size = iova_size(iova);
	struct iova_rcache *rcache = iovad->rcache;
	unsigned int class;

	iovad->counts.ranges += by;
	if (!rcache || !iova_size_is_cached(size))
		return;
	class = iova_size_class(size);
	if (iova_class_size(class) != size)
		return;
	/* What was there before the caches were was not counted in. */
	if (by > 0 || rcache->nodes[class])
		WRITE_ONCE(rcache->nodes[class], rcache->nodes[class] + by);
}

/**
 * iova_tree_insert - add a range whose pfns are filled in
 * @iovad: the domain, locked
 * @iova: the range
 *
 * Return: 0, or -EEXIST or -EINVAL as gap_tree_insert().
 */
int iova_tree_insert(struct iova_domain *iovad, struct iova *iova)
{
	int ret = gap_tree_insert(&iovad->tree, &iova->gap);

	if (!ret)
		iova_tree_account(iovad, iova, 1);
	return ret;
}

static void push_spare(struct iova_domain *iovad, struct iova *iova)
{
	iova->next_spare = iovad->spares;
	WRITE_ONCE(iovad->spares, iova);
	WRITE_ONCE(iovad->nr_spares, iovad->nr_spares + 1);
}

static struct iova *pop_spare(struct iova_domain *iovad)
{
	struct iova *iova = iovad->spares;

	if (iova) {
		WRITE_ONCE(iovad->spares, iova->next_spare);
		WRITE_ONCE(iovad->nr_spares, iovad->nr_spares - 1);
		iovad->least_spares = min(iovad->least_spares, iovad->nr_spares);
	}
	return iova;
}

/* Pages go back to the page allocator in bursts, too: rather by the reaper. */
static unsigned int most_spares(struct iova_domain *iovad)
{
	return iovad->rcache && delayed_work_pending(&iovad->rcache->reaper) ?
	       IOVA_SPARES_MAX : IOVA_SPARES_UNREAPED;
}

/**
 * iova_tree_erase - take a range out of the tree
 * @iovad: the domain, locked
 * @iova: a range of its tree
 *
 * Return: what the caller is to hand to iova_mem_free() once the domain is
 * unlocked; %NULL when it is kept as a spare.
 */
struct iova *iova_tree_erase(struct iova_domain *iovad, struct iova *iova)
{
	gap_tree_erase(&iovad->tree, &iova->gap);
	iova_tree_account(iovad, iova, -1);

	if (iovad->nr_spares >= IOVA_SPARES_UNREAPED &&
	    iovad->nr_spares >= most_spares(iovad))
		return iova;
	push_spare(iovad, iova);
	return NULL;
}

static bool spares_run_low(struct iova_domain *iovad)
{
	return iovad->rcache &&
	       2 * iovad->nr_spares < iovad->rcache->spares_goal;
}

static struct iova *take_spare(struct iova_domain *iovad)
{
	struct iova *iova = pop_spare(iovad);

	if (spares_run_low(iovad))
		iova_supply_want(iovad);
	return iova;
}

/**
 * iova_spare_get - get a range that is in no tree, one that is ready if any is
 * @iovad: the domain, not locked
 *
 * Context: any.
 * Return: the range, %NULL without memory.
 */
struct iova *iova_spare_get(struct iova_domain *iovad)
{
	struct iova_tree_hold hold;
	struct iova *iova;

	iova_tree_lock(iovad, &hold);
	iova = take_spare(iovad);
	iova_tree_unlock(iovad, &hold);
	return iova ?: iova_mem_alloc(IOVA_NEED_GFP);
}

/**
 * iova_spare_keep - have a range ready that came to no use
 * @iovad: the domain, locked
 * @iova: what iova_spare_get() returned
 */
void iova_spare_keep(struct iova_domain *iovad, struct iova *iova)
{
	push_spare(iovad, iova);
}

/**
 * iova_spares_add - add spare ranges to a domain
 * @iovad: the domain, not locked
 * @nr: how many
 * @gfp: %IOVA_NEED_GFP, or %IOVA_SUPPLY_GFP where one may sleep
 *
 * Context: any that @gfp allows.
 * Return: how many there was memory for.
 */
unsigned int iova_spares_add(struct iova_domain *iovad, unsigned int nr,
			     gfp_t gfp)
{
	struct iova *first = NULL, *last = NULL, *iova;
	struct iova_tree_hold hold;
	unsigned int done;

	for (done = 0; done < nr; done++) {
		iova = iova_mem_alloc(gfp);
		if (!iova)
			break;
		iova->next_spare = first;
		first = iova;
		if (!last)
			last = iova;
	}
	if (!done)
		return 0;

	iova_tree_lock(iovad, &hold);
	last->next_spare = iovad->spares;
	WRITE_ONCE(iovad->spares, first);
	WRITE_ONCE(iovad->nr_spares, iovad->nr_spares + done);
	iova_tree_unlock(iovad, &hold);
	return done;
}

/* How many spares to add. */
static unsigned int plan_spares(struct iova_domain *iovad, bool again)
{
	unsigned int *goal = &iovad->rcache->spares_goal;
	struct iova_tree_hold hold;
	unsigned long most;
	unsigned int nr;

	iova_tree_lock(iovad, &hold);
	most = clamp(iovad->counts.ranges / 8, (unsigned long)IOVA_SPARES_MIN,
		     (unsigned long)IOVA_SPARES_MAX);
	if (again && spares_run_low(iovad))
		*goal = min_t(unsigned long, 2 * *goal, most);
	nr = *goal - min(*goal, iovad->nr_spares);
	iova_tree_unlock(iovad, &hold);
	return nr;
}

/**
 * iova_spares_fill - have spare ranges ready
 * @iovad: the domain, not locked; it has caches
 * @again: the last time was not long ago, so it was too few
 *
 * As many as memory allows.
 *
 * Context: process; may sleep.
 */
void iova_spares_fill(struct iova_domain *iovad, bool again)
{
	unsigned int nr = plan_spares(iovad, again), batch;

	for (; nr; nr -= batch) {
		batch = min(nr, IOVA_BATCH);
		if (iova_spares_add(iovad, batch, IOVA_SUPPLY_GFP) < batch)
			return;
	}
}

/**
 * iova_spares_trim - free spare ranges that nobody needed for a window
 * @iovad: the domain, not locked; it has caches
 *
 * Once in a window of the reaper.
 *
 * Context: any.
 */
void iova_spares_trim(struct iova_domain *iovad)
{
	unsigned int *goal = &iovad->rcache->spares_goal;
	struct iova_tree_hold hold;
	unsigned int idle;
	struct iova *iova;

	iova_tree_lock(iovad, &hold);
	idle = min(iovad->least_spares, iovad->nr_spares);
	*goal = max(*goal - min(*goal, idle), IOVA_SPARES_MIN);
	idle = min(idle, iovad->nr_spares - min(iovad->nr_spares, *goal));
	iovad->least_spares = iovad->nr_spares - idle;
	iova_tree_unlock(iovad, &hold);

	while (idle--) {
		iova_tree_lock(iovad, &hold);
		iova = pop_spare(iovad);
		iova_tree_unlock(iovad, &hold);
		iova_mem_free(iova);
	}
}

/**
 * iova_spares_free - free the spare ranges of a domain
 * @iovad: the domain, not locked
 *
 * Context: any.
 */
void iova_spares_free(struct iova_domain *iovad)
{
	struct iova_tree_hold hold;
	struct iova *list, *iova;

	iova_tree_lock(iovad, &hold);
	list = iovad->spares;
	WRITE_ONCE(iovad->spares, NULL);
	WRITE_ONCE(iovad->nr_spares, 0);
	if (iovad->rcache)
		iovad->rcache->spares_goal = IOVA_SPARES_MIN;
	iova_tree_unlock(iovad, &hold);

	while ((iova = list)) {
		list = iova->next_spare;
		iova_mem_free(iova);
	}
}

/**
 * iova_tree_find - find the range that holds a pfn
 * @iovad: the domain, locked
 * @pfn: a pfn
 *
 * Return: the range, %NULL when the pfn is free.
 */
struct iova *iova_tree_find(struct iova_domain *iovad, unsigned long pfn)
{
	struct gap_node *node = gap_tree_find(&iovad->tree, pfn);

	return node ? container_of(node, struct iova, gap) : NULL;
}

/**
 * iova_tree_look - copy where the next ranges are
 * @iovad: the domain, not locked
 * @pfn: where to begin
 * @spans: room for %IOVA_BATCH of them
 *
 * One hold of the lock. To walk a tree, go on right behind the last one.
 *
 * Context: any.
 * Return: how many there are; 0 when none ends at or above @pfn.
 */
unsigned int iova_tree_look(struct iova_domain *iovad, unsigned long pfn,
			    struct iova_span *spans)
{
	struct iova_tree_hold hold;
	struct gap_node *node;
	unsigned int nr = 0;

	iova_tree_lock(iovad, &hold);
	node = gap_tree_find_from(&iovad->tree, pfn);
	for (; node && nr < IOVA_BATCH; node = gap_tree_next(node))
		spans[nr++] = (struct iova_span){ node->first, node->last };
	iova_tree_unlock(iovad, &hold);
	return nr;
}

/**
 * iova_tree_alloc - take the highest free range from the tree
 * @iovad: the domain
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @size_aligned: align it to roundup_pow_of_two(@size)
 *
 * pfn ~0UL is never handed out, so that one past the end of a range is always
 * a number.
 *
 * Context: any.
 * Return: the range, %NULL when nothing fits or without memory.
 */
struct iova *iova_tree_alloc(struct iova_domain *iovad, unsigned long size,
			     unsigned long limit_pfn, bool size_aligned)
{
	struct iova *iova = NULL, *unused = NULL;
	struct iova_tree_hold hold;

	/* Others may take the spares meanwhile: then this one allocates. */
	for (;;) {
		if (!READ_ONCE(iovad->spares)) {
			unused = iova_mem_alloc(IOVA_NEED_GFP);
			if (!unused)
				return NULL;
		}
		iova_tree_lock(iovad, &hold);
		if (!unused)
			unused = take_spare(iovad);
		else if (spares_run_low(iovad))
			iova_supply_want(iovad);
		if (unused)
			break;
		iova_tree_unlock(iovad, &hold);
	}

	WRITE_ONCE(iovad->counts.misses, iovad->counts.misses + 1);
	if (gap_tree_take(&iovad->tree, &unused->gap, size, size_aligned,
			  min(limit_pfn, ~0UL - 1))) {
		iova = unused;
		unused = NULL;
		iova_tree_account(iovad, iova, 1);
	}
	iova_tree_unlock(iovad, &hold);

	iova_mem_free(unused);
	return iova;
}

/* Why a free of [pfn, pfn + size) is wrong, given the range that holds @pfn. */
static const char *why_refuse(struct iova *iova, unsigned long pfn,
			      unsigned long size)
{
	if (!iova)
		return "not allocated";
	if (size && iova->pfn_lo != pfn)
		return "inside another range";
	if (size && iova_size(iova) != size &&
	    iova_size(iova) != iova_round_size(size))
		return "allocated with another size";
	return NULL;
}

/*
 * The range that a free names, if it names one; %NULL, counted, with @why when
 * the free is to be refused.  A size, when it was told, names a range of just
 * that size, or of the class that serves it.  The domain is locked.
 */
static struct iova *may_free(struct iova_domain *iovad, unsigned long pfn,
			     unsigned long size, const char **why)
{
	struct iova *iova = iova_tree_find(iovad, pfn);

	*why = why_refuse(iova, pfn, size);
	if (!*why)
		return iova;
	iovad->counts.refused++;
	return NULL;
}

/* Report a free that was refused.  The domain is not locked. */
static void report(struct iova_domain *iovad, unsigned long pfn,
		   unsigned long size, const char *why)
{
	trace_iova_refused(iovad, pfn, size);
	WARN_RATELIMIT(1, "iova: free of pfn %#lx (address %#llx) size %lu refused: %s\n",
		       pfn, (u64)pfn << iova_shift(iovad), size, why);
}

/**
 * iova_tree_free - free a live range to the tree
 * @iovad: the domain
 * @pfn: its lowest pfn; with @size 0 any of its pfns
 * @size: its size in granules, 0 when not known
 *
 * Context: any.
 * Return: true; false when the free was refused, and warned about.
 */
bool iova_tree_free(struct iova_domain *iovad, unsigned long pfn,
		    unsigned long size)
{
	struct iova_tree_hold hold;
	struct iova *iova, *gone = NULL;
	const char *why;

	iova_tree_lock(iovad, &hold);
	iova = may_free(iovad, pfn, size, &why);
	if (iova)
		gone = iova_tree_erase(iovad, iova);
	iova_tree_unlock(iovad, &hold);

	iova_mem_free(gone);
	if (!iova)
		report(iovad, pfn, size, why);
	return iova;
}

/**
 * iova_tree_return - free ranges to the tree that were in a cache; unlock it
 * @iovad: the domain, locked; the ranges left the cache since it is
 * @hold: what iova_tree_lock() left
 * @class: their size class
 * @pfns: lowest pfn of each
 * @nr: how many, at most %IOVA_BATCH
 *
 * A pfn that is no range of that class went into a cache by a bad free; here
 * that comes to light, and it is refused.
 *
 * Context: any.
 */
void iova_tree_return(struct iova_domain *iovad, struct iova_tree_hold *hold,
		      unsigned int class, const unsigned long *pfns,
		      unsigned int nr)
	__releases(&iovad->lock)
{
	unsigned long size = iova_class_size(class), bad = 0;
	struct iova *gone[IOVA_BATCH] = { };
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct iova *iova = iova_tree_find(iovad, pfns[i]);

		if (iova && iova->pfn_lo == pfns[i] && iova_size(iova) == size) {
			gone[i] = iova_tree_erase(iovad, iova);
		} else {
			iovad->counts.refused++;
			bad |= BIT(i);
		}
	}
	WRITE_ONCE(iovad->counts.returned, iovad->counts.returned + nr);
	iova_tree_unlock(iovad, hold);

	for (i = 0; i < nr; i++) {
		iova_mem_free(gone[i]);
		if (bad & BIT(i))
			report(iovad, pfns[i], size,
			       "cached, but not allocated with this size");
	}
}

/**
 * iova_tree_returned - how many ranges have come back from caches so far
 * @iovad: the domain, not locked
 *
 * Waits for who is just giving some back.
 *
 * Context: any.
 */
unsigned long iova_tree_returned(struct iova_domain *iovad)
{
	struct iova_tree_hold hold;
	unsigned long returned;

	iova_tree_lock(iovad, &hold);
	returned = iovad->counts.returned;
	iova_tree_unlock(iovad, &hold);
	return returned;
}
