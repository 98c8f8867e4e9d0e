// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of RISC-V's page tables, beyond generic_pt, whose own suites run on them, too.
 * Entries are decoded by the tables of the specification.
 */
#include "pt_kunit.h"

#define V	BIT_ULL(0)
#define R	BIT_ULL(1)
#define W	BIT_ULL(2)
#define X	BIT_ULL(3)
#define U	BIT_ULL(4)
#define A	BIT_ULL(6)
#define D	BIT_ULL(7)
#define PPN	GENMASK_ULL(53, 10)
#define NC	BIT_ULL(61)
#define IO	BIT_ULL(62)
#define N	BIT_ULL(63)

static int open_rv(struct fixture *f, unsigned int bits, unsigned int features)
{
	const struct pt_iommu_riscv_64_cfg cfg = {
		.common.features = features | BIT(PT_FEAT_FLUSH_RANGE) |
				   BIT(PT_FEAT_DETAILED_GATHER) |
				   BIT(PT_FEAT_SIGN_EXTEND),
		.common.hw_max_vasz_lg2 = bits,
		.common.hw_max_oasz_lg2 = 56,
	};

	return pt_iommu_riscv_64_init(&f->rv, &cfg, GFP_KERNEL);
}

/* The leaf of @iova, as hardware finds it; *@shift: of what an entry there maps. */
static u64 walk(struct fixture *f, u64 iova, int *shift)
{
	struct pt_iommu_riscv_64_hw_info info;
	u64 entry;

	pt_iommu_riscv_64_hw_info(&f->rv, &info);
	/* 8 is Sv39. */
	*shift = 12 + 9 * (info.fsc_iosatp_mode - 8 + 2);
	entry = info.ppn << 10 | V;
	for (;; *shift -= 9) {
		u64 *table = phys_to_virt((entry & PPN) << 2);

		entry = table[iova >> *shift & 511];
		if (!(entry & V) || entry & (R | W | X) || *shift == 12)
			return entry;
	}
}

static u64 leaf(struct fixture *f, u64 iova)
{
	int shift;

	return walk(f, iova, &shift);
}

static phys_addr_t lookup(struct fixture *f, u64 iova)
{
	return pt_iommu_riscv_64_iova_to_phys(&f->pt.domain, iova);
}

static void sixteen_pages_in_a_row_are_one(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 at;

	KUNIT_ASSERT_EQ(test, open_rv(f, 48, BIT(PT_FEAT_RISCV_SVNAPOT_64K)), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_64K, PHYS, SZ_64K, READ_WRITE), 0);
	for (at = 0; at < SZ_64K; at += SZ_4K) {
		KUNIT_EXPECT_EQ(test, leaf(f, SZ_64K + at) & (N | PPN),
				N | PHYS >> 2 | BIT_ULL(13));
		KUNIT_EXPECT_EQ(test, lookup(f, SZ_64K + at + 5), PHYS + at + 5);
	}
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_128K), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_64K, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_64K + SZ_32K, SZ_32K), 0);
	KUNIT_EXPECT_EQ(test, map(f, SZ_64K + SZ_4K, 0, SZ_4K, READ_WRITE),
			-EADDRINUSE);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_64K, SZ_64K), SZ_64K);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_64K), 0);
}

static void without_svnapot_pages_are_single(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_rv(f, 48, 0), 0);
	KUNIT_EXPECT_EQ(test, f->pt.domain.pgsize_bitmap & SZ_64K, 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_64K, PHYS, SZ_64K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_64K + SZ_4K) & (N | PPN),
			(PHYS + SZ_4K) >> 2);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_64K, SZ_4K), SZ_4K);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_64K + SZ_4K, SZ_64K - SZ_4K),
			SZ_64K - SZ_4K);
}

