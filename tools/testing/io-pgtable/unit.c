// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a page table must do, for each format, granule and kind of walker: by
 * what hardware would see, not by what the code under test says.
 */
#include <pthread.h>

#include "targets.h"

/* Every page size at the borders of every level. */
static void every_size_at_every_border(void)
{
	unsigned int bits = t->granule - 3, level, size_bit, side;

	open_table();
	for (size_bit = t->granule; size_bit < 48; size_bit++) {
		u64 size = 1UL << size_bit;
		u64 phys = 5 * size;

		if (!(cfg.pgsize_bitmap & size) || phys + size > 1UL << cfg.oas)
			continue;
		for (level = t->granule; level <= t->ias; level += bits) {
			for (side = 0; side < 3; side++) {
				u64 border = side == 2 ? 1UL << t->ias : 1UL << level;
				u64 iova = (side == 1 ? border : border - size) &
					   -size & ((1UL << t->ias) - 1);
				struct iommu_iotlb_gather gather;
				size_t mapped;

				iova |= upper();
				expect(!map(iova, phys, size, 1, &mapped) &&
				       mapped == size, "map %#lx at %#lx",
				       (long)size, (long)iova);
				expect_page(iova, phys, size);
				expect_page(iova + size - 1, phys + size - 1, size);
				iommu_iotlb_gather_init(&gather);
				expect(ops->unmap_pages(ops, iova, size, 1, &gather)
				       == size, "unmap %#lx", (long)iova);
				expect(gather.start == iova &&
				       gather.end == iova + size - 1,
				       "gathered %#lx-%#lx", gather.start, gather.end);
				free_tables(&gather);
				expect_hole(iova);
				expect_hole(iova + size - 1);
			}
		}
	}
	close_table();
}

static void limits(void)
{
	size_t page = 1UL << t->granule, mapped;
	struct iommu_iotlb_gather gather;
	u64 end = upper() ? 0 : 1UL << t->ias;

	open_table();
	iommu_iotlb_gather_init(&gather);
	expect(map(end, page, page, 1, &mapped) == -ERANGE && !mapped,
	       "mapped beyond the space");
	expect_warnings(1, "ptw_in_range");
	expect(map(end - page, page, page, 2, &mapped) == -ERANGE && !mapped,
	       "mapped across the end of the space");
	expect_warnings(1, "ptw_in_range");
	if (t->oas < 52) {
		expect(map(upper(), 1UL << cfg.oas, page, 1, &mapped) == -ERANGE,
		       "mapped memory that cannot be there");
		expect_warnings(1, "phys_outside");
	}
	expect(map(upper(), 0, page * 2, 1, &mapped) == -EINVAL, "odd size");
	expect_warnings(1, "ptw_has_size");
	expect(map(upper(), page / 2, page, 1, &mapped) == -EINVAL, "misaligned");
	expect_warnings(1, "ptw_has_size");
	expect(ops->map_pages(ops, upper(), 0, page, 1, IOMMU_NOEXEC, GFP_KERNEL,
			      &mapped) == -EINVAL, "without access");
	expect(!ops->unmap_pages(ops, end, page, 1, &gather), "unmap beyond");
	expect_warnings(1, "ptw_in_range");
	expect(!ops->iova_to_phys(ops, end), "lookup beyond");
	close_table();
}

static void what_cannot_be_unmapped(void)
{
	size_t page = 1UL << t->granule, block = page << (t->granule - 3);
	struct iommu_iotlb_gather gather;
	u64 at = upper() + 4 * block;
	size_t mapped;
	u64 i;

	open_table();
	iommu_iotlb_gather_init(&gather);
	expect(!ops->unmap_pages(ops, at, page, 1, &gather), "hole");
	expect(!map(at, 0x40000000, page, 3, &mapped), "map");
	expect(!map(at + 4 * page, 0x40000000, page, 1, &mapped), "map");
	expect(ops->unmap_pages(ops, at + page, page, 4, &gather) == 2 * page,
	       "up to the hole");
	expect_page(at, 0x40000000, page);
	expect_page(at + 4 * page, 0x40000000, page);
	expect(ops->unmap_pages(ops, at, block, 1, &gather) == page,
	       "a block's worth up to the hole");
	expect_page(at + 4 * page, 0x40000000, page);

	/* A block is cleared as a whole or not at all. */
	expect(!map(at + block, block, block, 2, &mapped), "map blocks");
	expect(!ops->unmap_pages(ops, at + block, page, 1, &gather), "head");
	expect(!ops->unmap_pages(ops, at + block + page, page, 7, &gather), "middle");
	expect(ops->unmap_pages(ops, at + block, page, (block + page) / page,
				&gather) == block, "one and a part");
	expect_hole(at + block);
	for (i = 0; i < 4; i++)
		expect_page(at + 2 * block + i * block / 4, 2 * block + i * block / 4,
			    block);
	expect_complaint();
	free_tables(&gather);
	close_table();
}

