// SPDX-License-Identifier: GPL-2.0-only
/* Little space and little memory: runs are cut, and requests fail. */

#include "unit.h"

UNIT_TEST(a_run_is_cut_for_a_range_of_any_size)
{
	static const unsigned long sizes[] = { 1, 2, 3, 16, 37, 64, 100, 512 };
	unsigned long pfn, from;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned long size = sizes[i];

		begin_with_runs_of_pages();
		/* Just what it takes, in the middle of a run. */
		from = size == 512 ? 1024 : 1024 + 128;
		free_pages(from, from + size);
		pfn = alloc_iova_fast(iovad, size, 2047, true);
		expect(pfn == from, "size %lu: %#lx, not %#lx", size, pfn, from);
		take(pfn, size);
		expect(!alloc_iova_fast(iovad, 1, 2047, true), "one more");
		expect(length_of(pfn) == size, "%lu long", length_of(pfn));
		/* What lived beside it goes as before; and it, too. */
		free_pages(from + size, from + size + 5);
		free_pages(from - 1, from);
		free_iova_fast(iovad, pfn, size);
		leave(pfn, size);
		sort_magazines();
		expect(!shim_warnings(), "%s", shim_last_warning());
		take_all_pages_below_2048();
		end();
	}
}

UNIT_TEST(a_long_run_is_cut)
{
	const unsigned long base = 0x200000, limit = base + TOP;
	unsigned long pfn, i, n = 0;

	begin(true);
	expect(reserve_iova(iovad, 1, base + 31), "reserve");
	for (; (pfn = alloc_iova_fast(iovad, 32, limit, true)); n++) {
		take(pfn - base, 32);
		many[n] = pfn - base;
	}
	expect(n == WINDOW / 32 - 1 && nr_runs() < n / 16, "%lu in %lu runs", n,
	       nr_runs());
	/* Two neighbours are free, so 33 pages fit. */
	for (i = 0; i < n; i++) {
		if (many[i] / 32 % 16 >= 2)
			continue;
		free_iova_fast(iovad, base + many[i], 32);
		leave(many[i], 32);
	}
	for (i = 0; (pfn = alloc_iova_fast(iovad, 33, limit, true)); i++)
		take(pfn - base, 33);
	expect(i == WINDOW / 512 - 1, "%lu of 33 pages", i);
	while ((pfn = alloc_iova_fast(iovad, 1, limit, true)))
		take(pfn - base, 1);
	expect(brute_force(1, TOP) == 31, "%#lx is lost", brute_force(1, TOP));
	end();
}

UNIT_TEST(a_place_may_reach_across_runs_and_holes)
{
	struct iova *iova;

	begin_with_runs_of_pages();
	free_pages(1024 - 5, 1024 + 6);
	iova = alloc_iova(iovad, 11, 2047, false);
	expect(iova && iova->pfn_lo == 1024 - 5, "11 pages across two runs");
	if (iova)
		__free_iova(iovad, iova);
	/* What was cut off is a hole by now. */
	free_pages(1024 - 8, 1024 - 5);
	iova = alloc_iova(iovad, 14, 2047, false);
	expect(iova && iova->pfn_lo == 1024 - 8, "14 pages, with a hole");
	expect(!alloc_iova(iovad, 1, 2047, false), "one more");
	end();
}

UNIT_TEST(the_tree_api_finds_what_runs_have)
{
	struct iova *iova;
	unsigned long i;

	begin_with_runs_of_pages();
	for (i = 0; i < 50; i++)
		free_pages(520 + 16 * i, 520 + 16 * i + 8);
	for (i = 0; i < 50; i++) {
		iova = alloc_iova(iovad, 8, 2047, true);
		if (!expect(iova, "%lu of 50", i))
			break;
		take(iova->pfn_lo, 8);
	}
	expect(!alloc_iova(iovad, 1, 2047, true), "one more");
	end();
}

UNIT_TEST(reserving_across_runs_takes_what_is_free_there)
{
	unsigned long i, pfn;
	struct iova *iova;

	begin_with_runs_of_pages();
	for (i = 512; i < 2048; i += 7)
		free_pages(i, i + 1);
	expect(reserve_iova(iovad, 600, 1900), "reserve");
	for (i = 600; i <= 1900; i++) {
		iova = find_iova(iovad, i);
		expect(iova && iova->pfn_hi <= 1900, "pfn %lu is not reserved", i);
		owner[i] = true;
	}
	while (!test_why[0] && (pfn = alloc_iova_fast(iovad, 1, 2047, true)))
		take(pfn, 1);
	expect(brute_force(1, 2047) == 511, "not all outside is handed out");
	end();
}

