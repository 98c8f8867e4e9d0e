/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of formats behind generic_pt's functions share.
 */
#ifndef _IO_PGTABLE_PT_KUNIT_H
#define _IO_PGTABLE_PT_KUNIT_H

#include <kunit/test.h>
#include <linux/generic_pt/iommu.h>
#include <linux/sizes.h>

#include "../iommu-pages.h"

#define READ_WRITE	(IOMMU_READ | IOMMU_WRITE)
#define PHYS		0x1234000000ULL

/* A page table, and what its driver was asked for. */
struct fixture {
	union {
		struct pt_iommu pt;
		struct pt_iommu_vtdss ss;
		struct pt_iommu_x86_64 fs;
		struct pt_iommu_amdv1 amd;
		struct pt_iommu_riscv_64 rv;
	};
	struct iommu_iotlb_gather gather;
	unsigned int syncs;
	unsigned long start, end;	/* of the last one */
	spinlock_t lock;		/* for roots that grow: */
	unsigned int tops;
	phys_addr_t root;
	unsigned int top;
};

static void record_sync(struct iommu_domain *domain,
			struct iommu_iotlb_gather *gather)
{
	struct fixture *f = container_of(domain, struct fixture, pt.domain);

	f->syncs++;
	f->start = gather->start;
	f->end = gather->end;
	iommu_put_pages_list(&gather->freelist);
}

static const struct iommu_domain_ops fixture_ops = {
	.iotlb_sync = record_sync,
};

static int map(struct fixture *f, u64 iova, u64 phys, size_t size, int prot)
{
	size_t mapped = 0;
	int ret;

	ret = f->pt.ops->map_range(&f->pt, iova, phys, size, prot, GFP_KERNEL,
				   &mapped);
	return ret ?: mapped == size ? 0 : -EIO;
}

static size_t unmap(struct fixture *f, u64 iova, size_t size)
{
	return f->pt.ops->unmap_range(&f->pt, iova, size, &f->gather);
}

static int fixture_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	f->pt.domain.ops = &fixture_ops;
	f->pt.nid = NUMA_NO_NODE;
	spin_lock_init(&f->lock);
	iommu_iotlb_gather_init(&f->gather);
	test->priv = f;
	return 0;
}

static void fixture_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	iommu_put_pages_list(&f->gather.freelist);
	pt_iommu_deinit(&f->pt);
}

#endif
