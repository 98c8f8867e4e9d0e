/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests of I/O page tables use that differs from kernel to kernel.
 */
#ifndef __IO_PGTABLE_BASE_KUNIT_H
#define __IO_PGTABLE_BASE_KUNIT_H

#include <linux/io-pgtable.h>

/* The tables of a list. */
static inline struct list_head *tables_of_list(struct iommu_pages_list *list)
{
	return &list->pages;
}

/* pgtable_walk() of struct io_pgtable_ops; -EOPNOTSUPP if kernels have none. */
static inline int walk_to(struct io_pgtable_ops *ops, unsigned long iova,
			  struct arm_lpae_io_pgtable_walk_data *seen)
{
	return ops->pgtable_walk(ops, iova, seen);
}

#endif
