// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the IOVA allocator.
 *
 * A test that provokes a warning announces it by a line "expected warning:"
 * with text that the warning contains; whoever reads the log counts them.
 */

#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/iova.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "../internal.h"

#define WINDOW	4096UL		/* pfns 1 to WINDOW - 1 */
#define TOP	(WINDOW - 1)

struct fixture {
	struct iova_domain iovad;
	struct rnd_state rnd;
	unsigned long pfns[WINDOW];
	unsigned long nr;
	DECLARE_BITMAP(map, WINDOW);
};

#define expect_warning(text)	pr_info("expected warning: " text "\n")

/*
 * What a test has put into a cache is to be found there, though the test may
 * stand still for longer than it takes the reaper to come by.
 */
static void keep_reaper_away(struct fixture *f)
{
	mod_delayed_work(system_unbound_wq, &f->iovad.rcache->reaper,
			 3600 * HZ);
}

static void run_reaper(struct fixture *f)
{
	mod_delayed_work(system_unbound_wq, &f->iovad.rcache->reaper, 0);
	flush_delayed_work(&f->iovad.rcache->reaper);
}

/* What happens at the end of a window, without the wait for it. */
static void end_window(struct fixture *f)
{
	run_reaper(f);
	keep_reaper_away(f);
}

static int iova_test_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int ret;

	if (!f)
		return -ENOMEM;
	/* What one CPU's caches have, a test that moves would not find. */
	ret = set_cpus_allowed_ptr(current,
				   cpumask_of(cpumask_first(cpu_online_mask)));
	if (ret)
		return ret;
	ret = iova_cache_get();
	if (ret)
		return ret;
	init_iova_domain(&f->iovad, SZ_4K, 1);
	ret = iova_domain_init_rcaches(&f->iovad);
	if (ret) {
		iova_cache_put();
		return ret;
	}
	keep_reaper_away(f);
	prandom_seed_state(&f->rnd, 20240607);
	test->priv = f;
	return 0;
}

static void iova_test_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	put_iova_domain(&f->iovad);
	iova_cache_put();
}

static unsigned long below(struct fixture *f, unsigned long bound)
{
	return prandom_u32_state(&f->rnd) % bound;
}

static struct iova_stats stats_of(struct fixture *f)
{
	struct iova_stats stats;

	iova_domain_stats(&f->iovad, &stats);
	return stats;
}

static unsigned long live_ranges(struct fixture *f)
{
	struct iova_stats stats = stats_of(f);

	return stats.counts.ranges - stats.all_cached;
}

static bool has_cache(struct fixture *f, unsigned int cpu)
{
	struct iova_cpu *cache;
	unsigned long flags;
	bool found = false;

	raw_spin_lock_irqsave(&f->iovad.lock, flags);
	list_for_each_entry(cache, &f->iovad.rcache->caches, list)
		found |= cache->cpu == cpu;
	raw_spin_unlock_irqrestore(&f->iovad.lock, flags);
	return found;
}

/* Have this CPU use the caches of the domain. */
static void use_cache(struct fixture *f)
{
	free_iova_fast(&f->iovad, alloc_iova_fast(&f->iovad, 1, TOP, true), 1);
}

/* Take all that is left of the window; each pfn must come once. */
static void expect_no_pfn_twice(struct kunit *test, unsigned long size)
{
	struct fixture *f = test->priv;
	unsigned long pfn, taken = iova_round_size(size);
	DECLARE_BITMAP(seen, WINDOW) = { };

	f->nr = 0;
	while ((pfn = alloc_iova_fast(&f->iovad, size, TOP, true))) {
		KUNIT_ASSERT_LE(test, pfn + taken - 1, TOP);
		KUNIT_ASSERT_GE_MSG(test, find_next_bit(seen, pfn + taken, pfn),
				    pfn + taken, "pfn %#lx came twice", pfn);
		bitmap_set(seen, pfn, taken);
		f->pfns[f->nr++] = pfn;
	}
}

static void free_all(struct fixture *f, unsigned long size)
{
	while (f->nr)
		free_iova_fast(&f->iovad, f->pfns[--f->nr], size);
}

static void allocations_come_from_the_top(struct kunit *test)
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

static void sizes_are_naturally_aligned(struct kunit *test)
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

