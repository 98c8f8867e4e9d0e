// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what the provider of VT-d's page tables does beyond generic_pt, whose own
 * suites run on it, too.
 */
#include "pt_kunit.h"

static int open_ss(struct fixture *f, unsigned int features)
{
	const struct pt_iommu_vtdss_cfg cfg = {
		.common.features = features,
		.common.hw_max_vasz_lg2 = 48,
		.common.hw_max_oasz_lg2 = 52,
		.top_level = 3,
	};

	return pt_iommu_vtdss_init(&f->ss, &cfg, GFP_KERNEL);
}

static int open_fs(struct fixture *f, unsigned int features)
{
	const struct pt_iommu_x86_64_cfg cfg = {
		.common.features = features,
		.common.hw_max_vasz_lg2 = 48,
		.common.hw_max_oasz_lg2 = 52,
		.top_level = 3,
	};

	return pt_iommu_x86_64_init(&f->fs, &cfg, GFP_KERNEL);
}

/* The leaf of a page in a table of four levels, as hardware finds it. */
static u64 leaf(struct fixture *f, u64 iova)
{
	struct pt_iommu_vtdss_hw_info info;
	u64 entry;
	int shift;

	pt_iommu_vtdss_hw_info(&f->ss, &info);
	entry = info.ssptptr;
	for (shift = 39; shift >= 12; shift -= 9) {
		u64 *table = phys_to_virt(entry & GENMASK_ULL(51, 12));

		entry = table[iova >> shift & 511];
	}
	return entry;
}

static void a_part_of_a_large_page_is_not_unmapped(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_ss(f, BIT(PT_FEAT_FLUSH_RANGE)), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_2M, PHYS, SZ_2M, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_2M, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_4M - SZ_4K, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, f->gather.end, 0);
	KUNIT_EXPECT_EQ(test, pt_iommu_vtdss_iova_to_phys(&f->pt.domain,
							  SZ_4M - 1),
			PHYS + SZ_2M - 1);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_2M, SZ_2M), SZ_2M);
}

static void the_halves_of_sign_extended_addresses_are_apart(struct kunit *test)
{
	u64 upper = -BIT_ULL(47), lower_end = BIT_ULL(47);
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_fs(f, BIT(PT_FEAT_FLUSH_RANGE) |
					 BIT(PT_FEAT_SIGN_EXTEND)), 0);
	KUNIT_EXPECT_EQ(test, f->pt.domain.geometry.aperture_end, lower_end - 1);
	KUNIT_EXPECT_EQ(test, map(f, lower_end - SZ_4K, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, map(f, upper, 2 * PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, map(f, -SZ_4K, 3 * PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, pt_iommu_x86_64_iova_to_phys(&f->pt.domain, upper),
			2 * PHYS);
	KUNIT_EXPECT_EQ(test, pt_iommu_x86_64_iova_to_phys(&f->pt.domain, -1),
			3 * PHYS + SZ_4K - 1);
	KUNIT_EXPECT_EQ(test, pt_iommu_x86_64_iova_to_phys(&f->pt.domain,
							   lower_end), 0);
	/* In between, from one half to the other, and round the end */
	KUNIT_EXPECT_EQ(test, map(f, lower_end, PHYS, SZ_4K, READ_WRITE), -ERANGE);
	KUNIT_EXPECT_EQ(test, map(f, lower_end - SZ_8K, PHYS, SZ_16K, READ_WRITE),
			-ERANGE);
	KUNIT_EXPECT_EQ(test, map(f, -SZ_8K, PHYS, SZ_16K, READ_WRITE), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, unmap(f, upper, SZ_4K), SZ_4K);
	KUNIT_EXPECT_EQ(test, f->gather.start, upper);
	KUNIT_EXPECT_EQ(test, unmap(f, -SZ_4K, SZ_4K), SZ_4K);
	KUNIT_EXPECT_EQ(test, unmap(f, lower_end - SZ_4K, SZ_4K), SZ_4K);
}

static void the_owner_takes_page_sizes_away(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_ss(f, BIT(PT_FEAT_FLUSH_RANGE)), 0);
	f->pt.domain.pgsize_bitmap = SZ_4K;
	KUNIT_ASSERT_EQ(test, map(f, SZ_2M, PHYS, SZ_2M, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_2M + SZ_4K) & GENMASK_ULL(51, 12),
			PHYS + SZ_4K);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_2M, SZ_2M), SZ_2M);
}

