// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests: each shows one behaviour of the gap tree or of the IOVA API.
 *
 * Most work in a window: pfns 1 to a limit that is small enough for brute
 * force.  owner[] says page by page who holds it, so that a page handed out
 * twice is noticed by the first test that sees it.
 */

#include <pthread.h>

#include <linux/iova.h>

#include "internal.h"
#include "ops.h"
#include "test.h"

#define WINDOW	16384UL
#define TOP	(WINDOW - 1)
#define HIGH	(~0UL >> 12)	/* as high as addresses of 64 bits go */

static struct iova_domain *iovad;
static bool owner[WINDOW];
static unsigned long seed;

/* ---- Gap tree ---- */

static unsigned long align_of(unsigned long size)
{
	unsigned long align = 1;

	while (align < size)
		align *= 2;
	return align;
}

static void gap_fit_is_what_brute_force_finds(void)
{
	unsigned long lo, hi, size, fit;

	for (hi = 0; hi <= 1024; hi++) {
		for (lo = 0; lo <= hi; lo++) {
			fit = gap_fit(lo, hi);
			for (size = 1; size <= hi - lo; size++) {
				unsigned long at = hi - size;

				at -= at % align_of(size);
				if ((at >= lo && at + size <= hi) == !(size > fit))
					continue;
				expect(false, "hole [%lu, %lu): fit %lu, size %lu",
				       lo, hi, fit, size);
				return;
			}
			if (!expect(fit <= hi - lo, "hole [%lu, %lu): fit %lu",
				    lo, hi, fit))
				return;
		}
	}
}

static void gap_fit_knows_the_end_of_the_address_space(void)
{
	expect(gap_fit(0, ~0UL) == ~0UL, "all of it");
	expect(gap_fit(1, ~0UL) == (1UL << 63) - 1, "all but 0: %#lx",
	       gap_fit(1, ~0UL));
	expect(gap_fit(~0UL - 1, ~0UL) == 1, "last page");
	expect(gap_fit(1UL << 63, ~0UL) == (1UL << 63) - 1, "upper half: %#lx",
	       gap_fit(1UL << 63, ~0UL));
	expect(gap_align_mask(~0UL) == ~0UL && gap_align_mask(1) == 0 &&
	       gap_align_mask(33) == 63, "masks");
}

static bool bit_hole(unsigned int taken, unsigned long start, unsigned long at,
		     unsigned long size)
{
	return at >= start && !(taken >> at & ((1U << size) - 1));
}

/* Every set of taken addresses, start, size, alignment and limit of a dozen. */
static void find_hole_is_right_for_every_small_tree(void)
{
	enum { BITS = 11 };
	unsigned long start, size, limit, at, align, found;
	struct gap_node nodes[BITS], place;
	unsigned int taken, i;
	struct gap_tree tree;

	for (taken = 0; taken < 1U << BITS; taken++) {
		for (start = 0; start < 3; start++) {
			gap_tree_init(&tree, start);
			for (i = 0; i < BITS; i++) {
				/* Not in order, so that the tree rotates. */
				unsigned int j = i * 7 % BITS;

				if (!(taken >> j & 1))
					continue;
				nodes[j].first = j;
				nodes[j].last = j;
				gap_tree_insert(&tree, &nodes[j]);
			}
			if (!expect(gap_tree_verify(&tree), "tree %#x", taken))
				return;
			for (size = 1; size <= BITS; size++)
			for (limit = 0; limit < BITS; limit++)
			for (i = 0; i < 2; i++) {
				bool has = false, says;

				align = i ? align_of(size) : 1;
				for (at = limit + 1; at-- && !has; )
					if (at + size - 1 <= limit &&
					    at % align == 0 &&
					    bit_hole(taken, start, at, size)) {
						has = true;
						break;
					}
				says = gap_tree_find_hole(&tree, size, i, limit,
							  &found);
				if (gap_tree_take(&tree, &place, size, i, limit) == says) {
					if (!says)
						continue;
					if (place.first == at && found == at &&
					    place.last == at + size - 1 && has &&
					    gap_tree_verify(&tree)) {
						gap_tree_erase(&tree, &place);
						continue;
					}
				}
				expect(false, "%#x from %lu: size %lu limit %lu aligned %u: %s %lu, not %s %lu",
				       taken, start, size, limit, i,
				       says ? "yes" : "no", found,
				       has ? "yes" : "no", at);
				return;
			}
		}
	}
}

