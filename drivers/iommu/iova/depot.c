// SPDX-License-Identifier: GPL-2.0-only
/*
 * The depot: runs that no CPU has.
 *
 * Theory of operation
 * ===================
 *
 * 1. A run with free slots either belongs to a CPU or stands on a shelf of the
 *    depot, on the list for as much of it as is free.  A run of which nothing
 *    is free is on no list; the first free lists it.
 *
 * 2. A CPU that runs out of slots gets more from its own run, and else a run
 *    from the depot: of those that are not all free the one with the most free
 *    slots, then one that is all free.  A run with less than half free, an
 *    eighth for single pages, a quarter for up to four, is left to gather more,
 *    and a new run is made, while there is a place for one.  So what a CPU maps
 *    in a row lies close together, and runs that are little used become all
 *    free and can go.  Where no place for a new run is left, one that is all
 *    free goes at once.
 *
 * 3. Lists are queues, so what was freed longest ago is given out first.
 *
 * 4. Zones.  Requests limited to the lowest 4 GiB take runs from there, and
 *    others get a new run there only when no place is left above.  The run that
 *    a CPU has already serves any request that it fits, so one run of a class
 *    for each CPU may be low without need.
 */

#include <linux/iova.h>
#include <linux/slab.h>

#include "internal.h"

/* Hints of a small domain. */
#define HINTS_MIN	64U
/* Of a large one: 32 KiB. */
#define HINTS_MAX	4096U
/* How many runs of a list are looked at, where limits differ. */
#define LOOK		4U

/**
 * iova_zone - the zone of a run, or that a request takes runs from
 * @iovad: the domain
 * @last: highest pfn of the run, limit of the request
 */
unsigned int iova_zone(const struct iova_domain *iovad, unsigned long last)
{
	return ((u64)last >> (32 - __ffs(iovad->granule))) ? 1 : 0;
}

/**
 * iova_hints_wanted - how many hints a depot should have
 * @depot: the depot; its domain is locked
 *
 * Return: the number, a power of two; 0 when it has enough.
 */
unsigned int iova_hints_wanted(const struct iova_depot *depot)
{
	return depot->nr_hints < min(2 * depot->blocks, HINTS_MAX) ?
	       4 * depot->nr_hints : 0;
}

/**
 * iova_depot_make - allocate a depot
 *
 * Context: any.
 * Return: the depot, empty; %NULL without memory.
 */
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

/**
 * iova_depot_free - free a depot
 * @depot: the depot, without runs, or of a domain that goes; or %NULL
 */
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

/**
 * iova_depot_unlist - take a run off its list
 * @iovad: the domain, locked
 * @run: the run, on a list or none
 */
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

/**
 * iova_depot_list - put a run on the list where it belongs
 * @iovad: the domain, locked
 * @run: a run of no CPU, on a list or none
 */
void iova_depot_list(struct iova_domain *iovad, struct iova_run *run)
{
	struct iova_shelf *shelf;
	unsigned int no = IOVA_NO_LIST;

	run->relist_at = 1;
	if (run->nr_free) {
		no = fls(run->nr_free * 8 / run->nr_slots);
		/* The first number of the next list, rounded up. */
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
	/* Of single pages an eighth is as much as a CPU gets at once. */
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

/* The run a CPU has slots of, if it can give more. */
static struct iova_run *own_run(struct iova_run *run, unsigned long limit_pfn)
{
	return run && run->nr_free && run->gap.last <= limit_pfn ? run : NULL;
}

/* Let a run that is all free go, of whatever class. */
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
 * iova_depot_alloc - allocate a range of a class, and give a CPU more
 * @iovad: the domain, locked; it has a depot
 * @class: the class
 * @limit_pfn: highest pfn it may cover
 * @cpu: the CPU's cache, %NULL when it has none
 * @new: a run to be used when a new one is made, set to %NULL then
 * @gone: what is left to do once the lock is released
 * @last_try: a run that has little free will do when no new one can be made
 *
 * Return: lowest pfn of the range; 0 when there is none.
 */
unsigned long iova_depot_alloc(struct iova_domain *iovad, unsigned int class,
			       unsigned long limit_pfn,
			       struct iova_cpu *cpu,
			       struct iova_run **new, struct iova_gone *gone,
			       bool last_try)
{
	struct iova_run *run = NULL;
	unsigned long mask, slot;
	bool made = false;

	/* An interrupt may have got some; or they are above the limit. */
	if (cpu && cpu->mask[class])
		cpu = NULL;
	if (cpu)
		run = own_run(cpu->run[class], limit_pfn);
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
	if (!cpu)
		return iova_run_give_one(iovad, run);
	if (cpu->run[class] && cpu->run[class] != run)
		iova_run_release(iovad, cpu->run[class]);
	iova_run_give(iovad, run, cpu);
	mask = cpu->mask[class];
	slot = __fls(mask);
	/* This one is no hit when a run was made for it. */
	cpu->given -= made;
	cpu->frees += made;
	WRITE_ONCE(cpu->mask[class], mask ^ BIT(slot));
	return cpu->base[class] + (slot << class);
}