/* Calls @fn for each page size larger than a page. */
static void for_larger_pages(void (*fn)(u64 page, u64 size))
{
	u64 page = 1UL << t->granule;
	unsigned int bit;

	for (bit = t->granule + 1; bit < t->ias - 2 && bit < t->oas - 3; bit++) {
		open_table();
		if (cfg.pgsize_bitmap & 1UL << bit)
			fn(page, 1UL << bit);
		expect_complaint();
		close_table();
	}
}

static void refuse_a_part(u64 page, u64 size)
{
	u64 at = upper() + 2 * size, i;
	struct iommu_iotlb_gather gather;
	size_t mapped;

	expect(!map(at, 4 * size, size, 2, &mapped), "map");
	iommu_iotlb_gather_init(&gather);
	expect(!ops->unmap_pages(ops, at, page, 1, &gather), "its first page");
	expect(!ops->unmap_pages(ops, at + page, page, 1, &gather), "a page of it");
	expect(!ops->unmap_pages(ops, at + page, page, size / page - 1, &gather),
	       "all but the first");
	expect(!ops->unmap_pages(ops, at, page, size / page - 1, &gather),
	       "all but the last");
	expect(gather.start > gather.end, "gathered");
	for (i = 0; i < 8; i++)
		expect_page(at + i * size / 4, 4 * size + i * size / 4, size);
	expect(ops->unmap_pages(ops, at, page, size / page + 1, &gather) == size,
	       "one and a part");
	expect(gather.start == at && gather.end == at + size - 1, "gathered %#lx-%#lx",
	       gather.start, gather.end);
	expect_hole(at);
	expect_hole(at + size - page);
	expect_page(at + size, 5 * size, size);
	expect_page(at + 2 * size - page, 6 * size - page, size);
	free_tables(&gather);
}

static void a_part_of_a_larger_page_stays(void)
{
	for_larger_pages(refuse_a_part);
}

/* The larger pages that may be left of @size, where the least is @page. */
static u64 next_smaller(u64 size)
{
	unsigned int bits = t->granule - 3, bit = __builtin_ctzl(size);

	/* A group falls to its entries, a block to those of a table. */
	if ((bit - t->granule) % bits)
		return 1UL << (bit - (bit - t->granule) % bits);
	return size >> bits;
}

static void split_for_a_part(u64 page, u64 size)
{
	u64 at = upper() + 2 * size, part = next_smaller(size), entry;
	size_t mapped;

	expect(!map(at, 4 * size, size, 2, &mapped), "map");
	entry = hardware(at + part).entry;
	told = (struct told){};
	expect(ops->unmap_pages(ops, at + part, part, 2, NULL) == 2 * part, "unmap");
	expect(told.walks == 1 && told.walked == size, "%lu walk flushes, of %#lx",
	       told.walks, (long)told.walked);
	expect_page(at, 4 * size, part);
	expect_hole(at + part);
	expect_hole(at + 3 * part - 1);
	expect_page(at + 3 * part, 4 * size + 3 * part, part);
	expect_page(at + size - 1, 5 * size - 1, part);
	expect_page(at + size, 5 * size, size);
	/* What comes there again has the attributes that the others kept. */
	expect(!map(at + part, 4 * size + part, part, 1, &mapped), "map again");
	expect(((hardware(at).entry + part) ^ hardware(at + part).entry) >> 48 == 0 &&
	       (hardware(at).entry & 0xfff) == (hardware(at + part).entry & 0xfff),
	       "%#lx beside %#lx", (long)hardware(at).entry,
	       (long)hardware(at + part).entry);
	expect(ops->unmap_pages(ops, at + part, part, 1, NULL) == part, "unmap it");
	expect(ops->unmap_pages(ops, at, part, 1, NULL) == part, "unmap the first");
	expect(ops->unmap_pages(ops, at + 3 * part, page,
				(2 * size - 3 * part) / page, NULL) ==
	       2 * size - 3 * part, "unmap the rest");
	expect_hole(at);
	expect_hole(at + 2 * size - 1);
	expect(entry, "nothing was there");
	expect(!shim_warnings(), "warned: %s", shim_last_warning());
}

