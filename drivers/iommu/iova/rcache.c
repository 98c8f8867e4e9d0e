// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fast allocation and free: the per-CPU caches.
 *
 * Theory of operation
 * ===================
 *
 * 1. A CPU hands out slots that it got from a run (run.c), and frees into a
 *    magazine (magazine.c).  From there the ranges go back to their runs.  So
 *    consecutive allocations are adjacent, and it takes long until an address
 *    is reused.
 *
 * 2. The fast path disables interrupts and uses the cache of its own CPU only.
 *    An allocation is a compare-and-exchange, because other CPUs can take the
 *    slots back (search.c).  A free has no atomic operation, because other CPUs
 *    only read the magazine.
 *
 * 3. A CPU gets a cache with its first allocation.  A CPU that only frees asks
 *    for a cache, and the next slow allocation of any CPU provides it; until
 *    then its frees go directly to the runs.  So a free allocates no memory.
 *
 * 4. A CPU without a cache uses iova_no_cache, which has no slots and a full
 *    magazine.  A domain without caches uses iova_no_cpu, a per-CPU pointer to
 *    it.  So the fast path does not test for either.
 *
 * 5. The cache of a CPU that goes offline or is idle is freed (reaper.c).
 *    First the pointer is replaced, then, after an RCU grace period, the memory
 *    is freed: the fast path disables interrupts, so it is an RCU reader.
 *
 * 6. If no run can be had, a range comes from the tree, with the size that was
 *    asked for.  If that fails, all magazines are sorted back and both are
 *    tried again.  At last a request with @flush_rcache searches all that is
 *    free (search.c).
 */

#include <linux/cpu.h>
#include <linux/export.h>
#include <linux/iova.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "internal.h"
#include "trace.h"

/* The cache of a CPU without one: no slots, and a full magazine. */
struct iova_cpu iova_no_cache = { .nr = IOVA_MAGAZINE };
DEFINE_PER_CPU(struct iova_cpu *, iova_no_cpu) = &iova_no_cache;

/**
 * iova_rcache_range - the largest size that the caches serve
 *
 * Return: the size in bytes.
 */
unsigned long iova_rcache_range(void)
{
	return PAGE_SIZE * IOVA_CACHED_MAX;
}
EXPORT_SYMBOL_GPL(iova_rcache_range);

/**
 * struct supply - memory for a refill
 * @want_depot: the domain has no depot
 * @want_cpu: this CPU or rcache->wanting has no cache
 * @nr_hints: length that the hints should get; 0 if they are enough
 * @depot: for the domain; the pointers are %NULL without memory, and after use
 * @cpu: for this CPU, or for rcache->wanting
 * @run: for a new run
 * @hints: for the depot
 */
struct supply {
	bool want_depot;
	bool want_cpu;
	unsigned int nr_hints;
	struct iova_depot *depot;
	struct iova_cpu *cpu;
	struct iova_run *run;
	struct iova_run **hints;
};

/* Locked: the cache of this CPU, or NULL. */
static struct iova_cpu *this_cache(struct iova_rcache *rcache)
{
	struct iova_cpu *cpu = raw_cpu_read(*rcache->cpus);

	return cpu == &iova_no_cache ? NULL : cpu;
}

static void supply_get(struct supply *supply)
{
	const gfp_t gfp = GFP_ATOMIC | __GFP_NOWARN;

	if (supply->want_depot)
		supply->depot = iova_depot_make();
	if (supply->want_cpu)
		supply->cpu = kzalloc(sizeof(*supply->cpu), gfp);
	if (supply->nr_hints)
		supply->hints = kcalloc(supply->nr_hints,
					sizeof(*supply->hints), gfp);
	supply->run = iova_run_mem_alloc();
}

static void supply_put(struct supply *supply)
{
	iova_depot_free(supply->depot);
	kfree(supply->cpu);
	kfree(supply->hints);
	iova_run_mem_free(supply->run);
}

/* Locked: give a CPU a cache, if it has none. */
static void equip(struct iova_rcache *rcache, unsigned int cpu,
		  struct supply *supply)
{
	struct iova_cpu *cache = supply->cpu;

