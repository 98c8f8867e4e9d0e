// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: in lazy mode, unmapped ranges wait for an IOTLB flush.
 *
 * 1. A lazy domain flushes its whole IOTLB from time to time.  Until a flush,
 *    unmapped IOVAs and detached page table pages must not be used again.
 *
 * 2. Two counters say when a range is done, that is, may be used again: the
 *    flushes @started and the flushes @finished.  An entry stores @started after
 *    its PTEs were cleared.  If @finished is higher than the stored value, one of
 *    the finished flushes began after that, even if flushes run concurrently.
 *
 * 3. Each CPU has a ring of %FQ_DEPTH entries, allocated at its first lazy unmap.
 *    Without memory for the ring the unmap is strict.  If the IOMMU driver
 *    shadows the page table, a flush is very expensive, so all CPUs share one
 *    large ring.
 *
 * 4. The first entry arms a timer.  The timer flushes in softirq context, so that
 *    tasks cannot delay it (except with PREEMPT_RT or threadirqs).  Then an
 *    unbound work item frees what is done, %FQ_BATCH ranges at a time.  If the
 *    ring is full, an unmap frees a batch, or flushes if nothing is done.
 *
 * 5. Isolated CPUs run neither the timer nor the work.  Their unmaps queue the
 *    work, which arms the timer on another CPU.
 *
 * 6. While an entry waits, the timer or the work will run.  An unmap that finds
 *    @armed set relies on the timer, which clears @armed and then flushes.  But
 *    CPUs may load @started and @armed out of order, so the unmap may read
 *    @started after that flush began.  Then the flush does not cover the entry.
 *    So the work arms the timer again if it leaves entries in a ring.  It locks
 *    each ring: an entry that it misses is queued later, by an unmap that finds
 *    @armed clear.  Model: tools/testing/models/flush_queue.pml.
 *
 * 7. Few unmaps detach page table pages, so a ring has two lists for the pages of
 *    all its entries: @fresh takes new pages, and becomes @tables when @tables is
 *    empty.  A list is freed when its youngest page is done.
 */

#include <linux/sched/isolation.h>
#include <linux/slab.h>
#include "dmamap.h"
#include "trace.h"

/* The same values as in the stock layer */
#define FQ_DEPTH		256
#define FQ_TIMEOUT		msecs_to_jiffies(10)
#define FQ_SINGLE_DEPTH		32768
#define FQ_SINGLE_TIMEOUT	msecs_to_jiffies(1000)
/* An unmap frees at most that many ranges of other unmaps at once. */
#define FQ_BATCH		16

/* An unmapped range. */
struct fq_entry {
	unsigned long pfn;
	u32 pages;	/* length in granules */
	u32 started;	/* flushes started when it was queued */
};

/* The entries of a CPU. */
struct dmamap_ring {
	spinlock_t lock;	/* all but @mask, @fq and @entries */
	u32 first;		/* index of the oldest entry, modulo @mask + 1 */
	u32 nr;			/* number of entries */
	u32 mask;		/* size of @entries, a power of two, less one */
	u32 fresh_started;	/* fq_entry.started of the youngest of @fresh */
	u32 tables_started;	/* fq_entry.started of the youngest of @tables */
	unsigned long since;	/* jiffies when @nr was last 0 */
	struct iommu_pages_list fresh; /* younger detached page table pages */
	struct iommu_pages_list tables; /* older detached page table pages */
	struct dmamap_fq *fq;
	struct fq_entry *entries;
};

/* The flush queue of a domain. */
struct dmamap_fq {
	struct iommu_domain *domain;
	struct iova_domain *iovad;
	atomic_t started;	/* flushes that were started */
	atomic_t finished;	/* flushes that finished */
	int armed;		/* @timer is pending, or will be at once */
	unsigned int timeout;	/* jiffies from the first entry to the flush */
	struct timer_list timer; /* flushes */
	struct work_struct drain; /* frees what is done in the rings */
	struct dmamap_ring * __percpu *rings; /* %NULL before the first unmap */
	struct dmamap_ring *single; /* the ring that all CPUs share, or %NULL */
};

