/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map of this folder: what its files share.
 *
 *	domain.c	life of a domain, and the API that works on its tree
 *	debugfs.c	counters for people
 *	place.c		ranges whose place the caller has a say in
 *	rcache.c	alloc_iova_fast(), free_iova_fast(): the cache of a CPU
 *	reaper.c	returns what is cached and not needed
 *	stats.c		what a domain has done, and where its ranges are
 *	search.c	a place for a request where the tree has none
 *	magazine.c	freed ranges, on their way back
 *	depot.c		runs that no CPU has
 *	run.c		a stretch of adjacent ranges of one size
 *	tree.c		memory, and what is no part of a run
 *
 * Calls go from a file to those below it in this list; run.c alone also calls
 * depot.c, which lists the runs.
 *
 * Locks, outermost first:
 *
 *	iova_cache_mutex	domain.c, users of the slab caches; sleeps
 *	iova_domain.lock	the tree, the runs, the depot; raw, interrupts
 *				disabled, for at most %IOVA_BATCH tree operations
 *
 * Memory is not allocated or freed under the second.  The fast path has no
 * lock; see rcache.c.
 */
#ifndef _IOVA_INTERNAL_H
#define _IOVA_INTERNAL_H

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/iova.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/percpu.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

/* Size classes: the powers of two up to 4 MiB or 32 pages, whichever is more. */
#define IOVA_CACHED_MAX		max(32UL, SZ_4M / PAGE_SIZE)
#define IOVA_CLASSES		11U

/* Runs are at least as long as this, and so aligned. */
#define IOVA_RUN_SHIFT		9U
#define IOVA_RUN_PAGES		BIT(IOVA_RUN_SHIFT)

/* What one hold of the lock may do, in tree operations; slots cut off in one. */
#define IOVA_BATCH		16U
#define IOVA_CUT		(IOVA_BATCH - 2)

/* Ranges that a CPU frees before they go back to their runs. */
#define IOVA_MAGAZINE		64U

/**
 * iova_size_class - the class that serves a size
 * @size: size of a range in granules, 1 to %IOVA_CACHED_MAX
 */
static __always_inline unsigned int iova_size_class(unsigned long size)
{
	return __fls(2 * size - 1);
}

static __always_inline bool iova_size_is_cached(unsigned long size)
{
	return size - 1 < IOVA_CACHED_MAX;
}

/* What the fast path mostly allocates for @size. */
static inline unsigned long iova_round_size(unsigned long size)
{
	return iova_size_is_cached(size) ? 1UL << iova_size_class(size) : size;
}

/**
 * struct iova_run - a stretch of adjacent ranges of one class
 * @nr_slots: its ranges
 * @nr_free: those that are free, and with no CPU
 * @relist_at: value of @nr_free with which it belongs on another list
 * @class: class of the ranges
 * @shift: log2 of its length when it was made
 * @list_no: which list of the depot it is on, if it is on one
 * @zone: iova_zone() of it
 * @gap: the stretch in the gap tree of its domain
 * @list: link on a list of the depot, or of runs to be freed
 * @owner: the cache of the CPU that it belongs to; %NULL for none
 * @next_word: word of @free that goes to a CPU next
 * @free: free slots, those that a CPU has left out
 *
 * Its place in memory tells a run from a struct iova: see iova_is_run().
 */
struct iova_run {
	u16 nr_slots;
	u16 nr_free;
	u16 relist_at;
	u8 class : 4;
	u8 list_no : 4;
	u8 shift : 5;
	u8 zone : 1;
	struct gap_node gap __aligned(sizeof(u64));
	struct list_head list;
	struct iova_cpu *owner;
	unsigned int next_word;
	DECLARE_BITMAP(free, IOVA_RUN_PAGES);
};

/* Both kinds of nodes are aligned to this; a run's node is off by one u64. */
#define IOVA_NODE_ALIGN		64

static_assert(offsetof(struct iova_run, gap) % IOVA_NODE_ALIGN == sizeof(u64));
static_assert(sizeof(struct iova_run) <= 192);

static inline bool iova_is_run(const struct gap_node *node)
{
	return (unsigned long)node % IOVA_NODE_ALIGN;
}

static inline struct iova_run *iova_to_run(struct gap_node *node)
{
	return container_of(node, struct iova_run, gap);
}

