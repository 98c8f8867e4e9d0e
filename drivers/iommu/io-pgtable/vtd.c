// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d page tables as formats of io-pgtable.
 */

#include "vtd.h"

static inline u64 ptw_attributes(const struct ptw *ptw, int prot)
{
	return vtd_access(ptw, prot, ptw->iop.cfg.vtd_cfg.snoop);
}

static int vtd_dirty(struct io_pgtable_ops *ops, unsigned long iova,
		     size_t size, unsigned long flags,
		     struct iommu_dirty_bitmap *dirty)
{
	struct ptw *ptw = ptw_of(ops);

	return ptw_dirty_walk(ptw, ptw->f, iova, size, true, vtd_test_dirty,
			      flags, dirty);
}

PTW_OPS(vtd, VTD_BITS, 0, vtd_dirty);

/* Use the fewest levels, up to 5, that the stage, @cfg and its owner need. */
static struct io_pgtable *vtd_create(struct io_pgtable_cfg *cfg, void *cookie,
				     const struct ptw_stage *stage)
{
	struct ptw shape = vtd_shape(stage);
	struct io_pgtable *iop;
	unsigned int levels;

	cfg->pgsize_bitmap &= SZ_4K | SZ_2M | SZ_1G;
	if (cfg->quirks || !(cfg->pgsize_bitmap & SZ_4K))
		return NULL;
	if (cfg->ias <= VTD_GRANULE_SHIFT || cfg->oas > 52)
		return NULL;
	levels = DIV_ROUND_UP(cfg->ias - VTD_GRANULE_SHIFT, VTD_BITS);
	levels = max3(levels, stage->least_levels, cfg->vtd_cfg.levels);
	if (levels > 5)
		return NULL;

	shape.iop.ops = vtd;
	shape.f = vtd_format;
	shape.nid = cfg->vtd_cfg.nid;
	shape.top = levels - 1;
	if (!stage->dirty)
		shape.iop.ops.read_and_clear_dirty = NULL;
	cfg->owner_frees = true;
	iop = ptw_create(&shape, cfg, cookie);
	if (iop) {
		cfg->vtd_cfg.levels = levels;
		cfg->vtd_cfg.root = virt_to_phys(shape.root);
	}
	return iop;
}

static struct io_pgtable *vtd_ss_create(struct io_pgtable_cfg *cfg,
					void *cookie)
{
	return vtd_create(cfg, cookie, &second_stage);
}

static struct io_pgtable *vtd_fs_create(struct io_pgtable_cfg *cfg,
					void *cookie)
{
	return vtd_create(cfg, cookie, &first_stage);
}

struct io_pgtable_init_fns io_pgtable_vtd_ss_init_fns = {
	.alloc = vtd_ss_create,
	.free = ptw_destroy,
};

struct io_pgtable_init_fns io_pgtable_vtd_fs_init_fns = {
	.alloc = vtd_fs_create,
	.free = ptw_destroy,
};
