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
 *    up to PTW_RESERVE of them where they are; the others, and the tables
 *    above them once those are covered and empty too, go to the freelist of
 *    the gather, which its owner frees after the invalidation.  Where that
 *    cannot be (no gather; a caller that invalidates leaves alone; memory that
 *    is not single pages) the walk caches are invalidated on the spot, and the
 *    table goes to the limbo (5).
 *
 *    A table that stays is closed: the entry that refers to it loses
 *    PTW_SYNCED.  Whoever maps there again meets the entry without it, takes
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
 *       PTW_BUSY, which is neither table nor leaf.  When a piece of work is
 *       done walk caches are invalidated, once; only then the entries become
 *       holes and the tables go to the limbo.  A closed table that was used in
 *       between is opened again.
 *
 *       A mapping that meets PTW_BUSY must not put a table there while walk
 *       caches can lead to the old one.  It does not wait for the clock: it
 *       invalidates what it needs itself, and replaces the entry.
 *
 *    c) After a whole turn of the front hand @mark is put above the number of
 *       tables that it found in use, by PTW_RESERVE or 1/32 of them: while an
 *       address space grows each table in use is looked at 33 times at most,
 *       and not at all when it does not grow.
 *
 *    Who may sleep, and finds PTW_RESERVE more tables than @mark, makes a
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
 *    While @taking is set, somebody has slots noted that hold PTW_BUSY.  He is
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
#define PTW_RESERVE		24

/*
 * A piece of work: that many entries looked at.  A table counts for 8 of them
 * when it is in use, which is seen at its beginning mostly, and for 64 when it
 * is empty; so 16 tables change hands at most.
 */
#define PTW_PIECE		1024
#define PTW_COST_USED		8
#define PTW_COST_EMPTY		64

/* What stands where a table was, until walk caches know: invalid everywhere. */
#define PTW_BUSY		PTW_SYNCED

/* Into a page table that is being made; @clock: see point 4. */
static void ptw_reclaim_init(struct ptw *ptw, bool clock)
{
	atomic_set(&ptw->tables, 0);
	atomic_set(&ptw->closed, 0);
	atomic_set(&ptw->clock, 0);
	ptw->mark = clock ? PTW_RESERVE : INT_MAX;
	spin_lock_init(&ptw->lock);
	mutex_init(&ptw->waiting);
	INIT_LIST_HEAD(&ptw->limbo);
}

/* Does a table hold nothing but zeroes? */
static bool ptw_is_zero(struct ptw_format f, u64 *table)
{
	size_t i;

	for (i = 0; i < 1UL << ptw_bits(f); i += 4) {
		u64 *s = table + i;

		if (READ_ONCE(s[0]) | READ_ONCE(s[1]) |
		    READ_ONCE(s[2]) | READ_ONCE(s[3]))
			return false;
	}
	return true;
}

/* Is nothing mapped below @table, by empty tables or none? */
static bool ptw_maps_nothing(struct ptw_format f, u64 *table,
			     unsigned int height)
{
	size_t i;

	if (!height)
		return ptw_is_zero(f, table);
	for (i = 0; i < 1UL << ptw_bits(f); i++) {
		u64 entry = READ_ONCE(table[i]);

		if (ptw_is_leaf(f, entry, height))
			return false;
		if (ptw_is_table(f, entry, height) &&
		    !ptw_maps_nothing(f, ptw_table(f, entry), height - 1))
			return false;
	}
	return true;
}

/* The slot of @iova at @height, if there are tables down to there. */
static u64 *ptw_slot(struct ptw *ptw, struct ptw_format f, u64 iova,
		     unsigned int height)
{
	unsigned int at = ptw->top, shift = ptw_shift(f, at);
	u64 *slot = ptw_root_slot(ptw, f, iova, shift);

	for (; at > height; at--) {
		u64 entry = READ_ONCE(*slot);

		if (!ptw_is_table(f, entry, at))
			return NULL;
		shift -= ptw_bits(f);
		slot = ptw_table(f, entry) + ptw_index(f, iova, shift);
	}
	return slot;
}

