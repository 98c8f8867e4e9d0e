// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of I/O page tables: attributes and dirty bits.
 */

#include "io_pgtable_kunit.h"

/* Attributes as the specifications have them, in an entry for address 0. */
void attributes_are_those_of_the_specification(struct kunit *test)
{
	static const struct {
		enum encoding encoding;
		bool stage2;
		int prot;
		u64 entry;
	} rows[] = {
		/* AttrIndx 4:2, AP[2:1] 7:6, SH 9:8, AF 10, nG 11, XN 54:53 */
		{ LPAE, false, IOMMU_READ, 0xec3 },
		{ LPAE, false, READ_WRITE, 0xe43 },
		{ LPAE, false, READ_WRITE | IOMMU_CACHE, 0xf47 },
		{ LPAE, false, READ_WRITE | IOMMU_MMIO, 0xe4b },
		{ LPAE, false, READ_WRITE | IOMMU_PRIV, 0xe03 },
		{ LPAE, false, READ_WRITE | IOMMU_NOEXEC, 0x60000000000e43 },
		/* MemAttr 5:2, S2AP 7:6, SH 9:8, AF 10, XN[1:0] 54:53 */
		{ LPAE, true, IOMMU_READ, 0x657 },
		{ LPAE, true, IOMMU_WRITE, 0x697 },
		{ LPAE, true, READ_WRITE, 0x6d7 },
		{ LPAE, true, READ_WRITE | IOMMU_CACHE, 0x7ff },
		{ LPAE, true, READ_WRITE | IOMMU_MMIO, 0x6c7 },
		{ LPAE, true, READ_WRITE | IOMMU_NOEXEC, 0x400000000006d7 },
		{ MALI, true, READ_WRITE | IOMMU_CACHE, 0x2c5 },
		/* R 0, W 1 */
		{ SECOND_STAGE, true, IOMMU_READ, 0x1 },
		{ SECOND_STAGE, true, IOMMU_WRITE, 0x3 },
		{ SECOND_STAGE, true, READ_WRITE, 0x3 },
		/* P 0, R/W 1, U/S 2, A 5, D 6 */
		{ FIRST_STAGE, false, IOMMU_READ, 0x25 },
		{ FIRST_STAGE, false, IOMMU_WRITE, 0x67 },
		{ FIRST_STAGE, false, READ_WRITE, 0x67 },
	};
	struct fixture *f = test->priv;
	enum io_pgtable_fmt fmt = f->format->fmt;
	bool stage2 = fmt != ARM_64_LPAE_S1 && fmt != ARM_32_LPAE_S1 &&
		      f->format->encoding != FIRST_STAGE;
	unsigned int i, tried = 0;
	size_t larger;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 block = rows[i].entry;
		size_t mapped = 0;

		if (rows[i].encoding != f->format->encoding ||
		    rows[i].stage2 != stage2)
			continue;
		tried++;
		KUNIT_ASSERT_EQ(test, f->ops->map_pages(f->ops, 0, 0, f->page, 1,
							rows[i].prot, GFP_KERNEL,
							&mapped), 0);
		KUNIT_EXPECT_EQ(test, hardware(f, 0).entry, rows[i].entry);
		KUNIT_EXPECT_EQ(test, unmap(f, 0, f->page, 1), f->page);

		/* A block is without bit 1, or with PS. */
		if (f->format->encoding == LPAE)
			block &= ~BIT_ULL(1);
		else if (f->format->encoding != MALI)
			block |= BIT_ULL(7);
		KUNIT_ASSERT_EQ(test, f->ops->map_pages(f->ops, f->block,
							5 * f->block, f->block,
							1, rows[i].prot,
							GFP_KERNEL, &mapped), 0);
		KUNIT_EXPECT_EQ(test, hardware(f, f->block).entry,
				block | 5 * f->block);
		KUNIT_EXPECT_EQ(test, unmap(f, f->block, f->block, 1),
				f->block);
		if (!f->format->contiguous)
			continue;
		/* Contiguous 52 */
		larger = BIT(__ffs(larger_sizes(f)));
		KUNIT_ASSERT_EQ(test, f->ops->map_pages(f->ops, 0, 0, larger, 1,
							rows[i].prot, GFP_KERNEL,
							&mapped), 0);
		KUNIT_EXPECT_EQ(test, hardware(f, 0).entry,
				rows[i].entry | BIT_ULL(52));
		KUNIT_EXPECT_EQ(test, hardware(f, 0).size, larger);
		KUNIT_EXPECT_EQ(test, unmap(f, 0, larger, 1), larger);
	}
	KUNIT_EXPECT_GT(test, tried, 0);
}

/* FEAT_S2FWB: MemAttr 0b0110 is write-back, whatever stage 1 says. */
void stage2_can_force_write_back(struct kunit *test)
{
	static const struct {
		int prot;
		u64 entry;
	} rows[] = {
		{ READ_WRITE | IOMMU_CACHE, 0x7db },
		{ READ_WRITE, 0x6d7 },
		{ READ_WRITE | IOMMU_MMIO, 0x6c7 },
		{ READ_WRITE | IOMMU_CACHE | IOMMU_MMIO, 0x7c7 },
	};
	struct fixture *f = test->priv;
	unsigned int i;

	if (!IO_PGTABLE_QUIRK_ARM_S2FWB)
		kunit_skip(test, "no driver of this kernel asks for it");
	if (f->format->fmt != ARM_64_LPAE_S2 && f->format->fmt != ARM_32_LPAE_S2)
		kunit_skip(test, "the format has no second stage");
	free_io_pgtable_ops(f->ops);
	f->quirks = IO_PGTABLE_QUIRK_ARM_S2FWB;
	io_pgtable_open(f, false);
	KUNIT_ASSERT_NOT_NULL(test, f->ops);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t mapped = 0;

		KUNIT_ASSERT_EQ(test, f->ops->map_pages(f->ops, 0, 0, f->page, 1,
							rows[i].prot, GFP_KERNEL,
							&mapped), 0);
		KUNIT_EXPECT_EQ(test, hardware(f, 0).entry, rows[i].entry);
		KUNIT_EXPECT_EQ(test, unmap(f, 0, f->page, 1), f->page);
	}
}

