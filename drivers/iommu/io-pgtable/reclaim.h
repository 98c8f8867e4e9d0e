/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a page table gives empty tables back.
 *
 * Theory of operation
 * ===================
 *
 * 1. An empty table is worth keeping for a while, because the next mapping in
 *    its range then allocates nothing.  Tables leave the tree when an unmap covers
 *    their range (ptw_covered()), when a block is mapped in their place
 *    (ptw_make_room()), and some time after an unmap, when a worker finds them
 *    empty (ptw_reclaim_work()).
 *
 * 2. An entry above the last level is in one of five states.  Each change that
 *    has to do with a table is one cmpxchg(), so exactly one CPU makes it.
 *
 *      HOLE    zero
 *      LEAF    maps a block
 *      OPEN    refers to a table; mappers may map in it
 *      CLOSED  refers to a table that a mapper has to open first
 *      HIDDEN  names a table, but is invalid to hardware
 *
 *      from      to       by                      condition
 *      HOLE      OPEN     a mapper                coherent walker
 *      HOLE      CLOSED   a mapper                other walkers
 *      CLOSED    OPEN     a mapper                entry is written back
 *      HIDDEN    CLOSED   a mapper
 *      OPEN      CLOSED   the worker              table is unused
 *      CLOSED    HIDDEN   the worker              a grace period later, table
 *                                                 is empty
 *      HIDDEN    HOLE     the worker              walk caches are invalidated
 *      OPEN,     HOLE     an unmap of all of the  table is empty
 *      CLOSED             table's range
 *      OPEN,     HIDDEN   the mapper of a block   table maps nothing
 *      CLOSED
 *      HIDDEN    HOLE     the mapper of a block   walk caches are invalidated
 *      OPEN,     HOLE     ptw_drop()              below a table that has left
 *      CLOSED,                                    the tree
 *      HIDDEN
 *      HOLE      LEAF     the owner of the range
 *      LEAF      HOLE     the owner of the range
 *      LEAF      OPEN     ptw_split()             coherent walker
 *      LEAF      CLOSED   ptw_split()             other walkers
 *
 *    Walkers that do not snoop caches see a table once its entry is written back.
 *    OPEN tells other mappers that this is done.
 *
 *    The CPU that makes an entry a HOLE frees the table.  If that is the worker
 *    where the mapper of a block has hidden the entry, the mapper's RCU read-side
 *    section keeps the memory until the mapper has invalidated.
 *
 * 3. Why this is safe.  A mapper is in an RCU read-side section from where it
 *    sees an entry OPEN to where it has written its leaf below.  The worker
 *    alone closes entries, and waits for a grace period before it hides one.
 *    Then no mapper is left that saw the entry OPEN before it was closed; a later
 *    one makes it OPEN again, and the worker's cmpxchg() fails.  A table in which
 *    an early mapper has left something is not empty, and stays.
 *
 *    Hardware may keep a pointer to a HIDDEN table until walk caches are
 *    invalidated.  A mapper that needs a table there makes the same table valid
 *    again, so the pointer is right and the mapper waits for nothing.
 *
 *    tools/testing/io-pgtable/states.pml models this, and Spin checks it.
 *
 * 4. A table that is out of the tree is freed after an invalidation that reaches
 *    walk caches, and after a grace period (io_pgtable_put_tables()).  A table that
 *    an unmap takes out waits on gather.freelist; without one (ptw_gathers()) the
 *    unmap invalidates walk caches itself.  An owner with memory of its own
 *    (io_pgtable_cfg.alloc) may count it, so it gets tables back without a grace
 *    period.  It must not look up a range while it unmaps it.
 *
 * 5. The worker.  If there are more than PTW_RESERVE tables, ptw.watch is set when
 *    a run begins or a table is added.  The next unmap clears it and arms the
 *    worker.  So a page table that is idle or small, or in which nothing is
 *    unmapped, has no worker.  The worker walks under RCU.  It leaves PTW_RESERVE
 *    unused tables of the last level at the highest addresses, where an allocator
 *    that works from the top takes the next ones.
 *
 *    The next run begins a second later at the earliest, up to four seconds later
 *    if runs find nothing, and not before a hundred times of what the last one
 *    took: so the worker takes about one per cent of a CPU at most.  ptw.watch is
 *    read without a barrier: if the last page of a table is unmapped while a run
 *    begins, the table may stay until the next unmap.
 *
 *    io_pgtable_cfg.reclaim needs a tlb_flush_walk() that works at any time in
 *    process context.  It need not wait for ATCs, which hold no tables.  Without
 *    a worker an unmap gives up all tables that it covers.
 */
