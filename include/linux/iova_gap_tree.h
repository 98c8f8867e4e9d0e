/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types of <linux/iova.h> if CONFIG_IOVA_GAP_TREE is set.
 *
 * Only <linux/iova.h> includes this file.  Callers of the IOVA API may use
 * pfn_lo and pfn_hi of struct iova, and granule and start_pfn of struct
 * iova_domain; all else is private to drivers/iommu/iova/.
 */
#ifndef _LINUX_IOVA_GAP_TREE_H
#define _LINUX_IOVA_GAP_TREE_H

#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/gap_tree.h>
#include <linux/spinlock.h>

struct iova_cpu;
struct iova_rcache;

/**
 * struct iova - an allocated or reserved range
 * @gap: its node in the gap tree of the domain
 * @node: the link in @gap
 * @pfn_lo: its lowest pfn
 * @pfn_hi: its highest pfn, inclusive
 * @next: link in a list, while it is in no tree
 */
struct iova {
	union {
		struct gap_node gap;
		struct {
			struct rb_node node;
			unsigned long pfn_lo;
			unsigned long pfn_hi;
			struct iova *next;
		};
	};
};

static_assert(sizeof(struct iova) <= 64);
static_assert(offsetof(struct iova, pfn_lo) == offsetof(struct iova, gap.first));
static_assert(offsetof(struct iova, pfn_hi) == offsetof(struct iova, gap.last));

/**
 * struct iova_counts - counters of a domain
 * @ranges: ranges that are live, reserved or cached
 * @misses: allocations that searched the tree
 * @refused: frees of what is not allocated, or not with that size
 * @returned: cached ranges that were given back to the tree
 */
struct iova_counts {
	unsigned long ranges;
	unsigned long misses;
	unsigned long refused;
	unsigned long returned;
};

/**
 * struct iova_domain - one IOVA address space
 * @granule: bytes per pfn, a power of two
 * @start_pfn: lowest pfn that is handed out
 * @fast: the per-CPU caches, see rcache.c
 * @rcache: the caches; %NULL if iova_domain_init_rcaches() was not called
 * @lock: protects the members that follow, the runs and the depot
 * @tree: runs, and the ranges that belong to no run
 * @failed_size: size of a request for which there is no place; ~0UL for none
 * @failed_limit: its limit; a free at or below it resets both
 * @failed_turn: number of searches so far; the last may set @failed_size
 * @counts: see &struct iova_counts
 */
struct iova_domain {
	unsigned long granule;
	unsigned long start_pfn;
	struct iova_cpu * __percpu *fast;
	struct iova_rcache *rcache;

	raw_spinlock_t lock ____cacheline_aligned_in_smp;
	struct gap_tree tree;
	unsigned long failed_size;
	unsigned long failed_limit;
	unsigned long failed_turn;
	struct iova_counts counts;
};

/**
 * struct iova_place - where a range is to begin
 * @align_mask: low bits of its first pfn that matter, 2^n - 1
 * @colour: the value of these bits
 * @boundary_mask: 2^m - 1; the range must not cross a multiple of 2^m
 */
struct iova_place {
	unsigned long align_mask;
	unsigned long colour;
	unsigned long boundary_mask;
};

unsigned long iova_alloc_placed(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn,
				const struct iova_place *place);
struct iova *iova_reserve_free(struct iova_domain *iovad, unsigned long *pfn,
			       unsigned long last);
bool iova_has_room(struct iova_domain *iovad, unsigned long size,
		   unsigned long limit_pfn);
void iova_drain(struct iova_domain *iovad);
unsigned int iova_debugfs_id(const struct iova_domain *iovad);

#endif /* _LINUX_IOVA_GAP_TREE_H */
