// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommu_map_sg() for drivers with map_runs(): joins adjacent entries, and gives the
 * driver RUNS pieces at a time, so that it walks its tables once for all of them.
 */
#include <linux/align.h>
#include <linux/iommu.h>
#include <linux/printk.h>
#include <linux/scatterlist.h>

#include <trace/events/iommu.h>

#include "debug.h"

#define RUNS	32

/* Map @count pieces behind those that @done bytes have been mapped of. */
static int map_some(struct iommu_domain *domain, unsigned long iova,
		    const struct iommu_run *runs, unsigned int count, int prot,
		    gfp_t gfp, size_t *done)
{
	size_t before = *done;
	int ret;

	ret = domain->ops->map_runs(domain, iova + before, runs, count, prot, gfp,
				    done);
	ptw_debug_map_runs(domain, runs, *done - before);
	return ret;
}

/**
 * iommu_map_sg_runs - map a list to consecutive addresses
 * @domain: a domain whose driver has map_runs()
 * @iova: the first address, at a page
 * @sg: the list; its entries begin and end at pages
 * @nents: entries of it
 * @prot: IOMMU_* flags
 * @gfp: for tables
 *
 * Skips entries that a device reaches without the IOMMU (P2PDMA bus addresses).
 *
 * Context: any that @gfp allows.
 * Return: the bytes mapped, or a negative errno after undoing what was mapped.
 */
ssize_t iommu_map_sg_runs(struct iommu_domain *domain, unsigned long iova,
			  struct scatterlist *sg, unsigned int nents, int prot,
			  gfp_t gfp)
{
	const struct iommu_domain_ops *ops = domain->ops;
	size_t done = 0, total = 0, page;
	struct iommu_run runs[RUNS];
	unsigned int i, count = 0;
	struct scatterlist *s;
	int ret;

	if (!(domain->type & __IOMMU_DOMAIN_PAGING))
		return -EINVAL;
	if (WARN_ON(!domain->pgsize_bitmap))
		return -ENODEV;
	page = 1UL << __ffs(domain->pgsize_bitmap);

	for_each_sg(sg, s, nents, i) {
		phys_addr_t phys = sg_phys(s);

		if (sg_dma_is_bus_address(s) || !s->length)
			continue;
		if (!IS_ALIGNED(iova | phys | s->length, page)) {
			pr_err("unaligned: iova 0x%lx pa %pa size 0x%x min_pagesz 0x%zx\n",
			       iova + total, &phys, s->length, page);
			ret = -EINVAL;
			goto undo;
		}
		total += s->length;
		if (count && runs[count - 1].phys + runs[count - 1].size == phys) {
			runs[count - 1].size += s->length;
			continue;
		}
		if (count == RUNS) {
			ret = map_some(domain, iova, runs, count, prot, gfp,
				       &done);
			if (ret)
				goto undo;
			count = 0;
		}
		runs[count].phys = phys;
		runs[count++].size = s->length;
	}
	ret = count ? map_some(domain, iova, runs, count, prot, gfp, &done) : 0;
	if (!ret && ops->iotlb_sync_map)
		ret = ops->iotlb_sync_map(domain, iova, done);
	if (ret)
		goto undo;
	trace_map(iova, sg_phys(sg), done);
	return done;

undo:
	if (done)
		iommu_unmap(domain, iova, done);
	return ret;
}