static void each_mode_has_its_levels(struct kunit *test)
{
	static const struct { unsigned int bits, mode; } modes[] = {
		{ 39, 8 }, { 48, 9 }, { 57, 10 },
	};
	struct pt_iommu_riscv_64_hw_info info;
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		u64 upper = -BIT_ULL(modes[i].bits - 1), end = BIT_ULL(modes[i].bits - 1);
		int shift;

		KUNIT_ASSERT_EQ(test, open_rv(f, modes[i].bits, 0), 0);
		pt_iommu_riscv_64_hw_info(&f->rv, &info);
		KUNIT_EXPECT_EQ(test, info.fsc_iosatp_mode, modes[i].mode);
		KUNIT_EXPECT_EQ(test, f->pt.domain.geometry.aperture_end, end - 1);
		KUNIT_ASSERT_EQ(test, map(f, upper, PHYS, SZ_4K, READ_WRITE), 0);
		KUNIT_ASSERT_EQ(test, map(f, end - SZ_2M, SZ_2M, SZ_2M, READ_WRITE), 0);
		KUNIT_EXPECT_EQ(test, walk(f, upper, &shift) & PPN, PHYS >> 2);
		KUNIT_EXPECT_EQ(test, shift, 12);
		KUNIT_EXPECT_EQ(test, walk(f, end - 1, &shift) & PPN, SZ_2M >> 2);
		KUNIT_EXPECT_EQ(test, shift, 21);
		KUNIT_EXPECT_EQ(test, map(f, end, PHYS, SZ_4K, READ_WRITE), -ERANGE);
		KUNIT_EXPECT_EQ(test, unmap(f, upper, SZ_4K), SZ_4K);
		KUNIT_EXPECT_EQ(test, unmap(f, end - SZ_2M, SZ_2M), SZ_2M);
		iommu_put_pages_list(&f->gather.freelist);
		iommu_iotlb_gather_init(&f->gather);
		pt_iommu_deinit(&f->pt);
		f->pt.ops = NULL;
	}
}

static void a_leaf_has_the_attributes_that_were_asked_for(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, open_rv(f, 48, BIT(PT_FEAT_RISCV_SVPBMT)), 0);
	KUNIT_EXPECT_EQ(test, map(f, 0, PHYS, SZ_4K, 0), -EINVAL);
	KUNIT_ASSERT_EQ(test, map(f, 0, PHYS, SZ_4K,
				  IOMMU_READ | IOMMU_CACHE | IOMMU_NOEXEC), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_4K, PHYS, SZ_4K, IOMMU_WRITE), 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_8K, PHYS, SZ_4K, READ_WRITE | IOMMU_MMIO), 0);
	KUNIT_EXPECT_EQ(test, leaf(f, 0) & ~PPN, V | R | U | A);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_4K) & ~PPN, V | R | W | X | U | A | D | NC);
	KUNIT_EXPECT_EQ(test, leaf(f, SZ_8K) & ~PPN, V | R | W | X | U | A | D | IO);
	KUNIT_EXPECT_EQ(test, unmap(f, 0, 3 * SZ_4K), 3 * SZ_4K);
}

static void an_unmap_tells_what_it_took(struct kunit *test)
{
	struct fixture *f = test->priv;
	/* More tables than the worker keeps, in pages of 4 KiB */
	size_t size = 32 * SZ_2M;

	KUNIT_ASSERT_EQ(test, open_rv(f, 48, 0), 0);
	f->pt.domain.pgsize_bitmap = SZ_4K;
	KUNIT_ASSERT_EQ(test, map(f, 0, PHYS, SZ_8K, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, 0, SZ_8K), SZ_8K);
	KUNIT_EXPECT_EQ(test, f->gather.pt.leaf_levels_bitmap, 1);
	KUNIT_EXPECT_EQ(test, f->gather.pt.table_levels_bitmap, 0);
	KUNIT_ASSERT_EQ(test, map(f, SZ_1G, PHYS, size, READ_WRITE), 0);
	KUNIT_EXPECT_EQ(test, unmap(f, SZ_1G, size), size);
	KUNIT_EXPECT_FALSE(test, iommu_pages_list_empty(&f->gather.freelist));
	KUNIT_EXPECT_EQ(test, f->gather.pt.table_levels_bitmap, 2);
	iommu_iotlb_sync(&f->pt.domain, &f->gather);
}

static void what_the_format_lacks_is_refused(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, open_rv(f, 47, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, open_rv(f, 48, BIT(PT_FEAT_DYNAMIC_TOP)), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, open_rv(f, 48, BIT(PT_FEAT_DMA_INCOHERENT)),
			-EOPNOTSUPP);
	KUNIT_EXPECT_NULL(test, f->pt.ops);
}

static struct kunit_case pt_riscv_cases[] = {
	KUNIT_CASE(sixteen_pages_in_a_row_are_one),
	KUNIT_CASE(without_svnapot_pages_are_single),
	KUNIT_CASE(each_mode_has_its_levels),
	KUNIT_CASE(a_leaf_has_the_attributes_that_were_asked_for),
	KUNIT_CASE(an_unmap_tells_what_it_took),
	KUNIT_CASE(what_the_format_lacks_is_refused),
	{ }
};

static struct kunit_suite pt_riscv_suite = {
	.name = "io-pgtable-pt-riscv",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = pt_riscv_cases,
};

kunit_test_suite(pt_riscv_suite);

MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
