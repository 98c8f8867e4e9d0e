// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counting: what caches hold, what a domain has done.
 *
 * Nothing here is kept up to date on the fast path but the hits of a CPU; all
 * else is added up when somebody asks.
 */

#include <linux/export.h>
#include <linux/iova.h>

#include "internal.h"

/**
 * iova_cpu_count - add up what a CPU has cached
 * @cache: its magazines
 * @cached: where the number of ranges of each class is added
 * @hits: where the number of allocations it served is added
 *
 * Context: any; no lock of the allocator held.
 * Return: whether the CPU has a magazine, be it empty.
 */
bool iova_cpu_count(struct iova_cpu_cache *cache, unsigned long *cached,
		    unsigned long *hits)
{
	unsigned int class;
	unsigned long flags;
	bool any = false;

	local_irq_save(flags);
	iova_cache_lock(cache);
	*hits += cache->hits;
	for (class = 0; class < IOVA_CLASSES; class++) {
		const struct iova_magazine *mag = cache->loaded[class];

		for (; mag; mag = mag->next) {
			cached[class] += mag->count;
			any = true;
		}
	}
	iova_cache_unlock(cache);
	local_irq_restore(flags);
	return any;
}

/**
 * iova_domain_stats - look at the counters of a domain
 * @iovad: the domain
 * @stats: where they go
 *
 * Exact when nobody uses the domain meanwhile.
 *
 * Context: any; no lock of the allocator held.
 */
void iova_domain_stats(struct iova_domain *iovad, struct iova_stats *stats)
{
	struct iova_rcache *rcache = iovad->rcache;
	struct iova_tree_hold hold;
	unsigned int cpu, class;

	*stats = (struct iova_stats){ .checked = iova_check };
	iova_tree_lock(iovad, &hold);
	stats->counts = iovad->counts;
	iova_tree_unlock(iovad, &hold);
	if (!rcache)
		return;

	for_each_possible_cpu(cpu)
		iova_cpu_count(per_cpu_ptr(rcache->cpus, cpu), stats->cached,
			       &stats->hits);
	for (class = 0; class < IOVA_CLASSES; class++) {
		const struct iova_depot *depot = READ_ONCE(rcache->depots[class]);

		if (depot)
			stats->cached[class] += READ_ONCE(depot->cached);
		stats->all_cached += stats->cached[class];
	}
}
EXPORT_SYMBOL_GPL(iova_domain_stats);