static void without_a_gather_a_larger_page_is_split(void)
{
	for_larger_pages(split_for_a_part);
}

static void split_without_memory(u64 page, u64 size)
{
	u64 at = upper() + 2 * size;
	bool group = next_smaller(size) << (t->granule - 3) != size;
	size_t mapped, done;

	expect(!map(at, 4 * size, size, 1, &mapped), "map");
	shim_fail_nth(1, false);
	done = ops->unmap_pages(ops, at + next_smaller(size), next_smaller(size), 1, NULL);
	shim_fail_nth(0, false);
	expect(done == (group ? next_smaller(size) : 0), "unmapped %#zx", done);
	if (!group)
		expect_page(at, 4 * size, size);
}

static void what_cannot_be_split_stays(void)
{
	for_larger_pages(split_without_memory);
}

/* Across a table's edge, each of them whole, and told by its entries. */
static void map_in_groups(u64 page, u64 size)
{
	u64 table = next_smaller(size) << (t->granule - 3), at, i, entry;
	struct iommu_iotlb_gather gather;
	size_t mapped;

	if (table == size || table >> (t->ias - 2))
		return;
	at = upper() + 2 * table - 3 * size;
	expect(!map(at, 4 * size, size, 6, &mapped) && mapped == 6 * size,
	       "mapped %#zx", mapped);
	for (i = 0; i < 6; i++) {
		expect_page(at + i * size, (4 + i) * size, size);
		expect_page(at + (i + 1) * size - 1, (5 + i) * size - 1, size);
	}
	expect_hole(at - 1);
	expect_hole(at + 6 * size);
	entry = hardware(at).entry;
	told = (struct told){};
	iommu_iotlb_gather_init(&gather);
	expect(ops->unmap_pages(ops, at, size, 6, &gather) == 6 * size, "unmap");
	expect(gather.start == at && gather.end == at + 6 * size - 1 &&
	       gather.pgsize == next_smaller(size), "gathered %#lx-%#lx by %#lx",
	       gather.start, gather.end, gather.pgsize);
	expect_hole(at);
	expect_hole(at + 6 * size - 1);
	free_tables(&gather);

	/* The same memory in smaller pages is no group. */
	expect(!map(at, 4 * size, next_smaller(size), 2 * size / next_smaller(size),
		    &mapped), "map pages");
	expect_page(at, 4 * size, next_smaller(size));
	expect(hardware(at).entry == (entry & ~(1UL << 52)) && entry >> 52 & 1,
	       "%#lx, not %#lx", (long)hardware(at).entry, (long)entry);
}

static void groups_are_mapped_whole(void)
{
	for_larger_pages(map_in_groups);
}

/* One entry of the second of three is there already. */
static void map_in_groups_around(u64 page, u64 size)
{
	u64 small = next_smaller(size), at = upper() + 2 * size, n = size / small;
	u64 taken[] = { 0, 1, n / 2 + 1, n - 1 };
	struct iommu_iotlb_gather gather;
	size_t mapped;
	unsigned int i;
	int ret;

	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		u64 there = at + size + taken[i] * small;

		expect(!map(there, small, small, 1, &mapped), "map");
		ret = map(at, 4 * size, size, 3, &mapped);
		expect(ret == -EEXIST && mapped == size, "%d, mapped %#zx", ret, mapped);
		expect_page(at + size - 1, 5 * size - 1, size);
		expect_page(there, small, small);
		if (taken[i])
			expect_hole(at + size);
		else
			expect_hole(at + size + small);
		expect_hole(at + 2 * size);
		expect(ops->unmap_pages(ops, at, page, size / page, &gather) == size,
		       "unmap");
		expect(ops->unmap_pages(ops, there, page, small / page, &gather) == small,
		       "unmap");
	}
	free_tables(&gather);
}

static void groups_are_mapped_into_holes(void)
{
	for_larger_pages(map_in_groups_around);
}

