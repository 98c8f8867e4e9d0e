// SPDX-License-Identifier: GPL-2.0-only
/*
 * A run: adjacent ranges (slots) of one size.
 *
 * Theory of operation
 * ===================
 *
 * 1. A run has one node in the tree of its domain, and a bitmap with a bit for
 *    each slot that is set while the slot is free.  All slots have the size of
 *    the class.  Runs of small classes are as long as a leaf page table of 4
 *    KiB pages maps, 512 granules.  Others have 128 slots, so that it takes
 *    long until an address is reused, and a CPU seldom needs a new run.  Below
 *    4 GiB there is less space: runs have at least 16 slots, and up to 128 if
 *    that is at most 4096 granules; with many CPUs fewer than 16.
 *
 * 2. A CPU gets all free slots of one word of the bitmap (iova_cpu.mask) and
 *    hands them out without a lock, from the top down.  In the bitmap they are
 *    not free.  The CPU owns the run until it gets slots of another.
 *
 * 3. Only a slot that is neither free in the bitmap nor in a mask can be freed.
 *    This finds a second free of a range, unless it has been allocated again.
 *
 * 4. If space is short, slots are cut off the top of a run.  A free slot
 *    becomes a hole of the tree, a taken one a struct iova.  In the extreme,
 *    each range has its own node and all free space is in holes.
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

/* A run gets (@by 1) or loses (@by -1) slots, of which @free are free. */
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

	/* With a run for each CPU, a class takes an eighth of the space. */
	if (!iova_zone(iovad, limit_pfn)) {
		share = limit_pfn / 8 / num_possible_cpus();
		shift = min(shift, max(12U, class + 4));
		shift = min_t(unsigned int, shift, fls_long(share));
	}
	return max3(shift, IOVA_RUN_SHIFT, class);
}

/**
 * iova_run_make - put a new run into the tree, at the highest place
 * @iovad: the domain, locked; it has a depot
 * @run: memory for the run
 * @class: class of its slots
 * @limit_pfn: highest pfn it may cover
 *
 * Return: true; false if there is no place.
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
	/* alloc_iova_fast() returns 0 for failure. */
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

/* Locked: the word of the bitmap that the owner has slots of. */
unsigned int iova_run_owner_word(const struct iova_run *run)
{
	return slot_at(run, run->owner->base[run->class]) / BITS_PER_LONG;
}

/* Locked: take a run, or NULL, from its CPU with the slots that are left. */
void iova_run_release(struct iova_domain *iovad, struct iova_run *run)
{
	unsigned long mask;

	if (!run)
		return;
	if (run->owner) {
		mask = xchg(&run->owner->mask[run->class], 0UL);
		run->owner->given -= hweight_long(mask);
		run->free[iova_run_owner_word(run)] |= mask;
		run->nr_free += hweight_long(mask);
		*free_count(iovad, run) += hweight_long(mask);
		run->owner->run[run->class] = NULL;
		run->owner = NULL;
	}
	iova_depot_list(iovad, run);
}

/* A run has left the tree. */
static void drop(struct iova_domain *iovad, struct iova_run *run,
		 struct iova_gone *gone)
{
	struct iova_depot *depot = iovad->rcache->depot;
	unsigned int i;

	for (i = 0; i < nr_blocks(run); i++) {
		struct iova_run **hint = iova_hint(depot, run->gap.first +
						   i * IOVA_RUN_PAGES);

		if (*hint == run)
			*hint = NULL;
	}
	depot->nr_runs[run->class]--;
	depot->blocks -= nr_blocks(run);
	list_add(&run->list, &gone->runs);
}

/* Locked: take a run out of the tree that is all free and belongs to no CPU. */
void iova_run_remove(struct iova_domain *iovad, struct iova_run *run,
		     struct iova_gone *gone)
{
	iova_depot_unlist(iovad, run);
	account(iovad, run, -1, run->nr_slots, run->nr_slots);
	iovad->counts.returned += run->nr_slots;
	gap_tree_erase(&iovad->tree, &run->gap);
	iova_note_free(iovad, run->gap.first);
	drop(iovad, run, gone);
}

/**
 * iova_run_cut - cut slots off the top of a run
 * @iovad: the domain, locked
 * @run: the run, which belongs to no CPU
 * @spares: list of at least %IOVA_CUT struct iova, for taken slots
 * @gone: for iova_gone_finish()
 *
 * Cuts up to %IOVA_CUT slots, in at most %IOVA_BATCH tree operations.  If no
 * slot is left, the run is freed.
 *
 * Return: how many spares were used.
 */
