// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fast allocation and free: the cache of a CPU.
 *
 * Theory of operation
 * ===================
 *
 * 1. A CPU hands out slots that it got from runs (run.c), and frees into a
 *    magazine (magazine.c) from which ranges go back to their runs.  What it
 *    frees is not handed out again at once, so what is mapped in a row lies in
 *    a row, and an address comes again late.
 *
 * 2. The fast path disables interrupts and touches the cache of its own CPU
 *    only.  It allocates by a compare-and-exchange, because others may take
 *    slots back (search.c), and frees without an atomic operation: others only
 *    read the magazine.
 *
 * 3. A CPU gets its cache with its first allocation.  One that only frees asks
 *    for one, and the next allocation on any CPU makes it; until then it frees
 *    to the runs.  A free needs no memory.
 *
 * 4. iova_domain.fast is what the fast path looks at.  Before a domain has
 *    caches it names a variable of which each CPU's copy points to one that has
 *    nothing to hand out and no room, and so do the pointers of CPUs without a
 *    cache.  So these states add no test to the fast path.
 *
 * 5. A cache goes when its CPU does, or does nothing with it (reaper.c).  The
 *    pointer to it goes first, and the memory after an RCU grace period, which
 *    waits for code with interrupts disabled.  It stays on the list of caches,
 *    in reach of requests that fail, until it is empty.
 *
 * 6. Where no run can be had, a range comes from the tree as long as it was
 *    asked for.  A request that finds nothing there has all magazines sorted
 *    back and tries again, and if it may flush, searches for what else is free
 *    (search.c).
 */

#include <linux/cpu.h>
#include <linux/export.h>
#include <linux/iova.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "internal.h"
#include "trace.h"

/* What stands for no cache: nothing to hand out, and a magazine that is full. */
struct iova_cpu iova_no_cache = { .nr = IOVA_MAGAZINE };
DEFINE_PER_CPU(struct iova_cpu *, iova_no_cpu) = &iova_no_cache;

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

/**
 * struct supply - memory that a refill turned out to need
 * @want_depot: the domain has no depot
 * @want_cpu: a CPU has no cache
 * @nr_hints: hints that the depot should have, 0 when it has enough
 * @depot: for the domain
 * @cpu: for a CPU
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

/* The cache of this CPU, %NULL for none.  The domain is locked, or who asks guesses. */
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

/* Give a CPU its cache.  The domain is locked. */
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
	/* The CPU that sees the pointer sees an empty cache. */
	smp_store_release(per_cpu_ptr(rcache->cpus, cpu), cache);
}

/* Put to use what there is.  The domain is locked. */
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

/* Note what is missing.  The domain is locked. */
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
	unsigned long pfn = 0;

	if (rcache->depot && (last_try || (cpu && !rcache->wanting)))
		pfn = iova_depot_alloc(rcache->iovad, class, limit_pfn, cpu,
				       &supply->run, gone, last_try);
	if (!pfn && !last_try)
		supply_plan(rcache, supply);
	return pfn;
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

/* pfn 0 says failure. */
static unsigned long tree_alloc(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn, struct iova **iova)
{
	struct iova *taken;

	if (!*iova)
		return 0;
	taken = iova_tree_alloc(iovad, size, limit_pfn, true, 1, *iova);
	if (!taken)
		return 0;
	*iova = NULL;
	return taken->pfn_lo;
}

/* No run of the class can be had, or there is no such class. */
static unsigned long alloc_exact(struct iova_domain *iovad, unsigned long size,
				 unsigned long limit_pfn, bool flush_rcache)
{
	struct iova *iova = iova_mem_alloc();
	unsigned long pfn = tree_alloc(iovad, size, limit_pfn, &iova);

	if (pfn || !iovad->rcache)
		goto out;
	if (iova_magazines_sort(iovad)) {
		if (iova_size_is_cached(size))
			pfn = refill(iovad, iova_size_class(size), limit_pfn);
		if (!pfn)
			pfn = tree_alloc(iovad, size, limit_pfn, &iova);
	}
	if (!pfn && flush_rcache && iova) {
		pfn = iova_search(iovad, size, limit_pfn, true, iova);
		if (pfn)
			iova = NULL;
	}
out:
	iova_mem_free(iova);
	return pfn;
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

/* The size of each class: a multiplication needs no register for a shift. */
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
		/* One register is in use across the exchange, not three. */
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

/* Apart, so that the fast path keeps nothing for a trace event. */
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
 * alloc_iova_fast - allocate a range through the caches
 * @iovad: the domain
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @flush_rcache: search in all that caches hold before failing
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
	/* Whoever sees the number sees the entry. */
	smp_store_release(&cpu->nr, nr + 1);
}

/*
 * When the magazine is full sort back what one hold of the lock may, and let
 * the rest begin the magazine.
 */
static void append_locked(struct iova_domain *iovad, struct iova_cpu *cpu,
			  unsigned int class, unsigned long pfn,
			  struct iova_gone *gone)
{
	unsigned int left;

	if (cpu->nr == IOVA_MAGAZINE) {
		iova_magazine_sort(iovad, cpu, gone);
		left = cpu->nr - cpu->nr_sorted;
		memmove(cpu->freed, cpu->freed + cpu->nr_sorted,
			left * sizeof(*cpu->freed));
		cpu->frees += cpu->nr_sorted;
		cpu->nr_sorted = 0;
		WRITE_ONCE(cpu->nr, left);
	}
	append(cpu, cpu->nr, class, pfn);
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
	if (rcache && iova_size_is_cached(size) && pfn >= iovad->start_pfn) {
		cpu = this_cache(rcache);
		if (!cpu)
			WRITE_ONCE(rcache->wanting, raw_smp_processor_id() + 1);
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
 * It is not handed out again before the magazine is sorted back.  A range that
 * is not allocated by then, or not with a size of that class, is refused with a
 * warning.  Of two frees of a range, the second frees it from its next owner
 * when there is one by then.
 *
 * Context: any.  Needs no memory.
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
 * Context: process; may sleep.
 * Return: 0; -ENOMEM, -EINVAL when init_iova_domain() refused its arguments,
 * -EBUSY when the caches exist.  After an error the domain is as it was and
 * the call may be repeated.
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
	/* A magazine has no room for such pfns; nobody has such granules. */
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
	/* The callback may come as soon as the instance is known. */
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

/**
 * iova_rcache_destroy - free the caches of a domain
 * @iovad: a domain that nobody allocates from or frees to any more
 *
 * What is in magazines is sorted back before, so a free that is to be refused
 * is.
 *
 * Context: process; may sleep.
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
