// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a domain has done, and what its caches hold.
 *
 * Theory of operation
 * ===================
 *
 * 1. The depot counts free slots by class as they come and go; what CPUs have
 *    is added up from their caches, under the lock that keeps these alive.
 *    CPUs allocate and free meanwhile, so the sums are of about one moment.
 *
 * 2. A walk over the ranges copies a few at a time and goes on by pfn.
 */

#include <linux/export.h>
#include <linux/iova.h>

#include "internal.h"

/**
 * iova_cpu_hits - allocations that the cache of a CPU served
 * @cpu: the cache; its domain is locked
 */
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
	/* Pairs with append(): what the number covers is written. */
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
 * iova_domain_stats - look at a domain
 * @iovad: the domain
 * @stats: where the counts go
 *
 * Context: any.
 */
void iova_domain_stats(struct iova_domain *iovad, struct iova_stats *stats)
{
	struct iova_rcache *rcache = iovad->rcache;
	const struct iova_cpu *cpu;
	unsigned long flags;
	unsigned int class;

	*stats = (struct iova_stats){ };
	raw_spin_lock_irqsave(&iovad->lock, flags);
	stats->counts = iovad->counts;
	if (rcache) {
		stats->hits = rcache->hits;
		list_for_each_entry(cpu, &rcache->caches, list)
			add_cpu(cpu, stats);
		for (class = 0; rcache->depot && class < IOVA_CLASSES; class++) {
			stats->cached[class] += rcache->depot->free[0][class] +
						rcache->depot->free[1][class];
			stats->runs[class] = rcache->depot->nr_runs[class];
		}
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	for (class = 0; class < IOVA_CLASSES; class++)
		stats->all_cached += stats->cached[class];
}
EXPORT_SYMBOL_GPL(iova_domain_stats);

static struct iova_span next_span(const struct iova_run *run, unsigned long pfn)
{
	struct iova_span span;

	span.cached = iova_run_next(run, pfn, &span.first, &span.last);
	return span;
}

/**
 * iova_look - copy where the next ranges are
 * @iovad: the domain
 * @pfn: where to begin
 * @spans: room for %IOVA_BATCH of them
 *
 * One hold of the lock.  Adjacent free ranges of a run are one.  To walk a
 * domain, go on right behind the last one.
 *
 * Context: any.
 * Return: how many there are; 0 when none ends at or above @pfn.
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
		pfn = max(pfn, node->first);
		spans[nr] = iova_is_run(node) ?
			    next_span(iova_to_run(node), pfn) :
			    (struct iova_span){ node->first, node->last };
		pfn = spans[nr++].last + 1;
		if (pfn > node->last || !pfn) {
			node = gap_tree_next(node);
			pfn = 0;
		}
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	return nr;
}