static void insert_refuses_overlap_and_keeps_the_tree(void)
{
	struct gap_node a = { .first = 10, .last = 19 }, b;
	struct gap_tree tree;

	gap_tree_init(&tree, 0);
	expect(!gap_tree_insert(&tree, &a), "first range");
	b = (struct gap_node){ .first = 19, .last = 25 };
	expect(gap_tree_insert(&tree, &b) == -EEXIST, "overlap above");
	b = (struct gap_node){ .first = 5, .last = 10 };
	expect(gap_tree_insert(&tree, &b) == -EEXIST, "overlap below");
	b = (struct gap_node){ .first = 12, .last = 13 };
	expect(gap_tree_insert(&tree, &b) == -EEXIST, "inside");
	b = (struct gap_node){ .first = 30, .last = 29 };
	expect(gap_tree_insert(&tree, &b) == -EINVAL, "upside down");
	expect(gap_tree_verify(&tree), "tree is wrong");
	b = (struct gap_node){ .first = 20, .last = ~0UL };
	expect(!gap_tree_insert(&tree, &b), "up to the end");
	expect(gap_tree_find(&tree, ~0UL) == &b, "find the end");
	expect(!gap_tree_find(&tree, 9) && gap_tree_find_from(&tree, 9) == &a,
	       "find from a hole");
	gap_tree_grow_down(&tree, &a, 3);
	expect(gap_tree_find(&tree, 3) == &a && gap_tree_verify(&tree), "grow");
	gap_tree_erase(&tree, &a);
	gap_tree_erase(&tree, &b);
	expect(!tree.root.rb_node, "empty again");
}

/* ---- Domains ---- */

static void begin(bool caches)
{
	memset(owner, 0, sizeof(owner));
	seed = 1;
	shim_set_cpu(0);
	expect(!iova_cache_get(), "iova_cache_get");
	iovad = our_ops.domain_new(4096, 1);
	if (caches)
		expect(!iova_domain_init_rcaches(iovad), "init_rcaches");
}

static void end(void)
{
	expect(gap_tree_verify(&iovad->tree), "tree is wrong");
	our_ops.domain_delete(iovad);
	iova_cache_put();
}

static void take(unsigned long pfn, unsigned long size)
{
	unsigned long i;

	if (!expect(pfn >= 1 && pfn + size <= WINDOW, "pfn %#lx size %lu is out of the window",
		    pfn, size))
		return;
	expect(!(pfn & (align_of(size) - 1)), "pfn %#lx size %lu is not aligned",
	       pfn, size);
	for (i = pfn; i < pfn + size; i++) {
		expect(!owner[i], "pfn %#lx handed out twice", i);
		owner[i] = true;
	}
}

static void leave(unsigned long pfn, unsigned long size)
{
	memset(&owner[pfn], false, size);
}

/* The highest naturally aligned hole, page by page; 0 when there is none. */
static unsigned long brute_force(unsigned long size, unsigned long limit)
{
	unsigned long align = align_of(size), at, i;

	if (size > limit)
		return 0;
	for (at = (limit + 1 - size) / align * align; at; at -= align) {
		for (i = 0; i < size && !owner[at + i]; i++)
			;
		if (i == size)
			return at;
	}
	return 0;
}

static struct iova_stats stats_now(void)
{
	struct iova_stats stats;

	iova_domain_stats(iovad, &stats);
	return stats;
}

/* Hand out all there is, page by page: nothing comes twice. */
static void take_all_that_is_left(void)
{
	unsigned long pfn, i;

	while (!test_why[0] && (pfn = alloc_iova_fast(iovad, 1, TOP, true)))
		take(pfn, 1);
	for (i = 1; i <= TOP; i++)
		if (!expect(owner[i], "pfn %#lx is lost", i))
			return;
}

static void limits_and_alignment_hold(void)
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

static void unaligned_requests_take_the_top(void)
{
	struct iova *a, *b;

	begin(false);
	a = alloc_iova(iovad, 5, TOP, false);
	b = alloc_iova(iovad, 7, TOP, false);
	expect(a && a->pfn_lo == WINDOW - 5, "first");
	expect(b && b->pfn_lo == WINDOW - 12, "second");
	end();
}

static void the_highest_limits_work(void)
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

static void nothing_is_no_size(void)
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

static void more_than_the_limit_fails(void)
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

static void start_pfn_is_the_lowest(void)
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

static void granules_below_a_page_work(void)
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

static void bad_granules_are_refused(void)
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

static void init_twice_is_refused(void)
{
	begin(true);
	expect(iova_domain_init_rcaches(iovad) == -EBUSY, "second init");
	expect_warnings(1, "WARN_ON");
	end();
	iova_cache_put();
	expect_warnings(1, "put more often");
}

static void a_domain_without_caches_works(void)
{
	unsigned long pfn;

	begin(false);
	pfn = alloc_iova_fast(iovad, 4, TOP, true);
	expect(pfn, "alloc");
	free_iova_fast(iovad, pfn, 4);
	expect(!stats_now().counts.ranges, "not freed");
	end();
}

