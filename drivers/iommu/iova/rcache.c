// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fast allocation and free: per-CPU magazines.
 *
 * Theory of operation
 * ===================
 *
 * 1. Concepts.  Ranges freed by size class are kept, still in the tree, on
 *    stacks called magazines.  For each class a CPU has at most two, the
 *    loaded one and the one below it, so that a short run of frees followed by
 *    one of allocations stays on the CPU.  Behind them stands the depot
 *    (depot.c), behind that the tree (tree.c).
 *
 * 2. The fast path disables interrupts, takes its own CPU's lock and moves a
 *    pfn between the magazine and its caller.  Only a drain (reaper, CPU
 *    offline, a failing request) takes the lock of another CPU.  If the lock is
 *    taken, the fast path does not wait but leaves for the slow path, as it
 *    does without a loaded magazine that has what it needs.
 *
 * 3. iova_domain.fast is what the fast path looks at.  It is the domain's
 *    caches or, before these are initialised, iova_no_cache, which has no
 *    magazine of any class.  So that state adds no test to the fast path.
 *
 * 4. Rounding.  A request is rounded up to its class.  When no hole takes the
 *    class but one takes the request, the request gets it: the class is then
 *    marked in iova_domain.detours, and frees of an odd size in that class go
 *    to the tree, which knows how long each range is.  alloc_iova() of an odd
 *    size marks its class as well, and alloc_iova() without alignment has the
 *    alignment of frees looked at, so mixing both APIs stays safe.
 *
 * 5. A failing request that may flush takes back what caches hold one step at
 *    a time (its own CPU, then each depot, then one other CPU after another)
 *    and tries again after each.  When it has seen every cache empty, it tries
 *    once more if other CPUs gave ranges back since its last try.  A magazine
 *    that moves from a CPU to the depot meanwhile can escape it.  Failures
 *    leave no state.
 *
 * 6. A free takes a magazine when one is ready, and needs none to succeed: it
 *    allocates nothing.  What is ready, and how more gets ready, is told in
 *    supply.c; a free that did no more than put a range into a magazine asks
 *    for it, on behalf of all that have more to do.
 *
 * 7. Ranges below iova_domain.cached_from are not cached.  That is where the
 *    domain begins, which each free has to be compared with anyway, until
 *    iova_cache_from() raises it.
 */

#include <linux/cpu.h>
#include <linux/export.h>
#include <linux/iova.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

DEFINE_PER_CPU(struct iova_cpu_cache, iova_no_cache);

/**
 * iova_rcache_range - largest size the caches serve
 *
 * Return: that size in bytes.
 */
unsigned long iova_rcache_range(void)
{
	return PAGE_SIZE * IOVA_CACHED_MAX;
}
EXPORT_SYMBOL_GPL(iova_rcache_range);

/* The highest range wins in the tree; in a magazine it is the newest that fits. */
static unsigned long magazine_pop(struct iova_magazine *mag, unsigned long span,
				  unsigned long limit_pfn)
{
	unsigned int i = mag->count;

	while (i--) {
		unsigned long pfn = mag->pfns[i];

		if (pfn + span <= limit_pfn) {
			mag->pfns[i] = mag->pfns[--mag->count];
			return pfn;
		}
	}
	return 0;
}

static void magazine_push(struct iova_magazine *mag, unsigned long pfn)
{
	mag->pfns[mag->count++] = pfn;
}

static bool magazine_has_room(const struct iova_magazine *mag)
{
	return mag && mag->count < mag->capacity;
}

/* Let the magazine below change places with the loaded one. */
static struct iova_magazine *swap_loaded(struct iova_cpu_cache *cache,
					 unsigned int class)
{
	struct iova_magazine *loaded = cache->loaded[class];
	struct iova_magazine *below = loaded->next;

	loaded->next = NULL;
	below->next = loaded;
	WRITE_ONCE(cache->loaded[class], below);
	return below;
}

