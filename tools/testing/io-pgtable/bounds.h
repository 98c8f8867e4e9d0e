/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What leaves say of mappings, read from bits that the specifications leave to
 * software in the leaves of both stages: 54:52 of VT-d, 58:56 of Arm.
 */
#ifndef _BOUNDS_H
#define _BOUNDS_H

#include "targets.h"

enum { OWNED = 1, BEFORE = 2, AFTER = 4, BOUNDS = 7 };

static unsigned int bounds_shift(void)
{
	return t->b->kind == SS || t->b->kind == FS ? 52 : 56;
}

static unsigned int bounds_of(u64 entry)
{
	return entry >> bounds_shift() & BOUNDS;
}

/* Of the page that hardware sees, the bytes of an entry: a group has several. */
static u64 leaf_size(u64 size)
{
	unsigned int bits = t->granule - 3, bit;

	/* A hole, where a test has failed. */
	if (!size)
		return 1UL << t->granule;
	bit = __builtin_ctzl(size);
	return 1UL << (bit - (bit - t->granule) % bits);
}

/* The bytes of a group of the smallest pages, or 0. */
static u64 group_size(void)
{
	unsigned long larger = cfg.pgsize_bitmap & (cfg.pgsize_bitmap - 1);
	u64 size = larger & -larger;

	return size && leaf_size(size) != size ? size : 0;
}

static bool unmap_exact(u64 iova, u64 size, bool gaps, bool queued)
{
	struct iommu_iotlb_gather gather;
	bool done;

	iommu_iotlb_gather_init(&gather);
	gather.queued = queued;
	done = ops->unmap_exact(ops, iova, size, gaps, &gather);
	free_tables(&gather);
	return done;
}

#endif
