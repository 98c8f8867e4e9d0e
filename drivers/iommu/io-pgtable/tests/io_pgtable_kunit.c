// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the I/O page table formats.
 *
 * Every test runs once for each format that is built in, and looks at the
 * tables as hardware would: through a walker that is written from the
 * specifications alone.  Formats are parameters of one suite, and not each a
 * suite of its own, because KTAP names the parameter of every single result and
 * a format is then a line in a table.
 *
 * A test that provokes a warning announces it by a line "expected warning:"
 * with text that the warning contains; whoever reads the log counts them.  A
 * source file of page tables warns once and leaves it at messages from then
 * on, so the first of all is provoked before the tests.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/io-pgtable.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>

#include "../../iommu-pages.h"

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

static const struct format formats[] = {
#ifdef CONFIG_IOMMU_IO_PGTABLE_LPAE
	{ "lpae s1 4K 48", ARM_64_LPAE_S1, LPAE, 12, 48, 48 },
	{ "lpae s1 4K 39", ARM_64_LPAE_S1, LPAE, 12, 39, 48 },
	{ "lpae s1 16K 47", ARM_64_LPAE_S1, LPAE, 14, 47, 48 },
	{ "lpae s1 64K 48", ARM_64_LPAE_S1, LPAE, 16, 48, 48 },
	{ "lpae s2 4K 48", ARM_64_LPAE_S2, LPAE, 12, 48, 48 },
	{ "lpae s2 4K 40", ARM_64_LPAE_S2, LPAE, 12, 40, 40 },
	{ "lpae s2 16K 48", ARM_64_LPAE_S2, LPAE, 14, 48, 48 },
	{ "lpae s2 16K 40", ARM_64_LPAE_S2, LPAE, 14, 40, 40 },
	{ "lpae s2 64K 42", ARM_64_LPAE_S2, LPAE, 16, 42, 48 },
	{ "lpae32 s1", ARM_32_LPAE_S1, LPAE, 12, 32, 40 },
	{ "lpae32 s2", ARM_32_LPAE_S2, LPAE, 12, 40, 40 },
	{ "mali", ARM_MALI_LPAE, MALI, 12, 39, 40 },
	{ "lpae s1 4K 48 contiguous", ARM_64_LPAE_S1, LPAE, 12, 48, 48, true },
	{ "lpae s1 16K 47 contiguous", ARM_64_LPAE_S1, LPAE, 14, 47, 48, true },
	{ "lpae s2 64K 42 contiguous", ARM_64_LPAE_S2, LPAE, 16, 42, 48, true },
	{ "lpae s2 4K 40 contiguous", ARM_64_LPAE_S2, LPAE, 12, 40, 40, true },
	{ "lpae32 s1 contiguous", ARM_32_LPAE_S1, LPAE, 12, 32, 40, true },
#endif
#ifdef CONFIG_IO_PGTABLE_VTD
	{ "vtd ss 39", VTD_SECOND_STAGE, SECOND_STAGE, 12, 39, 46 },
	{ "vtd ss 48", VTD_SECOND_STAGE, SECOND_STAGE, 12, 48, 46 },
	{ "vtd ss 57", VTD_SECOND_STAGE, SECOND_STAGE, 12, 57, 52 },
	{ "vtd fs 47", VTD_FIRST_STAGE, FIRST_STAGE, 12, 47, 46 },
	{ "vtd fs 56", VTD_FIRST_STAGE, FIRST_STAGE, 12, 56, 52 },
#endif
};

static void format_name(const struct format *format, char *name)
{
	strscpy(name, format->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(format, formats, format_name);

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

static void flush_all(void *cookie)
{
}

static void flush_walk(unsigned long iova, size_t size, size_t granule,
		       void *cookie)
{
	struct fixture *f = cookie;

	f->walks++;
	f->walked = size;
}

static void add_page(struct iommu_iotlb_gather *gather, unsigned long iova,
		     size_t granule, void *cookie)
{
	gather->pgsize = granule;
	iommu_iotlb_gather_add_range(gather, iova, granule);
}

static const struct iommu_flush_ops flush_ops = {
	.tlb_flush_all = flush_all,
	.tlb_flush_walk = flush_walk,
	.tlb_add_page = add_page,
};

static void *hook_alloc(void *cookie, size_t size, gfp_t gfp)
{
	struct fixture *f = cookie;
	void *table;

	if (f->allocs_left && !--f->allocs_left)
		return NULL;
	table = iommu_alloc_pages(gfp, get_order(size));
	if (table)
		f->tables++;
	return table;
}

static void hook_free(void *cookie, void *pages, size_t size)
{
	struct fixture *f = cookie;

	f->tables--;
	iommu_free_pages(pages, get_order(size));
}

/* What an owner asks for. */
static struct io_pgtable_cfg wishes(struct fixture *f)
{
	struct io_pgtable_cfg cfg = {
		.quirks = f->quirks,
		.pgsize_bitmap = f->page | f->block,
		.ias = f->format->ias,
		.oas = f->format->oas,
		.coherent_walk = true,
		.tlb = &flush_ops,
		.reclaim = true,
		.contiguous = f->format->contiguous,
		.iommu_dev = f->dev,
	};

	if (f->format->granule == 12)
		cfg.pgsize_bitmap |= SZ_1G;
	return cfg;
}

static void table_open(struct fixture *f, bool hooks)
{
	f->cfg = wishes(f);
	if (hooks) {
		f->cfg.alloc = hook_alloc;
		f->cfg.free = hook_free;
	}
	f->ops = alloc_io_pgtable_ops(f->format->fmt, &f->cfg, f);
}

static int io_pgtable_test_init(struct kunit *test)
{
	const struct format *format = test->param_value;
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	f->format = format;
	f->page = 1UL << format->granule;
	f->per_table = f->page / sizeof(u64);
	f->block = f->page * f->per_table;
	iommu_iotlb_gather_init(&f->gather);
	f->dev = kunit_device_register(test, "io-pgtable");
	if (IS_ERR(f->dev))
		return PTR_ERR(f->dev);
	table_open(f, false);
	if (!f->ops)
		return -ENOMEM;
	test->priv = f;
	return 0;
}

static void io_pgtable_test_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	free_io_pgtable_ops(f->ops);
	iommu_put_pages_list(&f->gather.freelist);
}

/* What hardware makes of an address; size 0: nothing, 1: who knows. */
struct translation {
	phys_addr_t phys;
	u64 size;
	u64 entry;
};

static bool entry_valid(enum encoding encoding, u64 entry)
{
	return entry & (encoding == SECOND_STAGE ? 3 : 1);
}

static bool entry_leaf(enum encoding encoding, u64 entry, bool last)
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
static u64 root_of(struct fixture *f, unsigned int *levels)
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
static u64 size_of_group(struct fixture *f, const u64 *table, size_t index,
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

static struct translation hardware(struct fixture *f, u64 iova)
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

static void expect_page(struct kunit *test, u64 iova, u64 phys, u64 size)
{
	struct fixture *f = test->priv;
	struct translation seen = hardware(f, iova);

	KUNIT_EXPECT_EQ(test, seen.size, size);
	KUNIT_EXPECT_EQ(test, seen.phys, (phys_addr_t)phys);
	KUNIT_EXPECT_EQ(test, f->ops->iova_to_phys(f->ops, iova),
			(phys_addr_t)phys);
}

static void expect_hole(struct kunit *test, u64 iova)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, hardware(f, iova).size, 0);
	KUNIT_EXPECT_EQ(test, f->ops->iova_to_phys(f->ops, iova), 0);
}

static int map(struct fixture *f, u64 iova, u64 phys, size_t size, size_t count,
	       size_t *mapped)
{
	*mapped = 0;
	return f->ops->map_pages(f->ops, iova, phys, size, count, READ_WRITE,
				 GFP_KERNEL, mapped);
}

static int map_runs(struct fixture *f, u64 iova, const struct iommu_run *runs,
		    unsigned int count, size_t *mapped)
{
	*mapped = 0;
	return f->ops->map_runs(f->ops, iova, runs, count, READ_WRITE,
				GFP_KERNEL, mapped);
}

