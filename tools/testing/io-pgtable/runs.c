// SPDX-License-Identifier: GPL-2.0-only
/*
 * What map_runs() must do, for each format, granule and kind of walker: by what
 * hardware sees.  A walker that does not snoop caches sees only what has been
 * written back.
 */
#include "targets.h"

#define MOST		64

static struct iommu_run runs[MOST];
static unsigned int nr;

static size_t page, per_table, block, giant;

static void begin(void)
{
	open_table();
	page = 1UL << t->granule;
	per_table = page / 8;
	block = page * per_table;
	giant = cfg.pgsize_bitmap & (block * per_table) ? block * per_table : 0;
	nr = 0;
}

static void add(u64 phys, size_t size)
{
	runs[nr++] = (struct iommu_run){ phys, size };
}

/* Single pages, none beside the one before it. */
static void add_scattered(unsigned int count)
{
	while (count--)
		add((100 + 37 * nr % 64 * 2) * page, page);
}

static size_t total(void)
{
	size_t sum = 0;
	unsigned int i;

	for (i = 0; i < nr; i++)
		sum += runs[i].size;
	return sum;
}

/* Of the runs @mapped bytes are mapped at @iova, in the largest pages. */
static void expect_runs(u64 iova, size_t mapped)
{
	size_t at = 0, offset;
	unsigned int i;

	for (i = 0; i < nr; at += runs[i].size, i++) {
		u64 size;

		for (offset = 0; offset < runs[i].size; offset += size) {
			u64 here = iova + at + offset;

			size = best_size(iova + at, runs + i, here);
			if (at + offset >= mapped)
				return;
			expect_page(here, runs[i].phys + offset, size);
			expect_page(here + size - 1, runs[i].phys + offset + size - 1,
				    size);
		}
	}
}

static void unmap(u64 iova, size_t size)
{
	struct iommu_iotlb_gather gather;

	if (!size)
		return;
	iommu_iotlb_gather_init(&gather);
	expect(ops->unmap_pages(ops, iova, page, size / page, &gather) == size,
	       "unmap");
	expect(gather.start == iova && gather.end == iova + size - 1,
	       "gathered %#lx-%#lx", gather.start, gather.end);
	free_tables(&gather);
}

/* Map the runs, and see all of them there, and nothing else. */
static void expect_mapping(u64 iova)
{
	size_t mapped;

	expect(!map_runs(iova, runs, nr, GFP_KERNEL, &mapped) && mapped == total(),
	       "mapped %#zx of %#zx", mapped, total());
	expect_runs(iova, mapped);
	expect_hole(iova - 1);
	expect_hole(iova + mapped);
	unmap(iova, mapped);
	expect_hole(iova);
	expect_hole(iova + mapped - 1);
}

static void scattered_pages_across_a_table_edge(void)
{
	begin();
	add_scattered(MOST);
	expect_mapping(upper() + 7 * block - 20 * page);
	close_table();
}

static void runs_of_mixed_lengths(void)
{
	static const unsigned int lengths[] = { 1, 2, 3, 4, 5, 7, 8, 1, 13, 1, 1 };
	unsigned int i;

	begin();
	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		add((1000 * i + i) * page, lengths[i] * page);
	add(20 * block + page, block - page);
	add(40 * block + 3 * page, block / 2);
	add_scattered(3);
	expect_mapping(upper() + 5 * block - 11 * page);
	close_table();
}

static void blocks_amid_scattered_pages(void)
{
	begin();
	add_scattered(9);
	add(30 * block - 3 * page, 3 * page + 2 * block + 5 * page);
	add_scattered(9);
	expect(best_size(upper() + 5 * block - 3 * page, runs + 9,
			 upper() + 5 * block) == block, "no block to test");
	expect_mapping(upper() + 5 * block - 12 * page);
	close_table();
}

static void a_run_of_just_a_block(void)
{
	begin();
	add_scattered(2);
	add(30 * block, block);
	add_scattered(2);
	expect(best_size(upper() + 5 * block, runs + 2, upper() + 5 * block) == block,
	       "no block to test");
	expect_mapping(upper() + 5 * block - 2 * page);
	close_table();
}

static void blocks_of_every_size_in_one_run(void)
{
	begin();
	if (giant) {
		add_scattered(2);
		add(2 * giant - block - page, page + block + giant + block + page);
		add_scattered(2);
		expect(best_size(upper() + giant - block - page, runs + 2,
				 upper() + giant) == giant, "no block to test");
		expect_mapping(upper() + giant - block - 3 * page);
	}
	close_table();
}

static void no_block_where_memory_is_not_congruent(void)
{
	begin();
	add_scattered(1);
	add(30 * block, 3 * block);
	expect_mapping(upper() + 5 * block);
	nr = 0;
	add(30 * block + page, 3 * block);
	expect_mapping(upper() + 5 * block);
	close_table();
}

