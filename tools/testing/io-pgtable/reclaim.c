// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which tables stay when what they mapped is gone, which are given back, and
 * in what order things happen then.
 */
#include <linux/rcupdate.h>

#include "targets.h"

/* What a walk over IOVA space may leave, above what there was. */
#define MOST_LEFT	64

static void *hook_alloc(void *cookie, size_t size, gfp_t gfp)
{
	struct page *page = shim_alloc_pages(get_order(size));

	return page ? page_address(page) : NULL;
}

static void hook_free(void *cookie, void *pages, size_t size)
{
	shim_free_pages(virt_to_page(pages), get_order(size));
}

static int map_atomic(u64 iova, u64 phys, size_t size, size_t count)
{
	size_t mapped = 0;

	return ops->map_pages(ops, iova, phys, size, count, RW, GFP_ATOMIC,
			      &mapped);
}

static size_t unmap(u64 iova, size_t size, size_t count)
{
	struct iommu_iotlb_gather gather;
	size_t done;

	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	done = ops->unmap_pages(ops, iova, size, count, &gather);
	free_tables(&gather);
	return done;
}

static size_t table_bytes(void)
{
	return (1UL << t->granule) << (t->granule - 3);
}

/* Tables' worth of IOVA space there are, up to @most. */
static unsigned long tables_of_space(unsigned long most)
{
	return min(most, (1UL << t->ias) / table_bytes());
}

static void map_live_tables(unsigned long n)
{
	size_t mapped;
	unsigned long i;

	for (i = 0; i < n; i++)
		expect(!map(upper() + i * table_bytes(), 0, 1UL << t->granule, 1,
			    &mapped), "map");
}

static void cycle(u64 base, u64 stride, unsigned long count, bool atomic)
{
	size_t page = 1UL << t->granule, mapped;
	unsigned long i;

	for (i = 0; i < count && !test_why[0]; i++) {
		u64 iova = base + i * stride;
		int ret = atomic ? map_atomic(iova, 0, page, 1) :
				   map(iova, 0, page, 1, &mapped);

		expect(!ret && unmap(iova, page, 1) == page, "wrong at %#lx",
		       (long)iova);
	}
}

/* One page at a time, all over the space: at the end, and without waiting. */
static void cycles_leave_few_tables(void)
{
	static const unsigned long live[] = { 0, 1000 };
	unsigned long n = tables_of_space(32768), i;
	unsigned int atomic;
	long before, left;

	for (atomic = 0; atomic < 2; atomic++) {
		for (i = 0; i < ARRAY_SIZE(live) && live[i] < n / 2; i++) {
			open_table();
			map_live_tables(live[i]);
			before = shim_pages();
			cycle(upper() + live[i] * table_bytes(), table_bytes(),
			      n - live[i], atomic);
			left = (shim_pages() - before) / pages_of_table();
			expect(left <= MOST_LEFT, "%ld tables left of %lu, %lu live%s",
			       left, n, live[i], atomic ? ", atomic" : "");
			close_table();
		}
	}
}

/* Each page of 8 GiB; bench does it with 64 GiB. */
static void small_strides_leave_few_tables(void)
{
	unsigned long n = tables_of_space(4096) * 512;
	long before;

	if (t->granule != 12 || (t->b != &s1 && t->b != &vtd_ss))
		return;
	open_table();
	before = shim_pages();
	cycle(upper(), SZ_4K, n, false);
	expect(shim_pages() - before <= MOST_LEFT, "%ld tables left",
	       shim_pages() - before);
	close_table();
}

/* A buffer that comes and goes whole, of pages from everywhere. */
static void steady_cycle(u64 at)
{
	size_t page = 1UL << t->granule, n = page / 8, mapped, i;

	for (i = 0; i < n; i++)
		expect(!map(at + i * page, i * 7 % n * 16 * page, page, 1, &mapped),
		       "map");
	expect(unmap(at, page, n) == n * page, "unmap");
}

static void steady_cycles_allocate_nothing(void)
{
	static const unsigned long live[] = { 0, 1000 };
	unsigned long i, round, allocated;
	long pages;

	for (i = 0; i < ARRAY_SIZE(live); i++) {
		u64 at = upper() + (live[i] + 1) * table_bytes() +
			 table_bytes() / 2;

		if (live[i] + 8 > tables_of_space(32768))
			continue;
		open_table();
		map_live_tables(live[i]);
		for (round = 0; round < 8; round++) {
			steady_cycle(at);
			steady_cycle(at + table_bytes() / 2);
		}
		allocated = shim_pages_allocated();
		pages = shim_pages();
		for (round = 0; round < 20; round++) {
			steady_cycle(at);
			steady_cycle(at + table_bytes() / 2);
		}
		expect(shim_pages_allocated() == allocated, "%lu tables allocated",
		       shim_pages_allocated() - allocated);
		expect(shim_pages() == pages, "%ld tables freed",
		       pages - shim_pages());
		close_table();
	}
}

