// SPDX-License-Identifier: GPL-2.0-only
/*
 * The supply: memory that is ready before an operation needs it.
 *
 * Theory of operation
 * ===================
 *
 * 1. Why.  A few bytes from the slab allocator are cheap, but once in tens of
 *    thousands of times the slab needs a page, and the page allocator has to
 *    turn a block of pages over to this kind of use: that takes a hundred
 *    times as long as the rest of an operation.  Mapping runs in interrupt
 *    handlers and with locks held; it must not wait for that.
 *
 * 2. What.  Empty magazines in the depot of each class in use, and behind
 *    them the pieces that all domains share (both depot.c).  An operation
 *    takes from there or does without: a range that finds no magazine goes to
 *    the tree, which is where the reaper would bring it if it stayed unused.
 *    Besides, each domain in use has some ranges ready that are in no tree
 *    (tree.c).  Those an allocation cannot do without: when it finds none it
 *    allocates one, and so that this is rare, a cheap free that comes while the
 *    work is late adds a few.
 *
 * 3. When.  An operation that leaves less than half of what should be ready
 *    sets a bit of iova_domain.detours.  The next free that does no
 *    more than put a range into a magazine, mostly the same one, queues the
 *    work here: operations that have more to do are not made longer still.
 *    Should there be no such free, the reaper queues it, and an allocation that
 *    is left without a spare range sees to it that there is a reaper.
 *
 * 4. How much.  A class begins with one magazine ready, a domain with 2 KiB of
 *    ranges.  Each time the work is asked for again within %IOVA_SOON, it makes
 *    twice as many ready as before of what runs low, and if ranges went without
 *    a magazine, as many more as they would have filled, up to a bound
 *    (depot.c, internal.h).  What a whole window of the reaper does not need
 *    is freed, and all of an idle class.
 */

#include <linux/iova.h>
#include <linux/jiffies.h>

#include "internal.h"

static void supply_work(struct work_struct *work)
{
	struct iova_rcache *rcache = container_of(work, struct iova_rcache,
						  supply);
	bool again = time_before(jiffies, rcache->supplied + IOVA_SOON);
	unsigned int class;

	rcache->supplied = jiffies;
	iova_pieces_fill();
	for (class = 0; class < IOVA_CLASSES; class++)
		if (READ_ONCE(rcache->depots[class]))
			iova_depot_fill(rcache, class, again);
	iova_spares_fill(rcache->iovad, again);
	iova_reaper_arm(rcache);
}

/**
 * iova_supply_init - prepare the supply of a domain
 * @rcache: its caches
 */
void iova_supply_init(struct iova_rcache *rcache)
{
	INIT_WORK(&rcache->supply, supply_work);
	rcache->supplied = jiffies - IOVA_SOON;
}

/**
 * iova_supply_ask - have the supply made up soon
 * @rcache: caches of a domain
 *
 * Context: any.
 * Return: false when that had been asked before, and is still to come.
 */
bool iova_supply_ask(struct iova_rcache *rcache)
{
	return queue_work(system_unbound_wq, &rcache->supply);
}
