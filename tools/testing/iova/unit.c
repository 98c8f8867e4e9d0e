// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests: each shows one behaviour of the gap tree or of the IOVA API.
 *
 * Most work in a window: pfns 1 to a limit that is small enough for brute
 * force.  owner[] says page by page who holds it, so that a page handed out
 * twice is noticed by the first test that sees it.
 */

#include <linux/iova.h>

#include "internal.h"
#include "ops.h"
#include "test.h"

#define WINDOW	16384UL
#define TOP	(WINDOW - 1)

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

	while ((pfn = alloc_iova_fast(iovad, 1, TOP, true)))
		take(pfn, 1);
	for (i = 1; i <= TOP; i++)
		if (!expect(owner[i], "pfn %#lx is lost", i))
			return;
}

static void limits_and_alignment_hold(void)
{
	static const unsigned long limits[] = { 1, 5, 100, 4095, 4096, TOP };
	unsigned long size, pfn;
	unsigned int i;

	begin(true);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		for (size = 1; size < 1100; size += 1 + size / 8) {
			unsigned long wanted = brute_force(size, limits[i]);
			struct iova *iova = alloc_iova(iovad, size, limits[i], true);

			expect((iova ? iova->pfn_lo : 0) == wanted,
			       "size %lu limit %lu: %#lx, not %#lx", size,
			       limits[i], iova ? iova->pfn_lo : 0, wanted);
			if (iova) {
				expect(iova_size(iova) == size, "size");
				__free_iova(iovad, iova);
			}
			pfn = alloc_iova_fast(iovad, size, limits[i], true);
			expect(!pfn == !wanted, "fast: size %lu limit %lu: %#lx",
			       size, limits[i], pfn);
			if (pfn) {
				expect(pfn + size - 1 <= limits[i], "above the limit");
				expect(pfn % align_of(size) == 0, "not aligned");
				free_iova(iovad, pfn);
			}
		}
	}
	end();
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

/* ---- Classes and caches ---- */

static void classes_reach_to_4_mib(void)
{
	unsigned long size, pfn, hits;

	expect(iova_rcache_range() == 4UL << 20, "range %lu", iova_rcache_range());
	begin(true);
	for (size = 1; size <= 1024; size++) {
		unsigned int class = iova_size_class(size);
		unsigned long rounded = iova_class_size(class);

		expect(rounded >= size && class < IOVA_CLASSES, "size %lu", size);
		expect(align_of(rounded) == align_of(size), "alignment of %lu", size);
		if (size > 32)
			expect((rounded - size) * 4 <= rounded, "size %lu wastes %lu",
			       size, rounded - size);
		else
			expect(rounded == align_of(size), "size %lu", size);
		hits = stats_now().hits;
		pfn = alloc_iova_fast(iovad, size, TOP, true);
		free_iova_fast(iovad, pfn, size);
		expect(alloc_iova_fast(iovad, size, TOP, true) == pfn,
		       "size %lu is not cached", size);
		expect(stats_now().hits > hits, "size %lu: no hit", size);
		free_iova_fast(iovad, pfn, size);
	}
	pfn = alloc_iova_fast(iovad, 1025, TOP, true);
	size = stats_now().counts.ranges;
	free_iova_fast(iovad, pfn, 1025);
	expect(stats_now().counts.ranges == size - 1, "1025 pages are cached");
	end();
}

static void a_cached_range_above_the_limit_is_not_taken(void)
{
	unsigned long high, low;

	begin(true);
	high = alloc_iova_fast(iovad, 8, TOP, true);
	free_iova_fast(iovad, high, 8);
	low = alloc_iova_fast(iovad, 8, 1000, true);
	expect(low && low + 7 <= 1000, "low is %#lx", low);
	free_iova_fast(iovad, low, 8);
	expect(alloc_iova_fast(iovad, 8, 1000, true) == low, "low is not reused");
	expect(alloc_iova_fast(iovad, 8, high + 7, true) == high, "high, exactly");
	free_iova_fast(iovad, high, 8);
	low = alloc_iova_fast(iovad, 8, high + 6, true);
	expect(low && low < high, "one below its end");
	end();
}

