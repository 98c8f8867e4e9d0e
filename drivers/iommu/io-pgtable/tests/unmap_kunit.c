// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of I/O page tables: unmapping, and the tables that it leaves.
 */

#include <linux/delay.h>
#include <linux/rcupdate.h>

#include "io_pgtable_kunit.h"

void the_gather_covers_what_was_unmapped(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_run run = { 9 * f->block - 3 * f->page,
				 f->block + 8 * f->page };
	u64 at = 7 * f->block - 3 * f->page;
	size_t mapped;

	KUNIT_ASSERT_EQ(test, map_runs(f, at, &run, 1, &mapped), 0);
	gather_anew(f, false);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, run.size / f->page),
			run.size);
	KUNIT_EXPECT_EQ(test, f->gather.start, at);
	KUNIT_EXPECT_EQ(test, f->gather.end, at + run.size - 1);

	/* Up to a hole. */
	KUNIT_ASSERT_EQ(test, map(f, at, 0, f->page, 5, &mapped), 0);
	gather_anew(f, false);
	KUNIT_EXPECT_EQ(test, unmap(f, at + f->page, f->page, 6), 4 * f->page);
	KUNIT_EXPECT_EQ(test, f->gather.start, at + f->page);
	KUNIT_EXPECT_EQ(test, f->gather.end, at + 5 * f->page - 1);

	/* A page alone. */
	gather_anew(f, false);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, 1), f->page);
	KUNIT_EXPECT_EQ(test, f->gather.start, at);
	KUNIT_EXPECT_EQ(test, f->gather.end, at + f->page - 1);
}

void what_cannot_be_unmapped_stays(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 at = 4 * f->block;
	size_t mapped;

	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, 1), 0);
	KUNIT_ASSERT_EQ(test, map(f, at, 0, f->page, 3, &mapped), 0);
	KUNIT_ASSERT_EQ(test, map(f, at + 4 * f->page, 0, f->page, 1, &mapped),
			0);
	KUNIT_EXPECT_EQ(test, unmap(f, at + f->page, f->page, 4), 2 * f->page);
	expect_page(test, at, 0, f->page);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->block, 1), f->page);
	expect_page(test, at + 4 * f->page, 0, f->page);

	at += f->block;
	KUNIT_ASSERT_EQ(test, map(f, at, 0, f->block, 2, &mapped), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, 1), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, at + f->page, f->page, 9), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, f->per_table + 1), f->block);
	expect_hole(test, at);
	expect_page(test, at + f->block, f->block, f->block);
}

/* The size of the pages that a page of @size falls to: entries, or a table. */
static size_t next_smaller(struct fixture *f, size_t size)
{
	unsigned int bits = f->format->granule - 3;
	unsigned int above = ilog2(size) - f->format->granule;

	return above % bits ? size >> above % bits : size >> bits;
}

static bool is_group(struct fixture *f, size_t size)
{
	return (ilog2(size) - f->format->granule) % (f->format->granule - 3);
}

void a_part_of_a_larger_page_stays(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long sizes = larger_sizes(f);
	unsigned int bit, i;
	size_t mapped;

	for_each_set_bit(bit, &sizes, BITS_PER_LONG) {
		u64 size = BIT_ULL(bit), at = 2 * size;
		size_t pages = size / f->page;

		gather_anew(f, false);
		KUNIT_ASSERT_EQ(test, map(f, at, 4 * size, size, 2, &mapped), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, 1), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, at + f->page, f->page, 1), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, at + f->page, f->page, pages - 1),
				0);
		KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, pages - 1), 0);
		KUNIT_EXPECT_GT(test, f->gather.start, f->gather.end);
		for (i = 0; i < 8; i++)
			expect_page(test, at + i * size / 4,
				    4 * size + i * size / 4, size);
		KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, pages + 1), size);
		KUNIT_EXPECT_EQ(test, f->gather.start, at);
		KUNIT_EXPECT_EQ(test, f->gather.end, at + size - 1);
		expect_hole(test, at + size - f->page);
		expect_page(test, at + size, 5 * size, size);
		KUNIT_EXPECT_EQ(test, unmap(f, at + size, size, 1), size);
	}
}

