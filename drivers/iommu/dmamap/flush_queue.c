// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges that wait for an invalidation.
 *
 * Theory of operation
 * ===================
 *
 * 1. Telling the IOMMU to forget a translation and waiting until it has is the
 *    dearest part of an unmap.  A lazy domain forgets everything at once, now
 *    and then, and until then keeps what was unmapped from being used again:
 *    the addresses, and the page table pages that were detached.
 *
 * 2. Two counters tell when that is: invalidations of the domain that were
 *    started, and those that finished.  An entry remembers how many had been
 *    started when it was queued, its translations being cleared.  When more
 *    than that have finished, one of them began later, and the entry is done.
 *    This holds however many invalidations run at the same time.
 *
 * 3. Each CPU has a ring of %FQ_DEPTH entries, made when the CPU first needs
 *    it: an idle domain costs a pointer per CPU.  Without memory for it the
 *    caller unmaps strictly.  Domains whose IOMMU shadows the page table share
 *    one large ring instead: there an invalidation is so dear that few matter.
 *
 * 4. %FQ_TIMEOUT after the first entry a work item of the domain invalidates,
 *    and then has each CPU that has entries free what is done, %FQ_BATCH at a
 *    time, so that ranges go back to the caches of the CPU they came from.
 *    Whoever queues frees a batch, too.  Who finds his ring full invalidates
 *    himself.
 *
 * 5. The lock of a ring covers its indices and entries, nothing else: it is
 *    never held while the hardware is waited for or anything is freed.
 *
 * 6. Page table pages are rare beside ranges, so a ring has two lists of them
 *    instead of one for each entry: @fresh takes new ones, and becomes @tables
 *    when that is empty.  A list is done with its youngest member, at most one
 *    invalidation later than it could be.
 */

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "../iommu-pages.h"
#include "dmamap.h"
#include "trace.h"

/* As the stock layer has it; tuned there on servers with fast storage. */
#define FQ_DEPTH		256
#define FQ_TIMEOUT		msecs_to_jiffies(10)
#define FQ_SINGLE_DEPTH		32768
#define FQ_SINGLE_TIMEOUT	msecs_to_jiffies(1000)

/* Freed in one go: what a caller that maps and unmaps may be held up for. */
#define FQ_BATCH		16

/**
 * struct fq_entry - a range that waits
 * @pfn: its lowest pfn
 * @pages: its length in granules
 * @started: invalidations started when it was queued
 */
struct fq_entry {
	unsigned long pfn;
	u32 pages;
	u32 started;
};

/**
 * struct dmamap_ring - entries of a CPU
 * @lock: protects all that follows
 * @head: index of the oldest entry, modulo @depth
 * @tail: index of the next entry to come, modulo @depth
 * @depth: a power of two
 * @fresh_started: that of the youngest page in @fresh
 * @tables_started: that of the youngest page in @tables
 * @since: jiffies when it was last empty
 * @fresh: detached page table pages, the younger ones
 * @tables: the older ones
 * @fq: the queue
 * @drain: frees what is done, on the CPU of the ring
 * @entries: the ring
 */
struct dmamap_ring {
	spinlock_t lock; /* all that follows */
	u32 head;
	u32 tail;
	u32 depth;
	u32 fresh_started;
	u32 tables_started;
	unsigned long since;
	struct list_head fresh;
	struct list_head tables;
	struct dmamap_fq *fq;
	struct work_struct drain;
	struct fq_entry entries[] __counted_by(depth);
};

/**
 * struct dmamap_fq - the flush queue of a domain
 * @domain: the domain
 * @iovad: where its ranges go
 * @started: invalidations that were started
 * @finished: those of them that finished
 * @armed: @work will run
 * @timeout: time from the first entry to @work, in jiffies
 * @work: invalidates
 * @single: the only ring, %NULL when each CPU has one
 * @rings: that of each CPU, %NULL until it needs one
 */
struct dmamap_fq {
	struct iommu_domain *domain;
	struct iova_domain *iovad;
	atomic_t started;
	atomic_t finished;
	int armed;
	unsigned int timeout;
	struct delayed_work work;
	struct dmamap_ring *single;
	struct dmamap_ring * __percpu *rings;
};

