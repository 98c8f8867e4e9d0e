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
 * 2. A format is a source file that includes this one and defines the functions
 *    declared below.  struct ptw_format is a constant to the fast paths, so the
 *    compiler makes them for each granule.
 *
 * 3. Mapping walks down from the root once for each table that it fills.
 *    ptw_link() installs missing tables with cmpxchg().  The CPU that loses that
 *    race uses the winner's table.
 *
 * 4. Unmapping clears the leaves of the range in order, up to the first entry
 *    that it cannot clear: a hole, or a block that begins before the range or ends
 *    behind it.  It then warns, unless the owner does (owner_reports), and returns
 *    the bytes that it cleared.
 *
 *    Only an unmap without a gather splits a block.  GPU drivers unmap like that,
 *    and keep the hardware out of the range until they have invalidated.
 *    Elsewhere a device may be using the rest of the block, and hardware may
 *    require break-before-make to replace a block, or a group (6).
 *
 * 5. The walker takes no lock.  Callers may map and unmap different ranges at the
 *    same time, in the same table too, but not the same range.  So one CPU at
 *    a time maps or unmaps a leaf.  Walks are RCU read-side sections and tables are
 *    freed after a grace period, so a lookup of a range that is being unmapped, and
 *    a wrong second unmap of it, read tables only.
 *
 * 6. A format may have groups: adjacent leaves of one table that translate
 *    adjacent memory, aligned to the size of the group.  Each has PTW_GROUPED, and
 *    hardware may keep them as one translation.  A group is a page size: it is
 *    written into holes, cleared and split as a whole.  The gather gets the
 *    leaves, because hardware may keep them one by one, too.
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

#include "../iommu-pages.h"

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
	bool notes;
	bool watch;
	atomic_t tables;
	unsigned long delay;
	struct delayed_work reclaim;
};

/*
 * A format defines these functions and three bits: PTW_VALID, which leaves and
 * entries that refer to a table have (without it, and with the other low bits
 * clear, an entry is invalid to hardware); PTW_OPEN, which hardware ignores in
 * entries that refer to a table (reclaim.h); and PTW_GROUPED, 0 if there are no
 * groups.  @height is that of @entry.
 */

/* Does @entry, above the last level, refer to a table? */
static inline bool ptw_is_table(struct ptw_format f, u64 entry);
/* Is @entry a page (@height 0) or a block? */
static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height);
/* An entry that refers to the table at @phys. */
static inline u64 ptw_table_entry(struct ptw_format f, struct ptw *ptw,
				  phys_addr_t phys);
/* The bits that make an entry a leaf at @height, and those of IOMMU_* flags. */
static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height);
static u64 ptw_attributes(const struct ptw *ptw, int prot);
/* An address as it stands in an entry, and back. */
static inline u64 ptw_encode(struct ptw_format f, phys_addr_t phys);
static inline phys_addr_t ptw_phys(struct ptw_format f, u64 entry);
/* The same leaf for memory that is @size further on. */
static inline u64 ptw_advance(struct ptw_format f, u64 entry, u64 size);
/* Leaves of a group, a power of two and a multiple of 4; 1 if there are none. */
static inline unsigned int ptw_group(struct ptw_format f, unsigned int height);
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
/* Order all entries of a mapping before a device is told the address. */
static inline void ptw_publish(void);

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

/* The height of the leaves that map a page of @pgsize. */
static __always_inline unsigned int ptw_height(struct ptw_format f,
					       size_t pgsize)
{
	unsigned int height = 0;

	pgsize >>= ptw_shift(f, 0);
	while (pgsize >>= ptw_bits(f))
		height++;
	return height;
}

/* Is the leaf @entry one of a group? */
static __always_inline bool ptw_grouped(struct ptw_format f, u64 entry)
{
	return ptw_group(f, 0) > 1 && entry & PTW_GROUPED;
}

static __always_inline bool ptw_has_size(struct io_pgtable_cfg *cfg,
					 size_t pgsize)
{
	return pgsize & cfg->pgsize_bitmap && !(pgsize & (pgsize - 1));
}

