// SPDX-License-Identifier: GPL-2.0-only
/*
 * How tables come into a page table, and how empty ones leave it: the slow paths of
 * the walker, which all formats share.
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
 *
 * 6. A format may let the root grow (pt_amdv1.c): it becomes the first table of a
 *    new root.  The new one and its height are published in one word, ptw.start, and
 *    the addresses that it adds afterwards.  A walk that still begins at the old
 *    root sees the same entries below it.
 *
 * 7. This file is compiled once.  What it has to know of a format is in struct ptw.
 */

#define PTW_KIND	(ptw->kind)
#define PTW_TABLE	(ptw->table & ptw->kind)
#define PTW_OPEN	(ptw->open)
#define PTW_GROWS	true

#include "walk.h"

#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "base.h"

static inline phys_addr_t ptw_phys(const struct ptw *ptw, struct ptw_format f,
				   u64 entry)
{
	return (entry & ptw->address) << ptw->address_shift |
	       (entry & ptw->high) << 36;
}

/*
 * Warn of a request that does not go with what is mapped, the first time with a
 * backtrace, which names the caller.  Where user space decides on requests, the
 * owner does not want that (IO_PGTABLE_QUIRK_NO_WARN).
 */
void ptw_complain(const struct ptw *ptw, const char *what, u64 iova,
		  unsigned int height)
{
	int level = ptw_level(ptw, height);
	static bool warned;

	if (ptw->iop.cfg.quirks & IO_PGTABLE_QUIRK_NO_WARN)
		return;
	if (!READ_ONCE(warned)) {
		WRITE_ONCE(warned, true);
		WARN(1, "io-pgtable: %s at iova %#llx, level %d\n", what, iova,
		     level);
	} else {
		pr_warn_ratelimited("io-pgtable: %s at iova %#llx, level %d\n",
				    what, iova, level);
	}
}

static void ptw_free_pages(struct ptw *ptw, void *table, size_t size)
{
	if (ptw->iop.cfg.free)
		ptw->iop.cfg.free(ptw->iop.cookie, table, size);
	else
		ptw_pages_free(table, size);
}

/* Returns NULL without memory. */
void *ptw_alloc(struct ptw *ptw, size_t size, gfp_t gfp)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	void *table;

	if (cfg->alloc)
		table = cfg->alloc(ptw->iop.cookie, size, gfp);
	else
		table = ptw_pages_alloc(ptw->nid, gfp, size);
	if (table && !cfg->coherent_walk && ptw->sync->expose(cfg, table, size)) {
		ptw_free_pages(ptw, table, size);
		table = NULL;
	}
	return table;
}

/* A walker that does not snoop caches is to see @table no more. */
static void ptw_retire(struct ptw *ptw, void *table, size_t size)
{
	if (!ptw->iop.cfg.coherent_walk && ptw->sync->retire)
		ptw->sync->retire(&ptw->iop.cfg, table, size);
}

/* Free a table that hardware has never seen, or does not walk any more. */
void ptw_free(struct ptw *ptw, void *table, size_t size)
{
	ptw_retire(ptw, table, size);
	ptw_free_pages(ptw, table, size);
}

/* Empty tables that may stay: 48 MiB of buffers in pages of 4 KiB. */
#define PTW_RESERVE	24

static bool ptw_is_zero(struct ptw_format f, u64 *table)
{
	return ptw_holes(table, 1UL << ptw_bits(f)) == 1UL << ptw_bits(f);
}

/* Has @table no leaf below it and, unless its range has an @owner, no OPEN entry? */
static bool ptw_is_unused(const struct ptw *ptw, u64 *table,
			  unsigned int height, bool owner)
{
	struct ptw_format f = ptw->f;
	size_t i;

	if (!height)
		return ptw_is_zero(f, table);
	for (i = 0; i < 1UL << ptw_bits(f); i++) {
		u64 entry = READ_ONCE(table[i]);

		if (entry & PTW_VALID &&
		    (!ptw_is_table(ptw, entry) ||
		     (owner ? !ptw_is_unused(ptw, ptw_table(ptw, f, entry),
					     height - 1, true) :
			      entry & PTW_OPEN)))
			return false;
	}
	return true;
}