/* What the Arm ARM has as "Contiguous bit" for each granule. */
static void sizes_of_groups(void)
{
	static const struct {
		const struct backend *b;
		unsigned int ias, oas;
		unsigned long quirks, sizes, want;
	} rows[] = {
		{ &s1, 48, 48, 0, SZ_4K | SZ_2M | SZ_1G,
		  SZ_4K | SZ_64K | SZ_2M | SZ_32M | SZ_1G | 1UL << 34 },
		{ &s1, 48, 48, 0, SZ_4K, SZ_4K | SZ_64K },
		{ &s1, 34, 48, 0, SZ_4K | SZ_2M | SZ_1G,
		  SZ_4K | SZ_64K | SZ_2M | SZ_32M | SZ_1G },
		{ &s1, 48, 48, 0, SZ_16K | SZ_32M, SZ_16K | SZ_2M | SZ_32M | SZ_1G },
		{ &s1, 52, 52, 0, SZ_64K | SZ_512M | 1UL << 42,
		  SZ_64K | SZ_2M | SZ_512M | 1UL << 34 | 1UL << 42 },
		{ &s2, 40, 40, 0, SZ_4K | SZ_2M,
		  SZ_4K | SZ_64K | SZ_2M | SZ_32M },
		{ &s1_32, 32, 40, 0, SZ_4K | SZ_2M | SZ_1G,
		  SZ_4K | SZ_64K | SZ_2M | SZ_32M | SZ_1G },
		{ &s2_32, 40, 40, 0, SZ_4K | SZ_2M | SZ_1G,
		  SZ_4K | SZ_64K | SZ_2M | SZ_32M | SZ_1G | 1UL << 34 },
		/* Not for those who track dirty pages, and not in Mali's. */
		{ &s1, 48, 48, IO_PGTABLE_QUIRK_ARM_HD, SZ_4K | SZ_2M, SZ_4K | SZ_2M },
		{ &mali, 48, 40, 0, SZ_4K | SZ_2M | SZ_1G, SZ_4K | SZ_2M | SZ_1G },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct io_pgtable_cfg wish = {
			.quirks = rows[i].quirks, .pgsize_bitmap = rows[i].sizes,
			.ias = rows[i].ias, .oas = rows[i].oas,
			.coherent_walk = true, .contiguous = true,
		};
		struct io_pgtable_ops *made;

		made = table_open(rows[i].b->fns, rows[i].b->fmt, &wish, &told);
		expect(made && wish.pgsize_bitmap == rows[i].want, "row %u: %#lx", i,
		       wish.pgsize_bitmap);
		if (made)
			table_close(rows[i].b->fns, made);
	}
}

static void mapping_twice(void)
{
	size_t page = 1UL << t->granule, block = page << (t->granule - 3);
	u64 at = upper() + 4 * block;
	struct iommu_iotlb_gather gather;
	size_t mapped;

	open_table();
	iommu_iotlb_gather_init(&gather);
	expect(!map(at + 5 * page, 0, page, 1, &mapped), "map");
	expect(map(at, block, page, 8, &mapped) == -EEXIST && mapped == 5 * page,
	       "up to what was there, not %#zx", mapped);
	expect_page(at + 4 * page, block + 4 * page, page);
	expect_page(at + 5 * page, 0 + 0, page);
	expect_hole(at + 6 * page);
	expect(map(at, block, block, 1, &mapped) == -EEXIST && !mapped,
	       "block over pages");
	expect(!map(at + block, block, block, 1, &mapped), "map block");
	expect(map(at + block, block, page, 1, &mapped) == -EEXIST && !mapped,
	       "page into block");
	expect(map(at + block, block, block, 1, &mapped) == -EEXIST && !mapped,
	       "block over block");
	/* An empty table is no obstacle. */
	expect(ops->unmap_pages(ops, at, page, 6, &gather) == 6 * page, "unmap");
	told.walks = 0;
	expect(!map(at, 0, block, 1, &mapped) && mapped == block, "over an empty table");
	expect(told.walks == 1, "%lu walk flushes", told.walks);
	expect_page(at + block / 2, block / 2, block);
	expect_complaint();
	close_table();
}