/* Entries of tables in the tree, and how many of them are closed. */
static void ptw_count_in(struct ptw *ptw, u64 entry)
{
	atomic_inc(&ptw->tables);
	if (!(entry & PTW_SYNCED))
		atomic_inc(&ptw->closed);
}

static void ptw_count_out(struct ptw *ptw, u64 entry)
{
	atomic_dec(&ptw->tables);
	if (!(entry & PTW_SYNCED))
		atomic_dec(&ptw->closed);
}

static void ptw_close(struct ptw *ptw, u64 *slot, u64 entry)
{
	if (entry & PTW_SYNCED &&
	    cmpxchg64(slot, entry, entry & ~PTW_SYNCED) == entry)
		atomic_inc(&ptw->closed);
}

/*
 * Let @entry, which refers to a table, be used, seen by hardware before. Fails
 * when it is no longer what stands in @slot.
 */
static bool ptw_open(struct ptw *ptw, u64 *slot, u64 entry)
{
	if (!ptw->iop.cfg.coherent_walk)
		ptw_write_back(&ptw->iop.cfg, slot, 1);
	if (cmpxchg64(slot, entry, entry | PTW_SYNCED) != entry)
		return false;
	atomic_dec(&ptw->closed);
	return true;
}

/* Empty @slot of @entry, which goes to @to; fails when it holds another. */
static bool ptw_replace(struct ptw *ptw, u64 *slot, u64 entry, u64 to)
{
	if (cmpxchg64(slot, entry, to) != entry)
		return false;
	if (!ptw->iop.cfg.coherent_walk)
		ptw_write_back(&ptw->iop.cfg, slot, 1);
	return true;
}

/* Invalidate walk caches for what an entry at @height of @iova resolves. */
static void ptw_flush_walk(struct ptw *ptw, struct ptw_format f, u64 iova,
			   unsigned int height)
{
	u64 size = 1ULL << ptw_shift(f, height);

	/* The entry before the invalidation. */
	wmb();
	io_pgtable_tlb_flush_walk(&ptw->iop, iova & ~(size - 1), size,
				  ptw_granule(f));
}

static void ptw_flush_all(struct ptw *ptw)
{
	/* As above. */
	wmb();
	io_pgtable_tlb_flush_all(&ptw->iop);
}

/*
 * Invalidate what PTW_BUSY in @slot stands for, instead of waiting for who
 * put it there, and who may not have written it back yet.
 */
static void ptw_settle(struct ptw *ptw, struct ptw_format f, u64 *slot,
		       u64 iova, unsigned int height)
{
	if (!ptw->iop.cfg.coherent_walk)
		ptw_write_back(&ptw->iop.cfg, slot, 1);
	ptw_flush_walk(ptw, f, iova, height);
}

static void ptw_free_list(struct ptw *ptw, struct ptw_format f,
			  struct list_head *list)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, list, lru) {
		list_del(&page->lru);
		ptw_free(&ptw->iop.cfg, ptw->iop.cookie,
			 page_address(page), ptw_granule(f));
	}
}

/*
 * Have a grace period, of which poll_state_synchronize_rcu() tells the end.
 * Where nobody else wants one there would be none, and nothing freed. It may
 * take a wakeup, for which interrupts must be enabled; if they are not, who
 * comes later asks.
 */
static unsigned long ptw_grace_period(void)
{
	return irqs_disabled() ? get_state_synchronize_rcu() :
				 start_poll_synchronize_rcu();
}

/* Tables that hardware does not reach any more, to be freed when nobody does. */
static void ptw_to_limbo(struct ptw *ptw, struct list_head *list)
{
	unsigned long flags, cookie = ptw_grace_period();
	struct page *page;

	list_for_each_entry(page, list, lru)
		set_page_private(page, cookie);
	spin_lock_irqsave(&ptw->lock, flags);
	list_splice_tail_init(list, &ptw->limbo);
	WRITE_ONCE(ptw->unfinished, true);
	spin_unlock_irqrestore(&ptw->lock, flags);
}