/* Does the page table translate all of [@iova, @iova + @size)? */
static __always_inline bool ptw_in_range(const struct ptw *ptw, u64 iova,
					 u64 size)
{
	u64 last = iova + size - 1;

	return !(((iova ^ ptw->upper) | (last ^ ptw->upper)) &
		 ptw->iova_outside);
}

/* Warn, the first time with a backtrace, which names the caller. */
static noinline __maybe_unused void ptw_complain(struct ptw_format f,
						 const char *what, u64 iova,
						 unsigned int height)
{
	int level = ptw_level(f, height);
	static bool warned;

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
		iommu_free_pages(table, get_order(size));
}

static void *ptw_alloc(struct ptw *ptw, size_t size, gfp_t gfp)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	void *table;

	if (cfg->alloc)
		table = cfg->alloc(ptw->iop.cookie, size, gfp);
	else
		table = iommu_alloc_pages_node(ptw->nid, gfp, get_order(size));
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
			ptw_complain(f, "map finds a mapping", iova, height);
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

/* Write @count leaves, a multiple of four. */
static __always_inline void ptw_write(struct ptw_format f, u64 *slot,
				      size_t count, u64 leaf, u64 size)
{
	u64 *end = slot + count;

	for (; slot != end; slot += 4) {
		WRITE_ONCE(slot[0], leaf);
		WRITE_ONCE(slot[1], ptw_advance(f, leaf, size));
		WRITE_ONCE(slot[2], ptw_advance(f, leaf, 2 * size));
		WRITE_ONCE(slot[3], ptw_advance(f, leaf, 3 * size));
		leaf = ptw_advance(f, leaf, 4 * size);
	}
}

/* Write up to @count leaves, until a slot is no hole; returns how many. */
static __always_inline size_t ptw_fill(struct ptw_format f, u64 *slot,
				       size_t count, u64 leaf, u64 size)
{
	size_t i = 0;

	/* By fours, which takes fewer instructions an entry. */
	for (; i + 4 <= count; i += 4) {
		u64 *s = slot + i;

		if (unlikely(READ_ONCE(s[0]) | READ_ONCE(s[1]) |
			     READ_ONCE(s[2]) | READ_ONCE(s[3])))
			break;
		WRITE_ONCE(s[0], leaf);
		WRITE_ONCE(s[1], ptw_advance(f, leaf, size));
		WRITE_ONCE(s[2], ptw_advance(f, leaf, 2 * size));
		WRITE_ONCE(s[3], ptw_advance(f, leaf, 3 * size));
		leaf = ptw_advance(f, leaf, 4 * size);
	}
	for (; i < count && !READ_ONCE(slot[i]); i++) {
		WRITE_ONCE(slot[i], leaf);
		leaf = ptw_advance(f, leaf, size);
	}
	return i;
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

/* Map pages, down from the root once for each last table, not for each piece. */
static __always_inline int ptw_map_pages(struct ptw *ptw, struct ptw_format f,
					 u64 iova, const struct iommu_run *run,
					 unsigned int count, u64 attributes,
					 gfp_t gfp, size_t *mapped)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	u64 *written = NULL, *slot = NULL, begin = iova;
	size_t room = 0;
	int ret = 0;

	attributes |= ptw_leaf_type(f, 0);
	rcu_read_lock();
	for (; count; count--, run++) {
		u64 leaf = attributes | ptw_encode(f, run->phys);
		size_t left = run->size >> ptw_shift(f, 0);

		while (left) {
			size_t some, filled;

			if (!room) {
				if (!cfg->coherent_walk && slot != written)
					ptw_write_back(cfg, written,
						       slot - written);
				slot = ptw_descend(ptw, f, iova, 0, gfp);
				if (IS_ERR(slot)) {
					ret = PTR_ERR(slot);
					slot = NULL;
					written = NULL;
					goto out;
				}
				written = slot;
				room = ptw_room(f, slot);
			}
			/* Mostly it is one. */
			if (likely(left == 1 && !READ_ONCE(*slot))) {
				WRITE_ONCE(*slot++, leaf);
				iova += ptw_granule(f);
				room--;
				break;
			}
			some = min(left, room);
			filled = ptw_fill(f, slot, some, leaf,
					  ptw_granule(f));
			slot += filled;
			iova += filled << ptw_shift(f, 0);
			room -= filled;
			left -= filled;
			if (unlikely(left))
				leaf = ptw_advance(f, leaf, (u64)filled <<
						   ptw_shift(f, 0));
			if (unlikely(filled < some)) {
				ret = ptw_make_room(ptw, slot, 1, iova, 0);
				if (ret)
					goto out;
			}
		}
	}
out:
	if (!cfg->coherent_walk && slot != written)
		ptw_write_back(cfg, written, slot - written);
	rcu_read_unlock();
	*mapped += iova - begin;
	return ret;
}

