// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of AMD's page tables for host translations, beyond generic_pt, whose own suites
 * run on them, too.  Entries are decoded by the tables of the specification.
 */
#include <linux/bitfield.h>
#include <linux/delay.h>

#include "pt_kunit.h"

#define NEXT_LEVEL	GENMASK_ULL(11, 9)
#define ADDRESS		GENMASK_ULL(51, 12)
#define D		BIT_ULL(6)
#define FC		BIT_ULL(60)
#define IR		BIT_ULL(61)
#define IW		BIT_ULL(62)
#define TOP_PAGE	(-(u64)SZ_4K)

static void change_top(struct pt_iommu *pt, phys_addr_t root, unsigned int top)
{
	struct fixture *f = container_of(pt, struct fixture, pt);

	lockdep_assert_held(&f->lock);
	f->tops++;
	f->root = root;
	f->top = top;
}

static spinlock_t *top_lock(struct pt_iommu *pt)
{
	return &container_of(pt, struct fixture, pt)->lock;
}

static const struct pt_iommu_driver_ops driver_ops = {
	.change_top = change_top,
	.get_top_lock = top_lock,
};

static int open_amd(struct fixture *f, unsigned int bits, unsigned int features)
{
	const struct pt_iommu_amdv1_cfg cfg = {
		.common.features = features | BIT(PT_FEAT_FLUSH_RANGE) |
				   BIT(PT_FEAT_DYNAMIC_TOP),
		.common.hw_max_vasz_lg2 = bits,
		.common.hw_max_oasz_lg2 = 52,
		.starting_level = 2,
	};

	f->pt.driver_ops = &driver_ops;
	return pt_iommu_amdv1_init(&f->amd, &cfg, GFP_KERNEL);
}

/*
 * The entry that translates @iova, as hardware finds it from the root that it was
 * given; @mode: of that root, then of the entry's table.  0 if there is none.
 */
static u64 *walk(struct fixture *f, u64 iova, unsigned int *mode)
{
	struct pt_iommu_amdv1_hw_info info;
	u64 *table, *slot;

	pt_iommu_amdv1_hw_info(&f->amd, &info);
	*mode = info.mode;
	if (*mode < 6 && iova >> (12 + 9 * *mode))
		return NULL;
	table = phys_to_virt(info.host_pt_root);
	for (;; (*mode)--) {
		unsigned int next;

		slot = &table[iova >> (3 + 9 * *mode) & 511];
		if (!(*slot & 1))
			return NULL;
		next = FIELD_GET(NEXT_LEVEL, *slot);
		if (next == 0 || next == 7)
			return slot;
		/* No level is skipped here. */
		if (next != *mode - 1 || (*slot & (IR | IW)) != (IR | IW))
			return NULL;
		table = phys_to_virt(*slot & ADDRESS);
	}
}

static u64 leaf(struct fixture *f, u64 iova)
{
	unsigned int mode;
	u64 *slot = walk(f, iova, &mode);

	return slot ? *slot : 0;
}

/* Bytes of the page that hardware finds at @iova; 0 if there is none. */
static u64 page_bytes(struct fixture *f, u64 iova)
{
	unsigned int mode, bit = 12;
	u64 *slot = walk(f, iova, &mode);

	if (!slot)
		return 0;
	if (!(*slot & NEXT_LEVEL))
		return 1ULL << (3 + 9 * mode);
	while (*slot & BIT_ULL(bit))
		bit++;
	return 2ULL << bit;
}

static phys_addr_t lookup(struct fixture *f, u64 iova)
{
	return pt_iommu_amdv1_iova_to_phys(&f->pt.domain, iova);
}