static void nothing_is_read_only_where_all_is_to_be_writeable(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_ss(f, BIT(PT_FEAT_FLUSH_RANGE) |
					 BIT(PT_FEAT_VTDSS_FORCE_WRITEABLE)), 0);
	KUNIT_EXPECT_EQ(test, map(f, 0, PHYS, SZ_4K, IOMMU_READ), -EINVAL);
	KUNIT_EXPECT_EQ(test, map(f, 0, PHYS, SZ_2M, IOMMU_READ), -EINVAL);
	KUNIT_EXPECT_EQ(test, map(f, 0, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, 0, SZ_4K), SZ_4K);
}

static void snooping_can_be_enforced_later(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_ss(f, BIT(PT_FEAT_FLUSH_RANGE)), 0);
	KUNIT_ASSERT_EQ(test, map(f, 0, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, leaf(f, 0) & BIT_ULL(11), 0);
	f->ss.vtdss_pt.common.features |= BIT(PT_FEAT_VTDSS_FORCE_COHERENCE);
	KUNIT_ASSERT_EQ(test, map(f, SZ_4K, PHYS, SZ_8K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_4K) & BIT_ULL(11), BIT_ULL(11));
	KUNIT_EXPECT_EQ(test, unmap(f, 0, 3 * SZ_4K), 3 * SZ_4K);
}

static void what_is_mapped_is_not_mapped_over(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_ss(f, BIT(PT_FEAT_FLUSH_RANGE)), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_8K, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, map(f, SZ_8K, 2 * PHYS, SZ_4K, READ_WRITE),
			-EADDRINUSE);
	KUNIT_EXPECT_EQ(test, map(f, 0, 2 * PHYS, SZ_2M, READ_WRITE), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, pt_iommu_vtdss_iova_to_phys(&f->pt.domain, SZ_8K),
			PHYS);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_8K, SZ_4K), SZ_4K);
}

/* Unmap two pages with a gap between them. */
static void unmap_around_a_gap(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, map(f, SZ_64K, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_1M, PHYS, SZ_4K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_64K, SZ_4K), SZ_4K);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_1M, SZ_4K), SZ_4K);
	KUNIT_EXPECT_EQ(test, f->gather.end, SZ_1M + SZ_4K - 1);
}

static void a_gap_is_not_invalidated_where_that_costs(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_fs(f, BIT(PT_FEAT_FLUSH_RANGE_NO_GAPS)), 0);
	unmap_around_a_gap(test);
	KUNIT_EXPECT_EQ(test, f->syncs, 1);
	KUNIT_EXPECT_EQ(test, f->start, SZ_64K);
	KUNIT_EXPECT_EQ(test, f->end, SZ_64K + SZ_4K - 1);
	KUNIT_EXPECT_EQ(test, f->gather.start, SZ_1M);
}

static void a_gap_is_invalidated_where_that_saves(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_fs(f, BIT(PT_FEAT_FLUSH_RANGE)), 0);
	unmap_around_a_gap(test);
	KUNIT_EXPECT_EQ(test, f->syncs, 0);
	KUNIT_EXPECT_EQ(test, f->gather.start, SZ_64K);
}

static void tables_wait_for_the_invalidation(struct kunit *test)
{
	struct fixture *f = test->priv;
	/* More tables than the worker keeps, in pages of 4 KiB */
	size_t size = 32 * SZ_2M;

	KUNIT_ASSERT_EQ(test, open_ss(f, BIT(PT_FEAT_FLUSH_RANGE)), 0);
	f->pt.domain.pgsize_bitmap = SZ_4K;
	KUNIT_ASSERT_EQ(test, map(f, SZ_1G, PHYS, size, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_1G, size), size);
	KUNIT_EXPECT_EQ(test, f->syncs, 0);
	KUNIT_EXPECT_FALSE(test, iommu_pages_list_empty(&f->gather.freelist));
	KUNIT_EXPECT_EQ(test, f->gather.start, SZ_1G);
	KUNIT_EXPECT_EQ(test, f->gather.end, SZ_1G + size - 1);
	iommu_iotlb_sync(&f->pt.domain, &f->gather);
}

