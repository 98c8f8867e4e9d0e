/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How this kernel allocates and frees the pages of I/O page tables.
 */
#ifndef _IO_PGTABLE_BASE_H
#define _IO_PGTABLE_BASE_H

#include "../iommu-pages.h"

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

#endif
