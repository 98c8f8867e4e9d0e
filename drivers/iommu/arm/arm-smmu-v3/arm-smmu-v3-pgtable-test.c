// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what SMMUv3 gathers and invalidates.
 *
 * No SMMU is programmed: what an emulated one is told is compared by the tests of
 * CONFIG_IOMMU_INVAL_KUNIT_TEST.  It has no ATS, so there is a made-up SMMU for
 * what devices are told.  It is a command queue whose registers for both ends are
 * one word of memory: commands are consumed when they are written, and stay.
 */

#include <kunit/test.h>

#include <linux/bitfield.h>
#include <linux/platform_device.h>
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

#define QUEUE_SHIFT	8
#define QUEUE_COMMANDS	BIT(QUEUE_SHIFT)

/* An SMMU, and a device behind it that has ATS. */
struct made_up {
	struct arm_smmu_device smmu;
	u32 end;
	__le64 commands[QUEUE_COMMANDS][CMDQ_ENT_DWORDS];
	DECLARE_BITMAP(valid, QUEUE_COMMANDS);
	struct arm_smmu_stream stream;
	struct arm_smmu_master master;
	struct arm_smmu_master_domain attached;
	struct dev_iommu dev_iommu;
	struct device dev;
};

static int is_smmu(struct device *dev, const void *data)
{
	return dev->driver && !strcmp(dev->driver->name, "arm-smmu-v3") &&
	       dev_get_drvdata(dev);
}

/* The operations of the driver, which are those of its real SMMUs. */
static const struct iommu_ops *driver_ops(struct kunit *test,
					  struct device **dev)
{
	struct arm_smmu_device *smmu;

	*dev = bus_find_device(&platform_bus_type, NULL, NULL, is_smmu);
	if (!*dev)
		kunit_skip(test, "there is no SMMUv3");
	smmu = dev_get_drvdata(*dev);
	return smmu->iommu.ops;
}

static struct made_up *make_up(struct kunit *test, struct device *dev,
			       u32 features)
{
	struct made_up *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct arm_smmu_queue *q;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->smmu.dev = dev;
	m->smmu.features = features | ARM_SMMU_FEAT_ATS | ARM_SMMU_FEAT_COHERENCY;
	m->smmu.ias = 48;
	m->smmu.oas = 48;
	m->smmu.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G;
	m->smmu.asid_bits = 16;
	m->smmu.vmid_bits = 16;
	ida_init(&m->smmu.vmid_map);
	q = &m->smmu.cmdq.q;
	q->llq.max_n_shift = QUEUE_SHIFT;
	q->base = m->commands[0];
	q->ent_dwords = CMDQ_ENT_DWORDS;
	q->prod_reg = (u32 __iomem *)&m->end;
	q->cons_reg = q->prod_reg;
	m->smmu.cmdq.valid_map = (atomic_long_t *)m->valid;
	m->stream.id = 8;
	m->master.smmu = &m->smmu;
	m->master.dev = &m->dev;
	m->master.streams = &m->stream;
	m->master.num_streams = 1;
	m->master.ats_enabled = true;
	m->attached.master = &m->master;
	m->dev_iommu.priv = &m->master;
	m->dev.iommu = &m->dev_iommu;
	return m;
}

/* How many commands to ATCs there were, or, unless @atc, to TLBs. */
static unsigned int told(struct made_up *m, bool atc)
{
	unsigned int i, atcs = 0, tlbs = 0;

	for (i = 0; i < m->end; i++) {
		u64 op = FIELD_GET(CMDQ_0_OP, le64_to_cpu(m->commands[i][0]));

		if (op == CMDQ_OP_ATC_INV)
			atcs++;
		else if (op != CMDQ_OP_CMD_SYNC)
			tlbs++;
	}
	return atc ? atcs : tlbs;
}

static void walk_caches_go_without_atcs(struct kunit *test)
{
	static const u32 features[] = {
		ARM_SMMU_FEAT_TRANS_S1,
		ARM_SMMU_FEAT_TRANS_S1 | ARM_SMMU_FEAT_RANGE_INV,
		ARM_SMMU_FEAT_TRANS_S2,
		ARM_SMMU_FEAT_TRANS_S2 | ARM_SMMU_FEAT_RANGE_INV,
	};
	const int prot = IOMMU_READ | IOMMU_WRITE;
	const struct iommu_domain_ops *domain_ops;
	const struct iommu_ops *ops;
	struct device *dev;
	unsigned int i;

	ops = driver_ops(test, &dev);
	domain_ops = ops->default_domain_ops;
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		struct made_up *m = make_up(test, dev, features[i]);
		struct arm_smmu_domain *smmu_domain;
		struct iommu_iotlb_gather gather;
		struct iommu_domain *domain;
		size_t mapped = 0;

		domain = ops->domain_alloc_paging(&m->dev);
		KUNIT_ASSERT_FALSE(test, IS_ERR(domain));
		smmu_domain = to_smmu_domain(domain);
		list_add(&m->attached.devices_elm, &smmu_domain->devices);
		atomic_set(&smmu_domain->nr_ats_masters, 1);

		/* A page goes from both. */
		KUNIT_EXPECT_EQ(test, 0,
				domain_ops->map_pages(domain, SZ_2M, SZ_1G, SZ_4K,
						      1, prot, GFP_KERNEL,
						      &mapped));
		iommu_iotlb_gather_init(&gather);
		KUNIT_EXPECT_EQ(test, SZ_4K,
				domain_ops->unmap_pages(domain, SZ_2M, SZ_4K, 1,
							&gather));
		domain_ops->iotlb_sync(domain, &gather);
		KUNIT_EXPECT_EQ(test, 1, told(m, false));
		KUNIT_EXPECT_EQ(test, 1, told(m, true));

		/* The table that makes room for a block is in walk caches only. */
		KUNIT_EXPECT_EQ(test, 0,
				domain_ops->map_pages(domain, SZ_2M, SZ_1G, SZ_2M,
						      1, prot, GFP_KERNEL,
						      &mapped));
		KUNIT_EXPECT_EQ(test, 2, told(m, false));
		KUNIT_EXPECT_EQ_MSG(test, 1, told(m, true), "features %#x",
				    features[i]);

		list_del(&m->attached.devices_elm);
		domain_ops->free(domain);
		ida_destroy(&m->smmu.vmid_map);
	}
	put_device(dev);
}

static struct kunit_case arm_smmu_pgtable_cases[] = {
	KUNIT_CASE(pages_one_by_one_up_to_a_table),
	KUNIT_CASE(pages_of_several_sizes_are_gathered_together),
	KUNIT_CASE(cleaned_pages_are_no_leaves_of_one_level),
	KUNIT_CASE(walk_caches_go_without_atcs),
	{}
};

static struct kunit_suite arm_smmu_pgtable_suite = {
	.name = "arm-smmu-v3-pgtable",
	.test_cases = arm_smmu_pgtable_cases,
};

kunit_test_suite(arm_smmu_pgtable_suite);

MODULE_DESCRIPTION("KUnit tests of what SMMUv3 gathers and invalidates");
MODULE_LICENSE("GPL");
