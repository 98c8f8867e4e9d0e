// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arm Long-descriptor translation tables.
 *
 * Theory of operation
 * ===================
 *
 * 1. Formats: VMSAv8-64 stage 1 and stage 2 with granules of 4, 16 and 64 KiB
 *    (Arm Architecture Reference Manual for A-profile, chapter D8, section
 *    "Translation table descriptor formats"); the Long-descriptor format of
 *    VMSAv8-32, with the same descriptors and the 4 KiB granule; and the variant
 *    that Mali GPUs of the Midgard architecture walk.
 *
 * 2. Levels are 0 to 3, 3 has the pages.  A descriptor with bit 0 clear is
 *    invalid.  With bit 0 set, bit 1 tells a table (set) from a block (clear);
 *    on level 3 it is set for a page.  Mali has no bit 1 for its pages.
 *
 * 3. Addresses stand at their own bits, from the granule up to bit 47.  With
 *    the 64 KiB granule bits 51:48 of an address are bits 15:12 of the
 *    descriptor.
 *
 * 4. Stage 2 begins one level further down, with up to 16 tables side by side
 *    ("Concatenated translation tables"), where the architecture demands it.
 *
 * 5. The Contiguous bit (52) of 16 adjacent leaves (4 KiB granule), 128 pages or
 *    32 blocks (16 KiB), or 32 leaves (64 KiB) makes them one translation of
 *    aligned memory, and one entry of a TLB.  One of them may change only while
 *    all are invalid ("break before make"), and a device that is at work there
 *    then faults.  So groups are page sizes (leaves.h), and only for owners that ask
 *    for them (io_pgtable_cfg.contiguous).  Hardware that keeps dirty state
 *    (IO_PGTABLE_QUIRK_ARM_HD) may keep it in any entry of a group, so there are
 *    no groups then; nor in Mali's variant, nor of blocks of 4 TiB.
 */

#include <linux/dma-mapping.h>
#include <linux/numa.h>
#include <linux/sizes.h>

#include "../io-pgtable-arm.h"
#include "base.h"

#define LPAE_TABLE_OR_PAGE	BIT_ULL(1)
#define LPAE_TYPE	(PTW_VALID | LPAE_TABLE_OR_PAGE)
#define PTW_KIND	LPAE_TYPE
#define PTW_TABLE	LPAE_TYPE
#define PTW_OPEN	BIT_ULL(55)	/* ignored in table descriptors */
#define PTW_GROUPED	BIT_ULL(52)	/* Contiguous */
#define PTW_OWNED	BIT_ULL(56)	/* 58:56 of leaves are left to software */

#include "ops.h"

/* Descriptors of all kinds */
#define LPAE_ADDRESS		GENMASK_ULL(47, 12)
#define LPAE_NSTABLE		BIT_ULL(63)

/* Block and page descriptors, both stages */
#define LPAE_SH_OUTER		(2ULL << 8)
#define LPAE_SH_INNER		(3ULL << 8)
#define LPAE_AF			BIT_ULL(10)
#define LPAE_DBM		BIT_ULL(51)
#define LPAE_XN			GENMASK_ULL(54, 53)	/* UXN and PXN */

/* Stage 1 */
#define LPAE_ATTRINDX(n)	((u64)(n) << 2)
#define LPAE_NS			BIT_ULL(5)
#define LPAE_AP_UNPRIVILEGED	BIT_ULL(6)
#define LPAE_AP_READONLY_BIT	7
#define LPAE_AP_READONLY	BIT_ULL(LPAE_AP_READONLY_BIT)
#define LPAE_NG			BIT_ULL(11)

/* Stage 2 */
#define LPAE_MEMATTR_DEVICE	(0x1ULL << 2)	/* Device-nGnRE */
#define LPAE_MEMATTR_NC		(0x5ULL << 2)	/* Normal, not cacheable */
#define LPAE_MEMATTR_WB		(0xfULL << 2)	/* Normal, write-back */
#define LPAE_MEMATTR_FORCE_WB	(0x6ULL << 2)	/* FEAT_S2FWB: whatever stage 1 says */
#define LPAE_S2AP_READ		BIT_ULL(6)
#define LPAE_S2AP_WRITE		BIT_ULL(7)
#define LPAE_S2_XN		BIT_ULL(54)	/* XN[1]; XN[0] lets EL1 execute */

