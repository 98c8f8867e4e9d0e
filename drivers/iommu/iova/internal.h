/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of this folder share.
 *
 *	domain.c	life of a domain, and the API that works on its tree
 *	debugfs.c	files in debugfs
 *	place.c		ranges whose place the caller chooses
 *	rcache.c	alloc_iova_fast(), free_iova_fast(): the per-CPU caches
 *	reaper.c	gives back what is cached and not needed
 *	stats.c		counters of a domain, and a walk over its ranges
 *	search.c	finds a place for a request when the tree has none
 *	magazine.c	freed ranges on their way back to the runs
 *	depot.c		runs that belong to no CPU
 *	run.c		a run: adjacent ranges of one size
 *	tree.c		memory, and ranges with a node of their own
 *
 * A file calls only those below it in this list, except that run.c calls
 * depot.c to list a run.
 *
 * Locks, outermost first:
 *
 *	iova_cache_mutex	domain.c: users of the slab caches; sleeps
 *	iova_domain.lock	the tree, the runs, the depot; raw, interrupts
 *				disabled, at most %IOVA_BATCH tree operations
 *
 * "Locked" below means that the caller holds iova_domain.lock.  Memory is
 * neither allocated nor freed under it.  The fast path takes no lock.
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

/* Length and alignment of the shortest runs, in granules. */
#define IOVA_RUN_SHIFT		9U
#define IOVA_RUN_PAGES		BIT(IOVA_RUN_SHIFT)

/* Tree operations in one hold of the lock; a cut erases and inserts the run. */
#define IOVA_BATCH		16U
#define IOVA_CUT		(IOVA_BATCH - 2)

/* Ranges that a CPU frees before they are sorted back. */
#define IOVA_MAGAZINE		64U

/* log2 of the size of the slots for @size granules, 1 to IOVA_CACHED_MAX. */
static __always_inline unsigned int iova_size_class(unsigned long size)
{
	return __fls(2 * size - 1);
}

static __always_inline bool iova_size_is_cached(unsigned long size)
{
	return size - 1 < IOVA_CACHED_MAX;
}

/**
 * struct iova_run - a stretch of adjacent ranges (slots) of one class
 * @nr_slots: number of its slots
 * @nr_free: free slots, without those that its CPU has to hand out
 * @relist_at: when @nr_free reaches this, the run belongs on another list
 * @class: class of the slots
 * @list_no: its list in the depot, or %IOVA_NO_LIST
 * @shift: log2 of its length in granules when it was made
 * @zone: iova_zone() of its highest pfn
 * @gap: its node in the gap tree of the domain
 * @list: link in a list of the depot, or in iova_gone.runs
 * @owner: the cache that has slots of it; %NULL for none
 * @next_word: the word of @free that a CPU gets next
 * @free: a bit for each slot, set when it counts in @nr_free
 *
 * The domain is locked for all of it.
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

/*
 * struct iova and struct iova_run are aligned to this.  The node is the first
 * member of a struct iova and one u64 inside a run, so its address tells which
 * of the two it belongs to.
 */
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
 * @nr: entries in the magazine; only its CPU changes it, interrupts disabled
 * @nr_sorted: of these, the first that are sorted back; locked
 * @oldest: the entry that is sorted back next when the magazine is full; locked
 * @given: slots that the CPU got, less those that were taken back; locked
 * @mask: for each class the slots to hand out.  The CPU takes one by
 *	compare-and-exchange; others take all by exchange, locked
 * @base: pfn of the slot of bit 0; changes only while the mask is 0, locked
 * @last: highest pfn of their run; as @base
 * @run: their run, whose owner this is; as @base
 * @seen: activity when the reaper last looked, see is_idle(); locked
 * @frees: entries that left the magazine; locked
 * @cpu: number of the CPU
 * @list: link in iova_rcache.caches
 * @next_idle: link in the reaper's list of caches to be freed
 * @freed: the magazine: iova_entry() of each freed range
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
	unsigned int oldest;
	struct list_head list;
	struct iova_cpu *next_idle;
	u64 freed[IOVA_MAGAZINE];
};

static_assert(sizeof(struct iova_cpu) <= 1024);

/*
 * An entry of a magazine is a pfn with the class in its four highest bits.
 * With granules of 16 bytes or more, no 64-bit address has a pfn that needs
 * them.
 */
#define IOVA_CLASS_SHIFT	60
#define IOVA_GRANULE_MIN	16UL

/* The highest pfn that fits an entry. */
#define IOVA_FAST_MAX	(BITS_PER_LONG == 64 ? ~0UL >> 4 : ~0UL)