static void a_domain_can_be_used_again(void)
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
static void reserving_merges_as_stock_does(void)
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

static void reserving_across_many_ranges_goes_in_steps(void)
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

static void a_reservation_holds_whatever_comes_between_its_steps(void)
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

static void reserving_nonsense_is_refused(void)
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

static void find_knows_every_pfn_of_a_range(void)
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

static void freeing_what_is_not_allocated_is_refused(void)
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

/* ---- Runs and caches ---- */

static unsigned long many[20000];

static struct iova_cpu *cache_of(unsigned int cpu)
{
	struct iova_cpu *cache = *per_cpu_ptr(iovad->rcache->cpus, cpu);

	return cache == &iova_no_cache ? NULL : cache;
}

static void sort_magazines(void)
{
	iova_magazines_sort(iovad);
}

/* How long the range is that begins at a pfn; a look changes nothing. */
static unsigned long length_of(unsigned long pfn)
{
	struct iova_span span;

	if (!iova_look(iovad, pfn, &span) || span.cached || span.first != pfn)
		return 0;
	return span.last - pfn + 1;
}

static unsigned long nr_runs(void)
{
	struct iova_stats stats = stats_now();
	unsigned long runs = 0;
	unsigned int class;

	for (class = 0; class < IOVA_CLASSES; class++)
		runs += stats.runs[class];
	return runs;
}

static void allocate_many(unsigned long nr, unsigned long size,
			  unsigned long limit)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		many[i] = alloc_iova_fast(iovad, size, limit, true);
}

static void free_many(unsigned long from, unsigned long to, unsigned long size)
{
	for (; from < to; from++)
		free_iova_fast(iovad, many[from], size);
}

/* All pages below 2048 from runs of single pages; many[] ascends. */
static void begin_with_runs_of_pages(void)
{
	unsigned long i, n;

	begin(true);
	expect(reserve_iova(iovad, 1, 511), "reserve");
	for (n = 0; n < 1536; n++)
		many[n] = alloc_iova_fast(iovad, 1, 2047, false);
	expect(!alloc_iova_fast(iovad, 1, 2047, false), "more than there are");
	for (i = 0; i < 1536; i++)
		take(many[i], 1);
	for (i = 0; i < 1536; i++)
		many[i] = 512 + i;
	expect(nr_runs() == 3, "%lu runs", nr_runs());
}

static void free_pages(unsigned long from, unsigned long to)
{
	for (; from < to; from++) {
		free_iova_fast(iovad, from, 1);
		leave(from, 1);
	}
}

static void take_all_pages_below_2048(void)
{
	unsigned long pfn;

	while (!test_why[0] && (pfn = alloc_iova_fast(iovad, 1, 2047, true)))
		take(pfn, 1);
	for (pfn = 512; pfn < 2048; pfn++)
		if (!expect(owner[pfn], "pfn %#lx is lost", pfn))
			return;
}

static void classes_are_powers_of_two_up_to_4_mib(void)
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

static void a_free_slot_above_the_limit_is_not_taken(void)
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

static void what_is_mapped_in_a_row_lies_in_a_row(void)
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

static void an_address_comes_again_late(void)
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
static void a_cpu_gets_the_run_with_most_free(void)
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

static void without_need_nothing_is_taken_below_4_gib(void)
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

static void pfn_0_is_never_handed_out_fast(void)
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
static void a_request_that_finds_pfn_0_looks_further(void)
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

static void pfn_0_is_no_place(void)
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

/* ---- Frees ---- */

/* A slot that waits with the CPU, right below @pfn. */
static unsigned long waiting_below(unsigned long pfn, unsigned long size)
{
	unsigned int class = iova_size_class(size);
	struct iova_waiting *waiting = &cache_of(0)->waiting[class];

	expect(waiting->mask && waiting->base + __fls(waiting->mask) * size == pfn - size,
	       "%#lx does not wait", pfn - size);
	return pfn - size;
}

static void a_second_free_is_seen_when_magazines_are_sorted_back(void)
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

static void a_second_free_is_seen_when_the_magazine_is_full(void)
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

static void a_second_free_past_the_magazine_is_seen_at_once(void)
{
	unsigned long pfn;

	begin(true);
	pfn = alloc_iova_fast(iovad, 4, TOP, true);
	free_iova(iovad, pfn);
	free_iova(iovad, pfn);
	expect_warnings(1, "not allocated");
	end();
}

static void a_slot_that_waits_with_a_cpu_cannot_be_freed(void)
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

static void a_free_of_another_class_is_refused(void)
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

