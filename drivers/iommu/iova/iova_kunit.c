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

#include "internal.h"

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
	mod_delayed_work(system_wq, &f->iovad.rcache->reaper, 3600 * HZ);
}

static void call_reaper(struct fixture *f)
{
	mod_delayed_work(system_wq, &f->iovad.rcache->reaper, 0);
}

/* Let what is asked for get ready. */
static void wait_for_supply(struct fixture *f)
{
	flush_work(&f->iovad.rcache->supply);
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
	unsigned int i;

	/* Nothing below 24 bits of address is left for 16 pages. */
	KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, 1, 4095 - 8));
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		unsigned long limit = (~0ULL >> (64 - bits[i])) >> 12;

		KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 16, 4095, true), 0);
		KUNIT_EXPECT_NULL(test, alloc_iova(&f->iovad, 16, 4095, true));
		KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 16, limit, true),
				(limit + 1 - 16) & ~15UL);
	}
}

static void a_freed_range_of_each_class_is_used_again(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int class;

	for (class = 0; class < IOVA_CLASSES; class++) {
		unsigned long size = iova_class_size(class), pfn;

		if (!iova_size_is_cached(size))
			break;
		pfn = alloc_iova_fast(&f->iovad, size, 0xfffff, true);
		KUNIT_ASSERT_NE(test, pfn, 0);
		free_iova_fast(&f->iovad, pfn, size);
		/* All classes need more than all domains have ready. */
		wait_for_supply(f);
		KUNIT_EXPECT_EQ(test, stats_of(f).cached[class], 1);
		KUNIT_EXPECT_EQ(test, pfn,
				alloc_iova_fast(&f->iovad, size, 0xfffff, true));
		KUNIT_EXPECT_EQ(test, stats_of(f).cached[class], 0);
	}
}

static void a_class_takes_the_sizes_up_to_it(struct kunit *test)
{
	unsigned long size, last = 0;

	for (size = 1; size <= IOVA_CACHED_MAX; size++) {
		unsigned int class = iova_size_class(size);
		unsigned long rounded = iova_class_size(class);

		KUNIT_ASSERT_LT(test, class, IOVA_CLASSES);
		KUNIT_EXPECT_GE(test, rounded, size);
		KUNIT_EXPECT_LE(test, class, last + 1);
		if (size > IOVA_SMALL_MAX)
			KUNIT_EXPECT_LE(test, 4 * (rounded - size), size);
		else
			KUNIT_EXPECT_EQ(test, rounded, roundup_pow_of_two(size));
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

	/* Only pfns 64 to 96, which 33 pages fit but their class of 40 not. */
	KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, 1, 63));
	KUNIT_ASSERT_NOT_NULL(test, reserve_iova(&f->iovad, 97, TOP));
	pfn = alloc_iova_fast(&f->iovad, 33, TOP, true);
	KUNIT_EXPECT_EQ(test, pfn, 64);
	free_iova_fast(&f->iovad, pfn, 33);
	KUNIT_EXPECT_EQ(test, stats_of(f).all_cached, 0);
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

static void an_unaligned_range_stays_out_of_the_caches(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova *iova;

	KUNIT_ASSERT_NOT_NULL(test, alloc_iova(&f->iovad, 1, TOP, false));
	iova = alloc_iova(&f->iovad, 8, TOP, false);
	KUNIT_ASSERT_NOT_NULL(test, iova);
	KUNIT_ASSERT_NE(test, iova->pfn_lo & 7, 0);
	free_iova_fast(&f->iovad, iova->pfn_lo, 8);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 8, TOP, true) & 7, 0);
}

static void caches_honour_the_limit(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long high = alloc_iova_fast(&f->iovad, 4, 0xfffff, true);

	free_iova_fast(&f->iovad, high, 4);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 4, high + 2, true), high - 4);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 4, high + 3, true), high);
}

static void a_limit_of_all_ones_works(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 8, ~0UL, true),
			~0UL - 15);
	KUNIT_EXPECT_EQ(test, alloc_iova(&f->iovad, 1, ~0UL, true)->pfn_lo,
			~0UL - 1);
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

struct remote_free {
	struct iova_domain *iovad;
	unsigned long pfn;
	unsigned long size;
};

static long free_here(void *arg)
{
	struct remote_free *r = arg;

	free_iova_fast(r->iovad, r->pfn, r->size);
	return 0;
}

