// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the allocator, and ranges with a node of their own.
 *
 * Theory of operation
 * ===================
 *
 * 1. The tree of a domain holds runs (run.c), and a struct iova for each range
 *    that belongs to no run.  All else is free.  The tree and the bitmaps of
 *    the runs know whether a range is allocated, but not who allocated it.
 *
 * 2. iova_domain.lock is held with interrupts disabled, for at most %IOVA_BATCH
 *    tree operations of O(log n) each.  Memory is allocated before the lock is
 *    taken.  What is to be freed, and refused frees that are to be reported, go
 *    to a struct iova_gone until iova_unlock().
 *
 * 3. A free is refused if the range is not allocated, or not with that size.
 *    It is counted and reported with a warning, and has no other effect.
 */

#include <linux/iova.h>
#include <linux/slab.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static struct kmem_cache *iova_mem;
static struct kmem_cache *run_mem;

/* Undone by iova_mem_exit(), also after an error. */
int iova_mem_init(void)
{
	iova_mem = kmem_cache_create("iommu_iova", sizeof(struct iova),
				     IOVA_NODE_ALIGN, 0, NULL);
	run_mem = kmem_cache_create("iommu_iova_run", sizeof(struct iova_run),
				    IOVA_NODE_ALIGN, 0, NULL);
	return iova_mem && run_mem ? 0 : -ENOMEM;
}

void iova_mem_exit(void)
{
	kmem_cache_destroy(run_mem);
	kmem_cache_destroy(iova_mem);
	run_mem = NULL;
	iova_mem = NULL;
}

/* Context: any.  Return NULL without memory, or before iova_cache_get(). */
struct iova *iova_mem_alloc(void)
{
	if (WARN_ONCE(!iova_mem, "iova: used before iova_cache_get()\n"))
		return NULL;
	return kmem_cache_alloc(iova_mem, GFP_ATOMIC | __GFP_NOWARN);
}

void iova_mem_free(struct iova *iova)
{
	if (iova)
		kmem_cache_free(iova_mem, iova);
}

/* Context: any.  Return NULL without memory. */
struct iova_run *iova_run_mem_alloc(void)
{
	return kmem_cache_alloc(run_mem, GFP_ATOMIC | __GFP_NOWARN);
}

void iova_run_mem_free(struct iova_run *run)
{
	if (run)
		kmem_cache_free(run_mem, run);
}

/* Lock a domain, for what has to be finished when it is unlocked. */
void iova_lock(struct iova_domain *iovad, struct iova_gone *gone)
	__acquires(&iovad->lock)
{
	gone->iovas = NULL;
	INIT_LIST_HEAD(&gone->runs);
	gone->nr_bad = 0;
	raw_spin_lock_irqsave(&iovad->lock, gone->flags);
}

static void report(struct iova_domain *iovad, const struct iova_bad *bad)
{
	trace_iova_refused(iovad, bad->pfn, bad->size);
	WARN_RATELIMIT(1, "iova: free of pfn %#lx (address %#llx) size %lu refused: %s\n",
		       bad->pfn, (u64)bad->pfn << iova_shift(iovad), bad->size,
		       bad->why);
}

void iova_unlock(struct iova_domain *iovad, struct iova_gone *gone)
	__releases(&iovad->lock)
{
	struct iova_run *run, *next;
	struct iova *iova;
	unsigned int i;

	raw_spin_unlock_irqrestore(&iovad->lock, gone->flags);
	while ((iova = gone->iovas)) {
		gone->iovas = iova->next;
		iova_mem_free(iova);
	}
	list_for_each_entry_safe(run, next, &gone->runs, list)
		iova_run_mem_free(run);
	for (i = 0; i < gone->nr_bad; i++)
		report(iovad, &gone->bad[i]);
}

/* Locked: count a wrong free and have it reported.  @gone has room for it. */
void iova_refuse(struct iova_domain *iovad, struct iova_gone *gone,
		 unsigned long pfn, unsigned long size, const char *why)
{
	iovad->counts.refused++;
	gone->bad[gone->nr_bad++] = (struct iova_bad){ pfn, size, why };
}

/* Locked: add a range whose pfns are set.  Return as gap_tree_insert(). */
int iova_tree_insert(struct iova_domain *iovad, struct iova *iova)
{
	int ret = gap_tree_insert(&iovad->tree, &iova->gap);

	if (!ret)
		iovad->counts.ranges++;
	return ret;
}

/* Locked: take a range out of the tree and have it freed. */
void iova_tree_erase(struct iova_domain *iovad, struct iova *iova,
		     struct iova_gone *gone)
{
	gap_tree_erase(&iovad->tree, &iova->gap);
	iovad->counts.ranges--;
	iova_note_free(iovad, iova->pfn_lo);
	iova->next = gone->iovas;
	gone->iovas = iova;
}

/**
 * iova_tree_take - add a range at the highest place where it fits
 * @iovad: the domain, locked
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @size_aligned: align it to roundup_pow_of_two(@size)
 * @least_pfn: lowest pfn it may cover, 0 or 1
 * @iova: the range; its pfns are set
 *
 * pfn ~0UL is not handed out, so that the end of a range plus one is a number.
 *
 * Return: true; false if there is no place.
 */
bool iova_tree_take(struct iova_domain *iovad, unsigned long size,
		    unsigned long limit_pfn, bool size_aligned,
		    unsigned long least_pfn, struct iova *iova)
{
	iovad->counts.misses++;
	if (!gap_tree_take(&iovad->tree, &iova->gap, size, size_aligned,
			   min(limit_pfn, ~0UL - 1)))
		return false;
	if (iova->pfn_lo < least_pfn) {
		gap_tree_erase(&iovad->tree, &iova->gap);
		return false;
	}
	iovad->counts.ranges++;
	return true;
}

/* As iova_tree_take(), but takes the lock.  Context: any. */
bool iova_tree_alloc(struct iova_domain *iovad, unsigned long size,
		     unsigned long limit_pfn, bool size_aligned,
		     unsigned long least_pfn, struct iova *iova)
{
	unsigned long flags;
	bool taken;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	taken = iova_tree_take(iovad, size, limit_pfn, size_aligned, least_pfn,
			       iova);
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	return taken;
}
