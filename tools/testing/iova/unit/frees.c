// SPDX-License-Identifier: GPL-2.0-only
/* Frees, also wrong ones; the order of a magazine; find_iova(). */

#include "unit.h"

/* A slot that waits with the CPU, right below @pfn. */
static unsigned long waiting_below(unsigned long pfn, unsigned long size)
{
	unsigned int class = iova_size_class(size);
	unsigned long mask = cache_of(0)->mask[class];

	expect(mask && cache_of(0)->base[class] + __fls(mask) * size == pfn - size,
	       "%#lx does not wait", pfn - size);
	return pfn - size;
}

UNIT_TEST(a_second_free_is_seen_when_magazines_are_sorted_back)
{
	unsigned long pfn;

	begin(true);
	pfn = alloc_iova_fast(iovad, 4, TOP, true);
	free_iova_fast(iovad, pfn, 4);
	free_iova_fast(iovad, pfn, 4);
	expect(!shim_warnings(), "it is seen before");
	sort_magazines();
	expect_warnings(1, "not allocated");
	expect(stats_now().counts.refused == 1, "%lu refused",
	       stats_now().counts.refused);
	take_all_that_is_left();
	end();
}

UNIT_TEST(a_second_free_is_seen_when_the_magazine_is_full)
{
	unsigned long pfn, i;

	begin(true);
	pfn = alloc_iova_fast(iovad, 4, TOP, true);
	free_iova_fast(iovad, pfn, 4);
	free_iova_fast(iovad, pfn, 4);
	for (i = 0; i <= IOVA_MAGAZINE && !shim_warnings(); i++)
		free_iova_fast(iovad, alloc_iova_fast(iovad, 4, TOP, true), 4);
	expect_warnings(1, "not allocated");
	end();
}

UNIT_TEST(a_second_free_past_the_magazine_is_seen_at_once)
{
	unsigned long pfn;

	begin(true);
	pfn = alloc_iova_fast(iovad, 4, TOP, true);
	free_iova(iovad, pfn);
	free_iova(iovad, pfn);
	expect_warnings(1, "not allocated");
	end();
}

UNIT_TEST(a_slot_that_waits_with_a_cpu_cannot_be_freed)
{
	unsigned long pfn;

	begin(true);
	pfn = alloc_iova_fast(iovad, 1, TOP, true);
	take(pfn, 1);
	free_iova(iovad, waiting_below(pfn, 1));
	expect_warnings(1, "not allocated");
	free_iova_fast(iovad, waiting_below(pfn, 1), 1);
	sort_magazines();
	expect_warnings(1, "not allocated");
	shim_set_cpu(1);
	free_iova_fast(iovad, waiting_below(pfn, 1), 1);
	shim_set_cpu(0);
	expect_warnings(1, "not allocated");
	take_all_that_is_left();
	end();
}

UNIT_TEST(a_free_of_another_class_is_refused)
{
	unsigned long pfn;

	begin(true);
	pfn = alloc_iova_fast(iovad, 8, TOP, true);
	take(pfn, 8);
	free_iova_fast(iovad, pfn, 9);
	sort_magazines();
	expect_warnings(1, "another size");
	free_iova_fast(iovad, pfn, 4);
	sort_magazines();
	expect_warnings(1, "another size");
	free_iova_fast(iovad, pfn, 2000);
	expect_warnings(1, "another size");
	take_all_that_is_left();
	leave(pfn, 8);
	free_iova_fast(iovad, pfn, 5);
	take_all_that_is_left();
	end();
}

UNIT_TEST(a_free_inside_a_range_is_refused)
{
	unsigned long pfn;

	begin(true);
	pfn = alloc_iova_fast(iovad, 8, TOP, true);
	take(pfn, 8);
	free_iova_fast(iovad, pfn + 1, 8);
	sort_magazines();
	expect_warnings(1, "inside another range");
	take_all_that_is_left();
	end();
}

UNIT_TEST(a_free_of_no_pages_is_refused)
{
	unsigned long pfn;

	begin(true);
	pfn = alloc_iova_fast(iovad, 1, TOP, true);
	take(pfn, 1);
	free_iova_fast(iovad, pfn, 0);
	expect_warnings(1, "no size");
	take_all_that_is_left();
	end();
}

