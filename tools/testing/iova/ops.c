// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of one allocator.  Compiled once for each: OPS and NAME are given,
 * and for the stock one stock-names.h renames what it calls.
 */

#include <linux/iova.h>
#include <stdlib.h>

#include "ops.h"

static struct iova_domain *domain_new(unsigned long granule,
				      unsigned long start_pfn)
{
	struct iova_domain *iovad;

	iovad = aligned_alloc(SMP_CACHE_BYTES,
			      ALIGN(sizeof(*iovad), SMP_CACHE_BYTES));
	/* Callers keep domains in zeroed memory. */
	*iovad = (struct iova_domain){ };
	init_iova_domain(iovad, granule, start_pfn);
	return iovad;
}

static void domain_delete(struct iova_domain *iovad)
{
	put_iova_domain(iovad);
	free(iovad);
}

static unsigned long alloc(struct iova_domain *iovad, unsigned long size,
			   unsigned long limit_pfn, bool size_aligned)
{
	struct iova *iova = alloc_iova(iovad, size, limit_pfn, size_aligned);

	return iova ? iova->pfn_lo : 0;
}

static bool reserve(struct iova_domain *iovad, unsigned long pfn_lo,
		    unsigned long pfn_hi)
{
	return reserve_iova(iovad, pfn_lo, pfn_hi);
}

static bool find(struct iova_domain *iovad, unsigned long pfn,
		 unsigned long *pfn_lo, unsigned long *pfn_hi)
{
	struct iova *iova = find_iova(iovad, pfn);

	if (!iova)
		return false;
	*pfn_lo = iova->pfn_lo;
	*pfn_hi = iova->pfn_hi;
	return true;
}

const struct iova_ops OPS = {
	.name = NAME,
	.cache_get = iova_cache_get,
	.cache_put = iova_cache_put,
	.domain_new = domain_new,
	.domain_delete = domain_delete,
	.init_rcaches = iova_domain_init_rcaches,
	.alloc = alloc,
	.alloc_fast = alloc_iova_fast,
	.free = free_iova,
	.free_fast = free_iova_fast,
	.reserve = reserve,
	.find = find,
};