static void every_hole_is_found_again_at_the_highest_place(struct kunit *test)
{
	static const unsigned long sizes[] = { 1, 2, 3, 8, 33, 512 };
	static const unsigned int percents[] = { 10, 25, 50 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (j = 0; j < ARRAY_SIZE(percents); j++)
			refill(test, sizes[i], percents[j]);
}

static void a_failing_request_poisons_no_other_limit(struct kunit *test)
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

static void what_is_allocated_in_a_row_lies_in_a_row(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long first, i;

	first = alloc_iova_fast(&f->iovad, 1, ~0UL >> 12, true);
	KUNIT_ASSERT_NE(test, first, 0);
	for (i = 1; i < IOVA_RUN_PAGES; i++)
		KUNIT_ASSERT_EQ(test, first - i,
				alloc_iova_fast(&f->iovad, 1, ~0UL >> 12, true));
}

static void a_freed_address_comes_again_late(struct kunit *test)
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

static void what_is_freed_can_all_be_had_again(struct kunit *test)
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

static void a_class_takes_the_sizes_up_to_it(struct kunit *test)
{
	unsigned long size, last = 0;

	for (size = 1; size <= IOVA_CACHED_MAX; size++) {
		unsigned int class = iova_size_class(size);

		KUNIT_ASSERT_LT(test, class, IOVA_CLASSES);
		KUNIT_EXPECT_LE(test, class, last + 1);
		KUNIT_EXPECT_EQ(test, iova_round_size(size),
				roundup_pow_of_two(size));
		last = class;
	}
}

static void the_caches_serve_4_mib(struct kunit *test)
{
	KUNIT_EXPECT_GE(test, iova_rcache_range(), SZ_4M);
}

static void a_hole_smaller_than_the_class_is_used(struct kunit *test)
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

static void mixing_the_apis_hands_no_page_out_twice(struct kunit *test)
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

static void an_unaligned_range_comes_back_as_pages_only(struct kunit *test)
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

static void caches_honour_the_limit(struct kunit *test)
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

static void what_is_free_below_a_limit_is_had_there(struct kunit *test)
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

static void a_limit_of_all_ones_works(struct kunit *test)
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

static void a_size_above_the_limit_fails(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, WINDOW, TOP, true), 0);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, ~0UL, TOP, true), 0);
	KUNIT_EXPECT_NULL(test, alloc_iova(&f->iovad, ~0UL - 3, TOP, false));
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 1, 0, true), 0);
}

static void ranges_that_do_not_overlap_are_reserved_apart(struct kunit *test)
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

static void a_reservation_grows_what_it_overlaps(struct kunit *test)
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

static void a_reservation_spans_more_ranges_than_a_batch(struct kunit *test)
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

static void a_reservation_inside_another_gives_that(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *a = reserve_iova(&f->iovad, 100, 199);

	KUNIT_EXPECT_PTR_EQ(test, reserve_iova(&f->iovad, 120, 130), a);
	KUNIT_EXPECT_PTR_EQ(test, reserve_iova(&f->iovad, 90, 199), a);
	KUNIT_EXPECT_EQ(test, a->pfn_lo, 90);
	KUNIT_EXPECT_EQ(test, a->pfn_hi, 199);
}

static void reserved_pages_are_not_handed_out(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, 1000, 1999));
	expect_no_pfn_twice(test, 4);
	for (i = 0; i < f->nr; i++)
		KUNIT_EXPECT_TRUE(test, f->pfns[i] > 1999 || f->pfns[i] + 3 < 1000);
}

static void a_reservation_takes_what_is_cached(struct kunit *test)
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

static void a_reservation_leaves_fast_ranges_to_their_owners(struct kunit *test)
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

static void free_pfns_are_reserved_between_fast_ranges(struct kunit *test)
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

static void a_reservation_beyond_the_space_is_refused(struct kunit *test)
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

static void find_gives_the_range_that_holds_a_pfn(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *iova = alloc_iova(&f->iovad, 8, TOP, true);

	KUNIT_EXPECT_PTR_EQ(test, find_iova(&f->iovad, iova->pfn_lo), iova);
	KUNIT_EXPECT_PTR_EQ(test, find_iova(&f->iovad, iova->pfn_hi), iova);
	KUNIT_EXPECT_NULL(test, find_iova(&f->iovad, iova->pfn_lo - 1));
	__free_iova(&f->iovad, iova);
	KUNIT_EXPECT_NULL(test, find_iova(&f->iovad, TOP));
}

