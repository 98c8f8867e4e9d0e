// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of a domain, and a walk over its ranges.
 *
 * CPUs allocate and free while their caches are added up, so the sums are those
 * of no single moment.  A walk copies one range at a time.
 */

#include <linux/export.h>
#include <linux/iova.h>

#include "internal.h"

/* Locked: the number of allocations that the CPU served from its cache. */
unsigned long iova_cpu_hits(const struct iova_cpu *cpu)
{
	const struct iova_waiting *waiting = cpu->waiting;
	unsigned long hits = 0;

	for (; waiting < cpu->waiting + IOVA_CLASSES; waiting++)
		hits += waiting->given - hweight_long(READ_ONCE(waiting->mask));
	return hits;
}

static void add_cpu(const struct iova_cpu *cpu, struct iova_stats *stats)
{
	/* Pairs with the release in append(): entries below nr are written. */
	unsigned int class, at, nr = smp_load_acquire(&cpu->nr);

	stats->hits += iova_cpu_hits(cpu);
	for (class = 0; class < IOVA_CLASSES; class++)
		stats->cached[class] +=
			hweight_long(READ_ONCE(cpu->waiting[class].mask));
	for (at = cpu->nr_sorted; at != nr; at++)
		stats->cached[min(iova_entry_class(cpu->freed[at % IOVA_MAGAZINE]),
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
	unsigned long hits;
	bool gone;

again:
	*stats = (struct iova_stats){ };
	scoped_guard(iova_domain, iovad) {
		stats->counts = iovad->counts;
		hits = rcache ? rcache->hits : 0;
		stats->hits = hits;
		for (class = 0; rcache && rcache->depot && class < IOVA_CLASSES; class++) {
			stats->cached[class] = rcache->depot->free[0][class] +
					       rcache->depot->free[1][class];
			stats->runs[class] = rcache->depot->nr_runs[class];
		}
	}
	for_each_possible_cpu(cpu) {
		if (!rcache)
			break;
		scoped_guard(iova_domain, iovad) {
			cache = iova_cache_of(rcache, cpu);
			if (cache)
				add_cpu(cache, stats);
			gone = rcache->hits != hits;
		}
		/* A CPU lost its cache: its hits may be missing. */
		if (gone)
			goto again;
	}
	for (class = 0; class < IOVA_CLASSES; class++)
		stats->all_cached += stats->cached[class];
}
EXPORT_SYMBOL_GPL(iova_domain_stats);

/**
 * iova_look - copy the next range of a domain
 * @iovad: the domain
 * @pfn: where to look; to go on, the last pfn of the last span plus one
 * @span: the range
 *
 * Context: any.
 * Return: true; false if no range ends at or above @pfn.
 */
bool iova_look(struct iova_domain *iovad, unsigned long pfn,
	       struct iova_span *span)
{
	struct gap_node *node;

	guard(iova_domain)(iovad);
	node = gap_tree_find_from(&iovad->tree, pfn);
	if (!node)
		return false;
	*span = (struct iova_span){ node->first, node->last };
	if (iova_is_run(node))
		span->cached = iova_run_next(iova_to_run(node),
					     max(pfn, node->first),
					     &span->first, &span->last);
	return true;
}
