// SPDX-License-Identifier: GPL-2.0-only
/* Counters and walks; the same question gets the same answer. */

#include "unit.h"

UNIT_TEST(a_walk_in_batches_sees_every_range)
{
	struct iova_span spans[IOVA_BATCH];
	unsigned long pfn = 0, seen = 0;
	unsigned int nr, i;

	begin(true);
	for (i = 0; i < 1000; i++)
		reserve_iova(iovad, 3 * i + 7, 3 * i + 8);
	while ((nr = iova_look(iovad, pfn, spans))) {
		expect(nr <= IOVA_BATCH, "%u in a batch", nr);
		for (i = 0; i < nr; i++, seen++)
			expect(spans[i].first == 3 * seen + 7 &&
			       spans[i].last == 3 * seen + 8, "range %lu", seen);
		pfn = spans[nr - 1].last + 1;
	}
	expect(seen == 1000, "%lu of 1000", seen);
	/* One that was passed by may go, and one may be within a range. */
	expect(iova_look(iovad, 8, spans) && spans[0].first == 7, "within");
	end();
}

UNIT_TEST(a_walk_tells_what_is_free_in_runs)
{
	struct iova_span spans[IOVA_BATCH];
	unsigned long pfn = 512, was = 512;
	unsigned int nr, i;

	begin_with_runs_of_pages();
	for (i = 0; i < 700; i++)
		if (i % 5)
			free_pages(600 + i, 601 + i);
	sort_magazines();
	while ((nr = iova_look(iovad, pfn, spans))) {
		for (i = 0; i < nr; i++) {
			expect(spans[i].first == was, "from %#lx, not %#lx",
			       spans[i].first, was);
			for (; was <= spans[i].last; was++)
				expect(owner[was] == !spans[i].cached, "pfn %#lx",
				       was);
			expect(spans[i].cached || spans[i].first == spans[i].last,
			       "two live pages are one range");
		}
		pfn = was;
	}
	expect(was == 2048, "it ends at %#lx", was);
	end();
}

UNIT_TEST(counts_tell_hits_and_misses)
{
	struct iova_stats stats;

	begin(true);
	allocate_many(512 + 1, 1, HIGH);
	stats = stats_now();
	expect(stats.counts.misses == 2 && stats.hits == 511,
	       "%lu misses, %lu hits", stats.counts.misses, stats.hits);
	expect(stats.counts.ranges == 1024 && stats.cached[0] == 511 &&
	       stats.all_cached == 511, "%lu ranges, %lu cached",
	       stats.counts.ranges, stats.all_cached);
	free_many(0, 513, 1);
	expect(stats_now().all_cached == 1024, "%lu cached", stats_now().all_cached);
	iova_drain(iovad);
	expect(stats_now().counts.returned == 1024, "%lu returned",
	       stats_now().counts.returned);
	end();
}

UNIT_TEST(every_hole_is_found_highest_first)
{
	static const unsigned long sizes[] = { 1, 2, 3, 8, 33, 512 };
	static const unsigned int percent[] = { 10, 25, 50 };
	static struct { unsigned long pfn, size; } blocks[WINDOW];
	unsigned int p, i, n, fails;

	for (p = 0; p < ARRAY_SIZE(percent); p++) {
		begin(false);
		for (n = 0, fails = 0; fails < 40; ) {
			unsigned long size = sizes[below(&seed, 6)];
			struct iova *iova = alloc_iova(iovad, size, TOP, true);

			expect((iova ? iova->pfn_lo : 0) == brute_force(size, TOP),
			       "packing, size %lu", size);
			if (!iova) {
				fails++;
				continue;
			}
			take(iova->pfn_lo, size);
			blocks[n].pfn = iova->pfn_lo;
			blocks[n++].size = size;
		}
		for (i = 0; i < n; i++) {
			if (below(&seed, 100) >= percent[p])
				continue;
			free_iova(iovad, blocks[i].pfn);
			leave(blocks[i].pfn, blocks[i].size);
		}
		for (fails = 0; fails < 200; ) {
			unsigned long size = sizes[below(&seed, 6)];
			unsigned long limit = below(&seed, 2) ? TOP :
					      below(&seed, WINDOW);
			unsigned long wanted = brute_force(size, limit);
			struct iova *iova = alloc_iova(iovad, size, limit, true);

			if (!expect((iova ? iova->pfn_lo : 0) == wanted,
				    "%u %%: size %lu limit %#lx: %#lx, not %#lx",
				    percent[p], size, limit,
				    iova ? iova->pfn_lo : 0, wanted))
				break;
			if (iova)
				take(iova->pfn_lo, size);
			else
				fails++;
		}
		take_all_that_is_left();
		end();
	}
}