unsigned int iova_run_cut(struct iova_domain *iovad, struct iova_run *run,
			  struct iova **spares, struct iova_gone *gone)
{
	unsigned int nr = min_t(unsigned int, run->nr_slots, IOVA_CUT), free = 0;
	unsigned long slot, end = run->nr_slots;
	struct iova *iova;

	iova_depot_unlist(iovad, run);
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

/*
 * Locked: give a CPU the free slots of one word.  The run has some, and no
 * other owner; the CPU has no slots of the class left.
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

	/* A run with an owner is on no list. */
	run->relist_at = IOVA_NO_RELIST;
	run->owner = cpu;
	cpu->run[run->class] = run;
	cpu->base[run->class] = slot_pfn(run, (unsigned long)word * BITS_PER_LONG);
	cpu->last[run->class] = run->gap.last;
	cpu->given += nr;
	WRITE_ONCE(cpu->mask[run->class], mask);
}

/* Locked: take a slot of a run without owner that has some.  Return its pfn. */
unsigned long iova_run_give_one(struct iova_domain *iovad, struct iova_run *run)
{
	unsigned long slot = find_last_bit(run->free, run->nr_slots);

	__clear_bit(slot, run->free);
	run->nr_free--;
	--*free_count(iovad, run);
	iova_depot_list(iovad, run);
	return slot_pfn(run, slot);
}

/* Copy the free slots, with those that a CPU has to hand out. */
static void free_slots(const struct iova_run *run, unsigned long *slots)
{
	bitmap_copy(slots, run->free, IOVA_RUN_PAGES);
	if (run->owner)
		slots[iova_run_owner_word(run)] |=
			READ_ONCE(run->owner->mask[run->class]);
}

/**
 * iova_run_next - the slot that holds a pfn
 * @run: the run; its domain is locked
 * @pfn: the pfn
 * @first: set to the lowest pfn of the slot
 * @last: set to its highest pfn; if it is free, to that of the last free slot
 *	in a row
 *
 * Return: whether it is free; a slot that a CPU has to hand out is.
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

/* Locked: the lowest and highest taken pfn.  Return false if all is free. */
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

/* Leave a bit set if it and the @nr - 1 bits above it are set. */
static void keep_rows(unsigned long *slots, unsigned long nr)
{
	DECLARE_BITMAP(above, IOVA_RUN_PAGES);
	unsigned long have = 1, more;

	for (; have < nr; have += more) {
		more = min(have, nr - have);
		bitmap_shift_right(above, slots, more, IOVA_RUN_PAGES);
		bitmap_and(slots, slots, above, IOVA_RUN_PAGES);
	}
}

/* Leave a bit set if its number is a multiple of @step, a power of two. */
static void keep_aligned(unsigned long *slots, unsigned long step)
{
	unsigned long i, words = step / BITS_PER_LONG;

	for (i = 0; i < BITS_TO_LONGS(IOVA_RUN_PAGES); i++)
		slots[i] &= words ? !(i & (words - 1)) :
				    ~0UL / (BIT(step) - 1);
}

/**
 * iova_run_room - find the highest place for a range in the free slots of a run
 * @run: the run; its domain is locked
 * @size: size of the range in granules
 * @align_mask: 0, or gap_align_mask() of @size
 * @limit_pfn: highest pfn it may cover
 * @first: set to its lowest pfn, which is that of a slot
 *
 * Return: true; false if there is no place.
 */
bool iova_run_room(const struct iova_run *run, unsigned long size,
		   unsigned long align_mask, unsigned long limit_pfn,
		   unsigned long *first)
{
	unsigned long step = (align_mask + 1) >> run->class, at, end;
	unsigned long nr = ((size - 1) >> run->class) + 1;
	DECLARE_BITMAP(slots, IOVA_RUN_PAGES);

	if (nr > run->nr_slots || (run->nr_free < nr && !run->owner) ||
	    run->gap.first > limit_pfn ||
	    limit_pfn - run->gap.first < size - 1)
		return false;
	free_slots(run, slots);
	keep_rows(slots, nr);
	/* The run is aligned to more than any range that fits. */
	if (step > 1)
		keep_aligned(slots, step);
	end = min(run->nr_slots - nr,
		  (limit_pfn - run->gap.first - (size - 1)) >> run->class) + 1;
	at = find_last_bit(slots, end);
	if (at == end)
		return false;
	*first = slot_pfn(run, at);
	return true;
}

/**
 * iova_run_put - free a slot of a run
 * @iovad: the domain, locked
 * @run: the run
 * @pfn: lowest pfn of the slot; any of its pfns if @size is 0
 * @size: granules, rounded to its class or not; 0 if not known
 *
 * Return: %NULL; why the free is refused.
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