/*
 * The loaded magazine has nothing that fits, or there is none.  Of a cached
 * range only what the caller asked for, @span + 1 pages, must be below the
 * limit.
 */
static unsigned long cpu_alloc(struct iova_rcache *rcache, unsigned int class,
			       unsigned long span, unsigned long limit_pfn)
{
	struct iova_cpu_cache *cache = this_cpu_ptr(rcache->cpus);
	struct iova_magazine *mag, *full;
	unsigned long pfn = 0;

	iova_cache_lock(cache);
	mag = cache->loaded[class];
	if (mag && !mag->count && mag->next)
		mag = swap_loaded(cache, class);
	if (!mag || !mag->count) {
		full = iova_depot_get_full(rcache, class);
		if (full) {
			if (mag && mag->next) {
				iova_depot_put(rcache, class, mag->next);
				mag->next = NULL;
			}
			full->next = mag;
			WRITE_ONCE(cache->loaded[class], full);
			mag = full;
		}
	}
	if (mag)
		pfn = magazine_pop(mag, span, limit_pfn);
	if (!pfn && mag && mag->next)
		pfn = magazine_pop(mag->next, span, limit_pfn);
	if (pfn)
		cache->hits++;
	iova_cache_unlock(cache);
	return pfn;
}

static unsigned long cached_alloc(struct iova_domain *iovad, unsigned long size,
				  unsigned long limit_pfn)
{
	unsigned long flags, pfn;

	if (!iovad->rcache)
		return 0;
	local_irq_save(flags);
	pfn = cpu_alloc(iovad->rcache, iova_size_class(size), size - 1,
			limit_pfn);
	local_irq_restore(flags);
	return pfn;
}

static struct iova *tree_alloc_rounded(struct iova_domain *iovad,
				       unsigned long size,
				       unsigned long limit_pfn)
{
	unsigned long rounded = iova_round_size(size);
	struct iova *iova = iova_tree_alloc(iovad, rounded, limit_pfn, true);

	if (iova || rounded == size)
		return iova;
	iova = iova_tree_alloc(iovad, size, limit_pfn, true);
	if (iova)
		set_bit(iova_size_class(size), &iovad->detours);
	return iova;
}

/* The same, noting before what the tree has got back from caches by now. */
static struct iova *tree_try(struct iova_domain *iovad, unsigned long size,
			     unsigned long limit_pfn, unsigned long *returned)
{
	*returned = READ_ONCE(iovad->counts.returned);
	return tree_alloc_rounded(iovad, size, limit_pfn);
}

static struct iova *drain_depots_and_try(struct iova_domain *iovad,
					 unsigned long size,
					 unsigned long limit_pfn,
					 unsigned long *returned)
{
	struct iova *iova = NULL;
	unsigned int class;

	for (class = 0; !iova && class < IOVA_CLASSES; class++)
		if (iova_depot_drain(iovad->rcache, class))
			iova = tree_try(iovad, size, limit_pfn, returned);
	return iova;
}

/*
 * Give back what caches hold, a step at a time, until the request fits.
 * @returned: what tree_try() noted the last time.
 */
static struct iova *reclaim_and_alloc(struct iova_domain *iovad,
				      unsigned long size,
				      unsigned long limit_pfn,
				      unsigned long returned)
{
	struct iova_rcache *rcache = iovad->rcache;
	unsigned int self = raw_smp_processor_id(), cpu;
	struct iova *iova = NULL;

	if (iova_cpu_drain(rcache, self))
		iova = tree_try(iovad, size, limit_pfn, &returned);
	if (!iova)
		iova = drain_depots_and_try(iovad, size, limit_pfn, &returned);
	for_each_possible_cpu(cpu) {
		if (iova)
			return iova;
		if (cpu != self && iova_cpu_drain(rcache, cpu))
			iova = tree_try(iovad, size, limit_pfn, &returned);
	}
	/* What a CPU gave the depot before its turn came. */
	if (!iova)
		iova = drain_depots_and_try(iovad, size, limit_pfn, &returned);
	/* What others, the reaper or another request, gave the tree. */
	if (!iova && iova_tree_returned(iovad) != returned)
		iova = tree_alloc_rounded(iovad, size, limit_pfn);
	return iova;
}

