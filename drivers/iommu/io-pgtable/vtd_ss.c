// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d second-stage page tables.
 *
 * Theory of operation
 * ===================
 *
 * 1. Intel VT-d specification, sections "Second-Stage Translation" and
 *    "Second-Stage Paging Entries": SS-PML5E, SS-PML4E, SS-PDPE, SS-PDE and
 *    SS-PTE.  3, 4 or 5 levels for addresses of 39, 48 and 57 bits.
 *
 * 2. There is no present bit: an entry is present when it gives some access.
 *    Each leaf allows reading, because hardware without zero-length reads (ZLR)
 *    would fail reads of no bytes on pages for writing.
 *
 * 3. SNP makes all accesses snoop, even if the device asks for none.  It is
 *    reserved where the hardware has no snoop control, so the owner tells when to
 *    set it.
 *
 * 4. Hardware sets D in a leaf that it writes through, where dirty tracking is
 *    switched on.
 */

#include "vtd.h"

#define SS_R		PTW_VALID
#define SS_W		BIT_ULL(1)
#define SS_D_BIT	9
#define SS_SNP		BIT_ULL(11)

static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height)
{
	return height ? VTD_PS : 0;
}

static inline u64 ptw_table_entry(struct ptw_format f, struct ptw *ptw,
				  phys_addr_t phys)
{
	return phys | SS_R | SS_W;
}

static inline u64 ptw_attributes(const struct ptw *ptw, int prot)
{
	return SS_R | (prot & IOMMU_WRITE ? SS_W : 0) |
	       (ptw->iop.cfg.vtd_cfg.snoop ? SS_SNP : 0);
}

static bool vtd_ss_test_dirty(u64 *slot, bool clear)
{
	if (!(READ_ONCE(*slot) & BIT_ULL(SS_D_BIT)))
		return false;
	if (clear)
		clear_bit(SS_D_BIT, (unsigned long *)slot);
	return true;
}

static int vtd_ss_dirty(struct io_pgtable_ops *ops, unsigned long iova,
			size_t size, unsigned long flags,
			struct iommu_dirty_bitmap *dirty)
{
	return ptw_dirty_walk(ptw_of(ops), vtd_format, iova, size, true,
			      vtd_ss_test_dirty, flags, dirty);
}

PTW_OPS(vtd_ss, VTD_BITS, 0, vtd_ss_dirty);

static struct io_pgtable *vtd_ss_create(struct io_pgtable_cfg *cfg,
					void *cookie)
{
	return vtd_create(cfg, cookie, 3, &vtd_ss);
}

struct io_pgtable_init_fns io_pgtable_vtd_ss_init_fns = {
	.alloc = vtd_ss_create,
	.free = ptw_destroy,
};
