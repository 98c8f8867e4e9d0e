// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that have bounds (IOMMU_OWNED), for each format, granule and kind of
 * walker: what their leaves say, and that an exact unmap takes one of them as a
 * whole or changes nothing.
 *
 * Mappings come in shapes.  A shape is what one or more calls map, with gaps
 * between them or without.
 */
#include "bounds.h"

#define MOST_RUNS	24
#define MOST_CALLS	6

struct call {
	u64 offset;		/* from the beginning of the mapping */
	size_t pgsize;		/* for map_pages(), or 0 for map_runs() */
	unsigned int nr;
	struct iommu_run runs[MOST_RUNS];
};

static size_t page, per_table, block, giant, group;
static struct call calls[MOST_CALLS];
static unsigned int nr_calls;
static u64 at, end;		/* the mapping */
static bool gaps;		/* it has some */

static void begin(void)
{
	open_table();
	page = 1UL << t->granule;
	per_table = page / 8;
	block = page * per_table;
	giant = cfg.pgsize_bitmap & (block * per_table) ? block * per_table : 0;
	group = group_size();
}

/* Nothing is mapped yet, and is to begin at @iova. */
static void begin_at(u64 iova)
{
	at = iova;
	end = iova;
}

/* A further call, @gap bytes behind what there is. */
static void call(size_t gap, size_t pgsize)
{
	calls[nr_calls++] = (struct call){
		.offset = end + gap - at, .pgsize = pgsize,
	};
	end += gap;
	gaps |= gap;
}

static void piece(u64 phys, size_t size)
{
	struct call *c = &calls[nr_calls - 1];

	c->runs[c->nr++] = (struct iommu_run){ phys, size };
	end += size;
}

static void pages_of(size_t pgsize, size_t count)
{
	call(0, pgsize);
	piece(16 * (giant ?: block), pgsize * count);
}

/* Single pages, none beside the one before it. */
static void scattered(unsigned int count)
{
	while (count--)
		piece((100 + 74 * calls[nr_calls - 1].nr) * page, page);
}

static void one_page(void)
{
	pages_of(page, 1);
}

static void one_page_of_a_list(void)
{
	call(0, 0);
	scattered(1);
}

static void three_pages(void)
{
	pages_of(page, 3);
}

static void pages_of_three_tables(void)
{
	begin_at(at + block - 5 * page);
	pages_of(page, per_table + 11);
}

static void a_table_of_pages(void)
{
	call(0, 0);
	piece(20 * block + page, block);
}

static void one_block(void)
{
	pages_of(block, 1);
}

static void three_blocks(void)
{
	pages_of(block, 3);
}

static void one_group(void)
{
	pages_of(group ?: page, 1);
}

static void three_groups(void)
{
	pages_of(group ?: page, 3);
}

static void one_giant(void)
{
	begin_at(upper() + 2 * (giant ?: block));
	pages_of(giant ?: block, 1);
}

static void scattered_pages(void)
{
	begin_at(at + block - 9 * page);
	call(0, 0);
	scattered(20);
}

static void blocks_amid_pages(void)
{
	begin_at(at + block - 12 * page);
	call(0, 0);
	scattered(9);
	piece(30 * block - 3 * page, 3 * page + 2 * block + 5 * page);
	scattered(9);
}

static void pages_blocks_pages_in_one_piece(void)
{
	begin_at(at + block - 3 * page);
	call(0, 0);
	piece(30 * block - 3 * page, 3 * page + block + (group ?: page) + page);
}

static void blocks_of_all_sizes(void)
{
	begin_at(upper() + 2 * (giant ?: block) - block - page);
	call(0, 0);
	piece(4 * (giant ?: block) - block - page,
	      page + block + (giant ?: block) + block + page);
}

static void four_calls(void)
{
	unsigned int i;

	begin_at(at + block - 12 * page);
	for (i = 0; i < 4; i++) {
		call(0, 0);
		scattered(i % 2 ? 1 : 7);
	}
}