	if (!cache || *per_cpu_ptr(rcache->cpus, cpu) != &iova_no_cache)
		return;
	supply->cpu = NULL;
	cache->cpu = cpu;
	cache->seen = ~0UL;
	list_add_tail(&cache->list, &rcache->caches);
	WRITE_ONCE(rcache->nr_caches, rcache->nr_caches + 1);
	/* Pairs with the address dependency on the pointer in the fast path. */
	smp_store_release(per_cpu_ptr(rcache->cpus, cpu), cache);
}

/* Locked: use the memory. */
static void supply_use(struct iova_rcache *rcache, struct supply *supply)
{
	if (!rcache->depot) {
		WRITE_ONCE(rcache->depot, supply->depot);
		supply->depot = NULL;
	}
	if (rcache->depot && supply->hints &&
	    rcache->depot->nr_hints < supply->nr_hints) {
		swap(rcache->depot->hints, supply->hints);
		rcache->depot->nr_hints = supply->nr_hints;
	}
	equip(rcache, raw_smp_processor_id(), supply);
	if (supply->cpu && rcache->wanting)
		equip(rcache, rcache->wanting - 1, supply);
}

/* Locked: see what memory is missing. */
static void supply_plan(struct iova_rcache *rcache, struct supply *supply)
{
	supply->want_depot = !rcache->depot;
	supply->want_cpu = !this_cache(rcache) || rcache->wanting;
	supply->nr_hints = rcache->depot ? iova_hints_wanted(rcache->depot) : 0;
}

static unsigned long refill_locked(struct iova_rcache *rcache,
				   unsigned int class, unsigned long limit_pfn,
				   struct supply *supply,
				   struct iova_gone *gone, bool last_try)
{
	struct iova_cpu *cpu = this_cache(rcache);

	if (rcache->depot && (last_try || (cpu && !rcache->wanting)))
		return iova_depot_alloc(rcache->iovad, class, limit_pfn, cpu,
					&supply->run, gone, last_try);
	return 0;
}

static unsigned long refill(struct iova_domain *iovad, unsigned int class,
			    unsigned long limit_pfn)
{
	struct iova_rcache *rcache = iovad->rcache;
	struct supply supply = { };
	unsigned long flags, pfn;
	struct iova_gone gone;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	pfn = refill_locked(rcache, class, limit_pfn, &supply, NULL, false);
	if (!pfn)
		supply_plan(rcache, &supply);
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	if (likely(pfn))
		return pfn;

	supply_get(&supply);
	iova_gone_init(&gone);
	raw_spin_lock_irqsave(&iovad->lock, flags);
	supply_use(rcache, &supply);
	rcache->wanting = 0;
	pfn = refill_locked(rcache, class, limit_pfn, &supply, &gone, true);
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	iova_gone_finish(iovad, &gone);
	supply_put(&supply);
	iova_reaper_arm(rcache);
	return pfn;
}

/* Theory 6: the request cannot be served from a run. */
static unsigned long alloc_exact(struct iova_domain *iovad, unsigned long size,
				 unsigned long limit_pfn, bool flush_rcache)
{
	struct iova *iova = iova_mem_alloc();
	unsigned long pfn = 0;

	if (iova && iova_tree_alloc(iovad, size, limit_pfn, true, 1, iova))
		return iova->pfn_lo;
	if (iova_magazines_sort(iovad)) {
		if (iova_size_is_cached(size))
			pfn = refill(iovad, iova_size_class(size), limit_pfn);
		if (!pfn && iova &&
		    iova_tree_alloc(iovad, size, limit_pfn, true, 1, iova))
			return iova->pfn_lo;
	}
	if (!pfn && iova && iovad->rcache && flush_rcache) {
		pfn = iova_search(iovad, size, limit_pfn, true, iova);
		if (pfn)
			return pfn;
	}
	iova_mem_free(iova);
	return pfn;
}

/* A multiplication by the size saves a register: on x86 a shift needs %cl. */
static const unsigned long class_size[IOVA_CLASSES] = {
	1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024,
};

static __always_inline bool fast_alloc(struct iova_domain *iovad,
				       unsigned int class,
				       unsigned long limit_pfn,
				       unsigned long *pfn)
{
	unsigned long flags, mask, bit;
	struct iova_cpu *cpu;

	local_irq_save(flags);
	cpu = raw_cpu_read(*READ_ONCE(iovad->fast));
	mask = READ_ONCE(cpu->mask[class]);
	if (likely(mask) && likely(cpu->last[class] <= limit_pfn)) {
		bit = __fls(mask);
		*pfn = cpu->base[class] + bit * class_size[class];
		/* Compute it here: one register is live across the exchange. */
		OPTIMIZER_HIDE_VAR(*pfn);
		if (likely(try_cmpxchg(&cpu->mask[class], &mask,
				       mask ^ BIT(bit)))) {
			local_irq_restore(flags);
			return true;
		}
	}
	local_irq_restore(flags);
	return false;
}