static void find_gives_a_fast_range_and_no_other(struct kunit *test)
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

static void find_leaves_what_is_free_as_it_is(struct kunit *test)
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

static void any_pfn_of_a_fast_range_frees_it(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn = alloc_iova_fast(&f->iovad, 8, TOP, true);

	free_iova(&f->iovad, pfn + 5);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 0);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 8, TOP, true), pfn - 8);
}

static void a_free_of_an_unknown_pfn_is_refused(struct kunit *test)
{
	struct fixture *f = test->priv;

	expect_warning("free of pfn 0x64 (address 0x64000)");
	free_iova(&f->iovad, 100);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
}

static void a_fast_free_of_pfn_0_is_refused(struct kunit *test)
{
	struct fixture *f = test->priv;

	expect_warning("free of pfn 0 ");
	free_iova_fast(&f->iovad, 0, 1);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
	expect_no_pfn_twice(test, 1);
}

static void a_fast_free_too_large_for_a_cache_is_validated(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *iova = alloc_iova(&f->iovad, 2000, TOP, true);

	KUNIT_ASSERT_NOT_NULL(test, iova);
	expect_warning("size 2001 refused: allocated with another size");
	free_iova_fast(&f->iovad, iova->pfn_lo, 2001);
	KUNIT_EXPECT_PTR_EQ(test, find_iova(&f->iovad, iova->pfn_lo), iova);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
}

/* What is done on another CPU. */
struct remote {
	struct iova_domain *iovad;
	unsigned long pfn;
	unsigned long size;
};

static long free_here(void *arg)
{
	struct remote *r = arg;

	free_iova_fast(r->iovad, r->pfn, r->size);
	return 0;
}

static long alloc_here(void *arg)
{
	struct remote *r = arg;

	r->pfn = alloc_iova_fast(r->iovad, r->size, TOP, true);
	return 0;
}

static unsigned int another_cpu(struct kunit *test)
{
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	return cpumask_last(cpu_online_mask);
}

static void free_on(struct kunit *test, unsigned int cpu, unsigned long pfn,
		    unsigned long size)
{
	struct fixture *f = test->priv;
	struct remote r = { &f->iovad, pfn, size };

	KUNIT_ASSERT_EQ(test, work_on_cpu(cpu, free_here, &r), 0);
}

static unsigned long alloc_on(struct kunit *test, unsigned int cpu,
			      unsigned long size)
{
	struct fixture *f = test->priv;
	struct remote r = { &f->iovad, 0, size };

	KUNIT_ASSERT_EQ(test, work_on_cpu(cpu, alloc_here, &r), 0);
	return r.pfn;
}

static void a_bad_free_without_a_cache_is_refused_at_once(struct kunit *test)
{
	struct fixture *f = test->priv;

	expect_warning("free of pfn 0x4d");
	free_iova_fast(&f->iovad, 77, 1);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP);
}

static void a_bad_free_comes_to_light_when_the_cache_drains(struct kunit *test)
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

static void a_second_free_is_refused_when_the_magazine_is_sorted_back(struct kunit *test)
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

static void a_free_of_what_waits_to_be_handed_out_is_refused(struct kunit *test)
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

static void a_free_of_another_class_is_refused(struct kunit *test)
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

static void a_free_of_no_pages_is_refused(struct kunit *test)
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

static void room_between_live_ranges_of_runs_is_found(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int cpu = another_cpu(test);
	unsigned long i;

	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP);
	for (i = 0; i < 40; i++)
		free_on(test, cpu, f->pfns[i], 1);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 32, TOP, false), 0);
	/* The first 40 were the highest: one hole of 32 aligned pages. */
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 32, TOP, true), TOP - 31);
}

static void a_failing_request_has_what_another_cpu_freed(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int cpu = another_cpu(test);
	unsigned long first = alloc_on(test, cpu, 1);

	KUNIT_ASSERT_TRUE(test, has_cache(f, cpu));
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP - 1);
	free_on(test, cpu, first, 1);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 1, TOP, false), first);
}

