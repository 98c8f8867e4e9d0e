/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map of this folder: what its files share.
 *
 *	domain.c	life of a domain, and the API that works on its tree
 *	debugfs.c	counters for people
 *	place.c		ranges whose place the caller has a say in
 *	rcache.c	alloc_iova_fast(), free_iova_fast(): per-CPU magazines
 *	supply.c	has memory ready for the fast path's operations
 *	reaper.c	returns cached ranges that are not needed
 *	stats.c		what caches hold, what a domain has done
 *	depot.c		full and empty magazines behind the per-CPU ones
 *	tree.c		the ranges of a domain
 *
 * Calls go from a file to those below it in this list.
 *
 * Locks, outermost first; no two of the same kind are held together:
 *
 *	iova_cache_mutex	domain.c, users of the slab cache; sleeps
 *	iova_domain.lock	the tree, interrupts disabled; at most
 *				%IOVA_BATCH tree operations at a time
 *	struct iova_cpu_cache	bit lock, interrupts disabled; its CPU's fast
 *				path only tries it
 *	struct iova_depot	raw, interrupts disabled; a few instructions, or
 *				the copy of a magazine
 *	pieces_lock		depot.c, raw, likewise
 *
 * Memory is not allocated or freed under any but the first.  With
 * the tree locked, the caches are taken only to bring ranges from them to the
 * tree; see depot.c, 6.
 */
#ifndef _IOVA_INTERNAL_H
#define _IOVA_INTERNAL_H

#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/iova.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/percpu.h>
#include <linux/sizes.h>
#include <linux/timex.h>
#include <linux/workqueue.h>

/*
 * Size classes: the powers of two up to 32 granules, then four steps an octave
 * (5/4, 6/4, 7/4 and 8/4 of the one below), so that rounding wastes less than
 * a quarter, up to 4 MiB or 32 pages, whichever is more.  A class is as
 * aligned as any size it takes, so rounding up changes no alignment.
 */
#define IOVA_SMALL_MAX		32UL
#define IOVA_SMALL_CLASSES	6
#define IOVA_STEP_BITS		2
#define IOVA_CACHED_MAX		max(IOVA_SMALL_MAX, SZ_4M / PAGE_SIZE)
#define IOVA_CLASSES		26

/*
 * Ranges in no tree that a domain has ready: 2 KiB at least, once it is in use,
 * and at most 256 KiB or an eighth of its ranges (supply.c).  With so few left
 * a cheap free adds some itself.
 */
#define IOVA_SPARES_MIN		32U
#define IOVA_SPARES_MAX		4096U
#define IOVA_SPARES_LOW		8U
/* What leaves the tree of a domain is kept up to here while nobody reaps. */
#define IOVA_SPARES_UNREAPED	64U

/* The bits of iova_domain.detours behind those of the classes. */
#define IOVA_SUPPLY_WANTED	IOVA_CLASSES
#define IOVA_UNALIGNED		(IOVA_CLASSES + 1)

/* Between two looks of the reaper, in jiffies; and what is soon, seen from there. */
#define IOVA_REAPER_INTERVAL	msecs_to_jiffies(100)
#define IOVA_SOON		(2 * IOVA_REAPER_INTERVAL)

/* What one hold of the tree's lock may do, in tree operations. */
#define IOVA_BATCH		16U

/**
 * iova_size_class - the class that serves a size
 * @size: size of a range in granules, 1 to %IOVA_CACHED_MAX
 */
static __always_inline unsigned int iova_size_class(unsigned long size)
{
	unsigned long x = size - 1;
	unsigned int order = fls_long(x);

	if (x < IOVA_SMALL_MAX)
		return order;
	return IOVA_SMALL_CLASSES +
	       ((order - IOVA_SMALL_CLASSES) << IOVA_STEP_BITS) +
	       ((x >> (order - 1 - IOVA_STEP_BITS)) & (BIT(IOVA_STEP_BITS) - 1));
}

/**
 * iova_class_size - the size of every range of a class, in granules
 * @class: a class
 */
static __always_inline unsigned long iova_class_size(unsigned int class)
{
	unsigned int step;

	if (class < IOVA_SMALL_CLASSES)
		return 1UL << class;
	step = class - IOVA_SMALL_CLASSES;
	return ((step & 3) + 5) << ((step >> IOVA_STEP_BITS) + 3);
}

static inline bool iova_size_is_cached(unsigned long size)
{
	return size - 1 < IOVA_CACHED_MAX;
}

/* What the fast path allocates for @size. */
static inline unsigned long iova_round_size(unsigned long size)
{
	return iova_size_is_cached(size) ?
	       iova_class_size(iova_size_class(size)) : size;
}

/**
 * struct iova_magazine - a stack of free ranges of one class
 * @next: the magazine below on its list
 * @count: ranges in it
 * @capacity: ranges it can hold
 * @pfns: lowest pfn of each
 */
struct iova_magazine {
	struct iova_magazine *next;
	unsigned int count;
	unsigned int capacity;
	unsigned long pfns[] __counted_by(capacity);
};