static_assert(IS_ENABLED(CONFIG_DEBUG_SPINLOCK) ||
	      sizeof(struct dmamap_fq) <= 192);

/**
 * struct fq_batch - entries that left a ring, to be freed
 * @nr: how many
 * @entries: which
 * @tables: page table pages
 */
struct fq_batch {
	unsigned int nr;
	struct fq_entry entries[FQ_BATCH];
	struct list_head tables;
};

static struct workqueue_struct *fq_workqueue;

/* An invalidation began after @started was read, and has finished. */
static bool fq_done(u32 finished, u32 started)
{
	return (s32)(finished - started) > 0;
}

static void fq_invalidate(struct dmamap_fq *fq)
{
	/* Full barriers: in between is the invalidation, and nothing else is. */
	atomic_inc_return(&fq->started);
	fq->domain->ops->flush_iotlb_all(fq->domain);
	trace_dmamap_flush(fq->domain, atomic_inc_return(&fq->finished));
}

/* Take page table pages that are done. The ring is locked. */
static void ring_take_tables(struct dmamap_ring *ring, u32 finished,
			     struct list_head *done)
{
	if (!list_empty(&ring->tables) &&
	    fq_done(finished, ring->tables_started))
		list_splice_init(&ring->tables, done);
	if (list_empty(&ring->tables)) {
		list_splice_init(&ring->fresh, &ring->tables);
		ring->tables_started = ring->fresh_started;
	}
	if (fq_done(finished, ring->tables_started))
		list_splice_init(&ring->tables, done);
}

static struct fq_entry *ring_entry(struct dmamap_ring *ring, u32 index)
{
	return &ring->entries[index & (ring->depth - 1)];
}

/* Take up to a batch of entries that are done. The ring is locked. */
static void ring_take(struct dmamap_ring *ring, struct fq_batch *batch)
{
	u32 finished = atomic_read(&ring->fq->finished), head = ring->head;

	batch->nr = 0;
	while (head != ring->tail && batch->nr < FQ_BATCH) {
		struct fq_entry *entry = ring_entry(ring, head);

		if (!fq_done(finished, entry->started))
			break;
		batch->entries[batch->nr++] = *entry;
		head++;
	}
	WRITE_ONCE(ring->head, head);

	INIT_LIST_HEAD(&batch->tables);
	if (unlikely(!list_empty(&ring->tables) || !list_empty(&ring->fresh)))
		ring_take_tables(ring, finished, &batch->tables);
}

static void batch_free(struct dmamap_fq *fq, struct fq_batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		free_iova_fast(fq->iovad, batch->entries[i].pfn,
			       batch->entries[i].pages);
	iommu_put_pages_list(&batch->tables);
}

/* Free a batch of what is done. Returns how many entries that was. */
static noinline unsigned int ring_reap(struct dmamap_ring *ring)
{
	struct fq_batch batch;
	unsigned long flags;

	spin_lock_irqsave(&ring->lock, flags);
	ring_take(ring, &batch);
	spin_unlock_irqrestore(&ring->lock, flags);
	batch_free(ring->fq, &batch);
	return batch.nr;
}

/* Free all that is done. Process context. */
static void ring_drain(struct dmamap_ring *ring)
{
	while (ring_reap(ring))
		cond_resched();
}

static void ring_drain_work(struct work_struct *work)
{
	ring_drain(container_of(work, struct dmamap_ring, drain));
}

static void ring_init(struct dmamap_ring *ring, struct dmamap_fq *fq, u32 depth)
{
	spin_lock_init(&ring->lock);
	ring->depth = depth;
	ring->fq = fq;
	INIT_LIST_HEAD(&ring->fresh);
	INIT_LIST_HEAD(&ring->tables);
	INIT_WORK(&ring->drain, ring_drain_work);
}

