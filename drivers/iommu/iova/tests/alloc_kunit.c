// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the IOVA allocator: allocations, limits and reservations.
 */

#include "iova_kunit.h"

void allocations_come_from_the_top(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i;

	for (i = 0; i < 20; i++) {
		struct iova *iova = alloc_iova(&f->iovad, 1, TOP, true);

		KUNIT_ASSERT_NOT_NULL(test, iova);
		KUNIT_EXPECT_EQ(test, iova->pfn_lo, TOP - i);
		KUNIT_EXPECT_EQ(test, iova->pfn_hi, TOP - i);
	}
}

void sizes_are_naturally_aligned(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long size;

	for (size = 1; size < 100; size++) {
		struct iova *iova = alloc_iova(&f->iovad, size, ~0UL >> 12, true);
		unsigned long pfn = alloc_iova_fast(&f->iovad, size,
						    ~0UL >> 12, true);

		KUNIT_ASSERT_NOT_NULL(test, iova);
		KUNIT_EXPECT_EQ(test, iova_size(iova), size);
		KUNIT_EXPECT_EQ(test, iova->pfn_lo & (roundup_pow_of_two(size) - 1), 0);
		KUNIT_EXPECT_EQ(test, pfn & (roundup_pow_of_two(size) - 1), 0);
	}
}

static bool brute_force(struct fixture *f, unsigned long size,
			unsigned long *pfn)
{
	unsigned long align = roundup_pow_of_two(size);
	unsigned long at;

	for (at = ALIGN_DOWN(TOP, align); at; at -= align) {
		if (at + size - 1 > TOP ||
		    find_next_bit(f->map, at + size, at) < at + size)
			continue;
		*pfn = at;
		return true;
	}
	return false;
}

static void refill(struct kunit *test, unsigned long size, unsigned int percent)
{
	struct fixture *f = test->priv;
	unsigned long want = 0, left = 0, i;
	struct iova *iova;

	bitmap_zero(f->map, WINDOW);
	f->nr = 0;
	while ((iova = alloc_iova(&f->iovad, size, TOP, true))) {
		bitmap_set(f->map, iova->pfn_lo, size);
		f->pfns[f->nr++] = iova->pfn_lo;
	}
	for (i = 0; i < f->nr; i++) {
		if (below(f, 100) >= percent) {
			f->pfns[left++] = f->pfns[i];
			continue;
		}
		free_iova(&f->iovad, f->pfns[i]);
		bitmap_clear(f->map, f->pfns[i], size);
	}
	f->nr = left;
	while (brute_force(f, size, &want)) {
		iova = alloc_iova(&f->iovad, size, TOP, true);
		KUNIT_ASSERT_NOT_NULL(test, iova);
		KUNIT_ASSERT_EQ(test, iova->pfn_lo, want);
		bitmap_set(f->map, want, size);
		f->pfns[f->nr++] = want;
	}
	KUNIT_EXPECT_NULL(test, alloc_iova(&f->iovad, size, TOP, true));
	while (f->nr)
		free_iova(&f->iovad, f->pfns[--f->nr]);
}

void every_hole_is_found_again_at_the_highest_place(struct kunit *test)
{
	static const unsigned long sizes[] = { 1, 2, 3, 8, 33, 512 };
	static const unsigned int percents[] = { 10, 25, 50 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (j = 0; j < ARRAY_SIZE(percents); j++)
			refill(test, sizes[i], percents[j]);
}

void a_failing_request_poisons_no_other_limit(struct kunit *test)
{
	static const unsigned int bits[] = {
		32, 40, IS_ENABLED(CONFIG_64BIT) ? 64 : 43,
	};
	struct fixture *f = test->priv;
	struct iova *iova;
	unsigned int i;

	/* Nothing below 24 bits of address is left for 16 pages. */
	KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, 1, 4095 - 8));
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		unsigned long limit = (~0ULL >> (64 - bits[i])) >> 12;

		KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 16, 4095, true), 0);
		KUNIT_EXPECT_NULL(test, alloc_iova(&f->iovad, 16, 4095, true));
		KUNIT_EXPECT_NE(test, alloc_iova_fast(&f->iovad, 1, limit, true), 0);
		KUNIT_EXPECT_NE(test, alloc_iova_fast(&f->iovad, 16, limit, true), 0);
		iova = alloc_iova(&f->iovad, 16, limit, true);
		KUNIT_ASSERT_NOT_NULL(test, iova);
		KUNIT_EXPECT_LE(test, iova->pfn_hi, limit);
	}
}

