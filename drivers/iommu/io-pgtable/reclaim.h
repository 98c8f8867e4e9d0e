/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which tables of a page table stay, and how empty ones are given back.
 *
 * Theory of operation
 * ===================
 *
 * 1. A table that has become empty is worth keeping: the next mapping goes
 *    there, and neither allocates nor waits for anything.  What must not be is
 *    that each IOVA which was ever used leaves a table behind.  Tables leave
 *    the tree in three ways: an unmap that covers one whole (2), a block in
 *    its place (3), and a clock that looks for empty ones (4).
 *
 * 2. Covered.  An unmap that has cleared every entry of a table of which its
 *    range covers all owns that table: nobody else has pages there.  It leaves
 *    up to IOPT_RESERVE of them where they are; the others, and the tables
 *    above them once those are covered and empty too, go to the freelist of
 *    the gather, which its owner frees after the invalidation.  Where that
 *    cannot be (no gather; a caller that invalidates leaves alone; memory that
 *    is not single pages) the walk caches are invalidated on the spot, and the
 *    table goes to the limbo (5).
 *
 *    A table that stays is closed: the entry that refers to it loses
 *    IOPT_SYNCED.  Whoever maps there again meets the entry without it, takes
 *    the slow path, and opens it.  So the number of closed entries says how
 *    many tables unmapping has left empty, and unmapping itself need know
 *    nothing of what happened to them since.
 *
 * 3. A block is mapped where a table is that maps nothing.  The slot becomes a
 *    hole, the walk caches are invalidated, then the block is written.
 *
 * 4. The clock.  Ranges come and go in a table without any of them covering
 *    it.  Nobody counts: that would cost every map and unmap.  Instead, who is
 *    about to allocate a table moves two hands around the IOVA space, when
 *    there are more tables than @mark, by a bounded piece of work.
 *
 *    a) The front hand closes tables that are empty.  They may be used
 *       nevertheless, by somebody who saw them open; all that lasts no longer
 *       than an RCU read-side section.  So after a grace period whoever is in
 *       a table has opened it again.
 *
 *    b) The rear hand follows after a grace period.  What is still closed, and
 *       still empty, is taken out: the entry that referred to it becomes
 *       IOPT_BUSY, which is neither table nor leaf.  When a piece of work is
 *       done walk caches are invalidated, once; only then the entries become
 *       holes and the tables go to the limbo.  A closed table that was used in
 *       between is opened again.
 *
 *       A mapping that meets IOPT_BUSY must not put a table there while walk
 *       caches can lead to the old one.  It does not wait for the clock: it
 *       invalidates what it needs itself, and replaces the entry.
 *
 *    c) After a whole turn of the front hand @mark is put above the number of
 *       tables that it found in use, by IOPT_RESERVE or 1/32 of them: while an
 *       address space grows each table in use is looked at 33 times at most,
 *       and not at all when it does not grow.
 *
 *    Who may sleep, and finds IOPT_RESERVE more tables than @mark, makes a
 *    whole turn at once and waits for the grace periods.  Others never wait:
 *    they move the hands a piece each time.
 *
 *    All of this happens in the context of callers that map: there a device
 *    that has to be powered to invalidate is, and at the end there is nothing
 *    to cancel.  An owner for whom that does not hold has no clock.
 *
 * 5. The limbo is where tables are that left the tree behind an invalidation.
 *    Hardware cannot reach them; lookups, walks of others, and a clock that
 *    has noted a slot in them can, until a grace period has passed.  They are
 *    freed on the way to a later allocation, or with the page table.
 *
 * 6. Locks.  @lock is held to take a table out of the tree and to look into
 *    one whose range is somebody else's, so what a table is reached through
 *    does not change meanwhile; it is not held over an invalidation.  @clock
 *    is set by who moves the hands.  Both are for short pieces of work, but
 *    @clock is also held while somebody waits for a grace period: nobody waits
 *    for @clock.  @waiting makes those who sleep do so one after another.
 *
 *    While @taking is set, somebody has slots noted that hold IOPT_BUSY.  He is
 *    in an RCU read-side section, which keeps tables in the limbo but not ones
 *    in a freelist: so meanwhile no table above the last level goes there.
 *
 * 7. An owner with memory of its own (struct io_pgtable_cfg.alloc) counts it:
 *    covered tables return at once, behind an invalidation, and there is
 *    neither clock nor limbo.
 */
