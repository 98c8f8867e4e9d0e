// SPDX-License-Identifier: GPL-2.0-only
/*
 * A run: a stretch of adjacent ranges of one size.
 *
 * Theory of operation
 * ===================
 *
 * 1. A run has one node in the tree of its domain and a bit for each of its
 *    slots, set when the slot is free.  All slots are as long as a class.  A
 *    run of short ranges is as long as a leaf page table of 4 KiB pages maps,
 *    512 granules; others have 128 slots, so that an address comes again late
 *    and a CPU rarely needs more.  Below 4 GiB they have fewer, as far as 4096
 *    granules allow, but at least 16; and fewer than that with many CPUs.
 *
 * 2. A CPU that allocates gets all free slots of one word of the bitmap at
 *    once (iova_cpu.mask) and hands them out without a lock, from the top
 *    down.  To the run they are taken, whether handed out or not.  The run
 *    belongs to the CPU until another gives the CPU slots.
 *
 * 3. A slot that is freed must be taken, and must not wait with the CPU to be
 *    handed out.  That finds a second free, also of a range that was handed
 *    out, freed and not handed out again.
 *
 * 4. Where space is short a run is cut from the top: a slot that is cut off
 *    becomes a hole of the tree when it is free, else a struct iova.  In the
 *    end each range has a node of its own, and whatever is free is a hole.
 */

#include <linux/iova.h>

#include "internal.h"

static unsigned int last_word(const struct iova_run *run)
{
	return (run->nr_slots - 1) / BITS_PER_LONG;
}

static unsigned long slot_at(const struct iova_run *run, unsigned long pfn)
{
	return (pfn - run->gap.first) >> run->class;
}

static unsigned long slot_pfn(const struct iova_run *run, unsigned long slot)
{
	return run->gap.first + (slot << run->class);
}

static unsigned int nr_blocks(const struct iova_run *run)
{
	return 1U << (run->shift - IOVA_RUN_SHIFT);
}

static unsigned int *free_count(struct iova_domain *iovad,
				const struct iova_run *run)
{
	return &iovad->rcache->depot->free[run->zone][run->class];
}

/* Slots become part of a run, or with @by -1 are no more; @free of them free. */
static void account(struct iova_domain *iovad, const struct iova_run *run,
		    int by, unsigned int slots, unsigned int free)
{
	*free_count(iovad, run) += by * (int)free;
	iovad->counts.ranges += by * (long)slots;
}

/* log2 of the length of a new run. */
static unsigned int new_shift(struct iova_domain *iovad, unsigned int class,
			      unsigned long limit_pfn)
{
	unsigned int shift = class + 7;
	unsigned long share;

	/* A run of a class for each CPU shall take an eighth of the space. */
	if (!iova_zone(iovad, limit_pfn)) {
		share = limit_pfn / 8 / num_possible_cpus();
		shift = min(shift, max(12U, class + 4));
		shift = min_t(unsigned int, shift, fls_long(share));
	}
	return max3(shift, IOVA_RUN_SHIFT, class);
}

/**
 * iova_run_make - put a run into the tree, at the highest place
 * @iovad: the domain, locked; it has a depot
 * @run: the run
 * @class: class of its ranges
 * @limit_pfn: highest pfn it may cover
 *
 * Return: true; false when there is no place.
 */