static noinline unsigned long alloc_slow(struct iova_domain *iovad,
					 unsigned long size,
					 unsigned long limit_pfn,
					 bool flush_rcache)
{
	unsigned long pfn = 0;

	if (WARN_ONCE(!size, "iova: allocation of no pages\n"))
		return 0;
	if (iovad->rcache)
		limit_pfn = min(limit_pfn, IOVA_FAST_MAX);
	if (iova_size_is_cached(size) && iovad->rcache)
		pfn = refill(iovad, iova_size_class(size), limit_pfn);
	if (!pfn)
		pfn = alloc_exact(iovad, size, limit_pfn, flush_rcache);
	if (pfn)
		trace_iova_alloc(iovad, pfn, size);
	else
		trace_iova_alloc_failed(iovad, limit_pfn, size);
	return pfn;
}

/* Out of line, so that the fast path saves no registers for the event. */
static noinline unsigned long alloc_traced(struct iova_domain *iovad,
					   unsigned long size,
					   unsigned long limit_pfn,
					   bool flush_rcache)
{
	unsigned long pfn;

	if (!fast_alloc(iovad, iova_size_class(size), limit_pfn, &pfn))
		return alloc_slow(iovad, size, limit_pfn, flush_rcache);
	trace_iova_alloc(iovad, pfn, size);
	return pfn;
}

/**
 * alloc_iova_fast - allocate a range from the caches
 * @iovad: the domain
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @flush_rcache: search the free ranges of all CPUs before failing
 *
 * The range is aligned to roundup_pow_of_two(@size), and may be as long.  Free
 * it with free_iova_fast() and the same @size, or with free_iova().
 *
 * Context: any.
 * Return: its lowest pfn; 0 if nothing fits, or without memory.
 */
unsigned long alloc_iova_fast(struct iova_domain *iovad, unsigned long size,
			      unsigned long limit_pfn, bool flush_rcache)
{
	unsigned long pfn;

	if (likely(iova_size_is_cached(size))) {
		if (trace_iova_alloc_enabled())
			return alloc_traced(iovad, size, limit_pfn,
					    flush_rcache);
		if (likely(fast_alloc(iovad, iova_size_class(size), limit_pfn,
				      &pfn)))
			return pfn;
	}
	return alloc_slow(iovad, size, limit_pfn, flush_rcache);
}
EXPORT_SYMBOL_GPL(alloc_iova_fast);

static __always_inline void append(struct iova_cpu *cpu, unsigned int nr,
				   unsigned int class, unsigned long pfn)
{
	cpu->freed[nr] = iova_entry(class, pfn);
	/* Pairs with the acquire of nr in magazine.c and stats.c. */
	smp_store_release(&cpu->nr, nr + 1);
}

/* Append to the magazine of this CPU, after it has room. */
static void append_locked(struct iova_domain *iovad, struct iova_cpu *cpu,
			  unsigned int class, unsigned long pfn,
			  struct iova_gone *gone)
{
	unsigned int nr = cpu->nr;

	if (nr == IOVA_MAGAZINE)
		nr = iova_magazine_make_room(iovad, cpu, gone);
	if (nr == cpu->nr)
		append(cpu, nr, class, pfn);
	else
		cpu->freed[nr] = iova_entry(class, pfn);
}

static noinline void free_slow(struct iova_domain *iovad, unsigned long pfn,
			       unsigned long size)
{
	struct iova_rcache *rcache = iovad->rcache;
	struct iova_cpu *cpu = NULL;
	struct iova_gone gone;
	unsigned long flags;

	trace_iova_free(iovad, pfn, size);
	iova_gone_init(&gone);
	raw_spin_lock_irqsave(&iovad->lock, flags);
	if (rcache && !rcache->nr_reserving && iova_size_is_cached(size) &&
	    pfn >= iovad->start_pfn) {
		cpu = this_cache(rcache);
		if (!cpu)
			rcache->wanting = raw_smp_processor_id() + 1;
	}
	if (cpu)
		append_locked(iovad, cpu, iova_size_class(size), pfn, &gone);
	else if (!size)
		iova_refuse(iovad, &gone, pfn, size, "no size");
	else
		iova_put(iovad, pfn, size, &gone);
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	iova_gone_finish(iovad, &gone);
	/* A run may be all free now. */
	if (rcache && !cpu)
		iova_reaper_arm(rcache);
}

