// SPDX-License-Identifier: GPL-2.0-only
/*
 * AMD's page tables for host translations, behind the functions that drivers take from
 * generic_pt (pt.h).
 *
 * Theory of operation
 * ===================
 *
 * 1. AMD I/O Virtualization Technology (IOMMU) Specification, section "I/O Page
 *    Tables for Host Translations".  Tables of 4 KiB have 512 entries.  The root has
 *    mode 1 to 6, which is the number of levels; mode 6 translates all 64 bits, and
 *    its root has no leaves.
 *
 * 2. Next Level tells what an entry is: 1 to 5 are the mode of the table that it
 *    refers to, 0 is a page or a block, and 7 is a page of another power of two.
 *    Such a page takes up as many entries as it has pages of their level, all alike.
 *    Its size is in the address: below a zero, all ones (leaves.h, coded pages).
 *    Pages of 512 GiB are not used, for an erratum.
 *
 * 3. IR and IW of all entries on the way are ANDed, so tables have both.  A leaf
 *    has what was asked for: IOMMU_WRITE alone does not allow reading.
 *
 * 4. Hardware sets D in any of the leaves of a page that it writes to, where dirty
 *    tracking is switched on.
 *
 * 5. The root begins as its owner wants it.  A map that needs more addresses puts
 *    tables above it, one at a time, under a lock of the owner, and tells hardware
 *    before any CPU maps there.  The old root is the first table of the new one, so
 *    hardware that still begins there finds the same.
 *
 * 6. FORCE_COHERENCE sets FC.
 */

#include <linux/bitops.h>
#include <linux/sizes.h>

#define AMD_NEXT_LEVEL	GENMASK_ULL(11, 9)
#define AMD_SIZE_CODED	AMD_NEXT_LEVEL
#define AMD_LEVEL	BIT_ULL(9)
/*
 * PTW_VALID is PR.  Bits 4:1 and 8:7 are ignored.  One of them marks tables, so that
 * the walker need not look at Next Level.
 */
#define AMD_IS_TABLE	BIT_ULL(4)
#define PTW_KIND	(PTW_VALID | AMD_IS_TABLE)
#define PTW_TABLE	PTW_KIND
#define PTW_OPEN	BIT_ULL(7)
#define PTW_GROUPED	0
#define PTW_CODED	AMD_NEXT_LEVEL
#define PTW_CODED_LEAST	2
#define PTW_OWNED	BIT_ULL(1)
#define PTW_GROWS	true

#include "ops.h"

#define AMD_D_BIT	6
#define AMD_ADDR	GENMASK_ULL(51, 12)
#define AMD_FC		BIT_ULL(60)
#define AMD_IR		BIT_ULL(61)
#define AMD_IW		BIT_ULL(62)

static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height)
{
	return (entry & PTW_KIND) == PTW_VALID;
}

static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height)
{
	return 0;
}

static inline u64 ptw_code(u64 size)
{
	return ((size / 2 - 1) & AMD_ADDR) | AMD_SIZE_CODED;
}

static inline unsigned int ptw_coded_shift(u64 entry)
{
	return ffz(entry >> 12) + 13;
}

static inline u64 ptw_encode(struct ptw_format f, phys_addr_t phys)
{
	return phys;
}

static inline phys_addr_t ptw_phys(const struct ptw *ptw, struct ptw_format f,
				   u64 entry)
{
	return entry & AMD_ADDR;
}