static void calls_of_all_kinds(void)
{
	begin_at(at + block - 4 * page);
	pages_of(page, 1);
	call(0, 0);
	scattered(3);
	call(0, 0);
	piece(30 * block, block);
	pages_of(block, 1);
	call(0, 0);
	scattered(2);
	pages_of(page, 2);
}

static void pages_with_gaps(void)
{
	begin_at(at + block - 20 * page);
	pages_of(page, 1);
	call(page, 0);
	scattered(5);
	call(30 * page, 0);		/* over a table's edge */
	scattered(3);
	call(2 * block, page);		/* nothing in the table between */
	piece(3 * page, 2 * page);
	call(page, page);
	piece(9 * page, page);
}

static void blocks_with_gaps(void)
{
	pages_of(block, 1);
	call(block, 0);
	piece(30 * block, 2 * block + page);
	call(block - page, block);
	piece(7 * block, block);
}

static void a_table_with_gaps(void)
{
	pages_of(page, per_table / 2);
	call(page, page);
	piece(30 * block, block / 2 - page);
}

static void (*const shapes[])(void) = {
	one_page, one_page_of_a_list, three_pages, pages_of_three_tables,
	a_table_of_pages, one_block, three_blocks, one_group, three_groups,
	one_giant, scattered_pages, blocks_amid_pages,
	pages_blocks_pages_in_one_piece, blocks_of_all_sizes, four_calls,
	calls_of_all_kinds, pages_with_gaps, blocks_with_gaps, a_table_with_gaps,
};

static void choose(unsigned int shape)
{
	nr_calls = 0;
	gaps = false;
	begin_at(upper() + 4 * block);
	shapes[shape]();
}

static size_t bytes_of(const struct call *c)
{
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		bytes += c->runs[i].size;
	return bytes;
}

static int do_call(const struct call *c, int prot)
{
	size_t mapped = 0;
	int ret;

	if (c->pgsize)
		ret = ops->map_pages(ops, at + c->offset, c->runs[0].phys, c->pgsize,
				     c->runs[0].size / c->pgsize, prot, GFP_KERNEL,
				     &mapped);
	else
		ret = ops->map_runs(ops, at + c->offset, c->runs, c->nr, prot,
				    GFP_KERNEL, &mapped);
	expect(ret || mapped == bytes_of(c), "mapped %#zx", mapped);
	return ret;
}

static void map_shape(bool owned)
{
	unsigned int i;

	for (i = 0; i < nr_calls; i++) {
		int prot = RW;

		if (owned)
			prot |= IOMMU_OWNED | (i ? IOMMU_MORE_BEFORE : 0) |
				(i + 1 < nr_calls ? IOMMU_MORE_AFTER : 0);
		expect(!do_call(calls + i, prot), "map %u of %u", i, nr_calls);
	}
}

static void map_pages(u64 iova, size_t count, int prot)
{
	size_t mapped = 0;

	expect(!ops->map_pages(ops, iova, 5 * block, page, count, RW | prot,
			       GFP_KERNEL, &mapped), "map");
}

/* Calls @fn for each leaf of the shape. */
static void for_leaves(void (*fn)(u64 iova, u64 size, u64 entry))
{
	unsigned int i;

	for (i = 0; i < nr_calls; i++) {
		u64 iova = at + calls[i].offset, stop = iova + bytes_of(calls + i);

		while (iova < stop) {
			struct translation seen = hardware(iova);
			u64 size = seen.valid ? leaf_size(seen.size) : page;

			expect(seen.valid && !seen.misprogrammed, "nothing at %#lx",
			       (long)iova);
			fn(iova, size, seen.entry);
			iova += size;
		}
	}
}

static void has_bounds(u64 iova, u64 size, u64 entry)
{
	unsigned int want = OWNED | (iova > at ? BEFORE : 0) |
			    (iova + size < end ? AFTER : 0);

	expect(bounds_of(entry) == want, "%u at %#lx of %#lx to %#lx, not %u",
	       bounds_of(entry), (long)iova, (long)at, (long)end, want);
}