static_assert(IS_ENABLED(CONFIG_DEBUG_SPINLOCK) ||
	      sizeof(struct dmamap_fq) <= 192);

static struct workqueue_struct *fq_workqueue;

/* Has a flush finished that began after @started was read? */
static bool fq_done(u32 finished, u32 started)
{
	return (s32)(finished - started) > 0;
}

static void fq_flush(struct dmamap_fq *fq)
{
	u32 finished;

	/*
	 * Full barriers order the flush after @started and before @finished.
	 * The first pairs with smp_mb() in dmamap_fq_add().
	 */
	atomic_inc_return(&fq->started);
	fq->domain->ops->flush_iotlb_all(fq->domain);
	finished = atomic_inc_return(&fq->finished);
	trace_dmamap_flush(fq->domain, finished);
}

static void move_tables(struct iommu_pages_list *from,
			struct iommu_pages_list *to)
{
	iommu_pages_list_splice(from, to);
	*from = IOMMU_PAGES_LIST_INIT((*from));
}

/* Move page table pages that are done to @done. */
static void ring_take_tables(struct dmamap_ring *ring, u32 finished,
			     struct iommu_pages_list *done)
{
	lockdep_assert_held(&ring->lock);
	if (fq_done(finished, ring->tables_started))
		move_tables(&ring->tables, done);
	if (iommu_pages_list_empty(&ring->tables)) {
		move_tables(&ring->fresh, &ring->tables);
		ring->tables_started = ring->fresh_started;
	}
	if (fq_done(finished, ring->tables_started))
		move_tables(&ring->tables, done);
}

#define RING_REAPED	BIT(0)	/* ranges were freed */
#define RING_LEFT	BIT(1)	/* ranges or pages remain in the ring */

/* Free up to a batch of what is done. Returns RING_* flags. */
static noinline unsigned int ring_reap(struct dmamap_ring *ring)
{
	struct fq_entry done[FQ_BATCH];
	struct iommu_pages_list tables = IOMMU_PAGES_LIST_INIT(tables);
	unsigned int nr = 0, i, ret;
	unsigned long flags;
	u32 finished;

	spin_lock_irqsave(&ring->lock, flags);
	finished = atomic_read(&ring->fq->finished);
	for (; nr < min(ring->nr, FQ_BATCH); nr++) {
		done[nr] = ring->entries[(ring->first + nr) & ring->mask];
		if (!fq_done(finished, done[nr].started))
			break;
	}
	ring->first += nr;
	WRITE_ONCE(ring->nr, ring->nr - nr);
	if (unlikely(!iommu_pages_list_empty(&ring->tables) ||
		     !iommu_pages_list_empty(&ring->fresh)))
		ring_take_tables(ring, finished, &tables);
	ret = ring->nr || !iommu_pages_list_empty(&ring->tables) ? RING_LEFT : 0;
	spin_unlock_irqrestore(&ring->lock, flags);

	for (i = 0; i < nr; i++)
		free_iova_fast(ring->fq->iovad, done[i].pfn, done[i].pages);
	iommu_put_pages_list(&tables);
	return nr ? ret | RING_REAPED : ret;
}

static void ring_free(struct dmamap_ring *ring)
{
	iommu_put_pages_list(&ring->tables);
	iommu_put_pages_list(&ring->fresh);
	kvfree(ring->entries);
	kfree(ring);
}

static struct dmamap_ring *ring_alloc(struct dmamap_fq *fq, u32 depth, gfp_t gfp)
{
	struct dmamap_ring *ring = kzalloc_obj(*ring, gfp);