static void each_power_of_two_is_a_page(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 size;

	KUNIT_ASSERT_EQ(test, open_amd(f, 64, 0), 0);
	for (size = SZ_4K; size <= SZ_4G; size *= 2) {
		u64 phys = 3 * size, at;

		KUNIT_ASSERT_EQ(test, map(f, size, phys, size, READ_WRITE), 0);
		for (at = 0; at < size; at += max(size / 64, (u64)SZ_4K)) {
			KUNIT_ASSERT_EQ(test, page_bytes(f, size + at), size);
			KUNIT_ASSERT_EQ(test, lookup(f, size + at + 5),
					phys + at + 5);
		}
		KUNIT_EXPECT_EQ(test, lookup(f, 2 * size - 1), phys + size - 1);
		KUNIT_EXPECT_EQ(test, page_bytes(f, 2 * size), 0);
		KUNIT_EXPECT_EQ(test, page_bytes(f, size - 1), 0);
		KUNIT_ASSERT_EQ(test, unmap(f, size, size), size);
		KUNIT_EXPECT_EQ(test, leaf(f, size), 0);
		KUNIT_EXPECT_EQ(test, leaf(f, 2 * size - 1), 0);
	}
}

/* Their hardware fails, so it is two of half the size. */
static void pages_of_512_gib_are_not_used(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_amd(f, 64, 0), 0);
	KUNIT_EXPECT_EQ(test, f->pt.domain.pgsize_bitmap & SZ_512G, 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_512G, SZ_512G, SZ_512G, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, page_bytes(f, SZ_512G), SZ_256G);
	KUNIT_EXPECT_EQ(test, lookup(f, SZ_512G + SZ_256G), SZ_512G + SZ_256G);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_512G, SZ_512G), SZ_512G);
}

static void a_part_of_a_page_is_not_unmapped(struct kunit *test)
{
	static const u64 sizes[] = { SZ_8K, SZ_64K, SZ_1M, SZ_2M, SZ_4M, SZ_16M };
	struct fixture *f = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, open_amd(f, 48, 0), 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 size = sizes[i];

		KUNIT_ASSERT_EQ(test, map(f, size, PHYS, size, READ_WRITE), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, size, SZ_4K), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, size, size / 2), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, size + size / 2, size / 2), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, 2 * size - SZ_4K, SZ_4K), 0);
		KUNIT_EXPECT_EQ(test, f->gather.end, 0);
		KUNIT_EXPECT_EQ(test, lookup(f, size), PHYS);
		KUNIT_EXPECT_EQ(test, lookup(f, 2 * size - 1), PHYS + size - 1);
		KUNIT_EXPECT_EQ(test, unmap(f, size, size), size);
		iommu_iotlb_gather_init(&f->gather);
	}
}

static void an_unmap_stops_at_a_page_that_is_only_partly_in_it(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_amd(f, 48, 0), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_64K, PHYS, SZ_64K, READ_WRITE), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_128K, PHYS, SZ_128K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_64K, SZ_128K), SZ_64K);
	KUNIT_EXPECT_EQ(test, lookup(f, SZ_64K), 0);
	KUNIT_EXPECT_EQ(test, lookup(f, SZ_128K), PHYS);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_128K, SZ_128K), SZ_128K);
}

static void what_is_mapped_is_not_mapped_over(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_amd(f, 48, 0), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_64K, PHYS, SZ_64K, READ_WRITE), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_16M, PHYS, SZ_16M, READ_WRITE), 0);
	/* Smaller, equal and larger ones, over coded pages of both levels */
	KUNIT_EXPECT_EQ(test, map(f, SZ_64K + SZ_4K, 0, SZ_4K, READ_WRITE),
			-EADDRINUSE);
	KUNIT_EXPECT_EQ(test, map(f, SZ_64K + SZ_8K, SZ_8K, SZ_8K, READ_WRITE),
			-EADDRINUSE);
	KUNIT_EXPECT_EQ(test, map(f, SZ_64K, 0, SZ_64K, READ_WRITE), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, map(f, 0, 0, SZ_128K, READ_WRITE), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, map(f, 0, 0, SZ_2M, READ_WRITE), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, map(f, 0, 0, SZ_4M, READ_WRITE), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, map(f, SZ_16M + SZ_4K, 0, SZ_4K, READ_WRITE),
			-EADDRINUSE);
	KUNIT_EXPECT_EQ(test, map(f, SZ_16M + SZ_2M, 0, SZ_2M, READ_WRITE),
			-EADDRINUSE);
	KUNIT_EXPECT_EQ(test, map(f, 0, 0, SZ_32M, READ_WRITE), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, lookup(f, 0), 0);
	KUNIT_EXPECT_EQ(test, lookup(f, SZ_64K + SZ_4K), PHYS + SZ_4K);
	KUNIT_EXPECT_EQ(test, lookup(f, SZ_16M + SZ_2M), PHYS + SZ_2M);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_64K, SZ_64K), SZ_64K);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_16M, SZ_16M), SZ_16M);
}