/* Free what has been in the limbo for a grace period, in order, a piece. */
static void ptw_leave_limbo(struct ptw *ptw, struct ptw_format f)
{
	unsigned int left = PTW_PIECE / PTW_COST_EMPTY;
	unsigned long flags;
	struct page *page;
	LIST_HEAD(list);

	spin_lock_irqsave(&ptw->lock, flags);
	while (left-- && !list_empty(&ptw->limbo)) {
		page = list_first_entry(&ptw->limbo, struct page, lru);
		if (!poll_state_synchronize_rcu(page_private(page)))
			break;
		list_move_tail(&page->lru, &list);
	}
	spin_unlock_irqrestore(&ptw->lock, flags);
	ptw_free_list(ptw, f, &list);
}

/**
 * struct ptw_sweep - a hand of the clock on its way
 * @at: where it is
 * @end: where it stops
 * @budget: how much it may still look at, see PTW_PIECE
 * @used: tables it found in use
 * @taken: of the rear hand: what it took, the slot of each in page_private()
 */
struct ptw_sweep {
	u64 at;
	u64 end;
	int budget;
	int used;
	struct list_head *taken;
};

/* The front hand closes, the rear one takes, or opens what it finds in use. */
static void ptw_visit(struct ptw *ptw, struct ptw_format f,
		      struct ptw_sweep *s, u64 *slot, u64 entry)
{
	u64 *table = ptw_table(f, entry);
	struct page *page;

