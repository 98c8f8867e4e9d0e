/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of drivers/iommu/dmamap/dmamap.h, in whose place it is, what lengths.c needs: a
 * domain whose page table has no bounds.
 */
#ifndef _DMAMAP_H
#define _DMAMAP_H

#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/mm.h>

#define PHYS_ADDR_MAX	(~(phys_addr_t)0)

struct iova_domain {
	unsigned long granule;
};

struct iommu_domain_ops {
	bool unmap_exact;
};

struct iommu_domain {
	const struct iommu_domain_ops *ops;
};

struct iommu_dma_cookie {
	struct io_pgtable *lengths;
	struct iova_domain iovad;
	struct iommu_domain *domain;
};

static inline unsigned int iova_shift(struct iova_domain *iovad)
{
	return __ffs(iovad->granule);
}

/* What the page table has at an address: a test knows. */
phys_addr_t dmamap_phys(struct iommu_domain *domain, dma_addr_t addr);

int dmamap_lengths_create(struct iommu_dma_cookie *cookie);
void dmamap_lengths_destroy(struct iommu_dma_cookie *cookie);
bool dmamap_length_record(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			  size_t size);
bool dmamap_length_take(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			size_t size);
bool dmamap_length_find(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			struct iommu_mapping *found);

#endif