/**
 * struct iova_cpu_cache - the magazines of a CPU
 * @lock: bit 0 is a lock; its CPU holds it with interrupts disabled
 * @hits: allocations served
 * @loaded: for each class the magazine in use; its next is a second one, which
 *	has no next
 *
 * 8 * (2 + 26) = 224 bytes: with the padding to a cache line this keeps an
 * idle domain at 256 bytes per possible CPU.
 */
struct iova_cpu_cache {
	unsigned long lock;
	unsigned long hits;
	struct iova_magazine *loaded[IOVA_CLASSES];
};

static_assert(sizeof(struct iova_cpu_cache) <= 256);

/**
 * struct iova_depot - magazines of one class that are with no CPU
 * @lock: protects all of it
 * @capacity: capacity of new magazines
 * @contended: times @lock was found held since @capacity was last raised
 * @nr_empty: length of @empty
 * @goal: how many of @empty are to be ready, see supply.c
 * @lacking: ranges that found no magazine among them since the last supply
 * @least_empty: shortest @empty was, in the window that runs
 * @cached: ranges in all of @full
 * @full: magazines with something in them
 * @empty: magazines with nothing in them
 * @look: that of @full which iova_depot_look() copies next
 * @peak: most ranges of the class in flight, in the window that runs
 * @old_peak: the same of the window before
 */
struct iova_depot {
	raw_spinlock_t lock;
	unsigned int capacity;
	unsigned int contended;
	unsigned int nr_empty;
	unsigned int goal;
	unsigned int lacking;
	unsigned int least_empty;
	unsigned long cached;
	struct iova_magazine *full;
	struct iova_magazine *empty;
	struct iova_magazine *look;
	unsigned long peak;
	unsigned long old_peak;
};

/**
 * struct iova_rcache - the caches of a domain
 * @iovad: the domain
 * @cpus: magazines of each CPU
 * @reaper: see reaper.c
 * @reaper_ticks: runs of @reaper
 * @reaper_quiet: how many of the last runs saw nothing happen
 * @reaper_seen: what the last run counted, to tell whether something happened
 * @supply: see supply.c
 * @supplied: when @supply last ran, in jiffies
 * @spares_goal: how many spare ranges are to be ready; iova_domain.lock
 * @list: all domains with caches, for debugfs
 * @id: name of the domain in debugfs
 * @depots: of each class, made at its first use, gone with the domain
 * @nodes: ranges in the tree that are as long as the class; iova_domain.lock
 */
struct iova_rcache {
	struct iova_domain *iovad;
	struct iova_cpu_cache __percpu *cpus;
	struct delayed_work reaper;
	unsigned int reaper_ticks;
	unsigned int reaper_quiet;
	unsigned long reaper_seen;
	struct work_struct supply;
	unsigned long supplied;
	unsigned int spares_goal;
	unsigned int id;
	struct list_head list;
	struct iova_depot *depots[IOVA_CLASSES];
	unsigned int nodes[IOVA_CLASSES];
};

static_assert(sizeof(struct iova_rcache) <= 768);

/**
 * struct iova_stats - one look at a domain
 * @counts: see &struct iova_counts
 * @hits: fast allocations that a cache served
 * @cached: ranges in caches, by class
 * @all_cached: their sum; counts.ranges less this are live or reserved
 */
struct iova_stats {
	struct iova_counts counts;
	unsigned long hits;
	unsigned long cached[IOVA_CLASSES];
	unsigned long all_cached;
};

/**
 * struct iova_span - where a range of the tree was when it was looked at
 * @first: its lowest pfn
 * @last: its highest pfn, inclusive
 */
struct iova_span {
	unsigned long first;
	unsigned long last;
};

/**
 * struct iova_tree_hold - one hold of the lock of a tree
 * @flags: interrupt state to restore
 * @since: when it was taken, in get_cycles()
 */
struct iova_tree_hold {
	unsigned long flags;
	cycles_t since;
};

/* tree.c */
int iova_mem_init(void);
void iova_mem_exit(void);
struct iova *iova_mem_alloc(gfp_t gfp);
void iova_mem_free(struct iova *iova);
void iova_tree_lock(struct iova_domain *iovad, struct iova_tree_hold *hold);
void iova_tree_unlock(struct iova_domain *iovad, struct iova_tree_hold *hold);
void iova_tree_account(struct iova_domain *iovad, struct iova *iova, int by);
void iova_spares_free(struct iova_domain *iovad);
struct iova *iova_spare_get(struct iova_domain *iovad);
void iova_spare_keep(struct iova_domain *iovad, struct iova *iova);
unsigned int iova_spares_add(struct iova_domain *iovad, unsigned int nr,
			     gfp_t gfp);
void iova_spares_fill(struct iova_domain *iovad, bool again);
void iova_spares_trim(struct iova_domain *iovad);
int iova_tree_insert(struct iova_domain *iovad, struct iova *iova);
struct iova *iova_tree_erase(struct iova_domain *iovad, struct iova *iova);
struct iova *iova_tree_find(struct iova_domain *iovad, unsigned long pfn);
unsigned int iova_tree_look(struct iova_domain *iovad, unsigned long pfn,
			    struct iova_span *spans);
