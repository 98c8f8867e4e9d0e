// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the IOVA allocator: what is found, and what is freed wrongly.
 */

#include "iova_kunit.h"

void find_gives_the_range_that_holds_a_pfn(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *iova = alloc_iova(&f->iovad, 8, TOP, true);

	KUNIT_EXPECT_PTR_EQ(test, find_iova(&f->iovad, iova->pfn_lo), iova);
	KUNIT_EXPECT_PTR_EQ(test, find_iova(&f->iovad, iova->pfn_hi), iova);
	KUNIT_EXPECT_NULL(test, find_iova(&f->iovad, iova->pfn_lo - 1));
	__free_iova(&f->iovad, iova);
	KUNIT_EXPECT_NULL(test, find_iova(&f->iovad, TOP));
}

void find_gives_a_fast_range_and_no_other(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *iova;
	unsigned long i;

	for (i = 0; i < 5; i++)
		f->pfns[i] = alloc_iova_fast(&f->iovad, 4, TOP, true);
	iova = find_iova(&f->iovad, f->pfns[2] + 1);
	KUNIT_ASSERT_NOT_NULL(test, iova);
	KUNIT_EXPECT_EQ(test, iova->pfn_lo, f->pfns[2]);
	KUNIT_EXPECT_EQ(test, iova->pfn_hi, f->pfns[2] + 3);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 5);
	__free_iova(&f->iovad, iova);
	KUNIT_EXPECT_NULL(test, find_iova(&f->iovad, f->pfns[2] + 1));
	KUNIT_EXPECT_EQ(test, live_ranges(f), 4);
	for (i = 0; i < 5; i++)
		if (i != 2)
			free_iova_fast(&f->iovad, f->pfns[i], 4);
	iova_drain(&f->iovad);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 0);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
}

void find_leaves_what_is_free_as_it_is(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn = alloc_iova_fast(&f->iovad, 1, TOP, true);

	KUNIT_ASSERT_EQ(test, stats_of(f).runs[0], 1);
	/* Right below it is what this CPU hands out next. */
	KUNIT_EXPECT_NULL(test, find_iova(&f->iovad, pfn - 1));
	KUNIT_EXPECT_NULL(test, find_iova(&f->iovad, pfn - 100));
	KUNIT_EXPECT_EQ(test, stats_of(f).runs[0], 1);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 1, TOP, true), pfn - 1);
}

void any_pfn_of_a_fast_range_frees_it(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn = alloc_iova_fast(&f->iovad, 8, TOP, true);

	free_iova(&f->iovad, pfn + 5);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 0);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 8, TOP, true), pfn - 8);
}

void a_free_of_an_unknown_pfn_is_refused(struct kunit *test)
{
	struct fixture *f = test->priv;

	expect_warning("free of pfn 0x64 (address 0x64000)");
	free_iova(&f->iovad, 100);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
}

void a_fast_free_of_pfn_0_is_refused(struct kunit *test)
{
	struct fixture *f = test->priv;

	expect_warning("free of pfn 0 ");
	free_iova_fast(&f->iovad, 0, 1);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
	expect_no_pfn_twice(test, 1);
}

void a_fast_free_too_large_for_a_cache_is_validated(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *iova = alloc_iova(&f->iovad, 2000, TOP, true);

	KUNIT_ASSERT_NOT_NULL(test, iova);
	expect_warning("size 2001 refused: allocated with another size");
	free_iova_fast(&f->iovad, iova->pfn_lo, 2001);
	KUNIT_EXPECT_PTR_EQ(test, find_iova(&f->iovad, iova->pfn_lo), iova);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
}

void a_bad_free_without_a_cache_is_refused_at_once(struct kunit *test)
{
	struct fixture *f = test->priv;

	expect_warning("free of pfn 0x4d");
	free_iova_fast(&f->iovad, 77, 1);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP);
}

void a_bad_free_comes_to_light_when_the_cache_drains(struct kunit *test)
{
	struct fixture *f = test->priv;

	use_cache(f);
	free_iova_fast(&f->iovad, 77, 1);
	expect_warning("free of pfn 0x4d");
	iova_drain(&f->iovad);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP);
}

void a_second_free_is_refused_when_the_magazine_is_sorted_back(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn = alloc_iova_fast(&f->iovad, 1, TOP, true);

	free_iova_fast(&f->iovad, pfn, 1);
	free_iova_fast(&f->iovad, pfn, 1);
	expect_warning("size 1 refused: not allocated");
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
}

void a_free_of_what_waits_to_be_handed_out_is_refused(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn = alloc_iova_fast(&f->iovad, 1, TOP, true);

	/* This CPU hands it out next. */
	free_iova_fast(&f->iovad, pfn - 1, 1);
	expect_warning("size 1 refused: not allocated");
	iova_drain(&f->iovad);
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP - 1);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
}

void a_free_of_another_class_is_refused(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn = alloc_iova_fast(&f->iovad, 8, TOP, true);

	free_iova_fast(&f->iovad, pfn, 4);
	expect_warning("size 4 refused: allocated with another size");
	iova_drain(&f->iovad);
	free_iova_fast(&f->iovad, pfn + 1, 8);
	expect_warning("size 8 refused: inside another range");
	iova_drain(&f->iovad);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 2);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 1);
	/* Another size of the class is as good. */
	free_iova_fast(&f->iovad, pfn, 5);
	iova_drain(&f->iovad);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 2);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

void a_free_of_no_pages_is_refused(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn = alloc_iova_fast(&f->iovad, 4, TOP, true);

	expect_warning("size 0 refused: no size");
	free_iova_fast(&f->iovad, pfn, 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 1);
	free_iova_fast(&f->iovad, pfn, 4);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
}