/* Map groups of one size: each of them into holes, or not at all. */
static noinline int ptw_map_groups(struct ptw *ptw, struct ptw_format f,
				   u64 iova, phys_addr_t paddr, size_t pgsize,
				   size_t pgcount, u64 attributes, gfp_t gfp,
				   size_t *mapped)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	unsigned int height = ptw_height(f, pgsize);
	unsigned int shift = ptw_shift(f, height);
	unsigned int group = ptw_group(f, height);
	u64 leaf = attributes | ptw_leaf_type(f, height) | PTW_GROUPED |
		   ptw_encode(f, paddr);
	int ret = 0;

	while (pgcount && !ret) {
		size_t count, holes = group;
		u64 *begin, *slot;

		rcu_read_lock();
		begin = ptw_descend(ptw, f, iova, height, gfp);
		if (IS_ERR(begin)) {
			rcu_read_unlock();
			return PTR_ERR(begin);
		}
		slot = begin;
		count = min(pgcount, ptw_room(f, slot) / group);
		pgcount -= count;
		for (; count; count--, slot += group) {
			holes = ptw_holes(slot, group);
			if (unlikely(holes < group))
				break;
			ptw_write(f, slot, group, leaf, 1ULL << shift);
			leaf = ptw_advance(f, leaf, pgsize);
			iova += pgsize;
			*mapped += pgsize;
		}
		if (!cfg->coherent_walk && slot != begin)
			ptw_write_back(cfg, begin, slot - begin);
		if (unlikely(holes < group)) {
			pgcount += count;
			ret = ptw_make_room(ptw, slot + holes, group - holes,
					    iova + ((u64)holes << shift), height);
		}
		rcu_read_unlock();
	}
	return ret;
}

/* Map blocks, or groups, of one size. */
static __always_inline int
ptw_map_blocks(struct ptw *ptw, struct ptw_format f, u64 iova,
	       phys_addr_t paddr, size_t pgsize, size_t pgcount, u64 attributes,
	       gfp_t gfp, size_t *mapped)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	unsigned int height = ptw_height(f, pgsize);
	u64 leaf = attributes | ptw_leaf_type(f, height) |
		   ptw_encode(f, paddr);
	int ret = 0;

	if (ptw_group(f, 0) > 1 && pgsize != 1ULL << ptw_shift(f, height))
		return ptw_map_groups(ptw, f, iova, paddr, pgsize, pgcount,
				      attributes, gfp, mapped);
	while (pgcount && !ret) {
		size_t count, filled;
		u64 *slot;

		rcu_read_lock();
		slot = ptw_descend(ptw, f, iova, height, gfp);
		if (IS_ERR(slot)) {
			rcu_read_unlock();
			return PTR_ERR(slot);
		}
		count = min(pgcount, ptw_room(f, slot));
		filled = ptw_fill(f, slot, count, leaf, pgsize);
		if (!cfg->coherent_walk && filled)
			ptw_write_back(cfg, slot, filled);
		leaf = ptw_advance(f, leaf, filled * pgsize);
		iova += filled * pgsize;
		*mapped += filled * pgsize;
		pgcount -= filled;
		if (unlikely(filled < count))
			ret = ptw_make_room(ptw, slot + filled, count - filled,
					    iova, height);
		rcu_read_unlock();
	}
	return ret;
}