void a_walk_tells_each_entry_on_the_way(struct kunit *test)
{
	struct arm_lpae_io_pgtable_walk_data seen = {};
	struct fixture *f = test->priv;
	u64 mask = GENMASK_ULL(47, f->format->granule), phys;
	unsigned int level, levels;
	size_t mapped;

	if (f->format->encoding != LPAE && f->format->encoding != MALI)
		kunit_skip(test, "not an Arm format");
	if (walk_to(f->ops, 0, &seen) == -EOPNOTSUPP)
		kunit_skip(test, "page tables of this kernel tell no entries");
	KUNIT_ASSERT_EQ(test, map(f, f->block, 7 * f->page, f->page, 1, &mapped), 0);
	KUNIT_EXPECT_EQ(test, walk_to(f->ops, f->block, &seen), 0);
	phys = root_of(f, &levels);
	for (level = 4 - levels; level < 3; level++) {
		unsigned int shift = f->format->granule +
				     (f->format->granule - 3) * (3 - level);
		u64 *table = phys_to_virt(phys);

		KUNIT_ASSERT_EQ(test, seen.ptes[level],
				table[f->block >> shift & (f->per_table - 1)]);
		phys = seen.ptes[level] & mask;
	}
	KUNIT_EXPECT_EQ(test, seen.ptes[3], hardware(f, f->block).entry);

	/* To a hole beside it */
	KUNIT_EXPECT_EQ(test, walk_to(f->ops, f->block + f->page, &seen), -EINVAL);
	KUNIT_EXPECT_EQ(test, seen.ptes[3], 0);
	KUNIT_EXPECT_EQ(test, seen.ptes[2] & mask, phys);
}

static u64 *last_entry(struct fixture *f, u64 iova)
{
	unsigned int level, levels, bits = f->format->granule - 3;
	u64 mask = GENMASK_ULL(47, f->format->granule);
	u64 *table = phys_to_virt(root_of(f, &levels));

	for (level = levels; level > 1; level--) {
		unsigned int shift = f->format->granule + bits * (level - 1);
		u64 index = iova >> shift;

		if (level != levels)
			index &= f->per_table - 1;
		table = phys_to_virt(table[index] & mask);
	}
	return table + (iova >> f->format->granule & (f->per_table - 1));
}

static int read_dirty(struct fixture *f, unsigned long flags,
		      struct iommu_iotlb_gather *seen)
{
	struct iommu_dirty_bitmap dirty = { .gather = seen };

	iommu_iotlb_gather_init(seen);
	return f->ops->read_and_clear_dirty(f->ops, 0, 16 * f->page, flags,
					    &dirty);
}

void dirty_pages_are_reported_once(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct iommu_iotlb_gather seen;
	size_t mapped;
	u64 *entry;

	if (f->format->encoding != SECOND_STAGE &&
	    f->format->fmt != ARM_64_LPAE_S1)
		kunit_skip(test, "the format has no dirty bits");
	if (f->format->encoding == LPAE) {
		free_io_pgtable_ops(f->ops);
		f->quirks = IO_PGTABLE_QUIRK_ARM_HD;
		io_pgtable_open(f, false);
		KUNIT_ASSERT_NOT_NULL(test, f->ops);
	}
	KUNIT_ASSERT_EQ(test, map(f, 0, 0, f->page, 16, &mapped), 0);
	entry = last_entry(f, 5 * f->page);
	if (f->format->encoding == LPAE) {
		/* Writable with DBM: dirty until AP[2] is set. */
		KUNIT_EXPECT_EQ(test, *entry >> 51 & 1, 1);
		KUNIT_EXPECT_EQ(test, read_dirty(f, 0, &seen), 0);
		KUNIT_EXPECT_EQ(test, seen.start, 0);
		KUNIT_EXPECT_EQ(test, seen.end, 16 * f->page - 1);
		KUNIT_EXPECT_EQ(test, read_dirty(f, 0, &seen), 0);
		KUNIT_EXPECT_EQ(test, seen.end, 0);
		/* AP[2], as hardware clears it */
		*entry &= ~BIT_ULL(7);
	} else {
		/* D, as hardware sets it */
		*entry |= BIT_ULL(9);
	}
	KUNIT_EXPECT_EQ(test, read_dirty(f, IOMMU_DIRTY_NO_CLEAR, &seen), 0);
	KUNIT_EXPECT_EQ(test, seen.start, 5 * f->page);
	KUNIT_EXPECT_EQ(test, seen.end, 6 * f->page - 1);
	KUNIT_EXPECT_EQ(test, read_dirty(f, 0, &seen), 0);
	KUNIT_EXPECT_EQ(test, seen.start, 5 * f->page);
	KUNIT_EXPECT_EQ(test, read_dirty(f, 0, &seen), 0);
	KUNIT_EXPECT_EQ(test, seen.end, 0);
	expect_page(test, 5 * f->page, 5 * f->page, f->page);
}