static void a_page_takes_the_place_of_empty_tables(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 at;

	KUNIT_ASSERT_EQ(test, open_amd(f, 48, 0), 0);
	for (at = SZ_16M; at < SZ_32M; at += SZ_4M)
		KUNIT_ASSERT_EQ(test, map(f, at, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, map(f, SZ_16M, PHYS, SZ_16M, READ_WRITE), -EADDRINUSE);
	for (at = SZ_16M; at < SZ_32M; at += SZ_4M)
		KUNIT_ASSERT_EQ(test, unmap(f, at, SZ_4K), SZ_4K);
	KUNIT_EXPECT_EQ(test, map(f, SZ_16M, PHYS, SZ_16M, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, page_bytes(f, SZ_16M), SZ_16M);
	KUNIT_EXPECT_EQ(test, page_bytes(f, SZ_32M - 1), SZ_16M);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_16M, SZ_16M), SZ_16M);
}

static void a_leaf_has_the_access_that_was_asked_for(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_amd(f, 48, BIT(PT_FEAT_AMDV1_FORCE_COHERENCE)), 0);
	KUNIT_EXPECT_EQ(test, map(f, 0, PHYS, SZ_4K, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, map(f, 0, PHYS, SZ_64K, IOMMU_CACHE), -EINVAL);
	KUNIT_EXPECT_EQ(test, leaf(f, 0), 0);
	KUNIT_ASSERT_EQ(test, map(f, 0, PHYS, SZ_4K, IOMMU_READ), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_4K, PHYS, SZ_4K, IOMMU_WRITE), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_64K, PHYS, SZ_64K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, leaf(f, 0) & (FC | IR | IW), FC | IR);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_4K) & (FC | IR | IW), FC | IW);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_64K) & (FC | IR | IW), FC | IR | IW);
	KUNIT_EXPECT_EQ(test, unmap(f, 0, SZ_8K), SZ_8K);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_64K, SZ_64K), SZ_64K);
}

static void nothing_is_forced_to_snoop_unless_its_owner_wants_that(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_amd(f, 48, 0), 0);
	KUNIT_ASSERT_EQ(test, map(f, 0, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, leaf(f, 0) & FC, 0);
	KUNIT_EXPECT_EQ(test, unmap(f, 0, SZ_4K), SZ_4K);
}

/* Only the bits of the specification, and those that it ignores, are set. */
static void reserved_bits_are_zero(struct kunit *test)
{
	const u64 reserved = GENMASK_ULL(58, 52);
	struct pt_iommu_amdv1_hw_info info;
	struct fixture *f = test->priv;
	u64 *table;

	KUNIT_ASSERT_EQ(test, open_amd(f, 48, BIT(PT_FEAT_AMDV1_FORCE_COHERENCE)), 0);
	KUNIT_ASSERT_EQ(test, map(f, 0, PHYS, SZ_8K,
				  READ_WRITE | IOMMU_OWNED), 0);
	pt_iommu_amdv1_hw_info(&f->amd, &info);
	KUNIT_EXPECT_EQ(test, info.host_pt_root & ~ADDRESS, 0);
	table = phys_to_virt(info.host_pt_root);
	KUNIT_EXPECT_EQ(test, table[0] & (reserved | BIT_ULL(59) | FC), 0);
	KUNIT_EXPECT_EQ(test, leaf(f, 0) & (reserved | BIT_ULL(59)), 0);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_4K) & (reserved | BIT_ULL(59)), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, 0, SZ_8K), SZ_8K);
}