void what_is_allocated_in_a_row_lies_in_a_row(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long first, i;

	first = alloc_iova_fast(&f->iovad, 1, ~0UL >> 12, true);
	KUNIT_ASSERT_NE(test, first, 0);
	for (i = 1; i < IOVA_RUN_PAGES; i++)
		KUNIT_ASSERT_EQ(test, first - i,
				alloc_iova_fast(&f->iovad, 1, ~0UL >> 12, true));
}

void a_freed_address_comes_again_late(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long size, first, next, i;

	for (size = 1; iova_size_is_cached(size); size *= 2) {
		/* Nothing of another size in the magazine. */
		put_iova_domain(&f->iovad);
		init_iova_domain(&f->iovad, SZ_4K, 1);
		KUNIT_ASSERT_EQ(test, iova_domain_init_rcaches(&f->iovad), 0);
		first = alloc_iova_fast(&f->iovad, size, ~0UL >> 12, true);
		KUNIT_ASSERT_NE(test, first, 0);
		free_iova_fast(&f->iovad, first, size);
		for (i = 0; i < 64; i++) {
			next = alloc_iova_fast(&f->iovad, size, ~0UL >> 12,
					       true);
			KUNIT_ASSERT_NE(test, next, 0);
			KUNIT_ASSERT_NE_MSG(test, next, first,
					    "size %lu, after %lu", size, i);
			free_iova_fast(&f->iovad, next, size);
		}
	}
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
}

void what_is_freed_can_all_be_had_again(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long size, all;

	for (size = 1; size <= 64; size = 3 * size / 2 + 1) {
		expect_no_pfn_twice(test, size);
		all = f->nr;
		KUNIT_EXPECT_GE(test, all, TOP / roundup_pow_of_two(size) - 1);
		free_all(f, size);
		expect_no_pfn_twice(test, size);
		KUNIT_EXPECT_EQ(test, f->nr, all);
		free_all(f, size);
		KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
	}
}

void a_class_takes_the_sizes_up_to_it(struct kunit *test)
{
	unsigned long size, last = 0;

	for (size = 1; size <= IOVA_CACHED_MAX; size++) {
		unsigned int class = iova_size_class(size);

		KUNIT_ASSERT_LT(test, class, IOVA_CLASSES);
		KUNIT_EXPECT_LE(test, class, last + 1);
		KUNIT_EXPECT_EQ(test, 1UL << class, roundup_pow_of_two(size));
		last = class;
	}
}

void the_caches_serve_4_mib(struct kunit *test)
{
	KUNIT_EXPECT_GE(test, iova_rcache_range(), SZ_4M);
}

void a_hole_smaller_than_the_class_is_used(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn;

	/* Only pfns 64 to 96, which 33 pages fit but their class of 64 not. */
	KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, 1, 63));
	KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, 97, TOP));
	pfn = alloc_iova_fast(&f->iovad, 33, TOP, true);
	KUNIT_EXPECT_EQ(test, pfn, 64);
	free_iova_fast(&f->iovad, pfn, 33);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 40, TOP, true), 0);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 33, TOP, true), 64);
}

void mixing_the_apis_hands_no_page_out_twice(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long size;

	for (size = 1; size < 80; size++) {
		struct iova *iova = alloc_iova(&f->iovad, size, TOP, true);

		KUNIT_ASSERT_NOT_NULL(test, iova);
		free_iova_fast(&f->iovad, iova->pfn_lo, size);
	}
	expect_no_pfn_twice(test, 37);
}

void an_unaligned_range_comes_back_as_pages_only(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *iova;
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, alloc_iova(&f->iovad, 1, TOP, false));
	iova = alloc_iova(&f->iovad, 8, TOP, false);
	KUNIT_ASSERT_NOT_NULL(test, iova);
	KUNIT_ASSERT_NE(test, iova->pfn_lo & 7, 0);
	use_cache(f);
	free_iova_fast(&f->iovad, iova->pfn_lo, 8);
	expect_no_pfn_twice(test, 8);
	for (i = 0; i < f->nr; i++)
		KUNIT_EXPECT_EQ(test, f->pfns[i] & 7, 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 0);
}