static void a_free_inside_a_range_is_refused(void)
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

static void a_free_of_no_pages_is_refused(void)
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

static void however_many_frees_are_refused_each_is_reported(void)
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

static void a_free_allocates_nothing(void)
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
static void bursts_hardly_allocate(void)
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

/* ---- find_iova() ---- */

static void find_knows_a_fast_range_and_each_way_frees_it(void)
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

static void what_waits_with_a_cpu_is_not_found(void)
{
	unsigned long pfn;

	begin(true);
	pfn = alloc_iova_fast(iovad, 1, TOP, true);
	expect(!find_iova(iovad, waiting_below(pfn, 1)), "found");
	expect(cache_of(0)->waiting[0].mask, "it does not wait any more");
	end();
}

/* ---- Where space is short ---- */

static void a_run_is_cut_for_a_range_of_any_size(void)
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

static void a_long_run_is_cut(void)
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

static void a_place_may_reach_across_runs_and_holes(void)
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

static void the_tree_api_finds_what_runs_have(void)
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

static void reserving_across_runs_takes_what_is_free_there(void)
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

static void what_is_reserved_over_caches_is_not_handed_out(void)
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

static void the_free_pfns_of_runs_can_be_reserved(void)
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

/* ---- Requests that fail ---- */

static void ask_in_vain(void)
{
	expect(!alloc_iova_fast(iovad, 64, 2047, true), "64 pages");
}

static unsigned long holds_of(void (*what)(void))
{
	unsigned long holds = shim_irqs_off();

	what();
	return shim_irqs_off() - holds;
}

static void a_failure_is_remembered_until_something_below_is_freed(void)
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

static void a_free_above_the_limit_changes_no_failure(void)
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

static void a_range_across_the_limit_counts_by_whichever_pfn_it_is_freed(void)
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

static void a_refused_free_changes_no_failure(void)
{
	begin_with_runs_of_pages();
	free_iova(iovad, 600);
	ask_in_vain();
	free_iova(iovad, 600);
	expect_warnings(1, "not allocated");
	expect(!iova_has_room(iovad, 64, 2047), "it is forgotten");
	end();
}

static void a_request_that_fails_again_is_cheap(void)
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

static void a_request_that_fails_leaves_all_as_it_was(void)
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

static void a_request_served_leaves_runs_elsewhere(void)
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

static unsigned long steps_to_go, had;

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

static void a_free_that_a_look_missed_is_found_by_the_next(void)
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

static void failed_memory_changes_nothing_but_that_request(void)
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
static void without_memory_a_cpu_hands_out_what_it_has(void)
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

/* ---- In reach of each CPU ---- */

static void what_another_cpu_freed_is_had_at_once(void)
{
	unsigned long i, pfn;

	begin_with_runs_of_pages();
	/* So that it has a magazine. */
	shim_set_cpu(1);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 1, HIGH, true), 1);
	free_pages(1024, 1024 + 32);
	shim_set_cpu(0);
	expect(cache_of(1)->nr - cache_of(1)->nr_sorted == 33, "not in its magazine");
	for (i = 0; i < 32; i++) {
		/* To have magazines sorted back, nobody needs to flush. */
		pfn = alloc_iova_fast(iovad, 1, 2047, i);
		expect(pfn, "%lu of 32", i);
		take(pfn, 1);
	}
	take_all_pages_below_2048();
	end();
}

static void what_waits_with_another_cpu_is_had_by_a_flush(void)
{
	unsigned long i, pfn, waiting;

	begin_with_runs_of_pages();
	free_iova(iovad, 1024);
	leave(1024, 1);
	for (i = 1024 + 1; i < 1024 + 64; i++) {
		free_iova(iovad, i);
		leave(i, 1);
	}
	shim_set_cpu(1);
	take(alloc_iova_fast(iovad, 1, 2047, false), 1);
	waiting = hweight_long(cache_of(1)->waiting[0].mask);
	shim_set_cpu(0);
	expect(waiting == 63, "%lu wait with CPU 1", waiting);
	expect(!alloc_iova_fast(iovad, 1, 2047, false), "had without a flush");
	expect(!alloc_iova_fast(iovad, 32, 2047, false), "had without a flush");
	pfn = alloc_iova_fast(iovad, 32, 2047, true);
	expect(pfn, "32 pages are not had");
	take(pfn, 32);
	take_all_pages_below_2048();
	end();
}