#ifndef _IO_PGTABLE_RECLAIM_H
#define _IO_PGTABLE_RECLAIM_H

#ifndef _IO_PGTABLE_WALK_H
#error "included by walk.h"
#endif

/* Empty tables that may stay, for each of the reasons above. */
#define IOPT_RESERVE		24

/*
 * A piece of work: that many entries looked at.  A table counts for 8 of them
 * when it is in use, which is seen at its beginning mostly, and for 64 when it
 * is empty; so 16 tables change hands at most.
 */
#define IOPT_PIECE		1024
#define IOPT_COST_USED		8
#define IOPT_COST_EMPTY		64

/* What stands where a table was, until walk caches know: invalid everywhere. */
#define IOPT_BUSY		IOPT_SYNCED

/* Into a page table that is being made; @clock: see point 4. */
static void iopt_reclaim_init(struct iopt *iopt, bool clock)
{
	atomic_set(&iopt->tables, 0);
	atomic_set(&iopt->closed, 0);
	atomic_set(&iopt->clock, 0);
	iopt->mark = clock ? IOPT_RESERVE : INT_MAX;
	spin_lock_init(&iopt->lock);
	mutex_init(&iopt->waiting);
	INIT_LIST_HEAD(&iopt->limbo);
}

/* Does a table hold nothing but zeroes? */
static bool iopt_is_zero(struct iopt_format f, u64 *table)
{
	size_t i;

	for (i = 0; i < 1UL << iopt_bits(f); i += 4) {
		u64 *s = table + i;

		if (READ_ONCE(s[0]) | READ_ONCE(s[1]) |
		    READ_ONCE(s[2]) | READ_ONCE(s[3]))
			return false;
	}
	return true;
}

/* Is nothing mapped below @table, by empty tables or none? */
static bool iopt_maps_nothing(struct iopt_format f, u64 *table,
			      unsigned int height)
{
	size_t i;

	if (!height)
		return iopt_is_zero(f, table);
	for (i = 0; i < 1UL << iopt_bits(f); i++) {
		u64 entry = READ_ONCE(table[i]);

		if (iopt_is_leaf(f, entry, height))
			return false;
		if (iopt_is_table(f, entry, height) &&
		    !iopt_maps_nothing(f, iopt_table(f, entry), height - 1))
			return false;
	}
	return true;
}

/* The slot of @iova at @height, if there are tables down to there. */
static u64 *iopt_slot(struct iopt *iopt, struct iopt_format f, u64 iova,
		      unsigned int height)
{
	unsigned int at = iopt->top, shift = iopt_shift(f, at);
	u64 *slot = iopt_root_slot(iopt, f, iova, shift);

	for (; at > height; at--) {
		u64 entry = READ_ONCE(*slot);

		if (!iopt_is_table(f, entry, at))
			return NULL;
		shift -= iopt_bits(f);
		slot = iopt_table(f, entry) + iopt_index(f, iova, shift);
	}
	return slot;
}

/* Entries of tables in the tree, and how many of them are closed. */
static void iopt_count_in(struct iopt *iopt, u64 entry)
{
	atomic_inc(&iopt->tables);
	if (!(entry & IOPT_SYNCED))
		atomic_inc(&iopt->closed);
}

static void iopt_count_out(struct iopt *iopt, u64 entry)
{
	atomic_dec(&iopt->tables);
	if (!(entry & IOPT_SYNCED))
		atomic_dec(&iopt->closed);
}