UNIT_TEST(what_is_reserved_over_caches_is_not_handed_out)
{
	unsigned long i;

	begin(true);
	for (i = 0; i < 300; i++) {
		shim_set_cpu(i % 4);
		many[i] = alloc_iova_fast(iovad, 1 + i % 9, TOP, true);
	}
	for (i = 0; i < 300; i++) {
		shim_set_cpu(i * 3 % 4);
		free_iova_fast(iovad, many[i], 1 + i % 9);
	}
	shim_set_cpu(0);
	expect(reserve_iova(iovad, 4000, TOP), "reserve");
	memset(&owner[4000], true, WINDOW - 4000);
	expect(!stats_now().all_cached, "%lu are cached there",
	       stats_now().all_cached);
	take_all_that_is_left();
	end();
}

static unsigned long waiting_with_cpu_1(void)
{
	return cache_of(1)->nr - cache_of(1)->nr_sorted;
}

static void free_one_on_cpu_1(void)
{
	shim_interrupt = NULL;
	shim_set_cpu(1);
	free_iova_fast(iovad, many[0], 1);
	expect(!waiting_with_cpu_1(), "it waits in a magazine");
	shim_set_cpu(0);
}

/* Otherwise the range would be extended that has been freed. */
UNIT_TEST(a_free_during_a_reservation_goes_past_the_magazine)
{
	begin(true);
	shim_set_cpu(1);
	allocate_many(2, 1, TOP);
	shim_set_cpu(0);
	shim_interrupt = free_one_on_cpu_1;
	expect(reserve_iova(iovad, many[1] - 5, many[0]), "reserve");
	expect(!shim_interrupt, "nothing was freed");
	shim_set_cpu(1);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 1, HIGH, true), 1);
	expect(waiting_with_cpu_1() == 1, "no magazine afterwards");
	shim_set_cpu(0);
	end();
}

UNIT_TEST(the_free_pfns_of_runs_can_be_reserved)
{
	unsigned long pfn = 600, was, got = 0;
	struct iova *iova;

	begin_with_runs_of_pages();
	free_pages(700, 710);
	free_pages(1020, 1030);
	free_pages(1899, 1910);
	while (pfn && pfn <= 1900) {
		was = pfn;
		iova = iova_reserve_free(iovad, &pfn, 1900);
		if (IS_ERR(iova)) {
			expect(PTR_ERR(iova) == -EBUSY && pfn > was, "%ld",
			       PTR_ERR(iova));
			continue;
		}
		got += pfn - was;
		for (; was < pfn; was++) {
			expect(!owner[was], "pfn %lu is in use", was);
			owner[was] = true;
		}
	}
	expect(got == 10 + 10 + 2, "%lu pages", got);
	take_all_pages_below_2048();
	end();
}

static void ask_in_vain(void)
{
	expect(!alloc_iova_fast(iovad, 64, 2047, true), "64 pages");
}

UNIT_TEST(a_failure_is_remembered_until_something_below_is_freed)
{
	begin_with_runs_of_pages();
	expect(iova_has_room(iovad, 64, 2047), "before it was asked for");
	ask_in_vain();
	expect(!iova_has_room(iovad, 64, 2047), "it is not remembered");
	expect(!iova_has_room(iovad, 65, 2047) && !iova_has_room(iovad, 64, 1000),
	       "larger or lower");
	expect(iova_has_room(iovad, 63, 2047) && iova_has_room(iovad, 64, 2048),
	       "smaller or higher");
	free_pages(2047, 2048);
	sort_magazines();
	expect(iova_has_room(iovad, 64, 2047), "a free at the limit");
	ask_in_vain();
	expect(!iova_has_room(iovad, 64, 2047), "it is not remembered again");
	free_iova(iovad, 600);
	leave(600, 1);
	expect(iova_has_room(iovad, 64, 2047), "a free below");
	ask_in_vain();
	take_all_pages_below_2048();
	end();
}