static inline struct iova *iova_to_iova(struct gap_node *node)
{
	return container_of(node, struct iova, gap);
}

/**
 * struct iova_cpu - the cache of a CPU
 * @nr: ranges in the magazine; only the CPU writes it, with interrupts disabled
 * @nr_sorted: how many of them, the first, are back in their runs; when all are
 *	the CPU begins anew; iova_domain.lock
 * @given: slots that it got
 * @mask: of each class the slots that it has to hand out.  The CPU takes one
 *	by compare-and-exchange, others take all by exchange, under the lock
 * @base: pfn of the slot of bit 0; changes while the mask is 0, under the lock
 * @last: highest pfn of their run; likewise
 * @run: the run that they are of, which belongs to the CPU; likewise
 * @seen: allocations and frees when the reaper last looked
 * @frees: what went through the magazine and is overwritten
 * @cpu: the CPU
 * @list: link on iova_rcache.caches
 * @next_idle: the next that the reaper takes away
 * @freed: the magazine: ranges freed, pfn and class
 */
struct iova_cpu {
	unsigned int nr;
	unsigned int nr_sorted;
	unsigned long given;
	unsigned long mask[IOVA_CLASSES];
	unsigned long base[IOVA_CLASSES];
	unsigned long last[IOVA_CLASSES];
	struct iova_run *run[IOVA_CLASSES];
	unsigned long seen;
	unsigned long frees;
	unsigned int cpu;
	struct list_head list;
	struct iova_cpu *next_idle;
	u64 freed[IOVA_MAGAZINE];
};

static_assert(sizeof(struct iova_cpu) <= 1024);

/*
 * An entry of a magazine is a pfn, and in its highest bits, which are clear
 * with granules of 16 bytes or more, the class.
 */
#define IOVA_CLASS_SHIFT	60
#define IOVA_GRANULE_MIN	16UL

/* No address has a higher pfn then; such a limit is as good as this one. */
#define IOVA_FAST_MAX	(BITS_PER_LONG == 64 ? ~0UL >> 4 : ~0UL)

static __always_inline u64 iova_entry(unsigned int class, unsigned long pfn)
{
	/* A pfn with high bits gets another class, and is mostly refused. */
	return pfn ^ ((u64)class << IOVA_CLASS_SHIFT);
}

static inline unsigned long iova_entry_pfn(u64 entry)
{
	return entry & (BIT_ULL(IOVA_CLASS_SHIFT) - 1);
}

static inline unsigned int iova_entry_class(u64 entry)
{
	return entry >> IOVA_CLASS_SHIFT;
}

/*
 * The lists of the depot, by how much of a run is free: less than an eighth,
 * an eighth, a quarter, a half, all.
 */
#define IOVA_LISTS		5U
#define IOVA_LIST_ALL		4U
#define IOVA_NO_LIST		15U
#define IOVA_NO_RELIST		0xffffU

/* Runs below 4 GiB are for requests that are limited to that. */
#define IOVA_ZONES		2U

/**
 * struct iova_shelf - runs of one class in one zone that no CPU has
 * @runs: the lists
 * @nr_all: length of the last of them
 * @least_all: shortest that was, in the window of the reaper that runs
 */
struct iova_shelf {
	struct list_head runs[IOVA_LISTS];
	unsigned int nr_all;
	unsigned int least_all;
};

/**
 * struct iova_depot - all runs that no CPU has
 * @shelves: the runs
 * @free: free slots of all runs, those that CPUs have left out, by zone and
 *	class
 * @nr_runs: runs of a class
 * @blocks: length of all runs, in shortest runs
 * @hints: where runs were found last, by the lowest bits of the block; %NULL
 *	for none
 * @nr_hints: length of @hints, a power of two
 */
struct iova_depot {
	struct iova_shelf shelves[IOVA_CLASSES][IOVA_ZONES];
	unsigned int free[IOVA_ZONES][IOVA_CLASSES];
	unsigned int nr_runs[IOVA_CLASSES];
	unsigned int blocks;
	unsigned int nr_hints;
	struct iova_run **hints;
};

/*
 * Where the run of a pfn was found last.  Frees come in any order, and a search
 * of the tree is a branch in the dark at each level.
 */
static inline struct iova_run **iova_hint(struct iova_depot *depot,
					  unsigned long pfn)
{
	return &depot->hints[(pfn >> IOVA_RUN_SHIFT) & (depot->nr_hints - 1)];
}