static void iopt_close(struct iopt *iopt, u64 *slot, u64 entry)
{
	if (entry & IOPT_SYNCED &&
	    cmpxchg64(slot, entry, entry & ~IOPT_SYNCED) == entry)
		atomic_inc(&iopt->closed);
}

/*
 * Let @entry, which refers to a table, be used, seen by hardware before. Fails
 * when it is no longer what stands in @slot.
 */
static bool iopt_open(struct iopt *iopt, u64 *slot, u64 entry)
{
	if (!iopt->iop.cfg.coherent_walk)
		iopt_write_back(&iopt->iop.cfg, slot, 1);
	if (cmpxchg64(slot, entry, entry | IOPT_SYNCED) != entry)
		return false;
	atomic_dec(&iopt->closed);
	return true;
}

/* Empty @slot of @entry, which goes to @to; fails when it holds another. */
static bool iopt_replace(struct iopt *iopt, u64 *slot, u64 entry, u64 to)
{
	if (cmpxchg64(slot, entry, to) != entry)
		return false;
	if (!iopt->iop.cfg.coherent_walk)
		iopt_write_back(&iopt->iop.cfg, slot, 1);
	return true;
}

/* Invalidate walk caches for what an entry at @height of @iova resolves. */
static void iopt_flush_walk(struct iopt *iopt, struct iopt_format f, u64 iova,
			    unsigned int height)
{
	u64 size = 1ULL << iopt_shift(f, height);

	/* The entry before the invalidation. */
	wmb();
	io_pgtable_tlb_flush_walk(&iopt->iop, iova & ~(size - 1), size,
				  iopt_granule(f));
}

static void iopt_flush_all(struct iopt *iopt)
{
	/* As above. */
	wmb();
	io_pgtable_tlb_flush_all(&iopt->iop);
}

/*
 * Invalidate what IOPT_BUSY in @slot stands for, instead of waiting for who
 * put it there, and who may not have written it back yet.
 */
static void iopt_settle(struct iopt *iopt, struct iopt_format f, u64 *slot,
			u64 iova, unsigned int height)
{
	if (!iopt->iop.cfg.coherent_walk)
		iopt_write_back(&iopt->iop.cfg, slot, 1);
	iopt_flush_walk(iopt, f, iova, height);
}

static void iopt_free_list(struct iopt *iopt, struct iopt_format f,
			   struct list_head *list)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, list, lru) {
		list_del(&page->lru);
		iopt_free(&iopt->iop.cfg, iopt->iop.cookie,
			  page_address(page), iopt_granule(f));
	}
}

/*
 * Have a grace period, of which poll_state_synchronize_rcu() tells the end.
 * Where nobody else wants one there would be none, and nothing freed. It may
 * take a wakeup, for which interrupts must be enabled; if they are not, who
 * comes later asks.
 */
static unsigned long iopt_grace_period(void)
{
	return irqs_disabled() ? get_state_synchronize_rcu() :
				 start_poll_synchronize_rcu();
}

/* Tables that hardware does not reach any more, to be freed when nobody does. */
static void iopt_to_limbo(struct iopt *iopt, struct list_head *list)
{
	unsigned long flags, cookie = iopt_grace_period();
	struct page *page;

	list_for_each_entry(page, list, lru)
		set_page_private(page, cookie);
	spin_lock_irqsave(&iopt->lock, flags);
	list_splice_tail_init(list, &iopt->limbo);
	WRITE_ONCE(iopt->unfinished, true);
	spin_unlock_irqrestore(&iopt->lock, flags);
}

/* Free what has been in the limbo for a grace period, in order, a piece. */
static void iopt_leave_limbo(struct iopt *iopt, struct iopt_format f)
{
	unsigned int left = IOPT_PIECE / IOPT_COST_EMPTY;
	unsigned long flags;
	struct page *page;
	LIST_HEAD(list);

	spin_lock_irqsave(&iopt->lock, flags);
	while (left-- && !list_empty(&iopt->limbo)) {
		page = list_first_entry(&iopt->limbo, struct page, lru);
		if (!poll_state_synchronize_rcu(page_private(page)))
			break;
		list_move_tail(&page->lru, &list);
	}
	spin_unlock_irqrestore(&iopt->lock, flags);
	iopt_free_list(iopt, f, &list);
}

