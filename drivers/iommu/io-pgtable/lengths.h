/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sizes of mappings, for IOMMU drivers whose page tables do not have the bounds of
 * a mapping.  See lengths.c.
 */
#ifndef _IO_PGTABLE_LENGTHS_H
#define _IO_PGTABLE_LENGTHS_H

#include <linux/types.h>

struct io_pgtable;

struct io_pgtable *iommu_lengths_create(void);
void iommu_lengths_destroy(struct io_pgtable *lengths);
bool iommu_lengths_add(struct io_pgtable *lengths, u64 pfn, size_t size, bool gaps);
bool iommu_lengths_take(struct io_pgtable *lengths, u64 pfn, size_t size, bool gaps);
size_t iommu_lengths_find(struct io_pgtable *lengths, u64 pfn, u64 *distance);

#endif
