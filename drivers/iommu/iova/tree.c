// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tree of a domain is made of, apart from runs.
 *
 * Theory of operation
 * ===================
 *
 * 1. The tree holds disjoint ranges: runs (run.c), and one struct iova for
 *    each range that is no part of a run.  What is in neither is free.  So the
 *    tree and the bitmaps of the runs decide whether a range that is to be
 *    freed exists; they do not know whose it is.
 *
 * 2. iova_domain.lock is held with interrupts disabled for at most %IOVA_BATCH
 *    tree operations, each O(log n).  Memory is allocated before it is taken
 *    and freed after it is released; struct iova_gone carries what is to be
 *    freed, and the refused frees that are to be reported.
 *
 * 3. A free of a range that is not allocated, or not with that size, is
 *    refused, counted and warned about; nothing changes.
 */

#include <linux/export.h>
#include <linux/iova.h>
#include <linux/slab.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static struct kmem_cache *iova_mem;
static struct kmem_cache *run_mem;

/**
 * iova_mem_init - set up the memory that ranges and runs come from
 *
 * Return: 0, or -ENOMEM.
 */
int iova_mem_init(void)
{
	iova_mem = kmem_cache_create("iommu_iova", sizeof(struct iova),
				     IOVA_NODE_ALIGN, 0, NULL);
	run_mem = kmem_cache_create("iommu_iova_run", sizeof(struct iova_run),
				    IOVA_NODE_ALIGN, 0, NULL);
	if (iova_mem && run_mem)
		return 0;
	iova_mem_exit();
	return -ENOMEM;
}

/**
 * iova_mem_exit - undo iova_mem_init()
 */
void iova_mem_exit(void)
{
	kmem_cache_destroy(run_mem);
	kmem_cache_destroy(iova_mem);
	run_mem = NULL;
	iova_mem = NULL;
}

/**
 * iova_mem_alloc - allocate a range that is in no tree yet
 *
 * Context: any.
 * Return: the range, %NULL without memory or before iova_cache_get().
 */
struct iova *iova_mem_alloc(void)
{
	if (WARN_ONCE(!iova_mem, "iova: used before iova_cache_get()\n"))
		return NULL;
	return kmem_cache_alloc(iova_mem, GFP_ATOMIC | __GFP_NOWARN);
}

/**
 * iova_mem_free - free a range that is in no tree any more
 * @iova: the range, or %NULL
 */
void iova_mem_free(struct iova *iova)
{
	if (iova)
		kmem_cache_free(iova_mem, iova);
}

/**
 * iova_run_mem_alloc - allocate a run that is in no tree yet
 *
 * Context: any.
 * Return: the run, %NULL without memory.
 */
struct iova_run *iova_run_mem_alloc(void)
{
	return kmem_cache_alloc(run_mem, GFP_ATOMIC | __GFP_NOWARN);
}

/**
 * iova_run_mem_free - free a run that is in no tree any more
 * @run: the run, or %NULL
 */
void iova_run_mem_free(struct iova_run *run)
{
	if (run)
		kmem_cache_free(run_mem, run);
}

/**
 * iova_gone_init - have nothing to do yet
 * @gone: what is left to do once the lock is released
 */
void iova_gone_init(struct iova_gone *gone)
{
	gone->iovas = NULL;
	INIT_LIST_HEAD(&gone->runs);
	gone->nr_bad = 0;
}

/**
 * iova_gone_iova - have a range freed once the lock is released
 * @gone: what is left to do then
 * @iova: the range, in no tree any more
 */
void iova_gone_iova(struct iova_gone *gone, struct iova *iova)
{
	iova->next = gone->iovas;
	gone->iovas = iova;
}

static void report(struct iova_domain *iovad, const struct iova_bad *bad)
{
	trace_iova_refused(iovad, bad->pfn, bad->size);
	WARN_RATELIMIT(1, "iova: free of pfn %#lx (address %#llx) size %lu refused: %s\n",
		       bad->pfn, (u64)bad->pfn << iova_shift(iovad), bad->size,
		       bad->why);
}