static noinline int ptw_map_range(struct ptw *ptw, struct ptw_format f,
				  u64 iova, phys_addr_t paddr, size_t pgsize,
				  size_t pgcount, u64 attributes, gfp_t gfp,
				  size_t *mapped)
{
	size_t size = pgsize * pgcount;
	struct iommu_run run = { .phys = paddr, .size = size };

	if (WARN_ON_ONCE(!ptw_has_size(&ptw->iop.cfg, pgsize) ||
			 (iova | paddr) & (pgsize - 1)))
		return -EINVAL;
	if (WARN_ON_ONCE(!ptw_in_range(ptw, iova, size) ||
			 (paddr + size - 1) & ptw->phys_outside))
		return -ERANGE;
	if (pgsize == ptw_granule(f))
		return ptw_map_pages(ptw, f, iova, &run, 1, attributes, gfp,
				     mapped);
	return ptw_map_blocks(ptw, f, iova, paddr, pgsize, pgcount,
			      attributes, gfp, mapped);
}

/*
 * Map pages or blocks of one size; *@mapped grows, also on failure.  Returns 0,
 * -EINVAL for a size that the page table does not have or misaligned addresses,
 * -ERANGE for addresses that it does not translate, -EEXIST, or -ENOMEM.
 */
static __always_inline int ptw_map(struct ptw *ptw, struct ptw_format f,
				   unsigned long iova, phys_addr_t paddr,
				   size_t pgsize, size_t pgcount,
				   u64 attributes, gfp_t gfp, size_t *mapped)
{
	bool page = pgsize == ptw_granule(f) && pgcount == 1 &&
		    !((iova | paddr) & (ptw_granule(f) - 1)) &&
		    ptw_in_range(ptw, iova, 1) &&
		    !(paddr & ptw->phys_outside);

	/* A page is mapped here, other sizes in ptw_map_range(), which warns. */
	if (likely(page)) {
		u64 *slot;

		rcu_read_lock();
		slot = ptw_descend(ptw, f, iova, 0, gfp);
		if (IS_ERR(slot)) {
			rcu_read_unlock();
			return PTR_ERR(slot);
		}
		if (likely(!READ_ONCE(*slot))) {
			WRITE_ONCE(*slot, attributes | ptw_leaf_type(f, 0) |
					  ptw_encode(f, paddr));
			if (!ptw->iop.cfg.coherent_walk)
				ptw_write_back(&ptw->iop.cfg, slot, 1);
			rcu_read_unlock();
			*mapped += ptw_granule(f);
			return 0;
		}
		rcu_read_unlock();
	}
	return ptw_map_range(ptw, f, iova, paddr, pgsize, pgcount,
			     attributes, gfp, mapped);
}

/* Bytes of the largest page that fits, and how many of them fit in a row. */
static size_t ptw_best_size(unsigned long sizes, unsigned long iova,
			    phys_addr_t phys, size_t size, size_t *count)
{
	unsigned long fit = sizes & GENMASK(__fls(size), 0);
	size_t best, next, before;

	if (iova | phys)
		fit &= GENMASK(__ffs(iova | phys), 0);
	best = 1UL << __fls(fit);

	/* Up to where a larger page begins, if one fits there. */
	sizes &= ~GENMASK(__fls(best), 0);
	if (sizes) {
		next = 1UL << __ffs(sizes);
		before = next - (iova & (next - 1));
		if (!((iova ^ phys) & (next - 1)) && before <= size &&
		    size - before >= next)
			size = before;
	}
	*count = size >> __fls(best);
	return best;
}

/* Map one piece with the largest pages that fit. */
static noinline int ptw_map_piece(struct ptw *ptw, struct ptw_format f,
				  u64 iova, const struct iommu_run *run,
				  u64 attributes, gfp_t gfp, size_t *mapped)
{
	size_t left = run->size, granule = ptw_granule(f), size, count;
	phys_addr_t phys = run->phys;
	int ret;

	if (WARN_ON_ONCE((iova | phys | left) & (granule - 1)))
		return -EINVAL;
	while (left) {
		size = ptw_best_size(ptw->iop.cfg.pgsize_bitmap, iova, phys,
				     left, &count);
		ret = ptw_map_range(ptw, f, iova, phys, size, count,
				    attributes, gfp, mapped);
		if (ret)
			return ret;
		iova += size * count;
		phys += size * count;
		left -= size * count;
	}
	return 0;
}

