/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iommu_map_sg() for drivers that map pieces of memory in one call.
 */
#ifndef _IO_PGTABLE_MAP_SG_H
#define _IO_PGTABLE_MAP_SG_H

#include <linux/types.h>

struct iommu_domain;
struct scatterlist;

ssize_t iommu_map_sg_runs(struct iommu_domain *domain, unsigned long iova,
			  struct scatterlist *sg, unsigned int nents, int prot,
			  gfp_t gfp);

#endif