static void has_none(u64 iova, u64 size, u64 entry)
{
	expect(!bounds_of(entry), "%u at %#lx", bounds_of(entry), (long)iova);
}

static u64 *entries;
static size_t nr_entries, most_entries;

static void keep(u64 iova, u64 size, u64 entry)
{
	if (nr_entries == most_entries) {
		most_entries = 2 * most_entries + 100;
		entries = realloc(entries, most_entries * sizeof(*entries));
	}
	entries[nr_entries++] = entry;
}

static void is_the_same_without_bounds(u64 iova, u64 size, u64 entry)
{
	u64 kept = entries[nr_entries++];

	expect((kept & ~((u64)BOUNDS << bounds_shift())) == entry,
	       "%#lx with bounds, %#lx without", (long)kept, (long)entry);
}

/* The leaves of the shape are gone: all of them, but of large ones a sample. */
static void expect_holes(void)
{
	unsigned int i;
	u64 iova, step;

	for (i = 0; i < nr_calls; i++) {
		u64 stop = at + calls[i].offset + bytes_of(calls + i);

		step = bytes_of(calls + i) > 3 * block ? block / 4 : page;
		for (iova = at + calls[i].offset; iova < stop; iova += step)
			if (hardware(iova).valid)
				expect_hole(iova);
	}
	expect_hole(at);
	expect_hole(end - 1);
}

static void leaves_say_where_a_mapping_goes_on(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		begin();
		choose(i);
		map_shape(true);
		for_leaves(has_bounds);
		close_table();
	}
}

/* And leaves without bounds have none. */
static void bounds_change_no_other_bit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		begin();
		choose(i);
		map_shape(true);
		nr_entries = 0;
		for_leaves(keep);
		expect(unmap_exact(at, end - at, gaps, false), "shape %u: refused", i);
		expect_holes();
		map_shape(false);
		for_leaves(has_none);
		nr_entries = 0;
		for_leaves(is_the_same_without_bounds);
		close_table();
	}
}

/* Next to the mapping: one of two pages before it, and one behind; one without. */
static void map_neighbours(void)
{
	map_pages(at - 2 * page, 2, IOMMU_OWNED);
	map_pages(end, 2, IOMMU_OWNED);
	map_pages(end + 2 * page, 1, 0);
}

static void expect_neighbours(void)
{
	expect_page(at - 2 * page, 5 * block, page);
	expect_page(at - page, 5 * block + page, page);
	expect_page(end, 5 * block, page);
	expect_page(end + page, 5 * block + page, page);
	expect_page(end + 2 * page, 5 * block, page);
	expect(bounds_of(hardware(at - page).entry) == (OWNED | BEFORE), "before");
	expect(bounds_of(hardware(end).entry) == (OWNED | AFTER), "behind");
}

static struct iommu_iotlb_gather gather;

/* Refused, whether or not gaps are allowed, and nothing noted. */
static void expect_refused(u64 iova, u64 size, bool with_gaps)
{
	unsigned long pages = told.pages, walks = told.walks;

	iommu_iotlb_gather_init(&gather);
	expect(!ops->unmap_exact(ops, iova, size, with_gaps, &gather),
	       "unmapped %#lx at %#lx, the mapping is %#lx to %#lx", (long)size,
	       (long)iova, (long)at, (long)end);
	expect(gather.start > gather.end && list_empty(tables_of_list(&gather.freelist)) &&
	       told.pages == pages && told.walks == walks, "noted %#lx to %#lx",
	       gather.start, gather.end);
}

#define MOST_EDGES	30

