// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of I/O page tables: where a mapping begins and ends.
 */

#include "io_pgtable_kunit.h"

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

void leaves_say_where_a_mapping_goes_on(struct kunit *test)
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

void an_exact_unmap_takes_one_mapping_or_nothing(struct kunit *test)
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

void gaps_are_passed_if_they_are_allowed(struct kunit *test)
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

void a_mapping_is_found_by_each_address(struct kunit *test)
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
