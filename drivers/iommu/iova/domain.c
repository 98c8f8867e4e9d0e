// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOVA domains: their life, and the API that works on the tree directly.
 *
 * Theory of operation
 * ===================
 *
 * 1. A domain is an address space of pfns, each a granule long.  The functions
 *    here hand out ranges from the top down, at the highest hole where they
 *    fit: the answer depends on what is in the tree, not on the order in which
 *    it got there.
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
	iovad->fast = &iova_no_cpu;
	iovad->rcache = NULL;
	raw_spin_lock_init(&iovad->lock);
	gap_tree_init(&iovad->tree, lowest);
	iovad->failed_size = ~0UL;
	iovad->failed_limit = 0;
	iovad->failed_turn = 0;
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
	struct gap_node *node, *next;

	iova_rcache_destroy(iovad);
	rbtree_postorder_for_each_entry_safe(node, next, &iovad->tree.root, rb) {
		if (iova_is_run(node))
			iova_run_mem_free(iova_to_run(node));
		else
			iova_mem_free(iova_to_iova(node));
	}
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
 * Return: the range, in the highest hole that takes it; where there is none, in
 * what is cached; %NULL when nothing fits or without memory.  Free it with
 * __free_iova() or free_iova().
 */
struct iova *alloc_iova(struct iova_domain *iovad, unsigned long size,
			unsigned long limit_pfn, bool size_aligned)
{
	struct iova *iova, *unused;

	if (WARN_ONCE(!size, "iova: allocation of no pages\n"))
		return NULL;
	unused = iova_mem_alloc();
	if (!unused)
		return NULL;
	iova = iova_tree_alloc(iovad, size, limit_pfn, size_aligned, 0, unused);
	if (!iova && iovad->rcache) {
		iova_magazines_sort(iovad);
		if (iova_search(iovad, size, limit_pfn, size_aligned, unused))
			iova = unused;
	}
	if (!iova) {
		iova_mem_free(unused);
		trace_iova_alloc_failed(iovad, limit_pfn, size);
		return NULL;
	}
	trace_iova_alloc(iovad, iova->pfn_lo, size);
	return iova;
}
EXPORT_SYMBOL_GPL(alloc_iova);

/* A range of a run has no struct iova: *cut says that it can have one. */
static struct iova *find_locked(struct iova_domain *iovad, unsigned long pfn,
				bool *cut)
{
	struct gap_node *node = gap_tree_find(&iovad->tree, pfn);
	unsigned long first, last;

	*cut = false;
	if (!node)
		return NULL;
	if (!iova_is_run(node))
		return iova_to_iova(node);
	*cut = !iova_run_next(iova_to_run(node), pfn, &first, &last);
	return NULL;
}

/**
 * find_iova - find the range that holds a pfn
 * @iovad: the domain
 * @pfn: any of its pfns
 *
 * The caller keeps the range from being freed while it uses it.  It is dear
 * where alloc_iova_fast() allocated the range.
 *
 * Context: any.
 * Return: the range; %NULL when there is none, or without memory for one that
 * alloc_iova_fast() allocated.
 */
struct iova *find_iova(struct iova_domain *iovad, unsigned long pfn)
{
	struct iova *iova;
	unsigned long flags;
	bool cut;

	do {
		raw_spin_lock_irqsave(&iovad->lock, flags);
		iova = find_locked(iovad, pfn, &cut);
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
	} while (cut && !iova_cut_runs(iovad, pfn, pfn));
	return iova;
}
EXPORT_SYMBOL_GPL(find_iova);

static void free_at(struct iova_domain *iovad, unsigned long pfn)
{
	struct iova_gone gone;
	unsigned long flags;

	iova_gone_init(&gone);
	raw_spin_lock_irqsave(&iovad->lock, flags);
	iova_put(iovad, pfn, 0, &gone);
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	iova_gone_finish(iovad, &gone);
	/* A run may be all free now. */
	if (iovad->rcache)
		iova_reaper_arm(iovad->rcache);
}

/**
 * __free_iova - free a range
 * @iovad: the domain
 * @iova: a range of @iovad
 *
 * Context: any.
 */
void __free_iova(struct iova_domain *iovad, struct iova *iova)
{
	if (WARN_ONCE(!iova, "iova: free of no range\n"))
		return;
	trace_iova_free(iovad, iova->pfn_lo, iova_size(iova));
	free_at(iovad, iova->pfn_lo);
}
EXPORT_SYMBOL_GPL(__free_iova);

/**
 * free_iova - free the range that holds a pfn
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
	free_at(iovad, pfn);
}
EXPORT_SYMBOL_GPL(free_iova);

static int iova_cpuhp_dead(unsigned int cpu, struct hlist_node *node)
{
	struct iova_rcache *rcache = hlist_entry(node, struct iova_rcache,
						 cpuhp_dead);
	struct iova_cpu **slot = per_cpu_ptr(rcache->cpus, cpu), *cache;
	unsigned long flags;

	/* With the pointer it has what the reaper did not take away. */
	raw_spin_lock_irqsave(&rcache->iovad->lock, flags);
	cache = *slot;
	WRITE_ONCE(*slot, &iova_no_cache);
	raw_spin_unlock_irqrestore(&rcache->iovad->lock, flags);
	if (cache != &iova_no_cache)
		iova_cpu_retire(rcache, cache);
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
		iova_mem_exit();
	}
	mutex_unlock(&iova_cache_mutex);
}
EXPORT_SYMBOL_GPL(iova_cache_put);

MODULE_DESCRIPTION("IOVA allocator on a gap tree");
MODULE_LICENSE("GPL");