/* Where a range could begin or end, right and wrong ones. */
static unsigned int edges(u64 edge[MOST_EDGES])
{
	u64 space_end = upper() ? 0 : 1UL << t->ias, first, last, middle;
	/* The same bits below those that are not translated. */
	u64 alias = upper() ? -upper() : 1UL << t->ias;
	unsigned int nr = 0;

	first = leaf_size(hardware(at).size);
	last = leaf_size(hardware(end - 1).size);
	middle = (at + (end - at) / 2) & -page;
	edge[nr++] = at;
	edge[nr++] = end;
	edge[nr++] = at - 2 * page;
	edge[nr++] = at - page;
	edge[nr++] = at - 1;
	edge[nr++] = at + 1;
	edge[nr++] = at + page / 2;
	edge[nr++] = at + page;
	edge[nr++] = at + first;
	edge[nr++] = at + 2 * first;
	edge[nr++] = at + block;
	edge[nr++] = (at | (block - 1)) + 1;
	edge[nr++] = middle - page;
	edge[nr++] = middle;
	edge[nr++] = middle + page;
	edge[nr++] = end - block;
	edge[nr++] = end - last;
	edge[nr++] = end - page;
	edge[nr++] = end - 1;
	edge[nr++] = end + 1;
	edge[nr++] = end + page;
	edge[nr++] = end + 2 * page;
	edge[nr++] = end + 3 * page;
	edge[nr++] = end + block;
	edge[nr++] = upper();
	edge[nr++] = space_end - page;
	edge[nr++] = space_end;
	edge[nr++] = space_end + page;
	edge[nr++] = at + alias;
	edge[nr++] = end + alias;
	return nr;
}

static bool there;		/* the mapping between its neighbours */

static bool is_mapping(u64 iova, u64 size, bool with_gaps)
{
	return (there && iova == at && size == end - at && (with_gaps || !gaps)) ||
	       (iova == at - 2 * page && size == 2 * page) ||
	       (iova == end && size == 2 * page);
}

/* All ranges between @nr edges. */
static void expect_wrong_ones_refused(const u64 *edge, unsigned int nr)
{
	u64 sum = shim_pages_sum();
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		for (j = 0; j < nr; j++) {
			if (!is_mapping(edge[i], edge[j] - edge[i], false))
				expect_refused(edge[i], edge[j] - edge[i], false);
			if (!is_mapping(edge[i], edge[j] - edge[i], true))
				expect_refused(edge[i], edge[j] - edge[i], true);
		}
		expect(i % 4 || shim_pages_sum() == sum, "changed by an unmap at %#lx",
		       (long)edge[i]);
	}
	expect_refused(edge[0], ~0UL, true);
	expect_refused(edge[0], -edge[0], true);
	expect_refused(edge[0], 1UL << 63, true);
	expect(shim_pages_sum() == sum, "changed");
}

static void what_is_not_one_mapping_is_refused(void)
{
	unsigned int i, nr;
	u64 edge[MOST_EDGES];

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		begin();
		choose(i);
		map_shape(true);
		map_neighbours();
		nr = edges(edge);
		there = true;
		expect_wrong_ones_refused(edge, nr);
		for_leaves(has_bounds);
		expect_neighbours();
		/* Twice, and then around the hole that it leaves. */
		expect(unmap_exact(at, end - at, gaps, true), "shape %u: refused", i);
		expect_holes();
		expect_neighbours();
		there = false;
		expect_wrong_ones_refused(edge, nr);
		close_table();
	}
}

/* Nor is what has no bounds, or the beginning of what has failed. */
static void what_has_no_bounds_is_refused(void)
{
	unsigned int i;
	u64 sum;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		begin();
		choose(i);
		map_shape(false);
		sum = shim_pages_sum();
		expect_refused(at, end - at, true);
		expect_refused(at, end - at, gaps);
		expect_refused(at, page, true);
		expect(shim_pages_sum() == sum, "shape %u: changed", i);
		close_table();
	}
}

