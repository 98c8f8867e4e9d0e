// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freed ranges on their way back to the runs.
 *
 * Theory of operation
 * ===================
 *
 * 1. A CPU appends what it frees to its magazine, a ring of pfns and classes.
 *    Nothing is handed out from a magazine.  A full magazine is sorted back,
 *    the oldest entries first, as many as one hold of the lock may: a slot of a
 *    run is marked free, a range with a node of its own leaves the tree.  A
 *    wrong free is found and refused here.
 *
 * 2. Most entries belong to one run or to a few.  So the run of an entry is
 *    asked to take the entries after it, too, up to the first that is not its
 *    own.
 *
 * 3. Any CPU that holds the lock may sort back the magazine of another CPU.
 *    The owner appends without the lock: it writes the entry, then the number
 *    of entries, up to a maximum for which it needs the lock.  So a request on
 *    any CPU can reach every free range, and does not have to ask another CPU
 *    for it.
 */

#include <linux/iova.h>
#include <linux/prefetch.h>

#include "internal.h"

/*
 * Work in one hold of the lock: an entry counts 1, the search of a run and the
 * erasure of a node count so much more.
 */
#define BUDGET		64
#define SEARCH_COST	3
#define ERASE_COST	BUDGET
/* The run of the entry so far ahead is prefetched. */
#define AHEAD		4

/* Why a free is refused of a range of @length at @first; NULL if it is right. */
static const char *mismatch(unsigned long first, unsigned long length,
			    unsigned long pfn, unsigned long size)
{
	if (!size || (first == pfn && length == size))
		return NULL;
	if (first != pfn)
		return "inside another range";
	if (length > IOVA_CACHED_MAX || size > IOVA_CACHED_MAX ||
	    iova_size_class(length) != iova_size_class(size))
		return "allocated with another size";
	return NULL;
}

static noinline const char *put_slot(struct iova_domain *iovad,
				     struct iova_run *run, unsigned long pfn,
				     unsigned long size)
{
	unsigned long slot = (pfn - run->gap.first) >> run->class;
	const char *why = "not allocated";

	if (!iova_run_is_free(run, slot))
		why = mismatch(run->gap.first + (slot << run->class),
			       1UL << run->class, pfn, size);
	if (!why) {
		__set_bit(slot, run->free);
		iova_run_freed(iovad, run, 1);
	}
	return why;
}

/* Free a range as iova_put() does; @node is what holds @pfn, or NULL. */
static void put_in_node(struct iova_domain *iovad, struct gap_node *node,
			unsigned long pfn, unsigned long size,
			struct iova_gone *gone)
{
	const char *why = "not allocated";

	if (node && iova_is_run(node)) {
		why = put_slot(iovad, iova_to_run(node), pfn, size);
	} else if (node) {
		why = mismatch(node->first, node->last - node->first + 1, pfn,
			       size);
		if (!why)
			iova_tree_erase(iovad, iova_to_iova(node), gone);
	}
	if (why)
		iova_refuse(iovad, gone, pfn, size, why);
}

/**
 * iova_put - free a range
 * @iovad: the domain, locked
 * @pfn: its lowest pfn; any of its pfns if @size is 0
 * @size: granules, rounded to its class or not; 0 if not known
 * @gone: for iova_unlock(); has room for one more refused free
 */
void iova_put(struct iova_domain *iovad, unsigned long pfn, unsigned long size,
	      struct iova_gone *gone)
{
	put_in_node(iovad, gap_tree_find(&iovad->tree, pfn), pfn, size, gone);
}

/* Mark entries free up to the first that is no taken slot of the run. */
static __always_inline unsigned int
mark_free(unsigned long *free, u64 begin, unsigned int shift,
	  u64 nr_slots, const u64 *freed, const u64 *end)
{
	/*
	 * Too large for a slot if the class is another, because of high bits,
	 * or if no slot begins at the pfn: its low bits are rotated to the top.
	 */
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

	/* Slots that a CPU still has to hand out are free: refuse them. */
	if (run->owner) {
		waiting = READ_ONCE(run->owner->mask);
		word = &run->free[iova_run_owner_word(run)];
		*word |= waiting;
	}
	nr = mark_free(run->free, begin, run->class, run->nr_slots, freed, end);
	if (word)
		*word &= ~waiting;
	if (!nr)
		return 0;
	iova_run_freed(iovad, run, nr);
	return nr;
}