/**
 * struct iopt_sweep - a hand of the clock on its way
 * @at: where it is
 * @end: where it stops
 * @budget: how much it may still look at, see IOPT_PIECE
 * @used: tables it found in use
 * @taken: of the rear hand: what it took, the slot of each in page_private()
 */
struct iopt_sweep {
	u64 at;
	u64 end;
	int budget;
	int used;
	struct list_head *taken;
};

/* The front hand closes, the rear one takes, or opens what it finds in use. */
static void iopt_visit(struct iopt *iopt, struct iopt_format f,
		       struct iopt_sweep *s, u64 *slot, u64 entry)
{
	u64 *table = iopt_table(f, entry);
	struct page *page;

	if (s->taken && entry & IOPT_SYNCED)
		return;
	if (!iopt_is_zero(f, table)) {
		s->budget -= IOPT_COST_USED;
		s->used++;
		if (s->taken)
			iopt_open(iopt, slot, entry);
		return;
	}
	s->budget -= IOPT_COST_EMPTY;
	if (!s->taken) {
		iopt_close(iopt, slot, entry);
	} else if (iopt_replace(iopt, slot, entry, IOPT_BUSY)) {
		iopt_count_out(iopt, entry);
		page = virt_to_page(table);
		set_page_private(page, (unsigned long)slot);
		list_add_tail(&page->lru, s->taken);
	}
}

/*
 * Go on with @s in @table, of entries at @height, which begins at @base.  A
 * table comes after those below it.  Returns whether the end of @table was
 * reached.  Recursion ends above the last level.
 */
static bool iopt_sweep(struct iopt *iopt, struct iopt_format f,
		       struct iopt_sweep *s, u64 *table, size_t entries,
		       unsigned int height, u64 base)
{
	unsigned int shift = iopt_shift(f, height);
	size_t i;

	for (i = (s->at - base) >> shift; i < entries; i++) {
		u64 start = base + ((u64)i << shift);
		u64 entry = READ_ONCE(table[i]);

		if (s->budget <= 0 || s->at >= s->end)
			return false;
		s->budget--;
		if (iopt_is_table(f, entry, height)) {
			if (height > 1 &&
			    !iopt_sweep(iopt, f, s, iopt_table(f, entry),
					1UL << iopt_bits(f), height - 1, start))
				return false;
			iopt_visit(iopt, f, s, table + i, entry);
		}
		s->at = start + (1ULL << shift);
	}
	return true;
}

/* Bytes of IOVA that the root resolves, a power of two: a whole turn. */
static u64 iopt_space(struct iopt *iopt, struct iopt_format f)
{
	return 1ULL << (iopt_shift(f, iopt->top) + iopt->root_bits);
}

/*
 * Move a hand from @from on, not beyond @to, by a piece; returns how far.
 * Hands count on and on: what is beyond the space comes around again.
 */
static u64 iopt_move(struct iopt *iopt, struct iopt_format f, u64 from, u64 to,
		     struct list_head *taken, int *used)
{
	u64 space = iopt_space(iopt, f);
	u64 begin = from & (space - 1);
	struct iopt_sweep s = {
		.at = begin,
		.end = min(begin + (to - from), space),
		.budget = IOPT_PIECE,
		.taken = taken,
	};
	unsigned long flags;

	spin_lock_irqsave(&iopt->lock, flags);
	iopt_sweep(iopt, f, &s, iopt->root, 1UL << iopt->root_bits, iopt->top,
		   0);
	if (taken && !list_empty(taken))
		iopt->taking = true;
	spin_unlock_irqrestore(&iopt->lock, flags);
	*used += s.used;
	return from + (s.at - begin);
}

