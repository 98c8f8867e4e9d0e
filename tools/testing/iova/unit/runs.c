// SPDX-License-Identifier: GPL-2.0-only
/* Which runs are made, and which slots of them a CPU gets. */

#include "unit.h"

UNIT_TEST(classes_are_powers_of_two_up_to_4_mib)
{
	unsigned long size, pfn, hits, ranges;

	expect(iova_rcache_range() == 4UL << 20, "range %lu", iova_rcache_range());
	begin(true);
	for (size = 1; size <= 1024; size++) {
		pfn = alloc_iova_fast(iovad, size, HIGH, true);
		expect(length_of(pfn) == align_of(size), "size %lu: %lu long", size,
		       length_of(pfn));
		free_iova_fast(iovad, pfn, size);
		hits = stats_now().hits;
		free_iova_fast(iovad, alloc_iova_fast(iovad, size, HIGH, true),
			       align_of(size));
		expect(stats_now().hits > hits, "size %lu: no hit", size);
	}
	pfn = alloc_iova_fast(iovad, 1025, HIGH, true);
	expect(length_of(pfn) == 1025, "1025: %lu long", length_of(pfn));
	ranges = stats_now().counts.ranges;
	free_iova_fast(iovad, pfn, 1025);
	expect(stats_now().counts.ranges == ranges - 1, "1025 pages are cached");
	end();
}

UNIT_TEST(a_free_slot_above_the_limit_is_not_taken)
{
	unsigned long high, low;

	begin(true);
	high = alloc_iova_fast(iovad, 8, TOP, true);
	low = alloc_iova_fast(iovad, 8, 1000, true);
	expect(low && low + 7 <= 1000, "low is %#lx", low);
	low = alloc_iova_fast(iovad, 8, high - 2, true);
	expect(low && low + 7 <= high - 2, "%#lx, limit %#lx", low, high - 2);
	expect(alloc_iova_fast(iovad, 8, TOP, true) == high - 8, "another limit");
	end();
}

UNIT_TEST(what_is_mapped_in_a_row_lies_in_a_row)
{
	unsigned long i;

	begin(true);
	allocate_many(512, 1, HIGH);
	for (i = 1; i < 512; i++)
		expect(many[i] == many[0] - i, "%lu: %#lx after %#lx", i, many[i],
		       many[i - 1]);
	expect(many[0] % 512 == 511, "%#lx is not the end of a run", many[0]);
	end();
}

UNIT_TEST(an_address_comes_again_late)
{
	unsigned long size, pfn, i;

	for (size = 1; size <= 32; size *= 2) {
		begin(true);
		for (i = 0; i < 1000; i++) {
			unsigned long again;

			pfn = alloc_iova_fast(iovad, size, HIGH, true);
			for (again = 0; again < min(i, 63UL); again++)
				if (!expect(many[(i - 1 - again) % 64] != pfn,
					    "size %lu: %#lx came %lu ago", size,
					    pfn, again + 1))
					i = 1000;
			many[i % 64] = pfn;
			free_iova_fast(iovad, pfn, size);
		}
		end();
	}
}

/* What is freed last, in however many runs, does not scatter what comes next. */
UNIT_TEST(a_cpu_gets_the_run_with_most_free)
{
	unsigned long i, run, high = 0;

	begin(true);
	allocate_many(10 * 512, 1, HIGH);
	/* A third of most runs, and all but one page of the fourth. */
	for (i = 0; i < 10 * 512; i++)
		if (i / 512 == 3 ? i % 512 != 1 : i % 3 == 0)
			free_iova_fast(iovad, many[i], 1);
	sort_magazines();
	run = many[3 * 512] / 512;
	/* The run that CPU 0 has comes to the others. */
	shim_set_cpu(1);
	shim_cpu_down(0);
	shim_cpu_up(0);
	for (i = 0; i < 500; i++)
		high += alloc_iova_fast(iovad, 1, HIGH, true) / 512 == run;
	expect(high == 500, "only %lu of 500 are of that run", high);
	end();
}

UNIT_TEST(without_need_nothing_is_taken_below_4_gib)
{
	unsigned long i, pfn;

	begin(true);
	allocate_many(2000, 1, 0xfffff);
	free_many(0, 2000, 1);
	sort_magazines();
	/* One that has nothing left of those. */
	shim_set_cpu(1);
	for (i = 0; i < 4000; i++) {
		pfn = alloc_iova_fast(iovad, 1, HIGH, true);
		if (!expect(pfn > 0xfffff, "%#lx is below", pfn))
			break;
	}
	/* But with need. */
	expect(reserve_iova(iovad, 0x100000, HIGH), "reserve");
	pfn = alloc_iova_fast(iovad, 1, HIGH, true);
	expect(pfn && pfn <= 0xfffff, "%#lx", pfn);
	end();
}

UNIT_TEST(pfn_0_is_never_handed_out_fast)
{
	unsigned long pfn, size, n = 0;

	for (size = 1; size <= 64; size *= 4) {
		expect(!iova_cache_get(), "get");
		iovad = our_ops.domain_new(4096, 0);
		memset(owner, 0, sizeof(owner));
		expect(!iova_domain_init_rcaches(iovad), "init");
		for (n = 0; (pfn = alloc_iova_fast(iovad, size, 4095, true)); n++)
			take(pfn, size);
		expect(n == 4096 / size - 1, "size %lu: %lu of %lu", size, n,
		       4096 / size - 1);
		expect(stats_now().counts.ranges - stats_now().all_cached == n,
		       "that of pfn 0 is lost");
		expect(!shim_warnings(), "%s", shim_last_warning());
		end();
	}
}

/* The tree has no hole but that of pfn 0; a run has room. */
UNIT_TEST(a_request_that_finds_pfn_0_looks_further)
{
	unsigned long pfn;

	expect(!iova_cache_get(), "get");
	iovad = our_ops.domain_new(4096, 0);
	expect(!iova_domain_init_rcaches(iovad), "init");
	pfn = alloc_iova_fast(iovad, 1, 1023, true);
	free_iova_fast(iovad, pfn, 1);
	pfn = alloc_iova_fast(iovad, 512, 1023, true);
	expect(pfn == 512, "%#lx", pfn);
	end();
}

UNIT_TEST(pfn_0_is_no_place)
{
	struct iova_place place = { .boundary_mask = ~0UL };
	unsigned long pfn;

	expect(!iova_cache_get(), "get");
	iovad = our_ops.domain_new(4096, 0);
	memset(owner, 0, sizeof(owner));
	while ((pfn = iova_alloc_placed(iovad, 1, 50, &place)))
		take(pfn, 1);
	expect(stats_now().counts.ranges == 50, "%lu ranges",
	       stats_now().counts.ranges);
	end();
}