static void a_failing_request_has_what_another_cpu_would_hand_out(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int cpu = another_cpu(test);
	unsigned long first = alloc_on(test, cpu, 1), pfn;

	/* All is taken but the run that CPU has, and 63 slots it has of it. */
	while ((pfn = alloc_iova_fast(&f->iovad, 1, TOP, false)))
		f->nr++;
	KUNIT_EXPECT_EQ(test, f->nr, TOP - IOVA_RUN_PAGES);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 1, TOP, true),
			first - 1);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 32, TOP, true),
			first - 63);
	f->nr = 0;
	KUNIT_EXPECT_EQ(test, alloc_on(test, cpu, 16), first - 31);
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, IOVA_RUN_PAGES - 1 - 1 - 32 - 16);
}

static void a_request_that_failed_is_remembered_until_a_free(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn;

	expect_no_pfn_twice(test, 16);
	KUNIT_EXPECT_FALSE(test, iova_has_room(&f->iovad, 16, TOP));
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 16, TOP, true), 0);
	KUNIT_EXPECT_FALSE(test, iova_has_room(&f->iovad, 16, TOP));
	pfn = f->pfns[f->nr / 2];
	free_iova(&f->iovad, pfn);
	KUNIT_EXPECT_TRUE(test, iova_has_room(&f->iovad, 16, TOP));
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 16, TOP, true), pfn);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 16, TOP, true), 0);
	/* In a magazine it counts as soon as anybody asks for it. */
	free_iova_fast(&f->iovad, pfn, 16);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 16, TOP, true), pfn);
}

static void a_failure_speaks_for_what_is_as_large_and_limited(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_TRUE(test, iova_has_room(&f->iovad, 1, TOP));
	KUNIT_EXPECT_TRUE(test, iova_has_room(&f->iovad, ~0UL, TOP));
	expect_no_pfn_twice(test, 16);
	KUNIT_EXPECT_FALSE(test, iova_has_room(&f->iovad, 16, TOP));
	KUNIT_EXPECT_FALSE(test, iova_has_room(&f->iovad, 17, TOP));
	KUNIT_EXPECT_FALSE(test, iova_has_room(&f->iovad, 16, TOP - 1));
	KUNIT_EXPECT_TRUE(test, iova_has_room(&f->iovad, 15, TOP));
	KUNIT_EXPECT_TRUE(test, iova_has_room(&f->iovad, 16, TOP + 1));
	/* Pfns 1 to 15 are left. */
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 8, TOP, true), 8);
	KUNIT_EXPECT_GT(test, alloc_iova_fast(&f->iovad, 16, 0xfffff, true), TOP);
}

/* There is no such hole: each time, all magazines are sorted back. */
static int fail_requests(void *data)
{
	struct fixture *f = data;

	while (!kthread_should_stop()) {
		WARN_ON(alloc_iova_fast(&f->iovad, WINDOW, TOP, true));
		cond_resched();
	}
	return 0;
}

