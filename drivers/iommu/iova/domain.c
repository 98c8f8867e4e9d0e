// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOVA domains: their life, and the API that works on the tree.
 *
 * Theory of operation
 * ===================
 *
 * 1. A domain is an address space of pfns of one granule each.  The functions
 *    of this file allocate at the highest place where a range fits.  The result
 *    depends on what is allocated, not on the order in which that was done.
 *
 * 2. init_iova_domain() gives a domain a tree, which is enough for alloc_iova()
 *    and the other functions of this file.  iova_domain_init_rcaches()
 *    (rcache.c) adds the caches for alloc_iova_fast().  Both may be repeated
 *    after a failure, and init_iova_domain() after put_iova_domain().
 *
 * 3. iova_cache_get() and iova_cache_put() count the users of the slab caches
 *    and of the CPU hotplug callback.
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
 * init_iova_domain - initialise a domain without ranges
 * @iovad: the domain
 * @granule: bytes per pfn: a power of two, at most PAGE_SIZE
 * @start_pfn: lowest pfn to allocate
 *
 * If the granule is wrong, this warns; then all allocations from the domain
 * fail, and so does iova_domain_init_rcaches().
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
}
EXPORT_SYMBOL_GPL(init_iova_domain);

/**
 * put_iova_domain - free all ranges and caches of a domain
 * @iovad: the domain, which nobody uses any more
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
 * alloc_iova - allocate a range with a node of its own
 * @iovad: the domain
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @size_aligned: align it to roundup_pow_of_two(@size)
 *
 * Takes the highest place in the tree.  If there is none, takes free ranges of
 * the caches.
 *
 * Context: any.
 * Return: the range, to be freed with __free_iova() or free_iova(); %NULL if
 * nothing fits, or without memory.
 */
struct iova *alloc_iova(struct iova_domain *iovad, unsigned long size,
			unsigned long limit_pfn, bool size_aligned)
{
	struct iova *iova;

	if (WARN_ONCE(!size, "iova: allocation of no pages\n"))
		return NULL;
	iova = iova_mem_alloc();
	if (!iova)
		return NULL;
	if (!iova_tree_alloc(iovad, size, limit_pfn, size_aligned, 0, iova)) {
		iova_magazines_sort(iovad);
		if (!iovad->rcache ||
		    !iova_search(iovad, size, limit_pfn, size_aligned, iova)) {
			iova_mem_free(iova);
			trace_iova_alloc_failed(iovad, limit_pfn, size);
			return NULL;
		}
	}
	trace_iova_alloc(iovad, iova->pfn_lo, size);
	return iova;
}
EXPORT_SYMBOL_GPL(alloc_iova);

/* Locked.  Return NULL with *cut set if the range is a slot of a run. */
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
 * The caller makes sure that nobody frees the range meanwhile.  If the range is
 * one of alloc_iova_fast(), the call is slow, because the run has to be cut.
 *
 * Context: any.
 * Return: the range; %NULL if the pfn is not allocated, or without memory to
 * cut the run.
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
	/* NULL if the reaper was first to take it. */
	struct iova_cpu *cache = iova_cpu_unpublish(rcache, cpu, false);

	/* No grace period: a dead CPU is in no fast path. */
	if (cache)
		iova_cpu_retire(rcache, cache);
	return 0;
}

/**
 * iova_cache_get - set up what all domains share
 *
 * Call it before using any domain.
 *
 * Context: process; may sleep.
 * Return: 0; -ENOMEM, or an error of cpuhp_setup_state_multi(): then the call
 * may be repeated.
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
 * iova_cache_put - undo one iova_cache_get()
 *
 * Call it when the caller has no domain left.
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
