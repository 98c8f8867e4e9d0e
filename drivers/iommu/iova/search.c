// SPDX-License-Identifier: GPL-2.0-only
/*
 * A place for a request where the tree has none.
 *
 * Theory of operation
 * ===================
 *
 * 1. The tree knows the holes between its nodes.  There is more that is free:
 *    runs of which nothing is taken, and free slots of others, with a CPU or
 *    not.  A request that finds no hole looks here before it fails.
 *
 * 2. The look goes from the top down over all nodes below the limit.  It keeps
 *    the stretch of free pfns that it is in: a run that is all free makes it
 *    longer, anything taken ends it.  Each stretch is tried, and each run with
 *    enough free slots in a row.  Nothing is changed before a place is found;
 *    then only the runs there are cut (run.c, 4).  So a request never takes
 *    what does not help it.
 *
 * 3. It is exact: a place is a stretch of pfns that are free, and lies between
 *    two taken ranges of the tree or of runs.
 *
 * 4. The lock is released between steps, so others may change what was seen.
 *    When the place is gone by the time it is taken, or something was freed
 *    behind a look that found nothing, the look begins again, some times.
 *
 * 5. A request that found nothing is remembered in the domain.  One that is as
 *    large, and limited as low, fails at once, until something is freed.
 *    Magazines are sorted back before, so a free counts as soon as it is made.
 */

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/iova.h>

#include "internal.h"

/* Nodes looked at in one hold of the lock. */
#define NODES		64U
/* What a run counts for, whose bitmap is looked at. */
#define RUN_COST	4U
/* Looks, when others take what was found. */
#define LOOKS		8U

/**
 * struct request - what is looked for
 * @size: its size
 * @align_mask: low bits of its first pfn that are to be clear
 * @limit_pfn: highest pfn it may cover
 * @turn: see iova_domain.failed_turn
 * @first: where it is found
 */
struct request {
	unsigned long size;
	unsigned long align_mask;
	unsigned long limit_pfn;
	unsigned long turn;
	unsigned long first;
};

/* Whether the request fits the stretch [lo, hi]. */
static bool try_stretch(struct request *req, unsigned long lo, unsigned long hi)
{
	/* Nothing is above the highest pfn there is. */
	if (!lo || hi < lo || hi - lo < req->size - 1)
		return false;
	req->first = (hi - (req->size - 1)) & ~req->align_mask;
	return req->first >= lo;
}

/*
 * Look at one node; the stretch above it ends at *hi.  Afterwards it ends
 * below what is taken of the node.
 */
static bool try_node(struct request *req, struct gap_node *node,
		     unsigned long *hi)
{
	unsigned long first = node->first, last = node->last;
	struct iova_run *run = NULL;

	if (iova_is_run(node)) {
		run = iova_to_run(node);
		if (!iova_run_ends(run, &first, &last))
			return false;
	}
	if (try_stretch(req, last + 1, *hi))
		return true;
	if (run && iova_run_room(run, req->size, req->align_mask,
				 req->limit_pfn, &req->first))
		return true;
	*hi = first ? min(*hi, first - 1) : 0;
	return false;
}

/* Look at nodes from the one below *pos on; *more when the look is not over. */
static bool look_on(struct iova_domain *iovad, struct request *req,
		    unsigned long *pos, unsigned long *hi, bool *more)
{
	struct gap_node *node = iova_node_below(iovad, *pos);
	unsigned int left;

	for (left = NODES; node && node->last >= iovad->tree.start; ) {
		if (left < RUN_COST)
			return false;
		left -= iova_is_run(node) ? RUN_COST : 1;
		if (try_node(req, node, hi))
			return true;
		if (!node->first)
			break;
		*pos = node->first - 1;
		node = rb_entry_safe(rb_prev(&node->rb), struct gap_node, rb);
	}
	*more = false;
	return try_stretch(req, max(iovad->tree.start, 1UL), *hi);
}

static bool look(struct iova_domain *iovad, struct request *req)
{
	unsigned long hi = min(req->limit_pfn, ~0UL - 1), pos = hi, flags;
	bool more = true, found = false;

	while (more && !found) {
		raw_spin_lock_irqsave(&iovad->lock, flags);
		found = look_on(iovad, req, &pos, &hi, &more);
		raw_spin_unlock_irqrestore(&iovad->lock, flags);
	}
	return found;
}

static bool get_spares(struct iova **spares, unsigned int nr)
{
	struct iova *iova;

	for (; nr; nr--) {
		iova = iova_mem_alloc();
		if (!iova)
			return false;
		iova->next = *spares;
		*spares = iova;
	}
	return true;
}