bool iova_run_make(struct iova_domain *iovad, struct iova_run *run,
		   unsigned int class, unsigned long limit_pfn)
{
	unsigned int shift = new_shift(iovad, class, limit_pfn);
	unsigned int least = max(IOVA_RUN_SHIFT, class);

	limit_pfn = min(limit_pfn, ~0UL - 1);
	while (!gap_tree_take(&iovad->tree, &run->gap, 1UL << shift, true,
			      limit_pfn)) {
		if (shift == least)
			return false;
		shift = least;
	}
	/* pfn 0 says failure to callers of alloc_iova_fast(). */
	if (!run->gap.first) {
		gap_tree_erase(&iovad->tree, &run->gap);
		return false;
	}
	run->class = class;
	run->shift = shift;
	run->zone = iova_zone(iovad, run->gap.last);
	run->nr_slots = 1U << (shift - class);
	run->nr_free = run->nr_slots;
	run->next_word = last_word(run);
	run->list_no = IOVA_NO_LIST;
	run->owner = NULL;
	bitmap_zero(run->free, IOVA_RUN_PAGES);
	bitmap_set(run->free, 0, run->nr_slots);
	iovad->rcache->depot->nr_runs[class]++;
	iovad->rcache->depot->blocks += nr_blocks(run);
	account(iovad, run, 1, run->nr_slots, run->nr_free);
	return true;
}

/**
 * iova_run_owner_word - which word of a run its CPU has slots of
 * @run: a run that belongs to a CPU; its domain is locked
 */
unsigned int iova_run_owner_word(const struct iova_run *run)
{
	return slot_at(run, run->owner->base[run->class]) / BITS_PER_LONG;
}

/* Take a run from its CPU, with the slots that are left, and off its list. */
static void detach(struct iova_domain *iovad, struct iova_run *run)
{
	unsigned long mask;

	iova_depot_unlist(iovad, run);
	if (!run->owner)
		return;
	mask = xchg(&run->owner->mask[run->class], 0UL);
	run->owner->given -= hweight_long(mask);
	run->free[iova_run_owner_word(run)] |= mask;
	run->nr_free += hweight_long(mask);
	*free_count(iovad, run) += hweight_long(mask);
	run->owner->run[run->class] = NULL;
	run->owner = NULL;
}

/**
 * iova_run_release - take a run from its CPU
 * @iovad: the domain, locked
 * @run: the run
 */
void iova_run_release(struct iova_domain *iovad, struct iova_run *run)
{
	detach(iovad, run);
	iova_depot_list(iovad, run);
}

static void drop(struct iova_domain *iovad, struct iova_run *run,
		 struct iova_gone *gone)
{
	struct iova_depot *depot = iovad->rcache->depot;
	unsigned long block = run->gap.first >> IOVA_RUN_SHIFT, i;

	for (i = block; i < block + nr_blocks(run); i++)
		if (depot->hints[i % depot->nr_hints] == run)
			depot->hints[i % depot->nr_hints] = NULL;
	depot->nr_runs[run->class]--;
	depot->blocks -= nr_blocks(run);
	list_add(&run->list, &gone->runs);
}

/**
 * iova_run_remove - take a run that is all free out of the tree
 * @iovad: the domain, locked
 * @run: the run, of no CPU: a CPU takes slots without the lock
 * @gone: frees it once the lock is released
 */
void iova_run_remove(struct iova_domain *iovad, struct iova_run *run,
		     struct iova_gone *gone)
{
	detach(iovad, run);
	account(iovad, run, -1, run->nr_slots, run->nr_slots);
	iovad->counts.returned += run->nr_slots;
	gap_tree_erase(&iovad->tree, &run->gap);
	iova_note_free(iovad, run->gap.first);
	drop(iovad, run, gone);
}

/**
 * iova_run_cut - cut slots off the top of a run
 * @iovad: the domain, locked
 * @run: the run; what a CPU has of it is taken back
 * @spares: a list of %IOVA_CUT struct iova or more, for ranges that are live
 * @gone: frees the run when nothing of it is left
 *
 * Up to %IOVA_CUT slots, so at most %IOVA_BATCH tree operations.
 *
 * Return: how many spares were used.
 */
unsigned int iova_run_cut(struct iova_domain *iovad, struct iova_run *run,
			  struct iova **spares, struct iova_gone *gone)
{
	unsigned int nr = min_t(unsigned int, run->nr_slots, IOVA_CUT), free = 0;
	unsigned long slot, end = run->nr_slots;
	struct iova *iova;