static void what_has_failed_is_refused(void)
{
	unsigned int i, c;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		u64 last, mapped;

		begin();
		choose(i);
		/* In the way of the last leaf. */
		map_shape(true);
		last = leaf_size(hardware(end - 1).size);
		expect(unmap_exact(at, end - at, gaps, false), "unmap");
		map_pages(end - page, 1, 0);
		for (c = 0; c < nr_calls; c++) {
			int prot = RW | IOMMU_OWNED | (c ? IOMMU_MORE_BEFORE : 0) |
				   (c + 1 < nr_calls ? IOMMU_MORE_AFTER : 0);

			expect(do_call(calls + c, prot) ==
			       (c + 1 < nr_calls ? 0 : -EEXIST), "call %u", c);
		}
		expect_refused(at, end - at, true);
		if (end - last != at)
			expect_refused(at, end - last - at, true);
		for (mapped = end - last; mapped > at; mapped -= page)
			if (hardware(mapped - 1).valid)
				break;
		if (mapped > at)
			expect_refused(at, mapped - at, true);
		expect_page(end - page, 5 * block, page);
		expect_complaint();
		close_table();
	}
}

/* A call is missing: what is behind it is another mapping, or none. */
static void a_mapping_does_not_go_on_in_another(void)
{
	static const int behind[] = {
		0, IOMMU_OWNED, IOMMU_OWNED | IOMMU_MORE_AFTER,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(behind); i++) {
		u64 sum;

		begin();
		begin_at(upper() + 5 * block - 2 * page);
		map_pages(at, 2, IOMMU_OWNED | IOMMU_MORE_AFTER);
		map_pages(at + 2 * page, 1, behind[i]);
		if (behind[i] & IOMMU_MORE_AFTER)
			map_pages(at + 3 * page, 1, IOMMU_OWNED | IOMMU_MORE_BEFORE);
		sum = shim_pages_sum();
		expect_refused(at, 2 * page, true);
		expect_refused(at, 3 * page, false);
		expect_refused(at, 3 * page, true);
		expect_refused(at, 4 * page, true);
		expect(shim_pages_sum() == sum, "changed");
		close_table();
	}
}

/* Mapped by somebody else: it is in the way, and stays. */
static void what_is_in_a_gap_stays(void)
{
	unsigned int i, s, c;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (s = 0; s < 4; s++) {
			int prot = RW | (s & 1 ? IOMMU_OWNED : 0);
			u64 size, in = 0, sum;
			size_t mapped = 0;

			begin();
			choose(i);
			map_shape(true);
			size = s & 2 ? block : page;
			/* The last gap is large enough for a block in some. */
			for (c = 1; c < nr_calls; c++) {
				u64 gap = at + calls[c - 1].offset +
					  bytes_of(calls + c - 1);

				gap = (gap + size - 1) & -size;
				if (gap + size <= at + calls[c].offset)
					in = gap;
			}
			if (in) {
				expect(!ops->map_pages(ops, in, 0, size, 1, prot,
						       GFP_KERNEL, &mapped), "map");
				sum = shim_pages_sum();
				expect_refused(at, end - at, true);
				expect_refused(at, end - at, false);
				expect(shim_pages_sum() == sum, "changed");
				expect_page(in, 0, size);
				iommu_iotlb_gather_init(&gather);
				expect(ops->unmap_pages(ops, in, size, 1, &gather) ==
				       size, "unmap");
				free_tables(&gather);
			}
			expect(unmap_exact(at, end - at, gaps, true), "refused");
			expect_holes();
			close_table();
		}
	}
}

/* An unmap without looking undoes them, and those with bounds. */
static void a_plain_unmap_needs_no_bounds(void)
{
	unsigned int i, c;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		begin();
		choose(i);
		map_shape(true);
		for (c = 0; c < nr_calls; c++) {
			size_t bytes = bytes_of(calls + c);

			iommu_iotlb_gather_init(&gather);
			expect(ops->unmap_pages(ops, at + calls[c].offset, page,
						bytes / page, &gather) == bytes,
			       "unmap");
			free_tables(&gather);
		}
		expect_holes();
		expect_refused(at, end - at, true);
		close_table();
	}
}

