/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The count of mappings of each page that iommu.debug_pagealloc=1 keeps.
 */
#ifndef _IO_PGTABLE_DEBUG_H
#define _IO_PGTABLE_DEBUG_H

#include <linux/minmax.h>

#include "../iommu-priv.h"

/* The first @bytes of @runs are mapped. */
static inline void ptw_debug_map_runs(struct iommu_domain *domain,
				      const struct iommu_run *runs, size_t bytes)
{
#ifdef CONFIG_IOMMU_DEBUG_PAGEALLOC
	if (!static_branch_unlikely(&iommu_debug_initialized))
		return;
	for (; bytes; runs++) {
		size_t size = min(bytes, runs->size);

		iommu_debug_map(domain, runs->phys, size);
		bytes -= size;
	}
#endif
}

#endif