static void what_another_cpu_gives_back_can_be_had(struct kunit *test)
{
	const unsigned long all = WINDOW / 16 - 1;	/* but that of pfn 0 */
	struct fixture *f = test->priv;
	struct task_struct *other;
	unsigned long pfn, round, least = all;

	if (num_online_cpus() < 2)
		kunit_skip(test, "there is no other CPU");
	other = kthread_create(fail_requests, f, "iova-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(other));
	kthread_bind(other, cpumask_last(cpu_online_mask));
	wake_up_process(other);
	for (round = 0; round < 200; round++) {
		while ((pfn = alloc_iova_fast(&f->iovad, 16, TOP, true)))
			f->pfns[f->nr++] = pfn;
		least = min(least, f->nr);
		free_all(f, 16);
		cond_resched();
	}
	kthread_stop(other);
	KUNIT_EXPECT_EQ(test, least, all);
}

/* Allocate and free all the time, with everything else free. */
static int use_one(void *data)
{
	struct fixture *f = data;
	unsigned long pfn;

	while (!kthread_should_stop()) {
		pfn = alloc_iova_fast(&f->iovad, 16, TOP, true);
		if (pfn)
			free_iova_fast(&f->iovad, pfn, 16);
		cond_resched();
	}
	return 0;
}

static void a_cpu_keeps_what_it_takes_while_its_run_goes(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int cpu = another_cpu(test), round;
	struct task_struct *other;
	struct iova *iova;

	other = kthread_create(use_one, f, "iova-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(other));
	kthread_bind(other, cpu);
	wake_up_process(other);
	for (round = 0; round < 20000; round++) {
		/* All runs are in its way. */
		iova = alloc_iova(&f->iovad, WINDOW / 2, TOP, true);
		if (iova)
			__free_iova(&f->iovad, iova);
		cond_resched();
	}
	kthread_stop(other);
	iova_drain(&f->iovad);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

#ifdef CONFIG_HOTPLUG_CPU
static void an_offline_cpu_keeps_no_range(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int cpu = another_cpu(test);

	free_on(test, cpu, alloc_on(test, cpu, 1), 1);
	KUNIT_EXPECT_TRUE(test, has_cache(f, cpu));
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
	KUNIT_ASSERT_EQ(test, remove_cpu(cpu), 0);
	KUNIT_EXPECT_FALSE(test, has_cache(f, cpu));
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP);
	free_all(f, 1);
	KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
	free_on(test, cpu, alloc_on(test, cpu, 1), 1);
	KUNIT_EXPECT_TRUE(test, has_cache(f, cpu));
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 0);
}
#endif

static void later_bursts_need_no_tree(struct kunit *test)
{
	const unsigned long burst = 2000;
	struct fixture *f = test->priv;
	unsigned long misses = 0;
	int round;

	for (round = 0; round < 4; round++) {
		for (f->nr = 0; f->nr < burst; f->nr++)
			f->pfns[f->nr] = alloc_iova_fast(&f->iovad, 1,
							 ~0UL >> 12, true);
		free_all(f, 1);
		if (round)
			KUNIT_EXPECT_LE(test, stats_of(f).counts.misses,
					misses + 1);
		misses = stats_of(f).counts.misses;
	}
	/* The first made as many runs as it took. */
	KUNIT_EXPECT_LE(test, misses, burst / IOVA_RUN_PAGES + 4);
}

static void a_placed_range_that_does_not_fit_leaves_nothing(struct kunit *test)
{
	static const struct iova_place anywhere = { .boundary_mask = ~0UL };
	struct fixture *f = test->priv;
	unsigned long pfn;

	pfn = iova_alloc_placed(&f->iovad, 3, TOP, &anywhere);
	KUNIT_EXPECT_EQ(test, pfn, TOP - 2);
	KUNIT_EXPECT_EQ(test, 0, iova_alloc_placed(&f->iovad, 2 * TOP, TOP,
						   &anywhere));
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 1);
	free_iova_fast(&f->iovad, pfn, 3);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

static void an_idle_cpu_loses_its_cache_and_an_active_one_keeps_it(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int cpu = another_cpu(test), window;
	unsigned long pfn = alloc_on(test, cpu, 1);

	free_on(test, cpu, alloc_on(test, cpu, 1), 1);
	for (window = 0; window < 2; window++) {
		use_cache(f);
		KUNIT_EXPECT_TRUE(test, has_cache(f, cpu));
		end_window(f);
	}
	/* It did nothing in the second. */
	KUNIT_EXPECT_FALSE(test, has_cache(f, cpu));
	KUNIT_EXPECT_TRUE(test, has_cache(f, raw_smp_processor_id()));
	KUNIT_EXPECT_EQ(test, live_ranges(f), 1);
	/* It gets another when it allocates. */
	free_on(test, cpu, pfn, 1);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
	alloc_on(test, cpu, 1);
	KUNIT_EXPECT_TRUE(test, has_cache(f, cpu));
}

static void a_cpu_that_only_frees_gets_a_cache(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int cpu = another_cpu(test);
	unsigned long i;

	for (i = 0; i < 200; i++)
		f->pfns[i] = alloc_iova_fast(&f->iovad, 1, TOP, true);
	free_on(test, cpu, f->pfns[0], 1);
	KUNIT_EXPECT_FALSE(test, has_cache(f, cpu));
	/* Not at once, but when one that allocates comes to the lock. */
	for (; i < 2000; i++)
		f->pfns[i] = alloc_iova_fast(&f->iovad, 1, TOP, true);
	KUNIT_EXPECT_TRUE(test, has_cache(f, cpu));
	for (i = 1; i < 2000; i++)
		free_on(test, cpu, f->pfns[i], 1);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 0);
}

