/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A domain and beside it a model: a plain sorted list of what is live or
 * reserved, and a map of pages.  Each operation is done to both and every
 * answer compared; what makes the operations up (random numbers, a fuzzer) is
 * somebody else's.
 *
 * The model knows nothing of runs and caches: what is not on its list is free,
 * wherever the allocator keeps it.  So a request that may flush fails only when
 * the list leaves no place, and after a drain the domain has exactly the list.
 * How long a range came out is asked of the domain, by a look that changes
 * nothing; whether runs and depot agree with themselves is checked here, too.
 *
 * With check_interrupt() as shim_interrupt, other operations come between the
 * steps of one: as interrupts, or as what other CPUs do.
 */
#ifndef _CHECKER_H
#define _CHECKER_H

#include <linux/err.h>
#include <linux/iova.h>

#include "internal.h"
#include "ops.h"
#include "test.h"

#define MAX_RANGES	600
#define MAP_PAGES	65536UL	/* pages that the map covers, from 0 */

enum state { LIVE, RESERVED };

struct range {
	unsigned long lo, hi;
	unsigned long size;	/* as asked for */
	enum state state;
	bool grown;		/* by a reservation: of no known size */
};

static struct {
	struct iova_domain *iovad;
	struct range ranges[MAX_RANGES];
	unsigned int nr;
	unsigned long start;
	bool caches;
	bool map[MAP_PAGES];	/* live or reserved */
	unsigned long refused;
	unsigned long between;	/* operations that came between others' steps */
	bool memory_fails;
} m;

static void mark(unsigned long lo, unsigned long hi, bool taken)
{
	for (; lo <= hi && lo < MAP_PAGES; lo++) {
		expect(m.map[lo] != taken, "pfn %#lx %s twice", lo,
		       taken ? "handed out" : "freed");
		m.map[lo] = taken;
	}
}