static void free_on(struct kunit *test, unsigned int cpu, unsigned long pfn,
		    unsigned long size)
{
	struct fixture *f = test->priv;
	struct remote_free r = { &f->iovad, pfn, size };

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	KUNIT_ASSERT_EQ(test, work_on_cpu(cpu, free_here, &r), 0);
}

static void free_on_another_cpu(struct kunit *test, unsigned long pfn,
				unsigned long size)
{
	free_on(test, cpumask_any_but(cpu_online_mask, raw_smp_processor_id()),
		pfn, size);
}

static void a_bad_free_comes_to_light_when_the_cache_drains(struct kunit *test)
{
	struct fixture *f = test->priv;

	free_iova_fast(&f->iovad, 77, 1);
	expect_warning("free of pfn 0x4d");
	iova_drain(&f->iovad);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.refused, 1);
	expect_no_pfn_twice(test, 1);
}

static void flushing_takes_back_what_another_cpu_holds(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i, nr;

	expect_no_pfn_twice(test, 1);
	nr = f->nr;
	KUNIT_EXPECT_EQ(test, nr, TOP);
	for (i = 0; i < 40; i++)
		free_on_another_cpu(test, f->pfns[i], 1);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 32, TOP, false), 0);
	/* The first 40 were the highest: one hole of 32 aligned pages. */
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 32, TOP, true), TOP - 31);
}

/* There is no such hole: each time, all that caches hold is given back. */
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

#ifdef CONFIG_HOTPLUG_CPU
static void an_offline_cpu_keeps_no_range(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pfn = alloc_iova_fast(&f->iovad, 1, TOP, true);
	unsigned int cpu = cpumask_last(cpu_online_mask);

	free_on(test, cpu, pfn, 1);
	KUNIT_EXPECT_EQ(test, stats_of(f).all_cached, 1);
	KUNIT_ASSERT_EQ(test, remove_cpu(cpu), 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).all_cached, 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
	KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
}
#endif

static void magazines_are_ready_for_the_next_burst(struct kunit *test)
{
	const unsigned long burst = 2000;
	struct fixture *f = test->priv;
	int round;

	for (round = 0; round < 4; round++) {
		for (f->nr = 0; f->nr < burst; f->nr++)
			f->pfns[f->nr] = alloc_iova_fast(&f->iovad, 1,
							 ~0UL >> 12, true);
		free_all(f, 1);
		wait_for_supply(f);
	}
	KUNIT_EXPECT_GE(test, stats_of(f).all_cached, burst);
}

static void ranges_are_ready_for_the_next_allocations(struct kunit *test)
{
	struct fixture *f = test->priv;
	int i;

	for (i = 0; i < 20; i++)
		alloc_iova_fast(&f->iovad, 1, TOP, true);
	free_iova_fast(&f->iovad, alloc_iova_fast(&f->iovad, 2, TOP, true), 2);
	wait_for_supply(f);
	KUNIT_EXPECT_GE(test, f->iovad.nr_spares, IOVA_SPARES_MIN);
}

static void a_placed_range_is_one_that_was_ready(struct kunit *test)
{
	static const struct iova_place anywhere = { .boundary_mask = ~0UL };
	struct fixture *f = test->priv;
	unsigned int before;
	unsigned long pfn;
	int i;

	for (i = 0; i < 20; i++)
		alloc_iova_fast(&f->iovad, 1, TOP, true);
	free_iova_fast(&f->iovad, alloc_iova_fast(&f->iovad, 2, TOP, true), 2);
	wait_for_supply(f);
	before = f->iovad.nr_spares;
	pfn = iova_alloc_placed(&f->iovad, 3, TOP, &anywhere);
	KUNIT_EXPECT_NE(test, pfn, 0);
	KUNIT_EXPECT_EQ(test, f->iovad.nr_spares, before - 1);
	/* One that does not fit takes none. */
	KUNIT_EXPECT_EQ(test, 0, iova_alloc_placed(&f->iovad, 2 * TOP, TOP,
						   &anywhere));
	KUNIT_EXPECT_EQ(test, f->iovad.nr_spares, before - 1);
	free_iova_fast(&f->iovad, pfn, 3);
}