static inline u64 ptw_advance(struct ptw_format f, u64 entry, u64 size)
{
	return entry + size;
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

static inline void ptw_publish(void)
{
}

static inline u64 pt_sizes(unsigned int features)
{
	return GENMASK_ULL(51, 12) & ~SZ_512G;
}

#include "pt.h"

PT_HAS_COMMON(amdv1, amdpt);

/* 0 if the mapping is refused. */
static inline u64 ptw_attributes(const struct ptw *ptw, int prot)
{
	unsigned int features = READ_ONCE(common_of(ptw->iop.cookie)->features);
	u64 access = (prot & IOMMU_READ ? AMD_IR : 0) |
		     (prot & IOMMU_WRITE ? AMD_IW : 0);

	if (unlikely(!access))
		return 0;
	if (features & BIT(PT_FEAT_AMDV1_FORCE_COHERENCE))
		access |= AMD_FC;
	return access | PTW_VALID | ptw_bounds(prot);
}

static bool amd_test_dirty(u64 *slot, bool clear)
{
	u64 entry = READ_ONCE(*slot);
	unsigned int n = 1;
	bool dirty = false;
	u64 *end;

	/* A coded page is larger than those of its level, and smaller than the next. */
	if (entry & PTW_CODED)
		n = 1U << (ptw_coded_shift(entry) - ptw_shift(pt_format, 0)) %
			  ptw_bits(pt_format);
	slot = (u64 *)ALIGN_DOWN((unsigned long)slot, n * sizeof(*slot));
	for (end = slot + n; slot != end; slot++) {
		if (!(READ_ONCE(*slot) & BIT_ULL(AMD_D_BIT)))
			continue;
		dirty = true;
		if (!clear)
			break;
		clear_bit(AMD_D_BIT, (unsigned long *)slot);
	}
	return dirty;
}

/* What is above the addresses of @bits. */
static u64 amd_beyond(unsigned int bits)
{
	return bits < 64 ? ~0ULL << bits : 0;
}

/* Put a table above the root; returns 0 also if another CPU was first. */
static int amd_raise(struct ptw *ptw, gfp_t gfp)
{
	unsigned long start = READ_ONCE(ptw->start), flags;
	unsigned int bits = ptw_bits(pt_format), shift = start & PTW_START_SHIFT;
	u64 *root = (u64 *)(start - shift), *table;
	struct pt_iommu *pt = ptw->iop.cookie;
	unsigned int top;
	spinlock_t *lock;	/* the owner's */

	table = ptw_alloc(ptw, ptw_granule(pt_format), gfp);
	if (!table)
		return -ENOMEM;
	lock = pt->driver_ops->get_top_lock(pt);
	spin_lock_irqsave(lock, flags);
	if (ptw->start == start) {
		top = ptw->top + 1;
		ptw_install(ptw, table, 0, root, top);
		/* The new root, before hardware begins there. */
		wmb();
		pt->driver_ops->change_top(pt, virt_to_phys(table), top);
		WRITE_ONCE(common_of(pt)->top_of_table, (uintptr_t)table | top);
		ptw->top = top;
		ptw->root = table;
		ptw->root_shift = shift + bits;
		WRITE_ONCE(ptw->start, (unsigned long)table | (shift + bits));
		/* Pairs with ptw_in_range(). */
		smp_store_release(&ptw->iova_outside,
				  amd_beyond(min(shift + 2 * bits,
						 ptw->iop.cfg.ias)));
		table = NULL;
	}
	spin_unlock_irqrestore(lock, flags);
	if (table)
		ptw_free(ptw, table, ptw_granule(pt_format));
	return 0;
}

int ptw_grow(struct ptw *ptw, u64 iova, u64 size, gfp_t gfp)
{
	u64 beyond = amd_beyond(ptw->iop.cfg.ias), last = iova + size - 1;
	int ret = 0;

	if (last < iova || (iova | last) & beyond)
		return -ERANGE;
	while (!ret && (!ptw_in_range(ptw, iova, size) ||
			size & READ_ONCE(ptw->iova_outside) & ~beyond))
		ret = amd_raise(ptw, gfp);
	return ret;
}

static const struct pt_limits amd_limits = {
	.least_top = 1,
	.most_top = 5,
	.iova_bits = 64,
	.phys_bits = 52,
	.features = BIT(PT_FEAT_FULL_VA) | BIT(PT_FEAT_DYNAMIC_TOP) |
		    BIT(PT_FEAT_FLUSH_RANGE) |
		    BIT(PT_FEAT_FLUSH_RANGE_NO_GAPS) |
		    BIT(PT_FEAT_AMDV1_ENCRYPT_TABLES) |
		    BIT(PT_FEAT_AMDV1_FORCE_COHERENCE),
};

/**
 * pt_iommu_amdv1_init - make a page table for host translations
 * @table: gets it; what is in pt_iommu.nid and driver_ops stays
 * @cfg: as its owner wants it
 * @gfp: not used; the function may sleep
 *
 * Return: 0, -EINVAL, -EOPNOTSUPP for what the format does not have, or -ENOMEM.
 */
int pt_iommu_amdv1_init(struct pt_iommu_amdv1 *table,
			const struct pt_iommu_amdv1_cfg *cfg, gfp_t gfp)
{
	struct ptw shape = {
		.table = PTW_TABLE | AMD_IR | AMD_IW,
		.kind = PTW_KIND,
		.open = PTW_OPEN,
		.address = AMD_ADDR,
		.last_level = 1,
		.level = AMD_LEVEL,
	};
	struct ptw *ptw;
	int ret;

	if (pt_memory_is_encrypted())
		return pt_iommu_amdv1_stock_init(table, cfg, gfp);
	ret = pt_init(&table->iommu, sizeof(*table), &cfg->common,
		      cfg->starting_level, &amd_limits, &shape);
	if (ret)
		return ret;
	/* Others come when they are mapped. */
	ptw = table->iommu.walker;
	ptw->iova_outside |= amd_beyond(ptw->root_shift + ptw->root_bits);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_amdv1_init, "GENERIC_PT_IOMMU");

/**
 * pt_iommu_amdv1_hw_info - what device table entries are made of
 * @table: the page table
 * @info: gets its root and mode
 */
void pt_iommu_amdv1_hw_info(struct pt_iommu_amdv1 *table,
			    struct pt_iommu_amdv1_hw_info *info)
{
	unsigned int shift;
	u64 *root;

	if (pt_memory_is_encrypted()) {
		pt_iommu_amdv1_stock_hw_info(table, info);
		return;
	}
	root = ptw_root_slot(table->iommu.walker, 0, &shift);
	info->host_pt_root = virt_to_phys(root);
	info->mode = (shift - ptw_shift(pt_format, 0)) / ptw_bits(pt_format) + 1;
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_amdv1_hw_info, "GENERIC_PT_IOMMU");

phys_addr_t pt_iommu_amdv1_iova_to_phys(struct iommu_domain *domain,
					dma_addr_t iova)
{
	if (pt_memory_is_encrypted())
		return pt_iommu_amdv1_stock_iova_to_phys(domain, iova);
	return pt_lookup(domain, iova);
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_amdv1_iova_to_phys, "GENERIC_PT_IOMMU");

int pt_iommu_amdv1_read_and_clear_dirty(struct iommu_domain *domain,
					unsigned long iova, size_t size,
					unsigned long flags,
					struct iommu_dirty_bitmap *dirty)
{
	if (pt_memory_is_encrypted())
		return pt_iommu_amdv1_stock_read_and_clear_dirty(domain, iova, size,
								 flags, dirty);
	return pt_dirty(domain, iova, size, amd_test_dirty, flags, dirty);
}
EXPORT_SYMBOL_NS_GPL(pt_iommu_amdv1_read_and_clear_dirty, "GENERIC_PT_IOMMU");
