// SPDX-License-Identifier: GPL-2.0-only
/*
 * The depot: runs that belong to no CPU.
 *
 * Theory of operation
 * ===================
 *
 * 1. A run with free slots belongs to a CPU, or is on a list of the depot: that
 *    for its class, its zone and how much of it is free.  A run without free
 *    slots is on no list until a slot is freed.
 *
 * 2. A CPU without slots gets more of its own run, if that has any.  Otherwise
 *    it gets the run with the most free slots, but one that is all free only if
 *    no other will do.  Runs with too few free slots are left to collect more:
 *    less than an eighth for single pages, a quarter for up to four, a half for
 *    larger ones.  Instead a new run is made.  So consecutive allocations are
 *    adjacent, and little-used runs become all free and can be removed.
 *
 * 3. If there is no place for a new run, a run that is all free is removed, of
 *    any class.  If that does not help, a run with few free slots will do.
 *
 * 4. Lists are queues, so that slots are reused as late as possible.
 *
 * 5. Requests that are limited to 4 GiB take runs of zone 0.  Other requests
 *    have a run made there only if there is no place above.  A CPU uses up the
 *    run that it has, whatever its zone.
 */

#include <linux/iova.h>
#include <linux/slab.h>

#include "internal.h"

/* Hints of a new depot, and of the largest: 32 KiB. */
#define HINTS_MIN	64U
#define HINTS_MAX	4096U
/* Runs of a list that are tried: those at its head may be above the limit. */
#define LOOK		4U

/* The zone of @last: the highest pfn of a run, or the limit of a request. */
unsigned int iova_zone(const struct iova_domain *iovad, unsigned long last)
{
	return ((u64)last >> (32 - __ffs(iovad->granule))) ? 1 : 0;
}

/* Locked: the length to which the hints should grow, 0 if they are enough. */
unsigned int iova_hints_wanted(const struct iova_depot *depot)
{
	return depot && depot->nr_hints < min(2 * depot->blocks, HINTS_MAX) ?
	       4 * depot->nr_hints : 0;
}

/* Context: any.  Return NULL without memory. */
struct iova_depot *iova_depot_make(void)
{
	struct iova_depot *depot = kzalloc(sizeof(*depot),
					   GFP_ATOMIC | __GFP_NOWARN);
	unsigned int class, zone, i;

	if (!depot)
		return NULL;
	for (class = 0; class < IOVA_CLASSES; class++)
		for (zone = 0; zone < IOVA_ZONES; zone++)
			for (i = 0; i < IOVA_LISTS; i++)
				INIT_LIST_HEAD(&depot->shelves[class][zone].runs[i]);
	depot->nr_hints = HINTS_MIN;
	depot->hints = kcalloc(HINTS_MIN, sizeof(*depot->hints),
			       GFP_ATOMIC | __GFP_NOWARN);
	if (depot->hints)
		return depot;
	kfree(depot);
	return NULL;
}

/* @depot may be NULL; it has no runs, or its domain is going away. */
void iova_depot_free(struct iova_depot *depot)
{
	if (!depot)
		return;
	kfree(depot->hints);
	kfree(depot);
}

static struct iova_shelf *shelf_of(struct iova_domain *iovad,
				   const struct iova_run *run)
{
	return &iovad->rcache->depot->shelves[run->class][run->zone];
}

/* Locked: take a run off its list, if it is on one. */
void iova_depot_unlist(struct iova_domain *iovad, struct iova_run *run)
{
	struct iova_shelf *shelf;

	if (run->list_no == IOVA_NO_LIST)
		return;
	list_del(&run->list);
	if (run->list_no == IOVA_LIST_ALL) {
		shelf = shelf_of(iovad, run);
		shelf->nr_all--;
		shelf->least_all = min(shelf->least_all, shelf->nr_all);
	}
	run->list_no = IOVA_NO_LIST;
}

/* Locked: put a run without owner on the list where it belongs, if on any. */
void iova_depot_list(struct iova_domain *iovad, struct iova_run *run)
{
	struct iova_shelf *shelf;
	unsigned int no = IOVA_NO_LIST;

	run->relist_at = 1;
	if (run->nr_free) {
		no = fls(run->nr_free * 8 / run->nr_slots);
		/* The first number of free slots that is for the next list. */
		run->relist_at = no == IOVA_LIST_ALL ? IOVA_NO_RELIST :
				 DIV_ROUND_UP(run->nr_slots << no, 8);
	}
	if (no == run->list_no)
		return;
	iova_depot_unlist(iovad, run);
	if (no == IOVA_NO_LIST)
		return;
	shelf = shelf_of(iovad, run);
	list_add_tail(&run->list, &shelf->runs[no]);
	run->list_no = no;
	if (no == IOVA_LIST_ALL)
		shelf->nr_all++;
}