static noinline struct dmamap_ring *ring_create(struct dmamap_fq *fq)
{
	struct dmamap_ring **slot = raw_cpu_ptr(fq->rings);
	struct dmamap_ring *ring, *first;

	ring = kzalloc(struct_size(ring, entries, FQ_DEPTH),
		       GFP_ATOMIC | __GFP_NOWARN);
	if (!ring)
		return NULL;
	ring_init(ring, fq, FQ_DEPTH);

	/* An interrupt, or a task that ran here meanwhile, may have been first. */
	first = cmpxchg(slot, NULL, ring);
	if (!first)
		return ring;
	kfree(ring);
	return first;
}

/**
 * dmamap_fq_ring - the ring that an unmap on this CPU goes to
 * @fq: the queue
 *
 * The caller may be moved to another CPU before he uses it: rings are locked.
 *
 * Context: any.
 * Return: the ring, %NULL without memory for it.
 */
struct dmamap_ring *dmamap_fq_ring(struct dmamap_fq *fq)
{
	struct dmamap_ring *ring;

	if (unlikely(fq->single))
		return fq->single;
	ring = READ_ONCE(*raw_cpu_ptr(fq->rings));
	return likely(ring) ? ring : ring_create(fq);
}

static void fq_arm(struct dmamap_fq *fq)
{
	/* Read first: the line is shared by all CPUs, and rarely to be written. */
	if (!READ_ONCE(fq->armed) && !xchg(&fq->armed, 1))
		queue_delayed_work(fq_workqueue, &fq->work, fq->timeout);
}

/**
 * dmamap_fq_add - have a range wait for an invalidation
 * @ring: what dmamap_fq_ring() returned
 * @pfn: lowest pfn of the range, its translations cleared
 * @pages: its length in granules
 * @tables: page table pages that were detached; empty afterwards
 *
 * Context: any. Waits for the IOMMU when the ring is full.
 */
void dmamap_fq_add(struct dmamap_ring *ring, unsigned long pfn,
		   unsigned long pages, struct list_head *tables)
{
	struct dmamap_fq *fq = ring->fq;
	struct fq_entry *entry;
	unsigned long flags;
	bool reap = false;
	u32 started;

	/*
	 * The translations are cleared before the counter is read: who finds it
	 * too old below sees them cleared. Pairs with fq_invalidate().
	 */
	smp_mb();
	spin_lock_irqsave(&ring->lock, flags);
	while (unlikely(ring->tail - ring->head == ring->depth)) {
		spin_unlock_irqrestore(&ring->lock, flags);
		if (!ring_reap(ring))
			fq_invalidate(fq);
		spin_lock_irqsave(&ring->lock, flags);
	}

	started = atomic_read(&fq->started);
	if (ring->head == ring->tail)
		WRITE_ONCE(ring->since, jiffies);
	else
		reap = fq_done(atomic_read(&fq->finished),
			       ring_entry(ring, ring->head)->started);
	entry = ring_entry(ring, ring->tail);
	WRITE_ONCE(ring->tail, ring->tail + 1);
	entry->pfn = pfn;
	entry->pages = pages;
	entry->started = started;
	if (unlikely(!list_empty(tables))) {
		list_splice_tail_init(tables, &ring->fresh);
		ring->fresh_started = started;
	}
	spin_unlock_irqrestore(&ring->lock, flags);

	if (unlikely(reap))
		ring_reap(ring);
	fq_arm(fq);
}

/* The rings there are, one a call: *@cpu is -1 at first. %NULL after the last. */
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

static bool ring_idle(struct dmamap_ring *ring)
{
	if (READ_ONCE(ring->head) != READ_ONCE(ring->tail))
		return false;
	/* Not locked: who queues what this misses arms the work again. */
	return data_race(list_empty(&ring->tables) && list_empty(&ring->fresh));
}

static void fq_work(struct work_struct *work)
{
	struct dmamap_fq *fq = container_of(to_delayed_work(work),
					    struct dmamap_fq, work);
	struct dmamap_ring *ring;
	int cpu = -1;

	/* What is queued from here on may miss the invalidation: it arms again. */
	xchg(&fq->armed, 0);
	fq_invalidate(fq);
	while ((ring = fq_next_ring(fq, &cpu))) {
		if (ring_idle(ring))
			continue;
		/* Should the CPU go away now, the work runs on another one. */
		if (fq->single)
			queue_work(fq_workqueue, &ring->drain);
		else if (cpu_online(cpu))
			queue_work_on(cpu, fq_workqueue, &ring->drain);
		else
			ring_drain(ring);
	}
}