	if (!ring)
		return NULL;
	spin_lock_init(&ring->lock);
	ring->fresh = IOMMU_PAGES_LIST_INIT(ring->fresh);
	ring->tables = IOMMU_PAGES_LIST_INIT(ring->tables);
	ring->fq = fq;
	ring->mask = depth - 1;
	ring->entries = kvmalloc_array(depth, sizeof(*ring->entries), gfp);
	if (ring->entries)
		return ring;
	ring_free(ring);
	return NULL;
}

static noinline struct dmamap_ring *ring_create(struct dmamap_fq *fq)
{
	struct dmamap_ring **slot = raw_cpu_ptr(fq->rings);
	struct dmamap_ring *ring, *first;

	ring = ring_alloc(fq, FQ_DEPTH, GFP_ATOMIC | __GFP_NOWARN);
	if (!ring)
		return NULL;
	/* If an interrupt or another task was first, use its ring. */
	first = cmpxchg(slot, NULL, ring);
	if (!first)
		return ring;
	ring_free(ring);
	return first;
}

/**
 * dmamap_fq_ring - the ring of this CPU, which other CPUs may use, too
 * @fq: the queue
 * Context: any.
 * Return: the ring; %NULL without memory for it.
 */
struct dmamap_ring *dmamap_fq_ring(struct dmamap_fq *fq)
{
	struct dmamap_ring *ring = READ_ONCE(*raw_cpu_ptr(fq->rings));

	return likely(ring) ? ring : ring_create(fq);
}

static void fq_start_timer(struct dmamap_fq *fq)
{
	if (!xchg(&fq->armed, 1))
		mod_timer(&fq->timer, jiffies + fq->timeout);
}

static noinline void fq_arm(struct dmamap_fq *fq)
{
	if (unlikely(cpu_is_isolated(raw_smp_processor_id())))
		queue_work(fq_workqueue, &fq->drain);
	else
		fq_start_timer(fq);
}

/**
 * dmamap_fq_add - queue a range until a flush
 * @ring: from dmamap_fq_ring()
 * @pfn: lowest pfn of the range, whose PTEs are clear
 * @pages: its length in granules
 * @tables: page table pages that were detached; not to be used afterwards
 * Context: any. Waits for the IOMMU if the ring is full.
 */
void dmamap_fq_add(struct dmamap_ring *ring, unsigned long pfn,
		   unsigned long pages, struct iommu_pages_list *tables)
{
	struct dmamap_fq *fq = ring->fq;
	struct fq_entry *entry;
	unsigned long flags;
	u32 started;

	/* It does not fit an entry. */
	if (unlikely(pages > U32_MAX)) {
		fq_flush(fq);
		iommu_put_pages_list(tables);
		free_iova_fast(fq->iovad, pfn, pages);
		return;
	}
	/* Clear PTEs, then read @started. Pairs with fq_flush(), the first barrier. */
	smp_mb();
	spin_lock_irqsave(&ring->lock, flags);
	while (unlikely(ring->nr > ring->mask)) {
		spin_unlock_irqrestore(&ring->lock, flags);
		if (!(ring_reap(ring) & RING_REAPED))
			fq_flush(fq);
		spin_lock_irqsave(&ring->lock, flags);
	}

	started = atomic_read(&fq->started);
	if (!ring->nr)
		WRITE_ONCE(ring->since, jiffies);
	entry = ring->entries + ((ring->first + ring->nr) & ring->mask);
	WRITE_ONCE(ring->nr, ring->nr + 1);
	entry->pfn = pfn;
	entry->pages = pages;
	entry->started = started;
	if (unlikely(!iommu_pages_list_empty(tables))) {
		iommu_pages_list_splice(tables, &ring->fresh);
		ring->fresh_started = started;
	}
	spin_unlock_irqrestore(&ring->lock, flags);

	/* All CPUs read this cache line, so it is rarely written. */
	if (!READ_ONCE(fq->armed))
		fq_arm(fq);
}

