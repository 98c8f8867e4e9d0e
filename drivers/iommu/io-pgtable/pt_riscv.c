// SPDX-License-Identifier: GPL-2.0-only
/*
 * RISC-V page tables behind the functions that drivers take from generic_pt (pt.h).
 *
 * Theory of operation
 * ===================
 *
 * 1. The RISC-V Instruction Set Manual, Volume II, "Sv39", "Sv48" and "Sv57"; the
 *    RISC-V IOMMU Architecture Specification uses them as first-stage tables.  Tables
 *    of 4 KiB have 512 entries.  An entry without R, W and X refers to a table.
 *    Each leaf has R, because W without R is reserved.
 *
 * 2. Svnapot: 16 leaves of the last level, all alike, with N and the lowest four
 *    bits of the page number 8, are a page of 64 KiB (leaves.h, coded pages).
 *
 * 3. Requests without a process count as user mode, so U is set.  A, and D in
 *    writable leaves, are set beforehand, so hardware need not write them.  Thus
 *    there are no dirty bits that could be read.
 *
 * 4. Two bits of a leaf are left to software, and bounds take three.  So there are
 *    none, and no unmap_exact().
 *
 * 5. Svpbmt: memory that is not cached is NC, registers are IO.
 *
 * 6. DETAILED_GATHER tells what an unmap took: here, leaves of any level, and tables
 *    of any level if there are some on the freelist.
 */

#include <linux/generic_pt/iommu.h>
#include <linux/sizes.h>

/* PTW_VALID is V. */
#define RV_R		BIT_ULL(1)
#define PTW_KIND	(PTW_VALID | RV_R)
#define PTW_TABLE	PTW_VALID
/* In entries that refer to tables, 9:8 are left to software. */
#define PTW_OPEN	BIT_ULL(8)
#define PTW_GROUPED	0
#define PTW_CODED	BIT_ULL(63)		/* N */
#define PTW_CODED_LEAST	16
#define PT_HAS_BOUNDS	false
#define PT_DETAILED	true
/* Not written to a leaf, see above. */
#define PTW_OWNED	BIT_ULL(57)

#include "ops.h"

#define RV_W		BIT_ULL(2)
#define RV_X		BIT_ULL(3)
#define RV_U		BIT_ULL(4)
#define RV_A		BIT_ULL(6)
#define RV_D		BIT_ULL(7)
#define RV_PPN		GENMASK_ULL(53, 10)
#define RV_NAPOT_64K	BIT_ULL(13)
#define RV_NC		BIT_ULL(61)
#define RV_IO		BIT_ULL(62)
#define RV_PPN_SHIFT	2	/* from where an entry has a page number to the address */
#define RV_SV39		8	/* iosatp.MODE of 3 levels */

static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height)
{
	return (entry & PTW_KIND) == PTW_KIND;
}

static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height)
{
	return 0;
}

static inline u64 ptw_code(u64 size)
{
	return PTW_CODED | RV_NAPOT_64K;
}

static inline unsigned int ptw_coded_shift(u64 entry)
{
	return ilog2(SZ_64K);
}

static inline u64 ptw_encode(struct ptw_format f, phys_addr_t phys)
{
	return phys >> RV_PPN_SHIFT;
}

static inline phys_addr_t ptw_phys(const struct ptw *ptw, struct ptw_format f,
				   u64 entry)
{
	return (entry & RV_PPN) << RV_PPN_SHIFT;
}

static inline u64 ptw_advance(struct ptw_format f, u64 entry, u64 size)
{
	return entry + (size >> RV_PPN_SHIFT);
}

static inline unsigned int ptw_group(struct ptw_format f, unsigned int height)
{
	return 1;
}

/* Hardware snoops. */
static inline void ptw_write_back(struct io_pgtable_cfg *cfg, u64 *slot,
				  size_t entries)
{
}

/* Not used by pt.h: drivers order their maps before they tell a device of them. */
static inline void ptw_publish(void)
{
}

