/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The leaves of the I/O page table formats: what is in them.
 *
 * Theory of operation
 * ===================
 *
 * 1. A format may have groups: adjacent leaves of one table that translate
 *    adjacent memory, aligned to the size of the group.  Each has PTW_GROUPED, and
 *    hardware may keep them as one translation.  A group is a page size: it is
 *    written into holes, cleared and split as a whole.  The gather gets the
 *    leaves, because hardware may keep them one by one, too.
 *
 * 2. Or it may have coded pages: adjacent leaves, all alike but for their bounds.
 *    The lower bits of their address say how large the page is.  Such a page is
 *    written into holes and cleared as a whole, too, and it is not split.
 *
 * 3. The owner of a domain may ask for bounds (IOMMU_OWNED).  Then each leaf says
 *    whether the mapping goes on before it and behind it, for exact.h.
 */
#ifndef _IO_PGTABLE_LEAVES_H
#define _IO_PGTABLE_LEAVES_H

#include "walk.h"

/*
 * A format defines these functions, too, and two bits: PTW_GROUPED, 0 if there are
 * no groups; and PTW_OWNED, the lowest of three that hardware ignores in leaves
 * (exact.h).  @height is that of @entry.
 */

/* Is @entry a page (@height 0) or a block? */
static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height);
/* An address as it stands in an entry. */
static inline u64 ptw_encode(struct ptw_format f, phys_addr_t phys);
/* Let a walker that does not snoop caches see entries that changed. */
static inline void ptw_write_back(struct io_pgtable_cfg *cfg, u64 *slot,
				  size_t entries);
/* The bits that make an entry a leaf at @height, and those of IOMMU_* flags. */
static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height);
static u64 ptw_attributes(const struct ptw *ptw, int prot);
/* The same leaf for memory that is @size further on. */
static inline u64 ptw_advance(struct ptw_format f, u64 entry, u64 size);
/* Leaves of a group, a power of two and a multiple of 4; 1 if there are none. */
static inline unsigned int ptw_group(struct ptw_format f, unsigned int height);
/* Order all entries of a mapping before a device is told the address. */
static inline void ptw_publish(void);

/*
 * A format with coded pages defines PTW_CODED, bits of which some are set in their
 * leaves and none in others, PTW_CODED_LEAST, the leaves of the smallest one, and two
 * functions.
 */
#ifndef PTW_CODED
#define PTW_CODED	0
#define PTW_CODED_LEAST	0
static inline u64 ptw_code(u64 size)
{
	return 0;
}

static inline unsigned int ptw_coded_shift(u64 entry)
{
	return 0;
}
#else
/* What the leaves of a coded page of @size have for that. */
static inline u64 ptw_code(u64 size);
/* log2 of the bytes of the coded page that has the leaf @entry. */
static inline unsigned int ptw_coded_shift(u64 entry);
#endif

/* log2 of the bytes of the page that @entry, which may be no leaf, belongs to. */
static __always_inline unsigned int ptw_page_shift(struct ptw_format f,
						   u64 entry, unsigned int shift)
{
	if (PTW_CODED && entry & PTW_CODED &&
	    ptw_is_leaf(f, entry, shift != ptw_shift(f, 0)))
		return ptw_coded_shift(entry);
	return shift;
}

/* Bytes of the smallest page above the granule. */
static __always_inline u64 ptw_larger(struct ptw_format f)
{
	return ptw_granule(f) * (PTW_CODED ? PTW_CODED_LEAST :
				 ptw_group(f, 0) > 1 ? ptw_group(f, 0) :
						       1ULL << ptw_bits(f));
}