/* The height of the root.  A walk from here on begins there, or at a later root. */
static unsigned int ptw_top(struct ptw *ptw)
{
	unsigned int shift;

	ptw_root_slot(ptw, 0, &shift);
	return (shift - ptw_shift(ptw->f, 0)) / ptw_bits(ptw->f);
}

/* Arm the worker. */
void ptw_wake(struct ptw *ptw)
{
	WRITE_ONCE(ptw->watch, false);
	queue_delayed_work(system_dfl_wq, &ptw->reclaim,
			   READ_ONCE(ptw->delay));
}

static void ptw_write_back_one(struct ptw *ptw, u64 *slot)
{
	if (!ptw->iop.cfg.coherent_walk)
		ptw->sync->write_back(&ptw->iop.cfg, slot, 1);
}

/* Change *@slot from @entry to @to; fails if it holds another. */
static bool ptw_replace(struct ptw *ptw, u64 *slot, u64 entry, u64 to)
{
	if (cmpxchg64(slot, entry, to) != entry)
		return false;
	ptw_write_back_one(ptw, slot);
	return true;
}

/* Make the entry of a table invalid to hardware. */
static bool ptw_hide(struct ptw *ptw, u64 *slot, u64 entry)
{
	return ptw_replace(ptw, slot, entry,
			   (entry & (ptw->address | ptw->high)) | PTW_OPEN);
}

/* Invalidate walk caches for [@iova, @iova + @size). */
void ptw_flush_walk(struct ptw *ptw, u64 iova, u64 size)
{
	/* The entries before the invalidation. */
	wmb();
	io_pgtable_tlb_flush_walk(&ptw->iop, iova, size, ptw_granule(ptw->f));
}

/* Free a table that hardware cannot reach, by way of @list if there is one. */
static void ptw_put(struct ptw *ptw, u64 *table, size_t size,
		    struct iommu_pages_list *list)
{
	if (!list || ptw->iop.cfg.alloc) {
		ptw_free(ptw, table, size);
		return;
	}
	ptw_retire(ptw, table, size);
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

		if (!entry || (entry & PTW_VALID && !ptw_is_table(ptw, entry))) {
			i++;
		} else if (cmpxchg64(&table[i], entry, 0) == entry) {
			/* Else the worker has been here: look again. */
			atomic_dec(&ptw->tables);
			ptw_drop(ptw, ptw_table(ptw, f, entry),
				 1UL << ptw_bits(f), height - 1, list);
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
		ptw_drop(ptw, ptw_table(ptw, ptw->f, entry),
			 1UL << ptw_bits(ptw->f), height - 1, &list);
	}
	io_pgtable_put_tables(&list, get_order(ptw_granule(ptw->f)));
}

/* May a table go to the freelist of @gather? */
static bool ptw_gathers(struct ptw *ptw, struct iommu_iotlb_gather *gather)
{
	if (!gather || ptw->iop.cfg.alloc || ptw_granule(ptw->f) > PAGE_SIZE)
		return false;
	return ptw->iop.cfg.owner_frees || iommu_iotlb_gather_queued(gather);
}

/* Give up tables that an unmap of [@first, @last] has emptied up to @iova. */
void ptw_covered(struct ptw *ptw, u64 iova, unsigned int height, u64 first,
		 u64 last, struct iommu_iotlb_gather *gather)
{
	u64 mask = (1ULL << ptw_shift(ptw->f, height + 1)) - 1, end = iova | mask;
	unsigned int top = ptw_top(ptw);
	bool gathers = ptw_gathers(ptw, gather);
	struct ptw_format f = ptw->f;
	struct iommu_pages_list list = IOMMU_PAGES_LIST_INIT(list);

	/* The first tables of an unmap stay for the worker. */
	if (ptw->iop.cfg.reclaim &&
	    ((iova & ~mask) - first) / (mask + 1) < PTW_RESERVE)
		return;
	while (++height <= top) {
		u64 *slot, *table, entry;
		unsigned int shift;

		mask = (1ULL << ptw_shift(f, height)) - 1;
		if ((iova & ~mask) < first || (iova | mask) > last ||
		    (iova | mask) != end)
			return;
		slot = ptw_walk(ptw, f, iova, height, &shift, &entry);
		if (shift != ptw_shift(f, height) || !ptw_is_table(ptw, entry))
			return;
		table = ptw_table(ptw, f, entry);
		if (!ptw_is_zero(f, table) || !ptw_replace(ptw, slot, entry, 0))
			return;
		atomic_dec(&ptw->tables);
		if (!gathers)
			ptw_flush_walk(ptw, iova & ~mask, mask + 1);
		ptw_put(ptw, table, ptw_granule(f),
			gathers ? &gather->freelist : &list);
		io_pgtable_put_tables(&list, get_order(ptw_granule(f)));
	}
}

