// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what SMMUv3 gathers and invalidates.
 *
 * No SMMU is programmed: what an emulated one is told is compared by the tests of
 * CONFIG_IOMMU_INVAL_KUNIT_TEST, and what devices with ATS are told by
 * arm-smmu-v3-pgtable-ats-test.c.
 */

#include <kunit/test.h>

#include <linux/sizes.h>
#include <linux/slab.h>

#include "pgtable.h"

static void pages_one_by_one_up_to_a_table(struct kunit *test)
{
	struct arm_smmu_device *smmu =
		kunit_kzalloc(test, sizeof(*smmu), GFP_KERNEL);
	struct arm_smmu_domain *smmu_domain =
		kunit_kzalloc(test, sizeof(*smmu_domain), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, smmu);
	KUNIT_ASSERT_NOT_NULL(test, smmu_domain);
	smmu_domain->smmu = smmu;
	smmu_domain->domain.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G;
	KUNIT_EXPECT_FALSE(test, arm_smmu_inval_all(smmu_domain, 511 * SZ_4K,
						    SZ_4K));
	KUNIT_EXPECT_TRUE(test, arm_smmu_inval_all(smmu_domain, 512 * SZ_4K,
						   SZ_4K));
	KUNIT_EXPECT_FALSE(test, arm_smmu_inval_all(smmu_domain, SZ_1G - SZ_2M,
						    SZ_2M));
	smmu->features = ARM_SMMU_FEAT_RANGE_INV;
	KUNIT_EXPECT_FALSE(test, arm_smmu_inval_all(smmu_domain, SZ_1G, SZ_4K));
	/* What SCALE of a range command can say */
	KUNIT_EXPECT_FALSE(test, arm_smmu_inval_all(smmu_domain,
						    BIT_ULL(44) - SZ_4K, SZ_4K));
	KUNIT_EXPECT_TRUE(test, arm_smmu_inval_all(smmu_domain, BIT_ULL(44),
						   SZ_4K));
	/* A block of 4 TiB */
	smmu_domain->domain.pgsize_bitmap = SZ_64K | BIT_ULL(42);
	KUNIT_EXPECT_TRUE(test, arm_smmu_inval_all(smmu_domain, BIT_ULL(42),
						   BIT_ULL(42)));
}

static void pages_of_several_sizes_are_gathered_together(struct kunit *test)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	KUNIT_EXPECT_TRUE(test, arm_smmu_gather_page(&gather, SZ_2M, SZ_2M));
	KUNIT_EXPECT_TRUE(test, arm_smmu_gathered_leaf(&gather));
	KUNIT_EXPECT_TRUE(test, arm_smmu_gather_page(&gather, SZ_4M, SZ_4K));
	KUNIT_EXPECT_FALSE(test, arm_smmu_gathered_leaf(&gather));
	KUNIT_EXPECT_EQ(test, SZ_2M, gather.start);
	KUNIT_EXPECT_EQ(test, SZ_4M + SZ_4K - 1, gather.end);
	/* Not next to it. */
	KUNIT_EXPECT_FALSE(test, arm_smmu_gather_page(&gather, SZ_8M, SZ_4K));
}

static void cleaned_pages_are_no_leaves_of_one_level(struct kunit *test)
{
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap dirty;

	iommu_dirty_bitmap_init(&dirty, NULL, &gather);
	KUNIT_EXPECT_TRUE(test, arm_smmu_gathered_none(&gather));
	iommu_dirty_bitmap_record(&dirty, SZ_2M, SZ_2M);
	KUNIT_EXPECT_FALSE(test, arm_smmu_gathered_none(&gather));
	KUNIT_EXPECT_FALSE(test, arm_smmu_gathered_leaf(&gather));
	iommu_dirty_bitmap_record(&dirty, 0, SZ_4K);
	KUNIT_EXPECT_EQ(test, 0, gather.start);
	KUNIT_EXPECT_EQ(test, SZ_4M - 1, gather.end);
}

static struct kunit_case arm_smmu_pgtable_cases[] = {
	KUNIT_CASE(pages_one_by_one_up_to_a_table),
	KUNIT_CASE(pages_of_several_sizes_are_gathered_together),
	KUNIT_CASE(cleaned_pages_are_no_leaves_of_one_level),
	{}
};

static struct kunit_suite arm_smmu_pgtable_suite = {
	.name = "arm-smmu-v3-pgtable",
	.test_cases = arm_smmu_pgtable_cases,
};

kunit_test_suite(arm_smmu_pgtable_suite);

MODULE_DESCRIPTION("KUnit tests of what SMMUv3 gathers and invalidates");
MODULE_LICENSE("GPL");