struct iova *iova_tree_alloc(struct iova_domain *iovad, unsigned long size,
			     unsigned long limit_pfn, bool size_aligned);
bool iova_tree_free(struct iova_domain *iovad, unsigned long pfn,
		    unsigned long size);
void iova_tree_return(struct iova_domain *iovad, struct iova_tree_hold *hold,
		      unsigned int class, const unsigned long *pfns,
		      unsigned int nr);
unsigned long iova_tree_returned(struct iova_domain *iovad);

/* depot.c */
struct iova_depot *iova_depot_make(struct iova_rcache *rcache,
				   unsigned int class);
struct iova_magazine *iova_depot_get_full(struct iova_rcache *rcache,
					  unsigned int class);
struct iova_magazine *iova_depot_get_empty(struct iova_rcache *rcache,
					   unsigned int class, bool first);
void iova_depot_put(struct iova_rcache *rcache, unsigned int class,
		    struct iova_magazine *mag);
unsigned long iova_depot_put_cpu(struct iova_rcache *rcache, unsigned int class,
				 unsigned int cpu);
unsigned long iova_depot_return(struct iova_rcache *rcache, unsigned int class,
				unsigned long most);
unsigned long iova_depot_drain(struct iova_rcache *rcache, unsigned int class);
unsigned long iova_depot_look(struct iova_depot *depot, bool restart,
			      unsigned long *pfns, unsigned long room);
void iova_depots_destroy(struct iova_rcache *rcache);
void iova_depot_fill(struct iova_rcache *rcache, unsigned int class,
		     bool again);
void iova_depot_trim(struct iova_depot *depot);
void iova_pieces_fill(void);
void iova_pieces_free(void);

/* stats.c */
bool iova_cpu_count(struct iova_cpu_cache *cache, unsigned long *cached,
		    unsigned long *hits);
void iova_domain_stats(struct iova_domain *iovad, struct iova_stats *stats);
unsigned long iova_cached_pfns(struct iova_domain *iovad, unsigned long *pfns,
			       unsigned long room);

/* reaper.c */
void iova_reaper_init(struct iova_rcache *rcache);
void iova_reaper_arm(struct iova_rcache *rcache);

/* supply.c */
void iova_supply_init(struct iova_rcache *rcache);
bool iova_supply_ask(struct iova_rcache *rcache);

/* rcache.c */
extern struct iova_cpu_cache __percpu iova_no_cache;

unsigned long iova_cpu_drain(struct iova_rcache *rcache, unsigned int cpu);
void iova_caches_drain(struct iova_domain *iovad);
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
 * Note what is special about a range that came from the tree as it is: it may
 * come back by free_iova_fast() all the same. See rcache.c, 4.
 */
static inline void iova_note_odd(struct iova_domain *iovad, unsigned long pfn,
				 unsigned long size)
{
	if (!iova_size_is_cached(size))
		return;
	if (iova_round_size(size) != size)
		set_bit(iova_size_class(size), &iovad->detours);
	if (pfn & gap_align_mask(size))
		set_bit(IOVA_UNALIGNED, &iovad->detours);
}

/*
 * The lock of a CPU's magazines.  Its own CPU holds it with interrupts
 * disabled, so whoever waits is on another CPU and waits for a few dozen
 * instructions.
 */
static __always_inline bool iova_cache_trylock(struct iova_cpu_cache *cache)
{
	return !test_and_set_bit_lock(0, &cache->lock);
}

static inline void iova_cache_lock(struct iova_cpu_cache *cache)
{
	while (!iova_cache_trylock(cache))
		cpu_relax();
}

static __always_inline void iova_cache_unlock(struct iova_cpu_cache *cache)
{
	/*
	 * The word is the lock alone: a try meanwhile sets a bit that is set.
	 * It could undo this store where atomics are emulated under a lock.
	 */
	smp_store_release(&cache->lock, 0UL);
}

/* Let the next free that is cheap otherwise ask for supply. */
static inline void iova_supply_want(struct iova_domain *iovad)
{
	if (!test_bit(IOVA_SUPPLY_WANTED, &iovad->detours))
		set_bit(IOVA_SUPPLY_WANTED, &iovad->detours);
}

/*
 * The last spare range is gone: no free came in time to ask for more.  To wake
 * the supply is too dear after a search of the tree, a timer has to do.
 */
static inline void iova_spares_want(struct iova_domain *iovad)
{
	if (unlikely(!READ_ONCE(iovad->spares)) && iovad->rcache)
		iova_reaper_arm(iovad->rcache);
}

/*
 * How an operation allocates what it cannot do without, and how supply is
 * allocated: at leisure, and not at any price.
 */
#define IOVA_NEED_GFP		(GFP_ATOMIC | __GFP_NOWARN)
#define IOVA_SUPPLY_GFP		(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

#endif /* _IOVA_INTERNAL_H */