/* Iterate over the rings. *@cpu is -1 at first. Returns %NULL after the last. */
static struct dmamap_ring *fq_next_ring(struct dmamap_fq *fq, int *cpu)
{
	struct dmamap_ring *ring;

	if (fq->single)
		return (*cpu)++ < 0 ? fq->single : NULL;
	for (;;) {
		*cpu = cpumask_next(*cpu, cpu_possible_mask);
		if (*cpu >= nr_cpu_ids)
			return NULL;
		ring = READ_ONCE(*per_cpu_ptr(fq->rings, *cpu));
		if (ring)
			return ring;
	}
}

/* Free all that is done. Returns RING_LEFT if anything is left. */
static unsigned int fq_reap(struct dmamap_fq *fq)
{
	unsigned int ret, left = 0;
	struct dmamap_ring *ring;
	int cpu = -1;

	while ((ring = fq_next_ring(fq, &cpu))) {
		while ((ret = ring_reap(ring)) & RING_REAPED)
			cond_resched();
		left |= ret;
	}
	return left;
}

static void fq_drain_work(struct work_struct *work)
{
	struct dmamap_fq *fq = container_of(work, struct dmamap_fq, drain);

	if (fq_reap(fq))
		fq_start_timer(fq);
}

static void fq_expire(struct timer_list *timer)
{
	struct dmamap_fq *fq = container_of(timer, struct dmamap_fq, timer);

	/* A full barrier: an entry that the flush does not cover arms the timer. */
	xchg(&fq->armed, 0);
	fq_flush(fq);
	queue_work(fq_workqueue, &fq->drain);
}

/**
 * dmamap_fq_drain - flush, and free the ranges that were queued before
 * @fq: the queue
 * Context: process; may sleep.
 */
void dmamap_fq_drain(struct dmamap_fq *fq)
{
	fq_flush(fq);
	fq_reap(fq);
}

static bool ring_holds(struct dmamap_ring *ring, unsigned long pfn)
{
	struct fq_entry *entry;
	bool found = false;
	u32 i;

	scoped_guard(spinlock_irqsave, &ring->lock) {
		for (i = 0; i < ring->nr && !found; i++) {
			entry = ring->entries + ((ring->first + i) & ring->mask);
			found = pfn - entry->pfn < entry->pages;
		}
	}
	return found;
}

/**
 * dmamap_fq_holds - does an IOVA wait in a queue?
 * @fq: the queue
 * @pfn: the IOVA
 * Context: any.
 */
bool dmamap_fq_holds(struct dmamap_fq *fq, unsigned long pfn)
{
	struct dmamap_ring *ring;
	int cpu = -1;

	while ((ring = fq_next_ring(fq, &cpu)))
		if (ring_holds(ring, pfn))
			return true;
	return false;
}

#ifdef CONFIG_IOMMU_DMA_SANITIZER
/**
 * dmamap_fq_defer - ask for a flush, for a range that others keep until then
 * @ring: from dmamap_fq_ring()
 * @tables: page table pages that were detached; not to be used afterwards
 * Context: any.
 * Return: what dmamap_fq_flushed() takes.
 */
u32 dmamap_fq_defer(struct dmamap_ring *ring, struct iommu_pages_list *tables)
{
	struct dmamap_fq *fq = ring->fq;
	u32 started;

	/* As in dmamap_fq_add(). */
	smp_mb();
	scoped_guard(spinlock_irqsave, &ring->lock) {
		started = atomic_read(&fq->started);
		if (!iommu_pages_list_empty(tables)) {
			iommu_pages_list_splice(tables, &ring->fresh);
			ring->fresh_started = started;
		}
	}
	if (!READ_ONCE(fq->armed))
		fq_arm(fq);
	return started;
}

/**
 * dmamap_fq_flushed - has a flush finished that dmamap_fq_defer() asked for?
 * @fq: the queue
 * @started: what it returned
 * Context: any.
 */