/* Something is mapped at @at: what comes before is mapped, nothing else. */
static void in_the_way(u64 iova, u64 at, u64 want)
{
	size_t mapped;
	int ret;

	expect(!map(at, 3 * page, page, 1, &mapped), "map");
	ret = map_runs(iova, runs, nr, GFP_KERNEL, &mapped);
	expect(ret == -EEXIST && mapped == want, "%d, mapped %#zx, not %#lx", ret,
	       mapped, (long)want);
	expect_runs(iova, mapped);
	if (at != iova + mapped)
		expect_hole(iova + mapped);
	expect_page(at, 3 * page, page);
	if (at + page < iova + total())
		expect_hole(at + page);
	expect_hole(iova + total() - (at + page == iova + total() ? 2 * page : 1));
	expect_complaint();
	unmap(iova, mapped);
	unmap(at, page);
}

static void what_is_mapped_is_not_replaced(void)
{
	u64 iova, last;

	begin();
	iova = upper() + 7 * block - 30 * page;
	add_scattered(20);
	add(50 * block, 17 * page);
	add_scattered(20);
	last = total() - page;
	in_the_way(iova, iova, 0);
	in_the_way(iova, iova + 5 * page, 5 * page);
	in_the_way(iova, iova + 30 * page, 30 * page);
	in_the_way(iova, iova + 29 * page, 29 * page);
	/* The last but one, for a hole to be seen behind it, and the last. */
	in_the_way(iova, iova + last - page, last - page);
	nr = 0;
	add_scattered(2);
	add(50 * block - 2 * page, 2 * page + 2 * block);
	add_scattered(2);
	iova = upper() + 7 * block - 4 * page;
	/* In the second block: that one is not mapped at all. */
	in_the_way(iova, iova + 4 * page + block + 9 * page, 4 * page + block);
	in_the_way(iova, iova + 3 * page, 3 * page);
	in_the_way(iova, iova + 4 * page + 2 * block, 4 * page + 2 * block);
	close_table();
}

static void expect_refused(u64 iova, int want, const char *condition)
{
	size_t mapped;
	int ret = map_runs(iova, runs, nr, GFP_KERNEL, &mapped);

	expect(ret == want && !mapped, "%d, mapped %#zx", ret, mapped);
	expect_warnings(1, condition);
	if (want != -ERANGE)
		expect_hole(iova & -page);
}

static void parts_of_pages_are_refused(void)
{
	u64 at;

	begin();
	at = upper() + 5 * block;
	add_scattered(3);
	expect_refused(at + page / 2, -EINVAL, "ptw_granule");
	runs[1].phys += 8;
	expect_refused(at, -EINVAL, "ptw_granule");
	runs[1].phys -= 8;
	runs[2].size -= page / 4;
	expect_refused(at, -EINVAL, "ptw_granule");
	nr = 0;
	add(30 * block, 2 * block);
	expect_refused(at + page / 2, -EINVAL, "granule");
	runs[0].phys += 8;
	expect_refused(at, -EINVAL, "granule");
	runs[0].phys -= 8;
	runs[0].size += 8;
	expect_refused(at, -EINVAL, "granule");
	close_table();
}

static void nothing_without_access_or_runs(void)
{
	size_t mapped = 0;

	begin();
	add_scattered(3);
	expect(ops->map_runs(ops, upper(), runs, nr, IOMMU_CACHE, GFP_KERNEL,
			     &mapped) == -EINVAL && !mapped, "without access");
	expect_hole(upper());
	expect(!map_runs(upper(), runs, 0, GFP_KERNEL, &mapped) && !mapped,
	       "without runs");
	expect_hole(upper());
	close_table();
}

static void beyond_what_there_is(void)
{
	size_t mapped;
	u64 end;

	begin();
	end = upper() + (1UL << t->ias);
	add_scattered(3);
	expect_refused(end, -ERANGE, "ptw_in_range");
	expect_refused(end - 2 * page, -ERANGE, "ptw_in_range");
	expect_hole(end - 2 * page);
	expect_mapping(end - 9 * page);
	if (t->oas < 52) {
		runs[1].phys = (1UL << cfg.oas) - page;
		runs[1].size = 2 * page;
		expect_refused(upper() + block, -ERANGE, "phys_outside");
		expect_hole(upper() + block);
	}
	/* Pieces of blocks go one after the other: what fitted is told. */
	nr = 0;
	add(30 * block, 2 * block);
	expect_refused(end - block, -ERANGE, "ptw_in_range");
	expect_hole(end - block);
	nr = 0;
	add(30 * block - page, page + 2 * block);
	expect(map_runs(end - block - page, runs, nr, GFP_KERNEL, &mapped) ==
	       -ERANGE && mapped == page, "mapped %#zx", mapped);
	expect_warnings(1, "ptw_in_range");
	expect_runs(end - block - page, mapped);
	expect_hole(end - block);
	close_table();
}