void without_a_gather_a_larger_page_is_split(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long sizes = larger_sizes(f);
	struct io_pgtable_ops *ops = f->ops;
	unsigned int bit;
	size_t mapped;

	for_each_set_bit(bit, &sizes, BITS_PER_LONG) {
		u64 size = BIT_ULL(bit), at = 2 * size;
		size_t part = next_smaller(f, size);

		KUNIT_ASSERT_EQ(test, map(f, at, 4 * size, size, 2, &mapped), 0);
		f->walks = 0;
		KUNIT_EXPECT_EQ(test, ops->unmap_pages(ops, at + part, part, 2,
						       NULL), 2 * part);
		KUNIT_EXPECT_EQ(test, f->walks, 1);
		KUNIT_EXPECT_EQ(test, f->walked, size);
		expect_page(test, at, 4 * size, part);
		expect_hole(test, at + part);
		expect_hole(test, at + 3 * part - 1);
		expect_page(test, at + 3 * part, 4 * size + 3 * part, part);
		expect_page(test, at + size - 1, 5 * size - 1, part);
		expect_page(test, at + size, 5 * size, size);
		KUNIT_EXPECT_EQ(test, unmap(f, at, part, 1), part);
		KUNIT_EXPECT_EQ(test, unmap(f, at + 3 * part, part,
					    (2 * size - 3 * part) / part),
				2 * size - 3 * part);
		expect_hole(test, at + 2 * size - 1);
	}
}

void groups_are_mapped_whole(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long sizes = larger_sizes(f);
	unsigned int bit, i, tried = 0;
	size_t mapped;

	if (!f->format->contiguous)
		kunit_skip(test, "the format has no groups");
	for_each_set_bit(bit, &sizes, BITS_PER_LONG) {
		u64 size = BIT_ULL(bit), part = next_smaller(f, size);
		u64 at = 2 * part * f->per_table - 3 * size, there;

		/* Across the edge of a table, one more than fits before it. */
		if (!is_group(f, size) || at >> (f->format->ias - 1))
			continue;
		tried++;
		KUNIT_ASSERT_EQ(test, map(f, at, 8 * size, size, 6, &mapped), 0);
		for (i = 0; i < 6; i++) {
			expect_page(test, at + i * size, (8 + i) * size, size);
			expect_page(test, at + (i + 1) * size - 1,
				    (9 + i) * size - 1, size);
		}
		expect_hole(test, at - 1);
		expect_hole(test, at + 6 * size);
		/* Each entry is told: hardware may have kept them one by one. */
		gather_anew(f, false);
		KUNIT_EXPECT_EQ(test, unmap(f, at, size, 6), 6 * size);
		KUNIT_EXPECT_EQ(test, f->gather.pgsize, part);
		KUNIT_EXPECT_EQ(test, f->gather.start, at);
		KUNIT_EXPECT_EQ(test, f->gather.end, at + 6 * size - 1);
		gather_anew(f, true);
		/* Something in the second: none of that one is written. */
		for (i = 0; i < size / part; i += size / part / 2 - 1) {
			there = at + size + i * part;
			KUNIT_ASSERT_EQ(test, map(f, there, part, part, 1,
						  &mapped), 0);
			KUNIT_EXPECT_EQ(test, map(f, at, 8 * size, size, 3,
						  &mapped), -EEXIST);
			KUNIT_EXPECT_EQ(test, mapped, size);
			expect_page(test, at + size - 1, 9 * size - 1, size);
			expect_page(test, there, part, part);
			expect_hole(test, at + size + (i ? 0 : part));
			expect_hole(test, at + 2 * size);
			KUNIT_EXPECT_EQ(test, unmap(f, at, size, 1), size);
			KUNIT_EXPECT_EQ(test, unmap(f, there, part, 1), part);
		}
		/* The same memory in smaller pages is none. */
		KUNIT_ASSERT_EQ(test, map(f, at, 8 * size, part, 2 * size / part,
					  &mapped), 0);
		expect_page(test, at, 8 * size, part);
		KUNIT_EXPECT_EQ(test, unmap(f, at, part, 2 * size / part),
				2 * size);
	}
	KUNIT_EXPECT_GT(test, tried, 0);
}