static noinline unsigned long alloc_slow(struct iova_domain *iovad,
					 unsigned long size,
					 unsigned long limit_pfn,
					 bool flush_rcache)
{
	unsigned long pfn = 0, returned;
	struct iova *iova;

	if (WARN_ONCE(!size, "iova: allocation of no pages\n"))
		return 0;
	if (iova_size_is_cached(size))
		pfn = cached_alloc(iovad, size, limit_pfn);
	if (!pfn) {
		iova = tree_try(iovad, size, limit_pfn, &returned);
		if (!iova && flush_rcache && iovad->rcache)
			iova = reclaim_and_alloc(iovad, size, limit_pfn,
						 returned);
		iova_spares_want(iovad);
		if (iova)
			pfn = iova->pfn_lo;
		if (iova && !pfn)
			__free_iova(iovad, iova);	/* 0 says failure */
	}
	if (pfn)
		trace_iova_alloc(iovad, pfn, size);
	else
		trace_iova_alloc_failed(iovad, limit_pfn, size);
	return pfn;
}

/* The loaded magazine is full, or there is none. */
static bool cpu_free(struct iova_rcache *rcache, unsigned int class,
		     unsigned long pfn)
{
	struct iova_cpu_cache *cache = this_cpu_ptr(rcache->cpus);
	struct iova_magazine *mag, *empty;

	iova_cache_lock(cache);
	mag = cache->loaded[class];
	if (mag && !magazine_has_room(mag) && magazine_has_room(mag->next))
		mag = swap_loaded(cache, class);
	if (!magazine_has_room(mag)) {
		empty = iova_depot_get_empty(rcache, class, !mag);
		if (!empty) {
			iova_cache_unlock(cache);
			return false;
		}
		if (mag && mag->next) {
			iova_depot_put(rcache, class, mag->next);
			mag->next = NULL;
		}
		empty->next = mag;
		WRITE_ONCE(cache->loaded[class], empty);
		mag = empty;
	}
	magazine_push(mag, pfn);
	iova_cache_unlock(cache);
	return true;
}

/* Something runs low; the free at hand was cheap. */
static void ask_for_supply(struct iova_domain *iovad)
{
	clear_bit(IOVA_SUPPLY_WANTED, &iovad->detours);
	if (iova_supply_ask(iovad->rcache))
		return;
	/* It was asked for before, and is late: help out with a few. */
	if (READ_ONCE(iovad->nr_spares) < IOVA_SPARES_LOW)
		iova_spares_add(iovad, IOVA_SPARES_LOW / 2, IOVA_NEED_GFP);
}

static bool cached_free(struct iova_domain *iovad, unsigned int class,
			unsigned long pfn)
{
	unsigned long flags;
	bool done;

	local_irq_save(flags);
	done = cpu_free(iovad->rcache, class, pfn);
	local_irq_restore(flags);
	if (done && test_bit(IOVA_SUPPLY_WANTED, &iovad->detours))
		ask_for_supply(iovad);
	/* Should no cheap free come along, the reaper asks. */
	if (!done)
		iova_reaper_arm(iovad->rcache);
	return done;
}

static noinline void free_slow(struct iova_domain *iovad, unsigned long pfn,
			       unsigned long size)
{
	unsigned int class;

	if (!iovad->rcache || !iova_size_is_cached(size) ||
	    pfn < READ_ONCE(iovad->cached_from)) {
		iova_tree_free(iovad, pfn, size);
		return;
	}
	class = iova_size_class(size);
	if ((size != iova_class_size(class) &&
	     test_bit(class, &iovad->detours)) ||
	    (pfn & gap_align_mask(size) &&
	     test_bit(IOVA_UNALIGNED, &iovad->detours))) {
		iova_tree_free(iovad, pfn, size);
		return;
	}
	if (!cached_free(iovad, class, pfn))
		iova_tree_free(iovad, pfn, size);
}