/* Ranges of the tree need more holds of the lock than those of runs. */
static void a_full_magazine_of_any_ranges_is_in_reach(void)
{
	unsigned long i, n = 0, freed = 0, cpu;
	struct iova *iova;

	begin(true);
	while ((iova = alloc_iova(iovad, 3, 1023, true)))
		many[n++] = iova->pfn_lo;
	for (cpu = 0; cpu < 4; cpu++) {
		shim_set_cpu(cpu);
		alloc_iova_fast(iovad, 1, HIGH, true);
	}
	for (cpu = 0; cpu < 4 && n >= 4 * IOVA_MAGAZINE - 1; cpu++) {
		shim_set_cpu(cpu);
		for (i = 0; i < IOVA_MAGAZINE && freed < n; i++)
			free_iova_fast(iovad, many[freed++], 3);
	}
	shim_set_cpu(0);
	expect(alloc_iova_fast(iovad, 512, 1023, true), "512 pages");
	expect(!stats_now().cached[2], "%lu wait in magazines",
	       stats_now().cached[2]);
	end();
}

static void a_flush_reaches_all_that_is_free(void)
{
	unsigned long n = 0, i;

	begin(true);
	while ((many[n] = alloc_iova_fast(iovad, 1, TOP, true)))
		n++;
	for (i = 0; i < n; i++) {
		shim_set_cpu(i % 4);
		free_iova_fast(iovad, many[i], 1);
		if (i % 64 == 63)
			shim_run_works(0);
	}
	shim_set_cpu(2);
	i = alloc_iova_fast(iovad, 4096, TOP, true);
	expect(i, "not found with a flush");
	take(i, 4096);
	shim_set_cpu(0);
	take_all_that_is_left();
	end();
}

/* ---- Between the steps of others ---- */

#define CHUNKS	(4096 / 16 - 1)

static unsigned long chunks[CHUNKS], wanted_pages;

/* Every chunk below 4096 is free: with CPUs, in magazines, in runs. */
static void begin_with_all_cached(void)
{
	unsigned int i;

	begin(true);
	for (i = 0; i < CHUNKS; i++) {
		shim_set_cpu(i % 4);
		chunks[i] = alloc_iova_fast(iovad, 16, 4095, true);
	}
	for (i = 0; i < CHUNKS; i++) {
		shim_set_cpu(i % 4);
		if (chunks[i])
			free_iova_fast(iovad, chunks[i], 16);
		if (i % 8 == 0)
			shim_run_works(0);
	}
	/* So that slots wait with each. */
	for (i = 0; i < 8; i++) {
		shim_set_cpu(i % 4);
		free_iova_fast(iovad, alloc_iova_fast(iovad, 16, 4095, true), 16);
	}
	shim_set_cpu(0);
}

static void take_every_chunk(void)
{
	unsigned long pfn;

	if (--steps_to_go)
		return;
	shim_interrupt = NULL;
	while ((pfn = alloc_iova_fast(iovad, 16, 4095, true))) {
		take(pfn, 16);
		had++;
	}
}

static void take_every_chunk_on_another_cpu(void)
{
	unsigned int cpu = shim_this_cpu->id;

	shim_set_cpu((cpu + 1) % 4);
	take_every_chunk();
	shim_set_cpu(cpu);
}

/* At whichever point of an operation another wants all that is free, it gets all. */
static void all_can_be_had_during(const char *what, void (*operation)(void))
{
	unsigned long step, least = CHUNKS, most = 0, other;

	for (other = 0; other < 2; other++) {
		for (step = 1; ; step++) {
			begin_with_all_cached();
			had = 0;
			steps_to_go = step;
			shim_interrupt = other ? take_every_chunk_on_another_cpu :
						 take_every_chunk;
			operation();
			shim_interrupt = NULL;
			end();
			if (steps_to_go)
				break;
			least = min(least, had);
			most = max(most, had);
		}
		expect(step > 2, "%s: only %lu steps", what, step - 1);
	}
	expect(least == CHUNKS && most == CHUNKS, "%s: %lu to %lu of %u could be had",
	       what, least, most, CHUNKS);
}

static void run_the_reaper(void)
{
	shim_run_works(5000);
}

static void fail_a_request(void)
{
	expect(!alloc_iova_fast(iovad, 4096, 4095, true), "4096 pages below 4096");
}

/* It gets its place, or all of it is gone; what it gets counts. */
static void ask_for_much(void)
{
	unsigned long pfn = alloc_iova_fast(iovad, wanted_pages, 4095, true);

	if (pfn)
		take(pfn, wanted_pages);
	had += pfn ? wanted_pages / 16 : 0;
}

static void drain_the_caches(void)
{
	iova_drain(iovad);
}

static void take_a_cpu_down(void)
{
	shim_cpu_down(3);
	shim_cpu_up(3);
}