static void what_is_not_to_be_cached_is_freed_to_the_tree(void)
{
	unsigned long high, low, across;

	begin(true);
	/* The fast path needs a magazine. */
	low = alloc_iova_fast(iovad, 8, 199, true);
	free_iova_fast(iovad, low, 8);
	expect(alloc_iova_fast(iovad, 8, 199, true) == low, "not from the cache");
	across = alloc_iova_fast(iovad, 8, 207, true);
	high = alloc_iova_fast(iovad, 8, 215, true);
	iova_cache_from(iovad, across + 1);
	free_iova_fast(iovad, low, 8);
	expect(!stats_now().all_cached, "%#lx is cached", low);
	free_iova_fast(iovad, across, 8);
	expect(!stats_now().all_cached, "%#lx is cached", across);
	free_iova_fast(iovad, high, 8);
	expect(stats_now().all_cached == 1, "%#lx is not cached", high);
	expect(stats_now().counts.ranges == 1, "ranges left");
	end();
}

static void a_free_of_another_size_below_is_refused_at_once(void)
{
	unsigned long low;

	begin(true);
	low = alloc_iova_fast(iovad, 8, 199, true);
	iova_cache_from(iovad, 1000);
	free_iova_fast(iovad, low, 4);
	expect_warnings(1, "refused");
	expect(stats_now().counts.ranges == 1, "it is gone");
	free_iova_fast(iovad, low, 8);
	expect(!stats_now().counts.ranges, "it is not freed");
	end();
}

static void what_is_cached_below_is_still_handed_out(void)
{
	unsigned long low;

	begin(true);
	low = alloc_iova_fast(iovad, 8, 199, true);
	free_iova_fast(iovad, low, 8);
	iova_cache_from(iovad, 1000);
	expect(stats_now().all_cached == 1, "it is not cached any more");
	expect(alloc_iova_fast(iovad, 8, TOP, true) == low, "it is not handed out");
	free_iova_fast(iovad, low, 8);
	expect(!stats_now().all_cached, "it is cached again");
	end();
}

static void all_can_be_cached_again(void)
{
	unsigned long low;

	begin(true);
	iova_cache_from(iovad, 1000);
	iova_cache_from(iovad, 0);
	low = alloc_iova_fast(iovad, 8, 199, true);
	free_iova_fast(iovad, low, 8);
	expect(stats_now().all_cached == 1, "%#lx is not cached", low);
	free_iova_fast(iovad, 0, 8);
	expect_warnings(1, "refused");
	end();
}

static void reclaim_reaches_every_cache_only_when_asked(void)
{
	static unsigned long pfns[WINDOW];
	unsigned long n = 0, i;

	begin(true);
	while ((pfns[n] = alloc_iova_fast(iovad, 1, TOP, true)))
		n++;
	for (i = 0; i < n; i++) {
		shim_set_cpu(i % 4);
		free_iova_fast(iovad, pfns[i], 1);
		if (i % 64 == 63)
			shim_run_works(0);
	}
	shim_set_cpu(2);
	expect(!alloc_iova_fast(iovad, 4096, TOP, false), "found without a flush");
	expect(stats_now().all_cached == n, "%lu of %lu cached",
	       stats_now().all_cached, n);
	i = alloc_iova_fast(iovad, 4096, TOP, true);
	expect(i, "not found with a flush");
	take(i, 4096);
	take_all_that_is_left();
	end();
}

/* ---- Between the steps of a drain ---- */

#define CHUNKS	(4096 / 16 - 1)

static unsigned long chunks[CHUNKS], steps_to_go, had;

/* Every chunk below 4096 is free, and in some cache: of a CPU, or the depot. */
static void begin_with_all_cached(void)
{
	unsigned int i;

	begin(true);
	for (i = 0; i < CHUNKS; i++)
		chunks[i] = alloc_iova_fast(iovad, 16, 4095, true);
	for (i = 0; i < CHUNKS; i++) {
		shim_set_cpu(i % 4);
		free_iova_fast(iovad, chunks[i], 16);
		if (i % 8 == 0)
			shim_run_works(0);
	}
	shim_set_cpu(0);
}

static bool is_not_yet_time(void)
{
	if (--steps_to_go)
		return true;
	shim_interrupt = NULL;
	return false;
}

static void take_every_chunk(void)
{
	unsigned long pfn;

	if (is_not_yet_time())
		return;
	while ((pfn = alloc_iova_fast(iovad, 16, 4095, true))) {
		take(pfn, 16);
		had++;
	}
}