void what_is_mapped_is_not_replaced(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 at = 4 * f->block;
	size_t mapped;

	KUNIT_ASSERT_EQ(test, map(f, at + 5 * f->page, 0, f->page, 1, &mapped),
			0);
	KUNIT_EXPECT_EQ(test, map(f, at, f->block, f->page, 8, &mapped),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, mapped, 5 * f->page);
	expect_page(test, at + 5 * f->page, 0, f->page);
	expect_hole(test, at + 6 * f->page);
	KUNIT_EXPECT_EQ(test, map(f, at, 0, f->block, 1, &mapped), -EEXIST);

	KUNIT_ASSERT_EQ(test, map(f, at + f->block, 0, f->block, 1, &mapped), 0);
	KUNIT_EXPECT_EQ(test, map(f, at + f->block, 0, f->page, 1, &mapped),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, map(f, at + f->block, 0, f->block, 1, &mapped),
			-EEXIST);

	/* An empty table gives way to a block, behind a flush. */
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->page, 6), 6 * f->page);
	f->walks = 0;
	KUNIT_EXPECT_EQ(test, map(f, at, 0, f->block, 1, &mapped), 0);
	KUNIT_EXPECT_EQ(test, f->walks, 1);
	expect_page(test, at + f->page, f->page, f->block);
}

/* How many empty tables an unmap leaves, and the worker. */
#define RESERVE		24

void covered_tables_wait_for_the_flush(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t tables = RESERVE + 2, mapped, listed = 0;
	u64 at = 4 * f->block;
	struct list_head *pos;

	if (f->page > PAGE_SIZE)
		kunit_skip(test, "tables larger than pages are flushed at once");
	f->gather.queued = true;
	KUNIT_ASSERT_EQ(test, map(f, at, 0, f->page, tables * f->per_table,
				  &mapped), 0);
	f->walks = 0;
	KUNIT_EXPECT_EQ(test, unmap(f, at, f->block, tables),
			tables * f->block);
	list_for_each(pos, tables_of_list(&f->gather.freelist))
		listed++;
	KUNIT_EXPECT_EQ(test, listed, 2);
	KUNIT_EXPECT_EQ(test, f->walks, 0);
	expect_hole(test, at);
}

/* Tables below one of @entries at @level, as many as hardware can reach. */
static size_t tables_below(struct fixture *f, u64 phys, unsigned int level,
			   size_t entries)
{
	u64 mask = GENMASK_ULL(47, f->format->granule);
	u64 *table = phys_to_virt(phys);
	size_t i, found = 0;

	for (i = 0; level > 1 && i < entries; i++) {
		u64 entry = READ_ONCE(table[i]);

		if (entry_valid(f->format->encoding, entry) &&
		    !entry_leaf(f->format->encoding, entry, false))
			found += 1 + tables_below(f, entry & mask, level - 1,
						  f->per_table);
	}
	return found;
}

static size_t tables_of(struct fixture *f)
{
	unsigned int levels, shift;
	u64 root = root_of(f, &levels);
	size_t found;

	shift = f->format->granule + (f->format->granule - 3) * (levels - 1);
	/* The worker may be giving some back. */
	rcu_read_lock();
	found = tables_below(f, root, levels, f->format->ias > shift ?
			     BIT_ULL(f->format->ias - shift) : 1);
	rcu_read_unlock();
	return found;
}

