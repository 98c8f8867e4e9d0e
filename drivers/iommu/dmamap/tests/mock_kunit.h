/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fixture for suites of the DMA API behind an IOMMU in software: test->priv
 * is the IOMMU, and devices are added to it. tools/kernel/splats judges the
 * warnings, so a test announces those that it provokes.
 */
#ifndef __DMAMAP_MOCK_KUNIT_H
#define __DMAMAP_MOCK_KUNIT_H

#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/iommu-dma.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/swiotlb.h>

#include "mock_iommu.h"

static inline int mock_kunit_suite_init(struct kunit_suite *suite)
{
	/* If the kernel has no bounce buffers yet, allocate some. */
	if (IS_ENABLED(CONFIG_SWIOTLB))
		swiotlb_init_late(SZ_4M, GFP_KERNEL, NULL);
	return 0;
}

static inline int mock_kunit_init(struct kunit *test)
{
	int ret;

	/* Address caches and flush queues are per CPU: stay on one. */
	ret = set_cpus_allowed_ptr(current,
				   cpumask_of(cpumask_first(cpu_online_mask)));
	if (ret)
		return ret;
	test->priv = mock_iommu_create();
	return test->priv ? 0 : -ENOMEM;
}

static inline void mock_kunit_exit(struct kunit *test)
{
	struct mock_iommu *mock = test->priv;

	if (!mock)
		return;
	KUNIT_EXPECT_EQ_MSG(test, mock->strays, 0,
			    "calls that no IOMMU driver expects");
	KUNIT_EXPECT_EQ_MSG(test, mock->collisions, 0,
			    "addresses handed out while in use");
	mock_iommu_destroy(mock);
}

/* mock_kunit_add - make a device map through the IOMMU */
static inline struct device *mock_kunit_add(struct kunit *test,
					    struct device *dev)
{
	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, mock_device_add(dev), 0);
	KUNIT_ASSERT_TRUE(test, use_dma_iommu(dev));
	return dev;
}

static inline struct device *mock_kunit_platform(struct kunit *test)
{
	return mock_kunit_add(test, mock_platform_create(test->priv));
}

static inline struct device *mock_kunit_untrusted(struct kunit *test)
{
	struct device *dev;

	if (!IS_ENABLED(CONFIG_PCI))
		kunit_skip(test, "a kernel without PCI");
	dev = mock_pci_create(test->priv);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	to_pci_dev(dev)->untrusted = true;
	mock_kunit_add(test, dev);
	if (!is_swiotlb_active(dev))
		kunit_skip(test, "no bounce buffers: boot without swiotlb=noforce");
	return dev;
}

/* The physical address behind @addr, 0 without a translation. */
static inline phys_addr_t mock_kunit_phys(struct device *dev, dma_addr_t addr)
{
	struct mock_page page = { };

	return mock_translate(dev, addr, &page) == MOCK_LIVE ? page.phys : 0;
}

#endif /* __DMAMAP_MOCK_KUNIT_H */
