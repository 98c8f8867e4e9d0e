/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The common part of the two table formats of Intel VT-d: tables of 4 KiB with 512
 * entries, addresses at their own bits, PS in blocks above the last level, and
 * cache line flushes where the remapping hardware does not snoop.
 *
 * Levels have the numbers of the Intel Virtualization Technology for Directed I/O
 * specification: 1 is the last one.
 */
#ifndef _IO_PGTABLE_VTD_H
#define _IO_PGTABLE_VTD_H

#include <linux/cacheflush.h>
#include <linux/sizes.h>

/*
 * Ignored in entries that refer to a table.  The upper ignored bits would disturb
 * code that reads the tables without masking them.
 */
#define PTW_OPEN	BIT_ULL(9)
#define PTW_VALID	BIT_ULL(0)	/* R of the second stage, P of the first */
#define PTW_GROUPED	0
#define PTW_OWNED	BIT_ULL(52)	/* 54:52 are ignored in leaves of both stages */

#include "leaves.h"

#define VTD_PS		BIT_ULL(7)
#define VTD_ADDR	GENMASK_ULL(51, 12)

enum { VTD_BITS = 9, VTD_GRANULE_SHIFT = 12 };

static const struct ptw_format vtd_format = PTW_FORMAT(VTD_BITS, 0);

static inline bool ptw_is_table(struct ptw_format f, u64 entry)
{
	return (entry & (PTW_VALID | VTD_PS)) == PTW_VALID;
}

static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height)
{
	return entry & PTW_VALID && (!height || entry & VTD_PS);
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

/* Use the fewest levels, up to 5, that @cfg and its owner need, and @least. */
static struct io_pgtable *vtd_create(struct io_pgtable_cfg *cfg, void *cookie,
				     unsigned int least,
				     const struct io_pgtable_ops *ops)
{
	/* The root is a page.  A narrow address space uses its beginning. */
	struct ptw shape = {
		.iop.ops = *ops,
		.f = vtd_format,
		.nid = cfg->vtd_cfg.nid,
		.root_bits = VTD_BITS,
	};
	struct io_pgtable *iop;
	unsigned int levels;

	cfg->pgsize_bitmap &= SZ_4K | SZ_2M | SZ_1G;
	if (cfg->quirks || !(cfg->pgsize_bitmap & SZ_4K))
		return NULL;
	if (cfg->ias <= VTD_GRANULE_SHIFT || cfg->oas > 52)
		return NULL;
	levels = DIV_ROUND_UP(cfg->ias - VTD_GRANULE_SHIFT, VTD_BITS);
	levels = max3(levels, least, cfg->vtd_cfg.levels);
	if (levels > 5)
		return NULL;

	shape.top = levels - 1;
	cfg->owner_frees = true;
	iop = ptw_create(&shape, cfg, cookie);
	if (iop) {
		cfg->vtd_cfg.levels = levels;
		cfg->vtd_cfg.root = virt_to_phys(shape.root);
	}
	return iop;
}

#endif
