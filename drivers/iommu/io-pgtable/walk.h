/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The radix walker of the I/O page table formats.
 *
 * Theory of operation
 * ===================
 *
 * 1. A page table is a tree of tables of 64-bit entries.  All levels resolve the
 *    same number of IOVA bits, except the root: it may be smaller than a table, or
 *    several tables side by side (concatenated).  An entry is a hole (zero), a
 *    leaf (a page, or a block above the last level) or refers to a table.  The
 *    walker counts levels by their height: the last level, which maps pages, has
 *    height 0.  Messages use the level numbers of the specification.
 *
 * 2. A format is a source file that includes ops.h and defines the functions
 *    declared below.  struct ptw_format is a constant to the fast paths, so the
 *    compiler makes them for each granule.
 *
 * 3. Mapping needs tables.  ptw_link() installs missing ones with cmpxchg().  The
 *    CPU that loses that race uses the winner's table.  Empty tables leave again
 *    (reclaim.h).
 *
 * 4. The walker takes no lock.  Callers may map and unmap different ranges at the
 *    same time, in the same table too, but not the same range.  So one CPU at
 *    a time maps or unmaps a leaf.  Walks are RCU read-side sections and tables are
 *    freed after a grace period, so a lookup of a range that is being unmapped, and
 *    a wrong second unmap of it, read tables only.  Exact unmaps (exact.h) of the
 *    same range may race: one of them succeeds.
 *
 * 5. map.h maps, unmap.h and exact.h unmap, leaves.h has what they share.
 */
#ifndef _IO_PGTABLE_WALK_H
#define _IO_PGTABLE_WALK_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/io-pgtable.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "base.h"

/* The constants of a format, in one number, which compilers follow best. */
struct ptw_format {
	unsigned int id;
};

/* @bits: of an IOVA that a level resolves; @variant: for the format's own use. */
#define PTW_FORMAT(bits, variant)	{ (bits) | (variant) << 8 }

static __always_inline unsigned int ptw_bits(struct ptw_format f)
{
	return f.id & 0xff;
}

static __always_inline unsigned int ptw_variant(struct ptw_format f)
{
	return f.id >> 8;
}

/**
 * struct ptw - a page table
 * @iop: what the owner knows of it
 * @root: the tables where a walk begins
 * @root_shift: log2 of the bytes that an entry of @root maps
 * @root_mask: index bits of @root
 * @upper: the bits of an IOVA that are not translated: all 0 or all 1
 * @iova_outside: mask of those bits
 * @phys_outside: mask of bits beyond physical addresses
 * @top: height of @root
 * @root_bits: of an IOVA that @root resolves
 * @nid: NUMA node to take tables from
 * @f: the format, for slow paths
 * @stage: what the format keeps for itself
 * @notes: the owner has tlb_add_page()
 * @watch: the next unmap is to arm @reclaim
 * @tables: tables in the tree, without the root
 * @delay: jiffies from that unmap to the run of @reclaim
 * @reclaim: gives empty tables back
 */
struct ptw {
	struct io_pgtable iop;
	u64 *root;
	unsigned int root_shift;
	unsigned int root_mask;
	u64 upper;
	u64 iova_outside;
	u64 phys_outside;
	unsigned int top;
	unsigned int root_bits;
	int nid;
	struct ptw_format f;
	const struct ptw_stage *stage;
	bool notes;
	bool watch;
	atomic_t tables;
	unsigned long delay;
	struct delayed_work reclaim;
};

/*
 * A format defines these functions and two bits: PTW_VALID, which leaves and
 * entries that refer to a table have (without it, and with the other low bits
 * clear, an entry is invalid to hardware); and PTW_OPEN, which hardware ignores in
 * entries that refer to a table (reclaim.h).  @height is that of @entry.
 */

/* Does @entry, above the last level, refer to a table? */
static inline bool ptw_is_table(struct ptw_format f, u64 entry);
/* Is @entry a page (@height 0) or a block? */
static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height);
/* An entry that refers to the table at @phys. */
static inline u64 ptw_table_entry(struct ptw_format f, struct ptw *ptw,
				  phys_addr_t phys);