void caches_honour_the_limit(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long high = alloc_iova_fast(&f->iovad, 4, 0xfffff, true);
	unsigned long limit, pfn;

	KUNIT_EXPECT_EQ(test, high, 0xffffc);
	/* Of what the CPU has to hand out some is above. */
	for (limit = high + 2; limit > high - 3000; limit -= 33) {
		pfn = alloc_iova_fast(&f->iovad, 4, limit, true);
		KUNIT_EXPECT_NE(test, pfn, 0);
		KUNIT_EXPECT_LE(test, pfn + 3, limit);
	}
}

void what_is_free_below_a_limit_is_had_there(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i, nr;

	/* Ranges of all the 32 bits are live, but those of the window. */
	KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, WINDOW, 0xfffff));
	expect_no_pfn_twice(test, 1);
	nr = f->nr;
	free_all(f, 1);
	/* Others that are not limited so do not take them. */
	for (i = 0; i < nr && IS_ENABLED(CONFIG_64BIT); i++) {
		unsigned long pfn = alloc_iova_fast(&f->iovad, 2, ~0UL >> 12, true);

		KUNIT_ASSERT_GT(test, pfn, 0xfffff);
	}
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, nr);
}

void a_limit_of_all_ones_works(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn = alloc_iova_fast(&f->iovad, 8, ~0UL, true);
	unsigned long large = alloc_iova_fast(&f->iovad, 5000, ~0UL, true);
	struct iova *iova = alloc_iova(&f->iovad, 1, ~0UL, true);

	KUNIT_EXPECT_NE(test, pfn, 0);
	KUNIT_EXPECT_NE(test, large, 0);
	KUNIT_EXPECT_LT(test, pfn, ~0UL - 8);
	KUNIT_ASSERT_NOT_NULL(test, iova);
	KUNIT_EXPECT_EQ(test, iova->pfn_lo, ~0UL - 1);
	free_iova_fast(&f->iovad, pfn, 8);
	free_iova_fast(&f->iovad, large, 5000);
	__free_iova(&f->iovad, iova);
	iova_drain(&f->iovad);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

void a_size_above_the_limit_fails(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, WINDOW, TOP, true), 0);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, ~0UL, TOP, true), 0);
	KUNIT_EXPECT_NULL(test, alloc_iova(&f->iovad, ~0UL - 3, TOP, false));
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 1, 0, true), 0);
}

void ranges_that_do_not_overlap_are_reserved_apart(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *a = reserve_iova(&f->iovad, 100, 199);
	struct iova *b = reserve_iova(&f->iovad, 200, 299);

	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_PTR_EQ(test, find_iova(&f->iovad, 199), a);
	KUNIT_EXPECT_PTR_EQ(test, find_iova(&f->iovad, 200), b);
}

void a_reservation_grows_what_it_overlaps(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *a = reserve_iova(&f->iovad, 100, 199);
	struct iova *b = reserve_iova(&f->iovad, 300, 399), *c;

	c = reserve_iova(&f->iovad, 50, 499);
	KUNIT_ASSERT_NOT_NULL(test, c);
	KUNIT_EXPECT_EQ(test, a->pfn_lo, 50);
	KUNIT_EXPECT_EQ(test, a->pfn_hi, 199);
	KUNIT_EXPECT_EQ(test, b->pfn_lo, 200);
	KUNIT_EXPECT_EQ(test, b->pfn_hi, 399);
	KUNIT_EXPECT_EQ(test, c->pfn_lo, 400);
	KUNIT_EXPECT_EQ(test, c->pfn_hi, 499);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 3);
}

