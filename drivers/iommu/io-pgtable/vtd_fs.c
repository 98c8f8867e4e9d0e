// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d first-stage page tables.
 *
 * Theory of operation
 * ===================
 *
 * 1. Intel VT-d specification, sections "First-Stage Translation" and
 *    "First-Stage Paging Entries": FS-PML5E, FS-PML4E, FS-PDPE, FS-PDE and
 *    FS-PTE.  They are those of the processor's paging, with 4 levels or 5.
 *
 * 2. Reading cannot be denied: IOMMU_WRITE alone gives both.
 *
 * 3. Requests without a PASID count as user mode, so U/S is set throughout.
 *    A, and D in writable leaves, are set beforehand, so hardware need not write
 *    them.
 */

#include "vtd.h"

#define FS_P		PTW_VALID
#define FS_RW		BIT_ULL(1)
#define FS_US		BIT_ULL(2)
#define FS_A		BIT_ULL(5)
#define FS_D		BIT_ULL(6)

static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height)
{
	return height ? FS_P | VTD_PS : FS_P;
}

static inline u64 ptw_table_entry(struct ptw_format f, struct ptw *ptw,
				  phys_addr_t phys)
{
	return phys | FS_P | FS_RW | FS_US | FS_A;
}

static inline u64 ptw_attributes(const struct ptw *ptw, int prot)
{
	return FS_US | FS_A | (prot & IOMMU_WRITE ? FS_RW | FS_D : 0);
}

PTW_OPS(vtd_fs, VTD_BITS, 0, NULL);

static struct io_pgtable *vtd_fs_create(struct io_pgtable_cfg *cfg,
					void *cookie)
{
	return vtd_create(cfg, cookie, 4, &vtd_fs);
}

struct io_pgtable_init_fns io_pgtable_vtd_fs_init_fns = {
	.alloc = vtd_fs_create,
	.free = ptw_destroy,
};