/* A large range that was mapped with pages: its tables wait for the flush. */
static void large_unmap_returns_its_tables(void)
{
	size_t page = 1UL << t->granule, per_table = page / 8, mapped;
	unsigned long n = min(tables_of_space(512), 64UL * 512 / per_table);
	struct iommu_iotlb_gather gather;
	struct page *p;
	long before, full, listed = 0;
	u64 at;

	if (t->granule != 12)
		return;
	open_table();
	at = n == 512 ? upper() + (1UL << 30) : upper();
	n = n < 64 ? n : 64;
	if (t->ias > 32)
		n = 512;
	before = shim_pages();
	expect(!map(at, 0, page, n * per_table, &mapped), "map");
	full = shim_pages();
	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	told = (struct told){};
	expect(ops->unmap_pages(ops, at, table_bytes(), n, &gather) ==
	       n * table_bytes(), "unmap");
	expect(!told.all && !told.walks && !told.pages, "invalidated on the spot");
	expect(shim_pages() == full, "freed before the invalidation");
	list_for_each_entry(p, &gather.freelist, lru)
		listed++;
	expect(full - before - listed <= 32, "%ld of %ld tables returned", listed,
	       full - before);
	free_tables(&gather);
	expect_hole(at);
	expect_hole(at + (n - 1) * table_bytes());
	close_table();
}

/* The tables above, when nothing is left below them. */
static void upper_tables_return_too(void)
{
	size_t page = 1UL << t->granule, per_table = page / 8, mapped;
	u64 size = table_bytes() * per_table;
	struct iommu_iotlb_gather gather;
	long before;
	u64 at;

	if (t->granule != 12 || t->ias < 39 || t->b->kind == MALI)
		return;
	open_table();
	/* Use the reserve up with tables of another range. */
	at = upper() + 2 * size;
	expect(!map(at, 0, page, RESERVE * per_table, &mapped), "map");
	expect(unmap(at, page, RESERVE * per_table) == RESERVE * table_bytes(),
	       "unmap");
	before = shim_pages();
	/* None of them is taken meanwhile. */
	shim_rcu_stalled = true;
	expect(!map_atomic(at + size, 0, page, per_table * per_table), "map");
	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	expect(ops->unmap_pages(ops, at + size, 1UL << 30, 1, &gather) == 1UL << 30,
	       "unmap");
	free_tables(&gather);
	expect(shim_pages() == before, "%ld tables left", shim_pages() - before);
	shim_rcu_stalled = false;
	close_table();
}

/* The flush as seen from inside of it. */
static struct {
	u64 iova;		/* of an empty table */
	bool armed, seen;
	void (*meet)(u64 iova);
	long pages;
	const char *wrong;
} flush;

static void flush_seen(void *cookie)
{
	told.all++;
	if (!flush.armed)
		return;
	flush.armed = false;
	flush.seen = true;
	if (hardware(flush.iova).valid || hardware(flush.iova).entry == 0)
		flush.wrong = "the entry is not taken but not empty";
	if (shim_pages() < flush.pages)
		flush.wrong = "freed before the flush";
	if (flush.meet)
		flush.meet(flush.iova);
}

/* Until it is done no new table may stand there. */
static void walk_seen(unsigned long iova, size_t size, size_t granule, void *cookie)
{
	told.walks++;
	if (iova <= flush.iova && flush.iova - iova < size &&
	    hardware(flush.iova).valid)
		flush.wrong = "mapped before the flush";
}

static const struct iommu_flush_ops flush_ops = {
	.tlb_flush_all = flush_seen,
	.tlb_flush_walk = walk_seen,
	.tlb_add_page = told_page,
};

/* Leave @n empty tables from @at on, so many that the next makes a turn. */
static void leave_empty_tables(u64 at, unsigned int n)
{
	size_t page = 1UL << t->granule;
	unsigned int i;

	shim_rcu_stalled = true;
	for (i = 0; i < n; i++) {
		expect(!map_atomic(at + i * table_bytes(), 0, page, 1), "map");
		expect(unmap(at + i * table_bytes(), page, 1) == page, "unmap");
	}
	shim_rcu_stalled = false;
}

#define ENOUGH	(2 * RESERVE + 8)

static bool open_with_empty_tables(u64 *at)
{
	open_table();
	io_pgtable_ops_to_pgtable(ops)->cfg.tlb = &flush_ops;
	*at = upper();
	memset(&flush, 0, sizeof(flush));
	leave_empty_tables(*at, ENOUGH);
	flush.iova = *at + 2 * table_bytes();
	flush.pages = shim_pages();
	flush.armed = true;
	return true;
}