static __always_inline unsigned long fast_alloc(struct iova_domain *iovad,
						unsigned int class,
						unsigned long span,
						unsigned long limit_pfn)
{
	unsigned long flags, pfn = 0, top;
	struct iova_cpu_cache *cache;
	struct iova_magazine *mag;

	local_irq_save(flags);
	cache = this_cpu_ptr(READ_ONCE(iovad->fast));
	if (likely(iova_cache_trylock(cache))) {
		mag = cache->loaded[class];
		if (likely(mag) && likely(mag->count)) {
			top = mag->pfns[mag->count - 1];
			if (likely(top + span <= limit_pfn)) {
				mag->count--;
				cache->hits++;
				pfn = top;
			}
		}
		iova_cache_unlock(cache);
	}
	local_irq_restore(flags);
	return pfn;
}

/**
 * alloc_iova_fast - allocate a range through the caches
 * @iovad: the domain
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @flush_rcache: give back what caches hold before failing
 *
 * The range is aligned to roundup_pow_of_two(@size) and may be longer than
 * asked for; free it with free_iova_fast() and the same @size, or with
 * free_iova().
 *
 * Context: any.
 * Return: its lowest pfn; 0 when nothing fits or without memory.
 */
unsigned long alloc_iova_fast(struct iova_domain *iovad, unsigned long size,
			      unsigned long limit_pfn, bool flush_rcache)
{
	unsigned long pfn;

	if (likely(iova_size_is_cached(size))) {
		pfn = fast_alloc(iovad, iova_size_class(size), size - 1,
				 limit_pfn);
		if (likely(pfn)) {
			trace_iova_alloc(iovad, pfn, size);
			return pfn;
		}
	}
	return alloc_slow(iovad, size, limit_pfn, flush_rcache);
}
EXPORT_SYMBOL_GPL(alloc_iova_fast);

static __always_inline bool fast_free(struct iova_domain *iovad,
				      unsigned int class, unsigned long pfn)
{
	struct iova_cpu_cache *cache;
	struct iova_magazine *mag;
	unsigned long flags;
	bool done = false;

	local_irq_save(flags);
	cache = this_cpu_ptr(READ_ONCE(iovad->fast));
	if (likely(iova_cache_trylock(cache))) {
		mag = cache->loaded[class];
		if (likely(mag) && likely(mag->count < mag->capacity)) {
			magazine_push(mag, pfn);
			done = true;
		}
		iova_cache_unlock(cache);
	}
	local_irq_restore(flags);
	return done;
}

/**
 * free_iova_fast - free a range to the caches
 * @iovad: the domain
 * @pfn: its lowest pfn
 * @size: the size it was allocated with, in granules; not 0
 *
 * A range that is not allocated, or not with that size, is refused with a
 * warning: at once when it goes to the tree.  Else it goes to a cache, is
 * refused when that is drained, and can be handed out before.
 *
 * Context: any.  Needs no memory.
 */
void free_iova_fast(struct iova_domain *iovad, unsigned long pfn,
		    unsigned long size)
{
	trace_iova_free(iovad, pfn, size);
	if (likely(iova_size_is_cached(size)) && likely(!READ_ONCE(iovad->detours)) &&
	    likely(pfn >= READ_ONCE(iovad->cached_from))) {
		if (likely(fast_free(iovad, iova_size_class(size), pfn)))
			return;
	}
	free_slow(iovad, pfn, size);
}
EXPORT_SYMBOL_GPL(free_iova_fast);

/**
 * iova_cpu_drain - give all that a CPU has cached back to the tree
 * @rcache: caches of a domain
 * @cpu: the CPU, possibly offline
 *
 * Context: any; no lock of the allocator held.
 * Return: the number of ranges.
 */
