// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reaper: returns what is cached and not needed.
 *
 * Theory of operation
 * ===================
 *
 * 1. Caches of CPUs.  A CPU that neither allocates nor frees for a window loses
 *    its cache: the pointer is set to the empty one that all domains share, an
 *    RCU grace period waits for the fast path that may still use it, the
 *    magazine is sorted back, the slots go back to their runs, and the memory
 *    is freed.  The CPU is not woken for that.
 *
 * 2. Runs that are all free.  Of these the depot keeps what it needed: each
 *    shelf notes the smallest number it had in a window, and so many go back
 *    to the tree at its end.  This is the working set of Bonwick and Adams,
 *    "Magazines and Vmem" (USENIX 2001), section 3.6.
 *
 * 3. The clock.  The work is armed when a CPU gets a cache, a run is made, or a
 *    range is freed past the magazines.  It goes on while there are caches or
 *    runs that are all free.  In an idle domain there are none after three
 *    windows, and nobody looks any more.  The work is not bound to a CPU, so
 *    isolated CPUs do not run it.
 */

#include <linux/iova.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

/* A window, in jiffies. */
#define WINDOW	HZ

/**
 * iova_reaper_arm - let the reaper run at the end of a window
 * @rcache: caches of a domain
 *
 * Context: any.
 */
void iova_reaper_arm(struct iova_rcache *rcache)
{
	/* Spare who asks again and again the atomic operation. */
	if (!delayed_work_pending(&rcache->reaper))
		queue_delayed_work(system_dfl_wq, &rcache->reaper, WINDOW);
}

static void release(struct iova_domain *iovad, struct iova_run *run)
{
	if (run)
		iova_run_release(iovad, run);
}

/**
 * iova_cpu_retire - free the cache of a CPU
 * @rcache: caches of a domain
 * @cpu: the cache; its CPU does not use it any more
 *
 * Context: process; may sleep.
 */
void iova_cpu_retire(struct iova_rcache *rcache, struct iova_cpu *cpu)
{
	struct iova_domain *iovad = rcache->iovad;
	struct iova_gone gone;
	unsigned long flags;
	unsigned int class;
	bool more = true;

	iova_gone_init(&gone);
	while (more) {
		raw_spin_lock_irqsave(&iovad->lock, flags);
		more = iova_magazine_sort(iovad, cpu, &gone);
		if (!more) {
			rcache->hits += iova_cpu_hits(cpu);
			for (class = 0; class < IOVA_CLASSES; class++)
				release(iovad, cpu->run[class]);
			list_del(&cpu->list);
			WRITE_ONCE(rcache->nr_caches, rcache->nr_caches - 1);
		}
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
		iova_gone_finish(iovad, &gone);
	}
	kfree(cpu);
}

/* Whether a CPU did nothing since the last look.  The domain is locked. */
static bool is_idle(struct iova_cpu *cpu)
{
	unsigned long seen = iova_cpu_hits(cpu) + cpu->frees +
			     READ_ONCE(cpu->nr);

	if (cpu->seen == seen)
		return true;
	cpu->seen = seen;
	return false;
}

/* Take the caches of idle CPUs from them, and put them on a list. */
static void unpublish_idle(struct iova_rcache *rcache, struct iova_cpu **idle)
{
	struct iova_domain *iovad = rcache->iovad;
	struct iova_cpu *cpu;
	unsigned long flags;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	list_for_each_entry(cpu, &rcache->caches, list) {
		struct iova_cpu **slot = per_cpu_ptr(rcache->cpus, cpu->cpu);

		/* One that has no pointer any more is being freed already. */
		if (!is_idle(cpu) || *slot != cpu)
			continue;
		WRITE_ONCE(*slot, &iova_no_cache);
		cpu->next_idle = *idle;
		*idle = cpu;
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
}

static void retire_idle(struct iova_rcache *rcache)
{
	struct iova_cpu *idle = NULL, *cpu;

	unpublish_idle(rcache, &idle);
	if (!idle)
		return;
	synchronize_rcu();
	while ((cpu = idle)) {
		idle = cpu->next_idle;
		iova_cpu_retire(rcache, cpu);
		cond_resched();
	}
}

/* How many runs of a shelf are to go: what was not needed, or all. */
static unsigned int plan(struct iova_rcache *rcache, unsigned int class,
			 unsigned int zone, bool all)
{
	struct iova_shelf *shelf;
	unsigned int nr = 0;
	unsigned long flags;

	raw_spin_lock_irqsave(&rcache->iovad->lock, flags);
	if (rcache->depot) {
		shelf = &rcache->depot->shelves[class][zone];
		nr = all ? shelf->nr_all : shelf->least_all;
		shelf->least_all = shelf->nr_all - nr;
	}
	raw_spin_unlock_irqrestore(&rcache->iovad->lock, flags);
	return nr;
}

/* Up to a batch of runs that are all free leave the tree; return how many. */
static unsigned int return_runs(struct iova_rcache *rcache, unsigned int class,
				unsigned int zone, unsigned int most)
{
	struct iova_domain *iovad = rcache->iovad;
	struct iova_gone gone;
	struct iova_run *run;
	unsigned long flags;
	unsigned int nr = 0;

	iova_gone_init(&gone);
	raw_spin_lock_irqsave(&iovad->lock, flags);
	while (rcache->depot && nr < min(most, IOVA_BATCH)) {
		struct iova_shelf *shelf = &rcache->depot->shelves[class][zone];

		run = list_first_entry_or_null(&shelf->runs[IOVA_LIST_ALL],
					       struct iova_run, list);
		if (!run)
			break;
		iova_run_remove(iovad, run, &gone);
		nr++;
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	iova_gone_finish(iovad, &gone);
	return nr;
}

static unsigned int trim_shelf(struct iova_rcache *rcache, unsigned int class,
			       unsigned int zone, bool all)
{
	unsigned int most = plan(rcache, class, zone, all), left = most, nr;

	while (left && (nr = return_runs(rcache, class, zone, left))) {
		left -= nr;
		cond_resched();
	}
	return most - left;
}

/* Return what the depot did not need; with @all, whatever is all free. */
static void trim_depot(struct iova_rcache *rcache, bool all)
{
	unsigned int class, zone, runs;

	for (class = 0; class < IOVA_CLASSES; class++) {
		for (zone = 0, runs = 0; zone < IOVA_ZONES; zone++)
			runs += trim_shelf(rcache, class, zone, all);
		if (runs)
			trace_iova_reap(rcache->iovad, 1UL << class, runs);
	}
}

/* Free the depot of an idle domain.  Return whether there is more to do. */
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

/**
 * iova_reaper_init - prepare the reaper of a domain
 * @rcache: its caches
 */
void iova_reaper_init(struct iova_rcache *rcache)
{
	INIT_DELAYED_WORK(&rcache->reaper, reaper_work);
}

/**
 * iova_caches_drain - give all that caches hold back to the tree
 * @iovad: the domain
 *
 * Runs with live ranges stay.
 *
 * Context: process; may sleep.
 */
void iova_caches_drain(struct iova_domain *iovad)
{
	struct iova_rcache *rcache = iovad->rcache;
	struct iova_cpu *cpu;
	unsigned long flags;
	unsigned int class;

	if (!rcache)
		return;
	iova_magazines_sort(iovad);
	for (class = 0; class < IOVA_CLASSES; class++) {
		raw_spin_lock_irqsave(&iovad->lock, flags);
		list_for_each_entry(cpu, &rcache->caches, list)
			release(iovad, cpu->run[class]);
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
	}
	trim_depot(rcache, true);
}