bool dmamap_fq_flushed(struct dmamap_fq *fq, u32 started)
{
	return fq_done(atomic_read(&fq->finished), started);
}

/**
 * dmamap_fq_flush - flush, and free nothing
 * @fq: the queue
 * Context: any. Waits for the IOMMU.
 */
void dmamap_fq_flush(struct dmamap_fq *fq)
{
	fq_flush(fq);
}
#endif

/**
 * dmamap_fq_look - take a snapshot of a queue, without locks
 * @fq: the queue
 * @state: filled in
 * Context: any.
 */
void dmamap_fq_look(struct dmamap_fq *fq, struct dmamap_fq_state *state)
{
	struct dmamap_ring *ring;
	int cpu = -1;

	*state = (struct dmamap_fq_state){
		.flushes = atomic_read(&fq->finished),
	};
	while ((ring = fq_next_ring(fq, &cpu))) {
		u32 entries = READ_ONCE(ring->nr);

		state->rings++;
		state->entries += entries;
		if (entries)
			state->age = max(state->age,
					 jiffies - READ_ONCE(ring->since));
	}
}

/**
 * dmamap_fq_create - make the flush queue of a domain
 * @domain: the domain
 * @iovad: the IOVAs of @domain
 * @single: one large ring for all CPUs
 * Context: process; may sleep.
 * Return: the queue; %NULL without memory, or if the IOMMU driver cannot flush.
 */
struct dmamap_fq *dmamap_fq_create(struct iommu_domain *domain,
				   struct iova_domain *iovad, bool single)
{
	struct dmamap_fq *fq;
	int cpu;

	if (!fq_workqueue || !domain->ops->flush_iotlb_all)
		return NULL;
	fq = kzalloc_obj(*fq, GFP_KERNEL);
	if (!fq)
		return NULL;
	fq->domain = domain;
	fq->iovad = iovad;
	fq->timeout = single ? FQ_SINGLE_TIMEOUT : FQ_TIMEOUT;
	/* Pinned, so that it does not migrate from an idle CPU to an isolated one */
	timer_setup(&fq->timer, fq_expire, TIMER_PINNED);
	INIT_WORK(&fq->drain, fq_drain_work);
	fq->rings = alloc_percpu(struct dmamap_ring *);
	if (!fq->rings)
		goto free_fq;
	if (single) {
		fq->single = ring_alloc(fq, FQ_SINGLE_DEPTH, GFP_KERNEL);
		if (!fq->single)
			goto free_rings;
		for_each_possible_cpu(cpu)
			WRITE_ONCE(*per_cpu_ptr(fq->rings, cpu), fq->single);
	}
	return fq;

free_rings:
	free_percpu(fq->rings);
free_fq:
	kfree(fq);
	return NULL;
}

/**
 * dmamap_fq_destroy - undo dmamap_fq_create()
 * @fq: the queue of a domain that is not in use; ranges in it are not freed
 * Context: process; may sleep.
 */
void dmamap_fq_destroy(struct dmamap_fq *fq)
{
	struct dmamap_ring *ring;
	int cpu = -1;

	/* They start each other, but a timer that was shut down cannot be started. */
	timer_shutdown_sync(&fq->timer);
	cancel_work_sync(&fq->drain);
	while ((ring = fq_next_ring(fq, &cpu)))
		ring_free(ring);
	free_percpu(fq->rings);
	kfree(fq);
}

/**
 * dmamap_fq_init - allocate the workqueue
 * Return: 0, or -ENOMEM. Then all domains are strict.
 */
int __init dmamap_fq_init(void)
{
	/* High priority, because it arms the timer for isolated CPUs. */
	fq_workqueue = alloc_workqueue("dmamap", WQ_MEM_RECLAIM | WQ_UNBOUND |
				       WQ_HIGHPRI, 0);
	return fq_workqueue ? 0 : -ENOMEM;
}
