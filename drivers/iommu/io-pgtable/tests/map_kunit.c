// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of I/O page tables: mapping, in pages of each size.
 */

#include "io_pgtable_kunit.h"

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

void limits_of_init(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct io_pgtable_cfg cfg;
	unsigned int most;
	bool clamps;

	cfg = io_pgtable_wishes(f);
	cfg.quirks = BIT(31);
	KUNIT_EXPECT_FALSE(test, can_make(f, &cfg));
	cfg = io_pgtable_wishes(f);
	cfg.pgsize_bitmap = SZ_1M;
	KUNIT_EXPECT_FALSE(test, can_make(f, &cfg));
	cfg = io_pgtable_wishes(f);
	cfg.ias = f->format->granule;
	KUNIT_EXPECT_FALSE(test, can_make(f, &cfg));

	/* Stage 2 has no start level for input much wider than output. */
	most = most_bits(f->format, &clamps);
	cfg = io_pgtable_wishes(f);
	cfg.ias = most;
	cfg.oas = clamps ? most : cfg.oas;
	KUNIT_EXPECT_TRUE(test, can_make(f, &cfg));
	KUNIT_EXPECT_EQ(test, cfg.ias, most);
	cfg = io_pgtable_wishes(f);
	cfg.ias = most + 1;
	cfg.oas = clamps ? most : cfg.oas;
	KUNIT_EXPECT_EQ(test, can_make(f, &cfg), clamps);
	if (clamps)
		KUNIT_EXPECT_EQ(test, cfg.ias, most);
	cfg = io_pgtable_wishes(f);
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

void stage2_begins_where_the_architecture_lets_it(struct kunit *test)
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

			cfg = io_pgtable_wishes(f);
			cfg.ias = ias;
			cfg.oas = sizes[i];
			KUNIT_EXPECT_EQ_MSG(test, can_make(f, &cfg), !!may,
					    "ias %u oas %u", ias, sizes[i]);
			level = (granule == 12 ? 2 : 3) -
				cfg.arm_lpae_s2_cfg.vtcr.sl;
			/* With tables side by side only where it has to */
			if (may)
				KUNIT_EXPECT_EQ_MSG(test, level & 3, __ffs(may),
						    "ias %u oas %u", ias, sizes[i]);
		}
	}
}

void every_size_at_every_border(struct kunit *test)
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

void runs_cross_tables(struct kunit *test)
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

void pieces_map_in_the_largest_pages_that_fit(struct kunit *test)
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

void one_piece_takes_every_page_size(struct kunit *test)
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

void pieces_stop_at_what_is_mapped(struct kunit *test)
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

void pieces_that_cannot_be_are_refused(struct kunit *test)
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
		pr_info("expected warning: io-pgtable/map.h\n");
		pr_info("expected warning: io-pgtable/map.h\n");
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