static void make_turn(u64 at)
{
	size_t mapped;

	expect(!map(at + (ENOUGH + 1) * table_bytes(), 0, 1UL << t->granule, 1,
		    &mapped), "map");
}

static void the_flush_comes_before_the_free(void)
{
	long before;
	u64 at;

	open_with_empty_tables(&at);
	before = shim_pages();
	make_turn(at);
	expect(flush.seen && !flush.wrong, "%s", flush.wrong ?: "no flush");
	expect(told.all == 1 && !told.walks, "%lu flushes, %lu walks", told.all,
	       told.walks);
	expect(shim_pages() < before - RESERVE, "%ld tables", shim_pages());
	expect(!hardware(flush.iova).entry, "the slot is not a hole");
	close_table();
}

static void map_page_there(u64 iova)
{
	expect(!map_atomic(iova, 0, 1UL << t->granule, 1), "map");
	if (!hardware(iova).valid)
		flush.wrong = "hardware does not see the new table";
}

static void a_page_takes_over_what_is_taken(void)
{
	u64 at;

	open_with_empty_tables(&at);
	flush.meet = map_page_there;
	make_turn(at);
	expect(flush.seen && !flush.wrong, "%s", flush.wrong ?: "no flush");
	expect(told.walks == 1, "%lu walk flushes", told.walks);
	expect_page(flush.iova, 0, 1UL << t->granule);
	close_table();
}

static void map_block_there(u64 iova)
{
	expect(!map_atomic(iova, 0, table_bytes(), 1), "map");
}

static void a_block_takes_over_what_is_taken(void)
{
	u64 at;

	open_with_empty_tables(&at);
	flush.meet = map_block_there;
	make_turn(at);
	expect(flush.seen && !flush.wrong, "%s", flush.wrong ?: "no flush");
	expect(told.walks == 1, "%lu walk flushes", told.walks);
	expect_page(flush.iova, 0, table_bytes());
	close_table();
}

/* Map, and unmap whole, all that is around a table that is being taken. */
static void unmap_all_around(u64 iova)
{
	size_t page = 1UL << t->granule, n = 512;

	if (t->granule != 12 || t->ias < 39)
		return;
	/* Use up the reserve, so that the table above would go, too. */
	iova &= ~((1UL << 30) - 1);
	expect(!map_atomic(iova + (1UL << 30), 0, page, RESERVE * n), "map");
	expect(unmap(iova + (1UL << 30), table_bytes(), RESERVE) ==
	       RESERVE * table_bytes(), "unmap");
	/* A 1 GiB range whose tables are in part those being taken. */
	expect(!map_atomic(iova, 0, page, n * n), "map");
	expect(unmap(iova, table_bytes(), n) == 1UL << 30, "unmap");
}

static void an_unmap_around_what_is_taken(void)
{
	u64 at;

	open_with_empty_tables(&at);
	flush.meet = unmap_all_around;
	make_turn(at);
	expect(flush.seen && !flush.wrong, "%s", flush.wrong ?: "no flush");
	expect_hole(flush.iova);
	close_table();
}

/* Between the hands: closed, not yet taken. */
static u64 between;

static void map_between(void)
{
	if (between == ~0UL)
		return;
	expect(!map_atomic(between, 0, 1UL << t->granule, 1), "map");
	between = ~0UL;
}

static void who_opens_a_table_keeps_it(void)
{
	u64 at;

	open_with_empty_tables(&at);
	between = flush.iova;
	flush.iova += table_bytes();
	shim_rcu_waits = map_between;
	make_turn(at);
	shim_rcu_waits = NULL;
	expect(flush.seen && !flush.wrong, "%s", flush.wrong ?: "no flush");
	expect(!told.walks, "%lu walk flushes", told.walks);
	expect_page(flush.iova - table_bytes(), 0, 1UL << t->granule);
	expect(unmap(flush.iova - table_bytes(), 1UL << t->granule, 1), "unmap");
	close_table();
}

static u64 elsewhere;

static void allocate_elsewhere(void)
{
	expect(!map_atomic(elsewhere, 0, 1UL << t->granule, 1), "map");
}

/* The clock takes a table between the look at its entry and the opening. */
static void who_comes_too_late_begins_anew(void)
{
	u64 at;

	if (t->coherent)
		return;
	open_with_empty_tables(&at);
	elsewhere = at + (ENOUGH + 1) * table_bytes();
	shim_at_write_back = allocate_elsewhere;
	expect(!map_atomic(flush.iova, 0, 1UL << t->granule, 1), "map");
	expect(!shim_at_write_back && flush.seen && !flush.wrong, "%s",
	       flush.wrong ?: "no flush");
	expect_page(flush.iova, 0, 1UL << t->granule);
	close_table();
}

static void block_between(void)
{
	if (between == ~0UL)
		return;
	expect(!map_atomic(between, 0, table_bytes(), 1), "map");
	between = ~0UL;
}

