/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One allocator behind a table of functions, so that two can be used side by
 * side: each is compiled with its own idea of struct iova_domain.
 */
#ifndef _OPS_H
#define _OPS_H

#include <stdbool.h>

struct iova_domain;

struct iova_ops {
	const char *name;
	int (*cache_get)(void);
	void (*cache_put)(void);
	/* A domain without caches, in memory of its own. */
	struct iova_domain *(*domain_new)(unsigned long granule,
					  unsigned long start_pfn);
	void (*domain_delete)(struct iova_domain *iovad);
	int (*init_rcaches)(struct iova_domain *iovad);
	/* These two tell the lowest pfn, 0 for failure. */
	unsigned long (*alloc)(struct iova_domain *iovad, unsigned long size,
			       unsigned long limit_pfn, bool size_aligned);
	unsigned long (*alloc_fast)(struct iova_domain *iovad,
				    unsigned long size,
				    unsigned long limit_pfn, bool flush);
	void (*free)(struct iova_domain *iovad, unsigned long pfn);
	void (*free_fast)(struct iova_domain *iovad, unsigned long pfn,
			  unsigned long size);
	bool (*reserve)(struct iova_domain *iovad, unsigned long pfn_lo,
			unsigned long pfn_hi);
	/* The range that holds a pfn, if there is one. */
	bool (*find)(struct iova_domain *iovad, unsigned long pfn,
		     unsigned long *pfn_lo, unsigned long *pfn_hi);
};

extern const struct iova_ops our_ops, stock_ops;

#endif