/* Search the tree for what holds @pfn, and set the hint if it is a run. */
static noinline struct gap_node *search_node(struct iova_domain *iovad,
					     unsigned long pfn)
{
	struct gap_node *node = gap_tree_find(&iovad->tree, pfn);

	if (node && iova_is_run(node))
		*iova_hint(iovad->rcache->depot, pfn) = iova_to_run(node);
	return node;
}

static __always_inline struct gap_node *find_node(struct iova_domain *iovad,
						  struct iova_depot *depot,
						  unsigned long pfn)
{
	struct iova_run *run = *iova_hint(depot, pfn);

	if (likely(run) && likely(pfn - run->gap.first <=
				  run->gap.last - run->gap.first))
		return &run->gap;
	return search_node(iovad, pfn);
}

static __always_inline void fetch(struct iova_depot *depot, const u64 *at)
{
	struct iova_run *run = *iova_hint(depot, iova_entry_pfn(*at));

	prefetchw(run);
	prefetchw((char *)run + IOVA_NODE_ALIGN);
}

/*
 * Locked: sort back the oldest entries of a magazine, as many as one hold of
 * the lock may.  Return how many; 0 if there are none.
 */
unsigned int iova_magazine_sort(struct iova_domain *iovad, struct iova_cpu *cpu,
				struct iova_gone *gone)
{
	/* Pairs with the release in append(): entries below nr are written. */
	unsigned int nr = smp_load_acquire(&cpu->nr), sorted = cpu->nr_sorted, at;
	struct iova_depot *depot = iovad->rcache->depot;
	int left = BUDGET;

	for (at = sorted; at != nr && left > 0; cpu->nr_sorted = at) {
		const u64 *entry = &cpu->freed[at % IOVA_MAGAZINE];
		const u64 *end = entry + min(nr - at, IOVA_MAGAZINE - at % IOVA_MAGAZINE);
		unsigned long pfn = iova_entry_pfn(*entry);
		struct gap_node *node;
		unsigned int done = 0;

		if (likely(depot)) {
			node = find_node(iovad, depot, pfn);
			if (entry + AHEAD < end)
				fetch(depot, entry + AHEAD);
			if (likely(node && iova_is_run(node)))
				done = put_in_run(iovad, iova_to_run(node),
						  entry, end);
		} else {
			node = gap_tree_find(&iovad->tree, pfn);
		}
		if (unlikely(!done)) {
			put_in_node(iovad, node, pfn,
				    1UL << iova_entry_class(*entry), gone);
			left -= ERASE_COST;
			done = 1;
		}
		left -= SEARCH_COST + done;
		at += done;
		if (unlikely(gone->nr_bad == IOVA_BAD_MAX - 1))
			left = 0;
	}
	return at - sorted;
}

/**
 * iova_magazines_sort - sort back all magazines of a domain
 * @iovad: the domain, not locked; it may have no caches
 *
 * Ranges that are freed during the call may stay in their magazine.
 *
 * Context: any.
 * Return: the number of entries.
 */
unsigned long iova_magazines_sort(struct iova_domain *iovad)
{
	struct iova_rcache *rcache = iovad->rcache;
	unsigned int left = rcache ? READ_ONCE(rcache->nr_caches) : 0, done = 0;
	unsigned int holds = left * (IOVA_MAGAZINE + 1), turn = 0, nr;
	unsigned long ranges = 0;
	struct iova_cpu *cpu;
	struct iova_gone gone;

	/* CPUs that go on freeing do not keep the caller here. */
	for (; left && holds; holds--) {
		iova_lock(iovad, &gone);
		cpu = list_first_entry_or_null(&rcache->caches,
					       struct iova_cpu, list);
		/* What was done counts while no other cache is first. */
		if (turn != rcache->turn)
			done = 0;
		turn = rcache->turn;
		nr = cpu ? iova_magazine_sort(iovad, cpu, &gone) : 0;
		ranges += nr;
		done += nr;
		if (!cpu) {
			left = 0;
		} else if (!nr || done >= IOVA_MAGAZINE) {
			list_move_tail(&cpu->list, &rcache->caches);
			rcache->turn++;
			left--;
		}
		iova_unlock(iovad, &gone);
	}
	return ranges;
}
