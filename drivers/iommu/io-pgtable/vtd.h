/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VT-d page tables: the second stage and the first.
 *
 * Theory of operation
 * ===================
 *
 * 1. Intel Virtualization Technology for Directed I/O specification, sections
 *    "Second-Stage Paging Entries" (SS-PML5E .. SS-PTE) and "First-Stage Paging
 *    Entries" (FS-PML5E .. FS-PTE).  Both have tables of 4 KiB with 512 entries,
 *    addresses at their own bits, and PS in blocks above the last level, which has
 *    number 1.  The second stage has 3 to 5 levels.  The first stage is the
 *    processor's paging, with 4 or 5.  They differ in struct ptw_stage only.
 *
 * 2. The second stage has no present bit: an entry is present when it gives some
 *    access.  Each leaf allows reading, because hardware without zero-length reads
 *    (ZLR) would fail reads of no bytes on pages for writing.  In the first stage
 *    reading cannot be denied.  So IOMMU_WRITE alone gives both in either stage.
 *
 * 3. SNP makes all accesses snoop, even if the device asks for none.  It is
 *    reserved where the hardware has no snoop control, so the owner tells when to
 *    set it.
 *
 * 4. Hardware sets D in a leaf of the second stage that it writes through, where
 *    dirty tracking is switched on.
 *
 * 5. In the first stage requests without a PASID count as user mode, so U/S is set
 *    throughout.  A, and D in writable leaves, are set beforehand, so hardware need
 *    not write them.
 *
 * 6. Entries are written back with cache line flushes where the remapping hardware
 *    does not snoop.
 */

#ifndef _IO_PGTABLE_VTD_H
#define _IO_PGTABLE_VTD_H

#include <linux/cacheflush.h>
#include <linux/sizes.h>

/* PTW_VALID is R of the second stage, P of the first. */
#define VTD_PS		BIT_ULL(7)
#define PTW_KIND	(PTW_VALID | VTD_PS)
#define PTW_TABLE	PTW_VALID
/*
 * Ignored in entries that refer to a table.  The upper ignored bits would disturb
 * code that reads the tables without masking them.
 */
#define PTW_OPEN	BIT_ULL(9)
#define PTW_GROUPED	0
#define PTW_OWNED	BIT_ULL(52)	/* 54:52 are ignored in leaves of both stages */

#include "ops.h"

#define VTD_W		BIT_ULL(1)	/* W of the second stage, R/W of the first */
#define VTD_ADDR	GENMASK_ULL(51, 12)
#define SS_D_BIT	9
#define SS_SNP		BIT_ULL(11)
#define FS_US		BIT_ULL(2)
#define FS_A		BIT_ULL(5)
#define FS_D		BIT_ULL(6)

enum { VTD_BITS = 9, VTD_GRANULE_SHIFT = 12 };

/* What one stage has in the bits that are not addresses. */
struct ptw_stage {
	unsigned int least_levels;
	bool dirty;
	u64 table;	/* in an entry that refers to a table */
	u64 access[2][2];	/* in a leaf, by snooping and IOMMU_WRITE */
};

static const struct ptw_stage second_stage = {
	.least_levels = 3,
	.dirty = true,
	.table = PTW_VALID | VTD_W,
	.access = {
		{ PTW_VALID, PTW_VALID | VTD_W },
		{ PTW_VALID | SS_SNP, PTW_VALID | VTD_W | SS_SNP },
	},
};

#define FS_READ		(PTW_VALID | FS_US | FS_A)
#define FS_WRITE	(FS_READ | VTD_W | FS_D)

static const struct ptw_stage first_stage = {
	.least_levels = 4,
	.table = PTW_VALID | VTD_W | FS_US | FS_A,
	.access = { { FS_READ, FS_WRITE }, { FS_READ, FS_WRITE } },
};

static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height)
{
	return entry & PTW_VALID && (!height || entry & VTD_PS);
}

static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height)
{
	return height ? VTD_PS : 0;
}

/* What a leaf has for IOMMU_* flags; @snoop: whatever the device asks for. */
static inline u64 vtd_access(const struct ptw *ptw, int prot, bool snoop)
{
	return ptw->stage->access[snoop][!!(prot & IOMMU_WRITE)];
}

static inline u64 ptw_encode(struct ptw_format f, phys_addr_t phys)
{
	return phys;
}

static inline phys_addr_t ptw_phys(const struct ptw *ptw, struct ptw_format f,
				   u64 entry)
{
	return entry & VTD_ADDR;
}

static inline u64 ptw_advance(struct ptw_format f, u64 entry, u64 size)
{
	return entry + size;
}

static inline unsigned int ptw_group(struct ptw_format f, unsigned int height)
{
	return 1;
}

static inline void ptw_write_back(struct io_pgtable_cfg *cfg, u64 *slot,
				  size_t entries)
{
	clflush_cache_range(slot, entries * sizeof(*slot));
}

static int vtd_expose(struct io_pgtable_cfg *cfg, void *table, size_t size)
{
	clflush_cache_range(table, size);
	return 0;
}

static const struct ptw_sync vtd_sync = {
	.expose = vtd_expose,
	.write_back = ptw_write_back,
};

static inline void ptw_publish(void)
{
}

static bool vtd_test_dirty(u64 *slot, bool clear)
{
	if (!(READ_ONCE(*slot) & BIT_ULL(SS_D_BIT)))
		return false;
	if (clear)
		clear_bit(SS_D_BIT, (unsigned long *)slot);
	return true;
}

/* Tables of @stage.  The root is a page; a narrow address space uses its beginning. */
static inline struct ptw vtd_shape(const struct ptw_stage *stage)
{
	return (struct ptw){
		.stage = stage,
		.root_bits = VTD_BITS,
		.table = stage->table,
		.kind = PTW_KIND,
		.open = PTW_OPEN,
		.address = VTD_ADDR,
		.last_level = 1,
		.sync = &vtd_sync,
	};
}

#endif