#ifndef _IO_PGTABLE_RECLAIM_H
#define _IO_PGTABLE_RECLAIM_H

/* Empty tables that may stay: 48 MiB of buffers in pages of 4 KiB. */
#define PTW_RESERVE	24

/* How many holes @count entries, a multiple of four, begin with. */
static size_t ptw_holes(u64 *slot, size_t count)
{
	size_t i;

	for (i = 0; i < count; i += 4) {
		u64 *s = slot + i;

		if (READ_ONCE(s[0]) | READ_ONCE(s[1]) | READ_ONCE(s[2]) |
		    READ_ONCE(s[3]))
			break;
	}
	while (i < count && !READ_ONCE(slot[i]))
		i++;
	return i;
}

static bool ptw_is_zero(struct ptw_format f, u64 *table)
{
	return ptw_holes(table, 1UL << ptw_bits(f)) == 1UL << ptw_bits(f);
}

/* Has @table no leaf below it and, unless its range has an @owner, no OPEN entry? */
static bool ptw_is_unused(struct ptw_format f, u64 *table, unsigned int height,
			  bool owner)
{
	size_t i;

	if (!height)
		return ptw_is_zero(f, table);
	for (i = 0; i < 1UL << ptw_bits(f); i++) {
		u64 entry = READ_ONCE(table[i]);

		if (entry & PTW_VALID &&
		    (!ptw_is_table(f, entry) ||
		     (owner ? !ptw_is_unused(f, ptw_table(f, entry), height - 1,
					     true) : entry & PTW_OPEN)))
			return false;
	}
	return true;
}

/* A table has come into the tree. */
static void ptw_count_table(struct ptw *ptw)
{
	if (atomic_inc_return(&ptw->tables) > PTW_RESERVE && ptw->iop.cfg.reclaim &&
	    !READ_ONCE(ptw->watch))
		WRITE_ONCE(ptw->watch, true);
}

static noinline void ptw_wake(struct ptw *ptw)
{
	WRITE_ONCE(ptw->watch, false);
	queue_delayed_work(system_dfl_wq, &ptw->reclaim,
			   READ_ONCE(ptw->delay));
}

/* Arm the worker at the first unmap since it began its last run. */
static __always_inline void ptw_notice_unmap(struct ptw *ptw)
{
	/* data_race(): a later unmap sees what this one misses; point 5. */
	if (unlikely(data_race(ptw->watch)))
		ptw_wake(ptw);
}

/* Change *@slot from @entry to @to; fails if it holds another. */
static bool ptw_replace(struct ptw *ptw, u64 *slot, u64 entry, u64 to)
{
	if (cmpxchg64(slot, entry, to) != entry)
		return false;
	if (!ptw->iop.cfg.coherent_walk)
		ptw_write_back(&ptw->iop.cfg, slot, 1);
	return true;
}

/* Make the entry of a table invalid to hardware. */
static bool ptw_hide(struct ptw *ptw, u64 *slot, u64 entry)
{
	return ptw_replace(ptw, slot, entry,
			   ptw_encode(ptw->f, ptw_phys(ptw->f, entry)) | PTW_OPEN);
}