static void the_reaper_returns_all_that_is_idle(struct kunit *test)
{
	struct fixture *f = test->priv;
	int i;

	expect_no_pfn_twice(test, 1);
	free_all(f, 1);
	KUNIT_EXPECT_GT(test, stats_of(f).all_cached, 0);
	call_reaper(f);
	for (i = 0; i < 150 && stats_of(f).all_cached; i++)
		msleep(100);
	KUNIT_EXPECT_EQ(test, stats_of(f).all_cached, 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

static void cached_ranges_stay_below_twice_the_peak(struct kunit *test)
{
	struct fixture *f = test->priv;
	const unsigned long live = 40;
	int i;

	expect_no_pfn_twice(test, 1);
	while (f->nr > live)
		free_iova_fast(&f->iovad, f->pfns[--f->nr], 1);
	call_reaper(f);
	for (i = 0; i < 150 && stats_of(f).all_cached > 2 * live; i++)
		msleep(100);
	KUNIT_EXPECT_LE(test, stats_of(f).all_cached, 2 * live);
	KUNIT_EXPECT_GT(test, stats_of(f).all_cached, 0);
}

static void an_idle_domain_is_small(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_DEBUG_SPINLOCK) || IS_ENABLED(CONFIG_DEBUG_OBJECTS_WORK))
		kunit_skip(test, "locks and work items are larger when they are debugged");
	KUNIT_EXPECT_LE(test, sizeof(struct iova), 64);
	KUNIT_EXPECT_LE(test, sizeof(struct iova_cpu_cache), 256);
	KUNIT_EXPECT_LE(test, kmalloc_size_roundup(sizeof(struct iova_rcache)) +
			      sizeof(struct iova_domain), SZ_1K);
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

static void pfn_0_is_never_a_fast_allocation(struct kunit *test)
{
	struct fixture *f = test->priv;

	put_iova_domain(&f->iovad);
	init_iova_domain(&f->iovad, SZ_4K, 0);
	KUNIT_ASSERT_EQ(test, iova_domain_init_rcaches(&f->iovad), 0);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 8, 7, true), 0);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

static struct kunit_case iova_cases[] = {
	KUNIT_CASE(allocations_come_from_the_top),
	KUNIT_CASE(sizes_are_naturally_aligned),
	KUNIT_CASE(every_hole_is_found_again_at_the_highest_place),
	KUNIT_CASE(a_failing_request_poisons_no_other_limit),
	KUNIT_CASE(a_freed_range_of_each_class_is_used_again),
	KUNIT_CASE(a_class_takes_the_sizes_up_to_it),
	KUNIT_CASE(the_caches_serve_4_mib),
	KUNIT_CASE(a_hole_smaller_than_the_class_is_used),
	KUNIT_CASE(mixing_the_apis_hands_no_page_out_twice),
	KUNIT_CASE(an_unaligned_range_stays_out_of_the_caches),
	KUNIT_CASE(caches_honour_the_limit),
	KUNIT_CASE(a_limit_of_all_ones_works),
	KUNIT_CASE(a_size_above_the_limit_fails),
	KUNIT_CASE(ranges_that_do_not_overlap_are_reserved_apart),
	KUNIT_CASE(a_reservation_grows_what_it_overlaps),
	KUNIT_CASE(a_reservation_spans_more_ranges_than_a_batch),
	KUNIT_CASE(a_reservation_inside_another_gives_that),
	KUNIT_CASE(reserved_pages_are_not_handed_out),
	KUNIT_CASE(a_reservation_beyond_the_space_is_refused),
	KUNIT_CASE(find_gives_the_range_that_holds_a_pfn),
	KUNIT_CASE(a_free_of_an_unknown_pfn_is_refused),
	KUNIT_CASE(a_fast_free_of_pfn_0_is_refused),
	KUNIT_CASE(a_fast_free_too_large_for_a_cache_is_validated),
	KUNIT_CASE(a_bad_free_comes_to_light_when_the_cache_drains),
	KUNIT_CASE(flushing_takes_back_what_another_cpu_holds),
	KUNIT_CASE(what_another_cpu_gives_back_can_be_had),
#ifdef CONFIG_HOTPLUG_CPU
	KUNIT_CASE(an_offline_cpu_keeps_no_range),
#endif
	KUNIT_CASE(magazines_are_ready_for_the_next_burst),
	KUNIT_CASE(ranges_are_ready_for_the_next_allocations),
	KUNIT_CASE(a_placed_range_is_one_that_was_ready),
	KUNIT_CASE_SLOW(the_reaper_returns_all_that_is_idle),
	KUNIT_CASE_SLOW(cached_ranges_stay_below_twice_the_peak),
	KUNIT_CASE(an_idle_domain_is_small),
	KUNIT_CASE(a_domain_can_be_made_again),
	KUNIT_CASE(a_domain_without_caches_works),
	KUNIT_CASE(caches_are_not_made_twice),
	KUNIT_CASE(a_bad_granule_is_refused),
	KUNIT_CASE(a_small_granule_works),
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