static void what_is_free_can_be_had_between_any_two_steps(void)
{
	all_can_be_had_during("the reaper", run_the_reaper);
	all_can_be_had_during("a failing request", fail_a_request);
	wanted_pages = 2048;
	all_can_be_had_during("a request that cuts runs", ask_for_much);
	wanted_pages = 32;
	all_can_be_had_during("a smaller one", ask_for_much);
	all_can_be_had_during("a drain", drain_the_caches);
	all_can_be_had_during("a CPU that goes", take_a_cpu_down);
}

/* Ranges that neither the tree nor a run has as free. */
static unsigned long nr_live(void)
{
	struct iova_span span = { };
	unsigned long pfn, live = 0;

	for (pfn = 0; iova_look(iovad, pfn, &span); pfn = span.last + 1)
		live += !span.cached;
	return live;
}

static pthread_barrier_t meet;
static pthread_t other_sort;

/* On CPU 3: finishes the magazine of CPU 0, begins that of CPU 1, and waits. */
static void *sort_on_cpu_3(void *unused)
{
	shim_set_cpu(3);
	iova_magazines_sort(iovad);
	return NULL;
}

static void when_a_hold_ends(void)
{
	static __thread bool met;

	if (met)
		return;
	met = true;
	if (shim_this_cpu->id != 3)
		pthread_create(&other_sort, NULL, sort_on_cpu_3, NULL);
	pthread_barrier_wait(&meet);
	if (shim_this_cpu->id == 3)
		pthread_barrier_wait(&meet);
}

static void free_in_turn(unsigned int cpu, unsigned long nr)
{
	unsigned long pfns[2][32], i;

	shim_set_cpu(cpu);
	for (i = 0; i < nr; i++)
		pfns[i % 2][i / 2] = alloc_iova_fast(iovad, 1 + i % 2, TOP, true);
	/* No two in a row are of one run: 16 of them are a hold of the lock. */
	for (i = 0; i < nr; i++)
		free_iova_fast(iovad, pfns[i % 2][i / 2], 1 + i % 2);
}

/* Two sort back at a time: that one helps the other ends no turn. */
static void a_magazine_is_sorted_back_whole_though_another_helps(void)
{
	begin(true);
	free_in_turn(0, 20);
	free_in_turn(1, 64);
	shim_set_cpu(2);
	pthread_barrier_init(&meet, NULL, 2);
	shim_interrupt = when_a_hold_ends;
	iova_magazines_sort(iovad);
	expect(!nr_live(), "%lu free ranges are in a magazine", nr_live());
	pthread_barrier_wait(&meet);
	pthread_join(other_sort, NULL);
	shim_interrupt = NULL;
	pthread_barrier_destroy(&meet);
	end();
}

static void a_full_magazine_sorts_back_its_oldest_range(void)
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
static void none_stays_in_a_magazine_while_later_ones_go(void)
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
	for (i = cache_of(0)->nr_sorted; i != cache_of(0)->nr; i++)
		for (at = 0; at < ARRAY_SIZE(slots) - IOVA_MAGAZINE; at++)
			expect(iova_entry_pfn(cache_of(0)->freed[i % IOVA_MAGAZINE]) != slots[at],
			       "%lu of %zu is there", at, ARRAY_SIZE(slots));
	end();
}

static void run_the_reaper_once(void)
{
	unsigned int cpu = shim_this_cpu->id;

	if (--steps_to_go)
		return;
	shim_interrupt = NULL;
	shim_set_cpu(1);
	shim_run_works(0);
	shim_set_cpu(cpu);
}

/* The CPU comes back meanwhile, and has a new cache. */
static void come_back_while_the_cache_goes(void)
{
	unsigned int cpu = shim_this_cpu->id;

	if (--steps_to_go)
		return;
	shim_interrupt = NULL;
	shim_set_cpu(3);
	alloc_iova_fast(iovad, 16, HIGH, true);
	shim_set_cpu(1);
	shim_run_works(0);
	shim_set_cpu(cpu);
	expect(cache_of(3), "the new cache is lost");
}

static void the_cache_of_a_cpu_that_goes_is_freed_once(void)
{
	void (*const meanwhile[])(void) = {
		run_the_reaper_once, come_back_while_the_cache_goes,
	};
	unsigned long step, i;

	for (i = 0; i < 2; i++) {
		for (step = 1; ; step++) {
			begin(true);
			shim_set_cpu(3);
			alloc_iova_fast(iovad, 16, HIGH, true);
			shim_set_cpu(0);
			alloc_iova_fast(iovad, 16, HIGH, true);
			/* The reaper has seen it; another look is due. */
			shim_run_works(HZ + 1);
			shim_jiffies += HZ;
			steps_to_go = step;
			shim_interrupt = meanwhile[i];
			shim_cpu_down(3);
			shim_interrupt = NULL;
			shim_cpu_up(3);
			end();
			if (steps_to_go)
				break;
		}
		expect(step > 1, "nothing comes between");
	}
}