/* Map pieces one behind the other; otherwise as ptw_map(). */
static __always_inline int
ptw_map_runs(struct ptw *ptw, struct ptw_format f, unsigned long iova,
	     const struct iommu_run *runs, unsigned int count, u64 attributes,
	     gfp_t gfp, size_t *mapped)
{
	const u64 larger = ptw_granule(f) *
			   (ptw_group(f, 0) > 1 ? ptw_group(f, 0) :
						   1ULL << ptw_bits(f));
	int ret = 0;

	while (count && !ret) {
		u64 bits = iova, ends = 0, total = 0;
		unsigned int n;

		/* These pieces are too short for a larger page. */
		for (n = 0; n < count && runs[n].size < larger; n++) {
			bits |= runs[n].phys | runs[n].size;
			ends |= runs[n].phys | (runs[n].phys + runs[n].size - 1);
			total += runs[n].size;
		}
		if (unlikely(!n)) {
			ret = ptw_map_piece(ptw, f, iova, runs, attributes,
					    gfp, mapped);
			total = runs->size;
			n = 1;
		} else if (WARN_ON_ONCE(bits & (ptw_granule(f) - 1))) {
			ret = -EINVAL;
		} else if (WARN_ON_ONCE(!ptw_in_range(ptw, iova, total) ||
					ends & ptw->phys_outside)) {
			ret = -ERANGE;
		} else {
			ret = ptw_map_pages(ptw, f, iova, runs, n, attributes,
					    gfp, mapped);
		}
		iova += total;
		runs += n;
		count -= n;
	}
	return ret;
}

/* Clear up to @count leaves, until a slot has none; returns how many. */
static __always_inline size_t ptw_clear(struct ptw_format f, u64 *slot,
					size_t count, unsigned int height)
{
	u64 *s = slot, *end = slot + count, *eights = slot + (count & ~7UL);

	/* The last level has leaves and holes only. */
	while (!height && s != eights) {
		if (unlikely(!(READ_ONCE(s[0]) & READ_ONCE(s[1]) &
			       READ_ONCE(s[2]) & READ_ONCE(s[3]) &
			       READ_ONCE(s[4]) & READ_ONCE(s[5]) &
			       READ_ONCE(s[6]) & READ_ONCE(s[7]) & PTW_VALID)))
			break;
		WRITE_ONCE(s[0], 0);
		WRITE_ONCE(s[1], 0);
		WRITE_ONCE(s[2], 0);
		WRITE_ONCE(s[3], 0);
		WRITE_ONCE(s[4], 0);
		WRITE_ONCE(s[5], 0);
		WRITE_ONCE(s[6], 0);
		WRITE_ONCE(s[7], 0);
		s += 8;
	}
	for (; s != end && ptw_is_leaf(f, READ_ONCE(*s), height); s++)
		WRITE_ONCE(*s, 0);
	return s - slot;
}

/* Of @count entries, how many come before a group that is only partly in range. */
static noinline size_t ptw_whole_groups(struct ptw_format f, const u64 *slot,
					size_t count, unsigned int height)
{
	size_t mask = ptw_group(f, height) - 1;
	size_t index = (unsigned long)slot / sizeof(*slot);
	size_t beyond = (index + count) & mask;

	if (!count)
		return 0;
	if (index & mask && ptw_grouped(f, READ_ONCE(*slot)))
		return 0;
	if (beyond && ptw_grouped(f, READ_ONCE(slot[count - 1])))
		count -= min(count, beyond);
	return count;
}