/* The front hand: a piece, at most to a whole turn before the rear one. */
static void iopt_move_front(struct iopt *iopt, struct iopt_format f)
{
	u64 space = iopt_space(iopt, f), from = iopt->front;

	iopt->front = iopt_move(iopt, f, from, iopt->rear + space, NULL,
				&iopt->used);
	iopt->turned += iopt->front - from;
	if (iopt->turned < space)
		return;
	WRITE_ONCE(iopt->mark, iopt->used + max(iopt->used / 32, IOPT_RESERVE));
	iopt->turned = 0;
	iopt->used = 0;
}

/* The rear hand: a piece, or all to where a grace period has passed. */
static void iopt_move_rear(struct iopt *iopt, struct iopt_format f, bool all)
{
	struct page *page;
	LIST_HEAD(taken);
	int used = 0;

	/* Keeps the slots that are noted. */
	rcu_read_lock();
	do {
		iopt->rear = iopt_move(iopt, f, iopt->rear, iopt->sealed,
				       &taken, &used);
	} while (all && iopt->rear != iopt->sealed);
	if (!list_empty(&taken)) {
		iopt_flush_all(iopt);
		list_for_each_entry(page, &taken, lru)
			iopt_replace(iopt, (u64 *)page_private(page),
				     IOPT_BUSY, 0);
		iopt_to_limbo(iopt, &taken);
		/* After the last slot that was noted is done with. */
		smp_store_release(&iopt->taking, false);
	}
	rcu_read_unlock();
}

/* Some of what there is to do; who may wait leaves the search to a turn. */
static void iopt_tick(struct iopt *iopt, struct iopt_format f, bool search)
{
	if (iopt->rear == iopt->sealed && iopt->sealed != iopt->front) {
		iopt->sealed_at = iopt_grace_period();
		iopt->sealed = iopt->front;
	}
	if (iopt->rear != iopt->sealed &&
	    poll_state_synchronize_rcu(iopt->sealed_at))
		iopt_move_rear(iopt, f, false);
	if (search && iopt->front - iopt->rear < iopt_space(iopt, f))
		iopt_move_front(iopt, f);
	iopt_leave_limbo(iopt, f);
}

/* A whole turn at once, and what comes of it freed. */
static void iopt_turn(struct iopt *iopt, struct iopt_format f)
{
	u64 space = iopt_space(iopt, f);
	unsigned long flags;
	LIST_HEAD(list);

	/* Tables may have become empty behind the front hand: once more. */
	iopt->front = iopt->rear;
	iopt->turned = 0;
	iopt->used = 0;
	while (iopt->front - iopt->rear < space)
		iopt_move_front(iopt, f);
	iopt->sealed = iopt->front;
	synchronize_rcu_expedited();
	iopt_move_rear(iopt, f, true);

	spin_lock_irqsave(&iopt->lock, flags);
	list_splice_init(&iopt->limbo, &list);
	spin_unlock_irqrestore(&iopt->lock, flags);
	if (list_empty(&list))
		return;
	synchronize_rcu_expedited();
	iopt_free_list(iopt, f, &list);
}

/* Be the one who moves the hands; nobody waits for it. */
static bool iopt_clock_claim(struct iopt *iopt)
{
	return !atomic_read(&iopt->clock) &&
	       !atomic_cmpxchg(&iopt->clock, 0, 1);
}

static void iopt_clock_release(struct iopt *iopt)
{
	bool apart = iopt->rear != iopt->front;
	unsigned long flags;

	spin_lock_irqsave(&iopt->lock, flags);
	WRITE_ONCE(iopt->unfinished, apart || !list_empty(&iopt->limbo));
	spin_unlock_irqrestore(&iopt->lock, flags);
	atomic_set_release(&iopt->clock, 0);
}

/**
 * iopt_reclaim - do what is due, on the way to allocate a table
 * @iopt: the page table
 * @f: its format
 * @gfp: of the allocation
 *
 * Context: any that @gfp allows, outside of RCU read-side sections of the page
 * table.
 */