/* Index of the first range that ends at or above a pfn. */
static unsigned int range_at(unsigned long pfn)
{
	unsigned int lo = 0, hi = m.nr;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (m.ranges[mid].hi < pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct range *range_of(unsigned long pfn)
{
	unsigned int at = range_at(pfn);

	return at < m.nr && m.ranges[at].lo <= pfn ? &m.ranges[at] : NULL;
}

static void list_add_range(unsigned long lo, unsigned long hi,
			   unsigned long size, enum state state)
{
	unsigned int at = range_at(lo);

	if (!expect(at == m.nr || m.ranges[at].lo > hi,
		    "[%#lx, %#lx] is handed out over [%#lx, %#lx]", lo, hi,
		    m.ranges[at].lo, m.ranges[at].hi) || m.nr == MAX_RANGES)
		return;
	memmove(&m.ranges[at + 1], &m.ranges[at],
		(m.nr - at) * sizeof(m.ranges[0]));
	m.ranges[at] = (struct range){ lo, hi, size, state };
	m.nr++;
	mark(lo, hi, true);
}

static struct range list_del_range(unsigned int at)
{
	struct range range = m.ranges[at];

	mark(range.lo, range.hi, false);
	m.nr--;
	memmove(&m.ranges[at], &m.ranges[at + 1],
		(m.nr - at) * sizeof(m.ranges[0]));
	return range;
}

/* The highest place by looking at every hole; 0 when there is none. */
static unsigned long best_place(unsigned long size, unsigned long limit,
				bool aligned)
{
	unsigned long mask = aligned && size > 1 ?
			     ~0UL >> __builtin_clzl(size - 1) : 0;
	unsigned long top = min(limit, ~0UL - 1);	/* of this hole */
	unsigned int i = m.nr;

	for (;;) {
		unsigned long bottom = m.start, at;

		if (i && m.ranges[i - 1].hi >= bottom)
			bottom = m.ranges[i - 1].hi + 1;
		if (bottom && top >= bottom && top - bottom >= size - 1) {
			at = (top - (size - 1)) & ~mask;
			if (at >= bottom)
				return at;
		}
		if (!i || m.ranges[i - 1].lo <= m.start)
			return 0;
		i--;
		top = min(top, m.ranges[i].lo - 1);
	}
}

/* Is there something between @lo and @hi? */
static bool is_free(unsigned long lo, unsigned long hi)
{
	unsigned int at = range_at(lo);

	return at == m.nr || m.ranges[at].lo > hi;
}

/* Where the range that holds a pfn ends. */
static unsigned long end_of(unsigned long pfn)
{
	struct iova_span span;

	if (!iova_look(m.iovad, pfn, &span) || span.first > pfn || span.cached)
		return 0;
	expect(span.first == pfn, "%#lx is inside [%#lx, %#lx]", pfn,
	       span.first, span.last);
	return span.last;
}

/* What the caches allocate for a size. */
static unsigned long round_size(unsigned long size)
{
	return iova_size_is_cached(size) ? 1UL << iova_size_class(size) : size;
}

static bool is_in_bounds(unsigned long pfn, unsigned long size,
			 unsigned long limit, bool aligned)
{
	return expect(pfn >= m.start && pfn <= limit && size - 1 <= limit - pfn,
		      "%#lx is outside, size %lu limit %#lx", pfn, size, limit) &&
	       expect(!aligned || size == 1 ||
		      !(pfn & (~0UL >> __builtin_clzl(size - 1))),
		      "%#lx is not aligned, size %lu", pfn, size);
}

/* A request failed.  Try again with nothing between its steps. */
static bool failure_is_right(unsigned long size, unsigned long limit,
			     bool aligned, unsigned long between,
			     unsigned long (*again)(unsigned long size,
						    unsigned long limit,
						    bool aligned))
{
	void (*interrupt)(void) = shim_interrupt;
	unsigned long wanted, pfn = 0;

	shim_interrupt = NULL;
	wanted = best_place(size, limit, aligned);
	if (wanted && between != m.between)
		pfn = again(size, limit, aligned);
	shim_interrupt = interrupt;
	if (pfn) {
		list_add_range(pfn, end_of(pfn), size, LIVE);
		return true;
	}
	return expect(!wanted || m.memory_fails,
		      "request of %lu to %#lx, aligned %d, failed: %#lx is free",
		      size, limit, aligned, wanted);
}

static unsigned long again_tree(unsigned long size, unsigned long limit,
				bool aligned)
{
	return our_ops.alloc(m.iovad, size, limit, aligned);
}

static unsigned long again_fast(unsigned long size, unsigned long limit,
				bool aligned)
{
	return alloc_iova_fast(m.iovad, size, limit, true);
}

static bool checker_inside;	/* of another operation */

static void check_room(unsigned long size, unsigned long limit)
{
	if (!checker_inside && !shim_interrupt &&
	    !iova_has_room(m.iovad, size, limit))
		expect(!best_place(size, limit, true),
		       "there is room for %lu to %#lx", size, limit);
}

static void check_alloc(unsigned long size, unsigned long limit, bool aligned)
{
	unsigned long wanted = best_place(size, limit, aligned), pfn;
	unsigned long between = m.between;

	if (m.nr >= MAX_RANGES - 20)
		return;
	pfn = our_ops.alloc(m.iovad, size, limit, aligned);
	if (!pfn) {
		if (!checker_inside)
			failure_is_right(size, limit, aligned, between, again_tree);
		return;
	}
	if (!is_in_bounds(pfn, size, limit, aligned))
		return;
	if (!m.caches && !m.memory_fails && between == m.between && !checker_inside)
		expect(pfn == wanted, "alloc_iova(%lu, %#lx, %d): %#lx, not %#lx",
		       size, limit, aligned, pfn, wanted);
	expect(end_of(pfn) == pfn + size - 1, "alloc_iova(%lu) is [%#lx, %#lx]",
	       size, pfn, end_of(pfn));
	list_add_range(pfn, pfn + size - 1, size, LIVE);
}

static void check_alloc_fast(unsigned long size, unsigned long limit, bool flush)
{
	unsigned long between = m.between, pfn, len;

	if (m.nr >= MAX_RANGES - 20)
		return;
	pfn = alloc_iova_fast(m.iovad, size, limit, flush);
	if (!pfn) {
		if (flush && !checker_inside) {
			failure_is_right(size, limit, true, between, again_fast);
			check_room(size, limit);
		}
		return;
	}
	if (!is_in_bounds(pfn, size, limit, true))
		return;
	len = end_of(pfn) - pfn + 1;
	expect(len == size || len == round_size(size),
	       "%#lx is %lu long, asked for %lu", pfn, len, size);
	list_add_range(pfn, pfn + len - 1, size, LIVE);
}

/* As a mapping does it: a place that agrees in its low bits. */
static void check_alloc_placed(unsigned long size, unsigned long limit,
			       unsigned int align, unsigned long colour,
			       unsigned int boundary)
{
	struct iova_place place = {
		.align_mask = (1UL << align) - 1,
		.boundary_mask = (1UL << boundary) - 1,
	};
	unsigned long pfn;

	place.colour = colour & place.align_mask;
	if (m.nr >= MAX_RANGES - 20 || size > place.boundary_mask + 1)
		return;
	pfn = iova_alloc_placed(m.iovad, size, limit, &place);
	if (!pfn || !is_in_bounds(pfn, size, limit, false))
		return;
	expect((pfn & place.align_mask) == place.colour, "%#lx, wanted %#lx in %#lx",
	       pfn, place.colour, place.align_mask);
	expect(!((pfn ^ (pfn + size - 1)) & ~place.boundary_mask),
	       "[%#lx, +%lu] crosses %#lx", pfn, size, place.boundary_mask + 1);
	list_add_range(pfn, pfn + size - 1, size, LIVE);
}

static void check_free(unsigned int at, unsigned long where)
{
	struct range range;

	if (at >= m.nr || m.ranges[at].state != LIVE)
		return;
	range = list_del_range(at);
	/* Any pfn of it will do. */
	free_iova(m.iovad, range.lo + where % (range.hi - range.lo + 1));
}

static void check_free_fast(unsigned int at, unsigned long other)
{
	struct range range;
	unsigned long size;

	if (at >= m.nr || m.ranges[at].state != LIVE || m.ranges[at].grown)
		return;
	range = list_del_range(at);
	size = range.size;
	/* Any size of its class will do. */
	if (iova_size_is_cached(size) && size > 2)
		size = round_size(size) - other % (round_size(size) / 2);
	free_iova_fast(m.iovad, range.lo, size);
}

/* By what find_iova() tells. */
static void check_free_found(unsigned int at)
{
	struct range range;
	struct iova *iova;

	if (at >= m.nr || m.ranges[at].state != LIVE)
		return;
	range = list_del_range(at);
	iova = find_iova(m.iovad, range.lo);
	if (iova) {
		__free_iova(m.iovad, iova);
		return;
	}
	expect(m.memory_fails, "%#lx is not found", range.lo);
	free_iova(m.iovad, range.lo);
}

static void sort_magazines(void)
{
	if (m.caches)
		iova_magazines_sort(m.iovad);
}

static void check_find(unsigned long pfn)
{
	struct range *range = range_of(pfn);
	struct iova *iova;

	/* What waits in a magazine is still found. */
	if (!range)
		sort_magazines();
	iova = find_iova(m.iovad, pfn);
	range = range_of(pfn);	/* it may be freed meanwhile */
	if (checker_inside || shim_interrupt)
		return;
	expect(!iova == !range || (range && m.memory_fails), "find_iova(%#lx)", pfn);
	if (iova && range)
		expect(iova->pfn_lo == range->lo && iova->pfn_hi == range->hi,
		       "find_iova(%#lx): [%#lx, %#lx], not [%#lx, %#lx]", pfn,
		       iova->pfn_lo, iova->pfn_hi, range->lo, range->hi);
}

/* What reserve_iova() does to the list. */
static void list_reserve(unsigned long lo, unsigned long hi)
{
	unsigned int i;

	for (i = range_at(lo); i < m.nr && m.ranges[i].lo <= hi; i++) {
		if (lo < m.ranges[i].lo) {
			mark(lo, m.ranges[i].lo - 1, true);
			m.ranges[i].lo = lo;
			m.ranges[i].grown = true;
		}
		if (m.ranges[i].hi >= hi)
			return;
		lo = m.ranges[i].hi + 1;
	}
	list_add_range(lo, hi, hi - lo + 1, RESERVED);
}

/* With nothing between its steps, for what is there then grows, too. */
static void check_reserve(unsigned long lo, unsigned long hi)
{
	void (*interrupt)(void) = shim_interrupt;
	struct iova *iova;

	if (m.nr >= MAX_RANGES - 20 || checker_inside)
		return;
	shim_interrupt = NULL;
	iova = reserve_iova(m.iovad, lo, hi);
	shim_interrupt = interrupt;
	if (!iova) {
		expect(m.memory_fails, "reserve_iova(%#lx, %#lx)", lo, hi);
		return;
	}
	expect(iova->pfn_lo <= hi && iova->pfn_hi >= hi,
	       "reserve_iova(%#lx, %#lx): [%#lx, %#lx]", lo, hi, iova->pfn_lo,
	       iova->pfn_hi);
	list_reserve(lo, hi);
}

static void check_reserve_free(unsigned long lo, unsigned long hi)
{
	void (*interrupt)(void) = shim_interrupt;
	unsigned long pfn = lo, was;
	struct range *range;
	struct iova *iova;

	if (checker_inside)
		return;
	shim_interrupt = NULL;
	while (pfn <= hi && pfn && m.nr < MAX_RANGES - 20 && !test_why[0]) {
		was = pfn;
		iova = iova_reserve_free(m.iovad, &pfn, hi);
		range = range_of(was);
		if (PTR_ERR_OR_ZERO(iova) == -ENOMEM) {
			expect(m.memory_fails, "no memory");
			break;
		}
		if (IS_ERR(iova)) {
			expect(range && pfn == range->hi + 1,
			       "%#lx is in use until %#lx, says iova_reserve_free()",
			       was, pfn);
			continue;
		}
		expect(iova->pfn_lo == was && iova->pfn_hi + 1 == pfn &&
		       iova->pfn_hi <= hi, "[%#lx, %#lx] is reserved of [%#lx, %#lx]",
		       iova->pfn_lo, iova->pfn_hi, was, hi);
		list_add_range(was, iova->pfn_hi, pfn - was, RESERVED);
	}
	shim_interrupt = interrupt;
}

static void check_unreserve(unsigned int at)
{
	struct range range;

	if (at >= m.nr || m.ranges[at].state != RESERVED || m.ranges[at].lo == 0)
		return;
	range = list_del_range(at);
	free_iova(m.iovad, range.hi);
}

/* A free that is to be refused, at once or when magazines are sorted back. */
static void check_bad_free(unsigned long pfn, unsigned long size)
{
	void (*interrupt)(void) = shim_interrupt;
	struct range *range = range_of(pfn);
	unsigned long length = range ? range->hi - range->lo + 1 : 0;
	unsigned long warnings = shim_warnings();

	/* Others' frees warn, too; and a good free is none of these. */
	if (checker_inside)
		return;
	shim_interrupt = NULL;
	sort_magazines();
	if (range && !size)
		size = 2 * length;
	if (range && range->lo == pfn &&
	    (size == length || (size <= IOVA_CACHED_MAX && length <= IOVA_CACHED_MAX &&
				iova_size_class(size) == iova_size_class(length))))
		goto out;
	if (size)
		free_iova_fast(m.iovad, pfn, size);
	else
		free_iova(m.iovad, pfn);
	sort_magazines();
	expect(shim_warnings() == warnings + 1, "free of %#lx size %lu: %lu warnings",
	       pfn, size, shim_warnings() - warnings);
	shim_clear_warnings();
	m.refused++;
out:
	shim_interrupt = interrupt;
}

static void check_works(unsigned long advance)
{
	if (!checker_inside)
		shim_run_works(advance);
}

static void check_cpu_down(unsigned int cpu)
{
	if (checker_inside)
		return;
	shim_set_cpu((cpu + 1) % shim_possible);
	shim_cpu_down(cpu);
	shim_cpu_up(cpu);
}

/* ---- Runs and depot by themselves ---- */

struct depot_sums {
	unsigned int free[IOVA_CLASSES], runs[IOVA_CLASSES], all, blocks;
};

static void check_run(struct iova_run *run, struct depot_sums *sums)
{
	unsigned int weight = bitmap_weight(run->free, IOVA_RUN_PAGES), no;
	unsigned long first = run->gap.first, at;

	expect(run->class < IOVA_CLASSES && run->nr_slots &&
	       run->gap.last == first + ((unsigned long)run->nr_slots << run->class) - 1,
	       "run at %#lx: %u slots of class %u to %#lx", first, run->nr_slots,
	       run->class, run->gap.last);
	expect(!(first & (BIT(run->shift) - 1)) &&
	       run->nr_slots <= 1UL << (run->shift - run->class), "run at %#lx", first);
	expect(weight == run->nr_free, "run at %#lx: %u free, not %u", first,
	       run->nr_free, weight);
	expect(find_next_bit(run->free, IOVA_RUN_PAGES, run->nr_slots) == IOVA_RUN_PAGES,
	       "run at %#lx: free beyond its end", first);
	sums->blocks += 1UL << (run->shift - IOVA_RUN_SHIFT);
	sums->free[run->class] += run->nr_free;
	sums->runs[run->class]++;
	if (run->owner) {
		at = (run->owner->base - first) >> run->class;
		expect(run->owner->run == run &&
		       run->owner->last == run->gap.last &&
		       run->list_no == IOVA_NO_LIST,
		       "run at %#lx and its CPU", first);
		expect(at % BITS_PER_LONG == 0 && at < run->nr_slots &&
		       !(run->free[at / BITS_PER_LONG] & run->owner->mask),
		       "run at %#lx: free twice", first);
		return;
	}
	no = run->nr_free ? fls(run->nr_free * 8 / run->nr_slots) : IOVA_NO_LIST;
	expect(run->list_no == no, "run at %#lx: on list %u, not %u", first,
	       run->list_no, no);
	sums->all += no == IOVA_LIST_ALL;
}

static void check_depot(void)
{
	struct iova_depot *depot = m.caches ? m.iovad->rcache->depot : NULL;
	struct depot_sums sums = { };
	unsigned int class, zone, hint, free;
	struct iova_shelf *shelf;
	struct iova_cpu *cpu;
	struct rb_node *rb;

	for (rb = rb_first(&m.iovad->tree.root); rb; rb = rb_next(rb)) {
		struct gap_node *node = rb_entry(rb, struct gap_node, rb);

		if (iova_is_run(node))
			check_run(iova_to_run(node), &sums);
	}
	for (class = 0; class < IOVA_CLASSES; class++) {
		if (!depot) {
			expect(!sums.runs[class], "runs without a depot");
			continue;
		}
		free = depot->free[0][class] + depot->free[1][class];
		expect(free == sums.free[class] &&
		       depot->nr_runs[class] == sums.runs[class],
		       "class %u: %u free in %u runs, not %u in %u", class,
		       free, depot->nr_runs[class],
		       sums.free[class], sums.runs[class]);
		for (zone = 0; zone < IOVA_ZONES; zone++) {
			shelf = &depot->shelves[class][zone];
			sums.all -= shelf->nr_all;
			expect(shelf->least_all <= shelf->nr_all,
			       "class %u: least of %u was %u", class,
			       shelf->nr_all, shelf->least_all);
		}
	}
	expect(!sums.all, "runs that are all free: %d more than counted",
	       (int)sums.all);
	expect(!depot || depot->blocks == sums.blocks, "%u blocks", sums.blocks);
	for (hint = 0; depot && hint < depot->nr_hints; hint++) {
		struct iova_run *run = depot->hints[hint];

		expect(!run || gap_tree_find(&m.iovad->tree, run->gap.first) == &run->gap,
		       "a hint to a run that is gone");
	}
	if (!m.caches)
		return;
	list_for_each_entry(cpu, &m.iovad->rcache->caches, list)
		for (class = 0; class < IOVA_CLASSES; class++)
			expect(!cpu->waiting[class].mask ||
			       cpu->waiting[class].run->owner == &cpu->waiting[class],
			       "CPU %u has slots of a run that is not its", cpu->cpu);
}

static bool is_listed(const unsigned long *pfns, unsigned long nr,
		      unsigned long pfn)
{
	while (nr--)
		if (pfns[nr] == pfn)
			return true;
	return false;
}

/* What waits in magazines to be sorted back. */
static unsigned long freed_pfns(unsigned long *pfns, unsigned long room)
{
	const struct iova_cpu *cpu;
	unsigned long nr = 0;
	unsigned int at;

	list_for_each_entry(cpu, &m.iovad->rcache->caches, list)
		for (at = cpu->nr_sorted; at != cpu->nr && nr < room; at++)
			pfns[nr++] = iova_entry_pfn(cpu->freed[at % IOVA_MAGAZINE]);
	return nr;
}

/* The domain has what the list has, and nothing else but what is in magazines. */
static void check_all(void)
{
	static unsigned long freed[8 * IOVA_MAGAZINE];
	unsigned long nr_freed = 0, pfn = 0, spans_in_list = 0;
	void (*interrupt)(void) = shim_interrupt;
	struct iova_stats stats;
	struct iova_span span;
	struct range *range;

	shim_interrupt = NULL;
	iova_domain_stats(m.iovad, &stats);
	expect(stats.counts.ranges - stats.all_cached == m.nr,
	       "%lu ranges, %lu cached, model has %u", stats.counts.ranges,
	       stats.all_cached, m.nr);
	expect(stats.counts.refused == m.refused, "%lu refused, not %lu",
	       stats.counts.refused, m.refused);
	if (m.caches)
		nr_freed = freed_pfns(freed, ARRAY_SIZE(freed));
	do {
		if (!iova_look(m.iovad, pfn, &span))
			break;
		pfn = span.last + 1;
		range = range_of(span.first);
		if (span.cached) {
			expect(is_free(span.first, span.last),
			       "[%#lx, %#lx] is cached, and not free", span.first,
			       span.last);
			continue;
		}
		if (!range) {
			expect(is_listed(freed, nr_freed, span.first),
			       "[%#lx, %#lx] is lost", span.first, span.last);
			continue;
		}
		spans_in_list++;
		expect(range->lo == span.first && range->hi == span.last,
		       "[%#lx, %#lx] should be [%#lx, %#lx]", span.first,
		       span.last, range->lo, range->hi);
	} while (pfn);
	expect(spans_in_list == m.nr, "%lu of %u ranges are there", spans_in_list,
	       m.nr);
	check_depot();
	expect(gap_tree_verify(&m.iovad->tree), "tree is wrong");
	expect(!shim_warnings(), "warning: %s", shim_last_warning());
	shim_interrupt = interrupt;
}

/* After a drain there are no ranges but the list, and those of its runs. */
static void check_drain(void)
{
	struct rb_node *rb;

	if (checker_inside)
		return;
	iova_drain(m.iovad);
	if (shim_interrupt)
		return;
	for (rb = rb_first(&m.iovad->tree.root); rb; rb = rb_next(rb)) {
		struct gap_node *node = rb_entry(rb, struct gap_node, rb);

		expect(!is_free(node->first, node->last),
		       "[%#lx, %#lx] has nothing that is live", node->first,
		       node->last);
	}
}

static void checker_begin(unsigned long start, bool caches)
{
	memset(&m, 0, sizeof(m));
	m.start = start;
	m.caches = caches;
	expect(!iova_cache_get(), "iova_cache_get");
	m.iovad = our_ops.domain_new(4096, start);
	if (caches)
		expect(!iova_domain_init_rcaches(m.iovad), "init_rcaches");
}

static void checker_end(void)
{
	shim_interrupt = NULL;
	shim_fail_random(0);
	m.memory_fails = false;
	check_all();
	check_drain();
	check_all();
	our_ops.domain_delete(m.iovad);
	iova_cache_put();
}

/*
 * A moment without memory: what is asked meanwhile may fail, no more.  It does
 * not end between the steps of an operation, which would then fail without a
 * reason that is still there to see.
 */
static void check_memory(unsigned int fail_one_in)
{
	if (checker_inside && !fail_one_in)
		return;
	shim_fail_random(fail_one_in);
	m.memory_fails = fail_one_in;
}

/*
 * Something else happens here: an operation on this CPU or on another.  For
 * @operation is one of those above; those that cannot come between do nothing.
 */
static void check_between(unsigned int cpu, void (*operation)(unsigned long how),
			  unsigned long how)
{
	void (*interrupt)(void) = shim_interrupt;
	unsigned int id = shim_this_cpu->id;

	shim_interrupt = NULL;
	checker_inside = true;
	m.between++;
	shim_set_cpu(cpu);
	operation(how);
	shim_set_cpu(id);
	checker_inside = false;
	shim_interrupt = interrupt;
}

#endif
