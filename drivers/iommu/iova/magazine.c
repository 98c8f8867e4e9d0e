// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freed ranges on their way back to the runs.
 *
 * Theory of operation
 * ===================
 *
 * 1. A CPU appends what it frees to its magazine, an array of pfns and classes.
 *    Nothing is handed out from a magazine.  A full magazine is sorted back,
 *    the oldest entries first: a slot of a run is marked free, a range with a
 *    node of its own leaves the tree.  A wrong free is found and refused here.
 *
 * 2. Most entries belong to one run or to a few.  So the run of an entry is
 *    asked to take the entries after it, too, up to the first that is not its
 *    own.
 *
 * 3. Any CPU that holds the lock may sort back the magazine of another CPU.
 *    The owner appends without the lock: it writes the entry, then the number
 *    of entries.  Only the owner makes that number smaller, and it takes the
 *    lock to do so.  So a request on any CPU can reach every free range, and
 *    does not have to ask another CPU for it.
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

/* Free a range as iova_put() does; @node is what holds @pfn, or NULL. */
static void put_in_node(struct iova_domain *iovad, struct gap_node *node,
			unsigned long pfn, unsigned long size,
			struct iova_gone *gone)
{
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
}

/**
 * iova_put - free a range
 * @iovad: the domain, locked
 * @pfn: its lowest pfn; any of its pfns if @size is 0
 * @size: granules, rounded to its class or not; 0 if not known
 * @gone: for iova_gone_finish(); has room for one more refused free
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

/* Sort entries back from the one at @from on; returns how many. */
static unsigned int sort(struct iova_domain *iovad, struct iova_cpu *cpu,
			 unsigned int from, struct iova_gone *gone, int *budget)
{
	const u64 *at = cpu->freed + from, *begin = at;
	/* Pairs with the release in append(): entries below nr are written. */
	const u64 *end = cpu->freed + smp_load_acquire(&cpu->nr);
	struct iova_depot *depot = iovad->rcache->depot;
	int left = *budget;
	unsigned int nr;

	while (at != end && left > 0) {
		unsigned long pfn = iova_entry_pfn(*at);
		struct gap_node *node;

		nr = 0;
		if (likely(depot)) {
			node = find_node(iovad, depot, pfn);
			if (at + AHEAD < end)
				fetch(depot, at + AHEAD);
			if (likely(node && iova_is_run(node)))
				nr = put_in_run(iovad, iova_to_run(node), at,
						end);
		} else {
			node = gap_tree_find(&iovad->tree, pfn);
		}
		if (unlikely(!nr)) {
			put_in_node(iovad, node, pfn,
				    1UL << iova_entry_class(*at), gone);
			left -= ERASE_COST;
			nr = 1;
		}
		left -= SEARCH_COST + nr;
		at += nr;
		if (unlikely(gone->nr_bad == IOVA_BAD_MAX - 1))
			break;
	}
	*budget = left;
	return at - begin;
}

/*
 * Locked: sort back the oldest entries of a magazine, as many as one hold of
 * the lock may, but at least one.  Return whether some are left.
 */
bool iova_magazine_sort(struct iova_domain *iovad, struct iova_cpu *cpu,
			struct iova_gone *gone)
{
	int budget = BUDGET;

	cpu->nr_sorted += sort(iovad, cpu, cpu->nr_sorted, gone, &budget);
	return READ_ONCE(cpu->nr) != cpu->nr_sorted;
}

static void reverse(u64 *first, u64 *end)
{
	for (; first < --end; first++)
		swap(*first, *end);
}

/**
 * iova_magazine_make_room - sort back the oldest entries of a full magazine
 * @iovad: the domain, locked
 * @cpu: the cache with the magazine, of this CPU
 * @gone: for iova_gone_finish()
 *
 * As many as one hold of the lock may.  If that is one, its place is for the
 * next entry, so that no other has to move.  If it is several, the others move
 * to the front, the oldest first.
 *
 * Return: the index of the next entry.
 */
unsigned int iova_magazine_make_room(struct iova_domain *iovad,
				     struct iova_cpu *cpu,
				     struct iova_gone *gone)
{
	unsigned int sorted = cpu->nr_sorted, from = max(cpu->oldest, sorted);
	unsigned int newer = from - sorted, nr, left;
	u64 *freed = cpu->freed;
	int budget = BUDGET;

	nr = sort(iovad, cpu, from, gone, &budget);
	cpu->frees += sorted + nr;
	if (nr == 1 && !sorted) {
		cpu->oldest = (from + 1) % IOVA_MAGAZINE;
		return from;
	}
	left = IOVA_MAGAZINE - sorted - nr;
	memmove(freed, freed + sorted, newer * sizeof(*freed));
	memmove(freed + newer, freed + from + nr,
		(left - newer) * sizeof(*freed));
	if (newer) {
		reverse(freed, freed + newer);
		reverse(freed + newer, freed + left);
		reverse(freed, freed + left);
	}
	cpu->oldest = 0;
	cpu->nr_sorted = 0;
	WRITE_ONCE(cpu->nr, left);
	return left;
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
	unsigned int left = rcache ? READ_ONCE(rcache->nr_caches) : 0;
	unsigned int holds = left * IOVA_MAGAZINE, turn = 0, done = 0;
	unsigned long flags, ranges = 0, nr;
	struct iova_cpu *cpu;
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
			/* What was done counts while no other cache is first. */
			if (turn != rcache->turn)
				done = 0;
			turn = rcache->turn;
			nr = sort(iovad, cpu, cpu->nr_sorted, &gone, &budget);
			cpu->nr_sorted += nr;
			ranges += nr;
			done += nr;
			budget--;
			if (done < IOVA_MAGAZINE &&
			    cpu->nr_sorted != READ_ONCE(cpu->nr))
				break;
			list_move_tail(&cpu->list, &rcache->caches);
			rcache->turn++;
			left--;
		}
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
		iova_gone_finish(iovad, &gone);
	}
	return ranges;
}