UNIT_TEST(however_many_frees_are_refused_each_is_reported)
{
	unsigned long pfn, i;

	begin(true);
	pfn = alloc_iova_fast(iovad, 1, TOP, true);
	take(pfn, 1);
	for (i = 0; i < IOVA_MAGAZINE; i++)
		free_iova_fast(iovad, waiting_below(pfn, 1), 1);
	free_iova_fast(iovad, 0, 1);
	sort_magazines();
	expect_warnings(IOVA_MAGAZINE + 1, "refused");
	expect(stats_now().counts.refused == IOVA_MAGAZINE + 1, "%lu counted",
	       stats_now().counts.refused);
	take_all_that_is_left();
	end();
}

UNIT_TEST(a_free_allocates_nothing)
{
	unsigned int i;

	begin(true);
	for (i = 0; i < 2000; i++) {
		shim_set_cpu(i % 3);
		many[i] = alloc_iova_fast(iovad, 1 + i % 100, HIGH, true);
	}
	shim_fail_nth(1, true);
	for (i = 0; i < 2000; i++) {
		shim_set_cpu(i % 4);
		if (i % 5)
			free_iova_fast(iovad, many[i], 1 + i % 100);
		else
			free_iova(iovad, many[i]);
	}
	shim_set_cpu(0);
	sort_magazines();
	expect(!shim_allocs(), "%lu allocations", shim_allocs());
	shim_fail_nth(0, false);
	expect(stats_now().counts.ranges == stats_now().all_cached, "not all are free");
	end();
}

/* Once runs were made, what a CPU hands out again needs no memory either. */
UNIT_TEST(bursts_hardly_allocate)
{
	unsigned long burst;

	begin(true);
	for (burst = 0; burst < 20; burst++) {
		if (burst == 2)
			shim_fail_nth(1, true);
		allocate_many(2000, 2, HIGH);
		free_many(0, 2000, 2);
	}
	expect(shim_allocs() <= 18, "%lu allocations in 18 bursts", shim_allocs());
	shim_fail_nth(0, false);
	expect(many[1999], "the last one failed");
	end();
}

UNIT_TEST(find_knows_a_fast_range_and_each_way_frees_it)
{
	unsigned long pfn, size, how, ranges, live;
	struct iova *iova;

	for (how = 0; how < 4; how++) {
		begin(true);
		for (size = 1; size <= 64; size *= 2) {
			live = alloc_iova_fast(iovad, size, TOP, true);
			take(live, size);
			pfn = alloc_iova_fast(iovad, size, TOP, true);
			iova = find_iova(iovad, pfn + size - 1);
			expect(iova && iova->pfn_lo == pfn &&
			       iova->pfn_hi == pfn + size - 1,
			       "size %lu: %#lx is not found", size, pfn);
			expect(iova == find_iova(iovad, pfn), "a second one");
			ranges = stats_now().counts.ranges - stats_now().all_cached;
			switch (how) {
			case 0:
				free_iova_fast(iovad, pfn, size);
				break;
			case 1:
				free_iova(iovad, pfn + size / 2);
				break;
			case 2:
				__free_iova(iovad, iova);
				break;
			case 3:
				/* Nobody frees it: the domain does. */
				take(pfn, size);
				ranges++;
				break;
			}
			sort_magazines();
			expect(stats_now().counts.ranges - stats_now().all_cached ==
			       ranges - 1, "way %lu: not freed", how);
			expect(!shim_warnings(), "way %lu: %s", how,
			       shim_last_warning());
			expect(find_iova(iovad, live), "its neighbour is gone");
		}
		take_all_that_is_left();
		end();
	}
}

UNIT_TEST(what_waits_with_a_cpu_is_not_found)
{
	unsigned long pfn;

	begin(true);
	pfn = alloc_iova_fast(iovad, 1, TOP, true);
	expect(!find_iova(iovad, waiting_below(pfn, 1)), "found");
	expect(cache_of(0)->mask[0], "it does not wait any more");
	end();
}

UNIT_TEST(a_full_magazine_sorts_back_its_oldest_range)
{
	unsigned long pfns[3 * IOVA_MAGAZINE], i, gone = 0, at;

	begin(true);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 1, HIGH, true), 1);
	iova_magazines_sort(iovad);
	for (i = 0; i < ARRAY_SIZE(pfns); i++)
		pfns[i] = our_ops.alloc(iovad, 1, HIGH, true);
	for (i = 0; i < ARRAY_SIZE(pfns); i++) {
		free_iova_fast(iovad, pfns[i], 1);
		while (gone <= i && !gap_tree_find(&iovad->tree, pfns[gone]))
			gone++;
		expect(i + 1 - gone <= IOVA_MAGAZINE, "free %lu: %lu gone", i, gone);
		for (at = gone; at <= i; at++)
			expect(gap_tree_find(&iovad->tree, pfns[at]),
			       "free %lu: %lu is gone before %lu", i, at, gone);
	}
	end();
}

