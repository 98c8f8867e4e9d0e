// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which tables stay when what they mapped is gone, which are given back, and
 * in what order things happen then.
 */
#include <pthread.h>
#include <unistd.h>

#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>

#include "shim.h"
#include "targets.h"

/* What a walk over IOVA space may leave, above what there was. */
#define MOST_LEFT	64
/* When: ten seconds after it ends. */
#define A_WHILE		(10 * HZ)

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

/* Tables' worth of IOVA space there are, up to @most pages of them. */
static unsigned long tables_of_space(unsigned long most)
{
	return min(most / pages_of_table(), (1UL << t->ias) / table_bytes());
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

#define ENOUGH	(2 * RESERVE + 8)

static void (*slow_flush)(void);

static void slow_walk(unsigned long iova, size_t size, size_t granule,
		      void *cookie)
{
	void (*then)(void) = slow_flush;

	slow_flush = NULL;
	if (then)
		then();
}

static const struct iommu_flush_ops slow_ops = {
	.tlb_flush_walk = slow_walk,
	.tlb_add_page = told_page,
};

static void expect_few_left(long before, const char *how)
{
	long left;

	shim_run_works(A_WHILE);
	rcu_barrier();
	left = (shim_pages() - before) / pages_of_table();
	expect(left <= MOST_LEFT, "%ld tables left, %s", left, how);
}

/* One page at a time, all over the space. */
static void cycles_leave_few_tables(void)
{
	static const unsigned long live[] = { 0, 1000 };
	unsigned long n = tables_of_space(4096), i;
	unsigned int atomic;
	long before;

	for (atomic = 0; atomic < 2; atomic++) {
		for (i = 0; i < ARRAY_SIZE(live) && live[i] < n / 2; i++) {
			open_table();
			map_live_tables(live[i]);
			before = shim_pages();
			cycle(upper() + live[i] * table_bytes(), table_bytes(),
			      n - live[i], atomic);
			expect_few_left(before, atomic ? "atomic" : "");
			close_table();
		}
	}
}

/* Each page of 2 GiB; bench does it with 64 GiB. */
static void small_strides_leave_few_tables(void)
{
	unsigned long n = tables_of_space(1024) * 512;
	long before;

	if (t->granule != 12 || (t->b != &s1 && t->b->kind != SS))
		return;
	open_table();
	before = shim_pages();
	cycle(upper(), SZ_4K, n, false);
	expect_few_left(before, "");
	close_table();
}

/* Nothing is mapped any more when the tables become empty. */
static void unmapping_alone_leaves_few_tables(void)
{
	unsigned long n = tables_of_space(4000), i;
	size_t page = 1UL << t->granule;
	long before;

	open_table();
	before = shim_pages();
	map_live_tables(n);
	for (i = 0; i < n; i++)
		expect(unmap(upper() + i * table_bytes(), page, 1) == page,
		       "unmap");
	expect_few_left(before, "");
	close_table();
}

/* Tables of blocks, none of which has tables below it. */
static void tables_of_blocks_return_too(void)
{
	size_t page = 1UL << t->granule, n = page / 8, mapped;
	u64 size = table_bytes() * n;
	unsigned long i, most = 200;
	long before;

	if (t->granule != 12 || (1UL << t->ias) / size < most)
		return;
	open_table();
	before = shim_pages();
	for (i = 0; i < most; i++)
		expect(!map(upper() + i * size, 0, table_bytes(), 1, &mapped),
		       "map");
	for (i = 0; i < most; i++)
		expect(unmap(upper() + i * size, table_bytes(), 1) ==
		       table_bytes(), "unmap");
	expect_few_left(before, "one block in each");
	for (i = 0; i < most; i++)
		expect(!map(upper() + i * size, 0, table_bytes(), n, &mapped),
		       "map");
	for (i = 0; i < most; i++)
		expect(unmap(upper() + i * size, table_bytes(), n) == size,
		       "unmap");
	expect_few_left(before, "full");
	close_table();
}

/* A run that took long, in which something was unmapped. */
static void unmap_slowly(void)
{
	unmap(upper(), 1UL << t->granule, 1);
	shim_ktime += 50 * NSEC_PER_MSEC;
}

static void a_long_run_is_not_repeated_soon(void)
{
	if (t->granule != 12 || tables_of_space(2 * ENOUGH) < 2 * ENOUGH)
		return;
	open_table();
	cycle(upper() + table_bytes(), table_bytes(), ENOUGH, false);
	map_live_tables(1);
	/* The time to wait for readers does not count, that to look does. */
	slow_flush = unmap_slowly;
	io_pgtable_ops_to_pgtable(ops)->cfg.tlb = &slow_ops;
	expect(shim_run_works(HZ) == 1, "the worker did not run");
	expect(!slow_flush, "nothing was taken");
	expect(!shim_run_works(4 * HZ), "it ran again too soon");
	expect(shim_run_works(2 * HZ) == 1, "it did not run again");
	close_table();
}

static void mapping_alone_runs_no_worker(void)
{
	unsigned long periods = shim_grace_periods;

	open_table();
	map_live_tables(tables_of_space(4000));
	expect(!shim_queued_works(), "a worker is queued");
	expect(!told.all && !told.walks && shim_grace_periods == periods,
	       "%lu and %lu invalidations, %lu grace periods", told.all,
	       told.walks, shim_grace_periods - periods);
	close_table();
}

static void after_nothing_was_found_it_waits_up_to_four_seconds(void)
{
	static const unsigned int seconds[] = { 1, 2, 4, 4 };
	unsigned int i;

	if (tables_of_space(2 * ENOUGH) < 2 * ENOUGH)
		return;
	open_table();
	map_live_tables(2 * ENOUGH);
	for (i = 0; i < ARRAY_SIZE(seconds); i++) {
		cycle(upper() + SZ_64K, 0, 1, false);
		expect(!shim_run_works(seconds[i] * HZ - 1), "run %u is early", i);
		expect(shim_run_works(1) == 1, "run %u is late", i);
	}
	close_table();
}

static void a_small_page_table_has_no_worker(void)
{
	open_table();
	cycle(upper(), table_bytes(), RESERVE / 2, false);
	expect(!shim_queued_works(), "a worker is queued");
	close_table();
}

/* The worker neither runs on nor disables interrupts. */
static void an_idle_page_table_has_no_worker(void)
{
	unsigned long n = tables_of_space(1000), off, periods;
	unsigned int ran;

	if (n < 2 * RESERVE)
		return;
	open_table();
	cycle(upper(), table_bytes(), n, false);
	expect(shim_queued_works() == 1, "%u works", shim_queued_works());
	off = shim_irqs_off();
	ran = shim_run_works(A_WHILE);
	expect(ran == 1, "the worker ran %u times", ran);
	expect(shim_irqs_off() == off, "interrupts off %lu times",
	       shim_irqs_off() - off);
	expect(!shim_queued_works(), "queued again");

	/* Live tables only: it looks once, and waits for no grace period. */
	map_live_tables(n);
	periods = shim_grace_periods;
	cycle(upper() + SZ_64K, 0, 1, false);
	expect(shim_run_works(A_WHILE) == 1, "the worker did not run");
	expect(shim_grace_periods == periods, "waited for nothing");
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
			shim_run_works(2 * HZ);
		}
		allocated = shim_pages_allocated();
		pages = shim_pages();
		for (round = 0; round < 20; round++) {
			steady_cycle(at);
			steady_cycle(at + table_bytes() / 2);
			shim_run_works(2 * HZ);
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
	list_for_each_entry(p, tables_of_list(&gather.freelist), lru)
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
	size_t page = 1UL << t->granule, n = page / 8, mapped;
	u64 size = table_bytes() * n, at = upper() + 2 * size;
	struct iommu_iotlb_gather gather;
	long before;

	if (t->granule != 12 || t->ias < 39 || t->b->kind == MALI)
		return;
	open_table();
	before = shim_pages();
	expect(!map(at, 0, page, 2 * n * n, &mapped), "map");
	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	expect(ops->unmap_pages(ops, at, 1UL << 30, 2, &gather) == 2UL << 30,
	       "unmap");
	free_tables(&gather);
	/* Those of the second GiB are gone, with the table above. */
	expect(shim_pages() <= before + RESERVE + 4, "%ld tables left",
	       shim_pages() - before);
	expect_few_left(before, "");
	close_table();
}

/* The invalidation as seen from inside of it. */
static struct {
	u64 iova;		/* of an empty table */
	bool armed, seen;
	void (*meet)(u64 iova);
	long pages;
	const char *wrong;
} flush;

static void flush_all_seen(void *cookie)
{
	told.all++;
	flush.wrong = "a whole domain is invalidated";
}

static void walk_seen(unsigned long iova, size_t size, size_t granule,
		      void *cookie)
{
	told.walks++;
	if (!flush.armed || flush.iova - iova >= size)
		return;
	flush.armed = false;
	flush.seen = true;
	if (hardware(flush.iova).valid || hardware(flush.iova).entry == 0)
		flush.wrong = "the entry is not taken but not empty";
	if (shim_pages() < flush.pages)
		flush.wrong = "freed before the invalidation";
	if (flush.meet)
		flush.meet(flush.iova);
}

static const struct iommu_flush_ops flush_ops = {
	.tlb_flush_all = flush_all_seen,
	.tlb_flush_walk = walk_seen,
	.tlb_add_page = told_page,
};

/* Leave empty tables, and look at one of them, which the worker will take. */
static u64 open_with_empty_tables(void)
{
	u64 at = upper();

	open_table();
	io_pgtable_ops_to_pgtable(ops)->cfg.tlb = &flush_ops;
	memset(&flush, 0, sizeof(flush));
	cycle(at, table_bytes(), ENOUGH, false);
	expect(!told.walks, "invalidated on the spot");
	flush.iova = at + 2 * table_bytes();
	flush.pages = shim_pages();
	flush.armed = true;
	return at;
}

static void let_the_worker_run(void)
{
	shim_run_works(A_WHILE);
	rcu_barrier();
	expect(flush.seen && !flush.wrong, "%s", flush.wrong ?: "no invalidation");
}

static void the_invalidation_comes_before_the_free(void)
{
	long before;

	open_with_empty_tables();
	before = shim_pages();
	let_the_worker_run();
	expect(shim_pages() <= before - (ENOUGH - RESERVE) * pages_of_table(),
	       "%ld tables", shim_pages());
	expect(!hardware(flush.iova).entry, "the slot is not a hole");
	expect(told.walks <= (t->granule == 12 ? 2 : 1), "%lu invalidations",
	       told.walks);
	close_table();
}

static void map_page_there(u64 iova)
{
	unsigned long allocated = shim_pages_allocated(), walks = told.walks;

	expect(!map_atomic(iova, 0, 1UL << t->granule, 1), "map");
	if (!hardware(iova).valid)
		flush.wrong = "hardware does not see the page";
	if (shim_pages_allocated() != allocated || told.walks != walks)
		flush.wrong = "not the same table";
}

static void a_page_takes_the_same_table_back(void)
{
	open_with_empty_tables();
	flush.meet = map_page_there;
	let_the_worker_run();
	expect_page(flush.iova, 0, 1UL << t->granule);
	close_table();
}

static void map_block_there(u64 iova)
{
	expect(!map_atomic(iova, 0, table_bytes(), 1), "map");
}

static void a_block_takes_over_what_is_taken(void)
{
	open_with_empty_tables();
	flush.meet = map_block_there;
	let_the_worker_run();
	expect_page(flush.iova, 0, table_bytes());
	close_table();
}

/* Map, and unmap whole, all that is around a table that is being taken. */
static void unmap_all_around(u64 iova)
{
	size_t page = 1UL << t->granule, n = 512;

	if (t->granule != 12 || t->ias < 39)
		return;
	iova &= ~((1UL << 30) - 1);
	expect(!map_atomic(iova, 0, page, 2 * n * n), "map");
	expect(unmap(iova, table_bytes(), 2 * n) == 2UL << 30, "unmap");
}

static void an_unmap_around_what_is_taken(void)
{
	open_with_empty_tables();
	flush.meet = unmap_all_around;
	let_the_worker_run();
	expect_hole(flush.iova);
	close_table();
}

/* While the worker waits: closed, not yet taken. */
static u64 between;

static void map_between(void)
{
	expect(!map_atomic(between, 0, 1UL << t->granule, 1), "map");
}

static void a_mapper_that_opens_a_table_keeps_it(void)
{
	open_with_empty_tables();
	between = flush.iova;
	flush.iova += table_bytes();
	shim_rcu_waits = map_between;
	let_the_worker_run();
	shim_rcu_waits = NULL;
	expect_page(between, 0, 1UL << t->granule);
	expect(unmap(between, 1UL << t->granule, 1), "unmap");
	close_table();
}

static void block_between(void)
{
	/* It frees the table that it replaces. */
	flush.pages -= pages_of_table();
	expect(!map_atomic(between, 0, table_bytes(), 1), "map");
}

static void a_block_replaces_a_closed_table(void)
{
	open_with_empty_tables();
	between = flush.iova;
	flush.iova += table_bytes();
	shim_rcu_waits = block_between;
	let_the_worker_run();
	shim_rcu_waits = NULL;
	expect_page(between, 0, table_bytes());
	close_table();
}

/*
 * The worker comes between the look at an entry and its opening.  It has waited
 * for a grace period before that; the mapper has not seen the entry OPEN.
 */
static void worker_runs(void)
{
	shim_set_cpu(1);
	shim_rcu_skipped = true;
	shim_run_works(A_WHILE);
	shim_rcu_skipped = false;
	shim_set_cpu(0);
	expect(!hardware(flush.iova).entry, "not taken");
}

static void the_worker_takes_what_a_mapper_is_about_to_open(void)
{
	if (t->coherent)
		return;
	open_with_empty_tables();
	flush.armed = false;
	shim_run_works(A_WHILE);
	/* The highest ones are left, and closed. */
	flush.iova = upper() + (ENOUGH - 2) * table_bytes();
	cycle(upper() + 2 * ENOUGH * table_bytes(), table_bytes(), ENOUGH, false);
	flush.pages = shim_pages();
	flush.armed = true;
	shim_at_write_back = worker_runs;
	expect(!map_atomic(flush.iova, 0, 1UL << t->granule, 1), "map");
	expect(!shim_at_write_back && flush.seen && !flush.wrong, "%s",
	       flush.wrong ?: "no invalidation");
	expect_page(flush.iova, 0, 1UL << t->granule);
	close_table();
}

/* One flush for all the empty tables below a group of blocks, or a few blocks. */
static void blocks_make_room_at_once(void)
{
	size_t mapped, n = 16;
	u64 at = upper();

	open_table();
	cycle(at, table_bytes(), n, false);
	told = (struct told){};
	expect(!map(at, 0, table_bytes(), n, &mapped), "map");
	expect(told.walks == 1 && told.walked == n * table_bytes(),
	       "%lu invalidations, the last of %#lx", told.walks,
	       (long)told.walked);
	expect_page(at + (n - 1) * table_bytes(), (n - 1) * table_bytes(),
		    table_bytes());
	close_table();
}

/* A lookup that is in a table when it leaves the tree. */
static void a_table_outlives_its_readers(void)
{
	size_t page = 1UL << t->granule, n = page / 8 * (RESERVE + 1), mapped;
	struct iommu_iotlb_gather gather;
	long before;

	open_table();
	expect(!map(upper(), 0, page, n, &mapped), "map");
	before = shim_pages();
	rcu_read_lock();
	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	expect(ops->unmap_pages(ops, upper(), page, n, &gather) == n * page,
	       "unmap");
	free_tables(&gather);
	expect(!map_atomic(upper(), 0, table_bytes(), 1), "map");
	expect(shim_pages() == before, "%ld tables freed in spite of readers",
	       before - shim_pages());
	rcu_read_unlock();
	rcu_barrier();
	expect(shim_pages() <= before - 2 * pages_of_table(), "not freed");
	close_table();
}

/* The end, with the worker queued and tables that wait for readers. */
static void closing_frees_all(void)
{
	open_with_empty_tables();
	flush.armed = false;
	shim_rcu_stalled = true;
	expect(!map_atomic(flush.iova, 0, table_bytes(), 1), "map");
	shim_rcu_stalled = false;
	close_table();
	expect(!shim_queued_works(), "the worker is queued");
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
	expect(!told.all && !shim_queued_works(), "%lu flushes, %u works",
	       told.all, shim_queued_works());
	close_table();
	cfg.alloc = NULL;
}

/* The worker on another CPU, in an invalidation that takes its time. */
static struct {
	bool inside, freeing, freed, left;
} end;

static bool set(bool *what)
{
	return __atomic_load_n(what, __ATOMIC_ACQUIRE);
}

static void wait_until(bool *what)
{
	while (!set(what))
		usleep(100);
}

static void is_being_freed(void)
{
	/* A late unmap arms the worker once more. */
	unmap(upper(), 1UL << t->granule, 1);
	__atomic_store_n(&end.inside, true, __ATOMIC_RELEASE);
	wait_until(&end.freeing);
	/* Time for a free that does not wait */
	usleep(10000);
	expect(!set(&end.freed), "freed while the worker runs");
	__atomic_store_n(&end.left, true, __ATOMIC_RELEASE);
}

static void *run_worker(void *arg)
{
	shim_set_cpu(1);
	shim_run_works(A_WHILE);
	return NULL;
}

static void freeing_stops_the_worker(void)
{
	pthread_t worker;

	open_table();
	map_live_tables(1);
	cycle(upper() + table_bytes(), table_bytes(), ENOUGH, false);
	memset(&end, 0, sizeof(end));
	slow_flush = is_being_freed;
	io_pgtable_ops_to_pgtable(ops)->cfg.tlb = &slow_ops;
	pthread_create(&worker, NULL, run_worker, NULL);
	wait_until(&end.inside);
	expect(shim_queued_works() == 1, "the late unmap arms nothing");
	__atomic_store_n(&end.freeing, true, __ATOMIC_RELEASE);
	close_table();
	__atomic_store_n(&end.freed, true, __ATOMIC_RELEASE);
	expect(set(&end.left), "freed while the worker runs");
	pthread_join(worker, NULL);
	expect(!shim_queued_works() && !shim_run_works(A_WHILE),
	       "the worker runs after the free");
}

int main(int argc, char **argv)
{
	unsigned int i;

	test_options(argc, argv, NULL, true);
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		t = &targets[i];
		run_for_target(cycles_leave_few_tables);
		run_for_target(small_strides_leave_few_tables);
		run_for_target(unmapping_alone_leaves_few_tables);
		run_for_target(tables_of_blocks_return_too);
		run_for_target(a_long_run_is_not_repeated_soon);
		run_for_target(mapping_alone_runs_no_worker);
		run_for_target(after_nothing_was_found_it_waits_up_to_four_seconds);
		run_for_target(a_small_page_table_has_no_worker);
		run_for_target(an_idle_page_table_has_no_worker);
		run_for_target(steady_cycles_allocate_nothing);
		run_for_target(large_unmap_returns_its_tables);
		run_for_target(upper_tables_return_too);
		run_for_target(own_memory_returns_at_once);
		if ((1UL << t->ias) / table_bytes() < 4 * ENOUGH)
			continue;
		run_for_target(the_invalidation_comes_before_the_free);
		run_for_target(a_page_takes_the_same_table_back);
		run_for_target(a_block_takes_over_what_is_taken);
		run_for_target(an_unmap_around_what_is_taken);
		run_for_target(a_mapper_that_opens_a_table_keeps_it);
		run_for_target(a_block_replaces_a_closed_table);
		run_for_target(the_worker_takes_what_a_mapper_is_about_to_open);
		run_for_target(blocks_make_room_at_once);
		run_for_target(a_table_outlives_its_readers);
		run_for_target(closing_frees_all);
		run_for_target(freeing_stops_the_worker);
	}
	return test_finish(tests_ran, tests_failed);
}
