/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites of wrong unmaps share: test->priv is an IOMMU in software, as the
 * parameter of the test says, with a small aperture.
 */
#ifndef __DMAMAP_UNMAP_KUNIT_H
#define __DMAMAP_UNMAP_KUNIT_H

#include <linux/bitmap.h>
#include <linux/sizes.h>

#include "../../dma-iommu.h"
#include "../dmamap.h"
#include "mock_kunit.h"

#define GRANULE		SZ_4K
/* Granules of the aperture; the first one is never used. */
#define SMALL		256UL
/* Registers that no test touches. */
#ifdef CONFIG_PHYS_ADDR_T_64BIT
#define MMIO		BIT_ULL(40)
#else
#define MMIO		BIT(31)
#endif

/* Who has the bounds of mappings, and when the IOTLB is flushed. */
static const struct kind {
	const char *name;
	bool bounds, lazy, generic_pt;
} kinds[] = {
	{ "bounds, strict", .bounds = true },
	{ "bounds, lazy", .bounds = true, .lazy = true },
	{ "lengths, strict" },
	{ "lengths, lazy", .lazy = true },
#ifdef TEST_GENERIC_PT
	{ "map_range(), strict", .generic_pt = true },
	{ "map_range(), lazy", .generic_pt = true, .lazy = true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(kind, kinds, name);

/* Before a device is added. */
static inline void set_aperture(struct kunit *test, unsigned long granules)
{
	struct mock_iommu *mock = test->priv;

	mock->config.aperture_end = granules * GRANULE - 1;
}

static inline int unmap_init(struct kunit *test)
{
	const struct kind *kind = test->param_value;
	struct mock_iommu *mock;
	int ret = mock_kunit_init(test);

	if (ret || !kind)
		return ret;
	mock = test->priv;
	mock->config.map_runs = kind->bounds;
	mock->config.generic_pt = kind->generic_pt;
	mock->config.deferred_flush = !kind->generic_pt;
	mock->config.domain_type = kind->lazy ? IOMMU_DOMAIN_DMA_FQ :
						IOMMU_DOMAIN_DMA;
	set_aperture(test, SMALL);
	return 0;
}

static inline int bad_unmaps(struct device *dev)
{
	return atomic_read(&dmamap_cookie(dev)->bad_unmaps);
}

static inline void flush(struct device *dev)
{
	struct dmamap_fq *fq = READ_ONCE(dmamap_cookie(dev)->fq);

	if (fq)
		dmamap_fq_drain(fq);
}

static inline void unmap(struct device *dev, dma_addr_t addr, size_t size)
{
	test_unmap(dev, addr, size, DMA_TO_DEVICE);
}

/* Nothing is mapped but @used granules, which are not to be had. */
static inline void expect_each_address_once(struct kunit *test,
					    struct device *dev,
					    unsigned long granules,
					    unsigned long used)
{
	unsigned long *seen = bitmap_zalloc(granules, GFP_KERNEL);
	unsigned long nr = 0, twice = 0, pfn;
	int bad = bad_unmaps(dev);
	dma_addr_t addr;

	KUNIT_ASSERT_NOT_NULL(test, seen);
	flush(dev);
	KUNIT_EXPECT_EQ(test, mock_live_bytes(dev), used * GRANULE);
	for (; nr < granules; nr++) {
		addr = test_map_registers(dev, MMIO, GRANULE, DMA_TO_DEVICE);
		if (addr == DMA_MAPPING_ERROR)
			break;
		twice += addr / GRANULE >= granules ||
			 __test_and_set_bit(addr / GRANULE, seen);
	}
	KUNIT_EXPECT_EQ(test, twice, 0);
	KUNIT_EXPECT_EQ(test, nr, granules - 1 - used);
	for_each_set_bit(pfn, seen, granules)
		unmap(dev, (dma_addr_t)pfn * GRANULE, GRANULE);
	KUNIT_EXPECT_EQ(test, bad_unmaps(dev), bad);
	bitmap_free(seen);
}

#endif /* __DMAMAP_UNMAP_KUNIT_H */