void cycles_all_over_leave_few_tables(struct kunit *test)
{
	struct fixture *f = test->priv;
	/* Up to 64 MiB of tables, which the worker has to look at. */
	size_t most = min_t(size_t, 4096, SZ_64M / f->page);
	size_t tables = min_t(u64, most, BIT_ULL(f->format->ias) / f->block);
	size_t mapped, i, before;
	unsigned int waited;

	KUNIT_ASSERT_EQ(test, map(f, 0, 0, f->page, 1, &mapped), 0);
	before = tables_of(f);
	KUNIT_EXPECT_GE(test, before, 1);
	for (i = 1; i < tables; i++) {
		u64 at = i * f->block;

		KUNIT_ASSERT_EQ(test, map(f, at, 0, f->page, 1, &mapped), 0);
		KUNIT_ASSERT_EQ(test, unmap(f, at, f->page, 1), f->page);
	}
	/* After a run that took long the worker rests for a hundred times that. */
	for (waited = 0; waited < 60 && tables_of(f) > before + 64; waited++)
		msleep(MSEC_PER_SEC);
	KUNIT_EXPECT_LE(test, tables_of(f), before + 64);
	expect_page(test, 0, 0, f->page);
}

void steady_cycles_keep_their_tables(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 at = 4 * f->block + f->block / 2;
	size_t mapped, round, before = 0;

	for (round = 0; round < 8; round++) {
		KUNIT_ASSERT_EQ(test, map(f, at, 0, f->page, 2 * f->per_table,
					  &mapped), 0);
		if (!round)
			before = tables_of(f);
		f->gather.queued = true;
		KUNIT_ASSERT_EQ(test, unmap(f, at, f->page, 2 * f->per_table),
				2 * f->block);
		KUNIT_EXPECT_TRUE(test, list_empty(tables_of_list(&f->gather.freelist)));
		KUNIT_EXPECT_EQ(test, tables_of(f), before);
	}
}

/*
 * A page table whose tables come from the hooks, but perhaps for the root: VT-d
 * takes them only once it is made. Returns whether it could be made.
 */
static bool open_with_hooks(struct fixture *f)
{
	bool hooks = f->format->encoding == LPAE || f->format->encoding == MALI;
	struct io_pgtable_cfg *cfg;

	f->tables = !hooks;
	io_pgtable_open(f, hooks);
	if (f->ops && !hooks) {
		cfg = &io_pgtable_ops_to_pgtable(f->ops)->cfg;
		cfg->alloc = io_pgtable_hook_alloc;
		cfg->free = io_pgtable_hook_free;
	}
	return f->ops;
}

void each_failing_allocation_is_undone(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t count = f->per_table + 11, mapped;
	u64 at = 7 * f->block - 5 * f->page;
	struct iommu_run runs[] = {
		{ 9 * f->block + f->page, 3 * f->page },
		{ 3 * f->block, 2 * f->page },
		{ 5 * f->block, f->block },
		{ 7 * f->block + f->page, 2 * f->block - f->page },
	};
	size_t bytes = bytes_of(runs, ARRAY_SIZE(runs));
	unsigned int nth, several;
	int ret;

	for (several = 0; several < 2; several++) {
		for (nth = 1, ret = -ENOMEM; ret && nth < 20; nth++) {
			free_io_pgtable_ops(f->ops);
			f->allocs_left = nth;
			if (!open_with_hooks(f))
				continue;
			if (several) {
				ret = map_runs(f, at, runs, ARRAY_SIZE(runs),
					       &mapped);
				expect_runs(test, at, runs, ARRAY_SIZE(runs),
					    mapped);
			} else {
				ret = map(f, at, 0, f->page, count, &mapped);
			}
			KUNIT_EXPECT_TRUE(test, !ret || ret == -ENOMEM);
			KUNIT_EXPECT_EQ(test, !ret, mapped ==
					(several ? bytes : count * f->page));
			expect_hole(test, at + mapped);
			if (mapped)
				KUNIT_EXPECT_EQ(test, unmap(f, at, f->page,
							    mapped / f->page),
						mapped);
			expect_hole(test, at);
			free_io_pgtable_ops(f->ops);
			f->ops = NULL;
			KUNIT_EXPECT_EQ(test, f->tables, 0);
		}
		KUNIT_EXPECT_EQ(test, ret, 0);
		KUNIT_EXPECT_GT(test, nth, 3);
	}
}
