// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reaper: gives back what is cached and not needed.
 *
 * Theory of operation
 * ===================
 *
 * 1. Caches.  A CPU that neither allocates nor frees for a window loses its
 *    cache.  The reaper sorts back the magazine, releases the runs, replaces
 *    the pointer by &iova_no_cache and waits for an RCU grace period, because
 *    the fast path may still use the cache.  Then it sorts back what the CPU
 *    freed meanwhile, and frees the cache.  The CPU is not woken.
 *
 * 2. Runs that are all free.  Each shelf records the minimum of their number in
 *    a window; so many were not needed, and are removed at its end.  This is
 *    the working set of Bonwick and Adams, "Magazines and Vmem" (USENIX 2001),
 *    3.6.
 *
 * 3. The work is armed when a CPU gets a cache, when a run is made and when a
 *    range is freed past the magazines.  It runs once a window while there are
 *    caches or runs that are all free.  An idle domain has none after three
 *    windows, and its reaper stops.  The work queue is unbound, so the work
 *    does not run on isolated CPUs.
 */

#include <linux/export.h>
#include <linux/iova.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

/* A window, in jiffies. */
#define WINDOW	HZ
/* Granules of a run whose hints cost as much to clear as a tree operation. */
#define HINTS_COST	(64 * IOVA_RUN_PAGES)

/* Have the reaper run after a window.  Context: any. */
void iova_reaper_arm(struct iova_rcache *rcache)
{
	/* This saves an atomic operation in most calls. */
	if (!delayed_work_pending(&rcache->reaper))
		queue_delayed_work(system_dfl_wq, &rcache->reaper, WINDOW);
}

/* Locked: whether the CPU did nothing since the last call. */
static bool is_idle(struct iova_cpu *cpu)
{
	unsigned long seen = iova_cpu_hits(cpu) + cpu->frees +
			     READ_ONCE(cpu->nr);

	if (cpu->seen == seen)
		return true;
	cpu->seen = seen;
	return false;
}

/**
 * iova_cpu_unpublish - take its cache from a CPU
 * @rcache: caches of a domain
 * @cpu: number of the CPU
 * @if_idle: only if the CPU did nothing since the last such call
 *
 * Its magazine is sorted back and its runs are released.  The CPU may still
 * append to the magazine until it has seen that the pointer has changed.
 *
 * Context: any.
 * Return: the cache, for iova_cpu_retire(); %NULL if the CPU had none or keeps
 * it.
 */
struct iova_cpu *iova_cpu_unpublish(struct iova_rcache *rcache,
				    unsigned int cpu, bool if_idle)
{
	struct iova_domain *iovad = rcache->iovad;
	struct iova_cpu *cache;
	struct iova_gone gone;
	unsigned long flags;
	unsigned int class;
	bool more;

	iova_gone_init(&gone);
	do {
		raw_spin_lock_irqsave(&iovad->lock, flags);
		cache = iova_cache_of(rcache, cpu);
		if (cache && if_idle && !is_idle(cache))
			cache = NULL;
		more = cache && iova_magazine_sort(iovad, cache, &gone);
		if (cache && !more) {
			WRITE_ONCE(*per_cpu_ptr(rcache->cpus, cpu),
				   &iova_no_cache);
			for (class = 0; class < IOVA_CLASSES; class++)
				iova_run_release(iovad, cache->run[class]);
			rcache->hits += cache->given;
		}
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
		iova_gone_finish(iovad, &gone);
	} while (more);
	return cache;
}

/**
 * iova_cpu_retire - free a cache
 * @rcache: caches of a domain
 * @cache: the cache, which no CPU uses any more
 *
 * The cache stays in the list until its magazine is empty, so that requests
 * that fail reach what is in it.
 *
 * Context: any.
 */
void iova_cpu_retire(struct iova_rcache *rcache, struct iova_cpu *cache)
{
	struct iova_domain *iovad = rcache->iovad;
	struct iova_gone gone;
	unsigned long flags;
	bool more;

	iova_gone_init(&gone);
	do {
		raw_spin_lock_irqsave(&iovad->lock, flags);
		more = iova_magazine_sort(iovad, cache, &gone);
		if (!more) {
			list_del(&cache->list);
			rcache->turn++;
			WRITE_ONCE(rcache->nr_caches, rcache->nr_caches - 1);
		}
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
		iova_gone_finish(iovad, &gone);
	} while (more);
	kfree(cache);
}