/* An address as it stands in an entry, and back. */
static inline u64 ptw_encode(struct ptw_format f, phys_addr_t phys);
static inline phys_addr_t ptw_phys(struct ptw_format f, u64 entry);
/* The number of the level of @height in the specification. */
static inline int ptw_level(struct ptw_format f, unsigned int height);
/* Map a table for DMA by a walker that does not snoop caches, and unmap it. */
static inline int ptw_table_expose(struct io_pgtable_cfg *cfg, void *table,
				   size_t size);
static inline void ptw_table_retire(struct io_pgtable_cfg *cfg, void *table,
				    size_t size);
/* Let such a walker see entries that changed. */
static inline void ptw_write_back(struct io_pgtable_cfg *cfg, u64 *slot,
				  size_t entries);

static inline struct ptw *ptw_of(struct io_pgtable_ops *ops)
{
	return container_of(io_pgtable_ops_to_pgtable(ops), struct ptw, iop);
}

static __always_inline size_t ptw_granule(struct ptw_format f)
{
	return sizeof(u64) << ptw_bits(f);
}

/* log2 of the bytes that an entry maps. */
static __always_inline unsigned int ptw_shift(struct ptw_format f,
					      unsigned int height)
{
	return ptw_bits(f) * (height + 1) + ilog2(sizeof(u64));
}

static __always_inline unsigned int ptw_index(struct ptw_format f, u64 iova,
					      unsigned int shift)
{
	return (iova >> shift) & ((1U << ptw_bits(f)) - 1);
}

static __always_inline u64 *ptw_root_slot(struct ptw *ptw, struct ptw_format f,
					  u64 iova, unsigned int shift)
{
	return ptw->root + ((iova >> shift) & ptw->root_mask);
}

static __always_inline u64 *ptw_table(struct ptw_format f, u64 entry)
{
	return phys_to_virt(ptw_phys(f, entry));
}

/* Entries from @slot to the end of its table, or of its part of the root. */
static __always_inline size_t ptw_room(struct ptw_format f, u64 *slot)
{
	unsigned long offset = (unsigned long)slot & (ptw_granule(f) - 1);

	return (ptw_granule(f) - offset) / sizeof(u64);
}

/* Does the page table translate all of [@iova, @iova + @size)? */
static __always_inline bool ptw_in_range(const struct ptw *ptw, u64 iova,
					 u64 size)
{
	u64 last = iova + size - 1;

	return !(((iova ^ ptw->upper) | (last ^ ptw->upper)) &
		 ptw->iova_outside);
}

/*
 * Warn of a request that does not go with what is mapped, the first time with a
 * backtrace, which names the caller.  Where user space decides on requests, the
 * owner does not want that (IO_PGTABLE_QUIRK_NO_WARN).
 */
static noinline __maybe_unused void ptw_complain(struct ptw *ptw,
						 const char *what, u64 iova,
						 unsigned int height)
{
	int level = ptw_level(ptw->f, height);
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

/* Walk to the slot of @iova at height @to, or to a hole or leaf above it. */
static __always_inline u64 *ptw_walk(struct ptw *ptw, struct ptw_format f,
				     u64 iova, unsigned int to,
				     unsigned int *shift, u64 *entry)
{
	u64 *slot;

	*shift = ptw->root_shift;
	slot = ptw_root_slot(ptw, f, iova, *shift);
	*entry = READ_ONCE(*slot);
	while (*shift != ptw_shift(f, to) && ptw_is_table(f, *entry)) {
		*shift -= ptw_bits(f);
		slot = ptw_table(f, *entry) + ptw_index(f, iova, *shift);
		*entry = READ_ONCE(*slot);
	}
	return slot;
}

static void ptw_free_pages(struct ptw *ptw, void *table, size_t size)
{
	if (ptw->iop.cfg.free)
		ptw->iop.cfg.free(ptw->iop.cookie, table, size);
	else
		ptw_pages_free(table, size);
}

static void *ptw_alloc(struct ptw *ptw, size_t size, gfp_t gfp)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	void *table;

	if (cfg->alloc)
		table = cfg->alloc(ptw->iop.cookie, size, gfp);
	else
		table = ptw_pages_alloc(ptw->nid, gfp, size);
	if (table && !cfg->coherent_walk && ptw_table_expose(cfg, table, size)) {
		ptw_free_pages(ptw, table, size);
		table = NULL;
	}
	return table;
}