static void each_allocation_fails(void)
{
	unsigned long n, failed = 0;
	int ret = -ENOMEM;

	for (n = 1; ret; n++) {
		u64 iova;
		size_t mapped;

		begin();
		iova = upper() + 7 * block - 10 * page;
		add_scattered(20);
		add(50 * block, block - 5 * page);
		add(60 * block + 5 * page, 2 * block);
		add_scattered(20);
		shim_fail_nth(n, false);
		ret = map_runs(iova, runs, nr, GFP_KERNEL, &mapped);
		shim_fail_nth(0, false);
		expect(!ret ? mapped == total() : ret == -ENOMEM && mapped < total(),
		       "%d, mapped %#zx", ret, mapped);
		failed += ret == -ENOMEM;
		expect_runs(iova, mapped);
		expect_hole(iova + mapped);
		expect_hole(iova + total());
		unmap(iova, mapped);
		expect_hole(iova);
		close_table();
	}
	expect(failed > 3, "only %lu allocations", failed);
}

/* All leaves of the runs at @iova, and how many pages the tables take. */
static u64 *leaves(u64 iova, long *tables)
{
	size_t count = total() / page, i;
	u64 *entries = malloc(count * sizeof(*entries));

	for (i = 0; i < count; i++) {
		struct translation seen = hardware(iova + i * page);

		expect(seen.valid, "nothing at %#lx", (long)(iova + i * page));
		expect(ops->iova_to_phys(ops, iova + i * page) == seen.phys,
		       "iova_to_phys(%#lx)", (long)(iova + i * page));
		entries[i] = seen.entry;
	}
	*tables = shim_pages();
	return entries;
}

/* Memory for random runs: page by page, and with places for blocks. */
static void add_random(unsigned long *state, u64 iova)
{
	u64 at = iova;

	while (nr < 40) {
		u64 phys = (1 + below(state, 50)) * block, size = page;

		switch (below(state, 8)) {
		case 0:
			phys += at & (block - 1);
			size = (1 + below(state, per_table * 2)) * page;
			break;
		case 1:
			size = (1 + below(state, 30)) * page;
			break;
		default:
			phys += below(state, per_table) * page;
		}
		add(phys, size);
		at += size;
	}
}

static void same_as_one_by_one(void)
{
	unsigned long state = 7, round;

	for (round = 0; round < 4; round++) {
		size_t mapped, one, at = 0, offset;
		u64 *entries[2], iova, size;
		long tables[2];
		unsigned int i;

		begin();
		iova = upper() + (2 + below(&state, 3)) * block - below(&state, 20) * page;
		add_random(&state, iova);
		expect(!map_runs(iova, runs, nr, GFP_KERNEL, &mapped), "map");
		entries[0] = leaves(iova, &tables[0]);
		close_table();

		open_table();
		for (i = 0; i < nr; at += runs[i].size, i++)
			for (offset = 0; offset < runs[i].size; offset += size) {
				size = best_size(iova + at, runs + i,
						 iova + at + offset);
				expect(!map(iova + at + offset, runs[i].phys + offset,
					    size, 1, &one), "map");
			}
		expect(mapped == at, "mapped %#zx, not %#zx", mapped, at);
		entries[1] = leaves(iova, &tables[1]);
		close_table();

		expect(tables[0] == tables[1], "%ld tables, not %ld", tables[0],
		       tables[1]);
		expect(!memcmp(entries[0], entries[1], at / page * sizeof(u64)),
		       "other entries");
		free(entries[0]);
		free(entries[1]);
	}
}

int main(int argc, char **argv)
{
	unsigned int i;

	test_options(argc, argv, NULL, true);
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		t = &targets[i];
		run_for_target(scattered_pages_across_a_table_edge);
		run_for_target(runs_of_mixed_lengths);
		run_for_target(blocks_amid_scattered_pages);
		run_for_target(a_run_of_just_a_block);
		run_for_target(blocks_of_every_size_in_one_run);
		run_for_target(no_block_where_memory_is_not_congruent);
		run_for_target(what_is_mapped_is_not_replaced);
		run_for_target(parts_of_pages_are_refused);
		run_for_target(nothing_without_access_or_runs);
		run_for_target(beyond_what_there_is);
		run_for_target(each_allocation_fails);
		run_for_target(same_as_one_by_one);
	}
	return test_finish(tests_ran, tests_failed);
}