static void retire_idle(struct iova_rcache *rcache)
{
	struct iova_cpu *idle = NULL, *cache;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		cache = iova_cpu_unpublish(rcache, cpu, true);
		if (cache) {
			cache->next_idle = idle;
			idle = cache;
		}
		cond_resched();
	}
	if (idle)
		synchronize_rcu();
	while ((cache = idle)) {
		idle = cache->next_idle;
		iova_cpu_retire(rcache, cache);
		cond_resched();
	}
}

/*
 * Remove a batch of runs that are all free; long ones have many hints.  First,
 * *left is ~0U: set it.
 */
static unsigned int trim_batch(struct iova_domain *iovad, unsigned int class,
			       unsigned int zone, bool all, unsigned int *left)
{
	struct iova_shelf *shelf;
	struct iova_gone gone;
	struct iova_run *run;
	unsigned long flags;
	unsigned int nr = 0, cost = 0;

	iova_gone_init(&gone);
	raw_spin_lock_irqsave(&iovad->lock, flags);
	if (iovad->rcache->depot) {
		shelf = &iovad->rcache->depot->shelves[class][zone];
		if (*left == ~0U) {
			*left = all ? shelf->nr_all : shelf->least_all;
			shelf->least_all = shelf->nr_all - *left;
		}
		while (cost < IOVA_BATCH && *left && shelf->nr_all) {
			run = list_first_entry(&shelf->runs[IOVA_LIST_ALL],
					       struct iova_run, list);
			iova_run_remove(iovad, run, &gone);
			cost += 1 + (1U << run->shift) / HINTS_COST;
			--*left;
			nr++;
		}
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	iova_gone_finish(iovad, &gone);
	return nr;
}

/* Remove the runs that the depot did not need, or all that are all free. */
static void trim_depot(struct iova_rcache *rcache, bool all)
{
	unsigned int class, zone, runs, left, nr;

	for (class = 0; class < IOVA_CLASSES; class++) {
		for (zone = 0, runs = 0; zone < IOVA_ZONES; zone++) {
			left = ~0U;
			while ((nr = trim_batch(rcache->iovad, class, zone, all,
						&left))) {
				runs += nr;
				cond_resched();
			}
		}
		if (runs)
			trace_iova_reap(rcache->iovad, 1UL << class, runs);
	}
}

/* Free the depot if it has no runs.  Return whether to run again. */
static bool drop_depot(struct iova_rcache *rcache)
{
	struct iova_domain *iovad = rcache->iovad;
	struct iova_depot *depot = NULL;
	unsigned int class, zone;
	unsigned long flags;
	bool more;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	more = !list_empty(&rcache->caches);
	if (rcache->depot) {
		for (class = 0; class < IOVA_CLASSES; class++)
			for (zone = 0; zone < IOVA_ZONES; zone++)
				more |= rcache->depot->shelves[class][zone].nr_all;
	}
	if (!more && rcache->depot && !rcache->depot->blocks) {
		depot = rcache->depot;
		WRITE_ONCE(rcache->depot, NULL);
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	iova_depot_free(depot);
	return more;
}

static void reaper_work(struct work_struct *work)
{
	struct iova_rcache *rcache = container_of(to_delayed_work(work),
						  struct iova_rcache, reaper);

	retire_idle(rcache);
	trim_depot(rcache, false);
	if (drop_depot(rcache))
		queue_delayed_work(system_dfl_wq, &rcache->reaper, WINDOW);
}

void iova_reaper_init(struct iova_rcache *rcache)
{
	INIT_DELAYED_WORK(&rcache->reaper, reaper_work);
}

/**
 * iova_drain - give back all that is cached and free
 * @iovad: the domain
 *
 * Runs with taken slots stay.  Other CPUs may fill the caches again at once.
 *
 * Context: process; may sleep.
 */
void iova_drain(struct iova_domain *iovad)
{
	struct iova_rcache *rcache = iovad->rcache;
	unsigned int cpu, class;
	struct iova_cpu *cache;
	unsigned long flags;

	if (!rcache)
		return;
	iova_magazines_sort(iovad);
	for_each_possible_cpu(cpu) {
		raw_spin_lock_irqsave(&iovad->lock, flags);
		cache = iova_cache_of(rcache, cpu);
		for (class = 0; cache && class < IOVA_CLASSES; class++)
			iova_run_release(iovad, cache->run[class]);
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
	}
	trim_depot(rcache, true);
}
EXPORT_SYMBOL_GPL(iova_drain);