/* MAIR: what each AttrIndx stands for. Drivers rely on the order. */
enum {
	INDX_NC,		/* IOMMU_CACHE not set */
	INDX_CACHE,		/* IOMMU_CACHE */
	INDX_DEVICE,		/* IOMMU_MMIO */
	INDX_OUTER_CACHE,	/* unused here */
};

#define MAIR(index, attr)	((u64)(attr) << 8 * (index))
#define MAIR_DEVICE_NGNRE	0x04
#define MAIR_NC			0x44
#define MAIR_INC_OWBRWA		0xf4
#define MAIR_WBRWA		0xff

/* Mali */
#define MALI_MEMATTR_DEFAULT		0x88
#define MALI_MEMATTR_WRITE_ALLOC	0x8d
#define MALI_TRANSTAB_ADRMODE_TABLE	(3U << 0)
#define MALI_TRANSTAB_READ_INNER	BIT(2)
#define MALI_TRANSTAB_SHARE_OUTER	BIT(4)

/* ptw_format.variant */
enum { LPAE_ARM, LPAE_MALI, LPAE_CONTIGUOUS };

enum { BITS_4K = 9, BITS_16K = 11, BITS_64K = 13 };

/* What owners may ask of each stage */
#define LPAE_S1_QUIRKS	(IO_PGTABLE_QUIRK_ARM_HD | IO_PGTABLE_QUIRK_ARM_NS | \
			 IO_PGTABLE_QUIRK_ARM_OUTER_WBWA |		\
			 IO_PGTABLE_QUIRK_ARM_TTBR1 | IO_PGTABLE_QUIRK_NO_WARN)
#define LPAE_S2_QUIRKS	(IO_PGTABLE_QUIRK_ARM_S2FWB | IO_PGTABLE_QUIRK_NO_WARN)

static inline u64 ptw_leaf_type(struct ptw_format f, unsigned int height)
{
	return !height && ptw_variant(f) != LPAE_MALI ? LPAE_TYPE : PTW_VALID;
}

static inline bool ptw_is_leaf(struct ptw_format f, u64 entry,
			       unsigned int height)
{
	return (entry & LPAE_TYPE) == ptw_leaf_type(f, height);
}

static inline u64 ptw_encode(struct ptw_format f, phys_addr_t phys)
{
	if (ptw_bits(f) != BITS_64K)
		return phys;
	return ((u64)phys & LPAE_ADDRESS) | ((u64)phys >> 48 & 0xf) << 12;
}

static inline phys_addr_t ptw_phys(const struct ptw *ptw, struct ptw_format f,
				   u64 entry)
{
	if (ptw_bits(f) != BITS_64K)
		return entry & LPAE_ADDRESS;
	return (entry & GENMASK_ULL(47, 16)) | (entry >> 12 & 0xf) << 48;
}

static inline u64 ptw_advance(struct ptw_format f, u64 entry, u64 size)
{
	if (ptw_bits(f) != BITS_64K)
		return entry + size;
	return (entry & ~LPAE_ADDRESS) |
	       ptw_encode(f, ptw_phys(NULL, f, entry) + size);
}

static inline unsigned int ptw_group(struct ptw_format f, unsigned int height)
{
	if (ptw_variant(f) != LPAE_CONTIGUOUS)
		return 1;
	if (ptw_bits(f) == BITS_4K)
		return 16;
	return ptw_bits(f) == BITS_16K && !height ? 128 : 32;
}

/* Walkers use physical addresses, so a DMA address must equal it. */
static int lpae_expose(struct io_pgtable_cfg *cfg, void *table, size_t size)
{
	struct device *dev = cfg->iommu_dev;
	dma_addr_t dma = dma_map_single(dev, table, size, DMA_TO_DEVICE);

	if (dma_mapping_error(dev, dma))
		return -ENOMEM;
	if (dma == virt_to_phys(table))
		return 0;
	dev_err(dev, "page tables cannot be where the CPU has them\n");
	dma_unmap_single(dev, dma, size, DMA_TO_DEVICE);
	return -EINVAL;
}

static void lpae_retire(struct io_pgtable_cfg *cfg, void *table, size_t size)
{
	dma_unmap_single(cfg->iommu_dev, virt_to_phys(table), size,
			 DMA_TO_DEVICE);
}