static size_t bytes_of(const struct iommu_run *runs, unsigned int count)
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
static u64 best_size(struct fixture *f, u64 begin, const struct iommu_run *run,
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
static void expect_runs(struct kunit *test, u64 iova,
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

static size_t unmap(struct fixture *f, u64 iova, size_t size, size_t count)
{
	return f->ops->unmap_pages(f->ops, iova, size, count, &f->gather);
}

/* Give up what was gathered, and begin anew. */
static void gather_anew(struct fixture *f, bool queued)
{
	iommu_put_pages_list(&f->gather.freelist);
	iommu_iotlb_gather_init(&f->gather);
	f->gather.queued = queued;
}

/* Whether there is a page table as @cfg says, which is left as it was made. */
static bool can_make(struct fixture *f, struct io_pgtable_cfg *cfg)
{
	struct io_pgtable_ops *ops;

	ops = alloc_io_pgtable_ops(f->format->fmt, cfg, f);
	free_io_pgtable_ops(ops);
	return ops;
}

/* Address bits that a format has at most, and whether it takes more for it. */
static unsigned int most_bits(const struct format *format, bool *clamps)
{
	*clamps = false;
	switch (format->fmt) {
	case ARM_64_LPAE_S1:
	case ARM_64_LPAE_S2:
		*clamps = true;
		return format->granule == 16 ? 52 : 48;
	case ARM_32_LPAE_S1:
		return 32;
	case ARM_32_LPAE_S2:
		return 40;
	case ARM_MALI_LPAE:
		return 48;
	default:
		return 57;
	}
}

static void limits_of_init(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct io_pgtable_cfg cfg;
	unsigned int most;
	bool clamps;

	cfg = wishes(f);
	cfg.quirks = BIT(31);
	KUNIT_EXPECT_FALSE(test, can_make(f, &cfg));
	cfg = wishes(f);
	cfg.pgsize_bitmap = SZ_1M;
	KUNIT_EXPECT_FALSE(test, can_make(f, &cfg));
	cfg = wishes(f);
	cfg.ias = f->format->granule;
	KUNIT_EXPECT_FALSE(test, can_make(f, &cfg));

	/* Stage 2 has no start level for input much wider than output. */
	most = most_bits(f->format, &clamps);
	cfg = wishes(f);
	cfg.ias = most;
	cfg.oas = clamps ? most : cfg.oas;
	KUNIT_EXPECT_TRUE(test, can_make(f, &cfg));
	KUNIT_EXPECT_EQ(test, cfg.ias, most);
	cfg = wishes(f);
	cfg.ias = most + 1;
	cfg.oas = clamps ? most : cfg.oas;
	KUNIT_EXPECT_EQ(test, can_make(f, &cfg), clamps);
	if (clamps)
		KUNIT_EXPECT_EQ(test, cfg.ias, most);
	cfg = wishes(f);
	cfg.oas = 53;
	KUNIT_EXPECT_EQ(test, can_make(f, &cfg), clamps);
	if (clamps)
		KUNIT_EXPECT_EQ(test, cfg.oas, most);
}

/*
 * Arm Architecture Reference Manual for A-profile, AArch64.S2InvalidSL() and
 * AArch64.S2InconsistentSL(), without FEAT_LPA2: input address bits that a start
 * level resolves, with up to 16 tables side by side, and output address bits that
 * it takes at least.
 */
static const struct start {
	unsigned int granule, level, min, max, oas;
} starts[] = {
	{ 12, 0, 40, 52, 44 }, { 12, 1, 31, 43, 0 }, { 12, 2, 22, 34, 0 },
	{ 14, 1, 37, 51, 42 }, { 14, 2, 26, 40, 0 }, { 14, 3, 15, 29, 0 },
	{ 16, 1, 43, 59, 44 }, { 16, 2, 30, 46, 0 }, { 16, 3, 17, 33, 0 },
};

/* Bit N is set where stage 2 may begin at level N. */
static unsigned long start_levels(unsigned int granule, unsigned int ias,
				  unsigned int oas)
{
	unsigned long levels = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(starts); i++)
		if (starts[i].granule == granule && starts[i].min <= ias &&
		    ias <= starts[i].max && starts[i].oas <= oas)
			levels |= BIT(starts[i].level);
	return levels;
}

static void stage2_begins_where_the_architecture_lets_it(struct kunit *test)
{
	static const unsigned int sizes[] = { 32, 36, 40, 42, 44, 48, 52 };
	struct fixture *f = test->priv;
	unsigned int granule = f->format->granule, ias, level, i;
	struct io_pgtable_cfg cfg;
	bool clamps;

	if (f->format->fmt != ARM_64_LPAE_S2)
		kunit_skip(test, "no stage 2 of the 64-bit Arm format");
	for (ias = 25; ias <= most_bits(f->format, &clamps); ias++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			unsigned long may = start_levels(granule, ias, sizes[i]);

			cfg = wishes(f);
			cfg.ias = ias;
			cfg.oas = sizes[i];
			KUNIT_EXPECT_EQ_MSG(test, can_make(f, &cfg), !!may,
					    "ias %u oas %u", ias, sizes[i]);
			level = (granule == 12 ? 2 : 3) -
				cfg.arm_lpae_s2_cfg.vtcr.sl;
			if (may)
				KUNIT_EXPECT_TRUE_MSG(test, may & BIT(level & 3),
						      "ias %u oas %u begins at %u",
						      ias, sizes[i], level);
		}
	}
}

static void every_size_at_every_border(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long sizes = f->cfg.pgsize_bitmap;
	unsigned int bit, level, side;
	size_t mapped;

	for_each_set_bit(bit, &sizes, BITS_PER_LONG) {
		for (level = f->format->granule; level <= f->format->ias;
		     level += f->format->granule - 3) {
			for (side = 0; side < 2; side++) {
				u64 size = BIT_ULL(bit), phys = 3 * size;
				u64 iova = BIT_ULL(level) - side * size;

				iova &= -size & (BIT_ULL(f->format->ias) - 1);
				KUNIT_ASSERT_EQ(test, map(f, iova, phys, size,
							  1, &mapped), 0);
				KUNIT_EXPECT_EQ(test, mapped, size);
				expect_page(test, iova, phys, size);
				expect_page(test, iova + size - 1,
					    phys + size - 1, size);
				KUNIT_EXPECT_EQ(test, unmap(f, iova, size, 1),
						size);
				expect_hole(test, iova);
				expect_hole(test, iova + size - 1);
			}
		}
	}
}

static void runs_cross_tables(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t count = 2 * f->per_table + 11, mapped, i;
	u64 at = 7 * f->block - 5 * f->page;

	KUNIT_ASSERT_EQ(test, map(f, at, f->block, f->page, count, &mapped), 0);
	KUNIT_EXPECT_EQ(test, mapped, count * f->page);
	expect_hole(test, at - 1);
	expect_hole(test, at + mapped);
	for (i = 0; i < count; i++)
		expect_page(test, at + i * f->page, f->block + i * f->page,
			    f->page);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, count), mapped);
	for (i = 0; i < count; i++)
		expect_hole(test, at + i * f->page);
}

static void pieces_map_in_the_largest_pages_that_fit(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_run runs[] = {
		{ 71 * f->page, f->page },
		{ 9 * f->page, f->page },
		{ 30 * f->block + 3 * f->page, 7 * f->page },
		{ 50 * f->page, f->page },
		/* Begins 4 pages before a block, in memory as in IOVA. */
		{ 40 * f->block - 4 * f->page, 2 * f->block + 3 * f->page },
		{ 3 * f->page, f->page },
		/* At a block, but congruent to it modulo a page only. */
		{ 50 * f->block + f->page, 2 * f->block + 3 * f->page },
		{ 8 * f->page, f->page },
	};
	u64 at = 7 * f->block - 14 * f->page;
	size_t bytes = bytes_of(runs, ARRAY_SIZE(runs)), mapped;

	KUNIT_ASSERT_EQ(test, best_size(f, at + 10 * f->page, runs + 4,
					7 * f->block), f->block);
	KUNIT_ASSERT_EQ(test, map_runs(f, at, runs, ARRAY_SIZE(runs), &mapped),
			0);
	KUNIT_EXPECT_EQ(test, mapped, bytes);
	expect_runs(test, at, runs, ARRAY_SIZE(runs), mapped);
	expect_hole(test, at - 1);
	expect_hole(test, at + mapped);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, bytes / f->page), bytes);
	expect_hole(test, at);
	expect_hole(test, at + bytes - 1);
}

