// SPDX-License-Identifier: GPL-2.0-only
/* Domains: limits, alignment, reservations, and ranges at a given place. */

#include "unit.h"

UNIT_TEST(limits_and_alignment_hold)
{
	static const unsigned long limits[] = { 1, 5, 100, 4095, 4096, TOP };
	unsigned long size, pfn, wanted;
	struct iova *iova;
	unsigned int i, caches;

	for (caches = 0; caches < 2; caches++) {
		begin(caches);
		for (i = 0; i < ARRAY_SIZE(limits); i++) {
			for (size = 1; size < 1100; size += 1 + size / 8) {
				wanted = brute_force(size, limits[i]);
				iova = alloc_iova(iovad, size, limits[i], true);
				pfn = iova ? iova->pfn_lo : 0;
				expect(caches ? !pfn == !wanted : pfn == wanted,
				       "size %lu limit %lu: %#lx, not %#lx", size,
				       limits[i], pfn, wanted);
				expect(!iova || iova_size(iova) == size, "size");
				expect(pfn + size - 1 <= limits[i] || !pfn, "limit");
				expect(pfn % align_of(size) == 0, "not aligned");
				if (iova)
					__free_iova(iovad, iova);
				pfn = alloc_iova_fast(iovad, size, limits[i], true);
				expect(!pfn == !wanted, "fast: size %lu limit %lu: %#lx",
				       size, limits[i], pfn);
				expect(pfn + size - 1 <= limits[i] || !pfn, "limit");
				expect(pfn % align_of(size) == 0, "not aligned");
				if (pfn)
					free_iova(iovad, pfn);
			}
		}
		end();
	}
}

UNIT_TEST(unaligned_requests_take_the_top)
{
	struct iova *a, *b;

	begin(false);
	a = alloc_iova(iovad, 5, TOP, false);
	b = alloc_iova(iovad, 7, TOP, false);
	expect(a && a->pfn_lo == WINDOW - 5, "first");
	expect(b && b->pfn_lo == WINDOW - 12, "second");
	end();
}

UNIT_TEST(the_highest_limits_work)
{
	struct iova *a, *b;
	unsigned long pfn;

	begin(true);
	a = alloc_iova(iovad, 1, ~0UL, true);
	b = alloc_iova(iovad, 3, ~0UL, true);
	pfn = alloc_iova_fast(iovad, 2, ~0UL, true);
	expect(a && b && pfn, "nothing at the top");
	expect(a && a->pfn_hi < ~0UL, "the last pfn is kept");
	if (a && b)
		expect(a->pfn_lo > b->pfn_hi && find_iova(iovad, b->pfn_hi) == b,
		       "order");
	expect(!alloc_iova(iovad, ~0UL, ~0UL, true), "all of it");
	a = alloc_iova(iovad, 1UL << 62, ~0UL, true);
	expect(a && !(a->pfn_lo & ((1UL << 62) - 1)), "a quarter of it");
	end();
}

UNIT_TEST(nothing_is_no_size)
{
	begin(true);
	expect(!alloc_iova(iovad, 0, TOP, true), "alloc_iova(0)");
	expect_warnings(1, "no pages");
	expect(!alloc_iova_fast(iovad, 0, TOP, true), "alloc_iova_fast(0)");
	expect_warnings(1, "no pages");
	free_iova_fast(iovad, 5, 0);
	expect_warnings(1, "refused");
	end();
}

UNIT_TEST(more_than_the_limit_fails)
{
	begin(true);
	expect(!alloc_iova(iovad, 100, 50, true), "alloc_iova");
	expect(!alloc_iova(iovad, 1, 0, true), "below start_pfn");
	expect(!alloc_iova_fast(iovad, 100, 50, true), "alloc_iova_fast");
	expect(!alloc_iova_fast(iovad, 2000, 1999, true), "uncached size");
	expect(!alloc_iova_fast(iovad, ~0UL, ~0UL, true), "everything");
	expect(!stats_now().counts.ranges, "ranges left");
	end();
}

UNIT_TEST(start_pfn_is_the_lowest)
{
	unsigned long pfn;

	expect(!iova_cache_get(), "get");
	iovad = our_ops.domain_new(4096, 100);
	memset(owner, 0, sizeof(owner));
	expect(!iova_domain_init_rcaches(iovad), "init");
	while ((pfn = alloc_iova_fast(iovad, 1, 199, true))) {
		take(pfn, 1);
		expect(pfn >= 100, "pfn %lu", pfn);
	}
	expect(brute_force(1, 199) == 99, "not all taken");
	end();
}