/**
 * dmamap_fq_drain - free all that waits
 * @fq: the queue
 *
 * What is queued meanwhile may stay.
 *
 * Context: process; may sleep.
 */
void dmamap_fq_drain(struct dmamap_fq *fq)
{
	struct dmamap_ring *ring;
	int cpu = -1;

	fq_invalidate(fq);
	while ((ring = fq_next_ring(fq, &cpu)))
		ring_drain(ring);
}

/**
 * dmamap_fq_look - see how a queue fares
 * @fq: the queue
 * @state: filled in; CPUs go on meanwhile
 */
void dmamap_fq_look(struct dmamap_fq *fq, struct dmamap_fq_state *state)
{
	struct dmamap_ring *ring;
	int cpu = -1;

	*state = (struct dmamap_fq_state){
		.flushes = atomic_read(&fq->finished),
	};
	while ((ring = fq_next_ring(fq, &cpu))) {
		/* In this order, or the head might have overtaken the tail. */
		u32 head = smp_load_acquire(&ring->head);
		u32 entries = min(READ_ONCE(ring->tail) - head, ring->depth);

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
 * @iovad: where ranges go when they are done
 * @single: one large ring for all CPUs
 *
 * Context: process; may sleep.
 * Return: the queue, %NULL without memory.
 */
struct dmamap_fq *dmamap_fq_create(struct iommu_domain *domain,
				   struct iova_domain *iovad, bool single)
{
	struct dmamap_fq *fq;

	if (!fq_workqueue || !domain->ops->flush_iotlb_all)
		return NULL;
	fq = kzalloc(sizeof(*fq), GFP_KERNEL);
	if (!fq)
		return NULL;
	fq->domain = domain;
	fq->iovad = iovad;
	INIT_DELAYED_WORK(&fq->work, fq_work);

	if (single) {
		fq->timeout = FQ_SINGLE_TIMEOUT;
		fq->single = kvzalloc(struct_size(fq->single, entries,
						  FQ_SINGLE_DEPTH), GFP_KERNEL);
		if (!fq->single)
			goto free_fq;
		ring_init(fq->single, fq, FQ_SINGLE_DEPTH);
	} else {
		fq->timeout = FQ_TIMEOUT;
		fq->rings = alloc_percpu(struct dmamap_ring *);
		if (!fq->rings)
			goto free_fq;
	}
	return fq;

free_fq:
	kfree(fq);
	return NULL;
}

/**
 * dmamap_fq_stop - no work of the queue runs any more
 * @fq: the queue, or %NULL; nobody adds to it
 *
 * Context: process; may sleep.
 */
void dmamap_fq_stop(struct dmamap_fq *fq)
{
	struct dmamap_ring *ring;
	int cpu = -1;

	if (!fq)
		return;
	cancel_delayed_work_sync(&fq->work);
	while ((ring = fq_next_ring(fq, &cpu)))
		cancel_work_sync(&ring->drain);
}

/**
 * dmamap_fq_destroy - undo dmamap_fq_create()
 * @fq: the queue, stopped, or %NULL
 *
 * No device is attached to the domain any more, so page table pages need not
 * wait. The ranges are left to the domain.
 *
 * Context: process; may sleep.
 */
void dmamap_fq_destroy(struct dmamap_fq *fq)
{
	struct dmamap_ring *ring;
	int cpu = -1;

	if (!fq)
		return;
	while ((ring = fq_next_ring(fq, &cpu))) {
		iommu_put_pages_list(&ring->tables);
		iommu_put_pages_list(&ring->fresh);
		kvfree(ring);
	}
	free_percpu(fq->rings);
	kfree(fq);
}

/**
 * dmamap_fq_init - set up what all queues share
 *
 * Without it there are none, and all domains are strict.
 *
 * Return: 0, or -ENOMEM.
 */
int __init dmamap_fq_init(void)
{
	fq_workqueue = alloc_workqueue("dmamap", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	return fq_workqueue ? 0 : -ENOMEM;
}