static void one_piece_takes_every_page_size(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t giant = f->block * f->per_table, mapped;
	u64 at = giant - f->block - f->page;
	struct iommu_run run = { 2 * giant - f->block - f->page,
				 giant + 2 * (f->block + f->page) };

	if (!(f->cfg.pgsize_bitmap & giant))
		kunit_skip(test, "there are two page sizes");
	KUNIT_ASSERT_EQ(test, map_runs(f, at, &run, 1, &mapped), 0);
	KUNIT_EXPECT_EQ(test, mapped, run.size);
	KUNIT_EXPECT_EQ(test, hardware(f, giant).size, giant);
	expect_runs(test, at, &run, 1, mapped);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, mapped / f->page), mapped);
	expect_hole(test, giant);
}

static void pieces_stop_at_what_is_mapped(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_run runs[] = {
		{ 71 * f->page, f->page },
		{ 30 * f->block, 9 * f->page },
		{ 40 * f->block - 4 * f->page, 2 * f->block + 4 * f->page },
		{ 8 * f->page, 2 * f->page },
	};
	u64 at = 7 * f->block - 14 * f->page;
	size_t bytes = bytes_of(runs, ARRAY_SIZE(runs)), mapped;
	const struct {
		u64 there;
		u64 want;
	} rows[] = {
		{ 0, 0 },
		{ 5 * f->page, 5 * f->page },
		/* In the second block, none of which is mapped then. */
		{ 14 * f->page + f->block + f->page, 14 * f->page + f->block },
		{ bytes - 2 * f->page, bytes - 2 * f->page },
		{ bytes - f->page, bytes - f->page },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 there = at + rows[i].there;

		KUNIT_ASSERT_EQ(test, map(f, there, 3 * f->page, f->page, 1,
					  &mapped), 0);
		KUNIT_EXPECT_EQ(test, map_runs(f, at, runs, ARRAY_SIZE(runs),
					       &mapped), -EEXIST);
		KUNIT_EXPECT_EQ(test, mapped, rows[i].want);
		expect_runs(test, at, runs, ARRAY_SIZE(runs), mapped);
		expect_page(test, there, 3 * f->page, f->page);
		if (there != at + mapped)
			expect_hole(test, at + mapped);
		expect_hole(test, there + f->page);
		expect_hole(test, at + bytes);
		if (mapped)
			KUNIT_EXPECT_EQ(test, unmap(f, at, f->page,
						    mapped / f->page), mapped);
		KUNIT_EXPECT_EQ(test, unmap(f, there, f->page, 1), f->page);
	}
}

/* Each instance of map_runs() warns once of a kind; is this one new? */
static bool not_seen(const void *fn)
{
	static const void *seen[16];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		if (seen[i] == fn)
			return false;
		if (!seen[i]) {
			seen[i] = fn;
			return true;
		}
	}
	return true;
}

static void pieces_that_cannot_be_are_refused(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 at = 7 * f->block, end = BIT_ULL(f->format->ias);
	struct iommu_run runs[] = {
		{ 71 * f->page, f->page },
		{ 9 * f->page, f->page },
	};
	size_t mapped;

	if (not_seen(f->ops->map_runs)) {
		/* Misaligned, and out of range. */
		pr_info("expected warning: io-pgtable/leaves.h\n");
		pr_info("expected warning: io-pgtable/leaves.h\n");
	}
	runs[1].size = f->page / 2;
	KUNIT_EXPECT_EQ(test, map_runs(f, at, runs, 2, &mapped), -EINVAL);
	KUNIT_EXPECT_EQ(test, mapped, 0);
	runs[1].size = f->page;
	runs[1].phys += 8;
	KUNIT_EXPECT_EQ(test, map_runs(f, at, runs, 2, &mapped), -EINVAL);
	KUNIT_EXPECT_EQ(test, mapped, 0);
	runs[1].phys -= 8;
	KUNIT_EXPECT_EQ(test, map_runs(f, end - f->page, runs, 2, &mapped),
			-ERANGE);
	KUNIT_EXPECT_EQ(test, mapped, 0);
	runs[1].phys = BIT_ULL(f->cfg.oas);
	KUNIT_EXPECT_EQ(test, map_runs(f, at, runs, 2, &mapped), -ERANGE);
	KUNIT_EXPECT_EQ(test, mapped, 0);
	expect_hole(test, at);
	expect_hole(test, end - f->page);
	KUNIT_EXPECT_EQ(test, f->ops->map_runs(f->ops, at, runs, 1, 0,
					       GFP_KERNEL, &mapped), -EINVAL);
	expect_hole(test, at);
}

static void the_gather_covers_what_was_unmapped(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_run run = { 9 * f->block - 3 * f->page,
				 f->block + 8 * f->page };
	u64 at = 7 * f->block - 3 * f->page;
	size_t mapped;

	KUNIT_ASSERT_EQ(test, map_runs(f, at, &run, 1, &mapped), 0);
	gather_anew(f, false);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, run.size / f->page),
			run.size);
	KUNIT_EXPECT_EQ(test, f->gather.start, at);
	KUNIT_EXPECT_EQ(test, f->gather.end, at + run.size - 1);

	/* Up to a hole. */
	KUNIT_ASSERT_EQ(test, map(f, at, 0, f->page, 5, &mapped), 0);
	gather_anew(f, false);
	KUNIT_EXPECT_EQ(test, unmap(f, at + f->page, f->page, 6), 4 * f->page);
	KUNIT_EXPECT_EQ(test, f->gather.start, at + f->page);
	KUNIT_EXPECT_EQ(test, f->gather.end, at + 5 * f->page - 1);

	/* A page alone. */
	gather_anew(f, false);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, 1), f->page);
	KUNIT_EXPECT_EQ(test, f->gather.start, at);
	KUNIT_EXPECT_EQ(test, f->gather.end, at + f->page - 1);
}

static void what_cannot_be_unmapped_stays(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 at = 4 * f->block;
	size_t mapped;

	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, 1), 0);
	KUNIT_ASSERT_EQ(test, map(f, at, 0, f->page, 3, &mapped), 0);
	KUNIT_ASSERT_EQ(test, map(f, at + 4 * f->page, 0, f->page, 1, &mapped),
			0);
	KUNIT_EXPECT_EQ(test, unmap(f, at + f->page, f->page, 4), 2 * f->page);
	expect_page(test, at, 0, f->page);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->block, 1), f->page);
	expect_page(test, at + 4 * f->page, 0, f->page);

	at += f->block;
	KUNIT_ASSERT_EQ(test, map(f, at, 0, f->block, 2, &mapped), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, 1), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, at + f->page, f->page, 9), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, f->per_table + 1), f->block);
	expect_hole(test, at);
	expect_page(test, at + f->block, f->block, f->block);
}

/* The size of the pages that a page of @size falls to: entries, or a table. */
static size_t next_smaller(struct fixture *f, size_t size)
{
	unsigned int bits = f->format->granule - 3;
	unsigned int above = ilog2(size) - f->format->granule;

	return above % bits ? size >> above % bits : size >> bits;
}

static bool is_group(struct fixture *f, size_t size)
{
	return (ilog2(size) - f->format->granule) % (f->format->granule - 3);
}

/* The page sizes above the least that two pages of can be mapped. */
static unsigned long larger_sizes(struct fixture *f)
{
	unsigned int bits = min(f->format->ias, f->format->oas) - 4;

	return f->cfg.pgsize_bitmap & ~f->page & GENMASK_ULL(bits, 0);
}

static void a_part_of_a_larger_page_stays(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long sizes = larger_sizes(f);
	unsigned int bit, i;
	size_t mapped;

	for_each_set_bit(bit, &sizes, BITS_PER_LONG) {
		u64 size = BIT_ULL(bit), at = 2 * size;
		size_t pages = size / f->page;

		gather_anew(f, false);
		KUNIT_ASSERT_EQ(test, map(f, at, 4 * size, size, 2, &mapped), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, 1), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, at + f->page, f->page, 1), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, at + f->page, f->page, pages - 1),
				0);
		KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, pages - 1), 0);
		KUNIT_EXPECT_GT(test, f->gather.start, f->gather.end);
		for (i = 0; i < 8; i++)
			expect_page(test, at + i * size / 4,
				    4 * size + i * size / 4, size);
		KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, pages + 1), size);
		KUNIT_EXPECT_EQ(test, f->gather.start, at);
		KUNIT_EXPECT_EQ(test, f->gather.end, at + size - 1);
		expect_hole(test, at + size - f->page);
		expect_page(test, at + size, 5 * size, size);
		KUNIT_EXPECT_EQ(test, unmap(f, at + size, size, 1), size);
	}
}