/**
 * struct iova_rcache - the caches of a domain
 * @iovad: the domain
 * @cpus: cache of each CPU, iova_no_cache before its first allocation
 * @depot: made at the first use; iova_domain.lock
 * @caches: all caches of CPUs, and those that the reaper takes away
 * @nr_caches: length of @caches
 * @wanting: a CPU that frees and has no cache, plus one; 0 for none
 * @nr_cutting: callers that cut runs, so that no run is made meanwhile;
 *	iova_domain.lock
 * @hits: of caches that are gone
 * @reaper: see reaper.c
 * @cpuhp_dead: link for the CPU hotplug callback
 * @list: all domains with caches, for debugfs
 * @id: name of the domain in debugfs
 */
struct iova_rcache {
	struct iova_domain *iovad;
	struct iova_cpu * __percpu *cpus;
	struct iova_depot *depot;
	struct list_head caches;
	unsigned int nr_caches;
	unsigned int wanting;
	unsigned int nr_cutting;
	unsigned long hits;
	struct delayed_work reaper;
	struct hlist_node cpuhp_dead;
	struct list_head list;
	unsigned int id;
};

/**
 * struct iova_stats - one look at a domain
 * @counts: see &struct iova_counts
 * @hits: fast allocations that a cache served
 * @runs: runs by class
 * @cached: free ranges in runs, with CPUs and in magazines, by class
 * @all_cached: their sum; counts.ranges less this are live or reserved
 */
struct iova_stats {
	struct iova_counts counts;
	unsigned long hits;
	unsigned long runs[IOVA_CLASSES];
	unsigned long cached[IOVA_CLASSES];
	unsigned long all_cached;
};

/**
 * struct iova_span - where a range was when it was looked at
 * @first: its lowest pfn
 * @last: its highest pfn, inclusive
 * @cached: it is free in a run, or free ranges of one are
 */
struct iova_span {
	unsigned long first;
	unsigned long last;
	bool cached;
};

/**
 * struct iova_bad - a free that was refused
 * @pfn: its pfn
 * @size: its size, as far as known
 * @why: the reason, %NULL for none
 */
struct iova_bad {
	unsigned long pfn;
	unsigned long size;
	const char *why;
};

#define IOVA_BAD_MAX		4U

/**
 * struct iova_gone - what is left to do once iova_domain.lock is released
 * @iovas: ranges to be freed
 * @runs: runs to be freed
 * @bad: frees to be reported
 * @nr_bad: how many
 */
struct iova_gone {
	struct iova *iovas;
	struct list_head runs;
	struct iova_bad bad[IOVA_BAD_MAX];
	unsigned int nr_bad;
};

/* tree.c */
int iova_mem_init(void);
void iova_mem_exit(void);
struct iova *iova_mem_alloc(void);
void iova_mem_free(struct iova *iova);
struct iova_run *iova_run_mem_alloc(void);
void iova_run_mem_free(struct iova_run *run);
void iova_gone_init(struct iova_gone *gone);
void iova_gone_iova(struct iova_gone *gone, struct iova *iova);
void iova_gone_finish(struct iova_domain *iovad, struct iova_gone *gone);
void iova_refuse(struct iova_domain *iovad, struct iova_gone *gone,
		 unsigned long pfn, unsigned long size, const char *why);
int iova_tree_insert(struct iova_domain *iovad, struct iova *iova);
void iova_tree_erase(struct iova_domain *iovad, struct iova *iova,
		     struct iova_gone *gone);
bool iova_tree_take(struct iova_domain *iovad, unsigned long size,
		    unsigned long limit_pfn, bool size_aligned,
		    unsigned long least_pfn, struct iova *iova);
struct iova *iova_tree_alloc(struct iova_domain *iovad, unsigned long size,
			     unsigned long limit_pfn, bool size_aligned,
			     unsigned long least_pfn, struct iova *iova);
struct gap_node *iova_node_below(struct iova_domain *iovad, unsigned long pfn);

/* run.c */
bool iova_run_make(struct iova_domain *iovad, struct iova_run *run,
		   unsigned int class, unsigned long limit_pfn);
void iova_run_release(struct iova_domain *iovad, struct iova_run *run);
void iova_run_remove(struct iova_domain *iovad, struct iova_run *run,
		     struct iova_gone *gone);