/* Replace the page at @slot by smaller ones; returns 0, -EINVAL or -ENOMEM. */
static noinline int ptw_split(struct ptw *ptw, u64 *slot, u64 entry, u64 iova,
			      unsigned int height)
{
	struct io_pgtable_cfg *cfg = &ptw->iop.cfg;
	struct ptw_format f = ptw->f;
	u64 size = 1ULL << ptw_shift(f, height);
	u64 *table;

	if (ptw_grouped(f, entry)) {
		size_t count = ptw_group(f, height), i;

		slot = (u64 *)ALIGN_DOWN((unsigned long)slot,
					 count * sizeof(*slot));
		for (i = 0; i < count; i++)
			WRITE_ONCE(slot[i], READ_ONCE(slot[i]) & ~PTW_GROUPED);
		if (!cfg->coherent_walk)
			ptw_write_back(cfg, slot, count);
		size *= count;
		ptw_flush_walk(ptw, iova & ~(size - 1), size);
		return 0;
	}
	if (!height)
		return -EINVAL;
	table = ptw_alloc(ptw, ptw_granule(f), GFP_ATOMIC);
	if (!table)
		return -ENOMEM;
	ptw_write(f, table, 1UL << ptw_bits(f),
		  (entry & ~ptw_leaf_type(f, height)) |
		  ptw_leaf_type(f, height - 1), 1ULL << ptw_shift(f, height - 1));
	if (!cfg->coherent_walk)
		ptw_write_back(cfg, table, 1UL << ptw_bits(f));
	if (!ptw_install(ptw, slot, entry, table)) {
		/* Another CPU unmaps another part, or the block is dirty now. */
		ptw_free(ptw, table, ptw_granule(f));
		return 0;
	}
	if (!cfg->coherent_walk)
		ptw_write_back(cfg, slot, 1);
	ptw_flush_walk(ptw, iova & ~(size - 1), size);
	return 0;
}

/* Gather what to invalidate, at once if tlb_add_page() does nothing else. */
static __always_inline void
ptw_note(struct ptw *ptw, struct iommu_iotlb_gather *gather, unsigned long iova,
	 size_t count, size_t pgsize)
{
	size_t i;

	if (!gather || iommu_iotlb_gather_queued(gather) || !ptw->notes)
		return;
	for (i = 0; i < count; i++, iova += pgsize) {
		ptw->iop.cfg.tlb->tlb_add_page(gather, iova, pgsize,
					       ptw->iop.cookie);
		if (count == 1)
			return;
		if (!i && gather->pgsize == pgsize &&
		    gather->end == iova + pgsize - 1) {
			iommu_iotlb_gather_add_range(gather, iova,
						     count * pgsize);
			return;
		}
	}
}

/* Split @entry, which cannot be cleared, or warn; says whether to try again. */
static noinline bool ptw_stuck(struct ptw *ptw, u64 *slot, u64 entry, u64 iova,
			       unsigned int height, bool may_split)
{
	bool leaf = ptw_is_leaf(ptw->f, entry, height);
	int ret = -EINVAL;

	if (leaf && may_split)
		ret = ptw_split(ptw, slot, entry, iova, height);
	if (ret && !ptw->iop.cfg.owner_reports)
		ptw_complain(ptw->f, ret == -ENOMEM ? "no memory to split a block" :
			     leaf ? "unmap of a part of a block" :
			     "unmap finds no mapping", iova, height);
	return !ret;
}

/* Clear what one table holds of [@iova, @last]; returns the bytes. */
static __always_inline size_t
ptw_unmap_table(struct ptw *ptw, struct ptw_format f, u64 first, u64 iova,
		u64 last, struct iommu_iotlb_gather *gather)
{
	unsigned int shift, height;
	u64 *slot, entry;
	size_t count;

again:
	slot = ptw_walk(ptw, f, iova, 0, &shift, &entry);
	height = 0;
	if (unlikely(shift != ptw_shift(f, 0)))
		height = (shift - ptw_shift(f, 0)) / ptw_bits(f);

	count = (last - iova + 1) >> shift;
	if (ptw_group(f, 0) > 1)
		count = ptw_whole_groups(f, slot, min(count, ptw_room(f, slot)),
					 height);
	if (unlikely(!ptw_is_leaf(f, entry, height) || !count ||
		     iova & ((1ULL << shift) - 1))) {
		if (ptw_stuck(ptw, slot, entry, iova, height, !gather))
			goto again;
		return 0;
	}
	if (count == 1)
		WRITE_ONCE(*slot, 0);	/* a block, mostly */
	else
		count = ptw_clear(f, slot, min(count, ptw_room(f, slot)),
				  height);
	if (!ptw->iop.cfg.coherent_walk)
		ptw_write_back(&ptw->iop.cfg, slot, count);
	ptw_note(ptw, gather, iova, count, 1UL << shift);
	if (unlikely(count == 1UL << ptw_bits(f)))
		ptw_covered(ptw, iova, height, first, last, gather);
	return count << shift;
}