static void without_a_gather_a_larger_page_is_split(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long sizes = larger_sizes(f);
	struct io_pgtable_ops *ops = f->ops;
	unsigned int bit;
	size_t mapped;

	for_each_set_bit(bit, &sizes, BITS_PER_LONG) {
		u64 size = BIT_ULL(bit), at = 2 * size;
		size_t part = next_smaller(f, size);

		KUNIT_ASSERT_EQ(test, map(f, at, 4 * size, size, 2, &mapped), 0);
		f->walks = 0;
		KUNIT_EXPECT_EQ(test, ops->unmap_pages(ops, at + part, part, 2,
						       NULL), 2 * part);
		KUNIT_EXPECT_EQ(test, f->walks, 1);
		KUNIT_EXPECT_EQ(test, f->walked, size);
		expect_page(test, at, 4 * size, part);
		expect_hole(test, at + part);
		expect_hole(test, at + 3 * part - 1);
		expect_page(test, at + 3 * part, 4 * size + 3 * part, part);
		expect_page(test, at + size - 1, 5 * size - 1, part);
		expect_page(test, at + size, 5 * size, size);
		KUNIT_EXPECT_EQ(test, unmap(f, at, part, 1), part);
		KUNIT_EXPECT_EQ(test, unmap(f, at + 3 * part, part,
					    (2 * size - 3 * part) / part),
				2 * size - 3 * part);
		expect_hole(test, at + 2 * size - 1);
	}
}

static void groups_are_mapped_whole(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long sizes = larger_sizes(f);
	unsigned int bit, i, tried = 0;
	size_t mapped;

	if (!f->format->contiguous)
		kunit_skip(test, "the format has no groups");
	for_each_set_bit(bit, &sizes, BITS_PER_LONG) {
		u64 size = BIT_ULL(bit), part = next_smaller(f, size);
		u64 at = 2 * part * f->per_table - 3 * size, there;

		/* Across the edge of a table, one more than fits before it. */
		if (!is_group(f, size) || at >> (f->format->ias - 1))
			continue;
		tried++;
		KUNIT_ASSERT_EQ(test, map(f, at, 8 * size, size, 6, &mapped), 0);
		for (i = 0; i < 6; i++) {
			expect_page(test, at + i * size, (8 + i) * size, size);
			expect_page(test, at + (i + 1) * size - 1,
				    (9 + i) * size - 1, size);
		}
		expect_hole(test, at - 1);
		expect_hole(test, at + 6 * size);
		/* Each entry is told: hardware may have kept them one by one. */
		gather_anew(f, false);
		KUNIT_EXPECT_EQ(test, unmap(f, at, size, 6), 6 * size);
		KUNIT_EXPECT_EQ(test, f->gather.pgsize, part);
		KUNIT_EXPECT_EQ(test, f->gather.start, at);
		KUNIT_EXPECT_EQ(test, f->gather.end, at + 6 * size - 1);
		gather_anew(f, true);
		/* Something in the second: none of that one is written. */
		for (i = 0; i < size / part; i += size / part / 2 - 1) {
			there = at + size + i * part;
			KUNIT_ASSERT_EQ(test, map(f, there, part, part, 1,
						  &mapped), 0);
			KUNIT_EXPECT_EQ(test, map(f, at, 8 * size, size, 3,
						  &mapped), -EEXIST);
			KUNIT_EXPECT_EQ(test, mapped, size);
			expect_page(test, at + size - 1, 9 * size - 1, size);
			expect_page(test, there, part, part);
			expect_hole(test, at + size + (i ? 0 : part));
			expect_hole(test, at + 2 * size);
			KUNIT_EXPECT_EQ(test, unmap(f, at, size, 1), size);
			KUNIT_EXPECT_EQ(test, unmap(f, there, part, 1), part);
		}
		/* The same memory in smaller pages is none. */
		KUNIT_ASSERT_EQ(test, map(f, at, 8 * size, part, 2 * size / part,
					  &mapped), 0);
		expect_page(test, at, 8 * size, part);
		KUNIT_EXPECT_EQ(test, unmap(f, at, part, 2 * size / part),
				2 * size);
	}
	KUNIT_EXPECT_GT(test, tried, 0);
}

static void what_is_mapped_is_not_replaced(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 at = 4 * f->block;
	size_t mapped;

	KUNIT_ASSERT_EQ(test, map(f, at + 5 * f->page, 0, f->page, 1, &mapped),
			0);
	KUNIT_EXPECT_EQ(test, map(f, at, f->block, f->page, 8, &mapped),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, mapped, 5 * f->page);
	expect_page(test, at + 5 * f->page, 0, f->page);
	expect_hole(test, at + 6 * f->page);
	KUNIT_EXPECT_EQ(test, map(f, at, 0, f->block, 1, &mapped), -EEXIST);

	KUNIT_ASSERT_EQ(test, map(f, at + f->block, 0, f->block, 1, &mapped), 0);
	KUNIT_EXPECT_EQ(test, map(f, at + f->block, 0, f->page, 1, &mapped),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, map(f, at + f->block, 0, f->block, 1, &mapped),
			-EEXIST);

	/* An empty table gives way to a block, behind a flush. */
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, 6), 6 * f->page);
	f->walks = 0;
	KUNIT_EXPECT_EQ(test, map(f, at, 0, f->block, 1, &mapped), 0);
	KUNIT_EXPECT_EQ(test, f->walks, 1);
	expect_page(test, at + f->page, f->page, f->block);
}

/* How many empty tables an unmap leaves, and the worker. */
#define RESERVE		24

static void covered_tables_wait_for_the_flush(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t tables = RESERVE + 2, mapped, listed = 0;
	u64 at = 4 * f->block;
	struct list_head *pos;

	if (f->page > PAGE_SIZE)
		kunit_skip(test, "tables larger than pages are flushed at once");
	f->gather.queued = true;
	KUNIT_ASSERT_EQ(test, map(f, at, 0, f->page, tables * f->per_table,
				  &mapped), 0);
	f->walks = 0;
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->block, tables),
			tables * f->block);
	list_for_each(pos, &f->gather.freelist)
		listed++;
	KUNIT_EXPECT_EQ(test, listed, 2);
	KUNIT_EXPECT_EQ(test, f->walks, 0);
	expect_hole(test, at);
}

/* Tables below one of @entries at @level, as many as hardware can reach. */
static size_t tables_below(struct fixture *f, u64 phys, unsigned int level,
			   size_t entries)
{
	u64 mask = GENMASK_ULL(47, f->format->granule);
	u64 *table = phys_to_virt(phys);
	size_t i, found = 0;

	for (i = 0; level > 1 && i < entries; i++) {
		u64 entry = READ_ONCE(table[i]);

		if (entry_valid(f->format->encoding, entry) &&
		    !entry_leaf(f->format->encoding, entry, false))
			found += 1 + tables_below(f, entry & mask, level - 1,
						  f->per_table);
	}
	return found;
}

static size_t tables_of(struct fixture *f)
{
	unsigned int levels, shift;
	u64 root = root_of(f, &levels);
	size_t found;

	shift = f->format->granule + (f->format->granule - 3) * (levels - 1);
	/* The worker may be giving some back. */
	rcu_read_lock();
	found = tables_below(f, root, levels, f->format->ias > shift ?
			     BIT_ULL(f->format->ias - shift) : 1);
	rcu_read_unlock();
	return found;
}

