// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reaper: returns cached ranges that are not needed.
 *
 * Theory of operation
 * ===================
 *
 * 1. The aim.  Of each class at most twice as many ranges stay cached as were
 *    in flight at the recent peak; with none in flight all go back, and the
 *    magazines with them.  Depots stay.  While a CPU exchanges magazines, more
 *    can stay: see 2.
 *
 * 2. The count.  The tree counts the ranges as long as each class (nodes);
 *    the reaper adds up what depots and CPUs have cached of it.  The
 *    difference is in flight now.  Between two looks the depot notes peaks
 *    at each exchange of a magazine (depot.c), which count what CPUs have
 *    cached as in flight.  A window is
 *    %TICKS_PER_WINDOW looks; the bound takes the peak of this window and of
 *    the one before, so a burst is remembered for one to two windows.
 *
 * 3. The work.  Ranges leave the depot first, then each CPU: the magazine
 *    below the loaded one, then part of the loaded one.  A CPU's lock is held
 *    to move its magazines to the depot or to copy %IOVA_BATCH pfns; the tree's
 *    lock for %IOVA_BATCH operations.
 *
 *    Empty magazines and spare ranges that a whole window did not need are
 *    freed, too.
 *
 * 4. The clock.  The work is armed after magazines were made (supply.c), or
 *    were missed, and goes on until there are none and the domain is quiet.
 *    After it has been quiet for longer than peaks are remembered, nothing is
 *    left to return, and each look comes twice as late as the one before, up to
 *    %QUIET_MAX doublings: a machine that sleeps with buffers mapped is hardly
 *    woken.  The timer is not deferrable: an idle CPU would put it off for as
 *    long as it idles.
 */

#include <linux/iova.h>

#include "internal.h"
#include "trace.h"

#define TICKS_PER_WINDOW	10
#define QUIET_MAX		8

/**
 * iova_reaper_arm - let the reaper run soon
 * @rcache: caches of a domain
 *
 * Context: any.
 */
void iova_reaper_arm(struct iova_rcache *rcache)
{
	/* Bring a late look forward, once: moved again and again it never came. */
	if (READ_ONCE(rcache->reaper_quiet) > 2 * TICKS_PER_WINDOW) {
		WRITE_ONCE(rcache->reaper_quiet, 0);
		mod_delayed_work(system_wq, &rcache->reaper,
				 IOVA_REAPER_INTERVAL);
		return;
	}
	/* Spare who asks again and again the atomic operation. */
	if (!delayed_work_pending(&rcache->reaper))
		queue_delayed_work(system_wq, &rcache->reaper,
				   IOVA_REAPER_INTERVAL);
}

/* How long until the next look, when @seen has been counted by now. */
static unsigned long next_interval(struct iova_rcache *rcache,
				   unsigned long seen)
{
	unsigned int quiet = seen == rcache->reaper_seen ?
			     READ_ONCE(rcache->reaper_quiet) + 1 : 0;
	unsigned int late = quiet > 2 * TICKS_PER_WINDOW ?
			    quiet - 2 * TICKS_PER_WINDOW : 0;

	rcache->reaper_seen = seen;
	WRITE_ONCE(rcache->reaper_quiet,
		   min(quiet, 2U * TICKS_PER_WINDOW + QUIET_MAX));
	return IOVA_REAPER_INTERVAL << min_t(unsigned int, late, QUIET_MAX);
}

/*
 * Take up to %IOVA_BATCH ranges of a CPU, the coldest first: those at the
 * bottom of the magazine below, else those at the bottom of the loaded one.
 */
static unsigned int take_from_cpu(struct iova_cpu_cache *cache,
				  unsigned int class, unsigned long want,
				  unsigned long *pfns)
{
	unsigned int nr = 0, i;
	struct iova_magazine *mag;
	unsigned long flags;

	local_irq_save(flags);
	iova_cache_lock(cache);
	mag = cache->loaded[class];
	if (mag && mag->next && mag->next->count)
		mag = mag->next;
	if (mag) {
		nr = min3((unsigned long)mag->count, want,
			  (unsigned long)IOVA_BATCH);
		mag->count -= nr;
		for (i = 0; i < nr; i++)
			pfns[i] = mag->pfns[i];
		for (i = 0; i < mag->count; i++)
			mag->pfns[i] = mag->pfns[i + nr];
	}
	iova_cache_unlock(cache);
	local_irq_restore(flags);
	return nr;
}