/* Requests that do not go with what is mapped fail without a word. */
static void mistakes_are_silent_if_the_owner_wants_it(void)
{
	size_t page = 1UL << t->granule, block = page << (t->granule - 3);
	u64 at = upper() + 4 * block;
	struct iommu_iotlb_gather gather;
	size_t mapped;

	if (!IO_PGTABLE_QUIRK_NO_WARN || t->b->kind != LPAE)
		return;
	t->quirks |= IO_PGTABLE_QUIRK_NO_WARN;
	open_table();
	t->quirks &= ~IO_PGTABLE_QUIRK_NO_WARN;
	iommu_iotlb_gather_init(&gather);
	expect(!map(at, 0, page, 1, &mapped), "map");
	expect(!map(at + block, block, block, 1, &mapped), "map block");
	expect(map(at, page, page, 1, &mapped) == -EEXIST, "page over page");
	expect(map(at, block, block, 1, &mapped) == -EEXIST, "block over page");
	expect(map(at + block, 0, page, 1, &mapped) == -EEXIST, "page into block");
	expect(!ops->unmap_pages(ops, at + page, page, 1, &gather), "hole unmapped");
	expect(!ops->unmap_pages(ops, at + block + page, page, 1, &gather),
	       "part unmapped");
	expect(!shim_warnings() && !shim_messages(), "%lu warnings, %lu messages",
	       shim_warnings(), shim_messages());
	expect_page(at, 0, page);
	expect_page(at + block, block, block);
	close_table();
}

/* The levels that a walk to @iova tells of, which ends in a leaf or not. */
static void expect_walk(u64 iova, unsigned int last, bool leaf)
{
	struct arm_lpae_io_pgtable_walk_data seen = { { ~0UL, ~0UL, ~0UL, ~0UL } };
	unsigned int first, level, bits = t->granule - 3;
	u64 table = lpae_root(&first), entry, index;

	expect(walk_to(ops, iova, &seen) == (leaf ? 0 : -EINVAL), "walk to %#lx",
	       (long)iova);
	for (level = 0; level < 4; level++) {
		if (level < first || level > last) {
			expect(seen.ptes[level] == ~0UL, "level %u: %#lx", level,
			       (long)seen.ptes[level]);
			continue;
		}
		index = (iova & ((1UL << cfg.ias) - 1)) >>
			(t->granule + bits * (3 - level));
		if (level > first)
			index &= (1UL << bits) - 1;
		entry = shim_hardware_read(table + 8 * index, true);
		expect(seen.ptes[level] == entry, "level %u: %#lx, not %#lx", level,
		       (long)seen.ptes[level], (long)entry);
		table = lpae_address(t->granule, entry);
	}
}

static void a_walk_tells_each_entry_on_the_way(void)
{
	size_t page = 1UL << t->granule, block = page << (t->granule - 3);
	struct arm_lpae_io_pgtable_walk_data none = { { 1, 2, 3, 4 } };
	u64 at = upper() + 4 * block;
	unsigned int first;
	size_t mapped;

	if (t->b->kind != LPAE && t->b->kind != MALI)
		return;
	open_table();
	lpae_root(&first);
	if (walk_to(ops, at, &none) == -EOPNOTSUPP)
		goto out;
	expect_walk(at, first, false);
	expect(!map(at, 0, page, 1, &mapped), "map");
	expect(!map(at + block, block, block, 1, &mapped), "map block");
	expect_walk(at + page - 1, 3, true);
	expect_walk(at + page, 3, false);
	expect_walk(at + block + page, 2, true);
	expect_walk(at + 2 * block, 2, false);
	/* Not an address of this page table */
	none = (struct arm_lpae_io_pgtable_walk_data){ { 1, 2, 3, 4 } };
	expect(walk_to(ops, at ^ 1UL << t->ias, &none) == -EINVAL, "walk outside");
	expect(none.ptes[0] == 1 && none.ptes[3] == 4, "outside: %#lx %#lx",
	       (long)none.ptes[0], (long)none.ptes[3]);
out:
	close_table();
}

/*
 * Of tables covered whole some stay; the others go to the freelist, or out
 * behind a flush.
 */