/* At whichever point of a drain another wants all that is free, it gets all. */
static void all_can_be_had_during(const char *what, void (*drain)(void))
{
	unsigned long step, least = CHUNKS;

	for (step = 1; ; step++) {
		begin_with_all_cached();
		had = 0;
		steps_to_go = step;
		shim_interrupt = take_every_chunk;
		drain();
		shim_interrupt = NULL;
		end();
		if (steps_to_go)
			break;
		least = min(least, had);
	}
	expect(step > 3, "%s: only %lu steps", what, step - 1);
	expect(least == CHUNKS, "%s: %lu of %u could be had", what, least, CHUNKS);
}

static void run_the_reaper(void)
{
	shim_run_works(5000);
}

static void fail_a_request(void)
{
	expect(!alloc_iova_fast(iovad, 4096, 4095, true), "4096 pages below 4096");
}

static void drain_the_caches(void)
{
	iova_caches_drain(iovad);
}

static void take_a_cpu_down(void)
{
	shim_cpu_down(3);
	shim_cpu_up(3);
}

static void what_a_drain_carries_can_be_had(void)
{
	all_can_be_had_during("the reaper", run_the_reaper);
	all_can_be_had_during("a failing request", fail_a_request);
	all_can_be_had_during("drain of all", drain_the_caches);
	all_can_be_had_during("a CPU that goes", take_a_cpu_down);
}

static void an_offline_cpu_gives_its_ranges_back(void)
{
	unsigned long pfns[50];
	unsigned int i;

	begin(true);
	shim_set_cpu(3);
	for (i = 0; i < 50; i++)
		pfns[i] = alloc_iova_fast(iovad, 16, TOP, true);
	for (i = 0; i < 50; i++)
		free_iova_fast(iovad, pfns[i], 16);
	shim_set_cpu(0);
	i = stats_now().all_cached;
	expect(i == 50, "%u cached", i);
	shim_cpu_down(3);
	expect(stats_now().all_cached < 50, "nothing came back");
	shim_cpu_up(3);
	end();
}

/* Frees @nr pages on four CPUs; what they are is left in @pfns. */
static void fill_caches(unsigned long *pfns, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		shim_set_cpu(i % 4);
		pfns[i] = alloc_iova_fast(iovad, 1, TOP, true);
	}
	for (i = 0; i < nr; i++) {
		shim_set_cpu(i % 4);
		free_iova_fast(iovad, pfns[i], 1);
		if (i % 8 == 0)
			shim_run_works(0);
	}
	shim_set_cpu(0);
}

static void every_cached_range_is_listed_and_no_other(void)
{
	static unsigned long pfns[2000], listed[4000];
	unsigned long live, nr, i;

	begin(true);
	live = alloc_iova_fast(iovad, 1, TOP, true);
	fill_caches(pfns, ARRAY_SIZE(pfns));
	nr = iova_cached_pfns(iovad, listed, ARRAY_SIZE(listed));
	expect(nr > 500, "only %lu are in caches", nr);
	expect(iovad->rcache->depots[0]->full, "none are in the depot");
	expect(nr == stats_now().all_cached, "%lu listed, %lu cached", nr,
	       stats_now().all_cached);
	for (i = 0; i < nr; i++) {
		expect(listed[i] != live, "a live range is listed");
		/* Each once, and each allocated to the allocator's mind. */
		expect(find_iova(iovad, listed[i]), "%#lx is no range", listed[i]);
		take(listed[i], 1);
	}
	expect(iova_cached_pfns(iovad, listed, 10) == 10, "no room is no error");
	end();
}

static void a_list_of_the_depot_goes_on_when_magazines_leave(void)
{
	static unsigned long pfns[2000], listed[200];
	struct iova_magazine *mag;
	struct iova_depot *depot;
	unsigned long nr = 0;

	begin(true);
	fill_caches(pfns, ARRAY_SIZE(pfns));
	depot = iovad->rcache->depots[0];
	expect(iova_depot_look(depot, true, listed, ARRAY_SIZE(listed)), "first");
	/* The one that was copied, and the one that is next. */
	while ((mag = depot->full) && nr++ < 2)
		iova_depot_return(iovad->rcache, 0, mag->count);
	expect(mag, "the depot is empty");
	expect(iova_depot_look(depot, false, listed, ARRAY_SIZE(listed)) == mag->count &&
	       listed[0] == mag->pfns[0], "the third is not what comes next");
	iova_depot_drain(iovad->rcache, 0);
	expect(!iova_depot_look(depot, false, listed, ARRAY_SIZE(listed)),
	       "something comes next in an empty depot");
	end();
}