/* And, where hardware does not snoop, only what was written back is gone. */
static void what_is_unmapped_is_noted(void)
{
	unsigned int i, queued;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (queued = 0; queued < 2; queued++) {
			begin();
			choose(i);
			map_shape(true);
			told = (struct told){};
			iommu_iotlb_gather_init(&gather);
			gather.queued = queued;
			expect(ops->unmap_exact(ops, at, end - at, gaps, &gather),
			       "shape %u: refused", i);
			if (queued)
				expect(!told.pages && gather.start > gather.end,
				       "noted %#lx to %#lx", gather.start, gather.end);
			else
				expect(told.pages && gather.start == at &&
				       gather.end == end - 1,
				       "noted %#lx to %#lx, not %#lx to %#lx",
				       gather.start, gather.end, (long)at, (long)end - 1);
			expect(!told.all, "%lu flushes of all", told.all);
			expect_holes();
			free_tables(&gather);
			close_table();
		}
	}
}

static void smaller_pages_are_noted_as_such(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		u64 size;

		begin();
		choose(i);
		map_shape(true);
		size = leaf_size(hardware(at).size);
		iommu_iotlb_gather_init(&gather);
		expect(ops->unmap_exact(ops, at, end - at, gaps, &gather), "unmap");
		if (nr_calls == 1 && calls[0].pgsize)
			expect(gather.pgsize == size, "by %#zx, not %#lx",
			       gather.pgsize, (long)size);
		free_tables(&gather);
		close_table();
	}
}

/* What became of tables. */
struct left {
	long pages, listed;
	unsigned long walks;
};

#define TABLES	(RESERVE + 3)

static struct left unmap_tables(bool exact, bool queued, bool with_gaps)
{
	struct left left = {};
	size_t mapped, i;
	struct page *p;
	long before;

	begin();
	at = upper() + 4 * block;
	/* Keep the tables above. */
	map_pages(at - page, 1, 0);
	before = shim_pages();
	for (i = 0; i < TABLES; i++) {
		int prot = RW | IOMMU_OWNED | (i ? IOMMU_MORE_BEFORE : 0) |
			   (i + 1 < TABLES ? IOMMU_MORE_AFTER : 0);
		struct iommu_run run = {
			page * (i + 1), block - (with_gaps && i + 1 < TABLES ? page : 0),
		};

		mapped = 0;
		expect(!ops->map_runs(ops, at + i * block, &run, 1, prot, GFP_KERNEL,
				      &mapped) && mapped == run.size, "map");
	}
	told = (struct told){};
	iommu_iotlb_gather_init(&gather);
	gather.queued = queued;
	shim_rcu_stalled = true;
	if (exact)
		expect(ops->unmap_exact(ops, at, TABLES * block, with_gaps, &gather),
		       "refused");
	else
		expect(ops->unmap_pages(ops, at, page, TABLES * per_table, &gather) ==
		       TABLES * block, "unmap");
	expect(shim_pages() == before + (long)TABLES * pages_of_table(),
	       "something was freed before the flush");
	list_for_each_entry(p, tables_of_list(&gather.freelist), lru)
		left.listed++;
	free_tables(&gather);
	shim_rcu_stalled = false;
	rcu_barrier();
	left.pages = shim_pages() - before;
	left.walks = told.walks;
	close_table();
	return left;
}

static void tables_leave_as_with_a_plain_unmap(void)
{
	unsigned int queued, with_gaps;

	for (queued = 0; queued < 2; queued++) {
		struct left want = unmap_tables(false, queued, false);

		expect(want.pages == RESERVE * pages_of_table(), "%ld pages",
		       want.pages);
		for (with_gaps = 0; with_gaps < 2; with_gaps++) {
			struct left left = unmap_tables(true, queued, with_gaps);

			expect(left.pages == want.pages && left.listed == want.listed &&
			       left.walks == want.walks,
			       "%ld pages, %ld listed, %lu walk flushes, not %ld, %ld, %lu",
			       left.pages, left.listed, left.walks, want.pages,
			       want.listed, want.walks);
		}
	}
}