UNIT_TEST(granules_below_a_page_work)
{
	unsigned long granule, pfn;

	for (granule = 1; granule <= PAGE_SIZE; granule *= 2) {
		begin(false);
		put_iova_domain(iovad);
		init_iova_domain(iovad, granule, 1);
		expect(!iova_domain_init_rcaches(iovad), "init");
		expect(iova_shift(iovad) == (unsigned long)__builtin_ctzl(granule),
		       "shift");
		pfn = alloc_iova_fast(iovad, 8, TOP, true);
		expect(pfn == WINDOW - 8, "pfn %#lx", pfn);
		free_iova_fast(iovad, pfn, 8);
		expect(reserve_iova(iovad, 3, 5), "reserve");
		end();
	}
}

UNIT_TEST(bad_granules_are_refused)
{
	static const unsigned long bad[] = { 0, 3, 2 * PAGE_SIZE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		expect(!iova_cache_get(), "get");
		iovad = our_ops.domain_new(bad[i], 1);
		expect_warnings(1, "granule");
		expect(iova_domain_init_rcaches(iovad) == -EINVAL, "init");
		expect(!alloc_iova(iovad, 1, ~0UL, true), "alloc");
		end();
	}
}

UNIT_TEST(init_twice_is_refused)
{
	begin(true);
	expect(iova_domain_init_rcaches(iovad) == -EBUSY, "second init");
	expect_warnings(1, "WARN_ON");
	end();
	iova_cache_put();
	expect_warnings(1, "put more often");
}

UNIT_TEST(a_domain_without_caches_works)
{
	unsigned long pfn;

	begin(false);
	pfn = alloc_iova_fast(iovad, 4, TOP, true);
	expect(pfn, "alloc");
	free_iova_fast(iovad, pfn, 4);
	expect(!stats_now().counts.ranges, "not freed");
	end();
}

UNIT_TEST(a_domain_can_be_used_again)
{
	begin(true);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 4, TOP, true), 4);
	expect(alloc_iova(iovad, 4, TOP, true), "alloc");
	put_iova_domain(iovad);
	init_iova_domain(iovad, 4096, 1);
	expect(!iova_domain_init_rcaches(iovad), "init");
	take_all_that_is_left();
	end();
}

/* Both allocators do the same reservations, then have the same ranges. */
UNIT_TEST(reserving_merges_as_stock_does)
{
	unsigned int round, i;

	expect(!stock_ops.cache_get(), "stock");
	for (round = 0; round < 400; round++) {
		struct iova_domain *stock = stock_ops.domain_new(4096, 1);
		unsigned long pfn, state = round, lo[2], hi[2];

		begin(false);
		for (i = 0; i < 12; i++) {
			unsigned long from = below(&state, 200);
			unsigned long to = from + below(&state, 60);

			if (i % 3 == 2) {
				unsigned long size = 1 + to - from;

				pfn = our_ops.alloc(iovad, size, 259, i & 1);
				if (pfn)
					stock_ops.reserve(stock, pfn, pfn + size - 1);
				continue;
			}
			expect(our_ops.reserve(iovad, from, to), "ours");
			expect(stock_ops.reserve(stock, from, to), "stock");
		}
		for (pfn = 0; pfn < 300; pfn++) {
			bool has = our_ops.find(iovad, pfn, &lo[0], &hi[0]);

			if (has == stock_ops.find(stock, pfn, &lo[1], &hi[1]) &&
			    (!has || (lo[0] == lo[1] && hi[0] == hi[1])))
				continue;
			expect(false, "round %u pfn %lu: [%lu, %lu] and [%lu, %lu]",
			       round, pfn, lo[0], hi[0], lo[1], hi[1]);
			break;
		}
		stock_ops.domain_delete(stock);
		end();
	}
	stock_ops.cache_put();
}

#define STEPS	1000UL	/* single pages to reserve across, every third one */

static void take_pages_to_reserve_across(void)
{
	unsigned long i;

	for (i = 0; i < STEPS; i++)
		expect(reserve_iova(iovad, 12 + 3 * i, 12 + 3 * i), "page %lu", i);
}

UNIT_TEST(reserving_across_many_ranges_goes_in_steps)
{
	struct iova *iova, *last;
	unsigned long holds, i;

	begin(false);
	take_pages_to_reserve_across();
	holds = shim_irqs_off();
	last = reserve_iova(iovad, 10, 12 + 3 * STEPS);
	holds = shim_irqs_off() - holds;
	expect(holds >= STEPS / IOVA_BATCH, "only %lu holds of the lock", holds);
	for (i = 0; i < STEPS; i++) {
		iova = find_iova(iovad, 10 + 3 * i);
		expect(iova && iova->pfn_lo == 10 + 3 * i &&
		       iova->pfn_hi == 12 + 3 * i, "range %lu", i);
	}
	expect(last && last->pfn_lo == 10 + 3 * STEPS &&
	       last->pfn_hi == 12 + 3 * STEPS, "what is above them");
	expect(stats_now().counts.ranges == STEPS + 1, "%lu ranges",
	       stats_now().counts.ranges);
	end();
}