/* Invalidate walk caches for [@iova, @iova + @size). */
static void ptw_flush_walk(struct ptw *ptw, u64 iova, u64 size)
{
	/* The entries before the invalidation. */
	wmb();
	io_pgtable_tlb_flush_walk(&ptw->iop, iova, size, ptw_granule(ptw->f));
}

/* Free a table that hardware cannot reach, by way of @list if there is one. */
static void ptw_put(struct ptw *ptw, u64 *table, size_t size,
		    struct iommu_pages_list *list)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;

	if (!list || cfg->alloc) {
		ptw_free(ptw, table, size);
		return;
	}
	if (!cfg->coherent_walk)
		ptw_table_retire(cfg, table, size);
	ptw_pages_add(list, table);
}

/* Give up @table and all below it, while nothing is mapped in its range. */
static void ptw_drop(struct ptw *ptw, u64 *table, size_t entries,
		     unsigned int height, struct iommu_pages_list *list)
{
	struct ptw_format f = ptw->f;
	size_t i = 0;

	while (height && i < entries) {
		u64 entry = READ_ONCE(table[i]);

		if (!entry || (entry & PTW_VALID && !ptw_is_table(f, entry))) {
			i++;
		} else if (cmpxchg64(&table[i], entry, 0) == entry) {
			/* Else the worker has been here: look again. */
			atomic_dec(&ptw->tables);
			ptw_drop(ptw, ptw_table(f, entry), 1UL << ptw_bits(f),
				 height - 1, list);
		}
	}
	ptw_put(ptw, table, entries * sizeof(*table), list);
}

/* Make HIDDEN entries holes after the invalidation; free the tables they name. */
static void ptw_sweep(struct ptw *ptw, u64 *slot, size_t count,
		      unsigned int height)
{
	struct iommu_pages_list list = IOMMU_PAGES_LIST_INIT(list);
	size_t i;

	for (i = 0; i < count; i++) {
		u64 entry = READ_ONCE(slot[i]);

		if (!entry || entry & PTW_VALID ||
		    !ptw_replace(ptw, slot + i, entry, 0))
			continue;
		atomic_dec(&ptw->tables);
		ptw_drop(ptw, ptw_table(ptw->f, entry), 1UL << ptw_bits(ptw->f),
			 height - 1, &list);
	}
	io_pgtable_put_tables(&list, get_order(ptw_granule(ptw->f)));
}

/* A run of the worker: */
struct ptw_run {
	struct ptw *ptw;
	long left;		/* unused last tables that may still be taken */
	bool upper;		/* there are empty tables above the last level */
	bool took;		/* there was something to take */
	u64 first, end;		/* what is hidden since the last invalidation */
};

/* Close the table of @slot if it is unused, and count it. */
static void ptw_close(struct ptw_run *run, u64 *slot, u64 iova,
		      unsigned int height)
{
	struct ptw_format f = run->ptw->f;
	u64 entry = READ_ONCE(*slot);

	if (!ptw_is_table(f, entry) ||
	    !ptw_is_unused(f, ptw_table(f, entry), height - 1, false))
		return;
	if (entry & PTW_OPEN)
		cmpxchg64(slot, entry, entry & ~PTW_OPEN);
	if (height == 1)
		run->left++;
	else if (ptw_is_zero(f, ptw_table(f, entry)))
		run->upper = true;
}

/* Hide the table of @slot if it has stayed closed and is empty. */
static void ptw_take(struct ptw_run *run, u64 *slot, u64 iova,
		     unsigned int height)
{
	struct ptw *ptw = run->ptw;
	u64 entry = READ_ONCE(*slot);

	if (entry & PTW_OPEN || !ptw_is_table(ptw->f, entry) ||
	    (height == 1 && run->left <= 0) ||
	    !ptw_is_zero(ptw->f, ptw_table(ptw->f, entry)) ||
	    !ptw_hide(ptw, slot, entry))
		return;
	if (height == 1)
		run->left--;
	if (!run->end)
		run->first = iova;
	run->end = iova + (1ULL << ptw_shift(ptw->f, height));
}