static void covered_tables(void)
{
	size_t page = 1UL << t->granule, per_table = page / 8;
	size_t block = page * per_table, n = RESERVE + 3;
	u64 at = upper() + 4 * block;
	bool may_gather = t->granule == 12;
	struct iommu_iotlb_gather gather;
	unsigned int queued, big;
	size_t mapped;

	for (queued = 0; queued < 2; queued++) {
		for (big = 0; big < 2; big++) {
			bool gathers = may_gather &&
				       (queued || t->b->kind == SS || t->b->kind == FS);
			struct page *p;
			long before, listed = 0;

			open_table();
			/* Keep the tables above. */
			expect(!map(at - page, 0, page, 1, &mapped), "map");
			before = shim_pages();
			expect(!map(at, block, page, n * per_table, &mapped), "map");
			iommu_iotlb_gather_init(&gather);
			gather.queued = queued;
			told = (struct told){};
			shim_rcu_stalled = true;
			expect(ops->unmap_pages(ops, at, big ? block : page,
						big ? n : n * per_table, &gather)
			       == n * block, "unmap");
			list_for_each_entry(p, tables_of_list(&gather.freelist), lru)
				listed++;
			expect(listed == (gathers ? 3 : 0), "%ld listed", listed);
			expect(told.walks == (gathers ? 0 : 3) && !told.all,
			       "%lu walk flushes, %lu of all", told.walks, told.all);
			expect(!queued || !told.pages, "%lu pages told", told.pages);
			expect(queued || (gather.start == at &&
					  gather.end == at + n * block - 1),
			       "gathered %#lx-%#lx", gather.start, gather.end);
			expect(shim_pages() == before + (long)n * pages_of_table(),
			       "something was freed before the flush");
			free_tables(&gather);
			shim_rcu_stalled = false;
			rcu_barrier();
			expect_hole(at);
			expect_page(at - page, 0, page);
			expect(shim_pages() == before + RESERVE * pages_of_table(),
			       "%ld pages instead of %ld", shim_pages(),
			       before + RESERVE * pages_of_table());
			close_table();
		}
	}
}

/* One walk per table: a run over tables is one call. */
static void runs_over_tables(void)
{
	size_t page = 1UL << t->granule, per_table = page / 8, mapped;
	size_t count = 2 * per_table + 11, i;
	struct iommu_iotlb_gather gather;
	u64 at = upper() + per_table * page * 7 - 5 * page;

	open_table();
	expect(!map(at, 3 * page, page, count, &mapped) && mapped == count * page,
	       "mapped %#zx", mapped);
	for (i = 0; i < count; i++)
		expect_page(at + i * page, (3 + i) * page, page);
	expect_hole(at - page);
	expect_hole(at + count * page);
	iommu_iotlb_gather_init(&gather);
	expect(ops->unmap_pages(ops, at, page, count, &gather) == count * page,
	       "unmap");
	for (i = 0; i < count; i++)
		expect_hole(at + i * page);
	free_tables(&gather);
	close_table();
}

static void each_allocation_fails(void)
{
	size_t page = 1UL << t->granule, per_table = page / 8, mapped;
	u64 at = upper() + per_table * page * 7 - 5 * page;
	struct iommu_iotlb_gather gather;
	unsigned long n;
	int ret = -ENOMEM;

	for (n = 1; ret; n++) {
		shim_fail_nth(n, false);
		cfg = (struct io_pgtable_cfg){
			.quirks = t->quirks, .pgsize_bitmap = page, .ias = t->ias,
			.oas = t->oas, .coherent_walk = t->coherent,
		};
		ops = table_open(t->b->fns, t->b->fmt, &cfg, &told);
		if (!ops) {
			expect(!shim_pages() && !shim_pages_mapped(), "pages left");
			continue;
		}
		ret = map(at, 0, page, per_table + 11, &mapped);
		shim_fail_nth(0, false);
		expect(!ret || ret == -ENOMEM, "error %d", ret);
		expect(ret ? mapped < (per_table + 11) * page :
			     mapped == (per_table + 11) * page, "mapped %#zx", mapped);
		iommu_iotlb_gather_init(&gather);
		if (mapped)
			expect(ops->unmap_pages(ops, at, page, mapped / page, &gather)
			       == mapped, "unmap");
		expect_hole(at);
		free_tables(&gather);
		close_table();
	}
	shim_fail_nth(0, false);
	expect(n > 4, "only %lu allocations", n);
}

/* Four owners of interleaved pages in the same tables. */
struct neighbour {
	unsigned int id;
	u64 base;
	unsigned long bad;
};

static pthread_barrier_t gate;

static void *neighbour(void *arg)
{
	struct neighbour *me = arg;
	size_t page = 1UL << t->granule, mapped;
	unsigned long state = me->id, i;
	bool is_mapped[64] = {};

	shim_set_cpu(me->id);
	for (i = 0; i < 40000; i++) {
		unsigned int which = below(&state, 64);
		/* Four pages each, in turn, 32 turns to a table. */
		u64 iova = me->base + page * (16 * which + 4 * me->id) *
			   (t->granule == 12 ? 8 : 32);
		struct iommu_iotlb_gather gather;

		iommu_iotlb_gather_init(&gather);
		mapped = 0;
		if (!is_mapped[which]) {
			if (ops->map_pages(ops, iova, iova & 0xffff000000, page, 4, RW,
					   GFP_KERNEL, &mapped) || mapped != 4 * page)
				me->bad++;
			if (ops->iova_to_phys(ops, iova + page) !=
			    (iova & 0xffff000000) + page)
				me->bad++;
		} else if (ops->unmap_pages(ops, iova, page, 4, &gather) != 4 * page) {
			me->bad++;
		}
		is_mapped[which] = !is_mapped[which];
	}
	return NULL;
}

