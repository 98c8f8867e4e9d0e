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
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>

struct iova_cpu_cache;
struct iova_rcache;

/**
 * struct iova - an allocated or reserved range
 * @gap: the range in the gap tree of its domain
 * @node: the same, link only
 * @pfn_lo: lowest pfn of the range
 * @pfn_hi: highest pfn of the range, inclusive
 * @next_spare: the next on iova_domain.spares, when in no tree
 */
struct iova {
	union {
		struct gap_node gap;
		struct {
			struct rb_node node;
			unsigned long pfn_lo;
			unsigned long pfn_hi;
		};
		struct iova *next_spare;
	};
};

static_assert(sizeof(struct iova) <= 64);
static_assert(offsetof(struct iova, pfn_lo) == offsetof(struct iova, gap.first));
static_assert(offsetof(struct iova, pfn_hi) == offsetof(struct iova, gap.last));

/**
 * struct iova_counts - what has happened in the tree of a domain
 * @ranges: ranges in the tree now: live, reserved and cached
 * @misses: allocations that the caches did not serve
 * @refused: frees that named no allocated range, or one of another size
 * @returned: ranges that came back from caches
 * @slow_max: longest the lock of the tree was held, in get_cycles()
 */
struct iova_counts {
	unsigned long ranges;
	unsigned long misses;
	unsigned long refused;
	unsigned long returned;
	unsigned long slow_max;
};

/**
 * struct iova_domain - one IOVA address space
 * @granule: bytes per pfn, a power of two
 * @start_pfn: lowest pfn that is handed out
 * @fast: caches the fast path may use without asking; an empty set, shared by
 *	all domains, before there are any (see rcache.c)
 * @detours: why frees leave the fast path, a bitmap: of each class whether
 *	ranges shorter than the class are live; whether ranges not aligned to
 *	their size are; and whether memory that was made ready runs low
 * @rcache: caches of the domain, %NULL before iova_domain_init_rcaches()
 * @cached_from: lowest pfn that a free gives to the caches, see
 *	iova_cache_from()
 * @cpuhp_dead: link for the CPU hotplug callback
 * @lock: protects all that follows, and the members pfn_lo and pfn_hi of
 *	every range in @tree; taken with interrupts disabled, under it only
 *	the locks of the caches
 * @tree: every range: live, reserved and cached
 * @spares: ranges in no tree, for allocations to come
 * @nr_spares: length of @spares
 * @least_spares: shortest @spares was, in the window of the reaper that runs
 * @counts: see &struct iova_counts
 * @drain: called by iova_drain(), may sleep: push all frees that are delayed
 *	above the allocator (a flush queue) down to it; %NULL when there are none
 */
struct iova_domain {
	unsigned long granule;
	unsigned long start_pfn;
	struct iova_cpu_cache __percpu *fast;
	unsigned long detours;
	struct iova_rcache *rcache;
	unsigned long cached_from;
	struct hlist_node cpuhp_dead;

	spinlock_t lock ____cacheline_aligned_in_smp;
	struct gap_tree tree;
	struct iova *spares;
	unsigned int nr_spares;
	unsigned int least_spares;
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

/**
 * iova_cache_from - choose whose frees go to the caches
 * @iovad: the domain
 * @pfn: lowest pfn of the ranges that do; 0 for all, as in a new domain
 *
 * Ranges below @pfn go straight back to the tree on free, so they are not
 * recycled in preference to higher ones and stay available to devices that
 * need them.  Ranges that are cached already stay cached.
 *
 * Context: any.
 */
static inline void iova_cache_from(struct iova_domain *iovad, unsigned long pfn)
{
	pfn = max(pfn, iovad->start_pfn);
	/* Read first: each free reads the line, and it rarely changes. */
	if (READ_ONCE(iovad->cached_from) != pfn)
		WRITE_ONCE(iovad->cached_from, pfn);
}

unsigned long iova_alloc_placed(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn,
				const struct iova_place *place);
struct iova *iova_reserve_free(struct iova_domain *iovad, unsigned long *pfn,
			       unsigned long last);
void iova_drain(struct iova_domain *iovad);
unsigned int iova_debugfs_id(const struct iova_domain *iovad);

#endif /* _LINUX_IOVA_GAP_TREE_H */
