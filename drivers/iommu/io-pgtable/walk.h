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
 *    (walk.c).
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
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

/* Leaves and entries that refer to a table have this bit; 0: hardware stops. */
#define PTW_VALID	BIT_ULL(0)

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
 * @bias: what moves the first of the addresses that are translated to 0
 * @iova_outside: mask of the bits that are not translated
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
 * @table: an entry that refers to a table, without the address and @level
 * @kind: the bits that tell such an entry from a block
 * @open: a bit that hardware ignores in such an entry, see walk.c
 * @address: the bits of an entry that are those of an address, see @address_shift
 * @high: those that are bits 48 and up of an address
 * @last_level: number of the last level in the specification: 1 if numbers grow
 *	towards the root
 * @sync: for hardware that does not snoop caches
 * @address_shift: from where an entry has @address up to where it is in an address
 * @level: what an entry that refers to a table has for each level of its height
 * @start: @root and @root_shift in one word
 */
struct ptw {
	struct io_pgtable iop;
	u64 *root;
	unsigned int root_shift;
	unsigned int root_mask;
	u64 upper;
	u64 bias;
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
	u64 table;
	u64 kind;
	u64 open;
	u64 address;
	u64 high;
	int last_level;
	const struct ptw_sync *sync;
	unsigned int address_shift;
	u64 level;
	unsigned long start;
};

/* The part of ptw.start that is ptw.root_shift; roots are aligned to pages. */
#define PTW_START_SHIFT	0xffUL

/*
 * A format whose root may get a table above it says so, and defines ptw_grow().  So
 * does walk.c, which has all formats.
 */
#ifndef PTW_GROWS
#define PTW_GROWS	false
#endif

/*
 * A format defines PTW_KIND, PTW_TABLE and PTW_OPEN, its constants for @kind, @table
 * (without other bits) and @open, before it includes this file, and ptw_phys()
 * afterwards.  So does walk.c, which takes them from struct ptw.
 */

/* Does @entry, above the last level, refer to a table? */
static __always_inline bool ptw_is_table(const struct ptw *ptw, u64 entry)
{
	return (entry & PTW_KIND) == PTW_TABLE;
}

/* The address in @entry. */
static inline phys_addr_t ptw_phys(const struct ptw *ptw, struct ptw_format f,
				   u64 entry);

/**
 * struct ptw_sync - what a walker that does not snoop caches needs
 * @expose: map a table for DMA; returns 0 or an errno
 * @retire: undo that; may be %NULL
 * @write_back: let the walker see entries that changed
 */
struct ptw_sync {
	int (*expose)(struct io_pgtable_cfg *cfg, void *table, size_t size);
	void (*retire)(struct io_pgtable_cfg *cfg, void *table, size_t size);
	void (*write_back)(struct io_pgtable_cfg *cfg, u64 *slot,
			   size_t entries);
};

/* walk.c */
void ptw_complain(const struct ptw *ptw, const char *what, u64 iova,
		  unsigned int height);
void *ptw_alloc(struct ptw *ptw, size_t size, gfp_t gfp);
void ptw_free(struct ptw *ptw, void *table, size_t size);
bool ptw_install(struct ptw *ptw, u64 *slot, u64 old, u64 *table,
		 unsigned int height);
u64 *ptw_link(struct ptw *ptw, u64 iova, unsigned int leaf, gfp_t gfp);
int ptw_make_room(struct ptw *ptw, u64 *slot, size_t count, u64 iova,
		  unsigned int height);
void ptw_covered(struct ptw *ptw, u64 iova, unsigned int height, u64 first,
		 u64 last, struct iommu_iotlb_gather *gather);
void ptw_flush_walk(struct ptw *ptw, u64 iova, u64 size);
void ptw_wake(struct ptw *ptw);
struct io_pgtable *ptw_create(struct ptw *shape, struct io_pgtable_cfg *cfg,
			      void *cookie);