static __always_inline bool fast_free(struct iova_domain *iovad,
				      unsigned int class, unsigned long pfn)
{
	struct iova_cpu *cpu;
	unsigned long flags;
	unsigned int nr;
	bool done = false;

	local_irq_save(flags);
	cpu = raw_cpu_read(*READ_ONCE(iovad->fast));
	nr = cpu->nr;
	if (likely(nr < IOVA_MAGAZINE)) {
		append(cpu, nr, class, pfn);
		done = true;
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
 * The range is not handed out before the magazine is sorted back.  If it is not
 * allocated then, or not with a size of this class, the free is refused with a
 * warning.  A second free of a range that has been allocated again with a size
 * of this class is not noticed and frees it.
 *
 * Context: any.  Allocates no memory.
 */
void free_iova_fast(struct iova_domain *iovad, unsigned long pfn,
		    unsigned long size)
{
	if (likely(iova_size_is_cached(size)) &&
	    likely(pfn >= iovad->start_pfn) && !trace_iova_free_enabled() &&
	    likely(fast_free(iovad, iova_size_class(size), pfn)))
		return;
	free_slow(iovad, pfn, size);
}
EXPORT_SYMBOL_GPL(free_iova_fast);

/**
 * iova_domain_init_rcaches - set up the caches of a domain
 * @iovad: a domain that init_iova_domain() has initialised
 *
 * After an error the domain is as before, and the call may be repeated.
 *
 * Context: process; may sleep.
 * Return: 0; -ENOMEM; -EINVAL if init_iova_domain() refused its arguments;
 * -EBUSY if the domain has caches.
 */
int iova_domain_init_rcaches(struct iova_domain *iovad)
{
	struct iova_rcache *rcache;
	unsigned int cpu;
	int ret;

	if (iovad->tree.start != iovad->start_pfn)
		return -EINVAL;
	if (WARN_ON(iovad->rcache))
		return -EBUSY;
	/* Pfns of smaller granules do not fit a magazine: no caches. */
	if (iovad->granule < IOVA_GRANULE_MIN)
		return 0;

	rcache = kzalloc_obj(*rcache);
	if (!rcache)
		return -ENOMEM;
	rcache->iovad = iovad;
	INIT_LIST_HEAD(&rcache->caches);
	iova_reaper_init(rcache);
	rcache->cpus = alloc_percpu(struct iova_cpu *);
	if (!rcache->cpus) {
		ret = -ENOMEM;
		goto free_rcache;
	}
	for_each_possible_cpu(cpu) {
		struct iova_cpu **slot = per_cpu_ptr(rcache->cpus, cpu);

		*slot = &iova_no_cache;
	}
	/* The callback may run at once. */
	iovad->rcache = rcache;
	ret = cpuhp_state_add_instance_nocalls(CPUHP_IOMMU_IOVA_DEAD,
					       &rcache->cpuhp_dead);
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

/*
 * Free the caches of a domain that nobody uses any more.  Magazines are sorted
 * back first, so that wrong frees are reported.  May sleep.
 */
void iova_rcache_destroy(struct iova_domain *iovad)
{
	struct iova_rcache *rcache = iovad->rcache;
	struct iova_cpu *cpu, *next;

	if (!rcache)
		return;
	iova_debugfs_del(rcache);
	cpuhp_state_remove_instance_nocalls(CPUHP_IOMMU_IOVA_DEAD,
					    &rcache->cpuhp_dead);
	cancel_delayed_work_sync(&rcache->reaper);
	WRITE_ONCE(iovad->fast, &iova_no_cpu);
	iova_magazines_sort(iovad);
	iovad->rcache = NULL;

	list_for_each_entry_safe(cpu, next, &rcache->caches, list)
		kfree(cpu);
	iova_depot_free(rcache->depot);
	free_percpu(rcache->cpus);
	kfree(rcache);
}