static inline void ptw_write_back(struct io_pgtable_cfg *cfg, u64 *slot,
				  size_t entries)
{
	dma_sync_single_for_device(cfg->iommu_dev, virt_to_phys(slot),
				   entries * sizeof(*slot), DMA_TO_DEVICE);
}

static const struct ptw_sync lpae_sync = {
	.expose = lpae_expose,
	.retire = lpae_retire,
	.write_back = ptw_write_back,
};

static inline void ptw_publish(void)
{
	/* All entries, before a device is told the address. */
	wmb();
}

/* The memory type and execute never in stage 1, and of Mali. */
static u64 memory_type(int prot)
{
	u64 xn = prot & IOMMU_NOEXEC ? LPAE_XN : 0;

	if (prot & IOMMU_MMIO)
		return LPAE_ATTRINDX(INDX_DEVICE) | xn;
	return LPAE_ATTRINDX(prot & IOMMU_CACHE ? INDX_CACHE : INDX_NC) | xn;
}

static u64 stage1_attributes(const struct io_pgtable_cfg *cfg, int prot)
{
	u64 attributes = LPAE_NG | LPAE_AF | memory_type(prot);

	if (!(prot & IOMMU_WRITE))
		attributes |= LPAE_AP_READONLY;
	else if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_HD)
		attributes |= LPAE_DBM;
	if (!(prot & IOMMU_PRIV))
		attributes |= LPAE_AP_UNPRIVILEGED;
	if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_NS)
		attributes |= LPAE_NS;
	return attributes;
}

static u64 stage2_permissions(int prot)
{
	return (prot & IOMMU_READ ? LPAE_S2AP_READ : 0) |
	       (prot & IOMMU_WRITE ? LPAE_S2AP_WRITE : 0);
}

static u64 stage2_attributes(const struct io_pgtable_cfg *cfg, int prot)
{
	u64 attributes = LPAE_AF | stage2_permissions(prot) |
			 (prot & IOMMU_NOEXEC ? LPAE_S2_XN : 0);

	if (prot & IOMMU_MMIO)
		return attributes | LPAE_MEMATTR_DEVICE;
	if (!(prot & IOMMU_CACHE))
		return attributes | LPAE_MEMATTR_NC;
	if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_S2FWB)
		return attributes | LPAE_MEMATTR_FORCE_WB;
	return attributes | LPAE_MEMATTR_WB;
}

static u64 ptw_attributes(const struct ptw *ptw, int prot)
{
	const struct io_pgtable *iop = &ptw->iop;
	u64 attributes;

	if (iop->fmt == ARM_64_LPAE_S1 || iop->fmt == ARM_32_LPAE_S1)
		attributes = stage1_attributes(&iop->cfg, prot);
	else if (iop->fmt == ARM_MALI_LPAE)
		attributes = stage2_permissions(prot) | memory_type(prot);
	else
		attributes = stage2_attributes(&iop->cfg, prot);

	/* The inner domain of a Mali is the GPU alone. */
	if (prot & IOMMU_CACHE && iop->fmt != ARM_MALI_LPAE)
		attributes |= LPAE_SH_INNER;
	else
		attributes |= LPAE_SH_OUTER;
	return attributes;
}

/* Writable, and AP[2] cleared by hardware since. */
static bool lpae_test_dirty(u64 *slot, bool clear)
{
	u64 entry = READ_ONCE(*slot);

	if ((entry & (LPAE_DBM | LPAE_AP_READONLY)) != LPAE_DBM)
		return false;
	if (clear)
		set_bit(LPAE_AP_READONLY_BIT, (unsigned long *)slot);
	return true;
}

static int lpae_dirty(struct io_pgtable_ops *ops, unsigned long iova,
		      size_t size, unsigned long flags,
		      struct iommu_dirty_bitmap *dirty)
{
	struct ptw *ptw = ptw_of(ops);

	if (ptw->iop.fmt != ARM_64_LPAE_S1)
		return -EINVAL;
	return ptw_dirty_walk(ptw, ptw->f, iova, size, false, lpae_test_dirty,
			      flags, dirty);
}

/*
 * Tell the entries that lead to @iova, from the root to a leaf or to what is none,
 * by the numbers of their levels.
 */
