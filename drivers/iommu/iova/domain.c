// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOVA domains: their life, and the API that works on the tree directly.
 *
 * Theory of operation
 * ===================
 *
 * 1. A domain is an address space of pfns, each a granule long.  The functions
 *    here hand out ranges from the top down, at the highest place where they
 *    fit: the answer depends on what is allocated, not on the order in which
 *    that was done.
 *
 * 2. init_iova_domain() gives a domain a tree; that is enough for
 *    alloc_iova() and all else in this file.  iova_domain_init_rcaches()
 *    (rcache.c) adds caches for alloc_iova_fast().  Both can be called again
 *    after a failure, the first also after put_iova_domain().
 *
 * 3. iova_cache_get() and iova_cache_put() count who needs the slab cache the
 *    ranges come from and the CPU hotplug callback.
 */

#include <linux/cpuhotplug.h>
#include <linux/export.h>
#include <linux/iova.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>

#include "internal.h"
#include "trace.h"

static DEFINE_MUTEX(iova_cache_mutex);
static unsigned int iova_cache_users;

/**
 * init_iova_domain - make a domain empty
 * @iovad: the domain
 * @granule: bytes per pfn: a power of two, at most PAGE_SIZE
 * @start_pfn: lowest pfn to hand out
 *
 * Other granules are refused with a warning: nothing can then be allocated
 * from the domain, and iova_domain_init_rcaches() fails.
 *
 * Context: any.
 */
void init_iova_domain(struct iova_domain *iovad, unsigned long granule,
		      unsigned long start_pfn)
{
	unsigned long lowest = start_pfn;

	if (WARN(!is_power_of_2(granule) || granule > PAGE_SIZE,
		 "iova: granule %#lx is no power of two up to PAGE_SIZE\n",
		 granule)) {
		granule = PAGE_SIZE;
		lowest = ~start_pfn ? ~0UL : 0;
	}

	iovad->granule = granule;
	iovad->start_pfn = start_pfn;
	iovad->fast = &iova_no_cache;
	iovad->detours = 0;
	iovad->rcache = NULL;
	iovad->cached_from = start_pfn;
	spin_lock_init(&iovad->lock);
	gap_tree_init(&iovad->tree, lowest);
	iovad->spares = NULL;
	iovad->nr_spares = 0;
	iovad->least_spares = 0;
	iovad->counts = (struct iova_counts){ };
	iovad->drain = NULL;
}
EXPORT_SYMBOL_GPL(init_iova_domain);

/**
 * put_iova_domain - free all ranges and caches of a domain
 * @iovad: a domain that nobody uses any more
 *
 * Context: process; may sleep.
 */
void put_iova_domain(struct iova_domain *iovad)
{
	struct iova *iova, *next;

	iova_rcache_destroy(iovad);
	iova_spares_free(iovad);
	rbtree_postorder_for_each_entry_safe(iova, next, &iovad->tree.root, node)
		iova_mem_free(iova);
	iovad->tree.root = RB_ROOT;
	iovad->counts.ranges = 0;
}
EXPORT_SYMBOL_GPL(put_iova_domain);

/**
 * alloc_iova - allocate a range from the tree
 * @iovad: the domain
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @size_aligned: align it to roundup_pow_of_two(@size)
 *
 * Context: any.
 * Return: the range, the highest there is; %NULL when nothing fits or without
 * memory.  Free it with __free_iova() or free_iova().
 */
struct iova *alloc_iova(struct iova_domain *iovad, unsigned long size,
			unsigned long limit_pfn, bool size_aligned)
{
	struct iova *iova;

	if (WARN_ONCE(!size, "iova: allocation of no pages\n"))
		return NULL;
	iova = iova_tree_alloc(iovad, size, limit_pfn, size_aligned);
	iova_spares_want(iovad);
	if (!iova) {
		trace_iova_alloc_failed(iovad, limit_pfn, size);
		return NULL;
	}
	iova_note_odd(iovad, iova->pfn_lo, size);
	trace_iova_alloc(iovad, iova->pfn_lo, size);
	return iova;
}
EXPORT_SYMBOL_GPL(alloc_iova);

/**
 * find_iova - find the range that holds a pfn
 * @iovad: the domain
 * @pfn: any of its pfns
 *
 * The caller keeps the range from being freed while it uses it.
 *
 * Context: any.
 * Return: the range, %NULL when there is none.
 */
struct iova *find_iova(struct iova_domain *iovad, unsigned long pfn)
{
	struct iova_tree_hold hold;
	struct iova *iova;

	iova_tree_lock(iovad, &hold);
	iova = iova_tree_find(iovad, pfn);
	iova_tree_unlock(iovad, &hold);
	return iova;
}
EXPORT_SYMBOL_GPL(find_iova);

/**
 * __free_iova - free a range to the tree
 * @iovad: the domain
 * @iova: a range of @iovad
 *
 * Context: any.
 */
void __free_iova(struct iova_domain *iovad, struct iova *iova)
{
	struct iova_tree_hold hold;

	if (WARN_ONCE(!iova, "iova: free of no range\n"))
		return;
	trace_iova_free(iovad, iova->pfn_lo, iova_size(iova));
	iova_tree_lock(iovad, &hold);
	iova = iova_tree_erase(iovad, iova);
	iova_tree_unlock(iovad, &hold);
	iova_mem_free(iova);
}
EXPORT_SYMBOL_GPL(__free_iova);

/**
 * free_iova - free the range that holds a pfn to the tree
 * @iovad: the domain
 * @pfn: any of its pfns
 *
 * A pfn that is not allocated is refused with a warning.
 *
 * Context: any.
 */
