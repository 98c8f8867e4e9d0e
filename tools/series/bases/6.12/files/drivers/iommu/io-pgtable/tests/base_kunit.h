/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests of I/O page tables use that differs from kernel to kernel.
 */
#ifndef __IO_PGTABLE_BASE_KUNIT_H
#define __IO_PGTABLE_BASE_KUNIT_H

#include <linux/errno.h>
#include <linux/io-pgtable.h>

/* The tables of a list. */
static inline struct list_head *tables_of_list(struct list_head *list)
{
	return list;
}

/* pgtable_walk() of struct io_pgtable_ops; -EOPNOTSUPP if kernels have none. */
static inline int walk_to(struct io_pgtable_ops *ops, unsigned long iova,
			  struct arm_lpae_io_pgtable_walk_data *seen)
{
	return -EOPNOTSUPP;
}

#endif
