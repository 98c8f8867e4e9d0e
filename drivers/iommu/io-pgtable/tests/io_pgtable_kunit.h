/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the suite "io-pgtable" share: the formats, a walker written
 * from the specifications, and requests with what is to come of them. A test is a
 * function in the file of its job and a line in io_pgtable_cases.h.
 */
#ifndef __IO_PGTABLE_KUNIT_H
#define __IO_PGTABLE_KUNIT_H

#include <kunit/test.h>
#include <linux/io-pgtable.h>
#include <linux/sizes.h>

#include "../base.h"
#include "base_kunit.h"

enum encoding { LPAE, MALI, SECOND_STAGE, FIRST_STAGE };

struct format {
	const char *name;
	enum io_pgtable_fmt fmt;
	enum encoding encoding;
	unsigned int granule;	/* log2 */
	unsigned int ias;
	unsigned int oas;
	bool contiguous;
};

#define WINDOW_TABLES	3
#define READ_WRITE	(IOMMU_READ | IOMMU_WRITE)

/**
 * struct fixture - what a test has
 * @format: the format
 * @dev: the device that tables are for
 * @quirks: of the page table
 * @cfg: as the page table was made
 * @ops: the page table
 * @gather: takes what it detaches
 * @page: bytes of a page
 * @per_table: entries of a table
 * @block: bytes of the smallest block
 * @allocs_left: until an allocation fails, where it is not 0
 * @tables: allocated through the hooks and not freed
 * @walks: times that walk caches were to be flushed
 * @walked: bytes of the last time
 */
struct fixture {
	const struct format *format;
	struct device *dev;
	unsigned long quirks;
	struct io_pgtable_cfg cfg;
	struct io_pgtable_ops *ops;
	struct iommu_iotlb_gather gather;
	size_t page;
	size_t per_table;
	size_t block;
	unsigned int allocs_left;
	int tables;
	unsigned int walks;
	size_t walked;
};

/* What hardware makes of an address; size 0: nothing, 1: who knows. */
struct translation {
	phys_addr_t phys;
	u64 size;
	u64 entry;
};

static inline bool entry_valid(enum encoding encoding, u64 entry)
{
	return entry & (encoding == SECOND_STAGE ? 3 : 1);
}

static inline bool entry_leaf(enum encoding encoding, u64 entry, bool last)
{
	switch (encoding) {
	case LPAE:
		return last ? (entry & 3) == 3 : (entry & 3) == 1;
	case MALI:
		return (entry & 3) == 1;
	default:
		return last || entry & BIT(7);
	}
}

/* Where the root is, and how many levels there are, from the registers. */
static inline u64 root_of(struct fixture *f, unsigned int *levels)
{
	const struct format *format = f->format;
	unsigned int bits = format->granule - 3;

	switch (format->fmt) {
#ifdef CONFIG_IO_PGTABLE_VTD
	case VTD_SECOND_STAGE:
	case VTD_FIRST_STAGE:
		*levels = f->cfg.vtd_cfg.levels;
		return f->cfg.vtd_cfg.root;
#endif
	case ARM_MALI_LPAE:
		*levels = 4;
		return f->cfg.arm_mali_lpae_cfg.transtab & GENMASK_ULL(47, 12);
	case ARM_64_LPAE_S2:
	case ARM_32_LPAE_S2:
		/* VTCR.SL0 */
		*levels = f->cfg.arm_lpae_s2_cfg.vtcr.sl +
			  (format->granule == 12 ? 2 : 1);
		return f->cfg.arm_lpae_s2_cfg.vttbr;
	default:
		/* TCR.T0SZ */
		*levels = DIV_ROUND_UP(64 - f->cfg.arm_lpae_s1_cfg.tcr.tsz -
				       format->granule, bits);
		return f->cfg.arm_lpae_s1_cfg.ttbr;
	}
}

/*
 * What the Contiguous bit makes of the entry at @index, of @size bytes: entries
 * of the group must be the same but for addresses that go on, and for bits that
 * are left to software.
 */
static inline u64 size_of_group(struct fixture *f, const u64 *table, size_t index,
				unsigned int level, u64 size)
{
	unsigned int granule = f->format->granule;
	u64 first, entry = READ_ONCE(table[index]), soft = GENMASK_ULL(58, 55);
	size_t nr = 32, i;

	if (f->format->encoding != LPAE || !(entry & BIT_ULL(52)))
		return size;
	if (granule == 12)
		nr = 16;
	else if (granule == 14 && level == 1)
		nr = 128;
	table += index & ~(nr - 1);
	first = READ_ONCE(table[0]) & ~soft;
	if ((first & GENMASK_ULL(47, granule)) & (nr * size - 1))
		return 1;
	for (i = 0; i < nr; i++)
		if ((READ_ONCE(table[i]) & ~soft) != first + i * size)
			return 1;
	return nr * size;
}

