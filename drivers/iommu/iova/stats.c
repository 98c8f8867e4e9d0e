// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of a domain, and a walk over its ranges.
 *
 * CPUs allocate and free while their caches are added up, so the sums are those
 * of no single moment.  A walk copies a few ranges at a time.
 */

#include <linux/export.h>
#include <linux/iova.h>

#include "internal.h"

/* Locked: the number of allocations that the CPU served from its cache. */
unsigned long iova_cpu_hits(const struct iova_cpu *cpu)
{
	unsigned long hits = cpu->given;
	unsigned int class;

	for (class = 0; class < IOVA_CLASSES; class++)
		hits -= hweight_long(READ_ONCE(cpu->mask[class]));
	return hits;
}

static void add_cpu(const struct iova_cpu *cpu, struct iova_stats *stats)
{
	/* Pairs with the release in append(): entries below nr are written. */
	unsigned int class, at, nr = smp_load_acquire(&cpu->nr);

	stats->hits += iova_cpu_hits(cpu);
	for (class = 0; class < IOVA_CLASSES; class++)
		stats->cached[class] +=
			hweight_long(READ_ONCE(cpu->mask[class]));
	for (at = cpu->nr_sorted; at < nr; at++)
		stats->cached[min(iova_entry_class(cpu->freed[at]),
				  IOVA_CLASSES - 1)]++;
}

/**
 * iova_domain_stats - read the counters of a domain
 * @iovad: the domain
 * @stats: the counters
 *
 * Context: any.
 */
void iova_domain_stats(struct iova_domain *iovad, struct iova_stats *stats)
{
	struct iova_rcache *rcache = iovad->rcache;
	const struct iova_cpu *cache;
	unsigned int class, cpu;
	unsigned long flags, hits = 0;
	bool gone;

again:
	*stats = (struct iova_stats){ };
	raw_spin_lock_irqsave(&iovad->lock, flags);
	stats->counts = iovad->counts;
	if (rcache) {
		hits = rcache->hits;
		stats->hits = hits;
		for (class = 0; rcache->depot && class < IOVA_CLASSES; class++) {
			stats->cached[class] = rcache->depot->free[0][class] +
					       rcache->depot->free[1][class];
			stats->runs[class] = rcache->depot->nr_runs[class];
		}
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	for_each_possible_cpu(cpu) {
		if (!rcache)
			break;
		raw_spin_lock_irqsave(&iovad->lock, flags);
		cache = iova_cache_of(rcache, cpu);
		if (cache)
			add_cpu(cache, stats);
		gone = rcache->hits != hits;
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
		/* A CPU lost its cache: its hits may be missing. */
		if (gone)
			goto again;
	}
	for (class = 0; class < IOVA_CLASSES; class++)
		stats->all_cached += stats->cached[class];
}
EXPORT_SYMBOL_GPL(iova_domain_stats);

/**
 * iova_look - copy the next ranges of a domain
 * @iovad: the domain
 * @pfn: where to begin; to go on, the last pfn of the last span plus one
 * @spans: room for %IOVA_BATCH spans
 *
 * Context: any.
 * Return: the number of spans; 0 if no range ends at or above @pfn.
 */
unsigned int iova_look(struct iova_domain *iovad, unsigned long pfn,
		       struct iova_span *spans)
{
	unsigned int nr = 0;
	unsigned long flags;
	struct gap_node *node;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	node = gap_tree_find_from(&iovad->tree, pfn);
	while (node && nr < IOVA_BATCH) {
		struct iova_span *span = &spans[nr++];

		pfn = max(pfn, node->first);
		*span = (struct iova_span){ node->first, node->last };
		if (iova_is_run(node))
			span->cached = iova_run_next(iova_to_run(node), pfn,
						     &span->first, &span->last);
		pfn = span->last + 1;
		if (pfn > node->last || !pfn) {
			node = gap_tree_next(node);
			pfn = 0;
		}
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	return nr;
}
