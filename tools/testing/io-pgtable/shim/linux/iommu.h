/* SPDX-License-Identifier: GPL-2.0-only */
/* What page tables and their owners say to each other. */
#ifndef _SHIM_IOMMU_H
#define _SHIM_IOMMU_H

#include <linux/bug.h>
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#define IOMMU_READ	BIT(0)
#define IOMMU_WRITE	BIT(1)
#define IOMMU_CACHE	BIT(2)
#define IOMMU_NOEXEC	BIT(3)
#define IOMMU_MMIO	BIT(4)
#define IOMMU_PRIV	BIT(5)
#define IOMMU_OWNED	BIT(8)
#define IOMMU_MORE_BEFORE	BIT(9)
#define IOMMU_MORE_AFTER	BIT(10)

#define IOMMU_DIRTY_NO_CLEAR	BIT(0)

struct device;

/* The tables of a list, which has a type of its own in later kernels. */
#ifdef SHIM_PAGES_LIST
struct iommu_pages_list {
	struct list_head pages;
};

#define IOMMU_PAGES_LIST_INIT(name)					\
	((struct iommu_pages_list){ .pages = LIST_HEAD_INIT(name.pages) })
#else
#define iommu_pages_list	list_head
#endif

struct iommu_iotlb_gather {
	unsigned long start;
	unsigned long end;
	size_t pgsize;
	struct iommu_pages_list freelist;
	bool queued;
};

struct iommu_run {
	phys_addr_t phys;
	size_t size;
};

struct iommu_mapping {
	unsigned long iova;
	size_t size;
	bool owned;
	bool whole;
};

/* A test looks at a short range: a bit for each 4 KiB page from base on. */
struct iommu_dirty_bitmap {
	u64 base;
	unsigned long bits[64];
};

static inline void iommu_iotlb_gather_init(struct iommu_iotlb_gather *gather)
{
	gather->start = ~0UL;
	gather->end = 0;
	gather->pgsize = 0;
	gather->queued = false;
	INIT_LIST_HEAD((struct list_head *)&gather->freelist);
}

static inline bool iommu_iotlb_gather_queued(struct iommu_iotlb_gather *gather)
{
	return gather && gather->queued;
}

static inline void
iommu_iotlb_gather_add_range(struct iommu_iotlb_gather *gather,
			     unsigned long iova, size_t size)
{
	gather->start = min(gather->start, iova);
	gather->end = max(gather->end, iova + size - 1);
}

static inline void iommu_dirty_bitmap_record(struct iommu_dirty_bitmap *dirty,
					     u64 iova, u64 size)
{
	u64 page;

	/* The kernel's may fault pages of the bitmap in. */
	BUG_ON(shim_rcu_reading());
	for (page = (iova - dirty->base) >> 12; size; size -= 4096, page++)
		dirty->bits[page / 64] |= 1UL << (page % 64);
}

#endif