static void cycles_all_over_leave_few_tables(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t tables = min_t(u64, 4096, BIT_ULL(f->format->ias) / f->block);
	size_t mapped, i, before;
	unsigned int waited;

	KUNIT_ASSERT_EQ(test, map(f, 0, 0, f->page, 1, &mapped), 0);
	before = tables_of(f);
	KUNIT_EXPECT_GE(test, before, 1);
	for (i = 1; i < tables; i++) {
		u64 at = i * f->block;

		KUNIT_ASSERT_EQ(test, map(f, at, 0, f->page, 1, &mapped), 0);
		KUNIT_ASSERT_EQ(test, unmap(f, at, f->page, 1), f->page);
	}
	/* After a run that took long the worker rests for a hundred times that. */
	for (waited = 0; waited < 60 && tables_of(f) > before + 64; waited++)
		msleep(MSEC_PER_SEC);
	KUNIT_EXPECT_LE(test, tables_of(f), before + 64);
	expect_page(test, 0, 0, f->page);
}

static void steady_cycles_keep_their_tables(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 at = 4 * f->block + f->block / 2;
	size_t mapped, round, before = 0;

	for (round = 0; round < 8; round++) {
		KUNIT_ASSERT_EQ(test, map(f, at, 0, f->page, 2 * f->per_table,
					  &mapped), 0);
		if (!round)
			before = tables_of(f);
		f->gather.queued = true;
		KUNIT_ASSERT_EQ(test, unmap(f, at, f->page, 2 * f->per_table),
				2 * f->block);
		KUNIT_EXPECT_TRUE(test, list_empty(&f->gather.freelist));
		KUNIT_EXPECT_EQ(test, tables_of(f), before);
	}
}

/*
 * A page table whose tables come from the hooks, but perhaps for the root: VT-d
 * takes them only once it is made. Returns whether it could be made.
 */
static bool open_with_hooks(struct fixture *f)
{
	bool hooks = f->format->encoding == LPAE || f->format->encoding == MALI;
	struct io_pgtable_cfg *cfg;

	f->tables = !hooks;
	table_open(f, hooks);
	if (f->ops && !hooks) {
		cfg = &io_pgtable_ops_to_pgtable(f->ops)->cfg;
		cfg->alloc = hook_alloc;
		cfg->free = hook_free;
	}
	return f->ops;
}

static void each_failing_allocation_is_undone(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t count = f->per_table + 11, mapped;
	u64 at = 7 * f->block - 5 * f->page;
	struct iommu_run runs[] = {
		{ 9 * f->block + f->page, 3 * f->page },
		{ 3 * f->block, 2 * f->page },
		{ 5 * f->block, f->block },
		{ 7 * f->block + f->page, 2 * f->block - f->page },
	};
	size_t bytes = bytes_of(runs, ARRAY_SIZE(runs));
	unsigned int nth, several;
	int ret;

	for (several = 0; several < 2; several++) {
		for (nth = 1, ret = -ENOMEM; ret && nth < 20; nth++) {
			free_io_pgtable_ops(f->ops);
			f->allocs_left = nth;
			if (!open_with_hooks(f))
				continue;
			if (several) {
				ret = map_runs(f, at, runs, ARRAY_SIZE(runs),
					       &mapped);
				expect_runs(test, at, runs, ARRAY_SIZE(runs),
					    mapped);
			} else {
				ret = map(f, at, 0, f->page, count, &mapped);
			}
			KUNIT_EXPECT_TRUE(test, !ret || ret == -ENOMEM);
			KUNIT_EXPECT_EQ(test, !ret, mapped ==
					(several ? bytes : count * f->page));
			expect_hole(test, at + mapped);
			if (mapped)
				KUNIT_EXPECT_EQ(test, unmap(f, at, f->page,
							    mapped / f->page),
						mapped);
			expect_hole(test, at);
			free_io_pgtable_ops(f->ops);
			f->ops = NULL;
			KUNIT_EXPECT_EQ(test, f->tables, 0);
		}
		KUNIT_EXPECT_EQ(test, ret, 0);
		KUNIT_EXPECT_GT(test, nth, 3);
	}
}

/**
 * struct cell - a page of the window of the random test
 * @phys: what it maps
 * @mapped: whether it does
 * @pages: that the page has which it is a part of
 */
struct cell {
	u64 phys;
	bool mapped;
	u16 pages;
};

/* How much comes off: up to a hole, or a larger page that sticks out. */
static size_t predict_unmap(struct fixture *f, struct cell *cells, size_t first,
			    size_t end)
{
	size_t i = first;

	while (i < end && cells[i].mapped) {
		size_t step = cells[i].pages;

		if (i % step || i + step > end)
			break;
		i += step;
	}
	return i - first;
}

/* Map @run in the model from @first on, up to what is mapped there. */
static size_t model_map(struct fixture *f, struct cell *cells, size_t first,
			const struct iommu_run *run, size_t fixed)
{
	size_t total = run->size / f->page, done = 0;
	u64 base = (2 * f->per_table + first) * f->page;

	while (done < total) {
		u64 size = fixed ?: best_size(f, base, run,
					      base + done * f->page);
		size_t count = size / f->page, i;

		for (i = 0; i < count; i++)
			if (cells[first + done + i].mapped)
				return done;
		for (i = 0; i < count; i++, done++)
			cells[first + done] = (struct cell){
				run->phys + done * f->page, true, count
			};
	}
	return done;
}

#define MOST_RUNS	8

/* Pieces of up to @most pages together; returns how many. */
static unsigned int random_runs(struct fixture *f, struct rnd_state *rnd,
				struct iommu_run *runs, size_t first,
				size_t most)
{
	unsigned int wanted = 1 + prandom_u32_state(rnd) % MOST_RUNS, i;

	for (i = 0; i < wanted && most; i++) {
		size_t pages = 1 + prandom_u32_state(rnd) % 12;
		u64 phys = prandom_u32_state(rnd) % 64 * f->block;

		if (prandom_u32_state(rnd) % 8 == 0)
			pages = 1 + prandom_u32_state(rnd) % (2 * f->per_table);
		/* As in IOVA, for blocks, or not. */
		if (prandom_u32_state(rnd) % 2)
			phys += first % f->per_table * f->page;
		else
			phys += prandom_u32_state(rnd) % f->per_table * f->page;
		pages = min(pages, most);
		runs[i] = (struct iommu_run){ phys, pages * f->page };
		first += pages;
		most -= pages;
	}
	return i;
}

/* About a second for each format in an emulator. */
#define STEPS		(IS_ENABLED(CONFIG_KASAN) ? 100000 : 400000)

static void random_requests_against_a_model(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t nr = WINDOW_TABLES * f->per_table, i;
	struct iommu_run runs[MOST_RUNS];
	unsigned long groups = f->cfg.pgsize_bitmap & (f->block - 1) & ~f->page;
	size_t group = groups ? groups / f->page : 1;
	u64 base = 2 * f->block;
	struct rnd_state rnd;
	struct cell *cells;
	unsigned int step;

	cells = kvcalloc(nr, sizeof(*cells), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cells);
	prandom_seed_state(&rnd, 20240607);
	for (step = 0; step < STEPS; step++) {
		unsigned int kind = prandom_u32_state(&rnd) % 8;
		size_t unit = kind < 2 ? f->per_table : kind == 2 ? group : 1;
		size_t size = unit * f->page, got, first, count, want;
		bool several;
		u64 at;

		first = prandom_u32_state(&rnd) % (nr / unit) * unit;
		count = min(1 + prandom_u32_state(&rnd) % 40,
			    (nr - first) / unit);
		at = base + first * f->page;
		if (prandom_u32_state(&rnd) % 2) {
			unsigned int n = 1;
			size_t some = 0;
			int ret;

			several = prandom_u32_state(&rnd) % 2;
			if (several) {
				n = random_runs(f, &rnd, runs, first,
						nr - first);
				ret = map_runs(f, at, runs, n, &got);
			} else {
				runs[0].phys = prandom_u32_state(&rnd) % 64 *
					       f->block;
				runs[0].size = count * size;
				ret = map(f, at, runs[0].phys, size, count,
					  &got);
			}
			for (i = 0, want = 0; i < n; i++) {
				some = model_map(f, cells, first + want,
						 runs + i, several ? 0 : size);
				want += some;
				if (some < runs[i].size / f->page)
					break;
			}
			if (ret != (i < n ? -EEXIST : 0))
				break;
		} else {
			want = predict_unmap(f, cells, first,
					     first + count * unit);
			gather_anew(f, prandom_u32_state(&rnd) % 2);
			got = unmap(f, at, size, count);
			memset(cells + first, 0, want * sizeof(*cells));
			if (got && !f->gather.queued &&
			    (f->gather.start != at ||
			     f->gather.end != at + got - 1))
				break;
		}
		if (got != want * f->page)
			break;
		i = prandom_u32_state(&rnd) % nr;
		if (f->ops->iova_to_phys(f->ops, base + i * f->page) !=
		    cells[i].phys || hardware(f, base + i * f->page).phys !=
		    cells[i].phys)
			break;
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, step, STEPS);
	kvfree(cells);
}

