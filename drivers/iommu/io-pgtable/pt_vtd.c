// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d page tables behind the functions that drivers take from generic_pt (pt.h).
 *
 * FORCE_COHERENCE, which may come until the first map, sets SNP.  FORCE_WRITEABLE
 * refuses to map memory that is not to be written.  IOMMU_WRITE alone allows reading
 * (vtd.h).
 */

#include "vtd.h"

static inline u64 pt_sizes(unsigned int features)
{
	return SZ_4K | SZ_2M | SZ_1G;
}

#include "pt.h"

PT_HAS_COMMON(vtdss, vtdss_pt);
PT_HAS_COMMON(x86_64, x86_64_pt);

static const struct pt_limits vtdss_limits = {
	.least_top = 2,
	.most_top = 4,
	.iova_bits = 57,
	.phys_bits = 52,
	.features = BIT(PT_FEAT_FLUSH_RANGE) | BIT(PT_FEAT_DMA_INCOHERENT) |
		    BIT(PT_FEAT_VTDSS_FORCE_COHERENCE) |
		    BIT(PT_FEAT_VTDSS_FORCE_WRITEABLE),
};

static const struct pt_limits x86_64_limits = {
	.least_top = 3,
	.most_top = 4,
	.iova_bits = 57,
	.phys_bits = 52,
	.features = BIT(PT_FEAT_SIGN_EXTEND) | BIT(PT_FEAT_FLUSH_RANGE) |
		    BIT(PT_FEAT_FLUSH_RANGE_NO_GAPS) |
		    BIT(PT_FEAT_DMA_INCOHERENT) |
		    BIT(PT_FEAT_X86_64_AMD_ENCRYPT_TABLES),
};

/* 0 if the mapping is refused. */
static inline u64 ptw_attributes(const struct ptw *ptw, int prot)
{
	unsigned int features = READ_ONCE(common_of(ptw->iop.cookie)->features);

	if (unlikely(!(prot & (IOMMU_READ | IOMMU_WRITE))) ||
	    unlikely(!(prot & IOMMU_WRITE) &&
		     features & BIT(PT_FEAT_VTDSS_FORCE_WRITEABLE)))
		return 0;
	return vtd_access(ptw, prot,
			  features & BIT(PT_FEAT_VTDSS_FORCE_COHERENCE)) |
	       ptw_bounds(prot);
}

/**
 * pt_iommu_vtdss_init - make a page table of VT-d's second stage
 * @table: gets it; what is in pt_iommu.iommu_device, nid and driver_ops stays
 * @cfg: as its owner wants it
 * @gfp: not used; the function may sleep
 *
 * Return: 0, -EINVAL, -EOPNOTSUPP for what the format does not have, or -ENOMEM.
 */
int pt_iommu_vtdss_init(struct pt_iommu_vtdss *table,
			const struct pt_iommu_vtdss_cfg *cfg, gfp_t gfp)
{
	struct ptw shape = vtd_shape(&second_stage);

	return pt_init(&table->iommu, sizeof(*table), &cfg->common,
		       cfg->top_level, &vtdss_limits, &shape);
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_vtdss_init, "GENERIC_PT_IOMMU");

/**
 * pt_iommu_vtdss_hw_info - what context and PASID entries are made of
 * @table: the page table
 * @info: gets its root, and AW, which is 1 for 3 levels
 */
void pt_iommu_vtdss_hw_info(struct pt_iommu_vtdss *table,
			    struct pt_iommu_vtdss_hw_info *info)
{
	info->ssptptr = virt_to_phys(table->iommu.walker->root);
	info->aw = table->iommu.walker->top - 1;
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_vtdss_hw_info, "GENERIC_PT_IOMMU");

phys_addr_t pt_iommu_vtdss_iova_to_phys(struct iommu_domain *domain,
					dma_addr_t iova)
{
	return pt_lookup(domain, iova);
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_vtdss_iova_to_phys, "GENERIC_PT_IOMMU");

int pt_iommu_vtdss_read_and_clear_dirty(struct iommu_domain *domain,
					unsigned long iova, size_t size,
					unsigned long flags,
					struct iommu_dirty_bitmap *dirty)
{
	return pt_dirty(domain, iova, size, vtd_test_dirty, flags, dirty);
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_vtdss_read_and_clear_dirty, "GENERIC_PT_IOMMU");

/**
 * pt_iommu_x86_64_init - make a page table of the first stage
 * @table: as pt_iommu_vtdss_init()
 * @cfg: as pt_iommu_vtdss_init()
 * @gfp: as pt_iommu_vtdss_init()
 *
 * Return: as pt_iommu_vtdss_init().
 */
int pt_iommu_x86_64_init(struct pt_iommu_x86_64 *table,
			 const struct pt_iommu_x86_64_cfg *cfg, gfp_t gfp)
{
	struct ptw shape = vtd_shape(&first_stage);

	if (pt_memory_is_encrypted())
		return pt_iommu_x86_64_stock_init(table, cfg, gfp);
	return pt_init(&table->iommu, sizeof(*table), &cfg->common,
		       cfg->top_level, &x86_64_limits, &shape);
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_x86_64_init, "GENERIC_PT_IOMMU");

/**
 * pt_iommu_x86_64_hw_info - what PASID and GCR3 entries are made of
 * @table: the page table
 * @info: gets its root and levels
 */
void pt_iommu_x86_64_hw_info(struct pt_iommu_x86_64 *table,
			     struct pt_iommu_x86_64_hw_info *info)
{
	if (pt_memory_is_encrypted()) {
		pt_iommu_x86_64_stock_hw_info(table, info);
		return;
	}
	info->gcr3_pt = virt_to_phys(table->iommu.walker->root);
	info->levels = table->iommu.walker->top + 1;
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_x86_64_hw_info, "GENERIC_PT_IOMMU");

phys_addr_t pt_iommu_x86_64_iova_to_phys(struct iommu_domain *domain,
					 dma_addr_t iova)
{
	if (pt_memory_is_encrypted())
		return pt_iommu_x86_64_stock_iova_to_phys(domain, iova);
	return pt_lookup(domain, iova);
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_x86_64_iova_to_phys, "GENERIC_PT_IOMMU");

/* Hardware sets no dirty bits here that could be read. */
int pt_iommu_x86_64_read_and_clear_dirty(struct iommu_domain *domain,
					 unsigned long iova, size_t size,
					 unsigned long flags,
					 struct iommu_dirty_bitmap *dirty)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_x86_64_read_and_clear_dirty, "GENERIC_PT_IOMMU");