unsigned int iova_run_cut(struct iova_domain *iovad, struct iova_run *run,
			  struct iova **spares, struct iova_gone *gone);
void iova_run_give(struct iova_domain *iovad, struct iova_run *run,
		   struct iova_cpu *cpu);
unsigned long iova_run_give_one(struct iova_domain *iovad, struct iova_run *run);
struct iova_run *iova_run_search(struct iova_domain *iovad, unsigned long pfn);
unsigned int iova_run_owner_word(const struct iova_run *run);
bool iova_run_next(const struct iova_run *run, unsigned long pfn,
		   unsigned long *first, unsigned long *last);
bool iova_run_ends(const struct iova_run *run,
		   unsigned long *first, unsigned long *last);
bool iova_run_room(const struct iova_run *run, unsigned long size,
		   unsigned long align_mask, unsigned long limit_pfn,
		   unsigned long *first);
const char *iova_run_put(struct iova_domain *iovad, struct iova_run *run,
			 unsigned long pfn, unsigned long size);

/* depot.c */
unsigned int iova_zone(const struct iova_domain *iovad, unsigned long last);
struct iova_depot *iova_depot_make(void);
void iova_depot_free(struct iova_depot *depot);
unsigned int iova_hints_wanted(const struct iova_depot *depot);
void iova_depot_list(struct iova_domain *iovad, struct iova_run *run);
void iova_depot_unlist(struct iova_domain *iovad, struct iova_run *run);
unsigned long iova_depot_alloc(struct iova_domain *iovad, unsigned int class,
			       unsigned long limit_pfn,
			       struct iova_cpu *cpu,
			       struct iova_run **new, struct iova_gone *gone,
			       bool last_try);

/* magazine.c */
bool iova_put(struct iova_domain *iovad, unsigned long pfn, unsigned long size,
	      struct iova_gone *gone);
bool iova_magazine_sort(struct iova_domain *iovad, struct iova_cpu *cpu,
			struct iova_gone *gone);
bool iova_magazine_pick(struct iova_domain *iovad, unsigned long pfn,
			struct iova_gone *gone);
unsigned long iova_magazines_sort(struct iova_domain *iovad);

/* search.c */
void iova_cutting(struct iova_domain *iovad, int by);
int iova_cut_runs(struct iova_domain *iovad, unsigned long first,
		  unsigned long last);
unsigned long iova_search(struct iova_domain *iovad, unsigned long size,
			  unsigned long limit_pfn, bool size_aligned,
			  struct iova *iova);

/* stats.c */
unsigned long iova_cpu_hits(const struct iova_cpu *cpu);
void iova_domain_stats(struct iova_domain *iovad, struct iova_stats *stats);
unsigned int iova_look(struct iova_domain *iovad, unsigned long pfn,
		       struct iova_span *spans);

/* reaper.c */
void iova_reaper_init(struct iova_rcache *rcache);
void iova_reaper_arm(struct iova_rcache *rcache);
void iova_cpu_retire(struct iova_rcache *rcache, struct iova_cpu *cpu);
void iova_caches_drain(struct iova_domain *iovad);

/* rcache.c */
extern struct iova_cpu iova_no_cache;
DECLARE_PER_CPU(struct iova_cpu *, iova_no_cpu);

void iova_rcache_destroy(struct iova_domain *iovad);

/* debugfs.c */
#ifdef CONFIG_DEBUG_FS
void iova_debugfs_init(void);
void iova_debugfs_exit(void);
void iova_debugfs_add(struct iova_rcache *rcache);
void iova_debugfs_del(struct iova_rcache *rcache);
#else
static inline void iova_debugfs_init(void) { }
static inline void iova_debugfs_exit(void) { }
static inline void iova_debugfs_add(struct iova_rcache *rcache) { }
static inline void iova_debugfs_del(struct iova_rcache *rcache) { }
#endif

/*
 * Something is free now, from @pfn on: requests that failed may succeed.  The
 * domain is locked.
 */
static inline void iova_note_free(struct iova_domain *iovad, unsigned long pfn)
{
	if (likely(pfn > iovad->failed_limit))
		return;
	iovad->failed_limit = 0;
	iovad->failed_size = ~0UL;
}

#endif /* _IOVA_INTERNAL_H */