static void a_walk_in_batches_sees_every_range(void)
{
	struct iova_span spans[IOVA_BATCH];
	unsigned long pfn = 0, seen = 0;
	unsigned int nr, i;

	begin(true);
	for (i = 0; i < 1000; i++)
		reserve_iova(iovad, 3 * i + 7, 3 * i + 8);
	while ((nr = iova_tree_look(iovad, pfn, spans))) {
		expect(nr <= IOVA_BATCH, "%u in a batch", nr);
		for (i = 0; i < nr; i++, seen++)
			expect(spans[i].first == 3 * seen + 7 &&
			       spans[i].last == 3 * seen + 8, "range %lu", seen);
		pfn = spans[nr - 1].last + 1;
	}
	expect(seen == 1000, "%lu of 1000", seen);
	/* One that was passed by may go, and one may be within a range. */
	expect(iova_tree_look(iovad, 8, spans) && spans[0].first == 7, "within");
	end();
}

static void an_idle_domain_is_small(void)
{
	unsigned long pfns[500];
	long before, after;
	unsigned int i, round;

	expect(sizeof(struct iova) <= 64, "struct iova");
	expect(!iova_cache_get(), "get");
	before = shim_bytes();
	iovad = our_ops.domain_new(4096, 1);
	expect(!iova_domain_init_rcaches(iovad), "init");
	after = shim_bytes() - before + sizeof(*iovad);
	expect(after <= 1024 + 256L * shim_possible, "%ld bytes", after);

	for (round = 0; round < 40; round++) {
		shim_set_cpu(round % 4);
		for (i = 0; i < 500; i++)
			pfns[i] = alloc_iova_fast(iovad, 1 + i % 100, ~0UL, true);
		for (i = 0; i < 500; i++)
			free_iova_fast(iovad, pfns[i], 1 + i % 100);
	}
	shim_set_cpu(0);
	shim_run_works(10000);
	after = shim_bytes() - before + sizeof(*iovad);
	expect(!stats_now().counts.ranges, "%lu ranges after an idle time",
	       stats_now().counts.ranges);
	expect(after <= 1024 + 256L * shim_possible + 26 * 128,
	       "%ld bytes after an idle time", after);
	expect(!shim_queued_works(), "the reaper still runs");
	end();
}

static void cached_stays_below_twice_the_peak(void)
{
	static unsigned long pfns[20000];
	unsigned long cached, live;
	unsigned int i;

	begin(true);
	for (live = 1; live <= 4096; live *= 8) {
		for (i = 0; i < 20000; i++)
			pfns[i] = alloc_iova_fast(iovad, 2, ~0UL, true);
		for (i = live; i < 20000; i++) {
			shim_set_cpu(i % 4);
			free_iova_fast(iovad, pfns[i], 2);
		}
		shim_set_cpu(0);
		shim_run_works(3000);
		cached = stats_now().cached[iova_size_class(2)];
		expect(cached <= 2 * live, "%lu cached for a peak of %lu", cached, live);
		for (i = 0; i < live; i++)
			free_iova_fast(iovad, pfns[i], 2);
	}
	end();
}

static void a_recent_peak_stays_cached(void)
{
	static unsigned long pfns[2000];
	unsigned long misses;
	unsigned int i, round;

	begin(true);
	for (round = 0; round < 30; round++) {
		misses = stats_now().counts.misses;
		for (i = 0; i < 2000; i++)
			pfns[i] = alloc_iova_fast(iovad, 2, ~0UL, true);
		/* The first frees of so many find no magazines for all. */
		expect(round < 2 || stats_now().counts.misses == misses,
		       "round %u: %lu misses", round,
		       stats_now().counts.misses - misses);
		for (i = 0; i < 2000; i++)
			free_iova_fast(iovad, pfns[i], 2);
		shim_run_works(50);
	}
	end();
}

static void a_free_allocates_nothing(void)
{
	static unsigned long pfns[2000];
	unsigned int i;

	begin(true);
	for (i = 0; i < 2000; i++)
		pfns[i] = alloc_iova_fast(iovad, 1 + i % 100, ~0UL, true);
	free_iova_fast(iovad, pfns[0], 1);
	shim_run_works(0);
	shim_fail_nth(1, true);
	for (i = 1; i < 2000; i++) {
		shim_set_cpu(i % 4);
		free_iova_fast(iovad, pfns[i], 1 + i % 100);
	}
	shim_set_cpu(0);
	expect(!shim_allocs(), "%lu allocations", shim_allocs());
	shim_fail_nth(0, false);
	expect(stats_now().all_cached > 200, "only %lu cached",
	       stats_now().all_cached);
	end();
}