static void runs_that_are_all_free_leave_after_a_window(struct kunit *test)
{
	const unsigned long burst = 4 * IOVA_RUN_PAGES;
	struct fixture *f = test->priv;

	for (f->nr = 0; f->nr < burst; f->nr++)
		f->pfns[f->nr] = alloc_iova_fast(&f->iovad, 1, ~0UL >> 12, true);
	free_all(f, 1);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, burst);
	/* They have been free for a part of this one only. */
	end_window(f);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, burst);
	free_iova_fast(&f->iovad,
		       alloc_iova_fast(&f->iovad, 1, ~0UL >> 12, true), 1);
	end_window(f);
	/* What is left is the run of this CPU, and that of its last frees. */
	KUNIT_EXPECT_LE(test, stats_of(f).counts.ranges, 2 * IOVA_RUN_PAGES);
	KUNIT_EXPECT_GT(test, stats_of(f).counts.ranges, 0);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
}

static void an_idle_domain_keeps_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova_rcache *rcache = f->iovad.rcache;
	unsigned int window;

	expect_no_pfn_twice(test, 1);
	free_all(f, 1);
	KUNIT_EXPECT_GT(test, stats_of(f).all_cached, 0);
	for (window = 0; window < 4; window++)
		run_reaper(f);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).all_cached, 0);
	KUNIT_EXPECT_EQ(test, rcache->nr_caches, 0);
	KUNIT_EXPECT_NULL(test, rcache->depot);
	/* Nobody looks any more. */
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&rcache->reaper));
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP);
}

static void what_an_idle_domain_frees_late_leaves_it(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova_rcache *rcache = f->iovad.rcache;
	unsigned int window;

	for (f->nr = 0; f->nr < 300; f->nr++)
		f->pfns[f->nr] = alloc_iova_fast(&f->iovad, 1, TOP, true);
	for (window = 0; window < 4; window++)
		run_reaper(f);
	KUNIT_EXPECT_EQ(test, rcache->nr_caches, 0);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 300);
	cancel_delayed_work_sync(&rcache->reaper);
	free_all(f, 1);
	KUNIT_EXPECT_EQ(test, live_ranges(f), 0);
	KUNIT_EXPECT_TRUE(test, delayed_work_pending(&rcache->reaper));
	for (window = 0; window < 3; window++)
		run_reaper(f);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

static void the_reaper_comes_by_itself(struct kunit *test)
{
	struct fixture *f = test->priv;
	int i;

	cancel_delayed_work_sync(&f->iovad.rcache->reaper);
	expect_no_pfn_twice(test, 1);
	free_all(f, 1);
	for (i = 0; i < 150 && stats_of(f).counts.ranges; i++)
		msleep(100);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

static void a_low_free_after_many_bad_ones_is_refused_too(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn;

	/* Only ten of these warnings are printed in five seconds. */
	msleep(5 * MSEC_PER_SEC);
	use_cache(f);
	for (pfn = 1; pfn <= IOVA_BAD_MAX; pfn++)
		free_iova_fast(&f->iovad, pfn, 1);
	/* All of them come to light by now, or later. */
	expect_warning("free of pfn 0x1 ");
	expect_warning("free of pfn 0x2 ");
	expect_warning("free of pfn 0x3 ");
	expect_warning("free of pfn 0x4 ");
	expect_warning("free of pfn 0 ");
	free_iova_fast(&f->iovad, 0, 1);
	iova_drain(&f->iovad);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, IOVA_BAD_MAX + 1);
}

static void an_idle_domain_is_small(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_DEBUG_SPINLOCK) || IS_ENABLED(CONFIG_DEBUG_OBJECTS_WORK))
		kunit_skip(test, "locks and work items are larger when they are debugged");
	KUNIT_EXPECT_LE(test, sizeof(struct iova), 64);
	KUNIT_EXPECT_LE(test, sizeof(struct iova_run), 192);
	KUNIT_EXPECT_LE(test, sizeof(struct iova_cpu), SZ_1K);
	/* With a pointer for each of 8 CPUs. */
	KUNIT_EXPECT_LE(test, kmalloc_size_roundup(sizeof(struct iova_rcache)) +
			      sizeof(struct iova_domain) + 8 * sizeof(void *),
			SZ_1K);
}