static noinline void iopt_reclaim(struct iopt *iopt, struct iopt_format f,
				  gfp_t gfp)
{
	int tables = atomic_read(&iopt->tables), mark = READ_ONCE(iopt->mark);
	bool may_wait = gfpflags_allow_blocking(gfp);

	if (likely(tables <= mark && !READ_ONCE(iopt->unfinished)))
		return;
	if (tables - mark >= IOPT_RESERVE && may_wait) {
		mutex_lock(&iopt->waiting);
		/* Whoever was first may have done it all. */
		if (atomic_read(&iopt->tables) - READ_ONCE(iopt->mark) >=
		    IOPT_RESERVE && iopt_clock_claim(iopt)) {
			iopt_turn(iopt, f);
			iopt_clock_release(iopt);
		}
		mutex_unlock(&iopt->waiting);
	} else if (iopt_clock_claim(iopt)) {
		iopt_tick(iopt, f, tables > mark && !may_wait);
		iopt_clock_release(iopt);
	}
}

/* May a table go to the freelist of @gather? */
static bool iopt_gathers(struct iopt *iopt, struct iopt_format f,
			 struct iommu_iotlb_gather *gather)
{
	if (!gather || iopt->iop.cfg.alloc || iopt_granule(f) > PAGE_SIZE)
		return false;
	return iopt->owner_frees || iommu_iotlb_gather_queued(gather);
}

/* Give up tables that left the tree at @iova, behind an invalidation. */
static void iopt_retire(struct iopt *iopt, struct iopt_format f, u64 iova,
			unsigned int height, struct list_head *list)
{
	iopt_flush_walk(iopt, f, iova, height);
	iopt_to_limbo(iopt, list);
}

/* Take the empty table out that *@slot, at @height, refers to. */
static bool iopt_detach(struct iopt *iopt, struct iopt_format f, u64 *slot,
			u64 iova, unsigned int height,
			struct iommu_iotlb_gather *gather)
{
	bool gathers = iopt_gathers(iopt, f, gather);
	struct io_pgtable_cfg *cfg = &iopt->iop.cfg;
	u64 entry, *table = NULL;
	unsigned long flags;
	LIST_HEAD(list);
	bool taking;

	spin_lock_irqsave(&iopt->lock, flags);
	entry = READ_ONCE(*slot);
	/* Pairs with who has done with the slots that he noted. */
	taking = smp_load_acquire(&iopt->taking);
	if (iopt_is_table(f, entry, height) && (height == 1 || !taking) &&
	    iopt_replace(iopt, slot, entry, 0)) {
		table = iopt_table(f, entry);
		iopt_count_out(iopt, entry);
	}
	spin_unlock_irqrestore(&iopt->lock, flags);
	if (!table)
		return false;

	if (cfg->alloc) {
		iopt_flush_walk(iopt, f, iova, height);
		iopt_free(cfg, iopt->iop.cookie, table, iopt_granule(f));
	} else if (gathers) {
		if (!cfg->coherent_walk)
			iopt_table_retire(cfg, table, iopt_granule(f));
		list_add_tail(&virt_to_page(table)->lru, &gather->freelist);
	} else {
		list_add_tail(&virt_to_page(table)->lru, &list);
		iopt_retire(iopt, f, iova, height, &list);
	}
	return true;
}

/**
 * iopt_covered - see what becomes of a table that an unmap has emptied
 * @iopt: the page table
 * @f: its format
 * @iova: an address in it
 * @height: of the entries that were cleared, all that the table has
 * @first: where the unmap began
 * @last: the last address that it is to clear
 * @gather: takes note of tables to free
 *
 * Context: any, in an RCU read-side section since the entries were cleared.
 */