/* While ranges come and go, or grow slowly, nobody waits for memory. */
static void an_allocation_allocates_nothing_once_supply_came(void)
{
	unsigned long seed = 1, i;

	begin(true);
	for (i = 0; i < 200; i++)
		alloc_iova_fast(iovad, 1, ~0UL, true);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 2, ~0UL, true), 2);
	shim_run_works(0);
	for (i = 0; i < 20000; i++) {
		unsigned long size = 1 + below(&seed, 300);

		shim_fail_nth(1, true);
		alloc_iova_fast(iovad, 1, ~0UL, true);
		free_iova_fast(iovad, alloc_iova_fast(iovad, size, ~0UL, true), size);
		expect(!shim_allocs(), "%lu allocations after %lu rounds",
		       shim_allocs(), i);
		shim_fail_nth(0, false);
		if (i % 3 == 0)
			shim_run_works(1);
	}
	end();
}

/* Large buffers, whose place has a reason: one page in 512 where phys has it. */
static const struct iova_place large = {
	.align_mask = 511,
	.colour = 37,
	.boundary_mask = (1UL << 20) - 1,
};

static void a_placed_allocation_allocates_nothing_once_supply_came(void)
{
	unsigned long i, pfn, size;

	begin(true);
	for (i = 0; i < 200; i++)
		alloc_iova_fast(iovad, 1, ~0UL, true);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 2, ~0UL, true), 2);
	shim_run_works(0);
	for (i = 0; i < 2000; i++) {
		size = 1100 + below(&seed, 3000);
		shim_fail_nth(1, true);
		pfn = iova_alloc_placed(iovad, size, ~0UL, &large);
		expect(pfn, "no range after %lu rounds", i);
		free_iova_fast(iovad, pfn, size);
		expect(!shim_allocs(), "%lu allocations after %lu rounds",
		       shim_allocs(), i);
		shim_fail_nth(0, false);
		if (i % 3 == 0)
			shim_run_works(1);
	}
	end();
}

static void a_placed_allocation_that_fails_leaves_what_is_ready(void)
{
	unsigned int before, i;

	begin(true);
	for (i = 0; i < 200; i++)
		alloc_iova_fast(iovad, 1, ~0UL, true);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 2, ~0UL, true), 2);
	shim_run_works(0);
	before = iovad->nr_spares;
	expect(before, "nothing is ready");
	for (i = 0; i < 2 * before; i++)
		expect(!iova_alloc_placed(iovad, 2048, 1024, &large),
		       "more than the limit");
	expect(iovad->nr_spares == before, "%u of %u are left",
	       iovad->nr_spares, before);
	end();
}

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

/* Operations of the fast API count their allocations, work items do not. */
static void growing_alone_hardly_allocates(void)
{
	unsigned long allocs = 0, i;

	begin(true);
	for (i = 0; i < 5000; i++) {
		shim_fail_nth(~0UL, false);
		alloc_iova_fast(iovad, 1 + i % 7, ~0UL, true);
		allocs += shim_allocs();
		shim_fail_nth(0, false);
		shim_run_works(1);
	}
	expect(allocs < 500, "%lu allocations", allocs);
	end();
}

static void spares_are_freed_and_not_needed_at_once(void)
{
	static unsigned long pfns[3000];
	unsigned int i;
	long before;

	begin(true);
	for (i = 0; i < 3000; i++)
		pfns[i] = alloc_iova_fast(iovad, 1 + i % 100, ~0UL, true);
	free_iova_fast(iovad, pfns[0], 1);
	shim_run_works(0);
	before = shim_bytes();
	for (i = 1; i < 3000; i++)
		free_iova(iovad, pfns[i]);
	expect(shim_bytes() == before, "a free went to the slab allocator");
	expect(iovad->nr_spares > 2900, "%u spares", iovad->nr_spares);
	shim_run_works(3000);
	expect(iovad->nr_spares <= IOVA_SPARES_MIN, "%u spares stay", iovad->nr_spares);
	end();
}