/* As ptw_unmap(), for more than a single page. */
static __always_inline size_t
ptw_unmap_range(struct ptw *ptw, struct ptw_format f, u64 iova, size_t pgsize,
		size_t pgcount, struct iommu_iotlb_gather *gather)
{
	size_t size = pgsize * pgcount, done = 0;

	if (WARN_ON_ONCE(!ptw_has_size(&ptw->iop.cfg, pgsize) || !pgcount ||
			 !ptw_in_range(ptw, iova, size)))
		return 0;
	do {
		size_t cleared;

		rcu_read_lock();
		cleared = ptw_unmap_table(ptw, f, iova, iova + done,
					  iova + size - 1, gather);
		rcu_read_unlock();
		if (unlikely(!cleared))
			break;
		done += cleared;
	} while (done < size);
	ptw_notice_unmap(ptw);
	return done;
}

/*
 * Unmap a range of larger or smaller pages than @pgsize; @range is the format's
 * ptw_unmap_range().  Returns the bytes cleared, from @iova on without a gap.
 */
static __always_inline size_t ptw_unmap(struct ptw *ptw,
					struct ptw_format f,
					unsigned long iova, size_t pgsize,
					size_t pgcount,
					struct iommu_iotlb_gather *gather,
					size_t (*range)(struct ptw *ptw,
							u64 iova, size_t pgsize,
							size_t pgcount,
							struct iommu_iotlb_gather *gather))
{
	unsigned int shift;
	u64 *slot, entry;
	bool page;

	/* As in ptw_map() */
	if (unlikely(pgsize != ptw_granule(f) || pgcount != 1 ||
		     iova & (ptw_granule(f) - 1) || !ptw_in_range(ptw, iova, 1)))
		return range(ptw, iova, pgsize, pgcount, gather);

	rcu_read_lock();
	slot = ptw_walk(ptw, f, iova, 0, &shift, &entry);
	page = shift == ptw_shift(f, 0) && ptw_is_leaf(f, entry, 0) &&
	       !ptw_grouped(f, entry);
	if (likely(page)) {
		WRITE_ONCE(*slot, 0);
		if (!ptw->iop.cfg.coherent_walk)
			ptw_write_back(&ptw->iop.cfg, slot, 1);
		ptw_note(ptw, gather, iova, 1, ptw_granule(f));
	}
	rcu_read_unlock();
	if (unlikely(!page))
		return range(ptw, iova, ptw_granule(f), 1, gather);
	ptw_notice_unmap(ptw);
	return ptw_granule(f);
}

/* If @iova is being mapped or unmapped, returns what was there before or after. */
static __always_inline phys_addr_t
ptw_iova_to_phys(struct ptw *ptw, struct ptw_format f, unsigned long iova)
{
	unsigned int shift;
	u64 entry;

	if (!ptw_in_range(ptw, iova, 1))
		return 0;
	rcu_read_lock();
	ptw_walk(ptw, f, iova, 0, &shift, &entry);
	rcu_read_unlock();
	if (!ptw_is_leaf(f, entry, shift != ptw_shift(f, 0)))
		return 0;
	return ptw_phys(f, entry) | (iova & ((1ULL << shift) - 1));
}

/**
 * ptw_dirty_walk - report, and clear, which pages were written to
 * @ptw: the page table
 * @f: its format
 * @iova: where to begin
 * @size: bytes
 * @holes: whether parts of the range may be without mapping
 * @test: says whether the leaf at a slot is dirty, and cleans it if told to
 * @flags: IOMMU_DIRTY_NO_CLEAR to leave the pages dirty
 * @dirty: takes the pages
 *
 * Context: process, may sleep. Others may map and unmap other ranges.
 * Return: 0, or -EINVAL at a hole unless @holes, or for addresses beyond those that
 * the page table translates.
 */