/**
 * struct cutting - runs that are being cut
 * @first: lowest pfn of the place that was not looked at
 * @last: highest pfn of the place
 * @spares: for ranges that get a node
 * @nr: how many
 */
struct cutting {
	unsigned long first;
	unsigned long last;
	struct iova *spares;
	unsigned int nr;
};

/* A run at or above @first; NULL when there is none up to where that is now. */
static struct iova_run *next_run(struct iova_domain *iovad,
				 struct cutting *cutting, bool *more)
{
	struct gap_node *node = gap_tree_find_from(&iovad->tree, cutting->first);
	unsigned int left = NODES;

	*more = true;
	for (; node && node->first <= cutting->last; node = gap_tree_next(node)) {
		if (iova_is_run(node))
			return iova_to_run(node);
		if (node->last >= cutting->last)
			break;
		cutting->first = node->last + 1;
		if (!--left)
			return NULL;
	}
	*more = false;
	return NULL;
}

/* One hold of the lock.  Return whether there may be more to do. */
static bool cut_step(struct iova_domain *iovad, struct cutting *cutting,
		     bool *need_spares)
{
	struct iova_gone gone;
	struct iova_run *run;
	unsigned long flags;
	bool more;

	*need_spares = false;
	iova_gone_init(&gone);
	raw_spin_lock_irqsave(&iovad->lock, flags);
	run = next_run(iovad, cutting, &more);
	/* While a CPU has slots of it, they may be taken at any time. */
	if (run)
		iova_run_release(iovad, run);
	if (run && run->nr_free == run->nr_slots) {
		/* Go on above: a run that is made here again is another's. */
		more = run->gap.last < cutting->last;
		cutting->first = run->gap.last + 1;
		iova_run_remove(iovad, run, &gone);
	} else if (run && cutting->nr < IOVA_CUT) {
		*need_spares = true;
	} else if (run) {
		cutting->nr -= iova_run_cut(iovad, run, &cutting->spares, &gone);
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	iova_gone_finish(iovad, &gone);
	return more;
}

/**
 * iova_cutting - begin to cut runs, or end it
 * @iovad: the domain, not locked
 * @by: 1 or -1
 *
 * No run is made meanwhile, or another CPU could make one again and again where
 * it is in the way.  Requests get ranges with a node of their own.
 */
void iova_cutting(struct iova_domain *iovad, int by)
{
	unsigned long flags;

	if (!iovad->rcache)
		return;
	raw_spin_lock_irqsave(&iovad->lock, flags);
	iovad->rcache->nr_cutting += by;
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
}

/**
 * iova_cut_runs - have no run where something else is to be
 * @iovad: the domain, not locked
 * @first: lowest pfn of the place
 * @last: highest pfn of the place
 *
 * Context: any.
 * Return: 0, or -ENOMEM.  Others may make a run there again at once.
 */
int iova_cut_runs(struct iova_domain *iovad, unsigned long first,
		  unsigned long last)
{
	struct cutting cutting = { .first = first, .last = last };
	bool need_spares;
	struct iova *iova;
	int ret = 0;

	if (!iovad->rcache || !READ_ONCE(iovad->rcache->depot))
		return 0;
	iova_cutting(iovad, 1);
	while (!ret && cut_step(iovad, &cutting, &need_spares)) {
		if (!need_spares)
			continue;
		if (get_spares(&cutting.spares, IOVA_CUT - cutting.nr))
			cutting.nr = IOVA_CUT;
		else
			ret = -ENOMEM;
	}
	iova_cutting(iovad, -1);
	while ((iova = cutting.spares)) {
		cutting.spares = iova->next;
		iova_mem_free(iova);
	}
	/* What is left of a run may be all free soon. */
	iova_reaper_arm(iovad->rcache);
	return ret;
}

/* Take the place that was found, if it is still free. */
static int take(struct iova_domain *iovad, const struct request *req,
		struct iova *iova)
{
	unsigned long last = req->first + req->size - 1, flags;
	int ret = iova_cut_runs(iovad, req->first, last);

	if (ret)
		return ret;
	iova->pfn_lo = req->first;
	iova->pfn_hi = last;
	raw_spin_lock_irqsave(&iovad->lock, flags);
	ret = iova_tree_insert(iovad, iova);
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	return ret;
}

/* Whether the request failed before; if not, prepare to remember that it does. */
static bool fails_again(struct iova_domain *iovad, struct request *req)
{
	unsigned long flags;
	bool again;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	again = req->size >= iovad->failed_size &&
		req->limit_pfn <= iovad->failed_limit;
	if (!again) {
		/* What is freed from here on clears failed_limit. */
		iovad->failed_size = ~0UL;
		iovad->failed_limit = req->limit_pfn;
		req->turn = ++iovad->failed_turn;
	}
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	return again;
}

/* Remember a failure.  Return false when something was freed meanwhile. */
static bool remember_failure(struct iova_domain *iovad,
			     const struct request *req)
{
	unsigned long flags;
	bool sure;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	/* Another that looks since does not know what was freed before. */
	sure = iovad->failed_turn == req->turn &&
	       iovad->failed_limit == req->limit_pfn;
	if (sure)
		iovad->failed_size = req->size;
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	return sure;
}

/* Whether a run in reach of a limit has anything free.  The domain is locked. */
static bool anything_free(struct iova_domain *iovad, unsigned long limit_pfn)
{
	unsigned int zone = iova_zone(iovad, limit_pfn) + 1, class;
	struct iova_rcache *rcache = iovad->rcache;
	const struct iova_cpu *cpu;
	unsigned long sum = 0;

	while (zone-- && rcache->depot)
		for (class = 0; class < IOVA_CLASSES; class++)
			sum |= rcache->depot->free[zone][class];
	if (!sum)
		list_for_each_entry(cpu, &rcache->caches, list)
			for (class = 0; class < IOVA_CLASSES; class++)
				if (cpu->run[class] &&
				    cpu->run[class]->gap.first <= limit_pfn)
					sum |= READ_ONCE(cpu->mask[class]);
	return sum;
}

/*
 * Search the tree, and see whether there is a reason to look further.  In one
 * hold of the lock: what leaves a run is in the tree.
 */
static bool try_tree(struct iova_domain *iovad, const struct request *req,
		     bool size_aligned, struct iova *iova, bool *look_further)
{
	unsigned long flags;
	bool taken;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	taken = iova_tree_take(iovad, req->size, req->limit_pfn, size_aligned,
			       1, iova);
	*look_further = !taken && anything_free(iovad, req->limit_pfn);
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	return taken;
}

/**
 * iova_search - allocate a range where the tree has no hole for it
 * @iovad: the domain, not locked; it has caches
 * @size: its size
 * @limit_pfn: highest pfn it may cover
 * @size_aligned: align it to roundup_pow_of_two(@size)
 * @iova: what it is to be in the tree
 *
 * Context: any.
 * Return: its lowest pfn, 0 when there is no place or no memory.
 */
unsigned long iova_search(struct iova_domain *iovad, unsigned long size,
			  unsigned long limit_pfn, bool size_aligned,
			  struct iova *iova)
{
	struct request req = {
		.size = size,
		.align_mask = size_aligned ? gap_align_mask(size) : 0,
		.limit_pfn = limit_pfn,
	};
	unsigned int left = LOOKS;
	int ret = -EEXIST;
	bool look_further;

	while (ret == -EEXIST && left--) {
		if (size_aligned && fails_again(iovad, &req))
			return 0;
		if (try_tree(iovad, &req, size_aligned, iova, &look_further))
			return iova->pfn_lo;
		if (look_further && look(iovad, &req)) {
			ret = take(iovad, &req, iova);
			continue;
		}
		if (!size_aligned || remember_failure(iovad, &req))
			return 0;
		/* Others free and allocate all the time: not for long. */
		left -= min(left, LOOKS / 2);
		iova_magazines_sort(iovad);
	}
	return ret ? 0 : req.first;
}

/**
 * iova_has_room - whether a request may find a place
 * @iovad: the domain
 * @size: size of the request, aligned to itself
 * @limit_pfn: highest pfn it may cover
 *
 * To tell a request that failed for want of space from one that failed for
 * want of memory.
 *
 * Context: any.
 * Return: false when such a request found no place, and nothing that could
 * have changed that has come back from a magazine since.
 */
bool iova_has_room(struct iova_domain *iovad, unsigned long size,
		   unsigned long limit_pfn)
{
	unsigned long flags;
	bool room;

	raw_spin_lock_irqsave(&iovad->lock, flags);
	room = size < iovad->failed_size || limit_pfn > iovad->failed_limit;
	raw_spin_unlock_irqrestore(&iovad->lock, flags);
	return room;
}
EXPORT_SYMBOL_GPL(iova_has_room);