/* Make holes for up to @count blocks; returns -EEXIST if @slot stays mapped. */
int ptw_make_room(struct ptw *ptw, u64 *slot, size_t count, u64 iova,
		  unsigned int height)
{
	unsigned int shift = ptw_shift(ptw->f, height);
	struct ptw_format f = ptw->f;
	size_t i;

	for (i = 0; i < count; i++) {
		u64 entry = READ_ONCE(slot[i]);

		while (entry & PTW_VALID) {
			if (!height || !ptw_is_table(ptw, entry) ||
			    !ptw_is_unused(ptw, ptw_table(ptw, f, entry),
					   height - 1, true))
				goto flush;
			ptw_hide(ptw, slot + i, entry);
			entry = READ_ONCE(slot[i]);
		}
	}
flush:
	if (!i) {
		ptw_complain(ptw, "map finds a mapping", iova, height);
		return -EEXIST;
	}
	ptw_flush_walk(ptw, iova, (u64)i << shift);
	ptw_sweep(ptw, slot, i, height);
	return 0;
}

/* What an entry at @height that refers to a table has beside its address. */
static u64 ptw_table_bits(const struct ptw *ptw, unsigned int height)
{
	return ptw->table + height * ptw->level;
}

/* Put @table in the place of @old at *@slot; fails if the slot holds another. */
bool ptw_install(struct ptw *ptw, u64 *slot, u64 old, u64 *table,
		 unsigned int height)
{
	u64 phys = virt_to_phys(table);
	u64 entry = (phys >> ptw->address_shift & ptw->address) |
		    (phys >> 36 & ptw->high) | ptw_table_bits(ptw, height);

	if (ptw->iop.cfg.coherent_walk)
		entry |= PTW_OPEN;
	/* The contents of the table, before the entry that refers to it. */
	dma_wmb();
	if (cmpxchg64_relaxed(slot, old, entry) != old)
		return false;
	if (atomic_inc_return(&ptw->tables) > PTW_RESERVE && ptw->iop.cfg.reclaim &&
	    !READ_ONCE(ptw->watch))
		WRITE_ONCE(ptw->watch, true);
	return true;
}

/*
 * Install or open the tables on the way to @iova, so that the caller may map in
 * them until the end of its RCU read-side section, which may be a new one.  Each
 * turn of the loop moves an entry on by one state (point 2), or goes down.
 * Returns the slot at @leaf, or ERR_PTR(-EEXIST) or ERR_PTR(-ENOMEM).
 */
u64 *ptw_link(struct ptw *ptw, u64 iova, unsigned int leaf, gfp_t gfp)
{
	struct ptw_format f = ptw->f;
	u64 *slot, *table = NULL, entry;
	unsigned int height, shift;

again:
	slot = ptw_root_slot(ptw, iova, &shift);
	height = (shift - ptw_shift(f, 0)) / ptw_bits(f);
	while (height > leaf) {
		entry = READ_ONCE(*slot);
		if (!entry && !table) {
			rcu_read_unlock();
			table = ptw_alloc(ptw, ptw_granule(f), gfp);
			rcu_read_lock();
			if (!table)
				return ERR_PTR(-ENOMEM);
			goto again;
		} else if (!entry) {
			if (ptw_install(ptw, slot, 0, table, height))
				table = NULL;
		} else if (!(entry & PTW_VALID)) {
			cmpxchg64(slot, entry,
				  (entry & (ptw->address | ptw->high)) |
				  ptw_table_bits(ptw, height));
		} else if (!ptw_is_table(ptw, entry)) {
			ptw_complain(ptw, "map finds a mapping", iova, height);
			slot = ERR_PTR(-EEXIST);
			break;
		} else if (!(entry & PTW_OPEN)) {
			ptw_write_back_one(ptw, slot);
			cmpxchg64(slot, entry, entry | PTW_OPEN);
		} else {
			height--;
			shift -= ptw_bits(f);
			slot = ptw_table(ptw, f, entry) + ptw_index(f, iova, shift);
		}
	}
	/* Another CPU has installed one. */
	if (table)
		ptw_free(ptw, table, ptw_granule(f));
	return slot;
}