static void only_whole_mappings_are_unmapped_exactly(struct kunit *test)
{
	const struct iommu_run runs[] = {
		{ PHYS, SZ_4K }, { 3 * PHYS, SZ_8K }, { 2 * PHYS, SZ_4K },
	};
	struct iommu_mapping found = {};
	struct fixture *f = test->priv;
	size_t mapped = 0;

	KUNIT_ASSERT_EQ(test, open_ss(f, BIT(PT_FEAT_FLUSH_RANGE)), 0);
	KUNIT_ASSERT_EQ(test, f->pt.ops->map_runs(&f->pt, SZ_1M, runs,
						  ARRAY_SIZE(runs),
						  READ_WRITE | IOMMU_OWNED,
						  GFP_KERNEL, &mapped), 0);
	KUNIT_EXPECT_EQ(test, mapped, SZ_16K);
	KUNIT_EXPECT_FALSE(test, f->pt.ops->unmap_exact(&f->pt, SZ_1M, SZ_8K,
							false, &f->gather));
	KUNIT_EXPECT_EQ(test, f->gather.end, 0);
	KUNIT_ASSERT_TRUE(test, f->pt.ops->find_mapping(&f->pt, SZ_1M + SZ_8K,
							&found));
	KUNIT_EXPECT_EQ(test, found.iova, SZ_1M);
	KUNIT_EXPECT_EQ(test, found.size, SZ_16K);
	KUNIT_EXPECT_TRUE(test, f->pt.ops->unmap_exact(&f->pt, SZ_1M, SZ_16K,
						       false, &f->gather));
	KUNIT_EXPECT_EQ(test, f->gather.start, SZ_1M);
	KUNIT_EXPECT_EQ(test, f->gather.end, SZ_1M + SZ_16K - 1);
	KUNIT_EXPECT_FALSE(test, f->pt.ops->unmap_exact(&f->pt, SZ_1M, SZ_16K,
							false, &f->gather));
}

static void what_the_formats_lack_is_refused(struct kunit *test)
{
	struct pt_iommu_vtdss_cfg cfg = {
		.common.hw_max_vasz_lg2 = 48,
		.common.hw_max_oasz_lg2 = 52,
		.top_level = 2,
	};
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, open_ss(f, BIT(PT_FEAT_DYNAMIC_TOP)), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, open_ss(f, BIT(PT_FEAT_SIGN_EXTEND)), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, open_fs(f, BIT(PT_FEAT_FULL_VA)), -EOPNOTSUPP);
	/* Three levels do not resolve 48 bits. */
	KUNIT_EXPECT_EQ(test, pt_iommu_vtdss_init(&f->ss, &cfg, GFP_KERNEL),
			-EOPNOTSUPP);
	cfg.common.hw_max_vasz_lg2 = 58;
	KUNIT_EXPECT_EQ(test, pt_iommu_vtdss_init(&f->ss, &cfg, GFP_KERNEL),
			-EINVAL);
	KUNIT_EXPECT_NULL(test, f->pt.ops);
}

static struct kunit_case pt_vtd_cases[] = {
	KUNIT_CASE(a_part_of_a_large_page_is_not_unmapped),
	KUNIT_CASE(the_halves_of_sign_extended_addresses_are_apart),
	KUNIT_CASE(the_owner_takes_page_sizes_away),
	KUNIT_CASE(nothing_is_read_only_where_all_is_to_be_writeable),
	KUNIT_CASE(snooping_can_be_enforced_later),
	KUNIT_CASE(what_is_mapped_is_not_mapped_over),
	KUNIT_CASE(a_gap_is_not_invalidated_where_that_costs),
	KUNIT_CASE(a_gap_is_invalidated_where_that_saves),
	KUNIT_CASE(tables_wait_for_the_invalidation),
	KUNIT_CASE(only_whole_mappings_are_unmapped_exactly),
	KUNIT_CASE(what_the_formats_lack_is_refused),
	{ }
};

static struct kunit_suite pt_vtd_suite = {
	.name = "io-pgtable-pt",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = pt_vtd_cases,
};

kunit_test_suite(pt_vtd_suite);

MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