static int lpae_walk(struct io_pgtable_ops *ops, unsigned long iova, void *data)
{
	struct arm_lpae_io_pgtable_walk_data *seen = data;
	struct ptw *ptw = ptw_of(ops);
	struct ptw_format f = ptw->f;
	unsigned int height, shift;
	u64 entry;

	if (!ptw_in_range(ptw, iova, 1))
		return -EINVAL;
	rcu_read_lock();
	height = ptw->top;
	do {
		ptw_walk(ptw, f, iova, height, &shift, &entry);
		if (shift != ptw_shift(f, height))
			break;
		seen->ptes[ptw_level(ptw, height)] = entry;
	} while (height--);
	rcu_read_unlock();
	return ptw_is_leaf(f, entry, shift != ptw_shift(f, 0)) ? 0 : -EINVAL;
}

PTW_OPS(lpae_4k, BITS_4K, LPAE_ARM, lpae_dirty);
PTW_OPS(lpae_16k, BITS_16K, LPAE_ARM, lpae_dirty);
PTW_OPS(lpae_64k, BITS_64K, LPAE_ARM, lpae_dirty);
PTW_OPS(lpae_mali, BITS_4K, LPAE_MALI, lpae_dirty);
PTW_OPS(lpae_4k_contiguous, BITS_4K, LPAE_CONTIGUOUS, lpae_dirty);
PTW_OPS(lpae_16k_contiguous, BITS_16K, LPAE_CONTIGUOUS, lpae_dirty);
PTW_OPS(lpae_64k_contiguous, BITS_64K, LPAE_CONTIGUOUS, lpae_dirty);

/* The CPU's page size or the largest granule below, or else the smallest above. */
static unsigned int choose_granule(unsigned long sizes)
{
	unsigned long granules = sizes & (SZ_4K | SZ_16K | SZ_64K);
	unsigned long up_to_page = granules & (PAGE_SIZE | (PAGE_SIZE - 1));

	if (up_to_page)
		return __fls(up_to_page);
	return granules ? __ffs(granules) : 0;
}

/* The sizes of the groups of pages of @sizes. */
static unsigned long group_sizes(struct ptw_format f, unsigned long sizes)
{
	unsigned long groups = 0;

	for (; sizes; sizes &= sizes - 1) {
		unsigned int bit = __ffs(sizes);

		/* Blocks of 4 TiB have none. */
		if (bit < 42)
			groups |= (u64)ptw_group(f, ptw_height(f, 1UL << bit)) << bit;
	}
	return groups;
}

/* Choose a granule and reduce @cfg to what it allows. */
static bool lpae_shape(struct io_pgtable_cfg *cfg, struct ptw *shape)
{
	bool contiguous = cfg->contiguous &&
			  !(cfg->quirks & IO_PGTABLE_QUIRK_ARM_HD);
	unsigned int granule = choose_granule(cfg->pgsize_bitmap);
	unsigned int limit = 48, va_bits;
	u64 sizes;

	switch (granule) {
	case 12:
		shape->iop.ops = contiguous ? lpae_4k_contiguous : lpae_4k;
		sizes = SZ_4K | SZ_2M | SZ_1G;
		break;
	case 14:
		shape->iop.ops = contiguous ? lpae_16k_contiguous : lpae_16k;
		sizes = SZ_16K | SZ_32M;
		break;
	case 16:
		shape->iop.ops = contiguous ? lpae_64k_contiguous : lpae_64k;
		sizes = SZ_64K | SZ_512M;
		limit = 52;
		/* Blocks of 4 TiB come with 52-bit addresses. */
		if (cfg->oas > 48)
			sizes |= BIT_ULL(42);
		break;
	default:
		return false;
	}
	cfg->pgsize_bitmap &= sizes;
	cfg->ias = min(cfg->ias, limit);
	cfg->oas = min(cfg->oas, limit);
	if (cfg->ias <= granule)
		return false;

	shape->f = (struct ptw_format)PTW_FORMAT(granule - 3, contiguous ?
						 LPAE_CONTIGUOUS : LPAE_ARM);
	if (contiguous)
		cfg->pgsize_bitmap |= group_sizes(shape->f, cfg->pgsize_bitmap);
	/* The root has no entry for all of the space. */
	cfg->pgsize_bitmap &= (1ULL << cfg->ias) - 1;
	va_bits = cfg->ias - granule;
	shape->top = (va_bits - 1) / ptw_bits(shape->f);
	shape->root_bits = va_bits - shape->top * ptw_bits(shape->f);
	shape->nid = cfg->alloc ? NUMA_NO_NODE : dev_to_node(cfg->iommu_dev);
	shape->table = LPAE_TYPE;
	if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_NS)
		shape->table |= LPAE_NSTABLE;
	shape->kind = PTW_KIND;
	shape->open = PTW_OPEN;
	shape->address = GENMASK_ULL(47, granule);
	shape->high = granule == 16 ? GENMASK_ULL(15, 12) : 0;
	shape->last_level = 3;
	shape->sync = &lpae_sync;
	return true;
}

