// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what SMMUv3 tells devices that have ATS.
 *
 * QEMU's SMMUv3 has none, so there is a made-up SMMU.  It is a command queue whose
 * registers for both ends are one word of memory: commands are consumed when they
 * are written, and stay.
 */

#include <kunit/test.h>

#include <linux/bitfield.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "pgtable.h"

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
	struct dev_iommu dev_iommu;
	struct device dev;
	const struct iommu_ops *ops;
	struct iommu_domain *domain;
};

#include "pgtable_ats_test.h"

static int is_smmu(struct device *dev, const void *data)
{
	return dev->driver && !strcmp(dev->driver->name, "arm-smmu-v3") &&
	       dev_get_drvdata(dev);
}

/*
 * An SMMU with @features and the operations that the driver gives to real ones, and
 * a domain that the device is attached to.
 */
static struct made_up *make_up(struct kunit *test, u32 features)
{
	struct made_up *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct arm_smmu_device *real;
	struct arm_smmu_queue *q;
	struct device *dev;

	KUNIT_ASSERT_NOT_NULL(test, m);
	dev = bus_find_device(&platform_bus_type, NULL, NULL, is_smmu);
	if (!dev)
		kunit_skip(test, "there is no SMMUv3");
	real = dev_get_drvdata(dev);
	m->ops = real->iommu.ops;
	m->smmu.dev = dev;
	m->smmu.features = features | ARM_SMMU_FEAT_ATS | ARM_SMMU_FEAT_COHERENCY;
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
	m->dev_iommu.priv = &m->master;
	m->dev.iommu = &m->dev_iommu;
	m->domain = attach_made_up(m);
	KUNIT_ASSERT_FALSE(test, IS_ERR(m->domain));
	return m;
}

static void give_up(struct made_up *m)
{
	detach_made_up(m);
	m->domain->ops->free(m->domain);
	ida_destroy(&m->smmu.vmid_map);
	put_device(m->smmu.dev);
}

static const u32 stages[] = {
	ARM_SMMU_FEAT_TRANS_S1,
	ARM_SMMU_FEAT_TRANS_S1 | ARM_SMMU_FEAT_RANGE_INV,
	ARM_SMMU_FEAT_TRANS_S2,
	ARM_SMMU_FEAT_TRANS_S2 | ARM_SMMU_FEAT_RANGE_INV,
};

static int map(struct made_up *m, u64 iova, size_t size, size_t count)
{
	size_t mapped = 0;

	return m->domain->ops->map_pages(m->domain, iova, SZ_1G, size, count,
					 IOMMU_READ | IOMMU_WRITE, GFP_KERNEL,
					 &mapped);
}

/* Returns the bytes of which nothing is in a TLB any more. */
static size_t unmap(struct made_up *m, u64 iova, size_t size, size_t count)
{
	struct iommu_iotlb_gather gather;
	size_t unmapped;

	iommu_iotlb_gather_init(&gather);
	unmapped = m->domain->ops->unmap_pages(m->domain, iova, size, count,
					       &gather);
	m->domain->ops->iotlb_sync(m->domain, &gather);
	return unmapped;
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
	unsigned int i;

	if (WALKS_GO_TO_ATCS)
		kunit_skip(test, "the driver has one function for both");
	for (i = 0; i < ARRAY_SIZE(stages); i++) {
		struct made_up *m = make_up(test, stages[i]);

		/* A page goes from both. */
		KUNIT_EXPECT_EQ(test, 0, map(m, SZ_2M, SZ_4K, 1));
		KUNIT_EXPECT_EQ(test, SZ_4K, unmap(m, SZ_2M, SZ_4K, 1));
		KUNIT_EXPECT_EQ(test, 1, told(m, false));
		KUNIT_EXPECT_EQ(test, 1, told(m, true));

		/* The table that makes room for a block is in walk caches only. */
		KUNIT_EXPECT_EQ(test, 0, map(m, SZ_2M, SZ_2M, 1));
		KUNIT_EXPECT_EQ(test, 2, told(m, false));
		KUNIT_EXPECT_EQ_MSG(test, 1, told(m, true), "features %#x",
				    stages[i]);
		give_up(m);
	}
}

/* The pages of 4 KiB that the @nr-th command to ATCs names, and where they begin. */
static size_t pages_told(struct made_up *m, unsigned int nr, u64 *first)
{
	unsigned int i;

	for (i = 0; i < m->end; i++) {
		u64 low = le64_to_cpu(m->commands[i][0]);
		u64 high = le64_to_cpu(m->commands[i][1]);

		if (FIELD_GET(CMDQ_0_OP, low) != CMDQ_OP_ATC_INV || nr--)
			continue;
		*first = high & CMDQ_ATC_1_ADDR_MASK;
		return 1UL << FIELD_GET(CMDQ_ATC_1_SIZE, high);
	}
	return 0;
}

/* One power of two around them has 2 GiB. */
static void two_pages_across_a_line_take_two_requests(struct kunit *test)
{
	unsigned int i;
	u64 first = 0;

	for (i = 0; i < ARRAY_SIZE(stages); i++) {
		struct made_up *m = make_up(test, stages[i]);

		KUNIT_EXPECT_EQ(test, 0, map(m, SZ_1G - SZ_4K, SZ_4K, 2));
		KUNIT_EXPECT_EQ(test, 2 * SZ_4K,
				unmap(m, SZ_1G - SZ_4K, SZ_4K, 2));
		KUNIT_EXPECT_EQ(test, 2, told(m, true));
		KUNIT_EXPECT_EQ(test, 1, pages_told(m, 0, &first));
		KUNIT_EXPECT_EQ(test, SZ_1G - SZ_4K, first);
		KUNIT_EXPECT_EQ(test, 1, pages_told(m, 1, &first));
		KUNIT_EXPECT_EQ(test, SZ_1G, first);
		give_up(m);
	}
}

static struct kunit_case arm_smmu_pgtable_ats_cases[] = {
	KUNIT_CASE(walk_caches_go_without_atcs),
	KUNIT_CASE(two_pages_across_a_line_take_two_requests),
	{}
};

static struct kunit_suite arm_smmu_pgtable_ats_suite = {
	.name = "arm-smmu-v3-pgtable-ats",
	.test_cases = arm_smmu_pgtable_ats_cases,
};

kunit_test_suite(arm_smmu_pgtable_ats_suite);

MODULE_DESCRIPTION("KUnit tests of what SMMUv3 tells devices that have ATS");
MODULE_LICENSE("GPL");
