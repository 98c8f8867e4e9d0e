// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freed ranges, on their way back.
 *
 * Theory of operation
 * ===================
 *
 * 1. What a CPU frees it appends to its magazine, an array of pfns and classes.
 *    Nothing is handed out from there.  When the magazine is full its entries
 *    are sorted back: a slot is marked free in its run, a range that is no part
 *    of a run leaves the tree.  Here a free of what is not allocated comes to
 *    light.  The oldest are first; when all are sorted the CPU begins anew.
 *
 * 2. Entries mostly belong to one run, or to few.  The run found for one entry
 *    takes those that follow, as far as they are its own.
 *
 * 3. Anybody who holds the lock may sort back what another CPU freed: that CPU
 *    only appends, an entry is written before the number that covers it, and
 *    both the number of sorted ones and the new beginning change under the
 *    lock.  So a free range is in reach of a request on any CPU, and no CPU has
 *    to be asked.
 */

#include <linux/iova.h>
#include <linux/prefetch.h>

#include "internal.h"

/*
 * What one hold of the lock may do, in entries; what a search and an erasure
 * add.  A free that finds the magazine full does that much.
 */
#define BUDGET		64
#define SEARCH_COST	3
#define ERASE_COST	BUDGET
/* How far ahead the run of an entry is fetched into the cache. */
#define AHEAD		4

/**
 * iova_put - free a range
 * @iovad: the domain, locked
 * @pfn: its lowest pfn; with @size 0 any of its pfns
 * @size: its size; any of its class will do; 0 when not known
 * @gone: what is left to do once the lock is released
 *
 * Return: true; false when the free is refused.
 */
bool iova_put(struct iova_domain *iovad, unsigned long pfn, unsigned long size,
	      struct iova_gone *gone)
{
	struct gap_node *node = gap_tree_find(&iovad->tree, pfn);
	const char *why = NULL;
	unsigned long length;

	if (!node) {
		why = "not allocated";
	} else if (iova_is_run(node)) {
		why = iova_run_put(iovad, iova_to_run(node), pfn, size);
	} else {
		length = node->last - node->first + 1;
		if (size && node->first != pfn)
			why = "inside another range";
		else if (size && length != size &&
			 (length > IOVA_CACHED_MAX || size > IOVA_CACHED_MAX ||
			  iova_size_class(length) != iova_size_class(size)))
			why = "allocated with another size";
		else
			iova_tree_erase(iovad, iova_to_iova(node), gone);
	}
	if (why)
		iova_refuse(iovad, gone, pfn, size, why);
	return !why;
}

/* Mark entries free, as far as they are right and of one run. */
static __always_inline unsigned int
mark_free(unsigned long *free, u64 begin, unsigned int shift,
	  u64 nr_slots, const u64 *freed, const u64 *end)
{
	/* Another class leaves high bits, and what is no slot's begin low ones. */
	u64 slot = ror64(*freed - begin, shift), base, room;
	unsigned long *word, bits, bit;
	const u64 *at = freed;

	while (slot < nr_slots) {
		word = &free[slot / BITS_PER_LONG];
		bits = *word;
		base = slot & ~(BITS_PER_LONG - 1ULL);
		room = min(nr_slots - base, (u64)BITS_PER_LONG);
		do {
			bit = BIT(slot % BITS_PER_LONG);
			if (unlikely(bits & bit)) {
				*word = bits;
				return at - freed;
			}
			bits |= bit;
			if (++at == end) {
				*word = bits;
				return at - freed;
			}
			slot = ror64(*at - begin, shift);
		} while (slot - base < room);
		*word = bits;
	}
	return at - freed;
}

static __always_inline unsigned int put_in_run(struct iova_domain *iovad,
					       struct iova_run *run,
					       const u64 *freed, const u64 *end)
{
	u64 begin = iova_entry(run->class, run->gap.first);
	unsigned long waiting = 0, *word = NULL;
	unsigned int nr;

	/* What waits with a CPU to be handed out is free meanwhile. */
	if (run->owner) {
		waiting = READ_ONCE(run->owner->mask[run->class]);
		word = &run->free[iova_run_owner_word(run)];
		*word |= waiting;
	}
	nr = mark_free(run->free, begin, run->class, run->nr_slots, freed, end);
	if (word)
		*word &= ~waiting;
	if (!nr)
		return 0;
	run->nr_free += nr;
	iovad->rcache->depot->free[run->zone][run->class] += nr;
	iova_note_free(iovad, run->gap.first);
	if (run->nr_free >= run->relist_at)
		iova_depot_list(iovad, run);
	return nr;
}

static __always_inline struct iova_run *find_run(struct iova_domain *iovad,
						 struct iova_depot *depot,
						 unsigned long pfn)
{
	struct iova_run *run = *iova_hint(depot, pfn);

	if (likely(run) && likely(pfn - run->gap.first <=
				  run->gap.last - run->gap.first))
		return run;
	return iova_run_search(iovad, pfn);
}

