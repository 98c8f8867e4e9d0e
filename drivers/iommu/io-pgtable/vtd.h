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
 *    processor's paging, with 4 or 5.  They differ in struct vtd_stage only.
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

#define PTW_VALID	BIT_ULL(0)	/* R of the second stage, P of the first */
/*
 * Ignored in entries that refer to a table.  The upper ignored bits would disturb
 * code that reads the tables without masking them.
 */
#define PTW_OPEN	BIT_ULL(9)
#define PTW_GROUPED	0
#define PTW_OWNED	BIT_ULL(52)	/* 54:52 are ignored in leaves of both stages */

#include "ops.h"

#define VTD_W		BIT_ULL(1)	/* W of the second stage, R/W of the first */
#define VTD_PS		BIT_ULL(7)
#define VTD_ADDR	GENMASK_ULL(51, 12)
#define SS_D_BIT	9
#define SS_SNP		BIT_ULL(11)
#define FS_US		BIT_ULL(2)
#define FS_A		BIT_ULL(5)
#define FS_D		BIT_ULL(6)

enum { VTD_BITS = 9, VTD_GRANULE_SHIFT = 12, VTD_SNOOP = 4 };

/* What one stage has in the bits that are not addresses. */
struct ptw_stage {
	unsigned int least_levels;
	bool dirty;
	u64 table;	/* in an entry that refers to a table */
	u64 access[8];	/* in a leaf, by IOMMU_READ | IOMMU_WRITE | VTD_SNOOP */
};

static const struct ptw_stage second_stage = {
	.least_levels = 3,
	.dirty = true,
	.table = PTW_VALID | VTD_W,
	.access = {
		[IOMMU_READ] = PTW_VALID,
		[IOMMU_WRITE] = PTW_VALID | VTD_W,
		[IOMMU_READ | IOMMU_WRITE] = PTW_VALID | VTD_W,
		[VTD_SNOOP | IOMMU_READ] = PTW_VALID | SS_SNP,
		[VTD_SNOOP | IOMMU_WRITE] = PTW_VALID | VTD_W | SS_SNP,
		[VTD_SNOOP | IOMMU_READ | IOMMU_WRITE] = PTW_VALID | VTD_W | SS_SNP,
	},
};

#define FS_READ		(PTW_VALID | FS_US | FS_A)
#define FS_WRITE	(FS_READ | VTD_W | FS_D)

static const struct ptw_stage first_stage = {
	.least_levels = 4,
	.table = PTW_VALID | VTD_W | FS_US | FS_A,
	.access = {
		[IOMMU_READ] = FS_READ,
		[IOMMU_WRITE] = FS_WRITE,
		[IOMMU_READ | IOMMU_WRITE] = FS_WRITE,
		[VTD_SNOOP | IOMMU_READ] = FS_READ,
		[VTD_SNOOP | IOMMU_WRITE] = FS_WRITE,
		[VTD_SNOOP | IOMMU_READ | IOMMU_WRITE] = FS_WRITE,
	},
};

static inline bool ptw_is_table(struct ptw_format f, u64 entry)
{
	return (entry & (PTW_VALID | VTD_PS)) == PTW_VALID;
}

static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height)
{
	return entry & PTW_VALID && (!height || entry & VTD_PS);
}

static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height)
{
	return height ? VTD_PS : 0;
}

static inline u64 ptw_table_entry(struct ptw_format f, struct ptw *ptw,
				  phys_addr_t phys)
{
	return phys | ptw->stage->table;
}

/* What a leaf has for IOMMU_* flags; @snoop: whatever the device asks for. */
static inline u64 vtd_access(const struct ptw *ptw, int prot, bool snoop)
{
	return ptw->stage->access[(prot & (IOMMU_READ | IOMMU_WRITE)) |
				  (snoop ? VTD_SNOOP : 0)];
}

static inline u64 ptw_encode(struct ptw_format f, phys_addr_t phys)
{
	return phys;
}

static inline phys_addr_t ptw_phys(struct ptw_format f, u64 entry)
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

static inline int ptw_level(struct ptw_format f, unsigned int height)
{
	return height + 1;
}

static inline void ptw_write_back(struct io_pgtable_cfg *cfg, u64 *slot,
				  size_t entries)
{
	clflush_cache_range(slot, entries * sizeof(*slot));
}

static inline int ptw_table_expose(struct io_pgtable_cfg *cfg, void *table,
				   size_t size)
{
	clflush_cache_range(table, size);
	return 0;
}

static inline void ptw_table_retire(struct io_pgtable_cfg *cfg, void *table,
				    size_t size)
{
}

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

#endif