/* A run of the worker: */
struct ptw_run {
	struct ptw *ptw;
	unsigned int top;	/* of when it began, as is: */
	u64 space;		/* the last address */
	long left;		/* unused last tables that may still be taken */
	bool upper;		/* there are empty tables above the last level */
	bool took;		/* there was something to take */
	bool hid;		/* so was something since the last invalidation: */
	u64 first, last;
};

/* Close the table of @slot if it is unused, and count it. */
static void ptw_close(struct ptw_run *run, u64 *slot, u64 iova,
		      unsigned int height)
{
	struct ptw *ptw = run->ptw;
	u64 *table, entry = READ_ONCE(*slot);

	if (!ptw_is_table(ptw, entry))
		return;
	table = ptw_table(ptw, ptw->f, entry);
	if (!ptw_is_unused(ptw, table, height - 1, false))
		return;
	if (entry & PTW_OPEN)
		cmpxchg64(slot, entry, entry & ~PTW_OPEN);
	if (height == 1)
		run->left++;
	else if (ptw_is_zero(ptw->f, table))
		run->upper = true;
}

/* Hide the table of @slot if it has stayed closed and is empty. */
static void ptw_take(struct ptw_run *run, u64 *slot, u64 iova,
		     unsigned int height)
{
	struct ptw *ptw = run->ptw;
	u64 entry = READ_ONCE(*slot);

	if (entry & PTW_OPEN || !ptw_is_table(ptw, entry) ||
	    (height == 1 && run->left <= 0) ||
	    !ptw_is_zero(ptw->f, ptw_table(ptw, ptw->f, entry)) ||
	    !ptw_hide(ptw, slot, entry))
		return;
	if (height == 1)
		run->left--;
	if (!run->hid)
		run->first = iova;
	run->hid = true;
	run->last = iova | ((1ULL << ptw_shift(ptw->f, height)) - 1);
}

/* Free the table that @slot names, if it is still HIDDEN. */
static void ptw_release(struct ptw_run *run, u64 *slot, u64 iova,
			unsigned int height)
{
	ptw_sweep(run->ptw, slot, 1, height);
}

/* Call @fn for the slots at @height of [@iova, @last] that are in a table. */
static void ptw_each_slot(struct ptw_run *run, u64 iova, u64 last,
			  unsigned int height,
			  void (*fn)(struct ptw_run *run, u64 *slot, u64 iova,
				     unsigned int height))
{
	do {
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
		/* 0 behind the last address of all */
	} while (iova - 1 < last);
}

/* Hide the unused tables of one parent, invalidate once, free them. */
static void ptw_take_from(struct ptw_run *run, u64 iova, u64 last,
			  unsigned int height)
{
	struct ptw *ptw = run->ptw;

	run->hid = false;
	ptw_each_slot(run, iova, last, height, ptw_take);
	if (!run->hid)
		return;
	run->took = true;
	ptw_flush_walk(ptw, run->first | (ptw->upper & ~run->space),
		       run->last - run->first + 1);
	ptw_each_slot(run, run->first, run->last, height, ptw_release);
}

static void ptw_take_all(struct ptw_run *run, unsigned int height)
{
	struct ptw *ptw = run->ptw;
	u64 mask = run->space, iova = 0;

	if (height != run->top)
		mask = (1ULL << ptw_shift(ptw->f, height + 1)) - 1;
	do {
		unsigned int shift;
		u64 entry;

		rcu_read_lock();
		ptw_walk(ptw, ptw->f, iova, height, &shift, &entry);
		rcu_read_unlock();
		if (shift == ptw_shift(ptw->f, height))
			ptw_take_from(run, iova, iova | mask, height);
		else	/* Go on behind the hole or block. */
			iova |= ((1ULL << shift) - 1) & ~mask;
		iova += mask + 1;
	} while (iova - 1 < run->space && system_state <= SYSTEM_RUNNING);
}