static __always_inline u64 iova_entry(unsigned int class, unsigned long pfn)
{
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
 * The lists of a shelf, by how much of a run is free: less than an eighth, less
 * than a quarter, less than a half, less than all, all.
 */
#define IOVA_LISTS		5U
#define IOVA_LIST_ALL		4U
#define IOVA_NO_LIST		15U
#define IOVA_NO_RELIST		0xffffU

/* Zone 0 is below 4 GiB, for requests that are limited to it; 1 is the rest. */
#define IOVA_ZONES		2U

/**
 * struct iova_shelf - runs of one class in one zone that belong to no CPU
 * @runs: the lists; a run without free slots is on none
 * @nr_all: length of the last list
 * @least_all: minimum of @nr_all in the current window of the reaper
 */
struct iova_shelf {
	struct list_head runs[IOVA_LISTS];
	unsigned int nr_all;
	unsigned int least_all;
};

/**
 * struct iova_depot - all runs that belong to no CPU
 * @shelves: the runs
 * @free: sum of nr_free of all runs, also those of CPUs, by zone and class
 * @nr_runs: number of all runs, by class
 * @blocks: length of all runs, in %IOVA_RUN_PAGES
 * @nr_hints: length of @hints, a power of two
 * @hints: runs found last, see iova_hint()
 *
 * The domain is locked for all of it.
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
 * Where the run of @pfn was found last; %NULL for none.  Frees come in any
 * order, and a search of the tree mispredicts a branch at each level.
 */
static inline struct iova_run **iova_hint(struct iova_depot *depot,
					  unsigned long pfn)
{
	return &depot->hints[(pfn >> IOVA_RUN_SHIFT) & (depot->nr_hints - 1)];
}

extern struct iova_cpu iova_no_cache;

/**
 * struct iova_rcache - the caches of a domain
 * @iovad: the domain
 * @cpus: cache of each CPU, &iova_no_cache if it has none; changed locked
 * @depot: %NULL until a CPU needs it; changed locked
 * @caches: all caches, also those that the reaper is freeing; locked
 * @nr_caches: length of @caches; changed locked
 * @turn: changes when the first of @caches does; locked
 * @wanting: 1 + number of a CPU that frees and has no cache; 0 for none; locked
 * @nr_cutting: callers that cut runs; meanwhile no run is made; locked
 * @nr_reserving: callers of reserve_iova(); meanwhile nothing is appended to
 *	magazines; locked
 * @hits: hits of caches that CPUs no longer have; locked
 * @reaper: see reaper.c
 * @cpuhp_dead: link for the CPU hotplug callback
 * @list: link in the list of domains in debugfs.c
 * @id: number of the domain in debugfs
 */
struct iova_rcache {
	struct iova_domain *iovad;
	struct iova_cpu * __percpu *cpus;
	struct iova_depot *depot;
	struct list_head caches;
	unsigned int nr_caches;
	unsigned int turn;
	unsigned int wanting;
	unsigned int nr_cutting;
	unsigned int nr_reserving;
	unsigned long hits;
	struct delayed_work reaper;
	struct hlist_node cpuhp_dead;
	struct list_head list;
	unsigned int id;
};

/* The cache of a CPU, or NULL; if the domain is locked, it remains that. */
static inline struct iova_cpu *iova_cache_of(struct iova_rcache *rcache,
					     unsigned int cpu)
{
	struct iova_cpu *cache = READ_ONCE(*per_cpu_ptr(rcache->cpus, cpu));

	return cache == &iova_no_cache ? NULL : cache;
}

/**
 * struct iova_stats - counters of a domain
 * @counts: see &struct iova_counts
 * @hits: allocations that a CPU served from its cache
 * @runs: number of runs, by class
 * @cached: free ranges in runs, with CPUs and in magazines, by class
 * @all_cached: their sum; the rest of counts.ranges is live or reserved
 */
struct iova_stats {
	struct iova_counts counts;
	unsigned long hits;
	unsigned long runs[IOVA_CLASSES];
	unsigned long cached[IOVA_CLASSES];
	unsigned long all_cached;
};

/**
 * struct iova_span - a range, or adjacent free ranges of one run
 * @first: lowest pfn
 * @last: highest pfn, inclusive
 * @cached: it is free
 */
struct iova_span {
	unsigned long first;
	unsigned long last;
	bool cached;
};

/**
 * struct iova_bad - a refused free
 * @pfn: the pfn
 * @size: the size in granules; 0 if the caller named none
 * @why: the reason
 */
struct iova_bad {
	unsigned long pfn;
	unsigned long size;
	const char *why;
};

#define IOVA_BAD_MAX		4U

/**
 * struct iova_gone - work for iova_gone_finish(), once the lock is released
 * @iovas: ranges to be freed
 * @runs: runs to be freed
 * @bad: refused frees to be reported
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
void iova_gone_finish(struct iova_domain *iovad, struct iova_gone *gone);
void iova_refuse(struct iova_domain *iovad, struct iova_gone *gone,
		 unsigned long pfn, unsigned long size, const char *why);
int iova_tree_insert(struct iova_domain *iovad, struct iova *iova);
void iova_tree_erase(struct iova_domain *iovad, struct iova *iova,
		     struct iova_gone *gone);
bool iova_tree_take(struct iova_domain *iovad, unsigned long size,
		    unsigned long limit_pfn, bool size_aligned,
		    unsigned long least_pfn, struct iova *iova);
bool iova_tree_alloc(struct iova_domain *iovad, unsigned long size,
		     unsigned long limit_pfn, bool size_aligned,
		     unsigned long least_pfn, struct iova *iova);

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
void iova_put(struct iova_domain *iovad, unsigned long pfn, unsigned long size,
	      struct iova_gone *gone);
bool iova_magazine_sort(struct iova_domain *iovad, struct iova_cpu *cpu,
			struct iova_gone *gone);
unsigned int iova_magazine_make_room(struct iova_domain *iovad,
				     struct iova_cpu *cpu,
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
struct iova_cpu *iova_cpu_unpublish(struct iova_rcache *rcache,
				    unsigned int cpu, bool if_idle);
void iova_cpu_retire(struct iova_rcache *rcache, struct iova_cpu *cache);

/* rcache.c */
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

/* Locked: something at or above @pfn is free now: forget a failed request. */
static inline void iova_note_free(struct iova_domain *iovad, unsigned long pfn)
{
	if (likely(pfn > iovad->failed_limit))
		return;
	iovad->failed_limit = 0;
	iovad->failed_size = ~0UL;
}

#endif /* _IOVA_INTERNAL_H */