	detach(iovad, run);
	gap_tree_erase(&iovad->tree, &run->gap);
	run->nr_slots -= nr;
	run->gap.last = slot_pfn(run, run->nr_slots) - 1;
	for (slot = run->nr_slots; slot < end; slot++) {
		if (__test_and_clear_bit(slot, run->free)) {
			free++;
			continue;
		}
		iova = *spares;
		*spares = iova->next;
		iova->pfn_lo = slot_pfn(run, slot);
		iova->pfn_hi = slot_pfn(run, slot + 1) - 1;
		iova_tree_insert(iovad, iova);
	}
	run->nr_free -= free;
	if (free)
		iova_note_free(iovad, run->gap.first);
	account(iovad, run, -1, nr, free);
	if (!run->nr_slots) {
		drop(iovad, run, gone);
		return nr - free;
	}
	run->next_word = last_word(run);
	gap_tree_insert(&iovad->tree, &run->gap);
	iova_depot_list(iovad, run);
	return nr - free;
}

/**
 * iova_run_give - give a CPU free slots of a run
 * @iovad: the domain, locked
 * @run: a run with free slots, of no other CPU
 * @cpu: the CPU's cache; it has no slots of the class left
 */
void iova_run_give(struct iova_domain *iovad, struct iova_run *run,
		   struct iova_cpu *cpu)
{
	unsigned int word = run->next_word, nr;
	unsigned long mask;

	iova_depot_unlist(iovad, run);
	while (!run->free[word])
		word = word ? word - 1 : last_word(run);
	mask = run->free[word];
	run->free[word] = 0;
	run->next_word = word ? word - 1 : last_word(run);
	nr = hweight_long(mask);
	run->nr_free -= nr;
	*free_count(iovad, run) -= nr;

	/* It is on no list while it is the CPU's. */
	run->relist_at = IOVA_NO_RELIST;
	run->owner = cpu;
	cpu->run[run->class] = run;
	cpu->base[run->class] = slot_pfn(run, (unsigned long)word * BITS_PER_LONG);
	cpu->last[run->class] = run->gap.last;
	cpu->given += nr;
	WRITE_ONCE(cpu->mask[run->class], mask);
}

/**
 * iova_run_give_one - take one free slot of a run
 * @iovad: the domain, locked
 * @run: a run with free slots
 *
 * Return: its lowest pfn.
 */
unsigned long iova_run_give_one(struct iova_domain *iovad, struct iova_run *run)
{
	unsigned long slot = find_last_bit(run->free, run->nr_slots);

	__clear_bit(slot, run->free);
	run->nr_free--;
	--*free_count(iovad, run);
	iova_depot_list(iovad, run);
	return slot_pfn(run, slot);
}

/**
 * iova_run_search - find the run that holds a pfn, and note where it is
 * @iovad: the domain, locked
 * @pfn: the pfn
 *
 * Return: the run, %NULL when there is none.
 */
struct iova_run *iova_run_search(struct iova_domain *iovad, unsigned long pfn)
{
	struct gap_node *node = gap_tree_find(&iovad->tree, pfn);

	if (!node || !iova_is_run(node))
		return NULL;
	*iova_hint(iovad->rcache->depot, pfn) = iova_to_run(node);
	return iova_to_run(node);
}

/* Free slots, those that a CPU has among them. */
static void free_slots(const struct iova_run *run, unsigned long *slots)
{
	bitmap_copy(slots, run->free, IOVA_RUN_PAGES);
	if (run->owner)
		slots[iova_run_owner_word(run)] |=
			READ_ONCE(run->owner->mask[run->class]);
}

/**
 * iova_run_next - what a pfn of a run belongs to
 * @run: the run; its domain is locked
 * @pfn: the pfn
 * @first: where its lowest pfn goes
 * @last: where the highest pfn goes, of the range or of all free ranges up to
 *	the next that is not
 *
 * Return: whether it is free; what a CPU has to hand out is.
 */