UNIT_TEST(a_free_above_the_limit_changes_no_failure)
{
	unsigned long high, tree;
	struct iova *iova;

	begin_with_runs_of_pages();
	high = alloc_iova_fast(iovad, 1, TOP, true);
	iova = alloc_iova(iovad, 2000, TOP, true);
	tree = iova ? iova->pfn_lo : 0;
	ask_in_vain();
	free_iova_fast(iovad, high, 1);
	free_iova(iovad, tree);
	sort_magazines();
	expect(!iova_has_room(iovad, 64, 2047), "a free above");
	end();
}

UNIT_TEST(a_range_across_the_limit_counts_by_whichever_pfn_it_is_freed)
{
	unsigned long pfn, n;

	begin(true);
	for (n = 0; (pfn = alloc_iova_fast(iovad, 4, TOP, true)); n++)
		take(pfn, 4);
	while ((pfn = alloc_iova_fast(iovad, 1, TOP, true)))
		take(pfn, 1);
	/* Have that forgotten. */
	free_iova(iovad, 1);
	expect(alloc_iova_fast(iovad, 1, TOP, true) == 1, "another page");
	expect(!alloc_iova_fast(iovad, 2, 8001, true), "two pages");
	free_iova(iovad, 8003);
	expect(alloc_iova_fast(iovad, 2, 8001, true) == 8000,
	       "the lower half of the range is not found");
	end();
}

UNIT_TEST(a_refused_free_changes_no_failure)
{
	begin_with_runs_of_pages();
	free_iova(iovad, 600);
	ask_in_vain();
	free_iova(iovad, 600);
	expect_warnings(1, "not allocated");
	expect(!iova_has_room(iovad, 64, 2047), "it is forgotten");
	end();
}

UNIT_TEST(a_request_that_fails_again_is_cheap)
{
	unsigned long i, first, again;

	begin(true);
	/* A node for every other page: many steps. */
	for (i = 0; i < 1000; i++)
		reserve_iova(iovad, 2 * i + 1, 2 * i + 1);
	reserve_iova(iovad, 2000, 2047);
	/* Something is free in a run, so there is a reason to look. */
	expect(alloc_iova_fast(iovad, 1, TOP, true), "a page above");
	first = holds_of(ask_in_vain);
	again = holds_of(ask_in_vain);
	expect(first > 1000 / 64 && again < 10, "%lu holds of the lock, then %lu",
	       first, again);
	end();
}

UNIT_TEST(a_request_that_fails_leaves_all_as_it_was)
{
	struct iova_stats before, after;
	unsigned long pfn, i;

	begin(true);
	for (i = 0; i < 200; i++) {
		shim_set_cpu(i % 4);
		many[i] = alloc_iova_fast(iovad, 1, 4095, true);
	}
	free_many(0, 50, 1);
	shim_set_cpu(0);
	before = stats_now();
	expect(!alloc_iova_fast(iovad, 4096, 4095, true), "4096 pages below 4096");
	expect(!alloc_iova(iovad, 4096, 4095, true), "4096 pages below 4096");
	after = stats_now();
	expect(!memcmp(before.runs, after.runs, sizeof(before.runs)), "runs");
	expect(!memcmp(before.cached, after.cached, sizeof(before.cached)), "cached");
	for (i = 0; i < 4; i++) {
		shim_set_cpu(i);
		pfn = alloc_iova_fast(iovad, 1, 4095, true);
		expect(pfn, "CPU %lu", i);
	}
	shim_set_cpu(0);
	expect(stats_now().counts.misses == after.counts.misses,
	       "a CPU has lost what it had to hand out");
	end();
}

UNIT_TEST(a_request_served_leaves_runs_elsewhere)
{
	unsigned long pfn;

	begin_with_runs_of_pages();
	free_pages(1600, 1616);
	free_pages(600, 616);
	pfn = alloc_iova_fast(iovad, 16, 2047, true);
	expect(pfn == 1600, "%#lx", pfn);
	expect(nr_runs() == 3 && stats_now().runs[0] == 3, "%lu runs", nr_runs());
	expect(stats_now().cached[0] == 16, "%lu cached", stats_now().cached[0]);
	end();
}

static unsigned long steps_to_go;

/* Two look at a time; something is freed behind the first. */

static void free_two_and_look_too(void)
{
	if (--steps_to_go)
		return;
	shim_interrupt = NULL;
	free_iova(iovad, 2046);
	free_iova(iovad, 2047);
	expect(!alloc_iova_fast(iovad, 4, 2047, true), "4 pages");
}