static void ptw_free(struct ptw *ptw, void *table, size_t size)
{
	if (!ptw->iop.cfg.coherent_walk)
		ptw_table_retire(&ptw->iop.cfg, table, size);
	ptw_free_pages(ptw, table, size);
}

#include "reclaim.h"

/* Put @table in the place of @old at *@slot; fails if the slot holds another. */
static bool ptw_install(struct ptw *ptw, u64 *slot, u64 old, u64 *table)
{
	u64 entry = ptw_table_entry(ptw->f, ptw, virt_to_phys(table));

	if (ptw->iop.cfg.coherent_walk)
		entry |= PTW_OPEN;
	/* The contents of the table, before the entry that refers to it. */
	dma_wmb();
	if (cmpxchg64_relaxed(slot, old, entry) != old)
		return false;
	ptw_count_table(ptw);
	return true;
}

/*
 * Install or open the tables on the way to @iova, so that the caller may map in
 * them until the end of its RCU read-side section, which may be a new one.  Each
 * turn of the loop moves an entry on by one state (reclaim.h), or goes down.
 * Returns the slot at @leaf, or ERR_PTR(-EEXIST) or ERR_PTR(-ENOMEM).
 */
static noinline u64 *ptw_link(struct ptw *ptw, u64 iova, unsigned int leaf,
			      gfp_t gfp)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	struct ptw_format f = ptw->f;
	u64 *slot, *table = NULL, entry;
	unsigned int height, shift;

again:
	height = ptw->top;
	shift = ptw_shift(f, height);
	slot = ptw_root_slot(ptw, f, iova, shift);
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
			if (ptw_install(ptw, slot, 0, table))
				table = NULL;
		} else if (!(entry & PTW_VALID)) {
			cmpxchg64(slot, entry,
				  ptw_table_entry(f, ptw, ptw_phys(f, entry)));
		} else if (!ptw_is_table(f, entry)) {
			ptw_complain(ptw, "map finds a mapping", iova, height);
			slot = ERR_PTR(-EEXIST);
			break;
		} else if (!(entry & PTW_OPEN)) {
			if (!cfg->coherent_walk)
				ptw_write_back(cfg, slot, 1);
			cmpxchg64(slot, entry, entry | PTW_OPEN);
		} else {
			height--;
			shift -= ptw_bits(f);
			slot = ptw_table(f, entry) + ptw_index(f, iova, shift);
		}
	}
	/* Another CPU has installed one. */
	if (table)
		ptw_free(ptw, table, ptw_granule(f));
	return slot;
}

/* The slot of @iova at @leaf, and OPEN entries on the way; or as ptw_link(). */
static __always_inline u64 *ptw_descend(struct ptw *ptw, struct ptw_format f,
					u64 iova, unsigned int leaf, gfp_t gfp)
{
	unsigned int shift = ptw->root_shift;
	u64 *slot = ptw_root_slot(ptw, f, iova, shift);

	while (shift != ptw_shift(f, leaf)) {
		u64 entry = READ_ONCE(*slot);

		if (unlikely(!(entry & PTW_OPEN) || !ptw_is_table(f, entry)))
			return ptw_link(ptw, iova, leaf, gfp);
		shift -= ptw_bits(f);
		slot = ptw_table(f, entry) + ptw_index(f, iova, shift);
	}
	return slot;
}

/**
 * ptw_create - allocate a page table without a mapping
 * @shape: has @iop.ops, @f, @nid, @top and @root_bits; gets @root
 * @cfg: as its owner wants it
 * @cookie: the owner's
 *
 * Context: process, may sleep.
 * Return: the page table, its root visible to hardware, or NULL.
 */
static struct io_pgtable *ptw_create(struct ptw *shape,
				     struct io_pgtable_cfg *cfg, void *cookie)
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
static void ptw_destroy(struct io_pgtable *iop)
{
	struct ptw *ptw = container_of(iop, struct ptw, iop);

	if (iop->cfg.reclaim)
		cancel_delayed_work_sync(&ptw->reclaim);
	ptw_drop(ptw, ptw->root, 1UL << ptw->root_bits, ptw->top, NULL);
	kfree(ptw);
}

#endif