/* TCR.IPS and VTCR.PS: the size of output addresses */
static int lpae_ps(unsigned int oas)
{
	static const u8 sizes[] = { 32, 36, 40, 42, 44, 48, 52 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (sizes[i] == oas)
			return i;
	return -EINVAL;
}

/* TCR.TG0 and TCR.TG1 encode the granule differently. */
static unsigned int lpae_tg(struct ptw_format f, bool upper)
{
	static const u8 tg[][2] = {
		{ ARM_LPAE_TCR_TG0_4K, ARM_LPAE_TCR_TG1_4K },
		{ ARM_LPAE_TCR_TG0_16K, ARM_LPAE_TCR_TG1_16K },
		{ ARM_LPAE_TCR_TG0_64K, ARM_LPAE_TCR_TG1_64K },
	};

	return tg[(ptw_bits(f) - BITS_4K) / 2][upper];
}

static struct io_pgtable *lpae_create(struct ptw *shape,
				      struct io_pgtable_cfg *cfg, void *cookie)
{
	ptw_set_pgtable_walk(&shape->iop.ops, lpae_walk);
	return ptw_create(shape, cfg, cookie);
}

static struct io_pgtable *lpae_create_s1(struct io_pgtable_cfg *cfg,
					 void *cookie)
{
	typeof(cfg->arm_lpae_s1_cfg) *regs = &cfg->arm_lpae_s1_cfg;
	bool outer_wbwa = cfg->quirks & IO_PGTABLE_QUIRK_ARM_OUTER_WBWA;
	bool coherent = cfg->coherent_walk;
	u32 region = coherent ? ARM_LPAE_TCR_RGN_WBWA : ARM_LPAE_TCR_RGN_NC;
	struct io_pgtable *iop;
	struct ptw shape = {};
	int ps;

	if (cfg->quirks & ~LPAE_S1_QUIRKS)
		return NULL;
	/* A coherent walker has nothing to override. */
	if ((coherent && outer_wbwa) || !lpae_shape(cfg, &shape))
		return NULL;
	ps = lpae_ps(cfg->oas);
	if (ps < 0)
		return NULL;

	regs->tcr.sh = coherent ? ARM_LPAE_TCR_SH_IS : ARM_LPAE_TCR_SH_OS;
	regs->tcr.irgn = region;
	regs->tcr.orgn = outer_wbwa ? ARM_LPAE_TCR_RGN_WBWA : region;
	regs->tcr.tg = lpae_tg(shape.f,
			       cfg->quirks & IO_PGTABLE_QUIRK_ARM_TTBR1);
	regs->tcr.ips = ps;
	regs->tcr.tsz = 64 - cfg->ias;
	regs->mair = MAIR(INDX_NC, MAIR_NC) |
		     MAIR(INDX_CACHE, MAIR_WBRWA) |
		     MAIR(INDX_DEVICE, MAIR_DEVICE_NGNRE) |
		     MAIR(INDX_OUTER_CACHE, MAIR_INC_OWBRWA);

	iop = lpae_create(&shape, cfg, cookie);
	if (iop)
		regs->ttbr = virt_to_phys(shape.root);
	return iop;
}

/* May stage 2 begin at @level? Pseudocode of AArch64.S2InvalidSL(), no LPA2. */
static bool stage2_may_begin(struct ptw_format f, int level, unsigned int oas)
{
	int least = ptw_bits(f) == BITS_4K ? 0 : 1;

	return level > least ||
	       (level == least && oas >= (ptw_bits(f) == BITS_16K ? 42 : 44));
}

static struct io_pgtable *lpae_create_s2(struct io_pgtable_cfg *cfg,
					 void *cookie)
{
	typeof(cfg->arm_lpae_s2_cfg) *regs = &cfg->arm_lpae_s2_cfg;
	bool coherent = cfg->coherent_walk;
	struct io_pgtable *iop;
	struct ptw shape = {};
	int ps, first;

	if (cfg->quirks & ~LPAE_S2_QUIRKS || !lpae_shape(cfg, &shape))
		return NULL;
	ps = lpae_ps(cfg->oas);
	if (ps < 0)
		return NULL;

	first = ptw_level(&shape, shape.top);
	if (!stage2_may_begin(shape.f, first, cfg->oas) &&
	    shape.root_bits <= ilog2(16)) {
		shape.root_bits += ptw_bits(shape.f);
		shape.top--;
		first++;
	}
	if (!stage2_may_begin(shape.f, first, cfg->oas))
		return NULL;

	regs->vtcr.sh = coherent ? ARM_LPAE_TCR_SH_IS : ARM_LPAE_TCR_SH_OS;
	regs->vtcr.irgn = coherent ? ARM_LPAE_TCR_RGN_WBWA :
				     ARM_LPAE_TCR_RGN_NC;
	regs->vtcr.orgn = regs->vtcr.irgn;
	regs->vtcr.tg = lpae_tg(shape.f, false);
	regs->vtcr.ps = ps;
	regs->vtcr.tsz = 64 - cfg->ias;
	/* SL0 counts upward from level 2 or, with larger granules, level 3. */
	regs->vtcr.sl = (ptw_bits(shape.f) == BITS_4K ? 2 : 3) - first;

	iop = lpae_create(&shape, cfg, cookie);
	if (iop)
		regs->vttbr = virt_to_phys(shape.root);
	return iop;
}

/* The limits of formats with the 4 KiB granule and addresses of 40 bits. */
static bool limit_to_4k(struct io_pgtable_cfg *cfg, unsigned int ias)
{
	if (cfg->ias > ias || cfg->oas > 40)
		return false;
	cfg->pgsize_bitmap &= SZ_4K | SZ_2M | SZ_1G;
	return true;
}

static struct io_pgtable *lpae32_create_s1(struct io_pgtable_cfg *cfg,
					   void *cookie)
{
	return limit_to_4k(cfg, 32) ? lpae_create_s1(cfg, cookie) : NULL;
}

static struct io_pgtable *lpae32_create_s2(struct io_pgtable_cfg *cfg,
					   void *cookie)
{
	return limit_to_4k(cfg, 40) ? lpae_create_s2(cfg, cookie) : NULL;
}

static struct io_pgtable *mali_create(struct io_pgtable_cfg *cfg, void *cookie)
{
	struct io_pgtable *iop;
	struct ptw shape = {};

	cfg->contiguous = false;
	if (cfg->quirks || !limit_to_4k(cfg, 48) || !lpae_shape(cfg, &shape))
		return NULL;
	shape.iop.ops = lpae_mali;
	shape.f = lpae_mali_format;
	/* A GPU walks from level 0, however small the space. */
	if (shape.top < 3) {
		shape.top = 3;
		shape.root_bits = 0;
	}

	/* "Implementation defined" comes closest to uncached. */
	cfg->arm_mali_lpae_cfg.memattr =
		MAIR(INDX_NC, MALI_MEMATTR_DEFAULT) |
		MAIR(INDX_CACHE, MALI_MEMATTR_WRITE_ALLOC) |
		MAIR(INDX_DEVICE, MALI_MEMATTR_DEFAULT);

	iop = lpae_create(&shape, cfg, cookie);
	if (!iop)
		return NULL;
	cfg->arm_mali_lpae_cfg.transtab = virt_to_phys(shape.root) |
					  MALI_TRANSTAB_READ_INNER |
					  MALI_TRANSTAB_ADRMODE_TABLE;
	if (cfg->coherent_walk)
		cfg->arm_mali_lpae_cfg.transtab |= MALI_TRANSTAB_SHARE_OUTER;
	return iop;
}

#define LPAE_INIT_FNS(name, create)					\
struct io_pgtable_init_fns io_pgtable_arm_##name##_init_fns = {		\
	.alloc = create,						\
	.free = ptw_destroy,						\
	.caps = IO_PGTABLE_CAP_CUSTOM_ALLOCATOR,			\
}

LPAE_INIT_FNS(64_lpae_s1, lpae_create_s1);
LPAE_INIT_FNS(64_lpae_s2, lpae_create_s2);
LPAE_INIT_FNS(32_lpae_s1, lpae32_create_s1);
LPAE_INIT_FNS(32_lpae_s2, lpae32_create_s2);
LPAE_INIT_FNS(mali_lpae, mali_create);