static void the_root_grows_as_addresses_need_it(struct kunit *test)
{
	struct pt_iommu_amdv1_hw_info info;
	struct fixture *f = test->priv;
	unsigned int mode;

	KUNIT_ASSERT_EQ(test, open_amd(f, 64, 0), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_4K, PHYS, SZ_4K, READ_WRITE), 0);
	/* The last pages of 39, 48 and 57 bits, and the first ones behind them */
	for (mode = 3; mode <= 5; mode++) {
		u64 end = 1ULL << (12 + 9 * mode);

		KUNIT_EXPECT_EQ(test, map(f, end - SZ_4K, PHYS, SZ_4K, READ_WRITE), 0);
		pt_iommu_amdv1_hw_info(&f->amd, &info);
		KUNIT_EXPECT_EQ(test, info.mode, mode);
		KUNIT_EXPECT_EQ(test, f->tops, mode - 3);
		KUNIT_EXPECT_EQ(test, lookup(f, end), 0);
		KUNIT_EXPECT_EQ(test, unmap(f, end, SZ_4K), 0);
		KUNIT_EXPECT_EQ(test, f->tops, mode - 3);

		KUNIT_ASSERT_EQ(test, map(f, end, 2 * PHYS, SZ_4K, READ_WRITE), 0);
		pt_iommu_amdv1_hw_info(&f->amd, &info);
		KUNIT_EXPECT_EQ(test, info.mode, mode + 1);
		KUNIT_EXPECT_EQ(test, f->tops, mode - 2);
		KUNIT_EXPECT_EQ(test, f->root, info.host_pt_root);
		KUNIT_EXPECT_EQ(test, f->top, mode);
		KUNIT_EXPECT_EQ(test, leaf(f, end) & ADDRESS, 2 * PHYS);
		/* What was there stays there. */
		KUNIT_EXPECT_EQ(test, leaf(f, SZ_4K) & ADDRESS, PHYS);
		KUNIT_EXPECT_EQ(test, leaf(f, end - SZ_4K) & ADDRESS, PHYS);
		KUNIT_EXPECT_EQ(test, unmap(f, end - SZ_4K, SZ_8K), SZ_8K);
	}
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_4K, SZ_4K), SZ_4K);
}