static void neighbours_at_once(void)
{
	struct neighbour all[4];
	pthread_t threads[4];
	unsigned int i;

	if (t->oas < 40)
		return;
	open_table();
	/* Their owner has nothing to invalidate. */
	table_close(t->b->fns, ops);
	ops = table_open(t->b->fns, t->b->fmt, &cfg, NULL);
	for (i = 0; i < 4; i++) {
		all[i] = (struct neighbour){ i, upper() };
		pthread_create(&threads[i], NULL, neighbour, &all[i]);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		expect(!all[i].bad, "thread %u: %lu times", i, all[i].bad);
	}
	close_table();
}

/* All at once into tables that are not there yet. */
static void *newcomer(void *arg)
{
	struct neighbour *me = arg;
	size_t page = 1UL << t->granule, per_table = page / 8, mapped = 0, i;

	shim_set_cpu(me->id);
	pthread_barrier_wait(&gate);
	for (i = 0; i < 64; i++) {
		u64 iova = me->base + (per_table * i + me->id) * page;

		if (ops->map_pages(ops, iova, page * me->id, page, 1, RW,
				   GFP_KERNEL, &mapped) ||
		    ops->iova_to_phys(ops, iova) != page * me->id)
			me->bad++;
	}
	pthread_barrier_wait(&gate);
	for (i = 0; i < 64; i++) {
		u64 iova = me->base + (per_table * i + me->id) * page;

		if (ops->iova_to_phys(ops, iova) != page * me->id ||
		    !hardware(iova).valid)
			me->bad++;
	}
	return NULL;
}

static void newcomers_at_once(void)
{
	unsigned int round, i;

	pthread_barrier_init(&gate, NULL, 4);
	for (round = 0; round < 50; round++) {
		struct neighbour all[4];
		pthread_t threads[4];

		open_table();
		for (i = 0; i < 4; i++) {
			all[i] = (struct neighbour){ i, upper() };
			pthread_create(&threads[i], NULL, newcomer, &all[i]);
		}
		for (i = 0; i < 4; i++) {
			pthread_join(threads[i], NULL);
			expect(!all[i].bad, "thread %u: %lu times", i, all[i].bad);
		}
		close_table();
	}
	pthread_barrier_destroy(&gate);
}

/* Both dirty formats: hardware plays by setting its bits. */
static void dirty_pages(void)
{
	size_t page = 1UL << t->granule, mapped;
	struct iommu_dirty_bitmap dirty = { .base = upper() };
	unsigned int i;

	if (t->granule != 12 || !(t->b->kind == SS || t->b->fmt == ARM_64_LPAE_S1))
		return;
	if (t->b->kind == LPAE)
		t->quirks |= IO_PGTABLE_QUIRK_ARM_HD;
	open_table();
	expect(!map(upper(), 0, page, 64, &mapped), "map");
	expect(!ops->read_and_clear_dirty(ops, upper(), 64 * page, 0, &dirty), "read");
	/* A writable page is dirty from the start where HD tracks it. */
	for (i = 0; i < 64; i++)
		expect(!!(dirty.bits[0] & 1UL << i) == (t->b->kind == LPAE), "page %u", i);
	memset(dirty.bits, 0, sizeof(dirty.bits));
	expect(!ops->read_and_clear_dirty(ops, upper(), 64 * page, 0, &dirty), "read");
	expect(!dirty.bits[0], "dirty %#lx", dirty.bits[0]);
	if (t->b->kind == LPAE)
		t->quirks &= ~IO_PGTABLE_QUIRK_ARM_HD;
	close_table();
}

/* Where the format of this target tracks dirty pages. */
static bool open_tracking(void)
{
	if (t->b->kind != SS && t->b->fmt != ARM_64_LPAE_S1)
		return false;
	if (t->b->kind == LPAE)
		t->quirks |= IO_PGTABLE_QUIRK_ARM_HD;
	open_table();
	return true;
}