/* Fetch the run of an entry into the cache, which is needed soon. */
static __always_inline void fetch(struct iova_depot *depot, const u64 *at)
{
	struct iova_run *run = *iova_hint(depot, iova_entry_pfn(*at));

	prefetchw(run);
	prefetchw((char *)run + IOVA_NODE_ALIGN);
}

static unsigned int sort(struct iova_domain *iovad, struct iova_cpu *cpu,
			 struct iova_gone *gone, int *budget)
{
	const u64 *at = cpu->freed + cpu->nr_sorted, *begin = at;
	/* Pairs with append(): what the number covers is written. */
	const u64 *end = cpu->freed + smp_load_acquire(&cpu->nr);
	struct iova_depot *depot = iovad->rcache->depot;
	int left = *budget;
	unsigned int nr;

	while (at != end && left > 0) {
		unsigned long pfn = iova_entry_pfn(*at);
		struct iova_run *run = NULL;

		if (likely(depot)) {
			run = find_run(iovad, depot, pfn);
			if (at + AHEAD < end)
				fetch(depot, at + AHEAD);
		}
		nr = likely(run) ? put_in_run(iovad, run, at, end) : 0;
		if (unlikely(!nr)) {
			iova_put(iovad, pfn, 1UL << iova_entry_class(*at), gone);
			left -= ERASE_COST;
			nr = 1;
		}
		left -= SEARCH_COST + nr;
		at += nr;
		if (unlikely(gone->nr_bad == IOVA_BAD_MAX - 1))
			break;
	}
	*budget = left;
	cpu->nr_sorted = at - cpu->freed;
	return at - begin;
}

/**
 * iova_magazine_sort - free the oldest ranges of a magazine
 * @iovad: the domain, locked
 * @cpu: the cache with the magazine
 * @gone: what is left to do once the lock is released
 *
 * As many as one hold of the lock may free, but one at least.
 *
 * Return: true when more are left.
 */
bool iova_magazine_sort(struct iova_domain *iovad, struct iova_cpu *cpu,
			struct iova_gone *gone)
{
	int budget = BUDGET;

	sort(iovad, cpu, gone, &budget);
	return READ_ONCE(cpu->nr) != cpu->nr_sorted;
}

/**
 * iova_magazine_pick - sort a range back that was freed
 * @iovad: the domain, locked
 * @pfn: lowest pfn of the range
 * @gone: what is left to do once the lock is released
 *
 * Return: true; false when it is in no magazine.
 */
bool iova_magazine_pick(struct iova_domain *iovad, unsigned long pfn,
			struct iova_gone *gone)
{
	struct iova_cpu *cpu;
	unsigned int at, nr;
	u64 entry;

	if (!iovad->rcache || gone->nr_bad == IOVA_BAD_MAX)
		return false;
	list_for_each_entry(cpu, &iovad->rcache->caches, list) {
		/* Pairs with append(): what the number covers is written. */
		nr = smp_load_acquire(&cpu->nr);
		for (at = cpu->nr_sorted; at < nr; at++) {
			entry = cpu->freed[at];
			if (iova_entry_pfn(entry) != pfn)
				continue;
			cpu->freed[at] = cpu->freed[cpu->nr_sorted++];
			iova_put(iovad, pfn, 1UL << iova_entry_class(entry),
				 gone);
			return true;
		}
	}
	return false;
}

/**
 * iova_magazines_sort - free what is in all magazines of a domain
 * @iovad: the domain, not locked; it has caches
 *
 * What is freed meanwhile may stay in them.
 *
 * Context: any.
 * Return: the number of ranges.
 */
unsigned long iova_magazines_sort(struct iova_domain *iovad)
{
	struct iova_rcache *rcache = iovad->rcache;
	unsigned int left = READ_ONCE(rcache->nr_caches), done = 0;
	unsigned int holds = left * IOVA_MAGAZINE;
	struct iova_cpu *cpu, *was = NULL;
	unsigned long flags, ranges = 0, nr;
	struct iova_gone gone;
	int budget;

	iova_gone_init(&gone);
	/* CPUs that go on freeing do not keep the caller here. */
	while (left && holds--) {
		budget = BUDGET;
		raw_spin_lock_irqsave(&iovad->lock, flags);
		while (left && budget > 0 && gone.nr_bad < IOVA_BAD_MAX - 1) {
			cpu = list_first_entry_or_null(&rcache->caches,
						       struct iova_cpu, list);
			if (!cpu) {
				left = 0;
				break;
			}
			/* Another caller may have moved the one before. */
			if (cpu != was)
				done = 0;
			was = cpu;
			nr = sort(iovad, cpu, &gone, &budget);
			ranges += nr;
			done += nr;
			budget--;
			if (done < IOVA_MAGAZINE &&
			    cpu->nr_sorted != READ_ONCE(cpu->nr))
				break;
			was = NULL;
			list_move_tail(&cpu->list, &rcache->caches);
			left--;
		}
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
		iova_gone_finish(iovad, &gone);
	}
	return ranges;
}