/* ---- What is cached and not needed ---- */

static void runs_that_are_all_free_make_way_for_other_sizes(void)
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

static void what_is_freed_first_is_sorted_back_first(void)
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

static void a_reservation_ends_whoever_allocates_meanwhile(void)
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

static void slots_above_a_limit_are_no_reason_to_look(void)
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

static void a_cpu_that_goes_gives_all_back(void)
{
	unsigned long i;

	begin(true);
	shim_set_cpu(3);
	allocate_many(50, 16, TOP);
	free_many(0, 50, 16);
	expect(cache_of(3)->waiting[4].mask, "nothing waits");
	shim_set_cpu(0);
	shim_cpu_down(3);
	expect(!cache_of(3), "it has a cache");
	i = stats_now().all_cached;
	expect(iovad->rcache->depot->free[0][4] == i, "%u of %lu are in runs",
	       iovad->rcache->depot->free[0][4], i);
	shim_cpu_up(3);
	end();
}

static void a_cpu_that_only_frees_gets_a_cache(void)
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

static void the_cache_of_an_idle_cpu_goes_after_two_windows(void)
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
static void a_cpu_that_frees_keeps_its_cache_whatever_it_frees(void)
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

static void light_load_hits(void)
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

static void runs_that_are_all_free_go_after_a_window(void)
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

static void runs_that_bursts_need_stay(void)
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

static void a_run_freed_past_the_magazines_goes(void)
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

static void an_idle_domain_is_small(void)
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

static void a_drain_leaves_only_runs_that_are_needed(void)
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

/* ---- Looks from outside ---- */

static void a_walk_sees_every_range(void)
{
	unsigned long pfn, seen = 0;
	struct iova_span span;
	unsigned int i;

	begin(true);
	for (i = 0; i < 1000; i++)
		reserve_iova(iovad, 3 * i + 7, 3 * i + 8);
	for (pfn = 0; iova_look(iovad, pfn, &span); pfn = span.last + 1, seen++)
		expect(span.first == 3 * seen + 7 && span.last == 3 * seen + 8,
		       "range %lu", seen);
	expect(seen == 1000, "%lu of 1000", seen);
	/* One that was passed by may go, and one may be within a range. */
	expect(iova_look(iovad, 8, &span) && span.first == 7, "within");
	end();
}

static void a_walk_tells_what_is_free_in_runs(void)
{
	unsigned long was = 512;
	struct iova_span span;
	unsigned int i;

	begin_with_runs_of_pages();
	for (i = 0; i < 700; i++)
		if (i % 5)
			free_pages(600 + i, 601 + i);
	sort_magazines();
	while (iova_look(iovad, was, &span)) {
		expect(span.first == was, "from %#lx, not %#lx", span.first, was);
		for (; was <= span.last; was++)
			expect(owner[was] == !span.cached, "pfn %#lx", was);
		expect(span.cached || span.first == span.last,
		       "two live pages are one range");
	}
	expect(was == 2048, "it ends at %#lx", was);
	end();
}

static void counts_tell_hits_and_misses(void)
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

/* ---- Places ---- */

static void a_placed_range_is_where_it_should_be(void)
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

/* ---- Exactness ---- */

static void every_hole_is_found_highest_first(void)
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
static void a_failure_changes_no_later_answer(void)
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
static void both_ways_of_one_size_mix(void)
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

/* ---- Bad frees ---- */

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
static void every_bad_free_is_refused_when_caches_are_drained(void)
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

