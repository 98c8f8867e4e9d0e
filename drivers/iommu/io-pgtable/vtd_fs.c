// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d first-stage page tables.
 *
 * Theory of operation
 * ===================
 *
 * 1. The Intel Virtualization Technology for Directed I/O specification, "DMA
 *    Remapping", section "First-Stage Translation", and "Translation Structure
 *    Formats", section "First-Stage Paging Entries": FS-PML5E, FS-PML4E,
 *    FS-PDPE, FS-PDE and FS-PTE.  They are those of the processor's paging,
 *    with 4 levels or 5.
 *
 * 2. Reading cannot be denied: write access alone gives both.
 *
 * 3. Requests without a PASID count as user mode, so U/S is set throughout.
 *    A and D are set beforehand: nobody looks at them, and hardware need not
 *    write them.
 */

#include "vtd.h"

#define FS_P		BIT_ULL(0)
#define FS_RW		BIT_ULL(1)
#define FS_US		BIT_ULL(2)
#define FS_A		BIT_ULL(5)
#define FS_D		BIT_ULL(6)

static inline bool ptw_is_table(struct ptw_format f, u64 entry,
				unsigned int height)
{
	return (entry & (FS_P | VTD_PS)) == FS_P;
}

static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height)
{
	return entry & FS_P && (!height || entry & VTD_PS);
}

static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height)
{
	return height ? FS_P | VTD_PS : FS_P;
}

static inline u64 ptw_table_entry(struct ptw_format f, struct ptw *ptw,
				  phys_addr_t phys)
{
	return phys | FS_P | FS_RW | FS_US | FS_A;
}

static inline u64 vtd_attributes(const struct ptw *ptw, int prot)
{
	return FS_US | FS_A | (prot & IOMMU_WRITE ? FS_RW | FS_D : 0);
}

static const struct io_pgtable_ops vtd_fs_ops = {
	.map_pages = vtd_map,
	.map_runs = vtd_map_runs,
	.unmap_pages = vtd_unmap,
	.iova_to_phys = vtd_iova_to_phys,
};

static struct io_pgtable *vtd_fs_create(struct io_pgtable_cfg *cfg,
					void *cookie)
{
	return vtd_create(cfg, cookie, 4, &vtd_fs_ops);
}

struct io_pgtable_init_fns io_pgtable_vtd_fs_init_fns = {
	.alloc = vtd_fs_create,
	.free = vtd_destroy,
};
