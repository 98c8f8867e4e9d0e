// SPDX-License-Identifier: GPL-2.0-only
/* What is cached and not needed is given back. */

#include "unit.h"

UNIT_TEST(runs_that_are_all_free_make_way_for_other_sizes)
{
	unsigned long n = (WINDOW - 512) / 16, i;

	begin(true);
	allocate_many(n, 16, TOP);
	free_many(0, n, 16);
	iova_magazines_sort(iovad);
	expect(stats_now().runs[4] == n / 32, "%lu runs", stats_now().runs[4]);
	for (i = 0; i < 512; i++)
		expect(alloc_iova_fast(iovad, 1, TOP, true), "page %lu", i);
	expect(stats_now().runs[0] == 1, "%lu runs of pages", stats_now().runs[0]);
	end();
}

UNIT_TEST(a_cpu_that_goes_gives_all_back)
{
	unsigned long i;

	begin(true);
	shim_set_cpu(3);
	allocate_many(50, 16, TOP);
	free_many(0, 50, 16);
	expect(cache_of(3)->mask[4], "nothing waits");
	shim_set_cpu(0);
	shim_cpu_down(3);
	expect(!cache_of(3), "it has a cache");
	i = stats_now().all_cached;
	expect(iovad->rcache->depot->free[0][4] == i, "%u of %lu are in runs",
	       iovad->rcache->depot->free[0][4], i);
	shim_cpu_up(3);
	end();
}

UNIT_TEST(a_cpu_that_only_frees_gets_a_cache)
{
	unsigned long i;

	begin(true);
	allocate_many(200, 1, HIGH);
	free_many(0, 100, 1);
	shim_set_cpu(1);
	free_iova_fast(iovad, many[100], 1);
	expect(!cache_of(1), "it has one without an allocation");
	shim_set_cpu(0);
	/* No run is made for these. */
	i = nr_runs();
	allocate_many(100, 1, HIGH);
	expect(nr_runs() == i, "a run was made");
	expect(cache_of(1), "it has none");
	end();
}

UNIT_TEST(the_cache_of_an_idle_cpu_goes_after_two_windows)
{
	unsigned long i, tick;

	begin(true);
	shim_set_cpu(1);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 1, HIGH, true), 1);
	shim_set_cpu(0);
	for (tick = 0; tick < 30; tick++) {
		for (i = 0; i < 24; i++)
			many[i] = alloc_iova_fast(iovad, 1, HIGH, true);
		free_many(0, 24, 1);
		shim_run_works(HZ / 10);
		if (tick == 5)
			expect(cache_of(1), "it is gone before");
	}
	expect(cache_of(0), "that of a busy one is gone, too");
	expect(!cache_of(1), "it stays");
	end();
}

/* Ranges of the tree, one for each that is sorted back: its magazine stays full. */
UNIT_TEST(a_cpu_that_frees_keeps_its_cache_whatever_it_frees)
{
	unsigned long tick, i;
	struct iova *iova;

	begin(true);
	alloc_iova_fast(iovad, 1, HIGH, true);
	for (tick = 0; tick < 50; tick++) {
		for (i = 0; i < 24; i++) {
			iova = alloc_iova(iovad, 3, HIGH, true);
			if (expect(iova, "alloc_iova"))
				free_iova_fast(iovad, iova->pfn_lo, 3);
		}
		shim_run_works(HZ / 10);
	}
	expect(cache_of(0), "it is gone");
	end();
}

#define MANY_CPUS	64U

static void read_the_counters(void)
{
	stats_now();
}

static void let_a_window_pass(void)
{
	shim_run_works(HZ + 1);
}

UNIT_TEST(no_hold_of_the_lock_is_for_the_caches_of_all_cpus)
{
	const struct {
		const char *name;
		void (*call)(void);
	} calls[] = {
		{ "the counters", read_the_counters },
		{ "the reaper", let_a_window_pass },
		{ "a drain", drain_the_caches },
	};
	unsigned int i, cpu;
	unsigned long holds;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		shim_set_possible(MANY_CPUS);
		begin(true);
		for (cpu = 0; cpu < MANY_CPUS; cpu++) {
			shim_set_cpu(cpu);
			free_iova_fast(iovad, alloc_iova_fast(iovad, 1, HIGH, true), 1);
		}
		shim_set_cpu(0);
		iova_magazines_sort(iovad);
		holds = holds_of(calls[i].call);
		expect(holds >= MANY_CPUS, "%s: %lu holds of the lock", calls[i].name,
		       holds);
		end();
		shim_set_possible(4);
	}
}

UNIT_TEST(light_load_hits)
{
	unsigned long i, tick, misses = 0;
	unsigned int cpu;

	begin(true);
	for (tick = 0; tick < 100; tick++) {
		if (tick == 5)
			misses = stats_now().counts.misses;
		for (cpu = 0; cpu < 4; cpu++) {
			shim_set_cpu(cpu);
			for (i = 0; i < 24; i++)
				many[i] = alloc_iova_fast(iovad, 1, HIGH, true);
			free_many(0, 24, 1);
		}
		shim_set_cpu(0);
		shim_run_works(HZ / 10);
	}
	misses = stats_now().counts.misses - misses;
	expect(!misses, "%lu misses of %d", misses, 95 * 4 * 24);
	end();
}