static noinline void iopt_covered(struct iopt *iopt, struct iopt_format f,
				  u64 iova, unsigned int height, u64 first,
				  u64 last, struct iommu_iotlb_gather *gather)
{
	u64 end = iova | ((1ULL << iopt_shift(f, height + 1)) - 1);
	unsigned int up;

	for (up = height + 1; up <= iopt->top; up++) {
		u64 size = 1ULL << iopt_shift(f, up);
		u64 begin = iova & ~(size - 1);
		u64 *slot, entry;

		if (begin < first || begin + (size - 1) > last)
			return;
		/* One that is above is done with its last table, if at all. */
		if (up > height + 1 && end != begin + (size - 1))
			return;
		slot = iopt_slot(iopt, f, iova, up);
		if (!slot)
			return;
		/* The clock may have been here before. */
		entry = READ_ONCE(*slot);
		if (!iopt_is_table(f, entry, up))
			return;
		if (up > height + 1 &&
		    !iopt_is_zero(f, iopt_table(f, entry)))
			return;
		if (!iopt->iop.cfg.alloc &&
		    atomic_read(&iopt->closed) < IOPT_RESERVE) {
			iopt_close(iopt, slot, entry);
			return;
		}
		if (!iopt_detach(iopt, f, slot, iova, up, gather))
			return;
	}
}

/*
 * Give up @table and all below it, to @list or, without one, at once.
 * Recursion ends at the last level.
 */
static void iopt_drop(struct iopt *iopt, struct iopt_format f, u64 *table,
		      size_t entries, unsigned int height,
		      struct list_head *list)
{
	size_t i;

	for (i = 0; height && i < entries; i++) {
		u64 entry = READ_ONCE(table[i]);

		if (!iopt_is_table(f, entry, height))
			continue;
		iopt_count_out(iopt, entry);
		iopt_drop(iopt, f, iopt_table(f, entry), 1UL << iopt_bits(f),
			  height - 1, list);
	}
	if (list)
		list_add_tail(&virt_to_page(table)->lru, list);
	else
		iopt_free(&iopt->iop.cfg, iopt->iop.cookie, table,
			  entries * sizeof(*table));
}

/**
 * iopt_make_room - make a hole for a block
 * @iopt: the page table
 * @f: its format
 * @slot: where the block goes, which is no hole
 * @iova: its address
 * @height: of @slot
 *
 * Context: any, in an RCU read-side section since @slot was found.
 * Return: 0, or -EEXIST when something is mapped there.
 */
static noinline int iopt_make_room(struct iopt *iopt, struct iopt_format f,
				   u64 *slot, u64 iova, unsigned int height)
{
	u64 entry = READ_ONCE(*slot), *table;
	unsigned long flags;
	LIST_HEAD(list);
	bool mine;

	if (height && entry == IOPT_BUSY) {
		iopt_settle(iopt, f, slot, iova, height);
		iopt_replace(iopt, slot, IOPT_BUSY, 0);
		return 0;
	}
	/* A hole: the clock was faster. */
	if (!entry)
		return 0;
	/* The range is the caller's: what maps nothing will not begin to. */
	if (!height || !iopt_is_table(f, entry, height) ||
	    !iopt_maps_nothing(f, iopt_table(f, entry), height - 1)) {
		iopt_complain(f, "map finds a mapping", iova, height);
		return -EEXIST;
	}
	table = iopt_table(f, entry);
	if (iopt->iop.cfg.alloc) {
		WRITE_ONCE(*slot, 0);
		if (!iopt->iop.cfg.coherent_walk)
			iopt_write_back(&iopt->iop.cfg, slot, 1);
		iopt_count_out(iopt, entry);
		iopt_flush_walk(iopt, f, iova, height);
		iopt_drop(iopt, f, table, 1UL << iopt_bits(f), height - 1, NULL);
		return 0;
	}

	spin_lock_irqsave(&iopt->lock, flags);
	mine = iopt_replace(iopt, slot, entry, 0);
	if (mine) {
		iopt_count_out(iopt, entry);
		iopt_drop(iopt, f, table, 1UL << iopt_bits(f), height - 1, &list);
	}
	spin_unlock_irqrestore(&iopt->lock, flags);
	if (mine)
		iopt_retire(iopt, f, iova, height, &list);
	return 0;
}

#endif