/**
 * struct neighbour - one of several that share tables
 * @f: whose page table it is
 * @id: which of them it is
 * @wrong: times that something was not as it must be
 */
struct neighbour {
	struct fixture *f;
	unsigned int id;
	unsigned int wrong;
};

#define NEIGHBOURS	4

/* Maps and unmaps pages of its own, all around those of the others. */
static int neighbour_run(void *arg)
{
	struct neighbour *me = arg;
	struct fixture *f = me->f;
	struct iommu_iotlb_gather gather;
	unsigned int round, i;
	size_t mapped;

	for (round = 0; round < 200; round++) {
		for (i = 0; i < 128; i++) {
			u64 iova = (i * NEIGHBOURS + me->id) * 2 * f->page;

			struct iommu_run runs[] = {
				{ iova + f->block, f->page },
				{ iova + f->block + f->page, f->page },
			};
			int ret;

			if (round % 2)
				ret = map_runs(f, iova, runs, 2, &mapped);
			else
				ret = map(f, iova, iova + f->block, f->page, 2,
					  &mapped);
			if (ret || mapped != 2 * f->page)
				me->wrong++;
		}
		for (i = 0; i < 128; i++) {
			u64 iova = (i * NEIGHBOURS + me->id) * 2 * f->page;

			if (f->ops->iova_to_phys(f->ops, iova) !=
			    iova + f->block)
				me->wrong++;
			iommu_iotlb_gather_init(&gather);
			gather.queued = true;
			if (f->ops->unmap_pages(f->ops, iova, f->page, 2,
						&gather) != 2 * f->page)
				me->wrong++;
		}
		cond_resched();
	}
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void neighbours_do_not_meet(struct kunit *test)
{
	struct neighbour neighbours[NEIGHBOURS];
	struct task_struct *tasks[NEIGHBOURS];
	unsigned int i;

	for (i = 0; i < NEIGHBOURS; i++) {
		neighbours[i] = (struct neighbour){ test->priv, i };
		tasks[i] = kthread_create(neighbour_run, &neighbours[i],
					  "io-pgtable/%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(tasks[i]));
		kthread_bind(tasks[i],
			     cpumask_local_spread(i, NUMA_NO_NODE));
	}
	for (i = 0; i < NEIGHBOURS; i++)
		wake_up_process(tasks[i]);
	for (i = 0; i < NEIGHBOURS; i++) {
		kthread_stop(tasks[i]);
		KUNIT_EXPECT_EQ(test, neighbours[i].wrong, 0);
	}
}

/* Attributes as the specifications have them, in an entry for address 0. */
static void attributes_are_those_of_the_specification(struct kunit *test)
{
	static const struct {
		enum encoding encoding;
		bool stage2;
		int prot;
		u64 entry;
	} rows[] = {
		/* AttrIndx 4:2, AP[2:1] 7:6, SH 9:8, AF 10, nG 11, XN 54:53 */
		{ LPAE, false, IOMMU_READ, 0xec3 },
		{ LPAE, false, READ_WRITE, 0xe43 },
		{ LPAE, false, READ_WRITE | IOMMU_CACHE, 0xf47 },
		{ LPAE, false, READ_WRITE | IOMMU_MMIO, 0xe4b },
		{ LPAE, false, READ_WRITE | IOMMU_PRIV, 0xe03 },
		{ LPAE, false, READ_WRITE | IOMMU_NOEXEC, 0x60000000000e43 },
		/* MemAttr 5:2, S2AP 7:6, SH 9:8, AF 10 */
		{ LPAE, true, IOMMU_READ, 0x657 },
		{ LPAE, true, IOMMU_WRITE, 0x697 },
		{ LPAE, true, READ_WRITE, 0x6d7 },
		{ LPAE, true, READ_WRITE | IOMMU_CACHE, 0x7ff },
		{ LPAE, true, READ_WRITE | IOMMU_MMIO, 0x6c7 },
		{ MALI, true, READ_WRITE | IOMMU_CACHE, 0x2c5 },
		/* R 0, W 1 */
		{ SECOND_STAGE, true, IOMMU_READ, 0x1 },
		{ SECOND_STAGE, true, IOMMU_WRITE, 0x3 },
		{ SECOND_STAGE, true, READ_WRITE, 0x3 },
		/* P 0, R/W 1, U/S 2, A 5, D 6 */
		{ FIRST_STAGE, false, IOMMU_READ, 0x25 },
		{ FIRST_STAGE, false, IOMMU_WRITE, 0x67 },
		{ FIRST_STAGE, false, READ_WRITE, 0x67 },
	};
	struct fixture *f = test->priv;
	enum io_pgtable_fmt fmt = f->format->fmt;
	bool stage2 = fmt != ARM_64_LPAE_S1 && fmt != ARM_32_LPAE_S1 &&
		      f->format->encoding != FIRST_STAGE;
	unsigned int i, tried = 0;
	size_t larger;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 block = rows[i].entry;
		size_t mapped = 0;

		if (rows[i].encoding != f->format->encoding ||
		    rows[i].stage2 != stage2)
			continue;
		tried++;
		KUNIT_ASSERT_EQ(test, f->ops->map_pages(f->ops, 0, 0, f->page, 1,
							rows[i].prot, GFP_KERNEL,
							&mapped), 0);
		KUNIT_EXPECT_EQ(test, hardware(f, 0).entry, rows[i].entry);
		KUNIT_EXPECT_EQ(test, unmap(f, 0, f->page, 1), f->page);

		/* A block is without bit 1, or with PS. */
		if (f->format->encoding == LPAE)
			block &= ~BIT_ULL(1);
		else if (f->format->encoding != MALI)
			block |= BIT_ULL(7);
		KUNIT_ASSERT_EQ(test, f->ops->map_pages(f->ops, f->block,
							5 * f->block, f->block,
							1, rows[i].prot,
							GFP_KERNEL, &mapped), 0);
		KUNIT_EXPECT_EQ(test, hardware(f, f->block).entry,
				block | 5 * f->block);
		KUNIT_EXPECT_EQ(test, unmap(f, f->block, f->block, 1),
				f->block);
		if (!f->format->contiguous)
			continue;
		/* Contiguous 52 */
		larger = BIT(__ffs(larger_sizes(f)));
		KUNIT_ASSERT_EQ(test, f->ops->map_pages(f->ops, 0, 0, larger, 1,
							rows[i].prot, GFP_KERNEL,
							&mapped), 0);
		KUNIT_EXPECT_EQ(test, hardware(f, 0).entry,
				rows[i].entry | BIT_ULL(52));
		KUNIT_EXPECT_EQ(test, hardware(f, 0).size, larger);
		KUNIT_EXPECT_EQ(test, unmap(f, 0, larger, 1), larger);
	}
	KUNIT_EXPECT_GT(test, tried, 0);
}

static u64 *last_entry(struct fixture *f, u64 iova)
{
	unsigned int level, levels, bits = f->format->granule - 3;
	u64 mask = GENMASK_ULL(47, f->format->granule);
	u64 *table = phys_to_virt(root_of(f, &levels));

	for (level = levels; level > 1; level--) {
		unsigned int shift = f->format->granule + bits * (level - 1);
		u64 index = iova >> shift;

		if (level != levels)
			index &= f->per_table - 1;
		table = phys_to_virt(table[index] & mask);
	}
	return table + (iova >> f->format->granule & (f->per_table - 1));
}

static int read_dirty(struct fixture *f, unsigned long flags,
		      struct iommu_iotlb_gather *seen)
{
	struct iommu_dirty_bitmap dirty = { .gather = seen };

	iommu_iotlb_gather_init(seen);
	return f->ops->read_and_clear_dirty(f->ops, 0, 16 * f->page, flags,
					    &dirty);
}

static void dirty_pages_are_reported_once(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_iotlb_gather seen;
	size_t mapped;
	u64 *entry;

	if (f->format->encoding != SECOND_STAGE &&
	    f->format->fmt != ARM_64_LPAE_S1)
		kunit_skip(test, "the format has no dirty bits");
	if (f->format->encoding == LPAE) {
		free_io_pgtable_ops(f->ops);
		f->quirks = IO_PGTABLE_QUIRK_ARM_HD;
		table_open(f, false);
		KUNIT_ASSERT_NOT_NULL(test, f->ops);
	}
	KUNIT_ASSERT_EQ(test, map(f, 0, 0, f->page, 16, &mapped), 0);
	entry = last_entry(f, 5 * f->page);
	if (f->format->encoding == LPAE) {
		/* Writable with DBM: dirty until AP[2] is set. */
		KUNIT_EXPECT_EQ(test, *entry >> 51 & 1, 1);
		KUNIT_EXPECT_EQ(test, read_dirty(f, 0, &seen), 0);
		KUNIT_EXPECT_EQ(test, seen.start, 0);
		KUNIT_EXPECT_EQ(test, seen.end, 16 * f->page - 1);
		KUNIT_EXPECT_EQ(test, read_dirty(f, 0, &seen), 0);
		KUNIT_EXPECT_EQ(test, seen.end, 0);
		/* AP[2], as hardware clears it */
		*entry &= ~BIT_ULL(7);
	} else {
		/* D, as hardware sets it */
		*entry |= BIT_ULL(9);
	}
	KUNIT_EXPECT_EQ(test, read_dirty(f, IOMMU_DIRTY_NO_CLEAR, &seen), 0);
	KUNIT_EXPECT_EQ(test, seen.start, 5 * f->page);
	KUNIT_EXPECT_EQ(test, seen.end, 6 * f->page - 1);
	KUNIT_EXPECT_EQ(test, read_dirty(f, 0, &seen), 0);
	KUNIT_EXPECT_EQ(test, seen.start, 5 * f->page);
	KUNIT_EXPECT_EQ(test, read_dirty(f, 0, &seen), 0);
	KUNIT_EXPECT_EQ(test, seen.end, 0);
	expect_page(test, 5 * f->page, 5 * f->page, f->page);
}

/* One hole for each source file. */
static int io_pgtable_suite_init(struct kunit_suite *suite)
{
	bool warned[FIRST_STAGE + 1] = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		enum encoding encoding = formats[i].encoding;
		struct io_pgtable_cfg cfg = {
			.pgsize_bitmap = BIT(formats[i].granule),
			.ias = formats[i].ias,
			.oas = formats[i].oas,
			.coherent_walk = true,
			.alloc = encoding < SECOND_STAGE ? hook_alloc : NULL,
			.free = encoding < SECOND_STAGE ? hook_free : NULL,
		};
		struct io_pgtable_ops *ops;
		struct fixture f = {};

		/* Mali shares its file with the other Arm formats. */
		if (encoding == MALI || warned[encoding])
			continue;
		ops = alloc_io_pgtable_ops(formats[i].fmt, &cfg, &f);
		if (!ops)
			return -ENOMEM;
		pr_info("expected warning: unmap finds no mapping\n");
		ops->unmap_pages(ops, 0, BIT(formats[i].granule), 1, NULL);
		free_io_pgtable_ops(ops);
		warned[encoding] = true;
	}
	return 0;
}