static inline struct translation hardware(struct fixture *f, u64 iova)
{
	const struct format *format = f->format;
	unsigned int bits = format->granule - 3, level, levels;
	u64 mask = GENMASK_ULL(47, format->granule), phys;
	u64 *table;

	/* Bits 51:48 are zero in all memory of test machines. */
	phys = root_of(f, &levels);
	for (level = levels; level; level--) {
		unsigned int shift = format->granule + bits * (level - 1);
		u64 index = iova >> shift, entry;

		if (level != levels)
			index &= f->per_table - 1;
		table = phys_to_virt(phys);
		entry = READ_ONCE(table[index]);
		if (!entry_valid(format->encoding, entry))
			break;
		if (entry_leaf(format->encoding, entry, level == 1)) {
			u64 offset = BIT_ULL(shift) - 1;

			return (struct translation){
				.phys = (entry & mask & ~offset) |
					(iova & offset),
				.size = size_of_group(f, table, index, level,
						      BIT_ULL(shift)),
				.entry = entry,
			};
		}
		phys = entry & mask;
	}
	return (struct translation){};
}

static inline void expect_page(struct kunit *test, u64 iova, u64 phys, u64 size)
{
	struct fixture *f = test->priv;
	struct translation seen = hardware(f, iova);

	KUNIT_EXPECT_EQ(test, seen.size, size);
	KUNIT_EXPECT_EQ(test, seen.phys, (phys_addr_t)phys);
	KUNIT_EXPECT_EQ(test, f->ops->iova_to_phys(f->ops, iova),
			(phys_addr_t)phys);
}

static inline void expect_hole(struct kunit *test, u64 iova)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, hardware(f, iova).size, 0);
	KUNIT_EXPECT_EQ(test, f->ops->iova_to_phys(f->ops, iova), 0);
}

static inline int map(struct fixture *f, u64 iova, u64 phys, size_t size, size_t count,
		      size_t *mapped)
{
	*mapped = 0;
	return f->ops->map_pages(f->ops, iova, phys, size, count, READ_WRITE,
				 GFP_KERNEL, mapped);
}

static inline int map_runs(struct fixture *f, u64 iova, const struct iommu_run *runs,
			   unsigned int count, size_t *mapped)
{
	*mapped = 0;
	return f->ops->map_runs(f->ops, iova, runs, count, READ_WRITE,
				GFP_KERNEL, mapped);
}

static inline size_t bytes_of(const struct iommu_run *runs, unsigned int count)
{
	size_t bytes = 0;

	while (count--)
		bytes += runs[count].size;
	return bytes;
}

/*
 * The page size at @iova when @run is mapped from @begin on: the largest whose
 * page lies in the run as a whole, and is aligned in memory, too.
 */
static inline u64 best_size(struct fixture *f, u64 begin, const struct iommu_run *run,
			    u64 iova)
{
	unsigned long sizes = f->cfg.pgsize_bitmap;
	unsigned int bit;
	u64 best = 0;

	for_each_set_bit(bit, &sizes, BITS_PER_LONG) {
		u64 size = BIT_ULL(bit), page = iova & -size;

		if (page >= begin && page + size - begin <= run->size &&
		    !((begin ^ run->phys) & (size - 1)))
			best = size;
	}
	return best;
}

/* Of the runs @mapped bytes are mapped at @iova, and nothing behind that. */
static inline void expect_runs(struct kunit *test, u64 iova,
			       const struct iommu_run *runs, unsigned int count,
			       size_t mapped)
{
	struct fixture *f = test->priv;
	u64 begin = iova, end = iova + mapped;

	for (; count--; begin += runs->size, runs++) {
		while (iova < begin + runs->size && iova < end) {
			u64 phys = runs->phys + (iova - begin);
			u64 size = best_size(f, begin, runs, iova);

			expect_page(test, iova, phys, size);
			expect_page(test, iova + size - 1, phys + size - 1,
				    size);
			iova += size;
		}
	}
	KUNIT_EXPECT_EQ(test, iova, end);
}

static inline size_t unmap(struct fixture *f, u64 iova, size_t size, size_t count)
{
	return f->ops->unmap_pages(f->ops, iova, size, count, &f->gather);
}

/* Give up what was gathered, and begin anew. */
static inline void gather_anew(struct fixture *f, bool queued)
{
	iommu_put_pages_list(&f->gather.freelist);
	iommu_iotlb_gather_init(&f->gather);
	f->gather.queued = queued;
}

/* The page sizes above the least that two pages of can be mapped. */
static inline unsigned long larger_sizes(struct fixture *f)
{
	unsigned int bits = min(f->format->ias, f->format->oas) - 4;

	return f->cfg.pgsize_bitmap & ~f->page & GENMASK_ULL(bits, 0);
}

struct io_pgtable_cfg io_pgtable_wishes(struct fixture *f);
void io_pgtable_open(struct fixture *f, bool hooks);
void *io_pgtable_hook_alloc(void *cookie, size_t size, gfp_t gfp);
void io_pgtable_hook_free(void *cookie, void *pages, size_t size);

#define FORMAT_TEST(name)	void name(struct kunit *test);
#include "io_pgtable_cases.h"
#undef FORMAT_TEST

#endif /* __IO_PGTABLE_KUNIT_H */