/* One hold of the tree's lock, see depot.c, 6. */
static unsigned int reap_cpu(struct iova_rcache *rcache, unsigned int class,
			     unsigned int cpu, unsigned long want)
{
	unsigned long pfns[IOVA_BATCH];
	struct iova_tree_hold hold;
	unsigned int nr;

	iova_tree_lock(rcache->iovad, &hold);
	nr = take_from_cpu(per_cpu_ptr(rcache->cpus, cpu), class, want, pfns);
	iova_tree_return(rcache->iovad, &hold, class, pfns, nr);
	return nr;
}

static unsigned long reap_cpus(struct iova_rcache *rcache, unsigned int class,
			       unsigned long excess)
{
	unsigned long left = excess;
	unsigned int cpu, nr;

	for_each_possible_cpu(cpu)
		while (left && (nr = reap_cpu(rcache, class, cpu, left)))
			left -= nr;
	return excess - left;
}

/* Note what is in flight and tell how many of @cached are too many. */
static unsigned long excess_of(struct iova_rcache *rcache, unsigned int class,
			       unsigned long cached, bool new_window)
{
	struct iova_depot *depot = READ_ONCE(rcache->depots[class]);
	unsigned long nodes = READ_ONCE(rcache->nodes[class]);
	unsigned long live = nodes > cached ? nodes - cached : 0;
	unsigned long flags, bound;

	raw_spin_lock_irqsave(&depot->lock, flags);
	depot->peak = max(depot->peak, live);
	bound = 2 * max(depot->peak, depot->old_peak);
	if (new_window) {
		depot->old_peak = depot->peak;
		depot->peak = live;
	}
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return cached > bound ? cached - bound : 0;
}

static void reap_class(struct iova_rcache *rcache, unsigned int class,
		       unsigned long excess)
{
	unsigned long done = iova_depot_return(rcache, class, excess);

	if (done < excess)
		done += reap_cpus(rcache, class, excess - done);
	if (done)
		trace_iova_reap(rcache->iovad, iova_class_size(class), done);
}

/* Free empty magazines of a class that has had nothing to do for a while. */
static void free_idle_magazines(struct iova_rcache *rcache, unsigned int class)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		iova_depot_put_cpu(rcache, class, cpu);
	iova_depot_drain(rcache, class);
}

static void reaper_work(struct work_struct *work)
{
	struct iova_rcache *rcache = container_of(to_delayed_work(work),
						  struct iova_rcache, reaper);
	bool new_window = ++rcache->reaper_ticks % TICKS_PER_WINDOW == 0;
	unsigned long cached[IOVA_CLASSES] = { };
	unsigned long seen = READ_ONCE(rcache->iovad->counts.misses);
	unsigned int class, cpu;
	bool any = false;

	if (test_and_clear_bit(IOVA_SUPPLY_WANTED, &rcache->iovad->detours))
		queue_work(system_unbound_wq, &rcache->supply);

	for_each_possible_cpu(cpu)
		any |= iova_cpu_count(per_cpu_ptr(rcache->cpus, cpu), cached,
				      &seen);

	for (class = 0; class < IOVA_CLASSES; class++) {
		struct iova_depot *depot = READ_ONCE(rcache->depots[class]);
		unsigned long excess;

		if (!depot)
			continue;
		any |= READ_ONCE(depot->full) || READ_ONCE(depot->empty);
		cached[class] += READ_ONCE(depot->cached);
		seen += cached[class];
		excess = excess_of(rcache, class, cached[class], new_window);
		if (excess)
			reap_class(rcache, class, excess);
		else if (!cached[class] && !READ_ONCE(depot->peak) &&
			 !depot->old_peak)
			free_idle_magazines(rcache, class);
		if (new_window)
			iova_depot_trim(depot);
	}
	if (new_window)
		iova_spares_trim(rcache->iovad);
	/* Who only allocates has no magazine, and is not idle. */
	if (any || seen != rcache->reaper_seen)
		queue_delayed_work(system_wq, &rcache->reaper,
				   next_interval(rcache, seen));
	else
		iova_spares_free(rcache->iovad);
}

/**
 * iova_reaper_init - prepare the reaper of a domain
 * @rcache: its caches
 */
void iova_reaper_init(struct iova_rcache *rcache)
{
	INIT_DELAYED_WORK(&rcache->reaper, reaper_work);
}
