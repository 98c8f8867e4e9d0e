/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests call in this kernel, and what it lacks. */
#ifndef _DMAMAP_BASE_TEST_H
#define _DMAMAP_BASE_TEST_H

#include <linux/device.h>
#include <linux/gfp.h>
#include <linux/hrtimer.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/msi.h>

#include "../../iommu-pages.h"

#define TEST_ATTACH_ARGS	struct iommu_domain *domain, struct device *dev

#define test_prepare_msi	iommu_dma_prepare_msi
#define test_compose_msi	iommu_dma_compose_msi_msg

#ifdef CONFIG_DMA_NEED_SYNC
static inline bool dev_dma_skip_sync(struct device *dev)
{
	return dev->dma_skip_sync;
}
#endif

#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
static inline void dev_assign_dma_coherent(struct device *dev, bool value)
{
	dev->dma_coherent = value;
}
#endif

static inline dma_addr_t test_map(struct device *dev, phys_addr_t phys,
				  size_t size, enum dma_data_direction dir)
{
	return iommu_dma_map_page(dev, pfn_to_page(PHYS_PFN(phys)),
				  offset_in_page(phys), size, dir, 0);
}

static inline void test_unmap(struct device *dev, dma_addr_t addr, size_t size,
			      enum dma_data_direction dir)
{
	iommu_dma_unmap_page(dev, addr, size, dir, 0);
}

static inline dma_addr_t test_map_registers(struct device *dev,
					    phys_addr_t phys, size_t size,
					    enum dma_data_direction dir)
{
	return iommu_dma_map_resource(dev, phys, size, dir, 0);
}

static inline void test_unmap_registers(struct device *dev, dma_addr_t addr,
					size_t size, enum dma_data_direction dir)
{
	iommu_dma_unmap_resource(dev, addr, size, dir, 0);
}

/* Pages that were freed are counted as free then. */
static inline void test_drain_pages(void)
{
	drain_all_pages(NULL);
}

static inline void *test_table_alloc(gfp_t gfp)
{
	return iommu_alloc_page(gfp);
}

static inline void test_table_free(void *table)
{
	iommu_free_page(table);
}

static inline void test_table_add(struct iommu_iotlb_gather *gather, void *table)
{
	list_add_tail(&virt_to_page(table)->lru, &gather->freelist);
}

static inline void test_hrtimer_setup(struct hrtimer *timer,
				      enum hrtimer_restart (*fn)(struct hrtimer *),
				      enum hrtimer_mode mode)
{
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = fn;
}

#endif /* _DMAMAP_BASE_TEST_H */