static void the_last_address_of_all_is_mapped(struct kunit *test)
{
	const struct iommu_run runs[] = { { PHYS, SZ_4K }, { 3 * PHYS, SZ_4K } };
	struct iommu_mapping found = {};
	struct fixture *f = test->priv;
	size_t mapped = 0;

	KUNIT_ASSERT_EQ(test, open_amd(f, 64, 0), 0);
	KUNIT_EXPECT_EQ(test, f->pt.domain.geometry.aperture_end, -1UL);
	KUNIT_EXPECT_EQ(test, map(f, TOP_PAGE, PHYS, SZ_8K, READ_WRITE), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, f->tops, 0);
	KUNIT_ASSERT_EQ(test, map(f, TOP_PAGE, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, f->tops, 3);
	KUNIT_EXPECT_EQ(test, leaf(f, -1) & ADDRESS, PHYS);
	KUNIT_EXPECT_EQ(test, lookup(f, -1), PHYS + SZ_4K - 1);
	KUNIT_EXPECT_EQ(test, unmap(f, TOP_PAGE, SZ_8K), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, TOP_PAGE, SZ_4K), SZ_4K);
	KUNIT_EXPECT_EQ(test, f->gather.end, -1UL);

	KUNIT_ASSERT_EQ(test, map(f, -(u64)SZ_1M, PHYS, SZ_1M, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, page_bytes(f, -1), SZ_1M);
	KUNIT_EXPECT_EQ(test, unmap(f, -(u64)SZ_1M, SZ_1M), SZ_1M);

	KUNIT_ASSERT_EQ(test, f->pt.ops->map_runs(&f->pt, -(u64)SZ_8K, runs, 2,
						  READ_WRITE | IOMMU_OWNED,
						  GFP_KERNEL, &mapped), 0);
	KUNIT_ASSERT_TRUE(test, f->pt.ops->find_mapping(&f->pt, -1, &found));
	KUNIT_EXPECT_EQ(test, found.iova, -(u64)SZ_8K);
	KUNIT_EXPECT_EQ(test, found.size, SZ_8K);
	KUNIT_EXPECT_FALSE(test, f->pt.ops->unmap_exact(&f->pt, TOP_PAGE, SZ_4K,
							false, &f->gather));
	KUNIT_EXPECT_TRUE(test, f->pt.ops->unmap_exact(&f->pt, -(u64)SZ_8K, SZ_8K,
						       false, &f->gather));
}

static void the_root_does_not_outgrow_the_hardware(struct kunit *test)
{
	const struct iommu_run run = { PHYS, SZ_4K };
	struct fixture *f = test->priv;
	u64 end = 1ULL << 45;
	size_t mapped = 0;

	KUNIT_ASSERT_EQ(test, open_amd(f, 45, 0), 0);
	KUNIT_EXPECT_EQ(test, map(f, end, PHYS, SZ_4K, READ_WRITE), -ERANGE);
	KUNIT_EXPECT_EQ(test, map(f, end - SZ_4K, PHYS, SZ_8K, READ_WRITE), -ERANGE);
	KUNIT_EXPECT_EQ(test, map(f, TOP_PAGE, PHYS, SZ_4K, READ_WRITE), -ERANGE);
	KUNIT_EXPECT_EQ(test, f->pt.ops->map_runs(&f->pt, end, &run, 1, READ_WRITE,
						  GFP_KERNEL, &mapped), -ERANGE);
	KUNIT_EXPECT_EQ(test, f->tops, 0);
	KUNIT_ASSERT_EQ(test, map(f, end - SZ_4K, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, f->tops, 1);
	KUNIT_EXPECT_EQ(test, map(f, end, PHYS, SZ_4K, READ_WRITE), -ERANGE);
	KUNIT_EXPECT_EQ(test, unmap(f, end - SZ_4K, SZ_4K), SZ_4K);
}

static void the_root_grows_in_the_middle_of_a_list(struct kunit *test)
{
	const struct iommu_run runs[] = {
		{ PHYS, SZ_4K }, { 3 * PHYS, SZ_64K }, { 2 * PHYS, SZ_4K },
	};
	size_t mapped = 0, size = SZ_64K + SZ_8K;
	struct fixture *f = test->priv;
	u64 iova = SZ_512G - SZ_8K;

	KUNIT_ASSERT_EQ(test, open_amd(f, 64, 0), 0);
	KUNIT_ASSERT_EQ(test, f->pt.ops->map_runs(&f->pt, iova, runs, 3,
						  READ_WRITE | IOMMU_OWNED,
						  GFP_KERNEL, &mapped), 0);
	KUNIT_EXPECT_EQ(test, mapped, size);
	KUNIT_EXPECT_EQ(test, f->tops, 1);
	KUNIT_EXPECT_EQ(test, lookup(f, SZ_512G), 3 * PHYS + SZ_4K);
	KUNIT_EXPECT_EQ(test, lookup(f, iova + size - 1), 2 * PHYS + SZ_4K - 1);
	KUNIT_EXPECT_TRUE(test, f->pt.ops->unmap_exact(&f->pt, iova, size, false,
						       &f->gather));
}

static void a_page_of_all_addresses_needs_a_higher_root(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 size = 1ULL << 48;

	KUNIT_ASSERT_EQ(test, open_amd(f, 64, 0), 0);
	KUNIT_ASSERT_EQ(test, map(f, 0, 0, size, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, f->top, 4);
	KUNIT_EXPECT_EQ(test, page_bytes(f, 0), size);
	KUNIT_EXPECT_EQ(test, unmap(f, 0, size), size);
}

static void a_root_without_the_feature_stays_as_it_is(struct kunit *test)
{
	struct pt_iommu_amdv1_cfg cfg = {
		.common.features = BIT(PT_FEAT_FLUSH_RANGE),
		.common.hw_max_vasz_lg2 = 39,
		.common.hw_max_oasz_lg2 = 52,
		.starting_level = 2,
	};
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, pt_iommu_amdv1_init(&f->amd, &cfg, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, map(f, SZ_512G, PHYS, SZ_4K, READ_WRITE), -ERANGE);
	KUNIT_EXPECT_EQ(test, map(f, 0, 0, SZ_512G, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, 0, SZ_512G), SZ_512G);
}

static void tables_wait_for_the_invalidation(struct kunit *test)
{
	struct fixture *f = test->priv;
	/* More tables than the worker keeps, in pages of 4 KiB */
	size_t size = 32 * SZ_2M;

	KUNIT_ASSERT_EQ(test, open_amd(f, 64, 0), 0);
	f->pt.domain.pgsize_bitmap = SZ_4K;
	KUNIT_ASSERT_EQ(test, map(f, -(u64)size, PHYS, size, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, -(u64)size, size), size);
	KUNIT_EXPECT_EQ(test, f->syncs, 0);
	KUNIT_EXPECT_FALSE(test, iommu_pages_list_empty(&f->gather.freelist));
	KUNIT_EXPECT_EQ(test, f->gather.start, -size);
	KUNIT_EXPECT_EQ(test, f->gather.end, -1UL);
	iommu_iotlb_sync(&f->pt.domain, &f->gather);
}

/* Entries that refer to tables, in the table that has the last 1 GiB of all. */
static unsigned int tables_at_the_top(struct fixture *f)
{
	struct pt_iommu_amdv1_hw_info info;
	unsigned int mode, i, n = 0;
	u64 *table;

	pt_iommu_amdv1_hw_info(&f->amd, &info);
	table = phys_to_virt(info.host_pt_root);
	for (mode = info.mode; mode > 2; mode--) {
		u64 entry = READ_ONCE(table[mode == 6 ? 127 : 511]);

		if (!(entry & 1))
			return 0;
		table = phys_to_virt(entry & ADDRESS);
	}
	for (i = 0; i < 512; i++)
		n += READ_ONCE(table[i]) & 1;
	return n;
}

static void empty_tables_at_the_top_are_given_back(struct kunit *test)
{
	const u64 first = -(u64)64 * SZ_2M;
	struct fixture *f = test->priv;
	unsigned int i, wait;

	KUNIT_ASSERT_EQ(test, open_amd(f, 64, 0), 0);
	for (i = 0; i < 64; i++)
		KUNIT_ASSERT_EQ(test, map(f, first + i * SZ_2M, PHYS, SZ_4K,
					  READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, tables_at_the_top(f), 64);
	for (i = 0; i < 64; i++)
		KUNIT_ASSERT_EQ(test, unmap(f, first + i * SZ_2M, SZ_4K), SZ_4K);
	for (wait = 0; wait < 100 && tables_at_the_top(f) > 24; wait++)
		msleep(100);
	/* The worker leaves as many. */
	KUNIT_EXPECT_EQ(test, tables_at_the_top(f), 24);
	KUNIT_ASSERT_EQ(test, map(f, first, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, leaf(f, first) & ADDRESS, PHYS);
	KUNIT_EXPECT_EQ(test, unmap(f, first, SZ_4K), SZ_4K);
}

/* Read what is dirty in [@iova, @iova + @size); it is one range. */
static int read_dirty(struct fixture *f, u64 iova, size_t size,
		      unsigned long flags)
{
	struct iommu_dirty_bitmap dirty;

	iommu_dirty_bitmap_init(&dirty, NULL, &f->gather);
	return pt_iommu_amdv1_read_and_clear_dirty(&f->pt.domain, iova, size,
						   flags, &dirty);
}

static void a_page_is_dirty_if_one_of_its_leaves_is(struct kunit *test)
{
	static const u64 sizes[] = { SZ_4K, SZ_8K, SZ_64K, SZ_1M, SZ_2M, SZ_4M, SZ_16M };
	struct fixture *f = test->priv;
	unsigned int i, mode;

	KUNIT_ASSERT_EQ(test, open_amd(f, 48, 0), 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 size = sizes[i], around = SZ_32M;

		KUNIT_ASSERT_EQ(test, map(f, size, PHYS, size, READ_WRITE), 0);
		KUNIT_ASSERT_EQ(test, read_dirty(f, 0, around, 0), 0);
		KUNIT_EXPECT_EQ(test, f->gather.end, 0);

		*walk(f, 2 * size - 1, &mode) |= D;
		KUNIT_ASSERT_EQ(test, read_dirty(f, 0, around,
						 IOMMU_DIRTY_NO_CLEAR), 0);
		KUNIT_EXPECT_EQ(test, f->gather.start, size);
		KUNIT_EXPECT_EQ(test, f->gather.end, 2 * size - 1);
		KUNIT_EXPECT_NE(test, leaf(f, 2 * size - 1) & D, 0);

		/* And asked for a part of it */
		KUNIT_ASSERT_EQ(test, read_dirty(f, size, SZ_4K, 0), 0);
		KUNIT_EXPECT_EQ(test, f->gather.start, size);
		KUNIT_EXPECT_EQ(test, f->gather.end, size + SZ_4K - 1);
		KUNIT_EXPECT_EQ(test, leaf(f, 2 * size - 1) & D, 0);

		KUNIT_ASSERT_EQ(test, read_dirty(f, 0, around, 0), 0);
		KUNIT_EXPECT_EQ(test, f->gather.end, 0);
		KUNIT_EXPECT_EQ(test, unmap(f, size, size), size);
	}
}

static void dirty_pages_in_a_row_are_reported_together(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int mode;

	KUNIT_ASSERT_EQ(test, open_amd(f, 48, 0), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_64K, PHYS, SZ_64K, READ_WRITE), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_128K, PHYS, SZ_4K, READ_WRITE), 0);
	*walk(f, SZ_64K + SZ_8K, &mode) |= D;
	*walk(f, SZ_128K, &mode) |= D;
	KUNIT_ASSERT_EQ(test, read_dirty(f, 0, SZ_2M, 0), 0);
	KUNIT_EXPECT_EQ(test, f->gather.start, SZ_64K);
	KUNIT_EXPECT_EQ(test, f->gather.end, SZ_128K + SZ_4K - 1);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_64K + SZ_8K) & D, 0);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_128K) & D, 0);
	KUNIT_EXPECT_EQ(test, read_dirty(f, SZ_512G, SZ_4K, 0), -ERANGE);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_64K, SZ_64K + SZ_4K), SZ_64K + SZ_4K);
}