/* How many of 3000 frees in a row the caches take. */
static unsigned long cached_of_3000(void)
{
	static unsigned long pfns[3000];
	unsigned long cached;
	unsigned int i;

	for (i = 0; i < 3000; i++)
		pfns[i] = alloc_iova_fast(iovad, 1, ~0UL, true);
	for (i = 0; i < 3000; i++)
		free_iova_fast(iovad, pfns[i], 1);
	cached = stats_now().all_cached;
	shim_run_works(0);
	return cached;
}

static void as_many_magazines_get_ready_as_were_missed(void)
{
	begin(true);
	expect(cached_of_3000() < 1000, "more than there is memory for");
	cached_of_3000();
	expect(cached_of_3000() == 3000, "too few");
	end();
}

static void magazines_are_ready_again_when_no_free_is_cheap(void)
{
	unsigned long pfns[64], i;

	begin(true);
	/* Nothing is ready, and nobody else will ask. */
	iova_pieces_free();
	for (i = 0; i < 64; i++)
		pfns[i] = alloc_iova_fast(iovad, 1, ~0UL, true);
	for (i = 0; i < 32; i++)
		free_iova_fast(iovad, pfns[i], 1);
	expect(!stats_now().all_cached, "cached without a magazine");
	shim_run_works(200);
	for (; i < 64; i++)
		free_iova_fast(iovad, pfns[i], 1);
	expect(stats_now().all_cached == 32, "%lu cached", stats_now().all_cached);
	end();
}

static void what_is_ready_and_not_needed_is_freed(void)
{
	unsigned long pfn;
	long before, most;

	begin(true);
	/* One stays in use, so the domain is not idle. */
	pfn = alloc_iova_fast(iovad, 1, ~0UL, true);
	free_iova_fast(iovad, alloc_iova_fast(iovad, 1, ~0UL, true), 1);
	shim_run_works(3000);
	before = shim_bytes();
	cached_of_3000();
	cached_of_3000();
	most = shim_bytes() - before;
	shim_run_works(10000);
	expect(shim_bytes() - before <= 1024, "%ld of %ld bytes stay",
	       shim_bytes() - before, most);
	free_iova_fast(iovad, pfn, 1);
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
			a = kept[below(&seed, nr)];
			size = find_iova(iovad, a) ? iova_size(find_iova(iovad, a)) : 0;
			if (size) {
				free_iova(iovad, a);
				free_iova(twin, a);
			}
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
		iova_caches_drain(iovad);
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
	shim_verbose = argc > 1 && !strcmp(argv[1], "-v");
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
	run_test(classes_reach_to_4_mib);
	run_test(a_cached_range_above_the_limit_is_not_taken);
	run_test(what_is_not_to_be_cached_is_freed_to_the_tree);
	run_test(a_free_of_another_size_below_is_refused_at_once);
	run_test(what_is_cached_below_is_still_handed_out);
	run_test(all_can_be_cached_again);
	run_test(reclaim_reaches_every_cache_only_when_asked);
	run_test(what_a_drain_carries_can_be_had);
	run_test(an_offline_cpu_gives_its_ranges_back);
	run_test(every_cached_range_is_listed_and_no_other);
	run_test(a_list_of_the_depot_goes_on_when_magazines_leave);
	run_test(a_walk_in_batches_sees_every_range);
	run_test(an_idle_domain_is_small);
	run_test(cached_stays_below_twice_the_peak);
	run_test(a_recent_peak_stays_cached);
	run_test(a_free_allocates_nothing);
	run_test(an_allocation_allocates_nothing_once_supply_came);
	run_test(a_placed_allocation_allocates_nothing_once_supply_came);
	run_test(a_placed_allocation_that_fails_leaves_what_is_ready);
	run_test(a_placed_range_is_where_it_should_be);
	run_test(growing_alone_hardly_allocates);
	run_test(spares_are_freed_and_not_needed_at_once);
	run_test(as_many_magazines_get_ready_as_were_missed);
	run_test(magazines_are_ready_again_when_no_free_is_cheap);
	run_test(what_is_ready_and_not_needed_is_freed);
	run_test(every_hole_is_found_highest_first);
	run_test(a_failure_changes_no_later_answer);
	run_test(both_ways_of_one_size_mix);
	run_test(every_bad_free_is_refused_when_caches_are_drained);
	return tests_failed ? 1 : 0;
}