int main(int argc, char **argv)
{
	bool verbose = false;
	const struct test_option options[] = {
		{ "verbose", TEST_FLAG, &verbose },
		{ }
	};

	test_options(argc, argv, options, true);
	shim_verbose = verbose;
	run_test(gap_fit_is_what_brute_force_finds);
	run_test(gap_fit_knows_the_end_of_the_address_space);
	run_test(find_hole_is_right_for_every_small_tree);
	run_test(insert_refuses_overlap_and_keeps_the_tree);
	run_test(limits_and_alignment_hold);
	run_test(unaligned_requests_take_the_top);
	run_test(the_highest_limits_work);
	run_test(nothing_is_no_size);
	run_test(more_than_the_limit_fails);
	run_test(start_pfn_is_the_lowest);
	run_test(granules_below_a_page_work);
	run_test(bad_granules_are_refused);
	run_test(init_twice_is_refused);
	run_test(a_domain_without_caches_works);
	run_test(a_domain_can_be_used_again);
	run_test(reserving_merges_as_stock_does);
	run_test(reserving_across_many_ranges_goes_in_steps);
	run_test(a_reservation_holds_whatever_comes_between_its_steps);
	run_test(reserving_nonsense_is_refused);
	run_test(find_knows_every_pfn_of_a_range);
	run_test(freeing_what_is_not_allocated_is_refused);
	run_test(classes_are_powers_of_two_up_to_4_mib);
	run_test(a_free_slot_above_the_limit_is_not_taken);
	run_test(what_is_mapped_in_a_row_lies_in_a_row);
	run_test(an_address_comes_again_late);
	run_test(a_cpu_gets_the_run_with_most_free);
	run_test(without_need_nothing_is_taken_below_4_gib);
	run_test(pfn_0_is_never_handed_out_fast);
	run_test(a_request_that_finds_pfn_0_looks_further);
	run_test(pfn_0_is_no_place);
	run_test(a_second_free_is_seen_when_magazines_are_sorted_back);
	run_test(a_second_free_is_seen_when_the_magazine_is_full);
	run_test(a_second_free_past_the_magazine_is_seen_at_once);
	run_test(a_slot_that_waits_with_a_cpu_cannot_be_freed);
	run_test(a_free_of_another_class_is_refused);
	run_test(a_free_inside_a_range_is_refused);
	run_test(a_free_of_no_pages_is_refused);
	run_test(however_many_frees_are_refused_each_is_reported);
	run_test(a_free_allocates_nothing);
	run_test(bursts_hardly_allocate);
	run_test(find_knows_a_fast_range_and_each_way_frees_it);
	run_test(what_waits_with_a_cpu_is_not_found);
	run_test(a_run_is_cut_for_a_range_of_any_size);
	run_test(a_long_run_is_cut);
	run_test(a_place_may_reach_across_runs_and_holes);
	run_test(the_tree_api_finds_what_runs_have);
	run_test(reserving_across_runs_takes_what_is_free_there);
	run_test(what_is_reserved_over_caches_is_not_handed_out);
	run_test(the_free_pfns_of_runs_can_be_reserved);
	run_test(a_failure_is_remembered_until_something_below_is_freed);
	run_test(a_free_above_the_limit_changes_no_failure);
	run_test(a_range_across_the_limit_counts_by_whichever_pfn_it_is_freed);
	run_test(a_refused_free_changes_no_failure);
	run_test(a_request_that_fails_again_is_cheap);
	run_test(a_request_that_fails_leaves_all_as_it_was);
	run_test(a_request_served_leaves_runs_elsewhere);
	run_test(a_free_that_a_look_missed_is_found_by_the_next);
	run_test(failed_memory_changes_nothing_but_that_request);
	run_test(without_memory_a_cpu_hands_out_what_it_has);
	run_test(what_another_cpu_freed_is_had_at_once);
	run_test(what_waits_with_another_cpu_is_had_by_a_flush);
	run_test(a_full_magazine_of_any_ranges_is_in_reach);
	run_test(a_flush_reaches_all_that_is_free);
	run_test(what_is_free_can_be_had_between_any_two_steps);
	run_test(a_magazine_is_sorted_back_whole_though_another_helps);
	run_test(a_full_magazine_sorts_back_its_oldest_range);
	run_test(none_stays_in_a_magazine_while_later_ones_go);
	run_test(the_cache_of_a_cpu_that_goes_is_freed_once);
	run_test(runs_that_are_all_free_make_way_for_other_sizes);
	run_test(what_is_freed_first_is_sorted_back_first);
	run_test(a_reservation_ends_whoever_allocates_meanwhile);
	run_test(slots_above_a_limit_are_no_reason_to_look);
	run_test(a_cpu_that_goes_gives_all_back);
	run_test(a_cpu_that_only_frees_gets_a_cache);
	run_test(the_cache_of_an_idle_cpu_goes_after_two_windows);
	run_test(a_cpu_that_frees_keeps_its_cache_whatever_it_frees);
	run_test(light_load_hits);
	run_test(runs_that_are_all_free_go_after_a_window);
	run_test(runs_that_bursts_need_stay);
	run_test(a_run_freed_past_the_magazines_goes);
	run_test(an_idle_domain_is_small);
	run_test(a_drain_leaves_only_runs_that_are_needed);
	run_test(a_walk_sees_every_range);
	run_test(a_walk_tells_what_is_free_in_runs);
	run_test(counts_tell_hits_and_misses);
	run_test(a_placed_range_is_where_it_should_be);
	run_test(every_hole_is_found_highest_first);
	run_test(a_failure_changes_no_later_answer);
	run_test(both_ways_of_one_size_mix);
	run_test(every_bad_free_is_refused_when_caches_are_drained);
	return test_finish(tests_ran, tests_failed);
}