/* What leaves say of their mapping, where entries are left to software. */
enum { OWNED = 1, BEFORE = 2, AFTER = 4 };

static unsigned int bounds_shift(struct fixture *f)
{
	return f->format->encoding < SECOND_STAGE ? 56 : 52;
}

static unsigned int bounds_at(struct fixture *f, u64 iova)
{
	return hardware(f, iova).entry >> bounds_shift(f) & 7;
}

static void map_mapping(struct kunit *test, u64 iova,
			const struct iommu_run *runs, unsigned int count,
			int bounds)
{
	struct fixture *f = test->priv;
	size_t mapped = 0;

	KUNIT_ASSERT_EQ(test, f->ops->map_runs(f->ops, iova, runs, count,
					       READ_WRITE | bounds, GFP_KERNEL,
					       &mapped), 0);
	KUNIT_ASSERT_EQ(test, mapped, bytes_of(runs, count));
}

static void map_page(struct kunit *test, u64 iova, int bounds)
{
	struct fixture *f = test->priv;
	struct iommu_run run = { 5 * f->page, f->page };

	map_mapping(test, iova, &run, 1, bounds);
}

static bool unmap_exact(struct fixture *f, u64 iova, size_t size, bool gaps)
{
	gather_anew(f, false);
	return f->ops->unmap_exact(f->ops, iova, size, gaps, &f->gather);
}

/* Pages, then a block with pages around it: 14 pages and the block. */
enum { MIXED_RUNS = 4 };

static void mixed_runs(const struct fixture *f, struct iommu_run *runs)
{
	runs[0] = (struct iommu_run){ 71 * f->page, f->page };
	runs[1] = (struct iommu_run){ 9 * f->page, f->page };
	runs[2] = (struct iommu_run){ 40 * f->block - 8 * f->page,
				      f->block + 11 * f->page };
	runs[3] = (struct iommu_run){ 50 * f->page, f->page };
}

static u64 mixed_at(struct fixture *f)
{
	return 7 * f->block - 10 * f->page;
}

static void leaves_say_where_a_mapping_goes_on(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_run runs[MIXED_RUNS], block = { 3 * f->block, f->block };
	u64 at = mixed_at(f), end = at + f->block + 14 * f->page, iova;
	u64 soft = 7ULL << bounds_shift(f), with;

	mixed_runs(f, runs);
	map_mapping(test, at, runs, ARRAY_SIZE(runs), IOMMU_OWNED);
	expect_runs(test, at, runs, ARRAY_SIZE(runs), end - at);
	for (iova = at; iova < end; iova += f->page)
		KUNIT_ASSERT_EQ(test, bounds_at(f, iova), OWNED |
				(iova > at ? BEFORE : 0) |
				(iova + f->page < end ? AFTER : 0));

	/* In several calls, and in one leaf. */
	map_page(test, end, IOMMU_OWNED | IOMMU_MORE_AFTER);
	map_page(test, end + f->page, IOMMU_OWNED | IOMMU_MORE_BEFORE |
		 IOMMU_MORE_AFTER);
	map_page(test, end + 2 * f->page, IOMMU_OWNED | IOMMU_MORE_BEFORE);
	map_page(test, end + 3 * f->page, IOMMU_OWNED);
	map_page(test, end + 4 * f->page, 0);
	KUNIT_EXPECT_EQ(test, bounds_at(f, end), OWNED | AFTER);
	KUNIT_EXPECT_EQ(test, bounds_at(f, end + f->page),
			OWNED | BEFORE | AFTER);
	KUNIT_EXPECT_EQ(test, bounds_at(f, end + 2 * f->page), OWNED | BEFORE);
	KUNIT_EXPECT_EQ(test, bounds_at(f, end + 3 * f->page), OWNED);
	/* No other bit of a leaf says it. */
	with = hardware(f, end + 3 * f->page).entry;
	KUNIT_EXPECT_EQ(test, with & ~soft,
			hardware(f, end + 4 * f->page).entry);

	map_mapping(test, 9 * f->block, &block, 1, IOMMU_OWNED);
	map_mapping(test, 10 * f->block, &block, 1, 0);
	with = hardware(f, 9 * f->block).entry;
	KUNIT_EXPECT_EQ(test, with & ~soft, hardware(f, 10 * f->block).entry);
	if (hardware(f, 9 * f->block).size == f->block)
		KUNIT_EXPECT_EQ(test, bounds_at(f, 9 * f->block), OWNED);
}