static void a_block_replaces_a_closed_table(void)
{
	u64 at;

	open_with_empty_tables(&at);
	between = flush.iova;
	flush.iova += table_bytes();
	shim_rcu_waits = block_between;
	make_turn(at);
	shim_rcu_waits = NULL;
	expect(flush.seen && !flush.wrong, "%s", flush.wrong ?: "no flush");
	expect(told.walks == 1, "%lu walk flushes", told.walks);
	expect_page(flush.iova - table_bytes(), 0, table_bytes());
	close_table();
}

/* A reader that is in a table when it leaves the tree. */
static void a_replaced_table_outlives_its_readers(void)
{
	size_t page = 1UL << t->granule;
	long before;
	u64 at;

	open_with_empty_tables(&at);
	flush.armed = false;
	shim_rcu_stalled = true;
	before = shim_pages();
	expect(!map_atomic(flush.iova, 0, table_bytes(), 1), "map");
	expect(!map_atomic(at + (ENOUGH + 1) * table_bytes(), 0, page, 1), "map");
	expect(shim_pages() == before + pages_of_table(),
	       "%ld tables freed in spite of readers",
	       before + pages_of_table() - shim_pages());
	shim_rcu_stalled = false;
	expect(!map_atomic(at + (ENOUGH + 2) * table_bytes(), 0, page, 1), "map");
	expect(shim_pages() <= before + pages_of_table(), "not freed");
	close_table();
}

static void no_memory_while_tables_are_taken(void)
{
	size_t page = 1UL << t->granule, mapped;
	u64 at, there;

	open_with_empty_tables(&at);
	there = at + (ENOUGH + 1) * table_bytes();
	shim_fail_nth(1, false);
	expect(map(there, 0, page, 1, &mapped) == -ENOMEM && !mapped, "mapped");
	shim_fail_nth(0, false);
	expect(flush.seen && !flush.wrong, "%s", flush.wrong ?: "no flush");
	expect_hole(there);
	expect(!map(there, 0, page, 1, &mapped), "map");
	expect_page(there, 0, page);
	close_table();
}

/* The end, with hands apart and tables in the limbo. */
static void closing_frees_all(void)
{
	u64 at;

	open_with_empty_tables(&at);
	flush.armed = false;
	expect(!map_atomic(flush.iova, 0, table_bytes(), 1), "map");
	shim_rcu_stalled = true;
	expect(!map_atomic(at + (ENOUGH + 1) * table_bytes(), 0, 1UL << t->granule, 1),
	       "map");
	shim_rcu_stalled = false;
	close_table();
}

/* An owner's own memory comes back at once, and without a clock. */
static void own_memory_returns_at_once(void)
{
	size_t page = 1UL << t->granule, per_table = page / 8, mapped;
	struct iommu_iotlb_gather gather;
	u64 at = upper() + 4 * table_bytes();
	long before;

	if (t->b->kind == SS || t->b->kind == FS)
		return;
	open_table();
	table_close(t->b->fns, ops);
	cfg.alloc = hook_alloc;
	cfg.free = hook_free;
	ops = table_open(t->b->fns, t->b->fmt, &cfg, &told);
	expect(!map(at - page, 0, page, 1, &mapped), "map");
	before = shim_pages();
	expect(!map(at, 0, page, per_table, &mapped), "map");
	expect(unmap(at, page, per_table) == table_bytes(), "unmap");
	expect(shim_pages() == before && told.walks == 1, "%ld tables stay, %lu walks",
	       shim_pages() - before, told.walks);
	cycle(at, table_bytes(), ENOUGH, false);
	expect(!told.all, "%lu flushes", told.all);
	close_table();
	cfg.alloc = NULL;
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		t = &targets[i];
		run_for_target(cycles_leave_few_tables);
		run_for_target(small_strides_leave_few_tables);
		run_for_target(steady_cycles_allocate_nothing);
		run_for_target(large_unmap_returns_its_tables);
		run_for_target(upper_tables_return_too);
		run_for_target(own_memory_returns_at_once);
		if (tables_of_space(2 * ENOUGH) < 2 * ENOUGH)
			continue;
		run_for_target(the_flush_comes_before_the_free);
		run_for_target(a_page_takes_over_what_is_taken);
		run_for_target(a_block_takes_over_what_is_taken);
		run_for_target(an_unmap_around_what_is_taken);
		run_for_target(who_opens_a_table_keeps_it);
		run_for_target(who_comes_too_late_begins_anew);
		run_for_target(a_block_replaces_a_closed_table);
		run_for_target(a_replaced_table_outlives_its_readers);
		run_for_target(no_memory_while_tables_are_taken);
		run_for_target(closing_frees_all);
	}
	return tests_failed ? 1 : 0;
}