/**
 * iova_gone_finish - do what was left, and have nothing to do again
 * @iovad: the domain, not locked
 * @gone: what is to be done
 *
 * Context: any.
 */
void iova_gone_finish(struct iova_domain *iovad, struct iova_gone *gone)
{
	struct iova_run *run, *next;
	struct iova *iova;
	unsigned int i;

	while ((iova = gone->iovas)) {
		gone->iovas = iova->next;
		iova_mem_free(iova);
	}
	list_for_each_entry_safe(run, next, &gone->runs, list)
		iova_run_mem_free(run);
	for (i = 0; i < gone->nr_bad; i++)
		report(iovad, &gone->bad[i]);
	iova_gone_init(gone);
}

/**
 * iova_refuse - refuse a free
 * @iovad: the domain, locked
 * @gone: reports it once the lock is released; it has room for one more
 * @pfn: the pfn that was to be freed
 * @size: the size
 * @why: what is wrong with it
 */
void iova_refuse(struct iova_domain *iovad, struct iova_gone *gone,
		 unsigned long pfn, unsigned long size, const char *why)
{
	iovad->counts.refused++;
	gone->bad[gone->nr_bad++] = (struct iova_bad){ pfn, size, why };
}

/**
 * iova_tree_insert - add a range whose pfns are filled in
 * @iovad: the domain, locked
 * @iova: the range
 *
 * Return: 0, or -EEXIST or -EINVAL as gap_tree_insert().
 */
int iova_tree_insert(struct iova_domain *iovad, struct iova *iova)
{
	int ret = gap_tree_insert(&iovad->tree, &iova->gap);

	if (!ret)
		iovad->counts.ranges++;
	return ret;
}

/**
 * iova_tree_erase - take a range out of the tree
 * @iovad: the domain, locked
 * @iova: a range of its tree
 * @gone: frees it once the lock is released
 */
void iova_tree_erase(struct iova_domain *iovad, struct iova *iova,
		     struct iova_gone *gone)
{
	gap_tree_erase(&iovad->tree, &iova->gap);
	iovad->counts.ranges--;
	iova_note_free(iovad, iova->pfn_lo);
	iova_gone_iova(gone, iova);
}

/**
 * iova_tree_take - take the highest free range from the tree
 * @iovad: the domain, locked
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @size_aligned: align it to roundup_pow_of_two(@size)
 * @least_pfn: lowest pfn it may cover, 0 or 1
 * @iova: what it is to be
 *
 * pfn ~0UL is never handed out, so that one past the end of a range is always
 * a number.
 *
 * Return: true; false when nothing fits.
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

/**
 * iova_tree_alloc - the same for a domain that is not locked
 * @iovad: the domain, not locked
 * @size: its size in granules
 * @limit_pfn: highest pfn it may cover
 * @size_aligned: align it to roundup_pow_of_two(@size)
 * @least_pfn: lowest pfn it may cover, 0 or 1
 * @iova: what it is to be
 *
 * Context: any.
 * Return: @iova; %NULL when nothing fits.
 */
struct iova *iova_tree_alloc(struct iova_domain *iovad, unsigned long size,
			     unsigned long limit_pfn, bool size_aligned,
			     unsigned long least_pfn, struct iova *iova)
{
	unsigned long flags;
	bool found;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	found = iova_tree_take(iovad, size, limit_pfn, size_aligned, least_pfn,
			       iova);
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	return found ? iova : NULL;
}

/**
 * iova_node_below - find the highest node that begins at or below a pfn
 * @iovad: the domain, locked
 * @pfn: the pfn
 *
 * Return: the node, %NULL when there is none.
 */
struct gap_node *iova_node_below(struct iova_domain *iovad, unsigned long pfn)
{
	struct gap_node *node = gap_tree_find_from(&iovad->tree, pfn);
	struct rb_node *rb;

	if (node && node->first <= pfn)
		return node;
	rb = node ? rb_prev(&node->rb) : rb_last(&iovad->tree.root);
	return rb_entry_safe(rb, struct gap_node, rb);
}