void a_reservation_spans_more_ranges_than_a_batch(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *iova, *last;
	unsigned long pfn;

	for (pfn = 12; pfn < 612; pfn += 3)
		KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, pfn, pfn));
	last = reserve_iova(&f->iovad, 10, 615);
	KUNIT_ASSERT_NOT_NULL(test, last);
	for (pfn = 12; pfn < 612; pfn += 3) {
		iova = find_iova(&f->iovad, pfn - 2);
		KUNIT_ASSERT_NOT_NULL(test, iova);
		KUNIT_EXPECT_EQ(test, iova->pfn_lo, pfn - 2);
		KUNIT_EXPECT_EQ(test, iova->pfn_hi, pfn);
	}
	KUNIT_EXPECT_EQ(test, last->pfn_lo, 610);
	KUNIT_EXPECT_EQ(test, last->pfn_hi, 615);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 201);
}

void a_reservation_inside_another_gives_that(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *a = reserve_iova(&f->iovad, 100, 199);

	KUNIT_EXPECT_PTR_EQ(test, reserve_iova(&f->iovad, 120, 130), a);
	KUNIT_EXPECT_PTR_EQ(test, reserve_iova(&f->iovad, 90, 199), a);
	KUNIT_EXPECT_EQ(test, a->pfn_lo, 90);
	KUNIT_EXPECT_EQ(test, a->pfn_hi, 199);
}

void reserved_pages_are_not_handed_out(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, 1000, 1999));
	expect_no_pfn_twice(test, 4);
	for (i = 0; i < f->nr; i++)
		KUNIT_EXPECT_TRUE(test, f->pfns[i] > 1999 || f->pfns[i] + 3 < 1000);
}

void a_reservation_takes_what_is_cached(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *iova;

	expect_no_pfn_twice(test, 1);
	free_all(f, 1);
	iova = reserve_iova(&f->iovad, 1, TOP);
	KUNIT_ASSERT_NOT_NULL(test, iova);
	KUNIT_EXPECT_EQ(test, iova->pfn_lo, 1);
	KUNIT_EXPECT_EQ(test, iova->pfn_hi, TOP);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 1);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 1, TOP, true), 0);
	__free_iova(&f->iovad, iova);
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP);
}

void a_reservation_leaves_fast_ranges_to_their_owners(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i;

	for (i = 0; i < 100; i++)
		f->pfns[i] = alloc_iova_fast(&f->iovad, 4, TOP, true);
	for (i = 0; i < 100; i += 2)
		free_iova_fast(&f->iovad, f->pfns[i], 4);
	KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, 1, TOP));
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 1, TOP, true), 0);
	/* They took in the holes below them, which are free with them. */
	for (i = 1; i < 100; i += 2)
		free_iova(&f->iovad, f->pfns[i]);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 0);
	KUNIT_EXPECT_NE(test, alloc_iova_fast(&f->iovad, 4, TOP, true), 0);
}

void free_pfns_are_reserved_between_fast_ranges(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn = 1, busy = 0, kept = 0, i;
	struct iova *iova;

	for (i = 0; i < 100; i++)
		f->pfns[i] = alloc_iova_fast(&f->iovad, 4, TOP, true);
	for (i = 0; i < 100; i += 2)
		free_iova_fast(&f->iovad, f->pfns[i], 4);
	while (pfn && pfn <= TOP) {
		iova = iova_reserve_free(&f->iovad, &pfn, TOP);
		if (IS_ERR(iova)) {
			KUNIT_ASSERT_EQ(test, PTR_ERR(iova), -EBUSY);
			busy++;
		} else {
			kept += iova_size(iova);
		}
	}
	KUNIT_EXPECT_EQ(test, busy, 50);
	KUNIT_EXPECT_EQ(test, kept, TOP - 50 * 4);
	for (i = 1; i < 100; i += 2)
		free_iova_fast(&f->iovad, f->pfns[i], 4);
	iova_drain(&f->iovad);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 0);
}

void a_reservation_beyond_the_space_is_refused(struct kunit *test)
{
	struct fixture *f = test->priv;

	/* A pfn of 32 bits is never that of too high an address. */
	if (IS_ENABLED(CONFIG_64BIT)) {
		expect_warning("reservation of pfns");
		KUNIT_EXPECT_NULL(test, reserve_iova(&f->iovad, 1, ~0UL));
	}
	expect_warning("reservation of pfns");
	KUNIT_EXPECT_NULL(test, reserve_iova(&f->iovad, 2, 1));
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}