void free_iova(struct iova_domain *iovad, unsigned long pfn)
{
	trace_iova_free(iovad, pfn, 0);
	iova_tree_free(iovad, pfn, 0);
}
EXPORT_SYMBOL_GPL(free_iova);

/*
 * Let ranges that overlap [*lo, hi] take in the hole below them, the lowest
 * first, and move *lo past each.  Return the last one: when it does not reach
 * up to @hi, the batch is full and there may be more.  Return %NULL when what
 * is left, [*lo, hi], is one hole.
 *
 * A batch is what the lock may be held for; two of its operations are for the
 * search here, and for what the caller puts into that hole.
 */
static struct iova *grow_overlapping(struct iova_domain *iovad,
				     unsigned long *lo, unsigned long hi)
{
	struct gap_node *node = gap_tree_find_from(&iovad->tree, *lo);
	unsigned int left = IOVA_BATCH - 2;

	for (; node && node->first <= hi; node = gap_tree_next(node)) {
		struct iova *iova = container_of(node, struct iova, gap);

		if (*lo < node->first) {
			iova_tree_account(iovad, iova, -1);
			gap_tree_grow_down(&iovad->tree, node, *lo);
			iova_tree_account(iovad, iova, 1);
		}
		*lo = node->last + 1;
		if (node->last >= hi || !--left)
			return iova;
	}
	return NULL;
}

/**
 * reserve_iova - keep a range from being allocated in the tree
 * @iovad: the domain
 * @pfn_lo: its lowest pfn
 * @pfn_hi: its highest pfn, inclusive
 *
 * Ranges may overlap what is reserved or allocated already: each such range
 * grows downwards to fill the hole below it, and what is left above the last
 * becomes a range of its own.  Afterwards every pfn asked for is taken.  A
 * range that is free in a cache counts as allocated: it stays there and can
 * be handed out, unless the caller has the caches drained before.
 *
 * Where many overlap, the lock is let go of now and then.  What is allocated
 * meanwhile, above the pfns reached, overlaps like what was allocated before;
 * nothing can be below them.
 *
 * Context: any.
 * Return: the range that holds @pfn_hi; %NULL, with nothing changed, without
 * memory, or with a warning when the pfns are no range of the address space.
 */
struct iova *reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo,
			  unsigned long pfn_hi)
{
	struct iova_tree_hold hold;
	struct iova *iova, *found;
	bool more;

	if (WARN(pfn_hi < pfn_lo || pfn_hi > U64_MAX >> iova_shift(iovad),
		 "iova: reservation of pfns %#lx to %#lx refused\n",
		 pfn_lo, pfn_hi))
		return NULL;
	iova = iova_mem_alloc(IOVA_NEED_GFP);
	if (!iova)
		return NULL;

	do {
		iova_tree_lock(iovad, &hold);
		found = grow_overlapping(iovad, &pfn_lo, pfn_hi);
		if (!found) {
			iova->pfn_lo = pfn_lo;
			iova->pfn_hi = pfn_hi;
			iova_tree_insert(iovad, iova);
		}
		more = found && found->pfn_hi < pfn_hi;
		iova_tree_unlock(iovad, &hold);
	} while (more);

	if (!found)
		return iova;
	iova_mem_free(iova);
	return found;
}
EXPORT_SYMBOL_GPL(reserve_iova);

static int iova_cpuhp_dead(unsigned int cpu, struct hlist_node *node)
{
	struct iova_domain *iovad = hlist_entry(node, struct iova_domain,
						cpuhp_dead);

	iova_cpu_drain(iovad->rcache, cpu);
	return 0;
}

/**
 * iova_cache_get - get hold of what all domains share
 *
 * Call it before the first domain is used, and iova_cache_put() after the
 * last.
 *
 * Context: process; may sleep.
 * Return: 0, -ENOMEM, or what cpuhp_setup_state_multi() returns; after an
 * error the call may be repeated.
 */
int iova_cache_get(void)
{
	int ret = 0;

	mutex_lock(&iova_cache_mutex);
	if (iova_cache_users)
		goto count;
	ret = iova_mem_init();
	if (ret)
		goto unlock;
	ret = cpuhp_setup_state_multi(CPUHP_IOMMU_IOVA_DEAD, "iommu/iova:dead",
				      NULL, iova_cpuhp_dead);
	if (ret) {
		pr_err("iova: no CPU hotplug callback: %d\n", ret);
		iova_mem_exit();
		goto unlock;
	}
	iova_debugfs_init();
	iova_pieces_fill();
count:
	iova_cache_users++;
unlock:
	mutex_unlock(&iova_cache_mutex);
	return ret;
}
EXPORT_SYMBOL_GPL(iova_cache_get);

/**
 * iova_cache_put - let go of what all domains share
 *
 * Context: process; may sleep.
 */
void iova_cache_put(void)
{
	mutex_lock(&iova_cache_mutex);
	if (!WARN(!iova_cache_users, "iova: put more often than got\n") &&
	    !--iova_cache_users) {
		iova_debugfs_exit();
		cpuhp_remove_multi_state(CPUHP_IOMMU_IOVA_DEAD);
		iova_pieces_free();
		iova_mem_exit();
	}
	mutex_unlock(&iova_cache_mutex);
}
EXPORT_SYMBOL_GPL(iova_cache_put);

MODULE_DESCRIPTION("IOVA allocator on a gap tree");
MODULE_LICENSE("GPL");
