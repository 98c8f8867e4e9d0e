/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How this kernel allocates and frees the pages of I/O page tables, and what their
 * owners can ask of them.
 */
#ifndef _IO_PGTABLE_BASE_H
#define _IO_PGTABLE_BASE_H

#include <linux/io-pgtable.h>

#include "../iommu-pages.h"

static inline void *ptw_pages_alloc(int nid, gfp_t gfp, size_t size)
{
	return iommu_alloc_pages_node_sz(nid, gfp, size);
}

static inline void ptw_pages_free(void *table, size_t size)
{
	iommu_free_pages(table);
}

static inline void ptw_pages_add(struct iommu_pages_list *list, void *table)
{
	iommu_pages_list_add(list, table);
}

static inline void
ptw_set_pgtable_walk(struct io_pgtable_ops *ops,
		     int (*walk)(struct io_pgtable_ops *ops, unsigned long iova,
				 void *data))
{
	ops->pgtable_walk = walk;
}

#endif
