// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reaper: gives back what is cached and not needed.
 *
 * Theory of operation
 * ===================
 *
 * 1. Caches.  A CPU that neither allocates nor frees for a window loses its
 *    cache.  The reaper replaces the pointer by &iova_no_cache and waits for an
 *    RCU grace period, because the fast path may still use the cache.  Then it
 *    sorts back the magazine, releases the runs and frees the cache.  The CPU
 *    is not woken.
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

/* Have the reaper run after a window.  Context: any. */
void iova_reaper_arm(struct iova_rcache *rcache)
{
	/* This saves an atomic operation in most calls. */
	if (!delayed_work_pending(&rcache->reaper))
		queue_delayed_work(system_dfl_wq, &rcache->reaper, WINDOW);
}

/**
 * iova_cpu_retire - free the cache of a CPU
 * @rcache: caches of a domain
 * @cpu: the cache; its CPU has no pointer to it any more
 *
 * The cache stays in the list until its magazine is empty, so that requests
 * that fail reach what is in it.
 *
 * Context: process; may sleep.
 */
void iova_cpu_retire(struct iova_rcache *rcache, struct iova_cpu *cpu)
{
	struct iova_domain *iovad = rcache->iovad;
	struct iova_gone gone;
	unsigned int class, nr;

	do {
		iova_lock(iovad, &gone);
		nr = iova_magazine_sort(iovad, cpu, &gone);
		if (!nr) {
			rcache->hits += iova_cpu_hits(cpu);
			for (class = 0; class < IOVA_CLASSES; class++)
				iova_run_release(iovad, cpu->waiting[class].run);
			list_del(&cpu->list);
			WRITE_ONCE(rcache->nr_caches, rcache->nr_caches - 1);
		}
		iova_unlock(iovad, &gone);
	} while (nr);
	kfree(cpu);
}

/* Locked: whether the CPU did nothing since the last call. */
static bool is_idle(struct iova_cpu *cpu)
{
	unsigned long seen = iova_cpu_hits(cpu) + READ_ONCE(cpu->nr);

	if (cpu->seen == seen)
		return true;
	cpu->seen = seen;
	return false;
}

/* Take the caches of idle CPUs from them.  Return a list of these caches. */
static struct iova_cpu *unpublish_idle(struct iova_rcache *rcache)
{
	struct iova_cpu *cpu, *idle = NULL;

	guard(iova_domain)(rcache->iovad);
	list_for_each_entry(cpu, &rcache->caches, list) {
		struct iova_cpu **slot = per_cpu_ptr(rcache->cpus, cpu->cpu);

		/* Without the pointer, somebody is freeing it already. */
		if (!is_idle(cpu) || *slot != cpu)
			continue;
		WRITE_ONCE(*slot, &iova_no_cache);
		cpu->next_idle = idle;
		idle = cpu;
	}
	return idle;
}

static void retire_idle(struct iova_rcache *rcache)
{
	struct iova_cpu *idle = unpublish_idle(rcache), *cpu;

	if (idle)
		synchronize_rcu();
	while ((cpu = idle)) {
		idle = cpu->next_idle;
		iova_cpu_retire(rcache, cpu);
		cond_resched();
	}
}

/* Remove a batch of runs that are all free.  First, *left is ~0U: set it. */
static unsigned int trim_batch(struct iova_domain *iovad, unsigned int class,
			       unsigned int zone, bool all, unsigned int *left)
{
	struct iova_shelf *shelf;
	struct iova_gone gone;
	struct iova_run *run;
	unsigned int nr = 0;

	iova_lock(iovad, &gone);
	if (iovad->rcache->depot) {
		shelf = &iovad->rcache->depot->shelves[class][zone];
		if (*left == ~0U) {
			*left = all ? shelf->nr_all : shelf->least_all;
			shelf->least_all = shelf->nr_all - *left;
		}
		while (nr < IOVA_BATCH && *left && shelf->nr_all) {
			run = list_first_entry(&shelf->runs[IOVA_LIST_ALL],
					       struct iova_run, list);
			iova_run_remove(iovad, run, &gone);
			--*left;
			nr++;
		}
	}
	iova_unlock(iovad, &gone);
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
	struct iova_cpu *cpu;
	unsigned int class;

	if (!rcache)
		return;
	iova_magazines_sort(iovad);
	for (class = 0; class < IOVA_CLASSES; class++) {
		guard(iova_domain)(iovad);
		list_for_each_entry(cpu, &rcache->caches, list)
			iova_run_release(iovad, cpu->waiting[class].run);
	}
	trim_depot(rcache, true);
}
EXPORT_SYMBOL_GPL(iova_drain);