/* The same requests on two domains; one has failing ones in between. */
UNIT_TEST(a_failure_changes_no_later_answer)
{
	static const unsigned long limits[] = {
		0xfffUL, 0xfffffUL, 0xfffffffUL, ~0UL >> 12, ~0UL,
	};
	struct iova_domain *twin;
	unsigned int i, round, failed = 0;
	unsigned long kept[4000], nr = 0;

	begin(true);
	twin = our_ops.domain_new(4096, 1);
	expect(!iova_domain_init_rcaches(twin), "init");
	for (i = 0; i < 2; i++)
		reserve_iova(i ? twin : iovad, 0x10, 0xfff);
	for (round = 0; round < 4000; round++) {
		unsigned long limit = limits[below(&seed, 4) + 1];
		unsigned long size = 1 + below(&seed, 70);
		bool fast = below(&seed, 2);
		unsigned long a, b;

		failed += !alloc_iova(iovad, 16 + below(&seed, 300), 0xfff, true);
		failed += !alloc_iova_fast(iovad, 16 + below(&seed, 300), 0xfff, false);
		if (below(&seed, 3) == 0 && nr) {
			unsigned long *any = &kept[below(&seed, nr)];

			free_iova(iovad, *any);
			free_iova(twin, *any);
			*any = kept[--nr];
			continue;
		}
		a = fast ? alloc_iova_fast(iovad, size, limit, false) :
			   our_ops.alloc(iovad, size, limit, size & 1);
		b = fast ? alloc_iova_fast(twin, size, limit, false) :
			   our_ops.alloc(twin, size, limit, size & 1);
		expect(a == b && a, "round %u: size %lu limit %#lx: %#lx and %#lx",
		       round, size, limit, a, b);
		if (a)
			kept[nr++] = a;
	}
	expect(failed > 7900, "only %u failures", failed);
	our_ops.domain_delete(twin);
	end();
}

/* An odd size from the tree, freed to the caches, and the other way round. */
UNIT_TEST(both_ways_of_one_size_mix)
{
	static const unsigned long sizes[] = { 3, 33, 34, 41, 47, 80, 81, 1000 };
	struct { unsigned long pfn, size; } live[300];
	unsigned int nr = 0, round;

	begin(true);
	for (round = 0; round < 60000; round++) {
		unsigned long size = sizes[below(&seed, 8)], pfn;

		shim_set_cpu(below(&seed, 4));
		if (nr < 300 && below(&seed, 2)) {
			if (below(&seed, 2))
				pfn = our_ops.alloc(iovad, size, TOP, true);
			else
				pfn = alloc_iova_fast(iovad, size, TOP, true);
			if (!pfn)
				continue;
			take(pfn, size);
			live[nr].pfn = pfn;
			live[nr++].size = size;
		} else if (nr) {
			unsigned int i = below(&seed, nr);

			leave(live[i].pfn, live[i].size);
			if (below(&seed, 2))
				free_iova_fast(iovad, live[i].pfn, live[i].size);
			else
				free_iova(iovad, live[i].pfn);
			live[i] = live[--nr];
		}
		if (round % 997 == 0)
			shim_run_works(100);
	}
	shim_set_cpu(0);
	while (nr--) {
		leave(live[nr].pfn, live[nr].size);
		free_iova_fast(iovad, live[nr].pfn, live[nr].size);
	}
	take_all_that_is_left();
	end();
}