/* Ranges with nodes of their own go one by one, those of a run several at once. */
UNIT_TEST(none_stays_in_a_magazine_while_later_ones_go)
{
	unsigned long nodes[IOVA_MAGAZINE + IOVA_MAGAZINE - 4], slots[4 * IOVA_MAGAZINE], i, at;

	begin(true);
	for (i = 0; i < ARRAY_SIZE(slots); i++)
		slots[i] = alloc_iova_fast(iovad, 1, HIGH, true);
	for (i = 0; i < ARRAY_SIZE(nodes); i++)
		nodes[i] = our_ops.alloc(iovad, 1, HIGH, true);
	for (i = 0; i < ARRAY_SIZE(nodes); i++)
		free_iova_fast(iovad, nodes[i], 1);
	for (i = 0; i < ARRAY_SIZE(slots); i++)
		free_iova_fast(iovad, slots[i], 1);
	for (i = cache_of(0)->nr_sorted; i < cache_of(0)->nr; i++)
		for (at = 0; at < ARRAY_SIZE(slots) - IOVA_MAGAZINE; at++)
			expect(iova_entry_pfn(cache_of(0)->freed[i]) != slots[at],
			       "%lu of %zu is there", at, ARRAY_SIZE(slots));
	end();
}

UNIT_TEST(what_is_freed_first_is_sorted_back_first)
{
	unsigned long i;

	begin(true);
	/* A CPU has a magazine once it has allocated. */
	expect(alloc_iova_fast(iovad, 1, TOP, true), "a page");
	for (i = 0; i < 300; i++)
		many[i] = our_ops.alloc(iovad, 1, TOP, true);
	for (i = 0; i < 300; i++)
		free_iova_fast(iovad, many[i], 1);
	for (i = 0; i < 300 - IOVA_MAGAZINE; i++)
		expect(!length_of(many[i]), "the %lu-th is still there", i);
	end();
}

enum bad { NONE, NEVER, PFN_0, WRONG_SIZE, INSIDE, IN_CACHE, ON_OTHER_CPU,
	   IN_TREE, IN_DEPOT, BAD_KINDS };

static const char *const bad_names[] = {
	"", "never allocated", "pfn 0", "wrong size", "inside a range",
	"twice, in a cache", "twice, on another CPU", "twice, in the tree",
	"twice, in the depot",
};

static void bad_free(enum bad kind)
{
	unsigned long pfns[200], live, size = 4;
	unsigned int i;

	live = alloc_iova_fast(iovad, size, TOP, true);
	switch (kind) {
	case NEVER:
		free_iova_fast(iovad, 0x100, size);
		break;
	case PFN_0:
		free_iova_fast(iovad, 0, size);
		break;
	case WRONG_SIZE:
		free_iova_fast(iovad, live, 2 * size);
		break;
	case INSIDE:
		free_iova_fast(iovad, live + 1, size);
		break;
	case IN_CACHE:
		free_iova_fast(iovad, live, size);
		free_iova_fast(iovad, live, size);
		break;
	case ON_OTHER_CPU:
		shim_set_cpu(1);
		free_iova_fast(iovad, live, size);
		shim_set_cpu(0);
		free_iova_fast(iovad, live, size);
		break;
	case IN_TREE:
		free_iova(iovad, live);
		free_iova_fast(iovad, live, size);
		break;
	case IN_DEPOT:
		for (i = 0; i < 200; i++)
			pfns[i] = alloc_iova_fast(iovad, size, TOP, true);
		free_iova_fast(iovad, live, size);
		for (i = 0; i < 200; i++)
			free_iova_fast(iovad, pfns[i], size);
		free_iova_fast(iovad, live, size);
		break;
	default:
		break;
	}
	if (kind <= INSIDE)
		take(live, size);
}

/* Nothing is handed out twice afterwards. */
UNIT_TEST(every_bad_free_is_refused_when_caches_are_drained)
{
	unsigned int kind;

	for (kind = NEVER; kind < BAD_KINDS; kind++) {
		begin(true);
		bad_free(kind);
		iova_drain(iovad);
		expect(shim_warnings() == 1, "%s: %lu warnings", bad_names[kind],
		       shim_warnings());
		expect(strstr(shim_last_warning(), "refused"), "warning is '%s'",
		       shim_last_warning());
		shim_clear_warnings();
		expect(stats_now().counts.refused == 1, "%s", bad_names[kind]);
		take_all_that_is_left();
		end();
	}
}
