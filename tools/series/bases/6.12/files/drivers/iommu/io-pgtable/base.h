/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How this kernel allocates and frees the pages of I/O page tables, and what their
 * owners cannot ask of them yet.
 */
#ifndef _IO_PGTABLE_BASE_H
#define _IO_PGTABLE_BASE_H

#include <linux/io-pgtable.h>

#include "../iommu-pages.h"

/* Quirks of later kernels, which no owner sets here */
#define IO_PGTABLE_QUIRK_ARM_S2FWB	0
#define IO_PGTABLE_QUIRK_NO_WARN	0

struct arm_lpae_io_pgtable_walk_data {
	u64 ptes[4];
};

static inline void *ptw_pages_alloc(int nid, gfp_t gfp, size_t size)
{
	return iommu_alloc_pages_node(nid, gfp, get_order(size));
}

static inline void ptw_pages_free(void *table, size_t size)
{
	iommu_free_pages(table, get_order(size));
}

static inline void ptw_pages_add(struct iommu_pages_list *list, void *table)
{
	list_add_tail(&virt_to_page(table)->lru, list);
}

/* No owner wants to print the entries that lead to an address. */
static inline void
ptw_set_pgtable_walk(struct io_pgtable_ops *ops,
		     int (*walk)(struct io_pgtable_ops *ops, unsigned long iova,
				 void *data))
{
}

#endif
