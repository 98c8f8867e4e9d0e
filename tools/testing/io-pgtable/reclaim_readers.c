// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lookups and wrong unmaps in tables that leave the tree meanwhile.
 *
 * The page tables are compiled so that each READ_ONCE() calls shim_at_read().  At
 * the n-th read of a call another CPU makes the table leave; n grows until the
 * call has fewer reads.  Memory that was freed is poisoned, so AddressSanitizer
 * finds the first access to it.
 */
#include <linux/jiffies.h>
#include <linux/rcupdate.h>

#include "shim.h"
#include "targets.h"

/* Tables that the worker finds empty, of which it leaves RESERVE. */
#define EMPTY	(RESERVE + 8)

void (*shim_at_read)(void);

static unsigned int countdown;
static void (*other_cpu)(void);

static size_t page_bytes(void)
{
	return 1UL << t->granule;
}

static size_t table_bytes(void)
{
	return page_bytes() << (t->granule - 3);
}

static void read_seen(void)
{
	if (--countdown)
		return;
	shim_at_read = NULL;
	shim_set_cpu(1);
	other_cpu();
	shim_set_cpu(0);
}

/* The worker has closed the tables and waited before the read-side section began. */
static void worker_gives_back(void)
{
	shim_rcu_skipped = true;
	expect(shim_run_works(10 * HZ), "the worker did not run");
	shim_rcu_skipped = false;
}

static void leave_empty_tables(void)
{
	size_t mapped;
	unsigned int i;

	for (i = 0; i < EMPTY; i++) {
		u64 at = upper() + i * table_bytes();
		struct iommu_iotlb_gather gather;

		iommu_iotlb_gather_init(&gather);
		gather.queued = true;
		expect(!map(at, 0, page_bytes(), 1, &mapped), "map");
		expect(ops->unmap_pages(ops, at, page_bytes(), 1, &gather) ==
		       page_bytes(), "unmap");
	}
}

/* The owner unmaps tables full of pages, whose last one leaves at once. */
static void owner_unmaps(void)
{
	size_t bytes = (RESERVE + 1) * table_bytes();
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	ops->unmap_pages(ops, upper(), page_bytes(), bytes / page_bytes(),
			 &gather);
	free_tables(&gather);
}

static void fill_tables(void)
{
	size_t bytes = (RESERVE + 1) * table_bytes(), mapped;

	expect(!map(upper(), 0, page_bytes(), bytes / page_bytes(), &mapped),
	       "map");
}

static void look_up(u64 iova)
{
	ops->iova_to_phys(ops, iova);
}

static void unmap_page(u64 iova)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	ops->unmap_pages(ops, iova, page_bytes(), 1, &gather);
	free_tables(&gather);
}

static void unmap_pages(u64 iova)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	ops->unmap_pages(ops, iova, page_bytes(), 4, &gather);
	free_tables(&gather);
}

static void unmap_without_gather(u64 iova)
{
	ops->unmap_pages(ops, iova, page_bytes(), 1, NULL);
}

static void track_dirty(u64 iova)
{
	struct iommu_dirty_bitmap dirty = { .base = iova };

	if (ops->read_and_clear_dirty)
		ops->read_and_clear_dirty(ops, iova, page_bytes(), 0, &dirty);
}

static void (*const calls[])(u64 iova) = {
	look_up, unmap_page, unmap_pages, unmap_without_gather, track_dirty,
};

/* @call at @iova, in a table that @leave takes out of the tree at each read. */
static void at_each_read(void (*call)(u64 iova), u64 iova,
			 void (*prepare)(void), void (*leave)(void))
{
	unsigned int n = 0;
	bool left;

	do {
		open_table();
		prepare();
		countdown = ++n;
		other_cpu = leave;
		shim_at_read = read_seen;
		call(iova);
		left = !shim_at_read;
		shim_at_read = NULL;
		expect_complaint();
		rcu_barrier();
		if (left)
			expect(!hardware(iova).entry, "read %u: the table stays",
			       n);
		close_table();
	} while (left && !test_why[0]);
	/* Down from the root, at least */
	expect(n > 2 || call == track_dirty, "%u reads", n - 1);
}

static void what_the_worker_gives_back_is_freed_after_its_readers(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		at_each_read(calls[i], upper() + 2 * table_bytes(),
			     leave_empty_tables, worker_gives_back);
}

static void what_an_unmap_gives_back_is_freed_after_its_readers(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		at_each_read(calls[i], upper() + RESERVE * table_bytes(),
			     fill_tables, owner_unmaps);
}

int main(int argc, char **argv)
{
	unsigned int i;

	test_options(argc, argv, NULL, true);
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		t = &targets[i];
		if ((1UL << t->ias) / table_bytes() < 2 * EMPTY)
			continue;
		run_for_target(what_the_worker_gives_back_is_freed_after_its_readers);
		run_for_target(what_an_unmap_gives_back_is_freed_after_its_readers);
	}
	return test_finish(tests_ran, tests_failed);
}