UNIT_TEST(a_free_that_a_look_missed_is_found_by_the_next)
{
	unsigned long step, i;
	struct iova *iova;

	for (step = 1; ; step++) {
		begin(true);
		reserve_iova(iovad, 1, 511);
		for (i = 512; i < 1536; i++)
			reserve_iova(iovad, i, i);
		for (i = 0; i < 512; i++)
			expect(alloc_iova_fast(iovad, 1, 2047, false), "fill");
		/* Something is free in a run, so there is a reason to look. */
		expect(alloc_iova_fast(iovad, 2, TOP, true), "pages above");
		steps_to_go = step;
		shim_interrupt = free_two_and_look_too;
		iova = alloc_iova(iovad, 2, 2047, true);
		shim_interrupt = NULL;
		if (!iova && !steps_to_go)
			expect(alloc_iova(iovad, 2, 2047, true),
			       "what was freed at step %lu is not found", step);
		end();
		if (steps_to_go)
			break;
	}
	expect(step > 1024 / 64, "only %lu steps", step);
}

UNIT_TEST(failed_memory_changes_nothing_but_that_request)
{
	unsigned long i, pfn;

	for (i = 0; i < 10; i++) {
		begin_with_runs_of_pages();
		free_pages(640, 704);
		sort_magazines();
		shim_fail_nth(1, true);
		expect(!alloc_iova_fast(iovad, 64, 2047, true), "without memory");
		expect(!alloc_iova(iovad, 64, 2047, true), "without memory");
		expect(!iova_alloc_placed(iovad, 64, 2047, &(struct iova_place){
			       .boundary_mask = 4095 }), "without memory");
		expect(!reserve_iova(iovad, 640, 703), "without memory");
		expect(iova_has_room(iovad, 64, 2047), "it is given up");
		shim_fail_nth(1 + i, true);
		pfn = alloc_iova_fast(iovad, 64, 2047, true);
		shim_fail_nth(0, false);
		expect(iova_has_room(iovad, 64, 2047), "it is given up, %lu", i);
		pfn = pfn ?: alloc_iova_fast(iovad, 64, 2047, true);
		expect(pfn == 640, "it cannot be had, %lu", i);
		take(640, 64);
		take_all_pages_below_2048();
		end();
	}
}

/* As often as there is no memory, slots that wait need none. */
UNIT_TEST(without_memory_a_cpu_hands_out_what_it_has)
{
	unsigned long i;

	begin(true);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 1, TOP, true), 1);
	shim_fail_nth(1, true);
	for (i = 0; i < 511; i++)
		expect(alloc_iova_fast(iovad, 1, TOP, true), "%lu of 511", i);
	shim_fail_nth(0, false);
	end();
}

static unsigned long turns;

/* Another takes much, and gives it back, whenever it can. */
static void take_and_give_256(void)
{
	unsigned long pfn;

	shim_interrupt = NULL;
	pfn = alloc_iova_fast(iovad, 256, TOP, true);
	if (pfn)
		free_iova_fast(iovad, pfn, 256);
	if (++turns < 5000)
		shim_interrupt = take_and_give_256;
}

UNIT_TEST(a_reservation_ends_whoever_allocates_meanwhile)
{
	unsigned long pfn = 1;
	struct iova *iova;

	begin(true);
	turns = 0;
	shim_interrupt = take_and_give_256;
	expect(reserve_iova(iovad, 8192, TOP), "reserve_iova()");
	while (pfn && pfn < 8192) {
		iova = iova_reserve_free(iovad, &pfn, 8191);
		expect(!IS_ERR(iova) || PTR_ERR(iova) == -EBUSY, "error");
	}
	shim_interrupt = NULL;
	expect(turns < 5000, "it took %lu turns", turns);
	/* Ranges that grew are not freed with their old size. */
	if (shim_warnings())
		expect(strstr(shim_last_warning(), "refused"), "%s",
		       shim_last_warning());
	shim_clear_warnings();
	end();
}

UNIT_TEST(slots_above_a_limit_are_no_reason_to_look)
{
	unsigned long i, first;

	begin(true);
	for (i = 0; i < 1000; i++)
		reserve_iova(iovad, 2 * i + 1, 2 * i + 1);
	reserve_iova(iovad, 2000, 2047);
	expect(alloc_iova_fast(iovad, 1, ~0UL >> 12, true), "a page far above");
	first = holds_of(ask_in_vain);
	expect(first < 15, "%lu holds of the lock", first);
	end();
}