static void only_whole_mappings_are_unmapped_exactly(struct kunit *test)
{
	const struct iommu_run runs[] = {
		{ PHYS, SZ_4K }, { 3 * PHYS, SZ_64K }, { 2 * PHYS, SZ_4K },
	};
	size_t size = SZ_64K + SZ_8K, mapped = 0;
	const u64 iova = SZ_1M - SZ_4K;
	struct iommu_mapping found = {};
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_amd(f, 48, 0), 0);
	KUNIT_ASSERT_EQ(test, f->pt.ops->map_runs(&f->pt, iova, runs, 3,
						  READ_WRITE | IOMMU_OWNED,
						  GFP_KERNEL, &mapped), 0);
	KUNIT_EXPECT_EQ(test, mapped, size);
	KUNIT_EXPECT_EQ(test, page_bytes(f, SZ_1M), SZ_64K);
	KUNIT_EXPECT_FALSE(test, f->pt.ops->unmap_exact(&f->pt, iova, SZ_4K,
							false, &f->gather));
	KUNIT_EXPECT_FALSE(test, f->pt.ops->unmap_exact(&f->pt, SZ_1M, SZ_64K,
							false, &f->gather));
	KUNIT_EXPECT_FALSE(test, f->pt.ops->unmap_exact(&f->pt, iova, size + SZ_4K,
							false, &f->gather));
	KUNIT_EXPECT_EQ(test, f->gather.end, 0);
	KUNIT_ASSERT_TRUE(test, f->pt.ops->find_mapping(&f->pt, SZ_1M + SZ_8K,
							&found));
	KUNIT_EXPECT_EQ(test, found.iova, iova);
	KUNIT_EXPECT_EQ(test, found.size, size);
	KUNIT_EXPECT_TRUE(test, f->pt.ops->unmap_exact(&f->pt, iova, size, false,
						       &f->gather));
	KUNIT_EXPECT_EQ(test, f->gather.start, iova);
	KUNIT_EXPECT_EQ(test, f->gather.end, iova + size - 1);
	KUNIT_EXPECT_FALSE(test, f->pt.ops->unmap_exact(&f->pt, iova, size, false,
							&f->gather));
}