/* Free the table that @slot names, if it is still HIDDEN. */
static void ptw_release(struct ptw_run *run, u64 *slot, u64 iova,
			unsigned int height)
{
	ptw_sweep(run->ptw, slot, 1, height);
}

/* Call @fn for the slots at @height of [@iova, @end) that are in a table. */
static void ptw_each_slot(struct ptw_run *run, u64 iova, u64 end,
			  unsigned int height,
			  void (*fn)(struct ptw_run *run, u64 *slot, u64 iova,
				     unsigned int height))
{
	while (iova < end) {
		struct ptw_format f = run->ptw->f;
		unsigned int shift;
		u64 *slot, entry;

		rcu_read_lock();
		slot = ptw_walk(run->ptw, f, iova, height, &shift, &entry);
		if (shift == ptw_shift(f, height))
			fn(run, slot, iova, height);
		rcu_read_unlock();
		cond_resched();
		iova = (iova | ((1ULL << shift) - 1)) + 1;
	}
}

/* For each parent: hide its unused tables, invalidate once, free them. */
static void ptw_take_all(struct ptw_run *run, u64 space, unsigned int height)
{
	struct ptw *ptw = run->ptw;
	u64 size = space, iova;

	if (height != ptw->top)
		size = 1ULL << ptw_shift(ptw->f, height + 1);
	for (iova = 0; iova < space && system_state <= SYSTEM_RUNNING;
	     iova += size) {
		unsigned int shift;
		u64 entry;

		rcu_read_lock();
		ptw_walk(ptw, ptw->f, iova, height, &shift, &entry);
		rcu_read_unlock();
		if (shift != ptw_shift(ptw->f, height)) {
			/* Go on behind the hole or block. */
			iova |= (1ULL << shift) - size;
			continue;
		}
		run->end = 0;
		ptw_each_slot(run, iova, iova + size, height, ptw_take);
		if (!run->end)
			continue;
		run->took = true;
		ptw_flush_walk(ptw, run->first | (ptw->upper & ~(space - 1)),
			       run->end - run->first);
		ptw_each_slot(run, run->first, run->end, height, ptw_release);
	}
}

/* Give back empty tables; point 5. */
static void ptw_reclaim_work(struct work_struct *work)
{
	struct ptw *ptw = container_of(to_delayed_work(work), struct ptw,
				       reclaim);
	u64 space = 1ULL << (ptw->root_shift + ptw->root_bits);
	struct ptw_run run = { .ptw = ptw, .left = -PTW_RESERVE };
	unsigned long spent, delay = 2 * ptw->delay;
	ktime_t start = ktime_get();
	unsigned int height;

	WRITE_ONCE(ptw->watch, atomic_read(&ptw->tables) > PTW_RESERVE);
	for (height = 1; height <= ptw->top; height++)
		ptw_each_slot(&run, 0, space, height, ptw_close);
	spent = ktime_us_delta(ktime_get(), start);
	if (run.left > 0 || run.upper) {
		/* No mapper is left that saw one of them OPEN. */
		synchronize_rcu();
		start = ktime_get();
		for (height = 1; height <= ptw->top; height++)
			ptw_take_all(&run, space, height);
		spent += ktime_us_delta(ktime_get(), start);
	}
	delay = run.took ? HZ : min(delay, 4UL * HZ);
	delay = max(delay, spent * HZ / (USEC_PER_SEC / 100));
	WRITE_ONCE(ptw->delay, delay);
	/* An unmap during the run has armed the worker with the old delay. */
	if (delayed_work_pending(&ptw->reclaim))
		mod_delayed_work(system_dfl_wq, &ptw->reclaim, delay);
}

#endif
