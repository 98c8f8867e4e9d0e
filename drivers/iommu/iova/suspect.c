// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suspect frees: the unmap did not find what the caller named.
 *
 * Theory of operation
 * ===================
 *
 * 1. Who calls.  A layer above unmapped a range and the page table could not
 *    clear all of it.  Either the range is live and was torn, and leaks if it
 *    is not freed; or the caller unmaps twice, or what it did not map, and
 *    the range is not its own to free.
 *
 * 2. At once.  iova_free_suspect() warns and looks into the tree.  A range that
 *    is not there, or has another size, is refused.  Others are noted, and the
 *    caches of the domain go out of use: allocations and frees go to the tree,
 *    so that a free range leaves the tree before it is handed out again.
 *
 * 3. Later.  A work item has everything that is delayed above pushed down
 *    (iova_domain.drain: a flush queue), waits until no CPU is still on the
 *    fast path (it runs with interrupts disabled, which synchronize_rcu()
 *    waits for), and drains all caches.  A noted range that leaves the tree
 *    meanwhile was free already: its note is settled, the suspect free
 *    refused.  A note that is not settled by then names an allocated range: it
 *    is freed.  With the last note gone, the caches come into use again.
 *
 * 4. What it cannot tell, a known fault: the tree knows that a range is
 *    allocated, not to whom.  Three cases end with a range that has two
 *    owners: it was freed and handed out again before the suspect free; the
 *    right free is under way on another CPU and not yet in a cache or a queue;
 *    another CPU is just moving a magazine with it to the depot (depot.c, 6).
 *
 * 5. Without memory for the note nothing can be decided later.  The range is
 *    given up: it is counted as leaked, and said so.
 *
 * 6. iova_domain.lock protects the list of notes.
 */

#include <linux/export.h>
#include <linux/iova.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

static bool is_noted(struct iova_domain *iovad, unsigned long pfn)
{
	struct iova_suspect *suspect;

	list_for_each_entry(suspect, &iovad->suspects, link)
		if (suspect->pfn == pfn)
			return true;
	return false;
}

/* Note a free if it may be right; say what is done.  The domain is locked. */
static const char *note_suspect(struct iova_domain *iovad,
				struct iova_suspect *suspect,
				unsigned long pfn, unsigned long size)
{
	const char *why;

	iovad->counts.suspects++;
	if (!iova_tree_may_free(iovad, pfn, size, &why))
		return why;
	if (is_noted(iovad, pfn)) {
		iovad->counts.refused++;
		return "freed already, under examination";
	}
	if (!suspect) {
		iovad->counts.leaked++;
		return "leaked, no memory to examine it";
	}
	suspect->pfn = pfn;
	suspect->size = size;
	suspect->settled = false;
	list_add_tail(&suspect->link, &iovad->suspects);
	WRITE_ONCE(iovad->fast, &iova_no_cache);
	return NULL;
}

/* Returns what is done about it now. */
static const char *put_aside(struct iova_domain *iovad, unsigned long pfn,
			     unsigned long size)
{
	struct iova_suspect *suspect = kmalloc(sizeof(*suspect),
					       GFP_ATOMIC | __GFP_NOWARN);
	struct iova_tree_hold hold;
	const char *why;

	trace_iova_suspect(iovad, pfn, size);
	iova_tree_lock(iovad, &hold);
	if (size) {
		why = note_suspect(iovad, suspect, pfn, size);
	} else {
		iovad->counts.refused++;
		why = "no size";
	}
	iova_tree_unlock(iovad, &hold);

	if (why) {
		kfree(suspect);
		return why;
	}
	schedule_work(&iovad->suspect_work);
	return "allocated, under examination";
}

/**
 * iova_free_suspect - free a range if it really is allocated
 * @iovad: the domain
 * @pfn: lowest pfn of the range, as told
 * @size: its size in granules, as told
 *
 * For a free that something already found wrong.  Warns with both numbers.
 * The range is freed if it is allocated with this size; otherwise nothing
 * changes but the count of refused frees.  It is freed also if it belongs to
 * another owner by now, and can then be handed out twice: see 4 above.
 *
 * Context: any.
 */