static void a_domain_can_be_made_again(struct kunit *test)
{
	struct fixture *f = test->priv;

	free_iova_fast(&f->iovad, alloc_iova_fast(&f->iovad, 4, TOP, true), 4);
	alloc_iova_fast(&f->iovad, 4, TOP, true);
	put_iova_domain(&f->iovad);
	init_iova_domain(&f->iovad, SZ_4K, 1);
	KUNIT_ASSERT_EQ(test, iova_domain_init_rcaches(&f->iovad), 0);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 4, TOP, true), TOP - 3);
}

static void a_domain_without_caches_works(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn;

	put_iova_domain(&f->iovad);
	init_iova_domain(&f->iovad, SZ_4K, 1);
	pfn = alloc_iova_fast(&f->iovad, 4, TOP, true);
	KUNIT_EXPECT_EQ(test, pfn, TOP - 3);
	free_iova_fast(&f->iovad, pfn, 4);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

static void caches_are_not_made_twice(struct kunit *test)
{
	struct fixture *f = test->priv;

	expect_warning("iova_domain_init_rcaches");
	KUNIT_EXPECT_EQ(test, iova_domain_init_rcaches(&f->iovad), -EBUSY);
}

static void a_bad_granule_is_refused(struct kunit *test)
{
	static const unsigned long granules[] = { 0, 3000, PAGE_SIZE * 2 };
	struct fixture *f = test->priv;
	unsigned int i;

	put_iova_domain(&f->iovad);
	for (i = 0; i < ARRAY_SIZE(granules); i++) {
		expect_warning("is no power of two up to PAGE_SIZE");
		init_iova_domain(&f->iovad, granules[i], 1);
		KUNIT_EXPECT_EQ(test, iova_domain_init_rcaches(&f->iovad), -EINVAL);
		KUNIT_EXPECT_NULL(test, alloc_iova(&f->iovad, 1, ~0UL, true));
	}
}

static void a_small_granule_works(struct kunit *test)
{
	struct fixture *f = test->priv;

	put_iova_domain(&f->iovad);
	init_iova_domain(&f->iovad, 512, 1);
	KUNIT_ASSERT_EQ(test, iova_domain_init_rcaches(&f->iovad), 0);
	KUNIT_EXPECT_EQ(test, iova_shift(&f->iovad), 9);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 3, TOP, true), TOP - 3);
}

static void a_granule_of_8_bytes_works_without_caches(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn;

	put_iova_domain(&f->iovad);
	init_iova_domain(&f->iovad, 8, 1);
	KUNIT_ASSERT_EQ(test, iova_domain_init_rcaches(&f->iovad), 0);
	pfn = alloc_iova_fast(&f->iovad, 3, TOP, true);
	KUNIT_EXPECT_EQ(test, pfn, TOP - 3);
	free_iova_fast(&f->iovad, pfn, 3);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

static void pfn_0_is_never_a_fast_allocation(struct kunit *test)
{
	struct fixture *f = test->priv;

	put_iova_domain(&f->iovad);
	init_iova_domain(&f->iovad, SZ_4K, 0);
	KUNIT_ASSERT_EQ(test, iova_domain_init_rcaches(&f->iovad), 0);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 8, 7, true), 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
	keep_reaper_away(f);
	expect_no_pfn_twice(test, 1);
	KUNIT_EXPECT_EQ(test, f->nr, TOP);
	KUNIT_EXPECT_EQ(test, live_ranges(f), TOP);
}