static inline u64 pt_sizes(unsigned int features)
{
	u64 sizes = SZ_4K | SZ_2M | SZ_1G | SZ_512G | BIT_ULL(48);

	return features & BIT(PT_FEAT_RISCV_SVNAPOT_64K) ? sizes | SZ_64K : sizes;
}

#include "pt.h"

PT_HAS_COMMON(riscv_64, riscv_64pt);

/* 0 if the mapping is refused. */
static inline u64 ptw_attributes(const struct ptw *ptw, int prot)
{
	unsigned int features = READ_ONCE(common_of(ptw->iop.cookie)->features);
	u64 access = PTW_VALID | RV_R | RV_U | RV_A;

	if (unlikely(!(prot & (IOMMU_READ | IOMMU_WRITE))))
		return 0;
	if (prot & IOMMU_WRITE)
		access |= RV_W | RV_D;
	if (!(prot & IOMMU_NOEXEC))
		access |= RV_X;
	if (features & BIT(PT_FEAT_RISCV_SVPBMT)) {
		if (prot & IOMMU_MMIO)
			access |= RV_IO;
		else if (!(prot & IOMMU_CACHE))
			access |= RV_NC;
	}
	return access;
}

static const struct pt_limits riscv_limits = {
	.least_top = 2,
	.most_top = 4,
	.iova_bits = 57,
	.phys_bits = 56,
	.features = BIT(PT_FEAT_SIGN_EXTEND) | BIT(PT_FEAT_FLUSH_RANGE) |
		    BIT(PT_FEAT_RISCV_SVNAPOT_64K) |
		    BIT(PT_FEAT_RISCV_SVPBMT) | BIT(PT_FEAT_DETAILED_GATHER),
};

/**
 * pt_iommu_riscv_64_init - make a page table
 * @table: gets it; what is in pt_iommu.nid stays
 * @cfg: as its owner wants it
 * @gfp: not used; the function may sleep
 *
 * Return: 0, -EINVAL, -EOPNOTSUPP for what the format does not have, or -ENOMEM.
 */
int pt_iommu_riscv_64_init(struct pt_iommu_riscv_64 *table,
			   const struct pt_iommu_riscv_64_cfg *cfg, gfp_t gfp)
{
	unsigned int bits = cfg->common.hw_max_vasz_lg2;
	struct ptw shape = {
		.table = PTW_TABLE,
		.kind = PTW_KIND,
		.open = PTW_OPEN,
		.address = RV_PPN,
		.address_shift = RV_PPN_SHIFT,
		.last_level = 1,
	};

	if (bits != 39 && bits != 48 && bits != 57)
		return -EINVAL;
	return pt_init(&table->iommu, sizeof(*table), &cfg->common,
		       (bits - ptw_shift(pt_format, 0)) / ptw_bits(pt_format) - 1,
		       &riscv_limits, &shape);
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_riscv_64_init, "GENERIC_PT_IOMMU");

/**
 * pt_iommu_riscv_64_hw_info - what device contexts are made of
 * @table: the page table
 * @info: gets the page number of its root, and iosatp.MODE
 */
void pt_iommu_riscv_64_hw_info(struct pt_iommu_riscv_64 *table,
			       struct pt_iommu_riscv_64_hw_info *info)
{
	const struct ptw *ptw = table->iommu.walker;

	info->ppn = virt_to_phys(ptw->root) >> ptw_shift(pt_format, 0);
	info->fsc_iosatp_mode = ptw->top - 2 + RV_SV39;
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_riscv_64_hw_info, "GENERIC_PT_IOMMU");

phys_addr_t pt_iommu_riscv_64_iova_to_phys(struct iommu_domain *domain,
					   dma_addr_t iova)
{
	return pt_lookup(domain, iova);
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_riscv_64_iova_to_phys, "GENERIC_PT_IOMMU");

int pt_iommu_riscv_64_read_and_clear_dirty(struct iommu_domain *domain,
					   unsigned long iova, size_t size,
					   unsigned long flags,
					   struct iommu_dirty_bitmap *dirty)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_riscv_64_read_and_clear_dirty, "GENERIC_PT_IOMMU");