unsigned long iova_cpu_drain(struct iova_rcache *rcache, unsigned int cpu)
{
	unsigned long ranges = 0, nr;
	unsigned int class;

	for (class = 0; class < IOVA_CLASSES; class++) {
		nr = iova_depot_put_cpu(rcache, class, cpu);
		if (nr)
			ranges += iova_depot_return(rcache, class, nr);
	}
	return ranges;
}

/**
 * iova_caches_drain - give all that caches hold back to the tree
 * @iovad: the domain
 *
 * Context: any; no lock of the allocator held.
 */
void iova_caches_drain(struct iova_domain *iovad)
{
	struct iova_rcache *rcache = iovad->rcache;
	unsigned int cpu, class;

	if (!rcache)
		return;
	for_each_possible_cpu(cpu)
		iova_cpu_drain(rcache, cpu);
	for (class = 0; class < IOVA_CLASSES; class++)
		iova_depot_drain(rcache, class);
}

/**
 * iova_domain_init_rcaches - set up the caches of a domain
 * @iovad: a domain that init_iova_domain() has initialised
 *
 * Context: process; may sleep.
 * Return: 0; -ENOMEM, -EINVAL when init_iova_domain() refused its arguments,
 * -EBUSY when the caches exist.  After an error the domain is as it was and
 * the call may be repeated.
 */
int iova_domain_init_rcaches(struct iova_domain *iovad)
{
	struct iova_rcache *rcache;
	int ret;

	if (iovad->tree.start != iovad->start_pfn)
		return -EINVAL;
	if (WARN_ON(iovad->rcache))
		return -EBUSY;

	rcache = kzalloc(sizeof(*rcache), GFP_KERNEL);
	if (!rcache)
		return -ENOMEM;
	rcache->iovad = iovad;
	rcache->spares_goal = IOVA_SPARES_MIN;
	iova_reaper_init(rcache);
	iova_supply_init(rcache);
	rcache->cpus = __alloc_percpu(sizeof(*rcache->cpus), cache_line_size());
	if (!rcache->cpus) {
		ret = -ENOMEM;
		goto free_rcache;
	}
	/* The callback may come as soon as the instance is known. */
	iovad->rcache = rcache;
	ret = cpuhp_state_add_instance_nocalls(CPUHP_IOMMU_IOVA_DEAD,
					       &iovad->cpuhp_dead);
	if (ret)
		goto free_cpus;

	WRITE_ONCE(iovad->fast, rcache->cpus);
	iova_debugfs_add(rcache);
	return 0;

free_cpus:
	iovad->rcache = NULL;
	free_percpu(rcache->cpus);
free_rcache:
	kfree(rcache);
	return ret;
}
EXPORT_SYMBOL_GPL(iova_domain_init_rcaches);

/**
 * iova_rcache_destroy - free the caches of a domain
 * @iovad: a domain that nobody allocates from or frees to any more
 *
 * The ranges in them stay in the tree, which is about to go.
 *
 * Context: process; may sleep.
 */
void iova_rcache_destroy(struct iova_domain *iovad)
{
	struct iova_rcache *rcache = iovad->rcache;
	unsigned int cpu, class;

	if (!rcache)
		return;
	iova_debugfs_del(rcache);
	cpuhp_state_remove_instance_nocalls(CPUHP_IOMMU_IOVA_DEAD,
					    &iovad->cpuhp_dead);
	/* Each may queue the other. */
	disable_work_sync(&rcache->supply);
	cancel_delayed_work_sync(&rcache->reaper);
	WRITE_ONCE(iovad->fast, &iova_no_cache);
	iovad->rcache = NULL;

	for_each_possible_cpu(cpu) {
		struct iova_cpu_cache *cache = per_cpu_ptr(rcache->cpus, cpu);

		for (class = 0; class < IOVA_CLASSES; class++) {
			struct iova_magazine *mag;

			while ((mag = cache->loaded[class])) {
				cache->loaded[class] = mag->next;
				kfree(mag);
			}
		}
	}
	iova_depots_destroy(rcache);
	free_percpu(rcache->cpus);
	kfree(rcache);
}