void ptw_destroy(struct io_pgtable *iop);

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

/* Where a walk to @iova begins; *@shift: of what an entry there maps. */
static __always_inline u64 *ptw_root_slot(struct ptw *ptw, u64 iova,
					  unsigned int *shift)
{
	if (PTW_GROWS) {
		unsigned long start = READ_ONCE(ptw->start);

		*shift = start & PTW_START_SHIFT;
		return (u64 *)(start - *shift) +
		       ((iova >> *shift) & ptw->root_mask);
	}
	*shift = ptw->root_shift;
	return ptw->root + ((iova >> *shift) & ptw->root_mask);
}

static __always_inline u64 *ptw_table(const struct ptw *ptw,
				      struct ptw_format f, u64 entry)
{
	return phys_to_virt(ptw_phys(ptw, f, entry));
}

static inline int ptw_level(const struct ptw *ptw, unsigned int height)
{
	return ptw->last_level == 1 ? 1 + height : ptw->last_level - height;
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
	u64 last = iova + size - 1, outside = ptw->iova_outside;

	if (PTW_GROWS) {
		/* A walk behind this begins at a root that has the others, or later. */
		outside = smp_load_acquire(&ptw->iova_outside);
	}
	return !(((iova + ptw->bias) | (last + ptw->bias)) & outside);
}

/*
 * Let the root grow until it has [@iova, @iova + @size), and is higher than a page of
 * that size.  Returns 0, -ERANGE or -ENOMEM.
 */
int ptw_grow(struct ptw *ptw, u64 iova, u64 size, gfp_t gfp);

/* Do so before a map, if need be. */
static __always_inline int ptw_reach(struct ptw *ptw, u64 iova, u64 size,
				     gfp_t gfp)
{
	if (likely(ptw_in_range(ptw, iova, size) &&
		   !(size & READ_ONCE(ptw->iova_outside))))
		return 0;
	return ptw_grow(ptw, iova, size, gfp);
}

/* How many holes @count entries, a multiple of four, begin with. */
static __maybe_unused size_t ptw_holes(u64 *slot, size_t count)
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

/* Walk to the slot of @iova at height @to, or to a hole or leaf above it. */
static __always_inline u64 *ptw_walk(struct ptw *ptw, struct ptw_format f,
				     u64 iova, unsigned int to,
				     unsigned int *shift, u64 *entry)
{
	u64 *slot;

	slot = ptw_root_slot(ptw, iova, shift);
	*entry = READ_ONCE(*slot);
	while (*shift != ptw_shift(f, to) && ptw_is_table(ptw, *entry)) {
		*shift -= ptw_bits(f);
		slot = ptw_table(ptw, f, *entry) + ptw_index(f, iova, *shift);
		*entry = READ_ONCE(*slot);
	}
	return slot;
}

/* The slot of @iova at @leaf, and OPEN entries on the way; or as ptw_link(). */
static __always_inline u64 *ptw_descend(struct ptw *ptw, struct ptw_format f,
					u64 iova, unsigned int leaf, gfp_t gfp)
{
	unsigned int shift;
	u64 *slot = ptw_root_slot(ptw, iova, &shift);

	while (shift != ptw_shift(f, leaf)) {
		u64 entry = READ_ONCE(*slot);

		if (unlikely(!(entry & PTW_OPEN) || !ptw_is_table(ptw, entry)))
			return ptw_link(ptw, iova, leaf, gfp);
		shift -= ptw_bits(f);
		slot = ptw_table(ptw, f, entry) + ptw_index(f, iova, shift);
	}
	return slot;
}

/* Arm the worker at the first unmap since it began its last run. */
static __always_inline void ptw_notice_unmap(struct ptw *ptw)
{
	/* data_race(): a later unmap sees what this one misses; walk.c, point 5. */
	if (unlikely(data_race(ptw->watch)))
		ptw_wake(ptw);
}

#endif