static void what_the_format_lacks_is_refused(struct kunit *test)
{
	struct pt_iommu_amdv1_cfg cfg = {
		.common.hw_max_vasz_lg2 = 48,
		.common.hw_max_oasz_lg2 = 52,
		.starting_level = 2,
	};
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, open_amd(f, 48, BIT(PT_FEAT_SIGN_EXTEND)), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, open_amd(f, 48, BIT(PT_FEAT_DMA_INCOHERENT)),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, open_amd(f, 65, 0), -EINVAL);
	/* Three levels do not resolve 48 bits. */
	KUNIT_EXPECT_EQ(test, pt_iommu_amdv1_init(&f->amd, &cfg, GFP_KERNEL),
			-EOPNOTSUPP);
	cfg.starting_level = 6;
	KUNIT_EXPECT_EQ(test, pt_iommu_amdv1_init(&f->amd, &cfg, GFP_KERNEL),
			-EOPNOTSUPP);
	cfg.starting_level = 0;
	KUNIT_EXPECT_EQ(test, pt_iommu_amdv1_init(&f->amd, &cfg, GFP_KERNEL),
			-EOPNOTSUPP);
	KUNIT_EXPECT_NULL(test, f->pt.ops);
}

static struct kunit_case pt_amdv1_cases[] = {
	KUNIT_CASE(each_power_of_two_is_a_page),
	KUNIT_CASE(pages_of_512_gib_are_not_used),
	KUNIT_CASE(a_part_of_a_page_is_not_unmapped),
	KUNIT_CASE(an_unmap_stops_at_a_page_that_is_only_partly_in_it),
	KUNIT_CASE(what_is_mapped_is_not_mapped_over),
	KUNIT_CASE(a_page_takes_the_place_of_empty_tables),
	KUNIT_CASE(a_leaf_has_the_access_that_was_asked_for),
	KUNIT_CASE(nothing_is_forced_to_snoop_unless_its_owner_wants_that),
	KUNIT_CASE(reserved_bits_are_zero),
	KUNIT_CASE(the_root_grows_as_addresses_need_it),
	KUNIT_CASE(the_last_address_of_all_is_mapped),
	KUNIT_CASE(the_root_does_not_outgrow_the_hardware),
	KUNIT_CASE(the_root_grows_in_the_middle_of_a_list),
	KUNIT_CASE(a_page_of_all_addresses_needs_a_higher_root),
	KUNIT_CASE(a_root_without_the_feature_stays_as_it_is),
	KUNIT_CASE(tables_wait_for_the_invalidation),
	KUNIT_CASE(empty_tables_at_the_top_are_given_back),
	KUNIT_CASE(a_page_is_dirty_if_one_of_its_leaves_is),
	KUNIT_CASE(dirty_pages_in_a_row_are_reported_together),
	KUNIT_CASE(only_whole_mappings_are_unmapped_exactly),
	KUNIT_CASE(what_the_format_lacks_is_refused),
	{ }
};

static struct kunit_suite pt_amdv1_suite = {
	.name = "io-pgtable-pt-amdv1",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = pt_amdv1_cases,
};

kunit_test_suite(pt_amdv1_suite);

MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
