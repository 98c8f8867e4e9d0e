/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the IOMMU in software share: see mock_iommu.c.
 */
#ifndef __MOCK_INTERNAL_H
#define __MOCK_INTERNAL_H

#include <linux/iommu.h>
#include <linux/rbtree.h>

#include "mock_iommu.h"

struct mock_domain {
	union {
		struct iommu_domain domain;
#ifdef TEST_GENERIC_PT
		struct pt_iommu pt;
#endif
	};
	struct mock_iommu *mock;
	struct rb_root pages;
	struct list_head stale;
	unsigned long nr_live;
	unsigned long nr_stale;
	size_t live_bytes;
};

struct mock_leaf {
	struct rb_node node;
	struct list_head stale;	/* in mock_domain.stale, else empty */
	unsigned long iova;
	size_t size;
	phys_addr_t phys;
	int prot;
	u64 died;		/* the clock when it was unmapped; 0 while live */
	bool usable;		/* the device has been told of it */
};

/* What hangs off a device. */
struct mock_device {
	struct list_head link;	/* in mock_iommu.devices */
	struct device *dev;
	bool is_pci;
	bool added;
};

/* dev->iommu->priv */
struct mock_master {
	struct mock_domain *domain;	/* NULL: identity or blocked */
};

#if defined(CONFIG_IOMMU_DMAMAP) || defined(CONFIG_IO_PGTABLE_WALK)
#define MOCK_BOUNDS	(IOMMU_OWNED | IOMMU_MORE_BEFORE | IOMMU_MORE_AFTER)
#else
#define MOCK_BOUNDS	0
#endif

extern atomic_t mock_ids;

struct mock_leaf *mock_find_leaf(struct mock_domain *md, unsigned long first,
				 unsigned long last);

#endif /* __MOCK_INTERNAL_H */
