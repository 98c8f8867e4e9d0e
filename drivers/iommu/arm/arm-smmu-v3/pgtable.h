/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What SMMUv3 invalidates of what its page tables gather.
 *
 * Theory of operation
 * ===================
 *
 * 1. An unmap is one range, whatever pages it was mapped with: one
 *    invalidation is enough.  gather.pgsize is the sum of the page sizes in
 *    it.  Where that is one size, the commands tell the level of the leaves
 *    (TTL) and spare the walk caches (Leaf); where it is several there is no
 *    one level to tell, and they do neither.
 *
 * 2. Tables that were taken out wait in gather.freelist.  Then walk caches are
 *    invalidated, too, and the tables freed after that.
 *
 * 3. Without range invalidation (SMMU_IDR3.RIL) each page takes a command.
 *    From as many as a table has entries on, the whole address space is
 *    invalidated instead, with one.
 */
#ifndef _ARM_SMMU_V3_PGTABLE_H
#define _ARM_SMMU_V3_PGTABLE_H

#include <linux/bitops.h>
#include <linux/io-pgtable.h>

#include "arm-smmu-v3.h"
#include "../../iommu-pages.h"
#include "../../io-pgtable/inval.h"

/* Take note of a page; false if it does not follow what is noted already. */
static inline bool arm_smmu_gather_page(struct iommu_iotlb_gather *gather,
					unsigned long iova, size_t size)
{
	if (iommu_iotlb_gather_is_disjoint(gather, iova, size))
		return false;
	gather->pgsize |= size;
	iommu_iotlb_gather_add_range(gather, iova, size);
	return true;
}

/* Is it enough to invalidate leaves of one level? */
static inline bool
arm_smmu_gathered_leaf(const struct iommu_iotlb_gather *gather)
{
	return is_power_of_2(gather->pgsize) && list_empty(&gather->freelist);
}

/* Bytes of the pages, or of the least pages there can be. */
static inline size_t
arm_smmu_gathered_granule(const struct arm_smmu_domain *smmu_domain,
			  const struct iommu_iotlb_gather *gather)
{
	if (arm_smmu_gathered_leaf(gather))
		return gather->pgsize;
	return 1UL << __ffs(smmu_domain->domain.pgsize_bitmap);
}

/* Would @size bytes in pages of @granule take too many commands? */
static inline bool arm_smmu_inval_all(const struct arm_smmu_domain *smmu_domain,
				      size_t size, size_t granule)
{
	size_t table = 1UL << __ffs(smmu_domain->domain.pgsize_bitmap);

	return !(smmu_domain->smmu->features & ARM_SMMU_FEAT_RANGE_INV) &&
	       size / granule >= table / sizeof(u64);
}

static inline bool
arm_smmu_gathered_all(const struct arm_smmu_domain *smmu_domain,
		      const struct iommu_iotlb_gather *gather)
{
	return arm_smmu_inval_all(smmu_domain,
				  gather->end - gather->start + 1,
				  arm_smmu_gathered_granule(smmu_domain,
							    gather));
}

/* Bytes to invalidate first in ATCs, to do with less; 0 where all is best. */
static inline size_t arm_smmu_atc_part(unsigned long iova, size_t size)
{
	u64 line = iopt_inval_split(iova, iova + size - 1, 12, 52);

	return line ? line - iova : 0;
}

static inline int arm_smmu_map_runs(struct iommu_domain *domain,
				    unsigned long iova,
				    const struct iommu_run *runs,
				    unsigned int count, int prot, gfp_t gfp,
				    size_t *mapped)
{
	struct io_pgtable_ops *ops = to_smmu_domain(domain)->pgtbl_ops;

	if (!ops)
		return -ENODEV;
	return ops->map_runs(ops, iova, runs, count, prot, gfp, mapped);
}

#endif
