// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counting: what caches hold, what a domain has done.
 *
 * Nothing here is kept up to date on the fast path but the hits of a CPU; all
 * else is added up when somebody asks.
 */

#include <linux/export.h>
#include <linux/iova.h>
#include <linux/string.h>

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

	*stats = (struct iova_stats){ };
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

/* Copy what a CPU has of a class: two magazines at most. */
static unsigned long cpu_look(struct iova_cpu_cache *cache, unsigned int class,
			      unsigned long *pfns, unsigned long room)
{
	const struct iova_magazine *mag;
	unsigned long flags, nr = 0;

	if (!READ_ONCE(cache->loaded[class]))
		return 0;
	local_irq_save(flags);
	iova_cache_lock(cache);
	for (mag = cache->loaded[class]; mag; mag = mag->next) {
		unsigned long count = min_t(unsigned long, mag->count,
					    room - nr);

		memcpy(pfns + nr, mag->pfns, count * sizeof(*pfns));
		nr += count;
	}
	iova_cache_unlock(cache);
	local_irq_restore(flags);
	return nr;
}

/**
 * iova_cached_pfns - list the ranges that caches hold
 * @iovad: the domain
 * @pfns: where the lowest pfn of each goes, in no order
 * @room: how many there is room for; what is more is left out
 *
 * Exact when nobody uses the domain meanwhile. Takes nothing out of a cache,
 * and holds no lock for longer than the copy of two magazines.
 *
 * Context: any; no lock of the allocator held. One caller at a time.
 * Return: how many were listed.
 */
unsigned long iova_cached_pfns(struct iova_domain *iovad, unsigned long *pfns,
			       unsigned long room)
{
	struct iova_rcache *rcache = iovad->rcache;
	unsigned long nr = 0, more;
	unsigned int cpu, class;

	if (!rcache)
		return 0;
	for (class = 0; class < IOVA_CLASSES; class++) {
		struct iova_depot *depot = READ_ONCE(rcache->depots[class]);
		bool restart = true;

		for_each_possible_cpu(cpu)
			nr += cpu_look(per_cpu_ptr(rcache->cpus, cpu), class,
				       pfns + nr, room - nr);
		if (!depot)
			continue;
		do {
			if (nr == room)
				return nr;
			more = iova_depot_look(depot, restart, pfns + nr,
					       room - nr);
			nr += more;
			restart = false;
		} while (more);
	}
	return nr;
}
EXPORT_SYMBOL_GPL(iova_cached_pfns);