static void close_tracking(void)
{
	t->quirks &= ~IO_PGTABLE_QUIRK_ARM_HD;
	close_table();
}

/* As hardware does when a device writes. */
static void make_dirty(u64 iova)
{
	u64 *entry = shim_phys_to_virt(hardware(iova).slot);

	if (t->b->kind == SS)
		*entry |= 1UL << 9;
	else
		*entry &= ~(1UL << 7);
}

static void the_last_pages_are_tracked(void)
{
	size_t page = 1UL << t->granule, mapped;
	u64 at = upper() + (1UL << t->ias) - 4 * page;
	struct iommu_dirty_bitmap dirty = { .base = at };

	if (!open_tracking())
		return;
	expect(!map(at, 0, page, 4, &mapped), "map");
	make_dirty(at + 3 * page);
	expect(!ops->read_and_clear_dirty(ops, at, 4 * page, 0, &dirty), "read");
	expect(dirty.bits[3 * page >> 18] & 1UL << (3 * page >> 12) % 64,
	       "the last page is clean");
	close_tracking();
}

/* A bitmap is for a range, and hardware tracks a block as a whole. */
static void no_page_beside_the_range_is_dirty(void)
{
	size_t page = 1UL << t->granule, block = page << (t->granule - 3), mapped;
	u64 at = upper() + 2 * block, i;
	struct iommu_dirty_bitmap dirty = { .base = at + block - 8 * page };

	if (t->granule != 12 || !open_tracking())
		return;
	expect(!map(at, 4 * block, block, 2, &mapped), "map");
	make_dirty(at);
	make_dirty(at + block);
	expect(!ops->read_and_clear_dirty(ops, at + block - 6 * page, 9 * page, 0,
					  &dirty), "read");
	for (i = 0; i < 64 * 64; i++)
		expect(!!(dirty.bits[i / 64] & 1UL << i % 64) == (i >= 2 && i < 11),
		       "page %lu", (long)i);
	close_tracking();
}

/* The root holds no larger entries than a part of the space. */
static void no_page_is_as_large_as_the_space(void)
{
	static const unsigned int granules[] = { 12, 14, 16 };
	unsigned int g, level;

	for (g = 0; g < ARRAY_SIZE(granules); g++)
		for (level = 1; level <= 2; level++) {
			unsigned int bits = granules[g] - 3;
			struct target local = {
				.b = &s1, .granule = granules[g],
				.ias = granules[g] + bits * level,
				.oas = granules[g] == 16 ? 52 : 48,
				.coherent = true,
			};
			u64 page = 1UL << local.granule, size = 1UL << local.ias;
			struct iommu_run run = { .size = size };
			size_t mapped;

			t = &local;
			open_table();
			expect(!(cfg.pgsize_bitmap >> t->ias), "sizes %#lx in %u bits",
			       cfg.pgsize_bitmap, t->ias);
			if (level == 1) {
				expect(!map_runs(0, &run, 1, GFP_KERNEL, &mapped) &&
				       mapped == size, "mapped %#zx", mapped);
				expect_page(0, 0, page);
				expect_page(size - page, size - page, page);
			}
			close_table();
		}
}

int main(int argc, char **argv)
{
	unsigned int i;

	test_options(argc, argv, NULL, true);
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		t = &targets[i];
		run_for_target(every_size_at_every_border);
		run_for_target(limits);
		run_for_target(what_cannot_be_unmapped);
		run_for_target(a_part_of_a_larger_page_stays);
		run_for_target(without_a_gather_a_larger_page_is_split);
		run_for_target(what_cannot_be_split_stays);
		if (t->contiguous) {
			run_for_target(groups_are_mapped_whole);
			run_for_target(groups_are_mapped_into_holes);
		}
		run_for_target(mapping_twice);
		run_for_target(mistakes_are_silent_if_the_owner_wants_it);
		run_for_target(a_walk_tells_each_entry_on_the_way);
		run_for_target(covered_tables);
		run_for_target(runs_over_tables);
		run_for_target(each_allocation_fails);
		run_for_target(dirty_pages);
		run_for_target(the_last_pages_are_tracked);
		run_for_target(no_page_beside_the_range_is_dirty);
		run_for_target(neighbours_at_once);
		run_for_target(newcomers_at_once);
	}
	run_test(sizes_of_groups);
	run_test(no_page_is_as_large_as_the_space);
	return test_finish(tests_ran, tests_failed);
}