UNIT_TEST(runs_that_are_all_free_go_after_a_window)
{
	begin(true);
	allocate_many(20 * 512, 1, HIGH);
	free_many(1, 20 * 512, 1);
	sort_magazines();
	shim_run_works(0);
	expect(nr_runs() == 20, "%lu runs", nr_runs());
	shim_run_works(3 * HZ);
	expect(nr_runs() <= 2, "%lu runs stay", nr_runs());
	end();
}

UNIT_TEST(runs_that_bursts_need_stay)
{
	unsigned long misses = 0;
	unsigned int round;

	begin(true);
	for (round = 0; round < 100; round++) {
		if (round == 2)
			misses = stats_now().counts.misses;
		allocate_many(2000, 2, HIGH);
		free_many(0, 2000, 2);
		shim_run_works(HZ / 20);
	}
	misses = stats_now().counts.misses - misses;
	expect(misses < 10, "%lu misses of 196 000", misses);
	end();
}

UNIT_TEST(a_run_freed_past_the_magazines_goes)
{
	unsigned long way, i;

	for (way = 0; way < 2; way++) {
		begin(true);
		allocate_many(100, 1, HIGH);
		/* Nothing is left to do until these are freed. */
		shim_run_works(10 * HZ);
		expect(!cache_of(0) && !shim_queued_works(), "the reaper runs");
		for (i = 0; i < 100; i++) {
			if (way)
				free_iova_fast(iovad, many[i], 1);
			else
				free_iova(iovad, many[i]);
		}
		expect(nr_runs() == 1, "%lu runs", nr_runs());
		shim_run_works(10 * HZ);
		expect(!nr_runs() && !stats_now().counts.ranges, "%lu runs stay",
		       nr_runs());
		expect(!iovad->rcache->depot, "the depot stays");
		end();
	}
}

UNIT_TEST(an_idle_domain_is_small)
{
	/* What the shim takes more for a pointer of each CPU. */
	const long more = shim_possible * (64 - 8);
	long before, after;
	unsigned int i, round;

	expect(sizeof(struct iova) <= 64, "struct iova");
	expect(!iova_cache_get(), "get");
	before = shim_bytes();
	iovad = our_ops.domain_new(4096, 1);
	expect(!iova_domain_init_rcaches(iovad), "init");
	after = shim_bytes() - before + sizeof(*iovad) - more;
	expect(after <= 1024, "%ld bytes", after);

	for (round = 0; round < 40; round++) {
		shim_set_cpu(round % 4);
		for (i = 0; i < 500; i++)
			many[i] = alloc_iova_fast(iovad, 1 + i % 100, HIGH, true);
		for (i = 0; i < 500; i++)
			free_iova_fast(iovad, many[i], 1 + i % 100);
	}
	shim_set_cpu(0);
	shim_run_works(10 * HZ);
	after = shim_bytes() - before + sizeof(*iovad) - more;
	expect(!stats_now().counts.ranges, "%lu ranges after an idle time",
	       stats_now().counts.ranges);
	expect(after <= 1024, "%ld bytes after an idle time", after);
	expect(!shim_queued_works(), "the reaper still runs");
	end();
}

UNIT_TEST(a_drain_leaves_only_runs_that_are_needed)
{
	unsigned long i;

	begin(true);
	for (i = 0; i < 3000; i++) {
		shim_set_cpu(i % 4);
		many[i] = alloc_iova_fast(iovad, 1 + i % 64, HIGH, true);
	}
	for (i = 1; i < 3000; i++) {
		shim_set_cpu(i % 3);
		free_iova_fast(iovad, many[i], 1 + i % 64);
	}
	shim_set_cpu(0);
	iova_drain(iovad);
	expect(nr_runs() == 1, "%lu runs stay", nr_runs());
	expect(stats_now().counts.ranges - stats_now().all_cached == 1, "live");
	free_iova_fast(iovad, many[0], 1);
	iova_drain(iovad);
	expect(!stats_now().counts.ranges, "%lu ranges stay",
	       stats_now().counts.ranges);
	end();
}

/* They have many hints. */
UNIT_TEST(long_runs_are_given_back_a_few_at_a_time)
{
	unsigned long pages[40 * 128], holds, i;

	begin(true);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = alloc_iova_fast(iovad, 1024, HIGH, true);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		free_iova_fast(iovad, pages[i], 1024);
	iova_drain(iovad);
	holds = holds_of(drain_the_caches);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = alloc_iova_fast(iovad, 1024, HIGH, true);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		free_iova_fast(iovad, pages[i], 1024);
	iova_magazines_sort(iovad);
	expect(stats_now().runs[10] == 40, "%lu runs", stats_now().runs[10]);
	holds = holds_of(drain_the_caches) - holds;
	expect(holds >= 40 / 5, "%lu holds of the lock for 40 runs", holds);
	end();
}