static struct kunit_case iova_cases[] = {
	KUNIT_CASE(allocations_come_from_the_top),
	KUNIT_CASE(sizes_are_naturally_aligned),
	KUNIT_CASE(every_hole_is_found_again_at_the_highest_place),
	KUNIT_CASE(a_failing_request_poisons_no_other_limit),
	KUNIT_CASE(what_is_allocated_in_a_row_lies_in_a_row),
	KUNIT_CASE(a_freed_address_comes_again_late),
	KUNIT_CASE(what_is_freed_can_all_be_had_again),
	KUNIT_CASE(a_class_takes_the_sizes_up_to_it),
	KUNIT_CASE(the_caches_serve_4_mib),
	KUNIT_CASE(a_hole_smaller_than_the_class_is_used),
	KUNIT_CASE(mixing_the_apis_hands_no_page_out_twice),
	KUNIT_CASE(an_unaligned_range_comes_back_as_pages_only),
	KUNIT_CASE(caches_honour_the_limit),
	KUNIT_CASE(what_is_free_below_a_limit_is_had_there),
	KUNIT_CASE(a_limit_of_all_ones_works),
	KUNIT_CASE(a_size_above_the_limit_fails),
	KUNIT_CASE(ranges_that_do_not_overlap_are_reserved_apart),
	KUNIT_CASE(a_reservation_grows_what_it_overlaps),
	KUNIT_CASE(a_reservation_spans_more_ranges_than_a_batch),
	KUNIT_CASE(a_reservation_inside_another_gives_that),
	KUNIT_CASE(reserved_pages_are_not_handed_out),
	KUNIT_CASE(a_reservation_takes_what_is_cached),
	KUNIT_CASE(a_reservation_leaves_fast_ranges_to_their_owners),
	KUNIT_CASE(free_pfns_are_reserved_between_fast_ranges),
	KUNIT_CASE(a_reservation_beyond_the_space_is_refused),
	KUNIT_CASE(find_gives_the_range_that_holds_a_pfn),
	KUNIT_CASE(find_gives_a_fast_range_and_no_other),
	KUNIT_CASE(find_leaves_what_is_free_as_it_is),
	KUNIT_CASE(any_pfn_of_a_fast_range_frees_it),
	KUNIT_CASE(a_free_of_an_unknown_pfn_is_refused),
	KUNIT_CASE(a_fast_free_of_pfn_0_is_refused),
	KUNIT_CASE(a_fast_free_too_large_for_a_cache_is_validated),
	KUNIT_CASE(a_bad_free_without_a_cache_is_refused_at_once),
	KUNIT_CASE(a_bad_free_comes_to_light_when_the_cache_drains),
	KUNIT_CASE(a_second_free_is_refused_when_the_magazine_is_sorted_back),
	KUNIT_CASE(a_free_of_what_waits_to_be_handed_out_is_refused),
	KUNIT_CASE(a_free_of_another_class_is_refused),
	KUNIT_CASE(a_free_of_no_pages_is_refused),
	KUNIT_CASE(room_between_live_ranges_of_runs_is_found),
	KUNIT_CASE(a_failing_request_has_what_another_cpu_freed),
	KUNIT_CASE(a_failing_request_has_what_another_cpu_would_hand_out),
	KUNIT_CASE(a_request_that_failed_is_remembered_until_a_free),
	KUNIT_CASE(a_failure_speaks_for_what_is_as_large_and_limited),
	KUNIT_CASE(what_another_cpu_gives_back_can_be_had),
	KUNIT_CASE_SLOW(a_cpu_keeps_what_it_takes_while_its_run_goes),
#ifdef CONFIG_HOTPLUG_CPU
	KUNIT_CASE(an_offline_cpu_keeps_no_range),
#endif
	KUNIT_CASE(later_bursts_need_no_tree),
	KUNIT_CASE(a_placed_range_that_does_not_fit_leaves_nothing),
	KUNIT_CASE(an_idle_cpu_loses_its_cache_and_an_active_one_keeps_it),
	KUNIT_CASE(a_cpu_that_only_frees_gets_a_cache),
	KUNIT_CASE(runs_that_are_all_free_leave_after_a_window),
	KUNIT_CASE(an_idle_domain_keeps_nothing),
	KUNIT_CASE(what_an_idle_domain_frees_late_leaves_it),
	KUNIT_CASE_SLOW(the_reaper_comes_by_itself),
	KUNIT_CASE_SLOW(a_low_free_after_many_bad_ones_is_refused_too),
	KUNIT_CASE(an_idle_domain_is_small),
	KUNIT_CASE(a_domain_can_be_made_again),
	KUNIT_CASE(a_domain_without_caches_works),
	KUNIT_CASE(caches_are_not_made_twice),
	KUNIT_CASE(a_bad_granule_is_refused),
	KUNIT_CASE(a_small_granule_works),
	KUNIT_CASE(a_granule_of_8_bytes_works_without_caches),
	KUNIT_CASE(pfn_0_is_never_a_fast_allocation),
	{}
};

static struct kunit_suite iova_suite = {
	.name = "iova",
	.init = iova_test_init,
	.exit = iova_test_exit,
	.test_cases = iova_cases,
};

kunit_test_suite(iova_suite);

MODULE_DESCRIPTION("KUnit tests of the IOVA allocator");
MODULE_LICENSE("GPL");