void iova_free_suspect(struct iova_domain *iovad, unsigned long pfn,
		       unsigned long size)
{
	const char *done = put_aside(iovad, pfn, size);

	WARN_RATELIMIT(1, "iova: suspect free of pfn %#lx (address %#llx) size %lu: %s\n",
		       pfn, (u64)pfn << iova_shift(iovad), size, done);
}
EXPORT_SYMBOL_GPL(iova_free_suspect);

/**
 * iova_put_aside - iova_free_suspect() for a caller that has warned
 * @iovad: the domain
 * @pfn: lowest pfn of the range, as told
 * @size: its size in granules, as told
 *
 * For a layer that knows whose mistake it is and has named him. A line in the
 * log tells what becomes of the range.
 *
 * Context: any.
 */
void iova_put_aside(struct iova_domain *iovad, unsigned long pfn,
		    unsigned long size)
{
	const char *done = put_aside(iovad, pfn, size);

	pr_warn_ratelimited("iova: suspect free of pfn %#lx size %lu: %s\n",
			    pfn, size, done);
}

/* Decide the oldest note; the domain is unlocked. */
static void resolve_one(struct iova_domain *iovad)
{
	struct iova_suspect *suspect;
	struct iova_tree_hold hold;
	struct iova *iova = NULL, *gone = NULL;
	const char *why = "freed already";

	iova_tree_lock(iovad, &hold);
	suspect = list_first_entry(&iovad->suspects, struct iova_suspect, link);
	list_del(&suspect->link);
	if (suspect->settled)
		iovad->counts.refused++;
	else
		iova = iova_tree_may_free(iovad, suspect->pfn, suspect->size,
					  &why);
	if (iova)
		gone = iova_tree_erase(iovad, iova);
	if (list_empty(&iovad->suspects) && iovad->rcache && !iova_check)
		WRITE_ONCE(iovad->fast, iovad->rcache->cpus);
	iova_tree_unlock(iovad, &hold);

	if (iova) {
		pr_warn("iova: suspect free of pfn %#lx size %lu: was allocated, is freed\n",
			suspect->pfn, suspect->size);
	} else {
		trace_iova_refused(iovad, suspect->pfn, suspect->size);
		pr_warn("iova: suspect free of pfn %#lx size %lu refused: %s\n",
			suspect->pfn, suspect->size, why);
	}
	iova_mem_free(gone);
	kfree(suspect);
}

static unsigned int count_suspects(struct iova_domain *iovad)
{
	struct iova_tree_hold hold;
	unsigned int nr;

	iova_tree_lock(iovad, &hold);
	nr = list_count_nodes(&iovad->suspects);
	iova_tree_unlock(iovad, &hold);
	return nr;
}

static void suspect_work(struct work_struct *work)
{
	struct iova_domain *iovad = container_of(work, struct iova_domain,
						 suspect_work);
	/* What is noted from here on is not drained for: the next run's. */
	unsigned int nr = count_suspects(iovad);

	if (iovad->drain)
		iovad->drain(iovad);
	synchronize_rcu();
	iova_caches_drain(iovad);
	while (nr--)
		resolve_one(iovad);
}

/**
 * iova_suspects_init - prepare a domain for suspect frees
 * @iovad: the domain
 */
void iova_suspects_init(struct iova_domain *iovad)
{
	INIT_LIST_HEAD(&iovad->suspects);
	INIT_WORK(&iovad->suspect_work, suspect_work);
	iovad->drain = NULL;
}

/**
 * iova_suspects_destroy - forget the notes of a domain that goes away
 * @iovad: the domain
 *
 * Context: process; may sleep, but only when there was a suspect free.
 */
void iova_suspects_destroy(struct iova_domain *iovad)
{
	struct iova_suspect *suspect, *next;

	if (!iovad->counts.suspects)
		return;
	cancel_work_sync(&iovad->suspect_work);
	list_for_each_entry_safe(suspect, next, &iovad->suspects, link)
		kfree(suspect);
	INIT_LIST_HEAD(&iovad->suspects);
}
