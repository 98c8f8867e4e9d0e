/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables as tests open them, and a walker that is written from the
 * specifications and shares nothing with the code under test.
 */
#ifndef _TABLES_H
#define _TABLES_H

#include <linux/device.h>
#include <linux/io-pgtable.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "pages.h"
#include "test.h"

extern struct io_pgtable_init_fns stock_64_lpae_s1_init_fns;
extern struct io_pgtable_init_fns stock_64_lpae_s2_init_fns;
extern struct io_pgtable_init_fns stock_32_lpae_s1_init_fns;
extern struct io_pgtable_init_fns stock_32_lpae_s2_init_fns;
extern struct io_pgtable_init_fns stock_mali_lpae_init_fns;

static struct device table_device;

/* How the owner of a page table was told to invalidate. */
struct told {
	unsigned long all, walks, pages;
	u64 walked;		/* bytes of the last walk flush */
};

static inline void told_all(void *cookie)
{
	__atomic_add_fetch(&((struct told *)cookie)->all, 1, __ATOMIC_RELAXED);
}

static inline void told_walk(unsigned long iova, size_t size, size_t granule,
			     void *cookie)
{
	__atomic_add_fetch(&((struct told *)cookie)->walks, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&((struct told *)cookie)->walked, size, __ATOMIC_RELAXED);
}

/* As drivers do that note pages in the gather. */
static inline void told_page(struct iommu_iotlb_gather *gather,
			     unsigned long iova, size_t granule, void *cookie)
{
	__atomic_add_fetch(&((struct told *)cookie)->pages, 1, __ATOMIC_RELAXED);
	gather->pgsize = granule;
	iommu_iotlb_gather_add_range(gather, iova, granule);
}

static const struct iommu_flush_ops told_ops = {
	.tlb_flush_all = told_all,
	.tlb_flush_walk = told_walk,
	.tlb_add_page = told_page,
};

static inline struct io_pgtable_ops *table_open(struct io_pgtable_init_fns *fns,
						enum io_pgtable_fmt fmt,
						struct io_pgtable_cfg *cfg,
						struct told *told)
{
	struct io_pgtable *iop;

	cfg->tlb = told ? &told_ops : NULL;
	cfg->iommu_dev = &table_device;
	cfg->reclaim = true;
	iop = fns->alloc(cfg, told);
	if (!iop)
		return NULL;
	iop->fmt = fmt;
	iop->cookie = told;
	iop->cfg = *cfg;
	return &iop->ops;
}

static inline void table_close(struct io_pgtable_init_fns *fns,
			       struct io_pgtable_ops *ops)
{
	fns->free(io_pgtable_ops_to_pgtable(ops));
}

/* What hardware makes of an address. */
struct translation {
	bool valid;
	u64 phys;
	u64 size;		/* of the page, block or contiguous group */
	u64 entry;
	bool misprogrammed;
	u64 slot;		/* where the entry is */
};

/* The address in an entry of an Arm format. */
static inline u64 lpae_address(unsigned int granule, u64 entry)
{
	u64 phys = entry & 0xfffffffff000ULL & ~((1ULL << granule) - 1);

	return granule == 16 ? phys | (entry & 0xf000) << 36 : phys;
}

/*
 * What the Contiguous bit says of the entry that @seen has, the @index-th of
 * its table, at @slot. All must be the same in the group but for the address,
 * which goes on from entry to entry and begins aligned; else the bit is
 * "misprogrammed".
 */
static inline void see_group(const struct io_pgtable_cfg *cfg,
			     unsigned int level, u64 slot, u64 index,
			     struct translation *seen)
{
	unsigned int granule = __builtin_ctzl(cfg->pgsize_bitmap);
	u64 nr = granule == 12 ? 16 : granule == 14 && level == 3 ? 128 : 32;
	/* Without the address, and 58:55, which are left to software. */
	u64 bits = ~(0xfffffffff000ULL | 0xfULL << 55), page = seen->size, begin = 0, i;

	if (!(seen->entry & 1ULL << 52))
		return;
	slot -= 8 * (index & (nr - 1));
	for (i = 0; i < nr; i++) {
		u64 entry = shim_hardware_read(slot + 8 * i, cfg->coherent_walk);
		u64 phys = lpae_address(granule, entry);

		if (!i)
			begin = phys;
		if ((entry ^ seen->entry) & bits || phys != begin + i * page ||
		    begin & (nr * page - 1))
			seen->misprogrammed = true;
	}
	seen->size = nr * page;
}

/* Entries of the Arm formats: ARM ARM, VMSAv8-64, Long-descriptor. */
static inline struct translation walk_lpae(const struct io_pgtable_cfg *cfg,
					   u64 root, unsigned int first,
					   u64 iova, bool mali)
{
	unsigned int granule = __builtin_ctzl(cfg->pgsize_bitmap);
	unsigned int bits = granule - 3, level = first;
	u64 base = root;

	iova &= (1ULL << cfg->ias) - 1;
	for (;; level++) {
		unsigned int shift = granule + bits * (3 - level);
		u64 index = iova >> shift, entry, phys;

		if (level != first)
			index &= (1U << bits) - 1;
		entry = shim_hardware_read(base + 8 * index,
					   cfg->coherent_walk);
		if (!(entry & 1))
			return (struct translation){ .entry = entry };
		phys = lpae_address(granule, entry);
		if (level == 3 ? mali == !(entry & 2) : !(entry & 2)) {
			u64 mask = (1ULL << shift) - 1;
			struct translation seen = {
				true, (phys & ~mask) | (iova & mask), mask + 1,
				entry, .slot = base + 8 * index,
			};

			see_group(cfg, level, base + 8 * index, index, &seen);
			return seen;
		}
		if (level == 3)
			return (struct translation){ .entry = entry };
		base = phys;
	}
}

#ifdef CONFIG_IO_PGTABLE_VTD
/* Intel VT-d specification: second stage, or first stage. */
static inline struct translation walk_vtd(const struct io_pgtable_cfg *cfg,
					  u64 iova, bool first_stage)
{
	unsigned int level = cfg->vtd_cfg.levels;
	u64 base = cfg->vtd_cfg.root;

	for (;; level--) {
		unsigned int shift = 12 + 9 * (level - 1);
		u64 entry = shim_hardware_read(base + 8 * (iova >> shift & 511),
					       cfg->coherent_walk);

		if (!(entry & (first_stage ? 1 : 3)))
			return (struct translation){ .entry = entry };
		if (level == 1 || entry & 0x80) {
			u64 mask = (1ULL << shift) - 1;

			return (struct translation){
				true,
				(entry & 0xffffffffff000ULL & ~mask) |
				(iova & mask), mask + 1, entry,
				.slot = base + 8 * (iova >> shift & 511),
			};
		}
		base = entry & 0xffffffffff000ULL;
	}
}
#endif

#endif