/* Is the leaf @entry one of a group? */
static __always_inline bool ptw_grouped(struct ptw_format f, u64 entry)
{
	return ptw_group(f, 0) > 1 && entry & PTW_GROUPED;
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

static __always_inline bool ptw_has_size(struct io_pgtable_cfg *cfg,
					 size_t pgsize)
{
	return pgsize & cfg->pgsize_bitmap && !(pgsize & (pgsize - 1));
}

/* Bounds: a leaf of a mapping with bounds has PTW_OWNED and, ... */
#define PTW_BEFORE	(PTW_OWNED << 1)	/* ... if it is not the first, */
#define PTW_AFTER	(PTW_OWNED << 2)	/* if it is not the last */
#define PTW_BOUNDS	(PTW_OWNED | PTW_BEFORE | PTW_AFTER)

/* The bounds that IOMMU_* flags ask for: the same three bits, elsewhere. */
static __always_inline u64 ptw_bounds(int prot)
{
	const int all = IOMMU_OWNED | IOMMU_MORE_BEFORE | IOMMU_MORE_AFTER;

	if (PTW_OWNED < IOMMU_OWNED)
		return (u64)(prot & all) >> ilog2(IOMMU_OWNED / PTW_OWNED);
	return (u64)(prot & all) << ilog2(PTW_OWNED / IOMMU_OWNED);
}

/* The attributes of leaves that are neither the first nor the last one. */
static __always_inline u64 ptw_inner(u64 attributes)
{
	u64 owned = attributes & PTW_OWNED;

	return attributes | owned << 1 | owned << 2;
}

/* The attributes of a part of the range that has @attributes. */
static __always_inline u64 ptw_part(u64 attributes, bool first, bool last)
{
	u64 part = ptw_inner(attributes);

	if (first)
		part &= attributes | ~PTW_BEFORE;
	if (last)
		part &= attributes | ~PTW_AFTER;
	return part;
}

/*
 * Leaves were written as inner ones, from @first to @last: make them end where
 * @attributes says.  @written: where a write back of theirs is still to come.
 */
static __always_inline void ptw_set_ends(struct io_pgtable_cfg *cfg,
					 u64 attributes, u64 *first, u64 *last,
					 u64 *written)
{
	if (!(attributes & PTW_OWNED))
		return;
	WRITE_ONCE(*last, READ_ONCE(*last) & (attributes | ~PTW_AFTER));
	/* Then, because from here on an exact unmap may claim the first leaf. */
	WRITE_ONCE(*first, READ_ONCE(*first) & (attributes | ~PTW_BEFORE));
	if (!cfg->coherent_walk && (first < written || first > last))
		ptw_write_back(cfg, first, 1);
}

static __always_inline void ptw_write_four(struct ptw_format f, u64 *s,
					   u64 leaf, u64 size)
{
	WRITE_ONCE(s[0], leaf);
	WRITE_ONCE(s[1], ptw_advance(f, leaf, size));
	WRITE_ONCE(s[2], ptw_advance(f, leaf, 2 * size));
	WRITE_ONCE(s[3], ptw_advance(f, leaf, 3 * size));
}

/* Write @count leaves, a multiple of four. */
static __always_inline void ptw_write(struct ptw_format f, u64 *slot,
				      size_t count, u64 leaf, u64 size)
{
	u64 *end = slot + count;

	for (; slot != end; slot += 4) {
		ptw_write_four(f, slot, leaf, size);
		leaf = ptw_advance(f, leaf, 4 * size);
	}
}

/* The bits that all of eight entries have. */
static __always_inline u64 ptw_common_eight(const u64 *s)
{
	u64 all;

	/* data_race(): in a wrong range another CPU may be clearing leaves, ... */
	all = data_race(s[0]) & data_race(s[1]) & data_race(s[2]) & data_race(s[3]);
	/* ... so data_race() here, too. */
	all &= data_race(s[4]) & data_race(s[5]) & data_race(s[6]) & data_race(s[7]);
	return all;
}

static __always_inline void ptw_zero_eight(u64 *s)
{
	WRITE_ONCE(s[0], 0);
	WRITE_ONCE(s[1], 0);
	WRITE_ONCE(s[2], 0);
	WRITE_ONCE(s[3], 0);
	WRITE_ONCE(s[4], 0);
	WRITE_ONCE(s[5], 0);
	WRITE_ONCE(s[6], 0);
	WRITE_ONCE(s[7], 0);
}

#endif
