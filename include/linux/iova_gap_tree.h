/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands behind <linux/iova.h> when CONFIG_IOVA_GAP_TREE is chosen.
 *
 * Included by <linux/iova.h> alone.  Users of the IOVA API know the members
 * pfn_lo and pfn_hi of struct iova, and granule and start_pfn of struct
 * iova_domain; all else is the allocator's (drivers/iommu/iova/).
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
 * @gap: the range in the gap tree of its domain
 * @node: the same, link only
 * @pfn_lo: lowest pfn of the range
 * @pfn_hi: highest pfn of the range, inclusive
 * @next: the next of a list of ranges that are in no tree
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
 * struct iova_counts - what has happened in a domain
 * @ranges: ranges now: live, reserved and cached
 * @misses: allocations that needed the tree
 * @refused: frees that named no allocated range, or one of another size
 * @returned: cached ranges that went back to the tree
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
 * @fast: the cache of each CPU; where there is none, the one empty cache that
 *	all domains share
 * @rcache: caches of the domain, %NULL before iova_domain_init_rcaches()
 * @lock: protects all that follows, the runs and the depot
 * @tree: every range that is no part of a run, and every run
 * @failed_size: size of a request that failed because nothing fits, and since
 *	which nothing at or below @failed_limit was freed; ~0UL for none
 * @failed_limit: its limit
 * @failed_turn: counts requests that looked at all there is; the last of them
 *	may be remembered
 * @counts: see &struct iova_counts
 * @drain: called by iova_drain(), may sleep: push all frees that are delayed
 *	above the allocator (a flush queue) down to it; %NULL when there are none
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
	void (*drain)(struct iova_domain *iovad);
};

/**
 * struct iova_place - where a range should begin
 * @align_mask: low bits of its first pfn that matter, 2^n - 1
 * @colour: what they should be
 * @boundary_mask: multiples of this plus one, a power of two, that the range
 *	must not cross
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
