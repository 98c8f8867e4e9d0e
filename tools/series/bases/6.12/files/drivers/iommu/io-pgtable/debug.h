/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This kernel does not count the mappings of each page.
 */
#ifndef _IO_PGTABLE_DEBUG_H
#define _IO_PGTABLE_DEBUG_H

#include <linux/types.h>

struct iommu_domain;
struct iommu_run;

static inline void ptw_debug_map_runs(struct iommu_domain *domain,
				      const struct iommu_run *runs, size_t bytes)
{
}

#endif