/* Give back empty tables; point 5. */
static void ptw_reclaim_work(struct work_struct *work)
{
	struct ptw *ptw = container_of(to_delayed_work(work), struct ptw,
				       reclaim);
	struct ptw_run run = { .ptw = ptw, .left = -PTW_RESERVE };
	unsigned long spent, delay = 2 * ptw->delay;
	ktime_t start = ktime_get();
	unsigned int height;

	WRITE_ONCE(ptw->watch, atomic_read(&ptw->tables) > PTW_RESERVE);
	run.top = ptw_top(ptw);
	run.space = GENMASK_ULL(min(ptw_shift(ptw->f, run.top) + ptw->root_bits,
				    64U) - 1, 0);
	for (height = 1; height <= run.top; height++)
		ptw_each_slot(&run, 0, run.space, height, ptw_close);
	spent = ktime_us_delta(ktime_get(), start);
	if (run.left > 0 || run.upper) {
		/* No mapper is left that saw one of them OPEN. */
		synchronize_rcu();
		start = ktime_get();
		for (height = 1; height <= run.top; height++)
			ptw_take_all(&run, height);
		spent += ktime_us_delta(ktime_get(), start);
	}
	delay = run.took ? HZ : min(delay, 4UL * HZ);
	delay = max(delay, spent * HZ / (USEC_PER_SEC / 100));
	WRITE_ONCE(ptw->delay, delay);
	/* An unmap during the run has armed the worker with the old delay. */
	if (delayed_work_pending(&ptw->reclaim))
		mod_delayed_work(system_dfl_wq, &ptw->reclaim, delay);
}

/**
 * ptw_create - allocate a page table without a mapping
 * @shape: has @iop.ops, @top to @stage and @table to @level; gets @root
 * @cfg: as its owner wants it
 * @cookie: the owner's
 *
 * Context: process, may sleep.
 * Return: the page table, its root visible to hardware, or NULL.
 */
struct io_pgtable *ptw_create(struct ptw *shape, struct io_pgtable_cfg *cfg,
			      void *cookie)
{
	struct ptw *ptw = kzalloc(sizeof(*ptw), GFP_KERNEL);

	if (!ptw)
		return NULL;
	if (cfg->alloc)
		cfg->reclaim = false;
	*ptw = *shape;
	ptw->iop.cfg = *cfg;
	ptw->iop.cookie = cookie;
	ptw->root_shift = ptw_shift(ptw->f, ptw->top);
	ptw->root_mask = (1U << ptw->root_bits) - 1;
	ptw->upper = cfg->quirks & IO_PGTABLE_QUIRK_ARM_TTBR1 ? ~0ULL : 0;
	ptw->iova_outside = cfg->ias < 64 ? ~0ULL << cfg->ias : 0;
	ptw->bias = -(ptw->upper & ptw->iova_outside);
	ptw->phys_outside = ~0ULL << cfg->oas;
	ptw->delay = HZ;
	ptw->notes = cfg->tlb && cfg->tlb->tlb_add_page;
	INIT_DELAYED_WORK(&ptw->reclaim, ptw_reclaim_work);
	ptw->root = ptw_alloc(ptw, sizeof(u64) << ptw->root_bits, GFP_KERNEL);
	if (!ptw->root) {
		kfree(ptw);
		return NULL;
	}
	shape->root = ptw->root;
	ptw->start = (unsigned long)ptw->root | ptw->root_shift;
	/* The empty root, before a register can lead to it. */
	wmb();
	return &ptw->iop;
}

/**
 * ptw_destroy - free a page table with all that it maps
 * @iop: the page table, which hardware does not walk any more
 *
 * Context: process if there is a worker (io_pgtable_cfg.reclaim), else any.
 */
void ptw_destroy(struct io_pgtable *iop)
{
	struct ptw *ptw = container_of(iop, struct ptw, iop);

	if (iop->cfg.reclaim)
		cancel_delayed_work_sync(&ptw->reclaim);
	ptw_drop(ptw, ptw->root, 1UL << ptw->root_bits, ptw->top, NULL);
	kfree(ptw);
}