static void take_the_highest_page(void)
{
	void (*again)(void) = shim_interrupt;
	struct iova *iova;

	shim_interrupt = NULL;
	iova = alloc_iova(iovad, 1, 14 + 3 * STEPS, true);
	if (iova)
		take(iova->pfn_lo, 1);
	shim_interrupt = again;
}

UNIT_TEST(a_reservation_holds_whatever_comes_between_its_steps)
{
	unsigned long pfn, between = 0;

	begin(false);
	take_pages_to_reserve_across();
	shim_interrupt = take_the_highest_page;
	expect(reserve_iova(iovad, 10, 14 + 3 * STEPS), "reserve");
	shim_interrupt = NULL;
	for (pfn = 10; pfn <= 14 + 3 * STEPS; pfn++) {
		between += owner[pfn];
		expect(find_iova(iovad, pfn), "pfn %lu is not reserved", pfn);
	}
	expect(between > STEPS / IOVA_BATCH / 2, "only %lu came between", between);
	end();
}

UNIT_TEST(reserving_nonsense_is_refused)
{
	begin(false);
	expect(!reserve_iova(iovad, 10, 9), "upside down");
	expect_warnings(1, "reservation");
	expect(!reserve_iova(iovad, 1, ~0UL), "beyond 64 bits");
	expect_warnings(1, "reservation");
	expect(reserve_iova(iovad, 0, ~0UL >> 12), "all");
	expect(!alloc_iova(iovad, 1, ~0UL >> 12, true), "nothing is left");
	end();
}

UNIT_TEST(find_knows_every_pfn_of_a_range)
{
	struct iova *iova;
	unsigned long pfn;

	begin(false);
	iova = alloc_iova(iovad, 33, TOP, true);
	for (pfn = iova->pfn_lo - 1; pfn <= iova->pfn_hi + 1; pfn++)
		expect(find_iova(iovad, pfn) ==
		       (pfn >= iova->pfn_lo && pfn <= iova->pfn_hi ? iova : NULL),
		       "pfn %#lx", pfn);
	end();
}

UNIT_TEST(freeing_what_is_not_allocated_is_refused)
{
	unsigned long pfn;

	begin(true);
	pfn = alloc_iova_fast(iovad, 2000, TOP, true);
	free_iova(iovad, pfn - 1);
	expect_warnings(1, "not allocated");
	free_iova_fast(iovad, 0, 1);
	expect_warnings(1, "refused");
	free_iova_fast(iovad, pfn, 2001);
	expect_warnings(1, "another size");
	free_iova_fast(iovad, pfn + 1, 2000);
	expect_warnings(1, "inside another range");
	expect(stats_now().counts.refused == 4, "%lu counted",
	       stats_now().counts.refused);
	free_iova_fast(iovad, pfn, 2000);
	free_iova_fast(iovad, pfn, 2000);
	expect_warnings(1, "not allocated");
	take_all_that_is_left();
	end();
}

UNIT_TEST(a_placed_range_is_where_it_should_be)
{
	static const unsigned long aligns[] = { 1, 2, 16, 512 };
	static const unsigned long bounds[] = { 64, 1024, WINDOW };
	unsigned long round, pfn, size, i;

	begin(true);
	for (round = 0; round < 4000; round++) {
		struct iova_place place = {
			.align_mask = aligns[below(&seed, 4)] - 1,
			.boundary_mask = bounds[below(&seed, 3)] - 1,
		};

		place.colour = below(&seed, place.align_mask + 1);
		size = 1 + below(&seed, min(place.boundary_mask + 1, 200UL));
		pfn = iova_alloc_placed(iovad, size, TOP, &place);
		if (!pfn) {
			end();
			begin(true);
			continue;
		}
		expect((pfn & place.align_mask) == place.colour,
		       "%#lx, wanted %#lx in %#lx", pfn, place.colour,
		       place.align_mask);
		expect((pfn & ~place.boundary_mask) ==
		       ((pfn + size - 1) & ~place.boundary_mask),
		       "%#lx to %#lx crosses %#lx", pfn, pfn + size - 1,
		       place.boundary_mask + 1);
		expect(pfn + size - 1 <= TOP, "above the limit");
		for (i = pfn; i < pfn + size; i++)
			expect(find_iova(iovad, i), "%#lx is free", i);
		if (round % 2)
			free_iova_fast(iovad, pfn, size);
	}
	end();
}
