/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests call in this kernel. */
#ifndef _DMAMAP_BASE_TEST_H
#define _DMAMAP_BASE_TEST_H

#include <linux/gfp.h>
#include <linux/hrtimer.h>
#include <linux/iommu-dma.h>
#include <linux/iommu.h>
#include <linux/msi.h>

#include "../../dma-iommu.h"
#include "../../iommu-pages.h"

#ifdef CONFIG_IOMMU_PT
/* A domain can have page tables that choose page sizes by themselves. */
#include <linux/generic_pt/iommu.h>
#define TEST_GENERIC_PT
#endif

#define TEST_ATTACH_ARGS \
	struct iommu_domain *domain, struct device *dev, struct iommu_domain *old

static inline dma_addr_t test_map(struct device *dev, phys_addr_t phys,
				  size_t size, enum dma_data_direction dir)
{
	return iommu_dma_map_phys(dev, phys, size, dir, 0);
}

static inline void test_unmap(struct device *dev, dma_addr_t addr, size_t size,
			      enum dma_data_direction dir)
{
	iommu_dma_unmap_phys(dev, addr, size, dir, 0);
}

static inline dma_addr_t test_map_registers(struct device *dev,
					    phys_addr_t phys, size_t size,
					    enum dma_data_direction dir)
{
	return iommu_dma_map_phys(dev, phys, size, dir, DMA_ATTR_MMIO);
}

static inline void test_unmap_registers(struct device *dev, dma_addr_t addr,
					size_t size, enum dma_data_direction dir)
{
	iommu_dma_unmap_phys(dev, addr, size, dir, DMA_ATTR_MMIO);
}

static inline int test_prepare_msi(struct msi_desc *desc, phys_addr_t phys)
{
	struct iommu_domain *domain;

	domain = iommu_get_domain_for_dev(msi_desc_to_dev(desc));
	return iommu_dma_sw_msi(domain, desc, phys);
}

static inline void test_compose_msi(struct msi_desc *desc, struct msi_msg *msg)
{
	msi_msg_set_addr(desc, msg, (u64)msg->address_hi << 32 | msg->address_lo);
}

/* Pages that were freed are counted as free then. */
static inline void test_drain_pages(void)
{
	migrate_disable();
	drain_local_pages(NULL);
	migrate_enable();
}

static inline void *test_table_alloc(gfp_t gfp)
{
	return iommu_alloc_pages_sz(gfp, PAGE_SIZE);
}

static inline void test_table_free(void *table)
{
	iommu_free_pages(table);
}

static inline void test_table_add(struct iommu_iotlb_gather *gather, void *table)
{
	iommu_pages_list_add(&gather->freelist, table);
}

static inline void test_hrtimer_setup(struct hrtimer *timer,
				      enum hrtimer_restart (*fn)(struct hrtimer *),
				      enum hrtimer_mode mode)
{
	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, mode);
}

#endif /* _DMAMAP_BASE_TEST_H */