static void expect_found(u64 iova, u64 first, u64 size, bool owned, bool whole)
{
	struct iommu_mapping found = {};

	expect(ops->find_mapping(ops, iova, &found), "nothing at %#lx", (long)iova);
	expect(found.iova == first && found.size == size && found.owned == owned &&
	       found.whole == whole,
	       "at %#lx: %#zx at %#lx, owned %d, whole %d, not %#lx at %#lx, %d, %d",
	       (long)iova, found.size, found.iova, found.owned, found.whole,
	       (long)size, (long)first, owned, whole);
}

static void expect_nothing(u64 iova)
{
	struct iommu_mapping found;

	expect(!ops->find_mapping(ops, iova, &found), "%#zx at %#lx", found.size,
	       found.iova);
}

/* A search looks at so many leaves on each side (exact.h). */
#define FIND	4096UL

/* A search takes its time: in a large mapping for some leaves only. */
static void is_found(u64 iova, u64 size, u64 entry)
{
	if (nr_entries > 200 && iova % (block / 4) && iova - at > page &&
	    end - iova > 2 * page)
		return;
	expect_found(iova, at, end - at, true, true);
	expect_found(iova + size - 1, at, end - at, true, true);
}

static void a_mapping_is_found_by_each_address(void)
{
	unsigned int i, c;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		begin();
		choose(i);
		map_shape(true);
		map_neighbours();
		nr_entries = 0;
		for_leaves(keep);
		if (nr_entries < FIND && (!gaps || per_table < FIND))
			for_leaves(is_found);
		for (c = 1; c < nr_calls; c++)
			if (calls[c].offset != calls[c - 1].offset + bytes_of(calls + c - 1))
				expect_nothing(at + calls[c].offset - 1);
		expect_found(at - 1, at - 2 * page, 2 * page, true, true);
		expect_found(end, end, 2 * page, true, true);
		expect_found(end + page + 5, end, 2 * page, true, true);
		expect_found(end + 2 * page + 7, end + 2 * page, page, false, true);
		expect_nothing(end + 3 * page);
		expect_nothing(at - 2 * page - 1);
		expect(unmap_exact(at, end - at, gaps, false), "unmap");
		expect_nothing(at);
		expect_nothing(end - 1);
		close_table();
	}
}

static void without_bounds_a_leaf_is_found(void)
{
	size_t mapped;
	u64 iova;

	begin();
	iova = upper() + 4 * block;
	expect(!map(iova, 8 * block, block, 2, &mapped), "map");
	expect(!map(iova + 2 * block, 3 * page, page, 3, &mapped), "map");
	expect_found(iova, iova, block, false, true);
	expect_found(iova + 2 * block - 1, iova + block, block, false, true);
	expect_found(iova + 2 * block + page, iova + 2 * block + page, page, false,
		     true);
	close_table();
}

static void a_search_has_an_end(void)
{
	size_t count = 2 * FIND + 100;
	struct iommu_run run;
	size_t mapped = 0;
	u64 iova;

	begin();
	iova = upper() + 4 * block;
	run = (struct iommu_run){ 30 * block + page, count * page };
	expect(!ops->map_runs(ops, iova, &run, 1, RW | IOMMU_OWNED, GFP_KERNEL,
			      &mapped), "map");
	expect_found(iova, iova, (FIND + 1) * page, true, false);
	expect_found(iova + FIND * page, iova, (2 * FIND + 1) * page, true, false);
	expect_found(iova + (FIND + 50) * page, iova + 50 * page,
		     (2 * FIND + 1) * page, true, false);
	expect_found(iova + (count - FIND - 1) * page,
		     iova + (count - 2 * FIND - 1) * page,
		     (2 * FIND + 1) * page, true, false);
	expect_found(iova + (count - 1) * page, iova + (count - FIND - 1) * page,
		     (FIND + 1) * page, true, false);
	close_table();
	/* All of it is looked at, but no more. */
	begin();
	mapped = 0;
	run.size = (FIND + 1) * page;
	expect(!ops->map_runs(ops, iova, &run, 1, RW | IOMMU_OWNED, GFP_KERNEL,
			      &mapped), "map");
	expect_found(iova, iova, (FIND + 1) * page, true, true);
	expect_found(iova + FIND * page, iova, (FIND + 1) * page, true, true);
	close_table();
}