	if (s->taken && entry & PTW_SYNCED)
		return;
	if (!ptw_is_zero(f, table)) {
		s->budget -= PTW_COST_USED;
		s->used++;
		if (s->taken)
			ptw_open(ptw, slot, entry);
		return;
	}
	s->budget -= PTW_COST_EMPTY;
	if (!s->taken) {
		ptw_close(ptw, slot, entry);
	} else if (ptw_replace(ptw, slot, entry, PTW_BUSY)) {
		ptw_count_out(ptw, entry);
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
static bool ptw_sweep(struct ptw *ptw, struct ptw_format f,
		      struct ptw_sweep *s, u64 *table, size_t entries,
		      unsigned int height, u64 base)
{
	unsigned int shift = ptw_shift(f, height);
	size_t i;

	for (i = (s->at - base) >> shift; i < entries; i++) {
		u64 start = base + ((u64)i << shift);
		u64 entry = READ_ONCE(table[i]);

		if (s->budget <= 0 || s->at >= s->end)
			return false;
		s->budget--;
		if (ptw_is_table(f, entry, height)) {
			if (height > 1 &&
			    !ptw_sweep(ptw, f, s, ptw_table(f, entry),
				       1UL << ptw_bits(f), height - 1, start))
				return false;
			ptw_visit(ptw, f, s, table + i, entry);
		}
		s->at = start + (1ULL << shift);
	}
	return true;
}

/* Bytes of IOVA that the root resolves, a power of two: a whole turn. */
static u64 ptw_space(struct ptw *ptw, struct ptw_format f)
{
	return 1ULL << (ptw_shift(f, ptw->top) + ptw->root_bits);
}

/*
 * Move a hand from @from on, not beyond @to, by a piece; returns how far.
 * Hands count on and on: what is beyond the space comes around again.
 */
static u64 ptw_move(struct ptw *ptw, struct ptw_format f, u64 from, u64 to,
		    struct list_head *taken, int *used)
{
	u64 space = ptw_space(ptw, f);
	u64 begin = from & (space - 1);
	struct ptw_sweep s = {
		.at = begin,
		.end = min(begin + (to - from), space),
		.budget = PTW_PIECE,
		.taken = taken,
	};
	unsigned long flags;

	spin_lock_irqsave(&ptw->lock, flags);
	ptw_sweep(ptw, f, &s, ptw->root, 1UL << ptw->root_bits, ptw->top,
		  0);
	if (taken && !list_empty(taken))
		ptw->taking = true;
	spin_unlock_irqrestore(&ptw->lock, flags);
	*used += s.used;
	return from + (s.at - begin);
}

/* The front hand: a piece, at most to a whole turn before the rear one. */
static void ptw_move_front(struct ptw *ptw, struct ptw_format f)
{
	u64 space = ptw_space(ptw, f), from = ptw->front;

	ptw->front = ptw_move(ptw, f, from, ptw->rear + space, NULL,
			      &ptw->used);
	ptw->turned += ptw->front - from;
	if (ptw->turned < space)
		return;
	WRITE_ONCE(ptw->mark, ptw->used + max(ptw->used / 32, PTW_RESERVE));
	ptw->turned = 0;
	ptw->used = 0;
}

/* The rear hand: a piece, or all to where a grace period has passed. */
static void ptw_move_rear(struct ptw *ptw, struct ptw_format f, bool all)
{
	struct page *page;
	LIST_HEAD(taken);
	int used = 0;

	/* Keeps the slots that are noted. */
	rcu_read_lock();
	do {
		ptw->rear = ptw_move(ptw, f, ptw->rear, ptw->sealed,
				     &taken, &used);
	} while (all && ptw->rear != ptw->sealed);
	if (!list_empty(&taken)) {
		ptw_flush_all(ptw);
		list_for_each_entry(page, &taken, lru)
			ptw_replace(ptw, (u64 *)page_private(page),
				    PTW_BUSY, 0);
		ptw_to_limbo(ptw, &taken);
		/* After the last slot that was noted is done with. */
		smp_store_release(&ptw->taking, false);
	}
	rcu_read_unlock();
}

/* Some of what there is to do; who may wait leaves the search to a turn. */
static void ptw_tick(struct ptw *ptw, struct ptw_format f, bool search)
{
	if (ptw->rear == ptw->sealed && ptw->sealed != ptw->front) {
		ptw->sealed_at = ptw_grace_period();
		ptw->sealed = ptw->front;
	}
	if (ptw->rear != ptw->sealed &&
	    poll_state_synchronize_rcu(ptw->sealed_at))
		ptw_move_rear(ptw, f, false);
	if (search && ptw->front - ptw->rear < ptw_space(ptw, f))
		ptw_move_front(ptw, f);
	ptw_leave_limbo(ptw, f);
}

/* A whole turn at once, and what comes of it freed. */
static void ptw_turn(struct ptw *ptw, struct ptw_format f)
{
	u64 space = ptw_space(ptw, f);
	unsigned long flags;
	LIST_HEAD(list);

	/* Tables may have become empty behind the front hand: once more. */
	ptw->front = ptw->rear;
	ptw->turned = 0;
	ptw->used = 0;
	while (ptw->front - ptw->rear < space)
		ptw_move_front(ptw, f);
	ptw->sealed = ptw->front;
	synchronize_rcu_expedited();
	ptw_move_rear(ptw, f, true);

	spin_lock_irqsave(&ptw->lock, flags);
	list_splice_init(&ptw->limbo, &list);
	spin_unlock_irqrestore(&ptw->lock, flags);
	if (list_empty(&list))
		return;
	synchronize_rcu_expedited();
	ptw_free_list(ptw, f, &list);
}

/* Be the one who moves the hands; nobody waits for it. */
static bool ptw_clock_claim(struct ptw *ptw)
{
	return !atomic_read(&ptw->clock) &&
	       !atomic_cmpxchg(&ptw->clock, 0, 1);
}

static void ptw_clock_release(struct ptw *ptw)
{
	bool apart = ptw->rear != ptw->front;
	unsigned long flags;

	spin_lock_irqsave(&ptw->lock, flags);
	WRITE_ONCE(ptw->unfinished, apart || !list_empty(&ptw->limbo));
	spin_unlock_irqrestore(&ptw->lock, flags);
	atomic_set_release(&ptw->clock, 0);
}

/**
 * ptw_reclaim - do what is due, on the way to allocate a table
 * @ptw: the page table
 * @f: its format
 * @gfp: of the allocation
 *
 * Context: any that @gfp allows, outside of RCU read-side sections of the page
 * table.
 */
static noinline void ptw_reclaim(struct ptw *ptw, struct ptw_format f,
				 gfp_t gfp)
{
	int tables = atomic_read(&ptw->tables), mark = READ_ONCE(ptw->mark);
	bool may_wait = gfpflags_allow_blocking(gfp);

	if (likely(tables <= mark && !READ_ONCE(ptw->unfinished)))
		return;
	if (tables - mark >= PTW_RESERVE && may_wait) {
		mutex_lock(&ptw->waiting);
		/* Whoever was first may have done it all. */
		if (atomic_read(&ptw->tables) - READ_ONCE(ptw->mark) >=
		    PTW_RESERVE && ptw_clock_claim(ptw)) {
			ptw_turn(ptw, f);
			ptw_clock_release(ptw);
		}
		mutex_unlock(&ptw->waiting);
	} else if (ptw_clock_claim(ptw)) {
		ptw_tick(ptw, f, tables > mark && !may_wait);
		ptw_clock_release(ptw);
	}
}

/* May a table go to the freelist of @gather? */
static bool ptw_gathers(struct ptw *ptw, struct ptw_format f,
			struct iommu_iotlb_gather *gather)
{
	if (!gather || ptw->iop.cfg.alloc || ptw_granule(f) > PAGE_SIZE)
		return false;
	return ptw->owner_frees || iommu_iotlb_gather_queued(gather);
}

/* Give up tables that left the tree at @iova, behind an invalidation. */
static void ptw_retire(struct ptw *ptw, struct ptw_format f, u64 iova,
		       unsigned int height, struct list_head *list)
{
	ptw_flush_walk(ptw, f, iova, height);
	ptw_to_limbo(ptw, list);
}

/* Take the empty table out that *@slot, at @height, refers to. */
static bool ptw_detach(struct ptw *ptw, struct ptw_format f, u64 *slot,
		       u64 iova, unsigned int height,
		       struct iommu_iotlb_gather *gather)
{
	bool gathers = ptw_gathers(ptw, f, gather);
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	u64 entry, *table = NULL;
	unsigned long flags;
	LIST_HEAD(list);
	bool taking;

	spin_lock_irqsave(&ptw->lock, flags);
	entry = READ_ONCE(*slot);
	/* Pairs with who has done with the slots that he noted. */
	taking = smp_load_acquire(&ptw->taking);
	if (ptw_is_table(f, entry, height) && (height == 1 || !taking) &&
	    ptw_replace(ptw, slot, entry, 0)) {
		table = ptw_table(f, entry);
		ptw_count_out(ptw, entry);
	}
	spin_unlock_irqrestore(&ptw->lock, flags);
	if (!table)
		return false;

	if (cfg->alloc) {
		ptw_flush_walk(ptw, f, iova, height);
		ptw_free(cfg, ptw->iop.cookie, table, ptw_granule(f));
	} else if (gathers) {
		if (!cfg->coherent_walk)
			ptw_table_retire(cfg, table, ptw_granule(f));
		list_add_tail(&virt_to_page(table)->lru, &gather->freelist);
	} else {
		list_add_tail(&virt_to_page(table)->lru, &list);
		ptw_retire(ptw, f, iova, height, &list);
	}
	return true;
}

/**
 * ptw_covered - see what becomes of a table that an unmap has emptied
 * @ptw: the page table
 * @f: its format
 * @iova: an address in it
 * @height: of the entries that were cleared, all that the table has
 * @first: where the unmap began
 * @last: the last address that it is to clear
 * @gather: takes note of tables to free
 *
 * Context: any, in an RCU read-side section since the entries were cleared.
 */
static noinline void ptw_covered(struct ptw *ptw, struct ptw_format f,
				 u64 iova, unsigned int height, u64 first,
				 u64 last, struct iommu_iotlb_gather *gather)
{
	u64 end = iova | ((1ULL << ptw_shift(f, height + 1)) - 1);
	unsigned int up;

	for (up = height + 1; up <= ptw->top; up++) {
		u64 size = 1ULL << ptw_shift(f, up);
		u64 begin = iova & ~(size - 1);
		u64 *slot, entry;

		if (begin < first || begin + (size - 1) > last)
			return;
		/* One that is above is done with its last table, if at all. */
		if (up > height + 1 && end != begin + (size - 1))
			return;
		slot = ptw_slot(ptw, f, iova, up);
		if (!slot)
			return;
		/* The clock may have been here before. */
		entry = READ_ONCE(*slot);
		if (!ptw_is_table(f, entry, up))
			return;
		if (up > height + 1 &&
		    !ptw_is_zero(f, ptw_table(f, entry)))
			return;
		if (!ptw->iop.cfg.alloc &&
		    atomic_read(&ptw->closed) < PTW_RESERVE) {
			ptw_close(ptw, slot, entry);
			return;
		}
		if (!ptw_detach(ptw, f, slot, iova, up, gather))
			return;
	}
}

/*
 * Give up @table and all below it, to @list or, without one, at once.
 * Recursion ends at the last level.
 */
static void ptw_drop(struct ptw *ptw, struct ptw_format f, u64 *table,
		     size_t entries, unsigned int height,
		     struct list_head *list)
{
	size_t i;

	for (i = 0; height && i < entries; i++) {
		u64 entry = READ_ONCE(table[i]);

		if (!ptw_is_table(f, entry, height))
			continue;
		ptw_count_out(ptw, entry);
		ptw_drop(ptw, f, ptw_table(f, entry), 1UL << ptw_bits(f),
			 height - 1, list);
	}
	if (list)
		list_add_tail(&virt_to_page(table)->lru, list);
	else
		ptw_free(&ptw->iop.cfg, ptw->iop.cookie, table,
			 entries * sizeof(*table));
}

/**
 * ptw_make_room - make a hole for a block
 * @ptw: the page table
 * @f: its format
 * @slot: where the block goes, which is no hole
 * @iova: its address
 * @height: of @slot
 *
 * Context: any, in an RCU read-side section since @slot was found.
 * Return: 0, or -EEXIST when something is mapped there.
 */
static noinline int ptw_make_room(struct ptw *ptw, struct ptw_format f,
				  u64 *slot, u64 iova, unsigned int height)
{
	u64 entry = READ_ONCE(*slot), *table;
	unsigned long flags;
	LIST_HEAD(list);
	bool mine;

	if (height && entry == PTW_BUSY) {
		ptw_settle(ptw, f, slot, iova, height);
		ptw_replace(ptw, slot, PTW_BUSY, 0);
		return 0;
	}
	/* A hole: the clock was faster. */
	if (!entry)
		return 0;
	/* The range is the caller's: what maps nothing will not begin to. */
	if (!height || !ptw_is_table(f, entry, height) ||
	    !ptw_maps_nothing(f, ptw_table(f, entry), height - 1)) {
		ptw_complain(f, "map finds a mapping", iova, height);
		return -EEXIST;
	}
	table = ptw_table(f, entry);
	if (ptw->iop.cfg.alloc) {
		WRITE_ONCE(*slot, 0);
		if (!ptw->iop.cfg.coherent_walk)
			ptw_write_back(&ptw->iop.cfg, slot, 1);
		ptw_count_out(ptw, entry);
		ptw_flush_walk(ptw, f, iova, height);
		ptw_drop(ptw, f, table, 1UL << ptw_bits(f), height - 1, NULL);
		return 0;
	}

	spin_lock_irqsave(&ptw->lock, flags);
	mine = ptw_replace(ptw, slot, entry, 0);
	if (mine) {
		ptw_count_out(ptw, entry);
		ptw_drop(ptw, f, table, 1UL << ptw_bits(f), height - 1, &list);
	}
	spin_unlock_irqrestore(&ptw->lock, flags);
	if (mine)
		ptw_retire(ptw, f, iova, height, &list);
	return 0;
}

#endif