static struct iova_run *pick(struct iova_domain *iovad, unsigned int class,
			     unsigned int zone, unsigned int no,
			     unsigned long limit_pfn)
{
	struct iova_shelf *shelf = &iovad->rcache->depot->shelves[class][zone];
	unsigned int left = LOOK;
	struct iova_run *run;

	list_for_each_entry(run, &shelf->runs[no], list) {
		if (run->gap.last <= limit_pfn)
			return run;
		if (!--left)
			break;
	}
	return NULL;
}

static struct iova_run *pick_best(struct iova_domain *iovad,
				  unsigned int class, unsigned long limit_pfn)
{
	/* A CPU gets an eighth of a run of single pages at once. */
	unsigned int least = class > 2 ? 3 : class ? 2 : 1, no;
	unsigned int zone = iova_zone(iovad, limit_pfn);
	struct iova_run *run = NULL;

	for (no = IOVA_LIST_ALL - 1; no >= least && !run; no--)
		run = pick(iovad, class, zone, no, limit_pfn);
	return run ?: pick(iovad, class, zone, IOVA_LIST_ALL, limit_pfn);
}

static struct iova_run *pick_any(struct iova_domain *iovad,
				 unsigned int class, unsigned long limit_pfn)
{
	unsigned int zone = iova_zone(iovad, limit_pfn) + 1, no;
	struct iova_run *run = NULL;

	while (!run && zone--)
		for (no = IOVA_LISTS; !run && no--; )
			run = pick(iovad, class, zone, no, limit_pfn);
	return run;
}

/* The run that a CPU owns, if it can give more. */
static struct iova_run *own_run(struct iova_run *run, unsigned long limit_pfn)
{
	return run && run->nr_free && run->gap.last <= limit_pfn ? run : NULL;
}

/* Remove a run that is all free, of any class. */
static bool evict(struct iova_domain *iovad, unsigned long limit_pfn,
		  struct iova_gone *gone)
{
	unsigned int zone = iova_zone(iovad, limit_pfn), class = IOVA_CLASSES;
	struct iova_run *run = NULL;

	while (!run && class--)
		run = pick(iovad, class, zone, IOVA_LIST_ALL, limit_pfn);
	if (run)
		iova_run_remove(iovad, run, gone);
	return run;
}

/**
 * iova_depot_alloc - allocate a slot, and give a CPU more of the run
 * @iovad: the domain, locked; it has a depot
 * @class: class of the slot
 * @limit_pfn: highest pfn it may cover
 * @cpu: the CPU's cache; %NULL if it has none
 * @new: memory for a new run, or %NULL; set to %NULL if it was used
 * @gone: for iova_unlock(); may be %NULL if *@new is
 * @last_try: use a run with few free slots if no run can be made
 *
 * Return: lowest pfn of the slot; 0 if there is none.
 */
unsigned long iova_depot_alloc(struct iova_domain *iovad, unsigned int class,
			       unsigned long limit_pfn,
			       struct iova_cpu *cpu,
			       struct iova_run **new, struct iova_gone *gone,
			       bool last_try)
{
	struct iova_waiting *waiting = cpu ? &cpu->waiting[class] : NULL;
	struct iova_run *run = NULL;
	unsigned long slot;
	bool made = false;

	/* It has slots: an interrupt got some, or they are above the limit. */
	if (waiting && waiting->mask)
		waiting = NULL;
	if (waiting)
		run = own_run(waiting->run, limit_pfn);
	if (!run)
		run = pick_best(iovad, class, limit_pfn);
	if (!run && *new && !iovad->rcache->nr_cutting &&
	    (iova_run_make(iovad, *new, class, limit_pfn) ||
	     (evict(iovad, limit_pfn, gone) &&
	      iova_run_make(iovad, *new, class, limit_pfn)))) {
		iovad->counts.misses++;
		run = *new;
		*new = NULL;
		made = true;
	}
	if (!run && last_try)
		run = pick_any(iovad, class, limit_pfn);
	if (!run)
		return 0;
	if (!waiting)
		return iova_run_give_one(iovad, run);
	if (waiting->run != run)
		iova_run_release(iovad, waiting->run);
	iova_run_give(iovad, run, waiting);
	slot = __fls(waiting->mask);
	/* If the run is new, this slot counts as a miss and not as a hit. */
	waiting->given -= made;
	WRITE_ONCE(waiting->mask, waiting->mask ^ BIT(slot));
	return waiting->base + (slot << class);
}