static void an_exact_unmap_takes_one_mapping_or_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_run runs[MIXED_RUNS];
	u64 at = mixed_at(f), end = at + f->block + 14 * f->page;
	const u64 edges[] = {
		at, end, at - f->page, at - 2 * f->page, at + f->page,
		at + 2 * f->page, at + 10 * f->page, at + 11 * f->page,
		end - 4 * f->page, end - f->page, end + f->page,
		end + 2 * f->page, end + 3 * f->page, at + 1, end - 1, end + 1,
		0, BIT_ULL(f->format->ias), BIT_ULL(f->format->ias) + at,
	};
	unsigned int i, j, gaps;
	bool done;

	mixed_runs(f, runs);
	/* Beside it: other mappings, and then one without bounds. */
	map_page(test, at - f->page, IOMMU_OWNED);
	map_mapping(test, at, runs, ARRAY_SIZE(runs), IOMMU_OWNED);
	map_page(test, end, IOMMU_OWNED);
	map_page(test, end + f->page, 0);

	for (i = 0; i < ARRAY_SIZE(edges); i++)
		for (j = 0; j < ARRAY_SIZE(edges); j++)
			for (gaps = 0; gaps < 2; gaps++) {
				u64 first = edges[i], stop = edges[j];

				if ((first == at && stop == end) ||
				    (first == end && stop == end + f->page) ||
				    (first == at - f->page && stop == at))
					continue;
				done = unmap_exact(f, first, stop - first, gaps);
				KUNIT_EXPECT_FALSE_MSG(test, done,
						       "%#llx to %#llx", first,
						       stop);
				KUNIT_EXPECT_GT(test, f->gather.start,
						f->gather.end);
			}
	expect_runs(test, at, runs, ARRAY_SIZE(runs), end - at);
	KUNIT_EXPECT_EQ(test, bounds_at(f, at), OWNED | AFTER);
	KUNIT_EXPECT_EQ(test, bounds_at(f, end - 1), OWNED | BEFORE);
	KUNIT_EXPECT_EQ(test, bounds_at(f, at - f->page), OWNED);
	KUNIT_EXPECT_EQ(test, bounds_at(f, end), OWNED);

	KUNIT_EXPECT_TRUE(test, unmap_exact(f, at, end - at, false));
	KUNIT_EXPECT_EQ(test, f->gather.start, at);
	KUNIT_EXPECT_EQ(test, f->gather.end, end - 1);
	for (; at < end; at += f->page)
		expect_hole(test, at);
	at = mixed_at(f);
	KUNIT_EXPECT_FALSE(test, unmap_exact(f, at, end - at, true));
	KUNIT_EXPECT_FALSE(test, unmap_exact(f, at, f->page, true));
	KUNIT_EXPECT_TRUE(test, unmap_exact(f, at - f->page, f->page, false));
	KUNIT_EXPECT_TRUE(test, unmap_exact(f, end, f->page, true));
	expect_hole(test, at - f->page);
	expect_hole(test, end);
	expect_page(test, end + f->page, 5 * f->page, f->page);
}

static void gaps_are_passed_if_they_are_allowed(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 at = 7 * f->block - f->page;
	const u64 more[] = { 3 * f->page, 4 * f->page, 2 * f->block };
	size_t size = more[2] + f->page;
	unsigned int i;

	map_page(test, at, IOMMU_OWNED | IOMMU_MORE_AFTER);
	for (i = 0; i < ARRAY_SIZE(more); i++)
		map_page(test, at + more[i], IOMMU_OWNED | IOMMU_MORE_BEFORE |
			 (i + 1 < ARRAY_SIZE(more) ? IOMMU_MORE_AFTER : 0));
	KUNIT_EXPECT_FALSE(test, unmap_exact(f, at, size, false));
	KUNIT_EXPECT_FALSE(test, unmap_exact(f, at, size - f->page, true));
	KUNIT_EXPECT_FALSE(test, unmap_exact(f, at, size + f->page, true));
	KUNIT_EXPECT_FALSE(test, unmap_exact(f, at + f->page, size - f->page,
					     true));
	/* What somebody else has mapped in a gap is in the way. */
	map_page(test, at + f->block, 0);
	KUNIT_EXPECT_FALSE(test, unmap_exact(f, at, size, true));
	KUNIT_EXPECT_EQ(test, unmap(f, at + f->block, f->page, 1), f->page);
	KUNIT_EXPECT_EQ(test, bounds_at(f, at), OWNED | AFTER);
	KUNIT_EXPECT_TRUE(test, unmap_exact(f, at, size, true));
	KUNIT_EXPECT_EQ(test, f->gather.start, at);
	KUNIT_EXPECT_EQ(test, f->gather.end, at + size - 1);
	expect_hole(test, at);
	for (i = 0; i < ARRAY_SIZE(more); i++)
		expect_hole(test, at + more[i]);
}

static void a_mapping_is_found_by_each_address(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_run runs[MIXED_RUNS];
	u64 at = mixed_at(f), end = at + f->block + 14 * f->page, iova;
	struct iommu_mapping found;

	mixed_runs(f, runs);
	map_page(test, at - f->page, IOMMU_OWNED);
	map_mapping(test, at, runs, ARRAY_SIZE(runs), IOMMU_OWNED);
	map_page(test, end, 0);
	for (iova = at + 1; iova < end; iova += 3 * f->page) {
		KUNIT_ASSERT_TRUE(test, f->ops->find_mapping(f->ops, iova,
							     &found));
		KUNIT_EXPECT_EQ(test, found.iova, at);
		KUNIT_EXPECT_EQ(test, found.size, end - at);
		KUNIT_EXPECT_TRUE(test, found.owned && found.whole);
		/* A search from each page of a large block takes long. */
		if (iova > 7 * f->block)
			iova += f->block / 8;
	}
	KUNIT_ASSERT_TRUE(test, f->ops->find_mapping(f->ops, at - 1, &found));
	KUNIT_EXPECT_EQ(test, found.iova, at - f->page);
	KUNIT_EXPECT_EQ(test, found.size, f->page);
	KUNIT_ASSERT_TRUE(test, f->ops->find_mapping(f->ops, end, &found));
	KUNIT_EXPECT_EQ(test, found.iova, end);
	KUNIT_EXPECT_FALSE(test, found.owned);
	KUNIT_EXPECT_FALSE(test, f->ops->find_mapping(f->ops, end + f->page,
						      &found));
}

#define FORMAT_CASE(name)	KUNIT_CASE_PARAM(name, format_gen_params)

static struct kunit_case io_pgtable_test_cases[] = {
	FORMAT_CASE(limits_of_init),
	FORMAT_CASE(stage2_begins_where_the_architecture_lets_it),
	FORMAT_CASE(every_size_at_every_border),
	FORMAT_CASE(runs_cross_tables),
	FORMAT_CASE(pieces_map_in_the_largest_pages_that_fit),
	FORMAT_CASE(one_piece_takes_every_page_size),
	FORMAT_CASE(pieces_stop_at_what_is_mapped),
	FORMAT_CASE(pieces_that_cannot_be_are_refused),
	FORMAT_CASE(the_gather_covers_what_was_unmapped),
	FORMAT_CASE(what_cannot_be_unmapped_stays),
	FORMAT_CASE(a_part_of_a_larger_page_stays),
	FORMAT_CASE(without_a_gather_a_larger_page_is_split),
	FORMAT_CASE(groups_are_mapped_whole),
	FORMAT_CASE(what_is_mapped_is_not_replaced),
	FORMAT_CASE(covered_tables_wait_for_the_flush),
	FORMAT_CASE(cycles_all_over_leave_few_tables),
	FORMAT_CASE(steady_cycles_keep_their_tables),
	FORMAT_CASE(each_failing_allocation_is_undone),
	FORMAT_CASE(random_requests_against_a_model),
	FORMAT_CASE(neighbours_do_not_meet),
	FORMAT_CASE(attributes_are_those_of_the_specification),
	FORMAT_CASE(dirty_pages_are_reported_once),
	FORMAT_CASE(leaves_say_where_a_mapping_goes_on),
	FORMAT_CASE(an_exact_unmap_takes_one_mapping_or_nothing),
	FORMAT_CASE(gaps_are_passed_if_they_are_allowed),
	FORMAT_CASE(a_mapping_is_found_by_each_address),
	{}
};

static struct kunit_suite io_pgtable_test_suite = {
	.name = "io-pgtable",
	.suite_init = io_pgtable_suite_init,
	.init = io_pgtable_test_init,
	.exit = io_pgtable_test_exit,
	.test_cases = io_pgtable_test_cases,
};

kunit_test_suite(io_pgtable_test_suite);
MODULE_DESCRIPTION("KUnit tests of the I/O page table formats");
MODULE_LICENSE("GPL");
