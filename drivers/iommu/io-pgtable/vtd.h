/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two table formats of Intel VT-d have in common: tables of 4 KiB,
 * 512 entries, addresses at their own bits, PS in blocks above the last level,
 * and, where the remapping hardware does not snoop, flushes of cache lines.
 * Each is a source file that includes this one and defines its entries.
 *
 * Levels are numbered as in the Intel Virtualization Technology for Directed
 * I/O specification: 1 is the last one.
 */
#ifndef _IO_PGTABLE_VTD_H
#define _IO_PGTABLE_VTD_H

#include <linux/cacheflush.h>
#include <linux/sizes.h>

/*
 * Ignored in entries that refer to a table.  None of the upper ignored bits:
 * they are in the way of those who read the tables without masking them.
 */
#define PTW_OPEN	BIT_ULL(9)
/* R of the second stage, P of the first */
#define PTW_VALID	BIT_ULL(0)
#define PTW_GROUPED	0

#include "walk.h"

#define VTD_PS		BIT_ULL(7)
#define VTD_ADDR	GENMASK_ULL(51, 12)

enum { VTD_BITS = 9, VTD_GRANULE_SHIFT = 12 };

static const struct ptw_format vtd_format = PTW_FORMAT(VTD_BITS, 0);

/* Bits of a leaf: the format's. */
static inline u64 vtd_attributes(const struct ptw *ptw, int prot);

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

static int vtd_map(struct io_pgtable_ops *ops, unsigned long iova,
		   phys_addr_t paddr, size_t pgsize, size_t pgcount, int prot,
		   gfp_t gfp, size_t *mapped)
{
	struct ptw *ptw = ptw_of(ops);

	if (!(prot & (IOMMU_READ | IOMMU_WRITE)))
		return -EINVAL;
	return ptw_map(ptw, vtd_format, iova, paddr, pgsize, pgcount,
		       vtd_attributes(ptw, prot), gfp, mapped);
}

static int vtd_map_runs(struct io_pgtable_ops *ops, unsigned long iova,
			const struct iommu_run *runs, unsigned int count,
			int prot, gfp_t gfp, size_t *mapped)
{
	struct ptw *ptw = ptw_of(ops);

	if (!(prot & (IOMMU_READ | IOMMU_WRITE)))
		return -EINVAL;
	return ptw_map_runs(ptw, vtd_format, iova, runs, count,
			    vtd_attributes(ptw, prot), gfp, mapped);
}

static noinline size_t vtd_unmap_range(struct ptw *ptw, u64 iova, size_t pgsize,
				       size_t pgcount,
				       struct iommu_iotlb_gather *gather)
{
	return ptw_unmap_range(ptw, vtd_format, iova, pgsize, pgcount, gather);
}

static size_t vtd_unmap(struct io_pgtable_ops *ops, unsigned long iova,
			size_t pgsize, size_t pgcount,
			struct iommu_iotlb_gather *gather)
{
	return ptw_unmap(ptw_of(ops), vtd_format, iova, pgsize, pgcount, gather,
			 vtd_unmap_range);
}

static phys_addr_t vtd_iova_to_phys(struct io_pgtable_ops *ops,
				    unsigned long iova)
{
	return ptw_iova_to_phys(ptw_of(ops), vtd_format, iova);
}

/*
 * Tables of the fewest levels, at least @least and what the owner wants and at
 * most 5, for the addresses of @cfg.
 */
static struct io_pgtable *vtd_create(struct io_pgtable_cfg *cfg, void *cookie,
				     unsigned int least,
				     const struct io_pgtable_ops *ops)
{
	unsigned int levels;
	struct ptw *ptw;

	cfg->pgsize_bitmap &= SZ_4K | SZ_2M | SZ_1G;
	if (cfg->quirks || !(cfg->pgsize_bitmap & SZ_4K))
		return NULL;
	if (cfg->ias <= VTD_GRANULE_SHIFT || cfg->oas > 52)
		return NULL;
	levels = DIV_ROUND_UP(cfg->ias - VTD_GRANULE_SHIFT, VTD_BITS);
	levels = max3(levels, least, cfg->vtd_cfg.levels);
	if (levels > 5)
		return NULL;

	/* A whole page, of which a narrow space uses the beginning. */
	ptw = ptw_create(vtd_format, cfg, cookie, cfg->vtd_cfg.nid, levels - 1,
			 VTD_BITS);
	if (!ptw)
		return NULL;
	ptw->owner_frees = true;
	ptw->iop.ops = *ops;
	cfg->vtd_cfg.levels = levels;
	cfg->vtd_cfg.root = virt_to_phys(ptw->root);
	return &ptw->iop;
}

static void vtd_destroy(struct io_pgtable *iop)
{
	ptw_destroy(container_of(iop, struct ptw, iop));
}

#endif