static __always_inline int
ptw_dirty_walk(struct ptw *ptw, struct ptw_format f, unsigned long iova,
	       size_t size, bool holes, bool (*test)(u64 *slot, bool clear),
	       unsigned long flags, struct iommu_dirty_bitmap *dirty)
{
	u64 at = iova, end = at + size;
	int ret = 0;

	if (WARN_ON(!size || !ptw_in_range(ptw, iova, size)))
		return -EINVAL;
	while (at < end && !ret) {
		u64 *slot, entry, first = 0, bytes = 0;
		unsigned int shift;
		size_t room;
		bool above;

		rcu_read_lock();
		slot = ptw_walk(ptw, f, at, 0, &shift, &entry);
		above = shift != ptw_shift(f, 0);
		for (room = ptw_room(f, slot); room && at < end; room--) {
			entry = READ_ONCE(*slot);
			if (above && ptw_is_table(f, entry))
				break;
			if (ptw_is_leaf(f, entry, above) &&
			    test(slot, !(flags & IOMMU_DIRTY_NO_CLEAR))) {
				first = bytes ? first : at;
				bytes += 1ULL << shift;
			} else if (bytes) {
				break;
			} else if (!holes && !ptw_is_leaf(f, entry, above)) {
				ret = -EINVAL;
				break;
			}
			at = (at | ((1ULL << shift) - 1)) + 1;
			slot++;
		}
		rcu_read_unlock();
		/* This may sleep, for pages of the bitmap. */
		if (bytes)
			iommu_dirty_bitmap_record(dirty, first, bytes);
	}
	return ret;
}

/**
 * PTW_OPS - the operations of a page table
 * @name: of the struct io_pgtable_ops
 * @bits: see PTW_FORMAT()
 * @variant: see PTW_FORMAT()
 * @dirty: its read_and_clear_dirty(), or NULL
 *
 * Context: any that @gfp allows. Others may map and unmap other ranges.
 */
#define PTW_OPS(name, bits, variant, dirty)				\
static const struct ptw_format name##_format = PTW_FORMAT(bits, variant); \
static int name##_map(struct io_pgtable_ops *ops, unsigned long iova,	\
		      phys_addr_t paddr, size_t pgsize, size_t pgcount,	\
		      int prot, gfp_t gfp, size_t *mapped)		\
{									\
	struct ptw *ptw = ptw_of(ops);					\
	int ret;							\
									\
	if (!(prot & (IOMMU_READ | IOMMU_WRITE)))			\
		return -EINVAL;						\
	ret = ptw_map(ptw, name##_format, iova, paddr, pgsize, pgcount,	\
		      ptw_attributes(ptw, prot), gfp, mapped);		\
	ptw_publish();							\
	return ret;							\
}									\
static int name##_map_runs(struct io_pgtable_ops *ops, unsigned long iova, \
			   const struct iommu_run *runs, unsigned int count, \
			   int prot, gfp_t gfp, size_t *mapped)		\
{									\
	struct ptw *ptw = ptw_of(ops);					\
	int ret;							\
									\
	if (!(prot & (IOMMU_READ | IOMMU_WRITE)))			\
		return -EINVAL;						\
	ret = ptw_map_runs(ptw, name##_format, iova, runs, count,	\
			   ptw_attributes(ptw, prot), gfp, mapped);	\
	ptw_publish();							\
	return ret;							\
}									\
static noinline size_t name##_unmap_range(struct ptw *ptw, u64 iova,	\
					  size_t pgsize, size_t pgcount,	\
					  struct iommu_iotlb_gather *gather) \
{									\
	return ptw_unmap_range(ptw, name##_format, iova, pgsize, pgcount, \
			       gather);					\
}									\
static size_t name##_unmap(struct io_pgtable_ops *ops, unsigned long iova, \
			   size_t pgsize, size_t pgcount,		\
			   struct iommu_iotlb_gather *gather)		\
{									\
	return ptw_unmap(ptw_of(ops), name##_format, iova, pgsize, pgcount, \
			 gather, name##_unmap_range);			\
}									\
static phys_addr_t name##_iova_to_phys(struct io_pgtable_ops *ops,	\
				       unsigned long iova)		\
{									\
	return ptw_iova_to_phys(ptw_of(ops), name##_format, iova);	\
}									\
static const struct io_pgtable_ops name = {				\
	.map_pages = name##_map,					\
	.map_runs = name##_map_runs,					\
	.unmap_pages = name##_unmap,					\
	.iova_to_phys = name##_iova_to_phys,				\
	.read_and_clear_dirty = dirty,					\
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