/* At the ends of the space: there is nothing beyond them, not the other end. */
static void the_ends_of_the_space(void)
{
	u64 space, first, last;
	size_t mapped;

	begin();
	space = 1UL << t->ias;
	first = upper();
	last = upper() + space - page;
	map_pages(first, 2, IOMMU_OWNED);
	map_pages(last - page, 2, IOMMU_OWNED);
	expect_found(first, first, 2 * page, true, true);
	expect_found(last, last - page, 2 * page, true, true);
	expect_nothing(last + page);
	expect_nothing(first - 1);
	expect_refused(first, space, true);
	expect_refused(last, page, true);
	expect_refused(last - page, 3 * page, true);
	expect_refused(last - page, page, true);
	expect_refused(first, 3 * page, true);
	expect(unmap_exact(first, 2 * page, false, false), "first");
	expect(unmap_exact(last - page, 2 * page, false, false), "last");
	expect_hole(first);
	expect_hole(last);
	map_pages(last, 1, IOMMU_OWNED);
	expect_refused(last, 2 * page, true);
	expect(unmap_exact(last, page, false, false), "the last page");
	close_table();

	/* Mappings that are not complete. */
	begin();
	map_pages(first, 1, IOMMU_OWNED | IOMMU_MORE_BEFORE);
	map_pages(last, 1, IOMMU_OWNED | IOMMU_MORE_AFTER);
	expect_found(first, first, page, true, false);
	expect_found(last, last, page, true, false);
	expect_refused(last, page, true);
	expect_refused(last, page, false);
	expect_refused(first, page, true);
	close_table();

	/* All of the space, in the largest leaves. */
	begin();
	if (giant && space / giant <= 4096) {
		size_t count = space / giant, i;

		for (i = 0; i < count; i++) {
			mapped = 0;
			expect(!ops->map_pages(ops, first + i * giant, 4 * giant, giant, 1,
					       RW | IOMMU_OWNED |
					       (i ? IOMMU_MORE_BEFORE : 0) |
					       (i + 1 < count ? IOMMU_MORE_AFTER : 0),
					       GFP_KERNEL, &mapped), "map");
		}
		expect_refused(first, space - giant, true);
		expect_refused(first + giant, space - giant, true);
		expect_found(last, first, space, true, true);
		expect(unmap_exact(first, space, false, false), "unmap all");
		expect_hole(first);
		expect_hole(last);
	}
	close_table();
}

int main(int argc, char **argv)
{
	unsigned int i;

	test_options(argc, argv, NULL, true);
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		t = &targets[i];
		run_for_target(leaves_say_where_a_mapping_goes_on);
		run_for_target(bounds_change_no_other_bit);
		run_for_target(what_is_not_one_mapping_is_refused);
		run_for_target(what_has_no_bounds_is_refused);
		run_for_target(what_has_failed_is_refused);
		run_for_target(a_mapping_does_not_go_on_in_another);
		run_for_target(what_is_in_a_gap_stays);
		run_for_target(a_plain_unmap_needs_no_bounds);
		run_for_target(what_is_unmapped_is_noted);
		run_for_target(smaller_pages_are_noted_as_such);
		run_for_target(tables_leave_as_with_a_plain_unmap);
		run_for_target(a_mapping_is_found_by_each_address);
		run_for_target(without_bounds_a_leaf_is_found);
		run_for_target(a_search_has_an_end);
		run_for_target(the_ends_of_the_space);
	}
	free(entries);
	return test_finish(tests_ran, tests_failed);
}