bool iova_run_next(const struct iova_run *run, unsigned long pfn,
		   unsigned long *first, unsigned long *last)
{
	DECLARE_BITMAP(slots, IOVA_RUN_PAGES);
	unsigned long slot = slot_at(run, pfn), end = slot + 1;
	bool free;

	free_slots(run, slots);
	free = test_bit(slot, slots);
	if (free)
		end = find_next_zero_bit(slots, run->nr_slots, slot);
	*first = slot_pfn(run, slot);
	*last = slot_pfn(run, end) - 1;
	return free;
}

/**
 * iova_run_ends - find the outermost ranges of a run
 * @run: the run; its domain is locked
 * @first: where the lowest pfn goes that is taken
 * @last: where the highest pfn goes that is taken
 *
 * Return: true; false when all of it is free.
 */
bool iova_run_ends(const struct iova_run *run,
		   unsigned long *first, unsigned long *last)
{
	DECLARE_BITMAP(slots, IOVA_RUN_PAGES);
	unsigned long low;

	if (run->nr_free == run->nr_slots)
		return false;
	free_slots(run, slots);
	low = find_next_zero_bit(slots, run->nr_slots, 0);
	if (low == run->nr_slots)
		return false;
	bitmap_complement(slots, slots, IOVA_RUN_PAGES);
	*first = slot_pfn(run, low);
	*last = slot_pfn(run, find_last_bit(slots, run->nr_slots) + 1) - 1;
	return true;
}

/**
 * iova_run_room - find the highest place for a range in a run
 * @run: the run; its domain is locked
 * @size: size of the range
 * @align_mask: low bits of its first pfn that are to be clear, 2^n - 1
 * @limit_pfn: highest pfn it may cover
 * @first: where its lowest pfn goes, that of a slot
 *
 * Return: true; false when there is no place.
 */
bool iova_run_room(const struct iova_run *run, unsigned long size,
		   unsigned long align_mask, unsigned long limit_pfn,
		   unsigned long *first)
{
	unsigned long step = max(1UL, (align_mask + 1) >> run->class), at;
	unsigned long nr = ((size - 1) >> run->class) + 1;
	DECLARE_BITMAP(slots, IOVA_RUN_PAGES);

	if (nr > run->nr_slots || (run->nr_free < nr && !run->owner) ||
	    run->gap.first > limit_pfn ||
	    limit_pfn - run->gap.first < size - 1)
		return false;
	free_slots(run, slots);
	at = min(run->nr_slots - nr,
		 (limit_pfn - run->gap.first - (size - 1)) >> run->class);
	/* The run is aligned to what is asked for, or no slot of it is. */
	if (run->gap.first & align_mask & ~((1UL << run->class) - 1) &&
	    step > run->nr_slots)
		return false;
	at &= ~(step - 1);
	while (find_next_zero_bit(slots, at + nr, at) < at + nr) {
		if (at < step)
			return false;
		at -= step;
	}
	*first = slot_pfn(run, at);
	return true;
}

/**
 * iova_run_put - free a range of a run
 * @iovad: the domain, locked
 * @run: the run
 * @pfn: lowest pfn of the range; with @size 0 any of its pfns
 * @size: its size; any of its class will do; 0 when not known
 *
 * Return: %NULL; the reason when the free is to be refused.
 */
const char *iova_run_put(struct iova_domain *iovad, struct iova_run *run,
			 unsigned long pfn, unsigned long size)
{
	unsigned long slot = slot_at(run, pfn), first, last;

	if (iova_run_next(run, pfn, &first, &last))
		return "not allocated";
	if (size && first != pfn)
		return "inside another range";
	if (size && (!iova_size_is_cached(size) ||
		     iova_size_class(size) != run->class))
		return "allocated with another size";
	__set_bit(slot, run->free);
	run->nr_free++;
	++*free_count(iovad, run);
	iova_note_free(iovad, first);
	if (run->nr_free >= run->relist_at)
		iova_depot_list(iovad, run);
	return NULL;
}
