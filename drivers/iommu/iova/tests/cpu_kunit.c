// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the IOVA allocator: other CPUs, what is given back, and domains.
 */

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/kthread.h>

#include "iova_kunit.h"

void room_between_live_ranges_of_runs_is_found(struct kunit *test)
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

void a_failing_request_has_what_another_cpu_freed(struct kunit *test)
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

void a_failing_request_has_what_another_cpu_would_hand_out(struct kunit *test)
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

void a_request_that_failed_is_remembered_until_a_free(struct kunit *test)
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

void a_failure_speaks_for_what_is_as_large_and_limited(struct kunit *test)
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

void what_another_cpu_gives_back_can_be_had(struct kunit *test)
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

void a_cpu_keeps_what_it_takes_while_its_run_goes(struct kunit *test)
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
void an_offline_cpu_keeps_no_range(struct kunit *test)
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

void later_bursts_need_no_tree(struct kunit *test)
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

void a_placed_range_that_does_not_fit_leaves_nothing(struct kunit *test)
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

void an_idle_cpu_loses_its_cache_and_an_active_one_keeps_it(struct kunit *test)
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

void a_cpu_that_only_frees_gets_a_cache(struct kunit *test)
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

void runs_that_are_all_free_leave_after_a_window(struct kunit *test)
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

void an_idle_domain_keeps_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova_rcache *rcache = f->iovad.rcache;
	unsigned int window;

	let_reaper_come(f);
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

void what_an_idle_domain_frees_late_leaves_it(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iova_rcache *rcache = f->iovad.rcache;
	unsigned int window;

	let_reaper_come(f);
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

void the_reaper_comes_by_itself(struct kunit *test)
{
	struct fixture *f = test->priv;
	int i;

	let_reaper_come(f);
	expect_no_pfn_twice(test, 1);
	free_all(f, 1);
	for (i = 0; i < 150 && stats_of(f).counts.ranges; i++)
		msleep(100);
	KUNIT_EXPECT_EQ(test, stats_of(f).counts.ranges, 0);
}

void a_low_free_after_many_bad_ones_is_refused_too(struct kunit *test)
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

void an_idle_domain_is_small(struct kunit *test)
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

void a_domain_can_be_made_again(struct kunit *test)
{
	struct fixture *f = test->priv;

	free_iova_fast(&f->iovad, alloc_iova_fast(&f->iovad, 4, TOP, true), 4);
	alloc_iova_fast(&f->iovad, 4, TOP, true);
	put_iova_domain(&f->iovad);
	init_iova_domain(&f->iovad, SZ_4K, 1);
	KUNIT_ASSERT_EQ(test, iova_domain_init_rcaches(&f->iovad), 0);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 4, TOP, true), TOP - 3);
}

void a_domain_without_caches_works(struct kunit *test)
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

void caches_are_not_made_twice(struct kunit *test)
{
	struct fixture *f = test->priv;

	expect_warning("iova_domain_init_rcaches");
	KUNIT_EXPECT_EQ(test, iova_domain_init_rcaches(&f->iovad), -EBUSY);
}

void a_bad_granule_is_refused(struct kunit *test)
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

void a_small_granule_works(struct kunit *test)
{
	struct fixture *f = test->priv;

	put_iova_domain(&f->iovad);
	init_iova_domain(&f->iovad, 512, 1);
	KUNIT_ASSERT_EQ(test, iova_domain_init_rcaches(&f->iovad), 0);
	KUNIT_EXPECT_EQ(test, iova_shift(&f->iovad), 9);
	KUNIT_EXPECT_EQ(test, alloc_iova_fast(&f->iovad, 3, TOP, true), TOP - 3);
}

void a_granule_of_8_bytes_works_without_caches(struct kunit *test)
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

void pfn_0_is_never_a_fast_allocation(struct kunit *test)
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
